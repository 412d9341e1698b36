//! Replica counts.

use gitops_manifest::Str;

use crate::error::{BuildError, ErrorKind};
use crate::fieldspec::{Create, FieldSpec, FieldSpecs, walk};
use crate::near;
use crate::node::Tag;
use crate::resmap::ResMap;
use crate::resource::Resource;

use super::{SetError, World, field_error};

/// Sets the count of the resources that have or had a name.
pub(crate) fn set_replicas(
    resources: &mut ResMap,
    name: &str,
    count: i64,
    specs: &[FieldSpec],
    world: &World,
) -> Result<(), BuildError> {
    let candidates = resources.candidates(name, "", &world.scope);
    let text: Str = count.to_string().into();
    let mut found = false;
    for spec in specs {
        let mut compiled = FieldSpecs::new(vec![spec.clone()]);
        for &i in &candidates {
            let resource = &mut resources.contents_mut()[i];
            let matches = !resource.deleted
                && resource
                    .previous_ids()
                    .chain(std::iter::once(resource.id(&world.scope)))
                    .any(|id| id.name == name && id.selected_by(&spec.gvk));
            if !matches {
                continue;
            }
            found = true;
            let trie = compiled.of(resource.api_version(), resource.kind());
            let done = walk(&mut resource.node, &trie, Create::Scalar, &mut |node, _| {
                node.set_scalar(text.clone(), Tag::Int)?;
                Ok::<(), SetError>(())
            });
            done.map_err(|fault| {
                let specs = std::slice::from_ref(spec);
                let what = "setting replicas";
                field_error(
                    ErrorKind::Plugin,
                    what,
                    resource,
                    &world.scope,
                    specs,
                    &fault,
                )
            })?;
        }
    }
    if found {
        return Ok(());
    }
    let of_kind = resources.as_slice().iter().filter(|resource| {
        let id = resource.id(&world.scope);
        !resource.deleted && specs.iter().any(|spec| id.selected_by(&spec.gvk))
    });
    let near = near::did_you_mean(name, of_kind.map(Resource::name));
    let kinds: Vec<String> = specs.iter().map(|spec| spec.gvk.to_string()).collect();
    Err(BuildError::new(
        ErrorKind::Reference,
        format!(
            "no resource named `{name}` is of a kind whose replicas can be set ({})",
            kinds.join(", ")
        ),
    )
    .maybe(near))
}
