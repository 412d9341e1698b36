//! The controllers of workloads. Each looks at one object and takes the step that is due; what it cannot do
//! yet it looks at again later.

mod addresses;
mod daemon_set;
mod deployment;
mod job;
mod pod;
mod replica_set;
mod stateful_set;

use std::time::Duration;

use gitops_core::{DeleteOptions, Propagation, Timestamp};
use gitops_manifest::{Map, Object, ObjectKey, Str, Value};
use serde_json::json;

use super::{CONTROLLER, Server};

impl Server {
    /// Has the controller of a kind look at an object.
    pub(super) fn simulate(&mut self, key: &ObjectKey, object: &Object) {
        match (key.group.as_str(), key.kind.as_str()) {
            ("", "Pod") => self.reconcile_pod(key, object),
            ("apps", "ReplicaSet") => self.reconcile_replica_set(key, object),
            ("apps", "Deployment") => self.reconcile_deployment(key, object),
            ("apps", "StatefulSet") => self.reconcile_stateful_set(key, object),
            ("apps", "DaemonSet") => self.reconcile_daemon_set(key, object),
            ("batch", "Job") => self.reconcile_job(key, object),
            ("", "PersistentVolumeClaim") => self.reconcile_claim(key, object),
            ("", "Service") => self.reconcile_service(key, object),
            ("networking.k8s.io", "Ingress") => self.reconcile_ingress(key, object),
            ("autoscaling", "HorizontalPodAutoscaler") => self.reconcile_autoscaler(key, object),
            ("apiregistration.k8s.io", "APIService") => self.reconcile_api_service(key, object),
            _ => {}
        }
    }

    /// Returns the objects of a kind that an object owns, in the order of their keys.
    fn children(&self, owner: &Object, group: &str, kind: &str) -> Vec<Object> {
        let owned = self.owned.get(owner.uid());
        owned
            .into_iter()
            .flatten()
            .filter(|key| key.group == group && key.kind == kind)
            .filter_map(|key| self.objects.get(key).cloned())
            .collect()
    }

    /// Writes the status of an object where it differs.
    fn set_status(&mut self, key: &ObjectKey, status: Map) {
        let Some(object) = self.objects.get(key) else {
            return;
        };
        let live = object.get("status").and_then(Value::as_object);
        // The server holds a status in another form than it is written in: what was written last is kept with
        // what became of it.
        let last = self.statuses.get(object.uid());
        let same = last.is_some_and(|(written, held)| *written == status && Some(held) == live);
        if same || live == Some(&status) {
            return;
        }
        let uid = Str::from(object.uid());
        let mut object = object.clone();
        object.as_map_mut().insert("status", status.clone());
        self.put_as(key, object, CONTROLLER, "status");
        let held = self
            .objects
            .get(key)
            .and_then(|object| object.get("status")?.as_object());
        if let Some(held) = held.cloned() {
            self.statuses.insert(uid, (status, held));
        }
    }

    /// Changes the spec of an object as a controller does.
    fn change(&mut self, key: &ObjectKey, change: impl FnOnce(&mut Object)) {
        let Some(live) = self.objects.get(key) else {
            return;
        };
        let mut object = live.clone();
        change(&mut object);
        if object == *live {
            return;
        }
        if object.get("spec") != live.get("spec") {
            let generation = live.generation().unwrap_or(0) + 1;
            object.metadata_mut().insert("generation", generation);
        }
        self.put_as(key, object, CONTROLLER, "");
    }

    fn set_replicas(&mut self, key: &ObjectKey, replicas: i64) {
        self.change(key, |object| {
            object
                .as_map_mut()
                .entry_object("spec")
                .insert("replicas", replicas);
        });
    }

    /// Deletes an object in the background.
    fn drop_object(&mut self, key: &ObjectKey) {
        // What is gone already needs no deletion.
        let _ = self.delete(key, &DeleteOptions::new(Propagation::Background));
    }

    /// Makes a pod of a template.
    fn make_pod(
        &mut self,
        owner: &Object,
        name: String,
        template: &Value,
        labels: &[(&str, &str)],
    ) {
        let mut pod = Map::from([("apiVersion", "v1"), ("kind", "Pod")]);
        let metadata = pod.entry_object("metadata");
        for field in ["labels", "annotations"] {
            if let Some(value) = template.at(&["metadata", field]) {
                metadata.insert(field, value.clone());
            }
        }
        for (label, value) in labels {
            metadata.entry_object("labels").insert(*label, *value);
        }
        metadata.insert("name", name);
        metadata.insert("namespace", owner.namespace());
        metadata.insert("ownerReferences", vec![owner_reference(owner)]);
        pod.insert("spec", template["spec"].clone());
        self.make(pod);
    }

