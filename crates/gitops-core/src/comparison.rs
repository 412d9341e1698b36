//! What is desired against what is there, for one application.

use std::collections::{BTreeMap, HashMap};

use gitops_health::{Assessment, Context, HealthStatus, Part, aggregate, assess};
use gitops_manifest::{GroupKind, GroupVersionKind, Object, ObjectKey, Str};

use crate::application::{AppProject, HealthState, ResourceStatus, SyncStatusCode};
use crate::compat::Compat;
use crate::diffing::Differ;
use crate::live::LiveState;
use crate::project::{Cluster, permits_kind};
use crate::sync::{Hooks, Pair, SyncInput, SyncSettings, is_namespace, wave_of};
use crate::tracking::{TRACKING_ID, Tracking, TrackingId};
use crate::{Discovery, Timestamp};

/// The annotation by which applications and objects say how they are compared.
pub(crate) const COMPARE_OPTIONS: &str = "argocd.argoproj.io/compare-options";

/// The desired objects of an application, made ready to be compared.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The objects, each key once; hooks included.
    pub objects: Vec<Object>,
    /// What users should know: conditions by type and message.
    pub warnings: Vec<(&'static str, String)>,
}

/// Makes rendered objects ready: gives those of namespaced kinds a namespace and takes it from the others,
/// lets the last of several with one key win, and notes whom they belong to.
#[must_use]
pub fn prepare(
    rendered: &[Object],
    application: &str,
    namespace: &str,
    discovery: &Discovery,
    tracking: &Tracking,
) -> Desired {
    let mut warnings = Vec::new();
    let mut objects: Vec<Object> = Vec::with_capacity(rendered.len());
    let mut positions: HashMap<ObjectKey, (usize, usize)> = HashMap::with_capacity(rendered.len());
    for object in rendered {
        let mut object = object.clone();
        // A kind that is not known is taken for one that lives in a namespace.
        let namespaced = discovery
            .preferred(&object.group_kind())
            .is_none_or(|kind| kind.namespaced);
        if !namespaced && !object.namespace().is_empty() {
            object.metadata_mut().remove("namespace");
        } else if namespaced && object.namespace().is_empty() && !namespace.is_empty() {
            object.set_namespace(namespace);
        }
        // Objects whose name is made by the server are told apart by their place.
        if object.name().is_empty() {
            tracking.track(&mut object, application, namespace);
            objects.push(object);
            continue;
        }
        let key = object.key();
        tracking.track(&mut object, application, namespace);
        match positions.get_mut(&key) {
            Some((position, count)) => {
                objects[*position] = object;
                *count += 1;
            }
            None => {
                positions.insert(key, (objects.len(), 1));
                objects.push(object);
            }
        }
    }
    let mut repeated: Vec<(&ObjectKey, usize)> = positions
        .iter()
        .filter(|(_, (_, n))| *n > 1)
        .map(|(key, (_, n))| (key, *n))
        .collect();
    repeated.sort();
    for (key, count) in repeated {
        let ObjectKey {
            group,
            kind,
            namespace,
            name,
        } = key;
        warnings.push((
            "RepeatedResourceWarning",
            format!(
                "Resource {group}/{kind}/{namespace}/{name} appeared {count} times among application \
                 resources."
            ),
        ));
    }
    Desired { objects, warnings }
}

/// One object of an application, compared.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Compared {
    /// The object.
    pub key: ObjectKey,
    /// Its group, version and kind.
    pub gvk: GroupVersionKind,
    /// What is wanted.
    pub desired: Option<Object>,
    /// What is there.
    pub live: Option<Object>,
    /// Whether the two are the same; `None` for hooks and what does not count.
    pub status: Option<SyncStatusCode>,
    /// Its health; `None` where it has none.
    pub health: Option<Assessment>,
    /// Whether it is a hook.
    pub hook: bool,
    /// Whether it is gone from the source and ours to delete.
    pub requires_pruning: bool,
    /// Why it could not be compared.
    pub error: Option<String>,
    /// The rule of the project that refuses it.
    pub denial: Option<String>,
    /// Whether somebody must agree before the object is deleted or pruned.
    pub requires_confirmation: bool,
    /// Whether the object takes no part in the application's health.
    pub without_health: bool,
    /// Whether it is no part of the application where health is concerned.
    excluded: bool,
    /// Whether being extraneous leaves the application in sync.
    ignore_extraneous: bool,
    /// Whether it is a hook that is desired.
    is_hook_desired: bool,
    /// Whether it is a hook that exists and is its own, not a copy.
    is_live_hook: bool,
    /// Whether objects of its kind are not known: it may be there or not, and as it was or not.
    unlisted: bool,
}

