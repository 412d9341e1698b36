//! Taking fields out of a value, and taking out all others.

use gitops_manifest::{Array, Map, Value};

use super::items::Identity;
use super::path::PathElement;
use super::set::{FieldSet, Node};
use super::typed::{Shape, Typed};
use crate::schema::{ListType, MapType, TypeRef};

/// What is left of a list or map whose last element is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emptied {
    /// Null, as in structured-merge-diff 6.4.
    #[default]
    Null,
    /// An empty list or map, as in structured-merge-diff 6.3, which Kubernetes 1.36 uses.
    Empty,
}

impl<'s> Typed<'s> {
    /// Returns the value without these fields and elements.
    #[must_use]
    pub fn remove(&self, fields: &FieldSet, emptied: Emptied) -> Self {
        let value = remove(&self.value, fields, self.ty, emptied);
        Self { value, ty: self.ty }
    }

    /// Returns the value with these fields and elements alone.
    #[must_use]
    pub fn extract(&self, fields: &FieldSet) -> Self {
        Self {
            value: extract(&self.value, fields, self.ty),
            ty: self.ty,
        }
    }

    /// Returns the value with these fields and elements alone, and of each element its keys too.
    #[must_use]
    pub fn extract_with_keys(&self, fields: &FieldSet) -> Self {
        let own = self.field_set();
        self.extract(&with_keys(fields, &own))
    }
}

/// Adds the key fields of elements on the way to the members that `own` has too.
fn with_keys(fields: &FieldSet, own: &FieldSet) -> FieldSet {
    let nodes = fields.nodes().iter().map(|node| {
        let Some(counterpart) = own.node(&node.element) else {
            return node.clone();
        };
        let mut children = with_keys(&node.children, &counterpart.children);
        let reached =
            node.member && counterpart.member || node.children.intersects(&counterpart.children);
        if let (PathElement::Key(keys), true) = (&node.element, reached) {
            let keys = keys.keys().map(|name| Node {
                element: PathElement::Field(name.clone()),
                member: true,
                children: FieldSet::new(),
            });
            children = children.union(&FieldSet::from_nodes(keys.collect()));
        }
        Node {
            element: node.element.clone(),
            member: node.member,
            children,
        }
    });
    FieldSet::from_nodes(nodes.collect())
}

fn remove(value: &Value, fields: &FieldSet, ty: TypeRef<'_>, emptied: Emptied) -> Value {
    match Shape::of(ty, Some(value)) {
        Shape::Map(map) => match value.as_object() {
            Some(entries) if !entries.is_empty() && !map.is_atomic() => {
                remove_from_map(entries, fields, map, emptied)
            }
            _ => Value::Null,
        },
        Shape::List(list) => match value.as_array() {
            Some(values) if !values.is_empty() && !list.is_atomic() => {
                remove_from_list(values, fields, list, emptied)
            }
            _ => Value::Null,
        },
        Shape::Scalar(_) => value.clone(),
        Shape::Nothing => Value::Null,
    }
}

/// Removes from a child, and keeps its container where that is asked for.
fn remove_below(value: &Value, fields: &FieldSet, ty: TypeRef<'_>, emptied: Emptied) -> Value {
    let left = remove(value, fields, ty, emptied);
    match (value, emptied) {
        (Value::Object(_), Emptied::Empty) if left.is_null() => Value::Object(Map::new()),
        (Value::Array(_), Emptied::Empty) if left.is_null() => Value::Array(Array::new()),
        _ => left,
    }
}

