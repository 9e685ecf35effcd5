//! How rare a nonconformity is for the metric it belongs to: its tail probability, learned as it comes.
//!
//! The survival function `S(b) = P(value in bin b or above)` is kept directly, as one exponential average for each
//! bin of a logarithmic grid (four bins an octave from 2^-4 to 2^12). Above its 97 % point the tail is Pareto:
//! `P(V > v) = S(u) (v/u)^(-1/xi)`, with Hill's estimate `xi = E[ln V/u | V > u]` (B. M. Hill, Annals of Statistics 3(5), 1975), which is the
//! sum of `S` above `u`, and a prior of five exceedances at 0.2. The answer is in decades: `-log10 P`.
//!
//! Learning is damped while values are extreme, for a limited time, so that an incident does not become normal while
//! it lasts and a lasting change does in the end.

use serde::{Deserialize, Serialize};

const BINS: usize = 64;
const BINS_PER_OCTAVE: f32 = 4.0;
/// log2 of the grid's lower end.
const LOWEST: f32 = -4.0;
/// Share of the values above which the tail is Pareto.
const TAIL_SHARE: f32 = 0.03;
const PRIOR_EXCEEDANCES: f32 = 5.0;
const PRIOR_XI: f32 = 0.2;
/// No evidence is worth more decades than this.
pub(crate) const MAX_DECADES: f32 = 14.0;
/// Values before any are called rare.
const SILENT: f32 = 20.0;

/// The tail of one nonconformity of one metric: 264 bytes.
///
/// # Invariants
/// `survival` falls from bin to bin and lies in `[0, 1]`; `weight` is at least 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tail {
    survival: Vec<f32>,
    /// Values learned, damped ones by their part.
    weight: f32,
}

impl Tail {
    pub(crate) fn new() -> Self {
        Self { survival: vec![0.0; BINS], weight: 0.0 }
    }

    /// `-log10 P(V >= value)` of the value at a position, at most [`MAX_DECADES`]; 0 before enough was learned.
    pub(crate) fn decades(&self, at: Position, memory: f32) -> f32 {
        if self.weight < SILENT {
            return 0.0;
        }
        let weight = self.weight.min(memory);
        // one value more than seen, in the highest bin: no probability is zero
        let smooth = |survival: f32| (survival * weight + 1.0) / (weight + 1.0);
        let bin = at.bin();
        if self.survival[bin] < TAIL_SHARE {
            return self.tail_decades(at, weight).clamp(0.0, MAX_DECADES);
        }
        let next = self.survival.get(bin + 1).copied().unwrap_or(0.0);
        let part = (at.0 - bin as f32).clamp(0.0, 1.0);
        let probability = smooth(self.survival[bin]) * (1.0 - part) + smooth(next) * part;
        (-libm::log10f(probability)).clamp(0.0, MAX_DECADES)
    }

    fn tail_decades(&self, position: Position, weight: f32) -> f32 {
        let from = self.survival.partition_point(|&survival| survival >= TAIL_SHARE);
        let above: f32 = self.survival[from + 1..].iter().sum();
        let at = self.survival[from];
        let octave = core::f32::consts::LN_2 / BINS_PER_OCTAVE;
        let excess = octave * (above + 0.5 * at) * weight;
        let xi = (excess + PRIOR_XI * PRIOR_EXCEEDANCES) / (at * weight + PRIOR_EXCEEDANCES);
        let at_threshold = -libm::log10f((at * weight + 1.0) / (weight + 1.0));
        at_threshold + core::f32::consts::LOG10_E * (position.0 - from as f32).max(0.0) * octave / xi
    }

    /// Takes the value at a position in with the given part of a full weight.
    pub(crate) fn learn(&mut self, at: Position, part: f32, memory: f32) {
        let weight = self.weight.min(memory);
        let step = part / (weight + part);
        let bin = at.bin();
        let (below, above) = self.survival.split_at_mut(bin + 1);
        below.iter_mut().for_each(|survival| *survival += step * (1.0 - *survival));
        above.iter_mut().for_each(|survival| *survival -= step * *survival);
        self.weight = weight + part;
    }
}

/// Where a value lies on the grid, in bins; negative below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position(f32);

impl Position {
    /// Of a value of at least 0.
    pub(crate) fn of(value: f32) -> Self {
        Self(BINS_PER_OCTAVE * (libm::log2f(value.min(1e30) + 1e-12) - LOWEST))
    }

    fn bin(self) -> usize {
        self.0.clamp(0.0, (BINS - 1) as f32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Draws;

    /// Scenario: twenty thousand absolute values of a normal variable, then the values 1, 2, 3, 4 and 5.
    /// Guarantees: where data are plenty the tail probability is right within a tenth of a decade; beyond the data it
    /// errs on the side of calm (a Pareto tail is heavier) and still grows.
    #[test]
    fn tail_probabilities_are_right() {
        let (mut tail, mut draws) = (Tail::new(), Draws::new(3));
        (0..20_000).for_each(|_| tail.learn(Position::of(draws.normal().abs() as f32), 1.0, 20_000.0));
        let truth = [0.498, 1.342, 2.569];
        for (value, truth) in [1.0_f32, 2.0, 3.0].into_iter().zip(truth) {
            let found = tail.decades(Position::of(value), 20_000.0);
            println!("{value}: {found:.3} against {truth}");
            assert!((found - truth).abs() < 0.1 + 0.1 * truth, "{value}: {found} against {truth}");
        }
        let (four, five) =
            (tail.decades(Position::of(4.0), 20_000.0), tail.decades(Position::of(5.0), 20_000.0));
        assert!(four > 2.6 && four < 4.2 && five > four + 0.3, "{four} {five}");
        assert_eq!(tail.decades(Position::of(f32::MAX), 20_000.0), MAX_DECADES);
        assert!(tail.decades(Position::of(0.0), 20_000.0) < 0.01);
    }

    /// Scenario: any mixture of sizes and weights.
    /// Guarantees: larger is never less rare (monotone calibration).
    #[test]
    fn calibration_is_monotone() {
        let (mut tail, mut draws) = (Tail::new(), Draws::new(4));
        for nth in 0..3000 {
            let wild = libm::exp(3.0 * draws.normal());
            tail.learn(Position::of(wild as f32), if nth % 7 == 0 { 0.02 } else { 1.0 }, 1000.0);
        }
        let at = |n: u16| Position::of(f32::from(n) * 0.05);
        let decades: Vec<f32> = (0..4000).map(|n| tail.decades(at(n), 1000.0)).collect();
        assert!(decades.windows(2).all(|pair| pair[0] <= pair[1] + 1e-5));
    }
}
