//! What is asked, and when two answers agree.

use std::sync::LazyLock;

use gitops_diff::schema::{Schema, Schemas, TypeRef};
use gitops_diff::structured::{Duplicates, FieldPath, FieldSet, Typed};
use gitops_manifest::{Map, Str, Value};

use crate::random::{Random, Wild, envelope, mutate, object, value};

pub(crate) const OPS: [&str; 28] = [
    "strategic-create",
    "strategic-three-way",
    "strategic-apply",
    "json-patch",
    "merge-patch-apply",
    "merge-patch-create",
    "merge-patch-three-way",
    "typed-validate",
    "typed-fields",
    "typed-compare",
    "typed-merge",
    "typed-remove",
    "typed-extract",
    "typed-extract-keys",
    "set-json",
    "set-algebra",
    "updates-builtin",
    "updates-schema",
    "updates-deduced",
    "remarshal",
    "default",
    "normalize",
    "diff-client",
    "diff-custom",
    "diff-structured",
    "diff-server-side",
    "mask",
    "jq",
];

/// A schema with everything that structured merge knows.
static ALL: LazyLock<(Value, Schema)> = LazyLock::new(|| {
    let text = r#"{"types":[
     {"name":"all","map":{"fields":[
        {"name":"string","type":{"scalar":"string"}},{"name":"numeric","type":{"scalar":"numeric"}},{"name":"bool","type":{"scalar":"boolean"}},
        {"name":"untyped","type":{"scalar":"untyped"}},
        {"name":"set","type":{"list":{"elementType":{"scalar":"string"},"elementRelationship":"associative"}}},
        {"name":"numbers","type":{"list":{"elementType":{"scalar":"numeric"},"elementRelationship":"associative"}}},
        {"name":"bools","type":{"list":{"elementType":{"scalar":"boolean"},"elementRelationship":"associative"}}},
        {"name":"atomicList","type":{"list":{"elementType":{"scalar":"string"},"elementRelationship":"atomic"}}},
        {"name":"atomicMap","type":{"map":{"elementType":{"scalar":"string"},"elementRelationship":"atomic"}}},
        {"name":"map","type":{"map":{"elementType":{"scalar":"string"}}}},
        {"name":"maps","type":{"map":{"elementType":{"namedType":"struct"}}}},
        {"name":"keyed","type":{"list":{"elementType":{"namedType":"item"},"elementRelationship":"associative","keys":["name"]}}},
        {"name":"pairs","type":{"list":{"elementType":{"namedType":"pair"},"elementRelationship":"associative","keys":["port","protocol"]}}},
        {"name":"struct","type":{"namedType":"struct"}},
        {"name":"atomicStruct","type":{"namedType":"struct","elementRelationship":"atomic"}},
        {"name":"any","type":{"namedType":"__untyped_deduced_"}},
        {"name":"anyAtomic","type":{"namedType":"__untyped_atomic_"}},
        {"name":"self","type":{"namedType":"all"}}]}},
     {"name":"struct","map":{"fields":[{"name":"a","type":{"scalar":"string"}},{"name":"b","type":{"scalar":"numeric"}},{"name":"c","type":{"namedType":"struct"}},
        {"name":"x","type":{"list":{"elementType":{"namedType":"item"},"elementRelationship":"associative","keys":["name"]}}}]}},
     {"name":"item","map":{"fields":[{"name":"name","type":{"scalar":"string"}},{"name":"a","type":{"scalar":"string"}},{"name":"x","type":{"namedType":"struct"}},
        {"name":"set","type":{"list":{"elementType":{"scalar":"string"},"elementRelationship":"associative"}}}]}},
     {"name":"pair","map":{"fields":[{"name":"name","type":{"scalar":"string"}},{"name":"port","type":{"scalar":"numeric"}},{"name":"protocol","type":{"scalar":"string"},"default":"TCP"},{"name":"web","type":{"scalar":"untyped"}}]}},
     {"name":"__untyped_atomic_","scalar":"untyped","list":{"elementType":{"namedType":"__untyped_atomic_"},"elementRelationship":"atomic"},"map":{"elementType":{"namedType":"__untyped_atomic_"},"elementRelationship":"atomic"}},
     {"name":"__untyped_deduced_","scalar":"untyped","list":{"elementType":{"namedType":"__untyped_atomic_"},"elementRelationship":"atomic"},"map":{"elementType":{"namedType":"__untyped_deduced_"},"elementRelationship":"separable"}}
    ]}"#;
    let value = Value::from_json(text).expect("the schema is JSON");
    let schema = Schema::from_typedefs(&value).expect("the schema is one");
    (value, schema)
});

