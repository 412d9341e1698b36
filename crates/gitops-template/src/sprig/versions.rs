//! `semver` and `semverCompare`.

use super::{Table, string};
use crate::error::{Error, Result};
use crate::exec::Context;
use crate::function::Signature;
use crate::semver::{Constraint, SemverError, Version};
use crate::text::Str;
use crate::value::{Kind, Object, Type, Value};

const VERSION: &str = "*semver.Version";

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Bool, String};
    table.add("semver", &[String], Type::Object(VERSION), |_, a| {
        parse(&string(&a[0])).map(Value::object)
    });
    table.add("semverCompare", &[String, String], Bool, |_, a| {
        let constraint = string(&a[0]);
        let constraint = match constraint.as_str() {
            Some(text) => Constraint::parse(text).map_err(|error| error.to_string()),
            None => Err(Constraint::message_about(constraint.as_bytes())),
        };
        let constraint = constraint.map_err(Error::new)?;
        Ok(Value::Bool(constraint.check(&parse(&string(&a[1]))?)))
    });
}

fn parse(text: &Str) -> Result<Version> {
    let version = match text.as_str() {
        Some(text) => Version::parse(text),
        None if text.len() > 256 => Err(SemverError::TooLong),
        None => Err(SemverError::Invalid),
    };
    version.map_err(|error| Error::new(error.to_string()))
}

impl Object for Version {
    fn type_name(&self) -> &'static str {
        VERSION
    }

    fn kind(&self) -> Kind {
        Kind::Ptr
    }

    fn method(&self, name: &str) -> Option<Signature> {
        use Type::{Bool, Int, String, Uint64};
        const OTHER: &[Type] = &[Type::Object(VERSION)];
        let result = match name {
            "Major" | "Minor" | "Patch" => Uint64,
            "Prerelease" | "Metadata" | "Original" | "String" => String,
            "IncMajor" | "IncMinor" | "IncPatch" => Type::Object("semver.Version"),
            "SetPrerelease" | "SetMetadata" => {
                return Some(Signature::new(
                    &[String][..],
                    Type::Object("semver.Version"),
                ));
            }
            "Compare" => return Some(Signature::new(OTHER, Int)),
            "Equal" | "GreaterThan" | "GreaterThanEqual" | "LessThan" | "LessThanEqual" => {
                return Some(Signature::new(OTHER, Bool));
            }
            _ => return None,
        };
        Some(Signature::new(&[][..], result))
    }

    fn call(
        &self,
        name: &str,
        _context: &mut Context<'_>,
        arguments: &mut [Value],
    ) -> Result<Value> {
        let order = || {
            arguments
                .first()
                .and_then(Value::as_object::<Self>)
                .map(|o| self.cmp(o))
        };
        let changed = |change: &dyn Fn(&mut Self)| {
            let mut version = self.clone();
            change(&mut version);
            Ok(Value::object(Changed(version.rewritten())))
        };
        Ok(match name {
            "Major" => Value::Uint64(self.major),
            "Minor" => Value::Uint64(self.minor),
            "Patch" => Value::Uint64(self.patch),
            "Prerelease" => Value::from(self.prerelease.as_str()),
            "Metadata" => Value::from(self.metadata.as_str()),
            "Original" => Value::from(self.original.as_str()),
            "String" => Value::from(self.to_string()),
            "Compare" => Value::Int(order().map_or(0, |order| order as i64)),
            "Equal" => Value::Bool(order().is_some_and(|order| order.is_eq())),
            "GreaterThan" => Value::Bool(order().is_some_and(|order| order.is_gt())),
            "GreaterThanEqual" => Value::Bool(order().is_some_and(|order| order.is_ge())),
            "LessThan" => Value::Bool(order().is_some_and(|order| order.is_lt())),
            "LessThanEqual" => Value::Bool(order().is_some_and(|order| order.is_le())),
            "IncMajor" => {
                return changed(&|version| {
                    version.release(version.major.wrapping_add(1), 0, 0);
                });
            }
            "IncMinor" => {
                return changed(&|version| {
                    version.release(version.major, version.minor.wrapping_add(1), 0);
                });
            }
            "IncPatch" => {
                return changed(&|version| {
                    // A pre-release comes before its patch, which is the next one then.
                    let step = u64::from(version.prerelease.is_empty());
                    let patch = version.patch.wrapping_add(step);
                    version.release(version.major, version.minor, patch);
                });
            }
            "SetPrerelease" => {
                let prerelease = string(&arguments[0]).to_text().into_owned();
                return changed(&|version| version.prerelease.clone_from(&prerelease));
            }
            "SetMetadata" => {
                let metadata = string(&arguments[0]).to_text().into_owned();
                return changed(&|version| version.metadata.clone_from(&metadata));
            }
            _ => Value::Missing,
        })
    }

    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("major", Value::Uint64(self.major)),
            ("minor", Value::Uint64(self.minor)),
            ("patch", Value::Uint64(self.patch)),
            ("pre", Value::from(self.prerelease.as_str())),
            ("metadata", Value::from(self.metadata.as_str())),
            ("original", Value::from(self.original.as_str())),
        ]
    }

    /// The fields of the original are private, so a copy of it has none of them.
    fn copied(&self) -> Option<Value> {
        Some(Value::object(Self {
            major: 0,
            minor: 0,
            patch: 0,
            prerelease: String::new(),
            metadata: String::new(),
            original: String::new(),
        }))
    }

    fn to_json(&self) -> Option<Value> {
        Some(Value::from(self.to_string()))
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other: &dyn std::any::Any = other;
        other.downcast_ref::<Self>().is_some_and(|other| {
            self == other && self.metadata == other.metadata && self.original == other.original
        })
    }
}

/// A version that is no pointer, as the methods that change one return it. Only methods that need
/// no pointer can be called on it.
struct Changed(Version);

impl Object for Changed {
    fn type_name(&self) -> &'static str {
        "semver.Version"
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.0.fields()
    }

    fn method(&self, name: &str) -> Option<Signature> {
        let needs_pointer =
            matches!(name, "Original" | "Compare") || name.contains("Than") || name == "Equal";
        if needs_pointer {
            None
        } else {
            self.0.method(name)
        }
    }

    fn call(
        &self,
        name: &str,
        context: &mut Context<'_>,
        arguments: &mut [Value],
    ) -> Result<Value> {
        self.0.call(name, context, arguments)
    }

    fn text(&self) -> Option<String> {
        self.0.text()
    }

    fn to_json(&self) -> Option<Value> {
        self.0.to_json()
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other: &dyn std::any::Any = other;
        other
            .downcast_ref::<Self>()
            .is_some_and(|other| self.0.equals(&other.0))
    }
}

impl Version {
    fn release(&mut self, major: u64, minor: u64, patch: u64) {
        (self.major, self.minor, self.patch) = (major, minor, patch);
        self.prerelease.clear();
        self.metadata.clear();
    }

    /// Makes the original text that of the version, with the `v` that it had.
    fn rewritten(mut self) -> Self {
        let prefix = if self.original.starts_with('v') {
            "v"
        } else {
            ""
        };
        self.original = format!("{prefix}{self}");
        self
    }
}
