use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{Either, select};
use gitops_core::{Clock as _, Scope, Target as _, TargetError};
use gitops_memory::{Fault, FaultKind, Faults, MemoryTarget, Operation, SimClock};
use serde_json::json;

use crate::{config_map, key, run, ssa};

#[test]
fn scripted_faults_happen_where_they_were_asked_for() {
    run(async |target, _| {
        target.inject(Fault::new(Operation::Apply, FaultKind::Unavailable).after(2));
        target.inject(Fault::on_write(FaultKind::LostAnswer).on(key("", "ConfigMap", "c3")));
        let mut answers = Vec::new();
        for i in 0..5 {
            let applied = target
                .apply(&config_map(&format!("c{i}"), json!({})), &ssa())
                .await;
            answers.push(applied.map(|_| ()).map_err(|error| error.is_transient()));
        }
        assert_eq!(answers, [Ok(()), Ok(()), Err(true), Err(true), Ok(())]);
        // The third did not arrive; of the fourth only the answer was lost.
        assert_eq!(target.object(&key("", "ConfigMap", "c2")), None);
        assert!(target.object(&key("", "ConfigMap", "c3")).is_some());
        let log = target.take_requests();
        let done: Vec<bool> = log.iter().map(|request| request.done).collect();
        assert_eq!(done, [true, true, false, true, true]);
    });
}

#[test]
fn a_request_that_hangs_stops_a_program_between_two_writes() {
    run(async |target, _| {
        target.inject(Fault::on_write(FaultKind::Hang).after(3));
        let program = async {
            for i in 0..10 {
                target
                    .apply(&config_map(&format!("c{i}"), json!({})), &ssa())
                    .await
                    .unwrap();
            }
        };
        let (program, hung) = (std::pin::pin!(program), std::pin::pin!(target.hung()));
        let stopped = select(program, hung).await;
        assert!(matches!(stopped, Either::Right(_)));
        let made = target
            .objects()
            .iter()
            .filter(|object| object.kind() == "ConfigMap")
            .count();
        assert_eq!(made, 3);
    });
}

#[test]
fn the_same_seed_goes_wrong_in_the_same_way() {
    let course = || {
        run(async |target, clock| {
            target.set_faults(Faults::all(0.2));
            let mut course = Vec::new();
            for i in 0..200 {
                let name = format!("c{}", i % 7);
                let answer = target
                    .apply(&config_map(&name, json!({"i": i.to_string()})), &ssa())
                    .await;
                course.push((
                    clock.now(),
                    answer
                        .map(|a| a.object.uid().to_owned())
                        .map_err(|e| e.to_string()),
                ));
            }
            target.clear_faults();
            let objects = target.objects();
            (course, objects)
        })
    };
    let (first, second) = (course(), course());
    assert_eq!(first, second);
    let failed = first.0.iter().filter(|(_, answer)| answer.is_err()).count();
    assert!((40..160).contains(&failed), "{failed} of 200 failed");
}

#[test]
fn a_watch_that_is_lost_is_resumed_without_a_gap() {
    let seen = |target: &MemoryTarget, clock: &SimClock| {
        let target = target.clone();
        let clock = clock.clone();
        async move {
            let mut version = target.snapshot(&Scope::all()).await.unwrap().version;
            let mut names = Vec::new();
            while names.len() < 50 {
                let Ok(mut watch) = target.watch(&Scope::all(), &version).await else {
                    clock.sleep(Duration::from_millis(100)).await;
                    continue;
                };
                while names.len() < 50
                    && let Some(Ok(event)) = watch.next().await
                {
                    match event {
                        gitops_core::WatchEvent::Applied(object) => {
                            version = object.resource_version().into();
                            names.push(object.name().to_owned());
                        }
                        gitops_core::WatchEvent::Bookmark(at) => version = at,
                        other => panic!("nothing was deleted: {other:?}"),
                    }
                }
            }
            names
        }
    };
    run(async |target, clock| {
        let mut faults = Faults::none();
        faults.lost_watches = 0.3;
        faults.expired_watches = 0.3;
        target.set_faults(faults);
        let writer = async {
            for i in 0..50 {
                clock.sleep(Duration::from_millis(10)).await;
                target
                    .apply(&config_map(&format!("c{i}"), json!({})), &ssa())
                    .await
                    .unwrap();
            }
        };
        let (names, ()) = futures::future::join(seen(&target, &clock), writer).await;
        let wanted: Vec<String> = (0..50).map(|i| format!("c{i}")).collect();
        assert_eq!(names, wanted);
    });
}

#[test]
fn a_refusal_is_told_as_it_was_scripted() {
    run(async |target, _| {
        let error = TargetError::Forbidden {
            key: key("", "ConfigMap", "a"),
            reason: "quota exceeded".to_owned(),
        };
        target.inject(
            Fault::new(Operation::Apply, FaultKind::Refused(error))
                .on_kind("", "ConfigMap")
                .forever(),
        );
        for _ in 0..3 {
            let answer = target.apply(&config_map("a", json!({})), &ssa()).await;
            assert!(matches!(answer, Err(TargetError::Forbidden { .. })));
        }
        target.clear_faults();
        target
            .apply(&config_map("a", json!({})), &ssa())
            .await
            .unwrap();
    });
}

#[test]
fn a_kind_that_cannot_be_listed_is_unknown_and_not_absent() {
    run(async |target, _| {
        target
            .apply(&config_map("a", json!({})), &ssa())
            .await
            .unwrap();
        let fault = Fault::new(Operation::Snapshot, FaultKind::Unlisted);
        target.inject(fault.on_kind("", "ConfigMap"));
        let snapshot = target.snapshot(&Scope::all()).await.unwrap();
        assert!(
            snapshot
                .objects
                .iter()
                .all(|object| object.kind() != "ConfigMap")
        );
        assert_eq!(snapshot.unlisted[0].0.kind, "ConfigMap");
        let snapshot = target.snapshot(&Scope::all()).await.unwrap();
        assert!(
            snapshot
                .objects
                .iter()
                .any(|object| object.kind() == "ConfigMap")
        );
        assert!(snapshot.unlisted.is_empty());
    });
}
