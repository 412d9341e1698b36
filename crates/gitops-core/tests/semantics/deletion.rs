//! Deletion, and what asks for somebody's consent.

use gitops_core::deletion::{APPROVED, CASCADE, POST_DELETE, PRE_DELETE};
use gitops_core::{Clock as _, Compat, Engine, SyncRequest};
use gitops_manifest::{Object, ObjectKey, Value};

use super::bed::{
    Bed, annotate, annotated, application, by_hand, condition, config, deleting, deployment, job,
    last,
};

fn application_object(bed: &Bed, name: &str) -> Option<Object> {
    bed.target.object(&ObjectKey::new(
        "argoproj.io",
        "Application",
        "argocd",
        name,
    ))
}

/// Puts the kinds of applications into the cluster, and an application as an object.
fn install(bed: &Bed, application: &gitops_core::application::Application) {
    bed.make("{apiVersion: v1, kind: Namespace, metadata: {name: argocd}}");
    for definition in gitops_core::application::definitions() {
        bed.make(&definition.to_value().to_json());
    }
    let mut application = application.clone();
    application.metadata.insert("namespace", "argocd");
    bed.make(&application.to_object().to_value().to_json());
}

/// Installs the application `web`, which goes with its objects, and waits until it is rolled out.
fn roll_out(bed: &Bed, engine: &Engine) {
    install(bed, &with_finalizers(application("web", "web"), &[CASCADE]));
    bed.settle(engine);
}

/// A bed whose `web` has an object and a hook that runs before the deletion.
fn with_a_hook(image: &str) -> Bed {
    Bed::new(&[
        (
            "web/before.yaml",
            job("before", image, "argocd.argoproj.io/hook: PreDelete"),
        ),
        ("web/a.yaml", config("a", "one")),
    ])
}

fn delete(bed: &Bed, engine: &Engine, name: &str) {
    use gitops_core::Target as _;
    let key = ObjectKey::new("argoproj.io", "Application", "argocd", name);
    let options = gitops_core::DeleteOptions::new(gitops_core::Propagation::Background);
    bed.clock
        .run(bed.target.delete(&key, &options))
        .expect("it is there");
    bed.run(engine, 1);
}

fn with_finalizers(
    mut application: gitops_core::application::Application,
    finalizers: &[&str],
) -> gitops_core::application::Application {
    let list: Vec<Value> = finalizers.iter().map(|f| Value::from(*f)).collect();
    application.metadata.insert("finalizers", Value::from(list));
    application
}

#[test]
fn hooks_run_before_and_after_the_objects_go() {
    let bed = Bed::new(&[
        (
            "web/before.yaml",
            job("before", "tool:1", "argocd.argoproj.io/hook: PreDelete"),
        ),
        (
            "web/after.yaml",
            job("after", "tool:1", "helm.sh/hook: post-delete"),
        ),
        (
            "web/a.yaml",
            annotated("a", "one", "argocd.argoproj.io/sync-wave: \"1\""),
        ),
        ("web/b.yaml", config("b", "one")),
    ]);
    let engine = bed.engine(|_| {});
    roll_out(&bed, &engine);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    assert!(
        bed.get("Job", "before").is_none(),
        "it runs at the deletion alone"
    );
    let object = application_object(&bed, "web").expect("it is there");
    let finalizers = object
        .meta("finalizers")
        .map(Value::to_json)
        .unwrap_or_default();
    assert!(
        finalizers.contains(PRE_DELETE) && finalizers.contains(POST_DELETE),
        "{finalizers}"
    );

    delete(&bed, &engine, "web");
    assert!(bed.get("Job", "before").is_some());
    assert!(bed.get("Job", "after").is_none());
    assert_eq!(
        bed.value("a").as_deref(),
        Some("one"),
        "the hook comes first"
    );
    bed.run(&engine, 60);
    assert!(application_object(&bed, "web").is_none());
    for (kind, name) in [
        ("ConfigMap", "a"),
        ("ConfigMap", "b"),
        ("Job", "before"),
        ("Job", "after"),
    ] {
        assert!(bed.get(kind, name).is_none(), "{kind}/{name}");
    }
    let made: Vec<String> = bed
        .target
        .take_requests()
        .into_iter()
        .filter(|r| {
            r.done
                && matches!(
                    r.operation,
                    gitops_memory::Operation::Apply | gitops_memory::Operation::Delete
                )
        })
        .filter_map(|r| r.key)
        .filter(|key| ["before", "after", "a", "b"].contains(&&*key.name))
        .map(|key| key.name.to_string())
        .collect();
    let position = |name: &str| made.iter().rposition(|made| made == name);
    assert!(
        position("b") > position("a"),
        "the highest wave goes first: {made:?}"
    );
    assert!(
        made.iter().position(|made| made == "after") > position("b"),
        "{made:?}"
    );
}

