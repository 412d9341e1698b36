use std::borrow::Borrow;
use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use gitops_health::HealthStatus;
use gitops_manifest::{Object, ObjectKey, Str};
use serde::{Deserialize, Serialize};

use super::is_namespace;
use super::tasks::{Built, build, prune_option, result_of};
use super::{
    HOOK_FINALIZER, HookDeletePolicy, HookType, SyncInput, SyncPhase, SyncSettings, Task, World,
    WriteMode, WriteRequest, has_option,
};
use crate::application::{OperationPhase, ResultCode};

/// How many objects of one kind are written at the same time.
const CONCURRENCY: usize = 16;

/// What became of one object in one phase of a sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskResult {
    /// The object.
    pub key: ObjectKey,
    /// Its version.
    pub version: Str,
    /// The phase.
    pub phase: SyncPhase,
    /// The type of the hook, for a hook.
    pub hook: Option<HookType>,
    /// The wave.
    pub wave: i64,
    /// What became of it.
    pub status: Option<ResultCode>,
    /// How far it has come.
    pub state: Option<OperationPhase>,
    /// What there is to say of it.
    pub message: String,
    /// The images of its containers, where it is a workload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Str>,
}

/// A hook that was about to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    key: ObjectKey,
    phase: SyncPhase,
    /// The UID of the object that was there before, if any.
    replaces: Option<Str>,
}

/// How far a sync has come: all that must be kept from one step to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncState {
    phase: OperationPhase,
    message: String,
    /// In the order in which they were first recorded; a sync has far fewer phases than objects, so that the
    /// look-up goes by key.
    results: Vec<TaskResult>,
    begun: Vec<Begun>,
    #[serde(skip)]
    index: std::collections::HashMap<(ObjectKey, SyncPhase), usize>,
    /// The hooks whose finalizer was asked to go in this step: the tasks of one object share what is there.
    #[serde(skip)]
    released: Vec<ObjectKey>,
}

/// How running a set of tasks went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RunState {
    Successful,
    Pending,
    Failed,
}

impl SyncState {
    /// Begins a sync.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how far the sync has come.
    #[must_use]
    pub const fn phase(&self) -> OperationPhase {
        self.phase
    }

    /// Returns what there is to say of the sync, in one line where it goes well.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns what became of each object, in the order in which it was first touched.
    #[must_use]
    pub fn results(&self) -> &[TaskResult] {
        &self.results
    }

    /// Returns what is said of a sync that failed, with the reasons of the objects that did, each once and none at length.
    #[must_use]
    pub fn with_reasons(&self, message: &str) -> String {
        let mut reasons: Vec<String> = Vec::new();
        let failed = |result: &&TaskResult| result.status == Some(ResultCode::SyncFailed);
        for result in self.results.iter().filter(failed) {
            let reason = shortened(&result.message);
            if !reason.is_empty() && !reasons.contains(&reason) && !message.contains(&*reason) {
                reasons.push(reason);
            }
        }
        if reasons.is_empty() {
            message.to_owned()
        } else {
            format!("{message}, reason: {}", reasons.join("; "))
        }
    }

    /// Whether a hook runs.
    #[must_use]
    pub fn runs_hook(&self) -> bool {
        self.results.iter().any(|result| {
            result.hook.is_some() && matches!(result.state, Some(OperationPhase::Running))
        })
    }

    /// Makes a state of what is known of each object of a sync that is under way.
    #[must_use]
    pub fn of_results(results: Vec<TaskResult>) -> Self {
        Self {
            results,
            ..Self::default()
        }
        .restored()
    }

    /// Brings a state that was read from a store back into use.
    #[must_use]
    pub fn restored(mut self) -> Self {
        self.index = self
            .results
            .iter()
            .enumerate()
            .map(|(i, r)| ((r.key.clone(), r.phase), i))
            .collect();
        self
    }

    pub(super) fn result(&self, key: &ObjectKey, phase: SyncPhase) -> Option<&TaskResult> {
        self.index
            .get(&(key.clone(), phase))
            .map(|i| &self.results[*i])
    }

