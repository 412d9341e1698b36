//! Defaults that depend on other fields.

use gitops_manifest::{Map, Str, Value};

/// Whether a type has such defaults.
pub(super) fn concerns(name: &str) -> bool {
    find(name).is_some()
}

/// Fills them in.
pub(super) fn fill(map: &mut Map, name: &str) {
    if let Some(fill) = find(name) {
        fill(map);
    }
}

fn find(name: &str) -> Option<fn(&mut Map)> {
    let (group, kind) = name.split_once('.')?;
    Some(match (group, kind) {
        ("core/v1", "Container" | "EphemeralContainer") => container,
        ("core/v1", "LimitRangeItem") => limit_range_item,
        ("core/v1", "Namespace") => namespace,
        ("core/v1", "NodeStatus") => node_status,
        ("core/v1", "PersistentVolume") => persistent_volume,
        ("core/v1", "Pod") => pod,
        ("core/v1", "ReplicationController") => replication_controller,
        ("core/v1", "Service") => service,
        ("core/v1", "Volume") => volume,
        ("apps/v1" | "apps/v1beta1" | "apps/v1beta2", "DeploymentStrategy") => deployment_strategy,
        ("apps/v1" | "apps/v1beta2", "DaemonSetUpdateStrategy") => daemon_set_strategy,
        ("apps/v1" | "apps/v1beta2", "StatefulSetUpdateStrategy") => stateful_set_strategy,
        ("apps/v1beta1", "StatefulSetUpdateStrategy") => partition,
        ("apps/v1beta1", "StatefulSet" | "Deployment") => labels_of_template,
        ("autoscaling/v2", "HorizontalPodAutoscalerBehavior") => scaling_behavior,
        ("batch/v1", "Job") => job,
        ("certificates/v1beta1", "CertificateSigningRequestSpec") => signing_request,
        ("extensions/v1beta1", "DaemonSet" | "Deployment" | "ReplicaSet") => labels_of_template,
        ("extensions/v1beta1", "DaemonSetUpdateStrategy") => old_daemon_set_strategy,
        ("extensions/v1beta1", "DeploymentStrategy") => old_deployment_strategy,
        ("flowcontrol/v1beta3", "PriorityLevelConfiguration") => priority_level,
        ("extensions/v1beta1" | "networking/v1", "NetworkPolicySpec") => network_policy,
        ("rbac/v1" | "rbac/v1alpha1" | "rbac/v1beta1", "ClusterRoleBinding" | "RoleBinding") => {
            role_binding
        }
        ("rbac/v1" | "rbac/v1beta1", "Subject") => subject,
        ("rbac/v1alpha1", "Subject") => old_subject,
        _ => return None,
    })
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn text<'m>(map: &'m Map, field: &str) -> &'m str {
    map.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn is_absent(map: &Map, field: &str) -> bool {
    map.get(field).is_none_or(Value::is_null)
}

/// Sets a field that is absent.
fn default(map: &mut Map, field: &'static str, value: impl Into<Value>) {
    if is_absent(map, field) {
        map.insert(Str::from_static(field), value);
    }
}

/// Sets a text that is absent or empty.
fn default_text(map: &mut Map, field: &'static str, value: &'static str) {
    if text(map, field).is_empty() {
        map.insert(Str::from_static(field), Str::from_static(value));
    }
}

/// The map under a field, made where there is none.
fn inner<'m>(map: &'m mut Map, field: &'static str) -> &'m mut Map {
    map.entry_object(Str::from_static(field))
}

/// The map under a field, where there is one.
fn existing<'m>(map: &'m mut Map, field: &str) -> Option<&'m mut Map> {
    map.get_mut(field)?.as_object_mut()
}

fn each(map: &mut Map, field: &str, mut change: impl FnMut(&mut Map)) {
    if let Some(Value::Array(list)) = map.get_mut(field) {
        for item in list.make_mut() {
            if let Value::Object(item) = item {
                change(item);
            }
        }
    }
}

fn container(map: &mut Map) {
    if text(map, "imagePullPolicy").is_empty() {
        let policy = pull_policy(text(map, "image"));
        map.insert("imagePullPolicy", policy);
    }
}

