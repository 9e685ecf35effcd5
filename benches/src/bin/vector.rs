//! Prints what a metric point costs in the detector of many metrics, as `README.md` quotes it:
//! `cargo run --release -p benches --bin vector`.
//!
//! Vectors as in the bench `multivariate`. Beside it, as a yardstick of the machine, the small single-series detector on the same
//! points, each metric a series. Both sides run in turns on one thread; times are processor time, medians. What it does not
//! do: compare what the two find.

use std::io::Write as _;

use benches::measure::side_by_side;
use benches::series::{hot_bank, vectors};
use models::bank::{Bank, BankPoint};
use models::multivariate::{Learning, VectorDetector, VectorParams};
use models::univariate::Lesson;

const MINUTE: i64 = 60_000_000_000;
const WARM: usize = 3_000;
const MEASURED: usize = 1_000;
const ROUNDS: usize = 31;

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
        let known = small((0, &vectors[..WARM]), hot_bank(width));
        let yardstick = || small((WARM, &vectors[WARM..]), known.clone());
        let (detector, yardstick) = side_by_side(ROUNDS, detector, yardstick);
        let points = (width * MEASURED) as f64;
        let (detector, yardstick) = (detector / points, yardstick / points);
        writeln!(out, "| {width} | {detector:.0} | {yardstick:.0} | {:.1} |", detector / yardstick)?;
    }
    Ok(())
}
