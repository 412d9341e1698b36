use gitops_diff::ignore::{IgnoreOptions, IgnoreRule, IgnoreRules, JqLimits};
use gitops_manifest::{Object, Value};
use serde_json::json;

use crate::support::{Tally, cases, documents, same};

fn object(value: &Value) -> Object {
    Object::try_from(value.clone()).expect("the case holds an object")
}

fn rule(value: &Value) -> IgnoreRule {
    serde_json::from_value(value.into()).expect("the case holds a rule")
}

/// The application's rules, then those of the system, by group and kind.
fn rules_of(case: &Value) -> Vec<IgnoreRule> {
    let mut rules: Vec<IgnoreRule> = case["ignoreDifferences"]
        .as_array()
        .into_iter()
        .flatten()
        .map(rule)
        .collect();
    for (key, value) in case["overrides"].as_object().into_iter().flatten() {
        let (group, kind) = key.rsplit_once('/').unwrap_or(("", key));
        let mut of_system = rule(&value["ignoreDifferences"]);
        of_system.group = group.into();
        of_system.kind = kind.into();
        rules.push(of_system);
    }
    rules
}

#[test]
fn conformance_ignore() {
    let mut tally = Tally::new("ignore-differences/ignore");
    for (file, document) in documents("ignore-differences") {
        if file != "ignore.json" {
            continue;
        }
        for case in cases(&document) {
            let name = case["name"].as_str().expect("a case has a name");
            let options = IgnoreOptions::default().compat(true);
            let verdict = match (
                IgnoreRules::with_options(&rules_of(case), &options),
                case["expect"].get("error"),
            ) {
                (Err(_), Some(_)) => Ok(()),
                (Err(error), None) => Err(error.to_string()),
                (Ok(rules), None) => same(
                    "object",
                    &rules.remove(&object(&case["object"])).into(),
                    &case["expect"]["object"],
                ),
                (Ok(_), Some(_)) => Err("it should fail".to_owned()),
            };
            tally.check(name, verdict);
        }
    }
    tally.finish();
}

fn deployment() -> Object {
    Object::try_from(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "annotations": {"n": "1"}},
        "spec": {"replicas": 2, "big": 9_007_199_254_740_993_i64, "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]},
    }))
    .unwrap()
}

fn rules(rule: IgnoreRule) -> IgnoreRules {
    IgnoreRules::new(&[rule]).unwrap()
}

#[test]
fn a_parent_is_left_out_but_for_chosen_children() {
    let rules = rules(
        IgnoreRule::of_kind("*", "*")
            .pointer("/spec")
            .except("/spec/replicas"),
    );
    let left = rules.remove(&deployment());
    assert_eq!(left.get("spec").unwrap().to_json(), r#"{"replicas":2}"#);
}

#[test]
fn numbers_beyond_doubles_pass_through_expressions() {
    let rules =
        rules(IgnoreRule::of_kind("*", "*").jq(".spec.containers[] | select(.name == \"a\")"));
    let left = rules.remove(&deployment());
    assert_eq!(
        left.at(&["spec", "big"]).unwrap().to_json(),
        "9007199254740993"
    );
    assert_eq!(
        left.at(&["spec", "containers"]).unwrap().to_json(),
        r#"[{"image":"y","name":"b"}]"#
    );
}

#[test]
fn indexes_from_the_end_need_the_compat_dialect() {
    let rule = IgnoreRule::of_kind("*", "*").pointer("/spec/containers/-1");
    let strict = IgnoreRules::new(std::slice::from_ref(&rule)).unwrap();
    assert_eq!(strict.remove(&deployment()), deployment());
    let compat =
        IgnoreRules::with_options(&[rule], &IgnoreOptions::default().compat(true)).unwrap();
    assert_eq!(
        compat
            .remove(&deployment())
            .at(&["spec", "containers"])
            .unwrap()
            .to_json(),
        r#"[{"image":"x","name":"a"}]"#
    );
}

#[test]
fn apply_keeps_what_is_ignored_as_it_is_in_live() {
    let rules = rules(
        IgnoreRule::of_kind("apps", "Deployment")
            .pointer("/spec/replicas")
            .pointer("/metadata/annotations/n")
            .jq(".spec.containers[] | select(.name == \"b\") | .image"),
    );
    let mut live = deployment();
    *live
        .as_map_mut()
        .get_mut("spec")
        .unwrap()
        .at_mut(&["replicas"])
        .unwrap() = 7.into();
    live.metadata_mut().remove("annotations");
    let kept = rules.respect(&deployment(), &live);
    assert_eq!(kept.at(&["spec", "replicas"]).unwrap().as_i64(), Some(7));
    assert_eq!(kept.annotation("n"), None);
    assert_eq!(
        kept.at(&["spec", "containers"]),
        deployment().at(&["spec", "containers"])
    );
}

#[test]
fn expressions_cannot_run_forever_or_fill_memory() {
    for expression in [
        "[repeat(1)] | .[0]",
        "last(range(1e18))",
        "def f: f; f",
        "def f: [., .] | f; f",
        "reduce range(100) as $i (\"aaaaaaaa\"; . + .) | .[0:1]",
        "reduce range(100) as $i (.; [., .]) | tojson",
        "(\"a\" * 1e12)",
        "until(false; .)",
        "[limit(1e12; repeat(1))]",
    ] {
        // An expression that may not be is refused at once; one that costs too much leaves out nothing.
        if let Ok(rules) = IgnoreRules::new(&[
            IgnoreRule::of_kind("*", "*").jq(format!(".spec | select({expression})"))
        ]) {
            assert_eq!(rules.remove(&deployment()), deployment(), "{expression}");
        }
    }
    for expression in [
        "env",
        "now",
        "input",
        "$__loc__",
        "halt",
        "debug_empty",
        &"(".repeat(5000),
        &".a|".repeat(20_000),
    ] {
        assert!(
            IgnoreRules::new(&[IgnoreRule::of_kind("*", "*").jq(expression)]).is_err(),
            "{expression}"
        );
    }
    let few = IgnoreOptions::default().limits(JqLimits::default());
    assert!(IgnoreRules::with_options(&[IgnoreRule::of_kind("*", "*").jq(".a")], &few).is_ok());
}

#[test]
fn rules_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<IgnoreRules>();
}
