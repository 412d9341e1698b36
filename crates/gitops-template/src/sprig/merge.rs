//! Merging of maps as `dario.cat/mergo` 1.0 does it.

use super::defaults::is_empty;
use crate::error::{Error, Result};
use crate::exec::Context;
use crate::value::{Kind, Map, Value};

/// Puts into `target` what it lacks of `source`; with `overwrite`, everything.
///
/// What is empty counts as lacking. Nested maps are merged in place, and whatever else is put into
/// the target is the very value of the source, not a copy.
pub(super) fn merge(
    context: &mut Context<'_>,
    target: &Map,
    source: &Map,
    overwrite: bool,
    depth: usize,
) -> Result<()> {
    let limit = context.limits().nesting;
    if depth > limit {
        return Err(Error::limit("the depth of a value", limit as u64));
    }
    for (key, from) in source.to_vec() {
        context.spend(1)?;
        let into = target.get(key.as_bytes());
        if matches!(from, Value::Nil | Value::Missing) {
            // A nil of the source takes the place of a value, but never fills a gap.
            if overwrite {
                target.insert(key, from);
            }
            continue;
        }
        if let (Value::Map(from), Some(Value::Map(into))) = (&from, &into) {
            if !into.is_nil() {
                crate::stack::grow(|| merge(context, into, from, overwrite, depth + 1))?;
            }
            if !into.is_empty() {
                continue;
            }
        }
        let lacks = into.as_ref().is_none_or(is_lacking);
        if overwrite || lacks {
            context.render.note_change(target, &from);
            target.insert(key, from);
        }
    }
    Ok(())
}

/// Tells whether mergo takes a value for empty.
fn is_lacking(value: &Value) -> bool {
    match value.kind() {
        Kind::Struct => false,
        _ => is_empty(value),
    }
}
