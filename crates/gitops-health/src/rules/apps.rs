//! Applications, jobs and pipelines of many makers.

use super::table::*;

const PHASE: Path = &["status", "phase"];

pub(super) static TABLE: &[Entry] = &[
    steps(
        "camel.apache.org",
        "Integration",
        &[Conditions(READY)],
        Progressing,
        Text("Waiting for Integration"),
    ),
    code("core.spinkube.dev", "SpinApp", spin_app),
    code("flagger.app", "Canary", canary),
    steps(
        "flink.apache.org",
        "FlinkDeployment",
        &[Ask(flink_deployment)],
        Progressing,
        Text("Waiting for Flink operator"),
    ),
    steps(
        "flink.apache.org",
        "FlinkSessionJob",
        &[
            Lookup(
                JOB_STATE,
                &[
                    case(&["RUNNING", "FINISHED"], Healthy, Field(JOB_STATE)),
                    case(&["RECONCILING", "CREATED"], Progressing, Field(JOB_STATE)),
                    case(&["SUSPENDED", "CANCELED"], Suspended, Field(JOB_STATE)),
                    case(
                        &["FAILED"],
                        Degraded,
                        FieldOr(&["status", "error"], "FlinkSessionJob failed"),
                    ),
                ],
            ),
            If(
                Holds(&["status", "error"]),
                Degraded,
                Field(&["status", "error"]),
            ),
        ],
        Progressing,
        Text("Waiting for FlinkSessionJob to be reconciled"),
    ),
    code("install.istio.io", "IstioOperator", istio),
    code("k8s.keycloak.org", "Keycloak", keycloak),
    code("kro.run", "ResourceGraphDefinition", kro_definition),
    code("kro.run", "*", kro_instance),
    steps(
        "nmstate.io",
        "NodeNetworkConfigurationPolicy",
        &[Conditions(&[
            when(&["Available"]).say(ReasonAndMessage).healthy(),
            when(&["Degraded"]).say(ReasonAndMessage).degraded(),
            when(&["Progressing"]).say(ReasonAndMessage).progressing(),
            when(&["Ignored"]).say(ReasonAndMessage).suspended(),
        ])],
        Progressing,
        Text("Waiting for policy to be applied"),
    ),
    steps(
        "openfaas.com",
        "Function",
        &[Ask(openfaas)],
        Progressing,
        Text("Waiting for Function"),
    ),
    code("proclaim.dogmatiq.io", "DNSSDServiceInstance", dnssd),
    steps(
        "projectcontour.io",
        "ExtensionService",
        &[Ask(contour_extension)],
        Progressing,
        Text("Waiting for status"),
    ),
    steps(
        "projectcontour.io",
        "HTTPProxy",
        &[Ask(contour_proxy)],
        Progressing,
        Text("Waiting for status"),
    ),
    steps(
        "pulumi.com",
        "Stack",
        &[
            If(
                Absent(&["status"]),
                Progressing,
                Text("Waiting for the operator to observe the latest spec change"),
            ),
            If(
                NotObserved(OBSERVED),
                Progressing,
                Text("Waiting for the operator to observe the latest spec change"),
            ),
            Conditions(&[
                when(&["Stalled"]).degraded(),
                when(&["Reconciling"]).progressing(),
                when(&["Ready"]).healthy(),
            ]),
        ],
        Progressing,
        Text("Waiting for the stack to be reconciled"),
    ),
    steps(
        "solr.apache.org",
        "SolrCloud",
        &[Ask(solr)],
        Progressing,
        Text("Waiting for solr to exist"),
    ),
    steps(
        "sparkoperator.k8s.io",
        "SparkApplication",
        &[Ask(super::spark::application)],
        Progressing,
        Text("Waiting for Executor pods"),
    ),
    code("spot.io", "SpotDeployment", spot_deployment),
    steps(
        "tekton.dev",
        "PipelineRun",
        TEKTON,
        Progressing,
        Text("Waiting for run to start"),
    ),
    steps(
        "tekton.dev",
        "TaskRun",
        TEKTON,
        Progressing,
        Text("Waiting for run to start"),
    ),
    steps(
        "tower.ansible.com",
        "AnsibleJob",
        &[Ask(ansible_job)],
        Progressing,
        Text("Waiting for AnsibleJob"),
    ),
];

const JOB_STATE: Path = &["status", "jobStatus", "state"];

