//! What `gitops_diff::structured` predicts of a write is what the API server answers to a dry run of it: values, managed
//! fields and conflicts.

use gitops_diff::schema::Schemas;
use gitops_diff::structured::{WriteOptions, predict, update};
use gitops_diff::{json_patch, merge_patch};
use gitops_manifest::{Object, Value, yaml};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use testbed::{Testbed, eventually};

/// A document of the data.
struct Case {
    name: String,
    object: Value,
    cluster: bool,
    server: Vec<String>,
    writes: Vec<Write>,
}

struct Write {
    by: String,
    what: What,
}

enum What {
    /// The configuration.
    Apply(Value),
    /// A merge patch on live.
    Update(Value),
}

impl Case {
    fn read(document: &Value) -> Self {
        let object = document.get("object").expect("an object").clone();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let list = |name: &str| {
            document
                .get(name)
                .and_then(Value::as_array)
                .map(|list| list.to_vec())
                .unwrap_or_default()
        };
        let apply = |by: &str, patch: &Value| Write {
            by: by.to_owned(),
            what: What::Apply(merge_patch::apply(&object, patch)),
        };
        let none = value("{}");
        // What all objects get: made, applied again, labelled by another manager, applied again, labels applied by a
        // third manager and taken back.
        let identity = merge_patch::apply(
            &value("{metadata: {labels: {third: one, app: third}}}"),
            &Value::from_json(format!(
                "{{\"apiVersion\": {}, \"kind\": {}, \"metadata\": {{\"name\": {}}}}}",
                object.get("apiVersion").expect("a version").to_json(),
                object.get("kind").expect("a kind").to_json(),
                object.at(&["metadata", "name"]).expect("a name").to_json(),
            ))
            .expect("JSON"),
        );
        let mut writes = vec![
            apply("argo", &none),
            apply("argo", &none),
            Write {
                by: "edit".to_owned(),
                what: What::Update(value("{metadata: {labels: {app: edited, by: edit}}}")),
            },
            apply("argo", &none),
            Write {
                by: "third".to_owned(),
                what: What::Apply(identity.clone()),
            },
            apply(
                "argo",
                &value("{metadata: {labels: {added: 'yes'}, annotations: {note: text}}}"),
            ),
            Write {
                by: "third".to_owned(),
                what: What::Apply(merge_patch::apply(
                    &identity,
                    &value("{metadata: {labels: null}}"),
                )),
            },
        ];
        writes.extend(list("writes").iter().map(|write| {
            let by = text(write.get("by").expect("a manager"));
            match (write.get("apply"), write.get("update")) {
                (Some(patch), None) => apply(&by, patch),
                (None, Some(patch)) => Write {
                    by,
                    what: What::Update(patch.clone()),
                },
                _ => panic!("{}: a write is an apply or an update", write.to_json()),
            }
        }));
        // And back to what was first; then again what changes nothing, but for who came last.
        writes.push(apply("argo", &none));
        writes.push(Write {
            by: "third".to_owned(),
            what: What::Apply(identity),
        });
        writes.push(apply("argo", &none));
        Self {
            name: text(document.get("name").expect("a name")),
            cluster: document.get("cluster").is_some(),
            server: list("server").iter().map(text).collect(),
            writes,
            object,
        }
    }
}

fn value(text: &str) -> Value {
    yaml::parse_one(text, &yaml::ParseOptions::default()).expect("YAML")
}

fn object(value: &Value) -> Object {
    Object::try_from(value.clone()).expect("an object")
}

/// What the API server answers, as ours.
fn ours(object: &DynamicObject) -> Object {
    Object::try_from(serde_json::to_value(object).expect("an object is JSON")).expect("an object")
}

