//! The order of values in field sets: numbers, text, booleans, lists, maps, null.

use std::cmp::Ordering;

use gitops_manifest::{Map, Value};

const fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

/// Compares two values in the order of `structured-merge-diff`.
///
/// ```
/// use gitops_diff::structured::compare_values;
/// use gitops_manifest::Value;
/// assert!(compare_values(&Value::from(2), &Value::from("1")).is_lt());
/// assert!(compare_values(&Value::Null, &Value::from("1")).is_gt());
/// ```
#[must_use]
pub fn compare_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => a
            .iter()
            .zip(b.iter())
            .map(|(a, b)| compare_values(a, b))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| a.len().cmp(&b.len())),
        (Value::Object(a), Value::Object(b)) => compare_maps(a, b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Walks both maps key by key; the one that runs out first is less.
fn compare_maps(a: &Map, b: &Map) -> Ordering {
    let (mut left, mut right) = (a.iter(), b.iter());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some((ak, av)), Some((bk, bv))) => match ak.cmp(bk) {
                Ordering::Equal => {
                    let order = compare_values(av, bv);
                    if order.is_ne() {
                        return order;
                    }
                }
                order => return order,
            },
        }
    }
}

/// Compares the fields by which two list elements are told apart, name by name.
pub(super) fn compare_keys(a: &Map, b: &Map) -> Ordering {
    a.iter()
        .zip(b.iter())
        .map(|((ak, av), (bk, bv))| ak.cmp(bk).then_with(|| compare_values(av, bv)))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}
