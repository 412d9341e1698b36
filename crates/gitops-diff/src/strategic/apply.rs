//! Applying patches to documents and to other patches.

use std::collections::HashSet;

use gitops_manifest::{Map, Str, Value};

use super::order::{Places, interleave, key_of, unique};
use super::{
    DELETE_FROM, Elements, PATCH, PatchSchema, PatchStrategy, RETAIN_KEYS, Result, SET_ORDER,
    StrategicError, bad_directive, elements, merge_keys, no_merge_key,
};

/// What a patch is applied to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A document: directives are carried out.
    Document,
    /// Another patch: directives and nulls are kept.
    Patches,
}

pub(super) fn maps<S: PatchSchema>(
    original: Map,
    mut patch: Map,
    schema: S,
    mode: Mode,
) -> Result<Map> {
    if let Some(directive) = patch.get(PATCH) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(PATCH);
                Ok(patch)
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(bad_directive(PATCH, "a map knows replace and delete")),
        };
    }
    if original.is_empty() && mode == Mode::Patches && !patch.values().any(has_directive) {
        // Joined to nothing a patch is what it was.
        return Ok(patch);
    }
    let mut merged = original;
    if let Some(keys) = patch.remove(RETAIN_KEYS) {
        retain_keys(&mut merged, &patch, keys, mode)?;
    }
    ordered_lists(&mut merged, &mut patch, schema, mode)?;
    for (key, value) in patch {
        field(&mut merged, key, value, schema, mode)?;
    }
    Ok(merged)
}

fn field<S: PatchSchema>(
    merged: &mut Map,
    key: Str,
    value: Value,
    schema: S,
    mode: Mode,
) -> Result<()> {
    let mut key = key;
    let mut deletes = false;
    if key.starts_with(DELETE_FROM) {
        if mode == Mode::Patches {
            merged.insert(key, value);
            return Ok(());
        }
        key = list_of_directive(&key, DELETE_FROM)?;
        deletes = true;
    }
    if value.is_null() {
        merged.remove(&key);
        if mode == Mode::Document {
            return Ok(());
        }
    }
    let Some(before) = merged.get(&key) else {
        if !deletes {
            put(merged, key, value, mode);
        }
        return Ok(());
    };
    let after = match (before, value) {
        (Value::Object(before), Value::Object(value)) => {
            let (below, strategy) = schema.map_field(&key)?;
            if strategy.replace {
                Value::Object(value)
            } else {
                maps(before.clone(), value, below, mode)?.into()
            }
        }
        (Value::Array(before), Value::Array(value)) => {
            let (element, strategy) = schema.list_field(&key)?;
            if strategy.merge || deletes {
                lists(&key, before, &value, element, strategy, deletes, mode)?.into()
            } else {
                value.into()
            }
        }
        (_, value) => {
            if !deletes {
                put(merged, key, value, mode);
            }
            return Ok(());
        }
    };
    merged.insert(key, after);
    Ok(())
}

/// Puts a value of the patch where there is none to merge it with.
fn put(merged: &mut Map, key: Str, value: Value, mode: Mode) {
    let value = if mode == Mode::Document {
        without_nulls(value)
    } else {
        value
    };
    match without_directives(value) {
        Some(value) => {
            merged.insert(key, value);
        }
        None => {
            merged.remove(&key);
        }
    }
}

/// Drops the null members of a value, in lists too.
fn without_nulls(value: Value) -> Value {
    fn has_null(value: &Value) -> bool {
        match value {
            Value::Object(map) => map.values().any(|value| value.is_null() || has_null(value)),
            Value::Array(list) => list.iter().any(has_null),
            _ => false,
        }
    }
    fn strip(value: Value) -> Value {
        match value {
            Value::Object(map) => Map::from_entries(
                map.into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key, strip(value)))
                    .collect(),
            )
            .into(),
            Value::Array(list) => list.into_iter().map(strip).collect::<Vec<_>>().into(),
            value => value,
        }
    }
    if has_null(&value) {
        strip(value)
    } else {
        value
    }
}

/// Whether a value is a directive, or holds one.
fn has_directive(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.contains_key(PATCH) || map.values().any(has_directive),
        Value::Array(list) => list.iter().any(has_directive),
        _ => false,
    }
}

