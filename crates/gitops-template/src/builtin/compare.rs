//! `eq`, `lt` and their kin.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::format::{display, display_string};
use crate::value::{Kind, Value};

/// What values are compared as.
enum Basic<'a> {
    None,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Complex(f64, f64),
    Str(&'a [u8]),
}

fn basic(value: &Value) -> Basic<'_> {
    match value {
        Value::Bool(value) => Basic::Bool(*value),
        Value::Int(value) | Value::Int64(value) => Basic::Int(*value),
        Value::Uint8(value) => Basic::Uint(u64::from(*value)),
        Value::Uint64(value) => Basic::Uint(*value),
        Value::Float(value) => Basic::Float(*value),
        Value::Complex(re, im) => Basic::Complex(*re, *im),
        Value::Str(text) => Basic::Str(text.as_bytes()),
        _ => Basic::None,
    }
}

/// Replaces a defined basic type by the basic one.
fn underlying(value: &Value) -> Option<Value> {
    match value {
        Value::Object(object) => object.underlying(),
        _ => None,
    }
}

fn incompatible(a: &Value, b: &Value) -> Error {
    let (a, b) = (a.type_name(), b.type_name());
    Error::new(format!("incompatible types for comparison: {a} and {b}"))
}

/// Tells whether the first value equals one of the others.
pub(super) fn eq(first: &Value, others: &[Value]) -> Result<bool> {
    if others.is_empty() {
        return Err(Error::new("missing argument for comparison"));
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(a: &Value, b: &Value) -> Result<bool> {
    let (plain_a, plain_b) = (underlying(a), underlying(b));
    let left = basic(plain_a.as_ref().unwrap_or(a));
    let right = basic(plain_b.as_ref().unwrap_or(b));
    Ok(match (left, right) {
        (Basic::Bool(a), Basic::Bool(b)) => a == b,
        (Basic::Int(a), Basic::Int(b)) => a == b,
        (Basic::Uint(a), Basic::Uint(b)) => a == b,
        (Basic::Int(a), Basic::Uint(b)) | (Basic::Uint(b), Basic::Int(a)) => {
            u64::try_from(a) == Ok(b)
        }
        (Basic::Float(a), Basic::Float(b)) => a == b,
        (Basic::Complex(a, b), Basic::Complex(c, d)) => a == c && b == d,
        (Basic::Str(a), Basic::Str(b)) => a == b,
        (Basic::None, Basic::None) => return equal_references(a, b),
        _ if a.kind() == Kind::Invalid || b.kind() == Kind::Invalid => false,
        _ => return Err(incompatible(a, b)),
    })
}

/// Compares values that are no numbers or strings: only nil equals anything.
fn equal_references(a: &Value, b: &Value) -> Result<bool> {
    let (kind_a, kind_b) = (a.kind(), b.kind());
    if kind_a != kind_b && kind_a != Kind::Invalid && kind_b != Kind::Invalid {
        let (ty_a, ty_b) = (a.type_name(), b.type_name());
        let (a, b) = (display_string(a), display(b));
        return Err(Error::new(format!(
            "non-comparable types {a}: {ty_a}, {ty_b}: {b}"
        )));
    }
    if a.is_nil() || b.is_nil() {
        return Ok(a.is_nil() == b.is_nil());
    }
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            // Pointers equal only themselves.
            Ok(std::rc::Rc::ptr_eq(a, b) || (kind_a != Kind::Ptr && a.equals(b.as_ref())))
        }
        _ => {
            let ty = b.type_name();
            Err(Error::new(format!(
                "non-comparable type {}: {ty}",
                display_string(b)
            )))
        }
    }
}

/// Tells whether the first value is less.
pub(super) fn lt(a: &Value, b: &Value) -> Result<bool> {
    order(a, b).map(|order| order == Some(Ordering::Less))
}

/// Tells whether the first value is less or equal.
pub(super) fn le(a: &Value, b: &Value) -> Result<bool> {
    let order = order(a, b)?;
    Ok(matches!(order, Some(Ordering::Less | Ordering::Equal)))
}

fn order(a: &Value, b: &Value) -> Result<Option<Ordering>> {
    let bad = || Err(Error::new("invalid type for comparison"));
    let (plain_a, plain_b) = (underlying(a), underlying(b));
    let left = basic(plain_a.as_ref().unwrap_or(a));
    let right = basic(plain_b.as_ref().unwrap_or(b));
    Ok(match (left, right) {
        (Basic::None, _) | (_, Basic::None) => return bad(),
        (Basic::Int(a), Basic::Int(b)) => Some(a.cmp(&b)),
        (Basic::Uint(a), Basic::Uint(b)) => Some(a.cmp(&b)),
        (Basic::Int(a), Basic::Uint(b)) => Some(i128::from(a).cmp(&i128::from(b))),
        (Basic::Uint(a), Basic::Int(b)) => Some(i128::from(a).cmp(&i128::from(b))),
        (Basic::Float(a), Basic::Float(b)) => a.partial_cmp(&b),
        (Basic::Str(a), Basic::Str(b)) => Some(a.cmp(b)),
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => {
            return bad();
        }
        _ => return Err(incompatible(a, b)),
    })
}
