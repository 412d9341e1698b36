//! Writes: create, replace, and the two kinds of apply.

use gitops_core::{
    Applied, ApplyMode, ApplyOptions, Effect, PatchOptions, Precondition, TargetError,
};
use gitops_diff::strategic::ThreeWayOptions;
use gitops_diff::structured::{self, WriteError, WriteOptions};
use gitops_diff::{merge_patch, strategic};
use gitops_manifest::{Map, Object, ObjectKey, Str, Value};

use super::validate::{self, invalid};
use super::{CONTROLLER, Server, collect, definition, prepare};

/// The annotation in which client-side apply keeps what it wrote.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The manager in whose name `kubectl apply` writes on the client's side.
const CLIENT_SIDE: &str = "kubectl-client-side-apply";

/// Fields of `metadata` that the server alone writes.
const SERVER_FIELDS: [&str; 6] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

impl Server {
    pub(crate) fn apply(
        &mut self,
        object: &Object,
        options: &ApplyOptions,
    ) -> Result<Applied, TargetError> {
        let served = self.served(object)?;
        let (namespaced, has_status) = (served.api.namespaced, served.has_status);
        let mut desired = object.clone();
        if !namespaced && !desired.namespace().is_empty() {
            desired.metadata_mut().remove("namespace");
        }
        if desired.name().is_empty()
            && !desired.generate_name().is_empty()
            && options.mode == ApplyMode::Create
        {
            let name = format!("{}{}", desired.generate_name(), self.random.suffix(5));
            desired.metadata_mut().insert("name", name);
        }
        let key = desired.key();
        validate::names(&key, &desired, namespaced)?;
        if has_status {
            desired.as_map_mut().remove("status");
        }
        let live = self.objects.get(&key).cloned();
        check_precondition(&key, live.as_ref(), &options.precondition)?;
        match live {
            Some(_) if options.mode == ApplyMode::Create => Err(TargetError::AlreadyExists { key }),
            Some(live) => self.change_live(&key, &live, desired, options),
            None => self.create(&key, desired, options),
        }
    }

    /// Merges a patch into an object that exists. A status that has a resource of its own stays.
    pub(crate) fn patch(
        &mut self,
        key: &ObjectKey,
        patch: &Value,
        options: &PatchOptions,
    ) -> Result<Object, TargetError> {
        let Some(live) = self.objects.get(key).cloned() else {
            return Err(TargetError::NotFound { key: key.clone() });
        };
        check_precondition(key, Some(&live), &options.precondition)?;
        let merged = merge_patch::apply(&live.to_value(), patch);
        let merged = Object::try_from(merged).map_err(|e| invalid(key, e.to_string()))?;
        let mut apply = ApplyOptions::server_side(options.manager.clone())
            .with_mode(ApplyMode::Replace)
            .with_precondition(Precondition::unchanged(Some(&live)));
        apply.validate = false;
        Ok(self.apply(&merged, &apply)?.object)
    }

