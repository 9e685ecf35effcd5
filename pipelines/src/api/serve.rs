//! Routes and sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use contract::RiskEvent;
use engine::error::EngineError;
use engine::log::{AppendError, LogWriter, NewRecord};
use engine::record::{Compression, Encoding, RecordKind};
use engine::sink::{EventStore, Stored};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt as _};

use super::fault::{Asked, fault, json, no_such_method, no_such_path};
use super::verdict::{Question, answer};
use crate::scoring::VerdictBoard;
use crate::wiring::check_outcome;

/// Whether the process lives and what is ready, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Why it is not alive.
    pub dead: Option<String>,
    /// Why the front door cannot take telemetry.
    pub otlp: Option<String>,
    /// Why answers would not be what they should.
    pub api: Option<String>,
}

/// What the routes look at.
#[derive(Clone)]
pub struct ApiState {
    /// Risk events.
    pub events: EventStore,
    /// Turns true when the process stops: readers that follow are let go.
    pub stop: watch::Receiver<bool>,
    /// Standing comparisons.
    pub board: watch::Receiver<VerdictBoard>,
    /// Health.
    pub health: watch::Receiver<Health>,
    /// Takes outcomes in; `None` where they come another way (Kafka).
    pub outcomes: Option<LogWriter>,
    /// Whose outcomes they are.
    pub tenant: Arc<str>,
    /// The text of `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl std::fmt::Debug for ApiState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiState").field("events", &self.events.count()).finish_non_exhaustive()
    }
}

/// Largest answer of a list.
const LIMIT_MAX: usize = 1_000;

/// Binds the address.
///
/// # Errors
/// [`EngineError::Listen`] if it is taken.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, EngineError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| EngineError::Listen { address: address.to_string(), source })
}

/// Serves until `stop` turns true.
///
/// # Errors
/// [`EngineError::Listen`] if the socket breaks.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    mut stop: watch::Receiver<bool>,
) -> Result<(), EngineError> {
    let address =
        listener.local_addr().map_or_else(|_| "the API address".to_owned(), |address| address.to_string());
    let stopped = async move {
        // an error means that the sender is gone, which is a stop too
        stop.wait_for(|stop| *stop).await.ok();
    };
    axum::serve(listener, router(state))
        .with_graceful_shutdown(stopped)
        .await
        .map_err(|source| EngineError::Listen { address, source })
}

fn router(state: ApiState) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/verdict", get(verdict))
        .route("/v1/outcomes", post(outcome))
        .route("/api/v1/risk-events", get(list))
        .route("/api/v1/risk-events/{id}", get(one))
        .route("/schema/risk-event/v1", get(schema))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(state)
}

async fn livez(State(state): State<ApiState>) -> Response {
    told(state.health.borrow().dead.clone())
}

/// Whose readiness is asked for; without a port, both.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadyQuestion {
    port: Option<String>,
}

async fn readyz(State(state): State<ApiState>, Asked(question): Asked<ReadyQuestion>) -> Response {
    let Health { dead, otlp, api } = state.health.borrow().clone();
    let trouble = match question.port.as_deref() {
        None => api.or(otlp),
        Some("otlp") => otlp,
        Some("api") => api,
        Some(other) => {
            return fault(StatusCode::BAD_REQUEST, format!("port is {other:?}, must be otlp or api"));
        }
    };
    told(dead.or(trouble))
}

fn told(trouble: Option<String>) -> Response {
    match trouble {
        None => (StatusCode::OK, "ok\n").into_response(),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")).into_response(),
    }
}

async fn metrics(State(state): State<ApiState>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (state.metrics)()).into_response()
}

async fn verdict(State(state): State<ApiState>, Asked(question): Asked<Question>) -> Response {
    let answer = answer(&state.board.borrow(), &question);
    json(StatusCode::OK, &answer)
}

/// The actuator's word, into the same log as everything that changes what the engine says.
async fn outcome(State(state): State<ApiState>, body: Result<Bytes, BytesRejection>) -> Response {
    let Some(log) = state.outcomes else {
        return fault(
            StatusCode::NOT_FOUND,
            "outcomes are read from Kafka here: publish them on the topic".to_owned(),
        );
    };
    let body = match body {
        Ok(body) => body,
        Err(refused) => {
            return fault(refused.status(), format!("the outcome cannot be read: {}", refused.body_text()));
        }
    };
    if let Err(error) = check_outcome(&body) {
        return fault(StatusCode::BAD_REQUEST, error.to_string());
    }
    let record = NewRecord {
        tenant: state.tenant,
        kind: RecordKind::Outcome,
        encoding: Encoding::Json,
        compression: Compression::None,
        body,
    };
    match log.append(record).await {
        Ok(_) => StatusCode::ACCEPTED.into_response(),
        Err(error @ (AppendError::TooLarge { .. } | AppendError::TenantTooLong(_))) => {
            fault(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
        }
        Err(error) => {
            let wait = [(header::RETRY_AFTER, "1")];
            (wait, fault(StatusCode::SERVICE_UNAVAILABLE, error.to_string())).into_response()
        }
    }
}

/// How a reader asks for events.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuestion {
    /// Go on after this event.
    after: Option<String>,
    /// Keep the connection and send what comes.
    #[serde(default)]
    follow: bool,
    /// At most so many (without `follow`).
    limit: Option<usize>,
}

