//! Any definition or OpenAPI document is read or refused, and what it describes can be walked.
#![no_main]

use gitops_diff::schema::{Schema, Schemas};
use gitops_diff::structured::{Duplicates, Typed, fill_defaults};
use gitops_manifest::{Object, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(value) = Value::from_json(text) else {
        return;
    };
    let mut schemas = Schemas::default();
    for schema in [Schema::from_openapi(&value), Schema::from_typedefs(&value)]
        .into_iter()
        .flatten()
    {
        schemas.register(schema);
    }
    if let Ok(object) = Object::try_from(value.clone()) {
        let _ = schemas.register_crd(&object);
        if let Some(ty) = schemas.of(&object) {
            let _ = fill_defaults(&value, ty);
            if let Ok(typed) = Typed::new(value, ty, Duplicates::Allow) {
                assert!(typed.compare(&typed).is_same());
                let _ = typed.field_set();
            }
        }
    }
});
