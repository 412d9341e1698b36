//! Whether a sync may begin or go on: windows, time, what it depends on, and whether something newer has come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gitops_manifest::Str;

use super::operate::Stage;
use super::world::ClusterWorld;
use super::{Engine, EngineError, Next, OperationRecord, Refreshed};
use crate::application::{Application, OperationPhase, RetryStrategy, SyncStatusCode};
use crate::retry::parse_duration;
use crate::windows::{Verdict, Windows};
use crate::{ApplicationId, Timestamp};

/// The annotation of an application that says how long a sync of it may take, as `10m`; it wins over
/// [`EngineOptions::sync_timeout`](super::EngineOptions::sync_timeout).
pub const SYNC_TIMEOUT: &str = "gitops/sync-timeout";

/// The annotation of an application that names those that must be ready before it is synced without being asked: a comma
/// list of `name`, in the same namespace, or `namespace/name`.
pub const DEPENDS_ON: &str = "gitops/depends-on";

/// The condition that tells that automated sync waits for a window.
const WINDOW: &str = "SyncWindowWarning";
/// The condition that tells that automated sync waits for other applications.
const DEPENDENCY: &str = "DependencyWarning";

/// The conditions that come of a decision, not of a comparison.
pub(super) const OF_DECISION: [&str; 3] = [super::refresh::SYNC_ERROR, WINDOW, DEPENDENCY];

/// Why a sync may not begin or go on now.
pub(super) struct Closed {
    condition: &'static str,
    pub(super) message: String,
    /// When it is worth looking again.
    pub(super) wait: Duration,
}

/// Returns the applications that one depends on.
pub(super) fn dependencies(id: &ApplicationId, application: &Application) -> Vec<ApplicationId> {
    let text = application.annotation(DEPENDS_ON).unwrap_or_default();
    text.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(|name| match name.split_once('/') {
            Some((namespace, name)) => ApplicationId::new(namespace, name),
            None => ApplicationId::new(id.namespace.clone(), name),
        })
        .collect()
}

impl Engine {
    /// Tells what keeps an application from being synced without being asked.
    pub(super) fn keeps_waiting(
        &self,
        id: &ApplicationId,
        application: &Application,
    ) -> Option<Closed> {
        if let Some(message) = self.waits_for(id, application) {
            return Some(Closed {
                condition: DEPENDENCY,
                message,
                wait: self.options.poll.min(Duration::from_secs(10)),
            });
        }
        let stage = self.stage(id).ok()?;
        self.closed(&stage, false, None)
    }

    /// Tells which windows keep an application from being synced. `since` is when the sync began, for one that runs.
    pub(super) fn closed(
        &self,
        stage: &Stage,
        manual: bool,
        since: Option<Timestamp>,
    ) -> Option<Closed> {
        let now = self.clock.now();
        let windows = Windows::of(
            &stage.project.spec.sync_windows,
            stage.application.name(),
            &stage.connection.cluster,
            &stage.application.spec.destination.namespace,
        )
        .with_compat(self.options.compat, now);
        if windows.is_empty() {
            return None;
        }
        let blocked = |what: String, wait| {
            Some(Closed {
                condition: WINDOW,
                message: format!("Sync operation blocked by sync window: {what}"),
                wait,
            })
        };
        match windows.verdict(manual, now, since) {
            Ok(Verdict::Open) => None,
            Ok(Verdict::Closed { windows: numbers }) => {
                let change = windows.next_change(now).ok().flatten();
                let wait = change
                    .map_or(self.options.poll, |change| change.since(now))
                    .clamp(self.options.step.min(self.options.poll), self.options.poll);
                let until = change.map_or_else(String::new, |change| {
                    format!("; windows change at {}", change.to_second())
                });
                blocked(format!("{}{until}", windows.describe(&numbers)), wait)
            }
            Err(error) => blocked(error.to_string(), self.options.poll),
        }
    }

    /// Tells for which other applications one waits, and why.
    fn waits_for(&self, id: &ApplicationId, application: &Application) -> Option<String> {
        let wanted = dependencies(id, application);
        if wanted.is_empty() {
            return None;
        }
        let known = self.known();
        // Somebody who waits for himself waits for ever: that is said, not waited for.
        let graph: BTreeMap<&ApplicationId, Vec<ApplicationId>> = known
            .applications
            .iter()
            .map(|(id, state)| (id, dependencies(id, &state.application)))
            .collect();
        if let Some(circle) = circle(id, &graph) {
            let names: Vec<String> = circle.iter().map(ToString::to_string).collect();
            return Some(format!(
                "applications depend on each other: {}; take one out of {DEPENDS_ON}",
                names.join(" → ")
            ));
        }
        for other in &wanted {
            let Some(state) = known.applications.get(other) else {
                return Some(format!(
                    "waiting for application {other}, which does not exist"
                ));
            };
            let runs = state
                .operation
                .as_ref()
                .is_some_and(|record| !record.phase.is_completed());
            let (sync, health) = (state.status.sync.status, &state.status.health.status);
            if runs || sync != SyncStatusCode::Synced || health != "Healthy" {
                let shown = if health.is_empty() { "Unknown" } else { health };
                return Some(format!(
                    "waiting for application {other}: it is {sync} and {shown}{}",
                    if runs { ", and being synced" } else { "" }
                ));
            }
        }
        None
    }

