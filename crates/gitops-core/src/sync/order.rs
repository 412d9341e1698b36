use std::collections::{BTreeMap, HashMap};

use gitops_manifest::{Object, Value};

use super::{SyncPhase, Task};

/// The kinds that come first, in the order in which Helm installs them. All others come after them.
const KINDS: [&str; 35] = [
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

fn rank(kind: &str) -> usize {
    KINDS
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(KINDS.len())
}

/// Sorts by phase, wave, kind and name; then moves namespaces, and after them definitions of kinds, directly
/// before the first task that needs them, whose phase and wave they take over.
pub fn sort_tasks(tasks: &mut Vec<Task>) {
    sort_tasks_of(tasks, "");
}

/// Sorts tasks as [`sort_tasks`] does. Objects without a namespace, those of the cluster among them, need the given one.
pub(super) fn sort_tasks_of(tasks: &mut Vec<Task>, destination: &str) {
    tasks.sort_by_cached_key(|task| {
        (
            task.phase,
            task.wave,
            rank(task.object().kind()),
            task.object().name().to_owned(),
        )
    });
    hoist(
        tasks,
        |object| {
            let is_namespace = object.kind() == "Namespace" && object.group().is_empty();
            is_namespace.then(|| object.name().to_owned())
        },
        |object| {
            let of_its_own = Some(object.namespace()).filter(|namespace| !namespace.is_empty());
            let namespace = of_its_own.unwrap_or(destination);
            (!namespace.is_empty()).then(|| namespace.to_owned())
        },
    );
    hoist(tasks, defined_kind, |object| {
        Some(format!("{}/{}", object.group(), object.kind()))
    });
}

/// Returns `group/kind` of what a `CustomResourceDefinition` defines.
pub(super) fn defined_kind(object: &Object) -> Option<String> {
    if object.kind() != "CustomResourceDefinition" || object.group() != "apiextensions.k8s.io" {
        return None;
    }
    let group = object.at(&["spec", "group"]).and_then(Value::as_str)?;
    let kind = object
        .at(&["spec", "names", "kind"])
        .and_then(Value::as_str)?;
    Some(format!("{group}/{kind}"))
}

/// Moves tasks that others need before the first of those. Only what is desired takes part.
fn hoist(
    tasks: &mut Vec<Task>,
    provides: impl Fn(&Object) -> Option<String>,
    needs: impl Fn(&Object) -> Option<String>,
) {
    let mut first_use: HashMap<String, usize> = HashMap::new();
    // Providers by the position before which they go.
    let mut moved: BTreeMap<usize, Vec<Task>> = BTreeMap::new();
    let mut kept: Vec<Task> = Vec::with_capacity(tasks.len());
    for mut task in std::mem::take(tasks) {
        let Some(desired) = &task.desired else {
            kept.push(task);
            continue;
        };
        if let Some(key) = provides(desired) {
            match first_use.get(&key) {
                Some(&position) => {
                    task.phase = kept[position].phase;
                    task.wave = kept[position].wave;
                    moved.entry(position).or_default().push(task);
                }
                None => kept.push(task),
            }
        } else {
            if let Some(key) = needs(desired) {
                first_use.entry(key).or_insert(kept.len());
            }
            kept.push(task);
        }
    }
    for (position, task) in kept.into_iter().enumerate() {
        tasks.extend(moved.remove(&position).into_iter().flatten());
        tasks.push(task);
    }
}

/// Mirrors the waves of tasks that prune: what was applied first is deleted last.
pub(super) fn mirror_prune_waves(tasks: &mut [Task]) {
    let mut waves: Vec<i64> = tasks
        .iter()
        .filter(|t| t.is_prune())
        .map(|t| t.wave)
        .collect();
    waves.sort_unstable();
    waves.dedup();
    for task in tasks.iter_mut().filter(|task| task.is_prune()) {
        if let Ok(i) = waves.binary_search(&task.wave) {
            task.wave = waves[waves.len() - 1 - i];
        }
    }
}

/// Puts tasks that prune, where they ask for it, behind all waves.
pub(super) fn prune_last(tasks: &mut [Task], asks: impl Fn(&Task) -> bool) {
    let last = tasks
        .iter()
        .filter(|t| t.phase == SyncPhase::Sync)
        .map(|t| t.wave)
        .max();
    let wave = last.unwrap_or(0).max(0).saturating_add(1);
    for task in tasks
        .iter_mut()
        .filter(|task| task.is_prune() && asks(task))
    {
        task.wave = wave;
    }
}
