//! What has been handed out of live state, so that a watch can go on from there and a list can be compared with it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gitops_core::{Scope, WatchEvent};
use gitops_manifest::{GroupKind, Object, ObjectKey, Str};
use tokio::time::Instant;

use crate::list::{Listed, Unit};

/// How many sessions are kept that nobody watches.
const KEPT: usize = 4;
/// How long a session is kept that nobody watches.
const KEPT_FOR: Duration = Duration::from_secs(120);

/// From where a watch is to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// From exactly what a session has handed out; where that is not known any more, from a version.
    Session { id: u64, step: u64, version: Str },
    /// From a version of the whole cluster.
    Version(Str),
}

impl Token {
    /// Reads a token: `version`, or `session.step@version`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<u64>().ok();
        let Some((session, version)) = text.split_once('@') else {
            number(text)?;
            return Some(Self::Version(text.into()));
        };
        number(version)?;
        let (id, step) = session.split_once('.')?;
        Some(Self::Session {
            id: number(id)?,
            step: number(step)?,
            version: version.into(),
        })
    }
}

/// How far one unit is.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) unit: Arc<Unit>,
    /// The version up to which it was handed out; `None` where it is to be listed first.
    pub(crate) version: Option<Str>,
    /// Whether all objects are known that there were at that version.
    pub(crate) complete: bool,
    /// Why it cannot be followed.
    pub(crate) failing: Option<String>,
    /// Whether the kind is not served any more.
    pub(crate) gone: bool,
    objects: HashMap<(Str, Str), Object>,
}

fn place(object: &Object) -> (Str, Str) {
    (object.namespace().into(), object.name().into())
}

impl Progress {
    /// Begins with what was listed, or with what is to be listed where it could not be, for the reason.
    pub(crate) fn listed(unit: Arc<Unit>, listed: Result<&Listed, String>) -> Self {
        let mut progress = Self::after(unit, None);
        match listed {
            Ok(listed) => {
                progress.version = Some(listed.version.clone());
                progress.complete = true;
                progress.objects = listed
                    .objects
                    .iter()
                    .map(|object| (place(object), object.clone()))
                    .collect();
            }
            Err(reason) => progress.failing = Some(reason),
        }
        progress
    }

    /// Begins after a version at which it is not known what there was, or with a list.
    pub(crate) fn after(unit: Arc<Unit>, version: Option<Str>) -> Self {
        Self {
            unit,
            version,
            complete: false,
            failing: None,
            gone: false,
            objects: HashMap::new(),
        }
    }

    pub(crate) fn apply(&mut self, object: Object, events: &mut VecDeque<WatchEvent>) {
        self.version = Some(object.resource_version().into());
        if self.unit.wanted {
            self.objects.insert(place(&object), object.clone());
            events.push_back(WatchEvent::Applied(object));
        }
    }

    pub(crate) fn delete(&mut self, object: Object, events: &mut VecDeque<WatchEvent>) {
        self.version = Some(object.resource_version().into());
        if self.unit.wanted {
            self.objects.remove(&place(&object));
            events.push_back(WatchEvent::Deleted(object));
        }
    }

    /// Tells how what was listed anew differs from what was known.
    pub(crate) fn relist(&mut self, listed: Listed, events: &mut VecDeque<WatchEvent>) {
        self.version = Some(listed.version);
        self.complete = true;
        if !self.unit.wanted {
            return;
        }
        let places: HashSet<(Str, Str)> = listed.objects.iter().map(place).collect();
        let mut gone: Vec<(Str, Str)> = self
            .objects
            .keys()
            .filter(|place| !places.contains(*place))
            .cloned()
            .collect();
        gone.sort();
        for place in gone {
            let object = self.objects.remove(&place);
            events.extend(object.map(WatchEvent::Deleted));
        }
        for object in listed.objects {
            let known = self.objects.insert(place(&object), object.clone());
            match known {
                Some(known) if known.uid() != object.uid() => {
                    events.push_back(WatchEvent::Deleted(known));
                }
                Some(known)
                    if known.resource_version() == object.resource_version()
                        && known.api_version() == object.api_version() =>
                {
                    continue;
                }
                _ => {}
            }
            events.push_back(WatchEvent::Applied(object));
        }
    }

    /// Tells that nothing of it is there any more.
    pub(crate) fn end(&mut self, events: &mut VecDeque<WatchEvent>) {
        self.gone = true;
        let mut gone: Vec<Object> = self.objects.drain().map(|(_, object)| object).collect();
        gone.sort_by_cached_key(Object::key);
        events.extend(gone.into_iter().map(WatchEvent::Deleted));
    }
}

