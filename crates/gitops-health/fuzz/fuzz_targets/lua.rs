//! Any text is refused or judges an object, within its limits.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use gitops_health::lua::{LuaOptions, LuaRule, LuaRuntime};
use gitops_health::{Context, Rules, assess};
use gitops_manifest::{Object, Value};
use libfuzzer_sys::fuzz_target;

static RUNTIME: LazyLock<Arc<LuaRuntime>> = LazyLock::new(|| {
    let mut options = LuaOptions::default();
    options.time_limit = Duration::from_millis(50);
    options.memory_limit = 4 << 20;
    Arc::new(LuaRuntime::new(options))
});

fuzz_target!(|text: &str| {
    let Ok(rule) = LuaRule::new(&RUNTIME, text, false) else { return };
    let mut rules = Rules::new();
    rules.insert("*", rule);
    let object = r#"{"apiVersion": "a/v1", "kind": "B", "metadata": {"name": "x"}, "status": {"a": [1, {"b": "c"}]}}"#;
    let object = Object::try_from(Value::from_json(object).expect("JSON")).expect("an object");
    let _ = assess(&object, &Context::new().with_rules(&rules));
});
