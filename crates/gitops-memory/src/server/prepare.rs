//! The form in which the server holds an object.

use gitops_core::TargetError;
use gitops_diff::normalize;
use gitops_diff::schema::{Schemas, TypeRef};
use gitops_manifest::{Map, Object, ObjectKey, Value};
use serde_json::json;

use super::validate::invalid;

/// How deep an object may be nested.
const MAX_DEPTH: usize = 200;

/// Brings an object into the form of its type: unknown fields are refused where that was asked for, else
/// dropped; quantities and times are written as the server does, and what is left open is filled in.
pub(super) fn object(
    key: &ObjectKey,
    object: &Object,
    schemas: &Schemas,
    validate: bool,
) -> Result<Object, TargetError> {
    let object = without_string_data(key, object);
    let Some(ty) = schemas.of(&object) else {
        return Ok(object);
    };
    let mut unknown = Unknown::default();
    let pruned = unknown.prune(&object.to_value(), ty, 0);
    if validate && !unknown.paths.is_empty() {
        let list: Vec<String> = unknown
            .paths
            .iter()
            .map(|path| format!("unknown field {path:?}"))
            .collect();
        return Err(invalid(
            key,
            format!("strict decoding error: {}", list.join(", ")),
        ));
    }
    let object = match pruned {
        Some(value) => Object::try_from(value).map_err(|error| invalid(key, error.to_string()))?,
        None => object,
    };
    if ty.is_built_in() {
        normalize::defaulted(&object, ty).map_err(|error| invalid(key, error.to_string()))
    } else {
        Ok(object)
    }
}

/// The fields of an object that its type does not have.
#[derive(Default)]
struct Unknown {
    path: Vec<String>,
    paths: Vec<String>,
}

impl Unknown {
    /// Returns the value without them; `None` where it has none.
    fn prune(&mut self, value: &Value, ty: TypeRef<'_>, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        match value {
            Value::Object(entries) => {
                let map = ty.map()?;
                let mut kept: Option<Map> = None;
                for (name, value) in entries {
                    self.path.push(if self.path.is_empty() {
                        name.to_string()
                    } else {
                        format!(".{name}")
                    });
                    match map.under(name) {
                        Some(ty) => {
                            if let Some(pruned) = self.prune(value, ty, depth + 1) {
                                kept.get_or_insert_with(|| entries.clone())
                                    .insert(name, pruned);
                            }
                        }
                        None if map.preserves_unknown() || is_base(depth, &self.path) => {}
                        None => {
                            self.paths.push(self.path.concat());
                            kept.get_or_insert_with(|| entries.clone()).remove(name);
                        }
                    }
                    self.path.pop();
                }
                kept.map(Value::Object)
            }
            Value::Array(values) => {
                let element = ty.list()?.element();
                let mut kept: Option<Vec<Value>> = None;
                for (i, value) in values.iter().enumerate() {
                    self.path.push(format!("[{i}]"));
                    if let Some(pruned) = self.prune(value, element, depth + 1) {
                        kept.get_or_insert_with(|| values.to_vec())[i] = pruned;
                    }
                    self.path.pop();
                }
                kept.map(|kept| Value::Array(kept.into()))
            }
            _ => None,
        }
    }
}

/// Whether a field is one that every object has.
fn is_base(depth: usize, path: &[String]) -> bool {
    depth == 0 && matches!(path[0].as_str(), "apiVersion" | "kind" | "metadata")
}

