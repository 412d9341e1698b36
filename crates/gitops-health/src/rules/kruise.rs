//! OpenKruise and its game servers.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    code("apps.kruise.io", "AdvancedCronJob", advanced_cron_job),
    steps(
        "apps.kruise.io",
        "BroadcastJob",
        &[Ask(broadcast_job)],
        Progressing,
        Text("BroadcastJob is still running"),
    ),
    steps(
        "apps.kruise.io",
        "CloneSet",
        &[Ask(clone_set)],
        Progressing,
        Text("Waiting for initialization"),
    ),
    steps(
        "apps.kruise.io",
        "DaemonSet",
        &[Ask(daemon_set)],
        Progressing,
        Text("Waiting for initialization"),
    ),
    steps(
        "apps.kruise.io",
        "StatefulSet",
        &[Ask(stateful_set)],
        Progressing,
        Text("Waiting for initialization"),
    ),
    code("game.kruise.io", "GameServer", game_server),
    steps(
        "game.kruise.io",
        "GameServerSet",
        &[Ask(game_server_set)],
        Progressing,
        Text("Waiting for GameServerSet initialization"),
    ),
    steps(
        "rollouts.kruise.io",
        "Rollout",
        &[Ask(rollout)],
        Progressing,
        Text("Rollout is still progressing"),
    ),
];

/// Whether the controller has seen the present specification.
fn is_observed(object: &Object) -> bool {
    view::at(object, &["status"]).is_some() && !NotObserved(OBSERVED).holds(object)
}

/// Whether the object has been changed since it was made.
fn is_changed(object: &Object) -> bool {
    object.generation().is_some_and(|generation| generation > 1)
}

fn is_zero(value: Option<&Value>) -> bool {
    value.and_then(Value::as_f64) == Some(0.0)
}

fn status_number(object: &Object, field: &'static str) -> f64 {
    view::number(object, &["status", field]).unwrap_or(0.0)
}

fn advanced_cron_job(object: &Object) -> Verdict {
    let scheduled = view::at(object, &["status", "lastScheduleTime"]).is_some();
    if !scheduled && IsTrue(&["spec", "paused"]).holds(object) {
        return Verdict::fixed(Suspended, "AdvancedCronJob is Paused");
    }
    if !view::list(object.at(&["status", "active"])).is_empty() {
        return Verdict::fixed(Progressing, "AdvancedCronJobs has active jobs");
    }
    if scheduled {
        Verdict::fixed(Healthy, "AdvancedCronJobs has run successfully")
    } else {
        Verdict::fixed(Degraded, "AdvancedCronJobs has not run successfully")
    }
}

fn broadcast_job(object: &Object) -> Option<Verdict> {
    let status = |field| view::at(object, &["status", field]);
    match view::text_or_empty(object, &["status", "phase"]) {
        "completed" if status("desired") == status("succeeded") => Some(Verdict::fixed(
            Healthy,
            "BroadcastJob is completed successfully",
        )),
        "failed" if !is_zero(status("failed")) => {
            Some(Verdict::fixed(Degraded, "BroadcastJob failed"))
        }
        "paused" if IsTrue(&["spec", "paused"]).holds(object) => {
            Some(Verdict::fixed(Suspended, "BroadcastJob is Paused"))
        }
        _ => None,
    }
}

/// What of the rollout of a set is asked the same way for all kinds.
struct Set<'a> {
    object: &'a Object,
    /// Where the set tells its update strategy.
    strategy: Option<&'a Value>,
    /// The count that is absent until the controller has seen the set.
    updated: &'static str,
}

impl Set<'_> {
    fn is_paused(&self) -> bool {
        let paused = self.strategy.and_then(|strategy| strategy.get("paused"));
        paused == Some(&Value::Bool(true))
            || !view::is_truthy(self.object.at(&["status", self.updated]))
    }

    fn partition(&self) -> Option<&Value> {
        view::get(self.strategy?, "partition")
    }

    /// Compares the updated replicas with all.
    fn outcome(&self, well: &'static str, ill: &'static str) -> Verdict {
        let all = view::at(self.object, &["status", "replicas"]);
        if view::at(self.object, &["status", self.updated]) == all {
            Verdict::fixed(Healthy, well)
        } else {
            Verdict::fixed(Degraded, ill)
        }
    }
}

fn clone_set(object: &Object) -> Option<Verdict> {
    if !is_observed(object) {
        return None;
    }
    let set = Set {
        object,
        strategy: object.at(&["spec", "updateStrategy"]),
        updated: "updatedAvailableReplicas",
    };
    if set.is_paused() {
        return Some(Verdict::fixed(Suspended, "Cloneset is paused"));
    }
    if !is_zero(set.partition()) && is_changed(object) {
        let updated = status_number(object, "updatedReplicas");
        return (updated >= status_number(object, "expectedUpdatedReplicas"))
            .then(|| Verdict::fixed(Suspended, "Cloneset needs manual intervention"));
    }
    Some(set.outcome(
        "All Cloneset workloads are ready and updated",
        "Some replicas are not ready or available",
    ))
}

