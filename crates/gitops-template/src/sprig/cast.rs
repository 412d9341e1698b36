//! Conversions as `spf13/cast` makes them, without errors: what does not convert is zero.

use crate::syntax::{parse_float, parse_int};
use crate::value::{Object, Value};

/// `cast.ToInt64`, and `cast.ToInt`, which is the same on 64-bit machines.
pub(super) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Int(int) | Value::Int64(int) => *int,
        Value::Uint8(int) => i64::from(*int),
        Value::Uint64(int) => *int as i64,
        Value::Float(float) => float_to_int(*float),
        Value::Bool(value) => i64::from(*value),
        Value::Str(text) => text
            .as_str()
            .and_then(|text| parse_int(trim_zero_decimal(text), 0).ok())
            .unwrap_or(0),
        Value::Object(object) => calendar(object.as_ref()).unwrap_or(0),
        _ => 0,
    }
}

/// `cast.ToFloat64`.
pub(super) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Int(int) | Value::Int64(int) => *int as f64,
        Value::Uint8(int) => f64::from(*int),
        Value::Uint64(int) => *int as f64,
        Value::Float(float) => *float,
        Value::Bool(value) => f64::from(*value),
        Value::Str(text) => text.as_str().and_then(parse_float).unwrap_or(0.0),
        Value::Object(object) => calendar(object.as_ref()).map_or(0.0, |int| int as f64),
        _ => 0.0,
    }
}

/// Converts as the processors do that Helm mostly runs on: what does not fit is the least integer.
pub(super) fn float_to_int(float: f64) -> i64 {
    if float.is_nan() || float >= 9_223_372_036_854_775_808.0 {
        i64::MIN
    } else {
        float as i64
    }
}

/// Cuts `.0`, `.00` and so on from the end.
fn trim_zero_decimal(text: &str) -> &str {
    let whole = text.trim_end_matches('0');
    match whole.strip_suffix('.') {
        Some(number) if whole.len() < text.len() => number,
        _ => text,
    }
}

/// Returns the number of a month or a day of the week, the only defined types that convert.
fn calendar(object: &dyn Object) -> Option<i64> {
    match (object.type_name(), object.underlying()?) {
        ("time.Month" | "time.Weekday", Value::Int(int)) => Some(int),
        _ => None,
    }
}
