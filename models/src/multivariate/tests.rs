//! What the vector detector promises.

use super::*;
use crate::multivariate::VectorParams;
use crate::testkit::{Draws, breaches};

const MINUTE: i64 = 60_000_000_000;

fn fresh(width: usize) -> VectorDetector {
    VectorDetector::new(&VectorParams::default().check().unwrap(), width)
}

/// Two metrics that go together, one that goes its own way, all of different sizes, with a daily swing.
fn vector(nth: i64, draws: &mut Draws) -> [f64; 3] {
    let load = 1.0 + 0.5 * libm::sin(nth as f64 / 1440.0 * std::f64::consts::TAU) + 0.1 * draws.normal();
    [1e6 * load, 1e-3 * (load + 0.02 * draws.normal()), 50.0 + draws.normal()]
}

fn trained(seed: u64, minutes: i64) -> (VectorDetector, Draws) {
    println!("seed {seed}");
    let (mut detector, mut draws) = (fresh(3), Draws::new(seed));
    for nth in 0..minutes {
        let _ = detector.observe(nth * MINUTE, &vector(nth, &mut draws), Learning::Learn);
    }
    (detector, draws)
}

/// Scenario: the inputs that every detector must survive, with one metric and with five.
/// Guarantees: causality, saving, NaN, gaps, duplicates and size are in order.
#[test]
fn conforms() {
    assert_eq!(breaches(|| fresh(1), 1, 200), Vec::new());
    assert_eq!(breaches(|| fresh(5), 5, 200), Vec::new());
}

/// Scenario: a vector whose values are all usual, but the second does not go with the first.
/// Guarantees: it scores above all of the last day, and the two that fell out are the suspects, for that reason.
#[test]
fn what_does_not_go_together_is_found() {
    let (mut detector, mut draws) = trained(11, 5000);
    let mut highest = 0.0_f64;
    for nth in 5000..6440 {
        let score = detector.observe(nth * MINUTE, &vector(nth, &mut draws), Learning::Learn);
        highest = highest.max(score.unwrap().value());
    }
    let mut x = vector(6440, &mut draws);
    x[1] = 1e-3 * (x[0] / 1e6 - 0.3);
    for nth in 6440..6446 {
        let _ = detector.observe(nth * MINUTE, &x, Learning::Hold);
    }
    let score = detector.score(6446 * MINUTE, &x).unwrap().value();
    let suspects = detector.suspects(2);
    println!("{score} after at most {highest}: {suspects:?}");
    assert!(score > highest, "{score} {highest}");
    assert!(
        suspects.iter().all(|suspect| suspect.metric < 2 && suspect.kind == Kind::Partners),
        "{suspects:?}"
    );
}

/// Scenario: the same vectors through `observe` and through `score` and `learn`.
/// Guarantees: the same scores and the same state.
#[test]
fn observing_is_scoring_and_learning() {
    let (mut one, mut draws) = trained(12, 300);
    let mut other = one.clone();
    for nth in 300..400 {
        let x = vector(nth, &mut draws);
        let score = other.score(nth * MINUTE, &x);
        other.learn(nth * MINUTE, &x);
        assert_eq!(one.observe(nth * MINUTE, &x, Learning::Learn), score);
    }
    assert_eq!(one, other);
}

/// Scenario: an incident of two hours, held, and the same incident learned.
/// Guarantees: held, it scores at its end as at its beginning; nothing is learned of it.
#[test]
fn held_incidents_are_not_learned() {
    let (mut detector, mut draws) = trained(13, 5000);
    let scatter = detector.scatter.clone();
    let (mut first, mut last) = (0.0, 0.0);
    for nth in 5000..5120 {
        let mut x = vector(nth, &mut draws);
        x[2] += 30.0;
        let score = detector.observe(nth * MINUTE, &x, Learning::Hold).unwrap().value();
        (first, last) = if nth == 5010 { (score, score) } else { (first, score) };
    }
    println!("{first} {last}");
    assert!(last > 0.8 * first && first > 1.5);
    assert_eq!(detector.scatter, scatter);
}

/// Scenario: a metric is missing for a while, another one appears, and the vector stops for a week.
/// Guarantees: there are scores all the time, none of it is an anomaly by itself, and a new metric is learned.
#[test]
fn metrics_come_and_go() {
    let (mut detector, mut draws) = trained(14, 3000);
    let mut missing = Vec::new();
    for nth in 3000..3100 {
        let mut x = vector(nth, &mut draws);
        x[1] = f64::NAN;
        missing.push(detector.observe(nth * MINUTE, &x, Learning::Learn).unwrap().value());
    }
    detector.resize(4);
    for nth in 3100..3200 {
        let [a, b, c] = vector(nth, &mut draws);
        missing.push(
            detector.observe(nth * MINUTE, &[a, b, c, draws.normal()], Learning::Learn).unwrap().value(),
        );
    }
    let later = 3200 + 7 * 1440;
    let [a, b, c] = vector(later, &mut draws);
    missing.push(detector.observe(later * MINUTE, &[a, b, c, 0.0], Learning::Learn).unwrap().value());
    let (mut anomaly, mut score) = ([a, b, c, 40.0], 0.0);
    for nth in 1..5 {
        anomaly[0] = a * (1.0 + 0.001 * nth as f64);
        score = detector.observe((later + nth) * MINUTE, &anomaly, Learning::Hold).unwrap().value();
    }
    let highest = missing.iter().copied().fold(0.0, f64::max);
    println!("at most {highest} without an anomaly, {score} with one");
    assert!(highest < 3.0 && score > highest, "{highest} {score}");
    assert_eq!(detector.suspects(1)[0].metric, 3);
}

/// Scenario: ten thousand vectors of 38 metrics, with wild ones.
/// Guarantees: the state stays within the stated size.
#[test]
fn the_state_is_bounded() {
    let (mut detector, mut draws) = (fresh(38), Draws::new(15));
    let mut sizes = Vec::new();
    for nth in 0..3000 {
        let x: Vec<f64> = (0..38).map(|_| libm::exp(5.0 * draws.normal())).collect();
        let _ = detector.observe(nth * MINUTE, &x, Learning::Learn);
        if nth % 1000 == 999 {
            sizes.push(postcard::to_allocvec(&detector).unwrap().len());
        }
    }
    println!("{sizes:?}");
    assert!(sizes.iter().all(|&size| size < 150_000), "{sizes:?}");
}
