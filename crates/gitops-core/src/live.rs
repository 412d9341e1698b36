//! Live state, kept up to date by a watch, with the indexes that the engine asks for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::stream::{BoxStream, StreamExt};
use gitops_manifest::{GroupKind, Object, ObjectKey, Str, Value};

use crate::tracking::Tracking;
use crate::{Scope, Target, TargetError, WatchEvent};

/// How far owner references are followed from an object to its root.
const OWNER_DEPTH: usize = 8;

/// The live objects of a cluster.
pub struct LiveState {
    tracking: Tracking,
    objects: HashMap<ObjectKey, Object>,
    /// The objects of each application.
    tracked: HashMap<Str, BTreeSet<ObjectKey>>,
    /// The objects that each object owns, by the UID of the owner.
    owned: HashMap<Str, BTreeSet<ObjectKey>>,
    by_uid: HashMap<Str, ObjectKey>,
    /// Who wants to know of changes of an object that is not tracked (yet).
    interested: HashMap<ObjectKey, BTreeSet<Str>>,
    /// A number for each application that grows with each change that concerns it.
    epochs: HashMap<Str, u64>,
    epoch: u64,
    unlisted: BTreeMap<GroupKind, String>,
    version: Str,
}

impl LiveState {
    fn new(tracking: Tracking) -> Self {
        Self {
            tracking,
            objects: HashMap::new(),
            tracked: HashMap::new(),
            owned: HashMap::new(),
            by_uid: HashMap::new(),
            interested: HashMap::new(),
            epochs: HashMap::new(),
            epoch: 0,
            unlisted: BTreeMap::new(),
            version: Str::default(),
        }
    }