impl Compared {
    /// Returns the object as an application's status shows it.
    #[must_use]
    pub fn to_wire(&self) -> ResourceStatus {
        // A hook that is made at the deletion alone, or never, is not desired now.
        let desired = self.desired.as_ref().filter(|desired| {
            let hooks = Hooks::of(desired);
            !hooks.is_delete_only() && !hooks.is_ignored()
        });
        let health = match (&self.health, &self.live) {
            _ if self.without_health => None,
            (Some(health), _) => Some(HealthState {
                status: health.status.to_string(),
                message: health.message.to_string(),
                last_transition_time: None,
            }),
            (None, None) => Some(HealthState {
                status: HealthStatus::Missing.to_string(),
                ..HealthState::default()
            }),
            (None, Some(_)) => None,
        };
        ResourceStatus {
            group: self.key.group.to_string(),
            version: self.gvk.version.to_string(),
            kind: self.key.kind.to_string(),
            namespace: self.key.namespace.to_string(),
            name: self.key.name.to_string(),
            status: self.status,
            health,
            hook: self.hook,
            // A live hook counts as one that would go, though no sync prunes it.
            requires_pruning: self.requires_pruning || self.is_live_hook,
            sync_wave: desired.map_or(0, wave_of),
            requires_deletion_confirmation: self.requires_confirmation,
        }
    }

    /// Whether the object is shown among those of the application. A hook that does not exist is not.
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        !self.is_hook_desired || self.live.is_some()
    }
}

/// An application, compared.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// Its objects, in order of key, desired ones first.
    pub resources: Vec<Compared>,
    /// Whether it is in sync.
    pub status: SyncStatusCode,
    /// How it is doing.
    pub health: Assessment,
    /// What users should know: conditions by type and message.
    pub conditions: Vec<(&'static str, String)>,
    /// The kinds of its objects that could not be listed, each with the reason. What is known of them may be out of date:
    /// their objects are Unknown, and no sync begins or goes on.
    pub unlisted: BTreeMap<GroupKind, String>,
}

impl Comparison {
    /// Returns the health of an application of which not everything is known.
    pub(crate) fn unknown_health(&self) -> Option<Assessment> {
        let (kind, reason) = self.unlisted.first_key_value()?;
        Some(Assessment::new(
            HealthStatus::Unknown,
            not_known(kind, reason),
        ))
    }

    /// Counts the objects that are out of sync.
    #[must_use]
    pub fn out_of_sync(&self) -> usize {
        self.resources
            .iter()
            .filter(|r| r.status == Some(SyncStatusCode::OutOfSync))
            .count()
    }

    /// Makes the input of a sync of these objects.
    #[must_use]
    pub fn to_input(&self, settings: SyncSettings, namespace: Option<Object>) -> SyncInput {
        let mut input = SyncInput {
            settings,
            namespace,
            ..SyncInput::default()
        };
        for resource in &self.resources {
            let hooks = resource.desired.as_ref().map(Hooks::of);
            match (&resource.desired, hooks) {
                (Some(desired), Some(hooks)) if hooks.is_hook => {
                    if !hooks.is_delete_only() {
                        input.hooks.push((desired.clone(), resource.live.clone()));
                    }
                }
                // What is there, is not wanted and is not known to be ours to delete stays. A hook goes along, as the desired
                // one may get its name only in the sync; no hook is pruned.
                (None, _) if !resource.requires_pruning && !resource.hook => {}
                _ => input.pairs.push(Pair {
                    desired: resource.desired.clone(),
                    live: resource.live.clone(),
                    out_of_sync: resource.status == Some(SyncStatusCode::OutOfSync),
                }),
            }
        }
        input
    }
}

