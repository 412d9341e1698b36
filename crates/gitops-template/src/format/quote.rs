//! Go's quoted strings, written and read.

use std::borrow::Cow;

use crate::unicode::{chars, is_print};

/// Quotes bytes as `%q` does.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    quote_to(&mut out, bytes, '"', false);
    out
}

/// Quotes bytes with `delimiter`, escaping everything but ASCII if `ascii` is set.
pub(crate) fn quote_to(out: &mut String, bytes: &[u8], delimiter: char, ascii: bool) {
    out.push(delimiter);
    if let Ok(text) = std::str::from_utf8(bytes) {
        // Most strings need no escapes at all.
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'\\' && byte != b'"';
        if delimiter == '"' && text.bytes().all(plain) {
            out.push_str(text);
            out.push(delimiter);
            return;
        }
    }
    let mut at = 0;
    for (c, width) in chars(bytes) {
        if c == char::REPLACEMENT_CHARACTER && width == 1 {
            hex(out, "\\x", u32::from(bytes[at]), 2);
        } else {
            escape(out, c, delimiter, ascii);
        }
        at += width;
    }
    out.push(delimiter);
}

/// Writes one character of a quoted string.
pub(crate) fn escape(out: &mut String, c: char, delimiter: char, ascii: bool) {
    if c == delimiter || c == '\\' {
        out.push('\\');
        out.push(c);
        return;
    }
    if (c.is_ascii() || !ascii) && is_print(c) {
        out.push(c);
        return;
    }
    match c {
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        '\0'..=' ' | '\x7f' => hex(out, "\\x", c as u32, 2),
        '\u{80}'..='\u{ffff}' => hex(out, "\\u", c as u32, 4),
        _ => hex(out, "\\U", c as u32, 8),
    }
}

fn hex(out: &mut String, prefix: &str, number: u32, digits: u32) {
    out.push_str(prefix);
    for shift in (0..digits).rev() {
        let digit = (number >> (shift * 4)) & 0xf;
        out.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
}

/// Tells whether a string can stand between backquotes.
pub(crate) fn can_backquote(bytes: &[u8]) -> bool {
    chars(bytes).all(|(c, width)| match c {
        char::REPLACEMENT_CHARACTER => width > 1,
        '\u{feff}' | '`' | '\x7f' => false,
        '\t' => true,
        c => c >= ' ',
    })
}

/// Reads a string literal of a template, with its quotes. Returns nothing if it is not valid.
pub(crate) fn unquote(literal: &str) -> Option<Cow<'_, [u8]>> {
    let delimiter = literal.chars().next()?;
    let inner = literal.get(1..literal.len().checked_sub(1)?)?;
    let has = |byte| memchr::memchr(byte, inner.as_bytes()).is_some();
    match delimiter {
        '`' if !has(b'\r') => Some(inner.as_bytes().into()),
        '`' => Some(inner.bytes().filter(|byte| *byte != b'\r').collect()),
        '"' if memchr::memchr3(b'\\', b'"', b'\n', inner.as_bytes()).is_none() => {
            Some(inner.as_bytes().into())
        }
        '"' => {
            let mut out = Vec::with_capacity(inner.len());
            let mut rest = inner;
            while !rest.is_empty() {
                let (unit, after) = unquote_unit(rest, '"')?;
                match unit {
                    Unit::Byte(byte) => out.push(byte),
                    Unit::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
                rest = after;
            }
            Some(out.into())
        }
        _ => None,
    }
}

/// Reads a character literal of a template, with its quotes.
pub(crate) fn unquote_char(literal: &str) -> Result<u32, CharError> {
    let inner = literal.get(1..).unwrap_or_default();
    let (unit, rest) = unquote_unit(inner, '\'').ok_or(CharError::Syntax)?;
    if rest != "'" {
        return Err(CharError::Malformed);
    }
    Ok(match unit {
        Unit::Byte(byte) => u32::from(byte),
        Unit::Char(c) => c as u32,
    })
}

pub(crate) enum CharError {
    Syntax,
    Malformed,
}

enum Unit {
    Byte(u8),
    Char(char),
}

/// Reads one character or escape.
fn unquote_unit(text: &str, delimiter: char) -> Option<(Unit, &str)> {
    let mut rest = text.chars();
    let first = rest.next()?;
    if first == delimiter || first == '\n' {
        return None;
    }
    if first != '\\' {
        return Some((Unit::Char(first), rest.as_str()));
    }
    let escape = rest.next()?;
    let simple = |c| Some((Unit::Char(c), rest.as_str()));
    match escape {
        'a' => simple('\x07'),
        'b' => simple('\x08'),
        'f' => simple('\x0c'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\x0b'),
        '\\' => simple('\\'),
        '\'' | '"' if escape == delimiter => simple(escape),
        'x' | 'u' | 'U' => {
            let digits = match escape {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let text = rest.as_str();
            let number = text.get(..digits).filter(|text| is_hex(text))?;
            let number = u32::from_str_radix(number, 16).ok()?;
            let unit = match escape {
                'x' => Unit::Byte(u8::try_from(number).ok()?),
                _ => Unit::Char(char::from_u32(number)?),
            };
            Some((unit, &text[digits..]))
        }
        '0'..='7' => {
            let text = rest.as_str();
            let more = text
                .get(..2)
                .filter(|text| text.bytes().all(|b| matches!(b, b'0'..=b'7')))?;
            let number = u32::from_str_radix(&format!("{escape}{more}"), 8).ok()?;
            Some((Unit::Byte(u8::try_from(number).ok()?), &text[2..]))
        }
        _ => None,
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_as_go_reads_them() {
        assert_eq!(
            unquote(r#""a\tb\x41\101é""#).as_deref(),
            Some("a\tbAAé".as_bytes())
        );
        assert_eq!(unquote("`a\\n\r\n`").as_deref(), Some(b"a\\n\n".as_slice()));
        assert_eq!(unquote(r#""\xff""#).as_deref(), Some([0xff].as_slice()));
        assert_eq!(unquote(r#""\'""#), None);
        assert_eq!(unquote(r#""\ud800""#), None);
        assert_eq!(unquote("\""), None);
    }

    #[test]
    fn quotes_escape_as_go_does() {
        assert_eq!(quote(b"a\"\\\n\x01\x7f"), r#""a\"\\\n\x01\x7f""#);
        assert_eq!(
            quote("é\u{200b}\u{10ffff}".as_bytes()),
            "\"é\\u200b\\U0010ffff\""
        );
        assert_eq!(quote(&[0xff, b'x']), "\"\\xffx\"");
    }
}
