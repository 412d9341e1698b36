use std::fmt;
use std::ops::{Deref, Index};
use std::sync::Arc;

use crate::{Number, Str};

/// A value of a manifest: what JSON can say, cheap to share and to compare.
///
/// Lists and maps are reference-counted: a clone is a count, not a copy, and the first change to a shared
/// one copies that level alone. Two values that share a list or a map compare equal without being walked.
/// Maps are kept sorted by key, so that equality, comparison and merging are walks in step, and output is
/// the same on every run. A value is 24 bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer or a double.
    Number(Number),
    /// Text.
    String(Str),
    /// A list.
    Array(Array),
    /// A map from strings to values, sorted by key.
    Object(Map),
}

impl Value {
    /// Names the JSON type: `null`, `boolean`, `number`, `string`, `array` or `object`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Whether this is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns the text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a boolean.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns a number.
    #[must_use]
    pub const fn as_number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns an integer within `i64`.
    #[must_use]
    pub const fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// Returns a number as a double.
    #[must_use]
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.as_f64()),
            _ => None,
        }
    }

    /// Returns the elements of a list.
    #[must_use]
    pub const fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// Returns a list for changing.
    pub const fn as_array_mut(&mut self) -> Option<&mut Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// Returns a map.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Map> {
        match self {
            Self::Object(map) => Some(map),
            _ => None,
        }
    }

    /// Returns a map for changing.
    pub const fn as_object_mut(&mut self) -> Option<&mut Map> {
        match self {
            Self::Object(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the value under `key` where this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// Follows a path of map keys. A list on the way ends the walk with `None`.
    ///
    /// ```
    /// use gitops_manifest::Value;
    /// let value: Value = serde_json::json!({"spec": {"replicas": 3}}).into();
    /// assert_eq!(value.at(&["spec", "replicas"]).and_then(Value::as_i64), Some(3));
    /// ```
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// Follows a path of map keys for changing; copies the levels on the way where they are shared.
    pub fn at_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        path.iter()
            .try_fold(self, |value, key| value.as_object_mut()?.get_mut(key))
    }

    /// Follows a JSON pointer (RFC 6901).
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer
            .strip_prefix('/')?
            .split('/')
            .try_fold(self, |value, token| match value {
                Self::Object(map) if token.contains('~') => {
                    map.get(&token.replace("~1", "/").replace("~0", "~"))
                }
                Self::Object(map) => map.get(token),
                Self::Array(array) => {
                    if token.len() > 1 && token.starts_with('0') || token.starts_with('+') {
                        return None;
                    }
                    array.get(token.parse::<usize>().ok()?)
                }
                _ => None,
            })
    }

    /// Takes the value out and leaves `null`.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Whether both are the same list or map in memory, hence equal. `false` says nothing.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Array(a), Self::Array(b)) => a.ptr_eq(b),
            (Self::Object(a), Self::Object(b)) => a.ptr_eq(b),
            _ => false,
        }
    }
}

/// Returns the value under a key of a map, or `null`.
impl Index<&str> for Value {
    type Output = Self;
    fn index(&self, key: &str) -> &Self {
        static NULL: Value = Value::Null;
        self.get(key).unwrap_or(&NULL)
    }
}

/// Shows the value as JSON.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => fmt::Display::fmt(value, f),
            Self::Number(number) => fmt::Display::fmt(number, f),
            Self::String(text) => fmt::Debug::fmt(text, f),
            Self::Array(array) => fmt::Debug::fmt(array, f),
            Self::Object(map) => fmt::Debug::fmt(map, f),
        }
    }
}

macro_rules! from {
    ($($from:ty => |$value:ident| $into:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        }
    )*};
}

