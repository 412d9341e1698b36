use std::fmt;

use serde::{Deserialize, Serialize};

use super::Profile;

/// Where something is in a text, both counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Shows as `line:column`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What stage of reading refused a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text holds characters that YAML does not allow.
    Characters,
    /// The text is not YAML.
    Syntax,
    /// The text is YAML, and says something that a manifest cannot hold: a key that is no text, an infinite
    /// number, an alias to nothing.
    Content,
    /// A key stands twice in one map.
    DuplicateKey,
    /// The text goes beyond a limit of [`ParseOptions`](super::ParseOptions).
    Limit,
}

/// Why a text could not be read as YAML. Reading the same text again fails again.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    position: Position,
    offset: usize,
    message: String,
    source_line: String,
    upstream: Upstream,
}

/// What go-yaml says where it differs from what is said here.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// The lines, counted from 0, of the problem and of the construct that it is in.
    pub(crate) problem: usize,
    pub(crate) context: usize,
    /// Whether the scanner found it, which counts from 1.
    pub(crate) scanner: bool,
    /// Whether nothing that comes later in the text takes precedence.
    pub(crate) immediate: bool,
    /// Another text.
    pub(crate) message: Option<String>,
}

/// A byte offset with the line that it is on as YAML 1.1 counts lines, both counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) offset: usize,
    pub(crate) line: usize,
}

impl Mark {
    /// Finds line and column; walks the line alone.
    #[cold]
    pub(crate) fn position(self, text: &str) -> Position {
        let start = line_start(text, self.offset);
        let end = floor_boundary(text, self.offset);
        Position {
            line: self.line + 1,
            column: text[start..end]
                .trim_start_matches('\u{feff}')
                .chars()
                .count()
                + 1,
        }
    }
}

/// Returns the line of a text that a mark is on, as much of it as is worth showing.
pub(crate) fn source_line(text: &str, mark: Mark) -> &str {
    let line = text[line_start(text, mark.offset)..]
        .lines()
        .next()
        .unwrap_or_default();
    &line[..floor_boundary(line, SHOWN)]
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

fn line_start(text: &str, offset: usize) -> usize {
    let offset = floor_boundary(text, offset);
    text[..offset].rfind('\n').map_or(0, |i| i + 1)
}

/// The longest line that an error keeps, in bytes: enough to show, however long the text's lines are.
const SHOWN: usize = 200;

impl Error {
    /// Makes an error at a place of `text`.
    #[cold]
    pub(crate) fn new(
        kind: ErrorKind,
        text: &str,
        mark: Mark,
        upstream: Upstream,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            position: mark.position(text),
            offset: mark.offset,
            message: message.into(),
            source_line: source_line(text, mark).to_owned(),
            upstream,
        }))
    }

    /// Makes the error of an alias to nothing, which Go's parser finds.
    #[cold]
    pub(crate) fn unknown_anchor(text: &str, mark: Mark, name: &str) -> Self {
        let upstream = Upstream {
            immediate: true,
            ..Upstream::default()
        };
        let message = format!("unknown anchor '{name}' referenced");
        Self::new(ErrorKind::Content, text, mark, upstream, message)
    }

    /// Whether Go stops at this error, whatever comes later in the text.
    pub(crate) fn is_immediate(&self) -> bool {
        self.0.upstream.immediate
    }

    /// Returns what stage refused the text.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.0.position.line
    }

    /// Returns the column in characters, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.0.position.column
    }

    /// Returns line and column.
    #[must_use]
    pub fn position(&self) -> Position {
        self.0.position
    }

    /// Returns the place in bytes.
    pub(crate) fn offset(&self) -> usize {
        self.0.offset
    }

    /// Returns what is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the line of the text with a mark under the place.
    #[must_use]
    pub fn excerpt(&self) -> String {
        crate::diagnostic::excerpt(self.position(), &self.0.source_line)
    }

    /// Returns the line of the text that the place is on.
    #[must_use]
    pub fn source_line(&self) -> &str {
        &self.0.source_line
    }

    /// Returns the text that go-yaml (v2.4 for [`Profile::Sigs`], v3.0 for [`Profile::Kyaml`]) gives for this
    /// error, without the leading `yaml: `.
    ///
    /// Go's parser counts lines from 0 in some errors and from 1 in others, and names none on the first line;
    /// programs that print what Helm or kustomize print need the same.
    #[must_use]
    pub fn upstream_message(&self, profile: Profile) -> String {
        let upstream = &self.0.upstream;
        let message = upstream.message.as_ref().unwrap_or(&self.0.message);
        let (first, second) = match profile {
            Profile::Sigs => (upstream.problem, upstream.context),
            Profile::Kyaml => (upstream.context, upstream.problem),
        };
        // go-yaml v2 forgets the difference for the line of the context.
        let line = match (first, second, profile) {
            (0, 0, _) => return message.clone(),
            (0, line, Profile::Sigs) => line,
            (0, line, Profile::Kyaml) | (line, ..) => line + usize::from(upstream.scanner),
        };
        format!("line {line}: {message}")
    }
}

/// Shows as `line 3, column 5: mapping values are not allowed in this context`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line(),
            self.column(),
            self.message()
        )
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("position", &self.0.position)
            .field("message", &self.0.message)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {}
