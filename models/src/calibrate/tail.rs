//! How rare a raw score is among the scores of its own series: a decayed histogram with a Pareto tail.
//!
//! Scores are counted in bins of a quarter of an octave. Below the point that `tail_share` of them exceed, the
//! p-value is the share of larger scores, `(above + 1) / (n + 1)`, linear within a bin; above it the tail is Pareto,
//! `p = p_u (v / u)^(-1/xi)` with Hill's estimate of `xi` (Hill, Annals of Statistics 1975), shrunk to a prior. Weights
//! halve with time, not with points. The p-value never rises with the score. A tail that is lighter than Pareto is taken
//! for heavier than it is, so that a rare score is called less rare than it is, never more.

use serde::{Deserialize, Serialize};

use super::surprise::{PValue, SURPRISE_MAX};
use super::tail_params::TailValidParams;
use crate::detector::{Maturity, RawScore};

const BINS: usize = 96;
const BLOCK: usize = 8;
const BINS_PER_OCTAVE: f64 = 4.0;
/// `log2` of the lower edge of the first bin.
const LOWEST_OCTAVE: f64 = -8.0;
/// What a score weighs at first, in the unit of the counts. Integers keep sums exact, and with them the order of p-values.
const WEIGHT_MIN: f64 = 16.0;
/// Counts are brought back to `WEIGHT_MIN` when a new score weighs this much: six half-lives later.
const SHRINK_BITS: u32 = 6;

/// Calibrates the scores of one series (or of several alike); about 0.5 KB.
///
/// ```
/// use models::{RawScore, calibrate::{TailCalibrator, TailParams}};
/// let mut calibrator = TailCalibrator::new(&TailParams::default().check().unwrap());
/// for n in 0..10_000_i64 {
///     calibrator.observe(n * 60_000_000_000, RawScore::new((n % 100) as f64).unwrap());
/// }
/// let p = calibrator.p_value(RawScore::new(90.0).unwrap()).value();
/// assert!((0.07..0.13).contains(&p), "{p}");
/// assert!(calibrator.p_value(RawScore::new(1000.0).unwrap()).value() < 1e-3);
/// ```
///
/// # Order of calls
/// [`Self::p_value`] of a score first, [`Self::observe`] of the same score after; p-values mean little until
/// [`Self::maturity`] says `Mature`. Scores of points that are held back from learning may be observed or not: observed, a
/// series that is often unusual calms down sooner; not observed, an anomaly does not hide the next one. One calibrator holds
/// scores of one kind: not of two tiers.
///
/// # Invariants
/// `blocks` are the sums of `counts`; `above` and `excess` are those of the bins after `edge`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TailCalibrator {
    params: TailValidParams,
    counts: Vec<u32>,
    blocks: Vec<u64>,
    /// Weight of all scores.
    total: u64,
    /// Weight of a score that comes now, before rounding.
    weight: f64,
    last_at: Option<i64>,
    points: u32,
    /// The last bin that is not in the tail.
    edge: u32,
    /// Weight of the scores in the tail.
    above: u64,
    /// Sum over the tail of the bins beyond `edge`.
    excess: u64,
}

impl TailCalibrator {
    /// A calibrator that has seen nothing.
    #[must_use]
    pub fn new(params: &TailValidParams) -> Self {
        Self {
            params: *params,
            counts: vec![0; BINS],
            blocks: vec![0; BINS / BLOCK],
            total: 0,
            weight: WEIGHT_MIN,
            last_at: None,
            points: 0,
            edge: 0,
            above: 0,
            excess: 0,
        }
    }

    /// The chance of a score at least this large, as far as past scores tell.
    #[must_use]
    pub fn p_value(&self, raw: RawScore) -> PValue {
        let place = place_of(raw.value());
        let edge = f64::from(self.edge) + 1.0;
        let p = if place < edge {
            self.share_above(self.weight_above(place))
        } else {
            let at_edge = self.share_above(self.above as f64);
            at_edge * libm::exp2((edge - place) / BINS_PER_OCTAVE / self.tail_index())
        };
        let lowest = libm::exp10(-SURPRISE_MAX);
        PValue::new(p.clamp(lowest, 1.0)).unwrap_or(PValue::ONE)
    }

    /// Takes a score into the histogram. Late scores count like those of the newest instant.
    pub fn observe(&mut self, at: i64, raw: RawScore) {
        let newest = self.last_at.map_or(at, |last| last.max(at));
        let gap_secs = newest.saturating_sub(self.last_at.unwrap_or(newest)) as f64 / 1e9;
        self.last_at = Some(newest);
        self.age(gap_secs);
        let bin = (place_of(raw.value()) as usize).min(BINS - 1);
        let more = u64::from(self.count(bin));
        self.blocks[bin / BLOCK] += more;
        self.total += more;
        self.points = self.points.saturating_add(1);
        if bin > self.edge as usize {
            self.above += more;
            self.excess += more * (bin as u64 - u64::from(self.edge));
        }
        self.settle_edge();
    }

