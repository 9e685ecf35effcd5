//! The views of a series whose rarity is measured, from averages that fade in time.
//!
//! Every average is exponential over elapsed steps ([`super::pace`]): a gap makes the past weigh less, irregular
//! sampling changes nothing. An average over `w` steps has the time constant (w+1)/2, the mean age of a box of that
//! length. `peek` gives the averages with a point taken in and changes nothing. Not done here: judging, learning.

use serde::{Deserialize, Serialize};

use super::profile::Usual;

/// Views of a series.
pub(crate) const SIGNALS: usize = 13;

/// Names of the views, for evidence.
pub(crate) const NAMES: [&str; SIGNALS] = [
    "value",
    "mean of 3 steps",
    "mean of 6 steps",
    "mean of 12 steps",
    "deviation from the usual day",
    "mean deviation of 3 steps",
    "mean deviation of 6 steps",
    "mean deviation of 12 steps",
    "unrest of 24 steps",
    "deviation from the usual day as it runs today",
    "distance to the last 60 steps",
    "change since the last point",
    "distance to the last 3 steps",
];

/// The views of the point itself, as bits: no mean, which stays high after the point that raised it, and no unrest.
pub(crate) const OF_THE_POINT: u32 = 1 | 1 << 4 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;

/// Time constants in steps of the averages: 3, 6, 12, 24 and 60 steps.
const TAUS: [f32; 5] = [2.0, 3.5, 6.5, 12.5, 30.5];
/// Steps that must have been seen before distances to the last 60 mean anything.
const LONG_STEPS: f32 = 60.0;

/// Weights of a new point in the averages, for its elapsed steps.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Weights([f32; 5]);

impl Weights {
    /// Those of one step, which nearly all points take.
    const ONE_STEP: Self = Self([0.393_469_33, 0.248_522_71, 0.142_596_08, 0.076_883_65, 0.032_255_22]);

    fn of(steps: f32) -> Self {
        if steps == 1.0 { Self::ONE_STEP } else { Self::after(steps) }
    }

    fn after(steps: f32) -> Self {
        Self(TAUS.map(|tau| -libm::expm1f(-steps / tau)))
    }

    /// Of the average over 3, 6, 12, 24 or 60 steps (`nth`), when it has seen `points` so far.
    fn at(&self, nth: usize, points: f32) -> f32 {
        self.0[nth].max(1.0 / points)
    }
}

/// Level and spread that the views are measured in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Yard {
    /// Slow mean absolute deviation.
    pub(crate) deviation: f32,
    /// Smallest deviation worth speaking of.
    pub(crate) floor: f32,
    /// How far today runs beside the usual day.
    pub(crate) offset: f32,
}

/// The averages of one series; 56 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Averages {
    points: f32,
    residuals: f32,
    last: f32,
    value: [f32; 3],
    residual: [f32; 3],
    running: f32,
    mean: [f32; 2],
    variance: [f32; 2],
}

/// The views of one point; absent ones are NaN.
pub(crate) type Signals = [f32; SIGNALS];

impl Averages {
    /// The averages with `x` taken in after `steps`, and the views of it.
    pub(crate) fn peek(&self, x: f32, steps: f32, usual: Option<Usual>, yard: &Yard) -> (Self, Signals) {
        let weights = Weights::of(steps);
        let (mut next, mut views) = (*self, [f32::NAN; SIGNALS]);
        next.take_value(x, &weights);
        views[0] = x;
        views[1..4].copy_from_slice(&next.value);
        let spread = |nth: usize| libm::sqrtf(next.variance[nth]);
        views[8] = libm::logf(1.0 + spread(0) / (0.1 * yard.deviation + yard.floor));
        if next.points >= LONG_STEPS {
            views[10] = (x - next.mean[1]) / (spread(1) + 0.25 * yard.deviation + yard.floor);
        }
        if self.points > 0.0 {
            views[11] = x - self.last;
        }
        views[12] = x - next.value[0];
        if let Some(usual) = usual {
            let residual = x - usual.level;
            next.take_residual(residual, yard.offset, &weights);
            views[4] = residual;
            views[5..8].copy_from_slice(&next.residual);
            views[9] = next.running;
        }
        (next, views)
    }

    /// Mean deviation from the usual day over 12 steps.
    pub(crate) fn standing(&self) -> f32 {
        self.residual[2]
    }

    fn take_value(&mut self, x: f32, weights: &Weights) {
        self.points += 1.0;
        self.last = x;
        for (nth, mean) in self.value.iter_mut().enumerate() {
            *mean += weights.at(nth, self.points) * (x - *mean);
        }
        for nth in 0..2 {
            let weight = weights.at(nth + 3, self.points);
            let off = x - self.mean[nth];
            self.mean[nth] += weight * off;
            self.variance[nth] = (1.0 - weight) * (self.variance[nth] + weight * off * off);
        }
    }

    fn take_residual(&mut self, residual: f32, offset: f32, weights: &Weights) {
        self.residuals += 1.0;
        for (nth, mean) in self.residual.iter_mut().enumerate() {
            *mean += weights.at(nth, self.residuals) * (residual - *mean);
        }
        self.running += weights.at(1, self.residuals) * (residual - offset - self.running);
    }
}

/// What a usual deviation is at this time of day.
pub(crate) fn standard(usual: Usual, yard: &Yard) -> f32 {
    0.5 * usual.spread + 0.25 * yard.deviation + yard.floor
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: one step, by the table and by the formula.
    /// Guarantees: the same bits.
    #[test]
    fn one_step_is_known() {
        assert_eq!(Weights::ONE_STEP, Weights::after(1.0));
    }
}
