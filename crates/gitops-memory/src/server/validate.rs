//! What the server refuses: names, labels, fields that may not change.

use gitops_core::TargetError;
use gitops_manifest::{Object, ObjectKey, Value};

const SUBDOMAIN: usize = 253;
const LABEL: usize = 63;
/// How large the annotations of an object may be together.
const ANNOTATIONS: usize = 256 * 1024;
/// How large an object may be.
const OBJECT: usize = 3 * 512 * 1024;

const IMMUTABLE: &str = "field is immutable";

pub(super) fn invalid(key: &ObjectKey, reason: impl Into<String>) -> TargetError {
    TargetError::Invalid {
        key: key.clone(),
        reason: reason.into(),
    }
}

/// Collects what is wrong with an object.
struct Errors(Vec<String>);

impl Errors {
    fn add(&mut self, path: &str, message: &str) {
        self.0.push(format!("{path}: {message}"));
    }

    fn value(&mut self, path: &str, value: Option<&Value>, message: &str) {
        let value = value.map_or_else(|| "null".to_owned(), Value::to_json);
        self.0
            .push(format!("{path}: Invalid value: {value}: {message}"));
    }

    fn done(self, key: &ObjectKey) -> Result<(), TargetError> {
        match self.0.as_slice() {
            [] => Ok(()),
            [one] => Err(invalid(key, one)),
            many => Err(invalid(key, format!("[{}]", many.join(", ")))),
        }
    }
}

/// Checks name, namespace, labels and annotations.
pub(super) fn names(key: &ObjectKey, object: &Object, namespaced: bool) -> Result<(), TargetError> {
    let mut errors = Errors(Vec::new());
    if key.name.is_empty() {
        errors.add(
            "metadata.name",
            "Required value: name or generateName is required",
        );
    } else if let Err(message) = name(key) {
        errors.value("metadata.name", Some(&Value::from(&key.name)), message);
    }
    if namespaced && key.namespace.is_empty() {
        errors.add(
            "metadata.namespace",
            "Required value: objects of this kind live in a namespace",
        );
    }
    map(&mut errors, object, "labels", |errors, path, value| {
        if !is_label_value(value) {
            let message = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
            errors.value(path, Some(&Value::from(value)), message);
        }
    });
    map(&mut errors, object, "annotations", |_, _, _| {});
    let annotations = object.meta("annotations").and_then(Value::as_object);
    let size: usize = annotations
        .into_iter()
        .flatten()
        .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
        .sum();
    if size > ANNOTATIONS {
        errors.add(
            "metadata.annotations",
            "Too long: may not be more than 262144 bytes",
        );
    }
    errors.done(key)
}

fn map(errors: &mut Errors, object: &Object, field: &str, check: impl Fn(&mut Errors, &str, &str)) {
    let path = format!("metadata.{field}");
    match object.meta(field) {
        None | Some(Value::Null) => {}
        Some(Value::Object(entries)) => {
            for (name, value) in entries {
                if !is_qualified(name) {
                    let message = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
                    errors.value(&path, Some(&Value::from(name)), message);
                }
                match value {
                    Value::String(text) => check(errors, &path, text),
                    Value::Null => {}
                    other => {
                        let message = format!("must be a string, not {}", other.type_name());
                        errors.value(&format!("{path}.{name}"), Some(other), &message);
                    }
                }
            }
        }
        other => errors.value(&path, other, "must be a map of strings"),
    }
}

fn name(key: &ObjectKey) -> Result<(), &'static str> {
    let name = key.name.as_str();
    match (key.group.as_str(), key.kind.as_str()) {
        ("rbac.authorization.k8s.io" | "authorization.k8s.io", _) => {
            let path = name != "." && name != ".." && !name.contains(['/', '%']);
            path.then_some(()).ok_or("may not be '.' or '..', nor contain '/' or '%'")
        }
        ("", "Namespace" | "Service") => is_dns_label(name).then_some(()).ok_or(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
        ),
        _ => is_subdomain(name).then_some(()).ok_or(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
        ),
    }
}

fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= LABEL
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_subdomain(text: &str) -> bool {
    let part = |part: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty()
            && part.bytes().all(inner)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= SUBDOMAIN && text.split('.').all(part)
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_name_part(text)
}

fn is_name_part(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.len() <= LABEL
        && text.bytes().all(inner)
        && outer(text.bytes().next())
        && outer(text.bytes().next_back())
}

fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(&prefix.to_ascii_lowercase()) && is_name_part(name),
        None => is_name_part(text),
    }
}

/// Checks what an object of a built-in kind must say.
pub(super) fn object(key: &ObjectKey, object: &Object) -> Result<(), TargetError> {
    let mut errors = Errors(Vec::new());
    match (key.group.as_str(), key.kind.as_str()) {
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") => {
            selector(&mut errors, object);
            pod(
                &mut errors,
                object.at(&["spec", "template", "spec"]),
                "spec.template.spec",
            );
            let policy = object.at(&["spec", "template", "spec", "restartPolicy"]);
            if policy.and_then(Value::as_str) != Some("Always") {
                let message = "Unsupported value: supported values: \"Always\"";
                errors.add("spec.template.spec.restartPolicy", message);
            }
            at_least_zero(&mut errors, object, "replicas");
        }
        ("batch", "Job") => {
            pod(
                &mut errors,
                object.at(&["spec", "template", "spec"]),
                "spec.template.spec",
            );
            let policy = object.at(&["spec", "template", "spec", "restartPolicy"]);
            if !matches!(policy.and_then(Value::as_str), Some("Never" | "OnFailure")) {
                let message = "Required value: valid values: \"OnFailure\", \"Never\"";
                errors.add("spec.template.spec.restartPolicy", message);
            }
            at_least_zero(&mut errors, object, "parallelism");
            at_least_zero(&mut errors, object, "completions");
            at_least_zero(&mut errors, object, "backoffLimit");
        }
        ("", "Pod") => pod(&mut errors, object.get("spec"), "spec"),
        ("", "Service") => service(&mut errors, object),
        ("", "ConfigMap") => data_names(&mut errors, object, &["data", "binaryData"]),
        ("", "Secret") => data_names(&mut errors, object, &["data"]),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crd(&mut errors, key, object),
        ("autoscaling", "HorizontalPodAutoscaler") => {
            let limit = |field| object.at(&["spec", field]).and_then(Value::as_i64);
            let (low, high) = (
                limit("minReplicas").unwrap_or(1),
                limit("maxReplicas").unwrap_or(0),
            );
            if high < 1 {
                errors.value(
                    "spec.maxReplicas",
                    Some(&high.into()),
                    "must be greater than 0",
                );
            } else if high < low {
                let message = "must be greater than or equal to `minReplicas`";
                errors.value("spec.maxReplicas", Some(&high.into()), message);
            }
        }
        _ => {}
    }
    if errors.0.is_empty() && weight(&object.to_value()) > OBJECT {
        errors.add("object", "Too long: may not be more than 1572864 bytes");
    }
    errors.done(key)
}

/// Estimates the size of a value in bytes.
fn weight(value: &Value) -> usize {
    match value {
        Value::Object(map) => {
            map.iter()
                .map(|(key, value)| key.len() + 4 + weight(value))
                .sum::<usize>()
                + 2
        }
        Value::Array(list) => list.iter().map(|value| weight(value) + 1).sum::<usize>() + 2,
        Value::String(text) => text.len() + 2,
        _ => 5,
    }
}

fn at_least_zero(errors: &mut Errors, object: &Object, field: &str) {
    let value = object.at(&["spec", field]);
    if value
        .and_then(Value::as_i64)
        .is_some_and(|number| number < 0)
    {
        let path = format!("spec.{field}");
        errors.value(&path, value, "must be greater than or equal to 0");
    }
}

fn selector(errors: &mut Errors, object: &Object) {
    let selector = object.at(&["spec", "selector"]);
    let wanted = selector.and_then(|selector| selector.get("matchLabels"));
    let wanted = wanted
        .and_then(Value::as_object)
        .filter(|labels| !labels.is_empty());
    let expressions = selector.and_then(|selector| selector.get("matchExpressions"));
    if selector.is_none_or(Value::is_null) {
        errors.add("spec.selector", "Required value");
        return;
    }
    if wanted.is_none() && expressions.is_none() {
        errors.value(
            "spec.selector",
            selector,
            "empty selector is invalid for deployment",
        );
        return;
    }
    let labels = object.at(&["spec", "template", "metadata", "labels"]);
    let fits = wanted
        .into_iter()
        .flatten()
        .all(|(label, value)| labels.and_then(|labels| labels.get(label)) == Some(value));
    if !fits {
        let message = "`selector` does not match template `labels`";
        errors.value("spec.template.metadata.labels", labels, message);
    }
}

