//! Repositories behind servers on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use gitops_core::{Source, SourceError, SourceRef};
use gitops_manifest::FileTree;
use gitops_source::{Credentials, GitOptions, GitSource, KnownHosts};

use crate::repository::TestRepository;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// `git http-backend` behind a server that is small enough to be in a test.
struct HttpServer {
    port: u16,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Serves the repositories of a folder; with `authorization` only to those who send that header.
    fn start(root: &Path, authorization: Option<&str>) -> Option<Self> {
        let backend = Command::new("git").arg("--exec-path").output().ok()?;
        let backend =
            PathBuf::from(String::from_utf8_lossy(&backend.stdout).trim()).join("git-http-backend");
        if !backend.exists() {
            println!("skipped: git http-backend is not installed");
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (stop, asked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (ending, count) = (Arc::clone(&stop), Arc::clone(&asked));
        let (root, authorization) = (root.to_owned(), authorization.map(str::to_owned));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ending.load(Ordering::SeqCst) {
                    break;
                }
                let (backend, root, authorization) =
                    (backend.clone(), root.clone(), authorization.clone());
                let count = Arc::clone(&count);
                std::thread::spawn(move || {
                    // A client that goes away is no failure of the test.
                    let _ = answer(stream, &backend, &root, authorization.as_deref(), &count);
                });
            }
        });
        Some(Self {
            port,
            stop,
            asked,
            thread: Some(thread),
        })
    }

    fn url(&self, repository: &str) -> String {
        format!("http://127.0.0.1:{}/{repository}", self.port)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(
    mut stream: TcpStream,
    backend: &Path,
    root: &Path,
    authorization: Option<&str>,
    asked: &AtomicUsize,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 65_536 {
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if authorization.is_some() && header("authorization").as_deref() != authorization {
        return stream.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"test\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    if query.contains("git-upload-pack") {
        asked.fetch_add(1, Ordering::SeqCst);
    }
    let mut body = Vec::new();
    if let Some(length) = header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        body.resize(length.min(1 << 24), 0);
        stream.read_exact(&mut body)?;
    } else if header("transfer-encoding").is_some_and(|encoding| encoding == "chunked") {
        body = chunks(&mut stream)?;
    }
    let mut child = Command::new(backend)
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .env(
            "HTTP_CONTENT_ENCODING",
            header("content-encoding").unwrap_or_default(),
        )
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&body)?;
    }
    let output = child.wait_with_output()?.stdout;
    let end = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(output.len());
    let headers = String::from_utf8_lossy(&output[..end]).into_owned();
    let content = output.get(end + 4..).unwrap_or_default();
    let status = headers
        .lines()
        .find_map(|line| line.strip_prefix("Status: "))
        .unwrap_or("200 OK")
        .to_owned();
    let headers: Vec<&str> = headers
        .lines()
        .filter(|line| !line.starts_with("Status: "))
        .collect();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        headers.join("\r\n"),
        content.len()
    )?;
    stream.write_all(content)
}

fn chunks(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).unwrap_or(0);
        let at = body.len();
        body.resize(at + size.min(1 << 24), 0);
        stream.read_exact(&mut body[at..])?;
        stream.read_exact(&mut [0; 2])?;
        if size == 0 {
            return Ok(body);
        }
    }
}

#[test]
fn over_http_a_repository_is_fetched_once_however_many_ask() {
    let folder = tempfile::tempdir().expect("a folder");
    let repository = TestRepository::init(&folder.path().join("shop"));
    let first = repository.commit("main", &[("a.yaml", Some("one"))], "first");
    let Some(server) = HttpServer::start(folder.path(), None) else {
        return;
    };
    let url = server.url("shop/.git");
    let source = GitSource::new(folder.path().join("mirrors"));
    runtime().block_on(async {
        let wanted = SourceRef::git(url.as_str(), "main");
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (source, wanted) = (source.clone(), wanted.clone());
                tokio::spawn(async move { source.resolve(&wanted).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.expect("no panic").expect("main").id, *first);
        }
        assert_eq!(server.asked.load(Ordering::SeqCst), 1);
        let revision = source.resolve(&wanted).await.expect("main");
        let tree = source.tree(&revision).await.expect("a tree");
        assert_eq!(&*tree.read("a.yaml").expect("a file"), b"one");

        // After a push: asked again, and only then.
        let second = repository.commit("main", &[("a.yaml", Some("two"))], "second");
        assert_eq!(source.resolve(&wanted).await.expect("main").id, *first);
        source.invalidate(&url).expect("an address");
        assert_eq!(source.resolve(&wanted).await.expect("main").id, *second);
    });
}

