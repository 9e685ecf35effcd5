//! What a service's bad-event rate should be, from itself before a moment and from its peers at it.
//!
//! `expected(t) = p_before * n(t) * exp(beta * c(t))`, where `c` is the median over the peers of their log
//! rate less its own long-run median and `beta` in `[0, 2]` comes from least squares on the history. The same
//! run of the e-process is used for the real switch and for every placebo switch.

use serde::{Deserialize, Serialize};

use super::StepCounts;
use super::canary_params::BeforeAfterParams;
use super::grid::{HARM, ln_mean_exp};
use crate::median::median;

/// What holds for the steps after a switch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    pub(crate) rate: f64,
    pub(crate) beta: f64,
    pub(crate) phi: f64,
    /// Requests per step before the switch.
    pub(crate) requests: f64,
}

/// The one-sided Poisson e-process over the grid.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Excess {
    l: [f64; HARM.len()],
    /// Largest log evidence so far.
    pub(crate) top: f64,
}

impl Excess {
    pub(crate) fn step(&mut self, bad: f64, tolerated: f64, phi: f64) {
        for (sum, factor) in self.l.iter_mut().zip(HARM) {
            *sum += (bad * libm::log(factor) - tolerated * (factor - 1.0)) / phi;
        }
        self.top = self.top.max(ln_mean_exp(&self.l, 1.0));
    }
}

/// Log rate of a step, defined for empty ones too.
pub(crate) fn ln_rate(step: StepCounts) -> f64 {
    libm::log((step.bad.min(step.requests) as f64 + 0.5) / (step.requests as f64 + 1.0))
}

/// Deviation of the peers from their usual, step by step. `ln_rates` are centred on their medians.
pub(crate) fn covariate(ln_rates: &[Vec<f64>], without: usize) -> Vec<f64> {
    let steps = ln_rates.first().map_or(0, Vec::len);
    let mut at_step = Vec::with_capacity(ln_rates.len());
    (0..steps)
        .map(|t| {
            at_step.clear();
            let others = ln_rates.iter().enumerate().filter(|(nth, _)| *nth != without);
            at_step.extend(others.filter_map(|(_, series)| series.get(t)));
            median(&mut at_step)
        })
        .collect()
}

/// Slope of the own deviation on the peers', least squares through the origin, kept in `[0, 2]`.
pub(crate) fn slope(own: &[f64], peers: &[f64]) -> f64 {
    let (mut xy, mut xx) = (0.0, 0.0);
    for (y, x) in own.iter().zip(peers) {
        xy += x * y;
        xx += x * x;
    }
    if xx > 0.0 { (xy / xx).clamp(0.0, 2.0) } else { 0.0 }
}

/// The baseline from the steps before a switch.
pub(crate) fn baseline(before: &[StepCounts], peers: &[f64], beta: f64) -> Baseline {
    let (mut bad, mut weighed, mut requests) = (0.0, 0.0, 0.0);
    let exposure = |step: &StepCounts, c: f64| step.requests as f64 * libm::exp(beta * c);
    for (step, &c) in before.iter().zip(peers) {
        bad += step.bad.min(step.requests) as f64;
        requests += step.requests as f64;
        weighed += exposure(step, c);
    }
    let rate = (bad + 0.5) / weighed.max(1.0);
    let (mut chi2, mut dof) = (0.0, -1.0);
    for (step, &c) in before.iter().zip(peers) {
        let due = rate * exposure(step, c);
        if due > 0.0 {
            let miss = step.bad.min(step.requests) as f64 - due;
            chi2 += miss * miss / due;
            dof += 1.0;
        }
    }
    let phi = if dof >= 1.0 { (chi2 / dof).max(1.0) } else { 1.0 };
    Baseline { rate, beta, phi, requests: requests / (before.len().max(1) as f64) }
}

/// Largest log evidence at each placebo switch of one series.
pub(crate) fn placebos(params: &BeforeAfterParams, own: &[StepCounts], peers: &[f64], beta: f64) -> Vec<f64> {
    let (before, watch) = (params.before_steps as usize, params.watch_steps as usize);
    let mut tops = Vec::new();
    let mut switch = before;
    while switch + watch <= own.len().min(peers.len()) {
        let fit = baseline(&own[switch - before..switch], &peers[switch - before..switch], beta);
        let mut excess = Excess::default();
        for (step, &c) in own[switch..switch + watch].iter().zip(&peers[switch..switch + watch]) {
            let due = fit.rate * step.requests as f64 * libm::exp(fit.beta * c);
            excess.step(step.bad.min(step.requests) as f64, params.tolerated_factor * due, fit.phi);
        }
        tops.push(excess.top);
        switch += params.placebo_every_steps as usize;
    }
    tops
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: medians of nothing, odd and even counts; a series that moves twice as much as its peers.
    /// Guarantees: the textbook values.
    #[test]
    fn medians_and_slopes() {
        assert_eq!(
            [median(&mut []), median(&mut [3.0, 1.0, 2.0]), median(&mut [4.0, 1.0, 2.0, 3.0])],
            [0.0, 2.0, 2.5]
        );
        assert_eq!(slope(&[2.0, -2.0], &[1.0, -1.0]), 2.0);
        assert_eq!(slope(&[-2.0], &[1.0]), 0.0);
    }
}