fn stateful_set(object: &Object) -> Option<Verdict> {
    if !is_observed(object) {
        return None;
    }
    let set = Set {
        object,
        strategy: object.at(&["spec", "updateStrategy", "rollingUpdate"]),
        updated: "updatedAvailableReplicas",
    };
    if set.is_paused() {
        return Some(Verdict::fixed(Suspended, "Statefulset is paused"));
    }
    if !is_zero(set.partition()) && is_changed(object) {
        let kept = set.partition().and_then(Value::as_f64).unwrap_or(0.0);
        let updated = status_number(object, "updatedReplicas");
        return (updated > status_number(object, "replicas") - kept)
            .then(|| Verdict::fixed(Suspended, "Statefulset needs manual intervention"));
    }
    Some(set.outcome(
        "All Statefulset workloads are ready and updated",
        "Some replicas are not ready or available",
    ))
}

fn daemon_set(object: &Object) -> Option<Verdict> {
    if !is_observed(object) {
        return None;
    }
    let set = Set {
        object,
        strategy: object.at(&["spec", "updateStrategy", "rollingUpdate"]),
        updated: "updatedNumberScheduled",
    };
    if set.is_paused() {
        return Some(Verdict::fixed(Suspended, "Daemonset is paused"));
    }
    let partition = set.partition();
    if partition.is_some() && !is_zero(partition) && is_changed(object) {
        let kept = partition.and_then(Value::as_f64).unwrap_or(0.0);
        let updated = status_number(object, "updatedNumberScheduled");
        return (updated > status_number(object, "desiredNumberScheduled") - kept)
            .then(|| Verdict::fixed(Suspended, "Daemonset needs manual intervention"));
    }
    let status = |field| view::at(object, &["status", field]);
    let desired = status("desiredNumberScheduled");
    if status("updatedNumberScheduled") != desired {
        return None;
    }
    if status("numberAvailable") == desired {
        return Some(Verdict::fixed(
            Healthy,
            "All Daemonset workloads are ready and updated",
        ));
    }
    (status("numberUnavailable") == desired)
        .then(|| Verdict::fixed(Degraded, "Some pods are not ready or available"))
}

fn game_server(object: &Object) -> Verdict {
    const WAITING: Verdict = Verdict::fixed(Unknown, "Waiting for GameServer to be ready");
    if view::at(object, &["status"]).is_none() {
        return WAITING;
    }
    let state = |field| view::at(object, &["status", field]);
    let (current, desired) = (state("currentState"), state("desiredState"));
    if current != desired {
        let name = |state: Option<&Value>| state.map_or_else(|| Str::from_static("Unknown"), words);
        return Verdict::new(
            Progressing,
            format!("State change: {} → {}", name(current), name(desired)),
        );
    }
    let conditions = view::conditions_of(object.at(&["status", "podStatus", "conditions"]));
    for condition in conditions {
        if condition.kind() == "KruisePodReady" && !condition.is_true() {
            return Text("Pod is not ready: KruisePodReady").verdict(
                Degraded,
                object,
                Some(condition),
            );
        }
    }
    if current.and_then(Value::as_str) == Some("Ready") {
        Verdict::fixed(Healthy, "GameServer is Ready")
    } else {
        WAITING
    }
}

fn game_server_set(object: &Object) -> Option<Verdict> {
    if !is_observed(object) {
        return None;
    }
    let rolling = object.at(&["spec", "updateStrategy", "rollingUpdate"]);
    if rolling.and_then(|rolling| rolling.get("paused")) == Some(&Value::Bool(true)) {
        return Some(Verdict::fixed(Suspended, "GameServerSet is paused"));
    }
    let replicas = status_number(object, "replicas");
    let partition = rolling.and_then(|rolling| view::get(rolling, "partition"));
    if let Some(kept) = partition.filter(|kept| !is_zero(Some(kept))) {
        let updated = status_number(object, "updatedReplicas");
        if updated >= replicas - kept.as_f64().unwrap_or(0.0) {
            let kept = words(kept);
            return Some(Verdict::new(
                Suspended,
                format!("Partition={kept}, waiting for manual intervention"),
            ));
        }
    }
    if status_number(object, "updatedReadyReplicas") == replicas {
        return Some(Verdict::fixed(
            Healthy,
            "All GameServerSet replicas are updated and ready",
        ));
    }
    let ready = status_number(object, "readyReplicas");
    (ready < replicas).then(|| {
        Verdict::new(
            Progressing,
            format!("ReadyReplicas {ready}/{replicas}, still progressing"),
        )
    })
}

fn rollout(object: &Object) -> Option<Verdict> {
    if NotObserved(OBSERVED).holds(object) {
        return None;
    }
    let step = view::text_or_empty(object, &["status", "canaryStatus", "currentStepState"]);
    let phase = view::text_or_empty(object, &["status", "phase"]);
    match (step, phase) {
        ("StepPaused", "Progressing") => Some(Verdict::fixed(
            Suspended,
            "Rollout is Paused need manual intervention",
        )),
        ("Completed", "Healthy") => Some(Verdict::fixed(Healthy, "Rollout is Completed")),
        ("StepPaused", "Terminating" | "Disabled") => Some(Verdict::fixed(
            Degraded,
            "Rollout is Disabled or Terminating",
        )),
        _ => None,
    }
}
