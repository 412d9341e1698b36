//! The three-way merge of last-applied, desired and live in one walk.
//!
//! Argo CD and `kubectl` make a patch and apply it to live. The walk gives the same result without either: it goes down the
//! three side by side, answers “live stays as it is” without allocating, and copies only the levels above a change.

use std::collections::HashMap;

use gitops_manifest::{Array, Map, Str, Value};

use crate::normalize::{quantity, time};
use crate::schema::{FieldRef, TypeKind, TypeRef};

/// What becomes of a value of live.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Same,
    Set(Value),
    Remove,
}

/// How the walk is done.
#[derive(Clone, Copy)]
pub(super) struct Merge {
    /// Text that is another spelling of one quantity or duration is the same where there is no type to tell.
    pub(super) spellings: bool,
}

/// What is known of the value under a key.
#[derive(Clone, Copy)]
struct Place<'s> {
    /// `None`: there is no schema, and JSON merge rules hold.
    ty: Option<TypeRef<'s>>,
    field: Option<FieldRef<'s>>,
    /// Lists are compared after live is cut down to what last-applied has.
    cut: bool,
}

impl Merge {
    /// Merges `desired` into `live`; fields that `last_applied` has and `desired` lacks are removed. `None`: live stays as it is.
    pub(super) fn object(
        self,
        last_applied: &Map,
        desired: &Map,
        live: &Map,
        ty: Option<TypeRef<'_>>,
        claims_cut: bool,
    ) -> Option<Map> {
        self.map(Some(last_applied), desired, live, ty, false, claims_cut)
    }

    fn map(
        self,
        last: Option<&Map>,
        desired: &Map,
        live: &Map,
        ty: Option<TypeRef<'_>>,
        retain_keys: bool,
        claims_cut: bool,
    ) -> Option<Map> {
        if desired.ptr_eq(live) {
            return None;
        }
        let shape = ty.and_then(TypeRef::map);
        let retains = retain_keys && desired.values().any(|value| !value.is_null());
        let mut out: Option<Map> = None;
        let mut cursor = 0;
        let as_applied = last.is_some_and(|last| last.ptr_eq(desired));
        // Where desired is what was applied nothing is to be removed.
        let mut lasts = last
            .filter(|_| !as_applied)
            .map_or(&[][..], Map::entries)
            .iter()
            .peekable();
        let mut lives = live.entries().iter().peekable();
        // Live alone: gone if it was applied before, or if the type keeps only what desired names.
        let mut alone = |key: &Str, out: &mut Option<Map>| {
            while lasts.next_if(|(last, _)| last < key).is_some() {}
            if retains || lasts.peek().is_some_and(|(last, _)| last == key) {
                out.get_or_insert_with(|| live.clone()).remove(key);
            }
        };
        for (key, after) in desired {
            while let Some((extra, _)) = lives.next_if(|(live, _)| live < key) {
                alone(extra, &mut out);
            }
            let Some((_, now)) = lives.next_if(|(live, _)| live == key) else {
                if !after.is_null()
                    && let Some(new) = clean(after)
                {
                    out.get_or_insert_with(|| live.clone())
                        .insert(key.clone(), new);
                }
                continue;
            };
            if after.ptr_eq(now) {
                continue;
            }
            let field = shape.and_then(|shape| shape.next_field(&mut cursor, key));
            let below = match (ty, field) {
                (_, Some(field)) => Some(field.ty()),
                (Some(ty), None) => Some(ty.under(key).unwrap_or(TypeRef::deduced())),
                (None, None) => None,
            };
            let place = Place {
                ty: below,
                field,
                cut: ty.is_none() || (claims_cut && key == "volumeClaimTemplates"),
            };
            let before = if as_applied {
                Some(after)
            } else {
                last.and_then(|last| last.get(key))
            };
            match self.value(before, after, now, place, claims_cut) {
                Outcome::Same => {}
                Outcome::Set(value) => {
                    out.get_or_insert_with(|| live.clone())
                        .insert(key.clone(), value);
                }
                Outcome::Remove => {
                    out.get_or_insert_with(|| live.clone()).remove(key);
                }
            }
        }
        for (extra, _) in lives {
            alone(extra, &mut out);
        }
        out
    }

