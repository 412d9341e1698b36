//! Remote bases and files: how they are written, and what a host supplies to fetch them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gitops_manifest::FileTree;

/// Fetches what a kustomization names by URL. The facade implements it with its Git source.
pub trait RemoteLoader: Send + Sync {
    /// Returns the tree of a repository at a revision, its whole content.
    ///
    /// # Errors
    /// Where the repository or the revision is absent or out of reach.
    fn repository(&self, spec: &RepositorySpec) -> Result<Arc<dyn FileTree>, RemoteError>;

    /// Returns the content of a file on the web.
    ///
    /// # Errors
    /// Where it is absent or out of reach.
    fn file(&self, url: &str) -> Result<Arc<[u8]>, RemoteError>;
}

/// Why something remote could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteError {
    /// What was fetched.
    pub url: String,
    /// What went wrong.
    pub message: String,
    /// Whether trying again may help.
    pub transient: bool,
    /// Whether the URL turned out to be of a repository and not of a file.
    pub is_repository: bool,
}

impl RemoteError {
    /// Makes an error that trying again does not help.
    #[must_use]
    pub fn new(url: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            message: message.into(),
            transient: false,
            is_repository: false,
        }
    }

    /// Says that trying again may help.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }
}

/// Shows what was fetched and what went wrong.
impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fetching `{}`: {}", self.url, self.message)
    }
}

impl std::error::Error for RemoteError {}

/// A folder of a Git repository, as kustomize writes it in one URL.
///
/// ```
/// use gitops_kustomize::RepositorySpec;
/// let spec = RepositorySpec::parse("https://github.com/org/repo//deploy/base?ref=v1.2&timeout=90s")?;
/// assert_eq!(spec.url, "https://github.com/org/repo");
/// assert_eq!((spec.path.as_str(), spec.reference.as_str()), ("deploy/base", "v1.2"));
/// assert_eq!(spec.timeout.as_secs(), 90);
/// assert!(RepositorySpec::parse("../base").is_err());
/// # Ok::<(), gitops_kustomize::RepositorySpecError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepositorySpec {
    /// What `git clone` takes.
    pub url: String,
    /// The folder in the repository; empty for its root.
    pub path: String,
    /// The branch, tag or commit; empty for the default branch.
    pub reference: String,
    /// Whether submodules are fetched.
    pub submodules: bool,
    /// How long fetching may take.
    pub timeout: Duration,
}

/// A text is not the URL of a repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no URL of a repository: {reason}")]
pub struct RepositorySpecError {
    /// The text.
    pub text: String,
    /// What keeps it from being one.
    pub reason: &'static str,
}

const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file://"];

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start
        .eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

impl RepositorySpec {
    /// Reads the URL of a repository with the folder in it: `https://host/org/repo//folder?ref=x`,
    /// `git@host:org/repo.git/folder`, `github.com/org/repo`, `ssh://…`, with the parameters `ref` (or
    /// `version`), `timeout` and `submodules`. The prefix `git::` is ignored.
    ///
    /// # Errors
    /// Where the text is something else, as the path of a folder.
    pub fn parse(text: &str) -> Result<Self, RepositorySpecError> {
        let fail = |reason| RepositorySpecError {
            text: text.to_owned(),
            reason,
        };
        if text.starts_with('/') {
            return Err(fail("it is an absolute path"));
        }
        let (location, query) = text.split_once('?').unwrap_or((text, ""));
        let rest = strip_prefix_ignoring_case(location, "git::").unwrap_or(location);
        let (scheme, rest) = SCHEMES
            .iter()
            .find_map(|scheme| Some((*scheme, strip_prefix_ignoring_case(rest, scheme)?)))
            .unwrap_or(("", rest));
        let (user, rest) = split_user(rest);
        let github = ["github.com/", "github.com:"]
            .iter()
            .any(|host| strip_prefix_ignoring_case(rest, host).is_some());
        let scp = scheme.is_empty() && (!user.is_empty() || github);
        if scheme.is_empty() && !scp {
            return Err(fail("it has neither a scheme nor a user"));
        }
        let (host, rest) = if scheme == "file://" {
            (format!("{scheme}{user}"), rest)
        } else {
            let slash = rest.find('/');
            let colon = rest.find(':').filter(|_| scp);
            let end = match (slash, colon) {
                (Some(slash), Some(colon)) if colon > 0 && colon < slash => Some(colon),
                (None, colon) => colon,
                (slash, _) => slash,
            };
            let (host, rest) = match end {
                Some(end) => rest.split_at(end + 1),
                None => (rest, ""),
            };
            let host = if github {
                if scheme == "ssh://" || !user.is_empty() {
                    format!("{user}github.com:")
                } else {
                    "https://github.com/".to_owned()
                }
            } else {
                format!("{scheme}{user}{host}")
            };
            if host.is_empty() {
                return Err(fail("the host is missing"));
            }
            (host, rest)
        };
        let (repository, path) = split_repository(rest, scheme == "file://")
            .ok_or_else(|| fail("the repository is missing"))?;
        let path = path.trim_start_matches('/');
        if crate::origin::join("", path).starts_with("..") {
            return Err(fail("the folder leads out of the repository"));
        }
        let mut spec = Self {
            url: format!("{host}{repository}"),
            path: path.trim_end_matches('/').to_owned(),
            reference: String::new(),
            submodules: true,
            timeout: Duration::from_secs(27),
        };
        spec.read_query(query);
        Ok(spec)
    }

