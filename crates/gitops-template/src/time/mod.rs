//! Points in time, as Go's `time` package has them.

/// A point in time, in a time zone of a fixed offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
    /// Seconds east of UTC.
    pub(crate) offset: i32,
    pub(crate) zone: String,
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
}
