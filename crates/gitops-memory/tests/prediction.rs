//! What structured merge predicts is what the cluster does.

use gitops_core::{ApplyOptions, Target as _};
use gitops_diff::normalize::defaulted;
use gitops_diff::schema::Schemas;
use gitops_diff::structured::{self, WriteError, WriteOptions};
use gitops_manifest::{Object, Value};
use proptest::prelude::*;
use serde_json::json;

use crate::{object, run};

/// One apply: who, what, with force.
#[derive(Clone, Debug)]
struct Step {
    manager: &'static str,
    ports: Vec<(i64, &'static str)>,
    labels: Vec<(&'static str, &'static str)>,
    replicas: Option<i64>,
    force: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let manager = prop_oneof![Just("alice"), Just("bob"), Just("carol")];
    let ports =
        proptest::collection::btree_map(80_i64..84, prop_oneof![Just("a"), Just("b")], 0..3);
    let labels = proptest::collection::btree_map(
        prop_oneof![Just("x"), Just("y")],
        prop_oneof![Just("1"), Just("2")],
        0..3,
    );
    let replicas = proptest::option::of(0_i64..3);
    (manager, ports, labels, replicas, any::<bool>()).prop_map(
        |(manager, ports, labels, replicas, force)| Step {
            manager,
            ports: ports.into_iter().collect(),
            labels: labels.into_iter().collect(),
            replicas,
            force,
        },
    )
}

impl Step {
    fn config(&self) -> Object {
        let ports: Vec<_> = self
            .ports
            .iter()
            .map(|(port, name)| json!({"containerPort": port, "name": format!("{name}{port}")}))
            .collect();
        let mut container = json!({"name": "c", "image": "c:1"});
        if !ports.is_empty() {
            container["ports"] = ports.into();
        }
        let labels: serde_json::Map<String, serde_json::Value> = self
            .labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).into()))
            .collect();
        let mut spec = json!({
            "selector": {"matchLabels": {"app": "w"}},
            "template": {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [container]}},
        });
        if let Some(replicas) = self.replicas {
            spec["replicas"] = replicas.into();
        }
        object(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "w", "namespace": "default", "labels": labels}, "spec": spec,
        }))
    }
}

/// Takes out what only the server knows.
fn comparable(object: &Object) -> Value {
    let mut object = object.clone();
    for field in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
        object.metadata_mut().remove(field);
    }
    if let Some(Value::Array(entries)) = object.metadata_mut().get_mut("managedFields") {
        for entry in entries.make_mut() {
            entry.as_object_mut().unwrap().remove("time");
        }
    }
    object.as_map_mut().remove("status");
    object.to_value()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_apply_is_predicted(steps in proptest::collection::vec(step(), 1..6)) {
        let failed = run(async |target, _| {
            let schemas = Schemas::default();
            for step in &steps {
                let config = step.config();
                let live = target.object(&config.key());
                let write = WriteOptions::new(step.manager).force(step.force).time("2026-01-01T00:00:00Z");
                let predicted = structured::apply(live.as_ref(), &config, &write, &schemas);
                let options = ApplyOptions::server_side(step.manager).with_force(step.force);
                let applied = target.apply(&config, &options).await;
                let same = match (&predicted, &applied) {
                    (Ok(predicted), Ok(applied)) => {
                        let ty = schemas.of(&predicted.object).unwrap();
                        let full = defaulted(&predicted.object, ty).unwrap();
                        comparable(&full) == comparable(&applied.object)
                    }
                    (Err(WriteError::Conflicts { .. }), Err(gitops_core::TargetError::Conflict { .. })) => true,
                    _ => false,
                };
                if !same {
                    return Some(format!("{step:?}\npredicted {predicted:?}\napplied {applied:?}"));
                }
            }
            None
        });
        prop_assert!(failed.is_none(), "{}", failed.unwrap());
    }
}
