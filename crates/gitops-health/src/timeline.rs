use std::time::{Duration, SystemTime};

use crate::{Assessment, Cause, HealthStatus};

/// What makes a time later than another one.
const INSTANT: Duration = Duration::from_micros(1);

/// How a [`Timeline`] judges over time.
///
/// ```
/// use std::time::Duration;
/// use gitops_health::TimelineOptions;
/// let mut options = TimelineOptions::default();
/// options.progress_deadline = Some(Duration::from_secs(600));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimelineOptions {
    /// How long a new status must last before it counts, for better or worse: what is shorter is a flicker.
    pub hysteresis: Duration,
    /// How long an object may be progressing before it counts as degraded; without end where it is `None`.
    pub progress_deadline: Option<Duration>,
    /// Within which time changes are counted to tell whether the object flaps.
    pub flap_window: Duration,
    /// How many changes between well and ill within that time make the object a flapping one.
    pub flap_changes: usize,
}

impl Default for TimelineOptions {
    fn default() -> Self {
        Self {
            hysteresis: Duration::from_secs(5),
            progress_deadline: None,
            flap_window: Duration::from_secs(600),
            flap_changes: 4,
        }
    }
}

/// The health of one object over time: tells a flapping object from a failing one, and one that makes no
/// progress from one that does.
///
/// Time is passed in. An assessment that is observed at a time before the last one counts as of the last one's.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use gitops_health::{Assessment, HealthStatus, Timeline, TimelineOptions};
///
/// let mut options = TimelineOptions::default();
/// options.progress_deadline = Some(Duration::from_secs(60));
/// let mut timeline = Timeline::new(options);
/// let start = SystemTime::UNIX_EPOCH;
/// let progressing = Assessment::new(HealthStatus::Progressing, "0 of 1 available");
/// assert_eq!(timeline.observe(progressing.clone(), start).status, HealthStatus::Progressing);
///
/// let later = timeline.observe(progressing, start + Duration::from_secs(61));
/// assert_eq!(later.status, HealthStatus::Degraded);
/// assert_eq!(later.message, "no progress for 1m1s: 0 of 1 available");
/// assert_eq!(later.since, Some(start));
/// ```
#[derive(Clone, Debug)]
pub struct Timeline {
    options: TimelineOptions,
    /// What counts at the moment, and since when.
    settled: Option<(Assessment, SystemTime)>,
    /// A status that has not lasted long enough yet, and since when it is there.
    pending: Option<(HealthStatus, SystemTime)>,
    /// When the object last began to progress; kept while it is progressing.
    progressing_since: Option<SystemTime>,
    /// What was last observed, for counting changes, and when.
    last: Option<(HealthStatus, SystemTime)>,
    /// When the observed status changed between well and ill, oldest first, within the window; no more than count.
    changes: Vec<SystemTime>,
}

impl Timeline {
    /// Makes a timeline without a past.
    #[must_use]
    pub const fn new(options: TimelineOptions) -> Self {
        Self {
            options,
            settled: None,
            pending: None,
            progressing_since: None,
            last: None,
            changes: Vec::new(),
        }
    }

    /// Takes an assessment in, and returns what counts: the assessment itself, the one before while the new one
    /// may be a flicker, or that the object makes no progress. `since` tells since when that counts.
    pub fn observe(&mut self, assessment: Assessment, now: SystemTime) -> Assessment {
        let now = self.last.map_or(now, |(_, last)| now.max(last));
        self.count(assessment.status, now);
        self.settle(assessment, now);
        self.current(now)
            .unwrap_or_else(|| Assessment::new(HealthStatus::Unknown, "nothing has been observed"))
    }

