//! How rarely a region of values was visited: a fading soft histogram over the range seen so far.
//!
//! The mass of a value is split over the two nodes beside it; the surprise of a value is minus the decimal logarithm of
//! the share of the interpolated mass, with half a visit of prior: none where every visit was, however many there were. A
//! value outside the range has no mass; how far outside it lies is told apart ([`RangeHistogram::farness`]). When the range
//! grows, the masses move to the new grid with it. Fading is done by letting each visit weigh more than the one before; the
//! weight is kept by the caller, because all histograms of a series fade together. An end of the range that was not
//! visited for several memories is given up.

use serde::{Deserialize, Serialize};

/// Nodes of a histogram of the full tier.
pub(crate) const NODES: usize = 24;
/// Cells beyond a range that are told apart.
const CELLS_MAX: f32 = 1e8;

/// One histogram of `N` nodes; 12 + 4 `N` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(bound = "[f32; N]: Serialize + serde::de::DeserializeOwned")]
pub(crate) struct RangeHistogram<const N: usize = NODES> {
    low: f32,
    high: f32,
    total: f32,
    mass: [f32; N],
}

/// Where a value lies in the range: the node at or below it and the part of the way to the next one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mark {
    node: u32,
    part: f32,
}

impl Mark {
    const OUTSIDE: u32 = u32::MAX;
    /// Of a view that is absent.
    pub(crate) const NOWHERE: Self = Self { node: Self::OUTSIDE, part: 0.0 };

    /// Whether it lies outside of the range, or there is none.
    pub(crate) fn is_outside(self) -> bool {
        self.node == Self::OUTSIDE
    }
}

/// Decimal logarithm of a number from 1 up, to a few units in the last place: the series of the inverse hyperbolic tangent
/// around the nearest power of two (Abramowitz and Stegun 4.1.27), without branches, so that many take the time of few.
pub(crate) fn log10(x: f32) -> f32 {
    /// 2 / ln 10, and its parts for the powers of the argument.
    const C: f32 = 2.0 * core::f32::consts::LOG10_E;
    const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
    // the exponent counts from the square root of a half, so that the rest lies within a factor of that of one
    let bits = x.to_bits() - SQRT_HALF_BITS;
    let power = (bits as i32 >> 23) as f32;
    let rest = f32::from_bits((bits & 0x007f_ffff) + SQRT_HALF_BITS);
    let t = (rest - 1.0) / (rest + 1.0);
    let square = t * t;
    let series = C * t * (1.0 + square * (1.0 / 3.0 + square * (0.2 + square * (1.0 / 7.0))));
    power * core::f32::consts::LOG10_2 + series
}

impl<const N: usize> RangeHistogram<N> {
    /// A histogram without a range.
    pub(crate) const EMPTY: Self = Self { low: 0.0, high: 0.0, total: 0.0, mass: [0.0; N] };

    /// Where a value lies; the same until the next visit.
    pub(crate) fn mark(&self, y: f32) -> Mark {
        if self.total == 0.0 || y < self.low || y > self.high {
            return Mark::NOWHERE;
        }
        self.place(y)
    }

    /// (n + 1/2) / (m + 1/2) for `m` of `n` visits at a mark, in visits of this `weight`: its decimal logarithm is the surprise.
    /// 1 while nothing was seen.
    pub(crate) fn rarity(&self, mark: Mark, weight: f32) -> f32 {
        if self.total == 0.0 {
            return 1.0;
        }
        let node = mark.node as usize;
        let mass = if mark.is_outside() {
            0.0
        } else {
            self.mass[node] * (1.0 - mark.part) + self.mass[node + 1] * mark.part
        };
        (self.total + 0.5 * weight) / (mass + 0.5 * weight)
    }

    /// How far outside of the range a value lies, as the decimal logarithm of one more than its distance in cells: 0 within it.
    /// A range of one value has no cells to measure by.
    pub(crate) fn farness(&self, (y, mark): (f32, Mark)) -> f32 {
        if mark.is_outside() && self.high > self.low { self.far_outside(y) } else { 0.0 }
    }

