//! Which kinds a cluster serves, kept while nothing speaks against it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use gitops_core::{ApiKind, Discovery, TargetError};
use gitops_manifest::{GroupKind, GroupVersionKind, Object, Str, Value};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::http::{Answer, Call, Connection, Failure, JSON};
use crate::path;

/// What is asked for: everything in one document, in the form that a server knows.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
     application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
/// How soon after the last time it is asked again because of a kind that is not known.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long a kind is waited for whose definition says that it is served.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);
/// How many documents are read at the same time from servers that serve one of each group.
const PARALLEL: usize = 8;

/// What can be done with the objects of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verbs {
    pub(crate) get: bool,
    pub(crate) list: bool,
    pub(crate) watch: bool,
}

/// What a cluster serves.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) discovery: Arc<Discovery>,
    verbs: HashMap<GroupVersionKind, Verbs>,
    /// The groups and versions whose server does not answer, with the reason.
    broken: BTreeMap<(Str, Str), String>,
}

impl Catalog {
    pub(crate) fn verbs(&self, gvk: &GroupVersionKind) -> Verbs {
        self.verbs.get(gvk).copied().unwrap_or_default()
    }

    /// Returns why the objects of a group and version cannot be reached, where they cannot.
    pub(crate) fn broken(&self, group: &str, version: &str) -> Option<&str> {
        let found = self.broken.get(&(Str::new(group), Str::new(version)))?;
        Some(found)
    }

    /// Returns why what a group has is not known, where a version of it does not answer.
    pub(crate) fn broken_group(&self, group: &str) -> Option<&str> {
        let mut broken = self.broken.iter();
        let found = broken.find(|((name, _), _)| name == group)?;
        Some(found.1)
    }

    /// Returns the preferred version of each kind, once.
    pub(crate) fn preferred(&self) -> impl Iterator<Item = &ApiKind> {
        self.discovery.kinds().iter().filter(|kind| {
            let preferred = self.discovery.preferred(&kind.gvk.group_kind());
            preferred.is_some_and(|preferred| preferred.gvk == kind.gvk)
        })
    }
}

/// What one document says of a group and version.
#[derive(Clone, Debug)]
struct Entry {
    group: Str,
    version: Str,
    /// Why it says nothing that can be relied on.
    broken: Option<String>,
    kinds: Vec<(ApiKind, Verbs)>,
}

/// A document that is not read again while the server says that it has not changed.
#[derive(Debug, Default)]
struct Document {
    etag: Option<String>,
    entries: Vec<Entry>,
}

#[derive(Debug, Default)]
struct State {
    catalog: Option<Arc<Catalog>>,
    at: Option<Instant>,
    /// Whether something has happened that may have changed it.
    outdated: bool,
    /// Kinds whose definition says that they are served, and until when they are waited for.
    expected: HashMap<GroupVersionKind, Instant>,
}

/// Asks which kinds there are, and remembers it.
#[derive(Debug)]
pub(crate) struct Discoverer {
    state: Mutex<State>,
    documents: tokio::sync::Mutex<[Document; 2]>,
    /// Counts what may have changed the kinds, for those who wait for it.
    changes: watch::Sender<u64>,
}

impl Default for Discoverer {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            documents: tokio::sync::Mutex::default(),
            changes: watch::channel(0).0,
        }
    }
}

