//! `index`, `slice` and `len`.

use crate::error::{Error, Result};
use crate::exec::zero;
use crate::text::Str;
use crate::value::{List, Value};

/// Reads an index into something of `length` items.
fn position(index: &Value, length: usize) -> Result<usize> {
    let number = match index {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Uint8(number) => i64::from(*number),
        Value::Uint64(number) => *number as i64,
        Value::Missing | Value::Nil => {
            return Err(Error::new("cannot index slice/array with nil"));
        }
        other => {
            let ty = other.type_name();
            return Err(Error::new(format!(
                "cannot index slice/array with type {ty}"
            )));
        }
    };
    match usize::try_from(number) {
        Ok(at) if at <= length => Ok(at),
        _ => Err(Error::new(format!("index out of range: {number}"))),
    }
}

/// Returns the type of a value, or of what it points to.
fn pointee(value: &Value) -> &'static str {
    value.type_name().trim_start_matches('*')
}

/// Go lets an index equal the length through its own check and panics only then.
fn beyond(kind: &str) -> Error {
    Error::new(format!("reflect: {kind} index out of range"))
}

/// Takes a defined type over a list or a map for that list or map.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(object) => match object.underlying() {
            Some(plain @ (Value::List(_) | Value::Map(_))) => plain,
            _ => value.clone(),
        },
        value => value.clone(),
    }
}

pub(super) fn index(values: &[Value]) -> Result<Value> {
    let Some((item, indexes)) = values.split_first() else {
        return Err(Error::new("index of untyped nil"));
    };
    if matches!(item, Value::Missing | Value::Nil) {
        return Err(Error::new("index of untyped nil"));
    }
    let mut item = item.clone();
    for index in indexes {
        item = match &plain(&item) {
            Value::Missing | Value::Nil => return Err(Error::new("index of nil pointer")),
            Value::Str(text) => {
                let at = position(index, text.len())?;
                let byte = text.as_bytes().get(at).ok_or_else(|| beyond("string"))?;
                Value::Uint8(*byte)
            }
            Value::List(list) => {
                let at = position(index, list.len())?;
                list.get(at).ok_or_else(|| beyond("slice"))?
            }
            Value::Map(map) => {
                let key = match index {
                    Value::Str(key) => key,
                    Value::Missing | Value::Nil => {
                        return Err(Error::new("value is nil; should be of type string"));
                    }
                    other => {
                        let ty = other.type_name();
                        return Err(Error::new(format!("value has type {ty}; should be string")));
                    }
                };
                map.get(key.as_bytes())
                    .unwrap_or_else(|| zero(map.ty().element()))
            }
            other => {
                let ty = pointee(other);
                return Err(Error::new(format!("can't index item of type {ty}")));
            }
        };
    }
    Ok(item)
}

pub(super) fn slice(values: &[Value]) -> Result<Value> {
    let Some((item, indexes)) = values.split_first() else {
        return Err(Error::new("slice of untyped nil"));
    };
    if matches!(item, Value::Missing | Value::Nil) {
        return Err(Error::new("slice of untyped nil"));
    }
    if indexes.len() > 3 {
        return Err(Error::new(format!(
            "too many slice indexes: {}",
            indexes.len()
        )));
    }
    let length = match item {
        Value::Str(_) if indexes.len() == 3 => {
            return Err(Error::new("cannot 3-index slice a string"));
        }
        Value::Str(text) => text.len(),
        Value::List(list) => list.len(),
        other => {
            let ty = pointee(other);
            return Err(Error::new(format!("can't slice item of type {ty}")));
        }
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, length)?;
    }
    let [from, to, capacity] = bounds;
    if from > to {
        return Err(Error::new(format!("invalid slice index: {from} > {to}")));
    }
    if indexes.len() == 3 && to > capacity {
        return Err(Error::new(format!(
            "invalid slice index: {to} > {capacity}"
        )));
    }
    Ok(match item {
        Value::Str(text) => Value::Str(Str::from_bytes(&text.as_bytes()[from..to])),
        Value::List(list) => Value::List(List::typed(list.ty(), list.items()[from..to].to_vec())),
        _ => Value::Missing,
    })
}

pub(super) fn length(value: &Value) -> Result<Value> {
    let length = match &plain(value) {
        Value::Str(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Nil => return Err(Error::new("len of nil pointer")),
        Value::Missing => {
            return Err(Error::new(
                "reflect: call of reflect.Value.Type on zero Value",
            ));
        }
        other => return Err(Error::new(format!("len of type {}", pointee(other)))),
    };
    Ok(Value::Int(length as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_the_length_is_out_of_range() {
        let list = Value::list(vec![Value::Nil]);
        let error = index(&[list, Value::Int(1)]).unwrap_err();
        assert_eq!(error.to_string(), "reflect: slice index out of range");
    }
}
