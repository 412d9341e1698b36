//! How the engine compares two objects: with `gitops-diff`, under the rules of one application.

use std::collections::HashMap;
use std::sync::Arc;

use gitops_diff::compare::{CompareOptions, Comparison, Difference, Strategy, Why, compare};
use gitops_diff::ignore::{IgnoreRule, IgnoreRules};
use gitops_diff::normalize::{KnownTypes, NormalizeOptions};
use gitops_diff::schema::Schemas;
use gitops_diff::structured::migrate_to_apply;
use gitops_manifest::{Object, ObjectKey, Str};

use crate::application::ResourceIgnoreDifferences;
use crate::settings::DiffSettings;

/// Compares desired and live objects under the rules of one application.
#[derive(Clone, Debug, Default)]
pub struct Differ {
    options: CompareOptions,
    /// The rules of the application alone.
    own: Option<IgnoreRules>,
    /// Whether what the application brings is applied by the server.
    server_side: bool,
    /// Whether a server-side apply leaves alone what was applied on the client side before.
    keep_client_side: bool,
    /// Whether what admission webhooks change counts as a difference, where the answer of a dry run is compared.
    webhook_mutations: bool,
    /// What the server said that applying makes of objects, where it was asked.
    answers: Arc<Answers>,
}

impl Differ {
    /// Makes one of the rules of an application. The rules of the system, for what the API server writes, come
    /// on top.
    ///
    /// # Errors
    /// Where a rule cannot be read: which one, and why.
    pub fn new(rules: &[ResourceIgnoreDifferences]) -> Result<Self, String> {
        Self::with_settings(rules, &DiffSettings::default())
    }

    /// Makes one of the rules of an application, under those that hold for all.
    ///
    /// # Errors
    /// Where a rule cannot be read: which one, and why.
    pub fn with_settings(
        rules: &[ResourceIgnoreDifferences],
        settings: &DiffSettings,
    ) -> Result<Self, String> {
        if rules.is_empty() && *settings == DiffSettings::default() {
            return Ok(Self::default());
        }
        // Those of the system come first, so that complaints count the application's own from 0.
        let system = IgnoreRules::new(&settings.ignore);
        let system = system.map_err(|error| crate::engine::chain(&error))?;
        let rules: Vec<IgnoreRule> = rules
            .iter()
            .map(|rule| {
                let mut own = IgnoreRule::of_kind(rule.group.as_str(), rule.kind.as_str());
                own.name = rule.name.as_str().into();
                own.namespace = rule.namespace.as_str().into();
                own.json_pointers.clone_from(&rule.json_pointers);
                own.jq_path_expressions
                    .clone_from(&rule.jq_path_expressions);
                own.managed_fields_managers
                    .clone_from(&rule.managed_fields_managers);
                own
            })
            .collect();
        let rules = IgnoreRules::new(&rules).map_err(|error| crate::engine::chain(&error))?;
        let rules = system.then(rules);
        let mut known = KnownTypes::builtin();
        known.extend(settings.known_types.iter().cloned());
        let normalize =
            NormalizeOptions::default().ignore_aggregated_roles(settings.ignore_aggregated_roles);
        Ok(Self {
            own: Some(rules.clone()),
            options: CompareOptions::default()
                .ignore(rules.then(settings.server_fields()))
                .known_types(known)
                .normalize(normalize),
            ..Self::default()
        })
    }

    /// Sets whether what is compared is applied by the server: by whom each field is set then decides what goes with a
    /// field that is desired no more. An object that says `ServerSideApply=false` of itself is compared as on the client
    /// side, and one that says `ServerSideApply=true` is not, whatever is set here.
    #[must_use]
    pub fn with_server_side(mut self, yes: bool) -> Self {
        self.server_side = yes;
        self
    }

    /// Sets whether a server-side apply leaves alone what was applied on the client side before, rather than take it over.
    #[must_use]
    pub const fn with_client_side_kept(mut self, keep: bool) -> Self {
        self.keep_client_side = keep;
        self
    }

    /// Sets in whose name the server applies; `argocd-controller` where nobody says.
    #[must_use]
    pub fn with_manager(mut self, manager: Str) -> Self {
        self.options.manager = manager;
        self
    }

    /// Sets the types of custom resources.
    #[must_use]
    pub fn with_schemas(mut self, schemas: Arc<Schemas>) -> Self {
        self.options.schemas = schemas;
        self
    }

    /// Sets whether what admission webhooks change counts as a difference, where the answer of a dry run is compared.
    #[must_use]
    pub fn with_webhook_mutations(mut self, count: bool) -> Self {
        self.webhook_mutations = count;
        self
    }

    /// Compares by what the server said that applying makes of objects, where it was asked.
    #[must_use]
    pub(crate) fn with_answers(mut self, answers: Arc<Answers>) -> Self {
        self.answers = answers;
        self
    }