    fn read_query(&mut self, query: &str) {
        let find = |wanted: &str| {
            query.split('&').find_map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (key == wanted && !value.is_empty()).then(|| percent_decode(value))
            })
        };
        if let Some(reference) = find("ref").or_else(|| find("version")) {
            self.reference = reference;
        }
        if let Some(timeout) = find("timeout").and_then(|text| parse_timeout(&text)) {
            self.timeout = timeout;
        }
        match find("submodules").as_deref() {
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => self.submodules = true,
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => self.submodules = false,
            _ => {}
        }
    }
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = text.get(i + 1..i + 3).filter(|_| bytes[i] == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(if bytes[i] == b'+' { b' ' } else { bytes[i] });
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads seconds, or a duration as Go writes it (`1m30s`).
fn parse_timeout(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return (seconds > 0).then(|| Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    (total > 0.0 && total < 1e9).then(|| Duration::from_secs_f64(total))
}

fn split_user(text: &str) -> (&str, &str) {
    let Some(at) = text.find('@') else {
        return ("", text);
    };
    let user = &text[..at];
    let is_user = user.starts_with(|c: char| c.is_ascii_alphabetic())
        && user.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_user {
        text.split_at(at + 1)
    } else {
        ("", text)
    }
}

/// Splits the path of a URL into that of the repository and that of the folder.
fn split_repository(path: &str, whole: bool) -> Option<(&str, &str)> {
    let (repository, folder) = if let Some(i) = path.find("_git/") {
        let start = i + "_git/".len();
        let end = path[start..].find('/').map_or(path.len(), |n| start + n);
        (&path[..end], &path[end..])
    } else if let Some(i) = path.find("//") {
        (&path[..i], &path[i + 2..])
    } else if let Some(i) = path.find(".git") {
        path.split_at(i + ".git".len())
    } else if whole {
        (path, "")
    } else {
        let first = path.find('/')?;
        let end = path[first + 1..]
            .find('/')
            .map_or(path.len(), |n| first + 1 + n);
        path.split_at(end)
    };
    (!repository.is_empty()).then_some((repository, folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (String, String, String) {
        let spec = RepositorySpec::parse(text).expect(text);
        (spec.url, spec.path, spec.reference)
    }

    #[test]
    fn urls_of_repositories() {
        let s = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(
            parse("github.com/org/repo/a/b?ref=v1"),
            s("https://github.com/org/repo", "a/b", "v1")
        );
        assert_eq!(
            parse("git::https://git.example.com/org/repo.git/a?version=x"),
            s("https://git.example.com/org/repo.git", "a", "x")
        );
        assert_eq!(
            parse("git@github.com:org/repo.git//a"),
            s("git@github.com:org/repo.git", "a", "")
        );
        assert_eq!(
            parse("ssh://git@host:22/org/repo//a?ref=m"),
            s("ssh://git@host:22/org/repo", "a", "m")
        );
        assert_eq!(
            parse("https://dev.azure.com/org/project/_git/repo/a"),
            s("https://dev.azure.com/org/project/_git/repo", "a", "")
        );
        for bad in [
            "../base",
            "base",
            "/abs",
            "https://host",
            "ftp://host/a/b",
            "https://h/o/r//../x",
        ] {
            assert!(RepositorySpec::parse(bad).is_err(), "{bad}");
        }
    }
}