/// What a comparison rests on.
#[derive(Clone, Copy)]
pub struct Basis<'a> {
    /// The name under which objects are tracked.
    pub application: &'a str,
    /// The name under which people know the application, as `namespace/name`.
    pub shown: &'a str,
    /// The application's own object, which does not count among its parts.
    pub itself: Option<&'a ObjectKey>,
    /// The namespace of the destination.
    pub namespace: &'a str,
    /// The cluster of the destination.
    pub cluster: &'a Cluster,
    /// The project.
    pub project: &'a AppProject,
    /// The kinds that the cluster serves.
    pub discovery: &'a Discovery,
    /// How objects are tracked.
    pub tracking: &'a Tracking,
    /// How two objects are compared.
    pub differ: &'a Differ,
    /// The clusters that are registered for the project.
    pub registered: &'a [Cluster],
    /// Whether the metadata that the destination namespace is to have is other than what was applied last; `None` where
    /// the application says nothing of it.
    pub namespace_metadata: Option<bool>,
    /// What the health of objects depends on.
    pub health: Context<'a>,
    /// Which quirks of Argo CD are wanted.
    pub compat: Compat,
    /// The time.
    pub now: Timestamp,
}

/// Whether an annotation of options, separated by commas, has exactly this one.
pub(crate) fn has_option(annotation: Option<&str>, wanted: &str) -> bool {
    let mut options = annotation.unwrap_or_default().split(',');
    options.any(|option| option.trim() == wanted)
}

/// Compares what is desired with what is there.
#[must_use]
pub fn compare(desired: &[Object], live: &LiveState, basis: &Basis<'_>) -> Comparison {
    let mut conditions = Vec::new();
    let mut left: BTreeMap<ObjectKey, &Object> = live
        .tracked(basis.application)
        .map(|object| (object.key(), object))
        .collect();
    let mut resources = Vec::with_capacity(desired.len());
    for object in desired {
        let key = object.key();
        left.remove(&key);
        let live = live.get(&key).filter(|live| {
            !basis.compat.hides_what_is_not_permitted || permitted(live, basis).is_ok()
        });
        if let Some(owner) = live.and_then(|live| basis.tracking.owner(live))
            && owner != basis.application
        {
            conditions.push((
                "SharedResourceWarning",
                format!(
                    "{}/{} is part of applications {} and {owner}",
                    key.kind, key.name, basis.shown
                ),
            ));
        }
        resources.push(compare_one(key, Some(object), live, basis));
    }
    // One object may be served under two groups: where its UID is accounted for, it is not extraneous.
    let known: std::collections::HashSet<&str> = resources
        .iter()
        .filter_map(|r| Some(r.live.as_ref()?.uid()))
        .collect();
    left.retain(|_, object| object.uid().is_empty() || !known.contains(object.uid()));
    for (key, object) in left {
        if permitted(object, basis).is_err() {
            // What the project does not permit is not ours to see.
            continue;
        }
        resources.push(compare_one(key, None, Some(object), basis));
    }
    let unlisted = mark_unlisted(&mut resources, live);
    for (kind, reason) in &unlisted {
        conditions.push(("ComparisonError", not_known(kind, reason)));
    }
    for resource in &resources {
        if let Some(error) = &resource.error {
            conditions.push(("ComparisonError", format!("{}: {error}", resource.key)));
        }
        if let Some(denial) = &resource.denial
            && !basis.compat.hides_what_is_not_permitted
        {
            conditions.push(("InvalidSpecError", format!("{}: {denial}", resource.key)));
        }
    }
    let counts = |resource: &&Compared| {
        !(resource.requires_pruning && resource.ignore_extraneous)
            && resource.status == Some(SyncStatusCode::OutOfSync)
            || basis.compat.hides_what_is_not_permitted
                && resource.denial.is_some()
                && !resource.excluded
    };
    let status = if !unlisted.is_empty() || resources.iter().any(|r| r.error.is_some()) {
        SyncStatusCode::Unknown
    } else if resources.iter().any(|r| counts(&r)) || basis.namespace_metadata == Some(true) {
        SyncStatusCode::OutOfSync
    } else if !basis.compat.hides_what_is_not_permitted
        && resources.iter().any(|r| r.denial.is_some())
    {
        // What may not be applied is not in sync, whatever the rest is.
        SyncStatusCode::Unknown
    } else {
        SyncStatusCode::Synced
    };
    let health = health_of(&resources, basis);
    let mut comparison = Comparison {
        resources,
        status,
        health,
        conditions,
        unlisted,
    };
    if let Some(unknown) = comparison.unknown_health() {
        comparison.health = unknown;
    }
    comparison
}