    /// Whether a hook was made in this sync though no result tells so.
    pub(super) fn was_begun(
        &self,
        key: &ObjectKey,
        phase: SyncPhase,
        live: Option<&Object>,
    ) -> bool {
        let Some(live) = live else { return false };
        self.begun.iter().any(|begun| {
            begun.key == *key
                && begun.phase == phase
                && begun.replaces.as_deref() != Some(live.uid())
        })
    }

    fn set(&mut self, phase: OperationPhase, message: impl Into<String>) {
        self.phase = phase;
        self.message = message.into();
    }

    fn record(
        &mut self,
        task: &mut Task,
        status: Option<ResultCode>,
        state: Option<OperationPhase>,
        message: impl Into<String>,
    ) {
        task.status = status.or(task.status);
        task.state = state;
        let message = message.into();
        // What was said last stays where there is nothing new to say.
        if !message.is_empty() {
            task.message = message;
        }
        self.put(result_of(task));
    }

    fn put(&mut self, result: TaskResult) {
        let key = (result.key.clone(), result.phase);
        match self.index.get(&key) {
            Some(&i) => self.results[i] = result,
            None => {
                self.index.insert(key, self.results.len());
                self.results.push(result);
            }
        }
    }

    /// Returns the tasks as they stand, sorted, and the complaints about those that cannot be carried out.
    #[must_use]
    pub fn tasks(&self, input: &SyncInput, world: &dyn World) -> (Vec<Task>, Vec<String>) {
        let built = build(input, self, world);
        let reasons: BTreeSet<String> = built.complaints.into_iter().map(|c| c.message).collect();
        (built.tasks, reasons.into_iter().collect())
    }

    /// Does the next thing that can be done. Call it until [`phase`](Self::phase) is completed, with the live
    /// state of that moment, whenever live state has changed or a while has passed.
    pub async fn step(&mut self, input: &SyncInput, world: &dyn World) {
        self.released.clear();
        self.go_on(input, world).await;
        self.released.clear();
    }

    async fn go_on(&mut self, input: &SyncInput, world: &dyn World) {
        let Built {
            mut tasks,
            complaints,
        } = build(input, self, world);
        if !complaints.is_empty() {
            for complaint in complaints {
                self.put(complaint);
            }
            let reasons: BTreeSet<&str> = self
                .results
                .iter()
                .filter(|result| result.status == Some(ResultCode::SyncFailed))
                .map(|result| &*result.message)
                .filter(|message| !message.is_empty())
                .collect();
            let reasons: Vec<&str> = reasons.into_iter().collect();
            let message = format!(
                "one or more synchronization tasks are not valid: {}",
                reasons.join("; ")
            );
            self.set(OperationPhase::Failed, message);
            return;
        }
        if self.results.is_empty() && !self.try_out(&mut tasks, input, world).await {
            return;
        }
        self.look_after_running(&mut tasks, world);
        if self
            .wait_for_running(&mut tasks, &input.settings, world)
            .await
        {
            return;
        }
        for task in tasks.iter_mut().filter(|t| t.is_hook() && t.is_completed()) {
            self.remove_finalizer(task, "Failed", world).await;
        }
        self.advance(tasks, input, world).await;
    }

    /// Makes the namespace where it is missing, then tries everything out without changing anything.
    async fn try_out(&mut self, tasks: &mut [Task], input: &SyncInput, world: &dyn World) -> bool {
        let settings = &input.settings;
        let namespace = tasks.iter().position(|task| {
            let makes_it = |object: &Object| is_namespace(object, &settings.namespace);
            task.live.is_none() && task.desired.as_ref().is_some_and(makes_it)
        });
        if let Some(i) = namespace {
            let outcome = self.run(&mut [&mut tasks[i]], settings, false, world).await;
            if outcome == RunState::Failed {
                let message = failure("the namespace failed to apply", &tasks[i..=i]);
                self.set(OperationPhase::Failed, message);
                return false;
            }
        }
        let mut rest: Vec<&mut Task> = tasks
            .iter_mut()
            .enumerate()
            .filter(|(i, _)| Some(*i) != namespace)
            .map(|(_, task)| task)
            .collect();
        if settings.out_of_sync_only {
            rest.retain(|task| differs(task));
        }
        if self.run(&mut rest, settings, true, world).await == RunState::Failed {
            self.set(
                OperationPhase::Failed,
                "one or more objects failed to apply (dry run)",
            );
            return false;
        }
        true
    }

