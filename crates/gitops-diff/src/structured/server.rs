//! What an API server does with a write: ownership, defaults, `managedFields`.

use std::sync::LazyLock;

use gitops_manifest::{Object, ObjectError, Str, Value};

use super::managers::{Conflicts, ManagerId, Managers, ManagersError, Operation, Owned, seconds};
use super::path::FieldPath;
use super::registry;
use super::remove::Emptied;
use super::set::FieldSet;
use super::stored::{as_written, blank, fill_defaults};
use super::typed::{Duplicates, Typed, Unfit};
use super::updater::{ConvertError, Converter, Ignored, UpdateError, Updater};
use crate::defaults;
use crate::schema::{Schemas, TypeRef};

/// The annotation in which `kubectl apply` keeps what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How many managers that update an API server keeps apart.
const MAX_UPDATERS: usize = 10;

/// How large the annotations of an object may be together.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// How a write is made.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WriteOptions {
    /// The field manager; `unknown` where it is empty.
    pub manager: Str,
    /// Whether an apply takes fields from other managers.
    pub force: bool,
    /// The time of the write (RFC 3339, to the second). Empty: the entry has no time.
    pub time: Str,
    /// The subresource that is written, as `status` or `scale`; empty for the object itself.
    pub subresource: Str,
}

impl WriteOptions {
    /// Writes as a manager.
    #[must_use]
    pub fn new(manager: impl Into<Str>) -> Self {
        Self {
            manager: manager.into(),
            ..Self::default()
        }
    }

    /// Takes fields from other managers, or not.
    #[must_use]
    pub const fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Sets the time of the write.
    #[must_use]
    pub fn time(mut self, time: impl Into<Str>) -> Self {
        self.time = time.into();
        self
    }

    /// Writes a subresource.
    #[must_use]
    pub fn subresource(mut self, subresource: impl Into<Str>) -> Self {
        self.subresource = subresource.into();
        self
    }

    fn id(&self, operation: Operation, api_version: &str) -> ManagerId {
        ManagerId {
            name: if self.manager.is_empty() {
                Str::from_static("unknown")
            } else {
                self.manager.clone()
            },
            operation,
            api_version: match operation {
                Operation::Apply => Str::default(),
                Operation::Update => api_version.into(),
            },
            subresource: self.subresource.clone(),
        }
    }
}

/// What a write makes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The object after the write, with its managed fields.
    pub object: Object,
    /// Whether the object or who owns what is other than before. Where it is not, an API server writes nothing
    /// and the resource version stays.
    pub changed: bool,
}

/// Why a write cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Other managers own fields that would change. Force takes them.
    #[error("cannot apply: {conflicts}")]
    Conflicts {
        /// The fields and their owners.
        conflicts: Conflicts,
    },
    /// The configuration has managed fields, which only the API server writes.
    #[error("cannot apply: metadata.managedFields must not be set")]
    ManagedFields,
    /// The configuration and the live object are not of one kind and version.
    #[error("cannot apply a configuration of {config} to a live object of {live}")]
    OtherKind {
        /// Version and kind of the configuration.
        config: String,
        /// Version and kind of the live object.
        live: String,
    },
    /// The configuration does not fit its schema.
    #[error("cannot apply the configuration")]
    Config {
        /// What does not fit.
        #[source]
        source: Unfit,
    },
    /// The live object does not fit its schema.
    #[error("cannot tell the fields of the live object")]
    Live {
        /// What does not fit.
        #[source]
        source: Unfit,
    },
    /// The managed fields of the live object cannot be read.
    #[error("cannot tell who owns the fields of the live object")]
    Managers {
        /// What is wrong with them.
        #[source]
        source: ManagersError,
    },
    /// The object cannot be merged or converted.
    #[error("cannot make the write")]
    Update {
        /// Why not.
        #[source]
        source: UpdateError,
    },
    /// What comes out is no object.
    #[error("cannot make the write: the result is no object")]
    Object {
        /// What is wrong with it.
        #[source]
        source: ObjectError,
    },
}

/// The fields that nobody owns.
static NOBODYS: LazyLock<FieldSet> = LazyLock::new(|| {
    [
        &["apiVersion"][..],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ]
    .into_iter()
    .map(FieldPath::of_fields)
    .collect()
});

