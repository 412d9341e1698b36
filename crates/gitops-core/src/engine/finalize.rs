//! What happens when an application is deleted: hooks before, its objects in waves, hooks after, then the application goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use gitops_health::{HealthStatus, assess};
use gitops_manifest::{GroupKind, Object, Str, Value};
use serde::{Deserialize, Serialize};

use super::operate::{Stage, own_key};
use super::refresh::chain;
use super::{Engine, EngineError, Hold, Next, OperationRecord, Refreshed};
use crate::application::Application;
use crate::deletion::{self, CASCADE, DeletionHooks, POST_DELETE, PRE_DELETE};
use crate::sync::{HookDeletePolicy, Hooks};
use crate::{
    ApplicationId, ApplyMode, ApplyOptions, DeleteOptions, Precondition, Propagation, StoreError,
    TargetError, Timestamp, Write,
};

/// The condition that tells why a deletion does not come to its end.
const DELETION_ERROR: &str = "DeletionError";
/// The condition that tells that somebody must agree.
const CONFIRMATION: &str = "DeletionConfirmationWarning";

/// What must survive a crash while an application is being deleted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct DeletionRecord {
    /// The hooks that were seen, so that one that is gone is not made again.
    seen: BTreeSet<String>,
}

/// When a hook of the deletion runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

impl Moment {
    fn is_of(self, object: &Object) -> bool {
        let hooks = Hooks::of(object);
        match self {
            Self::Before => hooks.before_deletion,
            Self::After => hooks.after_deletion,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Before => "PreDelete",
            Self::After => "PostDelete",
        }
    }
}

fn deletion_key(id: &ApplicationId) -> String {
    format!("deletions/{}/{}", id.namespace, id.name)
}

impl Engine {
    /// Takes an application that is being deleted one step further: runs the hooks that come before, takes its objects, the
    /// highest wave first, runs the hooks that come after, and lets it go.
    pub(super) async fn finalize(
        &self,
        id: &ApplicationId,
        application: &Arc<Application>,
    ) -> Result<Next, EngineError> {
        let has = |prefix: &str| application.finalizers().any(|f| f.starts_with(prefix));
        let (before, cascades, after) = (has(PRE_DELETE), has(CASCADE), has(POST_DELETE));
        let stage = match self.stage(id) {
            Ok(stage) => stage,
            // A service account that is wanted and cannot be had is no reason to leave the objects behind.
            Err(EngineError::NotReady { reason, .. })
                if self.connection(&application.spec.destination).is_ok() =>
            {
                self.set_conditions(id, vec![(DELETION_ERROR, reason)]);
                return Ok(Next::After(self.options.poll));
            }
            Err(_) => return self.release(id).await,
        };
        if !before && !cascades && !after {
            return Ok(Next::Idle);
        }
        // What is not known yet may be there all the same: nothing is let go of before.
        if let Some(reason) = self.unknown_of(id, &stage) {
            self.set_conditions(id, vec![(DELETION_ERROR, reason)]);
            return Ok(Next::After(self.options.step));
        }
        if cascades && let Some(other) = self.is_depended_on(id) {
            self.set_conditions(
                id,
                vec![(
                    "DependencyWarning",
                    format!("{other} depends on this application and is deleted first"),
                )],
            );
            return Ok(Next::After(self.options.step));
        }
        let mut record = self.deletion_record(id).await?;
        let hooks = if before || after {
            match self.deletion_hooks(id, application).await? {
                Ok(hooks) => hooks,
                Err(reason) => {
                    self.set_conditions(id, vec![(DELETION_ERROR, reason)]);
                    return Ok(Next::After(self.options.poll));
                }
            }
        } else {
            Vec::new()
        };
        let live = self.own_objects(id, &stage);
        for moment in [Moment::Before, Moment::After] {
            let wanted = match moment {
                Moment::Before => before,
                Moment::After => after,
            };
            if wanted {
                let outcome = self
                    .run_deletion_hooks(id, application, &stage, moment, &hooks, &mut record)
                    .await?;
                match outcome {
                    Ok(true) => {}
                    Ok(false) => return Ok(Next::After(self.options.step)),
                    Err(reason) => {
                        self.set_conditions(id, vec![(DELETION_ERROR, reason)]);
                        return Ok(Next::After(self.options.step));
                    }
                }
            }
            if moment == Moment::Before && cascades {
                let runs = |object: &Object| {
                    before && Moment::Before.is_of(object) || after && Moment::After.is_of(object)
                };
                let objects: Vec<&Object> = live
                    .iter()
                    .filter(|object| !runs(object))
                    .filter(|object| deletion::decide(object, application, id).deleted)
                    .collect();
                if !objects.is_empty() {
                    return self.cascade(id, application, &stage, &objects).await;
                }
            }
        }
        let mut pending = false;
        for moment in [Moment::Before, Moment::After] {
            pending |= self.clean_up(id, &stage, moment, &live).await?;
        }
        if pending {
            return Ok(Next::After(self.options.step));
        }
        self.release(id).await
    }

