//! Structured merge and diff: conformance with `structured-merge-diff`, laws, and what the API promises.

use std::sync::Mutex;

use gitops_diff::schema::{Schema, Schemas, TypeRef};
use gitops_diff::structured::{
    Conflict, Conflicts, ConvertError, Converter, Duplicates, Emptied, FieldComparison, FieldPath,
    FieldSet, Ignored, ManagerId, Managers, Owned, PathElement, Pattern, Typed, UpdateError,
    Updater, compare_values,
};
use gitops_manifest::{Object, Str, Value};

use crate::support::{Tally, cases, same, suite};

const SUITE: &str = "structured-merge-diff";

fn read(file: &str) -> Option<Value> {
    let path = suite(SUITE)?.join(file);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(Value::from_json(text).expect("the cases are JSON"))
}

/// Checks all cases of a file.
fn check_all(file: &'static str, check: impl Fn(&Value) -> Result<(), String>) {
    let Some(document) = read(file) else { return };
    let mut tally = Tally::new(file);
    for case in cases(&document) {
        tally.check(case["name"].as_str().unwrap_or_default(), check(case));
    }
    tally.finish();
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |array| array)
}

fn element(value: &Value) -> PathElement {
    PathElement::parse(value.as_str().expect("an element is text"))
        .expect("the element can be read")
        .expect("the element is known")
}

fn path(value: &Value) -> FieldPath {
    list(value).iter().map(element).collect()
}

fn set(value: &Value) -> FieldSet {
    list(value).iter().map(path).collect()
}

fn same_set(what: &str, got: &FieldSet, want: &Value) -> Result<(), String> {
    let want = set(want);
    if *got == want {
        return Ok(());
    }
    Err(format!(
        "{what}\n   got {}\n  want {}",
        got.to_json(),
        want.to_json()
    ))
}

/// The schemas of the suite.
struct Types(Vec<(Str, Schema)>);

impl Types {
    fn read() -> Self {
        let document = read("schemas.json").unwrap_or_default();
        let schemas = document.as_object().into_iter().flatten();
        Self(
            schemas
                .map(|(name, schema)| {
                    let schema = Schema::from_typedefs(schema)
                        .unwrap_or_else(|error| panic!("schema {name}: {error}"));
                    (name.clone(), schema)
                })
                .collect(),
        )
    }

    fn get(&self, schema: &str, ty: &str) -> TypeRef<'_> {
        let (_, schema) = self
            .0
            .iter()
            .find(|(name, _)| *name == schema)
            .expect("the schema");
        schema.named(ty).expect("the type")
    }

    fn of(&self, case: &Value) -> TypeRef<'_> {
        if case["deduced"] == Value::Bool(true) {
            return TypeRef::deduced();
        }
        self.get(text(case, "schema"), text(case, "type"))
    }
}

fn typed<'s>(value: &Value, ty: TypeRef<'s>, duplicates: Duplicates) -> Result<Typed<'s>, String> {
    Typed::new(value.clone(), ty, duplicates).map_err(|error| error.to_string())
}

#[test]
fn conformance_validate() {
    let types = Types::read();
    check_all("validate.json", |case| {
        let ty = types.of(case);
        let strict = Typed::new(case["object"].clone(), ty, Duplicates::Refuse);
        let loose = Typed::new(case["object"].clone(), ty, Duplicates::Allow);
        let got = match (strict, loose) {
            (Ok(_), Ok(_)) => "valid",
            (Err(_), Ok(_)) => "duplicates",
            (_, Err(_)) => "invalid",
        };
        same("fits", &got.into(), &case["expect"])
    });
}

#[test]
fn conformance_to_field_set() {
    let types = Types::read();
    check_all("to-field-set.json", |case| {
        let value = typed(&case["object"], types.of(case), Duplicates::Allow)?;
        same_set("fields", &value.field_set(), &case["fields"])
    });
}

#[test]
fn conformance_merge() {
    let types = Types::read();
    check_all("merge.json", |case| {
        let ty = types.of(case);
        let left = typed(&case["lhs"], ty, Duplicates::Allow)?;
        let right = typed(&case["rhs"], ty, Duplicates::Refuse)?;
        let merged = left.merge(&right).map_err(|error| error.to_string())?;
        same("merged", merged.value(), &case["out"])
    });
}

