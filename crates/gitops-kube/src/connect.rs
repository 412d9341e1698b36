//! From kubeconfigs and pods to configurations of clients.

use std::path::{Path, PathBuf};

use kube::config::{
    AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster,
    NamedContext,
};

use crate::KubeError;

/// Whether commands may be run that print credentials. What a kubeconfig or a Secret names, runs with the rights of the
/// program: allow it where whoever writes them may run programs there anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commands {
    /// None is run; what needs one is refused.
    #[default]
    Refuse,
    /// They are run when a client is made, and again when what they printed runs out. The thread waits for them.
    Allow,
}

/// Reads a kubeconfig: of a context, or of the current one.
///
/// Files that it names are read. Requests are not repeated by the client, see [`KubeTarget::new`](crate::KubeTarget::new).
///
/// # Errors
/// [`KubeError::Kubeconfig`], [`KubeError::Command`].
pub async fn kubeconfig(
    text: &str,
    context: Option<&str>,
    commands: Commands,
) -> Result<kube::Config, KubeError> {
    let read = Kubeconfig::from_yaml(text);
    choose(read, "that was given", context, commands).await
}

/// Reads a kubeconfig from a file, to which paths in it are relative.
///
/// # Errors
/// As [`kubeconfig`].
pub async fn kubeconfig_file(
    path: &Path,
    context: Option<&str>,
    commands: Commands,
) -> Result<kube::Config, KubeError> {
    let read = Kubeconfig::read_from(path);
    choose(read, &path.display().to_string(), context, commands).await
}

async fn choose(
    read: Result<Kubeconfig, kube::config::KubeconfigError>,
    name: &str,
    context: Option<&str>,
    commands: Commands,
) -> Result<kube::Config, KubeError> {
    let refused = |source| KubeError::Kubeconfig {
        name: name.to_owned(),
        source: Box::new(source),
    };
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let config = kube::Config::from_custom_kubeconfig(read.map_err(refused)?, &options).await;
    let mut config = config.map_err(refused)?;
    config.default_retry = false;
    let name = context.unwrap_or("the current context");
    check_commands(&config.auth_info, name, commands)?;
    Ok(config)
}

/// Refuses credentials that come from a command, unless that is allowed.
pub(crate) fn check_commands(
    auth: &AuthInfo,
    name: &str,
    commands: Commands,
) -> Result<(), KubeError> {
    let plugin = auth
        .exec
        .as_ref()
        .map(|exec| exec.command.clone().unwrap_or_default());
    let provider = auth.auth_provider.as_ref();
    let provider = provider.and_then(|provider| provider.config.get("cmd-path").cloned());
    match plugin.or(provider) {
        Some(command) if commands == Commands::Refuse => Err(KubeError::Command {
            name: name.to_owned(),
            command,
        }),
        _ => Ok(()),
    }
}

/// What a pod has to reach the API server of its cluster with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PodAccess {
    /// The address of the server.
    pub server: String,
    /// The folder with `token`, `ca.crt` and `namespace`.
    pub folder: PathBuf,
}

impl Default for PodAccess {
    /// The server by its name in the cluster, and the folder into which service accounts are mounted.
    fn default() -> Self {
        Self {
            server: "https://kubernetes.default.svc".to_owned(),
            folder: "/var/run/secrets/kubernetes.io/serviceaccount".into(),
        }
    }
}

impl PodAccess {
    /// Takes the server from what pods find in `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`, so that no names
    /// of the cluster need to be resolved.
    #[must_use]
    pub fn at(host: &str, port: &str) -> Self {
        // An address of the sixth version is written in brackets.
        let server = if host.contains(':') {
            format!("https://[{host}]:{port}")
        } else {
            format!("https://{host}:{port}")
        };
        Self {
            server,
            ..Self::default()
        }
    }

    /// Looks into another folder.
    #[must_use]
    pub fn with_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }
}

/// Returns the configuration of a program that runs in a pod of the cluster: the service account's token, which is read
/// again within a minute, as it is renewed, and the certificate authority beside it.
///
/// # Errors
/// [`KubeError::InCluster`].
pub async fn in_cluster(access: &PodAccess) -> Result<kube::Config, KubeError> {
    let file = |name: &str| {
        let path = access.folder.join(name);
        let read = std::fs::read_to_string(&path);
        read.map_err(|source| KubeError::InCluster {
            path: path.clone(),
            source: Box::new(source),
        })
    };
    // They are read by the client, whose errors do not say that it is a pod that is wanted.
    file("token")?;
    file("ca.crt")?;
    // It is there for programs that want to know it.
    let namespace = file("namespace").unwrap_or_default();
    let text = |name: &str| access.folder.join(name).display().to_string();
    let name = "pod".to_owned();
    let cluster = Cluster {
        server: Some(access.server.clone()),
        certificate_authority: Some(text("ca.crt")),
        ..Cluster::default()
    };
    let auth = AuthInfo {
        token_file: Some(text("token")),
        ..AuthInfo::default()
    };
    let config = config_of(&name, cluster, auth, namespace.trim()).await;
    let mut config = config.map_err(|source| KubeError::InCluster {
        path: access.folder.clone(),
        source: Box::new(source),
    })?;
    if config.root_cert.as_ref().is_none_or(Vec::is_empty) {
        return Err(KubeError::InCluster {
            path: access.folder.join("ca.crt"),
            source: "it holds no certificate".into(),
        });
    }
    // The authority is renewed as well.
    config.root_cert_file = Some(access.folder.join("ca.crt"));
    Ok(config)
}

/// Returns the configuration of one cluster with one user.
pub(crate) async fn config_of(
    name: &str,
    cluster: Cluster,
    auth: AuthInfo,
    namespace: &str,
) -> Result<kube::Config, kube::config::KubeconfigError> {
    let name = || name.to_owned();
    let kubeconfig = Kubeconfig {
        clusters: vec![NamedCluster {
            name: name(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: name(),
            auth_info: Some(auth),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: name(),
            context: Some(Context {
                cluster: name(),
                user: Some(name()),
                namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
                ..Context::default()
            }),
            ..NamedContext::default()
        }],
        current_context: Some(name()),
        ..Kubeconfig::default()
    };
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    config.default_retry = false;
    Ok(config)
}
