//! The status of applications, written where it has changed.

use gitops::application::ApplicationStatus;
use gitops::diff::merge_patch;
use gitops::manifest::{Map, Object, ObjectKey, Value};
use gitops::{ApplicationId, PatchOptions, Precondition, REFRESH, Requests, Timestamp};

/// The fields of a status. What others write beside them is left alone.
const FIELDS: [&str; 14] = [
    "conditions",
    "controllerNamespace",
    "health",
    "history",
    "observedAt",
    "operationState",
    "reconciledAt",
    "resourceHealthSource",
    "resources",
    "sourceHydrator",
    "sourceType",
    "sourceTypes",
    "summary",
    "sync",
];

/// What is to be written to the object of an application.
#[derive(Debug, PartialEq)]
pub struct StatusPatch {
    /// The JSON merge patch.
    pub patch: Value,
    /// What is expected of the object.
    pub precondition: Precondition,
    /// Changes that people are told of: the messages.
    pub told: Vec<String>,
}

impl StatusPatch {
    /// Returns how the patch is sent.
    #[must_use]
    pub fn options(&self, manager: &str) -> PatchOptions {
        PatchOptions::new(manager).with_precondition(self.precondition.clone())
    }
}

/// Returns the key of an application's object.
#[must_use]
pub fn key_of(id: &ApplicationId) -> ObjectKey {
    ObjectKey::new(
        "argoproj.io",
        "Application",
        id.namespace.clone(),
        id.name.clone(),
    )
}

/// Works out what is to be written to the object of an application: nothing where its status says what is so. That it
/// was looked at again with the same result is no news.
#[must_use]
pub fn patch_of(
    live: &Object,
    status: &ApplicationStatus,
    requests: &Requests,
    controller_namespace: &str,
    now: Timestamp,
) -> Option<StatusPatch> {
    let mut wanted = status.clone();
    wanted.controller_namespace = controller_namespace.to_owned();
    let answered = requests.refreshed && live.annotation(REFRESH).is_some();
    if answered {
        // Whoever asked for the look sees that it was taken.
        wanted.reconciled_at = Some(now.to_second());
    }
    let reconciled_at = wanted.reconciled_at.take();
    let mut wanted = to_value(&wanted);
    // What cannot be found out is a status as well, though it is that of an application that nobody has looked at.
    if reconciled_at.is_some() && wanted.get("sync").is_none() {
        let unknown = Map::from([("status", Value::from(status.sync.status.to_string()))]);
        wanted.insert("sync", unknown);
    }
    let before = match live.get("status") {
        Some(Value::Object(status)) => {
            let mut status = status.clone();
            status.retain(|field, _| FIELDS.contains(&field));
            status
        }
        _ => Map::new(),
    };
    let without_time = {
        let mut before = before.clone();
        before.remove("reconciledAt");
        before
    };
    let changed = without_time != wanted;
    let mut patch = Map::new();
    if changed || answered || !before.contains_key("reconciledAt") && reconciled_at.is_some() {
        if let Some(at) = reconciled_at {
            wanted.insert("reconciledAt", at.to_string());
        }
        let status = merge_patch::create(&Value::Object(before.clone()), &Value::Object(wanted));
        if status.as_object().is_some_and(|status| !status.is_empty()) {
            patch.insert("status", status);
        }
    }
    if answered {
        let annotations = Map::from([(REFRESH, Value::Null)]);
        patch.insert("metadata", Map::from([("annotations", annotations)]));
    }
    let mut precondition = Precondition::Uid(live.uid().into());
    if let (Some(finished), Some(asked)) = (&requests.finished, live.get("operation"))
        && serde_json::from_value::<gitops::application::Operation>(asked.clone().into())
            .is_ok_and(|asked| asked == *finished)
    {
        patch.insert("operation", Value::Null);
        // Another operation that somebody asks for meanwhile must not go with it.
        precondition = Precondition::unchanged(Some(live));
    }
    if patch.is_empty() {
        return None;
    }
    Some(StatusPatch {
        patch: Value::Object(patch),
        precondition,
        told: told(&before, status),
    })
}

