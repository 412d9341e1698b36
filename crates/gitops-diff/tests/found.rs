//! What `examples/hunt` has found, and the answers of the Go programs (gitops-engine of September 2026, Kubernetes 0.36,
//! structured-merge-diff 6.3).

use gitops_diff::compare::{CompareOptions, Strategy, compare};
use gitops_diff::ignore::IgnoreRules;
use gitops_diff::normalize::{self, NormalizeOptions};
use gitops_diff::schema::Schemas;
use gitops_diff::structured::{Duplicates, Emptied, FieldSet, Typed};
use gitops_manifest::{Object, Value};
use serde_json::json;

fn object(value: &Value) -> Object {
    Object::try_from(value.clone()).expect("it is an object")
}

fn of_diff(question: &Value) -> Result<Value, String> {
    let strategy = match question["text"].as_str() {
        Some("structured") => Strategy::Structured,
        Some("server-side") => Strategy::DryRun {
            answer: Box::new(object(&question["c"])),
            keep_webhook_mutations: question["overwrite"] == Value::Bool(true),
        },
        _ => Strategy::ClientSide,
    };
    let aggregated = question["flag"] == Value::Bool(true);
    let options = CompareOptions::default()
        .strategy(strategy)
        .ignore(IgnoreRules::none())
        .normalize(NormalizeOptions::default().ignore_aggregated_roles(aggregated))
        .compat(true);
    let (desired, live) = (object(&question["a"]), object(&question["b"]));
    let found =
        compare(Some(&desired), Some(&live), &options).map_err(|error| error.to_string())?;
    Ok(Value::from(json!({
        "modified": found.is_modified(), "live": found.live(), "predicted": found.predicted(),
    })))
}

fn answer(question: &Value) -> Result<Value, String> {
    let part = |i: usize| {
        let gvk = question["gvk"].as_array();
        gvk.and_then(|gvk| gvk.get(i))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let ty = || {
        let found = Schemas::builtin().lookup(part(0), part(1), part(2));
        found.expect("the kind is built in")
    };
    let result = match question["op"].as_str() {
        Some("diff") => return of_diff(question),
        Some("default") => normalize::defaulted(&object(&question["a"]), ty())
            .map_err(|error| error.to_string())?
            .into(),
        Some("typed-remove") => {
            let fields = FieldSet::from_json(question["text"].as_str().unwrap_or_default());
            Typed::new(question["a"].clone(), ty(), Duplicates::Allow)
                .expect("the value fits")
                .remove(&fields.expect("it is a set"), Emptied::Empty)
                .into_value()
        }
        other => panic!("no operation {other:?}"),
    };
    Ok(Value::from(json!({"result": result})))
}

/// An empty `status` comes from the Go types and says nothing.
fn without_status(mut answer: Value) -> Value {
    if let Some(map) = answer.at_mut(&["result"]).and_then(Value::as_object_mut)
        && map
            .get("status")
            .and_then(Value::as_object)
            .is_some_and(|status| status.is_empty())
    {
        map.remove("status");
    }
    answer
}

#[test]
fn what_was_found_is_answered_as_the_programs_do() {
    let mut wrong = Vec::new();
    for line in include_str!("data/found.jsonl").lines() {
        let case = Value::from_json(line).expect("the line is JSON");
        let theirs = case["answer"].clone();
        match answer(&case["question"]) {
            Err(_) if theirs.get("error").is_some() => {}
            Ok(ours) if without_status(ours.clone()) == without_status(theirs.clone()) => {}
            other => wrong.push(format!(
                "{}\n  ours   {other:?}\n  theirs {theirs:?}",
                case["question"]
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
