//! Typed values of the host.

use std::any::Any;
use std::fmt;

use super::Value;
use crate::error::{Error, Result};
use crate::exec::Context;
use crate::function::Signature;

/// A value of a Go type that is neither basic nor a plain list or map: a struct, a pointer to one,
/// or a defined type with methods.
///
/// Only [`type_name`](Object::type_name) must be given; the rest says what the type can do.
pub trait Object: Any {
    /// Returns the name that `%T` prints, such as `*semver.Version`.
    fn type_name(&self) -> &'static str;

    /// Returns the kind of the type.
    fn kind(&self) -> Kind {
        Kind::Struct
    }

    /// Tells whether `if` takes the value for true. Structs are.
    fn truth(&self) -> bool {
        true
    }

    /// Returns an exported field.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// Returns all fields in the order of the Go type, as `%v` and JSON show them.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// Returns the signature of a method, or nothing if there is no such method.
    fn method(&self, _name: &str) -> Option<Signature> {
        None
    }

    /// Calls a method with arguments that fit its signature.
    ///
    /// # Errors
    /// Fails as the method does.
    fn call(
        &self,
        name: &str,
        _context: &mut Context<'_>,
        _arguments: &mut [Value],
    ) -> Result<Value> {
        Err(Error::new(format!("method {name} is not implemented")))
    }

    /// Returns the text of a type that has a `String` or `Error` method.
    fn text(&self) -> Option<String> {
        None
    }

    /// Returns what a function gets for the value, if not the value itself: a struct whose methods
    /// need its address has them no more where it was copied.
    fn passed(&self) -> Option<Value> {
        None
    }

    /// Returns the value in basic terms, for a defined type over a basic one.
    fn underlying(&self) -> Option<Value> {
        None
    }

    /// Returns what stands for the value in JSON, if not its fields.
    fn to_json(&self) -> Option<Value> {
        None
    }

    /// Returns what `deepCopy` makes of the value, if not the value itself.
    fn copied(&self) -> Option<Value> {
        None
    }

    /// Tells whether the other value of the same type is equal.
    fn equals(&self, _other: &dyn Object) -> bool {
        false
    }
}

impl fmt::Debug for dyn Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }
}

/// What kind of type a value has, by the names of Go's `reflect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Kind {
    Invalid,
    Bool,
    Int,
    Int64,
    Uint8,
    Uint64,
    Float64,
    Complex128,
    Func,
    Map,
    Ptr,
    Slice,
    String,
    Struct,
}

impl Kind {
    /// Returns the name that Go prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint64 => "uint64",
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::Func => "func",
            Self::Map => "map",
            Self::Ptr => "ptr",
            Self::Slice => "slice",
            Self::String => "string",
            Self::Struct => "struct",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
