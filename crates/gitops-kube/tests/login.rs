//! How one logs in: what a pod is given, and commands that print credentials, on a server of this process.
#![allow(
    clippy::disallowed_methods,
    reason = "tokens run out by the clock of the machine"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gitops_core::Target as _;
use gitops_kube::{
    ClusterSecret, Commands, KubeError, KubeOptions, KubeTarget, PodAccess, in_cluster,
};
use gitops_manifest::Object;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A certificate authority, as it lies in a pod.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBdjCCARugAwIBAgIUJ8c5oJDi+9jEazs2lWg38GVkCSgwCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjkxNjE0MjNaGA8yMTI2MTEwNTE2MTQy\n\
M1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAjo\n\
fUltakvot+rFCfA4zQKR2IYl9hU5h+Yci6yYsUx7Kyyq7P2eMmzh7l/c0nr48sSQ\n\
wzRgN28MuEl2JHN60vyjUzBRMB0GA1UdDgQWBBSJilPNFPo50z6CqIUolVF9Tq4Q\n\
WjAfBgNVHSMEGDAWgBSJilPNFPo50z6CqIUolVF9Tq4QWjAPBgNVHRMBAf8EBTAD\n\
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQC7VT4XrvbDd6sca2iS/mOgdB8nn9YebAHY\n\
Y7dq34ZXZQIhAJ1e3/Wn/TFdk0jqPxzUaTcAj2iLY2LDCzl3hc3tVfHO\n\
-----END CERTIFICATE-----\n";

/// A server that says its version to everybody, and remembers who asked.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                let mut buffer = [0; 1024];
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => break,
                        Ok(read) => head.extend_from_slice(&buffer[..read]),
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let sent = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    (name.eq_ignore_ascii_case("authorization")).then(|| value.to_owned())
                });
                log.lock().unwrap().push(sent.unwrap_or_default());
                let body = r#"{"gitVersion": "v1.36.3"}"#;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, seen }
    }

    /// Returns what the requests since the last call logged in with.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// Returns the Secret of the cluster with a `config`.
    fn secret(&self, config: &Value) -> ClusterSecret {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "eu", "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
            "stringData": {"server": self.address, "name": "eu", "config": config.to_string()},
        });
        ClusterSecret::parse(&Object::try_from(secret).unwrap()).unwrap()
    }
}

/// Connects in a thread of its own, as a command may be waited for.
async fn connect(config: kube::Config) -> Result<KubeTarget, KubeError> {
    let mut options = KubeOptions::default();
    // Each question goes to the server.
    options.discovery_age = Duration::ZERO;
    let connecting = tokio::task::spawn_blocking(move || KubeTarget::connect(config, options));
    connecting.await.unwrap()
}

fn pod(server: &Server, folder: &Path) -> PodAccess {
    let mut access = PodAccess::default().with_folder(folder);
    access.server.clone_from(&server.address);
    access
}

#[test]
fn the_server_is_where_the_environment_of_pods_says() {
    assert_eq!(
        PodAccess::default().server,
        "https://kubernetes.default.svc"
    );
    assert_eq!(
        PodAccess::at("10.96.0.1", "443").server,
        "https://10.96.0.1:443"
    );
    assert_eq!(
        PodAccess::at("fd00::1", "6443").server,
        "https://[fd00::1]:6443"
    );
    assert_eq!(
        PodAccess::at("api.example.com", "443").server,
        "https://api.example.com:443"
    );
}

