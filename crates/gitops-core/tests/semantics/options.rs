//! Each option of a sync does what it says, from the application to the cluster.

use gitops_core::application::ResourceIgnoreDifferences;
use gitops_core::application::{ManagedNamespaceMetadata, OperationPhase, SyncStatusCode};
use gitops_core::{EngineError, SyncRequest};
use gitops_manifest::{ObjectKey, Value};
use gitops_memory::Operation;

use super::bed::{
    Bed, annotated, application, by_hand, condition, config, deployment, job, last, phase, policy,
    sync_status, with_options,
};

/// Returns the names of the objects that were really applied since the last call.
fn applied(bed: &Bed) -> Vec<String> {
    let mut names: Vec<String> = bed
        .target
        .take_requests()
        .into_iter()
        .filter(|request| request.done && request.operation == Operation::Apply)
        .filter_map(|request| Some(request.key?.name.to_string()))
        .collect();
    names.sort();
    names
}

#[test]
fn only_what_differs_is_applied_where_that_is_asked_for() {
    for (options, expected) in [
        (&[][..], &["a", "b"][..]),
        (&["ApplyOutOfSyncOnly=true"], &["a"]),
    ] {
        let bed = Bed::new(&[
            ("web/a.yaml", config("a", "one")),
            ("web/b.yaml", config("b", "one")),
        ]);
        let engine = bed.engine(|_| {});
        engine.set_application(with_options(application("web", "web"), options));
        bed.settle(&engine);
        applied(&bed);
        bed.edit("web/a.yaml", Some(&config("a", "two")));
        bed.settle(&engine);
        assert_eq!(applied(&bed), expected);
    }
}

#[test]
fn objects_of_two_applications_are_told_and_refused_where_that_is_asked_for() {
    let bed = Bed::new(&[
        ("one/a.yaml", config("a", "one")),
        ("two/a.yaml", config("a", "two")),
    ]);
    let engine = bed.engine(|_| {});
    engine.set_application(application("one", "one"));
    bed.settle(&engine);
    let two = with_options(by_hand("two", "two"), &["FailOnSharedResource=true"]);
    let id = engine.set_application(two);
    bed.run(&engine, 1);
    let said = condition(&engine, &id, "SharedResourceWarning").unwrap_or_default();
    assert_eq!(
        said,
        "ConfigMap/a is part of applications argocd/two and one"
    );
    bed.clock
        .run(engine.sync(&id, &SyncRequest::by("alice")))
        .unwrap();
    bed.run(&engine, 5);
    assert_eq!(phase(&engine, &id), Some(OperationPhase::Failed));
    let said = last(&engine, &id).message;
    assert!(
        said.starts_with("Shared resource found: ConfigMap/a"),
        "{said}"
    );
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    let plan = bed
        .clock
        .run(engine.plan(&id, &SyncRequest::by("alice")))
        .unwrap();
    assert!(matches!(
        bed.clock.run(engine.apply_plan(&plan)),
        Err(EngineError::NotReady { .. })
    ));
}

#[test]
fn ignored_fields_are_left_alone_where_that_is_asked_for() {
    for (options, expected) in [
        (&[][..], "one"),
        (&["RespectIgnoreDifferences=true"], "by hand"),
    ] {
        let bed = Bed::new(&[
            ("web/a.yaml", config("a", "one")),
            ("web/b.yaml", config("b", "one")),
        ]);
        let engine = bed.engine(|_| {});
        let mut web = with_options(application("web", "web"), options);
        web.spec.ignore_differences = vec![ResourceIgnoreDifferences {
            kind: "ConfigMap".into(),
            json_pointers: vec!["/data/key".into()],
            name: "a".into(),
            ..ResourceIgnoreDifferences::default()
        }];
        let id = engine.set_application(web);
        bed.settle(&engine);
        bed.set_value("a", "by hand");
        bed.run(&engine, 30);
        assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
        bed.edit("web/b.yaml", Some(&config("b", "two")));
        bed.settle(&engine);
        assert_eq!(bed.value("a").as_deref(), Some(expected));
    }
}

fn managers(bed: &Bed, name: &str) -> Vec<(String, String)> {
    let object = bed.get("ConfigMap", name).expect("it is there");
    let fields = object
        .meta("managedFields")
        .and_then(Value::as_array)
        .cloned();
    fields
        .iter()
        .flat_map(|list| list.iter())
        .map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            (text("manager"), text("operation"))
        })
        .collect()
}

