//! Control pods that are ill for reasons of their own leave the comparison.
//!
//! A pod leaves when its cumulative rate of errors or of p99 exceedances is clearly above the others' in
//! three checks running. At most a fifth of the pods may leave, and none of fewer than five: otherwise a
//! broken old version could be explained away.

use serde::{Deserialize, Serialize};

use super::dispersion::{Cell, homogeneity};

/// The signals looked at: errors and p99 exceedances.
pub(crate) const WATCHED: [usize; 2] = [0, 3];
const MIN_RATIO: f64 = 1.5;
const MIN_Z2: f64 = 25.0;
const CHECKS: u8 = 3;

/// Which control pods are sick, by slot.
///
/// # Invariants
/// At most a fifth of the slots are sick.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct SickWatch {
    pods: Vec<[Cell; 2]>,
    sick: Vec<bool>,
    suspects: [Option<(usize, u8)>; 2],
}

impl SickWatch {
    /// Adds a tick, per slot the cells of the watched signals.
    pub(crate) fn add(&mut self, tick: impl Iterator<Item = [Cell; 2]>) {
        for (slot, cells) in tick.enumerate() {
            if slot >= self.pods.len() {
                self.pods.push([Cell::default(); 2]);
                self.sick.push(false);
            }
            if let Some(pod) = self.pods.get_mut(slot) {
                for (sum, cell) in pod.iter_mut().zip(cells) {
                    sum.n += cell.n;
                    sum.a += cell.a;
                }
            }
        }
    }

    /// True if the pod in this slot was taken out.
    pub(crate) fn is_sick(&self, slot: usize) -> bool {
        self.sick.get(slot).copied().unwrap_or(false)
    }

    /// Number of pods taken out.
    pub(crate) fn n_sick(&self) -> usize {
        self.sick.iter().filter(|&&sick| sick).count()
    }

    /// Looks once; returns the slot of a pod that leaves now.
    pub(crate) fn check(&mut self) -> Option<usize> {
        let mut leaves = None;
        for nth in 0..WATCHED.len() {
            let suspect = self.suspect(nth);
            self.suspects[nth] = match (suspect, self.suspects[nth]) {
                (Some(now), Some((before, streak))) if now == before => Some((now, streak.saturating_add(1))),
                (Some(now), _) => Some((now, 1)),
                (None, _) => None,
            };
            if let Some((slot, CHECKS..)) = self.suspects[nth] {
                leaves = leaves.or(Some(slot));
            }
        }
        let slot = leaves?;
        self.suspects = [None; 2];
        if let Some(sick) = self.sick.get_mut(slot) {
            *sick = true;
        }
        Some(slot)
    }

    fn suspect(&self, nth: usize) -> Option<usize> {
        let healthy: Vec<(usize, Cell)> = self.healthy(nth).collect();
        let k = healthy.len();
        if k < 5 || (self.n_sick() + 1) * 5 > k + self.n_sick() {
            return None;
        }
        let (mut n, mut a) = (0.0, 0.0);
        for (_, cell) in &healthy {
            n += cell.n;
            a += cell.a;
        }
        let (slot, worst) = healthy
            .iter()
            .copied()
            .max_by(|left, right| (left.1.a / left.1.n).total_cmp(&(right.1.a / right.1.n)))?;
        let rest_rate = (a - worst.a) / (n - worst.n);
        let expected = a * worst.n / n;
        if worst.a / worst.n <= MIN_RATIO * rest_rate || expected <= 0.0 {
            return None;
        }
        let z2 = (worst.a - expected) * (worst.a - expected) / expected;
        let rest = healthy.iter().filter(|(other, _)| *other != slot).map(|(_, cell)| *cell);
        let chi2 = homogeneity(rest, 0.0).chi2 / (k as f64 - 2.0);
        (z2 > MIN_Z2 * chi2.max(1.0)).then_some(slot)
    }

    fn healthy(&self, nth: usize) -> impl Iterator<Item = (usize, Cell)> + '_ {
        let cells = self.pods.iter().enumerate().filter(|(slot, _)| !self.is_sick(*slot));
        cells.map(move |(slot, pod)| (slot, pod[nth])).filter(|(_, cell)| cell.n > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(n_pods: usize, sick: &[usize], checks: usize) -> SickWatch {
        let mut watch = SickWatch::default();
        for _ in 0..checks {
            watch.add((0..n_pods).map(|pod| {
                let a = if sick.contains(&pod) { 50.0 } else { 5.0 };
                [Cell { n: 1000.0, a }; 2]
            }));
            watch.check();
        }
        watch
    }

    /// Scenario: one sick pod of ten, of four, and half of the pods sick.
    /// Guarantees: it leaves after three checks, never from a small group, and a majority never leaves.
    #[test]
    fn only_few_pods_leave() {
        assert_eq!((watch(10, &[3], 2).n_sick(), watch(10, &[3], 3).n_sick()), (0, 1));
        assert!(watch(10, &[3], 3).is_sick(3));
        assert_eq!(watch(4, &[3], 9).n_sick(), 0);
        assert!(watch(10, &[0, 1, 2, 3, 4], 50).n_sick() <= 2);
    }
}