fn remove_from_map(entries: &Map, fields: &FieldSet, map: MapType<'_>, emptied: Emptied) -> Value {
    if fields.is_empty() {
        return Value::Object(entries.clone());
    }
    let mut cursor = 0;
    let mut out = Vec::with_capacity(entries.len());
    // Keys and the fields of the set are sorted alike; other elements come after the fields.
    let mut nodes = fields.nodes().iter().peekable();
    let (mut same, mut reached) = (true, false);
    for (key, value) in entries {
        while nodes
            .next_if(|node| matches!(&node.element, PathElement::Field(name) if name < key))
            .is_some()
        {}
        let node =
            nodes.next_if(|node| matches!(&node.element, PathElement::Field(name) if name == key));
        match node {
            None => out.push((key.clone(), value.clone())),
            Some(node) if node.member => same = false,
            Some(node) => {
                reached = true;
                let ty = map.next_type(&mut cursor, key);
                let left = remove_below(value, &node.children, ty, emptied);
                same &= left.ptr_eq(value) || left == *value;
                out.push((key.clone(), left));
            }
        }
    }
    if same {
        return Value::Object(entries.clone());
    }
    if out.is_empty() && !(reached && emptied == Emptied::Empty) {
        return Value::Null;
    }
    Value::Object(Map::from_entries(out))
}

fn remove_from_list(
    values: &Array,
    fields: &FieldSet,
    list: ListType<'_>,
    emptied: Emptied,
) -> Value {
    if fields.is_empty() {
        return Value::Array(values.clone());
    }
    let element = list.element();
    let identity = Identity::of(list);
    let items = identity.index(values, |_, _| {});
    let mut out = Vec::with_capacity(values.len());
    let (mut same, mut reached) = (true, false);
    for (i, value) in values.iter().enumerate() {
        match fields.node(&identity.element(&items, i)) {
            None => out.push(value.clone()),
            Some(node) if node.member => same = false,
            Some(node) => {
                reached = true;
                let left = remove_below(value, &node.children, element, emptied);
                same &= left.ptr_eq(value) || left == *value;
                out.push(left);
            }
        }
    }
    if same {
        return Value::Array(values.clone());
    }
    if out.is_empty() && !(reached && emptied == Emptied::Empty) {
        return Value::Null;
    }
    Value::Array(out.into())
}

fn extract(value: &Value, fields: &FieldSet, ty: TypeRef<'_>) -> Value {
    match Shape::of(ty, Some(value)) {
        Shape::Map(map) => match value.as_object() {
            Some(entries) if !entries.is_empty() && !map.is_atomic() => {
                extract_from_map(entries, fields, map)
            }
            Some(entries) => Value::Object(entries.clone()),
            None => Value::Null,
        },
        Shape::List(list) => match value.as_array() {
            Some(values) if !values.is_empty() && !list.is_atomic() => {
                extract_from_list(values, fields, list)
            }
            Some(values) => Value::Array(values.clone()),
            None => Value::Null,
        },
        Shape::Scalar(_) => value.clone(),
        Shape::Nothing => Value::Null,
    }
}

fn extract_from_map(entries: &Map, fields: &FieldSet, map: MapType<'_>) -> Value {
    let mut out = Vec::new();
    for node in fields.nodes() {
        let PathElement::Field(name) = &node.element else {
            break;
        };
        let Some((key, value)) = entries.get_key_value(name) else {
            continue;
        };
        let ty = map.under(name).unwrap_or(TypeRef::deduced());
        // A member is taken with what the set has below it of itself: the set goes on from its own top.
        let below = if node.member { fields } else { &node.children };
        out.push((key.clone(), extract(value, below, ty)));
    }
    if out.is_empty() {
        return Value::Null;
    }
    Value::Object(Map::from_entries(out))
}

fn extract_from_list(values: &Array, fields: &FieldSet, list: ListType<'_>) -> Value {
    let element = list.element();
    let identity = Identity::of(list);
    let items = identity.index(values, |_, _| {});
    let mut out = Vec::new();
    for (i, value) in values.iter().enumerate() {
        if let Some(node) = fields.node(&identity.element(&items, i)) {
            out.push(if node.children.is_empty() {
                value.clone()
            } else {
                extract(value, &node.children, element)
            });
        }
    }
    if out.is_empty() {
        return Value::Null;
    }
    Value::Array(out.into())
}
