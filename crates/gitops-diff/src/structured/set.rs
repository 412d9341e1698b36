use std::cmp::Ordering;
use std::sync::Arc;

use super::packed::Packed;
use super::path::{FieldPath, PathElement};
use crate::schema::TypeRef;

/// A set of fields of an object: what a manager owns, or what a comparison has found.
///
/// A tree whose nodes are sorted by path element, shared by reference count: operations walk two trees in
/// step and take over whole subtrees. A parent of a member is not a member by that.
///
/// ```
/// use gitops_diff::structured::{FieldSet, FieldPath};
///
/// let image = FieldPath::of_fields(&["spec", "image"]);
/// let a = FieldSet::from_paths([&image, &FieldPath::of_fields(&["spec", "replicas"])]);
/// let b = FieldSet::from_paths([&image]);
/// assert_eq!(a.difference(&b).paths().map(|path| path.to_string()).collect::<Vec<_>>(), [".spec.replicas"]);
/// assert_eq!(b.to_json(), r#"{"f:spec":{"f:image":{}}}"#);
/// ```
#[derive(Clone, Debug, Default)]
pub struct FieldSet(Option<Arc<Tree>>);

/// The nodes of a set that is not empty.
#[derive(Clone, Debug)]
enum Tree {
    Nodes(Vec<Node>),
    /// They are read when somebody asks for them.
    Packed(Box<Packed>),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Nodes(Vec::new())
    }
}

impl Tree {
    fn nodes(&self) -> &[Node] {
        match self {
            Self::Nodes(nodes) => nodes,
            Self::Packed(packed) => packed.nodes(),
        }
    }

    fn nodes_mut(&mut self) -> &mut Vec<Node> {
        if let Self::Packed(packed) = self {
            *self = Self::Nodes(packed.nodes().to_vec());
        }
        match self {
            Self::Nodes(nodes) => nodes,
            Self::Packed(_) => unreachable!("it has just been made a list of nodes"),
        }
    }
}

/// A path element in a set: a member itself, or with members below it, or both. Never neither.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) element: PathElement,
    pub(super) member: bool,
    pub(super) children: FieldSet,
}

impl Node {
    const fn is_empty(&self) -> bool {
        !self.member && self.children.0.is_none()
    }
}

impl PartialEq for FieldSet {
    fn eq(&self, other: &Self) -> bool {
        self.ptr_eq(other)
            || self.nodes().len() == other.nodes().len()
                && self.nodes().iter().zip(other.nodes()).all(|(a, b)| {
                    a.member == b.member && a.element == b.element && a.children == b.children
                })
    }
}

impl Eq for FieldSet {}

