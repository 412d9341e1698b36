//! JSON patch (RFC 6902): reading, applying and making patches.

use gitops_manifest::{Map, Value};

use crate::pointer::{self, Pointer, PointerError};

/// How many values the `copy` operations of one patch may copy. Each copy can double a document.
const MAX_COPIED: usize = 1_000_000;
/// How deep the result may be nested.
const MAX_DEPTH: usize = 256;

/// Why a JSON patch cannot be read or applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonPatchError {
    /// A patch is a list of operations.
    #[error("a json patch is a list of operations, this is {found}")]
    NotAList {
        /// The JSON type that was found.
        found: &'static str,
    },
    /// An operation lacks a member or has one of the wrong type.
    #[error("operation {index} of the json patch: {problem}")]
    BadOperation {
        /// Which operation, from 0.
        index: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A pointer of an operation is malformed.
    #[error("operation {index} of the json patch has a bad {member}")]
    BadPointer {
        /// Which operation, from 0.
        index: usize,
        /// `path` or `from`.
        member: &'static str,
        /// What is wrong with the pointer.
        #[source]
        source: PointerError,
    },
    /// An operation cannot be carried out on this document.
    #[error("{operation} at {path:?} (operation {index} of the json patch): {problem}")]
    Failed {
        /// Which operation, from 0.
        index: usize,
        /// The operation's name.
        operation: &'static str,
        /// Where it was to be done.
        path: String,
        /// Why it cannot be done.
        problem: String,
    },
}

/// One operation of a JSON patch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Puts a value into a map, or inserts it into a list.
    Add {
        /// Where.
        path: Pointer,
        /// What.
        value: Value,
    },
    /// Removes what is there.
    Remove {
        /// Where.
        path: Pointer,
    },
    /// Puts a value in the place of what is there.
    Replace {
        /// Where.
        path: Pointer,
        /// What.
        value: Value,
    },
    /// Removes a value from one place and adds it at another.
    Move {
        /// Where from.
        from: Pointer,
        /// Where to.
        path: Pointer,
    },
    /// Adds a value that is at one place at another too.
    Copy {
        /// Where from.
        from: Pointer,
        /// Where to.
        path: Pointer,
    },
    /// Fails the patch where another value is there.
    Test {
        /// Where.
        path: Pointer,
        /// What must be there.
        value: Value,
    },
}

impl Operation {
    /// Returns the name of the operation: `add`, `remove`, `replace`, `move`, `copy` or `test`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
            Self::Replace { .. } => "replace",
            Self::Move { .. } => "move",
            Self::Copy { .. } => "copy",
            Self::Test { .. } => "test",
        }
    }

    /// Returns where the operation acts.
    #[must_use]
    pub const fn path(&self) -> &Pointer {
        match self {
            Self::Add { path, .. }
            | Self::Remove { path }
            | Self::Replace { path, .. }
            | Self::Move { path, .. }
            | Self::Copy { path, .. }
            | Self::Test { path, .. } => path,
        }
    }
}

/// How list indexes and absent members are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// To the letter of RFC 6902.
    #[default]
    Rfc6902,
    /// As `github.com/evanphx/json-patch` does, which Argo CD, kubectl and kustomize use: an index may have leading zeros, a
    /// plus sign, or count from the end (`-1`).
    Evanphx,
}

impl Dialect {
    /// Reads an index into a list of `len` elements (for `add`: one more than there are).
    pub(crate) fn index(self, token: &str, len: usize) -> Option<usize> {
        let index = match self {
            Self::Rfc6902 => pointer::index(token)?,
            Self::Evanphx => {
                let index: i64 = token.parse().ok()?;
                match usize::try_from(index) {
                    Ok(index) => index,
                    Err(_) => len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
                }
            }
        };
        (index < len).then_some(index)
    }
}

/// A JSON patch: operations that are carried out in order, all of them or none.
///
/// ```
/// use gitops_diff::json_patch::JsonPatch;
/// use gitops_manifest::Value;
///
/// let patch = JsonPatch::from_value(&Value::from_json(
///     r#"[{"op": "test", "path": "/spec/replicas", "value": 1}, {"op": "replace", "path": "/spec/replicas", "value": 3}]"#,
/// )?)?;
/// let live = Value::from_json(r#"{"spec": {"replicas": 1}}"#)?;
/// assert_eq!(patch.apply(&live)?.to_json(), r#"{"spec":{"replicas":3}}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonPatch {
    operations: Vec<Operation>,
}

