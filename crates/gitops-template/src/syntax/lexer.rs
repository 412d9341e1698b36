//! Splits a template into tokens, as `text/template/parse` does.

use memchr::memmem;

use crate::format::quote::quote;
use crate::unicode::{is_digit, is_letter, is_print};

/// A token: its kind and where in the text it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Where the space before it starts, which is no token of its own.
    space: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Token {
    pub(super) const NONE: Self = Self::new(TokenKind::Error, 0, 0, 0);

    /// Makes a token. Texts are so short that places in them fit.
    #[inline]
    const fn new(kind: TokenKind, space: usize, start: usize, end: usize) -> Self {
        Self {
            kind,
            space: space as u32,
            start: start as u32,
            end: end as u32,
        }
    }

    /// Tells whether space stands before it, in an action.
    #[inline]
    pub(super) const fn is_spaced(self) -> bool {
        self.space < self.start
    }

    /// Returns where the space before it starts, or the token itself.
    pub(super) const fn space_start(self) -> u32 {
        self.space
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// The text is no template; the lexer holds the message.
    Error,
    Bool,
    /// A character without another meaning, such as a comma.
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelimiter,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelimiter,
    RightParen,
    /// A string without escapes.
    String,
    EscapedString,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl TokenKind {
    pub(super) const fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Block
                | Self::Break
                | Self::Continue
                | Self::Dot
                | Self::Define
                | Self::Else
                | Self::End
                | Self::If
                | Self::Nil
                | Self::Range
                | Self::Template
                | Self::With
        )
    }

    /// Returns what the first character of a field or a variable is alone.
    const fn alone(self) -> Self {
        match self {
            Self::Field => Self::Dot,
            kind => kind,
        }
    }
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    left: &'t [u8],
    right: &'t [u8],
    left_first: u8,
    right_first: u8,
    /// How far the text was read.
    pos: usize,
    mode: Mode,
    depth: usize,
    /// Whether `break` and `continue` are keywords, and not names of functions.
    pub(super) break_is_keyword: bool,
    pub(super) continue_is_keyword: bool,
    /// The message of an error token.
    pub(super) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Outside,
    /// Where an action or a comment starts.
    AtDelimiter,
    Inside,
    /// The text is no template.
    Failed,
}

impl<'t> Lexer<'t> {
    /// Starts to read a text. The delimiters are not empty.
    pub(super) fn new(text: &'t str, left: &'t str, right: &'t str) -> Self {
        Self {
            text,
            left: left.as_bytes(),
            right: right.as_bytes(),
            left_first: left.bytes().next().unwrap_or_default(),
            right_first: right.bytes().next().unwrap_or_default(),
            pos: 0,
            mode: Mode::Outside,
            depth: 0,
            break_is_keyword: true,
            continue_is_keyword: true,
            message: String::new(),
        }
    }

    /// Returns the line of a place, from 1.
    pub(super) fn line(&self, at: u32) -> usize {
        1 + memchr::memchr_iter(b'\n', &self.text.as_bytes()[..at as usize]).count()
    }

    /// Returns the next token.
    #[inline]
    pub(super) fn next(&mut self) -> Token {
        match self.mode {
            Mode::Inside => self.inside_action(),
            Mode::Outside | Mode::AtDelimiter => self.outside_action(),
            // What follows an error is as if the text had ended in the action.
            Mode::Failed => self.error(self.pos, self.pos, "unclosed action"),
        }
    }

    fn char_at(&self, at: usize) -> Option<char> {
        self.text.get(at..)?.chars().next()
    }

    /// Tells whether a right delimiter stands at a place; its first byte mostly tells already.
    #[inline]
    fn ends_at(&self, at: usize) -> bool {
        let bytes = self.text.as_bytes();
        bytes.get(at) == Some(&self.right_first) && begins(&bytes[at..], self.right)
    }

    /// Makes a token out of the text up to `end`.
    #[inline]
    const fn emit(&mut self, kind: TokenKind, space: usize, start: usize, end: usize) -> Token {
        self.pos = end;
        Token::new(kind, space, start, end)
    }

    #[cold]
    #[inline(never)]
    fn error(&mut self, space: usize, at: usize, message: impl Into<String>) -> Token {
        self.message = message.into();
        self.mode = Mode::Failed;
        self.emit(TokenKind::Error, space, at, at)
    }

