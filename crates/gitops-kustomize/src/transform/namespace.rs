//! The namespace of all resources.

use std::sync::Arc;

use gitops_manifest::Str;
use rustc_hash::FxHashMap;

use crate::error::{BuildError, ErrorKind};
use crate::fieldspec::{Create, FieldFault, FieldSpec, FieldSpecs, Trie, walk};
use crate::node::{Kind, Node, Tag};
use crate::resmap::ResMap;
use crate::resource::Resource;

use super::{SetError, World, conflict, field_error};

/// Which subjects of role bindings get the namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Those named `default`.
    #[default]
    Default,
    /// All service accounts.
    ServiceAccounts,
    None,
}

/// What the namespace transformer does.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) namespace: Str,
    /// Whether a namespace that is there stays.
    pub(crate) unset_only: bool,
    pub(crate) subjects: Subjects,
}

impl Options {
    fn set(&self, node: &mut Node) -> Result<(), SetError> {
        if self.unset_only && !node.is_null_or_empty() && !node.text().is_empty() {
            return Ok(());
        }
        node.set_scalar(self.namespace.clone(), Tag::Str)?;
        Ok(())
    }
}

const META: &str = "metadata/namespace";

/// The fields of each kind of object, without those that the transformer looks after itself.
struct Fields<'a> {
    specs: &'a [FieldSpec],
    compiled: FxHashMap<(Str, Str), Arc<Trie>>,
}

impl Fields<'_> {
    fn of(&mut self, resource: &Resource) -> Arc<Trie> {
        let key = (
            Str::from(resource.api_version()),
            Str::from(resource.kind()),
        );
        if let Some(trie) = self.compiled.get(&key) {
            return trie.clone();
        }
        let binding = is_binding(&key.1);
        let own: Vec<FieldSpec> = self
            .specs
            .iter()
            .filter(|spec| {
                let path = &*spec.path;
                path != META
                    && (key.0 == "v1" || path != "metadata/name")
                    && !(binding && is_binding(&spec.gvk.kind) && path == "subjects/namespace")
            })
            .cloned()
            .collect();
        let trie = FieldSpecs::new(own).of(&key.0, &key.1);
        self.compiled.insert(key, trie.clone());
        trie
    }
}

fn is_binding(kind: &str) -> bool {
    matches!(kind, "RoleBinding" | "ClusterRoleBinding")
}

/// Sets the namespace of all resources.
pub(crate) fn set_namespace(
    resources: &mut ResMap,
    options: &Options,
    specs: &[FieldSpec],
    world: &World,
) -> Result<(), BuildError> {
    if options.namespace.is_empty() {
        return Ok(());
    }
    let mut fields = Fields {
        specs,
        compiled: FxHashMap::default(),
    };
    for i in 0..resources.as_slice().len() {
        let resource = &resources.as_slice()[i];
        if resource.deleted || resource.from_helm {
            continue;
        }
        let trie = fields.of(resource);
        resources.change(i, &world.scope, |resource| {
            resource.remember_id(&world.scope);
            apply(resource, options, specs, &trie, world)
        })?;
        let id = resources.as_slice()[i].id(&world.scope).to_owned_id();
        if let Some(other) = resources.with_id(&id.as_id(), Some(i), &world.scope) {
            let list = resources.as_slice();
            let mut error = conflict(&list[other], &list[i], &id.as_id());
            error.message = format!("setting the namespace: {}", error.message);
            return Err(error);
        }
    }
    Ok(())
}

/// Sets the namespace of one resource.
pub(crate) fn apply(
    resource: &mut Resource,
    options: &Options,
    specs: &[FieldSpec],
    trie: &Trie,
    world: &World,
) -> Result<(), BuildError> {
    let fail = |resource: &Resource, spec: &[FieldSpec], fault| {
        let what = "setting the namespace";
        field_error(
            ErrorKind::Plugin,
            what,
            resource,
            &world.scope,
            spec,
            &fault,
        )
    };
    let special = |path: &str| FieldSpec {
        gvk: crate::id::Gvk::default(),
        path: path.into(),
        create: true,
    };
    if !resource.id(&world.scope).cluster {
        let done = meta_namespace(&mut resource.node, options);
        done.map_err(|fault| {
            let fault = FieldFault { spec: 0, fault };
            fail(resource, &[special(META)], fault)
        })?;
    }
    if is_binding(resource.kind()) {
        let done = subjects(&mut resource.node, options);
        done.map_err(|fault| {
            let fault = FieldFault { spec: 0, fault };
            fail(resource, &[special("subjects")], fault)
        })?;
    }
    let done = walk(&mut resource.node, trie, Create::Scalar, &mut |node, _| {
        options.set(node)
    });
    done.map_err(|fault| fail(resource, specs, fault))
}

fn meta_namespace(node: &mut Node, options: &Options) -> Result<(), SetError> {
    let Some(metadata) = node.field_or_create("metadata", Kind::Map)? else {
        return Ok(());
    };
    if metadata.is_null() {
        *metadata = Node::empty(Kind::Map);
    }
    let Some(namespace) = metadata.field_or_create("namespace", Kind::Scalar)? else {
        return Ok(());
    };
    options.set(namespace)
}

fn subjects(node: &mut Node, options: &Options) -> Result<(), SetError> {
    let (key, wanted) = match options.subjects {
        Subjects::None => return Ok(()),
        Subjects::Default => ("name", "default"),
        Subjects::ServiceAccounts => ("kind", "ServiceAccount"),
    };
    let Some(subjects) = node.get_mut("subjects") else {
        return Ok(());
    };
    subjects.expect(Kind::Seq)?;
    let Node::Seq(subjects) = subjects else {
        return Ok(());
    };
    for subject in subjects {
        let found = subject.field(key)?;
        if found.is_none_or(|value| value.is_null() || value.text() != wanted) {
            continue;
        }
        if let Some(namespace) = subject.field_or_create("namespace", Kind::Scalar)? {
            options.set(namespace)?;
        }
    }
    Ok(())
}
