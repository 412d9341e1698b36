//! What holds for every input.

use gitops_template::{Functions, Map, Render, RenderOptions, Str, Templates, Value};
use proptest::prelude::*;

fn render(text: &str, value: Value) -> Result<String, String> {
    let mut options = RenderOptions::default();
    options.limits.steps = 10_000;
    options.limits.output = 1 << 20;
    options.limits.depth = 100;
    let mut templates = Templates::new(Functions::sprig());
    templates
        .parse("t", text)
        .map_err(|error| error.to_string())?;
    let data = Map::from_iter([(Str::new("v"), value)]);
    let rendered = templates.render("t", data.into(), &mut Render::new(options));
    rendered.map_err(|error| error.to_string())
}

/// Words of which most templates are made, valid or not.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{{ "),
        Just(" }}"),
        Just("{{- "),
        Just(" -}}"),
        Just("if "),
        Just("range "),
        Just("with "),
        Just("else"),
        Just("end"),
        Just("define \"x\""),
        Just("template \"x\" ."),
        Just("."),
        Just(".v"),
        Just("$"),
        Just("$x"),
        Just(" := "),
        Just(" = "),
        Just(", "),
        Just(" | "),
        Just("("),
        Just(")"),
        Just("1"),
        Just("-2.5e3"),
        Just("\"s\""),
        Just("`r`"),
        Just("'c'"),
        Just("nil"),
        Just("true"),
        Just("print "),
        Just("printf \"%v %d\" "),
        Just("index "),
        Just("list "),
        Just("dict \"a\" "),
        Just("set "),
        Just("upper "),
        Just("repeat 3 "),
        Just("/* c */"),
        Just("break"),
        Just("continue"),
        Just("text"),
        Just("\n"),
    ]
    .prop_map(String::from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_panics(words in prop::collection::vec(word(), 0..40)) {
        let _ = render(&words.concat(), Value::Nil);
    }

    #[test]
    fn text_without_actions_is_itself(text in "[^{]*") {
        prop_assert_eq!(render(&text, Value::Nil), Ok(text));
    }

    #[test]
    fn a_string_prints_as_itself(text in any::<String>()) {
        prop_assert_eq!(render("{{ .v }}", Value::from(text.as_str())), Ok(text));
    }

    #[test]
    fn a_quoted_string_is_a_literal_of_itself(text in any::<String>()) {
        let quoted = render("{{ .v | quote }}", Value::from(text.as_str())).unwrap();
        prop_assert_eq!(render(&format!("{{{{ {quoted} }}}}"), Value::Nil), Ok(text));
    }

    #[test]
    fn base64_and_json_come_back(text in any::<String>()) {
        let value = || Value::from(text.as_str());
        prop_assert_eq!(render("{{ .v | b64enc | b64dec }}", value()), Ok(text.clone()));
        prop_assert_eq!(render("{{ .v | b32enc | b32dec }}", value()), Ok(text.clone()));
        prop_assert_eq!(render("{{ .v | toJson | fromJson }}", value()), Ok(text.clone()));
    }

    #[test]
    fn merging_a_map_with_itself_changes_nothing(keys in prop::collection::vec("[a-c]{1,2}", 0..6)) {
        let entries = keys.iter().map(|key| (Str::new(key), Value::from(key.as_str())));
        let map: Map = entries.collect();
        let merged = render("{{ merge .v .v | toJson }}", Value::Map(map.clone()));
        prop_assert_eq!(merged, render("{{ .v | toJson }}", Value::Map(map)));
    }
}
