//! Labels and annotations.

use gitops_manifest::Str;

use crate::error::{BuildError, ErrorKind};
use crate::fieldspec::{Create, FieldSpecs, walk};
use crate::node::{Node, Scalar, Tag};
use crate::resmap::ResMap;

use super::{SetError, World, field_error};

/// Sets labels or annotations in the fields that the specs name.
pub(crate) fn set_entries(
    resources: &mut ResMap,
    entries: &[(Str, Str)],
    specs: &mut FieldSpecs,
    what: &str,
    world: &mut World,
) -> Result<(), BuildError> {
    for resource in resources.contents_mut() {
        let trie = specs.of(resource.api_version(), resource.kind());
        if trie.is_empty() {
            continue;
        }
        // One walk sets all entries. The places that get one are one scalar from here on.
        let numbers: Vec<u32> = entries.iter().map(|_| world.next_shared()).collect();
        let mut changed: Vec<Scalar> = Vec::new();
        let done = walk(&mut resource.node, &trie, Create::Map, &mut |node, _| {
            for ((key, value), number) in entries.iter().zip(&numbers) {
                let before = node.set_entry(key, value, Tag::Str, *number)?;
                if before != 0
                    && before != *number
                    && let Some(Node::Scalar(scalar)) = node.get(key)
                {
                    changed.push(scalar.clone());
                }
            }
            Ok::<(), SetError>(())
        });
        done.map_err(|fault| {
            let specs = specs.specs();
            field_error(
                ErrorKind::Plugin,
                what,
                resource,
                &world.scope,
                specs,
                &fault,
            )
        })?;
        for scalar in &changed {
            resource.node.spread(scalar);
        }
    }
    Ok(())
}