    #[cold]
    fn far_outside(&self, y: f32) -> f32 {
        let distance = (y - self.high).max(self.low - y).max(0.0);
        let cells = distance / ((self.high - self.low) / (N - 1) as f32);
        log10(1.0 + cells.min(CELLS_MAX))
    }

    /// Adds a visit of `y`, which lies at `mark`.
    pub(crate) fn visit(&mut self, (y, mark): (f32, Mark), weight: f32) {
        let mark = if mark.is_outside() { self.reach(y) } else { mark };
        let node = mark.node as usize;
        self.mass[node] += weight * (1.0 - mark.part);
        self.mass[node + 1] += weight * mark.part;
        self.total += weight;
    }

    /// Lets the range reach to `y`; where `y` lies then.
    #[cold]
    fn reach(&mut self, y: f32) -> Mark {
        if self.total == 0.0 {
            (self.low, self.high) = (y, y);
        }
        if y < self.low || y > self.high {
            self.regrid(self.low.min(y), self.high.max(y));
        }
        self.place(y)
    }

    /// Visits so far, each by its weight.
    pub(crate) fn total(&self) -> f32 {
        self.total
    }

    /// Two numbers of its memory, at its beginning and half-way: of many side by side, they miss no cache line between.
    #[inline]
    pub(crate) fn touch(&self) -> u32 {
        self.total.to_bits() ^ self.mass[N / 2].to_bits()
    }

    /// Makes every visit weigh `factor` of what it did.
    pub(crate) fn rescale(&mut self, factor: f32) {
        self.mass.iter_mut().for_each(|mass| *mass *= factor);
        self.total *= factor;
    }

    /// Lets the range end where it was hardly visited for long, with less than `mass` at the two nodes of an outer cell: cuts at
    /// most one cell on either side.
    pub(crate) fn age(&mut self, mass: f32) {
        let faint = |node: usize| self.mass[node] + self.mass[node + 1] < mass;
        let cell = (self.high - self.low) / (N - 1) as f32;
        let low = if faint(0) { self.low + cell } else { self.low };
        let high = if faint(N - 2) { self.high - cell } else { self.high };
        if cell > 0.0 && (low > self.low || high < self.high) && high - low > 4.0 * cell {
            self.regrid(low, high);
        }
    }

    /// The node at or below `y`, and how far `y` lies towards the next one.
    fn place(&self, y: f32) -> Mark {
        let last = (N - 1) as f32;
        let span = self.high - self.low;
        let at = if span > 0.0 { ((y - self.low) / span * last).clamp(0.0, last) } else { 0.0 };
        let node = (at as u32).min(N as u32 - 2);
        Mark { node, part: at - node as f32 }
    }

