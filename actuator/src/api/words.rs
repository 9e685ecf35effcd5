//! What people say over HTTP: approve, reject, rearm, freeze, thaw; and what waits for them.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::ApiState;
use super::fault::Fault;
use super::spoken::{Approval, Rejection, Spoken, Statement};
use crate::freeze as switch;
use crate::oversight::{Accepted, Ask, Said};

/// Characters of a reason that the freeze switch keeps.
const WHY_MAX: usize = 1000;

type Answered = Result<Json<Value>, Fault>;

/// Brings it to the desk; the answer names the entry of the ledger that holds it.
async fn hear(state: &ApiState, said: Said) -> Answered {
    let heard = state.office.at_desk(move |desk, now| desk.hear(&said, now)).await?;
    let (seq, Accepted { mut document, .. }) = heard.inspect_err(|refusal| {
        tracing::info!(code = refusal.code, "a person was refused: {}", refusal.why);
    })?;
    if let Value::Object(fields) = &mut document {
        fields.insert("entry".to_owned(), json!(seq));
    }
    Ok(Json(document))
}

pub(super) async fn approve(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Spoken(Approval { by, evidence_digest }): Spoken<Approval>,
) -> Answered {
    hear(&state, Said::Approve(Ask { id, by, evidence_digest })).await
}

pub(super) async fn reject(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Spoken(Rejection { by, why, evidence_digest }): Spoken<Rejection>,
) -> Answered {
    hear(&state, Said::Reject { ask: Ask { id, by, evidence_digest }, why }).await
}

pub(super) async fn rearm(
    State(state): State<ApiState>,
    Path(scope): Path<String>,
    Spoken(Statement { by, why }): Spoken<Statement>,
) -> Answered {
    hear(&state, Said::Rearm { scope, by, why }).await
}

/// Stops everything at once: the switch does not wait for the desk, which may be at work.
pub(super) async fn freeze(
    State(state): State<ApiState>,
    Spoken(Statement { by, why }): Spoken<Statement>,
) -> Answered {
    // the switch is one line
    let said = format!("{why}, says {by}");
    let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WHY_MAX).collect();
    switch::freeze(&state.data_dir, &said, state.office.now())?;
    Ok(Json(json!({"frozen": true, "why": said})))
}

pub(super) async fn thaw(
    State(state): State<ApiState>,
    Spoken(Statement { by, why }): Spoken<Statement>,
) -> Answered {
    tracing::info!(by, why, "thawed");
    switch::thaw(&state.data_dir)?;
    Ok(Json(json!({"frozen": false})))
}

pub(super) async fn frozen(State(state): State<ApiState>) -> impl IntoResponse {
    let why = switch::frozen(&state.data_dir);
    Json(json!({"frozen": why.is_some(), "why": why}))
}

/// What waits for a person, and until when.
pub(super) async fn waiting(State(state): State<ApiState>) -> Answered {
    let waiting = state.office.at_desk(|desk, _| Ok(desk.waiting())).await?;
    let told = waiting.iter().filter_map(|(seen, until)| {
        let event = seen.event.as_deref()?;
        Some(json!({
            "event_id": seen.event_id, "incident_id": seen.incident_id, "revision": event.revision,
            "evidence_digest": seen.evidence_digest, "scope": seen.scope, "policy": seen.policy,
            "reason": seen.reason.text, "explanation": event.explanation, "until": until,
        }))
    });
    Ok(Json(told.collect()))
}
