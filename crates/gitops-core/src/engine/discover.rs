//! What the engine knows of: applications and projects, those it is given and those that are objects of the
//! local cluster; and the clusters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use gitops_manifest::{GroupKind, Map, Object, ObjectKey, Str, Value};

use super::resolve::{SourceNews, references};
use super::{ApplicationState, ClusterConnection, Engine, EngineError};
use crate::application::{
    AppProject, Application, ApplicationDestination, ApplicationStatus, Operation,
};
use crate::live::LiveCache;
use crate::project::{Cluster, lists_namespace};
use crate::{ApplicationId, EventKind, Scope, SourceRef, Target};

/// The annotation that asks for a look at an application: `normal`, or `hard` to render it anew as well.
pub const REFRESH: &str = "argocd.argoproj.io/refresh";

/// In which annotation kubectl keeps what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Which applications are this engine's, of those that there are.
pub(super) type Filter = dyn Fn(&ApplicationId) -> bool + Send + Sync;

/// What has come up for the loop that runs.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) applications: BTreeSet<ApplicationId>,
    pub(super) sources: Vec<SourceNews>,
    /// Whether there are other clusters than before.
    pub(super) clusters: bool,
}

/// What the object of an application asks for besides what its spec wants.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Requests {
    /// The operation of its `operation` field, where it was taken up and has come to its end: the field can go.
    pub finished: Option<Operation>,
    /// Whether the look that its annotation asks for was taken: the annotation can go.
    pub refreshed: bool,
}

/// What is known of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterState {
    /// How many of its objects are known.
    pub objects: usize,
    /// How many kinds it serves.
    pub kinds: usize,
    /// How many changes of objects of each kind its watch has told of.
    pub changes: BTreeMap<GroupKind, u64>,
    /// Whether it is watched.
    pub watched: bool,
    /// Its version, as `v1.36.0`; empty where nothing was rendered for it yet, or it has none to tell.
    pub version: Str,
}

impl ClusterConnection {
    /// Takes note of the version that the cluster told.
    pub(super) fn note_version(&self, version: &Str) {
        let mut known = self.version.write().unwrap_or_else(PoisonError::into_inner);
        if *known != *version {
            known.clone_from(version);
        }
    }

    /// Takes note of why the cluster cannot be watched. Returns whether that is news.
    pub(super) fn note_trouble(&self, reason: &str) -> bool {
        let mut known = self.trouble.write().unwrap_or_else(PoisonError::into_inner);
        let new = *known != *reason;
        if new {
            *known = reason.into();
        }
        new
    }

    /// Tells why what is in the cluster is not known.
    pub(super) fn unknown(&self) -> String {
        let server = &self.cluster.server;
        let trouble = self.trouble.read();
        match &**trouble.unwrap_or_else(PoisonError::into_inner) {
            "" => format!("what is in cluster {server} is not known yet"),
            reason => format!("what is in cluster {server} is not known: {reason}"),
        }
    }

    fn new(cluster: Cluster, target: Arc<dyn Target>, engine: &super::EngineOptions) -> Self {
        let scope = Scope::all().without_kinds(engine.excluded_kinds.iter().cloned());
        let (rules, server) = (engine.resources.clone(), cluster.server.clone());
        let live = LiveCache::new(Arc::clone(&target), scope, engine.tracking.clone()).without(
            move |kind| {
                // Applications and projects are what the engine lives on.
                let ours = *kind.group == *"argoproj.io"
                    && matches!(&*kind.kind, "Application" | "AppProject");
                !ours && rules.excludes(&kind.group, &kind.kind, &server)
            },
        );
        Self {
            cluster,
            target,
            live,
            kinds: AtomicUsize::new(0),
            version: RwLock::default(),
            types: Default::default(),
            trouble: RwLock::default(),
            removed: AtomicBool::new(false),
            gone: tokio::sync::Notify::new(),
        }
    }

    /// Makes the connections of an engine; applications and projects come from the first.
    pub(super) fn all(
        clusters: Vec<(Cluster, Arc<dyn Target>)>,
        options: &super::EngineOptions,
    ) -> Vec<Arc<Self>> {
        let connect = |(cluster, target)| Arc::new(Self::new(cluster, target, options));
        let connections: Vec<Arc<Self>> = clusters.into_iter().map(connect).collect();
        if let Some(local) = connections
            .first()
            .filter(|_| options.discover_applications)
        {
            let kind = |kind| GroupKind::new("argoproj.io", kind);
            local
                .live
                .state()
                .note_kinds([kind("AppProject"), kind("Application")]);
        }
        connections
    }
}

