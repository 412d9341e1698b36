#![recursion_limit = "512"]
//! `Application` and `AppProject` as `argoproj.io/v1alpha1` has them.

use gitops_core::application::{AppProject, Application, FieldWarning, definitions};
use gitops_manifest::Object;
use serde_json::json;

fn object(value: serde_json::Value) -> Object {
    Object::try_from(value).expect("an object")
}

/// An application with every field of the API.
fn application() -> Object {
    let kustomize = json!({
        "namePrefix": "p-", "nameSuffix": "-s", "images": ["a=b:1"], "commonLabels": {"l": "v"}, "version": "v5",
        "commonAnnotations": {"a": "v"}, "forceCommonLabels": true, "forceCommonAnnotations": true,
        "namespace": "n", "commonAnnotationsEnvsubst": true, "replicas": [{"name": "web", "count": 3}],
        "patches": [{"path": "p.yaml", "patch": "x", "options": {"allowNameChange": true}, "target": {
            "group": "apps", "version": "v1", "kind": "Deployment", "name": "web", "namespace": "n",
            "annotationSelector": "a=b", "labelSelector": "c=d"}}],
        "components": ["../c"], "labelWithoutSelector": true, "kubeVersion": "1.36", "apiVersions": ["v1"],
        "ignoreMissingComponents": true, "labelIncludeTemplates": true,
    });
    let helm = json!({
        "valueFiles": ["v.yaml"], "parameters": [{"name": "a", "value": "b", "forceString": true}],
        "releaseName": "r", "values": "a: b", "fileParameters": [{"name": "a", "path": "f"}], "version": "v3",
        "passCredentials": true, "ignoreMissingValueFiles": true, "skipCrds": true, "valuesObject": {"a": 1},
        "namespace": "n", "kubeVersion": "1.36", "apiVersions": ["v1"], "skipTests": true,
        "skipSchemaValidation": true,
    });
    let directory = json!({"recurse": true, "exclude": "x", "include": "y", "jsonnet": {
        "extVars": [{"name": "a", "value": "b", "code": true}], "tlas": [{"name": "a", "value": "b"}], "libs": ["l"]}});
    let plugin = json!({"name": "p", "env": [{"name": "A", "value": "b"}], "parameters": [
        {"name": "s", "string": "x"}, {"name": "m", "map": {"a": "b"}}, {"name": "l", "array": ["a"]}]});
    let source = json!({
        "repoURL": "https://git.example.com/a.git", "path": "p", "targetRevision": "main", "helm": helm,
        "kustomize": kustomize, "directory": directory, "plugin": plugin, "chart": "c", "ref": "r", "name": "n",
    });
    object(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd", "labels": {"a": "b"}, "finalizers": ["x"]},
        "spec": {
            "source": source, "sources": [source], "project": "p",
            "destination": {"server": "https://s", "namespace": "n", "name": "c"},
            "syncPolicy": {
                "automated": {"prune": true, "selfHeal": true, "allowEmpty": true, "enabled": true},
                "syncOptions": ["CreateNamespace=true"],
                "retry": {"limit": 3, "refresh": true, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}},
                "managedNamespaceMetadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
            },
            "ignoreDifferences": [{"group": "apps", "kind": "Deployment", "name": "n", "namespace": "m",
                "jsonPointers": ["/spec"], "jqPathExpressions": [".spec"], "managedFieldsManagers": ["x"]}],
            "info": [{"name": "a", "value": "b"}], "revisionHistoryLimit": 5,
            "sourceHydrator": {
                "drySource": {"repoURL": "r", "targetRevision": "t", "path": "p", "helm": helm,
                    "kustomize": kustomize, "directory": directory, "plugin": plugin},
                "syncSource": {"repoURL": "r", "targetBranch": "b", "path": "p"},
                "hydrateTo": {"targetBranch": "b"},
            },
        },
        "operation": {
            "sync": {"revision": "r", "prune": true, "dryRun": true, "sources": [source], "source": source,
                "syncStrategy": {"hook": {"force": true}, "apply": {"force": true}},
                "resources": [{"group": "g", "kind": "k", "name": "n", "namespace": "m", "exclude": true}],
                "manifests": ["x"], "syncOptions": ["a=b"], "revisions": ["r"], "autoHealAttemptsCount": 2},
            "initiatedBy": {"username": "u", "automated": true}, "info": [{"name": "a", "value": "b"}],
            "retry": {"limit": 1},
        },
        "status": {
            "resources": [{"group": "g", "version": "v", "kind": "k", "namespace": "n", "name": "m",
                "status": "Synced", "hook": true, "requiresPruning": true, "syncWave": 1,
                "requiresDeletionConfirmation": true,
                "health": {"status": "Healthy", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}}],
            "sync": {"status": "OutOfSync", "revision": "r", "revisions": ["r"], "comparedTo": {
                "source": source, "sources": [source], "destination": {"server": "s"},
                "ignoreDifferences": [{"kind": "k"}]}},
            "health": {"status": "Degraded", "lastTransitionTime": "2026-01-01T00:00:00Z"},
            "history": [{"revision": "r", "deployedAt": "2026-01-01T00:00:00Z", "id": 3, "source": source,
                "deployStartedAt": "2026-01-01T00:00:00Z", "sources": [source], "revisions": ["r"],
                "initiatedBy": {"username": "u"}}],
            "conditions": [{"type": "SyncError", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "reconciledAt": "2026-01-01T00:00:00Z", "observedAt": "2026-01-01T00:00:00Z",
            "operationState": {"operation": {"sync": {"revision": "r"}}, "phase": "Failed", "message": "m",
                "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z", "retryCount": 1,
                "syncResult": {"revision": "r", "source": source, "sources": [source], "revisions": ["r"],
                    "managedNamespaceMetadata": {"labels": {"a": "b"}},
                    "resources": [{"group": "g", "version": "v", "kind": "k", "namespace": "n", "name": "m",
                        "status": "PruneSkipped", "message": "m", "hookType": "Sync", "hookPhase": "Running",
                        "syncPhase": "Sync", "images": ["i"]}]}},
            "sourceType": "Helm", "sourceTypes": ["Helm"], "resourceHealthSource": "appTree",
            "summary": {"externalURLs": ["u"], "images": ["i"]}, "controllerNamespace": "argocd",
            "sourceHydrator": {
                "lastSuccessfulOperation": {"drySHA": "d", "hydratedSHA": "h"},
                "currentOperation": {"phase": "Hydrating", "startedAt": "2026-01-01T00:00:00Z",
                    "finishedAt": "2026-01-01T00:00:00Z", "message": "m", "drySHA": "d", "hydratedSHA": "h"},
            },
        },
    }))
}