#[test]
fn hooks_of_the_default_policy_stay_where_argo_cd_lets_them() {
    let bed = with_a_hook("tool:1");
    let engine = bed.engine(|options| options.compat = Compat::ARGO_CD);
    roll_out(&bed, &engine);
    delete(&bed, &engine, "web");
    bed.run(&engine, 60);
    assert!(application_object(&bed, "web").is_none());
    assert!(bed.get("Job", "before").is_some());
}

#[test]
fn hooks_run_while_git_is_down() {
    let bed = with_a_hook("tool:1");
    let engine = bed.engine(|_| {});
    roll_out(&bed, &engine);
    bed.source.set_reachable(super::bed::REPO, false);
    delete(&bed, &engine, "web");
    assert!(bed.get("Job", "before").is_some());
    bed.run(&engine, 60);
    assert!(application_object(&bed, "web").is_none());
    assert_eq!(bed.value("a"), None);
}

#[test]
fn a_hook_that_fails_keeps_the_objects_and_is_made_anew() {
    let bed = with_a_hook("tool:fail");
    let engine = bed.engine(|_| {});
    roll_out(&bed, &engine);
    delete(&bed, &engine, "web");
    let id = engine.applications().remove(0);
    let mut told = false;
    for _ in 0..30 {
        bed.run(&engine, 1);
        let said = condition(&engine, &id, "DeletionError").unwrap_or_default();
        told |= said.contains("PreDelete hook(s) failed: shop/before");
    }
    assert!(told);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    // Somebody mends it.
    bed.edit(
        "web/before.yaml",
        Some(&job(
            "before",
            "tool:1",
            "argocd.argoproj.io/hook: PreDelete",
        )),
    );
    bed.run(&engine, 300);
    assert!(application_object(&bed, "web").is_none());
    assert_eq!(bed.value("a"), None);
}

#[test]
fn what_objects_own_is_awaited_or_not_as_the_finalizer_says() {
    for (ending, awaited) in [("", true), ("/foreground", true), ("/background", false)] {
        let bed = Bed::new(&[("web/web.yaml", deployment("web", "web:1"))]);
        let engine = bed.engine(|_| {});
        let finalizer = format!("{CASCADE}{ending}");
        install(
            &bed,
            &with_finalizers(application("web", "web"), &[&*finalizer]),
        );
        bed.settle(&engine);
        bed.make_child("example.com/hold");
        delete(&bed, &engine, "web");
        bed.run(&engine, 60);
        assert_eq!(bed.get("Deployment", "web").is_some(), awaited, "{ending}");
        assert_eq!(
            application_object(&bed, "web").is_some(),
            awaited,
            "{ending}"
        );
        let child = ObjectKey::new("", "ConfigMap", "shop", "child");
        let let_go = bed.target.edit(&child, |child| {
            child.metadata_mut().remove("finalizers");
        });
        let_go.expect("it is held");
        bed.run(&engine, 60);
        assert!(bed.get("Deployment", "web").is_none(), "{ending}");
        assert!(application_object(&bed, "web").is_none(), "{ending}");
        assert_eq!(bed.value("child"), None, "{ending}");
    }
}

