//! Reads Go's syntax and writes that of the `regex` crate.

use std::fmt::Write as _;

/// How deep groups may nest.
const MAX_DEPTH: usize = 1_000;

/// The largest number in a repetition.
const MAX_REPEAT: u32 = 1_000;

/// What is wrong with an expression, and with which part of it.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) problem: &'static str,
    pub(super) at: String,
}

#[derive(Debug)]
pub(super) struct Translated {
    pub(super) text: String,
    pub(super) names: Vec<String>,
}

fn error<T>(problem: &'static str, at: impl Into<String>) -> Result<T, SyntaxError> {
    Err(SyntaxError {
        problem,
        at: at.into(),
    })
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_newline: bool,
    lazy: bool,
}

struct Translator<'t> {
    whole: &'t str,
    rest: &'t str,
    flags: Flags,
    /// The flags that hold after each open group.
    groups: Vec<Flags>,
    out: String,
    names: Vec<String>,
    /// Whether something stands before that can be repeated.
    can_repeat: bool,
    /// Where the repetition that was just read starts, if one was.
    repetition: Option<&'t str>,
    /// The product of the repetitions around each place, from the outermost group to here, and
    /// the largest in the last item.
    item_repeat: u32,
    group_repeat: Vec<u32>,
}

/// Translates an expression.
pub(super) fn translate(expression: &str) -> Result<Translated, SyntaxError> {
    let mut translator = Translator {
        whole: expression,
        rest: expression,
        flags: Flags::default(),
        groups: Vec::new(),
        out: String::with_capacity(expression.len() + 16),
        names: Vec::new(),
        can_repeat: false,
        repetition: None,
        item_repeat: 1,
        group_repeat: vec![1],
    };
    translator.run()?;
    if !translator.groups.is_empty() {
        return error("missing closing )", expression);
    }
    Ok(Translated {
        text: translator.out,
        names: translator.names,
    })
}

/// Returns the part of `text` before `rest`, which is its end.
fn before<'t>(text: &'t str, rest: &str) -> &'t str {
    &text[..text.len() - rest.len()]
}