fn to_value(status: &ApplicationStatus) -> Map {
    let json = serde_json::to_value(status).expect("plain data has a JSON form");
    match Value::from(json) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Returns what people are told of a change, in the words of Argo CD.
fn told(before: &Map, status: &ApplicationStatus) -> Vec<String> {
    let text = |field: &str| {
        let value = before.get(field).and_then(|value| value.get("status"));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    let mut told = Vec::new();
    let sync = status.sync.status.to_string();
    if text("sync") != sync {
        told.push(format!("Updated sync status: {} -> {sync}", text("sync")));
    }
    let health = &status.health.status;
    if text("health") != health {
        told.push(format!(
            "Updated health status: {} -> {health}",
            text("health")
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use gitops::application::{
        Application, HealthState, Operation, SyncOperation, SyncStatus, SyncStatusCode,
    };
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

    fn live(rest: &serde_json::Value) -> Object {
        let mut object = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "web", "namespace": "argocd", "uid": "u", "resourceVersion": "7"},
            "spec": {"destination": {}, "project": "default"},
        });
        for (field, value) in rest.as_object().expect("a map") {
            if field == "annotations" {
                object["metadata"]["annotations"] = value.clone();
            } else {
                object[field] = value.clone();
            }
        }
        Object::try_from(object).expect("an object")
    }

    fn status() -> ApplicationStatus {
        ApplicationStatus {
            sync: SyncStatus {
                status: SyncStatusCode::Synced,
                ..SyncStatus::default()
            },
            health: HealthState {
                status: "Healthy".into(),
                ..HealthState::default()
            },
            reconciled_at: Some(NOW),
            ..ApplicationStatus::default()
        }
    }

    fn patch(live: &Object, requests: &Requests) -> Option<StatusPatch> {
        patch_of(live, &status(), requests, "argocd", NOW)
    }

    #[test]
    fn only_what_changed_is_written_and_told() {
        let first = patch(&live(&json!({})), &Requests::default()).expect("a first status");
        assert_eq!(
            first.told,
            [
                "Updated sync status:  -> Synced",
                "Updated health status:  -> Healthy"
            ]
        );
        let written = live(&json!({"status": {
            "sync": {"status": "Synced"}, "health": {"status": "Healthy"}, "controllerNamespace": "argocd",
            "reconciledAt": "2025-12-31T00:00:00Z", "theirs": 1,
        }}));
        assert_eq!(
            patch(&written, &Requests::default()),
            None,
            "a later look is no news"
        );
        let degraded = live(&json!({"status": {
            "sync": {"status": "Synced"}, "health": {"status": "Degraded"}, "controllerNamespace": "argocd",
            "reconciledAt": "2025-12-31T00:00:00Z", "theirs": 1,
        }}));
        let change = patch(&degraded, &Requests::default()).expect("a change");
        assert_eq!(
            change.patch.to_json(),
            r#"{"status":{"health":{"status":"Healthy"},"reconciledAt":"2026-01-01T00:00:00Z"}}"#
        );
        assert_eq!(change.told, ["Updated health status: Degraded -> Healthy"]);
        assert_eq!(change.precondition, Precondition::Uid("u".into()));
    }

    #[test]
    fn the_annotation_goes_with_the_look() {
        let mut requests = Requests::default();
        let live = live(&json!({"annotations": {REFRESH: "hard"}, "status": {
            "sync": {"status": "Synced"}, "health": {"status": "Healthy"}, "controllerNamespace": "argocd",
            "reconciledAt": "2025-12-31T00:00:00Z",
        }}));
        assert_eq!(patch(&live, &requests), None, "not looked at yet");
        requests.refreshed = true;
        let change = patch(&live, &requests).expect("an answer");
        assert_eq!(
            change.patch.to_json(),
            r#"{"metadata":{"annotations":{"argocd.argoproj.io/refresh":null}},"status":{"reconciledAt":"2026-01-01T00:00:00Z"}}"#
        );
    }

    #[test]
    fn the_operation_goes_when_it_is_done_and_no_other_with_it() {
        let asked = json!({"operation": {"sync": {"revision": "main", "prune": true}}});
        let operation = Operation {
            sync: Some(SyncOperation {
                revision: "main".into(),
                prune: true,
                ..SyncOperation::default()
            }),
            ..Operation::default()
        };
        let mut requests = Requests::default();
        let clears = |live: &Object, requests: &Requests| {
            let patch = patch(live, requests).expect("a status");
            (
                patch.patch.get("operation") == Some(&Value::Null),
                patch.precondition,
            )
        };
        let object = live(&asked);
        assert!(!clears(&object, &requests).0, "it runs");
        requests.finished = Some(operation);
        let (cleared, precondition) = clears(&object, &requests);
        assert!(cleared);
        assert_eq!(precondition, Precondition::unchanged(Some(&object)));
        let other = live(&json!({"operation": {"sync": {"revision": "dev"}}}));
        assert!(!clears(&other, &requests).0);
    }

    #[test]
    fn a_status_that_was_read_is_written_again() {
        let object = live(&json!({"status": {"history": [{"id": 3, "revision": "abc"}]}}));
        let application = Application::from_object(&object).expect("an application");
        let patch = patch_of(
            &object,
            &application.status,
            &Requests::default(),
            "argocd",
            NOW,
        );
        let patch = patch.expect("the rest is new").patch;
        assert_eq!(patch.at(&["status", "history"]), None);
    }
}
