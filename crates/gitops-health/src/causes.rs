use std::collections::HashMap;

use gitops_manifest::{Object, ObjectKey, Value};

use crate::{Assessment, Cause, Context, HealthStatus, assess, view};

/// How many owners there may be between an application's object and the root of its trouble.
const MAX_DEPTH: usize = 16;

/// Objects of a cluster, and who owns whom: what it takes to find the root of trouble.
///
/// Owner references are followed by UID, or by kind and name where a reference or an object has none. The set
/// is built once in the time of its size, and asked as often as there are objects in trouble.
///
/// ```
/// use gitops_health::{Context, Family, HealthStatus};
/// use gitops_manifest::Object;
///
/// let objects: Vec<Object> = [
///     serde_json::json!({
///         "apiVersion": "apps/v1", "kind": "Deployment",
///         "metadata": {"name": "web", "namespace": "shop", "uid": "d", "generation": 1},
///         "spec": {"replicas": 1}, "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1},
///     }),
///     serde_json::json!({
///         "apiVersion": "apps/v1", "kind": "ReplicaSet",
///         "metadata": {"name": "web-1", "namespace": "shop", "uid": "r",
///                      "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "d"}]},
///         "spec": {"replicas": 1}, "status": {},
///     }),
///     serde_json::json!({
///         "apiVersion": "v1", "kind": "Pod",
///         "metadata": {"name": "web-1-x", "namespace": "shop", "uid": "p",
///                      "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "r"}]},
///         "spec": {"restartPolicy": "Always"},
///         "status": {"phase": "Pending", "containerStatuses": [
///             {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}},
///         ]},
///     }),
/// ].into_iter().map(Object::try_from).collect::<Result<_, _>>()?;
///
/// let family = Family::new(&objects);
/// let health = family.assess(&objects[0], &Context::new()).expect("deployments have health");
/// assert_eq!(health.status, HealthStatus::Progressing);
/// let cause = health.cause.expect("its pod tells");
/// assert_eq!(cause.to_string(), "Pod/shop/web-1-x (app): ImagePullBackOff: no such image");
/// # Ok::<(), gitops_manifest::ObjectError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Family<'a> {
    objects: Vec<&'a Object>,
    /// For each object the places of those that it owns, in the order of the set.
    owned: Vec<Vec<usize>>,
    places: HashMap<ObjectKey, usize>,
}

impl<'a> Family<'a> {
    /// Makes a family of objects. The order tells which of several causes is named.
    #[must_use]
    pub fn new(objects: impl IntoIterator<Item = &'a Object>) -> Self {
        let objects: Vec<&Object> = objects.into_iter().collect();
        let mut by_uid: HashMap<&str, usize> = HashMap::new();
        let mut places = HashMap::with_capacity(objects.len());
        for (i, object) in objects.iter().enumerate() {
            places.entry(object.key()).or_insert(i);
            if !object.uid().is_empty() {
                by_uid.entry(object.uid()).or_insert(i);
            }
        }
        let mut owned = vec![Vec::new(); objects.len()];
        for (i, object) in objects.iter().enumerate() {
            for reference in view::list(object.meta("ownerReferences")) {
                let uid = view::text_of(reference, "uid");
                let by_uid = (!uid.is_empty()).then(|| by_uid.get(uid)).flatten();
                let owner = by_uid.copied().or_else(|| {
                    let owner = *places.get(&named(reference, object))?;
                    // A namesake that was made anew is another object.
                    let known = !uid.is_empty() && !objects[owner].uid().is_empty();
                    (!known).then_some(owner)
                });
                if let Some(owner) = owner
                    && owner != i
                {
                    owned[owner].push(i);
                }
            }
        }
        Self {
            objects,
            owned,
            places,
        }
    }

    /// Tells how an object is doing as [`assess`] does, with the cause found among the objects that it owns,
    /// directly or not. The object need not be in the family itself, only its key.
    #[must_use]
    pub fn assess(&self, object: &Object, context: &Context<'_>) -> Option<Assessment> {
        let mut health = assess(object, context)?;
        self.explain(object, &mut health, context);
        Some(health)
    }

    /// Puts the cause into an assessment: that of the worst object below, the deepest of those that tell one.
    pub fn explain(&self, object: &Object, health: &mut Assessment, context: &Context<'_>) {
        if health.status.is_healthy() || health.status == HealthStatus::Suspended {
            return;
        }
        let Some(&place) = self.places.get(&object.key()) else {
            return;
        };
        if let Some((_, cause)) = self.worst_below(place, context) {
            health.cause = Some(Box::new(cause));
        }
    }

    /// Searches the owned objects, level by level; of causes equally bad the deepest counts, then the first.
    fn worst_below(&self, root: usize, context: &Context<'_>) -> Option<(HealthStatus, Cause)> {
        let mut worst: Option<(HealthStatus, Cause)> = None;
        let mut seen = vec![false; self.objects.len()];
        seen[root] = true;
        let mut level = vec![root];
        for _ in 0..MAX_DEPTH {
            let mut below = Vec::new();
            for owner in level {
                for &place in &self.owned[owner] {
                    if !std::mem::replace(&mut seen[place], true) {
                        below.push(place);
                    }
                }
            }
            if below.is_empty() {
                break;
            }
            let mut worst_here: Option<(HealthStatus, Cause)> = None;
            for &place in &below {
                let found = told_by(self.objects[place], context);
                let beats = |best: &Option<(HealthStatus, Cause)>, status| {
                    best.as_ref().is_none_or(|(worst, _)| status > *worst)
                };
                if let Some((status, cause)) = found
                    && beats(&worst_here, status)
                {
                    worst_here = Some((status, cause));
                }
            }
            if let Some((status, cause)) = worst_here
                && worst.as_ref().is_none_or(|(worst, _)| status >= *worst)
            {
                worst = Some((status, cause));
            }
            level = below;
        }
        worst
    }
}

/// Returns the key of the owner that a reference names: in the namespace of the owned object, where it has one.
fn named(reference: &Value, owned: &Object) -> ObjectKey {
    let api_version = view::text_of(reference, "apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    ObjectKey::new(
        group,
        view::text_of(reference, "kind"),
        owned.namespace(),
        view::text_of(reference, "name"),
    )
}

/// Returns what an object tells of its own trouble, if it is in any.
fn told_by(object: &Object, context: &Context<'_>) -> Option<(HealthStatus, Cause)> {
    let health = assess(object, context)?;
    if health.status.is_healthy() || health.status == HealthStatus::Suspended {
        return None;
    }
    let status = health.status;
    let cause = health.cause.map_or_else(
        || Cause {
            object: object.key(),
            part: Default::default(),
            reason: Default::default(),
            message: health.message,
        },
        |cause| *cause,
    );
    // That a pod is on its way, without a word of why, explains nothing.
    (!cause.reason.is_empty() || !cause.message.is_empty()).then_some((status, cause))
}
