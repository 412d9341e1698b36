//! Values to Lua and back, as Argo CD does it: what is absent or `null` is `nil`, an empty table is an empty list.

use gitops_manifest::{Array, Map, Number, Str, Value};
use mlua::Lua;

/// How deep a table that a script returns may be.
const DEPTH: usize = 100;

/// What a script has returned.
#[derive(Debug)]
pub(super) enum Returned {
    /// `nil`.
    Nothing,
    /// A table.
    Table(Value),
    /// Something else, of this type.
    Other(&'static str),
}

/// Makes a value of Lua.
pub(super) fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<mlua::Value> {
    Ok(match value {
        Value::Null => mlua::Value::Nil,
        Value::Bool(value) => mlua::Value::Boolean(*value),
        Value::Number(number) => mlua::Value::Number(number.as_f64()),
        Value::String(text) => mlua::Value::String(lua.create_string(text.as_str())?),
        Value::Array(array) => {
            let table = lua.create_table_with_capacity(array.len(), 0)?;
            for (i, element) in array.iter().enumerate() {
                match element {
                    Value::String(text) => table.raw_set(i + 1, text.as_str())?,
                    other => table.raw_set(i + 1, to_lua(lua, other)?)?,
                }
            }
            mlua::Value::Table(table)
        }
        Value::Object(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, value) in map {
                match value {
                    Value::Null => {}
                    Value::Bool(value) => table.raw_set(key.as_str(), *value)?,
                    Value::Number(number) => table.raw_set(key.as_str(), number.as_f64())?,
                    Value::String(text) => table.raw_set(key.as_str(), text.as_str())?,
                    other => table.raw_set(key.as_str(), to_lua(lua, other)?)?,
                }
            }
            mlua::Value::Table(table)
        }
    })
}

/// Reads what a script has returned.
pub(super) fn returned(value: mlua::Value) -> mlua::Result<Returned> {
    Ok(match value {
        mlua::Value::Nil => Returned::Nothing,
        table @ mlua::Value::Table(_) => Returned::Table(from_lua(table, DEPTH)?),
        other => Returned::Other(match other {
            mlua::Value::Boolean(_) => "boolean",
            mlua::Value::Integer(_) | mlua::Value::Number(_) => "number",
            mlua::Value::String(_) => "string",
            mlua::Value::Function(_) => "function",
            _ => "userdata",
        }),
    })
}

fn from_lua(value: mlua::Value, depth: usize) -> mlua::Result<Value> {
    let fail = |why: &str| Err(mlua::Error::runtime(why));
    Ok(match value {
        mlua::Value::Nil => Value::Null,
        mlua::Value::Boolean(value) => Value::Bool(value),
        mlua::Value::Integer(integer) => Value::from(integer),
        mlua::Value::Number(number) => match Number::from_f64(number) {
            Some(number) => Value::Number(number),
            None => return fail("a number that is returned must be finite"),
        },
        mlua::Value::String(text) => Value::String(text_of(&text)),
        mlua::Value::Table(table) => {
            if depth == 0 {
                return fail("the table that is returned is too deep, or contains itself");
            }
            // What the first key is decides whether the table is a list, in LuaJIT's order: the array first.
            let mut list = Vec::new();
            let mut entries: Vec<(Str, Value)> = Vec::new();
            for pair in table.pairs::<mlua::Value, mlua::Value>() {
                let (key, value) = pair?;
                match key {
                    mlua::Value::String(key) => {
                        entries.push((text_of(&key), from_lua(value, depth - 1)?));
                    }
                    mlua::Value::Integer(_) | mlua::Value::Number(_) => {
                        list.push((index_of(&key), from_lua(value, depth - 1)?));
                    }
                    _ => return fail("cannot encode mixed or invalid key types"),
                }
            }
            if !list.is_empty() && !entries.is_empty() {
                return fail("cannot encode mixed or invalid key types");
            }
            if entries.is_empty() {
                list.sort_by_key(|(index, _)| *index);
                if list
                    .iter()
                    .enumerate()
                    .any(|(i, (index, _))| *index != Some(i + 1))
                {
                    return fail("cannot encode sparse array");
                }
                Value::Array(list.into_iter().map(|(_, value)| value).collect::<Array>())
            } else {
                Value::Object(Map::from_entries(entries))
            }
        }
        _ => return fail("cannot encode a function or userdata"),
    })
}

fn index_of(key: &mlua::Value) -> Option<usize> {
    match key {
        mlua::Value::Integer(index) => usize::try_from(*index).ok(),
        mlua::Value::Number(index) if index.fract() == 0.0 && (0.0..1e15).contains(index) => {
            Some(*index as usize)
        }
        _ => None,
    }
}

/// Reads text; what is not UTF-8 is replaced.
fn text_of(text: &mlua::LuaString) -> Str {
    String::from_utf8_lossy(&text.as_bytes()).as_ref().into()
}

/// Gives back what a table cannot tell: an empty list that was a map before is that map again, as Argo CD has it.
pub(super) fn restore(new: &mut Value, old: &Value) {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for (key, value) in new.iter_mut() {
                if let Some(old) = old.get(key) {
                    restore(value, old);
                }
            }
        }
        (Value::Array(new), Value::Array(old)) => {
            for (value, old) in new.make_mut().iter_mut().zip(old) {
                restore(value, old);
            }
        }
        (new @ Value::Array(_), Value::Object(_))
            if new.as_array().is_some_and(|a| a.is_empty()) =>
        {
            *new = old.clone();
        }
        _ => {}
    }
}
