//! Status, requests of objects, Events, metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use gitops::manifest::{Object, ObjectKey, Value};
use gitops::memory::Operation;
use gitops::project::Cluster;
use gitops::{Clock, DeleteOptions, LOCAL_SERVER, Propagation, Target};
use gitops_controller::{Controller, ControllerOptions};
use serde_json::json;

use crate::world::{REPO, World, config};

#[test]
fn an_application_is_synced_and_its_status_written_as_argo_cd_does() {
    let world = World::new(&["web"]);
    let w = world.clone();
    world.play(ControllerOptions::default(), |_| async move {
        w.application("web", true).await;
        w.until("synced", || w.is_good("web")).await;
        w.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(w.value("web").as_deref(), Some("one"));
        let app = w.app("web");
        let status = app.get("status").expect("a status");
        let text = |path: &[&str]| status.at(path).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(text(&["operationState", "phase"]), "Succeeded");
        assert_eq!(
            text(&["operationState", "message"]),
            "successfully synced (all tasks run)"
        );
        assert_eq!(text(&["sync", "revision"]).len(), 40);
        assert_eq!(text(&["sync", "comparedTo", "source", "repoURL"]), REPO);
        assert_eq!(text(&["controllerNamespace"]), "argocd");
        assert!(!text(&["reconciledAt"]).is_empty());
        let resource = &status.at(&["resources"]).unwrap().as_array().unwrap()[0];
        assert_eq!(resource["kind"].as_str(), Some("ConfigMap"));
        assert_eq!(resource["status"].as_str(), Some("Synced"));
        let history = status.at(&["history"]).unwrap().as_array().unwrap();
        assert_eq!(history.len(), 1);
        assert_eq!(
            history[0]["revision"].as_str(),
            Some(text(&["sync", "revision"]))
        );
        // What people read: kubectl describe application.
        let events = w.events("web");
        let revision = text(&["sync", "revision"]);
        for (reason, message) in [
            (
                "OperationStarted",
                format!("Initiated automated sync to '{revision}'"),
            ),
            (
                "OperationCompleted",
                format!("Sync operation to {revision} succeeded"),
            ),
            (
                "ResourceUpdated",
                "Updated sync status:  -> Synced".to_owned(),
            ),
            (
                "ResourceUpdated",
                "Updated health status:  -> Healthy".to_owned(),
            ),
        ] {
            assert!(
                events.iter().any(|(r, m)| r == reason && *m == message),
                "{reason} {message}: {events:?}"
            );
        }
    });
}

#[test]
fn nothing_is_asked_or_written_while_nothing_happens() {
    let world = World::new(&["a", "b"]);
    let w = world.clone();
    world.play(ControllerOptions::default(), |_| async move {
        w.application("a", true).await;
        w.application("b", true).await;
        w.until("synced", || w.is_good("a") && w.is_good("b")).await;
        w.clock.sleep(Duration::from_secs(10)).await;
        let _ = w.target.take_requests();
        let versions = (
            w.app("a").resource_version().to_owned(),
            w.app("b").resource_version().to_owned(),
        );
        w.clock.sleep(Duration::from_secs(3600)).await;
        let asked: Vec<_> = w
            .target
            .take_requests()
            .into_iter()
            .filter(|request| !matches!(request.operation, Operation::Watch))
            .map(|request| (request.operation, request.key))
            .collect();
        assert!(asked.is_empty(), "{asked:?}");
        assert_eq!(
            (
                w.app("a").resource_version().to_owned(),
                w.app("b").resource_version().to_owned()
            ),
            versions
        );
    });
}

#[test]
fn a_change_concerns_those_whose_it_is() {
    let world = World::new(&["a", "b"]);
    let w = world.clone();
    world.play(ControllerOptions::default(), |controller| async move {
        w.application("a", true).await;
        w.application("b", true).await;
        w.until("synced", || w.is_good("a") && w.is_good("b")).await;
        w.clock.sleep(Duration::from_secs(10)).await;
        // The looks are counted where they are shown.
        let looks = |name: &str| looks(&controller.metrics(), name);
        let before = looks("shown");
        let key = ObjectKey::new("", "ConfigMap", "shop", "a");
        w.target
            .edit(&key, |object| {
                object
                    .as_map_mut()
                    .entry_object("data")
                    .insert("key", "by hand");
            })
            .unwrap();
        w.until("healed", || w.value("a").as_deref() == Some("one"))
            .await;
        w.clock.sleep(Duration::from_secs(10)).await;
        assert!(w.is_good("a"));
        let after = looks("shown");
        assert!(
            after > before && after - before < 12,
            "{before} looks, then {after}"
        );
        let b: Vec<_> = w
            .target
            .take_requests()
            .into_iter()
            .filter(|request| request.operation == Operation::Apply)
            .filter(|request| {
                request
                    .key
                    .as_ref()
                    .is_some_and(|key| key.name == "b" && key.kind == "ConfigMap")
            })
            .collect();
        assert_eq!(
            b.len(),
            1,
            "b was applied when it was new, and not again: {b:?}"
        );
    });
}

