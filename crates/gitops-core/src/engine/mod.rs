//! The engine: brings applications from their sources to their clusters and keeps them there.

mod discover;
mod finalize;
mod gate;
mod hold;
mod operate;
mod overrides;
mod predict;
mod record;
mod refresh;
mod render;
mod request;
mod requested;
mod resolve;
mod run;
mod told;
mod wellness;
mod work;
mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use gitops_health::TimelineOptions;
use gitops_manifest::{GroupKind, Map, Str};

use crate::application::{
    AppProject, Application, ApplicationDestination, ApplicationStatus, Condition, Operation,
    OperationState,
};
use crate::autosync::SelfHealBackoff;
use crate::compat::Compat;
use crate::diffing::Answers;
use crate::history::History;
use crate::live::LiveCache;
use crate::observer::Observers;
use crate::project::Cluster;
use crate::settings::{DiffSettings, GlobalProject, ResourceFilter, ResourceRule, with_global};
use crate::tracking::Tracking;
use crate::{
    ApplicationId, Clock, Event, EventKind, Execution, HistoryEntry, Observer, Renderer, Source,
    SourceRef, Store, StoreError, SystemClock, Target, TargetError,
};

pub use discover::{ClusterState, LiveView, REFRESH, Requests};
pub use gate::{DEPENDS_ON, SYNC_TIMEOUT};
pub use hold::Hold;
pub(crate) use overrides::is_override;
pub use record::{OperationRecord, SyncRequest};
pub use refresh::Refreshed;
pub use refresh::chain;
pub use resolve::SourceNews;
pub use wellness::PROGRESS_DEADLINE;

/// The address under which a cluster knows itself.
pub const LOCAL_SERVER: &str = "https://kubernetes.default.svc";

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

/// The kinds that are excluded by default: those that Argo CD excludes without being told, and those that its
/// settings exclude as they are delivered, where every cluster has them.
const EXCLUDED: [(&str, &str); 14] = [
    ("", "Endpoints"),
    ("", "Event"),
    ("", "Node"),
    ("authentication.k8s.io", "SelfSubjectReview"),
    ("authentication.k8s.io", "TokenReview"),
    ("authorization.k8s.io", "LocalSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "SubjectAccessReview"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("coordination.k8s.io", "Lease"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("events.k8s.io", "Event"),
    ("metrics.k8s.io", "PodMetrics"),
];

/// Returns what is left alone by default besides [`EXCLUDED`]: what operators make many of and change all the time. Argo CD's
/// settings leave it alone as they are delivered.
fn default_filter() -> ResourceFilter {
    let mut filter = ResourceFilter::default();
    let mut exclude = |groups: &[&'static str], kinds: &[&'static str]| {
        filter.exclusions.push(ResourceRule {
            groups: groups.iter().map(|group| Str::from_static(group)).collect(),
            kinds: kinds.iter().map(|kind| Str::from_static(kind)).collect(),
            ..ResourceRule::default()
        });
    };
    exclude(&["cert-manager.io"], &["CertificateRequest"]);
    exclude(
        &["cilium.io"],
        &["CiliumIdentity", "CiliumEndpoint", "CiliumEndpointSlice"],
    );
    exclude(
        &["kyverno.io", "reports.kyverno.io", "wgpolicyk8s.io"],
        &[
            "PolicyReport",
            "ClusterPolicyReport",
            "EphemeralReport",
            "ClusterEphemeralReport",
            "AdmissionReport",
            "ClusterAdmissionReport",
            "BackgroundScanReport",
            "ClusterBackgroundScanReport",
            "UpdateRequest",
        ],
    );
    filter
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
    /// Kinds that are neither read nor written, as other programs change them all the time and nobody deploys them.
    pub excluded_kinds: BTreeSet<GroupKind>,
    /// Further kinds that are neither read nor written, by pattern and cluster; or the only ones that are.
    pub resources: ResourceFilter,
    /// How objects are compared, besides what each application says.
    pub diffing: DiffSettings,
    /// Whether objects are compared by asking the server what applying would make of them (`controller.diff.server.side`
    /// of Argo CD). An application may say otherwise: `argocd.argoproj.io/compare-options: ServerSideDiff=false`, or `=true`.
    pub server_side_diff: bool,
    /// Rules of users that tell the health of objects, before all others.
    pub health_rules: Option<Arc<gitops_health::Rules>>,
    /// The projects whose rules hold for other projects too.
    pub global_projects: Vec<GlobalProject>,
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
    /// How many operations are kept of each application, with what they did, whether they succeeded or not.
    pub execution_limit: usize,
    /// The namespaces besides the control namespace in which applications may be: globs, or regular expressions between
    /// slashes. The project of an application must permit its namespace as well.
    pub application_namespaces: Vec<Str>,
    /// Whether objects are written in the name of the service accounts that projects name.
    pub impersonation: bool,
    /// Whether a sync that only waits is stopped when something newer comes that automated sync would take.
    pub newer_wins: bool,
    /// How the health of objects is judged over time: from when on no progress counts as degraded, how long a status must last
    /// before it counts, when an object flaps. By default what is seen counts at once, and progress has no end.
    pub health: TimelineOptions,
    /// How many sources are rendered at the same time.
    pub parallel_renders: usize,
    /// Which quirks of Argo CD are wanted.
    pub compat: Compat,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            manager: Str::from_static("argocd-controller"),
            tracking: Tracking::default(),
            control_namespace: Str::from_static("argocd"),
            excluded_kinds: EXCLUDED
                .iter()
                .map(|(group, kind)| GroupKind::new(*group, *kind))
                .collect(),
            resources: default_filter(),
            diffing: DiffSettings::default(),
            server_side_diff: false,
            health_rules: None,
            global_projects: Vec::new(),
            discover_applications: true,
            self_heal_backoff: SelfHealBackoff::default(),
            poll: Duration::from_secs(120),
            step: Duration::from_secs(1),
            sync_timeout: Duration::ZERO,
            history_limit: 10,
            execution_limit: 20,
            application_namespaces: Vec::new(),
            impersonation: true,
            newer_wins: true,
            health: {
                let mut health = TimelineOptions::default();
                health.hysteresis = Duration::ZERO;
                health
            },
            parallel_renders: 4,
            compat: Compat::default(),
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

    /// Adds a renderer that others hold as well.
    #[must_use]
    pub fn shared_renderer(mut self, renderer: Arc<dyn Renderer>) -> Self {
        self.renderers.push(renderer);
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
        let clusters = ClusterConnection::all(self.clusters, &self.options);
        Engine {
            source: self.source,
            history: History::new(Arc::clone(&self.store)),
            store: self.store,
            clock: self.clock,
            renderers: self.renderers.into(),
            clusters: RwLock::new(clusters),
            unconnected: RwLock::default(),
            observers: self.observers,
            renders: Arc::default(),
            rendering: tokio::sync::Semaphore::new(self.options.parallel_renders.max(1)),
            options: self.options,
            resolutions: resolve::Resolutions::default(),
            known: Mutex::default(),
            pending: Mutex::default(),
            bell: tokio::sync::Notify::new(),
            waiting: AtomicUsize::new(0),
            filter: RwLock::default(),
        }
    }
}

/// A cluster and what is known of it.
pub(crate) struct ClusterConnection {
    pub(crate) cluster: Cluster,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) live: LiveCache,
    /// How many kinds it serves, as far as is known.
    kinds: AtomicUsize,
    /// Its version, as far as is known.
    version: RwLock<Str>,
    /// The types of its custom resources, as far as comparing asked for them.
    types: Mutex<predict::Types>,
    /// Why it could not be watched the last time; empty where it could.
    trouble: RwLock<Str>,
    /// Whether it is not the engine's any more.
    removed: AtomicBool,
    /// Tells that it was removed.
    gone: tokio::sync::Notify,
}

