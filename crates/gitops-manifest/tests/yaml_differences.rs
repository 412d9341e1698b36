//! Where this crate differs from the Go libraries on purpose; see `docs/differences-yaml.md`.

use gitops_manifest::Value;
use gitops_manifest::yaml::{self, Duplicates, EmitOptions, ErrorKind, ParseOptions, Profile};

#[test]
fn a_collection_as_a_key_is_an_error() {
    for text in ["{}: a", "[]: a", "{? a}: b", "x:\n  {}: a"] {
        let error = yaml::parse_one(text, &ParseOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Content, "{text}");
    }
}

#[test]
fn keys_of_several_types_are_one_key() {
    let text = "1: a\n\"1\": b\n";
    let read = yaml::parse_one(text, &ParseOptions::default()).expect("it is YAML");
    assert_eq!(read.to_json(), r#"{"1":"b"}"#);
    let strict = ParseOptions::default().duplicates(Duplicates::Error);
    let error = yaml::parse_one(text, &strict).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateKey);
}

#[test]
fn control_characters_are_kept() {
    for (text, written) in [
        ("a\u{85}b", "\"a\\Nb\"\n"),
        ("a\u{7f}b", "\"a\\x7Fb\"\n"),
        ("\u{90}", "\"\\x90\"\n"),
        ("\u{fffe}", "\"\\uFFFE\"\n"),
    ] {
        for profile in [Profile::Sigs, Profile::Kyaml] {
            assert_eq!(
                yaml::emit(&text.into(), &EmitOptions::new(profile)),
                written
            );
            let back = yaml::parse_one(written, &ParseOptions::new(profile));
            assert_eq!(back, Ok(Value::from(text)));
        }
    }
}
