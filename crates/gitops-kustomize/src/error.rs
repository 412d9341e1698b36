//! What went wrong in a build: every mistake with its place, all of them together.

use std::fmt;
use std::sync::Arc;

/// What kind of mistake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file is no YAML, or no API object.
    Syntax,
    /// A kustomization says something that it cannot: an unknown field, a value of another type.
    Kustomization,
    /// A file or folder is absent or could not be read.
    Missing,
    /// A file lies outside of what may be read.
    Restricted,
    /// Two resources have the same id.
    Conflict,
    /// A patch could not be read or applied, or has no target.
    Patch,
    /// A replacement, variable or name reference could not be resolved.
    Reference,
    /// A generator or transformer could not be configured or failed.
    Plugin,
    /// The build needs something that the host did not supply: remote bases, Helm, functions.
    Unsupported,
    /// A limit of the build was reached.
    Limit,
}

/// A place in a file of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The path of the file from the root of the tree.
    pub file: Arc<str>,
    /// The line, counted from 1; 0 where it is not known.
    pub line: usize,
    /// The column in characters, counted from 1; 0 where it is not known.
    pub column: usize,
}

impl Place {
    pub(crate) fn new(file: impl Into<Arc<str>>, line: usize, column: usize) -> Self {
        Self {
            file: file.into(),
            line,
            column,
        }
    }
}

/// Shows as `base/kustomization.yaml:3:5`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// One mistake. Building the same tree again fails again, except where a remote base could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildError {
    /// What kind of mistake it is.
    pub kind: ErrorKind,
    /// What is wrong.
    pub message: String,
    /// Where it stands.
    pub place: Option<Place>,
    /// The field of the kustomization, as `patches[2].path`.
    pub field: Option<String>,
    /// The kustomizations that led here, the one that was built first.
    pub chain: Vec<Arc<str>>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether trying again may help.
    pub transient: bool,
}

impl BuildError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            place: None,
            field: None,
            chain: Vec::new(),
            hint: None,
            transient: false,
        }
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        let field = field.into();
        if !field.is_empty() {
            self.field.get_or_insert(field);
        }
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Adds a hint where there is something to say.
    pub(crate) fn maybe(mut self, hint: Option<String>) -> Self {
        self.hint = self.hint.or(hint);
        self
    }
}

/// Shows the place, the field, what is wrong, what to do, and the way there.
impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        if self.chain.len() > 1 {
            write!(f, " (built from {})", self.chain.join(" > "))?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

/// All mistakes of a build, in the order in which they were met; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildErrors(Vec<BuildError>);

impl BuildErrors {
    pub(crate) fn new(errors: Vec<BuildError>) -> Self {
        debug_assert!(!errors.is_empty(), "a failed build says why");
        Self(errors)
    }

    /// Returns the mistakes.
    #[must_use]
    pub fn errors(&self) -> &[BuildError] {
        &self.0
    }

    /// Whether trying again may help: all mistakes are failures to fetch something.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.iter().all(|error| error.transient)
    }
}

/// Shows one mistake a line.
impl fmt::Display for BuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(error, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildErrors {}

impl IntoIterator for BuildErrors {
    type Item = BuildError;
    type IntoIter = std::vec::IntoIter<BuildError>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
