//! Resource actions, as Argo CD offers and carries them out.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use gitops_health::actions::{self, Action, ActionError, Impact, Operation};
use gitops_manifest::{Object, Value};

use crate::support::{Tally, cases, manifest, object, suites};

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// Compares the actions as a set; what an expectation leaves out is empty.
fn same_actions(got: &[Action], expected: &Value) -> Result<(), String> {
    let mut wanted: Vec<Action> =
        serde_json::from_value(serde_json::Value::from(expected)).expect("actions");
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    if got == wanted {
        return Ok(());
    }
    Err(format!("offers {got:?}, not {wanted:?}"))
}

/// Takes out what depends on the time and on random names.
fn normalise(value: &mut Value, source: &str) {
    const STAMPS: &[&[&str]] = &[
        &[
            "spec",
            "template",
            "metadata",
            "annotations",
            "kubectl.kubernetes.io/restartedAt",
        ],
        &[
            "metadata",
            "annotations",
            "kubectl.kubernetes.io/restartedAt",
        ],
        &["metadata", "annotations", "cnpg.io/reloadedAt"],
        &["metadata", "annotations", "force-sync"],
        &["metadata", "annotations", "reconcile.fluxcd.io/requestedAt"],
        &[
            "metadata",
            "annotations",
            "workflows.argoproj.io/scheduled-time",
        ],
        &["spec", "restartAt"],
        &["status", "targetPrimaryTimestamp"],
    ];
    for path in STAMPS {
        let (last, way) = path.split_last().expect("a path");
        if let Some(map) = value.at_mut(way).and_then(Value::as_object_mut) {
            map.retain(|key, _| key != *last);
        }
    }
    let kind = value["kind"].as_str().unwrap_or_default().to_owned();
    if let Some(conditions) = value
        .at_mut(&["status", "conditions"])
        .and_then(Value::as_array_mut)
    {
        for condition in conditions.make_mut() {
            if condition["type"].as_str() == Some("FailureTarget") {
                let map = condition.as_object_mut().expect("a condition");
                map.retain(|key, _| key != "lastTransitionTime");
            }
        }
    }
    if matches!(kind.as_str(), "Job" | "Workflow")
        && value
            .at(&["metadata", "name"])
            .and_then(Value::as_str)
            .is_some_and(|n| n.starts_with(source))
    {
        let name = value.at_mut(&["metadata", "name"]).expect("a name");
        *name = source.into();
    }
    if let Some(map) = value.as_object_mut() {
        if kind == "Deployment" {
            map.retain(|key, _| key != "status");
        }
        let metadata = map.entry_object("metadata");
        metadata.retain(|key, value| {
            let empty = value
                .as_object()
                .is_some_and(gitops_manifest::Map::is_empty);
            !(empty
                || kind == "Deployment" && matches!(key, "creationTimestamp" | "generation")
                || kind == "Workflow" && matches!(key, "uid" | "resourceVersion"))
        });
    }
}

/// Takes out fields that are `null`, which say that there is none.
fn without_null(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.iter_mut().for_each(|(_, value)| without_null(value));
        }
        Value::Array(array) => array.make_mut().iter_mut().for_each(without_null),
        _ => {}
    }
}

/// Whether all that is expected is there; what an object is created with beyond that may differ.
fn contains(got: &Value, expected: &Value) -> bool {
    match (got, expected) {
        (Value::Object(got), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| got.get(key).is_some_and(|got| contains(got, value))),
        (Value::Array(got), Value::Array(expected)) => {
            got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| contains(a, b))
        }
        (got, expected) => got == expected,
    }
}

fn same_impacts(got: &[Impact], expected: &Value, input: &Object) -> Result<(), String> {
    let expected = expected.as_array().expect("a list of impacts");
    if got.len() != expected.len() {
        return Err(format!("{} impacts, not {}", got.len(), expected.len()));
    }
    for (got, expected) in got.iter().zip(expected) {
        let mut wanted = expected["object"].clone();
        let mut value = got.object.to_value();
        normalise(&mut wanted, input.name());
        normalise(&mut value, input.name());
        without_null(&mut wanted);
        without_null(&mut value);
        // Some expectations were written without any annotation, for objects that have some.
        if wanted.at(&["metadata", "annotations"]).is_none()
            && let Some(metadata) = value.at_mut(&["metadata"]).and_then(Value::as_object_mut)
        {
            metadata.retain(|key, _| key != "annotations");
        }
        let creates = wanted["kind"].as_str() != Some(input.kind());
        // The suite calls an object of another kind a patch, for want of the word: it is created.
        let operation = if creates {
            Operation::Create
        } else {
            Operation::Patch
        };
        let same = if creates {
            contains(&value, &wanted)
        } else {
            value == wanted
        };
        if got.operation != operation || !same {
            return Err(format!("{:?} {value}\n    not {wanted}", got.operation));
        }
    }
    Ok(())
}

#[test]
fn conformance_actions() {
    let Some(root) = suites().map(|root| root.join("actions")) else {
        return;
    };
    let Some(cases) = cases(&root, "cases.json") else {
        return;
    };
    let mut tally = Tally::new("actions");
    for case in &cases {
        let input = object(manifest(
            &root.join(case["input"].as_str().expect("an input")),
        ));
        let result = if case["type"].as_str() == Some("discovery") {
            same_actions(&actions::discover(&input), &case["actions"])
        } else {
            let mut params: BTreeMap<String, String> = BTreeMap::new();
            let name = case["action"].as_str().expect("an action");
            // What is not given is the default that the action offers.
            for action in actions::discover(&input)
                .iter()
                .filter(|action| action.name == name)
            {
                for param in action
                    .params
                    .iter()
                    .filter(|param| !param.default.is_empty())
                {
                    params.insert(param.name.to_string(), param.default.to_string());
                }
            }
            for (key, value) in case["parameters"].as_object().into_iter().flatten() {
                params.insert(key.to_string(), value.as_str().expect("text").to_owned());
            }
            match (
                actions::run(&input, name, &params, now()),
                case["error"].as_str(),
            ) {
                (Err(error), Some(expected)) if error.to_string() == expected => Ok(()),
                (Ok(impacts), None) => {
                    let expected =
                        manifest(&root.join(case["output"].as_str().expect("an output")));
                    same_impacts(&impacts, &expected, &input)
                }
                (got, expected) => Err(format!("{got:?}, not {expected:?}")),
            }
        };
        tally.check(case["name"].as_str().unwrap_or("?"), result);
    }
    tally.finish();
}

#[test]
fn what_is_not_offered_cannot_be_run() {
    let service = crate::support::json(
        serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}),
    );
    assert_eq!(actions::discover(&service), []);
    let error = actions::run(&service, "restart", &BTreeMap::new(), now()).unwrap_err();
    assert!(matches!(&error, ActionError::Unknown { .. }), "{error}");
    assert_eq!(error.to_string(), "Service offers no action \"restart\"");
}
