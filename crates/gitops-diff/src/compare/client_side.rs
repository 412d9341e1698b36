//! The comparison of Argo CD's client side: normalise, three-way, default, compare.

use gitops_manifest::{Map, Object, ObjectKey, Value};

use super::merge::Merge;
use super::{CompareError, CompareOptions, Comparison, LAST_APPLIED, Status, differences, why};
use crate::defaults;
use crate::normalize;
use crate::schema::TypeRef;

/// Brings one side into its normal form and leaves out what does not count.
pub(super) fn prepare(object: &Object, options: &CompareOptions) -> Object {
    let canonical = match CompareOptions::builtin(object) {
        Some(ty) => normalize::canonical(object, ty, &options.normalize),
        None => object.clone(),
    };
    let normal = normalize::normalize(&canonical, &options.normalize);
    options.ignore.remove(&normal)
}

/// Takes out of the desired and last-applied objects what live has of necessity otherwise: the namespace, and annotations that are
/// none.
fn without_namespace(object: &mut Object) {
    let Some(Value::Object(metadata)) = object.get("metadata") else {
        return;
    };
    let no_annotations = match metadata.get("annotations") {
        Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        _ => false,
    };
    let namespace = metadata.contains_key("namespace");
    if namespace || no_annotations {
        let metadata = object.metadata_mut();
        metadata.remove("namespace");
        if no_annotations {
            metadata.remove("annotations");
        }
    }
}

/// Reads what was applied last; `None` where that is not known.
fn last_applied(live: &Object) -> Option<Object> {
    let text = live.annotation(LAST_APPLIED)?;
    Object::try_from(Value::from_json(text).ok()?).ok()
}

pub(super) fn compare(
    key: ObjectKey,
    desired: &Object,
    live: &Object,
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    let given = live;
    let mut desired = prepare(desired, options);
    let live = prepare(live, options);
    let mut last = last_applied(given).map(|last| {
        let normal = normalize::normalize(&last, &options.normalize);
        options.ignore.remove(&normal)
    });
    without_namespace(&mut desired);
    if let Some(last) = &mut last {
        without_namespace(last);
    }
    let of_last = last.as_ref().unwrap_or(&desired);
    let ty = CompareOptions::builtin(of_last);
    let merged = merge(of_last, &desired, &live, ty, options);
    let mut comparison = Comparison {
        key,
        status: Status::InSync,
        differences: Vec::new(),
        predicted: Some(live.as_map().clone()),
        live: Some(live.into_map()),
        desired: Some(desired.into_map()),
        last_applied: last.map(Object::into_map),
        given: Some(given.clone()),
        ty,
    };
    let Some(merged) = merged else {
        return Ok(comparison);
    };
    let (before, after) = match ty {
        Some(ty) => (
            defaults::apply(comparison.live.clone().unwrap_or_default(), ty),
            defaults::apply(merged, ty),
        ),
        None => (comparison.live.clone().unwrap_or_default(), merged),
    };
    comparison.differences = differences::find(&after, &before, ty);
    if !comparison.differences.is_empty() {
        comparison.status = Status::Modified;
        why::explain_all(&mut comparison);
    }
    comparison.live = Some(before);
    comparison.predicted = Some(after);
    Ok(comparison)
}

fn merge(
    last: &Object,
    desired: &Object,
    live: &Object,
    ty: Option<TypeRef<'static>>,
    options: &CompareOptions,
) -> Option<Map> {
    let claims_cut = matches!(last.group(), "apps" | "extensions") && last.kind() == "StatefulSet";
    Merge {
        spellings: !options.compat,
    }
    .object(
        last.as_map(),
        desired.as_map(),
        live.as_map(),
        ty,
        claims_cut,
    )
}

pub(super) fn three_way(
    last_applied: Option<&Object>,
    desired: &Object,
    live: &Object,
    options: &CompareOptions,
) -> Object {
    let last = last_applied.unwrap_or(desired);
    let mut result = live.clone();
    if let Some(merged) = merge(last, desired, live, CompareOptions::builtin(last), options) {
        *result.as_map_mut() = merged;
    }
    result
}
