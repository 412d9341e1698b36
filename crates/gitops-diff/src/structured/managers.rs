use std::collections::BTreeMap;
use std::fmt;

use gitops_manifest::{Map, Object, Str, Value};

use super::encode::FieldSetError;
use super::path::{FieldPath, quote};
use super::set::FieldSet;

/// How a manager came to own its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// By server-side apply.
    #[default]
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    /// Returns the word for it in managed fields.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What tells one manager of an object from another.
///
/// Who applies is one manager in whatever version; who updates is another one in each version.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManagerId {
    /// The name of the manager.
    pub name: Str,
    /// How it came to own its fields.
    pub operation: Operation,
    /// The version of an updater; empty for an applier.
    pub api_version: Str,
    /// The subresource through which it writes; empty for the object itself.
    pub subresource: Str,
}

impl ManagerId {
    /// Makes the id of one who applies.
    #[must_use]
    pub fn applier(name: impl Into<Str>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Makes the id of one who updates in a version.
    #[must_use]
    pub fn updater(name: impl Into<Str>, api_version: impl Into<Str>) -> Self {
        Self {
            name: name.into(),
            operation: Operation::Update,
            api_version: api_version.into(),
            subresource: Str::default(),
        }
    }
}

/// The fields that a manager owns, by their names in a version of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owned {
    /// The fields.
    pub fields: FieldSet,
    /// The version in which they are named.
    pub api_version: Str,
    /// When the manager last changed something (RFC 3339); empty where that is not known.
    pub time: Str,
}

impl Owned {
    /// Makes one without a time.
    #[must_use]
    pub fn new(fields: FieldSet, api_version: impl Into<Str>) -> Self {
        Self {
            fields,
            api_version: api_version.into(),
            time: Str::default(),
        }
    }
}

/// Who owns which fields of an object: its `metadata.managedFields`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managers(BTreeMap<ManagerId, Owned>);

/// Why the managed fields of an object could not be read. Trying again does not help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagersError {
    /// An entry is not what it must be.
    #[error("cannot read the managed fields: entry {index}: {expected} expected")]
    Entry {
        /// The position of the entry.
        index: usize,
        /// What is expected of it.
        expected: &'static str,
    },
    /// The fields of an entry are no field set.
    #[error("cannot read the managed fields: entry {index}")]
    Fields {
        /// The position of the entry.
        index: usize,
        /// What is wrong with them.
        #[source]
        source: FieldSetError,
    },
}

impl Managers {
    /// Makes one without managers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the managed fields of an object.
    ///
    /// # Errors
    /// Where they are not what an API server writes.
    pub fn of(object: &Object) -> Result<Self, ManagersError> {
        match object.meta("managedFields") {
            None => Ok(Self::new()),
            Some(value) => Self::from_value(value),
        }
    }

    /// Reads the value of `metadata.managedFields`.
    ///
    /// # Errors
    /// Where it is not what an API server writes.
    pub fn from_value(value: &Value) -> Result<Self, ManagersError> {
        let entries = match value {
            Value::Null => return Ok(Self::new()),
            Value::Array(entries) => entries,
            _ => {
                return Err(ManagersError::Entry {
                    index: 0,
                    expected: "a list of entries",
                });
            }
        };
        let mut managers = Self::new();
        for (index, entry) in entries.iter().enumerate() {
            let wrong = |expected| ManagersError::Entry { index, expected };
            let text = |name: &str| match entry.get(name) {
                Some(Value::String(text)) => text.clone(),
                _ => Str::default(),
            };
            let operation = match text("operation").as_str() {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err(wrong("`Apply` or `Update` as operation")),
            };
            let api_version = text("apiVersion");
            if api_version.is_empty() {
                return Err(wrong("an apiVersion"));
            }
            if text("fieldsType") != "FieldsV1" {
                return Err(wrong("`FieldsV1` as fieldsType"));
            }
            let fields = match entry.get("fieldsV1") {
                None => FieldSet::new(),
                Some(fields) => FieldSet::from_value(fields)
                    .map_err(|source| ManagersError::Fields { index, source })?,
            };
            let id = ManagerId {
                name: text("manager"),
                operation,
                api_version: match operation {
                    Operation::Apply => Str::default(),
                    Operation::Update => api_version.clone(),
                },
                subresource: text("subresource"),
            };
            let owned = Owned {
                fields,
                api_version,
                time: text("time"),
            };
            managers.0.insert(id, owned);
        }
        Ok(managers)
    }

