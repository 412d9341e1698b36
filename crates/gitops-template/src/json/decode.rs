//! JSON to values.

use crate::text::Str;
use crate::value::{Map, MapType, Value};

/// How deep lists and objects may nest.
const MAX_DEPTH: usize = 10_000;

/// Reads a JSON text. The messages are Go's.
pub(crate) fn decode(text: &[u8]) -> Result<Value, String> {
    match decode_lenient(text)? {
        (value, None) => Ok(value),
        (_, Some(number)) => Err(format!(
            "json: cannot unmarshal number {number} into Go value of type float64"
        )),
    }
}

/// Reads a JSON text; a number that no float holds is nil, and comes back beside the value.
pub(crate) fn decode_lenient(text: &[u8]) -> Result<(Value, Option<String>), String> {
    let mut decoder = Decoder {
        text,
        at: 0,
        overflow: None,
    };
    let value = decoder.value(0)?;
    decoder.skip_space();
    if decoder.at < text.len() {
        return decoder.invalid("after top-level value");
    }
    Ok((value, decoder.overflow))
}

struct Decoder<'t> {
    text: &'t [u8],
    at: usize,
    /// A number that no float holds, which is reported when the syntax is right.
    overflow: Option<String>,
}

impl Decoder<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn invalid<T>(&self, context: &str) -> Result<T, String> {
        // In the middle of a word or a number, the end counts as a space.
        let at_end = context.starts_with("in ") || context.contains("numeric literal");
        let byte = match self.peek() {
            Some(byte) => byte,
            None if at_end && context != "in string literal" => b' ',
            None => return Err(String::from("unexpected end of JSON input")),
        };
        let shown = match byte {
            b'\'' => String::from("'\\''"),
            b'"' => String::from("'\"'"),
            byte => {
                let quoted = crate::format::quote::quote(
                    char::from(byte).encode_utf8(&mut [0; 4]).as_bytes(),
                );
                format!("'{}'", &quoted[1..quoted.len() - 1])
            }
        };
        Err(format!("invalid character {shown} {context}"))
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        self.skip_space();
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                self.at += 1;
                Err(String::from("exceeded max depth"))
            }
            Some(b'{') => crate::stack::grow(|| self.object(depth)),
            Some(b'[') => crate::stack::grow(|| self.array(depth)),
            Some(b'"') => self.string().map(Value::Str),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Nil),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.invalid("looking for beginning of value"),
        }
    }

    fn literal(&mut self, word: &'static str, value: Value) -> Result<Value, String> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                let expected = char::from(expected);
                return self.invalid(&format!("in literal {word} (expecting '{expected}')"));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.invalid("in numeric literal"),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return self.invalid("after decimal point in numeric literal");
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return self.invalid("in exponent of numeric literal");
            }
            self.digits();
        }
        let text = String::from_utf8_lossy(&self.text[start..self.at]);
        let number: f64 = text.parse().unwrap_or(f64::INFINITY);
        if number.is_infinite() {
            self.overflow.get_or_insert_with(|| text.into_owned());
            return Ok(Value::Nil);
        }
        Ok(Value::Float(number))
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::list(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::list(items));
                }
                _ => return self.invalid("after array element"),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut entries = Vec::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(Map::new()));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return self.invalid("looking for beginning of object key string");
            }
            let key = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return self.invalid("after object key");
            }
            self.at += 1;
            entries.push((key, self.value(depth + 1)?));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Map(Map::from_entries(&MapType::ANY, entries)));
                }
                _ => return self.invalid("after object key:value pair"),
            }
        }
    }

    fn string(&mut self) -> Result<Str, String> {
        self.at += 1;
        let start = self.at;
        let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let length = self.text[start..]
            .iter()
            .take_while(|byte| plain(byte))
            .count();
        let mut out = self.text[start..start + length].to_vec();
        self.at += length;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    // What is not UTF-8 becomes U+FFFD, byte by byte.
                    return Ok(match String::from_utf8(out) {
                        Ok(text) => Str::from(text),
                        Err(error) => {
                            let text: String = crate::unicode::chars(error.as_bytes())
                                .map(|(c, _)| c)
                                .collect();
                            Str::from(text)
                        }
                    });
                }
                Some(b'\\') => {
                    self.at += 1;
                    let c = self.escape()?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(0..=0x1f) | None => return self.invalid("in string literal"),
                Some(byte) => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let c = match self.peek() {
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(byte @ (b'\\' | b'/' | b'"')) => char::from(byte),
            Some(b'u') => {
                self.at += 1;
                let first = self.hex()?;
                if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with(b"\\u") {
                    let back = self.at;
                    self.at += 2;
                    let second = self.hex()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = back;
                }
                return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => return self.invalid("in string escape code"),
        };
        self.at += 1;
        Ok(c)
    }

    fn hex(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            match self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => code = code << 4 | digit,
                None => return self.invalid("in \\u hexadecimal character escape"),
            }
            self.at += 1;
        }
        Ok(code)
    }
}
