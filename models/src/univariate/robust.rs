//! A streaming level and scale of one series that an anomaly cannot drag along.
//!
//! Level and scale are exponential averages over time (not over points) of clipped values: one wild point moves
//! the level by at most `clip` scales of its small weight, a lasting shift is learned within a few half-lives. The
//! scale has a floor, absolute and relative to the level, so that a constant series does not alarm on noise.
//! The score is the robust z. No season, no trend.

use serde::{Deserialize, Serialize};

use crate::detector::{Detector, Maturity, RawScore};
use crate::params::{Faults, ParamFaults};

/// Mean absolute deviation of a normal variable, in standard deviations.
const MEAN_ABS: f64 = 0.797_884_560_802_865_4;

/// Settings of [`RobustBaseline`] as a person writes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RobustParams {
    /// Time after which a point has lost half of its weight.
    pub half_life_secs: f64,
    /// Points before scores are given.
    pub warm_up_points: u32,
    /// Deviations beyond this many scales are learned as this many.
    pub clip: f64,
    /// Smallest scale, in the series' unit.
    pub scale_floor: f64,
    /// Smallest scale as a part of the level.
    pub relative_floor: f64,
}

impl Default for RobustParams {
    fn default() -> Self {
        Self {
            half_life_secs: 1800.0,
            warm_up_points: 30,
            clip: 3.0,
            scale_floor: 1e-9,
            relative_floor: 0.01,
        }
    }
}

/// Checked settings of [`RobustBaseline`].
///
/// ```
/// assert!(models::univariate::RobustParams::default().check().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RobustValidParams(RobustParams);

impl RobustParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<RobustValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut rate = |name, value: f64, low: f64, high: f64, allowed| {
            faults.require(low <= value && value <= high, name, value, allowed);
        };
        rate("half_life_secs", self.half_life_secs, 1.0, 31_536_000.0, "1 to 31536000");
        rate("warm_up_points", f64::from(self.warm_up_points), 2.0, 100_000.0, "2 to 100000");
        rate("clip", self.clip, 1.0, 100.0, "1 to 100");
        rate("scale_floor", self.scale_floor, 1e-12, 1e12, "1e-12 to 1e12");
        rate("relative_floor", self.relative_floor, 0.0, 1.0, "0 to 1");
        faults.done(RobustValidParams(self))
    }
}

/// What the series should show next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The level.
    pub expected: f64,
    /// Level less the asked number of scales.
    pub lower: f64,
    /// Level plus the asked number of scales.
    pub upper: f64,
}

/// The baseline of one series; a few dozen bytes.
///
/// ```
/// use models::{Detector, univariate::{RobustBaseline, RobustParams}};
/// let mut baseline = RobustBaseline::new(&RobustParams::default().check().unwrap());
/// for n in 0..60 {
///     baseline.learn(n * 10_000_000_000, &[100.0 + (n % 5) as f64]);
/// }
/// let at = 600_000_000_000;
/// assert!(baseline.score(at, &[102.0]).unwrap().value() < 2.0);
/// assert!(baseline.score(at, &[150.0]).unwrap().value() > 10.0);
/// ```
///
/// # Invariants
/// All numbers are finite; `last_at` only grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RobustBaseline {
    params: RobustParams,
    /// The first points, from whose median level and scale start; empty afterwards.
    first: Vec<f64>,
    points: u32,
    level: f64,
    deviation: f64,
    last_at: Option<i64>,
}

impl RobustBaseline {
    /// A baseline that has seen nothing.
    #[must_use]
    pub fn new(params: &RobustValidParams) -> Self {
        Self { params: params.0, first: Vec::new(), points: 0, level: 0.0, deviation: 0.0, last_at: None }
    }

    /// What is normal within `z` scales; `None` while warming up.
    #[must_use]
    pub fn band(&self, z: f64) -> Option<Band> {
        let reach = self.scale() * z.abs();
        let band = Band { expected: self.level, lower: self.level - reach, upper: self.level + reach };
        (self.maturity().is_mature() && reach.is_finite()).then_some(band)
    }

