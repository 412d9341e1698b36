//! The types of Kubernetes objects: built-in kinds, custom resources, and whatever an API server describes.
//!
//! A [`Schemas`] answers what type an object has. It knows the kinds of Kubernetes 1.36 from a table in the
//! crate; custom resources are registered from their definitions, and everything that an API server serves
//! from its OpenAPI v3 documents. A kind that it does not know is *deduced*: its maps are owned and merged
//! field by field, its lists as a whole, as in Kubernetes.
//!
//! ```
//! use gitops_diff::schema::Schemas;
//!
//! let schemas = Schemas::default();
//! let service = schemas.lookup("", "v1", "Service").unwrap();
//! let ports = service.at(&["spec", "ports"]).unwrap().list().unwrap();
//! assert_eq!(ports.keys(), ["port", "protocol"]);
//! assert_eq!(ports.element().field("protocol").unwrap().default().unwrap().as_str(), Some("TCP"));
//! ```

mod builtin;
mod model;
mod openapi;
mod typedefs;

use std::sync::Arc;

use gitops_manifest::{GroupVersionKind, Object, Value};

pub use model::{FieldRef, ListType, MapType, Patch, Scalar, Schema, TypeKind, TypeRef};

/// Why a schema could not be read. Trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Something in the schema is not what it must be.
    #[error("cannot read the schema: {place} must be {expected}")]
    Malformed {
        /// Where, as a path from the top.
        place: String,
        /// What must be there.
        expected: &'static str,
    },
    /// A reference leads nowhere.
    #[error(
        "cannot read the schema: {place} refers to {reference}, which the document does not have"
    )]
    UnknownReference {
        /// Where the reference stands.
        place: String,
        /// The reference.
        reference: String,
    },
    /// The schema is nested too deep.
    #[error("cannot read the schema: {place} is nested deeper than {limit} levels")]
    TooDeep {
        /// Where the limit was met.
        place: String,
        /// How many levels are read.
        limit: usize,
    },
}

impl SchemaError {
    fn malformed(place: impl Into<String>, expected: &'static str) -> Self {
        Self::Malformed {
            place: place.into(),
            expected,
        }
    }
}

/// What is known of the types of objects: the built-in kinds, and the schemas that were registered.
///
/// A value like any other: cheap to clone, shared between threads by reference. Registering makes no
/// change that another clone would see.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    /// Sorted.
    registered: Vec<(GroupVersionKind, Arc<Schema>)>,
}

impl Schemas {
    /// Makes one that knows the built-in kinds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the types of the built-in kinds of Kubernetes 1.36 alone.
    #[must_use]
    pub fn builtin() -> &'static Schema {
        builtin::schema()
    }

    /// Returns the type of a kind: as registered, else as built in, else `None`.
    #[must_use]
    pub fn lookup(&self, group: &str, version: &str, kind: &str) -> Option<TypeRef<'_>> {
        self.schema_of(group, version, kind)
            .lookup(group, version, kind)
    }

    /// The schema that was registered for a kind, else that of the built-in kinds.
    fn schema_of(&self, group: &str, version: &str, kind: &str) -> &Schema {
        self.registered
            .binary_search_by(|(gvk, _)| model::order(gvk, group, version, kind))
            .map_or(builtin::schema(), |i| &self.registered[i].1)
    }

    /// Whether the status of an object is written through a subresource of its own.
    #[must_use]
    pub fn has_status_subresource(&self, object: &Object) -> bool {
        let (group, version, kind) = (object.group(), object.version(), object.kind());
        self.schema_of(group, version, kind)
            .has_status_subresource(group, version, kind)
    }

    /// Returns the type of an object by its kind.
    #[must_use]
    pub fn of(&self, object: &Object) -> Option<TypeRef<'_>> {
        self.lookup(object.group(), object.version(), object.kind())
    }

    /// Returns the type of an object by its kind; the deduced type where the kind is not known.
    #[must_use]
    pub fn of_or_deduced(&self, object: &Object) -> TypeRef<'_> {
        self.of(object).unwrap_or(TypeRef::deduced())
    }

    /// Adds the kinds of a schema; a kind that was registered before is replaced.
    pub fn register(&mut self, schema: Schema) {
        let schema = Arc::new(schema);
        for gvk in schema.kinds() {
            match self
                .registered
                .binary_search_by(|(known, _)| known.cmp(gvk))
            {
                Ok(i) => self.registered[i].1 = Arc::clone(&schema),
                Err(i) => self
                    .registered
                    .insert(i, (gvk.clone(), Arc::clone(&schema))),
            }
        }
    }

    /// Adds the kinds of a `CustomResourceDefinition`.
    ///
    /// # Errors
    /// Where the object is no such definition, or a schema in it is malformed.
    pub fn register_crd(&mut self, crd: &Object) -> Result<(), SchemaError> {
        self.register(Schema::from_crd(crd)?);
        Ok(())
    }

    /// Adds the kinds of an OpenAPI v3 document of an API server.
    ///
    /// # Errors
    /// Where the document is malformed.
    pub fn register_openapi(&mut self, document: &Value) -> Result<(), SchemaError> {
        self.register(Schema::from_openapi(document)?);
        Ok(())
    }

    /// Forgets a registered kind. Built-in kinds stay.
    pub fn forget(&mut self, gvk: &GroupVersionKind) {
        if let Ok(i) = self
            .registered
            .binary_search_by(|(known, _)| known.cmp(gvk))
        {
            self.registered.remove(i);
        }
    }
}
