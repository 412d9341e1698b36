use std::collections::BTreeMap;

use gitops_manifest::Value;

use super::wire::wire;

wire! {
    /// Where the manifests of an application come from, and how they are rendered.
    struct ApplicationSource {
        /// The address of the repository.
        #[serde(rename = "repoURL")]
        always repo_url: String,
        /// The folder within the repository.
        path: String,
        /// The wanted revision; empty means `HEAD`.
        target_revision: String,
        /// Settings for Helm.
        helm: Option<HelmSource>,
        /// Settings for Kustomize.
        kustomize: Option<KustomizeSource>,
        /// Settings for a folder of plain manifests.
        directory: Option<DirectorySource>,
        /// Settings for a config management plugin.
        plugin: Option<PluginSource>,
        /// The name of a chart, where the repository is one of charts.
        chart: String,
        /// The name under which other sources refer to this one as `$ref`.
        r#ref: String,
        /// A name for showing.
        name: String,
    }

    /// Settings for Helm.
    struct HelmSource {
        /// Values files, in order.
        value_files: Vec<String>,
        /// Single values; they win over everything else.
        parameters: Vec<HelmParameter>,
        /// The release name; the application's name where it is empty.
        release_name: String,
        /// Values as YAML text.
        values: String,
        /// Values that are read from files.
        file_parameters: Vec<HelmFileParameter>,
        /// The version of Helm.
        version: String,
        /// Whether credentials are passed to all domains.
        pass_credentials: bool,
        /// Whether absent values files are ignored.
        ignore_missing_value_files: bool,
        /// Whether the chart's CRDs are left out.
        skip_crds: bool,
        /// Values as an object; it wins over `values`.
        values_object: Option<Value>,
        /// The namespace to render for.
        namespace: String,
        /// The Kubernetes version to render for.
        kube_version: String,
        /// The API versions to render for.
        api_versions: Vec<String>,
        /// Whether the chart's tests are left out.
        skip_tests: bool,
        /// Whether the chart's values schema is not applied.
        skip_schema_validation: bool,
    }

    /// A single value for Helm.
    struct HelmParameter {
        /// The path of the value, as `--set` takes it.
        name: String,
        /// The value.
        value: String,
        /// Whether the value stays text.
        force_string: bool,
    }

    /// A value for Helm that is read from a file.
    struct HelmFileParameter {
        /// The path of the value.
        name: String,
        /// The path of the file.
        path: String,
    }

    /// Settings for Kustomize, laid over what the kustomization says.
    struct KustomizeSource {
        /// A prefix for names.
        name_prefix: String,
        /// A suffix for names.
        name_suffix: String,
        /// Images: `name=newName:newTag`, `name:newTag`, `name@digest`.
        images: Vec<String>,
        /// Labels for all objects.
        common_labels: BTreeMap<String, String>,
        /// The version of Kustomize.
        version: String,
        /// Annotations for all objects.
        common_annotations: BTreeMap<String, String>,
        /// Whether labels may replace those of the kustomization.
        force_common_labels: bool,
        /// Whether annotations may replace those of the kustomization.
        force_common_annotations: bool,
        /// The namespace for all objects.
        namespace: String,
        /// Whether variables in annotations are replaced.
        common_annotations_envsubst: bool,
        /// Replica counts.
        replicas: Vec<KustomizeReplica>,
        /// Patches.
        patches: Vec<KustomizePatch>,
        /// Components.
        components: Vec<String>,
        /// Whether labels are kept out of selectors.
        label_without_selector: bool,
        /// The Kubernetes version to render for.
        kube_version: String,
        /// The API versions to render for.
        api_versions: Vec<String>,
        /// Whether components that do not exist are ignored.
        ignore_missing_components: bool,
        /// Whether labels go to templates as well, where they are kept out of selectors.
        label_include_templates: bool,
    }

    /// A replica count for Kustomize.
    struct KustomizeReplica {
        /// The name of the object.
        always name: String,
        /// The count, a number or its text.
        always count: Value,
    }

    /// A patch for Kustomize.
    struct KustomizePatch {
        /// The path of a patch file.
        path: String,
        /// The patch itself.
        patch: String,
        /// What it is applied to.
        target: Option<KustomizeTarget>,
        /// Options such as `allowNameChange`.
        options: BTreeMap<String, bool>,
    }

    /// What a patch is applied to.
    struct KustomizeTarget {
        /// The API group.
        group: String,
        /// The version.
        version: String,
        /// The kind.
        kind: String,
        /// The name, a regular expression.
        name: String,
        /// The namespace, a regular expression.
        namespace: String,
        /// A selector over annotations.
        annotation_selector: String,
        /// A selector over labels.
        label_selector: String,
    }

    /// Settings for a folder of plain manifests.
    struct DirectorySource {
        /// Whether folders below are read as well.
        recurse: bool,
        /// Settings for Jsonnet.
        jsonnet: JsonnetSource,
        /// A glob of files to leave out.
        exclude: String,
        /// A glob of files to take.
        include: String,
    }

    /// Settings for Jsonnet.
    struct JsonnetSource {
        /// External variables.
        ext_vars: Vec<JsonnetVar>,
        /// Top-level arguments.
        tlas: Vec<JsonnetVar>,
        /// Folders of libraries.
        libs: Vec<String>,
    }

    /// A variable for Jsonnet.
    struct JsonnetVar {
        /// The name.
        always name: String,
        /// The value.
        always value: String,
        /// Whether the value is code.
        code: bool,
    }

    /// Settings for a config management plugin.
    struct PluginSource {
        /// The name of the plugin.
        name: String,
        /// Environment variables.
        env: Vec<EnvEntry>,
        /// Parameters.
        parameters: Vec<PluginParameter>,
    }

    /// An environment variable.
    struct EnvEntry {
        /// The name.
        always name: String,
        /// The value.
        always value: String,
    }

    /// A parameter of a plugin.
    struct PluginParameter {
        /// The name.
        name: String,
        /// The value, where it is text.
        string: Option<String>,
        /// The value, where it is a map.
        map: Option<OptionalMap>,
        /// The value, where it is a list.
        array: Option<OptionalArray>,
    }
}

