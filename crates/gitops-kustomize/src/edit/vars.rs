//! `kustomize edit fix --vars`: variables become replacements.

use std::collections::BTreeMap;

use gitops_manifest::yaml::{self, Node, NodeKind, ParseOptions, Profile};
use gitops_manifest::{FileTree, Map, Value, tree};

use super::text::File;
use super::{EditError, Result, text_of};
use crate::kustomization::FILE_NAMES;

/// How deep bases are followed.
const MAX_DEPTH: usize = 64;

/// The files that a kustomization is made of.
struct Sources<'t> {
    tree: &'t dyn FileTree,
    /// The paths, in the order in which they are met; with the entry of `patches` where it is one.
    paths: Vec<(String, Option<Value>)>,
    /// The texts, as they are changed.
    texts: BTreeMap<String, String>,
}

pub(super) fn convert(
    file: &mut File,
    tree: &dyn FileTree,
    folder: &str,
) -> Result<Vec<(String, String)>> {
    if !file.has("vars") {
        return Ok(Vec::new());
    }
    let mut items = |field: &str| -> Result<Vec<Value>> {
        if !file.has(field) {
            return Ok(Vec::new());
        }
        let list = file.list(field)?;
        Ok(list
            .entries
            .iter()
            .map(|entry| entry.value.clone())
            .collect())
    };
    let mut resources = items("resources")?;
    resources.extend(items("bases")?);
    let patches = items("patches")?;
    let vars = items("vars")?;
    let mut sources = Sources {
        tree,
        paths: Vec::new(),
        texts: BTreeMap::new(),
    };
    sources.collect(folder, &resources, &patches, 0);
    let before = sources.texts.clone();
    let mut replacements = Vec::new();
    for var in &vars {
        let name = text_of(var, "name");
        let targets = sources.targets(name)?;
        replacements.push(replacement(var, targets));
        let (from, to) = (format!("$({name})"), format!("{name}_PLACEHOLDER"));
        for text in sources.texts.values_mut() {
            if text.contains(&from) {
                *text = text.replace(&from, &to);
            }
        }
    }
    file.take("vars");
    let list = file.list("replacements")?;
    for replacement in replacements {
        list.put(None, replacement);
    }
    let changed = sources.texts.into_iter();
    Ok(changed
        .filter(|(path, text)| before.get(path) != Some(text))
        .collect())
}

impl Sources<'_> {
    /// Collects the files that resources and patches name, through all bases.
    fn collect(&mut self, folder: &str, resources: &[Value], patches: &[Value], depth: usize) {
        for resource in resources.iter().filter_map(Value::as_str) {
            let Ok(path) = tree::join(folder, resource) else {
                continue;
            };
            let below = FILE_NAMES.iter().find_map(|name| {
                let bytes = self.tree.read(&tree::join(&path, name).ok()?).ok()?;
                let text = std::str::from_utf8(&bytes).ok()?;
                yaml::parse_one(text, &ParseOptions::new(Profile::Sigs)).ok()
            });
            match below {
                Some(below) if depth < MAX_DEPTH => {
                    let list = |field: &str| match below.get(field) {
                        Some(Value::Array(items)) => items.to_vec(),
                        _ => Vec::new(),
                    };
                    let mut inner = list("resources");
                    inner.extend(list("bases"));
                    self.collect(&path, &inner, &list("patches"), depth + 1);
                }
                _ => self.add(path, None),
            }
        }
        for patch in patches {
            let path = text_of(patch, "path");
            if !path.is_empty()
                && let Ok(path) = tree::join(folder, path)
            {
                self.add(path, Some(patch.clone()));
            }
        }
    }

    fn add(&mut self, path: String, patch: Option<Value>) {
        if self.texts.contains_key(&path) {
            return;
        }
        let Ok(bytes) = self.tree.read(&path) else {
            return;
        };
        if let Ok(text) = std::str::from_utf8(&bytes) {
            self.texts.insert(path.clone(), text.to_owned());
            self.paths.push((path, patch));
        }
    }

    /// Finds the fields that hold a variable.
    fn targets(&self, name: &str) -> Result<Vec<Value>> {
        let mark = format!("$({name})");
        let mut targets = Vec::new();
        for (path, patch) in &self.paths {
            let text = &self.texts[path];
            if !text.contains(&mark) {
                continue;
            }
            let options = ParseOptions::new(Profile::Kyaml);
            let Ok(documents) = yaml::parse_nodes(text, &options) else {
                continue;
            };
            for document in &documents {
                let mut found = Vec::new();
                let in_file = |message: String| EditError::Invalid {
                    message: format!("{path}: {message}"),
                };
                find(document, &mark, &mut Vec::new(), &mut found).map_err(in_file)?;
                let selector = selector(document, patch.as_ref());
                for (field, options) in found {
                    let mut target = Map::new();
                    target.insert("fieldPaths", vec![Value::from(field)]);
                    if !options.is_empty() {
                        target.insert("options", options);
                    }
                    target.insert("select", selector.clone());
                    targets.push(Value::Object(target));
                }
            }
        }
        Ok(targets)
    }
}

