//! Writes: the two kinds of apply, replace, create and delete.

use std::time::Duration;

use bytes::Bytes;
use gitops_core::{
    ApiKind, Applied, ApplyMode, ApplyOptions, DeleteOptions, Effect, PatchOptions, Precondition,
    Propagation, TargetError,
};
use gitops_diff::schema::Schemas;
use gitops_diff::strategic::{self, ThreeWayOptions};
use gitops_diff::{merge_patch, structured};
use gitops_manifest::{Map, Object, ObjectKey, Str, Value};
use http::{Method, StatusCode};

use crate::http::{Answer, Call, Failure, JSON, Repeat};
use crate::path;
use crate::session::Known;
use crate::target::{KubeTarget, read_whole};

/// The annotation in which client-side apply keeps what it wrote.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const APPLY_PATCH: &str = "application/apply-patch+yaml";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
/// Metadata alone, where the server can send it.
const PARTIAL: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// Fields of `metadata` that the server alone writes.
const SERVER_FIELDS: [&str; 6] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// A version that no object has: that of a server in which nothing was written yet.
const NEVER: &str = "1";
/// How often a write is made anew that another one came before.
const RACES: u32 = 5;
/// How often it is looked again for a kind whose address is not served yet.
const NOT_YET: u32 = 6;

/// Sends a merge patch; what is expected of the object stands in it, for the server to check.
pub(crate) async fn patch(
    target: &KubeTarget,
    kind: &ApiKind,
    key: &ObjectKey,
    patch: &Value,
    options: &PatchOptions,
) -> Result<Object, TargetError> {
    let changed = |reason: &str| TargetError::Changed {
        key: key.clone(),
        reason: reason.to_owned(),
    };
    let mut patch = match patch {
        Value::Object(patch) => patch.clone(),
        _ => {
            return Err(TargetError::Invalid {
                key: key.clone(),
                reason: "a merge patch of an object is a map".to_owned(),
            });
        }
    };
    match &options.precondition {
        Precondition::None => {}
        Precondition::Absent => return Err(changed("it is to be absent, and to be patched")),
        Precondition::Uid(uid) => {
            patch.entry_object("metadata").insert("uid", uid.clone());
        }
        Precondition::Unchanged {
            uid,
            resource_version,
        } => {
            let metadata = patch.entry_object("metadata");
            metadata.insert("uid", uid.clone());
            metadata.insert("resourceVersion", resource_version.clone());
        }
    }
    let mut apply = ApplyOptions::server_side(options.manager.clone());
    apply.validate = false;
    let write = Write {
        target,
        kind,
        attempt: format!("patch {key}"),
        key: key.clone(),
        options: &apply,
        expected: Expected::default(),
    };
    // A patch that was carried out already changes nothing, unless it was for one version alone.
    let repeat = match &options.precondition {
        Precondition::Unchanged { .. } => Repeat::Refused,
        _ => Repeat::Harmless,
    };
    let body = Bytes::from(Value::Object(patch).to_json());
    match write.send(Method::PATCH, MERGE_PATCH, body, repeat).await {
        Ok(answer) => {
            let object = write.read(&answer)?;
            target.note(&object);
            Ok(object)
        }
        Err(failure) => {
            let gone = failure
                .status()
                .is_some_and(|status| status.code == 404 && !status.is_no_such_address());
            let race = failure
                .status()
                .is_some_and(crate::status::Status::is_changed);
            match (gone, race) {
                (true, _) => Err(TargetError::NotFound { key: key.clone() }),
                (_, true) => Err(changed("it is not the one that was seen, or not as it was")),
                _ => Err(write.error(failure)),
            }
        }
    }
}

