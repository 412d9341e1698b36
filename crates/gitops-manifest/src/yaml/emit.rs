//! The writer: values to YAML, as go-yaml writes them.

mod node;
mod order;
mod scalar;

pub use node::emit_node;
use scalar::Analysis;

use super::Profile;
use super::float::format_g64;
use super::resolve::{Resolved, resolve};
use crate::{Array, Map, Number, Value};

/// How a value is written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EmitOptions {
    /// Whose form to follow.
    ///
    /// [`Profile::Sigs`] is what `sigs.k8s.io/yaml` writes: Helm's `toYaml`, `kubectl -o yaml`, and also
    /// `kustomize build`, which passes its resources through it at the end. [`Profile::Kyaml`] is go-yaml v3 with an
    /// indentation of 2: what kyaml writes into annotations and files; nothing is folded.
    pub profile: Profile,
    /// Whether a list below a key is indented. go-yaml v3 does so unless it is told otherwise (Helm's
    /// `toYamlPretty`); v2 never does.
    pub indent_lists: bool,
}

impl Default for EmitOptions {
    fn default() -> Self {
        Self::new(Profile::Sigs)
    }
}

impl EmitOptions {
    /// Takes the form of a profile, with lists not indented.
    #[must_use]
    pub const fn new(profile: Profile) -> Self {
        Self {
            profile,
            indent_lists: false,
        }
    }

    /// Sets whether a list below a key is indented.
    #[must_use]
    pub const fn indent_lists(mut self, indent: bool) -> Self {
        self.indent_lists = indent;
        self
    }
}

/// Writes a value as one document, with the line feed at its end.
///
/// ```
/// use gitops_manifest::{Value, yaml};
///
/// let value = Value::from_json(r#"{"b": ["on", 1.5], "a10": {}, "a9": null}"#)?;
/// let text = yaml::emit(&value, &yaml::EmitOptions::default());
/// assert_eq!(text, "a9: null\na10: {}\nb:\n- \"on\"\n- 1.5\n");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn emit(value: &Value, options: &EmitOptions) -> String {
    let mut out = String::new();
    emit_into(value, options, &mut out);
    out
}

/// Appends a value as one document, with the line feed at its end.
pub fn emit_into(value: &Value, options: &EmitOptions, out: &mut String) {
    let mut emitter = Emitter::new(out, options, options.profile);
    emitter.node(value, Context::Root);
    emitter.write_indent();
}

/// Writes values as documents with `---` between them.
#[must_use]
pub fn emit_all<'v>(values: impl IntoIterator<Item = &'v Value>, options: &EmitOptions) -> String {
    let mut out = String::new();
    for value in values {
        if !out.is_empty() {
            out.push_str("---\n");
        }
        emit_into(value, options, &mut out);
    }
    out
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Root,
    Item,
    /// A key that fits on a line.
    SimpleKey,
    /// A key behind `?`, or any value of a map.
    Mapping,
}

struct Emitter<'a> {
    out: &'a mut String,
    options: &'a EmitOptions,
    /// Where text is folded.
    width: usize,
    /// How many brackets are open.
    flow: usize,
    indent: isize,
    /// The column in characters.
    column: usize,
    /// Whether the last character was a blank, or there is none on the line.
    whitespace: bool,
    /// Whether the line has nothing but indentation and indicators that count as such.
    indention: bool,
}

/// Keys up to this many bytes need no `?`.
const SIMPLE_KEY_BYTES: usize = 128;

impl<'a> Emitter<'a> {
    const fn new(out: &'a mut String, options: &'a EmitOptions, profile: Profile) -> Self {
        Self {
            out,
            options,
            width: match profile {
                Profile::Sigs => 80,
                Profile::Kyaml => usize::MAX,
            },
            flow: 0,
            indent: -1,
            column: 0,
            whitespace: true,
            indention: true,
        }
    }

