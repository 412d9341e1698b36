//! Faults: what goes wrong between a program and its cluster, by chance or by script.

use std::time::Duration;

use gitops_core::TargetError;
use gitops_manifest::{GroupKind, ObjectKey};

use crate::random::Random;

/// What a [`MemoryTarget`](crate::MemoryTarget) is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Target::discover`](gitops_core::Target::discover).
    Discover,
    /// [`Target::snapshot`](gitops_core::Target::snapshot).
    Snapshot,
    /// [`Target::watch`](gitops_core::Target::watch).
    Watch,
    /// [`Target::get`](gitops_core::Target::get).
    Get,
    /// [`Target::apply`](gitops_core::Target::apply).
    Apply,
    /// [`Target::apply`](gitops_core::Target::apply) that only asks what would come out.
    DryRun,
    /// [`Target::delete`](gitops_core::Target::delete).
    Delete,
}

impl Operation {
    const fn writes(self) -> bool {
        matches!(self, Self::Apply | Self::Delete)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Snapshot => "list",
            Self::Watch => "watch",
            Self::Get => "get",
            Self::Apply => "apply",
            Self::DryRun => "dry-run",
            Self::Delete => "delete",
        }
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FaultKind {
    /// The request does not arrive: [`TargetError::Unavailable`], and nothing was done.
    Unavailable,
    /// The request is carried out, but its answer is lost: [`TargetError::Unavailable`], and it was done.
    LostAnswer,
    /// Somebody else was quicker: [`TargetError::Changed`], and nothing was done.
    Changed,
    /// The request is refused with this error.
    Refused(TargetError),
    /// The kind that the fault is [on](Fault::on_kind) cannot be listed: a snapshot names it as
    /// [unlisted](gitops_core::Snapshot::unlisted) and has none of its objects.
    Unlisted,
    /// The request takes this long.
    Delay(Duration),
    /// The request is never answered and never carried out. Together with
    /// [`MemoryTarget::hung`](crate::MemoryTarget::hung) this stops a program between any two requests.
    Hang,
}

/// A fault that is to happen at a certain request.
///
/// ```
/// use gitops_memory::{Fault, FaultKind, Operation};
/// let third_apply = Fault::new(Operation::Apply, FaultKind::Unavailable).after(2);
/// let no_deployments = Fault::new(Operation::Apply, FaultKind::Changed).on_kind("apps", "Deployment").forever();
/// # let _ = (third_apply, no_deployments);
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    operation: Option<Operation>,
    kind: FaultKind,
    group_kind: Option<GroupKind>,
    key: Option<ObjectKey>,
    after: u64,
    times: Option<u64>,
}

impl Fault {
    /// Lets the next request of a kind go wrong, once.
    #[must_use]
    pub const fn new(operation: Operation, kind: FaultKind) -> Self {
        Self {
            operation: Some(operation),
            kind,
            group_kind: None,
            key: None,
            after: 0,
            times: Some(1),
        }
    }

    /// Lets the next write go wrong, apply or delete, once.
    #[must_use]
    pub fn on_write(kind: FaultKind) -> Self {
        Self {
            operation: None,
            ..Self::new(Operation::Apply, kind)
        }
    }

    /// Only counts requests for objects of a kind.
    #[must_use]
    pub fn on_kind(mut self, group: &str, kind: &str) -> Self {
        self.group_kind = Some(GroupKind::new(group, kind));
        self
    }

    /// Only counts requests for one object.
    #[must_use]
    pub fn on(mut self, key: ObjectKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Lets this many requests pass first.
    #[must_use]
    pub const fn after(mut self, requests: u64) -> Self {
        self.after = requests;
        self
    }

    /// Happens this many times.
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Happens every time from then on.
    #[must_use]
    pub const fn forever(mut self) -> Self {
        self.times = None;
        self
    }

    fn concerns(&self, operation: Operation, key: Option<&ObjectKey>) -> bool {
        let fits = self
            .operation
            .map_or(operation.writes(), |wanted| wanted == operation);
        if matches!(self.kind, FaultKind::Unlisted) {
            return fits;
        }
        fits && self
            .group_kind
            .as_ref()
            .is_none_or(|kind| key.is_some_and(|key| key.group_kind() == *kind))
            && self.key.as_ref().is_none_or(|wanted| key == Some(wanted))
    }
}

/// How often something goes wrong by chance. All is well by default.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Faults {
    /// The probability that a request does not arrive.
    pub unavailable: f64,
    /// The probability that a write is done and its answer lost.
    pub lost_answers: f64,
    /// The probability that a write fails because somebody else was quicker.
    pub changed: f64,
    /// The probability that a watch breaks at a delivery.
    pub lost_watches: f64,
    /// The probability that a watch begins too late and has expired.
    pub expired_watches: f64,
    /// How long a request takes at most; any time up to it is as likely.
    pub latency: Duration,
}

