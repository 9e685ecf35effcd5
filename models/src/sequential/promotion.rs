//! The pass process: evidence that harm of a given size is absent. The mirror of the stop process.
//!
//! A short ladder of sizes is carried along. The one set by the user decides about promotion, all of them
//! together say above which size harm is excluded. There are no restarts: promotion looks at the whole run.

use serde::{Deserialize, Serialize};

use super::grid::{PASS, Split, increment, ln_mean_exp};

/// Sizes beside the user's own for which absence of harm is followed.
const LADDER: [f64; 4] = [1.3, 2.5, 4.0, 8.0];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Rung {
    odds: f64,
    p: [f64; PASS.len()],
}

/// Evidence against harm in one signal, for several sizes of harm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PassProcess {
    rungs: Vec<Rung>,
}

impl PassProcess {
    /// Follows `odds` first and the ladder beside it.
    pub(crate) fn new(odds: f64) -> Self {
        let rung = |odds| Rung { odds, p: [0.0; PASS.len()] };
        Self { rungs: std::iter::once(odds).chain(LADDER).map(rung).collect() }
    }

    /// Adds a tick.
    pub(crate) fn step(&mut self, split: Split, divisor: f64) {
        if split.rho <= 0.0 || split.rho >= 1.0 {
            return;
        }
        for rung in &mut self.rungs {
            for (sum, factor) in rung.p.iter_mut().zip(PASS) {
                *sum += increment(split, rung.odds, 1.0 / factor) / divisor;
            }
        }
    }

    /// Log evidence that the user's size of harm is absent.
    pub(crate) fn ln_pass(&self, psi: f64) -> f64 {
        self.rungs.first().map_or(0.0, |rung| ln_mean_exp(&rung.p, psi))
    }

    /// Smallest followed size excluded at `threshold`.
    pub(crate) fn excluded(&self, psi: f64, threshold: f64) -> Option<f64> {
        let excluded = self.rungs.iter().filter(|rung| ln_mean_exp(&rung.p, psi) >= threshold);
        excluded.map(|rung| rung.odds).min_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ticks: usize, x: f64) -> PassProcess {
        let mut pass = PassProcess::new(1.8);
        for _ in 0..ticks {
            pass.step(Split { x, e: 10.0, rho: 0.1 }, 1.0);
        }
        pass
    }

    /// Scenario: an equal canary for a short and a long time, and one at exactly the excluded odds.
    /// Guarantees: only time with an equal canary excludes harm, larger harm first.
    #[test]
    fn equal_canary_passes_with_time() {
        assert!(after(1, 1.0).excluded(1.0, 3.0).is_none());
        let (some, long) = (after(40, 1.0), after(400, 1.0));
        assert!(some.excluded(1.0, 3.0).unwrap() > long.excluded(1.0, 3.0).unwrap());
        assert!(long.ln_pass(1.0) > 3.0 && long.ln_pass(100.0) < long.ln_pass(1.0));
        assert!(after(400, 10.0 * 0.18 / 1.08).ln_pass(1.0) < 1.0);
    }
}
