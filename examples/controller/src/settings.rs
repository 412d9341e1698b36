//! Settings as Argo CD keeps them: in `argocd-cm`, `argocd-secret`, and Secrets of repositories and clusters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitops::EngineOptions;
use gitops::health::Rules;
use gitops::health::lua::{LuaOptions, LuaRuntime};
use gitops::kustomize::Reorder;
use gitops::manifest::{Object, Value};
use gitops::settings::ResourceSettings;
use gitops::source::{ChartCredentials, ChartKeyring, Credentials, Keyring};

use crate::webhook::{MAX_BODY, WebhookSecrets};

/// The label that tells what a Secret is for.
const SECRET_TYPE: &str = "argocd.argoproj.io/secret-type";

/// What the objects of the control namespace set.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// What concerns resources: how they are tracked and compared, and which are left alone.
    pub resources: ResourceSettings,
    /// The health scripts, ready to be run.
    pub health_rules: Option<Arc<Rules>>,
    /// Whether objects are compared by asking the server, where an application does not say.
    pub server_side_diff: bool,
    /// How kustomizations are built.
    pub kustomize: KustomizeFlags,
    /// Whether objects are written in the name of the accounts that projects name, where it is set.
    pub impersonation: Option<bool>,
    /// How often repositories are asked, where it is set.
    pub poll: Option<Duration>,
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

/// The flags of `kustomize build` in `kustomize.buildOptions`. Charts of kustomizations are rendered in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KustomizeFlags {
    /// `--load-restrictor LoadRestrictionsNone`: files outside of a kustomization's folder may be read.
    pub without_load_restrictions: bool,
    /// `--reorder`: in which order objects come.
    pub reorder: Option<Reorder>,
    /// `--enable-managedby-label`: whether objects get a label of kustomize's.
    pub managed_by_label: bool,
}

