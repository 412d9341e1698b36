//! Showing comparisons to people and programs.

use crate::compare::{Comparison, Status};

/// Says in one line how desired and live stand to each other.
#[must_use]
pub fn summary(comparison: &Comparison) -> String {
    let key = &comparison.key;
    match comparison.status {
        Status::InSync => format!("= {key}"),
        Status::Missing => format!("+ {key}"),
        Status::Extra => format!("- {key}"),
        Status::Modified => match comparison.differences.len() {
            1 => format!("~ {key}: 1 difference"),
            count => format!("~ {key}: {count} differences"),
        },
    }
}