impl<'t> Translator<'t> {
    fn run(&mut self) -> Result<(), SyntaxError> {
        while let Some(c) = self.rest.chars().next() {
            let repetition = self.repetition.take();
            match c {
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.out.push('|');
                    self.rest = &self.rest[1..];
                    self.can_repeat = false;
                }
                '^' => self.assertion(
                    if self.flags.multi_line {
                        "(?m:^)"
                    } else {
                        "\\A"
                    },
                    1,
                ),
                '$' => self.assertion(
                    if self.flags.multi_line {
                        "(?m:$)"
                    } else {
                        "\\z"
                    },
                    1,
                ),
                '.' => self.item(
                    if self.flags.dot_newline {
                        "(?s:.)"
                    } else {
                        "[^\\n]"
                    },
                    1,
                ),
                '[' => self.class()?,
                '*' | '+' | '?' => {
                    self.out_repeat(1, c, repetition, 1)?;
                }
                '{' => match parse_repeat(self.rest) {
                    Some((least, most, rest)) => {
                        let operator = before(self.rest, rest);
                        let too_big = least > MAX_REPEAT
                            || most.is_some_and(|most| most > MAX_REPEAT || most < least);
                        if too_big {
                            return error("invalid repeat count", operator);
                        }
                        let count = most.unwrap_or(least);
                        self.out_repeat(operator.len(), c, repetition, count)?;
                    }
                    None => self.literal('{', 1),
                },
                '\\' => self.escape()?,
                c => self.literal(c, c.len_utf8()),
            }
        }
        Ok(())
    }

    fn assertion(&mut self, text: &str, length: usize) {
        self.item(text, length);
    }

    /// Writes something that can be repeated.
    fn item(&mut self, text: &str, length: usize) {
        self.out.push_str(text);
        self.rest = &self.rest[length..];
        self.can_repeat = true;
        self.item_repeat = 1;
    }

    fn literal(&mut self, c: char, length: usize) {
        let mut text = String::new();
        write_char(&mut text, c);
        self.item(&text, length);
    }

    /// Writes a repetition, whose operator has `length` bytes.
    fn out_repeat(
        &mut self,
        length: usize,
        operator: char,
        last: Option<&'t str>,
        count: u32,
    ) -> Result<(), SyntaxError> {
        let start = self.rest;
        let mut after = &start[length..];
        let mut lazy = self.flags.lazy;
        if let Some(rest) = after.strip_prefix('?') {
            after = rest;
            lazy = !lazy;
        }
        if let Some(last) = last {
            return error("invalid nested repetition operator", before(last, after));
        }
        if !self.can_repeat {
            return error(
                "missing argument to repetition operator",
                before(start, after),
            );
        }
        if operator == '{' && count >= 2 {
            self.item_repeat = self.item_repeat.saturating_mul(count);
            if self.item_repeat > MAX_REPEAT {
                return error("invalid repeat count", before(start, after));
            }
        }
        self.out.push_str(&start[..length]);
        if lazy {
            self.out.push('?');
        }
        self.rest = after;
        self.repetition = Some(start);
        Ok(())
    }

    fn open(&mut self) -> Result<(), SyntaxError> {
        let start = self.rest;
        if start.starts_with("(?") {
            return self.open_special();
        }
        self.push_group("(", &start[1..], self.flags)?;
        self.names.push(String::new());
        Ok(())
    }

    fn push_group(&mut self, text: &str, rest: &'t str, after: Flags) -> Result<(), SyntaxError> {
        if self.groups.len() >= MAX_DEPTH {
            return error("expression nests too deeply", self.whole);
        }
        self.groups.push(after);
        self.group_repeat.push(1);
        self.out.push_str(text);
        self.rest = rest;
        self.can_repeat = false;
        Ok(())
    }

    /// Reads `(?P<name>`, `(?<name>`, `(?flags)` and `(?flags:`.
    fn open_special(&mut self) -> Result<(), SyntaxError> {
        let start = self.rest;
        let name_at = if start.starts_with("(?P<") && start.len() > 4 {
            Some(4)
        } else if start.starts_with("(?<") && start.len() > 3 {
            Some(3)
        } else {
            None
        };
        if let Some(name_at) = name_at {
            let Some(end) = start.find('>') else {
                return error("invalid named capture", start);
            };
            let name = &start[name_at..end];
            let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(valid) {
                return error("invalid named capture", &start[..=end]);
            }
            self.push_group("(", &start[end + 1..], self.flags)?;
            self.names.push(String::from(name));
            return Ok(());
        }
        let mut flags = self.flags;
        let mut on = true;
        let mut saw_flag = false;
        let mut rest = &start[2..];
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            let flag = match c {
                'i' => &mut flags.fold,
                'm' => &mut flags.multi_line,
                's' => &mut flags.dot_newline,
                'U' => &mut flags.lazy,
                '-' if on => {
                    on = false;
                    saw_flag = false;
                    continue;
                }
                ':' | ')' if on || saw_flag => {
                    let old = std::mem::replace(&mut self.flags, flags);
                    let fold = if flags.fold { "(?i" } else { "(?-i" };
                    if c == ':' {
                        self.push_group(&format!("{fold}:"), rest, old)?;
                    } else {
                        if flags.fold != old.fold {
                            self.out.push_str(fold);
                            self.out.push(')');
                        }
                        self.rest = rest;
                    }
                    return Ok(());
                }
                _ => return error("invalid or unsupported Perl syntax", before(start, rest)),
            };
            *flag = on;
            saw_flag = true;
        }
        error("invalid or unsupported Perl syntax", start)
    }

    fn close(&mut self) -> Result<(), SyntaxError> {
        let Some(flags) = self.groups.pop() else {
            return error("unexpected )", self.whole);
        };
        self.group_repeat.pop();
        self.flags = flags;
        self.out.push(')');
        self.rest = &self.rest[1..];
        self.can_repeat = true;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        let start = self.rest;
        match start[1..].chars().next() {
            Some('A') => self.assertion("\\A", 2),
            Some('z') => self.assertion("\\z", 2),
            Some('b') => self.assertion("(?-u:\\b)", 2),
            Some('B') => self.assertion("(?-u:\\B)", 2),
            Some('C') => return error("invalid escape sequence", &start[..2]),
            Some('Q') => {
                let literal = start[2..].split("\\E").next().unwrap_or_default();
                for c in literal.chars() {
                    self.literal(c, 0);
                }
                let quoted = &start[2 + literal.len()..];
                self.rest = quoted.strip_prefix("\\E").unwrap_or(quoted);
            }
            Some('p' | 'P') => {
                let (class, rest) = unicode_class(start)?;
                self.item(&class, start.len() - rest.len());
            }
            Some(c) if perl_class(c).is_some() => {
                let class = perl_class(c).unwrap_or_default();
                self.item(&format!("[{class}]"), 2);
            }
            _ => {
                let (c, rest) = escaped_char(start)?;
                self.literal(c, start.len() - rest.len());
            }
        }
        Ok(())
    }

    fn class(&mut self) -> Result<(), SyntaxError> {
        let start = self.rest;
        let mut rest = &start[1..];
        let mut class = String::from("[");
        if let Some(after) = rest.strip_prefix('^') {
            rest = after;
            class.push('^');
        }
        let mut first = true;
        while first || !rest.starts_with(']') {
            first = false;
            if rest.starts_with("[:")
                && let Some(end) = rest[2..].find(":]")
            {
                let name = &rest[..end + 4];
                match posix_class(&rest[2..end + 2]) {
                    Some(ranges) => class.push_str(&ranges),
                    None => return error("invalid character class range", name),
                }
                rest = &rest[end + 4..];
                continue;
            }
            if rest.starts_with("\\p") || rest.starts_with("\\P") {
                let (item, after) = unicode_class(rest)?;
                class.push_str(&item);
                rest = after;
                continue;
            }
            if let Some(escape) = rest.strip_prefix('\\')
                && let Some(ranges) = escape.chars().next().and_then(perl_class)
            {
                class.push_str(&format!("[{ranges}]"));
                rest = &escape[1..];
                continue;
            }
            let range = rest;
            let (low, after) = class_char(rest, start)?;
            rest = after;
            let mut high = low;
            if rest.starts_with('-') && rest.len() >= 2 && !rest.starts_with("-]") {
                (high, rest) = class_char(&rest[1..], start)?;
                if high < low {
                    return error("invalid character class range", before(range, rest));
                }
            }
            write_char(&mut class, low);
            class.push('-');
            write_char(&mut class, high);
        }
        class.push(']');
        self.item(&class, start.len() - rest.len() + 1);
        Ok(())
    }
}