    /// Tells whether a dot is the next character.
    #[inline]
    pub(super) fn is_at_dot(&self) -> bool {
        self.text.as_bytes().get(self.pos) == Some(&b'.')
    }

    /// Reads text up to an action, and past comments.
    fn outside_action(&mut self) -> Token {
        let bytes = self.text.as_bytes();
        loop {
            let start = self.pos;
            let delimiter = match self.mode {
                Mode::AtDelimiter => Some(start),
                _ => self.find_left(start),
            };
            let Some(delimiter) = delimiter else {
                let kind = if start < bytes.len() {
                    TokenKind::Text
                } else {
                    TokenKind::Eof
                };
                return self.emit(kind, start, start, bytes.len());
            };
            let after = delimiter + self.left.len();
            let trims = has_left_trim_marker(&bytes[after..]);
            if delimiter > start {
                self.pos = delimiter;
                let mut end = delimiter;
                if trims {
                    end = start + trimmed(&bytes[start..end]);
                }
                if end > start {
                    self.mode = Mode::AtDelimiter;
                    return Token::new(TokenKind::Text, start, start, end);
                }
            }
            let inner = after + if trims { 2 } else { 0 };
            if !bytes[inner..].starts_with(b"/*") {
                self.mode = Mode::Inside;
                self.depth = 0;
                self.pos = inner;
                return Token::new(TokenKind::LeftDelimiter, delimiter, delimiter, after);
            }
            self.mode = Mode::Outside;
            if let Err(message) = self.skip_comment(inner + 2) {
                return self.error(inner, inner, message);
            }
        }
    }

    fn find_left(&self, from: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = from;
        loop {
            at += memchr::memchr(self.left_first, &bytes[at..])?;
            if begins(&bytes[at..], self.left) {
                return Some(at);
            }
            at += 1;
        }
    }