    /// Whether the type of an object has a say in how it is compared.
    pub(crate) fn asks_for_type(&self, desired: &Object) -> bool {
        self.is_server_side(desired) || !self.options.ignore.managers(desired).is_empty()
    }

    fn is_server_side(&self, desired: &Object) -> bool {
        let own = crate::sync::object_options(desired).find(|(name, _)| *name == "ServerSideApply");
        own.map_or(self.server_side, |(_, value)| value == "true")
    }

    /// Compares a desired with a live object, with the reasons of each difference.
    ///
    /// # Errors
    /// Where the two cannot be compared.
    pub fn compare(
        &self,
        desired: Option<&Object>,
        live: Option<&Object>,
    ) -> Result<Comparison, String> {
        let strategy = match desired {
            Some(desired) if self.is_server_side(desired) => Strategy::Structured,
            _ => Strategy::ClientSide,
        };
        let (Some(wanted), Some(found)) = (desired, live) else {
            return self.compare_by(strategy, desired, live);
        };
        if matches!(strategy, Strategy::Structured)
            && let Some(taken) = self.taken_over(found)
        {
            // The next apply takes more over than a dry run may.
            return self.compare_by(strategy, desired, Some(&taken));
        }
        let answer = match self.answers.to(wanted, found) {
            None => return self.compare_by(strategy, desired, live),
            Some(Err(refusal)) => return Err(refusal.clone()),
            Some(Ok(answer)) => Box::new(answer.clone()),
        };
        let answered = Strategy::DryRun {
            answer,
            keep_webhook_mutations: self.webhook_mutations,
        };
        let comparison = self.compare_by(answered, desired, live)?;
        if !comparison.is_modified() && matches!(strategy, Strategy::ClientSide) {
            // The server does not know what was applied on the client side before, and that some of it is wanted no more.
            let patched = self.compare_by(strategy, desired, live)?;
            let removes = |difference: &Difference| difference.why == Why::RemovedFromDesired;
            if patched.differences.iter().any(removes) {
                return Ok(patched);
            }
        }
        Ok(comparison)
    }

    /// Returns a live object as it is once what was applied on the client side is taken over, where there is some.
    fn taken_over(&self, live: &Object) -> Option<Object> {
        if self.keep_client_side {
            return None;
        }
        migrate_to_apply(live, &[], &self.options.manager).unwrap_or_default()
    }

    fn compare_by(
        &self,
        strategy: Strategy,
        desired: Option<&Object>,
        live: Option<&Object>,
    ) -> Result<Comparison, String> {
        let options = self.options.clone().strategy(strategy);
        compare(desired, live, &options).map_err(|error| crate::engine::chain(&error))
    }

    /// Takes the live values of the fields that the application ignores over into a desired object, so that applying it
    /// leaves them as they are.
    #[must_use]
    pub fn respect(&self, desired: &Object, live: &Object) -> Object {
        match &self.own {
            Some(rules) => rules.respect(desired, live),
            None => desired.clone(),
        }
    }

    /// Whether applying the desired object would change the live one.
    ///
    /// # Errors
    /// Where the two cannot be compared.
    pub fn differs(&self, desired: &Object, live: &Object) -> Result<bool, String> {
        Ok(self.compare(Some(desired), Some(live))?.is_modified())
    }
}

/// What a server said, in dry runs, that applying objects makes of those that are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(pub(crate) HashMap<ObjectKey, Answer>);

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// What was to be applied.
    pub(crate) desired: Object,
    /// The UID and the resource version of the object that was there.
    pub(crate) live: (Str, Str),
    /// What comes out, or why the server refuses.
    pub(crate) outcome: Result<Object, String>,
}

impl Answers {
    /// Returns what the server said to exactly this question.
    pub(crate) fn to(&self, desired: &Object, live: &Object) -> Option<&Result<Object, String>> {
        let answer = self.0.get(&desired.key())?;
        let (uid, version) = &answer.live;
        let fits = **uid == *live.uid()
            && **version == *live.resource_version()
            && answer.desired == *desired;
        fits.then_some(&answer.outcome)
    }
}

/// Names the fields in which two states of one object differ, as paths.
pub(crate) fn changed_fields(before: &Object, after: &Object) -> Vec<String> {
    use gitops_manifest::Value;
    fn walk(path: &str, before: &Value, after: &Value, fields: &mut Vec<String>) {
        match (before, after) {
            _ if before == after => {}
            (Value::Object(a), Value::Object(b)) => {
                let mut keys: Vec<_> = a.keys().chain(b.keys()).collect();
                keys.sort();
                keys.dedup();
                for key in keys {
                    let null = &Value::Null;
                    let (a, b) = (a.get(key).unwrap_or(null), b.get(key).unwrap_or(null));
                    walk(&format!("{path}.{key}"), a, b, fields);
                }
            }
            _ => fields.push(path.to_owned()),
        }
    }
    let mut fields = Vec::new();
    walk("", &before.to_value(), &after.to_value(), &mut fields);
    fields
}
