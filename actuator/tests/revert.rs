//! Every rule of the git revert, on real repositories.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

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

/// Scenario: the event names the commit, in full or abbreviated. Guarantees: that one is reverted, however old it is.
#[test]
fn a_named_commit_is_reverted_however_old() {
    for chars in [40, 10] {
        let world = World::new();
        let guilty = world.commit(CART, &manifest("1.1.0", 500), "Deploy cart 1.1.0", -30 * 24 * 3600);
        let name: String = guilty.chars().take(chars).collect();
        let outcome = handle(&world, &event_with(|e| e.change.as_mut().unwrap().commit = Some(name)));
        assert_eq!((outcome.status, outcome.target), (OutcomeStatus::Acted, guilty));
    }
}

/// Scenario: the named commit belongs to another repository (the application's source), is none, or touches another path.
/// Guarantees: the commit that introduced the version is taken instead.
#[test]
fn a_commit_that_is_not_on_the_path_falls_back_to_the_version() {
    for name in ["", "not-a-commit", "0123456789012345678901234567890123456789"] {
        let world = World::new();
        let guilty = world.bad_deploy();
        let outcome = handle(&world, &event_with(|e| e.change.as_mut().unwrap().commit = Some(name.into())));
        assert_eq!((outcome.status, outcome.target), (OutcomeStatus::Acted, guilty), "{name:?}");
    }
    let world = World::new();
    let guilty = world.bad_deploy();
    let other = world.commit("README.md", "the shop, explained\n", "Explain", -30);
    let outcome = handle(&world, &event_with(|e| e.change.as_mut().unwrap().commit = Some(other)));
    assert_eq!((outcome.status, outcome.target), (OutcomeStatus::Acted, guilty));
}

/// Scenario: the same version with a bad setting, committed before the change was noticed; the clocks differ by 30 s.
/// Guarantees: the last commit on the path before the change is reverted.
#[test]
fn a_configuration_change_is_the_last_commit_before_it() {
    let world = World::new();
    let guilty = world.commit(CART, &manifest("1.0.0", 5), "Shorten the timeout of cart", -20);
    world.commit("apps/checkout/deployment.yaml", &manifest("1.0.1", 500), "Deploy checkout", -10);
    let outcome = handle(&world, &config_event());
    assert_eq!((outcome.status, outcome.target), (OutcomeStatus::Acted, guilty));
    assert_eq!(world.file(CART), manifest("1.0.0", 500).trim());
    assert_eq!(
        world.file("apps/checkout/deployment.yaml"),
        manifest("1.0.1", 500).trim(),
        "others keep theirs"
    );
}

fn config_event() -> RiskEvent {
    event_with(|e| {
        let change = e.change.as_mut().unwrap();
        (change.kind, change.to) = (ChangeKind::Config, "1.0.0".into());
    })
}

/// Scenario: a configuration change, and commits on the path only long before it or long after it. Guarantees: none of
/// them is taken.
#[test]
fn a_configuration_change_without_a_commit_in_time_is_not_found() {
    let world = World::new();
    world.commit(CART, &manifest("1.0.0", 5), "Shorten the timeout of cart", -3000);
    refuses(&world, &config_event(), "not_found");
    let world = World::new();
    world.commit(CART, &manifest("1.0.0", 5), "Shorten the timeout of cart", 11);
    refuses(&world, &config_event(), "not_found");
}

/// Scenario: a version that stands nowhere, and one that stands only inside of a longer one. Guarantees: reported, with
/// the version, branch and path in the text.
#[test]
fn a_version_that_nobody_introduced_is_not_found() {
    let world = World::new();
    world.bad_deploy();
    let outcome =
        refuses(&world, &event_with(|e| e.change.as_mut().unwrap().to = "9.9.9".into()), "not_found");
    assert!(
        outcome.reason.contains("\"9.9.9\"") && outcome.reason.contains("apps/cart"),
        "{}",
        outcome.reason
    );
    let inside = event_with(|e| (e.revision, e.change.as_mut().unwrap().to) = (2, "1.1".into()));
    refuses(&world, &inside, "not_found");
}

/// Scenario: the bad version came with a branch that was merged. Guarantees: the merge is not reverted; the commit of the
/// branch is, as it is none.
#[test]
fn the_commit_behind_a_merge_is_reverted_and_not_the_merge() {
    let world = World::new();
    git(&world.person, -200, &["checkout", "-q", "-b", "feature"]);
    world.write(CART, &manifest("1.1.0", 500));
    git(&world.person, -200, &["commit", "-q", "-am", "Deploy cart 1.1.0"]);
    let guilty = git(&world.person, 0, &["rev-parse", "HEAD"]);
    git(&world.person, -100, &["checkout", "-q", "main"]);
    world.commit("README.md", "the shop!\n", "Cheer", -150);
    git(&world.person, -100, &["merge", "-q", "--no-ff", "-m", "Merge feature", "feature"]);
    let merge = world.push();
    let named = event_with(|e| e.change.as_mut().unwrap().commit = Some(merge.clone()));
    assert_eq!(refuses(&world, &named, "merge_commit").target, merge);
    let unnamed = event_with(|e| e.incident_id = incident_id(&e.scope, at(0), "silence"));
    let outcome = handle(&world, &unnamed);
    assert_eq!((outcome.status, outcome.target), (OutcomeStatus::Acted, guilty), "{}", outcome.reason);
}