pub(crate) async fn apply(
    target: &KubeTarget,
    object: &Object,
    options: &ApplyOptions,
) -> Result<Applied, TargetError> {
    let gvk = object.gvk();
    let kind = target.served(&gvk).await?;
    let mut desired = object.clone();
    if !kind.namespaced && !desired.namespace().is_empty() {
        desired.metadata_mut().remove("namespace");
    }
    let key = desired.key();
    let invalid = |reason: &str| TargetError::Invalid {
        key: key.clone(),
        reason: reason.to_owned(),
    };
    if kind.namespaced && key.namespace.is_empty() {
        return Err(invalid(
            "metadata.namespace: Required value: objects of this kind live in a namespace",
        ));
    }
    let named_by_server = options.mode == ApplyMode::Create && !desired.generate_name().is_empty();
    if key.name.is_empty() && !named_by_server {
        return Err(invalid(
            "metadata.name: Required value: name or generateName is required",
        ));
    }
    if options.mode == ApplyMode::Create && !desired.resource_version().is_empty() {
        return Err(invalid(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    let expected =
        Expected::of(&desired, &options.precondition).map_err(|reason| TargetError::Changed {
            key: key.clone(),
            reason,
        })?;
    for field in SERVER_FIELDS {
        if desired.meta(field).is_some() {
            desired.metadata_mut().remove(field);
        }
    }
    let write = Write {
        target,
        kind: &kind,
        attempt: format!("apply {key}"),
        key,
        options,
        expected,
    };
    let applied = match options.mode {
        ApplyMode::ServerSide => write.server_side(&desired).await?,
        ApplyMode::ClientSide => {
            note_applied(&mut desired);
            write.make_or_change(&desired).await?
        }
        ApplyMode::Replace => write.make_or_change(&desired).await?,
        ApplyMode::Create => write.create(&desired).await?,
    };
    if !options.dry_run {
        target.note(&applied.object);
        target.note_written(&applied.object);
    }
    Ok(applied)
}

/// What the live object must be.
#[derive(Clone, Debug, Default)]
struct Expected {
    absent: bool,
    uid: Option<Str>,
    version: Option<Str>,
}

impl Expected {
    /// Puts together what a precondition says and what the object says itself.
    fn of(desired: &Object, precondition: &Precondition) -> Result<Self, String> {
        let mut expected = Self::default();
        match precondition {
            Precondition::None => {}
            Precondition::Absent => expected.absent = true,
            Precondition::Uid(uid) => expected.uid = Some(uid.clone()),
            Precondition::Unchanged {
                uid,
                resource_version,
            } => {
                expected.uid = Some(uid.clone());
                expected.version = Some(resource_version.clone());
            }
        }
        for (what, stated, place) in [
            ("uid", desired.uid(), &mut expected.uid),
            (
                "resource version",
                desired.resource_version(),
                &mut expected.version,
            ),
        ] {
            if stated.is_empty() {
                continue;
            }
            match place {
                Some(expected) if *expected != stated => {
                    return Err(format!(
                        "its {what} is to be {expected} and {stated} at once"
                    ));
                }
                _ => *place = Some(stated.into()),
            }
        }
        Ok(expected)
    }

    /// Whether the live object is what it must be.
    fn check(&self, live: Option<&Object>) -> Result<(), String> {
        let Some(live) = live else {
            return if self.uid.is_some() {
                Err("it is gone".to_owned())
            } else {
                Ok(())
            };
        };
        if self.absent {
            return Err("it was absent and exists now".to_owned());
        }
        for (what, expected, is) in [
            ("uid", &self.uid, live.uid()),
            ("resource version", &self.version, live.resource_version()),
        ] {
            if let Some(expected) = expected
                && *expected != is
            {
                return Err(format!("its {what} is {is}, not {expected}"));
            }
        }
        Ok(())
    }
}

/// A write of one object.
struct Write<'a> {
    target: &'a KubeTarget,
    kind: &'a ApiKind,
    key: ObjectKey,
    options: &'a ApplyOptions,
    expected: Expected,
    attempt: String,
}

impl Write<'_> {
    fn error(&self, failure: Failure) -> TargetError {
        failure.into_error(&self.attempt, &self.key, &self.kind.gvk)
    }

    fn changed(&self, reason: impl Into<String>) -> TargetError {
        TargetError::Changed {
            key: self.key.clone(),
            reason: reason.into(),
        }
    }

    fn invalid(&self, reason: &dyn std::error::Error) -> TargetError {
        TargetError::Invalid {
            key: self.key.clone(),
            reason: reason.to_string(),
        }
    }

    fn check(&self, live: Option<&Object>) -> Result<(), TargetError> {
        self.expected
            .check(live)
            .map_err(|reason| self.changed(reason))
    }

    async fn live(&self) -> Result<Option<Object>, TargetError> {
        self.target
            .read(self.kind, &self.key.namespace, &self.key.name)
            .await
    }

    /// Sends a write. That the address of a kind is not served yet, which just came, is waited for.
    async fn send(
        &self,
        method: Method,
        content_type: &'static str,
        body: Bytes,
        repeat: Repeat,
    ) -> Result<Answer, Failure> {
        let (kind, key) = (self.kind, &self.key);
        let mut path = if method == Method::POST {
            path::collection(kind, &key.namespace)
        } else {
            path::object(kind, &key.namespace, &key.name)
        };
        path::parameter(&mut path, "fieldManager", &self.options.manager);
        let validation = if self.options.validate {
            "Strict"
        } else {
            "Ignore"
        };
        path::parameter(&mut path, "fieldValidation", validation);
        if self.options.dry_run {
            path::parameter(&mut path, "dryRun", "All");
        }
        if content_type == APPLY_PATCH && self.options.force {
            path::parameter(&mut path, "force", "true");
        }
        let mut call = Call::new(method, &path, &self.attempt);
        call.content_type = content_type;
        call.body = body;
        call.repeat = repeat;
        let mut pause = Duration::from_millis(50);
        for _ in 0..NOT_YET {
            match self.target.connection().call(&call).await {
                Err(failure)
                    if failure
                        .status()
                        .is_some_and(crate::status::Status::is_no_such_address) =>
                {
                    self.target.note_failure(&failure);
                    if self.target.served(&kind.gvk).await.is_err() {
                        return Err(failure);
                    }
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                other => return other,
            }
        }
        self.target.connection().call(&call).await
    }

    fn read(&self, answer: &Answer) -> Result<Object, TargetError> {
        read_whole(&answer.body, &self.attempt)
    }

    async fn server_side(&self, desired: &Object) -> Result<Applied, TargetError> {
        let before = self.before().await?;
        let written = self.target.written(&self.key.group_kind());
        let answer = match self.send_apply(desired).await {
            Err(failure) if self.may_be_by_migrated(&failure) => match self.live().await? {
                Some(live) if self.is_by_migrated(&failure, &live) => {
                    self.migrate(live).await?;
                    self.send_apply(desired).await
                }
                _ => Err(failure),
            },
            other => other,
        };
        let answer = answer.map_err(|failure| {
            if self.expected.absent
                && failure
                    .status()
                    .is_some_and(crate::status::Status::is_changed)
            {
                return self.changed("it was absent and exists now");
            }
            self.error(failure)
        })?;
        let mut object = self.read(&answer)?;
        if answer.code == StatusCode::CREATED {
            return Ok(Applied {
                object,
                effect: Effect::Created,
            });
        }
        // As kubectl does: afterwards, since the answer tells whether there is something to take over.
        if !self.options.dry_run && self.migrate(object.clone()).await?.is_some() {
            let again = self.send_apply(desired).await;
            object = self.read(&again.map_err(|failure| self.error(failure))?)?;
        }
        let effect = self.effect(&object, before, written).await?;
        Ok(Applied { object, effect })
    }

    async fn send_apply(&self, desired: &Object) -> Result<Answer, Failure> {
        let mut wanted = desired.clone();
        let version = if self.expected.absent {
            // A server that makes the object does not ask for its version; one that has it finds another.
            Some(&Str::from_static(NEVER)).cloned()
        } else {
            self.expected.version.clone()
        };
        state_expected(&mut wanted, self.expected.uid.as_ref(), version.as_ref());
        // An apply that was carried out already changes nothing, unless it was for one version alone.
        let repeat = if version.is_some() {
            Repeat::Refused
        } else {
            Repeat::Harmless
        };
        self.send(Method::PATCH, APPLY_PATCH, body_of(&wanted), repeat)
            .await
    }

    /// Returns what is known of the object before it is written, for telling what the write did.
    async fn before(&self) -> Result<Known, TargetError> {
        let usable = |object: &Object| {
            !self.options.dry_run
                || (object.meta("managedFields").is_some()
                    && object.version() == self.kind.gvk.version)
        };
        match self.target.known(&self.key) {
            Known::Present(object) if usable(&object) => return Ok(Known::Present(object)),
            Known::Absent => return Ok(Known::Absent),
            _ => {}
        }
        if self.options.dry_run {
            return Ok(self.live().await?.map_or(Known::Absent, Known::Present));
        }
        if self.expected.version.is_some() {
            return Ok(Known::Unknown);
        }
        let path = path::object(self.kind, &self.key.namespace, &self.key.name);
        let mut call = Call::get(&path, &self.attempt);
        call.accept = PARTIAL;
        match self.target.connection().call(&call).await {
            Ok(answer) => Ok(Known::Present(self.read(&answer)?)),
            // The write itself will tell, in better words.
            Err(Failure::Refused { .. }) => Ok(Known::Unknown),
            Err(failure) => Err(self.error(failure)),
        }
    }

    /// Tells what a write did that made no new object, by what was known before it: the object, as a watch brought it a
    /// moment ago, and the latest version that was written by then.
    async fn effect(
        &self,
        after: &Object,
        before: Known,
        written: u64,
    ) -> Result<Effect, TargetError> {
        if !self.options.dry_run {
            let version = after.resource_version();
            let unchanged = match &self.expected.version {
                Some(expected) => *expected == version,
                // The watch may lag behind; but a version that was there before is none that this write made.
                None => {
                    let seen = matches!(&before, Known::Present(before) if before.resource_version() == version);
                    seen || version
                        .parse::<u64>()
                        .is_ok_and(|version| version <= written)
                }
            };
            return Ok(if unchanged {
                Effect::Unchanged
            } else {
                Effect::Configured
            });
        }
        // A dry run does not change the version: only the content tells.
        let before = match before {
            Known::Present(before) if before.resource_version() == after.resource_version() => {
                Some(before)
            }
            _ => self.live().await?,
        };
        Ok(match before {
            Some(before) if before == *after => Effect::Unchanged,
            _ => Effect::Configured,
        })
    }

    /// Whether fields of others are in the way of an apply that would take some of them over.
    fn may_be_by_migrated(&self, failure: &Failure) -> bool {
        let status = failure.status();
        !self.options.dry_run
            && !self.options.keep_client_side
            && !self.target.options().migrate.is_empty()
            && status
                .and_then(crate::status::Status::field_conflicts)
                .is_some()
    }

    /// Whether nothing is in the way of an apply but what client-side applies own.
    fn is_by_migrated(&self, failure: &Failure, live: &Object) -> bool {
        let appliers = structured::client_side_appliers(live);
        let migrate = &self.target.options().migrate;
        let taken_over = |manager: &str| {
            let mut names = migrate.iter().chain(&appliers);
            names.any(|name| **name == *manager)
        };
        let conflicts = failure
            .status()
            .and_then(crate::status::Status::field_conflicts);
        conflicts.is_some_and(|conflicts| {
            let mut managers = conflicts.iter();
            managers.all(|conflict| taken_over(&conflict.manager))
        })
    }

    /// Makes what client-side applies own the manager's. Returns the object where there was something.
    async fn migrate(&self, live: Object) -> Result<Option<Object>, TargetError> {
        if self.options.keep_client_side {
            return Ok(None);
        }
        let migrate = &self.target.options().migrate;
        if migrate.is_empty() {
            return Ok(None);
        }
        let from: Vec<&str> = migrate.iter().map(Str::as_str).collect();
        let mut live = live;
        for _ in 0..RACES {
            let migrated = structured::migrate_to_apply(&live, &from, &self.options.manager);
            let Some(migrated) = migrated.map_err(|error| self.invalid(&error))? else {
                return Ok(None);
            };
            let Some(managers) = migrated.meta("managedFields") else {
                return Ok(None);
            };
            let replace = |path: &str, value: Value| {
                Value::from(Map::from([
                    ("op", Value::from("replace")),
                    ("path", path.into()),
                    ("value", value),
                ]))
            };
            let version = Value::from(live.resource_version());
            let patch = Value::from(vec![
                replace("/metadata/managedFields", managers.clone()),
                replace("/metadata/resourceVersion", version),
            ]);
            let body = Bytes::from(patch.to_json());
            match self
                .send(Method::PATCH, JSON_PATCH, body, Repeat::Refused)
                .await
            {
                Ok(answer) => return Ok(Some(self.read(&answer)?)),
                Err(failure)
                    if failure
                        .status()
                        .is_some_and(crate::status::Status::is_changed) =>
                {
                    match self.live().await? {
                        Some(changed) => live = changed,
                        None => return Ok(None),
                    }
                }
                Err(failure) => return Err(self.error(failure)),
            }
        }
        Err(self.changed("it changes faster than its fields can be taken over"))
    }

    async fn create(&self, desired: &Object) -> Result<Applied, TargetError> {
        if self.expected.uid.is_some() && !matches!(self.options.precondition, Precondition::None) {
            return Err(self.changed("it is to be made, and to have a uid before"));
        }
        match self.post(desired).await {
            Err(TargetError::AlreadyExists { .. }) if self.expected.absent => {
                Err(self.changed("it was absent and exists now"))
            }
            other => other,
        }
    }

    async fn post(&self, desired: &Object) -> Result<Applied, TargetError> {
        let answer = self
            .send(Method::POST, JSON, body_of(desired), Repeat::Refused)
            .await
            .map_err(|failure| self.error(failure))?;
        Ok(Applied {
            object: self.read(&answer)?,
            effect: Effect::Created,
        })
    }

    /// Makes the object where there seems to be none. `None` where there is one after all.
    async fn make(&self, desired: &Object) -> Result<Option<Applied>, TargetError> {
        match self.post(desired).await {
            Ok(applied) => Ok(Some(applied)),
            Err(TargetError::AlreadyExists { .. }) if self.expected.absent => {
                Err(self.changed("it was absent and exists now"))
            }
            Err(TargetError::AlreadyExists { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether it is worth trying to make the object without looking for it.
    fn seems_absent(&self) -> bool {
        self.expected.uid.is_none()
            && (self.expected.absent || matches!(self.target.known(&self.key), Known::Absent))
    }

    /// Makes the object where there is none, changes it where there is one, and begins anew where others come first.
    async fn make_or_change(&self, desired: &Object) -> Result<Applied, TargetError> {
        let mut seems_absent = self.seems_absent();
        for _ in 0..RACES {
            if seems_absent && let Some(applied) = self.make(desired).await? {
                return Ok(applied);
            }
            let live = self.live().await?;
            self.check(live.as_ref())?;
            seems_absent = live.is_none();
            let Some(live) = live else {
                continue;
            };
            let changed = match self.options.mode {
                ApplyMode::ClientSide => self.patch_three_way(&live, desired).await?,
                _ => self.put(&live, desired).await?,
            };
            if let Some(applied) = changed {
                return Ok(applied);
            }
        }
        Err(self.changed("others write it faster than it can be changed"))
    }

    /// Sends what `kubectl apply` sends. `None` where another write came first.
    async fn patch_three_way(
        &self,
        live: &Object,
        desired: &Object,
    ) -> Result<Option<Applied>, TargetError> {
        let (content_type, mut patch) = self.three_way(live, desired)?;
        if patch.as_object().is_none_or(Map::is_empty) {
            return Ok(Some(Applied {
                object: live.clone(),
                effect: Effect::Unchanged,
            }));
        }
        let mut repeat = Repeat::Harmless;
        if let Some(version) = &self.expected.version
            && let Some(patch) = patch.as_object_mut()
        {
            patch
                .entry_object("metadata")
                .insert("resourceVersion", version);
            repeat = Repeat::Refused;
        }
        let body = Bytes::from(patch.to_json());
        let sent = self.send(Method::PATCH, content_type, body, repeat).await;
        self.unless_race(sent, live)
    }

    /// Sends the whole object in place of the one there is. `None` where another write came first.
    async fn put(&self, live: &Object, desired: &Object) -> Result<Option<Applied>, TargetError> {
        let mut wanted = desired.clone();
        let (uid, version) = (Str::from(live.uid()), Str::from(live.resource_version()));
        state_expected(&mut wanted, Some(&uid), Some(&version));
        let body = body_of(&wanted);
        let sent = self.send(Method::PUT, JSON, body, Repeat::Refused).await;
        self.unless_race(sent, live)
    }

    fn unless_race(
        &self,
        sent: Result<Answer, Failure>,
        before: &Object,
    ) -> Result<Option<Applied>, TargetError> {
        match sent {
            Ok(answer) => self.written(&answer, before).map(Some),
            Err(failure) if self.is_race(&failure) => Ok(None),
            Err(failure) => Err(self.error(failure)),
        }
    }

    /// Whether another write came first, and nothing was said about what the object must be.
    fn is_race(&self, failure: &Failure) -> bool {
        self.expected.version.is_none()
            && matches!(failure, Failure::Refused { status, uncertain: false }
                if status.is_changed() || (status.code == 404 && !status.is_no_such_address()
                    && status.details.as_ref().is_some_and(|details| details.name == self.key.name.as_str())))
    }

    fn written(&self, answer: &Answer, before: &Object) -> Result<Applied, TargetError> {
        let object = self.read(answer)?;
        let unchanged = if self.options.dry_run {
            object == *before
        } else {
            object.resource_version() == before.resource_version()
        };
        let effect = if unchanged {
            Effect::Unchanged
        } else {
            Effect::Configured
        };
        Ok(Applied { object, effect })
    }

    /// Makes the patch that `kubectl apply` makes: by strategic merge for built-in kinds, by merge patch for others.
    fn three_way(
        &self,
        live: &Object,
        desired: &Object,
    ) -> Result<(&'static str, Value), TargetError> {
        let previous = live.annotation(LAST_APPLIED);
        let previous = previous.and_then(|text| Value::from_json(text).ok());
        let previous = previous.unwrap_or_default();
        let schemas = Schemas::new();
        let ty = schemas.of(desired).filter(|ty| ty.is_built_in());
        let (desired, live) = (desired.to_value(), live.to_value());
        match ty {
            Some(ty) => {
                let options = ThreeWayOptions::default().overwrite(true);
                let patch = strategic::create_three_way(&previous, &desired, &live, ty, &options);
                Ok((
                    STRATEGIC_PATCH,
                    patch.map_err(|error| self.invalid(&error))?,
                ))
            }
            None => {
                let patch = merge_patch::three_way(&previous, &desired, &live);
                Ok((MERGE_PATCH, patch.map_err(|error| self.invalid(&error))?))
            }
        }
    }
}

/// Puts into an object which one the server must find.
fn state_expected(object: &mut Object, uid: Option<&Str>, version: Option<&Str>) {
    for (field, value) in [("uid", uid), ("resourceVersion", version)] {
        if let Some(value) = value {
            object.metadata_mut().insert(field, value);
        }
    }
}

fn body_of(object: &Object) -> Bytes {
    let mut text = String::new();
    object.to_value().write_json(&mut text);
    text.into()
}

/// Writes down what is applied, for the next apply to know what it no longer names. As kubectl does, to the byte.
fn note_applied(object: &mut Object) {
    let mut noted = object.clone();
    noted
        .metadata_mut()
        .entry_object("annotations")
        .remove(LAST_APPLIED);
    let mut text = noted.to_value().to_go_json();
    text.push('\n');
    object.set_annotation(LAST_APPLIED, text);
}

pub(crate) async fn delete(
    target: &KubeTarget,
    kind: &ApiKind,
    key: &ObjectKey,
    options: &DeleteOptions,
) -> Result<(), TargetError> {
    let mut key = key.clone();
    if !kind.namespaced {
        key.namespace = Str::default();
    }
    let changed = |reason: &str| TargetError::Changed {
        key: key.clone(),
        reason: reason.to_owned(),
    };
    if key.name.is_empty() || (kind.namespaced && key.namespace.is_empty()) {
        // Without a name the whole collection would be meant.
        return Err(TargetError::Invalid {
            key: key.clone(),
            reason: "what is to be deleted has no name, or no namespace".to_owned(),
        });
    }
    let mut body = Map::from([
        ("apiVersion", Value::from("v1")),
        ("kind", "DeleteOptions".into()),
        (
            "propagationPolicy",
            match options.propagation {
                Propagation::Foreground => "Foreground",
                Propagation::Background => "Background",
                Propagation::Orphan => "Orphan",
            }
            .into(),
        ),
    ]);
    if options.dry_run {
        body.insert("dryRun", vec![Value::from("All")]);
    }
    match &options.precondition {
        Precondition::None => {}
        Precondition::Absent => {
            return match target.read(kind, &key.namespace, &key.name).await? {
                Some(_) => Err(changed("it was absent and exists now")),
                None => Err(TargetError::NotFound { key }),
            };
        }
        Precondition::Uid(uid) => {
            body.entry_object("preconditions").insert("uid", uid);
        }
        Precondition::Unchanged {
            uid,
            resource_version,
        } => {
            let conditions = body.entry_object("preconditions");
            conditions.insert("uid", uid);
            conditions.insert("resourceVersion", resource_version);
        }
    }
    let path = path::object(kind, &key.namespace, &key.name);
    let attempt = format!("delete {key}");
    let mut call = Call::new(Method::DELETE, &path, &attempt);
    call.body = Value::from(body).to_json().into();
    match target.connection().call(&call).await {
        Ok(_) => Ok(()),
        // An attempt whose answer was lost has done it.
        Err(Failure::Refused {
            status,
            uncertain: true,
        }) if status.code == 404 && !status.is_no_such_address() => Ok(()),
        Err(failure) => {
            target.note_failure(&failure);
            Err(failure.into_error(&attempt, &key, &kind.gvk))
        }
    }?;
    if !options.dry_run {
        target.note_gone(&key);
    }
    Ok(())
}
