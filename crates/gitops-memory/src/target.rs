//! A cluster in memory.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::future::select;
use futures::stream::{self, BoxStream};
use gitops_core::{
    Applied, ApplyOptions, Clock, DeleteOptions, Discovery, PatchOptions, Scope, Snapshot, Target,
    TargetError, Timestamp, WatchEvent,
};
use gitops_manifest::{GroupKind, GroupVersionKind, Object, ObjectKey, Str, Value};
use tokio::sync::Notify;

use crate::faults::Injector;
use crate::server::{DEFAULT_HISTORY, Server, Watched};
use crate::{Behaviour, Fault, Faults, Operation, SimClock, Simulation};

/// How many events a watch fetches at once.
const WATCH_BATCH: usize = 256;

/// What a [`MemoryTarget`] is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryOptions {
    /// What UIDs, generated names and faults depend on.
    pub seed: u64,
    /// How many changes are kept for watches that lag behind; older ones expire.
    pub history: usize,
    /// What the controllers do.
    pub simulation: Simulation,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            history: DEFAULT_HISTORY,
            simulation: Simulation::default(),
        }
    }
}

/// A cluster in memory: a [`Target`] that behaves as a Kubernetes API server with its controllers does.
///
/// It has what a program can tell an API server by: resource versions, generations and UIDs, server-side apply with
/// managers and conflicts, defaults and validation, finalizers and garbage collection, namespaces, definitions of
/// kinds, watches that break and expire. Its controllers let workloads become ready, or fail where their
/// [image](crate::Simulation) says so, as the clock goes on. The [crate](crate) shows it at work.
///
/// Clones are handles of one cluster; [`fork`](Self::fork) copies it. With one seed, one clock and one order of
/// requests the course of things is the same each time: UIDs, names of pods, faults, events.
///
/// What is due by the clock is done when somebody asks for something; a watch that waits wakes when something is due. On a
/// [`SimClock`] days pass in no time, on [`SystemClock`](gitops_core::SystemClock) a pod takes its two seconds.
#[derive(Clone)]
pub struct MemoryTarget(Arc<Shared>);

struct Shared {
    server: Mutex<Server>,
    clock: Arc<dyn Clock>,
    /// Wakes the watches after a change.
    changed: Notify,
    /// Counts how often all watches were broken.
    epoch: AtomicU64,
    faults: Mutex<Injector>,
    requests: Mutex<Requests>,
    /// Tells of requests that hang.
    hung: Notify,
}

/// What was asked for so far.
#[derive(Clone, Debug, Default)]
struct Requests {
    log: VecDeque<Request>,
    limit: usize,
}

/// One request that a [`MemoryTarget`] has answered, or left without an answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// When it came.
    pub time: Timestamp,
    /// What was asked for.
    pub operation: Operation,
    /// The object that it was about, where it was about one.
    pub key: Option<ObjectKey>,
    /// Whether it was carried out, which the asker need not have heard.
    pub done: bool,
    /// What the asker was told; `None` is success.
    pub error: Option<TargetError>,
}

impl fmt::Debug for MemoryTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTarget").finish_non_exhaustive()
    }
}

impl Default for MemoryTarget {
    /// Makes a cluster with a [`SimClock`] of its own.
    fn default() -> Self {
        Self::new(Arc::new(SimClock::new()))
    }
}

