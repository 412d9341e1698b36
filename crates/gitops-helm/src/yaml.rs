//! Reading and writing YAML as Helm does, with its messages.

use gitops_manifest::yaml::{self, EmitOptions, ParseOptions, Profile};
use gitops_manifest::{Map, Value};
use memchr::memmem;

use crate::{load, node};

/// Reads the first document of a text; the error is the message of `sigs.k8s.io/yaml`.
pub(crate) fn read(text: &[u8]) -> Result<Value, String> {
    read_text(&load::text(text))
}

/// Reads the first document of a text.
pub(crate) fn read_text(text: &str) -> Result<Value, String> {
    let options = ParseOptions::default();
    yaml::parse_one(text, &options).map_err(|error| message(&error))
}

/// Writes an error of the reader as `sigs.k8s.io/yaml` does.
pub(crate) fn message(error: &yaml::Error) -> String {
    let text = error.upstream_message(Profile::Sigs);
    // What YAML can say and JSON cannot is refused by another library.
    let elsewhere = ["json: ", "unsupported map key"];
    let by = if elsewhere.iter().any(|start| text.starts_with(start)) {
        ""
    } else {
        "yaml: "
    };
    format!("error converting YAML to JSON: {by}{text}")
}

/// Writes a value as `sigs.k8s.io/yaml` does; `None` where that fails.
///
/// It writes JSON first and reads that as YAML, which refuses some characters and reads others as line breaks.
pub(crate) fn write(value: &Value) -> Option<String> {
    if passes_unchanged(value) {
        return Some(yaml::emit(value, &EmitOptions::default()));
    }
    let json = value.to_json();
    let read = yaml::parse_one(&json, &ParseOptions::default()).ok()?;
    Some(yaml::emit(&read, &EmitOptions::default()))
}

/// Says why a value cannot be written.
pub(crate) fn refusal(value: &Value) -> String {
    match yaml::parse_one(&value.to_json(), &ParseOptions::default()) {
        Ok(_) => String::new(),
        Err(error) => format!("yaml: {}", error.upstream_message(Profile::Sigs)),
    }
}

/// What begins a document of a values file.
const SEPARATOR: &str = "---";

/// Whether a values file has more than one document.
pub(crate) fn is_stream(text: &[u8]) -> bool {
    let separated =
        text.starts_with(SEPARATOR.as_bytes()) || memmem::find(text, b"\n---").is_some();
    separated && documents(&load::text(text)).is_ok_and(|documents| documents.len() > 1)
}

/// Reads all documents of a values file and merges them, as Helm 4 does.
pub(crate) fn read_stream(text: &[u8]) -> Result<Map, String> {
    let mut values = node::NodeMap::new();
    for document in documents(&load::text(text))? {
        let map = read_text(document)
            .and_then(|document| load::values_map(&document))
            .map_err(|reason| format!("cannot unmarshal yaml document: {reason}"))?;
        node::merge(&mut values, node::from_map(&map));
    }
    Ok(node::to_map(&values))
}

/// Splits a values file as the reader of `k8s.io/apimachinery` does: at lines that begin with three dashes.
fn documents(text: &str) -> Result<Vec<&str>, String> {
    let mut documents = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix(SEPARATOR) {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(format!(
                    "error reading yaml document: invalid Yaml document separator: {rest}"
                ));
            }
            if at > start {
                documents.push(&text[start..at]);
                // The separator itself is gone then, and otherwise belongs to the document.
                start = at + line.len();
            }
        }
        at += line.len();
    }
    if at > start {
        documents.push(&text[start..]);
    }
    Ok(documents)
}

/// Keys of JSON that are longer are none to YAML.
const MAX_KEY: usize = 1000;

/// Whether a value written as JSON and read as YAML is the same value.
fn passes_unchanged(value: &Value) -> bool {
    match value {
        Value::String(text) => is_plain(text),
        Value::Array(items) => items.iter().all(passes_unchanged),
        Value::Object(map) => map
            .iter()
            .all(|(key, item)| key.len() < MAX_KEY && is_plain(key) && passes_unchanged(item)),
        _ => true,
    }
}

/// Whether no character is one that YAML refuses or breaks lines at. Controls are escaped in JSON.
fn is_plain(text: &str) -> bool {
    !text.bytes().any(|byte| byte >= 0x7f)
        || !text.chars().any(|c| {
            matches!(
                c,
                '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}'
            )
        })
}

/// Writes a value as go-yaml v3 does with an indentation of 2: lists are indented.
pub(crate) fn write_pretty(value: &Value) -> String {
    let options = EmitOptions::new(Profile::Kyaml).indent_lists(true);
    let mut text = yaml::emit(value, &options);
    if text.ends_with('\n') {
        text.pop();
    }
    text
}
