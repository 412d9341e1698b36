//! Registries.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gitops_core::{Source, SourceError, SourceRef};
use gitops_source::{ChartCredentials, ChartOptions, ChartSource, Credentials};

use super::server::{Answer, Asked, Server};
use super::{block_on, chart, digest, pack, read, resolve, told, with_credentials};

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// The content of one repository, `charts/web`.
#[derive(Default)]
struct Content {
    tags: Vec<(String, String)>,
    /// Manifests and blobs by digest.
    content: BTreeMap<String, Vec<u8>>,
}

impl Content {
    fn put(&mut self, bytes: Vec<u8>) -> String {
        let digest = digest(&bytes);
        self.content.insert(digest.clone(), bytes);
        digest
    }

    fn push(&mut self, tag: &str, config: &str, media: &str, layer: Vec<u8>) -> String {
        let size = layer.len();
        let layer = self.put(layer);
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{config}","digest":"{}","size":2}},"layers":[{{"mediaType":"{media}","digest":"{layer}","size":{size}}}],"annotations":{{"org.opencontainers.image.created":"2024-01-02T03:04:05Z","org.opencontainers.image.description":"The web"}}}}"#,
            digest(b"{}")
        );
        let manifest = self.put(manifest.into_bytes());
        self.tags.push((tag.to_owned(), manifest.clone()));
        manifest
    }
}

fn charts() -> Content {
    let mut content = Content::default();
    for version in ["1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1", "1.2.0+build.5"] {
        content.push(
            &version.replace('+', "_"),
            CONFIG,
            LAYER,
            chart("web", version),
        );
    }
    content.push("latest", CONFIG, LAYER, chart("web", "1.10.0"));
    content
}

/// Answers as a registry does, two tags a page.
fn answer(content: &Content, asked: &Asked) -> Answer {
    let Some(path) = asked.path.strip_prefix("/v2/charts/web/") else {
        return Answer::new(404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#);
    };
    if let Some(query) = path.strip_prefix("tags/list") {
        let from: usize = query
            .strip_prefix("?last=")
            .map_or(0, |n| n.parse().unwrap_or(0));
        let page: Vec<String> = content
            .tags
            .iter()
            .skip(from)
            .take(2)
            .map(|(tag, _)| format!("{tag:?}"))
            .collect();
        let answer = Answer::new(
            200,
            format!(r#"{{"name":"charts/web","tags":[{}]}}"#, page.join(",")),
        );
        let next = from + 2;
        return if next < content.tags.len() {
            answer.with(
                "Link",
                format!("</v2/charts/web/tags/list?last={next}>; rel=\"next\""),
            )
        } else {
            answer
        };
    }
    let (kind, reference) = path.split_once('/').unwrap_or((path, ""));
    let tagged = content.tags.iter().find(|(tag, _)| tag == reference);
    let wanted = tagged.map_or(reference, |(_, digest)| digest);
    match (kind, content.content.get(wanted)) {
        ("manifests" | "blobs", Some(bytes)) => Answer::new(200, bytes.clone()),
        _ => Answer::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
    }
}

fn serve(content: Content) -> (Server, Arc<Mutex<Content>>) {
    let content = Arc::new(Mutex::new(content));
    let served = Arc::clone(&content);
    let server =
        Server::start(move |asked| answer(&served.lock().expect("no handler failed"), asked));
    (server, content)
}

fn plain() -> ChartCredentials {
    let mut credentials = ChartCredentials::default();
    credentials.plain_http = true;
    credentials
}

fn settings(server: &Server) -> ChartOptions {
    with_credentials(&format!("oci://{}", server.host()), plain())
}

#[test]
fn tags_are_versions_and_ranges_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, content) = serve(charts());
    let source = ChartSource::with_options(folder.path(), settings(&server));
    let repo = format!("oci://{}/charts", server.host());
    for (wanted, version) in [
        ("^1.0", "1.10.0"),
        ("", "1.10.0"),
        ("~1.2", "1.2.0"),
        ("1.2.0", "1.2.0"),
        ("1.2.0+build.5", "1.2.0+build.5"),
        (">0.0.0-0", "2.0.0-rc.1"),
    ] {
        let revision = resolve(&source, &repo, "web", wanted).expect(wanted);
        assert_eq!(revision.name, version, "{wanted}");
        assert!(read(&source, &revision, "Chart.yaml").contains(&format!("version: {version}\n")));
    }
    // The same without `oci://`, and as an artifact with a tag that is no version.
    let bare = resolve(
        &source,
        &format!("{}/charts", server.host()),
        "web",
        "1.0.0",
    );
    // Credentials, and with them plain http, go by the address with `oci://`.
    assert_eq!(bare.expect("resolved").name, "1.0.0");
    let latest = block_on(source.resolve(&SourceRef::git(format!("{repo}/web"), "latest")))
        .expect("resolved");
    assert!(read(&source, &latest, "Chart.yaml").contains("version: 1.10.0"));

    // A digest pins, and the name may be moved meanwhile.
    let pinned = resolve(&source, &repo, "web", "1.0.0").expect("resolved");
    let info = block_on(source.describe(&pinned)).expect("described");
    assert_eq!(info.message, "The web");
    {
        let mut content = content.lock().expect("content");
        content.tags.retain(|(tag, _)| tag != "1.0.0");
        content.push("1.0.0", CONFIG, LAYER, chart("web", "9.9.9"));
    }
    let by_digest = resolve(&source, &repo, "web", &pinned.id).expect("resolved");
    assert_eq!(by_digest.id, pinned.id);
    assert!(read(&source, &by_digest, "Chart.yaml").contains("version: 1.0.0"));
    let moved = resolve(&source, &repo, "web", "1.0.0").expect("resolved");
    assert!(moved.id != pinned.id && read(&source, &moved, "Chart.yaml").contains("9.9.9"));

    let mut offline = settings(&server);
    offline.offline = true;
    let offline = ChartSource::with_options(folder.path(), offline);
    assert_eq!(
        resolve(&offline, &repo, "web", "^1.0")
            .expect("resolved")
            .name,
        "1.10.0"
    );
    assert!(resolve(&offline, &repo, "web", "~1.10").is_err());
}

