//! Bringing objects into the form in which they can be compared.
//!
//! An API server gives back an object in another form than it was given: quantities and times are written
//! in one way, empty fields vanish, `stringData` of a Secret moves to `data`. Here both sides are brought into that form.
//! Behaviour that copies an upstream is that of Argo CD's gitops-engine (September 2026) with the types of
//! Kubernetes 1.36.

mod endpoints;
mod kinds;
mod known_types;
pub(crate) mod quantity;
pub(crate) mod time;
pub(crate) mod typed;

use gitops_manifest::{Object, Value};

pub use known_types::{KnownTypeField, KnownTypes, known_types};

use crate::schema::TypeRef;

/// Why an object cannot be read into the type of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NormalizeError {
    /// A field does not fit, or is not known.
    #[error("{kind} does not fit its type at {path}: {problem}")]
    Misfit {
        /// The kind.
        kind: String,
        /// The field.
        path: String,
        /// What is wrong there.
        problem: String,
    },
}

/// How objects are normalised.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NormalizeOptions {
    /// Leave out the rules of Roles and ClusterRoles that are aggregated: a controller fills them in.
    pub ignore_aggregated_roles: bool,
    /// Do as Argo CD does where it does less: one field that does not fit its type keeps the whole object as it is.
    pub compat: bool,
}

impl NormalizeOptions {
    /// Sets whether rules of aggregated roles are left out.
    #[must_use]
    pub const fn ignore_aggregated_roles(mut self, ignore: bool) -> Self {
        self.ignore_aggregated_roles = ignore;
        self
    }

    /// Sets whether Argo CD's weaknesses are kept.
    #[must_use]
    pub const fn compat(mut self, compat: bool) -> Self {
        self.compat = compat;
        self
    }
}

fn misfit(object: &Object, misfit: &typed::Misfit) -> NormalizeError {
    NormalizeError::Misfit {
        kind: object.kind().to_owned(),
        path: misfit.path(),
        problem: misfit.problem().to_owned(),
    }
}

fn with_map(object: &Object, changed: Option<Value>) -> Object {
    match changed {
        Some(Value::Object(map)) => {
            let mut object = object.clone();
            *object.as_map_mut() = map;
            object
        }
        _ => object.clone(),
    }
}

/// Reads an object into the built-in type `ty` and writes it again: quantities and times in their canonical form, zero values
/// where Go writes them and not where it leaves them out.
///
/// # Errors
/// Where a field is not known or does not fit.
pub fn remarshal(object: &Object, ty: TypeRef<'_>) -> Result<Object, NormalizeError> {
    let mode = typed::Mode {
        fill: true,
        ..typed::Mode::default()
    };
    typed::value(&object.to_value(), ty, mode)
        .map(|changed| with_map(object, changed))
        .map_err(|error| misfit(object, &error))
}

/// Writes what an object says in the form of its type, without adding anything: [`remarshal`], cut down to the fields that the
/// object has.
///
/// A field that is not known or does not fit stays as it is; with [`NormalizeOptions::compat`] the object then stays as it is
/// as a whole.
#[must_use]
pub fn canonical(object: &Object, ty: TypeRef<'_>, options: &NormalizeOptions) -> Object {
    let mode = typed::Mode {
        lenient: !options.compat,
        ..typed::Mode::default()
    };
    match typed::value(&object.to_value(), ty, mode) {
        Ok(changed) => with_map(object, changed),
        Err(_) => object.clone(),
    }
}

/// Does what is particular to kinds: drops `creationTimestamp`, moves a Secret's `stringData` to `data`, makes empty rules
/// of Roles `null`, sorts the subsets of Endpoints.
#[must_use]
pub fn normalize(object: &Object, options: &NormalizeOptions) -> Object {
    let mut object = object.clone();
    kinds::normalize(&mut object, options);
    object
}

/// Reads an object into the built-in type `ty`, sets the defaults of the API server and writes it again.
///
/// # Errors
/// Where a field is not known or does not fit.
pub fn defaulted(object: &Object, ty: TypeRef<'_>) -> Result<Object, NormalizeError> {
    remarshal(object, ty).map(|read| crate::defaults::of_object(object, read, ty))
}

/// Checks that an object can be read into a type; fields that are not known are passed over.
pub(crate) fn reads(object: &Object, ty: TypeRef<'_>) -> Result<(), NormalizeError> {
    let mode = typed::Mode {
        drop_unknown: true,
        ..typed::Mode::default()
    };
    typed::value(&object.to_value(), ty, mode)
        .map(drop)
        .map_err(|error| misfit(object, &error))
}
