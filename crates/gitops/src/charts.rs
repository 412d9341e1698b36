//! Charts of kustomizations (`helmCharts`), rendered in process.

use std::sync::Arc;

use gitops_core::{Clock, SystemClock};
use gitops_helm::{Chart, KubeVersion, RenderOptions, Time, Values, release_name, render};
use gitops_kustomize::{HelmRenderer, HelmRequest};
use gitops_manifest::{FileTree, Value};

use crate::chart_loader::ChartLoader;

/// Renders the charts that a kustomization names with `helmCharts`: from folders of its tree, and where nothing is
/// there, from their repositories.
#[derive(Clone)]
pub struct Charts {
    seed: u64,
    clock: Arc<dyn Clock>,
    loader: Option<Arc<dyn ChartLoader>>,
}

impl Default for Charts {
    /// Returns one that fetches nothing and whose random functions give the same for everybody.
    fn default() -> Self {
        Self::new(0)
    }
}

impl Charts {
    /// Makes one whose random functions start from a seed; see [`HelmRenderer::new`](crate::HelmRenderer::new).
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            clock: Arc::new(SystemClock),
            loader: None,
        }
    }

    /// Sets the clock, for `now` and the validity of certificates.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Fetches charts that are not in the tree; without a loader they are refused.
    #[must_use]
    pub fn with_loader(mut self, loader: impl ChartLoader + 'static) -> Self {
        self.loader = Some(Arc::new(loader));
        self
    }

    fn chart(&self, tree: &dyn FileTree, request: &HelmRequest) -> Result<Chart, String> {
        if matches!(tree.kind(&request.chart), Ok(Some(_))) {
            return Chart::load(tree, &request.chart).map_err(|error| error.helm_text());
        }
        if request.repo.is_empty() {
            return Err(format!(
                "chart {} is not in the tree at {:?}, and names no repo",
                request.name, request.chart
            ));
        }
        match &self.loader {
            Some(loader) => loader.chart(&request.repo, &request.name, &request.version),
            None => Err(format!(
                "chart {} is not in the tree at {:?}; charts are not fetched from {:?}: put the chart there",
                request.name, request.chart, request.repo
            )),
        }
    }
}

impl HelmRenderer for Charts {
    fn render(&self, tree: &dyn FileTree, request: &HelmRequest) -> Result<String, String> {
        let told = |error: gitops_helm::Error| error.helm_text();
        let chart = self.chart(tree, request)?;
        let mut values = Values::new();
        if let Value::Object(map) = &request.values {
            values.merge(map);
        }
        let mut options = RenderOptions::default();
        options.seed = self.seed;
        let now = self.clock.now().as_micros();
        let nanos = u32::try_from(now.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
        options.now = Time::from_unix(now.div_euclid(1_000_000), nanos);
        if !request.release_name.is_empty() {
            options.release.name.clone_from(&request.release_name);
        } else if !request.name_template.is_empty() {
            options.release.name = release_name(&request.name_template, &options).map_err(told)?;
        }
        if !request.namespace.is_empty() {
            options.release.namespace.clone_from(&request.namespace);
        }
        options.include_crds = request.include_crds;
        options.no_hooks = request.skip_hooks;
        options.skip_tests = request.skip_tests;
        if !request.kube_version.is_empty() {
            options.capabilities.kube_version =
                KubeVersion::parse(&request.kube_version).map_err(told)?;
        }
        options
            .capabilities
            .api_versions
            .extend(request.api_versions.iter().cloned());
        let rendered = render(&chart, &values, &options).map_err(told)?;
        Ok(rendered.to_yaml())
    }
}
