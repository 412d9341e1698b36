//! The program as a process, a Git repository in a folder, and the requests that tests make of them.
#![allow(dead_code, reason = "the benchmark and the tests use different parts")]
#![allow(
    clippy::disallowed_methods,
    reason = "programs are started, and time is measured here"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// A repository with a folder for each application, with one ConfigMap in it.
pub(crate) struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    pub(crate) fn new(applications: usize) -> Self {
        let repository = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        repository.git(&["init", "-q", "-b", "main"]);
        for number in 0..applications {
            repository.write(number, "one");
        }
        repository.commit();
        repository
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.folder.path().display())
    }

    /// Sets the value of an application's ConfigMap.
    pub(crate) fn write(&self, number: usize, value: &str) {
        let folder = self.folder.path().join(format!("app-{number}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config-{number}\ndata:\n  key: {value}\n"
        );
        std::fs::write(folder.join("config.yaml"), text).expect("a file");
    }

    /// Writes a file of an application's folder.
    pub(crate) fn write_file(&self, number: usize, name: &str, text: &str) {
        let folder = self.folder.path().join(format!("app-{number}"));
        std::fs::write(folder.join(name), text).expect("a file");
    }

    pub(crate) fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&[
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "commit",
            "-q",
            "-m",
            "change",
        ]);
    }

    fn git(&self, arguments: &[&str]) {
        let done = Command::new("git")
            .args(arguments)
            .current_dir(self.folder.path())
            .status();
        assert!(done.expect("git").success(), "git {arguments:?}");
    }

    /// Returns a webhook that tells of a change of an application's folder, as GitHub sends it.
    pub(crate) fn push(&self, number: usize) -> Value {
        json!({
            "ref": "refs/heads/main",
            "repository": {"clone_url": self.url(), "default_branch": "main"},
            "commits": [{"added": [], "modified": [format!("app-{number}/config.yaml")], "removed": []}],
        })
    }
}

/// Returns the Application of a number.
pub(crate) fn application(number: usize, repository: &Repository, namespace: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": format!("app-{number}"), "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": repository.url(), "path": format!("app-{number}"), "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
        },
    })
}

/// A controller that runs; it ends with this value.
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts it and waits until it says where it listens: a port that is found beforehand may be taken by somebody else.
    pub(crate) fn start(
        program: &Path,
        kubeconfig: &Path,
        data: &Path,
        arguments: &[&str],
    ) -> Self {
        let mut child = Command::new(program)
            .args(["run", "--log-json", "--listen", "127.0.0.1:0"])
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--data")
            .arg(data)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the controller starts");
        let stderr = child.stderr.take().expect("it is piped");
        let mut copy = std::env::var_os("CONTROLLER_LOG").map(|path| {
            let file = std::fs::File::options()
                .create(true)
                .append(true)
                .open(path);
            file.expect("a log")
        });
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let (tell, told) = std::sync::mpsc::channel();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(copy) = &mut copy {
                    let _ = writeln!(copy, "{line}");
                }
                if let Some(port) = port_of(&line) {
                    let _ = tell.send(port);
                }
                let mut kept = kept.lock().expect("nobody panics with it");
                kept.push(line);
                // A log that is never asked for must not grow without end.
                if kept.len() > 2000 {
                    kept.drain(..1000);
                }
            }
        });
        let Ok(port) = told.recv() else {
            panic!("it ended before it served anything: {:#?}", log.lock());
        };
        Self { child, port, log }
    }

    /// Returns what it has written to its log, the last lines of it.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("nobody panics with it").join("\n")
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Tells it to end and waits until it has. Returns whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status();
        assert!(told.expect("kill").success());
        self.child.wait().expect("it ends").success()
    }

    /// Sends a request; returns the code and the body.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .ok()?;
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.push_str(body);
        stream.write_all(text.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let code = answer.split(' ').nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Some((code, body.to_owned()))
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.request("GET", "/readyz", &[], ""), Some((200, _)))
    }

    /// Sends a webhook as GitHub does.
    pub(crate) fn webhook(&self, payload: &Value) -> Option<(u16, String)> {
        let headers = ["X-GitHub-Event: push", "Content-Type: application/json"];
        self.request("POST", "/api/webhook", &headers, &payload.to_string())
    }

    /// Returns the seconds of processor time that it has used, and the most memory in megabytes.
    pub(crate) fn usage(&self) -> (f64, f64) {
        usage(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the port that a line of the log tells of.
fn port_of(line: &str) -> Option<u16> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address: SocketAddr = line["fields"]["address"].as_str()?.parse().ok()?;
    Some(address.port())
}

/// Returns the seconds of processor time that a process has used, and the most memory in megabytes.
pub(crate) fn usage(id: u32) -> (f64, f64) {
    let folder = PathBuf::from(format!("/proc/{id}"));
    let stat = std::fs::read_to_string(folder.join("stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|t| t.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().split(' ').next()?.parse::<f64>().ok());
    // A hundred ticks a second, on every Linux there is.
    (
        (ticks(11) + ticks(12)) / 100.0,
        peak.unwrap_or(0.0) / 1024.0,
    )
}
