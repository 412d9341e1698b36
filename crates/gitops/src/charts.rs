//! Charts of kustomizations (`helmCharts`), rendered in process.

use gitops_helm::{Chart, KubeVersion, RenderOptions, Values, render};
use gitops_kustomize::{HelmRenderer, HelmRequest};
use gitops_manifest::{FileTree, Value};

/// Renders the charts that a kustomization names with `helmCharts`, from folders of its tree.
#[derive(Clone, Copy, Debug, Default)]
pub struct Charts;

impl HelmRenderer for Charts {
    fn render(&self, tree: &dyn FileTree, request: &HelmRequest) -> Result<String, String> {
        let told = |error: &dyn std::error::Error| gitops_core::error_chain(error);
        if !matches!(tree.kind(&request.chart), Ok(Some(_))) {
            return Err(format!(
                "chart {} is not in the tree at {:?}; charts are not fetched from {:?}: put the chart there",
                request.name, request.chart, request.repo
            ));
        }
        let chart = Chart::load(tree, &request.chart).map_err(|error| told(&error))?;
        let mut values = Values::new();
        if let Value::Object(map) = &request.values {
            values.merge(map);
        }
        let mut options = RenderOptions::default();
        if !request.release_name.is_empty() {
            options.release.name.clone_from(&request.release_name);
        }
        if !request.namespace.is_empty() {
            options.release.namespace.clone_from(&request.namespace);
        }
        options.include_crds = request.include_crds;
        options.no_hooks = request.skip_hooks;
        options.skip_tests = request.skip_tests;
        if !request.kube_version.is_empty() {
            options.capabilities.kube_version =
                KubeVersion::parse(&request.kube_version).map_err(|error| told(&error))?;
        }
        options
            .capabilities
            .api_versions
            .extend(request.api_versions.iter().cloned());
        let rendered = render(&chart, &values, &options).map_err(|error| told(&error))?;
        Ok(rendered.to_yaml())
    }
}
