//! Laws of field sets and of server-side apply.

use gitops_diff::schema::{Schema, Schemas, TypeRef};
use gitops_diff::structured::{
    Duplicates, Emptied, FieldPath, FieldSet, Managers, PathElement, Typed, WriteError,
    WriteOptions, apply, predict, update,
};
use gitops_manifest::{Map, Object, Value};
use proptest::prelude::*;

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        "[a-c<\"/ é]{0,3}".prop_map(Value::from),
    ]
}

fn element() -> impl Strategy<Value = PathElement> {
    prop_oneof![
        "[a-d]{1,2}".prop_map(PathElement::field),
        (scalar(), scalar()).prop_map(|(a, b)| PathElement::key([("a", a), ("b", b)])),
        scalar().prop_map(PathElement::Value),
        (0_i64..3).prop_map(PathElement::Index),
    ]
}

fn path() -> impl Strategy<Value = FieldPath> {
    prop::collection::vec(element(), 1..4).prop_map(FieldPath::from)
}

fn set() -> impl Strategy<Value = FieldSet> {
    prop::collection::vec(path(), 0..12).prop_map(|paths| FieldSet::from_paths(&paths))
}

/// Free-form JSON without lists of lists.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![3 => scalar(), 1 => Just(Value::Null)];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-d]", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// An object with a keyed list, a set, a granular and an atomic map, and a list owned as a whole.
fn spec() -> impl Strategy<Value = Map> {
    let item = (
        0_i64..4,
        prop::option::of(0_i64..3),
        prop::option::of("[x-z]"),
    );
    let items = prop::collection::vec(item, 0..5).prop_map(|items| {
        let mut seen = std::collections::BTreeSet::new();
        items
            .into_iter()
            .filter(|(name, ..)| seen.insert(*name))
            .map(|(name, size, note)| {
                let mut map = Map::from([("name", name.to_string())]);
                if let Some(size) = size {
                    map.insert("size", size);
                }
                if let Some(note) = note {
                    map.insert("note", note);
                }
                Value::Object(map)
            })
            .collect::<Vec<_>>()
    });
    let tags = prop::collection::btree_set("[a-d]", 0..3);
    let map = || prop::collection::btree_map("[a-c]", "[x-z]", 0..3);
    (
        prop::option::of(items),
        prop::option::of(tags),
        prop::option::of(map()),
        prop::option::of(map()),
        prop::option::of(prop::collection::vec(0_i64..3, 0..3)),
    )
        .prop_map(|(items, tags, labels, selector, plain)| {
            let mut spec = Map::new();
            let mut add = |name: &'static str, value: Option<Value>| {
                if let Some(value) = value {
                    spec.insert(name, value);
                }
            };
            let of_map = |map: std::collections::BTreeMap<String, String>| {
                Value::Object(map.into_iter().collect())
            };
            let of_list = |list: Vec<Value>| Value::from(list);
            add("items", items.map(of_list));
            add(
                "tags",
                tags.map(|tags| of_list(tags.into_iter().map(Value::from).collect())),
            );
            add("labels", labels.map(of_map));
            add("selector", selector.map(of_map));
            add(
                "plain",
                plain.map(|plain| of_list(plain.into_iter().map(Value::from).collect())),
            );
            spec
        })
}

fn schemas() -> Schemas {
    let strings = serde_json::json!({"type": "object", "additionalProperties": {"type": "string"}});
    let mut atomic = strings.clone();
    atomic["x-kubernetes-map-type"] = "atomic".into();
    let crd = Object::try_from(serde_json::json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "w"},
        "spec": {"group": "example.com", "names": {"kind": "Widget"}, "versions": [{
            "name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                "type": "object", "properties": {
                    "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                              "items": {"type": "object", "properties": {
                                  "name": {"type": "string"}, "size": {"type": "integer"},
                                  "note": {"type": "string", "default": "none"},
                              }}},
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "labels": strings, "selector": atomic,
                    "plain": {"type": "array", "items": {"type": "integer"}},
                    "mode": {"type": "string", "default": "auto"},
                },
            }}}},
        }]},
    }))
    .expect("it is an object");
    let mut schemas = Schemas::default();
    schemas.register(Schema::from_crd(&crd).expect("the definition can be read"));
    schemas
}

fn widget(spec: Map) -> Object {
    let mut object = Object::try_from(serde_json::json!({
        "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"},
    }))
    .expect("it is an object");
    object.as_map_mut().insert("spec", spec);
    object
}