    /// Makes an object as a controller does; where the namespace is going it comes to nothing.
    fn make(&mut self, map: Map) {
        if let Ok(object) = Object::new(map) {
            // A controller that is refused tries again with the next change.
            let _ = self.create_as(&object, CONTROLLER);
        }
    }
}

/// Makes the reference by which an object names its controller.
fn owner_reference(owner: &Object) -> Value {
    json!({
        "apiVersion": owner.api_version(),
        "kind": owner.kind(),
        "name": owner.name(),
        "uid": owner.uid(),
        "controller": true,
        "blockOwnerDeletion": true,
    })
    .into()
}

/// Reads a number of the spec.
fn number(object: &Object, field: &str, default: i64) -> i64 {
    let value = object.at(&["spec", field]).and_then(Value::as_i64);
    value.unwrap_or(default)
}

/// Returns the template of pods with its hash.
fn template_of(object: &Object) -> (Value, String) {
    let template = object
        .at(&["spec", "template"])
        .cloned()
        .unwrap_or_default();
    // FNV-1a; what it is like does not matter as long as it is always the same.
    let hash = template
        .to_json()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
    (template, safe(&hash.to_string()))
}

/// Writes digits in the letters of generated names.
fn safe(text: &str) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    text.bytes()
        .map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]))
        .collect()
}

/// Reads a number or a percentage of `total`.
fn share(value: Option<&Value>, default: &str, total: i64, round_up: bool) -> i64 {
    let percent = |text: &str| {
        let percent: i64 = text.strip_suffix('%')?.parse().ok()?;
        let scaled = total.checked_mul(percent)?;
        Some(if round_up {
            scaled.div_euclid(100) + i64::from(scaled.rem_euclid(100) > 0)
        } else {
            scaled.div_euclid(100)
        })
    };
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(0),
        Some(Value::String(text)) => percent(text).unwrap_or(0),
        _ => percent(default).unwrap_or(0),
    }
}

/// Makes a condition; its time is that of the last change of its status.
fn condition(
    before: Option<&Object>,
    now: Timestamp,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
) -> Value {
    let earlier = before.and_then(|object| condition_of(object, kind));
    let since = earlier
        .filter(|earlier| earlier["status"].as_str() == Some(status))
        .and_then(|earlier| earlier["lastTransitionTime"].as_str())
        .map_or_else(|| now.to_second().to_string().into(), Str::from);
    let mut condition = Map::from([("type", kind), ("status", status)]);
    condition.insert("lastTransitionTime", since);
    if !reason.is_empty() {
        condition.insert("reason", reason);
    }
    if !message.is_empty() {
        condition.insert("message", message);
    }
    condition.into()
}

/// Finds a condition of an object.
fn condition_of<'a>(object: &'a Object, kind: &str) -> Option<&'a Value> {
    let conditions = object.at(&["status", "conditions"])?.as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"].as_str() == Some(kind))
}

/// What a controller counts of its pods.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    all: i64,
    ready: i64,
    available: i64,
    /// When one more becomes available.
    next: Option<Timestamp>,
}

/// Counts pods that are not on their way out.
fn count<'a>(pods: impl IntoIterator<Item = &'a Object>, min_ready: i64, now: Timestamp) -> Count {
    let mut count = Count::default();
    for pod in pods {
        if pod.is_deleting() || has_ended(pod) {
            continue;
        }
        count.all += 1;
        let Some(since) = ready_since(pod) else {
            continue;
        };
        count.ready += 1;
        let available = since + Duration::from_secs(u64::try_from(min_ready).unwrap_or(0));
        if min_ready <= 0 || available <= now {
            count.available += 1;
        } else {
            count.next = Some(count.next.map_or(available, |next| next.min(available)));
        }
    }
    count
}

/// Since when a pod is ready.
fn ready_since(pod: &Object) -> Option<Timestamp> {
    let ready = condition_of(pod, "Ready")?;
    if ready["status"].as_str() != Some("True") {
        return None;
    }
    ready["lastTransitionTime"]
        .as_str()
        .and_then(Timestamp::parse)
}

/// Whether a pod has run to its end.
fn has_ended(pod: &Object) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

fn phase(object: &Object) -> &str {
    let phase = object.at(&["status", "phase"]).and_then(Value::as_str);
    phase.unwrap_or_default()
}
