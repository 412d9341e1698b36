//! Field specs: which fields of which kinds a transformer works on, compiled so that it walks an object once.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::id::{Gvk, split_api_version};
use crate::node::{Kind, Node, WrongKind};

/// A field of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    /// The kinds; empty parts stand for any.
    pub(crate) gvk: Gvk,
    /// The path, split by `/`.
    pub(crate) path: Arc<str>,
    /// Whether the field is made where it is absent.
    pub(crate) create: bool,
}

/// Two specs for one field contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two field specs for `{path}` differ in `create`")]
pub(crate) struct Conflict {
    pub(crate) path: Arc<str>,
}

/// Adds specs to a list; what the list has already is left out.
pub(crate) fn merge<'a>(
    list: &mut Vec<FieldSpec>,
    more: impl IntoIterator<Item = &'a FieldSpec>,
) -> Result<(), Conflict> {
    let mut by_path: FxHashMap<Arc<str>, Vec<usize>> = FxHashMap::default();
    let mut indexed = false;
    for spec in more {
        if !indexed {
            indexed = true;
            for (i, old) in list.iter().enumerate() {
                by_path.entry(old.path.clone()).or_default().push(i);
            }
        }
        let same_path = by_path.entry(spec.path.clone()).or_default();
        let old = same_path.iter().map(|&i| &list[i]).find(|old| {
            spec.gvk
                .selects(&old.gvk.group, &old.gvk.version, &old.gvk.kind)
        });
        match old {
            Some(old) if old.create != spec.create => {
                return Err(Conflict {
                    path: spec.path.clone(),
                });
            }
            Some(_) => {}
            None => {
                same_path.push(list.len());
                list.push(spec.clone());
            }
        }
    }
    Ok(())
}

/// Splits a path; `\/` stands for a slash within a name.
pub(crate) fn split_path(path: &str, delimiter: char) -> Vec<String> {
    let mut parts: Vec<&str> = path.split(delimiter).collect();
    if parts.len() > 1 && parts[0].is_empty() {
        parts.remove(0);
    }
    let mut out: Vec<String> = Vec::with_capacity(parts.len());
    for part in parts {
        match out.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            _ => out.push(part.to_owned()),
        }
    }
    out
}

/// A list of field specs, compiled for each kind of object when the first of it comes.
#[derive(Debug)]
pub(crate) struct FieldSpecs {
    specs: Arc<[FieldSpec]>,
    tries: FxHashMap<(String, String), Arc<Trie>>,
}

/// The fields of one kind of object as a tree of names.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    edges: Vec<Edge>,
    /// The specs that end here.
    ends: Vec<usize>,
}

#[derive(Debug)]
struct Edge {
    name: Box<str>,
    /// Written with `[]`: the field is a list.
    list: bool,
    create: bool,
    below: Trie,
}

impl Trie {
    fn add(&mut self, path: &[String], create: bool, spec: usize) {
        let Some((first, rest)) = path.split_first() else {
            self.ends.push(spec);
            return;
        };
        let (name, list) = match first.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (first.as_str(), false),
        };
        let same = |edge: &Edge| *edge.name == *name && edge.list == list && edge.create == create;
        let i = match self.edges.iter().position(same) {
            Some(i) => i,
            None => {
                self.edges.push(Edge {
                    name: name.into(),
                    list,
                    create,
                    below: Self::default(),
                });
                self.edges.len() - 1
            }
        };
        self.edges[i].below.add(rest, create, spec);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.edges.is_empty() && self.ends.is_empty()
    }

    /// Says that there is a plain value where a map or a list is needed.
    fn no_map<E: From<WrongKind>>(&self) -> FieldFault<E> {
        FieldFault {
            spec: self.any_spec(),
            fault: WrongKind {
                expected: Kind::Map,
                found: Kind::Scalar,
            }
            .into(),
        }
    }

    fn any_spec(&self) -> usize {
        match self.ends.first() {
            Some(&spec) => spec,
            None => self.edges.first().map_or(0, |edge| edge.below.any_spec()),
        }
    }
}

/// Why a field could not be reached or set.
#[derive(Debug)]
pub(crate) struct FieldFault<E> {
    /// The spec.
    pub(crate) spec: usize,
    pub(crate) fault: E,
}

/// Which node a walk puts in place of an absent field that is to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    /// Nothing is created, whatever the specs say.
    Never,
    Scalar,
    Map,
}

