//! What the object of an application asks for: an operation, its end, a look at the sources. And what is known of an
//! application from its status where the store knows nothing.

use std::sync::Arc;

use gitops_manifest::{ObjectKey, Str};

use super::operate::is_pinned;
use super::record::{put_operation, settings};
use super::{ApplicationState, Engine, EngineError, Next, OperationRecord, Refreshed};
use crate::application::{
    Application, Operation, OperationPhase, OperationState, ResourceResult, RevisionHistory,
    SyncOperation,
};
use crate::sync::{HookType, SyncPhase, SyncState, TaskResult};
use crate::{ApplicationId, History, HistoryEntry, Write};

impl ApplicationState {
    /// Takes over what is stored of an application. Where nothing is, as in an engine with a store of its own, what
    /// its status says stays.
    pub(super) fn adopt(&mut self, history: &[HistoryEntry], record: Option<OperationRecord>) {
        self.show_history(history, usize::MAX);
        let shown = self.status.operation_state.take();
        match &record {
            Some(record) => {
                // The operation that is asked for is the stored one, unless that one's end was told already: then
                // the same is asked for again.
                let told = shown.is_some_and(|shown| {
                    shown.phase.is_completed()
                        && shown.started_at == Some(record.started_at.to_second())
                });
                if self.pending.as_ref() == Some(&record.operation) && !told {
                    self.taken = self.pending.take();
                }
                self.status.operation_state = Some(record.to_wire());
            }
            // One that runs according to the status and is not stored was begun with another store: it goes on.
            None => {
                self.interrupted = shown.clone().filter(|shown| {
                    !shown.phase.is_completed() && !tried_revisions(shown).concat().is_empty()
                });
                if let Some(interrupted) = &self.interrupted
                    && self.pending.as_ref() == Some(&interrupted.operation)
                {
                    self.taken = self.pending.take();
                }
                // Where it had not come far enough to know its revision, it is begun anew by whoever asks.
                self.status.operation_state =
                    shown.filter(|shown| shown.phase.is_completed() || self.interrupted.is_some());
            }
        }
        self.operation = record;
    }

    /// Shows history in the status: what is stored, behind what the status holds from before that was begun.
    pub(super) fn show_history(&mut self, stored: &[HistoryEntry], limit: usize) {
        let first = stored.first().map_or(i64::MAX, |entry| entry.id);
        let mut history: Vec<RevisionHistory> = std::mem::take(&mut self.status.history);
        history.retain(|entry| entry.id < first);
        history.extend(stored.iter().map(HistoryEntry::to_wire));
        let surplus = history.len().saturating_sub(limit);
        history.drain(..surplus);
        self.status.history = history;
    }
}

/// Returns the revisions that an operation is of, one per source.
fn tried_revisions(state: &OperationState) -> Vec<String> {
    match &state.sync_result {
        None => Vec::new(),
        Some(result) if result.revisions.is_empty() => vec![result.revision.clone()],
        Some(result) => result.revisions.clone(),
    }
}

/// Reads what a status says of an object of a sync.
fn task_result(result: &ResourceResult) -> Option<TaskResult> {
    Some(TaskResult {
        key: ObjectKey::new(
            result.group.as_str(),
            result.kind.as_str(),
            result.namespace.as_str(),
            result.name.as_str(),
        ),
        version: result.version.as_str().into(),
        phase: SyncPhase::parse(&result.sync_phase)?,
        hook: HookType::parse(&result.hook_type),
        wave: 0,
        status: result.status,
        state: result.hook_phase,
        message: result.message.clone(),
        images: result
            .images
            .iter()
            .map(|image| image.as_str().into())
            .collect(),
    })
}

impl Engine {
    /// Whether an operation that was begun with another store waits to be gone on with.
    pub(super) fn is_interrupted(&self, id: &ApplicationId) -> bool {
        let known = self.known();
        let state = known.applications.get(id);
        state.is_some_and(|state| state.interrupted.is_some())
    }

