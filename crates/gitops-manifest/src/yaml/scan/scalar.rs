//! The scalars, anchors, tags and directives of the scanner.

use std::borrow::Cow;

use super::super::error::{Error, Mark};
use super::{BLANK, BREAK, CLASS, COLON, FLOW, QUOTE, Scanner, Token, WORD};

/// The line breaks between two parts of a scalar that spans lines.
#[derive(Default)]
struct Breaks<'a> {
    /// The first one, as it is kept; empty for none.
    first: &'a str,
    /// The ones after it.
    rest: String,
}

impl Breaks<'_> {
    /// Appends what they become between two parts: one break is a space, more lose the first.
    fn fold(&mut self, out: &mut String) {
        if self.first == "\n" {
            if self.rest.is_empty() {
                out.push(' ');
            }
        } else {
            out.push_str(self.first);
        }
        out.push_str(&self.rest);
        self.first = "";
        self.rest.clear();
    }
}

impl<'a> Scanner<'a> {
    /// Passes a line break and returns how it is kept: as a line feed, except for the separators of Unicode.
    fn take_break(&mut self) -> &'a str {
        let start = self.pos;
        let length = self.break_at(start);
        self.pass_break(length);
        match length {
            0 => "",
            3 => &self.text[start..start + 3],
            _ => "\n",
        }
    }

    /// Passes the characters of a plain scalar up to a blank, a line break or an indicator.
    #[inline]
    fn pass_plain(&mut self) {
        let stop = if self.flow > 0 {
            BLANK | BREAK | COLON | FLOW
        } else {
            BLANK | BREAK | COLON
        };
        loop {
            let rest = &self.bytes[self.pos..];
            let step = rest
                .iter()
                .position(|byte| CLASS[usize::from(*byte)] & stop != 0)
                .unwrap_or(rest.len());
            self.pos += step;
            let class = self.class(self.pos);
            if class & COLON != 0 {
                if self.is_blank_or_end(self.pos + 1) {
                    return;
                }
            } else if class & BREAK == 0 || self.break_at(self.pos) > 0 {
                return;
            }
            if self.pos >= self.bytes.len() {
                return;
            }
            self.pos += 1;
        }
    }

    pub(super) fn scan_plain(&mut self, start: Mark) -> Result<Cow<'a, str>, Error> {
        let indent = self.indent + 1;
        // Everything up to `end` is in `folded`, or in the text as it stands where `folded` is none.
        let mut folded: Option<String> = None;
        let mut end = self.pos;
        let mut breaks = Breaks::default();
        loop {
            if self.at_document_mark() || self.here() == b'#' {
                break;
            }
            let part = self.pos;
            self.pass_plain();
            if self.pos == part {
                break;
            }
            if !breaks.first.is_empty() {
                let text = folded.get_or_insert_with(|| self.text[start.offset..end].to_owned());
                breaks.fold(text);
                text.push_str(&self.text[part..self.pos]);
            } else if let Some(text) = &mut folded {
                text.push_str(&self.text[end..self.pos]);
            }
            end = self.pos;
            loop {
                let class = self.class(self.pos);
                if class & BLANK != 0 {
                    let tab = self.here() == b'\t';
                    if tab && !breaks.first.is_empty() && (self.column() as isize) < indent {
                        let message = "found a tab character that violates indentation";
                        return Err(self.error(start, message));
                    }
                    self.pos += 1;
                } else if class & BREAK != 0 && self.break_at(self.pos) > 0 {
                    let line = self.take_break();
                    if breaks.first.is_empty() {
                        breaks.first = line;
                    } else {
                        breaks.rest.push_str(line);
                    }
                } else {
                    break;
                }
            }
            if self.pos == end || self.flow == 0 && (self.column() as isize) < indent {
                break;
            }
        }
        if !breaks.first.is_empty() {
            self.key_allowed = true;
        }
        Ok(folded.map_or_else(|| Cow::Borrowed(&self.text[start.offset..end]), Cow::Owned))
    }

    pub(super) fn scan_quoted(&mut self, start: Mark, quote: u8) -> Result<Cow<'a, str>, Error> {
        self.pos += 1;
        let from = self.pos;
        // Most scalars end on their line and hold nothing to undo.
        loop {
            let rest = &self.bytes[self.pos..];
            let step = rest
                .iter()
                .position(|byte| CLASS[usize::from(*byte)] & (QUOTE | BREAK) != 0)
                .unwrap_or(rest.len());
            self.pos += step;
            let byte = self.here();
            if byte == quote {
                if quote == b'\'' && self.at(self.pos + 1) == b'\'' {
                    break;
                }
                self.pos += 1;
                return Ok(Cow::Borrowed(&self.text[from..self.pos - 1]));
            }
            let plain = match byte {
                b'"' | b'\'' => true,
                b'\\' => quote == b'\'',
                _ => self.pos < self.bytes.len() && self.break_at(self.pos) == 0,
            };
            if !plain {
                break;
            }
            self.pos += 1;
        }
        let blanks = self.text[from..self.pos]
            .bytes()
            .rev()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        self.pos -= blanks;
        let mut out = String::with_capacity((self.pos - from) * 2);
        out.push_str(&self.text[from..self.pos]);
        self.scan_quoted_rest(start, quote, &mut out)?;
        Ok(Cow::Owned(out))
    }

    /// Scans a quoted scalar from the first blank, quote, escape or line break on that needs care.
    fn scan_quoted_rest(&mut self, start: Mark, quote: u8, out: &mut String) -> Result<(), Error> {
        let mut breaks = Breaks::default();
        loop {
            if self.at_document_mark() {
                return Err(self.error(start, "found unexpected document indicator"));
            }
            if self.pos >= self.bytes.len() {
                return Err(self.error(start, "found unexpected end of stream"));
            }
            let mut broken = false;
            while !self.is_blank_or_end(self.pos) {
                let byte = self.here();
                if byte == quote {
                    if quote == b'\'' && self.at(self.pos + 1) == b'\'' {
                        out.push('\'');
                        self.pos += 2;
                        continue;
                    }
                    break;
                }
                if byte == b'\\' && quote == b'"' {
                    let length = self.break_at(self.pos + 1);
                    if length > 0 {
                        self.pos += 1;
                        self.pass_break(length);
                        broken = true;
                        break;
                    }
                    out.push(self.scan_escape(start)?);
                    continue;
                }
                let part = self.pos;
                self.pos += 1;
                while self.class(self.pos) & (QUOTE | BLANK | BREAK) == 0
                    && self.pos < self.bytes.len()
                {
                    self.pos += 1;
                }
                out.push_str(&self.text[part..self.pos]);
            }
            if self.here() == quote {
                self.pos += 1;
                return Ok(());
            }
            let blanks = self.pos;
            let mut blanks_end = self.pos;
            loop {
                let class = self.class(self.pos);
                if class & BLANK != 0 {
                    self.pos += 1;
                    if !broken {
                        blanks_end = self.pos;
                    }
                } else if class & BREAK != 0 && self.break_at(self.pos) > 0 {
                    let line = self.take_break();
                    if broken {
                        breaks.rest.push_str(line);
                    } else {
                        breaks.first = line;
                        broken = true;
                    }
                } else {
                    break;
                }
            }
            if broken {
                breaks.fold(out);
            } else {
                out.push_str(&self.text[blanks..blanks_end]);
            }
        }
    }

    fn scan_escape(&mut self, start: Mark) -> Result<char, Error> {
        let digits = match self.at(self.pos + 1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            other => {
                let char = match other {
                    b'0' => '\0',
                    b'a' => '\x07',
                    b'b' => '\x08',
                    b't' | b'\t' => '\t',
                    b'n' => '\n',
                    b'v' => '\x0B',
                    b'f' => '\x0C',
                    b'r' => '\r',
                    b'e' => '\x1B',
                    b' ' => ' ',
                    b'"' => '"',
                    b'\'' => '\'',
                    b'\\' => '\\',
                    b'N' => '\u{85}',
                    b'_' => '\u{A0}',
                    b'L' => '\u{2028}',
                    b'P' => '\u{2029}',
                    _ => return Err(self.error(start, "found unknown escape character")),
                };
                self.pos += 2;
                return Ok(char);
            }
        };
        self.pos += 2;
        let mut code = 0u32;
        for i in 0..digits {
            let Some(digit) = char::from(self.at(self.pos + i)).to_digit(16) else {
                return Err(self.error(start, "did not find expected hexdecimal number"));
            };
            code = (code << 4) | digit;
        }
        let Some(char) = char::from_u32(code) else {
            let message = "found invalid Unicode character escape code";
            return Err(self.error(start, message));
        };
        self.pos += digits;
        Ok(char)
    }

    pub(super) fn scan_block(&mut self, start: Mark, literal: bool) -> Result<Cow<'a, str>, Error> {
        self.pos += 1;
        let mut keep = None;
        let mut increment = 0;
        // The two indicators stand in either order, each at most once.
        for _ in 0..2 {
            match self.here() {
                sign @ (b'+' | b'-') if keep.is_none() => {
                    keep = Some(sign == b'+');
                    self.pos += 1;
                }
                b'0' if increment == 0 => {
                    let message = "found an indentation indicator equal to 0";
                    return Err(self.error(start, message));
                }
                digit @ b'1'..=b'9' if increment == 0 => {
                    increment = usize::from(digit - b'0');
                    self.pos += 1;
                }
                _ => break,
            }
        }
        self.pass_blanks();
        self.pass_comment();
        if self.pos < self.bytes.len() {
            match self.break_at(self.pos) {
                0 => {
                    let message = "did not find expected comment or line break";
                    return Err(self.error(start, message));
                }
                length => self.pass_break(length),
            }
        }
        let parent = usize::try_from(self.indent).unwrap_or(0);
        let mut indent = if increment > 0 { parent + increment } else { 0 };
        let mut out = String::new();
        let mut first = "";
        let mut rest = String::new();
        self.pass_block_gap(&mut indent, &mut rest, start)?;
        let mut after_blank = false;
        while self.column() == indent && self.pos < self.bytes.len() {
            let blank = self.class(self.pos) & BLANK != 0;
            if !literal && !after_blank && !blank && first == "\n" {
                if rest.is_empty() {
                    out.push(' ');
                }
            } else {
                out.push_str(first);
            }
            out.push_str(&rest);
            rest.clear();
            after_blank = blank;
            let line = self.pos;
            loop {
                let tail = &self.bytes[self.pos..];
                self.pos += tail
                    .iter()
                    .position(|byte| CLASS[usize::from(*byte)] & BREAK != 0)
                    .unwrap_or(tail.len());
                if self.pos >= self.bytes.len() || self.break_at(self.pos) > 0 {
                    break;
                }
                self.pos += 1;
            }
            out.push_str(&self.text[line..self.pos]);
            first = if self.pos < self.bytes.len() {
                self.take_break()
            } else {
                ""
            };
            self.pass_block_gap(&mut indent, &mut rest, start)?;
        }
        if keep != Some(false) {
            out.push_str(first);
        }
        if keep == Some(true) {
            out.push_str(&rest);
        }
        Ok(Cow::Owned(out))
    }

    /// Passes indentation and empty lines of a block scalar; finds the indentation where it is still 0.
    fn pass_block_gap(
        &mut self,
        indent: &mut usize,
        rest: &mut String,
        start: Mark,
    ) -> Result<(), Error> {
        let mut deepest = 0;
        loop {
            while (*indent == 0 || self.column() < *indent) && self.here() == b' ' {
                self.pos += 1;
            }
            deepest = deepest.max(self.column());
            if (*indent == 0 || self.column() < *indent) && self.here() == b'\t' {
                let message = "found a tab character where an indentation space is expected";
                return Err(self.error(start, message));
            }
            if self.break_at(self.pos) == 0 {
                break;
            }
            let line = self.take_break();
            rest.push_str(line);
        }
        if *indent == 0 {
            *indent = deepest
                .max(usize::try_from(self.indent + 1).unwrap_or(0))
                .max(1);
        }
        Ok(())
    }

    fn scan_word(&mut self) -> &'a str {
        let start = self.pos;
        while self.class(self.pos) & WORD != 0 {
            self.pos += 1;
        }
        &self.text[start..self.pos]
    }

    pub(super) fn scan_anchor(&mut self, start: Mark) -> Result<&'a str, Error> {
        self.pos += 1;
        let name = self.scan_word();
        let ends = self.is_blank_or_end(self.pos)
            || matches!(
                self.here(),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !ends {
            let message = "did not find expected alphabetic or numeric character";
            return Err(self.error(start, message));
        }
        Ok(name)
    }

    pub(super) fn scan_tag(&mut self, start: Mark) -> Result<Token<'a>, Error> {
        let (handle, suffix) = if self.at(self.pos + 1) == b'<' {
            self.pos += 2;
            let suffix = self.scan_uri(start, "")?;
            if self.here() != b'>' {
                return Err(self.error(start, "did not find the expected '>'"));
            }
            self.pos += 1;
            ("", suffix)
        } else {
            let handle = self.scan_handle(start, false)?;
            if handle.len() > 1 && handle.ends_with('!') {
                (handle, self.scan_uri(start, "")?)
            } else {
                let suffix = self.scan_uri(start, handle)?;
                if suffix.is_empty() {
                    ("", Cow::Borrowed("!"))
                } else {
                    ("!", suffix)
                }
            }
        };
        if !self.is_blank_or_end(self.pos) {
            let message = "did not find expected whitespace or line break";
            return Err(self.error(start, message));
        }
        Ok(Token::Tag(Box::new((handle, suffix))))
    }

    fn scan_handle(&mut self, start: Mark, directive: bool) -> Result<&'a str, Error> {
        let from = self.pos;
        if self.here() != b'!' {
            return Err(self.error(start, "did not find expected '!'"));
        }
        self.pos += 1;
        self.scan_word();
        if self.here() == b'!' {
            self.pos += 1;
        } else if directive && self.pos - from > 1 {
            return Err(self.error(start, "did not find expected '!'"));
        }
        Ok(&self.text[from..self.pos])
    }

    /// Scans the rest of a tag after `head`, of which the `!` is not part of the result.
    fn scan_uri(&mut self, start: Mark, head: &'a str) -> Result<Cow<'a, str>, Error> {
        let mut out = Vec::new();
        let mut escaped = false;
        let from = self.pos;
        loop {
            match self.here() {
                b'%' => {
                    escaped = true;
                    self.scan_uri_escape(start, &mut out)?;
                }
                byte if CLASS[usize::from(byte)] & WORD != 0
                    || b";/?:@&=+$,.!~*'()[]".contains(&byte) =>
                {
                    out.push(byte);
                    self.pos += 1;
                }
                _ => break,
            }
        }
        if self.pos == from && head.is_empty() {
            return Err(self.error(start, "did not find expected tag URI"));
        }
        let head_rest = head.get(1..).unwrap_or_default();
        if !escaped {
            let begin = from - head_rest.len();
            return Ok(Cow::Borrowed(&self.text[begin..self.pos]));
        }
        let tail = String::from_utf8(out)
            .map_err(|_| self.error(start, "found an incorrect trailing UTF-8 octet"))?;
        Ok(Cow::Owned(format!("{head_rest}{tail}")))
    }

    fn scan_uri_escape(&mut self, start: Mark, out: &mut Vec<u8>) -> Result<(), Error> {
        let digit = |i: usize| char::from(self.at(self.pos + i)).to_digit(16);
        let (Some(high), Some(low)) = (digit(1), digit(2)) else {
            return Err(self.error(start, "did not find URI escaped octet"));
        };
        out.push((high << 4 | low) as u8);
        self.pos += 3;
        Ok(())
    }

    pub(super) fn scan_directive(&mut self, start: Mark) -> Result<Token<'a>, Error> {
        self.pos += 1;
        let name = self.scan_word();
        if name.is_empty() {
            return Err(self.error(start, "could not find expected directive name"));
        }
        if !self.is_blank_or_end(self.pos) {
            return Err(self.error(start, "found unexpected non-alphabetical character"));
        }
        let token = match name {
            "YAML" => {
                self.pass_blanks();
                let major = self.scan_version_number(start)?;
                if self.here() != b'.' {
                    let message = "did not find expected digit or '.' character";
                    return Err(self.error(start, message));
                }
                self.pos += 1;
                Token::VersionDirective(major, self.scan_version_number(start)?)
            }
            "TAG" => {
                self.pass_blanks();
                let handle = self.scan_handle(start, true)?;
                if self.class(self.pos) & BLANK == 0 {
                    return Err(self.error(start, "did not find expected whitespace"));
                }
                self.pass_blanks();
                let prefix = self.scan_uri(start, "")?;
                if !self.is_blank_or_end(self.pos) {
                    let message = "did not find expected whitespace or line break";
                    return Err(self.error(start, message));
                }
                Token::TagDirective(Box::new((handle, prefix)))
            }
            _ => return Err(self.error(start, "found unknown directive name")),
        };
        self.pass_blanks();
        self.pass_comment();
        if self.pos < self.bytes.len() {
            match self.break_at(self.pos) {
                0 => {
                    let message = "did not find expected comment or line break";
                    return Err(self.error(start, message));
                }
                length => self.pass_break(length),
            }
        }
        Ok(token)
    }

    fn scan_version_number(&mut self, start: Mark) -> Result<u32, Error> {
        let from = self.pos;
        let mut number = 0;
        while let digit @ b'0'..=b'9' = self.here() {
            if self.pos - from >= 2 {
                return Err(self.error(start, "found extremely long version number"));
            }
            number = number * 10 + u32::from(digit - b'0');
            self.pos += 1;
        }
        if self.pos == from {
            return Err(self.error(start, "did not find expected version number"));
        }
        Ok(number)
    }
}
