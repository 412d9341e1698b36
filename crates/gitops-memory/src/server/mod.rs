//! The API server itself: a value that takes requests one after the other and knows no time but what it is
//! told.

mod collect;
mod definition;
mod kinds;
mod prepare;
mod restore;
mod validate;
mod workload;
mod write;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use gitops_core::{Discovery, Scope, Snapshot, TargetError, Timestamp, WatchEvent};
use gitops_diff::schema::Schemas;
use gitops_manifest::{GroupKind, Map, Object, ObjectKey, Str, Value};

use crate::Simulation;
use crate::random::Random;
use kinds::{Kinds, Served};

/// How many changes are kept for watches that lag behind.
pub(crate) const DEFAULT_HISTORY: usize = 16_384;

/// In whose name controllers write.
const CONTROLLER: &str = "kube-controller-manager";

/// One change of an object.
#[derive(Clone, Debug)]
struct Change {
    version: u64,
    event: WatchEvent,
    key: ObjectKey,
}

/// What a watch gets when it asks.
pub(crate) enum Watched {
    /// These events; the watch goes on from this version.
    Events(Vec<WatchEvent>, u64),
    /// Nothing happened after the version.
    Nothing,
    /// The version is no longer in the history.
    Expired,
}

/// All state of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    objects: BTreeMap<ObjectKey, Object>,
    /// Where the object of a UID is.
    keys: BTreeMap<Str, ObjectKey>,
    /// The objects that name an owner, by the UID of the owner.
    owned: BTreeMap<Str, BTreeSet<ObjectKey>>,
    kinds: Kinds,
    schemas: Arc<Schemas>,
    random: Random,
    /// The resource version of the latest change.
    version: u64,
    history: VecDeque<Change>,
    history_limit: usize,
    /// The latest version that is no longer in the history.
    forgotten: u64,
    /// What is to be looked at, and when.
    queue: BTreeMap<(Timestamp, u64), ObjectKey>,
    queued: BTreeMap<ObjectKey, (Timestamp, u64)>,
    next_in_queue: u64,
    now: Timestamp,
    pub(crate) simulation: Simulation,
    /// When controllers first saw an object, exact to the microsecond.
    born: BTreeMap<Str, Timestamp>,
    /// When a pod began to stop.
    stopping: BTreeMap<Str, Timestamp>,
    /// The status that a controller wrote last, and the form in which it is held.
    statuses: BTreeMap<Str, (Map, Map)>,
    /// How far a rollout was when it last moved, and when that was.
    progress: BTreeMap<Str, (Rollout, Timestamp)>,
}

/// How far a rollout is: pods, those of the new template, those ready, those available, and the new
/// ReplicaSet.
type Rollout = ((i64, i64, i64, i64), Option<String>);

