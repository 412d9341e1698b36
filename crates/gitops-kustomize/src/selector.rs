//! Selectors: regular expressions on names and kinds, and expressions on labels and annotations.

use gitops_manifest::Str;
use regex::{Regex, RegexBuilder};

use crate::id::{Gvk, Id};
use crate::kustomization::Selector;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::scope::Scope;

/// Why a selector says nothing that can be selected by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectorError {
    #[error("the {field} `{pattern}` is no regular expression: {reason}")]
    Pattern {
        field: &'static str,
        pattern: String,
        reason: String,
    },
    #[error("the {field} `{expression}` cannot be read: {reason}")]
    Expression {
        field: &'static str,
        expression: String,
        reason: String,
    },
}

/// How large a compiled pattern may be, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// Compiles a pattern of Go's syntax, which is this crate's but for rare corners.
pub(crate) fn pattern(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_SIZE)
        .nest_limit(64)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            other => other
                .to_string()
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned(),
        })
}

/// A pattern for a whole text.
#[derive(Debug)]
enum Matcher {
    Any,
    /// Without a sign that means more than itself.
    Exact(Str),
    Pattern(Regex),
}

impl Matcher {
    fn new(field: &'static str, text: &Str) -> Result<Self, SelectorError> {
        if text.is_empty() {
            return Ok(Self::Any);
        }
        if !text.contains(|c| r"\.+*?()|[]{}^$".contains(c)) {
            return Ok(Self::Exact(text.clone()));
        }
        pattern(&format!("^(?:{text})$"))
            .map(Self::Pattern)
            .map_err(|reason| SelectorError::Pattern {
                field,
                pattern: text.to_string(),
                reason,
            })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(wanted) => wanted == text,
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

/// A selector, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    group: Matcher,
    version: Matcher,
    kind: Matcher,
    name: Matcher,
    namespace: Matcher,
    /// Whether group, version, kind, name and namespace are all left open.
    pub(crate) any_id: bool,
    annotations: Requirements,
    labels: Requirements,
}

impl Compiled {
    pub(crate) fn new(selector: &Selector) -> Result<Self, SelectorError> {
        Ok(Self {
            group: Matcher::new("group", &selector.gvk.group)?,
            version: Matcher::new("version", &selector.gvk.version)?,
            kind: Matcher::new("kind", &selector.gvk.kind)?,
            name: Matcher::new("name", &selector.name)?,
            namespace: Matcher::new("namespace", &selector.namespace)?,
            any_id: selector.gvk == Gvk::default()
                && selector.name.is_empty()
                && selector.namespace.is_empty(),
            annotations: Requirements::parse("annotationSelector", &selector.annotations)?,
            labels: Requirements::parse("labelSelector", &selector.labels)?,
        })
    }

    fn gvk(&self, group: &str, version: &str, kind: &str) -> bool {
        self.kind.matches(kind) && self.group.matches(group) && self.version.matches(version)
    }

    /// Whether an id is selected, its namespace taken as it is written.
    pub(crate) fn selects_id(&self, id: &Id<'_>) -> bool {
        self.gvk(id.group, id.version, id.kind)
            && self.name.matches(id.name)
            && self.namespace.matches(id.namespace)
    }

    /// Whether labels or annotations are asked for.
    pub(crate) fn asks_for_metadata(&self) -> bool {
        !self.annotations.0.is_empty() || !self.labels.0.is_empty()
    }

    /// Whether labels and annotations are as asked.
    pub(crate) fn selects_metadata(&self, resource: &Resource) -> bool {
        self.annotations.match_entries(resource, "annotations")
            && self.labels.match_entries(resource, "labels")
    }

    /// Whether a resource is selected by its original or present name and namespace.
    fn selects(&self, resource: &Resource, scope: &Scope) -> bool {
        let (group, version) = crate::id::split_api_version(resource.api_version());
        if !self.gvk(group, version, resource.kind()) {
            return false;
        }
        let (now, original) = (resource.id(scope), resource.original_id(scope));
        (self.namespace.matches(original.effective_namespace())
            || self.namespace.matches(now.effective_namespace()))
            && (self.name.matches(original.name) || self.name.matches(now.name))
            && self.selects_metadata(resource)
    }

