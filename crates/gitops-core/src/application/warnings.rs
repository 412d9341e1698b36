use std::fmt;

use gitops_manifest::{Object, Value};

use super::{AppProject, Application, ApplicationError};

/// A field that was set and does nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FieldWarning {
    /// The API has no such field.
    Unknown {
        /// The path of the field.
        path: String,
    },
    /// The API has the field, and the engine does not act on it.
    NotActedOn {
        /// The path of the field.
        path: String,
    },
}

impl FieldWarning {
    /// Returns the path of the field, as `spec.sourceHydrator`.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Unknown { path } | Self::NotActedOn { path } => path,
        }
    }
}

impl fmt::Display for FieldWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { path } => write!(f, "{path} is not a field of the API and is ignored"),
            Self::NotActedOn { path } => write!(f, "{path} is not supported and does nothing"),
        }
    }
}

/// Fields of the API that the engine reads, keeps and does not act on. `*` stands for every element.
const APPLICATION: &[&str] = &[
    "spec.sourceHydrator.drySource",
    "spec.sourceHydrator.hydrateTo",
    "spec.source.plugin",
    "spec.source.directory.jsonnet",
    "spec.source.kustomize.version",
    "spec.sources.*.plugin",
    "spec.sources.*.directory.jsonnet",
    "spec.sources.*.kustomize.version",
];

const PROJECT: &[&str] = &["spec.signatureKeys", "spec.sourceIntegrity"];

impl Application {
    /// Names the fields of an object that do nothing: those that the API does not have, and those that the
    /// engine does not act on.
    ///
    /// # Errors
    /// Where the object is no application.
    pub fn warnings(object: &Object) -> Result<Vec<FieldWarning>, ApplicationError> {
        Ok(find(
            object,
            &Self::from_object(object)?.to_object(),
            APPLICATION,
        ))
    }
}

impl AppProject {
    /// Names the fields of an object that do nothing: those that the API does not have, and those that the
    /// engine does not act on.
    ///
    /// # Errors
    /// Where the object is no project.
    pub fn warnings(object: &Object) -> Result<Vec<FieldWarning>, ApplicationError> {
        Ok(find(
            object,
            &Self::from_object(object)?.to_object(),
            PROJECT,
        ))
    }
}

fn find(object: &Object, known: &Object, not_acted_on: &[&str]) -> Vec<FieldWarning> {
    let mut warnings = Vec::new();
    let value = object.to_value();
    // What the types keep is written again; what they lose was no field of theirs.
    unknown(&value, &known.to_value(), &mut String::new(), &mut warnings);
    for pattern in not_acted_on {
        let steps: Vec<&str> = pattern.split('.').collect();
        present(&value, &steps, &mut String::new(), &mut warnings);
    }
    warnings.sort();
    warnings
}

/// Whether Go leaves a field of this value out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(array) => array.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
    }
}

/// Calls `then` with `path` made longer by a step, for that time.
fn below(path: &mut String, step: &str, then: impl FnOnce(&mut String)) {
    let length = path.len();
    if !step.starts_with('[') && !path.is_empty() {
        path.push('.');
    }
    path.push_str(step);
    then(path);
    path.truncate(length);
}

fn unknown(value: &Value, known: &Value, path: &mut String, warnings: &mut Vec<FieldWarning>) {
    match (value, known) {
        (Value::Object(value), Value::Object(known)) => {
            for (key, value) in value {
                below(path, key, |path| match known.get(key) {
                    Some(known) => unknown(value, known, path, warnings),
                    None if is_empty(value) => {}
                    None => warnings.push(FieldWarning::Unknown { path: path.clone() }),
                });
            }
        }
        (Value::Array(value), Value::Array(known)) => {
            for (i, (value, known)) in value.iter().zip(known).enumerate() {
                below(path, &format!("[{i}]"), |path| {
                    unknown(value, known, path, warnings);
                });
            }
        }
        _ => {}
    }
}

fn present(value: &Value, steps: &[&str], path: &mut String, warnings: &mut Vec<FieldWarning>) {
    let Some((step, rest)) = steps.split_first() else {
        if !is_empty(value) {
            warnings.push(FieldWarning::NotActedOn { path: path.clone() });
        }
        return;
    };
    match value {
        Value::Object(map) => {
            if let Some(value) = map.get(step) {
                below(path, step, |path| present(value, rest, path, warnings));
            }
        }
        Value::Array(array) if *step == "*" => {
            for (i, value) in array.iter().enumerate() {
                below(path, &format!("[{i}]"), |path| {
                    present(value, rest, path, warnings);
                });
            }
        }
        _ => {}
    }
}
