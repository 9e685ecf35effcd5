//! Faults as answers: `{"error": …, "code": …, "way_out": …}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{ActuatorError, Turn};
use crate::oversight::Refusal;

const ROUTES: &str = "GET /api/v1/ledger, /api/v1/waiting, /api/v1/freeze, /metrics, /livez, /readyz; POST \
                      /api/v1/approve/ID, /api/v1/reject/ID, /api/v1/rearm/SCOPE, /api/v1/freeze, /api/v1/thaw";

/// A fault, and what to do about it.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    code: &'static str,
    error: String,
    way_out: String,
}

impl Fault {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        error: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Self {
        Self { status, code, error: error.into(), way_out: way_out.into() }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({"error": self.error, "code": self.code, "way_out": self.way_out});
        (self.status, Json(body)).into_response()
    }
}

impl From<Refusal> for Fault {
    fn from(Refusal { code, why, way_out }: Refusal) -> Self {
        let status = match code {
            "invalid" => StatusCode::BAD_REQUEST,
            "unknown" => StatusCode::NOT_FOUND,
            "too_late" => StatusCode::GONE,
            _ => StatusCode::CONFLICT,
        };
        Self::new(status, code, why, way_out)
    }
}

impl From<ActuatorError> for Fault {
    fn from(error: ActuatorError) -> Self {
        let (code, way_out) = match error.turn() {
            Turn::User => ("broken", "bellwether-actuator ledger verify names the place"),
            Turn::External => ("unavailable", "see the log of the actuator, then try again"),
            Turn::Internal => ("stopped", "see the log of the actuator, and start it again"),
        };
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, error.chain(), way_out)
    }
}

pub(super) async fn no_such_path() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "path", "there is nothing at this path", ROUTES)
}

pub(super) async fn no_such_method() -> Fault {
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this path does not take this method", ROUTES)
}