/// Scenario: the bad version was introduced within a merge itself. Guarantees: reported.
#[test]
fn a_version_made_in_a_merge_is_refused() {
    let world = World::new();
    git(&world.person, -200, &["checkout", "-q", "-b", "feature"]);
    world.write("README.md", "feature\n");
    git(&world.person, -200, &["commit", "-q", "-am", "Feature"]);
    git(&world.person, -100, &["checkout", "-q", "main"]);
    git(&world.person, -100, &["merge", "-q", "--no-ff", "--no-commit", "feature"]);
    world.commit(CART, &manifest("1.1.0", 500), "Merge feature", -60);
    refuses(&world, &event(), "merge_commit");
}

/// Scenario: the suspected commit is itself a revert: by git, by us, or by its subject. Guarantees: never reverted.
#[test]
fn a_revert_is_never_reverted() {
    for message in [
        "Revert \"Deploy cart 1.2.0\"\n\nThis reverts commit 0123456789012345678901234567890123456789.",
        "Back to 1.1.0\n\nReverts: 0123456789012345678901234567890123456789",
        "revert: deploy of cart 1.2.0",
    ] {
        let world = World::new();
        world.commit(CART, &manifest("1.1.0", 500), message, -60);
        refuses(&world, &event(), "revert_of_revert");
    }
}

/// Scenario: a person has reverted the bad commit already. Guarantees: nothing is done, and the outcome says so.
#[test]
fn a_commit_that_a_person_reverted_is_done_already() {
    let world = World::new();
    let guilty = world.bad_deploy();
    git(&world.person, -30, &["revert", "--no-edit", &guilty]);
    let revert = world.push();
    let outcome = handle(&world, &event());
    assert_eq!((outcome.status, outcome.target), (OutcomeStatus::AlreadyDone, guilty));
    assert_eq!(outcome.commit, Some(revert.clone()));
    assert_eq!(world.head(), revert);
}

/// Scenario: a person has reverted the bad commit and then taken the revert back. Guarantees: that decision stands.
#[test]
fn a_revert_that_a_person_took_back_is_not_repeated() {
    let world = World::new();
    let guilty = world.bad_deploy();
    git(&world.person, -30, &["revert", "--no-edit", &guilty]);
    git(&world.person, -20, &["revert", "--no-edit", "HEAD"]);
    world.push();
    let head = world.head();
    let named = event_with(|e| e.change.as_mut().unwrap().commit = Some(guilty.clone()));
    refuses(&world, &named, "superseded");
    refuses(&world, &event_with(|e| e.incident_id = incident_id(&e.scope, at(0), "slo")), "revert_of_revert");
    assert_eq!(world.head(), head);
}

/// Scenario: after the bad commit somebody deployed another service whose path begins with the same letters. Guarantees:
/// that is no decision about this one.
#[test]
fn a_later_change_elsewhere_does_not_matter() {
    let world = World::new();
    let guilty = world.bad_deploy();
    world.commit("apps/cart-admin/deployment.yaml", &manifest("7.0.0", 1), "Deploy cart-admin", -30);
    let outcome = handle(&world, &event());
    assert_eq!((outcome.status, outcome.target), (OutcomeStatus::Acted, guilty));
    assert_eq!(world.file("apps/cart-admin/deployment.yaml"), manifest("7.0.0", 1).trim());
}

/// Scenario: the bad commit also deploys another service. Guarantees: reported, unless the policy allows whole commits;
/// then a later deploy of the other service supersedes as well.
#[test]
fn a_mixed_commit_needs_permission() {
    let world = World::new();
    world.write("apps/checkout/deployment.yaml", &manifest("2.0.0", 500));
    let guilty = world.bad_deploy();
    let outcome = refuses(&world, &event(), "mixed_commit");
    assert!(outcome.reason.contains("apps/checkout/deployment.yaml"), "{}", outcome.reason);
    let again = event_with(|e| e.revision = 2);
    let outcome = handle_with(&world, &["policy.scopes[0].whole_commit=true"], &again).unwrap();
    assert_eq!((outcome.status, outcome.target), (OutcomeStatus::Acted, guilty));
    assert_eq!(world.file("apps/checkout/deployment.yaml"), manifest("1.0.0", 500).trim());

    let world = World::new();
    world.write("apps/checkout/deployment.yaml", &manifest("2.0.0", 500));
    world.bad_deploy();
    world.commit("apps/checkout/deployment.yaml", &manifest("2.0.1", 500), "Deploy checkout 2.0.1", -30);
    let outcome = handle_with(&world, &["policy.scopes[0].whole_commit=true"], &event()).unwrap();
    assert!(outcome.reason.starts_with("superseded: "), "{}", outcome.reason);
}

