//! `snakecase`, `camelcase` and `kebabcase`, as `huandu/xstrings` writes them.

use super::{Table, text};
use crate::unicode::{
    chars, decode, is_letter, is_number, is_punctuation, is_space, is_upper, to_lower, to_upper,
};
use crate::value::{Type, Value};

pub(super) fn register(table: &mut Table<'_>) {
    use Type::String;
    table.add("snakecase", &[String], String, |_, a| {
        Ok(Value::from(joined(text(&a[0]), '_')))
    });
    table.add("kebabcase", &[String], String, |_, a| {
        Ok(Value::from(joined(text(&a[0]), '-')))
    });
    table.add("camelcase", &[String], String, |_, a| {
        Ok(Value::from(pascal(text(&a[0]))))
    });
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || is_space(c)
}

fn pascal(text: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = chars(text).map(|(c, _)| c).peekable();
    let mut current = None;
    let mut first_was_upper = false;
    // Connectors at the start stay.
    for c in rest.by_ref() {
        current = Some(c);
        if !is_connector(c) {
            first_was_upper = is_upper(c);
            current = Some(to_upper(c));
            break;
        }
        out.push(c);
    }
    let Some(mut current) = current else {
        return out;
    };
    if rest.peek().is_none() {
        out.push(current);
        return out;
    }
    for c in rest {
        let before = std::mem::replace(&mut current, c);
        if is_connector(current) && is_connector(before) {
            out.push(before);
        } else if is_connector(before) {
            first_was_upper = is_upper(current);
            current = to_upper(current);
        } else {
            if first_was_upper {
                if is_upper(current) {
                    current = to_lower(current);
                } else {
                    first_was_upper = false;
                }
            }
            out.push(before);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    None,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

impl Word {
    const fn is_letters(self) -> bool {
        matches!(self, Self::Alphabet | Self::Number)
    }
}

/// Tells whether a character is a letter of a script that is written with spaces between words.
fn is_alphabet(c: char) -> bool {
    is_letter(c) && !matches!(c as u32, 0x3400..=0x4d85 | 0x4e00..=0x9fcc | 0x20000..=0x2b81d)
}

/// Splits a text into words and writes them in lower case with a connector between.
fn joined(text: &[u8], connector: char) -> String {
    let mut out = String::new();
    if text.is_empty() {
        return out;
    }
    let (mut kind, mut word, mut rest) = next_word(text);
    while !rest.is_empty() {
        if kind != Word::Connector {
            write_word(&mut out, kind, word, connector);
        }
        let (before, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match before {
            Word::Number => {
                while kind.is_letters() {
                    write_word(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::None | Word::Punctuation | Word::Connector) {
                    out.push(connector);
                }
            }
            Word::Connector => write_word(&mut out, before, last, connector),
            Word::Punctuation => {}
            _ if kind != Word::Number => {
                if !matches!(kind, Word::Connector | Word::Punctuation) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word, rest) = next_word(rest);
                if kind == Word::Alphabet {
                    // Lower case after a number makes both a word of their own.
                    out.push(connector);
                    write_word(&mut out, Word::Number, number, connector);
                    while kind.is_letters() {
                        write_word(&mut out, kind, word, connector);
                        (kind, word, rest) = next_word(rest);
                    }
                    if !matches!(kind, Word::None | Word::Connector | Word::Punctuation) {
                        out.push(connector);
                    }
                } else {
                    write_word(&mut out, Word::Number, number, connector);
                    if !matches!(kind, Word::Connector | Word::Punctuation) {
                        out.push(connector);
                    }
                }
            }
        }
    }
    write_word(&mut out, kind, word, connector);
    out
}

fn write_word(out: &mut String, kind: Word, word: &[u8], connector: char) {
    for (c, _) in chars(word) {
        out.push(if !matches!(kind, Word::Upper | Word::Connector) {
            c
        } else if is_connector(c) {
            connector
        } else if is_upper(c) {
            to_lower(c)
        } else {
            c
        });
    }
}

/// Returns the next character that is valid, or `before`, and how many bytes it takes with all
/// invalid ones before it.
fn next_valid(text: &[u8], before: char) -> (char, usize) {
    let mut size = 0;
    for (c, width) in chars(text) {
        size += width;
        if c != char::REPLACEMENT_CHARACTER {
            return (c, size);
        }
    }
    (before, size)
}

/// Counts the bytes of the characters at the start that `accepts` lets through. The last character
/// that was looked at comes back as well.
fn run(text: &[u8], mut last: char, accepts: impl Fn(char) -> bool) -> (usize, char) {
    let mut size = 0;
    while size < text.len() {
        let (c, width) = next_valid(&text[size..], last);
        last = c;
        if width == 0 || !accepts(c) {
            break;
        }
        size += width;
    }
    (size, last)
}

fn next_word(text: &[u8]) -> (Word, &[u8], &[u8]) {
    if text.is_empty() {
        return (Word::None, text, text);
    }
    let (first, width) = next_valid(text, char::REPLACEMENT_CHARACTER);
    if first == char::REPLACEMENT_CHARACTER {
        return (Word::None, &text[..width], &text[width..]);
    }
    let rest = &text[width..];
    let lower = |c: char| is_alphabet(c) && !is_upper(c);
    let (kind, more) = if is_connector(first) {
        (Word::Connector, run(rest, first, is_connector).0)
    } else if is_punctuation(first) {
        (Word::Punctuation, run(rest, first, is_punctuation).0)
    } else if is_upper(first) {
        (Word::Upper, upper_word(rest, first))
    } else if is_alphabet(first) {
        (Word::Alphabet, run(rest, first, lower).0)
    } else if is_number(first) {
        (Word::Number, run(rest, first, is_number).0)
    } else {
        let other =
            |c: char| !(is_connector(c) || is_alphabet(c) || is_number(c) || is_punctuation(c));
        (Word::Other, run(rest, first, other).0)
    };
    let end = width + more;
    (kind, &text[..end], &text[end..])
}

/// Measures what follows the first capital: more capitals without the one that starts the next
/// word, or small letters.
fn upper_word(rest: &[u8], first: char) -> usize {
    if rest.is_empty() {
        return 0;
    }
    let (second, width) = next_valid(rest, first);
    if is_upper(second) {
        let (more, next) = run(&rest[width..], second, is_upper);
        let end = width + more;
        if end < rest.len() && is_alphabet(next) {
            let last = last_width(&rest[..end]);
            return end - last;
        }
        return end;
    }
    if is_alphabet(second) {
        return width + run(&rest[width..], second, |c| is_alphabet(c) && !is_upper(c)).0;
    }
    0
}

/// Returns how many bytes the last character takes.
fn last_width(text: &[u8]) -> usize {
    let mut rest = text;
    let mut last = 0;
    while let Some((_, width)) = decode(rest) {
        last = width;
        rest = &rest[width..];
    }
    last
}