    /// Returns what counts at a time, without a new assessment; `None` where there never was one.
    #[must_use]
    pub fn current(&self, now: SystemTime) -> Option<Assessment> {
        let (settled, since) = self.settled.as_ref()?;
        let mut current = settled.clone();
        current.since = Some(*since);
        let overdue = self
            .options
            .progress_deadline
            .filter(|_| current.status == HealthStatus::Progressing);
        if let Some(deadline) = overdue
            && let Some(since) = self.progressing_since
            && let Ok(taken) = now.duration_since(since)
            && taken > deadline
        {
            current.status = HealthStatus::Degraded;
            let lead = format!("no progress for {}", words(taken));
            current.message = if settled.message.is_empty() {
                lead.into()
            } else {
                format!("{lead}: {}", settled.message).into()
            };
            current.since = Some(since);
        }
        Some(current)
    }

    /// Judges by other options from now on; what was observed stays.
    #[must_use]
    pub fn with_options(mut self, options: &TimelineOptions) -> Self {
        if self.options != *options {
            self.options.clone_from(options);
        }
        self
    }

    /// Returns when the answer changes at the latest though nothing new is observed: a status has lasted, the deadline is
    /// over, or an object flaps no more. The same assessment is to be observed again then.
    #[must_use]
    pub fn next_change(&self, now: SystemTime) -> Option<SystemTime> {
        let lasted = self
            .pending
            .map(|(_, since)| since + self.options.hysteresis);
        let settled = self.settled.as_ref().map(|(settled, _)| settled.status);
        let overdue = (self.options.progress_deadline.zip(self.progressing_since))
            .filter(|_| settled == Some(HealthStatus::Progressing))
            .map(|(deadline, since)| since + deadline + INSTANT);
        let calm = self.is_flapping(now).then(|| {
            let oldest = self.changes[self.changes.len() - self.options.flap_changes.max(1)];
            // It is within the window to the end.
            oldest + self.options.flap_window + INSTANT
        });
        let all = [lasted, overdue, calm].into_iter().flatten();
        all.filter(|at| *at > now).min()
    }

    /// Whether the object changes between well and ill again and again, within the window before `now`.
    #[must_use]
    pub fn is_flapping(&self, now: SystemTime) -> bool {
        let within = self.changes.iter().filter(|change| {
            now.duration_since(**change)
                .is_ok_and(|age| age <= self.options.flap_window)
        });
        within.count() >= self.options.flap_changes.max(1)
    }

    /// Returns the cause of what counts at the moment.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.settled.as_ref()?.0.cause.as_deref()
    }

    fn count(&mut self, status: HealthStatus, now: SystemTime) {
        if let Some((last, _)) = self.last
            && is_ill(last) != is_ill(status)
        {
            self.changes.push(now);
            let window = self.options.flap_window;
            self.changes
                .retain(|change| now.duration_since(*change).is_ok_and(|age| age <= window));
            let more = self
                .changes
                .len()
                .saturating_sub(self.options.flap_changes.max(1));
            self.changes.drain(..more);
        }
        self.last = Some((status, now));
    }

    fn settle(&mut self, assessment: Assessment, now: SystemTime) {
        let status = assessment.status;
        let Some((settled, _)) = &self.settled else {
            return self.accept(assessment, now);
        };
        if settled.status == status {
            // The words may change while the status lasts.
            self.pending = None;
            if let Some((settled, _)) = &mut self.settled {
                *settled = assessment;
            }
            return;
        }
        let since = match self.pending {
            Some((pending, since)) if pending == status => since,
            _ => now,
        };
        if now.duration_since(since).unwrap_or_default() >= self.options.hysteresis {
            self.accept(assessment, since);
        } else {
            self.pending = Some((status, since));
        }
    }

    fn accept(&mut self, assessment: Assessment, since: SystemTime) {
        self.pending = None;
        self.progressing_since = (assessment.status == HealthStatus::Progressing)
            .then(|| self.progressing_since.unwrap_or(since));
        self.settled = Some((assessment, since));
    }
}

const fn is_ill(status: HealthStatus) -> bool {
    matches!(
        status,
        HealthStatus::Missing | HealthStatus::Degraded | HealthStatus::Unknown
    )
}

/// Writes a duration as Go does, to the second: `1h2m3s`.
fn words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}