/// Writes a character that stands for itself, in a class and out of it.
fn write_char(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        out.push(c);
    } else {
        let _ = write!(out, "\\x{:02X}", c as u32);
    }
}

/// Reads `{n}`, `{n,}` or `{n,m}`. Numbers that are far too large count as one that is.
fn parse_repeat(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (least, rest) = parse_int(text.strip_prefix('{')?)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((least, Some(least), rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((least, None, rest));
    }
    let (most, rest) = parse_int(rest)?;
    Some((least, Some(most), rest.strip_prefix('}')?))
}

fn parse_int(text: &str) -> Option<(u32, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = before(text, rest);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}

fn class_char<'t>(text: &'t str, whole: &str) -> Result<(char, &'t str), SyntaxError> {
    match text.chars().next() {
        None => error("missing closing ]", whole),
        Some('\\') => escaped_char(text),
        Some(c) => Ok((c, &text[c.len_utf8()..])),
    }
}

/// Reads an escape that stands for one character.
fn escaped_char(text: &str) -> Result<(char, &str), SyntaxError> {
    let mut chars = text[1..].chars();
    let Some(c) = chars.next() else {
        return error("trailing backslash at end of expression", "");
    };
    let mut rest = chars.as_str();
    let octal = |rest: &str| rest.starts_with(|c: char| c.is_digit(8));
    let code = match c {
        '0'..='7' if c == '0' || octal(rest) => {
            let mut code = c.to_digit(8);
            for _ in 0..2 {
                if octal(rest) {
                    let digit = rest.chars().next().and_then(|c| c.to_digit(8));
                    code = code.zip(digit).map(|(code, digit)| code * 8 + digit);
                    rest = &rest[1..];
                }
            }
            code
        }
        'x' => {
            let code;
            (code, rest) = hex_code(rest);
            code
        }
        'a' => Some(7),
        'f' => Some(12),
        'n' => Some(10),
        'r' => Some(13),
        't' => Some(9),
        'v' => Some(11),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c as u32),
        _ => None,
    };
    match code.and_then(char::from_u32) {
        Some(c) => Ok((c, rest)),
        None => error("invalid escape sequence", before(text, rest)),
    }
}

