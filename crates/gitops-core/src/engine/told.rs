//! A cluster that tells observers what is asked of it for an application.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use gitops_manifest::{Object, ObjectKey, Str, Value};

use crate::observer::Observers;
use crate::{
    ApplicationId, Applied, ApplyMode, ApplyOptions, Clock, DeleteOptions, Discovery, Effect,
    Event, EventKind, Observer as _, PatchOptions, Scope, Snapshot, Target, TargetError, Verb,
    WatchEvent,
};

/// Hands everything on, and tells of requests for single objects.
pub(super) struct Told {
    pub(super) target: Arc<dyn Target>,
    pub(super) application: ApplicationId,
    pub(super) observers: Observers,
    pub(super) clock: Arc<dyn Clock>,
}

impl Told {
    fn tell<T>(
        &self,
        verb: Verb,
        key: &ObjectKey,
        dry_run: bool,
        code: u16,
        answer: &Result<T, TargetError>,
    ) {
        let code = match answer {
            Ok(_) => code,
            Err(error) => error.status_code(),
        };
        self.observers.observe(&Event {
            at: self.clock.now(),
            application: self.application.clone(),
            kind: EventKind::Requested {
                verb,
                key: key.clone(),
                dry_run,
                code,
            },
        });
    }
}

#[async_trait]
impl Target for Told {
    async fn discover(&self) -> Result<Arc<Discovery>, TargetError> {
        self.target.discover().await
    }

    async fn version(&self) -> Result<Str, TargetError> {
        self.target.version().await
    }

    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot, TargetError> {
        self.target.snapshot(scope).await
    }

    async fn watch(
        &self,
        scope: &Scope,
        version: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent, TargetError>>, TargetError> {
        self.target.watch(scope, version).await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, TargetError> {
        let answer = self.target.get(key).await;
        let code = match &answer {
            Ok(None) => 404,
            _ => 200,
        };
        self.tell(Verb::Get, key, false, code, &answer);
        answer
    }

    async fn apply(&self, object: &Object, options: &ApplyOptions) -> Result<Applied, TargetError> {
        let answer = self.target.apply(object, options).await;
        let created = matches!(&answer, Ok(applied) if applied.effect == Effect::Created);
        let verb = match options.mode {
            ApplyMode::Create => Verb::Create,
            // An object that is not there is made.
            ApplyMode::ClientSide | ApplyMode::Replace if created => Verb::Create,
            ApplyMode::Replace => Verb::Update,
            ApplyMode::ClientSide | ApplyMode::ServerSide => Verb::Patch,
        };
        let code = if created { 201 } else { 200 };
        self.tell(verb, &object.key(), options.dry_run, code, &answer);
        answer
    }

    async fn delete(&self, key: &ObjectKey, options: &DeleteOptions) -> Result<(), TargetError> {
        let answer = self.target.delete(key, options).await;
        self.tell(Verb::Delete, key, options.dry_run, 200, &answer);
        answer
    }

    fn impersonate(&self, user: &str, groups: &[Str]) -> Option<Arc<dyn Target>> {
        Some(Arc::new(Self {
            target: self.target.impersonate(user, groups)?,
            application: self.application.clone(),
            observers: self.observers.clone(),
            clock: Arc::clone(&self.clock),
        }))
    }

    async fn patch(
        &self,
        key: &ObjectKey,
        patch: &Value,
        options: &PatchOptions,
    ) -> Result<Object, TargetError> {
        let answer = self.target.patch(key, patch, options).await;
        self.tell(Verb::Patch, key, false, 200, &answer);
        answer
    }
}
