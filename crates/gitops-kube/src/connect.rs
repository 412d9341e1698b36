//! From kubeconfigs and pods to configurations of clients.

use std::path::Path;

use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};

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

/// Returns the configuration of a program that runs in a pod of the cluster: the service account's token, which is read
/// again as it is renewed, and the server by its name in the cluster, `kubernetes.default.svc`.
///
/// Where pods do not resolve names of the cluster, use `kube::Config::incluster`, which reads the address from the
/// environment.
///
/// # Errors
/// [`KubeError::InCluster`].
pub fn in_cluster() -> Result<kube::Config, KubeError> {
    let mut config = kube::Config::incluster_dns().map_err(|source| KubeError::InCluster {
        source: Box::new(source),
    })?;
    config.default_retry = false;
    Ok(config)
}
