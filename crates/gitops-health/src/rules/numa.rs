//! Numaflow and Numaplane.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    numaflow(
        "InterStepBufferService",
        &[AskOf(part, "")],
        "Waiting for InterStepBufferService status",
    ),
    numaflow(
        "MonoVertex",
        &[AskOf(part, "Subresources are unhealthy")],
        "Waiting for MonoVertex status",
    ),
    numaflow(
        "Pipeline",
        &[AskOf(part, "Subresources are unhealthy")],
        "Waiting for Pipeline status",
    ),
    numaflow("Vertex", &[AskOf(part, "")], "Waiting for Vertex status"),
    numaplane(
        "ISBServiceRollout",
        &[AskOf(rollout, "ISBSvcFailed"), CHILDREN],
        "Unknown status",
    ),
    numaplane(
        "MonoVertexRollout",
        &[
            AskOf(rollout, "MonoVertexFailed"),
            Conditions(&[when(&["MonoVertexPausingOrPaused"]).healthy()]),
            CHILDREN,
        ],
        "Unknown MonoVertex status",
    ),
    numaplane(
        "NumaflowControllerRollout",
        &[AskOf(rollout, ""), CHILDREN],
        "Unknown status",
    ),
    numaplane(
        "PipelineRollout",
        &[
            AskOf(rollout, "PipelineFailed"),
            Conditions(&[when(&["PipelinePausingOrPaused"]).healthy()]),
            CHILDREN,
        ],
        "Unknown Pipeline status",
    ),
];

const fn numaflow(kind: &'static str, ask: &'static [Step], waiting: &'static str) -> Entry {
    steps(
        "numaflow.numaproj.io",
        kind,
        ask,
        Progressing,
        Text(waiting),
    )
}

const fn numaplane(kind: &'static str, ask: &'static [Step], unknown: &'static str) -> Entry {
    steps("numaplane.numaproj.io", kind, ask, Unknown, Text(unknown))
}

const CHILDREN: Step = Conditions(&[when(&["ChildResourcesHealthy"]).text("Healthy").healthy()]);

/// Judges a part of a pipeline. `unhealthy` is said of a condition that is false; where it is empty, the
/// condition's own message is.
fn part(object: &Object, unhealthy: &'static str) -> Option<Verdict> {
    view::at(object, &["status"])?;
    if NotObserved(OBSERVED).holds(object) {
        return None;
    }
    let kind = object.kind();
    let phase = view::text_or_empty(object, &["status", "phase"]);
    if phase == "Failed" {
        return Some(
            Field(&["status", "message"])
                .verdict(Degraded, object, None)
                .because(phase),
        );
    }
    let progressive = object.label("numaplane.numaproj.io/progressive-result-state");
    if progressive == Some("failed") && kind != "Vertex" {
        return Some(Verdict::fixed(Degraded, "Failed progressive upgrade"));
    }
    if let Some(unwell) = view::conditions(object).filter(|c| c.is_false()).last() {
        let say = if unhealthy.is_empty() {
            Message
        } else {
            Text(unhealthy)
        };
        return Some(say.verdict(Degraded, object, Some(unwell)));
    }
    match (phase, kind) {
        ("Running", _) => Some(Verdict::new(Healthy, format!("{kind} is healthy"))),
        ("Paused", "MonoVertex" | "Pipeline" | "Vertex") | ("Pausing", "Pipeline") => {
            Some(Verdict::new(Healthy, format!("{kind} is paused")))
        }
        _ => None,
    }
}

/// Judges a rollout up to where it is neither on the way nor failed. `fault` is the reason for which its
/// children count as failed; where it is empty, any is but that they are on the way.
fn rollout(object: &Object, fault: &'static str) -> Option<Verdict> {
    const UNSEEN: Verdict = Verdict::fixed(Progressing, "Not yet reconciled");
    if view::at(object, &["status"]).is_none() || NotObserved(OBSERVED).holds(object) {
        return Some(UNSEEN);
    }
    // A controller of Numaflow upgrades in one go.
    let upgrade = view::conditions(object)
        .find(|c| c.kind() == "ProgressiveUpgradeSucceeded" && c.is_false())
        .filter(|_| !fault.is_empty());
    let phase = view::text_or_empty(object, &["status", "phase"]);
    let upgrading = !view::text_or_empty(object, &["status", "upgradeInProgress"]).is_empty();
    if (upgrading || phase == "Pending") && upgrade.is_none() {
        return Some(Verdict::fixed(Progressing, "Update in progress"));
    }
    let children =
        || view::conditions(object).filter(|c| c.kind() == "ChildResourcesHealthy" && c.is_false());
    if let Some(child) = children().find(|c| c.reason_text() == "Progressing") {
        return Some(Text("Child Progressing").verdict(Progressing, object, Some(child)));
    }
    if phase == "Failed" {
        return Some(
            Field(&["status", "message"])
                .verdict(Degraded, object, None)
                .because(phase),
        );
    }
    for condition in view::conditions(object) {
        let failed = condition.kind() == "ChildResourcesHealthy"
            && condition.is_false()
            && (fault.is_empty() || condition.reason_text() == fault);
        if failed {
            return Some(Message.verdict(Degraded, object, Some(condition)));
        }
        if upgrade.is_some_and(|upgrade| std::ptr::eq(upgrade.0, condition.0)) {
            return Some(Text("Progressive upgrade failed").verdict(Degraded, object, upgrade));
        }
    }
    None
}
