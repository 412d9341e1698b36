//! How health is told: with its cause, over time, and when it flaps.

use std::time::Duration;

use gitops_core::{Next, PROGRESS_DEADLINE};
use gitops_manifest::{ObjectKey, Value};

use super::bed::{Bed, annotate, application, condition, deployment, health};

/// Its health is what its status says; nobody in memory writes that.
const CERTIFICATE: &str = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: web}\nspec: {secretName: web}\n";

const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: \
     certificates.cert-manager.io}\nspec:\n  group: cert-manager.io\n  scope: Namespaced\n  names: {kind: Certificate, plural: \
     certificates}\n  versions:\n  - {name: v1, served: true, storage: true, subresources: {status: {}}, schema: \
     {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}\n";

fn set(bed: &Bed, ready: &str) {
    let key = ObjectKey::new("cert-manager.io", "Certificate", "shop", "web");
    let status = serde_json::json!({"conditions": [
        {"type": "Ready", "status": ready, "reason": "Ready", "message": "as it is"},
    ]});
    bed.target
        .set_status(&key, Value::from(status))
        .expect("it is there");
}

#[test]
fn the_object_at_the_root_is_named() {
    let bed = Bed::new(&[("web/web.yaml", deployment("web", "shop/web:bad"))]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.run(&engine, 60);
    let status = engine.status(&id).unwrap();
    assert_eq!(status.health.status, "Progressing");
    let message = &status.health.message;
    assert!(
        message
            .starts_with("apps/Deployment/shop/web is Progressing: Waiting for rollout to finish"),
        "{message}"
    );
    assert!(message.contains(", because of Pod/shop/web-"), "{message}");
    assert!(message.contains(" (main): ImagePullBackOff: "), "{message}");
    let refreshed = engine.refreshed(&id).unwrap();
    let cause = refreshed.comparison.health.cause.as_ref().unwrap();
    assert_eq!(
        (&*cause.object.kind, &*cause.reason),
        ("Pod", "ImagePullBackOff")
    );
}

#[test]
fn progress_without_end_is_degraded_where_that_is_asked_for() {
    let bed = Bed::new(&[("web/web.yaml", deployment("web", "shop/web:bad"))]);
    let engine = bed.engine(|options| {
        options.health.progress_deadline = Some(Duration::from_secs(300));
    });
    let mut web = application("web", "web");
    annotate(&mut web, PROGRESS_DEADLINE, "2m");
    let id = engine.set_application(web.clone());
    bed.run(&engine, 60);
    assert_eq!(health(&engine, &id), "Progressing");
    let next = bed.clock.run(engine.reconcile(&id)).unwrap();
    let Next::After(wait) = next else {
        panic!("nobody looks when the deadline is over");
    };
    assert!(wait <= Duration::from_secs(90), "{wait:?}");
    bed.run(&engine, 70);
    assert_eq!(health(&engine, &id), "Degraded");
    let message = engine.status(&id).unwrap().health.message;
    assert!(message.contains("no progress for 2m"), "{message}");

    // An application that says nothing goes by the option, one that says zero has no deadline.
    annotate(&mut web, PROGRESS_DEADLINE, "0");
    engine.set_application(web.clone());
    bed.run(&engine, 200);
    assert_eq!(health(&engine, &id), "Progressing");
    web.metadata.remove("annotations");
    engine.set_application(web.clone());
    bed.run(&engine, 2);
    assert_eq!(health(&engine, &id), "Degraded");

    annotate(&mut web, PROGRESS_DEADLINE, "soon");
    engine.set_application(web);
    bed.run(&engine, 2);
    let said = condition(&engine, &id, "InvalidAnnotationWarning").expect("it is told");
    assert!(
        said.contains("gitops/progress-deadline: \"soon\""),
        "{said}"
    );
}

#[test]
fn an_object_that_flaps_is_told_of() {
    let bed = Bed::new(&[("web/web.yaml", CERTIFICATE.into())]);
    bed.make(DEFINITION);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.run(&engine, 10);
    set(&bed, "True");
    bed.run(&engine, 10);
    assert_eq!(health(&engine, &id), "Healthy");
    set(&bed, "False");
    bed.run(&engine, 10);
    assert_eq!(health(&engine, &id), "Degraded");
    assert_eq!(condition(&engine, &id, "HealthFlappingWarning"), None);
    for ready in ["True", "False", "True"] {
        set(&bed, ready);
        bed.run(&engine, 10);
    }
    assert_eq!(health(&engine, &id), "Healthy");
    let said = condition(&engine, &id, "HealthFlappingWarning").expect("it is told");
    assert!(
        said.starts_with("cert-manager.io/Certificate/shop/web went from well to ill"),
        "{said}"
    );
    bed.run(&engine, 700);
    assert_eq!(condition(&engine, &id, "HealthFlappingWarning"), None);
}

#[test]
fn what_does_not_last_need_not_count() {
    let bed = Bed::new(&[("web/web.yaml", CERTIFICATE.into())]);
    bed.make(DEFINITION);
    let engine = bed.engine(|options| options.health.hysteresis = Duration::from_secs(20));
    let id = engine.set_application(application("web", "web"));
    bed.run(&engine, 10);
    set(&bed, "True");
    bed.run(&engine, 60);
    assert_eq!(health(&engine, &id), "Healthy");
    set(&bed, "False");
    bed.run(&engine, 10);
    assert_eq!(health(&engine, &id), "Healthy");
    bed.run(&engine, 20);
    assert_eq!(health(&engine, &id), "Degraded");
}
