use futures::StreamExt as _;
use gitops_core::{
    ApplyMode, DeleteOptions, Effect, Propagation, Scope, Target as _, TargetError, WatchEvent,
};
use serde_json::json;

use crate::{config_map, key, object, run, ssa};

#[test]
fn an_object_is_created_changed_and_left_alone() {
    run(async |target, _| {
        let made = target
            .apply(&config_map("a", json!({"x": "1"})), &ssa())
            .await
            .unwrap();
        assert_eq!(made.effect, Effect::Created);
        assert_eq!(made.object.uid().len(), 36);
        let same = target
            .apply(&config_map("a", json!({"x": "1"})), &ssa())
            .await
            .unwrap();
        assert_eq!(same.effect, Effect::Unchanged);
        assert_eq!(same.object, made.object);
        let other = target
            .apply(&config_map("a", json!({"x": "2"})), &ssa())
            .await
            .unwrap();
        assert_eq!(other.effect, Effect::Configured);
        assert_ne!(
            other.object.resource_version(),
            made.object.resource_version()
        );
        assert_eq!(other.object.uid(), made.object.uid());
        let created = target
            .apply(
                &config_map("a", json!({})),
                &ssa().with_mode(ApplyMode::Create),
            )
            .await;
        assert!(matches!(created, Err(TargetError::AlreadyExists { .. })));
    });
}

#[test]
fn client_side_apply_removes_what_it_no_longer_names() {
    run(async |target, _| {
        let options = ssa().with_mode(ApplyMode::ClientSide);
        target
            .apply(&config_map("a", json!({"x": "1", "y": "1"})), &options)
            .await
            .unwrap();
        target
            .edit(&key("", "ConfigMap", "a"), |object| {
                object
                    .as_map_mut()
                    .entry_object("data")
                    .insert("z", "by hand");
            })
            .unwrap();
        let after = target
            .apply(&config_map("a", json!({"x": "2"})), &options)
            .await
            .unwrap();
        let data = after.object.get("data").unwrap().to_json();
        assert_eq!(data, r#"{"x":"2","z":"by hand"}"#);
    });
}

#[test]
fn a_watch_goes_on_from_a_snapshot_without_a_gap() {
    run(async |target, _| {
        let snapshot = target.snapshot(&Scope::all()).await.unwrap();
        target
            .apply(&config_map("a", json!({})), &ssa())
            .await
            .unwrap();
        target
            .delete(
                &key("", "ConfigMap", "a"),
                &DeleteOptions::new(Propagation::Background),
            )
            .await
            .unwrap();
        let mut watch = target
            .watch(&Scope::all(), &snapshot.version)
            .await
            .unwrap();
        assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Applied(o))) if o.name() == "a"));
        assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Deleted(o))) if o.name() == "a"));
        target.break_watches();
        assert!(matches!(
            watch.next().await,
            Some(Err(TargetError::Unavailable { .. }))
        ));
        assert!(watch.next().await.is_none());
        target.expire_watches();
        let late = target.watch(&Scope::all(), &snapshot.version).await;
        assert!(matches!(late.err(), Some(TargetError::Expired { .. })));
    });
}

#[test]
fn what_an_object_owns_goes_with_it() {
    run(async |target, clock| {
        let owner = target
            .apply(&config_map("owner", json!({})), &ssa())
            .await
            .unwrap();
        let mut owned = config_map("owned", json!({}));
        owned.metadata_mut().insert(
            "ownerReferences",
            gitops_manifest::Value::from(json!([{
                "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.object.uid(),
            }])),
        );
        target.apply(&owned, &ssa()).await.unwrap();
        let fork = target.fork();
        target
            .delete(
                &key("", "ConfigMap", "owner"),
                &DeleteOptions::new(Propagation::Foreground),
            )
            .await
            .unwrap();
        clock.advance(std::time::Duration::from_secs(5));
        assert_eq!(target.object(&key("", "ConfigMap", "owned")), None);
        assert_eq!(target.object(&key("", "ConfigMap", "owner")), None);
        fork.delete(
            &key("", "ConfigMap", "owner"),
            &DeleteOptions::new(Propagation::Orphan),
        )
        .await
        .unwrap();
        clock.advance(std::time::Duration::from_secs(5));
        let orphan = fork.object(&key("", "ConfigMap", "owned")).unwrap();
        assert_eq!(orphan.meta("ownerReferences"), None);
    });
}

#[test]
fn a_namespace_must_exist_and_is_emptied_when_it_goes() {
    run(async |target, clock| {
        let mut inside = config_map("a", json!({}));
        inside.set_namespace("shop");
        let refused = target.apply(&inside, &ssa()).await;
        assert!(matches!(refused, Err(TargetError::NoNamespace { .. })));
        let namespace = object(json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"},
        }));
        target.apply(&namespace, &ssa()).await.unwrap();
        target.apply(&inside, &ssa()).await.unwrap();
        target
            .delete(&namespace.key(), &DeleteOptions::default())
            .await
            .unwrap();
        clock.advance(std::time::Duration::from_secs(10));
        assert_eq!(target.object(&inside.key()), None);
        assert_eq!(target.object(&namespace.key()), None);
    });
}

#[test]
fn a_definition_makes_its_kind_known() {
    run(async |target, clock| {
        let widget = object(json!({
            "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"},
        }));
        let refused = target.apply(&widget, &ssa()).await;
        assert!(matches!(refused, Err(TargetError::UnknownKind { .. })));
        let definition = object(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {
                "group": "example.com", "scope": "Cluster",
                "names": {"kind": "Widget", "plural": "widgets"},
                "versions": [{"name": "v1", "served": true, "storage": true}],
            },
        }));
        target.apply(&definition, &ssa()).await.unwrap();
        clock.advance(std::time::Duration::from_secs(2));
        target.apply(&widget, &ssa()).await.unwrap();
        assert!(
            target
                .discover()
                .await
                .unwrap()
                .get(&widget.gvk())
                .is_some()
        );
    });
}
