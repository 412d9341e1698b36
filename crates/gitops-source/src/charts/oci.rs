//! Registries: the part of the OCI distribution protocol that reading charts needs.

use gitops_core::SourceError;
use gitops_manifest::Value;
use reqwest::Url;
use reqwest::header::ACCEPT;

use super::address::{OciRepository, is_digest};
use super::credentials::{ChartCredentials, basic};
use super::network::{Answer, NetworkError, Request, same_origin};
use super::{Shared, invalid, network_error, status_error};
use crate::Credentials;

/// A manifest may not be larger than this; nor may an answer of an authorisation server.
const MAX_MANIFEST: u64 = 4 << 20;
/// One page of tags may not be larger than this.
const MAX_TAGS: u64 = 8 << 20;
/// So many pages of tags are read.
const MAX_PAGES: usize = 1_000;
/// So many manifests of an index are looked at for a chart.
const MAX_CHILDREN: usize = 16;

const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.oci.image.index.v1+json, \
                         application/vnd.docker.distribution.manifest.v2+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json";
const CHART_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// What Helm wrote before its format was settled.
const OLD_CHART_LAYER: &str = "application/tar+gzip";
const TAR_LAYERS: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
];
const TAR_GZIP_LAYERS: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

/// What a layer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LayerKind {
    /// A packed chart, in a folder of its name.
    Chart,
    /// Files as they are.
    Tar,
    /// The same, packed.
    TarGzip,
}

/// The layer of a manifest that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) digest: String,
    pub(super) kind: LayerKind,
}

/// What a manifest says.
#[derive(Debug)]
pub(super) enum Manifest {
    /// It has such a layer.
    Layer(Layer),
    /// It lists other manifests.
    Index(Vec<String>),
}

impl Manifest {
    /// Reads a manifest. Any tar is taken where no chart is asked for.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let value = Value::from_json(bytes)
            .map_err(|error| format!("the manifest cannot be read: {error}"))?;
        let text = |value: &Value, field: &str| -> String {
            let text = value.get(field).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        if let Some(children) = value.get("manifests").and_then(Value::as_array) {
            let digests = children.iter().map(|child| text(child, "digest"));
            return Ok(Self::Index(
                digests.filter(|digest| is_digest(digest)).collect(),
            ));
        }
        let config = value.get("config").map(|config| text(config, "mediaType"));
        let is_chart = config.as_deref() == Some(CHART_CONFIG);
        let layers = value.get("layers").and_then(Value::as_array);
        let mut seen = Vec::new();
        for layer in layers.into_iter().flat_map(|layers| layers.iter()) {
            let media = text(layer, "mediaType");
            let kind = if media == CHART_LAYER || media == OLD_CHART_LAYER && is_chart {
                LayerKind::Chart
            } else if TAR_GZIP_LAYERS.contains(&&*media) && !is_chart {
                LayerKind::TarGzip
            } else if TAR_LAYERS.contains(&&*media) && !is_chart {
                LayerKind::Tar
            } else {
                seen.push(media);
                continue;
            };
            let digest = text(layer, "digest");
            if !is_digest(&digest) {
                return Err(format!("the manifest has {digest:?} for a digest"));
            }
            return Ok(Self::Layer(Layer { digest, kind }));
        }
        Err(format!(
            "it holds no chart: no layer is of type {CHART_LAYER}; there are {}",
            if seen.is_empty() {
                "none".to_owned()
            } else {
                seen.join(", ")
            }
        ))
    }
}

/// Returns what a manifest says of itself under a name.
pub(super) fn annotation(manifest: &[u8], name: &str) -> Option<String> {
    let value = Value::from_json(manifest).ok()?;
    let text = value.get("annotations")?.get(name)?.as_str()?;
    Some(text.to_owned())
}

/// Returns the tag of a version: a tag cannot have the plus of build metadata.
pub(super) fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

/// Returns the version that a tag stands for, where it stands for one: three numbers, in full.
pub(super) fn version_of(tag: &str) -> Option<String> {
    let version = tag.replace('_', "+");
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let strict = core.split('.').count() == 3 && core.split('.').all(numbers);
    (strict && gitops_template::semver::Version::parse(&version).is_ok()).then_some(version)
}

