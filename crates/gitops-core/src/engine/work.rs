//! What is to be done next: applications in line, and those that wait for their time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use gitops_manifest::Str;

use crate::{ApplicationId, Timestamp};

/// The longest wait after failures in a row.
const LONGEST: Duration = Duration::from_secs(64);

/// The line of applications that are to be looked at, each in it once; one that is being looked at comes back
/// when that is done.
pub(super) struct Work {
    /// Those that go before the others.
    first: VecDeque<ApplicationId>,
    line: VecDeque<ApplicationId>,
    /// Everything in either line.
    waiting: BTreeSet<ApplicationId>,
    /// What is being looked at, and whether it has to be looked at again.
    running: BTreeMap<ApplicationId, bool>,
    applications: Timers<ApplicationId>,
    repos: Timers<Str>,
    failures: HashMap<ApplicationId, u32>,
    now: Timestamp,
}

impl Work {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            first: VecDeque::new(),
            line: VecDeque::new(),
            waiting: BTreeSet::new(),
            running: BTreeMap::new(),
            applications: Timers::default(),
            repos: Timers::default(),
            failures: HashMap::new(),
            now,
        }
    }

    /// Puts an application in line.
    pub(super) fn push(&mut self, id: ApplicationId) {
        if let Some(again) = self.running.get_mut(&id) {
            *again = true;
        } else if self.waiting.insert(id.clone()) {
            self.line.push_back(id);
        }
    }

    /// Puts an application in front of those that came by themselves.
    pub(super) fn push_first(&mut self, id: ApplicationId) {
        if let Some(again) = self.running.get_mut(&id) {
            *again = true;
            return;
        }
        if !self.waiting.insert(id.clone()) {
            self.line.retain(|other| *other != id);
            self.first.retain(|other| *other != id);
        }
        self.first.push_back(id);
    }

    /// Returns how many are in line.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the next in line.
    pub(super) fn pop(&mut self) -> Option<ApplicationId> {
        let id = self.first.pop_front().or_else(|| self.line.pop_front())?;
        self.waiting.remove(&id);
        self.applications.clear(&id);
        self.running.insert(id.clone(), false);
        Some(id)
    }

    /// Notes that an application was looked at, and when it is to be again.
    pub(super) fn done(&mut self, id: ApplicationId, after: Option<Duration>) {
        let again = self.running.remove(&id).unwrap_or(false);
        self.failures.remove(&id);
        match after {
            _ if again => self.push(id),
            Some(Duration::ZERO) => self.push(id),
            Some(wait) => self.applications.set(id, self.now + wait),
            None => {}
        }
    }

    /// Notes that looking at an application failed: it is tried again after a while that grows.
    pub(super) fn failed(&mut self, id: ApplicationId) {
        self.running.remove(&id);
        let failures = self.failures.entry(id.clone()).or_default();
        *failures += 1;
        let wait = backoff(*failures);
        self.applications.set(id, self.now + wait);
    }

    /// Lets go of an application.
    pub(super) fn drop(&mut self, id: &ApplicationId) {
        self.running.remove(id);
        self.failures.remove(id);
        self.applications.clear(id);
    }

    /// Sets when a repository is asked next.
    pub(super) fn ask_after(&mut self, repo: Str, wait: Duration) {
        self.repos.set(repo, self.now + wait);
    }

    /// Whether it is known when a repository is asked next.
    pub(super) fn is_asked(&self, repo: &Str) -> bool {
        self.repos.contains(repo)
    }

    /// Lets go of a repository.
    pub(super) fn drop_repo(&mut self, repo: &Str) {
        self.repos.clear(repo);
    }

    /// Takes the time over: puts in line what has become due, and returns the repositories that are to be asked.
    pub(super) fn advance(&mut self, now: Timestamp) -> Vec<Str> {
        if now < self.now {
            // The clock was set back: what waits waits no longer for that.
            let back = self.now.since(now);
            self.applications.set_back(back);
            self.repos.set_back(back);
        }
        self.now = now;
        for id in self.applications.due(now) {
            self.push(id);
        }
        self.repos.due(now)
    }

    /// Returns how long nothing becomes due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let first = [self.applications.first(), self.repos.first()];
        let at = first.into_iter().flatten().min()?;
        Some(at.since(self.now))
    }
}

