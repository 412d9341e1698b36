//! YAML or JSON that is kept as the text of a field: changed there, and written again in the form that it had.

use gitops_manifest::Value;
use gitops_manifest::yaml::{self, EmitOptions, NodeKind, Profile, ScalarStyle};

use crate::comments::Comments;
use crate::hash;
use crate::node::{Kind, Node, Scalar, Tag};
use crate::read;
use crate::transform::path::{self, PathError};

/// A document that was found in a text.
pub(crate) struct Document {
    node: Node,
    /// The document as it was written: what tells quotes, braces and brackets.
    shape: yaml::Node,
    text: String,
}

struct Failed;

impl From<PathError> for Failed {
    fn from(_: PathError) -> Self {
        Self
    }
}

impl Document {
    /// Reads a text; `None` where it is no YAML.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (node, shape) = read::embedded(text)?;
        Some(Self {
            node,
            shape,
            text: text.to_owned(),
        })
    }

    /// Sets the fields that a path leads to. Returns whether there was one.
    pub(crate) fn set(
        &mut self,
        path: &[String],
        create: Option<Kind>,
        put: &mut impl FnMut(&mut Node) -> Result<(), String>,
    ) -> bool {
        let mut found = |node: &mut Node| put(node).map_err(|_| Failed);
        matches!(path::matches(&mut self.node, path, create, &mut found), Ok(n) if n > 0)
    }

    /// Writes the document: as JSON where the text was JSON, over several lines where it was, else as YAML.
    pub(crate) fn write(&self) -> Option<String> {
        let first = self.text.trim_start().chars().next()?;
        if matches!(first, '{' | '[') {
            let value = self.node.to_value().ok()?;
            let mut out = String::new();
            if self.text.contains('\n') && self.text.contains("  ") {
                hash::go_json_indented(&mut out, &value, 0);
            } else {
                hash::go_json(&mut out, &value);
            }
            return Some(out);
        }
        let mut writer = Writer {
            out: String::new(),
            comments: Comments::find(&self.text, &self.shape),
        };
        writer.block(&self.node, Some(&self.shape), 0, false);
        writer.comments.end(&mut writer.out);
        Some(writer.out.trim().to_owned())
    }
}

struct Writer {
    out: String,
    comments: Comments,
}

/// Returns the tag that is written before a plain scalar: the one that was there, or that of what was there where the
/// new text reads as something else. Text needs none.
fn tag_to_write(scalar: &Scalar, shape: Option<&yaml::Node>) -> Option<String> {
    const CORE: &str = "tag:yaml.org,2002:";
    let shape = shape?;
    if let Some(tag) = &shape.tag {
        return Some(match tag.strip_prefix(CORE) {
            Some(name) => format!("!!{name}"),
            None => tag.to_string(),
        });
    }
    let NodeKind::Scalar { text, .. } = &shape.kind else {
        return None;
    };
    let before = crate::scalar::resolve(text);
    let now = crate::scalar::resolve(&scalar.text);
    let name = match before {
        Tag::Null => "null",
        Tag::Bool => "bool",
        Tag::Int => "int",
        Tag::Float => "float",
        Tag::Timestamp => "timestamp",
        _ => return None,
    };
    (before != now).then(|| format!("!!{name}"))
}

fn is_flow(shape: Option<&yaml::Node>) -> bool {
    match shape.map(|shape| &shape.kind) {
        Some(NodeKind::Sequence { flow, .. } | NodeKind::Mapping { flow, .. }) => *flow,
        _ => false,
    }
}

fn entry_shape<'a>(
    shape: Option<&'a yaml::Node>,
    key: &str,
) -> Option<&'a (yaml::Node, yaml::Node)> {
    shape?
        .entries()?
        .iter()
        .find(|(k, _)| k.as_str() == Some(key))
}

fn item_shape(shape: Option<&yaml::Node>, i: usize) -> Option<&yaml::Node> {
    shape?.items()?.get(i)
}

