//! The past of one service's bad events, learned step by step, from which a switch can be judged at any moment.
//!
//! Promises: bounded state, causal: every placebo is fitted at its switch and scored before its steps are learned. It
//! does not know which step holds a real switch; the caller freezes it then and while something is wrong.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::StepCounts;
use super::before_after::BeforeAfterWatch;
use super::before_after_fit::{Baseline, Excess, baseline, ln_rate};
use super::canary_params::BeforeAfterValidParams;

/// Steps after which a rate has a usual value.
const USUAL_AFTER: u64 = 30;
/// Share of the steps before a switch that must be known.
const KNOWN_SHARE: f64 = 1.0 / 3.0;
/// Weight of a step in the running middle, once many are known.
const MIDDLE_STEP: f64 = 0.005;
/// Steps over which the slope on the peers is remembered.
const SLOPE_STEPS: f64 = 8_640.0;
/// Placebos over which the own largest one is remembered: a week of them by default.
const OWN_PLACEBOS: u32 = 1_008;

/// A running median by steps of a size that follows the spread (Robbins & Monro's scheme for a quantile).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Middle {
    value: f64,
    spread: f64,
    n: u64,
}

impl Middle {
    fn learn(&mut self, value: f64) {
        self.n += 1;
        let weight = (1.0 / self.n as f64).max(MIDDLE_STEP);
        if self.n <= 10 {
            self.value += (value - self.value) / self.n as f64;
        } else {
            let step = (1.6 * self.spread * weight).min((value - self.value).abs());
            self.value += step.copysign(value - self.value);
        }
        self.spread += weight.max(0.02) * ((value - self.value).abs() - self.spread);
    }
}

/// A pretended switch under way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Placebo {
    fit: Baseline,
    excess: Excess,
    left: u32,
}

/// What is known of one service before a switch.
///
/// ```
/// use models::sequential::{BeforeAfterParams, BeforeAfterPast, StepCounts};
/// let mut past = BeforeAfterPast::new(&BeforeAfterParams::default().check().unwrap());
/// assert!(past.switch().is_none());
/// (0..600).for_each(|_| drop(past.learn(StepCounts { requests: 500, bad: 2 }, 0.0)));
/// assert!(past.switch().is_some());
/// ```
///
/// # Invariants
/// At most `before_steps` steps and `watch_steps / placebo_every_steps + 1` placebos.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BeforeAfterPast {
    params: BeforeAfterValidParams,
    middle: Middle,
    xy: f64,
    xx: f64,
    steps: VecDeque<(StepCounts, f64)>,
    placebos: VecDeque<Placebo>,
    steps_to_placebo: u32,
    own_max: Option<f64>,
    n_own: u32,
}

impl BeforeAfterPast {
    /// Nothing known yet.
    #[must_use]
    pub fn new(params: &BeforeAfterValidParams) -> Self {
        Self {
            params: *params,
            middle: Middle::default(),
            xy: 0.0,
            xx: 0.0,
            steps: VecDeque::new(),
            placebos: VecDeque::new(),
            steps_to_placebo: params.values().placebo_every_steps,
            own_max: None,
            n_own: 0,
        }
    }

    /// How far a step's log rate is from the usual one, for the peers; `None` before there is a usual one.
    #[must_use]
    pub fn deviation(&self, step: StepCounts) -> Option<f64> {
        (step.requests > 0 && self.middle.n >= USUAL_AFTER).then(|| ln_rate(step) - self.middle.value)
    }

    /// Learns a step without a switch; `peers` is the median of their deviations in it. Gives the largest log evidence
    /// of a placebo that is over.
    pub fn learn(&mut self, step: StepCounts, peers: f64) -> Option<f64> {
        let peers = if peers.is_finite() { peers } else { 0.0 };
        let over = self.step_placebos(step, peers);
        let values = *self.params.values();
        if step.requests > 0 {
            if let Some(own) = self.deviation(step) {
                let keep = 1.0 - 1.0 / SLOPE_STEPS;
                self.xy = keep * self.xy + peers * own;
                self.xx = keep * self.xx + peers * peers;
            }
            self.middle.learn(ln_rate(step));
        }
        if self.steps.len() >= values.before_steps as usize {
            self.steps.pop_front();
        }
        self.steps.push_back((step, peers));
        self.steps_to_placebo = self.steps_to_placebo.saturating_sub(1);
        if self.steps_to_placebo == 0 && self.steps.len() >= values.before_steps as usize {
            self.steps_to_placebo = values.placebo_every_steps;
            let (fit, excess) = (self.fit(), Excess::default());
            self.placebos.push_back(Placebo { fit, excess, left: values.watch_steps });
        }
        over
    }

    /// A real switch now. `None` while too little is known.
    #[must_use]
    pub fn switch(&self) -> Option<BeforeAfterWatch> {
        let known = self.steps.len() as f64;
        let enough = known >= KNOWN_SHARE * f64::from(self.params.values().before_steps);
        enough.then(|| BeforeAfterWatch::new(&self.params, self.fit(), self.own_max))
    }

    /// Abandons the placebos under way, because a real switch would be in them.
    pub fn abandon_placebos(&mut self) {
        self.placebos.clear();
    }

    fn fit(&self) -> Baseline {
        let beta = if self.xx > 0.0 { (self.xy / self.xx).clamp(0.0, 2.0) } else { 0.0 };
        baseline(self.steps.iter().copied(), beta)
    }

    fn step_placebos(&mut self, step: StepCounts, peers: f64) -> Option<f64> {
        let tolerated = self.params.values().tolerated_factor;
        for placebo in &mut self.placebos {
            placebo.excess.step(&placebo.fit, step, peers, tolerated);
            placebo.left = placebo.left.saturating_sub(1);
        }
        let over = self.placebos.pop_front_if(|placebo| placebo.left == 0)?.excess.top;
        // the largest is forgotten in the end, or one bad day would blind the test for good
        self.n_own += 1;
        if self.n_own > OWN_PLACEBOS {
            self.n_own = 0;
            self.own_max = None;
        }
        self.own_max = Some(self.own_max.map_or(over, |max| max.max(over)));
        Some(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Draws;

    /// Scenario: a middle over normal values, then over values around another level.
    /// Guarantees: it is near the median each time.
    #[test]
    fn middle_follows_the_median() {
        let (mut draws, mut middle) = (Draws::new(3), Middle::default());
        for level in [2.0, -1.0] {
            (0..3000).for_each(|_| middle.learn(level + 0.5 * draws.normal()));
            assert!((middle.value - level).abs() < 0.1, "{middle:?}");
        }
    }

    /// Scenario: more steps than are kept, saved and restored half way. Guarantees: bounds hold, a restart changes nothing.
    #[test]
    fn past_is_bounded_and_saved() {
        let params = crate::sequential::BeforeAfterParams::default().check().unwrap();
        let (mut past, mut draws) = (BeforeAfterPast::new(&params), Draws::new(1));
        for nth in 0..2_000 {
            past.learn(StepCounts { requests: 100, bad: draws.poisson(1.0) }, 0.1 * draws.normal());
            if nth == 1_000 {
                past = postcard::from_bytes(&postcard::to_stdvec(&past).unwrap()).unwrap();
            }
        }
        assert!(past.steps.len() == 180 && past.placebos.len() <= 4 && past.own_max.is_some());
    }
}