impl Discoverer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whenever kinds may have come or gone.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn known(&self, age: Duration) -> Option<Arc<Catalog>> {
        let state = self.state();
        let fresh = !state.outdated && state.at.is_some_and(|at| at.elapsed() < age);
        state.catalog.clone().filter(|_| fresh)
    }

    /// Returns what is served, by what is known of it where that is not too old.
    pub(crate) async fn current(
        &self,
        connection: &Connection,
    ) -> Result<Arc<Catalog>, TargetError> {
        match self.known(connection.options.discovery_age) {
            Some(catalog) => Ok(catalog),
            None => self.refresh(connection).await,
        }
    }

    /// Asks anew because a kind is not known, unless it was asked just now.
    pub(crate) async fn look_again(
        &self,
        connection: &Connection,
    ) -> Result<Arc<Catalog>, TargetError> {
        if let Some(catalog) = self.known(AGAIN_AFTER) {
            return Ok(catalog);
        }
        self.state().outdated = true;
        self.refresh(connection).await
    }

    async fn refresh(&self, connection: &Connection) -> Result<Arc<Catalog>, TargetError> {
        let mut documents = self.documents.lock().await;
        // Another may have asked while this one waited.
        if let Some(catalog) = self.known(connection.options.discovery_age) {
            return Ok(catalog);
        }
        let mut pause = Duration::from_millis(20);
        loop {
            // What happens from here on may not be in the answer.
            self.state().outdated = false;
            let entries = match fetch(connection, &mut documents).await {
                Ok(entries) => entries,
                Err(failure) => {
                    let mut state = self.state();
                    state.outdated = true;
                    // What was known is still the best that is.
                    return match &state.catalog {
                        Some(catalog) => {
                            tracing::warn!(
                                reason = failure.reason(),
                                "the kinds of the cluster cannot be asked for"
                            );
                            Ok(Arc::clone(catalog))
                        }
                        None => {
                            Err(failure.into_general_error("ask which kinds the cluster serves"))
                        }
                    };
                }
            };
            let (catalog, awaited) = {
                let mut state = self.state();
                let before = state.catalog.clone().unwrap_or_default();
                let catalog = Arc::new(catalog_of(entries, &before));
                let now = Instant::now();
                state
                    .expected
                    .retain(|gvk, until| *until > now && catalog.discovery.get(gvk).is_none());
                state.catalog = Some(Arc::clone(&catalog));
                state.at = Some(now);
                // Whoever asked: a watch that went by what was known before would not hear of it.
                if catalog.discovery.kinds() != before.discovery.kinds() {
                    self.changes.send_modify(|count| *count += 1);
                }
                (catalog, !state.expected.is_empty())
            };
            if !awaited {
                return Ok(catalog);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Takes notice that a kind was not found where it should be.
    pub(crate) fn doubt(&self) {
        self.state().outdated = true;
        self.changes.send_modify(|count| *count += 1);
    }

    /// Takes notice of an object that was read or written: definitions of kinds make kinds come.
    pub(crate) fn note(&self, object: &Object) {
        match definer(object) {
            None => return,
            Some(Definer::Service) => self.state().outdated = true,
            Some(Definer::Definition) => {
                let Some(defined) = Defined::of(object) else {
                    return;
                };
                let mut state = self.state();
                let Some(catalog) = state.catalog.clone() else {
                    return;
                };
                let mut news = false;
                for gvk in defined.missing(&catalog.discovery) {
                    news = true;
                    if defined.comes {
                        state.expected.insert(gvk, Instant::now() + APPEARS_WITHIN);
                    } else {
                        state.expected.remove(&gvk);
                    }
                }
                if !news && !defined.has_surplus(&catalog.discovery) {
                    return;
                }
                state.outdated = true;
            }
        }
        self.changes.send_modify(|count| *count += 1);
    }

    /// Takes notice of an object that is gone.
    pub(crate) fn note_gone(&self, key: &gitops_manifest::ObjectKey) {
        let group = key.group.as_str();
        if is_definer(group, &key.kind).is_some() {
            let mut state = self.state();
            state.outdated = true;
            // The name of a definition is that of its resource: `plural.group`.
            let of = |gvk: &GroupVersionKind| key.name.ends_with(&format!(".{}", gvk.group));
            state.expected.retain(|gvk, _| !of(gvk));
            drop(state);
            self.changes.send_modify(|count| *count += 1);
        }
    }
}

/// What kind of object makes kinds come and go.
#[derive(Clone, Copy)]
enum Definer {
    Definition,
    Service,
}

fn is_definer(group: &str, kind: &str) -> Option<Definer> {
    match (group, kind) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Some(Definer::Definition),
        ("apiregistration.k8s.io", "APIService") => Some(Definer::Service),
        _ => None,
    }
}

fn definer(object: &Object) -> Option<Definer> {
    is_definer(object.group(), object.kind())
}

/// Returns the kinds of objects by which it is told that other kinds come and go.
pub(crate) fn definers() -> [GroupKind; 2] {
    [
        GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition"),
        GroupKind::new("apiregistration.k8s.io", "APIService"),
    ]
}

/// What a CustomResourceDefinition defines.
struct Defined {
    kind: GroupKind,
    versions: Vec<Str>,
    /// Whether its kind is served, or will be in a moment.
    comes: bool,
}

impl Defined {
    fn of(object: &Object) -> Option<Self> {
        let text = |path: &[&str]| object.at(path).and_then(Value::as_str).map(Str::from);
        let conditions = object
            .at(&["status", "conditions"])
            .and_then(Value::as_array);
        let mut conditions = conditions.into_iter().flatten();
        let established = conditions.find(|c| c["type"].as_str() == Some("Established"));
        // One that was made just now has no conditions yet: what it defines may be written right behind it.
        let comes = established.is_none_or(|c| c["status"].as_str() == Some("True"));
        let versions = object.at(&["spec", "versions"]).and_then(Value::as_array);
        Some(Self {
            kind: GroupKind {
                group: text(&["spec", "group"])?,
                kind: text(&["spec", "names", "kind"])?,
            },
            versions: versions
                .into_iter()
                .flatten()
                .filter(|version| version["served"].as_bool() == Some(true))
                .filter_map(|version| version["name"].as_str().map(Str::from))
                .collect(),
            comes: comes && !object.is_deleting(),
        })
    }

    fn gvk(&self, version: &Str) -> GroupVersionKind {
        GroupVersionKind::new(&self.kind.group, version, &self.kind.kind)
    }

    fn missing(&self, discovery: &Discovery) -> Vec<GroupVersionKind> {
        let versions = self.versions.iter().map(|version| self.gvk(version));
        versions
            .filter(|gvk| discovery.get(gvk).is_none())
            .collect()
    }

    fn has_surplus(&self, discovery: &Discovery) -> bool {
        discovery.kinds().iter().any(|kind| {
            kind.gvk.group == self.kind.group
                && kind.gvk.kind == self.kind.kind
                && !self.versions.contains(&kind.gvk.version)
        })
    }
}

fn catalog_of(entries: Vec<Entry>, before: &Catalog) -> Catalog {
    let mut kinds: Vec<ApiKind> = Vec::new();
    let mut verbs: HashMap<GroupVersionKind, Verbs> = HashMap::new();
    let mut broken = BTreeMap::new();
    for entry in entries {
        let mut found = entry.kinds;
        if let Some(reason) = entry.broken {
            // What a server had that does not answer now, it will have again.
            if found.is_empty() {
                let of = |kind: &&ApiKind| {
                    kind.gvk.group == entry.group && kind.gvk.version == entry.version
                };
                let kept = before.discovery.kinds().iter().filter(of);
                found.extend(kept.map(|kind| (kind.clone(), before.verbs(&kind.gvk))));
            }
            broken.insert((entry.group, entry.version), reason);
        }
        for (kind, can) in found {
            match verbs.get_mut(&kind.gvk) {
                // Two resources of one kind: the one whose objects can be listed is meant.
                Some(other) if !other.list && can.list => {
                    *other = can;
                    if let Some(place) = kinds.iter_mut().find(|place| place.gvk == kind.gvk) {
                        *place = kind;
                    }
                }
                Some(_) => {}
                None => {
                    verbs.insert(kind.gvk.clone(), can);
                    kinds.push(kind);
                }
            }
        }
    }
    Catalog {
        discovery: Arc::new(Discovery::new(kinds)),
        verbs,
        broken,
    }
}

fn malformed(path: &str, error: &serde_json::Error) -> Failure {
    Failure::Unavailable {
        reason: format!("the answer at {path} cannot be read: {error}"),
    }
}

fn read<T: DeserializeOwned>(path: &str, answer: &Answer) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|error| malformed(path, &error))
}

