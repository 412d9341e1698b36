//! Reading a value into its built-in type and writing it again, as Go does.
//!
//! Quantities, times and durations take their canonical form, zero values of fields with `omitempty` vanish, `null`
//! becomes the zero value of what cannot be absent. Nothing is copied where nothing changes.

use gitops_manifest::{Map, Str, Value};

use super::{quantity, time};
use crate::schema::{FieldRef, TypeKind, TypeRef};

/// Why a value does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// From the innermost step to the outermost.
    path: Vec<String>,
    problem: String,
}

impl Misfit {
    fn new(problem: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            problem: problem.into(),
        }
    }

    fn within(mut self, step: impl Into<String>) -> Self {
        self.path.push(step.into());
        self
    }

    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for step in self.path.iter().rev() {
            if !path.is_empty() && !step.starts_with('[') {
                path.push('.');
            }
            path.push_str(step);
        }
        path
    }

    pub(crate) fn problem(&self) -> &str {
        &self.problem
    }
}

/// What is done with what does not fit, and with what is not there.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mode {
    /// A field or value that does not fit its type stays as it is, and the rest is still normalised. Otherwise it is an error.
    pub(crate) lenient: bool,
    /// Zero values that Go writes are written. Otherwise only what is there is written again.
    pub(crate) fill: bool,
    /// Fields that the type does not have are dropped, as Go's decoder does unless told otherwise. Otherwise they do not fit.
    pub(crate) drop_unknown: bool,
    /// Empty lists and maps stay, as they are in Go between reading and writing. Otherwise those that may be left out are.
    pub(crate) keep_empty: bool,
    /// Nulls stay: what is read has been written by Go, whose nulls are values, as a zero time is.
    pub(crate) keep_null: bool,
}

/// `None`: the value is in its canonical form already.
type Changed = Option<Value>;

/// Normalises the value of a type.
pub(crate) fn value(value: &Value, ty: TypeRef<'_>, mode: Mode) -> Result<Changed, Misfit> {
    let result = match value {
        Value::Null => Ok(zero_of_null(ty, mode)),
        _ => known(value, ty, mode),
    };
    match result {
        Err(_) if mode.lenient => Ok(None),
        result => result,
    }
}

/// What `null` is read as where it cannot be absent.
fn zero_of_null(ty: TypeRef<'_>, mode: Mode) -> Changed {
    match zero(ty, mode) {
        Value::Null => None,
        zero => Some(zero),
    }
}

/// The zero value of a type as it is written.
pub(crate) fn zero(ty: TypeRef<'_>, mode: Mode) -> Value {
    match ty.kind() {
        TypeKind::String => "".into(),
        TypeKind::Bool => false.into(),
        TypeKind::Int32 | TypeKind::Int64 | TypeKind::Float | TypeKind::IntOrString => 0.into(),
        TypeKind::Quantity => "0".into(),
        TypeKind::Duration => "0s".into(),
        TypeKind::Struct => {
            let Some(map) = ty.map() else {
                return Value::Null;
            };
            let entries = map
                .fields()
                .filter(|field| writes_zero(*field))
                .map(|field| (field.name().clone(), zero_of_field(field, mode)))
                .collect();
            Value::Object(Map::from_entries(entries))
        }
        _ => Value::Null,
    }
}

fn zero_of_field(field: FieldRef<'_>, mode: Mode) -> Value {
    if field.is_pointer() {
        Value::Null
    } else {
        zero(field.ty(), mode)
    }
}

/// Whether a field is written while it holds the zero value. `omitempty` leaves structs alone; these need `omitzero`.
fn writes_zero(field: FieldRef<'_>) -> bool {
    if field.omits_zero() {
        return false;
    }
    if !field.is_optional() {
        return true;
    }
    !field.is_pointer()
        && matches!(
            field.ty().kind(),
            TypeKind::Struct
                | TypeKind::Quantity
                | TypeKind::Time
                | TypeKind::MicroTime
                | TypeKind::Duration
                | TypeKind::IntOrString
        )
}

