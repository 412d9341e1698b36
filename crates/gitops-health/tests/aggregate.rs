//! The health of applications, put together of that of their objects.

use gitops_health::{Assessment, HealthStatus, Part, aggregate};
use gitops_manifest::{Object, ObjectKey};
use serde_json::json;

use crate::support;

struct Case {
    object: Object,
    key: ObjectKey,
    health: Option<Assessment>,
}

fn case(kind: &str, name: &str, health: Option<HealthStatus>) -> Case {
    let api = if kind == "Application" {
        "argoproj.io/v1alpha1"
    } else {
        "apps/v1"
    };
    let object =
        support::json(json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}}));
    Case {
        key: object.key(),
        object,
        health: health.map(|status| Assessment::new(status, "so it is")),
    }
}

fn parts(cases: &[Case]) -> impl Iterator<Item = Part<'_>> {
    cases
        .iter()
        .map(|case| Part::live(&case.key, &case.object, case.health.as_ref()))
}

#[test]
fn the_worst_counts_and_up_to_three_are_named() {
    use HealthStatus::{Degraded, Healthy, Progressing};
    let cases = [
        case("Deployment", "a", Some(Healthy)),
        case("Deployment", "b", Some(Progressing)),
        case("Deployment", "c", Some(Degraded)),
        case("Deployment", "d", Some(Degraded)),
        case("Deployment", "e", Some(Degraded)),
        case("Deployment", "f", Some(Degraded)),
        case("ConfigMap", "g", None),
    ];
    let app = aggregate(parts(&cases), None);
    assert_eq!(app.status, Degraded);
    assert_eq!(
        app.message,
        "apps/Deployment/c is Degraded: so it is; apps/Deployment/d is Degraded: so it is; \
         apps/Deployment/e is Degraded: so it is; and 1 more"
    );
    assert_eq!(aggregate(parts(&cases[..2]), None).status, Progressing);
    assert_eq!(
        aggregate(parts(&cases[..1]), None),
        Assessment::new(Healthy, "")
    );
    assert_eq!(aggregate([], None), Assessment::new(Healthy, ""));
}

#[test]
fn what_argo_cd_leaves_out_is_left_out() {
    use HealthStatus::{Degraded, Healthy, Missing, Suspended, Unknown};
    let mut ignored = case("Deployment", "ignored", Some(Degraded));
    ignored
        .object
        .set_annotation("argocd.argoproj.io/ignore-healthcheck", "true");
    let itself = case("Application", "itself", Some(Degraded));
    let children = [
        case("Application", "lost", Some(Missing)),
        case("Application", "vague", Some(Unknown)),
        case("Application", "paused", Some(Suspended)),
    ];
    assert_eq!(aggregate(parts(&[ignored]), None).status, Healthy);
    assert_eq!(aggregate(parts(&children), None).status, Suspended);
    let key = itself.key.clone();
    let hook = case("Deployment", "hook", Some(Degraded));
    let all = [itself];
    assert_eq!(aggregate(parts(&all), Some(&key)).status, Healthy);
    assert_eq!(aggregate(parts(&all), None).status, Degraded);
    let excluded = Part::live(&hook.key, &hook.object, hook.health.as_ref()).excluded(true);
    assert_eq!(aggregate([excluded], None).status, Healthy);
}

#[test]
fn an_application_without_live_objects_is_missing() {
    let keys = [
        ObjectKey::new("", "Service", "", "a"),
        ObjectKey::new("", "Service", "", "b"),
    ];
    let app = aggregate(keys.iter().map(Part::missing), None);
    assert_eq!(app.status, HealthStatus::Missing);
    let here = case("Deployment", "here", Some(HealthStatus::Healthy));
    let parts = keys.iter().map(Part::missing).chain([Part::live(
        &here.key,
        &here.object,
        here.health.as_ref(),
    )]);
    assert_eq!(aggregate(parts, None).status, HealthStatus::Healthy);
}