    fn create(
        &mut self,
        key: &ObjectKey,
        mut desired: Object,
        options: &ApplyOptions,
    ) -> Result<Applied, TargetError> {
        if !key.namespace.is_empty() {
            self.check_namespace(key)?;
        }
        let stated_version = !desired.resource_version().is_empty();
        let stated_uid = !desired.uid().is_empty();
        if options.mode == ApplyMode::ServerSide && stated_uid {
            let reason = "an object of this uid is to be changed, and there is none".to_owned();
            return Err(TargetError::Changed {
                key: key.clone(),
                reason,
            });
        }
        if stated_version && options.mode == ApplyMode::Create {
            return Err(invalid(
                key,
                "resourceVersion should not be set on objects to be created",
            ));
        }
        strip(&mut desired);
        let write = self.write_options(options);
        let mut object = if options.mode == ApplyMode::ServerSide {
            let written = structured::apply(None, &desired, &write, &self.schemas);
            let applied = written.map_err(|error| refused(key, error))?.object;
            let mut object = prepare::object(key, &applied, &self.schemas, options.validate)?;
            self.complete_new(key, &mut object);
            object
        } else {
            if options.mode == ApplyMode::ClientSide {
                note_applied(&mut desired);
            }
            let mut object = prepare::object(key, &desired, &self.schemas, options.validate)?;
            self.complete_new(key, &mut object);
            let written = structured::update(None, &object, &write, &self.schemas);
            written.map_err(|error| refused(key, error))?.object
        };
        validate::object(key, &object)?;
        let uid = self.random.uuid();
        let created = self.now.to_second().to_string();
        let metadata = object.metadata_mut();
        metadata.insert("uid", uid);
        metadata.insert("creationTimestamp", created);
        if prepare::has_generation(key) {
            metadata.insert("generation", 1);
        }
        prepare::after_uid(key, &mut object);
        if !options.dry_run {
            object = self.put(key, object);
            if definition::is_definition(key) {
                self.register_schema(&object);
            }
        }
        Ok(Applied {
            object,
            effect: Effect::Created,
        })
    }

    /// Fills in what a new object gets of the server.
    fn complete_new(&mut self, key: &ObjectKey, object: &mut Object) {
        match (key.group.as_str(), key.kind.as_str()) {
            _ if definition::is_definition(key) => definition::complete(object),
            ("", "Namespace") => collect::complete_namespace(object),
            ("", "Service") => {
                let number = self.random.next();
                prepare::give_address(object, number);
            }
            _ => {}
        }
    }

    fn change_live(
        &mut self,
        key: &ObjectKey,
        live: &Object,
        mut desired: Object,
        options: &ApplyOptions,
    ) -> Result<Applied, TargetError> {
        check_stated(key, &desired, live)?;
        let in_version = prepare::in_version(live, desired.api_version());
        let write = self.write_options(options);
        strip(&mut desired);
        let merged = match options.mode {
            ApplyMode::ServerSide => {
                // What client-side apply owns is taken over first, as a client does before its first apply.
                let migrated = if options.dry_run || options.keep_client_side {
                    None
                } else {
                    let migrated =
                        structured::migrate_to_apply(&in_version, &[CLIENT_SIDE], &options.manager);
                    migrated.map_err(|error| invalid(key, error.to_string()))?
                };
                let base = migrated.as_ref().unwrap_or(&in_version);
                let written = structured::apply(Some(base), &desired, &write, &self.schemas);
                written.map_err(|error| refused(key, error))?.object
            }
            ApplyMode::ClientSide => {
                note_applied(&mut desired);
                let merged = self.three_way(key, &in_version, &desired)?;
                let mut object = Object::new(merged).map_err(|e| invalid(key, e.to_string()))?;
                keep_field(&mut object, &in_version, "metadata", "managedFields");
                object
            }
            ApplyMode::Replace | ApplyMode::Create => desired,
        };
        let mut object = prepare::object(key, &merged, &self.schemas, options.validate)?;
        keep_server_fields(&mut object, live);
        if self.served(&object)?.has_status {
            keep_status(&mut object, live);
        }
        prepare::keep_given(key, &mut object, live);
        if definition::is_definition(key) {
            definition::complete(&mut object);
        }
        if options.mode != ApplyMode::ServerSide {
            let written = structured::update(Some(&in_version), &object, &write, &self.schemas);
            object = match written {
                Ok(written) => written.object,
                // The API server makes such a write without managed fields.
                Err(_) => object,
            };
        }
        validate::object(key, &object)?;
        validate::change(key, &object, live)?;
        if same_but_times(&object, &in_version) {
            return Ok(Applied {
                object: live.clone(),
                effect: Effect::Unchanged,
            });
        }
        raise_generation(key, &mut object, live);
        if !options.dry_run {
            object = self.update(key, object);
            if definition::is_definition(key) {
                self.register_schema(&object);
            }
        }
        Ok(Applied {
            object,
            effect: Effect::Configured,
        })
    }

