//! What is added, modified and removed between two values of one type.

use std::cmp::Ordering;
use std::mem::discriminant;

use gitops_manifest::{Array, Map, Value};

use super::items::Identity;
use super::packed::{Log, Place, Step};
use super::set::FieldSet;
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
        compare(
            Some(&self.value),
            Some(&other.value),
            self.ty,
            None,
            &mut delta,
        );
        FieldComparison {
            added: delta.added.finish(),
            modified: delta.modified.finish(),
            removed: delta.removed.finish(),
        }
    }
}

#[derive(Default)]
struct Delta {
    added: Log,
    modified: Log,
    removed: Log,
}

impl Delta {
    fn leave(&mut self, place: &Place<'_>) {
        for log in [&mut self.added, &mut self.modified, &mut self.removed] {
            log.leave(place);
        }
    }
}

/// All of a value, which the other side has not: its place, every field and all that contain them.
fn whole(value: &Value, ty: TypeRef<'_>, place: Option<&Place<'_>>, log: &mut Log) {
    log.mark(place);
    all(value, ty, log);
}

fn all(value: &Value, ty: TypeRef<'_>, log: &mut Log) {
    match (Shape::of(ty, Some(value)), value) {
        (Shape::Map(map), Value::Object(entries)) if !map.is_atomic() => {
            let mut cursor = 0;
            for (key, value) in entries {
                let ty = map.next_type(&mut cursor, key);
                log.mark_step(Step::Field(key));
                all(value, ty, log);
                log.leave_one();
            }
        }
        (Shape::List(list), Value::Array(values)) if !list.is_atomic() => {
            let element = list.element();
            let identity = Identity::of(list);
            let items = identity.index(values, |_, _| {});
            let same = |i: &usize, j: &usize| Identity::compare(&items, *i, &items, *j).is_eq();
            for run in items.sorted().chunk_by(same) {
                log.mark_step(Step::Item(&identity, &items, run[0]));
                if let [one] = run {
                    all(&values[*one], element, log);
                }
                log.leave_one();
            }
        }
        _ => {}
    }
}

fn compare(
    left: Option<&Value>,
    right: Option<&Value>,
    ty: TypeRef<'_>,
    place: Option<&Place<'_>>,
    delta: &mut Delta,
) {
    let (left, right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        (Some(left), None) => return whole(left, ty, place, &mut delta.removed),
        (None, Some(right)) => return whole(right, ty, place, &mut delta.added),
        (None, None) => return,
    };
    if plainly_equal(left, right) {
        return;
    }
    let (of_left, of_right) = (Shape::of(ty, Some(left)), Shape::of(ty, Some(right)));
    // What was taken away as one thing came back as another.
    if discriminant(&of_left) != discriminant(&of_right) {
        visit(of_left, left, right, place, delta);
    }
    visit(of_right, left, right, place, delta);
}

/// Compares both sides as one thing.
fn visit(
    shape: Shape<'_>,
    left: &Value,
    right: &Value,
    place: Option<&Place<'_>>,
    delta: &mut Delta,
) {
    match shape {
        Shape::Map(map) => {
            let (a, b) = (left.as_object(), right.as_object());
            let empty = a.is_none_or(Map::is_empty) && b.is_none_or(Map::is_empty);
            if !map.is_atomic() && !empty {
                return compare_maps(a, b, map, place, delta);
            }
        }
        Shape::List(list) => {
            let (a, b) = (left.as_array(), right.as_array());
            let none = |list: Option<&Array>| list.is_none_or(|list| list.is_empty());
            if !(list.is_atomic() || none(a) && none(b)) {
                return compare_lists(a, b, list, place, delta);
            }
        }
        Shape::Scalar(_) | Shape::Nothing => {}
    }
    if left != right {
        delta.modified.mark(place);
    }
}

fn compare_maps(
    a: Option<&Map>,
    b: Option<&Map>,
    map: MapType<'_>,
    place: Option<&Place<'_>>,
    delta: &mut Delta,
) {
    let (mut a, mut b) = (
        a.map_or(&[][..], Map::entries),
        b.map_or(&[][..], Map::entries),
    );
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
        let ty = map.next_type(&mut cursor, key);
        let here = Place::below(place, Step::Field(key));
        compare(left, right, ty, Some(&here), delta);
        delta.leave(&here);
    }
}

fn compare_lists(
    a: Option<&Array>,
    b: Option<&Array>,
    list: ListType<'_>,
    place: Option<&Place<'_>>,
    delta: &mut Delta,
) {
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
            let here = Place::below(place, Step::Item(&identity, &left, i));
            compare(Some(a), Some(b), element, Some(&here), delta);
            delta.leave(&here);
        }
        return;
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
        let step = match (ls.first(), rs.first()) {
            (Some(&i), _) => Step::Item(&identity, &left, i),
            (None, Some(&j)) => Step::Item(&identity, &right, j),
            (None, None) => unreachable!("one side has the element"),
        };
        let here = Place::below(place, step);
        let here = Some(&here);
        match (ls, rs) {
            ([] | [_], [] | [_]) => compare(
                ls.first().map(|&i| &left.values[i]),
                rs.first().map(|&j| &right.values[j]),
                element,
                here,
                delta,
            ),
            // Elements that occur more than once are compared as a whole.
            ([_, _, ..], [_, _, ..]) => {
                let before = ls.iter().map(|&i| &left.values[i]);
                if !before.eq(rs.iter().map(|&j| &right.values[j])) {
                    delta.modified.mark(here);
                }
            }
            ([_, _, ..], _) => {
                if let Some(&j) = rs.first() {
                    compare(None, Some(&right.values[j]), element, here, delta);
                }
                delta.removed.mark(here);
            }
            (_, [_, _, ..]) => {
                if let Some(&i) = ls.first() {
                    compare(Some(&left.values[i]), None, element, here, delta);
                }
                delta.added.mark(here);
            }
        }
        here.into_iter().for_each(|here| delta.leave(here));
    }
}

/// How many at the start are the same.
fn run(order: &[usize], same: impl Fn(usize, usize) -> bool) -> usize {
    1 + order
        .windows(2)
        .take_while(|pair| same(pair[0], pair[1]))
        .count()
}
