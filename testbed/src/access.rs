//! Who talks to the API server, and how it knows them.

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::{Error, Result};

/// A certificate and its key in PEM.
#[derive(Clone, Debug)]
pub struct Pem {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// A user of the cluster with all that a client needs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The address of the API server.
    pub server: String,
    /// The certificate of the authority that the API server's is signed by, in PEM.
    pub authority: String,
    /// The client certificate.
    pub client: Pem,
}

impl Identity {
    /// A kubeconfig that needs no other file.
    pub fn kubeconfig(&self) -> String {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        // JSON is YAML.
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "testbed",
            "clusters": [{"name": "testbed", "cluster": {
                "server": self.server,
                "certificate-authority-data": encode(&self.authority),
            }}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
            "users": [{"name": "testbed", "user": {
                "client-certificate-data": encode(&self.client.certificate),
                "client-key-data": encode(&self.client.key),
            }}],
        });
        format!("{config:#}\n")
    }

    /// A client of the runtime that this is called in.
    pub async fn client(&self) -> Result<kube::Client> {
        client_of(&self.kubeconfig(), None).await
    }
}

/// Makes a client from the text of a kubeconfig, perhaps one that impersonates somebody.
pub(crate) async fn client_of(
    kubeconfig: &str,
    impersonated: Option<(&str, &[&str])>,
) -> Result<kube::Client> {
    let path = || "in memory".into();
    let mut config = Kubeconfig::from_yaml(kubeconfig).map_err(|source| Error::Kubeconfig {
        path: path(),
        source,
    })?;
    if let Some((user, groups)) = impersonated {
        for named in &mut config.auth_infos {
            let info = named.auth_info.get_or_insert_default();
            info.impersonate = Some(user.to_owned());
            info.impersonate_groups = Some(groups.iter().map(|&group| group.to_owned()).collect());
        }
    }
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
        .await
        .map_err(|source| Error::Kubeconfig {
            path: path(),
            source,
        })?;
    kube::Client::try_from(config).map_err(|source| Error::Cluster {
        action: "making a client".to_owned(),
        source: Box::new(source),
    })
}
