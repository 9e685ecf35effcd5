//! Our own HTTP API: metrics, health, and the ledger to read. It changes nothing.

use std::path::PathBuf;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::error::ActuatorError;
use crate::ledger::read_ledger;
use crate::telemetry::Metrics;

/// Entries of one answer, at most.
const LIMIT_MAX: usize = 1000;

/// What the API reads.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// Our metrics.
    pub metrics: Metrics,
    /// Where the ledger lies.
    pub data_dir: PathBuf,
}

/// All routes.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/api/v1/ledger", get(ledger))
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

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    after: u64,
    #[serde(default = "default_limit")]
    limit: usize,
}

fn default_limit() -> usize {
    100
}

async fn ledger(State(state): State<ApiState>, Query(page): Query<Page>) -> Response {
    let read = tokio::task::spawn_blocking(move || read_ledger(&state.data_dir)).await;
    match read {
        Ok(Ok(chain)) => {
            let newer = chain.entries.into_iter().filter(|entry| entry.seq > page.after);
            axum::Json(newer.take(page.limit.min(LIMIT_MAX)).collect::<Vec<_>>()).into_response()
        }
        Ok(Err(ActuatorError::LedgerBroken { line, why, .. })) => {
            let text = format!("ledger is broken at line {line}: {why}");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
