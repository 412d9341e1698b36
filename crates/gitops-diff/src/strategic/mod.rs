//! Strategic merge patch: the patch of `kubectl apply` and of client-side diffs.
//!
//! A strategic merge patch is a JSON merge patch that knows the types: lists whose field has the patch strategy `merge` are
//! merged element by element, by one key (`containers` by `name`) or as sets where the elements are scalars. What a
//! merge cannot say is said by directives:
//!
//! | directive | meaning |
//! | --- | --- |
//! | `{"$patch": "delete", KEY: …}` in a list | the element with that key is removed |
//! | `{"$patch": "replace"}` in a list | the other elements of the patch replace the whole list |
//! | `"$patch": "replace"` in a map | the map replaces the one that is there |
//! | `"$patch": "delete"` in a map | the map is emptied |
//! | `"$deleteFromPrimitiveList/FIELD": […]` | these scalars are removed from the list FIELD |
//! | `"$setElementOrder/FIELD": […]` | the order of the elements of the list FIELD |
//! | `"$retainKeys": […]` | members that are not named are removed |
//!
//! The behaviour is that of `k8s.io/apimachinery/pkg/util/strategicpatch` 0.36, errors included: patches that are made here
//! are read by API servers, and those that are made elsewhere mean here what they mean there.

mod apply;
mod conflict;
mod create;
mod lookup;
mod order;

use gitops_manifest::{Map, Value};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

/// Why a strategic merge patch cannot be made or applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StrategicError {
    /// Documents and patches are maps.
    #[error("the {document} of a strategic merge patch is {found}, not a map")]
    NotAMap {
        /// Which document.
        document: &'static str,
        /// The JSON type that was found.
        found: &'static str,
    },
    /// The type has no such field, and what is there cannot be merged without knowing it.
    #[error("field {field} is not in the schema of {schema}")]
    UnknownField {
        /// The field.
        field: String,
        /// The type that lacks it.
        schema: String,
    },
    /// An element of a list that merges by key is not a map, or lacks the key.
    #[error("an element of list {field} lacks the merge key {key}")]
    NoMergeKey {
        /// The list.
        field: String,
        /// The key.
        key: String,
    },
    /// The elements of a list that merges differ in type, or are lists.
    #[error("the elements of list {field} cannot be merged: {problem}")]
    BadElements {
        /// The list.
        field: String,
        /// What is wrong with them.
        problem: &'static str,
    },
    /// A directive is not known or malformed.
    #[error("bad directive {directive} in a strategic merge patch: {problem}")]
    BadDirective {
        /// The directive.
        directive: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The patch changes what was changed otherwise meanwhile.
    #[error("the patch conflicts with changes that were made to {path} since")]
    Conflict {
        /// The field, as a JSON pointer.
        path: String,
    },
}

type Result<T, E = StrategicError> = std::result::Result<T, E>;

/// How the value of a field is patched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy<'s> {
    /// Lists are merged element by element.
    pub merge: bool,
    /// Maps are replaced as a whole.
    pub replace: bool,
    /// Patches name the members to keep in `$retainKeys`.
    pub retain_keys: bool,
    /// The member by which elements of a list are told apart; empty for scalars.
    pub merge_key: &'s str,
}

/// What strategic merge asks of a schema: the type and strategy of a field.
///
/// The built-in types and OpenAPI schemas implement it; see [`crate::schema`].
pub trait PatchSchema: Sized + Copy {
    /// The strategy and type of a field that holds a map.
    ///
    /// # Errors
    /// Where the type has no such field.
    fn map_field(&self, field: &str) -> Result<(Self, PatchStrategy<'_>)>;

    /// The strategy of a field that holds a list, and the type of its elements.
    ///
    /// # Errors
    /// Where the type has no such field, or it is not a list.
    fn list_field(&self, field: &str) -> Result<(Self, PatchStrategy<'_>)>;
}

/// How a three-way patch is made.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ThreeWayOptions {
    /// Overwrite what was changed in the current document since the original one, instead of failing with
    /// [`StrategicError::Conflict`].
    pub overwrite: bool,
}

impl ThreeWayOptions {
    /// Sets whether changes of others are overwritten.
    #[must_use]
    pub const fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }
}

fn document<'v>(document: &'static str, value: &'v Value) -> Result<&'v Map> {
    static EMPTY: std::sync::LazyLock<Map> = std::sync::LazyLock::new(Map::new);
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(&EMPTY),
        other => Err(StrategicError::NotAMap {
            document,
            found: other.type_name(),
        }),
    }
}

/// Makes the patch that turns `original` into `modified`. `Value::Null` stands for no document.
///
/// # Errors
/// Where a document is not a map, a list that merges has elements that cannot be merged, or a map or list that changed is
/// not in the schema.
pub fn create<S: PatchSchema>(original: &Value, modified: &Value, schema: S) -> Result<Value> {
    let options = create::Options {
        set_order: true,
        ..create::Options::default()
    };
    create::maps(
        document("original", original)?,
        document("modified", modified)?,
        schema,
        options,
    )
    .map(Value::Object)
}

