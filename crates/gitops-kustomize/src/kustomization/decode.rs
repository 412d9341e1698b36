//! From YAML to typed fields, as Go's JSON decoder takes them: names match without regard to case, null is
//! "not said", types must fit. All mistakes are collected, each with its place.

use gitops_manifest::{Str, Value};

use crate::near;

/// Where something stands in its file, counted from 1; 0 where it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spanned {
    pub(crate) at: At,
    pub(crate) content: Content,
}

/// What a value with a place holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// Null, a boolean, a number or a text.
    Plain(Value),
    List(Vec<Spanned>),
    /// Keys with their places, in the order in which they are written.
    Map(Vec<(Str, At, Spanned)>),
}

impl Spanned {
    /// Takes a value that has no place of its own.
    pub(crate) fn of_value(value: &Value, at: At) -> Self {
        let content = match value {
            Value::Array(items) => {
                Content::List(items.iter().map(|v| Self::of_value(v, at)).collect())
            }
            Value::Object(map) => Content::Map(
                map.iter()
                    .map(|(k, v)| (k.clone(), at, Self::of_value(v, at)))
                    .collect(),
            ),
            plain => Content::Plain(plain.clone()),
        };
        Self { at, content }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.content, Content::Plain(Value::Null))
    }

    /// Returns the value without its places; of equal keys the last wins.
    pub(crate) fn to_value(&self) -> Value {
        match &self.content {
            Content::Plain(value) => value.clone(),
            Content::List(items) => {
                Value::Array(items.iter().map(Self::to_value).collect::<Vec<_>>().into())
            }
            Content::Map(entries) => Value::Object(gitops_manifest::Map::from_entries(
                entries
                    .iter()
                    .map(|(k, _, v)| (k.clone(), v.to_value()))
                    .collect(),
            )),
        }
    }

    const fn type_name(&self) -> &'static str {
        match &self.content {
            Content::Plain(value) => match value {
                Value::Null => "null",
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                _ => "text",
            },
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }
}

/// A mistake in a kustomization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) field: String,
    pub(crate) at: At,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// Decodes values and collects what is wrong with them.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// Whether unknown fields are mistakes.
    pub(crate) strict: bool,
    /// Whether numbers and booleans are taken for texts.
    pub(crate) lenient: bool,
    pub(crate) faults: Vec<Fault>,
}

/// A map that is being decoded: the values of the fields that were asked for.
pub(crate) struct Fields<'a> {
    path: String,
    at: At,
    names: &'static [&'static str],
    values: Vec<Option<&'a Spanned>>,
}

impl<'a> Fields<'a> {
    pub(crate) const fn at(&self) -> At {
        self.at
    }

    /// Returns the value of a field that is said.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Spanned> {
        let i = self.names.iter().position(|n| *n == name)?;
        self.values[i].filter(|value| !value.is_null())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

/// A text with its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) value: Str,
    pub(crate) at: At,
}

impl Decoder {
    /// Makes one for kustomizations: every field must be known and of its type.
    pub(crate) const fn strict() -> Self {
        Self {
            strict: true,
            lenient: false,
            faults: Vec::new(),
        }
    }

