//! The kinds that kstatus knows.

use std::time::{Duration, SystemTime};

use gitops_manifest::Object;

use super::{Outcome, Status, int};
use crate::{time, view};

/// How long a pod may go without a node.
const SCHEDULE_WINDOW: Duration = Duration::from_secs(15);

/// The value of `progressDeadlineSeconds` that switches the deadline off.
const NO_DEADLINE: i64 = i32::MAX as i64;

pub(super) fn assess(object: &Object, now: Option<SystemTime>) -> Option<Outcome> {
    Some(match (object.group(), object.kind()) {
        ("apps" | "extensions", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps" | "extensions", "DaemonSet") => daemon_set(object),
        ("apps" | "extensions", "ReplicaSet") => replica_set(object),
        ("", "Pod") => pod(object, now),
        ("", "Service") => service(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Secret" | "ConfigMap") | ("batch", "CronJob") => {
            Outcome::current("Resource is always ready")
        }
        ("policy", "PodDisruptionBudget") => {
            Outcome::current("AllowedDisruptions has been computed.")
        }
        ("batch", "Job") => job(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        _ => return None,
    })
}

/// Reads a field of the specification.
fn spec(object: &Object, field: &str) -> Option<i64> {
    int(object, &["spec", field])
}

/// Counts a field of the status, absent as zero.
fn count(object: &Object, field: &str) -> i64 {
    int(object, &["status", field]).unwrap_or(0)
}

/// Asks that a count has come up to another.
fn reached(reason: &'static str, what: &str, count: i64, wanted: i64) -> Option<Outcome> {
    (wanted > count).then(|| Outcome::in_progress(reason, format!("{what}: {count}/{wanted}")))
}

/// Asks that no more pods are there than wanted.
fn no_extra(count: i64, wanted: i64) -> Option<Outcome> {
    (count > wanted).then(|| {
        let message = format!("Pending termination: {}", count.saturating_sub(wanted));
        Outcome::in_progress("ExtraPods", message)
    })
}

fn deployment(object: &Object) -> Outcome {
    let mut progressed = matches!(
        spec(object, "progressDeadlineSeconds"),
        None | Some(NO_DEADLINE)
    );
    let mut available = false;
    for condition in view::conditions(object) {
        match condition.kind() {
            "Progressing" if condition.reason_text() == "ProgressDeadlineExceeded" => {
                return Outcome {
                    message: "Progress deadline exceeded".into(),
                    ..Outcome::told_by(Status::Failed, condition)
                };
            }
            "Progressing" => {
                progressed |=
                    condition.is_true() && condition.reason_text() == "NewReplicaSetAvailable";
            }
            "Available" => available |= condition.is_true(),
            _ => {}
        }
    }
    let wanted = spec(object, "replicas").unwrap_or(1);
    let count = |field| count(object, field);
    let (replicas, updated) = (count("replicas"), count("updatedReplicas"));
    reached("LessReplicas", "Replicas", replicas, wanted)
        .or_else(|| reached("LessUpdated", "Updated", updated, wanted))
        .or_else(|| no_extra(replicas, wanted))
        .or_else(|| {
            reached(
                "LessAvailable",
                "Available",
                count("availableReplicas"),
                updated,
            )
        })
        .or_else(|| reached("LessReady", "Ready", count("readyReplicas"), wanted))
        .unwrap_or_else(|| {
            if !progressed {
                Outcome::in_progress("ReplicaSetNotAvailable", "ReplicaSet not Available")
            } else if !available {
                Outcome::in_progress("DeploymentNotAvailable", "Deployment not Available")
            } else {
                Outcome::current(format!("Deployment is available. Replicas: {replicas}"))
            }
        })
}

fn stateful_set(object: &Object) -> Outcome {
    if view::text_or_empty(object, &["spec", "updateStrategy", "type"]) == "OnDelete" {
        return Outcome::current("StatefulSet is using the ondelete update strategy");
    }
    let wanted = spec(object, "replicas").unwrap_or(1);
    let count = |field| count(object, field);
    let replicas = count("replicas");
    let short = reached("LessReplicas", "Replicas", replicas, wanted)
        .or_else(|| reached("LessReady", "Ready", count("readyReplicas"), wanted))
        .or_else(|| no_extra(replicas, wanted));
    if let Some(short) = short {
        return short;
    }
    let partition = int(
        object,
        &["spec", "updateStrategy", "rollingUpdate", "partition"],
    );
    if let Some(partition) = partition.filter(|partition| *partition != -1) {
        let updated = count("updatedReplicas");
        let wanted = wanted.saturating_sub(partition);
        return reached("PartitionRollout", "updated", updated, wanted).unwrap_or_else(|| {
            Outcome::current(format!("Partition rollout complete. updated: {updated}"))
        });
    }
    let revision = |field| view::text_or_empty(object, &["status", field]);
    reached("LessCurrent", "current", count("currentReplicas"), wanted).unwrap_or_else(|| {
        if revision("currentRevision") == revision("updateRevision") {
            Outcome::current(format!(
                "All replicas scheduled as expected. Replicas: {replicas}"
            ))
        } else {
            Outcome::in_progress(
                "RevisionMismatch",
                "Waiting for updated revision to match current",
            )
        }
    })
}

fn daemon_set(object: &Object) -> Outcome {
    let missing = |reason, field: &str| {
        Outcome::in_progress(reason, format!("{} {field} not found", object.kind()))
    };
    if object.generation().is_none() {
        return missing("NoGeneration", "metadata.generation");
    }
    if int(object, &["status", "observedGeneration"]).is_none() {
        return missing("NoObservedGeneration", "status.observedGeneration");
    }
    let Some(desired) = int(object, &["status", "desiredNumberScheduled"]).filter(|n| *n != -1)
    else {
        return Outcome::in_progress("NoDesiredNumber", "Missing .status.desiredNumberScheduled");
    };
    let count = |field| count(object, field);
    reached(
        "LessCurrent",
        "Current",
        count("currentNumberScheduled"),
        desired,
    )
    .or_else(|| {
        reached(
            "LessUpdated",
            "Updated",
            count("updatedNumberScheduled"),
            desired,
        )
    })
    .or_else(|| {
        reached(
            "LessAvailable",
            "Available",
            count("numberAvailable"),
            desired,
        )
    })
    .or_else(|| reached("LessReady", "Ready", count("numberReady"), desired))
    .unwrap_or_else(|| {
        Outcome::current(format!(
            "All replicas scheduled as expected. Replicas: {desired}"
        ))
    })
}

fn replica_set(object: &Object) -> Outcome {
    if let Some(failure) =
        view::conditions(object).find(|c| c.kind() == "ReplicaFailure" && c.is_true())
    {
        return Outcome {
            since: failure.since(),
            ..Outcome::in_progress("ReplicaFailure", "Replica Failure condition. Check Pods")
        };
    }
    let wanted = spec(object, "replicas").unwrap_or(1);
    let count = |field| count(object, field);
    let replicas = count("replicas");
    reached(
        "LessLabelled",
        "Labelled",
        count("fullyLabeledReplicas"),
        wanted,
    )
    .or_else(|| {
        reached(
            "LessAvailable",
            "Available",
            count("availableReplicas"),
            wanted,
        )
    })
    .or_else(|| reached("LessReady", "Ready", count("readyReplicas"), wanted))
    .or_else(|| no_extra(replicas, wanted))
    .unwrap_or_else(|| Outcome::current(format!("ReplicaSet is available. Replicas: {replicas}")))
}

fn pod(object: &Object, now: Option<SystemTime>) -> Outcome {
    match view::text_or_empty(object, &["status", "phase"]) {
        "" => Outcome::in_progress("PodNotObserved", "Pod phase not available"),
        "Succeeded" => Outcome::current("Pod has completed successfully"),
        "Failed" => Outcome::current("Pod has completed, but not successfully"),
        "Running" => running(object),
        "Pending" => pending(object, now),
        phase => Outcome::new(Status::Unknown, "", format!("unknown phase {phase}")),
    }
}

fn running(object: &Object) -> Outcome {
    if view::conditions(object).any(|c| c.kind() == "Ready" && c.is_true()) {
        return Outcome::current("Pod is Ready");
    }
    let looping: Vec<_> = view::list(object.at(&["status", "containerStatuses"]))
        .iter()
        .filter(|container| {
            container
                .at(&["state", "waiting", "reason"])
                .and_then(gitops_manifest::Value::as_str)
                == Some("CrashLoopBackOff")
        })
        .map(|container| view::text_of(container, "name"))
        .collect();
    if looping.is_empty() {
        Outcome::in_progress("PodRunningNotReady", "Pod is running but is not Ready")
    } else {
        let message = format!("Containers in CrashLoop state: {}", looping.join(","));
        Outcome::failed("ContainerCrashLooping", message)
    }
}

fn pending(object: &Object, now: Option<SystemTime>) -> Outcome {
    let unscheduled = view::conditions(object)
        .find(|c| c.kind() == "PodScheduled" && c.is_false())
        .filter(|c| c.reason_text() == "Unschedulable");
    let Some(unscheduled) = unscheduled else {
        return Outcome::in_progress("PodPending", "Pod is in the Pending phase");
    };
    let created = object
        .meta("creationTimestamp")
        .and_then(gitops_manifest::Value::as_str)
        .and_then(time::parse);
    let overdue = now.is_some_and(|now| {
        created.is_none_or(|created| {
            created
                .checked_add(SCHEDULE_WINDOW)
                .is_none_or(|end| now >= end)
        })
    });
    let outcome = if overdue {
        Outcome::failed("PodUnschedulable", "Pod could not be scheduled")
    } else {
        Outcome::in_progress("PodNotScheduled", "Pod has not been scheduled")
    };
    Outcome {
        since: unscheduled.since(),
        ..outcome
    }
}

fn job(object: &Object) -> Outcome {
    let count = |field| count(object, field);
    let parallelism = spec(object, "parallelism").unwrap_or(1);
    let completions = spec(object, "completions").unwrap_or(parallelism);
    let suspended = object.at(&["spec", "suspend"]) == Some(&gitops_manifest::Value::Bool(true));
    for condition in view::conditions(object).filter(|c| c.is_true()) {
        let outcome = match condition.kind() {
            "Complete" => {
                let succeeded = count("succeeded");
                Outcome::current(format!(
                    "Job Completed. succeeded: {succeeded}/{completions}"
                ))
            }
            "Failed" => {
                let failed = count("failed");
                Outcome::failed(
                    "JobFailed",
                    format!("Job Failed. failed: {failed}/{completions}"),
                )
            }
            "Suspended" if suspended => Outcome::current("Job is suspended"),
            _ => continue,
        };
        return Outcome {
            since: condition.since(),
            ..outcome
        };
    }
    if view::text_or_empty(object, &["status", "startTime"]).is_empty() {
        return Outcome::in_progress("JobNotStarted", "Job not started");
    }
    Outcome::current(format!(
        "Job in progress. success:{}, active: {}, failed: {}",
        count("succeeded"),
        count("active"),
        count("failed")
    ))
}

fn service(object: &Object) -> Outcome {
    let balanced = view::text_or_empty(object, &["spec", "type"]) == "LoadBalancer";
    if balanced && view::text_or_empty(object, &["spec", "clusterIP"]).is_empty() {
        Outcome::in_progress(
            "NoIPAssigned",
            "ClusterIP not set. Service type: LoadBalancer",
        )
    } else {
        Outcome::current("Service is ready")
    }
}

fn claim(object: &Object) -> Outcome {
    match view::text(object, &["status", "phase"]).map_or("unknown", |phase| phase.as_str()) {
        "Bound" => Outcome::current("PVC is Bound"),
        phase => Outcome::in_progress("NotBound", format!("PVC is not Bound. phase: {phase}")),
    }
}

fn definition(object: &Object) -> Outcome {
    for condition in view::conditions(object) {
        match (condition.kind(), condition.status()) {
            ("NamesAccepted", "False") => return Outcome::told_by(Status::Failed, condition),
            ("Established", "False") if condition.reason_text() != "Installing" => {
                return Outcome::told_by(Status::Failed, condition);
            }
            ("Established", "True") => {
                return Outcome {
                    since: condition.since(),
                    ..Outcome::current("CRD is established")
                };
            }
            _ => {}
        }
    }
    Outcome::in_progress("Installing", "Install in progress")
}
