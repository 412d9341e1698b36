//! Kubernetes API servers as targets of the GitOps engine.
//!
#![doc = include_str!("../docs/kube.md")]
#![deny(missing_docs)]

mod connect;
mod decode;
mod discovery;
mod error;
mod http;
mod identity;
mod limiter;
mod list;
mod options;
mod path;
mod secret;
mod session;
mod status;
mod target;
mod watch;
mod write;

pub use connect::{Commands, PodAccess, in_cluster, kubeconfig, kubeconfig_file};
pub use error::KubeError;
pub use identity::Impersonation;
pub use options::{Content, KubeOptions, RetryOptions, ServerWarning, default_content};
pub use secret::ClusterSecret;
pub use target::KubeTarget;
