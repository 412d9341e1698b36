//! Lists.

use super::cast::to_int64;
use super::defaults::is_empty;
use super::reflect::deep_equal;
use super::{Table, int, nil_pointer};
use crate::error::{Error, Result};
use crate::exec::Context;
use crate::value::{Kind, List, ListType, Type, Value};

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Any, Bool, Int};
    const LIST: Type = Type::ANY_LIST;
    for name in ["list", "tuple"] {
        table.add_variadic(name, &[Any], LIST, |_, a| {
            if a.is_empty() {
                // A call without arguments gets an empty slice, not a nil one.
                return Ok(Value::list(Vec::new()));
            }
            Ok(Value::list(a.iter_mut().map(std::mem::take).collect()))
        });
    }
    for name in ["append", "push", "mustAppend", "mustPush"] {
        table.add(name, &[Any, Any], LIST, |_, a| {
            let mut items = items(&a[0], "Cannot push on type")?;
            items.push(std::mem::take(&mut a[1]));
            Ok(Value::list(items))
        });
    }
    for name in ["prepend", "mustPrepend"] {
        table.add(name, &[Any, Any], LIST, |_, a| {
            let mut items = items(&a[0], "Cannot prepend on type")?;
            items.insert(0, std::mem::take(&mut a[1]));
            Ok(Value::list(items))
        });
    }
    for name in ["first", "mustFirst"] {
        table.add(name, &[Any], Any, |_, a| {
            let list = list(&a[0], "Cannot find first on type")?;
            Ok(list.get(0).unwrap_or(Value::Nil))
        });
    }
    for name in ["last", "mustLast"] {
        table.add(name, &[Any], Any, |_, a| {
            let list = list(&a[0], "Cannot find last on type")?;
            Ok(list
                .len()
                .checked_sub(1)
                .and_then(|at| list.get(at))
                .unwrap_or(Value::Nil))
        });
    }
    for name in ["rest", "mustRest"] {
        table.add(name, &[Any], LIST, |_, a| {
            let items = items(&a[0], "Cannot find rest on type")?;
            Ok(items
                .get(1..)
                .map_or_else(nil_list, |rest| Value::list(rest.to_vec())))
        });
    }
    for name in ["initial", "mustInitial"] {
        table.add(name, &[Any], LIST, |_, a| {
            let mut items = items(&a[0], "Cannot find initial on type")?;
            Ok(if items.pop().is_some() {
                Value::list(items)
            } else {
                nil_list()
            })
        });
    }
    for name in ["reverse", "mustReverse"] {
        table.add(name, &[Any], LIST, |_, a| {
            let mut items = items(&a[0], "Cannot find reverse on type")?;
            items.reverse();
            Ok(Value::list(items))
        });
    }
    for name in ["compact", "mustCompact"] {
        table.add(name, &[Any], LIST, |_, a| {
            let mut items = items(&a[0], "Cannot compact on type")?;
            items.retain(|item| !is_empty(item));
            Ok(Value::list(items))
        });
    }
    for name in ["uniq", "mustUniq"] {
        table.add(name, &[Any], LIST, |context, a| {
            let mut unique = Vec::new();
            for item in items(&a[0], "Cannot find uniq on type")? {
                if !contains(context, &unique, &item)? {
                    unique.push(item);
                }
            }
            Ok(Value::list(unique))
        });
    }
    for name in ["without", "mustWithout"] {
        table.add_variadic(name, &[Any, Any], LIST, |context, a| {
            let mut kept = Vec::new();
            for item in items(&a[0], "Cannot find without on type")? {
                if !contains(context, &a[1..], &item)? {
                    kept.push(item);
                }
            }
            Ok(Value::list(kept))
        });
    }
    for name in ["has", "mustHas"] {
        table.add(name, &[Any, Any], Bool, |context, a| {
            if a[1].kind() == Kind::Invalid {
                return Ok(Value::Bool(false));
            }
            let items = items(&a[1], "Cannot find has on type")?;
            Ok(Value::Bool(contains(context, &items, &a[0])?))
        });
    }
    for name in ["slice", "mustSlice"] {
        table.add_variadic(name, &[Any, Any], Any, |_, a| slice(a));
    }
    table.add_variadic("concat", &[Any], Any, |_, a| {
        let mut all = Vec::new();
        for value in a.iter() {
            match value {
                Value::List(list) => all.extend(list.to_vec()),
                value if value.kind() == Kind::Invalid => return Err(nil_pointer()),
                other => {
                    let kind = other.kind();
                    return Err(Error::new(format!("Cannot concat type {kind} as list")));
                }
            }
        }
        Ok(if all.is_empty() {
            nil_list()
        } else {
            Value::list(all)
        })
    });
    for name in ["chunk", "mustChunk"] {
        table.add(
            name,
            &[Int, Any],
            Type::List(&ListType::LISTS),
            |context, a| chunk(context, a),
        );
    }
}

fn nil_list() -> Value {
    Value::List(List::nil(&ListType::ANY))
}

/// Returns a list, or the message that a value is none.
fn list<'a>(value: &'a Value, message: &str) -> Result<&'a List> {
    match value {
        Value::List(list) => Ok(list),
        value if value.kind() == Kind::Invalid => Err(nil_pointer()),
        other => Err(Error::new(format!("{message} {}", other.kind()))),
    }
}

fn items(value: &Value, message: &str) -> Result<Vec<Value>> {
    Ok(list(value, message)?.to_vec())
}

fn contains(context: &mut Context<'_>, items: &[Value], wanted: &Value) -> Result<bool> {
    for item in items {
        context.spend(1)?;
        if deep_equal(context, wanted, item, 0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn slice(arguments: &[Value]) -> Result<Value> {
    let list = match &arguments[0] {
        Value::List(list) => list,
        value if value.kind() == Kind::Invalid => return Err(nil_pointer()),
        other => {
            let kind = other.kind();
            return Err(Error::new(format!(
                "list should be type of slice or array but {kind}"
            )));
        }
    };
    let length = list.len();
    if length == 0 {
        return Ok(Value::Nil);
    }
    let start = arguments.get(1).map_or(0, to_int64);
    let end = arguments.get(2).map_or(length as i64, to_int64);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    match range {
        Some((start, end)) if start <= end && end <= length => Ok(Value::List(List::typed(
            list.ty(),
            list.items()[start..end].to_vec(),
        ))),
        _ => Err(Error::new("reflect.Value.Slice: slice index out of bounds")),
    }
}

fn chunk(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value> {
    let size = int(&arguments[0]);
    let items = match &arguments[1] {
        Value::List(list) => list.to_vec(),
        value if value.kind() == Kind::Invalid => return Err(nil_pointer()),
        other => return Err(Error::new(format!("Cannot chunk type {}", other.kind()))),
    };
    let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
        // The original divides by the size as a float, and asks for as many chunks as that gives.
        return if size < 0 && items.len() > 1 {
            let count = ((items.len() as f64 - 1.0) / size as f64).floor() as i64 + 1;
            if count <= 0 {
                let empty = if count == 0 {
                    Vec::new()
                } else {
                    return Err(out_of_range());
                };
                return Ok(Value::List(List::typed(&ListType::LISTS, empty)));
            }
            Err(out_of_range())
        } else {
            Err(out_of_range())
        };
    };
    context.spend((items.len() / size) as u64)?;
    let chunks = items
        .chunks(size)
        .map(|chunk| Value::list(chunk.to_vec()))
        .collect();
    Ok(Value::List(List::typed(&ListType::LISTS, chunks)))
}

fn out_of_range() -> Error {
    Error::new("runtime error: makeslice: len out of range")
}
