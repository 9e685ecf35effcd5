//! What is told about an event: whose it is, and the outcome in the words of the contract. Pure.

use contract::{Outcome, OutcomeStatus, RiskEvent, Scope, Timestamp, content_id, revision_id};
use git2::Oid;

use crate::act::GIT_REVERT;
use crate::ledger::Seen;
use crate::policy::Reason;

/// Whose desired state is concerned: that of the changed service, which need not be the one that suffers.
pub(super) fn subject_scope(event: &RiskEvent) -> &Scope {
    event.change.as_ref().map_or(&event.scope, |change| &change.scope)
}

pub(super) fn done_before(
    subject: &Subject,
    (target, commit): (&str, Oid),
    by_event: Option<&str>,
    now: Timestamp,
) -> Outcome {
    let ours = by_event == Some(subject.event_id.as_str());
    let (status, reason) = if ours {
        (
            OutcomeStatus::Acted,
            Reason::new("recovered", "the revert was on the branch already when the work went on"),
        )
    } else {
        (
            OutcomeStatus::AlreadyDone,
            Reason::new("already_done", format!("{commit} on the branch is the remedy already")),
        )
    };
    Report { target, status, reason: &reason, commit: Some(commit) }.outcome(subject, now)
}

/// Which event of which incident of whom.
pub(super) struct Subject {
    pub(super) event_id: String,
    pub(super) incident_id: String,
    pub(super) scope: Scope,
}

impl Subject {
    pub(super) fn of_event(event: &RiskEvent) -> Self {
        let event_id = revision_id(&event.incident_id, event.revision);
        Self { event_id, incident_id: event.incident_id.clone(), scope: subject_scope(event).clone() }
    }

    pub(super) fn of_seen(seen: &Seen) -> Self {
        let Seen { event_id, incident_id, scope, .. } = seen.clone();
        Self { event_id, incident_id, scope }
    }
}

pub(super) struct Report<'a> {
    pub(super) target: &'a str,
    pub(super) status: OutcomeStatus,
    pub(super) reason: &'a Reason,
    pub(super) commit: Option<Oid>,
}

impl Report<'_> {
    pub(super) fn outcome(&self, subject: &Subject, now: Timestamp) -> Outcome {
        let status = serde_json::to_string(&self.status).unwrap_or_default();
        let parts = ["outcome", &subject.incident_id, GIT_REVERT, self.target, &status];
        Outcome {
            schema_version: contract::OUTCOME_SCHEMA_VERSION.to_owned(),
            id: content_id(&parts),
            incident_id: subject.incident_id.clone(),
            event_id: subject.event_id.clone(),
            action: GIT_REVERT.to_owned(),
            target: self.target.to_owned(),
            status: self.status,
            reason: format!("{}: {}", self.reason.code, self.reason.text),
            commit: self.commit.map(|commit| commit.to_string()),
            at: now,
            scope: subject.scope.clone(),
        }
    }
}