/// Counts the looks at applications that metrics tell of.
fn looks(metrics: &str, _: &str) -> u64 {
    metrics
        .lines()
        .filter(|line| line.starts_with("argocd_app_reconcile_count"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[test]
fn a_refresh_is_taken_and_its_annotation_removed() {
    let world = World::new(&["web"]);
    let w = world.clone();
    let mut options = ControllerOptions::default();
    options.engine.poll = Duration::from_secs(86_400);
    world.play(options, |_| async move {
        w.application("web", true).await;
        w.until("synced", || w.is_good("web")).await;
        for (level, value) in [("normal", "two"), ("hard", "three")] {
            w.source.edit(
                REPO,
                "main",
                [("web/config.yaml", Some(&*config("web", value)))],
            );
            w.clock.sleep(Duration::from_secs(600)).await;
            assert_ne!(
                w.value("web").as_deref(),
                Some(value),
                "nobody has asked yet"
            );
            let asked = w.clock.now();
            w.edit("web", |object| {
                object.set_annotation("argocd.argoproj.io/refresh", level);
            });
            w.until("taken over", || w.value("web").as_deref() == Some(value))
                .await;
            w.until("answered", || {
                w.app("web")
                    .annotation("argocd.argoproj.io/refresh")
                    .is_none()
            })
            .await;
            let at = w.text("web", &["status", "reconciledAt"]);
            assert!(
                gitops::Timestamp::parse(&at).unwrap() >= asked.to_second(),
                "{at}"
            );
        }
    });
}

#[test]
fn an_operation_that_an_object_asks_for_is_carried_out_and_its_field_cleared() {
    let world = World::new(&["web"]);
    let w = world.clone();
    world.play(ControllerOptions::default(), |_| async move {
        w.application("web", false).await;
        w.until("compared", || {
            w.text("web", &["status", "sync", "status"]) == "OutOfSync"
        })
        .await;
        assert_eq!(w.value("web"), None, "nobody has asked yet");
        let ask = |revision: &str| {
            let operation = Value::from(json!({
                "initiatedBy": {"username": "alice"}, "sync": {"revision": revision, "prune": true},
            }));
            w.edit("web", |object| {
                object.as_map_mut().insert("operation", operation);
            });
        };
        let done = || w.app("web").get("operation").is_none();
        ask("main");
        w.until("synced", || w.is_good("web") && done()).await;
        assert_eq!(w.value("web").as_deref(), Some("one"));
        let by = [
            "status",
            "operationState",
            "operation",
            "initiatedBy",
            "username",
        ];
        assert_eq!(w.text("web", &by), "alice");
        let first = w.text(
            "web",
            &["status", "operationState", "syncResult", "revision"],
        );
        // An earlier revision, by its name.
        w.source.edit(
            REPO,
            "main",
            [("web/config.yaml", Some(&*config("web", "two")))],
        );
        ask("main");
        w.until("the new one", || {
            w.value("web").as_deref() == Some("two") && done()
        })
        .await;
        ask(&first);
        w.until("the old one", || {
            w.value("web").as_deref() == Some("one") && done()
        })
        .await;
        // One that cannot be carried out ends with what is wrong.
        ask("no-such-branch");
        w.until("refused", || {
            w.text("web", &["status", "operationState", "phase"]) == "Error" && done()
        })
        .await;
        let message = w.text("web", &["status", "operationState", "message"]);
        assert!(message.contains("no-such-branch"), "{message}");
    });
}

#[test]
fn an_operation_is_stopped_by_its_phase() {
    let world = World::new(&["web"]);
    let hook = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: never\n  annotations: {argocd.argoproj.io/hook: PreSync}\n\
                spec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{name: a, image: 'web:bad'}]\n";
    world
        .source
        .edit(REPO, "main", [("web/hook.yaml", Some(hook))]);
    let w = world.clone();
    world.play(ControllerOptions::default(), |_| async move {
        w.application("web", false).await;
        w.edit("web", |object| {
            object
                .as_map_mut()
                .insert("operation", Value::from(json!({"sync": {}})));
        });
        let phase = || w.text("web", &["status", "operationState", "phase"]);
        w.until("it runs", || phase() == "Running").await;
        w.clock.sleep(Duration::from_secs(30)).await;
        assert_eq!(phase(), "Running");
        w.edit("web", |object| {
            let status = object.as_map_mut().entry_object("status");
            status
                .entry_object("operationState")
                .insert("phase", "Terminating");
        });
        w.until("it is stopped", || {
            phase() == "Failed" && w.app("web").get("operation").is_none()
        })
        .await;
        assert_eq!(w.value("web"), None);
    });
}

#[test]
fn what_another_installation_of_the_store_did_is_read_off_the_status() {
    let world = World::new(&["web"]);
    let w = world.clone();
    world.play(ControllerOptions::default(), |_| async move {
        w.application("web", true).await;
        w.until("synced", || w.is_good("web")).await;
    });
    // The next one has a store of its own, as a replica on another machine has.
    let other = World {
        store: gitops::memory::MemoryStore::new(),
        ..world
    };
    let w = other.clone();
    other.play(ControllerOptions::default(), |_| async move {
        w.clock.sleep(Duration::from_secs(60)).await;
        let history = |w: &World| {
            w.app("web")
                .at(&["status", "history"])
                .and_then(Value::as_array)
                .map_or(0, |h| h.len())
        };
        assert_eq!(
            history(&w),
            1,
            "what was done stays known, and is not done again"
        );
        w.source.edit(
            REPO,
            "main",
            [("web/config.yaml", Some(&*config("web", "two")))],
        );
        w.until("synced again", || {
            w.value("web").as_deref() == Some("two") && history(&w) == 2
        })
        .await;
        let ids: Vec<_> = w
            .app("web")
            .at(&["status", "history"])
            .and_then(Value::as_array)
            .unwrap()
            .iter()
            .map(|entry| entry["id"].as_i64())
            .collect();
        assert_eq!(ids, [Some(0), Some(1)]);
    });
}

/// A hook that is done after a while, as the image of its container says; and the ConfigMap of `web`.
fn with_hooks(world: &World) {
    let hook = |name: &str, phase: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{generateName: {name}-, annotations: {{argocd.argoproj.io/hook: {phase}}}}}\nspec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: c, image: 'tool:slow'}}]}}}}}}\n"
        )
    };
    world.source.edit(
        REPO,
        "main",
        [
            ("web/before.yaml", Some(&*hook("before", "PreSync"))),
            ("web/after.yaml", Some(&*hook("after", "PostSync"))),
        ],
    );
}

