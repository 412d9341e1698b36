//! TOML as `BurntSushi/toml` 1.6 writes and reads it: `toToml` and `fromToml`.

use std::fmt::Write as _;

use gitops_template::{Error, List, ListType, Map, Str, Value};

use crate::objects::ChartObject;

/// Values deeper than this are an error.
const MAX_DEPTH: usize = 1000;

/// Writes a value as `toToml` does; nil makes the original panic.
pub(crate) fn write_value(value: &Value) -> Result<Result<String, String>, Error> {
    match value {
        Value::Nil | Value::Missing => Err(Error::new(
            "reflect: call of reflect.Value.Type on zero Value",
        )),
        value => Ok(write(value)),
    }
}

/// Writes a value; the error is the original's message.
fn write(value: &Value) -> Result<String, String> {
    let mut writer = Writer {
        out: String::new(),
        depth: 0,
    };
    writer.encode(&mut Vec::new(), value)?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    depth: usize,
}

impl Writer {
    fn encode(&mut self, key: &mut Vec<Str>, value: &Value) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("toml: value is nested too deeply".to_owned());
        }
        match basic(value) {
            Value::Missing | Value::Nil => {}
            Value::Map(map) if map.is_nil() => {}
            Value::List(list) if list.is_nil() && !key.is_empty() => {}
            Value::Map(_) | Value::Object(_) => self.table(key, value)?,
            Value::List(list) if is_table_array(&list)? => self.tables(key, &list)?,
            Value::Func(_) => {
                return Err(format!("unsupported type for key '{}': func", dotted(key)));
            }
            other => self.key_value(key, &other, false)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn newline(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn indent(&mut self, key: &[Str]) {
        for _ in 1..key.len() {
            self.out.push_str("  ");
        }
    }

    fn table(&mut self, key: &mut Vec<Str>, value: &Value) -> Result<(), String> {
        if key.len() == 1 {
            self.newline();
        }
        if !key.is_empty() {
            self.indent(key);
            let _ = write!(self.out, "[{}]", dotted(key));
            self.newline();
        }
        self.entries(key, value)
    }

    fn tables(&mut self, key: &mut Vec<Str>, list: &List) -> Result<(), String> {
        if key.is_empty() {
            return Err("toml: top-level values must be Go maps or structs".to_owned());
        }
        for item in list.to_vec() {
            if matches!(basic(&item), Value::Map(map) if map.is_nil()) {
                continue;
            }
            self.newline();
            self.indent(key);
            let _ = write!(self.out, "[[{}]]", dotted(key));
            self.newline();
            self.entries(key, &item)?;
        }
        Ok(())
    }

    /// Writes the entries of a table: first those that are no tables themselves.
    fn entries(&mut self, key: &mut Vec<Str>, value: &Value) -> Result<(), String> {
        let (tables, direct) = partition(value)?;
        for (name, value) in direct.into_iter().chain(tables) {
            key.push(name);
            self.encode(key, &value)?;
            key.pop();
        }
        Ok(())
    }

    fn key_value(&mut self, key: &[Str], value: &Value, inline: bool) -> Result<(), String> {
        if let Some(name) = key.last() {
            self.indent(key);
            self.out.push_str(&quoted_key(name));
            self.out.push_str(" = ");
            self.element(value)?;
            if !inline {
                self.newline();
            }
            return Ok(());
        }
        self.element(value)
    }

    fn element(&mut self, value: &Value) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("toml: value is nested too deeply".to_owned());
        }
        match basic(value) {
            Value::Bool(value) => {
                let _ = write!(self.out, "{value}");
            }
            Value::Int(value) | Value::Int64(value) => {
                let _ = write!(self.out, "{value}");
            }
            Value::Uint8(value) => {
                let _ = write!(self.out, "{value}");
            }
            Value::Uint64(value) => {
                let _ = write!(self.out, "{value}");
            }
            Value::Float(value) => self.out.push_str(&float(value)),
            Value::Str(text) => self.out.push_str(&quoted(&text.to_text())),
            Value::List(list) => {
                self.out.push('[');
                for (i, item) in list.to_vec().iter().enumerate() {
                    if i > 0 {
                        self.out.push_str(", ");
                    }
                    self.element(item)?;
                }
                self.out.push(']');
            }
            Value::Map(_) | Value::Object(_) => self.inline(value)?,
            other => return Err(format!("unexpected type: {}", other.type_name())),
        }
        self.depth -= 1;
        Ok(())
    }

    fn inline(&mut self, value: &Value) -> Result<(), String> {
        let (tables, direct) = partition(value)?;
        self.out.push('{');
        let more = !tables.is_empty();
        for (entries, trailing) in [(direct, more), (tables, false)] {
            let last = entries.len().saturating_sub(1);
            for (i, (name, value)) in entries.iter().enumerate() {
                if is_nil(value) {
                    continue;
                }
                self.key_value(std::slice::from_ref(name), value, true)?;
                if trailing || i != last {
                    self.out.push_str(", ");
                }
            }
        }
        self.out.push('}');
        Ok(())
    }
}

