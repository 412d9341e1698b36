use std::cmp::Ordering;
use std::fmt;

use gitops_manifest::{GroupVersionKind, Str, Value};

use super::builtin;

/// What a value is in the API, beyond its JSON type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TypeKind {
    /// Anything: free-form JSON, or a type that the schema does not pin down.
    Any,
    /// Text.
    String,
    /// `true` or `false`.
    Bool,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A double.
    Float,
    /// Bytes, written as base64 text.
    Bytes,
    /// A quantity (`100m`, `1Gi`): text or a number.
    Quantity,
    /// An integer or text.
    IntOrString,
    /// A point in time to the second, written by RFC 3339.
    Time,
    /// A point in time to the microsecond.
    MicroTime,
    /// A duration as Go writes it (`1h30m`).
    Duration,
    /// A map with named fields.
    Struct,
    /// A map from any string to values of one type.
    Map,
    /// A list of values of one type.
    List,
}

/// Which scalars structured merge takes at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// Integers and doubles.
    Numeric,
    /// Text.
    String,
    /// `true` and `false`.
    Boolean,
    /// Any of them.
    Untyped,
}

/// The number of a type in its schema, or, with the top bit set, in the table of the built-in kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TypeId(pub(crate) u32);

impl TypeId {
    const SHARED: u32 = 1 << 31;
    /// Free-form JSON whose maps are owned field by field: the type of an object without a schema.
    pub(crate) const DEDUCED: Self = Self(Self::SHARED);
    /// Free-form JSON that is owned as a whole.
    pub(crate) const ATOMIC: Self = Self(Self::SHARED | 1);

    /// Makes the number valid outside the table of the built-in kinds.
    pub(crate) const fn shared(self) -> Self {
        Self(self.0 | Self::SHARED)
    }
}

/// One type. A value may be allowed to be a scalar, a list or a map, or several of these.
#[derive(Clone, Debug)]
pub(crate) struct TypeDef {
    pub(crate) name: Str,
    pub(crate) kind: TypeKind,
    pub(crate) scalar: Option<Scalar>,
    pub(crate) list: Option<ListDef>,
    pub(crate) map: Option<MapDef>,
    pub(crate) origin: Origin,
}

/// What a type belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A schema of which nothing more is known.
    #[default]
    Other,
    /// A built-in kind: a Go struct, whose facts are known.
    BuiltIn,
    /// A custom resource, or its like: the schema says all.
    Custom,
}

impl TypeDef {
    pub(crate) fn scalar(kind: TypeKind, scalar: Scalar) -> Self {
        Self {
            name: Str::default(),
            kind,
            scalar: Some(scalar),
            list: None,
            map: None,
            origin: Origin::Other,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ListDef {
    pub(crate) element: Element,
    pub(crate) associative: bool,
    /// In the order of the schema; empty for sets.
    pub(crate) keys: Box<[Str]>,
}

#[derive(Clone, Debug)]
pub(crate) struct MapDef {
    /// Sorted by name.
    pub(crate) fields: Box<[Field]>,
    /// The type of what has no field of its own; none where that is refused.
    pub(crate) element: Option<Element>,
    pub(crate) atomic: bool,
    pub(crate) preserves_unknown: bool,
}

/// Compares names. Most differ in their first byte, which saves a call.
fn by_bytes(a: &str, b: &str) -> Ordering {
    match (a.as_bytes().first(), b.as_bytes().first()) {
        (Some(a), Some(b)) if a != b => a.cmp(b),
        _ => a.cmp(b),
    }
}

impl MapDef {
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.fields
            .binary_search_by(|field| by_bytes(&field.name, name))
            .ok()
    }
}

/// The elements of a list or map.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) ty: TypeId,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Value>,
}

impl Element {
    pub(crate) const fn of(ty: TypeId) -> Self {
        Self {
            ty,
            nullable: false,
            default: None,
        }
    }
}

/// A field of a struct.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: Str,
    pub(crate) ty: TypeId,
    pub(crate) optional: bool,
    pub(crate) omits_zero: bool,
    pub(crate) pointer: bool,
    pub(crate) nullable: bool,
    pub(crate) patch: Patch,
    pub(crate) merge_key: Str,
    pub(crate) default: Option<Value>,
}

impl Field {
    pub(crate) fn new(name: Str, ty: TypeId) -> Self {
        Self {
            name,
            ty,
            optional: true,
            omits_zero: false,
            pointer: false,
            nullable: false,
            patch: Patch::default(),
            merge_key: Str::default(),
            default: None,
        }
    }
}

