//! Merging a configuration into a value.

use gitops_manifest::{Array, Map, Value};

use super::items::{Identity, Items};
use super::path::FieldPath;
use super::typed::{Shape, Typed, Unfit, Violation, flatly_equal};
use crate::schema::{ListType, MapType, TypeRef};

impl Typed<'_> {
    /// Merges a partial value of the same type into this one. Nothing is removed; of a leaf that both have the
    /// value of `config` stays; lists are in the order of `config` where it has elements in common with this.
    ///
    /// What `config` does not change is shared with this value.
    ///
    /// # Errors
    /// Where an element of a list in `config` occurs twice.
    pub fn merge(&self, config: &Self) -> Result<Self, Unfit> {
        let value = merge(&self.value, &config.value, self.ty).map_err(|element| Unfit {
            violations: vec![Violation {
                path: FieldPath::default(),
                message: format!("{element} occurs twice in the list that is merged"),
            }],
        })?;
        Ok(Self {
            value: value.unwrap_or_else(|| self.value.clone()),
            ty: self.ty,
        })
    }
}

/// The path element that occurs twice.
type Twice = String;

/// Merges two values; `None` where that is the left one.
fn merge(left: &Value, right: &Value, ty: TypeRef<'_>) -> Result<Option<Value>, Twice> {
    if left.ptr_eq(right) {
        return Ok(None);
    }
    match Shape::of(ty, Some(right)) {
        Shape::Map(map) if !map.is_atomic() => {
            match (filled(left.as_object()), filled(right.as_object())) {
                (Some(a), Some(b)) => return merge_maps(a, b, map),
                // The other side is null, empty or something else.
                (Some(_), None) => return Ok(None),
                (None, _) => {}
            }
        }
        Shape::List(list) if !list.is_atomic() => match (left.as_array(), right.as_array()) {
            (Some(a), Some(b)) if !(a.is_empty() && b.is_empty()) => {
                return merge_lists(a, b, list);
            }
            (Some(a), None) if !a.is_empty() => return Ok(None),
            _ => {}
        },
        _ => {}
    }
    Ok((left != right).then(|| right.clone()))
}

fn filled(map: Option<&Map>) -> Option<&Map> {
    map.filter(|map| !map.is_empty())
}

/// Whether merging needs no look at the type: the values are equal, and hold no list in which an element could occur
/// twice.
fn stays(left: &Value, right: &Value) -> bool {
    !matches!(right, Value::Array(list) if list.len() > 1) && flatly_equal(left, right)
}

/// The entries of a merged list or map, which are those of the left one up to the first change.
struct Out<'v, T> {
    left: &'v [T],
    changed: Option<Vec<T>>,
    /// How many entries of the left one have been taken.
    taken: usize,
}

impl<'v, T: Clone> Out<'v, T> {
    const fn new(left: &'v [T]) -> Self {
        Self {
            left,
            changed: None,
            taken: 0,
        }
    }

    /// Takes the next entry of the left one.
    fn keep(&mut self) {
        if let Some(out) = &mut self.changed {
            out.push(self.left[self.taken].clone());
        }
        self.taken += 1;
    }

    /// Takes something in the place of the next entry of the left one.
    fn replace(&mut self, entry: T, more: impl FnOnce() -> usize) {
        self.add(entry, more);
        self.taken += 1;
    }

    /// Takes something that the left one has not. At the first change it is asked how many entries there will be beside
    /// those of the left one.
    fn add(&mut self, entry: T, more: impl FnOnce() -> usize) {
        let (left, taken) = (self.left, self.taken);
        self.changed
            .get_or_insert_with(|| {
                let mut out = Vec::with_capacity(left.len() + more());
                out.extend_from_slice(&left[..taken]);
                out
            })
            .push(entry);
    }

    fn finish(mut self) -> Option<Vec<T>> {
        if let Some(out) = &mut self.changed {
            out.extend_from_slice(&self.left[self.taken..]);
        }
        self.changed
    }
}

fn merge_maps(left: &Map, right: &Map, map: MapType<'_>) -> Result<Option<Value>, Twice> {
    let a = left.entries();
    let mut out = Out::new(a);
    let mut cursor = 0;
    for (i, entry) in right.entries().iter().enumerate() {
        let (key, value) = entry;
        let more = || {
            let rest = right.entries()[i..].iter();
            rest.filter(|(key, _)| left.get(key).is_none()).count()
        };
        // Equality costs less than order, and most keys of the right map are keys of the left one.
        let before = loop {
            match a.get(out.taken) {
                Some((left, before)) if left == key => break Some(before),
                Some((left, _)) if left < key => out.keep(),
                _ => break None,
            }
        };
        let Some(before) = before else {
            out.add(entry.clone(), more);
            continue;
        };
        if stays(before, value) {
            out.keep();
            continue;
        }
        let ty = map.next_type(&mut cursor, key);
        match merge(before, value, ty)? {
            None => out.keep(),
            Some(after) => out.replace((key.clone(), after), more),
        }
    }
    Ok(out
        .finish()
        .map(|entries| Value::Object(Map::from_entries(entries))))
}

