//! Values to JSON.

use crate::error::{Error, Result};
use crate::format::float::format_float;
use crate::output::Output;
use crate::render::Limits;
use crate::unicode::chars;
use crate::value::{List, Map, Object, Value};

/// Writes values as JSON, with the keys of maps in order.
pub(crate) struct Encoder<'a> {
    limits: &'a Limits,
    html: bool,
    indent: Option<&'static str>,
    out: Output,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            html: false,
            indent: None,
            out: Output::new(),
        }
    }

    /// Escapes what has a meaning in HTML.
    pub(crate) const fn escape_html(mut self) -> Self {
        self.html = true;
        self
    }

    /// Writes every item on a line of its own.
    pub(crate) const fn indent(mut self, indent: &'static str) -> Self {
        self.indent = Some(indent);
        self
    }

    pub(crate) fn encode(mut self, value: &Value) -> Result<Value> {
        self.value(value, 0)?;
        Ok(Value::Str(self.out.into()))
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<()> {
        if depth > self.limits.nesting {
            return Err(Error::limit(
                "the depth of a value",
                self.limits.nesting as u64,
            ));
        }
        if self.out.len() as u64 > self.limits.output {
            return Err(Error::limit("the size of a value", self.limits.output));
        }
        match value {
            Value::Missing | Value::Nil => self.out.write_str("null"),
            Value::Bool(value) => self.out.write_str(if *value { "true" } else { "false" }),
            Value::Int(int) | Value::Int64(int) => {
                self.out.write_str(itoa::Buffer::new().format(*int));
            }
            Value::Uint8(int) => self.out.write_str(itoa::Buffer::new().format(*int)),
            Value::Uint64(int) => self.out.write_str(itoa::Buffer::new().format(*int)),
            Value::Float(float) => {
                if !float.is_finite() {
                    let shown = format_float(*float, 'g', None);
                    return Err(Error::new(format!("json: unsupported value: {shown}")));
                }
                self.out.write_str(&number(*float));
            }
            Value::Str(text) => self.string(text.as_bytes()),
            Value::List(list) => return crate::stack::grow(|| self.list(list, depth)),
            Value::Map(map) => return crate::stack::grow(|| self.map(map, depth)),
            Value::Object(object) => {
                return crate::stack::grow(|| self.object(object.as_ref(), depth));
            }
            Value::Complex(..) => return Err(Error::new("json: unsupported type: complex128")),
            Value::Func(_) => return Err(Error::new("json: unsupported type: func()")),
        }
        Ok(())
    }

    fn newline(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.out.write_char('\n');
            for _ in 0..depth {
                self.out.write_str(indent);
            }
        }
    }

    fn list(&mut self, list: &List, depth: usize) -> Result<()> {
        if list.is_nil() {
            self.out.write_str("null");
            return Ok(());
        }
        if let Some(bytes) = list.to_bytes() {
            self.string(crate::sprig::base64(&bytes).as_bytes());
            return Ok(());
        }
        self.out.write_char('[');
        for (at, item) in list.to_vec().iter().enumerate() {
            if at > 0 {
                self.out.write_char(',');
            }
            self.newline(depth + 1);
            self.value(item, depth + 1)?;
        }
        if !list.is_empty() {
            self.newline(depth);
        }
        self.out.write_char(']');
        Ok(())
    }

    fn map(&mut self, map: &Map, depth: usize) -> Result<()> {
        if map.is_nil() {
            self.out.write_str("null");
            return Ok(());
        }
        self.entries(
            map.to_vec()
                .iter()
                .map(|(key, value)| (key.as_bytes(), value)),
            depth,
        )
    }

    fn entries<'v>(
        &mut self,
        entries: impl Iterator<Item = (&'v [u8], &'v Value)>,
        depth: usize,
    ) -> Result<()> {
        self.out.write_char('{');
        let mut any = false;
        for (key, value) in entries {
            if std::mem::replace(&mut any, true) {
                self.out.write_char(',');
            }
            self.newline(depth + 1);
            self.string(key);
            self.out
                .write_str(if self.indent.is_some() { ": " } else { ":" });
            self.value(value, depth + 1)?;
        }
        if any {
            self.newline(depth);
        }
        self.out.write_char('}');
        Ok(())
    }

    fn object(&mut self, object: &dyn Object, depth: usize) -> Result<()> {
        if let Some(value) = object.to_json().or_else(|| object.underlying()) {
            return self.value(&value, depth + 1);
        }
        let fields = object.fields();
        self.entries(
            fields.iter().map(|(name, value)| (name.as_bytes(), value)),
            depth,
        )
    }

    fn string(&mut self, bytes: &[u8]) {
        self.out.write_char('"');
        if let Ok(text) = std::str::from_utf8(bytes)
            && !text.bytes().any(|byte| self.escapes(byte))
        {
            self.out.write_str(text);
            self.out.write_char('"');
            return;
        }
        for (c, width) in chars(bytes) {
            match c {
                '"' => self.out.write_str("\\\""),
                '\\' => self.out.write_str("\\\\"),
                '\x08' => self.out.write_str("\\b"),
                '\x0c' => self.out.write_str("\\f"),
                '\n' => self.out.write_str("\\n"),
                '\r' => self.out.write_str("\\r"),
                '\t' => self.out.write_str("\\t"),
                '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => self.code(c),
                '<' | '>' | '&' if self.html => self.code(c),
                char::REPLACEMENT_CHARACTER if width == 1 => self.out.write_str("\\ufffd"),
                c => self.out.write_char(c),
            }
        }
        self.out.write_char('"');
    }

    /// Tells whether a byte may need an escape; U+2028 and U+2029 start with this one.
    const fn escapes(&self, byte: u8) -> bool {
        matches!(byte, b'"' | b'\\' | 0..=0x1f | 0xe2)
            || (self.html && matches!(byte, b'<' | b'>' | b'&'))
    }

    fn code(&mut self, c: char) {
        self.out.write_str(&format!("\\u{:04x}", c as u32));
    }
}

/// Writes a number as JavaScript would: exponents only where they are far from zero.
fn number(float: f64) -> String {
    let magnitude = float.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return format_float(float, 'f', None);
    }
    let mut text = format_float(float, 'e', None);
    // Small exponents lose the zero: 1e-09 becomes 1e-9.
    if let Some(at) = text.find("e-0") {
        text.remove(at + 2);
    }
    text
}
