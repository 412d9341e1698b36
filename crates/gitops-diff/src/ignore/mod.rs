//! Rules for what is left out of a comparison.
//!
//! A rule says of which objects (by group, kind, namespace and name) which places do not count: JSON pointers, jq
//! path expressions, or everything that certain field managers own. The same rules serve the apply: [`IgnoreRules::respect`]
//! gives desired the live value at each of these places, so that applying it leaves them as they are.

mod glob;
#[cfg(feature = "jq")]
mod jq;
mod trusted;

use gitops_manifest::{Object, ObjectKey, Str, Value};

use serde::{Deserialize, Serialize};

pub use trusted::without_managed;

use crate::json_patch::Dialect;
use crate::{Pointer, PointerError, places};

/// Why ignore rules cannot be set up. Trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IgnoreError {
    /// A JSON pointer is malformed.
    #[error("ignore rule {rule} has a bad json pointer")]
    BadPointer {
        /// Which rule, from 0.
        rule: usize,
        /// What is wrong with the pointer.
        #[source]
        source: PointerError,
    },
    /// A jq path expression does not parse.
    #[error(
        "ignore rule {rule} has a jq path expression that does not parse: {expression}: {problem}"
    )]
    BadExpression {
        /// Which rule, from 0.
        rule: usize,
        /// The expression.
        expression: String,
        /// What the parser says.
        problem: String,
    },
    /// A pattern for groups or kinds is malformed.
    #[error("ignore rule {rule} has a bad pattern {pattern:?}")]
    BadPattern {
        /// Which rule, from 0.
        rule: usize,
        /// The pattern.
        pattern: String,
    },
    /// The rule has a jq path expression, and the crate was built without its feature `jq`.
    #[error("ignore rule {rule} has a jq path expression, which needs the feature jq")]
    NoJq {
        /// Which rule, from 0.
        rule: usize,
    },
}

/// One rule, as an `Application` of Argo CD writes it under `ignoreDifferences`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct IgnoreRule {
    /// The API group, a glob.
    pub group: Str,
    /// The kind, a glob.
    pub kind: Str,
    /// The namespace; empty for any.
    #[serde(skip_serializing_if = "str_is_empty")]
    pub namespace: Str,
    /// The name; empty for any.
    #[serde(skip_serializing_if = "str_is_empty")]
    pub name: Str,
    /// Places, as JSON pointers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json_pointers: Vec<String>,
    /// Places, as jq path expressions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jq_path_expressions: Vec<String>,
    /// Field managers whose fields do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_fields_managers: Vec<String>,
    /// JSON pointers to what still counts within the places above. Argo CD has no such field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

fn str_is_empty(text: &Str) -> bool {
    text.is_empty()
}

impl IgnoreRule {
    /// Makes a rule for all objects of a group and kind, both globs.
    #[must_use]
    pub fn of_kind(group: impl Into<Str>, kind: impl Into<Str>) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
            ..Self::default()
        }
    }

    /// Makes a rule for one object.
    #[must_use]
    pub fn of_object(object: &Object) -> Self {
        Self {
            group: object.group().into(),
            kind: object.kind().into(),
            namespace: object.namespace().into(),
            name: object.name().into(),
            ..Self::default()
        }
    }

    /// Adds a JSON pointer.
    #[must_use]
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.json_pointers.push(pointer.into());
        self
    }

    /// Adds a jq path expression.
    #[must_use]
    pub fn jq(mut self, expression: impl Into<String>) -> Self {
        self.jq_path_expressions.push(expression.into());
        self
    }

    /// Adds a field manager.
    #[must_use]
    pub fn manager(mut self, manager: impl Into<String>) -> Self {
        self.managed_fields_managers.push(manager.into());
        self
    }

    /// Adds a JSON pointer to what still counts.
    #[must_use]
    pub fn except(mut self, pointer: impl Into<String>) -> Self {
        self.except.push(pointer.into());
        self
    }
}

/// Returns rules for what is written into objects after they were applied, by those whose business it is: the certificates by which
/// webhooks, conversion webhooks and aggregated APIs are known.
///
/// They are not applied unless asked for.
///
/// ```
/// use gitops_diff::ignore::{self, IgnoreRules};
/// # #[cfg(feature = "jq")]
/// let rules = IgnoreRules::new(&ignore::injected())?.then(IgnoreRules::server_fields());
/// # Ok::<(), gitops_diff::ignore::IgnoreError>(())
/// ```
#[must_use]
pub fn injected() -> Vec<IgnoreRule> {
    vec![
        IgnoreRule::of_kind(
            "admissionregistration.k8s.io",
            "{Mutating,Validating}WebhookConfiguration",
        )
        .jq(".webhooks[]?.clientConfig.caBundle"),
        IgnoreRule::of_kind("apiextensions.k8s.io", "CustomResourceDefinition")
            .pointer("/spec/conversion/webhook/clientConfig/caBundle"),
        IgnoreRule::of_kind("apiregistration.k8s.io", "APIService").pointer("/spec/caBundle"),
    ]
}