    /// What the calibrator of a series alike may begin with: as if learned from at most so many scores, before the first one of
    /// its own. Shares stay as they are, to a sixteenth of a score.
    ///
    /// ```
    /// use models::{RawScore, calibrate::{TailCalibrator, TailParams}};
    /// let mut known = TailCalibrator::new(&TailParams::default().check().unwrap());
    /// (0..10_000_i64).for_each(|n| known.observe(n * 60_000_000_000, RawScore::new((n % 100) as f64).unwrap()));
    /// let mut heir = known.as_prior(100);
    /// assert!(heir.maturity().is_mature());
    /// let (of_heir, of_known) = (heir.p_value(RawScore::new(50.0).unwrap()), known.p_value(RawScore::new(50.0).unwrap()));
    /// assert!((of_heir.value() - of_known.value()).abs() < 0.02);
    /// // and it soon goes by its own
    /// (0..200).for_each(|n| heir.observe(n * 60_000_000_000, RawScore::new(400.0).unwrap()));
    /// assert!(heir.p_value(RawScore::new(300.0).unwrap()).value() > 0.5);
    /// ```
    #[must_use]
    pub fn as_prior(&self, scores: u32) -> Self {
        let seen = self.total as f64 / self.weight;
        let part = f64::from(scores).min(seen) * WEIGHT_MIN / (self.total as f64).max(1.0);
        let counts: Vec<u32> =
            self.counts.iter().map(|count| libm::round(f64::from(*count) * part) as u32).collect();
        let mut prior = Self { counts, points: self.points, ..Self::new(&self.params) };
        for (block, counts) in prior.blocks.iter_mut().zip(prior.counts.chunks(BLOCK)) {
            *block = counts.iter().map(|count| u64::from(*count)).sum();
        }
        prior.total = prior.blocks.iter().sum();
        // everything lies above no edge at all; it settles from there
        prior.above = prior.total - u64::from(prior.counts[0]);
        let bins = prior.counts.iter().enumerate();
        prior.excess = bins.map(|(bin, count)| u64::from(*count) * bin as u64).sum();
        prior.settle_edge();
        prior
    }

    /// Whether p-values are to be believed.
    #[must_use]
    pub fn maturity(&self) -> Maturity {
        match self.params.values().warm_up_points.saturating_sub(self.points) {
            0 => Maturity::Mature,
            needs_points => Maturity::WarmingUp { needs_points },
        }
    }

    /// Adds a score to a bin; what was added, which is less where the bin is full.
    fn count(&mut self, bin: usize) -> u32 {
        let before = self.counts[bin];
        self.counts[bin] = before.saturating_add(libm::round(self.weight) as u32);
        self.counts[bin] - before
    }

    fn share_above(&self, above: f64) -> f64 {
        (above + self.weight) / (self.total as f64 + self.weight)
    }

    /// Weight of all scores above a place in the body.
    fn weight_above(&self, place: f64) -> f64 {
        let bin = (place as usize).min(BINS - 1);
        let block = bin / BLOCK;
        let within: u64 =
            self.counts[bin + 1..(block + 1) * BLOCK].iter().map(|count| u64::from(*count)).sum();
        let beyond: u64 = self.blocks[block + 1..].iter().sum();
        let rest = 1.0 - (place - bin as f64).clamp(0.0, 1.0);
        (within + beyond) as f64 + rest * f64::from(self.counts[bin])
    }

    /// Hill's estimate over bins, in natural logarithms; a score lies in the middle of its bin.
    fn tail_index(&self) -> f64 {
        let prior = self.params.values();
        let (n, bins) = (self.above as f64 / self.weight, self.excess as f64 / self.weight);
        let logs = (bins - 0.5 * n).max(0.0) * core::f64::consts::LN_2 / BINS_PER_OCTAVE;
        (logs + prior.tail_index * prior.tail_index_weight) / (n + prior.tail_index_weight)
    }

    fn age(&mut self, gap_secs: f64) {
        self.weight *= libm::exp2((gap_secs / self.params.values().half_life_secs).min(256.0));
        let heavy = WEIGHT_MIN * f64::from(1_u32 << SHRINK_BITS);
        if self.weight < heavy {
            return;
        }
        while self.weight >= heavy {
            self.weight /= f64::from(1_u32 << SHRINK_BITS);
            self.counts.iter_mut().for_each(|count| *count >>= SHRINK_BITS);
        }
        for (block, counts) in self.blocks.iter_mut().zip(self.counts.chunks(BLOCK)) {
            *block = counts.iter().map(|count| u64::from(*count)).sum();
        }
        self.total = self.blocks.iter().sum();
        let edge = self.edge as usize;
        let tail = || self.counts.iter().enumerate().skip(edge + 1);
        self.above = tail().map(|(_, count)| u64::from(*count)).sum();
        self.excess = tail().map(|(bin, count)| u64::from(*count) * (bin - edge) as u64).sum();
    }

