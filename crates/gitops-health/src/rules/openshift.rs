//! OpenShift, and Open Cluster Management that grew from it.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    steps(
        "apps.openshift.io",
        "DeploymentConfig",
        &[Ask(deployment_config)],
        Progressing,
        Text("replication controller is waiting for pods to run"),
    ),
    code("ocs.openshift.io", "StorageCluster", storage_cluster),
    steps(
        "operator.openshift.io",
        "IngressController",
        &[Conditions(&[
            when(&["Degraded"]).degraded(),
            unless(&["DeploymentReplicasAllAvailable"]).progressing(),
            when(&["Progressing"]).say(Reason).progressing(),
            when(&["Available"])
                .healthy()
                .text("IngressController is available"),
        ])],
        Progressing,
        Text("Status of IngressController is not known yet"),
    ),
    steps(
        "operators.coreos.com",
        "Subscription",
        &[Ask(subscription)],
        Progressing,
        Text("An install plan for a subscription is pending installation"),
    ),
    steps(
        "policy.open-cluster-management.io",
        "CertificatePolicy",
        &[Lookup(
            COMPLIANT,
            &[
                case(
                    &["Compliant"],
                    Healthy,
                    Text("All certificates found comply with the policy"),
                ),
                other(
                    Degraded,
                    Text("At least once certificate does not comply with the policy"),
                ),
            ],
        )],
        Progressing,
        Text("Waiting for the status to be reported"),
    ),
    steps(
        "policy.open-cluster-management.io",
        "ConfigurationPolicy",
        &[
            If(
                Absent(COMPLIANT),
                Progressing,
                Text("Waiting for the status to be reported"),
            ),
            If(
                NotObserved(&["status", "lastEvaluatedGeneration"]),
                Progressing,
                Text("Waiting for the status to be updated"),
            ),
            Ask(configuration_policy),
        ],
        Progressing,
        Text("Waiting for compliance"),
    ),
    steps(
        "policy.open-cluster-management.io",
        "OperatorPolicy",
        &[
            If(
                Absent(&["status", "conditions"]),
                Progressing,
                Text("Waiting for the status to be reported"),
            ),
            If(
                Outdated(OBSERVED),
                Progressing,
                Text("Waiting for the status to be updated"),
            ),
            Conditions(&[
                when(&["Compliant"]).healthy(),
                on(&["Compliant"]).degraded(),
            ]),
        ],
        Progressing,
        Text("Waiting for the compliance condition"),
    ),
    steps(
        "policy.open-cluster-management.io",
        "Policy",
        &[
            If(
                Holds(&["spec", "disabled"]),
                Healthy,
                Text("Policy is disabled"),
            ),
            Ask(policy),
        ],
        Progressing,
        Text("Waiting for the status to be reported"),
    ),
    steps(
        "route.openshift.io",
        "Route",
        &[Ask(route)],
        Progressing,
        Text("Route is still getting admitted"),
    ),
];

const COMPLIANT: Path = &["status", "compliant"];

fn deployment_config(object: &Object) -> Option<Verdict> {
    view::at(object, &["status", "conditions"])?;
    let replicas = view::at(object, &["status", "replicas"])?;
    let holding = view::conditions(object)
        .filter(|condition| match condition.kind() {
            "Available" => condition.is_true(),
            "Progressing" => {
                condition.is_true()
                    && condition.reason_text() == "NewReplicationControllerAvailable"
            }
            _ => false,
        })
        .count();
    Some(match holding {
        _ if replicas.as_i64() == Some(0) => {
            Verdict::fixed(Healthy, "replication controller successfully rolled out")
        }
        2 => Verdict::fixed(Healthy, "replication controller successfully rolled out"),
        1 => Verdict::fixed(
            Progressing,
            "replication controller is waiting for pods to run",
        ),
        _ => Verdict::fixed(Degraded, "Deployment config is degraded"),
    })
}

fn storage_cluster(object: &Object) -> Verdict {
    for (kind, status) in [
        ("Degraded", Degraded),
        ("Progressing", Progressing),
        ("Available", Healthy),
    ] {
        let told = view::conditions(object)
            .filter(|c| c.kind() == kind && c.is_true())
            .last();
        if told.is_some() {
            return Message.verdict(status, object, told);
        }
    }
    Verdict::fixed(Unknown, "StorageCluster is in an unknown state.")
}

