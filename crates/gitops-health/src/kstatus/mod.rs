//! The status of objects as kstatus of `sigs.k8s.io/cli-utils` computes it (as of October 2025): what Flux and
//! `kpt` go by.
//!
//! kstatus differs from Argo CD where both know a kind: a running job and a failed pod are *current*, nothing
//! is suspended, an object of an unknown kind is current until its conditions say otherwise, and any difference
//! between generation and observed generation is progress.
//!
//! ```
//! use gitops_health::kstatus::{self, Status};
//! use gitops_manifest::Object;
//!
//! let custom = Object::try_from(serde_json::json!({
//!     "apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w", "generation": 2},
//!     "status": {"observedGeneration": 1},
//! }))?;
//! let result = kstatus::assess(&custom, None);
//! assert_eq!(result.status, Status::InProgress);
//! assert_eq!(result.reason, "LatestGenerationNotObserved");
//! # Ok::<(), gitops_manifest::ObjectError>(())
//! ```

mod kinds;

use std::fmt;
use std::time::SystemTime;

use gitops_manifest::{Object, Str, Value};

use crate::view::Condition;
use crate::{HealthStatus, Verdict, view};

/// What kstatus says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The controller has done what the specification asks for.
    Current,
    /// The controller is at it.
    InProgress,
    /// The controller cannot do it.
    Failed,
    /// Deletion has begun.
    Terminating,
    /// The status could not be computed.
    Unknown,
}

/// Shows as kstatus' name.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Current => "Current",
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
            Self::Unknown => "Unknown",
        })
    }
}

/// A computed status with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The status.
    pub status: Status,
    /// A word for machines; empty where the status needs none.
    pub reason: Str,
    /// A sentence for people.
    pub message: Str,
    /// Since when it is so, where the object tells.
    pub since: Option<SystemTime>,
}

impl Outcome {
    fn new(status: Status, reason: impl Into<Str>, message: impl Into<Str>) -> Self {
        Self {
            status,
            reason: reason.into(),
            message: message.into(),
            since: None,
        }
    }

    fn current(message: impl Into<Str>) -> Self {
        Self::new(Status::Current, Str::default(), message)
    }

    fn in_progress(reason: &'static str, message: impl Into<Str>) -> Self {
        Self::new(Status::InProgress, Str::from_static(reason), message)
    }

    fn failed(reason: &'static str, message: impl Into<Str>) -> Self {
        Self::new(Status::Failed, Str::from_static(reason), message)
    }

    /// Passes on what a condition says.
    fn told_by(status: Status, condition: Condition<'_>) -> Self {
        Self {
            since: condition.since(),
            ..Self::new(status, condition.reason_text(), condition.message_text())
        }
    }

    /// Returns the condition that kstatus would add to the object: `Reconciling` or `Stalled`, which is true.
    #[must_use]
    pub const fn condition(&self) -> Option<&'static str> {
        match self.status {
            Status::InProgress => Some("Reconciling"),
            Status::Failed => Some("Stalled"),
            _ => None,
        }
    }

    /// Tells the outcome in Argo CD's words.
    pub(crate) fn into_verdict(self) -> Verdict {
        let status = match self.status {
            Status::Current => HealthStatus::Healthy,
            Status::InProgress | Status::Terminating => HealthStatus::Progressing,
            Status::Failed => HealthStatus::Degraded,
            Status::Unknown => HealthStatus::Unknown,
        };
        Verdict::new(status, self.message)
            .because(self.reason)
            .since(self.since)
    }
}

/// Computes the status of an object.
///
/// `now` is asked for pods alone, that may be unschedulable for 15 seconds; without it they may for ever.
#[must_use]
pub fn assess(object: &Object, now: Option<SystemTime>) -> Outcome {
    generic(object)
        .or_else(|| kinds::assess(object, now))
        .or_else(|| ready(object))
        .unwrap_or_else(|| Outcome::current("Resource is current"))
}

/// Tells the health of an object of a kind without rule by its conventional fields; `None` where it has none.
pub(crate) fn conventional(object: &Object) -> Option<Verdict> {
    generic(object)
        .or_else(|| ready(object))
        .map(Outcome::into_verdict)
}

/// Reads an integer as kstatus does: of another type is as good as absent.
fn int(object: &Object, path: &[&str]) -> Option<i64> {
    object.at(path).and_then(Value::as_i64)
}

/// What kstatus asks of objects of every kind, before their kind.
fn generic(object: &Object) -> Option<Outcome> {
    if object.is_deleting() {
        return Some(Outcome::new(
            Status::Terminating,
            Str::default(),
            "Resource scheduled for deletion",
        ));
    }
    if let (Some(generation), Some(observed)) = (
        object.generation(),
        int(object, &["status", "observedGeneration"]),
    ) && generation != observed
    {
        let message = format!(
            "{} generation is {generation}, but latest observed generation is {observed}",
            object.kind()
        );
        return Some(Outcome::in_progress("LatestGenerationNotObserved", message));
    }
    view::conditions(object).find_map(|condition| {
        let status = match condition.kind() {
            "Reconciling" => Status::InProgress,
            "Stalled" => Status::Failed,
            _ => return None,
        };
        condition
            .is_true()
            .then(|| Outcome::told_by(status, condition))
    })
}

/// What kstatus asks of objects of kinds that it does not know.
fn ready(object: &Object) -> Option<Outcome> {
    view::conditions(object)
        .filter(|condition| condition.kind() == "Ready")
        .find_map(|ready| match ready.status() {
            "True" => Some(Outcome {
                since: ready.since(),
                ..Outcome::current("Resource is Ready")
            }),
            "False" | "Unknown" => Some(Outcome::told_by(Status::InProgress, ready)),
            _ => None,
        })
}