impl JsonPatch {
    /// Makes a patch of operations.
    #[must_use]
    pub const fn new(operations: Vec<Operation>) -> Self {
        Self { operations }
    }

    /// Reads a patch. Members that RFC 6902 does not name are passed over.
    ///
    /// # Errors
    /// Where the value is not a list of operations. Nothing is applied by then.
    pub fn from_value(value: &Value) -> Result<Self, JsonPatchError> {
        let list = value.as_array().ok_or(JsonPatchError::NotAList {
            found: value.type_name(),
        })?;
        let operations = list
            .iter()
            .enumerate()
            .map(|(index, value)| read_operation(index, value))
            .collect::<Result<_, _>>()?;
        Ok(Self { operations })
    }

    /// Returns the operations.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether there is no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Applies the patch and returns the result; `target` stays as it is, and shares with the result what
    /// the patch does not touch.
    ///
    /// # Errors
    /// Where an operation cannot be carried out, or a `test` does not hold.
    pub fn apply(&self, target: &Value) -> Result<Value, JsonPatchError> {
        self.apply_as(target, Dialect::Rfc6902)
    }

    /// Applies the patch in a dialect.
    ///
    /// # Errors
    /// As [`JsonPatch::apply`].
    pub fn apply_as(&self, target: &Value, dialect: Dialect) -> Result<Value, JsonPatchError> {
        let mut result = target.clone();
        let mut copied = 0;
        for (index, operation) in self.operations.iter().enumerate() {
            step(&mut result, operation, dialect, &mut copied).map_err(|problem| {
                JsonPatchError::Failed {
                    index,
                    operation: operation.name(),
                    path: operation.path().to_string(),
                    problem,
                }
            })?;
        }
        Ok(result)
    }

    /// Returns the patch as a JSON value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        self.operations
            .iter()
            .map(|operation| {
                let mut map = Map::new();
                map.insert("op", operation.name());
                map.insert("path", operation.path().to_string());
                match operation {
                    Operation::Add { value, .. }
                    | Operation::Replace { value, .. }
                    | Operation::Test { value, .. } => {
                        map.insert("value", value.clone());
                    }
                    Operation::Move { from, .. } | Operation::Copy { from, .. } => {
                        map.insert("from", from.to_string());
                    }
                    Operation::Remove { .. } => {}
                }
                Value::Object(map)
            })
            .collect::<Vec<_>>()
            .into()
    }
}

fn read_operation(index: usize, value: &Value) -> Result<Operation, JsonPatchError> {
    let bad = |problem: String| JsonPatchError::BadOperation { index, problem };
    let map = value
        .as_object()
        .ok_or_else(|| bad(format!("it is {}, not a map", value.type_name())))?;
    let text = |member: &'static str| match map.get(member) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(other) => Err(bad(format!(
            "{member} is {}, not a string",
            other.type_name()
        ))),
        None => Err(bad(format!("{member} is missing"))),
    };
    let pointer = |member: &'static str| {
        Pointer::parse(text(member)?).map_err(|source| JsonPatchError::BadPointer {
            index,
            member,
            source,
        })
    };
    let operand = || {
        map.get("value")
            .cloned()
            .ok_or_else(|| bad("value is missing".to_owned()))
    };
    Ok(match text("op")? {
        "add" => Operation::Add {
            path: pointer("path")?,
            value: operand()?,
        },
        "remove" => Operation::Remove {
            path: pointer("path")?,
        },
        "replace" => Operation::Replace {
            path: pointer("path")?,
            value: operand()?,
        },
        "move" => Operation::Move {
            from: pointer("from")?,
            path: pointer("path")?,
        },
        "copy" => Operation::Copy {
            from: pointer("from")?,
            path: pointer("path")?,
        },
        "test" => Operation::Test {
            path: pointer("path")?,
            value: operand()?,
        },
        other => return Err(bad(format!("there is no operation {other:?}"))),
    })
}

