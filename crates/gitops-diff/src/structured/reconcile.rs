//! Bringing a field set in line with a schema that has changed since the set was made.

use super::path::PathElement;
use super::set::{FieldSet, Node};
use super::typed::Typed;
use crate::schema::{Scalar, TypeRef};

impl Typed<'_> {
    /// Brings a set of fields of this object in line with its type: of what has become atomic the manager owns
    /// the whole. What has become granular is treated as if it had always been so.
    ///
    /// Returns `None` where the set is in line.
    #[must_use]
    pub fn reconcile(&self, fields: &FieldSet) -> Option<FieldSet> {
        reconcile(fields, self.ty)
    }
}

/// What a set is to become below a place, or `None` where nothing changes.
fn reconcile(fields: &FieldSet, ty: TypeRef<'_>) -> Option<FieldSet> {
    let (map, list) = (ty.map(), ty.list());
    // A type that can be several things is taken for the first of map, scalar and list.
    if map.is_none() && ty.scalar().is_some() {
        return None;
    }
    if map.is_some_and(|map| map.is_empty() && map.element().is_some_and(is_free_form)) {
        return None;
    }
    let mut changed = false;
    let nodes: Vec<Node> = fields
        .nodes()
        .iter()
        .map(|node| {
            let below = match map {
                Some(map) => match &node.element {
                    PathElement::Field(name) => map.under(name),
                    _ => map.element(),
                },
                None => list.map(|list| list.element()),
            };
            match below.and_then(|ty| child(node, ty)) {
                None => node.clone(),
                Some(node) => {
                    changed = true;
                    node
                }
            }
        })
        .collect();
    changed.then(|| FieldSet::from_nodes(nodes))
}

/// What a node is to become, or `None` where nothing changes.
fn child(node: &Node, ty: TypeRef<'_>) -> Option<Node> {
    let atomic = match (ty.map(), ty.list()) {
        (Some(map), _) => {
            if map.is_empty() && map.element().is_some_and(is_free_form) {
                return None;
            }
            map.is_atomic()
        }
        (None, _) if ty.scalar().is_some() => false,
        (None, Some(list)) => list.is_atomic(),
        (None, None) => false,
    };
    if atomic {
        return (!node.children.is_empty()).then(|| Node {
            element: node.element.clone(),
            member: true,
            children: FieldSet::new(),
        });
    }
    Some(Node {
        element: node.element.clone(),
        member: node.member,
        children: reconcile(&node.children, ty)?,
    })
}

/// Whether values of the type are not described by a schema.
fn is_free_form(ty: TypeRef<'_>) -> bool {
    ty == TypeRef::deduced() || ty.name().is_empty() && ty.scalar() == Some(Scalar::Untyped)
}
