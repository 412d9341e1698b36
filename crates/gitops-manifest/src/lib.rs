//! The ground floor of the engine: values, objects, keys, YAML and file trees.
//!
//! Everything above speaks in the types of this crate. A [`Value`] is what a manifest says, cheap to share
//! and to compare; an [`Object`] is a value that a Kubernetes API would take; an [`ObjectKey`] tells one
//! object of a cluster from another; [`yaml`] reads and writes them as Kubernetes does; a [`Diagnostic`] tells a
//! user what is wrong in a file; a [`FileTree`] is where manifests are read from.
//!
//! ```
//! use gitops_manifest::yaml::{self, EmitOptions, ParseOptions};
//! use gitops_manifest::{FileTree, MemoryTree, objects};
//!
//! let tree = MemoryTree::from_iter([(
//!     "web.yaml",
//!     "apiVersion: v1
//! kind: Service
//! metadata:
//!   name: web
//! ---
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: [no map]
//! ",
//! )]);
//! let text = String::from_utf8(tree.read("web.yaml")?.to_vec())?;
//! let (mut objects, diagnostics) = objects("web.yaml", &text, &ParseOptions::default());
//!
//! // The good document is read, the bad one is told.
//! let before = objects[0].clone(); // shares everything
//! objects[0].set_label("app", "on"); // copies the two levels above the label
//! assert_ne!(objects[0], before);
//! assert_eq!(objects[0].key(), before.key());
//! assert_eq!(
//!     yaml::emit(&objects[0].to_value(), &EmitOptions::default()),
//!     "apiVersion: v1
//! kind: Service
//! metadata:
//!   labels:
//!     app: \"on\"
//!   name: web
//! "
//! );
//! assert_eq!(
//!     diagnostics[0].to_string(),
//!     "error: metadata must be a map, not array
//!  --> web.yaml:6:1
//!   |
//! 6 | apiVersion: v1
//!   | ^"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
#![doc = include_str!("../docs/manifest.md")]
#![deny(missing_docs)]

mod diagnostic;
mod json;
mod number;
mod object;
mod objects;
mod str;
pub mod tree;
mod value;
pub mod yaml;

pub use diagnostic::{Diagnostic, Severity};
pub use number::Number;
pub use object::{GroupKind, GroupVersionKind, Object, ObjectError, ObjectKey};
pub use objects::{ListItemError, objects};
pub use str::Str;
pub use tree::{
    ContentId, DirTree, EntryKind, FileTree, MemoryTree, Reads, RecordingTree, TreeEntry, TreeError,
};
pub use value::{Array, Map, MapIter, Value};
