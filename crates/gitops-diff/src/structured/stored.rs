//! The form in which an API server holds an object: defaults filled in, and of built-in kinds the zero
//! values that Go writes.

use gitops_manifest::{Map, Value};

use crate::schema::{FieldRef, MapType, TypeKind, TypeRef};

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

/// The object as Go would write it after reading it: fields that cannot be left out are there, with their
/// zero value, and fields that are left out when zero are not.
///
/// Returns `None` where nothing changes, as for kinds that are not built in.
pub(super) fn as_written(value: &Value, ty: TypeRef<'_>) -> Option<Value> {
    match (value, ty.kind()) {
        (Value::Object(entries), TypeKind::Struct) if ty.is_built_in() => {
            write_struct(entries, ty.map()?).map(Value::Object)
        }
        (Value::Object(entries), TypeKind::Map) => {
            let element = ty.map()?.element()?;
            let mut out = None;
            for (key, value) in entries {
                if let Some(value) = as_written(value, element) {
                    out.get_or_insert_with(|| entries.clone())
                        .insert(key, value);
                }
            }
            out.map(Value::Object)
        }
        (Value::Array(values), TypeKind::List) => {
            let element = ty.list()?.element();
            let mut out = None;
            for (i, value) in values.iter().enumerate() {
                if let Some(value) = as_written(value, element) {
                    out.get_or_insert_with(|| values.to_vec())[i] = value;
                }
            }
            out.map(|values| Value::Array(values.into()))
        }
        (Value::Null, TypeKind::Struct) if ty.is_built_in() => {
            Some(Value::Object(zero_struct(ty.map()?)))
        }
        _ => None,
    }
}

fn write_struct(entries: &Map, map: MapType<'_>) -> Option<Map> {
    let mut out: Option<Map> = None;
    for field in map.fields() {
        let value = entries.get(field.name());
        let zero = || zero(field);
        let written = match value {
            // A pointer that is null is no pointer.
            None | Some(Value::Null) => zero(),
            Some(value) if is_left_out(field, value) => None,
            Some(value) => match as_written(value, field.ty()) {
                None => continue,
                changed => changed,
            },
        };
        match (value, written) {
            (None, None) => {}
            (Some(old), Some(new)) if *old == new => {}
            (_, Some(new)) => {
                out.get_or_insert_with(|| entries.clone())
                    .insert(field.name(), new);
            }
            (Some(_), None) => {
                out.get_or_insert_with(|| entries.clone())
                    .remove(field.name());
            }
        }
    }
    out
}

/// Whether `omitempty` leaves out a field with this value.
fn is_left_out(field: FieldRef<'_>, value: &Value) -> bool {
    field.is_optional()
        && !field.is_pointer()
        && match value {
            Value::String(text) => {
                text.is_empty() && matches!(field.ty().kind(), TypeKind::String | TypeKind::Bytes)
            }
            Value::Number(number) => {
                number.as_i64() == Some(0)
                    && matches!(
                        field.ty().kind(),
                        TypeKind::Int32 | TypeKind::Int64 | TypeKind::Float
                    )
            }
            Value::Bool(value) => !value,
            Value::Array(values) => values.is_empty(),
            Value::Object(map) => map.is_empty() && field.ty().kind() == TypeKind::Map,
            Value::Null => true,
        }
}

/// What Go writes for a field that is not there.
fn zero(field: FieldRef<'_>) -> Option<Value> {
    let kind = field.ty().kind();
    if field.is_pointer() {
        return (!field.is_optional()).then_some(Value::Null);
    }
    match kind {
        // `omitempty` does nothing for structs.
        TypeKind::Struct if !field.omits_zero() => {
            Some(Value::Object(zero_struct(field.ty().map()?)))
        }
        TypeKind::Time | TypeKind::MicroTime if !field.omits_zero() => Some(Value::Null),
        _ if field.is_optional() || field.omits_zero() => None,
        TypeKind::String => Some(Value::from("")),
        TypeKind::Bool => Some(Value::Bool(false)),
        TypeKind::Int32 | TypeKind::Int64 | TypeKind::Float | TypeKind::IntOrString => {
            Some(Value::from(0))
        }
        TypeKind::Quantity => Some(Value::from("0")),
        TypeKind::Duration => Some(Value::from("0s")),
        _ => Some(Value::Null),
    }
}

fn zero_struct(map: MapType<'_>) -> Map {
    map.fields()
        .filter_map(|field| Some((field.name(), zero(field)?)))
        .collect()
}

/// The object that a create starts from: of built-in kinds what Go writes for a new one, else nothing but the kind.
pub(super) fn blank(ty: TypeRef<'_>, api_version: &Value, kind: &Value) -> Value {
    let mut map = match ty.kind() {
        TypeKind::Struct if ty.is_built_in() => ty.map().map(zero_struct).unwrap_or_default(),
        _ => Map::new(),
    };
    map.insert("apiVersion", api_version.clone());
    map.insert("kind", kind.clone());
    Value::Object(map)
}
