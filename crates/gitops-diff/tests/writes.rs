//! Applies and updates against what the field manager of Kubernetes 1.36 makes of them.
//!
//! `data/writes.jsonl` is recorded by `benches/peers/writes` from `k8s.io/apimachinery` v0.36.1 with the
//! types and defaults of `k8s.io/kubernetes` v1.36.1: one run a line, with the result of each operation.

use gitops_diff::schema::Schemas;
use gitops_diff::structured::{
    Managers, WriteError, WriteOptions, apply, client_side_appliers, migrate_to_apply, update,
};
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

fn from_json(value: serde_json::Value) -> Object {
    Object::try_from(value).expect("it is an object")
}

fn entry(manager: &str, operation: &str, fields: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": fields, "time": "2026-01-01T00:00:00Z",
    })
}

#[test]
fn what_client_side_apply_owned_goes_to_the_one_who_applies() {
    let object = |entries: Vec<serde_json::Value>| {
        from_json(serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "managedFields": entries},
        }))
    };
    let data = |key: &str| serde_json::json!({"f:data": {key: {}}});
    let old = entry("kubectl-client-side-apply", "Update", &data("f:a"));
    let status = {
        let mut status = old.clone();
        status["subresource"] = "status".into();
        status
    };
    let other = entry("edit", "Update", &data("f:c"));
    let from = ["kubectl-client-side-apply"];
    let migrate = |entries| migrate_to_apply(&object(entries), &from, "argocd-controller");

    // Without an entry of its own it takes over the old one, in its place.
    let taken = migrate(vec![other.clone(), old.clone(), status.clone()]);
    let new = entry("argocd-controller", "Apply", &data("f:a"));
    let want = object(vec![other.clone(), new, status]);
    assert_eq!(taken.expect("the fields can be read"), Some(want));

    // With one it has both.
    let own = entry("argocd-controller", "Apply", &data("f:b"));
    let both = serde_json::json!({"f:data": {"f:a": {}, "f:b": {}}});
    let merged = migrate(vec![own.clone(), old]).expect("the fields can be read");
    assert_eq!(
        merged,
        Some(object(vec![entry("argocd-controller", "Apply", &both)]))
    );

    assert_eq!(migrate(vec![own, other]).expect("nothing is read"), None);
}

#[test]
fn who_applied_on_the_client_side_is_told_by_the_annotation() {
    let last = "f:kubectl.kubernetes.io/last-applied-configuration";
    let owns = serde_json::json!({"f:metadata": {"f:annotations": {".": {}, last: {}}}, "f:data": {"f:a": {}}});
    let other = serde_json::json!({"f:metadata": {"f:annotations": {"f:other": {}}}});
    let mut status = entry("by-status", "Update", &owns);
    status["subresource"] = "status".into();
    let object = from_json(serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "managedFields": [
            entry("argocd-controller", "Update", &owns),
            entry("argocd-controller", "Update", &owns),
            entry("applier", "Apply", &owns),
            entry("editor", "Update", &other),
            entry("kubectl-client-side-apply", "Update", &owns),
            status,
        ]},
    }));
    assert_eq!(
        client_side_appliers(&object),
        ["argocd-controller", "kubectl-client-side-apply"]
    );
    let without =
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
    assert!(client_side_appliers(&from_json(without)).is_empty());
}

#[test]
fn nulls_that_an_older_server_has_written_are_no_change() {
    let schemas = Schemas::default();
    let config = from_json(serde_json::json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1000m"}}}]},
        }},
    }));
    let options = WriteOptions::new("a").time("2026-01-01T00:00:00Z");
    let mut live = apply(None, &config, &options, &schemas)
        .expect("it can be made")
        .object;
    let template = live
        .as_map_mut()
        .entry_object("spec")
        .entry_object("template");
    template
        .entry_object("metadata")
        .insert("creationTimestamp", Value::Null);
    let again = apply(
        Some(&live),
        &config,
        &options.time("2026-01-02T00:00:00Z"),
        &schemas,
    );
    let again = again.expect("nobody else owns anything");
    assert!(!again.changed);
    assert_eq!(again.object, live);
}