/// How strategic merge patch treats a field (`patchStrategy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Patch {
    /// `merge`: a list is merged by its key, or as a set where it has none.
    pub merge: bool,
    /// `replace`: the value is replaced as a whole.
    pub replace: bool,
    /// `retainKeys`: a patch lists the keys that stay.
    pub retain_keys: bool,
}

impl Patch {
    /// Reads a patch strategy as `merge,retainKeys`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut patch = Self::default();
        for word in text.split(',') {
            match word {
                "merge" => patch.merge = true,
                "replace" => patch.replace = true,
                "retainKeys" => patch.retain_keys = true,
                _ => {}
            }
        }
        patch
    }
}

/// A set of types, and the kinds that they describe. Immutable once made.
#[derive(Debug, Default)]
pub struct Schema {
    pub(crate) types: Vec<TypeDef>,
    /// Sorted.
    pub(crate) kinds: Vec<(GroupVersionKind, TypeId)>,
    /// Sorted by name.
    pub(crate) names: Vec<(Str, TypeId)>,
    /// The kinds with a subresource `status`, sorted. Of built-in kinds all that have the field.
    pub(crate) with_status: Vec<GroupVersionKind>,
}

impl Schema {
    pub(crate) fn resolve(&self, id: TypeId) -> TypeRef<'_> {
        if id.0 & TypeId::SHARED != 0 {
            TypeRef {
                schema: builtin::schema(),
                id: TypeId(id.0 & !TypeId::SHARED),
            }
        } else {
            TypeRef { schema: self, id }
        }
    }

    /// Sorts what is searched. Of kinds or names that occur twice the first stays.
    pub(crate) fn index(&mut self) {
        self.kinds.sort();
        self.kinds.dedup_by(|b, a| a.0 == b.0);
        self.with_status.sort();
        self.names.sort();
        self.names.dedup_by(|b, a| a.0 == b.0);
    }

    /// Returns the type of a kind.
    #[must_use]
    pub fn lookup(&self, group: &str, version: &str, kind: &str) -> Option<TypeRef<'_>> {
        let i = self
            .kinds
            .binary_search_by(|(gvk, _)| {
                (gvk.group.as_str(), gvk.version.as_str(), gvk.kind.as_str())
                    .cmp(&(group, version, kind))
            })
            .ok()?;
        Some(self.resolve(self.kinds[i].1))
    }

    /// Returns a type by its name in the schema.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<TypeRef<'_>> {
        let i = self
            .names
            .binary_search_by(|(n, _)| n.as_str().cmp(name))
            .ok()?;
        Some(self.resolve(self.names[i].1))
    }

    /// Whether the status of a kind is written through a subresource of its own, so that writing the object
    /// leaves it alone.
    #[must_use]
    pub fn has_status_subresource(&self, group: &str, version: &str, kind: &str) -> bool {
        let Some(ty) = self.lookup(group, version, kind) else {
            return false;
        };
        ty.is_built_in() && ty.field("status").is_some()
            || self
                .with_status
                .binary_search_by(|gvk| order(gvk, group, version, kind))
                .is_ok()
    }

    /// Goes over the kinds that the schema describes, sorted.
    pub fn kinds(&self) -> impl ExactSizeIterator<Item = &GroupVersionKind> {
        self.kinds.iter().map(|(gvk, _)| gvk)
    }
}

/// Compares a kind with one that is given by its parts.
pub(super) fn order(gvk: &GroupVersionKind, group: &str, version: &str, kind: &str) -> Ordering {
    let parts = (gvk.group.as_str(), gvk.version.as_str(), gvk.kind.as_str());
    parts.cmp(&(group, version, kind))
}

/// A type of a [`Schema`]: two words, cheap to copy.
#[derive(Clone, Copy)]
pub struct TypeRef<'s> {
    schema: &'s Schema,
    id: TypeId,
}

impl PartialEq for TypeRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && std::ptr::eq(self.schema, other.schema)
    }
}

impl Eq for TypeRef<'_> {}

/// Shows the name of the type, or what it is where it has none.
impl fmt::Debug for TypeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name().is_empty() {
            fmt::Debug::fmt(&self.kind(), f)
        } else {
            f.write_str(self.name())
        }
    }
}

