//! Prints what a point costs in the hot tier from a thousand to a million series, as `README.md` quotes it:
//! `cargo run --release -p benches --bin hot_tier`.
//!
//! One bank of each size, fed by batches of 4096 points as the product feeds it; every round gives each series a point, in the
//! order in which the series came (exports repeat theirs) or in a shuffled one. Series begin in different rounds, all sizes
//! are measured at the same age, and times are processor time of this thread: on a shared machine a round of a million
//! points is interrupted many times, one of a thousand hardly ever. The median round counts. Young series, of two hours, are told
//! from old ones, of a day: what young ones show often lies outside of what they have shown. What is outside of the measured
//! time: making the points. Old series of all sizes take some minutes.

use std::io::Write as _;

use benches::measure::{median, took_ns};
use benches::series::{hot_bank, noisy_day, shuffled};
use models::bank::BankPoint;
use models::univariate::Lesson;

const MINUTE: i64 = 60_000_000_000;
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Rounds before the first that is measured, for young and for old series, and over which series begin.
const AGES: [(&str, i64); 2] = [("young", 128), ("old", 1_600)];
const BEGIN_ROUNDS: i64 = 64;
/// Rounds that are measured, at the least, and points in all of them.
const ROUNDS_MIN: usize = 12;
const POINTS: usize = 6_000_000;
const BATCH: usize = 4_096;

/// Median nanoseconds of a point. The bank has no room for the full tier.
fn cost(order: &[u32], warm_rounds: i64) -> f64 {
    let mut bank = hot_bank(order.len());
    let (mut points, mut judged, mut rounds) = (Vec::with_capacity(BATCH), Vec::new(), Vec::new());
    let measured = (POINTS / order.len()).clamp(ROUNDS_MIN, 64) as i64;
    for minute in 0..warm_rounds + measured {
        let mut spent = 0.0;
        for batch in order.chunks(BATCH) {
            let begun = batch.iter().filter(|series| i64::from(**series) * 7_919 % BEGIN_ROUNDS <= minute);
            let point = |&series: &u32| {
                let (at, value) = (minute * MINUTE, noisy_day(series as usize, minute));
                BankPoint { series, at, value, lesson: Lesson::Learn }
            };
            points.clear();
            points.extend(begun.map(point));
            spent += took_ns(|| bank.observe(&points, &mut judged));
        }
        if minute >= warm_rounds {
            rounds.push(spent / order.len() as f64);
        }
    }
    median(rounds)
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| series, age | in their order, ns | ratio | shuffled, ns | ratio |\n|---|---|---|---|---|"
    )?;
    for (age, warm_rounds) in AGES {
        let mut least = None;
        for n in SIZES {
            let order: Vec<u32> = (0..n as u32).collect();
            let (in_order, scattered) = (cost(&order, warm_rounds), cost(&shuffled(order), warm_rounds));
            let (first, second) = *least.get_or_insert((in_order, scattered));
            let ratios = (in_order / first, scattered / second);
            writeln!(
                out,
                "| {n}, {age} | {in_order:.0} | {:.2} | {scattered:.0} | {:.2} |",
                ratios.0, ratios.1
            )?;
        }
    }
    Ok(())
}
