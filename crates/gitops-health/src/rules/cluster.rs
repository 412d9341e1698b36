//! Kinds that extend Kubernetes itself: definitions, budgets, schedules, snapshots, clusters and nodes.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    steps(
        "addons.cluster.x-k8s.io",
        "ClusterResourceSet",
        &[Conditions(&[
            when(&["ResourcesApplied"])
                .healthy()
                .text("cluster resource set is applied"),
            unless(&["ResourcesApplied"]).degraded(),
        ])],
        Progressing,
        Text("Initializing cluster resource set"),
    ),
    code(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        definition,
    ),
    steps(
        "batch",
        "CronJob",
        &[Ask(cron_job)],
        Progressing,
        Text("Waiting for CronJob"),
    ),
    code("cluster.x-k8s.io", "Cluster", capi_cluster),
    code("cluster.x-k8s.io", "Machine", capi_machine),
    steps(
        "cluster.x-k8s.io",
        "MachineDeployment",
        &[
            If(
                Holds(&["spec", "paused"]),
                Suspended,
                Text("MachineDeployment is paused"),
            ),
            Lookup(
                &["status", "phase"],
                &[
                    case(
                        &["Running"],
                        Healthy,
                        Text("Machines are running under this deployment"),
                    ),
                    case(
                        &["ScalingUp"],
                        Progressing,
                        Text("Cluster is spawning machines"),
                    ),
                    case(
                        &["ScalingDown"],
                        Progressing,
                        Text("Cluster is stopping machines"),
                    ),
                    case(&["Failed"], Degraded, Text("MachineDeployment is failed")),
                ],
            ),
        ],
        Progressing,
        Text("Waiting for machines"),
    ),
    steps(
        "cluster.x-k8s.io",
        "MachineHealthCheck",
        &[Ask(capi_health_check)],
        Progressing,
        NOTHING,
    ),
    code("cluster.x-k8s.io", "MachinePool", capi_machine_pool),
    steps(
        "*.cnrm.cloud.google.com",
        "*",
        &[
            Ask(config_connector),
            If(Outdated(OBSERVED), Progressing, Text("Update in progress")),
            Conditions(&[
                on_any()
                    .status(&["True"])
                    .for_reason(&["UpToDate"])
                    .healthy(),
                on_any()
                    .for_reason(&["UpdateFailed", "DependencyNotFound"])
                    .degraded(),
                on_any().for_reason(&["DependencyNotReady"]).suspended(),
            ]),
        ],
        Progressing,
        Text("Update in progress"),
    ),
    code(
        "controlplane.cluster.x-k8s.io",
        "AWSManagedControlPlane",
        eks_control_plane,
    ),
    steps(
        "core.gardener.cloud",
        "Shoot",
        &[Lookup(
            &["metadata", "labels", "shoot.gardener.cloud/status"],
            &[
                case(&["healthy"], Healthy, Text("Component state: Healthy")),
                case(
                    &["progressing"],
                    Progressing,
                    Text("Component state: Update in progress"),
                ),
                case(&["unhealthy"], Degraded, Text("Component state: Unhealthy")),
                case(&["unknown"], Unknown, Text("Component state: Unknown")),
            ],
        )],
        Progressing,
        Text("Update in progress"),
    ),
    steps(
        "karpenter.k8s.aws",
        "EC2NodeClass",
        &[Conditions(&[
            unless(&["Ready"]).degraded(),
            when(&["Ready"]).healthy().text("EC2NodeClass is ready"),
        ])],
        Progressing,
        Text("Waiting for EC2NodeClass to be ready"),
    ),
    steps(
        "karpenter.sh",
        "NodeClaim",
        &[
            If(
                Stale(OBSERVED),
                Progressing,
                Text("Waiting for NodeClaim spec to be reconciled"),
            ),
            Conditions(&[when(&["Disrupting"]).suspended()]),
            Conditions(READY),
            Conditions(&[when(&["Initialized"])
                .progressing()
                .text("Node initialized, waiting for Ready")]),
            Conditions(&[when(&["Registered"])
                .progressing()
                .text("Node registered, waiting for initialization")]),
            Conditions(&[when(&["Launched"])
                .progressing()
                .text("Node launched, waiting for registration")]),
        ],
        Progressing,
        Text("Waiting for NodeClaim to be launched"),
    ),
    steps(
        "karpenter.sh",
        "NodePool",
        &[Conditions(READY)],
        Progressing,
        Text("Waiting for NodePool to be ready"),
    ),
    code("policy", "PodDisruptionBudget", disruption_budget),
    steps(
        "*.services.k8s.aws",
        "*",
        &[Conditions(&[
            when(&["ACK.Terminal"]).degraded(),
            unless(&["Ready"]).progressing(),
            when(&["Ready"]).say(NOTHING).healthy(),
        ])],
        Progressing,
        Text("Waiting for resource to be ready"),
    ),
    steps(
        "snapshot.storage.k8s.io",
        "VolumeSnapshot",
        SNAPSHOT,
        Progressing,
        Text("Waiting for status"),
    ),
    steps(
        "snapshot.storage.k8s.io",
        "VolumeSnapshotContent",
        SNAPSHOT,
        Progressing,
        Text("Waiting for status"),
    ),
    code("work.karmada.io", "ClusterResourceBinding", |object| {
        karmada_binding(object, true)
    }),
    code("work.karmada.io", "ResourceBinding", |object| {
        karmada_binding(object, false)
    }),
];