impl<'s> TypeRef<'s> {
    /// Returns the type of an object without a schema: maps are owned field by field, lists as a whole.
    #[must_use]
    pub fn deduced() -> TypeRef<'static> {
        builtin::schema().resolve(TypeId::DEDUCED)
    }

    pub(crate) fn def(self) -> &'s TypeDef {
        &self.schema.types[self.id.0 as usize]
    }

    /// Returns the name of the type; empty where it has none.
    #[must_use]
    pub fn name(self) -> &'s str {
        &self.def().name
    }

    /// Returns what a value of this type is.
    #[must_use]
    pub fn kind(self) -> TypeKind {
        self.def().kind
    }

    /// Whether an API server fills in the defaults of the type as the schema declares them. It does so for
    /// custom resources; built-in kinds have code for that.
    #[must_use]
    pub fn is_structural(self) -> bool {
        self.def().origin == Origin::Custom
    }

    /// Whether this is a type of a built-in kind, of whose fields the facts of the Go type are known.
    #[must_use]
    pub fn is_built_in(self) -> bool {
        self.def().origin == Origin::BuiltIn
    }

    /// Returns which scalars structured merge takes here; `None` where it takes none.
    #[must_use]
    pub fn scalar(self) -> Option<Scalar> {
        self.def().scalar
    }

    /// Returns the type as a list; `None` where a list is no value of it.
    #[must_use]
    pub fn list(self) -> Option<ListType<'s>> {
        self.def().list.as_ref().map(|def| ListType {
            schema: self.schema,
            def,
        })
    }

    /// Returns the type as a map; `None` where a map is no value of it.
    #[must_use]
    pub fn map(self) -> Option<MapType<'s>> {
        self.def().map.as_ref().map(|def| MapType {
            schema: self.schema,
            def,
        })
    }

    /// Returns a field of a struct by its JSON name.
    #[must_use]
    pub fn field(self, name: &str) -> Option<FieldRef<'s>> {
        self.map()?.field(name)
    }

    /// Returns the type of what is under a key of a map: that of the field, else that of the map's values.
    #[must_use]
    pub fn under(self, key: &str) -> Option<Self> {
        self.map()?.under(key)
    }

    /// Follows names of fields, and through lists and maps the type of their elements.
    ///
    /// ```
    /// use gitops_diff::schema::{Schemas, TypeKind};
    /// let schemas = Schemas::default();
    /// let deployment = schemas.lookup("apps", "v1", "Deployment").unwrap();
    /// let port = deployment.at(&["spec", "template", "spec", "containers", "[]", "ports", "[]"]).unwrap();
    /// assert_eq!(port.field("containerPort").unwrap().ty().kind(), TypeKind::Int32);
    /// ```
    #[must_use]
    pub fn at(self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self, |ty, step| match *step {
            "[]" => ty.list().map(ListType::element),
            key => ty.under(key),
        })
    }
}

/// A list type.
#[derive(Clone, Copy)]
pub struct ListType<'s> {
    schema: &'s Schema,
    def: &'s ListDef,
}

impl<'s> ListType<'s> {
    /// Returns the type of the elements.
    #[must_use]
    pub fn element(self) -> TypeRef<'s> {
        self.schema.resolve(self.def.element.ty)
    }

    /// Whether the list is owned as a whole; otherwise it is a set or keyed.
    #[must_use]
    pub fn is_atomic(self) -> bool {
        !self.def.associative
    }

    /// Returns the names of the fields that tell one element from another; empty for sets and atomic lists.
    #[must_use]
    pub fn keys(self) -> &'s [Str] {
        &self.def.keys
    }

    /// Returns what stands for a `null` element.
    #[must_use]
    pub fn element_default(self) -> Option<&'s Value> {
        self.def.element.default.as_ref()
    }

    /// Whether an element may be `null` itself. Known for custom resources only.
    #[must_use]
    pub fn is_element_nullable(self) -> bool {
        self.def.element.nullable
    }
}

/// A map type: a struct with fields, a map from any key to values of one type, or both.
#[derive(Clone, Copy)]
pub struct MapType<'s> {
    schema: &'s Schema,
    def: &'s MapDef,
}

