//! How much of a document may come from aliases, by go-yaml's rule.

/// Counts nodes, and among them those that aliases brought.
#[derive(Default)]
pub(super) struct AliasBudget {
    nodes: u64,
    from_aliases: u64,
}

/// Up to this many nodes, nearly all of them may come from aliases …
const SMALL: u64 = 400_000;
/// … and from this many on, one in ten.
const LARGE: u64 = 4_000_000;

impl AliasBudget {
    /// Counts a node that is written out.
    #[inline]
    pub(super) const fn count(&mut self) {
        self.nodes += 1;
    }

    /// Returns how many nodes there were, aliases followed.
    pub(super) const fn nodes(&self) -> u64 {
        self.nodes
    }

    /// Counts the nodes that an alias brings; `false` where they are too many.
    pub(super) fn expand(&mut self, weight: u64) -> bool {
        self.nodes = self.nodes.saturating_add(weight);
        self.from_aliases = self.from_aliases.saturating_add(weight);
        if self.from_aliases <= 100 || self.nodes <= 1000 {
            return true;
        }
        let allowed = match self.nodes {
            nodes if nodes <= SMALL => 0.99,
            nodes if nodes >= LARGE => 0.10,
            nodes => 0.99 - 0.89 * ((nodes - SMALL) as f64 / (LARGE - SMALL) as f64),
        };
        self.from_aliases as f64 / self.nodes as f64 <= allowed
    }
}
