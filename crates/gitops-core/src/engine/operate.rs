use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gitops_manifest::{ContentId, Object, ObjectKey, Str, Value};
use serde::{Deserialize, Serialize};

use super::world::{ClusterWorld, namespace};
use super::{ClusterConnection, Engine, EngineError, Hold, Next, Refreshed};
use crate::application::{
    AppProject, Application, ApplicationSource, InitiatedBy, Operation, OperationPhase,
    OperationState, ResourceResult, RetryStrategy, SyncOperation, SyncOperationResource,
    SyncOperationResult, SyncStrategy, SyncStrategyApply,
};
use crate::autosync::{Decision, Situation, decide};
use crate::comparison::{Basis, Comparison, compare, is_good, shown_revision};
use crate::diffing::Differ;
use crate::plan::Plan;
use crate::retry::{delay, may_retry};
use crate::sync::{SyncInput, SyncSettings, SyncState};
use crate::{
    ApplicationId, DeleteOptions, Discovery, EventKind, History, HistoryEntry, Propagation,
    StoreError, TargetError, Timestamp, Write,
};

/// The finalizer with which the objects of an application go when it is deleted.
const CASCADE: &str = "resources-finalizer.argocd.argoproj.io";

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

    fn to_operation(&self, application: &Application) -> Operation {
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
                ..SyncOperation::default()
            }),
            initiated_by: InitiatedBy {
                username: self.initiated_by.clone(),
                automated: false,
            },
            ..Operation::default()
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
    /// The desired objects.
    #[serde(skip)]
    objects: Option<Arc<[Object]>>,
}

impl OperationRecord {
    fn key(application: &ApplicationId) -> String {
        format!("operations/{}/{}", application.namespace, application.name)
    }

    /// Whether all objects are synced, so that it counts as a deployment.
    fn is_full(&self) -> bool {
        self.settings.selection.is_none() && !self.settings.dry_run
    }

    /// Returns the operation as an application's status shows it.
    #[must_use]
    pub fn to_wire(&self) -> OperationState {
        let single = self.sources.len() == 1;
        let revisions: Vec<String> = self.revisions.iter().map(ToString::to_string).collect();
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
                images: Vec::new(),
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
fn settings(
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
        skip_validation: option("Validate") == Some("false"),
        out_of_sync_only: on("ApplyOutOfSyncOnly"),
        skip_dry_run_on_missing: on("SkipDryRunOnMissingResource"),
        create_namespace: on("CreateNamespace"),
        namespace_metadata: policy.managed_namespace_metadata,
        prune_option: option("Prune").unwrap_or_default().into(),
        prune_confirmed: false,
        propagation: match option("PrunePropagationPolicy") {
            Some("background") => Propagation::Background,
            Some("orphan") => Propagation::Orphan,
            _ => Propagation::Foreground,
        },
        selection: (!sync.resources.is_empty()).then(|| {
            sync.resources
                .iter()
                .map(|r| {
                    ObjectKey::new(
                        r.group.as_str(),
                        r.kind.as_str(),
                        r.namespace.as_str(),
                        r.name.as_str(),
                    )
                })
                .collect()
        }),
    }
}

/// What an operation acts on, before the cluster was asked anything.
struct Stage {
    application: Arc<Application>,
    connection: Arc<ClusterConnection>,
    project: Arc<AppProject>,
}

/// What an operation acts on.
struct Scene {
    application: Arc<Application>,
    connection: Arc<ClusterConnection>,
    project: Arc<AppProject>,
    discovery: Arc<Discovery>,
}

impl Engine {
    /// Finds what an application's operations act on, and checks its destination.
    fn stage(&self, id: &ApplicationId) -> Result<Stage, EngineError> {
        let application = self
            .application(id)
            .ok_or_else(|| EngineError::NoSuchApplication {
                application: id.clone(),
            })?;
        let not_ready = |reason: String| EngineError::NotReady {
            application: id.clone(),
            reason,
        };
        let connection = self
            .connection(&application.spec.destination)
            .map_err(not_ready)?;
        let name = application.spec.project();
        let project = self
            .project(name)
            .ok_or_else(|| not_ready(format!("project {name:?} does not exist")))?;
        project
            .check_destination(&connection.cluster, &application.spec.destination.namespace)
            .map_err(|denial| not_ready(denial.to_string()))?;
        Ok(Stage {
            application,
            connection,
            project,
        })
    }

