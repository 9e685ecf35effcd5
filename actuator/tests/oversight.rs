//! People and the actuator: approvals bound to evidence, rejections, and what one wrong revert costs.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

mod support;

use actuator::desk::Desk;
use actuator::inbox;
use actuator::ledger::{LEDGER_FILE, Record, read_chain};
use actuator::oversight::{approve, rearm, reject};
use contract::{Level, OutcomeStatus, RiskStatus, incident_id};
use support::{World, at, event, event_with, git, manifest};

const APPROVE: &str = "policy.scopes[0].mode=approve";
const CART: &str = "apps/cart/deployment.yaml";
const ADA: &str = "ada@sso.example";

/// Scenario: an event waits; a person approves it. Guarantees: nothing is done before; then the revert is made at the next
/// look, once, with the name of the person on it; the chain of the ledger holds.
#[test]
fn an_approval_lets_the_waiting_revert_be_made_once() {
    let world = World::new();
    let (guilty, plan) = (world.bad_deploy(), world.plan(&[APPROVE]));
    let mut desk = Desk::open(&plan, at(5)).unwrap();
    let asked = desk.handle(&event(), at(5)).unwrap().outcome.unwrap();
    assert_eq!(asked.status, OutcomeStatus::AwaitingApproval);
    assert!(desk.resume(at(6)).unwrap().is_empty());
    let answer = approve(&plan, &event().incident_id, ADA, at(60)).unwrap();
    assert_eq!(answer.code, 0, "{}", answer.text);
    assert!(
        answer.text.contains(&event().evidence_digest) && answer.text.contains("apps/cart"),
        "{}",
        answer.text
    );
    let outcomes = desk.resume(at(61)).unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!((outcomes[0].status, &outcomes[0].target), (OutcomeStatus::Acted, &guilty));
    let trailer =
        git(&world.bare, 0, &["log", "-1", "--format=%(trailers:only,key=Approved-by,valueonly)", "main"]);
    assert_eq!(trailer, ADA);
    assert!(desk.resume(at(62)).unwrap().is_empty());
    assert_eq!(approve(&plan, &event().incident_id, ADA, at(63)).unwrap().code, 3, "nothing waits any more");
    drop(desk);
    let chain = read_chain(&std::fs::read(world.data_dir().join(LEDGER_FILE)).unwrap()).unwrap();
    assert!(chain.entries.iter().any(|entry| matches!(&entry.record, Record::Word { .. })));
}

/// Scenario: the approval is given while the actuator is down, which comes back in time. Guarantees: the revert is made.
#[test]
fn an_approval_waits_for_the_actuator() {
    let world = World::new();
    let (_, plan) = (world.bad_deploy(), world.plan(&[APPROVE]));
    drop({
        let mut desk = Desk::open(&plan, at(5)).unwrap();
        desk.handle(&event(), at(5)).unwrap();
        desk
    });
    assert_eq!(approve(&plan, &event().incident_id, ADA, at(60)).unwrap().code, 0);
    let mut desk = Desk::open(&plan, at(90)).unwrap();
    let outcomes = desk.resume(at(90)).unwrap();
    assert_eq!(outcomes.iter().map(|o| o.status).collect::<Vec<_>>(), [OutcomeStatus::Acted]);
}

/// Scenario: after an event waits, newer evidence comes, once weaker and once the end of the incident; or nothing comes and the
/// approval is late. Guarantees: an approval of old evidence does nothing, and the command says so.
#[test]
fn an_approval_is_bound_to_the_evidence_and_ends() {
    for edit in [
        |e: &mut contract::RiskEvent| (e.revision, e.assessment.level) = (2, Level::Alert),
        |e: &mut contract::RiskEvent| (e.revision, e.status) = (2, RiskStatus::Resolved),
    ] {
        let world = World::new();
        world.bad_deploy();
        let (head, plan) = (world.head(), world.plan(&[APPROVE]));
        let mut desk = Desk::open(&plan, at(5)).unwrap();
        desk.handle(&event(), at(5)).unwrap();
        assert_eq!(approve(&plan, &event().incident_id, ADA, at(10)).unwrap().code, 0);
        desk.handle(&event_with(edit), at(11)).unwrap();
        assert!(desk.resume(at(12)).unwrap().is_empty());
        assert_eq!(approve(&plan, &event().incident_id, ADA, at(13)).unwrap().code, 3);
        assert_eq!(world.head(), head);
    }
    let world = World::new();
    world.bad_deploy();
    let (head, plan) = (world.head(), world.plan(&[APPROVE]));
    let mut desk = Desk::open(&plan, at(5)).unwrap();
    desk.handle(&event(), at(5)).unwrap();
    let late = approve(&plan, &event().incident_id, ADA, at(301)).unwrap();
    assert!(late.code == 3 && late.text.contains("too late"), "{}", late.text);
    assert_eq!(approve(&plan, &event().incident_id, ADA, at(299)).unwrap().code, 0);
    assert!(desk.resume(at(301)).unwrap().is_empty(), "the approval ended meanwhile");
    assert_eq!(world.head(), head);
}

