//! A cluster that is looked at from above: each write is judged at the moment at which it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use gitops_core::{
    Applied, ApplyOptions, Clock, DeleteOptions, Discovery, Event, EventKind, Observer,
    PatchOptions, Scope, Snapshot, Target, TargetError, Timestamp, WatchEvent,
};
use gitops_manifest::{Object, ObjectKey, Str, Value};
use gitops_memory::{MemoryTarget, SimClock};

/// How often an application may be looked at in one moment.
const BUSY: u32 = 500;

/// The clock of the machine on which the engine runs. It jumps; that of the cluster does not.
#[derive(Clone)]
pub(crate) struct HostClock {
    pub(crate) cluster: SimClock,
    /// How many seconds it is ahead.
    ahead: Arc<AtomicI64>,
}

impl HostClock {
    pub(crate) fn new(cluster: SimClock) -> Self {
        Self {
            cluster,
            ahead: Arc::default(),
        }
    }

    pub(crate) fn jump(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::SeqCst) * 1_000_000;
        Timestamp::from_micros(self.cluster.now().as_micros() + ahead)
    }

    async fn sleep(&self, duration: Duration) {
        self.cluster.sleep(duration).await;
    }
}

/// What is known of the story from above.
#[derive(Default)]
pub(crate) struct Record {
    /// What each revision holds: values by name.
    pub(crate) revisions: BTreeMap<String, BTreeMap<String, String>>,
    /// The operation that runs: its number, its attempt and its revision.
    operation: (u64, i64, String),
    /// The hooks that were made: by operation, attempt and name, the UIDs.
    hooks: BTreeMap<(u64, i64, String), BTreeSet<String>>,
    uids: BTreeSet<String>,
    /// Whether the application is being deleted: then everything of it may go.
    pub(crate) deleting: bool,
    /// When the application was looked at last, and how often at that moment.
    looks: (i64, u32),
    /// What must not happen and did.
    pub(crate) wrongs: Vec<String>,
    pub(crate) log: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Spy {
    pub(crate) cluster: MemoryTarget,
    pub(crate) record: Arc<Mutex<Record>>,
    clock: SimClock,
}

impl Spy {
    pub(crate) fn new(cluster: MemoryTarget, clock: SimClock) -> Self {
        Self {
            cluster,
            record: Arc::default(),
            clock,
        }
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("nobody panics with it")
    }

    pub(crate) fn say(&self, text: impl std::fmt::Display) {
        let line = format!("{} {text}", self.clock.now());
        self.record().log.push(line);
    }

    fn wrong(&self, text: String) {
        self.say(format!("WRONG: {text}"));
        self.record().wrongs.push(text);
    }

