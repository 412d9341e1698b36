//! Names that refer to resources, brought up to date after the resources were renamed.

use std::sync::Arc;

use gitops_manifest::Str;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::config::NameReference;
use crate::error::{BuildError, ErrorKind};
use crate::fieldspec::{Create, FieldSpec, FieldSpecs, Trie, visit, walk};
use crate::id::{CLUSTER, Gvk};
use crate::node::{Node, Scalar, Tag};
use crate::resmap::ResMap;
use crate::resource::Resource;

use super::{SetError, World};

/// What is known of all resources, by the names that they had.
struct Index<'a> {
    resources: &'a [Resource],
    world: &'a World,
    /// From a previous name to the resources that had it, in order.
    by_name: FxHashMap<&'a str, Vec<u32>>,
    /// The same within the namespace that the resource has now; [`CLUSTER`] for those without.
    by_place: FxHashMap<(&'a str, &'a str), Vec<u32>>,
    /// From original namespaces to the namespaces that their resources have now, as they count and as written.
    moved: FxHashMap<&'a str, FxHashSet<(&'a str, &'a str)>>,
}

impl<'a> Index<'a> {
    fn new(resources: &'a [Resource], world: &'a World) -> Self {
        let mut index = Self {
            resources,
            world,
            by_name: FxHashMap::default(),
            by_place: FxHashMap::default(),
            moved: FxHashMap::default(),
        };
        for (i, resource) in resources.iter().enumerate() {
            let at = u32::try_from(i).expect("a build has fewer than 2^32 resources");
            let now = resource.id(&world.scope);
            let place = now.effective_namespace();
            let original = resource.original_id(&world.scope).effective_namespace();
            index
                .moved
                .entry(original)
                .or_default()
                .insert((place, now.namespace));
            let mut put = |name: &'a str| {
                let named = index.by_name.entry(name).or_default();
                if named.last() != Some(&at) {
                    named.push(at);
                    index.by_place.entry((name, place)).or_default().push(at);
                }
            };
            match resource.previous.as_slice() {
                [] => {}
                [one] => put(&one.name),
                many => {
                    let mut names: Vec<&str> = many.iter().map(|p| &*p.name).collect();
                    names.sort_unstable();
                    names.dedup();
                    names.into_iter().for_each(put);
                }
            }
        }
        index
    }

    /// Checks that a node can refer to something, and tells whether it names what was renamed.
    fn check(&self, node: &Node) -> Result<bool, SetError> {
        let named = |name: &str| self.by_name.contains_key(name);
        match node {
            Node::Scalar(scalar) => Ok(scalar.tag != Tag::Null && named(&scalar.text)),
            Node::Map(_) => match node.get("name") {
                Some(name) => Ok(named(name.text())),
                None => Err(SetError::Other(
                    "the path leads to a map without the field `name`".to_owned(),
                )),
            },
            Node::Seq(items) => items.iter().try_fold(false, |found, item| match item {
                Node::Seq(_) => Err(SetError::Other(
                    "a list of lists refers to nothing".to_owned(),
                )),
                item => Ok(self.check(item)? || found),
            }),
        }
    }

    fn get(&self, i: u32) -> &'a Resource {
        &self.resources[i as usize]
    }
}

/// One resource that may refer to others.
struct Referrer<'a> {
    index: &'a Index<'a>,
    resource: &'a Resource,
    cluster: bool,
    namespace: &'a str,
    /// The namespaces of service accounts that a role binding names.
    bound: Vec<Str>,
    /// Group and kind of the role of a role binding.
    role: Option<Gvk>,
}

impl<'a> Referrer<'a> {
    fn new(index: &'a Index<'a>, resource: &'a Resource) -> Self {
        let id = resource.id(&index.world.scope);
        let mut bound = Vec::new();
        if id.kind == "RoleBinding"
            && let Some(Node::Seq(subjects)) = resource.node.get("subjects")
        {
            for subject in subjects {
                let is_account = subject
                    .get("kind")
                    .is_some_and(|kind| kind.text() == "ServiceAccount");
                if let (true, Some(namespace)) = (is_account, subject.get("namespace")) {
                    bound.push(Str::from(namespace.text()));
                }
            }
        }
        let role = resource.node.get("roleRef").and_then(|role| {
            Some(Gvk {
                group: role.get("apiGroup").filter(|n| !n.is_null())?.text().into(),
                version: Str::default(),
                kind: role.get("kind").filter(|n| !n.is_null())?.text().into(),
            })
        });
        Self {
            index,
            resource,
            cluster: id.cluster,
            namespace: id.effective_namespace(),
            bound,
            role,
        }
    }

