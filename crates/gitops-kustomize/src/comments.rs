//! The comments of a YAML text that a field holds, and where they are written again.
//!
//! kustomize keeps them when a replacement changes such a text: those on lines of their own before what follows, or
//! behind the block whose indentation they have; those behind something there, after one blank. Blank lines stay beside
//! comments alone.

use gitops_manifest::yaml::{self, NodeKind, ScalarStyle};
use rustc_hash::FxHashMap;

/// A line that holds a comment and nothing else.
struct Whole {
    /// Counted from 1.
    line: usize,
    column: usize,
    text: String,
    blank_before: bool,
    blank_after: bool,
}

/// The comments that are not written yet.
#[derive(Default)]
pub(crate) struct Comments {
    whole: std::collections::VecDeque<Whole>,
    behind: FxHashMap<usize, String>,
    /// The columns of the blocks that are open, with what they are indented by now.
    open: Vec<(usize, usize)>,
    /// Whether something but comments was written.
    begun: bool,
    /// The lines of the text, each with where it begins.
    lines: Vec<(usize, String)>,
}

impl Comments {
    /// Looks for comments. Nearly no text has one.
    pub(crate) fn find(text: &str, shape: &yaml::Node) -> Self {
        let mut out = Self::default();
        if !text.contains('#') {
            return out;
        }
        let lines: Vec<&str> = text.lines().collect();
        let mut covered = vec![false; lines.len()];
        cover(shape, text, &lines, &mut covered);
        let is_blank = |i: Option<usize>| {
            i.and_then(|i| lines.get(i).map(|line| (i, line)))
                .is_some_and(|(i, line)| line.trim().is_empty() && !covered[i])
        };
        for (i, line) in lines.iter().enumerate().filter(|(i, _)| !covered[*i]) {
            let Some(at) = comment_at(line) else {
                continue;
            };
            let text = line[at..].trim_end().to_owned();
            if line[..at].trim().is_empty() {
                out.whole.push_back(Whole {
                    line: i + 1,
                    column: at,
                    text,
                    blank_before: is_blank(i.checked_sub(1)),
                    blank_after: is_blank(Some(i + 1)),
                });
            } else {
                out.behind.insert(i + 1, text);
            }
        }
        if !out.is_empty() {
            let mut start = 0;
            for line in text.split_inclusive('\n') {
                out.lines
                    .push((start, line.trim_end_matches('\n').to_owned()));
                start += line.len();
            }
        }
        out
    }

    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.behind.is_empty()
    }

    /// Writes the comments above an entry, which was on a line and is now indented by a number of blanks.
    pub(crate) fn above(
        &mut self,
        shape: &yaml::Node,
        is_item: bool,
        indent: usize,
        out: &mut String,
    ) {
        if self.lines.is_empty() || shape.line == 0 {
            return;
        }
        let column = self.column(shape, is_item);
        let mut count = 0;
        while self
            .whole
            .front()
            .is_some_and(|whole| whole.line < shape.line)
        {
            let Some(whole) = self.whole.pop_front() else {
                break;
            };
            count += 1;
            let at = self.indent_of(&whole, Some((column, indent)));
            let more = self
                .whole
                .front()
                .is_some_and(|next| next.line < shape.line);
            write(&whole, at, out);
            // Behind the last only a comment that belongs to what is before it has a blank line.
            let foot = !self.begun || (count == 1 && !whole.blank_before) || self.directly(&whole);
            if whole.blank_after && (more || foot) {
                out.push('\n');
            }
        }
        self.enter(column, indent);
    }

    /// Notes the first key of an item, which stands behind its dash.
    pub(crate) fn inline(&mut self, shape: &yaml::Node, indent: usize) {
        if !self.lines.is_empty() && shape.line > 0 {
            let column = self.column(shape, false);
            self.enter(column, indent);
        }
    }

    fn enter(&mut self, column: usize, indent: usize) {
        self.begun = true;
        self.open.retain(|(open, _)| *open < column);
        self.open.push((column, indent));
    }

    /// Whether a comment of several lines begins right behind something.
    fn directly(&self, last: &Whole) -> bool {
        let mut line = last.line - 1;
        while line > 0 && self.lines[line - 1].1.trim_start().starts_with('#') {
            line -= 1;
        }
        line > 0 && !self.lines[line - 1].1.trim().is_empty()
    }

    /// Writes the comment behind a line.
    pub(crate) fn behind(&mut self, line: usize, out: &mut String) {
        if let Some(text) = self.behind.remove(&line) {
            if !out.ends_with(' ') {
                out.push(' ');
            }
            out.push_str(&text);
        }
    }

    /// Writes what is left.
    pub(crate) fn end(&mut self, out: &mut String) {
        while let Some(whole) = self.whole.pop_front() {
            if whole.blank_before {
                out.push('\n');
            }
            let at = self.indent_of(&whole, None);
            write(&whole, at, out);
        }
    }

    /// Returns what a comment is indented by: as what follows it, or as the block that it ends.
    fn indent_of(&self, whole: &Whole, next: Option<(usize, usize)>) -> usize {
        match next {
            Some((column, indent)) if whole.column <= column => indent,
            _ => self
                .open
                .iter()
                .rev()
                .find(|(column, _)| *column <= whole.column)
                .map_or(0, |(_, indent)| *indent),
        }
    }

    /// Returns the column of a key, or of the dash of an item.
    fn column(&self, shape: &yaml::Node, is_item: bool) -> usize {
        let Some((start, line)) = self.lines.get(shape.line - 1) else {
            return 0;
        };
        let column = shape.offset.saturating_sub(*start).min(line.len());
        if is_item {
            let before = line.get(..column).unwrap_or_default();
            before.rfind('-').unwrap_or(column)
        } else {
            column
        }
    }
}