impl KustomizeFlags {
    /// Reads flags as they stand on a command line, and returns what there is to complain of.
    #[must_use]
    pub fn read(text: &str) -> (Self, Vec<String>) {
        let (mut flags, mut complaints) = (Self::default(), Vec::new());
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let (name, given) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            let is_on = given.is_none_or(|value| value == "true");
            match name {
                "--enable-helm" => {}
                "--enable-managedby-label" => flags.managed_by_label = is_on,
                "--load-restrictor" => match given.or_else(|| words.next()) {
                    Some("LoadRestrictionsNone") => flags.without_load_restrictions = true,
                    Some("LoadRestrictionsRootOnly") => flags.without_load_restrictions = false,
                    other => complaints.push(format!(
                        "--load-restrictor is {:?}; give LoadRestrictionsNone or LoadRestrictionsRootOnly",
                        other.unwrap_or_default()
                    )),
                },
                "--reorder" => match given.or_else(|| words.next()) {
                    Some("legacy") => flags.reorder = Some(Reorder::Legacy),
                    Some("none") => flags.reorder = Some(Reorder::None),
                    other => complaints.push(format!(
                        "--reorder is {:?}; give legacy or none",
                        other.unwrap_or_default()
                    )),
                },
                "--enable-alpha-plugins" | "--enable-exec" | "--network" => complaints.push(format!(
                    "{name}: no programs are run for kustomizations"
                )),
                "--helm-command" | "--helm-kube-version" | "--helm-api-versions" | "-e" | "--env"
                | "--mount" | "--network-name" => {
                    if given.is_none() {
                        words.next();
                    }
                    complaints.push(format!("{name} has no effect"));
                }
                _ => complaints.push(format!("{word} is not known, and has no effect")),
            }
        }
        (flags, complaints)
    }
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
                ("ConfigMap", "argocd-cmd-params-cm") => settings.read_parameters(object),
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
        let (resources, complaints) = ResourceSettings::read(object);
        self.complaints
            .extend(complaints.iter().map(ToString::to_string));
        if resources.customizations.iter().next().is_some() {
            let runtime = Arc::new(LuaRuntime::new(LuaOptions::default()));
            let (rules, errors) = resources.customizations.rules(&runtime);
            self.complaints
                .extend(errors.iter().map(ToString::to_string));
            self.health_rules = (!rules.is_empty()).then(|| Arc::new(rules));
        }
        self.resources = resources;
        if let Some(timeout) = text("timeout.reconciliation") {
            match gitops::retry::parse_duration(timeout) {
                Some(duration) => self.poll = Some(duration),
                None => self.complaints.push(format!(
                    "argocd-cm: timeout.reconciliation is {timeout:?}; give a duration such as 180s"
                )),
            }
        }
        if let Some(flags) = text("kustomize.buildOptions") {
            let (flags, complaints) = KustomizeFlags::read(flags);
            self.kustomize = flags;
            let named = |complaint| format!("argocd-cm: kustomize.buildOptions: {complaint}");
            self.complaints.extend(complaints.into_iter().map(named));
        }
        self.impersonation = self.switch(object, "application.sync.impersonation.enabled");
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
    }

    /// Reads what Argo CD gives its programs as flags, as far as it concerns this one.
    fn read_parameters(&mut self, object: &Object) {
        let asked = self.switch(object, "controller.diff.server.side");
        self.server_side_diff = asked.unwrap_or_default();
    }

    /// Reads a key of a ConfigMap that says true or false, where it is set; what is neither is complained of.
    fn switch(&mut self, object: &Object, key: &str) -> Option<bool> {
        let value = object.at(&["data", key]).and_then(Value::as_str);
        match value?.trim() {
            "" => None,
            "true" => Some(true),
            "false" => Some(false),
            other => {
                let name = object.name();
                self.complaints
                    .push(format!("{name}: {key} is {other:?}; give true or false"));
                None
            }
        }
    }

    /// Sets what concerns an engine.
    pub fn apply(&self, options: &mut EngineOptions) {
        self.resources.apply(options);
        options.health_rules.clone_from(&self.health_rules);
        options.server_side_diff = self.server_side_diff;
        if let Some(impersonation) = self.impersonation {
            options.impersonation = impersonation;
        }
        match self.poll {
            // As in Argo CD zero means never.
            Some(Duration::ZERO) => options.poll = Duration::from_secs(365 * 86_400),
            Some(poll) => options.poll = poll,
            None => {}
        }
    }

    /// Whether an engine that was made with other settings has to be made anew.
    #[must_use]
    pub fn needs_restart(&self, other: &Self) -> bool {
        self.resources != other.resources
            || self.poll != other.poll
            || self.server_side_diff != other.server_side_diff
            || self.kustomize != other.kustomize
            || self.impersonation != other.impersonation
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

#[cfg(test)]
mod tests {
    use gitops::health::assess;
    use serde_json::json;

    use super::*;

    fn object(value: serde_json::Value) -> Object {
        Object::try_from(value).expect("it is an object")
    }

    #[test]
    fn customizations_reach_the_engine_and_what_cannot_be_used_is_told() {
        let config = object(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"},
            "data": {
                "resource.customizations.health.example.org_Widget":
                    "return {status = 'Degraded', message = obj.spec.why}",
                "resource.customizations.health.example.org_Broken": "return {",
                "resource.customizations.ignoreDifferences.apps_Deployment": "jsonPointers: [/spec/replicas]",
                "resource.exclusions": "- kinds: [Secret]\n  clusters: [https://edge]\n- 7\n",
                "application.instanceLabelKey": "example.org/app",
            },
        }));
        let parameters = object(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cmd-params-cm"},
            "data": {"controller.diff.server.side": "true", "server.insecure": "true"},
        }));
        let settings = Settings::read([&config, &parameters]);
        let complaints = &settings.complaints;
        assert_eq!(complaints.len(), 2, "{complaints:#?}");
        assert_eq!(
            complaints[0],
            "argocd-cm: resource.exclusions, line 3: a rule must be a map, not number"
        );
        assert!(complaints[1].starts_with("cannot use example.org/Broken of ConfigMap argocd-cm"));
        let mut options = EngineOptions::default();
        settings.apply(&mut options);
        assert!(options.excludes("", "Secret", "https://edge"));
        assert!(!options.excludes("", "Secret", "https://core"));
        assert_eq!(options.diffing.ignore.len(), 1);
        assert_eq!(&*options.tracking.label, "example.org/app");
        assert!(options.server_side_diff);
        let rules = options.health_rules.expect("one script can be parsed");
        let widget = object(json!({
            "apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"},
            "spec": {"why": "it is broken"},
        }));
        let context = gitops::health::Context::new().with_rules(&rules);
        let health = assess(&widget, &context).expect("there is a rule");
        assert_eq!(health.message, "it is broken");
        assert!(settings.needs_restart(&Settings::default()));
        assert!(!settings.needs_restart(&Settings::read([&config, &parameters])));
        assert!(settings.needs_restart(&Settings::read([&config])));
    }

    #[test]
    fn flags_of_kustomize_are_read_as_on_a_command_line() {
        let read = KustomizeFlags::read;
        let (flags, complaints) =
            read("--enable-helm --load-restrictor LoadRestrictionsNone  --reorder=none");
        assert!(flags.without_load_restrictions);
        assert_eq!(flags.reorder, Some(Reorder::None));
        assert!(!flags.managed_by_label);
        assert!(complaints.is_empty(), "{complaints:?}");

        let (flags, complaints) =
            read("--enable-managedby-label --load-restrictor=none --helm-command helm3 --colour");
        assert!(flags.managed_by_label && !flags.without_load_restrictions);
        let expected = [
            "--load-restrictor is \"none\"; give LoadRestrictionsNone or LoadRestrictionsRootOnly",
            "--helm-command has no effect",
            "--colour is not known, and has no effect",
        ];
        assert_eq!(complaints, expected);
    }

    #[test]
    fn parameters_that_cannot_be_used_are_told() {
        let config = object(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"},
            "data": {
                "kustomize.buildOptions": "--enable-alpha-plugins",
                "application.sync.impersonation.enabled": "no",
            },
        }));
        let parameters = object(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cmd-params-cm"},
            "data": {"controller.diff.server.side": "maybe"},
        }));
        let settings = Settings::read([&config, &parameters]);
        let expected = [
            "argocd-cm: kustomize.buildOptions: --enable-alpha-plugins: no programs are run for kustomizations",
            "argocd-cm: application.sync.impersonation.enabled is \"no\"; give true or false",
            "argocd-cmd-params-cm: controller.diff.server.side is \"maybe\"; give true or false",
        ];
        assert_eq!(settings.complaints, expected);
        let mut options = EngineOptions::default();
        settings.apply(&mut options);
        assert!(options.impersonation && !options.server_side_diff);
    }
}
