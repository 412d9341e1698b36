//! `gitops template` beside what `helm template` of Helm 3.22.0 printed for the same charts and arguments.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

struct Ended {
    code: i32,
    out: String,
    err: String,
}

fn template_with(folder: &Path, arguments: &[&str], input: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gitops"))
        .arg("template")
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("XDG_CACHE_HOME", folder.join(".cache"))
        .env_remove("HELM_NAMESPACE")
        .env_remove("HTTPS_PROXY")
        .env_remove("HTTP_PROXY")
        .env_remove("https_proxy")
        .env_remove("http_proxy")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut stdin = child.stdin.take().expect("an input");
    // A command that does not read ends all the same.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("the command ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

fn template(folder: &Path, arguments: &[&str]) -> Ended {
    template_with(folder, arguments, "")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in [
        ("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
        ("c/values.yaml", "v: 1\n"),
        (
            "c/templates/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n  namespace: {{ .Release.Namespace }}\ndata:\n  v: {{ .Values.v | quote }}\n",
        ),
        (
            "c/templates/h.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: h\n  annotations:\n    helm.sh/hook: pre-install\n",
        ),
        (
            "c/templates/t.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: t\n  annotations:\n    helm.sh/hook: test\n",
        ),
        (
            "c/crds/x.yaml",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: x.y\n",
        ),
        ("vf", "x,y"),
        ("notgz.yaml", "name: c\n"),
        ("notgz.tgz", "hello"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

const CRD: &str = "---
# Source: c/crds/x.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: x.y

";
const TEST: &str = "---
# Source: c/templates/t.yaml
apiVersion: v1
kind: Pod
metadata:
  name: t
  annotations:
    helm.sh/hook: test
";
const HOOK: &str = "---
# Source: c/templates/h.yaml
apiVersion: batch/v1
kind: Job
metadata:
  name: h
  annotations:
    helm.sh/hook: pre-install
";

fn config(name: &str, namespace: &str, value: &str) -> String {
    format!(
        "---\n# Source: c/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\ndata:\n  v: \"{value}\"\n"
    )
}

#[test]
fn it_prints_what_helm_prints() {
    let folder = folder();
    let plain = config("release-name", "default", "1");
    let cases: &[(&[&str], String)] = &[
        (&["c"], format!("{plain}{TEST}{HOOK}")),
        (&["c", "-g"], format!("{plain}{TEST}{HOOK}")),
        (
            &[
                "shop",
                "c",
                "--include-crds",
                "--skip-tests",
                "--set-string",
                "v=12",
                "--set-json",
                "w=[1]",
            ],
            format!("{CRD}{}{HOOK}", config("shop", "default", "12")),
        ),
        (
            &["shop", "c", "-s", "templates/h.yaml", "-s", "templates/a*"],
            format!("{HOOK}{}", config("shop", "default", "1")),
        ),
        (
            &[
                "--name-template",
                "{{ upper \"x\" | lower }}-1",
                "c",
                "--no-hooks",
                "-nns",
            ],
            config("x-1", "ns", "1"),
        ),
        (
            &["c", "--no-hooks", "--set-literal", "v=a,b"],
            config("release-name", "default", "a,b"),
        ),
        (
            &["c", "--no-hooks", "--set-file", "v=vf"],
            config("release-name", "default", "x,y"),
        ),
        (
            &[
                "c",
                "--skip-tests",
                "--no-hooks",
                "--set",
                "v=x,y=1",
                "-n",
                "ns",
            ],
            config("release-name", "ns", "x"),
        ),
        (
            &[
                "c",
                "--kube-version",
                "1.20",
                "--api-versions",
                "a/v1,b/v1",
                "--no-hooks",
                "-f",
                "/dev/null",
            ],
            plain.clone(),
        ),
        (
            &[
                "c",
                "--version",
                "9",
                "--no-hooks",
                "-s",
                "templates/a.yaml",
            ],
            plain.clone(),
        ),
        (
            &["c", "--post-renderer", "cat"],
            format!("{plain}{TEST}{HOOK}"),
        ),
        (
            &[
                "./c",
                "--no-hooks",
                "--wait",
                "--timeout=1m",
                "--description",
                "x",
                "--create-namespace",
            ],
            plain,
        ),
    ];
    for (arguments, want) in cases {
        let ended = template(folder.path(), arguments);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (0, want.as_str()),
            "{arguments:?}: {}",
            ended.err
        );
    }
    let ended = template_with(folder.path(), &["c", "--no-hooks", "-f", "-"], "v: 3\n");
    assert_eq!(ended.out, config("release-name", "default", "3"));
}

#[test]
fn it_fails_as_helm_fails() {
    let folder = folder();
    let shown = folder
        .path()
        .canonicalize()
        .expect("a folder")
        .display()
        .to_string();
    let cases: &[(&[&str], String)] = &[
        (&[], "\"helm template\" requires at least 1 argument\n\nUsage:  helm template [NAME] [CHART] [flags]".into()),
        (&["a", "b", "c"], "expected at most two arguments, unexpected arguments: c".into()),
        (&["c", "--nope"], "unknown flag: --nope".into()),
        (&["c", "-zz"], "unknown shorthand flag: 'z' in -zz".into()),
        (&["c", "--version"], "flag needs an argument: --version".into()),
        (
            &["c", "--no-hooks=maybe"],
            "invalid argument \"maybe\" for \"--no-hooks\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax".into(),
        ),
        (
            &["c", "--timeout", "x"],
            "invalid argument \"x\" for \"--timeout\" flag: time: invalid duration \"x\"".into(),
        ),
        (
            &["c", "--timeout", "5"],
            "invalid argument \"5\" for \"--timeout\" flag: time: missing unit in duration \"5\"".into(),
        ),
        (
            &["c", "--timeout=1m2x"],
            "invalid argument \"1m2x\" for \"--timeout\" flag: time: unknown unit \"x\" in duration \"1m2x\"".into(),
        ),
        (
            &["c", "--burst-limit", "x"],
            "invalid argument \"x\" for \"--burst-limit\" flag: strconv.ParseInt: parsing \"x\": invalid syntax".into(),
        ),
        (
            &["c", "--qps", "x"],
            "invalid argument \"x\" for \"--qps\" flag: strconv.ParseFloat: parsing \"x\": invalid syntax".into(),
        ),
        (
            &["c", "-l", "a"],
            "invalid argument \"a\" for \"-l, --labels\" flag: a must be formatted as key=value".into(),
        ),
        (
            &["c", "--post-renderer", "./notgz.yaml"],
            "invalid argument \"./notgz.yaml\" for \"--post-renderer\" flag: unable to find binary at ./notgz.yaml: exec: \"./notgz.yaml\": permission denied".into(),
        ),
        (&["c", "-f", "nofile.yaml"], "open nofile.yaml: no such file or directory".into()),
        (&["c", "--values", "c"], "read c: is a directory".into()),
        (&["n", "c", "--generate-name"], "cannot set --generate-name and also specify a name".into()),
        (&["./nochart"], "path \"./nochart\" not found".into()),
        (
            &["nochart"],
            "non-absolute URLs should be in form of repo_name/path_to_chart, got: nochart".into(),
        ),
        (&["repo/x"], "repo repo not found".into()),
        (&["c", "--set", "a"], "failed parsing --set data: key \"a\" has no value".into()),
        (&["c", "-s", "templates/nope.yaml"], "could not find template templates/nope.yaml in chart".into()),
        (&["c", "--kube-version", "abc"], "invalid kube version 'abc': could not parse \"abc\" as version".into()),
        (
            &["c", "--name-template", "{{ fail \"x\" }}"],
            "template: name-template:1:3: executing \"name-template\" at <fail \"x\">: error calling fail: x".into(),
        ),
        (
            &["c", "--post-renderer", "nonexist"],
            "invalid argument \"nonexist\" for \"--post-renderer\" flag: unable to find binary at nonexist: exec: \"nonexist\": executable file not found in $PATH".into(),
        ),
        (
            &["c", "--dry-run=bogus"],
            "Invalid dry-run flag. Flag must one of the following: false, true, none, client, server".into(),
        ),
        (
            &["notgz.yaml"],
            format!("file '{shown}/notgz.yaml' seems to be a YAML file, but expected a gzipped archive"),
        ),
        (
            &["notgz.tgz"],
            format!("file '{shown}/notgz.tgz' does not appear to be a gzipped archive; got 'application/octet-stream'"),
        ),
        (
            &["Shop_X", "c"],
            "release name \"Shop_X\": invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53".into(),
        ),
    ];
    for (arguments, want) in cases {
        let ended = template(folder.path(), arguments);
        assert_eq!(
            (ended.code, ended.out.as_str(), ended.err.as_str()),
            (1, "", format!("Error: {want}\n").as_str()),
            "{arguments:?}"
        );
    }
    let hint = "\n\nUse --debug flag to render out invalid YAML\n";
    fs::write(
        folder.path().join("c/templates/bad.yaml"),
        "{{ fail \"no\" }}",
    )
    .expect("written");
    let ended = template(folder.path(), &["c"]);
    let want = format!("Error: execution error at (c/templates/bad.yaml:1:3): no{hint}");
    assert_eq!((ended.code, ended.out.as_str(), ended.err), (1, "", want));
    let ended = template(folder.path(), &["c", "--debug"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, "\n"));
    fs::write(folder.path().join("c/templates/bad.yaml"), "{").expect("written");
    let ended = template(folder.path(), &["c"]);
    let want = format!(
        "Error: YAML parse error on c/templates/bad.yaml: error converting YAML to JSON: yaml: line 1: did not find expected node content{hint}"
    );
    assert_eq!(ended.err, want);
}

#[test]
fn what_needs_a_cluster_is_refused_with_a_reason() {
    let folder = folder();
    for flag in ["--validate", "--dry-run=server", "--verify", "--enable-dns"] {
        let ended = template(folder.path(), &["c", flag]);
        assert_eq!((ended.code, ended.out.as_str()), (1, ""));
        assert!(ended.err.contains("is not supported: "), "{}", ended.err);
    }
    let ended = template(folder.path(), &["--help"]);
    assert!(
        ended.code == 0 && ended.out.contains("gitops template [NAME] CHART"),
        "{}",
        ended.out
    );
}

#[test]
fn files_are_written_where_helm_writes_them() {
    let folder = folder();
    let path = folder.path();
    let ended = template(path, &["c", "--output-dir", "out", "--include-crds"]);
    let want = "wrote out/c/crds/x.yaml\nwrote out/c/templates/a.yaml\nwrote out/c/templates/t.yaml\nwrote out/c/templates/h.yaml\n\n";
    assert_eq!((ended.code, ended.out.as_str()), (0, want), "{}", ended.err);
    let read = |file: &str| fs::read_to_string(path.join(file)).expect("written");
    assert_eq!(read("out/c/crds/x.yaml"), CRD);
    assert_eq!(
        read("out/c/templates/a.yaml"),
        config("release-name", "default", "1")
    );
    assert_eq!(read("out/c/templates/h.yaml"), HOOK);
    // Helm adds to the files of hooks that are there.
    template(path, &["c", "--output-dir", "out"]);
    assert_eq!(read("out/c/templates/h.yaml"), format!("{HOOK}{HOOK}"));
    assert_eq!(
        read("out/c/templates/a.yaml"),
        config("release-name", "default", "1")
    );
    let ended = template(path, &["c", "--output-dir", "out2", "--release-name"]);
    let want = "wrote out2/release-name/c/templates/a.yaml\nwrote out2/release-name/c/templates/t.yaml\nwrote out2/release-name/c/templates/h.yaml\n\n";
    assert_eq!(ended.out, want);
}

/// Serves some files over HTTP until it is dropped.
struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start(files: Vec<(String, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let stop = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                if ending.load(Ordering::SeqCst) {
                    break;
                }
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let path = head.split_whitespace().nth(1).unwrap_or_default();
                let found = files.iter().find(|(name, _)| name == path);
                let (status, body) = found.map_or((404, &b""[..]), |(_, bytes)| (200, bytes));
                let head = format!(
                    "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.write_all(body));
            }
        });
        Self {
            port,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn charts_come_from_repositories_and_addresses() {
    let folder = folder();
    let path = folder.path();
    let packed = Command::new("tar")
        .args(["-czf", "c.tgz", "c"])
        .current_dir(path)
        .status();
    if !packed.is_ok_and(|status| status.success()) {
        #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: tar is not installed");
        }
        return;
    }
    let archive = fs::read(path.join("c.tgz")).expect("packed");
    let index =
        "apiVersion: v1\nentries:\n  c:\n  - {name: c, version: 0.1.0, urls: [c-0.1.0.tgz]}\n";
    let server = Server::start(vec![
        ("/index.yaml".into(), index.into()),
        ("/c-0.1.0.tgz".into(), archive),
        ("/values.yaml".into(), b"v: 7\n".to_vec()),
    ]);
    let url = format!("http://127.0.0.1:{}", server.port);
    let want = config("shop", "default", "1");
    let archive_url = format!("{url}/c-0.1.0.tgz");
    for arguments in [
        &["shop", "./c.tgz", "--no-hooks"][..],
        &["shop", "c", "--no-hooks", "--repo", &url],
        &["shop", &archive_url, "--no-hooks"],
    ] {
        let ended = template(path, arguments);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (0, want.as_str()),
            "{arguments:?}: {}",
            ended.err
        );
    }
    // The folder in place has priority in Helm; without it the repository is asked.
    fs::rename(path.join("c"), path.join("d")).expect("moved");
    let ended = template(
        path,
        &[
            "shop",
            "c",
            "--no-hooks",
            "--repo",
            &url,
            "--version",
            "^0.1",
        ],
    );
    assert_eq!(ended.out, want, "{}", ended.err);
    let values = format!("{url}/values.yaml");
    let ended = template(path, &["shop", "d", "--no-hooks", "-f", &values]);
    assert_eq!(ended.out, config("shop", "default", "7"), "{}", ended.err);
    let config_file = format!("repositories:\n- name: near\n  url: {url}\n");
    fs::write(path.join("repositories.yaml"), config_file).expect("written");
    let ended = template(
        path,
        &[
            "shop",
            "near/c",
            "--no-hooks",
            "--repository-config",
            "repositories.yaml",
        ],
    );
    assert_eq!(ended.out, want, "{}", ended.err);
    for (arguments, message) in [
        (
            &["x", "--repo", &url][..],
            format!("Error: chart \"x\" not found in {url} repository\n"),
        ),
        (
            &["c", "--repo", &url, "--version", "9.9.9"],
            format!("Error: chart \"c\" version \"9.9.9\" not found in {url} repository\n"),
        ),
    ] {
        let ended = template(path, arguments);
        assert_eq!((ended.code, ended.err), (1, message));
    }
    for (arguments, message) in [
        (
            &["c", "--repo", &format!("{url}/none")][..],
            format!(
                "Error: looks like \"{url}/none\" is not a valid chart repository or cannot be reached: \
                 failed to fetch {url}/none/index.yaml : 404 Not Found\n"
            ),
        ),
        (
            &[&format!("{url}/none.tgz")],
            format!("Error: failed to fetch {url}/none.tgz : 404 Not Found\n"),
        ),
    ] {
        let ended = template(path, arguments);
        assert_eq!((ended.code, ended.err), (1, message));
    }
    let ended = template(path, &["shop", "d", "--no-hooks", "--repo", &url]);
    assert_eq!(
        (ended.out.as_str(), ended.err),
        (
            want.as_str(),
            format!(
                "WARN local chart found in current working directory. repository url ignored chart=d repository={url}\n"
            )
        )
    );
    let ended = template(path, &["x", "--repo", "http://127.0.0.1:1"]);
    let begin = "Error: looks like \"http://127.0.0.1:1\" is not a valid chart repository or cannot be reached: ";
    assert!(
        ended.code == 1 && ended.err.starts_with(begin),
        "{}",
        ended.err
    );

    // Dependencies are fetched where that is asked for.
    let metadata = format!(
        "apiVersion: v2\nname: d\nversion: 0.1.0\ndependencies:\n- {{name: c, version: 0.x, repository: '{url}'}}\n"
    );
    fs::write(path.join("d/Chart.yaml"), metadata).expect("written");
    let ended = template(path, &["shop", "d", "--no-hooks"]);
    let want = "Error: An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: c\n";
    assert_eq!((ended.code, ended.err.as_str()), (1, want));
    let ended = template(path, &["shop", "d", "--no-hooks", "--dependency-update"]);
    assert!(
        ended.code == 0 && ended.out.contains("# Source: d/charts/c/templates/a.yaml"),
        "{}",
        ended.err
    );
}