/// What the engine knows of its applications between two calls.
#[derive(Default)]
struct Known {
    projects: BTreeMap<Str, Arc<AppProject>>,
    /// The clusters that belong to one project alone.
    registered: BTreeMap<Str, Arc<[Cluster]>>,
    applications: BTreeMap<ApplicationId, ApplicationState>,
    /// The applications by the names under which their objects are tracked.
    instances: HashMap<Str, ApplicationId>,
    /// The applications by what they ask sources for.
    sources: BTreeMap<SourceRef, BTreeSet<ApplicationId>>,
    /// The applications whose objects are gone: what is stored of them does not concern others of their names.
    gone: BTreeSet<ApplicationId>,
}

/// One application between two calls.
struct ApplicationState {
    /// What is wanted, without what was found and without an operation.
    application: Arc<Application>,
    /// Whether it came from the cluster, and goes with its object there.
    discovered: bool,
    /// What its object said when it was read.
    seen: Option<Map>,
    /// What it asks sources for.
    references: Vec<SourceRef>,
    /// The operation that its object asks for and that waits to be taken up.
    pending: Option<Operation>,
    /// The operation that its object asks for and that was taken up.
    taken: Option<Operation>,
    /// An operation that runs according to the status and that the store does not know: it was begun with another store.
    interrupted: Option<OperationState>,
    /// Whether the operation that runs is to stop.
    terminate: bool,
    /// Whether the sources are to be asked before anything else, and with `true` rendered anew.
    refresh: Option<bool>,
    /// Whether its object has the annotation that asks for that.
    refresh_seen: bool,
    refreshed: Option<Arc<Refreshed>>,
    /// What the server said that applying its objects makes of those that are there.
    answers: Arc<Answers>,
    /// How its objects were doing.
    timelines: wellness::Timelines,
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
    renderers: Arc<[Arc<dyn Renderer>]>,
    clusters: RwLock<Vec<Arc<ClusterConnection>>>,
    /// Clusters that there are and that nobody could connect to, with the reasons.
    unconnected: RwLock<Vec<(Cluster, String)>>,
    observers: Observers,
    options: EngineOptions,
    renders: Arc<render::RenderCache>,
    /// Lets a few render at the same time.
    rendering: tokio::sync::Semaphore,
    resolutions: resolve::Resolutions,
    known: Mutex<Known>,
    /// What has come up for the loop that runs.
    pending: Mutex<discover::Pending>,
    /// Wakes the loop that runs.
    bell: tokio::sync::Notify,
    /// How many applications wait for the loop that runs.
    waiting: AtomicUsize,
    filter: RwLock<Option<Arc<discover::Filter>>>,
}

