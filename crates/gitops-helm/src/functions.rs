//! The functions that Helm adds to sprig's, and those it replaces.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use gitops_manifest as manifest;
use gitops_template::{
    Context, Error, Function, Functions, ListType, Map, MapType, Object, Result, Signature, Str,
    Type, Value,
};
use rustc_hash::FxHashMap;

use crate::lookup::Lookup;
use crate::{HelmVersion, functions4, go, toml, yaml};

/// How often one template may be within itself.
const MAX_NESTED_INCLUDES: u32 = 1000;
/// Values deeper than this have no JSON and no YAML.
const MAX_DEPTH: usize = 10_000;
/// What marks the message of `fail` and `required` within the text of an error.
pub(crate) const FAILURE: (&str, &str) = ("HELM_ERR_START", "HELM_ERR_END");

/// What the functions share during one render.
#[derive(Default)]
pub(crate) struct Host {
    /// How often each template is being included.
    included: RefCell<FxHashMap<Str, u32>>,
    pub(crate) lookup: Option<Arc<dyn Lookup>>,
}

/// Returns the functions of Helm's templates.
pub(crate) fn functions(helm: HelmVersion) -> &'static Functions {
    static HELM_3: OnceLock<Functions> = OnceLock::new();
    static HELM_4: OnceLock<Functions> = OnceLock::new();
    let helm_3 = || {
        let mut functions = Functions::sprig();
        functions.remove("env");
        functions.remove("expandenv");
        register(&mut functions);
        functions
    };
    match helm {
        HelmVersion::V3 => HELM_3.get_or_init(helm_3),
        HelmVersion::V4 => HELM_4.get_or_init(|| {
            let mut functions = functions(HelmVersion::V3).clone();
            functions4::register(&mut functions);
            functions
        }),
    }
}

fn register(functions: &mut Functions) {
    let mut add = |name: &'static str,
                   parameters: &'static [Type],
                   result: Type,
                   body: fn(&mut Context<'_>, &mut [Value]) -> Result<Value>| {
        functions.insert(Function::new(
            name,
            Signature::new(parameters, result),
            body,
        ));
    };
    const ANY: &[Type] = &[Type::Any];
    const STRING: &[Type] = &[Type::String];
    const STRING_ANY: &[Type] = &[Type::String, Type::Any];
    add("include", STRING_ANY, Type::String, include);
    add("tpl", STRING_ANY, Type::String, tpl);
    add("required", STRING_ANY, Type::Any, required);
    add("fail", STRING, Type::String, |_, arguments| {
        Err(failure(&string(arguments, 0).to_text()))
    });
    add(
        "lookup",
        &[Type::String, Type::String, Type::String, Type::String],
        Type::ANY_MAP,
        lookup,
    );
    // Names are not looked up: a render reads no network.
    add("getHostByName", STRING, Type::String, |_, _| {
        Ok(Value::from(""))
    });
    add("toYaml", ANY, Type::String, |_, arguments| {
        let text = to_json_value(&arguments[0], 0).and_then(|value| emit(&value));
        Ok(Value::from(text.unwrap_or_default()))
    });
    add("toYamlPretty", ANY, Type::String, |_, arguments| {
        let text = to_json_value(&arguments[0], 0).map(|value| yaml::write_pretty(&value));
        Ok(Value::from(text.unwrap_or_default()))
    });
    add("fromYaml", STRING, Type::ANY_MAP, |_, arguments| {
        Ok(match yaml::read(string(arguments, 0).as_bytes()) {
            Ok(document) => map_or_error(&document),
            Err(message) => error_map(&message),
        })
    });
    add("fromYamlArray", STRING, Type::ANY_LIST, |_, arguments| {
        Ok(match yaml::read(string(arguments, 0).as_bytes()) {
            Ok(document) => list_or_error(&document),
            Err(message) => Value::list(vec![Value::from(message)]),
        })
    });
    add("fromJson", STRING, Type::ANY_MAP, |context, arguments| {
        Ok(match context.call("mustFromJson", arguments) {
            Ok(Value::Map(map)) => Value::Map(map),
            Ok(Value::Nil | Value::Missing) => Value::Map(Map::nil(&MapType::ANY)),
            Ok(other) => error_map(&mismatch(json_kind(&other), "map[string]interface {}")),
            Err(error) => error_map(&error.to_string()),
        })
    });
    add(
        "fromJsonArray",
        STRING,
        Type::ANY_LIST,
        |context, arguments| {
            Ok(match context.call("mustFromJson", arguments) {
                Ok(Value::List(list)) => Value::List(list),
                Ok(Value::Nil | Value::Missing) => {
                    Value::List(gitops_template::List::nil(&ListType::ANY))
                }
                Ok(other) => {
                    let message = mismatch(json_kind(&other), "[]interface {}");
                    Value::list(vec![Value::from(message)])
                }
                Err(error) => Value::list(vec![Value::from(error.to_string())]),
            })
        },
    );
    add("toToml", ANY, Type::String, |_, arguments| {
        let text = toml::write_value(&arguments[0])?;
        Ok(Value::from(text.unwrap_or_else(|message| message)))
    });
    add("fromToml", STRING, Type::ANY_MAP, |_, arguments| {
        Ok(match toml::read(&string(arguments, 0).to_text()) {
            Ok(map) => Value::Map(map),
            Err(message) => error_map(&message),
        })
    });
}