/// What is known of an object without asking for it.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// It was so when it was last heard of.
    Present(Object),
    /// There was none when it was last heard of.
    Absent,
    /// It is not followed.
    Unknown,
}

#[derive(Debug)]
pub(crate) struct State {
    /// Counts what was handed out.
    pub(crate) step: u64,
    pub(crate) units: Vec<Progress>,
    /// The kinds that were told not to be listed.
    pub(crate) unlisted: BTreeMap<GroupKind, String>,
}

/// What one watcher was handed out.
#[derive(Debug)]
pub(crate) struct Session {
    id: u64,
    pub(crate) scope: Scope,
    begun: Instant,
    running: AtomicBool,
    state: Mutex<State>,
}

impl Session {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token from which a watch goes on exactly here.
    pub(crate) fn token(&self) -> Str {
        let state = self.state();
        let versions = state.units.iter().filter(|progress| !progress.gone);
        let versions =
            versions.filter_map(|progress| progress.version.as_ref()?.parse::<u64>().ok());
        let oldest = versions.min().unwrap_or(0);
        format!("{}.{}@{oldest}", self.id, state.step).into()
    }

    pub(crate) fn end(&self) {
        self.running.store(false, Ordering::Release);
    }

    fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    fn known(&self, key: &ObjectKey) -> Known {
        let state = self.state();
        let mut found = Known::Unknown;
        for progress in &state.units {
            let unit = &progress.unit;
            let gvk = &unit.kind.gvk;
            let meant = gvk.kind == key.kind
                && gvk.group == key.group
                && (unit.namespace.is_empty() || unit.namespace == key.namespace);
            if !meant || !unit.wanted || progress.gone || progress.failing.is_some() {
                continue;
            }
            let place = (key.namespace.clone(), key.name.clone());
            match progress.objects.get(&place) {
                Some(object) => return Known::Present(object.clone()),
                None if progress.complete => found = Known::Absent,
                None => {}
            }
        }
        found
    }
}

/// The sessions of a target.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    next: AtomicU64,
    sessions: Mutex<VecDeque<Arc<Session>>>,
}

impl Sessions {
    fn all(&self) -> MutexGuard<'_, VecDeque<Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(
        &self,
        scope: Scope,
        units: Vec<Progress>,
        unlisted: BTreeMap<GroupKind, String>,
        running: bool,
    ) -> Arc<Session> {
        let session = Arc::new(Session {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            scope,
            begun: Instant::now(),
            running: AtomicBool::new(running),
            state: Mutex::new(State {
                step: 0,
                units,
                unlisted,
            }),
        });
        let mut sessions = self.all();
        sessions.push_back(Arc::clone(&session));
        let mut kept = 0;
        let newest = sessions.len() - 1;
        let mut place = sessions.len();
        // From the newest to the oldest, so that the oldest go first.
        let mut keep: Vec<bool> = sessions
            .iter()
            .rev()
            .map(|session| {
                place -= 1;
                if place == newest || session.is_running() {
                    return true;
                }
                kept += 1;
                kept < KEPT && session.begun.elapsed() < KEPT_FOR
            })
            .collect();
        sessions.retain(|_| keep.pop().unwrap_or(true));
        session
    }

    /// Takes a session up where a token says it was left, where that is still known.
    pub(crate) fn resume(&self, id: u64, step: u64, scope: &Scope) -> Option<Arc<Session>> {
        let sessions = self.all();
        let session = sessions.iter().find(|session| session.id == id)?;
        let same = session.scope == *scope && session.state().step == step;
        let free = same
            && session
                .running
                .compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        free.then(|| Arc::clone(session))
    }

    /// Returns what is known of an object from those watches that are going on.
    pub(crate) fn known(&self, key: &ObjectKey) -> Known {
        let running: Vec<Arc<Session>> = self
            .all()
            .iter()
            .filter(|session| session.is_running())
            .cloned()
            .collect();
        let mut best = Known::Unknown;
        for session in running {
            match session.known(key) {
                Known::Present(object) => return Known::Present(object),
                Known::Absent => best = Known::Absent,
                Known::Unknown => {}
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_written() {
        assert_eq!(Token::parse("12"), Some(Token::Version("12".into())));
        assert_eq!(
            Token::parse("3.4@12"),
            Some(Token::Session {
                id: 3,
                step: 4,
                version: "12".into()
            })
        );
        for wrong in ["", "x", "-1", "1.2@", "1@2", "1.2@x", "1.2.3@4"] {
            assert_eq!(Token::parse(wrong), None, "{wrong}");
        }
    }
}
