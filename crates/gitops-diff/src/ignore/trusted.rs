//! Fields that trusted managers own.

use gitops_manifest::{Object, Str, Value};

use crate::schema::TypeRef;
use crate::structured::{Duplicates, Emptied, FieldSet, Managers, Typed};

/// Takes out of desired and live what both have, with different values, and one of the managers owns.
///
/// Fields that only one of the two has stay, as in Argo CD. Where an object does not fit its type, or the managed fields
/// cannot be read, both stay as they are.
#[must_use]
pub fn without_managed(
    desired: &Object,
    live: &Object,
    managers: &[Str],
    ty: TypeRef<'_>,
) -> (Object, Object) {
    let unchanged = || (desired.clone(), live.clone());
    if managers.is_empty() {
        return unchanged();
    }
    let typed = |object: &Object| Typed::new(object.to_value(), ty, Duplicates::Refuse).ok();
    let (Some(mut config), Some(mut now), Ok(owners)) =
        (typed(desired), typed(live), Managers::of(live))
    else {
        return unchanged();
    };
    let modified = now.compare(&config).modified;
    if modified.is_empty() {
        return unchanged();
    }
    let foreign = owners
        .iter()
        .filter(|(id, _)| managers.contains(&id.name))
        .fold(FieldSet::default(), |set, (_, owned)| {
            set.union(&owned.fields.intersection(&modified))
        });
    if foreign.is_empty() {
        return unchanged();
    }
    config = config.remove(&foreign, Emptied::Empty);
    now = now.remove(&foreign, Emptied::Empty);
    match (object(config.into_value()), object(now.into_value())) {
        (Some(config), Some(now)) => (config, now),
        _ => unchanged(),
    }
}

fn object(value: Value) -> Option<Object> {
    Object::try_from(value).ok()
}