fn not_known(kind: &GroupKind, reason: &str) -> String {
    format!("objects of kind {kind} are not known: {reason}")
}

/// Makes Unknown what is of a kind that could not be listed, and returns those kinds.
fn mark_unlisted(resources: &mut [Compared], live: &LiveState) -> BTreeMap<GroupKind, String> {
    let mut unlisted = BTreeMap::new();
    if live.knows_all() {
        return unlisted;
    }
    for resource in resources {
        let kind = resource.key.group_kind();
        let Some(reason) = live.unlisted(&kind) else {
            continue;
        };
        resource.unlisted = true;
        resource.requires_pruning = false;
        if resource.status.is_some() {
            resource.status = Some(SyncStatusCode::Unknown);
        }
        unlisted.entry(kind).or_insert_with(|| reason.to_owned());
    }
    unlisted
}

/// Puts the health of an application together from that of its compared objects.
#[must_use]
pub fn health_of(resources: &[Compared], basis: &Basis<'_>) -> Assessment {
    summarize(resources, basis.itself, basis.compat)
}

/// Puts the health of an application together, `itself` aside.
pub(crate) fn summarize(
    resources: &[Compared],
    itself: Option<&ObjectKey>,
    compat: Compat,
) -> Assessment {
    let parts = resources.iter().map(|resource| {
        let part = match &resource.live {
            Some(live) => Part::live(&resource.key, live, resource.health.as_ref()),
            None => Part::missing(&resource.key),
        };
        part.excluded(resource.excluded)
    });
    let mut health = aggregate(parts, itself);
    if compat.short_health_message {
        health.message = caused_by(resources, health.status).into();
    }
    health
}

fn permitted(object: &Object, basis: &Basis<'_>) -> Result<(), String> {
    let namespaced = !object.namespace().is_empty();
    basis
        .project
        .check_object(object, namespaced, basis.cluster, basis.registered)
        .map_err(|denial| denial.to_string())
}

/// Compares one object; desired or live must be there.
///
/// # Panics
/// Where neither is.
#[must_use]
pub fn compare_one(
    key: ObjectKey,
    desired: Option<&Object>,
    live: Option<&Object>,
    basis: &Basis<'_>,
) -> Compared {
    let object = desired.or(live).expect("a pair is not empty");
    let wanted = desired.map(Hooks::of);
    let found = live.map(Hooks::of);
    let is_hook = |hooks: &Option<Hooks>| {
        hooks
            .as_ref()
            .is_some_and(|hooks| hooks.is_hook || hooks.is_of_deletion())
    };
    let skipped = wanted.as_ref().is_some_and(|hooks| hooks.skip);
    let is_hook_desired = is_hook(&wanted);
    // What a hook was made from tells nothing of the one that is there.
    let of_it = desired.filter(|_| !is_hook_desired);
    let ours = live.is_none_or(|live| basis.tracking.is_self_referenced(live, of_it));
    // What the object is tells the live one, where there is one.
    let hook = match live {
        Some(_) => is_hook(&found),
        None => is_hook_desired,
    };
    let confirm = |object: &Object| {
        crate::sync::has_option(object, "Delete", "confirm")
            || crate::sync::has_option(object, "Prune", "confirm")
    };
    let itself = basis.itself == Some(&key);
    let mut compared = Compared {
        gvk: live.unwrap_or(object).gvk(),
        desired: desired.cloned(),
        live: live.cloned(),
        status: None,
        health: live.and_then(|live| assess(live, &basis.health)),
        hook,
        requires_pruning: false,
        error: None,
        denial: None,
        requires_confirmation: [of_it, live].into_iter().flatten().any(confirm),
        without_health: hook
            || skipped
            || live.is_some_and(|live| itself || gitops_health::ignores_health(live)),
        excluded: hook || skipped || is_hook_desired,
        ignore_extraneous: has_option(object.annotation(COMPARE_OPTIONS), "IgnoreExtraneous"),
        is_hook_desired,
        is_live_hook: live.is_some() && hook && ours && (desired.is_none() || is_hook_desired),
        unlisted: false,
        key,
    };
    let denied = of_it.and_then(|desired| permitted_kind(desired, basis).err());
    let by_kind = |object: &&Object| {
        let (spec, kind) = (&basis.project.spec, object.group_kind());
        let of_namespace = basis
            .discovery
            .preferred(&kind)
            .is_none_or(|kind| kind.namespaced);
        permits_kind(spec, &kind, object.name(), of_namespace).is_err()
    };
    // The destination tells what is to be seen, the kind alone what is Unknown.
    let denied = denied.filter(|_| {
        !basis.compat.hides_what_is_not_permitted || of_it.as_ref().is_some_and(by_kind)
    });
    if basis.compat.hides_what_is_not_permitted && denied.is_some() {
        compared.status = Some(SyncStatusCode::Unknown);
        compared.denial = denied;
        return compared;
    }
    if hook || is_hook_desired || skipped || !ours {
        return compared;
    }
    if desired.is_none() && live.is_some_and(|live| is_managed_namespace(live, basis)) {
        // The namespace that the application gives its metadata is not pruned, though no source brings it.
        return compared;
    }
    if denied.is_some() {
        compared.status = Some(SyncStatusCode::Unknown);
        compared.denial = denied;
        return compared;
    }
    match (desired, live) {
        (Some(_), None) => compared.status = Some(SyncStatusCode::OutOfSync),
        (None, _) => {
            compared.status = Some(SyncStatusCode::OutOfSync);
            compared.requires_pruning = true;
        }
        (Some(desired), Some(live)) => {
            let mut normalized = live.clone();
            basis.tracking.normalize(desired, &mut normalized);
            match basis.differ.differs(desired, &normalized) {
                Ok(differs) => {
                    compared.status = Some(if differs {
                        SyncStatusCode::OutOfSync
                    } else {
                        SyncStatusCode::Synced
                    });
                }
                Err(error) => {
                    compared.status = Some(SyncStatusCode::Unknown);
                    compared.error = Some(error);
                }
            }
        }
    }
    compared
}

