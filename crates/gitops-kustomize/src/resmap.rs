//! The resources of a build in their order, with the index by which they are found.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

use crate::id::Id;
use crate::resource::Resource;
use crate::scope::Scope;

/// Resources in the order in which they were accumulated.
///
/// They are found through an index that is built when it is first asked for. The index holds hints: who looks
/// up checks what is found. So a change of one resource adds to the index and takes nothing away; steps that
/// rename everything throw it away.
#[derive(Debug, Default)]
pub(crate) struct ResMap {
    list: Vec<Resource>,
    index: Option<Index>,
}

/// From hashes of ids, and of names with and without kinds, to resources.
type Index = FxHashMap<u64, Vec<u32>>;

fn name_key(name: &str, kind: &str) -> u64 {
    let mut hasher = FxHasher::default();
    name.hash(&mut hasher);
    kind.hash(&mut hasher);
    hasher.finish()
}

fn id_key(id: &Id<'_>) -> u64 {
    let mut hasher = FxHasher::default();
    id.group.hash(&mut hasher);
    id.version.hash(&mut hasher);
    id.kind.hash(&mut hasher);
    id.name.hash(&mut hasher);
    id.effective_namespace().hash(&mut hasher);
    hasher.finish()
}

fn number(i: usize) -> u32 {
    u32::try_from(i).expect("a build has fewer than 2^32 resources")
}

fn put(index: &mut Index, key: u64, i: usize) {
    let (at, found) = (number(i), index.entry(key).or_default());
    match found.last() {
        Some(&last) if last < at => found.push(at),
        None => found.push(at),
        _ => {
            if let Err(place) = found.binary_search(&at) {
                found.insert(place, at);
            }
        }
    }
}

fn add(index: &mut Index, i: usize, resource: &Resource, scope: &Scope) {
    let id = resource.id(scope);
    for id in resource.previous_ids().chain(std::iter::once(id)) {
        put(index, id_key(&id), i);
        put(index, name_key(id.name, id.kind), i);
        put(index, name_key(id.name, ""), i);
    }
}

impl ResMap {
    pub(crate) fn as_slice(&self) -> &[Resource] {
        &self.list
    }

    pub(crate) fn into_vec(self) -> Vec<Resource> {
        self.list
    }

    /// Returns the resources for changes that leave names, namespaces and kinds alone.
    pub(crate) fn contents_mut(&mut self) -> &mut [Resource] {
        &mut self.list
    }

    /// Returns the resources for any change.
    pub(crate) fn all_mut(&mut self) -> &mut Vec<Resource> {
        self.index = None;
        &mut self.list
    }

    /// Changes one resource and notes its new names.
    pub(crate) fn change<T>(
        &mut self,
        i: usize,
        scope: &Scope,
        change: impl FnOnce(&mut Resource) -> T,
    ) -> T {
        let out = change(&mut self.list[i]);
        if let Some(index) = &mut self.index {
            add(index, i, &self.list[i], scope);
        }
        out
    }

    fn find(&mut self, key: u64, scope: &Scope) -> &[u32] {
        let list = &self.list;
        let index = self.index.get_or_insert_with(|| {
            let mut index = Index::with_capacity_and_hasher(3 * list.len(), Default::default());
            for (i, resource) in list.iter().enumerate() {
                add(&mut index, i, resource, scope);
            }
            index
        });
        index.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Finds the resources that may have or have had a name, of a kind where one is given, in order.
    pub(crate) fn candidates(&mut self, name: &str, kind: &str, scope: &Scope) -> Vec<usize> {
        self.find(name_key(name, kind), scope)
            .iter()
            .map(|&i| i as usize)
            .collect()
    }

    /// Finds the resources of which an id, previous or present, is the given one, in order.
    pub(crate) fn with_any_id(&mut self, id: &Id<'_>, scope: &Scope) -> Vec<usize> {
        let mut found: Vec<usize> = self
            .find(id_key(id), scope)
            .iter()
            .map(|&i| i as usize)
            .collect();
        found.retain(|&i| {
            let resource = &self.list[i];
            !resource.deleted && resource.has_id(id, scope)
        });
        found
    }

    /// Finds a resource, other than one, of which the present id is the given one.
    pub(crate) fn with_id(
        &mut self,
        id: &Id<'_>,
        except: Option<usize>,
        scope: &Scope,
    ) -> Option<usize> {
        let found: Vec<u32> = self.find(id_key(id), scope).to_vec();
        found.into_iter().map(|i| i as usize).find(|&i| {
            let resource = &self.list[i];
            Some(i) != except && !resource.deleted && resource.id(scope).same(id)
        })
    }

    /// Adds a resource; gives it back, with the one that has its id already.
    pub(crate) fn append(
        &mut self,
        resource: Resource,
        scope: &Scope,
    ) -> Result<(), Box<(Resource, usize)>> {
        if let Some(other) = self.with_id(&resource.id(scope), None, scope) {
            return Err(Box::new((resource, other)));
        }
        if let Some(index) = &mut self.index {
            add(index, self.list.len(), &resource, scope);
        }
        self.list.push(resource);
        Ok(())
    }

    /// Drops what was deleted.
    pub(crate) fn drop_deleted(&mut self) {
        if self.list.iter().any(|resource| resource.deleted) {
            self.list.retain(|resource| !resource.deleted);
            self.index = None;
        }
    }

    /// Finds a pair of resources with one id.
    pub(crate) fn duplicate(&self, scope: &Scope) -> Option<(usize, usize)> {
        let mut taken: FxHashMap<u64, Vec<u32>> =
            FxHashMap::with_capacity_and_hasher(self.list.len(), Default::default());
        for (i, resource) in self.list.iter().enumerate() {
            if resource.deleted {
                continue;
            }
            let id = resource.id(scope);
            let found = taken.entry(id_key(&id)).or_default();
            for &first in &*found {
                if self.list[first as usize].id(scope).same(&id) {
                    return Some((first as usize, i));
                }
            }
            found.push(number(i));
        }
        None
    }
}
