//! Core kinds that Argo CD has no rule for, and whose objects say themselves how they are.

use gitops_manifest::{Object, Value};

use crate::rules::shape::{READY, Say, Step, Test, case, on, unless, when};
use crate::rules::{Entry, Rule};
use crate::{HealthStatus, Verdict, view};

use HealthStatus::{Degraded, Healthy, Progressing, Suspended};
use Step::{Ask, Conditions, If, Lookup};

const fn entry(group: &'static str, kind: &'static str, rule: Rule) -> Entry {
    Entry { group, kind, rule }
}

pub(crate) static FURTHER: &[Entry] = &[
    entry(
        "",
        "Namespace",
        Rule::Steps(
            &[
                Conditions(&[when(&[
                    "NamespaceDeletionDiscoveryFailure",
                    "NamespaceDeletionContentFailure",
                    "NamespaceDeletionGroupVersionParsingFailure",
                ])
                .degraded()]),
                Lookup(
                    &["status", "phase"],
                    &[case(
                        &["Terminating"],
                        Progressing,
                        Say::Text("Namespace is terminating"),
                    )],
                ),
            ],
            Healthy,
            Say::NOTHING,
        ),
    ),
    entry(
        "",
        "Node",
        Rule::Steps(
            &[
                Conditions(&[
                    unless(&["Ready"]).degraded(),
                    on(&["Ready"]).status(&["Unknown"]).degraded(),
                ]),
                Conditions(&[when(&[
                    "MemoryPressure",
                    "DiskPressure",
                    "PIDPressure",
                    "NetworkUnavailable",
                ])
                .degraded()]),
                If(
                    Test::Holds(&["spec", "unschedulable"]),
                    Suspended,
                    Say::Text("Node is cordoned"),
                ),
                Conditions(READY),
            ],
            Progressing,
            Say::Text("Waiting for the node to report"),
        ),
    ),
    entry(
        "",
        "PersistentVolume",
        Rule::Steps(
            &[
                Ask(kept_volume),
                Lookup(
                    &["status", "phase"],
                    &[
                        case(&["Available", "Bound"], Healthy, Say::NOTHING),
                        case(
                            &["Released"],
                            Progressing,
                            Say::Text("Volume is being reclaimed"),
                        ),
                        case(
                            &["Failed"],
                            Degraded,
                            Say::FieldOr(&["status", "message"], "Volume could not be reclaimed"),
                        ),
                    ],
                ),
            ],
            Progressing,
            Say::Text("Waiting for the volume"),
        ),
    ),
    entry(
        "",
        "ReplicationController",
        Rule::Code(replication_controller),
    ),
    entry("", "ResourceQuota", Rule::Code(quota)),
    entry(
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
        Rule::Code(webhooks),
    ),
    entry(
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        Rule::Code(webhooks),
    ),
    entry(
        "certificates.k8s.io",
        "CertificateSigningRequest",
        Rule::Steps(
            &[
                Conditions(&[when(&["Denied", "Failed"]).degraded()]),
                If(
                    Test::Holds(&["status", "certificate"]),
                    Healthy,
                    Say::NOTHING,
                ),
                Conditions(&[when(&["Approved"])
                    .progressing()
                    .text("Waiting for the certificate")]),
            ],
            Suspended,
            Say::Text("Waiting for approval"),
        ),
    ),
    entry(
        "flowcontrol.apiserver.k8s.io",
        "FlowSchema",
        Rule::Steps(
            &[Conditions(&[when(&["Dangling"]).degraded()])],
            Healthy,
            Say::NOTHING,
        ),
    ),
];

/// A released volume whose policy is to be kept waits for a person.
fn kept_volume(object: &Object) -> Option<Verdict> {
    let released = view::text_or_empty(object, &["status", "phase"]) == "Released";
    let kept = view::text_or_empty(object, &["spec", "persistentVolumeReclaimPolicy"]) == "Retain";
    (released && kept).then(|| {
        Verdict::fixed(
            Suspended,
            "Volume is released and kept, as its reclaim policy says",
        )
    })
}

fn replication_controller(object: &Object) -> Verdict {
    let int = |path: &[&str]| object.at(path).and_then(Value::as_i64);
    if object.generation() > int(&["status", "observedGeneration"]) {
        return Verdict::fixed(
            Progressing,
            "Waiting for rollout to finish: observed replication controller generation less than desired generation",
        );
    }
    if let Some(failure) = view::condition(object, "ReplicaFailure").filter(|c| c.is_true()) {
        return Verdict::new(Degraded, failure.message_text())
            .because(failure.reason_text())
            .since(failure.since());
    }
    let available = int(&["status", "availableReplicas"]).unwrap_or(0);
    match int(&["spec", "replicas"]) {
        Some(wanted) if available < wanted => Verdict::new(
            Progressing,
            format!(
                "Waiting for rollout to finish: {available} out of {wanted} new replicas are available..."
            ),
        ),
        _ => Verdict::fixed(Healthy, ""),
    }
}

/// A quota is well where it is enforced as specified; that it is used up is told, and is no fault.
fn quota(object: &Object) -> Verdict {
    let hard = object.at(&["status", "hard"]);
    if object.at(&["spec", "hard"]) != hard {
        return Verdict::fixed(Progressing, "Waiting for the quota to be enforced");
    }
    let used = object.at(&["status", "used"]);
    let exhausted: Vec<_> = hard
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(name, limit)| used.and_then(|used| used.get(name)) == Some(limit))
        .map(|(name, _)| name.as_str())
        .collect();
    if exhausted.is_empty() {
        Verdict::fixed(Healthy, "")
    } else {
        Verdict::new(Healthy, format!("Used up: {}", exhausted.join(", ")))
    }
}

/// Who may inject the certificate authority that a webhook is called under.
const INJECTORS: [&str; 3] = [
    "cert-manager.io/inject-ca-from",
    "cert-manager.io/inject-ca-from-secret",
    "service.beta.openshift.io/inject-cabundle",
];

/// A webhook whose certificate authority is still to be injected fails every call.
fn webhooks(object: &Object) -> Verdict {
    if INJECTORS
        .iter()
        .any(|name| object.annotation(name).is_some())
    {
        for webhook in view::list(object.get("webhooks")) {
            let bundle = webhook
                .at(&["clientConfig", "caBundle"])
                .and_then(Value::as_str);
            if bundle.unwrap_or_default().is_empty() {
                let name = view::text_of(webhook, "name");
                return Verdict::new(
                    Progressing,
                    format!("Waiting for the CA bundle of webhook {name}"),
                );
            }
        }
    }
    Verdict::fixed(Healthy, "")
}