/// Finds the texts below a node that hold a variable, with their paths and how the variable is cut out of them.
fn find(
    node: &Node,
    mark: &str,
    path: &mut Vec<String>,
    found: &mut Vec<(String, Map)>,
) -> Result<(), String> {
    match &node.kind {
        NodeKind::Sequence { items, .. } => {
            for (i, item) in items.iter().enumerate() {
                path.push(i.to_string());
                find(item, mark, path, found)?;
                path.pop();
            }
        }
        NodeKind::Mapping { entries, .. } => {
            for (key, value) in entries {
                let key = key.as_str().unwrap_or_default().trim();
                path.push(if key.contains('.') {
                    format!("[{key}]")
                } else {
                    key.to_owned()
                });
                find(value, mark, path, found)?;
                path.pop();
            }
        }
        _ => {
            if let Some(text) = node.as_str().filter(|text| text.contains(mark)) {
                found.push((path.join("."), cut(text, mark)?));
            }
        }
    }
    Ok(())
}

/// Tells between which delimiters a variable stands in a text.
fn cut(text: &str, mark: &str) -> Result<Map, String> {
    let mut options = Map::new();
    let Some(at) = text.find(mark).filter(|_| text != mark) else {
        return Ok(options);
    };
    let before = text[..at].chars().next_back();
    let after = text[at + mark.len()..].chars().next();
    let (delimiter, index) = match (before, after) {
        (None, Some(after)) => (after, Some(0)),
        (Some(before), None) => (before, Some(text.split(before).count() - 1)),
        (Some(before), Some(after)) if before == after => {
            (before, text.split(before).position(|part| part == mark))
        }
        _ => (' ', None),
    };
    let Some(index) = index else {
        return Err(format!(
            "`{text}` holds {mark} between different characters, which no replacement can"
        ));
    };
    options.insert("delimiter", delimiter.to_string());
    if index > 0 {
        options.insert("index", i64::try_from(index).unwrap_or(i64::MAX));
    }
    Ok(options)
}

fn put(map: &mut Map, key: &str, text: &str) {
    if !text.is_empty() {
        map.insert(key, text);
    }
}

/// Selects the resource that a document is of; for a patch what it is a patch of.
fn selector(document: &Node, patch: Option<&Value>) -> Map {
    let text = |node: Option<&Node>| node.and_then(Node::as_str).unwrap_or_default().to_owned();
    let meta = |field: &str| text(document.get("metadata").and_then(|m| m.get(field)));
    if let Some(patch) = patch {
        let allows = |name: &str| patch.at(&["options", name]) == Some(&Value::from(true));
        let (name, kind) = (allows("allowNameChange"), allows("allowKindChange"));
        if !(name && kind) {
            let target = patch.get("target").and_then(Value::as_object);
            let mut out = target.cloned().unwrap_or_default();
            if name {
                put(&mut out, "name", &meta("name"));
            }
            if kind {
                put(&mut out, "kind", &text(document.get("kind")));
            }
            put(&mut out, "namespace", &meta("namespace"));
            return out;
        }
    }
    let mut out = Map::new();
    group_version(&mut out, &text(document.get("apiVersion")));
    put(&mut out, "kind", &text(document.get("kind")));
    put(&mut out, "name", &meta("name"));
    put(&mut out, "namespace", &meta("namespace"));
    out
}

fn group_version(map: &mut Map, api_version: &str) {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    put(map, "group", group);
    put(map, "version", version);
}

fn replacement(var: &Value, targets: Vec<Value>) -> Value {
    let reference = var.get("objref").cloned().unwrap_or_default();
    let mut source = Map::new();
    group_version(&mut source, text_of(&reference, "apiVersion"));
    for key in ["kind", "name", "namespace"] {
        put(&mut source, key, text_of(&reference, key));
    }
    let field = var.get("fieldref").cloned().unwrap_or_default();
    let path = ["fieldpath", "fieldPath"].map(|key| text_of(&field, key));
    put(
        &mut source,
        "fieldPath",
        path.into_iter().find(|p| !p.is_empty()).unwrap_or_default(),
    );
    let mut out = Map::new();
    out.insert("source", source);
    if !targets.is_empty() {
        out.insert("targets", targets);
    }
    Value::Object(out)
}