#[test]
fn a_registry_that_wants_a_token_gets_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let content = charts();
    let server = Server::start(move |asked| {
        let host = asked.header("host").unwrap_or_default().to_owned();
        if let Some(query) = asked.path.strip_prefix("/token?") {
            // base64 of `robot:s3cret`.
            let known = asked.header("authorization") == Some("Basic cm9ib3Q6czNjcmV0");
            let scoped = query.contains("service=registry")
                && query.contains("repository%3Acharts%2Fweb%3Apull");
            return if known && scoped {
                Answer::new(200, r#"{"token":"t0ken","expires_in":60}"#)
            } else {
                Answer::new(401, "")
            };
        }
        if asked.header("authorization") != Some("Bearer t0ken") {
            let challenge = format!(
                "Bearer realm=\"http://{host}/token\",service=\"registry\",scope=\"repository:charts/web:pull\""
            );
            return Answer::new(401, "").with("WWW-Authenticate", challenge);
        }
        answer(&content, asked)
    });
    let address = format!("oci://{}", server.host());
    let repo = format!("{address}/charts");
    let anonymous = ChartSource::with_options(folder.path(), with_credentials(&address, plain()));
    let error = resolve(&anonymous, &repo, "web", "1.0.0").expect_err("refused");
    assert!(
        matches!(error, SourceError::AccessDenied { .. }),
        "{error:?}"
    );
    let mut credentials = plain();
    credentials.login = Credentials::Basic {
        user: "robot".into(),
        password: "s3cret".into(),
    };
    let source = ChartSource::with_options(folder.path(), with_credentials(&address, credentials));
    let before = server.asked().len();
    let revision = resolve(&source, &repo, "web", "1.0.0").expect("resolved");
    assert!(read(&source, &revision, "Chart.yaml").contains("1.0.0"));
    let asked = &server.asked()[before..];
    let tokens = asked
        .iter()
        .filter(|a| a.path.starts_with("/token"))
        .count();
    assert_eq!(tokens, 1, "a token serves until it is refused");
}