    /// Returns one object.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(key)
    }

    /// Returns the objects that say they belong to an application and have no owner, in order of key.
    pub fn tracked(&self, application: &str) -> impl Iterator<Item = &Object> {
        self.tracked
            .get(application)
            .into_iter()
            .flatten()
            .filter_map(|key| self.objects.get(key))
    }

    /// Returns the objects that an object owns, in order of key.
    pub fn owned(&self, uid: &str) -> impl Iterator<Item = &Object> {
        self.owned
            .get(uid)
            .into_iter()
            .flatten()
            .filter_map(|key| self.objects.get(key))
    }

    /// Returns an object and everything below it, by owner references.
    #[must_use]
    pub fn family(&self, root: &Object) -> Vec<Object> {
        let mut family = vec![root.clone()];
        let mut at = 0;
        while at < family.len() && family.len() < 10_000 {
            let uid = family[at].uid().to_owned();
            if !uid.is_empty() {
                family.extend(self.owned(&uid).cloned());
            }
            at += 1;
        }
        family
    }

    /// Returns the objects of a kind, in order of key.
    #[must_use]
    pub fn of_kind(&self, kind: &GroupKind) -> Vec<&Object> {
        let mut objects: Vec<&Object> = self
            .objects
            .iter()
            .filter(|(key, _)| key.kind == kind.kind && key.group == kind.group)
            .map(|(_, object)| object)
            .collect();
        objects.sort_by_cached_key(|object| object.key());
        objects
    }

    /// Returns why objects of a kind are not known, where they are not.
    #[must_use]
    pub fn unlisted(&self, kind: &GroupKind) -> Option<&str> {
        self.unlisted.get(kind).map(String::as_str)
    }

    /// Returns how many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Returns a number that stays the same while nothing that concerns an application changes.
    #[must_use]
    pub fn epoch(&self, application: &str) -> u64 {
        self.epochs.get(application).copied().unwrap_or(0)
    }

    /// Wants changes of these objects to concern an application, tracked or not.
    pub fn watch_for(&mut self, application: &str, keys: impl IntoIterator<Item = ObjectKey>) {
        for key in keys {
            self.interested
                .entry(key)
                .or_default()
                .insert(application.into());
        }
    }

    fn concern(&mut self, object: &Object) {
        let mut concerned: BTreeSet<Str> = self
            .interested
            .get(&object.key())
            .cloned()
            .unwrap_or_default();
        let mut current = Some(object.clone());
        for _ in 0..OWNER_DEPTH {
            let Some(object) = current else { break };
            concerned.extend(self.tracking.owner(&object));
            if let Some(interested) = self.interested.get(&object.key()) {
                concerned.extend(interested.iter().cloned());
            }
            current = owners(&object)
                .find_map(|uid| self.objects.get(self.by_uid.get(uid)?))
                .cloned();
        }
        self.epoch += 1;
        for application in concerned {
            self.epochs.insert(application, self.epoch);
        }
    }

    /// Notes that it has changed whether objects of a kind are known at all.
    fn concern_kind(&mut self, kind: &GroupKind) {
        let is = |key: &&ObjectKey| key.kind == kind.kind && key.group == kind.group;
        let objects: Vec<Object> = self
            .objects
            .iter()
            .filter(|(key, _)| is(key))
            .map(|(_, object)| object.clone())
            .collect();
        for object in &objects {
            self.concern(object);
        }
        let awaited: BTreeSet<Str> = self
            .interested
            .iter()
            .filter(|(key, _)| is(key))
            .flat_map(|(_, applications)| applications.iter().cloned())
            .collect();
        self.epoch += 1;
        for application in awaited {
            self.epochs.insert(application, self.epoch);
        }
    }

    fn unindex(&mut self, object: &Object) {
        let key = object.key();
        if let Some(application) = self.tracking.owner(object)
            && let Some(keys) = self.tracked.get_mut(&application)
        {
            keys.remove(&key);
        }
        for uid in owners(object) {
            if let Some(keys) = self.owned.get_mut(uid) {
                keys.remove(&key);
            }
        }
        self.by_uid.remove(object.uid());
    }

    fn index(&mut self, object: &Object) {
        let key = object.key();
        let mut owned = false;
        for uid in owners(object) {
            owned = true;
            self.owned
                .entry(uid.into())
                .or_default()
                .insert(key.clone());
        }
        if !owned && let Some(application) = self.tracking.owner(object) {
            self.tracked
                .entry(application)
                .or_default()
                .insert(key.clone());
        }
        self.by_uid.insert(object.uid().into(), key);
    }

    /// Puts an object in, as it now is. An older state than the one that is known is left aside.
    pub(crate) fn put(&mut self, object: Object) {
        let key = object.key();
        let number = |object: &Object| object.resource_version().parse::<u64>().ok();
        let old = self.objects.get(&key).cloned();
        if let Some(old) = &old {
            if old.uid() == object.uid()
                && let (Some(old), Some(new)) = (number(old), number(&object))
                && new <= old
            {
                return;
            }
            self.unindex(old);
            // The application that loses the object is concerned as well.
            self.concern(old);
        }
        self.index(&object);
        self.concern(&object);
        self.objects.insert(key, object);
    }

    pub(crate) fn remove(&mut self, object: &Object) {
        let key = object.key();
        match self.objects.get(&key) {
            Some(known) if known.uid() == object.uid() || object.uid().is_empty() => {}
            _ => return,
        }
        if let Some(known) = self.objects.remove(&key) {
            self.concern(&known);
            self.unindex(&known);
        }
    }
}

/// Returns the UIDs of the owners of an object.
pub(crate) fn owners(object: &Object) -> impl Iterator<Item = &str> {
    object
        .meta("ownerReferences")
        .and_then(Value::as_array)
        .into_iter()
        .flat_map(|owners| owners.iter().filter_map(|owner| owner["uid"].as_str()))
}

type Events = BoxStream<'static, Result<WatchEvent, TargetError>>;

/// Keeps a [`LiveState`] up to date.
pub struct LiveCache {
    target: Arc<dyn Target>,
    scope: Scope,
    state: Mutex<LiveState>,
    events: tokio::sync::Mutex<Option<Events>>,
}

