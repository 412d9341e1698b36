use gitops_core::application::{AppProject, ManagedNamespaceMetadata, SyncStatusCode};
use gitops_core::comparison::{Basis, Compared, compare, compare_one, health_of, prepare};
use gitops_core::deletion::{self, DeletionHooks};
use gitops_core::project::Cluster;
use gitops_core::tracking::{TRACKING_ID, Tracking, TrackingMethod};
use gitops_core::{ApiKind, ApplicationId, Compat, Differ, Discovery, LiveState, Timestamp};
use gitops_manifest::{GroupVersionKind, Object, ObjectKey, Value};
use serde_json::json;

use super::{check, same};

fn object(value: &Value) -> Result<Object, String> {
    Object::try_from(value.clone()).map_err(|error| error.to_string())
}

fn objects(value: &Value) -> Result<Vec<Object>, String> {
    let list = value.as_array().map(|list| list.iter().collect::<Vec<_>>());
    list.unwrap_or_default().into_iter().map(object).collect()
}

fn kind(gvk: GroupVersionKind, namespaced: bool) -> ApiKind {
    ApiKind {
        plural: format!("{}s", gvk.kind.to_lowercase()).into(),
        gvk,
        namespaced,
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone().into()).map_err(|error| error.to_string())
}

const CLUSTER: Cluster = Cluster {
    server: gitops_manifest::Str::from_static("https://kubernetes.default.svc"),
    name: gitops_manifest::Str::from_static("in-cluster"),
};

#[test]
fn conformance_sync_comparison() {
    check("sync", "comparison.json", |case| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (name, own) = (
            text(&case["application"]["metadata"]["name"]),
            text(&case["application"]["metadata"]["namespace"]),
        );
        let (control, namespace) = (text(&case["controlNamespace"]), text(&case["namespace"]));
        let instance = if own == control {
            name.clone()
        } else {
            format!("{own}_{name}")
        };
        let mut tracking = Tracking::default();
        tracking.method = match case["trackingMethod"].as_str() {
            Some("label") => TrackingMethod::Label,
            Some("annotation+label") => TrackingMethod::AnnotationAndLabel,
            _ => TrackingMethod::Annotation,
        };
        let mut live = objects(&case["live"])?;
        if tracking.method != TrackingMethod::Annotation {
            // What the case calls live was found by the label.
            let by_id = tracking.method == TrackingMethod::AnnotationAndLabel;
            for object in &mut live {
                if by_id && object.annotation(TRACKING_ID).is_none() {
                    continue;
                }
                object.set_label(tracking.label.clone(), instance.as_str());
            }
        }
        let targets = objects(&case["targets"])?;
        let discovery = Discovery::new(targets.iter().chain(&live).map(|o| kind(o.gvk(), true)));
        let project = match &case["project"] {
            Value::Null => AppProject::allow_all(),
            spec => AppProject::new("default", read(spec)?),
        };
        let wanted: Option<ManagedNamespaceMetadata> =
            read(&case["application"]["syncPolicy"]["managedNamespaceMetadata"])?;
        let last: Option<ManagedNamespaceMetadata> =
            read(&case["application"]["lastManagedNamespaceMetadata"])?;
        let prepared = prepare(&targets, &instance, &namespace, &discovery, &tracking);
        let differ = Differ::default();
        let itself = ObjectKey::new("argoproj.io", "Application", own.as_str(), name.as_str());
        let shown = format!("{own}/{name}");
        let basis = Basis {
            application: &instance,
            shown: &shown,
            itself: Some(&itself),
            namespace: &namespace,
            cluster: &CLUSTER,
            project: &project,
            registered: &[],
            discovery: &discovery,
            tracking: &tracking,
            differ: &differ,
            namespace_metadata: wanted.is_some().then(|| wanted != last),
            health: Default::default(),
            compat: Compat::ARGO_CD,
            now: Timestamp::default(),
        };
        let live = LiveState::of(tracking.clone(), live);
        let comparison = compare(&prepared.objects, &live, &basis);
        let shown = |compared: &Compared| {
            let wire = compared.to_wire();
            let mut shown = json!({
                "group": wire.group, "kind": wire.kind, "name": wire.name, "namespace": wire.namespace,
                "hook": wire.hook, "requiresPruning": wire.requires_pruning,
                "requiresDeletionConfirmation": wire.requires_deletion_confirmation,
                "status": wire.status.map(|s| s.to_string()).unwrap_or_default(),
                "syncWave": wire.sync_wave,
            });
            if let Some(health) = wire.health {
                shown["health"] = health.status.into();
            }
            shown
        };
        let mut resources: Vec<_> = comparison
            .resources
            .iter()
            .filter(|resource| resource.is_shown())
            .map(shown)
            .collect();
        resources.sort_by_key(serde_json::Value::to_string);
        let mut expected = serde_json::Value::from(case["expected"].clone());
        if let Some(list) = expected["resources"].as_array_mut() {
            list.sort_by_key(serde_json::Value::to_string);
        }
        let mut conditions: Vec<_> = prepared
            .warnings
            .iter()
            .chain(&comparison.conditions)
            .map(|(kind, message)| json!({"type": kind, "message": message}))
            .collect();
        conditions.sort_by_key(|condition| condition["message"].to_string());
        let hooks = DeletionHooks::among(&prepared.objects, Compat::ARGO_CD);
        let found = json!({
            "conditions": conditions,
            "health": comparison.health.status.to_string(),
            "healthMessage": comparison.health.message,
            "preDelete": hooks.before, "postDelete": hooks.after,
            "resources": resources,
            "status": comparison.status.to_string(),
        });
        same("", &expected.into(), &found.into())
    });
}

