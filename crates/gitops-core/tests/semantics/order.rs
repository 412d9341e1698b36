//! In which order a sync goes, what it waits for, and how often it is tried.

use gitops_core::application::{OperationPhase, RetryStrategy};
use gitops_core::{ApplicationId, Engine, Timestamp};
use gitops_memory::Operation;

use super::bed::{
    Bed, annotated, application, config, deployment, job, last, phase, policy, with_options,
};

fn wave(wave: i32) -> String {
    format!("argocd.argoproj.io/sync-wave: \"{wave}\"")
}

fn hook(kind: &str) -> String {
    format!("argocd.argoproj.io/hook: {kind}")
}

/// Returns the objects that were really written or deleted since the last call, in order, as `kind/name`.
fn done(bed: &Bed, operation: Operation) -> Vec<String> {
    bed.target
        .take_requests()
        .into_iter()
        .filter(|request| request.done && request.operation == operation)
        .filter_map(|request| request.key)
        .map(|key| format!("{}/{}", key.kind, key.name))
        .collect()
}

/// Returns each of them once, where it comes first.
fn firsts(names: &[String]) -> Vec<&str> {
    let mut firsts: Vec<&str> = Vec::new();
    for name in names {
        if !firsts.contains(&&**name) {
            firsts.push(name);
        }
    }
    firsts
}

