//! API services, as in Argo CD 3.6.

use gitops_manifest::Object;

use crate::rules::typed::{Decoded, Fields};
use crate::{HealthStatus, Verdict, time};

pub(super) fn api_service(object: &Object) -> Decoded<Verdict> {
    let conditions = Fields::of(object, "status")?.list("conditions")?;
    let Some(available) = conditions.first_with("type", "Available")? else {
        return Ok(Verdict::fixed(
            HealthStatus::Progressing,
            "Waiting to be processed",
        ));
    };
    let status = if available.text("status")? == "True" {
        HealthStatus::Healthy
    } else {
        HealthStatus::Progressing
    };
    let (reason, message) = (available.text("reason")?, available.text("message")?);
    Ok(Verdict::new(status, format!("{reason}: {message}"))
        .because(reason)
        .since(time::parse(available.text("lastTransitionTime")?)))
}
