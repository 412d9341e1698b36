//! Durations such as `1h2m3.5s`.

use std::fmt;

use super::object::Named;
use crate::error::{Error, Result};
use crate::format::quote::quote;
use crate::value::Value;

/// The name of Go's type.
pub(crate) const DURATION: &str = "time.Duration";

/// A length of time in nanoseconds, as Go's `time.Duration`.
///
/// ```
/// use gitops_template::Duration;
///
/// let time = Duration::parse("1h30m")?;
/// assert_eq!(time.hours(), 1.5);
/// assert_eq!(time.round(Duration::from_nanos(3_600_000_000_000)).to_string(), "2h0m0s");
/// # Ok::<(), gitops_template::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(i64);

impl Duration {
    /// Makes a duration of so many nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Reads a duration as `time.ParseDuration` does.
    ///
    /// # Errors
    /// Fails with Go's message.
    pub fn parse(text: &str) -> Result<Self> {
        parse_duration(text).map(Self).map_err(Error::new)
    }

    /// Returns the duration that a value is, if it is one.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let named = value.as_object::<Named>()?;
        named.nanos().map(Self)
    }

    /// Returns the nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Returns the seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.in_units(1_000_000_000)
    }

    /// Returns the minutes.
    #[must_use]
    pub fn minutes(self) -> f64 {
        self.in_units(60_000_000_000)
    }

    /// Returns the hours.
    #[must_use]
    pub fn hours(self) -> f64 {
        self.in_units(3_600_000_000_000)
    }

    fn in_units(self, unit: i64) -> f64 {
        (self.0 / unit) as f64 + (self.0 % unit) as f64 / unit as f64
    }

    /// Rounds towards zero to a multiple of `unit`; one that is not positive changes nothing.
    #[must_use]
    pub const fn truncate(self, unit: Self) -> Self {
        if unit.0 <= 0 {
            return self;
        }
        Self(self.0 - self.0 % unit.0)
    }

    /// Rounds to the nearest multiple of `unit`, halves away from zero. What would overflow becomes the
    /// greatest or the least duration.
    #[must_use]
    pub fn round(self, unit: Self) -> Self {
        if unit.0 <= 0 {
            return self;
        }
        let rest = self.0 % unit.0;
        let whole = self.0 - rest;
        if rest.unsigned_abs() * 2 < unit.0.unsigned_abs() {
            Self(whole)
        } else if self.0 < 0 {
            Self(whole.saturating_sub(unit.0))
        } else {
            Self(whole.saturating_add(unit.0))
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

impl From<Duration> for Value {
    fn from(duration: Duration) -> Self {
        Named::duration(duration.0)
    }
}

/// Writes nanoseconds as `time.Duration` prints.
pub(crate) fn format_duration(nanos: i64) -> String {
    let magnitude = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    if magnitude == 0 {
        return String::from("0s");
    }
    if magnitude < 1_000_000_000 {
        let (unit, digits) = match magnitude {
            0..1_000 => ("ns", 0),
            1_000..1_000_000 => ("µs", 3),
            _ => ("ms", 6),
        };
        return format!("{sign}{}{unit}", fraction(magnitude, digits));
    }
    let seconds = magnitude / 1_000_000_000;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let rest = fraction(magnitude % 60_000_000_000, 9);
    if hours > 0 {
        format!("{sign}{hours}h{minutes}m{rest}s")
    } else if minutes > 0 {
        format!("{sign}{minutes}m{rest}s")
    } else {
        format!("{sign}{rest}s")
    }
}

/// Writes a number with its last digits after a point, without zeros at the end.
fn fraction(number: u64, digits: u32) -> String {
    let unit = 10_u64.pow(digits);
    let (whole, rest) = (number / unit, number % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = digits as usize;
    let text = format!("{whole}.{rest:0width$}");
    String::from(text.trim_end_matches('0'))
}

/// Reads a duration as `time.ParseDuration` does.
pub(crate) fn parse_duration(text: &str) -> std::result::Result<i64, String> {
    let shown = || quote(text.as_bytes());
    let invalid = || format!("time: invalid duration {}", shown());
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (mut fraction, mut after) = (after.strip_prefix('.'), after);
        if let Some(text) = fraction {
            let (digits, next) = digits(text);
            fraction = Some(digits);
            after = next;
        }
        if whole.is_empty() && fraction.is_none_or(str::is_empty) {
            return Err(invalid());
        }
        let end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", shown()));
        }
        let nanos: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            unit => {
                let unit = quote(unit.as_bytes());
                return Err(format!("time: unknown unit {unit} in duration {}", shown()));
            }
        };
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| invalid())?
        };
        let mut value = whole.checked_mul(nanos).ok_or_else(invalid)?;
        if let Some(fraction) = fraction.filter(|fraction| !fraction.is_empty()) {
            let number: f64 = format!("0.{fraction}").parse().map_err(|_| invalid())?;
            value += (number * nanos as f64) as u64;
        }
        total = total
            .checked_add(value)
            .filter(|total| *total <= 1 << 63)
            .ok_or_else(invalid)?;
        rest = next;
    }
    if negative {
        return Ok((total as i64).wrapping_neg());
    }
    i64::try_from(total).map_err(|_| invalid())
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}
