//! Patches and diffs of Kubernetes objects: JSON patch, merge patch, strategic merge, three-way and server-side apply
#![deny(missing_docs)]

pub mod json_patch;
pub mod merge_patch;
mod pointer;
pub mod schema;
pub mod strategic;
pub mod structured;

pub use pointer::{Pointer, PointerError};
