//! Nodes to YAML, as the encoder of go-yaml v3 writes them: with their own styles, order, tags and anchors.

use super::super::Profile;
use super::super::node::{Node, NodeKind};
use super::super::scan::ScalarStyle;
use super::scalar::Analysis;
use super::{Context, EmitOptions, Emitter, SIMPLE_KEY_BYTES, has_break};

/// Writes a node as one document, as kyaml 0.21 does: scalars in the styles that they were read in where those can
/// hold them, keys in their order, lists as [`EmitOptions::indent_lists`] says. Nothing is folded that was not.
///
/// ```
/// use gitops_manifest::yaml::{self, EmitOptions, ParseOptions, Profile};
///
/// let text = "b: 'x'   # a comment\na:\n    - {c: \"y\"}\n";
/// let nodes = yaml::parse_nodes(text, &ParseOptions::new(Profile::Kyaml))?;
/// let text = yaml::emit_node(&nodes[0], &EmitOptions::new(Profile::Kyaml));
/// assert_eq!(text, "b: 'x'\na:\n- {c: \"y\"}\n");
/// # Ok::<(), yaml::Error>(())
/// ```
#[must_use]
pub fn emit_node(node: &Node, options: &EmitOptions) -> String {
    let mut out = String::new();
    let mut emitter = Emitter::new(&mut out, options, Profile::Kyaml);
    emitter.written_node(node, Context::Root);
    emitter.write_indent();
    out
}

