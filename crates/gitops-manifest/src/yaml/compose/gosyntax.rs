//! Values in Go syntax, as `%#v` of Go's `fmt` writes what go-yaml decoded: error messages need it.

use super::super::float::format_g64;
use crate::{Number, Value};

/// Appends a value as Go would write the `interface{}` that holds it.
pub(super) fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("interface {}(nil)"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => write_number(*number, out),
        Value::String(text) => write_quoted(text, out),
        Value::Array(values) => {
            out.push_str("[]interface {}{");
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_value(value, out);
            }
            out.push('}');
        }
        Value::Object(map) => {
            out.push_str("map[interface {}]interface {}{");
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_quoted(key, out);
                out.push(':');
                write_value(value, out);
            }
            out.push('}');
        }
    }
}

fn write_number(number: Number, out: &mut String) {
    if let Some(int) = number.as_i64() {
        out.push_str(&int.to_string());
    } else if let Some(uint) = number.as_u64() {
        out.push_str(&format!("{uint:#x}"));
    } else {
        format_g64(number.as_f64(), out);
    }
}

/// Appends text in double quotes with Go's escapes.
pub(super) fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            char if u32::from(char) < 0x20 || char == '\x7f' => {
                out.push_str(&format!("\\x{:02x}", u32::from(char)));
            }
            char if !is_printable(char) => match u32::from(char) {
                code @ ..=0xFFFF => out.push_str(&format!("\\u{code:04x}")),
                code => out.push_str(&format!("\\U{code:08x}")),
            },
            char => out.push(char),
        }
    }
    out.push('"');
}

/// Whether Go shows a character as it is. Of the characters that direct others, the common ones are known.
fn is_printable(char: char) -> bool {
    !(char.is_control()
        || char.is_whitespace() && char != ' '
        || matches!(
            char,
            '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
                | '\u{E000}'..='\u{F8FF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{10FFFF}'
        ))
}
