//! Points in time, as Go's `time` package has them.

mod civil;
mod duration;
mod layout;
mod object;
mod parse;

pub(crate) use civil::Civil;
pub use duration::Duration;
pub(crate) use duration::{format_duration, parse_duration};

/// Seconds from the year 1 to 1970.
const UNIX_EPOCH: i64 = 62_135_596_800;

/// A point in time, in a time zone of a fixed offset.
///
/// It is what `now` returns in a template, with the methods of Go's `time.Time`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// Since the start of 1970 in UTC.
    seconds: i64,
    nanos: u32,
    /// Seconds east of UTC.
    offset: i32,
    /// The abbreviation of the zone, or nothing where it is known by its offset only.
    zone: String,
}

impl Time {
    /// Makes the time that is so many seconds after the start of 1970, in UTC.
    #[must_use]
    pub fn from_unix(seconds: i64, nanos: u32) -> Self {
        Self {
            seconds,
            nanos: nanos.min(999_999_999),
            offset: 0,
            zone: String::from("UTC"),
        }
    }

    /// The first moment of the year 1, which is Go's zero.
    pub(crate) fn zero() -> Self {
        Self::from_unix(-UNIX_EPOCH, 0)
    }

    /// Returns the seconds since the start of 1970.
    #[must_use]
    pub const fn unix(&self) -> i64 {
        self.seconds
    }

    /// Returns the nanoseconds after the second.
    #[must_use]
    pub const fn nanos(&self) -> u32 {
        self.nanos
    }

    /// Returns the same moment in UTC.
    pub(crate) fn in_utc(&self) -> Self {
        Self::from_unix(self.seconds, self.nanos)
    }

    /// Returns the same moment in another zone.
    pub(crate) fn in_zone(&self, offset: i32, zone: String) -> Self {
        Self {
            seconds: self.seconds,
            nanos: self.nanos,
            offset,
            zone,
        }
    }

    /// Returns the calendar date and the time of day in the zone.
    pub(crate) fn civil(&self) -> Civil {
        Civil::from_seconds(self.seconds.saturating_add(i64::from(self.offset)))
    }

    /// Returns the time that is so many nanoseconds later.
    pub(crate) fn plus(&self, nanos: i64) -> Self {
        let total = i64::from(self.nanos) + nanos.rem_euclid(1_000_000_000);
        let seconds = nanos.div_euclid(1_000_000_000) + total / 1_000_000_000;
        Self {
            seconds: self.seconds.saturating_add(seconds),
            nanos: (total % 1_000_000_000) as u32,
            offset: self.offset,
            zone: self.zone.clone(),
        }
    }

    /// Returns the time that is so many days of 24 hours later.
    #[cfg(feature = "crypto")]
    pub(crate) fn plus_days(&self, days: i64) -> Self {
        let seconds = self.seconds.saturating_add(days.saturating_mul(86_400));
        // Certificates have no years of five digits.
        let seconds = seconds.clamp(-UNIX_EPOCH, 253_402_300_799);
        Self {
            seconds,
            ..self.clone()
        }
    }

    /// Returns the nanoseconds from another time to this one, or the nearest number there is.
    pub(crate) fn since(&self, other: &Self) -> i64 {
        let seconds = i128::from(self.seconds) - i128::from(other.seconds);
        let nanos = seconds * 1_000_000_000 + i128::from(self.nanos) - i128::from(other.nanos);
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }
}

/// The start of 1970 in UTC.
impl Default for Time {
    fn default() -> Self {
        Self::from_unix(0, 0)
    }
}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |time: &Self| (time.seconds, time.nanos, time.offset);
        key(self)
            .cmp(&key(other))
            .then_with(|| self.zone.cmp(&other.zone))
    }
}
