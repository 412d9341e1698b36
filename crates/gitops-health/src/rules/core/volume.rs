//! Claims of volumes, as in Argo CD 3.6.

use gitops_manifest::Object;

use crate::rules::typed::{Decoded, Fields};
use crate::{HealthStatus, Verdict};

pub(super) fn claim(object: &Object) -> Decoded<Verdict> {
    let phase = Fields::of(object, "status")?.text("phase")?;
    let status = match phase {
        "Bound" => HealthStatus::Healthy,
        "Pending" => HealthStatus::Progressing,
        "Lost" => HealthStatus::Degraded,
        _ => HealthStatus::Unknown,
    };
    Ok(Verdict::fixed(status, "").because(phase))
}
