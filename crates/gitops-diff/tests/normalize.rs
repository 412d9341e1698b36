use gitops_diff::normalize::{self, NormalizeOptions};
use gitops_diff::schema::Schemas;
use gitops_manifest::{Object, Value};
use serde_json::json;

use crate::support::{Tally, cases, documents, same};

/// A null `creationTimestamp` and an empty `status` come from the Go types and say nothing.
fn without_go(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        if map
            .get("status")
            .and_then(Value::as_object)
            .is_some_and(|status| status.is_empty())
        {
            map.remove("status");
        }
        if map
            .get("metadata")
            .and_then(|metadata| metadata.get("creationTimestamp"))
            .is_some_and(Value::is_null)
        {
            map.entry_object("metadata").remove("creationTimestamp");
        }
    }
    value
}

fn run(case: &Value) -> Result<Value, String> {
    let object = Object::try_from(case["live"].clone()).map_err(|error| error.to_string())?;
    let ty = Schemas::builtin().lookup(object.group(), object.version(), object.kind());
    let result = match (case["mode"].as_str(), ty) {
        (Some("normalize"), _) => {
            let aggregated =
                case.at(&["options", "ignoreAggregatedRoles"]) == Some(&Value::Bool(true));
            let options = NormalizeOptions::default()
                .compat(true)
                .ignore_aggregated_roles(aggregated);
            Ok(normalize::normalize(&object, &options))
        }
        (Some("remarshal"), Some(ty)) => normalize::remarshal(&object, ty),
        (Some("default"), Some(ty)) => normalize::defaulted(&object, ty),
        (mode, _) => return Err(format!("{mode:?} is of no known mode")),
    };
    result.map(Value::from).map_err(|error| error.to_string())
}

#[test]
fn conformance_gitops_diff_normalize() {
    let mut tally = Tally::new("gitops-diff (normalize, remarshal, default)");
    for (_, document) in documents("gitops-diff") {
        for case in cases(&document) {
            if !matches!(
                case["mode"].as_str(),
                Some("normalize" | "remarshal" | "default")
            ) {
                continue;
            }
            let verdict = match (run(case), case.at(&["expect", "object"])) {
                (Ok(got), Some(want)) => same("object", &without_go(&got), &without_go(want)),
                (Err(_), None) => Ok(()),
                (Ok(got), None) => Err(format!("it should fail, and gives {got}")),
                (Err(error), Some(_)) => Err(error),
            };
            tally.check(case["name"].as_str().expect("a case has a name"), verdict);
        }
    }
    tally.finish();
}

fn object(value: serde_json::Value) -> Object {
    Object::try_from(value).expect("it is an object")
}

fn ty_of(object: &Object) -> gitops_diff::schema::TypeRef<'static> {
    Schemas::builtin()
        .lookup(object.group(), object.version(), object.kind())
        .expect("the kind is built in")
}

/// The expected results are those of the Go types of Kubernetes 1.36.
#[test]
fn zero_times_are_written_as_null() {
    let deployment = object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "status": {"conditions": [{"lastTransitionTime": "0001-01-01T00:00:00Z"}]},
    }));
    let got = normalize::remarshal(&deployment, ty_of(&deployment)).unwrap();
    let condition = &got.get("status").unwrap()["conditions"].as_array().unwrap()[0];
    assert_eq!(
        condition.to_json(),
        r#"{"lastTransitionTime":null,"lastUpdateTime":null,"status":"","type":""}"#
    );
}

#[test]
fn empty_sets_of_managed_fields_stay() {
    let map = object(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "web", "managedFields": [{"fieldsType": "FieldsV1", "fieldsV1": {}, "operation": "Apply"}]},
    }));
    let got = normalize::remarshal(&map, ty_of(&map)).unwrap();
    assert_eq!(got.meta("managedFields"), map.meta("managedFields"));
}

#[test]
fn amounts_of_resources_are_rounded_up_to_thousandths() {
    let pod = object(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "status": {"resources": {"requests": {"a": "1n", "b": "1500u", "c": "2"}}},
    }));
    let got = normalize::defaulted(&pod, ty_of(&pod)).unwrap();
    assert_eq!(
        got.at(&["status", "resources", "requests"])
            .unwrap()
            .to_json(),
        r#"{"a":"1m","b":"2m","c":"2"}"#
    );
}
