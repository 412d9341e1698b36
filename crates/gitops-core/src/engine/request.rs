use std::sync::Arc;

use gitops_manifest::Object;

use super::operate::{awaits_listing, shared_resource};
use super::record::settings;
use super::world::ClusterWorld;
use super::{Engine, EngineError, Hold, Next, OperationRecord, Refreshed, SyncRequest};
use crate::application::{Application, Operation, OperationPhase, RetryStrategy, SKIP_RECONCILE};
use crate::comparison::shown_revision;
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
        self.check_free(id)?;
        let application = self
            .application(id)
            .ok_or_else(|| EngineError::NoSuchApplication {
                application: id.clone(),
            })?;
        let operation = request.to_operation(&application);
        let refreshed = self.ready_for(id, &application, &operation).await?;
        self.guard_empty(id, &application, &refreshed, request.prune)?;
        let stage = self.stage(id)?;
        if let Some(closed) = self.closed(&stage, true, None) {
            return Err(EngineError::NotReady {
                application: id.clone(),
                reason: closed.message,
            });
        }
        self.begin(id, &application, operation, &refreshed, None)
            .await?;
        self.touch(id);
        Ok(())
    }

    /// Refuses where something is done already, or nothing is to be done.
    fn check_free(&self, id: &ApplicationId) -> Result<(), EngineError> {
        if self.running(id).is_some() {
            return Err(EngineError::Busy {
                application: id.clone(),
            });
        }
        self.check_not_left_alone(id)
    }

    fn check_not_left_alone(&self, id: &ApplicationId) -> Result<(), EngineError> {
        match self.application(id) {
            Some(application) if application.is_left_alone() => Err(EngineError::NotReady {
                application: id.clone(),
                reason: format!("its annotation {SKIP_RECONCILE} says that it is left alone"),
            }),
            _ => Ok(()),
        }
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

    /// Returns what an operation is to sync: what the source says, or what the operation itself does.
    pub(super) async fn ready_for(
        &self,
        id: &ApplicationId,
        application: &Arc<Application>,
        operation: &Operation,
    ) -> Result<Arc<Refreshed>, EngineError> {
        let sync = operation.sync.clone().unwrap_or_default();
        let given = !sync.revision.is_empty()
            || !sync.revisions.is_empty()
            || sync.source.is_some()
            || !sync.sources.is_empty()
            || !sync.manifests.is_empty();
        if !given {
            return self.ready(id).await;
        }
        let not_ready = |reason: String| EngineError::NotReady {
            application: id.clone(),
            reason,
        };
        let mut sources = application.spec.sources();
        if !sync.sources.is_empty() {
            sources.clone_from(&sync.sources);
        } else if let Some(source) = &sync.source {
            sources = vec![source.clone()];
        }
        let revisions = if sync.revisions.is_empty() {
            vec![sync.revision.clone()]
        } else {
            sync.revisions.clone()
        };
        let automated = application.spec.automated().is_some() && !sync.dry_run;
        for (source, revision) in sources.iter_mut().zip(revisions) {
            if revision.is_empty() {
                continue;
            }
            if automated && revision != source.target_revision {
                return Err(not_ready(format!(
                    "cannot sync to {revision}: automated sync is set to {}, and would go back to it",
                    if source.target_revision.is_empty() {
                        "HEAD"
                    } else {
                        &source.target_revision
                    }
                )));
            }
            source.target_revision = revision;
        }
        if automated && !sync.manifests.is_empty() {
            return Err(not_ready(
                "cannot sync given manifests while automated sync is on: it would go back to what the source says"
                    .into(),
            ));
        }
        let mut other = Application::clone(application);
        other.spec.source_hydrator = None;
        match sources.len() {
            1 => (other.spec.source, other.spec.sources) = (sources.pop(), Vec::new()),
            _ => other.spec.sources = sources,
        }
        self.refresh_other(id, &Arc::new(other), &sync.manifests)
            .await?
            .map_err(not_ready)
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
        record: OperationRecord,
    ) -> Result<Next, EngineError> {
        self.cut_short(id, record, "Operation terminated".into())
            .await
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
        self.check_not_left_alone(id)?;
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
        let request = SyncRequest {
            prune: true,
            skip_hooks: true,
            ..SyncRequest::by(user)
        };
        let operation = request.to_operation(&application);
        self.bring_back(id, &application, &entry, operation).await?;
        self.touch(id);
        Ok(entry)
    }

    /// Makes an entry of the history what is desired, and begins the operation that brings it back.
    pub(super) async fn bring_back(
        &self,
        id: &ApplicationId,
        application: &Application,
        entry: &HistoryEntry,
        operation: Operation,
    ) -> Result<(OperationRecord, Arc<Refreshed>), EngineError> {
        let (from, from_versions) = match self.refreshed(id) {
            Some(refreshed) => match &refreshed.hold {
                Some(hold) => (hold.from.clone(), hold.from_versions.clone()),
                None => (refreshed.revision_ids(), refreshed.versions()),
            },
            None => {
                let entries = self.history.entries(id).await?;
                let last = entries.into_iter().next_back();
                last.map(|last| (last.revisions, last.versions))
                    .unwrap_or_default()
            }
        };
        let hold = Hold {
            from,
            from_versions,
            entry: entry.id,
            revisions: entry.revisions.clone(),
            versions: entry.versions.clone(),
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
        let record = self
            .begin(id, application, operation, &refreshed, Some(entry.id))
            .await?;
        Ok((record, refreshed))
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
        let scene = self.scene(id).await?;
        let operation = request.to_operation(&scene.application);
        let refreshed = self.ready_for(id, &scene.application, &operation).await?;
        if let Some(reason) = awaits_listing(&refreshed.comparison) {
            return Err(EngineError::NotReady {
                application: id.clone(),
                reason,
            });
        }
        self.guard_empty(id, &scene.application, &refreshed, request.prune)?;
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
            scene: &scene,
            record: None,
        };
        let (tasks, mut complaints) = SyncState::new().tasks(&input, &world);
        if settings.fail_on_shared
            && let Some(shared) = shared_resource(&refreshed.comparison)
        {
            complaints.push(format!("Shared resource found: {shared}"));
        }
        Ok(Plan::new(
            id.clone(),
            &refreshed,
            operation,
            settings,
            &tasks,
            complaints,
            refreshed.differ(),
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
        self.check_free(id)?;
        if !plan.complaints.is_empty() {
            return Err(EngineError::NotReady {
                application: id.clone(),
                reason: plan.complaints.join("; "),
            });
        }
        let scene = self.scene(id).await?;
        if let Some(closed) = self.closed(&scene.stage, true, None) {
            return Err(EngineError::NotReady {
                application: id.clone(),
                reason: closed.message,
            });
        }
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
            versions: plan.versions.clone(),
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
            pinned: true,
            objects: Some(objects),
        };
        self.store.write(vec![put]).await?;
        self.save_operation(id, &record).await?;
        self.keep(id, &record);
        self.emit(
            id,
            EventKind::OperationStarted {
                revision: shown_revision(record.shown_revisions()),
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
