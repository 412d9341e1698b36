//! Health over time, and the root of trouble.

use std::time::{Duration, SystemTime};

use gitops_health::{Assessment, Context, Family, HealthStatus, Timeline, TimelineOptions};
use gitops_manifest::Object;
use proptest::prelude::*;
use serde_json::json;

use crate::support;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn health(status: HealthStatus) -> Assessment {
    Assessment::new(status, "")
}

#[test]
fn a_flicker_does_not_count() {
    use HealthStatus::{Degraded, Healthy};
    let mut timeline = Timeline::new(TimelineOptions::default());
    assert_eq!(timeline.observe(health(Healthy), at(0)).status, Healthy);
    assert_eq!(timeline.observe(health(Degraded), at(10)).status, Healthy);
    assert_eq!(timeline.observe(health(Healthy), at(12)).status, Healthy);
    assert_eq!(timeline.observe(health(Degraded), at(20)).status, Healthy);
    assert_eq!(timeline.observe(health(Degraded), at(24)).status, Healthy);
    let settled = timeline.observe(health(Degraded), at(25));
    assert_eq!((settled.status, settled.since), (Degraded, Some(at(20))));
}

#[test]
fn a_flapping_object_is_told_from_a_failing_one() {
    use HealthStatus::{Degraded, Healthy};
    let mut flapping = Timeline::new(TimelineOptions::default());
    let mut failing = flapping.clone();
    for i in 0..10 {
        let status = if i % 2 == 0 { Healthy } else { Degraded };
        flapping.observe(health(status), at(i * 10));
        failing.observe(health(if i == 0 { Healthy } else { Degraded }), at(i * 10));
    }
    assert!(flapping.is_flapping(at(100)));
    assert!(!failing.is_flapping(at(100)));
    assert_eq!(
        failing.current(at(100)).expect("it was observed").status,
        Degraded
    );
    assert!(
        !flapping.is_flapping(at(100_000)),
        "what is long past does not count"
    );
}

#[test]
fn when_to_look_again_is_told() {
    let mut options = TimelineOptions::default();
    options.hysteresis = Duration::from_secs(5);
    options.progress_deadline = Some(Duration::from_secs(60));
    options.flap_changes = 2;
    options.flap_window = Duration::from_secs(100);
    let mut timeline = Timeline::new(options);
    assert_eq!(timeline.next_change(at(0)), None);
    timeline.observe(health(HealthStatus::Healthy), at(0));
    assert_eq!(timeline.next_change(at(0)), None);
    timeline.observe(health(HealthStatus::Degraded), at(10));
    assert_eq!(timeline.next_change(at(10)), Some(at(15)));
    timeline.observe(health(HealthStatus::Progressing), at(12));
    // Two changes within the window: it flaps until the first of them is out of it.
    assert_eq!(timeline.next_change(at(12)), Some(at(17)));
    timeline.observe(health(HealthStatus::Progressing), at(17));
    let overdue = timeline.next_change(at(17)).unwrap();
    assert!(overdue > at(72) && overdue < at(73), "{overdue:?}");
    assert_eq!(
        timeline.current(overdue).unwrap().status,
        HealthStatus::Degraded
    );
    assert!(timeline.is_flapping(overdue));
    let calm = timeline.next_change(overdue).unwrap();
    assert!(calm > at(110) && calm < at(111), "{calm:?}");
    assert!(!timeline.is_flapping(calm));
    assert_eq!(timeline.next_change(calm), None);
}

#[test]
fn progress_has_a_deadline() {
    use HealthStatus::{Degraded, Healthy, Progressing};
    let mut options = TimelineOptions::default();
    options.progress_deadline = Some(Duration::from_secs(100));
    options.hysteresis = Duration::ZERO;
    let mut timeline = Timeline::new(options);
    assert_eq!(
        timeline.observe(health(Progressing), at(0)).status,
        Progressing
    );
    assert_eq!(
        timeline.observe(health(Progressing), at(100)).status,
        Progressing
    );
    let overdue = timeline.observe(health(Progressing), at(101));
    assert_eq!(
        (overdue.status, overdue.message.as_str()),
        (Degraded, "no progress for 1m41s")
    );
    assert_eq!(timeline.observe(health(Healthy), at(102)).status, Healthy);
    assert_eq!(
        timeline.observe(health(Progressing), at(200)).status,
        Progressing,
        "it begins anew"
    );
    assert_eq!(
        timeline.current(at(4000)).expect("it was observed").message,
        "no progress for 1h3m20s"
    );
}

