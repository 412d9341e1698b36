//! When syncs begin, pause, are tried again, and end.

use gitops_core::application::{
    AppProject, Backoff, Info, OperationPhase, ResultCode, RetryStrategy, SyncStatusCode,
    SyncWindow,
};
use gitops_core::{DEPENDS_ON, EngineError, SYNC_TIMEOUT, SyncRequest};
use gitops_manifest::ObjectKey;
use gitops_memory::{Fault, FaultKind, Operation};

use super::bed::{
    Bed, annotate, application, by_hand, condition, config, deployment, health, job, last, phase,
    policy, sync_status, with_options,
};

/// A project that allows everything, with windows.
pub(crate) fn project(windows: Vec<SyncWindow>) -> AppProject {
    let mut project = AppProject::allow_all();
    project.metadata.insert("name", "team");
    project.spec.sync_windows = windows;
    project
}

/// A bed whose `web` has an object and a hook that runs before it.
fn with_a_hook(image: &str) -> Bed {
    Bed::new(&[
        (
            "web/hook.yaml",
            job("first", image, "argocd.argoproj.io/hook: PreSync"),
        ),
        ("web/a.yaml", config("a", "one")),
    ])
}

fn window(kind: &str, schedule: &str, duration: &str) -> SyncWindow {
    SyncWindow {
        kind: kind.into(),
        schedule: schedule.into(),
        duration: duration.into(),
        applications: vec!["*".into()],
        ..SyncWindow::default()
    }
}

/// Returns a schedule that comes round some minutes from now.
fn minutes_from(bed: &Bed, minutes: i64) -> String {
    let at = bed.now().as_secs() / 60 + minutes;
    format!("{} {} * * *", at % 60, at / 60 % 24)
}

#[test]
fn automated_sync_waits_for_a_window_and_a_manual_one_is_refused() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    engine.set_project(project(vec![window(
        "allow",
        &minutes_from(&bed, 10),
        "5m",
    )]));
    let mut web = application("web", "web");
    web.spec.project = "team".into();
    let id = engine.set_application(web);
    bed.run(&engine, 60);
    assert_eq!(bed.value("a"), None);
    let said = condition(&engine, &id, "SyncWindowWarning").expect("it is said why");
    assert!(said.contains("blocked by sync window"), "{said}");
    let refused = bed.clock.run(engine.sync(&id, &SyncRequest::by("alice")));
    assert!(
        matches!(refused, Err(EngineError::NotReady { .. })),
        "{refused:?}"
    );
    // It wakes by itself when the window opens.
    bed.settle(&engine);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    assert_eq!(condition(&engine, &id, "SyncWindowWarning"), None);
}

#[test]
fn a_window_that_closes_pauses_a_sync_unless_it_may_overrun() {
    for overrun in [false, true] {
        let bed = Bed::new(&[
            (
                "web/hook.yaml",
                job("first", "tool:slow", "argocd.argoproj.io/hook: PreSync"),
            ),
            ("web/a.yaml", config("a", "one")),
        ]);
        let engine = bed.engine(|_| {});
        let mut deny = window("deny", &minutes_from(&bed, 1), "10m");
        deny.sync_overrun = overrun;
        engine.set_project(project(vec![deny]));
        let mut web = application("web", "web");
        web.spec.project = "team".into();
        let id = engine.set_application(web);
        bed.run(&engine, 300);
        if overrun {
            assert_eq!(bed.value("a").as_deref(), Some("one"));
            continue;
        }
        assert_eq!(bed.value("a"), None, "it waits");
        assert_eq!(phase(&engine, &id), Some(OperationPhase::Running));
        let said = last(&engine, &id).message;
        assert!(said.contains("blocked by sync window"), "{said}");
        bed.run(&engine, 600);
        assert_eq!(bed.value("a").as_deref(), Some("one"));
    }
}

