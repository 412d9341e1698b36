//! Paths into objects, with the elements of lists named by their keys.

use std::fmt;

use gitops_manifest::{Str, Value};

use crate::Pointer;

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// A member of a map.
    Field(Str),
    /// The element of a list at an index.
    Index(usize),
    /// The element of a list that has these values under these fields.
    Key(Vec<(Str, Value)>),
    /// The element of a list of scalars that is this value.
    Value(Value),
}

/// The way to a place in an object: `spec.containers[name=web].image`.
///
/// Elements of lists that merge are named by their keys, as people speak of them, and not by an index that
/// changes when an element is added before them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Step>);

impl Path {
    /// Makes a path of its steps.
    #[must_use]
    pub const fn new(steps: Vec<Step>) -> Self {
        Self(steps)
    }

    /// Makes a path of names of fields.
    pub fn fields<T: Into<Str>>(fields: impl IntoIterator<Item = T>) -> Self {
        Self(
            fields
                .into_iter()
                .map(|field| Step::Field(field.into()))
                .collect(),
        )
    }

    /// Returns the steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether this is the top.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the name of the first field.
    #[must_use]
    pub fn first_field(&self) -> Option<&str> {
        match self.0.first()? {
            Step::Field(field) => Some(field),
            _ => None,
        }
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    /// Follows the path.
    #[must_use]
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0
            .iter()
            .try_fold(value, |value, step| Some(step.position_in(value)?.1))
    }

    /// Returns the JSON pointer to the same place in `value`: elements are named by their indexes there. `None` where the way
    /// does not exist in it, the last step excepted.
    #[must_use]
    pub fn to_pointer(&self, value: &Value) -> Option<Pointer> {
        let mut tokens: Vec<Str> = Vec::with_capacity(self.0.len());
        let mut here = Some(value);
        for (i, step) in self.0.iter().enumerate() {
            match (here.and_then(|value| step.position_in(value)), step) {
                (Some((token, below)), _) => {
                    tokens.push(token);
                    here = Some(below);
                }
                (None, Step::Field(field)) if i + 1 == self.0.len() => tokens.push(field.clone()),
                (None, _) => return None,
            }
        }
        Some(Pointer::from_tokens(tokens))
    }

    /// Returns the path as a jq path expression: `.spec.containers[] | select(.name == "web") | .image`.
    #[must_use]
    pub fn to_jq(&self) -> String {
        let mut out = String::new();
        let mut opened = false;
        for step in &self.0 {
            match step {
                Step::Field(field) => {
                    let plain = field.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                        && field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                    if plain {
                        out.push('.');
                        out.push_str(field);
                    } else if out.is_empty() || opened {
                        out.push_str(&format!(".[{}]", Value::from(field)));
                    } else {
                        out.push_str(&format!("[{}]", Value::from(field)));
                    }
                    opened = false;
                    continue;
                }
                Step::Index(i) => {
                    if out.is_empty() || opened {
                        out.push('.');
                    }
                    out.push_str(&format!("[{i}]"));
                    opened = false;
                    continue;
                }
                Step::Key(keys) => {
                    let tests: Vec<_> = keys
                        .iter()
                        .map(|(key, value)| {
                            let field = Self::fields([key]).to_jq();
                            if is_implied(key, value) {
                                format!("({field} // \"TCP\") == \"TCP\"")
                            } else {
                                format!("{field} == {value}")
                            }
                        })
                        .collect();
                    if out.is_empty() || opened {
                        out.push('.');
                    }
                    out.push_str(&format!("[] | select({}) | ", tests.join(" and ")));
                }
                Step::Value(value) => {
                    if out.is_empty() || opened {
                        out.push('.');
                    }
                    out.push_str(&format!("[] | select(. == {value}) | "));
                }
            }
            opened = true;
        }
        if opened {
            out.truncate(out.len() - " | ".len());
        }
        if out.is_empty() { ".".to_owned() } else { out }
    }
}

/// Whether an element that is silent about a key has this value there: of the lists that Kubernetes keys by several fields
/// that is the protocol of a port.
fn is_implied(key: &str, value: &Value) -> bool {
    key == "protocol" && value.as_str() == Some("TCP")
}

fn has_key(item: &Value, key: &str, want: &Value) -> bool {
    match item.get(key) {
        Some(found) => found == want,
        None => item.as_object().is_some() && is_implied(key, want),
    }
}

impl Step {
    /// Finds what the step leads to, and its token in a JSON pointer.
    fn position_in<'v>(&self, value: &'v Value) -> Option<(Str, &'v Value)> {
        match (self, value) {
            (Self::Field(field), Value::Object(map)) => Some((field.clone(), map.get(field)?)),
            (Self::Index(i), Value::Array(list)) => Some((i.to_string().into(), list.get(*i)?)),
            (Self::Key(keys), Value::Array(list)) => {
                let i = list
                    .iter()
                    .position(|item| keys.iter().all(|(key, want)| has_key(item, key, want)))?;
                Some((i.to_string().into(), &list[i]))
            }
            (Self::Value(want), Value::Array(list)) => {
                let i = list.iter().position(|item| item == want)?;
                Some((i.to_string().into(), &list[i]))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(field) => {
                    if field.contains(['.', '[', ']', ' ']) || field.is_empty() {
                        write!(f, "[{}]", Value::from(field))?;
                    } else {
                        if i > 0 {
                            f.write_str(".")?;
                        }
                        f.write_str(field)?;
                    }
                }
                Step::Index(i) => write!(f, "[{i}]")?,
                Step::Key(keys) => {
                    f.write_str("[")?;
                    for (i, (key, value)) in keys.iter().enumerate() {
                        let comma = if i > 0 { "," } else { "" };
                        match value {
                            Value::String(text) => write!(f, "{comma}{key}={text}")?,
                            value => write!(f, "{comma}{key}={value}")?,
                        }
                    }
                    f.write_str("]")?;
                }
                Step::Value(value) => write!(f, "[={value}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_for_people_pointers_and_jq() {
        let object = Value::from_json(
            r#"{"spec": {"containers": [{"name": "a"}, {"name": "web", "image": "x"}]}, "m": {"a/b.c": 1}}"#,
        )
        .unwrap();
        let path = Path::new(vec![
            Step::Field("spec".into()),
            Step::Field("containers".into()),
            Step::Key(vec![("name".into(), "web".into())]),
            Step::Field("image".into()),
        ]);
        assert_eq!(path.to_string(), "spec.containers[name=web].image");
        assert_eq!(path.get(&object), Some(&"x".into()));
        assert_eq!(
            path.to_pointer(&object).unwrap().to_string(),
            "/spec/containers/1/image"
        );
        assert_eq!(
            path.to_jq(),
            r#".spec.containers[] | select(.name == "web") | .image"#
        );
        let path = Path::fields(["m", "a/b.c"]);
        assert_eq!(path.to_string(), r#"m["a/b.c"]"#);
        assert_eq!(path.to_jq(), r#".m["a/b.c"]"#);
        assert_eq!(path.to_pointer(&object).unwrap().to_string(), "/m/a~1b.c");
    }
}
