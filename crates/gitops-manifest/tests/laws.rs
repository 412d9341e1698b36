//! Laws that hold for all values.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use gitops_manifest::yaml::{self, EmitOptions, ParseOptions, Profile};
use gitops_manifest::{Map, Number, Object, ObjectKey, Str, Value};
use proptest::prelude::*;

/// Text with the characters that matter to YAML.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9./_-]{0,30}",
        "[ab01:#'\"\\\\\n ,\\[\\]{}&*!|>%@`?=~<.+é\u{a0}\u{feff}😀-]{0,24}",
        "([a-z]{1,12} {1,2}){0,20}",
        prop::sample::select(vec![
            "on",
            "No",
            "~",
            "null",
            "0644",
            "1_000",
            "1e3",
            ".5",
            "1:30",
            "2001-01-01",
            "0x1F",
            "-",
            "--- a",
            "...",
            ".inf",
            "",
            "+",
            "=",
            "y",
            "0b1",
            "0o7",
            "12e03",
            "- a",
            "? b",
            "a: b",
            "a #b",
        ])
        .prop_map(str::to_owned),
    ]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        (-1000i64..1000).prop_map(Number::from),
        any::<f64>().prop_filter_map("finite", Number::from_f64),
        (any::<i32>(), -30i32..30).prop_filter_map("finite", |(digits, exponent)| {
            Number::from_f64(f64::from(digits) * 10f64.powi(exponent))
        }),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..6)
                .prop_map(|entries| Value::from(entries.into_iter().collect::<Map>())),
        ]
    })
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn written_yaml_reads_back(value in value()) {
        // go-yaml v2 writes a key `<<` so that it reads as a merge key.
        prop_assume!(!value.to_json().contains("\"<<\":"));
        for profile in [Profile::Sigs, Profile::Kyaml] {
            let written = yaml::emit(&value, &EmitOptions::new(profile));
            let options = ParseOptions::new(profile);
            let read = yaml::parse_one(&written, &options);
            prop_assert_eq!(read.as_ref(), Ok(&value), "{}", written);
            let nodes = yaml::parse_nodes(&written, &options).expect("it was read before");
            let meant = nodes[0].to_value(&options);
            prop_assert_eq!(meant.as_ref(), Ok(&value));
        }
    }

    #[test]
    fn writing_twice_writes_the_same(value in value()) {
        let options = EmitOptions::default();
        prop_assume!(!value.to_json().contains("\"<<\":"));
        let once = yaml::emit(&value, &options);
        let read = yaml::parse_one(&once, &ParseOptions::default()).expect("it was written here");
        prop_assert_eq!(yaml::emit(&read, &options), once);
    }

    #[test]
    fn json_is_yaml(value in value()) {
        // A line break of YAML 1.1 is a character like any other to JSON.
        let json = value.to_json();
        prop_assume!(!json.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{7f}']));
        prop_assert_eq!(yaml::parse_one(&json, &ParseOptions::default()), Ok(value));
    }

    #[test]
    fn json_reads_back(value in value()) {
        prop_assert_eq!(&Value::from_json(value.to_json()).expect("it is JSON"), &value);
        let foreign = serde_json::Value::from(&value);
        prop_assert_eq!(&Value::from(&foreign), &value);
        let text = serde_json::to_string(&value).expect("it can be written");
        prop_assert_eq!(&Value::from_json(text).expect("it is JSON"), &value);
        prop_assert_eq!(&serde_json::from_value::<Value>(foreign).expect("it is a value"), &value);
    }

    #[test]
    fn order_equality_and_hash_agree(a in value(), b in value(), c in value()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        if a == b {
            prop_assert_eq!(hash(&a), hash(&b));
        }
        let mut sorted = [&a, &b, &c];
        sorted.sort();
        prop_assert!(sorted[0] <= sorted[1] && sorted[1] <= sorted[2] && sorted[0] <= sorted[2]);
        prop_assert_eq!(&a.clone(), &a);
    }

    #[test]
    fn numbers_have_one_form(number in number(), other in number()) {
        let text = number.to_string();
        let again = Number::parse(&text);
        prop_assert_eq!(again, Some(number), "{}", text);
        prop_assert_eq!(again.map(|number| number.to_string()), Some(text));
        prop_assert_eq!(number.cmp(&other), other.cmp(&number).reverse());
        if number < other {
            prop_assert!(number.as_f64() <= other.as_f64());
        }
        if let Some(int) = number.as_i64() {
            prop_assert_eq!(Number::from(int), number);
        }
        if let Some(again) = Number::from_f64(number.as_f64()).filter(|_| !number.is_integer()) {
            prop_assert_eq!(again, number);
        }
    }

    #[test]
    fn a_map_is_a_sorted_map(
        changes in prop::collection::vec(("[a-e]{1,2}", prop::option::of(0i64..9)), 0..40),
    ) {
        let mut map = Map::new();
        let mut model: BTreeMap<String, i64> = BTreeMap::new();
        let mut kept = Vec::new();
        for (key, value) in &changes {
            kept.push((map.clone(), model.clone()));
            let (before, expected) = match value {
                Some(value) => (map.insert(key, *value), model.insert(key.clone(), *value)),
                None => (map.remove(key), model.remove(key)),
            };
            prop_assert_eq!(before, expected.map(Value::from));
        }
        kept.push((map, model));
        // A change never shows in a clone that was made before it.
        for (map, model) in kept {
            let entries: Vec<_> = map.iter().map(|(k, v)| (k.to_string(), v.as_i64())).collect();
            let expected: Vec<_> = model.into_iter().map(|(k, v)| (k, Some(v))).collect();
            prop_assert_eq!(entries, expected);
        }
    }

    #[test]
    fn the_last_of_equal_keys_wins(entries in prop::collection::vec(("[a-d]", 0i64..9), 0..12)) {
        let map: Map = entries.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        let model: BTreeMap<&str, i64> = entries.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        prop_assert_eq!(map.len(), model.len());
        for (key, value) in model {
            prop_assert_eq!(map.get(key).and_then(Value::as_i64), Some(value));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(parts in prop::collection::vec(fragment(), 0..24)) {
        let text = parts.concat();
        for profile in [Profile::Sigs, Profile::Kyaml] {
            let options = ParseOptions::new(profile);
            let values = yaml::parse(&text, &options);
            let documents: Vec<_> = yaml::documents(&text, &options).collect();
            match values {
                Ok(values) => {
                    let read: Result<Vec<_>, _> =
                        documents.into_iter().map(|document| document.value).collect();
                    prop_assert_eq!(read, Ok(values));
                }
                Err(error) => {
                    prop_assert!(documents.iter().any(|document| document.value.is_err()));
                    prop_assert!(error.line() <= text.chars().count() + 2);
                }
            }
        }
    }

    #[test]
    fn strings_are_strings(text in text(), other in text()) {
        let (a, b) = (Str::from(text.as_str()), Str::from(other.clone()));
        prop_assert_eq!(a.cmp(&b), text.cmp(&other));
        prop_assert_eq!(a == b, text == other);
        prop_assert_eq!(hash(&a), hash(&text.as_str()));
        prop_assert_eq!(String::from(a), text);
    }
}

fn fragment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "b: ",
        "c: 1\n",
        "- ",
        "  ",
        "\n",
        "\n  ",
        ": ",
        "? ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        "\"",
        "|\n",
        "> \n",
        "|-\n",
        "#",
        "# x\n",
        "&x ",
        "*x",
        "!t ",
        "!!str ",
        "---\n",
        "...\n",
        "\t",
        "<<: ",
        "on",
        "é",
        "\r\n",
        "-",
        "%",
        "~",
        "k: v\n",
        "k: [1, 2]\n",
        "- a\n- b\n",
        "\u{2028}",
        "\\",
        "%YAML 1.1\n",
        "\u{feff}",
    ])
}

