//! What a scalar means: the tables of go-yaml v2 (`sigs.k8s.io/yaml`) and v3 (`kyaml`).

mod timestamp;

use std::borrow::Cow;

use super::Profile;
pub(crate) use timestamp::Timestamp;

/// The meaning of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond `i64`.
    UInt(u64),
    Float(f64),
    /// The merge key `<<`.
    Merge,
    Timestamp(Timestamp),
    /// The text as it stands.
    Text,
}

impl Resolved {
    /// Names the type as YAML tags do.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::UInt(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Merge => "!!merge",
            Self::Timestamp(_) => "!!timestamp",
            Self::Text => "!!str",
        }
    }
}

const LONG_PREFIX: &str = "tag:yaml.org,2002:";

/// Brings a tag into its short form: `tag:yaml.org,2002:str` becomes `!!str`.
pub(crate) fn short_tag(tag: &str) -> Cow<'_, str> {
    match tag.strip_prefix(LONG_PREFIX) {
        Some(rest) => Cow::Owned(format!("!!{rest}")),
        None => Cow::Borrowed(tag),
    }
}

/// Resolves a scalar with an explicit tag. `Err` is the type that it turned out to be instead.
pub(crate) fn resolve_tagged(
    profile: Profile,
    tag: &str,
    text: &str,
) -> Result<Resolved, &'static str> {
    let wanted = match tag.strip_prefix(LONG_PREFIX) {
        Some("str") => return Ok(Resolved::Text),
        Some("bool") => "!!bool",
        Some("int") => "!!int",
        Some("float") => "!!float",
        Some("null") => "!!null",
        Some("timestamp") => "!!timestamp",
        // Other tags do not say anything to Kubernetes.
        _ => return Ok(Resolved::Text),
    };
    let found = match resolve(profile, text) {
        Resolved::Timestamp(_) if wanted != "!!timestamp" => Resolved::Text,
        found => found,
    };
    match found {
        found if found.tag() == wanted => Ok(found),
        Resolved::Int(int) if wanted == "!!float" => Ok(Resolved::Float(int as f64)),
        found => Err(found.tag()),
    }
}

/// Resolves a plain scalar.
#[inline]
pub(crate) fn resolve(profile: Profile, text: &str) -> Resolved {
    let bytes = text.as_bytes();
    let Some(first) = bytes.first() else {
        return Resolved::Null;
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' | b'<'
            if bytes.len() <= 5 =>
        {
            resolve_word(profile, text)
        }
        b'.' | b'+' | b'-' | b'0'..=b'9' => resolve_number(profile, text),
        _ => Resolved::Text,
    }
}

fn resolve_word(profile: Profile, text: &str) -> Resolved {
    match text {
        "true" | "True" | "TRUE" => Resolved::Bool(true),
        "false" | "False" | "FALSE" => Resolved::Bool(false),
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "<<" => match profile {
            // v2 does not look at words that begin with `<`.
            Profile::Sigs => Resolved::Text,
            Profile::Kyaml => Resolved::Merge,
        },
        _ if profile == Profile::Sigs => match text {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Resolved::Bool(true),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Resolved::Bool(false),
            _ => Resolved::Text,
        },
        _ => Resolved::Text,
    }
}