    /// Finds out how the objects of earlier steps are doing.
    fn look_after_running(&mut self, tasks: &mut [Task], world: &dyn World) {
        for task in tasks.iter_mut().filter(|task| task.is_running()) {
            let Some(live) = &task.live else { continue };
            if task.is_hook() {
                let (state, message) = match outcome_of_hook(live, world) {
                    // Somebody deleted it: it comes to no end any more, and its finalizer would keep it for ever.
                    Ok((OperationPhase::Running, _)) if is_taken_away(task, live) => {
                        let message =
                            format!("{} was deleted before it came to its end", live.name());
                        (OperationPhase::Failed, message)
                    }
                    Ok(outcome) => outcome,
                    Err(error) => (OperationPhase::Error, error),
                };
                self.record(task, None, Some(state), message);
                continue;
            }
            let (state, message) = match world.health(live) {
                Ok(None) => (OperationPhase::Succeeded, String::new()),
                Ok(Some((HealthStatus::Healthy, message))) => (OperationPhase::Succeeded, message),
                Ok(Some((HealthStatus::Degraded, message))) => (OperationPhase::Failed, message),
                _ => continue,
            };
            self.record(task, None, Some(state), message);
        }
    }

    /// Whether something that runs must be awaited before anything else is done.
    async fn wait_for_running(
        &mut self,
        tasks: &mut [Task],
        settings: &SyncSettings,
        world: &dyn World,
    ) -> bool {
        let multi_step = match (tasks.first(), tasks.last()) {
            (Some(a), Some(b)) => a.phase != b.phase || a.wave != b.wave,
            _ => false,
        };
        let awaited = |task: &&mut Task| (multi_step || task.is_hook()) && task.is_running();
        let mut running: Vec<&mut Task> = tasks.iter_mut().filter(awaited).collect();
        if !running.is_empty() {
            let shown: Vec<&Task> = running.iter().map(|task| &**task).collect();
            self.wait_for(&shown, false, settings);
            // What was written and is not in the cache may be on its way, or deleted by somebody.
            for task in running.iter_mut().filter(|task| task.live.is_none()) {
                if matches!(world.get(&task.key()).await, Ok(None)) {
                    let message = format!(
                        "Resource {} is missing, it might have been deleted",
                        shown_key(task)
                    );
                    let failed = Some(ResultCode::SyncFailed);
                    self.record(task, failed, Some(OperationPhase::Error), message);
                }
            }
            return true;
        }
        let deleting: Vec<&Task> = tasks
            .iter()
            .filter(|task| {
                task.status == Some(ResultCode::Pruned)
                    && task.live.as_ref().is_some_and(Object::is_deleting)
            })
            .collect();
        if !deleting.is_empty() {
            self.wait_for(&deleting, true, settings);
            return true;
        }
        false
    }

    fn wait_for(&mut self, tasks: &[&Task], deletion: bool, settings: &SyncSettings) {
        let message = waiting_for(tasks, deletion, settings);
        self.set(OperationPhase::Running, message);
    }

    /// Takes the finalizer off a hook. `failed` begins what is said where that cannot be done.
    async fn remove_finalizer(&mut self, task: &mut Task, failed: &str, world: &dyn World) -> bool {
        let key = task.key();
        let Some(live) = task.live.as_ref().filter(|live| has_finalizer(live)) else {
            return true;
        };
        if self.released.contains(&key) {
            return true;
        }
        self.released.push(key);
        match world.remove_finalizer(live).await {
            Ok(()) => true,
            Err(error) => {
                let message = format!("{failed} to remove hook finalizer: {error}");
                self.record(task, None, Some(OperationPhase::Error), message);
                false
            }
        }
    }

