//! Clusters as Argo CD keeps them: in Secrets.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitops_manifest::{Object, Str, Value};
use kube::config::{AuthInfo, Cluster};
use serde::Deserialize;
use serde_json::json;

use crate::connect::{check_commands, config_of};
use crate::{Commands, KubeError, KubeOptions, PodAccess, in_cluster};

/// The label by which Argo CD knows its Secrets.
const SECRET_TYPE: &str = "argocd.argoproj.io/secret-type";
/// The server of the cluster in which a program runs.
const IN_CLUSTER: &str = "https://kubernetes.default.svc";

/// A cluster as a Secret with the label `argocd.argoproj.io/secret-type: cluster` describes it.
///
/// ```
/// use gitops_kube::ClusterSecret;
/// use gitops_manifest::Object;
///
/// let secret = Object::try_from(serde_json::json!({
///     "apiVersion": "v1", "kind": "Secret",
///     "metadata": {
///         "name": "cluster-eu", "namespace": "argocd",
///         "labels": {"argocd.argoproj.io/secret-type": "cluster"},
///     },
///     "stringData": {
///         "name": "eu", "server": "https://eu.example.com:6443", "namespaces": "shop, web",
///         "config": r#"{"bearerToken": "s3cret", "tlsClientConfig": {"insecure": true}}"#,
///     },
/// }))?;
/// let cluster = ClusterSecret::parse(&secret)?;
/// assert_eq!((cluster.name.as_str(), cluster.namespaces.len()), ("eu", 2));
/// assert!(!format!("{cluster:?}").contains("s3cret"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ClusterSecret {
    /// Namespace and name of the Secret.
    pub secret: String,
    /// The name of the cluster; its server where it has none.
    pub name: Str,
    /// The address of the server, without a slash at the end.
    pub server: Str,
    /// The namespaces that may be managed; empty for all.
    pub namespaces: Vec<Str>,
    /// Whether objects that live in no namespace may be managed, where there are `namespaces`.
    pub cluster_resources: bool,
    /// The project to which the cluster belongs; empty where to none.
    pub project: Str,
    /// The labels of the Secret, by which generators choose clusters.
    pub labels: BTreeMap<Str, Str>,
    /// The annotations of the Secret.
    pub annotations: BTreeMap<Str, Str>,
    config: Config,
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterSecret")
            .field("secret", &self.secret)
            .field("name", &self.name)
            .field("server", &self.server)
            .field("namespaces", &self.namespaces)
            .field("cluster_resources", &self.cluster_resources)
            .field("project", &self.project)
            .field("credentials", &self.config.way())
            .finish_non_exhaustive()
    }
}

/// The JSON text under `config`.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    username: String,
    password: String,
    bearer_token: String,
    tls_client_config: Tls,
    aws_auth_config: Option<Aws>,
    exec_provider_config: Option<Exec>,
    disable_compression: bool,
    proxy_url: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Tls {
    insecure: bool,
    server_name: String,
    ca_data: String,
    cert_data: String,
    key_data: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Aws {
    cluster_name: String,
    #[serde(rename = "roleARN")]
    role_arn: String,
    profile: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Exec {
    command: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    api_version: String,
    install_hint: String,
}

impl Config {
    /// How one logs in, in words that give nothing away.
    const fn way(&self) -> &'static str {
        if self.aws_auth_config.is_some() {
            "AWS"
        } else if self.exec_provider_config.is_some() {
            "command"
        } else if !self.bearer_token.is_empty() {
            "bearer token"
        } else if !self.username.is_empty() {
            "password"
        } else if !self.tls_client_config.cert_data.is_empty() {
            "certificate"
        } else {
            "none"
        }
    }

    fn command(&self) -> Option<Exec> {
        if let Some(aws) = &self.aws_auth_config {
            let mut args: Vec<String> = ["eks", "get-token", "--output", "json", "--cluster-name"]
                .map(str::to_owned)
                .into();
            args.push(aws.cluster_name.clone());
            if !aws.role_arn.is_empty() {
                args.extend(["--role-arn".to_owned(), aws.role_arn.clone()]);
            }
            if !aws.profile.is_empty() {
                args.extend(["--profile".to_owned(), aws.profile.clone()]);
            }
            return Some(Exec {
                command: "aws".to_owned(),
                args,
                api_version: "client.authentication.k8s.io/v1beta1".to_owned(),
                install_hint: "install the AWS command line, which prints the tokens of EKS"
                    .to_owned(),
                ..Exec::default()
            });
        }
        self.exec_provider_config.clone()
    }
}

/// Returns where a Secret is.
fn place(secret: &Object) -> String {
    format!("{}/{}", secret.namespace(), secret.name())
}

fn texts(secret: &Object, field: &str) -> BTreeMap<Str, Str> {
    let map = secret.meta(field).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.into())))
        .collect()
}

