use std::time::Duration;

use gitops_core::Timestamp;
use gitops_core::application::{Application, ResourceStatus, RetryStrategy};
use gitops_core::autosync::{Decision, SelfHealBackoff, Situation, SkipReason, decide};
use gitops_core::retry::delay;
use gitops_manifest::{Object, Value};
use serde_json::json;

use super::{check, same};

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone().into()).map_err(|error| error.to_string())
}

#[test]
fn conformance_sync_auto_sync() {
    check("sync", "auto-sync.json", |case| {
        let object = Object::try_from(case["application"].clone()).map_err(|e| e.to_string())?;
        let application = Application::from_object(&object).map_err(|e| e.to_string())?;
        let resources: Vec<ResourceStatus> = read(&case["resources"])?;
        let revisions: Vec<String> = match &case["revisions"] {
            Value::Null => vec![case["revision"].as_str().unwrap_or_default().to_owned()],
            list => read(list)?,
        };
        let seconds = |value: &Value| {
            Duration::from_secs(u64::try_from(value.as_i64().unwrap_or_default()).unwrap_or(0))
        };
        let backoff = &case["selfHealBackoff"];
        let situation = Situation {
            status: read(&case["status"])?,
            revisions: &revisions,
            ids: &revisions,
            republished: false,
            resources: &resources,
            revision_matters: case["revisionChanged"].as_bool().unwrap_or_default(),
            now: Timestamp::parse(case["now"].as_str().unwrap_or_default()).ok_or("now")?,
            backoff: if backoff.is_null() {
                SelfHealBackoff::Fixed(seconds(&case["selfHealTimeoutSeconds"]))
            } else {
                SelfHealBackoff::Exponential {
                    first: seconds(&backoff["duration"]),
                    factor: u32::try_from(backoff["factor"].as_i64().unwrap_or(1)).unwrap_or(1),
                    longest: seconds(&backoff["cap"]),
                }
            },
        };
        let found = match decide(&application, &situation) {
            Decision::Sync(operation) => {
                let sync = operation.sync.unwrap_or_default();
                let resources: Vec<_> = sync
                    .resources
                    .iter()
                    .map(|r| json!({"group": r.group, "kind": r.kind, "name": r.name}))
                    .collect();
                let or_null = |list: Vec<String>| {
                    if list.is_empty() {
                        json!(null)
                    } else {
                        json!(list)
                    }
                };
                let mut fields = json!({
                    "prune": sync.prune,
                    "retryLimit": operation.retry.limit,
                    "selfHealAttempts": sync.self_heal_attempts_count,
                    "syncOptions": or_null(sync.sync_options),
                });
                if !resources.is_empty() {
                    fields["resources"] = resources.into();
                }
                if sync.revisions.is_empty() {
                    fields["revision"] = sync.revision.into();
                } else {
                    fields["revisions"] = json!(sync.revisions);
                }
                json!({"action": "sync", "operation": fields})
            }
            Decision::Wait(wait) => {
                json!({"action": "wait", "reason": "self-heal-backoff", "retryAfterSeconds": wait.as_secs_f64()})
            }
            Decision::Skip(reason) => {
                let name = match &reason {
                    SkipReason::Disabled => "disabled",
                    SkipReason::OperationInProgress => "operation-in-progress",
                    SkipReason::Deleting => "deleting",
                    SkipReason::NotOutOfSync => "not-out-of-sync",
                    SkipReason::OnlyPruning => "only-prune",
                    SkipReason::AlreadyFailed { .. } => "previous-attempt-failed",
                    SkipReason::AlreadySynced => "already-synced",
                    SkipReason::WouldPruneAll { .. } => "would-prune-everything",
                    _ => "other",
                };
                let mut found = json!({"action": "skip", "reason": name});
                if let Some(error) = reason.error() {
                    found["condition"] = error.into();
                }
                found
            }
        };
        same("", &case["expected"], &found.into())
    });
}

#[test]
fn conformance_sync_retry() {
    check("sync", "retry.json", |case| {
        let retry: RetryStrategy = read(&case["retry"])?;
        let count = u32::try_from(case["retryCount"].as_i64().unwrap_or_default()).unwrap_or(0);
        let found = delay(&retry, count).ok().map(|delay| delay.as_secs_f64());
        same("", &case["delaySeconds"], &json!(found).into())
    });
}
