//! What people tell the actuator from the command line: approve, reject, rearm.
//!
//! Promises: an approval is bound to the evidence that the person was shown, and ends with the event's freshness. What it
//! does not do: act; the running actuator does, within a second.

use contract::Timestamp;
use serde_json::{Value, json};

use crate::config::Plan;
use crate::error::{ActuatorError, Result};
use crate::inbox::{self, Word};
use crate::ledger::{LedgerView, Seen, read_ledger};

/// What a command answers: exit code, document, and the same in words.
pub struct Answer {
    /// 0 fine, 3 no.
    pub code: u8,
    /// For `--json`.
    pub document: Value,
    /// For people.
    pub text: String,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("code", &self.code).field("text", &self.text).finish_non_exhaustive()
    }
}

fn no(text: String) -> Answer {
    Answer { code: 3, document: json!({"ok": false, "why": text}), text }
}

/// What the ledger on disk knows, while another process may be writing it.
fn view(plan: &Plan) -> Result<LedgerView> {
    let mut view = LedgerView::default();
    match read_ledger(&plan.data_dir) {
        // nothing was written yet
        Err(ActuatorError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
        read => read?.entries.iter().for_each(|entry| view.apply(entry)),
    }
    Ok(view)
}

/// The event that waits under this id of an event or incident.
fn find(view: &LedgerView, id: &str) -> std::result::Result<Seen, Answer> {
    let found = view.waiting().find(|seen| seen.event_id == id || seen.incident_id == id);
    found.cloned().ok_or_else(|| {
        let waiting: Vec<&str> = view.waiting().map(|seen| seen.incident_id.as_str()).collect();
        let list = if waiting.is_empty() {
            "nothing waits".to_owned()
        } else {
            format!("waiting: {}", waiting.join(", "))
        };
        no(format!("no event {id} waits for an approval (newer evidence takes the place of older); {list}"))
    })
}

/// Approves the remedy that waits under an id.
///
/// # Errors
/// What the disk says, or a broken ledger.
pub fn approve(plan: &Plan, id: &str, by: &str, now: Timestamp) -> Result<Answer> {
    let seen = match find(&view(plan)?, id) {
        Ok(seen) => seen,
        Err(answer) => return Ok(answer),
    };
    let Some(event) = &seen.event else { return Ok(no(format!("event {id} is not kept"))) };
    let fresh_nanos =
        i64::try_from(plan.rules.max_event_age_secs).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    let until = Timestamp::from_unix_nanos(event.window.end.unix_nanos().saturating_add(fresh_nanos));
    if now >= until {
        let limit = plan.rules.max_event_age_secs;
        return Ok(no(format!(
            "too late: the window ended at {}, limits.max_event_age_secs is {limit}",
            event.window.end
        )));
    }
    let Seen { incident_id, evidence_digest, reason, .. } = seen;
    let word = Word::Approve {
        incident_id: incident_id.clone(),
        evidence_digest: evidence_digest.clone(),
        by: by.to_owned(),
        until,
    };
    inbox::put(&plan.data_dir, &word, now)?;
    let document =
        json!({"ok": true, "incident_id": incident_id, "evidence_digest": evidence_digest, "until": until});
    let text = format!(
        "approved by {by} until {until}: incident {incident_id}\n  {}\n  on evidence {evidence_digest}: {}",
        reason.text, event.explanation
    );
    Ok(Answer { code: 0, document, text })
}

/// Rejects the remedy that waits under an id.
///
/// # Errors
/// As [`approve`].
pub fn reject(plan: &Plan, id: &str, (by, why): (&str, &str), now: Timestamp) -> Result<Answer> {
    let seen = match find(&view(plan)?, id) {
        Ok(seen) => seen,
        Err(answer) => return Ok(answer),
    };
    let Seen { incident_id, evidence_digest, .. } = seen;
    let (by, why) = (by.to_owned(), why.to_owned());
    let text = format!("rejected by {by}: incident {incident_id}");
    let document = json!({"ok": true, "incident_id": incident_id, "evidence_digest": evidence_digest});
    inbox::put(&plan.data_dir, &Word::Reject { incident_id, evidence_digest, by, why }, now)?;
    Ok(Answer { code: 0, document, text })
}

/// Lets a scope that was demoted act by itself again.
///
/// # Errors
/// As [`approve`].
pub fn rearm(plan: &Plan, scope: &str, (by, why): (&str, &str), now: Timestamp) -> Result<Answer> {
    let view = view(plan)?;
    let Some(demoted) = view.demoted(scope) else {
        return Ok(no(format!("scope {scope} is not demoted")));
    };
    let text = format!("scope {scope} may act again, says {by}; it was demoted because {demoted}");
    let word = Word::Rearm { scope: scope.to_owned(), by: by.to_owned(), why: why.to_owned() };
    inbox::put(&plan.data_dir, &word, now)?;
    Ok(Answer { code: 0, document: json!({"ok": true, "scope": scope}), text })
}
