use gitops_diff::ignore::{
    self, IgnoreOptions, IgnoreRule, IgnoreRules, JqLimits, without_managed,
};
use gitops_diff::normalize::{KnownTypeField, KnownTypes, known_types};
use gitops_diff::schema::{Schemas, TypeRef};
use gitops_manifest::{Object, ObjectKey, Value};
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

#[test]
fn conformance_known_types() {
    let mut tally = Tally::new("ignore-differences/known-types");
    for (file, document) in documents("ignore-differences") {
        if file != "known-types.json" {
            continue;
        }
        for case in cases(&document) {
            let object = object(&case["object"]);
            let mut known = KnownTypes::builtin();
            for (key, value) in case["overrides"].as_object().into_iter().flatten() {
                let (group, kind) = key.rsplit_once('/').unwrap_or(("", key));
                let fields = value["knownTypeFields"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|field| {
                        let text = |name: &str| {
                            field[name].as_str().expect("the case names it").to_owned()
                        };
                        KnownTypeField::new(text("field"), text("type"))
                    });
                known.push(KnownTypes::new(group, kind, fields));
            }
            let fields: Vec<_> = known
                .into_iter()
                .filter(|known| known.group == *object.group() && known.kind == *object.kind())
                .flat_map(|known| known.fields)
                .collect();
            let verdict = match (
                known_types(&object, &fields),
                case.at(&["expect", "object"]),
            ) {
                (Ok(got), Some(want)) => same("object", &got.into(), want),
                (Err(_), None) => Ok(()),
                (got, want) => Err(format!("got {got:?}, want {want:?}")),
            };
            tally.check(case["name"].as_str().expect("a case has a name"), verdict);
        }
    }
    tally.finish();
}

#[test]
fn conformance_trusted_managers() {
    let mut tally = Tally::new("ignore-differences/trusted-managers");
    for (file, document) in documents("ignore-differences") {
        if file != "trusted-managers.json" {
            continue;
        }
        for case in cases(&document) {
            let read = |name: &str| Object::try_from(case[name].clone()).ok();
            let managers: Vec<_> = case["managers"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(Into::into))
                .collect();
            let result = match (read("config"), read("live")) {
                (Some(config), Some(live)) => {
                    let builtin =
                        Schemas::builtin().lookup(live.group(), live.version(), live.kind());
                    let ty = builtin.unwrap_or(TypeRef::deduced());
                    let (config, live) = without_managed(&config, &live, &managers, ty);
                    (config.into(), live.into())
                }
                _ => (Value::Null, Value::Null),
            };
            let verdict = same("config", &result.0, &case["expect"]["config"])
                .and_then(|()| same("live", &result.1, &case["expect"]["live"]));
            tally.check(case["name"].as_str().expect("a case has a name"), verdict);
        }
    }
    tally.finish();
}

#[test]
fn conformance_effective_rules() {
    let mut tally = Tally::new("ignore-differences/effective-rules");
    for (file, document) in documents("ignore-differences") {
        if file != "effective-rules.json" {
            continue;
        }
        for case in cases(&document) {
            let part = |name: &str| {
                case["resource"][name]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            let key = ObjectKey::new(part("group"), part("kind"), part("namespace"), part("name"));
            let mut rules = rules_of(case);
            // The system's come first in what is shown.
            let own = case["ignoreDifferences"]
                .as_array()
                .map_or(0, |rules| rules.len());
            rules.rotate_left(own);
            let got = ignore::effective(&rules, &key).map_or(Value::Null, |rule| {
                Value::from(json!({
                    "jsonPointers": rule.json_pointers,
                    "jqPathExpressions": rule.jq_path_expressions,
                    "managedFieldsManagers": rule.managed_fields_managers,
                }))
            });
            let verdict = same("rule", &got, &case["expect"]);
            tally.check(case["name"].as_str().expect("a case has a name"), verdict);
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

#[test]
fn malformed_pointers_are_told() {
    let rule = IgnoreRule::of_kind("*", "*").pointer("spec/replicas");
    let error = IgnoreRules::new(std::slice::from_ref(&rule)).unwrap_err();
    assert_eq!(error.to_string(), "ignore rule 0 has a bad json pointer");
    assert!(IgnoreRules::with_options(&[rule], &IgnoreOptions::default().compat(true)).is_ok());
}

#[test]
fn certificates_that_were_injected_do_not_count() {
    let webhook = |bundle: Option<&str>| {
        let mut client = json!({"service": {"name": "w", "namespace": "n"}});
        if let Some(bundle) = bundle {
            client["caBundle"] = bundle.into();
        }
        Object::try_from(json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "w"}, "webhooks": [{"name": "a.example.com", "clientConfig": client}]}))
        .unwrap()
    };
    let rules = IgnoreRules::new(&ignore::injected()).unwrap();
    assert_eq!(rules.remove(&webhook(Some("Q0E="))), webhook(None));
    // The live bundle stays where desired has none or another.
    for desired in [webhook(None), webhook(Some("b2xk"))] {
        assert_eq!(
            rules.respect(&desired, &webhook(Some("Q0E="))),
            webhook(Some("Q0E="))
        );
    }
}

/// As `del(…)` of gojq.
#[test]
fn slices_stand_for_their_elements() {
    let deployment = |names: &[&str]| {
        let containers: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        Object::try_from(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers},
        }))
        .unwrap()
    };
    let all = deployment(&["a", "b", "c", "d"]);
    for (slice, left) in [
        ("[1:]", &["a"][..]),
        ("[:2]", &["c", "d"]),
        ("[-1:]", &["a", "b", "c"]),
        ("[1:3]", &["a", "d"]),
        ("[1:] | .[0]", &["a", "c", "d"]),
        ("[1:3] | .[-1]", &["a", "b", "d"]),
        ("[1:][1:]", &["a", "b"]),
        ("[3:1]", &["a", "b", "c", "d"]),
        ("[:2] | .[2]", &["a", "b", "c", "d"]),
    ] {
        let rule = IgnoreRule::of_kind("*", "*").jq(format!(".spec.containers{slice}"));
        let rules = IgnoreRules::new(&[rule]).unwrap();
        assert_eq!(rules.remove(&all), deployment(left), "{slice}");
    }
}
