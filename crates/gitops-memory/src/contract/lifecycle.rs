//! What happens to objects over time: watches, deletion, kinds that come and go.

use futures::StreamExt as _;
use gitops_core::{DeleteOptions, Propagation, Scope, TargetError, WatchEvent};
use gitops_manifest::{GroupKind, GroupVersionKind, Object, ObjectKey, Value};
use serde_json::json;

use super::{Cluster, Outcome, ensure, object, options, refused};

pub(super) async fn a_scope_limits_a_snapshot(cluster: &Cluster<'_>) -> Outcome {
    let map = cluster.map("scoped", &json!({}));
    cluster.apply(&map).await?;
    let here = Scope::all()
        .with_namespaces([cluster.namespace])
        .with_kinds([
            GroupKind::new("", "ConfigMap"),
            GroupKind::new("", "Namespace"),
        ]);
    let snapshot = cluster.target.snapshot(&here).await;
    let snapshot = snapshot.map_err(|error| error.to_string())?;
    let strangers: Vec<ObjectKey> = snapshot
        .objects
        .iter()
        .map(Object::key)
        .filter(|key| !here.contains(key))
        .collect();
    ensure(strangers.is_empty(), || {
        format!("{strangers:?} are not of the scope")
    })?;
    let has = |key: &ObjectKey| snapshot.objects.iter().any(|object| object.key() == *key);
    ensure(has(&map.key()), || {
        "the object is not in the snapshot".to_owned()
    })?;
    let namespace = ObjectKey::new("", "Namespace", "", cluster.namespace);
    ensure(has(&namespace), || {
        "objects of the cluster are not in the snapshot".to_owned()
    })
}

pub(super) async fn a_watch_goes_on_from_a_snapshot(cluster: &Cluster<'_>) -> Outcome {
    let scope = Scope::all()
        .with_namespaces([cluster.namespace])
        .with_kinds([GroupKind::new("", "ConfigMap")]);
    let snapshot = cluster.target.snapshot(&scope).await;
    let snapshot = snapshot.map_err(|error| error.to_string())?;
    let key = cluster.key("ConfigMap", "watched");
    let one = cluster
        .apply(&cluster.map("watched", &json!({"x": "1"})))
        .await?
        .object;
    let two = cluster
        .apply(&cluster.map("watched", &json!({"x": "2"})))
        .await?
        .object;
    let background = DeleteOptions::new(Propagation::Background);
    let deleted = cluster.target.delete(&key, &background).await;
    deleted.map_err(|error| error.to_string())?;
    let watch = cluster.target.watch(&scope, &snapshot.version).await;
    let mut watch = watch.map_err(|error| error.to_string())?;
    let mut seen = Vec::new();
    // Others may write into the namespace too, as the controller of root certificates does.
    while seen.len() < 3 {
        match watch.next().await {
            Some(Ok(WatchEvent::Applied(object))) if object.key() == key => {
                seen.push((true, object));
            }
            Some(Ok(WatchEvent::Deleted(object))) if object.key() == key => {
                seen.push((false, object));
            }
            Some(Ok(_)) => {}
            other => return Err(format!("after {} events came {other:?}", seen.len())),
        }
    }
    let same = |i: usize, object: &Object| seen[i].0 && seen[i].1 == *object;
    ensure(same(0, &one) && same(1, &two) && !seen[2].0, || {
        format!("{seen:?} was seen")
    })?;
    // A watch goes on from any object that it brought.
    let watch = cluster.target.watch(&scope, one.resource_version()).await;
    let mut watch = watch.map_err(|error| error.to_string())?;
    loop {
        match watch.next().await {
            Some(Ok(WatchEvent::Applied(object))) if object.key() == key => {
                return ensure(object == two, || format!("{object:?} came first"));
            }
            Some(Ok(_)) => {}
            other => return Err(format!("the resumed watch brought {other:?}")),
        }
    }
}

pub(super) async fn a_finalizer_keeps_an_object(cluster: &Cluster<'_>) -> Outcome {
    let held = |finalizers: serde_json::Value| {
        object(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "held", "namespace": cluster.namespace, "finalizers": finalizers},
        }))
    };
    let key = cluster.key("ConfigMap", "held");
    cluster
        .apply(&held(json!(["contract.example.com/hold"])))
        .await?;
    let mut versions = Vec::new();
    for _ in 0..2 {
        let deleted = cluster
            .target
            .delete(&key, &DeleteOptions::new(Propagation::Background))
            .await;
        deleted.map_err(|error| error.to_string())?;
        let live = cluster.get(&key).await?;
        versions.push(live.map(|live| live.resource_version().to_owned()));
    }
    ensure(versions[0] == versions[1], || {
        format!("deleting what is being deleted changed it: {versions:?}")
    })?;
    let live = cluster.get(&key).await?;
    ensure(live.as_ref().is_some_and(Object::is_deleting), || {
        format!("a finalizer did not keep the object: {live:?}")
    })?;
    cluster.apply(&held(json!([]))).await?;
    cluster.until_gone(&key).await
}

