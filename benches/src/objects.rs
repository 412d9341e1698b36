//! Desired objects and their live counterparts, for the benchmarks of diffs.
//!
//! They are read from a folder where there is one (`NAME.desired.json`, `NAME.live.json`, `NAME.live-drifted.json`,
//! `NAME.live-ssa.json`, and the lists `desired.json` and `live.json`), and made otherwise. Live is desired with the defaults of the API
//! server, the metadata that a server adds, who owns what, a status, and the last-applied annotation.

use std::fs;
use std::io;
use std::path::Path;

use gitops_diff::normalize;
use gitops_diff::schema::Schemas;
use gitops_manifest::{Object, Value};
use serde_json::json;

/// The objects that are measured one by one.
pub const NAMED: [&str; 6] = [
    "deployment",
    "service",
    "statefulset",
    "servicemonitor",
    "crd-200k",
    "configmap-500k",
];

/// Reads an object of a folder.
///
/// # Panics
/// Where the file is not there, or no object.
#[must_use]
pub fn object(folder: &Path, file: &str) -> Object {
    let text = fs::read(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let value = Value::from_json(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    Object::try_from(value).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Reads `count` objects of a list; the list is read again, to new memory, until there are enough.
///
/// # Panics
/// Where the file is not there, or no list of objects.
#[must_use]
pub fn objects(folder: &Path, file: &str, count: usize) -> Vec<Object> {
    let text = fs::read(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let list = Value::from_json(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let list = list.as_array().expect("the file holds a list").clone();
        all.extend(list.into_iter().take(count - all.len()).map(|value| {
            Object::try_from(value).unwrap_or_else(|error| panic!("{file}: {error}"))
        }));
    }
    all
}

/// Writes to a folder what [`object`] and [`objects`] read.
///
/// # Errors
/// Where the folder cannot be written.
pub fn make(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let write = |file: &str, value: &Value| fs::write(folder.join(file), value.to_json());
    let named = [
        ("deployment", deployment(1)),
        ("service", service(1)),
        ("statefulset", stateful_set(1)),
        ("servicemonitor", service_monitor(1)),
        ("crd-200k", definition(1_000)),
        ("configmap-500k", config_map(1, 165)),
    ];
    for (name, desired) in named {
        write(&format!("{name}.desired.json"), &desired.to_value())?;
        write(
            &format!("{name}.live.json"),
            &live(&desired, false, true).into(),
        )?;
        write(
            &format!("{name}.live-drifted.json"),
            &live(&desired, true, true).into(),
        )?;
        write(
            &format!("{name}.live-ssa.json"),
            &live(&desired, false, false).into(),
        )?;
    }
    // One in ten of the mix has drifted.
    let desired: Vec<Object> = (0..150).map(mixed).collect();
    let lives: Vec<Value> = desired
        .iter()
        .enumerate()
        .map(|(i, desired)| live(desired, i % 10 == 3, true).into())
        .collect();
    let desired: Vec<Value> = desired.into_iter().map(Value::from).collect();
    write("desired.json", &desired.into())?;
    write("live.json", &lives.into())
}

fn made(value: serde_json::Value) -> Object {
    Object::try_from(value).expect("the object is well formed")
}

fn labels(i: usize) -> serde_json::Value {
    json!({"app.kubernetes.io/name": format!("app-{i}"), "app.kubernetes.io/instance": format!("app-{i}-prod"),
           "app.kubernetes.io/part-of": "shop", "app.kubernetes.io/managed-by": "Helm"})
}

fn metadata(i: usize) -> serde_json::Value {
    json!({"name": format!("app-{i}"), "namespace": "shop", "labels": labels(i)})
}

fn pod(i: usize) -> serde_json::Value {
    let env: Vec<_> = (0..8)
        .map(|n| json!({"name": format!("VAR_{n}"), "value": format!("value-{}", i * 31 + n)}))
        .collect();
    json!({
        "metadata": {"labels": labels(i), "annotations": {"checksum/config": format!("{:064x}", i * 7919)}},
        "spec": {
            "serviceAccountName": format!("app-{i}"),
            "containers": [
                {"name": "app", "image": format!("registry.example.com/shop/app:{i}"),
                 "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}], "env": env,
                 "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
                 "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 20},
                 "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
                 "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}, {"name": "tmp", "mountPath": "/tmp"}]},
                {"name": "proxy", "image": "registry.example.com/mesh/proxy:2", "args": ["--log", "info"]},
            ],
            "volumes": [{"name": "config", "configMap": {"name": format!("app-{i}")}}, {"name": "tmp", "emptyDir": {}}],
        },
    })
}

fn deployment(i: usize) -> Object {
    made(
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(i), "spec": {
        "replicas": 3, "selector": {"matchLabels": {"app.kubernetes.io/name": format!("app-{i}")}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, "template": pod(i)}}),
    )
}

fn stateful_set(i: usize) -> Object {
    made(
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata(i), "spec": {
        "replicas": 3, "serviceName": format!("app-{i}"), "selector": {"matchLabels": {"app.kubernetes.io/name": format!("app-{i}")}},
        "template": pod(i), "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}}]}}),
    )
}

fn service(i: usize) -> Object {
    made(
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(i), "spec": {
        "selector": {"app.kubernetes.io/name": format!("app-{i}")},
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}, {"name": "metrics", "port": 9090}]}}),
    )
}

fn config_map(i: usize, files: usize) -> Object {
    let data: serde_json::Map<_, _> = (0..files)
        .map(|n| {
            let text: String = (0..60)
                .map(|line| format!("setting.{n}.{line} = value of app {i} number {line}\n"))
                .collect();
            (format!("file-{n}.properties"), text.into())
        })
        .collect();
    made(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(i), "data": data}))
}