/// Returns an argument that the signature says is text.
fn string(arguments: &[Value], index: usize) -> Str {
    match arguments.get(index) {
        Some(Value::Str(text)) => text.clone(),
        _ => Str::default(),
    }
}

/// Takes the data for a template out of the arguments. Templates that are given nil have no data at all, and
/// every field of nothing is nothing.
fn data(arguments: &mut [Value]) -> Value {
    match std::mem::take(&mut arguments[1]) {
        Value::Nil => Value::Missing,
        data => data,
    }
}

fn include(context: &mut Context<'_>, arguments: &mut [Value]) -> Result<Value> {
    let name = string(arguments, 0);
    let data = data(arguments);
    let host = context.host::<Host>();
    if let Some(host) = &host {
        let mut included = host.included.borrow_mut();
        let count = included.entry(name.clone()).or_insert(0);
        if *count > MAX_NESTED_INCLUDES {
            return Err(Error::new(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            )));
        }
        *count += 1;
    }
    let result = context.render(&name, data);
    if let Some(host) = &host
        && let Some(count) = host.included.borrow_mut().get_mut(&name)
    {
        *count -= 1;
    }
    result.map(Value::Str)
}

fn tpl(context: &mut Context<'_>, arguments: &mut [Value]) -> Result<Value> {
    let text = string(arguments, 0);
    let data = data(arguments);
    if !text.as_bytes().windows(2).any(|pair| pair == b"{{") {
        // Nothing to execute: the text stands for itself.
        return Ok(Value::Str(without_no_value(&text)));
    }
    let name = Str::from_static("gotpl");
    let snippet = context
        .parse(&name, &text)
        .map_err(|error| error.context(format!("cannot parse template {}", go::quote(&text))))?;
    let output = context.execute(&snippet, data).map_err(|error| {
        let quoted = go::quote(&text);
        error.context(format!("error during tpl function execution for {quoted}"))
    })?;
    Ok(Value::Str(without_no_value(&output)))
}

/// Takes out what missing values print as.
fn without_no_value(text: &Str) -> Str {
    match text.as_str() {
        Some(utf8) if utf8.contains("<no value>") => Str::from(utf8.replace("<no value>", "")),
        _ => text.clone(),
    }
}

fn required(_: &mut Context<'_>, arguments: &mut [Value]) -> Result<Value> {
    match &arguments[1] {
        Value::Nil | Value::Missing => Err(failure(&string(arguments, 0).to_text())),
        Value::Str(text) if text.is_empty() => Err(failure(&string(arguments, 0).to_text())),
        _ => Ok(std::mem::take(&mut arguments[1])),
    }
}

fn failure(message: &str) -> Error {
    Error::new(format!("{}{message}{}", FAILURE.0, FAILURE.1))
}

