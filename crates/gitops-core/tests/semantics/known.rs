//! What is known of a cluster and what is not: kinds that cannot be listed, clocks that are set back, engines that begin anew.

use std::time::Duration;

use gitops_core::application::{OperationPhase, RetryStrategy, SyncStatusCode};
use gitops_core::{Clock as _, SyncRequest};
use gitops_memory::{Fault, FaultKind, Operation};

use super::bed::{
    Bed, REPO, application, by_hand, condition, config, deleting, health, job, last, policy,
    sync_status,
};

fn lists_no_config_maps(bed: &Bed) {
    let fault = Fault::new(Operation::Snapshot, FaultKind::Unlisted);
    bed.target.inject(fault.on_kind("", "ConfigMap"));
    // The watch cannot go on from where it was: everything is listed anew.
    bed.target.break_watches();
    bed.make("{apiVersion: v1, kind: Secret, metadata: {name: noise, namespace: shop}}");
    bed.target.expire_watches();
}

fn writes(bed: &Bed) -> usize {
    let requests = bed.target.take_requests().into_iter();
    let written = requests.filter(|r| matches!(r.operation, Operation::Apply | Operation::Delete));
    written.count()
}

#[test]
fn what_could_not_be_listed_is_unknown_and_left_alone() {
    let bed = Bed::with_two();
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    // One goes from Git while ConfigMaps cannot be listed: neither is it pruned, nor is the other thought to be missing.
    bed.edit("web/b.yaml", None);
    lists_no_config_maps(&bed);
    let _ = writes(&bed);
    bed.run(&engine, 30);
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Unknown);
    assert_eq!(health(&engine, &id), "Unknown");
    let told = condition(&engine, &id, "ComparisonError").expect("it is told");
    assert_eq!(
        told,
        "objects of kind ConfigMap are not known: the connection was refused"
    );
    assert_eq!(writes(&bed), 0);
    // Whoever asks for a plan is told as well.
    let plan = bed.clock.run(engine.plan(&id, &SyncRequest::by("alice")));
    let refused = gitops_core::error_chain(&plan.expect_err("nothing can be planned"));
    assert!(
        refused.contains("until objects of kind ConfigMap can be listed"),
        "{refused}"
    );
    bed.target.break_watches();
    bed.settle(&engine);
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
    assert_eq!(bed.value("b"), None);
}

#[test]
fn a_sync_waits_until_its_kinds_are_listed() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(by_hand("web", "web"));
    bed.run(&engine, 2);
    lists_no_config_maps(&bed);
    bed.clock
        .run(engine.sync(&id, &SyncRequest::by("alice")))
        .expect("it begins");
    bed.run(&engine, 10);
    let state = last(&engine, &id);
    assert_eq!(state.phase, OperationPhase::Running);
    assert_eq!(
        state.message,
        "waiting until objects of kind ConfigMap can be listed: the connection was refused"
    );
    assert_eq!(bed.value("a"), None);
    bed.target.break_watches();
    bed.settle(&engine);
    assert_eq!(last(&engine, &id).phase, OperationPhase::Succeeded);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
}

#[test]
fn a_deleted_application_is_let_go_of_only_once_its_objects_are_known_to_be_gone() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let wanted = application("web", "web");
    let id = engine.set_application(wanted.clone());
    bed.settle(&engine);
    lists_no_config_maps(&bed);
    let cascade = "resources-finalizer.argocd.argoproj.io";
    engine.set_application(deleting(wanted, &[cascade], bed.now()));
    bed.run(&engine, 10);
    assert_eq!(
        condition(&engine, &id, "DeletionError").as_deref(),
        Some("objects of kind ConfigMap are not known: the connection was refused")
    );
    assert!(bed.value("a").is_some());
    bed.target.break_watches();
    bed.run(&engine, 10);
    assert_eq!(bed.value("a"), None);
}

