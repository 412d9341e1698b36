//! The built-in rules: core kinds in code, most others as data over a few shapes.
//!
//! A kind is added as an entry of a table, a family of kinds as a file with a table and a line in [`TABLES`].

pub(crate) mod core;
mod shape;
mod typed;

mod apps;
mod argo;
mod cluster;
mod crossplane;
mod databases;
mod elastic;
mod flux;
mod gateway;
mod kafka;
mod keptn;
mod knative;
mod kruise;
mod numa;
mod observability;
mod openshift;
mod policies;
mod promoter;
mod promotion;
mod rollout;
mod secrets;
mod solo;
mod spark;
mod storage;
mod threescale;

use std::sync::LazyLock;

use gitops_manifest::Object;

use crate::{HealthStatus, Verdict, pattern};
use shape::{Say, Step};
use typed::TypedRule;

/// A kind, or a pattern of kinds, and its rule.
pub(crate) struct Entry {
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) rule: Rule,
}

/// Makes the entry of a rule in steps, with the answer where no step knows one.
const fn steps(
    group: &'static str,
    kind: &'static str,
    steps: &'static [Step],
    health: HealthStatus,
    say: Say,
) -> Entry {
    Entry {
        group,
        kind,
        rule: Rule::Steps(steps, health, say),
    }
}

/// Makes the entry of a rule in code.
const fn code(group: &'static str, kind: &'static str, judge: fn(&Object) -> Verdict) -> Entry {
    Entry {
        group,
        kind,
        rule: Rule::Code(judge),
    }
}

/// What the tables are written with.
mod table {
    pub(super) use gitops_manifest::{Object, Str, Value};

    pub(super) use super::shape::{
        Arm, OBSERVED, READY, case, first_fit, on, on_any, other, unless, when, words,
    };
    pub(super) use super::shape::{Case, Path, Say, Step, Test};
    pub(super) use super::{Entry, code, steps};
    pub(super) use crate::view::{self, Condition};
    pub(super) use crate::{HealthStatus, Verdict};
    pub(super) use HealthStatus::{
        Degraded, Healthy, Missing, Progressing, Suspended, Unknown, Unset,
    };
    pub(super) use Say::{
        Before, Field, FieldOr, Kind, Message, MessageOr, MessageOrReason, Reason,
        ReasonAndMessage, Text,
    };
    pub(super) use Step::{Ask, AskOf, Conditions, ConditionsAt, If, Lookup};
    pub(super) use Test::{
        Absent, Empty, Equals, Holds, IsFalse, IsTrue, NotObserved, Outdated, Stale,
    };

    /// Says nothing.
    pub(super) const NOTHING: Say = Say::NOTHING;
}

/// How a verdict on an object of a kind is found.
pub(crate) enum Rule {
    /// As Argo CD does in its own code, fields decoded into types.
    Typed(TypedRule),
    /// By steps, of which the first that knows answers, and an answer where none does.
    Steps(&'static [Step], HealthStatus, Say),
    /// By code of its own.
    Code(fn(&Object) -> Verdict),
}

impl Rule {
    fn judge(&self, object: &Object) -> Verdict {
        match self {
            Self::Typed(rule) => rule.judge(object),
            Self::Steps(steps, status, say) => {
                shape::walk(steps, object).unwrap_or_else(|| say.verdict(*status, object, None))
            }
            Self::Code(judge) => judge(object),
        }
    }
}

/// Every table of rules that Argo CD has.
static TABLES: &[&[Entry]] = &[
    core::TABLE,
    apps::TABLE,
    argo::TABLE,
    cluster::TABLE,
    crossplane::TABLE,
    databases::TABLE,
    elastic::TABLE,
    flux::TABLE,
    gateway::TABLE,
    kafka::TABLE,
    keptn::TABLE,
    knative::TABLE,
    kruise::TABLE,
    numa::TABLE,
    observability::TABLE,
    openshift::TABLE,
    policies::TABLE,
    promoter::TABLE,
    secrets::TABLE,
    solo::TABLE,
    storage::TABLE,
    threescale::TABLE,
];

/// The tables of rules, found by group and kind.
struct Index {
    exact: Vec<&'static Entry>,
    /// Sorted by the text of the pattern: the first that fits counts.
    patterns: Vec<&'static Entry>,
}

impl Index {
    fn new(tables: &[&'static [Entry]]) -> Self {
        let (mut patterns, mut exact): (Vec<_>, Vec<_>) = tables
            .iter()
            .flat_map(|table| table.iter())
            .partition(|entry| entry.group.contains('*') || entry.kind.contains('*'));
        exact.sort_by_key(|entry| (entry.kind, entry.group));
        patterns.sort_by_key(|entry| (entry.group, entry.kind));
        Self { exact, patterns }
    }

    fn find(&self, group: &str, kind: &str) -> Option<&'static Entry> {
        match self
            .exact
            .binary_search_by(|entry| entry.kind.cmp(kind).then_with(|| entry.group.cmp(group)))
        {
            Ok(i) => Some(self.exact[i]),
            Err(_) => self.patterns.iter().copied().find(|entry| {
                pattern::within_segment(entry.group, group)
                    && pattern::within_segment(entry.kind, kind)
            }),
        }
    }
}

/// Asks the rules that Argo CD has; `None` where it has none for the kind.
pub(crate) fn argo_cd(object: &Object) -> Option<Verdict> {
    static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(TABLES));
    let entry = INDEX.find(object.group(), object.kind())?;
    Some(entry.rule.judge(object))
}

/// Asks the rules that gitops-engine has in code, without those that Argo CD ships as scripts.
pub(crate) fn gitops_engine(object: &Object) -> Option<Verdict> {
    let (group, kind) = (object.group(), object.kind());
    self::core::TABLE
        .iter()
        .find(|entry| entry.kind == kind && entry.group == group)
        .map(|entry| entry.rule.judge(object))
}

/// Asks the rules for core kinds that Argo CD has none for.
pub(crate) fn further(object: &Object) -> Option<Verdict> {
    let (group, kind) = (object.group(), object.kind());
    self::core::FURTHER
        .iter()
        .find(|entry| entry.kind == kind && entry.group == group)
        .map(|entry| entry.rule.judge(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_has_two_rules() {
        let mut kinds: Vec<_> = TABLES
            .iter()
            .chain(&[self::core::FURTHER])
            .flat_map(|table| table.iter())
            .map(|entry| (entry.group, entry.kind))
            .collect();
        kinds.sort_unstable();
        let twice: Vec<_> = kinds.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