#[test]
fn conformance_compare() {
    let types = Types::read();
    check_all("compare.json", |case| {
        let ty = types.of(case);
        let left = typed(&case["lhs"], ty, Duplicates::Allow)?;
        let right = typed(&case["rhs"], ty, Duplicates::Allow)?;
        let there = left.compare(&right);
        let back = right.compare(&left);
        for (what, got, want) in [
            ("added", &there.added, "added"),
            ("modified", &there.modified, "modified"),
            ("removed", &there.removed, "removed"),
            ("added backwards", &back.added, "removed"),
            ("modified backwards", &back.modified, "modified"),
            ("removed backwards", &back.removed, "added"),
        ] {
            same_set(what, got, &case[want])?;
        }
        Ok(())
    });
}

#[test]
fn conformance_remove_extract() {
    let types = Types::read();
    check_all("remove-extract.json", |case| {
        let ty = types.of(case);
        let value = typed(&case["object"], ty, Duplicates::Allow)?;
        if let Some(applied) = case.get("applied") {
            let applied = typed(applied, ty, Duplicates::Refuse)?;
            let merged = value.merge(&applied).map_err(|error| error.to_string())?;
            let leaves = applied.field_set().leaves();
            return same("leaves", merged.extract(&leaves).value(), applied.value());
        }
        let fields = set(&case["fields"]);
        for (name, got) in [
            ("removed", value.remove(&fields, Emptied::Null)),
            ("extracted", value.extract(&fields)),
            ("extractedWithKeys", value.extract_with_keys(&fields)),
        ] {
            if let Some(want) = case.get(name) {
                same(name, got.value(), want)?;
            }
        }
        Ok(())
    });
}

#[test]
fn conformance_reconcile_schema() {
    let types = Types::read();
    check_all("reconcile-schema.json", |case| {
        let ty = types.get(text(case, "newSchema"), text(case, "type"));
        let live = typed(&case["live"], ty, Duplicates::Allow)?;
        match (
            live.reconcile(&set(&case["oldFields"])),
            &case["fixedFields"],
        ) {
            (None, Value::Null) => Ok(()),
            (Some(got), Value::Null) => Err(format!("changed to {}", got.to_json())),
            (None, want) => Err(format!("not changed to {want}")),
            (Some(got), want) => same_set("fields", &got, want),
        }
    });
}

#[test]
fn conformance_comparison_exclude() {
    check_all("comparison-exclude.json", |case| {
        let of = |value: &Value| {
            let part = |name| set(&value[name]);
            FieldComparison::new(part("added"), part("modified"), part("removed"))
        };
        let got = of(&case["comparison"]).without(&set(&case["exclude"]));
        if got == of(&case["expect"]) {
            return Ok(());
        }
        Err(format!("got {got:?}"))
    });
}

/// Reads managers. `applied` is part of who a manager is only where the case is about it.
fn managers(value: &Value, applied: bool) -> Managers {
    let managers = value.as_object().into_iter().flatten();
    managers
        .map(|(name, owned)| {
            let version = text(owned, "version");
            let id = if applied && owned["applied"] == Value::Bool(false) {
                ManagerId::updater(name, version)
            } else {
                ManagerId::applier(name)
            };
            (id, Owned::new(set(&owned["fields"]), version))
        })
        .collect()
}

fn show(managers: &Managers) -> String {
    let managers = managers.iter();
    managers
        .map(|(id, owned)| {
            format!(
                "{} {} {}\n",
                id.name,
                owned.api_version,
                owned.fields.to_json()
            )
        })
        .collect()
}

