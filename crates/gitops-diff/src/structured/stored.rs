//! The form in which an API server holds an object: defaults filled in, and of built-in kinds the zero
//! values that Go writes.

use gitops_manifest::{Map, Value};

use crate::normalize::typed;
use crate::schema::{MapType, TypeRef};

/// Fills in the defaults that a structural schema declares, as `apiextensions-apiserver` does (1.36): absent
/// fields, and nulls where the schema allows none.
///
/// Returns `None` where nothing changes. Types of built-in kinds are left alone: what they are given is not
/// said by their schema.
#[must_use]
pub fn fill_defaults(value: &Value, ty: TypeRef<'_>) -> Option<Value> {
    if !ty.is_structural() {
        return None;
    }
    match value {
        Value::Object(entries) => fill_map(entries, ty.map()?).map(Value::Object),
        Value::Array(values) => {
            let list = ty.list()?;
            let element = list.element();
            let mut out = None;
            for (i, value) in values.iter().enumerate() {
                let default = (value.is_null() && !list.is_element_nullable())
                    .then_some(list.element_default())
                    .flatten();
                if let Some(filled) = filled(value, default, element) {
                    out.get_or_insert_with(|| values.to_vec())[i] = filled;
                }
            }
            out.map(|values| Value::Array(values.into()))
        }
        _ => None,
    }
}

/// The value with its defaults, or the default in its place.
fn filled(value: &Value, default: Option<&Value>, ty: TypeRef<'_>) -> Option<Value> {
    match default {
        Some(default) => Some(fill_defaults(default, ty).unwrap_or_else(|| default.clone())),
        None => fill_defaults(value, ty),
    }
}

fn fill_map(entries: &Map, map: MapType<'_>) -> Option<Map> {
    let mut out: Option<Map> = None;
    for field in map.fields() {
        let Some(default) = field.default() else {
            continue;
        };
        let absent = match entries.get(field.name()) {
            None => true,
            Some(value) => value.is_null() && !field.is_nullable(),
        };
        if absent {
            let value = fill_defaults(default, field.ty()).unwrap_or_else(|| default.clone());
            out.get_or_insert_with(|| entries.clone())
                .insert(field.name(), value);
        }
    }
    let mut cursor = 0;
    for (key, value) in entries {
        let changed = match map.next_field(&mut cursor, key) {
            Some(field) if field.default().is_some() && value.is_null() && !field.is_nullable() => {
                None
            }
            Some(field) => fill_defaults(value, field.ty()),
            None => {
                let default = (value.is_null() && !map.is_element_nullable())
                    .then_some(map.element_default())
                    .flatten();
                map.element().and_then(|ty| filled(value, default, ty))
            }
        };
        if let Some(value) = changed {
            out.get_or_insert_with(|| entries.clone())
                .insert(key, value);
        }
    }
    out
}

/// The value of a built-in type as Go would write it after reading it: fields that cannot be left out are
/// there, with their zero value, fields that are left out when zero are not, quantities and times are in their
/// canonical form. What does not fit stays as it is.
pub(super) fn as_written(value: Value, ty: TypeRef<'_>) -> Value {
    let mode = typed::Mode {
        lenient: true,
        fill: true,
        drop_unknown: true,
        ..typed::Mode::default()
    };
    match typed::value(&value, ty, mode) {
        Ok(Some(written)) => written,
        _ => value,
    }
}

/// The object that a create starts from: of built-in kinds what Go writes for a new one, else nothing but the kind.
pub(super) fn blank(ty: TypeRef<'_>, api_version: &Value, kind: &Value) -> Value {
    let mut map = Map::new();
    if ty.is_built_in()
        && let Value::Object(zero) = typed::zero(ty, typed::Mode::default())
    {
        map = zero;
    }
    map.insert("apiVersion", api_version.clone());
    map.insert("kind", kind.clone());
    Value::Object(map)
}
