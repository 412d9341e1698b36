//! What is said about a text that a user wrote: where, what, and what to do.

use crate::yaml::Position;

/// Shows a line of a text with a mark under a place.
pub(crate) fn excerpt(position: Position, source_line: &str) -> String {
    let number = position.line.to_string();
    let margin = " ".repeat(number.len());
    let before: String = source_line
        .chars()
        .take(position.column - 1)
        .map(|char| if char == '\t' { '\t' } else { ' ' })
        .collect();
    format!("{margin} |\n{number} | {source_line}\n{margin} | {before}^")
}
