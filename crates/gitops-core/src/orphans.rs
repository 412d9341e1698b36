//! Objects of an application's namespace that belong to no application.

use std::collections::HashSet;

use gitops_manifest::{Object, ObjectKey};

use crate::LiveState;
use crate::application::{OrphanKey, OrphanedResources};
use crate::glob::{Syntax, matches};
use crate::tracking::Tracking;

/// What the search for orphans rests on.
pub struct Search<'a> {
    /// The destination namespace of the application.
    pub namespace: &'a str,
    /// The objects that are its own.
    pub managed: &'a HashSet<ObjectKey>,
    /// How objects are tracked.
    pub tracking: &'a Tracking,
    /// What the project says of orphans.
    pub rules: &'a OrphanedResources,
    /// Whether there is an application under the name that an object is tracked by.
    pub exists: &'a dyn Fn(&str) -> bool,
    /// Whether the project permits an object.
    pub permits: &'a dyn Fn(&Object) -> bool,
}

/// Finds the objects of a namespace that have no owner and that no application that exists brings, in order of key. Left out
/// are those that each namespace has of itself, those that the project ignores, and those that it does not permit.
#[must_use]
pub fn find(live: &LiveState, search: &Search<'_>) -> Vec<ObjectKey> {
    live.unowned_in(search.namespace)
        .filter(|object| is_orphan(object, search))
        .map(Object::key)
        .collect()
}

fn is_orphan(object: &Object, search: &Search<'_>) -> bool {
    let key = object.key();
    let tracked = search
        .tracking
        .owner(object)
        .is_some_and(|owner| (search.exists)(&owner));
    !search.managed.contains(&key)
        && !tracked
        && !comes_of_itself(&key)
        && !search.rules.ignore.iter().any(|rule| ignores(rule, &key))
        && (search.permits)(object)
}

/// Whether Kubernetes makes the object in each namespace, or in the first one.
fn comes_of_itself(key: &ObjectKey) -> bool {
    let ObjectKey {
        group, kind, name, ..
    } = key;
    group.is_empty()
        && matches!(
            (&**kind, &**name),
            ("Service", "kubernetes")
                | ("ServiceAccount", "default")
                | ("ConfigMap", "kube-root-ca.crt")
        )
}

fn ignores(rule: &OrphanKey, key: &ObjectKey) -> bool {
    let any_or =
        |pattern: &str, name: &str| pattern.is_empty() || matches(pattern, name, Syntax::Any);
    matches(&rule.group, &key.group, Syntax::Any)
        && any_or(&rule.kind, &key.kind)
        && any_or(&rule.name, &key.name)
}