const SNAPSHOT: &[Step] = &[
    If(
        Holds(&["status", "readyToUse"]),
        Healthy,
        Text("Ready to use"),
    ),
    If(
        Holds(&["status", "error"]),
        Degraded,
        Field(&["status", "error", "message"]),
    ),
];

fn definition(object: &Object) -> Verdict {
    if view::at(object, &["metadata", "deletionTimestamp"]).is_some() {
        return Verdict::fixed(Progressing, "CRD is terminating");
    }
    let mut established = None;
    let mut any = false;
    for condition in view::conditions(object) {
        any = true;
        let message = condition.message_text();
        let (status, message) = match (condition.kind(), condition.status()) {
            ("Terminating", "True") => (Progressing, format!("CRD is terminating: {message}")),
            ("NamesAccepted", "False") => (
                Degraded,
                format!("CRD names have not been accepted: {message}"),
            ),
            ("NonStructuralSchema", "True") => {
                (Degraded, format!("Schema violations found: {message}"))
            }
            ("Established", "True") => {
                established = Some(condition);
                continue;
            }
            ("Established", _) if condition.reason_text() == "Installing" => {
                (Progressing, "CRD is being installed".to_owned())
            }
            _ => continue,
        };
        return Verdict::new(status, message)
            .because(condition.reason_text())
            .since(condition.since());
    }
    if !any {
        return Verdict::fixed(Progressing, "Status conditions not found");
    }
    match established {
        Some(established) => Text("CRD is healthy").verdict(Healthy, object, Some(established)),
        None => Verdict::fixed(Degraded, "CRD is not established"),
    }
}

fn cron_job(object: &Object) -> Option<Verdict> {
    if IsTrue(&["spec", "suspend"]).holds(object) {
        return Some(Verdict::fixed(Healthy, "CronJob is Suspended"));
    }
    view::at(object, &["status"])?;
    let Some(scheduled) = view::text(object, &["status", "lastScheduleTime"]) else {
        return Some(Verdict::fixed(
            Healthy,
            "CronJob has not been scheduled yet",
        ));
    };
    let Some(succeeded) = view::text(object, &["status", "lastSuccessfulTime"]) else {
        return Some(Verdict::fixed(
            Healthy,
            "The CronJob never completed successfully. It may not be healthy",
        ));
    };
    if !view::list(object.at(&["status", "active"])).is_empty() {
        return Some(Verdict::fixed(
            Healthy,
            "The job is running. Its last execution may not have been successful",
        ));
    }
    // Both are UTC in one form, so that the texts compare as the times do.
    Some(if succeeded < scheduled {
        Verdict::fixed(
            Degraded,
            "CronJob has not completed its last execution successfully",
        )
        .because("LastExecutionFailed")
        .since(crate::time::parse(scheduled))
    } else {
        Verdict::fixed(
            Healthy,
            "CronJob has completed its last execution successfully",
        )
    })
}

fn disruption_budget(object: &Object) -> Verdict {
    let mut verdict = Verdict::fixed(Progressing, "Waiting for status");
    for condition in view::conditions(object) {
        let reason = condition.reason_text();
        let failed = condition.is_false() && reason != "InsufficientPods";
        verdict = Verdict::new(
            if failed { Degraded } else { Healthy },
            format!("PodDisruptionBudget has {reason}"),
        )
        .because(reason)
        .since(condition.since());
        if failed {
            break;
        }
    }
    verdict
}

fn capi_cluster(object: &Object) -> Verdict {
    if Holds(&["spec", "paused"]).holds(object) {
        return Verdict::fixed(Suspended, "Cluster is paused");
    }
    let unready = view::conditions(object).find(|condition| {
        condition.kind() == "Ready"
            && condition.is_false()
            && view::text_of(condition.0, "severity") != "Info"
    });
    if let Some(unready) = unready {
        return Message.verdict(Degraded, object, Some(unready));
    }
    match view::text_or_empty(object, &["status", "phase"]) {
        "Provisioned" => Verdict::fixed(Healthy, "Cluster is running"),
        "Failed" => Verdict::fixed(Degraded, ""),
        _ => Verdict::fixed(Progressing, "Waiting for clusters"),
    }
}

fn capi_machine(object: &Object) -> Verdict {
    let status = match view::text_or_empty(object, &["status", "phase"]) {
        "Running" => return Verdict::fixed(Healthy, "Machine is running"),
        "Failed" => Degraded,
        _ => Progressing,
    };
    match view::conditions(object).find(|c| c.kind() == "Ready" && c.is_false()) {
        Some(unready) => Message.verdict(status, object, Some(unready)),
        None => Verdict::fixed(status, "Condition is unknown"),
    }
}

