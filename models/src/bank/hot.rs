//! The hot tier: a detector so small that every series has one. Three views, twelve nodes each, no daily profile.
//!
//! The views are the value, its mean of 12 steps, and the distance of the value to its last 60 steps; the score is their
//! mean surprise as in the full tier, held in the same way. 256 bytes and about a tenth of the full tier's time. What it
//! cannot see: values that are usual, but not at this time of day.

use serde::{Deserialize, Serialize};

use crate::detector::{Detector, Maturity, RawScore};
use crate::univariate::parts::{Pace, RangeHistogram};

const NODES: usize = 12;
const VIEWS: usize = 3;
const REACH: f64 = 1e18;
/// Time constants of the means, steps.
const SHORT_TAU: f32 = 6.5;
const LONG_TAU: f32 = 30.5;
/// Their weights after one step, 1 - exp(-1/tau).
const SHORT_STEP: f32 = 0.142_585_2;
const LONG_STEP: f32 = 0.032_255_1;
const LONG_POINTS: u32 = 60;
const MEMORY_POINTS: f32 = 10_000.0;
const MEMORY_SECS: f32 = 14.0 * 86_400.0;
const DEVIATION_POINTS: f32 = 5000.0;
const HOLD: f32 = 0.9;
const WEIGHT_MAX: f32 = 256.0;
const WARM_UP_POINTS: u32 = 20;

/// The hot detector of one series.
///
/// ```
/// use models::{Detector, bank::HotSurprise};
/// assert!(size_of::<HotSurprise>() <= 256);
/// let mut hot = HotSurprise::new();
/// for n in 0..500 {
///     hot.observe(n * 60_000_000_000, (n % 7) as f64);
/// }
/// let score = |x: f64| hot.score(500 * 60_000_000_000, &[x]).unwrap().value();
/// assert!(score(3.0) < 1.0 && score(50.0) > 2.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HotSurprise {
    last_at: i64,
    origin: f64,
    pace: Pace,
    points: u32,
    weight: f32,
    held: f32,
    changes: f32,
    last: f32,
    deviation: f32,
    short: f32,
    long: f32,
    variance: f32,
    histograms: [RangeHistogram<NODES>; VIEWS],
}

/// A point as seen before it is learned.
#[derive(Debug, Clone, Copy)]
struct Look {
    value: f32,
    origin: f64,
    short: f32,
    long: f32,
    variance: f32,
    held: f32,
    steps: f32,
    views: [f32; VIEWS],
}

impl Default for HotSurprise {
    fn default() -> Self {
        Self::new()
    }
}

