//! Writes what has become of applications: their status, and events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use gitops::{ApplicationId, Clock, Engine, Target, TargetError, Timestamp};

use crate::events::{Record, Recorder};
use crate::inbox::Inbox;
use crate::status::{key_of, patch_of};

/// How many writes are under way at the same time.
const CONCURRENCY: usize = 16;

/// How long a write waits after a failure, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Writes status and events, each application's in its order.
pub(crate) struct Writer {
    pub(crate) engine: Arc<Engine>,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) inbox: Inbox,
    pub(crate) manager: String,
    /// How long a change waits for the next: a sync changes the status a few times within moments.
    pub(crate) delay: Duration,
    /// Whether events are written.
    pub(crate) events: bool,
    pub(crate) recorder: Recorder,
}

/// What became of a write.
enum Written {
    Status(ApplicationId, Result<Vec<Record>, TargetError>),
    Event,
}

impl Writer {
    /// Runs until it is dropped.
    pub(crate) async fn run(&self) {
        let mut due: BTreeSet<(Timestamp, ApplicationId)> = BTreeSet::new();
        let mut times: BTreeMap<ApplicationId, Timestamp> = BTreeMap::new();
        let mut failures: BTreeMap<ApplicationId, u32> = BTreeMap::new();
        let mut under_way: BTreeSet<ApplicationId> = BTreeSet::new();
        let mut marked: BTreeSet<ApplicationId> = BTreeSet::new();
        let mut records: VecDeque<Record> = VecDeque::new();
        let mut writes: FuturesUnordered<BoxFuture<'_, Written>> = FuturesUnordered::new();
        loop {
            let now = self.clock.now();
            let news = self.inbox.take();
            for event in &news.events {
                let state = self.engine.operation_state(&event.application);
                let operation = state.as_ref().map(|state| &state.operation);
                records.extend(Record::of(event, operation).filter(|_| self.events));
            }
            marked.extend(news.applications);
            for id in std::mem::take(&mut marked) {
                if under_way.contains(&id) {
                    marked.insert(id);
                } else if !times.contains_key(&id) {
                    let at = now + self.delay;
                    times.insert(id.clone(), at);
                    due.insert((at, id));
                }
            }
            while writes.len() < CONCURRENCY
                && due.first().is_some_and(|(at, _)| *at <= now)
                && let Some((_, id)) = due.pop_first()
            {
                times.remove(&id);
                under_way.insert(id.clone());
                writes.push(self.write_status(id).boxed());
            }
            while writes.len() < CONCURRENCY
                && let Some(record) = records.pop_front()
            {
                writes.push(self.write_event(record).boxed());
            }
            let wait = due.first().map(|(at, _)| at.since(now));
            let wait = wait.filter(|_| writes.len() < CONCURRENCY);
            let written = tokio::select! {
                biased;
                Some(written) = writes.next(), if !writes.is_empty() => written,
                () = self.inbox.changed() => continue,
                () = self.clock.sleep(wait.unwrap_or_default()), if wait.is_some() => continue,
            };
            let Written::Status(id, outcome) = written else {
                continue;
            };
            under_way.remove(&id);
            match outcome {
                Ok(told) => {
                    failures.remove(&id);
                    records.extend(told.into_iter().filter(|_| self.events));
                }
                // It will be seen as it is now, and looked at again.
                Err(TargetError::Changed { .. }) => {
                    marked.insert(id);
                }
                Err(TargetError::NotFound { .. }) => {
                    failures.remove(&id);
                }
                Err(error) => {
                    let failed = failures.entry(id.clone()).or_default();
                    *failed += 1;
                    let wait = AGAIN
                        .0
                        .saturating_mul(1 << (*failed - 1).min(6))
                        .min(AGAIN.1);
                    let reason = gitops::error_chain(&error);
                    tracing::warn!(application = %id, reason, "the status cannot be written; trying again");
                    let at = self.clock.now() + wait;
                    times.insert(id.clone(), at);
                    due.insert((at, id));
                }
            }
        }
    }

    /// Writes what is left to be written, once each.
    pub(crate) async fn flush(&self) {
        let news = self.inbox.take();
        for event in &news.events {
            let state = self.engine.operation_state(&event.application);
            let operation = state.as_ref().map(|state| &state.operation);
            if let Some(record) = Record::of(event, operation).filter(|_| self.events) {
                self.write_event(record).await;
            }
        }
        let mut writes: FuturesUnordered<_> = self
            .engine
            .applications()
            .into_iter()
            .map(|id| self.write_status(id))
            .collect();
        while let Some(written) = writes.next().await {
            if let Written::Status(id, Err(error)) = written {
                let reason = gitops::error_chain(&error);
                tracing::warn!(application = %id, reason, "the last status could not be written");
            }
        }
    }

    async fn write_status(&self, id: ApplicationId) -> Written {
        let outcome = self.patch(&id).await;
        Written::Status(id, outcome)
    }

    async fn patch(&self, id: &ApplicationId) -> Result<Vec<Record>, TargetError> {
        let (Some(view), Some(status)) = (self.engine.live(), self.engine.status(id)) else {
            return Ok(Vec::new());
        };
        let key = key_of(id);
        let Some(live) = view.get(&key) else {
            return Ok(Vec::new());
        };
        let requests = self.engine.requests(id);
        let namespace = &self.engine.options().control_namespace;
        let now = self.clock.now();
        let Some(change) = patch_of(&live, &status, &requests, namespace, now) else {
            return Ok(Vec::new());
        };
        let options = change.options(&self.manager);
        let written = self.target.patch(&key, &change.patch, &options).await;
        match written {
            Ok(object) => view.learn(object),
            Err(error) => {
                if matches!(error, TargetError::Changed { .. }) {
                    // The watch may be behind: what is compared next is what is there.
                    if let Ok(Some(object)) = self.target.get(&key).await {
                        view.learn(object);
                    }
                }
                return Err(error);
            }
        }
        Ok(change
            .told
            .into_iter()
            .map(|message| Record::updated(id.clone(), now, message))
            .collect())
    }

    async fn write_event(&self, record: Record) -> Written {
        let object = self
            .engine
            .live()
            .and_then(|view| view.get(&key_of(&record.application)));
        if let Some(object) = object
            && let Err(error) = self.recorder.write(&*self.target, &record, &object).await
        {
            // Events are for information: one that cannot be written is told in the log instead.
            let reason = gitops::error_chain(&error);
            tracing::debug!(application = %record.application, reason, "an event cannot be written");
        }
        Written::Event
    }
}
