//! What a sync would do, as a value that can be printed, reviewed, kept and carried out later.

use gitops_manifest::{Object, ObjectKey, Str};
use serde::{Deserialize, Serialize};

use crate::application::{ApplicationSource, Operation};
use crate::diffing::Differ;
use crate::engine::Refreshed;
use crate::sync::{HookType, SyncPhase, SyncSettings, Task};
use crate::{ApplicationId, Timestamp};

/// The form in which plans are written. A plan of another form is refused.
pub const PLAN_FORMAT: u32 = 1;

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is as desired; it is applied all the same and stays as it is.
    Keep,
    /// It is deleted, as it is gone from the source.
    Prune,
    /// It is gone from the source and stays, as pruning was not asked for or the object refuses it.
    Leave,
    /// It is a hook and runs.
    Run,
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Keep => "keep",
            Self::Prune => "prune",
            Self::Leave => "leave",
            Self::Run => "run",
        })
    }
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// To which object.
    pub key: ObjectKey,
    /// The version of its kind.
    pub version: Str,
    /// The type of the hook, for a hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookType>,
    /// What is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Object>,
    /// What was there when the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Object>,
}

/// The steps of one wave. They are carried out side by side, kinds one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// Its number.
    pub wave: i64,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// The waves of one phase, in order. Each begins when what the one before applied is healthy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub phase: SyncPhase,
    /// Its waves.
    pub waves: Vec<Wave>,
}

/// What a sync would do.
///
/// It holds the objects in clear, Secrets included: keep a plan as you keep the Secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Plan {
    /// The form of the plan: [`PLAN_FORMAT`].
    pub format: u32,
    /// The application.
    pub application: ApplicationId,
    /// The revisions, one per source.
    pub revisions: Vec<Str>,
    /// The versions of charts among them, as people are told of the revisions; empty where that is the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Str>,
    /// The sources.
    pub sources: Vec<ApplicationSource>,
    /// When the plan was made.
    pub created_at: Timestamp,
    /// What is asked for.
    pub operation: Operation,
    /// The settings of the sync.
    pub settings: SyncSettings,
    /// The phases, in order.
    pub phases: Vec<Phase>,
    /// Why the plan cannot be carried out; empty where it can.
    pub complaints: Vec<String>,
    /// All desired objects.
    pub desired: Vec<Object>,
}

impl Plan {
    #[allow(clippy::too_many_arguments, reason = "the parts of a plan")]
    pub(crate) fn new(
        application: ApplicationId,
        refreshed: &Refreshed,
        operation: Operation,
        settings: SyncSettings,
        tasks: &[Task],
        complaints: Vec<String>,
        differ: &Differ,
        now: Timestamp,
    ) -> Self {
        let mut phases: Vec<Phase> = Vec::new();
        for task in tasks {
            let step = step(task, &settings, differ);
            if phases.last().is_none_or(|phase| phase.phase != task.phase) {
                phases.push(Phase {
                    phase: task.phase,
                    waves: Vec::new(),
                });
            }
            let waves = &mut phases
                .last_mut()
                .expect("one was pushed if there was none")
                .waves;
            if waves.last().is_none_or(|wave| wave.wave != task.wave) {
                waves.push(Wave {
                    wave: task.wave,
                    steps: Vec::new(),
                });
            }
            waves
                .last_mut()
                .expect("one was pushed if there was none")
                .steps
                .push(step);
        }
        Self {
            format: PLAN_FORMAT,
            application,
            revisions: refreshed.revision_ids(),
            versions: refreshed.versions(),
            sources: refreshed.sources.clone(),
            created_at: now,
            operation,
            settings,
            phases,
            complaints,
            desired: refreshed.desired.to_vec(),
        }
    }

    /// Goes over all steps in their order.
    pub fn steps(&self) -> impl Iterator<Item = (SyncPhase, i64, &Step)> {
        self.phases.iter().flat_map(|phase| {
            phase.waves.iter().flat_map(move |wave| {
                wave.steps
                    .iter()
                    .map(move |step| (phase.phase, wave.wave, step))
            })
        })
    }

    /// Whether carrying out the plan changes anything. Hooks count.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps()
            .all(|(_, _, step)| matches!(step.action, Action::Keep | Action::Leave))
    }

    /// Counts the steps by what they do.
    #[must_use]
    pub fn counts(&self) -> std::collections::BTreeMap<Action, usize> {
        let mut counts = std::collections::BTreeMap::new();
        for (_, _, step) in self.steps() {
            *counts.entry(step.action).or_default() += 1;
        }
        counts
    }

    /// Tells how what is there now differs from what the plan was made for, one line an object. What the
    /// system writes (status, resource versions, managed fields) does not count.
    pub fn differences(&self, live: impl Fn(&ObjectKey) -> Option<Object>) -> Vec<String> {
        let mut differences = Vec::new();
        for (_, _, step) in self.steps() {
            let now = live(&step.key);
            match (&step.live, now) {
                (None, None) => {}
                (Some(_), None) => differences.push(format!("{} is gone", step.key)),
                (None, Some(_)) => {
                    differences.push(format!("{} was made by somebody else", step.key));
                }
                (Some(then), Some(now)) if then.uid() != now.uid() => {
                    differences.push(format!("{} was replaced by another of its name", step.key));
                }
                (Some(then), Some(now)) => {
                    let (then, now) = (essence(then), essence(&now));
                    if then != now {
                        let fields = crate::diffing::changed_fields(&then, &now);
                        differences.push(format!(
                            "{} has changed: {}",
                            step.key,
                            fields.join(", ")
                        ));
                    }
                }
            }
        }
        differences
    }
}

/// Takes from an object what the system writes.
fn essence(object: &Object) -> Object {
    let mut object = object.clone();
    object.as_map_mut().remove("status");
    let metadata = object.metadata_mut();
    for field in [
        "managedFields",
        "resourceVersion",
        "generation",
        "creationTimestamp",
    ] {
        metadata.remove(field);
    }
    object
}

fn step(task: &Task, settings: &SyncSettings, differ: &Differ) -> Step {
    let action = match (&task.desired, &task.live) {
        (None, Some(live)) => {
            let option = crate::sync::object_options(live)
                .find(|(name, _)| *name == "Prune")
                .map_or(&*settings.prune_option, |(_, value)| value);
            if settings.prune && option != "false" {
                Action::Prune
            } else {
                Action::Leave
            }
        }
        _ if task.is_hook() => Action::Run,
        (Some(_), None) => Action::Create,
        (Some(desired), Some(live)) if differ.differs(desired, live).unwrap_or(true) => {
            Action::Update
        }
        _ => Action::Keep,
    };
    Step {
        action,
        key: task.key(),
        version: task.object().version().into(),
        hook: task
            .hook
            .as_ref()
            .and_then(|hook| hook.types.first().copied()),
        desired: task.desired.clone(),
        live: task.live.clone(),
    }
}
