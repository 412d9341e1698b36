//! The scanner: text to tokens, by the rules of libyaml, which go-yaml and with it all of Kubernetes follow.

mod scalar;

use std::borrow::Cow;
use std::collections::VecDeque;

use super::error::{Error, ErrorKind, Mark, Upstream};

/// How a scalar was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScalarStyle {
    /// Without quotes.
    #[default]
    Plain,
    /// In `'single quotes'`.
    SingleQuoted,
    /// In `"double quotes"`.
    DoubleQuoted,
    /// As a block that keeps its lines, `|`.
    Literal,
    /// As a block whose lines are joined, `>`.
    Folded,
}

#[derive(Debug)]
pub(crate) enum Token<'a> {
    StreamEnd,
    VersionDirective(u32, u32),
    TagDirective(Box<(&'a str, Cow<'a, str>)>),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    /// The handle and the rest; the handle is empty for a verbatim tag.
    Tag(Box<(&'a str, Cow<'a, str>)>),
    Scalar(Cow<'a, str>, ScalarStyle),
    /// `Key`, `Scalar` and `Value` in one: a key with its `:`, as nearly all keys are.
    ScalarKey(Cow<'a, str>, ScalarStyle),
}

/// A place where a key without `?` may have begun.
#[derive(Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    /// The number of the token that the key begins with, counted over the whole stream.
    token: usize,
    mark: Mark,
    column: usize,
}

/// How many characters a key without `?` may have before its `:`.
const SIMPLE_KEY_LENGTH: usize = 1024;

pub(crate) struct Scanner<'a> {
    pub(crate) text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    line: usize,
    line_start: usize,
    tokens: VecDeque<(Token<'a>, Mark)>,
    /// How many tokens were handed out.
    taken: usize,
    /// The column of the innermost block collection, -1 outside of all.
    indent: isize,
    indents: Vec<isize>,
    /// One place per flow level, the block level first.
    keys: Vec<SimpleKey>,
    /// No place before this index is possible.
    first_key: usize,
    flow: usize,
    key_allowed: bool,
    ended: bool,
    /// The text ends here before a character that YAML does not allow.
    control: bool,
}

/// Classes of bytes, so that the inner loops are one look-up per byte.
const BLANK: u8 = 1; // space and tab
const BREAK: u8 = 2; // may begin a line break
const FLOW: u8 = 4; // ends a plain scalar inside of brackets
const COLON: u8 = 8;
const WORD: u8 = 16; // of names of anchors, handles and directives
const QUOTE: u8 = 32; // ends a run of a quoted scalar

static CLASS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        let c = i as u8;
        table[i] = match c {
            b' ' | b'\t' => BLANK,
            b'\n' | b'\r' => BREAK,
            0xC2 | 0xE2 => BREAK,
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => FLOW,
            b':' => COLON,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-' => WORD,
            b'"' | b'\'' | b'\\' => QUOTE,
            _ => 0,
        };
        i += 1;
    }
    table
};

/// Finds the first character from `from` on that YAML does not allow; the end of the text where there is none.
pub(crate) fn readable_end(text: &str, from: usize) -> usize {
    find_control(&text.as_bytes()[from..]).map_or(text.len(), |i| from + i)
}

fn find_control(bytes: &[u8]) -> Option<usize> {
    /// How many bytes are looked at together.
    const CHUNK: usize = 64;
    let suspicious = |byte: u8| {
        (byte < 0x20) & (byte != b'\n') & (byte != b'\r') & (byte != b'\t')
            | (byte == 0x7F)
            | (byte == 0xC2)
            | (byte == 0xEF)
    };
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    for (chunk, start) in bytes.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        // Without a branch per byte the compiler looks at many at once.
        if !chunk
            .iter()
            .fold(false, |any, byte| any | suspicious(*byte))
        {
            continue;
        }
        for (i, byte) in (start..).zip(chunk) {
            let bad = match *byte {
                0xC2 => (0x80..0xA0).contains(&at(i + 1)) && at(i + 1) != 0x85,
                0xEF => at(i + 1) == 0xBF && at(i + 2) >= 0xBE,
                byte => suspicious(byte),
            };
            if bad {
                return Some(i);
            }
        }
    }
    None
}

