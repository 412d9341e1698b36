use gitops_diff::schema::{Schema, TypeRef};
use gitops_diff::strategic::{self, StrategicError, ThreeWayOptions};
use gitops_manifest::{Map, Value};

use crate::support::{Tally, cases, documents, same};

/// The schemas of the cases are OpenAPI v2 documents; what differs from v3 is where the definitions stand.
fn schema_of(document: &Value) -> Schema {
    let text = document
        .to_json()
        .replace("#/definitions/", "#/components/schemas/")
        // One definition has a word where a schema should be.
        .replace(
            r#""additionalProperties":"object""#,
            r#""additionalProperties":{}"#,
        );
    let mut document = Value::from_json(text).expect("it was JSON before");
    // Version 2 takes a definition with properties for an object.
    for (_, definition) in document
        .at_mut(&["definitions"])
        .and_then(Value::as_object_mut)
        .expect("the schema has definitions")
        .iter_mut()
    {
        let definition = definition.as_object_mut().expect("a definition is a map");
        if definition.contains_key("properties") && !definition.contains_key("type") {
            definition.insert("type", "object");
        }
    }
    let mut v3 = Map::new();
    v3.insert("openapi", "3.0.0");
    v3.entry_object("components")
        .insert("schemas", document["definitions"].clone());
    Schema::from_openapi(&Value::Object(v3)).expect("the schema of the cases is valid")
}

/// A value of a case: JSON, or (`text`) a JSON text.
fn read(case: &Value, member: &str) -> Value {
    match case.get(member) {
        Some(Value::String(text)) => Value::from_json(text.as_str()).unwrap_or_default(),
        Some(value) => value.clone(),
        None => Value::Null,
    }
}

fn or_empty(value: Value) -> Value {
    if value.is_null() {
        Value::Object(Map::new())
    } else {
        value
    }
}

fn two_way(case: &Value, ty: TypeRef<'_>) -> Result<(), String> {
    let (original, modified) = (read(case, "original"), read(case, "modified"));
    let patch = strategic::create(&original, &modified, ty).map_err(|error| error.to_string())?;
    same("twoWay", &patch, &or_empty(read(case, "twoWay")))?;
    let result =
        strategic::apply(&or_empty(original), &patch, ty).map_err(|error| error.to_string())?;
    same(
        "twoWayResult",
        &result,
        &or_empty(read(case, "twoWayResult")),
    )
}

fn three_way(case: &Value, ty: TypeRef<'_>) -> Result<(), String> {
    let (original, modified, current) = (
        read(case, "original"),
        read(case, "modified"),
        read(case, "current"),
    );
    let make = |overwrite| {
        let options = ThreeWayOptions::default().overwrite(overwrite);
        strategic::create_three_way(&original, &modified, &current, ty, &options)
    };
    if case["conflict"] == Value::Bool(true) {
        match make(false) {
            Err(StrategicError::Conflict { .. }) => {}
            other => return Err(format!("expected a conflict, got {other:?}")),
        }
        if case.get("result").is_none() {
            return Ok(());
        }
    }
    let patch = make(case["conflict"] == Value::Bool(true)).map_err(|error| error.to_string())?;
    same("threeWay", &patch, &or_empty(read(case, "threeWay")))?;
    let result = strategic::apply(&or_empty(current.clone()), &patch, ty)
        .map_err(|error| error.to_string())?;
    same("result", &result, &or_empty(read(case, "result")))
}

#[test]
fn conformance_strategic_merge_patch() {
    let documents = documents("strategic-merge-patch");
    let mut tally = Tally::new("strategic-merge-patch");
    for (_, document) in &documents {
        if document.get("cases").is_none() {
            continue;
        }
        let reference = document["schema"]
            .as_str()
            .expect("the file names its schema");
        let (file, name) = reference.split_once('#').expect("a file and a definition");
        let schema = schema_of(
            &documents
                .iter()
                .find(|(f, _)| f == file)
                .expect("the schema is there")
                .1,
        );
        let ty = schema.named(name).expect("the schema has the definition");
        for case in cases(document) {
            let verdict = if case.get("sorted").is_some() {
                strategic::sort_merge_lists(&case["input"], ty)
                    .map_err(|error| error.to_string())
                    .and_then(|got| same("sorted", &got, &case["sorted"]))
            } else if case.get("patch").is_some() {
                match (
                    strategic::apply(&or_empty(read(case, "original")), &read(case, "patch"), ty),
                    case.get("result"),
                ) {
                    (Ok(got), Some(want)) => same("result", &got, want),
                    (Err(_), None) => Ok(()),
                    (got, want) => Err(format!("got {got:?}, want {want:?}")),
                }
            } else {
                // Where a case allows an error, either outcome is right.
                let two = match two_way(case, ty) {
                    Err(_) if case.get("twoWayError").is_some() => Ok(()),
                    verdict => verdict,
                };
                two.and_then(|()| {
                    if case.get("current").is_none() && case.get("threeWay").is_none() {
                        return Ok(());
                    }
                    match three_way(case, ty) {
                        Err(_) if case.get("threeWayError").is_some() => Ok(()),
                        verdict => verdict,
                    }
                })
            };
            tally.check(case["name"].as_str().expect("a case has a name"), verdict);
        }
    }
    tally.finish();
}

/// As upstream, which sorts the old list before it compares: whether two equal lists are one in memory makes no difference.
#[test]
fn the_order_of_unsorted_scalars_is_told_even_where_nothing_changes() {
    let ty = gitops_diff::schema::Schemas::builtin()
        .lookup("apps", "v1", "Deployment")
        .unwrap();
    let object = |finalizers: &str| {
        Value::from_json(format!(r#"{{"metadata": {{"finalizers": {finalizers}}}}}"#)).unwrap()
    };
    let unsorted = object(r#"["x", "x", "a"]"#);
    for same in [unsorted.clone(), object(r#"["x", "x", "a"]"#)] {
        assert_eq!(
            strategic::create(&unsorted, &same, ty).unwrap().to_json(),
            r#"{"metadata":{"$setElementOrder/finalizers":["x","x","a"]}}"#
        );
    }
    let sorted = object(r#"["a", "b"]"#);
    assert_eq!(
        strategic::create(&sorted, &sorted, ty).unwrap().to_json(),
        "{}"
    );
    // Upstream forgets this one: the patch would not lead to what is wanted.
    let patch = strategic::create(&object(r#"["b", "a"]"#), &sorted, ty).unwrap();
    assert_eq!(
        strategic::apply(&object(r#"["b", "a"]"#), &patch, ty).unwrap(),
        sorted
    );
}
