//! One watch of everything, made of one per kind, each of which finds its way back on its own.

use std::collections::btree_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use gitops_core::{Scope, TargetError, WatchEvent};
use gitops_manifest::{Object, Str};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::decode::{self, Line};
use crate::discovery::{Catalog, definers};
use crate::http::{Call, Connection, Failure, JSON, explain};
use crate::list::{Listed, Unit, Units, is_expired, list};
use crate::path;
use crate::session::{Progress, Session};
use crate::target::Shared;

const PARTIAL: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
/// How many events may wait to be taken: beyond, servers are no longer read from.
const WAITING: usize = 512;
/// The longest line: the largest object that a server stores is a tenth of it.
const LONGEST_LINE: usize = 1 << 25;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause where somebody has to do something first, as to grant a right.
const LONGEST_HOPELESS_PAUSE: Duration = Duration::from_secs(120);
/// How long it is waited for further changes of the kinds before they are acted on.
const SETTLES: Duration = Duration::from_millis(50);
/// How often the version of all is told while nothing happens.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// What the watch of a unit tells, with the place of the unit.
struct Message {
    unit: usize,
    news: News,
}

enum News {
    Applied(Object),
    Deleted(Object),
    /// Nothing happened up to this version.
    Bookmark(Str),
    Listed(Listed),
    /// It cannot be followed, for this reason.
    Failing(String),
    /// It is followed again.
    Recovered,
    /// The kind is not served any more.
    Gone,
    /// Its history is gone, and it is not known what there was.
    Expired(Str),
}

/// The watch as its consumer sees it. What it has taken is what counts as handed out.
pub(crate) struct Watching {
    session: Arc<Session>,
    messages: mpsc::Receiver<Message>,
    events: VecDeque<WatchEvent>,
    supervisor: JoinHandle<()>,
    bookmarked: Instant,
    ended: bool,
    /// What is still to be told after the last event.
    error: Option<TargetError>,
}

impl Watching {
    pub(crate) fn begin(
        shared: Arc<Shared>,
        connection: Connection,
        session: Arc<Session>,
    ) -> Self {
        let (sender, messages) = mpsc::channel(WAITING);
        let supervisor = Supervisor {
            shared,
            connection,
            session: Arc::clone(&session),
            sender,
            tasks: JoinSet::new(),
            running: HashMap::new(),
        };
        Self {
            session,
            messages,
            events: VecDeque::new(),
            supervisor: tokio::spawn(supervisor.run()),
            bookmarked: Instant::now(),
            ended: false,
            error: None,
        }
    }

    fn take(&mut self, message: Message) -> Result<(), TargetError> {
        let mut state = self.session.state();
        let state = &mut *state;
        state.step += 1;
        let Some(progress) = state.units.get_mut(message.unit) else {
            return Ok(());
        };
        let events = &mut self.events;
        match message.news {
            News::Applied(object) => progress.apply(object, events),
            News::Deleted(object) => progress.delete(object, events),
            News::Bookmark(version) => progress.version = Some(version),
            News::Listed(listed) => progress.relist(listed, events),
            News::Gone => progress.end(events),
            News::Failing(reason) => progress.failing = Some(reason),
            News::Recovered => progress.failing = None,
            News::Expired(version) => return Err(TargetError::Expired { version }),
        }
        // A kind may be followed by several watches: it is listed while all of them are.
        let kind = progress.unit.group_kind();
        let wanted = progress.unit.wanted;
        let failing = state.units.iter().find_map(|progress| {
            let meant = !progress.gone && progress.unit.group_kind() == kind;
            progress.failing.clone().filter(|_| meant)
        });
        match failing {
            _ if !wanted => {}
            Some(reason) => {
                if let Entry::Vacant(place) = state.unlisted.entry(kind.clone()) {
                    place.insert(reason.clone());
                    events.push_back(WatchEvent::Unlisted(kind, reason));
                }
            }
            None => {
                if state.unlisted.remove(&kind).is_some() {
                    events.push_back(WatchEvent::Listed(kind));
                }
            }
        }
        Ok(())
    }

    /// Tells once in a while from where a watch may go on.
    fn bookmark(&mut self) {
        if self.events.is_empty() && self.bookmarked.elapsed() >= BOOKMARKS {
            self.bookmarked = Instant::now();
            self.events
                .push_back(WatchEvent::Bookmark(self.session.token()));
        }
    }
}

