//! How the types go over the wire.

use gitops_manifest::{Object, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{API_VERSION, ApplicationError};

/// Whether a field is left out, as Go's `omitempty` does.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Declares plain wire types: camel case, and fields that are left out where they are empty. A field marked
/// `always` is written even then, as the ones without `omitempty` are in Go.
macro_rules! wire {
    (@fields [$($done:tt)*] $(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($done)* }
    };
    (@fields [$($done:tt)*] $(#[$meta:meta])* $name:ident $(#[$fm:meta])* always $field:ident: $ty:ty, $($rest:tt)*) => {
        wire! { @fields [$($done)* $(#[$fm])* #[serde(default)] pub $field: $ty,] $(#[$meta])* $name $($rest)* }
    };
    (@fields [$($done:tt)*] $(#[$meta:meta])* $name:ident $(#[$fm:meta])* $field:ident: $ty:ty, $($rest:tt)*) => {
        wire! { @fields [$($done)* $(#[$fm])*
            #[serde(default, skip_serializing_if = "crate::application::wire::is_default",
                    deserialize_with = "crate::application::wire::null_is_default")]
            pub $field: $ty,] $(#[$meta])* $name $($rest)* }
    };
    ($($(#[$meta:meta])* struct $name:ident { $($body:tt)* })*) => {
        $(wire! { @fields [] $(#[$meta])* $name $($body)* })*
    };
}
pub(super) use wire;

/// Reads an explicit `null` as an absent field, as Go does.
pub(super) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    Ok(<Option<T> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a list, leaving explicit `null`s out, as Go does where it holds pointers.
pub(super) fn without_nulls<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    let list = <Option<Vec<Option<T>>> as serde::Deserialize>::deserialize(deserializer)?;
    Ok(list.unwrap_or_default().into_iter().flatten().collect())
}

/// Reads an object of a kind of this API.
pub(super) fn read<T: DeserializeOwned>(
    object: &Object,
    kind: &'static str,
) -> Result<T, ApplicationError> {
    if object.api_version() != API_VERSION || object.kind() != kind {
        return Err(ApplicationError::WrongKind {
            key: object.key(),
            wanted: kind,
        });
    }
    serde_json::from_value(object.to_value().into()).map_err(|error| ApplicationError::Invalid {
        key: object.key(),
        reason: error.to_string(),
    })
}

/// Writes a value of this API as an object.
pub(super) fn write<T: Serialize>(value: &T, kind: &'static str) -> Object {
    let json = serde_json::to_value(value).expect("plain data has a JSON form");
    let Value::Object(mut map) = Value::from(json) else {
        unreachable!("a struct is a map")
    };
    map.insert("apiVersion", API_VERSION);
    map.insert("kind", kind);
    Object::new(map).expect("apiVersion and kind were just set")
}