#[test]
fn a_token_is_not_asked_for_in_clear() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(|_| {
        Answer::new(401, "").with(
            "WWW-Authenticate",
            "Bearer realm=\"ftp://auth.example.com/token\"",
        )
    });
    let source = ChartSource::with_options(folder.path(), settings(&server));
    let error = resolve(
        &source,
        &format!("oci://{}/charts", server.host()),
        "web",
        "1.0.0",
    )
    .expect_err("refused");
    assert!(
        told(&error).contains("not reached over https"),
        "{}",
        told(&error)
    );
}

#[test]
fn content_that_is_not_what_its_digest_says_is_refused() {
    for of_manifest in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let (server, content) = serve(charts());
        let source = ChartSource::with_options(folder.path(), settings(&server));
        let repo = format!("oci://{}/charts", server.host());
        let manifest = content.lock().expect("content").tags[0].1.clone();
        let wanted = if of_manifest {
            manifest
        } else {
            digest(&chart("web", "1.0.0"))
        };
        let other = chart("web", "6.6.6");
        content
            .lock()
            .expect("content")
            .content
            .insert(wanted.clone(), other);
        let asked = if of_manifest {
            wanted.as_str()
        } else {
            "1.0.0"
        };
        let error = resolve(&source, &repo, "web", asked).expect_err("another content");
        assert!(matches!(error, SourceError::Invalid { .. }), "{error:?}");
        assert!(told(&error).contains(&wanted), "{}", told(&error));
    }
}

#[test]
fn what_a_manifest_may_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut content = charts();
    let first = content.tags[0].1.clone();
    let files = pack(&[("app/a.yaml", b"kind: A\n")]);
    content.push(
        "files",
        "application/vnd.example",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        files,
    );
    content.push(
        "image",
        "application/vnd.example",
        "image/png",
        b"x".to_vec(),
    );
    content.push(
        "3.0.0",
        CONFIG,
        "application/tar+gzip",
        chart("web", "3.0.0"),
    );
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"digest":"{}"}},{{"digest":"{first}"}}]}}"#,
        content
            .tags
            .iter()
            .find(|(tag, _)| tag == "image")
            .expect("it is there")
            .1
    );
    let index = content.put(index.into_bytes());
    content.tags.push(("4.0.0".to_owned(), index));
    let (server, _) = serve(content);
    let source = ChartSource::with_options(folder.path(), settings(&server));
    let repo = format!("oci://{}/charts", server.host());
    let artifact =
        |tag: &str| block_on(source.resolve(&SourceRef::git(format!("{repo}/web"), tag)));
    let files = artifact("files").expect("resolved");
    assert_eq!(read(&source, &files, "app/a.yaml"), "kind: A\n");
    let error = artifact("image").expect_err("no chart");
    assert!(
        told(&error).contains("there are image/png"),
        "{}",
        told(&error)
    );
    let old = resolve(&source, &repo, "web", "3.0.0").expect("resolved");
    assert!(read(&source, &old, "Chart.yaml").contains("3.0.0"));
    let of_index = resolve(&source, &repo, "web", "4.0.0").expect("resolved");
    assert!(read(&source, &of_index, "Chart.yaml").contains("version: 1.0.0"));

    let error = resolve(&source, &repo, "web", "1.2.1").expect_err("no such version");
    assert!(
        error
            .to_string()
            .contains("no revision \"1.2.1\"; the nearest are"),
        "{error}"
    );
    let error = resolve(&source, &repo, "nothing", "^1").expect_err("no such chart");
    assert!(
        matches!(error, SourceError::NoSuchChart { .. }),
        "{error:?}"
    );
}

#[test]
fn damaged_layers_are_fetched_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, _) = serve(charts());
    let source = || ChartSource::with_options(folder.path(), settings(&server));
    let repo = format!("oci://{}/charts", server.host());
    let revision = resolve(&source(), &repo, "web", "1.0.0").expect("resolved");
    for digest in [digest(&chart("web", "1.0.0")), revision.id.to_string()] {
        let hash = &digest["sha256:".len()..];
        let path = folder.path().join("blobs").join(&hash[..2]).join(hash);
        std::fs::write(path, b"nonsense").expect("written");
        assert!(read(&source(), &revision, "Chart.yaml").contains("1.0.0"));
    }
}