#[test]
fn what_asks_for_consent_waits_for_it() {
    let bed = Bed::new(&[
        (
            "web/a.yaml",
            annotated(
                "a",
                "one",
                "argocd.argoproj.io/sync-options: Delete=confirm",
            ),
        ),
        (
            "web/b.yaml",
            annotated("b", "one", "argocd.argoproj.io/sync-options: Delete=false"),
        ),
        ("web/c.yaml", config("c", "one")),
    ]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    let began = bed.now();
    let mut going = deleting(application("web", "web"), &[CASCADE], began);
    engine.set_application(going.clone());
    bed.run(&engine, 200);
    let said = condition(&engine, &id, "DeletionConfirmationWarning").unwrap_or_default();
    assert!(said.contains("ConfigMap/shop/a"), "{said}");
    assert_eq!(bed.value("c").as_deref(), Some("one"), "all of it waits");
    annotate(&mut going, APPROVED, "2020-01-01T00:00:00Z");
    engine.set_application(going.clone());
    bed.run(&engine, 200);
    assert_eq!(
        bed.value("a").as_deref(),
        Some("one"),
        "an old consent is none"
    );
    annotate(&mut going, APPROVED, &bed.now().to_string());
    engine.set_application(going);
    bed.run(&engine, 200);
    assert_eq!((bed.value("a"), bed.value("c")), (None, None));
    assert_eq!(
        bed.value("b").as_deref(),
        Some("one"),
        "it says that it stays"
    );
}

#[test]
fn pruning_waits_for_consent_where_an_object_asks_for_it() {
    let bed = Bed::new(&[
        (
            "web/a.yaml",
            annotated("a", "one", "argocd.argoproj.io/sync-options: Prune=confirm"),
        ),
        ("web/b.yaml", config("b", "one")),
    ]);
    let engine = bed.engine(|_| {});
    let mut web = application("web", "web");
    let id = engine.set_application(web.clone());
    bed.settle(&engine);
    bed.edit("web/a.yaml", None);
    bed.run(&engine, 200);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    let said = last(&engine, &id).message;
    assert!(said.contains("waiting for pruning confirmation"), "{said}");
    annotate(&mut web, APPROVED, &bed.clock.now().to_string());
    engine.set_application(web);
    bed.settle(&engine);
    assert_eq!(bed.value("a"), None);
}

#[test]
fn an_application_without_our_finalizer_leaves_its_objects() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    install(&bed, &by_hand("web", "web"));
    bed.run(&engine, 2);
    let id = engine.applications().remove(0);
    bed.clock
        .run(engine.sync(&id, &SyncRequest::by("alice")))
        .unwrap();
    bed.settle(&engine);
    delete(&bed, &engine, "web");
    bed.run(&engine, 30);
    assert!(application_object(&bed, "web").is_none());
    assert_eq!(bed.value("a").as_deref(), Some("one"));
}

#[test]
fn an_application_that_others_depend_on_is_deleted_after_them() {
    let bed = Bed::new(&[
        ("db/a.yaml", config("a", "one")),
        ("web/b.yaml", config("b", "one")),
    ]);
    let engine = bed.engine(|_| {});
    let mut web = application("web", "web");
    annotate(&mut web, gitops_core::DEPENDS_ON, "db");
    install(&bed, &with_finalizers(application("db", "db"), &[CASCADE]));
    install(&bed, &with_finalizers(web, &[CASCADE, "example.com/keeps"]));
    bed.settle(&engine);
    delete(&bed, &engine, "db");
    delete(&bed, &engine, "web");
    bed.run(&engine, 60);
    assert_eq!(bed.value("b"), None);
    // The dependent one is still there for somebody else's sake.
    assert!(application_object(&bed, "web").is_some());
}

#[test]
fn a_project_that_forbids_the_destination_keeps_what_it_hides() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let mut wanted = application("web", "web");
    wanted.spec.project = "shop".into();
    let mut project = gitops_core::application::AppProject::new(
        "shop",
        gitops_core::application::AppProject::allow_all().spec,
    );
    engine.set_project(project.clone());
    let id = engine.set_application(wanted.clone());
    bed.settle(&engine);
    let allowed = std::mem::take(&mut project.spec.destinations);
    engine.set_project(project.clone());
    engine.set_application(deleting(
        wanted,
        &["resources-finalizer.argocd.argoproj.io"],
        bed.now(),
    ));
    bed.run(&engine, 5);
    let told = condition(&engine, &id, "DeletionError").expect("it is told");
    assert!(
        told.contains("do not match any of the allowed destinations"),
        "{told}"
    );
    assert!(bed.value("a").is_some());
    project.spec.destinations = allowed;
    engine.set_project(project);
    bed.run(&engine, 200);
    assert_eq!(bed.value("a"), None);
}
