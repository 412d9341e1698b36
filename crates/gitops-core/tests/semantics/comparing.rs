//! How objects are compared follows how they are applied, and what the application asks for.

use gitops_core::application::SyncStatusCode;
use gitops_core::{ApplicationId, ApplyOptions, Engine, SyncRequest, Target as _};
use gitops_manifest::{Object, ObjectKey, Value};
use gitops_memory::Operation;

use super::bed::{
    Bed, annotate, annotated, application, by_hand, condition, config, parse, sync_status,
    with_options,
};

const SERVER_SIDE: &[&str] = &["ServerSideApply=true"];

/// A ConfigMap with two keys.
fn two_keys(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: one, other: two}}\n"
    )
}

/// Syncs an application by hand.
fn sync(bed: &Bed, engine: &Engine, id: &ApplicationId) {
    bed.run(engine, 2);
    let request = SyncRequest::by("alice");
    bed.clock.run(engine.sync(id, &request)).unwrap();
    bed.settle(engine);
}

fn at(object: &Object, path: &[&str]) -> Option<Value> {
    object.at(path).cloned()
}

#[test]
fn what_is_wanted_no_more_goes_from_what_the_server_applied() {
    for options in [&[][..], SERVER_SIDE] {
        let bed = Bed::new(&[("web/a.yaml", two_keys("a"))]);
        let engine = bed.engine(|_| {});
        let id = engine.set_application(with_options(application("web", "web"), options));
        bed.settle(&engine);
        bed.edit("web/a.yaml", Some(&config("a", "one")));
        bed.settle(&engine);
        let found = bed.get("ConfigMap", "a").unwrap();
        assert_eq!(at(&found, &["data", "other"]), None, "{options:?}");
        assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
    }
}

#[test]
fn an_object_is_compared_as_it_is_applied() {
    for (options, own) in [
        (SERVER_SIDE, "ServerSideApply=false"),
        (&[], "ServerSideApply=true"),
    ] {
        let own = format!("argocd.argoproj.io/sync-options: {own}");
        let both = annotated("a", "one\", other: \"two", &own);
        let bed = Bed::new(&[("web/a.yaml", both)]);
        let engine = bed.engine(|_| {});
        engine.set_application(with_options(application("web", "web"), options));
        bed.settle(&engine);
        bed.edit("web/a.yaml", Some(&annotated("a", "one", &own)));
        bed.settle(&engine);
        let found = bed.get("ConfigMap", "a").unwrap();
        assert_eq!(at(&found, &["data", "other"]), None, "{own}");
    }
}

#[test]
fn what_was_applied_on_the_client_side_goes_with_the_first_apply_on_the_server() {
    for (option, goes) in [
        ("ClientSideApplyMigration=true", true),
        ("ClientSideApplyMigration=false", false),
    ] {
        let bed = Bed::new(&[("web/a.yaml", two_keys("a"))]);
        let engine = bed.engine(|_| {});
        let id = engine.set_application(application("web", "web"));
        bed.settle(&engine);
        engine.set_application(with_options(
            application("web", "web"),
            &["ServerSideApply=true", option],
        ));
        bed.edit("web/a.yaml", Some(&config("a", "one")));
        bed.settle(&engine);
        let found = bed.get("ConfigMap", "a").unwrap();
        assert_eq!(at(&found, &["data", "other"]).is_none(), goes, "{option}");
        assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
    }
}

#[test]
fn what_others_add_to_what_the_server_applied_is_theirs() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(with_options(application("web", "web"), SERVER_SIDE));
    bed.settle(&engine);
    bed.make("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata: {other: two}\n");
    bed.run(&engine, 30);
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
    let found = bed.get("ConfigMap", "a").unwrap();
    assert_eq!(at(&found, &["data", "other"]), Some("two".into()));
}

/// The definition of a kind with a list that is atomic, or a map by the name of its elements.
fn definition(list: &str) -> String {
    let ports = "type: array, items: {type: object, required: [name], properties: {name: {type: string}, port: \
                 {type: integer}}}";
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: gates.example.com}}\n\
         spec:\n  group: example.com\n  scope: Namespaced\n  names: {{kind: Gate, plural: gates, singular: gate, \
         listKind: GateList}}\n  versions:\n  - name: v1\n    served: true\n    storage: true\n    schema: \
         {{openAPIV3Schema: {{type: object, properties: {{spec: {{type: object, properties: {{ports: {{{ports}, \
         {list}}}}}}}}}}}}}\n"
    )
}

const BY_NAME: &str = "x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name]";

fn gate(ports: &str) -> String {
    format!(
        "apiVersion: example.com/v1\nkind: Gate\nmetadata: {{name: g, namespace: shop}}\nspec: {{ports: [{ports}]}}\n"
    )
}

