//! Evidence that requests take longer than tolerated: a one-sided normal mixture over the size of the harm.
//!
//! A tick brings the difference of the arms' mean log times beyond what is tolerated, `x`, with variance `v`. With the
//! score `S = sum x / v` and the information `I = sum 1 / v`, the likelihood ratio of a harm `d` is
//! `exp(d S - d^2 I / 2)`; averaged over a half-normal `d` of standard deviation `SD` it is
//! `2 / sqrt(1 + SD^2 I) exp(z^2 / 2) Phi(z)` with `z = S SD / sqrt(1 + SD^2 I)`: the one-sided normal mixture of
//! Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences" (Annals of
//! Statistics 2021, section 3.2). An e-process for normal means; means of many requests are close to that. What it does
//! not do: estimate `v`, the dispersion or the pods' spread, which come as arguments and are measured by simulation.

use serde::{Deserialize, Serialize};

use super::restarts::combine;
use super::stop::Luck;

/// Standard deviation of the harm that is looked for, in log time beyond the tolerance: a third slower.
const SD: f64 = 0.3;

/// Score and information.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Sums {
    score: f64,
    information: f64,
}

impl Sums {
    fn plus(self, other: Self, divisor: f64) -> Self {
        Self {
            score: self.score + other.score / divisor,
            information: self.information + other.information / divisor,
        }
    }

    /// Log evidence, less what the pods' luck explains.
    fn ln_e(self, tau2: f64, spread: f64) -> f64 {
        let psi = 1.0 + tau2 * self.information.max(0.0) * spread;
        let scale = 1.0 + SD * SD * self.information / psi;
        let z = self.score / psi * SD / libm::sqrt(scale);
        libm::log(2.0) - 0.5 * libm::log(scale) + ln_half_gauss(z)
    }
}

/// `ln(exp(z^2 / 2) Phi(z))`, also far out on the left, where it falls like `1 / |z|`.
fn ln_half_gauss(z: f64) -> f64 {
    if z < -8.0 {
        let z2 = z * z;
        return libm::log(1.0 - 1.0 / z2 + 3.0 / (z2 * z2))
            - libm::log(-z * libm::sqrt(core::f64::consts::TAU));
    }
    0.5 * z * z + libm::log(0.5 * libm::erfc(-z / core::f64::consts::SQRT_2))
}

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
    /// Adds a tick's difference beyond the tolerance and its variance; the open block is divided by the latest
    /// dispersion.
    pub(crate) fn step(&mut self, (excess, variance): (f64, f64), divisor: f64) {
        self.divisor = divisor;
        self.block.score += excess / variance;
        self.block.information += 1.0 / variance;
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
        self.done.plus(self.block, self.divisor.max(1.0))
    }

    /// Log evidence over all starts; the pods' spread is that of the whole rollout for each.
    pub(crate) fn ln_e(&self, luck: Luck<'_>) -> f64 {
        let (now, tau2) = (self.now(), luck.tau2.first().copied().unwrap_or(0.0));
        let since = |from: Sums| now.plus(Sums { score: -from.score, information: -from.information }, 1.0);
        let starts = std::iter::once(Sums::default()).chain(self.starts.iter().copied());
        combine(&starts.map(|from| since(from).ln_e(tau2, luck.spread)).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Draws;

    const EVEN: Luck<'_> = Luck { tau2: &[0.0], spread: 1.0 };

    /// Scenario: the mixture beside its integral, summed over a fine grid of harms.
    /// Guarantees: they agree, for evidence for and against harm.
    #[test]
    fn mixture_is_the_integral() {
        for (score, information) in [(30.0, 120.0), (-40.0, 200.0), (2.0, 0.5), (-900.0, 9000.0)] {
            let step = 1e-5;
            let weight = |d: f64| 2.0 / (SD * 2.506_628_274_631) * libm::exp(-d * d / (2.0 * SD * SD));
            let sum: f64 = (0..200_000)
                .map(|nth| (f64::from(nth) + 0.5) * step)
                .map(|d| weight(d) * libm::exp(d * score - d * d * information / 2.0) * step)
                .sum();
            let closed = Sums { score, information }.ln_e(0.0, 1.0);
            assert!((closed - libm::log(sum)).abs() < 1e-3, "{score} {information}: {closed}");
        }
    }

    /// Scenario: 2,000 runs of 300 ticks whose mean lies exactly at the tolerance; seeds 0 to 1,999.
    /// Guarantees: at most one run in a hundred ever reaches evidence 100, as Ville's inequality has it.
    #[test]
    fn evidence_under_the_null_keeps_its_promise() {
        let crossed = (0..2_000).filter(|&seed| {
            let (mut draws, mut stop) = (Draws::new(seed), TimeStop::default());
            (0..300).any(|_| {
                stop.step((0.15 * draws.normal(), 0.15 * 0.15), 1.0);
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
            (0..10).for_each(|_| stop.step((0.2, 0.01), divisor));
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
            with.step((excess, 0.01), 1.0);
            without.step((excess, 0.01), 1.0);
        }
        assert!(with.ln_e(EVEN) > 10.0 && without.ln_e(EVEN) < 1.0);
    }
}