#[test]
fn a_window_that_excepts_manual_syncs_lets_them_through() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let mut deny = window("deny", "* * * * *", "1h");
    deny.manual_sync = true;
    engine.set_project(project(vec![deny]));
    let mut web = application("web", "web");
    web.spec.project = "team".into();
    let id = engine.set_application(web);
    bed.run(&engine, 30);
    assert_eq!(bed.value("a"), None);
    bed.clock
        .run(engine.sync(&id, &SyncRequest::by("alice")))
        .unwrap();
    bed.run(&engine, 30);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
}

#[test]
fn an_application_waits_for_those_that_it_depends_on() {
    let bed = Bed::new(&[
        ("db/db.yaml", deployment("db", "db:slow")),
        ("web/a.yaml", config("a", "one")),
    ]);
    let engine = bed.engine(|_| {});
    let mut web = application("web", "web");
    annotate(&mut web, DEPENDS_ON, "db");
    let web = engine.set_application(web);
    bed.run(&engine, 5);
    let said = condition(&engine, &web, "DependencyWarning").unwrap_or_default();
    assert!(said.contains("does not exist"), "{said}");
    let db = engine.set_application(application("db", "db"));
    bed.run(&engine, 30);
    assert_eq!(bed.value("a"), None);
    let said = condition(&engine, &web, "DependencyWarning").unwrap_or_default();
    assert!(said.contains("argocd/db"), "{said}");
    bed.settle(&engine);
    assert_eq!(health(&engine, &db), "Healthy");
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    assert_eq!(condition(&engine, &web, "DependencyWarning"), None);
}

#[test]
fn applications_that_depend_on_each_other_are_told_so() {
    let bed = Bed::new(&[
        ("a/a.yaml", config("a", "one")),
        ("b/b.yaml", config("b", "one")),
    ]);
    let engine = bed.engine(|_| {});
    let ids: Vec<_> = [("a", "b"), ("b", "argocd/a")]
        .into_iter()
        .map(|(name, other)| {
            let mut one = application(name, name);
            annotate(&mut one, DEPENDS_ON, other);
            engine.set_application(one)
        })
        .collect();
    bed.run(&engine, 10);
    for id in &ids {
        let said = condition(&engine, id, "DependencyWarning").unwrap_or_default();
        assert!(said.contains("depend on each other"), "{said}");
    }
    // By hand it goes: somebody knows better.
    bed.clock
        .run(engine.sync(&ids[0], &SyncRequest::by("alice")))
        .unwrap();
    bed.run(&engine, 10);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
}

