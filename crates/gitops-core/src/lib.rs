//! The engine.
#![deny(missing_docs)]

pub mod application;
pub mod autosync;
pub mod glob;
pub mod project;
mod renderer;
pub mod retry;
mod source;
mod store;
pub mod sync;
mod target;
mod time;
pub mod tracking;

pub use renderer::{RenderError, RenderOptions, Rendered, Renderer};
pub use source::{Revision, RevisionInfo, Source, SourceError, SourceRef, Sources};
pub use store::{Store, StoreError, Write};
pub use target::{
    ApiKind, Applied, ApplyMode, ApplyOptions, DeleteOptions, Discovery, Effect, FieldConflict,
    Precondition, Propagation, Scope, Snapshot, Target, TargetError, WatchEvent,
};
pub use time::{Clock, SystemClock, Timestamp};
