//! The Go types that templates can tell apart.

use std::fmt;

use crate::error::Result;
use crate::exec::Context;
use crate::function::Signature;
use crate::value::Value;

/// A Go type: what a parameter accepts, what a list holds, what `%T` prints.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Type {
    /// `interface {}`: anything.
    Any,
    /// `reflect.Value`: anything, where a missing value stays apart from nil.
    Reflect,
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `int64`.
    Int64,
    /// `uint8`, the type of a byte.
    Uint8,
    /// `uint32`, as a parameter only.
    Uint32,
    /// `uint64`.
    Uint64,
    /// `float64`.
    Float64,
    /// `complex128`.
    Complex128,
    /// `string`.
    String,
    /// A slice type.
    List(&'static ListType),
    /// A map type with string keys.
    Map(&'static MapType),
    /// The type of a host object, by its name.
    Object(&'static str),
    /// A function.
    Func,
}

impl Type {
    /// `[]interface {}`.
    pub const ANY_LIST: Self = Self::List(&ListType::ANY);
    /// `map[string]interface {}`.
    pub const ANY_MAP: Self = Self::Map(&MapType::ANY);

    /// Returns the name that Go prints for the type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::List(list) => list.name,
            Self::Map(map) => map.name,
            Self::Object(name) => name,
            Self::Func => "func",
        }
    }
}

impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.name() == other.name()
    }
}

impl Eq for Type {}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Methods of a named list or map type, such as `chartutil.VersionSet`.
pub trait Methods: Sync {
    /// Returns the signature of the method `name`, or nothing if there is none.
    fn method(&self, name: &str) -> Option<Signature>;

    /// Calls the method `name` of `receiver` with arguments that fit its signature.
    ///
    /// # Errors
    /// Fails as the method does.
    fn call(
        &self,
        name: &str,
        receiver: &Value,
        context: &mut Context<'_>,
        arguments: &mut [Value],
    ) -> Result<Value>;
}

/// A Go slice type.
pub struct ListType {
    name: &'static str,
    element: Type,
    named: bool,
    methods: Option<&'static dyn Methods>,
}

impl ListType {
    /// `[]interface {}`.
    pub const ANY: Self = Self::plain("[]interface {}", Type::Any);
    /// `[]string`.
    pub const STRINGS: Self = Self::plain("[]string", Type::String);
    /// `[]int`.
    pub const INTS: Self = Self::plain("[]int", Type::Int);
    /// `[]uint8`, also called `[]byte`.
    pub const BYTES: Self = Self::plain("[]uint8", Type::Uint8);
    /// `[][]interface {}`.
    pub const LISTS: Self = Self::plain("[][]interface {}", Type::ANY_LIST);
    /// `[]map[string]interface {}`.
    pub const MAPS: Self = Self::plain("[]map[string]interface {}", Type::ANY_MAP);

    /// Makes an unnamed slice type; `name` is what Go prints for it.
    #[must_use]
    pub const fn plain(name: &'static str, element: Type) -> Self {
        Self {
            name,
            element,
            named: false,
            methods: None,
        }
    }

    /// Makes a defined slice type, with methods if it has any.
    #[must_use]
    pub const fn named(
        name: &'static str,
        element: Type,
        methods: Option<&'static dyn Methods>,
    ) -> Self {
        Self {
            name,
            element,
            named: true,
            methods,
        }
    }

    /// Returns the name that Go prints.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the type of the elements.
    #[must_use]
    pub const fn element(&self) -> Type {
        self.element
    }

    pub(crate) const fn methods(&self) -> Option<&'static dyn Methods> {
        self.methods
    }

    /// Tells whether a value of this type may stand where `target` is wanted.
    pub(crate) fn assignable_to(&self, target: &Self) -> bool {
        self.name == target.name
            || (self.element == target.element && !(self.named && target.named))
    }
}

impl fmt::Debug for ListType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A Go map type with string keys.
pub struct MapType {
    name: &'static str,
    element: Type,
    named: bool,
    methods: Option<&'static dyn Methods>,
}

impl MapType {
    /// `map[string]interface {}`.
    pub const ANY: Self = Self::plain("map[string]interface {}", Type::Any);
    /// `map[string]string`.
    pub const STRINGS: Self = Self::plain("map[string]string", Type::String);

    /// Makes an unnamed map type; `name` is what Go prints for it.
    #[must_use]
    pub const fn plain(name: &'static str, element: Type) -> Self {
        Self {
            name,
            element,
            named: false,
            methods: None,
        }
    }

    /// Makes a defined map type, with methods if it has any.
    #[must_use]
    pub const fn named(
        name: &'static str,
        element: Type,
        methods: Option<&'static dyn Methods>,
    ) -> Self {
        Self {
            name,
            element,
            named: true,
            methods,
        }
    }

    /// Returns the name that Go prints.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the type of the values.
    #[must_use]
    pub const fn element(&self) -> Type {
        self.element
    }

    pub(crate) const fn methods(&self) -> Option<&'static dyn Methods> {
        self.methods
    }

    /// Tells whether a value of this type may stand where `target` is wanted.
    pub(crate) fn assignable_to(&self, target: &Self) -> bool {
        self.name == target.name
            || (self.element == target.element && !(self.named && target.named))
    }
}

impl fmt::Debug for MapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
