//! What the server fills in where a writer left something open, for the kinds that are written most.

use gitops_manifest::{Map, Object, ObjectKey, Value};
use serde_json::json;

/// Fills in what a writer left open.
pub(super) fn complete(key: &ObjectKey, object: &mut Object) {
    let map = object.as_map_mut();
    match (key.group.as_str(), key.kind.as_str()) {
        ("", "Pod") => {
            pod(map.entry_object("spec"));
            default(map.entry_object("spec"), "enableServiceLinks", true);
        }
        ("", "Service") => service(map.entry_object("spec")),
        ("", "Secret") => default(map, "type", "Opaque"),
        ("", "PersistentVolumeClaim") => {
            default(map.entry_object("spec"), "volumeMode", "Filesystem");
        }
        ("apps", "Deployment") => {
            let spec = map.entry_object("spec");
            default(spec, "replicas", 1);
            default(spec, "revisionHistoryLimit", 10);
            default(spec, "progressDeadlineSeconds", 600);
            let strategy = spec.entry_object("strategy");
            default(strategy, "type", "RollingUpdate");
            if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
                let rolling = strategy.entry_object("rollingUpdate");
                default(rolling, "maxSurge", "25%");
                default(rolling, "maxUnavailable", "25%");
            }
            template(spec);
        }
        ("apps", "ReplicaSet") => {
            let spec = map.entry_object("spec");
            default(spec, "replicas", 1);
            template(spec);
        }
        ("apps", "StatefulSet") => {
            let spec = map.entry_object("spec");
            default(spec, "replicas", 1);
            default(spec, "revisionHistoryLimit", 10);
            default(spec, "podManagementPolicy", "OrderedReady");
            let retention = spec.entry_object("persistentVolumeClaimRetentionPolicy");
            default(retention, "whenDeleted", "Retain");
            default(retention, "whenScaled", "Retain");
            let strategy = spec.entry_object("updateStrategy");
            default(strategy, "type", "RollingUpdate");
            if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
                default(strategy.entry_object("rollingUpdate"), "partition", 0);
            }
            if let Some(Value::Array(claims)) = spec.get_mut("volumeClaimTemplates") {
                for claim in claims
                    .make_mut()
                    .iter_mut()
                    .filter_map(Value::as_object_mut)
                {
                    default(claim, "apiVersion", "v1");
                    default(claim, "kind", "PersistentVolumeClaim");
                    default(claim.entry_object("spec"), "volumeMode", "Filesystem");
                    default(claim.entry_object("status"), "phase", "Pending");
                }
            }
            template(spec);
        }
        ("apps", "DaemonSet") => {
            let spec = map.entry_object("spec");
            default(spec, "revisionHistoryLimit", 10);
            let strategy = spec.entry_object("updateStrategy");
            default(strategy, "type", "RollingUpdate");
            if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
                let rolling = strategy.entry_object("rollingUpdate");
                default(rolling, "maxSurge", 0);
                default(rolling, "maxUnavailable", 1);
            }
            template(spec);
        }
        ("batch", "Job") => job(map.entry_object("spec")),
        ("batch", "CronJob") => {
            let spec = map.entry_object("spec");
            default(spec, "concurrencyPolicy", "Allow");
            default(spec, "suspend", false);
            default(spec, "successfulJobsHistoryLimit", 3);
            default(spec, "failedJobsHistoryLimit", 1);
            template(spec.entry_object("jobTemplate").entry_object("spec"));
        }
        ("autoscaling", "HorizontalPodAutoscaler") => {
            default(map.entry_object("spec"), "minReplicas", 1);
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding(map),
        ("networking.k8s.io", "NetworkPolicy") => {
            let spec = map.entry_object("spec");
            let mut types = vec![Value::from("Ingress")];
            if spec.contains_key("egress") {
                types.push("Egress".into());
            }
            default(spec, "policyTypes", types);
        }
        ("storage.k8s.io", "StorageClass") => {
            default(map, "reclaimPolicy", "Delete");
            default(map, "volumeBindingMode", "Immediate");
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            definition(map.entry_object("spec"));
        }
        _ => {}
    }
}

fn default(map: &mut Map, field: &str, value: impl Into<Value>) {
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field, value);
    }
}

/// Goes over the maps of a list.
fn each(map: &mut Map, field: &str, mut change: impl FnMut(&mut Map)) {
    if let Some(Value::Array(list)) = map.get_mut(field) {
        for entry in list.make_mut().iter_mut().filter_map(Value::as_object_mut) {
            change(entry);
        }
    }
}

