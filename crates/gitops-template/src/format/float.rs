//! Floats as Go's `strconv.FormatFloat` writes them.

use std::fmt::Write as _;

/// The decimal digits of a number: `0.d1d2d3… × 10^point`.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

/// Formats a float; no precision asks for the fewest digits that read back as the same number.
pub(crate) fn format_float(value: f64, verb: char, precision: Option<usize>) -> String {
    if value.is_nan() {
        return String::from("NaN");
    }
    if value.is_infinite() {
        return String::from(if value < 0.0 { "-Inf" } else { "+Inf" });
    }
    let mut out = String::new();
    if value.is_sign_negative() {
        out.push('-');
    }
    let magnitude = value.abs();
    match verb {
        'b' => write_binary(&mut out, magnitude),
        'x' | 'X' => write_hex(&mut out, magnitude, precision, verb == 'X'),
        'f' => match precision {
            Some(precision) => {
                let _ = write!(out, "{magnitude:.precision$}");
            }
            None => {
                let _ = write!(out, "{magnitude}");
            }
        },
        'e' | 'E' => {
            let decimal = digits(magnitude, precision.map(|precision| precision + 1));
            let after = precision.unwrap_or(decimal.digits.len().saturating_sub(1));
            write_exponent(&mut out, &decimal, after, verb);
        }
        _ => {
            let wanted = precision.map(|precision| precision.max(1));
            let decimal = digits(magnitude, wanted);
            write_general(
                &mut out,
                &decimal,
                wanted,
                if verb == 'G' { 'E' } else { 'e' },
            );
        }
    }
    out
}

fn digits(magnitude: f64, count: Option<usize>) -> Decimal {
    if magnitude == 0.0 {
        return Decimal {
            digits: Vec::new(),
            point: 0,
        };
    }
    let text = match count {
        None => format!("{magnitude:e}"),
        Some(count) => format!("{magnitude:.*e}", count.saturating_sub(1)),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    Decimal {
        digits,
        point: exponent.parse::<i32>().unwrap_or(0) + 1,
    }
}

fn write_exponent(out: &mut String, decimal: &Decimal, after: usize, verb: char) {
    let digit = |at: usize| decimal.digits.get(at).copied().map_or('0', char::from);
    out.push(digit(0));
    if after > 0 {
        out.push('.');
        out.extend((1..=after).map(digit));
    }
    let exponent = if decimal.digits.is_empty() {
        0
    } else {
        decimal.point - 1
    };
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(out, "{verb}{sign}{:02}", exponent.abs());
}

fn write_general(out: &mut String, decimal: &Decimal, precision: Option<usize>, verb: char) {
    let count = decimal.digits.len() as i32;
    let mut limit = precision.map_or(6, |precision| i32::try_from(precision).unwrap_or(i32::MAX));
    if precision.is_some() && limit > count && count >= decimal.point {
        limit = count;
    }
    let exponent = decimal.point - 1;
    if exponent < -4 || exponent >= limit {
        let shown = precision.map_or(count, |precision| {
            i32::try_from(precision).unwrap_or(i32::MAX).min(count)
        });
        let after = usize::try_from(shown - 1).unwrap_or(0);
        return write_exponent(out, decimal, after, verb);
    }
    let digit = |at: i32| {
        let at = usize::try_from(at).ok();
        at.and_then(|at| decimal.digits.get(at))
            .copied()
            .map_or('0', char::from)
    };
    if decimal.point > 0 {
        out.extend((0..decimal.point).map(digit));
    } else {
        out.push('0');
    }
    if count > decimal.point {
        out.push('.');
        out.extend((decimal.point..count).map(digit));
    }
}

/// Splits a float into an integer mantissa and a power of two.
fn parts(magnitude: f64) -> (u64, i32) {
    let bits = magnitude.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let mantissa = bits & ((1 << 52) - 1);
    if exponent == 0 {
        (mantissa, -1074)
    } else {
        (mantissa | 1 << 52, exponent - 1075)
    }
}

fn write_binary(out: &mut String, magnitude: f64) {
    let (mantissa, exponent) = parts(magnitude);
    let _ = write!(out, "{mantissa}p{exponent:+}");
}

fn write_hex(out: &mut String, magnitude: f64, precision: Option<usize>, upper: bool) {
    let (mut mantissa, mut exponent) = parts(magnitude);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // The leading one goes to bit 60, so that 15 hexadecimal digits follow it.
        let shift = mantissa.leading_zeros() - 3;
        mantissa <<= shift;
        exponent = exponent + 60 - shift as i32;
    }
    if let Some(precision) = precision.filter(|precision| *precision < 15) {
        let shift = (15 - precision) * 4;
        let extra = mantissa & ((1 << shift) - 1);
        mantissa >>= shift;
        let half = 1 << (shift - 1);
        if extra > half || (extra == half && mantissa & 1 == 1) {
            mantissa += 1;
        }
        mantissa <<= shift;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut text = format!("0x{}", mantissa >> 60);
    let rest = mantissa & ((1 << 60) - 1);
    let fraction = format!("{rest:015x}");
    match precision {
        None => {
            let fraction = fraction.trim_end_matches('0');
            if !fraction.is_empty() {
                text.push('.');
                text.push_str(fraction);
            }
        }
        Some(0) => {}
        Some(precision) => {
            text.push('.');
            text.push_str(&fraction[..precision.min(15)]);
            text.extend(std::iter::repeat_n('0', precision.saturating_sub(15)));
        }
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(text, "p{sign}{:02}", exponent.abs());
    out.push_str(&if upper { text.to_uppercase() } else { text });
}

#[cfg(test)]
mod tests {
    use super::format_float;

    #[test]
    fn general_switches_to_exponents() {
        let cases = [
            (0.0, "0"),
            (1e6, "1e+06"),
            (123_456.0, "123456"),
            (1_234_567.0, "1.234567e+06"),
            (1e20, "1e+20"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5, "-2.5"),
            (100_000.0, "100000"),
        ];
        for (value, expected) in cases {
            assert_eq!(format_float(value, 'g', None), expected);
        }
        assert_eq!(format_float(1234.5, 'g', Some(3)), "1.23e+03");
        assert_eq!(format_float(100.0, 'g', Some(5)), "100");
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(format_float(1.5, 'x', None), "0x1.8p+00");
        assert_eq!(format_float(0.0, 'x', None), "0x0p+00");
        assert_eq!(format_float(1.0, 'x', Some(2)), "0x1.00p+00");
        assert_eq!(format_float(5e-324, 'x', None), "0x1p-1074");
        assert_eq!(format_float(1.5, 'b', None), "6755399441055744p-52");
    }
}
