//! What a plain scalar means to the YAML libraries that kustomize is built on (go.yaml.in/yaml v3.0.5 for
//! resources, v2.4.4 for the question whether a text wants quotes).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitops_manifest::{Number, Value};

use crate::node::{Tag, ValueError};

/// Names the type of a tag in a message.
pub(crate) const fn tag_name(tag: Tag) -> &'static str {
    match tag {
        Tag::Open | Tag::Str => "text",
        Tag::Null => "null",
        Tag::Bool => "a boolean",
        Tag::Int => "an integer",
        Tag::Float => "a number",
        Tag::Timestamp => "a time",
        Tag::Binary => "binary data",
    }
}

fn constant(text: &str) -> Option<Tag> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Tag::Null),
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Some(Tag::Bool),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => Some(Tag::Float),
        _ => None,
    }
}

/// Tells the type of a plain scalar.
pub(crate) fn resolve(text: &str) -> Tag {
    if let Some(tag) = constant(text) {
        return tag;
    }
    match text.as_bytes()[0] {
        b'0'..=b'9' | b'+' | b'-' => {
            if time(text).is_some() {
                Tag::Timestamp
            } else {
                match number(text) {
                    Some(Read::Int(_)) => Tag::Int,
                    Some(Read::Double(_)) => Tag::Float,
                    None => Tag::Str,
                }
            }
        }
        b'.' if go_float(text).is_some() => Tag::Float,
        _ => Tag::Str,
    }
}

enum Read {
    Int(Number),
    Double(f64),
}

/// Reads digits as Go's `ParseInt` and `ParseUint` do with a base told by the prefix.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower =
        |prefix: [u8; 2]| digits.len() > 2 && digits.as_bytes()[..2].eq_ignore_ascii_case(&prefix);
    let (radix, digits) = if lower(*b"0x") {
        (16, &digits[2..])
    } else if lower(*b"0b") {
        (2, &digits[2..])
    } else if lower(*b"0o") {
        (8, &digits[2..])
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        let value = 0_i64.checked_sub_unsigned(magnitude)?;
        Some(Number::from(value))
    } else if text.starts_with('+') && magnitude > i64::MAX as u64 {
        None // Go's ParseUint takes no sign.
    } else {
        Some(Number::from(magnitude))
    }
}

/// Whether a text has the form of a decimal number in YAML.
fn is_yaml_float(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let mut at = digits(0);
    let whole = at;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if whole == 0 && fraction == 0 {
            return false;
        }
        at += 1 + fraction;
    } else if whole == 0 {
        return false;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(bytes.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        let exponent = digits(at);
        if exponent == 0 {
            return false;
        }
        at += exponent;
    }
    at == bytes.len()
}