    async fn scene(&self, id: &ApplicationId) -> Result<Scene, EngineError> {
        let Stage {
            application,
            connection,
            project,
        } = self.stage(id)?;
        let discovery = connection.target.discover().await?;
        Ok(Scene {
            application,
            connection,
            project,
            discovery,
        })
    }

    async fn turn(
        &self,
        id: &ApplicationId,
    ) -> Result<tokio::sync::OwnedMutexGuard<()>, EngineError> {
        let turn = match self.known().applications.get(id) {
            Some(state) => Arc::clone(&state.turn),
            None => {
                return Err(EngineError::NoSuchApplication {
                    application: id.clone(),
                });
            }
        };
        Ok(turn.lock_owned().await)
    }

    /// Looks at one application and takes it as far as it gets without waiting: refreshes it, goes on with the
    /// operation that runs, or begins an automated one.
    ///
    /// # Errors
    /// Where there is no such application, or the store fails.
    pub async fn reconcile(&self, id: &ApplicationId) -> Result<Next, EngineError> {
        let _turn = self.turn(id).await?;
        self.load(id).await?;
        let application = self
            .application(id)
            .ok_or_else(|| EngineError::NoSuchApplication {
                application: id.clone(),
            })?;
        if application.is_deleting() {
            return self.finalize(id, &application).await;
        }
        let refreshed = self.refresh(id).await?;
        if let Some(record) = self.running(id) {
            return self.step(id, record).await;
        }
        let Some(refreshed) = refreshed else {
            return Ok(Next::After(self.options.poll));
        };
        self.note_health(id, &refreshed).await?;
        match self.decide(id, &application, &refreshed) {
            Decision::Sync(operation) => {
                let record = self
                    .begin(id, &application, *operation, &refreshed, None)
                    .await?;
                self.step(id, record).await
            }
            Decision::Wait(wait) => Ok(Next::After(wait)),
            Decision::Skip(reason) => {
                if let Some(error) = reason.error() {
                    let mut conditions = refreshed.comparison.conditions.clone();
                    conditions.push(("SyncError", error.to_owned()));
                    self.set_conditions(id, conditions);
                }
                Ok(Next::Idle)
            }
        }
    }

    fn decide(
        &self,
        id: &ApplicationId,
        application: &Application,
        refreshed: &Refreshed,
    ) -> Decision {
        let mut application = application.clone();
        application.status = self.status(id).unwrap_or_default();
        let revisions: Vec<String> = refreshed
            .revision_ids()
            .iter()
            .map(ToString::to_string)
            .collect();
        let resources = std::mem::take(&mut application.status.resources);
        let situation = Situation {
            status: refreshed.comparison.status,
            revisions: &revisions,
            resources: &resources,
            revision_matters: true,
            now: self.clock.now(),
            backoff: self.options.self_heal_backoff,
        };
        decide(&application, &situation)
    }

    fn running(&self, id: &ApplicationId) -> Option<OperationRecord> {
        let known = self.known();
        known
            .applications
            .get(id)?
            .operation
            .clone()
            .filter(|record| !record.phase.is_completed())
    }

    /// Reads from the store what was not forgotten, once.
    async fn load(&self, id: &ApplicationId) -> Result<(), EngineError> {
        if self
            .known()
            .applications
            .get(id)
            .is_none_or(|state| state.loaded)
        {
            return Ok(());
        }
        let key = OperationRecord::key(id);
        let record = match self.store.get(&key).await? {
            Some(bytes) => {
                let record: OperationRecord =
                    serde_json::from_slice(&bytes).map_err(|error| StoreError {
                        attempt: format!("read {key}"),
                        source: Box::new(error),
                    })?;
                Some(OperationRecord {
                    state: record.state.clone().restored(),
                    ..record
                })
            }
            None => None,
        };
        let history = self.history.entries(id).await?;
        self.load_hold(id).await?;
        let mut known = self.known();
        if let Some(state) = known.applications.get_mut(id) {
            state.loaded = true;
            state.status.history = history.iter().map(HistoryEntry::to_wire).collect();
            if let Some(record) = &record {
                state.status.operation_state = Some(record.to_wire());
            }
            state.operation = record;
        }
        Ok(())
    }