/// A repository of a registry, with what opens it.
pub(super) struct Registry<'a> {
    pub(super) shared: &'a Shared,
    pub(super) repository: &'a OciRepository,
    pub(super) credentials: &'a ChartCredentials,
}

impl Registry<'_> {
    fn repo(&self) -> String {
        self.repository.url()
    }

    fn url(&self, path: &str) -> Result<Url, SourceError> {
        let scheme = if self.credentials.plain_http {
            "http"
        } else {
            "https"
        };
        let OciRepository { registry, name, .. } = self.repository;
        Url::parse(&format!("{scheme}://{registry}/v2/{name}/{path}")).map_err(|error| {
            SourceError::BadAddress {
                repo: self.repo().into(),
                reason: error.to_string(),
            }
        })
    }

    /// Asks the registry; where it wants to know who is asking, tells it and asks again.
    fn ask(&self, url: &Url, accept: Option<&str>, limit: u64) -> Result<Answer, SourceError> {
        let key = (
            self.repository.registry.clone(),
            self.repository.name.clone(),
        );
        let tls = self.credentials.tls();
        let failed = |error| network_error(&self.repo(), error);
        let ask = |authorization: Option<String>| {
            let mut request = Request::get(url, &tls, limit);
            request.authorization = authorization;
            if let Some(accept) = accept {
                request.headers.push((ACCEPT, accept.to_owned()));
            }
            self.shared.network()?.ask(&request).map_err(failed)
        };
        let known = self.shared.tokens().get(&key).cloned();
        let own = match &self.credentials.login {
            Credentials::Token(_) => self.credentials.authorization(),
            _ => None,
        };
        let answer = ask(known.or(own))?;
        // Another host that the registry sent us on to learns nothing.
        if answer.status != 401 || !same_origin(&answer.url, url) {
            return Ok(answer);
        }
        let challenges: Vec<String> = answer
            .headers
            .get_all(reqwest::header::WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok().map(str::to_owned))
            .collect();
        let Some(authorization) = self.authorize(&challenges)? else {
            return Ok(answer);
        };
        let answer = ask(Some(authorization.clone()))?;
        if answer.status != 401 {
            self.shared.tokens().insert(key, authorization);
        }
        Ok(answer)
    }

    /// Answers a challenge with a header that logs in.
    fn authorize(&self, challenges: &[String]) -> Result<Option<String>, SourceError> {
        let login = match &self.credentials.login {
            Credentials::Basic { user, password } => Some(basic(user, password)),
            _ => None,
        };
        for challenge in challenges {
            let (scheme, rest) = challenge
                .trim()
                .split_once(' ')
                .unwrap_or((challenge.trim(), ""));
            if scheme.eq_ignore_ascii_case("basic") {
                if login.is_some() {
                    return Ok(login);
                }
                continue;
            }
            if !scheme.eq_ignore_ascii_case("bearer") {
                continue;
            }
            let parameters = parameters(rest);
            let get = |name: &str| {
                let found = parameters.iter().find(|(key, _)| key == name);
                found.map(|(_, value)| value.as_str())
            };
            let realm = get("realm").unwrap_or_default();
            let Ok(mut url) = Url::parse(realm) else {
                return Err(self.bad(format!(
                    "it wants a token from {realm:?}, which is no address"
                )));
            };
            let plain = url.scheme() == "http" && self.credentials.plain_http;
            if url.scheme() != "https" && !plain {
                return Err(self.bad(format!(
                    "it wants a token from {realm}, which is not reached over https"
                )));
            }
            if let Some(service) = get("service") {
                url.query_pairs_mut().append_pair("service", service);
            }
            let own = format!("repository:{}:pull", self.repository.name);
            let scope = get("scope").unwrap_or(&own);
            url.query_pairs_mut().append_pair("scope", scope);
            let tls = self.credentials.tls();
            let mut request = Request::get(&url, &tls, MAX_MANIFEST);
            request.authorization = login;
            let answer = self
                .shared
                .network()?
                .ask(&request)
                .map_err(|error| network_error(&self.repo(), error))?;
            if answer.status != 200 {
                return Err(status_error(&self.repo(), &answer));
            }
            let value = Value::from_json(&answer.body).map_err(|error| {
                self.bad(format!("the token of {realm} cannot be read: {error}"))
            })?;
            let token = ["token", "access_token"]
                .iter()
                .find_map(|field| value.get(field)?.as_str())
                .ok_or_else(|| self.bad(format!("{realm} gives no token")))?;
            return Ok(Some(format!("Bearer {token}")));
        }
        Ok(None)
    }

    fn bad(&self, reason: String) -> SourceError {
        invalid(&self.repo(), reason)
    }

    /// Returns the tags that stand for versions.
    pub(super) fn versions(&self) -> Result<Vec<String>, SourceError> {
        let mut url = self.url("tags/list")?;
        let mut versions = Vec::new();
        for _ in 0..MAX_PAGES {
            let answer = self.ask(&url, None, MAX_TAGS)?;
            match answer.status {
                200 => {}
                404 => {
                    return Err(SourceError::NoSuchChart {
                        repo: format!("oci://{}", self.repository.registry).into(),
                        chart: self.repository.name.as_str().into(),
                        nearest: Vec::new(),
                    });
                }
                _ => return Err(status_error(&self.repo(), &answer)),
            }
            let value = Value::from_json(&answer.body)
                .map_err(|error| self.bad(format!("the list of tags cannot be read: {error}")))?;
            let tags = value.get("tags").and_then(Value::as_array);
            versions.extend(
                tags.into_iter()
                    .flat_map(|tags| tags.iter())
                    .filter_map(|tag| version_of(tag.as_str()?)),
            );
            let Some(next) = answer.header("link").and_then(next_page) else {
                return Ok(versions);
            };
            let next = answer
                .url
                .join(next)
                .map_err(|error| self.bad(format!("the next page of tags: {error}")))?;
            if !same_origin(&next, &url) {
                return Err(self.bad("the next page of tags is on another host".to_owned()));
            }
            url = next;
        }
        Err(self.bad(format!("it has more than {MAX_PAGES} pages of tags")))
    }

    /// Fetches a manifest by tag or digest. Returns its digest and its bytes; `None` where there is none.
    pub(super) fn manifest(
        &self,
        reference: &str,
    ) -> Result<Option<(String, Vec<u8>)>, SourceError> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let answer = self.ask(&url, Some(MANIFESTS), MAX_MANIFEST)?;
        match answer.status {
            200 => {}
            404 => return Ok(None),
            _ => return Err(status_error(&self.repo(), &answer)),
        }
        let digest = format!("sha256:{}", super::cache::hash(&answer.body));
        let wanted = if is_digest(reference) {
            Some(reference)
        } else {
            answer
                .header("docker-content-digest")
                .filter(|digest| is_digest(digest))
        };
        if let Some(wanted) = wanted
            && wanted != digest
        {
            return Err(self.bad(format!(
                "the manifest {reference} has the digest {digest}, not {wanted}"
            )));
        }
        Ok(Some((digest, answer.body)))
    }

    /// Fetches content by its digest.
    pub(super) fn blob(&self, digest: &str, limit: u64) -> Result<Vec<u8>, SourceError> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let answer = self.ask(&url, None, limit)?;
        if answer.status != 200 {
            return Err(status_error(&self.repo(), &answer));
        }
        let found = format!("sha256:{}", super::cache::hash(&answer.body));
        if found == digest {
            Ok(answer.body)
        } else {
            Err(self.bad(format!("{digest} has the digest {found}")))
        }
    }

    /// Finds the layer that a manifest, or one that it lists, is about. `get` gives manifests by their digests.
    pub(super) fn layer(
        &self,
        bytes: &[u8],
        mut get: impl FnMut(&str) -> Result<Vec<u8>, SourceError>,
    ) -> Result<Layer, SourceError> {
        let children = match Manifest::read(bytes).map_err(|reason| self.bad(reason))? {
            Manifest::Layer(layer) => return Ok(layer),
            Manifest::Index(children) => children,
        };
        let mut reasons = Vec::new();
        for child in children.iter().take(MAX_CHILDREN) {
            match Manifest::read(&get(child)?) {
                Ok(Manifest::Layer(layer)) => return Ok(layer),
                Ok(Manifest::Index(_)) => reasons.push(format!("{child} is an index again")),
                Err(reason) => reasons.push(format!("{child}: {reason}")),
            }
        }
        Err(self.bad(format!(
            "none of its manifests holds a chart: {}",
            reasons.join("; ")
        )))
    }
}

