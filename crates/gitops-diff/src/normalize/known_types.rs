//! Parts of custom resources that are of a built-in type.

use gitops_manifest::{Object, Str, Value};

use super::{NormalizeError, quantity, time, typed};
use crate::schema::{Schemas, TypeRef};

/// A field of a custom resource that embeds a built-in type, as Argo CD's `knownTypeFields` says.
///
/// ```
/// use gitops_diff::normalize::{KnownTypeField, known_types};
/// use gitops_manifest::Object;
/// let certificate = Object::try_from(serde_json::json!({
///     "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "c"}, "spec": {"duration": "8760h"},
/// }))?;
/// let field = KnownTypeField::new("spec.duration", "meta/v1/Duration");
/// let normal = known_types(&certificate, &[field])?;
/// assert_eq!(normal.at(&["spec", "duration"]).unwrap().as_str(), Some("8760h0m0s"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownTypeField {
    /// The path of the field, as `spec.template.spec`; lists on the way are walked.
    pub field: Str,
    /// The type, as `core/v1/PodSpec`, `core/Quantity` or `meta/v1/Duration`.
    pub ty: Str,
}

impl KnownTypeField {
    /// Makes one.
    #[must_use]
    pub fn new(field: impl Into<Str>, ty: impl Into<Str>) -> Self {
        Self {
            field: field.into(),
            ty: ty.into(),
        }
    }
}

/// The fields of one kind of custom resource that are of built-in types.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownTypes {
    /// The API group of the custom resource.
    pub group: Str,
    /// Its kind.
    pub kind: Str,
    /// The fields.
    pub fields: Vec<KnownTypeField>,
}

impl KnownTypes {
    /// Makes one.
    #[must_use]
    pub fn new(
        group: impl Into<Str>,
        kind: impl Into<Str>,
        fields: impl IntoIterator<Item = KnownTypeField>,
    ) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
            fields: fields.into_iter().collect(),
        }
    }

    /// Returns what is known without being told: the pod of an Argo `Rollout`.
    #[must_use]
    pub fn builtin() -> Vec<Self> {
        vec![Self::new(
            "argoproj.io",
            "Rollout",
            [KnownTypeField::new("spec.template.spec", "core/v1/PodSpec")],
        )]
    }
}

#[derive(Clone, Copy)]
enum Known {
    Quantity,
    Duration,
    Type(TypeRef<'static>),
}

fn find(name: &str) -> Option<Known> {
    match name {
        "core/Quantity" | "core/v1/Quantity" => Some(Known::Quantity),
        "meta/v1/Duration" => Some(Known::Duration),
        name => {
            let (group, kind) = name.rsplit_once('/')?;
            Schemas::builtin()
                .named(&format!("{group}.{kind}"))
                .map(Known::Type)
        }
    }
}

/// Writes fields of a custom resource in the form of their built-in types, without adding anything. Fields that are not there, and types
/// that are not known, are passed over.
///
/// # Errors
/// Where a field does not fit its type.
pub fn known_types(object: &Object, fields: &[KnownTypeField]) -> Result<Object, NormalizeError> {
    let mut value = object.to_value();
    for field in fields {
        let Some(known) = find(&field.ty) else {
            continue;
        };
        let path: Vec<&str> = field.field.split('.').collect();
        if let Some(changed) =
            walk(&value, &path, known).map_err(|problem| NormalizeError::Misfit {
                kind: object.kind().to_owned(),
                path: field.field.as_str().to_owned(),
                problem,
            })?
        {
            value = changed;
        }
    }
    let mut result = object.clone();
    if let Value::Object(map) = value {
        *result.as_map_mut() = map;
    }
    Ok(result)
}

fn walk(value: &Value, path: &[&str], known: Known) -> Result<Option<Value>, String> {
    if let Value::Array(list) = value
        && !path.is_empty()
    {
        let mut changed = None;
        for (i, item) in list.iter().enumerate() {
            if let Some(new) = walk(item, path, known)? {
                changed.get_or_insert_with(|| list.to_vec())[i] = new;
            }
        }
        return Ok(changed.map(Value::from));
    }
    let Some((first, rest)) = path.split_first() else {
        return read(value, known);
    };
    let Value::Object(map) = value else {
        return Ok(None);
    };
    let Some(below) = map.get(first) else {
        return Ok(None);
    };
    Ok(walk(below, rest, known)?.map(|new| {
        let mut map = map.clone();
        map.insert(*first, new);
        Value::Object(map)
    }))
}

fn read(value: &Value, known: Known) -> Result<Option<Value>, String> {
    let text = |canonical: Option<Str>| canonical.map(|text| Some(text.into()));
    match (known, value) {
        (Known::Type(ty), value) => {
            let mode = typed::Mode {
                drop_unknown: true,
                ..typed::Mode::default()
            };
            typed::value(value, ty, mode)
                .map_err(|misfit| format!("{}: {}", misfit.path(), misfit.problem()))
        }
        (Known::Quantity, Value::Null) => Ok(Some("0".into())),
        (Known::Duration, Value::Null) => Ok(Some("0s".into())),
        (Known::Quantity, Value::String(quantity)) => {
            text(quantity::canonical(quantity).map(Into::into))
                .ok_or_else(|| format!("{quantity:?} is not a quantity"))
        }
        (Known::Quantity, Value::Number(number)) => {
            let number = number.to_string();
            text(quantity::canonical(&number).map(Into::into))
                .ok_or_else(|| format!("{number} is not a quantity"))
        }
        (Known::Duration, Value::String(duration)) => {
            let canonical = time::parse_duration(duration).map(time::format_duration);
            text(canonical.map(Into::into)).ok_or_else(|| format!("{duration:?} is not a duration"))
        }
        (_, other) => Err(format!("it is {}", other.type_name())),
    }
}