impl<'a> Scanner<'a> {
    /// Scans `text` from a mark on, which must be at the beginning of a line, up to its [`readable_end`].
    pub(crate) fn new(text: &'a str, from: Mark, end: usize) -> Self {
        let mut start = from.offset;
        if start == 0 && text.starts_with('\u{feff}') {
            start = '\u{feff}'.len_utf8();
        }
        Self {
            text,
            bytes: &text.as_bytes()[..end],
            pos: start,
            line: from.line,
            line_start: start,
            tokens: VecDeque::with_capacity(16),
            taken: 0,
            indent: -1,
            indents: Vec::with_capacity(16),
            keys: vec![SimpleKey::default()],
            first_key: 0,
            flow: 0,
            key_allowed: true,
            ended: false,
            control: end < text.len(),
        }
    }

    #[inline]
    fn at(&self, i: usize) -> u8 {
        self.bytes.get(i).copied().unwrap_or(0)
    }

    #[inline]
    fn here(&self) -> u8 {
        self.at(self.pos)
    }

    #[inline]
    fn class(&self, i: usize) -> u8 {
        CLASS[usize::from(self.at(i))]
    }

    #[inline]
    pub(crate) const fn mark(&self) -> Mark {
        Mark {
            offset: self.pos,
            line: self.line,
        }
    }

    #[inline]
    const fn column(&self) -> usize {
        self.pos - self.line_start
    }

    /// Returns the length of the line break at `i`, 0 where there is none.
    #[inline]
    fn break_at(&self, i: usize) -> usize {
        match self.at(i) {
            b'\n' => 1,
            b'\r' => 1 + usize::from(self.at(i + 1) == b'\n'),
            0xC2 if self.at(i + 1) == 0x85 => 2,
            0xE2 if self.at(i + 1) == 0x80 && matches!(self.at(i + 2), 0xA8 | 0xA9) => 3,
            _ => 0,
        }
    }

    #[inline]
    fn is_blank_or_end(&self, i: usize) -> bool {
        i >= self.bytes.len() || self.class(i) & BLANK != 0 || self.break_at(i) > 0
    }

    /// Passes a line break of `length` bytes.
    #[inline]
    const fn pass_break(&mut self, length: usize) {
        self.pos += length;
        self.line += 1;
        self.line_start = self.pos;
    }

    fn pass_blanks(&mut self) {
        while self.class(self.pos) & BLANK != 0 {
            self.pos += 1;
        }
    }

    fn pass_comment(&mut self) {
        if self.here() == b'#' {
            while self.pos < self.bytes.len()
                && (self.class(self.pos) & BREAK == 0 || self.break_at(self.pos) == 0)
            {
                self.pos += 1;
            }
        }
    }

    /// Whether `---` or `...` stands here as a mark between documents.
    fn at_document_mark(&self) -> bool {
        self.column() == 0
            && matches!(self.here(), b'-' | b'.')
            && self.at(self.pos + 1) == self.here()
            && self.at(self.pos + 2) == self.here()
            && self.is_blank_or_end(self.pos + 3)
    }

    /// Makes an error of the scanner, which Go counts from line 1.
    #[cold]
    fn error(&self, context: Mark, message: &'static str) -> Error {
        let mark = self.mark();
        if self.control && self.pos >= self.bytes.len() {
            let mark = Mark {
                offset: self.bytes.len(),
                ..mark
            };
            let message = "control characters are not allowed";
            let upstream = Upstream::default();
            return Error::new(ErrorKind::Characters, self.text, mark, upstream, message);
        }
        let upstream = Upstream {
            problem: mark.line,
            context: context.line,
            scanner: true,
            immediate: true,
            message: None,
        };
        Error::new(ErrorKind::Syntax, self.text, mark, upstream, message)
    }

    fn push(&mut self, token: Token<'a>, mark: Mark) {
        self.tokens.push_back((token, mark));
    }

