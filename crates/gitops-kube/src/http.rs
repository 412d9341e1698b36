//! Requests and their answers: limited, repeated where that is safe, with what the server warns of.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gitops_core::TargetError;
use gitops_manifest::{GroupVersionKind, ObjectKey};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER, WARNING,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::time::Instant;

use crate::limiter::Limiter;
use crate::status::Status;
use crate::{KubeOptions, ServerWarning};

/// The longest answer that is read: a page of the largest objects is shorter.
const LONGEST_ANSWER: usize = 1 << 29;
/// The longest pause that a server may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);
/// How many texts of warnings are remembered, so that each is logged once.
const REMEMBERED_WARNINGS: usize = 256;

/// How a request may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// To do it twice is as to do it once.
    Harmless,
    /// Only where the server surely did nothing.
    Refused,
}

/// A request.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// The address with its parameters.
    pub(crate) path: &'a str,
    pub(crate) body: Bytes,
    pub(crate) content_type: &'static str,
    pub(crate) accept: &'static str,
    /// The version of the answer that is known already.
    pub(crate) known: Option<&'a str>,
    pub(crate) repeat: Repeat,
    /// How long it is tried, where that is shorter than usual.
    pub(crate) time: Option<Duration>,
    /// What is attempted, for messages.
    pub(crate) attempt: &'a str,
}

pub(crate) const JSON: &str = "application/json";

impl<'a> Call<'a> {
    pub(crate) fn get(path: &'a str, attempt: &'a str) -> Self {
        Self::new(Method::GET, path, attempt)
    }

    pub(crate) fn new(method: Method, path: &'a str, attempt: &'a str) -> Self {
        Self {
            method,
            path,
            body: Bytes::new(),
            content_type: JSON,
            accept: JSON,
            known: None,
            repeat: Repeat::Harmless,
            time: None,
            attempt,
        }
    }

    fn request(&self, identity: Option<&HeaderMap>) -> Result<Request<Body>, String> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.path)
            .header(ACCEPT, self.accept);
        if !self.body.is_empty() {
            request = request.header(CONTENT_TYPE, self.content_type);
        }
        if let Some(known) = self.known {
            request = request.header(IF_NONE_MATCH, known);
        }
        let mut request = request
            .body(Body::from(self.body.clone()))
            .map_err(|error| error.to_string())?;
        if let Some(identity) = identity {
            let headers = request.headers_mut();
            for (name, value) in identity {
                headers.append(name, value.clone());
            }
        }
        Ok(request)
    }
}

/// An answer that was not a refusal.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) body: Bytes,
    pub(crate) content_type: String,
    pub(crate) etag: Option<String>,
}

/// Why there is no answer, or what it refuses.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The server refused.
    Refused {
        status: Status,
        /// Whether an earlier attempt may have been carried out.
        uncertain: bool,
    },
    /// There was no answer, or the server asked for patience for too long.
    Unavailable { reason: String },
}

impl Failure {
    pub(crate) fn into_error(
        self,
        attempt: &str,
        key: &ObjectKey,
        gvk: &GroupVersionKind,
    ) -> TargetError {
        match self {
            // What was refused may be so because of an earlier attempt of our own.
            Self::Refused {
                status,
                uncertain: true,
            } if matches!(status.code, 404 | 409 | 422) => TargetError::Unavailable {
                attempt: attempt.to_owned(),
                reason: format!(
                    "the answer to a first attempt was lost, a second one was refused: {}",
                    status.message
                ),
            },
            Self::Refused { status, .. } => status.into_error(attempt, key, gvk),
            Self::Unavailable { reason } => TargetError::Unavailable {
                attempt: attempt.to_owned(),
                reason,
            },
        }
    }

    /// What it means for a request that is about no object.
    pub(crate) fn into_general_error(self, attempt: &str) -> TargetError {
        TargetError::Unavailable {
            attempt: attempt.to_owned(),
            reason: self.reason(),
        }
    }

    pub(crate) fn reason(self) -> String {
        match self {
            Self::Refused { status, .. } => status.message,
            Self::Unavailable { reason } => reason,
        }
    }

    pub(crate) fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused { status, .. } => Some(status),
            Self::Unavailable { .. } => None,
        }
    }
}

/// A way to an API server, in the name of somebody.
#[derive(Clone)]
pub(crate) struct Connection {
    client: kube::Client,
    pub(crate) options: Arc<KubeOptions>,
    limiter: Option<Arc<Limiter>>,
    /// In whose name requests are made, where that is another than who is logged in.
    identity: Option<Arc<HeaderMap>>,
    warned: Arc<Mutex<HashSet<String>>>,
}

