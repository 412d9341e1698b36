//! How rules look at an object: `null` is absent, and nothing panics on a wrong type.

use std::time::SystemTime;

use gitops_manifest::{Object, Str, Value};

use crate::time;

/// Returns the value at a path, `null` taken for absent.
pub(crate) fn at<'a>(object: &'a Object, path: &[&str]) -> Option<&'a Value> {
    object.at(path).filter(|value| !value.is_null())
}

/// Returns the value under a key, `null` taken for absent.
pub(crate) fn get<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).filter(|value| !value.is_null())
}

/// Returns a text as it is held, so that cloning it copies nothing.
pub(crate) const fn as_text(value: &Value) -> Option<&Str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Returns the text at a path.
pub(crate) fn text<'a>(object: &'a Object, path: &[&str]) -> Option<&'a Str> {
    as_text(object.at(path)?)
}

/// Returns the text at a path, or empty text.
pub(crate) fn text_or_empty<'a>(object: &'a Object, path: &[&str]) -> &'a str {
    text(object, path).map_or("", Str::as_str)
}

/// Returns the number at a path.
pub(crate) fn number(object: &Object, path: &[&str]) -> Option<f64> {
    object.at(path)?.as_f64()
}

/// Reads a number as Lua's `tonumber` does: of a number, or of text that writes one.
pub(crate) fn number_of(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Number(number) => Some(number.as_f64()),
        Value::String(text) => lua_number(text),
        _ => None,
    }
}

/// Reads text as Lua's `tonumber` does: decimal, or hexadecimal after `0x`.
pub(crate) fn lua_number(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok().map(|n| n as f64),
        // Rust would read `inf` and `nan` as well.
        None if text.contains(['n', 'N', 'i', 'I']) => None,
        None => text.parse().ok(),
    }
}

/// Returns the text under a key, or empty text.
pub(crate) fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a value holds in the sense of Lua: anything but absent and `false`.
pub(crate) fn is_truthy(value: Option<&Value>) -> bool {
    !matches!(value, None | Some(Value::Null | Value::Bool(false)))
}

/// Returns the elements of a list, or nothing.
pub(crate) fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], |array| array)
}

/// Returns the elements of a list, or the values of a map in the order of their keys.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = &Value> {
    let values = value.as_object().into_iter().flat_map(|map| map.values());
    list(Some(value)).iter().chain(values)
}

/// Returns the conditions under `status`.
pub(crate) fn conditions(object: &Object) -> impl Iterator<Item = Condition<'_>> + Clone {
    conditions_of(object.at(&["status", "conditions"]))
}

/// Returns the conditions of a list.
pub(crate) fn conditions_of(value: Option<&Value>) -> impl Iterator<Item = Condition<'_>> + Clone {
    list(value)
        .iter()
        .filter(|value| value.as_object().is_some())
        .map(Condition)
}

/// Returns the first condition of a type.
pub(crate) fn condition<'a>(object: &'a Object, kind: &str) -> Option<Condition<'a>> {
    conditions(object).find(|condition| condition.kind() == kind)
}

/// One entry of a list of conditions.
#[derive(Clone, Copy)]
pub(crate) struct Condition<'a>(pub(crate) &'a Value);

impl<'a> Condition<'a> {
    pub(crate) fn kind(self) -> &'a str {
        text_of(self.0, "type")
    }
    pub(crate) fn status(self) -> &'a str {
        text_of(self.0, "status")
    }
    pub(crate) fn is_true(self) -> bool {
        self.status() == "True"
    }
    pub(crate) fn is_false(self) -> bool {
        self.status() == "False"
    }
    pub(crate) fn reason(self) -> Option<&'a Str> {
        as_text(self.0.get("reason")?)
    }
    pub(crate) fn message(self) -> Option<&'a Str> {
        as_text(self.0.get("message")?)
    }
    pub(crate) fn reason_text(self) -> &'a str {
        self.reason().map_or("", Str::as_str)
    }
    pub(crate) fn message_text(self) -> &'a str {
        self.message().map_or("", Str::as_str)
    }
    /// Returns when the status last changed.
    pub(crate) fn since(self) -> Option<SystemTime> {
        time::parse(self.0.get("lastTransitionTime")?.as_str()?)
    }
}
