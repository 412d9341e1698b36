use std::time::Duration;

use async_trait::async_trait;
use gitops_health::{HealthStatus, assess};
use gitops_manifest::{GroupVersionKind, Object, ObjectKey, Str, Value};

use super::operate::Scene;
use super::{ClusterConnection, Engine, OperationRecord};
use crate::sync::{
    HOOK_FINALIZER, Hooks, SyncPhase, SyncState, World, WriteMode, WriteRequest, is_namespace,
};
use crate::{
    ApiKind, ApplicationId, ApplyMode, ApplyOptions, DeleteOptions, Effect, Precondition,
    Propagation, TargetError,
};

/// How often it is looked whether an object that must be made anew is gone.
const GONE_CHECKS: u32 = 50;

/// A cluster as a sync sees it.
pub(super) struct ClusterWorld<'a> {
    pub(super) engine: &'a Engine,
    pub(super) id: &'a ApplicationId,
    pub(super) scene: &'a Scene,
    /// The operation, for keeping its state before hooks are made; absent while nothing is carried out.
    pub(super) record: Option<&'a OperationRecord>,
}

impl ClusterWorld<'_> {
    /// Notes in the cache what was written, so that the next step does not work on what was before.
    fn learn(&self, object: Object) {
        self.scene.connection.live.state().put(object);
    }

    /// Whether a namespace is among the objects of the sync.
    fn brings_namespace(&self, name: &str) -> bool {
        let objects = self.record.and_then(|record| record.objects.as_deref());
        let mut objects = objects.unwrap_or_default().iter();
        objects.any(|object| is_namespace(object, name))
    }

    /// Notes in the cache that an object was asked to go.
    fn going(&self, live: &Object) {
        let now = self.engine.clock.now();
        let mut state = self.scene.connection.live.state();
        state.mark_deleting(live, now);
    }

    /// Writes an object where it is the one that was seen, or comes in its place: what was seen may have been out of date.
    async fn apply(
        &self,
        object: &Object,
        live: Option<&Object>,
        options: &ApplyOptions,
    ) -> Result<crate::Applied, TargetError> {
        let target = &self.scene.target;
        let first = target.apply(object, options).await;
        let by_uid = matches!(options.precondition, Precondition::Uid(_));
        let (true, Err(TargetError::Changed { .. })) = (by_uid, &first) else {
            return first;
        };
        let now = target.get(&object.key()).await?;
        let same = |now: &Object| live.is_some_and(|live| live.uid() == now.uid());
        if now.as_ref().is_some_and(same) {
            return first;
        }
        let precondition = match &now {
            Some(now) => {
                self.learn(now.clone());
                Precondition::Uid(now.uid().into())
            }
            None => {
                if let Some(live) = live {
                    self.scene.connection.live.state().remove(live);
                }
                Precondition::None
            }
        };
        let options = ApplyOptions {
            precondition,
            ..options.clone()
        };
        target.apply(object, &options).await
    }

    /// Tries out to make an object, under a name that nothing has.
    async fn try_out_anew(&self, object: &Object, request: WriteRequest) -> Result<String, String> {
        let mut fresh = object.clone();
        let name = fresh.metadata_mut().remove("name");
        let prefix = name.as_ref().and_then(Value::as_str).unwrap_or_default();
        fresh
            .metadata_mut()
            .insert("generateName", format!("{prefix}-"));
        let options = ApplyOptions {
            mode: ApplyMode::Create,
            manager: self.engine.options.manager.clone(),
            dry_run: true,
            validate: request.validate,
            ..ApplyOptions::default()
        };
        match self.scene.target.apply(&fresh, &options).await {
            Ok(_) => Ok(format!(
                "{}/{prefix} created (dry run)",
                object.kind().to_lowercase()
            )),
            Err(error) => Err(crate::engine::chain(&error)),
        }
    }

    async fn replace(
        &self,
        object: &Object,
        options: &ApplyOptions,
    ) -> Result<crate::Applied, TargetError> {
        let key = object.key();
        let target = &self.scene.target;
        let delete = DeleteOptions::new(Propagation::Foreground);
        match target.delete(&key, &delete).await {
            Ok(()) | Err(TargetError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        for _ in 0..GONE_CHECKS {
            if target.get(&key).await?.is_none() {
                let create = ApplyOptions {
                    mode: ApplyMode::Create,
                    precondition: Precondition::Absent,
                    ..options.clone()
                };
                return target.apply(object, &create).await;
            }
            self.engine.clock.sleep(Duration::from_millis(200)).await;
        }
        Err(TargetError::Unavailable {
            attempt: format!("make {key} anew"),
            reason: "the old one is still being deleted".into(),
        })
    }
}

#[async_trait]
impl World for ClusterWorld<'_> {
    fn kind(&self, gvk: &GroupVersionKind) -> Result<Option<ApiKind>, String> {
        Ok(self
            .scene
            .discovery
            .get(gvk)
            .or_else(|| {
                self.scene
                    .discovery
                    .preferred(&gvk.group_kind())
                    .filter(|kind| kind.gvk == *gvk)
            })
            .cloned())
    }

    fn permit(&self, object: &Object, kind: &ApiKind) -> Result<(), String> {
        let Scene { stage, .. } = self.scene;
        let cluster = &stage.connection.cluster;
        stage
            .project
            .check_object(object, kind.namespaced, cluster, &stage.registered)
            .map_err(|denial| denial.to_string())
    }

    fn health(&self, object: &Object) -> Result<Option<(HealthStatus, String)>, String> {
        Ok(assess(object, &self.engine.health())
            .map(|health| (health.status, health.message.to_string())))
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, String> {
        let object = self
            .scene
            .target
            .get(key)
            .await
            .map_err(|error| error.to_string())?;
        if let Some(object) = &object {
            self.learn(object.clone());
        }
        Ok(object)
    }

    async fn write(
        &self,
        object: &Object,
        live: Option<&Object>,
        request: WriteRequest,
    ) -> Result<String, String> {
        // A hook that is there from before is deleted before it is made: to try it out against the old one would
        // be to try another thing.
        if request.dry_run && live.is_some() && Hooks::of(object).is_hook {
            return self.try_out_anew(object, request).await;
        }
        let mode = match request.mode {
            WriteMode::Apply if request.server_side => ApplyMode::ServerSide,
            WriteMode::Apply => ApplyMode::ClientSide,
            WriteMode::Create => ApplyMode::Create,
            WriteMode::Replace | WriteMode::Update => ApplyMode::Replace,
        };
        let precondition = match (request.mode, live) {
            (WriteMode::Update, live) => Precondition::unchanged(live),
            // Others may have changed it meanwhile, but it must be the same object.
            (_, Some(live)) => Precondition::Uid(live.uid().into()),
            (_, None) => Precondition::None,
        };
        let options = ApplyOptions {
            mode,
            manager: self.engine.options.manager.clone(),
            // As Argo CD does: what the source says wins over other managers.
            force: mode == ApplyMode::ServerSide,
            dry_run: request.dry_run,
            precondition,
            validate: request.validate,
            keep_client_side: request.keep_client_side,
        };
        let mut result = self.apply(object, live, &options).await;
        let refused = matches!(
            result,
            Err(TargetError::Invalid { .. } | TargetError::Conflict { .. })
        );
        if request.force && refused {
            // What cannot be changed is made anew: so it is tried out as well.
            if request.dry_run {
                return self.try_out_anew(object, request).await;
            }
            result = self.replace(object, &options).await;
        }
        if let Err(TargetError::NoNamespace { namespace, .. }) = &result
            && request.dry_run
            && self.brings_namespace(namespace)
        {
            // It is made before: what is in it cannot be tried out yet.
            return Ok(format!(
                "{}/{} created (dry run)",
                object.kind().to_lowercase(),
                object.name()
            ));
        }
        let applied = result.map_err(|error| super::refresh::chain(&error))?;
        let said = match applied.effect {
            Effect::Created => "created",
            Effect::Configured => "configured",
            Effect::Unchanged => "unchanged",
        };
        let dry = if request.dry_run { " (dry run)" } else { "" };
        if !request.dry_run {
            self.learn(applied.object);
        }
        Ok(format!(
            "{}/{} {said}{dry}",
            object.kind().to_lowercase(),
            object.name()
        ))
    }

    async fn prune(&self, live: &Object, propagation: Propagation) -> Result<(), String> {
        let options =
            DeleteOptions::new(propagation).with_precondition(Precondition::Uid(live.uid().into()));
        match self.scene.target.delete(&live.key(), &options).await {
            Ok(()) => {
                self.going(live);
                Ok(())
            }
            Err(TargetError::NotFound { .. }) => {
                self.scene.connection.live.state().remove(live);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn delete_hook(&self, live: &Object, propagation: Propagation) -> Result<bool, String> {
        // It was asked to go before, and is on its way.
        if live.is_deleting() {
            return Ok(true);
        }
        let options =
            DeleteOptions::new(propagation).with_precondition(Precondition::Uid(live.uid().into()));
        match self.scene.target.delete(&live.key(), &options).await {
            Ok(()) => {
                self.going(live);
                Ok(true)
            }
            Err(TargetError::NotFound { .. }) => {
                self.scene.connection.live.state().remove(live);
                Ok(false)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn remove_finalizer(&self, live: &Object) -> Result<(), String> {
        // The object may have changed since it was seen; what is taken off is one entry of a list.
        for _ in 0..5 {
            let current = self
                .scene
                .target
                .get(&live.key())
                .await
                .map_err(|e| e.to_string())?;
            let Some(mut object) = current.filter(|current| current.uid() == live.uid()) else {
                return Ok(());
            };
            let precondition = Precondition::unchanged(Some(&object));
            let metadata = object.metadata_mut();
            let Some(Value::Array(finalizers)) = metadata.get_mut("finalizers") else {
                return Ok(());
            };
            finalizers
                .make_mut()
                .retain(|f| f.as_str() != Some(HOOK_FINALIZER));
            if finalizers.is_empty() {
                metadata.remove("finalizers");
            }
            let options = ApplyOptions {
                mode: ApplyMode::Replace,
                manager: self.engine.options.manager.clone(),
                precondition,
                ..ApplyOptions::default()
            };
            match self.scene.target.apply(&object, &options).await {
                Ok(applied) => {
                    self.learn(applied.object);
                    return Ok(());
                }
                Err(TargetError::NotFound { .. }) => return Ok(()),
                Err(TargetError::Changed { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(format!(
            "{} changes faster than its finalizer can be taken off",
            live.key()
        ))
    }

    async fn wave_done(&self, _: SyncPhase, _: i64, _: bool) -> Result<(), String> {
        Ok(())
    }

    async fn save(&self, state: &SyncState) -> Result<(), String> {
        let Some(record) = self.record else {
            return Ok(());
        };
        let mut record = record.clone();
        record.state = state.clone();
        self.engine
            .save_operation(self.id, &record)
            .await
            .map_err(|error| error.to_string())
    }
}

/// Returns the destination namespace as it is now.
pub(super) fn namespace(connection: &ClusterConnection, name: &str) -> Option<Object> {
    let key = ObjectKey::new("", "Namespace", "", Str::from(name));
    connection.live.state().get(&key).cloned()
}