#[test]
fn a_sync_goes_on_where_another_installation_of_the_store_left_it() {
    // While each of the hooks runs: everything is to be done still, and everything is Synced already.
    for (stopped_at, asked) in [("before-", false), ("after-", false), ("after-", true)] {
        let world = World::new(&["web"]);
        with_hooks(&world);
        let jobs = |w: &World| -> Vec<String> {
            let objects = w.target.objects();
            let jobs = objects.iter().filter(|object| object.kind() == "Job");
            jobs.map(|job| job.name().to_owned()).collect()
        };
        let phase = |w: &World| w.text("web", &["status", "operationState", "phase"]);
        let message = |w: &World| w.text("web", &["status", "operationState", "message"]);
        let w = world.clone();
        world.play(ControllerOptions::default(), |_| async move {
            w.application("web", !asked).await;
            if asked {
                w.edit("web", |object| {
                    let operation =
                        json!({"initiatedBy": {"username": "alice"}, "sync": {"prune": true}});
                    object
                        .as_map_mut()
                        .insert("operation", Value::from(operation));
                });
            }
            w.until("the hook runs", || {
                message(&w).contains(&format!("hook batch/Job/{stopped_at}"))
            })
            .await;
        });
        let begun = world.text("web", &["status", "operationState", "startedAt"]);
        let other = World {
            store: gitops::memory::MemoryStore::new(),
            ..world
        };
        let w = other.clone();
        other.play(ControllerOptions::default(), |_| async move {
            w.until("done", || phase(&w) == "Succeeded").await;
            w.clock.sleep(Duration::from_secs(600)).await;
            assert_eq!(
                w.text("web", &["status", "operationState", "startedAt"]),
                begun
            );
            let jobs = jobs(&w);
            assert_eq!(jobs.len(), 2, "each hook has run once: {jobs:?}");
            let history = w.app("web").at(&["status", "history"]).cloned();
            let history = history.unwrap_or_default();
            assert_eq!(history.as_array().map_or(0, |h| h.len()), 1);
            assert_eq!(
                history.as_array().unwrap()[0]["deployStartedAt"].as_str(),
                Some(&*begun)
            );
            assert_eq!(w.value("web").as_deref(), Some("one"));
            assert!(w.is_good("web"));
            assert!(w.app("web").get("operation").is_none());
        });
    }
}