const MAIN: [(&str, &str, &str); 24] = [
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "StatefulSet"),
    ("apps", "v1", "DaemonSet"),
    ("", "v1", "Pod"),
    ("", "v1", "Service"),
    ("", "v1", "ServiceAccount"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "Secret"),
    ("", "v1", "Endpoints"),
    ("", "v1", "PersistentVolumeClaim"),
    ("", "v1", "PersistentVolume"),
    ("", "v1", "Node"),
    ("", "v1", "LimitRange"),
    ("batch", "v1", "Job"),
    ("batch", "v1", "CronJob"),
    ("networking.k8s.io", "v1", "Ingress"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("policy", "v1", "PodDisruptionBudget"),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
    ),
    ("storage.k8s.io", "v1", "StorageClass"),
];

fn kind(random: &mut Random) -> [Str; 3] {
    if random.chance(75) {
        let (group, version, kind) = *random.pick(&MAIN);
        return [group.into(), version.into(), kind.into()];
    }
    let kinds: Vec<_> = Schemas::builtin().kinds().collect();
    let gvk = random.pick(&kinds);
    [gvk.group.clone(), gvk.version.clone(), gvk.kind.clone()]
}

fn type_of(gvk: &[Str; 3]) -> TypeRef<'static> {
    Schemas::builtin()
        .lookup(&gvk[0], &gvk[1], &gvk[2])
        .expect("the kind is built in")
}

fn question(op: &str) -> Map {
    Map::from([("op", Value::from(op))])
}

fn of_kind(op: &str, gvk: &[Str; 3]) -> Map {
    let mut question = question(op);
    question.insert("gvk", gvk.iter().map(Value::from).collect::<Vec<_>>());
    question
}

/// Values that no part of a program expects, now and then.
fn wild(random: &mut Random) -> Wild {
    match random.below(10) {
        0 => Wild {
            misfits: 2,
            nulls: 4,
        },
        1 | 2 => Wild {
            misfits: 0,
            nulls: 4,
        },
        _ => Wild {
            misfits: 0,
            nulls: 0,
        },
    }
}

fn directives(random: &mut Random, patch: &mut Value, ty: TypeRef<'_>) {
    match patch {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                if let Some(below) = ty.under(key) {
                    directives(random, value, below);
                }
            }
            match random.below(30) {
                0 => {
                    map.insert(
                        "$patch",
                        random.text(&["delete", "replace", "merge", "other"]),
                    );
                }
                1 => {
                    let keys: Vec<Value> = map
                        .keys()
                        .filter(|key| !key.starts_with('$'))
                        .map(Value::from)
                        .collect();
                    map.insert("$retainKeys", keys);
                }
                2..6 => {
                    let lists: Vec<(Str, Value)> = map
                        .iter()
                        .filter(|(_, value)| value.as_array().is_some())
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect();
                    if !lists.is_empty() {
                        let (name, list) = random.pick(&lists).clone();
                        let merge_key =
                            ty.field(&name).and_then(|field| field.merge_key().cloned());
                        let mut order: Vec<Value> = list
                            .as_array()
                            .into_iter()
                            .flatten()
                            .map(|item| match (&merge_key, item) {
                                (Some(key), Value::Object(item)) => Value::Object(
                                    item.get(key)
                                        .map(|value| (key.clone(), value.clone()))
                                        .into_iter()
                                        .collect(),
                                ),
                                _ => item.clone(),
                            })
                            .collect();
                        if order.len() > 1 && random.chance(50) {
                            order.rotate_left(1);
                        }
                        let directive = if merge_key.is_none() && random.chance(50) {
                            "$deleteFromPrimitiveList"
                        } else {
                            "$setElementOrder"
                        };
                        map.insert(format!("{directive}/{name}"), order);
                    }
                }
                _ => {}
            }
        }
        Value::Array(items) => {
            let element = ty
                .list()
                .map_or_else(|| TypeRef::deduced(), |list| list.element());
            let items = items.make_mut();
            for item in items.iter_mut() {
                directives(random, item, element);
            }
            if !items.is_empty() && random.chance(8) {
                let i = random.below(items.len());
                if let Value::Object(map) = &mut items[i] {
                    map.insert(
                        "$patch",
                        random.text(&["delete", "delete", "replace", "merge"]),
                    );
                } else if random.chance(20) {
                    items.push(Value::Object(Map::from([("$patch", "replace")])));
                }
            } else if items.first().is_some_and(|item| item.as_object().is_some())
                && random.chance(5)
            {
                items.push(Value::Object(Map::from([("$patch", "replace")])));
            }
        }
        _ => {}
    }
}

