//! Typed readings of YAML as Go does them for Helm: names without regard to case, numbers taken for text,
//! the first mismatch reported in `encoding/json`'s words.

use gitops_manifest::{Map, Value};

/// Where a decoded value stands: the struct that has the field and the path of the field.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The name of the Go struct; empty for one without a name.
    pub(crate) owner: &'a str,
    /// The names of the fields from the root, joined by dots.
    pub(crate) path: &'a str,
}

/// Reads values into Go's types; keeps the first mismatch and goes on, as `encoding/json` does.
#[derive(Default)]
pub(crate) struct Decoder {
    mismatch: Option<String>,
}

impl Decoder {
    /// Ends the reading.
    pub(crate) fn finish(self) -> Result<(), String> {
        match self.mismatch {
            None => Ok(()),
            Some(mismatch) => Err(format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {mismatch}"
            )),
        }
    }

    #[cold]
    fn mismatch(&mut self, value: &Value, place: Option<Place<'_>>, wanted: &str) {
        if self.mismatch.is_some() {
            return;
        }
        let found = go_kind(value);
        self.mismatch = Some(match place {
            None => format!("{found} into Go value of type {wanted}"),
            Some(Place { owner, path }) => {
                format!("{found} into Go struct field {owner}.{path} of type {wanted}")
            }
        });
    }

    /// Reads text; numbers and booleans are written out, `null` leaves what is there.
    pub(crate) fn text(&mut self, value: &Value, place: Place<'_>, into: &mut String) {
        match value {
            Value::Null => {}
            Value::String(text) => *into = text.as_str().to_owned(),
            Value::Bool(value) => *into = value.to_string(),
            Value::Number(number) => *into = number.to_string(),
            Value::Array(_) | Value::Object(_) => self.mismatch(value, Some(place), "string"),
        }
    }

    /// Reads a boolean.
    pub(crate) fn boolean(&mut self, value: &Value, place: Place<'_>, into: &mut bool) {
        match value {
            Value::Null => {}
            Value::Bool(value) => *into = *value,
            other => self.mismatch(other, Some(place), "bool"),
        }
    }

    /// Reads a struct. Nothing comes back where the value is `null` or of another kind.
    pub(crate) fn structure<'v>(
        &mut self,
        value: &'v Value,
        place: Option<Place<'_>>,
        name: &str,
    ) -> Option<&'v Map> {
        match value {
            Value::Null => None,
            Value::Object(map) => Some(map),
            other => {
                self.mismatch(other, place, name);
                None
            }
        }
    }

    /// Reads a list.
    pub(crate) fn list<'v>(
        &mut self,
        value: &'v Value,
        place: Place<'_>,
        name: &str,
    ) -> Option<&'v [Value]> {
        match value {
            Value::Null => None,
            Value::Array(items) => Some(items),
            other => {
                self.mismatch(other, Some(place), name);
                None
            }
        }
    }

    /// Reads a list of text.
    pub(crate) fn texts(&mut self, value: &Value, place: Place<'_>, into: &mut Vec<String>) {
        let Some(items) = self.list(value, place, "[]string") else {
            return;
        };
        *into = items
            .iter()
            .map(|item| {
                let mut text = String::new();
                self.text(item, place, &mut text);
                text
            })
            .collect();
    }

    /// Reads a map from text to text; calls `each` with its entries.
    pub(crate) fn text_map(
        &mut self,
        value: &Value,
        place: Place<'_>,
        mut each: impl FnMut(&str, String),
    ) {
        let Some(map) = self.structure(value, Some(place), "map[string]string") else {
            return;
        };
        for (key, value) in map {
            let mut text = String::new();
            self.text(value, place, &mut text);
            each(key, text);
        }
    }
}

/// Names a kind of JSON value as `encoding/json` does.
pub(crate) const fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Finds the field of a struct that a key stands for: the same name, or the same but for case.
pub(crate) fn field(key: &str, names: &'static [&'static str]) -> Option<&'static str> {
    names
        .iter()
        .find(|name| **name == key)
        .or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(key)))
        .copied()
}
