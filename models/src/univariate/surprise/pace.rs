//! How often a series really reports, learned from its own timestamps.
//!
//! The interval is a running median of the gaps on a logarithmic scale: one long gap hardly moves it, a new export
//! interval is learned within some dozens of points. Elapsed time is given in *steps*: intervals, but never shorter
//! than ten seconds, because on finer series a handful of points is no evidence of anything. Not done here: deciding
//! that a series went silent.

use serde::{Deserialize, Serialize};

const NANOS_PER_SEC: f64 = 1e9;
/// Shortest step, in seconds.
const STEP_SECS_MIN: f32 = 10.0;
/// Gaps beyond this many intervals are a year's worth of silence to every average.
const STEPS_MAX: f32 = 1e6;

/// The learned interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pace {
    interval_secs: f32,
    gaps: u32,
}

impl Pace {
    /// Nothing known.
    pub(crate) const UNKNOWN: Self = Self { interval_secs: 60.0, gaps: 0 };

    /// The interval in seconds.
    pub(crate) fn interval_secs(&self) -> f32 {
        self.interval_secs
    }

    /// What one step lasts, in seconds.
    pub(crate) fn step_secs(&self) -> f32 {
        self.interval_secs.max(STEP_SECS_MIN)
    }

    /// Steps that a gap lasts. Jitter of up to half an interval is none.
    pub(crate) fn steps(&self, gap_nanos: i64) -> f32 {
        let secs = (gap_nanos as f64 / NANOS_PER_SEC) as f32;
        let usual = (secs - self.interval_secs).abs() <= 0.5 * self.interval_secs || self.gaps == 0;
        let secs = if usual { self.interval_secs } else { secs };
        (secs / self.step_secs()).min(STEPS_MAX)
    }

    /// Learns a gap between two points.
    pub(crate) fn learn(&mut self, gap_nanos: i64) {
        let secs = ((gap_nanos as f64 / NANOS_PER_SEC) as f32).max(1e-3);
        self.gaps = self.gaps.saturating_add(1);
        if self.gaps == 1 {
            self.interval_secs = secs;
            return;
        }
        let ratio = secs / self.interval_secs;
        // a hundredth of jitter is not worth a logarithm
        if (ratio - 1.0).abs() > 0.01 {
            let reach = (1.0 / self.gaps as f32).max(0.03);
            self.interval_secs *= ratio.clamp(1.0 / (1.0 + reach), 1.0 + reach);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: i64 = 1_000_000_000;

    fn paced(gaps: impl IntoIterator<Item = i64>) -> Pace {
        let mut pace = Pace::UNKNOWN;
        gaps.into_iter().for_each(|gap| pace.learn(gap));
        pace
    }

    /// Scenario: regular series from one second to an hour; with jitter; with every tenth point missing; a series whose
    /// interval changes from 60 to 15 s.
    /// Guarantees: the interval is found within 5 %, steps are intervals and at least ten seconds.
    #[test]
    fn the_interval_is_learned() {
        for secs in [1, 10, 60, 300, 3600] {
            let pace = paced((0..50).map(|_| secs * SEC));
            assert_eq!(pace.interval_secs(), secs as f32);
            assert_eq!(pace.steps(secs * SEC), (secs as f32 / 10.0).min(1.0));
        }
        let near =
            |pace: Pace, secs: f32| assert!((pace.interval_secs() / secs - 1.0).abs() < 0.05, "{pace:?}");
        near(paced((0..100).map(|nth| 60 * SEC + (nth % 5 - 2) * SEC / 5)), 60.0);
        near(paced((0..100).map(|nth| if nth % 10 == 3 { 120 * SEC } else { 60 * SEC })), 60.0);
        near(paced((0..200).map(|nth| if nth < 100 { 60 * SEC } else { 15 * SEC })), 15.0);
    }

    /// Scenario: points a little early and late, and after a gap.
    /// Guarantees: jitter is one step, a gap its length.
    #[test]
    fn jitter_is_no_gap() {
        let pace = paced((0..50).map(|_| 60 * SEC));
        assert_eq!(pace.steps(45 * SEC), 1.0);
        assert_eq!(pace.steps(600 * SEC), 10.0);
        assert_eq!(pace.steps(i64::MAX), STEPS_MAX);
    }
}
