//! The values that templates work on.

mod cycles;
mod list;
mod map;
mod object;
mod types;

use std::rc::Rc;
use std::sync::Arc;

pub(crate) use cycles::take_apart;
pub use list::List;
pub use map::{Map, WeakMap};
pub use object::{Kind, Object};
pub use types::{ListType, MapType, Methods, Type};

use crate::function::Function;
use crate::text::Str;

/// A Go value.
///
/// Lists and maps are references, as in Go: a clone is the same list or map, and `set` on it is
/// seen by everyone who holds it. So values belong to one thread; compiled templates do not hold
/// any and can be shared between threads.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Value {
    /// No value at all: a key that a map does not have, the result of an empty pipeline. It prints
    /// as `<no value>`.
    #[default]
    Missing,
    /// `nil` in an `interface {}`. It prints as `<nil>`.
    Nil,
    /// A `bool`.
    Bool(bool),
    /// An `int`: literals, `len`, indexes.
    Int(i64),
    /// An `int64`: the results of sprig's arithmetic.
    Int64(i64),
    /// A `uint8`: an element of a string or of bytes.
    Uint8(u8),
    /// A `uint64`.
    Uint64(u64),
    /// A `float64`: every number out of JSON.
    Float(f64),
    /// A `complex128`.
    Complex(f64, f64),
    /// A `string`.
    Str(Str),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A struct, pointer or defined type of the host.
    Object(Rc<dyn Object>),
    /// A function, for `call`.
    Func(Arc<Function>),
}

impl Value {
    /// Makes a string.
    #[must_use]
    pub fn str(text: impl Into<Str>) -> Self {
        Self::Str(text.into())
    }

    /// Makes an `[]interface {}`.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::new(items))
    }

    /// Makes a `[]string`.
    #[must_use]
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::List(List::strings(items))
    }

    /// Makes a host object.
    #[must_use]
    pub fn object(object: impl Object) -> Self {
        Self::Object(Rc::new(object))
    }

    /// Returns the dynamic type, or nothing for a missing value and for nil.
    #[must_use]
    pub fn dynamic_type(&self) -> Option<&'static str> {
        Some(match self {
            Self::Missing | Self::Nil => return None,
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Uint8(_) => "uint8",
            Self::Uint64(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Complex(..) => "complex128",
            Self::Str(_) => "string",
            Self::List(list) => list.ty().name(),
            Self::Map(map) => map.ty().name(),
            Self::Object(object) => object.type_name(),
            Self::Func(_) => "func",
        })
    }

    /// Returns the type name as `%T` prints it: `<nil>` where there is none.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.dynamic_type().unwrap_or("<nil>")
    }

    /// Returns the kind, as Go's `reflect` calls it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Missing | Self::Nil => Kind::Invalid,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Int64(_) => Kind::Int64,
            Self::Uint8(_) => Kind::Uint8,
            Self::Uint64(_) => Kind::Uint64,
            Self::Float(_) => Kind::Float64,
            Self::Complex(..) => Kind::Complex128,
            Self::Str(_) => Kind::String,
            Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Object(object) => object.kind(),
            Self::Func(_) => Kind::Func,
        }
    }

    /// Tells whether `if` takes the value for true: whether it is not the zero of its type.
    #[must_use]
    pub fn truth(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Int64(value) => *value != 0,
            Self::Uint8(value) => *value != 0,
            Self::Uint64(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(object) => object.truth(),
            Self::Func(_) => true,
        }
    }

    /// Tells whether there is no value or it is nil, a nil list and a nil map included.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => true,
            Self::List(list) => list.is_nil(),
            Self::Map(map) => map.is_nil(),
            _ => false,
        }
    }

    /// Returns the text of a string that is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => text.as_str(),
            _ => None,
        }
    }

    /// Returns the map.
    #[must_use]
    pub const fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the list.
    #[must_use]
    pub const fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// Returns the host object, if it is one of that type.
    #[must_use]
    pub fn as_object<T: Object>(&self) -> Option<&T> {
        match self {
            Self::Object(object) => (object.as_ref() as &dyn std::any::Any).downcast_ref(),
            _ => None,
        }
    }

    /// Tells whether the value is a list or a map.
    pub(crate) const fn is_container(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_))
    }
}

/// Writes the value as `%v` does, for messages: what nests too deep or is too long is cut short.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::format::display(self))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(Str::new(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(Str::from(text))
    }
}

impl From<Str> for Value {
    fn from(text: Str) -> Self {
        Self::Str(text)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

/// Drops what `first` holds without recursion, however deep it is nested.
fn drop_deep(first: Vec<Value>) {
    let mut pending = first;
    while let Some(value) = pending.pop() {
        match value {
            Value::List(list) => list.take_if_last(&mut pending),
            Value::Map(map) => map.take_if_last(&mut pending),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_three_words() {
        assert_eq!(size_of::<Value>(), 24);
    }

    #[test]
    fn deep_values_drop_without_recursion() {
        let mut value = Value::Nil;
        for _ in 0..200_000 {
            value = Value::list(vec![value]);
            value = Value::Map(Map::from_iter([(Str::new("k"), value)]));
        }
        drop(value);
    }
}
