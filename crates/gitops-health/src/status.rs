use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How an object is doing, in Argo CD's words.
///
/// Ordered from best to worst, so that the worst of several is their maximum:
///
/// ```
/// use gitops_health::HealthStatus::*;
/// assert!(Healthy < Suspended && Suspended < Progressing && Progressing < Missing);
/// assert!(Missing < Degraded && Degraded < Unknown);
/// assert_eq!("Degraded".parse(), Ok(Degraded));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthStatus {
    /// A rule ran and set no status. Counts as healthy; written as empty text.
    Unset,
    /// All is well.
    Healthy,
    /// The object waits for a person or a clock: paused, suspended, scaled to nothing on purpose.
    Suspended,
    /// Not well yet, and on the way.
    Progressing,
    /// Expected, and not in the cluster.
    Missing,
    /// Not well, and not on the way.
    Degraded,
    /// The health could not be told.
    Unknown,
}

impl HealthStatus {
    /// All statuses, from best to worst.
    pub const ALL: [Self; 7] = [
        Self::Unset,
        Self::Healthy,
        Self::Suspended,
        Self::Progressing,
        Self::Missing,
        Self::Degraded,
        Self::Unknown,
    ];

    /// Returns the name that Argo CD uses; empty for [`HealthStatus::Unset`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "",
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        }
    }

    /// Whether nothing is left to wait for: healthy, or a rule that set no status.
    #[must_use]
    pub const fn is_healthy(self) -> bool {
        matches!(self, Self::Unset | Self::Healthy)
    }
}

/// Shows as Argo CD's name.
impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is no health status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no health status")]
pub struct UnknownStatus {
    /// The text.
    pub text: String,
}

impl FromStr for HealthStatus {
    type Err = UnknownStatus;
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus {
                text: text.to_owned(),
            })
    }
}

impl Serialize for HealthStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for HealthStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
