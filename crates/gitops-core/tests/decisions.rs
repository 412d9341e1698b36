//! What is decided between syncs, beyond the recorded cases. What is expected was told by Argo CD 3.6, but for
//! deliberate differences, which STATUS.md lists.

use std::time::Duration;

use gitops_core::application::{
    AppProject, AppProjectSpec, Application, ResourceStatus, RetryStrategy, SyncStatusCode,
};
use gitops_core::autosync::{Decision, SelfHealBackoff, Situation, decide};
use gitops_core::comparison::{Basis, Compared, compare};
use gitops_core::project::{Cluster, permits_repository};
use gitops_core::rbac::{Enforcer, EnforcerOptions, MatchMode, Request};
use gitops_core::retry::delay;
use gitops_core::tracking::{INSTALLATION_ID, TRACKING_ID, Tracking};
use gitops_core::{ApiKind, Compat, Differ, Discovery, LiveState, Timestamp};
use gitops_manifest::{Object, Value};
use serde_json::{Value as Json, json};

fn object(json: Json) -> Object {
    Object::try_from(Value::from(json)).expect("an object")
}

/// Decides on an application that heals itself, whose last sync of revision `aaa` went well.
fn decision(source: &Json, finished: Option<&str>, resources: Json) -> Decision {
    let mut state = json!({
        "phase": "Succeeded", "startedAt": "2024-03-15T08:59:00Z",
        "operation": {"sync": {"revision": "aaa", "autoHealAttemptsCount": 2}},
        "syncResult": {"revision": "aaa", "source": {"repoURL": "https://example.com/app.git", "path": "x"}},
    });
    if let Some(finished) = finished {
        state["finishedAt"] = finished.into();
    }
    decision_after(&state, source, resources)
}

/// Decides on an application that heals itself, after an operation.
fn decision_after(state: &Json, source: &Json, resources: Json) -> Decision {
    let application = object(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd"},
        "spec": {
            "project": "default", "source": source,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "prod"},
            "syncPolicy": {"automated": {"selfHeal": true}},
        },
        "status": {"operationState": state},
    }));
    let resources: Vec<ResourceStatus> = serde_json::from_value(resources).expect("resources");
    let revisions = ["aaa".to_owned()];
    let situation = Situation {
        status: SyncStatusCode::OutOfSync,
        revisions: &revisions,
        ids: &revisions,
        republished: false,
        resources: &resources,
        revision_matters: true,
        now: Timestamp::parse("2024-03-15T09:01:00Z").expect("a time"),
        backoff: SelfHealBackoff::Exponential {
            first: Duration::from_secs(2),
            factor: 3,
            longest: Duration::from_secs(300),
        },
    };
    let application = Application::from_object(&application).expect("an application");
    decide(&application, &situation)
}

fn source(revision: &str) -> Json {
    let mut source = json!({"repoURL": "https://example.com/app.git", "path": "x"});
    if !revision.is_empty() {
        source["targetRevision"] = revision.into();
    }
    source
}

const FINISHED: Option<&str> = Some("2024-03-15T09:00:00Z");

#[test]
fn a_failed_try_is_named_by_what_the_application_has() {
    // Left over from when there was a list of sources.
    let mut state =
        json!({"phase": "Failed", "message": "boom", "startedAt": "2024-03-15T08:59:00Z"});
    state["syncResult"] = json!({"revision": "aaa", "revisions": ["x", "y"], "source": source("")});
    let decision = decision_after(
        &state,
        &source(""),
        json!([{"kind": "ConfigMap", "name": "a"}]),
    );
    let Decision::Skip(reason) = decision else {
        panic!("it is not tried again")
    };
    assert_eq!(
        reason.error(),
        Some("Failed last sync attempt to [aaa]: boom")
    );
}

#[test]
fn whatever_is_not_in_sync_is_healed() {
    let resources = json!([
        {"kind": "ConfigMap", "name": "a", "status": "OutOfSync"},
        {"kind": "Job", "name": "hook", "hook": true},
        {"kind": "ConfigMap", "name": "b", "status": "Synced"},
        {"kind": "ConfigMap", "name": "c", "status": "Unknown"},
    ]);
    let Decision::Sync(operation) = decision(&source(""), FINISHED, resources) else {
        panic!("it is synced")
    };
    let sync = operation.sync.expect("a sync");
    let names: Vec<&str> = sync.resources.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["a", "hook", "c"]);
    assert_eq!(sync.self_heal_attempts_count, 3);
}

#[test]
fn another_target_revision_is_another_source() {
    let resources = json!([{"kind": "ConfigMap", "name": "a", "status": "OutOfSync"}]);
    let Decision::Sync(operation) = decision(&source("main"), FINISHED, resources) else {
        panic!("it is synced")
    };
    let sync = operation.sync.expect("a sync");
    assert!(sync.resources.is_empty());
    assert_eq!(sync.self_heal_attempts_count, 0);
}

#[test]
fn a_sync_without_an_end_is_waited_for_in_full() {
    let resources = json!([{"kind": "ConfigMap", "name": "a", "status": "OutOfSync"}]);
    let Decision::Wait(wait) = decision(&source(""), None, resources) else {
        panic!("it is waited")
    };
    assert_eq!(wait, Duration::from_secs(6));
}

#[test]
fn a_retry_strategy_below_zero_counts_as_zero() {
    let strategy = |backoff: Json| -> RetryStrategy {
        serde_json::from_value(json!({"backoff": backoff})).expect("a strategy")
    };
    let unlimited = strategy(json!({"duration": "1h", "factor": 1, "maxDuration": "-1s"}));
    assert_eq!(delay(&unlimited, 5), Ok(Duration::from_secs(3600)));
    let at_once = strategy(json!({"duration": "5s", "factor": -2, "maxDuration": "0"}));
    assert_eq!(delay(&at_once, 3), Ok(Duration::ZERO));
}