/// A type and a way to name it in a question.
fn some_type(random: &mut Random, op: &str) -> (Map, TypeRef<'static>, Option<[Str; 3]>) {
    match random.below(10) {
        0..5 => {
            let gvk = kind(random);
            (of_kind(op, &gvk), type_of(&gvk), Some(gvk))
        }
        5..9 => of_schema(op),
        _ => (question(op), TypeRef::deduced(), None),
    }
}

fn of_schema(op: &str) -> (Map, TypeRef<'static>, Option<[Str; 3]>) {
    let (text, schema) = &*ALL;
    let mut question = question(op);
    question.insert("schema", text.clone());
    question.insert("type", "all");
    (
        question,
        schema.named("all").expect("the schema has it"),
        None,
    )
}

fn some_value(random: &mut Random, ty: TypeRef<'_>, gvk: Option<&[Str; 3]>, wild: Wild) -> Value {
    match gvk {
        Some(gvk) => object(random, Schemas::builtin(), gvk, wild),
        None => {
            let (_, schema) = &*ALL;
            let ty = if ty == TypeRef::deduced() {
                schema.named("all").expect("the schema has it")
            } else {
                ty
            };
            let made = value(random, ty, 5, wild);
            Value::Object(made.as_object().cloned().unwrap_or_default())
        }
    }
}

fn some_set(random: &mut Random, value: &Value, ty: TypeRef<'_>) -> FieldSet {
    let fields = Typed::new(value.clone(), ty, Duplicates::Allow)
        .map(|typed| typed.field_set())
        .unwrap_or_default();
    let fields = if random.chance(20) {
        FieldSet::of_value(value)
    } else {
        fields
    };
    fields.paths().filter(|_| random.chance(50)).collect()
}