fn pod(errors: &mut Errors, spec: Option<&Value>, path: &str) {
    let containers = spec
        .and_then(|spec| spec.get("containers"))
        .and_then(Value::as_array);
    let Some(containers) = containers.filter(|containers| !containers.is_empty()) else {
        errors.add(&format!("{path}.containers"), "Required value");
        return;
    };
    let mut seen = std::collections::BTreeSet::new();
    for (i, container) in containers.iter().enumerate() {
        let path = format!("{path}.containers[{i}]");
        let name = container["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            errors.add(&format!("{path}.name"), "Required value");
        } else if !is_dns_label(name) {
            let message = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
            errors.value(&format!("{path}.name"), Some(&container["name"]), message);
        } else if !seen.insert(name) {
            errors.add(
                &format!("{path}.name"),
                &format!("Duplicate value: {name:?}"),
            );
        }
        if container["image"].as_str().unwrap_or_default().is_empty() {
            errors.add(&format!("{path}.image"), "Required value");
        }
    }
}

fn service(errors: &mut Errors, object: &Object) {
    let text = |field| object.at(&["spec", field]).and_then(Value::as_str);
    let headless = text("clusterIP") == Some("None");
    let ports = object.at(&["spec", "ports"]).and_then(Value::as_array);
    let ports: &[Value] = ports.map_or(&[], |ports| ports);
    if text("type") == Some("ExternalName") {
        if text("externalName").unwrap_or_default().is_empty() {
            errors.add("spec.externalName", "Required value");
        }
        return;
    }
    if ports.is_empty() && !headless {
        errors.add("spec.ports", "Required value");
    }
    for (i, port) in ports.iter().enumerate() {
        if !port["port"]
            .as_i64()
            .is_some_and(|port| (1..=65_535).contains(&port))
        {
            let path = format!("spec.ports[{i}].port");
            errors.value(
                &path,
                port.get("port"),
                "must be between 1 and 65535, inclusive",
            );
        }
        if ports.len() > 1 && port["name"].as_str().unwrap_or_default().is_empty() {
            errors.add(&format!("spec.ports[{i}].name"), "Required value");
        }
    }
}

fn data_names(errors: &mut Errors, object: &Object, fields: &[&str]) {
    for field in fields {
        let entries = object.get(field).and_then(Value::as_object);
        for (name, _) in entries.into_iter().flatten() {
            let inner =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            if name.is_empty() || name.len() > SUBDOMAIN || !name.bytes().all(inner) {
                let message =
                    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
                errors.value(
                    &format!("{field}[{name}]"),
                    Some(&Value::from(name)),
                    message,
                );
            }
        }
    }
}

fn crd(errors: &mut Errors, key: &ObjectKey, object: &Object) {
    let text = |path: &[&str]| object.at(path).and_then(Value::as_str).unwrap_or_default();
    let wanted = format!(
        "{}.{}",
        text(&["spec", "names", "plural"]),
        text(&["spec", "group"])
    );
    if key.name != wanted {
        errors.value(
            "metadata.name",
            Some(&Value::from(&key.name)),
            "must be spec.names.plural+\".\"+spec.group",
        );
    }
    if !matches!(text(&["spec", "scope"]), "Namespaced" | "Cluster") {
        errors.add(
            "spec.scope",
            "Unsupported value: supported values: \"Cluster\", \"Namespaced\"",
        );
    }
    if text(&["spec", "names", "kind"]).is_empty() {
        errors.add("spec.names.kind", "Required value");
    }
    let versions = object.at(&["spec", "versions"]).and_then(Value::as_array);
    let stored = versions
        .into_iter()
        .flatten()
        .filter(|version| version["storage"].as_bool() == Some(true));
    if stored.count() != 1 {
        errors.value(
            "spec.versions",
            object.at(&["spec", "versions"]),
            "must have exactly one version marked as storage version",
        );
    }
}

