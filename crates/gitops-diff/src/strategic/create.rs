//! Making patches.

use std::collections::HashMap;

use gitops_manifest::{Map, Str, Value};

use super::order::{scalar_text, sort_by_order, sort_scalars, unique};
use super::{
    DELETE_FROM, Elements, PATCH, PatchSchema, RETAIN_KEYS, Result, SET_ORDER, bad_directive,
    elements, merge_keys, no_merge_key,
};

#[derive(Clone, Copy, Default)]
pub(super) struct Options {
    pub(super) set_order: bool,
    pub(super) ignore_changes: bool,
    pub(super) ignore_deletions: bool,
    pub(super) retain_keys: bool,
}

/// Whether two values have one type in Go, where integers and doubles are two.
fn same_type(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.is_integer() == b.is_integer(),
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

pub(super) fn maps<S: PatchSchema>(
    original: &Map,
    modified: &Map,
    schema: S,
    options: Options,
) -> Result<Map> {
    let mut patch = Map::new();
    for (key, after) in modified {
        let Some(before) = original.get(key) else {
            if !options.ignore_changes {
                patch.insert(key.clone(), after.clone());
            }
            continue;
        };
        if key == PATCH {
            if before.as_str().is_none() || after.as_str().is_none() {
                return Err(bad_directive(PATCH, "it is not a string"));
            }
            if before != after {
                patch.insert(key.clone(), after.clone());
            }
            continue;
        }
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => {
                map_field(key, before, after, &mut patch, schema, options)?;
            }
            (Value::Array(before), Value::Array(after)) => {
                list_field(key, before, after, &mut patch, schema, options)?;
            }
            (before, after) => {
                if !options.ignore_changes && (!same_type(before, after) || before != after) {
                    patch.insert(key.clone(), after.clone());
                }
            }
        }
    }
    if !options.ignore_deletions {
        for (key, _) in original
            .iter()
            .filter(|(key, _)| !modified.contains_key(key))
        {
            patch.insert(key.clone(), Value::Null);
        }
    }
    if options.retain_keys {
        let mut keys: Vec<Value> = modified
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, _)| key.into())
            .collect();
        let more = || {
            original
                .iter()
                .any(|(key, value)| !value.is_null() && !modified.contains_key(key))
        };
        if !keys.is_empty() && (!patch.is_empty() || more()) {
            sort_scalars(&mut keys);
            patch.insert(Str::from_static(RETAIN_KEYS), keys);
        }
    }
    Ok(patch)
}

fn map_field<S: PatchSchema>(
    key: &Str,
    before: &Map,
    after: &Map,
    patch: &mut Map,
    schema: S,
    options: Options,
) -> Result<()> {
    let (below, strategy) = match schema.map_field(key) {
        Ok(found) => found,
        // What is equal needs no schema.
        Err(_) if before == after => return Ok(()),
        Err(error) => return Err(error),
    };
    if strategy.replace {
        if !options.ignore_changes {
            patch.insert(key.clone(), after.clone());
        }
        return Ok(());
    }
    let options = Options {
        retain_keys: strategy.retain_keys,
        ..options
    };
    let change = maps(before, after, below, options)?;
    if !change.is_empty() {
        patch.insert(key.clone(), change);
    }
    Ok(())
}

fn list_field<S: PatchSchema>(
    key: &Str,
    before: &[Value],
    after: &[Value],
    patch: &mut Map,
    schema: S,
    options: Options,
) -> Result<()> {
    let (element, strategy) = match schema.list_field(key) {
        Ok(found) => found,
        Err(_) if before == after => return Ok(()),
        Err(error) => return Err(error),
    };
    if !strategy.merge {
        if !options.ignore_changes && before != after {
            patch.insert(key.clone(), after.to_vec());
        }
        return Ok(());
    }
    if before.is_empty() {
        if !after.is_empty() && !options.ignore_changes {
            patch.insert(key.clone(), after.to_vec());
        }
        return Ok(());
    }
    let options = Options {
        retain_keys: strategy.retain_keys,
        ..options
    };
    let kind = elements(key, &[before, after])?;
    if before == after && kind == Elements::Maps {
        return check_elements(key, after, element, strategy.merge_key);
    }
    if before == after && (options.ignore_changes || is_sorted(before)) {
        return Ok(());
    }
    let mut delete = Vec::new();
    let (changes, order) = match kind {
        Elements::Maps => lists_of_maps(key, before, after, element, strategy.merge_key, options)?,
        Elements::Scalars => {
            let (add, gone) = lists_of_scalars(before, after, options);
            let add = sort_by_order(key, add, after, "", Elements::Scalars)?;
            // Upstream compares with the old list in sorted order: it tells the order of a list that is not sorted even
            // where nothing has changed.
            let reorder = !options.ignore_deletions && !gone.is_empty()
                || !options.ignore_changes && (before != after || !is_sorted(before));
            delete = gone;
            (add, reorder.then(|| after.to_vec()))
        }
    };
    if !changes.is_empty() {
        patch.insert(key.clone(), changes);
    }
    if !delete.is_empty() {
        patch.insert(format!("{DELETE_FROM}/{key}"), delete);
    }
    if let Some(order) = order.filter(|order| options.set_order && !order.is_empty()) {
        patch.insert(format!("{SET_ORDER}/{key}"), order);
    }
    Ok(())
}

