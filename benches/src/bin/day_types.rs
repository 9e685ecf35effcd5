//! Prints how well types of days foretell a series, beside the product's detector and its usual day alone:
//! `cargo run --release -p benches --bin day_types [FOLDER OF kpi2018]`.
//!
//! Generated series of more than one type of day (`models::testkit::RhythmKind::OF_DAYS`), counted on their second half, and the
//! training halves of the development part of kpi2018, counted from the third week on. A figure is the mean absolute error as a
//! part of the product's, the geometric mean over series, with the paired 95 % bootstrap interval of its difference from one.
//! What it costs stands below. What it does not do: look at what is held out.

use std::io::Write as _;
use std::path::Path;

use benches::foretelling::{DaySeries, EXPECTATIONS, Errors, errors_of, ways};
use benches::measure::took_ns;
use models::testkit::{DayForecasts, RhythmKind, rhythm};
use pipelines::evaluate::{LabelledSeries, Part, Selection, by_two_threads, paired, read_kpi2018};

const SEED: u64 = 32_001;
const SERIES: u64 = 8;
const INTERVAL_SECS: i64 = 300;
const NANOS_PER_DAY: i64 = 86_400_000_000_000;
/// Days of a recording that are only learned.
const LEARNED_DAYS: i64 = 14;
/// These KPIs have their quietest hours when it is night in China.
const OFFSET_SECS: i32 = 8 * 3600;
const HORIZONS: [&str; 2] = ["the next point", "an hour ahead"];

fn generated(kind: RhythmKind, seed: u64) -> DaySeries {
    let drawn = rhythm(kind, INTERVAL_SECS, seed);
    DaySeries {
        at: drawn.at,
        values: drawn.values,
        labels: drawn.labels,
        counted: drawn.learned,
        offset_secs: 0,
        marked_days: drawn.marked_days,
    }
}

fn recorded(mut it: LabelledSeries) -> DaySeries {
    it.at.truncate(it.scored.start);
    let from = it.at.first().map_or(0, |first| first + LEARNED_DAYS * NANOS_PER_DAY);
    DaySeries {
        counted: it.at.partition_point(|at| *at < from),
        at: it.at,
        values: it.values,
        labels: it.labels,
        offset_secs: OFFSET_SECS,
        marked_days: Vec::new(),
    }
}

/// A kind of series, and those of the kind.
type Set = (&'static str, Vec<DaySeries>);

fn sets(folder: Option<&Path>) -> Result<Vec<Set>, Box<dyn std::error::Error>> {
    let of = |kind: RhythmKind| {
        (kind.name(), (SEED..SEED + SERIES).map(|seed| generated(kind, seed)).collect::<Vec<_>>())
    };
    let mut sets: Vec<_> = RhythmKind::OF_DAYS.into_iter().map(of).collect();
    if let Some(folder) = folder {
        let read = read_kpi2018(Selection { folder, part: Part::Development })?;
        sets.push(("kpi2018", read.into_iter().map(recorded).collect()));
    }
    Ok(sets)
}

fn cell(errors: &[Errors], horizon: usize, expectation: usize) -> String {
    let mean = |drawn: &[usize]| {
        let logs = drawn.iter().map(|&nth| errors[nth].ratio(horizon, expectation).ln());
        (logs.sum::<f64>() / drawn.len().max(1) as f64).exp()
    };
    let figure = paired(errors.len(), |drawn| (mean(drawn), 1.0));
    figure.map_or_else(String::new, |it| {
        let (low, high) = it.interval;
        let told = if it.is_noise { " noise" } else { "" };
        format!("{:.3} [{low:+.3}, {high:+.3}]{told}", it.figure)
    })
}

fn costs(out: &mut impl std::io::Write) -> std::io::Result<()> {
    let series = generated(RhythmKind::AnyDays, SEED);
    writeln!(out, "\n| a series every {INTERVAL_SECS} s | bytes | ns a point |\n|---|---|---|")?;
    for params in ways() {
        let mut days = DayForecasts::new(params);
        let ns = took_ns(|| {
            for (at, value) in series.at.iter().zip(&series.values) {
                days.learn(at / 1_000_000_000, false, *value);
            }
        });
        let what = format!("{:?}, {} days", params.way, params.days);
        writeln!(out, "| {what} | {} | {:.0} |", days.state_bytes(), ns / series.at.len() as f64)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1);
    let mut out = std::io::stdout().lock();
    let sets = sets(folder.as_deref().map(Path::new))?;
    let errors: Vec<Vec<Errors>> = sets.iter().map(|(_, series)| by_two_threads(series, errors_of)).collect();
    for (horizon, name) in HORIZONS.iter().enumerate() {
        let names = sets.iter().map(|(name, series)| format!("{name} ({})", series.len()));
        writeln!(out, "\n| {name} | {} |", names.collect::<Vec<_>>().join(" | "))?;
        writeln!(out, "|---{}|", "|---".repeat(sets.len()))?;
        for (nth, expectation) in EXPECTATIONS.iter().enumerate().skip(1) {
            let cells = errors.iter().map(|errors| cell(errors, horizon, nth));
            writeln!(out, "| {expectation} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
        }
    }
    costs(&mut out)?;
    Ok(())
}
