//! Showing comparisons to people and programs.
//!
//! Everything here is text that is returned; nothing is written to a terminal. The data of Secrets is masked.
//!
//! ```
//! use gitops_diff::compare::{CompareOptions, compare};
//! use gitops_diff::show::{self, ShowOptions};
//! use gitops_manifest::Object;
//!
//! let map = |text: &str| Object::try_from(serde_json::json!({
//!     "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1", "file": text},
//! }));
//! let (desired, live) = (map("one\ntwo\nthree\n")?, map("one\n2\nthree\n")?);
//! let comparison = compare(Some(&desired), Some(&live), &CompareOptions::default())?;
//! assert_eq!(show::unified(&comparison, &ShowOptions::default()), "\
//! ~ ConfigMap/m
//! @@ data.file: changed in desired @@
//!  one
//! -2
//! +two
//!  three
//! ");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod lines;

use std::fmt::Write as _;

use gitops_manifest::Value;
use gitops_manifest::yaml::{self, EmitOptions};

use crate::compare::{Comparison, Difference, Status, Why};
use lines::{Kind, Line};

/// How comparisons are shown.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ShowOptions {
    /// Colour the text by ANSI escapes.
    pub colour: bool,
    /// How many equal lines of a long text are shown around a change.
    pub context: usize,
    /// How many columns there are, for [`side_by_side`].
    pub width: usize,
}

impl Default for ShowOptions {
    fn default() -> Self {
        Self {
            colour: false,
            context: 3,
            width: 120,
        }
    }
}

impl ShowOptions {
    /// Sets whether the text is coloured.
    #[must_use]
    pub const fn colour(mut self, colour: bool) -> Self {
        self.colour = colour;
        self
    }

    /// Sets how many equal lines are shown around a change.
    #[must_use]
    pub const fn context(mut self, context: usize) -> Self {
        self.context = context;
        self
    }

    /// Sets how many columns there are.
    #[must_use]
    pub const fn width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

const RED: &str = "31";
const GREEN: &str = "32";
const CYAN: &str = "36";
const BOLD: &str = "1";

/// Says in one line how desired and live stand to each other.
#[must_use]
pub fn summary(comparison: &Comparison) -> String {
    let title = title(comparison);
    match (comparison.status, comparison.differences.len()) {
        (Status::Modified, 1) => format!("{title}: 1 difference"),
        (Status::Modified, count) => format!("{title}: {count} differences"),
        _ => title,
    }
}

fn title(comparison: &Comparison) -> String {
    let sign = match comparison.status {
        Status::InSync => '=',
        Status::Missing => '+',
        Status::Extra => '-',
        Status::Modified => '~',
    };
    format!("{sign} {}", comparison.key)
}

/// The reason of a difference in a few words.
fn reason(why: &Why) -> String {
    match why {
        Why::ChangedInDesired => "changed in desired".to_owned(),
        Why::ChangedInLive(Some(owner)) => format!("changed in live by {owner}"),
        Why::ChangedInLive(None) => "changed in live".to_owned(),
        Why::MissingInLive => "missing in live".to_owned(),
        Why::RemovedFromDesired => "removed from desired".to_owned(),
        Why::OrderOnly => "order only".to_owned(),
        Why::Defaulted => "defaulted".to_owned(),
        Why::Extra(Some(owner)) => format!("only in live, by {owner}"),
        Why::Extra(None) => "only in live".to_owned(),
        Why::SameValue => "the same value".to_owned(),
    }
}

/// A value as lines of text: a long text as it is, everything else as YAML.
fn text_of(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) if text.contains('\n') => text.as_str().to_owned(),
        Some(value) => yaml::emit(value, &EmitOptions::default()),
    }
}

/// The two sides of a comparison, place by place.
fn sections(comparison: &Comparison) -> Vec<(Option<String>, Option<Value>, Option<Value>)> {
    let masked =
        |value: Option<Value>| value.map(|value| crate::mask::value_of(&comparison.key, value));
    match comparison.status {
        Status::InSync => Vec::new(),
        Status::Missing => vec![(None, None, masked(comparison.predicted()))],
        Status::Extra => vec![(None, masked(comparison.live()), None)],
        Status::Modified => comparison
            .differences
            .iter()
            .map(|difference| {
                let Difference {
                    path,
                    desired,
                    live,
                    why,
                } = difference;
                (
                    Some(format!("{path}: {}", reason(why))),
                    live.clone(),
                    desired.clone(),
                )
            })
            .collect(),
    }
}

