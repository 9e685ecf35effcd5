//! Prints what a metric point costs in the detector of many metrics, as `README.md` quotes it:
//! `cargo run --release -p benches --bin vector`.
//!
//! Vectors as in the bench `multivariate`. Beside it, as a yardstick of the machine, the small single-series detector on the same
//! points, each metric a series. Both sides run in turns on one thread; times are processor time, medians. What it does not
//! do: compare what the two find.

use std::io::Write as _;

use benches::measure::side_by_side;
use models::bank::{Admission, AdmissionParams, Bank, BankPoint, SurpriseColumns};
use models::multivariate::{Learning, VectorDetector, VectorParams};
use models::testkit::Draws;
use models::univariate::{Lesson, SurpriseParams};

const MINUTE: i64 = 60_000_000_000;
const WARM: usize = 3_000;
const MEASURED: usize = 1_000;
const ROUNDS: usize = 31;

/// Loads that go together, noise and a daily swing; one in a hundred is an outlier.
fn vectors(width: usize, n: usize) -> Vec<Vec<f64>> {
    let mut draws = Draws::new(5);
    let mut vector = |nth: usize| {
        let load = 2.0 + (nth as f64 / 1440.0 * std::f64::consts::TAU).sin() + 0.1 * draws.uniform();
        let wild = if nth % 100 == 99 { 5.0 } else { 1.0 };
        (0..width).map(|metric| load * (metric + 1) as f64 * wild + draws.uniform()).collect()
    };
    (0..n).map(&mut vector).collect()
}

/// The small single-series detector over the same points, each metric a series.
fn small((first, vectors): (usize, &[Vec<f64>]), mut bank: Bank) -> Bank {
    let mut judged = Vec::new();
    for (nth, vector) in vectors.iter().enumerate() {
        let at = (first + nth) as i64 * MINUTE;
        let point = |(series, &value): (u32, &f64)| BankPoint { series, at, value, lesson: Lesson::Learn };
        let batch: Vec<BankPoint> = (0..).zip(vector).map(point).collect();
        bank.observe(&batch, &mut judged);
    }
    bank
}

/// A bank of so many series without room for the full tier.
fn bank(width: usize) -> Bank {
    let none = AdmissionParams { budget_bytes: 0, ..AdmissionParams::default() };
    let none = none.check().expect("the settings are within their ranges");
    let columns = SurpriseColumns::new(&SurpriseParams::default().check().expect("defaults are valid"));
    let mut bank = Bank::new(columns, Admission::new(&none, SurpriseColumns::bytes_per_row()), u32::MAX);
    (0..width).for_each(|_| {
        bank.add(1.0);
    });
    bank
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "| metrics | a metric point, ns | hot tier, ns | ratio |")?;
    writeln!(out, "|---|---|---|---|")?;
    for width in [5, 19, 38] {
        let vectors = vectors(width, WARM + MEASURED);
        let params = VectorParams::default().check().expect("defaults are within their ranges");
        let mut warm = VectorDetector::new(&params, width);
        for (nth, x) in vectors[..WARM].iter().enumerate() {
            warm.observe(nth as i64 * MINUTE, x, Learning::Learn);
        }
        // the copy of the state is part of what is measured: under a hundredth of it
        let detector = || {
            let mut detector = warm.clone();
            for (nth, x) in vectors[WARM..].iter().enumerate() {
                detector.observe((WARM + nth) as i64 * MINUTE, x, Learning::Learn);
            }
            detector
        };
        let known = small((0, &vectors[..WARM]), bank(width));
        let yardstick = || small((WARM, &vectors[WARM..]), known.clone());
        let (detector, yardstick) = side_by_side(ROUNDS, detector, yardstick);
        let points = (width * MEASURED) as f64;
        let (detector, yardstick) = (detector / points, yardstick / points);
        writeln!(out, "| {width} | {detector:.0} | {yardstick:.0} | {:.1} |", detector / yardstick)?;
    }
    Ok(())
}
