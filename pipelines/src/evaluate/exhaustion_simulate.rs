//! `evaluate exhaustion --simulate`: the forecast on generated series, beside the two rules that most people run.

use std::collections::BTreeMap;

use models::exhaustion::ExhaustionValidParams;
use models::testkit::{LeakFigures, LeakRule, leak_figures, release_figures};
use serde::Serialize;

/// First seed; none of the series of this or a later one was looked at when settings were chosen.
const SEED: u64 = 5_000_001;
/// Healthy series of each kind.
const HEALTHY: u64 = 20;
/// Healthy releases of each kind, and leaking ones of each base, growth and length.
const RELEASES: (u64, u64) = (100, 5);

/// Figures of one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulatedRule {
    /// False warnings per series and day.
    pub false_per_series_day: f64,
    /// Healthy series, of two days each.
    pub healthy: usize,
    /// Of these, with a warning.
    pub healthy_warned: usize,
    /// Leaks.
    pub leaks: usize,
    /// Share of the leaks warned of ahead.
    pub warned_share: f64,
    /// Share of the leaks of an hour or more warned of at least 30 samples ahead.
    pub early_share: f64,
    /// Median samples from the first warning to the end.
    pub median_lead_samples: f64,
    /// Share of the warnings whose 90 % interval held the end.
    pub covered_share: f64,
    /// False warnings by kind of series.
    pub by_kind: BTreeMap<String, usize>,
}

/// The model's two rules, a static threshold and a straight line, on the same series.
#[must_use]
pub fn simulate_exhaustion(params: &ExhaustionValidParams) -> BTreeMap<&'static str, SimulatedRule> {
    let rules = [
        ("warn", LeakRule::Warn),
        ("act", LeakRule::Act),
        ("static_90_percent", LeakRule::Static),
        ("predict_linear_1h", LeakRule::PredictLinear),
    ];
    rules.map(|(name, rule)| (name, of(&leak_figures(rule, params, SEED, HEALTHY, 3)))).into()
}

/// What the strict rule says of releases on their first day, where the version before did not leak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SimulatedReleases {
    /// Healthy releases.
    pub healthy: usize,
    /// Of these, blamed.
    pub blamed: usize,
    /// Leaking releases.
    pub leaking: usize,
    /// Of these, blamed before the limit was reached.
    pub found: usize,
}

/// The condition under which the product asks for `act`, on generated releases.
#[must_use]
pub fn simulate_releases(params: &ExhaustionValidParams) -> SimulatedReleases {
    let figures = release_figures(params, SEED, RELEASES);
    let (healthy, blamed, leaking, found) = (figures.healthy, figures.blamed, figures.leaking, figures.found);
    SimulatedReleases { healthy, blamed, leaking, found }
}

fn of(figures: &LeakFigures) -> SimulatedRule {
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    SimulatedRule {
        false_per_series_day: figures.false_per_series_day(),
        healthy: figures.healthy,
        healthy_warned: figures.healthy_warned,
        leaks: figures.leaks,
        warned_share: share(figures.warned, figures.leaks),
        early_share: share(figures.slow_early, figures.slow_leaks),
        median_lead_samples: figures.median_lead(),
        covered_share: share(figures.covered, figures.warned),
        by_kind: figures.by_kind.iter().map(|(kind, n)| (format!("{kind:?}"), *n)).collect(),
    }
}