    /// Takes over an operation that was begun with another store, as far as the status tells of it: with the revision that
    /// it is of, and what became of each object so far. Hooks that have run are not run again.
    pub(super) async fn resume(
        &self,
        id: &ApplicationId,
        application: &Arc<Application>,
        refreshed: &Arc<Refreshed>,
    ) -> Result<(), EngineError> {
        let interrupted = match self.known().applications.get(id) {
            Some(state) => state.interrupted.clone(),
            None => None,
        };
        let Some(shown) = interrupted else {
            return Ok(());
        };
        let revisions = tried_revisions(&shown);
        let (operation, result) = (shown.operation, shown.sync_result.unwrap_or_default());
        let sources = match &result.source {
            _ if !result.sources.is_empty() => result.sources.clone(),
            Some(source) => vec![source.clone()],
            None => application.spec.sources(),
        };
        let manifests = match &operation.sync {
            Some(sync) => sync.manifests.clone(),
            None => Vec::new(),
        };
        let is_now = {
            let named = |names: &[Str]| {
                names
                    .iter()
                    .map(Str::as_str)
                    .eq(revisions.iter().map(String::as_str))
            };
            refreshed.hold.is_none()
                && refreshed.sources == sources
                && (named(&refreshed.shown_revisions()) || named(&refreshed.revision_ids()))
        };
        let wanted = if is_now && manifests.is_empty() {
            Ok(Arc::clone(refreshed))
        } else {
            let mut other = Application::clone(application);
            other.spec.source_hydrator = None;
            let mut pinned = sources.clone();
            for (source, revision) in pinned.iter_mut().zip(&revisions) {
                source.target_revision.clone_from(revision);
            }
            if result.sources.is_empty() {
                (other.spec.source, other.spec.sources) = (pinned.pop(), Vec::new());
            } else {
                (other.spec.source, other.spec.sources) = (None, pinned);
            }
            self.refresh_other(id, &Arc::new(other), &manifests).await?
        };
        let started_at = shown.started_at.unwrap_or_else(|| self.clock.now());
        // One that waits to be tried again begins with nothing done.
        let done = match shown.finished_at {
            Some(_) => SyncState::new(),
            None => {
                SyncState::of_results(result.resources.iter().filter_map(task_result).collect())
            }
        };
        let texts = |revisions: &[String]| -> Vec<Str> {
            revisions.iter().map(|r| r.as_str().into()).collect()
        };
        let shown_revision = crate::comparison::shown_revision(&texts(&revisions));
        let settings = settings(application, &operation, shown_revision.clone(), started_at);
        let mut record = OperationRecord {
            pinned: is_pinned(&operation),
            operation,
            revisions: texts(&revisions),
            versions: Vec::new(),
            sources,
            content: History::pack(id, &[]).0,
            settings,
            state: done,
            phase: OperationPhase::Running,
            message: shown.message,
            started_at,
            finished_at: None,
            retry_count: shown.retry_count,
            retry_at: None,
            rollback_of: None,
            objects: None,
        };
        match wanted {
            Ok(wanted) => {
                let (content, put) = History::pack(id, &wanted.desired);
                record.revisions = wanted.revision_ids();
                record.versions = wanted.versions();
                record.content = content;
                record.objects = Some(Arc::clone(&wanted.desired));
                self.store
                    .write(vec![put, put_operation(id, &record)?])
                    .await?;
                self.keep(id, &record);
            }
            Err(reason) => {
                record.phase = OperationPhase::Error;
                record.message = format!(
                    "the sync of revision {shown_revision} was interrupted and cannot go on: {reason}"
                );
                record.objects = Some(Arc::from([]));
                self.store.write(vec![History::pack(id, &[]).1]).await?;
                self.finish_now(id, record).await?;
            }
        }
        if let Some(state) = self.known().applications.get_mut(id) {
            state.interrupted = None;
        }
        Ok(())
    }

    /// Returns the number of the next entry of an application's history, as its status counts.
    pub(super) fn next_entry(&self, id: &ApplicationId) -> i64 {
        let known = self.known();
        let last = known
            .applications
            .get(id)
            .and_then(|state| state.status.history.last());
        last.map_or(0, |last| last.id + 1)
    }

