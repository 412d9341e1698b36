//! The comparison of Argo CD's client side: normalise, three-way, default, compare.

use gitops_manifest::{Map, Object, ObjectKey, Value};

use super::merge::Merge;
use super::{
    CompareError, CompareOptions, Comparison, LAST_APPLIED, Status, differences, peer, server_side,
    text, why,
};
use crate::normalize;
use crate::schema::TypeRef;
use crate::{defaults, mask};

/// Brings one side into its normal form and leaves out what does not count.
pub(super) fn prepare(object: &Object, options: &CompareOptions) -> Object {
    finish(&canonical(object, options), options)
}

pub(super) fn canonical(object: &Object, options: &CompareOptions) -> Object {
    match CompareOptions::builtin(object) {
        Some(ty) => normalize::canonical(object, ty, &options.normalize),
        None => object.clone(),
    }
}

/// What is done with last-applied too: it is not read into its type.
pub(super) fn finish(object: &Object, options: &CompareOptions) -> Object {
    let normal = normalize::normalize(object, &options.normalize);
    let mut left = options.ignore.remove(&normal);
    for known in options
        .known_types
        .iter()
        .filter(|known| known.group == *object.group() && known.kind == *object.kind())
    {
        // A field that does not fit stays as it is.
        if let Ok(normal) = normalize::known_types(&left, &known.fields) {
            left = normal;
        }
    }
    left
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

/// Reads what was applied last; `None` where it cannot be read.
fn read(text: &str) -> Option<Object> {
    Object::try_from(Value::from_json(text).ok()?).ok()
}

pub(super) fn compare(
    key: ObjectKey,
    desired: &Object,
    live: &Object,
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    let given = live;
    let canonical = canonical(desired, options);
    let unchanged = canonical.as_map().ptr_eq(desired.as_map());
    let given_desired = desired;
    let mut desired = finish(&canonical, options);
    without_namespace(&mut desired);
    let live = prepare(live, options);
    let last = given.annotation(LAST_APPLIED).and_then(|text| {
        // Mostly it is the desired object, word for word.
        let last = match text::says(text, &given_desired.to_value()) {
            true if unchanged => return Some(desired.clone()),
            true => given_desired.clone(),
            false => read(text)?,
        };
        let mut last = finish(&last, options);
        without_namespace(&mut last);
        Some(last)
    });
    if options.compat {
        return as_peer(key, desired, &live, last, given);
    }
    let of_last = last.as_ref().unwrap_or(&desired);
    let ty = CompareOptions::builtin(of_last);
    let merged = merge(of_last, &desired, &live, ty, options);
    let live = live.into_map();
    let mut comparison = Comparison {
        key,
        status: Status::InSync,
        differences: Vec::new(),
        predicted: Some(live.clone()),
        live: Some(live.clone()),
        desired: Some(desired.into_map()),
        last_applied: last.map(Object::into_map),
        given: Some(given.clone()),
        ty,
    };
    if let Some(merged) = merged {
        let (before, after) = match ty {
            Some(ty) => (defaults::apply(live, ty), defaults::apply(merged, ty)),
            None => {
                let known = server_side::type_of(given, options);
                let filled = |map| server_side::with_schema_defaults(map, known);
                (filled(live), filled(merged))
            }
        };
        settle(&mut comparison, before, after, options.compat);
    }
    Ok(comparison)
}

/// Compares what is with what would be.
pub(super) fn settle(comparison: &mut Comparison, before: Map, after: Map, exact: bool) {
    comparison.differences = differences::find(&after, &before, comparison.ty, exact);
    if !comparison.differences.is_empty() {
        comparison.status = Status::Modified;
        why::explain_all(comparison);
        if comparison.given.as_ref().is_some_and(mask::is_secret) {
            mask::differences(&mut comparison.differences);
        }
    }
    comparison.live = Some(before);
    comparison.predicted = Some(after);
}

fn as_peer(
    key: ObjectKey,
    desired: Object,
    live: &Object,
    last: Option<Object>,
    given: &Object,
) -> Result<Comparison, CompareError> {
    let two_way = |last: &Object| {
        let ty = CompareOptions::builtin(last);
        Ok((peer::three_way(last, &desired, live, ty)?, ty))
    };
    // Where the three-way patch cannot be made, the two-way patch is tried.
    let outcome = match &last {
        Some(last) => {
            two_way(last).or_else(|_: crate::strategic::StrategicError| two_way(&desired))
        }
        None => two_way(&desired),
    };
    let (outcome, ty) = outcome.map_err(|source| CompareError::Patch {
        key: Box::new(key.clone()),
        source,
    })?;
    let mut comparison = Comparison {
        key,
        status: Status::InSync,
        differences: Vec::new(),
        predicted: None,
        live: None,
        desired: Some(desired.into_map()),
        last_applied: last.map(Object::into_map),
        given: Some(given.clone()),
        ty,
    };
    settle(&mut comparison, outcome.live, outcome.predicted, true);
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