/// A map whose absence differs from its emptiness.
pub type OptionalMap = BTreeMap<String, String>;

/// A list whose absence differs from its emptiness.
pub type OptionalArray = Vec<String>;

impl ApplicationSource {
    /// Takes a folder of a Git repository.
    #[must_use]
    pub fn git(
        repo: impl Into<String>,
        path: impl Into<String>,
        revision: impl Into<String>,
    ) -> Self {
        Self {
            repo_url: repo.into(),
            path: path.into(),
            target_revision: revision.into(),
            ..Self::default()
        }
    }

    /// Takes a version of a chart.
    #[must_use]
    pub fn chart(
        repo: impl Into<String>,
        chart: impl Into<String>,
        version: impl Into<String>,
    ) -> Self {
        Self {
            repo_url: repo.into(),
            chart: chart.into(),
            target_revision: version.into(),
            ..Self::default()
        }
    }

    /// Whether the source only gives files to others, under its `ref`, and brings no objects of its own.
    #[must_use]
    pub fn is_only_referred_to(&self) -> bool {
        !self.r#ref.is_empty()
            && self.path.is_empty()
            && self.chart.is_empty()
            && !self.repo_url.starts_with("oci://")
    }

    /// Returns the names of the renderers whose settings are given, even if these are empty: they decide what renders
    /// the source, whatever is there. More than one is a mistake.
    #[must_use]
    pub fn explicit_types(&self) -> Vec<&'static str> {
        let given = [
            ("Kustomize", self.kustomize.is_some()),
            ("Helm", self.helm.is_some() || !self.chart.is_empty()),
            ("Directory", self.directory.is_some()),
            ("Plugin", self.plugin.is_some()),
        ];
        given
            .into_iter()
            .filter_map(|(name, given)| given.then_some(name))
            .collect()
    }
}