    fn skip_comment(&mut self, inner: usize) -> Result<(), &'static str> {
        let rest = &self.text.as_bytes()[inner..];
        let end = inner + memmem::find(rest, b"*/").ok_or("unclosed comment")? + 2;
        if self.trims_at(end) {
            self.skip_right_delimiter(end + 2, true);
        } else if self.ends_at(end) {
            self.skip_right_delimiter(end, false);
        } else {
            return Err("comment ends before closing delimiter");
        }
        Ok(())
    }

    /// Tells whether a right delimiter that trims the text after it starts at a place.
    #[inline]
    fn trims_at(&self, at: usize) -> bool {
        let bytes = self.text.as_bytes();
        has_right_trim_marker(&bytes[at..]) && begins(&bytes[at + 2..], self.right)
    }

    #[inline]
    fn skip_right_delimiter(&mut self, start: usize, trims: bool) {
        self.pos = start + self.right.len();
        if trims {
            self.pos = self.skip_space(self.pos);
        }
    }

    #[inline]
    fn skip_space(&self, mut at: usize) -> usize {
        let bytes = self.text.as_bytes();
        while bytes.get(at).is_some_and(|byte| is_space(*byte)) {
            at += 1;
        }
        at
    }

    /// Ends an action. The delimiter starts at `start`, and its marker at `marker`.
    fn right_delimiter(&mut self, space: usize, marker: usize, start: usize) -> Token {
        if self.depth > 0 {
            return self.error(space, marker, "unclosed left paren");
        }
        // The space that a marker needs is part of the delimiter.
        let space = if space == marker { start } else { space };
        self.mode = Mode::Outside;
        self.skip_right_delimiter(start, marker < start);
        Token::new(
            TokenKind::RightDelimiter,
            space,
            start,
            start + self.right.len(),
        )
    }

    fn inside_action(&mut self) -> Token {
        let bytes = self.text.as_bytes();
        let space = self.pos;
        let mut start = space;
        let mut byte = bytes.get(start).copied();
        if let Some(first) = byte
            && is_space(first)
        {
            if first == self.right_first && !self.trims_at(start) && self.ends_at(start) {
                return self.right_delimiter(space, start, start);
            }
            start = self.skip_space(start + 1);
            byte = bytes.get(start).copied();
            // The last of the spaces may belong to a delimiter that trims.
            if byte == Some(b'-') && self.ends_at(start + 1) {
                return self.right_delimiter(space, start - 1, start + 1);
            }
        }
        let Some(byte) = byte else {
            return self.error(space, start, "unclosed action");
        };
        if self.ends_at(start) {
            return self.right_delimiter(space, start, start);
        }
        let kind = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => TokenKind::Identifier,
            b'.' if !matches!(bytes.get(start + 1), None | Some(b'0'..=b'9')) => TokenKind::Field,
            b'$' => TokenKind::Variable,
            _ => return self.other(byte, space, start),
        };
        self.name(kind, space, start)
    }

    /// Reads a name, with the `.` of a field or the `$` of a variable before it.
    #[inline(always)]
    fn name(&mut self, kind: TokenKind, space: usize, start: usize) -> Token {
        let bytes = self.text.as_bytes();
        let mut end = start;
        if kind != TokenKind::Identifier {
            end += 1;
            if self.ends_at(end) {
                return self.emit(kind.alone(), space, start, end);
            }
        }
        while let Some(byte) = bytes.get(end) {
            match CLASS[usize::from(*byte)] {
                Class::Name => end += 1,
                Class::After => break,
                Class::Other => match self.char_at(end) {
                    Some(c) if is_alphanumeric(c) => end += c.len_utf8(),
                    _ if self.ends_at(end) => break,
                    c => return self.bad_character(c, space, start),
                },
            }
        }
        let kind = if kind == TokenKind::Identifier {
            self.word(&bytes[start..end])
        } else if end == start + 1 {
            kind.alone()
        } else {
            kind
        };
        self.emit(kind, space, start, end)
    }

    #[cold]
    #[inline(never)]
    fn bad_character(&mut self, c: Option<char>, space: usize, start: usize) -> Token {
        self.error(space, start, format!("bad character {}", code_point(c)))
    }

    #[inline]
    fn word(&self, word: &[u8]) -> TokenKind {
        match word {
            b"block" => TokenKind::Block,
            b"break" if self.break_is_keyword => TokenKind::Break,
            b"continue" if self.continue_is_keyword => TokenKind::Continue,
            b"define" => TokenKind::Define,
            b"else" => TokenKind::Else,
            b"end" => TokenKind::End,
            b"if" => TokenKind::If,
            b"range" => TokenKind::Range,
            b"nil" => TokenKind::Nil,
            b"template" => TokenKind::Template,
            b"with" => TokenKind::With,
            b"true" | b"false" => TokenKind::Bool,
            _ => TokenKind::Identifier,
        }
    }

    /// Reads a token that does not begin with a letter of ASCII, a `.` or a `$`.
    #[inline(never)]
    fn other(&mut self, byte: u8, space: usize, start: usize) -> Token {
        let bytes = self.text.as_bytes();
        let next = start + 1;
        match byte {
            b'"' => self.quoted(
                TokenKind::String,
                space,
                start,
                "unterminated quoted string",
            ),
            b'(' => {
                self.depth += 1;
                self.emit(TokenKind::LeftParen, space, start, next)
            }
            b')' => match self.depth.checked_sub(1) {
                Some(depth) => {
                    self.depth = depth;
                    self.emit(TokenKind::RightParen, space, start, next)
                }
                None => self.error(space, start, "unexpected right paren"),
            },
            b'|' => self.emit(TokenKind::Pipe, space, start, next),
            b'.' | b'+' | b'-' | b'0'..=b'9' => self.number(space, start),
            b':' => {
                if bytes.get(next) == Some(&b'=') {
                    self.emit(TokenKind::Declare, space, start, next + 1)
                } else {
                    self.error(space, start, "expected :=")
                }
            }
            b'=' => self.emit(TokenKind::Assign, space, start, next),
            b'`' => match memchr::memchr(b'`', &bytes[next..]) {
                Some(at) => self.emit(TokenKind::RawString, space, start, next + at + 1),
                None => self.error(space, start, "unterminated raw quoted string"),
            },
            b'\'' => self.quoted(
                TokenKind::CharConstant,
                space,
                start,
                "unterminated character constant",
            ),
            _ => match self.char_at(start) {
                Some(c) if is_alphanumeric(c) => self.name(TokenKind::Identifier, space, start),
                Some(c) if c.is_ascii() && is_print(c) => {
                    self.emit(TokenKind::Char, space, start, next)
                }
                c => {
                    let message = format!("unrecognized character in action: {}", code_point(c));
                    self.error(space, start, message)
                }
            },
        }
    }

    #[inline]
    fn quoted(
        &mut self,
        mut kind: TokenKind,
        space: usize,
        start: usize,
        message: &'static str,
    ) -> Token {
        let bytes = self.text.as_bytes();
        let delimiter = bytes[start];
        let mut at = start + 1;
        loop {
            match bytes.get(at) {
                Some(b'\\') if !matches!(bytes.get(at + 1), None | Some(b'\n')) => {
                    at += 2;
                    if kind == TokenKind::String {
                        kind = TokenKind::EscapedString;
                    }
                }
                None | Some(b'\\' | b'\n') => return self.error(space, start, message),
                Some(byte) if *byte == delimiter => return self.emit(kind, space, start, at + 1),
                Some(_) => at += 1,
            }
        }
    }

    fn number(&mut self, space: usize, start: usize) -> Token {
        self.pos = start;
        let mut kind = TokenKind::Number;
        let mut good = self.scan_number();
        if good && matches!(self.text.as_bytes().get(self.pos), Some(b'+' | b'-')) {
            kind = TokenKind::Complex;
            good = self.scan_number() && self.text[..self.pos].ends_with('i');
        }
        if good {
            return self.emit(kind, space, start, self.pos);
        }
        let text = quote(&self.text.as_bytes()[start..self.pos]);
        self.error(space, start, format!("bad number syntax: {text}"))
    }

    fn accept(&mut self, valid: &[u8]) -> bool {
        let found = self
            .text
            .as_bytes()
            .get(self.pos)
            .is_some_and(|byte| valid.contains(byte));
        self.pos += usize::from(found);
        found
    }

    fn scan_number(&mut self) -> bool {
        self.accept(b"+-");
        let mut digits: &[u8] = b"0123456789_";
        let mut exponent: &[u8] = b"eE";
        if self.accept(b"0") {
            if self.accept(b"xX") {
                digits = b"0123456789abcdefABCDEF_";
                exponent = b"pP";
            } else if self.accept(b"oO") {
                digits = b"01234567_";
                exponent = b"";
            } else if self.accept(b"bB") {
                digits = b"01_";
                exponent = b"";
            }
        }
        while self.accept(digits) {}
        if self.accept(b".") {
            while self.accept(digits) {}
        }
        if self.accept(exponent) {
            self.accept(b"+-");
            while self.accept(b"0123456789_") {}
        }
        self.accept(b"i");
        match self.char_at(self.pos) {
            Some(c) if is_alphanumeric(c) => {
                self.pos += c.len_utf8();
                false
            }
            _ => true,
        }
    }
}

