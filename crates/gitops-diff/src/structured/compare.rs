//! What is added, modified and removed between two values of one type.

use std::cmp::Ordering;
use std::mem::discriminant;

use gitops_manifest::{Array, Map, Str, Value};

use super::items::Identity;
use super::path::PathElement;
use super::set::{FieldSet, Node};
use super::typed::{Shape, Typed};
use crate::schema::{ListType, MapType, TypeRef};

/// The fields in which one value differs from another. No field is in more than one of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldComparison {
    /// What the second value has and the first has not.
    pub added: FieldSet,
    /// What both have, with different values.
    pub modified: FieldSet,
    /// What the first value has and the second has not.
    pub removed: FieldSet,
}

impl FieldComparison {
    /// Makes one of its three sets.
    #[must_use]
    pub const fn new(added: FieldSet, modified: FieldSet, removed: FieldSet) -> Self {
        Self {
            added,
            modified,
            removed,
        }
    }

    /// Whether there is no difference.
    #[must_use]
    pub const fn is_same(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    /// Returns the comparison with a change made to each of its sets.
    #[must_use]
    pub fn map(&self, change: impl Fn(&FieldSet) -> FieldSet) -> Self {
        Self {
            added: change(&self.added),
            modified: change(&self.modified),
            removed: change(&self.removed),
        }
    }

    /// Returns the comparison less these fields and everything below them.
    #[must_use]
    pub fn without(&self, fields: &FieldSet) -> Self {
        self.map(|set| set.recursive_difference(fields))
    }
}

impl Typed<'_> {
    /// Compares this value with a later one of the same type.
    #[must_use]
    pub fn compare(&self, other: &Self) -> FieldComparison {
        let mut delta = Delta::default();
        compare(Some(&self.value), Some(&other.value), self.ty, &mut delta);
        FieldComparison {
            added: delta.added.finish(),
            modified: delta.modified.finish(),
            removed: delta.removed.finish(),
        }
    }
}

/// One set of a comparison at one place.
#[derive(Default)]
struct Part {
    member: bool,
    nodes: Vec<Node>,
}

impl Part {
    fn finish(self) -> FieldSet {
        FieldSet::from_nodes(self.nodes)
    }

    fn push(&mut self, element: &mut Lazy<'_>, below: Self) {
        if below.member || !below.nodes.is_empty() {
            self.nodes.push(Node {
                element: element.get(),
                member: below.member,
                children: below.finish(),
            });
        }
    }
}

#[derive(Default)]
struct Delta {
    added: Part,
    modified: Part,
    removed: Part,
}

impl Delta {
    fn push(&mut self, mut element: Lazy<'_>, below: Self) {
        self.added.push(&mut element, below.added);
        self.modified.push(&mut element, below.modified);
        self.removed.push(&mut element, below.removed);
    }

    /// Sorts what was found in another order.
    fn sort(&mut self) {
        for part in [&mut self.added, &mut self.modified, &mut self.removed] {
            part.nodes.sort_by(|a, b| a.element.cmp(&b.element));
        }
    }

    fn leaf(&mut self, left: Option<&Value>, right: Option<&Value>) {
        match (left, right) {
            (None, _) => self.added.member = true,
            (_, None) => self.removed.member = true,
            (Some(left), Some(right)) => self.modified.member |= left != right,
        }
    }
}

/// A path element that is made only where there is something to tell.
enum Lazy<'a> {
    Field(&'a Str),
    Item(&'a dyn Fn() -> PathElement),
}

impl Lazy<'_> {
    fn get(&mut self) -> PathElement {
        match self {
            Self::Field(name) => PathElement::Field((*name).clone()),
            Self::Item(make) => make(),
        }
    }
}

fn compare(left: Option<&Value>, right: Option<&Value>, ty: TypeRef<'_>, delta: &mut Delta) {
    if let (Some(a), Some(b)) = (left, right)
        && a.ptr_eq(b)
    {
        return;
    }
    let (of_left, of_right) = (Shape::of(ty, left), Shape::of(ty, right));
    let leaf = match (left, right) {
        (_, None) => visit(of_left, left, right, delta),
        (None, _) => visit(of_right, left, right, delta),
        _ if discriminant(&of_left) == discriminant(&of_right) => {
            visit(of_right, left, right, delta)
        }
        // What was taken away as one thing came back as another.
        _ => {
            visit(of_left, left, right, delta);
            visit(of_right, left, right, delta)
        }
    };
    if !leaf {
        match (left, right) {
            (None, _) => delta.added.member = true,
            (_, None) => delta.removed.member = true,
            _ => {}
        }
    }
}

