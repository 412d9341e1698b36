//! How writes are put to a server.

use gitops_core::{
    ApplyMode, ApplyOptions, DeleteOptions, Effect, Precondition, Propagation, Target as _,
    TargetError,
};
use gitops_kube::KubeOptions;
use gitops_manifest::{Object, ObjectKey};
use serde_json::{Value, json};

use crate::fake::{Reply, Seen, map, target, usual_kinds};

const WEB: &str = "/api/v1/namespaces/shop/configmaps/web";

fn web(x: &str) -> Object {
    let web = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop"}, "data": {"x": x},
    });
    Object::try_from(web).unwrap()
}

fn kinds_and(
    answer: impl Fn(&Seen) -> Reply + Send + 'static,
) -> impl FnMut(&Seen) -> Reply + Send + 'static {
    move |seen| usual_kinds(seen).unwrap_or_else(|| answer(seen))
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_is_what_is_sent() {
    let (target, log) = target(
        KubeOptions::default(),
        kinds_and(|seen| match seen.method.as_str() {
            "GET" => Reply::not_found("configmaps", "web"),
            _ => Reply::text(201, map("web", 5, "1").to_string()),
        }),
    );
    let mut options = ApplyOptions::server_side("the manager")
        .with_force(true)
        .with_dry_run(true);
    options.validate = false;
    let applied = target.apply(&web("1"), &options).await.unwrap();
    assert_eq!(applied.effect, Effect::Created);
    let seen = log.all().pop().unwrap();
    assert!(seen.is("PATCH", WEB));
    assert_eq!(
        seen.query,
        "fieldManager=the%20manager&fieldValidation=Ignore&dryRun=All&force=true"
    );
    assert_eq!(
        seen.header("content-type"),
        Some("application/apply-patch+yaml")
    );
    let create = ApplyOptions::server_side("m").with_mode(ApplyMode::Create);
    target.apply(&web("1"), &create).await.unwrap();
    let seen = log.all().pop().unwrap();
    assert!(seen.is("POST", "/api/v1/namespaces/shop/configmaps"));
    assert_eq!(seen.query, "fieldManager=m&fieldValidation=Strict");
}

#[tokio::test(start_paused = true)]
async fn the_effect_is_told_by_the_version() {
    for (answered, effect) in [(5, Effect::Unchanged), (6, Effect::Configured)] {
        let (target, log) = target(
            KubeOptions::default(),
            kinds_and(move |seen| match seen.method.as_str() {
                "GET" => Reply::json(&map("web", 5, "1")),
                _ => Reply::json(&map("web", answered, "1")),
            }),
        );
        let options = ApplyOptions::server_side("m");
        assert_eq!(
            target.apply(&web("1"), &options).await.unwrap().effect,
            effect
        );
        // Where the version is expected it need not be asked for.
        let asked = log.to(WEB).len();
        let exact = options.with_precondition(Precondition::Unchanged {
            uid: "uid-web".into(),
            resource_version: "5".into(),
        });
        assert_eq!(
            target.apply(&web("1"), &exact).await.unwrap().effect,
            effect
        );
        assert_eq!(log.to(WEB).len(), asked + 1);
        let sent = log.all().pop().unwrap().json();
        assert_eq!(sent["metadata"]["resourceVersion"], "5");
        assert_eq!(sent["metadata"]["uid"], "uid-web");
    }
}