    /// Returns the next token without taking it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<&(Token<'a>, Mark), Error> {
        while self.needs_more()? {
            self.fetch()?;
        }
        Ok(self
            .tokens
            .front()
            .expect("tokens are fetched until there is one"))
    }

    /// Returns where the next token begins, or scanning has come to.
    pub(crate) fn reached(&self) -> Mark {
        self.tokens.front().map_or(self.mark(), |(_, mark)| *mark)
    }

    /// Scans as far ahead as go-yaml v3 does, which wants two more tokens than the next one.
    pub(crate) fn look_ahead(&mut self) -> Result<(), Error> {
        loop {
            let ahead: usize = self
                .tokens
                .iter()
                .map(|(token, _)| match token {
                    Token::ScalarKey(..) => 3,
                    _ => 1,
                })
                .sum();
            if ahead >= 3 || self.ended {
                return Ok(());
            }
            self.fetch()?;
        }
    }

    /// Takes the token that was looked at.
    #[inline]
    pub(crate) fn take(&mut self) -> (Token<'a>, Mark) {
        self.taken += 1;
        self.tokens
            .pop_front()
            .expect("a token is looked at before it is taken")
    }

    /// Whether the first token of the queue, if any, may still turn out to begin a key.
    #[inline]
    fn needs_more(&mut self) -> Result<bool, Error> {
        if self.tokens.is_empty() {
            return Ok(!self.ended);
        }
        while let Some(key) = self.keys.get(self.first_key) {
            if key.possible {
                if key.token > self.taken {
                    return Ok(false);
                }
                let key = *key;
                if self.is_current(&key) {
                    return Ok(!self.ended);
                }
                if key.required {
                    return Err(self.error(key.mark, "could not find expected ':'"));
                }
                self.keys[self.first_key].possible = false;
            }
            self.first_key += 1;
        }
        Ok(false)
    }

    /// Whether a key that began there can still end here.
    fn is_current(&self, key: &SimpleKey) -> bool {
        key.mark.line == self.line
            && (self.pos - key.mark.offset <= SIMPLE_KEY_LENGTH
                || self.text[key.mark.offset..self.pos].chars().count() <= SIMPLE_KEY_LENGTH)
    }

    /// Notes that a key may begin here.
    fn save_key(&mut self) -> Result<(), Error> {
        if self.key_allowed {
            self.drop_key()?;
            let level = self.keys.len() - 1;
            self.keys[level] = SimpleKey {
                possible: true,
                required: self.flow == 0 && self.indent == self.column() as isize,
                token: self.taken + self.tokens.len(),
                mark: self.mark(),
                column: self.column(),
            };
            self.first_key = self.first_key.min(level);
        }
        Ok(())
    }

    /// Forgets the key that may have begun on this level.
    fn drop_key(&mut self) -> Result<(), Error> {
        let level = self.keys.len() - 1;
        let key = &mut self.keys[level];
        if key.possible {
            key.possible = false;
            if key.required {
                let mark = key.mark;
                return Err(self.error(mark, "could not find expected ':'"));
            }
        }
        Ok(())
    }

    /// Begins a block collection where the column is deeper than the current one.
    fn roll(&mut self, column: usize, at: Option<usize>, token: Token<'a>, mark: Mark) {
        if self.flow == 0 && self.indent < column as isize {
            self.indents.push(self.indent);
            self.indent = column as isize;
            match at {
                Some(number) => self.tokens.insert(number - self.taken, (token, mark)),
                None => self.push(token, mark),
            }
        }
    }

    /// Ends the block collections that are deeper than the column.
    #[inline]
    fn unroll(&mut self, column: isize) {
        if self.flow == 0 {
            while self.indent > column {
                self.push(Token::BlockEnd, self.mark());
                self.indent = self.indents.pop().unwrap_or(-1);
            }
        }
    }

    /// Passes blanks, comments and line breaks. Tabs may not stand where they would be indentation.
    fn pass_gap(&mut self) {
        loop {
            loop {
                match self.here() {
                    b' ' => self.pos += 1,
                    b'\t' if self.flow > 0 || !self.key_allowed => self.pos += 1,
                    _ => break,
                }
            }
            self.pass_comment();
            match self.break_at(self.pos) {
                0 => return,
                length => self.pass_break(length),
            }
            if self.flow == 0 {
                self.key_allowed = true;
            }
        }
    }

    /// Adds the next token, with those that it brings along.
    fn fetch(&mut self) -> Result<(), Error> {
        self.pass_gap();
        // A key that began on a line that is left behind is none.
        let level = self.keys.len() - 1;
        let key = self.keys[level];
        if key.possible && !self.is_current(&key) {
            self.drop_key()?;
        }
        let column = self.column();
        self.unroll(column as isize);
        let mark = self.mark();
        if self.pos >= self.bytes.len() {
            return self.fetch_end(mark);
        }
        let byte = self.here();
        if column == 0 {
            if byte == b'%' {
                return self.fetch_directive(mark);
            }
            if self.at_document_mark() {
                self.unroll(-1);
                self.drop_key()?;
                self.key_allowed = false;
                self.pos += 3;
                let token = if byte == b'-' {
                    Token::DocumentStart
                } else {
                    Token::DocumentEnd
                };
                self.push(token, mark);
                return Ok(());
            }
        }
        match byte {
            b'[' => self.fetch_flow_start(Token::FlowSequenceStart, mark),
            b'{' => self.fetch_flow_start(Token::FlowMappingStart, mark),
            b']' => self.fetch_flow_end(Token::FlowSequenceEnd, mark),
            b'}' => self.fetch_flow_end(Token::FlowMappingEnd, mark),
            b',' => {
                self.drop_key()?;
                self.key_allowed = true;
                self.pos += 1;
                self.push(Token::FlowEntry, mark);
                Ok(())
            }
            b'-' if self.is_blank_or_end(self.pos + 1) => self.fetch_entry(mark),
            b'?' if self.flow > 0 || self.is_blank_or_end(self.pos + 1) => self.fetch_key(mark),
            b':' if self.flow > 0 || self.is_blank_or_end(self.pos + 1) => self.fetch_value(mark),
            b'*' | b'&' => {
                self.save_key()?;
                self.key_allowed = false;
                let name = self.scan_anchor(mark)?;
                let token = if byte == b'*' {
                    Token::Alias(name)
                } else {
                    Token::Anchor(name)
                };
                self.push(token, mark);
                Ok(())
            }
            b'!' => {
                self.save_key()?;
                self.key_allowed = false;
                let token = self.scan_tag(mark)?;
                self.push(token, mark);
                Ok(())
            }
            b'|' | b'>' if self.flow == 0 => {
                self.drop_key()?;
                self.key_allowed = true;
                let style = if byte == b'|' {
                    ScalarStyle::Literal
                } else {
                    ScalarStyle::Folded
                };
                let scalar = self.scan_block(mark, style == ScalarStyle::Literal)?;
                self.push(Token::Scalar(scalar, style), mark);
                Ok(())
            }
            b'\'' => self.fetch_scalar(mark, ScalarStyle::SingleQuoted),
            b'"' => self.fetch_scalar(mark, ScalarStyle::DoubleQuoted),
            _ => {
                let next = self.class(self.pos + 1) & BLANK != 0;
                let plain = match byte {
                    b'-' => !next,
                    b'?' | b':' => !self.is_blank_or_end(self.pos + 1),
                    b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => false,
                    _ => true,
                };
                if !plain {
                    return Err(self.error(mark, "found character that cannot start any token"));
                }
                self.fetch_scalar(mark, ScalarStyle::Plain)
            }
        }
    }

    /// Adds a scalar that may be a key.
    fn fetch_scalar(&mut self, mark: Mark, style: ScalarStyle) -> Result<(), Error> {
        let column = self.column();
        self.save_key()?;
        let may_be_key = self.key_allowed;
        self.key_allowed = false;
        let scalar = match style {
            ScalarStyle::SingleQuoted => self.scan_quoted(mark, b'\'')?,
            ScalarStyle::DoubleQuoted => self.scan_quoted(mark, b'"')?,
            _ => self.scan_plain(mark)?,
        };
        if may_be_key && self.line == mark.line {
            self.pass_blanks();
            if self.here() == b':'
                && (self.flow > 0 || self.is_blank_or_end(self.pos + 1))
                && self.pos - mark.offset <= SIMPLE_KEY_LENGTH
            {
                self.keys[self.flow].possible = false;
                self.roll(column, None, Token::BlockMappingStart, mark);
                self.pos += 1;
                self.push(Token::ScalarKey(scalar, style), mark);
                return Ok(());
            }
        }
        self.push(Token::Scalar(scalar, style), mark);
        Ok(())
    }

    fn fetch_end(&mut self, mark: Mark) -> Result<(), Error> {
        if self.control {
            return Err(self.error(mark, "control characters are not allowed"));
        }
        if self.column() > 0 {
            self.line += 1;
            self.line_start = self.pos;
        }
        self.unroll(-1);
        self.drop_key()?;
        self.key_allowed = false;
        self.ended = true;
        self.push(Token::StreamEnd, self.mark());
        Ok(())
    }

    fn fetch_flow_start(&mut self, token: Token<'a>, mark: Mark) -> Result<(), Error> {
        self.save_key()?;
        self.keys.push(SimpleKey::default());
        self.flow += 1;
        self.key_allowed = true;
        self.pos += 1;
        self.push(token, mark);
        Ok(())
    }

    fn fetch_flow_end(&mut self, token: Token<'a>, mark: Mark) -> Result<(), Error> {
        self.drop_key()?;
        if self.flow > 0 {
            self.flow -= 1;
            self.keys.pop();
            self.first_key = self.first_key.min(self.keys.len() - 1);
        }
        self.key_allowed = false;
        self.pos += 1;
        self.push(token, mark);
        Ok(())
    }

    fn fetch_entry(&mut self, mark: Mark) -> Result<(), Error> {
        if self.flow == 0 {
            if !self.key_allowed {
                let message = "block sequence entries are not allowed in this context";
                return Err(self.error(mark, message));
            }
            self.roll(self.column(), None, Token::BlockSequenceStart, mark);
        }
        self.drop_key()?;
        self.key_allowed = true;
        self.pos += 1;
        self.push(Token::BlockEntry, mark);
        Ok(())
    }

    fn fetch_key(&mut self, mark: Mark) -> Result<(), Error> {
        if self.flow == 0 {
            if !self.key_allowed {
                return Err(self.error(mark, "mapping keys are not allowed in this context"));
            }
            self.roll(self.column(), None, Token::BlockMappingStart, mark);
        }
        self.drop_key()?;
        self.key_allowed = self.flow == 0;
        self.pos += 1;
        self.push(Token::Key, mark);
        Ok(())
    }

    fn fetch_value(&mut self, mark: Mark) -> Result<(), Error> {
        let level = self.keys.len() - 1;
        let key = self.keys[level];
        if key.possible && self.is_current(&key) {
            self.keys[level].possible = false;
            self.tokens
                .insert(key.token - self.taken, (Token::Key, key.mark));
            let start = Token::BlockMappingStart;
            self.roll(key.column, Some(key.token), start, key.mark);
            self.key_allowed = false;
        } else {
            if self.flow == 0 {
                if !self.key_allowed {
                    let message = "mapping values are not allowed in this context";
                    return Err(self.error(mark, message));
                }
                self.roll(self.column(), None, Token::BlockMappingStart, mark);
            }
            self.key_allowed = self.flow == 0;
        }
        self.pos += 1;
        self.push(Token::Value, mark);
        Ok(())
    }

    fn fetch_directive(&mut self, mark: Mark) -> Result<(), Error> {
        self.unroll(-1);
        self.drop_key()?;
        self.key_allowed = false;
        let token = self.scan_directive(mark)?;
        self.push(token, mark);
        Ok(())
    }
}
