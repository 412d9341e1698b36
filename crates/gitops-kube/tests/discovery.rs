//! Which kinds there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gitops_core::{Scope, Target as _, TargetError};
use gitops_kube::{Content, KubeOptions};
use gitops_manifest::{GroupKind, GroupVersionKind, ObjectKey};
use serde_json::json;

use crate::fake::{Reply, group, groups, list, map, resource, target, usual_kinds};

fn probe() -> ObjectKey {
    ObjectKey::new("example.com", "Probe", "shop", "p")
}

#[tokio::test(start_paused = true)]
async fn one_document_tells_all_and_is_not_read_twice() {
    let (target, log) = target(KubeOptions::default(), |seen| {
        match seen.path.as_str() {
        "/apis" if seen.header("if-none-match") == Some("\"1\"") => Reply::text(304, ""),
        "/apis" => groups(&[
            json!({
                "metadata": {"name": "autoscaling"},
                "versions": [
                    {"version": "v2", "resources": [resource("horizontalpodautoscalers", "HorizontalPodAutoscaler", "Namespaced")]},
                    {"version": "v1", "resources": [resource("horizontalpodautoscalers", "HorizontalPodAutoscaler", "Namespaced")]},
                ],
            }),
            // A resource that says nothing of its objects is none.
            group("odd.example.com", "v1", &[json!({"resource": "odds", "scope": "Cluster", "verbs": ["get"]})]),
        ])
        .with_header("etag", "\"1\""),
        _ => usual_kinds(seen).unwrap(),
    }
    });
    let discovery = target.discover().await.unwrap();
    let scaler = GroupKind::new("autoscaling", "HorizontalPodAutoscaler");
    assert_eq!(discovery.preferred(&scaler).unwrap().gvk.version, "v2");
    let old = GroupVersionKind::new("autoscaling", "v1", "HorizontalPodAutoscaler");
    assert!(discovery.get(&old).is_some());
    let namespace = discovery
        .preferred(&GroupKind::new("", "Namespace"))
        .unwrap();
    assert!(!namespace.namespaced && namespace.plural == "namespaces");
    target.discover().await.unwrap();
    assert_eq!(log.all().len(), 2);
    // Later it is asked again, and nothing has changed.
    tokio::time::advance(KubeOptions::default().discovery_age).await;
    let again = target.discover().await.unwrap();
    assert_eq!(log.to("/apis").len(), 2);
    assert_eq!(again.kinds(), discovery.kinds());
}

