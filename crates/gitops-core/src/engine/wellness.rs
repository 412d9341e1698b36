//! Health over time and its causes: what makes no progress, what flaps, and which object is at the root of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gitops_health::{Family, Timeline, TimelineOptions, assess};
use gitops_manifest::ObjectKey;

use super::{Engine, Next, Refreshed};
use crate::application::Application;
use crate::comparison::{Compared, is_good, summarize};
use crate::retry::parse_duration;
use crate::{ApplicationId, Timestamp};

/// The annotation of an application that says how long an object of it may be progressing before it counts as degraded, as
/// `10m`; it wins over [`EngineOptions::health`](super::EngineOptions::health).
pub const PROGRESS_DEADLINE: &str = "gitops/progress-deadline";

/// The condition that tells that an object goes from well to ill and back again and again.
const FLAPPING: &str = "HealthFlappingWarning";

/// The past of an application's objects.
pub(super) type Timelines = BTreeMap<ObjectKey, Timeline>;

impl Engine {
    /// Puts what is known of the past into the health of an application that was compared, and the causes. `anew` says that
    /// the comparison was judged before.
    pub(super) fn judge(
        &self,
        id: &ApplicationId,
        application: &Application,
        refreshed: Arc<Refreshed>,
        anew: bool,
    ) -> Arc<Refreshed> {
        let now = self.clock.now();
        let (options, complaint) = options(&self.options.health, application);
        let mut refreshed = Arc::unwrap_or_clone(refreshed);
        let comparison = Arc::make_mut(&mut refreshed.comparison);
        if anew {
            comparison.conditions.retain(|(kind, _)| *kind != FLAPPING);
        } else if let Some(complaint) = complaint {
            comparison
                .conditions
                .push(("InvalidAnnotationWarning", complaint));
        }
        if anew {
            // Rules of users take their time: nothing is locked meanwhile.
            for resource in &mut comparison.resources {
                let live = resource.live.as_ref();
                resource.health = live.and_then(|live| assess(live, &self.health()));
            }
        }
        let mut until = None;
        {
            let mut known = self.known();
            let Some(state) = known.applications.get_mut(id) else {
                return Arc::new(refreshed);
            };
            let mut past = std::mem::take(&mut state.timelines);
            for resource in &mut comparison.resources {
                let Some(health) = resource.health.take_if(|_| !resource.without_health) else {
                    continue;
                };
                let mut timeline = match past.remove(&resource.key) {
                    Some(timeline) => timeline.with_options(&options),
                    None => Timeline::new(options.clone()),
                };
                let at = system_time(now);
                resource.health = Some(timeline.observe(health, at));
                if timeline.is_flapping(at) {
                    comparison.conditions.push((
                        FLAPPING,
                        format!(
                            "{} went from well to ill and back at least {} times within {}s",
                            resource.key,
                            options.flap_changes,
                            options.flap_window.as_secs()
                        ),
                    ));
                }
                let change = timeline.next_change(at).map(timestamp);
                until = until.into_iter().chain(change).min();
                state.timelines.insert(resource.key.clone(), timeline);
            }
        }
        self.explain(application, &mut comparison.resources);
        let own = super::operate::own_key(id);
        comparison.health = match comparison.unknown_health() {
            Some(unknown) => unknown,
            None => summarize(&comparison.resources, Some(&own), self.options.compat),
        };
        refreshed.until = until;
        Arc::new(refreshed)
    }

    /// Finds the causes among what the objects own, the pod under the replica set under the deployment.
    fn explain(&self, application: &Application, resources: &mut [Compared]) {
        let Ok(connection) = self.connection(&application.spec.destination) else {
            return;
        };
        for resource in resources {
            let (Some(live), Some(health)) = (&resource.live, &mut resource.health) else {
                continue;
            };
            if is_good(health.status) {
                continue;
            }
            let family = connection.live.state().family(live);
            Family::new(&family).explain(live, health, &self.health());
        }
    }
}

impl Refreshed {
    /// Returns when the health of the application changes though nothing is heard of its objects.
    pub(super) fn next_change(&self, now: Timestamp) -> Next {
        self.until.map_or(Next::Idle, |until| {
            // Never at once: what is due was judged just now.
            Next::After(until.since(now).max(Duration::from_millis(1)))
        })
    }
}

/// Returns how an application's objects are judged over time, and what is wrong with its annotation.
fn options(
    engine: &TimelineOptions,
    application: &Application,
) -> (TimelineOptions, Option<String>) {
    let mut options = engine.clone();
    let Some(text) = application.annotation(PROGRESS_DEADLINE) else {
        return (options, None);
    };
    match parse_duration(text) {
        Some(deadline) => {
            options.progress_deadline = Some(deadline).filter(|deadline| !deadline.is_zero());
            (options, None)
        }
        None => {
            let complaint =
                format!("annotation {PROGRESS_DEADLINE}: {text:?} is no duration, such as 10m");
            (options, Some(complaint))
        }
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(0))
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
