//! What a metric shows at this time of day: 96 slots, interpolated between their centres.
//!
//! Values are kept as differences from the metric's first value, so that single precision is enough. No week: eight
//! weeks would be needed to learn one, and a profile that adapts over twenty days follows it in part.

use serde::{Deserialize, Serialize};

const SLOTS: usize = 96;
const DAY_SECS: f64 = 86_400.0;
/// Smallest weight of a new value in its slot.
const RATE: f32 = 0.05;

/// The two slots around a time of day, and the one it falls into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    before: usize,
    after: usize,
    /// Weight of `after`.
    part: f32,
    own: usize,
}

impl Place {
    /// Of an instant in seconds since some midnight.
    pub(super) fn at(secs: f64) -> Self {
        let day = secs / DAY_SECS - libm::floor(secs / DAY_SECS);
        let own = ((day * SLOTS as f64) as usize).min(SLOTS - 1);
        let centre = day * SLOTS as f64 - 0.5;
        let below = libm::floor(centre);
        let before = (below as isize).rem_euclid(SLOTS as isize) as usize;
        Self { before, after: (before + 1) % SLOTS, part: (centre - below) as f32, own }
    }
}

/// Mean, mean absolute deviation and number of values of each slot: 9 bytes a slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Profile {
    means: Vec<f32>,
    deviations: Vec<f32>,
    counts: Vec<u8>,
}

impl Profile {
    pub(super) fn new() -> Self {
        Self { means: vec![0.0; SLOTS], deviations: vec![0.0; SLOTS], counts: vec![0; SLOTS] }
    }

    /// Expected value and deviation; `None` where no neighbouring slot was ever seen.
    pub(super) fn expected(&self, place: Place) -> Option<(f32, f32)> {
        let weight = |slot: usize, part: f32| if self.counts[slot] > 0 { part } else { 0.0 };
        let (before, after) = (weight(place.before, 1.0 - place.part), weight(place.after, place.part));
        let mix = |of: &[f32]| (before * of[place.before] + after * of[place.after]) / (before + after);
        (before + after > 0.0).then(|| (mix(&self.means), mix(&self.deviations)))
    }

    /// Takes a value in with the given part of a full weight.
    pub(super) fn learn(&mut self, place: Place, value: f32, part: f32) {
        let own = place.own;
        if self.counts[own] == 0 {
            (self.means[own], self.counts[own]) = (value, 1);
            return;
        }
        let step = part * RATE.max(1.0 / (f32::from(self.counts[own]) + 1.0));
        let off = value - self.means[own];
        self.means[own] += step * off;
        self.deviations[own] += step * (off.abs() - self.deviations[own]);
        self.counts[own] = self.counts[own].saturating_add(1);
    }
}
