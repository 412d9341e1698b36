//! Any patch is read or refused; what applies has a patch that leads to it.
#![no_main]

use gitops_diff::json_patch::{self, Dialect, JsonPatch};
use gitops_diff::merge_patch;
use gitops_manifest::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str)| {
    let (Ok(target), Ok(patch)) = (Value::from_json(texts.0), Value::from_json(texts.1)) else {
        return;
    };
    let merged = merge_patch::apply(&target, &patch);
    assert_eq!(merge_patch::apply(&merged, &patch), merged);
    if let Ok(patch) = JsonPatch::from_value(&patch) {
        for dialect in [Dialect::Rfc6902, Dialect::Evanphx] {
            if let Ok(result) = patch.apply_as(&target, dialect) {
                let again = json_patch::create(&target, &result);
                assert_eq!(again.apply(&target).as_ref(), Ok(&result));
            }
        }
    }
});
