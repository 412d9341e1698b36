//! Argo Workflows, which Argo CD knows in its own code.

use gitops_manifest::Object;

use crate::rules::typed::{Decoded, Fields};
use crate::{HealthStatus, Verdict};

pub(super) fn workflow(object: &Object) -> Decoded<Verdict> {
    let status = Fields::of(object, "status")?;
    let phase = status.text("phase")?;
    let health = match phase {
        "" | "Pending" | "Running" => HealthStatus::Progressing,
        "Succeeded" => HealthStatus::Healthy,
        "Failed" | "Error" => HealthStatus::Degraded,
        _ => HealthStatus::Unknown,
    };
    let message = status.shared("message")?.cloned().unwrap_or_default();
    Ok(Verdict::new(health, message).because(phase))
}
