//! A cluster as a [`Target`].

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use gitops_core::{
    ApiKind, Applied, ApplyOptions, DeleteOptions, Discovery, PatchOptions, Scope, Snapshot,
    Target, TargetError, WatchEvent,
};
use gitops_manifest::{GroupKind, GroupVersionKind, Object, ObjectKey, Str, Value};
use tokio::time::Instant;

use crate::decode;
use crate::discovery::{Catalog, Discoverer};
use crate::http::{Call, Connection, Failure};
use crate::list::{Listed, Units, list};
use crate::session::{Known, Progress, Session, Sessions, Token};
use crate::watch::{Watching, units_to_follow};
use crate::{Impersonation, KubeError, KubeOptions, path, write};

/// What targets of one cluster have in common, in whose name they work.
pub(crate) struct Shared {
    /// In the name of who is logged in.
    pub(crate) connection: Connection,
    pub(crate) discoverer: Discoverer,
    pub(crate) sessions: Sessions,
    /// The version of the server, and when it was asked for.
    version: tokio::sync::Mutex<Option<(Instant, Str)>>,
    /// The latest version that a write of ours made, of each kind.
    written: Mutex<HashMap<GroupKind, u64>>,
}

/// A Kubernetes API server.
///
/// Cheap to clone; clones share what is known of the kinds that the server has. The crate's page tells how it works.
#[derive(Clone)]
pub struct KubeTarget {
    shared: Arc<Shared>,
    connection: Connection,
    name: Arc<str>,
    identity: Option<Arc<Impersonation>>,
}

impl fmt::Debug for KubeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeTarget")
            .field("server", &self.name)
            .field("identity", &self.identity)
            .field("options", &self.connection.options)
            .finish_non_exhaustive()
    }
}

impl KubeTarget {
    /// Makes one of a client that knows its way to the server. Build the client without retries of its own
    /// ([`kube::Config::default_retry`] off): requests are repeated here, where it is known which may be.
    #[must_use]
    pub fn new(client: kube::Client, options: KubeOptions) -> Self {
        let connection = Connection::new(client, options);
        Self {
            shared: Arc::new(Shared {
                connection: connection.clone(),
                discoverer: Discoverer::default(),
                sessions: Sessions::default(),
                version: tokio::sync::Mutex::default(),
                written: Mutex::default(),
            }),
            connection,
            name: "".into(),
            identity: None,
        }
    }

    /// Makes one of a configuration. Nothing is asked of the server yet; but where the configuration names a command that
    /// prints credentials, it is run: [`kubeconfig`](crate::kubeconfig) and
    /// [`ClusterSecret::config`](crate::ClusterSecret::config) let none in unless they are told to.
    ///
    /// # Errors
    /// Where certificates or credentials cannot be read.
    pub fn connect(mut config: kube::Config, options: KubeOptions) -> Result<Self, KubeError> {
        config.default_retry = false;
        let name = config.cluster_url.to_string();
        let client = kube::Client::try_from(config).map_err(|source| KubeError::Client {
            server: name.clone(),
            source: Box::new(source),
        })?;
        let mut target = Self::new(client, options);
        target.name = name.into();
        Ok(target)
    }

    /// Returns the same cluster as somebody else sees it. What is known of its kinds is shared.
    ///
    /// # Errors
    /// [`KubeError::Impersonation`] where a name cannot be sent.
    pub fn impersonating(&self, identity: Impersonation) -> Result<Self, KubeError> {
        Ok(Self {
            connection: self.connection.in_name_of(identity.headers()?),
            identity: Some(Arc::new(identity)),
            ..self.clone()
        })
    }

    /// Returns in whose name requests are made, where that is another than who is logged in.
    #[must_use]
    pub fn identity(&self) -> Option<&Impersonation> {
        self.identity.as_deref()
    }

    /// Returns the options.
    #[must_use]
    pub fn options(&self) -> &KubeOptions {
        &self.connection.options
    }

    async fn catalog(&self) -> Result<Arc<Catalog>, TargetError> {
        self.shared
            .discoverer
            .current(&self.shared.connection)
            .await
    }

    /// Finds a kind by what is known, and where it is not among that, by asking anew.
    async fn find(
        &self,
        gvk: &GroupVersionKind,
        find: impl Fn(&Discovery) -> Option<&ApiKind>,
    ) -> Result<ApiKind, TargetError> {
        let catalog = self.catalog().await?;
        if let Some(kind) = find(&catalog.discovery) {
            return Ok(kind.clone());
        }
        let base = &self.shared.connection;
        let catalog = self.shared.discoverer.look_again(base).await?;
        if let Some(kind) = find(&catalog.discovery) {
            return Ok(kind.clone());
        }
        match catalog.broken_group(&gvk.group) {
            // It may well be there.
            Some(reason) => Err(TargetError::Unavailable {
                attempt: format!("look for kind {gvk}"),
                reason: reason.to_owned(),
            }),
            None => Err(TargetError::UnknownKind { gvk: gvk.clone() }),
        }
    }

