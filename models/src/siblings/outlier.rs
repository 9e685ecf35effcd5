//! The replica that behaves unlike its siblings: leave-one-out robust distance, compared with its usual size.
//!
//! For replica i and a metric, with median `m` and median absolute deviation `s` of *the others* (so that the replica
//! cannot hide in its own spread: D. Hawkins, "Identification of Outliers", 1980, on masking), the nonconformity is
//! `|x_i - m| / (1.4826 s + 0.02 |m| + floor)`. How rare that is is learned over all replicas and all times of the
//! workload, by metric; a replica's score is the mean of its three rarest metrics in decades, smoothed in points.
//!
//! What moves all replicas moves the median too and is no outlier. With fewer than three replicas nobody can say
//! which one is odd, and nobody is. A replica that always differs, like a leader, soon differs as usual.

use serde::{Deserialize, Serialize};

use crate::median::median;
use crate::multivariate::tail::{Position, Tail};
use crate::params::{Faults, ParamFaults};

/// Replicas that are compared; more are passed over.
pub const MAX_REPLICAS: usize = 256;
/// Metrics of a replica.
pub const MAX_METRICS: usize = 64;

/// Standard deviations in a median absolute deviation of a normal variable.
const MAD_TO_SD: f64 = 1.4826;
/// Smallest spread as a part of the median.
const MEDIAN_FLOOR: f64 = 0.02;
const FEWEST: usize = 3;
const TOP_METRICS: usize = 3;
/// Decades from which a nonconformity is learned with a tenth of its weight.
const EXTREME: f64 = 2.0;
const DAMPED: f32 = 0.1;

/// Settings of [`SiblingDetector`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SiblingParams {
    /// Comparisons of one metric that are remembered about evenly.
    pub memory_points: f64,
    /// Comparisons of one metric before it can count.
    pub warm_up_points: u32,
    /// Weight of a new reading in a replica's smoothed score.
    pub smoothing: f64,
}

impl Default for SiblingParams {
    fn default() -> Self {
        Self { memory_points: 50_000.0, warm_up_points: 100, smoothing: 0.2 }
    }
}

/// Checked settings of [`SiblingDetector`].
///
/// ```
/// assert!(models::siblings::SiblingParams::default().check().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SiblingValidParams(SiblingParams);

impl SiblingParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<SiblingValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut range = |name, value: f64, low: f64, high: f64, allowed| {
            faults.require(low <= value && value <= high, name, value, allowed);
        };
        range("memory_points", self.memory_points, 100.0, 1e7, "100 to 1e7");
        range("warm_up_points", f64::from(self.warm_up_points), 20.0, 100_000.0, "20 to 100000");
        range("smoothing", self.smoothing, 0.01, 1.0, "0.01 to 1");
        faults.done(SiblingValidParams(self))
    }
}

/// How unlike its siblings a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReplicaScore {
    /// The caller's number of the replica.
    pub replica: u64,
    /// Smoothed decades of rarity, at least 0.
    pub decades: f64,
    /// The metric that is rarest now.
    pub metric: usize,
}

/// What is known of one workload: 260 bytes a metric and 12 a replica.
///
/// ```
/// use models::siblings::{SiblingDetector, SiblingParams};
/// let mut siblings = SiblingDetector::new(&SiblingParams::default().check().unwrap(), 1);
/// for n in 0..200 {
///     let load = 50.0 + (n % 10) as f64; // all move together
///     let rows: Vec<(u64, Vec<f64>)> = (0..5).map(|pod| (pod, vec![load + ((n * 7 + pod * 3) % 5) as f64])).collect();
///     siblings.observe(&rows);
/// }
/// let mut rows: Vec<(u64, Vec<f64>)> = (0..5).map(|pod| (pod, vec![50.0 + pod as f64])).collect();
/// rows[2].1[0] = 200.0;
/// let worst = siblings.observe(&rows)[0];
/// assert_eq!(worst.replica, 2);
/// ```
///
/// # Order of calls
/// [`Self::observe`] once for each moment with the replicas that report then: it compares first and learns after. It answers
/// 0 decades for a metric that was compared less than `warm_up_points` times, so a workload that nothing is known of is calm.
///
/// # Invariants
/// `smoothed` is sorted by replica and holds only replicas of the last reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiblingDetector {
    params: SiblingParams,
    tails: Vec<Tail>,
    compared: Vec<u32>,
    smoothed: Vec<(u64, f32)>,
}

impl SiblingDetector {
    /// A detector of replicas with `metrics` metrics each, at most [`MAX_METRICS`].
    #[must_use]
    pub fn new(params: &SiblingValidParams, metrics: usize) -> Self {
        let metrics = metrics.min(MAX_METRICS);
        Self {
            params: params.0,
            tails: vec![Tail::new(); metrics],
            compared: vec![0; metrics],
            smoothed: Vec::new(),
        }
    }

