//! The hash that generated names end in.

use std::fmt::Write as _;

use gitops_manifest::Value;
use sha2::{Digest, Sha256};

use crate::node::{Node, ValueError};
use crate::resource::Resource;
use crate::scalar;

/// Hashes the content of a resource as kustomize 5.8.2 does: of a ConfigMap kind, data and binaryData, of a
/// Secret also the type and stringData. (The name has a place in what is hashed and is always empty there.)
pub(crate) fn content_hash(resource: &Resource) -> Result<String, ValueError> {
    let mut text = String::new();
    match resource.kind() {
        "ConfigMap" => {
            let mut fields: Vec<(&str, Value)> = Vec::new();
            if let Some(binary) = map(resource, "binaryData")? {
                fields.push(("binaryData", binary));
            }
            fields.push(("data", text_or_map(resource, "data")?));
            fields.push(("kind", "ConfigMap".into()));
            fields.push(("name", "".into()));
            write_fields(&mut text, &fields);
        }
        "Secret" => {
            let mut fields: Vec<(&str, Value)> = vec![
                ("data", text_or_map(resource, "data")?),
                ("kind", "Secret".into()),
                ("name", "".into()),
            ];
            if let Some(data) = map(resource, "stringData")? {
                fields.push(("stringData", data));
            }
            fields.push(("type", text_or_map(resource, "type")?));
            write_fields(&mut text, &fields);
        }
        _ => go_json(&mut text, &resource.node.to_value()?),
    }
    let digest = Sha256::digest(text.as_bytes());
    let mut hex = String::with_capacity(10);
    for byte in &digest[..5] {
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex
        .chars()
        .map(|c| match c {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            other => other,
        })
        .collect())
}

fn map(resource: &Resource, field: &str) -> Result<Option<Value>, ValueError> {
    match resource.node.get(field) {
        Some(node @ Node::Map(_)) => node.to_value().map(Some),
        _ => Ok(None),
    }
}

fn text_or_map(resource: &Resource, field: &str) -> Result<Value, ValueError> {
    match resource.node.get(field) {
        None => Ok("".into()),
        Some(Node::Scalar(scalar)) => Ok(scalar.text.clone().into()),
        Some(Node::Seq(_)) => Ok(Value::Null),
        Some(node @ Node::Map(_)) => node.to_value(),
    }
}

fn write_fields(out: &mut String, fields: &[(&str, Value)]) {
    out.push('{');
    for (i, (key, value)) in fields.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        let _ = write!(out, "\"{key}\":");
        go_json(out, value);
    }
    out.push('}');
}

/// Writes JSON as Go does after it has read it: keys sorted, numbers as doubles, `<`, `>` and `&` escaped.
pub(crate) fn go_json(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Number(number) => out.push_str(&go_json_double(number.as_f64())),
        Value::String(text) => go_json_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                go_json(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                go_json_string(out, key);
                out.push(':');
                go_json(out, value);
            }
            out.push('}');
        }
    }
}

/// Writes a double as Go's JSON does: plain between 1e-6 and 1e21, else with an exponent.
pub(crate) fn go_json_double(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{value}");
    }
    let text = scalar::go_double(value);
    // Go writes e-09 as e-9 here.
    match text.split_once("e-0") {
        Some((mantissa, exponent)) => format!("{mantissa}e-{exponent}"),
        None => text,
    }
}

/// Writes a text as Go's JSON does.
pub(crate) fn go_json_string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (i, c) in text.char_indices() {
        let escape: Option<&str> = match c {
            '"' => Some("\\\""),
            '\\' => Some("\\\\"),
            '\n' => Some("\\n"),
            '\r' => Some("\\r"),
            '\t' => Some("\\t"),
            '\u{8}' => Some("\\b"),
            '\u{c}' => Some("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => None,
            _ => continue,
        };
        out.push_str(&text[from..i]);
        match escape {
            Some(escape) => out.push_str(escape),
            None => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
        }
        from = i + c.len_utf8();
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// Writes JSON over several lines, as Go's `MarshalIndent` does with two blanks.
pub(crate) fn go_json_indented(out: &mut String, value: &Value, depth: usize) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        for _ in 0..depth {
            out.push_str("  ");
        }
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                go_json_indented(out, item, depth + 1);
            }
            line(out, depth);
            out.push(']');
        }
        Value::Object(map) if !map.is_empty() => {
            out.push('{');
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                go_json_string(out, key);
                out.push_str(": ");
                go_json_indented(out, value, depth + 1);
            }
            line(out, depth);
            out.push('}');
        }
        other => go_json(out, other),
    }
}
