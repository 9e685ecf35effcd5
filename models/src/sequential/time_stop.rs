//! Evidence that requests take longer than tolerated: settled blocks, an open one that is tempered anew, and restarts.
//!
//! The formula is [`Sums::ln_e`]'s. What it does not do: estimate the variance of a difference, the dispersion or the pods'
//! spread, which come as arguments and are measured by simulation.

use serde::{Deserialize, Serialize};

use super::restarts::combine;
use super::stop::Luck;
use super::time_mixture::{Difference, Sums};

/// Evidence of slowness in one arm, over all canary pods or all but one.
///
/// # Invariants
/// `starts` holds at most one entry per restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct TimeStop {
    done: Sums,
    block: Sums,
    divisor: f64,
    starts: Vec<Sums>,
}

impl TimeStop {
    /// Adds a tick's pods and the variance of the control's mean; the open block is divided by the latest dispersion.
    pub(crate) fn step(
        &mut self,
        pods: impl Iterator<Item = Difference>,
        control_variance: f64,
        divisor: f64,
    ) {
        self.divisor = divisor;
        self.block.add(pods, control_variance);
    }

    /// Ends the block: its evidence is settled at the dispersion known by now.
    pub(crate) fn close_block(&mut self) {
        self.done = self.now();
        self.block = Sums::default();
    }

    /// Starts one more copy from here on.
    pub(crate) fn restart(&mut self) {
        self.starts.push(self.now());
    }

    fn now(&self) -> Sums {
        self.done.plus(self.block, 1.0 / self.divisor.max(1.0))
    }

    /// Log evidence over all starts; the pods' spread is that of the whole rollout for each.
    pub(crate) fn ln_e(&self, luck: Luck<'_>) -> f64 {
        let (now, tau2) = (self.now(), luck.tau2.first().copied().unwrap_or(0.0));
        let starts = std::iter::once(Sums::default()).chain(self.starts.iter().copied());
        let ln_e = |from: Sums| now.plus(from, -1.0).ln_e(tau2 * luck.spread);
        combine(&starts.map(ln_e).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Draws;

    const EVEN: Luck<'_> = Luck { tau2: &[0.0], spread: 1.0 };

    /// One pod beside a control without noise.
    fn beyond(excess: f64, variance: f64) -> impl Iterator<Item = Difference> {
        [Difference { excess, variance, lean: 0.0 }].into_iter()
    }

    /// Scenario: 2,000 runs of 300 ticks whose mean lies exactly at the tolerance; seeds 0 to 1,999.
    /// Guarantees: at most one run in a hundred ever reaches evidence 100, as Ville's inequality has it.
    #[test]
    fn evidence_under_the_null_keeps_its_promise() {
        let crossed = (0..2_000).filter(|&seed| {
            let (mut draws, mut stop) = (Draws::new(seed), TimeStop::default());
            (0..300).any(|_| {
                stop.step(beyond(0.15 * draws.normal(), 0.15 * 0.15), 0.0, 1.0);
                stop.ln_e(EVEN) >= libm::log(100.0)
            })
        });
        let n = crossed.count();
        assert!(n <= 20, "{n} of 2,000");
    }

    /// Scenario: a fifth slower beyond the tolerance, as such, tempered, and with pods that differ.
    /// Guarantees: evidence comes within ten ticks, later when tempered, and not at all beyond what luck explains.
    #[test]
    fn slowness_is_found_unless_luck_explains_it() {
        let run = |divisor: f64, tau2: f64| {
            let mut stop = TimeStop::default();
            (0..10).for_each(|_| stop.step(beyond(0.2, 0.01), 0.0, divisor));
            stop.ln_e(Luck { tau2: &[tau2], spread: 1.0 })
        };
        assert!(run(1.0, 0.0) > 14.0, "{}", run(1.0, 0.0));
        assert!(run(4.0, 0.0) < run(1.0, 0.0) / 2.0);
        assert!(run(1.0, 0.04) < 1.0, "{}", run(1.0, 0.04));
    }

    /// Scenario: an hour at a tenth under the tolerance, then a fifth over it, with and without a restart in between.
    /// Guarantees: the restart sees it first.
    #[test]
    fn restart_sees_late_slowness() {
        let (mut with, mut without) = (TimeStop::default(), TimeStop::default());
        for tick in 0..3_620 {
            if tick == 3_600 {
                with.restart();
            }
            let excess = if tick < 3_600 { -0.1 } else { 0.2 };
            with.step(beyond(excess, 0.01), 0.0, 1.0);
            without.step(beyond(excess, 0.01), 0.0, 1.0);
        }
        assert!(with.ln_e(EVEN) > 10.0 && without.ln_e(EVEN) < 1.0);
    }
}
