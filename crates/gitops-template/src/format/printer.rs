//! Verbs and flags.

use super::float::format_float;
use super::quote::{can_backquote, escape, quote_to};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::render::Limits;
use crate::unicode::{chars, decode, is_print};
use crate::value::{Kind, List, Map, Object, Type, Value};

/// What stands for an address: Go prints real ones, which differ from run to run.
const ADDRESS: u64 = 0xc0_0000_8000;

/// The largest width, precision and argument number.
const MAX_NUMBER: i64 = 1_000_000;

#[derive(Clone, Copy, Default)]
struct Flags {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    plus_v: bool,
    sharp_v: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Writes values by Go's rules.
pub(crate) struct Printer<'a> {
    output: &'a mut Output,
    limits: &'a Limits,
    start: usize,
    flags: Flags,
    /// A bad verb is being reported, so `String` methods are not called.
    reporting: bool,
    /// A pointer that is printed itself was followed before.
    followed: bool,
}

impl<'a> Printer<'a> {
    pub(crate) fn new(output: &'a mut Output, limits: &'a Limits) -> Self {
        let start = output.len();
        Self {
            output,
            limits,
            start,
            flags: Flags::default(),
            reporting: false,
            followed: false,
        }
    }

    /// Writes a value as `%v` does.
    pub(crate) fn print(&mut self, value: &Value) -> Result<()> {
        self.argument(value, 'v')
    }

    /// Writes a value as `%v` writes what it points at.
    pub(crate) fn print_followed(&mut self, value: &Value) -> Result<()> {
        self.followed = true;
        self.print(value)
    }

    /// Writes values by a format.
    pub(crate) fn printf(&mut self, format: &[u8], values: &[Value]) -> Result<()> {
        let end = format.len();
        let mut at = 0;
        let mut next = 0;
        let mut reordered = false;
        while at < end {
            let literal = memchr::memchr(b'%', &format[at..]).unwrap_or(end - at);
            self.output.write_bytes(&format[at..at + literal]);
            at += literal + 1;
            if at > end {
                break;
            }
            self.flags = Flags::default();
            let mut good = true;
            while let Some(flag) = format.get(at) {
                match flag {
                    b'#' => self.flags.sharp = true,
                    b'0' => self.flags.zero = true,
                    b'+' => self.flags.plus = true,
                    b'-' => self.flags.minus = true,
                    b' ' => self.flags.space = true,
                    _ => break,
                }
                at += 1;
            }
            let mut after_index = argument_number(
                format,
                &mut at,
                &mut next,
                values.len(),
                &mut reordered,
                &mut good,
            );
            if format.get(at) == Some(&b'*') {
                at += 1;
                match int_argument(values, &mut next) {
                    Some(width) => {
                        if width < 0 {
                            self.flags.minus = true;
                            self.flags.zero = false;
                        }
                        self.flags.width = usize::try_from(width.unsigned_abs()).ok();
                    }
                    None => self.output.write_str("%!(BADWIDTH)"),
                }
                after_index = false;
            } else {
                self.flags.width = number(format, &mut at);
                if after_index && self.flags.width.is_some() {
                    good = false;
                }
            }
            if at + 1 < end && format[at] == b'.' {
                at += 1;
                if after_index {
                    good = false;
                }
                after_index = argument_number(
                    format,
                    &mut at,
                    &mut next,
                    values.len(),
                    &mut reordered,
                    &mut good,
                );
                if format.get(at) == Some(&b'*') {
                    at += 1;
                    let precision = int_argument(values, &mut next);
                    self.flags.precision = precision.and_then(|p| usize::try_from(p).ok());
                    if self.flags.precision.is_none() {
                        self.output.write_str("%!(BADPREC)");
                    }
                    after_index = false;
                } else {
                    self.flags.precision = Some(number(format, &mut at).unwrap_or(0));
                }
            }
            if !after_index {
                argument_number(
                    format,
                    &mut at,
                    &mut next,
                    values.len(),
                    &mut reordered,
                    &mut good,
                );
            }
            let Some((verb, width)) = format.get(at..).and_then(decode) else {
                self.output.write_str("%!(NOVERB)");
                break;
            };
            at += width;
            match values.get(next) {
                _ if verb == '%' => self.output.write_char('%'),
                _ if !good => self.problem(verb, "(BADINDEX)"),
                None => self.problem(verb, "(MISSING)"),
                Some(value) => {
                    if verb == 'v' || verb == 'w' {
                        self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                        self.flags.plus_v = std::mem::take(&mut self.flags.plus);
                    }
                    next += 1;
                    self.argument(value, verb)?;
                }
            }
        }
        if !reordered && next < values.len() {
            self.extra(&values[next..])?;
        }
        Ok(())
    }

