//! The engine: brings applications from their sources to their clusters and keeps them there.

mod finalize;
mod hold;
mod operate;
mod record;
mod refresh;
mod render;
mod request;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use futures::stream::{self, StreamExt};
use gitops_manifest::{GroupKind, Object, Str};

use crate::application::{
    AppProject, Application, ApplicationDestination, ApplicationStatus, Condition, OperationState,
};
use crate::autosync::SelfHealBackoff;
use crate::history::History;
use crate::live::LiveCache;
use crate::observer::Observers;
use crate::project::Cluster;
use crate::tracking::Tracking;
use crate::{
    ApplicationId, Clock, Event, EventKind, HistoryEntry, Observer, Renderer, Scope, Source, Store,
    StoreError, SystemClock, Target, TargetError,
};

pub use hold::Hold;
pub use record::{OperationRecord, SyncRequest};
pub use refresh::Refreshed;
pub use refresh::chain;

/// The address under which a cluster knows itself.
pub const LOCAL_SERVER: &str = "https://kubernetes.default.svc";

/// How many applications are worked on at the same time.
const CONCURRENCY: usize = 32;

/// Why the engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// There is no such application.
    #[error("application {application} does not exist")]
    NoSuchApplication {
        /// The application.
        application: ApplicationId,
    },
    /// The application cannot be synced: why not is in its conditions.
    #[error("application {application} cannot be synced: {reason}")]
    NotReady {
        /// The application.
        application: ApplicationId,
        /// What stands in the way.
        reason: String,
    },
    /// The application has no such entry in its history.
    #[error("application {application} has no history entry {id}{}", entry_list(.known))]
    NoSuchEntry {
        /// The application.
        application: ApplicationId,
        /// The number that was asked for.
        id: i64,
        /// The numbers that there are.
        known: Vec<i64>,
    },
    /// The application has no earlier revision that was healthy.
    #[error("application {application} has no earlier revision that was healthy to go back to")]
    NothingToRollBackTo {
        /// The application.
        application: ApplicationId,
    },
    /// Another operation runs.
    #[error("another operation on application {application} is in progress")]
    Busy {
        /// The application.
        application: ApplicationId,
    },
    /// A plan does not fit live state any more.
    #[error("the plan for {application} does not fit what is there any more:\n{}", .differences.join("\n"))]
    PlanOutdated {
        /// The application.
        application: ApplicationId,
        /// What is different from what the plan was made for, one line each.
        differences: Vec<String>,
    },
    /// The cluster failed.
    #[error("the cluster cannot be used")]
    Target {
        /// What went wrong.
        #[from]
        source: TargetError,
    },
    /// The store failed.
    #[error("the state cannot be kept")]
    Store {
        /// What went wrong.
        #[from]
        source: StoreError,
    },
}

fn entry_list(ids: &[i64]) -> String {
    if ids.is_empty() {
        "; its history is empty".to_owned()
    } else {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        format!("; there are {}", ids.join(", "))
    }
}

/// The settings of an engine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineOptions {
    /// The field manager in whose name objects are written.
    pub manager: Str,
    /// How objects are tracked.
    pub tracking: Tracking,
    /// The namespace in which applications and projects are. Applications in it are tracked by name alone.
    pub control_namespace: Str,
    /// Whether `Application` and `AppProject` objects of the cluster are taken over, so that applications can
    /// bring applications.
    pub discover_applications: bool,
    /// How self-heal waits between tries.
    pub self_heal_backoff: SelfHealBackoff,
    /// How often sources are asked for news while nothing else happens.
    pub poll: Duration,
    /// How long a sync waits between two looks at what it waits for, where nothing is heard of it earlier.
    pub step: Duration,
    /// How long a sync may take before it is stopped; zero for no limit.
    pub sync_timeout: Duration,
    /// How many entries of history are kept, where an application does not say.
    pub history_limit: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            manager: Str::from_static("argocd-controller"),
            tracking: Tracking::default(),
            control_namespace: Str::from_static("argocd"),
            discover_applications: true,
            self_heal_backoff: SelfHealBackoff::default(),
            poll: Duration::from_secs(120),
            step: Duration::from_secs(1),
            sync_timeout: Duration::ZERO,
            history_limit: 10,
        }
    }
}

