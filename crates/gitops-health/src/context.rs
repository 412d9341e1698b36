use std::time::SystemTime;

use crate::Rules;

/// Which rules tell the health of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Argo CD's rules; for kinds that it has none for, this crate's rules of core kinds, and then what
    /// conventional conditions (`Ready`, `Reconciling`, `Stalled`) say.
    #[default]
    Standard,
    /// Argo CD's rules and nothing else: an object of another kind has no health.
    ArgoCd,
    /// The rules that Argo CD's gitops-engine has in code: core kinds and Argo Workflows, nothing else.
    GitopsEngine,
    /// kstatus' rules, its results told in Argo CD's words. See [`crate::kstatus`].
    Kstatus,
}

/// What an assessment depends on besides the object.
///
/// ```
/// use gitops_health::{Context, Strategy};
/// let context = Context::new().with_strategy(Strategy::ArgoCd);
/// assert_eq!(context.strategy, Strategy::ArgoCd);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Context<'a> {
    /// Which rules tell the health.
    pub strategy: Strategy,
    /// Rules of users, asked before all others.
    pub rules: Option<&'a Rules>,
    /// The time that it is. Few rules ask for it; without it, what depends on time counts as recent.
    pub now: Option<SystemTime>,
}

impl<'a> Context<'a> {
    /// Makes a context of built-in rules alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which rules tell the health.
    #[must_use]
    pub const fn with_strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets rules of users, to be asked before all others.
    #[must_use]
    pub const fn with_rules(mut self, rules: &'a Rules) -> Self {
        self.rules = Some(rules);
        self
    }

    /// Sets the time that it is.
    #[must_use]
    pub const fn with_now(mut self, now: SystemTime) -> Self {
        self.now = Some(now);
        self
    }
}
