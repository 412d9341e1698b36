use std::sync::Arc;
use std::time::Duration;

use gitops_manifest::{Object, ObjectKey};

use super::record::{put_operation, settings};
use super::world::{ClusterWorld, namespace};
use super::{ClusterConnection, Engine, EngineError, Hold, Next, OperationRecord, Refreshed};
use crate::application::{AppProject, Application, Operation, OperationPhase};
use crate::autosync::{Decision, Situation, decide};
use crate::comparison::{Basis, Comparison, compare, is_good, shown_revision};
use crate::diffing::Differ;
use crate::retry::{delay, may_retry};
use crate::sync::{SyncInput, SyncSettings, SyncState};
use crate::{ApplicationId, Discovery, EventKind, History, HistoryEntry, StoreError, Write};

/// What an operation acts on, before the cluster was asked anything.
pub(super) struct Stage {
    pub(super) application: Arc<Application>,
    pub(super) connection: Arc<ClusterConnection>,
    pub(super) project: Arc<AppProject>,
}

/// What an operation acts on.
pub(super) struct Scene {
    pub(super) application: Arc<Application>,
    pub(super) connection: Arc<ClusterConnection>,
    pub(super) project: Arc<AppProject>,
    pub(super) discovery: Arc<Discovery>,
}

impl Engine {
    /// Finds what an application's operations act on, and checks its destination.
    pub(super) fn stage(&self, id: &ApplicationId) -> Result<Stage, EngineError> {
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

    pub(super) async fn scene(&self, id: &ApplicationId) -> Result<Scene, EngineError> {
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

    pub(super) async fn turn(
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
        self.answer_refresh(id);
        let refreshed = self.refresh(id).await?;
        if let Some(record) = self.running(id) {
            if self.is_to_stop(id) {
                return self.stop(id, record).await;
            }
            return self.step(id, record).await;
        }
        if let Some(operation) = self.take_up(id) {
            return self.begin_requested(id, operation, refreshed).await;
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

    pub(super) fn decide(
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

    pub(super) fn running(&self, id: &ApplicationId) -> Option<OperationRecord> {
        let known = self.known();
        known
            .applications
            .get(id)?
            .operation
            .clone()
            .filter(|record| !record.phase.is_completed())
    }

    /// Reads from the store what was not forgotten, once.
    pub(super) async fn load(&self, id: &ApplicationId) -> Result<(), EngineError> {
        if self
            .known()
            .applications
            .get(id)
            .is_none_or(|state| state.loaded)
        {
            return Ok(());
        }
        self.forget_gone(id).await?;
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
            state.adopt(&history, record);
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
        self.store.write(vec![put_operation(id, record)?]).await
    }

    pub(super) fn keep(&self, id: &ApplicationId, record: &OperationRecord) {
        if let Some(state) = self.known().applications.get_mut(id) {
            state.status.operation_state = Some(record.to_wire());
            state.operation = Some(record.clone());
        }
    }

    pub(super) async fn begin(
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
        self.store
            .write(vec![put, put_operation(id, &record)?])
            .await?;
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
    pub(super) fn compare_for(
        &self,
        id: &ApplicationId,
        scene: &Scene,
        objects: &[Object],
    ) -> Comparison {
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

    pub(super) fn input(
        &self,
        scene: &Scene,
        comparison: &Comparison,
        settings: &SyncSettings,
    ) -> SyncInput {
        let live_namespace = namespace(&scene.connection, &settings.namespace);
        comparison.to_input(settings.clone(), live_namespace)
    }

    /// Returns the desired objects of an operation: at hand, or stored when it was read back after a restart.
    pub(super) async fn objects_of(
        &self,
        id: &ApplicationId,
        record: &OperationRecord,
    ) -> Result<Arc<[Object]>, EngineError> {
        Ok(match &record.objects {
            Some(objects) => Arc::clone(objects),
            None => self.history.objects(id, &record.content).await?.into(),
        })
    }

    /// Takes an operation one step further.
    pub(super) async fn step(
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
        let objects = self.objects_of(id, &record).await?;
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

    pub(super) fn tell_progress(&self, id: &ApplicationId, before: &SyncState, after: &SyncState) {
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
    pub(super) async fn finish(
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
        self.finish_now(id, record).await
    }

    /// Brings an operation to its end.
    pub(super) async fn finish_now(
        &self,
        id: &ApplicationId,
        mut record: OperationRecord,
    ) -> Result<Next, EngineError> {
        let now = self.clock.now();
        record.finished_at = Some(now);
        let mut batch = vec![put_operation(id, &record)?];
        let deployed = record.phase.is_successful() && record.is_full();
        if deployed {
            let objects = record.objects.clone().unwrap_or_default();
            let entry = HistoryEntry {
                id: self.next_entry(id),
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
            batch.extend(self.history.append(id, entry, &objects, limit).await?.1);
        }
        // One batch: a crash leaves neither an end without its entry nor an entry that is made twice.
        self.store.write(batch).await?;
        if deployed {
            let history = self.history.entries(id).await?;
            if let Some(state) = self.known().applications.get_mut(id) {
                state.show_history(&history, self.history_limit_of(&state.application));
            }
        }
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

    pub(super) fn history_limit(&self, id: &ApplicationId) -> usize {
        self.application(id)
            .map_or(self.options.history_limit, |application| {
                self.history_limit_of(&application)
            })
    }

    fn history_limit_of(&self, application: &Application) -> usize {
        application
            .spec
            .revision_history_limit
            .map_or(self.options.history_limit, |limit| {
                usize::try_from(limit).unwrap_or(0)
            })
    }

    /// Notes when an application is first healthy with what was deployed last.
    pub(super) async fn note_health(
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

    pub(super) fn noted(&self, id: &ApplicationId) -> Option<i64> {
        self.known().applications.get(id)?.noted
    }
}
