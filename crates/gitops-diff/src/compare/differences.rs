//! What differs between two values, place by place.

use std::collections::HashMap;

use gitops_manifest::{Map, Str, Value};

use super::{Difference, Why};
use crate::path::{Path, Step};
use crate::schema::{FieldRef, TypeKind, TypeRef};

/// Lists what differs between what would be and what is. Unless `exact`, a part that the API server writes even where nothing
/// is in it, as `{}`, is no other than none.
pub(super) fn find(
    after: &Map,
    before: &Map,
    ty: Option<TypeRef<'_>>,
    exact: bool,
) -> Vec<Difference> {
    let mut walk = Walk {
        path: Path::default(),
        found: Vec::new(),
        exact,
    };
    walk.maps(after, before, ty);
    walk.found
}

struct Walk {
    path: Path,
    found: Vec<Difference>,
    exact: bool,
}

/// Whether a field stands for nothing: empty, and written by the API server whether somebody set it or not.
fn is_nothing(ty: Option<TypeRef<'_>>, name: &str, value: &Value) -> bool {
    let empty = matches!(value, Value::Object(map) if map.is_empty());
    empty
        && ty.and_then(|ty| ty.field(name)).is_some_and(|field| {
            field.ty().kind() == TypeKind::Struct && !field.is_pointer() && !field.omits_zero()
        })
}

impl Walk {
    fn add(&mut self, step: Option<Step>, desired: Option<&Value>, live: Option<&Value>, why: Why) {
        let mut path = self.path.clone();
        path_push(&mut path, step);
        self.found.push(Difference {
            path,
            desired: desired.cloned(),
            live: live.cloned(),
            why,
        });
    }

    fn within(&mut self, step: Step, walk: impl FnOnce(&mut Self)) {
        self.path.push(step);
        walk(self);
        self.path.pop();
    }

    fn maps(&mut self, after: &Map, before: &Map, ty: Option<TypeRef<'_>>) {
        if after.ptr_eq(before) {
            return;
        }
        let mut afters = after.iter().peekable();
        for (key, before) in before {
            while let Some((new, value)) = afters.next_if(|(new, _)| *new < key) {
                self.only_after(new, value, ty);
            }
            match afters.next_if(|(new, _)| *new == key) {
                None if !self.exact && is_nothing(ty, key, before) => {}
                None => self.add(
                    Some(Step::Field(key.clone())),
                    None,
                    Some(before),
                    Why::ChangedInDesired,
                ),
                Some((_, after)) if after == before => {}
                Some((_, after)) => {
                    let field = ty.and_then(|ty| ty.field(key));
                    let below = field
                        .map(FieldRef::ty)
                        .or_else(|| ty.and_then(|ty| ty.under(key)));
                    self.within(Step::Field(key.clone()), |walk| {
                        walk.values(after, before, below, field);
                    });
                }
            }
        }
        for (new, value) in afters {
            self.only_after(new, value, ty);
        }
    }

    fn only_after(&mut self, name: &Str, value: &Value, ty: Option<TypeRef<'_>>) {
        if self.exact || !is_nothing(ty, name, value) {
            let step = Step::Field(name.clone());
            self.add(Some(step), Some(value), None, Why::ChangedInDesired);
        }
    }

    fn values(
        &mut self,
        after: &Value,
        before: &Value,
        ty: Option<TypeRef<'_>>,
        field: Option<FieldRef<'_>>,
    ) {
        match (after, before) {
            (Value::Object(after), Value::Object(before)) => self.maps(after, before, ty),
            (Value::Array(a), Value::Array(b)) => self.lists(a, b, ty, field),
            (after, before) => self.add(None, Some(after), Some(before), Why::ChangedInDesired),
        }
    }

