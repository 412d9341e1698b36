//! Helm charts in a kustomization, rendered by what the host supplies.

use gitops_manifest::{FileTree, Value};

/// Renders Helm charts for `helmCharts`. The facade implements it with its Helm renderer.
pub trait HelmRenderer: Send + Sync {
    /// Renders a chart and returns its manifests as YAML.
    ///
    /// # Errors
    /// Where the chart cannot be found or rendered; the text says why.
    fn render(&self, tree: &dyn FileTree, request: &HelmRequest) -> Result<String, String>;
}

/// What is to be rendered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HelmRequest {
    /// The name of the chart.
    pub name: String,
    /// The folder of the chart in the tree; where nothing is there, the chart is fetched from `repo`.
    pub chart: String,
    /// The version to fetch.
    pub version: String,
    /// The repository to fetch from: an `https://` or `oci://` URL.
    pub repo: String,
    /// The name of the release.
    pub release_name: String,
    /// The template of the name of the release.
    pub name_template: String,
    /// The namespace of the release.
    pub namespace: String,
    /// The values, all files and inline values merged.
    pub values: Value,
    /// Whether the chart's custom resource definitions are part of the output.
    pub include_crds: bool,
    /// Whether hooks are left out.
    pub skip_hooks: bool,
    /// Whether tests are left out.
    pub skip_tests: bool,
    /// The API versions that the cluster has beside Helm's defaults.
    pub api_versions: Vec<String>,
    /// The version of Kubernetes.
    pub kube_version: String,
}