async fn fetch(
    connection: &Connection,
    documents: &mut [Document; 2],
) -> Result<Vec<Entry>, Failure> {
    let [core, groups] = documents;
    futures::future::try_join(
        fetch_document(connection, "/api", core),
        fetch_document(connection, "/apis", groups),
    )
    .await?;
    let entries = core.entries.iter().chain(&groups.entries);
    Ok(entries.cloned().collect())
}

async fn fetch_document(
    connection: &Connection,
    path: &'static str,
    document: &mut Document,
) -> Result<(), Failure> {
    let mut call = Call::get(path, "ask which kinds the cluster serves");
    call.accept = AGGREGATED;
    call.known = document.etag.as_deref();
    let answer = connection.call(&call).await?;
    if answer.code == StatusCode::NOT_MODIFIED {
        return Ok(());
    }
    if answer.content_type.contains("APIGroupDiscoveryList") {
        let list: aggregated::List = read(path, &answer)?;
        document.entries = list.entries();
        document.etag = answer.etag;
    } else {
        document.entries = fetch_one_by_one(connection, path, &answer).await?;
        document.etag = None;
    }
    Ok(())
}

/// Reads a document for each group and version, as older servers serve them. One that fails stands for itself alone.
async fn fetch_one_by_one(
    connection: &Connection,
    path: &str,
    answer: &Answer,
) -> Result<Vec<Entry>, Failure> {
    let mut versions: Vec<(Str, Str)> = Vec::new();
    if path == "/api" {
        let core: single::Versions = read(path, answer)?;
        versions.extend(
            core.versions
                .into_iter()
                .map(|version| (Str::default(), version)),
        );
    } else {
        let groups: single::Groups = read(path, answer)?;
        for group in groups.groups {
            let preferred = group.preferred_version.map(|version| version.version);
            let others = group.versions.into_iter().map(|version| version.version);
            let others = others.filter(|version| Some(version) != preferred.as_ref());
            let ordered: Vec<Str> = preferred.iter().cloned().chain(others).collect();
            versions.extend(
                ordered
                    .into_iter()
                    .map(|version| (group.name.clone(), version)),
            );
        }
    }
    let entries = stream::iter(versions)
        .map(|(group, version)| async move {
            let path = path::of_version(&group, &version);
            let mut call = Call::get(&path, "ask which kinds the cluster serves");
            call.accept = JSON;
            let list = connection.call(&call).await;
            match list.and_then(|answer| read::<single::Resources>(&path, &answer)) {
                Ok(list) => Entry {
                    kinds: list.kinds(&group, &version),
                    group,
                    version,
                    broken: None,
                },
                Err(failure) => Entry {
                    kinds: Vec::new(),
                    group,
                    version,
                    broken: Some(failure.reason()),
                },
            }
        })
        .buffered(PARALLEL)
        .collect()
        .await;
    Ok(entries)
}