    fn problem(&mut self, verb: char, problem: &str) {
        self.output.write_str("%!");
        self.output.write_char(verb);
        self.output.write_str(problem);
    }

    fn extra(&mut self, values: &[Value]) -> Result<()> {
        self.flags = Flags::default();
        self.output.write_str("%!(EXTRA ");
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.output.write_str(", ");
            }
            match value.dynamic_type() {
                None => self.output.write_str("<nil>"),
                Some(ty) => {
                    self.output.write_str(ty);
                    self.output.write_char('=');
                    self.argument(value, 'v')?;
                }
            }
        }
        self.output.write_char(')');
        Ok(())
    }

    /// Writes an operand.
    fn argument(&mut self, value: &Value, verb: char) -> Result<()> {
        match (value, verb) {
            (Value::Missing | Value::Nil, 'T' | 'v') => self.pad("<nil>"),
            (Value::Missing | Value::Nil, verb) => self.problem(verb, "(<nil>)"),
            (value, 'T') => self.string(value.type_name().as_bytes(), 's'),
            (value, 'p') => return self.pointer(value, 'p'),
            (Value::List(list), 'v' | 'd') if list.ty().name() == "[]uint8" => {
                return self.bytes(list, verb, "[]byte");
            }
            (value, _) => return self.value(value, verb, 0),
        }
        Ok(())
    }

    fn check(&self, depth: usize) -> Result<()> {
        if depth > self.limits.nesting {
            return Err(Error::limit(
                "the depth of a value",
                self.limits.nesting as u64,
            ));
        }
        if (self.output.len() - self.start) as u64 > self.limits.output {
            return Err(Error::limit("the output", self.limits.output));
        }
        Ok(())
    }

    /// Writes a value that is not nil, or one inside of another.
    fn value(&mut self, value: &Value, verb: char, depth: usize) -> Result<()> {
        self.check(depth)?;
        if verb == 'w' && !self.reporting && !matches!(value, Value::Missing | Value::Nil) {
            // Only `Errorf` wraps errors.
            return self.bad_verb(value, verb);
        }
        match value {
            Value::Missing | Value::Nil => {
                let text = if self.flags.sharp_v {
                    "interface {}(nil)"
                } else {
                    "<nil>"
                };
                self.output.write_str(text);
            }
            Value::Bool(value) => match verb {
                't' | 'v' => self.pad(if *value { "true" } else { "false" }),
                _ => return self.bad_verb(&Value::Bool(*value), verb),
            },
            Value::Int(int) | Value::Int64(int) => {
                return self.integer(value, int.unsigned_abs(), *int < 0, true, verb);
            }
            Value::Uint8(int) => {
                return self.integer(value, u64::from(*int), false, false, verb);
            }
            Value::Uint64(int) => return self.integer(value, *int, false, false, verb),
            Value::Float(float) => return self.float(value, *float, verb),
            Value::Complex(re, im) => return self.complex(value, *re, *im, verb),
            Value::Str(text) => match verb {
                'v' | 's' | 'x' | 'X' | 'q' => self.string(text.as_bytes(), verb),
                _ => return self.bad_verb(value, verb),
            },
            Value::List(list) => {
                return crate::stack::grow(|| self.list(list, verb, depth));
            }
            Value::Map(map) => return crate::stack::grow(|| self.map(map, verb, depth)),
            Value::Object(object) => {
                return crate::stack::grow(|| self.object(value, object.as_ref(), verb, depth));
            }
            Value::Func(_) => return self.pointer(value, verb),
        }
        Ok(())
    }

    fn bad_verb(&mut self, value: &Value, verb: char) -> Result<()> {
        self.output.write_str("%!");
        self.output.write_char(verb);
        self.output.write_char('(');
        self.output.write_str(value.type_name());
        self.output.write_char('=');
        let outer = std::mem::replace(&mut self.reporting, true);
        self.value(value, 'v', 0)?;
        self.reporting = outer;
        self.output.write_char(')');
        Ok(())
    }

    fn list(&mut self, list: &List, verb: char, depth: usize) -> Result<()> {
        if matches!(verb, 's' | 'q' | 'x' | 'X') && list.ty().element() == Type::Uint8 {
            return self.bytes(list, verb, list.ty().name());
        }
        let separator = if self.flags.sharp_v {
            self.output.write_str(list.ty().name());
            if list.is_nil() {
                self.output.write_str("(nil)");
                return Ok(());
            }
            self.output.write_char('{');
            ", "
        } else {
            self.output.write_char('[');
            " "
        };
        let inner = depth + inner_depth(list.ty().element());
        for (at, item) in list.to_vec().iter().enumerate() {
            if at > 0 {
                self.output.write_str(separator);
            }
            self.value(item, verb, inner)?;
        }
        self.output
            .write_char(if self.flags.sharp_v { '}' } else { ']' });
        Ok(())
    }

    fn map(&mut self, map: &Map, verb: char, depth: usize) -> Result<()> {
        let separator = if self.flags.sharp_v {
            self.output.write_str(map.ty().name());
            if map.is_nil() {
                self.output.write_str("(nil)");
                return Ok(());
            }
            self.output.write_char('{');
            ", "
        } else {
            self.output.write_str("map[");
            " "
        };
        let inner = depth + inner_depth(map.ty().element());
        for (at, (key, item)) in map.to_vec().into_iter().enumerate() {
            if at > 0 {
                self.output.write_str(separator);
            }
            self.value(&Value::Str(key), verb, inner)?;
            self.output.write_char(':');
            self.value(&item, verb, inner)?;
        }
        self.output
            .write_char(if self.flags.sharp_v { '}' } else { ']' });
        Ok(())
    }

    fn object(
        &mut self,
        value: &Value,
        object: &dyn Object,
        verb: char,
        depth: usize,
    ) -> Result<()> {
        if !self.reporting
            && !self.flags.sharp_v
            && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
            && let Some(text) = object.text()
        {
            self.string(text.as_bytes(), verb);
            return Ok(());
        }
        if let Some(underlying) = object.underlying() {
            return self.value(&underlying, verb, depth);
        }
        if object.kind() == Kind::Ptr {
            if depth > 0 {
                return self.pointer(value, verb);
            }
            if !self.followed {
                self.output.write_char('&');
            }
        }
        if self.flags.sharp_v {
            self.output
                .write_str(object.type_name().trim_start_matches('*'));
        }
        self.output.write_char('{');
        for (at, (name, field)) in object.fields().into_iter().enumerate() {
            if at > 0 {
                self.output
                    .write_str(if self.flags.sharp_v { ", " } else { " " });
            }
            if self.flags.plus_v || self.flags.sharp_v {
                self.output.write_str(name);
                self.output.write_char(':');
            }
            self.value(&field, verb, depth + 1)?;
        }
        self.output.write_char('}');
        Ok(())
    }

    fn pointer(&mut self, value: &Value, verb: char) -> Result<()> {
        let address = match value.kind() {
            Kind::Func | Kind::Map | Kind::Ptr | Kind::Slice if value.is_nil() => 0,
            Kind::Func | Kind::Map | Kind::Ptr | Kind::Slice => ADDRESS,
            _ => return self.bad_verb(value, verb),
        };
        match verb {
            'v' if self.flags.sharp_v => {
                self.output.write_char('(');
                self.output.write_str(value.type_name());
                self.output.write_str(")(");
                if address == 0 {
                    self.output.write_str("nil");
                } else {
                    self.hex(address, true);
                }
                self.output.write_char(')');
            }
            'v' if address == 0 => self.pad("<nil>"),
            'v' | 'p' => self.hex(address, !self.flags.sharp),
            'b' | 'o' | 'd' | 'x' | 'X' => {
                return self.integer(value, address, false, false, verb);
            }
            _ => return self.bad_verb(value, verb),
        }
        Ok(())
    }

    fn hex(&mut self, number: u64, prefix: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, prefix);
        self.digits(number, false, 16, 'v', false);
        self.flags.sharp = sharp;
    }

    fn bytes(&mut self, list: &List, verb: char, ty: &str) -> Result<()> {
        let bytes = list.to_bytes().unwrap_or_default();
        match verb {
            's' => self.string(&bytes, 's'),
            'x' | 'X' | 'q' => self.string(&bytes, verb),
            _ if self.flags.sharp_v => {
                self.output.write_str(ty);
                if list.is_nil() {
                    self.output.write_str("(nil)");
                    return Ok(());
                }
                self.output.write_char('{');
                for (at, byte) in bytes.iter().enumerate() {
                    if at > 0 {
                        self.output.write_str(", ");
                    }
                    self.hex(u64::from(*byte), true);
                }
                self.output.write_char('}');
            }
            _ => {
                self.output.write_char('[');
                for (at, byte) in bytes.iter().enumerate() {
                    if at > 0 {
                        self.output.write_char(' ');
                    }
                    self.digits(u64::from(*byte), false, 10, verb, false);
                }
                self.output.write_char(']');
            }
        }
        Ok(())
    }

    fn integer(
        &mut self,
        value: &Value,
        magnitude: u64,
        negative: bool,
        signed: bool,
        verb: char,
    ) -> Result<()> {
        // The bits of a negative number, for verbs that take a character.
        let code = if negative { u64::MAX } else { magnitude };
        match verb {
            'v' if self.flags.sharp_v && !signed => self.hex(magnitude, true),
            'v' | 'd' => self.digits(magnitude, negative, 10, verb, false),
            'b' => self.digits(magnitude, negative, 2, verb, false),
            'o' | 'O' => self.digits(magnitude, negative, 8, verb, false),
            'x' => self.digits(magnitude, negative, 16, verb, false),
            'X' => self.digits(magnitude, negative, 16, verb, true),
            'c' => self.pad(character(code).encode_utf8(&mut [0; 4])),
            'q' => {
                let mut text = String::from("'");
                escape(&mut text, character(code), '\'', self.flags.plus);
                text.push('\'');
                self.pad(&text);
            }
            'U' => {
                let bits = if negative {
                    magnitude.wrapping_neg()
                } else {
                    magnitude
                };
                self.code_point(bits);
            }
            _ => return self.bad_verb(value, verb),
        }
        Ok(())
    }

    fn digits(&mut self, magnitude: u64, negative: bool, base: u32, verb: char, upper: bool) {
        let mut precision = 0;
        if let Some(wanted) = self.flags.precision {
            precision = wanted;
            if wanted == 0 && magnitude == 0 {
                let width = self.flags.width.unwrap_or(0);
                self.spaces(width);
                return;
            }
        } else if self.flags.zero
            && !self.flags.minus
            && let Some(width) = self.flags.width
        {
            let sign = negative || self.flags.plus || self.flags.space;
            precision = width.saturating_sub(usize::from(sign));
        }
        let mut buffer = itoa::Buffer::new();
        let other;
        let digits = match base {
            10 => buffer.format(magnitude),
            2 => {
                other = format!("{magnitude:b}");
                &other
            }
            8 => {
                other = format!("{magnitude:o}");
                &other
            }
            _ => {
                other = if upper {
                    format!("{magnitude:X}")
                } else {
                    format!("{magnitude:x}")
                };
                &other
            }
        };
        let zeros = precision.saturating_sub(digits.len());
        let sign = if negative {
            "-"
        } else if self.flags.plus {
            "+"
        } else if self.flags.space {
            " "
        } else {
            ""
        };
        let leads_with_zero = zeros > 0 || digits.starts_with('0');
        let prefix = match base {
            _ if verb == 'O' => {
                if self.flags.sharp && !leads_with_zero {
                    "0o0"
                } else {
                    "0o"
                }
            }
            2 if self.flags.sharp => "0b",
            8 if self.flags.sharp && !leads_with_zero => "0",
            16 if self.flags.sharp => {
                if upper {
                    "0X"
                } else {
                    "0x"
                }
            }
            _ => "",
        };
        let length = sign.len() + prefix.len() + zeros + digits.len();
        let padding = self.flags.width.unwrap_or(0).saturating_sub(length);
        if !self.flags.minus {
            self.spaces(padding);
        }
        self.output.write_str(sign);
        self.output.write_str(prefix);
        self.repeat('0', zeros);
        self.output.write_str(digits);
        if self.flags.minus {
            self.spaces(padding);
        }
    }

    fn code_point(&mut self, code: u64) {
        let digits = self.flags.precision.unwrap_or(0).max(4);
        let mut text = format!("U+{code:0digits$X}");
        let c = u32::try_from(code).ok().and_then(char::from_u32);
        if self.flags.sharp
            && let Some(c) = c.filter(|c| is_print(*c))
        {
            text.push_str(&format!(" '{c}'"));
        }
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(&text);
        self.flags.zero = zero;
    }

    fn float(&mut self, value: &Value, float: f64, verb: char) -> Result<()> {
        match verb {
            'v' => self.write_float(float, 'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => self.write_float(float, verb, None),
            'f' | 'e' | 'E' => self.write_float(float, verb, Some(6)),
            'F' => self.write_float(float, 'f', Some(6)),
            _ => return self.bad_verb(value, verb),
        }
        Ok(())
    }

    fn complex(&mut self, value: &Value, re: f64, im: f64, verb: char) -> Result<()> {
        if !matches!(
            verb,
            'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E'
        ) {
            return self.bad_verb(value, verb);
        }
        let plus = self.flags.plus;
        self.output.write_char('(');
        self.float(value, re, verb)?;
        self.flags.plus = true;
        self.float(value, im, verb)?;
        self.output.write_str("i)");
        self.flags.plus = plus;
        Ok(())
    }

    fn write_float(&mut self, float: f64, verb: char, precision: Option<usize>) {
        let precision = self.flags.precision.or(precision);
        let mut text = format_float(float, verb, precision);
        if !text.starts_with(['-', '+']) {
            text.insert(0, '+');
        }
        if self.flags.space && text.starts_with('+') && !self.flags.plus {
            text.replace_range(..1, " ");
        }
        if !float.is_finite() {
            let zero = std::mem::take(&mut self.flags.zero);
            let hide = float.is_nan() && !self.flags.space && !self.flags.plus;
            self.pad(if hide { &text[1..] } else { &text });
            self.flags.zero = zero;
            return;
        }
        if self.flags.sharp && verb != 'b' {
            text = with_point(&text, verb, precision);
        }
        if self.flags.plus || !text.starts_with('+') {
            let width = self.flags.width.unwrap_or(0);
            if self.flags.zero && !self.flags.minus && width > text.len() {
                self.output.write_str(&text[..1]);
                self.repeat('0', width - text.len());
                self.output.write_str(&text[1..]);
                return;
            }
            self.pad(&text);
            return;
        }
        self.pad(&text[1..]);
    }

    fn string(&mut self, bytes: &[u8], verb: char) {
        match verb {
            'x' | 'X' => self.hex_string(bytes, verb == 'X'),
            'q' => self.quoted(bytes),
            'v' if self.flags.sharp_v => self.quoted(bytes),
            _ => {
                let bytes = self.truncate(bytes);
                self.pad_bytes(bytes);
            }
        }
    }

    fn quoted(&mut self, bytes: &[u8]) {
        let bytes = self.truncate(bytes);
        let mut text = String::new();
        if self.flags.sharp && can_backquote(bytes) {
            text.push('`');
            text.push_str(&String::from_utf8_lossy(bytes));
            text.push('`');
        } else {
            quote_to(&mut text, bytes, '"', self.flags.plus);
        }
        self.pad(&text);
    }

    fn hex_string(&mut self, bytes: &[u8], upper: bool) {
        let length = self
            .flags
            .precision
            .map_or(bytes.len(), |p| p.min(bytes.len()));
        if length == 0 {
            let width = self.flags.width.unwrap_or(0);
            self.padding(width);
            return;
        }
        let prefix = if upper { "0X" } else { "0x" };
        let mut text = String::new();
        for (at, byte) in bytes[..length].iter().enumerate() {
            if self.flags.space && at > 0 {
                text.push(' ');
            }
            if self.flags.sharp && (at == 0 || self.flags.space) {
                text.push_str(prefix);
            }
            text.push_str(&if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            });
        }
        self.pad(&text);
    }

    fn truncate<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(precision) = self.flags.precision else {
            return bytes;
        };
        let end = chars(bytes).take(precision).map(|(_, width)| width).sum();
        &bytes[..end]
    }

    fn pad(&mut self, text: &str) {
        self.pad_bytes(text.as_bytes());
    }

    fn pad_bytes(&mut self, bytes: &[u8]) {
        let Some(width) = self.flags.width else {
            return self.output.write_bytes(bytes);
        };
        let padding = width.saturating_sub(chars(bytes).count());
        if !self.flags.minus {
            self.padding(padding);
        }
        self.output.write_bytes(bytes);
        if self.flags.minus {
            self.padding(padding);
        }
    }

    fn padding(&mut self, count: usize) {
        self.repeat(
            if self.flags.zero && !self.flags.minus {
                '0'
            } else {
                ' '
            },
            count,
        );
    }

    fn spaces(&mut self, count: usize) {
        self.repeat(' ', count);
    }

    fn repeat(&mut self, c: char, count: usize) {
        for _ in 0..count {
            self.output.write_char(c);
        }
    }
}