pub(crate) fn make(op: &str, random: &mut Random) -> Value {
    let wild = wild(random);
    let times = 1 + random.below(6);
    let question = match op {
        "strategic-create" | "strategic-three-way" | "strategic-apply" => {
            let gvk = kind(random);
            let ty = type_of(&gvk);
            let mut question = of_kind(op, &gvk);
            let a = object(random, Schemas::builtin(), &gvk, wild);
            let mut b = if random.chance(90) {
                mutate(random, &a, ty, times, wild)
            } else {
                object(random, Schemas::builtin(), &gvk, wild)
            };
            if op == "strategic-three-way" {
                let start = if random.chance(50) { &a } else { &b };
                let times = random.below(5);
                question.insert("c", mutate(random, start, ty, times, wild));
                question.insert("overwrite", random.chance(70));
            }
            if op == "strategic-apply" {
                directives(random, &mut b, ty);
            }
            question.insert("a", a);
            question.insert("b", b);
            question
        }
        "json-patch" => {
            let mut question = question(op);
            let (_, schema) = &*ALL;
            let a = value(random, schema.named("all").expect("it has it"), 4, wild);
            let operations: Vec<Value> = (0..1 + random.below(4))
                .map(|_| operation(random, &a))
                .collect();
            question.insert(
                "a",
                if a.is_null() {
                    Value::Object(Map::new())
                } else {
                    a
                },
            );
            question.insert("b", operations);
            question
        }
        "merge-patch-apply" | "merge-patch-create" | "merge-patch-three-way" => {
            let mut question = question(op);
            let (_, schema) = &*ALL;
            let ty = schema.named("all").expect("it has it");
            let a = Value::Object(
                value(random, ty, 4, wild)
                    .as_object()
                    .cloned()
                    .unwrap_or_default(),
            );
            let more = if random.chance(60) {
                mutate(random, &a, ty, times, Wild { nulls: 5, ..wild })
            } else {
                value(random, ty, 4, wild)
            };
            let b = Value::Object(more.as_object().cloned().unwrap_or_default());
            let start = if random.chance(50) { &a } else { &b };
            let c = mutate(random, start, ty, times, wild);
            question.insert(
                "c",
                Value::Object(c.as_object().cloned().unwrap_or_default()),
            );
            question.insert("a", a);
            question.insert("b", b);
            question
        }
        "typed-validate" | "typed-fields" | "typed-compare" | "typed-merge" | "typed-remove"
        | "typed-extract" | "typed-extract-keys" => {
            let (mut question, ty, gvk) = some_type(random, op);
            let wild = Wild {
                nulls: wild.nulls,
                misfits: wild.misfits,
            };
            let mut a = some_value(random, ty, gvk.as_ref(), wild);
            if random.chance(30) {
                a = mutate(random, &a, ty, times, Wild { misfits: 3, ..wild });
            }
            let b = if random.chance(80) {
                mutate(random, &a, ty, times, wild)
            } else {
                some_value(random, ty, gvk.as_ref(), wild)
            };
            if op.starts_with("typed-remove") || op.starts_with("typed-extract") {
                let of = if random.chance(80) { &a } else { &b };
                question.insert("text", some_set(random, of, ty).to_json());
            }
            question.insert("a", a);
            question.insert("b", b);
            question
        }
        "set-json" | "set-algebra" => {
            let mut question = question(op);
            let (_, ty, gvk) = some_type(random, op);
            let a = some_value(random, ty, gvk.as_ref(), wild);
            let b = mutate(random, &a, ty, times, wild);
            question.insert("text", some_set(random, &a, ty).to_json());
            question.insert("type", some_set(random, &b, ty).to_json());
            question
        }
        "updates-builtin" | "updates-schema" | "updates-deduced" => {
            let (mut question, ty, gvk) = match op {
                "updates-builtin" => {
                    let gvk = kind(random);
                    (of_kind("updates", &gvk), type_of(&gvk), Some(gvk))
                }
                "updates-schema" => of_schema("updates"),
                _ => (self::question("updates"), TypeRef::deduced(), None),
            };
            question.insert("op", "updates");
            let mut objects = vec![some_value(random, ty, gvk.as_ref(), wild)];
            let mut steps = Vec::new();
            for _ in 0..2 + random.below(5) {
                let base = random.pick(&objects).clone();
                let times = random.below(5);
                let next = mutate(random, &base, ty, times, wild);
                let next = Value::Object(next.as_object().cloned().unwrap_or_default());
                objects.push(next.clone());
                steps.push(Value::Object(Map::from([
                    (
                        "op",
                        Value::from(random.text(&["apply", "force-apply", "update"])),
                    ),
                    ("manager", Value::from(random.text(&["m1", "m2", "m3"]))),
                    ("version", Value::from(random.text(&["v1", "v1", "v2"]))),
                    ("object", next),
                ])));
            }
            question.insert("steps", steps);
            question
        }
        "remarshal" | "default" | "normalize" => {
            let gvk = kind(random);
            let mut question = of_kind(op, &gvk);
            question.insert("a", object(random, Schemas::builtin(), &gvk, wild));
            question.insert("flag", random.chance(50));
            question
        }
        "diff-client" | "diff-custom" | "diff-structured" | "diff-server-side" => {
            compare(op, random, wild, times)
        }
        "mask" => {
            let gvk: [Str; 3] = ["".into(), "v1".into(), "Secret".into()];
            let ty = type_of(&gvk);
            let mut question = of_kind(op, &gvk);
            let mut a = object(random, Schemas::builtin(), &gvk, wild);
            let mut b = mutate(random, &a, ty, times, wild);
            for object in [&mut a, &mut b] {
                if object.as_object().is_none() {
                    *object = Value::Object(Map::new());
                }
                envelope(object.as_object_mut().expect("an object is a map"), &gvk);
                if random.chance(40) {
                    let annotations = object
                        .as_object_mut()
                        .expect("it is a map")
                        .entry_object("metadata")
                        .entry_object("annotations");
                    annotations.insert("hidden", random.text(&["a", "b"]));
                }
                if random.chance(40) {
                    let last = mutate(random, object, ty, 2, wild).to_json();
                    let annotations = object
                        .as_object_mut()
                        .expect("it is a map")
                        .entry_object("metadata")
                        .entry_object("annotations");
                    annotations.insert("kubectl.kubernetes.io/last-applied-configuration", last);
                }
            }
            question.insert("a", a);
            question.insert("b", b);
            question
        }
        "jq" => {
            let gvk = kind(random);
            let mut question = question(op);
            let a = object(random, Schemas::builtin(), &gvk, wild);
            question.insert("text", crate::jq::expression(random, &a));
            question.insert("a", a);
            question
        }
        other => panic!("no operation {other}"),
    };
    Value::Object(question)
}