#[test]
fn conformance_field_set() {
    let types = Types::read();
    check_all("field-set.json", |case| {
        let (a, b) = (set(&case["a"]), set(&case["b"]));
        let expect = &case["expect"];
        let got = match text(case, "op") {
            "has" => {
                return same(
                    "has",
                    &set(&case["set"]).has(&path(&case["path"])).into(),
                    expect,
                );
            }
            "equals" => return same("equals", &(a == b).into(), expect),
            "union" => a.union(&b),
            "intersection" => {
                if a.intersects(&b) == a.intersection(&b).is_empty() {
                    return Err("whether the sets intersect".to_owned());
                }
                a.intersection(&b)
            }
            "difference" => a.difference(&b),
            "recursive-difference" => a.recursive_difference(&b),
            "leaves" => a.leaves(),
            "include-matching" => list(&case["patterns"])
                .iter()
                .map(|steps| {
                    let steps = list(steps).iter();
                    Pattern::new(
                        steps.map(|step| (step.as_str() != Some("*")).then(|| element(step))),
                    )
                })
                .reduce(Pattern::or)
                .map_or_else(|| a.clone(), |pattern| pattern.filter(&a)),
            "ensure-named-fields-are-members" => {
                set(&case["before"]).with_named_fields(types.of(case))
            }
            "set-from-value" => FieldSet::of_value(&case["object"]),
            "managers-equal" => {
                let (a, b) = (managers(&case["a"], true), managers(&case["b"], true));
                return same("equal", &(a == b).into(), expect);
            }
            "managers-difference" => {
                let (a, b) = (managers(&case["a"], false), managers(&case["b"], false));
                let (got, want) = (a.difference(&b), managers(expect, false));
                if got == want {
                    return Ok(());
                }
                return Err(format!("got {}want {}", show(&got), show(&want)));
            }
            other => return Err(format!("unknown operation {other}")),
        };
        same_set("set", &got, expect)
    });
}

#[test]
fn conformance_set_json() {
    check_all("set-json.json", |case| {
        match (
            FieldSet::from_json(text(case, "input")),
            case.get("canonical"),
        ) {
            (Err(_), None) => Ok(()),
            (Ok(set), None) => Err(format!("read as {}", set.to_json())),
            (Err(error), Some(_)) => Err(error.to_string()),
            (Ok(set), Some(want)) => {
                same("text", &set.to_json().into(), want)?;
                let value =
                    FieldSet::from_value(&set.to_value()).map_err(|error| error.to_string())?;
                if value != set {
                    return Err("another set by way of a value".to_owned());
                }
                Ok(())
            }
        }
    });
}

#[test]
fn conformance_path_element() {
    check_all("path-element.json", |case| {
        match (
            PathElement::parse(text(case, "text")),
            case.get("canonical"),
        ) {
            (Err(_) | Ok(None), None) => Ok(()),
            (Ok(Some(element)), None) => Err(format!("read as {element:?}")),
            (Err(error), Some(_)) => Err(error.to_string()),
            (Ok(None), Some(_)) => Err("unknown".to_owned()),
            (Ok(Some(element)), Some(want)) => {
                let mut out = String::new();
                element.write(&mut out);
                same("text", &out.into(), want)
            }
        }
    });
}

fn same_order(
    got: std::cmp::Ordering,
    back: std::cmp::Ordering,
    case: &Value,
) -> Result<(), String> {
    if got != back.reverse() {
        return Err("the order is another backwards".to_owned());
    }
    let got = match got {
        std::cmp::Ordering::Less => "less",
        std::cmp::Ordering::Equal => "equal",
        std::cmp::Ordering::Greater => "greater",
    };
    same("order", &got.into(), &case["order"])
}

#[test]
fn conformance_path_element_order() {
    check_all("path-element-order.json", |case| {
        let (a, b) = (element(&case["a"]), element(&case["b"]));
        same_order(a.cmp(&b), b.cmp(&a), case)
    });
}

#[test]
fn conformance_value_order() {
    check_all("value-order.json", |case| {
        let (a, b) = (&case["a"], &case["b"]);
        same_order(compare_values(a, b), compare_values(b, a), case)
    });
}

#[test]
fn conformance_path_string() {
    check_all("path-string.json", |case| {
        same(
            "path",
            &path(&case["path"]).to_string().into(),
            &case["string"],
        )
    });
}

/// Decodes base64, as far as the cases need it.
fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("it is base64")
}