impl Engine {
    /// Begins to put an engine together: of a source, the local cluster and a store.
    #[must_use]
    pub fn builder(
        source: impl Source + 'static,
        target: impl Target + 'static,
        store: impl Store + 'static,
    ) -> EngineBuilder {
        Self::builder_of(Arc::new(source), Arc::new(target), Arc::new(store))
    }

    /// Begins as [`builder`](Self::builder) does, with parts that others hold as well.
    #[must_use]
    pub fn builder_of(
        source: Arc<dyn Source>,
        target: Arc<dyn Target>,
        store: Arc<dyn Store>,
    ) -> EngineBuilder {
        let local = Cluster {
            server: LOCAL_SERVER.into(),
            name: "in-cluster".into(),
        };
        EngineBuilder {
            source,
            store,
            clock: Arc::new(SystemClock),
            renderers: Vec::new(),
            clusters: vec![(local, target)],
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

    /// Returns how many applications wait to be looked at while the engine [runs](Self::run).
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(std::sync::atomic::Ordering::Relaxed)
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

    /// Tells which clusters are registered for a project: where its `permitOnlyProjectScopedClusters` is set, it may deploy
    /// to them alone.
    pub fn set_project_clusters(&self, project: impl Into<Str>, clusters: Vec<Cluster>) {
        self.known()
            .registered
            .insert(project.into(), clusters.into());
    }

    fn registered(&self, project: &str) -> Arc<[Cluster]> {
        let known = self.known();
        known.registered.get(project).cloned().unwrap_or_default()
    }

    /// Returns the operations of an application that came to their end, the latest last: who asked for what, and what
    /// became of each object.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn executions_of(&self, id: &ApplicationId) -> Result<Vec<Execution>, EngineError> {
        Ok(self.history.executions(id).await?)
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

    /// Returns a project, with the rules of the global ones that hold for it.
    fn project(&self, name: &str) -> Option<Arc<AppProject>> {
        let known = self.known();
        let own = match known.projects.get(name) {
            Some(project) => Arc::clone(project),
            // As in Argo CD the default project is there and allows everything, unless somebody made another.
            None if name == "default" => Arc::new(AppProject::allow_all()),
            None => return None,
        };
        let mut merged: Option<AppProject> = None;
        for global in &self.options.global_projects {
            if *global.name != *name
                && global.holds_for(&own)
                && let Some(rules) = known.projects.get(&global.name)
            {
                merged = Some(with_global(merged.as_ref().unwrap_or(&own), &rules.spec));
            }
        }
        Some(merged.map_or(own, Arc::new))
    }

    /// Returns what the health of an object depends on.
    fn health(&self) -> gitops_health::Context<'_> {
        let context = gitops_health::Context::new();
        match &self.options.health_rules {
            Some(rules) => context.with_rules(rules),
            None => context,
        }
    }

    fn connection(
        &self,
        destination: &ApplicationDestination,
    ) -> Result<Arc<ClusterConnection>, String> {
        let ApplicationDestination { server, name, .. } = destination;
        let clusters = self.clusters();
        let found = match (server.is_empty(), name.is_empty()) {
            (true, true) => return Err("destination has neither a server nor a name".to_owned()),
            (false, false) => {
                return Err(format!(
                    "destination has both a server ({server}) and a name ({name}); give one of them"
                ));
            }
            (false, true) => clusters.iter().find(|c| *c.cluster.server == **server),
            (true, false) => clusters.iter().find(|c| *c.cluster.name == **name),
        };
        found.cloned().ok_or_else(|| {
            let unconnected = self.unconnected.read();
            let unconnected = unconnected.unwrap_or_else(PoisonError::into_inner);
            let meant = |cluster: &Cluster| match &**server {
                "" => *cluster.name == **name,
                server => *cluster.server == *server,
            };
            if let Some((cluster, reason)) = unconnected.iter().find(|(cluster, _)| meant(cluster))
            {
                return format!(
                    "cluster {} ({}) cannot be connected to: {reason}",
                    cluster.name, cluster.server
                );
            }
            let (wanted, what) = match &**server {
                "" => (name, "with the name"),
                _ => (server, "at"),
            };
            let known: Vec<String> = clusters
                .iter()
                .map(|c| format!("{} ({})", c.cluster.name, c.cluster.server))
                .collect();
            format!(
                "there is no cluster {what} {wanted:?}; known are {}",
                known.join(", ")
            )
        })
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