impl LiveCache {
    /// Makes a cache of the objects of a scope; reads nothing yet.
    #[must_use]
    pub fn new(target: Arc<dyn Target>, scope: Scope, tracking: Tracking) -> Self {
        Self {
            target,
            scope,
            state: Mutex::new(LiveState::new(tracking)),
            events: tokio::sync::Mutex::new(None),
        }
    }

    /// Returns live state as it was at the last [`update`](Self::update).
    pub fn state(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over all changes that are there by now.
    ///
    /// # Errors
    /// Where the target cannot be listed or watched; what is known stays.
    pub async fn update(&self) -> Result<(), TargetError> {
        let mut events = self.events.lock().await;
        for _ in 0..3 {
            if events.is_none() {
                *events = Some(self.begin().await?);
            }
            let Some(stream) = events.as_mut() else {
                continue;
            };
            loop {
                match stream.next().now_or_never() {
                    None => return Ok(()),
                    Some(Some(Ok(event))) => self.take(event),
                    // The watch has ended: go on from where it was, or list anew.
                    Some(None) => {
                        *events = None;
                        break;
                    }
                    Some(Some(Err(error))) => {
                        *events = None;
                        if matches!(error, TargetError::Expired { .. }) {
                            self.state().version = Str::default();
                        }
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until something changes, and takes it over.
    ///
    /// # Errors
    /// Where the target cannot be listed or watched.
    pub async fn changed(&self) -> Result<(), TargetError> {
        let mut events = self.events.lock().await;
        if events.is_none() {
            *events = Some(self.begin().await?);
            return Ok(());
        }
        let Some(stream) = events.as_mut() else {
            return Ok(());
        };
        match stream.next().await {
            Some(Ok(event)) => self.take(event),
            Some(Err(TargetError::Expired { .. })) => {
                self.state().version = Str::default();
                *events = None;
            }
            Some(Err(_)) | None => *events = None,
        }
        Ok(())
    }

    fn take(&self, event: WatchEvent) {
        let mut state = self.state();
        match event {
            WatchEvent::Applied(object) => {
                state.version = object.resource_version().into();
                state.put(object);
            }
            WatchEvent::Deleted(object) => {
                state.version = object.resource_version().into();
                state.remove(&object);
            }
            WatchEvent::Bookmark(version) => state.version = version,
            WatchEvent::Unlisted(kind, reason) => {
                state.unlisted.insert(kind.clone(), reason);
                state.concern_kind(&kind);
            }
            WatchEvent::Listed(kind) => {
                if state.unlisted.remove(&kind).is_some() {
                    state.concern_kind(&kind);
                }
            }
        }
    }

    /// Begins to watch: from the version that is known, or after a new listing.
    async fn begin(&self) -> Result<Events, TargetError> {
        let version = self.state().version.clone();
        if !version.is_empty() {
            match self.target.watch(&self.scope, &version).await {
                Err(TargetError::Expired { .. }) => {}
                other => return other,
            }
        }
        let snapshot = self.target.snapshot(&self.scope).await?;
        let version = snapshot.version.clone();
        {
            let mut state = self.state();
            state.unlisted = snapshot.unlisted.into_iter().collect();
            let seen: BTreeSet<ObjectKey> = snapshot.objects.iter().map(Object::key).collect();
            // What was known and is not listed is gone, unless its kind could not be listed.
            let gone: Vec<Object> = state
                .objects
                .iter()
                .filter(|(key, _)| {
                    !seen.contains(*key) && !state.unlisted.contains_key(&key.group_kind())
                })
                .map(|(_, object)| object.clone())
                .collect();
            for object in &gone {
                state.remove(object);
            }
            for object in snapshot.objects {
                state.put(object);
            }
            state.version = version.clone();
        }
        self.target.watch(&self.scope, &version).await
    }
}
