//! Tenancy and policies: Capsule, Kyverno and Airlock.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    capsule_addon("GlobalSopsSecret"),
    capsule_addon("SopsProvider"),
    capsule_addon("SopsSecret"),
    capsule("CapsuleConfiguration", &[UNTOLD, UNSEEN, CAPSULE_READY]),
    capsule("CustomQuota", &[UNTOLD, UNSEEN, CAPSULE_READY]),
    capsule("GlobalCustomQuota", &[UNTOLD, UNSEEN, CAPSULE_READY]),
    capsule("GlobalProxySettings", &[UNTOLD, UNSEEN, CAPSULE_READY]),
    capsule(
        "GlobalTenantResource",
        &[CORDONED, UNTOLD, UNSEEN, CAPSULE_READY],
    ),
    capsule("ProxySetting", &[UNTOLD, UNSEEN, CAPSULE_READY]),
    capsule(
        "ResourcePool",
        &[UNTOLD, UNSEEN, Ask(exhausted), CAPSULE_READY],
    ),
    capsule(
        "ResourcePoolClaim",
        &[
            UNTOLD,
            UNSEEN,
            Conditions(&[unless(&["Bound"]).suspended()]),
            CAPSULE_READY,
        ],
    ),
    capsule(
        "Tenant",
        &[
            UNTOLD,
            UNSEEN,
            Conditions(&[when(&["Cordoned"]).suspended()]),
            CAPSULE_READY,
        ],
    ),
    capsule("TenantOwner", &[UNTOLD, UNSEEN, CAPSULE_READY]),
    capsule("TenantResource", &[CORDONED, UNTOLD, UNSEEN, CAPSULE_READY]),
    steps(
        "kyverno.io",
        "ClusterPolicy",
        &[Conditions(&[
            when(&["Ready"]).healthy(),
            on(&["Ready"]).degraded(),
        ])],
        Progressing,
        Text("Waiting for ClusterPolicy to become ready"),
    ),
    steps(
        "kyverno.io",
        "Policy",
        &[Ask(kyverno_policy)],
        Progressing,
        Text("Waiting for Policy to be ready"),
    ),
    code("microgateway.airlock.com", "*", airlock),
    kyverno("DeletingPolicy"),
    kyverno("GeneratingPolicy"),
    kyverno("ImageValidatingPolicy"),
    kyverno("MutatingPolicy"),
    kyverno("NamespacedDeletingPolicy"),
    kyverno("NamespacedGeneratingPolicy"),
    kyverno("NamespacedImageValidatingPolicy"),
    kyverno("NamespacedMutatingPolicy"),
    kyverno("NamespacedValidatingPolicy"),
    kyverno("ValidatingPolicy"),
];

const UNTOLD: Step = If(
    Absent(&["status", "conditions"]),
    Progressing,
    Text("Waiting for status"),
);
const UNSEEN: Step = If(
    Stale(OBSERVED),
    Progressing,
    Text("Waiting for reconciliation (generation mismatch)"),
);
const CORDONED: Step = If(
    Holds(&["spec", "cordoned"]),
    Suspended,
    Text("Replication is cordoned"),
);
const CAPSULE_READY: Step = Conditions(READY);

const fn capsule(kind: &'static str, rule: &'static [Step]) -> Entry {
    steps(
        "capsule.clastix.io",
        kind,
        rule,
        Progressing,
        Text("Waiting for Ready condition"),
    )
}

const fn capsule_addon(kind: &'static str) -> Entry {
    const RULE: &[Step] = &[
        UNTOLD,
        UNSEEN,
        Conditions(&[
            when(&["Ready"]).healthy(),
            unless(&["Ready"]).degraded(),
            on(&["Ready"]).status(&["Unknown"]).progressing(),
        ]),
    ];
    let waiting = Text("Waiting for Ready condition");
    steps(
        "addons.projectcapsule.dev",
        kind,
        RULE,
        Progressing,
        waiting,
    )
}

fn exhausted(object: &Object) -> Option<Verdict> {
    let exhaustions = view::at(object, &["status", "exhaustions"])?.as_object()?;
    let names: Vec<_> = exhaustions.keys().map(Str::as_str).collect();
    (!names.is_empty()).then(|| {
        Verdict::new(
            Degraded,
            format!("Pool exhausted for: {}", names.join(", ")),
        )
    })
}

