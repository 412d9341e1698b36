use gitops_diff::compare::{CompareOptions, compare};
use gitops_diff::mask::{self, MaskOptions};
use gitops_manifest::{Object, Value};
use serde_json::json;

use crate::support::{Tally, cases, documents, same};

#[test]
fn conformance_gitops_diff_hide_secret() {
    let mut tally = Tally::new("gitops-diff (hide-secret)");
    for (_, document) in documents("gitops-diff") {
        for case in cases(&document)
            .iter()
            .filter(|case| case["mode"].as_str() == Some("hide-secret"))
        {
            let object = |name: &str| Object::try_from(case[name].clone()).ok();
            let annotations: Vec<_> = match case.at(&["options", "hideAnnotations"]) {
                Some(Value::Array(names)) => names
                    .iter()
                    .filter_map(|name| name.as_str().map(str::to_owned))
                    .collect(),
                Some(Value::Object(names)) => {
                    names.keys().map(|name| name.as_str().to_owned()).collect()
                }
                _ => Vec::new(),
            };
            let options = MaskOptions::default().annotations(annotations);
            let (desired, live) =
                mask::secrets(object("config").as_ref(), object("live").as_ref(), &options);
            let verdict = same(
                "target",
                &desired.map(Value::from).unwrap_or_default(),
                &case["expect"]["target"],
            )
            .and_then(|()| {
                same(
                    "live",
                    &live.map(Value::from).unwrap_or_default(),
                    &case["expect"]["live"],
                )
            });
            tally.check(case["name"].as_str().expect("a case has a name"), verdict);
        }
    }
    tally.finish();
}

fn secret(data: &serde_json::Value) -> Object {
    Object::try_from(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data}),
    )
    .unwrap()
}

#[test]
fn what_cannot_be_read_is_masked_as_a_whole() {
    const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    for last in [
        r#"{"stringData":{"token":"hunter2"},"kind":"Secret"}"#,
        "token: hunter2",
    ] {
        let mut live = secret(&json!({"token": "aHVudGVyMg=="}));
        live.set_annotation(LAST_APPLIED, last);
        let (_, masked) = mask::secrets(None, Some(&live), &MaskOptions::default());
        let masked = masked.expect("there is a live object");
        assert_eq!(masked.annotation(LAST_APPLIED), Some("++++++++"));
    }
}

#[test]
fn no_difference_of_a_secret_shows_a_value() {
    let (plain, other) = ("aHVudGVyMg==", "b3RoZXI=");
    for (desired, live) in [
        (json!({"k": plain}), json!({"k": other})),
        (json!({"k": plain, "l": plain}), json!({"k": plain})),
        (json!({"k": plain}), json!(null)),
    ] {
        let comparison = compare(
            Some(&secret(&desired)),
            Some(&secret(&live)),
            &CompareOptions::default(),
        )
        .unwrap();
        assert!(!comparison.differences.is_empty());
        let debug = format!("{comparison:?}");
        assert!(!debug.contains(plain) && !debug.contains(other), "{debug}");
        for difference in comparison.differences.iter().chain(&comparison.remarks()) {
            let shown = format!("{difference:?} {}", difference.explain());
            assert!(!shown.contains(plain) && !shown.contains(other), "{shown}");
        }
    }
}

/// Last-applied is written by Go, which escapes what HTML could take for its own.
#[test]
fn a_masked_last_applied_annotation_is_written_as_go_writes_it() {
    let mut live = secret(&json!({"k": "YQ=="}));
    live.set_annotation(
        gitops_diff::compare::LAST_APPLIED,
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"type":"<&>"}"#,
    );
    let (_, live) = mask::secrets(None, Some(&live), &MaskOptions::default());
    assert_eq!(
        live.unwrap().annotation(gitops_diff::compare::LAST_APPLIED),
        Some(
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"type":"\u003c\u0026\u003e"}"#
        )
    );
}
