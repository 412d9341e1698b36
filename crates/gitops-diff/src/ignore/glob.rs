//! Globs on groups and kinds, as `github.com/gobwas/glob` reads them: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, `\`.

/// A pattern.
#[derive(Clone, Debug)]
pub(super) struct Glob(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    AnyChar,
    AnyText,
    Class {
        not: bool,
        ranges: Vec<(char, char)>,
    },
    OneOf(Vec<Vec<Self>>),
}

/// How deep alternatives may be nested.
const MAX_DEPTH: usize = 8;

impl Glob {
    /// Reads a pattern; `None` where it is malformed.
    pub(super) fn new(text: &str) -> Option<Self> {
        let mut chars = text.chars().peekable();
        let parts = read(&mut chars, 0)?;
        chars.next().is_none().then_some(Self(parts))
    }

    /// Whether the pattern takes the whole text.
    pub(super) fn matches(&self, text: &str) -> bool {
        match &self.0[..] {
            [] => text.is_empty(),
            [Part::AnyText] => true,
            [Part::Text(only)] => only == text,
            parts => {
                let mut budget = 10_000;
                takes(&parts.iter().collect::<Vec<_>>(), text, &mut budget)
            }
        }
    }
}

type Chars<'t> = std::iter::Peekable<std::str::Chars<'t>>;

fn read(chars: &mut Chars<'_>, depth: usize) -> Option<Vec<Part>> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut parts = Vec::new();
    let mut text = String::new();
    let flush = |text: &mut String, parts: &mut Vec<Part>| {
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(text)));
        }
    };
    while let Some(&c) = chars.peek() {
        if depth > 0 && matches!(c, ',' | '}') {
            break;
        }
        chars.next();
        match c {
            '\\' => text.push(chars.next()?),
            '?' => {
                flush(&mut text, &mut parts);
                parts.push(Part::AnyChar);
            }
            '*' => {
                flush(&mut text, &mut parts);
                if !matches!(parts.last(), Some(Part::AnyText)) {
                    parts.push(Part::AnyText);
                }
            }
            '[' => {
                flush(&mut text, &mut parts);
                parts.push(class(chars)?);
            }
            '{' => {
                flush(&mut text, &mut parts);
                let mut choices = Vec::new();
                loop {
                    choices.push(read(chars, depth + 1)?);
                    match chars.next()? {
                        ',' => {}
                        _ => break,
                    }
                }
                parts.push(Part::OneOf(choices));
            }
            c => text.push(c),
        }
    }
    flush(&mut text, &mut parts);
    Some(parts)
}

fn class(chars: &mut Chars<'_>) -> Option<Part> {
    let not = chars.next_if_eq(&'!').is_some();
    let mut ranges = Vec::new();
    loop {
        match chars.next()? {
            ']' => break,
            low => {
                let low = if low == '\\' { chars.next()? } else { low };
                if chars.next_if_eq(&'-').is_some() {
                    let high = chars.next()?;
                    if high < low {
                        return None;
                    }
                    ranges.push((low, high));
                } else {
                    ranges.push((low, low));
                }
            }
        }
    }
    (!ranges.is_empty()).then_some(Part::Class { not, ranges })
}

/// Names are short; the budget guards against patterns that are made to be slow.
fn takes(parts: &[&Part], text: &str, budget: &mut u32) -> bool {
    if *budget == 0 {
        return false;
    }
    *budget -= 1;
    let Some((first, rest)) = parts.split_first() else {
        return text.is_empty();
    };
    match first {
        Part::Text(want) => text
            .strip_prefix(want.as_str())
            .is_some_and(|text| takes(rest, text, budget)),
        Part::AnyChar => {
            let mut chars = text.chars();
            chars.next().is_some() && takes(rest, chars.as_str(), budget)
        }
        Part::AnyText => {
            let mut ends = text.char_indices().map(|(i, _)| i).chain([text.len()]);
            ends.any(|i| takes(rest, &text[i..], budget))
        }
        Part::Class { not, ranges } => {
            let mut chars = text.chars();
            chars.next().is_some_and(|c| {
                ranges.iter().any(|(low, high)| (low..=high).contains(&&c)) != *not
            }) && takes(rest, chars.as_str(), budget)
        }
        Part::OneOf(choices) => choices.iter().any(|choice| {
            let parts: Vec<&Part> = choice.iter().chain(rest.iter().copied()).collect();
            takes(&parts, text, budget)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn patterns_take_whole_names() {
        for (pattern, yes, no) in [
            ("*", "", None),
            ("apps", "apps", Some("app")),
            ("a*s", "apps", Some("appsx")),
            ("{Deployment,Stateful*}", "StatefulSet", Some("DaemonSet")),
            ("[C-E]eployment", "Deployment", Some("Feployment")),
            ("[!D]?b", "Job", Some("Dob")),
            ("*.example.com", "x.example.com", Some("example.com")),
            ("", "", Some("apps")),
        ] {
            let glob = Glob::new(pattern).unwrap();
            assert!(glob.matches(yes), "{pattern} {yes}");
            assert!(no.is_none_or(|no| !glob.matches(no)), "{pattern}");
        }
        for bad in ["[", "{a", "a\\", "[]"] {
            assert!(Glob::new(bad).is_none(), "{bad}");
        }
    }
}
