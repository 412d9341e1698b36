//! Where live state sits: a Kubernetes API server, or something that behaves like one.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use gitops_manifest::{GroupKind, GroupVersionKind, Object, ObjectKey, Str, Value};
use serde::{Deserialize, Serialize};

/// How often a patch is tried again where others write in between.
const PATCH_TRIES: u32 = 8;

/// A kind that a target serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ApiKind {
    /// Group, version and kind.
    pub gvk: GroupVersionKind,
    /// The plural name, as `deployments`.
    pub plural: Str,
    /// Whether objects of this kind live in a namespace.
    pub namespaced: bool,
}

/// The kinds that a target serves, with the preferred version of each first.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    kinds: Vec<ApiKind>,
    by_group_kind: HashMap<GroupKind, Vec<usize>>,
}

impl Discovery {
    /// Makes one of kinds; of one group and kind the preferred version comes first.
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = ApiKind>) -> Self {
        let kinds: Vec<ApiKind> = kinds.into_iter().collect();
        let mut by_group_kind: HashMap<GroupKind, Vec<usize>> = HashMap::new();
        for (i, kind) in kinds.iter().enumerate() {
            by_group_kind
                .entry(kind.gvk.group_kind())
                .or_default()
                .push(i);
        }
        Self {
            kinds,
            by_group_kind,
        }
    }

    /// Returns all kinds.
    #[must_use]
    pub fn kinds(&self) -> &[ApiKind] {
        &self.kinds
    }

    /// Returns the preferred version of a group and kind.
    #[must_use]
    pub fn preferred(&self, kind: &GroupKind) -> Option<&ApiKind> {
        Some(&self.kinds[*self.by_group_kind.get(kind)?.first()?])
    }

    /// Returns exactly this version of a kind.
    #[must_use]
    pub fn get(&self, gvk: &GroupVersionKind) -> Option<&ApiKind> {
        let positions = self.by_group_kind.get(&gvk.group_kind())?;
        positions
            .iter()
            .map(|i| &self.kinds[*i])
            .find(|kind| kind.gvk == *gvk)
    }
}

/// Which objects of a target are meant. Empty sets mean all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scope {
    /// The namespaces, objects of the cluster always included; empty for all.
    pub namespaces: BTreeSet<Str>,
    /// The kinds; empty for all.
    pub kinds: BTreeSet<GroupKind>,
    /// Kinds that are not meant, whatever else is.
    pub excluded: BTreeSet<GroupKind>,
}

impl Scope {
    /// Means every object.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Limits to kinds.
    #[must_use]
    pub fn with_kinds(mut self, kinds: impl IntoIterator<Item = GroupKind>) -> Self {
        self.kinds.extend(kinds);
        self
    }

    /// Limits to namespaces, and to the objects of the cluster.
    #[must_use]
    pub fn with_namespaces<N: Into<Str>>(
        mut self,
        namespaces: impl IntoIterator<Item = N>,
    ) -> Self {
        self.namespaces
            .extend(namespaces.into_iter().map(Into::into));
        self
    }

    /// Leaves kinds out.
    #[must_use]
    pub fn without_kinds(mut self, kinds: impl IntoIterator<Item = GroupKind>) -> Self {
        self.excluded.extend(kinds);
        self
    }

    /// Whether objects of a kind are meant.
    #[must_use]
    pub fn includes(&self, kind: &GroupKind) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(kind)) && !self.excluded.contains(kind)
    }

    /// Whether an object is meant.
    #[must_use]
    pub fn contains(&self, key: &ObjectKey) -> bool {
        (self.namespaces.is_empty()
            || key.namespace.is_empty()
            || self.namespaces.contains(&key.namespace))
            && (self.kinds.is_empty() && self.excluded.is_empty()
                || self.includes(&key.group_kind()))
    }
}

/// The live objects at one moment.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// From where a [`watch`](Target::watch) goes on without a gap.
    pub version: Str,
    /// The objects, in no particular order.
    pub objects: Vec<Object>,
    /// The kinds that could not be listed, each with the reason. Their objects are unknown, not absent.
    pub unlisted: Vec<(GroupKind, String)>,
}