    /// Returns the rollback that is in force.
    pub(super) async fn load_hold(&self, id: &ApplicationId) -> Result<Option<Hold>, EngineError> {
        let loaded = match self.known().applications.get(id) {
            Some(state) if state.loaded => return Ok(state.hold.clone()),
            state => state.is_some(),
        };
        let key = Hold::key(id);
        let hold: Option<Hold> = match self.store.get(&key).await? {
            Some(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| StoreError {
                attempt: format!("read {key}"),
                source: Box::new(error),
            })?),
            None => None,
        };
        if loaded && let Some(state) = self.known().applications.get_mut(id) {
            state.hold.clone_from(&hold);
        }
        Ok(hold)
    }

    pub(super) async fn drop_hold(&self, id: &ApplicationId) -> Result<(), EngineError> {
        self.store.write(vec![Write::Remove(Hold::key(id))]).await?;
        if let Some(state) = self.known().applications.get_mut(id) {
            state.hold = None;
        }
        Ok(())
    }

    pub(super) async fn save_operation(
        &self,
        id: &ApplicationId,
        record: &OperationRecord,
    ) -> Result<(), StoreError> {
        let key = OperationRecord::key(id);
        let bytes = serde_json::to_vec(record).map_err(|error| StoreError {
            attempt: format!("write {key}"),
            source: Box::new(error),
        })?;
        self.store.write(vec![Write::Put(key, bytes)]).await
    }

    fn keep(&self, id: &ApplicationId, record: &OperationRecord) {
        if let Some(state) = self.known().applications.get_mut(id) {
            state.status.operation_state = Some(record.to_wire());
            state.operation = Some(record.clone());
        }
    }

    async fn begin(
        &self,
        id: &ApplicationId,
        application: &Application,
        operation: Operation,
        refreshed: &Refreshed,
        rollback_of: Option<i64>,
    ) -> Result<OperationRecord, EngineError> {
        let now = self.clock.now();
        let revisions = refreshed.revision_ids();
        let settings = settings(application, &operation, refreshed.shown_revision(), now);
        let (content, put) = History::pack(id, &refreshed.desired);
        let record = OperationRecord {
            operation,
            revisions,
            sources: refreshed.sources.clone(),
            content,
            settings,
            state: SyncState::new(),
            phase: OperationPhase::Running,
            message: String::new(),
            started_at: now,
            finished_at: None,
            retry_count: 0,
            retry_at: None,
            rollback_of,
            objects: Some(Arc::clone(&refreshed.desired)),
        };
        let key = OperationRecord::key(id);
        let bytes = serde_json::to_vec(&record).map_err(|error| StoreError {
            attempt: format!("write {key}"),
            source: Box::new(error),
        })?;
        self.store.write(vec![put, Write::Put(key, bytes)]).await?;
        self.keep(id, &record);
        let by = &record.operation.initiated_by;
        self.emit(
            id,
            EventKind::OperationStarted {
                revision: refreshed.shown_revision(),
                initiated_by: if by.automated {
                    "automated".into()
                } else {
                    by.username.clone()
                },
                retry: 0,
            },
        );
        Ok(record)
    }

    /// Compares the desired objects of an operation with what is there now.
    fn compare_for(&self, id: &ApplicationId, scene: &Scene, objects: &[Object]) -> Comparison {
        let spec = &scene.application.spec;
        let instance = self.instance(id);
        let own = ObjectKey::new(
            "argoproj.io",
            "Application",
            id.namespace.clone(),
            id.name.clone(),
        );
        let differ = Differ::new(&spec.ignore_differences).unwrap_or_default();
        let basis = Basis {
            application: &instance,
            itself: Some(&own),
            namespace: &spec.destination.namespace,
            cluster: &scene.connection.cluster,
            project: &scene.project,
            discovery: &scene.discovery,
            tracking: &self.options.tracking,
            differ: &differ,
            now: self.clock.now(),
        };
        compare(objects, &scene.connection.live.state(), &basis)
    }

