//! What happens to applications, as Events of the cluster: `kubectl describe application` shows them.

use std::sync::atomic::{AtomicU64, Ordering};

use gitops::application::{Operation, OperationPhase};
use gitops::manifest::Object;
use gitops::{ApplicationId, ApplyMode, ApplyOptions, EventKind, Target, TargetError, Timestamp};
use serde_json::json;

/// In whose name events are written.
const COMPONENT: &str = "argocd-application-controller";

/// One event, with the reasons that Argo CD gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) application: ApplicationId,
    pub(crate) at: Timestamp,
    pub(crate) reason: &'static str,
    pub(crate) warning: bool,
    pub(crate) message: String,
}

impl Record {
    /// Tells of a change of the status.
    pub(crate) fn updated(application: ApplicationId, at: Timestamp, message: String) -> Self {
        Self {
            application,
            at,
            reason: "ResourceUpdated",
            warning: false,
            message,
        }
    }

    /// Tells of what the engine told, where people want to know it.
    pub(crate) fn of(event: &gitops::Event, operation: Option<&Operation>) -> Option<Self> {
        let (reason, warning, message) = match &event.kind {
            EventKind::OperationStarted {
                revision,
                initiated_by,
                retry: 0,
            } => {
                let message = if initiated_by == "automated" {
                    format!("Initiated automated sync to '{revision}'")
                } else {
                    format!("initiated sync to {revision}")
                };
                ("OperationStarted", false, message)
            }
            EventKind::OperationFinished {
                phase,
                message,
                revision,
                ..
            } => {
                let sync = operation.and_then(|operation| operation.sync.as_ref());
                let what = if sync.is_some_and(|sync| !sync.resources.is_empty()) {
                    "Partial sync operation"
                } else {
                    "Sync operation"
                };
                let good = *phase == OperationPhase::Succeeded;
                let message = if good {
                    format!("{what} to {revision} succeeded")
                } else {
                    format!("{what} to {revision} failed: {message}")
                };
                ("OperationCompleted", !good, message)
            }
            _ => return None,
        };
        Some(Self {
            application: event.application.clone(),
            at: event.at,
            reason,
            warning,
            message,
        })
    }
}

/// Writes events.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    /// Tells events of one moment apart.
    count: AtomicU64,
}

impl Recorder {
    /// Writes one event about the object of an application.
    pub(crate) async fn write(
        &self,
        target: &dyn Target,
        record: &Record,
        object: &Object,
    ) -> Result<(), TargetError> {
        let number = self.count.fetch_add(1, Ordering::Relaxed) % 1000;
        let nanos = u64::try_from(record.at.as_micros()).unwrap_or(0) * 1000 + number;
        let at = record.at.to_second().to_string();
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                // As client libraries name them: the object, and the time.
                "name": format!("{}.{nanos:x}", object.name()),
                "namespace": object.namespace(),
            },
            "involvedObject": {
                "apiVersion": object.api_version(),
                "kind": object.kind(),
                "namespace": object.namespace(),
                "name": object.name(),
                "uid": object.uid(),
                "resourceVersion": object.resource_version(),
            },
            "source": {"component": COMPONENT},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "type": if record.warning { "Warning" } else { "Normal" },
            "reason": record.reason,
            "message": cut(&record.message),
        });
        let event = Object::try_from(event).expect("it has a kind");
        let mut options = ApplyOptions::server_side(COMPONENT).with_mode(ApplyMode::Create);
        options.validate = false;
        target.apply(&event, &options).await.map(|_| ())
    }
}

/// Cuts a message to what an event may hold.
fn cut(message: &str) -> &str {
    const LIMIT: usize = 1024;
    let mut end = message.len().min(LIMIT);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}