    /// Merges as `kubectl apply` does on the client's side: by strategic merge for built-in kinds, by merge
    /// patch for others.
    fn three_way(
        &self,
        key: &ObjectKey,
        live: &Object,
        desired: &Object,
    ) -> Result<Map, TargetError> {
        let previous = live.annotation(LAST_APPLIED);
        let previous = previous.and_then(|text| Value::from_json(text).ok());
        let previous = previous.unwrap_or_default();
        let (desired, live) = (desired.to_value(), live.to_value());
        let ty = self
            .schemas
            .of(&Object::try_from(desired.clone()).map_err(|e| invalid(key, e.to_string()))?);
        let merged = match ty.filter(|ty| ty.is_built_in()) {
            Some(ty) => {
                let options = ThreeWayOptions::default().overwrite(true);
                strategic::create_three_way(&previous, &desired, &live, ty, &options)
                    .and_then(|patch| strategic::apply(&live, &patch, ty))
                    .map_err(|error| invalid(key, error.to_string()))?
            }
            None => {
                let patch = merge_patch::three_way(&previous, &desired, &live)
                    .map_err(|error| invalid(key, error.to_string()))?;
                merge_patch::apply(&live, &patch)
            }
        };
        match merged {
            Value::Object(map) => Ok(map),
            _ => Err(invalid(key, "what comes out of the merge is no object")),
        }
    }

    /// Creates an object as a controller does.
    pub(super) fn create_as(
        &mut self,
        object: &Object,
        manager: &str,
    ) -> Result<Applied, TargetError> {
        let mut options = ApplyOptions::server_side(manager).with_mode(ApplyMode::Create);
        options.validate = false;
        self.apply(object, &options)
    }

    fn write_options(&self, options: &ApplyOptions) -> WriteOptions {
        WriteOptions::new(&options.manager)
            .force(options.force)
            .time(self.now.to_second().to_string())
    }

    fn check_namespace(&self, key: &ObjectKey) -> Result<(), TargetError> {
        let namespace = ObjectKey::new("", "Namespace", "", &key.namespace);
        match self.objects.get(&namespace) {
            None => Err(TargetError::NoNamespace {
                key: key.clone(),
                namespace: key.namespace.clone(),
            }),
            Some(namespace) if namespace.is_deleting() => Err(TargetError::Forbidden {
                key: key.clone(),
                reason: format!(
                    "unable to create new content in namespace {} because it is being terminated",
                    key.namespace
                ),
            }),
            Some(_) => Ok(()),
        }
    }

    /// Puts a changed object, or removes it where it was only kept by its finalizers and has none left.
    pub(super) fn update(&mut self, key: &ObjectKey, object: Object) -> Object {
        if object.is_deleting() && !collect::is_held(&object) {
            if let Some(before) = self.objects.insert(key.clone(), object.clone()) {
                self.unlink_owners(key, &before);
            }
            return self.take(key).unwrap_or(object);
        }
        self.put(key, object)
    }

    /// Puts an object that a manager has changed, or a subresource of it, with the manager's name to what it
    /// changed.
    pub(super) fn put_as(
        &mut self,
        key: &ObjectKey,
        object: Object,
        manager: &str,
        subresource: &str,
    ) {
        let write = WriteOptions::new(manager)
            .time(self.now.to_second().to_string())
            .subresource(subresource);
        let live = self.objects.get(key);
        let object = if subresource == "status" {
            // Nothing but the status changes: the rest need not be gone through to tell who owns it.
            let live = live.map(status_alone);
            match structured::update(live.as_ref(), &status_alone(&object), &write, &self.schemas) {
                Ok(written) if !written.changed => return,
                Ok(written) => with_status_of(object, &written.object),
                Err(_) => object,
            }
        } else {
            match structured::update(live, &object, &write, &self.schemas) {
                Ok(written) if !written.changed => return,
                Ok(written) => written.object,
                Err(_) => object,
            }
        };
        self.update(key, object);
    }

