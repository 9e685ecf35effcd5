//! Races with a second writer, crashes between every two steps, and the freeze switch.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actuator::desk::{Desk, STEPS, Step, StepHook};
use actuator::error::ActuatorError;
use actuator::freeze;
use actuator::ledger::{Entry, LEDGER_FILE, Record, read_chain};
use contract::OutcomeStatus;
use support::{World, at, event, git, manifest};

const CART: &str = "apps/cart/deployment.yaml";

fn crash_at(step: Step) -> StepHook {
    Box::new(move |now_at| if now_at == step { Err(ActuatorError::Stopped { step: "test" }) } else { Ok(()) })
}

fn entries(world: &World) -> Vec<Entry> {
    let bytes = std::fs::read(world.data_dir().join(LEDGER_FILE)).unwrap();
    read_chain(&bytes).unwrap().entries
}

/// Scenario: the process dies after each step in turn and is started again, with the event redelivered or not.
/// Guarantees: exactly one revert and exactly one outcome, always `acted`.
#[test]
fn a_crash_after_any_step_is_recovered() {
    for step in STEPS {
        for redelivered in [false, true] {
            let world = World::new();
            let guilty = world.bad_deploy();
            let n_commits = world.n_commits();
            let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap().with_hook(crash_at(step));
            assert!(matches!(desk.handle(&event(), at(5)), Err(ActuatorError::Stopped { .. })), "{step:?}");
            drop(desk);

            let mut desk = Desk::open(&world.plan(&[]), at(8)).unwrap();
            if redelivered {
                assert_eq!(desk.handle(&event(), at(8)).unwrap().reason.code, "duplicate");
            }
            let outcomes = desk.resume(at(8)).unwrap();
            assert_eq!(outcomes.len(), 1, "{step:?}");
            assert_eq!(
                (outcomes[0].status, &outcomes[0].target),
                (OutcomeStatus::Acted, &guilty),
                "{step:?}"
            );
            assert_eq!(outcomes[0].commit.as_deref(), Some(world.head().as_str()));
            assert_eq!(world.n_commits(), n_commits + 1, "{step:?}: one revert");
            assert!(desk.resume(at(9)).unwrap().is_empty());
            let n_outcomes =
                entries(&world).iter().filter(|e| matches!(e.record, Record::Outcome { .. })).count();
            assert_eq!(n_outcomes, 1, "{step:?}");
        }
    }
}

/// Scenario: the process dies after each step and comes back when the event is too old to act on. Guarantees: nothing new is
/// done; the outcome tells what the branch shows.
#[test]
fn a_late_restart_only_looks() {
    for step in STEPS {
        let world = World::new();
        world.bad_deploy();
        let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap().with_hook(crash_at(step));
        assert!(desk.handle(&event(), at(5)).is_err());
        drop(desk);
        let head = world.head();
        let mut desk = Desk::open(&world.plan(&[]), at(900)).unwrap();
        let outcomes = desk.resume(at(900)).unwrap();
        let expected = if step >= Step::Pushed { OutcomeStatus::Acted } else { OutcomeStatus::NotActed };
        assert_eq!(outcomes.iter().map(|o| o.status).collect::<Vec<_>>(), [expected], "{step:?}");
        assert_eq!(world.head(), head, "{step:?}");
    }
}

/// Scenario: any revert at all. Guarantees: the ledger holds decision, intent and outcome in this order, the intent with
/// the commit and the head it was decided on.
#[test]
fn the_ledger_holds_a_record_before_and_after_the_effect() {
    let world = World::new();
    let guilty = world.bad_deploy();
    let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap();
    desk.handle(&event(), at(5)).unwrap();
    let records: Vec<Record> = entries(&world).into_iter().map(|entry| entry.record).collect();
    let [Record::Seen(seen), Record::Intent(intent), Record::Outcome { outcome }] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert!(seen.pending && seen.event.as_deref() == Some(&event()));
    assert_eq!((&intent.target, &intent.head), (&guilty, &guilty));
    assert_eq!(outcome.status, OutcomeStatus::Acted);
    assert_eq!(desk.view().unsent(), std::slice::from_ref(outcome.as_ref()));
}

