//! What Argo CD's ConfigMap `argocd-cm` says of resources: which are left alone, how they are compared, tracked and judged,
//! and which projects hold for others.
//!
//! The keys are read as Argo CD 3.6 reads them. What cannot be read is left out and [complained](Complaint) of, with key and
//! line; the rest holds.
//!
//! ```
//! use gitops_core::EngineOptions;
//! use gitops_core::settings::ResourceSettings;
//! use gitops_manifest::Object;
//!
//! let config = Object::try_from(serde_json::json!({
//!     "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"},
//!     "data": {
//!         "resource.exclusions": "- apiGroups: ['*.upbound.io']\n  kinds: ['*']\n  clusters: ['https://edge-*']\n",
//!         "resource.customizations.ignoreDifferences.apps_Deployment": "jsonPointers: [/spec/replicas]\n",
//!         "application.resourceTrackingMethod": "both",
//!     },
//! }))?;
//! let (settings, complaints) = ResourceSettings::read(&config);
//! assert_eq!(
//!     complaints[0].to_string(),
//!     "argocd-cm: application.resourceTrackingMethod: \"both\" is no method; give annotation, label or annotation+label"
//! );
//! let mut options = EngineOptions::default();
//! settings.apply(&mut options);
//! assert!(options.excludes("s3.upbound.io", "Bucket", "https://edge-1"));
//! assert!(!options.excludes("s3.upbound.io", "Bucket", "https://core"));
//! # Ok::<(), gitops_manifest::ObjectError>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;

use gitops_diff::ignore::{IgnoreRule, IgnoreRules};
use gitops_diff::normalize::{KnownTypeField, KnownTypes};
use gitops_health::Customizations;
use gitops_manifest::{GroupKind, Object, Str, Value, yaml};

use crate::EngineOptions;
use crate::application::{AppProject, AppProjectSpec};
use crate::glob::{Syntax, matches};
use crate::tracking::{Tracking, TrackingMethod};

const CUSTOMIZATIONS: &str = "resource.customizations";
const EXCLUSIONS: &str = "resource.exclusions";
const INCLUSIONS: &str = "resource.inclusions";
const COMPARE_OPTIONS: &str = "resource.compareoptions";
const GLOBAL_PROJECTS: &str = "globalProjects";

/// The kinds that Argo CD leaves alone whatever its settings say.
const ALWAYS_EXCLUDED: [(&str, &str); 4] = [
    ("events.k8s.io", "*"),
    ("metrics.k8s.io", "*"),
    ("", "Event"),
    ("coordination.k8s.io", "Lease"),
];

/// Something in the ConfigMap cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Complaint {
    /// The name of the ConfigMap.
    pub config_map: Str,
    /// The key.
    pub key: Str,
    /// The line of the key's text, from 1, where it can be told.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.config_map, self.key)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Kinds that are left alone, or the only ones that are not. What a list does not name, it does not limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceRule {
    /// API groups, as globs.
    pub groups: Vec<Str>,
    /// Kinds; `*` for all.
    pub kinds: Vec<Str>,
    /// Addresses of clusters, as globs.
    pub clusters: Vec<Str>,
}

impl ResourceRule {
    /// Makes one for a group and kind in all clusters.
    #[must_use]
    pub fn of_kind(group: impl Into<Str>, kind: impl Into<Str>) -> Self {
        Self {
            groups: vec![group.into()],
            kinds: vec![kind.into()],
            clusters: Vec::new(),
        }
    }

    /// Whether it means a kind in a cluster.
    #[must_use]
    pub fn means(&self, group: &str, kind: &str, server: &str) -> bool {
        let any = |patterns: &[Str], text: &str| {
            patterns.is_empty() || patterns.iter().any(|p| matches(p, text, Syntax::Any))
        };
        any(&self.groups, group)
            && (self.kinds.is_empty() || self.kinds.iter().any(|k| **k == *"*" || **k == *kind))
            && any(&self.clusters, server)
    }
}

