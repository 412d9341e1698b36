use super::path::PathElement;
use super::set::{FieldSet, Node};

/// Which fields of a set are meant: patterns of path elements, where any element can stand for a step.
///
/// A pattern takes its steps and everything below the last one. Where a step is met by two patterns, the
/// one with the wildcard is followed.
#[derive(Clone, Debug, Default)]
pub struct Pattern {
    /// Whether everything from here on is taken.
    all: bool,
    /// With the wildcard, which is `None`, first.
    steps: Vec<(Option<PathElement>, Self)>,
}

impl Pattern {
    /// Makes a pattern of steps; `None` stands for any element.
    #[must_use]
    pub fn new(steps: impl DoubleEndedIterator<Item = Option<PathElement>>) -> Self {
        let end = Self {
            all: true,
            steps: Vec::new(),
        };
        steps.rev().fold(end, |below, step| Self {
            all: false,
            steps: vec![(step, below)],
        })
    }

    /// Makes one that takes what either takes.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        if self.all || other.all {
            return Self {
                all: true,
                steps: Vec::new(),
            };
        }
        for (step, below) in other.steps {
            match self.steps.binary_search_by(|(own, _)| own.cmp(&step)) {
                Ok(i) => {
                    let own = std::mem::take(&mut self.steps[i].1);
                    self.steps[i].1 = own.or(below);
                }
                Err(i) => self.steps.insert(i, (step, below)),
            }
        }
        self
    }

    /// Returns the members of a set that the pattern takes, the parents that it goes through among them.
    #[must_use]
    pub fn filter(&self, set: &FieldSet) -> FieldSet {
        if self.all {
            return set.clone();
        }
        let mut nodes = Vec::new();
        for node in set.nodes() {
            let step = self
                .steps
                .iter()
                .find(|(step, _)| step.as_ref().is_none_or(|step| *step == node.element));
            if let Some((_, below)) = step {
                let children = below.filter(&node.children);
                if node.member || !children.is_empty() {
                    nodes.push(Node {
                        element: node.element.clone(),
                        member: node.member,
                        children,
                    });
                }
            }
        }
        FieldSet::from_nodes(nodes)
    }
}
