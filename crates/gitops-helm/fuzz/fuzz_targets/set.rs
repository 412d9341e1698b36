//! Assignments as `--set` and its kin read them.
#![no_main]

use gitops_helm::Values;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut values = Values::new();
    let _ = values.set(text);
    let _ = values.set_string(text);
    let _ = values.set_json(text);
    let _ = values.set_literal(text);
    let _ = values.set_file(text, |path| Ok(path.to_owned()));
    let _ = values.to_value();
});