/// A document that is not UTF-8 is refused; upstream hands its bytes through.
#[test]
fn conformance_value_json() {
    check_all("value-json.json", |case| {
        let bytes = match case.get("base64") {
            Some(text) => decode(text.as_str().unwrap_or_default()),
            None => text(case, "text").as_bytes().to_vec(),
        };
        let canonical = match (case.get("canonical"), case.get("canonicalBase64")) {
            (Some(text), _) => Some(text.as_str().unwrap_or_default().as_bytes().to_vec()),
            (None, Some(text)) => Some(decode(text.as_str().unwrap_or_default())),
            (None, None) => None,
        };
        match (Value::from_json(&bytes), canonical) {
            (Err(_), None) => Ok(()),
            (Ok(value), None) => Err(format!("read as {value}")),
            (Err(_), Some(_)) if std::str::from_utf8(&bytes).is_err() => Ok(()),
            (Err(error), Some(_)) => Err(error.to_string()),
            (Ok(value), Some(want)) if value.to_json().as_bytes() == want => Ok(()),
            (Ok(value), Some(_)) => Err(format!("written as {value}")),
        }
    });
}

#[test]
fn conformance_conflict_messages() {
    check_all("conflict-messages.json", |case| {
        let managers = managers(&case["managers"], false);
        let conflicts = managers.iter().flat_map(|(id, owned)| {
            owned
                .fields
                .paths()
                .map(|path| Conflict::new(id.clone(), path))
        });
        same(
            "message",
            &Conflicts(conflicts.collect()).to_string().into(),
            &case["message"],
        )
    });
}

/// The converters of the cases.
enum Versions<'t> {
    Same,
    Repeating,
    Renaming(&'t Schema),
    ReliantFields(&'t Schema),
    AcceptOnly(Mutex<Vec<Str>>),
}

impl Converter for Versions<'_> {
    fn convert<'s>(&'s self, object: &Typed<'s>, to: &str) -> Result<Typed<'s>, ConvertError> {
        let missing = || ConvertError::MissingVersion {
            api_version: to.into(),
        };
        let failed = |reason: String| ConvertError::Failed {
            api_version: to.into(),
            reason,
        };
        let (value, ty) = match self {
            Self::Same => return Ok(object.clone()),
            Self::AcceptOnly(versions) => {
                let versions = versions.lock().expect("no test panics with the lock");
                return if versions.iter().any(|version| *version == to) {
                    Ok(object.clone())
                } else {
                    Err(missing())
                };
            }
            Self::Repeating => {
                let times = to.strip_prefix('v').and_then(|digits| digits.parse().ok());
                let times = times.ok_or_else(missing)?;
                (repeat(object.value(), times, true), object.ty())
            }
            Self::Renaming(schema) => {
                let ty = schema.named(to).ok_or_else(missing)?;
                (rename(object.value(), object.ty().name(), to), ty)
            }
            Self::ReliantFields(schema) => {
                let ty = schema.named(to).ok_or_else(missing)?;
                let (mut value, from) = (object.value().clone(), object.ty().name());
                if from != to
                    && let Some(map) = value.as_object_mut()
                {
                    let names = ["field_foo_rely_on_bar", "required_field_bar"];
                    let [old, new] = if to == "v1" {
                        [names[1], names[0]]
                    } else {
                        names
                    };
                    match map.remove(old) {
                        Some(field) => {
                            map.insert(new, field);
                        }
                        None if to == "v1" => return Err(failed(format!("{old} is missing"))),
                        None => {}
                    }
                }
                (value, ty)
            }
        };
        Typed::new(value, ty, Duplicates::Allow).map_err(|error| failed(error.to_string()))
    }
}

fn repeat(value: &Value, times: usize, top: bool) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| {
                    let first = key.chars().next().map(String::from).unwrap_or_default();
                    let key = if top {
                        key.to_string()
                    } else {
                        first.repeat(times)
                    };
                    (key, repeat(value, times, false))
                })
                .collect(),
        ),
        Value::Array(values) => values
            .iter()
            .map(|value| repeat(value, times, false))
            .collect::<Vec<_>>()
            .into(),
        scalar => scalar.clone(),
    }
}

