//! The three ways in which Argo CD matches names against patterns.
//!
//! A pattern is translated to a regular expression of linear cost, so that no pattern can be slow.

use std::fmt::Write as _;

use regex::Regex;

/// The syntax of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `*` and `**` span everything: destinations, windows, namespaces.
    Any,
    /// `*` stays within a segment between slashes, `**` crosses them: repositories.
    Segments,
    /// As Go's `filepath.Match`, without braces: lists of kinds.
    Path,
}

/// A pattern, ready to match.
#[derive(Clone, Debug)]
pub struct Glob(Option<Regex>);

impl Glob {
    /// Reads a pattern. One that is malformed matches nothing.
    #[must_use]
    pub fn new(pattern: &str, syntax: Syntax) -> Self {
        let regex = translate(pattern, syntax).and_then(|regex| Regex::new(&regex).ok());
        Self(regex)
    }

    /// Whether the pattern is well-formed.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(name))
    }
}

/// Whether a name matches a pattern. The common patterns cost no compilation. A lone `*` matches every name,
/// whatever separates it, save for [`Syntax::Path`].
#[must_use]
pub fn matches(pattern: &str, name: &str, syntax: Syntax) -> bool {
    let special = |c| matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | ',' | '!');
    if pattern == "*" && (syntax != Syntax::Path || !name.contains('/')) {
        return true;
    }
    if !pattern.contains(special) {
        return pattern == name;
    }
    Glob::new(pattern, syntax).matches(name)
}

/// As [`matches()`] with [`Syntax::Any`], where a leading `!` negates.
#[must_use]
pub fn matches_or_denied(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix('!') {
        Some(denied) => !matches(denied, name, Syntax::Any),
        None => matches(pattern, name, Syntax::Any),
    }
}

fn translate(pattern: &str, syntax: Syntax) -> Option<String> {
    let not_separator = if syntax == Syntax::Any { "." } else { "[^/]" };
    let mut regex = String::from("(?s)^(?:");
    let mut depth = 0_u32;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => {
                let double = syntax != Syntax::Path && chars.next_if_eq(&'*').is_some();
                if double {
                    regex.push_str(".*");
                    while chars.next_if_eq(&'*').is_some() {}
                } else {
                    write!(regex, "{not_separator}*").ok()?;
                }
            }
            '?' => regex.push_str(not_separator),
            '[' => class(&mut chars, syntax, &mut regex)?,
            '{' if syntax != Syntax::Path => {
                depth += 1;
                regex.push_str("(?:");
            }
            '}' if syntax != Syntax::Path => {
                depth = depth.checked_sub(1)?;
                regex.push(')');
            }
            ',' if depth > 0 => regex.push('|'),
            '\\' => regex.push_str(&regex::escape(&chars.next()?.to_string())),
            c => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    if depth > 0 {
        return None;
    }
    regex.push_str(")$");
    Some(regex)
}

/// Translates a class such as `[a-z]` or `[!abc]`, the bracket already read.
fn class(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    syntax: Syntax,
    regex: &mut String,
) -> Option<()> {
    let negation = if syntax == Syntax::Path { '^' } else { '!' };
    regex.push('[');
    if chars.next_if_eq(&negation).is_some() {
        regex.push('^');
        if syntax != Syntax::Any {
            regex.push('/');
        }
    }
    let mut empty = true;
    loop {
        let c = match chars.next()? {
            ']' if !empty => break,
            ']' => return None,
            '\\' => chars.next()?,
            c => c,
        };
        empty = false;
        let escape = |c: char| match c {
            '\\' | ']' | '[' | '^' | '-' | '&' | '~' => format!("\\{c}"),
            c => c.to_string(),
        };
        regex.push_str(&escape(c));
        if chars.next_if_eq(&'-').is_some() {
            match chars.next()? {
                ']' => return None,
                '\\' => {
                    let end = chars.next()?;
                    write!(regex, "-{}", escape(end)).ok()?;
                }
                end if end < c => return None,
                end => write!(regex, "-{}", escape(end)).ok()?,
            }
        }
    }
    regex.push(']');
    Some(())
}
