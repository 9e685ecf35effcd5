//! `GET /api/v1/ledger?after=SEQ&limit=N`: a page of entries, oldest first.
//!
//! The entry read last is the cursor: whoever kept its number goes on there, after any pause. A page behind which more
//! follows names the next one in `Link` (RFC 8288).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::ApiState;
use super::fault::Fault;
use crate::error::ActuatorError;
use crate::ledger::{Page, read_page};

/// Entries of one answer, at most.
const LIMIT_MAX: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    after: u64,
    #[serde(default = "default_limit")]
    limit: usize,
}

fn default_limit() -> usize {
    100
}

pub(super) async fn page(
    State(state): State<ApiState>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Fault> {
    let Query(Wanted { after, limit }) = wanted.map_err(|rejection| {
        let way_out = "after is the number of an entry, limit 1 to 1000; both may be left out";
        Fault::new(StatusCode::BAD_REQUEST, "invalid", rejection.body_text(), way_out)
    })?;
    let limit = limit.clamp(1, LIMIT_MAX);
    let read = tokio::task::spawn_blocking(move || read_page(&state.data_dir, after, limit)).await;
    match read.unwrap_or(Err(ActuatorError::Stopped { step: "a task that panicked" }))? {
        Page::Entries { entries, more_after: None } => Ok(Json(entries).into_response()),
        Page::Entries { entries, more_after: Some(seq) } => {
            let next = format!("</api/v1/ledger?after={seq}&limit={limit}>; rel=\"next\"");
            Ok(([(header::LINK, next)], Json(entries)).into_response())
        }
        Page::LetGo { first } => {
            let fault =
                format!("the entries from {} to {} were let go (ledger.retained_*)", after + 1, first - 1);
            let way_out = format!(
                "go on with after={}: the first entry there says what all before it come to",
                first - 1
            );
            Err(Fault::new(StatusCode::GONE, "let_go", fault, way_out))
        }
        Page::Beyond { newest } => {
            let fault = format!("there is no entry {after}, the newest is {newest}");
            let way_out = "another ledger lies there than the one that was read before: begin with after=0";
            Err(Fault::new(StatusCode::NOT_FOUND, "beyond", fault, way_out))
        }
    }
}