    /// Makes one for the configuration of transformers.
    pub(crate) const fn lenient(strict: bool) -> Self {
        Self {
            strict,
            lenient: true,
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, field: &str, at: At, message: String, hint: Option<String>) {
        self.faults.push(Fault {
            field: field.to_owned(),
            at,
            message,
            hint,
        });
    }

    fn wrong(&mut self, field: &str, value: &Spanned, expected: &str) {
        let message = format!("expected {expected} and found {}", value.type_name());
        let hint = match (expected, &value.content) {
            ("text", Content::Plain(Value::Bool(_) | Value::Number(_))) => {
                Some("put it in quotes".to_owned())
            }
            ("a list", Content::Plain(Value::String(_))) => {
                Some("write it as an item: `- …`".to_owned())
            }
            ("a map", Content::Plain(Value::String(_))) if field.starts_with("patches[") => {
                Some("write it as `path: …` or `patch: …`".to_owned())
            }
            _ => None,
        };
        self.fault(field, value.at, message, hint);
    }

    /// Takes a map apart. `names` are all fields that it may have.
    pub(crate) fn fields<'a>(
        &mut self,
        value: &'a Spanned,
        path: &str,
        names: &'static [&'static str],
    ) -> Option<Fields<'a>> {
        let Content::Map(entries) = &value.content else {
            if !value.is_null() {
                self.wrong(path, value, "a map");
            }
            return None;
        };
        let mut fields = Fields {
            path: path.to_owned(),
            at: value.at,
            names,
            values: vec![None; names.len()],
        };
        // Go's decoder sees the keys sorted: of names that differ in case the last counts.
        let mut order: Vec<&(Str, At, Spanned)> = entries.iter().collect();
        order.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, at, value) in order {
            let exact = names.iter().position(|name| *name == key.as_str());
            let place =
                exact.or_else(|| names.iter().position(|name| name.eq_ignore_ascii_case(key)));
            match place {
                Some(i) => fields.values[i] = Some(value),
                None if self.strict => {
                    let hint = near::did_you_mean(key, names.iter().copied());
                    let field = fields.path(key);
                    self.fault(&field, *at, format!("unknown field `{key}`"), hint);
                }
                None => {}
            }
        }
        Some(fields)
    }

    /// Decodes the fields of a part that Go embeds in another: its decoder does not see their types, and makes no
    /// texts of numbers there.
    pub(crate) fn embedded<T>(&mut self, decode: impl FnOnce(&mut Self) -> T) -> T {
        let lenient = std::mem::replace(&mut self.lenient, false);
        let out = decode(self);
        self.lenient = lenient;
        out
    }

    pub(crate) fn str(&mut self, fields: &Fields<'_>, name: &str) -> Str {
        self.text(fields, name).value
    }

    pub(crate) fn text(&mut self, fields: &Fields<'_>, name: &str) -> Text {
        match fields.get(name) {
            Some(value) => self.text_of(value, &fields.path(name)),
            None => Text::default(),
        }
    }

    fn text_of(&mut self, value: &Spanned, path: &str) -> Text {
        match &value.content {
            Content::Plain(Value::String(text)) => Text {
                value: text.clone(),
                at: value.at,
            },
            Content::Plain(Value::Null) => Text {
                at: value.at,
                ..Text::default()
            },
            Content::Plain(Value::Bool(b)) if self.lenient => Text {
                value: b.to_string().into(),
                at: value.at,
            },
            Content::Plain(Value::Number(number)) if self.lenient => Text {
                value: crate::node::number_text(*number).as_ref().into(),
                at: value.at,
            },
            _ => {
                self.wrong(path, value, "text");
                Text::default()
            }
        }
    }

    pub(crate) fn bool(&mut self, fields: &Fields<'_>, name: &str) -> bool {
        match fields.get(name) {
            None => false,
            Some(value) => match &value.content {
                Content::Plain(Value::Bool(value)) => *value,
                _ => {
                    self.wrong(&fields.path(name), value, "a boolean");
                    false
                }
            },
        }
    }

    pub(crate) fn int(&mut self, fields: &Fields<'_>, name: &str) -> i64 {
        match fields.get(name) {
            None => 0,
            Some(value) => match &value.content {
                Content::Plain(Value::Number(number)) if number.as_i64().is_some() => {
                    number.as_i64().unwrap_or_default()
                }
                _ => {
                    self.wrong(&fields.path(name), value, "an integer");
                    0
                }
            },
        }
    }

    /// Decodes a list with a function for its items.
    pub(crate) fn list<T>(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        mut item: impl FnMut(&mut Self, &Spanned, &str) -> T,
    ) -> Vec<T> {
        let Some(value) = fields.get(name) else {
            return Vec::new();
        };
        let path = fields.path(name);
        match &value.content {
            Content::List(items) => items
                .iter()
                .enumerate()
                .map(|(i, value)| item(self, value, &format!("{path}[{i}]")))
                .collect(),
            _ => {
                self.wrong(&path, value, "a list");
                Vec::new()
            }
        }
    }

    pub(crate) fn texts(&mut self, fields: &Fields<'_>, name: &str) -> Vec<Text> {
        self.list(fields, name, |decoder, value, path| {
            decoder.text_of(value, path)
        })
    }

    pub(crate) fn strs(&mut self, fields: &Fields<'_>, name: &str) -> Vec<Str> {
        self.list(fields, name, |decoder, value, path| {
            decoder.text_of(value, path).value
        })
    }

    /// Decodes a map of texts; sorted by key.
    pub(crate) fn pairs(&mut self, fields: &Fields<'_>, name: &str) -> Vec<(Str, Str)> {
        let Some(value) = fields.get(name) else {
            return Vec::new();
        };
        let path = fields.path(name);
        let Content::Map(entries) = &value.content else {
            self.wrong(&path, value, "a map of texts");
            return Vec::new();
        };
        let mut out: Vec<(Str, Str)> = Vec::with_capacity(entries.len());
        for (key, _, value) in entries {
            let text = self.text_of(value, &format!("{path}.{key}")).value;
            match out.iter_mut().find(|(k, _)| k == key) {
                Some((_, old)) => *old = text,
                None => out.push((key.clone(), text)),
            }
        }
        out.sort_by(|a, b| a.0.cmp(&b.0));
        out
    }
}