impl Engine {
    pub(super) fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Has an application looked at soon.
    pub fn touch(&self, id: &ApplicationId) {
        self.pending().applications.insert(id.clone());
        self.bell.notify_one();
    }

    /// Tells that a repository has changed, as a webhook does: the applications on it are looked at as soon as the
    /// repository has said what it points at now.
    pub fn notify(&self, news: SourceNews) {
        self.pending().sources.push(news);
        self.bell.notify_one();
    }

    /// Asks the sources of an application again, and has it looked at soon; with `hard` it is rendered anew though
    /// nothing may have changed.
    pub fn request_refresh(&self, id: &ApplicationId, hard: bool) {
        if let Some(state) = self.known().applications.get_mut(id) {
            state.refresh = Some(hard || state.refresh == Some(true));
        }
        self.touch(id);
    }

    /// Returns what has become of what an application's object asked for.
    #[must_use]
    pub fn requests(&self, id: &ApplicationId) -> Requests {
        let known = self.known();
        let Some(state) = known.applications.get(id) else {
            return Requests::default();
        };
        let running = state
            .operation
            .as_ref()
            .filter(|record| !record.phase.is_completed());
        let finished = state
            .taken
            .clone()
            .filter(|taken| running.is_none_or(|record| record.operation != *taken));
        Requests {
            finished,
            refreshed: state.refresh_seen && state.refresh.is_none(),
        }
    }