#[test]
fn objects_are_applied_on_the_server_where_that_is_asked_for() {
    let own = "argocd.argoproj.io/sync-options: ServerSideApply=false";
    let bed = Bed::new(&[
        ("web/a.yaml", config("a", "one")),
        ("web/b.yaml", annotated("b", "one", own)),
    ]);
    let engine = bed.engine(|_| {});
    engine.set_application(with_options(
        application("web", "web"),
        &["ServerSideApply=true"],
    ));
    bed.settle(&engine);
    let manager = |operation: &str| ("argocd-controller".to_owned(), operation.to_owned());
    assert_eq!(managers(&bed, "a"), [manager("Apply")]);
    assert_eq!(
        managers(&bed, "b"),
        [manager("Update")],
        "the object's own word counts"
    );
}

#[test]
fn objects_are_replaced_where_that_is_asked_for() {
    for (options, kept) in [(&[][..], true), (&["Replace=true"], false)] {
        let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
        let engine = bed.engine(|_| {});
        engine.set_application(with_options(application("web", "web"), options));
        bed.settle(&engine);
        let key = ObjectKey::new("", "ConfigMap", "shop", "a");
        bed.target
            .edit(&key, |object| {
                object
                    .as_map_mut()
                    .entry_object("data")
                    .insert("other", "by hand");
            })
            .unwrap();
        bed.edit("web/a.yaml", Some(&config("a", "two")));
        bed.settle(&engine);
        let other = bed
            .get("ConfigMap", "a")
            .and_then(|a| a.at(&["data", "other"]).cloned());
        assert_eq!(other.is_some(), kept);
    }
}

#[test]
fn what_cannot_be_changed_is_made_anew_where_that_is_asked_for() {
    for (options, expected) in [
        (&[][..], OperationPhase::Failed),
        (&["Force=true"], OperationPhase::Succeeded),
    ] {
        let bed = Bed::new(&[("web/job.yaml", job("job", "tool:1", ""))]);
        let engine = bed.engine(|_| {});
        let mut web = with_options(application("web", "web"), options);
        policy(&mut web).retry = Some(gitops_core::application::RetryStrategy::default());
        let id = engine.set_application(web);
        bed.settle(&engine);
        let uid = bed.get("Job", "job").unwrap().uid().to_owned();
        // The template of a Job is immutable.
        bed.edit("web/job.yaml", Some(&job("job", "tool:2", "")));
        bed.run(&engine, 60);
        assert_eq!(
            phase(&engine, &id),
            Some(expected),
            "{:?}",
            last(&engine, &id)
        );
        let anew = bed.get("Job", "job").unwrap().uid() != uid;
        assert_eq!(anew, expected == OperationPhase::Succeeded);
    }
}

#[test]
fn objects_are_not_checked_where_that_is_asked_for() {
    let wrong = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: \"one\"}\ncolour: blue\n";
    for (options, expected) in [(&[][..], None), (&["Validate=false"], Some("one"))] {
        let bed = Bed::new(&[("web/a.yaml", wrong.to_owned())]);
        let engine = bed.engine(|_| {});
        engine.set_application(with_options(application("web", "web"), options));
        bed.run(&engine, 20);
        assert_eq!(bed.value("a").as_deref(), expected, "{options:?}");
    }
}

#[test]
fn a_kind_that_a_hook_brings_is_awaited_where_that_is_asked_for() {
    let custom = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n";
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: \
                      widgets.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  names: {kind: Widget, \
                      plural: widgets, singular: widget, listKind: WidgetList}\n  versions:\n  - {name: v1, served: true, \
                      storage: true, schema: {openAPIV3Schema: {type: object}}}\n";
    for (options, expected) in [
        (&[][..], OperationPhase::Failed),
        (
            &["SkipDryRunOnMissingResource=true"],
            OperationPhase::Succeeded,
        ),
    ] {
        let bed = Bed::new(&[
            ("web/w.yaml", custom.to_owned()),
            ("web/a.yaml", config("a", "one")),
        ]);
        let engine = bed.engine(|_| {});
        let mut web = with_options(application("web", "web"), options);
        policy(&mut web).retry = Some(gitops_core::application::RetryStrategy {
            limit: if expected == OperationPhase::Failed {
                0
            } else {
                5
            },
            ..Default::default()
        });
        let id = engine.set_application(web);
        bed.run(&engine, 3);
        // An operator installs its kind while the sync runs.
        bed.make(definition);
        bed.run(&engine, 60);
        assert_eq!(
            phase(&engine, &id),
            Some(expected),
            "{:?}",
            last(&engine, &id)
        );
        if expected == OperationPhase::Failed {
            assert!(last(&engine, &id).message.contains("does not know kind"));
        }
    }
}