fn compare(op: &str, random: &mut Random, wild: Wild, times: usize) -> Map {
    let mut gvk = kind(random);
    let ty = type_of(&gvk);
    let mut question = question("diff");
    question.insert("text", op.strip_prefix("diff-").expect("it has the prefix"));
    let base = object(random, Schemas::builtin(), &gvk, wild);
    let few = random.below(3);
    let desired = mutate(random, &base, ty, few, wild);
    let mut live = mutate(random, &base, ty, times, wild);
    if random.chance(50)
        && let Ok(of) = gitops_manifest::Object::try_from(live.clone())
        && let Ok(defaulted) = gitops_diff::normalize::defaulted(&of, ty)
    {
        live = defaulted.into();
        if random.chance(50) {
            live = mutate(random, &live, ty, 1, wild);
        }
    }
    let few = random.below(3);
    let mut last = mutate(random, &base, ty, few, wild);
    let mut desired = desired;
    let mut predicted = mutate(random, &live, ty, few, wild);
    if op == "diff-custom" {
        gvk = ["example.com".into(), "v1".into(), "Thing".into()];
    }
    for object in [&mut desired, &mut live, &mut last, &mut predicted] {
        // A change may have put something else in the place of the whole.
        if object.as_object().is_none() {
            *object = Value::Object(Map::new());
        }
        envelope(object.as_object_mut().expect("an object is a map"), &gvk);
    }
    if random.chance(70) {
        let text = last.to_json();
        live.as_object_mut()
            .expect("an object is a map")
            .entry_object("metadata")
            .entry_object("annotations")
            .insert("kubectl.kubernetes.io/last-applied-configuration", text);
    }
    if op == "diff-structured" || op == "diff-server-side" {
        let mut entries = Vec::new();
        let version = desired["apiVersion"].clone();
        let sources = [
            ("argocd-controller", "Apply", &last),
            ("hpa", "Update", &live),
            ("kubectl", "Apply", &predicted),
        ];
        for (name, operation, of) in sources {
            if name != "argocd-controller" && random.chance(50) {
                continue;
            }
            // Nobody owns what every object has.
            let nobodys: FieldSet = [
                &["apiVersion"][..],
                &["kind"],
                &["metadata"],
                &["metadata", "name"],
            ]
            .map(FieldPath::of_fields)
            .into_iter()
            .collect();
            let set: FieldSet = some_set(random, of, ty).difference(&nobodys);
            let set = if random.chance(60) && name == "argocd-controller" {
                Typed::new(of.clone(), ty, Duplicates::Allow)
                    .map(|typed| typed.field_set().difference(&nobodys))
                    .unwrap_or_default()
            } else {
                set
            };
            entries.push(Value::Object(Map::from([
                ("manager", Value::from(name)),
                ("operation", operation.into()),
                ("apiVersion", version.clone()),
                ("time", "2026-03-01T10:00:00Z".into()),
                ("fieldsType", "FieldsV1".into()),
                ("fieldsV1", set.to_value()),
            ])));
        }
        for object in [&mut live, &mut predicted] {
            object
                .as_object_mut()
                .expect("an object is a map")
                .entry_object("metadata")
                .insert("managedFields", entries.clone());
        }
        question.insert("c", predicted);
        question.insert("overwrite", random.chance(30));
    }
    question.insert("a", desired);
    question.insert("b", live);
    question.insert("flag", random.chance(20));
    question
}

fn pointer(random: &mut Random, of: &Value) -> String {
    let mut out = String::new();
    let mut value = of;
    loop {
        if random.chance(15) {
            return out;
        }
        let (token, below) = match value {
            Value::Object(map) if !map.is_empty() && random.chance(85) => {
                let (key, below) = random.pick(map.entries());
                (key.replace('~', "~0").replace('/', "~1"), Some(below))
            }
            Value::Array(items) if !items.is_empty() && random.chance(80) => {
                let i = random.below(items.len());
                (i.to_string(), Some(&items[i]))
            }
            Value::Array(items) => (
                random
                    .pick(&[
                        "-".to_owned(),
                        items.len().to_string(),
                        "7".to_owned(),
                        "x".to_owned(),
                    ])
                    .clone(),
                None,
            ),
            Value::Object(_) => (random.text(&["new", "a~1b", "", "~0"]).to_owned(), None),
            _ => return out,
        };
        out.push('/');
        out.push_str(&token);
        match below {
            Some(below) => value = below,
            None => return out,
        }
    }
}

