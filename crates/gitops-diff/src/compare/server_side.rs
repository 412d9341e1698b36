//! Comparisons by the rules of server-side apply: worked out here, or from the answer of a dry run.

use gitops_manifest::{Map, Object, ObjectKey, Value};

use super::client_side::{prepare, settle};
use super::{CompareError, CompareOptions, Comparison, LAST_APPLIED, Status, client_side};
use crate::defaults;
use crate::normalize;
use crate::schema::TypeRef;
use crate::structured::{
    self, Duplicates, Emptied, FieldPath, FieldSet, ManagerId, Managers, PathElement,
    SameInEveryVersion, Typed, Unfit, Updater,
};

pub(super) fn type_of<'s>(object: &Object, options: &'s CompareOptions) -> Option<TypeRef<'s>> {
    options
        .schemas
        .lookup(object.group(), object.version(), object.kind())
}

/// Whether no API server describes this version any more. The table of types still has it, for objects in repositories.
fn is_withdrawn(object: &Object) -> bool {
    matches!(
        object.api_version(),
        "extensions/v1beta1" | "apps/v1beta1" | "apps/v1beta2"
    )
}

fn comparison(key: ObjectKey, desired: &Object, given: &Object) -> Comparison {
    Comparison {
        key,
        status: Status::InSync,
        differences: Vec::new(),
        desired: Some(desired.as_map().clone()),
        live: None,
        predicted: None,
        last_applied: None,
        given: Some(given.clone()),
        ty: CompareOptions::builtin(desired),
    }
}

fn error(
    key: &ObjectKey,
    problem: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> CompareError {
    CompareError::Structured {
        key: Box::new(key.clone()),
        source: problem.into(),
    }
}

/// Compares by what a server-side apply would make of live.
pub(super) fn structured(
    key: ObjectKey,
    given_desired: &Object,
    given: &Object,
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    let desired = prepare(given_desired, options);
    let live = prepare(given, options);
    let known = type_of(&desired, options);
    if options.compat && (known.is_none() || is_withdrawn(&desired)) {
        return Err(error(
            &key,
            format!("there is no schema of {}", desired.gvk()),
        ));
    }
    let ty = known.unwrap_or(TypeRef::deduced());
    match merged(&desired, &live, given, ty, options) {
        Ok(merged) => {
            let mut comparison = comparison(key, &desired, given);
            match merged {
                None => {
                    comparison.live = Some(live.as_map().clone());
                    comparison.predicted = comparison.live.clone();
                }
                Some(merged) => {
                    let before = finish(live.into_map(), known, options)
                        .map_err(|problem| error(&comparison.key, problem))?;
                    let after = finish(merged, known, options)
                        .map_err(|problem| error(&comparison.key, problem))?;
                    settle(&mut comparison, before, after, options.compat);
                }
            }
            Ok(comparison)
        }
        // An object that does not fit its schema can still be compared without one.
        Err(_) if !options.compat => client_side::compare(key, given_desired, given, options),
        Err(problem) => Err(error(&key, problem)),
    }
}

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What live would be; `None` where nothing changes.
fn merged(
    desired: &Object,
    live: &Object,
    given: &Object,
    ty: TypeRef<'_>,
    options: &CompareOptions,
) -> Result<Option<Map>, Problem> {
    let mut config = desired.clone();
    if !options.compat && config.kind() == "StatefulSet" {
        keep_claims(&mut config, live);
    }
    let live = Typed::new(live.to_value(), ty, Duplicates::Refuse)?;
    let config_typed = Typed::new(config.to_value(), ty, Duplicates::Refuse)?;
    let mut managers = Managers::of(given)?;
    let updater = Updater::new(SameInEveryVersion).emptied(Emptied::Empty);
    let manager = ManagerId::applier(options.manager.clone());
    let merged = updater.apply(
        &live,
        &config_typed,
        desired.api_version(),
        &mut managers,
        &manager,
        true,
    )?;
    Ok(merged.and_then(|merged| match merged.into_value() {
        Value::Object(map) => Some(map),
        _ => None,
    }))
}

/// Drops the last-applied annotation and fills in defaults.
fn finish(mut map: Map, ty: Option<TypeRef<'_>>, options: &CompareOptions) -> Result<Map, Problem> {
    drop_last_applied(&mut map);
    let builtin = ty.filter(|_| {
        Object::new(map.clone()).is_ok_and(|object| CompareOptions::builtin(&object).is_some())
    });
    Ok(match builtin {
        Some(ty) if options.compat => {
            let object = Object::new(map.clone())?;
            normalize::reads(&object, ty)?;
            defaults::apply_as_patch(&map, ty)?.unwrap_or(map)
        }
        Some(ty) => defaults::apply(map, ty),
        None => with_schema_defaults(map, ty.filter(|_| !options.compat)),
    })
}

/// Fills in the defaults that the schema of a custom resource declares, as the API server does with what is applied.
pub(super) fn with_schema_defaults(map: Map, ty: Option<TypeRef<'_>>) -> Map {
    match ty {
        Some(ty) if ty.is_structural() => {
            match structured::fill_defaults(&Value::Object(map.clone()), ty) {
                Some(Value::Object(filled)) => filled,
                _ => map,
            }
        }
        _ => map,
    }
}

fn drop_last_applied(map: &mut Map) {
    let has = map
        .get("metadata")
        .and_then(|metadata| metadata.at(&["annotations", LAST_APPLIED]))
        .is_some();
    if has
        && let Some(annotations) = map
            .entry_object("metadata")
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
    {
        annotations.remove(LAST_APPLIED);
    }
}

/// The API server fills in claims, and the list of them is owned as a whole. Where live has all that is desired, live it is.
fn keep_claims(config: &mut Object, live: &Object) {
    const CLAIMS: [&str; 2] = ["spec", "volumeClaimTemplates"];
    let (Some(wanted), Some(now)) = (config.at(&CLAIMS), live.at(&CLAIMS)) else {
        return;
    };
    if covers(wanted, now) {
        let now = now.clone();
        config
            .as_map_mut()
            .entry_object("spec")
            .insert(CLAIMS[1], now);
    }
}

/// Whether live has all that is desired; what it has beside does not count.
fn covers(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired
            .iter()
            .all(|(key, value)| live.get(key).is_some_and(|live| covers(value, live))),
        (Value::Array(desired), Value::Array(live)) => {
            desired.len() == live.len()
                && desired
                    .iter()
                    .zip(live.iter())
                    .all(|(desired, live)| covers(desired, live))
        }
        (desired, live) => desired == live,
    }
}