fn ty(schemas: &Schemas) -> TypeRef<'_> {
    schemas
        .lookup("example.com", "v1", "Widget")
        .expect("it is registered")
}

fn typed<'s>(object: &Object, schemas: &'s Schemas) -> Typed<'s> {
    Typed::new(object.to_value(), ty(schemas), Duplicates::Refuse).expect("it fits")
}

/// Whether a value has all that another has.
fn covers(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(value), Value::Object(part)) => part
            .iter()
            .all(|(key, part)| value.get(key).is_some_and(|value| covers(value, part))),
        (Value::Array(value), Value::Array(part)) => part
            .iter()
            .all(|part| value.iter().any(|value| covers(value, part))),
        (value, part) => value == part,
    }
}

proptest! {
    #[test]
    fn sets_obey_the_laws_of_sets(a in set(), b in set(), c in set()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&b.union(&c)), a.intersection(&b).union(&a.intersection(&c)));
        prop_assert_eq!(&a.difference(&b).union(&a.intersection(&b)), &a);
        prop_assert!(a.difference(&b).intersection(&b).is_empty());
        prop_assert_eq!(a.intersects(&b), !a.intersection(&b).is_empty());
        prop_assert_eq!(&a.union(&a), &a);
        prop_assert!(a.difference(&a).is_empty());
        prop_assert!(a.recursive_difference(&b).difference(&a.difference(&b)).is_empty());
        prop_assert_eq!(a.union(&b).len() + a.intersection(&b).len(), a.len() + b.len());
    }

    #[test]
    fn a_set_is_the_set_of_its_paths(a in set()) {
        let paths: Vec<FieldPath> = a.paths().collect();
        prop_assert_eq!(paths.len(), a.len());
        prop_assert!(paths.iter().all(|path| a.has(path)));
        prop_assert_eq!(paths.into_iter().collect::<FieldSet>(), a);
    }

    #[test]
    fn what_is_written_of_a_set_is_read_again(a in set()) {
        let read = FieldSet::from_json(a.to_json());
        prop_assert_eq!(read.as_ref().ok(), Some(&a), "{}", a.to_json());
        prop_assert_eq!(FieldSet::from_value(&a.to_value()).ok(), Some(a));
    }

    #[test]
    fn elements_are_ordered_and_written_alike(a in element(), b in element()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        let text = |element: &PathElement| {
            let mut out = String::new();
            element.write(&mut out);
            out
        };
        prop_assert_eq!(a == b, text(&a) == text(&b));
        prop_assert_eq!(PathElement::parse(&text(&a)).expect("it can be read"), Some(a));
    }

    #[test]
    fn merging_a_value_with_itself_or_a_part_changes_nothing(spec in spec(), other in spec()) {
        let schemas = schemas();
        let value = typed(&widget(spec), &schemas);
        prop_assert_eq!(value.merge(&value), Ok(value.clone()));
        prop_assert!(value.compare(&value).is_same());
        let merged = value.merge(&typed(&widget(other), &schemas)).expect("they can be merged");
        // What was merged in has nothing more to change.
        let back = merged.merge(&value).expect("they can be merged");
        prop_assert_eq!(back.merge(&merged), Ok(merged));
    }

    #[test]
    fn a_comparison_says_what_removing_and_extracting_do(a in spec(), b in spec()) {
        let schemas = schemas();
        let (a, b) = (typed(&widget(a), &schemas), typed(&widget(b), &schemas));
        let there = a.compare(&b);
        let back = b.compare(&a);
        prop_assert_eq!(&there.added, &back.removed);
        prop_assert_eq!(&there.modified, &back.modified);
        prop_assert_eq!(there.is_same(), a.value() == b.value() || reordered(&a, &b));
        prop_assert!(!there.added.intersects(&there.removed));
        prop_assert_eq!(a.extract(&a.field_set().leaves()).field_set().leaves(), a.field_set().leaves());
        let left = a.remove(&there.removed, Emptied::Empty);
        prop_assert!(left.compare(&b).removed.leaves().is_empty());
    }

    #[test]
    fn values_without_a_schema_are_handled(a in json(), b in json()) {
        let deduced = |value: &Value| Typed::new(value.clone(), TypeRef::deduced(), Duplicates::Refuse);
        let (a, b) = (deduced(&a).expect("anything fits"), deduced(&b).expect("anything fits"));
        let merged = a.merge(&b).expect("anything can be merged");
        prop_assert_eq!(merged.merge(&b).ok(), Some(merged.clone()));
        prop_assert!(a.compare(&a).is_same());
        let _ = a.compare(&b);
        let _ = FieldSet::of_value(a.value());
    }

    #[test]
    fn an_apply_sets_what_it_says_and_the_second_changes_nothing(a in spec(), b in spec(), c in spec()) {
        let schemas = schemas();
        let by = |name: &str| WriteOptions::new(name).time("2026-01-01T00:00:00Z").force(true);
        let first = apply(None, &widget(a.clone()), &by("a"), &schemas).expect("it can be made");
        let second = apply(Some(&first.object), &widget(b), &by("b"), &schemas).expect("it is forced");
        let third = update(Some(&second.object), &merged_into(&second.object, &c), &by("c"), &schemas)
            .expect("it can be updated");
        let again = apply(Some(&third.object), &widget(a.clone()), &by("a"), &schemas).expect("it is forced");
        prop_assert!(covers(&again.object.to_value(), &widget(a.clone()).to_value()));
        let last = apply(Some(&again.object), &widget(a.clone()), &by("a").force(false), &schemas)
            .expect("what one owns conflicts with nobody");
        prop_assert!(!last.changed);
        let prediction = predict(Some(&third.object), &widget(a), &by("a"), &schemas).expect("it can be predicted");
        prop_assert_eq!(&prediction.object, &again.object);
        prop_assert_eq!(&prediction.managers, &Managers::of(&again.object).expect("they can be read"));
        // Nobody owns what is not there. An empty list is there, though it is no field by itself.
        let mut all = typed(&without_managed_fields(&again.object), &schemas).field_set();
        all = all.with_named_fields(ty(&schemas));
        for key in again.object.get("spec").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            all.insert(&FieldPath::of_fields(&["spec", key]));
        }
        for (id, owned) in prediction.managers.iter() {
            let missing = owned.fields.leaves().difference(&all);
            prop_assert!(missing.is_empty(), "{} owns {}", id.name, missing.to_json());
        }
    }

    #[test]
    fn an_apply_without_force_takes_nothing(a in spec(), b in spec()) {
        let schemas = schemas();
        let first = apply(None, &widget(a), &WriteOptions::new("a"), &schemas).expect("it can be made");
        match apply(Some(&first.object), &widget(b.clone()), &WriteOptions::new("b"), &schemas) {
            Ok(written) => {
                let before = Managers::of(&first.object).expect("they can be read");
                let after = Managers::of(&written.object).expect("they can be read");
                for (id, owned) in before.iter() {
                    let kept = after.get(id).map(|owned| owned.fields.clone()).unwrap_or_default();
                    prop_assert!(owned.fields.difference(&kept).is_empty());
                }
            }
            Err(WriteError::Conflicts { conflicts }) => {
                prop_assert!(!conflicts.0.is_empty());
                let forced = WriteOptions::new("b").force(true);
                let taken = apply(Some(&first.object), &widget(b), &forced, &schemas).expect("it is forced");
                let managers = Managers::of(&taken.object).expect("they can be read");
                for conflict in &conflicts.0 {
                    let owners: Vec<_> = managers.owners(&conflict.path).map(|(id, _)| id.name.as_str()).collect();
                    prop_assert_eq!(&owners, &["b"], "{}", conflict.path);
                }
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

/// Whether two values differ in the order of keyed lists and sets alone.
fn reordered(a: &Typed<'_>, b: &Typed<'_>) -> bool {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(key, value)| {
                        let mut value = sorted(value);
                        if matches!(key.as_str(), "items" | "tags")
                            && let Some(list) = value.as_array_mut()
                        {
                            list.make_mut().sort();
                        }
                        (key, value)
                    })
                    .collect(),
            ),
            other => other.clone(),
        }
    }
    sorted(a.value()) == sorted(b.value())
}

fn merged_into(object: &Object, spec: &Map) -> Object {
    let mut object = object.clone();
    let own = object.as_map_mut().entry_object("spec");
    for (key, value) in spec {
        own.insert(key, value.clone());
    }
    object
}

fn without_managed_fields(object: &Object) -> Object {
    let mut object = object.clone();
    object.metadata_mut().remove("managedFields");
    object
}
