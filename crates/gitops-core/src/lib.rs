//! The GitOps engine: what is desired comes out of a [`Source`], what is there sits in a [`Target`], and the
//! [`Engine`] computes, shows and carries out the [`Plan`] that takes the second to the first.
//!
//! ```text
//! Source ──resolve──▶ Revision ──tree──▶ FileTree ──render──▶ desired objects
//!                                                                  │
//! Target ──watch────────────────────────────▶ live objects ────────┤
//!                                                                  ▼
//!                                      comparison ─▶ plan ─▶ sync ─▶ history
//! ```
//!
//! It runs one way. Only sources and targets reach outside; what lies between them are functions of their
//! arguments. Time comes in through a [`Clock`], so that whole days of reconciling can be simulated in
//! microseconds, and what must survive a crash goes through a [`Store`].
//!
//! # Where to look
//!
//! - [`application`]: `Application` and `AppProject`, wire-compatible with `argoproj.io/v1alpha1`.
//! - [`Engine`]: takes applications over, reconciles them, syncs, plans and rolls back.
//! - [`sync`]: the semantics of a sync as a state machine of its own: phases, waves, hooks, pruning.
//! - [`comparison`]: desired against live, with health.
//! - [`project`], [`windows`], [`tracking`], [`deletion`], [`autosync`], [`retry`], [`rbac`]: the rules of Argo CD, each a
//!   module of pure functions; [`compat`] tells which of its quirks are left out unless they are asked for.
//! - [`Source`], [`Renderer`], [`Target`], [`Store`], [`Clock`], [`Observer`]: the traits. In-memory
//!   implementations of all of them are in `gitops-memory`.
//!
//! # Example
//!
//! A sync can be carried out on anything that implements [`sync::World`]; the order of its steps is a pure
//! function:
//!
//! ```
//! use gitops_core::sync::{SyncPhase, Task, sort_tasks};
//! use gitops_manifest::Object;
//! use serde_json::json;
//!
//! let object = |kind: &str, wave: &str| {
//!     Object::try_from(json!({"apiVersion": "v1", "kind": kind, "metadata": {
//!         "name": "x", "annotations": {"argocd.argoproj.io/sync-wave": wave}}}))
//! };
//! let mut tasks = vec![
//!     Task::new(SyncPhase::Sync, Some(object("Service", "1")?), None),
//!     Task::new(SyncPhase::Sync, Some(object("Pod", "0")?), None),
//!     Task::new(SyncPhase::Sync, Some(object("ConfigMap", "1")?), None),
//! ];
//! sort_tasks(&mut tasks);
//! let kinds: Vec<&str> = tasks.iter().map(|task| task.object().kind()).collect();
//! assert_eq!(kinds, ["Pod", "ConfigMap", "Service"]);
//! # Ok::<(), gitops_manifest::ObjectError>(())
//! ```
#![deny(missing_docs)]

pub mod application;
pub mod autosync;
mod build_environment;
pub mod comparison;
pub mod compat;
mod cron;
pub mod deletion;
mod diffing;
mod directory;
mod engine;
pub mod glob;
mod history;
mod links;
mod live;
pub mod nearness;
mod observer;
pub mod orphans;
mod plan;
pub mod project;
pub mod rbac;
#[cfg(feature = "redb")]
mod redb;
mod renderer;
pub mod retry;
pub mod settings;
mod source;
mod store;
pub mod sync;
mod target;
mod time;
pub mod tracking;
pub mod windows;

pub use build_environment::BuildEnvironment;
pub use compat::Compat;
pub use diffing::Differ;
pub use directory::DirectoryRenderer;
pub use engine::chain as error_chain;
pub use engine::{
    ClusterState, DEPENDS_ON, Engine, EngineBuilder, EngineError, EngineOptions, Hold,
    LOCAL_SERVER, LiveView, Next, OperationRecord, PROGRESS_DEADLINE, REFRESH, Refreshed, Requests,
    SYNC_TIMEOUT, SourceNews, SyncRequest,
};
pub use history::{Execution, History, HistoryEntry, Limits};
pub use live::{LiveCache, LiveState, News};
pub use observer::{ApplicationId, Event, EventKind, Observer, Verb};
pub use plan::{Action, PLAN_FORMAT, Phase, Plan, Step, Wave};
#[cfg(feature = "redb")]
pub use redb::RedbStore;
pub use renderer::{Basis, RenderError, RenderOptions, Rendered, Renderer, SourceTrees};
pub use source::{Revision, RevisionInfo, Source, SourceError, SourceRef, Sources};
pub use store::{Store, StoreError, Write};
pub use target::{
    ApiKind, Applied, ApplyMode, ApplyOptions, DeleteOptions, Discovery, Effect, FieldConflict,
    PatchOptions, Precondition, Propagation, Scope, Snapshot, Target, TargetError, WatchEvent,
};
pub use time::{Clock, SystemClock, Timestamp};
