use gitops_manifest::yaml::{EmitOptions, Profile, emit};
use gitops_manifest::{Map, Value};

fn sigs(value: &Value) -> String {
    emit(value, &EmitOptions::default())
}

#[test]
fn strings_that_read_as_something_else_are_quoted() {
    for (text, want) in [
        ("on", "\"on\"\n"),
        ("1:30", "\"1:30\"\n"),
        ("0644", "\"0644\"\n"),
        ("2001-01-01", "\"2001-01-01\"\n"),
        ("", "\"\"\n"),
        ("a: b", "'a: b'\n"),
        ("a\tb", "\"a\\tb\"\n"),
        ("a\nb", "|-\n  a\n  b\n"),
        ("\n", "|2+\n\n"),
        ("😀", "\"\\U0001F600\"\n"),
    ] {
        assert_eq!(sigs(&text.into()), want, "{text:?}");
    }
}

#[test]
fn lists_below_keys_are_indented_where_asked_for() {
    let value = Value::from_json(r#"{"a":[{"b":[1]}]}"#).unwrap();
    assert_eq!(sigs(&value), "a:\n- b:\n  - 1\n");
    let wide = EmitOptions::new(Profile::Kyaml).indent_lists(true);
    assert_eq!(emit(&value, &wide), "a:\n  - b:\n      - 1\n");
}

#[test]
fn an_order_that_is_none_does_not_panic() {
    let names = (0..400).map(|i| match i % 4 {
        0 => format!("a{i}"),
        1 => format!("a{i}b"),
        2 => format!("a0{i}"),
        _ => format!("{i}"),
    });
    let map: Map = names.map(|name| (name, 1)).collect();
    assert_eq!(sigs(&map.into()).lines().count(), 400);
}
