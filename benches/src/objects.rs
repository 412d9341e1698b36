//! Desired objects and their live counterparts, for the benchmarks of diffs.
//!
//! They are read from a folder where there is one (`NAME.desired.json`, `NAME.live.json`, `NAME.live-drifted.json`,
//! `NAME.live-ssa.json`, and the lists `desired.json` and `live.json`); what it has not is made. Live is what an API server holds of
//! desired: with defaults, the metadata that a server adds, who owns what, and the last-applied annotation.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gitops_diff::compare::LAST_APPLIED;
use gitops_diff::schema::Schemas;
use gitops_diff::structured::{self, WriteOptions};
use gitops_manifest::{Object, Value};
use serde_json::json;

/// A folder that has all inputs, for as long as this value lives.
#[derive(Debug)]
pub struct Inputs {
    folder: PathBuf,
}

impl Inputs {
    /// Lays out the inputs: those of `given` where it has them, made ones otherwise.
    ///
    /// # Errors
    /// Where the folder cannot be read, or a temporary one cannot be written.
    pub fn new(given: Option<&Path>) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("gitops-bench-{}", std::process::id()));
        make(&folder)?;
        let inputs = Self { folder };
        for entry in given.map(fs::read_dir).into_iter().flatten().flatten() {
            let entry = entry?;
            if entry.path().extension().is_some_and(|ext| ext == "json") {
                // The bytes alone: the original may be read-only.
                fs::write(
                    inputs.folder.join(entry.file_name()),
                    fs::read(entry.path())?,
                )?;
            }
        }
        Ok(inputs)
    }

    /// The inputs of the folder that is named, else of the one beside the repository where it is there.
    ///
    /// # Panics
    /// As [`Inputs::new`] fails.
    #[must_use]
    pub fn find(named: Option<PathBuf>) -> Self {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/bench/objects");
        let given = named.or_else(|| Some(PathBuf::from(beside)).filter(|beside| beside.is_dir()));
        Self::new(given.as_deref()).unwrap_or_else(|error| panic!("{given:?}: {error}"))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Inputs {
    fn drop(&mut self) {
        // What is left is a temporary file.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

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

/// What an API server has of a desired object that was applied by `kubectl apply`, or on the server.
fn live(desired: &Object, drifted: bool, last_applied: bool) -> Object {
    let schemas = Schemas::default();
    let options = |manager| WriteOptions::new(manager).time("2026-03-01T10:00:00Z");
    let written = if last_applied {
        let mut created = desired.clone();
        created.set_annotation(LAST_APPLIED, desired.to_value().to_go_json());
        structured::update(None, &created, &options("argocd-controller"), &schemas)
    } else {
        structured::apply(None, desired, &options("argocd-controller"), &schemas)
    };
    let mut live = written.expect("the object can be created").object;
    let metadata = live.metadata_mut();
    metadata.insert("creationTimestamp", "2026-03-01T09:59:50Z");
    metadata.insert("generation", 3);
    metadata.insert("resourceVersion", "486151261");
    metadata.insert("uid", "7734d7c1-73ab-4820-8dae-309d965eda32");
    if drifted {
        let mut changed = live.clone();
        changed.set_label("app.kubernetes.io/part-of", "other");
        live = structured::update(Some(&live), &changed, &options("kubectl-edit"), &schemas)
            .expect("the object can be changed")
            .object;
    }
    live
}
