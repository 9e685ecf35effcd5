//! What young pods may be excused for: odds of slow requests by pod age.
//!
//! Either the prior curve (latency is `1 + 0.6 e^(-age/60)` times the usual) or what the last five deploys
//! showed (mean plus two standard deviations of the log odds ratio per age bin). Errors are never excused.

use serde::{Deserialize, Serialize};

use super::{N_SIGNALS, Tick};

/// Upper ends of the age bins in seconds.
const EDGES: [f64; 12] = [5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 450.0, 600.0];
const N_BINS: usize = EDGES.len();
/// Deploys a learned curve is made from.
const N_DEPLOYS: usize = 5;
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

    fn ln_odds(&self, nth: usize, s: usize) -> Option<f64> {
        let bin = self.bins.get(nth).filter(|bin| bin.young_n > 0 && bin.old_n > 0)?;
        let odds = |bad: u64, n: u64| (bad as f64 + 0.5) / ((n - bad.min(n)) as f64 + 0.5);
        Some(libm::log(odds(bin.young_bad[s], bin.young_n) / odds(bin.old_bad[s], bin.old_n)))
    }
}

impl WarmupCurve {
    /// The curve of the last five deploys, or the prior one if fewer are known.
    #[must_use]
    pub fn learn(deploys: &[WarmupRecord]) -> Self {
        if deploys.len() < N_DEPLOYS {
            return Self::Prior;
        }
        let last = &deploys[deploys.len() - N_DEPLOYS..];
        let bins = (0..N_BINS).map(|nth| {
            let mut upper = [0.0; N_SIGNALS];
            for (s, upper) in upper.iter_mut().enumerate().skip(1) {
                let seen: Vec<f64> = last.iter().filter_map(|deploy| deploy.ln_odds(nth, s)).collect();
                *upper = if seen.len() < 2 {
                    libm::log(prior(s, age_middle(nth)))
                } else {
                    mean_and_two_sd(&seen)
                };
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

fn mean_and_two_sd(seen: &[f64]) -> f64 {
    let n = seen.len() as f64;
    let mean = seen.iter().sum::<f64>() / n;
    let variance = seen.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    mean + 2.0 * libm::sqrt(variance)
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

    /// Scenario: five deploys whose canary is slow in its first seconds only.
    /// Guarantees: the learned curve excuses those seconds, not later ones, and never errors.
    #[test]
    fn learned_curve_follows_the_deploys() {
        let old = PodCounts { pod: PodIdx(0), requests: 1000, bad: [5, 500, 100, 10], age_secs: 9e9 };
        let young = |age_secs, bad| PodCounts { pod: PodIdx(1), requests: 1000, bad, age_secs };
        let mut record = WarmupRecord::default();
        for (age, bad) in [(4.0, [50, 800, 300, 60]), (400.0, [5, 500, 100, 10])] {
            record.add(&Tick { at: 0, span_secs: 1.0, control: &[old], canary: &[young(age, bad)] });
        }
        let curve = WarmupCurve::learn(&vec![record.clone(); 5]);
        assert!((curve.odds(1, 4.0, 1.0) - 4.0).abs() < 0.1, "{}", curve.odds(1, 4.0, 1.0));
        assert!(curve.odds(1, 400.0, 1.0) < 1.05);
        assert_eq!(curve.odds(0, 4.0, 1.0), 1.0);
        assert_eq!(WarmupCurve::learn(&[record]), WarmupCurve::Prior);
    }
}
