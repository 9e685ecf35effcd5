//! Questions that cannot be answered, as `{"error": …}` with what is allowed.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

const ROUTES: &str = "GET /api/v1/risk-events, /api/v1/risk-events/ID, /v1/verdict, /schema/risk-event/v1, /metrics, \
                      /livez, /readyz; POST /v1/outcomes";

pub(super) fn json(status: StatusCode, body: &impl serde::Serialize) -> Response {
    let text = serde_json::to_vec(body).expect("plain values always serialise");
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}

pub(super) fn fault(status: StatusCode, text: String) -> Response {
    json(status, &serde_json::json!({ "error": text }))
}

pub(super) async fn no_such_path() -> Response {
    fault(StatusCode::NOT_FOUND, format!("there is nothing at this path, known here are {ROUTES}"))
}

pub(super) async fn no_such_method() -> Response {
    fault(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("this path does not take this method, known here are {ROUTES}"),
    )
}

/// The part of the address behind the question mark.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let asked = Query::try_from_uri(&parts.uri).map(|Query(question)| Self(question));
        asked.map_err(|refused| {
            let text = refused.body_text();
            let why = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            fault(StatusCode::BAD_REQUEST, format!("the question cannot be read: {why}"))
        })
    }
}
