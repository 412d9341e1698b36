//! Carrying out a sync, with the semantics of Argo CD 3.6: phases, waves, hooks, pruning, health gates.
//!
//! A sync is a loop of steps. Every [`SyncState::step`] builds all [`Task`]s anew from desired and live state,
//! lays over them what earlier steps recorded, and does the next thing that can be done. Nothing but the
//! recorded results carries over, so that a step may be the first one after a crash.
//!
//! The steps reach the outside through [`World`] alone: an engine puts a cluster behind it, a test a script.

mod hooks;
mod order;
mod state;
mod tasks;

use async_trait::async_trait;
use gitops_health::HealthStatus;
use gitops_manifest::{GroupVersionKind, Object, ObjectKey, Str};
use serde::{Deserialize, Serialize};

use crate::{ApiKind, Propagation, Timestamp};

pub use hooks::{HookDeletePolicy, HookType, Hooks, wave_of};
pub use order::sort_tasks;
pub use state::{SyncState, TaskResult};
pub use tasks::Task;
pub(crate) use tasks::is_namespace;

/// The finalizer that keeps a finished hook until its result was read.
pub const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";

/// The annotation with options for one object, as `Prune=false,Replace=true`.
pub const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";

/// A phase of a sync.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum SyncPhase {
    /// Before anything is applied.
    PreSync,
    /// When the objects are applied.
    #[default]
    Sync,
    /// After all is applied and healthy.
    PostSync,
    /// After a failure.
    SyncFail,
}

impl SyncPhase {
    /// Returns the name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreSync => "PreSync",
            Self::Sync => "Sync",
            Self::PostSync => "PostSync",
            Self::SyncFail => "SyncFail",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::PreSync, Self::Sync, Self::PostSync, Self::SyncFail]
            .into_iter()
            .find(|phase| phase.as_str() == text)
    }
}

impl std::fmt::Display for SyncPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A desired object with the live one of its key. At least one of them is there.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What is wanted; absent where the object is to be pruned.
    pub desired: Option<Object>,
    /// What is there.
    pub live: Option<Object>,
    /// Whether they differ.
    pub out_of_sync: bool,
}

impl Pair {
    /// Returns the key, of the live object where there is one.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        self.live
            .as_ref()
            .or(self.desired.as_ref())
            .map(Object::key)
            .unwrap_or_default()
    }
}

/// What a step of a sync starts from.
#[derive(Clone, Debug, Default)]
pub struct SyncInput {
    /// The settings.
    pub settings: SyncSettings,
    /// The desired objects with their live ones, and live ones that are not desired any more. No hooks.
    pub pairs: Vec<Pair>,
    /// The desired hooks, each with the live object of its key.
    pub hooks: Vec<(Object, Option<Object>)>,
    /// The live destination namespace.
    pub namespace: Option<Object>,
}

/// The settings of one sync.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SyncSettings {
    /// The namespace for objects that name none.
    pub namespace: Str,
    /// The revision that is synced.
    pub revision: Str,
    /// When the sync began.
    pub started_at: Timestamp,
    /// Whether objects without a desired state are deleted.
    pub prune: bool,
    /// Whether the cluster only says what it would do.
    pub dry_run: bool,
    /// Whether objects that cannot be changed are made anew.
    pub force: bool,
    /// Whether hooks are left out.
    pub skip_hooks: bool,
    /// Whether pruning comes after everything else.
    pub prune_last: bool,
    /// Whether objects are replaced rather than applied.
    pub replace: bool,
    /// Whether objects are applied server-side.
    pub server_side_apply: bool,
    /// Whether a server-side apply leaves alone what was applied on the client side.
    pub keep_client_side: bool,
    /// Whether objects are not checked against their schema.
    pub skip_validation: bool,
    /// Whether only objects that differ are applied.
    pub out_of_sync_only: bool,
    /// Whether a kind that is not known yet is no error.
    pub skip_dry_run_on_missing: bool,
    /// Whether the namespace is made where it is missing.
    pub create_namespace: bool,
    /// The metadata of that namespace; where there is any, the namespace is applied in each sync.
    pub namespace_metadata: Option<crate::application::ManagedNamespaceMetadata>,
    /// `Prune=` of the application: `false` or `confirm`.
    pub prune_option: Str,
    /// Whether somebody has agreed to the pruning.
    pub prune_confirmed: bool,
    /// What happens to what pruned objects and deleted hooks own.
    pub propagation: Propagation,
    /// The objects to sync; `None` for all. A sync of some runs no hooks.
    pub selection: Option<Vec<ObjectKey>>,
    /// The objects that are left out of a sync, whatever is selected. A sync with such runs no hooks.
    pub deselection: Vec<ObjectKey>,
    /// Whether the application has a list of sources, be there one in it or more.
    pub several_sources: bool,
    /// Whether an object that is another application's as well is an error.
    pub fail_on_shared: bool,
    /// Whether fields whose differences do not count are left as they are.
    pub respect_ignored: bool,
}