    /// Carries out the next wave, or brings the sync to its end.
    async fn advance(&mut self, tasks: Vec<Task>, input: &SyncInput, world: &dyn World) {
        let settings = &input.settings;
        let finished_hooks = |policy: HookDeletePolicy| {
            tasks
                .iter()
                .filter(|task| {
                    task.live.is_some() && !task.is_running() && task.deletes_hook(policy)
                })
                .cloned()
                .collect::<Vec<Task>>()
        };
        let delete_on_success = finished_hooks(HookDeletePolicy::HookSucceeded);
        let delete_on_failure = finished_hooks(HookDeletePolicy::HookFailed);
        let (mut sync_fail, tasks): (Vec<Task>, Vec<Task>) = tasks
            .into_iter()
            .partition(|task| task.phase == SyncPhase::SyncFail);
        if tasks
            .iter()
            .any(|task| task.is_completed() && !task.is_successful())
        {
            self.delete_hooks(delete_on_failure, settings, world).await;
            let what = "one or more synchronization tasks completed unsuccessfully";
            self.fail(&mut sync_fail, failure(what, &tasks), settings, world)
                .await;
            return;
        }
        let mut pending: Vec<Task> = tasks.into_iter().filter(Task::is_pending).collect();
        if settings.out_of_sync_only {
            pending.retain(differs);
        }
        let Some((phase, wave)) = pending.first().map(|task| (task.phase, task.wave)) else {
            self.delete_hooks(delete_on_success, settings, world).await;
            self.set(
                OperationPhase::Succeeded,
                "successfully synced (no more tasks)",
            );
            return;
        };
        let last = pending
            .last()
            .is_some_and(|task| (task.phase, task.wave) == (phase, wave));
        // What is neither a hook nor of a later wave need not become healthy for the sync to succeed.
        let in_wave = |task: &Task| task.phase == phase && task.wave == wave;
        let anything_left = pending.iter().any(|task| !in_wave(task) || task.is_hook());
        let mut current: Vec<Task> = pending.into_iter().filter(in_wave).collect();
        self.set(OperationPhase::Running, "one or more tasks are running");
        if let Err(error) = self.begin_hooks(&current, world).await {
            self.set(OperationPhase::Error, error);
            return;
        }
        let mut refs: Vec<&mut Task> = current.iter_mut().collect();
        let outcome = self.run(&mut refs, settings, false, world).await;
        // From here on the results tell what was made.
        self.begun.clear();
        if outcome != RunState::Failed
            && let Err(error) = world.wave_done(phase, wave, last).await
        {
            self.stop_hooks(&mut current, settings, world).await;
            self.set(
                OperationPhase::Error,
                format!("SyncWaveHook failed: {error}"),
            );
            return;
        }
        match outcome {
            RunState::Failed => {
                let message = failure("one or more objects failed to apply", &current);
                let mut running: Vec<&Task> =
                    current.iter().filter(|task| task.is_running()).collect();
                if running.is_empty() {
                    if self.fail(&mut sync_fail, message, settings, world).await {
                        self.delete_hooks(delete_on_failure, settings, world).await;
                    }
                    return;
                }
                // What was begun comes to its end, while the hooks for failures run.
                if !sync_fail.is_empty()
                    && !self.fail(&mut sync_fail, message, settings, world).await
                {
                    running.extend(&sync_fail);
                }
                self.wait_for(&running, false, settings);
            }
            RunState::Successful if !anything_left => {
                self.delete_hooks(delete_on_success, settings, world).await;
                self.set(
                    OperationPhase::Succeeded,
                    "successfully synced (all tasks run)",
                );
            }
            RunState::Successful => {
                let current: Vec<&Task> = current.iter().collect();
                self.wait_for(&current, false, settings);
            }
            RunState::Pending => {
                let awaited: Vec<&Task> = current
                    .iter()
                    .filter(|task| {
                        task.must_be_deleted_first() || task.is_prune() && task.is_pending()
                    })
                    .collect();
                self.wait_for(&awaited, true, settings);
            }
        }
    }

