use gitops_diff::json_patch::{self, JsonPatch, JsonPatchError};
use gitops_manifest::Value;
use proptest::prelude::*;

use crate::support::{Tally, cases, documents, same};
use crate::values;

#[test]
fn conformance_json_patch() {
    let mut tally = Tally::new("json-patch");
    for (_, document) in documents("json-patch") {
        for case in cases(&document) {
            let name = case["name"].as_str().expect("a case has a name");
            let result =
                JsonPatch::from_value(&case["patch"]).and_then(|patch| patch.apply(&case["doc"]));
            let verdict = match (result, case.get("expected")) {
                (Ok(got), Some(want)) => same("result", &got, want),
                (Err(_), None) => Ok(()),
                (Ok(got), None) => Err(format!("applies and gives {got}")),
                (Err(error), Some(_)) => Err(error.to_string()),
            };
            tally.check(name, verdict);
        }
    }
    tally.finish();
}

fn value(json: &str) -> Value {
    Value::from_json(json).expect("the test's JSON is valid")
}

#[test]
fn errors_name_the_operation_and_the_place() {
    let patch = JsonPatch::from_value(&value(
        r#"[{"op": "add", "path": "/a", "value": 1}, {"op": "remove", "path": "/list/7"}]"#,
    ))
    .unwrap();
    let error = patch.apply(&value(r#"{"list": [1, 2]}"#)).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"remove at "/list/7" (operation 1 of the json patch): "7" is no index into a list of 2"#
    );
}

#[test]
fn copies_cannot_grow_without_bound() {
    let step =
        r#"{"op": "copy", "from": "", "path": "/x"}, {"op": "copy", "from": "/x", "path": "/y"}"#;
    let patch = value(&format!("[{}]", [step; 40].join(",")));
    let patch = JsonPatch::from_value(&patch).unwrap();
    assert!(matches!(
        patch.apply(&value(r#"{"a": [1, 2, 3]}"#)),
        Err(JsonPatchError::Failed { .. })
    ));
}

proptest! {
    #[test]
    fn a_patch_that_was_made_leads_where_it_should(a in values::any(), b in values::any()) {
        let patch = json_patch::create(&a, &b);
        prop_assert_eq!(&patch.apply(&a).unwrap(), &b);
        prop_assert_eq!(JsonPatch::from_value(&patch.to_value()).unwrap(), patch);
        prop_assert!(json_patch::create(&b, &b).is_empty());
    }
}
