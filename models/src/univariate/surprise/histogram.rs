//! How rarely a region of values was visited: a fading soft histogram over the range seen so far.
//!
//! The mass of a value is split over the two nodes beside it; the surprise of a value is minus the decimal logarithm of
//! the share of the interpolated mass, with half a visit of prior: none where every visit was, however many there were. A
//! value outside the range has no mass. When the range grows, the
//! masses move to the new grid with it. Fading is done by letting each visit weigh more than the one before; the
//! weight is kept by the caller, because all histograms of a series fade together. An end of the range that was not
//! visited for several memories is given up.

use serde::{Deserialize, Serialize};

/// Nodes of a histogram of the full tier.
pub(crate) const NODES: usize = 24;
const LOG10_2: f32 = core::f32::consts::LOG10_2;
/// Visits at the two nodes of an outer cell below which the range ends before it.
const AGED_VISITS: f32 = 0.005;

/// One histogram of `N` nodes; 12 + 4 `N` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(bound = "[f32; N]: Serialize + serde::de::DeserializeOwned")]
pub(crate) struct RangeHistogram<const N: usize = NODES> {
    low: f32,
    high: f32,
    total: f32,
    mass: [f32; N],
}

impl<const N: usize> RangeHistogram<N> {
    /// A histogram without a range.
    pub(crate) const EMPTY: Self = Self { low: 0.0, high: 0.0, total: 0.0, mass: [0.0; N] };

    /// -log10((m + 1/2) / (n + 1/2)) for `m` of `n` visits at `y`, in visits of this `weight`; 0 while nothing was seen.
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
        libm::log2f((self.total + 0.5 * weight) / (mass + 0.5 * weight)) * LOG10_2
    }

    /// Adds a visit of `y`.
    pub(crate) fn visit(&mut self, y: f32, weight: f32) {
        if self.total == 0.0 {
            (self.low, self.high) = (y, y);
        }
        if y < self.low || y > self.high {
            self.regrid(self.low.min(y), self.high.max(y));
        }
        let (node, part) = self.place(y);
        self.mass[node] += weight * (1.0 - part);
        self.mass[node + 1] += weight * part;
        self.total += weight;
    }

    /// Visits so far, each by its weight.
    pub(crate) fn total(&self) -> f32 {
        self.total
    }

    /// Makes every visit weigh `factor` of what it did.
    pub(crate) fn rescale(&mut self, factor: f32) {
        self.mass.iter_mut().for_each(|mass| *mass *= factor);
        self.total *= factor;
    }

    /// Lets the range end where it was hardly visited for long: cuts at most one cell on either side.
    pub(crate) fn age(&mut self, weight: f32) {
        let faint = |node: usize| self.mass[node] + self.mass[node + 1] < AGED_VISITS * weight;
        let cell = (self.high - self.low) / (N - 1) as f32;
        let low = if faint(0) { self.low + cell } else { self.low };
        let high = if faint(N - 2) { self.high - cell } else { self.high };
        if cell > 0.0 && (low > self.low || high < self.high) && high - low > 4.0 * cell {
            self.regrid(low, high);
        }
    }

    /// The node at or below `y`, and how far `y` lies towards the next one.
    fn place(&self, y: f32) -> (usize, f32) {
        let last = (N - 1) as f32;
        let span = self.high - self.low;
        let at = if span > 0.0 { ((y - self.low) / span * last).clamp(0.0, last) } else { 0.0 };
        let node = (at as usize).min(N - 2);
        (node, at - node as f32)
    }

    #[cold]
    fn regrid(&mut self, low: f32, high: f32) {
        let (from, width) = (self.low, (self.high - self.low) / (N - 1) as f32);
        let old = core::mem::replace(&mut self.mass, [0.0; N]);
        (self.low, self.high) = (low, high);
        for (nth, mass) in old.into_iter().enumerate().filter(|(_, mass)| *mass > 0.0) {
            let (node, part) = self.place(from + width * nth as f32);
            self.mass[node] += mass * (1.0 - part);
            self.mass[node + 1] += mass * part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a hundred visits of one value, one of another, then values between and beyond.
    /// Guarantees: -log10((mass + 1/2)/(visits + 1/2)) as computed by hand; new values are the most surprising.
    #[test]
    fn surprise_is_the_rarity_of_the_region() {
        let mut histogram = RangeHistogram::<NODES>::EMPTY;
        assert_eq!(histogram.surprise(5.0, 1.0), 0.0);
        for visits in 1..=100 {
            histogram.visit(5.0, 1.0);
            assert_eq!(histogram.surprise(5.0, 1.0), 0.0, "{visits}: it never was elsewhere");
        }
        histogram.visit(51.0, 1.0);
        let check = |y: f32, expected: f64| {
            let seen = f64::from(histogram.surprise(y, 1.0));
            assert!((seen - expected).abs() < 1e-5, "{y}: {seen} not {expected}");
        };
        check(5.0, (101.5_f64 / 100.5).log10());
        check(6.0, (101.5_f64 / 50.5).log10());
        check(51.0, (101.5_f64 / 1.5).log10());
        check(30.0, 203.0_f64.log10());
        check(60.0, 203.0_f64.log10());
        check(-1.0, 203.0_f64.log10());
    }

    /// Scenario: values from a narrow range, then one far away, at several weights.
    /// Guarantees: no mass is lost when the range grows or the weights are rescaled.
    #[test]
    fn mass_is_kept() {
        let mut histogram = RangeHistogram::<NODES>::EMPTY;
        (0..50).for_each(|nth| histogram.visit(nth as f32, 2.0));
        histogram.visit(1e6, 2.0);
        histogram.rescale(0.5);
        assert!((histogram.mass.iter().sum::<f32>() - 51.0).abs() < 1e-3, "{histogram:?}");
        assert_eq!(histogram.total, 51.0);
    }

    /// Scenario: one value far out, then years of visits within a narrow range.
    /// Guarantees: the far end is given up once its mass has faded, and not before; what is visited stays.
    #[test]
    fn the_range_ages() {
        let mut histogram = RangeHistogram::<NODES>::EMPTY;
        (0..100).for_each(|nth| histogram.visit((nth % 10) as f32, 1.0));
        histogram.visit(1000.0, 1.0);
        histogram.age(1.0);
        assert_eq!(histogram.high, 1000.0);
        for _ in 0..200 {
            (0..100).for_each(|nth| histogram.visit((nth % 10) as f32, 1000.0));
            histogram.age(1000.0);
        }
        assert!(histogram.high < 400.0 && histogram.high >= 9.0 && histogram.low == 0.0, "{histogram:?}");
    }
}
