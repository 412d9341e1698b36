//! Flux: its conditions are counted, as many as a kind sets when it is through.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    code("helm.toolkit.fluxcd.io", "HelmRelease", |object| {
        count(
            object,
            &Count {
                also: &["Released", "TestSuccess"],
                enough: 2,
                ..COMMON
            },
        )
    }),
    code("image.toolkit.fluxcd.io", "ImagePolicy", |object| {
        let reconciling = Some(&["NewGeneration", "AccessingRepository", "ApplyingPolicy"][..]);
        count(
            object,
            &Count {
                pending: "False",
                reconciling,
                suspends: false,
                ..COMMON
            },
        )
    }),
    code("image.toolkit.fluxcd.io", "ImageRepository", |object| {
        let reconciling = Some(&["NewGeneration", "Scanning"][..]);
        count(
            object,
            &Count {
                pending: "False",
                reconciling,
                ..COMMON
            },
        )
    }),
    code(
        "image.toolkit.fluxcd.io",
        "ImageUpdateAutomation",
        |object| count(object, &COMMON),
    ),
    code("kustomize.toolkit.fluxcd.io", "Kustomization", |object| {
        count(object, &COMMON)
    }),
    code("notification.toolkit.fluxcd.io", "Receiver", |object| {
        count(
            object,
            &Count {
                pending: "False",
                while_pending: Degraded,
                ..COMMON
            },
        )
    }),
    code("source.toolkit.fluxcd.io", "Bucket", source),
    code("source.toolkit.fluxcd.io", "GitRepository", source),
    code("source.toolkit.fluxcd.io", "HelmChart", source),
    code("source.toolkit.fluxcd.io", "HelmRepository", |object| {
        if !is_suspended(object) && view::text_or_empty(object, &["spec", "type"]) == "oci" {
            return Verdict::fixed(
                Healthy,
                "Helm repositories of type 'oci' do not contain any information in the status.",
            );
        }
        source(object)
    }),
    code("source.toolkit.fluxcd.io", "OCIRepository", source),
];

/// How the conditions of a kind are counted.
struct Count {
    /// Whether the kind can be suspended.
    suspends: bool,
    /// The status of `Ready` while work goes on.
    pending: &'static str,
    /// The reasons for which `Reconciling` counts; all where none are named.
    reconciling: Option<&'static [&'static str]>,
    /// Conditions that count like `Ready` when they are true.
    also: &'static [&'static str],
    /// How many conditions must be true.
    enough: usize,
    /// The health while work goes on.
    while_pending: HealthStatus,
}

const COMMON: Count = Count {
    suspends: true,
    pending: "Unknown",
    reconciling: None,
    also: &[],
    enough: 1,
    while_pending: Progressing,
};

fn source(object: &Object) -> Verdict {
    count(
        object,
        &Count {
            also: &["ArtifactInStorage"],
            enough: 2,
            ..COMMON
        },
    )
}

fn is_suspended(object: &Object) -> bool {
    IsTrue(&["spec", "suspend"]).holds(object)
}

fn count(object: &Object, kind: &Count) -> Verdict {
    if kind.suspends && is_suspended(object) {
        return Verdict::new(Suspended, format!("{} is suspended", object.kind()));
    }
    if view::at(object, &["status", "conditions"]).is_none() {
        return Verdict::fixed(Progressing, "Status unknown");
    }
    let (mut pending, mut well) = (0, 0);
    let mut message = Str::default();
    let mut ready = None;
    for condition in view::conditions(object) {
        match condition.kind() {
            "Ready" => {
                well += usize::from(condition.is_true());
                pending += usize::from(condition.status() == kind.pending);
                message = condition.reason().cloned().unwrap_or_default();
                ready = Some(condition);
            }
            "Reconciling" if condition.is_true() => {
                let counts = kind
                    .reconciling
                    .is_none_or(|reasons| reasons.contains(&condition.reason_text()));
                pending += usize::from(counts);
            }
            "ArtifactOutdated"
                if condition.is_true() && kind.also.contains(&"ArtifactInStorage") =>
            {
                message = format!("{message} {}", condition.reason_text()).into();
            }
            other if kind.also.contains(&other) => well += usize::from(condition.is_true()),
            _ => {}
        }
    }
    let status = if pending == 2 {
        kind.while_pending
    } else if well == kind.enough {
        Healthy
    } else {
        Degraded
    };
    let verdict = Verdict::new(status, message);
    match ready {
        Some(ready) => verdict.because(ready.reason_text()).since(ready.since()),
        None => verdict,
    }
}
