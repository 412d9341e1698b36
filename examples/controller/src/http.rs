//! What the controller serves: metrics, whether it is well, webhooks.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::Controller;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The text.
    pub text: String,
}

impl Answer {
    pub(crate) fn new(code: u16, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (code, self.text).into_response()
    }
}

/// The controller that answers: another one after its settings have changed.
type Current = Arc<RwLock<Option<Arc<Controller>>>>;

fn current(state: &Current) -> Option<Arc<Controller>> {
    state.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Returns what is served for the controller that a cell holds.
pub fn router(controller: Current) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/webhook", post(webhook))
        .with_state(controller)
}

async fn metrics(State(state): State<Current>) -> Response {
    let Some(controller) = current(&state) else {
        return Answer::new(503, "not running\n").into_response();
    };
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], controller.metrics()).into_response()
}

async fn healthz(State(state): State<Current>) -> Answer {
    // While one is made anew nothing is wrong.
    match current(&state) {
        Some(controller) if !controller.is_alive() => Answer::new(503, "not running\n"),
        _ => Answer::new(200, "ok\n"),
    }
}

async fn readyz(State(state): State<Current>) -> Answer {
    match current(&state) {
        Some(controller) if controller.is_ready() => Answer::new(200, "ok\n"),
        _ => Answer::new(503, "what is in the cluster is not known yet\n"),
    }
}

async fn webhook(State(state): State<Current>, request: Request<Body>) -> Answer {
    let Some(controller) = current(&state) else {
        return Answer::new(503, "not running\n");
    };
    let (parts, body) = request.into_parts();
    let limit = controller.settings().max_body;
    let Ok(body) = to_bytes(body, limit).await else {
        return Answer::new(
            413,
            format!("the body cannot be read, or is larger than {limit} bytes\n"),
        );
    };
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    controller.webhook(header, &body).await
}
