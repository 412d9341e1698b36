//! Values held against schemas that say plain things only.
//!
//! The full validator reads the schemas of schemas first, which takes as long as rendering a small chart does.
//! Most schemas of charts name types, properties and required keys and nothing else, and most values satisfy
//! them; both can be told without it. What is not plain, and what does not satisfy its schema, is left to the
//! full validator, which has the messages too.

use gitops_template::Value;
use serde_json::Value as Json;

/// The drafts in which the plain keywords mean the same.
const DRAFTS: &[&str] = &[
    "http://json-schema.org/schema#",
    "http://json-schema.org/schema",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-07/schema#",
    "http://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
];

const TYPES: &[&str] = &[
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// The keywords of any draft that are not plain. Other words mean nothing to a validator.
const OTHER_KEYWORDS: &[&str] = &[
    "$anchor",
    "$defs",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$ref",
    "$vocabulary",
    "additionalItems",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "definitions",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "else",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "id",
    "if",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "readOnly",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
    "writeOnly",
];

/// Whether a document is a proper schema that says plain things only.
pub(crate) fn is_plain(document: &Json) -> bool {
    is_plain_schema(document, true)
}

fn is_plain_schema(schema: &Json, is_root: bool) -> bool {
    let Json::Object(keywords) = schema else {
        return schema.is_boolean() && !is_root;
    };
    keywords
        .iter()
        .all(|(keyword, value)| match keyword.as_str() {
            "$schema" => is_root && value.as_str().is_some_and(|draft| DRAFTS.contains(&draft)),
            "$comment" | "title" | "description" => value.is_string(),
            "default" => true,
            "type" => match value {
                Json::String(name) => TYPES.contains(&name.as_str()),
                Json::Array(names) => is_set_of_texts(names, |name| TYPES.contains(&name)),
                _ => false,
            },
            "properties" => value.as_object().is_some_and(|properties| {
                properties
                    .values()
                    .all(|schema| is_plain_schema(schema, false))
            }),
            "items" | "additionalProperties" => is_plain_schema(value, false),
            "required" => value
                .as_array()
                .is_some_and(|names| is_set_of_texts(names, |_| true)),
            "enum" => value
                .as_array()
                .is_some_and(|values| is_set_of_texts(values, |_| true)),
            "minimum" | "maximum" => value.is_number(),
            other => !OTHER_KEYWORDS.contains(&other),
        })
}

fn is_set_of_texts(items: &[Json], fits: impl Fn(&str) -> bool) -> bool {
    !items.is_empty()
        && items
            .iter()
            .enumerate()
            .all(|(at, item)| item.as_str().is_some_and(&fits) && !items[..at].contains(item))
}

/// Whether a value surely satisfies a plain schema.
pub(crate) fn accepts(schema: &Json, value: &Value) -> bool {
    let Json::Object(keywords) = schema else {
        return schema == &Json::Bool(true);
    };
    let Some(of) = type_of(value) else {
        return false;
    };
    keywords
        .iter()
        .all(|(keyword, wanted)| match keyword.as_str() {
            "type" => match wanted {
                Json::String(name) => is_of_type(value, of, name),
                Json::Array(names) => names
                    .iter()
                    .filter_map(Json::as_str)
                    .any(|name| is_of_type(value, of, name)),
                _ => false,
            },
            "enum" => match value {
                Value::Str(text) => wanted
                    .as_array()
                    .is_some_and(|wanted| wanted.iter().any(|w| w.as_str() == text.as_str())),
                _ => false,
            },
            "minimum" => number(value).is_none_or(|n| wanted.as_f64().is_some_and(|w| n >= w)),
            "maximum" => number(value).is_none_or(|n| wanted.as_f64().is_some_and(|w| n <= w)),
            "items" => match value {
                Value::List(list) => list.items().iter().all(|item| accepts(wanted, item)),
                _ => true,
            },
            "required" => match value {
                Value::Map(map) => wanted.as_array().is_some_and(|names| {
                    let mut names = names.iter().filter_map(Json::as_str);
                    names.all(|name| map.contains(name.as_bytes()))
                }),
                _ => true,
            },
            "properties" => match (value, wanted) {
                (Value::Map(map), Json::Object(properties)) => {
                    properties.iter().all(|(name, schema)| {
                        map.get(name.as_bytes())
                            .is_none_or(|value| accepts(schema, &value))
                    })
                }
                _ => true,
            },
            "additionalProperties" => match value {
                Value::Map(map) => {
                    let named = keywords.get("properties").and_then(Json::as_object);
                    let entries = map.entries();
                    entries.iter().all(|(name, value)| {
                        let name = name.to_text();
                        named.is_some_and(|named| named.contains_key(name.as_ref()))
                            || accepts(wanted, value)
                    })
                }
                _ => true,
            },
            _ => true,
        })
}

/// Names the type that a value has in JSON; `None` where that takes more thought.
fn type_of(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Missing | Value::Nil => "null",
        Value::Bool(_) => "boolean",
        Value::Int(_) | Value::Int64(_) => "number",
        Value::Float(number) if number.is_finite() => "number",
        Value::Str(text) => text.as_str().map(|_| "string")?,
        Value::List(list) if !list.is_nil() && list.to_bytes().is_none() => "array",
        Value::Map(map) if !map.is_nil() => "object",
        _ => return None,
    })
}