proptest! {
    #[test]
    fn what_lasts_counts(observed in proptest::collection::vec((0_usize..7, 0_u64..30), 1..40)) {
        let mut timeline = Timeline::new(TimelineOptions::default());
        let mut now = 0;
        for (status, wait) in observed {
            now += wait;
            let status = HealthStatus::ALL[status];
            timeline.observe(health(status), at(now));
            // Observed again once the hysteresis is over, it counts.
            let mut later = timeline.clone();
            let settled = later.observe(health(status), at(now + 5));
            prop_assert_eq!(settled.status, status);
            prop_assert!(settled.since <= Some(at(now)));
        }
    }
}

fn owned(kind: &str, name: &str, owner: Option<(&str, &str)>, more: &serde_json::Value) -> Object {
    let api = if kind == "Pod" { "v1" } else { "apps/v1" };
    let mut object =
        json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "shop"}});
    if let Some((kind, name)) = owner {
        object["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": kind, "name": name}]);
    }
    for (key, value) in more.as_object().expect("a map") {
        object[key] = value.clone();
    }
    support::json(object)
}

#[test]
fn the_worst_and_deepest_cause_is_named() {
    let progressing = json!({"spec": {"replicas": 2}, "status": {"updatedReplicas": 1}});
    let deployment = owned("Deployment", "web", None, &progressing);
    let set = owned(
        "ReplicaSet",
        "web-1",
        Some(("Deployment", "web")),
        &progressing,
    );
    let waiting = owned(
        "Pod",
        "web-1-a",
        Some(("ReplicaSet", "web-1")),
        &json!({"status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}}),
    );
    let crashing = owned(
        "Pod",
        "web-1-b",
        Some(("ReplicaSet", "web-1")),
        &json!({"spec": {"restartPolicy": "Always"}, "status": {"phase": "Running", "containerStatuses": [
            {"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}]}}),
    );
    let elsewhere = owned(
        "Pod",
        "other",
        Some(("ReplicaSet", "other")),
        &json!({"status": {"phase": "Failed"}}),
    );
    let context = Context::new();
    let named = |objects: &[Object]| {
        let health = Family::new(objects)
            .assess(&objects[0], &context)
            .expect("it has health");
        health.cause.map(|cause| cause.to_string())
    };
    let all = [
        deployment.clone(),
        elsewhere,
        set.clone(),
        waiting.clone(),
        crashing,
    ];
    assert_eq!(
        named(&all).as_deref(),
        Some("Pod/shop/web-1-b (app): CrashLoopBackOff: back-off")
    );
    let without = [deployment.clone(), set.clone(), waiting];
    assert_eq!(
        named(&without).as_deref(),
        Some("Pod/shop/web-1-a: Unschedulable")
    );
    let shallow = [deployment.clone(), set];
    assert_eq!(
        named(&shallow).as_deref(),
        Some(
            "apps/ReplicaSet/shop/web-1: Waiting for rollout to finish: 0 out of 2 new replicas are available..."
        )
    );
    assert_eq!(named(&[deployment]), None);
}

#[test]
fn owners_in_a_circle_end() {
    let a = owned(
        "ReplicaSet",
        "a",
        Some(("ReplicaSet", "b")),
        &json!({"spec": {"replicas": 1}}),
    );
    let b = owned(
        "ReplicaSet",
        "b",
        Some(("ReplicaSet", "a")),
        &json!({"spec": {"replicas": 1}}),
    );
    let objects = [a, b];
    let health = Family::new(&objects)
        .assess(&objects[0], &Context::new())
        .expect("it has health");
    assert_eq!(health.cause.expect("b tells").object.name, "b");
}
