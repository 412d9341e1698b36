use std::fmt;

use gitops_manifest::{Array, Map, Value};

use super::items::{Identity, NoIdentity};
use super::path::{FieldPath, PathElement};
use crate::schema::{ListType, MapType, Scalar, TypeRef};

/// How deep values are followed. Deeper ones do not fit any type.
pub(super) const MAX_DEPTH: usize = 250;

/// How many places that do not fit are told.
const MAX_VIOLATIONS: usize = 32;

/// What a value is taken for where its type allows several things.
#[derive(Clone, Copy)]
pub(super) enum Shape<'s> {
    Map(MapType<'s>),
    Scalar(Scalar),
    List(ListType<'s>),
    /// The type allows nothing.
    Nothing,
}

impl<'s> Shape<'s> {
    /// What the type lets this value be. A null, or a value that does not fit, is taken for the first that
    /// the type allows of map, scalar and list.
    pub(super) fn of(ty: TypeRef<'s>, value: Option<&Value>) -> Self {
        let (map, scalar, list) = (ty.map(), ty.scalar(), ty.list());
        match value {
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) if scalar.is_some() => {
                return scalar.map_or(Self::Nothing, Self::Scalar);
            }
            Some(Value::Array(_)) if list.is_some() => {
                return list.map_or(Self::Nothing, Self::List);
            }
            _ => {}
        }
        map.map(Self::Map)
            .or(scalar.map(Self::Scalar))
            .or(list.map(Self::List))
            .unwrap_or(Self::Nothing)
    }
}

/// Whether two values are plainly equal. `false` says that they must be looked at.
pub(super) fn plainly_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        _ => a.ptr_eq(b),
    }
}

/// Whether two values are plainly equal, or maps or lists whose values are. Looks no deeper, so that asking at each level
/// of a value does not walk it again and again; what it answers needs no type to be looked up.
pub(super) fn flatly_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let (a, b) = (a.entries(), b.entries());
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| a.0 == b.0 && plainly_equal(&a.1, &b.1))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| plainly_equal(a, b))
        }
        _ => plainly_equal(a, b),
    }
}

/// A place of a value that does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Where.
    pub path: FieldPath,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.elements().is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// A value that does not fit its type. Trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Unfit {
    /// The places; the first ones where there are many. Never empty.
    pub violations: Vec<Violation>,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value does not fit its schema: ")?;
        for (i, violation) in self.violations.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            violation.fmt(f)?;
        }
        Ok(())
    }
}

/// Whether elements of sets and keyed lists may occur twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// They may not: a configuration that is applied.
    #[default]
    Refuse,
    /// They may: a live object, which older API versions let through.
    Allow,
}

/// A value that fits its type.
///
/// Cheap to clone: the value is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed<'s> {
    pub(super) value: Value,
    pub(super) ty: TypeRef<'s>,
}

impl<'s> Typed<'s> {
    /// Takes a value of a type.
    ///
    /// # Errors
    /// Where the value does not fit: a field that the schema does not declare, a scalar of another type, an
    /// element of a keyed list without keys or (where refused) one that occurs twice.
    pub fn new(value: Value, ty: TypeRef<'s>, duplicates: Duplicates) -> Result<Self, Unfit> {
        let mut checker = Checker {
            duplicates,
            path: FieldPath::default(),
            violations: Vec::new(),
        };
        checker.check(&value, ty, 0);
        if checker.violations.is_empty() {
            Ok(Self { value, ty })
        } else {
            Err(Unfit {
                violations: checker.violations,
            })
        }
    }

    /// Makes the absent value of a type.
    #[must_use]
    pub const fn empty(ty: TypeRef<'s>) -> Self {
        Self {
            value: Value::Null,
            ty,
        }
    }

    /// Returns the value.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the value.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    /// Returns the type.
    #[must_use]
    pub const fn ty(&self) -> TypeRef<'s> {
        self.ty
    }
}

struct Checker {
    duplicates: Duplicates,
    path: FieldPath,
    violations: Vec<Violation>,
}

