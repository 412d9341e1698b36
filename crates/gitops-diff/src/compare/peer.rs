//! The comparison done step by step as gitops-engine does it, with what it gets wrong: a patch is made, applied, and the JSON of
//! the two results compared. Only for [`CompareOptions::compat`](super::CompareOptions::compat).

use gitops_manifest::{Map, Number, Object, Value};

use crate::schema::TypeRef;
use crate::strategic::{self, StrategicError, ThreeWayOptions};
use crate::{defaults, merge_patch};

/// Live and predicted, both with defaults.
pub(super) struct Outcome {
    pub(super) live: Map,
    pub(super) predicted: Map,
}

pub(super) fn three_way(
    last: &Object,
    desired: &Object,
    live: &Object,
    ty: Option<TypeRef<'_>>,
) -> Result<Outcome, StrategicError> {
    match ty {
        Some(ty) => strategic(last, desired, live, ty),
        None => json_merge(last, desired, live),
    }
}

fn strategic(
    last: &Object,
    desired: &Object,
    live: &Object,
    ty: TypeRef<'_>,
) -> Result<Outcome, StrategicError> {
    let mut current = live.clone();
    if matches!(last.group(), "apps" | "extensions") && last.kind() == "StatefulSet" {
        cut_claims(last, &mut current);
    }
    let patch = strategic::create_three_way(
        &last.to_value(),
        &desired.to_value(),
        &current.into(),
        ty,
        &ThreeWayOptions::default().overwrite(true),
    )?;
    let predicted = match strategic::apply(&live.to_value(), &patch, ty)? {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let with_defaults =
        |map: &Map| Ok(defaults::apply_as_patch(map, ty)?.unwrap_or_else(|| map.clone()));
    Ok(Outcome {
        live: with_defaults(live.as_map())?,
        predicted: with_defaults(&predicted)?,
    })
}

/// The API server defaults claims in ways that cannot be reproduced, so that live is cut down to what was applied.
fn cut_claims(last: &Object, live: &mut Object) {
    const CLAIMS: [&str; 2] = ["spec", "volumeClaimTemplates"];
    let (Some(applied), Some(now)) = (last.at(&CLAIMS), live.at(&CLAIMS)) else {
        return;
    };
    if applied.as_array().is_none() || now.as_array().is_none() {
        return;
    }
    let claims = cut(applied, now);
    if let Some(spec) = live
        .as_map_mut()
        .get_mut("spec")
        .and_then(Value::as_object_mut)
    {
        spec.insert(CLAIMS[1], claims);
    }
}

fn json_merge(last: &Object, desired: &Object, live: &Object) -> Result<Outcome, StrategicError> {
    let current = cut(&last.to_value(), &live.to_value());
    let patch = merge_patch::three_way(
        &through_doubles(&last.to_value()),
        &through_doubles(&desired.to_value()),
        &through_doubles(&current),
    )
    .map_err(|error| match error {
        merge_patch::MergePatchError::Conflict { path } => StrategicError::Conflict { path },
        merge_patch::MergePatchError::NotAMap { document, found } => {
            StrategicError::NotAMap { document, found }
        }
    })?;
    let predicted = match apply(&live.to_value(), &patch) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    Ok(Outcome {
        live: live.as_map().clone(),
        predicted,
    })
}

/// Applies a merge patch as evanphx/json-patch does, which takes the nulls out of what it puts in lists too.
fn apply(target: &Value, patch: &Value) -> Value {
    let (Value::Object(target), Value::Object(patch)) = (target, patch) else {
        return super::merge::clean(patch).unwrap_or_default();
    };
    let mut result = target.clone();
    for (key, value) in patch {
        match (value, result.get(key)) {
            (Value::Null, _) => {
                result.remove(key);
            }
            (value, Some(before @ Value::Object(_))) if value.as_object().is_some() => {
                let merged = apply(before, value);
                result.insert(key.clone(), merged);
            }
            (value, _) => {
                result.insert(key.clone(), super::merge::clean(value));
            }
        }
    }
    Value::Object(result)
}

/// Cuts live down to the fields that another value has; lists element by element, an extra tail stays.
pub(super) fn cut(to: &Value, live: &Value) -> Value {
    match (to, live) {
        (Value::Object(to), Value::Object(live)) => Map::from_entries(
            to.iter()
                .filter_map(|(key, to)| Some((key.clone(), cut(to, live.get(key)?))))
                .collect(),
        )
        .into(),
        (Value::Array(to), Value::Array(live)) => live
            .iter()
            .enumerate()
            .map(|(i, live)| to.get(i).map_or_else(|| live.clone(), |to| cut(to, live)))
            .collect::<Vec<_>>()
            .into(),
        (_, live) => live.clone(),
    }
}

/// What is left of numbers once they have been doubles.
fn through_doubles(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            Number::from_f64(number.as_f64()).map_or_else(|| value.clone(), Value::Number)
        }
        Value::Array(list) => list.iter().map(through_doubles).collect::<Vec<_>>().into(),
        Value::Object(map) => Map::from_entries(
            map.iter()
                .map(|(key, value)| (key.clone(), through_doubles(value)))
                .collect(),
        )
        .into(),
        value => value.clone(),
    }
}