    /// Notes which hooks are about to be made, where a crash does not reach the note.
    async fn begin_hooks(&mut self, tasks: &[Task], world: &dyn World) -> Result<(), String> {
        let mut begun = false;
        for task in tasks.iter().filter(|task| task.is_hook()) {
            let (key, phase) = (task.key(), task.phase);
            let replaces = task.live.as_ref().map(|live| Str::from(live.uid()));
            match self
                .begun
                .iter_mut()
                .find(|b| b.key == key && b.phase == phase)
            {
                Some(known) if known.replaces == replaces => continue,
                Some(known) => known.replaces = replaces,
                None => self.begun.push(Begun {
                    key,
                    phase,
                    replaces,
                }),
            }
            begun = true;
        }
        if begun {
            world.save(self).await
        } else {
            Ok(())
        }
    }

    /// Runs the hooks that are there for failures; where none is left to run, ends the sync and returns `true`.
    async fn fail(
        &mut self,
        sync_fail: &mut [Task],
        message: String,
        settings: &SyncSettings,
        world: &dyn World,
    ) -> bool {
        if sync_fail.iter().all(Task::is_completed) {
            let message = if sync_fail.iter().any(failed_to_sync) {
                format!(
                    "{message}\n{}",
                    failure("one or more SyncFail hooks failed", sync_fail)
                )
            } else {
                message
            };
            self.set(OperationPhase::Failed, message);
            return true;
        }
        if let Err(error) = self.begin_hooks(sync_fail, world).await {
            self.set(OperationPhase::Error, error);
            return false;
        }
        let mut pending: Vec<&mut Task> = sync_fail
            .iter_mut()
            .filter(|task| task.is_pending())
            .collect();
        self.run(&mut pending, settings, false, world).await;
        self.begun.clear();
        let begun: Vec<&Task> = pending.iter().map(|task| &**task).collect();
        self.wait_for(&begun, false, settings);
        false
    }

    async fn delete_hooks(&mut self, hooks: Vec<Task>, settings: &SyncSettings, world: &dyn World) {
        for mut task in hooks {
            let Some(live) = task.live.clone() else {
                continue;
            };
            if let Err(error) = world.delete_hook(&live, settings.propagation).await {
                // It may have been carried out since it was looked at.
                if let Some(result) = self.result(&task.key(), task.phase) {
                    task.status = result.status;
                }
                let message = format!("failed to delete resource: {error}");
                self.record(&mut task, None, Some(OperationPhase::Error), message);
            }
        }
    }

    /// Carries out tasks: prunes, deletes hooks that are made anew, writes. In this order, and each only if
    /// the one before went through.
    async fn run(
        &mut self,
        tasks: &mut [&mut Task],
        settings: &SyncSettings,
        trying: bool,
        world: &dyn World,
    ) -> RunState {
        let dry_run = trying || settings.dry_run;
        let mut state = RunState::Successful;
        if !dry_run {
            for task in tasks
                .iter_mut()
                .filter(|t| t.is_hook() && t.is_pending() && t.live.is_some())
            {
                if !self.remove_finalizer(task, "failed", world).await {
                    state = RunState::Failed;
                }
            }
        }
        if state != RunState::Successful {
            return state;
        }
        state = self.prune(tasks, settings, trying, world).await;
        if state != RunState::Successful {
            return state;
        }
        if !dry_run {
            state = self.delete_before_creation(tasks, settings, world).await;
            if state != RunState::Successful {
                return state;
            }
        }
        let mut writes: Vec<&mut &mut Task> = tasks
            .iter_mut()
            .filter(|task| !(task.is_prune() || dry_run && task.skip_dry_run))
            .collect();
        // Objects of one kind are written side by side, kinds one after the other.
        let mut rest = &mut writes[..];
        while let Some(first) = rest.first() {
            let kind = first.object().kind().to_owned();
            let same = rest
                .iter()
                .take_while(|task| task.object().kind() == kind)
                .count();
            let (group, behind) = rest.split_at_mut(same);
            state = state.max(self.write(group, settings, trying, world).await);
            rest = behind;
        }
        state
    }

