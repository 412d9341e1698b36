//! Everything that happens, as typed events.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gitops_health::HealthStatus;
use gitops_manifest::{ObjectKey, Str};
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::application::{OperationPhase, ResultCode, SyncStatusCode};
use crate::sync::SyncPhase;

/// The name of an application: the namespace that it is in, and its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ApplicationId {
    /// The namespace of the application itself.
    pub namespace: Str,
    /// Its name.
    pub name: Str,
}

impl ApplicationId {
    /// Makes one of its two parts.
    #[must_use]
    pub fn new(namespace: impl Into<Str>, name: impl Into<Str>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// Shows as `namespace/name`.
impl fmt::Display for ApplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Something that happened to an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// To which application.
    pub application: ApplicationId,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
#[non_exhaustive]
pub enum EventKind {
    /// A source points at another revision than before.
    #[serde(rename_all = "camelCase")]
    RevisionChanged {
        /// The revision before; absent the first time.
        from: Option<Str>,
        /// The revision now.
        to: Str,
    },
    /// A revision was rendered.
    #[serde(rename_all = "camelCase")]
    Rendered {
        /// The revision.
        revision: Str,
        /// How many objects came out.
        objects: usize,
    },
    /// A revision was not rendered, as nothing that the last render read has changed.
    #[serde(rename_all = "camelCase")]
    RenderReused {
        /// The revision.
        revision: Str,
    },
    /// The application came in or out of sync.
    #[serde(rename_all = "camelCase")]
    SyncStatusChanged {
        /// The status before.
        from: SyncStatusCode,
        /// The status now.
        to: SyncStatusCode,
        /// How many objects differ.
        out_of_sync: usize,
    },
    /// The health of the application changed.
    #[serde(rename_all = "camelCase")]
    HealthChanged {
        /// The health before.
        from: HealthStatus,
        /// The health now.
        to: HealthStatus,
        /// Why.
        message: String,
    },
    /// An operation began, or began anew after a failure.
    #[serde(rename_all = "camelCase")]
    OperationStarted {
        /// The revision that is synced.
        revision: Str,
        /// Who asked: a user, or `automated`.
        initiated_by: String,
        /// How often it was tried before.
        retry: i64,
    },
    /// Something was done to an object, or it came further.
    #[serde(rename_all = "camelCase")]
    ObjectProgressed {
        /// The object.
        key: ObjectKey,
        /// The phase of the sync.
        phase: SyncPhase,
        /// The wave.
        wave: i64,
        /// What became of it.
        status: Option<ResultCode>,
        /// How far it has come.
        state: Option<OperationPhase>,
        /// What there is to say of it.
        message: String,
    },
    /// A cluster was asked about one of the application's objects, or to write it, and answered.
    #[serde(rename_all = "camelCase")]
    Requested {
        /// What was asked for.
        verb: Verb,
        /// The object.
        key: ObjectKey,
        /// Whether the cluster was only to say what would come out.
        dry_run: bool,
        /// The answer, as HTTP has it: 200, 201 where the object was made, else why it was not done; 0 where there was no answer.
        code: u16,
    },
    /// An operation goes on, and this is what it waits for.
    #[serde(rename_all = "camelCase")]
    OperationProgressed {
        /// What there is to say.
        message: String,
    },
    /// An operation came to its end.
    #[serde(rename_all = "camelCase")]
    OperationFinished {
        /// How it ended.
        phase: OperationPhase,
        /// What there is to say.
        message: String,
        /// The revision that was synced.
        revision: Str,
        /// Whether it was tried out only.
        dry_run: bool,
    },
    /// The application was looked at while the engine [runs](crate::Engine::run): its status may be another.
    #[serde(rename_all = "camelCase")]
    Reconciled {
        /// How long that took.
        took: Duration,
    },
    /// Something came up that users should know.
    #[serde(rename_all = "camelCase")]
    ConditionRaised {
        /// Its type, as `ComparisonError`.
        condition: String,
        /// What there is to know.
        message: String,
    },
    /// Something that users should know has gone away.
    #[serde(rename_all = "camelCase")]
    ConditionCleared {
        /// Its type.
        condition: String,
    },
}

/// What is asked of a cluster about one object, in the words of its API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// How it is.
    Get,
    /// To make it.
    Create,
    /// To replace it.
    Update,
    /// To change or apply it.
    Patch,
    /// To delete it.
    Delete,
}

/// Shows as `get`, `create`, `update`, `patch` or `delete`.
impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        })
    }
}

/// Is told everything that happens: metrics, audit, notifications and progress bars are observers.
///
/// It is called in the middle of the work and must return at once.
pub trait Observer: Send + Sync {
    /// Takes note of an event.
    fn observe(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// Several observers as one.
#[derive(Clone, Default)]
pub(crate) struct Observers(pub(crate) Vec<Arc<dyn Observer>>);

impl Observer for Observers {
    fn observe(&self, event: &Event) {
        for observer in &self.0 {
            observer.observe(event);
        }
    }
}