    /// Finds exactly this version of a kind.
    pub(crate) async fn served(&self, gvk: &GroupVersionKind) -> Result<ApiKind, TargetError> {
        self.find(gvk, |discovery| discovery.get(gvk)).await
    }

    async fn preferred(&self, kind: &GroupKind) -> Result<ApiKind, TargetError> {
        let gvk = GroupVersionKind::new(&kind.group, "", &kind.kind);
        self.find(&gvk, |discovery| discovery.preferred(kind)).await
    }

    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Takes notice of an object that a server sent.
    pub(crate) fn note(&self, object: &Object) {
        self.shared.discoverer.note(object);
    }

    /// Takes notice of an object that was deleted.
    pub(crate) fn note_gone(&self, key: &ObjectKey) {
        self.shared.discoverer.note_gone(key);
    }

    /// Takes notice of what a refusal says of kinds.
    pub(crate) fn note_failure(&self, failure: &Failure) {
        if failure
            .status()
            .is_some_and(crate::status::Status::is_no_such_address)
        {
            self.shared.discoverer.doubt();
        }
    }

    /// Remembers the version that a write made.
    pub(crate) fn note_written(&self, object: &Object) {
        let Ok(version) = object.resource_version().parse::<u64>() else {
            return;
        };
        let mut written = self
            .shared
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let latest = written.entry(object.group_kind()).or_default();
        *latest = version.max(*latest);
    }

    /// Returns the latest version that a write of ours made of a kind. A later write of anybody makes a greater one.
    pub(crate) fn written(&self, kind: &GroupKind) -> u64 {
        let written = self
            .shared
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        written.get(kind).copied().unwrap_or(0)
    }

    pub(crate) fn known(&self, key: &ObjectKey) -> Known {
        self.shared.sessions.known(key)
    }

    /// Reads an object in a certain version.
    pub(crate) async fn read(
        &self,
        kind: &ApiKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, TargetError> {
        let path = path::object(kind, namespace, name);
        let gvk = &kind.gvk;
        let key = ObjectKey::new(&gvk.group, &gvk.kind, namespace, name);
        let attempt = format!("read {key}");
        let answer = match self.connection.call(&Call::get(&path, &attempt)).await {
            Ok(answer) => answer,
            Err(failure) => {
                self.note_failure(&failure);
                let error = failure.into_error(&attempt, &key, gvk);
                return match error {
                    TargetError::NotFound { .. } => Ok(None),
                    other => Err(other),
                };
            }
        };
        let object = read_whole(&answer.body, &attempt)?;
        self.note(&object);
        Ok(Some(object))
    }

    /// Begins a session after a version of the whole cluster, of which it is not known what there was.
    async fn session_after(
        &self,
        scope: &Scope,
        version: &Str,
    ) -> Result<Arc<Session>, TargetError> {
        let catalog = self.catalog().await?;
        let options = &self.connection.options;
        let units = units_to_follow(&catalog, scope, options);
        let units = units
            .into_iter()
            .map(|unit| {
                // Kinds that come are told of from now on.
                let version = unit.wanted.then(|| version.clone());
                Progress::after(unit, version)
            })
            .collect();
        let unlisted = Units::of(&catalog, scope, options).unlisted;
        let sessions = &self.shared.sessions;
        Ok(sessions.begin(scope.clone(), units, unlisted.into_iter().collect(), true))
    }
}

/// Reads the object that an answer consists of.
pub(crate) fn read_whole(body: &Bytes, attempt: &str) -> Result<Object, TargetError> {
    decode::whole(body).map_err(|error| TargetError::Unavailable {
        attempt: attempt.to_owned(),
        reason: format!("the answer cannot be read: {error}"),
    })
}

#[async_trait]
impl Target for KubeTarget {
    async fn discover(&self) -> Result<Arc<Discovery>, TargetError> {
        Ok(Arc::clone(&self.catalog().await?.discovery))
    }