fn is_of_type(value: &Value, of: &str, wanted: &str) -> bool {
    of == wanted
        || wanted == "integer"
            && match value {
                Value::Int(_) | Value::Int64(_) => true,
                Value::Float(number) => number.fract() == 0.0,
                _ => false,
            }
}

/// Returns a number; integers beyond the precision of a double are none, and then do not satisfy a bound.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) | Value::Int64(number) => {
            let is_exact = number.unsigned_abs() < 1 << 53;
            Some(if is_exact { *number as f64 } else { f64::NAN })
        }
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use gitops_template::{Map, Str};

    use super::*;

    fn json(text: &str) -> Json {
        serde_json::from_str(text).expect("JSON")
    }

    fn value(text: &str) -> Value {
        match gitops_manifest::Value::from_json(text) {
            Ok(value) => crate::go::value(&value),
            Err(error) => panic!("{text}: {error}"),
        }
    }

    #[test]
    fn only_plain_and_proper_schemas_are_plain() {
        for text in [
            r#"{"$schema": "http://json-schema.org/schema#", "type": "object", "properties": {"a": {"form": true}}}"#,
            r#"{"type": ["string", "null"], "enum": ["a", "b"], "title": "t", "default": 3}"#,
            r#"{"items": {"type": "object", "required": ["x"]}, "additionalProperties": false, "minimum": 3}"#,
        ] {
            assert!(is_plain(&json(text)), "{text}");
        }
        for text in [
            "true",
            r#"{"type": "strnig"}"#,
            r#"{"type": ["string", "string"]}"#,
            r#"{"required": true}"#,
            r#"{"title": 5}"#,
            r#"{"properties": {"a": {"$ref": "x"}}}"#,
            r#"{"properties": {"a": {"properties": []}}}"#,
            r#"{"items": [{"type": "string"}]}"#,
            r#"{"$schema": "http://json-schema.org/draft-04/schema#"}"#,
            r#"{"pattern": "a"}"#,
        ] {
            assert!(!is_plain(&json(text)), "{text}");
        }
    }

    #[test]
    fn what_is_accepted_satisfies_the_schema() {
        let schema = json(
            r#"{"type": "object", "required": ["a"], "additionalProperties": false, "properties": {
                "a": {"type": "integer", "minimum": 1, "maximum": 3},
                "b": {"type": ["string", "null"]},
                "c": {"enum": ["x", "y"]},
                "d": {"type": "array", "items": {"type": "boolean"}},
                "e": {"type": "number"}}}"#,
        );
        assert!(is_plain(&schema));
        for (text, want) in [
            (r#"{"a": 2}"#, true),
            (
                r#"{"a": 2, "b": null, "c": "x", "d": [true], "e": 1.5}"#,
                true,
            ),
            (r#"{"a": 2.5}"#, false),
            (r#"{"a": 4}"#, false),
            (r#"{"a": 0}"#, false),
            (r#"{"a": "1"}"#, false),
            (r#"{"b": "x"}"#, false),
            (r#"{"a": 1, "b": 1}"#, false),
            (r#"{"a": 1, "c": "z"}"#, false),
            (r#"{"a": 1, "c": 3}"#, false),
            (r#"{"a": 1, "d": [true, 1]}"#, false),
            (r#"{"a": 1, "f": 1}"#, false),
            ("[]", false),
        ] {
            assert_eq!(accepts(&schema, &value(text)), want, "{text}");
        }
        let nothing = Map::nil(&gitops_template::MapType::ANY);
        let map = Map::from_iter([(Str::new("a"), Value::Map(nothing))]);
        assert!(!accepts(&json("{}"), &Value::Map(Map::nil(map.ty()))));
    }
}