impl Emitter<'_> {
    fn written_node(&mut self, node: &Node, context: Context) {
        match &node.kind {
            NodeKind::Alias(name) => {
                self.indicator(b'*', true, false);
                self.rest(name);
            }
            NodeKind::Scalar { text, style } => {
                self.properties(node);
                self.written_scalar(text, *style, context);
            }
            NodeKind::Sequence { items, flow } => {
                self.properties(node);
                if *flow || items.is_empty() || self.flow > 0 {
                    self.flow_sequence(items);
                } else {
                    self.block_sequence(items, context);
                }
            }
            NodeKind::Mapping { entries, flow } => {
                self.properties(node);
                if *flow || entries.is_empty() || self.flow > 0 {
                    self.flow_mapping(entries);
                } else {
                    self.block_mapping(entries);
                }
            }
        }
    }

    /// Writes text that goes on from an indicator.
    fn rest(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
        self.whitespace = false;
        self.indention = false;
    }

    fn properties(&mut self, node: &Node) {
        if let Some(anchor) = &node.anchor {
            self.indicator(b'&', true, false);
            self.rest(anchor);
        }
        let Some(tag) = node.tag.as_deref().filter(|tag| *tag != "!") else {
            return;
        };
        if !self.whitespace {
            self.put(b' ');
        }
        let mut text = String::new();
        if let Some(suffix) = tag.strip_prefix("tag:yaml.org,2002:") {
            text.push_str("!!");
            write_tag(suffix, &mut text);
        } else if let Some(suffix) = tag.strip_prefix('!') {
            text.push('!');
            write_tag(suffix, &mut text);
        } else {
            text.push_str("!<");
            write_tag(tag, &mut text);
            text.push('>');
        }
        self.rest(&text);
    }

    fn written_scalar(&mut self, text: &str, style: ScalarStyle, context: Context) {
        let analysis = Analysis::of(text, Profile::Kyaml);
        let simple_key = context == Context::SimpleKey;
        let inline = self.flow > 0;
        let style = match style {
            ScalarStyle::Plain if text.contains('\n') => ScalarStyle::Literal,
            style => style,
        };
        let style = match style {
            _ if simple_key && has_break(text) => ScalarStyle::DoubleQuoted,
            ScalarStyle::Plain
                if text.is_empty() && (inline || simple_key)
                    || !text.is_empty() && !analysis.plain
                    || inline && !analysis.flow_plain =>
            {
                ScalarStyle::SingleQuoted
            }
            ScalarStyle::Literal | ScalarStyle::Folded
                if !analysis.block || inline || simple_key =>
            {
                ScalarStyle::DoubleQuoted
            }
            style => style,
        };
        let outer = self.indent;
        self.indent = if outer < 0 { 2 } else { outer + 2 };
        let folds = !simple_key;
        match style {
            ScalarStyle::SingleQuoted if !analysis.single_quoted => {
                self.write_double_quoted(text, folds);
            }
            // A scalar without text is nothing at all.
            ScalarStyle::Plain if text.is_empty() => self.indention = false,
            ScalarStyle::Plain => self.write_plain(text, folds),
            ScalarStyle::SingleQuoted => self.write_single_quoted(text, folds),
            ScalarStyle::DoubleQuoted => self.write_double_quoted(text, folds),
            ScalarStyle::Literal => self.write_literal(text),
            ScalarStyle::Folded => self.write_folded(text),
        }
        self.indent = outer;
    }

    fn block_sequence(&mut self, items: &[Node], context: Context) {
        let outer = self.begin_sequence(context);
        for item in items {
            self.write_indent();
            self.indicator(b'-', true, true);
            self.written_node(item, Context::Item);
        }
        self.indent = outer;
    }

    fn block_mapping(&mut self, entries: &[(Node, Node)]) {
        let outer = self.indent;
        self.indent = if outer < 0 { 0 } else { outer + 2 };
        for (key, value) in entries {
            self.write_indent();
            if is_simple_key(key) {
                self.written_node(key, Context::SimpleKey);
                self.indicator(b':', false, false);
            } else {
                self.indicator(b'?', true, true);
                self.written_node(key, Context::Mapping);
                self.write_indent();
                self.indicator(b':', true, true);
            }
            self.written_node(value, Context::Mapping);
        }
        self.indent = outer;
    }

    fn flow_sequence(&mut self, items: &[Node]) {
        let outer = self.open(b'[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.indicator(b',', false, false);
            }
            self.written_node(item, Context::Item);
        }
        self.close(b']', outer);
    }

    fn flow_mapping(&mut self, entries: &[(Node, Node)]) {
        let outer = self.open(b'{');
        for (i, (key, value)) in entries.iter().enumerate() {
            if i > 0 {
                self.indicator(b',', false, false);
            }
            if is_simple_key(key) {
                self.written_node(key, Context::SimpleKey);
                self.indicator(b':', false, false);
            } else {
                self.indicator(b'?', true, false);
                self.written_node(key, Context::Mapping);
                self.indicator(b':', true, false);
            }
            self.written_node(value, Context::Mapping);
        }
        self.close(b'}', outer);
    }

    /// Begins a collection in brackets, and returns the indentation before.
    fn open(&mut self, bracket: u8) -> isize {
        let outer = self.indent;
        self.indicator(bracket, true, false);
        self.whitespace = true;
        self.flow += 1;
        self.indent = if outer < 0 { 2 } else { outer + 2 };
        outer
    }

    fn close(&mut self, bracket: u8, outer: isize) {
        self.flow -= 1;
        self.indent = outer;
        self.indicator(bracket, false, false);
    }
}

/// Whether a key fits on a line, its anchor and tag counted.
fn is_simple_key(key: &Node) -> bool {
    let own = match &key.kind {
        NodeKind::Alias(name) => name.len(),
        NodeKind::Scalar { text, .. } if !has_break(text) => text.len(),
        NodeKind::Sequence { items, .. } if items.is_empty() => 0,
        NodeKind::Mapping { entries, .. } if entries.is_empty() => 0,
        _ => return false,
    };
    let anchor = key.anchor.as_ref().map_or(0, |anchor| anchor.len());
    let tag = key.tag.as_deref().map_or(0, |tag| {
        tag.strip_prefix("tag:yaml.org,2002:")
            .map_or(tag.len(), |suffix| suffix.len() + 2)
    });
    own + anchor + tag <= SIMPLE_KEY_BYTES
}

/// Appends the rest of a tag, with what may not stand in one escaped.
fn write_tag(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_-;/?:@&=+$,.~*'()[]".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}