from! {
    bool => |value| Self::Bool(value);
    i32 => |value| Self::Number(value.into());
    i64 => |value| Self::Number(value.into());
    u32 => |value| Self::Number(value.into());
    u64 => |value| Self::Number(value.into());
    Number => |value| Self::Number(value);
    Str => |value| Self::String(value);
    &Str => |value| Self::String(value.clone());
    &str => |value| Self::String(value.into());
    String => |value| Self::String(value.into());
    Array => |value| Self::Array(value);
    Vec<Self> => |value| Self::Array(value.into());
    Map => |value| Self::Object(value);
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A list of values, shared until it is changed.
///
/// Reads as a slice; [`Array::make_mut`] gives the vector, copied first where it is shared.
// `Arc` compares by address first where the content is `Eq`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Array(Arc<Vec<Value>>);

impl Array {
    /// Makes an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the elements for changing; copies them (one level) where the list is shared.
    pub fn make_mut(&mut self) -> &mut Vec<Value> {
        Arc::make_mut(&mut self.0)
    }

    /// Returns the elements, without a copy where the list is not shared.
    #[must_use]
    pub fn into_vec(self) -> Vec<Value> {
        Arc::unwrap_or_clone(self.0)
    }

    /// Whether both are one list in memory.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Array {
    type Target = [Value];
    fn deref(&self) -> &[Value] {
        &self.0
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl From<Vec<Value>> for Array {
    fn from(values: Vec<Value>) -> Self {
        Self(Arc::new(values))
    }
}

impl<T: Into<Value>> FromIterator<T> for Array {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        values
            .into_iter()
            .map(Into::into)
            .collect::<Vec<_>>()
            .into()
    }
}

impl<'a> IntoIterator for &'a Array {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Array {
    type Item = Value;
    type IntoIter = std::vec::IntoIter<Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

/// A map from strings to values, sorted by the bytes of the key, shared until it is changed.
// `Arc` compares by address first where the content is `Eq`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Map(Arc<Vec<(Str, Value)>>);

impl Map {
    /// Makes an empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a map of entries in any order. Of entries with one key the last wins.
    #[must_use]
    pub fn from_entries(mut entries: Vec<(Str, Value)>) -> Self {
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            // The sort is stable, so that of equal keys the last entry comes last.
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    std::mem::swap(&mut later.1, &mut earlier.1);
                }
                same
            });
        }
        Self(Arc::new(entries))
    }

    /// Returns how many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(k, _)| k.as_str().cmp(key))
    }

    /// Finds an entry. Nearly all maps of manifests are small: there it costs less to pass over keys of other
    /// lengths than to compare keys by order.
    fn find(&self, key: &str) -> Option<&(Str, Value)> {
        const SMALL: usize = 16;
        if self.0.len() > SMALL {
            return self.position(key).ok().map(|i| &self.0[i]);
        }
        self.0.iter().find(|(k, _)| k.as_str() == key)
    }

    /// Returns the value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.find(key).map(|(_, value)| value)
    }

    /// Returns the entry under `key`, the key as it is held.
    #[must_use]
    pub fn get_key_value(&self, key: &str) -> Option<(&Str, &Value)> {
        self.find(key).map(|(key, value)| (key, value))
    }

    /// Whether there is an entry under `key`.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Returns the value under `key` for changing; copies this level where it is shared.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        let i = self.position(key).ok()?;
        Some(&mut Arc::make_mut(&mut self.0)[i].1)
    }

    /// Returns the value under `key` for changing; puts `null` there first where it is absent.
    pub fn entry(&mut self, key: impl Into<Str> + AsRef<str>) -> &mut Value {
        let position = self.position(key.as_ref());
        let entries = Arc::make_mut(&mut self.0);
        let i = position.unwrap_or_else(|i| {
            entries.insert(i, (key.into(), Value::Null));
            i
        });
        &mut entries[i].1
    }

    /// Returns the map under `key` for changing; puts an empty one there where there is none or another value.
    pub fn entry_object(&mut self, key: impl Into<Str> + AsRef<str>) -> &mut Self {
        let value = self.entry(key);
        if value.as_object().is_none() {
            *value = Value::Object(Self::new());
        }
        match value {
            Value::Object(map) => map,
            _ => unreachable!("it was made a map above"),
        }
    }

    /// Puts a value under `key` and returns the one that was there.
    pub fn insert(&mut self, key: impl Into<Str>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.position(&key) {
            Ok(i) => Some(std::mem::replace(
                &mut Arc::make_mut(&mut self.0)[i].1,
                value,
            )),
            Err(i) => {
                Arc::make_mut(&mut self.0).insert(i, (key, value));
                None
            }
        }
    }

    /// Removes the entry under `key` and returns its value. Copies nothing where there is none.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let i = self.position(key).ok()?;
        Some(Arc::make_mut(&mut self.0).remove(i).1)
    }

    /// Keeps the entries for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        Arc::make_mut(&mut self.0).retain_mut(|(key, value)| keep(key, value));
    }

    /// Returns the entries, sorted by key.
    #[must_use]
    pub fn entries(&self) -> &[(Str, Value)] {
        &self.0
    }

    /// Goes over the entries in the order of their keys.
    pub fn iter(&self) -> MapIter<'_> {
        MapIter(self.0.iter())
    }

    /// Goes over the entries for changing their values; copies this level where it is shared.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Str, &mut Value)> {
        Arc::make_mut(&mut self.0)
            .iter_mut()
            .map(|(key, value)| (&*key, value))
    }

    /// Goes over the keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &Str> {
        self.0.iter().map(|(key, _)| key)
    }

    /// Goes over the values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Whether both are one map in memory.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<Str>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self::from_entries(
            entries
                .into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
        )
    }
}

impl<const N: usize, K: Into<Str>, V: Into<Value>> From<[(K, V); N]> for Map {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

/// The entries of a [`Map`] in the order of their keys.
#[derive(Clone, Debug)]
pub struct MapIter<'a>(std::slice::Iter<'a, (Str, Value)>);

impl<'a> Iterator for MapIter<'a> {
    type Item = (&'a Str, &'a Value);
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key, value))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for MapIter<'_> {}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Str, &'a Value);
    type IntoIter = MapIter<'a>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Map {
    type Item = (Str, Value);
    type IntoIter = std::vec::IntoIter<(Str, Value)>;
    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

const _: () = assert!(size_of::<Value>() == 24);
