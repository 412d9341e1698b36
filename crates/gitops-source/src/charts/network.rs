//! Requests over HTTP(S), one at a time, with limits.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, NoProxy, Proxy, Url, redirect};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::runtime::Runtime;

use super::credentials::Tls;
use crate::address::redact;

/// How often a request is sent on to another address.
const REDIRECTS: usize = 10;

/// How long making a connection may take, within the time of the whole request.
const CONNECT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NetworkError {
    /// Nothing was settled; asking again may help.
    Unreachable(String),
    /// The answer is of no use, and will be of none next time.
    Unusable(String),
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) | Self::Unusable(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for NetworkError {}

/// What is asked for.
pub(super) struct Request<'a> {
    pub(super) url: &'a Url,
    pub(super) headers: Vec<(HeaderName, String)>,
    /// The header that logs in; sent on to no other host.
    pub(super) authorization: Option<String>,
    pub(super) tls: &'a Tls,
    /// How many bytes the answer may have.
    pub(super) limit: u64,
    pub(super) method: reqwest::Method,
}

impl<'a> Request<'a> {
    pub(super) const fn get(url: &'a Url, tls: &'a Tls, limit: u64) -> Self {
        Self {
            url,
            headers: Vec::new(),
            authorization: None,
            tls,
            limit,
            method: reqwest::Method::GET,
        }
    }
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The address that answered, after all redirects.
    pub(super) url: Url,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Connections, and a place of their own to run in: whoever asks may have no asynchronous runtime, or one whose only
/// thread is waiting for the answer.
pub(super) struct Network {
    runtime: Option<Runtime>,
    clients: Mutex<HashMap<(bool, Tls), Client>>,
    timeout: Duration,
    proxy: Option<(String, String)>,
    user_agent: String,
}

impl Drop for Network {
    fn drop(&mut self) {
        // Dropped within another runtime it must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Network {
    pub(super) fn new(
        timeout: Duration,
        proxy: Option<(String, String)>,
        user_agent: String,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
            clients: Mutex::default(),
            timeout,
            proxy,
            user_agent,
        })
    }

    /// Asks, follows redirects and returns the answer, whatever its status. Blocks: to be called where that is
    /// allowed.
    pub(super) fn ask(&self, request: &Request<'_>) -> Result<Answer, NetworkError> {
        let mut url = request.url.clone();
        let mut authorization = request.authorization.as_deref();
        for _ in 0..=REDIRECTS {
            let client = self.client(url.scheme() == "https", request.tls)?;
            let mut headers = HeaderMap::new();
            for (name, value) in &request.headers {
                headers.insert(name.clone(), header_value(value)?);
            }
            if let Some(authorization) = authorization {
                let mut value = header_value(authorization)?;
                value.set_sensitive(true);
                headers.insert(reqwest::header::AUTHORIZATION, value);
            }
            let answer = self.block_on(receive(
                client
                    .request(request.method.clone(), url.clone())
                    .headers(headers),
                &url,
                request.limit,
                self.timeout,
            ))?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let shown = redact(url.as_str());
            let next = answer
                .headers
                .get(LOCATION)
                .and_then(|location| location.to_str().ok())
                .and_then(|location| url.join(location).ok())
                .ok_or_else(|| NetworkError::Unusable(format!("{shown} sends on to no address")))?;
            if !matches!(next.scheme(), "http" | "https") {
                return Err(NetworkError::Unusable(format!(
                    "{shown} sends on to {}, which is not http(s)",
                    redact(next.as_str())
                )));
            }
            if url.scheme() == "https" && next.scheme() == "http" {
                return Err(NetworkError::Unusable(format!(
                    "{shown} sends on to {}, which is not encrypted",
                    redact(next.as_str())
                )));
            }
            if !same_origin(&url, &next) {
                authorization = None;
            }
            url = next;
        }
        Err(NetworkError::Unusable(format!(
            "{} sends on more than {REDIRECTS} times",
            redact(request.url.as_str())
        )))
    }

