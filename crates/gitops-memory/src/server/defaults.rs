//! What the API server fills in.

use gitops_manifest::{Map, Object, ObjectKey, Value};

/// Fills in what a writer left open.
pub(super) fn complete(key: &ObjectKey, object: &mut Object) {
    let map = object.as_map_mut();
    match (key.group.as_str(), key.kind.as_str()) {
        ("", "Pod") => pod_spec(map.entry_object("spec")),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("batch", "Job") => {
            let template = map.entry_object("spec").entry_object("template");
            pod_spec(template.entry_object("spec"));
        }
        _ => {}
    }
}

fn pod_spec(spec: &mut Map) {
    default(spec, "restartPolicy", "Always");
}

fn default(map: &mut Map, field: &str, value: impl Into<Value>) {
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field, value);
    }
}