    /// Compares the replicas of one moment, given as (replica, metrics), then learns how unlike they were. The oddest comes first.
    ///
    /// Values that are not finite, and metrics beyond the known ones, are not compared. A replica whose metrics are all
    /// missing keeps no score. Fewer than three replicas give no scores.
    pub fn observe<M: AsRef<[f64]>>(&mut self, replicas: &[(u64, M)]) -> Vec<ReplicaScore> {
        let replicas = &replicas[..replicas.len().min(MAX_REPLICAS)];
        let mut rarities = vec![[0.0_f64; MAX_METRICS]; replicas.len()];
        let mut compared = vec![false; replicas.len()];
        for metric in 0..self.tails.len() {
            let column: Vec<f64> =
                replicas.iter().map(|(_, x)| x.as_ref().get(metric).copied().unwrap_or(f64::NAN)).collect();
            let oddities = oddities(&column);
            for (nth, oddity) in oddities.iter().enumerate() {
                let Some(oddity) = *oddity else { continue };
                compared[nth] = true;
                rarities[nth][metric] = self.rarity(metric, oddity);
            }
            self.learn(metric, &oddities, &rarities);
        }
        let metrics = self.tails.len();
        let raw = replicas.iter().zip(&rarities).zip(&compared).filter(|(_, compared)| **compared);
        let mut scores: Vec<ReplicaScore> =
            raw.map(|(((replica, _), row), _)| self.score(*replica, &row[..metrics])).collect();
        self.smoothed = scores.iter().map(|score| (score.replica, score.decades as f32)).collect();
        self.smoothed.sort_unstable_by_key(|&(replica, _)| replica);
        scores.sort_by(|a, b| b.decades.total_cmp(&a.decades).then(a.replica.cmp(&b.replica)));
        scores
    }

    fn rarity(&self, metric: usize, oddity: f64) -> f64 {
        if self.compared[metric] < self.params.warm_up_points {
            return 0.0;
        }
        let memory = self.params.memory_points as f32;
        f64::from(self.tails[metric].decades(Position::of(oddity as f32), memory))
    }

    fn learn(&mut self, metric: usize, oddities: &[Option<f64>], rarities: &[[f64; MAX_METRICS]]) {
        let mut known: Vec<(f64, f64)> = oddities
            .iter()
            .zip(rarities)
            .filter_map(|(oddity, rarity)| Some(((*oddity)?, rarity[metric])))
            .collect();
        // by size, so that the order of the replicas cannot matter
        known.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        for (oddity, rarity) in known {
            let part = if rarity > EXTREME { DAMPED } else { 1.0 };
            self.tails[metric].learn(Position::of(oddity as f32), part, self.params.memory_points as f32);
            self.compared[metric] = self.compared[metric].saturating_add(1);
        }
    }

    fn score(&self, replica: u64, rarities: &[f64]) -> ReplicaScore {
        let metric = (0..rarities.len()).max_by(|&a, &b| rarities[a].total_cmp(&rarities[b])).unwrap_or(0);
        let mut sorted = rarities.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let count = TOP_METRICS.min(sorted.len()).max(1);
        let raw = sorted.iter().take(count).sum::<f64>() / count as f64;
        // a replica that has just come starts from nothing said against it
        let before = self.smoothed.binary_search_by_key(&replica, |&(known, _)| known);
        let before = before.map_or(0.0, |nth| f64::from(self.smoothed[nth].1));
        ReplicaScore { replica, decades: before + self.params.smoothing * (raw - before), metric }
    }
}

/// Leave-one-out robust distance of each value from the others; `None` for missing ones and where fewer than three
/// values are there.
fn oddities(column: &[f64]) -> Vec<Option<f64>> {
    let usable = |value: &f64| value.abs() <= 1e30;
    let present = column.iter().filter(|value| usable(value)).count();
    let mut others = Vec::with_capacity(present);
    let mut oddity = |nth: usize, value: f64| {
        others.clear();
        others.extend(
            column.iter().enumerate().filter(|(other, x)| *other != nth && usable(x)).map(|(_, &x)| x),
        );
        let centre = median(&mut others);
        others.iter_mut().for_each(|x| *x = (*x - centre).abs());
        let spread = MAD_TO_SD * median(&mut others) + MEDIAN_FLOOR * centre.abs() + 1e-9;
        (value - centre).abs() / spread
    };
    let each = column.iter().enumerate();
    each.map(|(nth, value)| (usable(value) && present >= FEWEST).then(|| oddity(nth, *value))).collect()
}

#[cfg(test)]
#[path = "outlier_tests.rs"]
mod tests;