/// Checks that nothing changes which may not.
pub(super) fn change(key: &ObjectKey, new: &Object, old: &Object) -> Result<(), TargetError> {
    let mut errors = Errors(Vec::new());
    let spec: &[&str] = match (key.group.as_str(), key.kind.as_str()) {
        ("apps", "Deployment" | "DaemonSet" | "ReplicaSet") => &["selector"],
        ("batch", "Job") => &["selector", "template"],
        ("networking.k8s.io", "IngressClass") => &["controller"],
        ("apiextensions.k8s.io", "CustomResourceDefinition") => &["group", "scope"],
        _ => &[],
    };
    for field in spec {
        same(&mut errors, new, old, &["spec", field]);
    }
    match (key.group.as_str(), key.kind.as_str()) {
        ("batch", "Job") => {
            let indexed =
                new.at(&["spec", "completionMode"]).and_then(Value::as_str) == Some("Indexed");
            if !indexed {
                same(&mut errors, new, old, &["spec", "completions"]);
            }
        }
        ("apps", "StatefulSet") => others(
            &mut errors,
            new,
            old,
            &[
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ],
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ),
        ("", "PersistentVolumeClaim") => others(
            &mut errors,
            new,
            old,
            &["resources", "volumeAttributesClassName", "volumeName"],
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        ),
        ("", "Service") => address(&mut errors, new, old),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding")
            if new.get("roleRef") != old.get("roleRef") =>
        {
            errors.value("roleRef", new.get("roleRef"), "cannot change roleRef");
        }
        ("storage.k8s.io", "StorageClass") => {
            for field in [
                "provisioner",
                "parameters",
                "reclaimPolicy",
                "volumeBindingMode",
            ] {
                same(&mut errors, new, old, &[field]);
            }
        }
        ("scheduling.k8s.io", "PriorityClass") => same(&mut errors, new, old, &["value"]),
        ("node.k8s.io", "RuntimeClass") => same(&mut errors, new, old, &["handler"]),
        ("", "ConfigMap" | "Secret") => sealed(&mut errors, key, new, old),
        ("", "Pod") => others_of_pod(&mut errors, new, old),
        _ => {}
    }
    errors.done(key)
}

/// Keeps the address of a Service, as long as it has one.
fn address(errors: &mut Errors, new: &Object, old: &Object) {
    let field = |object: &Object, field| object.at(&["spec", field]).cloned();
    let external = Some(Value::from("ExternalName"));
    let (before, after) = (field(old, "clusterIP"), field(new, "clusterIP"));
    let kept = field(old, "type") != external && field(new, "type") != external;
    if kept && before.is_some() && before != after {
        errors.value(
            "spec.clusterIPs[0]",
            after.as_ref(),
            "may not change once set",
        );
    }
}

fn same(errors: &mut Errors, new: &Object, old: &Object, path: &[&str]) {
    let after = new.at(path);
    if after != old.at(path) {
        errors.value(&path.join("."), after, IMMUTABLE);
    }
}

/// Refuses changes of the spec in all but some fields.
fn others(errors: &mut Errors, new: &Object, old: &Object, free: &[&str], message: &str) {
    let rest = |object: &Object| {
        let mut spec = object
            .get("spec")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        spec.retain(|field, _| !free.contains(&field));
        spec
    };
    if rest(new) != rest(old) {
        errors.add("spec", &format!("Forbidden: {message}"));
    }
}

fn others_of_pod(errors: &mut Errors, new: &Object, old: &Object) {
    let rest = |object: &Object| {
        let mut spec = object
            .get("spec")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        for field in [
            "activeDeadlineSeconds",
            "tolerations",
            "terminationGracePeriodSeconds",
        ] {
            spec.remove(field);
        }
        for list in ["containers", "initContainers"] {
            if let Some(Value::Array(containers)) = spec.get_mut(list) {
                for container in containers.make_mut() {
                    if let Some(container) = container.as_object_mut() {
                        container.remove("image");
                    }
                }
            }
        }
        spec
    };
    if rest(new) != rest(old) {
        errors.add("spec", "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)");
    }
}

/// Keeps ConfigMaps and Secrets that were made immutable.
fn sealed(errors: &mut Errors, key: &ObjectKey, new: &Object, old: &Object) {
    if old.get("immutable").and_then(Value::as_bool) == Some(true) {
        for field in ["immutable", "data", "binaryData"] {
            if new.get(field) != old.get(field) {
                errors.add(
                    field,
                    "Forbidden: field is immutable when `immutable` is set",
                );
            }
        }
    }
    if key.kind == "Secret" && new.get("type") != old.get("type") {
        errors.value("type", new.get("type"), IMMUTABLE);
    }
}