#[tokio::test(start_paused = true)]
async fn the_effect_of_a_dry_run_is_told_by_the_content() {
    for (x, effect) in [("1", Effect::Unchanged), ("2", Effect::Configured)] {
        for mode in [
            ApplyMode::ServerSide,
            ApplyMode::ClientSide,
            ApplyMode::Replace,
        ] {
            let (target, _) = target(
                KubeOptions::default(),
                kinds_and(move |seen| match seen.method.as_str() {
                    "GET" => Reply::json(&map("web", 5, "1")),
                    _ => Reply::json(&map("web", 5, x)),
                }),
            );
            let options = ApplyOptions::server_side("m")
                .with_mode(mode)
                .with_dry_run(true);
            let applied = target.apply(&web(x), &options).await.unwrap();
            assert_eq!(applied.effect, effect, "{mode:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn client_side_apply_patches_as_kubectl_does() {
    let live = || {
        let mut live = map("web", 5, "1");
        let applied = r#"{"apiVersion":"v1","data":{"gone":"1","x":"0"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"web","namespace":"shop"}}"#;
        live["data"]["gone"] = "1".into();
        live["data"]["theirs"] = "1".into();
        live["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
            applied.into();
        live
    };
    let (target, log) = target(
        KubeOptions::default(),
        kinds_and(move |seen| match seen.method.as_str() {
            "GET" => Reply::json(&live()),
            _ => Reply::json(&map("web", 6, "<2>")),
        }),
    );
    let options = ApplyOptions::server_side("m").with_mode(ApplyMode::ClientSide);
    let applied = target.apply(&web("<2>"), &options).await.unwrap();
    assert_eq!(applied.effect, Effect::Configured);
    let seen = log.all().pop().unwrap();
    assert_eq!(
        seen.header("content-type"),
        Some("application/strategic-merge-patch+json")
    );
    let note = "{\"apiVersion\":\"v1\",\"data\":{\"x\":\"\\u003c2\\u003e\"},\"kind\":\"ConfigMap\",\"metadata\":{\"annotations\":{},\"name\":\"web\",\"namespace\":\"shop\"}}\n";
    assert_eq!(
        seen.json(),
        json!({
            "data": {"gone": Value::Null, "x": "<2>"},
            "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": note}},
        })
    );
}

#[tokio::test(start_paused = true)]
async fn races_are_run_again_and_preconditions_are_not() {
    for mode in [ApplyMode::ClientSide, ApplyMode::Replace] {
        let conflict = |seen: &Seen| match seen.method.as_str() {
            "GET" => Reply::json(&map("web", 5, "1")),
            _ => Reply::status(409, "Conflict", "the object has been modified"),
        };
        let (target, log) = target(KubeOptions::default(), kinds_and(conflict));
        let options = ApplyOptions::server_side("m").with_mode(mode);
        let error = target.apply(&web("2"), &options).await.unwrap_err();
        assert!(matches!(error, TargetError::Changed { .. }), "{error:?}");
        assert_eq!(log.to(WEB).len(), 10);
        let exact = options.with_precondition(Precondition::Unchanged {
            uid: "uid-web".into(),
            resource_version: "5".into(),
        });
        let error = target.apply(&web("2"), &exact).await.unwrap_err();
        assert!(matches!(error, TargetError::Changed { .. }), "{error:?}");
        assert_eq!(log.to(WEB).len(), 12);
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_server_side_apply_takes_over_what_client_side_apply_owns() {
    let managed = |version: u64, manager: &str, operation: &str| {
        let mut object = map("web", version, "1");
        object["metadata"]["managedFields"] = json!([{
            "manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:x": {}}},
        }]);
        object
    };
    let (target, log) = target(
        KubeOptions::default(),
        kinds_and(
            move |seen| match (seen.method.as_str(), seen.header("content-type")) {
                ("PATCH", Some("application/json-patch+json")) => {
                    Reply::json(&managed(6, "m", "Apply"))
                }
                ("PATCH", _) if seen.json()["again"].is_null() => {
                    Reply::json(&managed(5, "kubectl-client-side-apply", "Update"))
                }
                _ => Reply::json(&managed(5, "kubectl-client-side-apply", "Update")),
            },
        ),
    );
    target
        .apply(&web("1"), &ApplyOptions::server_side("m"))
        .await
        .unwrap();
    let writes: Vec<Seen> = log
        .all()
        .into_iter()
        .filter(|seen| seen.method == "PATCH")
        .collect();
    assert_eq!(writes.len(), 3, "apply, take over, apply");
    let patch = writes[1].json();
    assert_eq!(patch[0]["path"], "/metadata/managedFields");
    assert_eq!(patch[0]["value"][0]["manager"], "m");
    assert_eq!(patch[0]["value"][0]["operation"], "Apply");
    assert_eq!(patch[1]["value"], "5");
}

#[tokio::test(start_paused = true)]
async fn deletions_say_what_they_expect() {
    let (target, log) = target(
        KubeOptions::default(),
        kinds_and(|_| Reply::json(&json!({}))),
    );
    let key = ObjectKey::new("", "ConfigMap", "shop", "web");
    let mut options =
        DeleteOptions::new(Propagation::Orphan).with_precondition(Precondition::Unchanged {
            uid: "u".into(),
            resource_version: "5".into(),
        });
    options.dry_run = true;
    target.delete(&key, &options).await.unwrap();
    let seen = log.all().pop().unwrap();
    assert!(seen.is("DELETE", WEB));
    assert_eq!(
        seen.json(),
        json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan", "dryRun": ["All"],
            "preconditions": {"uid": "u", "resourceVersion": "5"},
        })
    );
    // Nothing without a name is deleted: that would be all there are.
    for key in [
        ObjectKey::new("", "ConfigMap", "shop", ""),
        ObjectKey::new("", "ConfigMap", "", "web"),
    ] {
        let asked = log.all().len();
        let error = target.delete(&key, &options).await.unwrap_err();
        assert!(matches!(error, TargetError::Invalid { .. }), "{error:?}");
        assert_eq!(log.all().len(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_just_being_served_is_waited_for() {
    let mut refused = 0;
    let (target, _) = target(KubeOptions::default(), move |seen| {
        usual_kinds(seen).unwrap_or_else(|| {
            if seen.method == "GET" {
                return Reply::not_found("configmaps", "web");
            }
            refused += 1;
            if refused < 4 {
                Reply::no_address()
            } else {
                Reply::text(201, map("web", 5, "1").to_string())
            }
        })
    });
    let applied = target
        .apply(&web("1"), &ApplyOptions::server_side("m"))
        .await;
    assert_eq!(applied.unwrap().effect, Effect::Created);
}
