//! Our own HTTP API: metrics, health, the ledger to read, and the words of people.
//!
//! Promises: what a person says is answered once the ledger holds it; reading the ledger never reads all of it; every
//! fault is JSON with `error`, `code` and `way_out`. What it does not do: know who speaks. It believes the name that it
//! is given, as the command line does, and therefore listens on loopback unless told otherwise.

mod fault;
mod ledger;
mod spoken;
mod words;

use std::path::PathBuf;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::run::Office;
use crate::telemetry::Metrics;

/// The longest body that is read.
const BODY_BYTES_MAX: usize = 16 << 10;

/// What the API stands on.
#[derive(Debug, Clone)]
pub(crate) struct ApiState {
    pub(crate) metrics: Metrics,
    /// Where the ledger, the inbox and the freeze switch lie.
    pub(crate) data_dir: PathBuf,
    pub(crate) office: Office,
}

/// All routes.
pub(crate) fn router(state: ApiState) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/api/v1/ledger", get(ledger::page))
        .route("/api/v1/waiting", get(words::waiting))
        .route("/api/v1/approve/{id}", post(words::approve))
        .route("/api/v1/reject/{id}", post(words::reject))
        .route("/api/v1/rearm/{scope}", post(words::rearm))
        .route("/api/v1/freeze", get(words::frozen).post(words::freeze))
        .route("/api/v1/thaw", post(words::thaw))
        .fallback(fault::no_such_path)
        .method_not_allowed_fallback(fault::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}

async fn metrics(State(state): State<ApiState>) -> Response {
    match state.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn ready(State(state): State<ApiState>) -> Response {
    if state.metrics.is_ready() {
        return "ok".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not connected to the source of risk events").into_response()
}
