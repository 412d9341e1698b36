//! Services and ingresses, as in Argo CD 3.6.

use gitops_manifest::Object;

use crate::rules::typed::{Decoded, Fields};
use crate::{HealthStatus, Verdict};

fn has_address(object: &Object) -> Decoded<bool> {
    let addresses = Fields::of(object, "status")?
        .fields("loadBalancer")?
        .list("ingress")?;
    Ok(!addresses.is_empty())
}

const fn healthy_if(holds: bool) -> Verdict {
    if holds {
        Verdict::fixed(HealthStatus::Healthy, "")
    } else {
        Verdict::fixed(HealthStatus::Progressing, "")
    }
}

pub(super) fn service(object: &Object) -> Decoded<Verdict> {
    let balanced = Fields::of(object, "spec")?.text("type")? == "LoadBalancer";
    Ok(healthy_if(!balanced || has_address(object)?))
}

pub(super) fn ingress(object: &Object) -> Decoded<Verdict> {
    Ok(healthy_if(has_address(object)?))
}