/// Returns how long to wait after a number of failures in a row.
pub(super) fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(6)).min(LONGEST)
}

/// Names with the time at which they are due.
struct Timers<K> {
    by_time: BTreeSet<(Timestamp, K)>,
    times: BTreeMap<K, Timestamp>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            by_time: BTreeSet::new(),
            times: BTreeMap::new(),
        }
    }
}

impl<K: Clone + Ord> Timers<K> {
    fn set(&mut self, key: K, at: Timestamp) {
        self.clear(&key);
        self.by_time.insert((at, key.clone()));
        self.times.insert(key, at);
    }

    fn clear(&mut self, key: &K) {
        if let Some(at) = self.times.remove(key) {
            self.by_time.remove(&(at, key.clone()));
        }
    }

    fn contains(&self, key: &K) -> bool {
        self.times.contains_key(key)
    }

    fn first(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    fn due(&mut self, now: Timestamp) -> Vec<K> {
        let mut due = Vec::new();
        while self.first().is_some_and(|at| at <= now)
            && let Some((_, key)) = self.by_time.pop_first()
        {
            self.times.remove(&key);
            due.push(key);
        }
        due
    }

    fn set_back(&mut self, back: Duration) {
        let micros = i64::try_from(back.as_micros()).unwrap_or(i64::MAX);
        let earlier = |at: Timestamp| Timestamp::from_micros(at.as_micros().saturating_sub(micros));
        self.by_time = std::mem::take(&mut self.by_time)
            .into_iter()
            .map(|(at, key)| (earlier(at), key))
            .collect();
        for at in self.times.values_mut() {
            *at = earlier(*at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ApplicationId {
        ApplicationId::new("argocd", name)
    }

    #[test]
    fn what_changes_while_it_is_looked_at_comes_back_once() {
        let mut work = Work::new(Timestamp::from_secs(0));
        work.push(id("a"));
        work.push(id("a"));
        work.push(id("b"));
        assert_eq!(work.waiting(), 2);
        assert_eq!(work.pop(), Some(id("a")));
        work.push(id("a"));
        work.push(id("a"));
        assert_eq!(work.pop(), Some(id("b")));
        assert_eq!(work.pop(), None, "a is being looked at");
        work.done(id("a"), None);
        assert_eq!(work.pop(), Some(id("a")));
        work.done(id("a"), None);
        assert_eq!(work.pop(), None);
    }

    #[test]
    fn what_is_urgent_goes_first() {
        let mut work = Work::new(Timestamp::from_secs(0));
        for name in ["a", "b", "c"] {
            work.push(id(name));
        }
        work.push_first(id("c"));
        let order: Vec<_> = std::iter::from_fn(|| work.pop())
            .map(|id| id.name)
            .collect();
        assert_eq!(order, ["c", "a", "b"]);
    }

    #[test]
    fn a_clock_that_is_set_back_delays_nothing() {
        let mut work = Work::new(Timestamp::from_secs(1000));
        work.push(id("a"));
        work.pop();
        work.done(id("a"), Some(Duration::from_secs(10)));
        work.ask_after("repo".into(), Duration::from_secs(20));
        assert!(work.advance(Timestamp::from_secs(1001)).is_empty());
        assert!(work.advance(Timestamp::from_secs(401)).is_empty());
        assert_eq!(work.next_due(), Some(Duration::from_secs(9)));
        assert!(work.advance(Timestamp::from_secs(410)).is_empty());
        assert_eq!(work.pop(), Some(id("a")));
        assert_eq!(work.advance(Timestamp::from_secs(420)), [Str::from("repo")]);
    }

    #[test]
    fn failures_in_a_row_are_tried_again_ever_later() {
        let mut work = Work::new(Timestamp::from_secs(0));
        let mut waits = Vec::new();
        let mut now = 0;
        work.push(id("a"));
        for _ in 0..9 {
            work.pop().expect("it is in line");
            work.failed(id("a"));
            let wait = work.next_due().expect("it waits").as_secs();
            waits.push(wait);
            now += i64::try_from(wait).expect("small");
            work.advance(Timestamp::from_secs(now));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
    }
}