type Step<T> = Result<T, String>;

fn step(root: &mut Value, operation: &Operation, dialect: Dialect, copied: &mut usize) -> Step<()> {
    match operation {
        Operation::Add { path, value } => {
            within_depth(path, value)?;
            add(root, path, value.clone(), dialect)
        }
        Operation::Remove { path } => remove(root, path, dialect).map(drop),
        Operation::Replace { path, value } => {
            within_depth(path, value)?;
            *find_mut(root, path, dialect)? = value.clone();
            Ok(())
        }
        Operation::Move { from, path } => {
            if from == path {
                return find(root, from, dialect).map(drop);
            }
            if from.contains(path) {
                return Err(format!(
                    "a value cannot be moved from {from:?} into itself",
                    from = from.to_string()
                ));
            }
            let value = remove(root, from, dialect)?;
            within_depth(path, &value)?;
            add(root, path, value, dialect)
        }
        Operation::Copy { from, path } => {
            let value = find(root, from, dialect)?.clone();
            *copied += count(&value, MAX_COPIED.saturating_sub(*copied))
                .ok_or_else(|| format!("copies come to more than {MAX_COPIED} values"))?;
            within_depth(path, &value)?;
            add(root, path, value, dialect)
        }
        Operation::Test { path, value } => {
            let found = find(root, path, dialect)?;
            if found == value {
                Ok(())
            } else {
                Err("another value is there".to_owned())
            }
        }
    }
}

/// Counts the values within a value; `None` where there are more than `limit`.
fn count(value: &Value, limit: usize) -> Option<usize> {
    let mut total = 0;
    let mut todo = vec![value];
    while let Some(value) = todo.pop() {
        total += 1;
        if total > limit {
            return None;
        }
        match value {
            Value::Array(array) => todo.extend(array.iter()),
            Value::Object(map) => todo.extend(map.values()),
            _ => {}
        }
    }
    Some(total)
}

/// Refuses to nest deeper than anything that walks values can be asked to.
fn within_depth(path: &Pointer, value: &Value) -> Step<()> {
    fn fits(value: &Value, left: usize) -> bool {
        match value {
            Value::Array(array) => left > 0 && array.iter().all(|value| fits(value, left - 1)),
            Value::Object(map) => left > 0 && map.values().all(|value| fits(value, left - 1)),
            _ => true,
        }
    }
    if fits(value, MAX_DEPTH.saturating_sub(path.tokens().len())) {
        Ok(())
    } else {
        Err(format!(
            "the result would be nested deeper than {MAX_DEPTH} levels"
        ))
    }
}

fn find<'v>(root: &'v Value, path: &Pointer, dialect: Dialect) -> Step<&'v Value> {
    path.tokens()
        .iter()
        .try_fold(root, |value, token| match value {
            Value::Object(map) => map.get(token).ok_or_else(|| no_member(token)),
            Value::Array(array) => dialect
                .index(token, array.len())
                .map(|i| &array[i])
                .ok_or_else(|| no_element(token, array.len())),
            other => Err(not_a_container(token, other)),
        })
}

fn find_mut<'v>(root: &'v mut Value, path: &Pointer, dialect: Dialect) -> Step<&'v mut Value> {
    path.tokens()
        .iter()
        .try_fold(root, |value, token| child_mut(value, token, dialect))
}

fn child_mut<'v>(value: &'v mut Value, token: &str, dialect: Dialect) -> Step<&'v mut Value> {
    match value {
        Value::Object(map) => map.get_mut(token).ok_or_else(|| no_member(token)),
        Value::Array(array) => match dialect.index(token, array.len()) {
            Some(i) => Ok(&mut array.make_mut()[i]),
            None => Err(no_element(token, array.len())),
        },
        other => Err(not_a_container(token, other)),
    }
}

fn parent_mut<'v, 'p>(
    root: &'v mut Value,
    path: &'p Pointer,
    dialect: Dialect,
) -> Step<Option<(&'v mut Value, &'p str)>> {
    let Some((last, way)) = path.tokens().split_last() else {
        return Ok(None);
    };
    let parent = way
        .iter()
        .try_fold(root, |value, token| child_mut(value, token, dialect))?;
    Ok(Some((parent, last)))
}

