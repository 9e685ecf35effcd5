//! Measures the canary test in simulated worlds: how often it stops an honest release, how soon a harmful one.
//!
//! A handful of runs per world. They find a broken test, not a change of a tenth of a percent.

use super::{Harm, Noise, Outcome, RELEASE_AT, Simulator, Weights, World, trial};
use crate::sequential::{CanaryParams, CanaryTest, Mode, OwnTime, Tick};

fn runs(world: World, seeds: std::ops::Range<u64>, secs: f64) -> Vec<Outcome> {
    let params = CanaryParams::default().check().unwrap();
    seeds.map(|seed| trial(world, seed, &params, secs)).collect()
}

/// Runs in which `pick` happened, and the median second at which it did; infinity if less than half saw it.
fn found(runs: &[Outcome], pick: fn(&Outcome) -> Option<f64>) -> (usize, f64) {
    let mut secs: Vec<f64> = runs.iter().filter_map(pick).collect();
    secs.sort_by(f64::total_cmp);
    (secs.len(), secs.get(runs.len() / 2).copied().unwrap_or(f64::INFINITY))
}

const PAUSED: fn(&Outcome) -> Option<f64> = |run| run.paused_secs;
const CERTAIN: fn(&Outcome) -> Option<f64> = |run| run.certain_secs;

/// Scenario: honest releases for an hour in every world, on 1, 15 and 60 s exports, with all kinds of weights.
/// Guarantees: over all runs at most 2 % reach the level of a pause and 1 % the level of undoing; none acts on
/// several pods.
#[test]
fn honest_releases_are_let_through() {
    let world = World::honest;
    let exports = |noise, export_secs, weights| World { export_secs, weights, ..World::honest(noise) };
    let told = |noise| World { own_time: OwnTime::Comparable, ..World::honest(noise) };
    let few_told = |noise| World { controls: 3, weights: Weights::Equal, ..told(noise) };
    let cells = [
        (told(Noise::Iid), 6),
        (told(Noise::Idio), 6),
        (told(Noise::Het20), 10),
        (told(Noise::Retry), 6),
        (told(Noise::Warm(1)), 20),
        (told(Noise::Warm(5)), 20),
        (few_told(Noise::Iid), 20),
        (few_told(Noise::Het10), 20),
        (few_told(Noise::Warm(1)), 20),
        (World { rps: 5000.0, ..few_told(Noise::Idio) }, 10),
        (world(Noise::Iid), 6),
        (world(Noise::Common), 6),
        (world(Noise::Idio), 10),
        (world(Noise::Het10), 6),
        (world(Noise::Zero), 6),
        (exports(Noise::Common, 60, Weights::Steps), 20),
        (exports(Noise::Idio, 15, Weights::Steps), 20),
        (exports(Noise::Outage, 60, Weights::Steps), 20),
        (exports(Noise::Retry, 15, Weights::Steps), 30),
        (exports(Noise::SickControl, 15, Weights::Fixed), 20),
        (exports(Noise::Warm(0), 15, Weights::Fixed), 10),
        (world(Noise::Warm(1)), 10),
        (world(Noise::Warm(5)), 10),
        (exports(Noise::Het20, 60, Weights::FourPods), 20),
        (World { controls: 3, ..exports(Noise::Outage, 60, Weights::Equal) }, 20),
        (World { controls: 3, ..exports(Noise::Idio, 15, Weights::Equal) }, 30),
        (World { controls: 3, ..exports(Noise::Het20, 60, Weights::Equal) }, 20),
    ];
    let (mut n, mut paused, mut certain, mut table) = (0, 0, 0, String::new());
    for (nth, (world, n_runs)) in cells.into_iter().enumerate() {
        let from = 1000 * nth as u64;
        let seen = runs(world, from..from + n_runs, 3600.0);
        let here = (found(&seen, PAUSED).0, found(&seen, CERTAIN).0);
        table.push_str(&format!(
            "{:?} {:?} {} s: {here:?} of {n_runs}\n",
            world.noise, world.weights, world.export_secs
        ));
        (n, paused, certain) = (n + seen.len(), paused + here.0, certain + here.1);
        assert!(seen.iter().all(|run| run.acted_secs.is_none()), "{table}");
    }
    assert!(paused * 50 <= n && certain * 100 <= n, "{paused} and {certain} of {n}\n{table}");
}