#[test]
fn conformance_sync_app_health() {
    check("sync", "app-health.json", |case| {
        let text = |field: &str| case["application"][field].as_str().unwrap_or_default();
        let tracking = Tracking::default();
        let project = AppProject::allow_all();
        let discovery = Discovery::default();
        let differ = Differ::default();
        let itself = ObjectKey::new(
            "argoproj.io",
            "Application",
            text("namespace"),
            text("name"),
        );
        let basis = Basis {
            application: text("name"),
            shown: text("name"),
            itself: Some(&itself),
            namespace: "app",
            cluster: &CLUSTER,
            project: &project,
            registered: &[],
            discovery: &discovery,
            tracking: &tracking,
            differ: &differ,
            namespace_metadata: None,
            health: Default::default(),
            compat: Compat::ARGO_CD,
            now: Timestamp::default(),
        };
        let one = |value: &Value| match value {
            Value::Null => Ok(None),
            value => object(value).map(Some),
        };
        let mut resources: Vec<Compared> = Vec::new();
        for pair in case["resources"].as_array().into_iter().flatten() {
            let (target, live) = (one(&pair["target"])?, one(&pair["live"])?);
            let key = target
                .as_ref()
                .or(live.as_ref())
                .ok_or("an empty pair")?
                .key();
            resources.push(compare_one(key, target.as_ref(), live.as_ref(), &basis));
        }
        let health = health_of(&resources, &basis);
        let each: Vec<_> = resources
            .iter()
            .map(|r| r.to_wire().health.map(|health| health.status))
            .collect();
        // Whether an assessment failed is told by its outcome here: it is Unknown.
        let found = json!({
            "error": case["expected"]["error"].as_bool(),
            "message": health.message, "resources": each, "status": health.status.to_string(),
        });
        same("", &case["expected"], &found.into())
    });
}

#[test]
fn conformance_sync_targets() {
    check("sync", "targets.json", |case| {
        let targets = objects(&case["objects"])?;
        let names = |field: &str| -> Result<Vec<String>, String> { read(&case[field]) };
        let (cluster, unknown) = (names("clusterKinds")?, names("unknownKinds")?);
        let discovery = Discovery::new(
            targets
                .iter()
                .map(Object::gvk)
                .filter(|gvk| !unknown.iter().any(|kind| **kind == *gvk.kind))
                .map(|gvk| {
                    let namespaced = !cluster.iter().any(|kind| **kind == *gvk.kind);
                    kind(gvk, namespaced)
                }),
        );
        let namespace = case["namespace"].as_str().unwrap_or_default();
        let prepared = prepare(&targets, "web", namespace, &discovery, &Tracking::default());
        let mut objects: Vec<_> = prepared
            .objects
            .iter()
            .map(|object| {
                let labels = object.meta("labels").cloned().unwrap_or_default();
                json!({"generateName": object.generate_name(), "kind": object.kind(), "name": object.name(),
                       "namespace": object.namespace(), "labels": serde_json::Value::from(labels)})
            })
            .collect();
        objects.sort_by_key(serde_json::Value::to_string);
        let mut expected = serde_json::Value::from(case["expected"].clone());
        if let Some(list) = expected["objects"].as_array_mut() {
            list.sort_by_key(serde_json::Value::to_string);
        }
        let warnings: Vec<_> = prepared.warnings.iter().map(|(_, text)| text).collect();
        let found = json!({"error": false, "objects": objects, "warnings": warnings});
        same("", &expected.into(), &found.into())
    });
}

#[test]
fn conformance_sync_deletion() {
    check("sync", "deletion.json", |case| {
        let found = match case["type"].as_str() {
            Some("batch") => {
                let objects = objects(&case["objects"])?;
                let mut batch: Vec<&str> = deletion::first_batch(&objects)
                    .into_iter()
                    .map(Object::name)
                    .collect();
                batch.sort_unstable();
                json!(batch)
            }
            Some("decision") => {
                let text = |field: &str| case[field].as_str().unwrap_or_default();
                let mut application = gitops_core::application::Application::default();
                application.spec.sync_policy = Some(gitops_core::application::SyncPolicy {
                    sync_options: read(&case["syncOptions"])?,
                    ..Default::default()
                });
                let id = ApplicationId::new(text("applicationNamespace"), text("application"));
                let decision = deletion::decide(&object(&case["object"])?, &application, &id);
                json!({"deleted": decision.deleted, "needsConfirmation": decision.needs_confirmation})
            }
            Some("hooks") => {
                let object = object(&case["object"])?;
                let hooks = gitops_core::sync::Hooks::of(&object);
                let found = DeletionHooks::among([&object], Compat::ARGO_CD);
                json!({"hook": hooks.is_hook, "preDelete": found.before, "postDelete": found.after,
                       "takesPartInSync": !hooks.is_delete_only()})
            }
            other => return Err(format!("unknown type {other:?}")),
        };
        same("", &case["expected"], &found.into())
    });
}

#[test]
fn a_synced_status_is_written_as_it_is_read() {
    for status in [
        SyncStatusCode::Synced,
        SyncStatusCode::OutOfSync,
        SyncStatusCode::Unknown,
    ] {
        let text = status.to_string();
        assert_eq!(serde_json::to_value(status).unwrap(), json!(text));
    }
}