fn add(root: &mut Value, path: &Pointer, value: Value, dialect: Dialect) -> Step<()> {
    let Some((parent, last)) = parent_mut(root, path, dialect)? else {
        *root = value;
        return Ok(());
    };
    match parent {
        Value::Object(map) => {
            map.insert(last, value);
            Ok(())
        }
        Value::Array(array) => {
            let len = array.len();
            let at = if last == "-" {
                len
            } else {
                dialect
                    .index(last, len + 1)
                    .ok_or_else(|| no_element(last, len))?
            };
            array.make_mut().insert(at, value);
            Ok(())
        }
        other => Err(not_a_container(last, other)),
    }
}

fn remove(root: &mut Value, path: &Pointer, dialect: Dialect) -> Step<Value> {
    let Some((parent, last)) = parent_mut(root, path, dialect)? else {
        return Ok(root.take());
    };
    match parent {
        Value::Object(map) => map.remove(last).ok_or_else(|| no_member(last)),
        Value::Array(array) => match dialect.index(last, array.len()) {
            Some(i) => Ok(array.make_mut().remove(i)),
            None => Err(no_element(last, array.len())),
        },
        other => Err(not_a_container(last, other)),
    }
}

fn no_member(token: &str) -> String {
    format!("there is no member {token:?}")
}

fn no_element(token: &str, len: usize) -> String {
    format!("{token:?} is no index into a list of {len}")
}

fn not_a_container(token: &str, value: &Value) -> String {
    format!(
        "{token:?} leads into {}, which has no members",
        value.type_name()
    )
}

/// Makes a patch that turns `from` into `to`. Lists are compared element by element after what they have in
/// common at both ends; applying the patch to `from` gives `to` exactly.
#[must_use]
pub fn create(from: &Value, to: &Value) -> JsonPatch {
    let mut operations = Vec::new();
    let mut path = Vec::new();
    differ(from, to, &mut path, &mut operations);
    JsonPatch { operations }
}

fn differ(
    from: &Value,
    to: &Value,
    path: &mut Vec<gitops_manifest::Str>,
    out: &mut Vec<Operation>,
) {
    let here = |path: &Vec<_>, token: gitops_manifest::Str| {
        Pointer::from_tokens(path.iter().cloned().chain([token]))
    };
    match (from, to) {
        (Value::Object(a), Value::Object(b)) => {
            if a.ptr_eq(b) {
                return;
            }
            for (key, _) in a.iter().filter(|(key, _)| !b.contains_key(key)) {
                out.push(Operation::Remove {
                    path: here(path, key.clone()),
                });
            }
            for (key, value) in b {
                match a.get(key) {
                    None => out.push(Operation::Add {
                        path: here(path, key.clone()),
                        value: value.clone(),
                    }),
                    Some(before) => {
                        path.push(key.clone());
                        differ(before, value, path, out);
                        path.pop();
                    }
                }
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.ptr_eq(b) {
                return;
            }
            let head = a.iter().zip(b.iter()).take_while(|(a, b)| a == b).count();
            let tail = a[head..]
                .iter()
                .rev()
                .zip(b[head..].iter().rev())
                .take_while(|(a, b)| a == b)
                .count();
            let (a, b) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
            let both = a.len().min(b.len());
            for (i, (before, after)) in a.iter().zip(b).enumerate() {
                path.push((head + i).to_string().into());
                differ(before, after, path, out);
                path.pop();
            }
            // From the end, so that the indexes of those that are still to go stay what they are.
            for i in (both..a.len()).rev() {
                out.push(Operation::Remove {
                    path: here(path, (head + i).to_string().into()),
                });
            }
            for (i, value) in b.iter().enumerate().skip(both) {
                out.push(Operation::Add {
                    path: here(path, (head + i).to_string().into()),
                    value: value.clone(),
                });
            }
        }
        (from, to) if from == to => {}
        (_, to) => out.push(Operation::Replace {
            path: Pointer::from_tokens(path.iter().cloned()),
            value: to.clone(),
        }),
    }
}
