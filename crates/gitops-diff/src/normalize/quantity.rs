//! Quantities (`100m`, `1.5Gi`), as `k8s.io/apimachinery/pkg/api/resource` 0.36 reads and writes them.

use std::borrow::Cow;

/// How a quantity was written, which decides how it is written again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Decimal,
    Exponent,
    Binary,
}

struct Parts<'t> {
    negative: bool,
    num: &'t str,
    denom: &'t str,
    suffix: &'t str,
}

/// The smallest part that is kept: a nano, rounded up.
const NANO: i64 = 9;
/// How many decimal digits fit `i64` for sure.
const MAX_DIGITS: i64 = 18;
const MAX: i128 = i64::MAX as i128;

/// Returns the canonical form of a quantity; `None` where the text is none. The text itself is returned where it is the
/// canonical form already, or beyond what 128 bits can hold.
pub(crate) fn canonical(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    if text == "0" {
        return Some(Cow::Borrowed(text));
    }
    let parts = split(text)?;
    let (exponent, format) = suffix(parts.suffix)?;
    let digits = (parts.num.len() + parts.denom.len()) as i64;
    let quick = match format {
        Format::Binary => {
            parts.denom.is_empty() && 15 - parts.num.len() as i64 - exponent * 3 / 10 > 0
        }
        Format::Decimal | Format::Exponent => digits <= MAX_DIGITS,
    };
    let scale = match format {
        Format::Binary => 0,
        Format::Decimal | Format::Exponent => exponent,
    } - parts.denom.len() as i64;
    if quick && scale >= -NANO {
        let shifted = [parts.num, parts.denom].concat();
        let value: i64 = shifted.parse().ok()?;
        let kept = match format {
            Format::Binary => exponent % 10 == 0 && value & 7 != 0,
            Format::Decimal | Format::Exponent => {
                scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0')
            }
        };
        if kept {
            return Some(Cow::Borrowed(text));
        }
        let value = i128::from(value);
        let value = if format == Format::Binary {
            value << exponent
        } else {
            value
        };
        return Some(Cow::Owned(write(parts.negative, value, scale, format)));
    }
    slow(text, &parts, exponent, format)
}

/// Numbers that are long, fine or binary with a fraction. The value is `unscaled * 10^-places`.
fn slow<'t>(
    text: &'t str,
    parts: &Parts<'_>,
    exponent: i64,
    mut format: Format,
) -> Option<Cow<'t, str>> {
    let Ok(mut unscaled) = [parts.num, parts.denom].concat().parse::<i128>() else {
        return Some(Cow::Borrowed(text));
    };
    let mut places = parts.denom.len() as i64;
    if format == Format::Binary {
        match unscaled.checked_mul(1_i128 << exponent) {
            Some(product) => unscaled = product,
            None => (unscaled, places) = (MAX, 0),
        }
    } else {
        places -= exponent;
    }
    if places > NANO {
        let divisor = u32::try_from(places - NANO)
            .ok()
            .and_then(|by| 10_i128.checked_pow(by))
            .unwrap_or(i128::MAX);
        unscaled = unscaled / divisor + i128::from(unscaled % divisor != 0);
        places = NANO;
    }
    if format == Format::Binary {
        // `places` lies within 0..=9 here: it counts the digits after the point, rounded to nanos.
        let one = 10_i128.pow(u32::try_from(places).ok()?);
        if unscaled / one > MAX || (unscaled / one == MAX && unscaled % one != 0) {
            (unscaled, places) = (MAX, 0);
        }
        if unscaled < 10_i128.pow(u32::try_from(places).ok()?) && unscaled > 0 {
            format = Format::Decimal;
        }
    }
    Some(Cow::Owned(write(parts.negative, unscaled, -places, format)))
}

/// Writes `value * 10^scale`.
fn write(negative: bool, value: i128, scale: i64, format: Format) -> String {
    if value == 0 {
        return "0".to_owned();
    }
    let sign = if negative { "-" } else { "" };
    if format == Format::Binary {
        let one = u32::try_from(-scale)
            .ok()
            .and_then(|by| 10_i128.checked_pow(by));
        if let Some(whole) = one.filter(|one| value % one == 0).map(|one| value / one)
            && whole >= 1024
        {
            let (mut whole, mut times) = (whole, 0);
            while whole >= 1024 && whole % 1024 == 0 {
                whole /= 1024;
                times += 1;
            }
            let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
                .get(times)
                .unwrap_or(&"");
            return format!("{sign}{whole}{suffix}");
        }
    }
    let (mut value, mut exponent) = (value, scale);
    while value % 10 == 0 {
        value /= 10;
        exponent += 1;
    }
    let up = exponent.rem_euclid(3);
    exponent -= up;
    // At most two more zeros than the text had digits: the digits are written, not multiplied.
    let zeros = &"00"[..usize::try_from(up).unwrap_or(0)];
    let suffix = match format {
        Format::Exponent if exponent == 0 => String::new(),
        Format::Exponent => format!("e{exponent}"),
        Format::Decimal | Format::Binary => match exponent {
            -9 => "n",
            -6 => "u",
            -3 => "m",
            3 => "k",
            6 => "M",
            9 => "G",
            12 => "T",
            15 => "P",
            18 => "E",
            _ => "",
        }
        .to_owned(),
    };
    format!("{sign}{value}{zeros}{suffix}")
}

