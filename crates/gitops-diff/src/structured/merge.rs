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

/// Merges what is under one key, or one element; takes the left value itself where nothing changes.
fn merged(left: &Value, right: &Value, ty: TypeRef<'_>, same: &mut bool) -> Result<Value, Twice> {
    let value = merge(left, right, ty)?;
    *same = *same && is_same(&value, left);
    Ok(value)
}

/// Whether a merged value is the left one: for lists and maps only where it is the same in memory.
fn is_same(value: &Value, left: &Value) -> bool {
    value.ptr_eq(left) || !matches!(value, Value::Array(_) | Value::Object(_)) && value == left
}

fn merge_maps(left: &Map, right: &Map, map: MapType<'_>) -> Result<Value, Twice> {
    let element = map.element();
    let (mut a, mut b) = (left.entries(), right.entries());
    let mut out = Vec::new();
    let mut same = true;
    let mut cursor = 0;
    while let (Some((ak, av)), Some((bk, bv))) = (a.first(), b.first()) {
        match ak.cmp(bk) {
            std::cmp::Ordering::Less => {
                out.push(a[0].clone());
                a = &a[1..];
            }
            std::cmp::Ordering::Greater => {
                same = false;
                out.push(b[0].clone());
                b = &b[1..];
            }
            std::cmp::Ordering::Equal => {
                let field = map.next_field(&mut cursor, ak).map(|field| field.ty());
                let ty = field.or(element).unwrap_or(TypeRef::deduced());
                out.push((ak.clone(), merged(av, bv, ty, &mut same)?));
                a = &a[1..];
                b = &b[1..];
            }
        }
    }
    if same && b.is_empty() {
        return Ok(Value::Object(left.clone()));
    }
    out.extend_from_slice(a);
    out.extend_from_slice(b);
    Ok(Value::Object(Map::from_entries(out)))
}

fn merge_lists(left: &Array, right: &Array, list: ListType<'_>) -> Result<Value, Twice> {
    let element = list.element();
    let identity = Identity::of(list);
    let a = identity.index(left, |_, _| {});
    let b = identity.index(right, |_, _| {});
    let mut same = true;
    let mut out = Vec::with_capacity(a.len().max(b.len()));
    // Nearly always the same elements are in the same places.
    let found = if a.same_identities(&b) {
        let order = a.sorted();
        let twice = |pair: &[usize]| Identity::compare(&a, pair[0], &a, pair[1]).is_eq();
        if !order.windows(2).any(twice) {
            for (left, right) in left.iter().zip(right) {
                out.push(merged(left, right, element, &mut same)?);
            }
            None
        } else {
            Some(Matches::new(&a, &b))
        }
    } else {
        Some(Matches::new(&a, &b))
    };
    if let Some(found) = found {
        let found = found.map_err(|j| identity.element(&b, j).to_string())?;
        same = false;
        for step in found.interleave() {
            out.push(match step {
                Step::Left(i) => left[i].clone(),
                Step::Right(j) => right[j].clone(),
                Step::Both(i, j) => merge(&left[i], &right[j], element)?,
            });
        }
    }
    if same {
        return Ok(Value::Array(left.clone()));
    }
    Ok(Value::Array(out.into()))
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