const TEKTON: &[Step] = &[Conditions(&[
    when(&["Succeeded"]).say(MessageOrReason).healthy(),
    unless(&["Succeeded"]).say(MessageOrReason).degraded(),
    on(&["Succeeded"]).say(MessageOrReason).progressing(),
])];

fn spin_app(object: &Object) -> Verdict {
    if view::at(object, &["status"]).is_none() {
        return Verdict::fixed(Progressing, "Waiting for status to be available");
    }
    let (mut progressing, mut available) = (None, None);
    for condition in view::conditions(object) {
        match condition.kind() {
            "Progressing" => {
                let message = condition.message_text().to_lowercase();
                let failed = condition.reason_text() == "ProgressDeadlineExceeded"
                    || message.contains("timeout")
                    || message.contains("failed");
                if condition.is_false() && failed {
                    return MessageOr("Application deployment has failed").verdict(
                        Degraded,
                        object,
                        Some(condition),
                    );
                }
                if condition.is_true() {
                    progressing = Some(condition);
                }
            }
            "Available" => available = Some(condition),
            _ => {}
        }
    }
    if !available.is_some_and(Condition::is_true) {
        let text = if available.is_some() {
            "Application is not available"
        } else {
            ""
        };
        return MessageOr(text).verdict(Degraded, object, available);
    }
    let ready = view::number(object, &["status", "readyReplicas"]).unwrap_or(0.0);
    let wanted = view::number(object, &["spec", "replicas"]).unwrap_or(1.0);
    if ready < wanted {
        return Verdict::new(
            Progressing,
            format!("Waiting for replicas to be ready ({ready}/{wanted})"),
        );
    }
    if progressing.is_some() {
        return MessageOr("Application progress status").verdict(Progressing, object, progressing);
    }
    Verdict::new(
        Healthy,
        format!("Application is healthy with {ready}/{wanted} replicas ready"),
    )
}

fn canary(object: &Object) -> Verdict {
    if view::at(object, &["status"]).is_none() {
        return Verdict::fixed(Unknown, "No status");
    }
    let phase = view::text_or_empty(object, PHASE);
    let status = match phase {
        "Failed" => Degraded,
        "Progressing" | "Finalising" | "Promoting" => Progressing,
        "Succeeded" | "Initialized" => Healthy,
        _ => Unknown,
    };
    let weight = view::at(object, &["status", "canaryWeight"])
        .map(words)
        .unwrap_or_default();
    let weighed = weight.parse::<f64>().is_ok_and(|weight| weight > 0.0);
    let mut told = if weighed {
        format!("Canary Weight: {weight} %")
    } else {
        String::new()
    };
    for condition in view::conditions(object) {
        if !told.is_empty() {
            told.push_str(" --- ");
        }
        told.push_str(condition.message_text());
    }
    let first = view::conditions(object).next();
    Verdict::new(status, format!("{phase} --- {told}"))
        .because(first.map_or(phase, Condition::reason_text))
        .since(first.and_then(Condition::since))
}

fn flink_deployment(object: &Object) -> Option<Verdict> {
    let reconciled = view::at(object, &["status", "reconciliationStatus"])?;
    if view::is_truthy(reconciled.get("success"))
        || view::text_of(reconciled, "state") == "DEPLOYED"
    {
        return Some(Verdict::fixed(Healthy, ""));
    }
    match view::text_or_empty(object, &["status", "jobManagerDeploymentStatus"]) {
        "DEPLOYED_NOT_READY" | "DEPLOYING" => {
            Some(Verdict::fixed(Progressing, "Waiting for deploying"))
        }
        "ERROR" => {
            let error = &["status", "reconciliationStatus", "error"];
            Some(Field(error).verdict(Degraded, object, None))
        }
        _ => None,
    }
}

/// Judges an installation of Istio, whose status is a word or, before version 1.6, a number.
fn istio(object: &Object) -> Verdict {
    const STATES: [(&str, HealthStatus, &str); 5] = [
        ("NONE", Unknown, "Component is not present."),
        (
            "UPDATING",
            Progressing,
            "Component is being updated to a different version.",
        ),
        (
            "RECONCILING",
            Progressing,
            "Controller has started but not yet completed reconciliation loop for the component.",
        ),
        ("HEALTHY", Healthy, "Component is healthy."),
        ("ERROR", Degraded, "Component is in an error state."),
    ];
    let found = view::at(object, &["status", "status"]).and_then(|state| {
        let number = state
            .as_i64()
            .and_then(|number| usize::try_from(number).ok());
        STATES
            .iter()
            .enumerate()
            .find(|(i, (name, ..))| number == Some(*i) || state.as_str() == Some(name))
    });
    match found {
        Some((_, (_, status, message))) => Verdict::fixed(*status, message),
        None => Verdict::fixed(Progressing, "Waiting for Istio Control Plane"),
    }
}