fn operation(random: &mut Random, of: &Value) -> Value {
    let op = random.text(&["add", "add", "remove", "replace", "move", "copy", "test"]);
    let path = pointer(random, of);
    let mut operation = Map::from([("op", Value::from(op)), ("path", path.clone().into())]);
    match op {
        "add" | "replace" => {
            operation.insert("value", Value::from(random.text(&["v", "w"])));
        }
        "test" => {
            let there = of.pointer(&path).cloned().unwrap_or_default();
            operation.insert("value", if random.chance(70) { there } else { "v".into() });
        }
        "move" | "copy" => {
            operation.insert("from", pointer(random, of));
        }
        _ => {}
    }
    Value::Object(operation)
}

/// What Go adds that says nothing.
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

/// Whether the objects of two questions are of one name and kind.
pub(crate) fn same_objects(before: &Value, after: &Value) -> bool {
    ["a", "b", "c"].iter().all(|part| {
        let of = |question: &Value| {
            let object = &question[*part];
            [
                object.get("apiVersion").cloned(),
                object.get("kind").cloned(),
                object.at(&["metadata", "name"]).cloned(),
            ]
        };
        of(before) == of(after)
    })
}

/// What RFC 6902 allows and the peer does not: to replace the whole document.
fn replaces_document(question: &Value) -> bool {
    let operations = question["b"].as_array();
    operations.into_iter().flatten().any(|operation| {
        operation["path"] == Value::from("") || operation["from"] == Value::from("")
    })
}

/// Nulls in maps within lists: RFC 7396 keeps them, the peer does not.
fn has_nulls_in_lists(value: &Value, in_list: bool) -> bool {
    match value {
        Value::Null => in_list,
        Value::Object(map) => map.values().any(|value| has_nulls_in_lists(value, in_list)),
        Value::Array(items) => items.iter().any(|item| has_nulls_in_lists(item, true)),
        _ => false,
    }
}

/// Whether two answers say the same. Of errors only that they are there counts.
pub(crate) fn agree(question: &Value, ours: &Value, theirs: &Value) -> bool {
    let error = theirs["error"].as_str().unwrap_or_default();
    let op = question["op"].as_str().unwrap_or_default();
    if theirs.get("panic").is_some()
        || error == "no such kind"
        || error.starts_with("no kind ")
        || error.contains("unable to resolve parseableType")
        // The document of types that the peer has with it is older than its Go types, and knows no defaults of keys.
        || op == "diff" && (error.contains("field not declared in schema") || error.contains("omits all key fields"))
        // Endpoints are sorted by another measure; Go turns large integers into doubles on the way.
        || matches!(op, "normalize" | "diff") && (question["a"]["kind"] == Value::from("Endpoints") || question.to_json().contains("9223372036854775808") || question.to_json().contains("9007199254740993"))
        // Where the order of the members of a Go map decides.
        || op == "strategic-apply" && question.to_json().contains("$deleteFromPrimitiveList")
        || op == "json-patch" && replaces_document(question)
        || op.starts_with("merge-patch") && ["a", "b", "c"].iter().any(|part| has_nulls_in_lists(&question[*part], false))
    {
        return true;
    }
    if op == "jq" && !error.is_empty() {
        return ours["result"] == question["a"];
    }
    if ours.get("error").is_some() || theirs.get("error").is_some() {
        return ours.get("error").is_some() == theirs.get("error").is_some();
    }
    match question["op"].as_str() {
        Some("remarshal" | "default") => {
            without_go(&ours["result"]) == without_go(&theirs["result"])
        }
        Some("jq") if theirs.get("unparsed").is_some() => ours.get("unparsed").is_some(),
        Some("updates") => {
            let (a, b) = (ours["results"].as_array(), theirs["results"].as_array());
            let (a, b) = (
                a.map_or(&[][..], |list| list),
                b.map_or(&[][..], |list| list),
            );
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| {
                    a["object"] == b["object"]
                        && a["conflicts"] == b["conflicts"]
                        && a.get("error").is_some() == b.get("error").is_some()
                        && owners(&a["managers"]) == owners(&b["managers"])
                })
        }
        _ => ours == theirs,
    }
}

fn owners(managers: &Value) -> Vec<(Str, Value, Value)> {
    managers
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, owned)| (name.clone(), owned["set"].clone(), owned["version"].clone()))
        .collect()
}
