//! Field sets in the form of managed fields (`FieldsV1`): read and written, as text and as values.

use std::fmt::Write as _;

use gitops_manifest::{Map, Str, Value};

use super::path::PathElement;
use super::set::{FieldSet, Node};

/// How deep a field set may be nested.
const MAX_DEPTH: usize = 200;

/// Why a field set or one of its path elements could not be read. Trying again does not help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FieldSetError {
    /// The text is not JSON.
    #[error("cannot read the field set: it is not JSON")]
    Json {
        /// What the JSON parser says.
        #[source]
        source: serde_json::Error,
    },
    /// Something that must be a map of path elements is not.
    #[error("cannot read the field set: below {element:?} must be a map, not {found}")]
    NotAMap {
        /// The path element that it is below; empty for the whole set.
        element: String,
        /// The JSON type that was found.
        found: &'static str,
    },
    /// A path element has no type, or a content that its type does not allow.
    #[error("cannot read the path element {text:?}: {expected} expected")]
    Element {
        /// The path element.
        text: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A path element holds a key or value that is not JSON.
    #[error("cannot read the path element {text:?}: its content is not JSON")]
    Content {
        /// The path element.
        text: String,
        /// What the JSON parser says.
        #[source]
        source: serde_json::Error,
    },
    /// The set is nested too deep.
    #[error("cannot read the field set: it is nested deeper than {limit} levels")]
    TooDeep {
        /// How many levels are read.
        limit: usize,
    },
}

impl PathElement {
    /// Reads a path element as it stands in managed fields: `f:name`, `k:{"name":"a"}`, `v:"x"`, `i:0`.
    ///
    /// Returns `None` for an element of an unknown type, which a later version may have written.
    ///
    /// # Errors
    /// Where the text has no type, or a content that the type does not allow.
    pub fn parse(text: &str) -> Result<Option<Self>, FieldSetError> {
        let wrong = |expected| FieldSetError::Element {
            text: text.to_owned(),
            expected,
        };
        let Some((ty, content)) = text.split_at_checked(2).filter(|(ty, _)| ty.ends_with(':'))
        else {
            return Err(wrong("a letter and a colon"));
        };
        let json = || {
            Value::from_json(content).map_err(|source| FieldSetError::Content {
                text: text.to_owned(),
                source,
            })
        };
        Ok(Some(match ty {
            "f:" => Self::Field(content.into()),
            "v:" => Self::Value(json()?),
            "k:" => match json()? {
                Value::Object(fields) => Self::Key(fields),
                Value::Null => Self::Key(Map::new()),
                _ => return Err(wrong("a map of key fields")),
            },
            "i:" => Self::Index(content.parse().map_err(|_| wrong("an index"))?),
            _ => return Ok(None),
        }))
    }

    /// Appends the element as it stands in managed fields.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Field(name) => {
                out.push_str("f:");
                out.push_str(name);
            }
            Self::Key(fields) => {
                out.push_str("k:{");
                for (i, (name, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_string(name, false, out);
                    out.push(':');
                    write_value(value, out);
                }
                out.push('}');
            }
            Self::Value(value) => {
                out.push_str("v:");
                write_value(value, out);
            }
            Self::Index(index) => write!(out, "i:{index}").expect("a string takes any text"),
        }
    }

    fn to_key(&self) -> Str {
        let mut out = String::new();
        self.write(&mut out);
        out.into()
    }
}

/// Writes a value as `jsoniter` does within a path element: compact, sorted, `<`, `>` and `&` escaped.
fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => write_string(text, true, out),
        Value::Array(values) => {
            out.push('[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(value, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (i, (name, value)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(name, true, out);
                out.push(':');
                write_value(value, out);
            }
            out.push('}');
        }
        scalar => scalar.write_json(out),
    }
}

fn write_string(text: &str, html: bool, out: &mut String) {
    out.push('"');
    let mut start = 0;
    for (i, char) in text.char_indices() {
        let escape = match char {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\0'..='\x1f' => "",
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if html => "",
            _ => continue,
        };
        out.push_str(&text[start..i]);
        if escape.is_empty() {
            write!(out, "\\u{:04x}", char as u32).expect("a string takes any text");
        } else {
            out.push_str(escape);
        }
        start = i + char.len_utf8();
    }
    out.push_str(&text[start..]);
    out.push('"');
}

impl FieldSet {
    /// Writes the set as the API server does, byte for byte.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(false, &mut String::new(), &mut out);
        out
    }

    fn write_json(&self, member: bool, key: &mut String, out: &mut String) {
        out.push('{');
        let mut first = true;
        if member && !self.is_empty() {
            out.push_str("\".\":{}");
            first = false;
        }
        for node in self.nodes() {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            key.clear();
            node.element.write(key);
            write_string(key, false, out);
            out.push(':');
            node.children.write_json(node.member, key, out);
        }
        out.push('}');
    }

    /// Writes the set as a value, for `fieldsV1` of an object.
    #[must_use]
    pub fn to_value(&self) -> Value {
        self.value(false, &Map::new())
    }

    fn value(&self, member: bool, empty: &Map) -> Value {
        if self.is_empty() {
            return Value::Object(empty.clone());
        }
        let mut entries = Vec::with_capacity(self.nodes().len() + 1);
        if member {
            entries.push((Str::from_static("."), Value::Object(empty.clone())));
        }
        for node in self.nodes() {
            let value = node.children.value(node.member, empty);
            entries.push((node.element.to_key(), value));
        }
        Value::Object(Map::from_entries(entries))
    }

    /// Reads a set from the text of `FieldsV1`. Elements of unknown types are left out.
    ///
    /// # Errors
    /// Where the text is not JSON, or no field set.
    pub fn from_json(text: impl AsRef<[u8]>) -> Result<Self, FieldSetError> {
        let value = Value::from_json(text).map_err(|source| FieldSetError::Json { source })?;
        Self::from_value(&value)
    }

    /// Reads a set from the value of `fieldsV1`. Elements of unknown types are left out.
    ///
    /// # Errors
    /// Where the value is no field set.
    pub fn from_value(value: &Value) -> Result<Self, FieldSetError> {
        Ok(read(value, "", 0)?.1)
    }
}

/// Reads what is below a path element: whether the element itself is a member, and the members below.
fn read(value: &Value, above: &str, depth: usize) -> Result<(bool, FieldSet), FieldSetError> {
    if depth > MAX_DEPTH {
        return Err(FieldSetError::TooDeep { limit: MAX_DEPTH });
    }
    let map = match value {
        Value::Null => return Ok((true, FieldSet::new())),
        Value::Object(map) => map,
        other => {
            return Err(FieldSetError::NotAMap {
                element: above.to_owned(),
                found: other.type_name(),
            });
        }
    };
    let mut member = false;
    let mut nodes: Vec<Node> = Vec::with_capacity(map.len());
    for (key, below) in map {
        if *key == "." {
            member = true;
            continue;
        }
        let Some(element) = PathElement::parse(key)? else {
            continue;
        };
        let (member, children) = read(below, key, depth + 1)?;
        nodes.push(Node {
            element,
            member,
            children,
        });
    }
    if !nodes.is_sorted_by(|a, b| a.element < b.element) {
        nodes.sort_by(|a, b| a.element.cmp(&b.element));
        // Two texts can say the same element: `v:1` and `v:1.0`.
        nodes.dedup_by(|later, earlier| {
            let same = later.element == earlier.element;
            if same {
                earlier.member |= later.member;
                earlier.children = earlier.children.union(&later.children);
            }
            same
        });
    }
    Ok((member || nodes.is_empty(), FieldSet::from_nodes(nodes)))
}