fn config(labels: &Json, annotations: &Json) -> Object {
    object(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": "app", "labels": labels, "annotations": annotations},
    }))
}

#[test]
fn an_empty_label_tracks_nothing() {
    let tracking = Tracking::default();
    let label = |value: &str| json!({tracking.label.as_str(): value});
    let id = json!({TRACKING_ID: "web:/ConfigMap:app/x"});
    let mut live = config(&label(""), &json!({}));
    tracking.normalize(&config(&json!({}), &id), &mut live);
    assert_eq!(live.annotation(TRACKING_ID), None);
    let mut live = config(&label("chart"), &id);
    tracking.normalize(&config(&label(""), &id), &mut live);
    assert_eq!(live.label(&tracking.label), None);
}

#[test]
fn an_id_of_another_installation_says_nothing() {
    let mut tracking = Tracking::default();
    tracking.installation = "one".into();
    let copied = |installation: &str| {
        let id = "web:/ConfigMap:app/y";
        config(
            &json!({}),
            &json!({TRACKING_ID: id, INSTALLATION_ID: installation}),
        )
    };
    assert!(!tracking.is_self_referenced(&copied("one"), None));
    assert!(tracking.is_self_referenced(&copied("two"), None));
}

fn enforcer(policy: &str, set: impl FnOnce(&mut EnforcerOptions)) -> Enforcer {
    let mut options = EnforcerOptions::default();
    options.policy = policy.to_owned();
    options.match_mode = MatchMode::Regex;
    set(&mut options);
    Enforcer::new(&options).expect("a policy")
}

const GET: Request<'_> = Request {
    resource: "applications",
    action: "get",
    object: "team/app",
};

#[test]
fn built_in_roles_mean_the_same_where_rules_are_regular_expressions() {
    let readonly = enforcer("", |options| {
        options.builtin = true;
        options.default_role = "role:readonly".into();
    });
    assert!(readonly.permits("bob", &GET));
    let sync = Request {
        action: "sync",
        ..GET
    };
    assert!(!readonly.permits("bob", &sync));
}

#[test]
fn addresses_that_are_no_urls_are_told_apart() {
    let spec = AppProjectSpec {
        source_repos: vec!["ssh://git@example.com:acme/app".into()],
        ..AppProjectSpec::default()
    };
    assert!(permits_repository(&spec, "ssh://git@example.com:acme/app"));
    assert!(!permits_repository(
        &spec,
        "ssh://git@example.com:other/app"
    ));
}

/// Compares on behalf of an application `web` in namespace `app`, and returns the comparison's status, its conditions
/// and what is told of each object.
fn compared(
    project: Json,
    desired: &[Object],
    live: Vec<Object>,
    compat: Compat,
) -> (SyncStatusCode, usize, Vec<ResourceStatus>) {
    let kinds = desired.iter().chain(&live).map(|object| ApiKind {
        gvk: object.gvk(),
        plural: Default::default(),
        namespaced: true,
    });
    let (discovery, tracking, differ) = (
        Discovery::new(kinds),
        Tracking::default(),
        Differ::default(),
    );
    let project = AppProject::new("default", serde_json::from_value(project).expect("a spec"));
    let cluster = Cluster {
        server: "https://kubernetes.default.svc".into(),
        name: "in-cluster".into(),
    };
    let basis = Basis {
        application: "web",
        shown: "argocd/web",
        itself: None,
        namespace: "app",
        cluster: &cluster,
        project: &project,
        registered: &[],
        discovery: &discovery,
        tracking: &tracking,
        differ: &differ,
        namespace_metadata: None,
        health: Default::default(),
        compat,
        now: Timestamp::default(),
    };
    let comparison = compare(desired, &LiveState::of(tracking.clone(), live), &basis);
    let told = comparison.resources.iter().map(Compared::to_wire);
    (
        comparison.status,
        comparison.conditions.len(),
        told.collect(),
    )
}

#[test]
fn what_is_not_permitted_is_missing_where_argo_cd_says_so() {
    let project = json!({
        "sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
        "namespaceResourceBlacklist": [{"group": "", "kind": "ConfigMap"}],
    });
    let id = json!({TRACKING_ID: "web:/ConfigMap:app/x"});
    let (desired, object) = (config(&json!({}), &id), config(&json!({}), &id));
    let (status, conditions, told) = compared(project, &[desired], vec![object], Compat::ARGO_CD);
    assert_eq!((status, conditions), (SyncStatusCode::OutOfSync, 0));
    assert_eq!(told[0].status, Some(SyncStatusCode::Unknown));
}

#[test]
fn what_a_hook_was_made_from_tells_nothing_of_the_one_that_is_there() {
    let project =
        json!({"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]});
    let hook = |id: &str, options: &str| {
        let annotations = json!({
            TRACKING_ID: id, "argocd.argoproj.io/hook": "PreSync", "argocd.argoproj.io/sync-options": options,
        });
        config(&json!({}), &annotations)
    };
    let desired = hook("web:/ConfigMap:app/x", "Prune=confirm");
    let copied = hook("web:/ConfigMap:app/source", "");
    let (_, _, told) = compared(project, &[desired], vec![copied], Compat::default());
    let hook = told.iter().find(|told| told.name == "x").expect("a hook");
    assert!(!hook.requires_pruning && !hook.requires_deletion_confirmation);
}
