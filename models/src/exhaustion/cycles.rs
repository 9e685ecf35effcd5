//! Swings of a series that is filled and collected: its lows and highs, and how far apart they are.
//!
//! A turn counts once the series has come back by more than `max(0.04, 8 d)` of the limit, `d` being the mean absolute step (a
//! zigzag with a threshold). What it does not do: ask why the series swings.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::median::median;

/// Lows and highs that are kept.
const TURNS_MAX: usize = 32;
/// Fewer turns say nothing.
const TURNS_MIN: usize = 3;

/// A low or a high.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Turn {
    /// Samples since the one before of its kind; negative where there is none.
    gap: f32,
    value: f32,
}

/// Stands where no turn was seen yet, so that the state has one size from the first sample on.
const NONE: Turn = Turn { gap: -1.0, value: 0.0 };

/// Turns of one series.
///
/// # Invariants
/// Lows and highs are [`TURNS_MAX`] each, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cycles {
    step: f32,
    last: Option<f32>,
    rising: bool,
    /// Sample and value of the turn in the making.
    extreme: Option<(u64, f32)>,
    last_low: u64,
    lows: VecDeque<Turn>,
    highs: VecDeque<Turn>,
}

impl Default for Cycles {
    fn default() -> Self {
        let none: VecDeque<Turn> = std::iter::repeat_n(NONE, TURNS_MAX).collect();
        Self {
            step: 0.0,
            last: None,
            rising: false,
            extreme: None,
            last_low: 0,
            lows: none.clone(),
            highs: none,
        }
    }
}

fn seen(turns: &VecDeque<Turn>) -> impl DoubleEndedIterator<Item = &Turn> + Clone {
    turns.iter().filter(|turn| turn.gap >= 0.0)
}

impl Cycles {
    /// Takes in the value of sample number `at`.
    pub(crate) fn push(&mut self, at: u64, value: f32) {
        if let Some(last) = self.last {
            let weight = (1.0 / (at.min(100) as f32 + 1.0)).max(0.01);
            self.step += weight * ((value - last).abs() - self.step);
        }
        self.last = Some(value);
        let Some(extreme) = self.extreme else {
            self.extreme = Some((at, value));
            return;
        };
        let further = if self.rising { value >= extreme.1 } else { value <= extreme.1 };
        if further {
            self.extreme = Some((at, value));
        } else if (value - extreme.1).abs() > (8.0 * self.step).max(0.04) {
            self.turn(extreme);
            self.extreme = Some((at, value));
        }
    }

    fn turn(&mut self, (at, value): (u64, f32)) {
        let first = seen(&self.lows).next().is_none();
        let turns = if self.rising { &mut self.highs } else { &mut self.lows };
        let gap = if self.rising || first { 0.0 } else { (at - self.last_low) as f32 };
        turns.push_back(Turn { gap, value });
        turns.pop_front();
        if !self.rising {
            self.last_low = at;
        }
        self.rising = !self.rising;
    }

    /// The next sample follows on nothing.
    pub(crate) fn restart(&mut self) {
        self.extreme = None;
        self.last = None;
    }

    /// Most samples from one low to the next; 0 below two.
    pub(crate) fn period(&self) -> f64 {
        f64::from(seen(&self.lows).map(|low| low.gap).fold(0.0, f32::max))
    }

    /// Median distance from low to high; 0 if there are too few.
    pub(crate) fn swing(&self) -> f64 {
        let pairs = seen(&self.lows).rev().zip(seen(&self.highs).rev());
        let mut swings: Vec<f64> = pairs.map(|(low, high)| f64::from(high.value - low.value)).collect();
        if swings.len() < TURNS_MIN { 0.0 } else { median(&mut swings) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a heap that is filled from 0.3 to 0.6 in thirty samples and collected, a hundred times; then a flat series.
    /// Guarantees: period and swing are found, and no more turns are kept than allowed.
    #[test]
    fn a_sawtooth_is_measured() {
        let mut cycles = Cycles::default();
        (0..3000_u64).for_each(|at| cycles.push(at, 0.3 + 0.01 * (at % 30) as f32));
        assert!((cycles.period() - 30.0).abs() <= 1.0, "{}", cycles.period());
        assert!((cycles.swing() - 0.29).abs() < 0.02, "{}", cycles.swing());
        assert!(cycles.highs.len() == TURNS_MAX && cycles.lows.len() == TURNS_MAX);
        let mut flat = Cycles::default();
        (0..3000).for_each(|at| flat.push(at, 0.5));
        assert_eq!((flat.period(), flat.swing()), (0.0, 0.0));
    }
}
