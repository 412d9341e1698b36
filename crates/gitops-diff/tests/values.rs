//! Arbitrary values for property tests.

use gitops_manifest::{Map, Value};
use proptest::prelude::*;

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        proptest::bool::ANY.prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        Just(Value::from(9_007_199_254_740_993_i64)),
        "[a-c]{0,2}".prop_map(Value::from),
    ]
}

/// Keys that need escapes in pointers are among them.
fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-d]", Just("a/b".to_owned()), Just("~".to_owned())]
}

/// Any value, few levels deep.
pub(crate) fn any() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map>())),
        ]
    })
}

/// A map, without null members at any depth.
pub(crate) fn map_without_null() -> impl Strategy<Value = Value> {
    fn strip(value: Value) -> Value {
        match value {
            Value::Object(map) => Value::Object(
                map.into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key, strip(value)))
                    .collect(),
            ),
            value => value,
        }
    }
    prop::collection::vec((key(), any()), 0..5)
        .prop_map(|entries| strip(Value::Object(entries.into_iter().collect::<Map>())))
}
