//! Repositories with an `index.yaml`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gitops_core::{Source, SourceError, SourceRef};
use gitops_source::{ChartCredentials, ChartSource, Credentials};

use super::server::{Answer, Server};
use super::{block_on, chart, digest, options, pack, read, resolve, told, with_credentials};

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Charts `web` in some versions, and their index.
fn files(digests: bool) -> Files {
    let mut index = String::from("apiVersion: v1\nentries:\n  web:\n");
    let mut files = BTreeMap::new();
    for version in ["1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1"] {
        let bytes = chart("web", version);
        index.push_str(&format!(
            "  - name: web\n    version: {version}\n    urls: [charts/web-{version}.tgz]\n    description: The web\n    created: 2024-01-02T03:04:05Z\n"
        ));
        if digests {
            index.push_str(&format!(
                "    digest: {}\n",
                &digest(&bytes)["sha256:".len()..]
            ));
        }
        files.insert(format!("/stable/charts/web-{version}.tgz"), bytes);
    }
    files.insert("/stable/index.yaml".to_owned(), index.into_bytes());
    Arc::new(Mutex::new(files))
}

fn serve(files: &Files) -> Server {
    let files = Arc::clone(files);
    Server::start(move |asked| {
        let files = files.lock().expect("no handler failed");
        let Some(bytes) = files.get(&asked.path) else {
            return Answer::new(404, "no such file");
        };
        let etag = format!("\"{}\"", digest(bytes));
        if asked.header("if-none-match") == Some(&etag) {
            return Answer::new(304, "");
        }
        Answer::new(200, bytes.clone()).with("ETag", etag)
    })
}

fn repo(server: &Server) -> String {
    format!("{}/stable", server.url())
}

#[test]
fn a_range_is_pinned_to_the_digest_of_its_highest_version() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(true);
    let server = serve(&files);
    let source = ChartSource::with_options(folder.path(), options());
    let revision = resolve(&source, &repo(&server), "web", "^1.0").expect("resolved");
    assert_eq!(revision.name, "1.10.0");
    assert_eq!(*revision.id, *digest(&chart("web", "1.10.0")));
    assert!(read(&source, &revision, "Chart.yaml").contains("version: 1.10.0"));
    assert_eq!(
        read(&source, &revision, "templates/a.yaml"),
        "kind: ConfigMap\n"
    );
    let info = block_on(source.describe(&revision)).expect("described");
    assert_eq!(
        (info.message.as_str(), info.tags.as_slice()),
        ("The web", &["1.10.0".to_owned()][..])
    );
    assert!(info.date.is_some());

    // Nothing is sent twice: the index is as it was, the chart is there.
    for _ in 0..3 {
        let again = resolve(&source, &repo(&server), "web", "1.10.0").expect("resolved");
        assert_eq!(again, revision);
    }
    assert_eq!(server.count("/stable/charts/web-1.10.0.tgz"), 1);
    let asked = server.asked();
    let of_index: Vec<_> = asked
        .iter()
        .filter(|a| a.path == "/stable/index.yaml")
        .collect();
    assert!(of_index.len() > 1 && of_index[0].header("if-none-match").is_none());
    assert!(
        of_index[1..]
            .iter()
            .all(|a| a.header("if-none-match").is_some())
    );

    // Another process finds what this one fetched.
    let other = ChartSource::with_options(folder.path(), options());
    let pinned = resolve(&other, &repo(&server), "web", &revision.id).expect("resolved");
    assert_eq!((&pinned.id, &pinned.name), (&revision.id, &revision.name));
    assert_eq!(server.count("/stable/charts/web-1.10.0.tgz"), 1);
}