    /// Forgets what is stored of an application whose object is gone, before another of its name begins.
    pub(super) async fn forget_gone(&self, id: &ApplicationId) -> Result<(), EngineError> {
        if !self.known().gone.remove(id) {
            return Ok(());
        }
        let mut batch = vec![
            Write::Remove(OperationRecord::key(id)),
            Write::Remove(super::Hold::key(id)),
        ];
        for folder in History::folders(id) {
            batch.extend(
                self.store
                    .keys(&folder)
                    .await?
                    .into_iter()
                    .map(Write::Remove),
            );
        }
        self.store.write(batch).await?;
        Ok(())
    }

    /// Has the sources of an application asked again before they are next needed.
    pub(super) fn expire_sources(&self, id: &ApplicationId) {
        let references = match self.known().applications.get(id) {
            Some(state) => state.references.clone(),
            None => return,
        };
        for reference in &references {
            self.resolutions.expire(reference);
            self.source.invalidate(&reference.repo);
        }
    }

    /// Sees to it that a look at an application that was asked for goes to its sources, and where it was asked for
    /// hard, that nothing is reused.
    pub(super) fn answer_refresh(&self, id: &ApplicationId) {
        let hard = {
            let mut known = self.known();
            let Some(state) = known.applications.get_mut(id) else {
                return;
            };
            // An operation is asked for now: it is of what the sources say now.
            let hard = match (state.refresh.take(), &state.pending) {
                (Some(hard), _) => hard,
                (None, Some(_)) => false,
                (None, None) => return,
            };
            if hard {
                state.refreshed = None;
            }
            hard
        };
        if hard {
            self.renders.forget(id);
        }
        self.expire_sources(id);
    }

    /// Whether the operation that runs is to stop. Asked once, it is noted as heard.
    pub(super) fn is_to_stop(&self, id: &ApplicationId) -> bool {
        let mut known = self.known();
        let state = known.applications.get_mut(id);
        state.is_some_and(|state| std::mem::take(&mut state.terminate))
    }

    /// Takes up the operation that an application's object asks for.
    pub(super) fn take_up(&self, id: &ApplicationId) -> Option<Operation> {
        let mut known = self.known();
        let state = known.applications.get_mut(id)?;
        // What asked for the end of an earlier operation does not concern this one.
        state.terminate = false;
        state.taken = Some(state.pending.take()?);
        state.taken.clone()
    }

    /// Begins an operation that an application's object asks for, with the sources and revisions that it names.
    pub(super) async fn begin_requested(
        &self,
        id: &ApplicationId,
        operation: Operation,
        refreshed: Option<Arc<Refreshed>>,
    ) -> Result<Next, EngineError> {
        let application = self
            .application(id)
            .ok_or_else(|| EngineError::NoSuchApplication {
                application: id.clone(),
            })?;
        let Some(sync) = &operation.sync else {
            let reason = "Invalid operation request: no operation specified".to_owned();
            return self.refuse(id, &application, operation, reason).await;
        };
        let now = refreshed.as_deref();
        if let Some(entry) = self.asked_back(id, &application, sync, now).await? {
            let (record, refreshed) = self.bring_back(id, &application, &entry, operation).await?;
            return self.step(id, record, Some(&refreshed)).await;
        }
        let given = || (!sync.manifests.is_empty()).then(|| Application::clone(&application));
        let refreshed = match overridden(&application, sync).or_else(given) {
            Some(wanted) => match self
                .refresh_other(id, &Arc::new(wanted), &sync.manifests)
                .await?
            {
                Ok(refreshed) => refreshed,
                Err(reason) => {
                    return self.refuse(id, &application, operation, reason).await;
                }
            },
            None => match refreshed {
                Some(refreshed) => refreshed,
                None => {
                    let conditions = self.conditions_of(id);
                    let reasons: Vec<String> = conditions
                        .into_iter()
                        .filter(crate::application::Condition::is_error)
                        .map(|c| c.message)
                        .collect();
                    return self
                        .refuse(id, &application, operation, reasons.join("; "))
                        .await;
                }
            },
        };
        if let Err(error) = self.guard_empty(id, &application, &refreshed, sync.prune) {
            let reason = super::chain(&error);
            return self.refuse(id, &application, operation, reason).await;
        }
        let record = self
            .begin(id, &application, operation, &refreshed, None)
            .await?;
        self.step(id, record, Some(&refreshed)).await
    }

