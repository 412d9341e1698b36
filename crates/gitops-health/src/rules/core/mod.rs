//! Kinds of Kubernetes itself that Argo CD knows in its own code.

mod api_service;
mod autoscaler;
mod further;
mod job;
mod network;
mod pod;
mod volume;
mod workflow;
mod workload;

pub(crate) use further::FURTHER;

use super::typed::TypedRule;
use super::{Entry, Rule};

const fn entry(
    group: &'static str,
    kind: &'static str,
    name: &'static str,
    versions: &'static [&'static str],
    judge: fn(&gitops_manifest::Object) -> super::typed::Decoded<crate::Verdict>,
) -> Entry {
    Entry {
        group,
        kind,
        rule: Rule::Typed(TypedRule {
            name,
            versions,
            judge,
        }),
    }
}

pub(crate) static TABLE: &[Entry] = &[
    entry(
        "apps",
        "Deployment",
        "Deployment",
        &["v1"],
        workload::deployment,
    ),
    entry(
        "apps",
        "StatefulSet",
        "StatefulSet",
        &["v1"],
        workload::stateful_set,
    ),
    entry(
        "apps",
        "DaemonSet",
        "DaemonSet",
        &["v1"],
        workload::daemon_set,
    ),
    entry(
        "apps",
        "ReplicaSet",
        "ReplicaSet",
        &["v1"],
        workload::replica_set,
    ),
    entry("", "Pod", "Pod", &["v1"], pod::pod),
    entry("", "Service", "Service", &["v1"], network::service),
    entry("", "PersistentVolumeClaim", "PVC", &["v1"], volume::claim),
    entry("extensions", "Ingress", "Ingress", &[], network::ingress),
    entry(
        "networking.k8s.io",
        "Ingress",
        "Ingress",
        &[],
        network::ingress,
    ),
    entry("batch", "Job", "Job", &["v1"], job::job),
    entry(
        "autoscaling",
        "HorizontalPodAutoscaler",
        "HPA",
        &["v1", "v2"],
        autoscaler::autoscaler,
    ),
    entry(
        "apiregistration.k8s.io",
        "APIService",
        "APIService",
        &["v1", "v1beta1"],
        api_service::api_service,
    ),
    entry(
        "argoproj.io",
        "Workflow",
        "Workflow",
        &[],
        workflow::workflow,
    ),
];