fn known(value: &Value, ty: TypeRef<'_>, mode: Mode) -> Result<Changed, Misfit> {
    let wrong =
        |expected: &str| Misfit::new(format!("expected {expected}, got {}", value.type_name()));
    match ty.kind() {
        TypeKind::Any => Ok(None),
        TypeKind::String => value
            .as_str()
            .map(|_| None)
            .ok_or_else(|| wrong("a string")),
        TypeKind::Bool => value
            .as_bool()
            .map(|_| None)
            .ok_or_else(|| wrong("a boolean")),
        TypeKind::Int64 => value
            .as_i64()
            .map(|_| None)
            .ok_or_else(|| wrong("an integer")),
        TypeKind::Int32 => value
            .as_i64()
            .filter(|int| i32::try_from(*int).is_ok())
            .map(|_| None)
            .ok_or_else(|| wrong("a 32-bit integer")),
        TypeKind::Float => value
            .as_f64()
            .map(|_| None)
            .ok_or_else(|| wrong("a number")),
        TypeKind::IntOrString => match value {
            Value::String(_) => Ok(None),
            Value::Number(number)
                if number
                    .as_i64()
                    .is_some_and(|int| i32::try_from(int).is_ok()) =>
            {
                Ok(None)
            }
            _ => Err(wrong("an integer or a string")),
        },
        TypeKind::Bytes => bytes(value.as_str().ok_or_else(|| wrong("a string"))?),
        TypeKind::Quantity => match value {
            Value::String(text) => text_as(text, quantity::canonical(text), "a quantity"),
            Value::Number(number) => {
                let text = number.to_string();
                let canonical = quantity::canonical(&text).ok_or_else(|| wrong("a quantity"))?;
                Ok(Some(canonical.into_owned().into()))
            }
            _ => Err(wrong("a quantity")),
        },
        TypeKind::Time | TypeKind::MicroTime => {
            let text = value.as_str().ok_or_else(|| wrong("a time"))?;
            let canonical = time::canonical_time(text, ty.kind() == TypeKind::MicroTime);
            // The zero time of Go is written as `null`.
            if canonical.as_deref().is_some_and(time::is_zero) {
                return Ok(Some(Value::Null));
            }
            text_as(text, canonical, "a time")
        }
        TypeKind::Duration => {
            let text = value.as_str().ok_or_else(|| wrong("a duration"))?;
            let canonical = time::parse_duration(text).map(time::format_duration);
            text_as(text, canonical.map(Into::into), "a duration")
        }
        TypeKind::List => {
            let (Value::Array(list), Some(ty)) = (value, ty.list()) else {
                return Err(wrong("a list"));
            };
            list_of(list, ty.element(), mode)
        }
        TypeKind::Map => {
            let (Value::Object(map), Some(ty)) = (value, ty.map()) else {
                return Err(wrong("a map"));
            };
            match ty.element() {
                Some(element) => map_of(map, element, mode),
                None => Ok(None),
            }
        }
        TypeKind::Struct => match value {
            Value::Object(map) => strukt(map, ty, mode),
            _ => Err(wrong("a map")),
        },
    }
}

fn text_as(
    text: &str,
    canonical: Option<std::borrow::Cow<'_, str>>,
    what: &str,
) -> Result<Changed, Misfit> {
    match canonical {
        None => Err(Misfit::new(format!("{text:?} is not {what}"))),
        Some(canonical) if canonical == text => Ok(None),
        Some(canonical) => Ok(Some(canonical.into_owned().into())),
    }
}

/// Base64 is read as Go's decoder does, which passes over line ends, and written on one line.
fn bytes(text: &str) -> Result<Changed, Misfit> {
    use base64::Engine as _;
    let engine = &base64::engine::general_purpose::STANDARD;
    let bad = |_| Misfit::new("the text is not base64");
    if text.contains(['\n', '\r']) {
        let joined: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
        engine.decode(&joined).map_err(bad)?;
        return Ok(Some(joined.into()));
    }
    if is_base64(text.as_bytes()) {
        return Ok(None);
    }
    // What is left is not canonical in its last digit, which Go's decoder takes, or no base64 at all.
    let tolerant = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    Ok(Some(
        engine.encode(tolerant.decode(text).map_err(bad)?).into(),
    ))
}

/// Whether a text is base64 in its canonical form; decides without decoding.
fn is_base64(text: &[u8]) -> bool {
    const fn digit(byte: u8) -> Option<u8> {
        match byte {
            b'A'..=b'Z' => Some(byte - b'A'),
            b'a'..=b'z' => Some(byte - b'a' + 26),
            b'0'..=b'9' => Some(byte - b'0' + 52),
            b'+' => Some(62),
            b'/' => Some(63),
            _ => None,
        }
    }
    if !text.len().is_multiple_of(4) {
        return false;
    }
    let padding = text
        .iter()
        .rev()
        .take(2)
        .take_while(|b| **b == b'=')
        .count();
    let (digits, _) = text.split_at(text.len() - padding);
    if !digits.iter().all(|byte| digit(*byte).is_some()) {
        return false;
    }
    let unused = match padding {
        0 => return true,
        1 => 0b11,
        _ => 0b1111,
    };
    digits
        .last()
        .and_then(|byte| digit(*byte))
        .is_some_and(|last| last & unused == 0)
}

fn list_of(
    list: &gitops_manifest::Array,
    element: TypeRef<'_>,
    mode: Mode,
) -> Result<Changed, Misfit> {
    let mut out: Option<Vec<Value>> = None;
    for (i, item) in list.iter().enumerate() {
        let changed =
            value(item, element, mode).map_err(|misfit| misfit.within(format!("[{i}]")))?;
        if let Some(changed) = changed {
            out.get_or_insert_with(|| list.to_vec())[i] = changed;
        }
    }
    Ok(out.map(Into::into))
}

