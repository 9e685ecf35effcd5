//! What people tell the actuator: approve, reject, rearm; from the command line and over the API.
//!
//! One way for both: what is said is held against the ledger ([`Said::decide`]), put into the inbox, and from there into
//! the ledger. Promises: an approval is bound to the evidence that the person was shown, and ends with the event's
//! freshness; a word that means nothing any more is refused, with the fault and the way out. What it does not do: act;
//! the running actuator does, within a second.

mod decide;
mod said;

pub(crate) use decide::holds_until;
pub use said::{Accepted, Ask, Refusal, Said};

use contract::Timestamp;
use serde_json::{Value, json};

use crate::config::Plan;
use crate::error::{ActuatorError, Result};
use crate::inbox;
use crate::ledger::{LedgerView, read_ledger};

/// What a command answers: exit code, document, and the same in words.
#[derive(Debug)]
pub struct Answer {
    /// 0 fine, 3 no.
    pub code: u8,
    /// For `--json`.
    pub document: Value,
    /// For people.
    pub text: String,
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

/// Says it by a file, so that it arrives whether the actuator runs or not.
///
/// # Errors
/// What the disk says, or a broken ledger.
pub fn say(plan: &Plan, said: &Said, now: Timestamp) -> Result<Answer> {
    Ok(match said.decide(&view(plan)?, plan.rules.max_event_age_secs, now) {
        Ok(Accepted { word, document, text }) => {
            inbox::put(&plan.data_dir, &word, now)?;
            Answer { code: 0, document, text }
        }
        Err(Refusal { code, why, way_out }) => Answer {
            code: 3,
            document: json!({"ok": false, "code": code, "why": why, "way_out": way_out}),
            text: format!("{why}; {way_out}"),
        },
    })
}

/// Approves the remedy that waits under an id.
///
/// # Errors
/// As [`say`].
pub fn approve(plan: &Plan, id: &str, by: &str, now: Timestamp) -> Result<Answer> {
    say(plan, &Said::Approve(Ask::new(id, by)), now)
}

/// Rejects the remedy that waits under an id.
///
/// # Errors
/// As [`say`].
pub fn reject(plan: &Plan, id: &str, (by, why): (&str, &str), now: Timestamp) -> Result<Answer> {
    say(plan, &Said::Reject { ask: Ask::new(id, by), why: why.to_owned() }, now)
}

/// Lets a scope that was demoted act by itself again.
///
/// # Errors
/// As [`say`].
pub fn rearm(plan: &Plan, scope: &str, (by, why): (&str, &str), now: Timestamp) -> Result<Answer> {
    let (scope, by, why) = (scope.to_owned(), by.to_owned(), why.to_owned());
    say(plan, &Said::Rearm { scope, by, why }, now)
}
