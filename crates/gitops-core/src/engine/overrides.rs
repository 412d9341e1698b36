//! Settings of a source that stand in the repository itself, as Argo CD's image updater writes them: `.argocd-source.yaml` for
//! every application on the folder, `.argocd-source-NAME.yaml` for one.

use gitops_manifest::{EntryKind, FileTree, TreeError, Value, yaml};

use crate::application::ApplicationSource;

/// Why the settings in a repository cannot be used. Trying again helps where a file could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum OverrideError {
    /// A file could not be read.
    #[error("settings of the source cannot be read")]
    Tree {
        /// What went wrong.
        #[from]
        source: TreeError,
    },
    /// A file has errors.
    #[error("{path} has settings of the source that cannot be used: {reason}")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// Whether a file holds settings of a source, and no manifests.
pub(crate) fn is_override(name: &str) -> bool {
    name.starts_with(".argocd-source") && name.ends_with(".yaml")
}

/// Returns a source with what its folder sets. Where it comes from cannot be set there.
pub(super) fn merged(
    source: &ApplicationSource,
    tree: &dyn FileTree,
    instance: &str,
) -> Result<ApplicationSource, OverrideError> {
    if !source.chart.is_empty() {
        return Ok(source.clone());
    }
    let mut merged: Option<Value> = None;
    for name in [
        ".argocd-source.yaml".to_owned(),
        format!(".argocd-source-{instance}.yaml"),
    ] {
        let path = gitops_manifest::tree::join(&source.path, &name)?;
        if tree.kind(&path)? != Some(EntryKind::File) {
            continue;
        }
        let invalid = |reason: String| OverrideError::Invalid {
            path: path.clone(),
            reason,
        };
        let bytes = tree.read(&path)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| invalid(error.to_string()))?;
        let patch = yaml::parse_one(text, &yaml::ParseOptions::default())
            .map_err(|error| invalid(error.to_string()))?;
        match patch {
            Value::Null => continue,
            Value::Object(_) => {}
            other => {
                let what = other.type_name();
                return Err(invalid(format!("it must be a map, not {what}")));
            }
        }
        let base = match merged.take() {
            Some(merged) => merged,
            None => to_value(source).map_err(&invalid)?,
        };
        let next = gitops_diff::merge_patch::apply(&base, &patch);
        // Each file is judged by itself, so that the complaint names the right one.
        from_value(&next).map_err(&invalid)?;
        merged = Some(next);
    }
    let Some(merged) = merged else {
        return Ok(source.clone());
    };
    let mut merged = from_value(&merged).unwrap_or_else(|_| source.clone());
    merged.repo_url.clone_from(&source.repo_url);
    merged.path.clone_from(&source.path);
    merged.chart.clone_from(&source.chart);
    merged.target_revision.clone_from(&source.target_revision);
    merged.r#ref.clone_from(&source.r#ref);
    Ok(merged)
}

fn to_value(source: &ApplicationSource) -> Result<Value, String> {
    let json = serde_json::to_value(source).map_err(|error| error.to_string())?;
    Ok(Value::from(json))
}

fn from_value(value: &Value) -> Result<ApplicationSource, String> {
    serde_json::from_value(value.clone().into()).map_err(|error| error.to_string())
}