/// Goes over the conditions of Keycloak by the time of their last change; those without time come last.
fn keycloak(object: &Object) -> Verdict {
    if view::at(object, &["status", "conditions"]).is_none() {
        return Verdict::fixed(
            Progressing,
            "Waiting for Keycloak status conditions to exist",
        );
    }
    let mut conditions: Vec<_> = view::conditions(object).collect();
    conditions.sort_by_key(|condition| {
        let time = condition
            .0
            .get("lastTransitionTime")
            .and_then(Value::as_str);
        (time.is_none(), time)
    });
    for condition in conditions.into_iter().filter(|c| c.is_true()) {
        match condition.kind() {
            "Ready" => return NOTHING.verdict(Healthy, object, Some(condition)),
            "HasErrors" => {
                return Verdict::new(
                    Degraded,
                    format!("Has Errors: {}", condition.message_text()),
                )
                .because(condition.reason_text())
                .since(condition.since());
            }
            _ => {}
        }
    }
    Verdict::fixed(Progressing, "")
}

/// Goes over the conditions that tell of the object as it is now.
fn fresh(object: &Object) -> impl Iterator<Item = Condition<'_>> {
    let generation = view::at(object, &["metadata", "generation"]);
    view::conditions(object).filter(move |condition| {
        generation.is_some() && view::get(condition.0, "observedGeneration") == generation
    })
}

const NO_KRO_STATUS: Verdict = Verdict::fixed(Progressing, "Waiting for KRO to report status");

fn kro_definition(object: &Object) -> Verdict {
    const KINDS: [&str; 5] = [
        "GraphRevisionsResolved",
        "GraphAccepted",
        "KindReady",
        "ControllerReady",
        "Ready",
    ];
    if view::at(object, &["status", "conditions"]).is_none() {
        return NO_KRO_STATUS;
    }
    for condition in fresh(object) {
        if condition.kind() == "Ready" && condition.is_true() {
            return Text("ResourceGraphDefinition is active and serving instances").verdict(
                Healthy,
                object,
                Some(condition),
            );
        }
        if condition.is_false() && KINDS.contains(&condition.kind()) {
            return told_or(object, Degraded, condition, "is False");
        }
    }
    Verdict::fixed(
        Progressing,
        "Waiting for ResourceGraphDefinition to become ready",
    )
}

/// Says the condition's message, or its type and these words where it has none.
fn told_or(object: &Object, status: HealthStatus, condition: Condition<'_>, text: &str) -> Verdict {
    let mut verdict = Message.verdict(status, object, Some(condition));
    if condition.message().is_none() {
        verdict.message = format!("{} {text}", condition.kind()).into();
    }
    verdict
}

fn kro_instance(object: &Object) -> Verdict {
    const KINDS: [&str; 4] = [
        "InstanceManaged",
        "GraphResolved",
        "ResourcesReady",
        "Ready",
    ];
    if view::at(object, &["status", "conditions"]).is_none() {
        return NO_KRO_STATUS;
    }
    let state = view::text_or_empty(object, &["status", "state"]);
    for condition in fresh(object) {
        if condition.kind() == "Ready" && condition.is_true() {
            return Text("Instance is active and running").verdict(
                Healthy,
                object,
                Some(condition),
            );
        }
        if condition.is_false() && KINDS.contains(&condition.kind()) {
            match state {
                "FAILED" | "ERROR" => return told_or(object, Degraded, condition, "is False"),
                "IN_PROGRESS" => return told_or(object, Progressing, condition, "is in progress"),
                _ => {}
            }
        }
    }
    Verdict::fixed(Progressing, "Waiting for instance to become ready")
}