#[test]
fn a_sync_that_waits_gives_way_to_something_newer() {
    let wave = "argocd.argoproj.io/sync-wave: \"1\"";
    let bed = Bed::new(&[
        ("web/web.yaml", deployment("web", "web:hang")),
        ("web/a.yaml", super::bed::annotated("a", "one", wave)),
    ]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.run(&engine, 30);
    assert_eq!(
        phase(&engine, &id),
        Some(OperationPhase::Running),
        "wave 0 is awaited"
    );
    bed.edit("web/web.yaml", Some(&deployment("web", "web:2")));
    bed.settle(&engine);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
    let executions = bed.clock.run(engine.executions_of(&id)).unwrap();
    assert!(
        executions[0].message.starts_with("superseded by revision"),
        "{}",
        executions[0].message
    );
    assert_eq!(
        executions.last().map(|e| e.phase),
        Some(OperationPhase::Succeeded)
    );
}

#[test]
fn a_hook_that_runs_comes_to_its_end_before_something_newer_does() {
    let bed = with_a_hook("tool:slow");
    let engine = bed.engine(|_| {});
    engine.set_application(application("web", "web"));
    bed.run(&engine, 10);
    let uid = bed
        .get("Job", "first")
        .expect("the hook runs")
        .uid()
        .to_owned();
    bed.edit("web/a.yaml", Some(&config("a", "two")));
    bed.run(&engine, 20);
    assert_eq!(
        bed.get("Job", "first").map(|job| job.uid().to_owned()),
        Some(uid)
    );
    bed.settle(&engine);
    assert_eq!(bed.value("a").as_deref(), Some("two"));
}

#[test]
fn a_sync_that_takes_too_long_is_stopped_and_not_tried_again() {
    let bed = with_a_hook("tool:hang");
    let engine = bed.engine(|_| {});
    let mut web = application("web", "web");
    annotate(&mut web, SYNC_TIMEOUT, "2m");
    let id = engine.set_application(web);
    bed.run(&engine, 200);
    assert_eq!(phase(&engine, &id), Some(OperationPhase::Failed));
    let said = last(&engine, &id).message;
    assert!(said.contains("longer than 120s"), "{said}");
    assert!(bed.get("Job", "first").is_none(), "the hook is gone");
    bed.run(&engine, 100);
    assert_eq!(bed.clock.run(engine.executions_of(&id)).unwrap().len(), 1);
}

#[test]
fn a_sync_can_be_stopped_by_hand() {
    let bed = with_a_hook("tool:hang");
    let engine = bed.engine(|_| {});
    let id = engine.set_application(by_hand("web", "web"));
    bed.run(&engine, 1);
    bed.clock
        .run(engine.sync(&id, &SyncRequest::by("alice")))
        .unwrap();
    bed.run(&engine, 10);
    bed.clock.run(engine.terminate(&id)).unwrap();
    bed.run(&engine, 10);
    let state = last(&engine, &id);
    assert_eq!(
        (state.phase, &*state.message),
        (OperationPhase::Failed, "Operation terminated")
    );
    assert!(bed.get("Job", "first").is_none());
    assert_eq!(bed.value("a"), None);
}

#[test]
fn a_retry_with_refresh_takes_what_is_newest() {
    for refresh in [false, true] {
        let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
        let engine = bed.engine(|options| options.newer_wins = false);
        let mut web = application("web", "web");
        policy(&mut web).retry = Some(RetryStrategy {
            limit: 1,
            refresh,
            backoff: Some(Backoff {
                duration: "30s".into(),
                ..Backoff::default()
            }),
        });
        let id = engine.set_application(web);
        let key = ObjectKey::new("", "ConfigMap", "shop", "a");
        bed.target
            .inject(Fault::new(Operation::DryRun, FaultKind::Unavailable).on(key));
        bed.run(&engine, 10);
        let said = last(&engine, &id).message;
        assert!(
            said.contains("Retrying attempt #1 in 30 seconds."),
            "{said}"
        );
        assert_eq!(bed.value("a"), None);
        bed.edit("web/a.yaml", Some(&config("a", "two")));
        bed.run(&engine, 10);
        let newest = bed.clock.run(engine.executions_of(&id)).unwrap();
        assert!(newest.is_empty(), "it is not time yet");
        bed.settle(&engine);
        let executions = bed.clock.run(engine.executions_of(&id)).unwrap();
        assert_eq!(executions[0].retry_count, 1);
        assert_eq!(executions.len(), if refresh { 1 } else { 2 });
        assert_eq!(bed.value("a").as_deref(), Some("two"));
    }
}

#[test]
fn what_was_done_is_kept_with_who_asked_for_it() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(with_options(by_hand("web", "web"), &["PruneLast=true"]));
    bed.run(&engine, 1);
    let mut request = SyncRequest::by("alice");
    request.info = vec![Info {
        name: "ticket".into(),
        value: "42".into(),
    }];
    bed.clock.run(engine.sync(&id, &request)).unwrap();
    bed.settle(&engine);
    let key = ObjectKey::new("", "ConfigMap", "shop", "a");
    let refused = gitops_core::TargetError::Forbidden {
        key: key.clone(),
        reason: "no".into(),
    };
    bed.target
        .inject(Fault::new(Operation::Apply, FaultKind::Refused(refused)).on(key));
    bed.edit("web/a.yaml", Some(&config("a", "two")));
    bed.clock
        .run(engine.sync(&id, &SyncRequest::by("bob")))
        .unwrap();
    bed.run(&engine, 10);
    let executions = bed.clock.run(engine.executions_of(&id)).unwrap();
    let told: Vec<_> = executions
        .iter()
        .map(|e| (e.id, &*e.operation.initiated_by.username, e.phase))
        .collect();
    assert_eq!(
        told,
        [
            (0, "alice", OperationPhase::Succeeded),
            (1, "bob", OperationPhase::Failed)
        ]
    );
    assert_eq!(executions[0].operation.info[0].value, "42");
    assert!(executions[0].settings.prune_last);
    assert_eq!(executions[0].results[0].status, Some(ResultCode::Synced));
    assert!(
        executions[1].results[0].message.contains("forbidden"),
        "{:?}",
        executions[1].results
    );
    for (execution, value) in executions.iter().zip(["one", "two"]) {
        let stored = bed
            .clock
            .run(engine.history().objects(&id, &execution.content))
            .unwrap();
        assert!(stored[0].to_value().to_json().contains(value));
    }
}