impl Stream for Watching {
    type Item = Result<WatchEvent, TargetError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            if self.ended {
                return Poll::Ready(self.error.take().map(Err));
            }
            // All that is there is taken at once, without regard to how much of its time a task has used up.
            let message = match self.messages.try_recv() {
                Ok(message) => Some(message),
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => match self.messages.poll_recv(context) {
                    Poll::Ready(message) => message,
                    Poll::Pending => return Poll::Pending,
                },
            };
            let taken = match message {
                Some(message) => self.take(message),
                None => Err(TargetError::Unavailable {
                    attempt: "watch".to_owned(),
                    reason: "the task that watches has ended".to_owned(),
                }),
            };
            match taken {
                Ok(()) => self.bookmark(),
                Err(error) => {
                    self.ended = true;
                    if matches!(error, TargetError::Expired { .. }) {
                        return Poll::Ready(Some(Err(error)));
                    }
                    // Another watch can go on exactly here.
                    self.error = Some(error);
                    let version = self.session.token();
                    return Poll::Ready(Some(Ok(WatchEvent::Bookmark(version))));
                }
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.supervisor.abort();
        self.session.end();
    }
}

/// Begins and ends the watches of units as kinds come and go.
struct Supervisor {
    shared: Arc<Shared>,
    connection: Connection,
    session: Arc<Session>,
    sender: mpsc::Sender<Message>,
    tasks: JoinSet<()>,
    running: HashMap<usize, AbortHandle>,
}

impl Supervisor {
    async fn run(mut self) {
        let mut changes = self.shared.discoverer.changes();
        let count = self.session.state().units.len();
        for place in 0..count {
            self.start(place);
        }
        // What changed while the snapshot was taken is seen to at once.
        let mut first = true;
        loop {
            tokio::select! {
                () = std::future::ready(()), if std::mem::take(&mut first) => {}
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    tokio::time::sleep(SETTLES).await;
                    changes.mark_unchanged();
                }
                () = tokio::time::sleep(self.connection.options.discovery_age) => {}
                Some(_) = self.tasks.join_next() => continue,
            }
            let base = &self.shared.connection;
            match self.shared.discoverer.current(base).await {
                Ok(catalog) => self.follow(&catalog).await,
                Err(error) => tracing::debug!(%error, "which kinds there are cannot be told"),
            }
        }
    }

    /// Begins the watch of a unit.
    fn start(&mut self, place: usize) {
        let (unit, version, complete, failing) = {
            let state = self.session.state();
            let progress = &state.units[place];
            if progress.gone {
                return;
            }
            (
                Arc::clone(&progress.unit),
                progress.version.clone(),
                progress.complete,
                progress.failing.is_some(),
            )
        };
        let follower = Follower {
            shared: Arc::clone(&self.shared),
            connection: self.connection.clone(),
            unit,
            place,
            sender: self.sender.clone(),
            version,
            complete,
            failing,
            failing_since: None,
            pause: FIRST_PAUSE,
        };
        let handle = self.tasks.spawn(follower.run());
        self.running.insert(place, handle);
    }

    /// Brings the watches in line with the kinds that there are now.
    async fn follow(&mut self, catalog: &Catalog) {
        let options = Arc::clone(&self.connection.options);
        let wanted = units_to_follow(catalog, &self.session.scope, &options);
        let mut begin = Vec::new();
        let mut end = Vec::new();
        {
            let mut state = self.session.state();
            let mut places: HashMap<(gitops_manifest::GroupKind, Str), usize> = HashMap::new();
            for (place, progress) in state.units.iter().enumerate() {
                let key = (progress.unit.group_kind(), progress.unit.namespace.clone());
                if !progress.gone {
                    places.insert(key, place);
                }
            }
            for unit in wanted {
                let key = (unit.group_kind(), unit.namespace.clone());
                match places.remove(&key) {
                    None => {
                        begin.push(state.units.len());
                        state.units.push(Progress::after(unit, None));
                    }
                    Some(place) if state.units[place].unit.kind != unit.kind => {
                        // Another version is preferred now, or it is called otherwise.
                        let progress = &mut state.units[place];
                        progress.unit = unit;
                        progress.version = None;
                        begin.push(place);
                    }
                    Some(_) => {}
                }
            }
            for ((kind, _), place) in places {
                // What a broken server had is not gone, it is only not known.
                if catalog.broken_group(&kind.group).is_none() {
                    end.push(place);
                }
            }
        }
        end.sort_unstable();
        for place in end {
            if let Some(handle) = self.running.remove(&place) {
                handle.abort();
            }
            let gone = Message {
                unit: place,
                news: News::Gone,
            };
            if self.sender.send(gone).await.is_err() {
                return;
            }
        }
        for place in begin {
            if let Some(handle) = self.running.remove(&place) {
                handle.abort();
            }
            self.start(place);
        }
    }
}

