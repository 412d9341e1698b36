//! What an API server does with objects of particular kinds beside defaults: when it converts them between
//! versions, and when it stores them. From the conversions and strategies of Kubernetes 1.36.

use base64::Engine as _;
use gitops_manifest::{Map, Object, Str, Value};

use crate::normalize::quantity;

/// Where a daemon set keeps how often its template has changed.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Brings a value into the form that conversion gives it. `object` says of which kind and version it is.
pub(super) fn convert(value: &mut Value, object: &Object) {
    let Some(map) = value.as_object_mut() else {
        return;
    };
    match (object.group(), object.kind()) {
        ("autoscaling", "HorizontalPodAutoscaler") if object.version() == "v1" => {
            scale_by_cpu(map);
        }
        ("", "Secret") if map.contains_key("stringData") => convert_secret(map),
        ("apps", "DaemonSet") => {
            let known = map
                .get("metadata")
                .and_then(|metadata| metadata.get("annotations")?.get(TEMPLATE_GENERATION));
            if known.is_none() {
                set_template_generation(map, 0);
            }
        }
        ("apps", "StatefulSet") => {
            let claims = map
                .get_mut("spec")
                .and_then(|spec| spec.as_object_mut()?.get_mut("volumeClaimTemplates"))
                .and_then(Value::as_array_mut);
            for claim in claims.into_iter().flat_map(|claims| claims.make_mut()) {
                if let Some(claim) = claim.as_object_mut() {
                    claim.insert("apiVersion", Str::from_static("v1"));
                    claim.insert("kind", Str::from_static("PersistentVolumeClaim"));
                }
            }
        }
        _ => {}
    }
}

/// Moves the `stringData` of a secret into its `data`.
fn convert_secret(secret: &mut Map) {
    let Some(Value::Object(texts)) = secret.remove("stringData") else {
        return;
    };
    if texts.is_empty() {
        return;
    }
    let data = secret.entry_object("data");
    for (key, text) in &texts {
        let text = text.as_str().unwrap_or_default();
        data.insert(key, base64::engine::general_purpose::STANDARD.encode(text));
    }
}

/// Without any metric, an autoscaler goes by the use of CPU. Version 1 has the other metrics in an annotation.
fn scale_by_cpu(autoscaler: &mut Map) {
    let others = autoscaler.get("metadata").and_then(|metadata| {
        metadata.at(&["annotations", "autoscaling.alpha.kubernetes.io/metrics"])
    });
    if others.is_some() {
        return;
    }
    let Some(spec) = autoscaler.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    if spec
        .get("targetCPUUtilizationPercentage")
        .is_none_or(Value::is_null)
    {
        spec.insert("targetCPUUtilizationPercentage", 80);
    }
}

fn set_template_generation(daemon_set: &mut Map, generation: i64) {
    daemon_set
        .entry_object("metadata")
        .entry_object("annotations")
        .insert(TEMPLATE_GENERATION, generation.to_string());
}

/// Does with an object what its strategy does before it is stored. Nobody owns what is set here.
pub(super) fn prepare(object: &mut Object, live: Option<&Object>) {
    match (object.group(), object.kind(), live) {
        ("apps", "DaemonSet", live) => {
            let generation = match live {
                None => 1,
                Some(live) => {
                    let before = live.annotation(TEMPLATE_GENERATION);
                    let before: i64 = before.and_then(|text| text.parse().ok()).unwrap_or(0);
                    let template = ["spec", "template"];
                    before + i64::from(live.at(&template) != object.at(&template))
                }
            };
            set_template_generation(object.as_map_mut(), generation);
        }
        ("", "Namespace", None) => {
            let finalizers = object.as_map_mut().entry_object("spec").entry("finalizers");
            let own = Value::from(Str::from_static("kubernetes"));
            match finalizers.as_array_mut() {
                Some(finalizers) if finalizers.contains(&own) => {}
                Some(finalizers) => finalizers.make_mut().push(own),
                None => *finalizers = Value::from(vec![own]),
            }
        }
        ("", "Service", None) => {
            let spec = object.as_map_mut().entry_object("spec");
            let first = spec.get("clusterIP").and_then(Value::as_str);
            if let Some(first) = first.filter(|address| !address.is_empty())
                && !spec.contains_key("clusterIPs")
            {
                let all = Value::from(vec![Value::from(Str::from(first))]);
                spec.insert("clusterIPs", all);
            }
        }
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole", _) => {
            without_empty_list(object, "rules");
        }
        ("discovery.k8s.io", "EndpointSlice", _) => {
            without_empty_list(object, "endpoints");
            without_empty_list(object, "ports");
        }
        ("", "Pod", None) => {
            let class = quality(object);
            let status = object.as_map_mut().entry_object("status");
            status.insert("phase", Str::from_static("Pending"));
            status.insert("qosClass", Str::from_static(class));
        }
        _ => {}
    }
}

/// In storage an empty list is none, and a field that is always written is null then.
fn without_empty_list(object: &mut Object, field: &str) {
    if let Some(list) = object.as_map_mut().get_mut(field)
        && list.as_array().is_some_and(|list| list.is_empty())
    {
        *list = Value::Null;
    }
}

/// The quality of service of a pod, by what its containers ask for.
fn quality(pod: &Object) -> &'static str {
    let containers = ["containers", "initContainers"]
        .into_iter()
        .filter_map(|list| pod.at(&["spec", list])?.as_array())
        .flatten();
    let same = |a: &str, b: &str| a == b || quantity::same(a, b);
    let (mut any, mut guaranteed) = (false, true);
    for container in containers {
        for resource in ["cpu", "memory"] {
            let amount = |of: &str| {
                let amount = container.at(&["resources", of, resource])?;
                let text = amount
                    .as_str()
                    .map_or_else(|| amount.to_json(), str::to_owned);
                (!same(&text, "0")).then_some(text)
            };
            let (request, limit) = (amount("requests"), amount("limits"));
            any |= request.is_some() || limit.is_some();
            guaranteed &= match (&request, &limit) {
                (Some(request), Some(limit)) => same(request, limit),
                (None, Some(_)) => true,
                _ => false,
            };
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
