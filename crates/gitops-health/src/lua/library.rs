//! What scripts may call.

use mlua::{Function, Lua, Result, StdLib, Table};

use super::guard::Guard;
use crate::time;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Returns the function that makes the environment of a script, of the object, an action's parameters and the
/// time.
const ENVIRONMENT: &str = include_str!("environment.lua");

/// Makes the function that makes environments.
pub(super) fn environment(lua: &Lua, guard: &Arc<Guard>, open_libs: bool) -> Result<Function> {
    let mut libraries = StdLib::TABLE | StdLib::JIT;
    if open_libs {
        libraries = libraries | StdLib::STRING | StdLib::MATH;
    }
    lua.load_std_libs(libraries)?;
    // Hooks, and with them the limits, do not reach code that is compiled to the machine's.
    lua.load("jit.off()").exec()?;

    let open = lua.create_table()?;
    if open_libs {
        let globals = lua.globals();
        let strings = without(lua, &globals.get::<Table>("string")?, &["dump"])?;
        open.set(
            "math",
            without(
                lua,
                &globals.get::<Table>("math")?,
                &["randomseed", "random"],
            )?,
        )?;
        // Methods of text are found through a metatable that all scripts share: it is locked, and its index
        // is a copy that no script gets hold of.
        let lock = lua.create_function(|lua, index: Table| {
            let metatable = lua.create_table()?;
            metatable.set("__index", index)?;
            metatable.set("__metatable", false)?;
            lua.set_type_metatable::<mlua::LuaString>(Some(metatable));
            Ok(())
        })?;
        lock.call::<()>(without(lua, &strings, &[])?)?;
        open.set("string", strings)?;
    }

    let over = Arc::clone(guard);
    let tripped = lua.create_function(move |_, ()| Ok(over.is_over()))?;
    let date = lua.create_function(date)?;
    let clock = lua.create_function(clock)?;
    lua.load(ENVIRONMENT)
        .set_name("=environment")
        .into_function()?
        .call((tripped, date, clock, open))
}

/// Copies a library, and leaves out some of its functions.
fn without(lua: &Lua, library: &Table, names: &[&str]) -> Result<Table> {
    let copy = lua.create_table()?;
    for pair in library.pairs::<String, mlua::Value>() {
        let (name, value) = pair?;
        if !names.contains(&name.as_str()) {
            copy.set(name, value)?;
        }
    }
    Ok(copy)
}

/// Tells the time as `os.time` does: what it is, or that of a table of fields. All times are UTC.
fn clock(_: &Lua, (now, fields): (Option<f64>, Option<Table>)) -> Result<f64> {
    let Some(fields) = fields else {
        return now.ok_or_else(|| mlua::Error::runtime("the time is not known here"));
    };
    // What is missing is what gopher-lua takes for it.
    let field = |name: &str, default: f64| -> Result<f64> {
        let number = fields.get::<Option<f64>>(name)?.unwrap_or(default);
        if number.abs() < 1e6 {
            return Ok(number);
        }
        Err(mlua::Error::runtime(format!(
            "field '{name}' is out of range in date table"
        )))
    };
    let (year, month, day) = (
        field("year", -1.0)?,
        field("month", -1.0)?,
        field("day", -1.0)?,
    );
    let (hour, minute, second) = (field("hour", 12.0)?, field("min", 0.0)?, field("sec", 0.0)?);
    let months = year as i64 * 12 + month as i64 - 1;
    let days =
        time::days_since_1970(months.div_euclid(12), months.rem_euclid(12) + 1, 1) + day as i64 - 1;
    Ok((days * 86400 + hour as i64 * 3600 + minute as i64 * 60 + second as i64) as f64)
}

/// Writes a time as `os.date` does. All times are UTC, with `!` before the format or without.
fn date(_: &Lua, (format, at): (Option<String>, f64)) -> Result<String> {
    let format = format.unwrap_or_else(|| "%c".to_owned());
    let format = format.strip_prefix('!').unwrap_or(&format);
    if !(0.0..4e12).contains(&at) {
        return Err(mlua::Error::runtime("the time is out of range"));
    }
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at as u64);
    time::strftime(at, format)
        .ok_or_else(|| mlua::Error::runtime(format!("invalid format {format:?} of os.date")))
}
