//! The migrations of `kustomize edit fix`.

use gitops_manifest::{Map, Value};

use super::text::{Entries, File};
use super::{EditError, Result, text_of};

/// What was brought into its present form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fix {
    /// `apiVersion` or `kind` was added.
    Type,
    /// `bases` went into `resources`.
    Bases,
    /// `imageTags` went into `images`.
    ImageTags,
    /// `patchesStrategicMerge` went into `patches`.
    PatchesStrategicMerge,
    /// `patchesJson6902` went into `patches`.
    PatchesJson6902,
    /// `commonLabels` went into `labels`.
    CommonLabels,
    /// `env` of a generator went into its `envs`.
    Env,
}

pub(super) fn fix(file: &mut File, is_file: &dyn Fn(&str) -> bool) -> Result<Vec<Fix>> {
    let mut done = Vec::new();
    if move_list(file, "bases", "resources")? {
        done.push(Fix::Bases);
    }
    if move_list(file, "imageTags", "images")? {
        done.push(Fix::ImageTags);
    }
    for field in ["configMapGenerator", "secretGenerator"] {
        if file.has(field) && fix_env(file.list(field)?) && !done.contains(&Fix::Env) {
            done.push(Fix::Env);
        }
    }
    if move_list(file, "patchesJson6902", "patches")? {
        done.push(Fix::PatchesJson6902);
    }
    if file.has("patchesStrategicMerge") {
        let old = file.list("patchesStrategicMerge")?;
        let texts: Vec<String> = old
            .entries
            .iter()
            .filter_map(|entry| entry.value.as_str().map(str::to_owned))
            .collect();
        file.take("patchesStrategicMerge");
        let patches = file.list("patches")?;
        for text in texts {
            let key = if is_file(&text) { "path" } else { "patch" };
            let mut entry = Map::new();
            entry.insert(key, text);
            patches.put(None, Value::Object(entry));
        }
        done.push(Fix::PatchesStrategicMerge);
    }
    if file.has("commonLabels") {
        let pairs = file.map("commonLabels")?.to_map();
        let labels = file.list("labels")?;
        for (key, _) in &pairs {
            let twice = |entry: &Value| entry.at(&["pairs", key]).is_some();
            if labels.position(twice).is_some() {
                return Err(EditError::Invalid {
                    message: format!("the label `{key}` is in commonLabels and in labels"),
                });
            }
        }
        if !pairs.is_empty() {
            let mut entry = Map::new();
            entry.insert("pairs", pairs);
            entry.insert("includeSelectors", true);
            labels.put(None, Value::Object(entry));
        }
        file.take("commonLabels");
        done.push(Fix::CommonLabels);
    }
    let (api_version, kind) = (file.has("apiVersion"), file.has("kind"));
    if !api_version || !kind {
        let mut text = String::new();
        if !api_version {
            // A Component says its kind, and is known by it.
            let version = if file.is_component() {
                "v1alpha1"
            } else {
                "v1beta1"
            };
            text.push_str(&format!("apiVersion: kustomize.config.k8s.io/{version}\n"));
        }
        if !kind {
            text.push_str("kind: Kustomization\n");
        }
        file.put_first(text);
        done.push(Fix::Type);
    }
    Ok(done)
}

/// Moves the items of a deprecated list to the end of the present one.
fn move_list(file: &mut File, from: &str, to: &str) -> Result<bool> {
    if !file.has(from) {
        return Ok(false);
    }
    if !file.has(to) {
        file.rename(from, to);
        return Ok(true);
    }
    let old = std::mem::take(file.list(from)?);
    file.take(from);
    file.list(to)?.append(old);
    Ok(true)
}

fn fix_env(list: &mut Entries) -> bool {
    let mut changed = false;
    while let Some(i) = list.position(|entry| !text_of(entry, "env").is_empty()) {
        let mut entry = list.get(i).as_object().cloned().unwrap_or_default();
        let env = entry.remove("env").unwrap_or_default();
        let mut envs = match entry.get("envs") {
            Some(Value::Array(envs)) => envs.to_vec(),
            _ => Vec::new(),
        };
        envs.push(env);
        entry.insert("envs", envs);
        list.put(Some(i), Value::Object(entry));
        changed = true;
    }
    changed
}