#[test]
fn a_sync_of_what_is_gone_from_the_source_does_not_hang_where_it_was_left() {
    let world = World::new(&["web"]);
    with_hooks(&world);
    let w = world.clone();
    world.play(ControllerOptions::default(), |_| async move {
        w.application("web", true).await;
        w.until("the hook runs", || {
            let message = w.text("web", &["status", "operationState", "message"]);
            message.contains("hook batch/Job/before-")
        })
        .await;
    });
    // As after a push by force, and with nobody there to look.
    world.edit("web", |object| {
        let state = object
            .as_map_mut()
            .entry_object("status")
            .entry_object("operationState");
        state
            .entry_object("syncResult")
            .insert("revision", "0123456789012345678901234567890123456789");
    });
    let other = World {
        store: gitops::memory::MemoryStore::new(),
        ..world
    };
    let w = other.clone();
    other.play(ControllerOptions::default(), |_| async move {
        w.until("what is there now", || {
            w.is_good("web") && w.text("web", &["status", "operationState", "phase"]) == "Succeeded"
        })
        .await;
        assert!(w.events("web").iter().any(|(_, message)| {
            message.contains("the sync of revision 0123456789012345678901234567890123456789 was interrupted and cannot go on")
        }), "{:?}", w.events("web"));
        assert_eq!(w.value("web").as_deref(), Some("one"));
    });
}

#[test]
fn a_cluster_that_cannot_be_connected_to_is_told_of_and_tried_again() {
    let world = World::new(&["web"]);
    let w = world.clone();
    let elsewhere = gitops::memory::MemoryTarget::new(Arc::new(world.clock.clone()));
    let there = elsewhere.clone();
    let works = Arc::new(AtomicBool::new(false));
    let connects = Arc::clone(&works);
    world.clock.run(async {
        let mut parts = world.parts();
        parts.connect = Some(Arc::new(move |_| {
            let result = if connects.load(Ordering::Acquire) {
                let cluster = Cluster {
                    server: "https://eu.example.com".into(),
                    name: "eu".into(),
                };
                Ok((cluster, Arc::new(there.clone()) as Arc<dyn Target>))
            } else {
                Err("the command \"aws\" has no network".to_owned())
            };
            std::future::ready(result).boxed()
        }));
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "eu", "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
            "stringData": {"name": "eu", "server": "https://eu.example.com"},
        });
        w.create(&Object::try_from(secret).unwrap()).await;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        let options = gitops::ApplyOptions::server_side("kubectl");
        elsewhere.apply(&Object::try_from(namespace).unwrap(), &options).await.unwrap();
        let controller = Controller::new(parts, ControllerOptions::default()).await.unwrap();
        let story = async {
            w.application("web", true).await;
            w.edit("web", |object| {
                let spec = object.as_map_mut().entry_object("spec");
                spec.insert("destination", Value::from(json!({"name": "eu", "namespace": "shop"})));
            });
            w.until("it is said why", || {
                let conditions = w.app("web").at(&["status", "conditions"]).map(Value::to_json);
                conditions.is_some_and(|said| {
                    said.contains("cluster eu (https://eu.example.com) cannot be connected to: the command \\\"aws\\\" has no network")
                })
            })
            .await;
            works.store(true, Ordering::Release);
            w.until("synced", || w.is_good("web")).await;
            let key = ObjectKey::new("", "ConfigMap", "shop", "web");
            assert!(elsewhere.object(&key).is_some());
        };
        controller.run(story).await.unwrap();
    });
}

#[test]
fn a_deleted_application_takes_its_objects_along_and_is_forgotten() {
    let world = World::new(&["web"]);
    let w = world.clone();
    world.play(ControllerOptions::default(), |controller| async move {
        w.application("web", true).await;
        w.until("synced", || w.is_good("web")).await;
        w.edit("web", |object| {
            object.metadata_mut().insert(
                "finalizers",
                Value::from(json!(["resources-finalizer.argocd.argoproj.io"])),
            );
        });
        let key = w.app("web").key();
        let options = DeleteOptions::new(Propagation::Background);
        w.target.delete(&key, &options).await.unwrap();
        w.until("gone", || {
            w.value("web").is_none() && w.target.object(&key).is_none()
        })
        .await;
        w.clock.sleep(Duration::from_secs(5)).await;
        assert!(controller.engine().applications().is_empty());
        assert!(!controller.metrics().contains("name=\"web\""));
    });
}

