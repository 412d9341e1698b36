//! The transformers: each changes the resources that are accumulated so far.

pub(crate) mod images;
pub(crate) mod metadata;
pub(crate) mod names;
pub(crate) mod namespace;
pub(crate) mod patches;
pub(crate) mod path;
pub(crate) mod references;
pub(crate) mod replacements;
pub(crate) mod replicas;
pub(crate) mod value_add;
pub(crate) mod vars;

use crate::error::{BuildError, ErrorKind};
use crate::fieldspec::{EmptyName, FieldFault, FieldSpec};
use crate::id::Id;
use crate::node::WrongKind;
use crate::resource::Resource;
use crate::schema::Schemas;
use crate::scope::Scope;

/// What transformers look up and count.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scope: Scope,
    pub(crate) schemas: Schemas,
    /// The last number given to scalars that share their content.
    pub(crate) shared: u32,
}

impl World {
    pub(crate) fn next_shared(&mut self) -> u32 {
        self.shared += 1;
        self.shared
    }
}

/// Why a field could not be set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetError {
    #[error(transparent)]
    Kind(#[from] WrongKind),
    #[error(transparent)]
    EmptyName(#[from] EmptyName),
    #[error("{0}")]
    Other(String),
}

/// Says where a field of a resource could not be set.
pub(crate) fn field_error(
    kind: ErrorKind,
    what: &str,
    resource: &Resource,
    scope: &Scope,
    specs: &[FieldSpec],
    fault: &FieldFault<SetError>,
) -> BuildError {
    let path = specs.get(fault.spec).map_or("", |spec| &spec.path);
    let id = resource.id(scope);
    let mut error = BuildError::new(kind, format!("{what} at `{path}` of {id}: {}", fault.fault));
    if let Some(place) = &resource.place {
        error = error.at(place.clone());
    }
    error
}

/// Says that two resources have one id.
pub(crate) fn conflict(first: &Resource, second: &Resource, id: &Id<'_>) -> BuildError {
    let from = |resource: &Resource| match &resource.place {
        Some(place) => format!(" ({place})"),
        None => String::new(),
    };
    BuildError::new(
        ErrorKind::Conflict,
        format!(
            "two resources have the id {id}: {}{} and {}{}",
            first.name(),
            from(first),
            second.name(),
            from(second)
        ),
    )
}
