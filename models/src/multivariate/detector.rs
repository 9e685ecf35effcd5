//! The vector detector: evidence of all metrics, the mean of the largest few, smoothed.

use serde::{Deserialize, Serialize};

use super::metric::{Evidence, Kind, Lesson, Metric, Surroundings};
use super::params::{VectorParams, VectorValidParams};
use super::profile::Place;
use super::scatter::{Distance, Scatter};
use super::{MAX_WIDTH, usable};
use crate::detector::{Detector, Maturity, RawScore};

/// A gap of more than this many usual intervals empties the windows.
const GAP_INTERVALS: f64 = 10.0;

/// Whether a vector is learned or only moves windows and the smoothed score on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Learning {
    /// Nothing speaks against it.
    Learn,
    /// An incident is open: what is seen now is not normal.
    Hold,
}

/// A metric and how much speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// Its place in the vector.
    pub metric: usize,
    /// Decades of rarity, smoothed like the score.
    pub decades: f64,
    /// What was out of the ordinary in the last vector.
    pub kind: Kind,
}

/// The model of one entity's metrics.
///
/// ```
/// use models::multivariate::{Learning, VectorDetector, VectorParams};
/// let mut detector = VectorDetector::new(&VectorParams::default().check().unwrap(), 2);
/// let minute = 60_000_000_000;
/// for n in 0..2000 {
///     let load = (n % 7) as f64 + 0.1 * (n % 3) as f64;
///     detector.observe(n * minute, &[load, 2.0 * load], Learning::Learn);
/// }
/// // both values are usual, but not together
/// let score = detector.observe(2000 * minute, &[6.0, 0.2], Learning::Hold).unwrap();
/// assert!(score.value() > 0.5);
/// assert_eq!(detector.suspects(1).len(), 1);
/// ```
///
/// # Order of calls
/// [`Self::observe`] once for each vector, in the order of time: it scores by what was learned before and then takes the
/// vector in; [`Self::suspects`] afterwards names what spoke against it. Or [`Detector::score`] first and
/// [`Detector::learn`] after a decision, with the same scores, for twice the work. Scores are withheld until
/// [`Detector::maturity`] says `Mature`; then p-value, calibration and alarm budget as for single series
/// ([`crate::bank`]).
///
/// # Invariants
/// `metrics` and `smoothed_metrics` have the width of the scatter; `last_at` only grows; all numbers are finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VectorDetector {
    params: VectorParams,
    scatter: Scatter,
    metrics: Vec<Metric>,
    smoothed: f64,
    smoothed_metrics: Vec<f32>,
    kinds: Vec<Kind>,
    points: u32,
    last_at: Option<i64>,
    /// Usual time between two vectors; 0 before the second.
    interval_secs: f64,
}

/// What was seen in one vector, before anything is learned from it.
struct Reading {
    gap_secs: f64,
    place: Place,
    distance: Distance,
    evidence: [Option<Evidence>; MAX_WIDTH],
    smoothed: f64,
    /// Whether the windows are to be emptied first.
    interrupted: bool,
}

impl VectorDetector {
    /// A detector of `width` metrics that has seen nothing.
    ///
    /// # Panics
    /// When `width` is 0 or above [`MAX_WIDTH`].
    #[must_use]
    pub fn new(params: &VectorValidParams, width: usize) -> Self {
        assert!((1..=MAX_WIDTH).contains(&width), "a vector has 1 to {MAX_WIDTH} metrics, not {width}");
        Self {
            params: *params.get(),
            scatter: Scatter::new(width),
            metrics: (0..width).map(|_| Metric::new()).collect(),
            smoothed: 0.0,
            smoothed_metrics: vec![0.0; width],
            kinds: vec![Kind::Level; width],
            points: 0,
            last_at: None,
            interval_secs: 0.0,
        }
    }

