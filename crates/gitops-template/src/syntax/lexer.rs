//! Splits a template into tokens, as `text/template/parse` does.

use memchr::memmem;

use crate::format::quote::quote;
use crate::unicode::{is_digit, is_letter, is_print};

/// A token: its kind and where in the text it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Token {
    pub(super) const NONE: Self = Self {
        kind: TokenKind::Error,
        start: 0,
        end: 0,
    };
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
    Space,
    String,
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
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    left: &'t str,
    right: &'t str,
    find_left: memmem::Finder<'t>,
    /// Where the next token starts.
    start: usize,
    /// How far the text was read.
    pos: usize,
    inside: bool,
    depth: usize,
    /// Whether `break` and `continue` are keywords, and not names of functions.
    pub(super) break_is_keyword: bool,
    pub(super) continue_is_keyword: bool,
    /// The message of an error token.
    pub(super) message: String,
    failed: bool,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, left: &'t str, right: &'t str) -> Self {
        Self {
            text,
            left,
            right,
            find_left: memmem::Finder::new(left),
            start: 0,
            pos: 0,
            inside: false,
            depth: 0,
            break_is_keyword: true,
            continue_is_keyword: true,
            message: String::new(),
            failed: false,
        }
    }

    /// Returns the line of a place, from 1.
    pub(super) fn line(&self, at: u32) -> usize {
        1 + memchr::memchr_iter(b'\n', &self.text.as_bytes()[..at as usize]).count()
    }

    /// Returns the next token.
    pub(super) fn next(&mut self) -> Token {
        if self.failed {
            // What follows an error is as if the text had ended in the action.
            self.message = String::from("unclosed action");
            return Self::token(TokenKind::Error, self.start, self.start);
        }
        if self.inside {
            self.inside_action()
        } else {
            self.outside_action()
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.pos..]
    }

    #[inline]
    fn peek(&self) -> Option<char> {
        let byte = *self.text.as_bytes().get(self.pos)?;
        if byte < 0x80 {
            Some(char::from(byte))
        } else {
            self.rest().chars().next()
        }
    }

    #[inline]
    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn emit(&mut self, kind: TokenKind) -> Token {
        let token = Self::token(kind, self.start, self.pos);
        self.start = self.pos;
        token
    }

    /// Makes a token. Texts are so short that places in them fit.
    #[inline]
    const fn token(kind: TokenKind, start: usize, end: usize) -> Token {
        Token {
            kind,
            start: start as u32,
            end: end as u32,
        }
    }

    fn error(&mut self, message: impl Into<String>) -> Token {
        self.message = message.into();
        self.failed = true;
        Self::token(TokenKind::Error, self.start, self.start)
    }

    /// Reads text up to an action, and past comments.
    fn outside_action(&mut self) -> Token {
        loop {
            let Some(at) = self.find_left.find(self.rest().as_bytes()) else {
                self.pos = self.text.len();
                let kind = if self.pos > self.start {
                    TokenKind::Text
                } else {
                    TokenKind::Eof
                };
                return self.emit(kind);
            };
            if at > 0 {
                let delimiter = self.pos + at;
                let after = &self.text[delimiter + self.left.len()..];
                let mut text = &self.text[self.start..delimiter];
                if has_left_trim_marker(after.as_bytes()) {
                    text = text.trim_end_matches(SPACE);
                }
                let token = Self::token(TokenKind::Text, self.start, self.start + text.len());
                self.pos = delimiter;
                self.start = delimiter;
                if !text.is_empty() {
                    return token;
                }
            }
            let after = self.pos + self.left.len();
            let trims = has_left_trim_marker(&self.text.as_bytes()[after..]);
            let inner = after + if trims { 2 } else { 0 };
            if !self.text[inner..].starts_with("/*") {
                self.pos = after;
                let token = self.emit(TokenKind::LeftDelimiter);
                self.inside = true;
                self.depth = 0;
                self.pos = inner;
                self.start = inner;
                return token;
            }
            self.pos = inner;
            self.start = inner;
            if let Err(message) = self.skip_comment() {
                return self.error(message);
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), &'static str> {
        let inner = self.pos + 2;
        let end = memmem::find(&self.text.as_bytes()[inner..], b"*/").ok_or("unclosed comment")?;
        self.pos = inner + end + 2;
        let trims = self
            .at_right_delimiter()
            .ok_or("comment ends before closing delimiter")?;
        self.skip_right_delimiter(trims);
        Ok(())
    }

    /// Tells whether a right delimiter follows, and whether it trims the text after it.
    fn at_right_delimiter(&self) -> Option<bool> {
        let rest = &self.text.as_bytes()[self.pos..];
        if has_right_trim_marker(rest) && rest[2..].starts_with(self.right.as_bytes()) {
            return Some(true);
        }
        self.at_right().then_some(false)
    }

    /// Tells whether the right delimiter itself follows; its first byte mostly tells already.
    #[inline]
    fn at_right(&self) -> bool {
        let rest = &self.text.as_bytes()[self.pos..];
        let right = self.right.as_bytes();
        rest.first() == right.first() && rest.starts_with(right)
    }

    fn skip_right_delimiter(&mut self, trims: bool) {
        if trims {
            self.pos += 2;
        }
        self.pos += self.right.len();
        if trims {
            let rest = self.rest();
            self.pos += rest.len() - rest.trim_start_matches(SPACE).len();
        }
        self.start = self.pos;
    }

    fn right_delimiter(&mut self, trims: bool) -> Token {
        let start = self.pos + if trims { 2 } else { 0 };
        let token = Self::token(TokenKind::RightDelimiter, start, start + self.right.len());
        self.skip_right_delimiter(trims);
        self.inside = false;
        token
    }

    fn inside_action(&mut self) -> Token {
        // Most tokens begin with a letter, which may begin a delimiter of the host's own at most.
        if let Some(byte) = self.text.as_bytes().get(self.pos)
            && (is_space(*byte) || self.right.as_bytes().first() == Some(byte))
            && let Some(trims) = self.at_right_delimiter()
        {
            if self.depth == 0 {
                return self.right_delimiter(trims);
            }
            return self.error("unclosed left paren");
        }
        let Some(c) = self.bump() else {
            return self.error("unclosed action");
        };
        match c {
            ' ' | '\t' | '\r' | '\n' => self.space(),
            '=' => self.emit(TokenKind::Assign),
            ':' => {
                if self.bump() == Some('=') {
                    self.emit(TokenKind::Declare)
                } else {
                    self.error("expected :=")
                }
            }
            '|' => self.emit(TokenKind::Pipe),
            '"' => self.quoted('"', TokenKind::String, "unterminated quoted string"),
            '`' => self.raw_string(),
            '$' => self.field_or_variable(TokenKind::Variable),
            '\'' => self.quoted(
                '\'',
                TokenKind::CharConstant,
                "unterminated character constant",
            ),
            '.' if !self.peek().is_none_or(|c| c.is_ascii_digit()) => {
                self.field_or_variable(TokenKind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.pos -= 1;
                self.number()
            }
            '(' => {
                self.depth += 1;
                self.emit(TokenKind::LeftParen)
            }
            ')' => match self.depth.checked_sub(1) {
                Some(depth) => {
                    self.depth = depth;
                    self.emit(TokenKind::RightParen)
                }
                None => self.error("unexpected right paren"),
            },
            c if is_alphanumeric(c) => self.identifier(),
            c if c.is_ascii() && is_print(c) => self.emit(TokenKind::Char),
            c => self.error(format!(
                "unrecognized character in action: {}",
                code_point(Some(c))
            )),
        }
    }

    fn space(&mut self) -> Token {
        self.pos = self.start;
        let rest = &self.text.as_bytes()[self.pos..];
        let end = rest.iter().position(|byte| !is_space(*byte));
        let count = end.unwrap_or(rest.len());
        self.pos += count;
        // The last of the spaces may belong to a delimiter that trims.
        let last = &rest[count - 1..];
        if has_right_trim_marker(last) && last[2..].starts_with(self.right.as_bytes()) {
            self.pos -= 1;
            if count == 1 {
                return self.right_delimiter(true);
            }
        }
        self.emit(TokenKind::Space)
    }

    fn take_alphanumeric(&mut self) {
        let bytes = self.text.as_bytes();
        loop {
            let count = bytes[self.pos..]
                .iter()
                .position(|byte| !IN_NAME[usize::from(*byte)]);
            self.pos = count.map_or(bytes.len(), |count| self.pos + count);
            match bytes.get(self.pos) {
                Some(0x80..) if self.peek().is_some_and(is_alphanumeric) => {
                    self.bump();
                }
                _ => return,
            }
        }
    }

    fn identifier(&mut self) -> Token {
        self.take_alphanumeric();
        if !self.at_terminator() {
            return self.bad_character();
        }
        let kind = match &self.text[self.start..self.pos] {
            "block" => TokenKind::Block,
            "break" if self.break_is_keyword => TokenKind::Break,
            "continue" if self.continue_is_keyword => TokenKind::Continue,
            "define" => TokenKind::Define,
            "else" => TokenKind::Else,
            "end" => TokenKind::End,
            "if" => TokenKind::If,
            "range" => TokenKind::Range,
            "nil" => TokenKind::Nil,
            "template" => TokenKind::Template,
            "with" => TokenKind::With,
            "true" | "false" => TokenKind::Bool,
            _ => TokenKind::Identifier,
        };
        self.emit(kind)
    }

    /// Reads a field or a variable, whose `.` or `$` has been read.
    fn field_or_variable(&mut self, kind: TokenKind) -> Token {
        if self.at_terminator() {
            return self.emit(match kind {
                TokenKind::Variable => kind,
                _ => TokenKind::Dot,
            });
        }
        self.take_alphanumeric();
        if self.at_terminator() {
            self.emit(kind)
        } else {
            self.bad_character()
        }
    }

    fn bad_character(&mut self) -> Token {
        let message = format!("bad character {}", code_point(self.peek()));
        self.error(message)
    }

    /// Tells whether what follows may stand after a name.
    fn at_terminator(&self) -> bool {
        match self.text.as_bytes().get(self.pos) {
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b'.' | b',' | b'|' | b':' | b')' | b'(') => {
                true
            }
            _ => self.at_right(),
        }
    }

    fn quoted(&mut self, delimiter: char, kind: TokenKind, message: &'static str) -> Token {
        loop {
            // What is none of these is part of the text.
            let rest = &self.text.as_bytes()[self.pos..];
            let special = memchr::memchr3(b'\\', b'\n', delimiter as u8, rest);
            self.pos += special.unwrap_or(rest.len());
            match self.bump() {
                Some('\\') => {
                    if matches!(self.bump(), None | Some('\n')) {
                        return self.error(message);
                    }
                }
                None | Some('\n') => return self.error(message),
                Some(c) if c == delimiter => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Token {
        match memchr::memchr(b'`', self.rest().as_bytes()) {
            Some(at) => {
                self.pos += at + 1;
                self.emit(TokenKind::RawString)
            }
            None => self.error("unterminated raw quoted string"),
        }
    }

    fn number(&mut self) -> Token {
        let mut kind = TokenKind::Number;
        let mut good = self.scan_number();
        if good && matches!(self.peek(), Some('+' | '-')) {
            kind = TokenKind::Complex;
            good = self.scan_number() && self.text[..self.pos].ends_with('i');
        }
        if good {
            return self.emit(kind);
        }
        let text = &self.text[self.start..self.pos];
        self.error(format!("bad number syntax: {}", quote(text.as_bytes())))
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
        if self.peek().is_some_and(is_alphanumeric) {
            self.bump();
            return false;
        }
        true
    }
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The bytes of ASCII that a name may have.
const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        byte += 1;
    }
    table
};

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