#[test]
fn whole_numbers_are_integers_as_far_as_go_prints_them_so() {
    for (float, text, integer) in [
        (1.0, "1", true),
        (-0.0, "0", true),
        (1e6, "1000000", true),
        (9_007_199_254_740_993.0, "9007199254740992", true),
        (1.234_567_890_123_456_7e18, "1234567890123456800", true),
        (12_345_678_901_234_567_890.0, "12345678901234567000", true),
        (-9_223_372_036_854_775_808.0, "-9223372036854776000", false),
        (1e20, "100000000000000000000", false),
        (1e21, "1e+21", false),
        (0.1, "0.1", false),
        (1e-7, "1e-7", false),
    ] {
        let number = Number::from_f64(float).expect("it is finite");
        assert_eq!(number.to_string(), text);
        assert_eq!(number.is_integer(), integer, "{text}");
    }
    assert_eq!(Number::from_f64(f64::NAN), None);
    assert_eq!(Number::from_f64(f64::NEG_INFINITY), None);
}

#[test]
fn doubles_are_read_exactly() {
    // Found by fuzzing: a reader of JSON that rounds twice is off by the last digit.
    let value = yaml::parse_one(
        "[1234567890123456758901234567890]",
        &ParseOptions::default(),
    );
    let float = yaml::parse_one(
        "[12345678901234567589012345678901]",
        &ParseOptions::default(),
    );
    for value in [value, float] {
        let value = value.expect("it is YAML");
        assert_eq!(
            Value::from_json(value.to_json()).expect("it is JSON"),
            value
        );
    }
}