    /// Sets which applications are this engine's, of those that are objects of the cluster. The others are let go of
    /// and left as they are.
    pub fn set_filter(&self, owns: impl Fn(&ApplicationId) -> bool + Send + Sync + 'static) {
        *self
            .filter
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::new(owns));
        if let Some(local) = self.local() {
            local.live.state().renew();
        }
        self.bell.notify_one();
    }

    fn owns(&self, id: &ApplicationId) -> bool {
        let filter = self
            .filter
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        filter.is_none_or(|owns| owns(id))
    }

    /// Returns the clusters, the local one first.
    pub(super) fn clusters(&self) -> Vec<Arc<ClusterConnection>> {
        self.clusters
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Returns the cluster that applications and projects come from.
    pub(super) fn local(&self) -> Option<Arc<ClusterConnection>> {
        self.clusters
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .first()
            .cloned()
    }

    /// Returns the live state of the cluster that applications and projects come from.
    #[must_use]
    pub fn live(&self) -> Option<LiveView> {
        self.local().map(LiveView)
    }

    /// Returns the clusters.
    #[must_use]
    pub fn cluster_list(&self) -> Vec<Cluster> {
        let clusters = self.clusters();
        clusters.iter().map(|c| c.cluster.clone()).collect()
    }

    /// Returns what is known of a cluster.
    #[must_use]
    pub fn cluster_state(&self, server: &str) -> Option<ClusterState> {
        let clusters = self.clusters();
        let connection = clusters.iter().find(|c| *c.cluster.server == *server)?;
        let version = connection.version.read();
        let (objects, changes) = {
            let live = connection.live.state();
            (live.len(), live.changes().clone())
        };
        Some(ClusterState {
            objects,
            changes,
            kinds: connection.kinds.load(Ordering::Relaxed),
            watched: connection.live.is_watched(),
            version: version.unwrap_or_else(PoisonError::into_inner).clone(),
        })
    }

    /// Adds a cluster, or takes over the new access to one that is known by the same address. The local cluster stays
    /// what it is.
    pub fn add_cluster(&self, cluster: Cluster, target: Arc<dyn Target>) {
        let connection = Arc::new(ClusterConnection::new(cluster, target, &self.options));
        {
            let mut clusters = self
                .clusters
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let same = |c: &Arc<ClusterConnection>| c.cluster.server == connection.cluster.server;
            match clusters.iter().position(same) {
                Some(0) => return,
                Some(at) => std::mem::replace(&mut clusters[at], Arc::clone(&connection)).close(),
                None => clusters.push(Arc::clone(&connection)),
            }
        }
        self.forget_unconnected(&connection.cluster.server);
        self.clusters_changed(&connection.cluster);
    }

    /// Notes that a cluster cannot be connected to, for the applications that are to be there. One that is connected
    /// already stays.
    pub fn note_unconnected(&self, cluster: &Cluster, reason: impl Into<String>) {
        let is_it = |known: &Cluster| known.server == cluster.server;
        if self.clusters().iter().any(|c| is_it(&c.cluster)) {
            return;
        }
        let noted = (cluster.clone(), reason.into());
        {
            let unconnected = self.unconnected.write();
            let mut unconnected = unconnected.unwrap_or_else(PoisonError::into_inner);
            if unconnected.contains(&noted) {
                return;
            }
            unconnected.retain(|(known, _)| !is_it(known));
            unconnected.push(noted);
        }
        self.touch_destination(cluster);
        self.bell.notify_one();
    }

    fn forget_unconnected(&self, server: &str) {
        let unconnected = self.unconnected.write();
        let mut unconnected = unconnected.unwrap_or_else(PoisonError::into_inner);
        unconnected.retain(|(known, _)| *known.server != *server);
    }

    /// Lets go of a cluster. What is there stays as it is.
    pub fn remove_cluster(&self, server: &str) {
        self.forget_unconnected(server);
        let removed = {
            let mut clusters = self
                .clusters
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            match clusters
                .iter()
                .skip(1)
                .position(|c| *c.cluster.server == *server)
            {
                Some(at) => clusters.remove(at + 1),
                None => return,
            }
        };
        removed.close();
        self.clusters_changed(&removed.cluster);
    }

    fn clusters_changed(&self, cluster: &Cluster) {
        self.pending().clusters = true;
        self.touch_destination(cluster);
        self.bell.notify_one();
    }

    /// Has all applications of a destination looked at.
    pub(super) fn touch_destination(&self, cluster: &Cluster) {
        let ids: Vec<ApplicationId> = {
            let known = self.known();
            let there = |destination: &ApplicationDestination| {
                *destination.server == *cluster.server
                    || !destination.name.is_empty() && *destination.name == *cluster.name
            };
            known
                .applications
                .iter()
                .filter(|(_, state)| there(&state.application.spec.destination))
                .map(|(id, _)| id.clone())
                .collect()
        };
        self.pending().applications.extend(ids);
    }

    /// Takes over what the watches have brought: which applications are concerned, which are new, changed or gone.
    pub(super) fn absorb(&self) {
        let mut instances: BTreeSet<Str> = BTreeSet::new();
        for (i, connection) in self.clusters().iter().enumerate() {
            let news = connection.live.state().take_news();
            instances.extend(news.applications);
            if i == 0 && self.options.discover_applications {
                for key in &news.objects {
                    self.discover(connection, key);
                }
            }
        }
        if instances.is_empty() {
            return;
        }
        let ids: Vec<ApplicationId> = {
            let known = self.known();
            instances
                .iter()
                .filter_map(|instance| known.instances.get(instance).cloned())
                .collect()
        };
        self.pending().applications.extend(ids);
    }

    fn discover(&self, local: &ClusterConnection, key: &ObjectKey) {
        let object = local.live.state().get(key).cloned();
        match (&*key.kind, object) {
            ("AppProject", _) if key.namespace != self.options.control_namespace => {}
            ("AppProject", Some(object)) => match AppProject::from_object(&object) {
                Ok(project) => self.set_project(project),
                Err(error) => self.complain(&object, error.to_string()),
            },
            ("AppProject", None) => self.remove_project(&key.name),
            (_, object) => {
                let id = ApplicationId::new(key.namespace.clone(), key.name.clone());
                match object {
                    Some(object) if self.looks_into(&key.namespace) && self.owns(&id) => {
                        self.put_object(&id, &object);
                    }
                    gone => {
                        let discovered = self
                            .known()
                            .applications
                            .get(&id)
                            .is_some_and(|state| state.discovered);
                        if discovered {
                            self.remove_application(&id);
                            if gone.is_none() {
                                self.known().gone.insert(id);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Whether applications of a namespace are taken over.
    fn looks_into(&self, namespace: &str) -> bool {
        namespace == &*self.options.control_namespace
            || lists_namespace(&self.options.application_namespaces, namespace)
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

    /// Takes an application over, or its new state.
    pub fn set_application(&self, mut application: Application) -> ApplicationId {
        let id = self.id_of(&application);
        let pending = application.operation.take();
        let status = std::mem::take(&mut application.status);
        self.put_application(&id, application, None, status);
        self.take_request(&id, pending, false);
        self.touch(&id);
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

    /// Takes over the object of an application. What does not concern what is to be done is left aside, so that our
    /// own writes of its status change nothing.
    fn put_object(&self, id: &ApplicationId, object: &Object) {
        let wish = wish(object);
        let known = {
            let mut known = self.known();
            known.applications.get_mut(id).map(|state| {
                let same = state.seen.as_ref() == Some(&wish);
                if same {
                    // The newer one shares its parts with the object in the cache.
                    state.seen = Some(wish.clone());
                }
                same
            })
        };
        if known != Some(true) {
            let read = Object::new(wish.clone())
                .map_err(|error| error.to_string())
                .and_then(|wish| Application::from_object(&wish).map_err(|e| e.to_string()));
            match read {
                Ok(application) => {
                    let status = match (known, object.get("status")) {
                        (None, Some(status)) => {
                            serde_json::from_value(status.clone().into()).unwrap_or_default()
                        }
                        _ => ApplicationStatus::default(),
                    };
                    self.put_application(id, application, Some(wish), status);
                    self.touch(id);
                }
                Err(error) => {
                    self.complain(object, error);
                    return;
                }
            }
        }
        let operation = object.get("operation").and_then(|operation| {
            serde_json::from_value::<Operation>(operation.clone().into()).ok()
        });
        let terminating = object
            .at(&["status", "operationState", "phase"])
            .and_then(Value::as_str)
            == Some("Terminating");
        if self.take_request(id, operation, terminating) {
            self.touch(id);
        }
        let wanted = object.annotation(REFRESH);
        let mut known = self.known();
        let Some(state) = known.applications.get_mut(id) else {
            return;
        };
        match wanted {
            None => state.refresh_seen = false,
            Some(level) if !state.refresh_seen => {
                state.refresh_seen = true;
                state.refresh = Some(level == "hard");
                drop(known);
                self.touch(id);
            }
            Some(_) => {}
        }
    }

    /// Notes the operation that is asked for, unless it is the one that was taken up, and whether the one that runs
    /// is to stop. Tells whether there is anything new.
    fn take_request(
        &self,
        id: &ApplicationId,
        operation: Option<Operation>,
        terminate: bool,
    ) -> bool {
        let mut known = self.known();
        let Some(state) = known.applications.get_mut(id) else {
            return false;
        };
        let mut new = false;
        if operation.is_none() {
            state.taken = None;
            state.pending = None;
        } else if operation != state.taken && operation != state.pending {
            state.pending = operation;
            new = true;
        }
        if terminate && !state.terminate {
            state.terminate = true;
            new = true;
        }
        new
    }

    fn put_application(
        &self,
        id: &ApplicationId,
        application: Application,
        seen: Option<Map>,
        status: ApplicationStatus,
    ) {
        let references = references(&application);
        let instance = self.instance(id);
        let mut known = self.known();
        let gone = match known.applications.get_mut(id) {
            Some(state) => {
                state.discovered |= seen.is_some();
                state.seen = seen;
                if *state.application != application {
                    state.application = Arc::new(application);
                }
                std::mem::replace(&mut state.references, references.clone())
            }
            None => {
                let state = ApplicationState {
                    status,
                    application: Arc::new(application),
                    discovered: seen.is_some(),
                    seen,
                    references: references.clone(),
                    refreshed: None,
                    answers: Arc::default(),
                    timelines: Default::default(),
                    operation: None,
                    pending: None,
                    taken: None,
                    interrupted: None,
                    terminate: false,
                    refresh: None,
                    refresh_seen: false,
                    loaded: false,
                    hold: None,
                    noted: None,
                    turn: Arc::default(),
                };
                known.applications.insert(id.clone(), state);
                known.instances.insert(instance, id.clone());
                Vec::new()
            }
        };
        for reference in &references {
            known
                .sources
                .entry(reference.clone())
                .or_default()
                .insert(id.clone());
        }
        let gone: Vec<SourceRef> = gone
            .into_iter()
            .filter(|source| !references.contains(source))
            .collect();
        self.leave_sources(&mut known, id, &gone);
    }

    fn leave_sources(&self, known: &mut super::Known, id: &ApplicationId, sources: &[SourceRef]) {
        for source in sources {
            if let Some(users) = known.sources.get_mut(source) {
                users.remove(id);
                if users.is_empty() {
                    known.sources.remove(source);
                    self.resolutions.forget(source);
                }
            }
        }
    }

    /// Lets go of an application. Its objects stay as they are.
    pub fn remove_application(&self, id: &ApplicationId) {
        let instance = self.instance(id);
        {
            let mut known = self.known();
            if let Some(state) = known.applications.remove(id) {
                known.instances.remove(&instance);
                self.leave_sources(&mut known, id, &state.references);
            }
        }
        self.renders.forget(id);
        for connection in self.clusters() {
            connection.live.state().forget(&instance);
        }
        // Whoever keeps a line of applications takes it off.
        self.touch(id);
    }

    /// Takes a project over, or its new state.
    pub fn set_project(&self, project: AppProject) {
        let name: Str = project.name().into();
        {
            let mut known = self.known();
            if known
                .projects
                .get(&name)
                .is_some_and(|old| old.spec == project.spec)
            {
                return;
            }
            known.projects.insert(name.clone(), Arc::new(project));
        }
        self.touch_project(&name);
    }

    /// Lets go of a project. Its applications are told that it does not exist.
    pub fn remove_project(&self, name: &str) {
        if self.known().projects.remove(name).is_some() {
            self.touch_project(name);
        }
    }

    fn touch_project(&self, name: &str) {
        let global = &self.options.global_projects;
        let everywhere = global.iter().any(|global| *global.name == *name);
        let ids: Vec<ApplicationId> = {
            let known = self.known();
            known
                .applications
                .iter()
                .filter(|(_, state)| everywhere || state.application.spec.project() == name)
                .map(|(id, _)| id.clone())
                .collect()
        };
        self.pending().applications.extend(ids);
        self.bell.notify_one();
    }

    /// Takes over the changes of live state, and the applications and projects that are objects of the cluster.
    ///
    /// # Errors
    /// Where the local cluster cannot be listed or watched.
    pub async fn update(&self) -> Result<(), EngineError> {
        for (i, connection) in self.clusters().iter().enumerate() {
            match connection.live.update().await {
                Ok(()) => {}
                // Another cluster that cannot be reached concerns its own applications alone.
                Err(_) if i > 0 => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.absorb();
        Ok(())
    }
}

impl ClusterConnection {
    /// Tells whoever watches the cluster that it is not the engine's any more.
    fn close(&self) {
        self.removed.store(true, Ordering::Release);
        self.gone.notify_one();
    }
}

/// The live state of a cluster, for reading.
pub struct LiveView(Arc<ClusterConnection>);

impl LiveView {
    /// Returns one object.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Object> {
        self.0.live.state().get(key).cloned()
    }

    /// Puts an object in that was read or written past the engine.
    pub fn learn(&self, object: Object) {
        self.0.live.state().put(object);
    }

    /// Returns the objects of a kind, in order of key.
    #[must_use]
    pub fn of_kind(&self, kind: &GroupKind) -> Vec<Object> {
        let state = self.0.live.state();
        state.of_kind(kind).into_iter().cloned().collect()
    }

    /// Returns how many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.live.state().len()
    }

    /// Whether there is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the objects were listed at least once.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.0.live.is_loaded()
    }
}

/// Returns of the object of an application what says what is wanted: its spec, and the metadata that people write.
fn wish(object: &Object) -> Map {
    let mut wish = Map::new();
    wish.insert("apiVersion", object.api_version());
    wish.insert("kind", object.kind());
    if let Some(spec) = object.get("spec") {
        wish.insert("spec", spec.clone());
    }
    let mut metadata = Map::new();
    for field in [
        "creationTimestamp",
        "deletionTimestamp",
        "finalizers",
        "labels",
        "name",
        "namespace",
        "ownerReferences",
        "uid",
    ] {
        if let Some(value) = object.meta(field) {
            metadata.insert(field, value.clone());
        }
    }
    if let Some(Value::Object(annotations)) = object.meta("annotations") {
        let mut annotations = annotations.clone();
        annotations.remove(REFRESH);
        annotations.remove(LAST_APPLIED);
        if !annotations.is_empty() {
            metadata.insert("annotations", annotations);
        }
    }
    wish.insert("metadata", metadata);
    wish
}