/// Takes objects for what the kind is in another version. Where that version is served but has another form,
/// the fields keep the names that they have in the version of the request.
struct Served<'s> {
    schemas: &'s Schemas,
    group: &'s str,
    kind: &'s str,
    api_version: &'s str,
    known: bool,
}

impl Converter for Served<'_> {
    fn convert<'s>(&'s self, object: &Typed<'s>, to: &str) -> Result<Typed<'s>, ConvertError> {
        if to == self.api_version || !self.known {
            return Ok(object.clone());
        }
        let (group, version) = to.split_once('/').unwrap_or(("", to));
        let ty = (group == self.group)
            .then(|| self.schemas.lookup(group, version, self.kind))
            .flatten()
            .ok_or_else(|| ConvertError::MissingVersion {
                api_version: to.into(),
            })?;
        Ok(Typed::new(object.value().clone(), ty, Duplicates::Allow)
            .unwrap_or_else(|_| object.clone()))
    }
}

/// One request: the kind that it is about, and how objects of it are held.
struct Request<'s> {
    schemas: &'s Schemas,
    object: &'s Object,
    ty: TypeRef<'s>,
    known: bool,
}

impl<'s> Request<'s> {
    fn new(object: &'s Object, schemas: &'s Schemas) -> Self {
        let known = schemas.of(object);
        Self {
            schemas,
            object,
            ty: known.unwrap_or(TypeRef::deduced()),
            known: known.is_some(),
        }
    }

    fn updater(&self, subresource: &str) -> Updater<Served<'s>> {
        let updater = Updater::new(Served {
            schemas: self.schemas,
            group: self.object.group(),
            kind: self.object.kind(),
            api_version: self.object.api_version(),
            known: self.known,
        })
        .emptied(Emptied::Empty);
        match self.reset_fields(subresource) {
            Some(fields) => updater.ignore(self.object.api_version(), Ignored::Fields(fields)),
            None => updater,
        }
    }

    /// The fields that a write leaves as they are, so that its manager does not own them.
    fn reset_fields(&self, subresource: &str) -> Option<FieldSet> {
        let paths: &[&[&str]] = match subresource {
            "" if !self.schemas.has_status_subresource(self.object) => return None,
            "" if self.object.kind() == "CertificateSigningRequest" => &[&["spec"], &["status"]],
            "" => &[&["status"]],
            "status" => match self.object.kind() {
                "Deployment" => &[&["spec"], &["metadata", "labels"]],
                "Pod" => &[
                    &["spec"],
                    &["metadata", "deletionTimestamp"],
                    &["metadata", "ownerReferences"],
                ],
                "DeviceTaintRule"
                | "FlowSchema"
                | "PodGroup"
                | "PriorityLevelConfiguration"
                | "ResourceClaim"
                | "ResourcePoolStatusRequest"
                | "ServiceCIDR"
                | "StorageVersion"
                | "StorageVersionMigration"
                | "ValidatingAdmissionPolicy"
                | "VolumeAttachment" => &[&["spec"], &["metadata"]],
                _ if self.ty.is_built_in() => &[&["spec"]],
                _ => &[&["spec"], &["metadata"]],
            },
            _ => return None,
        };
        Some(paths.iter().copied().map(FieldPath::of_fields).collect())
    }

    /// Puts back the fields that a write leaves as they are. Of a new object only the status is reset.
    fn reset(&self, object: &mut Value, before: &Value, created: bool, options: &WriteOptions) {
        let Some(fields) = self.reset_fields(&options.subresource) else {
            return;
        };
        // The status of a new object is the one that it gets without a word.
        let blank = created.then(|| self.stored(before.clone()));
        let before = blank.as_ref().unwrap_or(before);
        for name in ["spec", "status"] {
            let path = FieldPath::of_fields(&[name]);
            if !fields.has(&path) || created && name != "status" {
                continue;
            }
            if let (Some(map), before) = (object.as_object_mut(), before.get(name)) {
                match before {
                    Some(before) => drop(map.insert(name, before.clone())),
                    None => drop(map.remove(name)),
                }
            }
        }
    }

    /// A live object without its managed fields, or the one that a create starts from.
    fn live(&self, live: Option<&Object>) -> Result<Typed<'s>, WriteError> {
        let value = match live {
            // As it is read from storage: what an older server has written may lack defaults, or hold nulls that
            // this one does not know.
            Some(live) => self.stored(without_managed_fields(live)),
            None => {
                let text = |name| self.object.get(name).cloned().unwrap_or_default();
                blank(self.ty, &text("apiVersion"), &text("kind"))
            }
        };
        Typed::new(value, self.ty, Duplicates::Allow).map_err(|source| WriteError::Live { source })
    }

    /// The form in which the API server holds a value.
    fn stored(&self, mut value: Value) -> Value {
        if !self.ty.is_built_in() {
            return fill_defaults(&value, self.ty).unwrap_or(value);
        }
        registry::convert(&mut value, self.object);
        match as_written(value, self.ty) {
            // What is filled in has zero values of its own.
            Value::Object(map) => {
                let filled = defaults::apply(map.clone(), self.ty);
                if filled.ptr_eq(&map) {
                    return filled.into();
                }
                as_written(filled.into(), self.ty)
            }
            other => other,
        }
    }

    /// Says who owns what after an update. Its manager owns what it changed in addition to what it had.
    fn update(
        &self,
        live: &Typed<'s>,
        new: &Typed<'s>,
        managers: &mut Managers,
        id: ManagerId,
        options: &WriteOptions,
    ) -> Result<(), WriteError> {
        let api_version = self.object.api_version();
        // Under a name of its own, so that what the manager had does not count as changed by somebody else.
        let now = ManagerId::updater("", Str::default());
        let updater = self.updater(&options.subresource);
        updater
            .update(live, new, api_version, managers, &now)
            .map_err(|source| WriteError::Update { source })?;
        if let Some(mut owned) = managers.remove(&now) {
            owned.fields = owned.fields.difference(&NOBODYS);
            if !owned.fields.is_empty() {
                if let Some(before) = managers.get(&id) {
                    owned.fields = owned.fields.union(&before.fields);
                }
                owned.time.clone_from(&options.time);
                managers.insert(id, owned);
            }
        }
        cap(managers);
        Ok(())
    }
}

