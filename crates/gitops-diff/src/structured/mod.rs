#![doc = include_str!("../../docs/server-side-apply.md")]

mod compare;
mod encode;
mod fields;
mod items;
mod managers;
mod merge;
mod migrate;
mod order;
mod packed;
mod path;
mod pattern;
mod prediction;
mod reconcile;
mod registry;
mod remove;
mod server;
mod set;
mod stored;
mod typed;
mod updater;

pub use compare::FieldComparison;
pub use encode::FieldSetError;
pub use managers::{Conflict, Conflicts, ManagerId, Managers, ManagersError, Operation, Owned};
pub use migrate::{client_side_appliers, migrate_to_apply};
pub use order::compare_values;
pub use path::{FieldPath, PathElement};
pub use pattern::Pattern;
pub use prediction::{Prediction, predict};
pub use remove::Emptied;
pub use server::{WriteError, WriteOptions, Written, apply, update};
pub use set::FieldSet;
pub use stored::fill_defaults;
pub use typed::{Duplicates, Typed, Unfit, Violation};
pub use updater::{ConvertError, Converter, Ignored, SameInEveryVersion, UpdateError, Updater};
