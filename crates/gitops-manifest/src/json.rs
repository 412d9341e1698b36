//! JSON in and out, through serde and at the edge to `serde_json::Value`.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::{Array, Map, Number, Str, Value};

/// The key under which serde_json hands over a number when an embedder has switched on its feature
/// `arbitrary_precision`.
const SERDE_JSON_NUMBER: &str = "$serde_json::private::Number";

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(array) => array.serialize(serializer),
            Self::Object(map) => map.serialize(serializer),
        }
    }
}

impl Serialize for Array {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.len()))?;
        for value in self {
            seq.serialize_element(value)?;
        }
        seq.end()
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number of a manifest is finite"))
    }
    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }
    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        values.shrink_to_fit();
        Ok(Value::Array(values.into()))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries: Vec<(Str, Value)> =
            Vec::with_capacity(map.size_hint().unwrap_or(0).min(1024));
        while let Some(key) = map.next_key::<Str>()? {
            if entries.is_empty() && key == SERDE_JSON_NUMBER {
                let text: String = map.next_value()?;
                return Number::parse(&text)
                    .map(Value::Number)
                    .ok_or_else(|| de::Error::custom(format_args!("{text} is not a number")));
            }
            entries.push((key, map.next_value()?));
        }
        // Values are kept for long and shared widely.
        entries.shrink_to_fit();
        Ok(Value::Object(Map::from_entries(entries)))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_map(Visitor)? {
            Value::Object(map) => Ok(map),
            other => Err(de::Error::invalid_type(
                de::Unexpected::Other(other.type_name()),
                &"a map",
            )),
        }
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        Self::from(&value)
    }
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => number
                .as_i64()
                .map(Number::from)
                .or_else(|| number.as_u64().map(Number::from))
                .or_else(|| number.as_f64().and_then(Number::from_f64))
                .map_or_else(|| Self::String(number.to_string().into()), Self::Number),
            serde_json::Value::String(text) => Self::String(text.into()),
            serde_json::Value::Array(values) => {
                values.iter().map(Self::from).collect::<Vec<_>>().into()
            }
            serde_json::Value::Object(map) => Self::Object(
                map.iter()
                    .map(|(key, value)| (key, Self::from(value)))
                    .collect(),
            ),
        }
    }
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(int), _) => int.into(),
                (None, Some(uint)) => uint.into(),
                (None, None) => number.as_f64().into(),
            },
            Value::String(text) => Self::String(text.as_str().to_owned()),
            Value::Array(array) => Self::Array(array.iter().map(Self::from).collect()),
            Value::Object(map) => Self::Object(
                map.iter()
                    .map(|(k, v)| (k.as_str().to_owned(), Self::from(v)))
                    .collect(),
            ),
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

impl Value {
    /// Reads a JSON text.
    ///
    /// # Errors
    /// Where the text is not JSON, or nested deeper than 128 levels.
    pub fn from_json(text: impl AsRef<[u8]>) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text.as_ref())
    }

    /// Writes the value as compact JSON with sorted keys and numbers as Go writes them.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// Appends the compact JSON of the value to `out`.
    pub fn write_json(&self, out: &mut String) {
        self.write(Escapes::Json, out);
    }

    /// Writes the value as Go's `encoding/json` does, byte for byte: as [`Value::to_json`], and with `<`, `>`, `&`,
    /// U+2028 and U+2029 escaped. Hashes of objects and the last-applied annotation are taken of this form.
    ///
    /// ```
    /// use gitops_manifest::Value;
    /// assert_eq!(Value::from("a<b").to_go_json(), r#""a\u003cb""#);
    /// ```
    #[must_use]
    pub fn to_go_json(&self) -> String {
        let mut out = String::new();
        self.write(Escapes::Go, &mut out);
        out
    }

    fn write(&self, escapes: Escapes, out: &mut String) {
        use fmt::Write as _;
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(number) => write!(out, "{number}").expect("a string takes any text"),
            Self::String(text) => write_string(text, escapes, out),
            Self::Array(array) => {
                out.push('[');
                for (i, value) in array.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    value.write(escapes, out);
                }
                out.push(']');
            }
            Self::Object(map) => {
                out.push('{');
                for (i, (key, value)) in map.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_string(key, escapes, out);
                    out.push(':');
                    value.write(escapes, out);
                }
                out.push('}');
            }
        }
    }
}

/// Which characters of a string are escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// Those that JSON wants escaped.
    Json,
    /// Those that Go escapes: also what HTML and JavaScript would stumble over.
    Go,
}

/// Appends `text` as a JSON string.
fn write_string(text: &str, escapes: Escapes, out: &mut String) {
    out.push('"');
    let mut start = 0;
    let bytes = text.as_bytes();
    for (i, byte) in text.bytes().enumerate() {
        let mut length = 1;
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            b'<' if escapes == Escapes::Go => "\\u003c",
            b'>' if escapes == Escapes::Go => "\\u003e",
            b'&' if escapes == Escapes::Go => "\\u0026",
            0xE2 if escapes == Escapes::Go && bytes[i + 1] == 0x80 && bytes[i + 2] | 1 == 0xA9 => {
                length = 3;
                if bytes[i + 2] == 0xA8 {
                    "\\u2028"
                } else {
                    "\\u2029"
                }
            }
            _ => continue,
        };
        out.push_str(&text[start..i]);
        if escape.is_empty() {
            use fmt::Write as _;
            write!(out, "\\u{byte:04x}").expect("a string takes any text");
        } else {
            out.push_str(escape);
        }
        start = i + length;
    }
    out.push_str(&text[start..]);
    out.push('"');
}

/// Shows the value as compact JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}
