//! Points in time and durations, as Kubernetes writes them.

use std::borrow::Cow;

/// Writes an RFC 3339 time in UTC, to the second or (`micros`) to the microsecond; `None` where the text is none.
pub(crate) fn canonical_time(text: &str, micros: bool) -> Option<Cow<'_, str>> {
    let bytes = text.as_bytes();
    // The shape is checked first: the parser below takes more than RFC 3339.
    let digits = |range: std::ops::Range<usize>| {
        bytes
            .get(range)
            .is_some_and(|b| b.iter().all(u8::is_ascii_digit))
    };
    let shape = bytes.len() >= 20
        && digits(0..4)
        && bytes[4] == b'-'
        && digits(5..7)
        && bytes[7] == b'-'
        && digits(8..10)
        && bytes[10] == b'T'
        && digits(11..13)
        && bytes[13] == b':'
        && digits(14..16)
        && bytes[16] == b':'
        && digits(17..19);
    if !shape {
        return None;
    }
    if !micros && bytes.len() == 20 && bytes[19] == b'Z' {
        // The common case; the date must still be one.
        text.parse::<jiff::Timestamp>().ok()?;
        return Some(Cow::Borrowed(text));
    }
    let zone = text[19..].trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let zone_fits = zone == "Z"
        || (zone.len() == 6
            && zone.is_ascii()
            && zone.starts_with(['+', '-'])
            && zone.as_bytes()[3] == b':'
            && zone[1..3]
                .bytes()
                .chain(zone[4..].bytes())
                .all(|b| b.is_ascii_digit()));
    if !zone_fits {
        return None;
    }
    // Go reads these with a layout of six digits, no more and no less.
    if micros && text.len() - 19 - zone.len() != 7 {
        return None;
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    let format = if micros {
        "%Y-%m-%dT%H:%M:%S.%6fZ"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    Some(Cow::Owned(time.strftime(format).to_string()))
}

/// Whether a time in its canonical form is the zero time of Go.
pub(crate) fn is_zero(canonical: &str) -> bool {
    canonical
        .strip_prefix("0001-01-01T00:00:00")
        .is_some_and(|rest| matches!(rest, "Z" | ".000000Z"))
}

const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration as Go's `time.ParseDuration` does, in nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let whole_len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(whole_len);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(after.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit_len = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        let unit = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        total = total.checked_add(whole.checked_mul(unit)?)?;
        if !fraction.is_empty() {
            // Digits beyond these are below a nanosecond of the largest unit.
            let fraction = &fraction[..fraction.len().min(15)];
            let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
            total += fraction.parse::<i128>().ok()? * unit / scale;
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// Writes a duration as Go's `time.Duration.String` does.
pub(crate) fn format_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let fraction = |value: u64, unit: u64| {
        let rest = value % unit;
        if rest == 0 {
            return (value / unit).to_string();
        }
        let width = unit.ilog10() as usize;
        let text = format!("{rest:0width$}");
        format!("{}.{}", value / unit, text.trim_end_matches('0'))
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{nanos}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", fraction(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", fraction(nanos, 1_000_000)),
        _ => {
            const SECOND: u64 = 1_000_000_000;
            let minutes = nanos / (60 * SECOND);
            let seconds = fraction(nanos % (60 * SECOND), SECOND);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// Whether two texts are different spellings of one duration.
pub(crate) fn same_duration(a: &str, b: &str) -> bool {
    let plausible = |text: &str| text.len() <= 32 && text.starts_with(|c: char| c.is_ascii_digit());
    plausible(a)
        && plausible(b)
        && matches!((parse_duration(a), parse_duration(b)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        for (text, want) in [
            ("8760h", "8760h0m0s"),
            ("90m", "1h30m0s"),
            ("1.5s", "1.5s"),
            ("100ms", "100ms"),
            ("1500us", "1.5ms"),
            ("0", "0s"),
            ("-1h", "-1h0m0s"),
            ("1m0.5s", "1m0.5s"),
        ] {
            assert_eq!(
                parse_duration(text).map(format_duration).as_deref(),
                Some(want),
                "{text}"
            );
        }
        for text in ["", "5", "1d", "h", "1h ", ".s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(
            canonical_time("2026-01-01T01:00:00+01:00", false).as_deref(),
            Some("2026-01-01T00:00:00Z")
        );
        assert_eq!(
            canonical_time("2026-01-01T01:00:00.250000+01:00", true).as_deref(),
            Some("2026-01-01T00:00:00.250000Z")
        );
        assert_eq!(canonical_time("2026-01-01T00:00:00.25Z", true), None);
        assert_eq!(canonical_time("2026-01-01", false), None);
        assert_eq!(canonical_time("2026-13-01T00:00:00Z", false), None);
    }
}