/// Which kinds of which clusters are dealt with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceFilter {
    /// The kinds that are left alone.
    pub exclusions: Vec<ResourceRule>,
    /// The only kinds that are not left alone; all where it is empty.
    pub inclusions: Vec<ResourceRule>,
}

impl ResourceFilter {
    /// Whether a kind of a cluster is left alone: neither read nor written.
    #[must_use]
    pub fn excludes(&self, group: &str, kind: &str, server: &str) -> bool {
        let listed = |rules: &[ResourceRule]| rules.iter().any(|r| r.means(group, kind, server));
        listed(&self.exclusions) || !self.inclusions.is_empty() && !listed(&self.inclusions)
    }
}

/// On which objects `status` does not count in a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IgnoreStatus {
    /// On all.
    #[default]
    All,
    /// On definitions of kinds alone.
    Definitions,
    /// On none.
    None,
}

/// How the objects of all applications are compared, besides what each application says.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DiffSettings {
    /// What does not count.
    pub ignore: Vec<IgnoreRule>,
    /// The fields of custom resources that are of built-in types, besides those that are known without being told.
    pub known_types: Vec<KnownTypes>,
    /// Whether the rules of aggregated roles do not count.
    pub ignore_aggregated_roles: bool,
    /// On which objects `status` does not count.
    pub ignore_status: IgnoreStatus,
}

impl DiffSettings {
    /// Returns what is left out of every object for the API server's sake.
    pub(crate) fn server_fields(&self) -> IgnoreRules {
        if self.ignore_status == IgnoreStatus::All {
            return IgnoreRules::server_fields();
        }
        let kept = [
            "/metadata/resourceVersion",
            "/metadata/generation",
            "/metadata/managedFields",
        ];
        let mut rules = vec![
            kept.into_iter()
                .fold(IgnoreRule::of_kind("*", "*"), IgnoreRule::pointer),
        ];
        if self.ignore_status == IgnoreStatus::Definitions {
            let definition =
                IgnoreRule::of_kind("apiextensions.k8s.io", "CustomResourceDefinition");
            rules.push(definition.pointer("/status"));
        }
        IgnoreRules::new(&rules).expect("these pointers are well formed")
    }
}

/// A project whose rules hold for other projects too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GlobalProject {
    /// The project.
    pub name: Str,
    /// For which projects it holds, by their labels; all must be met.
    pub selector: Vec<Requirement>,
}

/// One thing that a label selector asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The label has one of these values.
    In(Str, Vec<Str>),
    /// The label has none of these values, or is not there.
    NotIn(Str, Vec<Str>),
    /// The label is there.
    Exists(Str),
    /// The label is not there.
    DoesNotExist(Str),
}

impl Requirement {
    fn is_met(&self, project: &AppProject) -> bool {
        let label = |name: &Str| {
            let labels = project.metadata.get("labels")?;
            labels.get(name.as_str()).and_then(Value::as_str)
        };
        match self {
            Self::In(name, values) => label(name).is_some_and(|l| values.iter().any(|v| **v == *l)),
            Self::NotIn(name, values) => {
                label(name).is_none_or(|l| values.iter().all(|v| **v != *l))
            }
            Self::Exists(name) => label(name).is_some(),
            Self::DoesNotExist(name) => label(name).is_none(),
        }
    }
}

impl GlobalProject {
    /// Whether the project's rules hold for another.
    #[must_use]
    pub fn holds_for(&self, project: &AppProject) -> bool {
        self.selector.iter().all(|wanted| wanted.is_met(project))
    }
}

