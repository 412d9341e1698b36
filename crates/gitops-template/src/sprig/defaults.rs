//! `default` and its kin.

use super::Table;
use crate::error::Error;
use crate::value::{Kind, Type, Value};

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Any, Bool, String};
    table.add_variadic("default", &[Any, Any], Any, |_, a| {
        let given = a.get(1).filter(|given| !is_empty(given)).unwrap_or(&a[0]);
        Ok(given.clone())
    });
    table.add("empty", &[Any], Bool, |_, a| {
        Ok(Value::Bool(is_empty(&a[0])))
    });
    table.add_variadic("coalesce", &[Any], Any, |_, a| {
        Ok(a.iter()
            .find(|value| !is_empty(value))
            .cloned()
            .unwrap_or(Value::Nil))
    });
    table.add_variadic("all", &[Any], Bool, |_, a| {
        Ok(Value::Bool(!a.iter().any(is_empty)))
    });
    table.add_variadic("any", &[Any], Bool, |_, a| {
        Ok(Value::Bool(a.iter().any(|value| !is_empty(value))))
    });
    table.add("ternary", &[Any, Any, Bool], Any, |_, a| {
        let chosen = usize::from(!matches!(a[2], Value::Bool(true)));
        Ok(std::mem::take(&mut a[chosen]))
    });
    table.add("fail", &[String], String, |_, a| {
        Err(Error::new(super::string(&a[0]).to_text().into_owned()))
    });
    table.add("hello", &[], String, |_, _| Ok(Value::from("Hello!")));
}

/// Tells whether a value is the zero of its type; structs never are.
pub(super) fn is_empty(value: &Value) -> bool {
    match value.kind() {
        Kind::Struct => false,
        _ => !value.truth(),
    }
}