    /// Metrics of a vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.metrics.len()
    }

    /// Adds metrics at the end, or takes the last ones away; what is known of the others stays, except how they go
    /// together, which is learned anew. More than [`MAX_WIDTH`] are not taken; at least one stays.
    pub fn resize(&mut self, width: usize) {
        let width = width.clamp(1, MAX_WIDTH);
        self.metrics.resize_with(width, Metric::new);
        self.smoothed_metrics.resize(width, 0.0);
        self.kinds.resize(width, Kind::Level);
        self.scatter = self.scatter.resized(width);
    }

    /// Scores a vector and then takes it in; the same score as [`Detector::score`], for half the work.
    pub fn observe(&mut self, at: i64, x: &[f64], learning: Learning) -> Option<RawScore> {
        let reading = self.read(at, x)?;
        let mature = self.maturity().is_mature();
        self.take(at, x, &reading, learning);
        if mature { RawScore::new(reading.smoothed) } else { None }
    }

    /// The `count` metrics with the most evidence against them, the strongest first.
    #[must_use]
    pub fn suspects(&self, count: usize) -> Vec<Suspect> {
        let pairs = self.smoothed_metrics.iter().zip(&self.kinds).enumerate();
        let mut suspects: Vec<Suspect> = pairs
            .map(|(metric, (&decades, &kind))| Suspect { metric, decades: f64::from(decades), kind })
            .collect();
        suspects.sort_by(|a, b| b.decades.total_cmp(&a.decades));
        suspects.truncate(count);
        suspects
    }

    fn read(&self, at: i64, x: &[f64]) -> Option<Reading> {
        let fits = x.len() == self.width() && x.iter().any(|&value| usable(value));
        if !fits || self.last_at.is_some_and(|last| at <= last) {
            return None;
        }
        let gap_secs = self.last_at.map_or(0.0, |last| at.saturating_sub(last) as f64 / 1e9);
        let interrupted = self.points > 2 && gap_secs > GAP_INTERVALS * self.interval_secs;
        let place = Place::at(at as f64 / 1e9 + f64::from(self.params.utc_offset_secs));
        let distance = self.scatter.distance(x);
        let mut evidence = [None; MAX_WIDTH];
        let mut largest = [0.0_f32; MAX_WIDTH];
        for (nth, &value) in x.iter().enumerate().filter(|(_, value)| usable(**value)) {
            let around = Surroundings {
                place,
                range: self.scatter.range(nth, value),
                partner: distance.partner[nth],
                memory: self.params.memory_points as f32,
                interrupted,
                without: self.params.without,
            };
            evidence[nth] = self.metrics[nth].evidence(value, &around);
            largest[nth] = evidence[nth].map_or(0.0, |evidence| evidence.largest.0);
        }
        let raw = top_mean(&mut largest[..x.len()], self.params.top_metrics as usize);
        let smoothing = if interrupted { 1.0 } else { self.params.smoothing };
        let smoothed = self.smoothed + smoothing * (raw - self.smoothed);
        Some(Reading { gap_secs, place, distance, evidence, smoothed, interrupted })
    }

    fn take(&mut self, at: i64, x: &[f64], reading: &Reading, learning: Learning) {
        let learns = learning == Learning::Learn;
        let lesson = Lesson {
            // the root: a vector far out still teaches single metrics a little
            part: if self.points < 200 { 1.0 } else { libm::sqrt(reading.distance.weight) as f32 },
            memory: self.params.memory_points as f32,
            gap_secs: reading.gap_secs.min(2.0 * self.interval_secs) as f32,
            resist_secs: self.params.resist_secs as f32,
        };
        if learns {
            self.scatter.learn(x, &reading.distance, self.params.memory_points, self.params.shrinkage);
        }
        let smoothing = self.params.smoothing as f32;
        for (nth, &value) in x.iter().enumerate() {
            let evidence = reading.evidence[nth].as_ref();
            let (decades, kind) = evidence.map_or((0.0, self.kinds[nth]), |evidence| evidence.largest);
            self.smoothed_metrics[nth] += smoothing * (decades - self.smoothed_metrics[nth]);
            self.kinds[nth] = kind;
            if reading.interrupted {
                self.metrics[nth].interrupt();
            }
            if !usable(value) {
                continue;
            }
            if let Some(evidence) = evidence.filter(|_| learns) {
                self.metrics[nth].learn(evidence, reading.place, &lesson);
            }
            self.metrics[nth].pass(value, evidence);
        }
        self.smoothed = reading.smoothed;
        self.learn_interval(reading.gap_secs);
        self.points = self.points.saturating_add(u32::from(learns));
        self.last_at = Some(at);
    }

    fn learn_interval(&mut self, gap_secs: f64) {
        let usual = self.interval_secs;
        self.interval_secs = if usual == 0.0 {
            gap_secs
        } else {
            usual + 0.05 * (gap_secs.clamp(0.5 * usual, 2.0 * usual) - usual)
        };
    }
}

/// Mean of the `count` largest.
fn top_mean(values: &mut [f32], count: usize) -> f64 {
    let count = count.min(values.len());
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    values[..count].iter().map(|&value| f64::from(value)).sum::<f64>() / count as f64
}

impl Detector for VectorDetector {
    fn score(&self, at: i64, x: &[f64]) -> Option<RawScore> {
        if !self.maturity().is_mature() {
            return None;
        }
        RawScore::new(self.read(at, x)?.smoothed)
    }

    fn learn(&mut self, at: i64, x: &[f64]) {
        if let Some(reading) = self.read(at, x) {
            self.take(at, x, &reading, Learning::Learn);
        }
    }

    fn maturity(&self) -> Maturity {
        match self.params.warm_up_points.saturating_sub(self.points) {
            0 => Maturity::Mature,
            needs_points => Maturity::WarmingUp { needs_points },
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
