use std::collections::BTreeSet;
use std::sync::Arc;

use gitops_manifest::{ContentId, Object, ObjectKey, Str, Value};
use serde::{Deserialize, Serialize};

use crate::application::{
    Application, ApplicationSource, Info, InitiatedBy, Operation, OperationPhase, OperationState,
    ResourceResult, RetryStrategy, SyncOperation, SyncOperationResource, SyncOperationResult,
    SyncStrategy, SyncStrategyApply,
};
use crate::comparison::shown_revisions;
use crate::sync::{SyncSettings, SyncState};
use crate::{ApplicationId, Propagation, StoreError, Timestamp, Write};

/// What a sync is asked for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SyncRequest {
    /// Whether objects that are gone from the source are deleted.
    pub prune: bool,
    /// Whether the cluster only says what it would do.
    pub dry_run: bool,
    /// Whether objects that cannot be changed are made anew.
    pub force: bool,
    /// Whether hooks are left out.
    pub skip_hooks: bool,
    /// The objects to sync; empty for all.
    pub resources: Vec<ObjectKey>,
    /// Options such as `Replace=true`, besides those of the application.
    pub options: Vec<String>,
    /// Who asks.
    pub initiated_by: String,
    /// Manifests to sync instead of what the source says, each a text of YAML or JSON.
    pub manifests: Vec<String>,
    /// Revisions to sync instead of those of the specification, one per source; empty for those of the specification.
    pub revisions: Vec<String>,
    /// Notes for people, kept with the operation.
    pub info: Vec<Info>,
    /// How the sync is tried again where it fails; not at all where it says nothing.
    pub retry: RetryStrategy,
}

impl SyncRequest {
    /// Asks in the name of a user.
    #[must_use]
    pub fn by(user: impl Into<String>) -> Self {
        Self {
            initiated_by: user.into(),
            ..Self::default()
        }
    }

    /// Sets whether objects that are gone from the source are deleted.
    #[must_use]
    pub const fn with_prune(mut self, prune: bool) -> Self {
        self.prune = prune;
        self
    }

    /// Sets whether the cluster only says what it would do.
    #[must_use]
    pub const fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    pub(super) fn to_operation(&self, application: &Application) -> Operation {
        let policy = application.spec.sync_policy.clone().unwrap_or_default();
        let mut sync_options = self.options.clone();
        sync_options.extend(policy.sync_options);
        let resources = self
            .resources
            .iter()
            .map(|key| SyncOperationResource {
                group: key.group.to_string(),
                kind: key.kind.to_string(),
                namespace: key.namespace.to_string(),
                name: key.name.to_string(),
                exclude: false,
            })
            .collect();
        let sync_strategy = (self.skip_hooks || self.force).then(|| SyncStrategy {
            apply: self
                .skip_hooks
                .then_some(SyncStrategyApply { force: self.force }),
            hook: (!self.skip_hooks)
                .then_some(crate::application::SyncStrategyHook { force: self.force }),
        });
        Operation {
            sync: Some(SyncOperation {
                prune: self.prune,
                dry_run: self.dry_run,
                sync_options,
                resources,
                sync_strategy,
                manifests: self.manifests.clone(),
                revision: match &self.revisions[..] {
                    [one] => one.clone(),
                    _ => String::new(),
                },
                revisions: match &self.revisions[..] {
                    [_] => Vec::new(),
                    several => several.to_vec(),
                },
                ..SyncOperation::default()
            }),
            initiated_by: InitiatedBy {
                username: self.initiated_by.clone(),
                automated: false,
            },
            info: self.info.clone(),
            retry: self.retry.clone(),
        }
    }
}

/// An operation and how far it has come: what must survive a crash.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OperationRecord {
    /// What was asked for.
    pub operation: Operation,
    /// The revisions that are synced, one per source.
    pub revisions: Vec<Str>,
    /// The versions of charts among them, as people are told of the revisions; empty where that is the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Str>,
    /// The sources.
    pub sources: Vec<ApplicationSource>,
    /// Under which name the desired objects are stored.
    pub content: ContentId,
    /// The settings of the sync.
    pub settings: SyncSettings,
    /// How far it has come.
    pub state: SyncState,
    /// How far it has come, retries included.
    pub phase: OperationPhase,
    /// What there is to say of it.
    pub message: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How often it was tried again.
    pub retry_count: i64,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// The history entry that it brings back, for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_of: Option<i64>,
    /// Whether it syncs what it was told to, and not what the source says: a plan, a certain revision, given manifests.
    #[serde(default)]
    pub pinned: bool,
    /// The desired objects.
    #[serde(skip)]
    pub(super) objects: Option<Arc<[Object]>>,
}

impl OperationRecord {
    pub(super) fn key(application: &ApplicationId) -> String {
        format!("operations/{}/{}", application.namespace, application.name)
    }

    /// Whether all objects are synced, so that it counts as a deployment.
    pub(super) fn is_full(&self) -> bool {
        let given = |sync: &SyncOperation| !sync.manifests.is_empty();
        !self.settings.is_selective()
            && !self.settings.dry_run
            && !self.operation.sync.as_ref().is_some_and(given)
    }

    /// Returns the revisions as people are told of them: the versions of charts, of everything else the ids.
    #[must_use]
    pub fn shown_revisions(&self) -> &[Str] {
        shown_revisions(&self.revisions, &self.versions)
    }

