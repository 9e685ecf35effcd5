//! What young pods may be excused for: odds of slow requests by pod age.
//!
//! Before any deploy was seen that is the prior curve (latency is `1 + 0.6 e^(-age/60)` times the usual); after that
//! what the last deploys showed: the mean of the next deploy's log odds ratio plus two standard deviations, per age
//! bin, from a normal model with a prior on mean and spread (DerSimonian & Laird's moment, less what chance among
//! the counted requests explains). Errors are never excused. Which deploys turned out well is the caller's business.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{N_SIGNALS, Tick};

/// Upper ends of the age bins in seconds.
const EDGES: [f64; 12] = [5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 450.0, 600.0];
const N_BINS: usize = EDGES.len();
/// Deploys a learned curve is made from, and a history keeps.
const N_DEPLOYS: usize = 5;
/// Prior on how much deploys differ in log odds: an absolute part, a part of the mean, and what it is worth in deploys.
const SPREAD_FLOOR: f64 = 0.05;
const SPREAD_SHARE: f64 = 0.3;
const SPREAD_DEPLOYS: f64 = 4.0;
/// Spread of log latency that turns the prior latency factor into odds.
const SIGMA: f64 = 0.8;
const QUANTILES: [(f64, f64); N_SIGNALS] = [(0.0, 0.0), (0.5, 0.0), (0.1, 1.281_551_6), (0.01, 2.326_347_9)];

/// Tolerated odds of slow requests by pod age.
///
/// ```
/// use models::sequential::WarmupCurve;
/// assert!(WarmupCurve::Prior.odds(3, 0.0, 1.0) > 3.0);
/// assert_eq!(WarmupCurve::Prior.odds(0, 0.0, 1.0), 1.0);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum WarmupCurve {
    /// Pods are at full speed from the start.
    None,
    /// No deploy was recorded yet.
    #[default]
    Prior,
    /// Log odds per signal and age bin.
    Learned(Vec<[f64; N_SIGNALS]>),
}

/// Counts by pod age of one deploy, from which a curve is learned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WarmupRecord {
    bins: Vec<Bin>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Bin {
    young_n: u64,
    old_n: u64,
    young_bad: [u64; N_SIGNALS],
    old_bad: [u64; N_SIGNALS],
}

fn bin_of(age_secs: f64) -> Option<usize> {
    EDGES.iter().position(|&edge| age_secs < edge)
}

impl WarmupRecord {
    /// Adds a tick of a deploy that turned out well.
    pub fn add(&mut self, tick: &Tick<'_>) {
        self.bins.resize(N_BINS, Bin::default());
        for pod in tick.canary {
            let age = (pod.age_secs - tick.span_secs / 2.0).max(0.0);
            let Some(bin) = bin_of(age).and_then(|nth| self.bins.get_mut(nth)) else { continue };
            bin.young_n = bin.young_n.saturating_add(pod.requests);
            for control in tick.control {
                bin.old_n = bin.old_n.saturating_add(control.requests);
            }
            for s in 0..N_SIGNALS {
                bin.young_bad[s] = bin.young_bad[s].saturating_add(pod.bad[s].min(pod.requests));
                for control in tick.control {
                    bin.old_bad[s] = bin.old_bad[s].saturating_add(control.bad[s].min(control.requests));
                }
            }
        }
    }

    /// Whether no young pod was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bins.iter().all(|bin| bin.young_n == 0)
    }

    /// Log odds ratio and its sampling variance (Woolf, with half an event in each cell).
    fn ln_odds(&self, nth: usize, s: usize) -> Option<(f64, f64)> {
        let bin = self.bins.get(nth).filter(|bin| bin.young_n > 0 && bin.old_n > 0)?;
        let cell = |bad: u64, n: u64| (bad.min(n) as f64 + 0.5, (n - bad.min(n)) as f64 + 0.5);
        let (young, old) = (cell(bin.young_bad[s], bin.young_n), cell(bin.old_bad[s], bin.old_n));
        let ratio = libm::log(young.0 / young.1 * old.1 / old.0);
        Some((ratio, 1.0 / young.0 + 1.0 / young.1 + 1.0 / old.0 + 1.0 / old.1))
    }
}

/// The newest good deploys of one service, at most five.
///
/// ```
/// use models::sequential::{WarmupCurve, WarmupHistory};
/// assert_eq!(WarmupHistory::default().curve(), WarmupCurve::Prior);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WarmupHistory(VecDeque<WarmupRecord>);

