//! Values as text, as Go's `fmt` package writes them.

pub(crate) mod float;
mod printer;
pub(crate) mod quote;

pub(crate) use printer::Printer;

use crate::error::Result;
use crate::output::Output;
use crate::render::Limits;
use crate::text::Str;
use crate::value::Value;

/// Writes a value as `{{ value }}` does: as `%v`, but what a pointer points at without a sign for that.
pub(crate) fn print_result(output: &mut Output, value: &Value, limits: &Limits) -> Result<()> {
    match value {
        Value::Object(_) => Printer::new(output, limits).print_followed(value),
        value => print_value(output, value, limits),
    }
}

/// Writes a value as `%v` does.
pub(crate) fn print_value(output: &mut Output, value: &Value, limits: &Limits) -> Result<()> {
    match value {
        Value::Str(text) => output.write(text),
        Value::Int(value) | Value::Int64(value) => {
            output.write_str(itoa::Buffer::new().format(*value));
        }
        Value::Bool(value) => output.write_str(if *value { "true" } else { "false" }),
        Value::Missing | Value::Nil => output.write_str("<nil>"),
        value => return Printer::new(output, limits).print(value),
    }
    Ok(())
}

/// Returns a value as `%v` writes it, for messages. Values that nest too deep are cut short.
pub(crate) fn display(value: &Value) -> String {
    let limits = Limits {
        output: 1 << 20,
        nesting: 1_000,
        ..Limits::default()
    };
    let mut output = Output::new();
    // What was written before a limit was reached is good enough for a message.
    let _ = print_value(&mut output, value, &limits);
    output.into_string()
}

/// Returns a value as `%s` writes it, for messages.
pub(crate) fn display_string(value: &Value) -> String {
    let limits = Limits {
        output: 1 << 20,
        nesting: 1_000,
        ..Limits::default()
    };
    let text = sprintf(
        &Str::from_static("%s"),
        std::slice::from_ref(value),
        &limits,
    );
    text.map_or_else(|_| display(value), |text| text.to_text().into_owned())
}

/// Returns a value as sprig's `toString` and many other functions take it.
pub(crate) fn to_text(value: &Value, limits: &Limits) -> Result<Str> {
    match value {
        Value::Str(text) => Ok(text.clone()),
        Value::List(list) if list.ty().name() == "[]uint8" => {
            Ok(Str::from(list.to_bytes().unwrap_or_default()))
        }
        value => {
            let mut output = Output::new();
            print_value(&mut output, value, limits)?;
            Ok(output.into())
        }
    }
}

/// `fmt.Sprint`: spaces between operands that are not strings.
pub(crate) fn sprint(values: &[Value], limits: &Limits) -> Result<Str> {
    if let [Value::Str(text)] = values {
        return Ok(text.clone());
    }
    let mut output = Output::new();
    let mut after_string = false;
    for (at, value) in values.iter().enumerate() {
        let is_string = value.kind() == crate::value::Kind::String;
        if at > 0 && !is_string && !after_string {
            output.write_char(' ');
        }
        print_value(&mut output, value, limits)?;
        after_string = is_string;
    }
    Ok(output.into())
}

/// `fmt.Sprintln`: spaces between all operands, and a newline.
pub(crate) fn sprintln(values: &[Value], limits: &Limits) -> Result<Str> {
    let mut output = Output::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            output.write_char(' ');
        }
        print_value(&mut output, value, limits)?;
    }
    output.write_char('\n');
    Ok(output.into())
}

/// `fmt.Sprintf`.
pub(crate) fn sprintf(format: &Str, values: &[Value], limits: &Limits) -> Result<Str> {
    let mut output = Output::new();
    Printer::new(&mut output, limits).printf(format.as_bytes(), values)?;
    Ok(output.into())
}
