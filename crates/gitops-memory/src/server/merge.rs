//! How a written object and the live one become one.

use gitops_manifest::{Map, Object, Value};

/// Merges three ways: what `desired` says holds, what `previous` said and `desired` no longer does goes, the
/// rest stays as it is in `live`. Lists are taken whole.
pub(super) fn three_way(previous: Option<&Map>, desired: &Map, live: &Map) -> Map {
    let mut merged = live.clone();
    for (key, value) in desired {
        let before = previous.and_then(|previous| previous.get(key));
        let merged_value = match (value, live.get(key)) {
            (Value::Object(desired), Some(Value::Object(live))) => {
                Value::Object(three_way(before.and_then(Value::as_object), desired, live))
            }
            _ => value.clone(),
        };
        if merged.get(key) != Some(&merged_value) {
            merged.insert(key, merged_value);
        }
    }
    for key in previous.into_iter().flat_map(Map::keys) {
        if !desired.contains_key(key) {
            merged.remove(key);
        }
    }
    merged
}

/// Returns the finalizers of an object.
pub(super) fn finalizers(object: &Object) -> Vec<&str> {
    let list = object.meta("finalizers").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