impl WarmupHistory {
    /// Keeps a deploy that turned out well; one without a young pod says nothing.
    pub fn keep(&mut self, deploy: WarmupRecord) {
        if deploy.is_empty() {
            return;
        }
        if self.0.len() == N_DEPLOYS {
            self.0.pop_front();
        }
        self.0.push_back(deploy);
    }

    /// What the kept deploys lead to expect of the next one.
    #[must_use]
    pub fn curve(&self) -> WarmupCurve {
        let deploys: Vec<&WarmupRecord> = self.0.iter().collect();
        WarmupCurve::of(&deploys)
    }
}

impl WarmupCurve {
    /// The curve of the last deploys, five at the most; the prior one if there are none.
    #[must_use]
    pub fn learn(deploys: &[WarmupRecord]) -> Self {
        let last: Vec<&WarmupRecord> = deploys.iter().skip(deploys.len().saturating_sub(N_DEPLOYS)).collect();
        Self::of(&last)
    }

    fn of(deploys: &[&WarmupRecord]) -> Self {
        if deploys.is_empty() {
            return Self::Prior;
        }
        let bins = (0..N_BINS).map(|nth| {
            let mut upper = [0.0; N_SIGNALS];
            for (s, upper) in upper.iter_mut().enumerate().skip(1) {
                let seen: Vec<(f64, f64)> =
                    deploys.iter().filter_map(|deploy| deploy.ln_odds(nth, s)).collect();
                *upper = upper_of_next(&seen, libm::log(prior(s, age_middle(nth))));
            }
            upper
        });
        Self::Learned(bins.collect())
    }

    /// Odds multiplier for signal `s`, averaged over the last `span_secs` of a pod's life, at least 1.
    #[must_use]
    pub fn odds(&self, s: usize, age_secs: f64, span_secs: f64) -> f64 {
        let last_edge = EDGES[N_BINS - 1];
        if s == 0 || s >= N_SIGNALS || !age_secs.is_finite() || age_secs - span_secs > last_edge {
            return 1.0;
        }
        let span = if span_secs.is_finite() { span_secs.clamp(0.0, age_secs.max(0.0)) } else { 0.0 };
        let steps = if span > 2.0 { 5 } else { 1 };
        let at = |step: i32| age_secs - span * (f64::from(step) + 0.5) / f64::from(steps);
        let sum: f64 = (0..steps).map(|step| self.at_age(s, at(step))).sum();
        (sum / f64::from(steps)).max(1.0)
    }

    fn at_age(&self, s: usize, age_secs: f64) -> f64 {
        match self {
            Self::None => 1.0,
            Self::Prior => prior(s, age_secs),
            Self::Learned(bins) => {
                let upper = bin_of(age_secs).and_then(|nth| bins.get(nth)).map_or(0.0, |bin| bin[s]);
                libm::exp(upper.clamp(0.0, 5.0))
            }
        }
    }
}

fn age_middle(nth: usize) -> f64 {
    let low = if nth == 0 { 0.0 } else { EDGES[nth - 1] };
    (low + EDGES[nth]) / 2.0
}

/// Upper end (mean and two standard deviations) of the next deploy's log odds, from `(value, sampling variance)` of
/// earlier ones and the prior curve's value; never above both the prior curve and what deploys showed.
fn upper_of_next(seen: &[(f64, f64)], prior: f64) -> f64 {
    if seen.is_empty() {
        return prior;
    }
    let n = seen.len() as f64;
    let plain = seen.iter().map(|(value, _)| value).sum::<f64>() / n;
    let chance = seen.iter().map(|(_, variance)| variance).sum::<f64>() / n;
    let squares: f64 = seen.iter().map(|(value, _)| (value - plain) * (value - plain)).sum();
    let moment = if n > 1.0 { (squares / (n - 1.0) - chance).max(0.0) } else { 0.0 };
    // the mean is shrunk twice: once to know how far deploys differ, once with that
    let shrunk = |spread2: f64| {
        let (mut weight, mut sum) = (4.0 / (prior * prior), 2.0 / prior);
        for (value, variance) in seen {
            weight += 1.0 / (variance + spread2);
            sum += value / (variance + spread2);
        }
        (sum / weight, 1.0 / weight)
    };
    let usual = SPREAD_FLOOR + SPREAD_SHARE * shrunk(SPREAD_FLOOR * SPREAD_FLOOR).0.max(0.0);
    let spread2 = (SPREAD_DEPLOYS * usual * usual + (n - 1.0) * moment) / (SPREAD_DEPLOYS + n - 1.0);
    let (mean, variance) = shrunk(spread2);
    let shown = plain + 2.0 * libm::sqrt(spread2);
    (mean + 2.0 * libm::sqrt(variance + spread2)).min(shown.max(prior))
}

