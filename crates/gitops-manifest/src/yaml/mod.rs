//! YAML as Kubernetes reads and writes it.
//!
//! The programs around Kubernetes do not read the YAML of the specification: they read what two Go libraries
//! make of it, and those differ. A [`Profile`] names one of the two:
//!
//! - [`Profile::Sigs`]: `sigs.k8s.io/yaml` 1.6 over go-yaml v2. The API server, kubectl, Argo CD and Helm read
//!   manifests so: `on`, `yes` and `y` are booleans, as keys too; `0644` is 420; timestamps stay text; of equal keys
//!   the last wins.
//! - [`Profile::Kyaml`]: go-yaml v3, as kustomize reads resources: `on` and `yes` are text, dates are times, equal
//!   keys are an error, and so is a key that is no text.
//!
//! ```
//! use gitops_manifest::yaml::{self, ParseOptions, Profile};
//!
//! let text = "defaultMode: 0644\non: yes\n";
//! let sigs = yaml::parse_one(text, &ParseOptions::default())?;
//! assert_eq!(sigs.to_json(), r#"{"defaultMode":420,"true":true}"#);
//! let kyaml = yaml::parse_one(text, &ParseOptions::new(Profile::Kyaml))?;
//! assert_eq!(kyaml.to_json(), r#"{"defaultMode":420,"on":"yes"}"#);
//!
//! // One bad document does not hide the others.
//! let options = ParseOptions::default();
//! let mut documents = yaml::documents("a: 1\n---\nb: [\n---\nc: 3\n", &options);
//! assert_eq!(documents.next().expect("a document").value?["a"], 1.into());
//! let error = documents.next().expect("a document").value.unwrap_err();
//! assert_eq!((error.line(), error.column()), (4, 1));
//! assert_eq!(documents.next().expect("a document").value?["c"], 3.into());
//! # Ok::<(), yaml::Error>(())
//! ```

mod compose;
mod emit;
mod error;
mod events;
mod float;
mod locate;
mod node;
mod resolve;
mod scan;

pub use emit::{EmitOptions, emit, emit_all, emit_into, emit_node};
pub(crate) use error::source_line;
pub use error::{Error, ErrorKind, Position};
pub use locate::locate;
pub(crate) use locate::locate_in;
pub use node::{Node, NodeKind, parse_first_node, parse_nodes};
pub use scan::ScalarStyle;

use crate::Value;
use compose::Composer;
use error::{Mark, Upstream};
use events::Parser;
use scan::readable_end;

/// Whose rules a text is read by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// `sigs.k8s.io/yaml` 1.6 over go-yaml v2.4: the API server, kubectl, Helm, Argo CD.
    #[default]
    Sigs,
    /// go-yaml v3.0 as kyaml 0.21 uses it: kustomize's resources.
    Kyaml,
}

/// What becomes of a key that stands twice in one map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Duplicates {
    /// The last one wins.
    #[default]
    LastWins,
    /// It is an error.
    Error,
}

/// How a text is read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ParseOptions {
    /// Whose rules to follow.
    pub profile: Profile,
    /// What becomes of equal keys.
    pub duplicates: Duplicates,
    /// How deep lists and maps may nest. The deepest schemas of custom resources reach about 60; the default of
    /// 512 keeps functions that walk a value by recursion within a thread's stack.
    pub max_depth: usize,
    /// How many bytes a text may have; 64 MiB by default.
    pub max_bytes: usize,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self::new(Profile::Sigs)
    }
}

impl ParseOptions {
    /// Takes the rules of a profile, those for equal keys included.
    #[must_use]
    pub const fn new(profile: Profile) -> Self {
        Self {
            profile,
            duplicates: match profile {
                Profile::Sigs => Duplicates::LastWins,
                Profile::Kyaml => Duplicates::Error,
            },
            max_depth: 512,
            max_bytes: 64 << 20,
        }
    }

    /// Sets what becomes of equal keys.
    #[must_use]
    pub const fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
        self
    }

    /// Refuses texts that are too long.
    fn check_size(&self, text: &str) -> Result<(), Error> {
        if text.len() <= self.max_bytes {
            return Ok(());
        }
        let message = format!(
            "the text has {} bytes, which is more than {}",
            text.len(),
            self.max_bytes
        );
        Err(Error::new(
            ErrorKind::Limit,
            "",
            Mark::default(),
            Upstream::default(),
            message,
        ))
    }
}

