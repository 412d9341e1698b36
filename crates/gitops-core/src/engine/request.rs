use std::sync::Arc;

use gitops_manifest::Object;

use super::record::settings;
use super::world::ClusterWorld;
use super::{Engine, EngineError, Hold, Next, OperationRecord, Refreshed, SyncRequest};
use crate::application::{Application, OperationPhase, RetryStrategy};
use crate::comparison::shown_revision;
use crate::diffing::Differ;
use crate::plan::Plan;
use crate::sync::{SyncSettings, SyncState};
use crate::{ApplicationId, EventKind, History, HistoryEntry, StoreError, Write};

impl Engine {
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
        self.touch(id);
        Ok(())
    }

    /// Refreshes an application that is about to be synced.
    pub(super) async fn ready(&self, id: &ApplicationId) -> Result<Arc<Refreshed>, EngineError> {
        // Somebody asks now: what the sources said a while ago does not count.
        self.expire_sources(id);
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
    pub(super) fn guard_empty(
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
        let Some(record) = self.running(id) else {
            return Err(EngineError::NotReady {
                application: id.clone(),
                reason: "no operation is in progress".into(),
            });
        };
        self.stop(id, record).await?;
        Ok(())
    }

    /// Stops an operation: what it waits for is not waited for, and it is not tried again.
    pub(super) async fn stop(
        &self,
        id: &ApplicationId,
        mut record: OperationRecord,
    ) -> Result<Next, EngineError> {
        let scene = self.scene(id).await?;
        let objects = self.objects_of(id, &record).await?;
        record.objects = Some(Arc::clone(&objects));
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
        self.finish(id, record).await
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
        self.touch(id);
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
        self.touch(id);
        Ok(())
    }
}

/// Returns the last entry before the present one that was healthy and is not the same as the present one.
fn last_good(entries: &[HistoryEntry]) -> Option<&HistoryEntry> {
    let (present, earlier) = entries.split_last()?;
    earlier
        .iter()
        .rev()
        .find(|entry| entry.healthy_at.is_some() && entry.content != present.content)
}