fn map_of(map: &Map, element: TypeRef<'_>, mode: Mode) -> Result<Changed, Misfit> {
    // Most maps are of strings: nothing in them can change.
    if element.kind() == TypeKind::String && map.values().all(|value| value.as_str().is_some()) {
        return Ok(None);
    }
    let mut out: Option<Map> = None;
    for (key, item) in map {
        let changed = value(item, element, mode).map_err(|misfit| misfit.within(key.as_str()))?;
        if let Some(changed) = changed {
            out.get_or_insert_with(|| map.clone())
                .insert(key.clone(), changed);
        }
    }
    Ok(out.map(Into::into))
}

/// What becomes of one field.
enum Fate {
    Kept,
    Changed(Value),
    Dropped,
}

fn strukt(map: &Map, ty: TypeRef<'_>, mode: Mode) -> Result<Changed, Misfit> {
    let Some(shape) = ty.map() else {
        return Ok(None);
    };
    let mut cursor = 0;
    // The entries so far, once one of them has changed.
    let mut out: Option<Vec<(Str, Value)>> = None;
    for (i, (key, item)) in map.entries().iter().enumerate() {
        let fate = match shape.next_field(&mut cursor, key) {
            Some(field) => {
                field_value(item, field, mode).map_err(|misfit| misfit.within(key.as_str()))?
            }
            None if shape.preserves_unknown() || shape.element().is_some() => Fate::Kept,
            None if mode.drop_unknown => Fate::Dropped,
            None if mode.lenient => Fate::Kept,
            None => return Err(Misfit::new("the type has no such field").within(key.as_str())),
        };
        match fate {
            Fate::Kept => {
                if let Some(out) = &mut out {
                    out.push((key.clone(), item.clone()));
                }
            }
            Fate::Changed(changed) => {
                out.get_or_insert_with(|| map.entries()[..i].to_vec())
                    .push((key.clone(), changed));
            }
            Fate::Dropped => {
                out.get_or_insert_with(|| map.entries()[..i].to_vec());
            }
        }
    }
    if mode.fill {
        let missing: Vec<_> = shape
            .fields()
            .filter(|field| writes_zero(*field) && !map.contains_key(field.name()))
            .map(|field| (field.name().clone(), zero_of_field(field, mode)))
            .collect();
        if !missing.is_empty() {
            out.get_or_insert_with(|| map.entries().to_vec())
                .extend(missing);
        }
    }
    Ok(out.map(|entries| Value::Object(Map::from_entries(entries))))
}

fn field_value(item: &Value, field: FieldRef<'_>, mode: Mode) -> Result<Fate, Misfit> {
    let ty = field.ty();
    if item.is_null() {
        if mode.keep_null {
            return Ok(Fate::Kept);
        }
        // Raw JSON that is no pointer in Go holds the `null` that was read.
        if ty.kind() == TypeKind::Any && !field.is_pointer() && !field.omits_zero() {
            return Ok(Fate::Kept);
        }
        if !writes_zero(field) {
            return Ok(Fate::Dropped);
        }
        return Ok(match zero_of_field(field, mode) {
            Value::Null => Fate::Kept,
            zero => Fate::Changed(zero),
        });
    }
    let changed = match known(item, ty, mode) {
        Err(_) if mode.lenient => return Ok(Fate::Kept),
        changed => changed?,
    };
    let written = changed.as_ref().unwrap_or(item);
    // Behind a pointer every value is written, the zero value too; lists and maps are never behind one.
    let empty = match written {
        Value::Array(list) => list.is_empty(),
        // Sets of managed fields look like maps and are structs behind a pointer.
        Value::Object(map) => {
            map.is_empty()
                && ty.kind() == TypeKind::Map
                && !field.is_pointer()
                && field.name() != "fieldsV1"
        }
        _ if field.is_pointer() => false,
        Value::String(text) => {
            text.is_empty() && matches!(ty.kind(), TypeKind::String | TypeKind::Bytes)
        }
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == 0.0 && ty.kind() != TypeKind::IntOrString,
        // A zero time, which is written, though as `null`.
        Value::Null => field.omits_zero(),
    };
    let kept = mode.keep_empty && matches!(written, Value::Array(_) | Value::Object(_));
    if empty && !kept && field.is_optional() && ty.kind() != TypeKind::Any {
        return Ok(Fate::Dropped);
    }
    if field.omits_zero()
        && ty.kind() == TypeKind::Struct
        && !field.is_pointer()
        && is_zero(written, ty, mode)
    {
        return Ok(Fate::Dropped);
    }
    Ok(changed.map_or(Fate::Kept, Fate::Changed))
}

/// Whether a struct holds nothing but zero values.
fn is_zero(value: &Value, ty: TypeRef<'_>, mode: Mode) -> bool {
    let Value::Object(map) = value else {
        return false;
    };
    map.is_empty() || *value == zero(ty, mode)
}