    fn input(&self, scene: &Scene, comparison: &Comparison, settings: &SyncSettings) -> SyncInput {
        let live_namespace = namespace(&scene.connection, &settings.namespace);
        comparison.to_input(settings.clone(), live_namespace)
    }

    /// Takes an operation one step further.
    async fn step(
        &self,
        id: &ApplicationId,
        mut record: OperationRecord,
    ) -> Result<Next, EngineError> {
        let now = self.clock.now();
        if let Some(at) = record.retry_at {
            if now < at {
                return Ok(Next::After(at.since(now)));
            }
            record.retry_at = None;
            self.emit(
                id,
                EventKind::OperationStarted {
                    revision: shown_revision(&record.revisions),
                    initiated_by: "retry".into(),
                    retry: record.retry_count,
                },
            );
        }
        let objects = match &record.objects {
            Some(objects) => Arc::clone(objects),
            None => self.history.objects(id, &record.content).await?.into(),
        };
        record.objects = Some(Arc::clone(&objects));
        let scene = match self.scene(id).await {
            Ok(scene) => scene,
            Err(EngineError::NotReady { reason, .. }) => {
                record.phase = OperationPhase::Error;
                record.message = reason;
                return self.finish(id, record).await;
            }
            Err(EngineError::Target { source }) if source.is_transient() => {
                return Ok(Next::After(self.options.step));
            }
            Err(error) => return Err(error),
        };
        let timeout = self.options.sync_timeout;
        let comparison = self.compare_for(id, &scene, &objects);
        let input = self.input(&scene, &comparison, &record.settings);
        let before = record.state.clone();
        {
            let snapshot = record.clone();
            let world = ClusterWorld {
                engine: self,
                id,
                connection: &scene.connection,
                project: &scene.project,
                discovery: Arc::clone(&scene.discovery),
                record: Some(&snapshot),
            };
            if !timeout.is_zero() && now.since(record.started_at) > timeout {
                record.state.terminate(&input, &world).await;
            } else {
                record.state.step(&input, &world).await;
            }
        }
        self.tell_progress(id, &before, &record.state);
        record.phase = record.state.phase();
        record.message = record.state.message().to_owned();
        if record.phase.is_completed() {
            return self.finish(id, record).await;
        }
        if record.state != before {
            self.save_operation(id, &record).await?;
        }
        self.keep(id, &record);
        Ok(Next::After(self.options.step))
    }

    fn tell_progress(&self, id: &ApplicationId, before: &SyncState, after: &SyncState) {
        for result in after.results() {
            let known = before
                .results()
                .iter()
                .find(|r| r.key == result.key && r.phase == result.phase);
            if known == Some(result) {
                continue;
            }
            self.emit(
                id,
                EventKind::ObjectProgressed {
                    key: result.key.clone(),
                    phase: result.phase,
                    wave: result.wave,
                    status: result.status,
                    state: result.state,
                    message: result.message.clone(),
                },
            );
        }
        if before.message() != after.message() && !after.phase().is_completed() {
            self.emit(
                id,
                EventKind::OperationProgressed {
                    message: after.message().to_owned(),
                },
            );
        }
    }

