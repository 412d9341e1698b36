//! Rollouts of Argo Rollouts.

use super::table::*;

const UPDATE_UNSEEN: Verdict = Verdict::fixed(
    Progressing,
    "Waiting for rollout spec update to be observed",
);

/// Whether the controller has seen the present specification. Before version 1.0 it kept a hash there instead
/// of a generation, which passes, as does a number beyond the generation.
fn is_observed(object: &Object) -> bool {
    let Some(status) = view::at(object, &["status"]) else {
        return false;
    };
    let generation = view::number_of(object.meta("generation")).unwrap_or(0.0);
    view::number_of(status.get("observedGeneration")).is_none_or(|observed| observed >= generation)
}

/// Whether the controller has seen the present state of the workload that the rollout refers to.
fn is_workload_observed(object: &Object) -> bool {
    if view::at(object, &["spec", "workloadRef"]).is_none() || object.meta("annotations").is_none()
    {
        return true;
    }
    let noted = object.at(&[
        "metadata",
        "annotations",
        "rollout.argoproj.io/workload-generation",
    ]);
    view::number_of(noted) == view::number_of(object.at(&["status", "workloadObservedGeneration"]))
}

pub(super) fn rollout(object: &Object) -> Verdict {
    if !is_observed(object) || !is_workload_observed(object) {
        return UPDATE_UNSEEN;
    }
    let message = view::text(object, &["status", "message"])
        .cloned()
        .unwrap_or_default();
    if let Some(phase) = view::text(object, &["status", "phase"]) {
        let status = match phase.as_str() {
            "Paused" => Suspended,
            other => match other.parse() {
                Ok(status) if status != HealthStatus::Unset => status,
                _ => return Verdict::fixed(Unknown, "Lua returned an invalid health status"),
            },
        };
        return Verdict::new(status, message).since(progressing_since(object));
    }
    by_status(object).unwrap_or(Verdict::fixed(Healthy, ""))
}

fn progressing_since(object: &Object) -> Option<std::time::SystemTime> {
    view::condition(object, "Progressing")?.since()
}

/// Judges a rollout whose controller tells no phase.
fn by_status(object: &Object) -> Option<Verdict> {
    const FAULTS: &[Arm] = &[
        on(&["InvalidSpec"]).degraded(),
        on(&["Progressing"])
            .for_reason(&["RolloutAborted", "ProgressDeadlineExceeded"])
            .degraded(),
    ];
    if let Some(fault) = first_fit(FAULTS, object, view::conditions(object)) {
        return Some(fault);
    }
    let waits = !view::list(object.at(&["status", "pauseConditions"])).is_empty();
    if waits || view::is_truthy(object.at(&["spec", "paused"])) {
        return Some(Verdict::fixed(Suspended, "Rollout is paused"));
    }
    let Some(current) = view::at(object, &["status", "currentPodHash"]) else {
        return Some(Verdict::fixed(
            Progressing,
            "Waiting for rollout to finish: status has not been reconciled.",
        ));
    };

    let count = |path: &[&str], default| view::number(object, path).unwrap_or(default);
    let updated = count(&["status", "updatedReplicas"], 0.0);
    if updated < count(&["spec", "replicas"], 1.0) {
        return Some(Verdict::fixed(
            Progressing,
            "Waiting for roll out to finish: More replicas need to be updated",
        ));
    }
    if count(&["status", "availableReplicas"], 0.0) < updated {
        return Some(Verdict::fixed(
            Progressing,
            "Waiting for roll out to finish: updated replicas are still becoming available",
        ));
    }

    // Version 0.8 moved the stable revision out of the canary's status.
    let stable = match (
        view::at(object, &["status", "stableRS"]),
        view::at(object, &["status", "canary"]),
    ) {
        (Some(stable), _) => Some(stable),
        (None, Some(canary)) => view::get(canary, "stableRS"),
        (None, None) => Some(&EMPTY),
    };
    if view::at(object, &["spec", "strategy", "blueGreen"]).is_some() {
        if view::at(object, &["status", "blueGreen", "activeSelector"]) != Some(current) {
            return Some(Verdict::fixed(
                Progressing,
                "active service cutover pending",
            ));
        }
        if stable != Some(&EMPTY) && stable != Some(current) {
            return Some(Verdict::fixed(
                Progressing,
                "waiting for analysis to complete",
            ));
        }
    } else if view::at(object, &["spec", "strategy", "canary"]).is_some() {
        if count(&["status", "replicas"], 0.0) > updated {
            return Some(Verdict::fixed(
                Progressing,
                "Waiting for roll out to finish: old replicas are pending termination",
            ));
        }
        if stable != Some(current) {
            return Some(Verdict::fixed(
                Progressing,
                "Waiting for rollout to finish steps",
            ));
        }
    }
    None
}

static EMPTY: Value = Value::String(Str::from_static(""));
