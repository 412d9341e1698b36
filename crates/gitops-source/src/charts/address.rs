//! Addresses of chart repositories and registries.

use gitops_core::{SourceError, SourceRef};
use reqwest::Url;

use crate::address::redact;

/// Where charts are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ChartAddress {
    /// A folder behind HTTP(S) with an `index.yaml`.
    Http {
        /// The address of the folder, without credentials.
        url: Url,
        /// The user and password that the address itself carried.
        user: Option<(String, String)>,
    },
    /// A repository of a registry.
    Oci(OciRepository),
}

/// A repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OciRepository {
    /// The host, with its port if any.
    pub(super) registry: String,
    /// The name of the repository.
    pub(super) name: String,
    /// The tag and digest that stood in the address.
    pub(super) tag: Option<String>,
    pub(super) digest: Option<String>,
}

impl OciRepository {
    /// Returns the address without tag and digest.
    pub(super) fn url(&self) -> String {
        format!("oci://{}/{}", self.registry, self.name)
    }
}

impl ChartAddress {
    /// Reads the address of a source. A source with a chart and without a scheme is a registry, as in Argo CD.
    pub(super) fn of(source: &SourceRef) -> Result<Self, SourceError> {
        let text = source.repo.trim();
        let bad = |reason: &str| SourceError::BadAddress {
            repo: redact(text).into(),
            reason: reason.to_owned(),
        };
        if let Some(rest) = text.strip_prefix("oci://") {
            return Self::oci(rest, source.chart.as_deref()).map_err(|reason| bad(&reason));
        }
        let Some(chart) = source.chart.as_deref() else {
            return Err(bad("it names no chart"));
        };
        match text.split_once("://") {
            None => Self::oci(text, Some(chart)).map_err(|reason| bad(&reason)),
            Some(("http" | "https", _)) => {
                if chart.is_empty() {
                    return Err(bad("it names no chart"));
                }
                let (url, user) = http(text).map_err(|reason| bad(&reason))?;
                Ok(Self::Http { url, user })
            }
            Some(_) => Err(bad(
                "charts are served over http, https and by registries (oci)",
            )),
        }
    }

    fn oci(text: &str, chart: Option<&str>) -> Result<Self, String> {
        let mut repository = reference(text.trim_end_matches('/'))?;
        if let Some(chart) = chart {
            if repository.tag.is_some() || repository.digest.is_some() {
                return Err("it names a tag or digest, and the chart's version does too".to_owned());
            }
            repository.name = if repository.name.is_empty() {
                chart.to_owned()
            } else {
                format!("{}/{chart}", repository.name)
            };
        }
        if !is_repository(&repository.name) {
            return Err(format!(
                "{:?} is no name of a repository: parts of lower-case letters, digits, dots, dashes and underscores, \
                 separated by slashes",
                repository.name
            ));
        }
        Ok(Self::Oci(repository))
    }
}

/// Reads an address for HTTP(S) and takes the credentials out of it.
pub(super) fn http(text: &str) -> Result<(Url, Option<(String, String)>), String> {
    let mut url = Url::parse(text).map_err(|error| error.to_string())?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the host is missing".to_owned());
    }
    let decode = |text: &str| percent_decode(text);
    let user = (!url.username().is_empty() || url.password().is_some()).then(|| {
        (
            decode(url.username()),
            decode(url.password().unwrap_or_default()),
        )
    });
    // Neither fails for an address that has a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    Ok((url, user))
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
        if bytes[i] == b'%'
            && let (Some(high), Some(low)) = (hex(i + 1), hex(i + 2))
        {
            out.push((high * 16 + low) as u8);
            i += 3;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads `host[:port]/name[:tag][@digest]`.
fn reference(text: &str) -> Result<OciRepository, String> {
    let (text, digest) = match text.rsplit_once('@') {
        Some((text, digest)) => {
            if !is_digest(digest) {
                return Err(format!("{digest:?} is no digest (sha256:…)"));
            }
            (text, Some(digest.to_owned()))
        }
        None => (text, None),
    };
    let (registry, name) = text.split_once('/').unwrap_or((text, ""));
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) => (name, Some(tag.to_owned())),
        None => (name, None),
    };
    let host = registry.rsplit_once(':').map_or(registry, |(host, port)| {
        if port.parse::<u16>().is_ok() {
            host
        } else {
            ""
        }
    });
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
    if host.is_empty() || !host.chars().all(is_host) {
        return Err("the host of the registry is missing or malformed".to_owned());
    }
    let registry = match registry {
        "docker.io" => "registry-1.docker.io",
        other => other,
    };
    Ok(OciRepository {
        registry: registry.to_owned(),
        name: name.to_owned(),
        tag,
        digest,
    })
}