/// Returns what is to be watched: the units of a scope, and where kinds may come that it means, those by which that is
/// told.
pub(crate) fn units_to_follow(
    catalog: &Catalog,
    scope: &Scope,
    options: &crate::KubeOptions,
) -> Vec<Arc<Unit>> {
    let mut units = Units::of(catalog, scope, options).units;
    let awaited = |kind| catalog.discovery.preferred(kind).is_none();
    if scope.kinds.is_empty() || scope.kinds.iter().any(awaited) {
        let mut definers = Scope::all().with_kinds(definers());
        definers.kinds.retain(|kind| {
            let followed = units.iter().any(|unit| unit.group_kind() == *kind);
            !followed
        });
        if !definers.kinds.is_empty() {
            let mut full = options.clone().with_content(|_| crate::Content::Full);
            full.namespaces.clear();
            let hidden = Units::of(catalog, &definers, &full).units;
            units.extend(hidden.into_iter().map(|unit| {
                Arc::new(Unit {
                    wanted: false,
                    ..(*unit).clone()
                })
            }));
        }
    }
    units
}

/// How the watch of a unit ended.
enum End {
    /// As it does from time to time; whether anything came before.
    Closed {
        heard: bool,
    },
    /// The version is too old.
    Expired,
    Failed(Failure),
    /// Nobody listens any more.
    Unwanted,
}

/// Follows one unit for as long as somebody listens.
struct Follower {
    shared: Arc<Shared>,
    connection: Connection,
    unit: Arc<Unit>,
    place: usize,
    sender: mpsc::Sender<Message>,
    version: Option<Str>,
    complete: bool,
    /// Whether it was told that it cannot be followed.
    failing: bool,
    failing_since: Option<Instant>,
    pause: Duration,
}

impl Follower {
    async fn tell(&self, news: News) -> bool {
        let message = Message {
            unit: self.place,
            news,
        };
        self.sender.send(message).await.is_ok()
    }

    async fn run(mut self) {
        if self.failing {
            // It failed just now, when the snapshot was taken.
            self.rest(None, LONGEST_PAUSE).await;
        }
        loop {
            let Some(version) = self.version.clone() else {
                match list(&self.connection, &self.unit).await {
                    Ok(listed) => {
                        for object in &listed.objects {
                            self.shared.discoverer.note(object);
                        }
                        self.version = Some(listed.version.clone());
                        self.complete = true;
                        self.pause = FIRST_PAUSE;
                        if !self.tell(News::Listed(listed)).await || !self.recovered().await {
                            return;
                        }
                    }
                    Err(failure) => {
                        if !self.failed(failure).await {
                            return;
                        }
                    }
                }
                continue;
            };
            let begun = Instant::now();
            match self.watch(&version).await {
                End::Unwanted => return,
                End::Closed { heard } => {
                    // A server that hangs up at once is not asked again at once.
                    if !heard && begun.elapsed() < Duration::from_secs(1) {
                        self.rest(None, LONGEST_PAUSE).await;
                    }
                }
                End::Expired if self.complete => self.version = None,
                End::Expired => {
                    self.tell(News::Expired(version)).await;
                    return;
                }
                End::Failed(failure) => {
                    if !self.failed(failure).await {
                        return;
                    }
                }
            }
        }
    }

    async fn rest(&mut self, at_least: Option<Duration>, longest: Duration) {
        let pause = self.pause.max(at_least.unwrap_or(Duration::ZERO));
        self.pause = (self.pause * 2).min(longest);
        tokio::time::sleep(pause.min(longest)).await;
    }

    /// Notes that it is followed.
    async fn recovered(&mut self) -> bool {
        self.failing_since = None;
        !std::mem::take(&mut self.failing) || self.tell(News::Recovered).await
    }

    /// Notes that it cannot be followed, tells so where it is time to, and waits.
    async fn failed(&mut self, failure: Failure) -> bool {
        let status = failure.status();
        let hopeless = status.is_some_and(|status| matches!(status.code, 401 | 403 | 405 | 406));
        let asked = status.and_then(|status| {
            let seconds = status.details.as_ref()?.retry_after_seconds;
            (seconds > 0).then(|| Duration::from_secs(seconds))
        });
        if status.is_some_and(crate::status::Status::is_no_such_address) {
            self.shared.discoverer.doubt();
        }
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        let late = since.elapsed() >= self.connection.options.patience;
        tracing::debug!(kind = %self.unit.group_kind(), reason = ?failure, "cannot be followed");
        if !self.failing && (hopeless || late) {
            self.failing = true;
            if !self.tell(News::Failing(failure.reason())).await {
                return false;
            }
        }
        let longest = if hopeless {
            LONGEST_HOPELESS_PAUSE
        } else {
            LONGEST_PAUSE
        };
        self.rest(asked, longest).await;
        true
    }