    /// Moves the edge so that at most `tail_share` lies beyond it; a few bins at most after each score.
    fn settle_edge(&mut self) {
        let share = (self.params.values().tail_share * self.total as f64) as u64;
        while self.above > share && (self.edge as usize) < BINS - 1 {
            self.excess -= self.above;
            self.edge += 1;
            self.above -= u64::from(self.counts[self.edge as usize]);
        }
        while self.edge > 0 && self.above + u64::from(self.counts[self.edge as usize]) <= share {
            self.above += u64::from(self.counts[self.edge as usize]);
            self.edge -= 1;
            self.excess += self.above;
        }
    }
}

/// Where a score lies, in bins from the lower edge of the first one. It may lie beyond the last bin.
fn place_of(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    ((libm::log2(value) - LOWEST_OCTAVE) * BINS_PER_OCTAVE).max(0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calibrate::TailParams;
    use crate::testkit::Draws;

    const MINUTE: i64 = 60_000_000_000;

    fn fresh() -> TailCalibrator {
        TailCalibrator::new(&TailParams::default().check().unwrap())
    }

    fn raw(value: f64) -> RawScore {
        RawScore::new(value).unwrap()
    }

    fn assert_sums(calibrator: &TailCalibrator) {
        let edge = calibrator.edge as usize;
        let tail = || calibrator.counts.iter().enumerate().skip(edge + 1);
        assert_eq!(calibrator.total, calibrator.counts.iter().map(|c| u64::from(*c)).sum::<u64>());
        assert_eq!(calibrator.above, tail().map(|(_, c)| u64::from(*c)).sum::<u64>());
        assert_eq!(
            calibrator.excess,
            tail().map(|(bin, c)| u64::from(*c) * (bin - edge) as u64).sum::<u64>()
        );
    }

    /// Scenario: 20,000 scores of an exponential law, whose p-values are known; points lie a minute apart.
    /// Guarantees: p-values agree within a fifth where there is data, and where there is little they err towards the usual, by
    /// less than a decade: a Pareto tail is heavier than an exponential one.
    #[test]
    fn agrees_with_a_known_law() {
        let (mut calibrator, mut draws) = (fresh(), Draws::new(1));
        for n in 0..20_000 {
            calibrator.observe(n * MINUTE, raw(-libm::log(1.0 - draws.uniform())));
        }
        for p in [0.5, 0.1, 0.03, 0.01] {
            let seen = calibrator.p_value(raw(-libm::log(p))).value();
            assert!((seen / p - 1.0).abs() < 0.2, "seed 1: {p} seen as {seen}");
        }
        for decades in [3.0, 4.0] {
            let rare = calibrator.p_value(raw(decades * core::f64::consts::LN_10)).surprise().decades();
            assert!((decades - 0.9..decades + 0.1).contains(&rare), "seed 1: {decades} seen as {rare}");
        }
    }

    /// Scenario: a series whose scores become ten times as large for good.
    /// Guarantees: what was rare is usual after a few half-lives.
    #[test]
    fn old_scores_fade() {
        let (mut calibrator, mut draws) = (fresh(), Draws::new(2));
        for n in 0..60_000 {
            let size = if n < 20_000 { 1.0 } else { 10.0 };
            calibrator.observe(n * MINUTE, raw(size * draws.normal().abs()));
        }
        assert!(calibrator.p_value(raw(10.0)).value() > 0.2);
        assert_sums(&calibrator);
    }

    proptest! {
        /// Scenario: scores of any size, gaps from none to centuries, late points.
        /// Guarantees: the p-value never rises with the score; sums stay exact; it saves, restores and keeps its size.
        #[test]
        fn falls_and_stays_whole(
            points in prop::collection::vec((prop_oneof![-1.0..10.0f64, -1e300..1e300f64, Just(0.0)], 0..9u8), 1..800),
        ) {
            let mut calibrator = fresh();
            let size = postcard::to_allocvec(&calibrator).unwrap().len();
            let mut at = 0_i64;
            for (value, gap) in points {
                at = at.saturating_add([MINUTE, 0, -MINUTE, MINUTE, MINUTE, 90_000 * MINUTE, i64::MAX / 9][gap as usize % 7]);
                calibrator.observe(at, raw(value));
            }
            assert_sums(&calibrator);
            let curve: Vec<f64> = (-900..2000).map(|n| calibrator.p_value(raw(libm::exp2(f64::from(n) / 60.0))).value()).collect();
            prop_assert!(curve.windows(2).all(|pair| pair[0] >= pair[1]), "{:?}", curve);
            let bytes = postcard::to_allocvec(&calibrator).unwrap();
            prop_assert!(bytes.len() <= size + 900);
            prop_assert_eq!(postcard::from_bytes::<TailCalibrator>(&bytes).unwrap(), calibrator);
        }
    }
}
