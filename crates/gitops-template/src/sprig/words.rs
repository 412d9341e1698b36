//! Words, as `Masterminds/goutils` treats them.

use super::cut;
use crate::error::Result;
use crate::exec::Context;
use crate::unicode::{chars, is_lower, is_space, is_upper, to_lower, to_title, to_upper};

/// Takes every byte for a character, as some of these functions do.
fn latin1(text: &[u8]) -> impl Iterator<Item = char> + '_ {
    text.iter().map(|byte| char::from(*byte))
}

pub(super) fn initials(text: &[u8]) -> String {
    let mut after_gap = true;
    latin1(text)
        .filter(|c| {
            let space = is_space(*c);
            let first = after_gap && !space;
            after_gap = space;
            first
        })
        .collect()
}

pub(super) fn delete_white_space(text: &[u8]) -> Vec<u8> {
    if !latin1(text).any(is_space) {
        return text.to_vec();
    }
    latin1(text)
        .filter(|c| !is_space(*c))
        .collect::<String>()
        .into_bytes()
}

pub(super) fn uncapitalize(text: &[u8]) -> Vec<u8> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut first = true;
    let lowered: String = chars(text)
        .map(|(c, _)| {
            if is_space(c) {
                first = true;
                c
            } else if std::mem::take(&mut first) {
                to_lower(c)
            } else {
                c
            }
        })
        .collect();
    lowered.into_bytes()
}

pub(super) fn swap_case(text: &[u8]) -> String {
    let mut after_space = true;
    chars(text)
        .map(|(c, _)| {
            let is_title = matches!(c, '\u{1c5}' | '\u{1c8}' | '\u{1cb}' | '\u{1f2}')
                || matches!(c, '\u{1f88}'..='\u{1f8f}' | '\u{1f98}'..='\u{1f9f}')
                || matches!(
                    c,
                    '\u{1fa8}'..='\u{1faf}' | '\u{1fbc}' | '\u{1fcc}' | '\u{1ffc}'
                );
            if is_upper(c) || is_title {
                after_space = false;
                to_lower(c)
            } else if is_lower(c) {
                if std::mem::take(&mut after_space) {
                    to_title(c)
                } else {
                    to_upper(c)
                }
            } else {
                after_space = is_space(c);
                c
            }
        })
        .collect()
}

/// Cuts a text to a width, with dots where something is missing; `offset` must stay visible.
pub(super) fn abbreviate(text: &[u8], offset: i64, width: i64) -> Result<Vec<u8>> {
    let length = text.len() as i64;
    if width < 4 || length <= width {
        return Ok(if width < 4 { Vec::new() } else { text.to_vec() });
    }
    let room = width - 3;
    let offset = if length - offset.min(length) < room {
        length - room
    } else {
        offset
    };
    if offset <= 4 {
        return Ok([cut(text, 0, room)?, b"..."].concat());
    }
    if width < 7 {
        return Ok(Vec::new());
    }
    let rest = if offset + room < length {
        abbreviate(cut(text, offset, length)?, 0, room)?
    } else {
        cut(text, length - room, length)?.to_vec()
    };
    Ok([b"...", rest.as_slice()].concat())
}

/// Breaks a text at spaces into lines of a width in bytes.
pub(super) fn wrap(
    context: &mut Context<'_>,
    text: &[u8],
    width: i64,
    newline: &[u8],
    break_words: bool,
) -> Result<Vec<u8>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let newline = if newline.is_empty() { b"\n" } else { newline };
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let lines = text.len() / width + memchr::memchr_iter(b' ', text).count() + 1;
    context.check_size((lines.saturating_mul(newline.len()) + text.len()) as u64)?;
    let mut out = Vec::with_capacity(text.len() + text.len() / width + 1);
    let mut at = 0;
    while text.len() - at > width {
        if text[at] == b' ' {
            at += 1;
            continue;
        }
        let line = &text[at..at + width + 1];
        let (end, next) = match memchr::memrchr(b' ', line) {
            Some(space) => (at + space, at + space + 1),
            None if break_words => (at + width, at + width),
            None => match memchr::memchr(b' ', &text[at + width..]) {
                Some(space) => (at + width + space, at + width + space + 1),
                None => break,
            },
        };
        out.extend_from_slice(&text[at..end]);
        out.extend_from_slice(newline);
        at = next;
    }
    out.extend_from_slice(&text[at..]);
    Ok(out)
}