fn without_managed_fields(object: &Object) -> Value {
    if object.meta("managedFields").is_none() {
        return object.to_value();
    }
    let mut object = object.clone();
    object.metadata_mut().remove("managedFields");
    object.into()
}

/// Puts the oldest updaters beyond the limit into one entry for each version.
fn cap(managers: &mut Managers) {
    let mut updaters: Vec<(i64, ManagerId)> = managers
        .iter()
        .filter(|(id, _)| !id.applies())
        .map(|(id, owned)| (seconds(&owned.time), id.clone()))
        .collect();
    if updaters.len() <= MAX_UPDATERS {
        return;
    }
    updaters.sort();
    let mut left = updaters.len();
    let mut first_of_version: Vec<(Str, ManagerId)> = Vec::new();
    for (_, id) in updaters {
        if left <= MAX_UPDATERS {
            break;
        }
        let Some(owned) = managers.get(&id).cloned() else {
            continue;
        };
        let version = owned.api_version.clone();
        let Some((_, first)) = first_of_version.iter().find(|(of, _)| *of == version) else {
            first_of_version.push((version, id));
            continue;
        };
        let bucket = ManagerId::updater("ancient-changes", version);
        if managers.get(&bucket).is_none()
            && let Some(first) = managers.remove(first)
        {
            managers.insert(bucket.clone(), first);
        }
        managers.remove(&id);
        let before = managers.remove(&bucket).unwrap_or_default();
        managers.insert(
            bucket,
            Owned {
                fields: owned.fields.union(&before.fields),
                ..owned
            },
        );
        left -= 1;
    }
}