fn service_monitor(i: usize) -> Object {
    made(
        json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": metadata(i), "spec": {
        "selector": {"matchLabels": {"app.kubernetes.io/name": format!("app-{i}")}},
        "endpoints": [{"port": "metrics", "interval": "30s"}, {"port": "http", "path": "/stats"}]}}),
    )
}

fn definition(fields: usize) -> Object {
    let properties: serde_json::Map<_, _> = (0..fields)
        .map(|n| {
            let schema = json!({"type": "object", "description": format!("Field number {n} of the order, which says how it is to be carried out."),
                "properties": {"name": {"type": "string", "maxLength": 253}, "count": {"type": "integer", "format": "int32", "minimum": 0}}});
            (format!("field{n}"), schema)
        })
        .collect();
    made(
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "orders.shop.example.com"},
        "spec": {"group": "shop.example.com", "scope": "Namespaced", "names": {"kind": "Order", "plural": "orders"},
                 "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                     "type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}}}]}}),
    )
}

/// The mix of a cluster.
fn mixed(i: usize) -> Object {
    let name = || format!("app-{i}");
    match i * 37 % 100 {
        0..22 => deployment(i),
        22..38 => service(i),
        38..54 => config_map(i, 1),
        54..62 => made(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(i), "data": {"token": "aHVudGVyMg=="}}),
        ),
        62..70 => {
            made(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(i)}))
        }
        70..76 => made(
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata(i), "spec": {"rules": [
            {"host": format!("{}.example.com", name()), "http": {"paths": [{"path": "/", "pathType": "Prefix",
             "backend": {"service": {"name": name(), "port": {"name": "http"}}}}]}}]}}),
        ),
        76..81 => made(
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata(i), "spec": {
            "maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name()}}}),
        ),
        81..85 => made(
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata(i), "spec": {
            "maxUnavailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": name()}}}}),
        ),
        85..89 => made(
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata(i), "spec": {
            "podSelector": {}, "ingress": [{"ports": [{"port": 8080}]}]}}),
        ),
        89..95 => made(
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata(i), "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]}),
        ),
        95..97 => stateful_set(i),
        97..99 => made(
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata(i), "spec": {
            "schedule": "4 1 * * *", "jobTemplate": {"spec": {"template": pod(i)}}}}),
        ),
        _ => service_monitor(i),
    }
}

/// What an API server has of a desired object.
fn live(desired: &Object, drifted: bool, last_applied: bool) -> Object {
    let ty = Schemas::builtin().lookup(desired.group(), desired.version(), desired.kind());
    let mut live = ty
        .and_then(|ty| normalize::defaulted(desired, ty).ok())
        .unwrap_or_else(|| desired.clone());
    if last_applied {
        let text = desired.to_value().to_json();
        live.set_annotation(gitops_diff::compare::LAST_APPLIED, text);
    }
    if drifted {
        live.set_label("app.kubernetes.io/part-of", "other");
    }
    let owned = gitops_diff::structured::FieldSet::of_value(&desired.to_value());
    let operation = if last_applied { "Update" } else { "Apply" };
    let mut entry = Value::from(
        json!({"manager": "argocd-controller", "operation": operation,
        "apiVersion": desired.api_version(), "time": "2026-03-01T10:00:00Z", "fieldsType": "FieldsV1"}),
    );
    if let Some(entry) = entry.as_object_mut() {
        entry.insert(
            "fieldsV1",
            Value::from_json(owned.to_json()).unwrap_or_default(),
        );
    }
    let metadata = live.metadata_mut();
    metadata.insert("creationTimestamp", "2026-03-01T09:59:50Z");
    metadata.insert("generation", 3);
    metadata.insert("resourceVersion", "486151261");
    metadata.insert("uid", "7734d7c1-73ab-4820-8dae-309d965eda32");
    metadata.insert("managedFields", vec![entry]);
    live
}
