//! What is written reads back as what it was.
#![no_main]

use gitops_manifest::Value;
use gitops_manifest::yaml::{self, EmitOptions, ParseOptions, Profile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(values) = yaml::parse(text, &ParseOptions::default()) else {
        return;
    };
    for value in &values {
        for profile in [Profile::Sigs, Profile::Kyaml] {
            if !go_reads_it(value, profile) {
                continue;
            }
            let written = yaml::emit(value, &EmitOptions::new(profile));
            let back = yaml::parse_one(&written, &ParseOptions::new(profile));
            assert_eq!(back.as_ref(), Ok(value), "{written}");
        }
        assert_eq!(Value::from_json(value.to_json()).ok().as_ref(), Some(value));
    }
});

/// Go writes some things that it cannot read: v2 does not quote the merge key, v3 begins blocks with tabs, both keep
/// the separators of Unicode among folded words.
fn go_reads_it(value: &Value, profile: Profile) -> bool {
    let json = value.to_json();
    !json.contains(['\u{2028}', '\u{2029}'])
        && match profile {
            Profile::Sigs => !json.contains("\"<<\":"),
            Profile::Kyaml => !json.contains("\\t"),
        }
}