    fn value(
        self,
        last: Option<&Value>,
        desired: &Value,
        live: &Value,
        place: Place<'_>,
        claims_cut: bool,
    ) -> Outcome {
        match (desired, live) {
            (Value::Object(after), Value::Object(now)) => {
                let patch = place.field.map(FieldRef::patch).unwrap_or_default();
                if patch.replace {
                    return replaced(desired, live);
                }
                let last = last.and_then(Value::as_object);
                self.map(last, after, now, place.ty, patch.retain_keys, claims_cut)
                    .map_or(Outcome::Same, |map| Outcome::Set(map.into()))
            }
            (Value::Array(after), Value::Array(now)) => {
                if after.ptr_eq(now) {
                    return Outcome::Same;
                }
                if let Some(field) = place.field.filter(|field| field.patch().merge)
                    && let Some(list) = place.ty.and_then(TypeRef::list)
                {
                    let last = last.and_then(Value::as_array).map_or(&[][..], |list| list);
                    let merged = match field.merge_key() {
                        Some(key) => Keyed {
                            merge: self,
                            key,
                            keys: list.keys(),
                            element: list.element(),
                            retain_keys: field.patch().retain_keys,
                            claims_cut,
                        }
                        .merge(last, after, now),
                        None if list.element().kind() != TypeKind::Struct => {
                            Some(scalars(last, after, now))
                        }
                        None => None,
                    };
                    if let Some(outcome) = merged {
                        return outcome;
                    }
                }
                if place.cut && self.equal_cut(last, desired, live) {
                    return Outcome::Same;
                }
                replaced(desired, live)
            }
            (Value::Null, Value::Null) => Outcome::Same,
            // Without a schema a null is a wish to remove; where it was there before, nothing has changed.
            (Value::Null, _) if place.ty.is_none() && last.is_some_and(Value::is_null) => {
                Outcome::Same
            }
            (Value::Null, _) => Outcome::Remove,
            (desired, live)
                if self.equal(
                    desired,
                    live,
                    place.ty.is_none_or(|ty| ty.kind() == TypeKind::Any),
                ) =>
            {
                Outcome::Same
            }
            (desired, _) => clean(desired).map_or(Outcome::Remove, Outcome::Set),
        }
    }

    fn equal(self, a: &Value, b: &Value, untyped: bool) -> bool {
        if a == b {
            return true;
        }
        match (a, b) {
            (Value::String(a), Value::String(b)) if self.spellings && untyped => {
                quantity::same(a, b) || time::same_duration(a, b)
            }
            _ => false,
        }
    }

    /// Whether desired equals live cut down to the fields that last-applied has; lists by index.
    fn equal_cut(self, last: Option<&Value>, desired: &Value, live: &Value) -> bool {
        match (last, desired, live) {
            (Some(Value::Object(last)), Value::Object(desired), Value::Object(live)) => {
                let left = last.keys().filter(|key| live.contains_key(key)).count();
                left == desired.len()
                    && desired.iter().all(|(key, after)| {
                        matches!((last.get(key), live.get(key)), (Some(last), Some(live))
                            if self.equal_cut(Some(last), after, live))
                    })
            }
            (Some(Value::Array(last)), Value::Array(desired), Value::Array(live)) => {
                desired.len() == live.len()
                    && desired
                        .iter()
                        .zip(live.iter())
                        .enumerate()
                        .all(|(i, (after, live))| self.equal_cut(last.get(i), after, live))
            }
            (_, desired, live) => self.equal(desired, live, true),
        }
    }
}

fn replaced(desired: &Value, live: &Value) -> Outcome {
    if desired == live {
        Outcome::Same
    } else {
        Outcome::Set(desired.clone())
    }
}

