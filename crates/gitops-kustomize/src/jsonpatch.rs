//! JSON patches (RFC 6902) as kustomize applies them, with evanphx/json-patch 4.13: `replace` of an absent key of
//! a map adds it, negative indexes count from the end, and what stands before the first slash of a path is ignored.

use gitops_manifest::Value;

/// Why a JSON patch could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("a JSON patch is a list of operations and this is {found}")]
    NoList { found: &'static str },
    #[error("operation {index} is {found} and not a map")]
    NoOperation { index: usize, found: &'static str },
}

/// Why an operation could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error("operation {index} (`{op}` of `{path}`): {reason}")]
    Operation {
        index: usize,
        op: String,
        path: String,
        reason: String,
    },
}

/// A JSON patch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JsonPatch(Vec<Value>);

impl JsonPatch {
    /// Takes a value for a patch. Null is a patch that does nothing.
    pub(crate) fn new(value: &Value) -> Result<Self, DecodeError> {
        let operations = match value {
            Value::Null => return Ok(Self(Vec::new())),
            Value::Array(operations) => operations,
            other => {
                return Err(DecodeError::NoList {
                    found: other.type_name(),
                });
            }
        };
        for (index, operation) in operations.iter().enumerate() {
            if operation.as_object().is_none() && !operation.is_null() {
                return Err(DecodeError::NoOperation {
                    index,
                    found: operation.type_name(),
                });
            }
        }
        Ok(Self(operations.to_vec()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an operation puts other annotations in the place of all that are there, or takes them away.
    pub(crate) fn replaces_annotations(&self) -> bool {
        let whole = |operation: &Value, field: &str| {
            let path = operation.get(field).and_then(Value::as_str);
            path.is_some_and(|path| matches!(path, "" | "/metadata" | "/metadata/annotations"))
        };
        self.0.iter().any(|operation| {
            let op = operation.get("op").and_then(Value::as_str);
            op != Some("test") && whole(operation, "path")
                || op == Some("move") && whole(operation, "from")
        })
    }

    /// Applies the operations one after the other.
    pub(crate) fn apply(&self, document: &mut Value) -> Result<(), ApplyError> {
        for (index, operation) in self.0.iter().enumerate() {
            let text = |key: &str| operation.get(key).and_then(Value::as_str);
            apply_one(document, operation).map_err(|reason| ApplyError::Operation {
                index,
                op: text("op").unwrap_or("unknown").to_owned(),
                path: text("path").unwrap_or_default().to_owned(),
                reason,
            })?;
        }
        Ok(())
    }
}

fn apply_one(document: &mut Value, operation: &Value) -> Result<(), String> {
    let text = |key: &str| match operation.get(key) {
        Some(Value::String(text)) => Ok(text.as_str()),
        None | Some(Value::Null) => Err(format!("`{key}` is missing")),
        Some(other) => Err(format!("`{key}` is {} and not text", other.type_name())),
    };
    let value = || operation.get("value").cloned().unwrap_or_default();
    match operation.get("op").and_then(Value::as_str) {
        Some("add") => {
            let (container, key) = find(document, text("path")?)?;
            add(container, &key, value())
        }
        Some("remove") => {
            let (container, key) = find(document, text("path")?)?;
            remove(container, &key).map(drop)
        }
        Some("replace") => {
            let path = text("path")?;
            if path.is_empty() {
                let value = value();
                if value.as_object().is_none() && value.as_array().is_none() {
                    return Err("the value must be a map or a list".to_owned());
                }
                *document = value;
                return Ok(());
            }
            let (container, key) = find(document, path)?;
            match container {
                Value::Object(map) => {
                    map.insert(key, value());
                }
                Value::Array(array) => {
                    let i = index(&key, array.len())?;
                    array.make_mut()[i] = value();
                }
                _ => unreachable!("what is found is a map or a list"),
            }
            Ok(())
        }
        Some("move") => {
            let (container, key) = find(document, text("from")?)?;
            let value = remove(container, &key)?;
            let (container, key) = find(document, text("path")?)?;
            add(container, &key, value)
        }
        Some("copy") => {
            let (container, key) = find(document, text("from")?)?;
            let value = get(container, &key)?.cloned().unwrap_or_default();
            let (container, key) = find(document, text("path")?)?;
            add(container, &key, value)
        }
        Some("test") => {
            let path = text("path")?;
            let wanted = value();
            let same = if path.is_empty() {
                *document == wanted
            } else {
                let (container, key) = find(document, path)?;
                *get(container, &key)?.unwrap_or(&Value::Null) == wanted
            };
            if same {
                Ok(())
            } else {
                Err("the value there is another".to_owned())
            }
        }
        Some(_) => Err("there is no such operation".to_owned()),
        None => Err("`op` is missing".to_owned()),
    }
}

fn decode_key(key: &str) -> String {
    if key.contains('~') {
        key.replace("~1", "/").replace("~0", "~")
    } else {
        key.to_owned()
    }
}

/// Walks to the map or list that holds the last step of a path.
fn find<'a>(document: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), String> {
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    let Some((last, way)) = steps.split_last() else {
        return Err("the path does not begin with `/`".to_owned());
    };
    let mut at = document;
    for step in way {
        let step = decode_key(step);
        let next = match at {
            Value::Object(map) => map.get_mut(&step),
            Value::Array(array) => match index(&step, array.len()) {
                Ok(i) => array.make_mut().get_mut(i),
                Err(_) => None,
            },
            _ => None,
        };
        match next {
            Some(next @ (Value::Object(_) | Value::Array(_))) => at = next,
            _ => return Err(format!("there is nothing at `{step}` on the way")),
        }
    }
    match at {
        Value::Object(_) | Value::Array(_) => Ok((at, decode_key(last))),
        _ => Err("the document is neither a map nor a list".to_owned()),
    }
}

fn integer(key: &str) -> Result<i64, String> {
    key.parse()
        .map_err(|_| format!("`{key}` is no index of a list"))
}

fn index(key: &str, len: usize) -> Result<usize, String> {
    let i = integer(key)?;
    let len = i64::try_from(len).map_err(|e| e.to_string())?;
    let at = if i < 0 { i + len } else { i };
    if (0..len).contains(&at) {
        usize::try_from(at).map_err(|e| e.to_string())
    } else {
        Err(format!("the list has {len} items and no index {i}"))
    }
}

fn get<'a>(container: &'a Value, key: &str) -> Result<Option<&'a Value>, String> {
    match container {
        Value::Object(map) => Ok(map.get(key)),
        Value::Array(array) => Ok(array.get(index(key, array.len())?)),
        _ => unreachable!("what is found is a map or a list"),
    }
}

fn add(container: &mut Value, key: &str, value: Value) -> Result<(), String> {
    match container {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(array) => {
            let i = if key == "-" {
                array.len()
            } else {
                index(key, array.len() + 1)?
            };
            array.make_mut().insert(i, value);
        }
        _ => unreachable!("what is found is a map or a list"),
    }
    Ok(())
}

fn remove(container: &mut Value, key: &str) -> Result<Value, String> {
    match container {
        Value::Object(map) => map
            .remove(key)
            .ok_or_else(|| format!("there is no `{key}` to remove")),
        Value::Array(array) => {
            let i = index(key, array.len())?;
            Ok(array.make_mut().remove(i))
        }
        _ => unreachable!("what is found is a map or a list"),
    }
}
