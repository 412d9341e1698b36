//! Actions of Numaflow and Numaplane.

use gitops_manifest::{Object, Value};

use super::effect::Change::{Bool, Remove, Text};
use super::effect::Effect::Changes;
use super::offer::When::{Code, Is, IsNot};
use super::offer::{ActionRule, action};
use crate::view;

const PAUSE_ICON: &str = "fa-solid fa-fw fa-pause";
const PLAY_ICON: &str = "fa-solid fa-fw fa-play";

const FORCE: &[&str] = &["metadata", "labels", "numaplane.numaproj.io/force-promote"];
const STATE: &[&str] = &["metadata", "labels", "numaplane.numaproj.io/upgrade-state"];

const FORCE_PROMOTE: ActionRule = action("force-promote", Changes(&[Text(FORCE, "true")]))
    .icon("fa-solid fa-fw fa-forward")
    .disabled(Code(|object| {
        let upgrading = matches!(view::text_or_empty(object, STATE), "in-progress" | "trial");
        !upgrading || view::text_or_empty(object, FORCE) == "true"
    }));

pub(super) static BUFFER: &[ActionRule] = &[FORCE_PROMOTE];

/// Where a kind keeps what pausing is about.
struct Places {
    /// Where the phase is that is wanted.
    phase: &'static [&'static str],
    /// Where the ways are told in which work may be taken up again.
    strategies: &'static [&'static str],
}

const OWN: Places = Places {
    phase: &["spec", "lifecycle", "desiredPhase"],
    strategies: &[
        "spec",
        "metadata",
        "annotations",
        "numaflow.numaproj.io/allowed-resume-strategies",
    ],
};

const OF_MONO_VERTEX: Places = Places {
    phase: &["spec", "monoVertex", "spec", "lifecycle", "desiredPhase"],
    strategies: &[
        "spec",
        "monoVertex",
        "metadata",
        "annotations",
        "numaflow.numaproj.io/allowed-resume-strategies",
    ],
};

const OF_PIPELINE: Places = Places {
    phase: &["spec", "pipeline", "spec", "lifecycle", "desiredPhase"],
    strategies: &[
        "spec",
        "pipeline",
        "metadata",
        "annotations",
        "numaflow.numaproj.io/allowed-resume-strategies",
    ],
};

impl Places {
    fn is_paused(&self, object: &Object) -> bool {
        view::text_or_empty(object, self.phase) == "Paused"
    }
    fn resumes_fast(&self, object: &Object) -> bool {
        let strategies = view::text_or_empty(object, self.strategies);
        self.is_paused(object) && matches!(strategies, "fast" | "slow, fast")
    }
    fn resumes_slowly(&self, object: &Object) -> bool {
        self.is_paused(object) && view::text_or_empty(object, self.strategies) != "fast"
    }
}

/// Whether a rollout of Numaplane owns the object: it would take back what is changed by hand.
fn is_owned(object: &Object, by: &str) -> bool {
    view::list(object.meta("ownerReferences"))
        .iter()
        .any(|owner| owner.get("kind").and_then(Value::as_str) == Some(by))
}

fn is_free_vertex(object: &Object) -> bool {
    !is_owned(object, "MonoVertexRollout")
}

fn is_free_pipeline(object: &Object) -> bool {
    !is_owned(object, "PipelineRollout")
        || view::text_or_empty(object, STATE) == "recyclable-expired"
}

pub(super) static MONO_VERTEX: &[ActionRule] = &[
    action("pause", Changes(&[Text(OWN.phase, "Paused")]))
        .icon(PAUSE_ICON)
        .disabled(Code(|object| {
            !is_free_vertex(object) || OWN.is_paused(object)
        })),
    action(
        "unpause-gradual",
        Changes(&[Text(OWN.phase, "Running"), Remove(&["spec", "replicas"])]),
    )
    .icon(PLAY_ICON)
    .named("Unpause (gradual)")
    .disabled(Code(|object| {
        !is_free_vertex(object) || !OWN.resumes_slowly(object)
    })),
    action("unpause-fast", Changes(&[Text(OWN.phase, "Running")]))
        .icon(PLAY_ICON)
        .named("Unpause (fast)")
        .disabled(Code(|object| {
            !is_free_vertex(object) || !OWN.resumes_fast(object)
        })),
    FORCE_PROMOTE.named("Force Promote"),
];