    #[cold]
    fn regrid(&mut self, low: f32, high: f32) {
        let (from, width) = (self.low, (self.high - self.low) / (N - 1) as f32);
        let old = core::mem::replace(&mut self.mass, [0.0; N]);
        (self.low, self.high) = (low, high);
        for (nth, mass) in old.into_iter().enumerate().filter(|(_, mass)| *mass > 0.0) {
            let Mark { node, part } = self.place(from + width * nth as f32);
            self.mass[node as usize] += mass * (1.0 - part);
            self.mass[node as usize + 1] += mass * part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surprise(histogram: &RangeHistogram, y: f32, weight: f32) -> f32 {
        log10(histogram.rarity(histogram.mark(y), weight))
    }

    fn visit(histogram: &mut RangeHistogram, y: f32, weight: f32) {
        histogram.visit((y, histogram.mark(y)), weight);
    }

    /// Scenario: numbers from one to the largest, against the logarithm of the mathematical library.
    /// Guarantees: exact at one; within three parts of ten million of it or of one.
    #[test]
    fn the_logarithm_is_right() {
        assert_eq!(log10(1.0), 0.0);
        let mut x = 1.0_f32;
        while x < 1e38 {
            let right = libm::log10(f64::from(x));
            let off = (f64::from(log10(x)) - right).abs();
            assert!(off <= 3e-7 * right.max(1.0), "{x}: {off}");
            x *= 1.000_37;
        }
    }

    /// Scenario: a hundred visits of one value, one of another, then values between and beyond.
    /// Guarantees: -log10((mass + 1/2)/(visits + 1/2)) as computed by hand; new values are the most surprising.
    #[test]
    fn surprise_is_the_rarity_of_the_region() {
        let mut histogram = RangeHistogram::<NODES>::EMPTY;
        assert_eq!(surprise(&histogram, 5.0, 1.0), 0.0);
        for visits in 1..=100 {
            visit(&mut histogram, 5.0, 1.0);
            assert_eq!(surprise(&histogram, 5.0, 1.0), 0.0, "{visits}: it never was elsewhere");
        }
        visit(&mut histogram, 51.0, 1.0);
        let check = |y: f32, expected: f64| {
            let seen = f64::from(surprise(&histogram, y, 1.0));
            assert!((seen - expected).abs() < 1e-5, "{y}: {seen} not {expected}");
        };
        check(5.0, (101.5_f64 / 100.5).log10());
        check(6.0, (101.5_f64 / 50.5).log10());
        check(51.0, (101.5_f64 / 1.5).log10());
        check(30.0, 203.0_f64.log10());
        check(60.0, 203.0_f64.log10());
        check(-1.0, 203.0_f64.log10());
    }

    /// Scenario: a range from 0 to 23, which makes cells of one; values within it, at its ends, beyond them, very far away, and
    /// outside of a range of one value.
    /// Guarantees: nine cells beyond either end are a decade, ninety-nine are two; it keeps growing and is finite; within the
    /// range, and of one value, it is 0.
    #[test]
    fn farther_outside_is_rarer() {
        let mut histogram = RangeHistogram::<NODES>::EMPTY;
        let farness =
            |histogram: &RangeHistogram, y: f32| f64::from(histogram.farness((y, histogram.mark(y))));
        assert_eq!(farness(&histogram, 9.0), 0.0);
        visit(&mut histogram, 0.0, 1.0);
        assert_eq!(farness(&histogram, 9.0), 0.0);
        (1..24).for_each(|nth| visit(&mut histogram, nth as f32, 1.0));
        for (y, decades) in [(0.0, 0.0), (11.5, 0.0), (23.0, 0.0), (32.0, 1.0), (-9.0, 1.0), (122.0, 2.0)] {
            let seen = farness(&histogram, y);
            assert!((seen - decades).abs() < 1e-5, "{y}: {seen}");
        }
        let far = farness(&histogram, 1e30);
        assert!(far.is_finite() && far > farness(&histogram, 1e6));
    }

    /// Scenario: values from a narrow range, then one far away, at several weights.
    /// Guarantees: no mass is lost when the range grows or the weights are rescaled.
    #[test]
    fn mass_is_kept() {
        let mut histogram = RangeHistogram::<NODES>::EMPTY;
        (0..50).for_each(|nth| visit(&mut histogram, nth as f32, 2.0));
        visit(&mut histogram, 1e6, 2.0);
        histogram.rescale(0.5);
        assert!((histogram.mass.iter().sum::<f32>() - 51.0).abs() < 1e-3, "{histogram:?}");
        assert_eq!(histogram.total, 51.0);
    }

    /// Scenario: one value far out, then years of visits within a narrow range.
    /// Guarantees: the far end is given up once its mass has faded, and not before; what is visited stays.
    #[test]
    fn the_range_ages() {
        let mut histogram = RangeHistogram::<NODES>::EMPTY;
        (0..100).for_each(|nth| visit(&mut histogram, (nth % 10) as f32, 1.0));
        visit(&mut histogram, 1000.0, 1.0);
        histogram.age(0.005);
        assert_eq!(histogram.high, 1000.0);
        for _ in 0..200 {
            (0..100).for_each(|nth| visit(&mut histogram, (nth % 10) as f32, 1000.0));
            histogram.age(5.0);
        }
        assert!(histogram.high < 400.0 && histogram.high >= 9.0 && histogram.low == 0.0, "{histogram:?}");
    }
}
