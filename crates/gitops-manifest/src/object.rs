use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Map, Str, Value};

/// Why a value is not an object of a Kubernetes API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The document is a list or a scalar.
    #[error("an object is a map, this is {found}")]
    NotAMap {
        /// The JSON type that was found.
        found: &'static str,
    },
    /// A field that every object needs is absent or empty.
    #[error("{field} is missing")]
    Missing {
        /// The path of the field.
        field: &'static str,
    },
    /// A field that must be text, or a map, is something else.
    #[error("{field} must be {expected}, not {found}")]
    WrongType {
        /// The path of the field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// The JSON type that was found.
        found: &'static str,
    },
}

/// The group, version and kind of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupVersionKind {
    /// The API group; empty for the core group.
    pub group: Str,
    /// The version, as `v1`.
    pub version: Str,
    /// The kind, as `Deployment`.
    pub kind: Str,
}

impl GroupVersionKind {
    /// Makes one of its three parts.
    #[must_use]
    pub fn new(group: impl Into<Str>, version: impl Into<Str>, kind: impl Into<Str>) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
        }
    }

    /// Makes one of an `apiVersion` (`apps/v1`, `v1`) and a kind.
    #[must_use]
    pub fn from_api_version(api_version: &str, kind: impl Into<Str>) -> Self {
        let (group, version) = split_api_version(api_version);
        Self::new(group, version, kind)
    }

    /// Returns the `apiVersion`: `group/version`, or the version alone for the core group.
    #[must_use]
    pub fn api_version(&self) -> Str {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version).into()
        }
    }

    /// Returns the group and kind.
    #[must_use]
    pub fn group_kind(&self) -> GroupKind {
        GroupKind {
            group: self.group.clone(),
            kind: self.kind.clone(),
        }
    }
}

/// Shows as `apps/v1/Deployment`, `v1/Service`.
impl fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{}/{}", self.version, self.kind)
    }
}

/// The group and kind of an object, the version left aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKind {
    /// The API group; empty for the core group.
    pub group: Str,
    /// The kind, as `Deployment`.
    pub kind: Str,
}

impl GroupKind {
    /// Makes one of its two parts.
    #[must_use]
    pub fn new(group: impl Into<Str>, kind: impl Into<Str>) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
        }
    }
}

/// Shows as `apps/Deployment`, `Service`.
impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        f.write_str(&self.kind)
    }
}

fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// What tells one object of a cluster from another: group, kind, namespace and name. The version is not
/// part of it: one object is served under several.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The API group; empty for the core group.
    pub group: Str,
    /// The kind.
    pub kind: Str,
    /// The namespace; empty for objects of the cluster.
    pub namespace: Str,
    /// The name.
    pub name: Str,
}

impl ObjectKey {
    /// Makes a key of its four parts.
    #[must_use]
    pub fn new(
        group: impl Into<Str>,
        kind: impl Into<Str>,
        namespace: impl Into<Str>,
        name: impl Into<Str>,
    ) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// Returns the group and kind.
    #[must_use]
    pub fn group_kind(&self) -> GroupKind {
        GroupKind {
            group: self.group.clone(),
            kind: self.kind.clone(),
        }
    }
}

/// Shows as `apps/Deployment/namespace/name`; empty group and namespace are left out.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{}/", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// An object of a Kubernetes API: a map with `apiVersion`, `kind` and `metadata`.
///
/// Cloning shares the content; a change copies only the levels on the way to it.
///
/// ```
/// use gitops_manifest::Object;
/// let object = Object::try_from(serde_json::json!({
///     "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
/// }))?;
/// assert_eq!(object.key().to_string(), "apps/Deployment/shop/web");
/// # Ok::<(), gitops_manifest::ObjectError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Object(Map);

impl Object {
    /// Takes a map for an object.
    ///
    /// # Errors
    /// Where `apiVersion` or `kind` is absent or no text, or `metadata` is not a map. A name is not asked
    /// for: a `List` has none, nor has an object with `generateName`.
    pub fn new(map: Map) -> Result<Self, ObjectError> {
        for field in ["apiVersion", "kind"] {
            match map.get(field) {
                Some(Value::String(text)) if !text.is_empty() => {}
                None | Some(Value::String(_) | Value::Null) => {
                    return Err(ObjectError::Missing { field });
                }
                Some(other) => {
                    return Err(ObjectError::WrongType {
                        field,
                        expected: "a string",
                        found: other.type_name(),
                    });
                }
            }
        }
        let wrong = |field, expected, value: &Value| {
            Err(ObjectError::WrongType {
                field,
                expected,
                found: value.type_name(),
            })
        };
        match map.get("metadata") {
            None | Some(Value::Null) => {}
            Some(Value::Object(metadata)) => {
                for (field, path) in [
                    ("name", "metadata.name"),
                    ("namespace", "metadata.namespace"),
                ] {
                    match metadata.get(field) {
                        None | Some(Value::Null | Value::String(_)) => {}
                        Some(other) => return wrong(path, "a string", other),
                    }
                }
            }
            Some(other) => return wrong("metadata", "a map", other),
        }
        Ok(Self(map))
    }