    pub(super) fn create_namespace(&mut self, name: &str) {
        let map = Map::from([
            ("apiVersion", Value::from("v1")),
            ("kind", "Namespace".into()),
            ("metadata", Map::from([("name", name)]).into()),
        ]);
        let namespace = Object::new(map).expect("it has an API version and a kind");
        self.create_as(&namespace, "kube-apiserver")
            .expect("nothing is in the way of a first namespace");
    }

    /// Sets the status of an object.
    pub(crate) fn set_status_of(
        &mut self,
        key: &ObjectKey,
        status: Value,
    ) -> Result<Object, TargetError> {
        let Some(mut object) = self.objects.get(key).cloned() else {
            return Err(TargetError::NotFound { key: key.clone() });
        };
        if object.get("status") == Some(&status) {
            return Ok(object);
        }
        object.as_map_mut().insert("status", status);
        self.put_as(key, object, CONTROLLER, "status");
        let written = self.objects.get(key).cloned();
        written.ok_or_else(|| TargetError::NotFound { key: key.clone() })
    }

    /// Changes an object as somebody with a text editor would.
    pub(crate) fn edit(
        &mut self,
        key: &ObjectKey,
        change: impl FnOnce(&mut Object),
    ) -> Result<Object, TargetError> {
        let Some(live) = self.objects.get(key).cloned() else {
            return Err(TargetError::NotFound { key: key.clone() });
        };
        let mut object = live;
        change(&mut object);
        if object.key() != *key {
            return Err(invalid(key, "an edit cannot make another object of it"));
        }
        let mut options = ApplyOptions::server_side("kubectl-edit").with_mode(ApplyMode::Replace);
        options.validate = true;
        Ok(self.apply(&object, &options)?.object)
    }
}

/// Tells of a write that the rules of structured merge refuse.
fn refused(key: &ObjectKey, error: WriteError) -> TargetError {
    match error {
        WriteError::Conflicts { conflicts } => TargetError::Conflict {
            key: key.clone(),
            conflicts: conflicts
                .0
                .into_iter()
                .map(|conflict| gitops_core::FieldConflict {
                    manager: conflict.manager.name.to_string(),
                    field: conflict.path.to_string(),
                })
                .collect(),
        },
        other => {
            let mut reason = other.to_string();
            let mut source = std::error::Error::source(&other);
            while let Some(cause) = source {
                reason = format!("{reason}: {cause}");
                source = cause.source();
            }
            invalid(key, reason)
        }
    }
}

pub(super) fn check_precondition(
    key: &ObjectKey,
    live: Option<&Object>,
    precondition: &Precondition,
) -> Result<(), TargetError> {
    let changed = |reason: String| {
        Err(TargetError::Changed {
            key: key.clone(),
            reason,
        })
    };
    let (uid, version): (&str, Option<&Str>) = match precondition {
        Precondition::None => return Ok(()),
        Precondition::Absent => {
            return match live {
                None => Ok(()),
                Some(_) => changed("it was absent and exists now".to_owned()),
            };
        }
        Precondition::Uid(uid) => (uid, None),
        Precondition::Unchanged {
            uid,
            resource_version,
        } => (uid, Some(resource_version)),
    };
    let Some(live) = live else {
        return changed("it is gone".to_owned());
    };
    if live.uid() != uid {
        return changed(format!("its uid is {}, not {uid}", live.uid()));
    }
    match version {
        Some(version) if live.resource_version() != *version => changed(format!(
            "its resource version is {}, not {version}",
            live.resource_version()
        )),
        _ => Ok(()),
    }
}

