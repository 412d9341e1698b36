//! A field set that can be read is written so that it is read again.
#![no_main]

use gitops_diff::structured::{FieldSet, Managers, PathElement};
use gitops_manifest::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = PathElement::parse(text);
    if let Ok(set) = FieldSet::from_json(text) {
        let again = FieldSet::from_json(set.to_json()).expect("what was written can be read");
        assert_eq!(again, set);
        assert_eq!(set.union(&set), set);
        assert!(set.difference(&set).is_empty());
    }
    if let Ok(value) = Value::from_json(text)
        && let Ok(managers) = Managers::from_value(&value)
    {
        let again = Managers::from_value(&managers.to_value()).expect("what was written can be read");
        assert_eq!(again, managers);
    }
});
