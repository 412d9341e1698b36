//! Values as `--set` writes them: like those of a manifest, but integers stay apart from doubles, because
//! templates can tell them apart.

use std::collections::BTreeMap;

use gitops_manifest::{Map, Number, Str, Value};

/// A value of the user.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    /// A whole number of `--set`.
    Int(i64),
    /// A number of YAML or JSON.
    Float(f64),
    Text(Str),
    List(Vec<Self>),
    Map(NodeMap),
}

/// A map of the user's values.
pub(crate) type NodeMap = BTreeMap<Str, Node>;

impl Node {
    /// Names the Go type.
    pub(crate) const fn go_type(&self) -> &'static str {
        match self {
            Self::Null => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int64",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
        }
    }

    /// Writes the value as a manifest says it.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Self::Text(text) => text.into(),
            Self::List(items) => items.iter().map(Self::to_value).collect::<Vec<_>>().into(),
            Self::Map(map) => Value::Object(to_map(map)),
        }
    }
}

/// Writes a map as a manifest says it.
pub(crate) fn to_map(map: &NodeMap) -> Map {
    map.iter()
        .map(|(key, value)| (key.clone(), value.to_value()))
        .collect()
}

/// Reads a map of a manifest.
pub(crate) fn from_map(map: &Map) -> NodeMap {
    map.iter()
        .map(|(key, value)| (key.clone(), Node::from(value)))
        .collect()
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Float(number.as_f64()),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(map) => Self::Map(from_map(map)),
        }
    }
}

/// Merges maps; of two values that are not both maps the later wins, `null` included.
pub(crate) fn merge(into: &mut NodeMap, from: NodeMap) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Node::Map(into)), Node::Map(from)) => merge(into, from),
            (Some(slot), value) => *slot = value,
            (None, value) => {
                into.insert(key, value);
            }
        }
    }
}
