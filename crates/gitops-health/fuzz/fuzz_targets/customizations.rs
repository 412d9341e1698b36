//! Any ConfigMap is read, with what cannot be used told.
#![no_main]

use gitops_health::Customizations;
use gitops_manifest::{Map, Object, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str)| {
    let (key, all, one) = input;
    let mut data = Map::new();
    data.insert("resource.customizations", all);
    data.insert(format!("resource.customizations.{key}"), one);
    data.insert("resource.customizations.actions.Pod", one);
    let config = Map::from([
        ("apiVersion", Value::from("v1")),
        ("kind", Value::from("ConfigMap")),
        ("data", Value::Object(data)),
    ]);
    let _ = Customizations::read(&Object::new(config).expect("an object"));
});
