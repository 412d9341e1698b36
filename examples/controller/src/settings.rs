//! Settings as Argo CD keeps them: in `argocd-cm`, `argocd-secret`, and Secrets of repositories and clusters.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitops::glob::{Syntax, matches};
use gitops::manifest::{GroupKind, Object, Str, Value};
use gitops::source::{ChartCredentials, ChartKeyring, Credentials, Keyring};
use gitops::tracking::{Tracking, TrackingMethod};
use gitops::{Discovery, EngineOptions};

use crate::webhook::{MAX_BODY, WebhookSecrets};

/// The label that tells what a Secret is for.
const SECRET_TYPE: &str = "argocd.argoproj.io/secret-type";

/// What the objects of the control namespace set.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// How objects are tracked.
    pub tracking: Tracking,
    /// How often repositories are asked, where it is set.
    pub poll: Option<Duration>,
    /// Rules for kinds that are left alone: API groups and kinds, as globs.
    pub exclusions: Vec<Exclusion>,
    /// The secrets of webhooks.
    pub webhooks: WebhookSecrets,
    /// The largest body of a webhook.
    pub max_body: usize,
    /// Repositories with what opens them. The longest address that another begins with counts.
    pub repositories: BTreeMap<String, RepositoryCredentials>,
    /// The Secrets of clusters, by their names.
    pub clusters: BTreeMap<String, Object>,
    /// What could not be read, for the log.
    pub complaints: Vec<String>,
}

/// Kinds that are left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// Globs of API groups.
    pub groups: Vec<String>,
    /// Globs of kinds.
    pub kinds: Vec<String>,
}

/// What opens a repository.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RepositoryCredentials {
    /// The user.
    pub username: String,
    /// The password or token.
    pub password: String,
    /// A private key for ssh.
    pub ssh_key: String,
}

/// Shows which credentials there are, never what they are.
impl std::fmt::Debug for RepositoryCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RepositoryCredentials")
            .field("username", &!self.username.is_empty())
            .field("password", &!self.password.is_empty())
            .field("ssh_key", &!self.ssh_key.is_empty())
            .finish()
    }
}

impl Settings {
    /// Reads the objects of the control namespace.
    #[must_use]
    pub fn read<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Self {
        let mut settings = Self {
            max_body: MAX_BODY,
            ..Self::default()
        };
        let mut templates = BTreeMap::new();
        for object in objects {
            match (object.kind(), object.name()) {
                ("ConfigMap", "argocd-cm") => settings.read_config(object),
                ("Secret", "argocd-secret") => {
                    let entries = secret_data(object);
                    let entries = entries.iter().map(|(key, value)| (&**key, &**value));
                    settings.webhooks = WebhookSecrets::from_entries(entries);
                }
                ("Secret", name) => match object.label(SECRET_TYPE) {
                    Some("cluster") => {
                        settings.clusters.insert(name.to_owned(), object.clone());
                    }
                    Some("repository") => read_repository(object, &mut settings.repositories),
                    Some("repo-creds") => read_repository(object, &mut templates),
                    _ => {}
                },
                _ => {}
            }
        }
        // A repository without credentials of its own uses those of the template whose address it begins with.
        settings
            .repositories
            .retain(|_, own| *own != RepositoryCredentials::default());
        for (url, credentials) in templates {
            settings.repositories.entry(url).or_insert(credentials);
        }
        settings
    }

    fn read_config(&mut self, object: &Object) {
        let text = |key: &str| {
            let value = object.at(&["data", key]).and_then(Value::as_str);
            value.map(str::trim).filter(|value| !value.is_empty())
        };
        if let Some(method) = text("application.resourceTrackingMethod") {
            match method {
                "label" => self.tracking.method = TrackingMethod::Label,
                "annotation" => self.tracking.method = TrackingMethod::Annotation,
                "annotation+label" => self.tracking.method = TrackingMethod::AnnotationAndLabel,
                other => self.complaints.push(format!(
                    "argocd-cm: application.resourceTrackingMethod is {other:?}; give annotation, label or \
                     annotation+label"
                )),
            }
        }
        if let Some(label) = text("application.instanceLabelKey") {
            self.tracking.label = label.into();
        }
        if let Some(id) = text("installationID") {
            self.tracking.installation = id.into();
        }
        if let Some(timeout) = text("timeout.reconciliation") {
            match gitops::retry::parse_duration(timeout) {
                Some(duration) => self.poll = Some(duration),
                None => self.complaints.push(format!(
                    "argocd-cm: timeout.reconciliation is {timeout:?}; give a duration such as 180s"
                )),
            }
        }
        if let Some(megabytes) = text("webhook.maxPayloadSizeMB") {
            match megabytes.parse::<usize>() {
                Ok(megabytes) if megabytes > 0 => {
                    self.max_body = megabytes.saturating_mul(1024 * 1024);
                }
                _ => self.complaints.push(format!(
                    "argocd-cm: webhook.maxPayloadSizeMB is {megabytes:?}; give a number"
                )),
            }
        }
        if let Some(exclusions) = text("resource.exclusions") {
            match read_exclusions(exclusions) {
                Ok(read) => self.exclusions = read,
                Err(reason) => self
                    .complaints
                    .push(format!("argocd-cm: resource.exclusions: {reason}")),
            }
        }
    }

