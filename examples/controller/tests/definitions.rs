//! The definitions of kinds, and the manifests for installing.

use std::path::Path;

use gitops::application::{Application, definitions};
use gitops::kustomize::{BuildOptions, build};
use gitops::manifest::{Object, Value};
use gitops::{ApplyOptions, Target};
use serde_json::json;

use crate::world::World;

fn schema<'a>(definition: &'a Object, path: &[&str]) -> &'a Value {
    let versions = definition.at(&["spec", "versions"]).unwrap();
    let mut at = versions.as_array().unwrap()[0]
        .at(&["schema", "openAPIV3Schema"])
        .unwrap();
    for field in path {
        at = match *field {
            "[]" => at.get("items"),
            "{}" => at.get("additionalProperties"),
            field => at.at(&["properties", field]),
        }
        .unwrap_or_else(|| panic!("{field} of {path:?}"));
    }
    at
}

#[test]
fn schemas_are_those_of_the_types() {
    let definitions = definitions();
    let application = &definitions[0];
    let kind = |path: &[&str]| {
        schema(application, path)
            .get("type")
            .and_then(Value::as_str)
    };
    assert_eq!(kind(&["spec", "source", "repoURL"]), Some("string"));
    assert_eq!(kind(&["spec", "sources", "[]", "path"]), Some("string"));
    assert_eq!(
        kind(&["spec", "syncPolicy", "automated", "prune"]),
        Some("boolean")
    );
    assert_eq!(
        kind(&["spec", "syncPolicy", "retry", "limit"]),
        Some("integer")
    );
    assert_eq!(
        kind(&["spec", "source", "kustomize", "commonLabels", "{}"]),
        Some("string")
    );
    assert_eq!(
        kind(&["operation", "sync", "resources", "[]", "kind"]),
        Some("string")
    );
    assert_eq!(kind(&["status", "history", "[]", "id"]), Some("integer"));
    let at = schema(application, &["status", "operationState", "finishedAt"]);
    assert_eq!(at.get("format").and_then(Value::as_str), Some("date-time"));
    let open = schema(application, &["spec", "source", "helm", "valuesObject"]);
    assert_eq!(
        open.get("x-kubernetes-preserve-unknown-fields")
            .and_then(Value::as_bool),
        Some(true)
    );
    let count = schema(
        application,
        &["spec", "source", "kustomize", "replicas", "[]", "count"],
    );
    assert_eq!(
        count
            .get("x-kubernetes-int-or-string")
            .and_then(Value::as_bool),
        Some(true)
    );
    // As in Argo CD the status is written with the object.
    let version = &application
        .at(&["spec", "versions"])
        .unwrap()
        .as_array()
        .unwrap()[0];
    assert!(
        version
            .get("subresources")
            .is_none_or(|s| s.get("status").is_none())
    );
}

/// Every node of a schema has to say what it is, or the API server refuses the definition.
#[test]
fn schemas_are_structural() {
    fn check(schema: &Value, path: &str) {
        let named =
            schema.get("type").is_some() || schema.get("x-kubernetes-int-or-string").is_some();
        assert!(named, "{path}: no type");
        let both =
            schema.get("properties").is_some() && schema.get("additionalProperties").is_some();
        assert!(!both, "{path}: properties and additionalProperties");
        for (name, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            check(property, &format!("{path}.{name}"));
        }
        if let Some(items) = schema.get("items") {
            check(items, &format!("{path}[]"));
        }
        if let Some(values) = schema.get("additionalProperties") {
            check(values, &format!("{path}{{}}"));
        }
    }
    for definition in definitions() {
        check(schema(&definition, &[]), definition.name());
    }
}

#[test]
fn what_is_valid_for_the_types_is_kept_by_the_schema() {
    let world = World::new(&[]);
    let w = &world;
    world.clock.run(async {
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "full", "namespace": "argocd"},
            "spec": {
                "project": "default",
                "destination": {"name": "in-cluster", "namespace": "shop"},
                "source": {
                    "repoURL": "https://git.example.com/shop.git", "targetRevision": "main", "path": "web",
                    "helm": {"valuesObject": {"a": {"b": [1, "two"]}}, "parameters": [{"name": "x", "value": "y", "forceString": true}]},
                    "kustomize": {"replicas": [{"name": "web", "count": 3}], "commonLabels": {"a": "b"}},
                },
                "syncPolicy": {"automated": {"prune": true}, "retry": {"limit": 2, "backoff": {"duration": "5s", "factor": 2}}},
                "ignoreDifferences": [{"kind": "Deployment", "jsonPointers": ["/spec/replicas"]}],
                "revisionHistoryLimit": 3,
            },
        });
        let object = Object::try_from(object).unwrap();
        // Fields that the schema does not have are refused by name.
        let kept = w.create(&object).await;
        assert_eq!(kept.get("spec"), object.get("spec"));
        assert!(Application::from_object(&kept).is_ok());
        let mut wrong = object.clone();
        wrong.as_map_mut().entry_object("spec").insert("projct", "default");
        let refused = w.target.apply(&wrong, &ApplyOptions::server_side("kubectl")).await;
        assert!(refused.unwrap_err().to_string().contains("projct"));
    });
}

#[test]
fn the_manifests_for_installing_build_and_grant_no_more_than_they_must() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("install");
    let tree = gitops::manifest::DirTree::open(&folder).unwrap();
    for (path, may_do_everything) in [("base", false), ("cluster-admin", true)] {
        let built = build(&tree, path, &BuildOptions::default()).unwrap();
        let objects = &built.objects;
        let kinds: Vec<&str> = objects.iter().map(Object::kind).collect();
        for kind in [
            "ServiceAccount",
            "ClusterRole",
            "ClusterRoleBinding",
            "Role",
            "RoleBinding",
            "Deployment",
            "Service",
            "CustomResourceDefinition",
        ] {
            assert!(kinds.contains(&kind), "{path}: {kind}");
        }
        let mut everything = false;
        for role in objects.iter().filter(|o| o.kind() == "ClusterRole") {
            for rule in role
                .get("rules")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let has = |field: &str| {
                    let list = rule.get(field).and_then(Value::as_array);
                    list.is_some_and(|list| list.iter().any(|v| v.as_str() == Some("*")))
                };
                everything |= has("verbs") && has("resources");
                let list = |field: &str| -> Vec<&str> {
                    let list = rule.get(field).and_then(Value::as_array);
                    list.into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .collect()
                };
                // Neither shells in pods, nor tokens, nor rights of others.
                if path == "base" {
                    let (verbs, resources) = (list("verbs"), list("resources"));
                    let wide = has("resources") && verbs != ["list", "watch"];
                    let powers = ["impersonate", "escalate", "bind"];
                    let power = verbs.iter().any(|verb| powers.contains(verb));
                    let part = resources.iter().any(|resource| resource.contains('/'));
                    assert!(
                        !wide && !power && !part,
                        "{}: {}",
                        role.name(),
                        rule.to_json()
                    );
                }
            }
        }
        assert_eq!(everything, may_do_everything, "{path}");
        // The definitions are the ones that the program prints.
        for definition in definitions() {
            let installed = objects
                .iter()
                .find(|o| o.key() == definition.key())
                .expect("it is installed");
            assert_eq!(
                installed.get("spec"),
                definition.get("spec"),
                "run `controller crds > install/base/crds.yaml`"
            );
        }
    }
}