    fn block_on<F: Future>(&self, work: F) -> F::Output {
        let runtime = self.runtime.as_ref().expect("it is there until the end");
        runtime.block_on(work)
    }

    fn client(&self, encrypted: bool, tls: &Tls) -> Result<Client, NetworkError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (
            encrypted,
            if encrypted {
                tls.clone()
            } else {
                Tls::default()
            },
        );
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder()
            .user_agent(&self.user_agent)
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT.min(self.timeout))
            .no_proxy()
            .tls_backend_preconfigured(config(encrypted, tls).map_err(NetworkError::Unusable)?);
        if let Some((proxy, except)) = &self.proxy {
            let proxy = Proxy::all(proxy.as_str()).map_err(|error| {
                NetworkError::Unusable(format!("the proxy cannot be used: {}", chain(&error)))
            })?;
            builder = builder.proxy(proxy.no_proxy(NoProxy::from_string(except)));
        }
        let client = builder
            .build()
            .map_err(|error| NetworkError::Unusable(chain(&error)))?;
        clients.insert(key, client.clone());
        Ok(client)
    }
}

async fn receive(
    request: reqwest::RequestBuilder,
    url: &Url,
    limit: u64,
    timeout: Duration,
) -> Result<Answer, NetworkError> {
    let shown = redact(url.as_str());
    let failed = |error: reqwest::Error| {
        let error = error.without_url();
        if error.is_timeout() && !error.is_connect() {
            return NetworkError::Unreachable(format!(
                "{shown}: no answer within {} seconds",
                timeout.as_secs_f32()
            ));
        }
        NetworkError::Unreachable(format!("{shown}: {}", chain(&error)))
    };
    let too_large =
        || NetworkError::Unusable(format!("{shown}: the answer is larger than {limit} bytes"));
    let mut response = request.timeout(timeout).send().await.map_err(failed)?;
    if response
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body,
        url: url.clone(),
    })
}

fn header_value(text: &str) -> Result<HeaderValue, NetworkError> {
    HeaderValue::from_str(text).map_err(|_| {
        NetworkError::Unusable("a credential has characters that no header can have".to_owned())
    })
}

/// Whether two addresses lead to the same server in the same way.
pub(super) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

fn chain(error: &dyn std::error::Error) -> String {
    gitops_core::error_chain(error)
}

/// Makes the settings of TLS. The provider of cryptography is named here and nothing is installed for the process.
fn config(encrypted: bool, tls: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let certificates = |pem: &[u8], what: &str| -> Result<Vec<CertificateDer<'static>>, String> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match found {
            Ok(found) if found.is_empty() => Err(format!("{what} holds no certificate in PEM")),
            Ok(found) => Ok(found),
            Err(error) => Err(format!("{what} cannot be read: {error}")),
        }
    };
    let builder = if tls.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAll(provider)))
    } else if let Some(pem) = &tls.authorities {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(pem, "the list of authorities")? {
            roots
                .add(certificate)
                .map_err(|error| format!("the list of authorities cannot be read: {error}"))?;
        }
        builder.with_root_certificates(roots)
    } else if encrypted {
        let verifier = rustls_platform_verifier::Verifier::new(provider)
            .map_err(|error| format!("the authorities of the system cannot be read: {error}"))?;
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    match &tls.client_certificate {
        None => Ok(builder.with_no_client_auth()),
        Some(own) => {
            let chain = certificates(&own.certificate, "the client certificate")?;
            let key = PrivateKeyDer::from_pem_slice(&own.key).map_err(|error| {
                format!("the key of the client certificate cannot be read: {error}")
            })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("the client certificate cannot be used: {error}"))
        }
    }
}

/// Takes any certificate; the handshake itself is still checked.
#[derive(Debug)]
struct AcceptAll(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
