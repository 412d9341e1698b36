//! Whom objects belong to, from the application to the cluster.

use gitops_core::application::SyncStatusCode;
use gitops_core::tracking::TrackingMethod;

use super::bed::{Bed, application, config, sync_status};

#[test]
fn objects_are_found_again_by_each_method() {
    for method in [
        TrackingMethod::Annotation,
        TrackingMethod::Label,
        TrackingMethod::AnnotationAndLabel,
    ] {
        let bed = Bed::new(&[
            ("web/a.yaml", config("a", "one")),
            ("web/b.yaml", config("b", "one")),
        ]);
        let engine = bed.engine(|options| options.tracking.method = method);
        let id = engine.set_application(application("web", "web"));
        bed.settle(&engine);
        assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
        let live = bed.get("ConfigMap", "a").unwrap();
        let (label, annotation) = (
            live.label("app.kubernetes.io/instance"),
            live.annotation("argocd.argoproj.io/tracking-id"),
        );
        assert_eq!(
            label,
            (method != TrackingMethod::Annotation).then_some("web")
        );
        let by_id = (method != TrackingMethod::Label).then_some("web:/ConfigMap:shop/a");
        assert_eq!(annotation, by_id);
        bed.edit("web/b.yaml", None);
        bed.settle(&engine);
        assert_eq!(bed.value("b"), None, "{method:?}");
    }
}

#[test]
fn installations_that_share_a_cluster_leave_each_other_alone() {
    let bed = Bed::with_two();
    let first = bed.engine(|options| options.tracking.installation = "first".into());
    let id = first.set_application(application("web", "web"));
    bed.settle(&first);
    assert_eq!(sync_status(&first, &id), SyncStatusCode::Synced);
    // Another installation has an application of the same name, with other objects.
    bed.edit("else/c.yaml", Some(&config("c", "one")));
    let store = gitops_memory::MemoryStore::new();
    let mut options = gitops_core::EngineOptions::default();
    options.tracking.installation = "second".into();
    let second = gitops_core::Engine::builder(bed.source.clone(), bed.target.clone(), store)
        .clock(bed.clock.clone())
        .options(options)
        .build();
    second.set_application(application("web", "else"));
    bed.settle(&second);
    bed.run(&first, 60);
    for name in ["a", "b", "c"] {
        assert_eq!(bed.value(name).as_deref(), Some("one"), "{name}");
    }
}