fn write(whole: &Whole, indent: usize, out: &mut String) {
    for _ in 0..indent {
        out.push(' ');
    }
    out.push_str(&whole.text);
    out.push('\n');
}

/// Returns where the comment of a line begins.
fn comment_at(line: &str) -> Option<usize> {
    let mut quote = None;
    let mut before = ' ';
    let mut escaped = false;
    for (i, c) in line.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '#' && matches!(before, ' ' | '\t') => return Some(i),
            None if matches!(c, '"' | '\'') && matches!(before, ' ' | '\t' | '[' | '{' | ',') => {
                quote = Some(c);
            }
            None => {}
        }
        before = c;
    }
    None
}

/// Marks the lines that belong to texts over several lines.
fn cover(node: &yaml::Node, text: &str, lines: &[&str], covered: &mut [bool]) {
    match &node.kind {
        NodeKind::Scalar { style, .. } if node.line > 0 => match style {
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
                let outer = lines.get(node.line - 1).map_or(0, |line| indent(line));
                for i in node.line..lines.len() {
                    if !lines[i].trim().is_empty() && indent(lines[i]) <= outer {
                        break;
                    }
                    covered[i] = true;
                }
            }
            ScalarStyle::DoubleQuoted | ScalarStyle::SingleQuoted => {
                let rest = text.get(node.offset..).unwrap_or_default();
                let end = quoted_end(rest).unwrap_or(0);
                let more = rest[..end].matches('\n').count();
                if more > 0 {
                    let last = (node.line + more).min(lines.len());
                    covered[node.line - 1..last].fill(true);
                }
            }
            ScalarStyle::Plain => {}
        },
        NodeKind::Sequence { items, .. } => {
            for item in items {
                cover(item, text, lines, covered);
            }
        }
        NodeKind::Mapping { entries, .. } => {
            for (key, value) in entries {
                cover(key, text, lines, covered);
                cover(value, text, lines, covered);
            }
        }
        _ => {}
    }
}

/// Returns the end of a text in quotes.
fn quoted_end(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        if quote == '"' && c == '\\' {
            chars.next();
        } else if c == quote {
            if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') {
                chars.next();
            } else {
                return Some(i + 1);
            }
        }
    }
    None
}