/// Puts an engine together.
pub struct EngineBuilder {
    source: Arc<dyn Source>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    renderers: Vec<Arc<dyn Renderer>>,
    clusters: Vec<(Cluster, Arc<dyn Target>)>,
    observers: Observers,
    options: EngineOptions,
}

impl EngineBuilder {
    /// Adds a renderer. The first that takes a path renders it; plain manifests are read where none does.
    #[must_use]
    pub fn renderer(mut self, renderer: impl Renderer + 'static) -> Self {
        self.renderers.push(Arc::new(renderer));
        self
    }

    /// Adds an observer.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.0.push(Arc::new(observer));
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Adds a cluster, besides the local one.
    #[must_use]
    pub fn cluster(mut self, cluster: Cluster, target: Arc<dyn Target>) -> Self {
        self.clusters.push((cluster, target));
        self
    }

    /// Sets the options.
    #[must_use]
    pub fn options(mut self, options: EngineOptions) -> Self {
        self.options = options;
        self
    }

    /// Makes the engine. Nothing is read or written before it is asked to do something.
    #[must_use]
    pub fn build(mut self) -> Engine {
        self.renderers.push(Arc::new(crate::DirectoryRenderer));
        let clusters = self
            .clusters
            .into_iter()
            .map(|(cluster, target)| {
                let cache = LiveCache::new(
                    Arc::clone(&target),
                    Scope::all(),
                    self.options.tracking.clone(),
                );
                Arc::new(ClusterConnection {
                    cluster,
                    target,
                    live: cache,
                })
            })
            .collect();
        Engine {
            source: self.source,
            history: History::new(Arc::clone(&self.store)),
            store: self.store,
            clock: self.clock,
            renderers: self.renderers,
            clusters,
            observers: self.observers,
            options: self.options,
            renders: render::RenderCache::default(),
            known: Mutex::default(),
        }
    }
}

/// A cluster and what is known of it.
pub(crate) struct ClusterConnection {
    pub(crate) cluster: Cluster,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) live: LiveCache,
}

/// What the engine knows of its applications between two calls.
#[derive(Default)]
struct Known {
    projects: BTreeMap<Str, Arc<AppProject>>,
    applications: BTreeMap<ApplicationId, ApplicationState>,
}

/// One application between two calls.
struct ApplicationState {
    application: Arc<Application>,
    /// Whether it came from the cluster, and goes with its object there.
    discovered: bool,
    refreshed: Option<Arc<Refreshed>>,
    status: ApplicationStatus,
    /// The operation that runs, or ran last, once it was read from the store.
    operation: Option<OperationRecord>,
    loaded: bool,
    hold: Option<Hold>,
    /// The history entry whose health was noted last.
    noted: Option<i64>,
    /// One at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// When an application should be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Next {
    /// After this time, or when live state changes.
    After(Duration),
    /// When live state or the source changes.
    Idle,
}

/// The engine.
///
/// It is a set of functions over what it is given: a source, renderers, clusters, a store, a clock. Between two
/// calls it keeps in memory only what it could work out again; what it must not forget is in the store.
pub struct Engine {
    source: Arc<dyn Source>,
    store: Arc<dyn Store>,
    history: History,
    clock: Arc<dyn Clock>,
    renderers: Vec<Arc<dyn Renderer>>,
    clusters: Vec<Arc<ClusterConnection>>,
    observers: Observers,
    options: EngineOptions,
    renders: render::RenderCache,
    known: Mutex<Known>,
}

