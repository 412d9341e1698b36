//! What an API server fills in where an object of a built-in kind is silent.
//!
//! The facts are those of the defaulting functions of Kubernetes 1.36 with the feature gates as they are released. Most of them are a
//! table ([`table`]): this field of that type has this value unless it is set. The rest, where one field decides on another, is code
//! ([`special`]).

mod special;
mod table;

use gitops_manifest::{Map, Object, Value};

use crate::normalize::quantity;
use crate::normalize::typed::{self, Mode};
use crate::schema::{FieldRef, TypeKind, TypeRef};
use crate::strategic;

/// Fills in the defaults of a built-in type. What does not change is shared with the argument.
pub(crate) fn apply(object: Map, ty: TypeRef<'_>) -> Map {
    fill(&object, ty).unwrap_or(object)
}

/// The fields of type `ResourceList`, wherever they are.
const RESOURCE_LISTS: [&str; 13] = [
    "allocatable",
    "allocatedResources",
    "capacity",
    "default",
    "defaultRequest",
    "hard",
    "limits",
    "max",
    "maxLimitRequestRatio",
    "min",
    "overhead",
    "requests",
    "used",
];

/// Rounds the amounts of a list of resources up to thousandths.
fn round_resources(list: &Map, ty: TypeRef<'_>) -> Option<Value> {
    if ty.map()?.element()?.kind() != TypeKind::Quantity {
        return None;
    }
    let mut out: Option<Map> = None;
    for (name, amount) in list {
        if let Some(rounded) = amount.as_str().and_then(quantity::round_up_to_milli) {
            out.get_or_insert_with(|| list.clone())
                .insert(name.clone(), rounded);
        }
    }
    out.map(Value::Object)
}

/// Fills in the defaults as Argo CD does: an object that cannot be read into its type stays as it is; otherwise the strategic
/// patch from the object before defaulting to the one after is applied to it. `None` where nothing changes.
pub(crate) fn apply_as_patch(
    object: &Map,
    ty: TypeRef<'_>,
) -> Result<Option<Map>, strategic::StrategicError> {
    let Some(before) = read(object, ty, Mode::default()) else {
        return Ok(None);
    };
    let after = written_with_defaults(object, &before, ty);
    // Where nothing is filled in, the patch still holds the fields that are replaced as a whole, as the type writes them.
    let patch = strategic::create(&before.into(), &after.into(), ty)?;
    Ok(
        match strategic::apply(&object.clone().into(), &patch, ty)? {
            Value::Object(map) => Some(map),
            _ => None,
        },
    )
}

/// Reads an object into its type and writes it again; `None` where it does not fit.
fn read(object: &Map, ty: TypeRef<'_>, mode: Mode) -> Option<Map> {
    let mode = Mode {
        fill: true,
        drop_unknown: true,
        ..mode
    };
    match typed::value(&object.clone().into(), ty, mode).ok()? {
        Some(Value::Object(map)) => Some(map),
        Some(_) => None,
        None => Some(object.clone()),
    }
}

/// What Go writes of an object that it has read and filled in; `before` is what it writes of the object as it is. An empty list is not
/// an absent one while defaults are filled in, and is left out afterwards.
fn written_with_defaults(object: &Map, before: &Map, ty: TypeRef<'_>) -> Map {
    let with_empty = Mode {
        keep_empty: true,
        ..Mode::default()
    };
    let whole = read(object, ty, with_empty).filter(|whole| whole != before);
    let Some(whole) = whole else {
        return apply(before.clone(), ty);
    };
    let filled = apply(whole, ty);
    let written = Mode {
        keep_null: true,
        ..Mode::default()
    };
    read(&filled, ty, written).unwrap_or(filled)
}

/// Fills in the defaults of an object; `read` is what is written of it without.
pub(crate) fn of_object(object: &Object, read: Object, ty: TypeRef<'_>) -> Object {
    let mut result = read;
    let map = written_with_defaults(object.as_map(), result.as_map(), ty);
    *result.as_map_mut() = map;
    result
}

fn fill(map: &Map, ty: TypeRef<'_>) -> Option<Map> {
    let shape = ty.map()?;
    let mut out: Option<Map> = None;
    if special::concerns(ty.name()) {
        let mut changed = map.clone();
        special::fill(&mut changed, ty.name());
        out = (changed != *map).then_some(changed);
    }
    for (field, value) in table::rules(ty.name()) {
        let current = out.as_ref().unwrap_or(map);
        if let Some(known) = ty.field(field)
            && is_unset(current.get(field), known)
        {
            out.get_or_insert_with(|| map.clone())
                .insert(field.clone(), value.clone());
        }
    }
    let mut below = Vec::new();
    let current = out.as_ref().unwrap_or(map);
    for field in shape.fields() {
        let ty = field.ty();
        let filled = match (current.get(field.name()), ty.kind()) {
            (Some(Value::Object(inner)), TypeKind::Struct) => fill(inner, ty).map(Value::Object),
            (Some(Value::Array(list)), TypeKind::List) => fill_list(list, ty),
            (Some(Value::Object(list)), TypeKind::Map)
                if RESOURCE_LISTS.contains(&field.name().as_str()) =>
            {
                round_resources(list, ty)
            }
            (None | Some(Value::Null), TypeKind::Struct) if !field.is_pointer() => {
                // The struct is there in Go, with nothing in it.
                fill(&Map::new(), ty).map(Value::Object)
            }
            _ => None,
        };
        below.extend(filled.map(|filled| (field.name().clone(), filled)));
    }
    for (name, filled) in below {
        out.get_or_insert_with(|| map.clone()).insert(name, filled);
    }
    out
}

fn fill_list(list: &gitops_manifest::Array, ty: TypeRef<'_>) -> Option<Value> {
    let element = ty.list()?.element();
    if element.kind() != TypeKind::Struct {
        return None;
    }
    let mut out: Option<gitops_manifest::Array> = None;
    for (i, item) in list.iter().enumerate() {
        if let Value::Object(map) = item
            && let Some(filled) = fill(map, element)
        {
            out.get_or_insert_with(|| list.clone()).make_mut()[i] = filled.into();
        }
    }
    out.map(Value::Array)
}

/// Whether a field counts as not set: absent, or the zero value of what has no other way to be absent.
fn is_unset(value: Option<&Value>, field: FieldRef<'_>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(_) if field.is_pointer() => false,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() == 0.0,
        Some(Value::Array(list)) => list.is_empty(),
        Some(_) => false,
    }
}
