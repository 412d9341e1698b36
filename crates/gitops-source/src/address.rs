//! Addresses of repositories.

use std::path::PathBuf;

use gitops_core::SourceError;
use sha2::{Digest, Sha256};

/// How a repository is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A folder of this machine, as a path or `file://`.
    Local(PathBuf),
    /// `http://`.
    Http,
    /// `https://`.
    Https,
    /// `ssh://`, or `user@host:path`.
    Ssh,
}

/// The address of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// How it is reached.
    pub transport: Transport,
    /// The address in the form that Git takes, without credentials.
    pub url: String,
    /// The user and password that the address itself carried.
    pub(crate) user: Option<(String, Option<String>)>,
}

impl Address {
    /// Reads an address: a path, `file://`, `http://`, `https://`, `ssh://` or the scp-like `user@host:path`.
    ///
    /// # Errors
    /// [`SourceError::BadAddress`].
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let text = text.trim();
        let bad = |reason: &str| SourceError::BadAddress {
            repo: redact(text).into(),
            reason: reason.into(),
        };
        if text.is_empty() {
            return Err(bad("it is empty"));
        }
        // A leading dash would be an option of the program that is asked to fetch.
        if text.starts_with('-') || text.contains(['\n', '\r', '\0']) {
            return Err(bad("it begins with a dash or holds a line break"));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            if rest.is_empty() {
                return Err(bad("nothing follows the scheme"));
            }
            let transport = match scheme.to_ascii_lowercase().as_str() {
                "file" => return Ok(Self::local(rest)),
                "http" => Transport::Http,
                "https" => Transport::Https,
                "ssh" | "git+ssh" => Transport::Ssh,
                _ => return Err(bad("only file, http, https and ssh are known")),
            };
            let (user, host) = split_user(rest);
            if host.starts_with(['/', '-']) || host.is_empty() {
                return Err(bad("the host is missing"));
            }
            // The user of ssh is part of the address; that of http is a credential.
            let keep = match (&transport, &user) {
                (Transport::Ssh, Some((name, _))) => format!("{name}@"),
                _ => String::new(),
            };
            let scheme = scheme.to_ascii_lowercase().replace("git+", "");
            return Ok(Self {
                url: format!("{scheme}://{keep}{host}"),
                transport,
                user,
            });
        }
        if let Some((host, path)) = text.split_once(':')
            && !host.contains('/')
            && !path.is_empty()
            && host.len() > 1
        {
            let (user, host) = match host.split_once('@') {
                Some((user, host)) => (Some((user.to_owned(), None)), host),
                None => (None, host),
            };
            if host.starts_with('-') {
                return Err(bad("the host is missing"));
            }
            let name = user
                .as_ref()
                .map(|(name, _)| format!("{name}@"))
                .unwrap_or_default();
            let path = path.trim_start_matches('/');
            return Ok(Self {
                url: format!("ssh://{name}{host}/{path}"),
                transport: Transport::Ssh,
                user,
            });
        }
        Ok(Self::local(text))
    }

    fn local(path: &str) -> Self {
        Self {
            transport: Transport::Local(path.into()),
            url: path.to_owned(),
            user: None,
        }
    }

    /// Returns the name of the folder of the mirror.
    pub(crate) fn mirror_name(&self) -> String {
        let hash = Sha256::digest(self.url.trim_end_matches('/').trim_end_matches(".git"));
        let mut name: String = self
            .url
            .rsplit('/')
            .find(|part| !part.is_empty())
            .unwrap_or("repository")
            .trim_end_matches(".git")
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '-' {
                    c
                } else {
                    '_'
                }
            })
            .take(40)
            .collect();
        name.push('-');
        for byte in &hash[..8] {
            name.push_str(&format!("{byte:02x}"));
        }
        name
    }

    /// Resolves the address of a submodule, which may be relative to this one.
    pub(crate) fn submodule(&self, url: &str) -> String {
        if !url.starts_with("./") && !url.starts_with("../") {
            return url.to_owned();
        }
        let mut base = self.url.trim_end_matches('/').to_owned();
        let mut rest = url;
        loop {
            if let Some(up) = rest.strip_prefix("../") {
                base.truncate(base.rfind('/').unwrap_or(0));
                rest = up;
            } else if let Some(here) = rest.strip_prefix("./") {
                rest = here;
            } else {
                return format!("{base}/{rest}");
            }
        }
    }
}

fn split_user(rest: &str) -> (Option<(String, Option<String>)>, &str) {
    let authority = rest.find('/').unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => {
            let user = match rest[..at].split_once(':') {
                Some((name, password)) => (name.to_owned(), Some(password.to_owned())),
                None => (rest[..at].to_owned(), None),
            };
            (Some(user), &rest[at + 1..])
        }
        None => (None, rest),
    }
}

/// Takes passwords and tokens out of an address, for showing it.
#[must_use]
pub fn redact(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) if scheme != "ssh" => {
            let (_, host) = split_user(rest);
            format!("{scheme}://{host}")
        }
        _ => text.to_owned(),
    }
}