impl Engine {
    /// Begins to put an engine together: of a source, the local cluster and a store.
    #[must_use]
    pub fn builder(
        source: impl Source + 'static,
        target: impl Target + 'static,
        store: impl Store + 'static,
    ) -> EngineBuilder {
        let local = Cluster {
            server: LOCAL_SERVER.into(),
            name: "in-cluster".into(),
        };
        EngineBuilder {
            source: Arc::new(source),
            store: Arc::new(store),
            clock: Arc::new(SystemClock),
            renderers: Vec::new(),
            clusters: vec![(local, Arc::new(target))],
            observers: Observers::default(),
            options: EngineOptions::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the options.
    #[must_use]
    pub const fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Returns the history of all applications.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// Returns the clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn emit(&self, application: &ApplicationId, kind: EventKind) {
        if self.observers.0.is_empty() {
            return;
        }
        let event = Event {
            at: self.clock.now(),
            application: application.clone(),
            kind,
        };
        self.observers.observe(&event);
    }

    /// Takes an application over, or its new state.
    pub fn set_application(&self, application: Application) -> ApplicationId {
        let id = self.id_of(&application);
        self.put_application(id.clone(), application, false);
        id
    }

    fn id_of(&self, application: &Application) -> ApplicationId {
        let namespace = if application.namespace().is_empty() {
            self.options.control_namespace.clone()
        } else {
            application.namespace().into()
        };
        ApplicationId::new(namespace, application.name())
    }

    fn put_application(&self, id: ApplicationId, application: Application, discovered: bool) {
        let mut known = self.known();
        match known.applications.get_mut(&id) {
            Some(state) => {
                if *state.application != application {
                    state.application = Arc::new(application);
                }
            }
            None => {
                let state = ApplicationState {
                    status: application.status.clone(),
                    application: Arc::new(application),
                    discovered,
                    refreshed: None,
                    operation: None,
                    loaded: false,
                    hold: None,
                    noted: None,
                    turn: Arc::default(),
                };
                known.applications.insert(id, state);
            }
        }
    }

    /// Lets go of an application. Its objects stay as they are.
    pub fn remove_application(&self, id: &ApplicationId) {
        self.known().applications.remove(id);
    }

    /// Takes a project over, or its new state.
    pub fn set_project(&self, project: AppProject) {
        self.known()
            .projects
            .insert(project.name().into(), Arc::new(project));
    }

    /// Returns the applications, in order of namespace and name.
    #[must_use]
    pub fn applications(&self) -> Vec<ApplicationId> {
        self.known().applications.keys().cloned().collect()
    }

    /// Returns an application as it was taken over.
    #[must_use]
    pub fn application(&self, id: &ApplicationId) -> Option<Arc<Application>> {
        Some(Arc::clone(&self.known().applications.get(id)?.application))
    }

    /// Returns what was last found of an application, as `argoproj.io/v1alpha1` has it.
    #[must_use]
    pub fn status(&self, id: &ApplicationId) -> Option<ApplicationStatus> {
        Some(self.known().applications.get(id)?.status.clone())
    }

    /// Returns the last comparison of an application.
    #[must_use]
    pub fn refreshed(&self, id: &ApplicationId) -> Option<Arc<Refreshed>> {
        self.known().applications.get(id)?.refreshed.clone()
    }

    /// Returns the name under which an application's objects are tracked.
    #[must_use]
    pub fn instance(&self, id: &ApplicationId) -> Str {
        if id.namespace == self.options.control_namespace {
            id.name.clone()
        } else {
            format!("{}_{}", id.namespace, id.name).into()
        }
    }

    fn project(&self, name: &str) -> Option<Arc<AppProject>> {
        let known = self.known();
        match known.projects.get(name) {
            Some(project) => Some(Arc::clone(project)),
            // As in Argo CD the default project is there and allows everything, unless somebody made another.
            None if name == "default" => Some(Arc::new(AppProject::allow_all())),
            None => None,
        }
    }

    fn connection(
        &self,
        destination: &ApplicationDestination,
    ) -> Result<Arc<ClusterConnection>, String> {
        let ApplicationDestination { server, name, .. } = destination;
        let found = match (server.is_empty(), name.is_empty()) {
            (true, true) => return Err("destination has neither a server nor a name".to_owned()),
            (false, false) => {
                return Err(format!(
                    "destination has both a server ({server}) and a name ({name}); give one of them"
                ));
            }
            (false, true) => self.clusters.iter().find(|c| *c.cluster.server == **server),
            (true, false) => self.clusters.iter().find(|c| *c.cluster.name == **name),
        };
        found.cloned().ok_or_else(|| {
            let known: Vec<&str> = self.clusters.iter().map(|c| &*c.cluster.server).collect();
            let wanted = if server.is_empty() { name } else { server };
            format!(
                "there is no cluster {wanted:?}; known are {}",
                known.join(", ")
            )
        })
    }

    /// Takes over the changes of live state, and the applications and projects that are objects of the cluster.
    ///
    /// # Errors
    /// Where the local cluster cannot be listed or watched.
    pub async fn update(&self) -> Result<(), EngineError> {
        for (i, connection) in self.clusters.iter().enumerate() {
            match connection.live.update().await {
                Ok(()) => {}
                // Another cluster that cannot be reached concerns its own applications alone.
                Err(_) if i > 0 => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.options.discover_applications {
            self.discover_applications();
        }
        Ok(())
    }

    fn discover_applications(&self) {
        let Some(local) = self.clusters.first() else {
            return;
        };
        let objects = |kind| -> Vec<Object> {
            let state = local.live.state();
            let kind = GroupKind::new("argoproj.io", kind);
            state
                .of_kind(&kind)
                .into_iter()
                .filter(|object| object.namespace() == &*self.options.control_namespace)
                .cloned()
                .collect()
        };
        for object in objects("AppProject") {
            match AppProject::from_object(&object) {
                Ok(project) => self.set_project(project),
                Err(error) => self.complain(&object, error.to_string()),
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        for object in objects("Application") {
            match Application::from_object(&object) {
                Ok(application) => {
                    let id = self.id_of(&application);
                    seen.insert(id.clone());
                    self.put_application(id, application, true);
                }
                Err(error) => self.complain(&object, error.to_string()),
            }
        }
        self.known()
            .applications
            .retain(|id, state| !state.discovered || seen.contains(id));
    }

    fn complain(&self, object: &Object, message: String) {
        let id = ApplicationId::new(object.namespace(), object.name());
        self.emit(
            &id,
            EventKind::ConditionRaised {
                condition: "InvalidSpecError".into(),
                message,
            },
        );
    }

    /// Looks at every application once, each as far as it gets without waiting.
    ///
    /// # Errors
    /// Where the local cluster or the store fails; what concerns one application alone is in its conditions.
    pub async fn reconcile_all(&self) -> Result<Next, EngineError> {
        self.update().await?;
        let ids = self.applications();
        let outcomes: Vec<Result<Next, EngineError>> =
            stream::iter(ids.iter().map(|id| self.reconcile(id)))
                .buffer_unordered(CONCURRENCY)
                .collect()
                .await;
        let mut next = Next::Idle;
        for outcome in outcomes {
            match outcome {
                Ok(one) => next = next.min(one),
                Err(EngineError::NoSuchApplication { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // What was written may concern others: applications that bring applications.
        self.update().await?;
        if self.applications() != ids {
            next = Next::After(Duration::ZERO);
        }
        Ok(next)
    }

    /// Goes on until there is nothing left to do, or `limit` has passed. Returns whether it came to rest.
    ///
    /// # Errors
    /// As [`reconcile_all`](Self::reconcile_all).
    pub async fn settle(&self, limit: Duration) -> Result<bool, EngineError> {
        let begin = self.clock.now();
        loop {
            let next = self.reconcile_all().await?;
            let all_done = next == Next::Idle && !self.is_progressing();
            if all_done {
                return Ok(true);
            }
            if self.clock.now().since(begin) >= limit {
                return Ok(false);
            }
            match next {
                Next::After(duration) => self.wait(duration).await,
                Next::Idle => self.wait(self.options.step).await,
            }
        }
    }

    /// Whether any application is on its way: its health may change without anybody doing anything.
    fn is_progressing(&self) -> bool {
        self.known().applications.values().any(|state| {
            let health = &state.status.health.status;
            health == "Progressing" || (health == "Missing" && !state.status.resources.is_empty())
        })
    }

    /// Runs until `stop` is done.
    ///
    /// # Errors
    /// Where the store fails. A cluster that fails is tried again.
    pub async fn run<F: Future<Output = ()> + Send>(&self, stop: F) -> Result<(), EngineError> {
        let mut stop = std::pin::pin!(stop);
        let mut failures = 0_u32;
        loop {
            let pass = std::pin::pin!(self.reconcile_all());
            let next = match select(pass, stop.as_mut()).await {
                Either::Left((Ok(next), _)) => {
                    failures = 0;
                    next
                }
                Either::Left((Err(EngineError::Target { source }), _)) => {
                    tracing::warn!(error = %source, "the cluster failed; trying again");
                    failures = failures.saturating_add(1);
                    Next::After(Duration::from_secs(1 << failures.min(6)))
                }
                Either::Left((Err(error), _)) => return Err(error),
                Either::Right(_) => return Ok(()),
            };
            let duration = match next {
                Next::After(duration) => duration,
                Next::Idle => self.options.poll,
            };
            let wait = std::pin::pin!(self.wait(duration));
            if let Either::Right(_) = select(wait, stop.as_mut()).await {
                return Ok(());
            }
        }
    }

    /// Waits until a duration has passed or the local cluster changes.
    async fn wait(&self, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        let Some(local) = self.clusters.first() else {
            return;
        };
        let sleep = self.clock.sleep(duration);
        let changed = std::pin::pin!(local.live.changed());
        if let Either::Right((Err(_), sleep)) = select(sleep, changed).await {
            // A cluster that cannot be watched must not make a busy loop.
            sleep.await;
        }
    }

    fn conditions_of(&self, id: &ApplicationId) -> Vec<Condition> {
        self.known()
            .applications
            .get(id)
            .map(|s| s.status.conditions.clone())
            .unwrap_or_default()
    }

    /// Takes over new conditions: keeps the time of those that stay, and tells of those that come and go.
    fn set_conditions(&self, id: &ApplicationId, conditions: Vec<(&'static str, String)>) {
        let old = self.conditions_of(id);
        let now = self.clock.now().to_second();
        let mut new: Vec<Condition> = Vec::with_capacity(conditions.len());
        for (kind, message) in conditions {
            let known = old.iter().find(|c| c.kind == kind && c.message == message);
            if known.is_none() {
                self.emit(
                    id,
                    EventKind::ConditionRaised {
                        condition: kind.into(),
                        message: message.clone(),
                    },
                );
            }
            let since = known.map_or(Some(now), |known| known.last_transition_time);
            new.push(Condition {
                kind: kind.into(),
                message,
                last_transition_time: since,
            });
        }
        for gone in old
            .iter()
            .filter(|old| !new.iter().any(|new| new.kind == old.kind))
        {
            self.emit(
                id,
                EventKind::ConditionCleared {
                    condition: gone.kind.clone(),
                },
            );
        }
        if let Some(state) = self.known().applications.get_mut(id) {
            state.status.conditions = new;
        }
    }

    /// Returns the operation that runs, or ran last.
    #[must_use]
    pub fn operation_state(&self, id: &ApplicationId) -> Option<OperationState> {
        self.known()
            .applications
            .get(id)?
            .status
            .operation_state
            .clone()
    }

    /// Returns the syncs of an application that succeeded, the latest last.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn history_of(&self, id: &ApplicationId) -> Result<Vec<HistoryEntry>, EngineError> {
        Ok(self.history.entries(id).await?)
    }
}
