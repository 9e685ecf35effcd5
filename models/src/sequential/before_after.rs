//! The test for releases without a control arm: the service before and after, calibrated by placebo switches.
//!
//! It gives no sequential guarantee. Its claim is a rank: the evidence after the real switch is compared with
//! the evidence after pretended switches in the own and the peers' past. A glitch of the service's own during
//! the watch looks like the release; hence `act` needs both a rank beyond 99.9 % of all placebos and the alpha.

use serde::{Deserialize, Serialize};

use super::before_after_fit::{Baseline, Excess};
use super::before_after_pool::PlaceboPool;
use super::canary_params::BeforeAfterValidParams;
use super::grid::{HARM, ln_mean_exp};
use super::{Decision, Reason};

/// Requests and bad ones in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepCounts {
    /// Requests.
    pub requests: u64,
    /// Bad ones among them.
    pub bad: u64,
}

/// What the test says after a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BeforeAfterReading {
    /// `Continue`, `Pause`, `Act`, or `Inconclusive(NoControlArm)` at the end of the watch.
    pub decision: Decision,
    /// Largest log evidence since the switch.
    pub ln_e: f64,
    /// Largest own placebo; above it the release is paused. `None` without enough history.
    pub own_placebo_max: Option<f64>,
    /// 99.9 % point of all placebos; above it, and above alpha, the release is undone. `None` below 999 of them.
    pub pooled_placebo: Option<f64>,
    /// Share of all placebos at or above the evidence, the real switch counted among them.
    pub placebo_rank: f64,
    /// Bad events expected since the switch.
    pub expected: f64,
    /// Bad events seen since the switch.
    pub observed: f64,
    /// Smallest additional rate that a whole watch would have shown; `None` without enough history.
    pub smallest_visible_rate: Option<f64>,
    /// Steps watched so far.
    pub n_steps: u32,
}

/// A service after a switch, beside its peers. [`BeforeAfterPast::switch`](super::BeforeAfterPast::switch) makes one.
///
/// ```
/// use models::sequential::{BeforeAfterParams, BeforeAfterPast, Decision, PlaceboPool, StepCounts};
/// let mut past = BeforeAfterPast::new(&BeforeAfterParams::default().check().unwrap());
/// (0..600).for_each(|_| drop(past.learn(StepCounts { requests: 5000, bad: 25 }, 0.0)));
/// let mut watch = past.switch().unwrap();
/// let reading = watch.observe(StepCounts { requests: 5000, bad: 500 }, 0.0, &PlaceboPool::default());
/// assert!(matches!(reading.decision, Decision::Pause(_)));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BeforeAfterWatch {
    params: BeforeAfterValidParams,
    fit: Baseline,
    own_max: Option<f64>,
    visible: Option<f64>,
    excess: Excess,
    n_steps: u32,
    decision: Decision,
}

impl BeforeAfterWatch {
    pub(crate) fn new(params: &BeforeAfterValidParams, fit: Baseline, own_max: Option<f64>) -> Self {
        let visible = own_max.map(|goal| smallest_visible(params, &fit, goal));
        let (excess, n_steps, decision) = (Excess::default(), 0, Decision::Continue);
        Self { params: *params, fit, own_max, visible, excess, n_steps, decision }
    }

    /// Takes one step after the switch; `peers` is the median of their deviations in it. After the watch nothing changes.
    pub fn observe(&mut self, own: StepCounts, peers: f64, pool: &PlaceboPool) -> BeforeAfterReading {
        if !self.is_over() {
            let peers = if peers.is_finite() { peers } else { 0.0 };
            self.excess.step(&self.fit, own, peers, self.params.values().tolerated_factor);
            self.n_steps += 1;
            self.decision = self.decide(pool);
        }
        self.reading(pool)
    }

    /// Whether all its steps were seen.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.n_steps >= self.params.values().watch_steps
    }

    fn decide(&self, pool: &PlaceboPool) -> Decision {
        let top = self.excess.top;
        let act = pool.limit().is_some_and(|limit| top > limit)
            && top >= -libm::log(self.params.values().alpha_act);
        match (self.decision, self.own_max) {
            (Decision::Act, _) => Decision::Act,
            _ if act => Decision::Act,
            (before @ Decision::Pause(_), _) => before,
            (_, Some(limit)) if top > limit && top > -libm::log(self.params.values().alpha_pause) => {
                Decision::Pause(Some(Reason::NoControlArm))
            }
            _ if self.is_over() => Decision::Inconclusive(Reason::NoControlArm),
            _ => Decision::Continue,
        }
    }

    /// The state after the last step.
    #[must_use]
    pub fn reading(&self, pool: &PlaceboPool) -> BeforeAfterReading {
        BeforeAfterReading {
            decision: self.decision,
            ln_e: self.excess.top,
            own_placebo_max: self.own_max,
            pooled_placebo: pool.limit(),
            placebo_rank: pool.rank(self.excess.top),
            expected: self.excess.expected,
            observed: self.excess.observed,
            smallest_visible_rate: self.visible,
            n_steps: self.n_steps,
        }
    }
}

/// The additional rate whose expected evidence over a whole watch reaches `goal`, by bisection.
fn smallest_visible(params: &BeforeAfterValidParams, fit: &Baseline, goal: f64) -> f64 {
    let values = params.values();
    let n = fit.requests * f64::from(values.watch_steps);
    let reaches = |rate: f64| {
        let tolerated = values.tolerated_factor * fit.rate * n;
        let l = HARM
            .map(|factor| ((fit.rate + rate) * n * libm::log(factor) - tolerated * (factor - 1.0)) / fit.phi);
        ln_mean_exp(&l, 1.0) > goal
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if reaches(middle) { high = middle } else { low = middle }
    }
    high
}
