//! What an API server fills in.

use gitops_manifest::Map;

use crate::schema::TypeRef;

/// Fills in the defaults of a built-in type.
pub(crate) fn apply(object: Map, _ty: TypeRef<'_>) -> Map {
    object
}
