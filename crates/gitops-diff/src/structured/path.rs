use std::cmp::Ordering;
use std::fmt;

use gitops_manifest::{Map, Str, Value};

use super::order::{compare_keys, compare_values};

/// One step of a path: how a child is found in what contains it.
///
/// Elements are ordered as in managed fields: fields by name, then keys, then values, then indexes.
#[derive(Clone, Debug)]
pub enum PathElement {
    /// A field of a map.
    Field(Str),
    /// The element of a keyed list that has these fields.
    Key(Map),
    /// The element of a set that is this value.
    Value(Value),
    /// The element of an atomic list at this position.
    Index(i64),
}

impl PathElement {
    /// Makes the step to a field.
    #[must_use]
    pub fn field(name: impl Into<Str>) -> Self {
        Self::Field(name.into())
    }

    /// Makes the step to the element of a keyed list with the given fields.
    #[must_use]
    pub fn key<const N: usize>(fields: [(&str, Value); N]) -> Self {
        Self::Key(Map::from(fields))
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) if a.ptr_eq(b) => Ordering::Equal,
            (Self::Key(a), Self::Key(b)) => compare_keys(a, b),
            (Self::Value(a), Self::Value(b)) => compare_values(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for PathElement {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for PathElement {}

/// Shows the element as in conflict messages: `.name`, `[name="a",port=80]`, `[="x"]`, `[0]`.
impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                f.write_str("[")?;
                for (i, (name, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{name}={}", Shown(value))?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={}]", Shown(value)),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// Shows a value as Go's `%v` and `%q` do.
struct Shown<'v>(&'v Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => value.fmt(f),
            Value::Number(number) if number.is_integer() => number.fmt(f),
            Value::Number(number) => show_float(number.as_f64(), f),
            Value::String(text) => quote(text, f),
            Value::Array(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    Shown(value).fmt(f)?;
                }
                f.write_str("]")
            }
            Value::Object(map) => {
                for (name, value) in map {
                    write!(f, "{name}={}", Shown(value))?;
                }
                Ok(())
            }
        }
    }
}

/// Go writes an exponent of two digits at least, below `1e-4` and from `1e21` on.
fn show_float(float: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if (1e-4..1e21).contains(&float.abs()) || float == 0.0 {
        return write!(f, "{float}");
    }
    let text = format!("{float:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    write!(f, "{mantissa}e{sign}{digits:0>2}")
}

/// Quotes text as Go's `%q` does.
pub(super) fn quote(text: &str, f: &mut impl fmt::Write) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\x07' => f.write_str("\\a")?,
            '\x08' => f.write_str("\\b")?,
            '\x0b' => f.write_str("\\v")?,
            '\x0c' => f.write_str("\\f")?,
            '\0'..='\x1f' | '\x7f' => write!(f, "\\x{:02x}", char as u32)?,
            _ if is_printable(char) => f.write_char(char)?,
            _ if (char as u32) < 0x1_0000 => write!(f, "\\u{:04x}", char as u32)?,
            _ => write!(f, "\\U{:08x}", char as u32)?,
        }
    }
    f.write_char('"')
}

/// Whether Go prints the character as it is: no control, format, private or space character but the space.
fn is_printable(char: char) -> bool {
    !char.is_control()
        && (char == ' ' || !char.is_whitespace())
        && !matches!(char,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{f0000}'..)
}

/// A path from the top of an object to one of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(Vec<PathElement>);

impl FieldPath {
    /// Returns the steps.
    #[must_use]
    pub fn elements(&self) -> &[PathElement] {
        &self.0
    }

    /// Makes the path of map keys alone.
    #[must_use]
    pub fn of_fields(names: &[&str]) -> Self {
        names.iter().map(|name| PathElement::field(*name)).collect()
    }

    /// Goes one step further down.
    pub fn push(&mut self, element: PathElement) {
        self.0.push(element);
    }

    /// Goes back one step.
    pub fn pop(&mut self) -> Option<PathElement> {
        self.0.pop()
    }
}

impl From<Vec<PathElement>> for FieldPath {
    fn from(elements: Vec<PathElement>) -> Self {
        Self(elements)
    }
}

impl FromIterator<PathElement> for FieldPath {
    fn from_iter<I: IntoIterator<Item = PathElement>>(elements: I) -> Self {
        Self(elements.into_iter().collect())
    }
}

/// Shows the path as in conflict messages: `.spec.containers[name="web"].image`.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| element.fmt(f))
    }
}