    /// Returns the entry of the history that an operation brings back: one as `argocd app rollback` asks for, of an
    /// application that is synced by itself. Without a hold the next look would undo it.
    async fn asked_back(
        &self,
        id: &ApplicationId,
        application: &Application,
        sync: &SyncOperation,
        now: Option<&Refreshed>,
    ) -> Result<Option<HistoryEntry>, EngineError> {
        let applies = sync
            .sync_strategy
            .as_ref()
            .is_some_and(|s| s.apply.is_some());
        let partial = !sync.resources.is_empty() || !sync.manifests.is_empty();
        if application.spec.automated().is_none() || !applies || sync.dry_run || partial {
            return Ok(None);
        }
        let (sources, revisions) = match &sync.source {
            _ if !sync.sources.is_empty() => (&*sync.sources, &*sync.revisions),
            Some(source) => (
                std::slice::from_ref(source),
                std::slice::from_ref(&sync.revision),
            ),
            None => return Ok(None),
        };
        // A chart is named by its version; its digest is unmistakable, and what earlier releases wrote.
        let named = |ids: &[Str], shown: &[Str]| {
            let named = |known: &[Str]| known.iter().map(Str::as_str).eq(revisions);
            named(ids) || named(shown)
        };
        if now.is_some_and(|now| named(&now.revision_ids(), &now.shown_revisions())) {
            return Ok(None);
        }
        let entries = self.history.entries(id).await?;
        let mut entries = entries.into_iter().rev();
        Ok(entries.find(|entry| {
            entry.sources == sources && named(&entry.revisions, entry.shown_revisions())
        }))
    }

    /// Ends an operation that cannot be begun.
    async fn refuse(
        &self,
        id: &ApplicationId,
        application: &Application,
        operation: Operation,
        reason: String,
    ) -> Result<Next, EngineError> {
        let now = self.clock.now();
        let sync = operation.sync.clone().unwrap_or_default();
        let revisions = if sync.revisions.is_empty() {
            vec![sync.revision.as_str().into()]
        } else {
            sync.revisions.iter().map(|r| r.as_str().into()).collect()
        };
        let (content, put) = History::pack(id, &[]);
        let settings = settings(application, &operation, sync.revision.as_str().into(), now);
        let record = OperationRecord {
            operation,
            revisions,
            versions: Vec::new(),
            sources: application.spec.sources(),
            content,
            settings,
            state: SyncState::new(),
            phase: OperationPhase::Error,
            message: reason,
            started_at: now,
            finished_at: None,
            retry_count: 0,
            retry_at: None,
            rollback_of: None,
            pinned: true,
            objects: Some(Arc::from([])),
        };
        self.store.write(vec![put]).await?;
        self.finish_now(id, record).await
    }
}

/// Returns the application with the sources and revisions that an operation names, where it names any that are not
/// the application's own.
fn overridden(application: &Application, sync: &SyncOperation) -> Option<Application> {
    let mut wanted = application.clone();
    let spec = &mut wanted.spec;
    if !sync.sources.is_empty() {
        spec.source_hydrator = None;
        spec.source = None;
        spec.sources.clone_from(&sync.sources);
    } else if let Some(source) = &sync.source {
        spec.source_hydrator = None;
        spec.source = Some(source.clone());
        spec.sources = Vec::new();
    }
    let several = spec.source_hydrator.is_none() && !spec.sources.is_empty();
    if several {
        for (source, revision) in spec.sources.iter_mut().zip(&sync.revisions) {
            if !revision.is_empty() {
                source.target_revision.clone_from(revision);
            }
        }
    } else if !sync.revision.is_empty() {
        match (&mut spec.source_hydrator, &mut spec.source) {
            (Some(hydrator), _) => hydrator
                .sync_source
                .target_branch
                .clone_from(&sync.revision),
            (None, Some(source)) => source.target_revision.clone_from(&sync.revision),
            (None, None) => {}
        }
    }
    (wanted.spec != application.spec).then_some(wanted)
}
