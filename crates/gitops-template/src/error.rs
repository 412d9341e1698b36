//! Errors of parsing and of rendering.

use std::fmt;

use crate::format::quote::quote;
use crate::text::Str;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a template could not be parsed or rendered.
///
/// It prints as Go prints it: the actions that were being executed, outermost first, and then the
/// [kind](Error::kind) of the failure. Trying again does not help, except after
/// [`ErrorKind::Interrupted`].
pub struct Error(Box<Inner>);

struct Inner {
    /// Innermost first.
    frames: Vec<Frame>,
    kind: ErrorKind,
}

/// One step of the way to an error: an action, or a note that a function put before the cause.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Frame {
    /// The action that was being executed.
    Action {
        /// The name of the template that was being executed.
        template: Str,
        /// The name of the text that the action stands in.
        source: Str,
        /// The line of the action, from 1.
        line: usize,
        /// The byte of the line at which the action starts, from 0.
        column: usize,
        /// The action as Go prints it.
        action: String,
        /// The function that failed, if it was one.
        called: Option<Str>,
    },
    /// What was attempted, in the words of a function.
    Note {
        /// The words, without the colon after them.
        text: String,
    },
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not a template.
    #[error("template: {template}:{line}: {message}")]
    Parse {
        /// The name of the text.
        template: Str,
        /// The line, from 1.
        line: usize,
        /// What is wrong, in Go's words.
        message: String,
    },
    /// There is no template of that name.
    #[error("template: no template {} associated with template {}", quote(.name.as_bytes()), quote(.set.as_bytes()))]
    NotFound {
        /// The name that was asked for.
        name: Str,
        /// The name of the set.
        set: Str,
    },
    /// An action or a function failed.
    #[error("{message}")]
    Failed {
        /// What is wrong, in the words of Go or of the function.
        message: String,
    },
    /// A limit of the render was reached.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What was limited.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The host asked the render to stop.
    #[error("rendering was interrupted")]
    Interrupted,
}

impl Error {
    /// Makes an error with a message, as a function returns it.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self::from(ErrorKind::Failed {
            message: message.into(),
        })
    }

    pub(crate) fn limit(what: &'static str, limit: u64) -> Self {
        Self::from(ErrorKind::Limit { what, limit })
    }

    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Returns the way to the error, outermost first.
    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> {
        self.0.frames.iter().rev()
    }

    /// Puts words before the message.
    #[must_use]
    pub fn context(mut self, text: impl Into<String>) -> Self {
        self.0.frames.push(Frame::Note { text: text.into() });
        self
    }

    pub(crate) fn push(&mut self, frame: Frame) {
        self.0.frames.push(frame);
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            frames: Vec::new(),
            kind,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for frame in self.frames() {
            write!(f, "{frame}: ")?;
        }
        write!(f, "{}", self.0.kind)
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action {
                template,
                source,
                line,
                column,
                action,
                called,
            } => {
                write!(f, "template: {source}:{line}:{column}: executing ")?;
                write!(f, "{} at <{action}>", quote(template.as_bytes()))?;
                if let Some(name) = called {
                    write!(f, ": error calling {name}")?;
                }
                Ok(())
            }
            Self::Note { text } => f.write_str(text),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("frames", &self.0.frames)
            .field("kind", &self.0.kind)
            .finish()
    }
}

impl std::error::Error for Error {}