#[tokio::test(start_paused = true)]
async fn servers_without_that_document_are_asked_group_by_group() {
    let (target, _) = target(KubeOptions::default(), |seen| match seen.path.as_str() {
        "/api" => Reply::json(&json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/api/v1" => Reply::json(&json!({"kind": "APIResourceList", "resources": [
            {"name": "pods", "kind": "Pod", "namespaced": true, "verbs": ["get", "list", "watch"]},
            {"name": "pods/log", "kind": "Pod", "namespaced": true, "verbs": ["get"]},
        ]})),
        "/apis" => Reply::json(&json!({"kind": "APIGroupList", "groups": [
            {"name": "autoscaling", "versions": [{"version": "v1"}, {"version": "v2"}], "preferredVersion": {"version": "v2"}},
            {"name": "metrics.example.com", "versions": [{"version": "v1"}]},
        ]})),
        "/apis/autoscaling/v1" | "/apis/autoscaling/v2" => Reply::json(&json!({"resources": [
            {"name": "scalers", "kind": "Scaler", "namespaced": true, "verbs": ["get", "list", "watch"]},
        ]})),
        "/apis/metrics.example.com/v1" => {
            Reply::status(503, "ServiceUnavailable", "error trying to reach service")
        }
        "/api/v1/pods" | "/apis/autoscaling/v2/scalers" => list(3, &[], ""),
        other => panic!("{other} was asked for"),
    });
    let discovery = target.discover().await.unwrap();
    assert_eq!(discovery.kinds().len(), 3);
    let scaler = discovery.preferred(&GroupKind::new("autoscaling", "Scaler"));
    assert_eq!(scaler.unwrap().gvk.version, "v2");
    // The group that does not answer stands for itself alone.
    target.snapshot(&Scope::all()).await.unwrap();
    let metric = ObjectKey::new("metrics.example.com", "Metric", "shop", "m");
    let error = target.get(&metric).await.unwrap_err();
    assert!(
        error.is_transient() && error.to_string().contains("trying to reach"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_broken_server_has_is_unknown_rather_than_absent() {
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = Arc::clone(&broken);
    let (target, _) = target(KubeOptions::default(), move |seen| {
        match seen.path.as_str() {
            "/apis" if is_broken.load(Ordering::SeqCst) => groups(&[json!({
                "metadata": {"name": "example.com"},
                "versions": [{"version": "v1", "freshness": "Stale", "resources": []}],
            })]),
            "/apis" => groups(&[group(
                "example.com",
                "v1",
                &[resource("probes", "Probe", "Namespaced")],
            )]),
            path if path.starts_with("/apis/") => {
                Reply::status(503, "ServiceUnavailable", "error trying to reach service")
            }
            path if path.starts_with("/api/v1/") => list(3, &[], ""),
            _ => usual_kinds(seen).unwrap(),
        }
    });
    let kind = GroupKind::new("example.com", "Probe");
    for told in [false, true] {
        broken.store(told, Ordering::SeqCst);
        tokio::time::advance(KubeOptions::default().discovery_age).await;
        let snapshot = target.snapshot(&Scope::all()).await.unwrap();
        assert_eq!(snapshot.unlisted.len(), 1);
        assert_eq!(snapshot.unlisted[0].0, kind);
        let discovery = target.discover().await.unwrap();
        assert!(discovery.preferred(&kind).is_some());
    }
    // Where nothing at all answers there is no snapshot.
    let alone = Scope::all().with_kinds([kind]);
    broken.store(false, Ordering::SeqCst);
    tokio::time::advance(KubeOptions::default().discovery_age).await;
    target.discover().await.unwrap();
    assert!(target.snapshot(&alone).await.unwrap_err().is_transient());
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_known_is_looked_for_but_not_all_the_time() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let (target, _) = target(KubeOptions::default(), move |seen| {
        match seen.path.as_str() {
            "/apis" => {
                let times = count.fetch_add(1, Ordering::SeqCst);
                let probes = group(
                    "example.com",
                    "v1",
                    &[resource("probes", "Probe", "Namespaced")],
                );
                if times < 2 {
                    groups(&[])
                } else {
                    groups(&[probes])
                }
            }
            "/apis/example.com/v1/namespaces/shop/probes/p" => Reply::not_found("probes", "p"),
            _ => usual_kinds(seen).unwrap(),
        }
    });
    let unknown =
        |answer: Result<_, TargetError>| matches!(answer, Err(TargetError::UnknownKind { .. }));
    for _ in 0..5 {
        assert!(unknown(target.get(&probe()).await));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "it was asked just now");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(unknown(target.get(&probe()).await));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(target.get(&probe()).await.unwrap(), None);
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_says_its_kind_is_served_is_believed() {
    believes(
        &json!({"conditions": [{"type": "Established", "status": "True"}]}),
        true,
    )
    .await;
}

/// An API server answers before it has looked whether the names are free; what is defined often follows at once.
#[tokio::test(start_paused = true)]
async fn a_definition_that_was_made_just_now_is_believed() {
    believes(&json!({"conditions": null, "storedVersions": ["v1"]}), true).await;
    believes(&json!({}), true).await;
    believes(
        &json!({"conditions": [{"type": "Established", "status": "False"}]}),
        false,
    )
    .await;
}

async fn believes(status: &serde_json::Value, believed: bool) {
    let status = status.clone();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let (target, _) = target(KubeOptions::default(), move |seen| {
        match seen.path.as_str() {
            "/apis" => {
                let definitions = group(
                    "apiextensions.k8s.io",
                    "v1",
                    &[resource(
                        "customresourcedefinitions",
                        "CustomResourceDefinition",
                        "Cluster",
                    )],
                );
                let probes = group(
                    "example.com",
                    "v1",
                    &[resource("probes", "Probe", "Namespaced")],
                );
                // The document lags behind.
                if count.fetch_add(1, Ordering::SeqCst) < 4 {
                    groups(&[definitions])
                } else {
                    groups(&[definitions, probes])
                }
            }
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/probes.example.com" => {
                Reply::json(&json!({
                    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                    "metadata": {"name": "probes.example.com"},
                    "spec": {"group": "example.com", "names": {"kind": "Probe", "plural": "probes"},
                        "versions": [{"name": "v1", "served": true}, {"name": "v0", "served": false}]},
                    "status": status,
                }))
            }
            _ => usual_kinds(seen).unwrap(),
        }
    });
    let kind = GroupKind::new("example.com", "Probe");
    assert!(target.discover().await.unwrap().preferred(&kind).is_none());
    let definition = ObjectKey::new(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "",
        "probes.example.com",
    );
    target.get(&definition).await.unwrap().unwrap();
    let known = target.discover().await.unwrap();
    assert_eq!(known.preferred(&kind).is_some(), believed);
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_and_begin_anew_where_they_have_to() {
    let expired = Arc::new(AtomicBool::new(true));
    let (target, log) = target(KubeOptions::default(), move |seen| {
        usual_kinds(seen).unwrap_or_else(|| match seen.parameter("continue") {
            None => list(10, &[map("a", 1, ""), map("b", 2, "")], "one"),
            Some("one") => list(10, &[map("c", 3, "")], "two"),
            Some("two") if expired.swap(false, Ordering::SeqCst) => {
                Reply::status(410, "Expired", "The provided continue parameter is too old")
            }
            Some("two") => list(10, &[map("d", 4, "")], ""),
            other => panic!("{other:?} was asked for"),
        })
    });
    let maps = Scope::all().with_kinds([GroupKind::new("", "ConfigMap")]);
    let snapshot = target.snapshot(&maps).await.unwrap();
    let names: Vec<&str> = snapshot
        .objects
        .iter()
        .map(|object| object.name())
        .collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let seen = log.to("/api/v1/configmaps");
    assert_eq!(seen.len(), 6);
    assert!(
        seen.iter()
            .all(|seen| seen.parameter("limit") == Some("500"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_chooses_how_much_is_read() {
    let options = KubeOptions::default()
        .with_namespaces(["shop", "web"])
        .with_content(|kind| match kind.gvk.kind.as_str() {
            "Secret" => Content::None,
            "ConfigMap" => Content::Metadata,
            _ => Content::Full,
        });
    let (target, log) = target(options.with_cluster_objects(false), |seen| {
        usual_kinds(seen).unwrap_or_else(|| {
            let partial = json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                "metadata": {"name": "a", "namespace": "shop", "managedFields": []},
            });
            let items = if seen.path.contains("shop/configmaps") {
                vec![partial]
            } else {
                Vec::new()
            };
            list(10, &items, "")
        })
    });
    let snapshot = target.snapshot(&Scope::all()).await.unwrap();
    let unlisted: Vec<&str> = snapshot
        .unlisted
        .iter()
        .map(|(kind, _)| kind.kind.as_str())
        .collect();
    assert_eq!(unlisted, ["Namespace", "Secret"]);
    assert_eq!(
        snapshot.objects[0].to_value().to_json(),
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}"#
    );
    let mut asked: Vec<String> = log.all().into_iter().map(|seen| seen.path).collect();
    asked.retain(|path| path.contains("namespaces/"));
    asked.sort();
    assert_eq!(
        asked,
        [
            "/api/v1/namespaces/shop/configmaps",
            "/api/v1/namespaces/web/configmaps",
            "/apis/apps/v1/namespaces/shop/deployments",
            "/apis/apps/v1/namespaces/web/deployments",
        ]
    );
    let maps = log.to("/api/v1/namespaces/shop/configmaps");
    assert!(
        maps[0]
            .header("accept")
            .unwrap()
            .contains("PartialObjectMetadataList")
    );
}

#[tokio::test(start_paused = true)]
async fn the_version_is_asked_for_once_in_a_while() {
    let (target, log) = target(KubeOptions::default(), |seen| match seen.path.as_str() {
        "/version" => Reply::json(&json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3"})),
        _ => usual_kinds(seen).unwrap(),
    });
    assert_eq!(target.version().await.unwrap(), "v1.36.3");
    assert_eq!(target.version().await.unwrap(), "v1.36.3");
    assert_eq!(log.to("/version").len(), 1);
    tokio::time::advance(KubeOptions::default().discovery_age).await;
    target.version().await.unwrap();
    assert_eq!(log.to("/version").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_ask_for_the_version_gets_none() {
    let (target, _) = target(KubeOptions::default(), |seen| match seen.path.as_str() {
        "/version" => Reply::text(403, "forbidden"),
        _ => usual_kinds(seen).unwrap(),
    });
    assert_eq!(target.version().await.unwrap(), "");
}
