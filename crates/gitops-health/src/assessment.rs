use std::fmt;
use std::time::SystemTime;

use gitops_manifest::{ObjectKey, Str};
use serde::{Deserialize, Serialize};

use crate::HealthStatus;

/// What was found about an object: how it is doing, in words, why, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Assessment {
    /// How the object is doing.
    pub status: HealthStatus,
    /// What Argo CD would show beside the status. May be empty.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub message: Str,
    /// What is at the root of it, where that is known and the object is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<Cause>>,
    /// Since when it is so, as far as the object itself tells.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::time::text"
    )]
    pub since: Option<SystemTime>,
}

impl Assessment {
    /// Makes an assessment of a status and a message.
    #[must_use]
    pub fn new(status: HealthStatus, message: impl Into<Str>) -> Self {
        Self {
            status,
            message: message.into(),
            cause: None,
            since: None,
        }
    }
}

/// Shows as `Degraded: message`.
impl fmt::Display for Assessment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// The object and the reason at the root of a bad assessment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cause {
    /// The object that tells.
    pub object: ObjectKey,
    /// The part of the object that is concerned, as a container; empty where it is the whole.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub part: Str,
    /// A word for machines, as `ImagePullBackOff`. May be empty.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Str,
    /// A sentence for people. May be empty.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub message: Str,
}

/// Shows as `Pod/shop/web-1 (app): ImagePullBackOff: message`.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.object)?;
        if !self.part.is_empty() {
            write!(f, " ({})", self.part)?;
        }
        for text in [&self.reason, &self.message] {
            if !text.is_empty() {
                write!(f, ": {text}")?;
            }
        }
        Ok(())
    }
}

/// What a rule says of an object.
///
/// Rules within the crate and rules of users answer in this form; [`crate::assess`] makes an
/// [`Assessment`] of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// How the object is doing.
    pub status: HealthStatus,
    /// What to show beside the status.
    pub message: Str,
    /// A word for machines, as `ImagePullBackOff`. May be empty.
    pub reason: Str,
    /// The part of the object that is concerned, as a container. May be empty.
    pub part: Str,
    /// Since when it is so, where the object tells.
    pub since: Option<SystemTime>,
}

impl Verdict {
    /// Makes a verdict of a status and a message.
    #[must_use]
    pub fn new(status: HealthStatus, message: impl Into<Str>) -> Self {
        Self {
            status,
            message: message.into(),
            reason: Str::default(),
            part: Str::default(),
            since: None,
        }
    }

    /// Makes a verdict whose message is a literal, without copying it.
    pub(crate) const fn fixed(status: HealthStatus, message: &'static str) -> Self {
        const EMPTY: Str = Str::from_static("");
        Self {
            status,
            message: Str::from_static(message),
            reason: EMPTY,
            part: EMPTY,
            since: None,
        }
    }

    /// Adds a word for machines.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Str>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Adds since when it is so.
    #[must_use]
    pub const fn since(mut self, since: Option<SystemTime>) -> Self {
        self.since = since;
        self
    }
}
