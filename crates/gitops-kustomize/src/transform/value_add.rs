//! The `ValueAddTransformer`: puts a text into fields, or into the path that a field holds.

use gitops_manifest::Str;

use crate::error::{BuildError, ErrorKind};
use crate::fieldspec::split_path;
use crate::kustomization::Selector;
use crate::node::{Kind, Node, Tag};
use crate::resmap::ResMap;
use crate::selector::Compiled;

use super::World;
use super::namespace::{self, Options, Subjects};

/// Where a value is put.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValueTarget {
    pub(crate) selector: Option<Selector>,
    pub(crate) field_path: Str,
    /// The part of a path, counted from 1, before which the value is put in; 0 replaces the whole.
    pub(crate) position: i64,
}

/// Puts the value into all targets.
pub(crate) fn add(
    resources: &mut ResMap,
    value: &Str,
    targets: &[ValueTarget],
    world: &World,
) -> Result<(), BuildError> {
    for target in targets {
        let selected = match &target.selector {
            None => (0..resources.as_slice().len()).collect(),
            Some(selector) => Compiled::new(selector)
                .map_err(|error| BuildError::new(ErrorKind::Plugin, error.to_string()))?
                .select(resources, &world.scope),
        };
        for i in selected {
            let done = resources.change(i, &world.scope, |resource| {
                if &*target.field_path == "metadata/namespace" {
                    let options = Options {
                        namespace: value.clone(),
                        unset_only: false,
                        subjects: Subjects::Default,
                    };
                    let none = crate::fieldspec::Trie::default();
                    return namespace::apply(resource, &options, &[], &none, world)
                        .map_err(|error| error.message);
                }
                put(&mut resource.node, value, target)
            });
            done.map_err(|reason| {
                let id = resources.as_slice()[i].id(&world.scope);
                BuildError::new(
                    ErrorKind::Plugin,
                    format!(
                        "adding a value at `{}` of {id}: {reason}",
                        target.field_path
                    ),
                )
            })?;
        }
    }
    Ok(())
}

fn put(node: &mut Node, value: &str, target: &ValueTarget) -> Result<(), String> {
    let path = split_path(&target.field_path, '/');
    let mut at = node;
    for (i, part) in path.iter().enumerate() {
        let kind = if i + 1 == path.len() {
            Kind::Scalar
        } else {
            Kind::Map
        };
        let next = at
            .field_or_create(part, kind)
            .map_err(|error| error.to_string())?;
        let Some(next) = next else {
            return Ok(());
        };
        at = next;
    }
    at.expect(Kind::Scalar).map_err(|error| error.to_string())?;
    let text = match usize::try_from(target.position) {
        Ok(position) if position > 0 => insert_part(at.text(), position - 1, value),
        _ => value.to_owned(),
    };
    at.set_scalar(text, Tag::Open)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Puts a part into a path.
fn insert_part(path: &str, position: usize, part: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    let joined = parts.join("/");
    if absolute {
        format!("/{joined}")
    } else {
        joined
    }
}