/// Returns an entry of a Secret, empty where it has none.
fn entry(secret: &Object, name: &str) -> Result<String, String> {
    if let Some(text) = secret.at(&["stringData", name]).and_then(Value::as_str) {
        return Ok(text.to_owned());
    }
    let Some(text) = secret.at(&["data", name]).and_then(Value::as_str) else {
        return Ok(String::new());
    };
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| "is not base64".to_owned())?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

impl ClusterSecret {
    /// Whether an object is such a Secret.
    #[must_use]
    pub fn is_one(object: &Object) -> bool {
        object.kind() == "Secret"
            && object.group().is_empty()
            && object.label(SECRET_TYPE) == Some("cluster")
    }

    /// Reads a Secret.
    ///
    /// # Errors
    /// [`KubeError::Secret`].
    pub fn parse(secret: &Object) -> Result<Self, KubeError> {
        let refused = |field: &str, reason: String| KubeError::Secret {
            secret: place(secret),
            field: field.to_owned(),
            reason,
        };
        let text = |name: &str| {
            entry(secret, name).map_err(|reason| refused(&format!("data.{name}"), reason))
        };
        if !Self::is_one(secret) {
            let reason = format!("a Secret of a cluster has the label {SECRET_TYPE}: cluster");
            return Err(refused("metadata.labels", reason));
        }
        let server = text("server")?;
        let server = server.trim().trim_end_matches('/');
        if server.is_empty() {
            return Err(refused("data.server", "is missing".to_owned()));
        }
        let uri: Result<http::Uri, _> = server.parse();
        if !uri.is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some()
        }) {
            let reason = "must be an address such as https://host:6443".to_owned();
            return Err(refused("data.server", reason));
        }
        let name = text("name")?;
        let namespaces = text("namespaces")?;
        let namespaces = namespaces
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let config = text("config")?;
        let config = if config.trim().is_empty() {
            Config::default()
        } else {
            serde_json::from_str(&config).map_err(|error| {
                // The error's own text may quote what is secret.
                let place = (error.line(), error.column());
                let reason = match error.classify() {
                    serde_json::error::Category::Data => "has a field of a wrong type",
                    _ => "is not JSON",
                };
                refused(
                    "data.config",
                    format!("{reason}, at line {} column {}", place.0, place.1),
                )
            })?
        };
        Ok(Self {
            secret: place(secret),
            name: if name.is_empty() {
                server.into()
            } else {
                name.into()
            },
            server: server.into(),
            namespaces: namespaces.map(Str::from).collect(),
            cluster_resources: text("clusterResources")?.trim() == "true",
            project: text("project")?.into(),
            labels: texts(secret, "labels"),
            annotations: texts(secret, "annotations"),
            config,
        })
    }

    /// Limits what is read to what the Secret permits.
    #[must_use]
    pub fn options(&self, mut options: KubeOptions) -> KubeOptions {
        if !self.namespaces.is_empty() {
            options.namespaces.extend(self.namespaces.iter().cloned());
            options.cluster_objects = self.cluster_resources;
        }
        options
    }

    fn refused(&self, field: &str, reason: impl Into<String>) -> KubeError {
        KubeError::Secret {
            secret: self.secret.clone(),
            field: format!("data.config: {field}"),
            reason: reason.into(),
        }
    }

    fn check_pem(&self, field: &str, text: &str) -> Result<(), KubeError> {
        if text.is_empty() {
            return Ok(());
        }
        let Ok(bytes) = STANDARD.decode(text) else {
            return Err(self.refused(field, "is not base64"));
        };
        if bytes.windows(11).any(|part| part == b"-----BEGIN ") {
            Ok(())
        } else {
            Err(self.refused(
                field,
                "is not PEM: it holds no block that begins with -----BEGIN",
            ))
        }
    }

    /// Returns the configuration of a client for the cluster.
    ///
    /// A Secret of the cluster in which the program runs, `https://kubernetes.default.svc` without credentials, means those
    /// of the pod. `awsAuthConfig` and `execProviderConfig` name commands that print tokens: `aws eks get-token`, which the
    /// host must have, and what the Secret says. They are refused unless they are allowed.
    ///
    /// # Errors
    /// [`KubeError::Secret`], which names the field, [`KubeError::Command`], [`KubeError::InCluster`].
    pub async fn config(&self, commands: Commands) -> Result<kube::Config, KubeError> {
        self.config_in(&PodAccess::default(), commands).await
    }

    /// Returns the configuration as [`config`](Self::config) does, where the pod's own access is another than usual.
    ///
    /// # Errors
    /// As [`config`](Self::config).
    pub async fn config_in(
        &self,
        pod: &PodAccess,
        commands: Commands,
    ) -> Result<kube::Config, KubeError> {
        let Config {
            username,
            password,
            bearer_token,
            tls_client_config: tls,
            proxy_url,
            ..
        } = &self.config;
        if self.server == IN_CLUSTER && self.config.way() == "none" {
            return in_cluster(pod).await;
        }
        for (field, text) in [
            ("tlsClientConfig.caData", &tls.ca_data),
            ("tlsClientConfig.certData", &tls.cert_data),
            ("tlsClientConfig.keyData", &tls.key_data),
        ] {
            self.check_pem(field, text)?;
        }
        if tls.insecure && !tls.ca_data.is_empty() {
            return Err(self.refused(
                "tlsClientConfig.insecure",
                "a certificate authority is given with caData, and it is not to be asked: leave one of them out",
            ));
        }
        if tls.cert_data.is_empty() != tls.key_data.is_empty() {
            return Err(self.refused("tlsClientConfig", "certData and keyData belong together"));
        }
        if !proxy_url.is_empty() && proxy_url.parse::<http::Uri>().is_err() {
            return Err(self.refused("proxyUrl", "is not an address"));
        }
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let command = self.config.command();
        if let Some(command) = &command
            && command.command.is_empty()
        {
            return Err(self.refused("execProviderConfig.command", "is missing"));
        }
        let exec = command.map(|exec| {
            let env: Vec<_> = exec
                .env
                .iter()
                .map(|(name, value)| json!({"name": name, "value": value}))
                .collect();
            json!({
                "command": exec.command, "args": exec.args, "env": env, "apiVersion": exec.api_version,
                "installHint": exec.install_hint, "interactiveMode": "Never", "provideClusterInfo": false,
            })
        });
        let mut auth = json!({});
        if let Some(exec) = exec {
            auth["exec"] = exec;
        } else {
            for (field, value) in [
                ("username", some(username)),
                ("password", some(password)),
                ("token", some(bearer_token)),
            ] {
                if let Some(value) = value {
                    auth[field] = value.into();
                }
            }
        }
        for (field, value) in [
            ("client-certificate-data", some(&tls.cert_data)),
            ("client-key-data", some(&tls.key_data)),
        ] {
            if let Some(value) = value {
                auth[field] = value.into();
            }
        }
        let auth: AuthInfo = serde_json::from_value(auth)
            .map_err(|_| self.refused("credentials", "cannot be read"))?;
        check_commands(&auth, &format!("cluster secret {}", self.secret), commands)?;
        let cluster = Cluster {
            server: Some(self.server.to_string()),
            insecure_skip_tls_verify: Some(tls.insecure),
            certificate_authority_data: some(&tls.ca_data),
            proxy_url: some(proxy_url),
            tls_server_name: some(&tls.server_name),
            disable_compression: Some(self.config.disable_compression),
            ..Cluster::default()
        };
        let config = config_of("cluster", cluster, auth, "").await;
        config.map_err(|error| match error {
            kube::config::KubeconfigError::LoadCertificateAuthority(_)
            | kube::config::KubeconfigError::ParseCertificates(_) => self.refused(
                "tlsClientConfig.caData",
                "holds no certificate that can be read",
            ),
            other => self.refused("config", other.to_string()),
        })
    }
}