#[test]
fn an_index_is_asked_for_once_while_it_is_fresh() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(true);
    let server = serve(&files);
    let mut options = options();
    options.fresh_for = Duration::from_secs(3600);
    let source = ChartSource::with_options(folder.path(), options);
    for version in ["1.0.0", "1.2.0", "", "~1.2"] {
        resolve(&source, &repo(&server), "web", version).expect("resolved");
    }
    assert_eq!(server.count("/stable/index.yaml"), 1);
    source.invalidate();
    resolve(&source, &repo(&server), "web", "").expect("resolved");
    assert_eq!(server.count("/stable/index.yaml"), 2);
}

#[test]
fn many_that_ask_at_once_fetch_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(false);
    let server = serve(&files);
    // Two sources are as two processes: the folder alone is between them.
    let sources = [(); 2].map(|()| ChartSource::with_options(folder.path(), options()));
    std::thread::scope(|scope| {
        for i in 0..8 {
            let (source, repo) = (&sources[i % 2], repo(&server));
            scope.spawn(move || {
                let revision = resolve(source, &repo, "web", "1.2.0").expect("resolved");
                assert!(read(source, &revision, "Chart.yaml").contains("1.2.0"));
            });
        }
    });
    assert_eq!(server.count("/stable/charts/web-1.2.0.tgz"), 1);
}

#[test]
fn it_works_on_every_kind_of_runtime() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(true);
    let server = serve(&files);
    let wanted = SourceRef::chart(repo(&server), "web", "1.0.0");
    let current = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    current.block_on(async {
        // The last handle goes within the runtime.
        let source = ChartSource::with_options(folder.path(), options());
        source.resolve(&wanted).await.expect("resolved");
    });
    let several = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("a runtime");
    let source = ChartSource::with_options(folder.path(), options());
    several.block_on(async { source.resolve(&wanted).await.expect("resolved") });
}

#[test]
fn a_chart_that_is_not_what_its_digest_says_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(true);
    let server = serve(&files);
    let source = ChartSource::with_options(folder.path(), options());
    let path = "/stable/charts/web-1.2.0.tgz".to_owned();
    let good = files
        .lock()
        .expect("files")
        .insert(path.clone(), chart("web", "6.6.6"));
    let error = resolve(&source, &repo(&server), "web", "1.2.0").expect_err("another chart");
    assert!(matches!(error, SourceError::Invalid { .. }) && !error.is_transient());
    let text = told(&error);
    assert!(text.contains(&digest(&chart("web", "6.6.6"))), "{text}");
    assert!(text.contains(&digest(&chart("web", "1.2.0"))), "{text}");
    files
        .lock()
        .expect("files")
        .insert(path, good.expect("it was there"));
    assert!(resolve(&source, &repo(&server), "web", "1.2.0").is_ok());
}

/// Finds the file in the cache that has this content.
fn cached(folder: &std::path::Path, digest: &str) -> std::path::PathBuf {
    let hash = &digest["sha256:".len()..];
    folder.join("blobs").join(&hash[..2]).join(hash)
}

#[test]
fn damaged_content_is_fetched_again() {
    for digests in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(digests);
        let server = serve(&files);
        let source = || ChartSource::with_options(folder.path(), options());
        let revision = resolve(&source(), &repo(&server), "web", "1.2.0").expect("resolved");
        let path = cached(folder.path(), &revision.id);
        for damage in [Some(&b"nonsense"[..]), None] {
            match damage {
                Some(bytes) => std::fs::write(&path, bytes).expect("written"),
                None => std::fs::remove_file(&path).expect("removed"),
            }
            assert!(read(&source(), &revision, "Chart.yaml").contains("1.2.0"));
        }
        assert_eq!(server.count("/stable/charts/web-1.2.0.tgz"), 3);
        // A revision without a name, as a rollback keeps it, is found as well.
        std::fs::remove_file(&path).expect("removed");
        let mut nameless = revision.clone();
        nameless.name = "".into();
        assert!(read(&source(), &nameless, "Chart.yaml").contains("1.2.0"));
    }
}

