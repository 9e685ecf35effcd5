//! Every rule of the git revert, on real repositories.

mod support;

use actuator::desk::Desk;
use contract::{ChangeKind, Outcome, OutcomeStatus, RiskEvent, incident_id, revision_id};
use support::{World, at, event, event_with, git, manifest, scope};

const CART: &str = "apps/cart/deployment.yaml";

fn handle_with(world: &World, overrides: &[&str], event: &RiskEvent) -> Option<Outcome> {
    let mut desk = Desk::open(&world.plan(overrides), at(5)).unwrap();
    desk.handle(event, at(5)).unwrap().outcome
}

fn handle(world: &World, event: &RiskEvent) -> Outcome {
    handle_with(world, &[], event).expect("an outcome")
}

/// Handles an event that must be refused for a reason, and that must leave the branch alone.
fn refuses(world: &World, event: &RiskEvent, code: &str) -> Outcome {
    let head = world.head();
    let outcome = handle(world, event);
    assert_eq!(outcome.status, OutcomeStatus::Failed, "{}", outcome.reason);
    assert!(outcome.reason.starts_with(&format!("{code}: ")), "{}", outcome.reason);
    assert_eq!(world.head(), head, "the branch did not move");
    outcome
}

/// Scenario: a bad version is on the branch, and the event names the version. Guarantees: exactly that commit is
/// reverted by one commit on top, dated by the given clock, with all trailers.
#[test]
fn the_commit_that_introduced_the_version_is_reverted() {
    let world = World::new();
    let guilty = world.bad_deploy();
    let event = event();
    let outcome = handle(&world, &event);
    assert_eq!(outcome.status, OutcomeStatus::Acted, "{}", outcome.reason);
    assert_eq!(outcome.target, guilty);
    assert_eq!(outcome.commit.as_deref(), Some(world.head().as_str()));
    assert_eq!(world.file(CART), manifest("1.0.0", 500).trim());
    assert_eq!(git(&world.bare, 0, &["rev-parse", "main^"]), guilty, "on top, without force");
    assert_eq!(
        git(&world.bare, 0, &["log", "-1", "--format=%ct %an", "main"]),
        "1795507205 bellwether-actuator"
    );
    let trailers = git(&world.bare, 0, &["log", "-1", "--format=%(trailers:only)", "main"]);
    let policy = format!("Policy: shop@{}", world.plan(&[]).rules.revision);
    let expected = [
        format!("Risk-Event: {}", revision_id(&event.incident_id, 1)),
        format!("Risk-Incident: {}", event.incident_id),
        format!("Risk-Evidence: {}", event.evidence_digest),
        format!("Reverts: {guilty}"),
        policy,
    ];
    assert_eq!(trailers.lines().collect::<Vec<_>>(), expected);
    assert!(world.message("main").contains("15 % of the requests"), "{}", world.message("main"));
    let refs = git(&world.bare, 0, &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs, "refs/heads/main", "nothing of ours stays behind");
}
