//! The tree that a resource is while it is customised: like YAML's, without comments, anchors and layout.
//!
//! kustomize keeps the text of a scalar until the last moment: `0755` is looked at as the text "0755" by a
//! replacement and written as 493. So a scalar here is its text with what decides its type.

use std::borrow::Cow;

use gitops_manifest::{Map, Number, Str, Value};
use rustc_hash::FxHashSet;

use crate::scalar;

/// What a scalar was read or declared to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tag {
    /// Nothing said: the text decides when the scalar is written.
    #[default]
    Open,
    Null,
    Bool,
    Int,
    Float,
    Str,
    Timestamp,
    Binary,
}

/// A scalar: its text and what decides how it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: Str,
    pub(crate) tag: Tag,
    /// Quoted, literal or folded: text whatever it looks like. With the tag of null or of a time: it will be quoted
    /// when it is written.
    pub(crate) quoted: bool,
    /// The schema that a comment gives a field, on its key: a place in a list, counted from 1; 0 for none.
    pub(crate) note: u16,
    /// Scalars of one resource with the same number (not 0) are one in kustomize's memory: a label set in
    /// several places of one object by one transformer. Who changes one changes all.
    pub(crate) shared: u32,
}

impl Scalar {
    /// Makes a text.
    pub(crate) fn string(text: impl Into<Str>) -> Self {
        let text = text.into();
        Self {
            quoted: scalar::reads_as_other_than_text(&text),
            text,
            tag: Tag::Str,
            note: 0,
            shared: 0,
        }
    }

    /// Makes a scalar whose type its text decides.
    pub(crate) fn open(text: impl Into<Str>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// Makes a scalar of a type, not quoted.
    pub(crate) fn tagged(text: impl Into<Str>, tag: Tag) -> Self {
        Self {
            text: text.into(),
            tag,
            ..Self::default()
        }
    }

    /// Whether kustomize takes it for text without looking at the text itself.
    pub(crate) fn is_string(&self) -> bool {
        matches!(self.tag, Tag::Str | Tag::Open)
    }

    /// Quotes a text that YAML 1.1 would read as something else, as kustomize does on setting a field.
    pub(crate) fn quote_where_needed(&mut self) {
        if self.is_string() && !self.quoted && scalar::reads_as_other_than_text(&self.text) {
            self.quoted = true;
        }
    }

    /// Takes text and type of another and keeps its own quotes.
    pub(crate) fn assign(&mut self, text: impl Into<Str>, tag: Tag) {
        if matches!(self.tag, Tag::Null | Tag::Timestamp) {
            self.quoted = false;
        }
        self.text = text.into();
        self.tag = tag;
    }

    fn to_value(&self) -> Result<Value, ValueError> {
        scalar::value(&self.text, self.tag, self.quoted)
    }
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Scalar(Scalar),
    Seq(Vec<Self>),
    Map(Vec<(Scalar, Self)>),
}

impl Default for Node {
    fn default() -> Self {
        Self::null()
    }
}

/// The shape of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    Seq,
    Map,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "a scalar",
            Self::Seq => "a list",
            Self::Map => "a map",
        }
    }
}

/// A node is of another shape than the operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is needed and there is {}", expected.name(), found.name())]
pub(crate) struct WrongKind {
    pub(crate) expected: Kind,
    pub(crate) found: Kind,
}

