//! What the hosts send.

use serde_json::Value;

use super::signature::{WebhookSecrets, is_same, is_signed_sha1, is_signed_sha256};

/// A push to a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Push {
    /// The addresses of the repository.
    pub repos: Vec<String>,
    /// The branches and tags that moved.
    pub revisions: Vec<String>,
    /// The default branch, where the host tells it.
    pub default_branch: Option<String>,
    /// The files that changed; empty where the host does not tell, or not all.
    pub files: Vec<String>,
}

impl Push {
    /// Whether what a source follows has moved, as far as is known.
    #[must_use]
    pub fn moves(&self, target_revision: &str) -> bool {
        let wanted = short(target_revision);
        if wanted.is_empty() || wanted == "HEAD" {
            return match &self.default_branch {
                Some(branch) => self.revisions.iter().any(|moved| moved == branch),
                // It may have been the default branch.
                None => true,
            };
        }
        // A range of versions may mean any tag.
        let range = wanted.contains(['*', '^', '~', '<', '>', '=', ' ', '|']);
        range || self.revisions.iter().any(|moved| moved == wanted)
    }
}

/// Why a webhook was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// No header names a host that is known.
    #[error(
        "no header tells of which host the webhook is: X-GitHub-Event, X-Gitlab-Event, X-Gogs-Event, X-Gitea-Event \
         or X-Event-Key"
    )]
    UnknownHost,
    /// The signature or token is missing or wrong.
    #[error("the webhook of {host} is not signed with the secret under {key}")]
    BadSignature {
        /// The host.
        host: &'static str,
        /// The key of the secret.
        key: &'static str,
    },
    /// The body cannot be read.
    #[error("the webhook of {host} cannot be read: {reason}")]
    BadPayload {
        /// The host.
        host: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a webhook: `None` where it tells of something that does not concern sources. `header` gives a header by its
/// name.
///
/// # Errors
/// [`WebhookError`].
pub fn read<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
    secrets: &WebhookSecrets,
) -> Result<Option<Push>, WebhookError> {
    // Gogs and Gitea send the headers of GitHub as well, signed in another way: they come first.
    if let Some(event) = header("x-gitea-event").or_else(|| header("x-gogs-event")) {
        let signature = header("x-gitea-signature").or_else(|| header("x-gogs-signature"));
        let good = |secret: &str| signature.is_some_and(|s| is_signed_sha256(secret, body, s));
        check("gogs", "webhook.gogs.secret", &secrets.gogs, good)?;
        return match event {
            "push" => Ok(Some(github_push("gogs", &parse("gogs", body)?))),
            _ => Ok(None),
        };
    }
    if let Some(event) = header("x-github-event") {
        let good = |secret: &str| signed(&header, secret, body);
        check("github", "webhook.github.secret", &secrets.github, good)?;
        return match event {
            "push" => Ok(Some(github_push("github", &parse("github", body)?))),
            _ => Ok(None),
        };
    }
    if let Some(event) = header("x-gitlab-event") {
        let good = |secret: &str| header("x-gitlab-token").is_some_and(|t| is_same(secret, t));
        check("gitlab", "webhook.gitlab.secret", &secrets.gitlab, good)?;
        let payload = parse("gitlab", body)?;
        // A system hook says in its body what it is about.
        let pushes = ["Push Hook", "Tag Push Hook"].contains(&event)
            || event == "System Hook"
                && ["push", "tag_push"].contains(&text(&payload, &["event_name"]));
        return Ok(pushes.then(|| gitlab_push(&payload)));
    }
    if let Some(event) = header("x-event-key") {
        if header("x-hook-uuid").is_some() {
            let good = |secret: &str| header("x-hook-uuid").is_some_and(|t| is_same(secret, t));
            check(
                "bitbucket",
                "webhook.bitbucket.uuid",
                &secrets.bitbucket,
                good,
            )?;
            return match event {
                "repo:push" => Ok(Some(bitbucket_push(&parse("bitbucket", body)?))),
                _ => Ok(None),
            };
        }
        // A test of the connection is not signed.
        if event == "diagnostics:ping" {
            return Ok(None);
        }
        let good = |secret: &str| signed(&header, secret, body);
        let secret = &secrets.bitbucket_server;
        check(
            "bitbucketserver",
            "webhook.bitbucketserver.secret",
            secret,
            good,
        )?;
        return match event {
            "repo:refs_changed" => Ok(Some(bitbucket_server_push(&parse(
                "bitbucketserver",
                body,
            )?))),
            _ => Ok(None),
        };
    }
    Err(WebhookError::UnknownHost)
}

fn check(
    host: &'static str,
    key: &'static str,
    secret: &str,
    good: impl Fn(&str) -> bool,
) -> Result<(), WebhookError> {
    if secret.is_empty() || good(secret) {
        Ok(())
    } else {
        Err(WebhookError::BadSignature { host, key })
    }
}