/// Checks what a written object says itself of the live one.
fn check_stated(key: &ObjectKey, desired: &Object, live: &Object) -> Result<(), TargetError> {
    let stated = [
        ("uid", desired.uid(), live.uid()),
        (
            "resource version",
            desired.resource_version(),
            live.resource_version(),
        ),
    ];
    for (what, stated, is) in stated {
        if !stated.is_empty() && stated != is {
            return Err(TargetError::Changed {
                key: key.clone(),
                reason: format!("its {what} is {is}, not {stated}"),
            });
        }
    }
    Ok(())
}

/// Takes out what only the server writes.
fn strip(object: &mut Object) {
    if object.get("metadata").is_some() {
        let metadata = object.metadata_mut();
        for field in SERVER_FIELDS {
            metadata.remove(field);
        }
    }
}

fn keep_status(object: &mut Object, live: &Object) {
    match live.get("status") {
        Some(value) if object.get("status") != Some(value) => {
            object.as_map_mut().insert("status", value.clone());
        }
        None if object.get("status").is_some() => {
            object.as_map_mut().remove("status");
        }
        _ => {}
    }
}

fn keep_field(object: &mut Object, live: &Object, parent: &str, field: &str) {
    if let Some(value) = live.at(&[parent, field]) {
        object
            .as_map_mut()
            .entry_object(parent)
            .insert(field, value.clone());
    }
}

fn keep_server_fields(object: &mut Object, live: &Object) {
    for field in SERVER_FIELDS {
        let kept = live.meta(field);
        if object.meta(field) != kept {
            match kept {
                Some(value) => object.metadata_mut().insert(field, value.clone()),
                None => object.metadata_mut().remove(field),
            };
        }
    }
}

/// Returns an object that has the status of another, and its managers, and nothing else.
fn status_alone(object: &Object) -> Object {
    let mut alone = Map::new();
    for field in ["apiVersion", "kind", "status"] {
        if let Some(value) = object.get(field) {
            alone.insert(field, value.clone());
        }
    }
    let metadata = alone.entry_object("metadata");
    for field in ["name", "uid", "managedFields"] {
        if let Some(value) = object.meta(field) {
            metadata.insert(field, value.clone());
        }
    }
    Object::new(alone).expect("it has what it was taken from")
}

/// Puts the status and the managers of `written` into an object.
fn with_status_of(mut object: Object, written: &Object) -> Object {
    if let Some(status) = written.get("status") {
        object.as_map_mut().insert("status", status.clone());
    }
    if let Some(managers) = written.meta("managedFields") {
        object
            .metadata_mut()
            .insert("managedFields", managers.clone());
    }
    object
}

/// Whether two states of an object are one, apart from when managers wrote.
fn same_but_times(a: &Object, b: &Object) -> bool {
    if a == b {
        return true;
    }
    let plain = |object: &Object| {
        let mut object = object.clone();
        if let Some(Value::Array(entries)) = object.metadata_mut().get_mut("managedFields") {
            for entry in entries.make_mut() {
                if let Some(entry) = entry.as_object_mut() {
                    entry.remove("time");
                }
            }
        }
        object
    };
    plain(a) == plain(b)
}

/// Counts a change of anything but `metadata` and `status`.
pub(super) fn raise_generation(key: &ObjectKey, object: &mut Object, live: &Object) {
    fn rest(object: &Object) -> impl Iterator<Item = &(Str, Value)> {
        let entries = object.as_map().entries().iter();
        entries.filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status" | "apiVersion"))
    }
    if prepare::has_generation(key) && !rest(object).eq(rest(live)) {
        let generation = live.generation().unwrap_or(0) + 1;
        object.metadata_mut().insert("generation", generation);
    }
}

/// Writes down what is applied, for the next apply to know what it no longer names.
fn note_applied(object: &mut Object) {
    let mut noted = object.clone();
    noted
        .metadata_mut()
        .entry_object("annotations")
        .remove(LAST_APPLIED);
    // As Go writes it: `<`, `>` and `&` are escaped.
    let mut text = noted.to_value().to_go_json();
    text.push('\n');
    object.set_annotation(LAST_APPLIED, text);
}