    /// Finds the resources that had a name and that this one can refer to at all, in order.
    fn reachable(&self, name: &str) -> Vec<u32> {
        let index = self.index;
        if self.cluster {
            return index.by_name.get(name).cloned().unwrap_or_default();
        }
        let by_place: &FxHashMap<(&str, &str), Vec<u32>> = &index.by_place;
        let mut found: Vec<u32> = Vec::new();
        found.extend(by_place.get(&(name, self.namespace)).into_iter().flatten());
        found.extend(by_place.get(&(name, CLUSTER)).into_iter().flatten());
        for namespace in &self.bound {
            let effective = if namespace.is_empty() {
                "default"
            } else {
                namespace
            };
            let more = by_place.get(&(name, effective)).into_iter().flatten();
            found.extend(more.filter(|&&i| index.get(i).namespace() == &**namespace));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether any resource that this one can refer to began in a namespace.
    fn any_began_in(&self, namespace: &str) -> bool {
        let Some(now) = self.index.moved.get(namespace) else {
            return false;
        };
        self.cluster
            || now.iter().any(|(place, written)| {
                *place == self.namespace
                    || *place == CLUSTER
                    || self.bound.iter().any(|bound| bound == *written)
            })
    }

    /// Picks the resource that a name refers to.
    fn select(
        &self,
        name: &str,
        target: &Gvk,
        path: &str,
        namespace: Option<&str>,
        identical: impl Fn(&Resource, &Resource) -> bool,
    ) -> Result<Option<&'a Resource>, SetError> {
        let scope = &self.index.world.scope;
        let mut found = self.reachable(name);
        if let Some(namespace) = namespace {
            let by_origin = namespace != CLUSTER && self.any_began_in(namespace);
            found.retain(|&i| {
                let resource = self.index.get(i);
                namespace != CLUSTER
                    && namespace
                        == if by_origin {
                            resource.original_id(scope).effective_namespace()
                        } else {
                            resource.id(scope).effective_namespace()
                        }
            });
        }
        let role = self
            .role
            .as_ref()
            .filter(|_| path.ends_with("roleRef/name"));
        found.retain(|&i| {
            let resource = self.index.get(i);
            let was = |gvk: &Gvk| resource.previous_ids().any(|id| id.selected_by(gvk));
            was(target)
                && role.is_none_or(was)
                && (self.cluster || resource.kind() == "ServiceAccount" || {
                    let id = resource.id(scope);
                    id.cluster || id.effective_namespace() == self.namespace
                })
        });
        if let [one] = found[..] {
            return Ok(Some(self.index.get(one)));
        }
        found.retain(|&i| same_affixes(self.index.get(i), self.resource, true));
        if found.len() > 1 {
            found.retain(|&i| same_affixes(self.index.get(i), self.resource, false));
        }
        let Some(&first) = found.first() else {
            return Ok(None);
        };
        let first = self.index.get(first);
        if found.iter().all(|&i| identical(first, self.index.get(i))) {
            return Ok(Some(first));
        }
        let ids: Vec<String> = found
            .iter()
            .map(|&i| self.index.get(i).id(scope).to_string())
            .collect();
        Err(SetError::Other(format!(
            "the name `{name}` may refer to several resources: {}",
            ids.join(", ")
        )))
    }

    fn set(
        &self,
        node: &mut Node,
        spec: &Spec<'_>,
        shared: &mut Vec<Scalar>,
    ) -> Result<(), SetError> {
        match node {
            Node::Scalar(scalar) if scalar.tag == Tag::Null => Ok(()),
            Node::Scalar(scalar) => self.set_scalar(scalar, spec, shared),
            Node::Map(_) => self.set_map(node, spec),
            Node::Seq(items) => {
                for item in items {
                    match item {
                        Node::Scalar(scalar) if scalar.tag == Tag::Null => {}
                        Node::Scalar(scalar) => self.set_scalar(scalar, spec, shared)?,
                        Node::Map(_) => self.set_map(item, spec)?,
                        Node::Seq(_) => {
                            return Err(SetError::Other(
                                "a list of lists refers to nothing".to_owned(),
                            ));
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn set_scalar(
        &self,
        scalar: &mut Scalar,
        spec: &Spec<'_>,
        shared: &mut Vec<Scalar>,
    ) -> Result<(), SetError> {
        let same = |a: &Resource, b: &Resource| a.name() == b.name();
        let referral = self.select(&scalar.text, spec.target, spec.path, None, same)?;
        let Some(name) = referral.map(Resource::name).filter(|n| !n.is_empty()) else {
            return Ok(());
        };
        if scalar.text != *name {
            scalar.assign(name, Tag::Open);
            if scalar.shared != 0 {
                shared.push(scalar.clone());
            }
        }
        Ok(())
    }

    fn set_map(&self, node: &mut Node, spec: &Spec<'_>) -> Result<(), SetError> {
        let Some(name) = node.field("name")? else {
            return Err(SetError::Other(
                "the path leads to a map without the field `name`".to_owned(),
            ));
        };
        let name = Str::from(name.text());
        let namespace = node.field("namespace")?.map(|n| Str::from(n.text()));
        let same =
            |a: &Resource, b: &Resource| a.name() == b.name() && a.namespace() == b.namespace();
        let namespace = namespace.as_deref();
        let referral = self.select(&name, spec.target, spec.path, namespace, same)?;
        let Some(referral) = referral else {
            return Ok(());
        };
        if referral.name() == &*name && referral.namespace().is_empty() {
            return Ok(());
        }
        if !referral.name().is_empty() {
            node.set("name", Node::open(referral.name()))?;
        }
        if !referral.namespace().is_empty() {
            node.set("namespace", Node::open(referral.namespace()))?;
        }
        Ok(())
    }
}

/// A field that refers to a kind.
struct Spec<'a> {
    target: &'a Gvk,
    path: &'a str,
}

fn same_ending(a: &[Str], b: &[Str]) -> bool {
    if a.is_empty() || b.is_empty() {
        return a.len() == b.len();
    }
    a.iter().rev().zip(b.iter().rev()).all(|(a, b)| a == b)
}

fn same_affixes(a: &Resource, b: &Resource, empty_is_any: bool) -> bool {
    let same = |a: &[Str], b: &[Str]| {
        (empty_is_any && (a.is_empty() || b.is_empty())) || same_ending(a, b)
    };
    same(&a.prefixes, &b.prefixes) && same(&a.suffixes, &b.suffixes)
}

/// Updates all references to names that have changed.
pub(crate) fn update(
    resources: &mut ResMap,
    references: &[NameReference],
    world: &World,
) -> Result<(), Vec<BuildError>> {
    let mut targets: Vec<&Gvk> = Vec::new();
    let mut specs: Vec<FieldSpec> = Vec::new();
    for reference in references {
        for field in &reference.fields {
            targets.push(&reference.target);
            specs.push(FieldSpec {
                create: false,
                ..field.clone()
            });
        }
    }
    let mut compiled = FieldSpecs::new(specs);
    let mut errors = Vec::new();
    // The trees are taken out while they change: what refers reads only names and namespaces of the others, which no
    // reference changes.
    let mut changes: Vec<(usize, Node)> = Vec::new();
    {
        let list = resources.as_slice();
        let index = Index::new(list, world);
        for (i, resource) in list.iter().enumerate() {
            let kind = match resource.previous.first() {
                Some(previous) => &*previous.kind,
                None => resource.kind(),
            };
            let trie: Arc<Trie> = compiled.of(resource.api_version(), kind);
            let fail = |specs: &[FieldSpec], fault| {
                let what = "updating a name reference";
                let kind = ErrorKind::Reference;
                super::field_error(kind, what, resource, &world.scope, specs, &fault)
            };
            // Most resources refer to nothing that was renamed, and are left as they are.
            let mut refers = false;
            let seen = visit(&resource.node, &trie, &mut |node| {
                index.check(node).map(|found| refers |= found)
            });
            match seen {
                Ok(()) if refers => {}
                Ok(()) => continue,
                Err(fault) => {
                    errors.push(fail(compiled.specs(), fault));
                    continue;
                }
            }
            let referrer = Referrer::new(&index, resource);
            let mut node = resource.node.clone();
            let mut shared = Vec::new();
            let specs = compiled.specs();
            let done = walk(&mut node, &trie, Create::Never, &mut |node, i| {
                let spec = Spec {
                    target: targets[i],
                    path: &specs[i].path,
                };
                referrer.set(node, &spec, &mut shared)
            });
            match done {
                Ok(()) => {
                    for scalar in &shared {
                        node.spread(scalar);
                    }
                    changes.push((i, node));
                }
                Err(fault) => errors.push(fail(specs, fault)),
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    for (i, node) in changes {
        resources.contents_mut()[i].node = node;
    }
    Ok(())
}
