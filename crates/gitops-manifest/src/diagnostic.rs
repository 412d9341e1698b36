//! What is said about a text that a user wrote: where, what, and what to do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Str;
use crate::yaml::{self, Position};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// It works, and is probably not what was meant.
    Warning,
    /// It does not work.
    Error,
}

/// Shows as `error`, `warning`, `note`.
impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Something to say about a file that a user wrote. Mistakes in manifests are diagnostics, not errors: one bad
/// document does not keep the others from being read.
///
/// ```
/// use gitops_manifest::{Diagnostic, yaml};
///
/// let text = "kind: Service\nmetadata: {name: web\n";
/// let error = yaml::parse(text, &yaml::ParseOptions::default()).unwrap_err();
/// let diagnostic = Diagnostic::from_yaml("base/web.yaml", &error).with_hint("close the brace");
/// assert_eq!(
///     diagnostic.to_string(),
///     "error: did not find expected ',' or '}'
///  --> base/web.yaml:3:1
///   |
/// 3 |\x20
///   | ^
///   = help: close the brace"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file, as a path from the root of its tree; empty where there is none.
    pub file: Str,
    /// The place in the file, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line of the file that the place is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_line: Option<String>,
}

impl Diagnostic {
    /// Makes one about a file as a whole.
    #[must_use]
    pub fn new(severity: Severity, file: impl Into<Str>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            position: None,
            severity,
            message: message.into(),
            hint: None,
            source_line: None,
        }
    }

    /// Makes an error about a file as a whole.
    #[must_use]
    pub fn error(file: impl Into<Str>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, file, message)
    }

    /// Makes a warning about a file as a whole.
    #[must_use]
    pub fn warning(file: impl Into<Str>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, file, message)
    }

    /// Makes one of an error of the YAML reader.
    #[must_use]
    pub fn from_yaml(file: impl Into<Str>, error: &yaml::Error) -> Self {
        Self {
            position: Some(error.position()),
            source_line: Some(error.source_line().to_owned()),
            ..Self::error(file, error.message())
        }
    }

    /// Sets the place, and keeps the line of `text` that it is on.
    #[must_use]
    pub fn at(mut self, text: &str, position: Position) -> Self {
        self.position = Some(position);
        self.source_line = text
            .lines()
            .nth(position.line.saturating_sub(1))
            .map(|line| line.chars().take(200).collect());
        self
    }

    /// Sets what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether it is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Shows the diagnostic as compilers do: what, where, the line with a mark, and what to do.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)?;
        let margin = self
            .position
            .map_or(1, |position| position.line.to_string().len());
        if !self.file.is_empty() || self.position.is_some() {
            write!(f, "\n{:margin$}--> {}", "", self.file)?;
            if let Some(position) = self.position {
                let colon = if self.file.is_empty() { "" } else { ":" };
                write!(f, "{colon}{position}")?;
            }
        }
        if let (Some(position), Some(line)) = (self.position, &self.source_line) {
            write!(f, "\n{}", excerpt(position, line))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{:margin$} = help: {hint}", "")?;
        }
        Ok(())
    }
}

/// Shows a line of a text with a mark under a place.
pub(crate) fn excerpt(position: Position, source_line: &str) -> String {
    let number = position.line.to_string();
    let margin = " ".repeat(number.len());
    let before: String = source_line
        .chars()
        .chain(std::iter::repeat(' '))
        .take(position.column.saturating_sub(1).min(200))
        .map(|char| if char == '\t' { '\t' } else { ' ' })
        .collect();
    format!("{margin} |\n{number} | {source_line}\n{margin} | {before}^")
}
