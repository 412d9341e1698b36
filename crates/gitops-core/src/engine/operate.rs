use std::sync::Arc;
use std::time::Duration;

use gitops_manifest::{Object, ObjectKey, Str};

use super::record::{put_operation, settings};
use super::told::Told;
use super::world::{ClusterWorld, namespace};
use super::{ClusterConnection, Engine, EngineError, Hold, Next, OperationRecord, Refreshed};
use crate::application::{
    AppProject, Application, ApplicationSource, Operation, OperationPhase, ResourceStatus,
    RetryStrategy, SyncOperationResource,
};
use crate::autosync::{Decision, Situation, SkipReason, decide};
use crate::comparison::{Basis, Comparison, compare, is_good, shown_revision};
use crate::history::Limits;
use crate::project::Cluster;
use crate::retry::{delay, may_retry};
use crate::sync::{SyncInput, SyncSettings, SyncState};
use crate::{ApplicationId, Discovery, EventKind, Execution, History, StoreError, Target, Write};

/// What an operation acts on, before the cluster was asked anything.
pub(super) struct Stage {
    pub(super) application: Arc<Application>,
    pub(super) connection: Arc<ClusterConnection>,
    pub(super) project: Arc<AppProject>,
    /// The clusters that are registered for the project.
    pub(super) registered: Arc<[Cluster]>,
    /// The cluster as whoever the project names sees it.
    pub(super) target: Arc<dyn Target>,
}

/// What an operation acts on.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) discovery: Arc<Discovery>,
}

