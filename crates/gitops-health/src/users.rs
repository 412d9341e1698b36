use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gitops_manifest::{GroupKind, Object, Str};

use crate::{Context, HealthStatus, Verdict, pattern};

/// A rule that a user brings: a script, an expression, or code.
///
/// ```
/// use gitops_health::{Context, HealthStatus, Rule, RuleError, Rules, Verdict, assess};
/// use gitops_manifest::Object;
///
/// #[derive(Debug)]
/// struct AlwaysWell;
/// impl Rule for AlwaysWell {
///     fn judge(&self, _: &Object, _: &Context<'_>) -> Result<Verdict, RuleError> {
///         Ok(Verdict::new(HealthStatus::Healthy, "always"))
///     }
/// }
///
/// let mut rules = Rules::new();
/// rules.insert("example.org/*", AlwaysWell);
/// let object = Object::try_from(serde_json::json!({"apiVersion": "example.org/v1", "kind": "Widget"}))?;
/// let health = assess(&object, &Context::new().with_rules(&rules)).expect("there is a rule");
/// assert_eq!(health.message, "always");
/// # Ok::<(), gitops_manifest::ObjectError>(())
/// ```
pub trait Rule: fmt::Debug + Send + Sync {
    /// Tells how the object is doing.
    ///
    /// # Errors
    /// Where the rule fails; the object's health is then unknown, with the error as message.
    fn judge(&self, object: &Object, context: &Context<'_>) -> Result<Verdict, RuleError>;
}

/// A rule could not tell the health of an object. Trying again helps only where the object has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct RuleError {
    /// What went wrong.
    pub message: String,
}

impl RuleError {
    /// Makes an error of what went wrong.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// Rules of users, by group and kind.
///
/// A key is `group/Kind`, or `Kind` for the core group; `*`, `?` make it a pattern, in which `*` stands for any
/// characters. The rule for exactly the object's kind comes first, then the first pattern by its text.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    exact: BTreeMap<GroupKind, Arc<dyn Rule>>,
    patterns: BTreeMap<Str, Arc<dyn Rule>>,
}

impl Rules {
    /// Makes an empty set of rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }

    /// Returns how many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.len() + self.patterns.len()
    }

    /// Puts a rule under a key; one that was there gives way.
    pub fn insert(&mut self, key: &str, rule: impl Rule + 'static) {
        self.insert_shared(key, Arc::new(rule));
    }

    /// Puts a rule that is shared under a key; one that was there gives way.
    pub fn insert_shared(&mut self, key: &str, rule: Arc<dyn Rule>) {
        if pattern::is_pattern(key) {
            self.patterns.insert(key.into(), rule);
        } else {
            let (group, kind) = key.split_once('/').unwrap_or(("", key));
            self.exact.insert(GroupKind::new(group, kind), rule);
        }
    }

    /// Returns the rule that is asked for a kind.
    #[must_use]
    pub fn find(&self, kind: &GroupKind) -> Option<&dyn Rule> {
        if let Some(rule) = self.exact.get(kind) {
            return Some(&**rule);
        }
        if self.patterns.is_empty() {
            return None;
        }
        let name = kind.to_string();
        self.patterns
            .iter()
            .find(|(key, _)| pattern::anywhere(key, &name))
            .map(|(_, rule)| &**rule)
    }

    /// Asks the rule for the object's kind; `None` where there is none.
    pub(crate) fn judge(&self, object: &Object, context: &Context<'_>) -> Option<Verdict> {
        if self.is_empty() {
            return None;
        }
        let rule = self.find(&object.group_kind())?;
        Some(rule.judge(object, context).unwrap_or_else(|error| {
            Verdict::new(HealthStatus::Unknown, error.message).because("RuleFailed")
        }))
    }
}