/// Changes a map where it is there.
fn within(map: &mut Map, field: &str, change: impl FnOnce(&mut Map)) {
    if let Some(inner) = map.get_mut(field).and_then(Value::as_object_mut) {
        change(inner);
    }
}

fn template(spec: &mut Map) {
    pod(spec.entry_object("template").entry_object("spec"));
}

fn pod(spec: &mut Map) {
    default(spec, "restartPolicy", "Always");
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "schedulerName", "default-scheduler");
    default(spec, "securityContext", Map::new());
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        default(spec, "serviceAccount", account);
    }
    for list in ["containers", "initContainers"] {
        each(spec, list, container);
    }
    each(spec, "volumes", volume);
}

fn container(container: &mut Map) {
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    default(container, "resources", Map::new());
    let image = container
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (path, digest) = image
        .split_once('@')
        .map_or((image, false), |(path, _)| (path, true));
    let tag = path
        .rsplit('/')
        .next()
        .and_then(|last| last.split_once(':'));
    let latest = !digest && tag.is_none_or(|(_, tag)| tag == "latest");
    default(
        container,
        "imagePullPolicy",
        if latest { "Always" } else { "IfNotPresent" },
    );
    each(container, "ports", |port| default(port, "protocol", "TCP"));
    each(container, "env", |variable| {
        within(variable, "valueFrom", |from| {
            within(from, "fieldRef", |field| default(field, "apiVersion", "v1"));
            within(from, "resourceFieldRef", |field| {
                default(field, "divisor", "0");
            });
        });
    });
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        within(container, probe, |probe| {
            default(probe, "timeoutSeconds", 1);
            default(probe, "periodSeconds", 10);
            default(probe, "successThreshold", 1);
            default(probe, "failureThreshold", 3);
            within(probe, "httpGet", http);
            within(probe, "grpc", |grpc| default(grpc, "service", ""));
        });
    }
    within(container, "lifecycle", |lifecycle| {
        for hook in ["preStop", "postStart"] {
            within(lifecycle, hook, |hook| within(hook, "httpGet", http));
        }
    });
    within(container, "resources", |resources| {
        let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else {
            return;
        };
        let requests = resources.entry_object("requests");
        for (name, limit) in &limits {
            default(requests, name, limit.clone());
        }
    });
}

fn http(get: &mut Map) {
    default(get, "path", "/");
    default(get, "scheme", "HTTP");
}

fn volume(volume: &mut Map) {
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        within(volume, source, |source| {
            default(source, "defaultMode", 420);
            for list in ["sources", "items"] {
                each(source, list, |entry| {
                    within(entry, "serviceAccountToken", |token| {
                        default(token, "expirationSeconds", 3600);
                    });
                    within(entry, "fieldRef", |field| {
                        default(field, "apiVersion", "v1");
                    });
                });
            }
        });
    }
    within(volume, "hostPath", |path| default(path, "type", ""));
    if volume.len() == 1 {
        volume.insert("emptyDir", Map::new());
    }
}

fn job(spec: &mut Map) {
    let both_open = !spec.contains_key("completions") && !spec.contains_key("parallelism");
    if both_open {
        spec.insert("completions", 1);
    }
    default(spec, "parallelism", 1);
    default(spec, "backoffLimit", 6);
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    default(spec, "manualSelector", false);
    default(spec, "podReplacementPolicy", "TerminatingOrFailed");
    template(spec);
}

fn service(spec: &mut Map) {
    default(spec, "type", "ClusterIP");
    default(spec, "sessionAffinity", "None");
    let kind = spec
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if kind != "ExternalName" {
        default(spec, "internalTrafficPolicy", "Cluster");
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        default(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        default(spec, "allocateLoadBalancerNodePorts", true);
    }
    each(spec, "ports", |port| {
        default(port, "protocol", "TCP");
        if let Some(number) = port.get("port").cloned() {
            default(port, "targetPort", number);
        }
    });
}

fn binding(map: &mut Map) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    default(map.entry_object("roleRef"), "apiGroup", GROUP);
    each(map, "subjects", |subject| {
        if matches!(
            subject.get("kind").and_then(Value::as_str),
            Some("User" | "Group")
        ) {
            default(subject, "apiGroup", GROUP);
        }
    });
}

fn definition(spec: &mut Map) {
    default(spec, "conversion", Value::from(json!({"strategy": "None"})));
    let names = spec.entry_object("names");
    let kind = names
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    default(names, "singular", kind.to_lowercase());
    default(names, "listKind", format!("{kind}List"));
}