    /// Tells what is not known of the objects of an application: everything, where its cluster was not listed yet; or those
    /// of a kind that could not be listed.
    fn unknown_of(&self, id: &ApplicationId, stage: &Stage) -> Option<String> {
        let connection = &stage.connection;
        if !connection.live.is_loaded() {
            let server = &connection.cluster.server;
            return Some(format!("what is in cluster {server} is not known yet"));
        }
        let live = connection.live.state();
        if live.knows_all() {
            return None;
        }
        let status = self.status(id).unwrap_or_default();
        let refreshed = self.refreshed(id);
        let desired = refreshed
            .iter()
            .flat_map(|refreshed| refreshed.desired.iter());
        let mut kinds: BTreeSet<GroupKind> = desired.map(Object::group_kind).collect();
        let shown = status.resources.iter();
        kinds.extend(shown.map(|r| GroupKind::new(r.group.as_str(), r.kind.as_str())));
        kinds.extend(live.tracked(&self.instance(id)).map(Object::group_kind));
        let mut unlisted = kinds
            .iter()
            .filter_map(|kind| Some((kind, live.unlisted(kind)?)));
        unlisted
            .next()
            .map(|(kind, reason)| format!("objects of kind {kind} are not known: {reason}"))
    }

    /// Returns the live objects of an application that are its own and that its project permits.
    fn own_objects(&self, id: &ApplicationId, stage: &Stage) -> Vec<Object> {
        let instance = self.instance(id);
        let own = own_key(id);
        let live = stage.connection.live.state();
        live.tracked(&instance)
            .filter(|object| object.key() != own)
            .filter(|object| self.options.tracking.is_self_referenced(object, None))
            .filter(|object| {
                let namespaced = !object.namespace().is_empty();
                let cluster = &stage.connection.cluster;
                stage
                    .project
                    .check_object(object, namespaced, cluster, &stage.registered)
                    .is_ok()
            })
            .cloned()
            .collect()
    }

    /// Deletes the objects of the highest wave, where somebody has agreed if that is asked for.
    async fn cascade(
        &self,
        id: &ApplicationId,
        application: &Application,
        stage: &Stage,
        objects: &[&Object],
    ) -> Result<Next, EngineError> {
        let asks = |object: &&&Object| deletion::decide(object, application, id).needs_confirmation;
        if let Some(first) = objects.iter().find(asks)
            && !deletion::is_approved(application, deleted_at(application))
        {
            let message = format!(
                "waiting for somebody to agree to the deletion of {}: set {} to the present time",
                first.key(),
                deletion::APPROVED
            );
            self.set_conditions(id, vec![(CONFIRMATION, message)]);
            return Ok(Next::After(self.options.poll));
        }
        if objects.iter().any(|object| object.is_deleting()) {
            return Ok(Next::After(self.options.step));
        }
        let background = format!("{CASCADE}/background");
        let propagation = if application.finalizers().any(|f| f == background) {
            Propagation::Background
        } else {
            Propagation::Foreground
        };
        let mut errors = Vec::new();
        for object in deletion::first_batch(objects.iter().copied()) {
            if let Err(error) = delete(stage, object, propagation).await {
                errors.push(error);
            }
        }
        let conditions = errors
            .into_iter()
            .take(1)
            .map(|error| (DELETION_ERROR, error));
        self.set_conditions(id, conditions.collect());
        Ok(Next::After(self.options.step))
    }

    /// Returns the hooks of a deletion: what the source says, or where it cannot be asked what was synced last. The inner
    /// error is what stands in the way.
    async fn deletion_hooks(
        &self,
        id: &ApplicationId,
        application: &Arc<Application>,
    ) -> Result<Result<Vec<Object>, String>, EngineError> {
        let objects: Arc<[Object]> = match self.refresh_other(id, application, &[]).await? {
            Ok(refreshed) => Arc::clone(&refreshed.desired),
            Err(reason) => {
                let entries = self.history.entries(id).await?;
                let Some(last) = entries.last() else {
                    return Ok(Err(reason));
                };
                self.history.objects(id, &last.content).await?.into()
            }
        };
        let hooks = objects
            .iter()
            .filter(|object| Hooks::of(object).is_of_deletion())
            .map(|object| {
                let mut object = object.clone();
                // One deletion, one name: what is made in one step is found in the next.
                if object.name().is_empty() {
                    let at = deleted_at(application).as_secs();
                    let name = format!("{}delete-{at}", object.generate_name());
                    object.metadata_mut().insert("name", name);
                    self.options.tracking.track(
                        &mut object,
                        &self.instance(id),
                        &application.spec.destination.namespace,
                    );
                }
                object
            })
            .collect();
        Ok(Ok(hooks))
    }