/// Returns a project with the rules of a global one added. Roles and flags stay its own.
#[must_use]
pub fn with_global(project: &AppProject, global: &AppProjectSpec) -> AppProject {
    let mut merged = project.clone();
    let spec = &mut merged.spec;
    spec.source_repos
        .extend(global.source_repos.iter().cloned());
    spec.destinations
        .extend(global.destinations.iter().cloned());
    spec.sync_windows
        .extend(global.sync_windows.iter().cloned());
    let accounts = &global.destination_service_accounts;
    spec.destination_service_accounts
        .extend(accounts.iter().cloned());
    let lists = [
        (
            &mut spec.cluster_resource_whitelist,
            &global.cluster_resource_whitelist,
        ),
        (
            &mut spec.cluster_resource_blacklist,
            &global.cluster_resource_blacklist,
        ),
        (
            &mut spec.namespace_resource_blacklist,
            &global.namespace_resource_blacklist,
        ),
    ];
    for (own, global) in lists {
        own.extend(global.iter().cloned());
    }
    // As in Argo CD a list that is added to none makes one: what was everything is then only these.
    if let Some(global) = global
        .namespace_resource_whitelist
        .as_ref()
        .filter(|list| !list.is_empty())
    {
        spec.namespace_resource_whitelist
            .get_or_insert_default()
            .extend(global.iter().cloned());
    }
    merged
}

/// What `argocd-cm` says of resources.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ResourceSettings {
    /// How objects are tracked.
    pub tracking: Tracking,
    /// The kinds that are left alone, where it says so; else those that are by default.
    pub exclusions: Option<Vec<ResourceRule>>,
    /// The only kinds that are not left alone.
    pub inclusions: Vec<ResourceRule>,
    /// How objects are compared.
    pub diffing: DiffSettings,
    /// Health scripts and actions. To judge by the scripts, make
    /// [rules](gitops_health::Customizations#method.rules) of them (feature `lua` of `gitops-health`) and set them as
    /// [`EngineOptions::health_rules`].
    pub customizations: Customizations,
    /// The projects whose rules hold for others too.
    pub global_projects: Vec<GlobalProject>,
}

impl ResourceSettings {
    /// Reads the ConfigMap, and returns what can be used and what cannot.
    #[must_use]
    pub fn read(config_map: &Object) -> (Self, Vec<Complaint>) {
        let mut reader = Reader {
            name: config_map.name().into(),
            complaints: Vec::new(),
        };
        let mut settings = Self::default();
        let entries: BTreeMap<&str, &str> = config_map
            .get("data")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .collect();
        let text = |key: &str| {
            let text = entries.get(key).copied();
            text.filter(|text| !text.trim().is_empty())
        };
        settings.tracking = reader.tracking(&text);
        if let Some(text) = text(EXCLUSIONS) {
            settings.exclusions = reader.rules(EXCLUSIONS, text);
        }
        if let Some(text) = text(INCLUSIONS) {
            settings.inclusions = reader.rules(INCLUSIONS, text).unwrap_or_default();
        }
        if let Some(text) = text(COMPARE_OPTIONS) {
            reader.compare_options(text, &mut settings.diffing);
        }
        if let Some(text) = text(GLOBAL_PROJECTS) {
            settings.global_projects = reader.global_projects(text);
        }
        let (customizations, errors) = Customizations::read(config_map);
        settings.customizations = customizations;
        for error in errors {
            reader.complain(&error.key, None, error.why);
        }
        if let Some(text) = text(CUSTOMIZATIONS) {
            reader.all_customizations(text, &mut settings.diffing);
        }
        for (key, text) in &entries {
            let one = key
                .strip_prefix(CUSTOMIZATIONS)
                .and_then(|rest| rest.strip_prefix('.'));
            if let Some((what, kind)) = one.and_then(|one| one.split_once('.'))
                && let Some((group, kind)) = group_and_kind(kind)
            {
                reader.customization(key, what, &group, &kind, text, &mut settings.diffing);
            }
        }
        (settings, reader.complaints)
    }

    /// Sets what concerns an engine. Health scripts are set apart, see [`customizations`](Self::customizations).
    pub fn apply(&self, options: &mut EngineOptions) {
        options.tracking = self.tracking.clone();
        options.diffing = self.diffing.clone();
        options.global_projects.clone_from(&self.global_projects);
        options.resources.inclusions.clone_from(&self.inclusions);
        if let Some(exclusions) = &self.exclusions {
            // As in Argo CD, what is said takes the place of what is left alone by default.
            options.excluded_kinds.clear();
            let always = ALWAYS_EXCLUDED
                .iter()
                .map(|(group, kind)| ResourceRule::of_kind(*group, *kind));
            options.resources.exclusions = always.chain(exclusions.iter().cloned()).collect();
        }
    }
}