#[test]
fn a_rollback_that_is_asked_for_as_argo_cd_does_holds() {
    let world = World::new(&["web"]);
    let w = world.clone();
    world.play(ControllerOptions::default(), |_| async move {
        let commit = |value: &str| {
            let file = config("web", value);
            w.source
                .edit(REPO, "main", [("web/config.yaml", Some(&*file))]);
        };
        let stands = |value: &str| w.value("web").as_deref() == Some(value) && w.is_good("web");
        w.application("web", true).await;
        w.until("the first", || stands("one")).await;
        commit("two");
        w.until("the second", || stands("two")).await;
        // What `argocd app rollback` writes: a source and a revision of the history, without hooks.
        let history = || {
            let history = w.app("web").at(&["status", "history"]).cloned();
            history.unwrap_or_default()
        };
        let first = history().as_array().unwrap()[0].clone();
        w.edit("web", |object| {
            let sync = json!({
                "revision": first["revision"].as_str(), "source": serde_json::Value::from(first["source"].clone()),
                "syncStrategy": {"apply": {}}, "prune": true,
            });
            let operation = json!({"initiatedBy": {"username": "alice"}, "sync": sync});
            object.as_map_mut().insert("operation", Value::from(operation));
        });
        w.until("the first again", || {
            stands("one") && w.app("web").get("operation").is_none()
        })
        .await;
        let by = [
            "status",
            "operationState",
            "operation",
            "initiatedBy",
            "username",
        ];
        assert_eq!(w.text("web", &by), "alice");
        w.clock.sleep(Duration::from_secs(600)).await;
        assert!(stands("one"), "automated sync leaves it alone");
        assert_eq!(
            w.text("web", &["status", "sync", "revision"]),
            first["revision"].as_str().unwrap()
        );
        assert_eq!(history().as_array().unwrap().len(), 3);
        commit("three");
        w.until("something newer", || stands("three")).await;
    });
}

#[test]
fn what_cannot_be_found_out_is_unknown_and_says_why() {
    let world = World::new(&["web"]);
    let w = world.clone();
    world.play(ControllerOptions::default(), |_| async move {
        w.application("nowhere", true).await;
        let sync = ["status", "sync", "status"];
        w.until("looked at", || w.text("nowhere", &sync) == "Unknown")
            .await;
        assert_eq!(
            w.text("nowhere", &["status", "health", "status"]),
            "Unknown"
        );
        assert_ne!(w.text("nowhere", &["status", "reconciledAt"]), "");
        let conditions = w.app("nowhere").at(&["status", "conditions"]).cloned();
        let conditions = conditions.unwrap_or_default().to_json();
        assert!(
            conditions.contains("ComparisonError") && conditions.contains("\\\"nowhere\\\""),
            "{conditions}"
        );
        w.clock.sleep(Duration::from_secs(1)).await;
        let told = "Updated sync status:  -> Unknown";
        let events = w.events("nowhere");
        assert!(events.iter().any(|(_, text)| text == told), "{events:?}");
    });
}

