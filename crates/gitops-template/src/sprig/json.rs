//! JSON as Go's `encoding/json` writes and reads it.

use super::{Table, text};
use crate::error::{Error, Result};
use crate::json::{Encoder, decode, decode_lenient};
use crate::value::{Type, Value};

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Any, String};
    // Functions without `must` give an empty string where the others fail.
    table.add("toJson", &[Any], String, |context, a| {
        quiet(Encoder::new(context.limits()).escape_html().encode(&a[0]))
    });
    table.add("mustToJson", &[Any], String, |context, a| {
        Encoder::new(context.limits()).escape_html().encode(&a[0])
    });
    table.add("toPrettyJson", &[Any], String, |context, a| {
        quiet(
            Encoder::new(context.limits())
                .escape_html()
                .indent("  ")
                .encode(&a[0]),
        )
    });
    table.add("mustToPrettyJson", &[Any], String, |context, a| {
        Encoder::new(context.limits())
            .escape_html()
            .indent("  ")
            .encode(&a[0])
    });
    for name in ["toRawJson", "mustToRawJson"] {
        table.add(name, &[Any], String, |context, a| {
            Encoder::new(context.limits()).encode(&a[0])
        });
    }
    table.add("fromJson", &[String], Any, |_, a| {
        Ok(decode_lenient(text(&a[0])).map_or(Value::Nil, |(value, _)| value))
    });
    table.add("mustFromJson", &[String], Any, |_, a| {
        decode(text(&a[0])).map_err(Error::new)
    });
}

fn quiet(result: Result<Value>) -> Result<Value> {
    match result {
        Err(error) if matches!(error.kind(), crate::error::ErrorKind::Failed { .. }) => {
            Ok(Value::from(""))
        }
        other => other,
    }
}
