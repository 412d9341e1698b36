//! Differences of texts, line by line.

use similar::{ChangeTag, TextDiff};

/// Texts of more lines than this are compared by their common head and tail alone: the time of the exact difference grows with the
/// product of lines and changes.
const MAX_LINES: usize = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Equal,
    Removed,
    Added,
    /// Equal lines that are left out.
    Gap,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) text: String,
}

fn line(kind: Kind, text: &str) -> Line {
    Line {
        kind,
        text: printable(text.strip_suffix('\n').unwrap_or(text)),
    }
}

/// Control characters are shown, not obeyed: a value must not write to the terminal.
fn printable(text: &str) -> String {
    if !text.contains(|c: char| c.is_control() && c != '\t') {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| {
            let escaped: Vec<char> = if c.is_control() && c != '\t' {
                c.escape_default().collect()
            } else {
                vec![c]
            };
            escaped
        })
        .collect()
}

/// The lines of both texts, with `context` equal lines around each change.
pub(super) fn diff(old: &str, new: &str, context: usize) -> Vec<Line> {
    let all = if old.lines().count() + new.lines().count() > MAX_LINES {
        coarse(old, new)
    } else {
        TextDiff::from_lines(old, new)
            .iter_all_changes()
            .map(|change| {
                let kind = match change.tag() {
                    ChangeTag::Equal => Kind::Equal,
                    ChangeTag::Delete => Kind::Removed,
                    ChangeTag::Insert => Kind::Added,
                };
                line(kind, change.value())
            })
            .collect()
    };
    around_changes(all, context)
}

fn coarse(old: &str, new: &str) -> Vec<Line> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..]
        .iter()
        .rev()
        .zip(new[head..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let equal = |lines: &[&str]| {
        lines
            .iter()
            .map(|text| line(Kind::Equal, text))
            .collect::<Vec<_>>()
    };
    let mut out = equal(&old[..head]);
    out.extend(
        old[head..old.len() - tail]
            .iter()
            .map(|text| line(Kind::Removed, text)),
    );
    out.extend(
        new[head..new.len() - tail]
            .iter()
            .map(|text| line(Kind::Added, text)),
    );
    out.extend(equal(&old[old.len() - tail..]));
    out
}

fn around_changes(all: Vec<Line>, context: usize) -> Vec<Line> {
    // How far each line is from the nearest change, looked at from both sides.
    let mut far = vec![usize::MAX; all.len()];
    let mut since = usize::MAX;
    for (i, line) in all.iter().enumerate() {
        since = if line.kind == Kind::Equal {
            since.saturating_add(1)
        } else {
            0
        };
        far[i] = since;
    }
    since = usize::MAX;
    for (i, line) in all.iter().enumerate().rev() {
        since = if line.kind == Kind::Equal {
            since.saturating_add(1)
        } else {
            0
        };
        far[i] = far[i].min(since);
    }
    let mut out: Vec<Line> = Vec::with_capacity(all.len());
    for (line, far) in all.into_iter().zip(far) {
        if far <= context {
            out.push(line);
        } else if !matches!(
            out.last(),
            Some(Line {
                kind: Kind::Gap,
                ..
            })
        ) {
            out.push(Line {
                kind: Kind::Gap,
                text: String::new(),
            });
        }
    }
    out
}

/// Puts removed lines beside the added ones that follow them.
pub(super) fn pair(lines: &[Line]) -> Vec<(Option<Line>, Option<Line>)> {
    let mut out = Vec::with_capacity(lines.len());
    let mut lines = lines.iter().peekable();
    while let Some(line) = lines.next() {
        match line.kind {
            Kind::Equal | Kind::Gap => out.push((Some(line.clone()), Some(line.clone()))),
            Kind::Added => out.push((None, Some(line.clone()))),
            Kind::Removed => {
                let mut removed = vec![line];
                while let Some(more) = lines.next_if(|line| line.kind == Kind::Removed) {
                    removed.push(more);
                }
                for line in removed {
                    let added = lines.next_if(|line| line.kind == Kind::Added);
                    out.push((Some(line.clone()), added.cloned()));
                }
            }
        }
    }
    out
}

/// Cuts or fills a text to a number of columns.
pub(super) fn fit(text: &str, column: usize) -> String {
    let text = text.replace('\t', "    ");
    let count = text.chars().count();
    if count > column {
        let mut cut: String = text.chars().take(column.saturating_sub(1)).collect();
        cut.push('…');
        return cut;
    }
    let mut out = text;
    out.extend(std::iter::repeat_n(' ', column - count));
    out
}
