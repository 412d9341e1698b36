//! The ground floor of the engine: values, objects, keys, YAML and file trees.
//!
//! Everything above speaks in the types of this crate. A [`Value`] is what a manifest says, cheap to share
//! and to compare; an [`Object`] is a value that a Kubernetes API would take; an [`ObjectKey`] tells one
//! object of a cluster from another; a [`FileTree`] is where manifests are read from.
//!
//! ```
//! use gitops_manifest::{Object, Value};
//!
//! let text = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}"#;
//! let mut object = Object::try_from(Value::from_json(text)?)?;
//! let before = object.clone(); // shares everything
//! object.set_label("app", "web"); // copies the two levels above the label
//! assert_ne!(object, before);
//! assert_eq!(object.key(), before.key());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
