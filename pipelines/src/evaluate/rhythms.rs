//! `evaluate rhythms`: generated series with a rhythm, by the detectors of production. What it does not do: judge or draw.

use models::accuracy::vus_pr;
use models::testkit::{RHYTHM_INTERVALS, RhythmKind, rhythm};
use serde::Serialize;

use super::points::BUFFER_POINTS;
use super::resample::{by_two_threads, mean};
use super::series::{LabelledSeries, SeriesDetector, score_series};

/// The first seed; settings are chosen on other ones.
pub const RHYTHM_SEED: u64 = 31_001;
/// Series of each kind and interval.
pub const RHYTHM_SERIES: u64 = 4;

/// How one kind of series was ranked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RhythmResult {
    /// What repeats, and the interval.
    pub kind: String,
    /// Mean VUS-PR of its series.
    pub vus_pr: f64,
    /// Share of its scored points that are wrong: what chance gives.
    pub by_chance: f64,
    /// Series.
    pub series: usize,
}

/// All kinds at all intervals, so many series each, from a seed on.
#[must_use]
pub(super) fn rhythm_series(first_seed: u64, n: u64) -> Vec<LabelledSeries> {
    let kinds = RHYTHM_INTERVALS
        .into_iter()
        .flat_map(|secs| RhythmKind::ALL.into_iter().map(move |kind| (kind, secs)))
        .filter(|(kind, secs)| kind.shows_at(*secs));
    let all = kinds.flat_map(|(kind, secs)| (0..n).map(move |nth| (kind, secs, first_seed + nth)));
    all.map(|(kind, secs, seed)| {
        let drawn = rhythm(kind, secs, seed);
        let scored = drawn.learned..drawn.values.len();
        let name = format!("{} every {secs} s/{seed}", kind.name());
        LabelledSeries { name, at: drawn.at, values: drawn.values, labels: drawn.labels, scored }
    })
    .collect()
}

/// VUS-PR of one series on its scored points.
pub(super) fn vus_of(series: &LabelledSeries, scores: &[f64]) -> f64 {
    let range = series.scored.clone();
    vus_pr(&series.labels[range.clone()], &scores[range], BUFFER_POINTS)
}

/// Draws so many series of each kind from a seed on; means by kind and interval.
#[must_use]
pub fn evaluate_rhythms((seed, n): (u64, u64), detector: &SeriesDetector) -> Vec<RhythmResult> {
    let series = rhythm_series(seed, n);
    let vus = by_two_threads(&series, |one| vus_of(one, &score_series(one, detector).scores));
    let by_chance = |series: &LabelledSeries| {
        let labels = &series.labels[series.scored.clone()];
        labels.iter().filter(|label| **label).count() as f64 / labels.len().max(1) as f64
    };
    let kinds = series.chunks(n.max(1) as usize).zip(vus.chunks(n.max(1) as usize));
    kinds
        .map(|(series, vus)| RhythmResult {
            kind: series.first().map_or_else(String::new, |one| kind_of(one).to_owned()),
            vus_pr: mean(vus.iter().copied()),
            by_chance: mean(series.iter().map(by_chance)),
            series: series.len(),
        })
        .collect()
}

fn kind_of(series: &LabelledSeries) -> &str {
    series.name.rsplit_once('/').map_or(series.name.as_str(), |(kind, _)| kind)
}