    async fn prune(
        &mut self,
        tasks: &mut [&mut Task],
        settings: &SyncSettings,
        trying: bool,
        world: &dyn World,
    ) -> RunState {
        let dry_run = trying || settings.dry_run;
        if !settings.prune_confirmed && tasks.iter().any(|t| asks_for_confirmation(t, settings)) {
            return RunState::Pending;
        }
        let requests = tasks
            .iter()
            .enumerate()
            .filter(|(_, task)| task.is_prune())
            .map(|(i, task)| {
                let live = task.live.as_ref().expect("what is pruned is there");
                async move {
                    let result = if !settings.prune {
                        (
                            ResultCode::PruneSkipped,
                            "ignored (requires pruning)".to_owned(),
                        )
                    } else if prune_option(live, settings) == "false" {
                        (ResultCode::PruneSkipped, "ignored (no prune)".to_owned())
                    } else if dry_run {
                        (ResultCode::Pruned, "pruned (dry run)".to_owned())
                    } else if live.is_deleting() {
                        (ResultCode::Pruned, "pruned".to_owned())
                    } else {
                        match world.prune(live, settings.propagation).await {
                            Ok(()) => (ResultCode::Pruned, "pruned".to_owned()),
                            Err(error) => (ResultCode::SyncFailed, error),
                        }
                    };
                    (i, result)
                }
            });
        let results: Vec<_> = stream::iter(requests).buffered(CONCURRENCY).collect().await;
        let mut state = RunState::Successful;
        for (i, (code, message)) in results {
            let failed = code == ResultCode::SyncFailed;
            if failed {
                state = RunState::Failed;
            }
            if !trying || settings.dry_run || failed {
                let phase = if failed {
                    OperationPhase::Failed
                } else {
                    OperationPhase::Succeeded
                };
                self.record(tasks[i], Some(code), Some(phase), message);
            }
        }
        state
    }

    async fn delete_before_creation(
        &mut self,
        tasks: &mut [&mut Task],
        settings: &SyncSettings,
        world: &dyn World,
    ) -> RunState {
        let mut state = RunState::Successful;
        for task in tasks.iter_mut().filter(|task| task.must_be_deleted_first()) {
            let live = task
                .live
                .clone()
                .expect("it is deleted because it is there");
            match world.delete_hook(&live, settings.propagation).await {
                Ok(true) => state = state.max(RunState::Pending),
                Ok(false) => task.live = None,
                Err(error) => {
                    state = RunState::Failed;
                    let message = format!("failed to delete resource: {error}");
                    self.record(task, None, Some(OperationPhase::Error), message);
                }
            }
        }
        state
    }

    async fn write(
        &mut self,
        tasks: &mut [&mut &mut Task],
        settings: &SyncSettings,
        trying: bool,
        world: &dyn World,
    ) -> RunState {
        let dry_run = trying || settings.dry_run;
        let requests = tasks.iter().map(|task| async move {
            let desired = task.desired.as_ref().expect("what is written is desired");
            let request = write_request(task, settings, dry_run);
            world.write(desired, task.live.as_ref(), request).await
        });
        let results: Vec<_> = stream::iter(requests).buffered(CONCURRENCY).collect().await;
        let mut state = RunState::Successful;
        for (task, result) in tasks.iter_mut().zip(results) {
            match result {
                Ok(message) if !trying || settings.dry_run => {
                    let phase = if settings.dry_run {
                        OperationPhase::Succeeded
                    } else {
                        OperationPhase::Running
                    };
                    self.record(task, Some(ResultCode::Synced), Some(phase), message);
                }
                Ok(_) => {}
                Err(error) => {
                    state = RunState::Failed;
                    self.record(
                        task,
                        Some(ResultCode::SyncFailed),
                        Some(OperationPhase::Failed),
                        error,
                    );
                }
            }
        }
        state
    }

