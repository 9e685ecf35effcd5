//! Whether a word of a person still means something. Pure: the view of the ledger and a time in, an answer out.

use contract::{RiskEvent, Timestamp, revision_id};
use serde_json::json;

use super::{Accepted, Ask, Refusal, Said};
use crate::inbox::Word;
use crate::ledger::{LedgerView, Seen};

/// Characters of a name, and of a reason.
const NAME_MAX: usize = 128;
const WHY_MAX: usize = 1000;
/// Ids that a refusal names.
const NAMED_MAX: usize = 10;

type Decided<T> = Result<T, Refusal>;

impl Said {
    /// Holds it against what the ledger knows. An approval holds until the window of its event ended `fresh_secs` ago.
    ///
    /// # Errors
    /// [`Refusal`] for what means nothing, or nothing any more.
    pub fn decide(&self, view: &LedgerView, fresh_secs: u64, now: Timestamp) -> Decided<Accepted> {
        match self {
            Self::Approve(ask) => approve(view, ask, fresh_secs, now),
            Self::Reject { ask, why } => reject(view, ask, why),
            Self::Rearm { scope, by, why } => rearm(view, scope, (by, why)),
        }
    }
}

/// When an approval of an event ends.
pub(crate) fn holds_until(event: &RiskEvent, fresh_secs: u64) -> Timestamp {
    let fresh_nanos = i64::try_from(fresh_secs).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    Timestamp::from_unix_nanos(event.window.end.unix_nanos().saturating_add(fresh_nanos))
}

fn approve(view: &LedgerView, ask: &Ask, fresh_secs: u64, now: Timestamp) -> Decided<Accepted> {
    check_name(&ask.by)?;
    let (seen, event) = find(view, ask)?;
    let until = holds_until(event, fresh_secs);
    if now >= until {
        let (end, incident) = (event.window.end, &seen.incident_id);
        return Err(Refusal::new(
            "too_late",
            format!("too late: the window ended at {end}, limits.max_event_age_secs is {fresh_secs}"),
            format!("if incident {incident} goes on, approve its next revision, or revert by hand"),
        ));
    }
    let Seen { event_id, incident_id, evidence_digest, reason, .. } = seen;
    let (by, revision) = (&ask.by, event.revision);
    let text = format!(
        "approved by {by} until {until}: incident {incident_id}, revision {revision}\n  {}\n  on evidence {evidence_digest}: {}",
        reason.text, event.explanation
    );
    let document = json!({
        "ok": true, "event_id": event_id, "incident_id": incident_id, "revision": revision,
        "evidence_digest": evidence_digest, "by": by, "until": until,
    });
    let word = Word::Approve {
        incident_id: incident_id.clone(),
        evidence_digest: evidence_digest.clone(),
        by: by.clone(),
        until,
        revision,
    };
    Ok(Accepted { word, document, text })
}

fn reject(view: &LedgerView, ask: &Ask, why: &str) -> Decided<Accepted> {
    check_name(&ask.by)?;
    check_why(why)?;
    let (Seen { event_id, incident_id, evidence_digest, .. }, event) = find(view, ask)?;
    let (by, revision) = (&ask.by, event.revision);
    let text = format!("rejected by {by}: incident {incident_id}, revision {revision}");
    let document = json!({
        "ok": true, "event_id": event_id, "incident_id": incident_id, "revision": revision,
        "evidence_digest": evidence_digest, "by": by,
    });
    let word = Word::Reject {
        incident_id: incident_id.clone(),
        evidence_digest: evidence_digest.clone(),
        by: by.clone(),
        why: why.to_owned(),
        revision,
    };
    Ok(Accepted { word, document, text })
}

fn rearm(view: &LedgerView, scope: &str, (by, why): (&str, &str)) -> Decided<Accepted> {
    check_name(by)?;
    check_why(why)?;
    let Some(demoted) = view.demoted(scope) else {
        let fault = format!("scope {scope} is not demoted");
        return Err(Refusal::new(
            "not_demoted",
            fault,
            "nothing is to be done, its mode in the policy holds",
        ));
    };
    let text = format!("scope {scope} may act again, says {by}; it was demoted because {demoted}");
    let document = json!({"ok": true, "scope": scope, "by": by});
    let word = Word::Rearm { scope: scope.to_owned(), by: by.to_owned(), why: why.to_owned() };
    Ok(Accepted { word, document, text })
}

/// What waits under the id, or why nothing does.
fn find<'a>(view: &'a LedgerView, ask: &Ask) -> Decided<(&'a Seen, &'a RiskEvent)> {
    let id = &ask.id;
    let mut kept = view.waiting().filter_map(|seen| Some((seen, &**seen.event.as_ref()?)));
    let found = kept.find(|(seen, _)| seen.event_id == *id || seen.incident_id == *id);
    let Some((seen, event)) = found else { return Err(missing(view, id)) };
    match &ask.evidence_digest {
        Some(looked_at) if *looked_at != seen.evidence_digest => {
            Err(newer(event, seen, &format!("the evidence {looked_at} is not what waits")))
        }
        _ => Ok((seen, event)),
    }
}

/// Newer evidence took the place of what the person looked at.
fn newer(event: &RiskEvent, seen: &Seen, fault: &str) -> Refusal {
    let Seen { event_id, evidence_digest, .. } = seen;
    let way_out = format!(
        "look at revision {}, event {event_id} with evidence {evidence_digest}, and speak about that",
        event.revision
    );
    Refusal::new("old_revision", format!("newer evidence took its place: {fault}"), way_out)
}

fn missing(view: &LedgerView, id: &str) -> Refusal {
    for seen in view.waiting() {
        let Some(event) = &seen.event else { continue };
        let earlier = (1..event.revision).find(|earlier| revision_id(&seen.incident_id, *earlier) == *id);
        if let Some(earlier) = earlier {
            let fault = format!("event {id} is revision {earlier} of incident {}", seen.incident_id);
            return newer(event, seen, &fault);
        }
    }
    let waiting: Vec<&str> = view.waiting().map(|seen| seen.incident_id.as_str()).collect();
    let way_out = match waiting.len() {
        0 => "nothing waits".to_owned(),
        n if n > NAMED_MAX => format!("{n} incidents wait, the first: {}", waiting[..NAMED_MAX].join(", ")),
        _ => format!("waiting: {}", waiting.join(", ")),
    };
    if let Some(done) = view.finished_action(id) {
        return Refusal::new("done", format!("incident {id} is settled: {done}"), way_out);
    }
    if view.has_seen(id) {
        let fault = format!("event {id} does not wait, or not any more: it was answered, or newer came");
        return Refusal::new("not_waiting", fault, way_out);
    }
    Refusal::new("unknown", format!("no event {id} waits for an approval"), way_out)
}

/// A name stands on one line of a commit.
fn check_name(by: &str) -> Decided<()> {
    let fine = !by.trim().is_empty() && by.chars().count() <= NAME_MAX && !by.chars().any(char::is_control);
    let fault = || format!("by is {by:?}, must be 1 to {NAME_MAX} characters on one line");
    let way_out = "say who you are, as in ada@sso.example";
    if fine { Ok(()) } else { Err(Refusal::new("invalid", fault(), way_out)) }
}

fn check_why(why: &str) -> Decided<()> {
    let n = why.chars().count();
    if n <= WHY_MAX {
        return Ok(());
    }
    let fault = format!("why has {n} characters, must have at most {WHY_MAX}");
    Err(Refusal::new("invalid", fault, "say it in fewer words"))
}
