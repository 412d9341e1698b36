//! What a build is told beside the kustomization.

use std::fmt;

use crate::function::FunctionRunner;
use crate::helm::HelmRenderer;
use crate::remote::RemoteLoader;

/// Looks up a variable of an environment.
pub type Environment<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// Which files a kustomization may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadRestrictor {
    /// Those in or below its own folder.
    #[default]
    RootOnly,
    /// Any of the tree.
    None,
}

/// In which order resources are written where the kustomization does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reorder {
    /// By kind, then by name.
    #[default]
    Legacy,
    /// As they were accumulated.
    None,
}

/// How a kustomization is built; the flags of `kustomize build`.
///
/// ```
/// use gitops_kustomize::{BuildOptions, LoadRestrictor};
/// let mut options = BuildOptions::default();
/// options.load_restrictor = LoadRestrictor::None; // --load-restrictor LoadRestrictionsNone
/// options.enable_helm = true; // --enable-helm
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct BuildOptions<'a> {
    /// `--load-restrictor`: which files a kustomization may read.
    pub load_restrictor: LoadRestrictor,
    /// `--reorder`: the order of the output; `None` where the flag is not given. `sortOptions` goes before it.
    pub reorder: Option<Reorder>,
    /// `--enable-managedby-label`: whether all resources get the label `app.kubernetes.io/managed-by`.
    pub managed_by_label: bool,
    /// `--enable-helm`: whether `helmCharts` are rendered.
    pub enable_helm: bool,
    /// `--helm-kube-version`: goes before what a chart's entry says.
    pub helm_kube_version: String,
    /// `--helm-api-versions`: goes before what a chart's entry says.
    pub helm_api_versions: Vec<String>,
    /// `--enable-alpha-plugins`: whether functions are run.
    pub enable_functions: bool,
    /// Where lines of environment files that are a name alone take their value. Without it they are empty, as they
    /// are in kustomize 5.8.2; earlier releases look into the process.
    pub environment: Option<Environment<'a>>,
    /// The version in the managed-by label. The label's value is `kustomize-` and this.
    pub version: String,
    /// How deep kustomizations may nest.
    pub max_depth: usize,
    /// How many resources a build may have.
    pub max_resources: usize,
    /// Fetches remote bases and files; without it they are refused.
    pub remote: Option<&'a dyn RemoteLoader>,
    /// Renders `helmCharts`; without it they are refused.
    pub helm: Option<&'a dyn HelmRenderer>,
    /// Runs functions of the Kubernetes resource model; without it they are refused.
    pub functions: Option<&'a dyn FunctionRunner>,
}

/// The version of kustomize whose behaviour this crate has.
pub const KUSTOMIZE_VERSION: &str = "v5.8.2";

impl Default for BuildOptions<'_> {
    fn default() -> Self {
        Self {
            load_restrictor: LoadRestrictor::RootOnly,
            reorder: None,
            managed_by_label: false,
            enable_helm: false,
            helm_kube_version: String::new(),
            helm_api_versions: Vec::new(),
            enable_functions: false,
            environment: None,
            version: KUSTOMIZE_VERSION.to_owned(),
            max_depth: 64,
            max_resources: 1_000_000,
            remote: None,
            helm: None,
            functions: None,
        }
    }
}

/// Shows the settings, and whether there are a loader, a renderer and a runner.
impl fmt::Debug for BuildOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildOptions")
            .field("load_restrictor", &self.load_restrictor)
            .field("reorder", &self.reorder)
            .field("managed_by_label", &self.managed_by_label)
            .field("enable_helm", &self.enable_helm)
            .field("helm_kube_version", &self.helm_kube_version)
            .field("helm_api_versions", &self.helm_api_versions)
            .field("enable_functions", &self.enable_functions)
            .field("environment", &self.environment.is_some())
            .field("version", &self.version)
            .field("max_depth", &self.max_depth)
            .field("max_resources", &self.max_resources)
            .field("remote", &self.remote.is_some())
            .field("helm", &self.helm.is_some())
            .field("functions", &self.functions.is_some())
            .finish()
    }
}