#[test]
fn records_of_operations_and_their_objects_are_not_kept_for_ever() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "0"))]);
    let engine = bed.engine(|options| {
        options.execution_limit = 2;
        options.history_limit = 1;
    });
    let id = engine.set_application(application("web", "web"));
    for i in 1..6 {
        bed.edit("web/a.yaml", Some(&config("a", &i.to_string())));
        bed.settle(&engine);
    }
    assert_eq!(bed.clock.run(engine.executions_of(&id)).unwrap().len(), 2);
    assert_eq!(bed.clock.run(engine.history_of(&id)).unwrap().len(), 1);
    let stored = bed.clock.run(async {
        use gitops_core::Store as _;
        bed.store.keys("objects/").await.unwrap()
    });
    assert_eq!(stored.len(), 2, "{stored:?}");
}

#[test]
fn manifests_can_be_given_with_the_request() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(by_hand("web", "web"));
    bed.run(&engine, 1);
    let mut request = SyncRequest::by("alice");
    request.manifests = vec![config("a", "mine")];
    bed.clock.run(engine.sync(&id, &request)).unwrap();
    bed.run(&engine, 10);
    assert_eq!(bed.value("a").as_deref(), Some("mine"));
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::OutOfSync);
    assert!(
        bed.clock.run(engine.history_of(&id)).unwrap().is_empty(),
        "it is no deployment"
    );
    engine.set_application(application("web", "web"));
    let refused = bed.clock.run(engine.sync(&id, &request));
    assert!(
        matches!(refused, Err(EngineError::NotReady { .. })),
        "{refused:?}"
    );
}

#[test]
fn another_revision_can_be_asked_for_unless_automated_sync_would_undo_it() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(by_hand("web", "web"));
    bed.run(&engine, 1);
    let first = engine.status(&id).unwrap().sync.revision;
    bed.edit("web/a.yaml", Some(&config("a", "two")));
    bed.run(&engine, 200);
    let mut request = SyncRequest::by("alice");
    request.revisions = vec![first];
    bed.clock.run(engine.sync(&id, &request)).unwrap();
    bed.run(&engine, 10);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    engine.set_application(application("web", "web"));
    let refused = bed.clock.run(engine.sync(&id, &request));
    assert!(
        matches!(refused, Err(EngineError::NotReady { .. })),
        "{refused:?}"
    );
}

