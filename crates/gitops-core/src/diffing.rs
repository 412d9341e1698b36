//! How the engine compares two objects: with `gitops-diff`, under the rules of one application.

use gitops_diff::compare::{CompareOptions, Comparison, compare};
use gitops_diff::ignore::{IgnoreRule, IgnoreRules};
use gitops_diff::normalize::{KnownTypes, NormalizeOptions};
use gitops_manifest::Object;

use crate::application::ResourceIgnoreDifferences;
use crate::settings::DiffSettings;

/// Compares desired and live objects under the rules of one application.
#[derive(Clone, Debug, Default)]
pub struct Differ {
    options: CompareOptions,
    /// The rules of the application alone.
    own: Option<IgnoreRules>,
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
        })
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
        compare(desired, live, &self.options).map_err(|error| crate::engine::chain(&error))
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
