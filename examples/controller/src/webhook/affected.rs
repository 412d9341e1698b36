//! Whether an application is concerned by a change of a repository.

use gitops::application::{Application, ApplicationSource};
use gitops::glob::{Syntax, matches};

/// The annotation that names the paths whose files an application is made of, separated by semicolons.
const PATHS: &str = "argocd.argoproj.io/manifest-generate-paths";

/// Whether two addresses mean the same repository: whatever the protocol, the user, the port, the letters' case and an
/// ending `.git`.
#[must_use]
pub fn same_repository(one: &str, other: &str) -> bool {
    let (one, other) = (place(one), place(other));
    !one.1.is_empty() && one == other
}

/// Returns the host and the path of an address.
fn place(url: &str) -> (String, String) {
    let url = url.trim().to_lowercase();
    let (rest, scheme) = match url.split_once("://") {
        Some(("file", path)) => return (String::new(), path_of(path)),
        Some((_, rest)) => (rest, true),
        None => (&*url, false),
    };
    if !scheme && (rest.starts_with('/') || rest.starts_with('.')) {
        return (String::new(), path_of(rest));
    }
    let end = rest.find('/').unwrap_or(rest.len());
    let start = rest[..end].rfind('@').map_or(0, |at| at + 1);
    let rest = &rest[start..];
    // The scp-like form has its path behind a colon; a URL has a port there, which does not count.
    let (host, path) = match rest.find([':', '/']) {
        Some(at) if rest[at..].starts_with(':') => {
            let (host, rest) = (&rest[..at], &rest[at + 1..]);
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            if digits > 0 && rest[digits..].starts_with('/') && scheme {
                (host, &rest[digits..])
            } else {
                (host, rest)
            }
        }
        Some(at) => (&rest[..at], &rest[at..]),
        None => (rest, ""),
    };
    (host.to_owned(), path_of(path))
}

fn path_of(path: &str) -> String {
    let path = path.trim_matches('/');
    path.strip_suffix(".git").unwrap_or(path).to_owned()
}

/// Whether changed files concern a source of an application. They do where nothing is known of the files, and where
/// the application does not say by the annotation `argocd.argoproj.io/manifest-generate-paths` what it is made of.
#[must_use]
pub fn changes_concern(
    application: &Application,
    source: &ApplicationSource,
    files: &[String],
) -> bool {
    let paths = application.annotation(PATHS).unwrap_or_default();
    let paths: Vec<String> = paths
        .split(';')
        .map(str::trim)
        .filter(|path| !path.is_empty())
        .map(|path| match path.strip_prefix('/') {
            Some(absolute) => clean(absolute),
            None => clean(&format!("{}/{path}", source.path)),
        })
        .collect();
    if paths.is_empty() || files.is_empty() {
        return true;
    }
    files.iter().any(|file| {
        let file = clean(file);
        paths.iter().any(|path| {
            path.is_empty()
                || file == *path
                || file
                    .strip_prefix(&**path)
                    .is_some_and(|rest| rest.starts_with('/'))
                || path.contains(['*', '?', '[']) && matches(path, &file, Syntax::Path)
        })
    })
}

/// Takes `.` and `..` out of a path.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