fn split(text: &str) -> Option<Parts<'_>> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let rest_without_zeros = rest.trim_start_matches('0');
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (num, mut rest) = rest_without_zeros.split_at(digits(rest_without_zeros));
    let num = if num.is_empty() { "0" } else { num };
    let mut denom = "";
    if let Some(after) = rest.strip_prefix('.') {
        (denom, rest) = after.split_at(digits(after));
    }
    let suffix = rest;
    let letters = suffix
        .bytes()
        .take_while(|b| b"eEinumkKMGTP".contains(b))
        .count();
    let tail = &suffix[letters..];
    let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail);
    tail.bytes().all(|b| b.is_ascii_digit()).then_some(Parts {
        negative,
        num,
        denom,
        suffix,
    })
}

fn suffix(suffix: &str) -> Option<(i64, Format)> {
    Some(match suffix {
        "" => (0, Format::Decimal),
        "n" => (-9, Format::Decimal),
        "u" => (-6, Format::Decimal),
        "m" => (-3, Format::Decimal),
        "k" => (3, Format::Decimal),
        "M" => (6, Format::Decimal),
        "G" => (9, Format::Decimal),
        "T" => (12, Format::Decimal),
        "P" => (15, Format::Decimal),
        "E" => (18, Format::Decimal),
        "Ki" => (10, Format::Binary),
        "Mi" => (20, Format::Binary),
        "Gi" => (30, Format::Binary),
        "Ti" => (40, Format::Binary),
        "Pi" => (50, Format::Binary),
        "Ei" => (60, Format::Binary),
        other => {
            let exponent: i64 = other.strip_prefix(['e', 'E'])?.parse().ok()?;
            (i64::from(i32::try_from(exponent).ok()?), Format::Exponent)
        }
    })
}

/// Whether two texts are different spellings of one quantity, at least one of them with a unit, so that two version numbers or ids
/// that happen to be equal numbers are not taken for quantities.
pub(crate) fn same(a: &str, b: &str) -> bool {
    let unit = |text: &str| text.ends_with(|c: char| c.is_ascii_alphabetic());
    let plausible =
        |text: &str| text.len() <= 32 && text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    plausible(a)
        && plausible(b)
        && (unit(a) || unit(b))
        && matches!((exact(a), exact(b)), (Some(a), Some(b)) if a == b)
}

/// Rounds a canonical quantity of millionths or billionths away from zero to thousandths; `None` for all others.
pub(crate) fn round_up_to_milli(text: &str) -> Option<String> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'n' => (&text[..text.len() - 1], 1_000_000),
        b'u' => (&text[..text.len() - 1], 1_000),
        _ => return None,
    };
    let value: i128 = digits.parse().ok()?;
    let rounded = (value.unsigned_abs()).div_ceil(unit);
    let sign = if value < 0 { "-" } else { "" };
    canonical(&format!("{sign}{rounded}m")).map(std::borrow::Cow::into_owned)
}

/// The value of a quantity as digits and a power of ten, without trailing zeros.
fn exact(text: &str) -> Option<(bool, i128, i64)> {
    let parts = split(text)?;
    let (exponent, format) = suffix(parts.suffix)?;
    let mut value: i128 = [parts.num, parts.denom].concat().parse().ok()?;
    let mut scale = -(parts.denom.len() as i64);
    if format == Format::Binary {
        value = value.checked_mul(1_i128 << exponent)?;
    } else {
        scale += exponent;
    }
    if value == 0 {
        return Some((false, 0, 0));
    }
    while value % 10 == 0 {
        value /= 10;
        scale += 1;
    }
    Some((parts.negative, value, scale))
}

#[cfg(test)]
mod tests {
    use super::{canonical, same};

    /// Written by `resource.ParseQuantity(…).String()` of apimachinery 0.36.1.
    #[test]
    fn writes_what_apimachinery_writes() {
        for (text, want) in [
            ("1.5Gi", "1536Mi"),
            ("0.1Ki", "102400m"),
            ("+5", "+5"),
            ("007", "007"),
            ("0m", "0"),
            ("0.000", "0"),
            ("1.0Mi", "1Mi"),
            ("100000", "100k"),
            ("1e30", "1e30"),
            ("1234567890123456789012", "1234567890123456789012"),
            ("-1.5Ki", "-1536"),
            ("1e-3", "1e-3"),
            ("16Ei", "9223372036854775807"),
            ("0.0000000001", "1n"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn spellings_of_one_quantity_are_the_same() {
        assert!(same("1024Mi", "1Gi"));
        assert!(same("1000m", "1"));
        assert!(!same("1.10", "1.1"));
        assert!(!same("1Gi", "1G"));
    }
}
