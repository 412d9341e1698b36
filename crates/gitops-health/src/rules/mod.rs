//! The built-in rules: core kinds in code, most others as data over a few shapes.
//!
//! A kind is added as an entry of a table, a family of kinds as a file with a table and a line in [`TABLES`].

pub(crate) mod core;
#[allow(dead_code)]
mod shape;
mod typed;

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
static TABLES: &[&[Entry]] = &[core::TABLE];

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
