//! Objects that actions make of others.

use std::time::SystemTime;

use gitops_manifest::{Map, Object, Value};

use crate::{time, view};

/// Writes a time in digits alone: `20240131T…` as `202401310000`, to the minute.
fn digits(now: SystemTime) -> String {
    time::format(now)
        .chars()
        .filter(char::is_ascii_digit)
        .take(12)
        .collect()
}

/// Copies a value and leaves out maps and lists that are empty.
fn without_empty(value: &Value) -> Option<Value> {
    match value {
        Value::Array(array) => {
            let kept: Vec<Value> = array.iter().filter_map(without_empty).collect();
            (!kept.is_empty()).then(|| kept.into())
        }
        Value::Object(map) => {
            let kept: Map = map
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), without_empty(value)?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Null => None,
        other => Some(other.clone()),
    }
}

fn copy(object: &Object, path: &[&str]) -> Option<Value> {
    without_empty(object.at(path)?)
}

/// Copies a map; empty where there is none.
fn copy_map(object: &Object, path: &[&str]) -> Map {
    match copy(object, path) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Refers to the object as an owner.
fn owner(object: &Object) -> Map {
    let mut owner = Map::from([
        ("apiVersion", Value::from(object.api_version())),
        ("kind", Value::from(object.kind())),
        ("name", Value::from(object.name())),
    ]);
    if !object.uid().is_empty() {
        owner.insert("uid", object.uid());
    }
    owner
}

fn finish(api_version: &str, kind: &str, metadata: Map, spec: Option<Value>, more: Map) -> Object {
    let mut map = more;
    map.insert("apiVersion", api_version);
    map.insert("kind", kind);
    map.insert("metadata", Value::Object(metadata));
    if let Some(spec) = spec {
        map.insert("spec", spec);
    }
    Object::new(map).expect("it has an apiVersion, a kind and metadata")
}

/// Names the new object after its source, in the same namespace.
fn place(metadata: &mut Map, object: &Object, stamp: &str) {
    metadata.insert("name", format!("{}-{stamp}", object.name()));
    if !object.namespace().is_empty() {
        metadata.insert("namespace", object.namespace());
    }
}

/// Makes a job of a cron job's template.
pub(super) fn job(object: &Object, now: SystemTime) -> Object {
    let mut metadata = copy_map(object, &["spec", "jobTemplate", "metadata"]);
    place(&mut metadata, object, &digits(now)[2..]);
    metadata
        .entry_object("annotations")
        .insert("cronjob.kubernetes.io/instantiate", "manual");
    let mut owner = owner(object);
    owner.insert("blockOwnerDeletion", true);
    owner.insert("controller", true);
    metadata.insert("ownerReferences", vec![Value::Object(owner)]);
    let spec = copy(object, &["spec", "jobTemplate", "spec"]);
    finish("batch/v1", "Job", metadata, spec, Map::new())
}

/// Makes a workflow of a cron workflow.
pub(super) fn cron_workflow(object: &Object, now: SystemTime) -> Object {
    const INSTANCE: &str = "workflows.argoproj.io/controller-instanceid";
    let mut labels = copy_map(object, &["spec", "workflowMetadata", "labels"]);
    labels.insert("workflows.argoproj.io/cron-workflow", object.name());
    if let Some(instance) = object.label(INSTANCE) {
        labels.insert(INSTANCE, instance);
    }
    let mut annotations = copy_map(object, &["spec", "workflowMetadata", "annotations"]);
    annotations.insert("workflows.argoproj.io/scheduled-time", time::format(now));

    let mut metadata = Map::new();
    place(&mut metadata, object, &digits(now));
    metadata.insert("labels", labels);
    metadata.insert("annotations", annotations);
    metadata.insert("ownerReferences", vec![Value::Object(owner(object))]);
    let mut more = Map::new();
    let finalizers = view::list(object.at(&["spec", "workflowMetadata", "finalizers"]));
    if !finalizers.is_empty() {
        more.insert("finalizers", finalizers.to_vec());
    }
    let spec = copy(object, &["spec", "workflowSpec"]);
    finish("argoproj.io/v1alpha1", "Workflow", metadata, spec, more)
}

/// Makes a workflow that refers to a template.
pub(super) fn workflow_template(object: &Object, now: SystemTime) -> Object {
    let mut metadata = Map::new();
    place(&mut metadata, object, &digits(now));
    let label = (
        "workflows.argoproj.io/workflow-template",
        Value::from(object.name()),
    );
    metadata.insert("labels", Map::from([label]));
    metadata.insert("ownerReferences", vec![Value::Object(owner(object))]);
    let reference = Map::from([("name", Value::from(object.name()))]);
    let spec = Map::from([("workflowTemplateRef", Value::Object(reference))]);
    finish(
        "argoproj.io/v1alpha1",
        "Workflow",
        metadata,
        Some(Value::Object(spec)),
        Map::new(),
    )
}
