use std::collections::BTreeMap;

use gitops_manifest::Str;

use super::compare::FieldComparison;
use super::managers::{Conflict, Conflicts, ManagerId, Managers, Operation, Owned};
use super::pattern::Pattern;
use super::remove::Emptied;
use super::set::FieldSet;
use super::typed::{Typed, Unfit};

/// Why an object could not be brought into a version of the API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The version is not served any more. What managers own in it is forgotten.
    #[error("version {api_version} is not served")]
    MissingVersion {
        /// The version.
        api_version: Str,
    },
    /// The object cannot be said in that version.
    #[error("cannot convert the object to {api_version}: {reason}")]
    Failed {
        /// The version.
        api_version: Str,
        /// Why not.
        reason: String,
    },
}

/// Brings objects from one version of an API into another.
pub trait Converter {
    /// Returns the object in a version.
    ///
    /// # Errors
    /// Where the version is not served, or cannot say the object.
    fn convert<'s>(
        &'s self,
        object: &Typed<'s>,
        api_version: &str,
    ) -> Result<Typed<'s>, ConvertError>;
}

/// The converter of APIs whose versions all have the same form.
#[derive(Clone, Copy, Debug, Default)]
pub struct SameInEveryVersion;

impl<C: Converter> Converter for &C {
    fn convert<'s>(
        &'s self,
        object: &Typed<'s>,
        api_version: &str,
    ) -> Result<Typed<'s>, ConvertError> {
        C::convert(self, object, api_version)
    }
}

impl Converter for SameInEveryVersion {
    fn convert<'s>(&'s self, object: &Typed<'s>, _: &str) -> Result<Typed<'s>, ConvertError> {
        Ok(object.clone())
    }
}

/// Which fields of a version no manager owns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Ignored {
    /// These fields and everything below them.
    Fields(FieldSet),
    /// All but what the pattern takes.
    AllBut(Pattern),
}

impl Ignored {
    fn strip(&self, set: &FieldSet) -> FieldSet {
        match self {
            Self::Fields(fields) => set.recursive_difference(fields),
            Self::AllBut(pattern) => pattern.filter(set),
        }
    }
}

/// Why an apply or update could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// Other managers own fields that would change. Force takes them.
    #[error(transparent)]
    Conflicts(#[from] Conflicts),
    /// An object could not be brought into the version of a manager.
    #[error("cannot tell who owns what")]
    Convert {
        /// Why not.
        #[source]
        source: ConvertError,
    },
    /// The configuration cannot be merged.
    #[error("cannot merge the configuration")]
    Merge {
        /// Why not.
        #[source]
        source: Unfit,
    },
}

/// The rules by which managers come to own fields, as in `structured-merge-diff` v6.
///
/// Works on typed values alone: it knows no metadata and no clock. [`apply`](super::apply) and
/// [`update`](super::update) do the rest of what an API server does.
#[derive(Clone, Debug, Default)]
pub struct Updater<C> {
    converter: C,
    ignored: BTreeMap<Str, Ignored>,
    emptied: Emptied,
}

impl<C: Converter> Updater<C> {
    /// Makes one that converts between versions by `converter`.
    pub const fn new(converter: C) -> Self {
        Self {
            converter,
            ignored: BTreeMap::new(),
            emptied: Emptied::Null,
        }
    }

    /// Says which fields of a version no manager owns.
    #[must_use]
    pub fn ignore(mut self, api_version: impl Into<Str>, ignored: Ignored) -> Self {
        self.ignored.insert(api_version.into(), ignored);
        self
    }

    /// Says what is left of lists and maps that a prune empties.
    #[must_use]
    pub const fn emptied(mut self, emptied: Emptied) -> Self {
        self.emptied = emptied;
        self
    }

    fn strip(&self, api_version: &str, set: FieldSet) -> FieldSet {
        match self.ignored.get(api_version) {
            Some(ignored) => ignored.strip(&set),
            None => set,
        }
    }

    fn strip_all(&self, api_version: &str, comparison: FieldComparison) -> FieldComparison {
        match self.ignored.get(api_version) {
            Some(ignored) => comparison.map(|set| ignored.strip(set)),
            None => comparison,
        }
    }