    /// Makes the hooks of a moment that were not made yet; `true` where all have come to their end. The inner error tells
    /// which have failed: those are deleted, and made anew the next time.
    async fn run_deletion_hooks(
        &self,
        id: &ApplicationId,
        application: &Application,
        stage: &Stage,
        moment: Moment,
        hooks: &[Object],
        record: &mut DeletionRecord,
    ) -> Result<Result<bool, String>, EngineError> {
        let before = record.clone();
        let (mut running, mut failed) = (false, Vec::new());
        for hook in hooks.iter().filter(|hook| moment.is_of(hook)) {
            let key = hook.key();
            let note = format!(
                "{} {} {key}",
                moment.name(),
                deleted_at(application).as_secs()
            );
            let live = match stage.target.get(&key).await {
                Ok(live) => live,
                Err(error) if error.is_transient() => return Ok(Ok(false)),
                Err(error) => return Ok(Err(chain(&error))),
            };
            let Some(live) = live else {
                if record.seen.contains(&note) {
                    // It was there and is gone: a controller, or its time to live, has taken it.
                    continue;
                }
                running = true;
                let options = ApplyOptions {
                    mode: ApplyMode::Create,
                    manager: self.options.manager.clone(),
                    validate: true,
                    ..ApplyOptions::default()
                };
                match stage.target.apply(hook, &options).await {
                    Ok(_) => {
                        record.seen.insert(note);
                    }
                    Err(TargetError::AlreadyExists { .. }) => {}
                    Err(error) if error.is_transient() => {}
                    Err(error) => return Ok(Err(chain(&error))),
                }
                continue;
            };
            record.seen.insert(note.clone());
            let status = assess(&live, &self.health()).map_or(HealthStatus::Healthy, |h| h.status);
            match status {
                HealthStatus::Degraded => {
                    failed.push(format!("{}/{}", live.namespace(), live.name()));
                    record.seen.remove(&note);
                    if let Err(error) = delete(stage, &live, Propagation::Foreground).await {
                        return Ok(Err(error));
                    }
                }
                HealthStatus::Progressing => running = true,
                _ => {}
            }
        }
        if *record != before {
            let key = deletion_key(id);
            let bytes = serde_json::to_vec(record).map_err(|error| StoreError {
                attempt: format!("write {key}"),
                source: Box::new(error),
            })?;
            self.store.write(vec![Write::Put(key, bytes)]).await?;
        }
        if !failed.is_empty() {
            return Ok(Err(format!(
                "{} hook(s) failed: {}",
                moment.name(),
                failed.join(", ")
            )));
        }
        Ok(Ok(!running))
    }

    /// Deletes the hooks of a moment as their policies say; whether some are still going away.
    async fn clean_up(
        &self,
        id: &ApplicationId,
        stage: &Stage,
        moment: Moment,
        live: &[Object],
    ) -> Result<bool, EngineError> {
        let hooks: Vec<&Object> = live.iter().filter(|object| moment.is_of(object)).collect();
        let health = |object: &&Object| {
            assess(object, &self.health()).map_or(HealthStatus::Healthy, |h| h.status)
        };
        let worst = hooks
            .iter()
            .map(health)
            .max()
            .unwrap_or(HealthStatus::Healthy);
        let mut pending = false;
        for hook in hooks {
            let policies = Hooks::of(hook);
            let by_policy = policies.deletes(HookDeletePolicy::HookSucceeded)
                && worst == HealthStatus::Healthy
                || policies.deletes(HookDeletePolicy::HookFailed)
                    && worst == HealthStatus::Degraded;
            // Nobody will make it anew: what was to be deleted before that goes now.
            let nobody_comes = !self.options.compat.deletion_hooks_stay
                && policies.deletes(HookDeletePolicy::BeforeHookCreation);
            if !by_policy && !nobody_comes {
                continue;
            }
            pending = true;
            if !hook.is_deleting()
                && let Err(error) = delete(stage, hook, Propagation::Foreground).await
            {
                self.set_conditions(id, vec![(DELETION_ERROR, error)]);
            }
        }
        Ok(pending)
    }

    /// Returns an application that is being deleted and depends on another one: it goes first.
    fn is_depended_on(&self, id: &ApplicationId) -> Option<ApplicationId> {
        let known = self.known();
        known
            .applications
            .iter()
            .find(|(other, state)| {
                *other != id
                    && state.application.is_deleting()
                    && super::gate::dependencies(other, &state.application).contains(id)
                    && !super::gate::dependencies(id, &known.applications[id].application)
                        .contains(other)
            })
            .map(|(other, _)| other.clone())
    }

