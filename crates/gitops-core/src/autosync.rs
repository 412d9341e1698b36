//! Whether an application is synced without being asked. The order of the rules is that of Argo CD 3.6.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::application::{
    Application, InitiatedBy, Operation, OperationPhase, ResourceStatus, RetryStrategy,
    SyncOperation, SyncOperationResource, SyncStatusCode,
};

/// How self-heal waits between tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelfHealBackoff {
    /// The same wait every time.
    Fixed(Duration),
    /// A wait that grows.
    Exponential {
        /// The wait after the first try.
        first: Duration,
        /// By what it grows.
        factor: u32,
        /// The longest wait.
        longest: Duration,
    },
}

impl Default for SelfHealBackoff {
    fn default() -> Self {
        Self::Exponential {
            first: Duration::from_secs(2),
            factor: 3,
            longest: Duration::from_secs(300),
        }
    }
}

impl SelfHealBackoff {
    fn delay(self, attempts: i64) -> Duration {
        match self {
            Self::Fixed(delay) => delay,
            Self::Exponential { .. } if attempts <= 0 => Duration::ZERO,
            Self::Exponential {
                first,
                factor,
                longest,
            } => {
                let steps = u32::try_from(attempts - 1).unwrap_or(u32::MAX);
                first
                    .saturating_mul(factor.saturating_pow(steps))
                    .min(longest)
            }
        }
    }
}

/// What the decision rests on, besides the application.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Whether the application is in sync.
    pub status: SyncStatusCode,
    /// The revisions that were compared, one per source, as people are told of them.
    pub revisions: &'a [String],
    /// The immutable names of the same revisions, under which a status may know them as well.
    pub ids: &'a [String],
    /// Whether the last sync was of other content under the same names: a version of a chart that was published anew.
    pub republished: bool,
    /// The objects, as they were compared.
    pub resources: &'a [ResourceStatus],
    /// Whether the new revision may change this application.
    pub revision_matters: bool,
    /// The time.
    pub now: Timestamp,
    /// How self-heal waits.
    pub backoff: SelfHealBackoff,
}

/// Whether to sync.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// This is to be done.
    Sync(Box<Operation>),
    /// Look again after a while: self-heal waits.
    Wait(Duration),
    /// No.
    Skip(SkipReason),
}

/// Why an application is not synced without being asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// Automated sync is off.
    #[error("automated sync is off")]
    Disabled,
    /// An operation is waiting or running.
    #[error("an operation is in progress")]
    OperationInProgress,
    /// The application is being deleted.
    #[error("the application is being deleted")]
    Deleting,
    /// Nothing is to be done, or it could not be found out.
    #[error("the application is not out of sync")]
    NotOutOfSync,
    /// All that is left to do is to prune, and pruning is off.
    #[error("only pruning is left, and automated pruning is off")]
    OnlyPruning,
    /// The revision was tried and failed.
    #[error("{message}")]
    AlreadyFailed {
        /// What is said of it.
        message: String,
    },
    /// The revision was synced, and self-heal is off.
    #[error("the revision was synced already, and self-heal is off")]
    AlreadySynced,
    /// Everything would be pruned.
    #[error("{message}")]
    WouldPruneAll {
        /// What is said of it.
        message: String,
    },
}

impl SkipReason {
    /// Returns what users should be told as a `SyncError`, where this is an error.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::AlreadyFailed { message } | Self::WouldPruneAll { message } => Some(message),
            _ => None,
        }
    }
}