#[test]
fn go_escapes_what_html_would_stumble_over() {
    let text = "a<b>&\u{2028}\u{2029}\u{2027}\u{1}\u{8}\u{c}\n\"\\é😀";
    assert_eq!(
        Value::from(text).to_go_json(),
        "\"a\\u003cb\\u003e\\u0026\\u2028\\u2029\u{2027}\\u0001\\b\\f\\n\\\"\\\\é😀\""
    );
    assert_eq!(
        Value::from(text).to_json(),
        "\"a<b>&\u{2028}\u{2029}\u{2027}\\u0001\\b\\f\\n\\\"\\\\é😀\""
    );
}

#[test]
fn an_object_has_a_key() {
    let object = Object::try_from(serde_json::json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
    }))
    .expect("it is an object");
    assert_eq!(
        object.key(),
        ObjectKey::new("apps", "Deployment", "shop", "web")
    );
    for (value, message) in [
        (serde_json::json!([]), "an object is a map, this is array"),
        (serde_json::json!({}), "apiVersion is missing"),
        (serde_json::json!({"apiVersion": "v1"}), "kind is missing"),
        (
            serde_json::json!({"apiVersion": 1, "kind": "A"}),
            "apiVersion must be a string, not number",
        ),
        (
            serde_json::json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": 1}}),
            "metadata.name must be a string, not number",
        ),
        (
            serde_json::json!({"apiVersion": "v1", "kind": "A", "metadata": "x"}),
            "metadata must be a map, not string",
        ),
    ] {
        assert_eq!(Object::try_from(value).unwrap_err().to_string(), message);
    }
}

#[test]
fn pointers_follow_the_rfc() {
    let value = Value::from_json(r#"{"a/b":{"~":[0,1]},"":2}"#).expect("it is JSON");
    let at = |pointer: &str| value.pointer(pointer).and_then(Value::as_i64);
    assert_eq!(at("/a~1b/~0/1"), Some(1));
    assert_eq!(at("/"), Some(2));
    assert_eq!(at("/a~1b/~0/01"), None);
    assert_eq!(at("/a~1b/~0/-"), None);
    assert_eq!(value.pointer("a"), None);
    assert_eq!(value.pointer(""), Some(&value));
}