/// An element that is an interface is one level deeper than the interface.
fn inner_depth(element: Type) -> usize {
    if element == Type::Any { 2 } else { 1 }
}

/// Returns the character of a code, or U+FFFD.
fn character(code: u64) -> char {
    let code = u32::try_from(code).ok();
    code.and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Adds the decimal point and the zeros that `#` asks for.
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    let mut missing = match verb {
        'v' | 'g' | 'G' | 'x' => precision.map_or(6, |p| i64::try_from(p).unwrap_or(0)),
        _ => 0,
    };
    let is_hex = matches!(verb, 'x' | 'X');
    let exponent = text
        .char_indices()
        .skip(1)
        .find(|(_, c)| matches!(c, 'p' | 'P') || (!is_hex && matches!(c, 'e' | 'E')));
    let (number, tail) = text.split_at(exponent.map_or(text.len(), |(at, _)| at));
    let mut has_point = false;
    let mut significant = false;
    for c in number.chars().skip(1) {
        if c == '.' {
            has_point = true;
        } else {
            significant |= c != '0';
            missing -= i64::from(significant);
        }
    }
    let mut out = String::from(number);
    if !has_point {
        if number.len() == 2 && number.ends_with('0') {
            missing -= 1;
        }
        out.push('.');
    }
    out.extend((0..missing).map(|_| '0'));
    out.push_str(tail);
    out
}