fn openfaas(object: &Object) -> Option<Verdict> {
    let has_replicas = view::number(object, &["status", "replicas"]).is_some_and(|n| n > 0.0);
    view::conditions(object).find_map(|condition| {
        let (status, say) = match (condition.kind(), condition.status()) {
            ("Ready", "False") | ("Stalled", "True") => (Degraded, Message),
            ("Ready", "True") if has_replicas => (Healthy, Message),
            ("Ready", "True") => (Suspended, Text("No replicas available")),
            _ => return None,
        };
        Some(say.verdict(status, object, Some(condition)))
    })
}

fn dnssd(object: &Object) -> Verdict {
    let last = |kind| view::conditions(object).filter(|c| c.kind() == kind).last();
    let (adopted, advertised, discovered) =
        (last("Adopted"), last("Advertised"), last("Discoverable"));
    let (status, told) = if adopted.is_some_and(Condition::is_false) {
        (Degraded, adopted)
    } else if matches!(
        advertised.map(Condition::reason_text),
        Some("AdvertiseError" | "UnadvertiseError")
    ) {
        (Degraded, advertised)
    } else if discovered.map(Condition::reason_text) == Some("DiscoveryError") {
        (Unknown, discovered)
    } else if discovered.is_some_and(Condition::is_true) {
        (Healthy, discovered)
    } else {
        (Progressing, discovered)
    };
    Message.verdict(status, object, told)
}

/// Goes over Contour's conditions that were set for the object's generation, or, like it, without one.
fn contour(object: &Object) -> impl Iterator<Item = Condition<'_>> {
    let generation = view::at(object, &["metadata", "generation"]);
    view::conditions(object)
        .filter(move |condition| view::get(condition.0, "observedGeneration") == generation)
}

fn contour_extension(object: &Object) -> Option<Verdict> {
    const ARMS: &[Arm] = &[when(&["Valid"]).healthy(), unless(&["Valid"]).degraded()];
    first_fit(ARMS, object, contour(object))
}

fn contour_proxy(object: &Object) -> Option<Verdict> {
    const DESCRIPTION: Say = Field(&["status", "description"]);
    if view::at(object, &["status", "conditions"]).is_none() {
        return Holds(&["status", "currentStatus"])
            .holds(object)
            .then(|| DESCRIPTION.verdict(Progressing, object, None));
    }
    let includes = view::at(object, &["spec", "includes"]).is_some();
    contour(object).find_map(|condition| {
        let (status, say) = match (condition.kind(), condition.status()) {
            ("Valid", "True") => (Healthy, DESCRIPTION),
            // Parents and children wait for each other: one of the two has to be taken for well.
            (_, "False") if includes => (
                Healthy,
                Text("HTTPProxy inclusions cannot be health checked"),
            ),
            ("Valid", "False") => (Degraded, DESCRIPTION),
            _ => return None,
        };
        Some(say.verdict(status, object, Some(condition)))
    })
}

fn solr(object: &Object) -> Option<Verdict> {
    let nodes = view::at(object, &["status", "solrNodes"])?;
    let all = view::list(Some(nodes))
        .iter()
        .all(|node| view::is_truthy(node.get("ready")));
    Some(if all {
        Verdict::fixed(Healthy, "Solr is ready")
    } else {
        Verdict::fixed(Progressing, "Not all replicas are ready")
    })
}

fn spot_deployment(object: &Object) -> Verdict {
    const ARMS: &[Arm] = &[
        on(&["InvalidSpec"]).degraded(),
        on(&["Progressing"])
            .for_reason(&["RolloutAborted", "ProgressDeadlineExceeded"])
            .degraded(),
        when(&["Paused"]).suspended().text("Rollout is paused"),
    ];
    if view::at(object, &["status", "conditions"]).is_none() {
        return Verdict::fixed(Unset, "");
    }
    if let Some(verdict) = first_fit(ARMS, object, view::conditions(object)) {
        return verdict;
    }
    if view::text_or_empty(object, PHASE) == "Progressing" {
        Verdict::fixed(Progressing, "Waiting for rollout to finish steps")
    } else {
        Verdict::fixed(Healthy, "")
    }
}

fn ansible_job(object: &Object) -> Option<Verdict> {
    let result = view::at(object, &["status", "ansibleJobResult"])?;
    let state = view::text_of(result, "status");
    let status = match state {
        "successful" => Healthy,
        "failed" | "error" | "canceled" => Degraded,
        "new" | "pending" | "waiting" | "running" => Progressing,
        _ => return None,
    };
    let url = view::text_of(result, "url");
    Some(Verdict::new(status, format!("{state} job - {url}")).because(state))
}