impl<'s> MapType<'s> {
    /// Returns the fields, sorted by their JSON names.
    #[must_use]
    pub fn fields(self) -> impl ExactSizeIterator<Item = FieldRef<'s>> {
        let schema = self.schema;
        self.def
            .fields
            .iter()
            .map(move |field| FieldRef { schema, field })
    }

    /// Returns how many fields there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.def.fields.len()
    }

    /// Whether there are no fields.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.def.fields.is_empty()
    }

    /// Returns a field by its JSON name.
    #[must_use]
    pub fn field(self, name: &str) -> Option<FieldRef<'s>> {
        self.def.position(name).map(|i| FieldRef {
            schema: self.schema,
            field: &self.def.fields[i],
        })
    }

    /// Returns the type of what has no field of its own; `None` where that is refused.
    #[must_use]
    pub fn element(self) -> Option<TypeRef<'s>> {
        self.def
            .element
            .as_ref()
            .map(|element| self.schema.resolve(element.ty))
    }

    /// Returns what stands for a `null` value under a key without a field of its own.
    #[must_use]
    pub fn element_default(self) -> Option<&'s Value> {
        self.def.element.as_ref()?.default.as_ref()
    }

    /// Whether a value under a key without a field of its own may be `null` itself. Known for custom
    /// resources only.
    #[must_use]
    pub fn is_element_nullable(self) -> bool {
        self.def
            .element
            .as_ref()
            .is_some_and(|element| element.nullable)
    }

    /// Returns the type of what is under a key.
    #[must_use]
    pub fn under(self, key: &str) -> Option<TypeRef<'s>> {
        self.field(key).map(FieldRef::ty).or_else(|| self.element())
    }

    /// Whether the map is owned as a whole.
    #[must_use]
    pub fn is_atomic(self) -> bool {
        self.def.atomic
    }

    /// Whether fields that the schema does not name are kept (`x-kubernetes-preserve-unknown-fields`).
    #[must_use]
    pub fn preserves_unknown(self) -> bool {
        self.def.preserves_unknown
    }

    /// Returns the type of the value under a name, which is looked for as by [`next_field`](Self::next_field): that of the field,
    /// else of the elements. What fits its type has no other fields; what is not checked is taken as it is.
    pub(crate) fn next_type(self, cursor: &mut usize, name: &str) -> TypeRef<'s> {
        let field = self.next_field(cursor, name).map(|field| field.ty());
        field
            .or_else(|| self.element())
            .unwrap_or(TypeRef::deduced())
    }

    /// Returns the field with this name, looking from the field number `cursor` on, and moves `cursor` to
    /// where the next name in order is to be looked for. Walks a sorted map and the fields in step.
    #[must_use]
    pub fn next_field(self, cursor: &mut usize, name: &str) -> Option<FieldRef<'s>> {
        // Structs have many more fields than an object sets: gallop a little, then search.
        let rest = &self.def.fields[(*cursor).min(self.def.fields.len())..];
        for (i, field) in rest.iter().take(3).enumerate() {
            match by_bytes(&field.name, name) {
                Ordering::Less => {}
                Ordering::Equal => {
                    *cursor += i + 1;
                    return Some(FieldRef {
                        schema: self.schema,
                        field,
                    });
                }
                Ordering::Greater => {
                    *cursor += i;
                    return None;
                }
            }
        }
        match rest.binary_search_by(|field| by_bytes(&field.name, name)) {
            Ok(i) => {
                *cursor += i + 1;
                Some(FieldRef {
                    schema: self.schema,
                    field: &rest[i],
                })
            }
            Err(i) => {
                *cursor += i;
                None
            }
        }
    }
}

/// A field of a struct type.
#[derive(Clone, Copy)]
pub struct FieldRef<'s> {
    schema: &'s Schema,
    field: &'s Field,
}

impl<'s> FieldRef<'s> {
    /// Returns the JSON name.
    #[must_use]
    pub fn name(self) -> &'s Str {
        &self.field.name
    }

    /// Returns the type.
    #[must_use]
    pub fn ty(self) -> TypeRef<'s> {
        self.schema.resolve(self.field.ty)
    }

    /// Whether the field is left out when it is written with the zero value of its type (`omitempty`).
    #[must_use]
    pub fn is_optional(self) -> bool {
        self.field.optional
    }

    /// Whether a struct or time that is zero is left out too (`omitzero`); `omitempty` alone writes `{}` or
    /// `null` for these.
    #[must_use]
    pub fn omits_zero(self) -> bool {
        self.field.omits_zero
    }

    /// Whether the field tells an absent value from the zero value of its type: a pointer in Go. A zero
    /// is then written even where the field is optional.
    #[must_use]
    pub fn is_pointer(self) -> bool {
        self.field.pointer
    }

    /// Whether `null` is a value of its own. Known for custom resources only.
    #[must_use]
    pub fn is_nullable(self) -> bool {
        self.field.nullable
    }

    /// Returns how strategic merge patch treats the field.
    #[must_use]
    pub fn patch(self) -> Patch {
        self.field.patch
    }

    /// Returns the field by which strategic merge patch tells the elements of the list apart.
    #[must_use]
    pub fn merge_key(self) -> Option<&'s Str> {
        Some(&self.field.merge_key).filter(|key| !key.is_empty())
    }

    /// Returns the default that the schema declares. For built-in kinds that is not the whole of what
    /// the API server fills in: it has code for the rest.
    #[must_use]
    pub fn default(self) -> Option<&'s Value> {
        self.field.default.as_ref()
    }
}
