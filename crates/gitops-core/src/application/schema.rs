//! The OpenAPI schemas of the types, read off the types themselves.
//!
//! A deserializer that has no data sees which fields a type asks for, and of what form: that is the schema. What a
//! type can read and what its schema permits are the same thing then, by construction.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Visitor};
use serde_json::{Map, Value, json};

use super::spec::Operation;

/// How deep types may nest.
const DEPTH: usize = 64;

/// Returns the schema of a type.
pub(super) fn schema_of<T: DeserializeOwned>() -> Value {
    let mut schema = Value::Null;
    let tracer = Tracer {
        out: &mut schema,
        depth: 0,
    };
    T::deserialize(tracer).expect("a type of this module reads what it asks for");
    schema
}

/// Returns the schema of the `operation` field.
pub(super) fn operation() -> Value {
    schema_of::<Operation>()
}

/// Why a type could not be gone through.
#[derive(Debug)]
struct TraceError(String);

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TraceError {}

impl de::Error for TraceError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Writes down what it is asked for, and answers with the simplest value of that form.
struct Tracer<'a> {
    out: &'a mut Value,
    depth: usize,
}

impl<'a> Tracer<'a> {
    fn plain(self, schema: Value) -> &'a mut Value {
        *self.out = schema;
        self.out
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
            self.plain(json!({"type": "integer", "format": "int64"}));
            visitor.$visit(0)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Tracer<'_> {
    type Error = TraceError;

    /// Anything: a number or its text where it stands for a count, else data that is kept as it is.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.plain(json!({"x-kubernetes-preserve-unknown-fields": true}));
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.plain(json!({"type": "boolean"}));
        visitor.visit_bool(false)
    }

    integers! {
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.plain(json!({"type": "number"}));
        visitor.visit_f64(0.0)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.plain(json!({"type": "string"}));
        visitor.visit_str("")
    }

    /// Text; a type that reads only times out of it says so by refusing anything else.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.plain(json!({"type": "string"}));
        visitor.visit_str(TIME)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        let out = self.out;
        *out = json!({"type": "array", "items": {}});
        visitor.visit_seq(One {
            out: Some(&mut out["items"]),
            depth: self.depth + 1,
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        let out = self.out;
        *out = json!({"type": "object", "additionalProperties": {}});
        visitor.visit_map(One {
            out: Some(&mut out["additionalProperties"]),
            depth: self.depth + 1,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        if self.depth > DEPTH {
            return Err(TraceError("the types nest without end".to_owned()));
        }
        let out = self.out;
        *out = json!({"type": "object", "properties": {}});
        let properties = out["properties"]
            .as_object_mut()
            .expect("it was made just now");
        visitor.visit_map(Fields {
            fields,
            properties,
            depth: self.depth + 1,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TraceError> {
        // As upstream has it: which words there are is for the readers to say, so that new ones do no harm.
        self.plain(json!({"type": "string"}));
        visitor.visit_enum(de::value::StrDeserializer::<TraceError>::new(variants[0]))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TraceError> {
        self.deserialize_any(visitor)
    }
}

/// A time that everything that reads times can read. Where a type reads it back as a time is not visible here; the
/// format of such fields is set by name.
const TIME: &str = "1970-01-01T00:00:00Z";

/// A list of one item, or a map of one member.
struct One<'a> {
    out: Option<&'a mut Value>,
    depth: usize,
}

impl<'de> de::SeqAccess<'de> for One<'_> {
    type Error = TraceError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, TraceError> {
        match self.out.take() {
            Some(out) => seed
                .deserialize(Tracer {
                    out,
                    depth: self.depth,
                })
                .map(Some),
            None => Ok(None),
        }
    }
}

impl<'de> de::MapAccess<'de> for One<'_> {
    type Error = TraceError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, TraceError> {
        if self.out.is_none() {
            return Ok(None);
        }
        seed.deserialize(de::value::StrDeserializer::new("key"))
            .map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, TraceError> {
        let out = self.out.take().expect("a key was asked for first");
        seed.deserialize(Tracer {
            out,
            depth: self.depth,
        })
    }
}

/// All fields of a struct.
struct Fields<'a> {
    fields: &'static [&'static str],
    properties: &'a mut Map<String, Value>,
    depth: usize,
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = TraceError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, TraceError> {
        match self.fields.first() {
            Some(field) => seed
                .deserialize(de::value::StrDeserializer::new(field))
                .map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, TraceError> {
        let (field, rest) = self
            .fields
            .split_first()
            .expect("a key was asked for first");
        self.fields = rest;
        let out = self.properties.entry(*field).or_insert(Value::Null);
        let value = seed.deserialize(Tracer {
            out: &mut *out,
            depth: self.depth,
        })?;
        mark(field, out);
        Ok(value)
    }
}

/// Adds to the schema of a field what the form of its type does not show.
fn mark(field: &str, schema: &mut Value) {
    let is_text = schema["type"] == "string";
    let is_open = schema.get("x-kubernetes-preserve-unknown-fields").is_some();
    match field {
        // Times end so, in all types of this API; one that reads other text does not.
        _ if is_text && (field.ends_with("At") || field == "lastTransitionTime") => {
            schema["format"] = "date-time".into();
        }
        "count" if is_open => {
            *schema = json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]});
        }
        _ if is_open => schema["type"] = "object".into(),
        _ => {}
    }
}