/// What a byte is to a name before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Part of it.
    Name,
    /// What may stand after it.
    After,
    /// Not known from the byte alone, or wrong.
    Other,
}

const CLASS: [Class; 256] = {
    let mut table = [Class::Other; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => Class::Name,
            b' ' | b'\t' | b'\r' | b'\n' | b'.' | b',' | b'|' | b':' | b')' | b'(' => Class::After,
            _ => Class::Other,
        };
        byte += 1;
    }
    table
};

/// Tells whether a text begins with a delimiter, which has few bytes.
#[inline]
fn begins(text: &[u8], delimiter: &[u8]) -> bool {
    delimiter.len() <= text.len() && text.iter().zip(delimiter).all(|(a, b)| a == b)
}

/// Returns the length of a text without the space at its end.
fn trimmed(text: &[u8]) -> usize {
    text.iter()
        .rposition(|byte| !is_space(*byte))
        .map_or(0, |at| at + 1)
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || is_letter(c) || is_digit(c)
}

fn has_left_trim_marker(text: &[u8]) -> bool {
    matches!(text, [b'-', b' ' | b'\t' | b'\r' | b'\n', ..])
}

fn has_right_trim_marker(text: &[u8]) -> bool {
    matches!(text, [b' ' | b'\t' | b'\r' | b'\n', b'-', ..])
}

/// Writes a character as `%#U` does; the end of the text is -1.
fn code_point(c: Option<char>) -> String {
    match c {
        None => String::from("U+FFFFFFFFFFFFFFFF"),
        Some(c) if is_print(c) => format!("U+{:04X} '{c}'", c as u32),
        Some(c) => format!("U+{:04X}", c as u32),
    }
}
