//! The scorer of the Numenta Anomaly Benchmark: alarms early in a labelled window earn, alarms elsewhere cost.
//!
//! Source: A. Lavin, S. Ahmad, "Evaluating real-time anomaly detection algorithms – the Numenta Anomaly Benchmark",
//! ICMLA 2015, §III; constants as in the benchmark's version 1.1. A window counts once, at its best alarm, with the
//! weight sigma(y) = 2/(1+exp(5y)) - 1 of the relative position y in (-1, 0]; a missed window costs `miss`; an alarm
//! outside costs more the farther it lies behind the last window. The first 15 % of a file (at most 750 rows) is
//! probation and not scored. Deliberately absent: which rows alarm, and at what threshold.

use std::ops::Range;

/// What alarms and misses weigh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NabProfile {
    /// Highest gain of a window.
    pub hit: f64,
    /// Highest cost of an alarm outside the windows.
    pub false_alarm: f64,
    /// Cost of a window without an alarm.
    pub miss: f64,
}

impl NabProfile {
    /// `standard`.
    pub const STANDARD: Self = Self { hit: 1.0, false_alarm: 0.11, miss: 1.0 };
    /// `reward_low_FP_rate`.
    pub const LOW_FALSE_ALARMS: Self = Self { hit: 1.0, false_alarm: 0.22, miss: 1.0 };
    /// `reward_low_FN_rate`.
    pub const LOW_MISSES: Self = Self { hit: 1.0, false_alarm: 0.11, miss: 2.0 };

    /// The score of a corpus from the sum of the files' raw scores: 0 for silence, 100 for a perfect detector.
    #[must_use]
    pub fn normalised(&self, raw_sum: f64, n_windows: usize) -> f64 {
        let (n, silent) = (n_windows as f64, -self.miss * n_windows as f64);
        if n_windows == 0 { 0.0 } else { 100.0 * (raw_sum - silent) / (self.hit * n - silent) }
    }
}

/// One row after probation.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    /// sigma at this row: positive in a window, negative outside.
    gain: f64,
    window: Option<usize>,
}

/// The labels of one file, ready to score alarms with.
///
/// ```
/// use models::accuracy::{NabFile, NabProfile};
/// let file = NabFile::new(1000, &[(500, 599)]);
/// let raw = |alarms: &[usize]| file.raw_score(alarms, &NabProfile::STANDARD);
/// assert_eq!(raw(&[]), -1.0);
/// assert!(raw(&[500]) > 0.999 && raw(&[500, 300]) < 0.9);
/// assert_eq!(file.scored(), 150..1000);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct NabFile {
    first: usize,
    rows: Vec<Row>,
    n_windows: usize,
}

impl NabFile {
    /// A file of `n_rows` rows with its windows (first and last row, sorted, disjoint).
    #[must_use]
    pub fn new(n_rows: usize, windows: &[(usize, usize)]) -> Self {
        let first = (n_rows * 15 / 100).min(750);
        let best = sigma(-1.0);
        let row_at = |row: usize| {
            let passed = windows.partition_point(|&(_, last)| last < row);
            match windows.get(passed) {
                Some(&(from, last)) if from <= row => {
                    let width = (last - from + 1) as f64;
                    Row { gain: sigma(-((last - row + 1) as f64) / width) / best, window: Some(passed) }
                }
                _ => Row { gain: outside(passed.checked_sub(1).map(|nth| windows[nth]), row), window: None },
            }
        };
        let rows: Vec<Row> = (first..n_rows).map(row_at).collect();
        let mut seen: Vec<usize> = rows.iter().filter_map(|row| row.window).collect();
        seen.dedup();
        Self { first, n_windows: seen.len(), rows }
    }

    /// The rows that count.
    #[must_use]
    pub fn scored(&self) -> Range<usize> {
        self.first..self.first + self.rows.len()
    }

    /// Windows that reach beyond probation.
    #[must_use]
    pub fn n_windows(&self) -> usize {
        self.n_windows
    }

    /// Scored rows that lie in a window.
    #[must_use]
    pub fn n_window_rows(&self) -> usize {
        self.rows.iter().filter(|row| row.window.is_some()).count()
    }

    /// Windows with an alarm, and alarms outside all windows.
    #[must_use]
    pub fn counts(&self, alarms: &[usize]) -> (usize, usize) {
        let rows = || alarms.iter().filter_map(|&at| self.rows.get(at.checked_sub(self.first)?));
        let mut hit: Vec<usize> = rows().filter_map(|row| row.window).collect();
        hit.sort_unstable();
        hit.dedup();
        (hit.len(), rows().filter(|row| row.window.is_none()).count())
    }

    /// The raw score of alarms at these rows; rows in probation are passed over.
    #[must_use]
    pub fn raw_score(&self, alarms: &[usize], profile: &NabProfile) -> f64 {
        let mut sum = Sum::new(self.n_windows, self.first_window(), profile);
        alarms
            .iter()
            .filter_map(|&at| self.rows.get(at.checked_sub(self.first)?))
            .for_each(|row| sum.add(*row));
        sum.raw()
    }

