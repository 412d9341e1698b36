//! Live state, kept up to date by a watch, with the indexes that the engine asks for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::future::{Either, poll_fn, select};
use futures::stream::{BoxStream, StreamExt};
use gitops_manifest::{GroupKind, Object, ObjectKey, Str, Value};

use crate::tracking::Tracking;
use crate::{Scope, Target, TargetError, Timestamp, WatchEvent};

/// How far owner references are followed from an object to its root.
const OWNER_DEPTH: usize = 8;

/// How many events are taken over at once, so that a flood does not hold up everything else.
const BATCH: usize = 1024;

/// What has changed since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct News {
    /// The names of the applications that are concerned, as objects are tracked under them.
    pub applications: BTreeSet<Str>,
    /// The objects of the [kinds to note](LiveState::note_kinds) that were made, changed or deleted.
    pub objects: BTreeSet<ObjectKey>,
}

impl News {
    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.applications.is_empty() && self.objects.is_empty()
    }
}

/// The live objects of a cluster.
pub struct LiveState {
    tracking: Tracking,
    objects: HashMap<ObjectKey, Object>,
    /// The objects of each application.
    tracked: HashMap<Str, BTreeSet<ObjectKey>>,
    /// The objects that each object owns, by the UID of the owner.
    owned: HashMap<Str, BTreeSet<ObjectKey>>,
    by_uid: HashMap<Str, ObjectKey>,
    /// The objects without an owner, by namespace.
    unowned: HashMap<Str, BTreeSet<ObjectKey>>,
    /// A number for each namespace that grows with each change in it.
    namespace_epochs: HashMap<Str, u64>,
    /// Who wants to know of changes of an object that is not tracked (yet).
    interested: HashMap<ObjectKey, BTreeSet<Str>>,
    /// What each of them wants to know of.
    interests: HashMap<Str, BTreeSet<ObjectKey>>,
    /// The kinds of which every change is noted.
    noted: BTreeSet<GroupKind>,
    news: News,
    /// A number for each application that grows with each change that concerns it.
    epochs: HashMap<Str, u64>,
    epoch: u64,
    unlisted: BTreeMap<GroupKind, String>,
    /// How many changes a watch told of each kind.
    told: BTreeMap<GroupKind, u64>,
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
            unowned: HashMap::new(),
            namespace_epochs: HashMap::new(),
            interested: HashMap::new(),
            interests: HashMap::new(),
            noted: BTreeSet::new(),
            news: News::default(),
            epochs: HashMap::new(),
            epoch: 0,
            unlisted: BTreeMap::new(),
            told: BTreeMap::new(),
            version: Str::default(),
        }
    }

    /// Makes one of objects, for a comparison without a cluster.
    #[must_use]
    pub fn of(tracking: Tracking, objects: impl IntoIterator<Item = Object>) -> Self {
        let mut state = Self::new(tracking);
        for object in objects {
            state.put(object);
        }
        state
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

    /// Returns the objects of a namespace that have no owner, in order of key.
    pub fn unowned_in(&self, namespace: &str) -> impl Iterator<Item = &Object> {
        self.unowned
            .get(namespace)
            .into_iter()
            .flatten()
            .filter_map(|key| self.objects.get(key))
    }

    /// Returns a number that stays the same while nothing in a namespace changes.
    #[must_use]
    pub fn namespace_epoch(&self, namespace: &str) -> u64 {
        self.namespace_epochs.get(namespace).copied().unwrap_or(0)
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

    /// Whether every kind could be listed.
    #[must_use]
    pub fn knows_all(&self) -> bool {
        self.unlisted.is_empty()
    }

    /// Returns how many changes of objects of each kind a watch has told of.
    #[must_use]
    pub const fn changes(&self) -> &BTreeMap<GroupKind, u64> {
        &self.told
    }

    fn count(&mut self, object: &Object) {
        *self.told.entry(object.group_kind()).or_default() += 1;
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

    /// Wants changes of these objects to concern an application, tracked or not. They take the place of those
    /// that it wanted to know of before.
    pub fn watch_for(&mut self, application: &str, keys: impl IntoIterator<Item = ObjectKey>) {
        let keys: BTreeSet<ObjectKey> = keys.into_iter().collect();
        let before = self.interests.get(application);
        if before.is_some_and(|before| *before == keys) {
            return;
        }
        self.forget(application);
        for key in &keys {
            self.interested
                .entry(key.clone())
                .or_default()
                .insert(application.into());
        }
        self.interests.insert(application.into(), keys);
    }

    /// Forgets what an application wanted to know of.
    pub fn forget(&mut self, application: &str) {
        for key in self.interests.remove(application).unwrap_or_default() {
            if let Some(interested) = self.interested.get_mut(&key) {
                interested.remove(application);
                if interested.is_empty() {
                    self.interested.remove(&key);
                }
            }
        }
    }

    /// Notes every change of objects of these kinds from now on.
    pub fn note_kinds(&mut self, kinds: impl IntoIterator<Item = GroupKind>) {
        self.noted.extend(kinds);
    }

    /// Takes what has changed since it was last taken.
    #[must_use]
    pub fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// Notes all objects of the kinds to note as if they had changed.
    pub(crate) fn renew(&mut self) {
        for key in self.objects.keys() {
            if self
                .noted
                .iter()
                .any(|kind| kind.kind == key.kind && kind.group == key.group)
            {
                self.news.objects.insert(key.clone());
            }
        }
    }

    fn concern(&mut self, object: &Object) {
        let key = object.key();
        if self
            .noted
            .iter()
            .any(|kind| kind.kind == key.kind && kind.group == key.group)
        {
            self.news.objects.insert(key.clone());
        }
        let mut concerned: BTreeSet<Str> = BTreeSet::new();
        concerned.extend(self.tracking.owner(object));
        concerned.extend(self.interested.get(&key).into_iter().flatten().cloned());
        let mut current = owners(object).find_map(|uid| self.by_uid.get(uid));
        for _ in 0..OWNER_DEPTH {
            let Some(key) = current else { break };
            let Some(owner) = self.objects.get(key) else {
                break;
            };
            concerned.extend(self.tracking.owner(owner));
            concerned.extend(self.interested.get(key).into_iter().flatten().cloned());
            current = owners(owner).find_map(|uid| self.by_uid.get(uid));
        }
        self.epoch += 1;
        self.namespace_epochs
            .insert(object_namespace(object), self.epoch);
        for application in concerned {
            self.epochs.insert(application.clone(), self.epoch);
            self.news.applications.insert(application);
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
            self.epochs.insert(application.clone(), self.epoch);
            self.news.applications.insert(application);
        }
    }

    fn unindex(&mut self, object: &Object) {
        let key = object.key();
        if let Some(application) = self.tracking.owner(object)
            && let Some(keys) = self.tracked.get_mut(&application)
        {
            keys.remove(&key);
            if keys.is_empty() {
                self.tracked.remove(&application);
            }
        }
        if let Some(keys) = self.unowned.get_mut(object.namespace()) {
            keys.remove(&key);
        }
        for uid in owners(object) {
            if let Some(keys) = self.owned.get_mut(uid) {
                keys.remove(&key);
                if keys.is_empty() {
                    self.owned.remove(uid);
                }
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
        if !owned && !object.namespace().is_empty() {
            self.unowned
                .entry(object_namespace(object))
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

    /// Notes that an object was asked to go, until it is told what became of it: as an API server marks it.
    pub(crate) fn mark_deleting(&mut self, object: &Object, now: Timestamp) {
        let key = object.key();
        if let Some(known) = self.objects.get_mut(&key)
            && known.uid() == object.uid()
            && !known.is_deleting()
        {
            let at = now.to_second().to_string();
            known.metadata_mut().insert("deletionTimestamp", at);
            let known = known.clone();
            self.concern(&known);
        }
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

fn object_namespace(object: &Object) -> Str {
    object.namespace().into()
}

/// Returns the UIDs of the owners of an object.
pub(crate) fn owners(object: &Object) -> impl Iterator<Item = &str> {
    object
        .meta("ownerReferences")
        .and_then(Value::as_array)
        .into_iter()
        .flat_map(|owners| owners.iter().filter_map(|owner| owner["uid"].as_str()))
}

/// Which kinds are left alone though the scope has them.
type LeftAlone = dyn Fn(&GroupKind) -> bool + Send + Sync;

type Events = BoxStream<'static, Result<WatchEvent, TargetError>>;

/// Keeps a [`LiveState`] up to date.
///
/// One task may wait for changes while others ask for what is there by now.
pub struct LiveCache {
    target: Arc<dyn Target>,
    scope: Scope,
    left_alone: Option<Box<LeftAlone>>,
    state: Mutex<LiveState>,
    /// The watch; never held while anything is awaited.
    events: Mutex<Option<Events>>,
    /// Held by whoever begins a watch.
    beginning: tokio::sync::Mutex<()>,
    /// Tells whoever waits for changes that somebody else has looked for them, and taken its place with the watch.
    looked: tokio::sync::Notify,
    loaded: std::sync::atomic::AtomicBool,
}

/// What came of a look at the watch.
enum Look {
    /// An event.
    Event(WatchEvent),
    /// There is no watch, or it has ended.
    Ended,
}

impl LiveCache {
    /// Makes a cache of the objects of a scope; reads nothing yet.
    #[must_use]
    pub fn new(target: Arc<dyn Target>, scope: Scope, tracking: Tracking) -> Self {
        Self {
            target,
            scope,
            left_alone: None,
            state: Mutex::new(LiveState::new(tracking)),
            events: Mutex::new(None),
            beginning: tokio::sync::Mutex::new(()),
            looked: tokio::sync::Notify::new(),
            loaded: std::sync::atomic::AtomicBool::new(false),
        }
    }

    /// Leaves kinds alone that are known by a rule and not by name: they are not asked for where the cluster serves them when a
    /// watch begins, and not kept where they come later.
    #[must_use]
    pub fn without(
        mut self,
        left_alone: impl Fn(&GroupKind) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.left_alone = Some(Box::new(left_alone));
        self
    }

    /// Returns the scope with the kinds left out that are left alone.
    async fn scope_now(&self) -> Result<Scope, TargetError> {
        let Some(left_alone) = &self.left_alone else {
            return Ok(self.scope.clone());
        };
        let discovery = self.target.discover().await?;
        let kinds = discovery.kinds().iter().map(|kind| kind.gvk.group_kind());
        let excluded = kinds.filter(|kind| left_alone(kind));
        Ok(self.scope.clone().without_kinds(excluded))
    }

    fn is_left_alone(&self, object: &Object) -> bool {
        let left_alone = self.left_alone.as_ref();
        left_alone.is_some_and(|left_alone| left_alone(&object.group_kind()))
    }

    /// Returns live state as it was at the last [`update`](Self::update).
    pub fn state(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the objects were listed at least once: before that, what is not here may be there all the same.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(std::sync::atomic::Ordering::Acquire)
    }

    /// Whether a watch is open, as far as is known.
    pub(crate) fn is_watched(&self) -> bool {
        self.events().is_some()
    }

    fn events(&self) -> MutexGuard<'_, Option<Events>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether the watch has anything to tell.
    fn look(&self, context: &mut Context<'_>) -> Poll<Look> {
        let mut events = self.events();
        let Some(stream) = events.as_mut() else {
            return Poll::Ready(Look::Ended);
        };
        match stream.poll_next_unpin(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(event))) => Poll::Ready(Look::Event(event)),
            Poll::Ready(Some(Err(error))) => {
                *events = None;
                if matches!(error, TargetError::Expired { .. }) {
                    self.state().version = Str::default();
                }
                Poll::Ready(Look::Ended)
            }
            // The watch has ended: it goes on from where it was.
            Poll::Ready(None) => {
                *events = None;
                Poll::Ready(Look::Ended)
            }
        }
    }

    /// Takes over what is there, up to a number of events. Tells whether the watch has ended.
    fn drain(&self, limit: usize) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..limit {
            match self.look(&mut context) {
                Poll::Pending => return false,
                Poll::Ready(Look::Event(event)) => self.take(event),
                Poll::Ready(Look::Ended) => return true,
            }
        }
        false
    }

    /// Takes over all changes that are there by now.
    ///
    /// # Errors
    /// Where the target cannot be listed or watched; what is known stays.
    pub async fn update(&self) -> Result<(), TargetError> {
        for _ in 0..3 {
            self.begin().await?;
            if !self.drain(usize::MAX) {
                break;
            }
        }
        // Whoever waits has to tell the watch again where to find it.
        self.looked.notify_one();
        Ok(())
    }

    /// Waits until something changes, and takes it over with everything else that is there by then.
    ///
    /// # Errors
    /// Where the target cannot be listed or watched.
    pub async fn changed(&self) -> Result<(), TargetError> {
        if self.begin().await? {
            return Ok(());
        }
        loop {
            let looked = pin!(self.looked.notified());
            let next = pin!(poll_fn(|context| self.look(context)));
            match select(next, looked).await {
                Either::Left((Look::Event(event), _)) => {
                    self.take(event);
                    self.drain(BATCH);
                    return Ok(());
                }
                Either::Left((Look::Ended, _)) => return Ok(()),
                Either::Right(_) => {
                    if self.events().is_none() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn take(&self, event: WatchEvent) {
        let mut state = self.state();
        match event {
            WatchEvent::Applied(object) => {
                state.version = object.resource_version().into();
                if !self.is_left_alone(&object) {
                    state.count(&object);
                    state.put(object);
                }
            }
            WatchEvent::Deleted(object) => {
                state.version = object.resource_version().into();
                state.count(&object);
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

    /// Begins to watch where nothing is watched: from the version that is known, or after a new listing. Tells
    /// whether it had to.
    async fn begin(&self) -> Result<bool, TargetError> {
        if self.events().is_some() {
            return Ok(false);
        }
        let _beginning = self.beginning.lock().await;
        if self.events().is_some() {
            return Ok(false);
        }
        let events = self.watch().await?;
        *self.events() = Some(events);
        self.loaded
            .store(true, std::sync::atomic::Ordering::Release);
        Ok(true)
    }

    async fn watch(&self) -> Result<Events, TargetError> {
        let (version, complete) = {
            let state = self.state();
            (state.version.clone(), state.knows_all())
        };
        // What could not be listed is tried again where the watch begins anew.
        let scope = self.scope_now().await?;
        if !version.is_empty() && complete {
            match self.target.watch(&scope, &version).await {
                Err(TargetError::Expired { .. }) => {}
                other => return other,
            }
        }
        let snapshot = self.target.snapshot(&scope).await?;
        let version = snapshot.version.clone();
        {
            let mut state = self.state();
            let unlisted = snapshot.unlisted.into_iter().collect();
            let before = std::mem::replace(&mut state.unlisted, unlisted);
            let changed: Vec<GroupKind> = before
                .keys()
                .chain(state.unlisted.keys())
                .filter(|kind| before.contains_key(kind) != state.unlisted.contains_key(kind))
                .cloned()
                .collect();
            let seen: std::collections::HashSet<ObjectKey> =
                snapshot.objects.iter().map(Object::key).collect();
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
            for kind in &changed {
                state.concern_kind(kind);
            }
            state.version = version.clone();
        }
        self.target.watch(&scope, &version).await
    }
}