    fn text(&self, field: &str) -> &str {
        self.0
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Returns `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.text("apiVersion")
    }

    /// Returns the API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        split_api_version(self.api_version()).0
    }

    /// Returns the version without the group.
    #[must_use]
    pub fn version(&self) -> &str {
        split_api_version(self.api_version()).1
    }

    /// Returns `kind`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("kind")
    }

    /// Returns group, version and kind.
    #[must_use]
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::from_api_version(self.api_version(), self.kind())
    }

    /// Returns group and kind.
    #[must_use]
    pub fn group_kind(&self) -> GroupKind {
        GroupKind::new(self.group(), self.kind())
    }

    /// Returns group, kind, namespace and name.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.group(), self.kind(), self.namespace(), self.name())
    }

    /// Returns a field of `metadata`.
    #[must_use]
    pub fn meta(&self, field: &str) -> Option<&Value> {
        self.0.get("metadata")?.get(field)
    }

    fn meta_text(&self, field: &str) -> &str {
        self.meta(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the name; empty where there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.meta_text("name")
    }

    /// Returns `metadata.generateName`; empty where there is none.
    #[must_use]
    pub fn generate_name(&self) -> &str {
        self.meta_text("generateName")
    }

    /// Returns the namespace; empty where there is none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.meta_text("namespace")
    }

    /// Returns the UID that the API server gave; empty where there is none.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.meta_text("uid")
    }

    /// Returns the resource version; empty where there is none.
    #[must_use]
    pub fn resource_version(&self) -> &str {
        self.meta_text("resourceVersion")
    }

    /// Returns the generation.
    #[must_use]
    pub fn generation(&self) -> Option<i64> {
        self.meta("generation").and_then(Value::as_i64)
    }

    /// Whether deletion has begun.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        !self.meta_text("deletionTimestamp").is_empty()
    }

    /// Returns an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.meta("annotations")?.get(name)?.as_str()
    }

    /// Returns a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.meta("labels")?.get(name)?.as_str()
    }

    /// Sets an annotation.
    pub fn set_annotation(&mut self, name: impl Into<Str>, value: impl Into<Str>) {
        self.metadata_mut()
            .entry_object("annotations")
            .insert(name, value.into());
    }

    /// Sets a label.
    pub fn set_label(&mut self, name: impl Into<Str>, value: impl Into<Str>) {
        self.metadata_mut()
            .entry_object("labels")
            .insert(name, value.into());
    }

    /// Sets the namespace.
    pub fn set_namespace(&mut self, namespace: impl Into<Str>) {
        self.metadata_mut().insert("namespace", namespace.into());
    }

    /// Returns `metadata` for changing; makes it where it is absent.
    pub fn metadata_mut(&mut self) -> &mut Map {
        self.0.entry_object("metadata")
    }

    /// Returns the value under a top-level field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// Follows a path of map keys from the top.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        self.0.get(first)?.at(rest)
    }

    /// Returns the whole map.
    #[must_use]
    pub const fn as_map(&self) -> &Map {
        &self.0
    }

    /// Returns the whole map for changing. Keep `apiVersion`, `kind` and `metadata` in their types: the
    /// accessors answer with empty text where they are not.
    pub const fn as_map_mut(&mut self) -> &mut Map {
        &mut self.0
    }

    /// Returns the map.
    #[must_use]
    pub fn into_map(self) -> Map {
        self.0
    }

    /// Returns the object as a value; shares the content.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}

impl TryFrom<Value> for Object {
    type Error = ObjectError;
    fn try_from(value: Value) -> Result<Self, ObjectError> {
        match value {
            Value::Object(map) => Self::new(map),
            other => Err(ObjectError::NotAMap {
                found: other.type_name(),
            }),
        }
    }
}

impl TryFrom<serde_json::Value> for Object {
    type Error = ObjectError;
    fn try_from(value: serde_json::Value) -> Result<Self, ObjectError> {
        Value::from(value).try_into()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Map::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