    /// Converts, with `None` for a version that is not served.
    fn convert<'s>(
        &'s self,
        object: &Typed<'s>,
        api_version: &str,
    ) -> Result<Option<Typed<'s>>, UpdateError> {
        match self.converter.convert(object, api_version) {
            Ok(object) => Ok(Some(object)),
            Err(ConvertError::MissingVersion { .. }) => Ok(None),
            Err(source) => Err(UpdateError::Convert { source }),
        }
    }

    /// Brings the sets of all managers in line with the schema of their version.
    fn reconcile<'s>(
        &'s self,
        live: &Typed<'s>,
        managers: &mut Managers,
    ) -> Result<(), UpdateError> {
        let mut gone = Vec::new();
        for (id, owned) in managers.iter_mut() {
            match self.convert(live, &owned.api_version)? {
                None => gone.push(id.clone()),
                Some(live) => {
                    if let Some(fields) = live.reconcile(&owned.fields) {
                        owned.fields = fields;
                    }
                }
            }
        }
        for id in gone {
            managers.remove(&id);
        }
        Ok(())
    }

    /// Takes from all managers but one what has changed, or says what conflicts where that is not forced.
    /// Returns what has changed in `api_version`.
    fn take_changed<'s>(
        &'s self,
        live: &Typed<'s>,
        new: &Typed<'s>,
        api_version: &str,
        managers: &mut Managers,
        manager: &ManagerId,
        force: bool,
    ) -> Result<FieldComparison, UpdateError> {
        let mut versions: BTreeMap<Str, FieldComparison> = BTreeMap::new();
        let own = self.strip_all(api_version, live.compare(new));
        versions.insert(api_version.into(), own.clone());
        let mut conflicts = Vec::new();
        let mut left: Vec<(ManagerId, Option<FieldSet>)> = Vec::new();
        for (id, owned) in managers.iter().filter(|(id, _)| *id != manager) {
            let comparison = match versions.get(&owned.api_version) {
                Some(comparison) => comparison,
                None => {
                    let version = &owned.api_version;
                    let (Some(live), Some(new)) =
                        (self.convert(live, version)?, self.convert(new, version)?)
                    else {
                        left.push((id.clone(), None));
                        continue;
                    };
                    let comparison = self.strip_all(version, live.compare(&new));
                    versions.entry(version.clone()).or_insert(comparison)
                }
            };
            if comparison.is_same() {
                continue;
            }
            let changed = owned
                .fields
                .intersection(&comparison.modified)
                .union(&owned.fields.intersection(&comparison.added));
            for path in changed.paths() {
                let time = owned.time.clone();
                conflicts.push(Conflict {
                    time,
                    ..Conflict::new(id.clone(), path)
                });
            }
            let rest = owned
                .fields
                .difference(&changed)
                .difference(&comparison.removed);
            left.push((id.clone(), Some(rest)));
        }
        if !force && !conflicts.is_empty() {
            return Err(Conflicts(conflicts).into());
        }
        for (id, fields) in left {
            match (fields, managers.remove(&id)) {
                (Some(fields), Some(owned)) => managers.insert(id, Owned { fields, ..owned }),
                _ => continue,
            }
        }
        managers.retain(|_, owned| !owned.fields.is_empty());
        Ok(own)
    }

    /// Says who owns what after `manager` has replaced the live object by a new one, or created it.
    ///
    /// # Errors
    /// Where an object cannot be converted.
    pub fn update<'s>(
        &'s self,
        live: &Typed<'s>,
        new: &Typed<'s>,
        api_version: &str,
        managers: &mut Managers,
        manager: &ManagerId,
    ) -> Result<(), UpdateError> {
        self.reconcile(live, managers)?;
        let changed = self.take_changed(live, new, api_version, managers, manager, true)?;
        let before = managers.remove(manager).unwrap_or_default();
        let fields = before
            .fields
            .difference(&changed.removed)
            .union(&changed.modified)
            .union(&changed.added);
        managers.insert(
            manager.clone(),
            Owned {
                fields: self.strip(api_version, fields),
                api_version: api_version.into(),
                time: before.time,
            },
        );
        Ok(())
    }

    /// Merges a configuration of `manager` into the live object, removes what the manager owned, left out this
    /// time, and nobody else owns, and says who owns what after that.
    ///
    /// Returns the new object; `None` where nothing changes.
    ///
    /// # Errors
    /// Where other managers own fields that would change and `force` is not given; `managers` stays as it was
    /// then. Where an object cannot be converted, or the configuration not merged.
    pub fn apply<'s>(
        &'s self,
        live: &Typed<'s>,
        config: &Typed<'s>,
        api_version: &str,
        managers: &mut Managers,
        manager: &ManagerId,
        force: bool,
    ) -> Result<Option<Typed<'s>>, UpdateError> {
        let mut after = managers.clone();
        self.reconcile(live, &mut after)?;
        let merged = live
            .merge(config)
            .map_err(|source| UpdateError::Merge { source })?;
        let last = after.remove(manager);
        let mut owned = Owned::new(self.strip(api_version, config.field_set()), api_version);
        owned.time = last
            .as_ref()
            .map(|last| last.time.clone())
            .unwrap_or_default();
        // Nothing is to go where all that was owned is owned again.
        let prune = last.filter(|last| {
            last.api_version != api_version || !last.fields.difference(&owned.fields).is_empty()
        });
        after.insert(manager.clone(), owned);
        let new = match prune {
            Some(last) => self.prune(merged, &after, api_version, &last)?,
            None => merged,
        };
        self.take_changed(live, &new, api_version, &mut after, manager, force)?;
        *managers = after;
        Ok((live.value != new.value).then_some(new))
    }

    /// Removes what the manager owned last time and nobody owns now.
    fn prune<'s>(
        &'s self,
        merged: Typed<'s>,
        managers: &Managers,
        api_version: &str,
        last: &Owned,
    ) -> Result<Typed<'s>, UpdateError> {
        let Some(converted) = self.convert(&merged, &last.api_version)? else {
            return Ok(merged);
        };
        let named = last.fields.with_named_fields(converted.ty);
        let pruned = converted.remove(&named, self.emptied);
        let pruned = self.add_back_owned(&converted, pruned, &last.api_version, managers)?;
        let pruned = self.add_back_dangling(&converted, &pruned, last)?;
        self.converter
            .convert(&pruned, api_version)
            .map_err(|source| UpdateError::Convert { source })
    }

    /// Puts back what was removed though somebody owns it, version by version; that of the prune comes first,
    /// so that what a conversion needs is there again.
    fn add_back_owned<'s>(
        &'s self,
        merged: &Typed<'s>,
        pruned: Typed<'s>,
        pruned_version: &str,
        managers: &Managers,
    ) -> Result<Typed<'s>, UpdateError> {
        let mut by_version: BTreeMap<&str, FieldSet> = BTreeMap::new();
        for (_, owned) in managers.iter() {
            let all = by_version.entry(&owned.api_version).or_default();
            *all = all.union(&owned.fields);
        }
        let first = by_version.remove_entry(pruned_version);
        let (mut merged, mut pruned) = (merged.clone(), pruned);
        for (version, owned) in first.into_iter().chain(by_version) {
            let Some(whole) = self.convert(&merged, version)? else {
                continue;
            };
            merged = whole;
            let Some(part) = self.convert(&pruned, version)? else {
                continue;
            };
            let ty = merged.ty;
            let keep = part
                .field_set()
                .with_named_fields(ty)
                .union(&owned.with_named_fields(ty));
            let gone = merged.field_set().with_named_fields(ty).difference(&keep);
            pruned = merged.remove(&gone, self.emptied);
        }
        Ok(pruned)
    }

    /// Puts back what was removed with a parent though the manager did not own it.
    fn add_back_dangling<'s>(
        &'s self,
        merged: &Typed<'s>,
        pruned: &Typed<'s>,
        last: &Owned,
    ) -> Result<Typed<'s>, UpdateError> {
        let Some(pruned) = self.convert(pruned, &last.api_version)? else {
            return Ok(merged.clone());
        };
        let ty = merged.ty;
        let gone = merged
            .field_set()
            .with_named_fields(ty)
            .difference(&pruned.field_set().with_named_fields(ty))
            .intersection(&last.fields.with_named_fields(ty));
        Ok(merged.remove(&gone, self.emptied))
    }
}

impl ManagerId {
    /// Whether this manager applies.
    #[must_use]
    pub fn applies(&self) -> bool {
        self.operation == Operation::Apply
    }
}