fn resolve_number(profile: Profile, text: &str) -> Resolved {
    let bytes = text.as_bytes();
    // Most numbers are short and decimal.
    if bytes.len() < 19
        && (bytes[0] != b'0' || bytes.len() == 1)
        && bytes.iter().all(u8::is_ascii_digit)
    {
        let int = bytes
            .iter()
            .fold(0i64, |int, digit| int * 10 + i64::from(digit - b'0'));
        return Resolved::Int(int);
    }
    match bytes[0] {
        b'.' => {
            return match text {
                ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
                ".inf" | ".Inf" | ".INF" => Resolved::Float(f64::INFINITY),
                _ => parse_dotted(text).map_or(Resolved::Text, Resolved::Float),
            };
        }
        b'+' if matches!(text, "+.inf" | "+.Inf" | "+.INF") => {
            return Resolved::Float(f64::INFINITY);
        }
        b'-' if matches!(text, "-.inf" | "-.Inf" | "-.INF") => {
            return Resolved::Float(f64::NEG_INFINITY);
        }
        _ => {}
    }
    if let Some(timestamp) = Timestamp::parse(text) {
        return Resolved::Timestamp(timestamp);
    }
    let plain: Cow<'_, str> = if text.contains('_') {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(text)
    };
    if let Some(int) = parse_int(&plain, 0) {
        return int;
    }
    if is_float(&plain)
        && let Some(float) = parse_float(&plain)
    {
        return Resolved::Float(float);
    }
    // A second sign may follow the prefix: `0b-1` is -1 to Go.
    let prefixes: &[(&str, &str, u32)] = match profile {
        Profile::Sigs => &[("0b", "-0b", 2)],
        Profile::Kyaml => &[("0b", "-0b", 2), ("0o", "-0o", 8)],
    };
    for (prefix, negative, radix) in prefixes {
        if let Some(digits) = plain.strip_prefix(prefix) {
            if let Some(int) = parse_int(digits, *radix) {
                return int;
            }
        } else if let Some(digits) = plain.strip_prefix(negative)
            && let Some(Resolved::Int(int)) = parse_int(&format!("-{digits}"), *radix)
        {
            return Resolved::Int(int);
        }
    }
    Resolved::Text
}

/// Reads an integer as Go's `strconv.ParseInt` and then `ParseUint` do; the radix 0 looks at the prefix.
fn parse_int(text: &str, radix: u32) -> Option<Resolved> {
    let (negative, signed, digits) = match text.as_bytes().first()? {
        b'+' => (false, true, &text[1..]),
        b'-' => (true, true, &text[1..]),
        _ => (false, false, text),
    };
    let (radix, digits) = match (radix, digits.as_bytes()) {
        (0, [b'0', b'x' | b'X', ..]) => (16, &digits[2..]),
        (0, [b'0', b'b' | b'B', ..]) => (2, &digits[2..]),
        (0, [b'0', b'o' | b'O', ..]) => (8, &digits[2..]),
        (0, [b'0', _, ..]) => (8, &digits[1..]),
        (0, _) => (10, digits),
        (radix, _) => (radix, digits),
    };
    // Rust would take a sign here.
    if !digits.as_bytes().first()?.is_ascii_alphanumeric() {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        let int = i64::try_from(-i128::from(magnitude)).ok()?;
        return Some(Resolved::Int(int));
    }
    match i64::try_from(magnitude) {
        Ok(int) => Some(Resolved::Int(int)),
        Err(_) if signed => None,
        Err(_) => Some(Resolved::UInt(magnitude)),
    }
}

/// Whether the text is a float as the specification of YAML writes them.
fn is_float(text: &str) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut rest = text.as_bytes();
    if let [b'+' | b'-', tail @ ..] = rest {
        rest = tail;
    }
    let whole = digits(rest);
    rest = &rest[whole..];
    if let [b'.', tail @ ..] = rest {
        let fraction = digits(tail);
        if whole == 0 && fraction == 0 {
            return false;
        }
        rest = &tail[fraction..];
    } else if whole == 0 {
        return false;
    }
    if let [b'e' | b'E', tail @ ..] = rest {
        rest = tail;
        if let [b'+' | b'-', tail @ ..] = rest {
            rest = tail;
        }
        let exponent = digits(rest);
        if exponent == 0 {
            return false;
        }
        rest = &rest[exponent..];
    }
    rest.is_empty()
}

/// Reads a float that begins with its point. Go lets underscores stand between digits there.
fn parse_dotted(text: &str) -> Option<f64> {
    if !text.contains('_') {
        return parse_float(text);
    }
    let bytes = text.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let between = |i: usize| i > 0 && digit(i - 1) && digit(i + 1);
    if (0..bytes.len()).any(|i| bytes[i] == b'_' && !between(i)) {
        return None;
    }
    parse_float(&text.replace('_', ""))
}

/// Reads a double; `None` where it is none or too large.
fn parse_float(text: &str) -> Option<f64> {
    text.parse().ok().filter(|float: &f64| float.is_finite())
}
