//! What an apply would do, without doing it.

use gitops_manifest::Object;

use super::compare::FieldComparison;
use super::managers::{Conflicts, ManagerId, Managers, ManagersError};
use super::path::{FieldPath, PathElement};
use super::remove::Emptied;
use super::server::{Request, WriteError, WriteOptions, apply};
use super::set::{FieldSet, Node};
use super::typed::{Duplicates, Typed};
use crate::schema::Schemas;

/// What a server-side apply would do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prediction {
    /// The object after the apply, with its managed fields; where there are conflicts, after an apply by force.
    pub object: Object,
    /// Who owns what after that.
    pub managers: Managers,
    /// What an apply without force would be refused for; empty where the options force it.
    pub conflicts: Conflicts,
    /// Whether the object or who owns what is other than before.
    pub changed: bool,
}

/// Predicts a server-side apply: what the API server would answer to a dry run, worked out locally.
///
/// It knows the defaults of built-in kinds and of the schemas in `schemas`. It does not know what webhooks and admission
/// plugins of the API server change, what controllers set later, nor what the server itself fills in on a create (uid,
/// cluster IPs, node ports).
///
/// # Errors
/// As [`apply`], but for conflicts: these are part of the answer.
///
/// ```
/// use gitops_diff::schema::Schemas;
/// use gitops_diff::structured::{WriteOptions, predict};
/// use gitops_manifest::Object;
///
/// let config = Object::try_from(serde_json::json!({
///     "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]},
/// }))?;
/// let prediction = predict(None, &config, &WriteOptions::new("argocd-controller"), &Schemas::default())?;
/// assert!(prediction.changed && prediction.conflicts.0.is_empty());
/// let again = predict(Some(&prediction.object), &config, &WriteOptions::new("argocd-controller"), &Schemas::default())?;
/// assert!(!again.changed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn predict(
    live: Option<&Object>,
    config: &Object,
    options: &WriteOptions,
    schemas: &Schemas,
) -> Result<Prediction, WriteError> {
    let (written, conflicts) = match apply(live, config, options, schemas) {
        Err(WriteError::Conflicts { conflicts }) => {
            let forced = options.clone().force(true);
            (apply(live, config, &forced, schemas)?, conflicts)
        }
        other => (other?, Conflicts::default()),
    };
    Ok(Prediction {
        managers: Managers::of(&written.object)
            .map_err(|source| WriteError::Managers { source })?,
        object: written.object,
        conflicts,
        changed: written.changed,
    })
}

/// Merges a configuration into a live object as `manager` would by force: the step of a server-side apply that
/// Argo CD's structured merge diff takes. No defaults are filled in and the managed fields stay as they are.
///
/// Returns `None` where nothing changes.
///
/// # Errors
/// Where an object does not fit its schema, or the managed fields cannot be read. A kind without a schema is deduced.
pub fn merge_as(
    live: &Object,
    config: &Object,
    manager: &str,
    schemas: &Schemas,
) -> Result<Option<Object>, WriteError> {
    let request = Request::new(config, schemas);
    let typed = |object: &Object| Typed::new(object.to_value(), request.ty, Duplicates::Refuse);
    let before = typed(live).map_err(|source| WriteError::Live { source })?;
    let config_typed = typed(config).map_err(|source| WriteError::Config { source })?;
    let mut managers = Managers::of(live).map_err(|source| WriteError::Managers { source })?;
    let updater = request.updater(None);
    let merged = updater
        .apply(
            &before,
            &config_typed,
            config.api_version(),
            &mut managers,
            &ManagerId::applier(manager),
            true,
        )
        .map_err(|source| WriteError::Update { source })?;
    merged
        .map(|merged| Object::try_from(merged.into_value()))
        .transpose()
        .map_err(|source| WriteError::Object { source })
}

/// Takes out of a predicted object (the answer of a dry run) what others than `manager` would change: what webhooks add
/// is then no difference. As Argo CD does unless it is told to keep the mutations of webhooks.
///
/// # Errors
/// Where an object does not fit its schema, or `manager` owns nothing in `predicted`.
pub fn without_mutations(
    predicted: &Object,
    live: &Object,
    manager: &str,
    schemas: &Schemas,
) -> Result<Object, WriteError> {
    let request = Request::new(predicted, schemas);
    let typed = |object: &Object| Typed::new(object.to_value(), request.ty, Duplicates::Refuse);
    let after = typed(predicted).map_err(|source| WriteError::Config { source })?;
    let before = typed(live).map_err(|source| WriteError::Live { source })?;
    let owned = owned_by(predicted, manager)?;
    let others = without_owners(&after.field_set().difference(&owned), &owned);
    let FieldComparison { removed, .. } = before.compare(&after);
    let removed = removed.difference(&others);
    let others = others
        .paths()
        .filter(|path| !is_part_of_key(path))
        .collect::<FieldSet>();
    let own = after.remove(&others, Emptied::Empty);
    let merged = before
        .merge(&own)
        .map_err(|source| WriteError::Config { source })?;
    let merged = merged.remove(&removed, Emptied::Empty);
    Object::try_from(merged.into_value()).map_err(|source| WriteError::Object { source })
}

/// All that a manager owns, by whatever operation.
fn owned_by(object: &Object, manager: &str) -> Result<FieldSet, WriteError> {
    let managers = Managers::of(object).map_err(|source| WriteError::Managers { source })?;
    let owned = managers
        .iter()
        .filter(|(id, _)| id.name == manager)
        .fold(FieldSet::new(), |all, (_, owned)| all.union(&owned.fields));
    if owned.is_empty() {
        return Err(WriteError::Managers {
            source: ManagersError::NoManager {
                manager: manager.into(),
            },
        });
    }
    Ok(owned)
}

/// The members of a set below which the owner has nothing: to remove others would remove what it owns.
fn without_owners(set: &FieldSet, owned: &FieldSet) -> FieldSet {
    let nodes = set.nodes().iter().filter_map(|node| {
        let below = owned.below(&node.element);
        let node = Node {
            element: node.element.clone(),
            member: node.member && below.is_empty(),
            children: without_owners(&node.children, &below),
        };
        (node.member || !node.children.is_empty()).then_some(node)
    });
    FieldSet::from_nodes(nodes.collect())
}

/// Whether a path ends in a field by which an element on the way is told from others, one of several.
fn is_part_of_key(path: &FieldPath) -> bool {
    let Some((PathElement::Field(name), parents)) = path.elements().split_last() else {
        return false;
    };
    parents.iter().any(
        |element| matches!(element, PathElement::Key(keys) if keys.len() > 1 && keys.contains_key(name)),
    )
}