/// What a value looks like once it is put where there was none: without null members.
pub(super) fn clean(value: &Value) -> Option<Value> {
    fn has_null(value: &Value) -> bool {
        match value {
            Value::Object(map) => map.values().any(|value| value.is_null() || has_null(value)),
            Value::Array(list) => list.iter().any(has_null),
            _ => false,
        }
    }
    fn strip(value: &Value) -> Value {
        match value {
            Value::Object(map) => Map::from_entries(
                map.iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key.clone(), strip(value)))
                    .collect(),
            )
            .into(),
            Value::Array(list) => list.iter().map(strip).collect::<Vec<_>>().into(),
            value => value.clone(),
        }
    }
    match value {
        Value::Null => None,
        value if has_null(value) => Some(strip(value)),
        value => Some(value.clone()),
    }
}

/// A list whose elements are told apart by a key.
struct Keyed<'s> {
    merge: Merge,
    /// The one key of strategic merge.
    key: &'s str,
    /// The keys of structured merge, which tell apart what one key cannot: two ports of one number.
    keys: &'s [Str],
    element: TypeRef<'s>,
    retain_keys: bool,
    claims_cut: bool,
}

impl Keyed<'_> {
    /// `None` where an element lacks the key, so that the list can only be compared as a whole.
    fn merge(&self, last: &[Value], desired: &Array, live: &Array) -> Option<Outcome> {
        let keyed = |list: &[Value]| list.iter().all(|value| value.get(self.key).is_some());
        if !keyed(last) || !keyed(desired) || !keyed(live) {
            return None;
        }
        if self.aligned(desired, live) {
            let last_aligned = self.aligned(desired, last);
            let of_last = if last_aligned {
                Vec::new()
            } else {
                self.pair(desired, last)
            };
            let mut out: Option<Array> = None;
            for (i, (after, now)) in desired.iter().zip(live.iter()).enumerate() {
                let before = if last_aligned {
                    last.get(i)
                } else {
                    of_last[i].map(|i| &last[i])
                };
                if let Some(merged) = self.element(before, after, now) {
                    out.get_or_insert_with(|| live.clone()).make_mut()[i] = merged;
                }
            }
            return Some(out.map_or(Outcome::Same, |list| Outcome::Set(list.into())));
        }
        Some(self.rearranged(last, desired, live))
    }

    fn rearranged(&self, last: &[Value], desired: &[Value], live: &[Value]) -> Outcome {
        let to_live = self.pair(desired, live);
        let to_last = self.pair(desired, last);
        let mut matched = vec![false; live.len()];
        for i in to_live.iter().flatten() {
            matched[*i] = true;
        }
        // Elements of last-applied that desired has no more take their like in live with them.
        let mut kept_last = vec![false; last.len()];
        for i in to_last.iter().flatten() {
            kept_last[*i] = true;
        }
        let gone: Vec<Value> = (0..last.len())
            .filter(|i| !kept_last[*i])
            .map(|i| last[i].clone())
            .collect();
        let others: Vec<usize> = (0..live.len()).filter(|i| !matched[*i]).collect();
        let other_values: Vec<Value> = others.iter().map(|i| live[*i].clone()).collect();
        let mut deleted = vec![false; live.len()];
        for i in self.pair(&gone, &other_values).into_iter().flatten() {
            deleted[others[i]] = true;
        }
        let mut others = others.into_iter().filter(|i| !deleted[*i]).peekable();
        let mut out = Vec::with_capacity(desired.len() + live.len());
        let mut same = true;
        for (i, after) in desired.iter().enumerate() {
            if let Some(at) = to_live[i] {
                // What only live has stays before what it stood before.
                while let Some(other) = others.next_if(|other| *other < at) {
                    same &= out.len() == other;
                    out.push(live[other].clone());
                }
                same &= out.len() == at;
                let before = to_last[i].map(|i| &last[i]);
                match self.element(before, after, &live[at]) {
                    Some(merged) => {
                        same = false;
                        out.push(merged);
                    }
                    None => out.push(live[at].clone()),
                }
            } else {
                same = false;
                out.extend(clean(after));
            }
        }
        for other in others {
            same &= out.len() == other;
            out.push(live[other].clone());
        }
        if same && out.len() == live.len() {
            Outcome::Same
        } else {
            Outcome::Set(out.into())
        }
    }

    fn element(&self, last: Option<&Value>, desired: &Value, live: &Value) -> Option<Value> {
        match (desired, live) {
            (Value::Object(after), Value::Object(now)) => self
                .merge
                .map(
                    last.and_then(Value::as_object),
                    after,
                    now,
                    Some(self.element),
                    self.retain_keys,
                    self.claims_cut,
                )
                .map(Value::from),
            _ => (desired != live).then(|| desired.clone()),
        }
    }

    /// Whether the elements of both lists have the same keys in the same order.
    fn aligned(&self, a: &[Value], b: &[Value]) -> bool {
        a.len() == b.len()
            && a.iter()
                .zip(b)
                .all(|(a, b)| a.get(self.key) == b.get(self.key) && self.alike(a, b))
    }

    /// Whether two elements with one merge key agree in the other keys; an absent one has its default.
    fn alike(&self, a: &Value, b: &Value) -> bool {
        if self.keys.len() < 2 {
            return true;
        }
        self.keys.iter().all(|key| {
            let default = || self.element.field(key).and_then(FieldRef::default);
            a.get(key).or_else(default) == b.get(key).or_else(default)
        })
    }

    /// For each element of `a` the index of its like in `b`.
    ///
    /// The merge key decides. Where it occurs more than once the keys of structured merge do, and where these do not tell either,
    /// the first goes with the first and the second with the second.
    fn pair(&self, a: &[Value], b: &[Value]) -> Vec<Option<usize>> {
        let mut places: HashMap<&Value, Vec<usize>> = HashMap::with_capacity(b.len());
        for (i, value) in b.iter().enumerate() {
            places.entry(&value[self.key]).or_default().push(i);
        }
        let mut pairs = vec![None; a.len()];
        for exact in [true, false] {
            for (pair, value) in pairs.iter_mut().zip(a).filter(|(pair, _)| pair.is_none()) {
                let Some(candidates) = places.get_mut(&value[self.key]) else {
                    continue;
                };
                let found = if exact {
                    candidates.iter().position(|at| self.alike(value, &b[*at]))
                } else {
                    (!candidates.is_empty()).then_some(0)
                };
                *pair = found.map(|found| candidates.remove(found));
            }
        }
        pairs
    }
}

/// A set of scalars: what desired has is added, what last-applied had and desired has not is removed.
fn scalars(last: &[Value], desired: &Array, live: &Array) -> Outcome {
    if desired == live {
        return Outcome::Same;
    }
    let wanted: std::collections::HashSet<&Value> = desired.iter().collect();
    let removed = |value: &&Value| last.contains(value) && !wanted.contains(*value);
    let place: HashMap<&Value, usize> = live
        .iter()
        .enumerate()
        .rev()
        .map(|(i, value)| (value, i))
        .collect();
    let mut others = live
        .iter()
        .enumerate()
        .filter(|(_, value)| !wanted.contains(value) && !removed(value))
        .peekable();
    let mut out: Vec<Value> = Vec::with_capacity(live.len() + desired.len());
    let mut seen = std::collections::HashSet::new();
    for value in desired {
        if !seen.insert(value) {
            continue;
        }
        if let Some(at) = place.get(value) {
            while let Some((_, other)) = others.next_if(|(i, _)| i < at) {
                out.push(other.clone());
            }
        }
        out.push(value.clone());
    }
    out.extend(others.map(|(_, value)| value.clone()));
    if out[..] == live[..] {
        Outcome::Same
    } else {
        Outcome::Set(out.into())
    }
}
