//! Patches: strategic merge and JSON.

use std::sync::Arc;

use gitops_manifest::yaml::{self, ParseOptions, Profile};
use gitops_manifest::{Str, Value};

use crate::error::{BuildError, ErrorKind, Place};
use crate::id::OwnedId;
use crate::jsonpatch::JsonPatch;
use crate::kustomization::Selector;
use crate::merge;
use crate::near;
use crate::node::{Node, value_fits};
use crate::read::{self, ReadError};
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::selector::Compiled;

use super::{World, conflict};

/// What a text of `patches` turned out to be.
#[derive(Debug)]
pub(crate) enum Loaded {
    Strategic(Vec<Resource>),
    Json(JsonPatch),
}

/// Reads a JSON patch, written as JSON or as YAML.
pub(crate) fn json_patch(text: &str) -> Result<JsonPatch, String> {
    // What begins with a bracket is taken for JSON and not for YAML.
    let value = if text.starts_with('[') {
        Value::from_json(text).map_err(|error| error.to_string())?
    } else {
        yaml::parse_one(text, &ParseOptions::new(Profile::Sigs))
            .map_err(|error| error.to_string())?
    };
    JsonPatch::new(&value).map_err(|error| error.to_string())
}

/// Reads strategic merge patches.
pub(crate) fn strategic(text: &str, world: &mut World) -> Result<Vec<Resource>, ReadError> {
    let documents = read::resources(text, &mut world.schemas.inline)?;
    Ok(documents
        .into_iter()
        .map(|document| Resource::new(document.node, None))
        .collect())
}

/// Whether a text looks like a list of operations.
fn looks_like_operations(text: &str) -> bool {
    let skipped = |line: &&str| line.is_empty() || line.starts_with('#') || line.starts_with("---");
    text.lines()
        .map(str::trim)
        .find(|line| !skipped(line))
        .is_some_and(|line| line.starts_with('[') || line.starts_with("- "))
}

/// Reads what may be either. `source` is what the text is called in messages, `file` what its file is called; `None`
/// for an inline patch.
pub(crate) fn load(
    text: &str,
    source: &str,
    file: Option<&Arc<str>>,
    world: &mut World,
) -> Result<Loaded, BuildError> {
    let fail_at = |message: String, line, column| {
        let error = BuildError::new(ErrorKind::Patch, message);
        match file {
            Some(file) => error.at(Place::new(file.clone(), line, column)),
            None => error,
        }
    };
    let fail = |message: String| fail_at(message, 0, 0);
    if text.is_empty() {
        return Err(fail(format!("the patch {source} is empty")));
    }
    let (merge, json) = (strategic(text, world), json_patch(text));
    match (merge, json) {
        (Ok(merge), Ok(json)) if !merge.is_empty() && !json.is_empty() => Err(fail(format!(
            "the patch {source} may be a strategic merge patch and a JSON patch"
        ))),
        (Ok(merge), _) => Ok(Loaded::Strategic(merge)),
        (Err(_), Ok(json)) => Ok(Loaded::Json(json)),
        (Err(_), Err(json)) if looks_like_operations(text) => {
            let error = fail(format!("the JSON patch {source} cannot be read: {json}"));
            Err(if text.starts_with('[') {
                error.hint(
                    "what begins with a bracket is read as JSON, with keys and texts in double quotes",
                )
            } else {
                error
            })
        }
        (Err(merge), Err(_)) => {
            let message = match (file, merge.line) {
                (None, 2..) => format!(
                    "the strategic merge patch {source} cannot be read: {} (line {} of it)",
                    merge.message, merge.line
                ),
                _ => format!(
                    "the strategic merge patch {source} cannot be read: {}",
                    merge.message
                ),
            };
            Err(fail_at(message, merge.line, merge.column))
        }
    }
}

/// Applies a patch to one resource.
fn merge_one(
    resource: &mut Resource,
    patch: &Resource,
    node: Node,
    world: &World,
) -> Result<(), merge::MergeError> {
    let (name, namespace, kind) = (
        Str::from(resource.name()),
        Str::from(resource.namespace()),
        Str::from(resource.kind()),
    );
    if patch.allow_name_change || patch.allow_kind_change {
        resource.remember_id(&world.scope);
    }
    let forgets = drops_annotations(&node);
    if !merge::merge(&mut resource.node, node, &world.schemas)? {
        resource.deleted = true;
        return Ok(());
    }
    if !patch.allow_kind_change {
        resource.set_kind(&kind);
    }
    if !patch.allow_name_change {
        resource.set_name(&name);
    }
    resource.set_namespace(&namespace);
    if forgets {
        resource.forget();
    }
    if patch
        .meta_entries("annotations")
        .any(|(key, _)| key.starts_with("internal.config.kubernetes.io/"))
    {
        resource.read_internal_annotations();
    }
    Ok(())
}

/// Whether a patch takes away all annotations. kustomize keeps there what it knows of a resource.
fn drops_annotations(patch: &Node) -> bool {
    let drops = |node: &Node| {
        let directive = node.get("$patch").map(Node::text);
        node.is_null() || matches!(directive, Some("delete" | "replace"))
    };
    patch
        .get("metadata")
        .is_some_and(|metadata| drops(metadata) || metadata.get("annotations").is_some_and(drops))
}

fn patch_error(error: &merge::MergeError, resource: &Resource, world: &World) -> BuildError {
    let id = resource.id(&world.scope);
    BuildError::new(ErrorKind::Patch, format!("patching {id}: {error}"))
}