impl HotSurprise {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            last_at: i64::MIN,
            origin: 0.0,
            pace: Pace::UNKNOWN,
            points: 0,
            weight: 1.0,
            held: 0.0,
            changes: 0.0,
            last: 0.0,
            deviation: 0.0,
            short: 0.0,
            long: 0.0,
            variance: 0.0,
            histograms: [RangeHistogram::EMPTY; VIEWS],
        }
    }

    /// Judges a point and takes it in.
    pub fn observe(&mut self, at: i64, x: f64) -> Option<RawScore> {
        let look = self.look(at, x)?;
        let score = if self.points >= WARM_UP_POINTS { RawScore::new(f64::from(look.held)) } else { None };
        self.take(at, &look);
        score
    }

    /// Reads one number, so that the memory is on its way when it is needed.
    pub(super) fn touch(&self) -> u32 {
        self.points ^ self.histograms[VIEWS - 1].total().to_bits()
    }

    /// Points seen.
    #[must_use]
    pub fn points(&self) -> u32 {
        self.points
    }

    /// Share of the recent points that differ from the one before, 0 to 1: a series that never moves needs no model.
    #[must_use]
    pub fn change_share(&self) -> f64 {
        f64::from(self.changes)
    }

    fn look(&self, at: i64, x: f64) -> Option<Look> {
        if !x.is_finite() || (self.points > 0 && at <= self.last_at) {
            return None;
        }
        let origin = if self.points == 0 { x.clamp(-REACH, REACH) } else { self.origin };
        let value = (x - origin).clamp(-REACH, REACH) as f32;
        let steps = if self.points == 0 { 1.0 } else { self.pace.steps(at.saturating_sub(self.last_at)) };
        let first = 1.0 / (self.points as f32 + 1.0);
        let (a, b) = weights(steps);
        let (a, b) = (a.max(first), b.max(first));
        let short = self.short + a * (value - self.short);
        let off = value - self.long;
        let long = self.long + b * off;
        let variance = (1.0 - b) * (self.variance + b * off * off);
        let size = origin.abs().min(REACH) as f32;
        let floor = 1e-9 + 0.26 * self.deviation + 1e-7 * size;
        let far = (value - long) / (libm::sqrtf(variance) + floor);
        let views = [value, short, if self.points >= LONG_POINTS { far } else { f32::NAN }];
        let surprise = self.surprise(&views);
        let hold = if steps == 1.0 { HOLD } else { libm::powf(HOLD, steps) };
        Some(Look {
            value,
            origin,
            short,
            long,
            variance,
            held: surprise.max(self.held * hold),
            steps,
            views,
        })
    }

    fn surprise(&self, views: &[f32; VIEWS]) -> f32 {
        let of = |(histogram, view): (&RangeHistogram<NODES>, &f32)| {
            let surprise = if view.is_nan() { 0.0 } else { histogram.surprise(*view, self.weight).max(0.0) };
            surprise * libm::sqrtf(surprise)
        };
        let mean = self.histograms.iter().zip(views).map(of).sum::<f32>() / VIEWS as f32;
        libm::cbrtf(mean * mean)
    }

    fn take(&mut self, at: i64, look: &Look) {
        if self.points > 0 {
            self.pace.learn(at.saturating_sub(self.last_at));
            let changed = if look.value == self.last { 0.0 } else { 1.0 };
            self.changes += 0.02_f32.max(1.0 / self.points as f32) * (changed - self.changes);
        }
        (self.last_at, self.origin, self.last) = (at, look.origin, look.value);
        (self.short, self.long, self.variance, self.held) = (look.short, look.long, look.variance, look.held);
        self.points = self.points.saturating_add(1);
        let rate = (1.0 / DEVIATION_POINTS).max(1.0 / self.points as f32);
        let off = (look.value - look.long).abs();
        let off = if self.points > 50 { off.min(6.0 * self.deviation) } else { off };
        self.deviation += rate * (off - self.deviation);
        for (histogram, view) in
            self.histograms.iter_mut().zip(&look.views).filter(|(_, view)| !view.is_nan())
        {
            histogram.visit(*view, self.weight);
        }
        if self.points.is_multiple_of(64) {
            let weight = self.weight;
            self.histograms.iter_mut().for_each(|histogram| histogram.age(weight));
        }
        let memory = (MEMORY_SECS / self.pace.interval_secs()).max(MEMORY_POINTS);
        self.weight *= 1.0 + look.steps.clamp(1.0, 1000.0) / memory;
        if self.weight > WEIGHT_MAX {
            let factor = 1.0 / self.weight;
            self.histograms.iter_mut().for_each(|histogram| histogram.rescale(factor));
            self.weight = 1.0;
        }
    }
}

/// Weights of a point in the short and the long mean.
fn weights(steps: f32) -> (f32, f32) {
    if steps == 1.0 {
        return (SHORT_STEP, LONG_STEP);
    }
    (-libm::expm1f(-steps / SHORT_TAU), -libm::expm1f(-steps / LONG_TAU))
}

impl Detector for HotSurprise {
    fn score(&self, at: i64, x: &[f64]) -> Option<RawScore> {
        let &[x] = x else { return None };
        let look = self.look(at, x)?;
        if self.points >= WARM_UP_POINTS { RawScore::new(f64::from(look.held)) } else { None }
    }

    fn learn(&mut self, at: i64, x: &[f64]) {
        if let &[x] = x {
            self.observe(at, x);
        }
    }

    fn maturity(&self) -> Maturity {
        match WARM_UP_POINTS.saturating_sub(self.points) {
            0 => Maturity::Mature,
            needs_points => Maturity::WarmingUp { needs_points },
        }
    }
}