/// Refuses what the lists of a map would be refused for if they were compared element by element: upstream does so where they are equal
/// too.
fn check<S: PatchSchema>(map: &Map, schema: S) -> Result<()> {
    for (key, value) in map {
        match value {
            Value::Object(map) if !map.is_empty() => {
                if let Ok((below, strategy)) = schema.map_field(key)
                    && !strategy.replace
                {
                    check(map, below)?;
                }
            }
            Value::Array(list)
                if matches!(list.first(), Some(Value::Object(_) | Value::Array(_))) =>
            {
                if let Ok((element, strategy)) = schema.list_field(key)
                    && strategy.merge
                {
                    elements(key, &[list])?;
                    check_elements(key, list, element, strategy.merge_key)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_elements<S: PatchSchema>(
    field: &str,
    list: &[Value],
    element: S,
    key: &str,
) -> Result<()> {
    for map in list.iter().filter_map(Value::as_object) {
        if !map.contains_key(key) {
            return Err(no_merge_key(field, key));
        }
        check(map, element)?;
    }
    Ok(())
}

/// Whether scalars are in the order of their texts.
fn is_sorted(scalars: &[Value]) -> bool {
    scalars.is_sorted_by(|a, b| scalar_text(a) <= scalar_text(b))
}

/// What must be added to and deleted from a list of scalars.
fn lists_of_scalars(
    before: &[Value],
    after: &[Value],
    options: Options,
) -> (Vec<Value>, Vec<Value>) {
    let mut before = before.to_vec();
    let mut after = after.to_vec();
    sort_scalars(&mut before);
    sort_scalars(&mut after);
    let (mut add, mut delete) = (Vec::new(), Vec::new());
    let mut before = before.into_iter().peekable();
    let mut after = after.into_iter().peekable();
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => break,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(_), None) => std::cmp::Ordering::Less,
            (Some(a), Some(b)) => scalar_text(a).cmp(&scalar_text(b)),
        };
        match order {
            std::cmp::Ordering::Equal => {
                before.next();
                after.next();
            }
            std::cmp::Ordering::Less => {
                let gone = before.next();
                if !options.ignore_deletions {
                    delete.extend(gone);
                }
            }
            std::cmp::Ordering::Greater => {
                let new = after.next();
                if !options.ignore_changes {
                    add.extend(new);
                }
            }
        }
    }
    (add, unique(delete))
}

/// The elements to merge and to delete, and the order where it must be said.
fn lists_of_maps<S: PatchSchema>(
    field: &str,
    before: &[Value],
    after: &[Value],
    schema: S,
    key: &str,
    options: Options,
) -> Result<(Vec<Value>, Option<Vec<Value>>)> {
    let (old_ids, new_ids) = (
        merge_keys(field, before, key)?,
        merge_keys(field, after, key)?,
    );
    let (mut changes, mut deletions) = if unique_ids(&old_ids) && unique_ids(&new_ids) {
        by_identity(before, after, &old_ids, &new_ids, schema, key, options)?
    } else {
        let (changes, deletions) = in_step(field, before, after, schema, key, options)?;
        (
            sort_by_order(field, changes, after, key, Elements::Maps)?,
            deletions,
        )
    };
    changes.append(&mut deletions);
    let reorder = !options.ignore_changes && (!changes.is_empty() || old_ids != new_ids)
        || !options.ignore_deletions && !changes.is_empty();
    let order = reorder.then(|| {
        new_ids
            .into_iter()
            .map(|id| Value::Object(Map::from([(key, id.clone())])))
            .collect()
    });
    Ok((changes, order))
}

/// Whether no merge key occurs twice, by its text.
fn unique_ids(ids: &[&Value]) -> bool {
    if ids.len() <= 16 {
        return ids
            .iter()
            .enumerate()
            .all(|(i, id)| ids[..i].iter().all(|other| !same_id(other, id)));
    }
    let mut seen = std::collections::HashSet::with_capacity(ids.len());
    ids.iter().all(|id| seen.insert(scalar_text(id)))
}

fn same_id(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => a == b,
        (a, b) => scalar_text(a) == scalar_text(b),
    }
}

fn deletion(key: &str, id: &Value) -> Value {
    Value::Object(Map::from([(key, id.clone()), (PATCH, "delete".into())]))
}

/// What changes in lists whose merge keys are all different: the changes in the order of the new list, the deletions in that of the keys.
fn by_identity<S: PatchSchema>(
    before: &[Value],
    after: &[Value],
    old_ids: &[&Value],
    new_ids: &[&Value],
    schema: S,
    key: &str,
    options: Options,
) -> Result<(Vec<Value>, Vec<Value>)> {
    let places: Option<HashMap<_, _>> = (before.len() > 16).then(|| {
        old_ids
            .iter()
            .enumerate()
            .map(|(i, id)| (scalar_text(id), i))
            .collect()
    });
    let mut kept = vec![false; before.len()];
    let mut changes = Vec::new();
    for (i, (new, id)) in after.iter().zip(new_ids).enumerate() {
        let old = match (&places, old_ids.get(i)) {
            (_, Some(other)) if same_id(other, id) => Some(i),
            (Some(places), _) => places.get(&scalar_text(id)).copied(),
            (None, _) => old_ids.iter().position(|other| same_id(other, id)),
        };
        match old {
            None if !options.ignore_changes => changes.push(new.clone()),
            None => {}
            Some(old) => {
                kept[old] = true;
                if before[old] == *new {
                    new.as_object().map_or(Ok(()), |new| check(new, schema))?;
                    continue;
                }
                if let (Value::Object(old), Value::Object(new)) = (&before[old], new) {
                    let mut change = maps(old, new, schema, options)?;
                    if !change.is_empty() {
                        change.insert(key, (*id).clone());
                        changes.push(Value::Object(change));
                    }
                }
            }
        }
    }
    let mut gone: Vec<&Value> = Vec::new();
    if !options.ignore_deletions {
        gone.extend(
            old_ids
                .iter()
                .zip(&kept)
                .filter(|(_, kept)| !**kept)
                .map(|(id, _)| *id),
        );
        gone.sort_by(|a, b| scalar_text(a).cmp(&scalar_text(b)));
    }
    Ok((
        changes,
        gone.into_iter().map(|id| deletion(key, id)).collect(),
    ))
}

/// What changes in lists in which a merge key occurs twice: both are put in the order of their keys and walked in step.
fn in_step<S: PatchSchema>(
    field: &str,
    before: &[Value],
    after: &[Value],
    schema: S,
    key: &str,
    options: Options,
) -> Result<(Vec<Value>, Vec<Value>)> {
    let (mut changes, mut deletions) = (Vec::new(), Vec::new());
    let mut olds = sorted(field, before, key)?.into_iter().peekable();
    let mut news = sorted(field, after, key)?.into_iter().peekable();
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => break,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(_), None) => std::cmp::Ordering::Less,
            (Some((a, ..)), Some((b, ..))) => a.cmp(b),
        };
        match order {
            std::cmp::Ordering::Equal => {
                if let (Some((_, _, old)), Some((_, id, new))) = (olds.next(), news.next()) {
                    let mut change = maps(old, new, schema, options)?;
                    if !change.is_empty() {
                        change.insert(key, id.clone());
                        changes.push(Value::Object(change));
                    }
                }
            }
            std::cmp::Ordering::Greater => {
                if let Some((_, _, new)) = news.next().filter(|_| !options.ignore_changes) {
                    changes.push(Value::Object(new.clone()));
                }
            }
            std::cmp::Ordering::Less => {
                if let Some((_, id, _)) = olds.next().filter(|_| !options.ignore_deletions) {
                    deletions.push(deletion(key, id));
                }
            }
        }
    }
    Ok((changes, deletions))
}

type Keyed<'v> = (std::borrow::Cow<'v, str>, &'v Value, &'v Map);

fn sorted<'v>(field: &str, list: &'v [Value], key: &str) -> Result<Vec<Keyed<'v>>> {
    let mut keyed = list
        .iter()
        .map(|value| {
            let map = value.as_object().ok_or_else(|| no_merge_key(field, key))?;
            let id = map.get(key).ok_or_else(|| no_merge_key(field, key))?;
            Ok((scalar_text(id), id, map))
        })
        .collect::<Result<Vec<Keyed<'v>>>>()?;
    // Of elements with one key the last comes first upstream, whose sort takes equal for less.
    keyed.reverse();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(keyed)
}