/// Decides whether an application is synced now.
#[must_use]
pub fn decide(application: &Application, situation: &Situation<'_>) -> Decision {
    let Some(automated) = application.spec.automated() else {
        return Decision::Skip(SkipReason::Disabled);
    };
    if application.operation.is_some() {
        return Decision::Skip(SkipReason::OperationInProgress);
    }
    if application.is_deleting() {
        return Decision::Skip(SkipReason::Deleting);
    }
    if situation.status != SyncStatusCode::OutOfSync {
        return Decision::Skip(SkipReason::NotOutOfSync);
    }
    if !automated.prune {
        let only_pruning = situation
            .resources
            .iter()
            .all(|r| r.status == Some(SyncStatusCode::Synced) || r.requires_pruning);
        if only_pruning {
            return Decision::Skip(SkipReason::OnlyPruning);
        }
    }
    let mut resources = Vec::new();
    let mut attempts = 0;
    let attempted = attempted(application, situation);
    if let Some(phase) = attempted {
        if phase != OperationPhase::Succeeded {
            let state = application.status.operation_state.as_ref();
            let result = state.and_then(|state| state.sync_result.as_ref());
            let tried = result.map(|result| {
                if has_several_sources(application) {
                    result.revisions.join(" ")
                } else {
                    result.revision.clone()
                }
            });
            let message = format!(
                "Failed last sync attempt to [{}]: {}",
                tried.unwrap_or_default(),
                state.map_or("", |state| &state.message)
            );
            return Decision::Skip(SkipReason::AlreadyFailed { message });
        }
        if !automated.self_heal {
            return Decision::Skip(SkipReason::AlreadySynced);
        }
        let state = application.status.operation_state.as_ref();
        let last = state.and_then(|state| state.operation.sync.as_ref());
        attempts = last.map_or(0, |sync| sync.self_heal_attempts_count);
        if let Some(wait) = self_heal_wait(application, situation, attempts) {
            return Decision::Wait(wait);
        }
        attempts += 1;
        resources = out_of_sync(situation.resources);
    }
    if automated.prune && !automated.allow_empty {
        let keeps_any = situation.resources.iter().any(|r| !r.requires_pruning);
        if !keeps_any {
            let message = format!(
                "Skipping sync attempt to [{}]: auto-sync will wipe out all resources",
                situation.revisions.join(" ")
            );
            return Decision::Skip(SkipReason::WouldPruneAll { message });
        }
    }
    let policy = application.spec.sync_policy.clone().unwrap_or_default();
    let multiple = has_several_sources(application);
    let sync = SyncOperation {
        revision: if multiple {
            String::new()
        } else {
            situation.revisions.concat()
        },
        revisions: if multiple {
            situation.revisions.to_vec()
        } else {
            Vec::new()
        },
        prune: automated.prune,
        sync_options: policy.sync_options,
        resources,
        self_heal_attempts_count: attempts,
        ..SyncOperation::default()
    };
    Decision::Sync(Box::new(Operation {
        sync: Some(sync),
        initiated_by: InitiatedBy {
            username: String::new(),
            automated: true,
        },
        retry: policy.retry.unwrap_or(RetryStrategy {
            limit: 5,
            ..RetryStrategy::default()
        }),
        ..Operation::default()
    }))
}

/// Returns the objects that self-heal syncs: those that are not Synced, and those of which nothing is said.
pub(crate) fn out_of_sync(resources: &[ResourceStatus]) -> Vec<SyncOperationResource> {
    let differs = |r: &&ResourceStatus| r.status != Some(SyncStatusCode::Synced);
    let name = |r: &ResourceStatus| SyncOperationResource {
        group: r.group.clone(),
        kind: r.kind.clone(),
        name: r.name.clone(),
        ..SyncOperationResource::default()
    };
    resources.iter().filter(differs).map(name).collect()
}

/// Whether an application has a list of sources, be there one in it or more.
fn has_several_sources(application: &Application) -> bool {
    application.spec.source_hydrator.is_none() && !application.spec.sources.is_empty()
}

/// Returns how the last sync of this revision ended, where there was one.
fn attempted(application: &Application, situation: &Situation<'_>) -> Option<OperationPhase> {
    let state = application.status.operation_state.as_ref()?;
    let Some(result) = &state.sync_result else {
        // It came to an end without having done anything: that counts as a try.
        return state.phase.is_completed().then_some(state.phase);
    };
    let multiple = has_several_sources(application);
    if situation.revision_matters {
        let tried = if multiple {
            &result.revisions[..]
        } else {
            std::slice::from_ref(&result.revision)
        };
        let is_of = |number: usize, tried: &String| {
            let named = |names: &[String]| names.get(number) == Some(tried);
            named(situation.revisions) || named(situation.ids)
        };
        let same = tried.len() == situation.revisions.len()
            && tried.iter().enumerate().all(|(i, tried)| is_of(i, tried));
        if !same || situation.republished {
            return None;
        }
    }
    let same = if multiple {
        application.spec.sources == result.sources
    } else {
        application.spec.sources().first() == result.source.as_ref()
    };
    same.then_some(state.phase)
}

/// Returns how long self-heal still waits.
fn self_heal_wait(
    application: &Application,
    situation: &Situation<'_>,
    attempts: i64,
) -> Option<Duration> {
    let delay = situation.backoff.delay(attempts);
    let left = match application.status.operation_state.as_ref()?.finished_at {
        // The clock was set back: how long ago that was cannot be told, and nobody waits for it to come round again.
        Some(finished) if finished > situation.now => return None,
        Some(finished) => delay.checked_sub(situation.now.since(finished))?,
        None => delay,
    };
    (!left.is_zero()).then_some(left)
}
