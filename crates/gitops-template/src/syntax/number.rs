//! Number literals, and Go's reading of numbers from text.

use crate::format::quote::{CharError, quote, unquote_char};

/// A number literal and the types that it fits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Number {
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
    /// Whether the literal looks like a float, so that it is one where any type will do.
    pub(crate) looks_float: bool,
}

impl Number {
    pub(crate) fn char_constant(text: &str) -> Result<Self, String> {
        let code = unquote_char(text).map_err(|error| match error {
            CharError::Syntax => String::from("invalid syntax"),
            CharError::Malformed => format!("malformed character constant: {text}"),
        })?;
        Ok(Self {
            int: Some(i64::from(code)),
            uint: Some(u64::from(code)),
            float: Some(f64::from(code)),
            ..Self::default()
        })
    }

    pub(crate) fn complex(text: &str) -> Result<Self, String> {
        let body = text.strip_suffix('i').unwrap_or(text);
        // The sign of the imaginary part is the last one that no exponent owns.
        let bytes = body.as_bytes();
        let split = (1..bytes.len())
            .rev()
            .find(|at| {
                matches!(bytes[*at], b'+' | b'-')
                    && !matches!(bytes[at - 1], b'e' | b'E' | b'p' | b'P')
            })
            .ok_or("syntax error scanning complex number")?;
        let part = |text| parse_float(text).ok_or("syntax error scanning complex number");
        Ok(Self::from_complex(
            part(&body[..split])?,
            part(&body[split..])?,
        ))
    }

    fn from_complex(re: f64, im: f64) -> Self {
        let mut number = Self {
            complex: Some((re, im)),
            ..Self::default()
        };
        if im == 0.0 {
            number.float = Some(re);
            number.int = exact_int(re);
            number.uint = exact_uint(re);
        }
        number
    }

    pub(crate) fn real(text: &str) -> Result<Self, String> {
        if let Some(int) = plain(text) {
            return Ok(Self {
                int: Some(int),
                uint: Some(int.unsigned_abs()),
                float: Some(int as f64),
                ..Self::default()
            });
        }
        if let Some(imaginary) = text.strip_suffix('i').and_then(parse_float) {
            return Ok(Self::from_complex(0.0, imaginary));
        }
        let mut number = Self {
            int: parse_int(text, 0).ok(),
            uint: if text.starts_with(['+', '-']) {
                None
            } else {
                parse_magnitude(text, 0).ok()
            },
            looks_float: text.contains(['.', 'e', 'E', 'p', 'P']) && !is_hex_int(text),
            ..Self::default()
        };
        if number.int == Some(0) {
            number.uint = Some(0);
        }
        if let Some(int) = number.int {
            number.float = Some(int as f64);
        } else if let Some(uint) = number.uint {
            number.float = Some(uint as f64);
        } else if let Some(float) = parse_float(text) {
            if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                return Err(format!("integer overflow: {}", quote(text.as_bytes())));
            }
            number.float = Some(float);
            number.int = exact_int(float);
            number.uint = exact_uint(float);
        } else {
            return Err(format!("illegal number syntax: {}", quote(text.as_bytes())));
        }
        Ok(number)
    }
}

/// Reads a number of few digits and nothing else, which most are.
fn plain(text: &str) -> Option<i64> {
    let digits = text.as_bytes();
    if digits.len() > 18 || matches!(digits, [] | [b'0', _, ..]) {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        Some(number * 10 + i64::from(digit))
    })
}

fn is_hex_int(text: &str) -> bool {
    text.len() > 2
        && (text.starts_with("0x") || text.starts_with("0X"))
        && !text.contains(['p', 'P'])
}

fn exact_int(float: f64) -> Option<i64> {
    let int = float as i64;
    (int as f64 == float && float < 9_223_372_036_854_775_808.0).then_some(int)
}

fn exact_uint(float: f64) -> Option<u64> {
    let uint = float as u64;
    (uint as f64 == float && float < 18_446_744_073_709_551_616.0).then_some(uint)
}

/// Why a text is not an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntError {
    Syntax,
    /// Out of range; the nearest number that is not.
    Range(i64),
}

/// Reads an integer as `strconv.ParseInt` does; base 0 reads prefixes and underscores.
pub(crate) fn parse_int(text: &str, base: u32) -> Result<i64, IntError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let limit = if negative { i64::MIN } else { i64::MAX };
    let magnitude = match parse_magnitude(digits, base) {
        Ok(magnitude) => magnitude,
        Err(IntError::Range(_)) => return Err(IntError::Range(limit)),
        Err(error) => return Err(error),
    };
    match (negative, i64::try_from(magnitude)) {
        (false, Ok(int)) => Ok(int),
        (true, Ok(int)) => Ok(-int),
        (true, Err(_)) if magnitude == i64::MIN.unsigned_abs() => Ok(i64::MIN),
        (_, Err(_)) => Err(IntError::Range(limit)),
    }
}

fn parse_magnitude(text: &str, base: u32) -> Result<u64, IntError> {
    let lower = text.get(..2).map(str::to_ascii_lowercase);
    let (digits, radix) = match (base, lower.as_deref()) {
        (0, Some("0x")) => (&text[2..], 16),
        (0, Some("0b")) => (&text[2..], 2),
        (0, Some("0o")) => (&text[2..], 8),
        (0, _) if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        (0, _) => (text, 10),
        (base, _) => (text, base),
    };
    if digits.is_empty() {
        return Err(IntError::Syntax);
    }
    let mut number: u64 = 0;
    let mut overflow = false;
    for byte in digits.bytes() {
        if byte == b'_' && base == 0 {
            continue;
        }
        let digit = char::from(byte).to_digit(radix).ok_or(IntError::Syntax)?;
        match number
            .checked_mul(u64::from(radix))
            .and_then(|n| n.checked_add(u64::from(digit)))
        {
            Some(next) => number = next,
            None => overflow = true,
        }
    }
    if !underscores_fit(text) {
        return Err(IntError::Syntax);
    }
    if overflow {
        Err(IntError::Range(i64::MAX))
    } else {
        Ok(number)
    }
}