/// Shows a comparison line by line: `-` is live, `+` is what would be. Each place is headed by its path and the reason. Empty where
/// live is as desired.
#[must_use]
pub fn unified(comparison: &Comparison, options: &ShowOptions) -> String {
    let sections = sections(comparison);
    let mut out = String::new();
    if sections.is_empty() {
        return out;
    }
    out.push_str(&options.paint(BOLD, &title(comparison)));
    out.push('\n');
    for (head, live, desired) in sections {
        if let Some(head) = head {
            out.push_str(&options.paint(CYAN, &format!("@@ {head} @@")));
            out.push('\n');
        }
        for Line { kind, text } in lines::diff(
            &text_of(live.as_ref()),
            &text_of(desired.as_ref()),
            options.context,
        ) {
            let line = match kind {
                Kind::Equal => format!(" {text}"),
                Kind::Removed => options.paint(RED, &format!("-{text}")),
                Kind::Added => options.paint(GREEN, &format!("+{text}")),
                Kind::Gap => options.paint(CYAN, "…"),
            };
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}

/// Shows a comparison in two columns: live on the left, what would be on the right.
#[must_use]
pub fn side_by_side(comparison: &Comparison, options: &ShowOptions) -> String {
    let sections = sections(comparison);
    let mut out = String::new();
    if sections.is_empty() {
        return out;
    }
    let column = (options.width.max(20) - 3) / 2;
    out.push_str(&options.paint(BOLD, &title(comparison)));
    out.push('\n');
    for (head, live, desired) in sections {
        if let Some(head) = head {
            out.push_str(&options.paint(CYAN, &head));
            out.push('\n');
        }
        let lines = lines::diff(
            &text_of(live.as_ref()),
            &text_of(desired.as_ref()),
            options.context,
        );
        for (left, right) in lines::pair(&lines) {
            let sign = match (&left, &right) {
                (Some(left), Some(right))
                    if left.kind == Kind::Equal && right.kind == Kind::Equal =>
                {
                    ' '
                }
                (Some(left), _) if left.kind == Kind::Gap => ' ',
                (Some(_), Some(_)) => '|',
                (Some(_), None) => '<',
                _ => '>',
            };
            let cell = |line: Option<&Line>, colour: &str| {
                let text = match line {
                    Some(Line {
                        kind: Kind::Gap, ..
                    }) => lines::fit("…", column),
                    Some(line) => lines::fit(&line.text, column),
                    None => lines::fit("", column),
                };
                match line.map(|line| line.kind) {
                    Some(Kind::Removed | Kind::Added) => options.paint(colour, &text),
                    _ => text,
                }
            };
            let row = format!(
                "{} {sign} {}",
                cell(left.as_ref(), RED),
                cell(right.as_ref(), GREEN)
            );
            out.push_str(row.trim_end());
            out.push('\n');
        }
    }
    out
}

/// Returns a comparison as JSON, for programs: key, status, and each difference with its path, both values, the reason and a sentence.
#[must_use]
pub fn json(comparison: &Comparison) -> Value {
    let differences: Vec<serde_json::Value> = comparison
        .differences
        .iter()
        .map(|difference| {
            let mut value = serde_json::to_value(difference).unwrap_or_default();
            value["explanation"] = difference.explain().into();
            value
        })
        .collect();
    serde_json::json!({
        "key": comparison.key,
        "status": comparison.status,
        "differences": differences,
    })
    .into()
}

/// Says in one line how many objects are how.
///
/// ```
/// use gitops_diff::show;
/// assert_eq!(show::totals(&[]), "nothing to compare");
/// ```
#[must_use]
pub fn totals(comparisons: &[Comparison]) -> String {
    if comparisons.is_empty() {
        return "nothing to compare".to_owned();
    }
    let mut out = String::new();
    for (status, word) in [
        (Status::Missing, "to create"),
        (Status::Modified, "to change"),
        (Status::Extra, "to prune"),
        (Status::InSync, "in sync"),
    ] {
        let count = comparisons
            .iter()
            .filter(|comparison| comparison.status == status)
            .count();
        if count > 0 {
            let comma = if out.is_empty() { "" } else { ", " };
            write!(out, "{comma}{count} {word}").expect("a string takes any text");
        }
    }
    out
}
