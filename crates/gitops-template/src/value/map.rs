//! Maps.

use std::cell::{Ref, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use super::{MapType, Value, drop_deep};
use crate::text::Str;

/// A Go map with string keys: mutable, and shared by its clones.
///
/// The entries are kept in the order of their keys, which is the order in which Go's templates
/// range over a map and in which it is printed.
#[derive(Clone)]
pub struct Map {
    data: Rc<Data>,
    ty: &'static MapType,
}

/// A reference to a [`Map`] that does not keep it alive.
#[derive(Clone)]
pub struct WeakMap {
    data: Weak<Data>,
    ty: &'static MapType,
}

impl WeakMap {
    /// Returns the map, if it is still there.
    #[must_use]
    pub fn upgrade(&self) -> Option<Map> {
        Some(Map {
            data: self.data.upgrade()?,
            ty: self.ty,
        })
    }
}

impl fmt::Debug for WeakMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.ty.name())
    }
}

struct Data {
    /// Borrowed for moments only: no code of the host runs while it is.
    entries: RefCell<Vec<(Str, Value)>>,
    nil: bool,
}

impl Map {
    /// Makes an empty `map[string]interface {}`.
    #[must_use]
    pub fn new() -> Self {
        Self::typed(&MapType::ANY)
    }

    /// Makes an empty map of a type.
    #[must_use]
    pub fn typed(ty: &'static MapType) -> Self {
        Self::with_entries(ty, Vec::new(), false)
    }

    /// Makes the nil map of a type: empty, not writable, and `null` in JSON.
    #[must_use]
    pub fn nil(ty: &'static MapType) -> Self {
        Self::with_entries(ty, Vec::new(), true)
    }

    /// Makes a map from entries in the order of their keys, without repetitions.
    ///
    /// Entries in any other order are put in order; of entries with the same key the last stays.
    #[must_use]
    pub fn from_entries(ty: &'static MapType, mut entries: Vec<(Str, Value)>) -> Self {
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            entries.reverse();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.dedup_by(|(a, _), (b, _)| a == b);
        }
        Self::with_entries(ty, entries, false)
    }

    fn with_entries(ty: &'static MapType, entries: Vec<(Str, Value)>, nil: bool) -> Self {
        Self {
            data: Rc::new(Data {
                entries: RefCell::new(entries),
                nil,
            }),
            ty,
        }
    }

    /// Returns the type.
    #[must_use]
    pub const fn ty(&self) -> &'static MapType {
        self.ty
    }

    /// Returns the same map as a value of another type with the same elements.
    #[must_use]
    pub fn with_type(&self, ty: &'static MapType) -> Self {
        Self {
            data: Rc::clone(&self.data),
            ty,
        }
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.entries.borrow().len()
    }

    /// Tells whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells whether the map is nil.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.data.nil
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        let entries = self.data.entries.borrow();
        position(&entries, key).map(|at| entries[at].1.clone())
    }

    /// Tells whether there is such a key.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        position(&self.data.entries.borrow(), key).is_some()
    }

    /// Sets the value of a key. A nil map stays as it is; the result is false then.
    pub fn insert(&self, key: Str, value: Value) -> bool {
        if self.data.nil {
            return false;
        }
        let mut entries = self.data.entries.borrow_mut();
        let old = match find(&entries, key.as_bytes()) {
            Ok(at) => Some(std::mem::replace(&mut entries[at].1, value)),
            Err(at) => {
                entries.insert(at, (key, value));
                None
            }
        };
        // The old value may hold this very map: it goes only when the entries are free again.
        drop(entries);
        drop(old);
        true
    }

    /// Makes room for so many more entries.
    pub fn reserve(&self, more: usize) {
        self.data.entries.borrow_mut().reserve(more);
    }

    /// Takes a key away and returns its value.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        let mut entries = self.data.entries.borrow_mut();
        let at = find(&entries, key).ok()?;
        Some(entries.remove(at).1)
    }

    /// Borrows the entries, in the order of the keys. The map must not be changed while they are
    /// borrowed.
    #[must_use]
    pub fn entries(&self) -> Ref<'_, [(Str, Value)]> {
        Ref::map(self.data.entries.borrow(), Vec::as_slice)
    }

    /// Copies the entries, in the order of the keys.
    #[must_use]
    pub fn to_vec(&self) -> Vec<(Str, Value)> {
        self.data.entries.borrow().clone()
    }

    /// Returns the keys in order.
    #[must_use]
    pub fn keys(&self) -> Vec<Str> {
        self.data
            .entries
            .borrow()
            .iter()
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Tells whether both are the same map in memory.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.data, &other.data)
    }

    /// Returns a reference that does not keep the map alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakMap {
        WeakMap {
            data: Rc::downgrade(&self.data),
            ty: self.ty,
        }
    }

    /// Puts nil in the place of an entry, and returns what it held.
    pub(super) fn cut(&self, at: usize) -> Option<Value> {
        let mut entries = self.data.entries.borrow_mut();
        entries
            .get_mut(at)
            .map(|(_, value)| std::mem::replace(value, Value::Nil))
    }

    /// Returns the value of an entry by its place.
    pub(super) fn at(&self, at: usize) -> Option<Value> {
        self.data
            .entries
            .borrow()
            .get(at)
            .map(|(_, value)| value.clone())
    }

    pub(super) fn address(&self) -> usize {
        Rc::as_ptr(&self.data) as usize
    }

    pub(super) fn take_if_last(self, into: &mut Vec<Value>) {
        if let Some(mut data) = Rc::into_inner(self.data) {
            into.extend(data.entries.get_mut().drain(..).map(|(_, value)| value));
        }
    }
}

/// Returns where an entry stands, if it is there.
fn position(entries: &[(Str, Value)], key: &[u8]) -> Option<usize> {
    /// Of so few, most are told apart by their lengths.
    const FEW: usize = 8;
    if entries.len() <= FEW {
        return entries.iter().position(|(name, _)| name.as_bytes() == key);
    }
    find(entries, key).ok()
}

/// Returns where an entry stands, or where it would.
fn find(entries: &[(Str, Value)], key: &[u8]) -> Result<usize, usize> {
    entries.binary_search_by(|(name, _)| {
        let name = name.as_bytes();
        // Mostly the first byte tells.
        match (name.first(), key.first()) {
            (Some(a), Some(b)) if a != b => a.cmp(b),
            _ => name.cmp(key),
        }
    })
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<(Str, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(entries: I) -> Self {
        Self::from_entries(&MapType::ANY, entries.into_iter().collect())
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let entries = self.entries.get_mut();
        if entries.iter().any(|(_, value)| value.is_container()) {
            drop_deep(entries.drain(..).map(|(_, value)| value).collect());
        }
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values may hold the map itself, so they are not shown.
        write!(f, "{}({} entries)", self.ty.name(), self.len())
    }
}
