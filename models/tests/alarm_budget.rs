//! The alarm budget over months of series: generated ones of many kinds, and recorded ones where they are at hand.
//!
//! The score is a simple one on purpose: what is shown is that the budget holds whatever the score is worth.

use std::path::{Path, PathBuf};

use models::calibrate::{AlarmBudget, BudgetParams, TailCalibrator, TailParams};
use models::univariate::{RobustBaseline, RobustParams};
use models::{Detector, RawScore};
use rand::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const DAY: i64 = 86_400_000_000_000;

struct Point {
    at: i64,
    value: f64,
    anomalous: bool,
}

/// Instants of the alarms of one series under its own budget, score by score as production would.
fn alarms_of(points: &[Point], params: BudgetParams) -> Vec<i64> {
    let mut budget = AlarmBudget::new(&params.check().expect("the settings of this test are valid"));
    let mut baseline = RobustBaseline::new(&RobustParams::default().check().expect("defaults are valid"));
    let mut tail = TailCalibrator::new(&TailParams::default().check().expect("defaults are valid"));
    let mut alarms = Vec::new();
    for point in points {
        let score: Option<RawScore> = baseline.score(point.at, &[point.value]);
        baseline.learn(point.at, &[point.value]);
        let Some(score) = score else { continue };
        let surprise = tail.p_value(score).surprise();
        tail.observe(point.at, score);
        if tail.maturity().is_mature() && budget.step(point.at, surprise).state.is_alarm() {
            alarms.push(point.at);
        }
    }
    alarms
}

/// The most alarms in any 30 days that begin with one.
fn worst_of_30_days(alarms: &[i64]) -> usize {
    let within =
        |(first, from): (usize, &i64)| alarms[first..].iter().take_while(|at| *at - from < 30 * DAY).count();
    alarms.iter().enumerate().map(within).max().unwrap_or(0)
}

struct Held {
    worst: usize,
    per_series_day: f64,
    recall: f64,
}

/// Runs every series, holds each against the bound, and says what the worst one did.
fn hold(all: &[(String, Vec<Point>)], params: BudgetParams) -> Held {
    let valid = params.check().expect("the settings of this test are valid");
    let (mut worst, mut days, mut count, mut events, mut found) = (0, 0.0, 0, 0, 0);
    for (name, points) in all {
        let alarms = alarms_of(points, params);
        let span = points.last().map_or(0, |last| last.at - points[0].at) as f64 / DAY as f64;
        assert!(
            alarms.len() as f64 <= valid.alarms_max(span),
            "{name}: {} alarms in {span} days",
            alarms.len()
        );
        assert!(alarms.len() as f64 <= params.alarms_per_day * span + 19.0, "{name}");
        worst = worst.max(worst_of_30_days(&alarms));
        (days, count) = (days + span, count + alarms.len());
        for event in points.chunk_by(|a, b| a.anomalous == b.anomalous).filter(|run| run[0].anomalous) {
            let step = points[1].at - points[0].at;
            let (from, to) = (event[0].at - 2 * step, event[event.len() - 1].at + 7 * step);
            events += 1;
            found += usize::from(alarms.iter().any(|at| (from..=to).contains(at)));
        }
    }
    Held { worst, per_series_day: count as f64 / days, recall: found as f64 / f64::from(events.max(1)) }
}

struct Noise(Xoshiro256PlusPlus);

impl Noise {
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        libm::sqrt(-2.0 * libm::log(self.uniform())) * libm::cos(core::f64::consts::TAU * self.uniform())
    }
}