#[tokio::test]
async fn a_pod_has_its_credentials_in_a_folder() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let access = pod(&server, folder.path());
    // What is missing is named.
    for (name, text) in [("token", "s3cret"), ("ca.crt", AUTHORITY)] {
        let error = in_cluster(&access).await.unwrap_err();
        assert!(
            matches!(&error, KubeError::InCluster { path, .. } if path.ends_with(name)),
            "{error:?}"
        );
        assert!(error.to_string().contains(name), "{error}");
        write(name, text);
    }
    let config = in_cluster(&access).await.unwrap();
    assert_eq!(config.default_namespace, "default", "as where nobody says");
    write("namespace", "argocd");
    let config = in_cluster(&access).await.unwrap();
    assert_eq!(config.default_namespace, "argocd");
    assert_eq!(config.root_cert_file, Some(folder.path().join("ca.crt")));
    assert_eq!(config.root_cert.as_ref().map(Vec::len), Some(1));
    let target = connect(config).await.unwrap();
    assert_eq!(target.version().await.unwrap(), "v1.36.3");
    assert_eq!(server.take(), ["Bearer s3cret"]);
    // A Secret of the cluster in which the program runs means the same.
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "here", "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
        "stringData": {"server": "https://kubernetes.default.svc", "config": "{}"},
    });
    let secret = ClusterSecret::parse(&Object::try_from(secret).unwrap()).unwrap();
    let config = secret.config_in(&access, Commands::Refuse).await.unwrap();
    let target = connect(config).await.unwrap();
    target.version().await.unwrap();
    assert_eq!(server.take(), ["Bearer s3cret"]);
    write("ca.crt", "no certificate");
    let error = in_cluster(&access).await.unwrap_err();
    assert!(matches!(error, KubeError::InCluster { .. }), "{error:?}");
}

