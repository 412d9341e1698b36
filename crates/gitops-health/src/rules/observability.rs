//! Metrics, logs, traces, dashboards and scaling by them.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    steps(
        "coralogix.com",
        "Alert",
        CORALOGIX,
        Progressing,
        Text("Waiting for status to be updated"),
    ),
    steps(
        "coralogix.com",
        "RecordingRuleGroupSet",
        CORALOGIX,
        Progressing,
        Text("Waiting for status to be updated"),
    ),
    humio("HumioAction"),
    humio("HumioAlert"),
    steps(
        "core.humio.com",
        "HumioCluster",
        &[Lookup(
            STATE,
            &[
                case(
                    &["Running"],
                    Healthy,
                    FieldOr(MESSAGE, "Cluster is in a healthy running state"),
                ),
                case(
                    &["Restarting"],
                    Progressing,
                    FieldOr(MESSAGE, "Cluster pods are being restarted"),
                ),
                case(
                    &["Upgrading"],
                    Progressing,
                    FieldOr(MESSAGE, "Cluster pods are being upgraded"),
                ),
                case(
                    &["ConfigError"],
                    Degraded,
                    FieldOr(
                        MESSAGE,
                        "User-provided cluster specification resulted in a configuration error",
                    ),
                ),
                case(
                    &["Pending"],
                    Progressing,
                    FieldOr(MESSAGE, "Cluster is waiting on resources to be provisioned"),
                ),
                case(
                    &["Unknown"],
                    Unknown,
                    FieldOr(MESSAGE, "Component state: Unknown."),
                ),
            ],
        )],
        Progressing,
        Text("Update in progress"),
    ),
    humio("HumioIngestToken"),
    humio("HumioParser"),
    humio("HumioRepository"),
    humio("HumioView"),
    steps(
        "datadoghq.com",
        "DatadogMetric",
        &[
            Ask(datadog_error),
            Conditions(&[unless(&["Valid"])
                .degraded()
                .or("DatadogMetric is not valid")]),
        ],
        Healthy,
        Text("DatadogMetric is healthy"),
    ),
    steps(
        "grafana-org-operator.kubitus-project.gitlab.io",
        "*",
        &[Conditions(&[
            unless(&["Ready"]).degraded(),
            when(&["Ready"]).healthy(),
            on(&["Ready"]).progressing(),
        ])],
        Progressing,
        Text("Waiting ..."),
    ),
    steps(
        "grafana.integreatly.org",
        "Grafana",
        &[
            If(
                Absent(STAGE_STATUS),
                Progressing,
                Text("Waiting for Grafana status info"),
            ),
            If(
                Equals(STAGE_STATUS, "failed"),
                Degraded,
                Before("Failed at stage ", STAGE),
            ),
            Ask(grafana_complete),
        ],
        Progressing,
        Field(STAGE),
    ),
    code("grafana.integreatly.org", "GrafanaDashboard", grafana_part),
    steps(
        "grafana.integreatly.org",
        "GrafanaDatasource",
        &[
            If(Absent(&["status"]), Progressing, NOTHING),
            If(Equals(&["status", "uid"], ""), Progressing, NOTHING),
            If(
                Holds(&["status", "NoMatchingInstances"]),
                Degraded,
                Text("can't find matching grafana instance"),
            ),
        ],
        Healthy,
        NOTHING,
    ),
    code("grafana.integreatly.org", "GrafanaFolder", grafana_part),
    steps(
        "jaegertracing.io",
        "Jaeger",
        &[Lookup(
            &["status", "phase"],
            &[
                case(&["Running"], Healthy, Text("Jaeger is Running")),
                case(&["Failed"], Degraded, Text("Jaeger Failed For Some Reason")),
            ],
        )],
        Progressing,
        Text("Waiting for Jaeger"),
    ),
    code("keda.sh", "ScaledJob", |object| scaled(object, &SCALED_JOB)),
    code("keda.sh", "ScaledObject", |object| {
        scaled(object, &SCALED_OBJECT)
    }),
    steps(
        "kiali.io",
        "Kiali",
        &[Conditions(&[
            when(&["Successful"]).healthy(),
            when(&["Failure"]).degraded(),
            on(&["Running"]).for_reason(&["Running"]).progressing(),
        ])],
        Progressing,
        Text("Waiting for Kiali"),
    ),
    steps(
        "monitoring.coreos.com",
        "Alertmanager",
        &[Ask(instances)],
        Progressing,
        Text("Waiting for initialization"),
    ),
    steps(
        "monitoring.coreos.com",
        "Prometheus",
        &[Ask(instances)],
        Progressing,
        Text("Waiting for initialization"),
    ),
    steps(
        "monitoring.coreos.com",
        "ThanosRuler",
        &[Ask(instances)],
        Progressing,
        Text("Waiting for initialization"),
    ),
    steps(
        "opentelemetry.io",
        "OpenTelemetryCollector",
        &[Ask(collector)],
        Progressing,
        Text("Waiting for OpenTelemetry Collector status"),
    ),
    code("operator.victoriametrics.com", "*", victoria),
];