impl FieldSet {
    /// Makes an empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Makes a set of paths. The empty path, the object as a whole, is never a member.
    #[must_use]
    pub fn from_paths<'p>(paths: impl IntoIterator<Item = &'p FieldPath>) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(path);
        }
        set
    }

    /// Takes nodes that are sorted and distinct. Empty ones are dropped.
    pub(super) fn from_nodes(nodes: Vec<Node>) -> Self {
        debug_assert!(nodes.is_sorted_by(|a, b| a.element < b.element));
        debug_assert!(nodes.iter().all(|node| !node.is_empty()));
        if nodes.is_empty() {
            Self(None)
        } else {
            Self(Some(Arc::new(Tree::Nodes(nodes))))
        }
    }

    pub(super) fn from_packed(packed: Packed) -> Self {
        Self(Some(Arc::new(Tree::Packed(Box::new(packed)))))
    }

    pub(super) fn nodes(&self) -> &[Node] {
        self.0.as_deref().map_or(&[], Tree::nodes)
    }

    fn ptr_eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    /// Whether there is no member.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns how many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes()
            .iter()
            .map(|node| usize::from(node.member) + node.children.len())
            .sum()
    }

    /// Adds a field. The empty path is no field and changes nothing.
    pub fn insert(&mut self, path: &FieldPath) {
        self.insert_elements(path.elements());
    }

    fn insert_elements(&mut self, elements: &[PathElement]) {
        let Some((first, rest)) = elements.split_first() else {
            return;
        };
        let nodes = Arc::make_mut(self.0.get_or_insert_default()).nodes_mut();
        let i = nodes
            .binary_search_by(|node| node.element.cmp(first))
            .unwrap_or_else(|i| {
                nodes.insert(
                    i,
                    Node {
                        element: first.clone(),
                        member: false,
                        children: Self::new(),
                    },
                );
                i
            });
        if rest.is_empty() {
            nodes[i].member = true;
        } else {
            nodes[i].children.insert_elements(rest);
        }
    }

    pub(super) fn node(&self, element: &PathElement) -> Option<&Node> {
        let nodes = self.nodes();
        let i = nodes
            .binary_search_by(|node| node.element.cmp(element))
            .ok()?;
        Some(&nodes[i])
    }

    /// Whether the field at this path is a member.
    #[must_use]
    pub fn has(&self, path: &FieldPath) -> bool {
        let Some((last, parents)) = path.elements().split_last() else {
            return false;
        };
        parents
            .iter()
            .try_fold(self, |set, element| Some(&set.node(element)?.children))
            .and_then(|set| set.node(last))
            .is_some_and(|node| node.member)
    }

    /// Returns the members below a path element, without it.
    #[must_use]
    pub fn below(&self, element: &PathElement) -> Self {
        self.node(element)
            .map_or_else(Self::new, |node| node.children.clone())
    }

    /// Returns what is in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if other.is_empty() || self.ptr_eq(other) {
            return self.clone();
        }
        if self.is_empty() {
            return other.clone();
        }
        let mut nodes = Vec::with_capacity(self.nodes().len().max(other.nodes().len()));
        zip(self.nodes(), other.nodes(), |pair| match pair {
            Pair::Left(node) | Pair::Right(node) => nodes.push(node.clone()),
            Pair::Both(a, b) => nodes.push(Node {
                element: a.element.clone(),
                member: a.member || b.member,
                children: a.children.union(&b.children),
            }),
        });
        Self::from_nodes(nodes)
    }

    /// Returns what is in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.ptr_eq(other) {
            return self.clone();
        }
        self.pairs(other, |a, b| {
            let b = b?;
            Some((a.member && b.member, a.children.intersection(&b.children)))
        })
    }

    /// Returns what is in this set and not in the other. A member of the other takes away nothing below it.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        if self.ptr_eq(other) {
            return Self::new();
        }
        self.pairs(other, |a, b| {
            Some(match b {
                None => (a.member, a.children.clone()),
                Some(b) => (a.member && !b.member, a.children.difference(&b.children)),
            })
        })
    }

    /// Returns what is in this set, less the members of the other and everything below them.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        self.pairs(other, |a, b| match b {
            None => Some((a.member, a.children.clone())),
            Some(b) if b.member => None,
            Some(b) => Some((a.member, a.children.recursive_difference(&b.children))),
        })
    }

    /// Whether the two sets have a member in common.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        let mut found = false;
        zip(self.nodes(), other.nodes(), |pair| {
            if let Pair::Both(a, b) = pair {
                found |= a.member && b.member || a.children.intersects(&b.children);
            }
        });
        found
    }

    /// Makes a set of what `keep` leaves of each node, given the node of the other set with the same element.
    /// Gives back this very set where all is left.
    fn pairs(
        &self,
        other: &Self,
        mut keep: impl FnMut(&Node, Option<&Node>) -> Option<(bool, Self)>,
    ) -> Self {
        let mut nodes = Vec::new();
        let mut same = true;
        zip(self.nodes(), other.nodes(), |pair| {
            let (a, b) = match pair {
                Pair::Left(a) => (a, None),
                Pair::Both(a, b) => (a, Some(b)),
                Pair::Right(_) => return,
            };
            match keep(a, b) {
                Some((member, children)) if member || !children.is_empty() => {
                    same &= member == a.member && children.ptr_eq(&a.children);
                    nodes.push(Node {
                        element: a.element.clone(),
                        member,
                        children,
                    });
                }
                _ => same = false,
            }
        });
        if same {
            return self.clone();
        }
        Self::from_nodes(nodes)
    }

    /// Returns the members that have no member below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let nodes = self.nodes().iter().map(|node| Node {
            element: node.element.clone(),
            member: node.member && node.children.is_empty(),
            children: node.children.leaves(),
        });
        Self::from_nodes(nodes.collect())
    }

    /// Returns the set with each field of a struct that has members below it as a member too.
    #[must_use]
    pub fn with_named_fields(&self, ty: TypeRef<'_>) -> Self {
        self.with_fields_of(Some(ty))
    }

    fn with_fields_of(&self, ty: Option<TypeRef<'_>>) -> Self {
        if self.is_empty() {
            return Self::new();
        }
        let map = ty.and_then(TypeRef::map);
        let list = ty.and_then(TypeRef::list);
        let mut same = true;
        let nodes: Vec<Node> = self
            .nodes()
            .iter()
            .map(|node| {
                let mut member = node.member;
                let below = match &node.element {
                    PathElement::Field(name) => map.and_then(|map| {
                        let field = map.field(name);
                        member |= field.is_some();
                        field.map(|field| field.ty()).or_else(|| map.element())
                    }),
                    PathElement::Key(_) => list.map(|list| list.element()),
                    _ => None,
                };
                let children = node.children.with_fields_of(below);
                same &= member == node.member && children.ptr_eq(&node.children);
                Node {
                    element: node.element.clone(),
                    member,
                    children,
                }
            })
            .collect();
        if same {
            return self.clone();
        }
        Self::from_nodes(nodes)
    }

    /// Goes over the members: at each level first those of the level, then what is below.
    pub fn paths(&self) -> impl Iterator<Item = FieldPath> {
        let mut paths = Vec::new();
        self.visit(&mut FieldPath::default(), &mut |path| {
            paths.push(path.clone());
        });
        paths.into_iter()
    }

    fn visit(&self, prefix: &mut FieldPath, visit: &mut impl FnMut(&FieldPath)) {
        for node in self.nodes().iter().filter(|node| node.member) {
            prefix.push(node.element.clone());
            visit(prefix);
            prefix.pop();
        }
        for node in self.nodes().iter().filter(|node| !node.children.is_empty()) {
            prefix.push(node.element.clone());
            node.children.visit(prefix, visit);
            prefix.pop();
        }
    }
}

impl FromIterator<FieldPath> for FieldSet {
    fn from_iter<I: IntoIterator<Item = FieldPath>>(paths: I) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(&path);
        }
        set
    }
}

enum Pair<'a> {
    Left(&'a Node),
    Right(&'a Node),
    Both(&'a Node, &'a Node),
}

/// Walks two sorted lists of nodes in step.
fn zip<'a>(mut a: &'a [Node], mut b: &'a [Node], mut visit: impl FnMut(Pair<'a>)) {
    while let (Some(left), Some(right)) = (a.first(), b.first()) {
        match left.element.cmp(&right.element) {
            Ordering::Less => {
                visit(Pair::Left(left));
                a = &a[1..];
            }
            Ordering::Greater => {
                visit(Pair::Right(right));
                b = &b[1..];
            }
            Ordering::Equal => {
                visit(Pair::Both(left, right));
                a = &a[1..];
                b = &b[1..];
            }
        }
    }
    a.iter().for_each(|node| visit(Pair::Left(node)));
    b.iter().for_each(|node| visit(Pair::Right(node)));
}
