//! Why a cluster cannot be talked to at all.

/// Why the way to a cluster cannot be made out. Trying again does not help, except after [`KubeError::Client`] where a
/// command that prints credentials failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeError {
    /// Certificates or credentials cannot be used.
    #[error("no client can be made for {server}")]
    Client {
        /// The address of the server.
        server: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// A kubeconfig cannot be used.
    #[error("the kubeconfig {name} cannot be used")]
    Kubeconfig {
        /// Where it is from.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::config::KubeconfigError>,
    },
    /// The credentials of a pod are not there, or cannot be used.
    #[error("the credentials that a pod has in a cluster cannot be read from {}", path.display())]
    InCluster {
        /// The file, or the folder.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Credentials come from a command, and none may be run.
    #[error(
        "the credentials of {name} come from the command {command:?}, and running commands is not allowed: allow it, or give a token or a certificate"
    )]
    Command {
        /// The cluster or the context.
        name: String,
        /// The command.
        command: String,
    },
    /// A Secret does not describe a cluster.
    #[error("cluster secret {secret}: {field}: {reason}")]
    Secret {
        /// Namespace and name.
        secret: String,
        /// The path of the field.
        field: String,
        /// What is wrong with it; never what it holds.
        reason: String,
    },
    /// A user cannot be named to a server.
    #[error("requests cannot be made in the name of {what} {text:?}: a name is text of one line")]
    Impersonation {
        /// What it is of the user.
        what: String,
        /// The text.
        text: String,
    },
}
