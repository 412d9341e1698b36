//! The functions that Helm 4 adds: durations, and writers that fail instead of falling silent.

use gitops_template::{
    Context, Duration, Error, Function, Functions, Result, Signature, Type, Value,
};

use crate::functions::{emit, to_json_value};
use crate::{go, toml, yaml};

const DURATION: Type = Type::Object("time.Duration");

/// The least and the greatest number of whole seconds that a duration can have.
const SECONDS: i64 = i64::MAX / SECOND;
const SECOND: i64 = 1_000_000_000;

pub(crate) fn register(functions: &mut Functions) {
    let mut add = |name: &'static str,
                   parameters: &'static [Type],
                   result: Type,
                   body: fn(&mut Context<'_>, &mut [Value]) -> Result<Value>| {
        let signature = Signature::new(parameters, result);
        functions.insert(Function::new(name, signature, body));
    };
    const ANY: &[Type] = &[Type::Any];
    const TWO: &[Type] = &[Type::Any, Type::Any];
    add("mustToYaml", ANY, Type::String, must_to_yaml);
    add("mustToToml", ANY, Type::String, |_, arguments| {
        toml::write_value(&arguments[0])?
            .map(Value::from)
            .map_err(Error::new)
    });
    add("mustToDuration", ANY, DURATION, |_, arguments| {
        duration(&arguments[0]).map(Value::from).map_err(Error::new)
    });
    add("durationSeconds", ANY, Type::Float64, |_, arguments| {
        Ok(Value::Float(or_zero(&arguments[0]).seconds()))
    });
    add("durationMinutes", ANY, Type::Float64, |_, arguments| {
        Ok(Value::Float(or_zero(&arguments[0]).minutes()))
    });
    add("durationHours", ANY, Type::Float64, |_, arguments| {
        Ok(Value::Float(or_zero(&arguments[0]).hours()))
    });
    add("durationDays", ANY, Type::Float64, |_, arguments| {
        Ok(Value::Float(or_zero(&arguments[0]).hours() / 24.0))
    });
    add("durationWeeks", ANY, Type::Float64, |_, arguments| {
        Ok(Value::Float(or_zero(&arguments[0]).hours() / 24.0 / 7.0))
    });
    add("durationMilliseconds", ANY, Type::Int64, |_, arguments| {
        Ok(Value::Int64(or_zero(&arguments[0]).nanos() / 1_000_000))
    });
    add("durationMicroseconds", ANY, Type::Int64, |_, arguments| {
        Ok(Value::Int64(or_zero(&arguments[0]).nanos() / 1_000))
    });
    add("durationNanoseconds", ANY, Type::Int64, |_, arguments| {
        Ok(Value::Int64(or_zero(&arguments[0]).nanos()))
    });
    add("durationRoundTo", TWO, DURATION, |_, arguments| {
        Ok(to_multiple(arguments, Duration::round).into())
    });
    add("durationTruncateTo", TWO, DURATION, |_, arguments| {
        Ok(to_multiple(arguments, Duration::truncate).into())
    });
}

fn must_to_yaml(context: &mut Context<'_>, arguments: &mut [Value]) -> Result<Value> {
    let Some(value) = to_json_value(&arguments[0], 0) else {
        // What has no JSON is named by the function that writes JSON.
        return context
            .call("mustToJson", arguments)
            .map_err(|error| error.context("error marshaling into JSON"));
    };
    match emit(&value) {
        Some(text) => Ok(Value::from(text)),
        None => Err(Error::new(format!(
            "error converting JSON to YAML: {}",
            yaml::refusal(&value)
        ))),
    }
}

fn or_zero(value: &Value) -> Duration {
    duration(value).unwrap_or_default()
}

fn to_multiple(arguments: &[Value], round: fn(Duration, Duration) -> Duration) -> Duration {
    let Ok(length) = duration(&arguments[0]) else {
        return Duration::default();
    };
    duration(&arguments[1]).map_or(length, |unit| round(length, unit))
}

/// Takes a value for a duration: text such as `1h30m`, and numbers, in text too, for seconds.
fn duration(value: &Value) -> Result<Duration, String> {
    if let Some(duration) = Duration::from_value(value) {
        return Ok(duration);
    }
    match value {
        Value::Nil | Value::Missing => Err("invalid duration".to_owned()),
        Value::Str(text) => {
            let whole = text.to_text();
            let trimmed = whole.trim();
            if trimmed.is_empty() {
                return Err("empty duration".to_owned());
            }
            if let Ok(duration) = Duration::parse(trimmed) {
                return Ok(duration);
            }
            match trimmed.parse() {
                Ok(seconds) => from_float(seconds),
                Err(_) => Err(format!("could not parse duration {}", go::quote(text))),
            }
        }
        Value::Int(seconds) | Value::Int64(seconds) => from_int(*seconds),
        Value::Uint8(seconds) => from_int(i64::from(*seconds)),
        Value::Uint64(seconds) => match i64::try_from(*seconds) {
            Ok(seconds) => from_int(seconds),
            Err(_) => Err(format!("duration seconds overflow: {seconds}")),
        },
        Value::Float(seconds) => from_float(*seconds),
        Value::Object(object) => match object.underlying() {
            Some(Value::Int(seconds) | Value::Int64(seconds)) => from_int(seconds),
            _ => Err(unsupported(value)),
        },
        _ => Err(unsupported(value)),
    }
}

fn unsupported(value: &Value) -> String {
    format!("unsupported duration type {}", value.type_name())
}

fn from_int(seconds: i64) -> Result<Duration, String> {
    if seconds.unsigned_abs() > SECONDS.unsigned_abs() {
        return Err(format!("duration seconds overflow: {seconds}"));
    }
    Ok(Duration::from_nanos(seconds * SECOND))
}

fn from_float(seconds: f64) -> Result<Duration, String> {
    let limit = i64::MAX as f64 / SECOND as f64;
    let shown = || Value::Float(seconds);
    if !seconds.is_finite() {
        return Err(format!("invalid duration seconds: {}", shown()));
    }
    if seconds.abs() > limit {
        return Err(format!("duration seconds overflow: {}", shown()));
    }
    Ok(Duration::from_nanos((seconds * SECOND as f64) as i64))
}