fn subscription(object: &Object) -> Option<Verdict> {
    view::at(object, &["status", "conditions"])?;
    let by_hand = view::text_or_empty(object, &["spec", "installPlanApproval"]) == "Manual";
    // A later version that waits for approval does not make the installed one ill.
    let awaits_approval = by_hand
        && view::at(object, &["status", "installedCSV"]).is_some()
        && view::conditions(object).any(|condition| {
            condition.kind() == "InstallPlanPending"
                && condition.is_true()
                && condition.reason_text() == "RequiresApproval"
        });
    let (mut faults, mut pending) = (0, 0);
    let mut message = String::new();
    let mut told = None;
    for (i, condition) in view::conditions(object).enumerate() {
        let kind = condition.kind();
        if awaits_approval && kind == "InstallPlanPending" {
            continue;
        }
        message.push_str(&format!("{}: {kind} | {}\n", i + 1, condition.status()));
        match kind {
            "InstallPlanPending" if condition.is_true() => pending += 1,
            "InstallPlanMissing" if condition.reason_text() != "ReferencedInstallPlanNotFound" => {
                faults += 1;
            }
            "CatalogSourcesUnhealthy" | "InstallPlanFailed" | "ResolutionFailed"
                if condition.is_true() =>
            {
                faults += 1;
            }
            _ => continue,
        }
        told = told.or(Some(condition));
    }
    match view::text(object, &["status", "state"]).map(Str::as_str) {
        None => {
            pending += 1;
            message.push_str(".status.state not yet known\n");
        }
        Some("UpgradePending") if awaits_approval => message.push_str(
            ".status.state is 'UpgradePending' (manual InstallPlan approval pending; treated as healthy)\n",
        ),
        Some(state) => {
            match state {
                "" | "UpgradeAvailable" | "UpgradePending" => pending += 1,
                "UpgradeFailed" => faults += 1,
                _ => {}
            }
            message.push_str(&format!(".status.state is '{state}'\n"));
        }
    }
    let status = match (faults, pending) {
        (0, 0) => Healthy,
        (0, _) => Progressing,
        _ => Degraded,
    };
    Some(Verdict::new(status, message).because(told.map_or("", Condition::reason_text)))
}

fn compliance(object: &Object) -> HealthStatus {
    if view::text_or_empty(object, COMPLIANT) == "Compliant" {
        Healthy
    } else {
        Degraded
    }
}

fn configuration_policy(object: &Object) -> Option<Verdict> {
    let details = view::at(object, &["status", "compliancyDetails"])?;
    let told: Vec<String> = view::list(Some(details))
        .iter()
        .flat_map(|detail| view::conditions_of(detail.get("conditions")))
        .filter(|condition| condition.message().is_some() && condition.0.get("type").is_some())
        .map(|condition| format!("{} - {}", condition.kind(), condition.message_text()))
        .collect();
    Some(Verdict::new(compliance(object), told.join("; ")))
}

fn policy(object: &Object) -> Option<Verdict> {
    let per_cluster = view::at(object, &["status", "status"]);
    if view::at(object, COMPLIANT).is_none() {
        let placed = !view::list(object.at(&["status", "placement"])).is_empty();
        return (placed && per_cluster.is_none())
            .then(|| Verdict::fixed(Healthy, "No clusters match this policy"));
    }
    let (entries, what, name): (_, _, &[&str]) =
        match (per_cluster, view::at(object, &["status", "details"])) {
            (Some(entries), _) => (entries, "clusters", &["clustername"]),
            (None, Some(entries)) => (entries, "templates", &["templateMeta", "name"]),
            (None, None) => return Some(Verdict::fixed(compliance(object), "")),
        };
    let ill: Vec<&str> = view::list(Some(entries))
        .iter()
        .filter(|entry| view::text_of(entry, "compliant") != "Compliant")
        .map(|entry| entry.at(name).and_then(Value::as_str).unwrap_or_default())
        .collect();
    let message = if ill.is_empty() {
        format!("All {what} are compliant")
    } else {
        format!("NonCompliant {what}: {}", ill.join(", "))
    };
    Some(Verdict::new(compliance(object), message))
}

fn route(object: &Object) -> Option<Verdict> {
    let ingress = view::at(object, &["status", "ingress"])?;
    let (mut rules, mut admitted, mut refused) = (0, 0, None);
    for rule in view::members(ingress) {
        rules += 1;
        for condition in view::conditions_of(rule.get("conditions")) {
            if condition.kind() == "Admitted" {
                admitted += usize::from(condition.is_true());
                refused = refused.or(Some(condition).filter(|c| c.is_false()));
            }
        }
    }
    if admitted == rules {
        return Some(Verdict::fixed(Healthy, "Route is healthy"));
    }
    refused.map(|refused| Text("Route is degraded").verdict(Degraded, object, Some(refused)))
}