const RESUME: &[&str] = &[
    "metadata",
    "annotations",
    "numaflow.numaproj.io/resume-strategy",
];
const MARKED: &[&str] = &[
    "metadata",
    "annotations",
    "numaplane.numaproj.io/marked-for-deletion",
];

pub(super) static PIPELINE: &[ActionRule] = &[
    action("pause", Changes(&[Text(OWN.phase, "Paused")]))
        .icon(PAUSE_ICON)
        .disabled(Code(|object| {
            !is_free_pipeline(object) || OWN.is_paused(object)
        })),
    action(
        "unpause-gradual",
        Changes(&[Text(OWN.phase, "Running"), Text(RESUME, "slow")]),
    )
    .icon(PLAY_ICON)
    .named("Unpause (gradual)")
    .disabled(Code(|object| {
        !is_free_pipeline(object) || !OWN.resumes_slowly(object)
    })),
    action(
        "unpause-fast",
        Changes(&[Text(OWN.phase, "Running"), Text(RESUME, "fast")]),
    )
    .icon(PLAY_ICON)
    .named("Unpause (fast)")
    .disabled(Code(|object| {
        !is_free_pipeline(object) || !OWN.resumes_fast(object)
    })),
    FORCE_PROMOTE.named("Force Promote"),
    action("delete", Changes(&[Text(MARKED, "true")]))
        .icon("fa-solid fa-fw fa-trash")
        .named("Delete")
        .disabled(Code(|object| {
            !matches!(
                view::text_or_empty(object, STATE),
                "recyclable" | "recyclable-expired"
            )
        })),
];

const FAST: &[&str] = &["spec", "strategy", "pauseResume", "fastResume"];

pub(super) static MONO_VERTEX_ROLLOUT: &[ActionRule] = &[
    action("pause", Changes(&[Text(OF_MONO_VERTEX.phase, "Paused")]))
        .icon(PAUSE_ICON)
        .disabled(Is(OF_MONO_VERTEX.phase, "Paused")),
    action(
        "unpause-gradual",
        Changes(&[Text(OF_MONO_VERTEX.phase, "Running"), Bool(FAST, false)]),
    )
    .icon(PLAY_ICON)
    .named("Unpause (gradual)")
    .disabled(Code(|object| !OF_MONO_VERTEX.resumes_slowly(object))),
    action(
        "unpause-fast",
        Changes(&[Text(OF_MONO_VERTEX.phase, "Running"), Bool(FAST, true)]),
    )
    .icon(PLAY_ICON)
    .named("Unpause (fast)")
    .disabled(Code(|object| !OF_MONO_VERTEX.resumes_fast(object))),
];

const DATA_LOSS: &[&str] = &[
    "metadata",
    "annotations",
    "numaplane.numaproj.io/allow-data-loss",
];

pub(super) static PIPELINE_ROLLOUT: &[ActionRule] = &[
    action("pause", Changes(&[Text(OF_PIPELINE.phase, "Paused")]))
        .icon(PAUSE_ICON)
        .disabled(Is(OF_PIPELINE.phase, "Paused")),
    action(
        "unpause-gradual",
        Changes(&[Text(OF_PIPELINE.phase, "Running"), Bool(FAST, false)]),
    )
    .icon(PLAY_ICON)
    .named("Unpause (gradual)")
    .disabled(Code(|object| !OF_PIPELINE.resumes_slowly(object))),
    action(
        "unpause-fast",
        Changes(&[Text(OF_PIPELINE.phase, "Running"), Bool(FAST, true)]),
    )
    .icon(PLAY_ICON)
    .named("Unpause (fast)")
    .disabled(Code(|object| !OF_PIPELINE.resumes_fast(object))),
    action("allow-data-loss", Changes(&[Text(DATA_LOSS, "true")]))
        .icon("fa-solid fa-fw fa-unlock")
        .named("Allow (Possible) Data Loss")
        .disabled(IsNot(
            &["status", "upgradeInProgress"],
            "PipelinePauseAndDrain",
        )),
    action("disallow-data-loss", Changes(&[Text(DATA_LOSS, "false")]))
        .icon("fa-solid fa-fw fa-lock")
        .named("Disallow Data Loss")
        .disabled(IsNot(DATA_LOSS, "true")),
];