#[test]
fn the_status_of_a_custom_resource_is_left_to_its_subresource() {
    let mut schemas = Schemas::default();
    let crd = from_json(serde_json::json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "w"},
        "spec": {"group": "example.com", "names": {"kind": "Widget"}, "versions": [{
            "name": "v1", "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {
                    "spec": {"type": "object", "properties": {
                        "size": {"type": "integer", "default": 1}, "name": {"type": "string"},
                    }},
                    "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
                },
            }},
        }]},
    }));
    schemas
        .register_crd(&crd)
        .expect("the definition can be read");
    let widget = |name: &str, phase: &str| {
        from_json(serde_json::json!({
            "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"},
            "spec": {"name": name}, "status": {"phase": phase},
        }))
    };
    let made = apply(
        None,
        &widget("a", "Ready"),
        &WriteOptions::new("a"),
        &schemas,
    );
    let made = made.expect("it can be made").object;
    assert_eq!(made.get("status"), None);
    assert_eq!(
        made.at(&["spec", "size"]),
        Some(&Value::from(1)),
        "the default"
    );
    let controller = WriteOptions::new("controller").subresource("status");
    let done = update(Some(&made), &widget("b", "Ready"), &controller, &schemas);
    let done = done.expect("it can be updated").object;
    assert_eq!(done.at(&["status", "phase"]), Some(&Value::from("Ready")));
    assert_eq!(done.at(&["spec", "name"]), Some(&Value::from("a")));
    let managers = Managers::of(&done).expect("they can be read");
    let owned: Vec<_> = managers
        .iter()
        .map(|(id, owned)| (id.name.as_str(), owned.fields.to_json()))
        .collect();
    assert_eq!(
        owned,
        [
            ("a", r#"{"f:spec":{"f:name":{}}}"#.to_owned()),
            (
                "controller",
                r#"{"f:status":{".":{},"f:phase":{}}}"#.to_owned()
            ),
        ]
    );
}

#[test]
fn writes_that_cannot_be_made_say_why() {
    let schemas = Schemas::default();
    let service = |spec: serde_json::Value| {
        from_json(serde_json::json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec,
        }))
    };
    let message = |config: &Object| {
        let error =
            apply(None, config, &WriteOptions::new("a"), &schemas).expect_err("it is refused");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    assert_eq!(
        message(&service(
            serde_json::json!({"ports": [{"prot": 80}], "typ": "x"})
        )),
        "cannot apply the configuration: the value does not fit its schema: \
         .spec.ports[port=0,protocol=\"TCP\"].prot: field not declared in schema; .spec.typ: field not declared in schema"
    );
    let with_managers = from_json(serde_json::json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "managedFields": []},
    }));
    assert_eq!(
        message(&with_managers),
        "cannot apply: metadata.managedFields must not be set: "
    );
    let live = from_json(serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment"}));
    let config = from_json(serde_json::json!({"apiVersion": "v1", "kind": "Service"}));
    let error =
        apply(Some(&live), &config, &WriteOptions::new("a"), &schemas).expect_err("it is refused");
    assert_eq!(
        error.to_string(),
        "cannot apply a configuration of v1/Service to a live object of apps/v1/Deployment"
    );
}

/// An API server takes back the new time of a manager where nothing else has changed
/// (`IgnoreManagedFieldsTimestampsTransformer`), and compares the entries in their order, which goes by time.
#[test]
fn a_new_time_that_moves_a_manager_is_a_change() {
    let schemas = Schemas::default();
    let config = |container: serde_json::Value| {
        object(&Value::from(serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [container]},
        })))
    };
    // The server writes `1000m` as `1` and `1024Mi` as `1Gi`, so that each apply is one that has to be looked at.
    let alice =
        config(serde_json::json!({"name": "web", "resources": {"limits": {"cpu": "1000m"}}}));
    let bob =
        config(serde_json::json!({"name": "web", "resources": {"requests": {"memory": "1024Mi"}}}));
    let at = |manager: &str, second: u32| {
        WriteOptions::new(manager).time(format!("2026-01-02T03:04:{second:02}Z"))
    };
    let live = apply(None, &alice, &at("alice", 1), &schemas)
        .unwrap()
        .object;
    let live = apply(Some(&live), &bob, &at("bob", 2), &schemas)
        .unwrap()
        .object;
    // Bob wrote last, and stays last.
    let again = apply(Some(&live), &bob, &at("bob", 3), &schemas).unwrap();
    assert!(!again.changed);
    assert_eq!(again.object, live);
    // Alice was first, and comes last by her new time.
    let again = apply(Some(&live), &alice, &at("alice", 3), &schemas).unwrap();
    assert!(again.changed);
    let managers = again
        .object
        .meta("managedFields")
        .and_then(Value::as_array)
        .unwrap();
    let told: Vec<_> = managers
        .iter()
        .map(|entry| {
            (
                entry["manager"].as_str().unwrap(),
                entry["time"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("bob", "2026-01-02T03:04:02Z"),
            ("alice", "2026-01-02T03:04:03Z")
        ]
    );
}
