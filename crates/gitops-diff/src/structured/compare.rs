//! What is added, modified and removed between two values of one type.

use std::cmp::Ordering;
use std::mem::discriminant;

use gitops_manifest::{Array, Map, Str, Value};

use super::items::Identity;
use super::path::PathElement;
use super::set::{FieldSet, Node};
use super::typed::{Shape, Typed, flatly_equal, plainly_equal};
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

    /// All of a value, which the other side has not.
    fn whole(&mut self, value: &Value, ty: TypeRef<'_>) {
        self.member = true;
        let children = all(value, ty);
        self.nodes.extend_from_slice(children.nodes());
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

/// The fields of a value that the other side has not: every one of them and all that contain them. The place of the
/// value itself is one too.
fn all(value: &Value, ty: TypeRef<'_>) -> FieldSet {
    match (Shape::of(ty, Some(value)), value) {
        (Shape::Map(map), Value::Object(entries)) if !map.is_atomic() => {
            let element = map.element();
            let mut cursor = 0;
            let nodes = entries.iter().map(|(key, value)| {
                let field = map.next_field(&mut cursor, key).map(|field| field.ty());
                let ty = field.or(element).unwrap_or(TypeRef::deduced());
                member(PathElement::Field(key.clone()), all(value, ty))
            });
            FieldSet::from_nodes(nodes.collect())
        }
        (Shape::List(list), Value::Array(values)) if !list.is_atomic() => {
            let element = list.element();
            let identity = Identity::of(list);
            let items = identity.index(values, |_, _| {});
            let same = |i: &usize, j: &usize| Identity::compare(&items, *i, &items, *j).is_eq();
            let order = items.sorted();
            let nodes = order.chunk_by(same).map(|run| {
                let children = match run {
                    [one] => all(&values[*one], element),
                    _ => FieldSet::new(),
                };
                member(identity.element(&items, run[0]), children)
            });
            FieldSet::from_nodes(nodes.collect())
        }
        _ => FieldSet::new(),
    }
}

const fn member(element: PathElement, children: FieldSet) -> Node {
    Node {
        element,
        member: true,
        children,
    }
}

fn compare(left: Option<&Value>, right: Option<&Value>, ty: TypeRef<'_>, delta: &mut Delta) {
    let (left, right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        (Some(left), None) => return delta.removed.whole(left, ty),
        (None, Some(right)) => return delta.added.whole(right, ty),
        (None, None) => return,
    };
    if plainly_equal(left, right) {
        return;
    }
    let (of_left, of_right) = (Shape::of(ty, Some(left)), Shape::of(ty, Some(right)));
    // What was taken away as one thing came back as another.
    if discriminant(&of_left) != discriminant(&of_right) {
        visit(of_left, left, right, delta);
    }
    visit(of_right, left, right, delta);
}

/// Compares both sides as one thing.
fn visit(shape: Shape<'_>, left: &Value, right: &Value, delta: &mut Delta) {
    match shape {
        Shape::Map(map) => {
            let (a, b) = (left.as_object(), right.as_object());
            let empty = a.is_none_or(Map::is_empty) && b.is_none_or(Map::is_empty);
            if !map.is_atomic() && !empty {
                return compare_maps(a, b, map, delta);
            }
        }
        Shape::List(list) => {
            let (a, b) = (left.as_array(), right.as_array());
            let none = |list: Option<&Array>| list.is_none_or(|list| list.is_empty());
            if !(list.is_atomic() || none(a) && none(b)) {
                return compare_lists(a, b, list, delta);
            }
        }
        Shape::Scalar(_) | Shape::Nothing => {}
    }
    delta.modified.member |= left != right;
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
            // Nearly always the keys are the same, and equality costs less than order.
            (Some((left, _)), Some((right, _))) if left == right => Ordering::Equal,
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
        if let (Some(left), Some(right)) = (left, right)
            && flatly_equal(left, right)
        {
            continue;
        }
        let field = map.next_field(&mut cursor, key).map(|field| field.ty());
        // What fits its type has no other fields; what is not checked is compared as it is.
        let ty = field.or(element).unwrap_or(TypeRef::deduced());
        match (left, right) {
            (Some(value), None) => {
                let node = member(PathElement::Field(key.clone()), all(value, ty));
                delta.removed.nodes.push(node);
            }
            (None, Some(value)) => {
                let node = member(PathElement::Field(key.clone()), all(value, ty));
                delta.added.nodes.push(node);
            }
            _ => {
                let mut below = Delta::default();
                compare(left, right, ty, &mut below);
                delta.push(Lazy::Field(key), below);
            }
        }
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
            let (a, b) = (&left.values[i], &right.values[i]);
            if flatly_equal(a, b) {
                continue;
            }
            let mut below = Delta::default();
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
            ([i], []) => {
                let node = member(make(), all(&left.values[*i], element));
                delta.removed.nodes.push(node);
                continue;
            }
            ([], [j]) => {
                let node = member(make(), all(&right.values[*j], element));
                delta.added.nodes.push(node);
                continue;
            }
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