fn lookup(context: &mut Context<'_>, arguments: &mut [Value]) -> Result<Value> {
    let host: Option<Rc<Host>> = context.host();
    let Some(lookup) = host.as_ref().and_then(|host| host.lookup.as_ref()) else {
        return Ok(Value::Map(Map::new()));
    };
    let [api_version, kind, namespace, name] =
        [0, 1, 2, 3].map(|i| string(arguments, i).to_text().into_owned());
    let found = lookup
        .lookup(&api_version, &kind, &namespace, &name)
        .map_err(Error::new)?;
    Ok(match found {
        Some(found) => match go::live(&found) {
            Value::Map(map) => Value::Map(map),
            _ => Value::Map(Map::new()),
        },
        None => Value::Map(Map::new()),
    })
}

fn mismatch(kind: &str, wanted: &str) -> String {
    format!("json: cannot unmarshal {kind} into Go value of type {wanted}")
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    }
}

fn error_map(message: &str) -> Value {
    Value::Map(Map::from_iter([(
        Str::from_static("Error"),
        Value::from(message),
    )]))
}

fn map_or_error(document: &manifest::Value) -> Value {
    match document {
        manifest::Value::Object(map) => Value::Map(go::map(map)),
        manifest::Value::Null => Value::Map(Map::nil(&MapType::ANY)),
        other => error_map(&format!(
            "error unmarshaling JSON: while decoding JSON: {}",
            mismatch(crate::decode::go_kind(other), "map[string]interface {}")
        )),
    }
}

fn list_or_error(document: &manifest::Value) -> Value {
    match document {
        manifest::Value::Array(items) => Value::list(items.iter().map(go::value).collect()),
        manifest::Value::Null => Value::List(gitops_template::List::nil(&ListType::ANY)),
        other => Value::list(vec![Value::from(format!(
            "error unmarshaling JSON: while decoding JSON: {}",
            mismatch(crate::decode::go_kind(other), "[]interface {}")
        ))]),
    }
}

/// Writes a value as `toYaml` does; `None` where it has no YAML.
pub(crate) fn emit(value: &manifest::Value) -> Option<String> {
    let mut text = yaml::write(value)?;
    if text.ends_with('\n') {
        text.pop();
    }
    Some(text)
}

/// Takes a value as `encoding/json` would write it; `None` where it would not.
pub(crate) fn to_json_value(value: &Value, depth: usize) -> Option<manifest::Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    Some(match value {
        Value::Missing | Value::Nil => manifest::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) | Value::Int64(value) => (*value).into(),
        Value::Uint8(value) => u32::from(*value).into(),
        Value::Uint64(value) => (*value).into(),
        Value::Float(value) => manifest::Number::from_f64(*value)?.into(),
        Value::Str(text) => manifest::Value::String(match text.as_str() {
            Some(text) => text.into(),
            None => text.to_text().into(),
        }),
        Value::List(list) if list.is_nil() => manifest::Value::Null,
        Value::List(list) => match list.to_bytes() {
            Some(bytes) => base64::engine::general_purpose::STANDARD
                .encode(bytes)
                .into(),
            None => {
                let items = list.items();
                let items = items.iter().map(|item| to_json_value(item, depth + 1));
                items.collect::<Option<Vec<_>>>()?.into()
            }
        },
        Value::Map(map) if map.is_nil() => manifest::Value::Null,
        Value::Map(map) => {
            let entries = map.entries();
            let entries = entries.iter().map(|(key, item)| {
                let key = manifest::Str::from(key.to_text());
                Some((key, to_json_value(item, depth + 1)?))
            });
            manifest::Map::from_entries(entries.collect::<Option<Vec<_>>>()?).into()
        }
        Value::Object(object) => object_to_json(object.as_ref(), depth + 1)?,
        _ => return None,
    })
}

fn object_to_json(object: &dyn Object, depth: usize) -> Option<manifest::Value> {
    if let Some(value) = object.to_json().or_else(|| object.underlying()) {
        return to_json_value(&value, depth);
    }
    let fields = object.fields().into_iter().map(|(name, value)| {
        let value = to_json_value(&value, depth)?;
        Some((manifest::Str::from_static(name), value))
    });
    Some(manifest::Map::from_entries(fields.collect::<Option<Vec<_>>>()?).into())
}
