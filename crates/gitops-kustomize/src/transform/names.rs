//! Prefixes and suffixes of names.

use crate::error::{BuildError, ErrorKind};
use crate::fieldspec::{Create, FieldFault, FieldSpec, FieldSpecs, walk};
use crate::id::Gvk;
use crate::node::{Node, Tag};
use crate::resmap::ResMap;
use crate::resource::Resource;

use super::{SetError, World, field_error};

/// What is put before or behind names.
#[derive(Clone, Debug)]
pub(crate) enum Affix {
    Prefix(gitops_manifest::Str),
    Suffix(gitops_manifest::Str),
}

impl Affix {
    fn apply(&self, name: &str) -> String {
        match self {
            Self::Prefix(prefix) => format!("{prefix}{name}"),
            Self::Suffix(suffix) => format!("{name}{suffix}"),
        }
    }

    const fn text(&self) -> &gitops_manifest::Str {
        match self {
            Self::Prefix(text) | Self::Suffix(text) => text,
        }
    }
}

/// Kinds whose names are left alone.
fn is_skipped(gvk: &Gvk, resource: &Resource) -> bool {
    let kind = match resource.previous.first() {
        Some(previous) => &*previous.kind,
        None => resource.kind(),
    };
    match kind {
        "CustomResourceDefinition" | "Namespace" => true,
        "APIService" => gvk.group == "apiregistration.k8s.io",
        _ => false,
    }
}

/// Adds a prefix or suffix to the fields that the specs name.
pub(crate) fn rename(
    resources: &mut ResMap,
    affix: &Affix,
    specs: &[FieldSpec],
    world: &World,
) -> Result<(), BuildError> {
    let mut each: Vec<(&FieldSpec, FieldSpecs)> = specs
        .iter()
        .map(|spec| (spec, FieldSpecs::new(vec![spec.clone()])))
        .collect();
    for resource in resources.all_mut() {
        let (group, version) = crate::id::split_api_version(resource.api_version());
        let gvk = Gvk {
            group: group.into(),
            version: version.into(),
            kind: match resource.previous.first() {
                Some(previous) => previous.kind.clone(),
                None => resource.kind().into(),
            },
        };
        if is_skipped(&gvk, resource) {
            continue;
        }
        for (spec, compiled) in &mut each {
            if !spec.gvk.selects(&gvk.group, &gvk.version, &gvk.kind) {
                continue;
            }
            if &*spec.path == "metadata/name" && !affix.text().is_empty() {
                match affix {
                    Affix::Prefix(text) => resource.prefixes.push(text.clone()),
                    Affix::Suffix(text) => resource.suffixes.push(text.clone()),
                }
                resource.remember_id(&world.scope);
            }
            let trie = compiled.of(resource.api_version(), resource.kind());
            let mut shared = Vec::new();
            let done = walk(&mut resource.node, &trie, Create::Scalar, &mut |node, _| {
                let text = affix.apply(node.text());
                let number = node.set_scalar(text, Tag::Open)?;
                if number != 0 {
                    shared.push(node.clone());
                }
                Ok::<(), SetError>(())
            });
            done.map_err(|fault: FieldFault<SetError>| {
                let specs = std::slice::from_ref(*spec);
                let what = "adding a prefix or suffix";
                field_error(
                    ErrorKind::Plugin,
                    what,
                    resource,
                    &world.scope,
                    specs,
                    &fault,
                )
            })?;
            for node in shared {
                if let Node::Scalar(scalar) = &node {
                    resource.node.spread(scalar);
                }
            }
        }
    }
    Ok(())
}
