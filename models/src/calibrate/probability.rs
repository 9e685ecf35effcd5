//! From a p-value to the probability that something is wrong: a prior curve that outcomes correct.
//!
//! Without outcomes the odds are those of the prior times the largest Bayes factor that a p-value can stand for,
//! `1 / (-e p ln p)` for `p < 1/e` (Sellke, Bayarri and Berger, The American Statistician 2001, eq. 4). Outcomes are
//! counted in bins of a quarter of a decade; pooling adjacent violators (Ayer et al. 1955) keeps the curve rising.
//! A p-value alone never becomes a certainty.

use serde::{Deserialize, Serialize};

use super::surprise::{SURPRISE_MAX, Surprise};
use crate::detector::Probability;

const BINS: usize = 21;
const BINS_PER_DECADE: f64 = 4.0;
/// How many outcomes the prior curve counts for in each bin.
const PRIOR_WEIGHT: f64 = 1.0;
/// Outcomes are halved in a bin at this many, so that what was long ago fades.
const OUTCOMES_MAX: f64 = 1024.0;

/// How a surprise ended.
///
/// ```
/// use models::calibrate::Truth;
/// assert_ne!(Truth::Anomaly, Truth::Nothing);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Truth {
    /// Something was wrong.
    Anomaly,
    /// Nothing was.
    Nothing,
}

/// The curve from surprise to probability; about 0.4 KB.
///
/// ```
/// use models::calibrate::{ProbabilityMap, Surprise, Truth};
/// let mut map = ProbabilityMap::new(0.001).unwrap();
/// let three = Surprise::clamped(3.0);
/// let before = map.probability(three).value();
/// (0..50).for_each(|_| map.observe(three, Truth::Anomaly));
/// assert!(before < 0.1 && map.probability(three).value() > 0.8);
/// ```
///
/// # Invariants
/// Both columns have `BINS` entries; the probability never falls with the surprise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbabilityMap {
    anomalies: Vec<f64>,
    outcomes: Vec<f64>,
}

impl ProbabilityMap {
    /// The prior curve, where `anomaly_share` of all points are part of an anomaly; `None` unless it is in (0, 1).
    #[must_use]
    pub fn new(anomaly_share: f64) -> Option<Self> {
        if !(anomaly_share > 0.0 && anomaly_share < 1.0) {
            return None;
        }
        let prior = |bin: usize| PRIOR_WEIGHT * from_p_value(bin as f64 / BINS_PER_DECADE, anomaly_share);
        Some(Self { anomalies: (0..BINS).map(prior).collect(), outcomes: vec![PRIOR_WEIGHT; BINS] })
    }

    /// The probability that something is wrong, linear between the middles of two bins.
    #[must_use]
    pub fn probability(&self, surprise: Surprise) -> Probability {
        let curve = self.rising();
        let place = surprise.decades() * BINS_PER_DECADE;
        let low = (place as usize).min(BINS - 1);
        let high = (low + 1).min(BINS - 1);
        let between = curve[low] + (place - low as f64) * (curve[high] - curve[low]);
        Probability::new(between.clamp(0.0, 1.0)).unwrap_or(Probability::ZERO)
    }

    /// Takes in how a surprise ended.
    pub fn observe(&mut self, surprise: Surprise, truth: Truth) {
        let bin = (libm::round(surprise.decades() * BINS_PER_DECADE) as usize).min(BINS - 1);
        if self.outcomes[bin] >= OUTCOMES_MAX {
            self.outcomes[bin] *= 0.5;
            self.anomalies[bin] *= 0.5;
        }
        self.outcomes[bin] += 1.0;
        self.anomalies[bin] += if truth == Truth::Anomaly { 1.0 } else { 0.0 };
    }

    /// The rising curve that is nearest to the shares of the bins.
    fn rising(&self) -> [f64; BINS] {
        let mut pools: Vec<(f64, f64, usize)> = Vec::with_capacity(BINS);
        for (anomalies, outcomes) in self.anomalies.iter().zip(&self.outcomes) {
            pools.push((*anomalies, *outcomes, 1));
            while let [.., left, right] = pools.as_slice()
                && left.0 / left.1 >= right.0 / right.1
            {
                let merged = (left.0 + right.0, left.1 + right.1, left.2 + right.2);
                pools.truncate(pools.len() - 2);
                pools.push(merged);
            }
        }
        let mut curve = [0.0; BINS];
        let shares = pools.iter().flat_map(|pool| core::iter::repeat_n(pool.0 / pool.1, pool.2));
        curve.iter_mut().zip(shares).for_each(|(point, share)| *point = share);
        curve
    }
}

fn from_p_value(decades: f64, prior: f64) -> f64 {
    let p = libm::exp10(-decades.min(SURPRISE_MAX));
    let factor =
        if p < core::f64::consts::E.recip() { -1.0 / (core::f64::consts::E * p * libm::log(p)) } else { 1.0 };
    let odds = prior / (1.0 - prior) * factor;
    odds / (1.0 + odds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Scenario: no outcome yet, one anomalous point in a thousand, p = 0.001 (Sellke et al., table 1: the Bayes
    /// factor against nothing being wrong is at most 1/0.0188).
    /// Guarantees: the odds are 0.001001 / 0.0188, worked out by hand.
    #[test]
    fn prior_curve_agrees_with_the_published_bound() {
        let map = ProbabilityMap::new(0.001).unwrap();
        let odds = 0.001 / 0.999 / 0.018_777;
        let seen = map.probability(Surprise::clamped(3.0)).value();
        assert!((seen - odds / (1.0 + odds)).abs() < 1e-4, "{seen}");
        assert!(map.probability(Surprise::clamped(5.0)).value() < 0.8, "never certain");
        assert!(ProbabilityMap::new(0.0).is_none() && ProbabilityMap::new(f64::NAN).is_none());
    }

    proptest! {
        /// Scenario: any outcomes at any surprises, also ones that contradict the order.
        /// Guarantees: the curve stays within [0, 1] and never falls; its size stays the same.
        #[test]
        fn never_falls(outcomes in prop::collection::vec((0.0..6.0f64, any::<bool>()), 0..3000)) {
            let mut map = ProbabilityMap::new(0.01).unwrap();
            for (decades, wrong) in outcomes {
                let truth = if wrong { Truth::Anomaly } else { Truth::Nothing };
                map.observe(Surprise::clamped(decades), truth);
            }
            let curve: Vec<f64> =
                (0..600).map(|n| map.probability(Surprise::clamped(f64::from(n) / 100.0)).value()).collect();
            prop_assert!(curve.windows(2).all(|pair| pair[0] <= pair[1] + 1e-15));
            prop_assert_eq!(map.anomalies.len(), BINS);
        }
    }
}