    /// Stops the sync: hooks that run are deleted, the rest is left as it is.
    pub async fn terminate(&mut self, input: &SyncInput, world: &dyn World) {
        self.released.clear();
        let (mut tasks, _) = self.tasks(input, world);
        for task in tasks.iter_mut().filter(|t| t.is_hook() && t.is_completed()) {
            self.remove_finalizer(task, "Failed", world).await;
        }
        if self.stop_hooks(&mut tasks, &input.settings, world).await {
            self.set(OperationPhase::Failed, "Operation terminated");
        } else {
            self.set(OperationPhase::Error, "Operation termination had errors");
        }
        self.released.clear();
    }

    /// Stops the hooks among tasks that run; returns whether all went well. One that has come to its end meanwhile
    /// keeps its result.
    async fn stop_hooks(
        &mut self,
        tasks: &mut [Task],
        settings: &SyncSettings,
        world: &dyn World,
    ) -> bool {
        let mut clean = true;
        for task in tasks.iter_mut().filter(|t| t.is_hook() && t.is_running()) {
            if task.live.is_none() {
                match world.get(&task.key()).await {
                    Ok(live) => task.live = live,
                    Err(error) => {
                        clean = false;
                        let message = format!("Failed to get live resource: {error}");
                        self.record(task, None, Some(OperationPhase::Error), message);
                        continue;
                    }
                }
            }
            let Some(live) = task.live.clone() else {
                self.record(task, None, Some(OperationPhase::Succeeded), "Terminated");
                continue;
            };
            let outcome = outcome_of_hook(&live, world);
            if let Err(error) = &outcome {
                let message = format!("Failed to get hook health: {error}");
                self.record(task, None, Some(OperationPhase::Error), message);
            }
            if !self.remove_finalizer(task, "Failed", world).await {
                clean = false;
                continue;
            }
            let ended = outcome.ok().filter(|(state, _)| state.is_completed());
            if (ended.is_none() || task.deletes_hook(HookDeletePolicy::HookFailed))
                && let Err(error) = world.delete_hook(&live, settings.propagation).await
            {
                clean = false;
                let message = format!("Failed to delete: {error}");
                self.record(task, None, Some(OperationPhase::Failed), message);
                continue;
            }
            match ended {
                Some((state, message)) => self.record(task, None, Some(state), message),
                None if task.state == Some(OperationPhase::Error) => {}
                None => self.record(task, None, Some(OperationPhase::Failed), "Terminated"),
            }
        }
        clean
    }
}

/// Whether somebody deletes a hook that runs. One of several phases may be on its way out for the sake of another.
fn is_taken_away(task: &Task, live: &Object) -> bool {
    let phases = task.hook.as_ref().map_or(0, |hook| hook.phases().len());
    live.is_deleting() && phases == 1
}

/// Tells how far a hook has come: by its health, where it has any.
fn outcome_of_hook(live: &Object, world: &dyn World) -> Result<(OperationPhase, String), String> {
    let health = world
        .health(live)
        .map_err(|error| format!("failed to get resource health: {error}"))?;
    Ok(match health {
        None | Some((HealthStatus::Missing, _)) => (
            OperationPhase::Succeeded,
            format!("{} created", live.name()),
        ),
        Some((HealthStatus::Healthy, message)) => (OperationPhase::Succeeded, message),
        Some((HealthStatus::Degraded | HealthStatus::Unknown, message)) => {
            (OperationPhase::Failed, message)
        }
        Some((_, message)) => (OperationPhase::Running, message),
    })
}

/// Leaves the middle out of a long text: API servers write whole objects between what is wrong and why.
fn shortened(text: &str) -> String {
    const END: usize = 150;
    let count = text.chars().count();
    if count <= 2 * END + 20 {
        return text.to_owned();
    }
    let first: String = text.chars().take(END).collect();
    let last: String = text.chars().skip(count - END).collect();
    format!("{first} … {last}")
}

fn has_finalizer(object: &Object) -> bool {
    object
        .meta("finalizers")
        .and_then(gitops_manifest::Value::as_array)
        .is_some_and(|list| list.iter().any(|f| f.as_str() == Some(HOOK_FINALIZER)))
}

