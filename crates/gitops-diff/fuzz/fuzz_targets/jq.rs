//! Any jq path expression is refused or evaluated within its bounds.
#![no_main]

use gitops_diff::ignore::{IgnoreRule, IgnoreRules};
use gitops_manifest::{Object, Value};
use libfuzzer_sys::fuzz_target;

const OBJECT: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}}"#;

fuzz_target!(|expression: &str| {
    if let Ok(rules) = IgnoreRules::new(&[IgnoreRule::of_kind("*", "*").jq(expression)]) {
        let object = Object::try_from(Value::from_json(OBJECT).unwrap()).unwrap();
        let _ = rules.remove(&object);
    }
});