#[test]
fn over_http_credentials_open_what_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let repository = TestRepository::init(&folder.path().join("shop"));
    let first = repository.commit("main", &[("a.yaml", Some("one"))], "first");
    // ada:secret
    let Some(server) = HttpServer::start(folder.path(), Some("Basic YWRhOnNlY3JldA==")) else {
        return;
    };
    let url = server.url("shop/.git");
    runtime().block_on(async {
        let wanted = SourceRef::git(url.as_str(), "main");
        let source = GitSource::new(folder.path().join("without"));
        let refused = source.resolve(&wanted).await;
        assert!(
            matches!(refused, Err(SourceError::AccessDenied { .. })),
            "{refused:?}"
        );

        let mut options = GitOptions::default();
        let credentials = Credentials::Basic {
            user: "ada".into(),
            password: "secret".into(),
        };
        options.keyring.add(&url[..url.len() - 9], credentials);
        let source = GitSource::with_options(folder.path().join("with"), options);
        assert_eq!(source.resolve(&wanted).await.expect("main").id, *first);

        // Credentials in the address work, and are not shown.
        let inside = url.replace("http://", "http://ada:wrong@");
        let refused = source
            .resolve(&SourceRef::git(inside.as_str(), "none"))
            .await;
        let shown = format!("{}", refused.expect_err("there is no such branch"));
        assert!(!shown.contains("wrong"), "{shown}");
    });
}

#[test]
fn a_server_that_does_not_answer_is_given_up_on() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = GitOptions::default();
    options.timeout = Duration::from_millis(300);
    let source = GitSource::with_options(folder.path().join("mirrors"), options);
    let runtime = runtime();
    runtime.block_on(async {
        let wanted = SourceRef::git(format!("http://127.0.0.1:{port}/x"), "main");
        match source.resolve(&wanted).await {
            Err(error @ SourceError::Unreachable { .. }) => assert!(error.is_transient()),
            other => panic!("{other:?}"),
        }
    });
    // The thread that waits for the server ends with its connection.
    drop(listener);
    runtime.shutdown_background();
}

/// An ssh server of our own, with keys of our own.
struct SshServer {
    child: std::process::Child,
    port: u16,
}

impl Drop for SshServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ssh_server(folder: &Path) -> Option<SshServer> {
    let sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let Some(sshd) = sshd else {
        println!("skipped: sshd is not installed");
        return None;
    };
    for key in ["host", "user"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(folder.join(key))
            .status();
        if !made.is_ok_and(|status| status.success()) {
            println!("skipped: ssh-keygen is not installed");
            return None;
        }
    }
    std::fs::copy(folder.join("user.pub"), folder.join("authorized")).ok()?;
    let port = TcpListener::bind("127.0.0.1:0")
        .ok()?
        .local_addr()
        .ok()?
        .port();
    let shown = folder.display();
    std::fs::write(
        folder.join("sshd_config"),
        format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/host\nAuthorizedKeysFile {shown}/authorized\n\
             StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
        ),
    )
    .ok()?;
    let _ = std::fs::create_dir_all("/run/sshd");
    let child = Command::new(sshd)
        .args(["-D", "-e", "-f"])
        .arg(folder.join("sshd_config"))
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let server = SshServer { child, port };
    for _ in 0..100 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(server);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("skipped: sshd does not come up");
    None
}

#[test]
fn over_ssh_with_a_key_and_a_known_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(server) = ssh_server(folder.path()) else {
        return;
    };
    let repository = TestRepository::init(&folder.path().join("shop"));
    let first = repository.commit("main", &[("a.yaml", Some("one"))], "first");
    let host =
        std::fs::read_to_string(folder.path().join("host.pub")).expect("the key of the host");
    let known = folder.path().join("known_hosts");
    std::fs::write(&known, format!("[127.0.0.1]:{} {host}", server.port)).expect("written");
    let user = Command::new("id")
        .arg("-un")
        .output()
        .expect("a user")
        .stdout;
    let url = format!(
        "ssh://{}@127.0.0.1:{}{}",
        String::from_utf8_lossy(&user).trim(),
        server.port,
        repository.url()
    );
    let mut options = GitOptions::default();
    options.git_program = Some("git".into());
    options.known_hosts = KnownHosts::File(known);
    let key = Credentials::SshKey {
        path: folder.path().join("user"),
        passphrase: None,
    };
    options.keyring.add("ssh://", key);
    let source = GitSource::with_options(folder.path().join("mirrors"), options);
    runtime().block_on(async {
        let wanted = SourceRef::git(url.as_str(), "HEAD");
        assert_eq!(source.resolve(&wanted).await.expect("over ssh").id, *first);
        // A host that is not known is refused.
        let mut options = GitOptions::default();
        options.git_program = Some("git".into());
        options.known_hosts = KnownHosts::File(folder.path().join("nobody"));
        let strict = GitSource::with_options(folder.path().join("strict"), options);
        let refused = strict.resolve(&wanted).await;
        assert!(
            matches!(refused, Err(SourceError::AccessDenied { .. })),
            "{refused:?}"
        );
    });
}