    /// Brings an operation to its end, or to its next try.
    async fn finish(
        &self,
        id: &ApplicationId,
        mut record: OperationRecord,
    ) -> Result<Next, EngineError> {
        let now = self.clock.now();
        let retry = record.operation.retry.clone();
        if !record.phase.is_successful()
            && record.phase.is_completed()
            && may_retry(&retry, record.retry_count)
            && let Ok(wait) = delay(
                &retry,
                u32::try_from(record.retry_count).unwrap_or(u32::MAX),
            )
        {
            let message = format!(
                "{}. Retrying attempt #{} in {} seconds.",
                record.message,
                record.retry_count + 1,
                wait.as_secs()
            );
            record.retry_count += 1;
            record.retry_at = Some(now + wait);
            record.state = SyncState::new();
            record.phase = OperationPhase::Running;
            record.message = message.clone();
            self.save_operation(id, &record).await?;
            self.keep(id, &record);
            self.emit(id, EventKind::OperationProgressed { message });
            return Ok(Next::After(wait));
        }
        record.finished_at = Some(now);
        if record.phase.is_successful() && record.is_full() {
            let objects = record.objects.clone().unwrap_or_default();
            let entry = HistoryEntry {
                id: 0,
                revisions: record.revisions.clone(),
                sources: record.sources.clone(),
                started_at: record.started_at,
                deployed_at: now,
                initiated_by: record.operation.initiated_by.clone(),
                healthy_at: None,
                rollback_of: record.rollback_of,
                objects: 0,
                content: record.content.clone(),
            };
            let limit = self.history_limit(id);
            self.history.append(id, entry, &objects, limit).await?;
            let history = self.history.entries(id).await?;
            if let Some(state) = self.known().applications.get_mut(id) {
                state.status.history = history.iter().map(HistoryEntry::to_wire).collect();
            }
        }
        self.save_operation(id, &record).await?;
        self.keep(id, &record);
        self.emit(
            id,
            EventKind::OperationFinished {
                phase: record.phase,
                message: record.message.clone(),
                revision: shown_revision(&record.revisions),
            },
        );
        // The state after the operation is compared at once.
        Ok(Next::After(Duration::ZERO))
    }

    fn history_limit(&self, id: &ApplicationId) -> usize {
        self.application(id)
            .and_then(|application| application.spec.revision_history_limit)
            .map_or(self.options.history_limit, |limit| {
                usize::try_from(limit).unwrap_or(0)
            })
    }

    /// Notes when an application is first healthy with what was deployed last.
    async fn note_health(
        &self,
        id: &ApplicationId,
        refreshed: &Refreshed,
    ) -> Result<(), EngineError> {
        let status = &refreshed.comparison;
        if !is_good(status.health.status)
            || status.status != crate::application::SyncStatusCode::Synced
        {
            return Ok(());
        }
        let last_id = self
            .status(id)
            .and_then(|status| Some(status.history.last()?.id));
        if last_id.is_none() || self.noted(id) == last_id {
            return Ok(());
        }
        let Some(mut last) = self.history.entries(id).await?.pop() else {
            return Ok(());
        };
        if last.healthy_at.is_none() && last.revisions == refreshed.revision_ids() {
            last.healthy_at = Some(self.clock.now());
            self.history.update(id, &last).await?;
        }
        if let Some(state) = self.known().applications.get_mut(id) {
            state.noted = last_id;
        }
        Ok(())
    }

    fn noted(&self, id: &ApplicationId) -> Option<i64> {
        self.known().applications.get(id)?.noted
    }

    /// Begins a sync of what the source says now. Go on with [`reconcile`](Self::reconcile) or
    /// [`settle`](Self::settle).
    ///
    /// # Errors
    /// Where another operation runs, or the application cannot be compared: its conditions tell why.
    pub async fn sync(&self, id: &ApplicationId, request: &SyncRequest) -> Result<(), EngineError> {
        self.update().await?;
        let _turn = self.turn(id).await?;
        self.load(id).await?;
        if self.running(id).is_some() {
            return Err(EngineError::Busy {
                application: id.clone(),
            });
        }
        let refreshed = self.ready(id).await?;
        let application = self
            .application(id)
            .ok_or_else(|| EngineError::NoSuchApplication {
                application: id.clone(),
            })?;
        self.guard_empty(id, &application, &refreshed, request.prune)?;
        let operation = request.to_operation(&application);
        self.begin(id, &application, operation, &refreshed, None)
            .await?;
        Ok(())
    }

    /// Refreshes an application that is about to be synced.
    async fn ready(&self, id: &ApplicationId) -> Result<Arc<Refreshed>, EngineError> {
        match self.refresh(id).await? {
            Some(refreshed) => Ok(refreshed),
            None => {
                let conditions = self.conditions_of(id);
                let reasons: Vec<String> = conditions.into_iter().map(|c| c.message).collect();
                Err(EngineError::NotReady {
                    application: id.clone(),
                    reason: reasons.join("; "),
                })
            }
        }
    }

