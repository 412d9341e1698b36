//! Whether a webhook comes from whom it says: signatures and tokens, compared in constant time.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// The secrets that webhooks are signed with; the keys of Argo CD's `argocd-secret`. A host without a secret is
/// believed: what a webhook can bring about is that a repository is asked.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookSecrets {
    /// `webhook.github.secret`.
    pub github: String,
    /// `webhook.gitlab.secret`.
    pub gitlab: String,
    /// `webhook.gogs.secret`, also for Gitea and Forgejo.
    pub gogs: String,
    /// `webhook.bitbucket.uuid`.
    pub bitbucket: String,
    /// `webhook.bitbucketserver.secret`.
    pub bitbucket_server: String,
}

/// Shows which secrets there are, never what they are.
impl std::fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut list = f.debug_list();
        for (name, secret) in self.named() {
            if !secret.is_empty() {
                list.entry(&name);
            }
        }
        list.finish()
    }
}

impl WebhookSecrets {
    /// Reads them out of a map of keys and values, as a Secret holds them.
    pub fn from_entries<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut secrets = Self::default();
        for (key, value) in entries {
            let place = match key {
                "webhook.github.secret" => &mut secrets.github,
                "webhook.gitlab.secret" => &mut secrets.gitlab,
                "webhook.gogs.secret" => &mut secrets.gogs,
                "webhook.bitbucket.uuid" => &mut secrets.bitbucket,
                "webhook.bitbucketserver.secret" => &mut secrets.bitbucket_server,
                _ => continue,
            };
            value.trim().clone_into(place);
        }
        secrets
    }

    fn named(&self) -> [(&'static str, &str); 5] {
        [
            ("github", &self.github),
            ("gitlab", &self.gitlab),
            ("gogs", &self.gogs),
            ("bitbucket", &self.bitbucket),
            ("bitbucketserver", &self.bitbucket_server),
        ]
    }
}

/// Whether a signature in hexadecimal digits is that of a body, by HMAC with SHA-256.
pub(super) fn is_signed_sha256(secret: &str, body: &[u8], signature: &str) -> bool {
    let Some(signature) = unhex(signature) else {
        return false;
    };
    // The comparison takes the same time wherever the two differ.
    Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .is_ok_and(|mac| mac.chain_update(body).verify_slice(&signature).is_ok())
}

/// The same with SHA-1, as older hosts sign.
pub(super) fn is_signed_sha1(secret: &str, body: &[u8], signature: &str) -> bool {
    let Some(signature) = unhex(signature) else {
        return false;
    };
    Hmac::<Sha1>::new_from_slice(secret.as_bytes())
        .is_ok_and(|mac| mac.chain_update(body).verify_slice(&signature).is_ok())
}

/// Whether two tokens are the same. Takes a time that tells nothing of where they differ, nor of their length: their
/// authentication codes under one key are compared.
pub(super) fn is_same(secret: &str, token: &str) -> bool {
    let code = |text: &str| {
        Hmac::<Sha256>::new_from_slice(b"compare").map(|mac| mac.chain_update(text.as_bytes()))
    };
    match (code(secret), code(token)) {
        (Ok(secret), Ok(token)) => token.verify_slice(&secret.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().as_bytes();
    if text.is_empty() || !text.len().is_multiple_of(2) || text.len() > 256 {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    text.chunks(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}
