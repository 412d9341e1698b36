//! Patches and diffs of Kubernetes objects: JSON patch, merge patch, strategic merge, three-way and server-side apply
#![deny(missing_docs)]

pub mod schema;
