//! Our answers.

use gitops_diff::compare::{CompareOptions, Strategy, compare};
use gitops_diff::ignore::{IgnoreOptions, IgnoreRule, IgnoreRules};
use gitops_diff::json_patch::JsonPatch;
use gitops_diff::mask::{self, MaskOptions};
use gitops_diff::merge_patch;
use gitops_diff::normalize::{self, NormalizeOptions};
use gitops_diff::schema::{Schema, Schemas, TypeRef};
use gitops_diff::strategic::{self, ThreeWayOptions};
use gitops_diff::structured::{
    Duplicates, Emptied, FieldSet, ManagerId, Managers, SameInEveryVersion, Typed, UpdateError,
    Updater,
};
use gitops_manifest::{Map, Object, Str, Value};

type Answer = Result<Value, String>;

fn text<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

fn result(value: impl Into<Value>) -> Value {
    Value::Object(Map::from([("result", value.into())]))
}

fn string<'v>(question: &'v Value, name: &str) -> &'v str {
    question[name].as_str().unwrap_or_default()
}

fn gvk(question: &Value) -> [&str; 3] {
    [0, 1, 2].map(|i| {
        question["gvk"]
            .as_array()
            .and_then(|gvk| gvk.get(i))
            .and_then(Value::as_str)
            .unwrap_or_default()
    })
}

pub(crate) fn answer(question: &Value) -> Answer {
    let schema;
    let ty = if question["gvk"].as_array().is_some() {
        let [group, version, kind] = gvk(question);
        Schemas::builtin()
            .lookup(group, version, kind)
            .ok_or("no such kind")?
    } else if question["schema"].is_null() {
        TypeRef::deduced()
    } else {
        schema = Schema::from_typedefs(&question["schema"]).map_err(text)?;
        schema
            .named(string(question, "type"))
            .ok_or("no such type")?
    };
    let (a, b, c) = (&question["a"], &question["b"], &question["c"]);
    let loose = |value: &Value| Typed::new(value.clone(), ty, Duplicates::Allow).map_err(text);
    let set = |text_: &str| FieldSet::from_json(text_).map_err(text);
    let object = |value: &Value| Object::try_from(value.clone()).map_err(text);
    let flag = question["flag"] == Value::Bool(true);
    Ok(match string(question, "op") {
        "strategic-create" => result(strategic::create(a, b, ty).map_err(text)?),
        "strategic-three-way" => {
            let options =
                ThreeWayOptions::default().overwrite(question["overwrite"] == Value::Bool(true));
            result(strategic::create_three_way(a, b, c, ty, &options).map_err(text)?)
        }
        "strategic-apply" => result(strategic::apply(a, b, ty).map_err(text)?),
        "json-patch" => result(
            JsonPatch::from_value(b)
                .map_err(text)?
                .apply(a)
                .map_err(text)?,
        ),
        "merge-patch-apply" => result(merge_patch::apply(a, b)),
        "merge-patch-create" => result(merge_patch::create(a, b)),
        "merge-patch-three-way" => result(merge_patch::three_way(a, b, c).map_err(text)?),
        "typed-validate" => {
            let strict = Typed::new(a.clone(), ty, Duplicates::Refuse).is_ok();
            result(Value::from(vec![
                Value::from(strict),
                loose(a).is_ok().into(),
            ]))
        }
        "typed-fields" => result(loose(a)?.field_set().to_json()),
        "typed-compare" => {
            let found = loose(a)?.compare(&loose(b)?);
            result(Value::from(
                [found.added, found.modified, found.removed]
                    .map(|set| Value::from(set.to_json()))
                    .to_vec(),
            ))
        }
        "typed-merge" => {
            let config = Typed::new(b.clone(), ty, Duplicates::Refuse).map_err(text)?;
            result(loose(a)?.merge(&config).map_err(text)?.into_value())
        }
        "typed-remove" => result(
            loose(a)?
                .remove(&set(string(question, "text"))?, Emptied::Empty)
                .into_value(),
        ),
        "typed-extract" => result(
            loose(a)?
                .extract(&set(string(question, "text"))?)
                .into_value(),
        ),
        "typed-extract-keys" => result(
            loose(a)?
                .extract_with_keys(&set(string(question, "text"))?)
                .into_value(),
        ),
        "set-json" => result(set(string(question, "text"))?.to_json()),
        "set-algebra" => {
            let (a, b) = (
                set(string(question, "text"))?,
                set(string(question, "type"))?,
            );
            let all = [
                a.union(&b),
                a.intersection(&b),
                a.difference(&b),
                a.recursive_difference(&b),
                a.leaves(),
            ];
            result(Value::from(
                all.map(|set| Value::from(set.to_json())).to_vec(),
            ))
        }
        "updates" => updates(question, ty),
        "diff" => {
            let strategy = match string(question, "text") {
                "structured" => Strategy::Structured,
                "server-side" => Strategy::DryRun {
                    answer: Box::new(object(c)?),
                    keep_webhook_mutations: question["overwrite"] == Value::Bool(true),
                },
                _ => Strategy::ClientSide,
            };
            let options = CompareOptions::default()
                .strategy(strategy)
                .ignore(IgnoreRules::none())
                .normalize(NormalizeOptions::default().ignore_aggregated_roles(flag))
                .compat(true);
            let found = compare(object(a).ok().as_ref(), object(b).ok().as_ref(), &options)
                .map_err(text)?;
            Value::Object(Map::from([
                ("modified", Value::from(found.is_modified())),
                ("live", found.live().unwrap_or_default()),
                ("predicted", found.predicted().unwrap_or_default()),
            ]))
        }
        "normalize" => {
            let options = NormalizeOptions::default()
                .compat(true)
                .ignore_aggregated_roles(flag);
            result(Value::from(normalize::normalize(&object(a)?, &options)))
        }
        "remarshal" => result(Value::from(
            normalize::remarshal(&object(a)?, ty).map_err(text)?,
        )),
        "default" => result(Value::from(
            normalize::defaulted(&object(a)?, ty).map_err(text)?,
        )),
        "mask" => {
            let options = MaskOptions::default().annotations(["hidden"]);
            let (a, b) = mask::secrets(object(a).ok().as_ref(), object(b).ok().as_ref(), &options);
            result(Value::from(vec![
                a.map(Value::from).unwrap_or_default(),
                b.map(Value::from).unwrap_or_default(),
            ]))
        }
        "jq" => {
            let rule = IgnoreRule::of_kind("*", "*").jq(string(question, "text"));
            match IgnoreRules::with_options(&[rule], &IgnoreOptions::default().compat(true)) {
                Err(_) => Value::Object(Map::from([("unparsed", true)])),
                Ok(rules) => result(Value::from(rules.remove(&object(a)?))),
            }
        }
        other => return Err(format!("no operation {other}")),
    })
}