/// A node that JSON, hence an API object, cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    #[error("the key `{key}` is {kind} and not text")]
    Key { key: String, kind: &'static str },
    #[error("the key `{key}` stands twice in one map")]
    DuplicateKey { key: String },
    #[error("the number {text} is not finite")]
    NotFinite { text: String },
    #[error("`{text}` is not {kind}, as its tag says")]
    Tag { text: String, kind: &'static str },
    #[error("{source}, at {path}")]
    At {
        path: String,
        #[source]
        source: Box<Self>,
    },
}

impl ValueError {
    fn within(self, step: &str) -> Self {
        match self {
            Self::At { path, source } => Self::At {
                path: if path.starts_with('[') {
                    format!("{step}{path}")
                } else {
                    format!("{step}.{path}")
                },
                source,
            },
            other => Self::At {
                path: step.to_owned(),
                source: Box::new(other),
            },
        }
    }
}

/// How deep a resource may nest. The deepest schemas of custom resources reach about 60; functions that walk a tree by
/// recursion stay within a thread's stack.
pub(crate) const MAX_DEPTH: usize = 160;

/// How many nodes a resource may have after a patch or a replacement, which can copy a part of it into itself.
const MAX_NODES: usize = 4_000_000;

/// Whether a value that a patch has made is small enough to become a resource.
pub(crate) fn value_fits(value: &Value) -> bool {
    fn go(value: &Value, depth: usize, left: &mut usize) -> bool {
        if depth > MAX_DEPTH || *left == 0 {
            return false;
        }
        *left -= 1;
        match value {
            Value::Array(items) => items.iter().all(|item| go(item, depth + 1, left)),
            Value::Object(map) => map.iter().all(|(_, value)| go(value, depth + 1, left)),
            _ => true,
        }
    }
    go(value, 0, &mut { MAX_NODES })
}

impl Node {
    /// Whether the tree is small enough to be a resource.
    pub(crate) fn fits(&self) -> bool {
        fn go(node: &Node, depth: usize, left: &mut usize) -> bool {
            if depth > MAX_DEPTH || *left == 0 {
                return false;
            }
            *left -= 1;
            match node {
                Node::Scalar(_) => true,
                Node::Seq(items) => items.iter().all(|item| go(item, depth + 1, left)),
                Node::Map(entries) => entries.iter().all(|(_, v)| go(v, depth + 1, left)),
            }
        }
        go(self, 0, &mut { MAX_NODES })
    }

    pub(crate) fn null() -> Self {
        Self::Scalar(Scalar::tagged("null", Tag::Null))
    }

    pub(crate) fn string(text: impl Into<Str>) -> Self {
        Self::Scalar(Scalar::string(text))
    }

    pub(crate) fn open(text: impl Into<Str>) -> Self {
        Self::Scalar(Scalar::open(text))
    }

    /// Makes what kustomize puts in place of a field that it creates.
    pub(crate) fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Scalar => Self::open(""),
            Kind::Seq => Self::Seq(Vec::new()),
            Kind::Map => Self::Map(Vec::new()),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Scalar(_) => Kind::Scalar,
            Self::Seq(_) => Kind::Seq,
            Self::Map(_) => Kind::Map,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(Scalar { tag: Tag::Null, .. }))
    }

    pub(crate) fn is_empty_map(&self) -> bool {
        matches!(self, Self::Map(entries) if entries.is_empty())
    }

    /// Whether it is null or holds nothing.
    pub(crate) fn is_null_or_empty(&self) -> bool {
        match self {
            Self::Scalar(scalar) => scalar.tag == Tag::Null,
            Self::Seq(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
        }
    }

    /// Returns the text of a scalar, of null too; empty for lists and maps.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Scalar(scalar) => &scalar.text,
            _ => "",
        }
    }

    /// Returns the text of a scalar that is not null.
    pub(crate) fn value_text(&self) -> &str {
        if self.is_null() { "" } else { self.text() }
    }

    pub(crate) fn as_scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&[(Scalar, Self)]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn as_seq(&self) -> Option<&[Self]> {
        match self {
            Self::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the first value under a key where this is a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?
            .iter()
            .find(|(k, _)| k.text == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match self {
            Self::Map(entries) => entries
                .iter_mut()
                .find(|(k, _)| k.text == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// Fails where this is neither of the shape nor null.
    pub(crate) fn expect(&self, expected: Kind) -> Result<(), WrongKind> {
        let found = self.kind();
        if found == expected || self.is_null() {
            Ok(())
        } else {
            Err(WrongKind { expected, found })
        }
    }

    /// Returns a field of a map; `None` for null and where it is absent.
    pub(crate) fn field(&self, key: &str) -> Result<Option<&Self>, WrongKind> {
        self.expect(Kind::Map)?;
        Ok(self.get(key))
    }

    /// Returns a field of a map, made where it is absent. On null there is nothing to put it in.
    pub(crate) fn field_or_create(
        &mut self,
        key: &str,
        kind: Kind,
    ) -> Result<Option<&mut Self>, WrongKind> {
        self.expect(Kind::Map)?;
        let Self::Map(entries) = self else {
            return Ok(None);
        };
        let i = match entries.iter().position(|(k, _)| k.text == key) {
            Some(i) => i,
            None => {
                entries.push((Scalar::open(key), Self::empty(kind)));
                entries.len() - 1
            }
        };
        Ok(Some(&mut entries[i].1))
    }

    /// Removes the first entry under a key.
    pub(crate) fn clear(&mut self, key: &str) -> Option<Self> {
        match self {
            Self::Map(entries) => {
                let i = entries.iter().position(|(k, _)| k.text == key)?;
                Some(entries.remove(i).1)
            }
            _ => None,
        }
    }

    /// Sets a scalar in its place: keeps the quotes that were there. Null is overwritten.
    /// Returns the number of the scalars that share it.
    pub(crate) fn set_scalar(&mut self, text: impl Into<Str>, tag: Tag) -> Result<u32, WrongKind> {
        match self {
            Self::Scalar(scalar) => {
                scalar.assign(text, tag);
                Ok(scalar.shared)
            }
            other => Err(WrongKind {
                expected: Kind::Scalar,
                found: other.kind(),
            }),
        }
    }

    /// Sets an entry of a map to a scalar. An existing entry keeps its quotes, a new one gets `shared` for its
    /// number. Returns the number of the scalars that share the existing one. Does nothing on null.
    pub(crate) fn set_entry(
        &mut self,
        key: &str,
        text: &Str,
        tag: Tag,
        shared: u32,
    ) -> Result<u32, WrongKind> {
        self.expect(Kind::Map)?;
        let Self::Map(entries) = self else {
            return Ok(0);
        };
        let mut value = Scalar::tagged(text.clone(), tag);
        value.quote_where_needed();
        if let Some((_, old)) = entries.iter_mut().find(|(k, _)| k.text == key) {
            if let Self::Scalar(old) = old {
                old.assign(value.text, tag);
                return Ok(old.shared);
            }
            value.quoted = false;
            *old = Self::Scalar(value);
        } else {
            value.shared = shared;
            entries.push((Scalar::open(key), Self::Scalar(value)));
        }
        Ok(0)
    }

    /// Sets an entry of a map. Does nothing on null; a null value removes the entry.
    pub(crate) fn set(&mut self, key: &str, mut value: Self) -> Result<(), WrongKind> {
        self.expect(Kind::Map)?;
        if value.is_null() {
            self.clear(key);
            return Ok(());
        }
        let Self::Map(entries) = self else {
            return Ok(());
        };
        if let Self::Scalar(scalar) = &mut value {
            scalar.quote_where_needed();
        }
        match entries.iter_mut().find(|(k, _)| k.text == key) {
            Some((_, old)) => {
                if let (Self::Scalar(new), Self::Scalar(old)) = (&mut value, &*old) {
                    new.quoted = old.quoted;
                    new.shared = old.shared;
                }
                *old = value;
            }
            None => entries.push((Scalar::open(key), value)),
        }
        Ok(())
    }

    /// Gives every scalar with the number what `source` says.
    pub(crate) fn spread(&mut self, source: &Scalar) {
        match self {
            Self::Scalar(scalar) => {
                if scalar.shared == source.shared && scalar.shared != 0 {
                    *scalar = source.clone();
                }
            }
            Self::Seq(items) => items.iter_mut().for_each(|item| item.spread(source)),
            Self::Map(entries) => entries.iter_mut().for_each(|(_, v)| v.spread(source)),
        }
    }

    /// Turns the tree into a value.
    pub(crate) fn to_value(&self) -> Result<Value, ValueError> {
        match self {
            Self::Scalar(scalar) => scalar.to_value(),
            Self::Seq(items) => {
                let mut out = Vec::with_capacity(items.len());
                for (i, item) in items.iter().enumerate() {
                    out.push(item.to_value().map_err(|e| e.within(&format!("[{i}]")))?);
                }
                Ok(Value::Array(out.into()))
            }
            Self::Map(entries) => {
                check_keys(entries)?;
                let mut out = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let value = value.to_value().map_err(|e| e.within(&key.text))?;
                    out.push((key.text.clone(), value));
                }
                Ok(Value::Object(Map::from_entries(out)))
            }
        }
    }

    /// Turns the tree into the value that is written; takes the text out of it.
    pub(crate) fn into_value(self) -> Result<Value, ValueError> {
        match self {
            Self::Scalar(scalar) => match scalar {
                Scalar {
                    tag: Tag::Str | Tag::Open,
                    quoted: true,
                    text,
                    ..
                }
                | Scalar {
                    tag: Tag::Str,
                    text,
                    ..
                } => Ok(Value::String(written(text))),
                other => other.to_value(),
            },
            Self::Seq(items) => {
                let mut out = Vec::with_capacity(items.len());
                for (i, item) in items.into_iter().enumerate() {
                    out.push(item.into_value().map_err(|e| e.within(&format!("[{i}]")))?);
                }
                Ok(Value::Array(out.into()))
            }
            Self::Map(entries) => {
                check_keys(&entries)?;
                let mut out = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    // kustomize writes the tree and reads it again, and a merge key has nothing to merge then.
                    if key.text == "<<" {
                        continue;
                    }
                    match value.into_value() {
                        Ok(value) => out.push((written(key.text), value)),
                        Err(error) => return Err(error.within(&key.text)),
                    }
                }
                Ok(Value::Object(Map::from_entries(out)))
            }
        }
    }

    /// Makes a tree of what came through Go's JSON: numbers are doubles written as Go's YAML writes them.
    pub(crate) fn from_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::null(),
            Value::Bool(true) => Self::Scalar(Scalar::tagged("true", Tag::Bool)),
            Value::Bool(false) => Self::Scalar(Scalar::tagged("false", Tag::Bool)),
            Value::Number(number) => {
                let text = scalar::go_double(number.as_f64());
                let tag = scalar::resolve(&text);
                Self::Scalar(Scalar::tagged(text, tag))
            }
            Value::String(text) => {
                let mut scalar = Scalar::tagged(text.clone(), Tag::Str);
                scalar.quoted =
                    scalar::resolve(text) != Tag::Str || scalar::reads_as_other_than_text(text);
                Self::Scalar(scalar)
            }
            Value::Array(items) => Self::Seq(items.iter().map(Self::from_json).collect()),
            Value::Object(map) => Self::Map(
                map.iter()
                    .map(|(key, value)| (Scalar::string(key.clone()), Self::from_json(value)))
                    .collect(),
            ),
        }
    }

    /// Makes a tree of a value whose integers are kept, as of a list's items: texts are quoted.
    pub(crate) fn from_value(value: &Value) -> Self {
        match value {
            Value::Number(number) => {
                let text = number.to_string();
                let tag = scalar::resolve(&text);
                Self::Scalar(Scalar::tagged(text, tag))
            }
            Value::String(text) => {
                let mut scalar = Scalar::tagged(text.clone(), Tag::Str);
                scalar.quoted = true;
                Self::Scalar(scalar)
            }
            Value::Array(items) => Self::Seq(items.iter().map(Self::from_value).collect()),
            Value::Object(map) => Self::Map(
                map.iter()
                    .map(|(key, value)| {
                        let mut key = Scalar::tagged(key.clone(), Tag::Str);
                        key.quoted = true;
                        (key, Self::from_value(value))
                    })
                    .collect(),
            ),
            other => Self::from_json(other),
        }
    }
}