#[test]
fn without_a_network_the_cache_has_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(true);
    let server = serve(&files);
    let online = ChartSource::with_options(folder.path(), options());
    let revision = resolve(&online, &repo(&server), "web", "~1.2").expect("resolved");
    let asked = server.asked().len();
    let mut options = options();
    options.offline = true;
    let offline = ChartSource::with_options(folder.path(), options);
    let again = resolve(&offline, &repo(&server), "web", "~1.2").expect("resolved");
    assert_eq!(again, revision);
    assert!(read(&offline, &again, "Chart.yaml").contains("1.2.0"));
    let error = resolve(&offline, &repo(&server), "web", "1.0.0").expect_err("it was not fetched");
    assert!(
        told(&error).contains("chart web 1.0.0 is not in the cache"),
        "{}",
        told(&error)
    );
    let error = resolve(&offline, "https://charts.example.com", "web", "").expect_err("no index");
    assert!(
        told(&error).contains("the index is not in the cache"),
        "{}",
        told(&error)
    );
    assert_eq!(server.asked().len(), asked, "nothing was asked");
}

fn basic() -> ChartCredentials {
    let mut credentials = ChartCredentials::default();
    credentials.login = Credentials::Basic {
        user: "robot".into(),
        password: "s3cret".into(),
    };
    credentials
}

/// base64 of `robot:s3cret`.
const ROBOT: &str = "Basic cm9ib3Q6czNjcmV0";