fn updates(question: &Value, ty: TypeRef<'_>) -> Value {
    let updater = Updater::new(SameInEveryVersion).emptied(Emptied::Empty);
    let mut live = Typed::empty(ty);
    let mut managers = Managers::new();
    let mut results = Vec::new();
    for step in question["steps"].as_array().into_iter().flatten() {
        let (name, version) = (string(step, "manager"), string(step, "version"));
        let update = string(step, "op") == "update";
        let duplicates = if update {
            Duplicates::Allow
        } else {
            Duplicates::Refuse
        };
        let Ok(object) = Typed::new(step["object"].clone(), ty, duplicates) else {
            results.push(Value::Object(Map::from([("error", "invalid")])));
            continue;
        };
        let mut next = managers.clone();
        // As in the peer, where a manager is a name.
        let id = ManagerId::applier(name);
        let written = if update {
            updater
                .update(&live, &object, version, &mut next, &id)
                .map(|()| Some(object))
        } else {
            updater.apply(
                &live,
                &object,
                version,
                &mut next,
                &id,
                string(step, "op") == "force-apply",
            )
        };
        match written {
            Err(UpdateError::Conflicts(conflicts)) => {
                let mut of: Vec<Value> = conflicts
                    .0
                    .iter()
                    .map(|c| Value::from(format!("{} {}", c.manager.name, c.path)))
                    .collect();
                of.sort();
                results.push(Value::Object(Map::from([("conflicts", Value::from(of))])));
                continue;
            }
            Err(error) => {
                results.push(Value::Object(Map::from([("error", error.to_string())])));
                continue;
            }
            Ok(new) => {
                if let Some(new) = new {
                    live = new;
                }
                managers = next;
            }
        }
        let owned: Map = managers
            .iter()
            .map(|(id, owned)| {
                let about = Map::from([
                    ("set", Value::from(owned.fields.to_json())),
                    ("version", Value::from(owned.api_version.clone())),
                ]);
                (Str::from(id.name.as_str()), Value::Object(about))
            })
            .collect();
        results.push(Value::Object(Map::from([
            ("object", live.value().clone()),
            ("managers", Value::Object(owned)),
        ])));
    }
    Value::Object(Map::from([("results", Value::from(results))]))
}