#[test]
fn lists_of_custom_resources_are_compared_by_their_definition() {
    let bed = Bed::new(&[("web/g.yaml", gate("{name: web, port: 80}"))]);
    bed.make(&definition(BY_NAME));
    let engine = bed.engine(|_| {});
    let id = engine.set_application(with_options(application("web", "web"), SERVER_SIDE));
    bed.settle(&engine);
    bed.make(&gate("{name: metrics, port: 9090}"));
    bed.run(&engine, 30);
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
    let key = ObjectKey::new("example.com", "Gate", "shop", "g");
    let found = bed.target.object(&key).unwrap();
    let ports = at(&found, &["spec", "ports"]).unwrap();
    assert_eq!(
        ports.as_array().unwrap().len(),
        2,
        "both have their own: {ports:?}"
    );
    // A field of its own that somebody else changed is a difference all the same.
    bed.make(&gate("{name: web, port: 81}, {name: metrics, port: 9090}"));
    bed.settle(&engine);
    let found = bed.target.object(&key).unwrap();
    let ports = at(&found, &["spec", "ports"]).unwrap();
    assert_eq!(ports.as_array().unwrap()[0]["port"], 80.into());
}

#[test]
fn a_definition_that_changes_is_read_again() {
    let bed = Bed::new(&[("web/g.yaml", gate("{name: web, port: 80}"))]);
    bed.make(&definition("x-kubernetes-list-type: atomic"));
    let engine = bed.engine(|_| {});
    let id = engine.set_application(with_options(by_hand("web", "web"), SERVER_SIDE));
    sync(&bed, &engine, &id);
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
    bed.make(&gate("{name: web, port: 80}, {name: metrics, port: 9090}"));
    bed.run(&engine, 3);
    assert_eq!(
        sync_status(&engine, &id),
        SyncStatusCode::OutOfSync,
        "the list is one value"
    );
    bed.make(&definition(BY_NAME));
    bed.run(&engine, 3);
    assert_eq!(
        sync_status(&engine, &id),
        SyncStatusCode::Synced,
        "the new element is somebody else's"
    );
}

/// Counts the questions that were asked since the last call.
fn dry_runs(bed: &Bed) -> usize {
    bed.target
        .take_requests()
        .into_iter()
        .filter(|request| request.operation == Operation::DryRun)
        .count()
}

#[test]
fn the_server_is_asked_where_that_is_wanted_and_once() {
    let annotation = "argocd.argoproj.io/compare-options";
    for (everywhere, own, asked) in [
        (false, "", false),
        (true, "", true),
        (false, "ServerSideDiff=true", true),
        (true, "IgnoreExtraneous, ServerSideDiff=false", false),
        (false, "ServerSideDiff=true, ServerSideDiff=false", false),
    ] {
        let bed = Bed::with_two();
        let engine = bed.engine(|options| options.server_side_diff = everywhere);
        let mut web = with_options(by_hand("web", "web"), SERVER_SIDE);
        annotate(&mut web, annotation, own);
        let id = engine.set_application(web);
        sync(&bed, &engine, &id);
        dry_runs(&bed);
        bed.set_value("a", "by hand");
        bed.run(&engine, 3);
        assert_eq!(sync_status(&engine, &id), SyncStatusCode::OutOfSync);
        let questions = dry_runs(&bed);
        assert_eq!(
            questions,
            usize::from(asked),
            "of the one that changed, once: {everywhere} {own:?}"
        );
        bed.run(&engine, 10);
        assert_eq!(dry_runs(&bed), 0);
    }
}

#[test]
fn the_answer_of_the_server_decides() {
    let bed = Bed::new(&[("web/a.yaml", two_keys("a"))]);
    let engine = bed.engine(|options| options.server_side_diff = true);
    for options in [&[][..], SERVER_SIDE] {
        let id = engine.set_application(with_options(application("web", "web"), options));
        bed.settle(&engine);
        assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
        // What is wanted no more goes, however it was applied.
        bed.edit("web/a.yaml", Some(&config("a", "one")));
        bed.settle(&engine);
        let found = bed.get("ConfigMap", "a").unwrap();
        assert_eq!(at(&found, &["data", "other"]), None, "{options:?}");
        bed.edit("web/a.yaml", Some(&two_keys("a")));
        bed.settle(&engine);
    }
}

#[test]
fn an_answer_that_is_a_refusal_is_told() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|options| options.server_side_diff = true);
    let id = engine.set_application(with_options(by_hand("web", "web"), SERVER_SIDE));
    let made = parse(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\ndata: {key: two}\nimmutable: true\n",
    );
    bed.clock
        .run(bed.target.apply(&made, &ApplyOptions::server_side("x")))
        .unwrap();
    bed.run(&engine, 3);
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Unknown);
    let said = condition(&engine, &id, "ComparisonError").unwrap_or_default();
    assert!(said.contains("the dry run says: "), "{said}");
}