/// Tells whether underscores stand between digits only, or after a base prefix.
fn underscores_fit(text: &str) -> bool {
    if !text.contains('_') {
        return true;
    }
    let text = text.trim_start_matches(['+', '-']);
    let bytes = text.as_bytes();
    let mut last = b'^';
    let mut at = 0;
    let mut hex = false;
    if let [b'0', prefix, ..] = bytes
        && matches!(prefix.to_ascii_lowercase(), b'x' | b'b' | b'o')
    {
        hex = prefix.eq_ignore_ascii_case(&b'x');
        last = b'0';
        at = 2;
    }
    for byte in &bytes[at..] {
        if byte.is_ascii_digit() || (hex && byte.is_ascii_hexdigit()) {
            last = b'0';
        } else if *byte == b'_' {
            if last != b'0' {
                return false;
            }
            last = b'_';
        } else {
            if last == b'_' {
                return false;
            }
            last = b'!';
        }
    }
    last != b'_'
}

/// Reads a float as `strconv.ParseFloat` does. Numbers out of range are none.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    if !underscores_fit(text) {
        return None;
    }
    let cleaned: String = text.chars().filter(|c| *c != '_').collect();
    let (negative, magnitude) = match cleaned.as_bytes().first()? {
        b'-' => (true, &cleaned[1..]),
        b'+' => (false, &cleaned[1..]),
        _ => (false, cleaned.as_str()),
    };
    let lower = magnitude.to_ascii_lowercase();
    let value = match lower.as_str() {
        "inf" | "infinity" => f64::INFINITY,
        "nan" if !cleaned.starts_with(['+', '-']) => f64::NAN,
        hex if hex.starts_with("0x") => parse_hex_float(&hex[2..])?,
        decimal => {
            let valid = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | '+' | '-');
            if !decimal.chars().all(valid) {
                return None;
            }
            let value: f64 = decimal.parse().ok()?;
            if value.is_infinite() {
                return None;
            }
            value
        }
    };
    Some(if negative { -value } else { value })
}

/// Reads what follows `0x` of a hexadecimal float, which must have an exponent.
fn parse_hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let mut exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut bits: u64 = 0;
    let mut sticky = false;
    for (at, digit) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = u64::from(digit.to_digit(16)?);
        if bits >> 60 == 0 {
            bits = bits << 4 | digit;
            if at >= whole.len() {
                exponent = exponent.checked_sub(4)?;
            }
        } else {
            sticky |= digit != 0;
            if at < whole.len() {
                exponent = exponent.checked_add(4)?;
            }
        }
    }
    if bits == 0 {
        return Some(0.0);
    }
    let shift = bits.leading_zeros();
    bits <<= shift;
    exponent = exponent.checked_sub(i64::from(shift))?;
    // 64 significant bits are rounded to what a float holds at that exponent.
    let top = exponent.checked_add(63)?;
    if top > 1023 {
        return None;
    }
    let keep = if top >= -1022 { 53 } else { 53 - (-1022 - top) };
    if keep < 0 {
        return Some(0.0);
    }
    let cut = u32::try_from(64 - keep).ok()?;
    let (mut kept, lost, half) = if cut >= 64 {
        (0, bits, 1_u64 << 63)
    } else {
        (bits >> cut, bits & ((1 << cut) - 1), 1_u64 << (cut - 1))
    };
    if lost > half || (lost == half && (sticky || kept & 1 == 1)) {
        kept += 1;
    }
    let scale = i32::try_from(exponent + i64::from(cut)).ok()?;
    let value = scale_by_two(kept as f64, scale);
    value.is_finite().then_some(value)
}

/// Multiplies by a power of two in steps that stay exact.
fn scale_by_two(mut value: f64, mut exponent: i32) -> f64 {
    while exponent > 900 {
        value *= 2_f64.powi(900);
        exponent -= 900;
    }
    while exponent < -900 {
        value *= 2_f64.powi(-900);
        exponent += 900;
    }
    value * 2_f64.powi(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_follow_the_base() {
        assert_eq!(parse_int("0x1F", 0), Ok(31));
        assert_eq!(parse_int("017", 0), Ok(15));
        assert_eq!(parse_int("1_000", 0), Ok(1000));
        assert_eq!(parse_int("1__0", 0), Err(IntError::Syntax));
        assert_eq!(parse_int("1_0", 10), Err(IntError::Syntax));
        assert_eq!(parse_int("-9223372036854775808", 10), Ok(i64::MIN));
        assert_eq!(
            parse_int("9223372036854775808", 10),
            Err(IntError::Range(i64::MAX))
        );
        assert_eq!(parse_int("", 10), Err(IntError::Syntax));
    }

    #[test]
    fn hexadecimal_floats() {
        assert_eq!(parse_float("0x1p-2"), Some(0.25));
        assert_eq!(parse_float("0x1.8p1"), Some(3.0));
        assert_eq!(parse_float("0x1p-1074"), Some(5e-324));
        assert_eq!(parse_float("0x1.fffffffffffff8p0"), Some(2.0));
        assert_eq!(parse_float("0x1"), None);
        assert_eq!(parse_float("1e999"), None);
    }
}
