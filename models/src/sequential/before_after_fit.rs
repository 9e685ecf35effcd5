//! What a service's bad-event rate should be, from itself before a moment and from its peers at it.
//!
//! `expected(t) = p_before * n(t) * exp(beta * c(t))`, where `c` is the median over the peers of their log rate less
//! its own long-run median and `beta` in `[0, 2]` comes from least squares on the history. The same run of the
//! e-process is used for the real switch and for every placebo switch.

use serde::{Deserialize, Serialize};

use super::StepCounts;
use super::grid::{HARM, ln_mean_exp};

/// What holds for the steps after a switch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    pub(crate) rate: f64,
    pub(crate) beta: f64,
    pub(crate) phi: f64,
    /// Requests per step before the switch.
    pub(crate) requests: f64,
}

/// The one-sided Poisson e-process over the grid, with what was expected and seen.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Excess {
    l: [f64; HARM.len()],
    /// Largest log evidence so far.
    pub(crate) top: f64,
    pub(crate) expected: f64,
    pub(crate) observed: f64,
}

impl Excess {
    /// Takes a step after the switch that `fit` was made at; `tolerated` is a factor.
    pub(crate) fn step(&mut self, fit: &Baseline, counts: StepCounts, peers: f64, tolerated: f64) {
        let due = fit.rate * counts.requests as f64 * libm::exp(fit.beta * peers);
        let bad = counts.bad.min(counts.requests) as f64;
        for (sum, factor) in self.l.iter_mut().zip(HARM) {
            *sum += (bad * libm::log(factor) - tolerated * due * (factor - 1.0)) / fit.phi;
        }
        self.top = self.top.max(ln_mean_exp(&self.l, 1.0));
        self.expected += due;
        self.observed += bad;
    }
}

/// Log rate of a step, defined for empty ones too.
pub(crate) fn ln_rate(step: StepCounts) -> f64 {
    libm::log((step.bad.min(step.requests) as f64 + 0.5) / (step.requests as f64 + 1.0))
}

/// The baseline from the steps before a switch, each with what the peers showed.
pub(crate) fn baseline(before: impl Iterator<Item = (StepCounts, f64)> + Clone, beta: f64) -> Baseline {
    let (mut bad, mut weighed, mut requests, mut n) = (0.0, 0.0, 0.0, 0.0_f64);
    let exposure = |step: &StepCounts, c: f64| step.requests as f64 * libm::exp(beta * c);
    for (step, c) in before.clone() {
        bad += step.bad.min(step.requests) as f64;
        requests += step.requests as f64;
        weighed += exposure(&step, c);
        n += 1.0;
    }
    let rate = (bad + 0.5) / weighed.max(1.0);
    let (mut chi2, mut dof) = (0.0, -1.0);
    for (step, c) in before {
        let due = rate * exposure(&step, c);
        if due > 0.0 {
            let miss = step.bad.min(step.requests) as f64 - due;
            chi2 += miss * miss / due;
            dof += 1.0;
        }
    }
    let phi = if dof >= 1.0 { (chi2 / dof).max(1.0) } else { 1.0 };
    Baseline { rate, beta, phi, requests: requests / n.max(1.0) }
}
