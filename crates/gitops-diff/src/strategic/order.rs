//! Order within lists that merge.

use std::borrow::Cow;
use std::collections::HashMap;

use gitops_manifest::{Map, Value};

use super::{
    DELETE_FROM, Elements, PATCH, PatchSchema, RETAIN_KEYS, Result, SET_ORDER, bad_directive,
    elements, merge_keys, no_merge_key,
};

/// The text by which scalars are put in order: what Go's `%v` prints.
pub(super) fn scalar_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Null => Cow::Borrowed("<nil>"),
        other => Cow::Owned(other.to_json()),
    }
}

pub(super) fn sort_scalars(list: &mut [Value]) {
    list.sort_by(|a, b| scalar_text(a).cmp(&scalar_text(b)));
}

/// Keeps the first of equal values.
pub(super) fn unique(list: Vec<Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::with_capacity(list.len());
    list.into_iter()
        .filter(|value| seen.insert(value.clone()))
        .collect()
}

/// Where each key comes first in a list.
pub(super) struct Places<'v>(HashMap<&'v Value, usize>);

impl<'v> Places<'v> {
    pub(super) fn new(keys: impl IntoIterator<Item = &'v Value>) -> Self {
        let mut places = HashMap::new();
        for (i, key) in keys.into_iter().enumerate() {
            places.entry(key).or_insert(i);
        }
        Self(places)
    }

    pub(super) fn get(&self, key: &Value) -> Option<usize> {
        self.0.get(key).copied()
    }
}

/// The key of an element: the merge key of a map, a scalar itself.
pub(super) fn key_of<'v>(value: &'v Value, merge_key: &str, kind: Elements) -> &'v Value {
    match kind {
        Elements::Maps => value.get(merge_key).unwrap_or(&Value::Null),
        Elements::Scalars => value,
    }
}

/// Puts `list` into the order of `order`; elements that are marked for deletion go to the end.
pub(super) fn sort_by_order(
    field: &str,
    list: Vec<Value>,
    order: &[Value],
    merge_key: &str,
    kind: Elements,
) -> Result<Vec<Value>> {
    let mut deleted = Vec::new();
    let mut kept = list;
    if kind == Elements::Maps {
        merge_keys(field, &kept, merge_key)?;
        merge_keys(field, order, merge_key)?;
        (deleted, kept) = kept
            .into_iter()
            .partition(|value| value.get(PATCH).and_then(Value::as_str) == Some("delete"));
    }
    let places = Places::new(order.iter().map(|value| key_of(value, merge_key, kind)));
    kept.sort_by_key(|value| {
        places
            .get(key_of(value, merge_key, kind))
            .unwrap_or(usize::MAX)
    });
    kept.append(&mut deleted);
    Ok(kept)
}

/// Puts the elements of a merged list in order: those that the patch orders as it says, the others as the server has them,
/// each of these before the first ordered element that comes after it on the server.
pub(super) fn interleave(
    field: &str,
    ordered: Vec<Value>,
    others: Vec<Value>,
    order: &[Value],
    server: &[Value],
    merge_key: &str,
    kind: Elements,
) -> Result<Vec<Value>> {
    let ordered = sort_by_order(field, ordered, order, merge_key, kind)?;
    let others = sort_by_order(field, others, server, merge_key, kind)?;
    let places = Places::new(server.iter().map(|value| key_of(value, merge_key, kind)));
    let place = |value: &Value| places.get(key_of(value, merge_key, kind));
    let mut out = Vec::with_capacity(ordered.len() + others.len());
    let mut others = others.into_iter().peekable();
    for value in ordered {
        while let Some(other) = others.peek() {
            match (place(other), place(&value)) {
                (Some(a), Some(b)) if a < b => out.extend(others.next()),
                _ => break,
            }
        }
        out.push(value);
    }
    out.extend(others);
    Ok(out)
}

pub(super) fn sort_map<S: PatchSchema>(map: &Map, schema: S) -> Result<Map> {
    let mut out = Vec::with_capacity(map.len());
    for (key, value) in map {
        let sorted = if key == RETAIN_KEYS || key.starts_with(DELETE_FROM) {
            let mut list = value
                .as_array()
                .ok_or_else(|| bad_directive(key, "it is not a list"))?
                .to_vec();
            sort_scalars(&mut list);
            list.into()
        } else if key.starts_with(SET_ORDER) {
            value
                .as_array()
                .ok_or_else(|| bad_directive(key, "it is not a list"))?;
            value.clone()
        } else if key == PATCH {
            value.clone()
        } else {
            match value {
                Value::Object(below) => sort_map(below, schema.map_field(key)?.0)?.into(),
                Value::Array(list) => {
                    let (element, strategy) = schema.list_field(key)?;
                    if strategy.merge {
                        sort_list(key, list, element, strategy.merge_key)?.into()
                    } else {
                        value.clone()
                    }
                }
                _ => value.clone(),
            }
        };
        out.push((key.clone(), sorted));
    }
    Ok(Map::from_entries(out))
}

fn sort_list<S: PatchSchema>(
    field: &str,
    list: &[Value],
    schema: S,
    merge_key: &str,
) -> Result<Vec<Value>> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    match elements(field, &[list])? {
        Elements::Scalars => {
            let mut sorted = unique(list.to_vec());
            sort_scalars(&mut sorted);
            Ok(sorted)
        }
        Elements::Maps => {
            let mut sorted = list
                .iter()
                .map(|value| match value {
                    Value::Object(map) => sort_map(map, schema).map(Value::Object),
                    _ => Err(no_merge_key(field, merge_key)),
                })
                .collect::<Result<Vec<_>>>()?;
            sorted.sort_by(|a, b| {
                scalar_text(key_of(a, merge_key, Elements::Maps)).cmp(&scalar_text(key_of(
                    b,
                    merge_key,
                    Elements::Maps,
                )))
            });
            Ok(sorted)
        }
    }
}