#[test]
fn a_clock_that_is_set_back_delays_no_retry_and_no_healing() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let mut wanted = application("web", "web");
    policy(&mut wanted).retry = Some(RetryStrategy {
        limit: 5,
        ..RetryStrategy::default()
    });
    let id = engine.set_application(wanted);
    let refused = Fault::new(Operation::DryRun, FaultKind::Unavailable);
    bed.target.inject(refused);
    bed.run(&engine, 2);
    assert!(last(&engine, &id).message.contains("Retrying attempt #1"));
    bed.clock.set(gitops_core::Timestamp::from_secs(
        bed.now().as_secs() - 7200,
    ));
    bed.run(&engine, 12);
    assert_eq!(last(&engine, &id).phase, OperationPhase::Succeeded);
    // Healing has healed once, and waits before it heals again: not for two hours.
    bed.set_value("a", "drift");
    bed.run(&engine, 2);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    bed.clock.set(gitops_core::Timestamp::from_secs(
        bed.now().as_secs() - 7200,
    ));
    bed.set_value("a", "drift");
    bed.run(&engine, 12);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
}

#[test]
fn an_engine_that_runs_a_second_time_asks_its_sources_again() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|options| options.poll = Duration::from_secs(60));
    engine.set_application(application("web", "web"));
    let run = |seconds| {
        let clock = bed.clock.clone();
        let stop = async move { clock.sleep(Duration::from_secs(seconds)).await };
        bed.clock.run(engine.run(stop)).expect("the store is well");
    };
    run(5);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    // Between two runs, and after the second has begun.
    bed.edit("web/a.yaml", Some(&config("a", "two")));
    run(5);
    assert_eq!(bed.value("a").as_deref(), Some("two"));
    bed.edit("web/a.yaml", Some(&config("a", "three")));
    run(90);
    assert_eq!(bed.value("a").as_deref(), Some("three"));
}

#[test]
fn a_hook_that_goes_is_asked_to_go_once() {
    let hook = job("migrate", "shop/web:1", "argocd.argoproj.io/hook: PreSync");
    let bed = Bed::new(&[("web/a.yaml", config("a", "one")), ("web/hook.yaml", hook)]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(by_hand("web", "web"));
    bed.run(&engine, 2);
    bed.clock
        .run(engine.sync(&id, &SyncRequest::by("alice")))
        .expect("it begins");
    bed.settle(&engine);
    // Somebody holds the old hook for a while.
    let key = gitops_manifest::ObjectKey::new("batch", "Job", "shop", "migrate");
    let held = |bed: &Bed, held: bool| {
        let edited = bed.target.edit(&key, |object| {
            let mut finalizers: Vec<gitops_manifest::Value> = Vec::new();
            if held {
                finalizers.push("example.com/hold".into());
            }
            object
                .metadata_mut()
                .insert("finalizers", gitops_manifest::Value::from(finalizers));
        });
        edited.expect("the hook is there");
    };
    held(&bed, true);
    let _ = bed.target.take_requests();
    bed.clock
        .run(engine.sync(&id, &SyncRequest::by("alice")))
        .expect("it begins");
    bed.run(&engine, 20);
    let requests = bed.target.take_requests();
    let deletions = requests.iter().filter(|r| r.operation == Operation::Delete);
    assert_eq!(deletions.count(), 1);
    assert_eq!(
        last(&engine, &id).message,
        "waiting for deletion of hook batch/Job/migrate"
    );
    held(&bed, false);
    bed.settle(&engine);
    assert_eq!(last(&engine, &id).phase, OperationPhase::Succeeded);
}

#[test]
fn what_was_pruned_is_not_pruned_again_before_its_end_is_told() {
    let bed = Bed::with_two();
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    bed.edit("web/b.yaml", None);
    engine.notify(gitops_core::SourceNews::of(REPO));
    let stop = async { bed.clock.sleep(Duration::from_secs(30)).await };
    bed.clock.run(engine.run(stop)).expect("the store is well");
    assert_eq!(bed.value("b"), None);
    let executions = bed
        .clock
        .run(engine.executions_of(&id))
        .expect("the store is well");
    assert_eq!(executions.len(), 2, "one to make, one to prune");
}