    fn put(&mut self, byte: u8) {
        self.out.push(char::from(byte));
        self.column += 1;
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Goes to the current indentation, on a new line where the current one is further already.
    fn write_indent(&mut self) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.indention || self.column > indent || self.column == indent && !self.whitespace {
            self.put_break();
        }
        const BLANKS: &str = "                                                                ";
        while self.column < indent {
            let step = (indent - self.column).min(BLANKS.len());
            self.out.push_str(&BLANKS[..step]);
            self.column += step;
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn indicator(&mut self, byte: u8, needs_blank: bool, indention: bool) {
        if needs_blank && !self.whitespace {
            self.put(b' ');
        }
        self.put(byte);
        self.whitespace = false;
        self.indention &= indention;
    }

    /// Writes text that needs no care.
    fn plain(&mut self, text: &str) {
        if !self.whitespace {
            self.out.push(' ');
            self.column += 1;
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = false;
        self.indention = false;
    }

    fn node(&mut self, value: &Value, context: Context) {
        match value {
            Value::Null => self.plain("null"),
            Value::Bool(true) => self.plain("true"),
            Value::Bool(false) => self.plain("false"),
            Value::Number(number) => self.number(*number),
            Value::String(text) => self.string(text, context),
            Value::Array(values) if values.is_empty() => self.plain("[]"),
            Value::Array(values) => self.sequence(values, context),
            Value::Object(map) if map.is_empty() => self.plain("{}"),
            Value::Object(map) => self.mapping(map),
        }
    }

    fn number(&mut self, number: Number) {
        if let Some(int) = number.as_i64() {
            self.plain(itoa::Buffer::new().format(int));
        } else if let Some(uint) = number.as_u64() {
            self.plain(itoa::Buffer::new().format(uint));
        } else {
            let mut text = String::new();
            format_g64(number.as_f64(), &mut text);
            self.plain(&text);
        }
    }

    /// Goes to the indentation of a list, and returns the one before.
    fn begin_sequence(&mut self, context: Context) -> isize {
        let outer = self.indent;
        let below_key = context == Context::Mapping && (self.column == 0 || !self.indention);
        if self.indent < 0 {
            self.indent = 0;
        } else if !below_key || self.options.indent_lists {
            self.indent += 2;
        }
        outer
    }

    fn sequence(&mut self, values: &Array, context: Context) {
        let outer = self.begin_sequence(context);
        for value in values {
            self.write_indent();
            self.indicator(b'-', true, true);
            self.node(value, Context::Item);
        }
        self.indent = outer;
    }

    fn mapping(&mut self, map: &Map) {
        let outer = self.indent;
        self.indent = if outer < 0 { 0 } else { outer + 2 };
        let profile = self.options.profile;
        // Maps are in order of bytes, which is the order of writing for most of them.
        let sorted = map
            .keys()
            .zip(map.keys().skip(1))
            .all(|(a, b)| !order::is_before(profile, b, a));
        if sorted {
            for (key, value) in map {
                self.entry(key, value);
            }
        } else {
            let mut entries: Vec<(&str, &Value)> = map
                .iter()
                .map(|(key, value)| (key.as_str(), value))
                .collect();
            order::sort(profile, &mut entries);
            for (key, value) in entries {
                self.entry(key, value);
            }
        }
        self.indent = outer;
    }

    fn entry(&mut self, key: &str, value: &Value) {
        self.write_indent();
        if key.len() <= SIMPLE_KEY_BYTES && !has_break(key) {
            self.string(key, Context::SimpleKey);
            self.indicator(b':', false, false);
        } else {
            self.indicator(b'?', true, true);
            self.string(key, Context::Mapping);
            self.write_indent();
            self.indicator(b':', true, true);
        }
        self.node(value, Context::Mapping);
    }

    /// Writes a string in the plainest style that reads back as the same string.
    fn string(&mut self, text: &str, context: Context) {
        // Without a colon it is no number to the base of 60.
        if is_simple(text) && self.reads_as_text(text) {
            self.plain(text);
            return;
        }
        let analysis = Analysis::of(text, self.options.profile);
        let outer = self.indent;
        self.indent = if outer < 0 { 2 } else { outer + 2 };
        let simple_key = context == Context::SimpleKey;
        let folds = !simple_key;
        if text.contains('\n') && analysis.block && !simple_key {
            self.write_literal(text);
        } else if text.contains('\n') || !self.stays_text(text) {
            self.write_double_quoted(text, folds);
        } else if analysis.plain && !(text.is_empty() && simple_key) {
            self.write_plain(text, folds);
        } else if analysis.single_quoted {
            self.write_single_quoted(text, folds);
        } else {
            self.write_double_quoted(text, folds);
        }
        self.indent = outer;
    }

    /// Whether every reader takes the plain text for text.
    fn stays_text(&self, text: &str) -> bool {
        self.reads_as_text(text) && !is_base_60(text)
    }

    /// Whether a reader of the profile takes the plain text for text, and one of YAML 1.1 does not take it for a
    /// boolean.
    fn reads_as_text(&self, text: &str) -> bool {
        let profile = self.options.profile;
        matches!(resolve(Profile::Sigs, text), Resolved::Text)
            && (profile == Profile::Sigs || matches!(resolve(profile, text), Resolved::Text))
    }
}

/// The characters that mean nothing to YAML wherever they stand, the hyphen at the beginning left aside.
static HARMLESS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let char = byte as u8;
        table[byte] = char.is_ascii_alphanumeric() || matches!(char, b'/' | b'.' | b'_' | b'-');
        byte += 1;
    }
    table
};

/// Whether a text has none but the most harmless characters.
fn is_simple(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|first| *first != b'-')
        && bytes.iter().all(|byte| HARMLESS[usize::from(*byte)])
        && !text.starts_with("...")
}

/// Whether a text holds what YAML 1.1 takes for a line break.
fn has_break(text: &str) -> bool {
    text.bytes()
        .any(|b| matches!(b, b'\n' | b'\r' | 0xC2 | 0xE2))
        && text.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
}

/// Whether a text is a number to the base of 60, which readers of YAML 1.1 may know: `1:30`, `190:20:30.5`.
fn is_base_60(text: &str) -> bool {
    if !text.contains(':') {
        return false;
    }
    let bytes = text.as_bytes();
    let unsigned = match bytes {
        [b'+' | b'-', rest @ ..] => rest,
        _ => bytes,
    };
    let (whole, fraction) = match unsigned.iter().position(|byte| *byte == b'.') {
        Some(point) => (&unsigned[..point], &unsigned[point + 1..]),
        None => (unsigned, &[][..]),
    };
    let mut groups = whole.split(|byte| *byte == b':');
    let digits = |group: &[u8]| group.iter().all(|b| b.is_ascii_digit() || *b == b'_');
    let first = groups.next().unwrap_or_default();
    first.first().is_some_and(u8::is_ascii_digit)
        && digits(first)
        && digits(fraction)
        && groups.all(|group| match group {
            [digit] => digit.is_ascii_digit(),
            [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
            _ => false,
        })
}