/// Applies a patch to the resource that has its id.
fn to_named(
    resources: &mut ResMap,
    patch: &Resource,
    copied: bool,
    world: &World,
) -> Result<(), BuildError> {
    let wanted: OwnedId = patch.original_id(&world.scope).to_owned_id();
    let found = resources.with_any_id(&wanted.as_id(), &world.scope);
    let fail = |message: String| {
        let mut error = BuildError::new(ErrorKind::Patch, message);
        error.place.clone_from(&patch.place);
        error
    };
    match found[..] {
        [] => {
            let id = wanted.as_id();
            let near = near::resource(resources.as_slice(), id.kind, id.name, &world.scope);
            let message = format!("no resource has the id {id} of the strategic merge patch");
            Err(fail(message).maybe(near))
        }
        [i] => {
            if copied {
                to_selected(resources, &[i], patch, world)
            } else {
                let done = resources.change(i, &world.scope, |resource| {
                    merge_one(resource, patch, patch.node.clone(), world)
                });
                done.map_err(|error| patch_error(&error, &resources.as_slice()[i], world))
            }
        }
        _ => {
            let ids: Vec<String> = found
                .iter()
                .map(|&i| resources.as_slice()[i].id(&world.scope).to_string())
                .collect();
            Err(fail(format!(
                "several resources have or had the id {} of the strategic merge patch: {}",
                wanted.as_id(),
                ids.join(", ")
            )))
        }
    }
}

/// Applies a patch to selected resources. The patch takes over their group and version; its labels and annotations
/// become texts first, null too.
fn to_selected(
    resources: &mut ResMap,
    selected: &[usize],
    patch: &Resource,
    world: &World,
) -> Result<(), BuildError> {
    let mut texts = patch.clone();
    let (labels, annotations) = (texts.meta_map("labels"), texts.meta_map("annotations"));
    texts.set_meta_map("labels", labels);
    texts.set_meta_map("annotations", annotations);
    let mut changed_id = false;
    for &i in selected {
        let done = resources.change(i, &world.scope, |resource| {
            let mut copy = texts.node.clone();
            let _ = copy.set("apiVersion", Node::open(resource.api_version()));
            let before = resource.id(&world.scope).to_owned_id();
            merge_one(resource, patch, copy, world)?;
            changed_id |= !resource.deleted && resource.id(&world.scope).to_owned_id() != before;
            Ok(())
        });
        done.map_err(|error: merge::MergeError| {
            patch_error(&error, &resources.as_slice()[i], world)
        })?;
    }
    if changed_id && let Some((first, second)) = resources.duplicate(&world.scope) {
        let list = resources.as_slice();
        return Err(conflict(
            &list[first],
            &list[second],
            &list[second].id(&world.scope),
        ));
    }
    Ok(())
}

/// Applies the patches of `patchesStrategicMerge`, each to the resource that it names.
pub(crate) fn merge_all(
    resources: &mut ResMap,
    patches: &[Resource],
    world: &World,
) -> Result<(), Vec<BuildError>> {
    let mut errors = Vec::new();
    for patch in patches {
        if let Err(error) = to_named(resources, patch, true, world) {
            errors.push(error);
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// Applies an entry of `patches`.
pub(crate) fn apply(
    resources: &mut ResMap,
    loaded: &Loaded,
    target: Option<&Selector>,
    source: &str,
    world: &World,
) -> Result<(), BuildError> {
    let fail = |message: String| BuildError::new(ErrorKind::Patch, message);
    let compile = |target: &Selector| {
        Compiled::new(target).map_err(|error| fail(format!("its target: {error}")))
    };
    match loaded {
        Loaded::Strategic(patches) => match (target, patches.as_slice()) {
            (_, []) => Ok(()),
            (Some(target), [patch]) => {
                let selected = compile(target)?.select(resources, &world.scope);
                to_selected(resources, &selected, patch, world)
            }
            (Some(_), _) => Err(fail(format!(
                "{source} has several strategic merge patches, and an entry with a target takes one"
            ))
            .hint("give each patch an entry of its own")),
            (None, patches) => {
                for patch in patches {
                    to_named(resources, patch, false, world)?;
                }
                Ok(())
            }
        },
        Loaded::Json(patch) => {
            if patch.is_empty() {
                return Ok(());
            }
            let Some(target) = target else {
                return Err(fail(format!("the JSON patch {source} has no target"))
                    .hint("say under `target` what it changes"));
            };
            let selected = compile(target)?.select(resources, &world.scope);
            json_to_selected(resources, &selected, patch, true, source, world)
        }
    }
}

/// Applies a JSON patch to selected resources.
pub(crate) fn json_to_selected(
    resources: &mut ResMap,
    selected: &[usize],
    patch: &JsonPatch,
    remember: bool,
    source: &str,
    world: &World,
) -> Result<(), BuildError> {
    for &i in selected {
        let done = resources.change(i, &world.scope, |resource| {
            if remember {
                resource.remember_id(&world.scope);
            }
            resource.show_annotations();
            let mut value = resource
                .node
                .to_value()
                .map_err(|error| error.to_string())?;
            patch.apply(&mut value).map_err(|error| error.to_string())?;
            if value.as_object().is_none() {
                return Err("it makes the resource something else than a map".to_owned());
            }
            if !value_fits(&value) {
                return Err("it makes the resource too deep or too large".to_owned());
            }
            resource.node = Node::from_json(&value);
            // Of the annotations that kustomize keeps there it saves those with its internal prefix alone.
            if patch.replaces_annotations() {
                resource.origin = None;
                resource.transformations.clear();
            }
            Ok(())
        });
        done.map_err(|reason: String| {
            let id = resources.as_slice()[i].id(&world.scope);
            BuildError::new(
                ErrorKind::Patch,
                format!("applying the JSON patch {source} to {id}: {reason}"),
            )
        })?;
    }
    Ok(())
}