fn pull_policy(image: &str) -> &'static str {
    if is_latest(image) {
        "Always"
    } else {
        "IfNotPresent"
    }
}

/// Whether an image reference means the tag `latest`: it says so, or says neither tag nor digest. One that is no
/// reference means nothing.
fn is_latest(image: &str) -> bool {
    let (name, digest) = image
        .split_once('@')
        .map_or((image, None), |(name, digest)| (name, Some(digest)));
    let slash = name.rfind('/').map_or(0, |i| i + 1);
    let (repository, tag) = match name[slash..].rfind(':') {
        Some(colon) => (&name[..slash + colon], Some(&name[slash + colon + 1..])),
        None => (name, None),
    };
    if !is_repository(repository) {
        return false;
    }
    match (tag, digest) {
        (Some(tag), _) => tag == "latest",
        (None, digest) => digest.is_none(),
    }
}

fn is_repository(repository: &str) -> bool {
    let (domain, path) = match repository.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.chars().any(char::is_uppercase) =>
        {
            (Some(first), rest)
        }
        _ => (None, repository),
    };
    let domain_fits = domain.is_none_or(|domain| {
        !domain.is_empty()
            && domain
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'))
    });
    // What looks like the identifier of an image is not taken for its name.
    let identifier = repository.len() == 64
        && repository
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    domain_fits
        && !identifier
        && path.split('/').all(|part| {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            part.starts_with(plain)
                && part.ends_with(plain)
                && part
                    .chars()
                    .all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
        })
}

/// Copies the entries that `to` lacks.
fn copy_missing(map: &mut Map, from: &str, to: &'static str) {
    let Some(Value::Object(source)) = map.get(from).cloned() else {
        return;
    };
    let target = inner(map, to);
    for (key, value) in &source {
        if !target.contains_key(key) {
            target.insert(key.clone(), value.clone());
        }
    }
}

fn limit_range_item(map: &mut Map) {
    if text(map, "type") == "Container" {
        copy_missing(map, "max", "default");
        copy_missing(map, "default", "defaultRequest");
        copy_missing(map, "min", "defaultRequest");
    }
}

fn namespace(map: &mut Map) {
    let name: Str = map
        .get("metadata")
        .and_then(|metadata| metadata.get("name")?.as_str())
        .unwrap_or_default()
        .into();
    if !name.is_empty() {
        inner(inner(map, "metadata"), "labels").insert("kubernetes.io/metadata.name", name);
    }
}

fn node_status(map: &mut Map) {
    if is_absent(map, "allocatable")
        && let Some(capacity) = map
            .get("capacity")
            .filter(|capacity| !capacity.is_null())
            .cloned()
    {
        map.insert("allocatable", capacity);
    }
}

fn persistent_volume(map: &mut Map) {
    let spec = inner(map, "spec");
    default_text(spec, "persistentVolumeReclaimPolicy", "Retain");
    default(spec, "volumeMode", "Filesystem");
}

fn pod(map: &mut Map) {
    let spec = inner(map, "spec");
    let host_network = spec.get("hostNetwork").and_then(Value::as_bool) == Some(true);
    for field in ["containers", "initContainers"] {
        each(spec, field, |container| {
            if let Some(resources) = existing(container, "resources") {
                copy_missing(resources, "limits", "requests");
            }
            if host_network {
                each(container, "ports", |port| {
                    if port.get("hostPort").and_then(Value::as_i64).unwrap_or(0) == 0
                        && let Some(number) = port.get("containerPort").cloned()
                    {
                        port.insert("hostPort", number);
                    }
                });
            }
        });
    }
    default(spec, "enableServiceLinks", true);
}

/// The labels of the template, for selectors and labels that are not given.
fn template_labels(map: &Map) -> Option<Value> {
    map.get("spec")?
        .at(&["template", "metadata", "labels"])
        .filter(|labels| labels.as_object().is_some())
        .cloned()
}

fn has_labels(map: &Map) -> bool {
    let labels = map
        .get("metadata")
        .and_then(|metadata| metadata.get("labels")?.as_object());
    labels.is_some_and(|labels| !labels.is_empty())
}

