use std::collections::BTreeMap;

use gitops_manifest::{Map, Object, Str, Value};

use super::wire::{self, wire};
use super::{ApplicationError, ApplicationSource, ApplicationStatus};

/// The annotation by which an application asks to be left alone.
pub const SKIP_RECONCILE: &str = "argocd.argoproj.io/skip-reconcile";

wire! {
    /// A unit of deployment: sources, a destination, and how the one is brought to the other.
    struct Application {
        /// The metadata, as the API holds it.
        always metadata: Map,
        /// What is wanted.
        always spec: ApplicationSpec,
        /// What was found.
        status: ApplicationStatus,
        /// What is to be done now.
        operation: Option<Operation>,
    }

    /// What is wanted of an application.
    struct ApplicationSpec {
        /// Where its manifests come from, where there is one source.
        source: Option<ApplicationSource>,
        /// Where they go.
        always destination: ApplicationDestination,
        /// The project that it belongs to; empty means `default`.
        always project: String,
        /// When and how it is synced.
        sync_policy: Option<SyncPolicy>,
        /// Differences that do not count.
        ignore_differences: Vec<ResourceIgnoreDifferences>,
        /// Notes for people.
        info: Vec<Info>,
        /// How many entries of history are kept; 10 where it is absent.
        revision_history_limit: Option<i64>,
        /// Where its manifests come from, where there are several sources. They win over `source`.
        sources: Vec<ApplicationSource>,
        /// How rendered manifests are written back to Git before they are synced.
        source_hydrator: Option<SourceHydrator>,
    }

    /// Where objects go.
    struct ApplicationDestination {
        /// The address of the API server.
        server: String,
        /// The namespace for objects that name none.
        namespace: String,
        /// The name of the cluster, instead of its address.
        name: String,
    }

    /// When and how an application is synced.
    struct SyncPolicy {
        /// Automated sync; absent means by hand.
        automated: Option<AutomatedSync>,
        /// Options such as `CreateNamespace=true`.
        sync_options: Vec<String>,
        /// How a failed sync is tried again.
        retry: Option<RetryStrategy>,
        /// Labels and annotations for the namespace that `CreateNamespace=true` makes.
        managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
    }

    /// Automated sync.
    struct AutomatedSync {
        /// Whether objects that are gone from the source are deleted.
        prune: bool,
        /// Whether changes of live objects are reverted.
        self_heal: bool,
        /// Whether everything may be pruned.
        allow_empty: bool,
        /// Whether automated sync is on; absent means yes.
        enabled: Option<bool>,
    }

    /// How a failed sync is tried again.
    struct RetryStrategy {
        /// How often; below zero without end, zero never.
        limit: i64,
        /// How long to wait in between.
        backoff: Option<Backoff>,
        /// Whether a retry takes the newest revision.
        refresh: bool,
    }

    /// How long to wait between tries.
    struct Backoff {
        /// The first wait: seconds, or a duration such as `5s`.
        duration: String,
        /// By what the wait grows each time.
        factor: Option<i64>,
        /// The longest wait.
        max_duration: String,
    }

    /// Metadata for the namespace that the sync makes.
    struct ManagedNamespaceMetadata {
        /// Labels.
        labels: BTreeMap<String, String>,
        /// Annotations.
        annotations: BTreeMap<String, String>,
    }

    /// Differences that do not count.
    struct ResourceIgnoreDifferences {
        /// The API group, a glob.
        group: String,
        /// The kind, a glob.
        always kind: String,
        /// The name; empty for any.
        name: String,
        /// The namespace; empty for any.
        namespace: String,
        /// Fields, as JSON pointers.
        json_pointers: Vec<String>,
        /// Fields, as jq path expressions.
        jq_path_expressions: Vec<String>,
        /// Field managers whose changes are trusted.
        managed_fields_managers: Vec<String>,
    }

    /// A note for people.
    struct Info {
        /// Its name.
        always name: String,
        /// Its text.
        always value: String,
    }

    /// How rendered manifests are written back to Git.
    struct SourceHydrator {
        /// Where the manifests to render are.
        always dry_source: DrySource,
        /// Where the rendered ones are synced from.
        always sync_source: SyncSource,
        /// Where they are written first, to be moved by others.
        hydrate_to: Option<HydrateTo>,
    }

    /// Where the manifests to render are.
    struct DrySource {
        /// The address of the repository.
        #[serde(rename = "repoURL")]
        always repo_url: String,
        /// The wanted revision.
        always target_revision: String,
        /// The folder.
        always path: String,
        /// Settings for Helm.
        helm: Option<super::HelmSource>,
        /// Settings for Kustomize.
        kustomize: Option<super::KustomizeSource>,
        /// Settings for a folder of plain manifests.
        directory: Option<super::DirectorySource>,
        /// Settings for a plugin.
        plugin: Option<super::PluginSource>,
    }

    /// Where rendered manifests are synced from.
    struct SyncSource {
        /// The address of the repository; empty for that of the dry source.
        #[serde(rename = "repoURL")]
        repo_url: String,
        /// The branch.
        always target_branch: String,
        /// The folder.
        always path: String,
    }

    /// Where rendered manifests are written first.
    struct HydrateTo {
        /// The branch.
        always target_branch: String,
    }

    /// Something to be done with an application.
    struct Operation {
        /// A sync.
        sync: Option<SyncOperation>,
        /// Who asked for it.
        initiated_by: InitiatedBy,
        /// Notes for people.
        info: Vec<Info>,
        /// How it is tried again where it fails.
        retry: RetryStrategy,
    }

    /// A sync to be done.
    struct SyncOperation {
        /// The revision; empty for the one of the spec.
        revision: String,
        /// Whether objects that are gone from the source are deleted.
        prune: bool,
        /// Whether the target only says what it would do.
        dry_run: bool,
        /// How objects are applied.
        sync_strategy: Option<SyncStrategy>,
        /// The objects to sync; empty for all.
        resources: Vec<SyncOperationResource>,
        /// The source to sync instead of that of the spec.
        source: Option<ApplicationSource>,
        /// Manifests to sync instead of those of the source.
        manifests: Vec<String>,
        /// Options such as `CreateNamespace=true`.
        sync_options: Vec<String>,
        /// The sources to sync instead of those of the spec.
        sources: Vec<ApplicationSource>,
        /// The revisions, where there are several sources.
        revisions: Vec<String>,
        /// How often self-heal has tried.
        #[serde(rename = "autoHealAttemptsCount")]
        self_heal_attempts_count: i64,
    }

    /// How objects are applied.
    struct SyncStrategy {
        /// Without hooks.
        apply: Option<SyncStrategyApply>,
        /// With hooks.
        hook: Option<SyncStrategyHook>,
    }

    /// Sync without hooks.
    struct SyncStrategyApply {
        /// Whether objects that cannot be changed are made anew.
        force: bool,
    }

    /// Sync with hooks.
    struct SyncStrategyHook {
        /// Whether objects that cannot be changed are made anew.
        force: bool,
    }

    /// One object to sync.
    struct SyncOperationResource {
        /// The API group.
        group: String,
        /// The kind.
        always kind: String,
        /// The name.
        always name: String,
        /// The namespace.
        namespace: String,
        /// Whether it is left out, rather than chosen.
        exclude: bool,
    }

    /// Who asked for an operation.
    struct InitiatedBy {
        /// The user.
        username: String,
        /// Whether automation asked.
        automated: bool,
    }
}