/// Whether an object is the destination namespace, and its metadata is the application's.
fn is_managed_namespace(object: &Object, basis: &Basis<'_>) -> bool {
    basis.namespace_metadata.is_some() && is_namespace(object, basis.namespace)
}

/// Names the objects at fault in the words of Argo CD: up to three of them, in their order.
fn caused_by(resources: &[Compared], worst: HealthStatus) -> String {
    let at_fault: Vec<String> = resources
        .iter()
        .filter(|resource| {
            !worst.is_healthy()
                && !resource.without_health
                && resource
                    .live
                    .as_ref()
                    .is_some_and(|live| !gitops_health::ignores_health(live))
                && resource
                    .health
                    .as_ref()
                    .is_some_and(|health| health.status == worst)
        })
        .take(3)
        .map(|resource| {
            let ObjectKey {
                group,
                kind,
                namespace,
                name,
            } = &resource.key;
            let slash = if group.is_empty() { "" } else { "/" };
            format!("{group}{slash}{kind}:{namespace}/{name}")
        })
        .collect();
    if at_fault.is_empty() {
        String::new()
    } else {
        format!("Caused by {}", at_fault.join(", "))
    }
}

fn permitted_kind(object: &Object, basis: &Basis<'_>) -> Result<(), String> {
    match basis.discovery.preferred(&object.group_kind()) {
        Some(kind) => basis
            .project
            .check_object(object, kind.namespaced, basis.cluster, basis.registered)
            .map_err(|denial| denial.to_string()),
        None => Ok(()),
    }
}

/// Reads which application tracks an object by its annotation, whatever the method.
#[must_use]
pub fn tracking_id(object: &Object) -> Option<TrackingId> {
    TrackingId::parse(object.annotation(TRACKING_ID)?)
}

/// Whether a health is good enough to call a revision good.
#[must_use]
pub fn is_good(health: HealthStatus) -> bool {
    matches!(
        health,
        HealthStatus::Healthy | HealthStatus::Suspended | HealthStatus::Unset
    )
}

/// Joins revisions for showing.
#[must_use]
pub fn shown_revision(revisions: &[Str]) -> Str {
    match revisions {
        [one] => one.clone(),
        several => several.join(",").into(),
    }
}

/// Returns the revisions that people are told: `versions` where there are any, else the immutable names themselves.
pub(crate) fn shown_revisions<'a>(revisions: &'a [Str], versions: &'a [Str]) -> &'a [Str] {
    if versions.len() == revisions.len() {
        versions
    } else {
        revisions
    }
}
