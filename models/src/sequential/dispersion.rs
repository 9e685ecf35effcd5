//! How much more the control pods vary than chance allows: the divisor that tempers the evidence.
//!
//! Two views. [`Blocks`] keeps a long-run factor `phi`, the largest over four block lengths, which is what
//! catches bursts that outlive a tick. [`local`] looks at the few cells around one tick, so that a shared
//! outage that reaches the pods' exports at different times weakens just those ticks. Knows controls only.

use serde::{Deserialize, Serialize};

/// Requests (or another exposure) and bad events of one pod in one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) n: f64,
    pub(crate) a: f64,
}

/// Pearson's homogeneity statistic over cells.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Homogeneity {
    pub(crate) chi2: f64,
    pub(crate) dof: f64,
    pub(crate) total: f64,
}

/// Compares each cell with its share of all bad events; cells that expect fewer than `min_expected` are left out.
pub(crate) fn homogeneity(cells: impl Iterator<Item = Cell> + Clone, min_expected: f64) -> Homogeneity {
    let (mut n, mut total) = (0.0, 0.0);
    for cell in cells.clone() {
        n += cell.n;
        total += cell.a;
    }
    if n <= 0.0 || total <= 0.0 {
        return Homogeneity::default();
    }
    let (mut chi2, mut used) = (0.0, 0.0_f64);
    for cell in cells.filter(|cell| cell.n > 0.0) {
        let expected = total * cell.n / n;
        if expected >= min_expected {
            chi2 += (cell.a - expected) * (cell.a - expected) / expected;
            used += 1.0;
        }
    }
    Homogeneity { chi2, dof: (used - 1.0).max(0.0), total }
}

/// Dispersion of the cells around one tick; 1 unless it stands out from chance.
pub(crate) fn local(cells: impl Iterator<Item = Cell> + Clone) -> f64 {
    let Homogeneity { chi2, dof, total } = homogeneity(cells, 0.5);
    if dof < 1.0 {
        return 1.0;
    }
    let ratio = chi2 / dof;
    if ratio > 1.0 + 2.5 * libm::sqrt(2.0 / dof) { 1.0 + total / (total + 10.0) * (ratio - 1.0) } else { 1.0 }
}

/// Degrees of freedom from which on a block counts in full. The ratio of few pods is mostly chance, and the largest of
/// four chances would pass for dispersion.
const TRUSTED_DOF: f64 = 9.0;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Level {
    ticks: u32,
    filled: u32,
    cells: Vec<Cell>,
    weighted: f64,
    weight: f64,
}

/// The long-run factor over four block lengths.
///
/// # Invariants
/// `phi() >= 1`; memory is four cells per pod slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Blocks {
    levels: Vec<Level>,
}

impl Blocks {
    /// Blocks of these lengths in ticks.
    pub(crate) fn new(lengths: [u32; 4]) -> Self {
        let level = |ticks| Level { ticks, filled: 0, cells: Vec::new(), weighted: 0.0, weight: 0.0 };
        Self { levels: lengths.into_iter().map(level).collect() }
    }

    /// Adds one tick, one cell per pod slot. Slots only ever grow in number.
    pub(crate) fn add(&mut self, tick: impl Iterator<Item = Cell> + Clone) {
        for level in &mut self.levels {
            for (slot, cell) in tick.clone().enumerate() {
                if slot >= level.cells.len() {
                    level.cells.push(Cell::default());
                }
                if let Some(sum) = level.cells.get_mut(slot) {
                    sum.n += cell.n;
                    sum.a += cell.a;
                }
            }
            level.filled += 1;
            if level.filled >= level.ticks {
                level.close();
            }
        }
    }

    /// Forgets all that was learned, after a pod was found to be sick.
    pub(crate) fn reset(&mut self) {
        for level in &mut self.levels {
            level.clear();
            level.weighted = 0.0;
            level.weight = 0.0;
        }
    }

    /// The factor: twenty pseudo-events at 1, and never below 1.
    pub(crate) fn phi(&self) -> f64 {
        self.levels.iter().fold(1.0, |phi, level| phi.max((level.weighted + 20.0) / (level.weight + 20.0)))
    }
}

impl Level {
    fn close(&mut self) {
        let seen = homogeneity(self.cells.iter().copied(), 0.0);
        if seen.dof >= 1.0 {
            let weight = seen.total.min(50.0) * (seen.dof / TRUSTED_DOF).min(1.0);
            self.weighted += seen.chi2 / seen.dof * weight;
            self.weight += weight;
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.filled = 0;
        self.cells.iter_mut().for_each(|cell| *cell = Cell::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(bad: &[f64]) -> Vec<Cell> {
        bad.iter().map(|&a| Cell { n: 100.0, a }).collect()
    }

    /// Scenario: cells that agree, that differ hugely, and none at all.
    /// Guarantees: the local factor is 1 for chance and for nothing, and large for a burst in one cell.
    #[test]
    fn local_factor_reacts_to_bursts_only() {
        assert_eq!(local(cells(&[5.0, 6.0, 4.0, 5.0]).into_iter()), 1.0);
        assert_eq!(local(std::iter::empty()), 1.0);
        assert!(local(cells(&[5.0, 60.0, 4.0, 5.0]).into_iter()) > 10.0);
    }

    /// Scenario: bursts that last five ticks and visit the pods in turn.
    /// Guarantees: the long-run factor sees them although each single tick is only mildly uneven.
    #[test]
    fn longer_blocks_see_longer_bursts() {
        let (mut all, mut single) = (Blocks::new([1, 5, 20, 60]), Blocks::new([1, 1, 1, 1]));
        for tick in 0..600_usize {
            let loud = (tick / 5) % 4;
            let counts: Vec<f64> = (0..4).map(|pod| if pod == loud { 4.0 } else { 1.0 }).collect();
            all.add(cells(&counts).into_iter());
            single.add(cells(&counts).into_iter());
        }
        assert!(single.phi() < 2.0 && all.phi() > 2.0 * single.phi(), "{} {}", single.phi(), all.phi());
        all.reset();
        assert_eq!(all.phi(), 1.0);
    }
}
