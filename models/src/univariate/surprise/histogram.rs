//! How rarely a region of values was visited: a fading soft histogram over the range seen so far.
//!
//! The mass of a value is split over the two nodes beside it; the surprise of a value is minus the decimal logarithm of
//! the interpolated mass, with half a visit of prior. A value outside the range has no mass. When the range grows, the
//! masses move to the new grid with it. Fading is done by letting each visit weigh more than the one before; the
//! weight is kept by the caller, because all histograms of a series fade together. Not done here: forgetting a range.

use serde::{Deserialize, Serialize};

/// Nodes of a histogram.
pub(crate) const NODES: usize = 24;
const LAST: f32 = (NODES - 1) as f32;
const LOG10_2: f32 = core::f32::consts::LOG10_2;

/// One histogram; 108 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct RangeHistogram {
    low: f32,
    high: f32,
    total: f32,
    mass: [f32; NODES],
}

impl RangeHistogram {
    /// A histogram without a range.
    pub(crate) const EMPTY: Self = Self { low: 0.0, high: 0.0, total: 0.0, mass: [0.0; NODES] };

    /// -log10 of the mass at `y`, in visits of this `weight`; 0 while nothing was seen.
    pub(crate) fn surprise(&self, y: f32, weight: f32) -> f32 {
        if self.total == 0.0 {
            return 0.0;
        }
        let mass = if y < self.low || y > self.high {
            0.0
        } else {
            let (node, part) = self.place(y);
            self.mass[node] * (1.0 - part) + self.mass[node + 1] * part
        };
        libm::log2f((self.total + weight) / (mass + 0.5 * weight)) * LOG10_2
    }

    /// Adds a visit of `y`.
    pub(crate) fn visit(&mut self, y: f32, weight: f32) {
        if self.total == 0.0 {
            (self.low, self.high) = (y, y);
        }
        if y < self.low || y > self.high {
            self.stretch(self.low.min(y), self.high.max(y));
        }
        let (node, part) = self.place(y);
        self.mass[node] += weight * (1.0 - part);
        self.mass[node + 1] += weight * part;
        self.total += weight;
    }

    /// Makes every visit weigh `factor` of what it did.
    pub(crate) fn rescale(&mut self, factor: f32) {
        self.mass.iter_mut().for_each(|mass| *mass *= factor);
        self.total *= factor;
    }

    fn place(&self, y: f32) -> (usize, f32) {
        place(y, self.low, self.high)
    }

    #[cold]
    fn stretch(&mut self, low: f32, high: f32) {
        let (from, width) = (self.low, (self.high - self.low) / LAST);
        let old = core::mem::replace(&mut self.mass, [0.0; NODES]);
        (self.low, self.high) = (low, high);
        for (nth, mass) in old.into_iter().enumerate().filter(|(_, mass)| *mass > 0.0) {
            let (node, part) = self.place(from + width * nth as f32);
            self.mass[node] += mass * (1.0 - part);
            self.mass[node + 1] += mass * part;
        }
    }
}

/// The node at or below `y`, and how far `y` lies towards the next one.
fn place(y: f32, low: f32, high: f32) -> (usize, f32) {
    let at = if high > low { ((y - low) / (high - low) * LAST).clamp(0.0, LAST) } else { 0.0 };
    let node = (at as usize).min(NODES - 2);
    (node, at - node as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a hundred visits of one value, one of another, then values between and beyond.
    /// Guarantees: -log10((mass + 1/2)/(visits + 1)) as computed by hand; new values are the most surprising.
    #[test]
    fn surprise_is_the_rarity_of_the_region() {
        let mut histogram = RangeHistogram::EMPTY;
        assert_eq!(histogram.surprise(5.0, 1.0), 0.0);
        (0..100).for_each(|_| histogram.visit(5.0, 1.0));
        histogram.visit(51.0, 1.0);
        let check = |y: f32, expected: f64| {
            let seen = f64::from(histogram.surprise(y, 1.0));
            assert!((seen - expected).abs() < 1e-5, "{y}: {seen} not {expected}");
        };
        check(5.0, (102.0_f64 / 100.5).log10());
        check(6.0, (102.0_f64 / 50.5).log10());
        check(51.0, (102.0_f64 / 1.5).log10());
        check(30.0, 204.0_f64.log10());
        check(60.0, 204.0_f64.log10());
        check(-1.0, 204.0_f64.log10());
    }

    /// Scenario: values from a narrow range, then one far away, at several weights.
    /// Guarantees: no mass is lost when the range grows or the weights are rescaled.
    #[test]
    fn mass_is_kept() {
        let mut histogram = RangeHistogram::EMPTY;
        (0..50).for_each(|nth| histogram.visit(nth as f32, 2.0));
        histogram.visit(1e6, 2.0);
        histogram.rescale(0.5);
        assert!((histogram.mass.iter().sum::<f32>() - 51.0).abs() < 1e-3, "{histogram:?}");
        assert_eq!(histogram.total, 51.0);
    }
}