impl FieldSpecs {
    pub(crate) fn new(specs: impl Into<Arc<[FieldSpec]>>) -> Self {
        Self {
            specs: specs.into(),
            tries: FxHashMap::default(),
        }
    }

    pub(crate) fn specs(&self) -> &[FieldSpec] {
        &self.specs
    }

    /// Returns the fields of a kind.
    pub(crate) fn of(&mut self, api_version: &str, kind: &str) -> Arc<Trie> {
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(trie) = self.tries.get(&key) {
            return trie.clone();
        }
        let (group, version) = split_api_version(api_version);
        let mut trie = Trie::default();
        for (i, spec) in self.specs.iter().enumerate() {
            if spec.gvk.selects(group, version, kind) {
                trie.add(&split_path(&spec.path, '/'), spec.create, i);
            }
        }
        let trie = Arc::new(trie);
        self.tries.insert(key, trie.clone());
        trie
    }
}

/// Calls `see` on every field of an object that the specs lead to, and fails where [`walk`] would.
pub(crate) fn visit<E: From<WrongKind>>(
    node: &Node,
    trie: &Trie,
    see: &mut impl FnMut(&Node) -> Result<(), E>,
) -> Result<(), FieldFault<E>> {
    for &spec in &trie.ends {
        see(node).map_err(|fault| FieldFault { spec, fault })?;
    }
    if trie.edges.is_empty() || node.is_null() {
        return Ok(());
    }
    visit_below(node, trie, see)
}

fn visit_below<E: From<WrongKind>>(
    node: &Node,
    trie: &Trie,
    see: &mut impl FnMut(&Node) -> Result<(), E>,
) -> Result<(), FieldFault<E>> {
    match node {
        Node::Seq(items) => items
            .iter()
            .filter(|item| !item.is_null())
            .try_for_each(|item| visit_below(item, trie, see)),
        Node::Map(entries) => {
            for edge in &trie.edges {
                let found = entries.iter().find(|(key, _)| *key.text == *edge.name);
                if let Some((_, value)) = found {
                    visit(value, &edge.below, see)?;
                }
            }
            Ok(())
        }
        Node::Scalar(_) => Err(trie.no_map()),
    }
}

/// Calls `set` on every field of an object that the specs lead to.
pub(crate) fn walk<E: From<WrongKind> + From<EmptyName>>(
    node: &mut Node,
    trie: &Trie,
    create: Create,
    set: &mut impl FnMut(&mut Node, usize) -> Result<(), E>,
) -> Result<(), FieldFault<E>> {
    for &spec in &trie.ends {
        set(node, spec).map_err(|fault| FieldFault { spec, fault })?;
    }
    if trie.edges.is_empty() || node.is_null() {
        return Ok(());
    }
    descend(node, trie, create, set)
}

/// A field spec with an empty name in its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path has an empty field name")]
pub(crate) struct EmptyName;

fn descend<E: From<WrongKind> + From<EmptyName>>(
    node: &mut Node,
    trie: &Trie,
    create: Create,
    set: &mut impl FnMut(&mut Node, usize) -> Result<(), E>,
) -> Result<(), FieldFault<E>> {
    match node {
        Node::Seq(items) => {
            for item in items {
                if !item.is_null() {
                    descend(item, trie, create, set)?;
                }
            }
            Ok(())
        }
        Node::Map(entries) => {
            for edge in &trie.edges {
                if edge.name.is_empty() {
                    return Err(FieldFault {
                        spec: trie.any_spec(),
                        fault: EmptyName.into(),
                    });
                }
                let position = entries.iter().position(|(key, _)| *key.text == *edge.name);
                let create_as = if !edge.create || create == Create::Never || edge.list {
                    None
                } else if edge.below.ends.is_empty() || create == Create::Map {
                    Some(Kind::Map)
                } else {
                    Some(Kind::Scalar)
                };
                let i = match (position, create_as) {
                    (Some(i), kind) => {
                        let kind = kind.or(edge.list.then_some(Kind::Seq));
                        if let Some(kind) = kind
                            && entries[i].1.is_null()
                        {
                            entries[i].1 = Node::empty(kind);
                        }
                        i
                    }
                    (None, Some(kind)) => {
                        let key = crate::node::Scalar::open(&*edge.name);
                        entries.push((key, Node::empty(kind)));
                        entries.len() - 1
                    }
                    (None, None) => continue,
                };
                walk(&mut entries[i].1, &edge.below, create, set)?;
            }
            Ok(())
        }
        Node::Scalar(_) => Err(trie.no_map()),
    }
}
