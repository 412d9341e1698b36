//! What an apply would do, without doing it.

use gitops_manifest::Object;

use super::managers::{Conflicts, Managers};
use super::server::{WriteError, WriteOptions, apply};
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