/// Series of 60 days at five minutes (one kind at a minute, one irregular): calm, daily, heavy-tailed, bursty, random
/// walk, regime changes, rare events, growing scale.
fn generated(seed: u64) -> Vec<(String, Vec<Point>)> {
    let kinds =
        ["calm", "daily", "cauchy", "bursts", "walk", "regimes", "rare", "growing", "irregular", "minutes"];
    let series = |(nth, kind): (usize, &&str)| {
        let mut noise = Noise(Xoshiro256PlusPlus::seed_from_u64(seed * 100 + nth as u64));
        let (mut at, mut walk, mut level, mut burst) = (0_i64, 0.0, 0.0, 0_u32);
        let mut points = Vec::new();
        while at < 60 * DAY {
            let day = at as f64 / DAY as f64;
            let wave = libm::sin(core::f64::consts::TAU * day);
            walk += noise.normal();
            let value = match *kind {
                "daily" => 20.0 * wave + noise.normal(),
                "cauchy" => noise.normal() / noise.normal().abs().max(1e-6),
                "bursts" => {
                    burst = if noise.uniform() < 0.002 { 30 } else { burst.saturating_sub(1) };
                    noise.normal() * if burst > 0 { 20.0 } else { 1.0 }
                }
                "walk" => walk,
                "regimes" => {
                    level = if noise.uniform() < 0.001 { 50.0 * noise.normal() } else { level };
                    level + noise.normal()
                }
                "rare" => {
                    if noise.uniform() < 0.003 {
                        10.0 + 90.0 * noise.uniform()
                    } else {
                        0.0
                    }
                }
                "growing" => noise.normal() * libm::exp(day / 10.0),
                _ => noise.normal(),
            };
            points.push(Point { at, value: 100.0 + value, anomalous: false });
            at += match *kind {
                "minutes" => 60_000_000_000,
                "irregular" => (noise.uniform() * 600e9) as i64 + 1,
                _ => 300_000_000_000,
            };
        }
        (format!("{kind} (seed {seed})"), points)
    };
    kinds.iter().enumerate().map(series).collect()
}

/// Scenario: three seeds of ten kinds of series, 60 days each, one alarm a day allowed.
/// Guarantees: the bound holds for each; over any 30 days the worst one gives at most 1.2 times its budget.
#[test]
fn generated_series_keep_the_budget() {
    for seed in 1..=3 {
        let held = hold(&generated(seed), BudgetParams::default());
        println!("seed {seed}: worst {} in 30 days, {:.3} a day", held.worst, held.per_series_day);
        assert!(held.worst <= 36, "seed {seed}: {} alarms in 30 days", held.worst);
    }
}

#[expect(clippy::disallowed_methods, reason = "recorded data sets are found through the environment")]
fn recordings() -> Option<PathBuf> {
    std::env::var("BELLWETHER_DATA").ok().map(PathBuf::from)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a data set is a folder") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.to_string_lossy().ends_with(".csv.zst") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Seconds since 1970 of `1491041280` or `2021-01-31 23:59:00`.
fn seconds(text: &str) -> i64 {
    if let Ok(plain) = text.parse() {
        return plain;
    }
    let n: Vec<i64> =
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let (year, month) = if n[1] > 2 { (n[0], n[1] - 3) } else { (n[0] - 1, n[1] + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + n[2] - 719_469;
    days * 86_400 + n[3] * 3600 + n[4] * 60 + n.get(5).copied().unwrap_or(0)
}

fn read(path: &Path) -> (String, Vec<Point>) {
    let bytes = zstd::decode_all(std::fs::File::open(path).expect("listed a moment ago")).expect("zstd");
    let text = String::from_utf8(bytes).expect("csv is text");
    let points = text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let value = fields[1].parse().ok()?;
        Some(Point { at: seconds(fields[0]) * 1_000_000_000, value, anomalous: fields[2] == "1" })
    });
    (path.file_name().expect("a file has a name").to_string_lossy().into_owned(), points.collect())
}

/// Scenario: the recorded series of kpi2018 and mscloud, one alarm a day allowed.
/// Guarantees: the bound holds for each; over any 30 days the worst one gives at most 1.2 times its budget.
#[test]
fn recorded_series_keep_the_budget() {
    let Some(data) = recordings() else {
        println!("BELLWETHER_DATA is not set: nothing to read");
        return;
    };
    for set in ["kpi2018", "mscloud"] {
        let all: Vec<(String, Vec<Point>)> =
            files_below(&data.join(set)).iter().map(|path| read(path)).collect();
        assert!(!all.is_empty());
        let held = hold(&all, BudgetParams::default());
        println!(
            "{set}: {} series, worst {} in 30 days, {:.3} a day, {:.3} of the labelled events found",
            all.len(),
            held.worst,
            held.per_series_day,
            held.recall
        );
        assert!(held.worst <= 36, "{set}: {} alarms in 30 days", held.worst);
    }
}
