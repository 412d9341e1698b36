//! Who is asking for charts, and whom they trust.

use std::fmt;

use crate::Credentials;
use crate::credentials::base64;

/// A certificate that a client shows, with its key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// The certificate and those that vouch for it, in PEM.
    pub certificate: Vec<u8>,
    /// The private key, in PEM.
    pub key: Vec<u8>,
}

/// What opens a chart repository or a registry, and how its server is trusted.
///
/// ```
/// use gitops_source::{ChartCredentials, Credentials};
/// let mut credentials = ChartCredentials::default();
/// credentials.login = Credentials::Basic { user: "robot".into(), password: "secret".into() };
/// credentials.pass_credentials = true;
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ChartCredentials {
    /// A user with a password, or a token that is sent as a bearer. Keys for ssh say nothing here.
    pub login: Credentials,
    /// The certificate that is shown to the server.
    pub client_certificate: Option<ClientCertificate>,
    /// The authorities that may vouch for the server, in PEM, instead of those of the system.
    pub authorities: Option<Vec<u8>>,
    /// Whether any certificate of the server is taken. For tests.
    pub insecure: bool,
    /// Whether the login is also sent to other hosts that the index of the repository refers to.
    pub pass_credentials: bool,
    /// Whether a registry is reached over plain http.
    pub plain_http: bool,
}

/// Shows the kind of credentials, never what they are.
impl fmt::Debug for ChartCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChartCredentials")
            .field("login", &self.login)
            .field("client_certificate", &self.client_certificate.is_some())
            .field("authorities", &self.authorities.is_some())
            .field("insecure", &self.insecure)
            .field("pass_credentials", &self.pass_credentials)
            .field("plain_http", &self.plain_http)
            .finish()
    }
}

impl ChartCredentials {
    pub(super) fn tls(&self) -> Tls {
        Tls {
            client_certificate: self.client_certificate.clone(),
            authorities: self.authorities.clone(),
            insecure: self.insecure,
        }
    }

    /// Returns the header that logs in.
    pub(super) fn authorization(&self) -> Option<String> {
        match &self.login {
            Credentials::Token(token) => Some(format!("Bearer {token}")),
            Credentials::Basic { user, password } => Some(basic(user, password)),
            _ => None,
        }
    }
}

/// Returns the header of basic authentication.
pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
}

/// How the server of a connection is trusted.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Tls {
    pub(super) client_certificate: Option<ClientCertificate>,
    pub(super) authorities: Option<Vec<u8>>,
    pub(super) insecure: bool,
}

/// Credentials for chart repositories: the longest address that a repository lies under decides.
#[derive(Clone, Debug, Default)]
pub struct ChartKeyring(Vec<(String, ChartCredentials)>);

impl ChartKeyring {
    /// Adds credentials for all repositories at or below an address: `https://charts.example.com`,
    /// `oci://registry.example.com/team`.
    pub fn add(&mut self, address: impl Into<String>, credentials: ChartCredentials) {
        let address = address.into();
        self.0
            .push((address.trim_end_matches('/').to_owned(), credentials));
    }

    pub(super) fn find(&self, url: &str) -> ChartCredentials {
        let url = url.trim_end_matches('/');
        self.0
            .iter()
            .filter(|(address, _)| {
                // `https://charts.example.com` says nothing on `https://charts.example.com.example.org`.
                url.strip_prefix(address.as_str()).is_some_and(|rest| {
                    rest.is_empty() || rest.starts_with('/') || address.is_empty()
                })
            })
            .max_by_key(|(address, _)| address.len())
            .map(|(_, credentials)| credentials.clone())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_for_what_lies_below_their_address() {
        let token = |text: &str| ChartCredentials {
            login: Credentials::Token(text.to_owned()),
            ..ChartCredentials::default()
        };
        let mut keyring = ChartKeyring::default();
        keyring.add("https://charts.example.com", token("all"));
        keyring.add("https://charts.example.com/team/", token("team"));
        let found = |url: &str| keyring.find(url).authorization();
        assert_eq!(
            found("https://charts.example.com/").as_deref(),
            Some("Bearer all")
        );
        assert_eq!(
            found("https://charts.example.com/team/x").as_deref(),
            Some("Bearer team")
        );
        assert_eq!(
            found("https://charts.example.com/teams").as_deref(),
            Some("Bearer all")
        );
        assert_eq!(found("https://charts.example.com.example.org/team"), None);
        assert_eq!(found("https://charts.example.com:8443"), None);
        assert_eq!(found("http://charts.example.com"), None);
        let shown = format!("{keyring:?}");
        assert!(
            !shown.contains("team\")") && shown.contains("Token(..)"),
            "{shown}"
        );
    }
}