    /// Returns the operation as an application's status shows it.
    #[must_use]
    pub fn to_wire(&self) -> OperationState {
        let single = self.sources.len() == 1 && !self.settings.several_sources;
        let shown = self.shown_revisions();
        let revisions: Vec<String> = shown.iter().map(ToString::to_string).collect();
        let resources = self
            .state
            .results()
            .iter()
            .map(|result| ResourceResult {
                group: result.key.group.to_string(),
                version: result.version.to_string(),
                kind: result.key.kind.to_string(),
                namespace: result.key.namespace.to_string(),
                name: result.key.name.to_string(),
                status: result.status,
                message: result.message.clone(),
                hook_type: result
                    .hook
                    .map(|hook| hook.as_str().to_owned())
                    .unwrap_or_default(),
                hook_phase: result.state,
                sync_phase: result.phase.to_string(),
                images: result.images.iter().map(ToString::to_string).collect(),
            })
            .collect();
        OperationState {
            operation: self.operation.clone(),
            phase: self.phase,
            message: self.message.clone(),
            sync_result: Some(SyncOperationResult {
                resources,
                revision: if single {
                    revisions.concat()
                } else {
                    String::new()
                },
                source: self.sources.first().filter(|_| single).cloned(),
                sources: if single {
                    Vec::new()
                } else {
                    self.sources.clone()
                },
                revisions: if single { Vec::new() } else { revisions },
                managed_namespace_metadata: self.settings.namespace_metadata.clone(),
            }),
            started_at: Some(self.started_at.to_second()),
            finished_at: self.finished_at.map(Timestamp::to_second),
            retry_count: self.retry_count,
        }
    }
}

/// Returns the images that pods and templates of pods run, sorted, each once.
pub(super) fn images<'a>(objects: impl Iterator<Item = &'a Object>) -> Vec<String> {
    let mut images = BTreeSet::new();
    for object in objects {
        let paths: [&[&str]; 3] = [
            &["spec", "template", "spec"],
            &["spec"],
            &["spec", "jobTemplate", "spec", "template", "spec"],
        ];
        for path in paths {
            for list in ["initContainers", "containers"] {
                let containers = object.at(path).and_then(|spec| spec.get(list));
                for container in containers.and_then(Value::as_array).into_iter().flatten() {
                    images.extend(container["image"].as_str().map(str::to_owned));
                }
            }
        }
    }
    images.into_iter().collect()
}

/// Works out the settings of a sync from what was asked for.
pub(super) fn settings(
    application: &Application,
    operation: &Operation,
    revision: Str,
    now: Timestamp,
) -> SyncSettings {
    let sync = operation.sync.clone().unwrap_or_default();
    let option = |name: &str| {
        sync.sync_options.iter().find_map(|option| {
            let (key, value) = option.split_once('=')?;
            (key.trim() == name).then(|| value.trim())
        })
    };
    let on = |name| option(name) == Some("true");
    let strategy = sync.sync_strategy.clone().unwrap_or_default();
    let forced = strategy.apply.as_ref().is_some_and(|s| s.force)
        || strategy.hook.as_ref().is_some_and(|s| s.force);
    let policy = application.spec.sync_policy.clone().unwrap_or_default();
    let keys = |excluded: bool| -> Vec<ObjectKey> {
        let resources = sync.resources.iter().filter(|r| r.exclude == excluded);
        resources
            .map(|r| {
                let (group, kind) = (r.group.as_str(), r.kind.as_str());
                ObjectKey::new(group, kind, r.namespace.as_str(), r.name.as_str())
            })
            .collect()
    };
    let (chosen, deselection) = (keys(false), keys(true));
    SyncSettings {
        namespace: application.spec.destination.namespace.as_str().into(),
        revision,
        started_at: now,
        prune: sync.prune,
        dry_run: sync.dry_run,
        force: forced || on("Force"),
        skip_hooks: strategy.apply.is_some(),
        prune_last: on("PruneLast"),
        replace: on("Replace"),
        server_side_apply: on("ServerSideApply"),
        keep_client_side: option("ClientSideApplyMigration") == Some("false"),
        skip_validation: option("Validate") == Some("false"),
        out_of_sync_only: on("ApplyOutOfSyncOnly"),
        skip_dry_run_on_missing: on("SkipDryRunOnMissingResource"),
        create_namespace: on("CreateNamespace"),
        namespace_metadata: policy.managed_namespace_metadata,
        prune_option: option("Prune").unwrap_or_default().into(),
        prune_confirmed: crate::deletion::is_approved(application, now),
        fail_on_shared: on("FailOnSharedResource"),
        respect_ignored: on("RespectIgnoreDifferences"),
        propagation: match option("PrunePropagationPolicy") {
            Some("background") => Propagation::Background,
            Some("orphan") => Propagation::Orphan,
            _ => Propagation::Foreground,
        },
        selection: (!chosen.is_empty()).then_some(chosen),
        deselection,
        several_sources: match (&sync.source, sync.sources.is_empty()) {
            (_, false) => true,
            (Some(_), true) => false,
            (None, true) => !application.spec.sources.is_empty(),
        },
    }
}

/// Writes an operation for the store.
pub(super) fn put_operation(
    id: &ApplicationId,
    record: &OperationRecord,
) -> Result<Write, StoreError> {
    let key = OperationRecord::key(id);
    match serde_json::to_vec(record) {
        Ok(bytes) => Ok(Write::Put(key, bytes)),
        Err(error) => Err(StoreError {
            attempt: format!("write {key}"),
            source: Box::new(error),
        }),
    }
}