/// Moves what a Secret says in plain text to where the server keeps it.
fn without_string_data(key: &ObjectKey, object: &Object) -> Object {
    let plain = object.get("stringData").and_then(Value::as_object);
    let Some(plain) = plain.filter(|_| key.kind == "Secret" && key.group.is_empty()) else {
        return object.clone();
    };
    let mut object = object.clone();
    let data = object.as_map_mut().entry_object("data");
    for (name, value) in plain {
        let text = value.as_str().unwrap_or_default();
        data.insert(name, base64(text.as_bytes()));
    }
    object.as_map_mut().remove("stringData");
    object
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0_u32, |word, (i, byte)| {
            word | u32::from(*byte) << (16 - 8 * i)
        });
        for i in 0..4 {
            if i <= chunk.len() {
                text.push(char::from(LETTERS[(word >> (18 - 6 * i) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// Whether the server counts generations of a kind: of custom resources, and of some that are built in.
pub(super) fn has_generation(key: &ObjectKey) -> bool {
    match (key.group.as_str(), key.kind.as_str()) {
        ("", kind) => matches!(kind, "Pod" | "PodTemplate" | "ReplicationController"),
        ("apps", kind) => kind != "ControllerRevision",
        ("networking.k8s.io", kind) => matches!(kind, "Ingress" | "IngressClass" | "NetworkPolicy"),
        ("resource.k8s.io", kind) => matches!(kind, "DeviceClass" | "ResourceSlice"),
        ("storage.k8s.io", kind) => kind == "CSIDriver",
        (
            "admissionregistration.k8s.io"
            | "apiextensions.k8s.io"
            | "batch"
            | "discovery.k8s.io"
            | "flowcontrol.apiserver.k8s.io"
            | "policy"
            | "scheduling.k8s.io",
            _,
        ) => true,
        (group, kind) => !super::kinds::is_built_in(group, kind),
    }
}

/// Gives a Service the address and the ports that the server hands out.
pub(super) fn give_address(service: &mut Object, number: u64) {
    let spec = service.as_map_mut().entry_object("spec");
    let kind = spec
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("ClusterIP")
        .to_owned();
    if kind == "ExternalName" {
        return;
    }
    let stated = spec
        .get("clusterIP")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let address = if stated.is_empty() {
        format!("10.96.{}.{}", number >> 8 & 0xff, 1 + number % 254)
    } else {
        stated.to_owned()
    };
    spec.insert("clusterIPs", vec![Value::from(address.as_str())]);
    spec.insert("clusterIP", address);
    for (field, value) in [
        ("internalTrafficPolicy", json!("Cluster")),
        ("ipFamilies", json!(["IPv4"])),
        ("ipFamilyPolicy", json!("SingleStack")),
    ] {
        if !spec.contains_key(field) {
            spec.insert(field, value);
        }
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer")
        && let Some(Value::Array(ports)) = spec.get_mut("ports")
    {
        for (i, port) in ports.make_mut().iter_mut().enumerate() {
            if let Some(port) = port.as_object_mut()
                && !port.contains_key("nodePort")
            {
                let offset = (number >> 16).wrapping_add(i as u64) % 2768;
                port.insert("nodePort", 30_000 + offset);
            }
        }
    }
    service
        .as_map_mut()
        .insert("status", Map::from([("loadBalancer", Map::new())]));
}

/// Adds what depends on the UID.
pub(super) fn after_uid(key: &ObjectKey, object: &mut Object) {
    if key.kind != "Job" || key.group != "batch" {
        return;
    }
    let uid = object.uid().to_owned();
    let name = object.name().to_owned();
    let spec = object.as_map_mut().entry_object("spec");
    if spec.get("manualSelector").and_then(Value::as_bool) == Some(true) {
        return;
    }
    if !spec.contains_key("selector") {
        let labels = Map::from([("batch.kubernetes.io/controller-uid", uid.as_str())]);
        spec.insert("selector", Map::from([("matchLabels", labels)]));
    }
    let labels = spec
        .entry_object("template")
        .entry_object("metadata")
        .entry_object("labels");
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        if !labels.contains_key(label) {
            labels.insert(label, value.as_str());
        }
    }
    let labels = labels.clone();
    let own = object.metadata_mut().entry_object("labels");
    if own.is_empty() {
        *own = labels;
    }
}

/// Keeps what the server has given an object once, where a whole new one does not say it.
pub(super) fn keep_given(key: &ObjectKey, object: &mut Object, live: &Object) {
    let fields: &[&str] = match (key.group.as_str(), key.kind.as_str()) {
        ("", "Service") => &[
            "clusterIP",
            "clusterIPs",
            "ipFamilies",
            "ipFamilyPolicy",
            "internalTrafficPolicy",
        ],
        ("", "PersistentVolumeClaim") => &["volumeName", "storageClassName"],
        ("", "Namespace") => &["finalizers"],
        ("", "Pod") => &["nodeName"],
        ("batch", "Job") => &["selector"],
        _ => return,
    };
    for field in fields {
        if let (None, Some(value)) = (object.at(&["spec", field]), live.at(&["spec", field])) {
            let value = value.clone();
            object
                .as_map_mut()
                .entry_object("spec")
                .insert(*field, value);
        }
    }
    if key.kind == "Job"
        && let Some(labels) = live.at(&["spec", "template", "metadata", "labels"])
    {
        let spec = object.as_map_mut().entry_object("spec");
        let own = spec
            .entry_object("template")
            .entry_object("metadata")
            .entry_object("labels");
        for (label, value) in labels.as_object().into_iter().flatten() {
            let given = label.ends_with("controller-uid") || label.ends_with("job-name");
            if given && !own.contains_key(label) {
                own.insert(label, value.clone());
            }
        }
    }
}

/// Says an object in another version of its kind.
pub(super) fn in_version(live: &Object, api_version: &str) -> Object {
    if live.api_version() == api_version {
        return live.clone();
    }
    let mut object = live.clone();
    object.as_map_mut().insert("apiVersion", api_version);
    if object.kind() == "HorizontalPodAutoscaler" {
        let spec = object.as_map_mut().entry_object("spec");
        if api_version == "autoscaling/v2" {
            if let Some(target) = spec.remove("targetCPUUtilizationPercentage") {
                let target = Map::from([
                    ("type", Value::from("Utilization")),
                    ("averageUtilization", target),
                ]);
                let cpu = Map::from([("name", Value::from("cpu")), ("target", target.into())]);
                let metric =
                    Map::from([("type", Value::from("Resource")), ("resource", cpu.into())]);
                spec.insert("metrics", vec![Value::from(metric)]);
            }
        } else if let Some(metrics) = spec.remove("metrics") {
            let target = metrics.as_array().into_iter().flatten().find_map(|metric| {
                let resource = metric.get("resource")?;
                let target = resource.at(&["target", "averageUtilization"])?;
                (resource["name"].as_str() == Some("cpu")).then(|| target.clone())
            });
            if let Some(target) = target {
                spec.insert("targetCPUUtilizationPercentage", target);
            }
        }
    }
    object
}