impl Snapshot {
    /// Makes one in which every kind was listed.
    #[must_use]
    pub const fn new(version: Str, objects: Vec<Object>) -> Self {
        Self {
            version,
            objects,
            unlisted: Vec::new(),
        }
    }
}

/// A change of live state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchEvent {
    /// An object was made or changed.
    Applied(Object),
    /// An object is gone; this is how it was last.
    Deleted(Object),
    /// Nothing changed up to this version: a watch may be resumed from it.
    Bookmark(Str),
    /// The objects of this kind can no longer be followed, for this reason. What is known of them may be out of date
    /// until the kind is [listed](WatchEvent::Listed) again; the watch goes on trying.
    Unlisted(GroupKind, String),
    /// The objects of this kind are followed again: what changed meanwhile came before this event.
    Listed(GroupKind),
}

/// How an object is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplyMode {
    /// Server-side apply: the field manager owns what it sends. What was applied on the client side is taken over, as
    /// `kubectl apply --server-side` does: what `kubectl-client-side-apply` owns, and whose updates own the last-applied
    /// annotation.
    #[default]
    ServerSide,
    /// Client-side apply: a three-way patch with the last-applied annotation.
    ClientSide,
    /// The object is replaced as a whole.
    Replace,
    /// The object is made; that it exists already is an error.
    Create,
}

/// What a write expects of the live object. What was planned on one state is carried out on that state or
/// not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// There is no object under the key.
    Absent,
    /// The object has this UID: it may have changed, but was not replaced by another of its name.
    Uid(Str),
    /// The object is exactly the one that was seen.
    Unchanged {
        /// Its UID.
        uid: Str,
        /// Its resource version.
        resource_version: Str,
    },
}

impl Precondition {
    /// Expects the object that was seen, or that there was none.
    #[must_use]
    pub fn unchanged(live: Option<&Object>) -> Self {
        live.map_or(Self::Absent, |live| Self::Unchanged {
            uid: live.uid().into(),
            resource_version: live.resource_version().into(),
        })
    }
}

/// How [`Target::apply`] writes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ApplyOptions {
    /// How the object is written.
    pub mode: ApplyMode,
    /// The field manager in whose name it is written.
    pub manager: Str,
    /// Whether fields of other managers are taken over; without it they are conflicts.
    pub force: bool,
    /// Whether the server only says what would come out.
    pub dry_run: bool,
    /// What is expected of the live object.
    pub precondition: Precondition,
    /// Whether the object is checked against its schema.
    pub validate: bool,
    /// Whether a server-side apply leaves alone what was applied on the client side, rather than take it over.
    pub keep_client_side: bool,
}

impl ApplyOptions {
    /// Applies server-side in the name of a field manager, checked against the schema.
    #[must_use]
    pub fn server_side(manager: impl Into<Str>) -> Self {
        Self {
            manager: manager.into(),
            validate: true,
            ..Self::default()
        }
    }

    /// Sets the mode.
    #[must_use]
    pub const fn with_mode(mut self, mode: ApplyMode) -> Self {
        self.mode = mode;
        self
    }

    /// Takes over fields of other managers.
    #[must_use]
    pub const fn with_force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Only asks what would come out.
    #[must_use]
    pub const fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Expects something of the live object.
    #[must_use]
    pub fn with_precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }
}

/// What happens to the objects that a deleted one owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    /// The object stays, marked, until all that it owns is gone.
    #[default]
    Foreground,
    /// The object goes at once, what it owns is collected later.
    Background,
    /// What it owns stays, without an owner.
    Orphan,
}

/// How [`Target::delete`] deletes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// What happens to the objects that this one owns.
    pub propagation: Propagation,
    /// What is expected of the live object.
    pub precondition: Precondition,
    /// Whether the server only says whether it would.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Deletes with a propagation policy.
    #[must_use]
    pub fn new(propagation: Propagation) -> Self {
        Self {
            propagation,
            ..Self::default()
        }
    }

    /// Expects something of the live object.
    #[must_use]
    pub fn with_precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }
}

/// How [`Target::patch`] changes an object.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PatchOptions {
    /// The field manager in whose name it is changed.
    pub manager: Str,
    /// What is expected of the live object.
    pub precondition: Precondition,
}