fn capi_health_check(object: &Object) -> Option<Verdict> {
    let healthy = view::at(object, &["status", "currentHealthy"])?;
    let all = view::at(object, &["status", "expectedMachines"]) == Some(healthy);
    Some(Verdict::fixed(if all { Healthy } else { Degraded }, ""))
}

fn capi_machine_pool(object: &Object) -> Verdict {
    let phase = view::text(object, &["status", "phase"]);
    let status = match phase.map(Str::as_str) {
        Some("Running" | "Scaling") => Healthy,
        Some("Failed" | "Unknown") => Degraded,
        _ => Progressing,
    };
    let mut message = phase.map_or_else(String::new, |phase| format!("MachinePool is {phase}"));
    let mut told = None;
    for condition in view::conditions(object).filter(|c| c.is_false() && !c.kind().is_empty()) {
        message.push_str(if told.is_none() { ": Not " } else { ", Not " });
        message.push_str(condition.kind());
        if let Some(reason) = condition.reason() {
            message.push_str(&format!(" ({reason})"));
        }
        told = told.or(Some(condition));
    }
    let verdict = Verdict::new(status, message);
    match told {
        Some(told) => verdict.because(told.reason_text()).since(told.since()),
        None => verdict,
    }
}

/// Config Connector's own installations tell in one field whether they are well.
fn config_connector(object: &Object) -> Option<Verdict> {
    let healthy = view::at(object, &["status", "healthy"])?;
    let observed = view::at(object, OBSERVED);
    let customization = object.group() == "customize.core.cnrm.cloud.google.com";
    let seen = observed.is_none()
        || observed == view::at(object, &["metadata", "generation"])
        || customization && observed.and_then(Value::as_i64) == Some(0);
    let kind = object.kind();
    if !seen || !customization && !matches!(kind, "ConfigConnector" | "ConfigConnectorContext") {
        return None;
    }
    Some(if *healthy == Value::Bool(true) {
        Verdict::new(Healthy, format!("{kind} is healthy"))
    } else {
        Verdict::new(Degraded, format!("{kind} is not healthy"))
    })
}

fn eks_control_plane(object: &Object) -> Verdict {
    const PROVISIONING: Verdict = Verdict::fixed(Progressing, "Provisioning...");
    if view::at(object, &["status"]).is_none() {
        return PROVISIONING;
    }
    if Stale(OBSERVED).holds(object) {
        return Verdict::fixed(
            Progressing,
            "Waiting for the control plane spec to be reconciled",
        );
    }
    let failure = view::text_or_empty(object, &["status", "failureMessage"]);
    if !failure.is_empty() {
        return Verdict::new(Degraded, failure)
            .because(view::text_or_empty(object, &["status", "failureReason"]));
    }
    if view::at(object, &["status", "conditions"]).is_none() {
        return PROVISIONING;
    }
    if view::conditions(object).any(|c| c.kind() == "EKSControlPlaneUpdating" && c.is_true()) {
        return Verdict::fixed(Progressing, "EKS control plane is updating");
    }
    let mut errors = String::new();
    let mut first = None;
    for condition in view::conditions(object) {
        if condition.kind() == "Ready" && condition.is_true() {
            return Text("Control plane is ready").verdict(Healthy, object, Some(condition));
        }
        if condition.is_false() && view::text_of(condition.0, "severity") == "Error" {
            errors.push_str(condition.message_text());
            errors.push(' ');
            first = first.or(Some(condition));
        }
    }
    if let Some(first) = first {
        return Verdict::new(Degraded, errors)
            .because(first.reason_text())
            .since(first.since());
    }
    if IsFalse(&["status", "ready"]).holds(object) {
        return Verdict::fixed(
            Progressing,
            "Control plane is not ready (.status.ready is false)",
        );
    }
    Verdict::fixed(Progressing, "Control plane is not ready")
}

/// A binding is well where every cluster that it is bound to tells that the resource is. A binding within a
/// namespace may leave the clusters open, one of the whole control plane may not.
fn karmada_binding(object: &Object, needs_clusters: bool) -> Verdict {
    let waiting = Verdict::fixed(Progressing, "Current resource status is insufficient");
    let clusters = view::at(object, &["spec", "clusters"]);
    let reports = view::list(object.at(&["status", "aggregatedStatus"]));
    let bound = view::list(clusters).len();
    let complete = match clusters {
        None => !needs_clusters && !reports.is_empty(),
        Some(_) => bound > 0 && bound == reports.len(),
    };
    if !complete {
        return waiting;
    }
    let ill = reports
        .iter()
        .any(|report| match view::text_of(report, "health") {
            "Unhealthy" => true,
            "Unknown" => report.get("applied") != Some(&Value::Bool(true)),
            _ => false,
        });
    if ill {
        Verdict::fixed(Degraded, "Current resource status is unhealthy")
    } else {
        Verdict::fixed(Healthy, "")
    }
}
