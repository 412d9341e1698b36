//! Patches and diffs of Kubernetes objects: JSON patch, merge patch, strategic merge, three-way and server-side apply
#![deny(missing_docs)]

pub mod compare;
mod defaults;
pub mod ignore;
pub mod json_patch;
pub mod mask;
pub mod merge_patch;
pub mod normalize;
pub mod path;
mod places;
mod pointer;
pub mod schema;
pub mod show;
pub mod strategic;
pub mod structured;

pub use compare::{CompareOptions, Comparison, Difference, Status, Why, compare};
pub use path::{Path, Step};
pub use pointer::{Pointer, PointerError};