impl Checker {
    fn refuse(&mut self, message: impl Into<String>) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(Violation {
                path: self.path.clone(),
                message: message.into(),
            });
        }
    }

    fn refuse_at(&mut self, element: PathElement, message: impl Into<String>) {
        self.path.push(element);
        self.refuse(message);
        self.path.pop();
    }

    fn check(&mut self, value: &Value, ty: TypeRef<'_>, depth: usize) {
        if depth > MAX_DEPTH {
            return self.refuse(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        match Shape::of(ty, Some(value)) {
            Shape::Map(map) => match value {
                Value::Null => {}
                Value::Object(entries) => self.check_map(entries, map, depth),
                other => self.refuse(format!("expected a map, found {}", describe(other))),
            },
            Shape::List(list) => match value {
                Value::Null => {}
                Value::Array(values) => self.check_list(values, list, depth),
                other => self.refuse(format!("expected a list, found {}", describe(other))),
            },
            Shape::Scalar(scalar) => {
                let (fits, expected) = match scalar {
                    Scalar::Numeric => (matches!(value, Value::Number(_)), "a number"),
                    Scalar::String => (matches!(value, Value::String(_)), "a string"),
                    Scalar::Boolean => (matches!(value, Value::Bool(_)), "a boolean"),
                    Scalar::Untyped => (
                        !matches!(value, Value::Array(_) | Value::Object(_)),
                        "a scalar",
                    ),
                };
                if !fits && !value.is_null() {
                    self.refuse(format!("expected {expected}, found {}", describe(value)));
                }
            }
            Shape::Nothing => self.refuse("the schema allows no value here"),
        }
    }

    fn check_map(&mut self, entries: &Map, map: MapType<'_>, depth: usize) {
        let element = map.element();
        let mut cursor = 0;
        for (key, value) in entries {
            let ty = map.next_field(&mut cursor, key).map(|field| field.ty());
            match ty.or(element) {
                // Scalars of the right type need no path.
                Some(ty) => {
                    self.path.push(PathElement::Field(key.clone()));
                    self.check(value, ty, depth + 1);
                    self.path.pop();
                }
                None => {
                    self.refuse_at(
                        PathElement::Field(key.clone()),
                        "field not declared in schema",
                    );
                }
            }
        }
    }

    fn check_list(&mut self, values: &Array, list: ListType<'_>, depth: usize) {
        let element = list.element();
        if list.is_atomic() {
            for (i, value) in values.iter().enumerate() {
                self.path.push(index(i));
                self.check(value, element, depth + 1);
                self.path.pop();
            }
            return;
        }
        let identity = Identity::of(list);
        let mut refused: Vec<(usize, NoIdentity)> = Vec::new();
        let items = identity.index(values, |i, why| refused.push((i, why)));
        if !refused.is_empty() {
            for (i, why) in refused {
                self.refuse_at(index(i), why.message());
            }
            return;
        }
        if self.duplicates == Duplicates::Refuse {
            let order = items.sorted();
            for pair in order.windows(2) {
                if Identity::compare(&items, pair[0], &items, pair[1]).is_eq() {
                    self.refuse_at(identity.element(&items, pair[1]), "occurs twice");
                }
            }
        }
        for (i, value) in values.iter().enumerate() {
            if matches!(value, Value::Object(_) | Value::Array(_)) || !fits_scalar(element, value) {
                self.path.push(identity.element(&items, i));
                self.check(value, element, depth + 1);
                self.path.pop();
            }
        }
    }
}

/// Whether a scalar plainly fits; `false` says only that it must be looked at.
fn fits_scalar(ty: TypeRef<'_>, value: &Value) -> bool {
    matches!(
        (ty.scalar(), value),
        (Some(Scalar::Untyped | Scalar::String), Value::String(_))
            | (Some(Scalar::Untyped | Scalar::Numeric), Value::Number(_))
    )
}

fn index(i: usize) -> PathElement {
    PathElement::Index(i64::try_from(i).unwrap_or(i64::MAX))
}

fn describe(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
        Value::String(text) if text.len() > 60 => "a long string".to_owned(),
        scalar => scalar.to_json(),
    }
}