    /// Refuses to delete everything, unless the application says that it may be empty.
    fn guard_empty(
        &self,
        id: &ApplicationId,
        application: &Application,
        refreshed: &Refreshed,
        prune: bool,
    ) -> Result<(), EngineError> {
        let allowed = application
            .spec
            .automated()
            .is_some_and(|automated| automated.allow_empty);
        let has_live = refreshed
            .comparison
            .resources
            .iter()
            .any(|r| r.requires_pruning);
        if prune && refreshed.desired.is_empty() && has_live && !allowed {
            return Err(EngineError::NotReady {
                application: id.clone(),
                reason: "it renders to nothing, and everything would be pruned; set \
                         spec.syncPolicy.automated.allowEmpty to allow that"
                    .into(),
            });
        }
        Ok(())
    }

    /// Stops the operation that runs.
    ///
    /// # Errors
    /// Where no operation runs, or the cluster or store fails.
    pub async fn terminate(&self, id: &ApplicationId) -> Result<(), EngineError> {
        self.update().await?;
        let _turn = self.turn(id).await?;
        self.load(id).await?;
        let Some(mut record) = self.running(id) else {
            return Err(EngineError::NotReady {
                application: id.clone(),
                reason: "no operation is in progress".into(),
            });
        };
        let scene = self.scene(id).await?;
        let objects = match &record.objects {
            Some(objects) => Arc::clone(objects),
            None => self.history.objects(id, &record.content).await?.into(),
        };
        let comparison = self.compare_for(id, &scene, &objects);
        let input = self.input(&scene, &comparison, &record.settings);
        let world = ClusterWorld {
            engine: self,
            id,
            connection: &scene.connection,
            project: &scene.project,
            discovery: Arc::clone(&scene.discovery),
            record: None,
        };
        record.state.terminate(&input, &world).await;
        record.phase = record.state.phase();
        record.message = record.state.message().to_owned();
        record.operation.retry = RetryStrategy::default();
        self.finish(id, record).await?;
        Ok(())
    }

    /// Brings back what an earlier sync applied, from the stored objects: no repository is asked. Until the
    /// source points at something newer, that stays what is desired. Without `entry` it is the last one before
    /// the present that was healthy. Hooks are not run. Returns the entry.
    ///
    /// # Errors
    /// Where there is no such entry, or the cluster or store fails.
    pub async fn rollback(
        &self,
        id: &ApplicationId,
        entry: Option<i64>,
        user: &str,
    ) -> Result<HistoryEntry, EngineError> {
        self.update().await?;
        let _turn = self.turn(id).await?;
        self.load(id).await?;
        // What runs would be undone by what comes: it is stopped, not awaited.
        if let Some(mut record) = self.running(id) {
            record.phase = OperationPhase::Failed;
            record.message = "superseded by a rollback".into();
            record.operation.retry = RetryStrategy::default();
            self.finish(id, record).await?;
        }
        let entries = self.history.entries(id).await?;
        let entry =
            match entry {
                Some(wanted) => entries
                    .iter()
                    .find(|entry| entry.id == wanted)
                    .cloned()
                    .ok_or_else(|| EngineError::NoSuchEntry {
                        application: id.clone(),
                        id: wanted,
                        known: entries.iter().map(|entry| entry.id).collect(),
                    })?,
                None => last_good(&entries).cloned().ok_or_else(|| {
                    EngineError::NothingToRollBackTo {
                        application: id.clone(),
                    }
                })?,
            };
        let application = self
            .application(id)
            .ok_or_else(|| EngineError::NoSuchApplication {
                application: id.clone(),
            })?;
        let from = match self.refreshed(id) {
            Some(refreshed) => match &refreshed.hold {
                Some(hold) => hold.from.clone(),
                None => refreshed.revision_ids(),
            },
            None => entries
                .last()
                .map(|last| last.revisions.clone())
                .unwrap_or_default(),
        };
        let hold = Hold {
            from,
            entry: entry.id,
            revisions: entry.revisions.clone(),
            sources: entry.sources.clone(),
            content: entry.content.clone(),
            since: self.clock.now(),
        };
        // The content is stored under its own name again, so that the hold does not depend on the history.
        let key = Hold::key(id);
        let bytes = serde_json::to_vec(&hold).map_err(|error| StoreError {
            attempt: format!("write {key}"),
            source: Box::new(error),
        })?;
        self.store.write(vec![Write::Put(key, bytes)]).await?;
        if let Some(state) = self.known().applications.get_mut(id) {
            state.hold = Some(hold);
        }
        let refreshed = self.ready(id).await?;
        let request = SyncRequest {
            prune: true,
            skip_hooks: true,
            ..SyncRequest::by(user)
        };
        let operation = request.to_operation(&application);
        self.begin(id, &application, operation, &refreshed, Some(entry.id))
            .await?;
        Ok(entry)
    }

