//! Jobs, as in Argo CD 3.6.

use gitops_manifest::{Object, Str};

use crate::rules::typed::{Decoded, Fields};
use crate::{HealthStatus, Verdict, time};

pub(super) fn job(object: &Object) -> Decoded<Verdict> {
    let conditions = Fields::of(object, "status")?.list("conditions")?;
    let (mut failed, mut suspended, mut ended) = (None, false, None);
    for condition in conditions.iter() {
        let condition = condition?;
        // That a condition is there counts, not its status; only Suspended is asked for it.
        match condition.text("type")? {
            "Failed" => failed = Some(condition),
            "Complete" => ended = Some(condition),
            "Suspended" => {
                suspended |= condition.text("status")? == "True";
                ended = Some(condition);
            }
            _ => {}
        }
    }
    let of = |status, condition: Fields<'_>| -> Decoded<Verdict> {
        let text =
            |key| -> Decoded<Str> { Ok(condition.shared(key)?.cloned().unwrap_or_default()) };
        Ok(Verdict::new(status, text("message")?)
            .because(text("reason")?)
            .since(time::parse(condition.text("lastTransitionTime")?)))
    };
    match (failed, ended) {
        (Some(failed), _) => of(HealthStatus::Degraded, failed),
        (None, Some(ended)) if suspended => of(HealthStatus::Suspended, ended),
        (None, Some(ended)) => of(HealthStatus::Healthy, ended),
        (None, None) => Ok(Verdict::fixed(HealthStatus::Progressing, "")),
    }
}
