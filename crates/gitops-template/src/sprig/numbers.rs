//! Arithmetic.

use super::cast::{to_float64, to_int64};
use super::decimal::{Decimal, Operation};
use super::{Table, int, string};
use crate::error::{Error, Result};
use crate::exec::Context;
use crate::format;
use crate::syntax::{IntError, parse_int};
use crate::value::{List, ListType, Type, Value};

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Any, Float64, Int, Int64, String};
    const INTS: Type = Type::List(&ListType::INTS);
    table.add("atoi", &[String], Int, |_, a| {
        let text = string(&a[0]);
        // Out of range is the nearest integer, because only the error is ignored.
        Ok(Value::Int(match parse_int(&text.to_text(), 10) {
            Ok(int) | Err(IntError::Range(int)) => int,
            Err(IntError::Syntax) => 0,
        }))
    });
    table.add("int64", &[Any], Int64, |_, a| {
        Ok(Value::Int64(to_int64(&a[0])))
    });
    table.add("int", &[Any], Int, |_, a| Ok(Value::Int(to_int64(&a[0]))));
    table.add("float64", &[Any], Float64, |_, a| {
        Ok(Value::Float(to_float64(&a[0])))
    });
    table.add("toDecimal", &[Any], Int64, |context, a| {
        let text = format::sprint(&a[..1], context.limits())?;
        Ok(Value::Int64(parse_int(&text.to_text(), 8).unwrap_or(0)))
    });
    table.add_variadic("seq", &[Int], String, seq);
    table.add("until", &[Int], INTS, |context, a| {
        let end = int(&a[0]);
        Ok(ints(steps(context, 0, end, if end < 0 { -1 } else { 1 })?))
    });
    table.add("untilStep", &[Int, Int, Int], INTS, |context, a| {
        Ok(ints(steps(context, int(&a[0]), int(&a[1]), int(&a[2]))?))
    });

    table.add("add1", &[Any], Int64, |_, a| {
        Ok(Value::Int64(to_int64(&a[0]).wrapping_add(1)))
    });
    table.add_variadic("add", &[Any], Int64, |_, a| {
        Ok(fold(0, a, i64::wrapping_add))
    });
    table.add("sub", &[Any, Any], Int64, |_, a| {
        Ok(Value::Int64(to_int64(&a[0]).wrapping_sub(to_int64(&a[1]))))
    });
    table.add("div", &[Any, Any], Int64, |_, a| {
        divide(to_int64(&a[0]), to_int64(&a[1]), i64::wrapping_div)
    });
    table.add("mod", &[Any, Any], Int64, |_, a| {
        divide(to_int64(&a[0]), to_int64(&a[1]), i64::wrapping_rem)
    });
    table.add_variadic("mul", &[Any, Any], Int64, |_, a| {
        Ok(fold(to_int64(&a[0]), &a[1..], i64::wrapping_mul))
    });
    for name in ["max", "biggest"] {
        table.add_variadic(name, &[Any, Any], Int64, |_, a| {
            Ok(fold(to_int64(&a[0]), &a[1..], i64::max))
        });
    }
    table.add_variadic("min", &[Any, Any], Int64, |_, a| {
        Ok(fold(to_int64(&a[0]), &a[1..], i64::min))
    });
    table.add_variadic("maxf", &[Any, Any], Float64, |_, a| {
        Ok(fold_float(a, go_max))
    });
    table.add_variadic("minf", &[Any, Any], Float64, |_, a| {
        Ok(fold_float(a, go_min))
    });
    table.add("add1f", &[Any], Float64, |_, a| {
        decimal(&a[0], &[Value::Int(1)], Operation::Add)
    });
    table.add_variadic("addf", &[Any], Float64, |_, a| {
        decimal(&Value::Float(0.0), a, Operation::Add)
    });
    table.add_variadic("subf", &[Any, Any], Float64, |_, a| {
        decimal(&a[0], &a[1..], Operation::Subtract)
    });
    table.add_variadic("mulf", &[Any, Any], Float64, |_, a| {
        decimal(&a[0], &a[1..], Operation::Multiply)
    });
    table.add_variadic("divf", &[Any, Any], Float64, |_, a| {
        decimal(&a[0], &a[1..], Operation::Divide)
    });
    table.add("ceil", &[Any], Float64, |_, a| {
        Ok(Value::Float(to_float64(&a[0]).ceil()))
    });
    table.add("floor", &[Any], Float64, |_, a| {
        Ok(Value::Float(to_float64(&a[0]).floor()))
    });
    table.add_variadic("round", &[Any, Int, Float64], Float64, |_, a| Ok(round(a)));
    table.add("randInt", &[Int, Int], Int, |context, a| {
        let (min, max) = (int(&a[0]), int(&a[1]));
        match u64::try_from(max.wrapping_sub(min)) {
            Ok(range) if range > 0 => {
                let number = context.random().below(range) as i64;
                Ok(Value::Int(number.wrapping_add(min)))
            }
            _ => Err(Error::new("invalid argument to Intn")),
        }
    });
}