fn rename(value: &Value, from: &str, to: &str) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| {
                    let key = match key.strip_suffix(from) {
                        Some(name) => format!("{name}{to}"),
                        None => key.to_string(),
                    };
                    (key, rename(value, from, to))
                })
                .collect(),
        ),
        Value::Array(values) => values
            .iter()
            .map(|value| rename(value, from, to))
            .collect::<Vec<_>>()
            .into(),
        scalar => scalar.clone(),
    }
}

/// Runs the operations of a case; returns the live object in the version of the case, and the managers.
fn run(types: &Types, case: &Value) -> Result<(Value, Managers), String> {
    let mut schema = text(case, "schema");
    let ty = |schema: &str, version: &str| {
        if case["deduced"] == Value::Bool(true) {
            return TypeRef::deduced();
        }
        types.get(schema, case["type"].as_str().unwrap_or(version))
    };
    let whole = types
        .0
        .iter()
        .find(|(name, _)| *name == schema)
        .map(|(_, schema)| schema);
    let converter = match text(case, "converter") {
        "repeating" => Versions::Repeating,
        "renaming" => Versions::Renaming(whole.expect("the schema")),
        "reliant-fields" => Versions::ReliantFields(whole.expect("the schema")),
        "accept-only" => Versions::AcceptOnly(Mutex::default()),
        "" => Versions::Same,
        other => return Err(format!("unknown converter {other}")),
    };
    if case.get("ignoredFields").is_some() && case.get("ignoreFilter").is_some() {
        // The API here has no way to give both.
        return Err("both ways to ignore fields".to_owned());
    }
    let mut updater = Updater::new(&converter);
    for (version, fields) in case["ignoredFields"].as_object().into_iter().flatten() {
        updater = updater.ignore(version, Ignored::Fields(set(fields)));
    }
    for (version, filter) in case["ignoreFilter"].as_object().into_iter().flatten() {
        updater = updater.ignore(version, Ignored::Fields(set(&filter["exclude"])));
    }
    let mut live: Option<Typed<'_>> = None;
    let mut managers = Managers::new();
    for op in list(&case["ops"]) {
        let version = text(op, "version");
        let manager = ManagerId::applier(text(op, "manager"));
        let convert = |object: &Typed<'_>| match converter.convert(object, version) {
            Ok(object) => Ok(object.into_value()),
            Err(error) => Err(error.to_string()),
        };
        match text(op, "op") {
            "change-schema" => {
                schema = text(op, "schema");
                if let Some(object) = live.take() {
                    let ty = ty(schema, object.ty().name());
                    live = Some(typed(object.value(), ty, Duplicates::Refuse)?);
                }
                continue;
            }
            "accept-versions" => {
                if let Versions::AcceptOnly(accepted) = &converter {
                    let versions = op["versions"].as_array().or(op["accept"].as_array());
                    *accepted.lock().expect("no test panics with the lock") = versions
                        .into_iter()
                        .flatten()
                        .filter_map(|version| Some(version.as_str()?.into()))
                        .collect();
                }
                continue;
            }
            _ => {}
        }
        let ty = ty(schema, version);
        let was_there = live.is_some();
        let now = match live.take() {
            None => Typed::empty(ty),
            Some(object) => typed(&convert(&object)?, ty, Duplicates::Allow)?,
        };
        let before = managers.clone();
        let applied = match text(op, "op") {
            "update" => {
                let new = typed(&op["object"], ty, Duplicates::Allow)?;
                let result = updater.update(&now, &new, version, &mut managers, &manager);
                result.map(|()| Some(new.clone()))
            }
            op_name => {
                let mut config = typed(&op["object"], ty, Duplicates::Refuse)?;
                if op_name == "extract-apply" && was_there {
                    let owned = managers.get(&manager).cloned().unwrap_or_default();
                    let extracted = now.extract(&owned.fields.leaves());
                    config = extracted
                        .merge(&config)
                        .map_err(|error| error.to_string())?;
                }
                let force = op_name != "apply";
                updater.apply(&now, &config, version, &mut managers, &manager, force)
            }
        };
        let conflicts = list(&op["conflicts"]);
        match applied {
            Ok(_) if !conflicts.is_empty() => return Err("no conflict".to_owned()),
            Ok(new) => live = Some(new.unwrap_or(now)),
            Err(UpdateError::Conflicts(found)) => {
                let mut want: Vec<_> = conflicts
                    .iter()
                    .map(|conflict| {
                        (
                            text(conflict, "manager").to_owned(),
                            path(&conflict["path"]),
                        )
                    })
                    .collect();
                let mut got: Vec<_> = found
                    .0
                    .into_iter()
                    .map(|conflict| (conflict.manager.name.to_string(), conflict.path))
                    .collect();
                want.sort();
                got.sort();
                if got != want {
                    return Err(format!("conflicts\n   got {got:?}\n  want {want:?}"));
                }
                if managers != before {
                    return Err("the failed apply changed the managers".to_owned());
                }
                live = Some(now);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    let version = text(case, "objectVersion");
    let object = match live {
        Some(object) if !version.is_empty() => converter
            .convert(&object, version)
            .map_err(|error| error.to_string())?
            .into_value(),
        Some(object) => object.into_value(),
        None => Value::Null,
    };
    Ok((object, managers))
}

#[test]
fn conformance_updater() {
    let types = Types::read();
    check_all("updater.json", |case| {
        let result = run(&types, case);
        if case["error"] == Value::Bool(true) {
            return match result {
                Ok((object, _)) => Err(format!("no error but {object}")),
                Err(_) => Ok(()),
            };
        }
        let (object, got) = result?;
        if let Some(want) = case.get("object") {
            same("object", &object, want)?;
        }
        if let Some(want) = case.get("managed") {
            let want = managers(want, false);
            if got != want {
                return Err(format!(
                    "managers\n got {}\nwant {}",
                    show(&got),
                    show(&want)
                ));
            }
        }
        Ok(())
    });
}

/// The field sets and comparisons of built-in kinds.
#[test]
fn conformance_gitops_diff_field_sets() {
    let Some(folder) = suite("gitops-diff") else {
        return;
    };
    let text = std::fs::read(folder.join("normalize.json")).expect("the cases can be read");
    let document = Value::from_json(text).expect("the cases are JSON");
    let schemas = Schemas::default();
    let mut tally = Tally::new("gitops-diff (set-of, compare)");
    for case in cases(&document) {
        let mode = text_of(case, "mode");
        if mode != "set-of" && mode != "compare" {
            continue;
        }
        let check = || {
            let live = Object::try_from(case["live"].clone()).map_err(|error| error.to_string())?;
            let ty = schemas.of(&live).ok_or("the kind is not built in")?;
            let live = typed(&case["live"], ty, Duplicates::Refuse)?;
            let expect = &case["expect"];
            if mode == "set-of" {
                return same_fields("fields", &live.field_set(), &expect["fields"]);
            }
            let comparison = live.compare(&typed(&case["config"], ty, Duplicates::Refuse)?);
            same_fields("added", &comparison.added, &expect["added"])?;
            same_fields("modified", &comparison.modified, &expect["modified"])?;
            same_fields("removed", &comparison.removed, &expect["removed"])
        };
        tally.check(text_of(case, "name"), check());
    }
    tally.finish();
}

fn text_of<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// Compares a set with one in its serialised form.
fn same_fields(what: &str, got: &FieldSet, want: &Value) -> Result<(), String> {
    same(what, &got.to_value(), want)?;
    let text = Value::from_json(got.to_json()).expect("the text is JSON");
    same(what, &text, want)
}

#[test]
fn deep_values_are_refused() {
    let mut value = Value::from(1);
    for _ in 0..2000 {
        value = Value::Object([("a", value)].into_iter().collect());
    }
    let error = Typed::new(value.clone(), TypeRef::deduced(), Duplicates::Refuse);
    let error = error.expect_err("it is too deep");
    assert_eq!(error.violations[0].message, "nested deeper than 250 levels");
    let mut fields = Value::Object([("f:a", Value::Null)].into_iter().collect());
    for _ in 0..2000 {
        fields = Value::Object([("f:a", fields)].into_iter().collect());
    }
    assert!(FieldSet::from_value(&fields).is_err());
    // Without a type too much depth is cut.
    assert!(!FieldSet::of_value(&value).is_empty());
    // Dropping such values is for their owner to do with care.
    std::mem::forget((value, fields));
}