/// Takes out what Go writes although it is empty, wherever it stands.
fn without_empty(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            map.values_mut().for_each(without_empty);
            map.retain(|_, value| match value {
                serde_json::Value::Null => false,
                serde_json::Value::String(text) => !text.is_empty(),
                serde_json::Value::Bool(value) => *value,
                serde_json::Value::Array(list) => !list.is_empty(),
                serde_json::Value::Object(map) => !map.is_empty(),
                serde_json::Value::Number(_) => true,
            });
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(without_empty),
        _ => {}
    }
}

#[test]
fn every_field_of_an_application_goes_and_comes_back() {
    let object = application();
    let read = Application::from_object(&object).expect("it can be read");
    let written = read.to_object();
    let again = Application::from_object(&written).expect("it can be read again");
    assert_eq!(read, again);
    let (mut before, mut after): (serde_json::Value, serde_json::Value) =
        (object.to_value().into(), written.to_value().into());
    without_empty(&mut before);
    without_empty(&mut after);
    assert_eq!(before, after);
}

#[test]
fn every_field_of_a_project_goes_and_comes_back() {
    let object = object(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "p"},
        "spec": {
            "sourceRepos": ["*"], "destinations": [{"server": "s", "namespace": "n", "name": "c"}],
            "description": "d", "roles": [{"name": "r", "description": "d", "policies": ["p"], "groups": ["g"],
                "jwtTokens": [{"iat": 1, "exp": 2, "id": "i"}]}],
            "clusterResourceWhitelist": [{"group": "g", "kind": "k", "name": "n"}],
            "namespaceResourceBlacklist": [{"group": "g", "kind": "k"}],
            "orphanedResources": {"warn": true, "ignore": [{"group": "g", "kind": "k", "name": "n"}]},
            "syncWindows": [{"kind": "allow", "schedule": "* * * * *", "duration": "1h", "applications": ["a"],
                "namespaces": ["n"], "clusters": ["c"], "manualSync": true, "timeZone": "UTC", "andOperator": true,
                "description": "d", "syncOverrun": true}],
            "namespaceResourceWhitelist": [{"group": "g", "kind": "k"}], "signatureKeys": [{"keyID": "k"}],
            "clusterResourceBlacklist": [{"group": "g", "kind": "k"}], "sourceNamespaces": ["n"],
            "permitOnlyProjectScopedClusters": true,
            "destinationServiceAccounts": [{"server": "s", "namespace": "n", "defaultServiceAccount": "a"}],
            "sourceIntegrity": {"git": {"policies": [{"repos": [{"url": "u"}], "gpg": {"mode": "head", "keys": ["k"]}}]}},
        },
        "status": {"jwtTokensByRole": {"r": {"items": [{"iat": 1, "id": "i"}]}}},
    }));
    let read = AppProject::from_object(&object).expect("it can be read");
    let (mut before, mut after): (serde_json::Value, serde_json::Value) =
        (object.to_value().into(), read.to_object().to_value().into());
    without_empty(&mut before);
    without_empty(&mut after);
    assert_eq!(before, after);
}

#[test]
fn fields_that_do_nothing_are_named() {
    let object = object(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "web"},
        "spec": {
            "project": "default", "destination": {"server": "s", "namespac": "n"},
            "source": {"repoURL": "r", "path": "p", "plugin": {"name": "x"}, "helm": {}},
        },
    }));
    let warnings = Application::warnings(&object).expect("an application");
    assert_eq!(
        warnings,
        [
            FieldWarning::Unknown {
                path: "spec.destination.namespac".into()
            },
            FieldWarning::NotActedOn {
                path: "spec.source.plugin".into()
            },
        ]
    );
    assert!(warnings[0].to_string().contains("not a field of the API"));
}

#[test]
fn what_does_not_fit_is_an_error_that_names_the_object() {
    let wrong = object(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "web"},
        "spec": {"syncPolicy": {"automated": {"prune": "yes"}}},
    }));
    let error = Application::from_object(&wrong)
        .expect_err("prune is a boolean")
        .to_string();
    assert!(error.contains("argoproj.io/Application/web"), "{error}");
    let other = object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}));
    assert!(Application::from_object(&other).is_err());
}

#[test]
fn the_definitions_are_of_both_kinds() {
    let kinds: Vec<String> = definitions()
        .iter()
        .map(|definition| {
            definition
                .at(&["spec", "names", "kind"])
                .and_then(|k| k.as_str())
                .unwrap_or("")
                .to_owned()
        })
        .collect();
    assert_eq!(kinds, ["Application", "AppProject"]);
}
