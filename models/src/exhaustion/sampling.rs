//! How long a sample lasts: the median of the last gaps.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const GAPS_MAX: usize = 15;
/// A gap of so many samples ends a trend: nothing is known of what lay in between.
const BREAK_SAMPLES: f64 = 32.0;

/// What a new point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Not after the last one: it cannot be used.
    Late,
    /// The next one.
    Next,
    /// The first one after a long gap.
    AfterBreak,
}

/// Learned time between two samples.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Sampling {
    last_at: Option<i64>,
    gaps_secs: VecDeque<f32>,
}

impl Sampling {
    /// Whether a point could be used, without taking it in.
    pub(crate) fn is_after(&self, at: i64) -> bool {
        self.last_at.is_none_or(|last| at > last)
    }

    pub(crate) fn take(&mut self, at: i64) -> Arrival {
        if !self.is_after(at) {
            return Arrival::Late;
        }
        let before = self.last_at.replace(at);
        let Some(last) = before else { return Arrival::Next };
        let gap_secs = at.saturating_sub(last) as f64 / 1e9;
        let usual = self.interval_secs();
        self.gaps_secs.push_back(gap_secs as f32);
        if self.gaps_secs.len() > GAPS_MAX {
            self.gaps_secs.pop_front();
        }
        match usual {
            Some(usual) if gap_secs > BREAK_SAMPLES * usual => Arrival::AfterBreak,
            _ => Arrival::Next,
        }
    }

    /// The median gap; `None` before three.
    pub(crate) fn interval_secs(&self) -> Option<f64> {
        let mut sorted: Vec<f32> = self.gaps_secs.iter().copied().collect();
        sorted.sort_unstable_by(f32::total_cmp);
        if sorted.len() < 3 { None } else { sorted.get(sorted.len() / 2).map(|&gap| f64::from(gap)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: samples every ten seconds with one missing, one repeated, one from the past, and an hour of silence.
    /// Guarantees: the interval is ten seconds throughout; what cannot be used is told, and so is the break.
    #[test]
    fn interval_is_the_median_gap() {
        let mut sampling = Sampling::default();
        for second in [0, 10, 20, 40, 50, 60] {
            assert_eq!(sampling.take(second * 1_000_000_000), Arrival::Next);
        }
        assert_eq!(sampling.interval_secs(), Some(10.0));
        assert_eq!(sampling.take(60_000_000_000), Arrival::Late);
        assert_eq!(sampling.take(5_000_000_000), Arrival::Late);
        assert_eq!(sampling.take(3_660_000_000_000), Arrival::AfterBreak);
        assert_eq!(sampling.interval_secs(), Some(10.0));
    }
}
