//! Merging a configuration into a value.

use gitops_manifest::{Array, Map, Value};

use super::items::{Identity, Items};
use super::path::FieldPath;
use super::typed::{Shape, Typed, Unfit, Violation};
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
        Ok(Self { value, ty: self.ty })
    }
}

/// The path element that occurs twice.
type Twice = String;

fn merge(left: &Value, right: &Value, ty: TypeRef<'_>) -> Result<Value, Twice> {
    if left.ptr_eq(right) {
        return Ok(left.clone());
    }
    match Shape::of(ty, Some(right)) {
        Shape::Map(map) => {
            let (a, b) = (left.as_object(), right.as_object());
            if map.is_atomic() || a.is_none_or(Map::is_empty) && b.is_none_or(Map::is_empty) {
                return Ok(right.clone());
            }
            match (a, b) {
                (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => merge_maps(a, b, map),
                // One side is null, empty or something else: the other side stands.
                (Some(a), _) if !a.is_empty() => Ok(Value::Object(a.clone())),
                _ => Ok(right.clone()),
            }
        }
        Shape::List(list) => {
            let (a, b) = (left.as_array(), right.as_array());
            let empty = |list: Option<&Array>| list.is_none_or(|list| list.is_empty());
            if list.is_atomic() || empty(a) && empty(b) {
                return Ok(right.clone());
            }
            match (a, b) {
                (Some(a), Some(b)) => merge_lists(a, b, list),
                (Some(a), None) => Ok(Value::Array(a.clone())),
                _ => Ok(right.clone()),
            }
        }
        Shape::Scalar(_) | Shape::Nothing => Ok(right.clone()),
    }
}

/// Whether a merged value is the left one: for lists and maps only where it is the same in memory.
fn is_same(value: &Value, left: &Value) -> bool {
    value.ptr_eq(left) || !matches!(value, Value::Array(_) | Value::Object(_)) && value == left
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
    fn replace(&mut self, entry: T, room: usize) {
        self.add(entry, room);
        self.taken += 1;
    }

    /// Takes something that the left one has not.
    fn add(&mut self, entry: T, room: usize) {
        let (left, taken) = (self.left, self.taken);
        self.changed
            .get_or_insert_with(|| {
                let mut out = Vec::with_capacity(left.len() + room);
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

fn merge_maps(left: &Map, right: &Map, map: MapType<'_>) -> Result<Value, Twice> {
    let element = map.element();
    let a = left.entries();
    let mut out = Out::new(a);
    let mut cursor = 0;
    for (i, entry) in right.entries().iter().enumerate() {
        let (key, value) = entry;
        let room = right.len() - i;
        while a.get(out.taken).is_some_and(|(left, _)| left < key) {
            out.keep();
        }
        match a.get(out.taken) {
            Some((same, before)) if same == key => {
                let field = map.next_field(&mut cursor, key).map(|field| field.ty());
                let ty = field.or(element).unwrap_or(TypeRef::deduced());
                let after = merge(before, value, ty)?;
                if is_same(&after, before) {
                    out.keep();
                } else {
                    out.replace((same.clone(), after), room);
                }
            }
            _ => out.add(entry.clone(), room),
        }
    }
    Ok(match out.finish() {
        Some(entries) => Value::Object(Map::from_entries(entries)),
        None => Value::Object(left.clone()),
    })
}

fn merge_lists(left: &Array, right: &Array, list: ListType<'_>) -> Result<Value, Twice> {
    let element = list.element();
    let identity = Identity::of(list);
    let a = identity.index(left, |_, _| {});
    let b = identity.index(right, |_, _| {});
    let mut out = Out::new(left);
    // Nearly always the same elements are in the same places.
    if a.same_identities(&b) && a.are_distinct() {
        for (before, value) in left.iter().zip(right) {
            let after = merge(before, value, element)?;
            if is_same(&after, before) {
                out.keep();
            } else {
                out.replace(after, 0);
            }
        }
        return Ok(match out.finish() {
            Some(values) => Value::Array(values.into()),
            None => Value::Array(left.clone()),
        });
    }
    let found = Matches::new(&a, &b).map_err(|j| identity.element(&b, j).to_string())?;
    let merged = found
        .interleave()
        .into_iter()
        .map(|step| match step {
            Step::Left(i) => Ok(left[i].clone()),
            Step::Right(j) => Ok(right[j].clone()),
            Step::Both(i, j) => merge(&left[i], &right[j], element),
        })
        .collect::<Result<Vec<_>, _>>()?;
    // Elements that only the left list has can stand where they stood.
    if merged.len() == left.len() && merged.iter().zip(left).all(|(a, b)| is_same(a, b)) {
        return Ok(Value::Array(left.clone()));
    }
    Ok(Value::Array(merged.into()))
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
