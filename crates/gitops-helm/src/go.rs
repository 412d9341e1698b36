//! Between the values of manifests and those of templates.

use gitops_manifest as manifest;
use gitops_template::{List, Map, MapType, Str, Value};

use crate::node::{Node, NodeMap};

/// Makes a string of a template; short text is copied, long text too.
pub(crate) fn text(text: &manifest::Str) -> Str {
    Str::new(text.as_str())
}

/// Makes a value of a template; every number is a `float64`, as it is out of JSON.
pub(crate) fn value(from: &manifest::Value) -> Value {
    match from {
        manifest::Value::Null => Value::Nil,
        manifest::Value::Bool(value) => Value::Bool(*value),
        manifest::Value::Number(number) => Value::Float(number.as_f64()),
        manifest::Value::String(string) => Value::Str(text(string)),
        manifest::Value::Array(items) => Value::list(items.iter().map(value).collect()),
        manifest::Value::Object(entries) => Value::Map(map(entries)),
    }
}

/// Makes a value of a template as [`value`] does, without the nulls of maps; `None` for null.
pub(crate) fn value_without_nulls(from: &manifest::Value) -> Option<Value> {
    match from {
        manifest::Value::Null => None,
        manifest::Value::Object(entries) => {
            let entries = entries
                .iter()
                .filter_map(|(key, item)| Some((text(key), value_without_nulls(item)?)));
            Some(Value::Map(Map::from_entries(
                &MapType::ANY,
                entries.collect(),
            )))
        }
        other => Some(value(other)),
    }
}

/// Makes a map of a template.
pub(crate) fn map(from: &manifest::Map) -> Map {
    let entries = from.iter().map(|(key, item)| (text(key), value(item)));
    Map::from_entries(&MapType::ANY, entries.collect())
}

fn node(from: &Node) -> Value {
    match from {
        Node::Null => Value::Nil,
        Node::Bool(value) => Value::Bool(*value),
        Node::Int(value) => Value::Int64(*value),
        Node::Float(value) => Value::Float(*value),
        Node::Text(string) => Value::Str(text(string)),
        Node::List(items) => Value::list(items.iter().map(node).collect()),
        Node::Map(entries) => Value::Map(node_map(entries)),
    }
}

/// Makes a map of a template from the user's values.
pub(crate) fn node_map(from: &NodeMap) -> Map {
    let entries = from.iter().map(|(key, item)| (text(key), node(item)));
    Map::from_entries(&MapType::ANY, entries.collect())
}

/// Copies a value so that it shares no map and no list with the original.
pub(crate) fn deep_copy(from: &Value) -> Value {
    match from {
        Value::Map(map) => Value::Map(deep_copy_map(map)),
        Value::List(list) => {
            let items = list.items().iter().map(deep_copy).collect();
            Value::List(List::typed(list.ty(), items))
        }
        other => other.clone(),
    }
}

/// Copies a map so that it shares no map and no list with the original.
pub(crate) fn deep_copy_map(from: &Map) -> Map {
    let entries = from.entries();
    let entries = entries
        .iter()
        .map(|(key, item)| (key.clone(), deep_copy(item)));
    Map::from_entries(from.ty(), entries.collect())
}

/// Makes a value of a manifest out of chart values, which hold nothing but what JSON can say.
pub(crate) fn to_manifest(from: &Value) -> manifest::Value {
    match from {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) | Value::Int64(value) => (*value).into(),
        Value::Float(value) => {
            manifest::Number::from_f64(*value).map_or(manifest::Value::Null, Into::into)
        }
        Value::Str(text) => text.to_text().as_ref().into(),
        Value::List(list) => list
            .items()
            .iter()
            .map(to_manifest)
            .collect::<Vec<_>>()
            .into(),
        Value::Map(map) => manifest::Value::Object(to_manifest_map(map)),
        _ => manifest::Value::Null,
    }
}

/// Makes a map of a manifest out of chart values.
pub(crate) fn to_manifest_map(from: &Map) -> manifest::Map {
    from.entries()
        .iter()
        .map(|(key, item)| (manifest::Str::new(key.to_text()), to_manifest(item)))
        .collect()
}

/// Makes a value of a template out of a live object, whose whole numbers are `int64`.
pub(crate) fn live(from: &manifest::Value) -> Value {
    match from {
        manifest::Value::Number(number) => match number.as_i64() {
            Some(int) => Value::Int64(int),
            None => Value::Float(number.as_f64()),
        },
        manifest::Value::Array(items) => Value::list(items.iter().map(live).collect()),
        manifest::Value::Object(entries) => {
            let entries = entries.iter().map(|(key, item)| (text(key), live(item)));
            Value::Map(Map::from_entries(&MapType::ANY, entries.collect()))
        }
        other => value(other),
    }
}

/// Prints a value as `%v` does.
pub(crate) fn print(value: &Value) -> String {
    value.to_string()
}

/// Quotes a string as `%q` does.
pub(crate) fn quote(text: &Str) -> String {
    text.quoted()
}

/// Quotes text as `%q` does.
pub(crate) fn quote_text(text: &str) -> String {
    Str::new(text).quoted()
}