/// Odds ratio of exceeding a quantile when log-normal latency is multiplied by the prior factor.
fn prior(s: usize, age_secs: f64) -> f64 {
    let (p, z) = QUANTILES[s];
    let factor = 1.0 + 0.6 * libm::exp(-age_secs.max(0.0) / 60.0);
    let above = 0.5 * libm::erfc((z - libm::log(factor) / SIGMA) / core::f64::consts::SQRT_2);
    (above / (1.0 - above)) / (p / (1.0 - p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequential::{PodCounts, PodIdx};

    fn deploy(by_age: &[(f64, [u64; N_SIGNALS])]) -> WarmupRecord {
        let old = PodCounts { pod: PodIdx(0), requests: 1000, bad: [5, 500, 100, 10], age_secs: 9e9 };
        let mut record = WarmupRecord::default();
        for &(age_secs, bad) in by_age {
            let young = PodCounts { pod: PodIdx(1), requests: 1000, bad, age_secs };
            record.add(&Tick { at: 0, span_secs: 1.0, control: &[old], canary: &[young] });
        }
        record
    }

    /// Scenario: deploys whose canary is slow in its first seconds only, one of them and then five.
    /// Guarantees: the learned curve excuses those seconds, later ones less than the prior does, and errors never;
    /// more deploys excuse less.
    #[test]
    fn learned_curve_follows_the_deploys() {
        let record = deploy(&[(4.0, [50, 800, 300, 60]), (25.0, [5, 500, 100, 10])]);
        let (one, five) =
            (WarmupCurve::learn(std::slice::from_ref(&record)), WarmupCurve::learn(&vec![record; 5]));
        for curve in [&one, &five] {
            assert!(curve.odds(1, 4.0, 1.0) > 4.0 && curve.odds(1, 4.0, 1.0) < 12.0);
            assert!(curve.odds(1, 25.0, 1.0) < 0.8 * WarmupCurve::Prior.odds(1, 25.0, 1.0));
            assert_eq!(curve.odds(0, 4.0, 1.0), 1.0);
        }
        assert!(five.odds(1, 4.0, 1.0) < one.odds(1, 4.0, 1.0));
        assert!(five.odds(1, 25.0, 1.0) < 1.25, "{}", five.odds(1, 25.0, 1.0));
    }

    /// Scenario: five deploys without any warm-up, counted over few requests, so that chance alone moves each of them.
    /// Guarantees: chance is not taken for deploys that differ: hardly more is excused than over many requests.
    #[test]
    fn chance_among_few_requests_is_no_warm_up() {
        let noisy = [[1, 110, 21, 2], [1, 90, 19, 2], [1, 104, 22, 1], [1, 96, 18, 3], [1, 100, 20, 2]];
        let seen = noisy.map(|bad| {
            let young = PodCounts { pod: PodIdx(1), requests: 200, bad, age_secs: 25.0 };
            let old =
                PodCounts { pod: PodIdx(0), requests: 10_000, bad: [50, 5000, 1000, 100], age_secs: 9e9 };
            let mut record = WarmupRecord::default();
            record.add(&Tick { at: 0, span_secs: 1.0, control: &[old], canary: &[young] });
            record
        });
        let curve = WarmupCurve::learn(&seen);
        assert!(curve.odds(1, 25.0, 1.0) < 1.35, "{}", curve.odds(1, 25.0, 1.0));
        assert_eq!(WarmupCurve::learn(&[]), WarmupCurve::Prior);
    }

    /// Scenario: more deploys than are kept, and one without young pods. Guarantees: the newest five count.
    #[test]
    fn history_keeps_the_newest() {
        let mut history = WarmupHistory::default();
        for _ in 0..3 {
            history.keep(deploy(&[(4.0, [5, 900, 600, 300])]));
        }
        for _ in 0..5 {
            history.keep(deploy(&[(4.0, [5, 500, 100, 10])]));
        }
        history.keep(WarmupRecord::default());
        assert_eq!(history.curve(), WarmupCurve::learn(&vec![deploy(&[(4.0, [5, 500, 100, 10])]); 5]));
    }
}