    /// Returns the namespace that the last operation of an application deployed to, for callers that know the
    /// application by its name alone; `default` where there was none.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn last_namespace(&self, id: &ApplicationId) -> Result<String, EngineError> {
        self.load(id).await?;
        let known = self.known();
        let record = known
            .applications
            .get(id)
            .and_then(|state| state.operation.as_ref());
        Ok(record.map_or_else(
            || "default".to_owned(),
            |r| r.settings.namespace.to_string(),
        ))
    }

    /// Works out what a sync would do, without doing anything.
    ///
    /// # Errors
    /// Where the application cannot be compared: its conditions tell why.
    pub async fn plan(
        &self,
        id: &ApplicationId,
        request: &SyncRequest,
    ) -> Result<Plan, EngineError> {
        self.update().await?;
        let _turn = self.turn(id).await?;
        self.load(id).await?;
        let refreshed = self.ready(id).await?;
        let scene = self.scene(id).await?;
        self.guard_empty(id, &scene.application, &refreshed, request.prune)?;
        let operation = request.to_operation(&scene.application);
        let now = self.clock.now();
        let settings = settings(
            &scene.application,
            &operation,
            refreshed.shown_revision(),
            now,
        );
        let input = self.input(&scene, &refreshed.comparison, &settings);
        let world = ClusterWorld {
            engine: self,
            id,
            connection: &scene.connection,
            project: &scene.project,
            discovery: Arc::clone(&scene.discovery),
            record: None,
        };
        let (tasks, complaints) = SyncState::new().tasks(&input, &world);
        let differ = Differ::new(&scene.application.spec.ignore_differences).unwrap_or_default();
        Ok(Plan::new(
            id.clone(),
            &refreshed,
            operation,
            settings,
            &tasks,
            complaints,
            &differ,
            now,
        ))
    }

    /// Carries out a plan: exactly what it says, or nothing, where live state has moved in a way that matters.
    /// Go on with [`reconcile`](Self::reconcile) or [`settle`](Self::settle).
    ///
    /// # Errors
    /// [`EngineError::PlanOutdated`] with the differences, and as [`sync`](Self::sync).
    pub async fn apply_plan(&self, plan: &Plan) -> Result<(), EngineError> {
        let id = &plan.application;
        self.update().await?;
        let _turn = self.turn(id).await?;
        self.load(id).await?;
        if self.running(id).is_some() {
            return Err(EngineError::Busy {
                application: id.clone(),
            });
        }
        if !plan.complaints.is_empty() {
            return Err(EngineError::NotReady {
                application: id.clone(),
                reason: plan.complaints.join("; "),
            });
        }
        let scene = self.scene(id).await?;
        let differences = {
            let live = scene.connection.live.state();
            plan.differences(|key| live.get(key).cloned())
        };
        if !differences.is_empty() {
            return Err(EngineError::PlanOutdated {
                application: id.clone(),
                differences,
            });
        }
        let now = self.clock.now();
        let objects: Arc<[Object]> = plan.desired.clone().into();
        let (content, put) = History::pack(id, &objects);
        let record = OperationRecord {
            operation: plan.operation.clone(),
            revisions: plan.revisions.clone(),
            sources: plan.sources.clone(),
            content,
            settings: SyncSettings {
                started_at: now,
                ..plan.settings.clone()
            },
            state: SyncState::new(),
            phase: OperationPhase::Running,
            message: String::new(),
            started_at: now,
            finished_at: None,
            retry_count: 0,
            retry_at: None,
            rollback_of: None,
            objects: Some(objects),
        };
        self.store.write(vec![put]).await?;
        self.save_operation(id, &record).await?;
        self.keep(id, &record);
        self.emit(
            id,
            EventKind::OperationStarted {
                revision: shown_revision(&plan.revisions),
                initiated_by: record.operation.initiated_by.username.clone(),
                retry: 0,
            },
        );
        Ok(())
    }

    /// Takes the objects of an application that is being deleted with it, the highest wave first, then lets
    /// the application go.
    async fn finalize(
        &self,
        id: &ApplicationId,
        application: &Application,
    ) -> Result<Next, EngineError> {
        let cascades = application.finalizers().any(|f| f.starts_with(CASCADE));
        let Ok(Stage { connection, .. }) = self.stage(id) else {
            return self.release(id).await;
        };
        if !cascades {
            return Ok(Next::Idle);
        }
        let background = application
            .finalizers()
            .any(|f| f == format!("{CASCADE}/background"));
        let instance = self.instance(id);
        let own = ObjectKey::new(
            "argoproj.io",
            "Application",
            id.namespace.clone(),
            id.name.clone(),
        );
        let objects: Vec<Object> = {
            let live = connection.live.state();
            live.tracked(&instance)
                .filter(|object| object.key() != own && !stays(object))
                .cloned()
                .collect()
        };
        if objects.is_empty() {
            return self.release(id).await;
        }
        if objects.iter().any(Object::is_deleting) {
            return Ok(Next::After(self.options.step));
        }
        let last = objects.iter().map(crate::sync::wave_of).max();
        let propagation = if background {
            Propagation::Background
        } else {
            Propagation::Foreground
        };
        for object in objects
            .iter()
            .filter(|object| Some(crate::sync::wave_of(object)) == last)
        {
            let options = DeleteOptions::new(propagation)
                .with_precondition(crate::Precondition::Uid(object.uid().into()));
            match connection.target.delete(&object.key(), &options).await {
                Ok(()) | Err(TargetError::NotFound { .. }) => {}
                Err(error) if error.is_transient() => {}
                Err(error) => {
                    self.set_conditions(id, vec![("DeletionError", error.to_string())]);
                }
            }
        }
        Ok(Next::After(self.options.step))
    }

    /// Takes our finalizers off an application's object.
    async fn release(&self, id: &ApplicationId) -> Result<Next, EngineError> {
        let Some(local) = self.clusters.first() else {
            return Ok(Next::Idle);
        };
        let key = ObjectKey::new(
            "argoproj.io",
            "Application",
            id.namespace.clone(),
            id.name.clone(),
        );
        let Some(mut object) = local.target.get(&key).await? else {
            return Ok(Next::Idle);
        };
        let precondition = crate::Precondition::unchanged(Some(&object));
        if let Some(Value::Array(finalizers)) = object.metadata_mut().get_mut("finalizers") {
            finalizers
                .make_mut()
                .retain(|f| !f.as_str().is_some_and(|f| f.starts_with(CASCADE)));
        }
        let options = crate::ApplyOptions {
            mode: crate::ApplyMode::Replace,
            manager: self.options.manager.clone(),
            precondition,
            ..crate::ApplyOptions::default()
        };
        match local.target.apply(&object, &options).await {
            Ok(_) | Err(TargetError::NotFound { .. } | TargetError::Changed { .. }) => {
                Ok(Next::After(self.options.step))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether an object outlives its application.
fn stays(object: &Object) -> bool {
    let definition =
        object.kind() == "CustomResourceDefinition" && object.group() == "apiextensions.k8s.io";
    definition
        || crate::sync::has_option(object, "Delete", "false")
        || object
            .annotation("helm.sh/resource-policy")
            .is_some_and(|policy| policy == "keep")
}

/// Returns the last entry before the present one that was healthy and is not the same as the present one.
fn last_good(entries: &[HistoryEntry]) -> Option<&HistoryEntry> {
    let (present, earlier) = entries.split_last()?;
    earlier
        .iter()
        .rev()
        .find(|entry| entry.healthy_at.is_some() && entry.content != present.content)
}
