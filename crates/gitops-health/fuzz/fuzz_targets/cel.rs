//! Any text is refused or judges an object.
#![no_main]

use gitops_health::cel::CelRule;
use gitops_health::{Context, Rules, assess};
use gitops_manifest::{Object, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(rule) = CelRule::new(text) else { return };
    let mut rules = Rules::new();
    rules.insert("*", rule);
    let object = r#"{"apiVersion": "a/v1", "kind": "B", "metadata": {"name": "x"}, "status": {"a": [1, {"b": "c"}]}}"#;
    let object = Object::try_from(Value::from_json(object).expect("JSON")).expect("an object");
    let _ = assess(&object, &Context::new().with_rules(&rules));
});