#[tokio::test]
async fn a_token_that_is_renewed_is_read_again_within_a_minute() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("token", "first");
    write("ca.crt", AUTHORITY);
    let config = in_cluster(&pod(&server, folder.path())).await.unwrap();
    let target = connect(config).await.unwrap();
    target.version().await.unwrap();
    assert_eq!(server.take(), ["Bearer first"]);
    write("token", "second");
    // As client-go does it: at the latest a minute after it was read.
    let begin = SystemTime::now();
    loop {
        target.version().await.unwrap();
        if server.take() == ["Bearer second"] {
            break;
        }
        assert!(
            begin.elapsed().unwrap() < Duration::from_secs(61),
            "it was not read again"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // A token that is gone is used on, as whoever takes it away may mean to hide it.
    std::fs::remove_file(folder.path().join("token")).unwrap();
    target.version().await.unwrap();
    assert_eq!(server.take(), ["Bearer second"]);
}

/// Writes a program that counts its runs, and prints a token with that number.
fn program(folder: &Path, name: &str, expires_in: Option<u64>) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    let expiry = expires_in.map_or_else(String::new, |seconds| {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
            + seconds;
        let at = gitops_core::Timestamp::from_secs(i64::try_from(at).unwrap());
        format!(r#""expirationTimestamp": "{at}", "#)
    });
    let here = folder.display();
    let text = format!(
        "#!/bin/sh\necho \"$@\" >> {here}/arguments\necho \"$A|$KUBERNETES_EXEC_INFO\" >> {here}/environment\n\
         echo run >> {here}/runs\nn=$(wc -l < {here}/runs | tr -d ' ')\n\
         echo '{{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1beta1\", \
         \"status\": {{{expiry}\"token\": \"token-'$n'\"}}}}'\n"
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn lines(path: PathBuf) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_command_prints_a_token_and_is_run_again_when_that_runs_out() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    // Credentials are renewed a minute before they run out: these hold for a moment.
    let command = program(folder.path(), "get-token", Some(62));
    let secret = server.secret(&json!({"execProviderConfig": {
        "command": command, "args": ["--cluster", "eu"], "env": {"A": "b"},
        "apiVersion": "client.authentication.k8s.io/v1beta1",
    }}));
    let error = secret.config(Commands::Refuse).await.unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("cluster secret argocd/eu") && said.contains("get-token"),
        "{said}"
    );
    assert!(said.contains("running commands is not allowed"), "{said}");
    assert!(
        lines(folder.path().join("runs")).is_empty(),
        "nothing was run"
    );

    let config = secret.config(Commands::Allow).await.unwrap();
    let target = connect(config).await.unwrap();
    target.version().await.unwrap();
    assert_eq!(server.take(), ["Bearer token-1"]);
    let begin = SystemTime::now();
    let renewed = loop {
        assert!(
            begin.elapsed().unwrap() < Duration::from_secs(20),
            "it was not run again"
        );
        target.version().await.unwrap();
        if let Some(other) = server
            .take()
            .into_iter()
            .find(|sent| sent != "Bearer token-1")
        {
            break other;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let runs = lines(folder.path().join("runs")).len();
    assert_eq!(renewed, format!("Bearer token-{runs}"));
    assert_eq!(lines(folder.path().join("arguments"))[0], "--cluster eu");
    let environment = lines(folder.path().join("environment")).remove(0);
    let (variable, info) = environment.split_once('|').unwrap();
    assert_eq!(variable, "b");
    // What client-go tells a command: the version that is spoken, and that nobody is there to be asked.
    let info: Value = serde_json::from_str(info).unwrap();
    assert_eq!(info["apiVersion"], "client.authentication.k8s.io/v1beta1");
    assert_eq!(
        (&info["kind"], &info["spec"]["interactive"]),
        (&json!("ExecCredential"), &json!(false))
    );
}

#[tokio::test]
async fn a_token_that_does_not_run_out_is_asked_for_once() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let command = program(folder.path(), "get-token", None);
    let secret = server.secret(&json!({"execProviderConfig": {
        "command": command, "apiVersion": "client.authentication.k8s.io/v1beta1",
    }}));
    let target = connect(secret.config(Commands::Allow).await.unwrap())
        .await
        .unwrap();
    let runs = || lines(folder.path().join("runs")).len();
    let before = runs();
    for _ in 0..3 {
        target.version().await.unwrap();
    }
    assert_eq!(server.take(), ["Bearer token-1"; 3]);
    assert_eq!(runs(), before);
}

#[tokio::test]
async fn a_command_that_fails_is_named_with_what_it_said() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let missing = server.secret(&json!({"execProviderConfig": {
        "command": folder.path().join("nowhere"), "apiVersion": "client.authentication.k8s.io/v1beta1",
    }}));
    let error = connect(missing.config(Commands::Allow).await.unwrap())
        .await
        .unwrap_err();
    let said = gitops_core::error_chain(&error);
    assert!(
        said.contains(&server.address) && said.contains("No such file"),
        "{said}"
    );
    let failing = server.secret(&json!({"execProviderConfig": {
        "command": "sh", "args": ["-c", "echo who are you >&2; exit 3"],
        "apiVersion": "client.authentication.k8s.io/v1beta1",
    }}));
    let error = connect(failing.config(Commands::Allow).await.unwrap())
        .await
        .unwrap_err();
    let said = gitops_core::error_chain(&error);
    assert!(said.contains("who are you"), "{said}");
    let silent = server.secret(&json!({"execProviderConfig": {
        "command": "echo", "args": ["{}"], "apiVersion": "client.authentication.k8s.io/v1beta1",
    }}));
    let error = connect(silent.config(Commands::Allow).await.unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, KubeError::Client { .. }), "{error:?}");
}

/// The program `aws` is found on the path, and `--output json` is what it is to print.
#[tokio::test]
async fn aws_prints_the_token_of_a_cluster_of_eks() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let command = program(folder.path(), "aws", Some(3600));
    let secret = server.secret(&json!({"awsAuthConfig": {
        "clusterName": "eu", "roleARN": "arn:aws:iam::1:role/deploy", "profile": "shop",
    }}));
    assert!(matches!(
        secret.config(Commands::Refuse).await,
        Err(KubeError::Command { command, .. }) if command == "aws"
    ));
    let mut config = secret.config(Commands::Allow).await.unwrap();
    // The environment of this process is left alone: the program is found by its place instead.
    let exec = config.auth_info.exec.as_mut().unwrap();
    assert_eq!(exec.command.as_deref(), Some("aws"));
    exec.command = Some(command.display().to_string());
    let target = connect(config).await.unwrap();
    target.version().await.unwrap();
    assert_eq!(server.take(), ["Bearer token-1"]);
    let arguments = lines(folder.path().join("arguments"));
    assert_eq!(
        arguments[0],
        "eks get-token --output json --cluster-name eu --role-arn arn:aws:iam::1:role/deploy --profile shop"
    );
}