/// Returns a defined type over a basic one as the basic one; structs stay what they are.
fn basic(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.underlying().unwrap_or_else(|| value.clone()),
        other => other.clone(),
    }
}

fn is_nil(value: &Value) -> bool {
    match basic(value) {
        Value::Missing | Value::Nil => true,
        Value::List(list) => list.is_nil(),
        Value::Map(map) => map.is_nil(),
        _ => false,
    }
}

type Entries = Vec<(Str, Value)>;

/// Parts the entries of a map or a struct into tables and others; those of a map in order of name.
fn partition(value: &Value) -> Result<(Entries, Entries), String> {
    let entries = match basic(value) {
        Value::Map(map) => map.to_vec(),
        Value::Object(object) => {
            // What is embedded in a struct is written as if it stood there itself.
            let chart = value.as_object::<ChartObject>();
            let fields = chart.map_or_else(|| object.fields(), ChartObject::flat_fields);
            let fields = fields.into_iter();
            fields
                .map(|(name, value)| (Str::new(name), value))
                .collect()
        }
        _ => Vec::new(),
    };
    let (mut tables, mut direct) = (Vec::new(), Vec::new());
    for (name, value) in entries {
        let is_table = match basic(&value) {
            Value::Map(map) => !map.is_nil(),
            Value::Object(_) => true,
            Value::List(list) => is_table_array(&list)?,
            Value::Func(_) => return Err("unsupported type: func".to_owned()),
            _ => false,
        };
        if is_table {
            tables.push((name, value));
        } else {
            direct.push((name, value));
        }
    }
    Ok((tables, direct))
}

/// Whether a list is written as `[[tables]]`. A null in it is an error wherever it stands.
fn is_table_array(list: &List) -> Result<bool, String> {
    let items = list.to_vec();
    let mut all = !items.is_empty();
    for item in &items {
        match basic(item) {
            Value::Nil | Value::Missing => {
                return Err("toml: cannot encode array with nil element".to_owned());
            }
            Value::Map(_) | Value::Object(_) => {}
            Value::List(list) => {
                is_table_array(&list)?;
                all = false;
            }
            _ => all = false,
        }
    }
    Ok(all)
}

fn dotted(key: &[Str]) -> String {
    let parts: Vec<_> = key.iter().map(quoted_key).collect();
    parts.join(".")
}

fn quoted_key(name: &Str) -> String {
    let name = name.to_text();
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(bare) {
        name.into_owned()
    } else {
        quoted(&name)
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes a double as Go's `%g` with the shortest digits, and with a fraction where it has no exponent.
fn float(value: f64) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() {
            "-nan"
        } else {
            "nan"
        }
        .to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let text = format!("{value}");
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

/// Reads a TOML text.
pub(crate) fn read(text: &str) -> Result<Map, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            let before = text.get(..span.start).unwrap_or_default();
            before.matches('\n').count() + 1
        });
        format!("toml: line {line}: {}", error.message())
    })?;
    Ok(from_table(table))
}

fn from_table(table: toml::Table) -> Map {
    table
        .into_iter()
        .map(|(key, value)| (Str::from(key), from_value(value)))
        .collect()
}

fn from_value(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(value) => Value::Int64(value),
        toml::Value::Float(value) => Value::Float(value),
        toml::Value::Boolean(value) => Value::Bool(value),
        toml::Value::Datetime(time) => Value::from(time.to_string()),
        toml::Value::Array(items) => {
            let tables = !items.is_empty() && items.iter().all(toml::Value::is_table);
            let items = items.into_iter().map(from_value).collect();
            let ty = if tables {
                &ListType::MAPS
            } else {
                &ListType::ANY
            };
            Value::List(List::typed(ty, items))
        }
        toml::Value::Table(table) => Value::Map(from_table(table)),
    }
}
