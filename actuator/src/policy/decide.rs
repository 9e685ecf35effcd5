//! From event to decision. The order of the questions is the order in which a person would ask them.

use contract::{ChangeKind, Level, Origin, RemedyKind, RiskEvent, RiskStatus, Scope, Timestamp, revision_id};

use super::guard;
use super::rules::{Mode, Rules, ScopeRule, path_for};
use crate::ledger::LedgerView;

/// Why, as a word for counters and as a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reason {
    /// Stable word.
    pub code: String,
    /// Sentence.
    pub text: String,
}

impl Reason {
    pub(crate) fn new(code: &str, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into() }
    }
}

/// What to revert, and within which limits.
#[derive(Debug, Clone, PartialEq)]
pub struct RevertPlan {
    /// The policy's scope that allows it.
    pub rule: ScopeRule,
    /// The path, filled in for this service.
    pub path: String,
    /// Whose desired state it is.
    pub scope: Scope,
    /// Who approved it, if somebody had to.
    pub approved_by: Option<String>,
}

/// What is done about one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Nothing, and nobody needs to know.
    Ignore(Reason),
    /// Nothing, and the engine is told.
    Notify(Reason),
    /// Waits for a person.
    Await(Reason),
    /// The revert.
    Act(Box<RevertPlan>),
}

/// Decides about an event that arrived.
#[must_use]
pub fn decide(event: &RiskEvent, past: &LedgerView, now: Timestamp, rules: &Rules) -> Decision {
    let id = revision_id(&event.incident_id, event.revision);
    if past.has_seen(&id) {
        return Decision::Ignore(Reason::new("duplicate", format!("event {id} is in the ledger already")));
    }
    judge(event, past, now, rules)
}

/// Decides again about an event whose handling was interrupted.
#[must_use]
pub fn judge(event: &RiskEvent, past: &LedgerView, now: Timestamp, rules: &Rules) -> Decision {
    if let Some(reason) = not_for_us(event, past, now, rules) {
        return Decision::Ignore(reason);
    }
    let scope = event.change.as_ref().map_or(&event.scope, |change| &change.scope);
    let Some(rule) = rules.rule_for(scope) else {
        return Decision::Ignore(Reason::new(
            "unknown_scope",
            format!("no scope of the policy covers {scope}"),
        ));
    };
    if rule.mode == Mode::Observe {
        let text = format!("scope {} is in mode observe", rule.name);
        return Decision::Notify(Reason::new("observe", text));
    }
    if let Some(reason) = not_revertible(event) {
        return Decision::Notify(reason);
    }
    let Some(path) = path_for(&rule.path, scope) else {
        let text = format!("{scope} cannot be filled into the path {}", rule.path);
        return Decision::Notify(Reason::new("path", text));
    };
    if let Some(reason) = guard::check(event, &guard::Subject { rule, scope }, past, now) {
        return Decision::Notify(reason);
    }
    by_mode(
        event,
        rule,
        RevertPlan { rule: rule.clone(), path, scope: scope.clone(), approved_by: None },
        past,
        now,
    )
}

fn by_mode(
    event: &RiskEvent,
    rule: &ScopeRule,
    plan: RevertPlan,
    past: &LedgerView,
    now: Timestamp,
) -> Decision {
    let what = format!("the commit behind {} on {} of {}", plan.path, rule.branch, rule.repository);
    match rule.mode {
        Mode::Auto => match past.demoted(&rule.name) {
            None => Decision::Act(Box::new(plan)),
            Some(why) => {
                let text = format!("would revert {what}; scope {} may only suggest: {why}", rule.name);
                Decision::Notify(Reason::new("demoted", text))
            }
        },
        Mode::Approve if past.rejection(&event.incident_id, &event.evidence_digest).is_some() => {
            let why = past.rejection(&event.incident_id, &event.evidence_digest).unwrap_or_default();
            Decision::Notify(Reason::new("rejected", why))
        }
        Mode::Approve => match past.approval(&event.incident_id, &event.evidence_digest, now) {
            Some(by) => Decision::Act(Box::new(RevertPlan { approved_by: Some(by), ..plan })),
            None => {
                Decision::Await(Reason::new("approve", format!("would revert {what}; waits for an approval")))
            }
        },
        _ => Decision::Notify(Reason::new(
            "suggest",
            format!("would revert {what}; mode is {:?}", rule.mode).to_lowercase(),
        )),
    }
}

/// Reasons for which the event asks nothing of us.
fn not_for_us(event: &RiskEvent, past: &LedgerView, now: Timestamp, rules: &Rules) -> Option<Reason> {
    if event.origin != Origin::Live {
        return Some(Reason::new(
            "not_live",
            "only events of live telemetry are acted on, this is a replay or a trial",
        ));
    }
    let age_secs = now.secs_since(event.window.end);
    if age_secs > rules.max_event_age_secs as f64 {
        let limit = rules.max_event_age_secs;
        return Some(Reason::new(
            "stale",
            format!("the window ended {age_secs:.0} s ago, limit is {limit} s"),
        ));
    }
    if -age_secs > rules.max_clock_skew_secs as f64 {
        let (ahead, limit) = (-age_secs, rules.max_clock_skew_secs);
        return Some(Reason::new(
            "future",
            format!("the window ends {ahead:.0} s in the future, limit is {limit} s"),
        ));
    }
    if event.status == RiskStatus::Resolved {
        return Some(Reason::new("resolved", "the incident is resolved"));
    }
    if event.assessment.level != Level::Act {
        return Some(Reason::new(
            "level",
            format!("level is {:?}, only act is acted on", event.assessment.level),
        ));
    }
    if event.change.as_ref().is_some_and(|change| change.scope.tenant != event.scope.tenant) {
        return Some(Reason::new("tenant", "the change belongs to another tenant than the event"));
    }
    let done = past.finished_action(&event.incident_id)?;
    Some(Reason::new("already_acted", format!("incident was acted on already: {done}")))
}

/// Reasons for which the event asks for something that is no revert.
fn not_revertible(event: &RiskEvent) -> Option<Reason> {
    let Some(change) = &event.change else {
        return Some(Reason::new("no_change", "no change is suspected, so there is nothing to revert"));
    };
    if !matches!(change.kind, ChangeKind::Deploy | ChangeKind::Config) {
        let text = format!("a change of kind {:?} is not healed by a revert", change.kind);
        return Some(Reason::new("change_kind", text));
    }
    let asked = event.recommended.iter().any(|remedy| remedy.action == RemedyKind::GitRevert);
    (!asked).then(|| Reason::new("not_recommended", "the event does not recommend a git revert"))
}
