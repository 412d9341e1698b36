use gitops_manifest::Object;
use serde_json::json;

use super::schema::{operation, schema_of};
use super::{AppProjectSpec, AppProjectStatus, ApplicationSpec, ApplicationStatus};

/// Returns the `CustomResourceDefinition`s of `Application` and `AppProject`, with the columns that
/// `kubectl get applications` shows for Argo CD. Their schemas are those of the types of this module. As in Argo CD
/// the status is no resource of its own.
#[must_use]
pub fn definitions() -> Vec<Object> {
    let column = |name: &str, path: &str, priority: i32| json!({"name": name, "type": "string", "jsonPath": path, "priority": priority});
    let columns = [
        column("Sync Status", ".status.sync.status", 0),
        column("Health Status", ".status.health.status", 0),
        column("Revision", ".status.sync.revision", 10),
        column("Project", ".spec.project", 10),
    ];
    [
        definition(
            "Application",
            "applications",
            "application",
            &["app", "apps"],
            &columns,
            &json!({
                "spec": required(schema_of::<ApplicationSpec>(), &["destination", "project"]),
                "status": schema_of::<ApplicationStatus>(),
                "operation": operation(),
            }),
        ),
        definition(
            "AppProject",
            "appprojects",
            "appproject",
            &["appproj", "appprojs"],
            &[],
            &json!({
                "spec": schema_of::<AppProjectSpec>(),
                "status": schema_of::<AppProjectStatus>(),
            }),
        ),
    ]
    .into()
}

fn definition(
    kind: &str,
    plural: &str,
    singular: &str,
    short: &[&str],
    columns: &[serde_json::Value],
    fields: &serde_json::Value,
) -> Object {
    let mut properties = json!({
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    });
    for (field, schema) in fields.as_object().into_iter().flatten() {
        properties[field] = schema.clone();
    }
    let mut version = json!({
        "name": "v1alpha1",
        "served": true,
        "storage": true,
        "schema": {"openAPIV3Schema": {
            "type": "object",
            "required": ["metadata", "spec"],
            "properties": properties,
        }},
    });
    if !columns.is_empty() {
        version["additionalPrinterColumns"] = columns.into();
    }
    let object = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.argoproj.io"),
            "labels": {"app.kubernetes.io/part-of": "argocd"},
        },
        "spec": {
            "group": "argoproj.io",
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": format!("{kind}List"),
                "plural": plural,
                "singular": singular,
                "shortNames": short,
            },
            "versions": [version],
        },
    });
    Object::try_from(object).expect("it has an apiVersion and a kind")
}

/// Makes fields of a schema ones that must be there.
fn required(mut schema: serde_json::Value, fields: &[&str]) -> serde_json::Value {
    schema["required"] = fields.into();
    schema
}
