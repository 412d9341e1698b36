//! How the engine runs: what happens puts applications in line, and what is in line is looked at.
//!
//! A change costs what it touches. A watch tells of an object, the live state knows whom it concerns, and that
//! application alone is compared again; a repository is asked once for all applications on it; what waits for a
//! time has a timer. While nothing happens nothing is done.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{BoxFuture, Either, FutureExt, select, select_all};
use futures::stream::{self, FuturesUnordered, StreamExt};
use gitops_manifest::Str;

use super::work::{Work, backoff};
use super::{ClusterConnection, Engine, EngineError, Next};
use crate::{ApplicationId, EventKind, SourceRef};

/// How many applications are worked on at the same time.
const CONCURRENCY: usize = 32;

/// How long a step that is under way may take to come to its end when the engine stops.
const DRAIN: Duration = Duration::from_secs(20);

/// How long to wait after a question to a repository has failed, at first.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// What became of a wait for the changes of a cluster.
struct Watched {
    connection: Arc<ClusterConnection>,
    /// How often in a row the cluster could not be watched.
    failures: u32,
    /// Whether the objects had been listed before.
    was_loaded: bool,
}

/// What became of questions to a repository.
struct Asked {
    repo: Str,
    changed: Vec<SourceRef>,
    failed: bool,
    /// Who goes first of those whose source has changed.
    first: Vec<ApplicationId>,
}

/// What a loop waits for.
enum Woken {
    Stop,
    Job(ApplicationId, Result<Next, EngineError>),
    Watch(Watched),
    Asked(Asked),
    News,
}

