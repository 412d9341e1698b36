//! Dates and durations.

use super::{Table, string, text};
use crate::error::{Error, Result};
use crate::exec::Context;
use crate::syntax::{IntError, parse_int};
use crate::time::{Time, format_duration, parse_duration};
use crate::value::{Type, Value};

const TIME: Type = Type::Object("time.Time");

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Any, String};
    table.add("now", &[], TIME, |context, _| {
        Ok(Value::object(context.now()))
    });
    table.add("date", &[String, Any], String, |context, a| {
        format(context, &a[0], &a[1], b"Local")
    });
    for name in ["dateInZone", "date_in_zone"] {
        table.add(name, &[String, Any, String], String, |context, a| {
            format(context, &a[0], &a[1], text(&a[2]))
        });
    }
    table.add("htmlDate", &[Any], String, |context, a| {
        format(context, &Value::from("2006-01-02"), &a[0], b"Local")
    });
    table.add("htmlDateInZone", &[Any, String], String, |context, a| {
        format(context, &Value::from("2006-01-02"), &a[0], text(&a[1]))
    });
    for name in ["dateModify", "date_modify"] {
        table.add(name, &[String, TIME], TIME, |_, a| {
            let time = time(&a[1]);
            Ok(Value::object(
                match parse_duration(&string(&a[0]).to_text()) {
                    Ok(nanos) => time.plus(nanos),
                    Err(_) => time,
                },
            ))
        });
    }
    for name in ["mustDateModify", "must_date_modify"] {
        table.add(name, &[String, TIME], TIME, |_, a| {
            let nanos = parse_duration(&string(&a[0]).to_text()).map_err(Error::new)?;
            Ok(Value::object(time(&a[1]).plus(nanos)))
        });
    }
    table.add("ago", &[Any], String, |context, a| {
        let now = context.now();
        let nanos = now.since(&moment(context, &a[0]));
        Ok(Value::from(format_duration(round_to_seconds(nanos))))
    });
    table.add("duration", &[Any], String, |_, a| {
        let seconds = match &a[0] {
            Value::Int64(seconds) => *seconds,
            Value::Str(text) => match parse_int(&text.to_text(), 10) {
                Ok(seconds) | Err(IntError::Range(seconds)) => seconds,
                Err(IntError::Syntax) => 0,
            },
            _ => 0,
        };
        Ok(Value::from(format_duration(
            seconds.wrapping_mul(1_000_000_000),
        )))
    });
    table.add("durationRound", &[Any], String, |context, a| {
        let nanos = match &a[0] {
            Value::Int64(nanos) => *nanos,
            Value::Str(text) => parse_duration(&text.to_text()).unwrap_or(0),
            value => match value.as_object::<Time>() {
                Some(time) => context.now().since(time),
                None => 0,
            },
        };
        Ok(Value::from(duration_round(nanos)))
    });
    table.add("toDate", &[String, String], TIME, |_, a| {
        let time = Time::parse(&string(&a[0]).to_text(), &string(&a[1]).to_text());
        Ok(Value::object(time.unwrap_or_else(|_| Time::zero())))
    });
    table.add("mustToDate", &[String, String], TIME, |_, a| {
        let time = Time::parse(&string(&a[0]).to_text(), &string(&a[1]).to_text());
        time.map(Value::object).map_err(Error::new)
    });
    table.add("unixEpoch", &[TIME], String, |_, a| {
        Ok(Value::from(time(&a[0]).unix().to_string()))
    });
}

fn time(value: &Value) -> Time {
    value.as_object::<Time>().cloned().unwrap_or_default()
}

/// Returns the time that a value stands for: what is neither a time nor an integer is now.
fn moment(context: &Context<'_>, value: &Value) -> Time {
    match value {
        Value::Int(seconds) | Value::Int64(seconds) => Time::from_unix(*seconds, 0),
        value => value
            .as_object::<Time>()
            .cloned()
            .unwrap_or_else(|| context.now()),
    }
}

fn format(context: &Context<'_>, layout: &Value, value: &Value, zone: &[u8]) -> Result<Value> {
    let time = moment(context, value);
    let zone = String::from_utf8_lossy(zone);
    let time = context.render.in_zone(&time, &zone);
    Ok(Value::from(time.format(&string(layout).to_text())))
}

/// Rounds to whole seconds, halves away from zero.
fn round_to_seconds(nanos: i64) -> i64 {
    const SECOND: i64 = 1_000_000_000;
    let rest = nanos % SECOND;
    let whole = nanos - rest;
    if rest.abs() * 2 < SECOND {
        whole
    } else {
        whole.saturating_add(SECOND * rest.signum())
    }
}

/// Writes the largest unit that a duration is more than one of.
fn duration_round(nanos: i64) -> String {
    const HOUR: u64 = 3_600_000_000_000;
    let magnitude = nanos.unsigned_abs();
    let units = [
        (HOUR * 24 * 365, "y"),
        (HOUR * 24 * 30, "mo"),
        (HOUR * 24, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3_600, "s"),
    ];
    for (unit, name) in units {
        if magnitude > unit {
            return format!("{}{name}", magnitude / unit);
        }
    }
    String::from("0s")
}
