//! JSON merge patch (RFC 7396): making, applying, three-way and conflicts.

use gitops_manifest::{Map, Value};

/// Why a three-way merge patch cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergePatchError {
    /// A document of a three-way patch must be a map.
    #[error("the {document} document of a three-way merge patch is {found}, not a map")]
    NotAMap {
        /// `original`, `modified` or `current`.
        document: &'static str,
        /// The JSON type that was found.
        found: &'static str,
    },
    /// One field is deleted and set at once.
    #[error("the three-way merge patch deletes and sets {path} at once")]
    Conflict {
        /// The field, as a JSON pointer.
        path: String,
    },
}

/// Applies a merge patch: maps merge, `null` removes, everything else replaces. `target` shares with the result what the patch
/// does not touch.
///
/// ```
/// use gitops_diff::merge_patch;
/// use gitops_manifest::Value;
/// let target = Value::from_json(r#"{"a": 1, "b": {"c": 2, "d": 3}}"#)?;
/// let patch = Value::from_json(r#"{"a": null, "b": {"c": 4}}"#)?;
/// assert_eq!(merge_patch::apply(&target, &patch).to_json(), r#"{"b":{"c":4,"d":3}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn apply(target: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut result = match target {
        Value::Object(map) => map.clone(),
        _ => Map::new(),
    };
    for (key, value) in patch {
        match value {
            Value::Null => {
                result.remove(key);
            }
            Value::Object(_) => {
                let before = result.get(key).unwrap_or(&Value::Null);
                let after = apply(before, value);
                if !after.ptr_eq(before) {
                    result.insert(key, after);
                }
            }
            value => {
                if result.get(key) != Some(value) {
                    result.insert(key, value.clone());
                }
            }
        }
    }
    Value::Object(result)
}

/// Makes the patch that turns `from` into `to`. It is an empty map where they are equal.
///
/// A merge patch has no word for a member that is `null`: where `to` holds one, applying the patch removes
/// the member instead.
#[must_use]
pub fn create(from: &Value, to: &Value) -> Value {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => Value::Object(create_map(from, to)),
        _ => to.clone(),
    }
}

fn create_map(from: &Map, to: &Map) -> Map {
    if from.ptr_eq(to) {
        return Map::new();
    }
    let mut entries = Vec::new();
    for (key, after) in to {
        match (from.get(key), after) {
            (Some(Value::Object(before)), Value::Object(after)) => {
                let patch = create_map(before, after);
                if !patch.is_empty() {
                    entries.push((key.clone(), Value::Object(patch)));
                }
            }
            (Some(before), after) if before == after => {}
            (_, after) => entries.push((key.clone(), after.clone())),
        }
    }
    for (key, _) in from.iter().filter(|(key, _)| !to.contains_key(key)) {
        entries.push((key.clone(), Value::Null));
    }
    Map::from_entries(entries)
}

/// Makes the patch that brings `current` to `modified` and removes what `modified` lacks of `original`.
///
/// As `CreateThreeWayJSONMergePatch` of `k8s.io/apimachinery` 0.36: deletions come from `original` to
/// `modified`, additions and changes from `current` to `modified`. `Value::Null` stands for no document.
///
/// # Errors
/// Where a document is not a map, or one field would be deleted and set at once.
pub fn three_way(
    original: &Value,
    modified: &Value,
    current: &Value,
) -> Result<Value, MergePatchError> {
    let original = document("original", original)?;
    let modified = document("modified", modified)?;
    let current = document("current", current)?;
    let changes = without_null(&create_map(&current, &modified));
    let deletions = only_null(&create_map(&original, &modified));
    if let Some(path) = conflict(
        &Value::Object(changes.clone()),
        &Value::Object(deletions.clone()),
    ) {
        return Err(MergePatchError::Conflict { path });
    }
    Ok(overlay(deletions, &changes))
}

fn document(name: &'static str, value: &Value) -> Result<Map, MergePatchError> {
    match value {
        Value::Object(map) => Ok(map.clone()),
        Value::Null => Ok(Map::new()),
        other => Err(MergePatchError::NotAMap {
            document: name,
            found: other.type_name(),
        }),
    }
}

/// Lays changes, which hold no null member, over deletions, keeping the nulls of these.
fn overlay(mut deletions: Map, changes: &Map) -> Value {
    for (key, value) in changes {
        let merged = match (deletions.get(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => overlay(below.clone(), above),
            _ => value.clone(),
        };
        deletions.insert(key, merged);
    }
    Value::Object(deletions)
}

/// Keeps what leads to a `null`: the deletions of a patch.
#[must_use]
pub fn only_null(patch: &Map) -> Map {
    let mut kept = Vec::new();
    for (key, value) in patch {
        match value {
            Value::Null => kept.push((key.clone(), Value::Null)),
            Value::Object(map) => {
                let below = only_null(map);
                if !below.is_empty() {
                    kept.push((key.clone(), Value::Object(below)));
                }
            }
            _ => {}
        }
    }
    Map::from_entries(kept)
}

/// Drops every `null` member, and every map that becomes empty by that: the additions and changes of a patch.
#[must_use]
pub fn without_null(patch: &Map) -> Map {
    let mut kept = Vec::with_capacity(patch.len());
    for (key, value) in patch {
        match value {
            Value::Null => {}
            Value::Object(map) if !map.is_empty() => {
                let below = without_null(map);
                if !below.is_empty() {
                    kept.push((key.clone(), Value::Object(below)));
                }
            }
            value => kept.push((key.clone(), value.clone())),
        }
    }
    Map::from_entries(kept)
}

/// Whether two patches set one field to different values.
#[must_use]
pub fn conflicts(a: &Value, b: &Value) -> bool {
    conflict(a, b).is_some()
}

/// Finds the first field that two patches set to different values, as a JSON pointer.
fn conflict(a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(key, left)| {
            let below = conflict(left, b.get(key)?)?;
            Some(format!(
                "/{}{below}",
                key.replace('~', "~0").replace('/', "~1")
            ))
        }),
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Some(String::new());
            }
            a.iter()
                .zip(b.iter())
                .enumerate()
                .find_map(|(i, (left, right))| Some(format!("/{i}{}", conflict(left, right)?)))
        }
        (a, b) => (a != b).then(String::new),
    }
}