impl Server {
    pub(crate) fn new(
        seed: u64,
        history_limit: usize,
        simulation: Simulation,
        now: Timestamp,
    ) -> Self {
        let mut server = Self {
            objects: BTreeMap::new(),
            keys: BTreeMap::new(),
            owned: BTreeMap::new(),
            kinds: Kinds::built_in(),
            schemas: Arc::default(),
            random: Random::new(seed),
            version: 0,
            history: VecDeque::new(),
            history_limit: history_limit.max(1),
            forgotten: 0,
            queue: BTreeMap::new(),
            queued: BTreeMap::new(),
            next_in_queue: 0,
            now,
            simulation,
            born: BTreeMap::new(),
            stopping: BTreeMap::new(),
            statuses: BTreeMap::new(),
            progress: BTreeMap::new(),
        };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            server.create_namespace(name);
        }
        server
    }

    pub(crate) const fn discovery(&self) -> &Arc<Discovery> {
        self.kinds.discovery()
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(key)
    }

    pub(crate) const fn objects(&self) -> &BTreeMap<ObjectKey, Object> {
        &self.objects
    }

    pub(crate) fn known(&self, kind: &GroupKind) -> bool {
        self.kinds.preferred(kind).is_some()
    }

    fn served(&self, object: &Object) -> Result<&Served, TargetError> {
        let gvk = object.gvk();
        match self.kinds.get(&gvk) {
            Some(served) => Ok(served),
            None => Err(TargetError::UnknownKind { gvk }),
        }
    }

    pub(crate) fn snapshot(&self, scope: &Scope) -> Snapshot {
        let version = self.version.to_string().into();
        let mut objects = Vec::new();
        if scope.kinds.is_empty() {
            let all = self.objects.iter();
            objects.extend(
                all.filter(|(key, _)| scope.contains(key))
                    .map(|(_, o)| o.clone()),
            );
        } else {
            for kind in &scope.kinds {
                let of_kind = self.of_kind(kind);
                objects.extend(
                    of_kind
                        .filter(|(key, _)| scope.contains(key))
                        .map(|(_, o)| o.clone()),
                );
            }
        }
        Snapshot::new(version, objects)
    }

    fn of_kind<'a>(
        &'a self,
        kind: &'a GroupKind,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a Object)> {
        let first = ObjectKey::new(&kind.group, &kind.kind, "", "");
        self.objects
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(|(key, _)| key.group == kind.group && key.kind == kind.kind)
    }

    /// Returns at most `limit` events after a version.
    pub(crate) fn changes(&self, scope: &Scope, after: u64, limit: usize) -> Watched {
        if after < self.forgotten || after > self.version {
            return Watched::Expired;
        }
        if after == self.version {
            return Watched::Nothing;
        }
        let start = self
            .history
            .partition_point(|change| change.version <= after);
        let mut events = Vec::new();
        for change in self.history.range(start..) {
            if scope.contains(&change.key) {
                events.push(change.event.clone());
                if events.len() == limit {
                    return Watched::Events(events, change.version);
                }
            }
        }
        let seen = match events.last() {
            Some(WatchEvent::Applied(object) | WatchEvent::Deleted(object)) => {
                object.resource_version() == self.version.to_string()
            }
            _ => false,
        };
        if !seen {
            events.push(WatchEvent::Bookmark(self.version.to_string().into()));
        }
        Watched::Events(events, self.version)
    }

    /// Forgets the history, so that every watch has to begin anew.
    pub(crate) fn forget_history(&mut self) {
        self.history.clear();
        self.forgotten = self.version;
    }

    fn record(&mut self, key: &ObjectKey, event: WatchEvent) {
        self.history.push_back(Change {
            version: self.version,
            event,
            key: key.clone(),
        });
        while self.history.len() > self.history_limit {
            if let Some(change) = self.history.pop_front() {
                self.forgotten = change.version;
            }
        }
    }

    /// Puts an object in its place under a new resource version.
    fn put(&mut self, key: &ObjectKey, mut object: Object) -> Object {
        self.version += 1;
        object
            .metadata_mut()
            .insert("resourceVersion", self.version.to_string());
        if let Some(before) = self.objects.get(key).cloned() {
            self.unlink_owners(key, &before);
        } else {
            self.keys.insert(object.uid().into(), key.clone());
        }
        for owner in owner_uids(&object) {
            self.owned.entry(owner).or_default().insert(key.clone());
        }
        self.objects.insert(key.clone(), object.clone());
        self.record(key, WatchEvent::Applied(object.clone()));
        self.notice(key, &object);
        object
    }

    /// Takes an object out of its place.
    fn take(&mut self, key: &ObjectKey) -> Option<Object> {
        let mut object = self.objects.remove(key)?;
        self.version += 1;
        object
            .metadata_mut()
            .insert("resourceVersion", self.version.to_string());
        self.unlink_owners(key, &object);
        self.keys.remove(object.uid());
        self.born.remove(object.uid());
        self.stopping.remove(object.uid());
        self.statuses.remove(object.uid());
        self.progress.remove(object.uid());
        self.record(key, WatchEvent::Deleted(object.clone()));
        if definition::is_definition(key) {
            self.forget_definition(&object);
        }
        self.notice(key, &object);
        let soon = self.now + self.simulation.reaction;
        // A Deployment waits for the pods of its ReplicaSets to be gone.
        for owner in owner_uids(&object) {
            let owner = self.keys.get(&owner).and_then(|key| self.objects.get(key));
            for uid in owner.map(owner_uids).unwrap_or_default() {
                if let Some(key) = self.keys.get(&uid).cloned() {
                    self.look_at(&key, soon);
                }
            }
        }
        for dependent in self.owned.get(object.uid()).cloned().unwrap_or_default() {
            self.look_at(&dependent, soon);
        }
        Some(object)
    }

    /// Takes an object off the lists of its owners, and has them looked at.
    fn unlink_owners(&mut self, key: &ObjectKey, object: &Object) {
        let soon = self.now + self.simulation.reaction;
        for owner in owner_uids(object) {
            if let Some(owner) = self.keys.get(&owner).cloned() {
                self.look_at(&owner, soon);
            }
            if let Some(owned) = self.owned.get_mut(&owner) {
                owned.remove(key);
                if owned.is_empty() {
                    self.owned.remove(&owner);
                }
            }
        }
    }

    /// Has an object, its owners and its namespace looked at after a change.
    fn notice(&mut self, key: &ObjectKey, object: &Object) {
        let soon = self.now + self.simulation.reaction;
        self.look_at(key, soon);
        for owner in owner_uids(object) {
            if let Some(owner) = self.keys.get(&owner).cloned() {
                self.look_at(&owner, soon);
            }
        }
    }

    /// Has an object looked at, at a time or before.
    fn look_at(&mut self, key: &ObjectKey, at: Timestamp) {
        if let Some(place) = self.queued.get(key) {
            if place.0 <= at {
                return;
            }
            self.queue.remove(place);
        }
        self.next_in_queue += 1;
        let place = (at, self.next_in_queue);
        self.queue.insert(place, key.clone());
        self.queued.insert(key.clone(), place);
    }

    /// Returns when there is next something to do.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Does everything that has become due, each at its own time. Tells whether there was anything.
    pub(crate) fn catch_up(&mut self, now: Timestamp) -> bool {
        let before = self.version;
        // What keeps itself busy without time passing is stopped here rather than hung up on.
        for _ in 0..1_000_000 {
            let Some((&place, _)) = self.queue.first_key_value() else {
                break;
            };
            if place.0 > now {
                break;
            }
            let key = self.queue.remove(&place).expect("it was found just now");
            self.queued.remove(&key);
            self.now = place.0.max(self.now.min(now));
            self.reconcile(&key);
        }
        self.now = now;
        before != self.version
    }

    /// Does what the controllers of a cluster do about an object.
    fn reconcile(&mut self, key: &ObjectKey) {
        let Some(object) = self.objects.get(key).cloned() else {
            return;
        };
        if self.collect(key, &object) {
            return;
        }
        match (key.group.as_str(), key.kind.as_str()) {
            ("", "Namespace") => self.reconcile_namespace(key, &object),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                self.reconcile_definition(key, &object);
            }
            _ if self.simulation.workloads => self.simulate(key, &object),
            _ => {}
        }
    }
}

/// Returns the UIDs of the owners that an object names.
fn owner_uids(object: &Object) -> Vec<Str> {
    let owners = object.meta("ownerReferences").and_then(Value::as_array);
    let owners = owners.map(|owners| owners.iter()).into_iter().flatten();
    owners
        .filter_map(|owner| owner["uid"].as_str().map(Str::from))
        .collect()
}

/// Returns the finalizers of an object.
fn finalizers(object: &Object) -> Vec<&str> {
    let list = object.meta("finalizers").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