/// Whether the headers of GitHub, or of a Bitbucket server, hold the signature of a body.
fn signed<'a>(header: &impl Fn(&str) -> Option<&'a str>, secret: &str, body: &[u8]) -> bool {
    let parts = |name: &str| header(name).and_then(|value| value.split_once('='));
    match parts("x-hub-signature-256").or_else(|| parts("x-hub-signature")) {
        Some(("sha256", signature)) => is_signed_sha256(secret, body, signature),
        Some(("sha1", signature)) => is_signed_sha1(secret, body, signature),
        _ => false,
    }
}

fn parse(host: &'static str, body: &[u8]) -> Result<Value, WebhookError> {
    // Hosts can also send a form that holds the JSON; that is a setting of theirs and is named here.
    serde_json::from_slice(body).map_err(|error| WebhookError::BadPayload {
        host,
        reason: format!("{error}; the content type has to be application/json"),
    })
}

fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    let mut value = value;
    for key in path {
        value = &value[*key];
    }
    value.as_str().unwrap_or_default()
}

/// Takes the kind off a reference: `refs/heads/main` is `main`.
fn short(reference: &str) -> &str {
    let reference = reference.trim();
    reference
        .strip_prefix("refs/heads/")
        .or_else(|| reference.strip_prefix("refs/tags/"))
        .unwrap_or(reference)
}

fn urls(value: &Value, paths: &[&[&str]]) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for path in paths {
        let url = text(value, path);
        if !url.is_empty() && !urls.iter().any(|known| known == url) {
            urls.push(url.to_owned());
        }
    }
    urls
}

/// Collects the files of commits. A host that tells of a part of the commits only says nothing of the rest.
fn files(payload: &Value, total: Option<u64>) -> Vec<String> {
    let Some(commits) = payload["commits"].as_array() else {
        return Vec::new();
    };
    if total.is_some_and(|total| total > commits.len() as u64) {
        return Vec::new();
    }
    let mut files: Vec<String> = commits
        .iter()
        .flat_map(|commit| ["added", "modified", "removed"].map(|list| &commit[list]))
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    files.sort();
    files.dedup();
    files
}

fn default_branch(payload: &Value, path: &[&str]) -> Option<String> {
    Some(text(payload, path).to_owned()).filter(|branch| !branch.is_empty())
}

/// GitHub, Gogs and Gitea.
fn github_push(host: &str, payload: &Value) -> Push {
    // A push that forces a branch back changes files that no commit of it names.
    let forced = payload["forced"].as_bool().unwrap_or(false);
    // GitHub tells of 2048 commits at most, Gitea of a few, with the number of all.
    let total = payload["total_commits"].as_u64();
    let cut = host == "github"
        && payload["commits"]
            .as_array()
            .is_some_and(|c| c.len() >= 2048);
    Push {
        repos: urls(
            payload,
            &[
                &["repository", "html_url"],
                &["repository", "clone_url"],
                &["repository", "ssh_url"],
            ],
        ),
        revisions: vec![short(text(payload, &["ref"])).to_owned()],
        default_branch: default_branch(payload, &["repository", "default_branch"]),
        files: if forced || cut {
            Vec::new()
        } else {
            files(payload, total)
        },
    }
}

fn gitlab_push(payload: &Value) -> Push {
    Push {
        repos: urls(
            payload,
            &[
                &["project", "web_url"],
                &["project", "git_http_url"],
                &["project", "git_ssh_url"],
            ],
        ),
        revisions: vec![short(text(payload, &["ref"])).to_owned()],
        default_branch: default_branch(payload, &["project", "default_branch"]),
        files: files(payload, payload["total_commits_count"].as_u64()),
    }
}

fn bitbucket_push(payload: &Value) -> Push {
    let changes = payload["push"]["changes"].as_array();
    let mut revisions: Vec<String> = changes
        .into_iter()
        .flatten()
        .flat_map(|change| {
            [
                text(change, &["new", "name"]),
                text(change, &["old", "name"]),
            ]
        })
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    revisions.dedup();
    Push {
        repos: urls(payload, &[&["repository", "links", "html", "href"]]),
        revisions,
        default_branch: default_branch(payload, &["repository", "mainbranch", "name"]),
        files: Vec::new(),
    }
}

fn bitbucket_server_push(payload: &Value) -> Push {
    let mut repos = Vec::new();
    for link in payload["repository"]["links"]["clone"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let url = text(link, &["href"]);
        if !url.is_empty() {
            repos.push(url.to_owned());
        }
    }
    let changes = payload["changes"].as_array();
    Push {
        repos,
        revisions: changes
            .into_iter()
            .flatten()
            .map(|change| short(text(change, &["ref", "id"])).to_owned())
            .collect(),
        default_branch: None,
        files: Vec::new(),
    }
}