    /// What every threshold gives when each row whose score reaches it is an alarm: pairs (threshold, raw score),
    /// from a threshold that no row reaches down to the lowest score.
    ///
    /// # Panics
    /// When the scores are not as many as the rows of the file.
    #[must_use]
    pub fn sweep(&self, scores: &[f64], profile: &NabProfile) -> Vec<(f64, f64)> {
        assert_eq!(scores.len(), self.scored().end, "a score for every row");
        let mut order: Vec<(f64, Row)> =
            scores[self.first..].iter().copied().zip(self.rows.iter().copied()).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut sum = Sum::new(self.n_windows, self.first_window(), profile);
        let mut curve = vec![(f64::INFINITY, sum.raw())];
        for (nth, &(score, row)) in order.iter().enumerate() {
            sum.add(row);
            if order.get(nth + 1).is_none_or(|next| next.0 < score) {
                curve.push((score, sum.raw()));
            }
        }
        curve
    }

    fn first_window(&self) -> usize {
        self.rows.iter().find_map(|row| row.window).unwrap_or(0)
    }
}

/// Raw score of a growing set of alarms.
#[derive(Debug)]
struct Sum<'a> {
    profile: &'a NabProfile,
    first_window: usize,
    windows: Vec<f64>,
    outside: f64,
}

impl<'a> Sum<'a> {
    fn new(n_windows: usize, first_window: usize, profile: &'a NabProfile) -> Self {
        Self { profile, first_window, windows: vec![-profile.miss; n_windows], outside: 0.0 }
    }

    fn add(&mut self, row: Row) {
        match row.window {
            Some(window) => {
                let best = &mut self.windows[window - self.first_window];
                *best = best.max(row.gain * self.profile.hit);
            }
            None => self.outside += row.gain * self.profile.false_alarm,
        }
    }

    fn raw(&self) -> f64 {
        self.outside + self.windows.iter().sum::<f64>()
    }
}

/// sigma of the relative position; -1 from three widths behind a window on.
fn sigma(position: f64) -> f64 {
    if position >= 3.0 { -1.0 } else { 2.0 / (1.0 + libm::exp(5.0 * position)) - 1.0 }
}

fn outside(previous: Option<(usize, usize)>, row: usize) -> f64 {
    let Some((from, last)) = previous else { return -1.0 };
    // a window of one row has no width to measure with
    if last > from { sigma((row - last) as f64 / (last - from) as f64) } else { -1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a file of 1000 rows with one window, alarms at its ends, before, just behind and far behind it.
    /// Guarantees: the values that follow from the published sigmoid by hand: 0.98661 at the left end is scaled to
    /// a full hit, a false alarm before any window costs its whole weight, one width behind it 0.98661 of it.
    #[test]
    fn positions_weigh_as_published() {
        let file = NabFile::new(1000, &[(400, 499)]);
        let raw = |alarms: &[usize]| file.raw_score(alarms, &NabProfile::STANDARD);
        let check = |alarms: &[usize], expected: f64| {
            assert!((raw(alarms) - expected).abs() < 1e-4, "{alarms:?}: {} not {expected}", raw(alarms));
        };
        check(&[], -1.0);
        check(&[149], -1.0);
        check(&[400], 1.0);
        check(&[400, 450, 499], 1.0);
        check(&[450], 0.84828 / 0.98661);
        check(&[200], -1.11);
        check(&[400, 598], 1.0 - 0.11 * 0.98661);
        check(&[400, 999], 1.0 - 0.11);
    }

    /// Scenario: the sweep over scores with ties, and the alarms of each of its thresholds scored one by one.
    /// Guarantees: both agree at every threshold, in all three profiles.
    #[test]
    fn sweep_agrees_with_single_thresholds() {
        let file = NabFile::new(2000, &[(10, 20), (500, 549), (900, 1000), (1990, 1999)]);
        let scores: Vec<f64> = (0..2000).map(|row| f64::from((row * 7919 % 101) as u32)).collect();
        for profile in [NabProfile::STANDARD, NabProfile::LOW_FALSE_ALARMS, NabProfile::LOW_MISSES] {
            let curve = file.sweep(&scores, &profile);
            assert_eq!(curve.len(), 102);
            for (threshold, raw) in curve {
                let alarms: Vec<usize> = (0..2000).filter(|&row| scores[row] >= threshold).collect();
                assert!((file.raw_score(&alarms, &profile) - raw).abs() < 1e-9, "{threshold}");
            }
        }
    }

    /// Scenario: silence and perfection over several windows, one of them inside probation.
    /// Guarantees: 0 and 100, and the window in probation does not count.
    #[test]
    fn silence_is_zero_and_perfection_a_hundred() {
        let file = NabFile::new(1000, &[(10, 20), (400, 449), (700, 749)]);
        assert_eq!(file.n_windows(), 2);
        for profile in [NabProfile::STANDARD, NabProfile::LOW_FALSE_ALARMS, NabProfile::LOW_MISSES] {
            assert!(profile.normalised(file.raw_score(&[], &profile), 2).abs() < 1e-9);
            assert!((profile.normalised(file.raw_score(&[400, 700], &profile), 2) - 100.0).abs() < 1e-9);
        }
    }
}