/// Works out a server-side apply: what the API server (Kubernetes 1.36) would make of `live`, which is `None` where
/// the object is created, when `config` is applied.
///
/// The live object must be in the version of the configuration. Fields that the server sets itself on a create
/// (uid, creation time, resource version) are left to the caller.
///
/// # Errors
/// Where other managers own fields that would change and force is not given; where an object does not fit its
/// schema or the managed fields cannot be read.
///
/// ```
/// use gitops_diff::schema::Schemas;
/// use gitops_diff::structured::{WriteError, WriteOptions, apply};
/// use gitops_manifest::Object;
///
/// let schemas = Schemas::default();
/// let config = |color: &str| Object::try_from(serde_json::json!({
///     "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": color},
/// })).unwrap();
/// let made = apply(None, &config("red"), &WriteOptions::new("alice"), &schemas)?;
/// assert_eq!(made.object.meta("managedFields").unwrap().as_array().unwrap().len(), 1);
///
/// let bob = WriteOptions::new("bob");
/// match apply(Some(&made.object), &config("blue"), &bob, &schemas) {
///     Err(WriteError::Conflicts { conflicts }) => assert_eq!(conflicts.to_string(), "conflict with \"alice\": .data.color"),
///     other => panic!("{other:?}"),
/// }
/// let taken = apply(Some(&made.object), &config("blue"), &bob.force(true), &schemas)?;
/// assert_eq!(taken.object.at(&["data", "color"]).unwrap().as_str(), Some("blue"));
/// # Ok::<(), WriteError>(())
/// ```
pub fn apply(
    live: Option<&Object>,
    config: &Object,
    options: &WriteOptions,
    schemas: &Schemas,
) -> Result<Written, WriteError> {
    if !matches!(config.meta("managedFields"), None | Some(Value::Null)) {
        return Err(WriteError::ManagedFields);
    }
    if let Some(live) = live
        && (live.api_version(), live.kind()) != (config.api_version(), config.kind())
    {
        return Err(WriteError::OtherKind {
            config: config.gvk().to_string(),
            live: live.gvk().to_string(),
        });
    }
    let request = Request::new(config, schemas);
    let mut managers = match live {
        Some(live) => Managers::of(live).map_err(|source| WriteError::Managers { source })?,
        None => Managers::new(),
    };
    let before = request.live(live)?;
    let managers_before = managers.clone();
    if managers.is_empty() && live.is_some() {
        // What is there belongs to somebody, so that the apply can conflict with it.
        let nothing = request.live(None)?;
        let id = ManagerId {
            name: Str::from_static("before-first-apply"),
            ..options.id(Operation::Update, config.api_version())
        };
        request.update(&nothing, &before, &mut managers, id, options)?;
    }
    let typed = Typed::new(config.to_value(), request.ty, Duplicates::Refuse)
        .map_err(|source| WriteError::Config { source })?;
    let id = options.id(Operation::Apply, config.api_version());
    let updater = request.updater(&options.subresource);
    let attempt = |managers: &mut Managers, force| {
        updater.apply(&before, &typed, config.api_version(), managers, &id, force)
    };
    let new = match attempt(&mut managers, options.force) {
        // Whoever comes from client-side apply may change what that applied.
        Err(UpdateError::Conflicts(conflicts)) if options.manager == "kubectl" => {
            let rest = match last_applied_fields(&before, live, &request) {
                Some(own) => beyond(conflicts, &own),
                None => conflicts,
            };
            if rest.0.is_empty() {
                attempt(&mut managers, true)
            } else {
                Err(UpdateError::Conflicts(rest))
            }
        }
        other => other,
    };
    let new = new.map_err(|error| match error {
        UpdateError::Conflicts(conflicts) => WriteError::Conflicts { conflicts },
        source => WriteError::Update { source },
    })?;
    if let Some(mut owned) = managers.remove(&id) {
        owned.fields = owned.fields.difference(&NOBODYS);
        if new.is_some() {
            owned.time.clone_from(&options.time);
        }
        managers.insert(id, owned);
    }
    if let (None, Some(live)) = (&new, live)
        && managers == managers_before
        && managers.stand_as_in(live)
    {
        return Ok(Written {
            object: live.clone(),
            changed: false,
        });
    }
    let mut value = before.value().clone();
    if let Some(new) = new {
        value = request.stored(new.into_value());
        request.reset(&mut value, before.value(), live.is_none(), options);
    }
    let mut object = Object::try_from(value).map_err(|source| WriteError::Object { source })?;
    if options.subresource.is_empty() {
        registry::prepare(&mut object, live);
    }
    if options.manager == "kubectl"
        && object
            .annotation(LAST_APPLIED)
            .is_some_and(|text| !text.is_empty())
    {
        renew_last_applied(&mut object, config);
    }
    Ok(finish(
        live,
        before.value(),
        &managers_before,
        object,
        &managers,
    ))
}