    /// Watches until the connection ends.
    async fn watch(&mut self, version: &str) -> End {
        let mut path = self.unit.path();
        path::parameter(&mut path, "watch", "1");
        path::parameter(&mut path, "allowWatchBookmarks", "true");
        path::parameter(&mut path, "resourceVersion", version);
        path::parameter(
            &mut path,
            "timeoutSeconds",
            &lifetime(&self.unit).to_string(),
        );
        let attempt = format!("watch {}", self.unit.kind.plural);
        let mut call = Call::get(&path, &attempt);
        call.accept = if self.unit.shape.partial {
            PARTIAL
        } else {
            JSON
        };
        let mut body = match self.connection.open(&call).await {
            Ok(body) => body,
            Err(failure) if failure.status().is_some_and(is_too_old) => return End::Expired,
            Err(failure) => return End::Failed(failure),
        };
        if !self.recovered().await {
            return End::Unwanted;
        }
        let mut lines = Lines::default();
        let mut heard = false;
        loop {
            let silence = self.connection.options.watch_silence;
            let frame = match tokio::time::timeout(silence, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    let reason = explain(&error);
                    tracing::debug!(kind = %self.unit.group_kind(), reason, "a watch was cut off");
                    return End::Closed { heard };
                }
                Ok(None) => return End::Closed { heard },
                // The other side may be gone without a word.
                Err(_) => return End::Closed { heard: true },
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            lines.add(data);
            while let Some(line) = lines.next() {
                let line = match decode::line(&line, &self.unit.shape) {
                    Ok(line) => line,
                    Err(error) => {
                        let reason =
                            format!("an event of {} cannot be read: {error}", self.unit.path());
                        return End::Failed(Failure::Unavailable { reason });
                    }
                };
                let news = match line {
                    Line::Applied(object) => {
                        self.shared.discoverer.note(&object);
                        self.version = Some(object.resource_version().into());
                        News::Applied(object)
                    }
                    Line::Deleted(object) => {
                        self.shared.discoverer.note_gone(&object.key());
                        self.version = Some(object.resource_version().into());
                        News::Deleted(object)
                    }
                    Line::Bookmark(version) if version.is_empty() => continue,
                    Line::Bookmark(version) => {
                        self.version = Some(version.clone());
                        News::Bookmark(version)
                    }
                    Line::Error(status) if is_too_old(&status) => return End::Expired,
                    Line::Error(status) => {
                        return End::Failed(Failure::Refused {
                            status,
                            uncertain: false,
                        });
                    }
                };
                heard = true;
                self.pause = FIRST_PAUSE;
                if !self.tell(news).await {
                    return End::Unwanted;
                }
            }
            if lines.is_too_long() {
                let reason = format!(
                    "an event of {} is longer than {LONGEST_LINE} bytes",
                    self.unit.path()
                );
                return End::Failed(Failure::Unavailable { reason });
            }
        }
    }
}

/// Whether a watch cannot go on from a version: because it is too old, or of another server that is further on.
fn is_too_old(status: &crate::status::Status) -> bool {
    let ahead = || {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        let mut reasons = causes.map(|cause| cause.reason.as_str());
        reasons.any(|reason| reason == "ResourceVersionTooLarge")
    };
    is_expired(status) || ahead()
}

/// Returns how many seconds a watch is to last: not the same for all, so that they do not all begin anew at once.
fn lifetime(unit: &Unit) -> u64 {
    let mut hasher = DefaultHasher::new();
    unit.path().hash(&mut hasher);
    300 + hasher.finish() % 300
}

/// Cuts what comes in pieces into lines.
#[derive(Default)]
struct Lines {
    /// The beginning of a line whose end has not come yet.
    open: Vec<u8>,
    /// What came last, as far as it is not cut yet.
    rest: Bytes,
}

impl Lines {
    fn add(&mut self, data: Bytes) {
        debug_assert!(
            self.rest.is_empty(),
            "lines are taken out before more comes"
        );
        self.rest = data;
    }

    fn next(&mut self) -> Option<Bytes> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.rest) else {
                self.open.extend_from_slice(&self.rest);
                self.rest = Bytes::new();
                return None;
            };
            let line = self.rest.split_to(end + 1);
            let line = if self.open.is_empty() {
                line
            } else {
                let mut open = std::mem::take(&mut self.open);
                open.extend_from_slice(&line);
                open.into()
            };
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
    }

    const fn is_too_long(&self) -> bool {
        self.open.len() > LONGEST_LINE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_however_they_are_cut() {
        let text = b"one\n\ntwo\r\nthree\nrest";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in text.chunks(size) {
                lines.add(Bytes::copy_from_slice(piece));
                while let Some(line) = lines.next() {
                    found.push(String::from_utf8(line.trim_ascii().to_vec()).unwrap());
                }
            }
            assert_eq!(found, ["one", "two", "three"], "in pieces of {size}");
        }
    }
}