/// What became of one attempt.
enum Attempt {
    Answered(Answer),
    /// Trying again may help, after at least this pause.
    Again {
        failure: Failure,
        pause: Option<Duration>,
        /// Whether the server surely did nothing.
        untouched: bool,
    },
    Failed(Status),
}

impl Connection {
    pub(crate) fn new(client: kube::Client, options: KubeOptions) -> Self {
        let limiter = options
            .qps
            .and_then(|qps| Limiter::new(qps, options.burst))
            .map(Arc::new);
        Self {
            client,
            options: Arc::new(options),
            limiter,
            identity: None,
            warned: Arc::default(),
        }
    }

    /// Returns the same way, in the name of somebody else.
    pub(crate) fn in_name_of(&self, identity: HeaderMap) -> Self {
        Self {
            identity: Some(Arc::new(identity)),
            ..self.clone()
        }
    }

    async fn begin(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.acquire().await;
        }
    }

    /// Sends a request, again and again where that helps and does no harm, and reads the answer.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let retry = &self.options.retry;
        let time = call.time.unwrap_or(retry.time).min(retry.time);
        let begun = Instant::now();
        let mut pause = retry.pause;
        let mut uncertain = false;
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.begin().await;
            let attempt = match tokio::time::timeout(self.options.timeout, self.attempt(call)).await
            {
                Ok(attempt) => attempt,
                Err(_) => Attempt::Again {
                    failure: Failure::Unavailable {
                        reason: format!("no answer within {:?}", self.options.timeout),
                    },
                    pause: None,
                    untouched: false,
                },
            };
            let (failure, asked, untouched) = match attempt {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::Failed(status) => return Err(Failure::Refused { status, uncertain }),
                Attempt::Again {
                    failure,
                    pause,
                    untouched,
                } => (failure, pause, untouched),
            };
            uncertain |= !untouched;
            let wait = asked.unwrap_or(Duration::ZERO).max(pause);
            let late = begun.elapsed() + wait > time;
            if attempts >= retry.attempts || late || !(untouched || call.repeat == Repeat::Harmless)
            {
                return Err(match failure {
                    Failure::Unavailable { reason } if attempts > 1 => Failure::Unavailable {
                        reason: format!("{reason}, after {attempts} attempts"),
                    },
                    other => other,
                });
            }
            tracing::debug!(attempt = call.attempt, reason = ?failure, ?wait, "trying again");
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(retry.longest_pause);
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Attempt {
        let unavailable = |reason: String, untouched: bool| Attempt::Again {
            failure: Failure::Unavailable { reason },
            pause: None,
            untouched,
        };
        let request = match call.request(self.identity.as_deref()) {
            Ok(request) => request,
            Err(reason) => {
                return Attempt::Failed(Status {
                    code: 400,
                    message: format!("{} is no request: {reason}", call.path),
                    ..Status::default()
                });
            }
        };
        let response = match self.client.send(request).await {
            Ok(response) => response,
            Err(error) => return unavailable(explain(&error), is_unsent(&error)),
        };
        self.tell_warnings(response.headers(), call.attempt);
        let (head, body) = response.into_parts();
        let asked = retry_after(&head.headers);
        let body = match collect(body).await {
            Ok(body) => body,
            Err(reason) if head.status.is_success() => return unavailable(reason, false),
            Err(_) => Bytes::new(),
        };
        let code = head.status;
        if code.is_success() || code == StatusCode::NOT_MODIFIED {
            let text = |name| {
                let value = head
                    .headers
                    .get(name)
                    .and_then(|value: &HeaderValue| value.to_str().ok());
                value.map(str::to_owned)
            };
            return Attempt::Answered(Answer {
                code,
                body,
                content_type: text(CONTENT_TYPE).unwrap_or_default(),
                etag: text(ETAG),
            });
        }
        let status = Status::read(code, &body);
        let asked = asked.or_else(|| {
            let seconds = status.details.as_ref()?.retry_after_seconds;
            (seconds > 0).then(|| Duration::from_secs(seconds))
        });
        // A server that says when to come again has not begun.
        let untouched =
            code == StatusCode::TOO_MANY_REQUESTS || (code.is_server_error() && asked.is_some());
        let passes = matches!(code.as_u16(), 429 | 502 | 503 | 504) || untouched;
        if passes {
            return Attempt::Again {
                failure: Failure::Refused {
                    status,
                    uncertain: !untouched,
                },
                pause: asked.map(|asked| asked.min(LONGEST_RETRY_AFTER)),
                untouched,
            };
        }
        Attempt::Failed(status)
    }

    /// Begins a request whose answer comes bit by bit. It is not repeated.
    pub(crate) async fn open(&self, call: &Call<'_>) -> Result<Body, Failure> {
        self.begin().await;
        let mut request = call
            .request(self.identity.as_deref())
            .map_err(|reason| Failure::Unavailable { reason })?;
        // A server may compress each event on its own, which no layer below can undo.
        let headers = request.headers_mut();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let opened = tokio::time::timeout(self.options.timeout, self.client.send(request)).await;
        let response: Response<Body> = match opened {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                return Err(Failure::Unavailable {
                    reason: explain(&error),
                });
            }
            Err(_) => {
                let reason = format!("no answer within {:?}", self.options.timeout);
                return Err(Failure::Unavailable { reason });
            }
        };
        self.tell_warnings(response.headers(), call.attempt);
        let code = response.status();
        if code.is_success() {
            return Ok(response.into_body());
        }
        let asked = retry_after(response.headers());
        let body = tokio::time::timeout(self.options.timeout, collect(response.into_body())).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        let mut status = Status::read(code, &body);
        if let Some(asked) = asked {
            let details = status.details.get_or_insert_default();
            details.retry_after_seconds = asked.as_secs();
        }
        Err(Failure::Refused {
            status,
            uncertain: false,
        })
    }

    fn tell_warnings(&self, headers: &HeaderMap, attempt: &str) {
        for value in headers.get_all(WARNING) {
            let Some(text) = value.to_str().ok().and_then(warning_text) else {
                continue;
            };
            if let Some(tell) = self.options.warning() {
                tell(&ServerWarning {
                    attempt: attempt.to_owned(),
                    text,
                });
                continue;
            }
            let new = {
                let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
                warned.len() < REMEMBERED_WARNINGS && warned.insert(text.clone())
            };
            if new {
                tracing::warn!(attempt, "the API server warns: {text}");
            }
        }
    }
}

