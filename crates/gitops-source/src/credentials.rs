//! Who is asking for a repository.

use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What opens a repository.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// A token, as the hosts of repositories give them out; sent as the password.
    Token(String),
    /// A user and a password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A private key for ssh, in a file.
    SshKey {
        /// The file.
        path: PathBuf,
        /// The passphrase of the key; only for repositories that are fetched in process.
        passphrase: Option<String>,
    },
    /// The ssh agent of the user.
    Agent,
}

/// Shows the kind of credentials, never what they are.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(..)",
            Self::Basic { .. } => "Basic { .. }",
            Self::SshKey { .. } => "SshKey { .. }",
            Self::Agent => "Agent",
        })
    }
}

/// Which hosts ssh trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KnownHosts {
    /// Those that the user's own files name.
    #[default]
    User,
    /// Those that this file names.
    File(PathBuf),
    /// All of them. For tests.
    AcceptAll,
}

/// Credentials for repositories: the longest prefix of an address decides.
#[derive(Clone, Debug, Default)]
pub struct Keyring(Vec<(String, Credentials)>);

impl Keyring {
    /// Adds credentials for all repositories whose address begins with `prefix`. A prefix that ends within the name
    /// of a host stands for that host alone.
    pub fn add(&mut self, prefix: impl Into<String>, credentials: Credentials) {
        self.0.push((prefix.into(), credentials));
    }

    pub(crate) fn find(&self, url: &str) -> Credentials {
        self.0
            .iter()
            .filter(|(prefix, _)| covers(prefix, url))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, credentials)| credentials.clone())
            .unwrap_or_default()
    }
}

/// Whether a prefix says something on an address: `https://git.example.com` says nothing on
/// `https://git.example.com.example.org` or `https://git.example.com@example.org`.
fn covers(prefix: &str, url: &str) -> bool {
    let Some(rest) = url.strip_prefix(prefix) else {
        return false;
    };
    let (with_scheme, place) = match prefix.split_once("://") {
        Some((_, place)) => (true, place),
        None => (false, prefix),
    };
    // An address without a scheme has its path behind a colon.
    let ends: &[char] = if with_scheme { &['/'] } else { &['/', ':'] };
    place.is_empty() || place.contains(ends) || rest.is_empty() || rest.starts_with(ends)
}

/// Encodes bytes in base64, for the header of basic authentication.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_prefix_that_ends_in_a_host_is_for_that_host() {
        for (prefix, url) in [
            (
                "https://git.example.com",
                "https://git.example.com/team/app.git",
            ),
            (
                "https://git.example.com/",
                "https://git.example.com/team/app.git",
            ),
            (
                "https://git.example.com/team/app-",
                "https://git.example.com/team/app-one",
            ),
            ("git@git.example.com", "git@git.example.com:team/app.git"),
            (
                "git@git.example.com:team",
                "git@git.example.com:team/app.git",
            ),
            ("", "https://git.example.com/team/app.git"),
        ] {
            assert!(covers(prefix, url), "{prefix} {url}");
        }
        for (prefix, url) in [
            (
                "https://git.example.com",
                "https://git.example.com.example.org/team/app.git",
            ),
            (
                "https://git.example.com",
                "https://git.example.com@example.org/team/app.git",
            ),
            (
                "https://git.example.com",
                "https://git.example.com:8443/team/app.git",
            ),
            ("git@git.example", "git@git.example.org:team/app.git"),
        ] {
            assert!(!covers(prefix, url), "{prefix} {url}");
        }
    }
}
