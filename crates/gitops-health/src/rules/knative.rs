//! Knative and KServe.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    code("operator.knative.dev", "KnativeEventing", |object| {
        installation(
            object,
            &["Ready", "InstallSucceeded"],
            &["Ready"],
            "KnativeEventing is healthy.",
            "Waiting for KnativeEventing",
        )
    }),
    code("operator.knative.dev", "KnativeServing", |object| {
        installation(
            object,
            &[
                "Ready",
                "InstallSucceeded",
                "DependenciesInstalled",
                "DeploymentsAvailable",
            ],
            &["Ready", "DeploymentsAvailable"],
            "KnativeServing is healthy.",
            "Waiting for KnativeServing",
        )
    }),
    code("serving.knative.dev", "Service", service),
    code("serving.kserve.io", "InferenceService", inference),
    code("serving.kserve.io", "LLMInferenceService", llm_inference),
];

/// Counts the conditions of an installation: all of `wanted` must be true; that one of `awaited` is false, or
/// any is unknown, means that work goes on.
fn installation(
    object: &Object,
    wanted: &[&str],
    awaited: &[&str],
    well: &'static str,
    waiting: &'static str,
) -> Verdict {
    if view::at(object, &["status", "conditions"]).is_none() {
        return Verdict::fixed(Progressing, waiting);
    }
    let (mut holding, mut open) = (0, None);
    let mut message = String::new();
    for (i, condition) in view::conditions(object).enumerate() {
        let (kind, status) = (condition.kind(), condition.status());
        message.push_str(&format!("{}: {kind} | {status}\n", i + 1));
        match status {
            "True" if wanted.contains(&kind) => holding += 1,
            "False" if awaited.contains(&kind) => open = open.or(Some(condition)),
            "Unknown" => open = open.or(Some(condition)),
            _ => {}
        }
    }
    match open {
        Some(open) => Verdict::new(Progressing, message).because(open.reason_text()),
        None if holding == wanted.len() => Verdict::fixed(Healthy, well),
        None => Verdict::new(Degraded, message),
    }
}

fn service(object: &Object) -> Verdict {
    if view::at(object, &["status", "conditions"]).is_none() {
        return Verdict::fixed(Progressing, "Waiting for status update.");
    }
    let (mut holding, mut failed, mut open) = (0, None, None);
    let mut message = String::new();
    for condition in view::conditions(object) {
        let (kind, status) = (condition.kind(), condition.status());
        match status {
            "True" => {
                let counts = matches!(kind, "ConfigurationsReady" | "RoutesReady" | "Ready");
                holding += usize::from(counts);
                continue;
            }
            "False" => failed = failed.or(Some(condition)),
            "Unknown" => open = open.or(Some(condition)),
            _ => continue,
        }
        message.push_str(&format!("{kind} is {status}"));
        if !condition.reason_text().is_empty() {
            message.push_str(&format!(", since {}.", condition.reason_text()));
        }
        if !condition.message_text().is_empty() {
            message.push_str(&format!(" {}", condition.message_text()));
        }
        message.push('\n');
    }
    if failed.is_none() && open.is_none() && holding == 3 {
        return Verdict::fixed(Healthy, "Knative Service is healthy.");
    }
    let status = if failed.is_some() {
        Degraded
    } else {
        Progressing
    };
    let reason = failed.or(open).map_or("", Condition::reason_text);
    Verdict::new(status, message).because(reason)
}

/// Appends what a condition says, the parts that are there, each after a bar.
fn say_on(message: &mut String, condition: Condition<'_>) {
    for text in [condition.reason_text(), condition.message_text()] {
        if !text.is_empty() {
            message.push_str(" | ");
            message.push_str(text);
        }
    }
}

fn inference(object: &Object) -> Verdict {
    let waiting = Verdict::fixed(
        Progressing,
        "Waiting for InferenceService to report status...",
    );
    if view::at(object, &["status", "conditions"]).is_none() {
        return waiting;
    }
    let (mut progressing, mut degraded, mut open) = (false, false, false);
    let mut message = String::new();
    if let Some(model) = view::at(object, &["status", "modelStatus"]) {
        let transition = view::text_of(model, "transitionStatus");
        if transition != "UpToDate" {
            progressing = transition == "InProgress";
            degraded = !progressing;
            message.push_str(&format!("0: transitionStatus | {transition}"));
        }
    }
    for (i, condition) in view::conditions(object).enumerate() {
        let (kind, status) = (condition.kind(), condition.status());
        if kind == "Stopped" && condition.is_true() {
            return Verdict::fixed(Suspended, "InferenceService is Stopped");
        }
        open |= status == "Unknown" || condition.is_false() && kind != "Stopped";
        if !condition.is_true() && kind != "Stopped" {
            message.push_str(&format!(" | {}: {kind} | {status}", i + 1));
            say_on(&mut message, condition);
        }
    }
    if !progressing && !degraded && !open {
        Verdict::fixed(Healthy, "InferenceService is healthy.")
    } else {
        Verdict::new(if degraded { Degraded } else { Progressing }, message)
    }
}

fn llm_inference(object: &Object) -> Verdict {
    const WAITING: &str = "Waiting for LLMInferenceService to report status...";
    if view::at(object, &["status", "conditions"]).is_none() {
        return Verdict::fixed(Progressing, WAITING);
    }
    let (mut ready, mut stopped) = (None, false);
    let mut message = String::new();
    for condition in view::conditions(object) {
        stopped |= condition.reason_text() == "Stopped";
        if condition.kind() == "Ready" {
            ready = Some(condition);
        } else if !condition.is_true() {
            if !message.is_empty() {
                message.push_str("; ");
            }
            message.push_str(&format!("{}: {}", condition.kind(), condition.status()));
            say_on(&mut message, condition);
        }
    }
    let generation = view::at(object, &["metadata", "generation"]);
    let seen_by_ready = ready.and_then(|ready| view::get(ready.0, "observedGeneration"));
    let stale = generation.is_some()
        && [view::at(object, OBSERVED), seen_by_ready]
            .into_iter()
            .any(|observed| observed.is_some() && observed != generation);
    if stale {
        return Verdict::fixed(
            Progressing,
            "Waiting for LLMInferenceService reconciliation (generation mismatch)",
        );
    }
    if stopped {
        return Verdict::fixed(Suspended, "LLMInferenceService is Stopped");
    }
    let status = match ready.map(Condition::status) {
        Some("True") => {
            return Text("LLMInferenceService is healthy.").verdict(Healthy, object, ready);
        }
        Some("False") => Degraded,
        _ => Progressing,
    };
    let told = ready.map_or("", Condition::message_text);
    let mut verdict = Text(WAITING).verdict(status, object, ready);
    if !message.is_empty() {
        verdict.message = message.into();
    } else if !told.is_empty() {
        verdict.message = told.into();
    }
    verdict
}