/// Reads what a key of its own ends in: `<group>_<kind>`, `<kind>` or `all`. What is neither is complained of elsewhere.
fn group_and_kind(text: &str) -> Option<(Str, Str)> {
    let parts: Vec<&str> = text.split('_').collect();
    match parts.as_slice() {
        ["all"] => Some(("*".into(), "*".into())),
        [kind] if !kind.is_empty() => Some(("".into(), (*kind).into())),
        [group, kind] => Some(((*group).into(), (*kind).into())),
        _ => None,
    }
}

struct Reader {
    name: Str,
    complaints: Vec<Complaint>,
}

impl Reader {
    fn complain(&mut self, key: &str, line: Option<usize>, reason: impl Into<String>) {
        self.complaints.push(Complaint {
            config_map: self.name.clone(),
            key: key.into(),
            line,
            reason: reason.into(),
        });
    }

    /// Complains of the place in a text of YAML that a JSON pointer leads to.
    fn complain_at(&mut self, key: &str, text: &str, pointer: &str, reason: impl Into<String>) {
        let line = yaml::locate(text, 0, pointer).map(|position| position.line);
        self.complain(key, line, reason);
    }

    fn parse(&mut self, key: &str, text: &str) -> Option<Value> {
        match yaml::parse_one(text, &yaml::ParseOptions::default()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.complain(key, Some(error.line()), error.message());
                None
            }
        }
    }

    fn tracking<'a>(&mut self, text: &impl Fn(&str) -> Option<&'a str>) -> Tracking {
        let mut tracking = Tracking::default();
        let method = "application.resourceTrackingMethod";
        match text(method).map(str::trim) {
            None => {}
            Some("label") => tracking.method = TrackingMethod::Label,
            Some("annotation") => tracking.method = TrackingMethod::Annotation,
            Some("annotation+label") => tracking.method = TrackingMethod::AnnotationAndLabel,
            Some(other) => self.complain(
                method,
                None,
                format!("{other:?} is no method; give annotation, label or annotation+label"),
            ),
        }
        if let Some(label) = text("application.instanceLabelKey") {
            tracking.label = label.trim().into();
        }
        if let Some(id) = text("installationID") {
            tracking.installation = id.trim().into();
        }
        tracking
    }

    fn rules(&mut self, key: &str, text: &str) -> Option<Vec<ResourceRule>> {
        let list = match self.parse(key, text)? {
            Value::Null => return Some(Vec::new()),
            Value::Array(list) => list,
            other => {
                let what = other.type_name();
                self.complain(
                    key,
                    Some(1),
                    format!(
                        "it must be a list of rules with apiGroups, kinds and clusters, not {what}"
                    ),
                );
                return None;
            }
        };
        let mut rules = Vec::new();
        for (i, rule) in list.iter().enumerate() {
            if !matches!(rule, Value::Object(_)) {
                let reason = format!("a rule must be a map, not {}", rule.type_name());
                self.complain_at(key, text, &format!("/{i}"), reason);
                continue;
            }
            let groups = self.texts(key, text, &format!("/{i}"), rule, "apiGroups");
            let kinds = self.texts(key, text, &format!("/{i}"), rule, "kinds");
            let clusters = self.texts(key, text, &format!("/{i}"), rule, "clusters");
            // A rule of which a part cannot be read means more than it says: it is left out.
            if let (Some(groups), Some(kinds), Some(clusters)) = (groups, kinds, clusters) {
                rules.push(ResourceRule {
                    groups,
                    kinds,
                    clusters,
                });
            }
        }
        Some(rules)
    }

    /// Reads a list of texts; an absent one is empty.
    fn texts(
        &mut self,
        key: &str,
        text: &str,
        at: &str,
        map: &Value,
        field: &str,
    ) -> Option<Vec<Str>> {
        let list = match map.get(field) {
            None | Some(Value::Null) => return Some(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => {
                let reason = format!("{field} must be a list of texts, not {}", other.type_name());
                self.complain_at(key, text, &format!("{at}/{field}"), reason);
                return None;
            }
        };
        let mut texts = Vec::new();
        for (i, item) in list.iter().enumerate() {
            let Some(item) = item.as_str() else {
                let reason = format!("{field} has {}, and must have texts", item.type_name());
                self.complain_at(key, text, &format!("{at}/{field}/{i}"), reason);
                return None;
            };
            texts.push(item.into());
        }
        Some(texts)
    }

    fn compare_options(&mut self, text: &str, diffing: &mut DiffSettings) {
        let Some(options) = self.parse(COMPARE_OPTIONS, text) else {
            return;
        };
        match options.get("ignoreAggregatedRoles") {
            None | Some(Value::Null) => {}
            Some(Value::Bool(ignore)) => diffing.ignore_aggregated_roles = *ignore,
            Some(_) => {
                let reason = "ignoreAggregatedRoles must be true or false";
                self.complain_at(COMPARE_OPTIONS, text, "/ignoreAggregatedRoles", reason);
            }
        }
        let status = options.get("ignoreResourceStatusField");
        let told = match status {
            None | Some(Value::Null) => Some(IgnoreStatus::All),
            // YAML 1.1 reads `off` as no.
            Some(Value::Bool(false)) => Some(IgnoreStatus::None),
            Some(value) => match value.as_str() {
                Some("all" | "") => Some(IgnoreStatus::All),
                Some("crd") => Some(IgnoreStatus::Definitions),
                Some("none" | "off" | "false") => Some(IgnoreStatus::None),
                _ => None,
            },
        };
        match told {
            Some(told) => diffing.ignore_status = told,
            None => {
                let reason = "ignoreResourceStatusField must be all, crd or none";
                self.complain_at(COMPARE_OPTIONS, text, "/ignoreResourceStatusField", reason);
            }
        }
    }

    fn all_customizations(&mut self, text: &str, diffing: &mut DiffSettings) {
        // What is no map is complained of where health scripts are read.
        let Ok(Value::Object(all)) = yaml::parse_one(text, &yaml::ParseOptions::default()) else {
            return;
        };
        for (kind, told) in &all {
            let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
            let (group, kind) = (Str::from(group), Str::from(kind));
            for what in ["ignoreDifferences", "knownTypeFields"] {
                match told.get(what) {
                    None | Some(Value::Null) => {}
                    Some(Value::String(text)) => {
                        self.customization(CUSTOMIZATIONS, what, &group, &kind, text, diffing);
                    }
                    Some(value) => {
                        self.told(CUSTOMIZATIONS, what, &group, &kind, value, "", diffing);
                    }
                }
            }
        }
    }

    fn customization(
        &mut self,
        key: &str,
        what: &str,
        group: &Str,
        kind: &Str,
        text: &str,
        diffing: &mut DiffSettings,
    ) {
        if what != "ignoreDifferences" && what != "knownTypeFields" {
            return;
        }
        if let Some(value) = self.parse(key, text) {
            self.told(key, what, group, kind, &value, text, diffing);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "a place, and what is there")]
    fn told(
        &mut self,
        key: &str,
        what: &str,
        group: &Str,
        kind: &Str,
        value: &Value,
        text: &str,
        diffing: &mut DiffSettings,
    ) {
        match (what, value) {
            (_, Value::Null) => {}
            ("ignoreDifferences", Value::Object(_)) => {
                let mut rule = IgnoreRule::of_kind(group.clone(), kind.clone());
                for (field, list) in [
                    ("jsonPointers", &mut rule.json_pointers),
                    ("jqPathExpressions", &mut rule.jq_path_expressions),
                    ("managedFieldsManagers", &mut rule.managed_fields_managers),
                ] {
                    let texts = self.texts(key, text, "", value, field).unwrap_or_default();
                    list.extend(texts.iter().map(ToString::to_string));
                }
                // A rule that does not hold up is told of here, and not once for each application.
                match IgnoreRules::new(std::slice::from_ref(&rule)) {
                    Ok(_) => diffing.ignore.push(rule),
                    Err(error) => self.complain(key, None, crate::engine::chain(&error)),
                }
            }
            ("knownTypeFields", Value::Array(list)) => {
                let mut fields = Vec::new();
                for (i, item) in list.iter().enumerate() {
                    let part = |name: &str| item.get(name).and_then(Value::as_str);
                    match (part("field"), part("type")) {
                        (Some(field), Some(ty)) => fields.push(KnownTypeField::new(field, ty)),
                        _ => {
                            let reason = "a known type must have a field and a type";
                            self.complain_at(key, text, &format!("/{i}"), reason);
                        }
                    }
                }
                let known = KnownTypes::new(group.clone(), kind.clone(), fields);
                diffing.known_types.push(known);
            }
            (what, other) => {
                let wanted = if what == "knownTypeFields" {
                    "list"
                } else {
                    "map"
                };
                let reason = format!("{what} must be a {wanted}, not {}", other.type_name());
                self.complain(key, Some(1), reason);
            }
        }
    }

    fn global_projects(&mut self, text: &str) -> Vec<GlobalProject> {
        let list = match self.parse(GLOBAL_PROJECTS, text) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(list)) => list,
            Some(other) => {
                let what = other.type_name();
                let reason =
                    format!("it must be a list of projectName and labelSelector, not {what}");
                self.complain(GLOBAL_PROJECTS, Some(1), reason);
                return Vec::new();
            }
        };
        let mut projects = Vec::new();
        for (i, item) in list.iter().enumerate() {
            let at = format!("/{i}");
            let Some(name) = item.get("projectName").and_then(Value::as_str) else {
                self.complain_at(GLOBAL_PROJECTS, text, &at, "projectName is missing");
                continue;
            };
            match self.selector(text, &at, item.get("labelSelector")) {
                Ok(selector) => projects.push(GlobalProject {
                    name: name.into(),
                    selector,
                }),
                Err((pointer, reason)) => {
                    self.complain_at(GLOBAL_PROJECTS, text, &pointer, reason);
                }
            }
        }
        projects
    }

    fn selector(
        &mut self,
        text: &str,
        at: &str,
        selector: Option<&Value>,
    ) -> Result<Vec<Requirement>, (String, String)> {
        let mut wanted = Vec::new();
        let Some(selector) = selector else {
            return Ok(wanted);
        };
        let labels = selector.get("matchLabels").and_then(Value::as_object);
        for (name, value) in labels.into_iter().flatten() {
            let values = vec![value.as_str().unwrap_or_default().into()];
            wanted.push(Requirement::In(name.clone(), values));
        }
        let expressions = selector.get("matchExpressions").and_then(Value::as_array);
        for (i, expression) in expressions.into_iter().flatten().enumerate() {
            let at = format!("{at}/labelSelector/matchExpressions/{i}");
            let part = |name: &str| expression.get(name).and_then(Value::as_str);
            let (Some(key), Some(operator)) = (part("key"), part("operator")) else {
                return Err((at, "an expression must have a key and an operator".into()));
            };
            let values = self
                .texts(GLOBAL_PROJECTS, text, &at, expression, "values")
                .unwrap_or_default();
            let key = Str::from(key);
            wanted.push(match operator {
                "In" => Requirement::In(key, values),
                "NotIn" => Requirement::NotIn(key, values),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::DoesNotExist(key),
                other => {
                    let reason = format!(
                        "operator {other:?} is not one of In, NotIn, Exists and DoesNotExist"
                    );
                    return Err((format!("{at}/operator"), reason));
                }
            });
        }
        Ok(wanted)
    }
}

impl EngineOptions {
    /// Whether a kind of a cluster is neither read nor written.
    #[must_use]
    pub fn excludes(&self, group: &str, kind: &str, server: &str) -> bool {
        self.excluded_kinds.contains(&GroupKind::new(group, kind))
            || self.resources.excludes(group, kind, server)
    }
}
