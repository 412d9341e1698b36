use gitops_diff::normalize::{self, NormalizeOptions};
use gitops_diff::schema::Schemas;
use gitops_manifest::{Object, Value};

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