    /// Writes the value of `metadata.managedFields`, in the order of an API server: appliers first, then by
    /// time, then by name. `null` where there are no managers.
    #[must_use]
    pub fn to_value(&self) -> Value {
        if self.0.is_empty() {
            return Value::Null;
        }
        let entries = self.in_order().into_iter().map(|(id, owned)| {
            let mut entry = vec![
                ("apiVersion", Value::from(&owned.api_version)),
                ("fieldsType", Value::from(Str::from_static("FieldsV1"))),
                ("fieldsV1", owned.fields.to_value()),
                ("manager", Value::from(&id.name)),
                (
                    "operation",
                    Value::from(Str::from_static(id.operation.as_str())),
                ),
                ("subresource", Value::from(&id.subresource)),
                ("time", Value::from(&owned.time)),
            ];
            entry.retain(|(name, value)| {
                !matches!(*name, "manager" | "subresource" | "time") || value.as_str() != Some("")
            });
            entry
                .into_iter()
                .map(|(name, value)| (Str::from_static(name), value))
                .collect::<Map>()
        });
        Value::Array(entries.collect())
    }

    /// Whether the managed fields of an object stand in the order in which they would be written now.
    pub(super) fn stand_as_in(&self, object: &Object) -> bool {
        let Some(Value::Array(entries)) = object.meta("managedFields") else {
            return self.is_empty();
        };
        let is = |entry: &Value, name: &str, text: &str| {
            entry.get(name).and_then(Value::as_str).unwrap_or_default() == text
        };
        entries.len() == self.len()
            && entries
                .iter()
                .zip(self.in_order())
                .all(|(entry, (id, owned))| {
                    is(entry, "manager", &id.name)
                        && is(entry, "operation", id.operation.as_str())
                        && is(entry, "apiVersion", &owned.api_version)
                        && is(entry, "subresource", &id.subresource)
                })
    }

    /// Puts the managed fields into an object; drops the field where there are none.
    pub fn store(&self, object: &mut Object) {
        match self.to_value() {
            Value::Null if object.meta("managedFields").is_none() => {}
            Value::Null => {
                object.metadata_mut().remove("managedFields");
            }
            value => {
                object
                    .metadata_mut()
                    .insert(Str::from_static("managedFields"), value);
            }
        }
    }

    /// Whether there are no managers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many managers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns what a manager owns.
    #[must_use]
    pub fn get(&self, id: &ManagerId) -> Option<&Owned> {
        self.0.get(id)
    }

    /// Says what a manager owns; one that owns nothing is no manager.
    pub fn insert(&mut self, id: ManagerId, owned: Owned) {
        if owned.fields.is_empty() {
            self.0.remove(&id);
        } else {
            self.0.insert(id, owned);
        }
    }

    /// Forgets a manager.
    pub fn remove(&mut self, id: &ManagerId) -> Option<Owned> {
        self.0.remove(id)
    }

    /// Goes over the managers.
    pub fn iter(&self) -> impl Iterator<Item = (&ManagerId, &Owned)> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&ManagerId, &mut Owned)> {
        self.0.iter_mut()
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&ManagerId, &mut Owned) -> bool) {
        self.0.retain(|id, owned| keep(id, owned));
    }

    /// Returns who owns a field.
    pub fn owners<'m>(
        &'m self,
        path: &'m FieldPath,
    ) -> impl Iterator<Item = (&'m ManagerId, &'m Owned)> {
        self.0.iter().filter(|(_, owned)| owned.fields.has(path))
    }

    /// Returns the entries in the order of an API server.
    fn in_order(&self) -> Vec<(&ManagerId, &Owned)> {
        let mut entries: Vec<(&ManagerId, &Owned)> = self.0.iter().collect();
        entries.sort_by(|(a, x), (b, y)| {
            let time = seconds(&x.time).cmp(&seconds(&y.time));
            a.operation
                .cmp(&b.operation)
                .then(time)
                .then_with(|| a.name.cmp(&b.name))
                .then_with(|| x.api_version.cmp(&y.api_version))
                .then_with(|| a.subresource.cmp(&b.subresource))
        });
        entries
    }

    /// Whether both are the same, the times of the managers aside. An API server compares one entry after the other: where
    /// a new time moves an entry behind another one, they differ.
    pub(super) fn same_but_times(&self, other: &Self) -> bool {
        let same = self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|((id, owned), (of, before))| {
                    id == of
                        && owned.api_version == before.api_version
                        && owned.fields == before.fields
                });
        let ids = |managers: &Self| -> Vec<ManagerId> {
            let entries = managers.in_order();
            entries.into_iter().map(|(id, _)| id.clone()).collect()
        };
        same && (self == other || ids(self) == ids(other))
    }

    /// Returns what differs: what only one of both has, the fields that only one of both has, and of
    /// managers whose versions differ what they have in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = Self::new();
        for (id, left) in &self.0 {
            let owned = match other.0.get(id) {
                None => left.clone(),
                Some(right) if left.api_version != right.api_version => right.clone(),
                Some(right) => Owned {
                    fields: left
                        .fields
                        .difference(&right.fields)
                        .union(&right.fields.difference(&left.fields)),
                    ..right.clone()
                },
            };
            out.insert(id.clone(), owned);
        }
        for (id, right) in &other.0 {
            if !self.0.contains_key(id) {
                out.insert(id.clone(), right.clone());
            }
        }
        out
    }
}