/// Scenario: harm of four kinds from the release on, at 500 requests per second, 5 % of them in the canary.
/// Guarantees: the median delay to a pause and to undoing is within twice that of the measured table.
#[test]
fn harm_is_found_in_time() {
    let quiet = World::honest(Noise::Iid);
    let error_rate = |error_rate| Harm { error_rate, ..Harm::NONE };
    let slow = World { export_secs: 60, weights: Weights::Steps, ..quiet };
    let cells = [
        (quiet, error_rate(0.01), (90.0, 116.0)),
        (quiet, error_rate(0.05), (7.0, 10.0)),
        (quiet, Harm { p99: 1.5, ..Harm::NONE }, (27.0, 34.0)),
        (quiet, Harm { latency: 1.5, ..Harm::NONE }, (10.0, 12.0)),
        (slow, error_rate(0.05), (120.0, 120.0)),
    ];
    for (world, harm, (pause, certain)) in cells {
        let seen = runs(World { harm, ..world }, 0..11, 1200.0);
        let (is_paused, is_certain) = (found(&seen, PAUSED).1, found(&seen, CERTAIN).1);
        assert!(
            is_paused <= 2.0 * pause && is_certain <= 2.0 * certain,
            "{harm:?}: {is_paused} {is_certain}"
        );
    }
}

/// Scenario: all requests a half slower, at 500 requests per second with 5 % in the canary and on a small service of
/// three control pods and 60 requests per second; own times are told.
/// Guarantees: the median delay to certainty is at most 8 and 25 s, at most half of that without own times on the small
/// one.
#[test]
fn slowness_shows_in_own_time_first() {
    let harm = Harm { latency: 1.5, ..Harm::NONE };
    let quiet = World { harm, ..World::honest(Noise::Iid) };
    let small = World { rps: 60.0, controls: 3, weights: Weights::Equal, ..quiet };
    for (world, most, share) in [(quiet, 8.0, 1.0), (small, 25.0, 0.5)] {
        let told = runs(World { own_time: OwnTime::Comparable, ..world }, 0..21, 300.0);
        let (told, untold) = (found(&told, CERTAIN).1, found(&runs(world, 0..21, 300.0), CERTAIN).1);
        assert!(told <= most && told <= share * untold, "{world:?}: {told} instead of {untold}");
    }
}

/// Scenario: one of four canary pods on a slow node; then harm in all four.
/// Guarantees: the node alone never undoes the release although the evidence is certain; the harm does.
#[test]
fn a_sick_node_does_not_undo_a_release() {
    let world = World { weights: Weights::FourPods, ..World::honest(Noise::SickNode) };
    let node = runs(world, 0..6, 900.0);
    assert!(node.iter().all(|run| run.certain_secs.is_some() && run.acted_secs.is_none()), "{node:?}");
    let harm = Harm { error_rate: 0.05, ..Harm::NONE };
    let harmed = runs(World { harm, ..World { noise: Noise::Iid, ..world } }, 0..6, 60.0);
    assert!(harmed.iter().all(|run| run.acted_secs.is_some()), "{harmed:?}");
}

/// Scenario: one percent more errors from 1200 s on, when a healthy stretch has drawn the first start down.
/// Guarantees: a restart sees it within twice the measured 94 s.
#[test]
fn late_harm_is_found_by_a_restart() {
    let harm = Harm { error_rate: 0.01, from_secs: 1200, ..Harm::NONE };
    let seen = runs(World { harm, ..World::honest(Noise::Iid) }, 0..7, 2400.0);
    let (_, secs) = found(&seen, PAUSED);
    assert!((1200.0..1200.0 + 2.0 * 94.0).contains(&secs), "{seen:?}");
}

