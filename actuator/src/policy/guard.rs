//! What may hold back an action that is wanted and possible.

use contract::{RiskEvent, Scope, Timestamp};

use super::decide::Reason;
use super::rules::ScopeRule;
use crate::ledger::LedgerView;

const DAY_SECS: u64 = 86_400;

/// Who is asked about.
pub(super) struct Subject<'a> {
    pub(super) rule: &'a ScopeRule,
    pub(super) scope: &'a Scope,
}

/// The first guard that says no.
pub(super) fn check(
    event: &RiskEvent,
    subject: &Subject<'_>,
    past: &LedgerView,
    now: Timestamp,
) -> Option<Reason> {
    confidence(event, subject.rule)
        .or_else(|| switched_off(subject.rule, past, now))
        .or_else(|| cool_down(subject, past, now))
        .or_else(|| budget(subject, past, now))
}

fn confidence(event: &RiskEvent, rule: &ScopeRule) -> Option<Reason> {
    let (given, floor) = (event.assessment.confidence, rule.min_confidence);
    // Written so that a confidence that is no number is refused.
    let enough = given >= floor;
    (!enough).then(|| {
        Reason::new("confidence", format!("confidence is {given}, scope {} asks for {floor}", rule.name))
    })
}

fn switched_off(rule: &ScopeRule, past: &LedgerView, now: Timestamp) -> Option<Reason> {
    if let Some(why) = past.frozen() {
        return Some(Reason::new("frozen", format!("all actions are frozen: {why}")));
    }
    let held = rule.freeze.iter().any(|window| window.holds(now));
    held.then(|| Reason::new("freeze_window", format!("scope {} has a freeze window now", rule.name)))
}

fn cool_down(subject: &Subject<'_>, past: &LedgerView, now: Timestamp) -> Option<Reason> {
    let limit = subject.rule.cool_down_secs;
    let since = past.actions_within(&subject.scope.key(), now, limit).last()?;
    let passed = now.secs_since(since);
    Some(Reason::new(
        "cool_down",
        format!("the last action here was {passed:.0} s ago, cool-down is {limit} s"),
    ))
}

fn budget(subject: &Subject<'_>, past: &LedgerView, now: Timestamp) -> Option<Reason> {
    let limit = subject.rule.max_actions_per_day as usize;
    let spent = past.actions_within(&subject.scope.key(), now, DAY_SECS).count();
    if spent >= limit {
        return Some(Reason::new("budget", format!("{spent} actions here in 24 hours, limit is {limit}")));
    }
    let (name, limit) = (&subject.rule.name, subject.rule.scope_actions_per_day as usize);
    let spent = past.n_acted(name, now, DAY_SECS);
    (spent >= limit).then(|| {
        Reason::new("budget", format!("{spent} actions of scope {name} in 24 hours, limit is {limit}"))
    })
}