#[test]
fn phases_come_one_after_the_other_and_in_them_waves_kinds_and_names() {
    let bed = Bed::new(&[
        ("web/after.yaml", job("after", "tool:1", &hook("PostSync"))),
        ("web/before.yaml", job("before", "tool:1", &hook("PreSync"))),
        (
            "web/failed.yaml",
            job("failed", "tool:1", &hook("SyncFail")),
        ),
        ("web/skipped.yaml", job("skipped", "tool:1", &hook("Skip"))),
        ("web/later.yaml", annotated("a-later", "one", &wave(1))),
        ("web/early.yaml", annotated("z-early", "one", &wave(-1))),
        ("web/b.yaml", config("b", "one")),
        ("web/a.yaml", config("a", "one")),
        (
            "web/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n".to_owned(),
        ),
        ("web/web.yaml", deployment("web", "web:1")),
    ]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    assert_eq!(phase(&engine, &id), Some(OperationPhase::Succeeded));
    let applied = done(&bed, Operation::Apply);
    // Helm's order of kinds has Secrets before ConfigMaps.
    let expected = [
        "Job/before",
        "ConfigMap/z-early",
        "Secret/s",
        "ConfigMap/a",
        "ConfigMap/b",
        "Deployment/web",
        "ConfigMap/a-later",
        "Job/after",
    ];
    let ours = |name: &&str| expected.contains(name) || name.starts_with("Job/");
    let found: Vec<&str> = firsts(&applied).into_iter().filter(ours).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_wave_waits_until_the_one_before_is_well() {
    let slow = job("slow", "tool:slow", &wave(0));
    let bed = Bed::new(&[
        ("web/slow.yaml", slow),
        ("web/late.yaml", annotated("late", "one", &wave(1))),
    ]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.run(&engine, 30);
    assert!(bed.get("Job", "slow").is_some());
    assert_eq!(bed.value("late"), None);
    assert_eq!(phase(&engine, &id), Some(OperationPhase::Running));
    // Its container begins after a minute.
    bed.settle(&engine);
    assert_eq!(bed.value("late").as_deref(), Some("one"));
}

#[test]
fn nothing_is_written_where_anything_cannot_be() {
    let wrong = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: wrong\n  annotations: \
                 {argocd.argoproj.io/sync-wave: \"5\"}\ncolour: blue\n";
    let bed = Bed::new(&[
        ("web/a.yaml", config("a", "one")),
        ("web/before.yaml", job("before", "tool:1", &hook("PreSync"))),
        ("web/wrong.yaml", wrong.to_owned()),
    ]);
    let engine = bed.engine(|_| {});
    let mut web = application("web", "web");
    policy(&mut web).retry = Some(RetryStrategy::default());
    let id = engine.set_application(web);
    done(&bed, Operation::Apply);
    bed.run(&engine, 20);
    assert_eq!(phase(&engine, &id), Some(OperationPhase::Failed));
    assert_eq!(done(&bed, Operation::Apply), [] as [&str; 0]);
    let said = last(&engine, &id).message;
    assert!(said.contains("colour"), "{said}");
}

#[test]
fn what_goes_goes_in_reverse() {
    let bed = Bed::new(&[
        ("web/a.yaml", annotated("a", "one", &wave(0))),
        ("web/b.yaml", annotated("b", "one", &wave(1))),
        ("web/c.yaml", annotated("c", "one", &wave(2))),
        ("web/stays.yaml", config("stays", "one")),
    ]);
    let engine = bed.engine(|_| {});
    engine.set_application(application("web", "web"));
    bed.settle(&engine);
    for name in ["a", "b", "c"] {
        bed.edit(&format!("web/{name}.yaml"), None);
    }
    done(&bed, Operation::Delete);
    bed.settle(&engine);
    let expected = ["ConfigMap/c", "ConfigMap/b", "ConfigMap/a"];
    assert_eq!(done(&bed, Operation::Delete), expected);
}

#[test]
fn what_an_object_owns_goes_as_the_policy_says() {
    for (option, stays) in [
        ("PrunePropagationPolicy=foreground", false),
        ("PrunePropagationPolicy=background", false),
        ("PrunePropagationPolicy=orphan", true),
    ] {
        let bed = Bed::new(&[
            ("web/web.yaml", deployment("web", "web:1")),
            ("web/a.yaml", config("a", "one")),
        ]);
        let engine = bed.engine(|_| {});
        engine.set_application(with_options(application("web", "web"), &[option]));
        bed.settle(&engine);
        bed.make_child("");
        bed.edit("web/web.yaml", None);
        bed.settle(&engine);
        bed.run(&engine, 30);
        assert!(bed.get("Deployment", "web").is_none(), "{option}");
        assert_eq!(bed.value("child").is_some(), stays, "{option}");
    }
}

#[test]
fn who_heals_again_and_again_waits_ever_longer() {
    let bed = Bed::with_two();
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    let mut waited = Vec::new();
    for round in 0..5 {
        bed.set_value("a", &format!("by hand {round}"));
        let begin = bed.now();
        while bed.value("a").as_deref() != Some("one") {
            bed.run(&engine, 1);
            assert!(bed.now().since(begin).as_secs() < 600, "round {round}");
        }
        waited.push(bed.now().since(begin).as_secs());
    }
    // 2 s, then three times as long each time, from the end of the last.
    assert!(waited[0] <= 2, "{waited:?}");
    assert!((2..=4).contains(&waited[1]), "{waited:?}");
    assert!((6..=8).contains(&waited[2]), "{waited:?}");
    assert!((18..=20).contains(&waited[3]), "{waited:?}");
    assert!((54..=56).contains(&waited[4]), "{waited:?}");
    let heals = last(&engine, &id).operation.sync.expect("a sync");
    assert_eq!(heals.self_heal_attempts_count, 5);
    // Something new begins anew.
    bed.edit("web/b.yaml", Some(&config("b", "two")));
    bed.settle(&engine);
    bed.run(&engine, 300);
    bed.set_value("a", "by hand");
    let begin = bed.now();
    while bed.value("a").as_deref() != Some("one") {
        bed.run(&engine, 1);
    }
    assert!(bed.now().since(begin).as_secs() <= 2);
}

fn began(engine: &Engine, id: &ApplicationId) -> Timestamp {
    last(engine, id).started_at.expect("it began")
}

#[test]
fn a_revision_that_failed_is_not_tried_again_unless_it_is_asked_for_otherwise() {
    let wrong = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ncolour: blue\n";
    let bed = Bed::new(&[
        ("web/a.yaml", wrong.to_owned()),
        ("other/a.yaml", config("a", "one")),
    ]);
    let engine = bed.engine(|_| {});
    let mut web = application("web", "web");
    policy(&mut web).retry = Some(RetryStrategy::default());
    let id = engine.set_application(web.clone());
    bed.run(&engine, 10);
    assert_eq!(phase(&engine, &id), Some(OperationPhase::Failed));
    let first = began(&engine, &id);
    bed.run(&engine, 600);
    assert_eq!(began(&engine, &id), first, "one try for a revision");
    // Another revision is another matter, if it mends nothing.
    bed.edit("web/b.yaml", Some(&config("b", "one")));
    bed.run(&engine, 200);
    let second = began(&engine, &id);
    assert!(second > first);
    // So are other parameters of the same revision.
    web.spec.source.as_mut().expect("it has one").path = "other".into();
    engine.set_application(web);
    bed.settle(&engine);
    assert_eq!(phase(&engine, &id), Some(OperationPhase::Succeeded));
    assert_eq!(bed.value("a").as_deref(), Some("one"));
}

#[test]
fn what_is_said_for_failures_runs_after_one() {
    let bed = Bed::new(&[
        (
            "web/failed.yaml",
            job("failed", "tool:1", &hook("SyncFail")),
        ),
        (
            "web/broken.yaml",
            job("broken", "tool:fail", &hook("PreSync")),
        ),
        ("web/a.yaml", config("a", "one")),
    ]);
    let engine = bed.engine(|_| {});
    let mut web = application("web", "web");
    policy(&mut web).retry = Some(RetryStrategy::default());
    let id = engine.set_application(web);
    bed.run(&engine, 120);
    assert_eq!(phase(&engine, &id), Some(OperationPhase::Failed));
    assert!(bed.get("Job", "failed").is_some());
    assert_eq!(bed.value("a"), None);
}

#[test]
fn namespaces_come_before_what_is_in_them() {
    let inside = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: other}\ndata: {key: one}\n";
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n";
    let bed = Bed::new(&[
        ("web/a.yaml", inside.to_owned()),
        ("web/namespace.yaml", namespace.to_owned()),
    ]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    assert_eq!(phase(&engine, &id), Some(OperationPhase::Succeeded));
    // One that nobody brings is missed before anything is written.
    let bed = Bed::new(&[
        ("web/a.yaml", inside.to_owned()),
        ("web/b.yaml", config("b", "one")),
    ]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.run(&engine, 3);
    assert!(last(&engine, &id).message.contains("namespace other of"));
    assert_eq!(bed.value("b"), None);
}
