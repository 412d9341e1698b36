//! The strategies of typed fields.

use super::{PatchSchema, PatchStrategy, Result, StrategicError};
use crate::schema::{FieldRef, TypeKind, TypeRef};

impl PatchSchema for TypeRef<'_> {
    fn map_field(&self, field: &str) -> Result<(Self, PatchStrategy<'_>)> {
        match self.kind() {
            // Free-form JSON has no strategies.
            TypeKind::Any => Ok((*self, PatchStrategy::default())),
            TypeKind::Struct | TypeKind::Map => match self.field(field) {
                Some(known) => Ok((known.ty(), strategy(known))),
                None => self
                    .under(field)
                    .map(|element| (element, PatchStrategy::default()))
                    .ok_or_else(|| unknown(*self, field)),
            },
            _ => Err(unknown(*self, field)),
        }
    }

    fn list_field(&self, field: &str) -> Result<(Self, PatchStrategy<'_>)> {
        let (ty, strategy) = self.map_field(field)?;
        if ty.kind() == TypeKind::Any {
            return Ok((ty, strategy));
        }
        match ty.list() {
            Some(list) => Ok((list.element(), strategy)),
            // A schema that gives a merge key to a reference means a list of what it refers to.
            None if strategy.merge => Ok((ty, strategy)),
            None => Err(unknown(*self, field)),
        }
    }
}

/// The patch strategy of a field.
fn strategy(field: FieldRef<'_>) -> PatchStrategy<'_> {
    let patch = field.patch();
    PatchStrategy {
        merge: patch.merge,
        replace: patch.replace,
        retain_keys: patch.retain_keys,
        merge_key: field.merge_key().map_or("", |key| key.as_str()),
    }
}

fn unknown(ty: TypeRef<'_>, field: &str) -> StrategicError {
    StrategicError::UnknownField {
        field: field.to_owned(),
        schema: ty.name().to_owned(),
    }
}
