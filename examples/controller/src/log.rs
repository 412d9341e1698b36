//! The log: what happens to applications, a line each.

use gitops::application::OperationPhase;
use gitops::{Event, EventKind, Observer};

/// An observer that writes what people look for in a log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Log;

impl Observer for Log {
    fn observe(&self, event: &Event) {
        let application = &event.application;
        match &event.kind {
            EventKind::SyncStatusChanged {
                from,
                to,
                out_of_sync,
            } => {
                tracing::info!(%application, %from, %to, out_of_sync, "sync status changed");
            }
            EventKind::HealthChanged { from, to, message } => {
                tracing::info!(%application, %from, %to, reason = message, "health changed");
            }
            EventKind::OperationStarted {
                revision,
                initiated_by,
                retry,
            } => {
                tracing::info!(%application, %revision, by = initiated_by, retry, "sync started");
            }
            EventKind::OperationFinished {
                phase,
                message,
                revision,
                dry_run,
            } => {
                if *phase == OperationPhase::Succeeded {
                    tracing::info!(%application, %revision, dry_run, reason = message, "sync succeeded");
                } else {
                    tracing::warn!(%application, %revision, dry_run, reason = message, "sync failed");
                }
            }
            EventKind::ConditionRaised { condition, message } => {
                tracing::warn!(%application, condition, reason = message, "condition");
            }
            EventKind::ConditionCleared { condition, .. } => {
                tracing::info!(%application, condition, "condition is over");
            }
            EventKind::Reconciled { took } => {
                tracing::debug!(%application, ?took, "looked at");
            }
            _ => {}
        }
    }
}
