//! What is particular to kinds.

use base64::Engine as _;
use gitops_manifest::{Map, Object, Value};

use super::{NormalizeOptions, endpoints, typed};
use crate::schema::{Schemas, TypeRef};

pub(super) fn normalize(object: &mut Object, options: &NormalizeOptions) {
    if object.meta("creationTimestamp").is_some() {
        object.metadata_mut().remove("creationTimestamp");
    }
    match (object.group(), object.kind()) {
        ("", "Secret") => secret(object, options),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => role(object, options),
        ("", "Endpoints") => endpoints::normalize(object, options),
        _ => {}
    }
}

pub(super) fn builtin(kind: &str) -> Option<TypeRef<'static>> {
    Schemas::builtin().lookup("", "v1", kind)
}

fn reads(object: &Object, kind: &str) -> bool {
    let mode = typed::Mode {
        drop_unknown: true,
        ..typed::Mode::default()
    };
    builtin(kind).is_some_and(|ty| typed::value(&object.to_value(), ty, mode).is_ok())
}

fn secret(object: &mut Object, options: &NormalizeOptions) {
    if let Some(Value::Object(texts)) = object.get("stringData").cloned() {
        let mut data = match object.get("data") {
            Some(Value::Object(data)) => data.clone(),
            _ => Map::new(),
        };
        for (key, value) in &texts {
            let encoded = match value {
                Value::String(text) => base64::engine::general_purpose::STANDARD
                    .encode(text.as_bytes())
                    .into(),
                // The API refuses it, and is to be asked.
                other => other.clone(),
            };
            data.insert(key.clone(), encoded);
        }
        let map = object.as_map_mut();
        map.insert("data", data);
        map.remove("stringData");
    }
    let Some(Value::Object(data)) = object.get("data") else {
        return;
    };
    // Argo CD reads the whole object first, and leaves it where that fails.
    if options.compat && !reads(object, "Secret") {
        return;
    }
    if data.is_empty() {
        // What Go writes for a map that it has emptied.
        object.as_map_mut().insert("data", Value::Null);
        return;
    }
    let mut changed: Option<Map> = None;
    let bytes = builtin("Secret").and_then(|ty| ty.at(&["data"])?.map()?.element());
    for (key, value) in data {
        let canonical = match value {
            Value::Null => Some("".into()),
            value => bytes.and_then(|ty| {
                typed::value(value, ty, typed::Mode::default())
                    .ok()
                    .flatten()
            }),
        };
        if let Some(canonical) = canonical {
            changed
                .get_or_insert_with(|| data.clone())
                .insert(key.clone(), canonical);
        }
    }
    if let Some(changed) = changed {
        object.as_map_mut().insert("data", changed);
    }
}

fn role(object: &mut Object, options: &NormalizeOptions) {
    let aggregated = matches!(object.get("aggregationRule"), Some(Value::Object(_)));
    let empty = matches!(object.get("rules"), Some(Value::Array(rules)) if rules.is_empty());
    if empty || (options.ignore_aggregated_roles && aggregated) {
        object.as_map_mut().insert("rules", Value::Null);
    }
}