const STATE: Path = &["status", "state"];
const MESSAGE: Path = &["status", "message"];
const STAGE: Path = &["status", "stage"];
const STAGE_STATUS: Path = &["status", "stageStatus"];

const CORALOGIX: &[Step] = &[Conditions(&[
    when(&["RemoteSynced"]).healthy().text("Resource is ready"),
    unless(&["RemoteSynced"]).degraded(),
])];

const fn humio(kind: &'static str) -> Entry {
    const STATES: &[Step] = &[Lookup(
        STATE,
        &[
            case(&["Exists"], Healthy, Text("Component state: Exists.")),
            case(&["NotFound"], Missing, Text("Component state: NotFound.")),
            case(
                &["ConfigError"],
                Degraded,
                Text("Component state: ConfigError."),
            ),
            case(&["Unknown"], Unknown, Text("Component state: Unknown.")),
        ],
    )];
    steps(
        "core.humio.com",
        kind,
        STATES,
        Progressing,
        Text("Update in progress"),
    )
}

fn datadog_error(object: &Object) -> Option<Verdict> {
    let error = view::conditions(object).find(|c| c.kind() == "Error" && c.is_true())?;
    let mut verdict =
        MessageOr("DatadogMetric reported an error").verdict(Degraded, object, Some(error));
    if !verdict.reason.is_empty() {
        verdict.message = format!("{}: {}", verdict.reason, verdict.message).into();
    }
    Some(verdict)
}

fn grafana_complete(object: &Object) -> Option<Verdict> {
    let stage = view::text_or_empty(object, STAGE);
    let status = view::text_or_empty(object, STAGE_STATUS);
    (stage == "complete" && status == "success").then(|| Verdict::fixed(Healthy, ""))
}

/// Says what all conditions say up to the first that is false.
fn grafana_part(object: &Object) -> Verdict {
    let mut status = Progressing;
    let mut message = String::new();
    for condition in view::conditions(object) {
        if condition.0.get("status").is_none_or(Value::is_null) {
            continue;
        }
        if !message.is_empty() {
            message.push_str(", ");
        }
        if let Some(reason) = condition.reason() {
            message.push_str(reason);
            if condition.0.get("type").is_some_and(|kind| !kind.is_null()) {
                message.push_str(&format!(" for {}", condition.kind()));
                if let Some(text) = condition.message() {
                    message.push_str(&format!(" because {text}"));
                }
            }
        }
        if condition.is_false() {
            return Verdict::new(Degraded, message)
                .because(condition.reason_text())
                .since(condition.since());
        }
        if condition.is_true() {
            status = Healthy;
        }
    }
    Verdict::new(status, message)
}

/// What tells KEDA's kinds apart.
struct Scaled {
    /// Statuses of `Ready` that are bad.
    unready: &'static [&'static str],
    /// A condition that is bad when it is true.
    fallback: &'static str,
    waiting: &'static str,
}

const SCALED_JOB: Scaled = Scaled {
    unready: &["False", "Unknown"],
    fallback: "",
    waiting: "Waiting for ScaledJob",
};

const SCALED_OBJECT: Scaled = Scaled {
    unready: &["False"],
    fallback: "Fallback",
    waiting: "Creating HorizontalPodAutoscaler Object",
};

