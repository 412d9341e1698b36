//! Whether two patches contradict each other.

use std::collections::HashMap;

use gitops_manifest::{Map, Value};

use super::order::{scalar_text, sort_scalars, unique};
use super::{
    Elements, PATCH, PatchSchema, PatchStrategy, RETAIN_KEYS, Result, elements, no_merge_key,
};

/// Finds the first field that two patches set to different values, as a JSON pointer.
pub(super) fn maps<S: PatchSchema>(a: &Map, b: &Map, schema: S) -> Result<Option<String>> {
    values(
        &Value::Object(a.clone()),
        &Value::Object(b.clone()),
        Some(schema),
        "",
        PatchStrategy::default(),
    )
}

fn values<S: PatchSchema>(
    a: &Value,
    b: &Value,
    schema: Option<S>,
    field: &str,
    strategy: PatchStrategy<'_>,
) -> Result<Option<String>> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            // A directive acts on the whole map, against anything that the other patch does within it.
            if a.get(PATCH) != b.get(PATCH) {
                return Ok(Some(String::new()));
            }
            if strategy.replace {
                return Ok(None);
            }
            members(a, b, schema)
        }
        (Value::Array(a), Value::Array(b)) => lists(a, b, schema, field, strategy),
        (a, b) => Ok((a != b).then(String::new)),
    }
}

fn members<S: PatchSchema>(a: &Map, b: &Map, schema: Option<S>) -> Result<Option<String>> {
    for (key, left) in a {
        if key == PATCH || key == RETAIN_KEYS {
            continue;
        }
        let Some(right) = b.get(key) else { continue };
        let found = match (left, schema.as_ref()) {
            (Value::Array(_), Some(schema)) => {
                let (below, strategy) = schema.list_field(key)?;
                values(left, right, Some(below), key, strategy)?
            }
            (Value::Object(_), Some(schema)) => {
                let (below, strategy) = schema.map_field(key)?;
                values(left, right, Some(below), key, strategy)?
            }
            _ => values(left, right, schema, key, PatchStrategy::default())?,
        };
        if let Some(path) = found {
            return Ok(Some(format!(
                "/{}{path}",
                key.replace('~', "~0").replace('/', "~1")
            )));
        }
    }
    Ok(None)
}

fn lists<S: PatchSchema>(
    a: &[Value],
    b: &[Value],
    schema: Option<S>,
    field: &str,
    strategy: PatchStrategy<'_>,
) -> Result<Option<String>> {
    let kind = elements(field, &[a, b])?;
    if strategy.merge {
        if kind == Elements::Scalars {
            return Ok(None);
        }
        let by_key = by_key(b, field, strategy.merge_key)?;
        for (id, left) in self::by_key(a, field, strategy.merge_key)? {
            let Some(right) = by_key.get(&id) else {
                continue;
            };
            if let Some(path) = values(left, right, schema, field, PatchStrategy::default())? {
                return Ok(Some(format!("/{id}{path}")));
            }
        }
        return Ok(None);
    }
    if a.len() != b.len() {
        return Ok(Some(String::new()));
    }
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    if kind == Elements::Scalars {
        (a, b) = (unique(a), unique(b));
        sort_scalars(&mut a);
        sort_scalars(&mut b);
        return Ok((a != b).then(String::new));
    }
    for (i, (left, right)) in a.iter().zip(&b).enumerate() {
        if let Some(path) = values(left, right, schema, field, PatchStrategy::default())? {
            return Ok(Some(format!("/{i}{path}")));
        }
    }
    Ok(None)
}

fn by_key<'v>(list: &'v [Value], field: &str, key: &str) -> Result<HashMap<String, &'v Value>> {
    list.iter()
        .map(|value| {
            let id = value.get(key).ok_or_else(|| no_merge_key(field, key))?;
            Ok((scalar_text(id).into_owned(), value))
        })
        .collect()
}