/// Reads a body to its end.
async fn collect(mut body: Body) -> Result<Bytes, String> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| explain(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.is_empty() && all.is_empty() {
            // Most answers come in one piece.
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        if all.len() + data.len() > LONGEST_ANSWER {
            return Err(format!(
                "the answer is longer than {LONGEST_ANSWER} bytes: ask for smaller pages"
            ));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Reads the seconds of a `Retry-After`. A date is not understood: the machine's clock is not read here.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// Reads the text of a warning: `299 - "text"`, as RFC 7234 has it.
fn warning_text(value: &str) -> Option<String> {
    let rest = value.trim().strip_prefix("299 ")?;
    let (_, quoted) = rest.split_once(' ')?;
    let mut text = String::new();
    let mut chars = quoted.strip_prefix('"')?.chars();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => text.push(chars.next()?),
            other => text.push(other),
        }
    }
}

/// Tells an error with all that it goes back to, each part once.
pub(crate) fn explain(error: &kube::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&dyn std::error::Error> = match error {
        // Their own texts say nothing, or repeat what they go back to.
        kube::Error::Service(source) => Some(source.as_ref()),
        kube::Error::HyperError(source) => Some(source),
        other => Some(other),
    };
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

/// Whether a request surely did not reach the server.
fn is_unsent(error: &kube::Error) -> bool {
    use std::io::ErrorKind;
    let mut next: Option<&dyn std::error::Error> = error.source();
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && matches!(
                error.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::AddrNotAvailable
            )
        {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_read_as_they_are_quoted() {
        let text = |value| warning_text(value);
        assert_eq!(
            text(r#"299 - "unknown field \"spec.foo\"""#).as_deref(),
            Some(r#"unknown field "spec.foo""#)
        );
        assert_eq!(text(r#"299 agent "a" "date""#).as_deref(), Some("a"));
        for wrong in ["", "299", "299 - open", r#"299 - "open"#, r#"199 - "a""#] {
            assert_eq!(text(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pauses_are_seconds() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(RETRY_AFTER, HeaderValue::from_static("3"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(3)));
        headers.insert(
            RETRY_AFTER,
            HeaderValue::from_static("Wed, 21 Oct 2026 07:28:00 GMT"),
        );
        assert_eq!(retry_after(&headers), None);
    }
}
