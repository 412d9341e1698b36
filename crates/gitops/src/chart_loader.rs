//! Charts that are not in the tree: dependencies, and charts of kustomizations.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::executor::block_on;
use gitops_core::{Source, SourceError, SourceRef, error_chain};
use gitops_helm::{Chart, Dependency};
use gitops_manifest::tree::join;
use gitops_manifest::{EntryKind, FileTree};

/// Fetches charts and files that are not in the tree of a source.
///
/// A render that needs one waits for it. With the feature `charts`, a
/// [`ChartSource`](crate::source::ChartSource) is a loader; [`SourceCharts`] makes one of any [`Source`].
///
/// A chart whose version is a range, and a file, is what it was when it was fetched: the engine renders again when the
/// application's own source changes. Lock files name versions.
pub trait ChartLoader: Send + Sync {
    /// Fetches a chart of a repository (`https://…`, `oci://…`) in a version, or the highest of a range of versions.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn chart(&self, repository: &str, name: &str, version: &str) -> Result<Chart, String>;

    /// Fetches a file over HTTP(S).
    ///
    /// # Errors
    /// Why it cannot be had.
    fn file(&self, url: &str) -> Result<Arc<[u8]>, String>;
}

/// Charts out of a [`Source`] of the engine.
#[derive(Clone)]
pub struct SourceCharts(Arc<dyn Source>);

impl SourceCharts {
    /// Takes charts from a source.
    #[must_use]
    pub fn new(source: impl Source + 'static) -> Self {
        Self(Arc::new(source))
    }
}

fn told(error: &SourceError) -> String {
    error_chain(error)
}

impl ChartLoader for SourceCharts {
    fn chart(&self, repository: &str, name: &str, version: &str) -> Result<Chart, String> {
        let wanted = SourceRef::chart(repository, name, version);
        let tree = block_on(async {
            let revision = self.0.resolve(&wanted).await?;
            self.0.tree(&revision).await
        });
        let tree = tree.map_err(|error| told(&error))?;
        Chart::load(&tree, "").map_err(|error| error.helm_text())
    }

    fn file(&self, url: &str) -> Result<Arc<[u8]>, String> {
        Err(format!(
            "{url}: single files are not fetched from the web here"
        ))
    }
}

#[cfg(feature = "charts")]
impl ChartLoader for gitops_source::ChartSource {
    fn chart(&self, repository: &str, name: &str, version: &str) -> Result<Chart, String> {
        let wanted = SourceRef::chart(repository, name, version);
        let archive = block_on(async {
            let revision = self.resolve(&wanted).await?;
            self.archive(&revision).await
        });
        let archive = archive.map_err(|error| told(&error))?;
        Chart::from_archive(&archive).map_err(|error| error.helm_text())
    }

    fn file(&self, url: &str) -> Result<Arc<[u8]>, String> {
        block_on(self.fetch(url)).map_err(|error| told(&error))
    }
}

/// Adds the dependencies of a chart that are not in its `charts/`, as `helm dependency build` does: in the versions
/// of its lock file, else in the highest ones that fit.
///
/// `path` is the folder of the chart in `tree`, from which dependencies with `file://` are found; `repositories` are
/// the addresses behind short names (`@name`). A chart without missing dependencies is returned as it is.
///
/// # Errors
/// Where a lock file does not fit the dependencies, or one of them cannot be had.
pub fn build_dependencies(
    chart: &Chart,
    tree: &dyn FileTree,
    path: &str,
    repositories: &BTreeMap<String, String>,
    loader: Option<&dyn ChartLoader>,
) -> Result<Chart, String> {
    let missing: Vec<String> = chart
        .missing_dependencies()
        .iter()
        .map(|dependency| dependency.name.clone())
        .collect();
    if missing.is_empty() {
        return Ok(chart.clone());
    }
    let metadata = chart.metadata();
    let mut wanted = metadata.dependencies.clone().unwrap_or_default();
    for dependency in &mut wanted {
        resolve_name(dependency, repositories)?;
    }
    if let Some(lock) = chart.lock() {
        if !lock.fits(metadata, &wanted) {
            let (lock, file) = match metadata.api_version.as_str() {
                "v1" => ("requirements.lock", "requirements.yaml"),
                _ => ("Chart.lock", "Chart.yaml"),
            };
            return Err(format!(
                "the lock file ({lock}) is out of sync with the dependencies file ({file}). Please update the \
                 dependencies"
            ));
        }
        wanted.clone_from(&lock.dependencies);
        for dependency in &mut wanted {
            resolve_name(dependency, repositories)?;
        }
    }
    let mut charts: Vec<Chart> = Vec::new();
    for dependency in &wanted {
        let have = |chart: &Chart| {
            chart.metadata().name == dependency.name
                && chart.metadata().version == dependency.version
        };
        if missing.contains(&dependency.name) && !charts.iter().any(have) {
            let found = fetch(dependency, tree, path, loader)
                .map_err(|reason| format!("dependency {}: {reason}", dependency.name))?;
            // Two names for one chart, as for two aliases, need it once.
            let same = |known: &Chart| {
                known.metadata().name == found.metadata().name
                    && known.metadata().version == found.metadata().version
            };
            if !charts.iter().any(same) {
                charts.push(found);
            }
        }
    }
    Ok(chart.with_charts(charts))
}

/// Puts the address of a repository in place of its short name.
fn resolve_name(
    dependency: &mut Dependency,
    repositories: &BTreeMap<String, String>,
) -> Result<(), String> {
    let repository = &dependency.repository;
    let Some(name) = repository
        .strip_prefix('@')
        .or_else(|| repository.strip_prefix("alias:"))
    else {
        return Ok(());
    };
    match repositories.get(name) {
        Some(url) => {
            dependency.repository.clone_from(url);
            Ok(())
        }
        None => Err(format!(
            "dependency {}: no repository definition for {repository}",
            dependency.name
        )),
    }
}

fn fetch(
    dependency: &Dependency,
    tree: &dyn FileTree,
    path: &str,
    loader: Option<&dyn ChartLoader>,
) -> Result<Chart, String> {
    let repository = dependency.repository.as_str();
    if repository.is_empty() {
        return Err("it is not in charts/, and names no repository".to_owned());
    }
    if let Some(relative) = repository.strip_prefix("file://") {
        let folder = join(path, relative).map_err(|error| error.to_string())?;
        match tree.kind(&folder) {
            Ok(Some(EntryKind::Folder)) => {}
            _ => return Err(format!("directory {folder} not found")),
        }
        let chart = Chart::load(tree, &folder).map_err(|error| error.helm_text())?;
        let version = &chart.metadata().version;
        return match gitops_helm::version_fits(version, &dependency.version) {
            true => Ok(chart),
            false => Err(format!(
                "{folder} has version {version}, which does not fit {:?}",
                dependency.version
            )),
        };
    }
    if !["http://", "https://", "oci://"]
        .iter()
        .any(|scheme| repository.starts_with(scheme))
    {
        return Err(format!(
            "{repository:?} is no address of a repository: https://, oci://, file:// or @name"
        ));
    }
    let Some(loader) = loader else {
        return Err(format!(
            "it is not in charts/, and charts are not fetched from {repository:?} here"
        ));
    };
    loader.chart(repository, &dependency.name, &dependency.version)
}