/// Returns what becomes of a text on its way out: kustomize writes JSON and reads it as YAML, to which U+0085 is the
/// end of a line, and folds the lines.
fn written(text: Str) -> Str {
    const NEXT_LINE: char = '\u{85}';
    if !text.contains(NEXT_LINE) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(i) = rest.find(NEXT_LINE) {
        out.push_str(rest[..i].trim_end_matches([' ', '\t']));
        let tail = rest[i..].trim_start_matches([NEXT_LINE, ' ', '\t']);
        let lines = rest[i..rest.len() - tail.len()].matches(NEXT_LINE).count();
        if lines == 1 {
            out.push(' ');
        } else {
            out.extend(std::iter::repeat_n('\n', lines - 1));
        }
        rest = tail;
    }
    out.push_str(rest);
    out.into()
}

/// Maps of this many entries are looked through for a key that stands twice; larger ones are hashed.
const FEW_KEYS: usize = 12;

fn check_keys(entries: &[(Scalar, Node)]) -> Result<(), ValueError> {
    for (key, _) in entries {
        let kind = match (key.tag, key.quoted) {
            (Tag::Str, _) | (_, true) => continue,
            (Tag::Open, false) => match scalar::resolve(&key.text) {
                Tag::Str => continue,
                other => scalar::tag_name(other),
            },
            (other, false) => scalar::tag_name(other),
        };
        return Err(ValueError::Key {
            key: key.text.to_string(),
            kind,
        });
    }
    let twice = |key: &Scalar| ValueError::DuplicateKey {
        key: key.text.to_string(),
    };
    if entries.len() <= FEW_KEYS {
        for (i, (key, _)) in entries.iter().enumerate() {
            if entries[..i].iter().any(|(k, _)| k.text == key.text) {
                return Err(twice(key));
            }
        }
    } else {
        let mut seen = FxHashSet::with_capacity_and_hasher(entries.len(), Default::default());
        for (key, _) in entries {
            if !seen.insert(key.text.as_str()) {
                return Err(twice(key));
            }
        }
    }
    Ok(())
}

/// Turns a number into the text that Go's `%v` gives for it.
pub(crate) fn number_text(number: Number) -> Cow<'static, str> {
    Cow::Owned(if number.is_integer() {
        number.to_string()
    } else {
        scalar::go_double(number.as_f64())
    })
}
