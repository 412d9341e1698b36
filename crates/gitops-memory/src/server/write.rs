//! Writes: create, replace, and the two kinds of apply.

use gitops_core::{Applied, ApplyMode, ApplyOptions, Effect, Precondition, TargetError};
use gitops_manifest::{Map, Object, ObjectKey, Str, Value};

use super::{Server, defaults, merge};

/// The annotation in which client-side apply keeps what it wrote.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Fields of `metadata` that the server alone writes.
const SERVER_FIELDS: [&str; 7] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
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
        if key.name.is_empty() {
            return Err(invalid(
                &key,
                "metadata.name: name or generateName is required",
            ));
        }
        if namespaced && key.namespace.is_empty() {
            return Err(invalid(
                &key,
                "metadata.namespace: objects of this kind live in a namespace",
            ));
        }
        let live = self.objects.get(&key).cloned();
        check_precondition(&key, live.as_ref(), &options.precondition)?;
        let Some(live) = live else {
            return self.create(&key, desired, options, has_status);
        };
        if options.mode == ApplyMode::Create {
            return Err(TargetError::AlreadyExists { key });
        }
        let previous = previous_of(&live, options);
        let mut merged = match options.mode {
            ApplyMode::ServerSide | ApplyMode::ClientSide => {
                let mut clean = desired.clone();
                strip(&mut clean);
                let map = merge::three_way(previous.as_ref(), clean.as_map(), live.as_map());
                Object::new(map).map_err(|error| invalid(&key, error.to_string()))?
            }
            ApplyMode::Replace | ApplyMode::Create => {
                let stated = desired.resource_version();
                if !stated.is_empty() && stated != live.resource_version() {
                    return Err(TargetError::Changed {
                        key,
                        reason: format!(
                            "it is at resource version {}, the write was made for {stated}",
                            live.resource_version()
                        ),
                    });
                }
                desired.clone()
            }
        };
        defaults::complete(&key, &mut merged);
        keep_server_fields(&mut merged, &live);
        if has_status {
            keep_field(&mut merged, &live, "status");
        }
        note_applied(&mut merged, &desired, options);
        if merged == live {
            return Ok(Applied {
                object: live,
                effect: Effect::Unchanged,
            });
        }
        if differs_in_spec(&merged, &live) {
            let generation = live.generation().unwrap_or(0) + 1;
            merged.metadata_mut().insert("generation", generation);
        }
        let object = if options.dry_run {
            merged
        } else {
            self.update(&key, merged)
        };
        Ok(Applied {
            object,
            effect: Effect::Configured,
        })
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

    fn create(
        &mut self,
        key: &ObjectKey,
        mut desired: Object,
        options: &ApplyOptions,
        has_status: bool,
    ) -> Result<Applied, TargetError> {
        if !key.namespace.is_empty() {
            self.check_namespace(key)?;
        }
        strip(&mut desired);
        if has_status {
            desired.as_map_mut().remove("status");
        }
        let applied = desired.clone();
        defaults::complete(key, &mut desired);
        note_applied(&mut desired, &applied, options);
        let uid = self.random.uuid();
        let created = self.now.to_second().to_string();
        let metadata = desired.metadata_mut();
        metadata.insert("uid", uid);
        metadata.insert("generation", 1);
        metadata.insert("creationTimestamp", created);
        if key.kind == "Namespace" && key.group.is_empty() {
            super::collect::complete_namespace(&mut desired);
        }
        let object = if options.dry_run {
            desired
        } else {
            self.put(key, desired)
        };
        Ok(Applied {
            object,
            effect: Effect::Created,
        })
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
        if object.is_deleting() && !super::collect::is_held(&object) {
            self.objects.insert(key.clone(), object.clone());
            return self.take(key).unwrap_or(object);
        }
        self.put(key, object)
    }

    pub(super) fn create_namespace(&mut self, name: &str) {
        let map = Map::from([
            ("apiVersion", Value::from("v1")),
            ("kind", "Namespace".into()),
            ("metadata", Map::from([("name", name)]).into()),
        ]);
        let namespace = Object::new(map).expect("it has an API version and a kind");
        self.apply(&namespace, &ApplyOptions::server_side("kube-apiserver"))
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
        object.as_map_mut().insert("status", status);
        self.put_as(key, object, super::CONTROLLER, "status");
        Ok(self
            .objects
            .get(key)
            .cloned()
            .unwrap_or_else(|| unreachable!("a status keeps its object")))
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
        let mut object = live.clone();
        change(&mut object);
        keep_server_fields(&mut object, &live);
        if object == live {
            return Ok(live);
        }
        if differs_in_spec(&object, &live) {
            let generation = live.generation().unwrap_or(0) + 1;
            object.metadata_mut().insert("generation", generation);
        }
        Ok(self.update(key, object))
    }
}

pub(super) fn invalid(key: &ObjectKey, reason: impl Into<String>) -> TargetError {
    TargetError::Invalid {
        key: key.clone(),
        reason: reason.into(),
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

/// Takes out what only the server writes.
fn strip(object: &mut Object) {
    if object.get("metadata").is_some() {
        let metadata = object.metadata_mut();
        for field in SERVER_FIELDS {
            metadata.remove(field);
        }
    }
}

fn keep_field(object: &mut Object, live: &Object, field: &str) {
    match live.get(field) {
        Some(value) if object.get(field) != Some(value) => {
            object.as_map_mut().insert(field, value.clone());
        }
        None if object.get(field).is_some() => {
            object.as_map_mut().remove(field);
        }
        _ => {}
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

/// Whether two states of an object differ in anything but `metadata` and `status`.
fn differs_in_spec(a: &Object, b: &Object) -> bool {
    let rest = |object: &Object| -> Vec<(Str, Value)> {
        let entries = object.as_map().entries().iter();
        entries
            .filter(|(key, _)| key != "metadata" && key != "status")
            .cloned()
            .collect()
    };
    rest(a) != rest(b)
}

fn previous_of(live: &Object, options: &ApplyOptions) -> Option<Map> {
    if options.mode == ApplyMode::Replace {
        return None;
    }
    let text = live.annotation(LAST_APPLIED)?;
    match Value::from_json(text) {
        Ok(Value::Object(map)) => Some(map),
        _ => None,
    }
}

/// Writes down what was applied, for the next apply to know what it no longer names.
fn note_applied(object: &mut Object, desired: &Object, options: &ApplyOptions) {
    if options.mode != ApplyMode::ClientSide {
        return;
    }
    let mut noted = desired.clone();
    if noted.annotation(LAST_APPLIED).is_some() {
        noted
            .metadata_mut()
            .entry_object("annotations")
            .remove(LAST_APPLIED);
    }
    let mut text = noted.to_value().to_json();
    text.push('\n');
    object.set_annotation(LAST_APPLIED, text);
}