impl Faults {
    /// Lets all be well.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Lets everything that can go wrong do so with one probability.
    #[must_use]
    pub fn all(probability: f64) -> Self {
        Self {
            unavailable: probability,
            lost_answers: probability,
            changed: probability,
            lost_watches: probability,
            expired_watches: probability,
            latency: Duration::from_millis(200),
        }
    }

    /// Sets how long a request takes at most.
    #[must_use]
    pub const fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }
}

/// Decides what goes wrong with each request.
#[derive(Clone, Debug)]
pub(crate) struct Injector {
    random: Random,
    pub(crate) chances: Faults,
    script: Vec<Fault>,
}

/// What is decided about one request.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    pub(crate) delay: Duration,
    /// Fails before anything is done.
    pub(crate) refused: Option<TargetError>,
    /// Fails after all is done.
    pub(crate) lost: Option<TargetError>,
    pub(crate) hangs: bool,
    /// The kinds that a snapshot cannot list.
    pub(crate) unlisted: Vec<GroupKind>,
}

impl Injector {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            // Another stream than that of UIDs: what is made is the same with and without faults.
            random: Random::new(seed ^ 0x6661_756c_7473),
            chances: Faults::none(),
            script: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.script.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.script.clear();
        self.chances = Faults::none();
    }

    pub(crate) fn decide(&mut self, operation: Operation, key: Option<&ObjectKey>) -> Decision {
        let mut decision = Decision::default();
        let limit = u64::try_from(self.chances.latency.as_micros()).unwrap_or(u64::MAX);
        if limit > 0 {
            decision.delay = Duration::from_micros(self.random.below(limit) + 1);
        }
        let mut kinds = Vec::new();
        self.script.retain_mut(|fault| {
            if !fault.concerns(operation, key) {
                return true;
            }
            if fault.after > 0 {
                fault.after -= 1;
                return true;
            }
            if let (FaultKind::Unlisted, Some(kind)) = (&fault.kind, &fault.group_kind) {
                decision.unlisted.push(kind.clone());
            }
            kinds.push(fault.kind.clone());
            match &mut fault.times {
                Some(times) => {
                    *times = times.saturating_sub(1);
                    *times > 0
                }
                None => true,
            }
        });
        let chances = &self.chances;
        if self.random.hits(chances.unavailable) {
            kinds.push(FaultKind::Unavailable);
        }
        if operation.writes() {
            if self.random.hits(chances.changed) {
                kinds.push(FaultKind::Changed);
            }
            if self.random.hits(chances.lost_answers) {
                kinds.push(FaultKind::LostAnswer);
            }
        }
        for kind in kinds {
            decision.take(kind, operation, key);
        }
        decision
    }

    /// Decides whether a watch breaks now.
    pub(crate) fn loses_watch(&mut self) -> bool {
        self.random.hits(self.chances.lost_watches)
    }

    /// Decides whether a watch has expired where it begins.
    pub(crate) fn expires_watch(&mut self) -> bool {
        self.random.hits(self.chances.expired_watches)
    }
}

impl Random {
    /// Draws only where something is possible, so that a stream without faults stays untouched.
    fn hits(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.chance(probability)
    }
}

impl Decision {
    fn take(&mut self, kind: FaultKind, operation: Operation, key: Option<&ObjectKey>) {
        let attempt = match key {
            Some(key) => format!("{} {key}", operation.name()),
            None => operation.name().to_owned(),
        };
        let unavailable = |reason: &str| TargetError::Unavailable {
            attempt: attempt.clone(),
            reason: reason.to_owned(),
        };
        match kind {
            FaultKind::Unavailable => {
                let refused = || unavailable("the connection was refused");
                self.refused.get_or_insert_with(refused);
            }
            FaultKind::LostAnswer => {
                let lost = || unavailable("the connection was closed before the answer");
                self.lost.get_or_insert_with(lost);
            }
            FaultKind::Changed => {
                self.refused.get_or_insert_with(|| TargetError::Changed {
                    key: key.cloned().unwrap_or_default(),
                    reason: "another write came first".to_owned(),
                });
            }
            FaultKind::Refused(error) => {
                self.refused.get_or_insert(error);
            }
            FaultKind::Delay(by) => self.delay += by,
            FaultKind::Unlisted => {}
            FaultKind::Hang => self.hangs = true,
        }
    }
}