    async fn version(&self) -> Result<Str, TargetError> {
        const ATTEMPT: &str = "read the version of the cluster";
        let connection = &self.shared.connection;
        let mut known = self.shared.version.lock().await;
        if let Some((at, version)) = &*known
            && at.elapsed() < connection.options.discovery_age
        {
            return Ok(version.clone());
        }
        let version = match connection.call(&Call::get("/version", ATTEMPT)).await {
            Ok(answer) => {
                let value =
                    Value::from_json(&answer.body).map_err(|error| TargetError::Unavailable {
                        attempt: ATTEMPT.to_owned(),
                        reason: format!("the answer cannot be read: {error}"),
                    })?;
                value["gitVersion"].as_str().unwrap_or_default().into()
            }
            // Whoever may not ask gets no version; charts are rendered for the one that they assume.
            Err(Failure::Refused { .. }) => Str::default(),
            Err(Failure::Unavailable { reason }) => {
                return Err(TargetError::Unavailable {
                    attempt: ATTEMPT.to_owned(),
                    reason,
                });
            }
        };
        *known = Some((Instant::now(), version.clone()));
        Ok(version)
    }

    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot, TargetError> {
        let catalog = self.catalog().await?;
        let found = Units::of(&catalog, scope, &self.connection.options);
        let parallel = self.connection.options.parallel_lists.max(1);
        let lists: Vec<_> = stream::iter(found.units)
            .map(|unit| async move {
                let listed = list(&self.connection, &unit).await;
                (unit, listed)
            })
            .buffered(parallel)
            .collect()
            .await;
        let mut unlisted: BTreeMap<GroupKind, String> = found.unlisted.into_iter().collect();
        let mut units = Vec::with_capacity(lists.len());
        let mut objects = Vec::new();
        let mut failure = None;
        let mut any = lists.is_empty();
        for (unit, listed) in lists {
            match listed {
                Ok(listed) => {
                    any = true;
                    listed.objects.iter().for_each(|object| self.note(object));
                    units.push(Progress::listed(unit, Ok(&listed)));
                    objects.push(listed);
                }
                // The kind has gone since it was discovered: there are no objects of it.
                Err(gone)
                    if gone
                        .status()
                        .is_some_and(crate::status::Status::is_no_such_address) =>
                {
                    self.shared.discoverer.doubt();
                    any = true;
                }
                Err(refused) => {
                    let reason = refused.clone().reason();
                    unlisted.insert(unit.group_kind(), reason.clone());
                    if failure.is_none() {
                        failure = Some(unit.error(refused));
                    }
                    units.push(Progress::listed(unit, Err(reason)));
                }
            }
        }
        if let (false, Some(error)) = (any, failure) {
            return Err(error);
        }
        // Of a kind that is listed by namespaces, all are or none: the rest comes with the watch.
        for progress in &mut units {
            if unlisted.contains_key(&progress.unit.group_kind()) && progress.failing.is_none() {
                *progress = Progress::after(Arc::clone(&progress.unit), None);
            }
        }
        let objects: Vec<Object> = objects
            .into_iter()
            .flat_map(|Listed { objects, .. }| objects)
            .filter(|object| unlisted.is_empty() || !unlisted.contains_key(&object.group_kind()))
            .collect();
        let sessions = &self.shared.sessions;
        let session = sessions.begin(scope.clone(), units, unlisted.clone(), false);
        let mut snapshot = Snapshot::new(session.token(), objects);
        snapshot.unlisted = unlisted.into_iter().collect();
        Ok(snapshot)
    }

    async fn watch(
        &self,
        scope: &Scope,
        version: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent, TargetError>>, TargetError> {
        let expired = || TargetError::Expired {
            version: version.into(),
        };
        let session = match Token::parse(version).ok_or_else(expired)? {
            Token::Session { id, step, version } => {
                match self.shared.sessions.resume(id, step, scope) {
                    Some(session) => session,
                    None => self.session_after(scope, &version).await?,
                }
            }
            Token::Version(version) => self.session_after(scope, &version).await?,
        };
        let shared = Arc::clone(&self.shared);
        let watching = Watching::begin(shared, self.connection.clone(), session);
        Ok(watching.boxed())
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, TargetError> {
        let kind = self.preferred(&key.group_kind()).await?;
        self.read(&kind, &key.namespace, &key.name).await
    }

    async fn apply(&self, object: &Object, options: &ApplyOptions) -> Result<Applied, TargetError> {
        write::apply(self, object, options).await
    }

    async fn patch(
        &self,
        key: &ObjectKey,
        patch: &Value,
        options: &PatchOptions,
    ) -> Result<Object, TargetError> {
        let kind = self.preferred(&key.group_kind()).await?;
        write::patch(self, &kind, key, patch, options).await
    }

    async fn delete(&self, key: &ObjectKey, options: &DeleteOptions) -> Result<(), TargetError> {
        let kind = self.preferred(&key.group_kind()).await?;
        write::delete(self, &kind, key, options).await
    }

    fn impersonate(&self, user: &str, groups: &[Str]) -> Option<Arc<dyn Target>> {
        let mut identity = Impersonation::new(user);
        identity
            .groups
            .extend(groups.iter().map(ToString::to_string));
        match self.impersonating(identity) {
            Ok(target) => Some(Arc::new(target)),
            Err(error) => {
                tracing::warn!(%error, "no such user");
                None
            }
        }
    }
}