/// Compares live with the answer of a dry run.
pub(super) fn dry_run(
    key: ObjectKey,
    desired: &Object,
    given: &Object,
    answer: &Object,
    keep_webhook_mutations: bool,
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    let mut unignored = options.clone();
    unignored.ignore = std::sync::Arc::default();
    let desired = prepare(desired, &unignored);
    let live = prepare(given, &unignored);
    let mut predicted = answer.clone();
    if !keep_webhook_mutations {
        match without_mutations(answer, &live, options) {
            Ok(object) => predicted = object,
            Err(problem) if options.compat => return Err(error(&key, problem)),
            // What cannot be told apart is shown.
            Err(_) => {}
        }
    }
    let finish = |object: Object| {
        let mut object = client_side::finish(&object, options);
        let metadata = object.metadata_mut();
        metadata.remove("managedFields");
        metadata.remove("resourceVersion");
        let mut map = object.into_map();
        drop_last_applied(&mut map);
        map
    };
    let mut comparison = comparison(key, &desired, given);
    // Live has been read into its type; what the answer is left with has not.
    let predicted = client_side::canonical(&predicted, options);
    let (before, after) = (finish(live), finish(predicted));
    settle(&mut comparison, before, after, options.compat);
    Ok(comparison)
}

/// Takes out of the answer of a dry run what the manager does not own: what webhooks did, and what others changed meanwhile.
fn without_mutations(
    answer: &Object,
    live: &Object,
    options: &CompareOptions,
) -> Result<Object, Problem> {
    let ty = match type_of(answer, options) {
        Some(ty) => ty,
        None if options.compat => {
            return Err(format!("there is no schema of {}", answer.gvk()).into());
        }
        None => TypeRef::deduced(),
    };
    let managers = Managers::of(answer)?;
    let owned = managers
        .iter()
        .filter(|(id, _)| id.name == options.manager)
        .fold(FieldSet::default(), |owned, (_, entry)| {
            owned.union(&entry.fields)
        });
    if owned.is_empty() {
        return Err(format!("the answer has no managed fields of {}", options.manager).into());
    }
    let typed = |object: &Object| -> Result<Typed<'_>, Unfit> {
        Typed::new(object.to_value(), ty, Duplicates::Refuse)
    };
    let (predicted, live) = (typed(answer)?, typed(live)?);
    // Where the manager owns something below, the place itself is not to go.
    let foreign: FieldSet = predicted
        .field_set()
        .difference(&owned)
        .paths()
        .filter(|path| {
            let below = path
                .elements()
                .iter()
                .fold(owned.clone(), |set, step| set.below(step));
            below.is_empty()
        })
        .collect();
    let removed = live.compare(&predicted).removed.difference(&foreign);
    let foreign: FieldSet = foreign
        .paths()
        .filter(|path| !is_part_of_key(path))
        .collect();
    let own = predicted.remove(&foreign, Emptied::Empty);
    let merged = live.merge(&own)?.remove(&removed, Emptied::Empty);
    Ok(Object::try_from(merged.into_value())?)
}

/// Whether a field is one of several that tell an element of a list apart. Without it the element would be another.
fn is_part_of_key(path: &FieldPath) -> bool {
    let Some((PathElement::Field(name), way)) = path.elements().split_last() else {
        return false;
    };
    way.iter().any(|step| match step {
        PathElement::Key(fields) if fields.len() > 1 => {
            fields.iter().any(|(field, _)| field == name)
        }
        _ => false,
    })
}
