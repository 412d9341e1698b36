//! A server that answers as it is told, in the program itself.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::channel::mpsc;
use futures::stream::{self, BoxStream, StreamExt as _};
use gitops_kube::{KubeOptions, KubeTarget};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method == *method && self.path == path
    }

    /// Returns a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.parameter("watch").is_some()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

type Chunk = Result<Bytes, std::io::Error>;

/// What the server does about a request.
pub(crate) enum Reply {
    Answer {
        code: u16,
        headers: Vec<(&'static str, String)>,
        body: BoxStream<'static, Chunk>,
    },
    /// There is no answer, for this reason.
    None(std::io::ErrorKind),
}

impl Reply {
    pub(crate) fn text(code: u16, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::Answer {
            code,
            headers: vec![("content-type", "application/json".to_owned())],
            body: stream::iter([Ok(body)]).boxed(),
        }
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self::text(200, body.to_string())
    }

    pub(crate) fn status(code: u16, reason: &str, message: &str) -> Self {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
        });
        Self::text(code, status.to_string())
    }

    pub(crate) fn not_found(plural: &str, name: &str) -> Self {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound",
            "message": format!("{plural} {name:?} not found"), "details": {"name": name, "kind": plural},
        });
        Self::text(404, status.to_string())
    }

    /// What a server says where it serves nothing.
    pub(crate) fn no_address() -> Self {
        Self::text(404, "404 page not found\n")
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.retain(|(known, _)| *known != name);
            headers.push((name, value.into()));
        }
        self
    }

    /// An answer that goes on for as long as its sender is there.
    pub(crate) fn stream() -> (mpsc::UnboundedSender<Chunk>, Self) {
        let (sender, receiver) = mpsc::unbounded();
        let reply = Self::Answer {
            code: 200,
            headers: Vec::new(),
            body: receiver.boxed(),
        };
        (sender, reply)
    }

    /// An answer that says this, and then nothing more.
    pub(crate) fn lines(lines: &[Value]) -> Self {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let said = stream::iter([Ok(Bytes::from(text))]);
        Self::Answer {
            code: 200,
            headers: Vec::new(),
            body: said.chain(stream::pending()).boxed(),
        }
    }

    /// An answer that says nothing and does not end.
    pub(crate) fn silence() -> Self {
        Self::lines(&[])
    }
}

/// The requests that a server saw.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    /// Returns the requests to an address.
    pub(crate) fn to(&self, path: &str) -> Vec<Seen> {
        let mut all = self.all();
        all.retain(|seen| seen.path == path);
        all
    }
}

/// Makes a target of a server that answers with a function, and the log of what it is asked.
pub(crate) fn target(
    options: KubeOptions,
    answer: impl FnMut(&Seen) -> Reply + Send + 'static,
) -> (KubeTarget, Log) {
    let log = Log::default();
    let seen_by = log.clone();
    let answer = Arc::new(Mutex::new(answer));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (answer, log) = (Arc::clone(&answer), seen_by.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(|error| error.to_string())?;
            let seen = Seen {
                method: head.method,
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                headers: head.headers,
                body: String::from_utf8(body.to_bytes().to_vec())
                    .map_err(|error| error.to_string())?,
            };
            log.0.lock().unwrap().push(seen.clone());
            let reply = (answer.lock().unwrap())(&seen);
            match reply {
                Reply::Answer {
                    code,
                    headers,
                    body,
                } => {
                    let mut response = Response::builder().status(code);
                    for (name, value) in headers {
                        response = response.header(name, value);
                    }
                    let body = StreamBody::new(body.map(|chunk| chunk.map(http_body::Frame::data)));
                    Ok(response.body(body)?)
                }
                Reply::None(kind) => {
                    let error: Box<dyn std::error::Error + Send + Sync> =
                        std::io::Error::from(kind).into();
                    Err(error)
                }
            }
        }
    });
    (
        KubeTarget::new(kube::Client::new(service, "default"), options),
        log,
    )
}

/// One resource of a group for [`groups`].
pub(crate) fn resource(plural: &str, kind: &str, scope: &str) -> Value {
    json!({
        "resource": plural, "responseKind": {"group": "", "version": "", "kind": kind}, "scope": scope,
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
    })
}

/// One group with one version.
pub(crate) fn group(name: &str, version: &str, resources: &[Value]) -> Value {
    json!({
        "metadata": {"name": name},
        "versions": [{"version": version, "freshness": "Current", "resources": resources}],
    })
}

/// The answer about kinds that servers give which know how to give it in one document.
pub(crate) fn groups(groups: &[Value]) -> Reply {
    let list = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": groups});
    Reply::json(&list).with_header(
        "content-type",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    )
}

/// Answers what kinds there are: ConfigMaps, Secrets and Namespaces, and Deployments.
pub(crate) fn usual_kinds(seen: &Seen) -> Option<Reply> {
    match seen.path.as_str() {
        "/api" => Some(groups(&[group(
            "",
            "v1",
            &[
                resource("configmaps", "ConfigMap", "Namespaced"),
                resource("secrets", "Secret", "Namespaced"),
                resource("namespaces", "Namespace", "Cluster"),
            ],
        )])),
        "/apis" => Some(groups(&[group(
            "apps",
            "v1",
            &[resource("deployments", "Deployment", "Namespaced")],
        )])),
        _ => None,
    }
}

/// A ConfigMap of the namespace `shop`, as a server sends it.
pub(crate) fn map(name: &str, version: u64, x: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": version.to_string(),
            "managedFields": [],
        },
        "data": {"x": x},
    })
}

/// A list.
pub(crate) fn list(version: u64, items: &[Value], next: &str) -> Reply {
    Reply::json(&json!({
        "kind": "List", "apiVersion": "v1",
        "metadata": {"resourceVersion": version.to_string(), "continue": next}, "items": items,
    }))
}

/// One line of a watch.
pub(crate) fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

/// Makes the piece of a stream that says a line.
pub(crate) fn line(line: &Value) -> Chunk {
    Ok(Bytes::from(format!("{line}\n")))
}
