//! Times, durations, months and days of the week as templates see them.

use super::Time;
use super::civil::{Civil, month_name, weekday_name};
use super::duration::{DURATION, Duration, format_duration};
use crate::error::Result;
use crate::exec::Context;
use crate::function::Signature;
use crate::value::{Kind, Object, Type, Value};

/// The name of Go's type.
pub(crate) const TIME: &str = "time.Time";

/// How `time.Time` prints.
const STRING_LAYOUT: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// A defined integer type with names for its values.
pub(super) struct Named {
    ty: &'static str,
    kind: Kind,
    value: i64,
    text: String,
}

impl Named {
    fn month(value: i64) -> Value {
        let text = String::from(month_name(value));
        Value::object(Self {
            ty: "time.Month",
            kind: Kind::Int,
            value,
            text,
        })
    }

    fn weekday(value: i64) -> Value {
        let text = String::from(weekday_name(value));
        Value::object(Self {
            ty: "time.Weekday",
            kind: Kind::Int,
            value,
            text,
        })
    }

    /// Returns the nanoseconds, if this is a duration.
    pub(super) fn nanos(&self) -> Option<i64> {
        (self.ty == DURATION).then_some(self.value)
    }

    pub(super) fn duration(value: i64) -> Value {
        let text = format_duration(value);
        Value::object(Self {
            ty: DURATION,
            kind: Kind::Int64,
            value,
            text,
        })
    }
}

impl Object for Named {
    fn type_name(&self) -> &'static str {
        self.ty
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn truth(&self) -> bool {
        self.value != 0
    }

    fn underlying(&self) -> Option<Value> {
        Some(if self.kind == Kind::Int {
            Value::Int(self.value)
        } else {
            Value::Int64(self.value)
        })
    }

    fn text(&self) -> Option<String> {
        Some(self.text.clone())
    }

    fn method(&self, name: &str) -> Option<Signature> {
        let result = match name {
            "String" => Type::String,
            "Hours" | "Minutes" | "Seconds" if self.kind == Kind::Int64 => Type::Float64,
            "Milliseconds" | "Microseconds" | "Nanoseconds" if self.kind == Kind::Int64 => {
                Type::Int64
            }
            "Abs" if self.kind == Kind::Int64 => Type::Object(DURATION),
            _ => return None,
        };
        Some(Signature::new(&[][..], result))
    }

    fn call(&self, name: &str, _: &mut Context<'_>, _: &mut [Value]) -> Result<Value> {
        let duration = Duration::from_nanos(self.value);
        Ok(match name {
            "Hours" => Value::Float(duration.hours()),
            "Minutes" => Value::Float(duration.minutes()),
            "Seconds" => Value::Float(duration.seconds()),
            "Abs" => Self::duration(self.value.saturating_abs()),
            "Milliseconds" => Value::Int64(self.value / 1_000_000),
            "Microseconds" => Value::Int64(self.value / 1_000),
            "Nanoseconds" => Value::Int64(self.value),
            _ => Value::from(self.text.as_str()),
        })
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other: &dyn std::any::Any = other;
        other
            .downcast_ref::<Self>()
            .is_some_and(|other| self.ty == other.ty && self.value == other.value)
    }
}

