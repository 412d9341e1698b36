//! Servers that are reached over TLS.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use gitops_core::SourceError;
use gitops_source::{ChartCredentials, ChartSource, ClientCertificate};
use gitops_template::{Functions, Templates, Time, Value};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};

use super::{chart, digest, read, resolve, told, with_credentials};

/// An authority, and certificates of a server and a client that it vouches for.
struct Certificates {
    authority: String,
    server: (String, String),
    client: (String, String),
}

/// Makes them with the functions that charts have for it.
fn certificates() -> Certificates {
    let template = r#"{{- $ca := genCA "test" 30 -}}
{{- $server := genSignedCert "127.0.0.1" (list "127.0.0.1") (list "localhost") 30 $ca -}}
{{- $client := genSignedCert "robot" nil nil 30 $ca -}}
{{ $ca.Cert }}|{{ $server.Cert }}|{{ $server.Key }}|{{ $client.Cert }}|{{ $client.Key }}"#;
    let mut options = gitops_template::RenderOptions::default();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    options.now = Time::from_unix(i64::try_from(now).expect("before the end"), 0);
    let text = Templates::render_text(Functions::sprig(), template, Value::Nil, options)
        .expect("it renders");
    let parts: Vec<String> = text.split('|').map(str::to_owned).collect();
    let [authority, server, server_key, client, client_key] = parts.try_into().expect("five parts");
    Certificates {
        authority,
        server: (server, server_key),
        client: (client, client_key),
    }
}

fn roots(pem: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.expect("PEM")).expect("a certificate");
    }
    roots
}

/// A server that wants to see a certificate of its clients.
struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start(
        certificates: &Certificates,
        answer: impl Fn(&str) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = Arc::new(roots(&certificates.authority));
        let verifier = WebPkiClientVerifier::builder_with_provider(clients, Arc::clone(&provider))
            .build()
            .expect("a verifier");
        let (certificate, key) = &certificates.server;
        let chain =
            CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.expect("PEM"), key)
            .expect("a certificate");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let stop = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                if ending.load(Ordering::SeqCst) {
                    break;
                }
                let mut connection =
                    ServerConnection::new(Arc::clone(&config)).expect("a connection");
                let mut stream = Stream::new(&mut connection, &mut socket);
                let mut head = Vec::new();
                let mut byte = [0];
                // A client that does not trust the server goes away.
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let Some(path) = head.split_whitespace().nth(1) else {
                    continue;
                };
                let body = answer(path);
                let head = format!(
                    "HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream
                    .write_all(head.as_bytes())
                    .and_then(|()| stream.write_all(&body));
                connection.send_close_notify();
                let _ = connection.complete_io(&mut socket);
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
fn servers_and_clients_show_their_certificates() {
    let certificates = certificates();
    let archive = chart("web", "1.0.0");
    let index = format!(
        "apiVersion: v1\nentries: {{web: [{{name: web, version: 1.0.0, urls: [web.tgz], digest: '{}'}}]}}",
        digest(&archive)
    );
    let server = Server::start(&certificates, move |path| match path {
        "/index.yaml" => index.clone().into_bytes(),
        _ => archive.clone(),
    });
    let url = format!("https://127.0.0.1:{}", server.port);
    let try_with = |change: &dyn Fn(&mut ChartCredentials)| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut credentials = ChartCredentials::default();
        change(&mut credentials);
        let source = ChartSource::with_options(folder.path(), with_credentials(&url, credentials));
        let revision = resolve(&source, &url, "web", "^1")?;
        assert!(read(&source, &revision, "Chart.yaml").contains("1.0.0"));
        Ok::<(), SourceError>(())
    };
    let trust = |credentials: &mut ChartCredentials| {
        credentials.authorities = Some(certificates.authority.clone().into_bytes());
    };
    let show = |credentials: &mut ChartCredentials| {
        let (certificate, key) = &certificates.client;
        credentials.client_certificate = Some(ClientCertificate {
            certificate: certificate.clone().into_bytes(),
            key: key.clone().into_bytes(),
        });
    };
    let both = |credentials: &mut ChartCredentials| {
        trust(credentials);
        show(credentials);
    };
    try_with(&both).expect("both sides trust each other");
    try_with(&|credentials| {
        show(credentials);
        credentials.insecure = true;
    })
    .expect("any server is trusted");
    let error = try_with(&show).expect_err("nobody vouches for the server");
    assert!(
        matches!(error, SourceError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(told(&error).contains("UnknownIssuer"), "{}", told(&error));
    let error = try_with(&trust).expect_err("the client shows nothing");
    assert!(
        matches!(error, SourceError::Unreachable { .. }),
        "{error:?}"
    );
    let error = try_with(&|credentials| {
        both(credentials);
        credentials
            .client_certificate
            .as_mut()
            .expect("it was set")
            .key = b"no key".to_vec();
    })
    .expect_err("no key");
    assert!(
        told(&error).contains("the key of the client certificate cannot be read"),
        "{}",
        told(&error)
    );
}
