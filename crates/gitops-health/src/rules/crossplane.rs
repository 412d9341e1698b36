//! Crossplane: its managed resources by pattern, its packages, and AWS resources of its first provider.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    code("*.crossplane.io", "*", |object| {
        managed(object, &CROSSPLANE)
    }),
    code("*.upbound.io", "*", |object| managed(object, &UPBOUND)),
    code("pkg.crossplane.io", "Provider", provider),
    steps(
        "stacks.crossplane.io",
        "ClusterStackInstall",
        &[
            ConditionsAt(
                &["status", "conditionedStatus", "conditions"],
                &[when(&["Ready"]).say(Reason).healthy()],
            ),
            Ask(last_ready_reason),
        ],
        Progressing,
        Text("Waiting for stack to be installed"),
    ),
    aws(
        "cloudfront.aws.crossplane.io",
        "Distribution",
        &[AskOf(aws_resource, "distribution")],
        "Waiting for distribution to be created",
    ),
    aws(
        "iam.aws.crossplane.io",
        "Policy",
        &[AskOf(aws_resource, "Policy")],
        "Waiting for Policy to be created",
    ),
    aws(
        "iam.aws.crossplane.io",
        "Role",
        &[AskOf(aws_resource, "Role")],
        "Waiting for Role to be created",
    ),
    aws(
        "iam.aws.crossplane.io",
        "RolePolicyAttachment",
        &[AskOf(aws_resource, "RolePolicyAttachment")],
        "Waiting for RolePolicyAttachment to be created",
    ),
    aws(
        "rds.aws.crossplane.io",
        "DBCluster",
        &[AskOf(aws_resource, "DBCluster")],
        "Waiting for DBCluster to be created",
    ),
    aws(
        "rds.aws.crossplane.io",
        "DBInstance",
        &[AskOf(aws_resource, "DBInstance")],
        "Waiting for DBInstance to be created",
    ),
    aws(
        "route53.aws.crossplane.io",
        "ResourceRecordSet",
        &[AskOf(aws_resource, "resourcrecordset")],
        "Waiting for resourcrecordset to be created",
    ),
    aws(
        "s3.aws.crossplane.io",
        "Bucket",
        &[AskOf(aws_resource, "Bucket")],
        "Waiting for Bucket to be created",
    ),
];

const fn aws(
    group: &'static str,
    kind: &'static str,
    ask: &'static [Step],
    absent: &'static str,
) -> Entry {
    steps(group, kind, ask, Progressing, Text(absent))
}

/// What tells the families of managed resources apart.
struct Family {
    /// Kinds whose objects may have a status that says nothing.
    silent: &'static [&'static str],
    /// Conditions of which one that is true means that all is well.
    well: &'static [&'static str],
}

const CROSSPLANE: Family = Family {
    silent: &[
        "Composition",
        "CompositionRevision",
        "DeploymentRuntimeConfig",
        "ClusterProviderConfig",
        "ProviderConfig",
        "ProviderConfigUsage",
        "ControllerConfig",
    ],
    well: &[
        "Ready",
        "Healthy",
        "Offered",
        "Established",
        "ValidPipeline",
        "RevisionHealthy",
    ],
};

const UPBOUND: Family = Family {
    silent: &[
        "ClusterProviderConfig",
        "ProviderConfig",
        "ProviderConfigUsage",
    ],
    well: &["Ready"],
};

fn managed(object: &Object, family: &Family) -> Verdict {
    const UP_TO_DATE: Verdict = Verdict::fixed(Healthy, "Resource is up-to-date.");
    let mut verdict = Verdict::fixed(Progressing, "Provisioning ...");
    let kind = object.kind();
    // Many of the kinds never have a status: an object without one is taken for such.
    if Absent(&["status"]).holds(object)
        || Empty(&["status"]).holds(object) && family.silent.contains(&kind)
    {
        return UP_TO_DATE;
    }
    if Absent(&["status", "conditions"]).holds(object) {
        let used = view::at(object, &["status", "users"]).is_some();
        if used && matches!(kind, "ProviderConfig" | "ClusterProviderConfig") {
            return Verdict::fixed(Healthy, "Resource is in use.");
        }
        return verdict;
    }
    for condition in view::conditions(object) {
        let kind = condition.kind();
        if matches!(kind, "LastAsyncOperation" | "Synced") && condition.is_false() {
            return Message.verdict(Degraded, object, Some(condition));
        }
        if family.well.contains(&kind) && condition.is_true() {
            verdict = UP_TO_DATE.since(condition.since());
        }
    }
    verdict
}

/// Judges a resource of the AWS provider by whether it is ready and in sync.
fn aws_resource(object: &Object, what: &'static str) -> Option<Verdict> {
    view::at(object, &["status", "conditions"])?;
    let (mut ready, mut synced, mut paused) = (None, None, None);
    let mut fault = None;
    for condition in view::conditions(object) {
        match condition.kind() {
            "Ready" => ready = Some(condition),
            "Synced" => {
                synced = Some(condition);
                match condition.reason_text() {
                    "ReconcileError" => fault = Some(condition),
                    "ReconcilePaused" => paused = Some(condition),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    let holds = |condition: Option<Condition<'_>>| condition.is_some_and(Condition::is_true);
    Some(match (holds(ready), holds(synced), paused) {
        (true, true, _) => Reason.verdict(Healthy, object, ready),
        (_, false, Some(_)) => Reason.verdict(Suspended, object, paused),
        (false, true, None) => {
            Verdict::new(Progressing, format!("Waiting for {what} to be available"))
                .because(ready.map_or("", Condition::reason_text))
        }
        _ => Message.verdict(Degraded, object, fault),
    })
}

fn provider(object: &Object) -> Verdict {
    let (mut installed, mut healthy) = (None, None);
    for condition in view::conditions(object) {
        match condition.kind() {
            "Installed" => installed = Some(condition),
            "Healthy" => healthy = Some(condition),
            _ => {}
        }
    }
    let reasons: Vec<&str> = [installed, healthy]
        .into_iter()
        .filter_map(|condition| Some(condition?.reason()?.as_str()))
        .collect();
    if reasons.is_empty() {
        return Verdict::fixed(Progressing, "Waiting for provider to be installed");
    }
    let well = [installed, healthy]
        .iter()
        .all(|condition| condition.is_some_and(Condition::is_true));
    let status = if well { Healthy } else { Degraded };
    Verdict::new(status, reasons.join(" "))
}

/// Says the reason why a stack is not ready.
fn last_ready_reason(object: &Object) -> Option<Verdict> {
    let ready = view::conditions_of(object.at(&["status", "conditionedStatus", "conditions"]))
        .filter(|condition| condition.kind() == "Ready")
        .last()?;
    Some(Reason.verdict(Progressing, object, Some(ready)))
}