/// Works out an update, or a create where `live` is `None`: what the API server (Kubernetes 1.36) would make of `new`
/// when `options.manager` writes it, and who owns what after that.
///
/// Fields that the server sets itself (uid, creation time, resource version) are left to the caller.
///
/// # Errors
/// Where an object does not fit its schema. The API server itself makes such a write without managed fields.
pub fn update(
    live: Option<&Object>,
    new: &Object,
    options: &WriteOptions,
    schemas: &Schemas,
) -> Result<Written, WriteError> {
    let request = Request::new(new, schemas);
    let mut managers = managers_for_update(live, new, options);
    let mut value = request.stored(without_managed_fields(new));
    // An object that nobody has managed so far stays so.
    let tracked = !managers.is_empty() || live.is_none_or(|live| live.uid().is_empty());
    let before = request.live(live)?;
    if tracked {
        let after = Typed::new(value.clone(), request.ty, Duplicates::Allow)
            .map_err(|source| WriteError::Config { source })?;
        let id = options.id(Operation::Update, new.api_version());
        request.update(&before, &after, &mut managers, id, options)?;
    }
    request.reset(&mut value, before.value(), live.is_none(), options);
    let mut object = Object::try_from(value).map_err(|source| WriteError::Object { source })?;
    if options.subresource.is_empty() {
        registry::prepare(&mut object, live);
    }
    let of_live = live.map_or_else(Managers::new, |live| Managers::of(live).unwrap_or_default());
    Ok(finish(live, before.value(), &of_live, object, &managers))
}

/// The managers that an update starts from: those that it writes itself, else those of the live object.
fn managers_for_update(live: Option<&Object>, new: &Object, options: &WriteOptions) -> Managers {
    let of_live = || live.map_or_else(Managers::new, |live| Managers::of(live).unwrap_or_default());
    if !options.subresource.is_empty() {
        return of_live();
    }
    let written = new.meta("managedFields");
    let reset = match written
        .and_then(Value::as_array)
        .map(|entries| &entries[..])
    {
        Some([]) => true,
        Some([one]) => one.as_object().is_some_and(gitops_manifest::Map::is_empty),
        _ => false,
    };
    if reset {
        return Managers::new();
    }
    match Managers::of(new) {
        Ok(managers) if !managers.is_empty() => managers,
        _ => of_live(),
    }
}

/// Puts the managers into the object. Where nothing has changed, times of managers aside, the live object stays. The order of the
/// managers goes by their times: where a new time moves one, that is a change.
fn finish(
    live: Option<&Object>,
    before: &Value,
    managers_before: &Managers,
    mut object: Object,
    managers: &Managers,
) -> Written {
    if let Some(live) = live
        && managers.same_but_times(managers_before)
        && managers.stand_as_in(live)
        && object.to_value() == *before
    {
        return Written {
            object: live.clone(),
            changed: false,
        };
    }
    managers.store(&mut object);
    Written {
        object,
        changed: true,
    }
}

/// The fields that client-side apply set and that are still as it set them.
fn last_applied_fields(
    live: &Typed<'_>,
    object: Option<&Object>,
    request: &Request<'_>,
) -> Option<FieldSet> {
    let text = object?
        .annotation(LAST_APPLIED)
        .filter(|text| !text.is_empty())?;
    let last = Value::from_json(text).ok()?;
    if last.get("apiVersion")?.as_str()? != request.object.api_version() {
        return None;
    }
    let last = Typed::new(last, request.ty, Duplicates::Refuse).ok()?;
    // Upstream takes no live object with duplicates here.
    Typed::new(live.value().clone(), request.ty, Duplicates::Refuse).ok()?;
    let changed = last.compare(live);
    Some(
        last.field_set()
            .difference(&changed.modified)
            .difference(&changed.added)
            .difference(&changed.removed),
    )
}

fn beyond(mut conflicts: Conflicts, own: &FieldSet) -> Conflicts {
    conflicts.0.retain(|conflict| !own.has(&conflict.path));
    conflicts
}

/// Sets the annotation to what is applied now, for those who go on with client-side apply.
fn renew_last_applied(object: &mut Object, config: &Object) {
    let mut applied = config.clone();
    if applied.annotation(LAST_APPLIED).is_some() {
        applied
            .metadata_mut()
            .entry_object("annotations")
            .remove(LAST_APPLIED);
    }
    let mut text = crate::places::go_json(&applied.to_value());
    text.push('\n');
    let annotations = object.metadata_mut().entry_object("annotations");
    let size: usize = annotations
        .iter()
        .filter(|(name, _)| *name != LAST_APPLIED)
        .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
        .sum();
    if size + LAST_APPLIED.len() + text.len() > MAX_ANNOTATIONS {
        annotations.remove(LAST_APPLIED);
    } else {
        annotations.insert(LAST_APPLIED, text);
    }
}
