//! Whether a JSON text says what a value says, without reading it into one.
//!
//! The last-applied annotation of an object that is in sync is the desired object, word for word. Telling so costs one pass over the
//! text and no memory; the text is parsed only where it says something else.

use gitops_manifest::{Number, Value};

/// Whether `text` is the JSON of `value`. `false` says little: the text may be written in another way, or may not be JSON.
///
/// Keys must come in the order of their bytes, as Go and this crate write them. An empty map of annotations in `metadata`, which
/// `kubectl` adds, is passed over where the value has none.
pub(super) fn says(text: &str, value: &Value) -> bool {
    let mut rest = text.trim_end().as_bytes();
    matches(&mut rest, value, Level::Top) && rest.is_empty()
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Metadata,
    Below,
}

fn eat(rest: &mut &[u8], token: &[u8]) -> bool {
    match rest.strip_prefix(token) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

fn matches(rest: &mut &[u8], value: &Value, level: Level) -> bool {
    match value {
        Value::Null => eat(rest, b"null"),
        Value::Bool(true) => eat(rest, b"true"),
        Value::Bool(false) => eat(rest, b"false"),
        Value::Number(number) => matches_number(rest, *number),
        Value::String(text) => matches_string(rest, text),
        Value::Array(list) => {
            if !eat(rest, b"[") {
                return false;
            }
            for (i, item) in list.iter().enumerate() {
                if i > 0 && !eat(rest, b",") || !matches(rest, item, Level::Below) {
                    return false;
                }
            }
            eat(rest, b"]")
        }
        Value::Object(map) => {
            const NO_ANNOTATIONS: &[u8] = b"\"annotations\":{}";
            if !eat(rest, b"{") {
                return false;
            }
            let mut first = true;
            if level == Level::Metadata
                && !map.contains_key("annotations")
                && eat(rest, NO_ANNOTATIONS)
            {
                // No other field of metadata comes before it.
                first = false;
            }
            for (key, item) in map {
                if !first && !eat(rest, b",") {
                    return false;
                }
                first = false;
                let below = if level == Level::Top && key == "metadata" {
                    Level::Metadata
                } else {
                    Level::Below
                };
                if !matches_string(rest, key) || !eat(rest, b":") || !matches(rest, item, below) {
                    return false;
                }
            }
            eat(rest, b"}")
        }
    }
}

fn matches_number(rest: &mut &[u8], number: Number) -> bool {
    let len = rest
        .iter()
        .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        .count();
    let (digits, after) = rest.split_at(len);
    *rest = after;
    std::str::from_utf8(digits)
        .ok()
        .and_then(Number::parse)
        .is_some_and(|read| read == number)
}

fn matches_string(rest: &mut &[u8], text: &str) -> bool {
    let bytes = text.as_bytes();
    // Most strings have nothing to escape.
    if rest.len() >= bytes.len() + 2
        && rest[0] == b'"'
        && rest[bytes.len() + 1] == b'"'
        && &rest[1..=bytes.len()] == bytes
        && !bytes.iter().any(|byte| matches!(byte, b'"' | b'\\'))
    {
        *rest = &rest[bytes.len() + 2..];
        return true;
    }
    matches_escaped(rest, text)
}

fn matches_escaped(rest: &mut &[u8], text: &str) -> bool {
    if !eat(rest, b"\"") {
        return false;
    }
    let mut text = text.as_bytes();
    loop {
        // What stands between escapes is compared in one go.
        let Some(run) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
            return false;
        };
        let (plain, after) = rest.split_at(run);
        let Some(left) = text.strip_prefix(plain) else {
            return false;
        };
        text = left;
        *rest = &after[1..];
        if after[0] == b'"' {
            return text.is_empty();
        }
        let Some((escape, after)) = rest.split_first() else {
            return false;
        };
        *rest = after;
        let meant = match escape {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' | b'\\' | b'/' => char::from(*escape),
            b'u' => {
                let Some(meant) = rest
                    .get(..4)
                    .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
                    .and_then(|digits| {
                        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
                    })
                    .and_then(char::from_u32)
                else {
                    return false;
                };
                *rest = &rest[4..];
                meant
            }
            _ => return false,
        };
        let mut buffer = [0; 4];
        let Some(left) = text.strip_prefix(meant.encode_utf8(&mut buffer).as_bytes()) else {
            return false;
        };
        text = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_its_value_and_no_other() {
        let texts = [
            r#"{"a":1,"b":[true,null,"x\ny\u003c\"\\"],"c":{"d":-1.5}}"#,
            r#"{"metadata":{"name":"x"}}"#,
            "[]",
            "\"\"",
            "9007199254740993",
            r#"{"a":"😀"}"#,
        ];
        for text in texts {
            let value = Value::from_json(text).unwrap();
            assert!(says(text, &value), "{text}");
            assert!(says(&format!("{text}\n"), &value), "{text}");
            for other in texts.iter().filter(|other| **other != text) {
                assert!(!says(other, &value), "{other} {text}");
            }
            for (cut, _) in text.char_indices() {
                assert!(
                    !says(&text[..cut], &value)
                        || Value::from_json(&text[..cut]).is_ok_and(|cut| cut == value)
                );
            }
        }
        let value = Value::from_json(r#"{"metadata":{"name":"x"}}"#).unwrap();
        assert!(says(
            r#"{"metadata":{"annotations":{},"name":"x"}}"#,
            &value
        ));
        assert!(!says(
            r#"{"metadata":{"annotations":{"a":"b"},"name":"x"}}"#,
            &value
        ));
        let template = Value::from_json(r#"{"spec":{"metadata":{"name":"x"}}}"#).unwrap();
        assert!(!says(
            r#"{"spec":{"metadata":{"annotations":{},"name":"x"}}}"#,
            &template
        ));
        // A quote in the value is not the end of the text's string.
        assert!(!says(r#""a","b""#, &Value::from("a\",\"b")));
    }
}
