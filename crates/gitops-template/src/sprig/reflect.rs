//! Types, kinds and deep equality.

use super::{Table, text};
use crate::error::{Error, Result};
use crate::exec::Context;
use crate::value::{List, Map, Type, Value};

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Any, Bool, String};
    table.add("typeOf", &[Any], String, |_, a| {
        Ok(Value::from(a[0].type_name()))
    });
    table.add("typeIs", &[String, Any], Bool, |_, a| {
        Ok(Value::Bool(text(&a[0]) == a[1].type_name().as_bytes()))
    });
    table.add("typeIsLike", &[String, Any], Bool, |_, a| {
        let ty = a[1].type_name().as_bytes();
        let like = text(&a[0]);
        Ok(Value::Bool(
            like == ty || ty.strip_prefix(b"*") == Some(like),
        ))
    });
    table.add("kindOf", &[Any], String, |_, a| {
        Ok(Value::from(a[0].kind().name()))
    });
    table.add("kindIs", &[String, Any], Bool, |_, a| {
        Ok(Value::Bool(text(&a[0]) == a[1].kind().name().as_bytes()))
    });
    table.add("deepEqual", &[Any, Any], Bool, |context, a| {
        Ok(Value::Bool(deep_equal(context, &a[0], &a[1], 0)?))
    });
    for name in ["deepCopy", "mustDeepCopy"] {
        table.add(name, &[Any], Any, |context, a| {
            if a[0].kind() == crate::value::Kind::Invalid {
                return Err(Error::new(
                    "reflect: call of reflect.Value.Type on zero Value",
                ));
            }
            deep_copy(context, &a[0], 0)
        });
    }
}

fn check(context: &mut Context<'_>, depth: usize) -> Result<()> {
    let limit = context.limits().nesting;
    if depth > limit {
        return Err(Error::limit("the depth of a value", limit as u64));
    }
    context.spend(1)
}

/// `reflect.DeepEqual`: types count, and a nil list is not an empty one.
pub(super) fn deep_equal(
    context: &mut Context<'_>,
    a: &Value,
    b: &Value,
    depth: usize,
) -> Result<bool> {
    Ok(match (a, b) {
        (Value::Missing | Value::Nil, Value::Missing | Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) | (Value::Int64(a), Value::Int64(b)) => a == b,
        (Value::Uint8(a), Value::Uint8(b)) => a == b,
        (Value::Uint64(a), Value::Uint64(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if a.ty().name() != b.ty().name() || a.is_nil() != b.is_nil() || a.len() != b.len() {
                return Ok(false);
            }
            if a.is_same(b) {
                return Ok(true);
            }
            check(context, depth)?;
            crate::stack::grow(|| lists_equal(context, a, b, depth))?
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.ty().name() != b.ty().name() || a.is_nil() != b.is_nil() || a.len() != b.len() {
                return Ok(false);
            }
            if a.is_same(b) {
                return Ok(true);
            }
            check(context, depth)?;
            crate::stack::grow(|| maps_equal(context, a, b, depth))?
        }
        (Value::Object(a), Value::Object(b)) => {
            std::rc::Rc::ptr_eq(a, b) || (a.type_name() == b.type_name() && a.equals(b.as_ref()))
        }
        _ => false,
    })
}

fn lists_equal(context: &mut Context<'_>, a: &List, b: &List, depth: usize) -> Result<bool> {
    for (a, b) in a.items().iter().zip(b.items().iter()) {
        if !deep_equal(context, a, b, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn maps_equal(context: &mut Context<'_>, a: &Map, b: &Map, depth: usize) -> Result<bool> {
    for ((key, a), (other, b)) in a.entries().iter().zip(b.entries().iter()) {
        if key != other || !deep_equal(context, a, b, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Copies lists and maps and everything in them.
pub(super) fn deep_copy(context: &mut Context<'_>, value: &Value, depth: usize) -> Result<Value> {
    check(context, depth)?;
    match value {
        Value::List(list) if !list.is_nil() => {
            let mut items = list.to_vec();
            for item in &mut items {
                *item = crate::stack::grow(|| deep_copy(context, item, depth + 1))?;
            }
            Ok(Value::List(List::typed(list.ty(), items)))
        }
        Value::Map(map) if !map.is_nil() => {
            let mut entries = map.to_vec();
            for (_, item) in &mut entries {
                *item = crate::stack::grow(|| deep_copy(context, item, depth + 1))?;
            }
            Ok(Value::Map(Map::from_entries(map.ty(), entries)))
        }
        Value::Object(object) => Ok(object.copied().unwrap_or_else(|| value.clone())),
        other => Ok(other.clone()),
    }
}
