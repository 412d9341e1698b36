//! Any two objects can be applied over each other or are refused, and a second apply changes nothing.
#![no_main]

use gitops_diff::schema::Schemas;
use gitops_diff::structured::{WriteOptions, apply, update};
use gitops_manifest::{Object, Value};
use libfuzzer_sys::fuzz_target;

fn object(text: &str) -> Option<Object> {
    Object::try_from(Value::from_json(text).ok()?).ok()
}

fuzz_target!(|texts: (&str, &str)| {
    let (Some(live), Some(config)) = (object(texts.0), object(texts.1)) else {
        return;
    };
    let schemas = Schemas::default();
    let options = WriteOptions::new("fuzz").force(true);
    let _ = update(Some(&live), &config, &options, &schemas);
    if let Ok(written) = apply(Some(&live), &config, &options, &schemas)
        && let Ok(again) = apply(Some(&written.object), &config, &options, &schemas)
    {
        assert_eq!(again.object, written.object);
    }
});
