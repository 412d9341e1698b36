//! The functions of sprig 3.3.

mod cases;
mod cast;
mod dates;
mod decimal;
mod defaults;
mod dicts;
mod digests;
mod encode;
mod json;
mod lists;
mod merge;
mod numbers;
mod paths;
mod reflect;
mod regexes;
#[cfg(feature = "crypto")]
mod secrets;
mod strings;
mod urls;
mod versions;
mod words;

pub(crate) use encode::base64;
#[cfg(feature = "crypto")]
pub(crate) use encode::from_base64;
pub(crate) use regexes::RegexCache;

use crate::error::{Error, Result};
use crate::exec::Context;
use crate::function::{Function, Functions, Signature};
use crate::text::Str;
use crate::value::{Map, Type, Value};

/// The body of a function.
type Body = fn(&mut Context<'_>, &mut [Value]) -> Result<Value>;

/// Adds the functions of sprig.
pub(crate) fn register(functions: &mut Functions) {
    let mut table = Table(functions);
    cases::register(&mut table);
    dates::register(&mut table);
    defaults::register(&mut table);
    dicts::register(&mut table);
    digests::register(&mut table);
    encode::register(&mut table);
    json::register(&mut table);
    lists::register(&mut table);
    numbers::register(&mut table);
    paths::register(&mut table);
    reflect::register(&mut table);
    regexes::register(&mut table);
    #[cfg(feature = "crypto")]
    secrets::register(&mut table);
    strings::register(&mut table);
    urls::register(&mut table);
    versions::register(&mut table);
}

/// Where functions are added, with their Go signatures.
struct Table<'a>(&'a mut Functions);

impl Table<'_> {
    /// Adds a function of fixed parameters.
    fn add(&mut self, name: &'static str, types: &'static [Type], result: Type, body: Body) {
        self.0
            .insert(Function::new(name, Signature::new(types, result), body));
    }

    /// Adds a function whose last parameter may be repeated.
    fn add_variadic(
        &mut self,
        name: &'static str,
        types: &'static [Type],
        result: Type,
        body: Body,
    ) {
        self.0.insert(Function::new(
            name,
            Signature::variadic(types, result),
            body,
        ));
    }
}

// Arguments fit the signature of the function, so what these return for other types is never seen.

fn text(value: &Value) -> &[u8] {
    match value {
        Value::Str(text) => text.as_bytes(),
        _ => b"",
    }
}

pub(crate) fn string(value: &Value) -> Str {
    match value {
        Value::Str(text) => text.clone(),
        _ => Str::default(),
    }
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(int) | Value::Int64(int) => *int,
        _ => 0,
    }
}

fn map(value: &Value) -> Map {
    match value {
        Value::Map(map) => map.clone(),
        _ => Map::new(),
    }
}

/// Makes a string of bytes.
fn bytes(bytes: impl Into<Vec<u8>>) -> Value {
    Value::Str(Str::from(bytes.into()))
}

/// Cuts bytes as Go's `s[from:to]` does, with the message of its panic.
fn cut(text: &[u8], from: i64, to: i64) -> Result<&[u8]> {
    let length = text.len();
    let panic =
        |bounds: String| Error::new(format!("runtime error: slice bounds out of range {bounds}"));
    let Ok(end) = usize::try_from(to) else {
        return Err(panic(format!("[:{to}]")));
    };
    if end > length {
        return Err(panic(format!("[:{to}] with length {length}")));
    }
    let Ok(start) = usize::try_from(from) else {
        return Err(panic(format!("[{from}:]")));
    };
    text.get(start..end)
        .ok_or_else(|| panic(format!("[{from}:{to}]")))
}

/// Repeats bytes as `strings.Repeat` does.
fn repeat(context: &Context<'_>, text: &[u8], count: i64) -> Result<Vec<u8>> {
    let Ok(count) = usize::try_from(count) else {
        return Err(Error::new("strings: negative Repeat count"));
    };
    let Some(size) = text.len().checked_mul(count) else {
        return Err(Error::new("strings: Repeat output length overflow"));
    };
    context.check_size(size as u64)?;
    Ok(text.repeat(count))
}

/// Makes the error of a nil dereference, which is how many functions answer nil.
fn nil_pointer() -> Error {
    Error::new("runtime error: invalid memory address or nil pointer dereference")
}