/// Reads the parameters of a challenge: `realm="…",service="…"`.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',']);
    while let Some((key, value)) = rest.split_once('=') {
        let key = key.trim().to_ascii_lowercase();
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => {
                let mut text = String::new();
                let mut chars = quoted.char_indices();
                let mut end = quoted.len();
                while let Some((at, c)) = chars.next() {
                    match c {
                        '"' => {
                            end = at + 1;
                            break;
                        }
                        '\\' => text.extend(chars.next().map(|(_, c)| c)),
                        c => text.push(c),
                    }
                }
                (text, &quoted[end..])
            }
            None => {
                let end = value.find([',', ' ']).unwrap_or(value.len());
                (value[..end].to_owned(), &value[end..])
            }
        };
        found.push((key, value));
        rest = after.trim_start_matches([' ', ',']);
    }
    found
}

/// Returns the address of the next page out of a `Link` header.
fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (address, attributes) = part.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = attributes
            .split(';')
            .any(|a| matches!(a.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then_some(address)
    })
}

impl Shared {
    /// Returns the connections, or why there can be none.
    pub(super) fn network(&self) -> Result<&super::network::Network, SourceError> {
        self.network
            .as_ref()
            .map_err(|reason| SourceError::Unreachable {
                repo: "".into(),
                source: Box::new(NetworkError::Unreachable(reason.clone())),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let found = parameters(
            r#"realm="https://auth.example.com/token",service="r.example.com",scope="repository:a/b:pull,push", error=x"#,
        );
        let get = |name: &str| {
            let found = found.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(get("realm"), Some("https://auth.example.com/token"));
        assert_eq!(get("scope"), Some("repository:a/b:pull,push"));
        assert_eq!(get("error"), Some("x"));
        for broken in ["", "=", "realm=", "realm=\"", "realm=\"\\", ",,,"] {
            let _ = parameters(broken);
        }
    }

    #[test]
    fn tags_stand_for_versions() {
        for (tag, version) in [
            ("1.2.3", Some("1.2.3")),
            ("1.2.3_build.5", Some("1.2.3+build.5")),
            ("1.2.3-rc.1", Some("1.2.3-rc.1")),
            ("v1.2.3", None),
            ("1.2", None),
            ("latest", None),
        ] {
            assert_eq!(version_of(tag).as_deref(), version, "{tag}");
        }
        assert_eq!(tag_of("1.2.3+build.5"), "1.2.3_build.5");
    }

    #[test]
    fn pages_follow_each_other() {
        assert_eq!(
            next_page(r#"</v2/a/tags/list?n=1&last=x>; rel="next""#),
            Some("/v2/a/tags/list?n=1&last=x")
        );
        assert_eq!(next_page("</x>; rel=\"prev\""), None);
        assert_eq!(next_page("nonsense"), None);
    }

    #[test]
    fn manifests_name_their_layer() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let manifest = |config: &str, layer: &str| {
            let text = format!(
                r#"{{"config":{{"mediaType":"{config}"}},"layers":[{{"mediaType":"{layer}","digest":"{digest}"}}]}}"#
            );
            match Manifest::read(text.as_bytes()) {
                Ok(Manifest::Layer(layer)) => Ok(layer.kind),
                Ok(Manifest::Index(_)) => Err("an index".to_owned()),
                Err(reason) => Err(reason),
            }
        };
        assert_eq!(manifest(CHART_CONFIG, CHART_LAYER), Ok(LayerKind::Chart));
        assert_eq!(
            manifest(CHART_CONFIG, OLD_CHART_LAYER),
            Ok(LayerKind::Chart)
        );
        assert_eq!(manifest("", TAR_GZIP_LAYERS[0]), Ok(LayerKind::TarGzip));
        assert_eq!(manifest("", TAR_LAYERS[0]), Ok(LayerKind::Tar));
        let error = manifest(CHART_CONFIG, "image/png").expect_err("no chart");
        assert!(error.contains("there are image/png"), "{error}");
        assert!(Manifest::read(b"[").is_err());
        assert!(Manifest::read(b"{}").is_err());
    }
}