    /// Sets what concerns an engine.
    pub fn apply(&self, options: &mut EngineOptions, discovery: &Discovery) {
        options.tracking = self.tracking.clone();
        match self.poll {
            // As in Argo CD zero means never.
            Some(Duration::ZERO) => options.poll = Duration::from_secs(365 * 86_400),
            Some(poll) => options.poll = poll,
            None => {}
        }
        for kind in discovery.kinds() {
            let (group, name) = (&kind.gvk.group, &kind.gvk.kind);
            if self.exclusions.iter().any(|rule| rule.means(group, name)) {
                options
                    .excluded_kinds
                    .insert(GroupKind::new(group.clone(), name.clone()));
            }
        }
    }

    /// Whether an engine that was made with other settings has to be made anew.
    #[must_use]
    pub fn needs_restart(&self, other: &Self) -> bool {
        self.tracking != other.tracking
            || self.poll != other.poll
            || self.exclusions != other.exclusions
            || self.repositories != other.repositories
    }

    /// Returns what opens repositories. Keys for ssh are written to files by `key_file`.
    ///
    /// # Errors
    /// Where a key cannot be written.
    pub fn keyring(
        &self,
        mut key_file: impl FnMut(&str) -> std::io::Result<std::path::PathBuf>,
    ) -> std::io::Result<Keyring> {
        let mut keyring = Keyring::default();
        for (url, credentials) in &self.repositories {
            let credentials = if !credentials.ssh_key.is_empty() {
                Credentials::SshKey {
                    path: key_file(&credentials.ssh_key)?,
                    passphrase: None,
                }
            } else if !credentials.username.is_empty() {
                Credentials::Basic {
                    user: credentials.username.clone(),
                    password: credentials.password.clone(),
                }
            } else {
                Credentials::Token(credentials.password.clone())
            };
            keyring.add(url.clone(), credentials);
        }
        Ok(keyring)
    }

    /// Returns what opens chart repositories and registries: the same users and passwords. As in Argo CD the address of a
    /// registry stands in a Secret with or without `oci://`.
    #[must_use]
    pub fn chart_keyring(&self) -> ChartKeyring {
        let mut keyring = ChartKeyring::default();
        for (url, credentials) in &self.repositories {
            if credentials.username.is_empty() {
                continue;
            }
            let mut charts = ChartCredentials::default();
            charts.login = Credentials::Basic {
                user: credentials.username.clone(),
                password: credentials.password.clone(),
            };
            if !url.contains("://") {
                keyring.add(format!("oci://{url}"), charts.clone());
            }
            keyring.add(url.clone(), charts);
        }
        keyring
    }
}

impl Exclusion {
    fn means(&self, group: &Str, kind: &Str) -> bool {
        // No group, or no kind, means all of them.
        let any = |patterns: &[String], name: &str| {
            patterns.is_empty() || patterns.iter().any(|p| matches(p, name, Syntax::Any))
        };
        any(&self.groups, group) && any(&self.kinds, kind)
    }
}

fn read_exclusions(text: &str) -> Result<Vec<Exclusion>, String> {
    let documents =
        gitops::manifest::yaml::parse(text, &gitops::manifest::yaml::ParseOptions::default())
            .map_err(|error| error.to_string())?;
    let Some(Value::Array(rules)) = documents.into_iter().next() else {
        return Err("it is no list of rules with apiGroups and kinds".to_owned());
    };
    let list = |rule: &Value, field: &str| -> Vec<String> {
        let values = rule.get(field).and_then(Value::as_array);
        let values = values.into_iter().flat_map(|values| values.iter());
        values
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    Ok(rules
        .iter()
        // A rule for certain clusters alone is not one for all.
        .filter(|rule| list(rule, "clusters").iter().all(|cluster| cluster == "*"))
        .map(|rule| Exclusion {
            groups: list(rule, "apiGroups"),
            kinds: list(rule, "kinds"),
        })
        .collect())
}

fn read_repository(object: &Object, into: &mut BTreeMap<String, RepositoryCredentials>) {
    let data = secret_data(object);
    let text = |key: &str| data.get(key).cloned().unwrap_or_default();
    let url = text("url").trim().to_owned();
    if url.is_empty() {
        return;
    }
    let credentials = RepositoryCredentials {
        username: text("username"),
        password: text("password"),
        ssh_key: text("sshPrivateKey"),
    };
    into.insert(url, credentials);
}

/// Returns the entries of a Secret, decoded. What is no text is left out.
pub(crate) fn secret_data(object: &Object) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    let map = |field: &str| object.get(field).and_then(Value::as_object);
    for (key, value) in map("data").into_iter().flatten() {
        if let Some(text) = value.as_str()
            && let Ok(bytes) = STANDARD.decode(text)
            && let Ok(text) = String::from_utf8(bytes)
        {
            entries.insert(key.to_string(), text);
        }
    }
    for (key, value) in map("stringData").into_iter().flatten() {
        if let Some(text) = value.as_str() {
            entries.insert(key.to_string(), text.to_owned());
        }
    }
    entries
}