    /// Finds the resources that are selected, in order.
    pub(crate) fn select(&self, resources: &mut ResMap, scope: &Scope) -> Vec<usize> {
        let candidates: Vec<usize> = match &self.name {
            Matcher::Exact(name) => resources.candidates(name, "", scope),
            _ => (0..resources.as_slice().len()).collect(),
        };
        candidates
            .into_iter()
            .filter(|&i| {
                let resource = &resources.as_slice()[i];
                !resource.deleted && self.selects(resource, scope)
            })
            .collect()
    }
}

/// A selector on labels, as `kubectl -l` takes it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Requirements(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, PartialEq, Eq)]
enum Operator {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl Requirements {
    fn parse(field: &'static str, text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser { rest: text };
        parser
            .requirements()
            .map(Self)
            .map_err(|reason| SelectorError::Expression {
                field,
                expression: text.to_owned(),
                reason,
            })
    }

    fn match_entries(&self, resource: &Resource, field: &str) -> bool {
        self.0.iter().all(|requirement| {
            let value = resource
                .meta_entries(field)
                .filter(|(key, _)| **key == *requirement.key)
                .last()
                .map(|(_, value)| value);
            match (&requirement.operator, value) {
                (Operator::Exists, value) => value.is_some(),
                (Operator::Absent, value) => value.is_none(),
                (Operator::In(values), Some(value)) => values.iter().any(|v| v == value),
                (Operator::NotIn(values), Some(value)) => !values.iter().any(|v| v == value),
                (Operator::NotIn(_), None) => true,
                (Operator::Greater(than), Some(value)) => {
                    value.parse::<i64>().is_ok_and(|value| value > *than)
                }
                (Operator::Less(than), Some(value)) => {
                    value.parse::<i64>().is_ok_and(|value| value < *than)
                }
                _ => false,
            }
        })
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, sign: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'a str {
        self.skip();
        let end = self
            .rest
            .find(|c: char| "=!(),<> \t\r\n".contains(c))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut out = Vec::new();
        self.skip();
        if self.rest.is_empty() {
            return Ok(out);
        }
        loop {
            out.push(self.requirement()?);
            self.skip();
            if self.rest.is_empty() {
                return Ok(out);
            }
            if !self.take(",") {
                return Err(format!("`,` is missing before `{}`", self.rest));
            }
            self.skip();
            if self.rest.is_empty() {
                return Err("it ends with `,`".to_owned());
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.take("!");
        let key = self.word().to_owned();
        if key.is_empty() {
            return Err("a key is missing".to_owned());
        }
        if absent {
            return Ok(Requirement {
                key,
                operator: Operator::Absent,
            });
        }
        self.skip();
        let operator = if self.rest.is_empty() || self.rest.starts_with(',') {
            Operator::Exists
        } else if self.take("==") || self.take("=") {
            Operator::In(vec![self.word().to_owned()])
        } else if self.take("!=") {
            Operator::NotIn(vec![self.word().to_owned()])
        } else if self.take(">") {
            Operator::Greater(self.integer()?)
        } else if self.take("<") {
            Operator::Less(self.integer()?)
        } else {
            match self.word() {
                "in" => Operator::In(self.values()?),
                "notin" => Operator::NotIn(self.values()?),
                other => return Err(format!("`{other}` is no operator")),
            }
        };
        Ok(Requirement { key, operator })
    }

    fn integer(&mut self) -> Result<i64, String> {
        let word = self.word();
        word.parse().map_err(|_| format!("`{word}` is no integer"))
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        if !self.take("(") {
            return Err("`(` is missing".to_owned());
        }
        let mut out = Vec::new();
        loop {
            out.push(self.word().to_owned());
            if self.take(")") {
                return Ok(out);
            }
            if !self.take(",") {
                return Err("`)` is missing".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read() {
        let read = |text| Requirements::parse("labelSelector", text);
        assert_eq!(read("  ").expect("nothing is asked").0.len(), 0);
        let all = read("a=b,c != d, e in (x, y),!f, g,h notin (z),i>3").expect("it is well formed");
        assert_eq!(all.0.len(), 7);
        assert_eq!(all.0[3].operator, Operator::Absent);
        assert_eq!(all.0[6].operator, Operator::Greater(3));
        for bad in ["a=b,", "=b", "a ~ b", "a in x", "a in (x"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
