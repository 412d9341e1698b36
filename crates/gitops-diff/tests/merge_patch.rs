use gitops_diff::merge_patch;
use gitops_manifest::{Map, Value};
use proptest::prelude::*;

use crate::support::{Tally, cases, documents, same};
use crate::values;

fn object(value: &Value) -> &Map {
    value.as_object().expect("the case holds a map")
}

/// In these cases `{"float": N}` stands for a double that is not equal to the integer N. Values here know one number, so the
/// double is moved off the integer.
fn with_floats(value: &Value) -> Value {
    match value {
        Value::Object(map)
            if map.len() == 1 && map.get("float").is_some_and(|n| n.as_f64().is_some()) =>
        {
            let float = map
                .get("float")
                .and_then(Value::as_f64)
                .expect("it was looked at");
            Value::Number(gitops_manifest::Number::from_f64(float + 0.5).expect("it is finite"))
        }
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(k, v)| (k.clone(), with_floats(v)))
                .collect(),
        ),
        Value::Array(list) => Value::Array(list.iter().map(with_floats).collect()),
        value => value.clone(),
    }
}

#[test]
fn conformance_json_merge_patch() {
    let mut tally = Tally::new("json-merge-patch");
    for (file, document) in documents("json-merge-patch") {
        for case in cases(&document) {
            let name = case["name"].as_str().expect("a case has a name");
            let verdict = match file.as_str() {
                "apply-rfc7396.json" => same(
                    "result",
                    &merge_patch::apply(&case["original"], &case["patch"]),
                    &case["result"],
                ),
                "three-way.json" => {
                    merge_patch::three_way(&case["original"], &case["modified"], &case["current"])
                        .map_err(|error| error.to_string())
                        .and_then(|patch| {
                            same("patch", &patch, &case["threeWay"])?;
                            let current = match &case["current"] {
                                Value::Null => Value::Object(Map::new()),
                                current => current.clone(),
                            };
                            same(
                                "result",
                                &merge_patch::apply(&current, &patch),
                                &case["result"],
                            )
                        })
                }
                "null-filter.json" => {
                    let input = object(&case["input"]);
                    same(
                        "withNull",
                        &merge_patch::only_null(input).into(),
                        &case["withNull"],
                    )
                    .and_then(|()| {
                        same(
                            "withoutNull",
                            &merge_patch::without_null(input).into(),
                            &case["withoutNull"],
                        )
                    })
                }
                "has-conflicts.json" => {
                    let got =
                        merge_patch::conflicts(&with_floats(&case["a"]), &with_floats(&case["b"]));
                    same("conflict", &got.into(), &case["conflict"])
                }
                other => Err(format!("{other} is of no known kind")),
            };
            tally.check(name, verdict);
        }
    }
    tally.finish();
}

/// RFC 7396, section 2: a value that is no object replaces what is there, as it is.
#[test]
fn nulls_within_lists_are_values() {
    let patch = Value::from(serde_json::json!({"list": [{"a": null}], "map": {"gone": null}}));
    let patched = merge_patch::apply(
        &Value::from(serde_json::json!({"list": [], "map": {"gone": 1}})),
        &patch,
    );
    assert_eq!(patched.to_json(), r#"{"list":[{"a":null}],"map":{}}"#);
}

#[test]
fn integers_beyond_doubles_are_told_apart() {
    let a = Value::from_json(r#"{"n": 9007199254740993}"#).unwrap();
    let b = Value::from_json(r#"{"n": 9007199254740992}"#).unwrap();
    assert_eq!(merge_patch::create(&a, &b), b);
}

proptest! {
    #[test]
    fn a_patch_that_was_made_leads_where_it_should(a in values::map_without_null(), b in values::map_without_null()) {
        let patch = merge_patch::create(&a, &b);
        let result = merge_patch::apply(&a, &patch);
        prop_assert_eq!(&result, &b);
        prop_assert_eq!(merge_patch::apply(&result, &patch), b);
    }

    #[test]
    fn applying_twice_changes_nothing_more(a in values::any(), patch in values::any()) {
        let once = merge_patch::apply(&a, &patch);
        prop_assert_eq!(merge_patch::apply(&once, &patch), once);
    }
}