impl PatchOptions {
    /// Changes in the name of a field manager.
    #[must_use]
    pub fn new(manager: impl Into<Str>) -> Self {
        Self {
            manager: manager.into(),
            ..Self::default()
        }
    }

    /// Expects something of the live object.
    #[must_use]
    pub fn with_precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The object was made.
    Created,
    /// The object was changed.
    Configured,
    /// The object was as wanted; its resource version stays.
    Unchanged,
}

/// The answer to [`Target::apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The object as it now is.
    pub object: Object,
    /// What was done to it.
    pub effect: Effect,
}

/// One field that another manager owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldConflict {
    /// The manager that owns the field.
    pub manager: String,
    /// The path of the field, as the API server writes it: `.spec.replicas`.
    pub field: String,
}

/// Why a target refused or failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The target does not serve the kind.
    #[error("the cluster does not know kind {gvk}")]
    UnknownKind {
        /// The kind.
        gvk: GroupVersionKind,
    },
    /// There is no such object.
    #[error("{key} does not exist")]
    NotFound {
        /// The object.
        key: ObjectKey,
    },
    /// The namespace of the object does not exist.
    #[error(
        "namespace {namespace} of {key} does not exist; create it, or make it the destination and set \
         CreateNamespace=true"
    )]
    NoNamespace {
        /// The object.
        key: ObjectKey,
        /// The namespace.
        namespace: Str,
    },
    /// The object exists already.
    #[error("{key} exists already")]
    AlreadyExists {
        /// The object.
        key: ObjectKey,
    },
    /// The live object is not the one that the write was made for.
    #[error("{key} has changed since it was read: {reason}")]
    Changed {
        /// The object.
        key: ObjectKey,
        /// What differs.
        reason: String,
    },
    /// Other managers own fields of the object.
    #[error("{key}: {}", conflict_list(.conflicts))]
    Conflict {
        /// The object.
        key: ObjectKey,
        /// The fields and their owners.
        conflicts: Vec<FieldConflict>,
    },
    /// The object is not valid.
    #[error("{key} is invalid: {reason}")]
    Invalid {
        /// The object.
        key: ObjectKey,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller may not do this.
    #[error("{key}: forbidden: {reason}")]
    Forbidden {
        /// The object.
        key: ObjectKey,
        /// What was refused.
        reason: String,
    },
    /// The history that a watch was to go on from is gone: take a new snapshot.
    #[error("the watch cannot go on from version {version}")]
    Expired {
        /// The version that was asked for.
        version: Str,
    },
    /// The target could not be reached, is overloaded or failed. Trying again may help.
    #[error("{attempt}: {reason}")]
    Unavailable {
        /// What was attempted.
        attempt: String,
        /// What went wrong.
        reason: String,
    },
}

fn conflict_list(conflicts: &[FieldConflict]) -> String {
    let list: Vec<String> = conflicts
        .iter()
        .map(|c| format!("{} is owned by {:?}", c.field, c.manager))
        .collect();
    list.join(", ")
}

impl TargetError {
    /// Returns the status code of HTTP by which an API server says the same; 0 where it did not answer.
    #[must_use]
    pub const fn status_code(&self) -> u16 {
        match self {
            Self::UnknownKind { .. } | Self::NotFound { .. } | Self::NoNamespace { .. } => 404,
            Self::AlreadyExists { .. } | Self::Changed { .. } | Self::Conflict { .. } => 409,
            Self::Invalid { .. } => 422,
            Self::Forbidden { .. } => 403,
            Self::Expired { .. } => 410,
            Self::Unavailable { .. } => 0,
        }
    }

    /// Whether trying the same again may help without anybody changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Expired { .. })
    }
}

/// A cluster: a set of live objects that can be listed, watched and written.
///
/// Contract, which `gitops-memory` and `gitops-kube` both keep: a write that succeeds is in every later
/// answer; every object has a `metadata.uid` and a `metadata.resourceVersion` that changes when and only
/// when the object does; `metadata.generation` changes when anything but `metadata` and `status` does.
#[async_trait]
pub trait Target: Send + Sync {
    /// Tells which kinds are served. Cheap to call again: an implementation keeps the answer while it holds.
    ///
    /// # Errors
    /// [`TargetError::Unavailable`].
    async fn discover(&self) -> Result<Arc<Discovery>, TargetError>;