fn merge_lists(left: &Array, right: &Array, list: ListType<'_>) -> Result<Option<Value>, Twice> {
    let element = list.element();
    let identity = Identity::of(list);
    let a = identity.index(left, |_, _| {});
    let b = identity.index(right, |_, _| {});
    // Nearly always the same elements are in the same places.
    if a.same_identities(&b) && a.are_distinct() {
        let mut out = Out::new(left);
        for (before, value) in left.iter().zip(right) {
            let after = if stays(before, value) {
                None
            } else {
                merge(before, value, element)?
            };
            match after {
                None => out.keep(),
                Some(after) => out.replace(after, || 0),
            }
        }
        return Ok(out.finish().map(|values| Value::Array(values.into())));
    }
    let found = Matches::new(&a, &b).map_err(|j| identity.element(&b, j).to_string())?;
    let steps = found.interleave();
    let mut same = steps.len() == left.len();
    let mut merged = Vec::with_capacity(steps.len());
    for (at, step) in steps.into_iter().enumerate() {
        let (from, after) = match step {
            Step::Left(i) => (i, None),
            Step::Both(i, j) => (i, merge(&left[i], &right[j], element)?),
            Step::Right(j) => (left.len(), Some(right[j].clone())),
        };
        // Elements that only the left list has can stand where they stood.
        same &= after.is_none() && from == at;
        merged.push(after.unwrap_or_else(|| left[from].clone()));
    }
    Ok((!same).then(|| Value::Array(merged.into())))
}

enum Step {
    Left(usize),
    Right(usize),
    Both(usize, usize),
}

/// Which elements of two lists are one.
struct Matches {
    /// For each element of the left list its counterpart.
    to_right: Vec<Option<usize>>,
    /// For each element of the right list its counterpart, if that occurs only once.
    to_left: Vec<Option<usize>>,
    /// The elements of the right list that the left one has too, in order.
    shared: Vec<usize>,
}

impl Matches {
    /// Fails with the position of an element of the right list that occurs twice in it.
    fn new(a: &Items<'_>, b: &Items<'_>) -> Result<Self, usize> {
        let order = b.sorted();
        for pair in order.windows(2) {
            if Identity::compare(b, pair[0], b, pair[1]).is_eq() {
                return Err(pair[1]);
            }
        }
        let to_right: Vec<Option<usize>> = (0..a.len())
            .map(|i| {
                order
                    .binary_search_by(|&j| Identity::compare(b, j, a, i))
                    .ok()
                    .map(|found| order[found])
            })
            .collect();
        let mut times = vec![0_u32; b.len()];
        let mut to_left = vec![None; b.len()];
        for (i, j) in to_right.iter().enumerate() {
            if let Some(j) = *j {
                times[j] += 1;
                to_left[j] = (times[j] == 1).then_some(i);
            }
        }
        Ok(Self {
            to_right,
            to_left,
            shared: (0..b.len()).filter(|&j| times[j] > 0).collect(),
        })
    }

    /// The order of the merged list: the elements that both have in the order of the right list, those of the
    /// left list before the shared ones that they stand before, those of the right list where they stand.
    fn interleave(&self) -> Vec<Step> {
        let (left, right) = (self.to_right.len(), self.to_left.len());
        let mut steps = Vec::with_capacity(left.max(right));
        let mut merged = vec![false; right];
        let mut shared = self.shared.iter().copied();
        let mut next = shared.next();
        let (mut i, mut j) = (0, 0);
        let take = |j: usize| match self.to_left[j] {
            Some(i) => Step::Both(i, j),
            None => Step::Right(j),
        };
        while i < left || j < right {
            if i < left && j < right {
                if self.to_right[i] == Some(j) {
                    merged[j] = true;
                    steps.push(take(j));
                    i += 1;
                    j += 1;
                    next = shared.next();
                    continue;
                }
                if self.to_right[i].is_some() && next.is_some() && next != self.to_right[i] {
                    // Shared, but its turn is another.
                    i += 1;
                    continue;
                }
            }
            if i < left {
                match self.to_right[i] {
                    None => {
                        steps.push(Step::Left(i));
                        i += 1;
                        continue;
                    }
                    Some(of) if merged[of] => i += 1,
                    Some(_) => {}
                }
            }
            if j < right {
                merged[j] = true;
                steps.push(take(j));
                if next == Some(j) {
                    next = shared.next();
                }
                j += 1;
            }
        }
        steps
    }
}
