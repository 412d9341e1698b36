//! `html`, `js` and `urlquery`.

use std::fmt::Write as _;

use crate::text::Str;
use crate::unicode::{decode, is_print};

pub(super) fn html(text: Str) -> Str {
    let special = |byte: &u8| matches!(byte, 0 | b'"' | b'\'' | b'&' | b'<' | b'>');
    if !text.as_bytes().iter().any(special) {
        return text;
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    for byte in text.as_bytes() {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            byte => out.push(*byte),
        }
    }
    Str::from(out)
}

pub(super) fn js(text: Str) -> Str {
    let special = |byte: &u8| matches!(byte, b'\\' | b'\'' | b'"' | b'<' | b'>' | b'&' | b'=' | 0..=0x1f | 0x80..);
    if !text.as_bytes().iter().any(special) {
        return text;
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut rest = text.as_bytes();
    while let Some((c, width)) = decode(rest) {
        match c {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\'' => out.extend_from_slice(b"\\'"),
            '"' => out.extend_from_slice(b"\\\""),
            '<' => out.extend_from_slice(b"\\u003C"),
            '>' => out.extend_from_slice(b"\\u003E"),
            '&' => out.extend_from_slice(b"\\u0026"),
            '=' => out.extend_from_slice(b"\\u003D"),
            c if c < ' ' || !(c.is_ascii() || is_print(c)) => {
                let mut escaped = String::new();
                let _ = write!(escaped, "\\u{:04X}", c as u32);
                out.extend_from_slice(escaped.as_bytes());
            }
            _ => out.extend_from_slice(&rest[..width]),
        }
        rest = &rest[width..];
    }
    Str::from(out)
}

/// Escapes text for the query of a URL, as `url.QueryEscape` does.
pub(crate) fn query_escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(*byte));
            }
            b' ' => out.push('+'),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