impl Application {
    /// Makes one of a name, a source and a destination namespace on the local cluster.
    #[must_use]
    pub fn new(
        name: impl Into<Str>,
        source: ApplicationSource,
        namespace: impl Into<String>,
    ) -> Self {
        Self {
            metadata: Map::from([("name", Value::from(name.into()))]),
            spec: ApplicationSpec {
                source: Some(source),
                destination: ApplicationDestination {
                    server: "https://kubernetes.default.svc".into(),
                    namespace: namespace.into(),
                    name: String::new(),
                },
                project: "default".into(),
                ..ApplicationSpec::default()
            },
            ..Self::default()
        }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// Where it is of another kind, or a field does not fit.
    pub fn from_object(object: &Object) -> Result<Self, ApplicationError> {
        wire::read(object, "Application")
    }

    /// Writes the application as an object.
    #[must_use]
    pub fn to_object(&self) -> Object {
        wire::write(self, "Application")
    }

    fn meta(&self, field: &str) -> &str {
        self.metadata
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.meta("name")
    }

    /// Returns the namespace that the application itself is in; empty where it names none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.meta("namespace")
    }

    /// Returns an annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.get("annotations")?.get(name)?.as_str()
    }

    /// Whether nothing at all is to be done about the application, its deletion included, while its annotation
    /// [`SKIP_RECONCILE`] says so. As in Argo CD the value is what Go reads as true: `1`, `t`, `T`, `true`, `True`, `TRUE`.
    #[must_use]
    pub fn is_left_alone(&self) -> bool {
        let value = self.annotation(SKIP_RECONCILE).unwrap_or_default();
        matches!(value, "1" | "t" | "T" | "true" | "True" | "TRUE")
    }

    /// Returns the finalizers.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        let list = self.metadata.get("finalizers").and_then(Value::as_array);
        list.into_iter()
            .flat_map(|list| list.iter().filter_map(Value::as_str))
    }

    /// Whether deletion has begun.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        !self.meta("deletionTimestamp").is_empty()
    }
}

impl ApplicationSpec {
    /// Returns the sources: those of `sources`, or the one of `source`, or the one that a hydrator writes.
    #[must_use]
    pub fn sources(&self) -> Vec<ApplicationSource> {
        if let Some(hydrator) = &self.source_hydrator {
            let sync = &hydrator.sync_source;
            let repo = if sync.repo_url.is_empty() {
                &hydrator.dry_source.repo_url
            } else {
                &sync.repo_url
            };
            return vec![ApplicationSource::git(
                repo,
                &sync.path,
                &sync.target_branch,
            )];
        }
        if self.sources.is_empty() {
            self.source.iter().cloned().collect()
        } else {
            self.sources.clone()
        }
    }

    /// Returns the name of the project.
    #[must_use]
    pub fn project(&self) -> &str {
        if self.project.is_empty() {
            "default"
        } else {
            &self.project
        }
    }

    /// Returns the settings of automated sync where it is on.
    #[must_use]
    pub fn automated(&self) -> Option<&AutomatedSync> {
        let automated = self.sync_policy.as_ref()?.automated.as_ref()?;
        automated.enabled.unwrap_or(true).then_some(automated)
    }

    /// Returns the value of a sync option such as `CreateNamespace`: the first that is given.
    #[must_use]
    pub fn sync_option(&self, name: &str) -> Option<&str> {
        self.sync_policy
            .as_ref()?
            .sync_options
            .iter()
            .find_map(|option| {
                let (key, value) = option.split_once('=')?;
                (key.trim() == name).then(|| value.trim())
            })
    }
}