    /// Tells the version of the cluster, as `v1.36.0`; empty where it has none to tell. Charts are rendered for it.
    /// Cheap to call again.
    ///
    /// # Errors
    /// [`TargetError::Unavailable`].
    async fn version(&self) -> Result<Str, TargetError> {
        Ok(Str::default())
    }

    /// Returns the objects of a scope.
    ///
    /// # Errors
    /// [`TargetError::Unavailable`] where nothing could be listed; a single kind that could not is in
    /// [`Snapshot::unlisted`].
    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot, TargetError>;

    /// Returns the changes to the objects of a scope after a version. The stream ends, or ends with an error,
    /// when the connection does; go on from the last bookmark or object's version.
    ///
    /// # Errors
    /// [`TargetError::Expired`], also from within the stream, where the version is too old.
    async fn watch(
        &self,
        scope: &Scope,
        version: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent, TargetError>>, TargetError>;

    /// Returns one object as it is now.
    ///
    /// # Errors
    /// [`TargetError::UnknownKind`], [`TargetError::Unavailable`]; that there is none is no error.
    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, TargetError>;

    /// Writes one object.
    ///
    /// # Errors
    /// [`TargetError`]; nothing was written, except where an `Unavailable` hides a write that was done.
    async fn apply(&self, object: &Object, options: &ApplyOptions) -> Result<Applied, TargetError>;

    /// Deletes one object. It may stay for a while, marked with a deletion timestamp.
    ///
    /// # Errors
    /// [`TargetError::NotFound`] and the others.
    async fn delete(&self, key: &ObjectKey, options: &DeleteOptions) -> Result<(), TargetError>;

    /// Returns the same cluster as another user sees it: what is asked of it is asked in the name of that user and
    /// those groups, with their rights. `None` where this target cannot do so; the engine then refuses what a
    /// project wants done in another name.
    fn impersonate(&self, user: &str, groups: &[Str]) -> Option<Arc<dyn Target>> {
        let _ = (user, groups);
        None
    }

    /// Changes some fields of an object that exists, by a JSON merge patch (RFC 7386): `null` removes a field.
    /// Returns the object as it now is.
    ///
    /// Left as it is, the method reads, merges and replaces, as often as others come in between; an
    /// implementation that can send the patch itself does so.
    ///
    /// # Errors
    /// [`TargetError::NotFound`], [`TargetError::Changed`] where the precondition does not hold, and the others.
    async fn patch(
        &self,
        key: &ObjectKey,
        patch: &Value,
        options: &PatchOptions,
    ) -> Result<Object, TargetError> {
        let mut tries = 0;
        loop {
            let not_found = || TargetError::NotFound { key: key.clone() };
            let live = self.get(key).await?.ok_or_else(not_found)?;
            let differs = match &options.precondition {
                Precondition::None => None,
                Precondition::Absent => Some("it exists"),
                Precondition::Uid(uid) => {
                    (live.uid() != &**uid).then_some("it is another object of that name")
                }
                Precondition::Unchanged {
                    uid,
                    resource_version,
                } => (live.uid() != &**uid || live.resource_version() != &**resource_version)
                    .then_some("it is not as it was seen"),
            };
            if let Some(reason) = differs {
                return Err(TargetError::Changed {
                    key: key.clone(),
                    reason: reason.to_owned(),
                });
            }
            let merged = gitops_diff::merge_patch::apply(&live.to_value(), patch);
            let merged = Object::try_from(merged).map_err(|error| TargetError::Invalid {
                key: key.clone(),
                reason: error.to_string(),
            })?;
            let apply = ApplyOptions {
                mode: ApplyMode::Replace,
                manager: options.manager.clone(),
                precondition: Precondition::unchanged(Some(&live)),
                ..ApplyOptions::default()
            };
            match self.apply(&merged, &apply).await {
                Ok(applied) => return Ok(applied.object),
                Err(TargetError::Changed { .. })
                    if options.precondition == Precondition::None && tries < PATCH_TRIES =>
                {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