impl MemoryTarget {
    /// Makes an empty cluster with the namespaces that every cluster has.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_options(clock, &MemoryOptions::default())
    }

    /// Makes an empty cluster with options.
    #[must_use]
    pub fn with_options(clock: Arc<dyn Clock>, options: &MemoryOptions) -> Self {
        let server = Server::new(
            options.seed,
            options.history,
            options.simulation.clone(),
            clock.now(),
        );
        let requests = Requests {
            log: VecDeque::new(),
            limit: options.history,
        };
        Self::of(server, clock, Injector::new(options.seed), requests)
    }

    fn of(server: Server, clock: Arc<dyn Clock>, faults: Injector, requests: Requests) -> Self {
        Self(Arc::new(Shared {
            server: Mutex::new(server),
            clock,
            changed: Notify::new(),
            epoch: AtomicU64::new(0),
            faults: Mutex::new(faults),
            requests: Mutex::new(requests),
            hung: Notify::new(),
        }))
    }

    /// Makes a cluster of the objects of another one, as [`objects`](Self::objects) returned them: a cluster that is
    /// kept in a file. New UIDs are drawn from the seed, so give one that was not used before.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use gitops_memory::{MemoryOptions, MemoryTarget, SimClock};
    ///
    /// let clock = Arc::new(SimClock::new());
    /// let cluster = MemoryTarget::new(clock.clone());
    /// let mut options = MemoryOptions::default();
    /// options.seed = 1;
    /// let copy = MemoryTarget::restore(clock, &options, cluster.objects());
    /// assert_eq!(copy.objects(), cluster.objects());
    /// ```
    #[must_use]
    pub fn restore(clock: Arc<dyn Clock>, options: &MemoryOptions, objects: Vec<Object>) -> Self {
        let target = Self::with_options(clock, options);
        lock(&target.0.server).restore(objects);
        target
    }

    /// Returns an independent cluster in the same state.
    #[must_use]
    pub fn fork(&self) -> Self {
        let server = self.0.now().clone();
        let faults = self.0.faults().clone();
        let requests = lock(&self.0.requests).clone();
        Self::of(server, Arc::clone(&self.0.clock), faults, requests)
    }

    /// Sets how often something goes wrong by chance.
    pub fn set_faults(&self, faults: Faults) {
        self.0.faults().chances = faults;
    }

    /// Lets something go wrong at a certain request. Several faults of one request add up.
    pub fn inject(&self, fault: Fault) {
        self.0.faults().add(fault);
    }

    /// Lets nothing go wrong any more, by chance or by script.
    pub fn clear_faults(&self) {
        self.0.faults().clear();
    }

    /// Waits until a request hangs because it was told to.
    pub async fn hung(&self) {
        self.0.hung.notified().await;
    }

    /// Takes the log of requests, oldest first. It is as long as the history at most.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut lock(&self.0.requests).log).into()
    }

    /// Adds a rule of what becomes of an image, in front of those that are there.
    pub fn add_rule(&self, pattern: impl Into<String>, behaviour: Behaviour) {
        let pattern = pattern.into();
        self.0
            .write(|server| server.simulation.add_rule(pattern, behaviour));
    }

    /// Sets the status of an object, as its controller would.
    ///
    /// # Errors
    /// [`TargetError::NotFound`].
    pub fn set_status(
        &self,
        key: &ObjectKey,
        status: impl Into<Value>,
    ) -> Result<Object, TargetError> {
        let status = status.into();
        self.0.write(|server| server.set_status_of(key, status))
    }

    /// Returns an object as it is now.
    #[must_use]
    pub fn object(&self, key: &ObjectKey) -> Option<Object> {
        self.0.now().get(key).cloned()
    }

    /// Returns all objects in the order of their keys.
    #[must_use]
    pub fn objects(&self) -> Vec<Object> {
        self.0.now().objects().values().cloned().collect()
    }

    /// Changes an object as a person with an editor does: without asking what a tool wants.
    ///
    /// # Errors
    /// [`TargetError::NotFound`].
    pub fn edit(
        &self,
        key: &ObjectKey,
        change: impl FnOnce(&mut Object),
    ) -> Result<Object, TargetError> {
        self.0.write(|server| server.edit(key, change))
    }

    /// Forgets all history: every watch that lags behind, or is resumed from before, has
    /// [expired](TargetError::Expired).
    pub fn expire_watches(&self) {
        self.0.write(Server::forget_history);
    }

    /// Breaks the connection of every watch.
    pub fn break_watches(&self) {
        self.0.epoch.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

impl Shared {
    /// Returns the server, with everything done that is due by now.
    fn now(&self) -> MutexGuard<'_, Server> {
        let now = self.clock.now();
        let mut server = lock(&self.server);
        if server.catch_up(now) {
            self.changed.notify_waiters();
        }
        server
    }

    fn faults(&self) -> MutexGuard<'_, Injector> {
        lock(&self.faults)
    }

    /// Answers a request, or lets go wrong what is to.
    async fn ask<T>(
        &self,
        operation: Operation,
        key: Option<&ObjectKey>,
        work: impl FnOnce(&[GroupKind]) -> Result<T, TargetError>,
    ) -> Result<T, TargetError> {
        let decision = self.faults().decide(operation, key);
        if !decision.delay.is_zero() {
            self.clock.sleep(decision.delay).await;
        }
        let log = |done: bool, error: Option<&TargetError>| {
            let mut requests = lock(&self.requests);
            requests.log.push_back(Request {
                time: self.clock.now(),
                operation,
                key: key.cloned(),
                done,
                error: error.cloned(),
            });
            if requests.log.len() > requests.limit {
                requests.log.pop_front();
            }
        };
        if decision.hangs {
            log(false, None);
            self.hung.notify_one();
            std::future::pending::<()>().await;
        }
        if let Some(error) = decision.refused {
            log(false, Some(&error));
            return Err(error);
        }
        let answer = work(&decision.unlisted);
        match (answer, decision.lost) {
            (Ok(_), Some(error)) => {
                log(true, Some(&error));
                Err(error)
            }
            (Ok(answer), None) => {
                log(true, None);
                Ok(answer)
            }
            (Err(error), _) => {
                log(false, Some(&error));
                Err(error)
            }
        }
    }

    /// Carries out a request, and what follows from it at once.
    fn write<T>(&self, request: impl FnOnce(&mut Server) -> T) -> T {
        let mut server = self.now();
        let answer = request(&mut server);
        let now = self.clock.now();
        server.catch_up(now);
        drop(server);
        self.changed.notify_waiters();
        answer
    }

    /// Waits for a change, or for the time at which the next is due.
    async fn wait(&self, due: Option<Timestamp>, changed: impl Future<Output = ()>) {
        match due {
            None => changed.await,
            Some(due) => {
                let time = self.clock.sleep(due.since(self.clock.now()));
                select(std::pin::pin!(changed), time).await;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A watch in flight.
struct Watch {
    shared: Arc<Shared>,
    scope: Scope,
    version: u64,
    epoch: u64,
    broken: bool,
    ended: bool,
}

impl Watch {
    /// Waits for the next events.
    async fn next(mut self) -> Option<(Vec<Result<WatchEvent, TargetError>>, Self)> {
        loop {
            if self.ended {
                return None;
            }
            let shared = Arc::clone(&self.shared);
            let mut changed = std::pin::pin!(shared.changed.notified());
            changed.as_mut().enable();
            if self.broken || shared.epoch.load(Ordering::SeqCst) != self.epoch {
                self.ended = true;
                let error = TargetError::Unavailable {
                    attempt: "watch".to_owned(),
                    reason: "the connection was lost".to_owned(),
                };
                return Some((vec![Err(error)], self));
            }
            let (watched, due) = {
                let server = shared.now();
                let watched = server.changes(&self.scope, self.version, WATCH_BATCH);
                (watched, server.next_due())
            };
            match watched {
                Watched::Events(events, version) => {
                    if shared.faults().loses_watch() {
                        self.broken = true;
                        continue;
                    }
                    self.version = version;
                    return Some((events.into_iter().map(Ok).collect(), self));
                }
                Watched::Expired => {
                    self.ended = true;
                    let error = expired(&self.version);
                    return Some((vec![Err(error)], self));
                }
                Watched::Nothing => shared.wait(due, changed).await,
            }
        }
    }
}

fn expired(version: &(impl ToString + ?Sized)) -> TargetError {
    TargetError::Expired {
        version: version.to_string().into(),
    }
}

#[async_trait]
impl Target for MemoryTarget {
    async fn discover(&self) -> Result<Arc<Discovery>, TargetError> {
        let discover = |_: &[GroupKind]| Ok(Arc::clone(self.0.now().discovery()));
        self.0.ask(Operation::Discover, None, discover).await
    }

    async fn version(&self) -> Result<Str, TargetError> {
        Ok(Str::from_static("v1.36.0"))
    }

    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot, TargetError> {
        let snapshot = |unlisted: &[GroupKind]| {
            let mut snapshot = self.0.now().snapshot(scope);
            for kind in unlisted {
                snapshot
                    .objects
                    .retain(|object| object.group_kind() != *kind);
                let reason = "the connection was refused".to_owned();
                snapshot.unlisted.push((kind.clone(), reason));
            }
            Ok(snapshot)
        };
        self.0.ask(Operation::Snapshot, None, snapshot).await
    }

    async fn watch(
        &self,
        scope: &Scope,
        version: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent, TargetError>>, TargetError> {
        let begin = |_: &[GroupKind]| {
            let number: u64 = version.parse().map_err(|_| expired(version))?;
            let begun = self.0.now().changes(scope, number, 1);
            if matches!(begun, Watched::Expired) || self.0.faults().expires_watch() {
                return Err(expired(version));
            }
            Ok(Watch {
                shared: Arc::clone(&self.0),
                scope: scope.clone(),
                version: number,
                epoch: self.0.epoch.load(Ordering::SeqCst),
                broken: false,
                ended: false,
            })
        };
        let watch = self.0.ask(Operation::Watch, None, begin).await?;
        Ok(stream::unfold(watch, Watch::next)
            .flat_map(stream::iter)
            .boxed())
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, TargetError> {
        let get = |_: &[GroupKind]| {
            let server = self.0.now();
            if !server.known(&key.group_kind()) {
                return Err(TargetError::UnknownKind {
                    gvk: GroupVersionKind::new(&key.group, "", &key.kind),
                });
            }
            Ok(server.get(key).cloned())
        };
        self.0.ask(Operation::Get, Some(key), get).await
    }

    async fn apply(&self, object: &Object, options: &ApplyOptions) -> Result<Applied, TargetError> {
        let key = object.key();
        let apply = |_: &[GroupKind]| self.0.write(|server| server.apply(object, options));
        let operation = if options.dry_run {
            Operation::DryRun
        } else {
            Operation::Apply
        };
        self.0.ask(operation, Some(&key), apply).await
    }

    async fn delete(&self, key: &ObjectKey, options: &DeleteOptions) -> Result<(), TargetError> {
        let delete = |_: &[GroupKind]| self.0.write(|server| server.delete(key, options));
        self.0.ask(Operation::Delete, Some(key), delete).await
    }

    async fn patch(
        &self,
        key: &ObjectKey,
        patch: &Value,
        options: &PatchOptions,
    ) -> Result<Object, TargetError> {
        let change = |_: &[GroupKind]| self.0.write(|server| server.patch(key, patch, options));
        self.0.ask(Operation::Apply, Some(key), change).await
    }
}