/// Scenario: one control pod of 19 has ten times the errors; honest release.
/// Guarantees: it is set aside, and only it.
#[test]
fn a_sick_control_pod_is_set_aside() {
    let seen = runs(World::honest(Noise::SickControl), 0..4, 60.0);
    assert!(seen.iter().all(|run| run.sick_pods == 1), "{seen:?}");
}

/// Scenario: small services, three control pods and one canary: 12 % errors against 0.4 % at 25 requests per second
/// over both arms, then 2.5 % against 0.3 % at 40.
/// Guarantees: chance among the few errors of the controls does not blind the test; half of the runs are certain
/// within 40 and 110 s, and nine of ten within 70 and 180 s.
#[test]
fn few_pods_with_few_errors_do_not_blind_the_test() {
    let small = World { controls: 3, weights: Weights::Equal, ..World::honest(Noise::Iid) };
    let burst = World { rps: 25.0, base_error_rate: 0.004, ..small };
    let mild = World { rps: 40.0, base_error_rate: 0.003, ..small };
    for (world, error_rate, half, most) in [(burst, 0.116, 40.0, 70.0), (mild, 0.022, 110.0, 180.0)] {
        let harm = Harm { error_rate, ..Harm::NONE };
        let seen = runs(World { harm, ..world }, 0..41, 300.0);
        let within = |secs| seen.iter().filter(|run| run.certain_secs.is_some_and(|at| at <= secs)).count();
        assert!(within(half) > 20 && within(most) >= 37, "{world:?}: {} {}", within(half), within(most));
    }
}

/// Scenario: a harmful canary is undone, and an honest one follows beside the same control pods.
/// Guarantees: nothing of the first one's evidence is held against the second.
#[test]
fn guilt_ends_with_its_release() {
    let params = CanaryParams::default().check().unwrap();
    let harm = Harm { error_rate: 0.3, ..Harm::NONE };
    let mut test = CanaryTest::new(&params, Mode::Events, RELEASE_AT);
    for tick in Simulator::new(World { harm, ..World::honest(Noise::Iid) }, 1).take(720) {
        if tick.at <= RELEASE_AT {
            test.history(&tick.as_tick());
        } else {
            test.observe(&tick.as_tick());
        }
    }
    assert!(test.reading().ln_e > 100.0);
    let hour = 3_600_000_000_000;
    let mut next = test.released(RELEASE_AT + hour);
    assert_eq!(next.reading().ln_e, 0.0);
    for tick in Simulator::new(World::honest(Noise::Iid), 2).skip(600).take(300) {
        next.observe(&Tick { at: tick.at + hour, ..tick.as_tick() });
    }
    let reading = next.reading();
    assert!(reading.ln_e < 3.0 && reading.signals[0].canary_requests < 10_000, "{reading:?}");
}

/// Scenario: 600 releases of every kind that warms up after a single earlier release, with own times told, for 150 s each.
/// Guarantees: at most 2 % of each are certain enough to be undone; the figures of `docs/canary.md` are printed.
#[test]
#[ignore = "takes minutes"]
fn young_releases_in_figures() {
    let told = World { own_time: OwnTime::Comparable, ..World::honest(Noise::Warm(1)) };
    let few = World { controls: 3, weights: Weights::Equal, ..told };
    for world in [told, few, World { rps: 60.0, ..few }, World { rps: 5000.0, ..few }] {
        let seen = runs(world, 0..600, 150.0);
        let (paused, certain) = (found(&seen, PAUSED).0, found(&seen, CERTAIN).0);
        println!("{} rps, {} control pods: {paused} paused, {certain} certain", world.rps, world.controls);
        assert!(certain <= 12, "{certain}");
    }
}
