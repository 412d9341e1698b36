//! The order in which resources are written.

use gitops_manifest::Str;
use rustc_hash::FxHashMap;

use crate::id::Id;
use crate::kustomization::SortOptions;
use crate::resource::Resource;
use crate::scope::Scope;

const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

const LAST: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
fn rank(kind: &str, first: &[&str], last: &[&str]) -> i32 {
    if let Some(i) = last.iter().rposition(|k| *k == kind) {
        1 + i as i32
    } else if let Some(i) = first.iter().rposition(|k| *k == kind) {
        i as i32 - first.len() as i32
    } else {
        0
    }
}

/// Returns the rank of a kind in the order that is built in.
pub(crate) fn default_rank(kind: &str) -> i32 {
    rank(kind, &FIRST, &LAST)
}

/// Why resources cannot be sorted as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SortError {
    #[error("`{order}` is no order")]
    Order { order: String },
    #[error("legacySortOptions are set and the order is `fifo`")]
    Options,
}

/// Sorts resources.
pub(crate) fn sort(
    resources: &mut Vec<Resource>,
    options: &SortOptions,
    scope: &Scope,
) -> Result<(), SortError> {
    match options.order.as_str() {
        "fifo" if options.legacy.is_some() => return Err(SortError::Options),
        "fifo" => return Ok(()),
        "legacy" => {}
        other => {
            return Err(SortError::Order {
                order: other.to_owned(),
            });
        }
    }
    let ranks = options.legacy.as_ref().map(|(first, last)| {
        let texts = |kinds: &[Str]| kinds.iter().map(Str::to_string).collect::<Vec<_>>();
        (texts(first), texts(last))
    });
    let mut known: FxHashMap<String, i32> = FxHashMap::default();
    let mut keyed: Vec<(Key, Resource)> = std::mem::take(resources)
        .into_iter()
        .map(|resource| {
            let id = resource.id(scope);
            let rank = match &ranks {
                None => default_rank(id.kind),
                Some((first, last)) => *known.entry(id.kind.to_owned()).or_insert_with(|| {
                    let first: Vec<&str> = first.iter().map(String::as_str).collect();
                    let last: Vec<&str> = last.iter().map(String::as_str).collect();
                    rank(id.kind, &first, &last)
                }),
            };
            (Key::new(rank, &id), resource)
        })
        .collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    resources.extend(keyed.into_iter().map(|(_, resource)| resource));
    Ok(())
}

/// What resources are sorted by. Group, version and kind compare as one text, as kustomize compares them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    rank: i32,
    /// The namespace of the core group comes before those of others.
    other_namespace: bool,
    gvk: String,
    id: String,
}

impl Key {
    fn new(rank: i32, id: &Id<'_>) -> Self {
        let part = |text: &str, absent: &'static str| -> String {
            if text.is_empty() { absent } else { text }.to_owned()
        };
        Self {
            rank,
            other_namespace: id.kind == "Namespace" && !id.group.is_empty(),
            gvk: format!(
                "{}_{}_{}",
                part(id.group, "~G"),
                part(id.version, "~V"),
                part(id.kind, "~K")
            ),
            id: format!(
                "{}.{}.{}|{}|{}",
                part(id.kind, "[noKind]"),
                part(id.version, "[noVer]"),
                part(id.group, "[noGrp]"),
                part(id.namespace, "~X"),
                part(id.name, "~N")
            ),
        }
    }
}