    fn lists(
        &mut self,
        after: &[Value],
        before: &[Value],
        ty: Option<TypeRef<'_>>,
        field: Option<FieldRef<'_>>,
    ) {
        let list = ty.and_then(TypeRef::list);
        let element = list.map(|list| list.element());
        let merge_key = field.and_then(FieldRef::merge_key);
        let keys: Vec<Str> = match (merge_key, list.map(|list| list.keys())) {
            (_, Some(keys)) if !keys.is_empty() => keys.to_vec(),
            (Some(key), _) => vec![key.clone()],
            _ => by_habit(after, before),
        };
        if let (false, Some(a), Some(b)) = (
            keys.is_empty(),
            keyed(after, &keys, element),
            keyed(before, &keys, element),
        ) {
            return self.keyed_lists(&a, &b, element, after, before);
        }
        let scalars = after
            .iter()
            .chain(before)
            .all(|value| !matches!(value, Value::Object(_) | Value::Array(_)));
        if scalars {
            if is_permutation(after, before) {
                self.add(
                    None,
                    Some(&array(after)),
                    Some(&array(before)),
                    Why::OrderOnly,
                );
            } else {
                self.add(
                    None,
                    Some(&array(after)),
                    Some(&array(before)),
                    Why::ChangedInDesired,
                );
            }
            return;
        }
        for (i, (after, before)) in after.iter().zip(before).enumerate() {
            if after != before {
                self.within(Step::Index(i), |walk| {
                    walk.values(after, before, element, None);
                });
            }
        }
        let both = after.len().min(before.len());
        for (i, value) in after.iter().enumerate().skip(both) {
            self.add(
                Some(Step::Index(i)),
                Some(value),
                None,
                Why::ChangedInDesired,
            );
        }
        for (i, value) in before.iter().enumerate().skip(both) {
            self.add(
                Some(Step::Index(i)),
                None,
                Some(value),
                Why::ChangedInDesired,
            );
        }
    }

    fn keyed_lists(
        &mut self,
        after: &[(Vec<(Str, Value)>, &Value)],
        before: &[(Vec<(Str, Value)>, &Value)],
        element: Option<TypeRef<'_>>,
        whole_after: &[Value],
        whole_before: &[Value],
    ) {
        let places: HashMap<&Vec<(Str, Value)>, &Value> =
            before.iter().map(|(key, value)| (key, *value)).collect();
        let news: HashMap<&Vec<(Str, Value)>, &Value> =
            after.iter().map(|(key, value)| (key, *value)).collect();
        let count = self.found.len();
        for (key, value) in before {
            if !news.contains_key(key) {
                self.add(
                    Some(Step::Key(key.clone())),
                    None,
                    Some(value),
                    Why::ChangedInDesired,
                );
            }
        }
        for (key, value) in after {
            match places.get(key) {
                None => self.add(
                    Some(Step::Key(key.clone())),
                    Some(value),
                    None,
                    Why::ChangedInDesired,
                ),
                Some(before) if before == value => {}
                Some(before) => {
                    self.within(Step::Key(key.clone()), |walk| {
                        walk.values(value, before, element, None);
                    });
                }
            }
        }
        if self.found.len() == count {
            self.add(
                None,
                Some(&array(whole_after)),
                Some(&array(whole_before)),
                Why::OrderOnly,
            );
        }
    }
}

fn path_push(path: &mut Path, step: Option<Step>) {
    if let Some(step) = step {
        path.push(step);
    }
}

fn array(values: &[Value]) -> Value {
    values.to_vec().into()
}

/// Lists of custom resources have no declared keys; most name their elements all the same.
fn by_habit(after: &[Value], before: &[Value]) -> Vec<Str> {
    let all_have = |key: &str| {
        after
            .iter()
            .chain(before)
            .all(|value| value.get(key).is_some_and(|value| value.as_str().is_some()))
    };
    if all_have("name") {
        vec![Str::from_static("name")]
    } else {
        Vec::new()
    }
}

type KeyedElement<'v> = (Vec<(Str, Value)>, &'v Value);

/// The elements with their keys; `None` where one lacks a key, or two have the same.
fn keyed<'v>(
    list: &'v [Value],
    keys: &[Str],
    element: Option<TypeRef<'_>>,
) -> Option<Vec<KeyedElement<'v>>> {
    let mut seen = std::collections::HashSet::with_capacity(list.len());
    list.iter()
        .map(|value| {
            let map = value.as_object()?;
            let key = keys
                .iter()
                .filter_map(|key| {
                    let default = || element.and_then(|ty| ty.field(key)?.default()).cloned();
                    Some((key.clone(), map.get(key).cloned().or_else(default)?))
                })
                .collect::<Vec<_>>();
            (!key.is_empty() && seen.insert(key.clone())).then_some((key, value))
        })
        .collect()
}

fn is_permutation(a: &[Value], b: &[Value]) -> bool {
    let sorted = |list: &[Value]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}