#[test]
fn the_namespace_is_made_with_its_metadata_and_follows_it() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let mut web = with_options(application("web", "web"), &["CreateNamespace=true"]);
    web.spec.destination.namespace = "fresh".into();
    let labels = |value: &str| {
        Some(ManagedNamespaceMetadata {
            labels: [("team".to_owned(), value.to_owned())].into(),
            ..ManagedNamespaceMetadata::default()
        })
    };
    policy(&mut web).managed_namespace_metadata = labels("one");
    let id = engine.set_application(web.clone());
    bed.settle(&engine);
    let namespace = || {
        bed.target
            .object(&ObjectKey::new("", "Namespace", "", "fresh"))
            .unwrap()
    };
    assert_eq!(namespace().label("team"), Some("one"));
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
    policy(&mut web).managed_namespace_metadata = labels("two");
    engine.set_application(web);
    bed.settle(&engine);
    assert_eq!(namespace().label("team"), Some("two"));
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
}

#[test]
fn metadata_of_a_namespace_is_no_difference_before_the_first_sync() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    bed.make(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop, \
         annotations: {argocd.argoproj.io/tracking-id: 'web:/ConfigMap:shop/a'}}, data: {key: one}}",
    );
    let engine = bed.engine(|_| {});
    let mut web = with_options(by_hand("web", "web"), &["CreateNamespace=true"]);
    policy(&mut web).managed_namespace_metadata = Some(ManagedNamespaceMetadata {
        labels: [("team".to_owned(), "one".to_owned())].into(),
        ..ManagedNamespaceMetadata::default()
    });
    let id = engine.set_application(web);
    bed.settle(&engine);
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
}

#[test]
fn some_objects_alone_are_synced_without_hooks_and_history() {
    let bed = Bed::new(&[
        (
            "web/hook.yaml",
            job("first", "tool:1", "argocd.argoproj.io/hook: PreSync"),
        ),
        ("web/a.yaml", config("a", "one")),
        ("web/b.yaml", config("b", "one")),
    ]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(by_hand("web", "web"));
    bed.run(&engine, 1);
    let mut request = SyncRequest::by("alice");
    request.resources = vec![ObjectKey::new("", "ConfigMap", "", "a")];
    bed.clock.run(engine.sync(&id, &request)).unwrap();
    bed.run(&engine, 20);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    assert_eq!(bed.value("b"), None);
    assert!(bed.get("Job", "first").is_none());
    assert!(bed.clock.run(engine.history_of(&id)).unwrap().is_empty());
}

#[test]
fn what_is_pruned_goes_last_where_that_is_asked_for() {
    for (options, gone) in [(&[][..], true), (&["PruneLast=true"], false)] {
        let bed = Bed::new(&[
            ("web/a.yaml", config("a", "one")),
            ("web/b.yaml", config("b", "one")),
        ]);
        let engine = bed.engine(|_| {});
        engine.set_application(with_options(application("web", "web"), options));
        bed.settle(&engine);
        bed.edit("web/a.yaml", None);
        bed.edit("web/web.yaml", Some(&deployment("web", "web:hang")));
        bed.run(&engine, 30);
        assert_eq!(bed.value("a").is_none(), gone, "{options:?}");
    }
}

#[test]
fn an_object_may_refuse_to_be_pruned() {
    let keeps = "argocd.argoproj.io/sync-options: Prune=false";
    let bed = Bed::new(&[
        ("web/a.yaml", annotated("a", "one", keeps)),
        ("web/b.yaml", config("b", "one")),
    ]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    bed.edit("web/a.yaml", None);
    bed.run(&engine, 60);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::OutOfSync);
}
