//! What a real API server answers, asked of the one in memory.

use gitops_core::{
    ApplyMode, ApplyOptions, DeleteOptions, Effect, Precondition, Propagation, Target as _,
    TargetError,
};
use gitops_manifest::Value;
use serde_json::json;

use crate::{config_map, key, object, run, ssa};

fn deployment(selector: &str) -> gitops_manifest::Object {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": selector}},
            "template": {
                "metadata": {"labels": {"app": selector}},
                "spec": {"containers": [{"name": "web", "image": "web:1", "resources": {"limits": {"cpu": "1000m"}}}]},
            },
        },
    }))
}

fn reason<T: std::fmt::Debug>(answer: Result<T, TargetError>) -> String {
    match answer {
        Err(TargetError::Invalid { reason, .. }) => reason,
        other => panic!("invalid was expected, not {other:?}"),
    }
}

#[test]
fn managers_own_fields_and_conflict_over_them() {
    run(async |target, _| {
        let red = config_map("a", json!({"color": "red", "size": "1"}));
        target
            .apply(&red, &ApplyOptions::server_side("alice"))
            .await
            .unwrap();
        let blue = config_map("a", json!({"color": "blue"}));
        let bob = ApplyOptions::server_side("bob");
        let Err(TargetError::Conflict { conflicts, .. }) = target.apply(&blue, &bob).await else {
            panic!("the color is alice's");
        };
        assert_eq!(conflicts.len(), 1);
        assert_eq!(
            (&*conflicts[0].manager, &*conflicts[0].field),
            ("alice", ".data.color")
        );
        target
            .apply(&blue, &bob.clone().with_force(true))
            .await
            .unwrap();
        // What alice does not name any more goes, as far as nobody else owns it.
        let bare = config_map("a", json!({}));
        let after = target
            .apply(&bare, &ApplyOptions::server_side("alice"))
            .await
            .unwrap()
            .object;
        assert_eq!(after.get("data").unwrap().to_json(), r#"{"color":"blue"}"#);
        let managers = after.meta("managedFields").unwrap().as_array().unwrap();
        assert!(
            managers
                .iter()
                .any(|entry| entry["manager"].as_str() == Some("bob"))
        );
    });
}

#[test]
fn what_is_left_open_is_filled_in_and_quantities_are_canonical() {
    run(async |target, _| {
        let made = target
            .apply(&deployment("web"), &ssa())
            .await
            .unwrap()
            .object;
        let spec = made.get("spec").unwrap();
        assert_eq!(spec["replicas"].as_i64(), Some(1));
        assert_eq!(
            spec.at(&["strategy", "rollingUpdate", "maxSurge"])
                .and_then(Value::as_str),
            Some("25%")
        );
        let container = &spec
            .at(&["template", "spec", "containers"])
            .unwrap()
            .as_array()
            .unwrap()[0];
        assert_eq!(container["imagePullPolicy"].as_str(), Some("IfNotPresent"));
        assert_eq!(
            container
                .at(&["resources", "limits", "cpu"])
                .and_then(Value::as_str),
            Some("1")
        );
        assert_eq!(made.generation(), Some(1));
        // The same again is no change, however it was spelled.
        let again = target.apply(&deployment("web"), &ssa()).await.unwrap();
        assert_eq!(again.effect, Effect::Unchanged);
        for mode in [ApplyMode::ClientSide, ApplyMode::Replace] {
            let options = ssa().with_mode(mode);
            target.apply(&deployment("web"), &options).await.unwrap();
            let again = target.apply(&deployment("web"), &options).await.unwrap();
            assert_eq!(again.effect, Effect::Unchanged, "{mode:?}");
            assert_eq!(again.object.generation(), Some(1));
        }
    });
}

#[test]
fn what_may_not_be_is_refused() {
    run(async |target, _| {
        target.apply(&deployment("web"), &ssa()).await.unwrap();
        for mode in [
            ApplyMode::ServerSide,
            ApplyMode::ClientSide,
            ApplyMode::Replace,
        ] {
            let options = ssa().with_mode(mode).with_force(true);
            let refused = reason(target.apply(&deployment("other"), &options).await);
            let wanted = r#"spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable"#;
            assert_eq!(refused, wanted, "{mode:?}");
        }
        let mut job = object(json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "default"},
            "spec": {"template": {"spec": {"containers": [{"name": "j", "image": "j"}]}}},
        }));
        assert!(
            reason(target.apply(&job, &ssa()).await)
                .contains("spec.template.spec.restartPolicy: Required value")
        );
        job.as_map_mut()
            .entry_object("spec")
            .entry_object("template")
            .entry_object("spec")
            .insert("restartPolicy", "Never");
        target.apply(&job, &ssa()).await.unwrap();
        assert_eq!(
            target.apply(&job, &ssa()).await.unwrap().effect,
            Effect::Unchanged
        );
        job.as_map_mut()
            .entry_object("spec")
            .entry_object("template")
            .entry_object("spec")
            .insert("priority", 1);
        assert!(reason(target.apply(&job, &ssa()).await).contains("spec.template: Invalid value"));

        for name in ["Upper", "under_score", "-dash", ""] {
            let refused = reason(target.apply(&config_map(name, json!({})), &ssa()).await);
            assert!(refused.contains("metadata.name"), "{refused}");
        }
        let mut labelled = config_map("l", json!({}));
        labelled.set_label("app", "not valid!");
        assert!(reason(target.apply(&labelled, &ssa()).await).contains("metadata.labels"));
        let typo = object(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "t", "namespace": "default"}, "dtaa": {},
        }));
        let create = ssa().with_mode(ApplyMode::Create);
        assert_eq!(
            reason(target.apply(&typo, &create).await),
            r#"strict decoding error: unknown field "dtaa""#
        );
        reason(target.apply(&typo, &ssa()).await);
        let mut lax = create;
        lax.validate = false;
        assert_eq!(
            target.apply(&typo, &lax).await.unwrap().object.get("dtaa"),
            None
        );
    });
}

