//! What is at the root of an object's health.

use gitops_health::{Context, HealthStatus, assess};
use gitops_manifest::Object;

use crate::live::owners;

/// Returns what is wrong with the deepest object below `root` that is not well: the pod under the replica set
/// under the deployment. `family` is the object with everything that it owns.
#[must_use]
pub(crate) fn root_cause(root: &Object, family: &[Object]) -> Option<String> {
    let context = Context::new();
    let worst = family
        .iter()
        .filter(|object| object.uid() != root.uid())
        .filter_map(|object| Some((object, assess(object, &context)?)))
        .filter(|(_, health)| {
            !health.status.is_healthy() && health.status != HealthStatus::Suspended
        })
        .max_by_key(|(object, health)| (health.status, depth(object, family)));
    worst.map(|(object, health)| format!("{}/{} is {health}", object.kind(), object.name()))
}

/// Counts the owners above an object within its family.
fn depth(object: &Object, family: &[Object]) -> usize {
    let mut depth = 0;
    let mut current = object;
    while depth < 8 {
        let owner = owners(current).find_map(|uid| family.iter().find(|o| o.uid() == uid));
        let Some(owner) = owner else { break };
        current = owner;
        depth += 1;
    }
    depth
}
