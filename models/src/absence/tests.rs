//! Silence by simulation: how often a series that goes on is called silent, and how soon one that stops is.

use super::{Absence, AbsenceParams, Arrivals, Member, Standing, explain};
use crate::testkit::Draws;

const SECOND: f64 = 1e9;

fn fresh() -> Arrivals {
    Arrivals::new(&AbsenceParams::default().check().unwrap())
}

/// Gaps of one kind of series, in seconds.
fn gap(kind: &str, nth: usize, draws: &mut Draws) -> f64 {
    match kind {
        "steady" => 60.0,
        "jitter" => 60.0 + 15.0 * draws.normal().clamp(-3.0, 3.0),
        "missed" => 60.0 * if draws.uniform() < 0.02 { 2.0 } else { 1.0 },
        "batches" => {
            if nth % 20 == 19 {
                30.0
            } else {
                0.01
            }
        }
        _ => -20.0 * libm::log(1.0 - draws.uniform()),
    }
}

/// Scenario: series that go on for 20,000 values: every minute, with jitter, with missed ones, in batches, at random times.
/// Guarantees: in regular ones no gap is called silence (in batches three, until they are known), in random ones fewer than one in ten thousand; a stop is seen
/// within six times the usual distance of two arrivals (twelve for random ones).
#[test]
fn silence_is_told_from_jitter_and_batches() {
    for (kind, allowed, usual, patience) in [
        ("steady", 0, 60.0, 6.0),
        ("jitter", 0, 60.0, 6.0),
        ("missed", 0, 60.0, 6.5),
        ("batches", 3, 30.0, 6.0),
        ("random", 2, 20.0, 30.0),
    ] {
        let seed = 21;
        let mut draws = Draws::new(seed);
        let (mut arrivals, mut at, mut false_silences) = (fresh(), 0.0, 0);
        for nth in 0..20_000 {
            arrivals.learn((at * SECOND) as i64);
            at += gap(kind, nth, &mut draws).max(0.01);
            false_silences += usize::from(arrivals.is_overdue((at * SECOND) as i64));
        }
        println!("{kind}, seed {seed}: {false_silences} false of 20000, due {:?}", arrivals.due_secs());
        assert!(false_silences <= allowed, "{kind}: {false_silences}");
        let last = arrivals.last_at().unwrap() as f64 / SECOND;
        assert!(arrivals.is_overdue(((last + patience * usual) * SECOND) as i64), "{kind}");
    }
}

/// Scenario: a series stops for an hour and comes back.
/// Guarantees: the hour is not learned as its habit; repeated and late values change nothing.
#[test]
fn a_silence_does_not_become_the_habit() {
    let mut arrivals = fresh();
    (0..50).for_each(|nth| arrivals.learn((f64::from(nth) * 10.0 * SECOND) as i64));
    let due = arrivals.due_secs();
    arrivals.learn((4000.0 * SECOND) as i64);
    assert_eq!(arrivals.due_secs(), due);
    let before = arrivals.clone();
    arrivals.learn((4000.0 * SECOND) as i64);
    arrivals.learn(7);
    assert_eq!(arrivals, before);
}

/// Scenario: all series of a reporter stop; all but a few; some that ended in order; a reporter of two series.
/// Guarantees: a reporter that died is one thing, a signal that stopped another, and an orderly end is nothing.
#[test]
fn a_dead_reporter_is_not_many_dead_signals() {
    let member = |is_overdue, standing| Member { is_overdue, standing };
    let silent = member(true, Standing::Expected);
    let speaks = member(false, Standing::Expected);
    let ended = member(true, Standing::Ended);
    assert_eq!(explain(&[silent; 40]), Absence::Reporter);
    let mut most = vec![silent; 39];
    most.push(speaks);
    assert_eq!(explain(&most), Absence::Reporter);
    assert_eq!(explain(&[speaks, silent, speaks, speaks]), Absence::Signals(vec![1]));
    assert_eq!(explain(&[ended, ended, speaks, speaks]), Absence::None);
    assert_eq!(explain(&[ended, silent, silent]), Absence::Signals(vec![1, 2]));
    assert_eq!(explain(&[]), Absence::None);
}
