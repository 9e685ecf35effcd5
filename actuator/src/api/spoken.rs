//! The body of a word: JSON, from a program and not from a web page.
//!
//! A page that somebody looks at on this machine could reach the loopback address too; it cannot leave out `Origin`, nor
//! send `application/json` elsewhere unasked.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;

/// What a body can say.
pub(super) trait Speech: DeserializeOwned {
    /// What it looks like, for whoever got it wrong.
    const WANTED: &'static str;
}

/// `by` approves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    pub(super) by: String,
    pub(super) evidence_digest: Option<String>,
}

impl Speech for Approval {
    const WANTED: &'static str =
        r#"send {"by": "ada@sso.example", "evidence_digest": "…"}; the digest may be left out"#;
}

/// `by` rejects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rejection {
    pub(super) by: String,
    #[serde(default = "no_reason")]
    pub(super) why: String,
    pub(super) evidence_digest: Option<String>,
}

impl Speech for Rejection {
    const WANTED: &'static str =
        r#"send {"by": "ada@sso.example", "why": "…", "evidence_digest": "…"}; by alone is enough"#;
}

/// `by` says something about a scope or the whole.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Statement {
    pub(super) by: String,
    #[serde(default = "no_reason")]
    pub(super) why: String,
}

impl Speech for Statement {
    const WANTED: &'static str = r#"send {"by": "ada@sso.example", "why": "…"}; why may be left out"#;
}

fn no_reason() -> String {
    "no reason given".to_owned()
}

/// A body that was read.
#[derive(Debug)]
pub(super) struct Spoken<T>(pub(super) T);

impl<S: Send + Sync, T: Speech> FromRequest<S> for Spoken<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        check_headers(request.headers(), T::WANTED)?;
        let invalid = |why: String| Fault::new(StatusCode::BAD_REQUEST, "invalid", why, T::WANTED);
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|rejection| invalid(rejection.body_text()))?;
        serde_json::from_slice(&body).map(Self).map_err(|error| invalid(format!("the body: {error}")))
    }
}

fn check_headers(headers: &HeaderMap, wanted: &str) -> Result<(), Fault> {
    if headers.contains_key(header::ORIGIN) {
        let way_out = "use bellwether-actuator or a program such as curl";
        return Err(Fault::new(StatusCode::FORBIDDEN, "origin", "web pages have no say here", way_out));
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) == Some("application/json") {
        return Ok(());
    }
    let fault = format!("Content-Type is {kind:?}, must be application/json");
    Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", fault, wanted))
}