/// The object without what the API server counts, and what it alone knows of a new object.
fn comparable(object: &Object, created: bool, server: &[String]) -> Value {
    let mut value = object.to_value();
    let mut dropped = vec![".metadata.resourceVersion", ".metadata.generation"];
    if created {
        dropped.extend([".metadata.uid", ".metadata.creationTimestamp"]);
        dropped.extend(server.iter().map(String::as_str));
    }
    for place in dropped {
        let steps: Vec<&str> = place.trim_start_matches('.').split('.').collect();
        let (last, parents) = steps.split_last().expect("a place");
        if let Some(map) = value.at_mut(parents).and_then(Value::as_object_mut) {
            map.remove(last);
        }
    }
    value
}

/// When the API server made the write: the time of the manager's entry.
fn time_of(answer: Option<&Object>, manager: &str) -> String {
    let entries = answer.and_then(|object| object.meta("managedFields")?.as_array());
    let times = entries
        .into_iter()
        .flat_map(|entries| entries.iter())
        .filter_map(|entry| {
            let of_manager = entry.get("manager")?.as_str()? == manager;
            of_manager.then(|| entry.get("time")?.as_str())?
        });
    times.max().unwrap_or_default().to_owned()
}

fn differences(server: &Value, predicted: &Value) -> String {
    let patch = json_patch::create(server, predicted).to_value();
    let operations = patch.as_array().into_iter().flatten();
    operations
        .map(|operation| format!("      {}\n", operation.to_json()))
        .collect()
}

/// The answer of the API server to a dry run, or the message that it refuses it with.
async fn dry_run(
    api: &Api<DynamicObject>,
    name: &str,
    write: &Write,
    force: bool,
) -> Result<Object, String> {
    let (patch, force) = match &write.what {
        What::Apply(config) => (Patch::Apply(json(config)), force),
        What::Update(patch) => (Patch::Merge(json(patch)), false),
    };
    let parameters = PatchParams {
        dry_run: true,
        force,
        field_manager: Some(write.by.clone()),
        ..PatchParams::default()
    };
    match api.patch(name, &parameters, &patch).await {
        Ok(object) => Ok(ours(&object)),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{name}: {error}"),
    }
}

fn json(value: &Value) -> serde_json::Value {
    serde_json::from_str(&value.to_json()).expect("JSON")
}

async fn live(api: &Api<DynamicObject>, name: &str) -> Option<Object> {
    api.get_opt(name)
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .as_ref()
        .map(ours)
}