impl SyncSettings {
    /// Whether not all objects are synced.
    #[must_use]
    pub const fn is_selective(&self) -> bool {
        self.selection.is_some() || !self.deselection.is_empty()
    }

    /// Whether an object is synced.
    #[must_use]
    pub fn selects(&self, key: &ObjectKey) -> bool {
        let means = |chosen: &ObjectKey| {
            chosen.group == key.group
                && chosen.kind == key.kind
                && chosen.name == key.name
                && (chosen.namespace.is_empty() || chosen.namespace == key.namespace)
        };
        self.selection
            .as_ref()
            .is_none_or(|selection| selection.iter().any(means))
            && !self.deselection.iter().any(means)
    }
}

/// How an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteMode {
    /// Applied.
    Apply,
    /// Made.
    Create,
    /// Replaced as a whole.
    Replace,
    /// Replaced as a whole, if it is still the one that was seen. For kinds that take their children along
    /// when they are made anew.
    Update,
}

/// A write that a sync asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteRequest {
    /// How the object is written.
    pub mode: WriteMode,
    /// Whether the cluster only says what it would do.
    pub dry_run: bool,
    /// Whether an object that cannot be changed is made anew.
    pub force: bool,
    /// Whether it is applied server-side.
    pub server_side: bool,
    /// Whether a server-side apply leaves alone what was applied on the client side.
    pub keep_client_side: bool,
    /// Whether it is checked against its schema.
    pub validate: bool,
}

/// What a sync acts on.
#[async_trait]
pub trait World: Send + Sync {
    /// Tells whether a kind is served; an error stops the sync.
    fn kind(&self, gvk: &GroupVersionKind) -> Result<Option<ApiKind>, String>;

    /// Says that a kind is not served.
    fn unknown_kind(&self, gvk: &GroupVersionKind) -> String {
        format!("the cluster does not know kind {gvk}")
    }

    /// Tells whether the project permits an object.
    ///
    /// # Errors
    /// The rule that refuses it.
    fn permit(&self, object: &Object, kind: &ApiKind) -> Result<(), String>;

    /// Assesses an object: its status and message, `None` where it has no health.
    ///
    /// # Errors
    /// Where the assessment failed.
    fn health(&self, object: &Object) -> Result<Option<(HealthStatus, String)>, String>;

    /// Reads one object past any cache.
    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, String>;

    /// Writes an object; returns what is to be said of it. `live` is what the sync saw under its key.
    async fn write(
        &self,
        object: &Object,
        live: Option<&Object>,
        request: WriteRequest,
    ) -> Result<String, String>;

    /// Deletes an object that is gone from the source.
    async fn prune(&self, live: &Object, propagation: Propagation) -> Result<(), String>;

    /// Deletes a hook; `false` where it was gone already.
    async fn delete_hook(&self, live: &Object, propagation: Propagation) -> Result<bool, String>;

    /// Takes the [`HOOK_FINALIZER`] off a hook.
    async fn remove_finalizer(&self, live: &Object) -> Result<(), String>;

    /// Is called after every wave that did not fail.
    ///
    /// # Errors
    /// An error ends the sync.
    async fn wave_done(&self, phase: SyncPhase, wave: i64, last: bool) -> Result<(), String>;

    /// Keeps the state where a crash does not reach it. Called before hooks are made.
    ///
    /// # Errors
    /// An error ends the step before anything is made.
    async fn save(&self, state: &SyncState) -> Result<(), String>;
}

/// Goes over the options of an object's annotation: comma-separated `Name=value`, trimmed.
pub(crate) fn object_options(object: &Object) -> impl Iterator<Item = (&str, &str)> {
    let text = object.annotation(SYNC_OPTIONS).unwrap_or_default();
    text.split(',')
        .filter_map(|option| option.trim().split_once('='))
}

/// Whether an object's annotation has exactly this option.
pub(crate) fn has_option(object: &Object, name: &str, value: &str) -> bool {
    object_options(object).any(|option| option == (name, value))
}
