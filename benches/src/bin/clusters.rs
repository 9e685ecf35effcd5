//! Prints which way of sorting days finds the types that made them: k-means or a mixture of normal
//! distributions: `cargo run -p benches --bin clusters`.
//!
//! Days of 24 hours with a wave and noise: of one type, of work days and weekends, and with a monthly job on top. A run is right
//! if every day is sorted as it was made. Times are processor time of one call, medians over the runs. What it does not do:
//! claim that real days are like these.

use std::io::Write as _;

use benches::measure::{median, took_ns};
use models::testkit::{Draws, day_types, day_types_by_mixture};

const RUNS: u64 = 40;
const HOURS: usize = 24;

/// How days are made.
#[derive(Clone, Copy)]
struct Made {
    name: &'static str,
    days: usize,
    types: usize,
    /// Deviation of the noise; types differ by 6 and more in a third of the day.
    noise: f64,
}

/// Types are met in the order of their numbers, as the ways to sort days number them.
fn type_of(made: Made, day: usize) -> usize {
    let weekend = usize::from(made.types > 1 && day % 7 >= 5);
    if made.types > 2 && day % 9 == 8 { 2 } else { weekend }
}

fn day(made: Made, day: usize, draws: &mut Draws) -> Vec<f64> {
    let value = |hour: usize, draws: &mut Draws| {
        let wave = 10.0 + 3.0 * (hour as f64 / HOURS as f64 * std::f64::consts::TAU).sin();
        let own = match type_of(made, day) {
            1 if (8..18).contains(&hour) => -6.0,
            2 if hour < 6 => 12.0,
            _ => 0.0,
        };
        wave + own + made.noise * draws.normal()
    };
    (0..HOURS).map(|hour| value(hour, draws)).collect()
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "| days | k-means right | mixture right | k-means ms | mixture ms |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    let made = |name, days, types, noise| Made { name, days, types, noise };
    let cases = [
        made("28 of one type", 28, 1, 2.0),
        made("28, weekends, noise 1", 28, 2, 1.0),
        made("28, weekends, noise 1.5", 28, 2, 1.5),
        made("28, weekends, noise 2", 28, 2, 2.0),
        made("56, weekends and a job, noise 1", 56, 3, 1.0),
        made("56, weekends and a job, noise 1.5", 56, 3, 1.5),
        made("56, weekends and a job, noise 2", 56, 3, 2.0),
    ];
    for made in cases {
        let (mut right, mut times) = ([0; 2], [Vec::new(), Vec::new()]);
        for seed in 1..=RUNS {
            let mut draws = Draws::new(seed);
            let days: Vec<Vec<f64>> = (0..made.days).map(|nth| day(made, nth, &mut draws)).collect();
            let truth: Vec<usize> = (0..made.days).map(|nth| type_of(made, nth)).collect();
            let mut found = [Vec::new(), Vec::new()];
            times[0].push(took_ns(|| found[0] = day_types(&days, seed).of_day));
            times[1].push(took_ns(|| found[1] = day_types_by_mixture(&days, seed)));
            for (right, found) in right.iter_mut().zip(found) {
                *right += u32::from(found == truth);
            }
        }
        let ms = times.map(|of_way| median(of_way) / 1e6);
        let (name, [means, mixture]) = (made.name, right);
        writeln!(out, "| {name} | {means} of {RUNS} | {mixture} of {RUNS} | {:.1} | {:.1} |", ms[0], ms[1])?;
    }
    Ok(())
}