/// Reads a number of a format.
fn number(format: &[u8], at: &mut usize) -> Option<usize> {
    let mut number: i64 = 0;
    let start = *at;
    while let Some(digit @ b'0'..=b'9') = format.get(*at) {
        if number > MAX_NUMBER {
            *at = format.len();
            return None;
        }
        number = number * 10 + i64::from(digit - b'0');
        *at += 1;
    }
    if *at == start {
        None
    } else {
        usize::try_from(number).ok()
    }
}

/// Takes the next argument as a width or a precision.
fn int_argument(values: &[Value], next: &mut usize) -> Option<i64> {
    let value = values.get(*next)?;
    *next += 1;
    let number = match value {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Uint8(number) => i64::from(*number),
        Value::Uint64(number) => i64::try_from(*number).ok()?,
        _ => return None,
    };
    (-MAX_NUMBER..=MAX_NUMBER)
        .contains(&number)
        .then_some(number)
}

/// Reads an argument number such as `[2]`, and tells whether there was one.
fn argument_number(
    format: &[u8],
    at: &mut usize,
    next: &mut usize,
    count: usize,
    reordered: &mut bool,
    good: &mut bool,
) -> bool {
    let rest = &format[(*at).min(format.len())..];
    if rest.first() != Some(&b'[') {
        return false;
    }
    *reordered = true;
    let close = if rest.len() < 3 {
        None
    } else {
        memchr::memchr(b']', rest)
    };
    let Some(close) = close else {
        *good = false;
        *at += 1;
        return false;
    };
    let mut end = 1;
    let index = number(&rest[..close], &mut end).filter(|_| end == close);
    *at += close + 1;
    match index {
        Some(index) if index >= 1 && index <= count => {
            *next = index - 1;
            true
        }
        index => {
            *good = false;
            index.is_some()
        }
    }
}
