//! The largest evidence after pretended switches, of many services: what a real one must beat.

use serde::{Deserialize, Serialize};

/// Placebos kept, the largest ones.
const LARGEST: usize = 64;
/// From so many on, half of them are forgotten, so that the pool follows the times.
const N_MAX: u64 = 60_000;
/// Placebos without which no 99.9 % point is claimed.
const N_MIN: u64 = 999;

/// How many placebos there were, and the largest of them.
///
/// ```
/// let mut pool = models::sequential::PlaceboPool::default();
/// (0..2000).for_each(|nth| pool.note(f64::from(nth)));
/// assert_eq!(pool.limit(), Some(1997.0));
/// assert!(pool.rank(1999.5) < 0.001);
/// ```
///
/// # Invariants
/// `largest` falls, and holds at most 64 values.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PlaceboPool {
    n: u64,
    largest: Vec<f64>,
}

impl PlaceboPool {
    /// Takes in the largest log evidence of a placebo that is over.
    pub fn note(&mut self, top: f64) {
        if !top.is_finite() {
            return;
        }
        self.n += 1;
        let at = self.largest.partition_point(|&other| other >= top);
        self.largest.insert(at, top);
        self.largest.truncate(LARGEST);
        if self.n >= N_MAX {
            self.n /= 2;
            self.largest = self.largest.iter().copied().step_by(2).collect();
        }
    }

    /// How many there were.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The 99.9 % point; `None` below 999 placebos.
    #[must_use]
    pub fn limit(&self) -> Option<f64> {
        let nth = usize::try_from(self.n / 1000).unwrap_or(usize::MAX);
        self.largest.get(nth).copied().filter(|_| self.n >= N_MIN)
    }

    /// Share of all at or above `top`, the real switch counted among them; no smaller than what the kept ones tell.
    #[must_use]
    pub fn rank(&self, top: f64) -> f64 {
        let above = self.largest.partition_point(|&other| other >= top);
        let above = if above == LARGEST { self.n } else { above as u64 };
        (above + 1) as f64 / (self.n + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a thousand placebos in rising and in falling order, NaN among them, then far more than are kept.
    /// Guarantees: the order does not matter; memory is bounded; a common value has rank 1.
    #[test]
    fn pool_keeps_the_largest() {
        let (mut up, mut down) = (PlaceboPool::default(), PlaceboPool::default());
        (0..1000).for_each(|nth| up.note(f64::from(nth)));
        (0..1000).rev().for_each(|nth| down.note(f64::from(nth)));
        down.note(f64::NAN);
        assert_eq!(up, down);
        assert_eq!((up.limit(), PlaceboPool::default().limit()), (Some(998.0), None));
        assert_eq!(up.rank(5.0), 1.0);
        (0..200_000).for_each(|nth| up.note(f64::from(nth % 1000)));
        assert!(up.n() < N_MAX && up.largest.len() <= LARGEST);
        assert!(up.limit().is_some_and(|limit| limit >= 998.0), "{up:?}");
    }
}