fn verbs_of(verbs: &[Str]) -> Verbs {
    let has = |verb: &str| verbs.iter().any(|has| has == verb);
    Verbs {
        get: has("get"),
        list: has("list"),
        watch: has("watch"),
    }
}

/// One document of everything: `apidiscovery.k8s.io`.
mod aggregated {
    use super::{ApiKind, Deserialize, Entry, GroupVersionKind, Str, Verbs, verbs_of};

    #[derive(Deserialize)]
    pub(super) struct List {
        #[serde(default)]
        items: Vec<Group>,
    }

    #[derive(Deserialize)]
    struct Group {
        #[serde(default)]
        metadata: Metadata,
        #[serde(default)]
        versions: Vec<Version>,
    }

    #[derive(Default, Deserialize)]
    struct Metadata {
        #[serde(default)]
        name: Str,
    }

    #[derive(Deserialize)]
    struct Version {
        version: Str,
        #[serde(default)]
        freshness: Str,
        #[serde(default)]
        resources: Vec<Resource>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Resource {
        resource: Str,
        response_kind: Option<Kind>,
        #[serde(default)]
        scope: Str,
        #[serde(default)]
        verbs: Vec<Str>,
    }

    #[derive(Deserialize)]
    struct Kind {
        #[serde(default)]
        kind: Str,
    }

    impl List {
        pub(super) fn entries(self) -> Vec<Entry> {
            let mut entries = Vec::new();
            for group in self.items {
                for version in group.versions {
                    let name = &group.metadata.name;
                    let kinds = version.resources.into_iter();
                    let kinds = kinds.filter_map(|resource| resource.kind(name, &version.version));
                    let service = format!("{}.{name}", version.version);
                    entries.push(Entry {
                        kinds: kinds.collect(),
                        broken: (version.freshness == "Stale")
                            .then(|| format!("the API service {service} does not answer")),
                        group: name.clone(),
                        version: version.version,
                    });
                }
            }
            entries
        }
    }

    impl Resource {
        fn kind(self, group: &Str, version: &Str) -> Option<(ApiKind, Verbs)> {
            let kind = self.response_kind?.kind;
            (!kind.is_empty()).then(|| {
                let api = ApiKind {
                    gvk: GroupVersionKind::new(group, version, kind),
                    plural: self.resource,
                    namespaced: self.scope == "Namespaced",
                };
                (api, verbs_of(&self.verbs))
            })
        }
    }
}

/// One document for each group and version.
mod single {
    use super::{ApiKind, Deserialize, GroupVersionKind, Str, Verbs, verbs_of};

    #[derive(Deserialize)]
    pub(super) struct Versions {
        #[serde(default)]
        pub(super) versions: Vec<Str>,
    }

    #[derive(Deserialize)]
    pub(super) struct Groups {
        #[serde(default)]
        pub(super) groups: Vec<Group>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Group {
        pub(super) name: Str,
        #[serde(default)]
        pub(super) versions: Vec<Version>,
        pub(super) preferred_version: Option<Version>,
    }

    #[derive(Deserialize)]
    pub(super) struct Version {
        #[serde(default)]
        pub(super) version: Str,
    }

    #[derive(Deserialize)]
    pub(super) struct Resources {
        #[serde(default)]
        resources: Vec<Resource>,
    }

    #[derive(Deserialize)]
    struct Resource {
        name: Str,
        #[serde(default)]
        kind: Str,
        #[serde(default)]
        namespaced: bool,
        #[serde(default)]
        verbs: Vec<Str>,
    }

    impl Resources {
        pub(super) fn kinds(self, group: &Str, version: &Str) -> Vec<(ApiKind, Verbs)> {
            let resources = self.resources.into_iter();
            // What has a slash is a part of another resource.
            let whole = resources
                .filter(|resource| !resource.name.contains('/') && !resource.kind.is_empty());
            whole
                .map(|resource| {
                    let api = ApiKind {
                        gvk: GroupVersionKind::new(group, version, resource.kind),
                        plural: resource.name,
                        namespaced: resource.namespaced,
                    };
                    (api, verbs_of(&resource.verbs))
                })
                .collect()
        }
    }
}
