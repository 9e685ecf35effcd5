//! `evaluate exhaustion --simulate`: the forecast on generated series, beside the two rules that most people run.

use std::collections::BTreeMap;

use models::exhaustion::{Exhaustion, ExhaustionValidParams, posterior};
use models::testkit::{HandedOn, LeakFigures, LeakRule, leak_figures, release_figures};
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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulatedReleases {
    /// Healthy releases.
    pub healthy: usize,
    /// Of these, blamed.
    pub blamed: usize,
    /// Leaking releases.
    pub leaking: usize,
    /// Of these, blamed before the limit was reached.
    pub found: usize,
    /// Whether the confidences that are told come true.
    pub reliability: Vec<Reliability>,
}

/// Releases of which at least this confidence is told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reliability {
    /// Share of the room from which it is told.
    pub room_taken: f64,
    /// What is told.
    pub confidence: f64,
    /// Share that leaks, if one release in ten does.
    pub leaking_share: f64,
    /// The same if as many healthy ones more had been blamed as chance may hide (one standard deviation).
    pub leaking_share_at_least: f64,
    /// Leaking releases.
    pub found: usize,
    /// Healthy ones.
    pub blamed: usize,
}

/// The condition under which the product asks for `act`, on generated releases, and what its confidence is worth there.
#[must_use]
pub fn simulate_releases(params: &ExhaustionValidParams) -> SimulatedReleases {
    let figures = release_figures(params, SEED, RELEASES, HandedOn::History);
    let (healthy, leaking, (found, blamed)) = (figures.healthy, figures.leaking, figures.blamed());
    let reliability = |(room_taken, confidence): (f64, f64)| {
        let (found, blamed) = figures.having_taken(room_taken);
        let share = |blamed: f64| posterior(found as f64 / leaking as f64, blamed / healthy as f64);
        Reliability {
            room_taken,
            confidence,
            leaking_share: share(blamed as f64),
            leaking_share_at_least: share(blamed as f64 + (blamed as f64 + 1.0).sqrt()),
            found,
            blamed,
        }
    };
    let reliability = Exhaustion::confidences_in_release().into_iter().map(reliability).collect();
    SimulatedReleases { healthy, blamed, leaking, found, reliability }
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
