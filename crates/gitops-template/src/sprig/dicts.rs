//! Maps.

use super::merge::merge;
use super::{Table, map, nil_pointer, string, text};
use crate::error::{Error, Result};
use crate::exec::Context;
use crate::format;
use crate::text::Str;
use crate::value::{ListType, Map, MapType, Type, Value};

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Any, Bool, String};
    const MAP: Type = Type::ANY_MAP;
    const LIST: Type = Type::ANY_LIST;
    table.add("get", &[MAP, String], Any, |_, a| {
        Ok(map(&a[0])
            .get(text(&a[1]))
            .unwrap_or_else(|| Value::from("")))
    });
    table.add("set", &[MAP, String, Any], MAP, |context, a| {
        let value = std::mem::take(&mut a[2]);
        context.render.note_change(&map(&a[0]), &value);
        if !map(&a[0]).insert(string(&a[1]), value) {
            return Err(Error::new("assignment to entry in nil map"));
        }
        Ok(std::mem::take(&mut a[0]))
    });
    table.add("unset", &[MAP, String], MAP, |_, a| {
        map(&a[0]).remove(text(&a[1]));
        Ok(std::mem::take(&mut a[0]))
    });
    table.add("hasKey", &[MAP, String], Bool, |_, a| {
        Ok(Value::Bool(map(&a[0]).contains(text(&a[1]))))
    });
    table.add_variadic("pluck", &[String, MAP], LIST, |_, a| {
        let key = text(&a[0]);
        Ok(Value::list(
            a[1..]
                .iter()
                .filter_map(|value| map(value).get(key))
                .collect(),
        ))
    });
    table.add_variadic("keys", &[MAP], Type::List(&ListType::STRINGS), |_, a| {
        Ok(Value::strings(a.iter().flat_map(|value| map(value).keys())))
    });
    table.add_variadic("pick", &[MAP, String], MAP, |_, a| {
        let from = map(&a[0]);
        let chosen = a[1..]
            .iter()
            .filter_map(|key| Some((string(key), from.get(text(key))?)));
        Ok(Value::Map(chosen.collect()))
    });
    table.add_variadic("omit", &[MAP, String], MAP, |_, a| {
        let mut entries = map(&a[0]).to_vec();
        entries.retain(|(key, _)| !a[1..].iter().any(|omit| text(omit) == key.as_bytes()));
        Ok(Value::Map(Map::from_entries(&MapType::ANY, entries)))
    });
    table.add_variadic("dict", &[Any], MAP, |context, a| {
        let mut entries = Vec::with_capacity(a.len().div_ceil(2));
        for pair in a.chunks_mut(2) {
            let key = format::to_text(&pair[0], context.limits())?;
            let value = match pair.get_mut(1) {
                Some(value) => std::mem::take(value),
                None => Value::from(""),
            };
            entries.push((key, value));
        }
        Ok(Value::Map(Map::from_entries(&MapType::ANY, entries)))
    });
    table.add("values", &[MAP], LIST, |_, a| {
        Ok(Value::list(
            map(&a[0])
                .to_vec()
                .into_iter()
                .map(|(_, value)| value)
                .collect(),
        ))
    });
    table.add_variadic("dig", &[Any], Any, |_, a| dig(a));
    table.add_variadic("merge", &[MAP, MAP], Any, |context, a| {
        merge_all(context, a, false)
    });
    table.add_variadic("mustMerge", &[MAP, MAP], Any, |context, a| {
        merge_all(context, a, false)
    });
    table.add_variadic("mergeOverwrite", &[MAP, MAP], Any, |context, a| {
        merge_all(context, a, true)
    });
    table.add_variadic("mustMergeOverwrite", &[MAP, MAP], Any, |context, a| {
        merge_all(context, a, true)
    });
}

fn merge_all(context: &mut Context<'_>, arguments: &mut [Value], overwrite: bool) -> Result<Value> {
    let mut target = map(&arguments[0]);
    for source in &arguments[1..] {
        let source = map(source);
        if target.is_nil() && !source.is_nil() {
            target = Map::new();
        }
        merge(context, &target, &source, overwrite, 0)?;
    }
    Ok(Value::Map(target))
}

/// Makes the error of a Go type assertion.
fn not_a(value: &Value, wanted: &str) -> Error {
    let found = value.dynamic_type().unwrap_or("nil");
    Error::new(format!(
        "interface conversion: interface {{}} is {found}, not {wanted}"
    ))
}

/// Returns the map of a value whose type is exactly `map[string]interface {}`.
fn plain_map(value: &Value) -> Result<&Map> {
    match value {
        Value::Map(map) if map.ty().name() == MapType::ANY.name() => Ok(map),
        other => Err(not_a(other, MapType::ANY.name())),
    }
}

fn dig(arguments: &[Value]) -> Result<Value> {
    let [keys @ .., default, last] = arguments else {
        return Err(Error::new("dig needs at least three arguments"));
    };
    if keys.is_empty() {
        return Err(Error::new("dig needs at least three arguments"));
    }
    let mut map = plain_map(last)?.clone();
    let mut names: Vec<Str> = Vec::with_capacity(keys.len());
    for key in keys {
        match key {
            Value::Str(key) => names.push(key.clone()),
            other => return Err(not_a(other, "string")),
        }
    }
    let Some((name, path)) = names.split_last() else {
        return Err(nil_pointer());
    };
    for step in path {
        let Some(inner) = map.get(step.as_bytes()) else {
            return Ok(default.clone());
        };
        map = plain_map(&inner)?.clone();
    }
    Ok(map.get(name.as_bytes()).unwrap_or_else(|| default.clone()))
}
