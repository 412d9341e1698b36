//! Applies and updates against what the field manager of Kubernetes 1.36 makes of them.
//!
//! `data/writes.jsonl` is recorded by `benches/peers/writes` from `k8s.io/apimachinery` v0.36.1 with the
//! types and defaults of `k8s.io/kubernetes` v1.36.1: one run a line, with the result of each operation.

use gitops_diff::schema::Schemas;
use gitops_diff::structured::{WriteError, WriteOptions, apply, update};
use gitops_manifest::{Object, Value};

use crate::support::{Tally, same};

fn object(value: &Value) -> Object {
    Object::try_from(value.clone()).expect("it is an object")
}

/// The recorded runs have no times. What was there before has none either, and so comes first.
fn drop_times(object: &mut Value) {
    let managers = object.at_mut(&["metadata", "managedFields"]);
    for manager in managers
        .and_then(Value::as_array_mut)
        .into_iter()
        .flat_map(|list| list.make_mut())
    {
        manager
            .as_object_mut()
            .map(|manager| manager.remove("time"));
    }
}

fn check(live: Option<&Object>, op: &Value, want: &Value, schemas: &Schemas) -> Result<(), String> {
    let new = object(&op["object"]);
    let text = |name: &str| op[name].as_str().unwrap_or_default();
    let options = WriteOptions::new(text("manager"))
        .subresource(text("subresource"))
        .time("2026-01-02T03:04:05Z");
    let got = match text("op") {
        "update" => update(live, &new, &options, schemas),
        "apply" => apply(live, &new, &options, schemas),
        "force-apply" => apply(live, &new, &options.force(true), schemas),
        other => return Err(format!("unknown operation {other}")),
    };
    match got {
        Ok(got) => {
            let Some(want) = want.get("object") else {
                return Err(format!("no error, but {}", got.object.to_value()));
            };
            let fields = |object: &Value| object.at(&["metadata", "managedFields"]).cloned();
            let mut got = got.object.to_value();
            drop_times(&mut got);
            same(
                "managed fields",
                &fields(&got).unwrap_or_default(),
                &fields(want).unwrap_or_default(),
            )?;
            same("object", &got, want)
        }
        Err(WriteError::Conflicts { conflicts }) => {
            same("conflicts", &conflicts.message().into(), &want["conflict"])
        }
        Err(_) if want.get("error").is_some() => Ok(()),
        Err(error) => Err(format!(
            "{error}: {:?}",
            std::error::Error::source(&error).map(ToString::to_string)
        )),
    }
}

#[test]
fn writes_are_as_those_of_the_field_manager() {
    let schemas = Schemas::default();
    let mut tally = Tally::new("writes.jsonl");
    for line in include_str!("data/writes.jsonl").lines() {
        let run = Value::from_json(line).expect("the runs are JSON");
        let list = |name: &str| run[name].as_array().cloned().unwrap_or_default();
        let mut live: Option<Object> = None;
        for (i, (op, want)) in list("ops").iter().zip(&list("results")).enumerate() {
            let name = format!("{} #{i}", run["name"].as_str().unwrap_or_default());
            if op["op"].as_str() != Some("put") {
                tally.check(&name, check(live.as_ref(), op, want, &schemas));
            }
            if let Some(after) = want.get("object") {
                live = Some(object(after));
            }
        }
    }
    tally.finish();
}
