//! The namespaces in which applications may be.

use crate::application::AppProject;
use crate::glob::{Syntax, matches};

/// How many steps a pattern may take on one name.
const BACKTRACK_LIMIT: usize = 100_000;

/// Whether a list of patterns names a namespace: each is a glob, or between slashes a regular expression.
#[must_use]
pub fn lists_namespace(patterns: &[impl AsRef<str>], namespace: &str) -> bool {
    patterns.iter().any(|pattern| {
        let pattern = pattern.as_ref();
        let expression = pattern
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'));
        expression.is_some_and(|expression| finds(expression, namespace))
            || matches(pattern, namespace, Syntax::Any)
    })
}

/// Whether an expression is found in a name. Look-ahead is part of the syntax here: it is how people write that a name
/// must not occur.
fn finds(expression: &str, name: &str) -> bool {
    fancy_regex::RegexBuilder::new(expression)
        .backtrack_limit(BACKTRACK_LIMIT)
        .build()
        .and_then(|regex| regex.is_match(name))
        .unwrap_or(false)
}

impl AppProject {
    /// Whether an application of the project may be in a namespace. Those in the `control` namespace always may.
    #[must_use]
    pub fn permits_application_in(&self, namespace: &str, control: &str) -> bool {
        namespace.is_empty()
            || namespace == control
            || lists_namespace(&self.spec.source_namespaces, namespace)
    }
}
