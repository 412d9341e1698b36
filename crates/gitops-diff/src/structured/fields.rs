//! The set of the fields of a value.

use gitops_manifest::{Array, Map, Value};

use super::items::Identity;
use super::path::PathElement;
use super::set::{FieldSet, Node};
use super::typed::{Shape, Typed};
use crate::schema::{ListType, MapType, TypeRef};

impl Typed<'_> {
    /// Returns the set of the fields that the value mentions: leaves, what is owned as a whole, elements of
    /// sets and keyed lists, and keys of maps that are not fields of a struct.
    #[must_use]
    pub fn field_set(&self) -> FieldSet {
        fields(&self.value, self.ty).1
    }
}

/// Whether the place of the value itself is a member, and the members below.
pub(super) fn fields(value: &Value, ty: TypeRef<'_>) -> (bool, FieldSet) {
    match Shape::of(ty, Some(value)) {
        Shape::Scalar(_) => (true, FieldSet::new()),
        Shape::Map(map) if map.is_atomic() => (true, FieldSet::new()),
        Shape::List(list) if list.is_atomic() => (true, FieldSet::new()),
        Shape::Map(map) => (
            false,
            value
                .as_object()
                .map_or_else(FieldSet::new, |entries| of_map(entries, map)),
        ),
        Shape::List(list) => (
            false,
            value
                .as_array()
                .map_or_else(FieldSet::new, |values| of_list(values, list)),
        ),
        Shape::Nothing => (false, FieldSet::new()),
    }
}

fn of_map(entries: &Map, map: MapType<'_>) -> FieldSet {
    let element = map.element();
    let mut cursor = 0;
    let mut nodes = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let field = map.next_field(&mut cursor, key);
        let Some(ty) = field.map(|field| field.ty()).or(element) else {
            continue;
        };
        let (member, children) = fields(value, ty);
        let empty = match value {
            Value::Null => true,
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        let member = member || empty || field.is_none();
        if member || !children.is_empty() {
            nodes.push(Node {
                element: PathElement::Field(key.clone()),
                member,
                children,
            });
        }
    }
    FieldSet::from_nodes(nodes)
}

fn of_list(values: &Array, list: ListType<'_>) -> FieldSet {
    let element = list.element();
    let identity = Identity::of(list);
    let items = identity.index(values, |_, _| {});
    let order = items.sorted();
    let mut nodes: Vec<Node> = Vec::with_capacity(order.len());
    for run in order.chunk_by(|&i, &j| Identity::compare(&items, i, &items, j).is_eq()) {
        nodes.push(Node {
            element: identity.element(&items, run[0]),
            member: true,
            // Of elements that occur more than once only the place is owned.
            children: match run {
                [one] => fields(&items.values[*one], element).1,
                _ => FieldSet::new(),
            },
        });
    }
    FieldSet::from_nodes(nodes)
}

impl FieldSet {
    /// Returns the leaves of a value without a schema. Elements of lists are told apart by the fields `id`,
    /// `key` and `name` where these are scalars, and by position otherwise.
    #[must_use]
    pub fn of_value(value: &Value) -> Self {
        guess(value, 0).1
    }
}

fn guess(value: &Value, depth: usize) -> (bool, FieldSet) {
    if depth > super::typed::MAX_DEPTH {
        return (true, FieldSet::new());
    }
    let mut nodes: Vec<Node> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (PathElement::Field(key.clone()), value))
            .map(|(element, value)| node(element, guess(value, depth + 1)))
            .collect(),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .map(|(i, value)| {
                let index = PathElement::Index(i64::try_from(i).unwrap_or(i64::MAX));
                let keys: Map = ["id", "key", "name"]
                    .into_iter()
                    .filter_map(|name| Some((name, value.get(name)?.clone())))
                    .filter(|(_, key)| {
                        !matches!(key, Value::Null | Value::Array(_) | Value::Object(_))
                    })
                    .collect();
                let element = if keys.is_empty() {
                    index
                } else {
                    PathElement::Key(keys)
                };
                node(element, guess(value, depth + 1))
            })
            .collect(),
        _ => return (true, FieldSet::new()),
    };
    nodes.retain(|node| node.member || !node.children.is_empty());
    nodes.sort_by(|a, b| a.element.cmp(&b.element));
    nodes.dedup_by(|later, earlier| {
        let same = later.element == earlier.element;
        if same {
            earlier.member |= later.member;
            earlier.children = earlier.children.union(&later.children);
        }
        same
    });
    (false, FieldSet::from_nodes(nodes))
}

fn node(element: PathElement, (member, children): (bool, FieldSet)) -> Node {
    Node {
        element,
        member,
        children,
    }
}
