//! The functions that `text/template` predefines.

mod compare;
mod escape;
mod index;

use crate::error::{Error, Result};
use crate::exec::Context;
use crate::format;
use crate::function::{Function, Functions, Signature, Special};
use crate::text::Str;
use crate::value::{Type, Value};

pub(crate) use escape::query_escape;

/// Joins what is to be escaped, where nil is no value.
fn printable(context: &Context<'_>, values: &mut [Value]) -> Result<Str> {
    for value in values
        .iter_mut()
        .filter(|value| matches!(value, Value::Nil))
    {
        *value = Value::from("<no value>");
    }
    format::sprint(values, context.limits())
}

/// Adds the built-in functions.
pub(crate) fn register(functions: &mut Functions) {
    use Type::{Any, Bool, Int, Reflect, String};
    let mut add = |name, signature, body: fn(&mut Context<'_>, &mut [Value]) -> Result<Value>| {
        functions.insert(Function::new(name, signature, body));
    };
    let any = || Signature::variadic(&[Any][..], String);
    add("html", any(), |context, values| {
        let text = printable(context, values)?;
        Ok(Value::Str(escape::html(text)))
    });
    add("js", any(), |context, values| {
        let text = printable(context, values)?;
        Ok(Value::Str(escape::js(text)))
    });
    add("urlquery", any(), |context, values| {
        let text = printable(context, values)?;
        Ok(Value::Str(query_escape(text.as_bytes()).into()))
    });
    add("print", any(), |context, values| {
        Ok(Value::Str(format::sprint(values, context.limits())?))
    });
    add("println", any(), |context, values| {
        Ok(Value::Str(format::sprintln(values, context.limits())?))
    });
    add(
        "printf",
        Signature::variadic(&[String, Any][..], String),
        |context, values| {
            let Some((Value::Str(format), values)) = values.split_first() else {
                return Err(Error::new("printf needs a format"));
            };
            Ok(Value::Str(format::sprintf(
                format,
                values,
                context.limits(),
            )?))
        },
    );
    add(
        "index",
        Signature::variadic(&[Reflect, Reflect][..], Reflect),
        |_, values| index::index(values),
    );
    add(
        "slice",
        Signature::variadic(&[Reflect, Reflect][..], Reflect),
        |_, values| index::slice(values),
    );
    add("len", Signature::new(&[Reflect][..], Int), |_, values| {
        index::length(&values[0])
    });
    add("not", Signature::new(&[Reflect][..], Bool), |_, values| {
        Ok(Value::Bool(!values[0].truth()))
    });
    add(
        "eq",
        Signature::variadic(&[Reflect, Reflect][..], Bool),
        |_, values| compare::eq(&values[0], &values[1..]).map(Value::Bool),
    );
    let two = || Signature::new(&[Reflect, Reflect][..], Bool);
    add("ne", two(), |_, values| {
        compare::eq(&values[0], &values[1..]).map(|equal| Value::Bool(!equal))
    });
    add("lt", two(), |_, values| {
        compare::lt(&values[0], &values[1]).map(Value::Bool)
    });
    add("le", two(), |_, values| {
        compare::le(&values[0], &values[1]).map(Value::Bool)
    });
    add("gt", two(), |_, values| {
        compare::le(&values[0], &values[1]).map(|less| Value::Bool(!less))
    });
    add("ge", two(), |_, values| {
        compare::lt(&values[0], &values[1]).map(|less| Value::Bool(!less))
    });
    let logic = || Signature::variadic(&[Reflect, Reflect][..], Reflect);
    functions.insert(Function::special("and", logic(), Special::And));
    functions.insert(Function::special("or", logic(), Special::Or));
    functions.insert(Function::special("call", logic(), Special::Call));
}