fn fold(start: i64, values: &[Value], operation: fn(i64, i64) -> i64) -> Value {
    Value::Int64(values.iter().map(to_int64).fold(start, operation))
}

fn fold_float(values: &[Value], operation: fn(f64, f64) -> f64) -> Value {
    let mut values = values.iter().map(to_float64);
    let first = values.next().unwrap_or(0.0);
    Value::Float(values.fold(first, operation))
}

/// `math.Max`: infinity, then not-a-number, then zero before negative zero.
fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else {
        a.max(b)
    }
}

fn go_min(a: f64, b: f64) -> f64 {
    -go_max(-a, -b)
}

fn divide(a: i64, b: i64, operation: fn(i64, i64) -> i64) -> Result<Value> {
    if b == 0 {
        return Err(Error::new("runtime error: integer divide by zero"));
    }
    Ok(Value::Int64(operation(a, b)))
}

fn decimal(first: &Value, others: &[Value], operation: Operation) -> Result<Value> {
    let mut result = Decimal::from_float(to_float64(first))?;
    for other in others {
        result = result.apply(operation, &Decimal::from_float(to_float64(other))?)?;
    }
    Ok(Value::Float(result.to_float()))
}

fn round(arguments: &[Value]) -> Value {
    let value = to_float64(&arguments[0]);
    let on = match arguments.get(2) {
        Some(Value::Float(on)) => *on,
        _ => 0.5,
    };
    let power = power_of_ten(int(&arguments[1]));
    let digit = power * value;
    let fraction = digit - digit.trunc();
    let rounded = if fraction >= on {
        digit.ceil()
    } else {
        digit.floor()
    };
    Value::Float(rounded / power)
}

/// `math.Pow(10, places)`, which is exact where a float is.
fn power_of_ten(places: i64) -> f64 {
    if places > 400 {
        return f64::INFINITY;
    }
    if places < -400 {
        return 0.0;
    }
    format!("1e{places}").parse().unwrap_or(f64::NAN)
}

/// Counts from `start` to before `stop`.
fn steps(context: &mut Context<'_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>> {
    let mut numbers = Vec::new();
    let rises = stop >= start;
    if rises && step <= 0 || !rises && step >= 0 {
        return Ok(numbers);
    }
    let count = i128::from(stop)
        .abs_diff(i128::from(start))
        .div_ceil(u128::from(step.unsigned_abs()));
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    context.check_size(count.saturating_mul(24))?;
    context.spend(count)?;
    let mut at = start;
    for _ in 0..count {
        numbers.push(at);
        at = at.wrapping_add(step);
    }
    Ok(numbers)
}

fn ints(numbers: Vec<i64>) -> Value {
    Value::List(List::typed(
        &ListType::INTS,
        numbers.into_iter().map(Value::Int).collect(),
    ))
}

fn seq(context: &mut Context<'_>, arguments: &mut [Value]) -> Result<Value> {
    let numbers: Vec<i64> = arguments.iter().map(int).collect();
    let (start, end, step) = match *numbers {
        [end] => (1, end, None),
        [start, end] => (start, end, None),
        [start, step, end] => (start, end, Some(step)),
        _ => return Ok(Value::from("")),
    };
    let direction = if end < start { -1 } else { 1 };
    if direction < 0 && step.is_some_and(|step| step > 0) {
        return Ok(Value::from(""));
    }
    let numbers = steps(
        context,
        start,
        end.wrapping_add(direction),
        step.unwrap_or(direction),
    )?;
    let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
    Ok(Value::from(texts.join(" ")))
}