/// Joins the rules that concern one object, in their order; `None` where there are none. A rule with a malformed pattern
/// concerns nothing.
///
/// System-wide rules come before those of an application in what Argo CD shows, so they are to be given first.
#[must_use]
pub fn effective(rules: &[IgnoreRule], key: &ObjectKey) -> Option<IgnoreRule> {
    let mut joined: Option<IgnoreRule> = None;
    for rule in rules {
        let matches = |pattern: &str, text: &str| {
            glob::Glob::new(pattern).is_some_and(|glob| glob.matches(text))
        };
        let concerns = matches(&rule.group, &key.group)
            && matches(&rule.kind, &key.kind)
            && (rule.namespace.is_empty() || rule.namespace == key.namespace)
            && (rule.name.is_empty() || rule.name == key.name);
        if concerns {
            let joined = joined.get_or_insert_with(|| IgnoreRule {
                group: key.group.clone(),
                kind: key.kind.clone(),
                namespace: key.namespace.clone(),
                name: key.name.clone(),
                ..IgnoreRule::default()
            });
            joined
                .json_pointers
                .extend(rule.json_pointers.iter().cloned());
            joined
                .jq_path_expressions
                .extend(rule.jq_path_expressions.iter().cloned());
            joined
                .managed_fields_managers
                .extend(rule.managed_fields_managers.iter().cloned());
            joined.except.extend(rule.except.iter().cloned());
        }
    }
    joined
}

/// One place to leave out.
#[derive(Clone, Debug)]
enum Target {
    Pointer(Pointer),
    #[cfg(feature = "jq")]
    Jq(jq::Expression),
}

#[derive(Clone, Debug)]
struct Compiled {
    group: glob::Glob,
    kind: glob::Glob,
    namespace: Str,
    name: Str,
    targets: Vec<Target>,
    managers: Vec<Str>,
    except: Vec<Pointer>,
}

impl Compiled {
    fn matches(&self, group: &str, kind: &str, namespace: &str, name: &str) -> bool {
        self.group.matches(group)
            && self.kind.matches(kind)
            && (self.namespace.is_empty() || self.namespace == *namespace)
            && (self.name.is_empty() || self.name == *name)
    }
}

/// How rules are set up.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct IgnoreOptions {
    /// Take indexes in JSON pointers as Argo CD's library does: `-1` and `007` too.
    pub compat: bool,
    /// Limits of jq path expressions.
    pub limits: JqLimits,
}

impl IgnoreOptions {
    /// Sets whether indexes are taken as Argo CD's library does.
    #[must_use]
    pub const fn compat(mut self, compat: bool) -> Self {
        self.compat = compat;
        self
    }

    /// Sets the limits of jq path expressions.
    #[must_use]
    pub const fn limits(mut self, limits: JqLimits) -> Self {
        self.limits = limits;
        self
    }
}

/// What one jq path expression may cost on one object. One that exceeds it counts as failed: it leaves nothing out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JqLimits {
    /// How many paths it may give.
    pub paths: usize,
    /// How many bytes the text of the expression may have.
    pub length: usize,
}

impl Default for JqLimits {
    fn default() -> Self {
        Self {
            paths: 100_000,
            length: 16 * 1024,
        }
    }
}

/// Rules that were checked and are ready to be applied to any number of objects.
///
/// ```
/// use gitops_diff::ignore::{IgnoreRule, IgnoreRules};
/// use gitops_manifest::Object;
///
/// let rules = IgnoreRules::new(&[IgnoreRule::of_kind("apps", "Deployment").pointer("/spec/replicas")])?;
/// let deployment = Object::try_from(serde_json::json!({
///     "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 3, "paused": true},
/// }))?;
/// assert_eq!(rules.remove(&deployment).get("spec").unwrap().to_json(), r#"{"paused":true}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct IgnoreRules {
    rules: Vec<Compiled>,
    compat: bool,
}

