//! Floats as Go's `strconv.FormatFloat(v, 'g', -1, …)` writes them.

/// Writes a finite or infinite double with the shortest digits that read back: `0.5`, `1e+06`, `1e-07`.
pub(crate) fn format_g64(value: f64, out: &mut String) {
    if write_special(value, out) {
        return;
    }
    write_g(&format!("{value:e}"), out);
}

/// Writes a double rounded to single precision, as `sigs.k8s.io/yaml` does for the keys of maps.
pub(crate) fn format_g32(value: f64, out: &mut String) {
    let value = value as f32;
    if write_special(f64::from(value), out) {
        return;
    }
    write_g(&format!("{value:e}"), out);
}

fn write_special(value: f64, out: &mut String) -> bool {
    let text = if value.is_nan() {
        ".nan"
    } else if value == f64::INFINITY {
        ".inf"
    } else if value == f64::NEG_INFINITY {
        "-.inf"
    } else {
        return false;
    };
    out.push_str(text);
    true
}

/// Rewrites `d.ddde-x`, the shortest digits as Rust gives them, in Go's form.
fn write_g(scientific: &str, out: &mut String) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa = match mantissa.strip_prefix('-') {
        Some(rest) => {
            out.push('-');
            rest
        }
        None => mantissa,
    };
    let digits = mantissa.replace('.', "");
    // Go decides by a precision of 6 where the digits are the shortest ones.
    if !(-4..6).contains(&exponent) {
        out.push_str(mantissa);
        let sign = if exponent < 0 { '-' } else { '+' };
        out.push_str(&format!("e{sign}{:02}", exponent.unsigned_abs()));
        return;
    }
    match usize::try_from(exponent) {
        Err(_) => {
            out.push_str("0.");
            for _ in 1..exponent.unsigned_abs() {
                out.push('0');
            }
            out.push_str(&digits);
        }
        Ok(whole) if digits.len() <= whole + 1 => {
            out.push_str(&digits);
            for _ in digits.len()..=whole {
                out.push('0');
            }
        }
        Ok(whole) => {
            out.push_str(&digits[..=whole]);
            out.push('.');
            out.push_str(&digits[whole + 1..]);
        }
    }
}