#[test]
fn a_dry_run_answers_and_changes_nothing() {
    run(async |target, _| {
        let before = target.objects();
        let dry = ssa().with_dry_run(true);
        let answer = target.apply(&deployment("web"), &dry).await.unwrap();
        assert_eq!(answer.effect, Effect::Created);
        assert_eq!(
            answer
                .object
                .at(&["spec", "replicas"])
                .and_then(Value::as_i64),
            Some(1)
        );
        assert_eq!(target.objects(), before);
        let mut elsewhere = config_map("a", json!({}));
        elsewhere.set_namespace("nowhere");
        assert!(matches!(
            target.apply(&elsewhere, &dry).await,
            Err(TargetError::NoNamespace { .. })
        ));
    });
}

#[test]
fn a_write_is_done_on_the_state_it_was_made_for() {
    run(async |target, _| {
        let one = config_map("a", json!({"x": "1"}));
        let made = target
            .apply(&one, &ssa().with_precondition(Precondition::Absent))
            .await
            .unwrap()
            .object;
        let seen = Precondition::unchanged(Some(&made));
        let two = config_map("a", json!({"x": "2"}));
        target
            .apply(&two, &ssa().with_precondition(seen.clone()))
            .await
            .unwrap();
        let three = config_map("a", json!({"x": "3"}));
        for stale in [
            Precondition::Absent,
            seen.clone(),
            Precondition::Uid("other".into()),
        ] {
            let answer = target.apply(&three, &ssa().with_precondition(stale)).await;
            assert!(
                matches!(answer, Err(TargetError::Changed { .. })),
                "{answer:?}"
            );
        }
        let key = key("", "ConfigMap", "a");
        let delete = DeleteOptions::default().with_precondition(seen);
        assert!(matches!(
            target.delete(&key, &delete).await,
            Err(TargetError::Changed { .. })
        ));
        let uid = DeleteOptions::new(Propagation::Background)
            .with_precondition(Precondition::Uid(made.uid().into()));
        target.delete(&key, &uid).await.unwrap();
        assert!(matches!(
            target.delete(&key, &uid).await,
            Err(TargetError::NotFound { .. })
        ));
    });
}