impl FromIterator<(ManagerId, Owned)> for Managers {
    fn from_iter<I: IntoIterator<Item = (ManagerId, Owned)>>(managers: I) -> Self {
        let mut out = Self::new();
        for (id, owned) in managers {
            out.insert(id, owned);
        }
        out
    }
}

/// A time in seconds; zero where there is none.
pub(super) fn seconds(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>()
        .map_or(0, jiff::Timestamp::as_second)
}

/// A field that another manager owns and that an apply would change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// Who owns the field.
    pub manager: ManagerId,
    /// When that manager last changed something (RFC 3339); empty where that is not known.
    pub time: Str,
    /// The field.
    pub path: FieldPath,
}

impl Conflict {
    /// Makes one with a manager of whom no time is known.
    #[must_use]
    pub const fn new(manager: ManagerId, path: FieldPath) -> Self {
        Self {
            manager,
            time: Str::from_static(""),
            path,
        }
    }
}

/// The fields that an apply would take from other managers. Applying by force takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Conflicts(pub Vec<Conflict>);

impl Conflicts {
    /// Returns the fields of all conflicts.
    #[must_use]
    pub fn fields(&self) -> FieldSet {
        FieldSet::from_paths(self.0.iter().map(|conflict| &conflict.path))
    }

    /// Writes the message of an API server: `Apply failed with 1 conflict: conflict with "kubectl" using
    /// apps/v1: .spec.replicas`.
    #[must_use]
    pub fn message(&self) -> String {
        use fmt::Write as _;
        let show = |conflict: &Conflict| {
            let mut out = quoted(&conflict.manager.name);
            let id = &conflict.manager;
            if !id.subresource.is_empty() {
                let _ = write!(out, " with subresource {}", quoted(&id.subresource));
            }
            if id.operation == Operation::Update {
                let _ = write!(out, " using {}", id.api_version);
            }
            out
        };
        let mut out = match self.0.as_slice() {
            [one] => {
                let mut out = "Apply failed with 1 conflict: conflict with ".to_owned();
                let _ = write!(out, "{}: {}", show(one), one.path);
                return out;
            }
            many => format!("Apply failed with {} conflicts: ", many.len()),
        };
        self.write_by_manager(&mut out, show);
        out
    }

    fn write_by_manager(&self, out: &mut String, show: impl Fn(&Conflict) -> String) {
        use fmt::Write as _;
        let mut last = None;
        for (i, conflict) in self.0.iter().enumerate() {
            if i > 0 {
                out.push('\n');
            }
            if last != Some(&conflict.manager) {
                let _ = writeln!(out, "conflicts with {}:", show(conflict));
                last = Some(&conflict.manager);
            }
            let _ = write!(out, "- {}", conflict.path);
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    quote(text, &mut out).expect("a string takes any text");
    out
}

/// Shows the conflicts by manager, as structured-merge-diff does.
impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [one] = self.0.as_slice() {
            return write!(
                f,
                "conflict with {}: {}",
                quoted(&one.manager.name),
                one.path
            );
        }
        let mut out = String::new();
        self.write_by_manager(&mut out, |conflict| quoted(&conflict.manager.name));
        f.write_str(&out)
    }
}