fn is_repository(name: &str) -> bool {
    let part = |part: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.first().is_some_and(|b| plain(*b))
            && bytes.last().is_some_and(|b| plain(*b))
            && bytes
                .iter()
                .all(|b| plain(*b) || matches!(b, b'.' | b'-' | b'_'))
    };
    name.len() <= 255 && name.split('/').all(part)
}

/// Whether a text is a SHA-256 digest as registries write it.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(is_hash)
}

/// Whether a text is a SHA-256 hash in lower-case digits.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Resolves the address of a file against that of its repository, as Helm does: the folder counts whole, and the
/// query of the repository is kept.
pub(super) fn resolve(base: &Url, reference: &str) -> Result<Url, String> {
    if let Ok(url) = Url::parse(reference) {
        return match url.scheme() {
            "http" | "https" => Ok(url),
            other => Err(format!(
                "{reference:?} is reached over {other}, not over http(s)"
            )),
        };
    }
    let mut folder = base.clone();
    let path = format!("{}/", folder.path().trim_end_matches('/'));
    folder.set_path(&path);
    let mut url = folder
        .join(reference)
        .map_err(|error| format!("{reference:?} is no address: {error}"))?;
    url.set_query(base.query());
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(repo: &str, chart: Option<&str>) -> Result<ChartAddress, String> {
        let source = SourceRef {
            repo: repo.into(),
            revision: "".into(),
            chart: chart.map(Into::into),
        };
        ChartAddress::of(&source).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_say_how_they_are_reached() {
        let ChartAddress::Http { url, user } =
            of("https://me:p%40ss@charts.example.com/stable", Some("web")).expect("an address")
        else {
            panic!("http");
        };
        assert_eq!(url.as_str(), "https://charts.example.com/stable");
        assert_eq!(user, Some(("me".to_owned(), "p@ss".to_owned())));
        for (repo, chart, want) in [
            (
                "oci://r.example.com:5000/charts",
                Some("web"),
                "oci://r.example.com:5000/charts/web",
            ),
            (
                "oci://r.example.com/charts/web:1.2.3",
                None,
                "oci://r.example.com/charts/web",
            ),
            (
                "r.example.com/charts",
                Some("web"),
                "oci://r.example.com/charts/web",
            ),
            (
                "oci://docker.io/charts",
                Some("web"),
                "oci://registry-1.docker.io/charts/web",
            ),
            (
                "oci://r.example.com",
                Some("web"),
                "oci://r.example.com/web",
            ),
        ] {
            match of(repo, chart) {
                Ok(ChartAddress::Oci(found)) => assert_eq!(found.url(), want),
                other => panic!("{repo}: {other:?}"),
            }
        }
    }

    #[test]
    fn addresses_that_are_none_say_why() {
        for (repo, chart, want) in [
            ("oci://", Some("web"), "host"),
            ("oci://r.example.com/Charts", Some("web"), "lower-case"),
            ("oci://r.example.com/../x", Some("web"), "lower-case"),
            ("oci://r.example.com/web@sha256:1", None, "digest"),
            ("https://charts.example.com", None, "names no chart"),
            ("https://", Some("web"), "host"),
            ("ftp://charts.example.com", Some("web"), "http"),
            ("oci://r.example.com/web:1", Some("web"), "tag"),
        ] {
            let error = of(repo, chart).expect_err(repo);
            assert!(error.contains(want), "{repo}: {error}");
        }
    }

    /// Outcomes of `ResolveReferenceURL` of Helm 3.22.
    #[test]
    fn references_are_resolved_as_helm_does() {
        for (base, reference, want) in [
            (
                "http://localhost:8123/charts/",
                "nginx-0.2.0.tgz",
                "http://localhost:8123/charts/nginx-0.2.0.tgz",
            ),
            (
                "http://localhost:8123/charts",
                "nginx-0.2.0.tgz",
                "http://localhost:8123/charts/nginx-0.2.0.tgz",
            ),
            (
                "http://localhost:8123/charts",
                "/nginx-0.2.0.tgz",
                "http://localhost:8123/nginx-0.2.0.tgz",
            ),
            (
                "http://localhost:8123/charts%2fwith%2fescaped%2fslash",
                "nginx-0.2.0.tgz",
                "http://localhost:8123/charts%2fwith%2fescaped%2fslash/nginx-0.2.0.tgz",
            ),
            (
                "http://localhost:8123/charts?with=queryparameter",
                "nginx-0.2.0.tgz",
                "http://localhost:8123/charts/nginx-0.2.0.tgz?with=queryparameter",
            ),
            (
                "http://localhost:8123",
                "https://charts.helm.sh/stable/nginx-0.2.0.tgz",
                "https://charts.helm.sh/stable/nginx-0.2.0.tgz",
            ),
        ] {
            let base = Url::parse(base).expect("an address");
            assert_eq!(
                resolve(&base, reference).map(String::from).as_deref(),
                Ok(want)
            );
        }
        let base = Url::parse("http://localhost").expect("an address");
        assert!(resolve(&base, "file:///etc/passwd").is_err());
    }
}