fn kyverno_policy(object: &Object) -> Option<Verdict> {
    let ready = view::conditions(object).find(|condition| {
        condition.kind() == "Ready"
            && condition.is_true()
            && condition.reason_text() == "Succeeded"
            && condition.message_text() == "Ready"
    })?;
    Some(Text("Policy is ready").verdict(Healthy, object, Some(ready)))
}

const fn kyverno(kind: &'static str) -> Entry {
    code("policies.kyverno.io", kind, kyverno_cel_policy)
}

/// Judges a policy in CEL, whose conditions stand a level deeper than elsewhere.
fn kyverno_cel_policy(object: &Object) -> Verdict {
    let kind = object.kind();
    let Some(status) = view::at(object, &["status", "conditionStatus"]) else {
        return Verdict::new(Progressing, format!("Waiting for {kind} status"));
    };
    let conditions = || view::conditions_of(status.get("conditions"));
    let generation = view::number(object, &["metadata", "generation"]);
    let outdated = |condition: Condition<'_>| {
        let observed = condition
            .0
            .get("observedGeneration")
            .and_then(Value::as_f64);
        matches!((observed, generation), (Some(observed), Some(generation)) if observed < generation)
    };
    if conditions().any(outdated) {
        let message = format!("Waiting for {kind} status to reflect latest generation");
        return Verdict::new(Progressing, message);
    }
    let told = |default: &'static str| match status
        .get("message")
        .and_then(view::as_text)
        .filter(|text| !text.is_empty())
    {
        Some(text) => text.clone(),
        None => Str::from_static(default),
    };
    if status.get("ready") == Some(&Value::Bool(true)) {
        // Policies that webhooks enforce are told by the webhook's condition, others by any.
        let by_webhook = !matches!(
            kind.strip_prefix("Namespaced").unwrap_or(kind),
            "DeletingPolicy" | "GeneratingPolicy"
        );
        let well = conditions()
            .find(|c| c.is_true() && (!by_webhook || c.kind() == "WebhookConfigured"))
            .and_then(Condition::message);
        let silent = matches!(
            kind.strip_prefix("Namespaced").unwrap_or(kind),
            "MutatingPolicy" | "ValidatingPolicy"
        );
        let message = match well {
            Some(message) => message.clone(),
            None if silent => Str::from_static("Policy is ready"),
            None => told("Policy is ready"),
        };
        return Verdict::new(Healthy, message);
    }
    match conditions().find(|c| c.is_false()) {
        Some(failed) => Verdict::new(
            Degraded,
            format!("{}: {}", failed.kind(), failed.message_text()),
        )
        .because(failed.reason_text())
        .since(failed.since()),
        None => Verdict::new(Degraded, told("Policy is not ready")),
    }
}

fn ancestor_name(ancestor: &Value) -> &str {
    ancestor
        .at(&["ancestorRef", "name"])
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Judges Airlock's policies by the gateways that they are attached to; other kinds are well by being there.
fn airlock(object: &Object) -> Verdict {
    let kind = object.kind();
    let healthy = || Verdict::new(Healthy, format!("{kind} is healthy"));
    if !kind.ends_with("Policy") {
        return healthy();
    }
    let ancestors = view::list(object.at(&["status", "ancestors"]));
    if let Some(generation) = view::at(object, &["metadata", "generation"]) {
        for ancestor in ancestors {
            let unseen = view::conditions_of(ancestor.get("conditions"))
                .any(|condition| view::get(condition.0, "observedGeneration") != Some(generation));
            if unseen {
                let name = ancestor_name(ancestor);
                return Verdict::new(
                    Progressing,
                    format!("Waiting for Ancestor {name} to update {kind} status"),
                );
            }
        }
    }
    let mut verdict = Verdict::new(Progressing, format!("Waiting for {kind} status"));
    for ancestor in ancestors {
        let mut accepted = false;
        for condition in view::conditions_of(ancestor.get("conditions")) {
            if !matches!(condition.kind(), "Accepted" | "ResolvedRefs") {
                continue;
            }
            if !condition.is_true() {
                let message = format!(
                    "Ancestor {}: {}",
                    ancestor_name(ancestor),
                    condition.message_text()
                );
                return Verdict::new(Degraded, message)
                    .because(condition.reason_text())
                    .since(condition.since());
            }
            if condition.kind() == "Accepted" {
                accepted = true;
                verdict = healthy();
            }
        }
        if !accepted {
            let name = ancestor_name(ancestor);
            verdict = Verdict::new(Degraded, format!("Ancestor {name}: {kind} is not accepted"));
        }
    }
    verdict
}