/// Scenario: a person rejects; a person approves what is not there; a file in the inbox holds no word. Guarantees: the
/// rejection is told with name and reason and nothing is done; the others are told or set aside.
#[test]
fn a_rejection_is_told() {
    let world = World::new();
    world.bad_deploy();
    let (head, plan) = (world.head(), world.plan(&[APPROVE]));
    let mut desk = Desk::open(&plan, at(5)).unwrap();
    desk.handle(&event(), at(5)).unwrap();
    let unknown = approve(&plan, "nobody", ADA, at(6)).unwrap();
    assert!(unknown.code == 3 && unknown.text.contains(&event().incident_id), "{}", unknown.text);
    assert_eq!(reject(&plan, &event().incident_id, (ADA, "known load test"), at(6)).unwrap().code, 0);
    std::fs::write(world.data_dir().join("inbox/0.json"), "{").unwrap();
    let outcomes = desk.resume(at(7)).unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].status, OutcomeStatus::NotActed);
    assert!(
        outcomes[0].reason.contains("ada@sso.example rejected it: known load test"),
        "{}",
        outcomes[0].reason
    );
    assert!(desk.resume(at(8)).unwrap().is_empty());
    assert_eq!(world.head(), head);
    assert!(inbox::waiting(&world.data_dir()).unwrap().is_empty());
    assert!(world.data_dir().join("inbox/0.bad").exists());
}

/// Scenario: the actuator reverts by itself, a person takes that back, and the next bad deploy comes. Guarantees: it is not
/// reverted, the scope may only suggest from then on, also after a restart, until a person rearms it.
#[test]
fn one_wrong_revert_demotes_the_scope() {
    let world = World::new();
    world.bad_deploy();
    let plan = world.plan(&[]);
    let mut desk = Desk::open(&plan, at(5)).unwrap();
    assert_eq!(desk.handle(&event(), at(5)).unwrap().outcome.unwrap().status, OutcomeStatus::Acted);
    git(&world.person, 10, &["pull", "-q", "origin", "main"]);
    git(&world.person, 10, &["revert", "--no-edit", "HEAD"]);
    world.push();
    let next = |revision: u32, version: &str, secs: i64| {
        world.commit(CART, &manifest(version, 500), &format!("Deploy cart {version}"), secs - 20);
        event_with(|e| {
            e.incident_id = incident_id(&e.scope, at(secs), "canary_test");
            (e.revision, e.window.end) = (revision, at(secs));
            let change = e.change.as_mut().unwrap();
            (change.from, change.to, change.at) = ("1.1.0".into(), version.into(), at(secs - 10));
        })
    };
    let second = next(1, "1.2.0", 100);
    let head = world.head();
    let outcome = desk.handle(&second, at(105)).unwrap().outcome.unwrap();
    assert_eq!(outcome.status, OutcomeStatus::NotActed);
    assert!(outcome.reason.starts_with("demoted: scope shop may only suggest"), "{}", outcome.reason);
    assert_eq!(world.head(), head);
    drop(desk);

    let mut desk = Desk::open(&plan, at(200)).unwrap();
    let third = next(1, "1.3.0", 200);
    let handled = desk.handle(&third, at(205)).unwrap();
    assert_eq!(handled.reason.code, "demoted");
    assert_eq!(rearm(&plan, "shop", (ADA, "talked about it"), at(210)).unwrap().code, 0);
    let fourth = next(1, "1.4.0", 300);
    let outcome = desk.handle(&fourth, at(305)).unwrap().outcome.unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Acted, "{}", outcome.reason);
    assert_eq!(rearm(&plan, "shop", (ADA, ""), at(310)).unwrap().code, 3, "it is not demoted");
}

/// Scenario: a scope may act once a day, and two of its services fail. Guarantees: the second one is only told.
#[test]
fn a_scope_has_a_budget_of_its_own() {
    let world = World::new();
    world.bad_deploy();
    world.commit("apps/checkout/deployment.yaml", &manifest("1.1.0", 500), "Deploy checkout 1.1.0", -50);
    let plan = world.plan(&["policy.scopes[0].scope_actions_per_day=1"]);
    let mut desk = Desk::open(&plan, at(5)).unwrap();
    assert_eq!(desk.handle(&event(), at(5)).unwrap().outcome.unwrap().status, OutcomeStatus::Acted);
    let other = event_with(|e| {
        e.scope = support::scope("checkout");
        e.change.as_mut().unwrap().scope = support::scope("checkout");
        e.incident_id = incident_id(&e.scope, at(0), "canary_test");
    });
    let handled = desk.handle(&other, at(6)).unwrap();
    assert_eq!(handled.reason.code, "budget");
    assert!(handled.reason.text.contains("scope shop"), "{}", handled.reason.text);
}
