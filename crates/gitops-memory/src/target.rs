//! A cluster in memory.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::future::{Either, select};
use futures::stream::{self, BoxStream};
use gitops_core::{
    Applied, ApplyOptions, Clock, DeleteOptions, Discovery, Scope, Snapshot, Target, TargetError,
    Timestamp, WatchEvent,
};
use gitops_manifest::{GroupVersionKind, Object, ObjectKey};
use tokio::sync::Notify;

use crate::server::{DEFAULT_HISTORY, Server, Watched};
use crate::{SimClock, Simulation};

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
/// Clones are handles of one cluster; [`fork`](Self::fork) copies it.
#[derive(Clone)]
pub struct MemoryTarget(Arc<Shared>);

struct Shared {
    server: Mutex<Server>,
    clock: Arc<dyn Clock>,
    /// Wakes the watches after a change.
    changed: Notify,
    /// Counts how often all watches were broken.
    epoch: AtomicU64,
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
        Self::of(server, clock)
    }

    fn of(server: Server, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            server: Mutex::new(server),
            clock,
            changed: Notify::new(),
            epoch: AtomicU64::new(0),
        }))
    }

    /// Returns an independent cluster in the same state.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::of(self.0.now().clone(), Arc::clone(&self.0.clock))
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
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if server.catch_up(now) {
            self.changed.notify_waiters();
        }
        server
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
                match select(std::pin::pin!(changed), time).await {
                    Either::Left(_) | Either::Right(_) => {}
                }
            }
        }
    }
}

/// A watch in flight.
struct Watch {
    shared: Arc<Shared>,
    scope: Scope,
    version: u64,
    epoch: u64,
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
            if shared.epoch.load(Ordering::SeqCst) != self.epoch {
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
        Ok(Arc::clone(self.0.now().discovery()))
    }

    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot, TargetError> {
        Ok(self.0.now().snapshot(scope))
    }

    async fn watch(
        &self,
        scope: &Scope,
        version: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent, TargetError>>, TargetError> {
        let version: u64 = version.parse().map_err(|_| expired(version))?;
        if let Watched::Expired = self.0.now().changes(scope, version, 1) {
            return Err(expired(&version));
        }
        let watch = Watch {
            shared: Arc::clone(&self.0),
            scope: scope.clone(),
            version,
            epoch: self.0.epoch.load(Ordering::SeqCst),
            ended: false,
        };
        Ok(stream::unfold(watch, Watch::next)
            .flat_map(stream::iter)
            .boxed())
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, TargetError> {
        let server = self.0.now();
        if !server.known(&key.group_kind()) {
            return Err(TargetError::UnknownKind {
                gvk: GroupVersionKind::new(&key.group, "", &key.kind),
            });
        }
        Ok(server.get(key).cloned())
    }

    async fn apply(&self, object: &Object, options: &ApplyOptions) -> Result<Applied, TargetError> {
        self.0.write(|server| server.apply(object, options))
    }

    async fn delete(&self, key: &ObjectKey, options: &DeleteOptions) -> Result<(), TargetError> {
        self.0.write(|server| server.delete(key, options))
    }
}