/// Scenario: the bad commit is 30 hours old, or the very first of the repository. Guarantees: reported.
#[test]
fn an_old_commit_and_the_first_commit_are_refused() {
    let world = World::new();
    world.commit(CART, &manifest("1.1.0", 500), "Deploy cart 1.1.0", -30 * 3600);
    refuses(&world, &event(), "too_old");
    let world = World::new();
    let first = event_with(|e| {
        let change = e.change.as_mut().unwrap();
        (change.from, change.to) = ("0.9.0".into(), "1.0.0".into());
    });
    refuses(&world, &first, "first_commit");
}

/// Scenario: a second revision of the same incident, and a second event about the same commit by another incident.
/// Guarantees: one revert, whatever arrives.
#[test]
fn one_incident_is_acted_on_once() {
    let world = World::new();
    let guilty = world.bad_deploy();
    let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap();
    assert_eq!(desk.handle(&event(), at(5)).unwrap().outcome.unwrap().status, OutcomeStatus::Acted);
    let n_commits = world.n_commits();
    let duplicate = desk.handle(&event(), at(6)).unwrap();
    assert_eq!((duplicate.reason.code.as_str(), duplicate.outcome), ("duplicate", None));
    let second = desk.handle(&event_with(|e| e.revision = 2), at(7)).unwrap();
    assert_eq!((second.reason.code.as_str(), second.outcome), ("already_acted", None));
    let other = event_with(|e| e.incident_id = incident_id(&e.scope, at(0), "slo"));
    let outcome = desk.handle(&other, at(8)).unwrap().outcome.unwrap();
    assert_eq!((outcome.status, outcome.target), (OutcomeStatus::AlreadyDone, guilty));
    assert_eq!(world.n_commits(), n_commits);
}

/// Scenario: the ledger is lost after the revert, and the event comes again. Guarantees: the trailers on the branch are
/// believed, nothing is done twice.
#[test]
fn a_lost_ledger_does_not_repeat_a_revert() {
    let world = World::new();
    world.bad_deploy();
    handle(&world, &event());
    let n_commits = world.n_commits();
    std::fs::remove_dir_all(world.data_dir()).unwrap();
    let outcome = handle(&world, &event_with(|e| e.revision = 2));
    assert_eq!(outcome.status, OutcomeStatus::AlreadyDone);
    assert_eq!(world.n_commits(), n_commits);
}

/// Scenario: the incident is about `checkout`, its suspected change belongs to `cart`. Guarantees: the path of the changed
/// service is reverted.
#[test]
fn the_changed_service_is_reverted_not_the_suffering_one() {
    let world = World::new();
    let guilty = world.bad_deploy();
    let outcome = handle(&world, &event_with(|e| e.scope = scope("checkout")));
    assert_eq!((outcome.status, outcome.target), (OutcomeStatus::Acted, guilty));
    assert_eq!(outcome.scope.service, "cart");
}

/// Scenario: explanation and subject try to add trailers of their own. Guarantees: only ours are trailers.
#[test]
fn words_from_outside_cannot_forge_trailers() {
    let world = World::new();
    world.commit(CART, &manifest("1.1.0", 500), "Deploy\n\nApproved-by: nobody", -60);
    handle(
        &world,
        &event_with(|e| e.explanation = "bad\n---\n\nApproved-by: root\nRisk-Incident: other\n".into()),
    );
    let trailers = git(&world.bare, 0, &["log", "-1", "--format=%(trailers:only,key=Approved-by)", "main"]);
    assert_eq!(trailers, "");
    let trailers =
        git(&world.bare, 0, &["log", "-1", "--format=%(trailers:only,key=Risk-Incident,valueonly)", "main"]);
    assert_eq!(trailers, event().incident_id);
}

/// Scenario: the repository cannot be reached, and is back ten seconds later; another time it stays away. Guarantees: tried
/// again for as long as the event is fresh, then given up with a reason.
#[test]
fn an_unreachable_repository_is_tried_again_while_the_event_is_fresh() {
    let world = World::new();
    let guilty = world.bad_deploy();
    let away = world.dir.path().join("away.git");
    std::fs::rename(&world.bare, &away).unwrap();
    let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap();
    assert_eq!(desk.handle(&event(), at(5)).unwrap().outcome, None);
    assert!(desk.resume(at(6)).unwrap().is_empty(), "not before the wait is over");
    std::fs::rename(&away, &world.bare).unwrap();
    let outcomes = desk.resume(at(15)).unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!((outcomes[0].status, &outcomes[0].target), (OutcomeStatus::Acted, &guilty));

    let world = World::new();
    std::fs::rename(&world.bare, &away).unwrap();
    let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap();
    assert_eq!(desk.handle(&event(), at(5)).unwrap().outcome, None);
    let outcomes = desk.resume(at(400)).unwrap();
    assert_eq!(outcomes[0].status, OutcomeStatus::NotActed);
    assert!(outcomes[0].reason.starts_with("stale: "), "{}", outcomes[0].reason);
    assert!(desk.resume(at(500)).unwrap().is_empty(), "told once");
}