/// Makes an object and one that it owns.
async fn family(cluster: &Cluster<'_>, name: &str) -> Result<(ObjectKey, ObjectKey), String> {
    let owner = cluster
        .apply(&cluster.map(&format!("{name}-owner"), &json!({})))
        .await?
        .object;
    let owned = object(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": format!("{name}-owned"), "namespace": cluster.namespace,
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name(), "uid": owner.uid(),
                "blockOwnerDeletion": true,
            }],
            "finalizers": ["contract.example.com/hold"],
        },
    }));
    cluster.apply(&owned).await?;
    Ok((owner.key(), owned.key()))
}

async fn delete(cluster: &Cluster<'_>, key: &ObjectKey, propagation: Propagation) -> Outcome {
    let deleted = cluster
        .target
        .delete(key, &DeleteOptions::new(propagation))
        .await;
    deleted.map_err(|error| format!("{key} cannot be deleted: {error}"))
}

/// Lets an object go that a finalizer keeps.
async fn release(cluster: &Cluster<'_>, key: &ObjectKey) -> Outcome {
    let bare = cluster.map(&key.name, &json!({}));
    cluster.apply(&bare).await?;
    Ok(())
}

fn is_deleting(live: Option<&Object>) -> bool {
    live.is_some_and(Object::is_deleting)
}

pub(super) async fn dependents_go_in_the_background(cluster: &Cluster<'_>) -> Outcome {
    let (owner, owned) = family(cluster, "background").await?;
    delete(cluster, &owner, Propagation::Background).await?;
    let live = cluster.get(&owner).await?;
    ensure(live.is_none(), || {
        format!("the owner is still there: {live:?}")
    })?;
    cluster
        .until(&owned, "is being deleted", is_deleting)
        .await?;
    release(cluster, &owned).await?;
    cluster.until_gone(&owned).await
}

pub(super) async fn dependents_go_first_in_the_foreground(cluster: &Cluster<'_>) -> Outcome {
    let (owner, owned) = family(cluster, "foreground").await?;
    delete(cluster, &owner, Propagation::Foreground).await?;
    cluster
        .until(&owned, "is being deleted", is_deleting)
        .await?;
    let live = cluster.get(&owner).await?;
    ensure(is_deleting(live.as_ref()), || {
        format!("the owner did not wait: {live:?}")
    })?;
    release(cluster, &owned).await?;
    cluster.until_gone(&owned).await?;
    cluster.until_gone(&owner).await
}

pub(super) async fn dependents_stay_as_orphans(cluster: &Cluster<'_>) -> Outcome {
    let (owner, owned) = family(cluster, "orphan").await?;
    delete(cluster, &owner, Propagation::Orphan).await?;
    cluster.until_gone(&owner).await?;
    let live = cluster.get(&owned).await?;
    let free = live.as_ref().is_some_and(|live| {
        let owners = live.meta("ownerReferences").and_then(Value::as_array);
        !live.is_deleting() && owners.is_none_or(|owners| owners.is_empty())
    });
    ensure(free, || format!("the orphan is {live:?}"))
}

pub(super) async fn a_definition_makes_a_kind_known(cluster: &Cluster<'_>) -> Outcome {
    let definition = object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "probes.contract.example.com"},
        "spec": {
            "group": "contract.example.com", "scope": "Namespaced",
            "names": {"kind": "Probe", "plural": "probes"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {
                        "size": {"type": "integer", "default": 3}, "color": {"type": "string"},
                    }},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}},
            }],
        },
    }));
    cluster.apply(&definition).await?;
    let established = |live: Option<&Object>| {
        let conditions = live.and_then(|live| live.at(&["status", "conditions"])?.as_array());
        conditions.into_iter().flatten().any(|condition| {
            condition["type"].as_str() == Some("Established")
                && condition["status"].as_str() == Some("True")
        })
    };
    cluster
        .until(&definition.key(), "is established", established)
        .await?;
    let gvk = GroupVersionKind::new("contract.example.com", "v1", "Probe");
    let known = cluster
        .target
        .discover()
        .await
        .map_err(|error| error.to_string())?;
    ensure(known.get(&gvk).is_some(), || {
        "discovery does not know the kind".to_owned()
    })?;
    let probe = |spec: serde_json::Value| {
        object(json!({
            "apiVersion": "contract.example.com/v1", "kind": "Probe",
            "metadata": {"name": "probe", "namespace": cluster.namespace},
            "spec": spec, "status": {"is": "left out"},
        }))
    };
    let made = cluster.apply(&probe(json!({"color": "red"}))).await?.object;
    let spec = made.get("spec").map(Value::to_json);
    ensure(
        spec.as_deref() == Some(r#"{"color":"red","size":3}"#),
        || format!("{spec:?}"),
    )?;
    ensure(made.get("status").is_none(), || {
        "the status was written with the object".to_owned()
    })?;
    let wrong = cluster
        .target
        .apply(&probe(json!({"size": "large"})), &options())
        .await;
    refused(wrong, "a field of another type", |e| {
        matches!(e, TargetError::Invalid { .. })
    })?;
    delete(cluster, &definition.key(), Propagation::Background).await?;
    cluster.until_gone(&definition.key()).await
}