/// Whether a sync of what differs alone includes a task.
fn differs(task: &Task) -> bool {
    task.is_hook() || task.live.is_none() || task.is_prune() || task.out_of_sync
}

fn asks_for_confirmation(task: &Task, settings: &SyncSettings) -> bool {
    task.is_prune()
        && task
            .live
            .as_ref()
            .is_some_and(|live| prune_option(live, settings) == "confirm")
}

/// Decides how an object is written, by the settings and the annotations of both sides.
fn write_request(task: &Task, settings: &SyncSettings, dry_run: bool) -> WriteRequest {
    let desired = task.desired.as_ref().expect("what is written is desired");
    let live = task.live.as_ref();
    let either = |name| {
        has_option(desired, name, "true") || live.is_some_and(|live| has_option(live, name, "true"))
    };
    let replace = settings.replace || either("Replace");
    let mode = match (replace, live) {
        (false, _) => WriteMode::Apply,
        (true, None) => WriteMode::Create,
        (true, Some(_))
            if desired.kind() == "Namespace" || desired.kind() == "CustomResourceDefinition" =>
        {
            WriteMode::Update
        }
        (true, Some(_)) => WriteMode::Replace,
    };
    let server_side = mode == WriteMode::Apply
        && !dry_run
        && !has_option(desired, "ServerSideApply", "false")
        && (settings.server_side_apply || has_option(desired, "ServerSideApply", "true"));
    WriteRequest {
        mode,
        dry_run,
        // What is updated in place takes all its children along if it is made anew.
        force: matches!(mode, WriteMode::Apply | WriteMode::Replace)
            && (settings.force || either("Force")),
        server_side,
        keep_client_side: settings.keep_client_side,
        validate: matches!(mode, WriteMode::Replace | WriteMode::Update)
            || !settings.skip_validation && !has_option(desired, "Validate", "false"),
    }
}

/// Shows an object as messages name it: `group/Kind/name`.
fn shown_key(task: &Task) -> String {
    let object = task.object();
    format!("{}/{}/{}", object.group(), object.kind(), object.name())
}

fn waiting_for(tasks: &[&Task], deletion: bool, settings: &SyncSettings) -> String {
    let mut of_all = tasks.iter().copied();
    let Some(first) = of_all
        .find(|task| task.is_hook())
        .or(tasks.first().copied())
    else {
        return String::new();
    };
    let asking: Vec<&Task> = tasks
        .iter()
        .copied()
        .filter(|task| !settings.prune_confirmed && asks_for_confirmation(task, settings))
        .collect();
    let (what, first, count) = match (asking.first().copied(), deletion, first.is_hook()) {
        (Some(asking_first), ..) => ("pruning confirmation of", asking_first, asking.len()),
        (None, true, true) => ("deletion of hook", first, tasks.len()),
        (None, true, false) => ("deletion of", first, tasks.len()),
        (None, false, true) => ("completion of hook", first, tasks.len()),
        (None, false, false) => ("healthy state of", first, tasks.len()),
    };
    let more = match count - 1 {
        0 => String::new(),
        more if tasks.iter().all(|task| task.is_hook()) => format!(" and {more} more hooks"),
        more => format!(" and {more} more resources"),
    };
    format!("waiting for {what} {}{more}", shown_key(first))
}

fn failed_to_sync(task: &Task) -> bool {
    task.status == Some(ResultCode::SyncFailed)
}

/// Says what failed, with the distinct messages of the tasks that did.
fn failure<T: Borrow<Task>>(what: &str, tasks: &[T]) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    for task in tasks
        .iter()
        .map(Borrow::borrow)
        .filter(|task| failed_to_sync(task))
    {
        if !task.message.is_empty() && !reasons.contains(&&*task.message) {
            reasons.push(&task.message);
        }
    }
    if reasons.is_empty() {
        what.to_owned()
    } else {
        format!("{what}, reason: {}", reasons.join(","))
    }
}
