//! How long to wait before a failed sync is tried again.

use std::time::Duration;

use crate::application::RetryStrategy;

/// Reads a duration as Go does (`1h30m`, `500ms`), or a bare number of seconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() || rest.starts_with('-') {
        return None;
    }
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number * seconds;
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(total).ok()
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
        parse_duration(text).ok_or_else(|| BadDuration {
            field,
            text: text.to_owned(),
        })
    };
    let first = read("backoff.duration", &backoff.duration, 5)?;
    let longest = read("backoff.maxDuration", &backoff.max_duration, 180)?;
    let factor = backoff.factor.unwrap_or(2);
    let grown = first.as_secs_f64() * (factor as f64).powf(f64::from(count));
    let delay = Duration::try_from_secs_f64(grown).unwrap_or(Duration::MAX);
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