#[test]
fn secrets_in_plain_text_and_sealed_maps() {
    run(async |target, _| {
        let secret = object(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"},
            "stringData": {"user": "admin", "empty": ""},
        }));
        let made = target.apply(&secret, &ssa()).await.unwrap().object;
        assert_eq!(
            made.get("data").unwrap().to_json(),
            r#"{"empty":"","user":"YWRtaW4="}"#
        );
        assert_eq!(made.get("type").and_then(Value::as_str), Some("Opaque"));
        let mut sealed = config_map("c", json!({"x": "1"}));
        sealed.as_map_mut().insert("immutable", true);
        target.apply(&sealed, &ssa()).await.unwrap();
        sealed.as_map_mut().entry_object("data").insert("x", "2");
        assert!(
            reason(target.apply(&sealed, &ssa()).await)
                .contains("data: Forbidden: field is immutable")
        );
    });
}

#[test]
fn custom_resources_are_pruned_and_defaulted_by_their_schema() {
    run(async |target, clock| {
        let definition = object(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "properties": {
                        "size": {"type": "integer", "default": 3}, "color": {"type": "string"},
                    }}},
                }}}],
            },
        }));
        target.apply(&definition, &ssa()).await.unwrap();
        clock.advance(std::time::Duration::from_secs(1));
        let widget = |spec: serde_json::Value| {
            object(json!({
                "apiVersion": "example.com/v1", "kind": "Widget",
                "metadata": {"name": "w", "namespace": "default"}, "spec": spec,
            }))
        };
        let made = target
            .apply(&widget(json!({"color": "red"})), &ssa())
            .await
            .unwrap()
            .object;
        assert_eq!(
            made.get("spec").unwrap().to_json(),
            r#"{"color":"red","size":3}"#
        );
        assert_eq!(made.generation(), Some(1));
        let mut replace = ssa().with_mode(ApplyMode::Replace);
        assert!(
            reason(target.apply(&widget(json!({"colour": 1})), &replace).await)
                .contains("spec.colour")
        );
        replace.validate = false;
        let pruned = target
            .apply(&widget(json!({"colour": 1})), &replace)
            .await
            .unwrap()
            .object;
        assert_eq!(pruned.get("spec").unwrap().to_json(), r#"{"size":3}"#);
        // The kind goes with its definition, and its objects before it.
        target
            .delete(&definition.key(), &DeleteOptions::default())
            .await
            .unwrap();
        clock.advance(std::time::Duration::from_secs(3));
        assert_eq!(target.object(&definition.key()), None);
        let gone = target.apply(&widget(json!({})), &ssa()).await;
        assert!(matches!(gone, Err(TargetError::UnknownKind { .. })));
    });
}

/// `kubectl apply` writes the annotation with Go's encoder (`util.GetModifiedConfiguration`), which escapes what could end a script.
#[test]
fn what_was_applied_is_written_down_as_go_writes_it() {
    run(async |target, _| {
        let page = config_map("a", json!({"page": "<b>&"}));
        let options = ApplyOptions::server_side("kubectl").with_mode(ApplyMode::ClientSide);
        let live = target.apply(&page, &options).await.unwrap().object;
        let written = live
            .annotation("kubectl.kubernetes.io/last-applied-configuration")
            .unwrap();
        assert!(
            written.contains(r#""data":{"page":"\u003cb\u003e\u0026"}"#),
            "{written}"
        );
        assert!(written.ends_with("}\n"));
        // It is not applied anew because of it.
        let again = target.apply(&page, &options).await.unwrap();
        assert_eq!(again.effect, Effect::Unchanged);
    });
}