/// Drops the maps that are directives; `None` where the value itself is one.
fn without_directives(value: Value) -> Option<Value> {
    fn strip(value: Value) -> Option<Value> {
        match value {
            Value::Object(map) if map.contains_key(PATCH) => None,
            Value::Object(map) => Some(
                Map::from_entries(
                    map.into_iter()
                        .filter_map(|(key, value)| Some((key, strip(value)?)))
                        .collect(),
                )
                .into(),
            ),
            Value::Array(list) => Some(
                list.into_iter()
                    .filter_map(strip)
                    .collect::<Vec<_>>()
                    .into(),
            ),
            value => Some(value),
        }
    }
    if has_directive(&value) {
        strip(value)
    } else {
        Some(value)
    }
}

fn list_of_directive(key: &str, prefix: &str) -> Result<Str> {
    key.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('/'))
        .map(Str::from)
        .ok_or_else(|| bad_directive(key, "it names no field"))
}

fn retain_keys(merged: &mut Map, patch: &Map, keys: Value, mode: Mode) -> Result<()> {
    if mode == Mode::Patches {
        match merged.get(RETAIN_KEYS) {
            Some(other) if *other != keys => {
                return Err(bad_directive(
                    RETAIN_KEYS,
                    "the patches name different keys",
                ));
            }
            Some(_) => {}
            None => {
                merged.insert(Str::from_static(RETAIN_KEYS), keys);
            }
        }
        return Ok(());
    }
    let keys = keys
        .as_array()
        .ok_or_else(|| bad_directive(RETAIN_KEYS, "it is not a list"))?;
    let keys: HashSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    for (key, value) in patch {
        let directive = key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER);
        if !value.is_null() && !directive && !keys.contains(key.as_str()) {
            return Err(bad_directive(
                RETAIN_KEYS,
                "the patch sets a key that it does not retain",
            ));
        }
    }
    if merged.keys().any(|key| !keys.contains(key.as_str())) {
        merged.retain(|key, _| keys.contains(key));
    }
    Ok(())
}

/// Merges the lists that the patch orders, and takes them out of the patch.
fn ordered_lists<S: PatchSchema>(
    merged: &mut Map,
    patch: &mut Map,
    schema: S,
    mode: Mode,
) -> Result<()> {
    let directives: Vec<Str> = patch
        .keys()
        .filter(|key| key.starts_with(SET_ORDER))
        .cloned()
        .collect();
    for directive in directives {
        let order = patch.remove(&directive).unwrap_or_default();
        if mode == Mode::Patches {
            match merged.get(&directive) {
                Some(other) if *other != order => {
                    return Err(bad_directive(
                        &directive,
                        "the patches give different orders",
                    ));
                }
                Some(_) => {}
                None => {
                    merged.insert(directive.clone(), order.clone());
                }
            }
        }
        let Value::Array(order) = order else {
            return Err(bad_directive(&directive, "it is not a list"));
        };
        let field = list_of_directive(&directive, SET_ORDER)?;
        let server = list_in(merged, &field)?;
        let change = list_in(patch, &field)?;
        let (element, strategy) = schema.list_field(&field)?;
        if let Some(change) = &change {
            follows_order(&directive, &field, change, &order, strategy.merge_key)?;
        }
        let list = match (&server, &change) {
            (None, None) => continue,
            (Some(server), None) => server.to_vec(),
            (None, Some(change)) => change
                .iter()
                .cloned()
                .filter_map(without_directives)
                .collect(),
            (Some(server), Some(change)) if strategy.merge => {
                lists(&field, server, change, element, strategy, false, mode)?
            }
            (Some(_), Some(change)) => change.to_vec(),
        };
        let server = server.unwrap_or_default();
        let kind = elements(&field, &[&server, change.as_deref().unwrap_or_default()])?;
        let by = if strategy.merge_key.is_empty() {
            Elements::Scalars
        } else {
            merge_keys(&field, &list, strategy.merge_key)?;
            Elements::Maps
        };
        let places = Places::new(
            order
                .iter()
                .map(|value| key_of(value, strategy.merge_key, by)),
        );
        let (ordered, others) = list
            .into_iter()
            .partition(|value| places.get(key_of(value, strategy.merge_key, by)).is_some());
        let list = interleave(
            &field,
            ordered,
            others,
            &order,
            &server,
            strategy.merge_key,
            kind,
        )?;
        merged.insert(field.clone(), list);
        patch.remove(&field);
    }
    Ok(())
}

fn list_in(map: &Map, field: &str) -> Result<Option<gitops_manifest::Array>> {
    match map.get(field) {
        None => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list.clone())),
        Some(_) => Err(bad_directive(
            &format!("{SET_ORDER}/{field}"),
            "the field is not a list",
        )),
    }
}