    async fn deletion_record(&self, id: &ApplicationId) -> Result<DeletionRecord, EngineError> {
        let key = deletion_key(id);
        let Some(bytes) = self.store.get(&key).await? else {
            return Ok(DeletionRecord::default());
        };
        Ok(serde_json::from_slice(&bytes).map_err(|error| StoreError {
            attempt: format!("read {key}"),
            source: Box::new(error),
        })?)
    }

    /// Keeps the finalizers on the object of an application that let its deletion hooks run, while it has such hooks.
    pub(super) async fn keep_deletion_finalizers(
        &self,
        id: &ApplicationId,
        application: &Application,
        refreshed: &Refreshed,
    ) -> Result<(), EngineError> {
        let hooks = DeletionHooks::among(refreshed.desired.iter(), self.options.compat);
        let has = |name: &str| application.finalizers().any(|f| f == name);
        let wanted = [(PRE_DELETE, hooks.before), (POST_DELETE, hooks.after)];
        if wanted.iter().all(|(name, wanted)| has(name) == *wanted) {
            return Ok(());
        }
        self.change_finalizers(id, |finalizers| {
            for (name, wanted) in wanted {
                finalizers.retain(|finalizer| wanted || finalizer != name);
                if wanted && !finalizers.iter().any(|finalizer| finalizer == name) {
                    finalizers.push(name.to_owned());
                }
            }
        })
        .await?;
        Ok(())
    }

    /// Takes our finalizers off an application's object, and forgets what was kept of the application.
    pub(super) async fn release(&self, id: &ApplicationId) -> Result<Next, EngineError> {
        let mut batch = self.history.forget(id).await?;
        let keys = [OperationRecord::key(id), Hold::key(id), deletion_key(id)];
        batch.extend(keys.into_iter().map(Write::Remove));
        let released = self
            .change_finalizers(id, |finalizers| {
                finalizers.retain(|finalizer| {
                    let ours = [CASCADE, PRE_DELETE, POST_DELETE];
                    !ours.iter().any(|name| finalizer.starts_with(name))
                });
            })
            .await?;
        if released {
            self.store.write(batch).await?;
            return Ok(Next::Idle);
        }
        Ok(Next::After(self.options.step))
    }

    /// Changes the finalizers of an application's object, where it has one; `false` where it must be tried again.
    async fn change_finalizers(
        &self,
        id: &ApplicationId,
        change: impl Fn(&mut Vec<String>),
    ) -> Result<bool, EngineError> {
        let Some(local) = self.local() else {
            return Ok(true);
        };
        let mut object = match local.target.get(&own_key(id)).await {
            Ok(Some(object)) => object,
            // An application that somebody handed in has no object.
            Ok(None) | Err(TargetError::UnknownKind { .. }) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let precondition = Precondition::unchanged(Some(&object));
        let list = |object: &Object| -> Vec<String> {
            let finalizers = object.meta("finalizers").and_then(Value::as_array);
            let texts = finalizers
                .into_iter()
                .flat_map(|list| list.iter().filter_map(Value::as_str));
            texts.map(str::to_owned).collect()
        };
        let old = list(&object);
        let mut new = old.clone();
        change(&mut new);
        if new == old {
            return Ok(true);
        }
        if new.is_empty() {
            object.metadata_mut().remove("finalizers");
        } else {
            let values: Vec<Value> = new.iter().map(|f| Value::from(Str::from(&**f))).collect();
            object
                .metadata_mut()
                .insert("finalizers", Value::from(values));
        }
        let options = ApplyOptions {
            mode: ApplyMode::Replace,
            manager: self.options.manager.clone(),
            precondition,
            ..ApplyOptions::default()
        };
        match local.target.apply(&object, &options).await {
            Ok(_) | Err(TargetError::NotFound { .. }) => Ok(true),
            Err(TargetError::Changed { .. }) => Ok(false),
            Err(error) if error.is_transient() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns when the deletion of an application began.
fn deleted_at(application: &Application) -> Timestamp {
    let time = application.metadata.get("deletionTimestamp");
    time.and_then(Value::as_str)
        .and_then(Timestamp::parse)
        .unwrap_or_default()
}

/// Deletes exactly the object that was seen; that it is gone, or that trying again may help, is no error.
async fn delete(stage: &Stage, object: &Object, propagation: Propagation) -> Result<(), String> {
    let options =
        DeleteOptions::new(propagation).with_precondition(Precondition::Uid(object.uid().into()));
    match stage.target.delete(&object.key(), &options).await {
        Ok(()) | Err(TargetError::NotFound { .. } | TargetError::Changed { .. }) => Ok(()),
        Err(error) if error.is_transient() => Ok(()),
        Err(error) => Err(chain(&error)),
    }
}