#[test]
fn credentials_open_a_repository_and_stay_with_it() {
    // The charts lie on another server than the index.
    let charts = files(true);
    let elsewhere = serve(&charts);
    let index = String::from_utf8(charts.lock().expect("files")["/stable/index.yaml"].clone())
        .expect("text");
    let index = index.replace("charts/", &format!("{}/stable/charts/", elsewhere.url()));
    let server = Server::start(move |asked| match asked.header("authorization") {
        Some(ROBOT) => Answer::new(200, index.clone()),
        _ => Answer::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let url = server.url();
    let anonymous = ChartSource::with_options(folder.path(), options());
    let error = resolve(&anonymous, &url, "web", "1.0.0").expect_err("refused");
    assert!(
        matches!(error, SourceError::AccessDenied { .. }),
        "{error:?}"
    );

    let known = ChartSource::with_options(folder.path(), with_credentials(&url, basic()));
    resolve(&known, &url, "web", "1.0.0").expect("resolved");
    let last = || elsewhere.asked().last().cloned().expect("asked");
    assert_eq!(
        last().header("authorization"),
        None,
        "another host is told nothing"
    );
    let mut passing = basic();
    passing.pass_credentials = true;
    let passing = ChartSource::with_options(folder.path(), with_credentials(&url, passing));
    resolve(&passing, &url, "web", "1.2.0").expect("resolved");
    assert_eq!(last().header("authorization"), Some(ROBOT));

    // Credentials in the address itself; no message shows them.
    let inline = url.replace("http://", "http://robot:s3cret@");
    let error = resolve(&anonymous, &inline, "nothing", "").expect_err("no such chart");
    assert!(
        matches!(error, SourceError::NoSuchChart { .. }),
        "{error:?}"
    );
    assert!(!told(&error).contains("s3cret"), "{}", told(&error));
    let mut token = ChartCredentials::default();
    token.login = Credentials::Token("t0ken".into());
    let token = ChartSource::with_options(folder.path(), with_credentials(&url, token));
    assert!(resolve(&token, &url, "web", "1.0.0").is_err());
    let asked = server.asked();
    assert_eq!(
        asked.last().and_then(|a| a.header("authorization")),
        Some("Bearer t0ken")
    );
}

#[test]
fn a_redirect_is_followed_without_the_login() {
    let files = files(true);
    let target = serve(&files);
    let to = target.url();
    let server = Server::start(move |asked| {
        Answer::new(302, "").with("Location", format!("{to}{}", asked.path))
    });
    let folder = tempfile::tempdir().expect("a folder");
    let source = ChartSource::with_options(folder.path(), with_credentials(&server.url(), basic()));
    let revision = resolve(&source, &repo(&server), "web", "1.0.0").expect("resolved");
    assert!(read(&source, &revision, "Chart.yaml").contains("1.0.0"));
    assert!(
        server
            .asked()
            .iter()
            .all(|a| a.header("authorization") == Some(ROBOT))
    );
    assert!(
        target
            .asked()
            .iter()
            .all(|a| a.header("authorization").is_none())
    );

    let circle = Server::start(|asked| Answer::new(307, "").with("Location", asked.path.clone()));
    let error = resolve(&source, &circle.url(), "web", "").expect_err("a circle");
    assert!(
        told(&error).contains("sends on more than 10 times"),
        "{}",
        told(&error)
    );
    assert_eq!(circle.asked().len(), 11);
    let file = Server::start(|_| Answer::new(301, "").with("Location", "file:///etc/passwd"));
    let error = resolve(&source, &file.url(), "web", "").expect_err("a file");
    assert!(told(&error).contains("not http(s)"), "{}", told(&error));
}

#[test]
fn slow_and_endless_answers_come_to_an_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = options();
    settings.timeout = Duration::from_millis(300);
    let source = ChartSource::with_options(folder.path(), settings);
    let slow = Server::start(|_| Answer::hanging());
    let error = resolve(&source, &slow.url(), "web", "").expect_err("no answer");
    assert!(matches!(error, SourceError::Unreachable { .. }) && error.is_transient());
    assert!(
        told(&error).contains("no answer within 0.3 seconds"),
        "{}",
        told(&error)
    );

    let mut settings = options();
    settings.max_index = 100_000;
    settings.max_chart = 200_000;
    let source = ChartSource::with_options(folder.path(), settings);
    let endless = Server::start(|asked| match asked.path.as_str() {
        "/good/index.yaml" => Answer::new(
            200,
            "apiVersion: v1\nentries: {web: [{name: web, version: 1.0.0, urls: [web.tgz]}]}",
        ),
        "/long/index.yaml" => Answer::new(200, vec![b'#'; 100_001]),
        _ => Answer::endless(),
    });
    for (folder, limit) in [("bad", "100000"), ("long", "100000"), ("good", "200000")] {
        let url = format!("{}/{folder}", endless.url());
        let error = resolve(&source, &url, "web", "").expect_err("too much");
        assert!(matches!(error, SourceError::Invalid { .. }), "{error:?}");
        assert!(
            told(&error).contains(&format!("larger than {limit} bytes")),
            "{}",
            told(&error)
        );
    }
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(true);
    let server = serve(&files);
    let source = ChartSource::with_options(folder.path(), options());
    let error = resolve(&source, &repo(&server), "wbe", "").expect_err("no such chart");
    assert_eq!(
        error.to_string(),
        format!(
            "repository {} has no chart \"wbe\"; the nearest are \"web\"",
            repo(&server)
        )
    );
    let error = resolve(&source, &repo(&server), "web", "1.2.1").expect_err("no such version");
    assert!(
        error
            .to_string()
            .contains("no revision \"1.2.1\"; the nearest are \"1.2.0\""),
        "{error}"
    );
    let error = resolve(&source, &repo(&server), "web", "not a range").expect_err("no range");
    assert!(
        error.to_string().contains("neither a version nor a range"),
        "{error}"
    );

    let error = resolve(&source, &server.url(), "web", "").expect_err("no index");
    assert!(
        told(&error).contains("/index.yaml answers 404 Not Found"),
        "{}",
        told(&error)
    );
    assert!(!error.is_transient());
    let broken = Server::start(|asked| match asked.path.as_str() {
        "/html/index.yaml" => Answer::new(200, "<html>"),
        "/none/index.yaml" => Answer::new(
            200,
            "apiVersion: v1\nentries: {web: [{name: web, version: 1.0.0}]}",
        ),
        "/text/index.yaml" => Answer::new(
            200,
            "apiVersion: v1\nentries: {web: [{name: web, version: 1.0.0, urls: ['/web.tgz']}]}",
        ),
        "/web.tgz" => Answer::new(200, "no archive"),
        _ => Answer::new(503, ""),
    });
    let at = |path: &str| format!("{}/{path}", broken.url());
    let error = resolve(&source, &at("html"), "web", "").expect_err("no index");
    assert!(
        told(&error).contains("the index must be a map"),
        "{}",
        told(&error)
    );
    let error = resolve(&source, &at("none"), "web", "").expect_err("no address");
    assert!(
        told(&error).contains("chart web 1.0.0 has no address"),
        "{}",
        told(&error)
    );
    let error = resolve(&source, &at("busy"), "web", "").expect_err("busy");
    assert!(
        error.is_transient() && told(&error).contains("503"),
        "{}",
        told(&error)
    );
    let revision = resolve(&source, &at("text"), "web", "").expect("the index says no digest");
    let error = block_on(source.tree(&revision)).err().expect("no archive");
    assert!(
        told(&error).contains("chart web 1.0.0: gzip: invalid header"),
        "{}",
        told(&error)
    );

    // A server that is not there, and one that speaks no TLS.
    let error = resolve(&source, "http://127.0.0.1:1", "web", "").expect_err("nobody is there");
    assert!(
        matches!(error, SourceError::Unreachable { .. }),
        "{error:?}"
    );
    let mut insecure = ChartCredentials::default();
    insecure.insecure = true;
    let url = server.url().replace("http:", "https:");
    let source = ChartSource::with_options(folder.path(), with_credentials(&url, insecure));
    let error = resolve(&source, &url, "web", "").expect_err("no TLS");
    assert!(
        matches!(error, SourceError::Unreachable { .. }),
        "{error:?}"
    );
    let mut bad = ChartCredentials::default();
    bad.authorities = Some(b"no certificate".to_vec());
    let source = ChartSource::with_options(folder.path(), with_credentials(&url, bad));
    let error = resolve(&source, &url, "web", "").expect_err("no authorities");
    assert!(
        told(&error).contains("the list of authorities holds no certificate"),
        "{}",
        told(&error)
    );
}

#[test]
fn archives_that_would_fill_the_memory_are_refused() {
    let zeros = vec![0; 6 << 20];
    let bomb = pack(&[("web/Chart.yaml", b"name: web"), ("web/zeros", &zeros)]);
    assert!(bomb.len() < 100_000);
    let index = "apiVersion: v1\nentries: {web: [{name: web, version: 1.0.0, urls: [web.tgz]}]}";
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/index.yaml" => Answer::new(200, index),
        _ => Answer::new(200, bomb.clone()),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let source = ChartSource::with_options(folder.path(), options());
    let revision = resolve(&source, &server.url(), "web", "").expect("resolved");
    let error = block_on(source.tree(&revision)).err().expect("too much");
    assert!(
        told(&error).contains("larger than the maximum file size"),
        "{}",
        told(&error)
    );
}

#[test]
fn single_files_are_fetched() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/values.yaml" => Answer::new(200, "a: 1\n"),
        _ => Answer::new(404, ""),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let source = ChartSource::with_options(folder.path(), options());
    let bytes = block_on(source.fetch(&format!("{}/values.yaml", server.url()))).expect("fetched");
    assert_eq!(&*bytes, b"a: 1\n");
    assert!(block_on(source.fetch(&format!("{}/other", server.url()))).is_err());
    for url in ["file:///etc/passwd", "nonsense", "ftp://example.com/x"] {
        let error = block_on(source.fetch(url)).expect_err(url);
        assert!(matches!(error, SourceError::BadAddress { .. }), "{error:?}");
    }
}