impl Engine {
    /// Looks at every application once, each as far as it gets without waiting.
    ///
    /// # Errors
    /// Where the local cluster or the store fails; what concerns one application alone is in its conditions.
    pub async fn reconcile_all(&self) -> Result<Next, EngineError> {
        self.update().await?;
        *self.pending() = super::discover::Pending::default();
        let ids = self.applications();
        let outcomes: Vec<Result<Next, EngineError>> =
            stream::iter(ids.iter().map(|id| self.reconcile(id)))
                .buffer_unordered(CONCURRENCY)
                .collect()
                .await;
        let mut next = Next::Idle;
        for outcome in outcomes {
            match outcome {
                Ok(one) => next = next.min(one),
                Err(EngineError::NoSuchApplication { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // What was written may concern others: applications that bring applications.
        self.update().await?;
        if self.applications() != ids {
            next = Next::After(Duration::ZERO);
        }
        Ok(next)
    }

    /// Goes on until there is nothing left to do, or `limit` has passed. Returns whether it came to rest.
    ///
    /// # Errors
    /// As [`reconcile_all`](Self::reconcile_all).
    pub async fn settle(&self, limit: Duration) -> Result<bool, EngineError> {
        let begin = self.clock.now();
        loop {
            let next = self.reconcile_all().await?;
            let all_done = next == Next::Idle && !self.is_progressing();
            if all_done {
                return Ok(true);
            }
            if self.clock.now().since(begin) >= limit {
                return Ok(false);
            }
            match next {
                Next::After(duration) => self.wait(duration).await,
                Next::Idle => self.wait(self.options.step).await,
            }
        }
    }

    /// Whether any application is on its way: its health may change without anybody doing anything.
    fn is_progressing(&self) -> bool {
        self.known().applications.values().any(|state| {
            if state.application.is_left_alone() {
                return false;
            }
            let health = &state.status.health.status;
            health == "Progressing" || (health == "Missing" && !state.status.resources.is_empty())
        })
    }

    /// Waits until a duration has passed or a cluster changes.
    async fn wait(&self, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        let sleep = self.clock.sleep(duration);
        let clusters = self.clusters();
        if clusters.is_empty() {
            return sleep.await;
        }
        let changed = select_all(clusters.iter().map(|c| c.live.changed().boxed()));
        if let Either::Right(((Err(_), ..), sleep)) = select(sleep, changed).await {
            // A cluster that cannot be watched must not make a busy loop.
            sleep.await;
        }
    }

    /// Runs until `stop` is done, then lets the steps that are under way come to their end.
    ///
    /// Whatever happens puts the applications that it concerns in line: changes of live state in any cluster, of
    /// applications and projects, [news](Self::notify) of repositories and the regular question to them,
    /// [requests](Self::request_refresh), and the times that applications wait for.
    ///
    /// # Errors
    /// Where the store fails. A cluster that fails is tried again.
    pub async fn run<F: Future<Output = ()> + Send>(&self, stop: F) -> Result<(), EngineError> {
        let _answers_hold = self.resolutions.keep();
        let mut stop = pin!(stop);
        let mut work = Work::new(self.clock.now());
        let mut jobs = FuturesUnordered::new();
        let mut asking: FuturesUnordered<BoxFuture<'_, Asked>> = FuturesUnordered::new();
        let mut watches: FuturesUnordered<BoxFuture<'_, Option<Watched>>> = FuturesUnordered::new();
        let mut watched: Vec<Arc<ClusterConnection>> = Vec::new();
        self.pending().clusters = true;
        for id in self.applications() {
            self.plan_polls(&mut work, &id);
            work.push(id);
        }
        let result = loop {
            self.absorb();
            let pending = std::mem::take(&mut *self.pending());
            if pending.clusters {
                watched.retain(|c| !c.removed.load(Ordering::Acquire));
                for connection in self.clusters() {
                    if !watched.iter().any(|known| Arc::ptr_eq(known, &connection)) {
                        watched.push(Arc::clone(&connection));
                        watches.push(self.watch_cluster(connection, 0).boxed());
                    }
                }
            }
            let due = work.advance(self.clock.now());
            for id in pending.applications {
                if self.application(&id).is_some() {
                    self.plan_polls(&mut work, &id);
                    work.push(id);
                } else {
                    work.drop(&id);
                }
            }
            for repo in due {
                match self.ask_repo(&repo, Vec::new()) {
                    Some(question) => asking.push(question),
                    // Nobody is interested any more.
                    None => work.drop_repo(&repo),
                }
            }
            for news in pending.sources {
                for repo in &news.repos {
                    self.source.invalidate(repo);
                    asking.extend(self.ask_repo(repo, news.first.clone()));
                }
            }
            while jobs.len() < CONCURRENCY
                && let Some(id) = work.pop()
            {
                jobs.push(self.job(id));
            }
            self.waiting.store(work.waiting(), Ordering::Relaxed);
            let woken = {
                let wait = work.next_due();
                tokio::select! {
                    biased;
                    () = stop.as_mut() => Woken::Stop,
                    Some((id, next)) = jobs.next(), if !jobs.is_empty() => Woken::Job(id, next),
                    Some(asked) = asking.next(), if !asking.is_empty() => Woken::Asked(asked),
                    Some(one) = watches.next(), if !watches.is_empty() => {
                        one.map_or(Woken::News, Woken::Watch)
                    }
                    () = self.bell.notified() => Woken::News,
                    () = self.clock.sleep(wait.unwrap_or_default()), if wait.is_some() => Woken::News,
                }
            };
            match woken {
                Woken::Stop => break Ok(()),
                Woken::News => {}
                Woken::Job(id, outcome) => match outcome {
                    Ok(Next::After(wait)) => work.done(id, Some(wait)),
                    Ok(Next::Idle) => work.done(id, None),
                    Err(EngineError::NoSuchApplication { .. }) => work.drop(&id),
                    Err(error @ EngineError::Store { .. }) => break Err(error),
                    Err(error) => {
                        let reason = super::chain(&error);
                        tracing::warn!(application = %id, reason, "it is tried again");
                        work.failed(id);
                    }
                },
                Woken::Watch(one) => {
                    let connection = one.connection;
                    if !one.was_loaded && connection.live.is_loaded() {
                        self.touch_destination(&connection.cluster);
                    }
                    if !connection.removed.load(Ordering::Acquire) {
                        watches.push(self.watch_cluster(connection, one.failures).boxed());
                    }
                }
                Woken::Asked(asked) => self.take_answers(&mut work, asked),
            }
        };
        // A step that was begun is brought to its end; a restart would cope, but why trouble it.
        let rest = pin!(async { while jobs.next().await.is_some() {} });
        select(rest, self.clock.sleep(DRAIN)).await;
        result
    }

    /// Looks at one application, and tells that it was.
    async fn job(&self, id: ApplicationId) -> (ApplicationId, Result<Next, EngineError>) {
        let begin = self.clock.now();
        let outcome = self.reconcile(&id).await;
        if !matches!(outcome, Err(EngineError::NoSuchApplication { .. })) {
            let took = self.clock.now().since(begin);
            self.emit(&id, EventKind::Reconciled { took });
        }
        (id, outcome)
    }

    /// Waits for changes of a cluster and takes them over.
    async fn watch_cluster(
        &self,
        connection: Arc<ClusterConnection>,
        failures: u32,
    ) -> Option<Watched> {
        if failures > 0 {
            let gone = pin!(connection.gone.notified());
            select(self.clock.sleep(backoff(failures)), gone).await;
        }
        if connection.removed.load(Ordering::Acquire) {
            return None;
        }
        let was_loaded = connection.live.is_loaded();
        let outcome = {
            let changed = pin!(connection.live.changed());
            let gone = pin!(connection.gone.notified());
            match select(changed, gone).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right(_) => return None,
            }
        };
        let failures = match outcome {
            Ok(()) if connection.live.is_watched() => {
                connection.note_trouble("");
                0
            }
            // The watch has ended: that is nothing, but where it ends at once it is not begun in a loop.
            Ok(()) => failures + 1,
            Err(error) => {
                let reason = super::chain(&error);
                let server = &*connection.cluster.server;
                tracing::warn!(
                    server,
                    reason,
                    "the cluster cannot be watched; trying again"
                );
                if connection.note_trouble(&reason) && !connection.live.is_loaded() {
                    self.touch_destination(&connection.cluster);
                }
                failures + 1
            }
        };
        Some(Watched {
            connection,
            failures,
            was_loaded,
        })
    }

    /// Sees to it that the repositories of an application are asked regularly.
    fn plan_polls(&self, work: &mut Work, id: &ApplicationId) {
        let repos: BTreeSet<Str> = match self.known().applications.get(id) {
            Some(state) => state.references.iter().map(|r| r.repo.clone()).collect(),
            None => return,
        };
        for repo in repos {
            if !work.is_asked(&repo) {
                // Not all at the same time: the first question comes earlier, by what the name says.
                let spread = repo.bytes().fold(0_u32, |sum, byte| {
                    sum.wrapping_mul(31).wrapping_add(byte.into())
                });
                let part = 0.5 + f64::from(spread % 1000) / 2000.0;
                work.ask_after(repo, self.options.poll.mul_f64(part));
            }
        }
    }

    /// Begins to ask all that applications want to know of a repository; `None` where there is nothing.
    fn ask_repo<'a>(
        &'a self,
        repo: &Str,
        first: Vec<ApplicationId>,
    ) -> Option<BoxFuture<'a, Asked>> {
        let sources: Vec<SourceRef> = {
            let known = self.known();
            let begin = SourceRef {
                repo: repo.clone(),
                ..SourceRef::git("", "")
            };
            known
                .sources
                .range(begin..)
                .take_while(|(source, _)| source.repo == *repo)
                .map(|(source, _)| source.clone())
                .collect()
        };
        if sources.is_empty() {
            return None;
        }
        let repo = repo.clone();
        Some(
            async move {
                let (changed, failed) = self.ask_again(sources).await;
                Asked {
                    repo,
                    changed,
                    failed,
                    first,
                }
            }
            .boxed(),
        )
    }

    fn take_answers(&self, work: &mut Work, asked: Asked) {
        let wait = if asked.failed {
            self.options.poll.min(ASK_AGAIN)
        } else {
            self.options.poll
        };
        work.ask_after(asked.repo, wait);
        let users: BTreeSet<ApplicationId> = {
            let known = self.known();
            let users = |source| known.sources.get(source).into_iter().flatten().cloned();
            asked.changed.iter().flat_map(users).collect()
        };
        for id in asked.first.iter().filter(|id| users.contains(id)) {
            work.push_first(id.clone());
        }
        for id in users {
            work.push(id);
        }
    }
}