/// Checks that what the patch puts into a list is in the order that it gives.
fn follows_order(
    directive: &str,
    field: &str,
    change: &[Value],
    order: &[Value],
    key: &str,
) -> Result<()> {
    if change.is_empty() || order.is_empty() {
        return Ok(());
    }
    let id = |value: &'_ Value| -> Result<Value> {
        if key.is_empty() {
            Ok(value.clone())
        } else {
            value
                .get(key)
                .cloned()
                .ok_or_else(|| no_merge_key(field, key))
        }
    };
    let mut order = order.iter();
    for value in change {
        if value.get(PATCH).is_some() {
            continue;
        }
        let id_of_value = id(value)?;
        loop {
            let Some(next) = order.next() else {
                return Err(bad_directive(
                    directive,
                    "the elements of the patch are in another order",
                ));
            };
            if id(next)? == id_of_value {
                break;
            }
        }
    }
    Ok(())
}

/// Merges a list of the patch into one that is there.
fn lists<S: PatchSchema>(
    field: &str,
    before: &[Value],
    change: &[Value],
    schema: S,
    strategy: PatchStrategy<'_>,
    deletes: bool,
    mode: Mode,
) -> Result<Vec<Value>> {
    if before.is_empty() && change.is_empty() {
        return Ok(Vec::new());
    }
    let key = strategy.merge_key;
    let kind = elements(field, &[before, change])?;
    let (before, change, merged) = match kind {
        Elements::Scalars => {
            if deletes && mode == Mode::Document {
                let gone: HashSet<&Value> = change.iter().collect();
                return Ok(before
                    .iter()
                    .filter(|value| !gone.contains(value))
                    .cloned()
                    .collect());
            }
            let merged = unique(before.iter().chain(change).cloned().collect());
            (before.to_vec(), change.to_vec(), merged)
        }
        Elements::Maps => {
            if key.is_empty() {
                return Err(StrategicError::BadElements {
                    field: field.to_owned(),
                    problem: "they are maps, and the list has no merge key",
                });
            }
            let (before, change) = carry_out(field, before, change, key)?;
            let merged = merge_by_key(field, &before, &change, key, schema, mode)?;
            (before, change, merged)
        }
    };
    let by = if key.is_empty() {
        Elements::Scalars
    } else {
        merge_keys(field, &merged, key)?;
        Elements::Maps
    };
    let places = Places::new(change.iter().map(|value| key_of(value, key, by)));
    let (ordered, others) = merged
        .into_iter()
        .partition(|value| places.get(key_of(value, key, by)).is_some());
    interleave(field, ordered, others, &change, &before, key, kind)
}

/// Carries out the elements of a patch that are directives; returns what is left of the list, and the other elements.
fn carry_out(
    field: &str,
    before: &[Value],
    change: &[Value],
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>)> {
    let mut plain = Vec::with_capacity(change.len());
    let mut gone: HashSet<&Value> = HashSet::new();
    let mut replace = false;
    for value in change {
        match value.get(PATCH) {
            None => plain.push(value.clone()),
            Some(directive) => match directive.as_str() {
                Some("delete") => {
                    gone.insert(value.get(key).ok_or_else(|| no_merge_key(field, key))?);
                }
                Some("replace") => replace = true,
                Some("merge") => return Err(bad_directive(PATCH, "a list cannot say merge")),
                _ => return Err(bad_directive(PATCH, "a list knows replace and delete")),
            },
        }
    }
    if replace {
        return Ok((plain, Vec::new()));
    }
    let left = before
        .iter()
        .filter(|value| value.get(key).is_none_or(|id| !gone.contains(id)))
        .cloned()
        .collect();
    Ok((left, plain))
}

fn merge_by_key<S: PatchSchema>(
    field: &str,
    before: &[Value],
    change: &[Value],
    key: &str,
    schema: S,
    mode: Mode,
) -> Result<Vec<Value>> {
    let mut merged = before.to_vec();
    let mut places: std::collections::HashMap<Value, usize> = std::collections::HashMap::new();
    for (i, value) in before.iter().enumerate() {
        if let Some(id) = value.get(key) {
            places.entry(id.clone()).or_insert(i);
        }
    }
    for value in change {
        let id = value.get(key).ok_or_else(|| no_merge_key(field, key))?;
        match places.get(id) {
            None => {
                places.insert(id.clone(), merged.len());
                merged.push(value.clone());
            }
            Some(&i) => {
                if let (Value::Object(before), Value::Object(change)) = (&merged[i], value) {
                    merged[i] = maps(before.clone(), change.clone(), schema, mode)?.into();
                }
            }
        }
    }
    Ok(merged)
}
