//! Regular expressions as Go's `regexp` reads and applies them.
//!
//! The expressions are translated for the `regex` crate, which finds the same matches; this module
//! keeps Go's syntax, its messages and its rules about empty matches.

mod kept;
mod syntax;

pub(crate) use kept::KeptRegexps;

use regex::bytes::{Captures, Regex, RegexBuilder};

use crate::format::quote::{can_backquote, quote};
use crate::unicode::{decode, is_digit, is_letter};

/// How large a compiled expression may be.
const SIZE_LIMIT: usize = 64 << 20;

/// A compiled expression. A clone has its own memory for searches.
#[derive(Clone)]
pub(crate) struct Regexp {
    regex: Regex,
    /// The names of the groups, from the first; empty where there is none.
    names: Vec<String>,
    is_empty: bool,
}

impl Regexp {
    /// Compiles an expression, or says what is wrong with it in Go's words.
    pub(crate) fn compile(expression: &[u8]) -> Result<Self, String> {
        Self::compile_within(expression, SIZE_LIMIT)
    }

    fn compile_within(expression: &[u8], size_limit: usize) -> Result<Self, String> {
        let Ok(text) = std::str::from_utf8(expression) else {
            let shown = String::from_utf8_lossy(expression);
            return Err(format!("error parsing regexp: invalid UTF-8: `{shown}`"));
        };
        let translated = syntax::translate(text)
            .map_err(|error| format!("error parsing regexp: {}: `{}`", error.problem, error.at))?;
        let regex = RegexBuilder::new(&translated.text)
            .size_limit(size_limit)
            .dfa_size_limit(SIZE_LIMIT)
            .nest_limit(2_000)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => {
                    format!("error parsing regexp: expression too large: `{text}`")
                }
                _ => format!("error parsing regexp: invalid character class range: `{text}`"),
            })?;
        Ok(Self {
            regex,
            names: translated.names,
            is_empty: text.is_empty(),
        })
    }

    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    pub(crate) fn find<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        self.regex.find(text).map_or(b"", |found| found.as_bytes())
    }

    /// Finds at most `count` matches, or all if it is negative.
    pub(crate) fn find_all(&self, text: &[u8], count: i64) -> Vec<(usize, usize)> {
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let mut matches = Vec::new();
        let mut at = 0;
        let mut last_end = None;
        while matches.len() < most && at <= text.len() {
            let Some(found) = self.regex.find_at(text, at) else {
                break;
            };
            let (start, end) = (found.start(), found.end());
            let mut accept = true;
            if end == at {
                // An empty match right after another is none.
                accept = Some(start) != last_end;
                at += decode(&text[at..]).map_or(1, |(_, width)| width);
            } else {
                at = end;
            }
            last_end = Some(end);
            if accept {
                matches.push((start, end));
            }
        }
        matches
    }

    /// Splits a text at matches, into at most `count` parts if it is not negative.
    pub(crate) fn split<'t>(&self, text: &'t [u8], count: i64) -> Option<Vec<&'t [u8]>> {
        if count == 0 {
            return None;
        }
        if !self.is_empty && text.is_empty() {
            return Some(vec![b""]);
        }
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let mut parts = Vec::new();
        let (mut begin, mut end) = (0, 0);
        for (start, after) in self.find_all(text, count) {
            if parts.len() + 1 == most {
                break;
            }
            end = start;
            if after != 0 {
                parts.push(&text[begin..end]);
            }
            begin = after;
        }
        if end != text.len() {
            parts.push(&text[begin..]);
        }
        Some(parts)
    }

    /// Replaces all matches by what `replacement` makes of them; `limit` is the most bytes that the
    /// result may have. Nothing comes back where it would have more.
    pub(crate) fn replace_all(
        &self,
        text: &[u8],
        limit: u64,
        replacement: impl Fn(&mut Vec<u8>, &Captures<'_>),
    ) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(text.len());
        let mut last_end = 0;
        let mut at = 0;
        while at <= text.len()
            && let Some(found) = self.regex.captures_at(text, at)
        {
            let whole = found
                .get(0)
                .map_or((at, at), |whole| (whole.start(), whole.end()));
            let (start, end) = whole;
            out.extend_from_slice(&text[last_end..start]);
            if end > last_end || start == 0 {
                replacement(&mut out, &found);
            }
            if out.len() as u64 > limit {
                return None;
            }
            last_end = end;
            let width = decode(&text[at..]).map_or(0, |(_, width)| width);
            at = if at + width > end {
                at + width
            } else {
                end.max(at + usize::from(at == end))
            };
        }
        out.extend_from_slice(&text[last_end..]);
        Some(out)
    }

    /// Writes a template in which `$1` and `${name}` stand for groups.
    pub(crate) fn expand(&self, out: &mut Vec<u8>, template: &[u8], groups: &Captures<'_>) {
        let mut rest = template;
        while let Some(dollar) = memchr::memchr(b'$', rest) {
            out.extend_from_slice(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if rest.first() == Some(&b'$') {
                out.push(b'$');
                rest = &rest[1..];
                continue;
            }
            let Some((name, after)) = group_name(rest) else {
                out.push(b'$');
                continue;
            };
            rest = after;
            let group = match group_number(name) {
                Some(number) => groups.get(number),
                None => self
                    .names
                    .iter()
                    .enumerate()
                    .filter(|(_, known)| known.as_bytes() == name)
                    .find_map(|(at, _)| groups.get(at + 1)),
            };
            out.extend_from_slice(group.map_or(b"", |group| group.as_bytes()));
        }
        out.extend_from_slice(rest);
    }
}

/// Reads a group's name at the start of a text, in braces or not.
fn group_name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (braces, text) = match text.strip_prefix(b"{") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let mut end = 0;
    while let Some((c, width)) = decode(&text[end..]) {
        if !(is_letter(c) || is_digit(c) || c == '_') {
            break;
        }
        end += width;
    }
    if end == 0 {
        return None;
    }
    let (name, rest) = text.split_at(end);
    if braces {
        Some((name, rest.strip_prefix(b"}")?))
    } else {
        Some((name, rest))
    }
}

fn group_number(name: &[u8]) -> Option<usize> {
    let is_number = name.iter().all(u8::is_ascii_digit) && name.len() < 9;
    if !is_number || (name.starts_with(b"0") && name.len() > 1) {
        return None;
    }
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// Writes an expression as the panics of `regexp.MustCompile` show it.
pub(crate) fn shown(expression: &[u8]) -> String {
    if can_backquote(expression) {
        format!("`{}`", String::from_utf8_lossy(expression))
    } else {
        quote(expression)
    }
}

/// `regexp.QuoteMeta`.
pub(crate) fn quote_meta(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if br"\.+*?()|[]{}^$".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}
