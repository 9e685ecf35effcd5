//! What came after the guilty commit: what is a later decision about the same thing, and what is not.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

mod support;

use actuator::desk::Desk;
use contract::{Outcome, OutcomeStatus};
use support::{World, at, event, git, manifest};

const CART: &str = "apps/cart/deployment.yaml";

/// A bad deploy, then what `edit` does, then the event.
fn after(edit: impl FnOnce(&World)) -> (World, String, Outcome) {
    let world = World::new();
    let guilty = world.bad_deploy();
    edit(&world);
    let head = world.head();
    let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap();
    let outcome = desk.handle(&event(), at(5)).unwrap().outcome.unwrap();
    assert_eq!(outcome.target, guilty, "{}", outcome.reason);
    (world, head, outcome)
}

#[track_caller]
fn acts(edit: impl FnOnce(&World)) -> World {
    let (world, head, outcome) = after(edit);
    assert_eq!(outcome.status, OutcomeStatus::Acted, "{}", outcome.reason);
    assert_eq!(git(&world.bare, 0, &["rev-parse", "main^"]), head, "on top of what came later");
    assert!(world.file(CART).contains("cart:1.0.0"), "{}", world.file(CART));
    world
}

#[track_caller]
fn refuses(code: &str, edit: impl FnOnce(&World)) {
    let (world, head, outcome) = after(edit);
    assert_eq!(outcome.status, OutcomeStatus::Failed, "{}", outcome.reason);
    assert!(outcome.reason.starts_with(&format!("{code}: ")), "{}", outcome.reason);
    assert_eq!(world.head(), head, "the branch did not move");
}

/// Scenario: after the bad commit somebody changed another key of the same file, or another file of the service that says
/// nothing about a version. Guarantees: the bad commit alone is reverted, the later change stays.
#[test]
fn a_later_change_of_something_else_stays_and_does_not_block() {
    let world = acts(|world| {
        world.commit(CART, &manifest("1.1.0", 800), "Give cart more time", -30);
    });
    assert_eq!(world.file(CART), manifest("1.0.0", 800).trim());
    let world = acts(|world| {
        world.commit("apps/cart/values.yaml", "replicas: 5\n", "More carts", -30);
    });
    assert_eq!(world.file("apps/cart/values.yaml"), "replicas: 5");
}

/// Scenario: after the bad commit somebody moved on to 1.2.0, set 1.0.0 back by hand, deleted the file, or pinned a version in
/// another file of the service. Guarantees: that decision stands.
#[test]
fn a_later_decision_about_the_version_stands() {
    refuses("superseded", |world| {
        world.commit(CART, &manifest("1.2.0", 500), "Deploy cart 1.2.0", -30);
    });
    refuses("superseded", |world| {
        world.commit(CART, &manifest("1.0.0", 500), "Back to what worked", -30);
    });
    refuses("superseded", |world| {
        git(&world.person, -30, &["rm", "-q", CART]);
        world.commit("README.md", "no cart\n", "Close the cart", -30);
    });
    refuses("superseded", |world| {
        world.commit("apps/cart/kustomization.yaml", "images:\n  - newTag: 1.2.0\n", "Pin cart", -30);
    });
}

/// Scenario: somebody moved on to 1.2.0 and a third person changed another key after that; somebody changed the line and
/// changed it back to the bad version. Guarantees: a decision is not hidden by what came after it.
#[test]
fn a_decision_is_found_behind_other_changes() {
    refuses("superseded", |world| {
        world.commit(CART, &manifest("1.2.0", 500), "Deploy cart 1.2.0", -40);
        world.commit(CART, &manifest("1.2.0", 800), "Give cart more time", -30);
    });
    let world = World::new();
    world.bad_deploy();
    world.commit(CART, &manifest("1.0.0", 500), "Back to what worked", -40);
    let again = world.commit(CART, &manifest("1.1.0", 500), "Try cart 1.1.0 again", -30);
    let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap();
    let outcome = desk.handle(&event(), at(5)).unwrap().outcome.unwrap();
    // the second introduction is the guilty one, and nothing came after it
    assert_eq!((outcome.status, outcome.target), (OutcomeStatus::Acted, again));
}

/// Scenario: a later change of the neighbouring line, which the revert cannot be told apart from. Guarantees: reported as a
/// conflict, not guessed.
#[test]
fn a_conflict_is_reported() {
    refuses("conflict", |world| {
        let more = manifest("1.1.0", 500).replace("replicas: 3", "replicas: 5");
        world.commit(CART, &more, "More carts", -30);
    });
}

/// Scenario: the later change of another key came with a branch that was merged. Guarantees: as if it had been committed
/// on the branch itself.
#[test]
fn a_merge_of_something_else_does_not_block() {
    let world = acts(|world| {
        git(&world.person, -50, &["checkout", "-q", "-b", "feature"]);
        world.write(CART, &manifest("1.1.0", 800));
        git(&world.person, -50, &["commit", "-q", "-am", "Give cart more time"]);
        git(&world.person, -40, &["checkout", "-q", "main"]);
        world.commit("README.md", "the shop!\n", "Cheer", -45);
        git(&world.person, -40, &["merge", "-q", "--no-ff", "-m", "Merge feature", "feature"]);
        world.push();
    });
    assert_eq!(world.file(CART), manifest("1.0.0", 800).trim());
}
