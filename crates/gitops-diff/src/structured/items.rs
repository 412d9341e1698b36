//! The elements of sets and keyed lists, told apart by their values or keys without building path elements.

use std::borrow::Cow;
use std::cmp::Ordering;

use gitops_manifest::{Map, Str, Value};

use super::order::compare_values;
use super::path::PathElement;
use crate::schema::{ListType, TypeRef};

/// Why a list element has no identity of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoIdentity {
    NotAMap,
    NoKeys,
    NotAScalar,
}

impl NoIdentity {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::NotAMap => "an element of a keyed list must be a map",
            Self::NoKeys => "an element of a keyed list must have one of its keys",
            Self::NotAScalar => "an element of a set must be a scalar",
        }
    }
}

/// How the elements of one list type are told apart.
pub(super) struct Identity<'s> {
    /// The names of the keys, sorted; empty for sets.
    keys: Cow<'s, [Str]>,
    element: TypeRef<'s>,
}

/// The elements of a list with what tells them apart.
pub(super) struct Items<'v> {
    pub(super) values: &'v [Value],
    fields: Fields<'v>,
    width: usize,
}

/// How many keys are held without allocating: those of nearly all lists.
const INLINE: usize = 16;

/// As many for each element as there are keys: what is under the key, its default, or nothing.
enum Fields<'v> {
    Inline([Option<&'v Value>; INLINE], usize),
    Heap(Vec<Option<&'v Value>>),
}

impl<'v> Fields<'v> {
    fn with_capacity(capacity: usize) -> Self {
        if capacity <= INLINE {
            Self::Inline([None; INLINE], 0)
        } else {
            Self::Heap(Vec::with_capacity(capacity))
        }
    }

    fn push(&mut self, field: Option<&'v Value>) {
        match self {
            Self::Inline(fields, len) => {
                fields[*len] = field;
                *len += 1;
            }
            Self::Heap(fields) => fields.push(field),
        }
    }

    fn as_slice(&self) -> &[Option<&'v Value>] {
        match self {
            Self::Inline(fields, len) => &fields[..*len],
            Self::Heap(fields) => fields,
        }
    }
}

impl<'s> Identity<'s> {
    pub(super) fn of(list: ListType<'s>) -> Self {
        let mut keys = Cow::Borrowed(list.keys());
        if !keys.is_sorted() {
            keys.to_mut().sort();
        }
        Self {
            keys,
            element: list.element(),
        }
    }

    /// The names of the keys, sorted; empty for sets.
    pub(super) fn keys(&self) -> &[Str] {
        &self.keys
    }

    /// Reads the keys of all elements. Elements without identity are given to `refuse` with their position.
    pub(super) fn index<'v>(
        &self,
        values: &'v [Value],
        mut refuse: impl FnMut(usize, NoIdentity),
    ) -> Items<'v>
    where
        's: 'v,
    {
        let width = self.keys.len().max(1);
        let mut fields = Fields::with_capacity(values.len() * width);
        for (i, value) in values.iter().enumerate() {
            if self.keys.is_empty() {
                if matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) {
                    refuse(i, NoIdentity::NotAScalar);
                }
                fields.push(Some(value));
                continue;
            }
            let map = value.as_object();
            if map.is_none() {
                refuse(i, NoIdentity::NotAMap);
            }
            let mut found = false;
            for name in &*self.keys {
                let field = map
                    .and_then(|map| map.get(name))
                    .or_else(|| self.element.field(name)?.default());
                found |= field.is_some();
                fields.push(field);
            }
            if map.is_some() && !found {
                refuse(i, NoIdentity::NoKeys);
            }
        }
        Items {
            values,
            fields,
            width,
        }
    }

    /// The path element of the element at a position.
    pub(super) fn element(&self, items: &Items<'_>, i: usize) -> PathElement {
        if self.keys.is_empty() {
            return PathElement::Value(items.values[i].clone());
        }
        let fields = self.keys.iter().zip(items.fields(i));
        PathElement::Key(Map::from_entries(
            fields
                .filter_map(|(name, value)| Some((name.clone(), (*value)?.clone())))
                .collect(),
        ))
    }

    /// Compares two elements in the order of their path elements.
    pub(super) fn compare(a: &Items<'_>, i: usize, b: &Items<'_>, j: usize) -> Ordering {
        let (a, b) = (a.fields(i), b.fields(j));
        for (k, (left, right)) in a.iter().zip(b).enumerate() {
            let order = match (left, right) {
                (Some(left), Some(right)) => compare_values(left, right),
                (None, None) => Ordering::Equal,
                // Only keys that are there count: the element without this one goes on with a later name,
                // which is greater, or is at its end, which is less.
                (Some(_), None) if b[k + 1..].iter().any(Option::is_some) => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (None, Some(_)) if a[k + 1..].iter().any(Option::is_some) => Ordering::Greater,
                (None, Some(_)) => Ordering::Less,
            };
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }
}

impl<'v> Items<'v> {
    pub(super) fn fields(&self, i: usize) -> &[Option<&'v Value>] {
        &self.fields.as_slice()[i * self.width..(i + 1) * self.width]
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The positions of the elements in the order of their path elements; equal ones in their own order.
    pub(super) fn sorted(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        if !(1..self.len()).all(|i| Identity::compare(self, i - 1, self, i).is_lt()) {
            order.sort_by(|&i, &j| Identity::compare(self, i, self, j));
        }
        order
    }

    /// Whether no element occurs twice.
    pub(super) fn are_distinct(&self) -> bool {
        // A few are told apart faster than they are sorted.
        if self.len() <= INLINE {
            return (1..self.len()).all(|j| (0..j).all(|i| self.fields(i) != self.fields(j)));
        }
        self.sorted()
            .windows(2)
            .all(|pair| self.fields(pair[0]) != self.fields(pair[1]))
    }

    /// Whether both have the same elements at the same positions.
    pub(super) fn same_identities(&self, other: &Self) -> bool {
        self.len() == other.len() && self.fields.as_slice() == other.fields.as_slice()
    }
}