#[test]
fn what_is_still_going_away_is_not_healed() {
    let bed = Bed::with_two();
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    let key = ObjectKey::new("", "ConfigMap", "shop", "b");
    bed.target
        .edit(&key, |object| {
            let finalizers = vec![gitops_manifest::Value::from("example.com/keeps")];
            object
                .metadata_mut()
                .insert("finalizers", gitops_manifest::Value::from(finalizers));
        })
        .unwrap();
    bed.edit("web/b.yaml", None);
    bed.run(&engine, 400);
    assert!(bed.get("ConfigMap", "b").is_some_and(|b| b.is_deleting()));
    let executions = bed.clock.run(engine.executions_of(&id)).unwrap();
    assert_eq!(executions.len(), 2, "one for each revision");
    bed.target
        .edit(&key, |object| {
            object.metadata_mut().remove("finalizers");
        })
        .unwrap();
    bed.settle(&engine);
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
}

#[test]
fn a_hook_that_gets_its_name_from_the_sync_is_awaited_and_found_again() {
    let named = job("first", "tool:1", "argocd.argoproj.io/hook: PreSync");
    let bed = Bed::new(&[
        (
            "web/hook.yaml",
            named.replace("{name: first,", "{generateName: first-,"),
        ),
        ("web/a.yaml", config("a", "one")),
    ]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    assert_eq!(phase(&engine, &id), Some(OperationPhase::Succeeded));
}

#[test]
fn an_application_is_left_alone_where_it_asks_for_that() {
    let annotation = "argocd.argoproj.io/skip-reconcile";
    // As Go reads it: what is no truth value does not count.
    for (value, left) in [
        ("true", true),
        ("1", true),
        ("false", false),
        ("yes", false),
    ] {
        let bed = Bed::with_two();
        let engine = bed.engine(|_| {});
        let id = engine.set_application(application("web", "web"));
        bed.settle(&engine);
        let mut web = application("web", "web");
        annotate(&mut web, annotation, value);
        engine.set_application(web);
        bed.set_value("a", "by hand");
        bed.edit("web/b.yaml", Some(&config("b", "two")));
        bed.run(&engine, 300);
        let expected = if left {
            ("by hand", "one")
        } else {
            ("one", "two")
        };
        let found = (bed.value("a").unwrap(), bed.value("b").unwrap());
        assert_eq!((&*found.0, &*found.1), expected, "{value}");
        let asked = bed.clock.run(engine.sync(&id, &SyncRequest::by("alice")));
        assert_eq!(
            matches!(&asked, Err(EngineError::NotReady { reason, .. }) if reason.contains(annotation)),
            left,
            "{asked:?}"
        );
        if left {
            let back = bed.clock.run(engine.rollback(&id, None, "alice"));
            assert!(
                matches!(back, Err(EngineError::NotReady { .. })),
                "{back:?}"
            );
        }
        // Once it does not ask any more, what was left is done.
        engine.set_application(application("web", "web"));
        bed.settle(&engine);
        assert_eq!(bed.value("a").as_deref(), Some("one"), "{value}");
        assert_eq!(bed.value("b").as_deref(), Some("two"), "{value}");
    }
}

#[test]
fn a_sync_that_fails_says_why_and_what_it_tried_stays_to_be_read() {
    let bed = Bed::with_two();
    let engine = bed.engine(|_| {});
    let mut web = application("web", "web");
    let policy = web.spec.sync_policy.get_or_insert_default();
    policy.retry = Some(RetryStrategy {
        limit: 1,
        backoff: Some(Backoff {
            duration: "2m".into(),
            ..Backoff::default()
        }),
        ..RetryStrategy::default()
    });
    let key = ObjectKey::new("", "ConfigMap", "shop", "b");
    // As API servers do where a field must not change: the whole object stands in the middle.
    let refused = gitops_core::TargetError::Invalid {
        key: key.clone(),
        reason: format!(
            "field guard denied b: {} because it is so",
            "x".repeat(4000)
        ),
    };
    bed.target
        .inject(Fault::new(Operation::DryRun, FaultKind::Refused(refused)).on(key));
    let id = engine.set_application(web);
    bed.run(&engine, 60);
    let state = engine.operation_state(&id).expect("an operation");
    assert_eq!(
        state.phase,
        OperationPhase::Running,
        "it is tried again later"
    );
    for part in [
        "denied b",
        "because it is so",
        "Retrying attempt #1 in 120 seconds",
    ] {
        assert!(state.message.contains(part), "{}", state.message);
    }
    assert!(state.message.len() < 600, "{}", state.message);
    let results = state.sync_result.expect("results").resources;
    let failed: Vec<_> = results
        .iter()
        .filter(|result| result.status == Some(ResultCode::SyncFailed))
        .map(|result| result.name.as_str())
        .collect();
    assert_eq!(
        failed,
        ["b"],
        "what came of the try is there until the next"
    );
    assert!(
        state.finished_at.is_some(),
        "as Argo CD marks one that waits"
    );
}

#[test]
fn a_hook_that_somebody_deletes_while_it_runs_fails_and_lets_go() {
    let bed = with_a_hook("tool:slow");
    let engine = bed.engine(|_| {});
    let mut web = application("web", "web");
    web.spec.sync_policy.get_or_insert_default().retry = Some(RetryStrategy::default());
    let id = engine.set_application(web);
    bed.run(&engine, 2);
    let job = ObjectKey::new("batch", "Job", "shop", "first");
    let options = gitops_core::DeleteOptions::new(gitops_core::Propagation::Background);
    bed.clock
        .run(gitops_core::Target::delete(&bed.target, &job, &options))
        .unwrap();
    bed.run(&engine, 60);
    let state = engine.operation_state(&id).unwrap();
    assert_eq!(state.phase, OperationPhase::Failed, "{state:?}");
    let results = state.sync_result.unwrap().resources;
    let hook = results
        .iter()
        .find(|result| result.name == "first")
        .expect("a result");
    assert_eq!(hook.message, "first was deleted before it came to its end");
    assert!(
        bed.target
            .object(&job)
            .is_none_or(|job| !job.to_value().to_json().contains("hook-finalizer")),
        "a namespace that goes would wait for it for ever"
    );
}

#[test]
fn what_a_sync_was_of_is_shown_with_its_images() {
    let bed = Bed::new(&[
        ("web/a.yaml", config("a", "one")),
        ("web/web.yaml", deployment("web", "web:1")),
    ]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    let results = engine
        .operation_state(&id)
        .unwrap()
        .sync_result
        .unwrap()
        .resources;
    let images = |name: &str| {
        let result = results.iter().find(|result| result.name == name);
        result.expect("a result").images.clone()
    };
    assert_eq!(images("web"), ["web:1"]);
    assert!(images("a").is_empty());
}

#[test]
fn healing_that_is_tried_again_heals_what_differs_by_then() {
    let bed = Bed::with_two();
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    let key = |name: &str| ObjectKey::new("", "ConfigMap", "shop", name);
    // The object cannot be written for a while, as where its definition is being deleted with it.
    let refused = gitops_core::TargetError::Invalid {
        key: key("a"),
        reason: "not without b".into(),
    };
    bed.target
        .inject(Fault::new(Operation::DryRun, FaultKind::Refused(refused)).on(key("a")));
    let by_hand = |name: &str| {
        bed.target
            .edit(&key(name), |object| {
                object
                    .as_map_mut()
                    .entry_object("data")
                    .insert("key", "by hand");
            })
            .unwrap();
    };
    by_hand("a");
    bed.run(&engine, 3);
    assert_eq!(
        phase(&engine, &id),
        Some(OperationPhase::Running),
        "it is tried again"
    );
    by_hand("b");
    bed.run(&engine, 8);
    assert_eq!(phase(&engine, &id), Some(OperationPhase::Succeeded));
    let state = engine.operation_state(&id).unwrap();
    let healed: Vec<_> = state
        .operation
        .sync
        .unwrap()
        .resources
        .into_iter()
        .map(|r| r.name)
        .collect();
    assert_eq!(healed, ["a", "b"]);
}