    /// Takes the outcome of a decision over into the conditions, where it is another than before.
    pub(super) fn conclude(
        &self,
        id: &ApplicationId,
        refreshed: &Refreshed,
        said: Option<(&'static str, String)>,
    ) {
        let old = self.conditions_of(id);
        let same = old
            .iter()
            .filter(|condition| OF_DECISION.contains(&&*condition.kind))
            .map(|condition| (condition.kind.as_str(), condition.message.as_str()))
            .eq(said.iter().map(|(kind, message)| (*kind, message.as_str())));
        if same {
            return;
        }
        let mut all = refreshed.comparison.conditions.clone();
        all.extend(said);
        self.set_conditions(id, all);
    }

    /// Returns what is said where automated sync waits.
    pub(super) fn say(closed: &Closed) -> (&'static str, String) {
        (closed.condition, closed.message.clone())
    }

    /// Returns how long a sync of an application may take; zero for no limit.
    pub(super) fn timeout_of(&self, application: &Application) -> Duration {
        application
            .annotation(SYNC_TIMEOUT)
            .and_then(parse_duration)
            .unwrap_or(self.options.sync_timeout)
    }

    /// Whether a sync that runs only waits, and something newer has come that would be synced in its place. A hook that
    /// runs comes to its end first.
    pub(super) fn is_superseded(
        &self,
        application: &Application,
        record: &OperationRecord,
        refreshed: &Refreshed,
    ) -> bool {
        self.options.newer_wins
            && application.spec.automated().is_some()
            && !record.pinned
            && record.rollback_of.is_none()
            && refreshed.hold.is_none()
            && refreshed.revision_ids() != record.revisions
            && !record.state.runs_hook()
            && record
                .objects
                .as_deref()
                .is_some_and(|objects| *objects != *refreshed.desired)
    }

    /// Stops a sync in favour of a newer revision.
    pub(super) async fn supersede(
        &self,
        id: &ApplicationId,
        record: OperationRecord,
        newer: &Refreshed,
    ) -> Result<Next, EngineError> {
        let message = format!("superseded by revision {}", newer.shown_revision());
        self.cut_short(id, record, message).await
    }

    /// Ends a sync that runs: hooks that run are deleted, the rest is left as it is. It is not tried again.
    pub(super) async fn cut_short(
        &self,
        id: &ApplicationId,
        mut record: OperationRecord,
        message: String,
    ) -> Result<Next, EngineError> {
        let scene = self.scene(id).await?;
        let objects = self.objects_of(id, &record).await?;
        record.objects = Some(Arc::clone(&objects));
        let comparison = self.compare_for(id, &scene, &objects).await;
        let input = self.input(&scene, &comparison, &record.settings);
        let world = ClusterWorld {
            engine: self,
            id,
            scene: &scene,
            record: None,
        };
        record.state.terminate(&input, &world).await;
        record.phase = record.state.phase();
        record.message = if record.phase == OperationPhase::Failed {
            message
        } else {
            format!("{message}: {}", record.state.message())
        };
        record.retry_at = None;
        record.operation.retry = RetryStrategy::default();
        self.finish(id, record).await
    }
}

/// Finds a way from an application back to itself.
fn circle(
    start: &ApplicationId,
    graph: &BTreeMap<&ApplicationId, Vec<ApplicationId>>,
) -> Option<Vec<ApplicationId>> {
    let mut seen = std::collections::BTreeSet::new();
    // Each entry is an application with the way that led to it.
    let mut open = vec![vec![start.clone()]];
    while let Some(way) = open.pop() {
        let last = way.last()?;
        for next in graph.get(last).into_iter().flatten() {
            let mut way = way.clone();
            way.push(next.clone());
            if next == start {
                return Some(way);
            }
            if seen.insert(next.clone()) {
                open.push(way);
            }
        }
    }
    None
}

/// Brings a service account's groups into the form of a target.
pub(super) fn groups(groups: &[String]) -> Vec<Str> {
    groups.iter().map(|group| group.as_str().into()).collect()
}
