//! What the engine tells, kept until those that act on it have time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gitops::{ApplicationId, Event, EventKind, Observer};
use tokio::sync::Notify;

/// How many events are kept. Of those beyond, the oldest are dropped: they are told for information.
const LIMIT: usize = 10_000;

/// An observer that takes note and returns.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<Shared>);

#[derive(Default)]
struct Shared {
    content: Mutex<Content>,
    bell: Notify,
}

/// What has come in.
#[derive(Default)]
pub(crate) struct Content {
    /// The applications whose status may be another.
    pub(crate) applications: BTreeSet<ApplicationId>,
    /// What is told to people as events of the cluster.
    pub(crate) events: VecDeque<Event>,
}

impl Inbox {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0
            .content
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has come in.
    pub(crate) fn take(&self) -> Content {
        std::mem::take(&mut *self.content())
    }

    /// Has the status of an application looked at.
    pub(crate) fn mark(&self, id: ApplicationId) {
        self.content().applications.insert(id);
        self.0.bell.notify_one();
    }

    /// Waits until something comes in.
    pub(crate) async fn changed(&self) {
        self.0.bell.notified().await;
    }
}

impl Observer for Inbox {
    fn observe(&self, event: &Event) {
        match &event.kind {
            EventKind::Reconciled { .. } => self.mark(event.application.clone()),
            EventKind::OperationStarted { .. } | EventKind::OperationFinished { .. } => {
                let mut content = self.content();
                content.applications.insert(event.application.clone());
                content.events.push_back(event.clone());
                if content.events.len() > LIMIT {
                    content.events.pop_front();
                }
                drop(content);
                self.0.bell.notify_one();
            }
            _ => {}
        }
    }
}