/// Predicts and makes the writes of a case; returns how many were compared, and what differs.
async fn run(
    client: &Client,
    namespace: &str,
    case: &Case,
    schemas: &Schemas,
) -> (usize, Vec<String>) {
    let of = object(&case.object);
    let gvk = GroupVersionKind::gvk(of.group(), of.version(), of.kind());
    let resource = ApiResource::from_gvk(&gvk);
    let api: Api<DynamicObject> = match case.cluster {
        true => Api::all_with(client.clone(), &resource),
        false => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let name = of.name().to_owned();
    let mut problems = Vec::new();
    for (index, write) in case.writes.iter().enumerate() {
        let title = format!("{}, write {index} by {}", case.name, write.by);
        // Controllers write too: the dry run counts if the object is the same before and after it.
        let (before, answer, refusal) = eventually(&title, || async {
            let before = live(&api, &name).await;
            let answer = dry_run(&api, &name, write, true).await;
            let refusal = dry_run(&api, &name, write, false).await.err();
            let after = live(&api, &name).await;
            let version = |object: &Option<Object>| {
                object
                    .as_ref()
                    .map(|object| object.resource_version().to_owned())
            };
            if version(&before) == version(&after) {
                Ok((before, answer, refusal))
            } else {
                Err("it changes".to_owned())
            }
        })
        .await;
        let options =
            WriteOptions::new(write.by.as_str()).time(time_of(answer.as_ref().ok(), &write.by));
        let predicted = match &write.what {
            What::Apply(config) => {
                let mut config = object(config);
                if !case.cluster {
                    config.set_namespace(namespace);
                }
                predict(before.as_ref(), &config, &options, schemas).map(|prediction| {
                    (
                        prediction.object,
                        (!prediction.conflicts.0.is_empty())
                            .then(|| prediction.conflicts.message()),
                    )
                })
            }
            What::Update(patch) => {
                let before = before.as_ref().expect("an object to update");
                let new = object(&merge_patch::apply(&before.to_value(), patch));
                update(Some(before), &new, &options, schemas).map(|written| (written.object, None))
            }
        };
        match (&answer, predicted) {
            (Ok(answer), Ok((predicted, conflicts))) => {
                let created = before.is_none();
                let answer = comparable(answer, created, &case.server);
                let predicted = comparable(&predicted, created, &case.server);
                if answer != predicted {
                    problems.push(format!(
                        "  {title}: the prediction differs from the server's answer by\n{}",
                        differences(&answer, &predicted)
                    ));
                }
                if refusal != conflicts {
                    problems.push(format!(
                        "  {title}: the server says {refusal:?}, the prediction {conflicts:?}\n"
                    ));
                }
            }
            (Err(message), _) => {
                problems.push(format!(
                    "  {title}: the server refuses it: {message}
"
                ));
                continue;
            }
            (Ok(_), Err(error)) => problems.push(format!("  {title}: not predicted: {error}\n")),
        }
        let patch = match &write.what {
            What::Apply(config) => Patch::Apply(json(config)),
            What::Update(patch) => Patch::Merge(json(patch)),
        };
        let force = matches!(write.what, What::Apply(_));
        let parameters = PatchParams {
            force,
            field_manager: Some(write.by.clone()),
            ..PatchParams::default()
        };
        api.patch(&name, &parameters, &patch)
            .await
            .unwrap_or_else(|error| panic!("{title}: {error}"));
    }
    (case.writes.len(), problems)
}

async fn check(client: &Client, namespace: &str, documents: &[Value], schemas: &Schemas) {
    let (mut writes, mut problems) = (0, Vec::new());
    for document in documents {
        let case = Case::read(document);
        let (compared, found) = run(client, namespace, &case, schemas).await;
        writes += compared;
        problems.extend(found);
    }
    assert!(
        problems.is_empty(),
        "{} of {writes} writes of {} objects were predicted otherwise:\n{}",
        problems.len(),
        documents.len(),
        problems.concat()
    );
}

#[tokio::test]
async fn built_in_kinds() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let documents = yaml::parse(
        include_str!("data/prediction.yaml"),
        &yaml::ParseOptions::default(),
    )
    .expect("YAML");
    let namespace = testbed.namespace("prediction").await;
    let client = testbed.client().await;
    // Definitions of custom resources are no part of the table of built-in kinds; the API server describes them.
    let request = http::Request::get("/openapi/v3/apis/apiextensions.k8s.io/v1").body(Vec::new());
    let described = client
        .request_text(request.expect("a path"))
        .await
        .expect("a document");
    let mut schemas = Schemas::default();
    schemas
        .register_openapi(&Value::from_json(described).expect("JSON"))
        .expect("schemas");
    check(&client, &namespace, &documents, &schemas).await;
}

#[tokio::test]
async fn custom_resources() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let client = testbed.client().await;
    let documents = yaml::parse(
        include_str!("data/custom.yaml"),
        &yaml::ParseOptions::default(),
    )
    .expect("YAML");
    let (definition, cases) = documents.split_first().expect("a definition");
    let definitions = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
    ));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &definitions);
    let name = definition
        .at(&["metadata", "name"])
        .and_then(Value::as_str)
        .expect("a name");
    api.patch(
        name,
        &PatchParams::apply("test"),
        &Patch::Apply(json(definition)),
    )
    .await
    .expect("the definition is taken");
    let namespace = testbed.namespace("prediction").await;
    let things =
        ApiResource::from_gvk(&GroupVersionKind::gvk("testbed.example.com", "v1", "Thing"));
    let things: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &things);
    eventually("the kind to be served", || async {
        things
            .list(&Default::default())
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await;
    let mut schemas = Schemas::default();
    schemas
        .register_crd(&live(&api, name).await.expect("the definition"))
        .expect("a structural schema");
    check(&client, &namespace, cases, &schemas).await;
}