/// Makes the patch that brings `current` to `modified` and removes what `modified` lacks of `original`, leaving
/// alone what only `current` has. `Value::Null` stands for no document.
///
/// # Errors
/// As [`create`]; and [`StrategicError::Conflict`] where `current` was changed otherwise in the same place, unless
/// [`ThreeWayOptions::overwrite`] is set.
pub fn create_three_way<S: PatchSchema>(
    original: &Value,
    modified: &Value,
    current: &Value,
    schema: S,
    options: &ThreeWayOptions,
) -> Result<Value> {
    let original = document("original", original)?;
    let modified = document("modified", modified)?;
    let current = document("current", current)?;
    let delta = create::maps(
        current,
        modified,
        schema,
        create::Options {
            set_order: true,
            ignore_deletions: true,
            ..create::Options::default()
        },
    )?;
    let deletions = create::maps(
        original,
        modified,
        schema,
        create::Options {
            set_order: true,
            ignore_changes: true,
            ..create::Options::default()
        },
    )?;
    let patch = apply::maps(deletions, delta, schema, apply::Mode::Patches)?;
    if !options.overwrite {
        let changed = create::maps(original, current, schema, create::Options::default())?;
        if let Some(path) = conflict::maps(&patch, &changed, schema)? {
            return Err(StrategicError::Conflict { path });
        }
    }
    Ok(Value::Object(patch))
}

/// Applies a patch. What it does not touch is shared with `original`.
///
/// # Errors
/// Where a document is not a map, a directive is malformed, or a map or list that both have is not in the schema.
pub fn apply<S: PatchSchema>(original: &Value, patch: &Value, schema: S) -> Result<Value> {
    apply::maps(
        document("original", original)?.clone(),
        document("patch", patch)?.clone(),
        schema,
        apply::Mode::Document,
    )
    .map(Value::Object)
}

/// Joins patches into one that does what they do one after the other.
///
/// # Errors
/// As [`apply`].
pub fn merge_patches<S: PatchSchema>(patches: &[Value], schema: S) -> Result<Value> {
    patches
        .iter()
        .try_fold(Map::new(), |merged, patch| {
            apply::maps(
                merged,
                document("patch", patch)?.clone(),
                schema,
                apply::Mode::Patches,
            )
        })
        .map(Value::Object)
}

/// Whether two patches set one field to different values; the field as a JSON pointer.
///
/// # Errors
/// Where a list that merges has elements that cannot be merged, or a field is not in the schema.
pub fn conflicts<S: PatchSchema>(a: &Value, b: &Value, schema: S) -> Result<Option<String>> {
    conflict::maps(document("patch", a)?, document("patch", b)?, schema)
}

/// Puts each list that merges into the order of its merge key (scalars: unique and in order), so that documents can be
/// compared without regard to that order.
///
/// # Errors
/// Where a map or list is not in the schema, or a directive is malformed.
pub fn sort_merge_lists<S: PatchSchema>(value: &Value, schema: S) -> Result<Value> {
    order::sort_map(document("document", value)?, schema).map(Value::Object)
}

fn no_merge_key(field: &str, key: &str) -> StrategicError {
    StrategicError::NoMergeKey {
        field: field.to_owned(),
        key: key.to_owned(),
    }
}

fn bad_directive(directive: &str, problem: &'static str) -> StrategicError {
    StrategicError::BadDirective {
        directive: directive.to_owned(),
        problem,
    }
}

/// What the elements of a list are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Elements {
    Maps,
    Scalars,
}

/// Tells what the elements of lists are; they must all be of one type.
fn elements(field: &str, lists: &[&[Value]]) -> Result<Elements> {
    let bad = |problem| StrategicError::BadElements {
        field: field.to_owned(),
        problem,
    };
    let kind = |value: &Value| match value {
        Value::Number(number) if !number.is_integer() => "float",
        value => value.type_name(),
    };
    let mut all = lists.iter().flat_map(|list| list.iter());
    let first = all.next().ok_or_else(|| bad("there are none"))?;
    match first {
        Value::Array(_) => return Err(bad("they are lists")),
        Value::Null => return Err(bad("they are null")),
        _ => {}
    }
    if all.any(|value| kind(value) != kind(first)) {
        return Err(bad("they differ in type"));
    }
    Ok(if first.as_object().is_some() {
        Elements::Maps
    } else {
        Elements::Scalars
    })
}

/// Returns the merge key of each element.
fn merge_keys<'v>(field: &str, list: &'v [Value], key: &str) -> Result<Vec<&'v Value>> {
    list.iter()
        .map(|value| value.get(key).ok_or_else(|| no_merge_key(field, key)))
        .collect()
}