    /// Judges a write that was sent; `before` is what was there.
    fn judge(&self, verb: &str, key: &ObjectKey, before: Option<&Object>, failed: Option<String>) {
        let after = self.cluster.object(key);
        let same = match (before, &after) {
            (Some(a), Some(b)) => a.resource_version() == b.resource_version(),
            (None, None) => true,
            _ => false,
        };
        let done = if same { "nothing changed" } else { "done" };
        let told = failed.map_or_else(String::new, |error| format!(", told {error}"));
        self.say(format!("{verb} {key}: {done}{told}"));
        if same {
            return;
        }
        let ours = key.namespace == "shop"
            && match &*key.kind {
                "ConfigMap" => !matches!(&*key.name, "bystander" | "copy" | "neighbour"),
                "Job" => !key.name.starts_with("their-"),
                _ => false,
            };
        if !ours {
            self.wrong(format!("{verb} of {key}, which is not the application's"));
        }
        let goes = after.as_ref().is_none_or(Object::is_deleting)
            && before.is_some_and(|before| !before.is_deleting());
        let (number, attempt, revision) = self.record().operation.clone();
        if key.kind == "ConfigMap" {
            let record = self.record();
            let deleting = record.deleting;
            let wanted = record.revisions.get(&revision).cloned().unwrap_or_default();
            drop(record);
            let wanted = wanted.get(&*key.name);
            let value = after
                .as_ref()
                .and_then(|object| object.at(&["data", "key"]).and_then(Value::as_str));
            if goes && !deleting && wanted.is_some() {
                self.wrong(format!("{key} is deleted, and {revision} has it"));
            }
            if !goes && !deleting && value != wanted.map(String::as_str) {
                self.wrong(format!(
                    "{key} is made {value:?}, and {revision} has {wanted:?}"
                ));
            }
        }
        if let ("Job", Some(object)) = (&*key.kind, &after)
            && self.record().uids.insert(object.uid().to_owned())
        {
            let hook = (number, attempt, key.name.to_string());
            let many = {
                let mut record = self.record();
                let uids = record.hooks.entry(hook).or_default();
                uids.insert(object.uid().to_owned());
                uids.len()
            };
            if many > 1 {
                self.wrong(format!(
                    "hook {} is made {many} times in one attempt",
                    key.name
                ));
            }
        }
    }
}

impl Observer for Spy {
    fn observe(&self, event: &Event) {
        match &event.kind {
            EventKind::OperationStarted {
                revision, retry, ..
            } => {
                {
                    let mut record = self.record();
                    if *retry == 0 {
                        record.operation.0 += 1;
                    }
                    record.operation.1 = *retry;
                    record.operation.2 = revision.to_string();
                }
                self.say(format!(
                    "operation on {revision} begins, attempt {}",
                    retry + 1
                ));
            }
            EventKind::OperationFinished { phase, message, .. } => {
                self.say(format!("operation ends: {phase:?}: {message}"));
            }
            EventKind::Reconciled { .. } => {
                let now = self.clock.now().as_micros();
                let mut record = self.record();
                let (at, looks) = record.looks;
                record.looks = (now, if at == now { looks + 1 } else { 1 });
                let busy = record.looks.1 > BUSY;
                drop(record);
                assert!(!busy, "the engine goes round without any time passing");
            }
            EventKind::ConditionRaised { condition, message } => {
                self.say(format!("{condition}: {message}"));
            }
            _ => {}
        }
    }
}

#[async_trait]
impl Target for Spy {
    async fn discover(&self) -> Result<Arc<Discovery>, TargetError> {
        self.cluster.discover().await
    }

    async fn version(&self) -> Result<Str, TargetError> {
        self.cluster.version().await
    }

    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot, TargetError> {
        self.cluster.snapshot(scope).await
    }

    async fn watch(
        &self,
        scope: &Scope,
        version: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent, TargetError>>, TargetError> {
        self.cluster.watch(scope, version).await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, TargetError> {
        self.cluster.get(key).await
    }

    async fn apply(&self, object: &Object, options: &ApplyOptions) -> Result<Applied, TargetError> {
        let key = object.key();
        let before = self.cluster.object(&key);
        let outcome = self.cluster.apply(object, options).await;
        if !options.dry_run {
            let failed = outcome.as_ref().err().map(ToString::to_string);
            self.judge("apply", &key, before.as_ref(), failed);
        }
        outcome
    }

    async fn delete(&self, key: &ObjectKey, options: &DeleteOptions) -> Result<(), TargetError> {
        let before = self.cluster.object(key);
        let outcome = self.cluster.delete(key, options).await;
        let failed = outcome.as_ref().err().map(ToString::to_string);
        self.judge("delete", key, before.as_ref(), failed);
        outcome
    }

    async fn patch(
        &self,
        key: &ObjectKey,
        patch: &Value,
        options: &PatchOptions,
    ) -> Result<Object, TargetError> {
        let before = self.cluster.object(key);
        let outcome = self.cluster.patch(key, patch, options).await;
        let failed = outcome.as_ref().err().map(ToString::to_string);
        self.judge("patch", key, before.as_ref(), failed);
        outcome
    }
}