/// Reads all documents of a text. A document without content is `null`; a text without documents gives none.
///
/// # Errors
/// At the first document that cannot be read; [`documents`] goes on behind it.
pub fn parse(text: &str, options: &ParseOptions) -> Result<Vec<Value>, Error> {
    options.check_size(text)?;
    let mut composer = Composer::new(text, options);
    let mut values = Vec::new();
    while let Some((value, _)) = composer.document()? {
        values.push(value);
    }
    Ok(values)
}

/// Reads the first document of a text and looks at no other, as Go's `yaml.Unmarshal` does. A text without
/// documents is `null`.
///
/// # Errors
/// Where the first document cannot be read.
pub fn parse_one(text: &str, options: &ParseOptions) -> Result<Value, Error> {
    options.check_size(text)?;
    let mut composer = Composer::new(text, options);
    Ok(composer.document()?.map_or(Value::Null, |(value, _)| value))
}

/// A document of a text.
#[derive(Clone, Debug)]
pub struct Document {
    /// The line of the text that the document begins on, counted from 1.
    pub line: usize,
    /// What it says, or why it cannot be read.
    pub value: Result<Value, Error>,
    /// Where parsing it began.
    pub(crate) start: Mark,
}

/// Goes over the documents of a text; behind one that cannot be read it goes on at the next `---`.
#[must_use]
pub fn documents<'a>(text: &'a str, options: &'a ParseOptions) -> Documents<'a> {
    Documents {
        text,
        options,
        end: readable_end(text, 0),
        state: match options.check_size(text) {
            Ok(()) => DocumentsState::At(Mark::default()),
            Err(error) => DocumentsState::Refused(error),
        },
    }
}

/// The documents of a text; see [`documents`].
pub struct Documents<'a> {
    text: &'a str,
    options: &'a ParseOptions,
    /// Where the next character stands that cannot be read, or the end of the text.
    end: usize,
    state: DocumentsState<'a>,
}

enum DocumentsState<'a> {
    /// The next document is to be looked for from here.
    At(Mark),
    Within(Box<Composer<'a, 'a>>),
    Refused(Error),
    Ended,
}

impl Iterator for Documents<'_> {
    type Item = Document;

    fn next(&mut self) -> Option<Document> {
        let mut composer = match std::mem::replace(&mut self.state, DocumentsState::Ended) {
            DocumentsState::At(mark) => {
                if mark.offset > self.end {
                    self.end = readable_end(self.text, mark.offset);
                }
                let parser = Parser::within(self.text, mark, self.end);
                Box::new(Composer::of(parser, self.options))
            }
            DocumentsState::Within(composer) => composer,
            DocumentsState::Refused(error) => {
                return Some(Document {
                    line: 1,
                    value: Err(error),
                    start: Mark::default(),
                });
            }
            DocumentsState::Ended => return None,
        };
        let before = composer.reached();
        match composer.document() {
            Ok(Some((value, mark))) => {
                self.state = DocumentsState::Within(composer);
                Some(Document {
                    line: mark.line + 1,
                    value: Ok(value),
                    start: mark,
                })
            }
            Ok(None) => None,
            Err(error) => {
                if let Some(next) = next_document(self.text, before, &error) {
                    self.state = DocumentsState::At(next);
                }
                Some(Document {
                    line: before.line + 1,
                    value: Err(error),
                    start: before,
                })
            }
        }
    }
}

/// Finds the `---` that ends a document which cannot be read; `from` is where the document begins.
fn next_document(text: &str, from: Mark, error: &Error) -> Option<Mark> {
    // The mark may be within a line, as that of a `---` itself never is.
    let mut offset = text[..from.offset].rfind('\n').map_or(0, |i| i + 1);
    let mut line = from.line;
    while offset < text.len() {
        let rest = &text[offset..];
        let marked = rest
            .strip_prefix("---")
            .is_some_and(|tail| tail.is_empty() || tail.starts_with([' ', '\t', '\n', '\r']));
        if marked && offset > from.offset && offset >= error.offset() {
            return Some(Mark { offset, line });
        }
        offset += rest.find('\n').map_or(rest.len(), |i| i + 1);
        line += 1;
    }
    None
}