/// Has a second writer push something just before our push, the first `n` times.
fn racer(world: &World, n: u32, file: &'static str) -> (StepHook, Arc<AtomicU32>) {
    let (person, raced) = (world.person.clone(), Arc::new(AtomicU32::new(0)));
    let counter = Arc::clone(&raced);
    let hook: StepHook = Box::new(move |step| {
        if step == Step::Committed && counter.load(Ordering::SeqCst) < n {
            let round = counter.fetch_add(1, Ordering::SeqCst);
            std::fs::create_dir_all(person.join(file).parent().unwrap()).unwrap();
            std::fs::write(person.join(file), manifest(&format!("3.{round}.0"), 1)).unwrap();
            git(&person, -10, &["add", "-A"]);
            git(&person, -10, &["commit", "-q", "-m", "Meanwhile"]);
            git(&person, -10, &["push", "-q", "origin", "HEAD:main"]);
        }
        Ok(())
    });
    (hook, raced)
}

/// Scenario: somebody pushes to another path between our fetch and our push, three times. Guarantees: their commits stay,
/// ours comes on top.
#[test]
fn a_lost_race_is_run_again_on_the_new_head() {
    let world = World::new();
    let guilty = world.bad_deploy();
    let (hook, raced) = racer(&world, 3, "apps/search/deployment.yaml");
    let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap().with_hook(hook);
    let outcome = desk.handle(&event(), at(5)).unwrap().outcome.unwrap();
    assert_eq!((outcome.status, outcome.target), (OutcomeStatus::Acted, guilty));
    assert_eq!(raced.load(Ordering::SeqCst), 3);
    assert_eq!(world.file("apps/search/deployment.yaml"), manifest("3.2.0", 1).trim());
    assert_eq!(
        git(&world.bare, 0, &["log", "--format=%s", "-4", "main"])
            .lines()
            .filter(|s| *s == "Meanwhile")
            .count(),
        3
    );
}

/// Scenario: somebody fixes the service between our fetch and our push. Guarantees: the rules are asked again, and the fix
/// stands.
#[test]
fn a_fix_that_wins_the_race_stands() {
    let world = World::new();
    world.bad_deploy();
    let (hook, _) = racer(&world, 1, CART);
    let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap().with_hook(hook);
    let outcome = desk.handle(&event(), at(5)).unwrap().outcome.unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Failed);
    assert!(outcome.reason.starts_with("superseded: "), "{}", outcome.reason);
    assert_eq!(world.file(CART), manifest("3.0.0", 1).trim());
}

/// Scenario: the race is lost more often than allowed. Guarantees: given up for now without an effect, made later.
#[test]
fn a_race_that_is_always_lost_is_bounded_and_tried_later() {
    let world = World::new();
    world.bad_deploy();
    let (hook, raced) = racer(&world, 4, "apps/search/deployment.yaml");
    let mut desk = Desk::open(&world.plan(&["limits.push_attempts=3"]), at(5)).unwrap().with_hook(hook);
    assert_eq!(desk.handle(&event(), at(5)).unwrap().outcome, None);
    assert_eq!(raced.load(Ordering::SeqCst), 3);
    let outcomes = desk.resume(at(20)).unwrap();
    assert_eq!(outcomes.iter().map(|o| o.status).collect::<Vec<_>>(), [OutcomeStatus::Acted]);
}

/// Scenario: the switch is thrown before the event, and in another run between commit and push. Guarantees: nothing is
/// pushed, the ledger notes freeze and thaw, and after the thaw the next revision is acted on.
#[test]
fn the_freeze_switch_is_honoured_at_once() {
    let world = World::new();
    world.bad_deploy();
    let head = world.head();
    freeze::freeze(&world.data_dir(), "migration", at(0)).unwrap();
    let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap();
    let handled = desk.handle(&event(), at(5)).unwrap();
    assert_eq!(handled.reason.code, "frozen");
    assert!(handled.outcome.unwrap().reason.contains("migration"));
    freeze::thaw(&world.data_dir()).unwrap();
    let outcome = desk.handle(&support::event_with(|e| e.revision = 2), at(6)).unwrap().outcome.unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Acted);
    let kinds: Vec<Record> = entries(&world).into_iter().map(|entry| entry.record).collect();
    assert!(matches!(&kinds[0], Record::Frozen { why } if why.starts_with("migration")));
    assert!(kinds.contains(&Record::Thawed));
    assert_ne!(world.head(), head);

    let world = World::new();
    world.bad_deploy();
    let (head, data_dir) = (world.head(), world.data_dir());
    let hook: StepHook =
        Box::new(
            move |step| {
                if step == Step::Committed { freeze::freeze(&data_dir, "stop", at(5)) } else { Ok(()) }
            },
        );
    let mut desk = Desk::open(&world.plan(&[]), at(5)).unwrap().with_hook(hook);
    let outcome = desk.handle(&event(), at(5)).unwrap().outcome.unwrap();
    assert!(outcome.reason.starts_with("frozen: "), "{}", outcome.reason);
    assert_eq!(world.head(), head);
}
