//! The five ways to write a string.

use super::super::Profile;
use super::Emitter;

/// Which styles can hold a text.
pub(super) struct Analysis {
    pub(super) plain: bool,
    /// Plain within brackets.
    pub(super) flow_plain: bool,
    pub(super) single_quoted: bool,
    pub(super) block: bool,
}

/// Whether a character may stand as itself. go-yaml knows no characters beyond the basic plane here.
const fn is_printable(char: char) -> bool {
    matches!(
        char,
        '\n' | ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FEFE}' | '\u{FF00}'..='\u{FFFD}'
    )
}

const fn is_break(char: char) -> bool {
    matches!(char, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

impl Analysis {
    pub(super) fn of(text: &str, profile: Profile) -> Self {
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let mut flow_indicators = indicators;
        let mut line_breaks = false;
        let mut special = false;
        let mut tabs = false;
        let mut break_space = false;
        let mut space_break = false;
        let mut previous_space = false;
        let mut previous_break = false;
        let mut after_blank = true;
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(char) = chars.next() {
            let before_blank = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            indicators |= match char {
                '#' => first || after_blank,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`' => first,
                '?' | '-' => first && before_blank,
                ':' => before_blank,
                _ => false,
            };
            flow_indicators |= match char {
                ',' | '?' | '[' | ']' | '{' | '}' | ':' => true,
                _ => indicators,
            };
            if char == '\t' && profile == Profile::Kyaml {
                tabs = true;
            } else if !is_printable(char) {
                special = true;
            }
            if char == ' ' {
                break_space |= previous_break;
                previous_space = true;
                previous_break = false;
            } else if is_break(char) {
                line_breaks = true;
                space_break |= previous_space;
                previous_space = false;
                previous_break = true;
            } else {
                previous_space = false;
                previous_break = false;
            }
            after_blank = matches!(char, ' ' | '\t') || is_break(char);
            first = false;
        }
        let edge = |char: Option<char>| char.is_some_and(|char| char == ' ' || is_break(char));
        let edges = edge(text.chars().next()) || edge(text.chars().next_back());
        let quoted = !(break_space || space_break || tabs || special);
        let unquoted = quoted && !edges && !line_breaks;
        Self {
            plain: unquoted && !indicators,
            flow_plain: unquoted && !flow_indicators,
            single_quoted: quoted,
            block: !(text.is_empty() || text.ends_with(' ') || space_break || special),
        }
    }
}

impl Emitter<'_> {
    fn write_char(&mut self, char: char) {
        self.out.push(char);
        self.column += 1;
    }

    /// Writes a line break of the text: a line feed as the emitter's, others as they are.
    fn write_break(&mut self, char: char) {
        self.out.push(char);
        self.column = 0;
        self.indention = true;
    }

    pub(super) fn write_plain(&mut self, text: &str, folds: bool) {
        if !self.whitespace {
            self.put(b' ');
        }
        self.write_folded_words(text, folds, false);
        self.whitespace = false;
        self.indention = false;
    }

    pub(super) fn write_single_quoted(&mut self, text: &str, folds: bool) {
        self.indicator(b'\'', true, false);
        self.write_folded_words(text, folds, true);
        self.indicator(b'\'', false, false);
        self.whitespace = false;
        self.indention = false;
    }

    /// Writes the content of a plain or single-quoted scalar: a single blank beyond the width becomes a line
    /// break, a line break of the text two.
    fn write_folded_words(&mut self, text: &str, folds: bool, quoted: bool) {
        let mut spaces = false;
        let mut breaks = false;
        let mut chars = text.char_indices().peekable();
        while let Some((i, char)) = chars.next() {
            if char == ' ' {
                let next_space = chars.peek().is_some_and(|(_, next)| *next == ' ');
                let inside = !quoted || i > 0 && i + 1 < text.len();
                if folds && !spaces && self.column > self.width && inside && !next_space {
                    self.write_indent();
                } else {
                    self.write_char(char);
                }
                spaces = true;
            } else if is_break(char) {
                if !breaks && char == '\n' {
                    self.put_break();
                }
                self.write_break(char);
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if quoted && char == '\'' {
                    self.put(b'\'');
                }
                self.write_char(char);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
    }

    pub(super) fn write_double_quoted(&mut self, text: &str, folds: bool) {
        self.indicator(b'"', true, false);
        // go-yaml looks for the byte order mark at the beginning of the text, whichever character it is at.
        let escape_all = text.starts_with('\u{feff}');
        let mut spaces = false;
        let mut chars = text.char_indices().peekable();
        while let Some((i, char)) = chars.next() {
            if escape_all || !is_printable(char) || is_break(char) || matches!(char, '"' | '\\') {
                self.write_escaped(char);
                spaces = false;
            } else if char == ' ' {
                let inside = i > 0 && i + 1 < text.len();
                if folds && !spaces && self.column > self.width && inside {
                    self.write_indent();
                    if chars.peek().is_some_and(|(_, next)| *next == ' ') {
                        self.put(b'\\');
                    }
                } else {
                    self.write_char(char);
                }
                spaces = true;
            } else {
                self.write_char(char);
                spaces = false;
            }
        }
        self.indicator(b'"', false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn write_escaped(&mut self, char: char) {
        self.put(b'\\');
        let short = match char {
            '\0' => b'0',
            '\x07' => b'a',
            '\x08' => b'b',
            '\t' => b't',
            '\n' => b'n',
            '\x0B' => b'v',
            '\x0C' => b'f',
            '\r' => b'r',
            '\x1B' => b'e',
            '"' => b'"',
            '\\' => b'\\',
            '\u{85}' => b'N',
            '\u{A0}' => b'_',
            '\u{2028}' => b'L',
            '\u{2029}' => b'P',
            _ => {
                let code = u32::from(char);
                let (letter, digits) = match code {
                    0..=0xFF => ('x', 2),
                    0x100..=0xFFFF => ('u', 4),
                    _ => ('U', 8),
                };
                self.write_char(letter);
                for i in (0..digits).rev() {
                    let digit = (code >> (4 * i)) & 0xF;
                    self.put(b"0123456789ABCDEF"[digit as usize]);
                }
                return;
            }
        };
        self.put(short);
    }

    /// Writes `|` or `>` with the hints that the text needs, and ends the line.
    fn begin_block(&mut self, indicator: u8, text: &str) {
        self.indicator(indicator, true, false);
        if text.starts_with(|char| char == ' ' || is_break(char)) {
            self.indicator(b'2', false, false);
        }
        let mut tail = text.chars().rev();
        match (tail.next(), tail.next()) {
            (Some(last), _) if !is_break(last) => self.indicator(b'-', false, false),
            (Some(_), None) => self.indicator(b'+', false, false),
            (Some(_), Some(before)) if is_break(before) => self.indicator(b'+', false, false),
            _ => {}
        }
        self.put_break();
        self.indention = true;
        self.whitespace = true;
    }

    pub(super) fn write_folded(&mut self, text: &str) {
        self.begin_block(b'>', text);
        let mut breaks = true;
        let mut leading_spaces = true;
        // go-yaml looks for what follows the breaks at the beginning of the text, wherever it is.
        let after_breaks = text.trim_start_matches(is_break).chars().next();
        let blank_follows =
            after_breaks.is_none_or(|char| matches!(char, ' ' | '\t') || is_break(char));
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            if is_break(char) {
                if !breaks && !leading_spaces && char == '\n' && !blank_follows {
                    self.put_break();
                }
                self.write_break(char);
                breaks = true;
                continue;
            }
            if breaks {
                self.write_indent();
                leading_spaces = matches!(char, ' ' | '\t');
            }
            let next_space = chars.peek() == Some(&' ');
            if !breaks && char == ' ' && !next_space && self.column > self.width {
                self.write_indent();
            } else {
                self.write_char(char);
            }
            self.indention = false;
            breaks = false;
        }
    }

    pub(super) fn write_literal(&mut self, text: &str) {
        self.begin_block(b'|', text);
        let mut breaks = true;
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            if is_break(char) {
                self.write_break(char);
                breaks = true;
                rest = &rest[char.len_utf8()..];
            } else {
                if breaks {
                    self.write_indent();
                }
                let length = rest.find(is_break).unwrap_or(rest.len());
                self.out.push_str(&rest[..length]);
                // Nothing is folded here: whether the column is beyond the indentation is all that counts.
                self.column += length;
                self.indention = false;
                breaks = false;
                rest = &rest[length..];
            }
        }
    }
}
