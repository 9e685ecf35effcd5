//! The stop process of one signal: evidence of harm on the grid, open block re-tempered, with restarts.

use serde::{Deserialize, Serialize};

use super::grid::{HARM, Split, increment, ln_mean_exp};
use super::restarts::combine;

const J: usize = HARM.len();

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Start {
    l: [f64; J],
    v: f64,
}

/// Evidence of harm in one signal, over all canary pods or all but one.
///
/// # Invariants
/// `starts` holds at most one entry per restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct StopProcess {
    done: [f64; J],
    block: [f64; J],
    divisor: f64,
    v: f64,
    starts: Vec<Start>,
}

/// What one tick brings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) split: Split,
    /// Tolerated odds.
    pub(crate) null: f64,
    /// Dispersion of this tick, at least 1.
    pub(crate) divisor: f64,
}

/// The luck of the pods: between-pod variances per start and the arms' sizes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Luck<'a> {
    pub(crate) tau2: &'a [f64],
    /// `1/m + 1/K`.
    pub(crate) spread: f64,
}

impl StopProcess {
    /// Adds a tick to the open block, which is divided by the latest dispersion.
    pub(crate) fn step(&mut self, step: Step) {
        self.divisor = step.divisor;
        if step.split.rho <= 0.0 || step.split.rho >= 1.0 {
            return;
        }
        for (sum, factor) in self.block.iter_mut().zip(HARM) {
            *sum += increment(step.split, step.null, factor);
        }
        self.v += step.split.e * step.split.rho * (1.0 - step.split.rho) / step.divisor;
    }

    /// Ends the block: its evidence is settled at the dispersion known by now.
    pub(crate) fn close_block(&mut self) {
        self.done = self.now();
        self.block = [0.0; J];
    }

    /// Starts one more copy from here on.
    pub(crate) fn restart(&mut self) {
        self.starts.push(Start { l: self.now(), v: self.v });
    }

    fn now(&self) -> [f64; J] {
        let mut l = self.done;
        for (sum, open) in l.iter_mut().zip(self.block) {
            *sum += open / self.divisor.max(1.0);
        }
        l
    }

    /// What the pods' luck divides the whole run's log-likelihood by.
    pub(crate) fn psi(&self, luck: Luck<'_>) -> f64 {
        1.0 + luck.tau2.first().copied().unwrap_or(0.0) * self.v.max(0.0) * luck.spread
    }

    /// Log evidence over grid and starts.
    pub(crate) fn ln_e(&self, luck: Luck<'_>) -> f64 {
        let now = self.now();
        let psi = |nth: usize, v: f64| {
            let tau2 = luck.tau2.get(nth).or(luck.tau2.first()).copied().unwrap_or(0.0);
            1.0 + tau2 * v.max(0.0) * luck.spread
        };
        let mut all = Vec::with_capacity(1 + self.starts.len());
        all.push(ln_mean_exp(&now, self.psi(luck)));
        for (nth, start) in self.starts.iter().enumerate() {
            let mut since = now;
            for (sum, from) in since.iter_mut().zip(start.l) {
                *sum -= from;
            }
            all.push(ln_mean_exp(&since, psi(nth + 1, self.v - start.v)));
        }
        combine(&all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: Luck<'_> = Luck { tau2: &[0.0], spread: 1.0 };

    fn run(x: f64, divisor: f64) -> f64 {
        let mut stop = StopProcess::default();
        for tick in 1..=60 {
            stop.step(Step { split: Split { x, e: 10.0, rho: 0.1 }, null: 1.1, divisor });
            if tick % 10 == 0 {
                stop.close_block();
            }
        }
        stop.ln_e(EVEN)
    }

    /// Scenario: a canary with its share of the bad events, one with thrice its share, and that one tempered.
    /// Guarantees: evidence falls, rises, and rises less.
    #[test]
    fn evidence_follows_the_share() {
        assert!(run(1.0, 1.0) < 0.0);
        assert!(run(3.0, 1.0) > 20.0);
        assert!(run(3.0, 4.0) < run(3.0, 1.0) / 2.0);
    }

    /// Scenario: a long healthy stretch, then harm, with and without a restart in between.
    /// Guarantees: the restart sees the harm, the first start is still far down.
    #[test]
    fn restart_sees_late_harm() {
        let step = |x| Step { split: Split { x, e: 10.0, rho: 0.1 }, null: 1.1, divisor: 1.0 };
        let (mut with, mut without) = (StopProcess::default(), StopProcess::default());
        for x in std::iter::repeat_n(1.0, 1000)
            .chain(std::iter::repeat_n(3.0, 20))
            .enumerate()
            .map(|(n, x)| (n == 1000, x))
        {
            if x.0 {
                with.restart();
            }
            with.step(step(x.1));
            without.step(step(x.1));
        }
        assert!(with.ln_e(EVEN) > 5.0 && without.ln_e(EVEN) < 1.0);
    }
}
