//! How long to wait before a failed sync is tried again.

use std::time::Duration;

use crate::application::RetryStrategy;

/// Reads a duration as Go does (`1h30m`, `500ms`), or a bare number of seconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    }
    parse_go_duration(text)
        .ok()
        .filter(|_| !text.starts_with('-'))
}

/// Reads a duration as Go does: numbers with units, as `1h30m` or `1.5s`. One below zero is taken for zero.
///
/// # Errors
/// What is wrong with it, in Go's words.
pub fn parse_go_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let number_of = |c: char| c.is_ascii_digit() || c == '.';
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c| !number_of(c)).unwrap_or(rest.len());
        if digits == 0 {
            return Err(invalid());
        }
        let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let end = rest.find(number_of).unwrap_or(rest.len());
        let seconds = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            unit => {
                return Err(format!("time: unknown unit {unit:?} in duration {text:?}"));
            }
        };
        total += number * seconds;
        rest = &rest[end..];
    }
    if negative {
        return Ok(Duration::ZERO);
    }
    Duration::try_from_secs_f64(total).map_err(|_| invalid())
}

/// A duration of a retry strategy cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} of the retry strategy is no duration: {text:?} (such as 30s, 5m, 1h30m)")]
pub struct BadDuration {
    /// The field.
    pub field: &'static str,
    /// What it says.
    pub text: String,
}

/// Returns the wait before try number `count`: `duration × factor^count`, at most `maxDuration`. Where the
/// strategy says nothing it is 5 seconds, doubled each time, up to 3 minutes; a `maxDuration` of zero has no
/// limit.
///
/// # Errors
/// Where a duration cannot be read.
pub fn delay(retry: &RetryStrategy, count: u32) -> Result<Duration, BadDuration> {
    let backoff = retry.backoff.clone().unwrap_or_default();
    let read = |field, text: &str, default: u64| {
        if text.is_empty() {
            return Ok(Duration::from_secs(default));
        }
        // What is below zero counts as zero.
        parse_duration(text)
            .or_else(|| parse_go_duration(text).ok())
            .ok_or_else(|| BadDuration {
                field,
                text: text.to_owned(),
            })
    };
    let first = read("backoff.duration", &backoff.duration, 5)?;
    let longest = read("backoff.maxDuration", &backoff.max_duration, 180)?;
    let factor = backoff.factor.unwrap_or(2);
    let grown = first.as_secs_f64() * (factor as f64).powf(f64::from(count));
    let delay = Duration::try_from_secs_f64(grown.max(0.0)).unwrap_or(Duration::MAX);
    Ok(if longest.is_zero() {
        delay
    } else {
        delay.min(longest)
    })
}

/// Whether a sync that failed may be tried again.
#[must_use]
pub const fn may_retry(retry: &RetryStrategy, count: i64) -> bool {
    retry.limit < 0 || count < retry.limit
}