impl Writer {
    fn indent(&mut self, depth: usize) {
        for _ in 0..depth {
            self.out.push_str("  ");
        }
    }

    /// Writes a node that begins on a line of its own, or behind `- ` where `inline` says so.
    fn block(&mut self, node: &Node, shape: Option<&yaml::Node>, depth: usize, inline: bool) {
        match node {
            Node::Map(entries) if !entries.is_empty() && !is_flow(shape) => {
                for (i, (key, value)) in entries.iter().enumerate() {
                    let own = entry_shape(shape, &key.text);
                    let (own_key, own_value) = (own.map(|(key, _)| key), own.map(|(_, v)| v));
                    if i > 0 || !inline {
                        self.above(own_key, false, depth);
                        self.indent(depth);
                    } else if let Some(own) = own_key {
                        self.comments.inline(own, 2 * depth);
                    }
                    self.scalar(key, own_key, depth, true);
                    self.out.push(':');
                    self.value(value, own_value, depth, own_key.map_or(0, |key| key.line));
                }
            }
            Node::Seq(items) if !items.is_empty() && !is_flow(shape) => {
                for (i, item) in items.iter().enumerate() {
                    let own = item_shape(shape, i);
                    if i > 0 || !inline {
                        self.above(own, true, depth);
                        self.indent(depth);
                    }
                    self.out.push_str("- ");
                    self.block(item, own, depth + 1, true);
                }
            }
            other => {
                self.flow(other, shape, depth);
                self.end_line(shape.map_or(0, |shape| shape.line));
            }
        }
    }

    /// Writes the comments above what begins a line of its own.
    fn above(&mut self, shape: Option<&yaml::Node>, is_item: bool, depth: usize) {
        if let Some(shape) = shape {
            let out = &mut self.out;
            self.comments.above(shape, is_item, 2 * depth, out);
        }
    }

    /// Ends a line with the comment that stood behind it.
    fn end_line(&mut self, line: usize) {
        if self.out.ends_with(' ') {
            self.out.pop();
        }
        self.comments.behind(line, &mut self.out);
        self.out.push('\n');
    }

    /// Writes what stands behind a key, which was on a line.
    fn value(&mut self, value: &Node, shape: Option<&yaml::Node>, depth: usize, line: usize) {
        match value {
            Node::Map(entries) if !entries.is_empty() && !is_flow(shape) => {
                self.end_line(line);
                self.block(value, shape, depth + 1, false);
            }
            Node::Seq(items) if !items.is_empty() && !is_flow(shape) => {
                self.end_line(line);
                self.block(value, shape, depth, false);
            }
            other => {
                self.out.push(' ');
                self.flow(other, shape, depth);
                self.end_line(line);
            }
        }
    }