    fn scale(&self) -> f64 {
        let floor = self.params.scale_floor.max(self.params.relative_floor * self.level.abs());
        (self.deviation / MEAN_ABS).max(floor)
    }

    fn usable(&self, at: i64, x: &[f64]) -> Option<f64> {
        let &[value] = x else { return None };
        let later = self.last_at.is_none_or(|last| at > last);
        // Beyond this size sums of squares and differences would leave the range of numbers.
        (later && value.abs() <= 1e150).then_some(value)
    }

    fn start(&mut self) {
        let mut values = std::mem::take(&mut self.first);
        self.level = median(&mut values);
        values.iter_mut().for_each(|value| *value = (*value - self.level).abs());
        // The median of absolute deviations is 0.6745 scales of a normal variable.
        self.deviation = median(&mut values) / 0.6745 * MEAN_ABS;
    }

    fn update(&mut self, value: f64, gap_secs: f64) {
        let weight = 1.0 - libm::exp2(-gap_secs / self.params.half_life_secs);
        // After a long gap one point must not replace what was known.
        let weight = weight.min(0.1);
        let reach = self.params.clip * self.scale();
        let off = (value - self.level).clamp(-reach, reach);
        self.level += weight * off;
        self.deviation += weight * (off.abs() - self.deviation);
    }
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f64::total_cmp).1 }
}

impl Detector for RobustBaseline {
    fn score(&self, at: i64, x: &[f64]) -> Option<RawScore> {
        let value = self.usable(at, x)?;
        if !self.maturity().is_mature() {
            return None;
        }
        RawScore::new((value - self.level).abs() / self.scale())
    }

    fn learn(&mut self, at: i64, x: &[f64]) {
        let Some(value) = self.usable(at, x) else { return };
        let gap_secs = self.last_at.map_or(0.0, |last| at.saturating_sub(last) as f64 / 1e9);
        self.last_at = Some(at);
        if self.maturity().is_mature() {
            self.update(value, gap_secs);
            return;
        }
        self.first.push(value);
        self.points += 1;
        if self.maturity().is_mature() {
            self.start();
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
mod tests {
    use super::*;
    use crate::testkit::breaches;

    fn fresh() -> RobustBaseline {
        RobustBaseline::new(&RobustParams::default().check().unwrap())
    }

    fn learned(values: impl Iterator<Item = f64>) -> RobustBaseline {
        let mut baseline = fresh();
        values.enumerate().for_each(|(nth, value)| baseline.learn(nth as i64 * 10_000_000_000, &[value]));
        baseline
    }

    /// Scenario: the inputs every detector must survive.
    /// Guarantees: causality, saving, NaN, gaps, duplicates and size are in order.
    #[test]
    fn conforms() {
        assert_eq!(breaches(fresh, 1, 100), Vec::new());
    }

    /// Scenario: a calm series with a burst of ten points at a hundred times its level; then one that has moved
    /// for good.
    /// Guarantees: the burst moves the level by less than a scale, the lasting move is learned.
    #[test]
    fn bursts_do_not_drag_the_level_along() {
        let calm = |nth: usize| 100.0 + (nth % 7) as f64;
        let before = learned((0..500).map(calm));
        let after = learned((0..510).map(|nth| if nth < 500 { calm(nth) } else { 1e4 }));
        let (was, is) = (before.band(1.0).unwrap(), after.band(1.0).unwrap());
        assert!((is.expected - was.expected).abs() < was.upper - was.expected, "{was:?} {is:?}");
        let moved = learned((0..6000).map(|nth| calm(nth) + if nth < 500 { 0.0 } else { 20.0 }));
        assert!((moved.band(1.0).unwrap().expected - 123.0).abs() < 2.0, "{moved:?}");
    }

    /// Scenario: a constant series.
    /// Guarantees: the floor of the scale keeps a deviation of half a percent unremarkable.
    #[test]
    fn floor_holds_on_constant_series() {
        let flat = learned(std::iter::repeat_n(200.0, 500));
        assert!(flat.score(i64::MAX, &[201.0]).unwrap().value() < 1.0);
        assert!(flat.score(i64::MAX, &[300.0]).unwrap().value() > 10.0);
    }
}