impl IgnoreRules {
    /// Makes rules that leave out nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            rules: Vec::new(),
            compat: false,
        }
    }

    /// Checks rules, in the order in which they act.
    ///
    /// # Errors
    /// Where a pointer, expression or pattern is malformed.
    pub fn new(rules: &[IgnoreRule]) -> Result<Self, IgnoreError> {
        Self::with_options(rules, &IgnoreOptions::default())
    }

    /// Checks rules.
    ///
    /// # Errors
    /// As [`IgnoreRules::new`].
    pub fn with_options(
        rules: &[IgnoreRule],
        options: &IgnoreOptions,
    ) -> Result<Self, IgnoreError> {
        let rules = rules
            .iter()
            .enumerate()
            .map(|(i, rule)| compile(i, rule, options))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            rules,
            compat: options.compat,
        })
    }

    /// Returns what Argo CD leaves out of every object unless told otherwise: `status`, and what the API server keeps in
    /// `metadata` for itself.
    #[must_use]
    pub fn server_fields() -> Self {
        let rule = [
            "/metadata/resourceVersion",
            "/metadata/generation",
            "/metadata/managedFields",
            "/status",
        ]
        .into_iter()
        .fold(IgnoreRule::of_kind("*", "*"), IgnoreRule::pointer);
        Self::new(&[rule]).expect("these pointers are well formed")
    }

    /// Returns these rules and then others.
    #[must_use]
    pub fn then(mut self, others: Self) -> Self {
        self.rules.extend(others.rules);
        self.compat |= others.compat;
        self
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn for_object(&self, object: &Object) -> impl Iterator<Item = &Compiled> {
        let (group, kind) = (object.group(), object.kind());
        let (namespace, name) = (object.namespace(), object.name());
        self.rules
            .iter()
            .filter(move |rule| rule.matches(group, kind, namespace, name))
    }

    /// Returns the field managers whose fields do not count on an object.
    #[must_use]
    pub fn managers(&self, object: &Object) -> Vec<Str> {
        self.for_object(object)
            .flat_map(|rule| rule.managers.iter().cloned())
            .collect()
    }

    /// Returns the object without the places that do not count. Each acts on what those before it have left; one that leads
    /// nowhere changes nothing.
    #[must_use]
    pub fn remove(&self, object: &Object) -> Object {
        let mut value = object.to_value();
        for rule in self.for_object(object) {
            for target in &rule.targets {
                self.act(&mut value, target, &rule.except);
            }
        }
        let mut result = object.clone();
        if let Value::Object(map) = value {
            *result.as_map_mut() = map;
        }
        result
    }

    fn dialect(&self) -> Dialect {
        if self.compat {
            Dialect::Evanphx
        } else {
            Dialect::Rfc6902
        }
    }

    fn act(&self, value: &mut Value, target: &Target, except: &[Pointer]) {
        #[cfg(feature = "jq")]
        if let Target::Jq(expression) = target
            && let Some(rewritten) = expression.rewrite(value)
        {
            *value = rewritten;
            return;
        }
        for pointer in self.resolve(value, target).into_iter().rev() {
            places::remove(value, &pointer, self.dialect(), except);
        }
    }

    /// The places that a target stands for in a value, in the order of the value.
    #[cfg_attr(not(feature = "jq"), allow(unused_variables))]
    fn resolve(&self, value: &Value, target: &Target) -> Vec<Pointer> {
        match target {
            Target::Pointer(pointer) => vec![pointer.clone()],
            #[cfg(feature = "jq")]
            Target::Jq(expression) => expression.places(value),
        }
    }

    /// Returns `desired` with the live value at each place that does not count, so that applying it changes nothing there. Where
    /// live has nothing at such a place, neither has the result.
    #[must_use]
    pub fn respect(&self, desired: &Object, live: &Object) -> Object {
        let mut value = desired.to_value();
        let live_value = live.to_value();
        for rule in self.for_object(desired) {
            for target in &rule.targets {
                let mut all = self.resolve(&live_value, target);
                all.extend(self.resolve(&value, target));
                all.sort();
                all.dedup();
                for pointer in all.into_iter().rev() {
                    match pointer.get(&live_value) {
                        Some(now) => places::put(&mut value, &pointer, now, &rule.except),
                        None => places::remove(&mut value, &pointer, self.dialect(), &rule.except),
                    }
                }
            }
        }
        let mut result = desired.clone();
        if let Value::Object(map) = value {
            *result.as_map_mut() = map;
        }
        result
    }
}

fn compile(
    index: usize,
    rule: &IgnoreRule,
    options: &IgnoreOptions,
) -> Result<Compiled, IgnoreError> {
    let pattern = |text: &Str| {
        glob::Glob::new(text).ok_or_else(|| IgnoreError::BadPattern {
            rule: index,
            pattern: text.as_str().to_owned(),
        })
    };
    let pointer = |text: &String| Pointer::parse(text);
    let bad = |source| IgnoreError::BadPointer {
        rule: index,
        source,
    };
    let mut targets = Vec::with_capacity(rule.json_pointers.len() + rule.jq_path_expressions.len());
    for text in &rule.json_pointers {
        match pointer(text) {
            Ok(pointer) => targets.push(Target::Pointer(pointer)),
            // Argo CD finds out only when it applies the pointer, and then passes over it.
            Err(_) if options.compat => {}
            Err(source) => return Err(bad(source)),
        }
    }
    #[cfg(feature = "jq")]
    for text in &rule.jq_path_expressions {
        let expression = jq::Expression::new(text, options.limits).map_err(|problem| {
            IgnoreError::BadExpression {
                rule: index,
                expression: text.clone(),
                problem,
            }
        })?;
        targets.push(Target::Jq(expression));
    }
    #[cfg(not(feature = "jq"))]
    if !rule.jq_path_expressions.is_empty() {
        return Err(IgnoreError::NoJq { rule: index });
    }
    Ok(Compiled {
        group: pattern(&rule.group)?,
        kind: pattern(&rule.kind)?,
        namespace: rule.namespace.clone(),
        name: rule.name.clone(),
        targets,
        managers: rule
            .managed_fields_managers
            .iter()
            .map(Into::into)
            .collect(),
        except: rule
            .except
            .iter()
            .map(pointer)
            .collect::<Result<_, _>>()
            .map_err(bad)?,
    })
}
