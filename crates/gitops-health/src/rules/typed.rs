//! Core kinds as Argo CD decodes them: a field of the wrong type is an error, not an absent field.

use gitops_manifest::{Map, Object, Str, Value};

use crate::{HealthStatus, Verdict};

/// A field could not be read into the type that Kubernetes gives it.
pub(crate) struct Mismatch(pub(crate) String);

pub(crate) type Decoded<T> = Result<T, Mismatch>;

/// The rule of a kind whose fields have types.
pub(crate) struct TypedRule {
    /// What Argo CD calls the kind in errors.
    pub(crate) name: &'static str,
    /// The versions of the API that are known; empty for any.
    pub(crate) versions: &'static [&'static str],
    /// The rule.
    pub(crate) judge: fn(&Object) -> Decoded<Verdict>,
}

impl TypedRule {
    pub(crate) fn judge(&self, object: &Object) -> Verdict {
        if !self.versions.is_empty() && !self.versions.contains(&object.version()) {
            return Verdict::new(
                HealthStatus::Unknown,
                format!(
                    "unsupported {} GVK: {}, Kind={}",
                    self.name,
                    object.api_version(),
                    object.kind()
                ),
            );
        }
        (self.judge)(object).unwrap_or_else(|Mismatch(why)| {
            Verdict::new(
                HealthStatus::Unknown,
                format!(
                    "failed to convert unstructured {} to typed: {why}",
                    self.name
                ),
            )
        })
    }
}

/// Names a value as Go's reflection does.
fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_integer() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

/// A map of the object, or of a part of it; absent maps are empty.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(Option<&'a Map>);

impl<'a> Fields<'a> {
    /// Looks into a top-level field.
    pub(crate) fn of(object: &'a Object, field: &str) -> Decoded<Self> {
        Self::read(object.get(field))
    }

    fn read(value: Option<&'a Value>) -> Decoded<Self> {
        match value {
            None | Some(Value::Null) => Ok(Self(None)),
            Some(Value::Object(map)) => Ok(Self(Some(map))),
            Some(other) => Err(Mismatch(format!(
                "cannot restore struct from: {}",
                go_kind(other)
            ))),
        }
    }

    fn get(self, key: &str) -> Option<&'a Value> {
        self.0?.get(key).filter(|value| !value.is_null())
    }

    /// Whether the map is there.
    pub(crate) const fn is_present(self) -> bool {
        self.0.is_some()
    }

    /// Looks into a map under a key.
    pub(crate) fn fields(self, key: &str) -> Decoded<Self> {
        Self::read(self.get(key))
    }

    /// Reads a 32-bit integer; `None` where it is absent.
    pub(crate) fn int32(self, key: &str) -> Decoded<Option<i64>> {
        self.int(key, "int32")
    }

    /// Reads a 64-bit integer; `None` where it is absent.
    pub(crate) fn int64(self, key: &str) -> Decoded<Option<i64>> {
        self.int(key, "int64")
    }

    fn int(self, key: &str, wanted: &str) -> Decoded<Option<i64>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Number(number)) => number.as_i64().map_or_else(
                || Err(Mismatch(format!("cannot convert float64 to {wanted}"))),
                |int| Ok(Some(int)),
            ),
            Some(_) => Err(Mismatch(format!("unrecognized type: {wanted}"))),
        }
    }

    /// Reads a boolean; absent is `false`.
    pub(crate) fn bool(self, key: &str) -> Decoded<bool> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(Mismatch("unrecognized type: bool".to_owned())),
        }
    }

    /// Reads text as it is held; absent is `None`.
    pub(crate) fn shared(self, key: &str) -> Decoded<Option<&'a Str>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(number @ Value::Number(_)) => Err(Mismatch(format!(
                "cannot convert {} to string",
                go_kind(number)
            ))),
            Some(_) => Err(Mismatch("unrecognized type: string".to_owned())),
        }
    }

    /// Reads text; absent is empty.
    pub(crate) fn text(self, key: &str) -> Decoded<&'a str> {
        Ok(self.shared(key)?.map_or("", Str::as_str))
    }

    /// Reads a list of maps; absent is empty.
    pub(crate) fn list(self, key: &str) -> Decoded<List<'a>> {
        match self.get(key) {
            None => Ok(List(&[])),
            Some(Value::Array(values)) => Ok(List(values)),
            Some(other) => Err(Mismatch(format!(
                "cannot restore slice from {}",
                go_kind(other)
            ))),
        }
    }
}

/// A list of maps.
#[derive(Clone, Copy)]
pub(crate) struct List<'a>(&'a [Value]);

impl<'a> List<'a> {
    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Goes over the elements.
    pub(crate) fn iter(self) -> impl Iterator<Item = Decoded<Fields<'a>>> {
        self.0.iter().map(|value| Fields::read(Some(value)))
    }

    /// Returns the first element whose field is this text.
    pub(crate) fn first_with(self, key: &str, wanted: &str) -> Decoded<Option<Fields<'a>>> {
        for element in self.iter() {
            let element = element?;
            if element.text(key)? == wanted {
                return Ok(Some(element));
            }
        }
        Ok(None)
    }
}