async fn list(State(state): State<ApiState>, Asked(question): Asked<ListQuestion>) -> Response {
    let after = question.after.as_deref().filter(|id| !id.is_empty());
    let limit = question.limit.unwrap_or(100);
    if !(1..=LIMIT_MAX).contains(&limit) {
        let text =
            format!("limit is {limit}, must be 1 to {LIMIT_MAX}; go on with after=ID of the last event");
        return fault(StatusCode::BAD_REQUEST, text);
    }
    let from = match after.map(|id| state.events.number_of(id)) {
        Some(Some(number)) => number + 1,
        Some(None) => {
            let text =
                "no event with the id in `after` is kept here; leave `after` out to read everything that is";
            return fault(StatusCode::GONE, text.to_owned());
        }
        None if question.follow => 0,
        None => state.events.count().saturating_sub(limit as u64),
    };
    if question.follow {
        return follow(state, from);
    }
    match state.events.page(from, limit) {
        Ok(events) => {
            let mut body = Vec::new();
            events.iter().for_each(|event| push_line(&mut body, event));
            ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
        }
        Err(error) => fault(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn push_line(body: &mut Vec<u8>, event: &Stored) {
    body.extend_from_slice(&event.message.value);
    body.push(b'\n');
}

/// JSON lines, one event each; an empty line every time nothing came for 15 s keeps proxies calm.
fn follow(state: ApiState, from: u64) -> Response {
    let ApiState { events, mut stop, .. } = state;
    let mut next = from;
    let news = WatchStream::new(events.follow()).timeout_repeating(tokio::time::interval(KEEP_ALIVE));
    let lines = news.filter_map(move |signal| {
        let mut body = Vec::new();
        loop {
            // a page that cannot be read ends the answer; the reader comes back with `after`
            let page = match events.page(next, LIMIT_MAX) {
                Ok(page) => page,
                Err(error) => return Some(Err(error)),
            };
            next = page.last().map_or(next, |last| last.number + 1);
            page.iter().for_each(|event| push_line(&mut body, event));
            if page.len() < LIMIT_MAX {
                break;
            }
        }
        if body.is_empty() && signal.is_err() {
            body.push(b'\n');
        }
        (!body.is_empty()).then(|| Ok(Bytes::from(body)))
    });
    let stopped = async move {
        // an error means that the sender is gone, which is a stop too
        stop.wait_for(|stop| *stop).await.ok();
    };
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(until(lines, stopped))).into_response()
}

/// The items of a stream until a future is ready.
struct Until<S, F> {
    stream: std::pin::Pin<Box<S>>,
    stop: std::pin::Pin<Box<F>>,
}

fn until<S: Stream, F: Future<Output = ()>>(stream: S, stop: F) -> Until<S, F> {
    Until { stream: Box::pin(stream), stop: Box::pin(stop) }
}

impl<S: Stream, F: Future<Output = ()>> Stream for Until<S, F> {
    type Item = S::Item;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if self.stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        self.stream.as_mut().poll_next(cx)
    }
}

const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(15);

/// One event in structured mode, or in binary mode for who accepts `application/json` and nothing better.
async fn one(State(state): State<ApiState>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match state.events.by_id(&id) {
        Ok(Some(event)) if accepts_binary(&headers) => binary(&event),
        Ok(Some(event)) => {
            let headers = [(header::CONTENT_TYPE, "application/cloudevents+json; charset=UTF-8")];
            (headers, event.message.value).into_response()
        }
        Ok(None) => fault(StatusCode::NOT_FOUND, format!("no event with id {id} is kept here")),
        Err(error) => fault(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn accepts_binary(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes() == b"application/json")
}

/// Attributes as headers, the data as the body.
fn binary(event: &Stored) -> Response {
    #[derive(Deserialize)]
    struct Structured<'a> {
        #[serde(borrow)]
        data: &'a serde_json::value::RawValue,
    }
    let Ok(Structured { data }) = serde_json::from_slice(&event.message.value) else {
        return fault(StatusCode::INTERNAL_SERVER_ERROR, "the stored event has no data".to_owned());
    };
    let mut response = ([(header::CONTENT_TYPE, "application/json")], data.get().to_owned()).into_response();
    for (name, value) in &event.message.headers {
        let name = HeaderName::try_from(name.replace("ce_", "ce-"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn schema() -> Response {
    json(StatusCode::OK, &schemars::schema_for!(RiskEvent))
}