fn scaled(object: &Object, kind: &Scaled) -> Verdict {
    let (mut degraded, mut healthy, mut paused, mut told) = (false, false, false, None);
    for condition in view::conditions(object) {
        let decides = match (condition.kind(), condition.status()) {
            ("Ready", "True") => &mut healthy,
            ("Ready", status) if kind.unready.contains(&status) => &mut degraded,
            ("Paused", "True") => &mut paused,
            (other, "True") if other == kind.fallback => &mut degraded,
            _ => continue,
        };
        *decides = true;
        told = Some(condition);
    }
    let status = match (degraded, healthy, paused) {
        (true, ..) => Degraded,
        (false, true, true) => Suspended,
        (false, true, false) => Healthy,
        (false, false, _) => return Verdict::fixed(Progressing, kind.waiting),
    };
    Message.verdict(status, object, told)
}

/// Judges a set of instances of Prometheus' operator; of several conditions the last counts.
fn instances(object: &Object) -> Option<Verdict> {
    let available = view::conditions(object)
        .filter(|c| c.kind() == "Available")
        .last()?;
    Some(if available.is_true() {
        Text("All instances are available").verdict(Healthy, object, Some(available))
    } else {
        let starting = available.reason_text() == "SomePodsNotReady";
        let status = if starting { Progressing } else { Degraded };
        MessageOrReason.verdict(status, object, Some(available))
    })
}

fn collector(object: &Object) -> Option<Verdict> {
    view::at(object, &["status"])?;
    let mode = view::text_or_empty(object, &["spec", "mode"]);
    let Some(replicas) = view::at(object, &["status", "scale", "statusReplicas"]) else {
        return Some(if mode == "sidecar" {
            Verdict::fixed(Healthy, "Collector is running in sidecar mode")
        } else {
            Verdict::fixed(Progressing, "Scale status not available")
        });
    };
    let replicas = words(replicas);
    let Some((ready, total)) = two_counts(&replicas) else {
        return Some(Verdict::new(
            Progressing,
            format!("Unable to parse replica status: {replicas}"),
        ));
    };
    Some(match (ready, total) {
        (0, 0) if mode == "daemonset" => {
            Verdict::fixed(Healthy, "DaemonSet has no eligible nodes (0/0)")
        }
        (0, _) => Verdict::fixed(Degraded, "No replicas are ready"),
        _ if ready == total => Verdict::fixed(Healthy, "All replicas are ready"),
        _ => Verdict::fixed(Progressing, "Replicas are starting up"),
    })
}

/// Finds the first two counts with a slash between them.
fn two_counts(text: &str) -> Option<(u64, u64)> {
    let is_digit = |c: char| c.is_ascii_digit();
    text.match_indices('/').find_map(|(slash, _)| {
        let (before, after) = (&text[..slash], &text[slash + 1..]);
        let ready = &before[before.trim_end_matches(is_digit).len()..];
        let total = &after[..after.len() - after.trim_start_matches(is_digit).len()];
        Some((ready.parse().ok()?, total.parse().ok()?))
    })
}

fn victoria(object: &Object) -> Verdict {
    const WAITING: Verdict = Verdict::fixed(Progressing, "Waiting for the operator to reconcile");
    if view::at(object, &["status"]).is_none() || Stale(OBSERVED).holds(object) {
        return WAITING;
    }
    let or_reason = |status, text: &'static str| match view::text(object, &["status", "reason"])
        .filter(|reason| !reason.is_empty())
    {
        Some(reason) => Verdict::new(status, reason),
        None => Verdict::fixed(status, text),
    };
    let state = view::text_or_empty(object, &["status", "updateStatus"]);
    let verdict = match state {
        "operational" => Verdict::fixed(Healthy, "All components are operational"),
        "ignored" => Verdict::fixed(Healthy, "Resource was not picked by any parent object"),
        "expanding" => or_reason(Progressing, "Reconciliation in progress"),
        "paused" => or_reason(Suspended, "Reconciliation is paused"),
        "failed" => or_reason(Degraded, "Reconciliation failed"),
        _ => Verdict::fixed(Progressing, "Waiting for the operator to report status"),
    };
    verdict.because(state)
}