/// Reads what follows `\x`. What was read comes back even if it is no number.
fn hex_code(text: &str) -> (Option<u32>, &str) {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return (None, text);
    };
    if first != '{' {
        let high = first.to_digit(16);
        let low = chars.next().and_then(|c| c.to_digit(16));
        return (
            high.zip(low).map(|(high, low)| high * 16 + low),
            chars.as_str(),
        );
    }
    let mut code: u32 = 0;
    let mut any = false;
    loop {
        match chars.next() {
            Some('}') => return (any.then_some(code), chars.as_str()),
            Some(c) => match c.to_digit(16) {
                Some(digit) if code <= 0x10_ffff => code = code * 16 + digit,
                _ => return (None, chars.as_str()),
            },
            None => return (None, ""),
        }
        if code > 0x10_ffff {
            return (None, chars.as_str());
        }
        any = true;
    }
}

/// Returns the ranges of `\d` and its kin.
fn perl_class(c: char) -> Option<&'static str> {
    Some(match c {
        'd' => "0-9",
        'D' => "^0-9",
        's' => "\\t\\n\\x0C\\r\\x20",
        'S' => "^\\t\\n\\x0C\\r\\x20",
        'w' => "0-9A-Za-z_",
        'W' => "^0-9A-Za-z_",
        _ => return None,
    })
}

/// Returns a class such as `[:alpha:]`.
fn posix_class(name: &str) -> Option<String> {
    let (negated, name) = match name.strip_prefix('^') {
        Some(name) => ("^", name),
        None => ("", name),
    };
    let ranges = match name {
        "alnum" => "0-9A-Za-z",
        "alpha" => "A-Za-z",
        "ascii" => "\\x00-\\x7F",
        "blank" => "\\t\\x20",
        "cntrl" => "\\x00-\\x1F\\x7F",
        "digit" => "0-9",
        "graph" => "!-\\x7E",
        "lower" => "a-z",
        "print" => "\\x20-\\x7E",
        "punct" => "!-/:-@\\[-`\\{-\\x7E",
        "space" => "\\t-\\r\\x20",
        "upper" => "A-Z",
        "word" => "0-9A-Za-z_",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    };
    Some(format!("[{negated}{ranges}]"))
}

/// Reads a class such as `\pL` or `\p{Greek}`.
fn unicode_class(text: &str) -> Result<(String, &str), SyntaxError> {
    let mut negated = text.starts_with("\\P");
    let Some(c) = text[2..].chars().next() else {
        return error("invalid character class range", text);
    };
    let (mut name, rest) = if c == '{' {
        let Some(end) = text.find('}') else {
            return error("invalid character class range", text);
        };
        (&text[3..end], &text[end + 1..])
    } else {
        let end = 2 + c.len_utf8();
        (&text[2..end], &text[end..])
    };
    if let Some(positive) = name.strip_prefix('^') {
        name = positive;
        negated = !negated;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    let known = !name.is_empty()
        && name.chars().all(plain)
        && regex::Regex::new(&format!("\\p{{{name}}}")).is_ok();
    if !known {
        return error("invalid character class range", before(text, rest));
    }
    let letter = if negated { 'P' } else { 'p' };
    Ok((format!("\\{letter}{{{name}}}"), rest))
}