impl Object for Time {
    fn type_name(&self) -> &'static str {
        TIME
    }

    fn method(&self, name: &str) -> Option<Signature> {
        use Type::{Bool, Int, Int64, String};
        const OTHER: &[Type] = &[Type::Object(TIME)];
        const LENGTH: &[Type] = &[Int64];
        let time = Type::Object(TIME);
        let (parameters, result): (&'static [Type], Type) = match name {
            "Format" => (&[String], String),
            "String" | "GoString" => (&[], String),
            "Year" | "Day" | "Hour" | "Minute" | "Second" | "Nanosecond" | "YearDay" => (&[], Int),
            "Month" => (&[], Type::Object("time.Month")),
            "Weekday" => (&[], Type::Object("time.Weekday")),
            "Unix" | "UnixNano" | "UnixMilli" | "UnixMicro" => (&[], Int64),
            "UTC" | "Local" => (&[], time),
            "IsZero" | "IsDST" => (&[], Bool),
            "Add" | "Round" | "Truncate" => (LENGTH, time),
            "AddDate" => (&[Int, Int, Int], time),
            "Sub" => (OTHER, Type::Object(DURATION)),
            "Before" | "After" | "Equal" => (OTHER, Bool),
            "Compare" => (OTHER, Int),
            _ => return None,
        };
        Some(Signature::new(parameters, result))
    }

    fn call(&self, name: &str, _: &mut Context<'_>, arguments: &mut [Value]) -> Result<Value> {
        let civil = self.civil();
        let int = |at: usize| match arguments.get(at) {
            Some(Value::Int(int) | Value::Int64(int)) => *int,
            _ => 0,
        };
        let order = || {
            let other = arguments.first().and_then(Value::as_object::<Self>);
            other.map_or(std::cmp::Ordering::Equal, |other| {
                (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
            })
        };
        Ok(match name {
            "Format" => {
                let layout = arguments
                    .first()
                    .map(super::super::sprig::string)
                    .unwrap_or_default();
                Value::from(self.format(&layout.to_text()))
            }
            "Year" => Value::Int(civil.year),
            "Month" => Named::month(civil.month),
            "Day" => Value::Int(civil.day),
            "Hour" => Value::Int(civil.hour),
            "Minute" => Value::Int(civil.minute),
            "Second" => Value::Int(civil.second),
            "Nanosecond" => Value::Int(i64::from(self.nanos)),
            "YearDay" => Value::Int(civil.year_day()),
            "Weekday" => Named::weekday(civil.weekday()),
            "Unix" => Value::Int64(self.seconds),
            "UnixNano" => Value::Int64(self.unix_in(1_000_000_000)),
            "UnixMicro" => Value::Int64(self.unix_in(1_000_000)),
            "UnixMilli" => Value::Int64(self.unix_in(1_000)),
            "UTC" | "Local" => Value::object(self.in_utc()),
            "IsZero" => Value::Bool(self.seconds == Self::zero().seconds && self.nanos == 0),
            "IsDST" => Value::Bool(false),
            "Add" => Value::object(self.plus(int(0))),
            "Round" => Value::object(self.rounded(int(0), true)),
            "Truncate" => Value::object(self.rounded(int(0), false)),
            "AddDate" => Value::object(self.plus_date(int(0), int(1), int(2))),
            "Sub" => {
                let other = arguments.first().and_then(Value::as_object::<Self>);
                Named::duration(other.map_or(0, |other| self.since(other)))
            }
            "Before" => Value::Bool(order().is_lt()),
            "After" => Value::Bool(order().is_gt()),
            "Equal" => Value::Bool(order().is_eq()),
            "Compare" => Value::Int(order() as i64),
            _ => Value::from(self.format(STRING_LAYOUT)),
        })
    }

    fn text(&self) -> Option<String> {
        Some(self.format(STRING_LAYOUT))
    }

    fn to_json(&self) -> Option<Value> {
        Some(Value::from(self.format(RFC3339_NANO)))
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other: &dyn std::any::Any = other;
        // Every zone other than UTC is a pointer of its own.
        other.downcast_ref::<Self>() == Some(self) && self.zone == "UTC"
    }
}

impl Time {
    /// Returns the time since 1970 in parts of a second.
    fn unix_in(&self, parts: i64) -> i64 {
        let nanos = i64::from(self.nanos) / (1_000_000_000 / parts);
        self.seconds.wrapping_mul(parts).wrapping_add(nanos)
    }

    /// Returns the time so many years, months and days later, counted on the calendar.
    pub(crate) fn plus_date(&self, years: i64, months: i64, days: i64) -> Self {
        let mut civil: Civil = self.civil();
        civil.year = civil
            .year
            .saturating_add(years.clamp(-1_000_000, 1_000_000));
        civil.month = civil
            .month
            .saturating_add(months.clamp(-1_000_000, 1_000_000));
        civil.day = civil
            .day
            .saturating_add(days.clamp(-1_000_000_000, 1_000_000_000));
        let seconds = civil.seconds().saturating_sub(i64::from(self.offset));
        Self {
            seconds,
            ..self.clone()
        }
    }

    /// Rounds to a multiple of a duration since the year 1.
    fn rounded(&self, unit: i64, up: bool) -> Self {
        if unit <= 0 {
            return self.clone();
        }
        let since = i128::from(self.seconds) + i128::from(super::UNIX_EPOCH);
        let total = since * 1_000_000_000 + i128::from(self.nanos);
        let rest = i64::try_from(total.rem_euclid(i128::from(unit))).unwrap_or(0);
        if up && rest >= unit - rest {
            self.plus(unit - rest)
        } else {
            self.plus(-rest)
        }
    }
}