/// Reads a double as Go does: what does not fit is no number.
fn go_float(text: &str) -> Option<f64> {
    if !is_yaml_float(text) {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

fn number(text: &str) -> Option<Read> {
    let plain: std::borrow::Cow<'_, str> = if text.contains('_') {
        text.replace('_', "").into()
    } else {
        text.into()
    };
    if let Some(value) = integer(&plain) {
        return Some(Read::Int(value));
    }
    go_float(&plain).map(Read::Double)
}

/// Reads a time in the forms that YAML knows and writes it as Go's JSON does.
fn time(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut rest = &text[5..];
    let mut take = |least: usize, most: usize, end: &[char]| -> Option<u32> {
        let n = rest.bytes().take_while(u8::is_ascii_digit).count();
        if n < least || n > most {
            return None;
        }
        let value = rest[..n].parse().ok()?;
        rest = &rest[n..];
        if end.is_empty() {
            return Some(value);
        }
        rest = rest.strip_prefix(end)?;
        Some(value)
    };
    let year: u32 = text[..4].parse().ok()?;
    let month = take(1, 2, &['-'])?;
    let day = take(1, 2, &[])?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    if day == 0 || day > days {
        return None;
    }
    if rest.is_empty() {
        return Some(format!("{year:04}-{month:02}-{day:02}T00:00:00Z"));
    }
    let zoned = match rest.as_bytes()[0] {
        b'T' | b't' => true,
        b' ' => false,
        _ => return None,
    };
    rest = &rest[1..];
    let mut take = |end: bool| -> Option<u32> {
        let n = rest.bytes().take_while(u8::is_ascii_digit).count();
        if n == 0 || n > 2 {
            return None;
        }
        let value = rest[..n].parse().ok()?;
        rest = &rest[n..];
        if end {
            rest = rest.strip_prefix(':')?;
        }
        Some(value)
    };
    let (hour, minute, second) = (take(true)?, take(true)?, take(false)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix(['.', ',']) {
        let n = after.bytes().take_while(u8::is_ascii_digit).count();
        if n == 0 || n > 9 {
            return None;
        }
        fraction = after[..n].trim_end_matches('0');
        rest = &after[n..];
    }
    let zone = match (zoned, rest) {
        (false, "") | (true, "Z") => "Z".to_owned(),
        (true, zone) => {
            let b = zone.as_bytes();
            if b.len() != 6
                || !matches!(b[0], b'+' | b'-')
                || b[3] != b':'
                || ![1, 2, 4, 5].iter().all(|&i| b[i].is_ascii_digit())
            {
                return None;
            }
            let (h, m): (u32, u32) = (zone[1..3].parse().ok()?, zone[4..].parse().ok()?);
            if h > 24 || m > 60 {
                return None;
            }
            if h == 0 && m == 0 {
                "Z".to_owned()
            } else {
                zone.to_owned()
            }
        }
        _ => return None,
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{dot}{fraction}{zone}"
    ))
}

/// Returns the number that comes of a double which is written as JSON and read again: an integer where it is written
/// like one, with the digits that it is written with.
pub(crate) fn double_value(value: f64) -> Number {
    if value.fract() == 0.0 && value.abs() < 1e21 {
        let text = format!("{value}");
        if let Ok(integer) = text.parse::<i64>() {
            return Number::from(integer);
        }
        if let Ok(integer) = text.parse::<u64>() {
            return Number::from(integer);
        }
    }
    Number::from_f64(value).unwrap_or_else(|| Number::from(0_i64))
}

/// Turns a scalar into a value.
pub(crate) fn value(text: &str, tag: Tag, quoted: bool) -> Result<Value, ValueError> {
    let found = match (tag, quoted) {
        (Tag::Str, _) | (Tag::Open, true) => return Ok(Value::String(text.into())),
        (Tag::Open, false) => resolve(text),
        // Written with quotes and read again: text, where the tag is the one that the text itself has.
        (tag, true) if resolve(text) == tag => return Ok(Value::String(text.into())),
        (tag, _) => tag,
    };
    let wrong = || ValueError::Tag {
        text: text.to_owned(),
        kind: tag_name(found),
    };
    match found {
        Tag::Null if constant(text) == Some(Tag::Null) => Ok(Value::Null),
        Tag::Null => Err(wrong()),
        Tag::Open | Tag::Str => Ok(Value::String(text.into())),
        Tag::Binary => {
            let packed: String = text.split_ascii_whitespace().collect();
            let bytes = STANDARD.decode(packed).map_err(|_| wrong())?;
            Ok(Value::String(String::from_utf8_lossy(&bytes).into()))
        }
        Tag::Bool => match text {
            "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
            // A declared boolean of YAML 1.1.
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Ok(Value::Bool(true)),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Ok(Value::Bool(false)),
            _ => Err(wrong()),
        },
        Tag::Int => match number(text) {
            Some(Read::Int(value)) => Ok(Value::Number(value)),
            _ => Err(wrong()),
        },
        Tag::Float => match number(text) {
            Some(Read::Int(value)) => Ok(Value::Number(value)),
            Some(Read::Double(value)) => Ok(Value::Number(double_value(value))),
            None if constant(text) == Some(Tag::Float) => Err(ValueError::NotFinite {
                text: text.to_owned(),
            }),
            None => match go_float(text) {
                Some(value) => Ok(Value::Number(double_value(value))),
                None => Err(wrong()),
            },
        },
        Tag::Timestamp => time(text)
            .map(|time| Value::String(time.into()))
            .ok_or_else(wrong),
    }
}

/// Whether kustomize quotes a text on setting a field: YAML 1.1 would read it as something else.
pub(crate) fn reads_as_other_than_text(text: &str) -> bool {
    let Some(&first) = text.as_bytes().first() else {
        return false;
    };
    if text.contains('\n') {
        return false;
    }
    let scalar = match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => resolve(text) != Tag::Str,
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            constant(text).is_some()
                || matches!(
                    text,
                    "y" | "Y"
                        | "yes"
                        | "Yes"
                        | "YES"
                        | "on"
                        | "On"
                        | "ON"
                        | "n"
                        | "N"
                        | "no"
                        | "No"
                        | "NO"
                        | "off"
                        | "Off"
                        | "OFF"
                )
        }
        b'{' => return text.ends_with('}'),
        b'[' => return text.ends_with(']'),
        b'#' => return true,
        b'"' | b'\'' | b'@' | b'`' | b'%' | b'*' | b'&' | b'!' | b'|' | b'>' => return false,
        _ => false,
    };
    scalar || text.ends_with(':') || text.contains(": ") || text == "-" || text.starts_with("- ")
}

/// Writes a double as Go's shortest `%g` does.
pub(crate) fn go_double(value: f64) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').expect("this form has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
