use gitops_manifest::Object;
use serde_json::json;

/// Returns the `CustomResourceDefinition`s of `Application` and `AppProject`, with the columns that
/// `kubectl get applications` shows for Argo CD. Their schemas keep every field: the types of this module say
/// which ones are known.
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
        ),
        definition(
            "AppProject",
            "appprojects",
            "appproject",
            &["appproj", "appprojs"],
            &[],
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
) -> Object {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let mut version = json!({
        "name": "v1alpha1",
        "served": true,
        "storage": true,
        "schema": {"openAPIV3Schema": {
            "type": "object",
            "required": ["metadata", "spec"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"},
                "spec": open,
                "status": open,
                "operation": open,
            },
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