/// Compares both sides as one thing. Returns whether that is owned as a whole.
fn visit(shape: Shape<'_>, left: Option<&Value>, right: Option<&Value>, delta: &mut Delta) -> bool {
    match shape {
        Shape::Map(map) => {
            let (a, b) = (
                left.and_then(Value::as_object),
                right.and_then(Value::as_object),
            );
            let empty = a.is_none_or(Map::is_empty) && b.is_none_or(Map::is_empty);
            if map.is_atomic() || empty {
                delta.leaf(left, right);
                return true;
            }
            compare_maps(a, b, map, delta);
            false
        }
        Shape::List(list) => {
            let (a, b) = (
                left.and_then(Value::as_array),
                right.and_then(Value::as_array),
            );
            let none = |list: Option<&Array>| list.is_none_or(|list| list.is_empty());
            if list.is_atomic() || none(a) && none(b) {
                delta.leaf(left, right);
                return true;
            }
            compare_lists(a, b, list, delta);
            false
        }
        Shape::Scalar(_) | Shape::Nothing => {
            delta.leaf(left, right);
            true
        }
    }
}

fn compare_maps(a: Option<&Map>, b: Option<&Map>, map: MapType<'_>, delta: &mut Delta) {
    let (mut a, mut b) = (
        a.map_or(&[][..], Map::entries),
        b.map_or(&[][..], Map::entries),
    );
    let element = map.element();
    let mut cursor = 0;
    loop {
        let order = match (a.first(), b.first()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        let (mut left, mut right) = (None, None);
        let mut key = None;
        if order.is_le() {
            (key, left) = (Some(&a[0].0), Some(&a[0].1));
            a = &a[1..];
        }
        if order.is_ge() {
            (key, right) = (Some(&b[0].0), Some(&b[0].1));
            b = &b[1..];
        }
        let key = key.expect("one side has the key");
        let field = map.next_field(&mut cursor, key).map(|field| field.ty());
        // What fits its type has no other fields; what is not checked is compared as it is.
        let ty = field.or(element).unwrap_or(TypeRef::deduced());
        let mut below = Delta::default();
        compare(left, right, ty, &mut below);
        delta.push(Lazy::Field(key), below);
    }
}

fn compare_lists(a: Option<&Array>, b: Option<&Array>, list: ListType<'_>, delta: &mut Delta) {
    let element = list.element();
    let identity = Identity::of(list);
    let left = identity.index(a.map_or(&[], |list| &list[..]), |_, _| {});
    let right = identity.index(b.map_or(&[], |list| &list[..]), |_, _| {});
    // Nearly always the same elements are in the same places.
    if left.same_identities(&right) && left.are_distinct() {
        for i in 0..left.len() {
            let mut below = Delta::default();
            let (a, b) = (&left.values[i], &right.values[i]);
            compare(Some(a), Some(b), element, &mut below);
            delta.push(Lazy::Item(&|| identity.element(&left, i)), below);
        }
        return delta.sort();
    }
    let (left_order, right_order) = (left.sorted(), right.sorted());
    let (mut l, mut r) = (&left_order[..], &right_order[..]);
    while !l.is_empty() || !r.is_empty() {
        let order = match (l.first(), r.first()) {
            (Some(&i), Some(&j)) => Identity::compare(&left, i, &right, j),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let (mut ls, mut rs) = (&[][..], &[][..]);
        if order.is_le() {
            let n = run(l, |i, j| Identity::compare(&left, i, &left, j).is_eq());
            (ls, l) = l.split_at(n);
        }
        if order.is_ge() {
            let n = run(r, |i, j| Identity::compare(&right, i, &right, j).is_eq());
            (rs, r) = r.split_at(n);
        }
        let make = || match (ls.first(), rs.first()) {
            (Some(&i), _) => identity.element(&left, i),
            (None, Some(&j)) => identity.element(&right, j),
            (None, None) => unreachable!("one side has the element"),
        };
        let mut below = Delta::default();
        match (ls, rs) {
            ([] | [_], [] | [_]) => compare(
                ls.first().map(|&i| &left.values[i]),
                rs.first().map(|&j| &right.values[j]),
                element,
                &mut below,
            ),
            // Elements that occur more than once are compared as a whole.
            ([_, _, ..], [_, _, ..]) => {
                let before = ls.iter().map(|&i| &left.values[i]);
                below.modified.member = !before.eq(rs.iter().map(|&j| &right.values[j]));
            }
            ([_, _, ..], _) => {
                if let Some(&j) = rs.first() {
                    compare(None, Some(&right.values[j]), element, &mut below);
                }
                below.removed.member = true;
            }
            (_, [_, _, ..]) => {
                if let Some(&i) = ls.first() {
                    compare(Some(&left.values[i]), None, element, &mut below);
                }
                below.added.member = true;
            }
        }
        delta.push(Lazy::Item(&make), below);
    }
}

/// How many at the start are the same.
fn run(order: &[usize], same: impl Fn(usize, usize) -> bool) -> usize {
    1 + order
        .windows(2)
        .take_while(|pair| same(pair[0], pair[1]))
        .count()
}
