//! Who is asking for a repository.

use std::fmt;
use std::path::PathBuf;

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
    /// Adds credentials for all repositories whose address begins with `prefix`.
    pub fn add(&mut self, prefix: impl Into<String>, credentials: Credentials) {
        self.0.push((prefix.into(), credentials));
    }

    pub(crate) fn find(&self, url: &str) -> Credentials {
        self.0
            .iter()
            .filter(|(prefix, _)| url.starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, credentials)| credentials.clone())
            .unwrap_or_default()
    }
}

/// Encodes bytes in base64, for the header of basic authentication.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = u32::from_be_bytes([
            0,
            chunk[0],
            chunk.get(1).copied().unwrap_or(0),
            chunk.get(2).copied().unwrap_or(0),
        ]);
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(ALPHABET[(word >> (18 - 6 * i)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}