fn labels_of_template(map: &mut Map) {
    let Some(labels) = template_labels(map) else {
        return;
    };
    let spec = inner(map, "spec");
    if is_absent(spec, "selector") {
        inner(spec, "selector").insert("matchLabels", labels.clone());
    }
    if !has_labels(map) {
        inner(map, "metadata").insert("labels", labels);
    }
}

fn replication_controller(map: &mut Map) {
    let Some(labels) = template_labels(map) else {
        return;
    };
    let spec = inner(map, "spec");
    if spec
        .get("selector")
        .and_then(Value::as_object)
        .is_none_or(Map::is_empty)
    {
        spec.insert("selector", labels.clone());
    }
    if !has_labels(map) {
        inner(map, "metadata").insert("labels", labels);
    }
}

fn service(map: &mut Map) {
    let spec = inner(map, "spec");
    default_text(spec, "sessionAffinity", "None");
    match text(spec, "sessionAffinity") {
        "None" => {
            spec.remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let timeout = spec
                .get("sessionAffinityConfig")
                .and_then(|config| config.at(&["clientIP", "timeoutSeconds"]));
            if timeout.is_none_or(Value::is_null) {
                let client = Map::from([("timeoutSeconds", 10_800)]);
                spec.insert("sessionAffinityConfig", Map::from([("clientIP", client)]));
            }
        }
        _ => {}
    }
    default_text(spec, "type", "ClusterIP");
    each(spec, "ports", |port| {
        default_text(port, "protocol", "TCP");
        let unset = match port.get("targetPort") {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(other) => other.as_i64() == Some(0),
        };
        if unset && let Some(number) = port.get("port").cloned() {
            port.insert("targetPort", number);
        }
    });
    let kind: Str = text(spec, "type").into();
    let external_ips = spec
        .get("externalIPs")
        .and_then(Value::as_array)
        .is_some_and(|ips| !ips.is_empty());
    if matches!(&*kind, "LoadBalancer" | "NodePort") || (kind == "ClusterIP" && external_ips) {
        default_text(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(&*kind, "NodePort" | "LoadBalancer" | "ClusterIP") {
        default(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        default(spec, "allocateLoadBalancerNodePorts", true);
        if let Some(status) = existing(map, "status")
            && let Some(balancer) = existing(status, "loadBalancer")
        {
            each(balancer, "ingress", |ingress| {
                if !text(ingress, "ip").is_empty() {
                    default(ingress, "ipMode", "VIP");
                }
            });
        }
    }
}

fn volume(map: &mut Map) {
    if map
        .iter()
        .all(|(key, value)| key == "name" || value.is_null())
    {
        map.insert("emptyDir", Map::new());
    }
    if let Some(image) = existing(map, "image")
        && text(image, "pullPolicy").is_empty()
    {
        let policy = pull_policy(text(image, "reference"));
        image.insert("pullPolicy", policy);
    }
}

fn rolling_update(map: &mut Map, unavailable: Value, surge: Value) {
    default_text(map, "type", "RollingUpdate");
    if text(map, "type") == "RollingUpdate" {
        let update = inner(map, "rollingUpdate");
        default(update, "maxUnavailable", unavailable);
        default(update, "maxSurge", surge);
    }
}

fn deployment_strategy(map: &mut Map) {
    rolling_update(map, "25%".into(), "25%".into());
}

fn daemon_set_strategy(map: &mut Map) {
    rolling_update(map, 1.into(), 0.into());
}

fn old_daemon_set_strategy(map: &mut Map) {
    if text(map, "type") == "RollingUpdate" {
        daemon_set_strategy(map);
    }
}

fn old_deployment_strategy(map: &mut Map) {
    default_text(map, "type", "RollingUpdate");
    if text(map, "type") == "RollingUpdate" || !is_absent(map, "rollingUpdate") {
        let update = inner(map, "rollingUpdate");
        default(update, "maxUnavailable", 1);
        default(update, "maxSurge", 1);
    }
}

fn stateful_set_strategy(map: &mut Map) {
    if text(map, "type").is_empty() {
        map.insert("type", "RollingUpdate");
        inner(map, "rollingUpdate");
    }
    partition(map);
}

fn partition(map: &mut Map) {
    if text(map, "type") == "RollingUpdate"
        && let Some(update) = existing(map, "rollingUpdate")
    {
        default(update, "partition", 0);
    }
}

fn policy(kind: &str, value: i32) -> Value {
    let mut policy = Map::from([("value", value), ("periodSeconds", 15)]);
    policy.insert("type", kind);
    policy.into()
}

fn scaling_behavior(map: &mut Map) {
    let up = inner(map, "scaleUp");
    default(up, "stabilizationWindowSeconds", 0);
    default(up, "selectPolicy", "Max");
    default(
        up,
        "policies",
        vec![policy("Pods", 4), policy("Percent", 100)],
    );
    let down = inner(map, "scaleDown");
    default(down, "selectPolicy", "Max");
    default(down, "policies", vec![policy("Percent", 100)]);
}

fn job(map: &mut Map) {
    let labels = template_labels(map);
    let spec = inner(map, "spec");
    if is_absent(spec, "completions") && is_absent(spec, "parallelism") {
        spec.insert("completions", 1);
    }
    default(spec, "parallelism", 1);
    let per_index = !is_absent(spec, "backoffLimitPerIndex");
    default(spec, "backoffLimit", if per_index { i32::MAX } else { 6 });
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    let fails = !is_absent(spec, "podFailurePolicy");
    default(
        spec,
        "podReplacementPolicy",
        if fails {
            "Failed"
        } else {
            "TerminatingOrFailed"
        },
    );
    default(spec, "manualSelector", false);
    if let Some(labels) = labels
        && !has_labels(map)
    {
        inner(map, "metadata").insert("labels", labels);
    }
}

/// The signer is worked out of the certificate request; without one it is not known.
fn signing_request(map: &mut Map) {
    default(
        map,
        "usages",
        vec!["digital signature".into(), "key encipherment".into()],
    );
    if is_absent(map, "request") {
        default(map, "signerName", "kubernetes.io/legacy-unknown");
    }
}

fn priority_level(map: &mut Map) {
    const KEEP: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";
    let keep = map
        .get("metadata")
        .and_then(|metadata| metadata.at(&["annotations", KEEP]))
        .is_some();
    if keep {
        return;
    }
    if let Some(limited) = existing(map, "spec").and_then(|spec| existing(spec, "limited"))
        && limited
            .get("nominalConcurrencyShares")
            .and_then(Value::as_i64)
            .unwrap_or(0)
            == 0
    {
        limited.insert("nominalConcurrencyShares", 30);
    }
}

fn network_policy(map: &mut Map) {
    let some = |map: &Map, field| {
        map.get(field)
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
    };
    if !some(map, "policyTypes") {
        let mut types: Vec<Value> = vec!["Ingress".into()];
        if some(map, "egress") {
            types.push("Egress".into());
        }
        map.insert("policyTypes", types);
    }
}

fn role_binding(map: &mut Map) {
    default_text(inner(map, "roleRef"), "apiGroup", RBAC);
}

fn subject(map: &mut Map) {
    if matches!(text(map, "kind"), "User" | "Group") {
        default_text(map, "apiGroup", RBAC);
    }
}

fn old_subject(map: &mut Map) {
    let version = match text(map, "kind") {
        "ServiceAccount" => "v1",
        "User" | "Group" => "rbac.authorization.k8s.io/v1alpha1",
        _ => return,
    };
    default_text(map, "apiVersion", version);
}

#[cfg(test)]
mod tests {
    use super::is_latest;

    #[test]
    fn images_without_tag_and_digest_are_the_latest() {
        for image in [
            "nginx",
            "nginx:latest",
            "r.example.com:5000/a/b",
            "localhost/x",
            "library/nginx:latest",
        ] {
            assert!(is_latest(image), "{image}");
        }
        for image in [
            "",
            "nginx:1",
            "Nginx",
            "r.example.com:5000/a@sha256:00",
            "a/B:latest",
            "-a",
        ] {
            assert!(!is_latest(image), "{image}");
        }
    }
}