impl std::ops::Deref for Scene {
    type Target = Stage;
    fn deref(&self) -> &Stage {
        &self.stage
    }
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
        let registered = self.registered(name);
        let namespace = &application.spec.destination.namespace;
        project
            .check_destination(&connection.cluster, namespace, &registered)
            .map_err(|denial| not_ready(denial.to_string()))?;
        let target = self
            .acting(id, &project, &connection, namespace)
            .map_err(not_ready)?;
        Ok(Stage {
            application,
            connection,
            project,
            registered,
            target,
        })
    }

    /// Returns the cluster as whoever the project wants to use it, telling observers what is asked of it.
    pub(super) fn acting(
        &self,
        id: &ApplicationId,
        project: &AppProject,
        connection: &ClusterConnection,
        namespace: &str,
    ) -> Result<Arc<dyn Target>, String> {
        let target = self.impersonating(id, project, connection, namespace)?;
        if self.observers.0.is_empty() {
            return Ok(target);
        }
        Ok(Arc::new(Told {
            target,
            application: id.clone(),
            observers: self.observers.clone(),
            clock: Arc::clone(&self.clock),
        }))
    }

    /// Returns the cluster as whoever the project wants to use it.
    fn impersonating(
        &self,
        id: &ApplicationId,
        project: &AppProject,
        connection: &ClusterConnection,
        namespace: &str,
    ) -> Result<Arc<dyn Target>, String> {
        let accounts = &project.spec.destination_service_accounts;
        if accounts.is_empty() || !self.options.impersonation {
            return Ok(Arc::clone(&connection.target));
        }
        let account = project
            .service_account(&connection.cluster, namespace, &id.namespace)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| {
                format!(
                    "project {:?} names no service account for server {:?} and namespace {namespace:?} \
                     (spec.destinationServiceAccounts)",
                    project.name(),
                    connection.cluster.server
                )
            })?;
        connection
            .target
            .impersonate(&account.user, &super::gate::groups(&account.groups))
            .ok_or_else(|| {
                format!(
                    "project {:?} wants objects written as {}, which cluster {:?} cannot do here",
                    project.name(),
                    account.user,
                    connection.cluster.server
                )
            })
    }

    pub(super) async fn scene(&self, id: &ApplicationId) -> Result<Scene, EngineError> {
        let stage = self.stage(id)?;
        let discovery = stage.connection.target.discover().await?;
        Ok(Scene { stage, discovery })
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
        if application.is_left_alone() {
            return Ok(Next::Idle);
        }
        if application.is_deleting() {
            return self.finalize(id, &application).await;
        }
        self.answer_refresh(id);
        let refreshed = self.refresh(id).await?;
        if self.is_interrupted(id) {
            match &refreshed {
                Some(refreshed) => self.resume(id, &application, refreshed).await?,
                // What cannot be compared now is not gone on with, and not begun anew either.
                None => return Ok(Next::After(self.options.poll)),
            }
        }
        if let Some(record) = self.running(id) {
            if self.is_to_stop(id) {
                return self.stop(id, record).await;
            }
            return match refreshed {
                Some(newer) if self.is_superseded(&application, &record, &newer) => {
                    self.supersede(id, record, &newer).await
                }
                refreshed => self.step(id, record, refreshed.as_deref()).await,
            };
        }
        if let Some(operation) = self.take_up(id) {
            return self.begin_requested(id, operation, refreshed).await;
        }
        let Some(refreshed) = refreshed else {
            return Ok(Next::After(self.options.poll));
        };
        self.note_health(id, &refreshed).await?;
        self.keep_deletion_finalizers(id, &application, &refreshed)
            .await?;
        match self.decide(id, &application, &refreshed) {
            Decision::Sync(operation) => {
                if let Some(closed) = self.keeps_waiting(id, &application) {
                    self.conclude(id, &refreshed, Some(Self::say(&closed)));
                    return Ok(Next::After(closed.wait));
                }
                self.conclude(id, &refreshed, None);
                let record = self
                    .begin(id, &application, *operation, &refreshed, None)
                    .await?;
                self.step(id, record, Some(&refreshed)).await
            }
            Decision::Wait(wait) => {
                Ok(Next::After(wait).min(refreshed.next_change(self.clock.now())))
            }
            Decision::Skip(reason) => {
                let error = reason
                    .error()
                    .map(|error| (super::refresh::SYNC_ERROR, error.to_owned()));
                self.conclude(id, &refreshed, error);
                Ok(refreshed.next_change(self.clock.now()))
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
        let texts = |revisions: &[Str]| -> Vec<String> {
            revisions.iter().map(ToString::to_string).collect()
        };
        let (ids, shown) = (refreshed.revision_ids(), refreshed.shown_revisions());
        let republished = {
            let known = self.known();
            let last = known.applications.get(id).map(|state| &state.operation);
            last.and_then(Option::as_ref)
                .is_some_and(|last| last.shown_revisions() == shown && last.revisions != ids)
        };
        let (ids, revisions) = (texts(&ids), texts(&shown));
        // What was pruned and is still going away needs no second sync.
        let going = |resource: &crate::comparison::Compared| {
            resource.requires_pruning && resource.live.as_ref().is_some_and(Object::is_deleting)
        };
        let out_of_sync = |resource: &&crate::comparison::Compared| {
            resource.status == Some(crate::application::SyncStatusCode::OutOfSync)
        };
        let compared = &refreshed.comparison.resources;
        if !self.options.compat.heals_what_is_going
            && compared.iter().any(going)
            && compared.iter().filter(out_of_sync).all(going)
            && application
                .status
                .operation_state
                .as_ref()
                .is_some_and(|state| state.phase.is_successful())
        {
            return Decision::Skip(SkipReason::NotOutOfSync);
        }
        let resources = std::mem::take(&mut application.status.resources);
        let situation = Situation {
            status: refreshed.comparison.status,
            revisions: &revisions,
            ids: &ids,
            republished,
            resources: &resources,
            revision_matters: true,
            now: self.clock.now(),
            backoff: self.options.self_heal_backoff,
        };
        decide(&application, &situation)
    }

    pub(super) fn running(&self, id: &ApplicationId) -> Option<OperationRecord> {
        self.known()
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
            state.interrupted = None;
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
            revisions,
            sources: refreshed.sources.clone(),
            versions: refreshed.versions(),
            content,
            settings,
            state: SyncState::new(),
            phase: OperationPhase::Running,
            message: String::new(),
            started_at: now,
            finished_at: None,
            retry_count: 0,
            retry_at: None,
            pinned: rollback_of.is_some() || is_pinned(&operation),
            operation,
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
    pub(super) async fn compare_for(
        &self,
        id: &ApplicationId,
        scene: &Scene,
        objects: &[Object],
    ) -> Comparison {
        let spec = &scene.application.spec;
        let instance = self.instance(id);
        let differ = self
            .differ_for(
                id,
                &scene.application,
                &scene.connection,
                || Ok(Arc::clone(&scene.target)),
                objects,
                &scene.discovery,
            )
            .await
            // A sync that runs does not stop for the want of an answer: it compares without.
            .map_or_else(
                |_| self.differ(&scene.application).unwrap_or_default(),
                |(differ, _)| differ,
            );
        let (shown, own) = (id.to_string(), own_key(id));
        let basis = Basis {
            application: &instance,
            shown: &shown,
            itself: Some(&own),
            namespace: &spec.destination.namespace,
            cluster: &scene.connection.cluster,
            project: &scene.project,
            registered: &scene.registered,
            discovery: &scene.discovery,
            tracking: &self.options.tracking,
            differ: &differ,
            health: self.health(),
            namespace_metadata: self.namespace_metadata(id, &scene.application),
            compat: self.options.compat,
            now: self.clock.now(),
        };
        compare(objects, &scene.connection.live.state(), &basis)
    }

    /// Tells whether the metadata that an application gives its namespace is other than what was applied last.
    pub(super) fn namespace_metadata(
        &self,
        id: &ApplicationId,
        application: &Application,
    ) -> Option<bool> {
        let policy = application.spec.sync_policy.as_ref()?;
        let wanted = policy.managed_namespace_metadata.as_ref()?;
        if application.spec.sync_option("CreateNamespace") != Some("true") {
            return Some(false);
        }
        // Where nothing was synced yet there is nothing to differ from.
        let state = self.status(id)?.operation_state;
        let result = state.and_then(|state| state.sync_result);
        Some(
            result.is_some_and(|result| result.managed_namespace_metadata.as_ref() != Some(wanted)),
        )
    }

    pub(super) fn input(
        &self,
        scene: &Scene,
        comparison: &Comparison,
        settings: &SyncSettings,
    ) -> SyncInput {
        let live_namespace = namespace(&scene.connection, &settings.namespace);
        let mut input = comparison.to_input(settings.clone(), live_namespace);
        if settings.respect_ignored {
            let differ = self.differ(&scene.application).unwrap_or_default();
            for pair in &mut input.pairs {
                if let (Some(desired), Some(live)) = (&mut pair.desired, &pair.live) {
                    *desired = differ.respect(desired, live);
                }
            }
        }
        input
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

    /// Takes an operation one step further. `refreshed` is what the source says now, where that is known.
    pub(super) async fn step(
        &self,
        id: &ApplicationId,
        mut record: OperationRecord,
        refreshed: Option<&Refreshed>,
    ) -> Result<Next, EngineError> {
        let now = self.clock.now();
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
        let timeout = self.timeout_of(&scene.application);
        if !timeout.is_zero() && now.since(record.started_at) > timeout {
            let message = format!(
                "Operation terminated: it took longer than {}s",
                timeout.as_secs()
            );
            return self.cut_short(id, record, message).await;
        }
        if let Some(at) = record.retry_at
            && now < at
        {
            // A clock that was set back does not make anybody wait longer than was said.
            let longest = self.retry_wait(&record.operation.retry, record.retry_count);
            if at.since(now) > longest {
                record.retry_at = Some(now + longest);
                self.save_operation(id, &record).await?;
                self.keep(id, &record);
            }
            return Ok(Next::After(at.since(now).min(longest)));
        }
        let manual = !record.operation.initiated_by.automated;
        if let Some(closed) = self.closed(&scene.stage, manual, Some(record.started_at)) {
            if record.message != closed.message {
                record.message = closed.message;
                self.save_operation(id, &record).await?;
                self.keep(id, &record);
                let message = record.message;
                self.emit(id, EventKind::OperationProgressed { message });
            }
            return Ok(Next::After(closed.wait));
        }
        if record.retry_at.take().is_some() {
            record.finished_at = None;
            record.state = SyncState::new();
            if record.operation.retry.refresh
                && let Some(newer) = refreshed
            {
                self.repin(id, &mut record, newer).await?;
            }
            if let Some(now) = refreshed.filter(|now| now.revision_ids() == record.revisions) {
                heal_what_differs(&mut record, now);
            }
            self.emit(
                id,
                EventKind::OperationStarted {
                    revision: shown_revision(record.shown_revisions()),
                    initiated_by: "retry".into(),
                    retry: record.retry_count,
                },
            );
        }
        let objects = self.objects_of(id, &record).await?;
        record.objects = Some(Arc::clone(&objects));
        record.settings.prune_confirmed =
            crate::deletion::is_approved(&scene.application, record.started_at);
        let comparison = self.compare_for(id, &scene, &objects).await;
        // What is not known is not acted on: not even what seems to be missing.
        if let Some(message) = awaits_listing(&comparison) {
            if record.message != message {
                record.message = message;
                self.save_operation(id, &record).await?;
                self.keep(id, &record);
                let message = record.message;
                self.emit(id, EventKind::OperationProgressed { message });
            }
            return Ok(Next::After(self.options.step));
        }
        if record.settings.fail_on_shared
            && let Some(shared) = shared_resource(&comparison)
        {
            record.phase = OperationPhase::Failed;
            record.message = format!("Shared resource found: {shared}");
            return self.finish(id, record).await;
        }
        let input = self.input(&scene, &comparison, &record.settings);
        let before = record.state.clone();
        {
            let snapshot = record.clone();
            let world = ClusterWorld {
                engine: self,
                id,
                scene: &scene,
                record: Some(&snapshot),
            };
            record.state.step(&input, &world).await;
        }
        self.tell_progress(id, &before, &record.state);
        record.phase = record.state.phase();
        record.message = record.state.message().to_owned();
        if record.phase.is_completed() {
            if !record.phase.is_successful() && !record.message.contains("reason: ") {
                record.message = record.state.with_reasons(&record.message);
            }
            return self.finish(id, record).await;
        }
        if record.state != before {
            self.save_operation(id, &record).await?;
        }
        self.keep(id, &record);
        Ok(Next::After(self.options.step))
    }

    /// Lets an operation that is tried again take what the source says now.
    async fn repin(
        &self,
        id: &ApplicationId,
        record: &mut OperationRecord,
        newer: &Refreshed,
    ) -> Result<(), EngineError> {
        if record.pinned || newer.hold.is_some() || newer.revision_ids() == record.revisions {
            return Ok(());
        }
        let (content, put) = History::pack(id, &newer.desired);
        record.content = content;
        record.revisions = newer.revision_ids();
        record.versions = newer.versions();
        record.sources.clone_from(&newer.sources);
        record.settings.revision = newer.shown_revision();
        record.objects = Some(Arc::clone(&newer.desired));
        if let Some(sync) = &mut record.operation.sync {
            // The operation names the revision that it syncs, where it does so at all.
            let shown = newer.shown_revisions();
            let shown: Vec<String> = shown.iter().map(ToString::to_string).collect();
            if !sync.revision.is_empty() {
                sync.revision = shown.concat();
            }
            if !sync.revisions.is_empty() {
                sync.revisions = shown;
            }
        }
        self.store
            .write(vec![put, put_operation(id, record)?])
            .await?;
        Ok(())
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

    /// Returns how long an operation waits at most for the try of a number.
    fn retry_wait(&self, retry: &RetryStrategy, count: i64) -> Duration {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        delay(retry, count).unwrap_or(self.options.poll)
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
            let said = wait;
            let wait = match self.options.compat.retry_waits_longer {
                true => delay(
                    &retry,
                    u32::try_from(record.retry_count + 1).unwrap_or(u32::MAX),
                )
                .unwrap_or(said),
                false => said,
            };
            let message = format!(
                "{}. Retrying attempt #{} in {} seconds.",
                record.message,
                record.retry_count + 1,
                said.as_secs()
            );
            record.retry_count += 1;
            record.retry_at = Some(now + wait);
            // What came of this try stays to be read until the next one begins.
            record.finished_at = Some(now);
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
        record.retry_at = None;
        let mut batch = vec![put_operation(id, &record)?];
        let deployed = record.phase.is_successful() && record.is_full();
        let objects = self.objects_of(id, &record).await?;
        let execution = Execution {
            id: 0,
            operation: record.operation.clone(),
            revisions: record.revisions.clone(),
            versions: record.versions.clone(),
            sources: record.sources.clone(),
            settings: record.settings.clone(),
            started_at: record.started_at,
            finished_at: now,
            phase: record.phase,
            message: record.message.clone(),
            retry_count: record.retry_count,
            rollback_of: record.rollback_of,
            results: record.state.results().to_vec(),
            objects: objects.len(),
            content: record.content.clone(),
        };
        let held = self.load_hold(id).await?.map(|hold| hold.content);
        let limits = Limits {
            history: self.history_limit(id),
            executions: self.options.execution_limit,
        };
        batch.extend(
            self.history
                .conclude(
                    id,
                    execution,
                    deployed,
                    &objects,
                    held.as_ref(),
                    limits,
                    self.next_entry(id),
                )
                .await?
                .1,
        );
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
                revision: shown_revision(record.shown_revisions()),
                dry_run: (record.operation.sync.as_ref()).is_some_and(|sync| sync.dry_run),
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

/// Lets a sync that heals and is tried again heal what differs now: what it needs may have gone meanwhile as well.
fn heal_what_differs(record: &mut OperationRecord, now: &Refreshed) {
    let Some(sync) = &mut record.operation.sync else {
        return;
    };
    if !record.operation.initiated_by.automated || sync.resources.is_empty() {
        return;
    }
    let resources: Vec<ResourceStatus> = now
        .comparison
        .resources
        .iter()
        .map(|resource| resource.to_wire())
        .collect();
    let differ = crate::autosync::out_of_sync(&resources);
    if differ.is_empty() || differ == sync.resources {
        return;
    }
    sync.resources = differ;
    let key = |r: &SyncOperationResource| {
        let (group, kind) = (r.group.as_str(), r.kind.as_str());
        ObjectKey::new(group, kind, r.namespace.as_str(), r.name.as_str())
    };
    record.settings.selection = Some(sync.resources.iter().map(key).collect());
}

/// Whether an operation says itself what is to be synced. One that begins without being asked names the revision that was
/// compared; it follows the source all the same.
pub(super) fn is_pinned(operation: &Operation) -> bool {
    let given = |source: &Option<ApplicationSource>| source.is_some();
    operation.sync.as_ref().is_some_and(|sync| {
        !sync.manifests.is_empty()
            || given(&sync.source)
            || !sync.sources.is_empty()
            || !operation.initiated_by.automated
                && (!sync.revision.is_empty() || !sync.revisions.is_empty())
    })
}

/// Tells for which kinds a sync waits as their objects are not known.
pub(super) fn awaits_listing(comparison: &Comparison) -> Option<String> {
    let (kind, reason) = comparison.unlisted.first_key_value()?;
    Some(format!(
        "waiting until objects of kind {kind} can be listed: {reason}"
    ))
}

/// Returns what is said of an object that is another application's as well.
pub(super) fn shared_resource(comparison: &Comparison) -> Option<&str> {
    let shared: Option<&(&str, String)> = comparison
        .conditions
        .iter()
        .find(|(kind, _)| *kind == "SharedResourceWarning");
    shared.map(|(_, message)| message.as_str())
}

/// Returns the key of the object of an application.
pub(super) fn own_key(id: &ApplicationId) -> ObjectKey {
    ObjectKey::new(
        "argoproj.io",
        "Application",
        id.namespace.clone(),
        id.name.clone(),
    )
}
