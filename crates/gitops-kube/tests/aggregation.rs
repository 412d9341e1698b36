//! Kinds of several versions, and those of another API server behind the first one, on real API servers.

use gitops_core::{
    DeleteOptions, Effect, Propagation, Scope, Target as _, TargetError, WatchEvent,
};
use gitops_kube::KubeOptions;
use gitops_manifest::{GroupKind, Object, Value};
use serde_json::json;
use testbed::Testbed;

use crate::real::{connect, event_of, manager, map, maps_of};

const GROUP: &str = "far.example.com";

fn definition(versions: &[&str], stored: &str) -> Object {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let versions: Vec<_> = versions
        .iter()
        .map(|name| json!({"name": name, "served": true, "storage": *name == stored, "schema": schema}))
        .collect();
    Object::try_from(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("signals.{GROUP}")},
        "spec": {
            "group": GROUP, "scope": "Namespaced", "names": {"kind": "Signal", "plural": "signals"},
            "versions": versions,
        },
    }))
    .unwrap()
}

fn signal(namespace: &str, version: &str, color: &str) -> Object {
    Object::try_from(json!({
        "apiVersion": format!("{GROUP}/{version}"), "kind": "Signal",
        "metadata": {"name": "s", "namespace": namespace}, "spec": {"color": color},
    }))
    .unwrap()
}

fn signals() -> Scope {
    Scope::all().with_kinds([GroupKind::new(GROUP, "Signal")])
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_read_once_in_the_preferred_version() {
    let Some(testbed) = Testbed::start().await else {
        return;
    };
    let target = connect(&testbed, KubeOptions::default()).await;
    let namespace = testbed.namespace("versions").await;
    // What is stored is not what is preferred: that is the most stable.
    let definition = definition(&["v1alpha1", "v1", "v1beta1"], "v1alpha1");
    target.apply(&definition, &manager()).await.unwrap();
    for version in ["v1beta1", "v1alpha1"] {
        let applied = testbed::eventually("the kind is served", || async {
            let applied = target
                .apply(&signal(&namespace, version, version), &manager())
                .await;
            applied.map_err(|error| error.to_string())
        })
        .await;
        assert_eq!(applied.object.version(), version, "as it was asked for");
    }
    let snapshot = target.snapshot(&signals()).await.unwrap();
    let versions: Vec<&str> = snapshot.objects.iter().map(Object::version).collect();
    assert_eq!(versions, ["v1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kinds_of_an_aggregated_server_are_like_others_and_its_end_is_theirs_alone() {
    let Some(near) = Testbed::start().await else {
        return;
    };
    let far = near.start_behind().await;
    let target = connect(&near, KubeOptions::default()).await;
    let behind = connect(&far, KubeOptions::default()).await;
    behind
        .apply(&definition(&["v1"], "v1"), &manager())
        .await
        .unwrap();
    let namespace = near.namespace("far").await;
    let same = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    behind
        .apply(&Object::try_from(same).unwrap(), &manager())
        .await
        .unwrap();
    let server = &far.admin().unwrap().server;
    let port: u16 = server.rsplit(':').next().unwrap().parse().unwrap();
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "far", "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    });
    let api_service = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": format!("v1.{GROUP}")},
        "spec": {
            "group": GROUP, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true,
            "service": {"name": "far", "namespace": namespace, "port": port},
        },
    });
    for object in [service, api_service] {
        let object = Object::try_from(object).unwrap();
        target.apply(&object, &manager()).await.unwrap();
    }
    let applied = testbed::eventually("the kind is served", || async {
        let applied = target
            .apply(&signal(&namespace, "v1", "red"), &manager())
            .await;
        applied.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(applied.effect, Effect::Created);
    let key = applied.object.key();
    assert!(
        behind.get(&key).await.unwrap().is_some(),
        "it is over there"
    );
    // Read and watched like any other, though versions are those of another server.
    let scope = Scope::all().with_namespaces([namespace.as_str()]);
    let snapshot = target.snapshot(&scope).await.unwrap();
    assert!(snapshot.objects.iter().any(|object| object.key() == key));
    let mut watch = target.watch(&scope, &snapshot.version).await.unwrap();
    let green = signal(&namespace, "v1", "green");
    assert_eq!(
        target.apply(&green, &manager()).await.unwrap().effect,
        Effect::Configured
    );
    let event = event_of(&mut watch, &key).await;
    assert!(
        matches!(&event, WatchEvent::Applied(o) if o.at(&["spec", "color"]).and_then(Value::as_str) == Some("green")),
        "{event:?}"
    );
    far.kill_api_server().unwrap();
    testbed::eventually("the near server notices", || async {
        let snapshot = target
            .snapshot(&scope)
            .await
            .map_err(|error| error.to_string())?;
        let unlisted: Vec<String> = snapshot
            .unlisted
            .iter()
            .map(|(kind, _)| kind.to_string())
            .collect();
        match unlisted.iter().any(|kind| kind.contains("Signal")) {
            true => Ok(()),
            false => Err(format!("{unlisted:?}, {} objects", snapshot.objects.len())),
        }
    })
    .await;
    assert!(
        matches!(target.get(&key).await, Err(TargetError::Unavailable { .. })),
        "unknown is not absent"
    );
    // The others do not notice.
    let other = map(&namespace, "other", "1");
    target.apply(&other, &manager()).await.unwrap();
    assert!(matches!(
        event_of(&mut watch, &other.key()).await,
        WatchEvent::Applied(_)
    ));
    let maps = target.snapshot(&maps_of(&namespace)).await.unwrap();
    assert!(
        maps.objects
            .iter()
            .any(|object| object.key() == other.key())
    );
    // And it comes back.
    far.start_api_server().await.unwrap();
    testbed::eventually("it is reached again", || async {
        target
            .delete(&key, &DeleteOptions::new(Propagation::Background))
            .await
            .map_err(|error| error.to_string())
    })
    .await;
    loop {
        if let WatchEvent::Deleted(_) = event_of(&mut watch, &key).await {
            break;
        }
    }
}