#[test]
fn metrics_have_the_names_and_labels_of_argo_cd() {
    let world = World::new(&["web"]);
    let w = world.clone();
    world.play(ControllerOptions::default(), |controller| async move {
        w.application("web", true).await;
        w.until("synced", || w.is_good("web")).await;
        w.clock.sleep(Duration::from_secs(1)).await;
        let text = controller.metrics();
        let app = r#"namespace="argocd",name="web",project="default""#;
        let server = r#"dest_server="https://kubernetes.default.svc""#;
        for line in [
            format!(
                "argocd_app_info{{{app},autosync_enabled=\"true\",repo=\"{REPO}\",{server},dest_namespace=\"shop\",\
                 sync_status=\"Synced\",health_status=\"Healthy\",operation=\"\"}} 1"
            ),
            format!("argocd_app_sync_total{{{app},{server},phase=\"Succeeded\",dry_run=\"false\"}} 1"),
            format!("argocd_app_sync_duration_seconds_total{{{app},{server}}} "),
            format!("argocd_app_reconcile_bucket{{le=\"0.25\",namespace=\"argocd\",{server}}} "),
            format!("argocd_app_reconcile_bucket{{le=\"16.0\",namespace=\"argocd\",{server}}} "),
            "argocd_cluster_api_resource_objects{server=\"https://kubernetes.default.svc\"} ".to_owned(),
            format!("argocd_git_request_total{{repo=\"{REPO}\",request_type=\"fetch\"}} 1"),
            format!(
                "argocd_app_k8s_request_total{{{app},server=\"https://kubernetes.default.svc\",response_code=\"201\",\
                 verb=\"create\",resource_kind=\"ConfigMap\",resource_namespace=\"shop\",dry_run=\"false\"}} 1"
            ),
            format!(
                "argocd_app_k8s_request_total{{{app},server=\"https://kubernetes.default.svc\",response_code=\"201\",\
                 verb=\"create\",resource_kind=\"ConfigMap\",resource_namespace=\"shop\",dry_run=\"true\"}} 1"
            ),
            "argocd_cluster_events_total{server=\"https://kubernetes.default.svc\",group=\"\",kind=\"ConfigMap\"} 1"
                .to_owned(),
            format!("argocd_app_orphaned_resources_count{{{app}}} 0"),
            "workqueue_depth{name=\"app_reconciliation_queue\"} 0".to_owned(),
            format!("gitops_app_deployments_total{{{app}}} 1"),
            format!("gitops_app_failed_syncs_total{{{app}}} 0"),
            format!("gitops_app_health_score{{{app}}} 1.0"),
            "gitops_app_sync_duration_seconds_count{".to_owned(),
        ] {
            assert!(text.lines().any(|have| have.starts_with(&line)), "{line}\nin\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        let version = r#"k8s_version="v1.36.0""#;
        let info = format!("argocd_cluster_info{{server=\"{server}\",{version},name=\"in-cluster\"}} 1", server = LOCAL_SERVER);
        assert!(text.contains(&info), "{info}\nin\n{text}");
        // What is only tried out is a sync, but nothing is deployed by it.
        w.edit("web", |object| {
            let operation = Value::from(json!({"sync": {"dryRun": true}}));
            object.as_map_mut().insert("operation", operation);
        });
        w.until("tried out", || w.app("web").get("operation").is_none()).await;
        let text = controller.metrics();
        for line in [
            format!("argocd_app_sync_total{{{app},{server},phase=\"Succeeded\",dry_run=\"false\"}} 1"),
            format!("argocd_app_sync_total{{{app},{server},phase=\"Succeeded\",dry_run=\"true\"}} 1"),
            format!("gitops_app_deployments_total{{{app}}} 1"),
        ] {
            assert!(text.contains(&line), "{line}\nin\n{text}");
        }
    });
}

#[test]
fn applications_of_other_namespaces_need_the_permission_of_their_project() {
    let world = World::new(&["web"]);
    let mut options = ControllerOptions::default();
    options.engine.application_namespaces = vec!["team-*".into()];
    let w = world.clone();
    world.play(options, |controller| async move {
        for namespace in ["team-a", "other"] {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            w.create(&Object::try_from(object).unwrap()).await;
        }
        let project = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": {"name": "team", "namespace": "argocd"},
            "spec": {
                "sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
                "sourceNamespaces": ["team-*"],
            },
        });
        w.create(&Object::try_from(project).unwrap()).await;
        for (namespace, project) in [("team-a", "team"), ("team-a", "default"), ("other", "team")] {
            let object = json!({
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                "metadata": {"name": format!("web-{project}"), "namespace": namespace},
                "spec": {
                    "project": project,
                    "source": {"repoURL": REPO, "path": "web", "targetRevision": "main"},
                    "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
                },
            });
            w.create(&Object::try_from(object).unwrap()).await;
        }
        w.clock.sleep(Duration::from_secs(5)).await;
        let known: Vec<String> =
            controller.engine().applications().iter().map(ToString::to_string).collect();
        assert_eq!(known, ["team-a/web-default", "team-a/web-team"]);
        let status = |name: &str| {
            let id = gitops::ApplicationId::new("team-a", name);
            controller.engine().status(&id).unwrap()
        };
        assert_eq!(status("web-team").sync.status.to_string(), "OutOfSync");
        let refused = status("web-default");
        assert_eq!(refused.conditions[0].kind, "InvalidSpecError");
        assert!(refused.conditions[0].message.contains("sourceNamespaces"), "{refused:?}");
    });
}