    /// Writes a node on one line.
    fn flow(&mut self, node: &Node, shape: Option<&yaml::Node>, depth: usize) {
        match node {
            Node::Scalar(scalar) => self.scalar(scalar, shape, depth, false),
            Node::Seq(items) => {
                self.out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.out.push_str(", ");
                    }
                    self.within_flow(item, item_shape(shape, i), depth);
                }
                self.out.push(']');
            }
            Node::Map(entries) => {
                self.out.push('{');
                for (i, (key, value)) in entries.iter().enumerate() {
                    if i > 0 {
                        self.out.push_str(", ");
                    }
                    let own = entry_shape(shape, &key.text);
                    self.scalar(key, own.map(|(key, _)| key), depth, true);
                    self.out.push_str(": ");
                    self.within_flow(value, own.map(|(_, value)| value), depth);
                }
                self.out.push('}');
            }
        }
    }

    fn within_flow(&mut self, node: &Node, shape: Option<&yaml::Node>, depth: usize) {
        if let Node::Scalar(scalar) = node {
            self.scalar(scalar, shape, depth, true);
        } else {
            self.flow(node, shape, depth);
        }
    }

    /// Writes a scalar with the quotes that it had; `simple` where a block over several lines is not possible.
    fn scalar(&mut self, scalar: &Scalar, shape: Option<&yaml::Node>, depth: usize, simple: bool) {
        let style = match shape.map(|shape| &shape.kind) {
            Some(NodeKind::Scalar { style, .. }) => *style,
            _ => ScalarStyle::Plain,
        };
        let text = &*scalar.text;
        let lines = text.contains('\n');
        if style == ScalarStyle::Plain
            && !lines
            && let Some(tag) = tag_to_write(scalar, shape)
        {
            self.out.push_str(&tag);
            if !text.is_empty() {
                self.out.push(' ');
                self.tagged(text);
            }
            return;
        }
        match style {
            ScalarStyle::Literal | ScalarStyle::Folded if text.is_empty() => {
                self.out.push_str("\"\"");
            }
            ScalarStyle::DoubleQuoted => hash::go_json_string(&mut self.out, text),
            ScalarStyle::SingleQuoted if !lines => self.single(text),
            ScalarStyle::Literal | ScalarStyle::Folded if !simple => {
                self.literal(text, depth, shape);
            }
            _ if lines && !simple => self.literal(text, depth, shape),
            _ if lines => hash::go_json_string(&mut self.out, text),
            _ => {
                let is_text = scalar.tag == Tag::Str
                    || (scalar.tag == Tag::Open && crate::scalar::resolve(text) == Tag::Str);
                if !is_text {
                    self.out.push_str(text);
                } else if simple && text.contains([',', '[', ']', '{', '}']) {
                    self.single(text);
                } else {
                    let options = EmitOptions::new(Profile::Kyaml);
                    let written = yaml::emit(&Value::from(text), &options);
                    let written = written.trim_end_matches('\n');
                    // A word of YAML 1.1 as `yes` is quoted as a value, and left as it is as a node.
                    let bare = written.strip_prefix('"').and_then(|w| w.strip_suffix('"'));
                    let word = bare == Some(text) && crate::scalar::resolve(text) == Tag::Str;
                    self.out.push_str(if word { text } else { written });
                }
            }
        }
    }

    /// Writes a text whose tag stands before it: without quotes wherever it can.
    fn tagged(&mut self, text: &str) {
        if crate::scalar::resolve(text) != Tag::Str {
            self.out.push_str(text);
            return;
        }
        let written = yaml::emit(&Value::from(text), &EmitOptions::new(Profile::Kyaml));
        let written = written.trim_end_matches('\n');
        let bare = written.strip_prefix('"').and_then(|w| w.strip_suffix('"'));
        self.out
            .push_str(if bare == Some(text) { text } else { written });
    }

    fn single(&mut self, text: &str) {
        self.out.push('\'');
        self.out.push_str(&text.replace('\'', "''"));
        self.out.push('\'');
    }

    fn literal(&mut self, text: &str, depth: usize, shape: Option<&yaml::Node>) {
        self.out.push('|');
        if text.starts_with([' ', '\n']) {
            self.out.push('2');
        }
        match (text.ends_with('\n'), text.ends_with("\n\n")) {
            (false, _) => self.out.push('-'),
            (true, true) => self.out.push('+'),
            (true, false) => {}
        }
        if let Some(shape) = shape {
            self.comments.behind(shape.line, &mut self.out);
        }
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            self.out.push('\n');
            if !line.is_empty() {
                self.indent(depth + 1);
                self.out.push_str(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        let document = Document::parse(text).expect("it is YAML");
        document.write().expect("it can be written")
    }

    #[test]
    fn documents_keep_their_form() {
        for text in [
            "a: 1\nb:\n- x: {y: [1, \"2\"], z: 'q'}\n  w: text\n- plain\nc: {}\nd: \"yes\"",
            "b: 2\na: |\n  line\n  other\nc: |-\n  x\n  y",
            "- - a\n  - b\n- k: v",
            "{\"a\":1,\"b\":[true,null]}",
            "{\n  \"a\": 1,\n  \"b\": []\n}",
        ] {
            assert_eq!(again(text), text);
        }
    }
}
