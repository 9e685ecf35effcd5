//! Decisions as tables: one event, one past, one reading of the clock, one answer.

use contract::{
    Assessment, Change, ChangeKind, Level, Origin, Outcome, OutcomeStatus, Recommendation, RemedyKind,
    RiskEvent, RiskStatus, Rule, Scope, Timestamp, Window,
};

use super::*;
use crate::config::read_texts;
use crate::ledger::{Entry, LedgerView, Record};

const POLICY: &str = "
policy:
  scopes:
    - {name: quiet, match: {service: quiet-*}, mode: observe}
    - {name: hint, match: {service: hint}, mode: suggest, repository: /r.git, path: 'apps/{service}'}
    - {name: ask, match: {service: ask}, mode: approve, repository: /r.git, path: 'apps/{service}'}
    - name: shop
      match: {namespace: shop, service: '*'}
      mode: auto
      repository: /r.git
      path: 'apps/{environment}/{service}'
      freeze:
        - {days: [sat, sun], from: '00:00', until: '23:59'}
        - {days: [fri], from: '22:00', until: '06:00'}
        - {from: 2026-12-20T00:00:00Z, until: 2027-01-04T00:00:00Z}
";

fn rules() -> Rules {
    read_texts(&[("policy.yaml".to_owned(), POLICY.to_owned())], &[]).unwrap().rules
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A Tuesday.
fn now() -> Timestamp {
    time("2026-11-24T08:00:05Z")
}

fn event(now: Timestamp, edit: impl FnOnce(&mut RiskEvent)) -> RiskEvent {
    let scope = Scope {
        tenant: "default".into(),
        environment: "prod".into(),
        namespace: "shop".into(),
        service: "cart".into(),
        ..Scope::default()
    };
    let end = Timestamp::from_unix_nanos(now.unix_nanos() - 5_000_000_000);
    let change = Change {
        id: "c".into(),
        kind: ChangeKind::Deploy,
        from: "1".into(),
        to: "2".into(),
        commit: None,
        at: end,
        author: None,
        scope: scope.clone(),
    };
    let mut event = RiskEvent {
        schema_version: "1".into(),
        incident_id: "incident".into(),
        revision: 1,
        status: RiskStatus::Opened,
        origin: Origin::Live,
        scope,
        window: Window { start: end, end },
        change: Some(change),
        assessment: Assessment {
            failure_probability: 1.0,
            severity: 1.0,
            impact: 1.0,
            risk: 1.0,
            level: Level::Act,
            confidence: 0.9,
            maturity: 1.0,
        },
        evidence: vec![],
        counter_evidence: vec![],
        causes: vec![],
        similar: vec![],
        family: None,
        forecast: None,
        recommended: vec![Recommendation {
            action: RemedyKind::GitRevert,
            target: "2".into(),
            reason: String::new(),
            reversible: true,
        }],
        rule: Rule { name: "r".into(), version: 1 },
        capsule: None,
        evidence_digest: String::new(),
        explanation: String::new(),
    };
    edit(&mut event);
    event
}

fn service(event: &mut RiskEvent, name: &str) {
    event.scope.service = name.into();
    event.change.as_mut().unwrap().scope.service = name.into();
}

/// The kind of decision and the word of its reason.
fn answer(event: &RiskEvent, past: &LedgerView, now: Timestamp) -> String {
    match decide(event, past, now, &rules()) {
        Decision::Ignore(reason) => format!("ignore {}", reason.code),
        Decision::Notify(reason) => format!("notify {}", reason.code),
        Decision::Await(reason) => format!("await {}", reason.code),
        Decision::Act(plan) => format!("act {} {}", plan.rule.name, plan.path),
    }
}

/// Scenario: the usual event with one thing different each time. Guarantees: the answer that a person would expect.
#[test]
fn every_difference_has_its_answer() {
    let check = |expected: &str, edit: fn(&mut RiskEvent)| {
        assert_eq!(answer(&event(now(), edit), &LedgerView::default(), now()), expected);
    };
    check("act shop apps/prod/cart", |_| {});
    check("act shop apps/prod/cart", |e| e.change.as_mut().unwrap().kind = ChangeKind::Config);
    check("ignore not_live", |e| e.origin = Origin::Replay);
    check("ignore not_live", |e| e.origin = Origin::Shadow);
    check("ignore stale", |e| e.window.end = time("2026-11-24T07:55:04Z"));
    check("act shop apps/prod/cart", |e| e.window.end = time("2026-11-24T07:55:05Z"));
    check("ignore future", |e| e.window.end = time("2026-11-24T08:01:06Z"));
    check("ignore resolved", |e| e.status = RiskStatus::Resolved);
    check("ignore level", |e| e.assessment.level = Level::Alert);
    check("ignore level", |e| e.assessment.level = Level::Monitor);
    check("ignore tenant", |e| e.change.as_mut().unwrap().scope.tenant = "other".into());
    check("ignore unknown_scope", |e| e.change.as_mut().unwrap().scope.namespace = "bank".into());
    check("notify observe", |e| service(e, "quiet-one"));
    check("notify suggest", |e| service(e, "hint"));
    check("await approve", |e| service(e, "ask"));
    check("notify no_change", |e| e.change = None);
    check("notify change_kind", |e| e.change.as_mut().unwrap().kind = ChangeKind::Rollback);
    check("notify change_kind", |e| e.change.as_mut().unwrap().kind = ChangeKind::Scale);
    check("notify not_recommended", |e| e.recommended.clear());
    check("notify confidence", |e| e.assessment.confidence = 0.79);
    check("notify confidence", |e| e.assessment.confidence = f64::NAN);
    check("notify path", |e| service(e, ".."));
    check("notify path", |e| service(e, "a/../../b"));
    check("notify path", |e| service(e, ""));
}

fn past(outcomes: &[(&str, OutcomeStatus, &str)]) -> LedgerView {
    let mut view = LedgerView::default();
    for (idx, (incident_id, status, at)) in outcomes.iter().enumerate() {
        let outcome = Outcome {
            schema_version: "1".into(),
            id: idx.to_string(),
            incident_id: (*incident_id).into(),
            event_id: "e".into(),
            action: "git_revert".into(),
            target: String::new(),
            status: *status,
            reason: "reverted".into(),
            commit: None,
            at: time(at),
            scope: event(now(), |_| {}).scope,
        };
        let record = Record::Outcome { outcome: Box::new(outcome) };
        view.apply(&Entry { seq: idx as u64 + 1, at: time(at), prev: String::new(), record });
    }
    view
}

/// Scenario: actions of the past at several distances. Guarantees: cool-down, budget and once per incident, at their exact
/// ends; what was not done does not count.
#[test]
fn the_past_holds_back() {
    use OutcomeStatus::{Acted, AlreadyDone, Failed, NotActed};
    let check = |expected: &str, outcomes: &[(&str, OutcomeStatus, &str)]| {
        assert_eq!(answer(&event(now(), |_| {}), &past(outcomes), now()), expected, "{outcomes:?}");
    };
    let acts = "act shop apps/prod/cart";
    check("ignore already_acted", &[("incident", Acted, "2026-11-01T00:00:00Z")]);
    check("ignore already_acted", &[("incident", AlreadyDone, "2026-11-01T00:00:00Z")]);
    check(
        acts,
        &[("incident", Failed, "2026-11-24T08:00:00Z"), ("incident", NotActed, "2026-11-24T08:00:00Z")],
    );
    check("notify cool_down", &[("other", Acted, "2026-11-24T07:30:06Z")]);
    check(acts, &[("other", Acted, "2026-11-24T07:30:05Z")]);
    let day = ["2026-11-23T08:00:06Z", "2026-11-23T12:00:00Z", "2026-11-24T00:00:00Z"];
    check("notify budget", &[("a", Acted, day[0]), ("b", Acted, day[1]), ("c", Acted, day[2])]);
    check(acts, &[("a", Acted, "2026-11-23T08:00:05Z"), ("b", Acted, day[1]), ("c", Acted, day[2])]);
}

/// Scenario: instants around the ends of weekly, overnight and absolute freeze windows. Guarantees: held inside, free
/// outside.
#[test]
fn freeze_windows_hold() {
    let check = |held: bool, text: &str| {
        let expected = if held { "notify freeze_window" } else { "act shop apps/prod/cart" };
        assert_eq!(
            answer(&event(time(text), |_| {}), &LedgerView::default(), time(text)),
            expected,
            "{text}"
        );
    };
    check(false, "2026-11-27T21:59:59Z");
    check(true, "2026-11-27T22:00:00Z");
    check(true, "2026-11-28T05:59:59Z");
    check(true, "2026-11-29T12:00:00Z");
    check(false, "2026-11-30T00:00:00Z");
    check(false, "2026-12-18T12:00:00Z");
    check(true, "2026-12-22T12:00:00Z");
    check(false, "2027-01-04T00:00:00Z");
}

proptest::proptest! {
    /// Scenario: any service name from outside. Guarantees: a path that is filled in never leaves the template's folder.
    #[test]
    fn no_name_leaves_the_folder(name in ".{0,20}") {
        let event = event(now(), |e| service(e, &name));
        if let Decision::Act(plan) = decide(&event, &LedgerView::default(), now(), &rules()) {
            proptest::prop_assert_eq!(&plan.path, &format!("apps/prod/{name}"));
            proptest::prop_assert!(!plan.path.split('/').any(|part| part.is_empty() || part == "." || part == ".."));
        }
    }
}
