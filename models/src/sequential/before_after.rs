//! The test for releases without a control arm: the service before and after, calibrated by placebo switches.
//!
//! It gives no sequential guarantee. Its claim is a rank: the evidence after the real switch is compared with
//! the evidence after pretended switches in the own and the peers' past. A glitch of the service's own during
//! the watch looks like the release; hence `act` needs both a rank beyond 99.9 % of all placebos and the alpha.

use serde::{Deserialize, Serialize};

use super::before_after_fit::{Baseline, Excess, baseline, covariate, ln_rate, placebos, slope};
use super::canary_params::BeforeAfterValidParams;
use super::grid::{HARM, ln_mean_exp};
use super::{Decision, Reason};
use crate::median::median;

/// Peers beyond this number are not looked at.
const MAX_PEERS: usize = 32;
/// Older steps are not looked at: two days of ten seconds.
const MAX_STEPS: usize = 17_280;

/// Requests and bad ones in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepCounts {
    /// Requests.
    pub requests: u64,
    /// Bad ones among them.
    pub bad: u64,
}

/// A peer's steps, ending like the own history at the switch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PeerHistory {
    /// Oldest first.
    pub steps: Vec<StepCounts>,
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

/// A service before and after a switch, beside its peers.
///
/// ```
/// use models::sequential::{BeforeAfterParams, BeforeAfterTest, Decision, PeerHistory, StepCounts};
/// let params = BeforeAfterParams::default().check().unwrap();
/// let calm = vec![StepCounts { requests: 5000, bad: 25 }; 1000];
/// let mut test = BeforeAfterTest::new(&params, &calm, &[PeerHistory { steps: calm.clone() }]);
/// let reading = test.observe(StepCounts { requests: 5000, bad: 500 }, &[StepCounts { requests: 5000, bad: 25 }]);
/// assert!(matches!(reading.decision, Decision::Pause(_)));
/// ```
///
/// # Invariants
/// Holds one median per peer and the sorted placebos; at most 33 series of two days' placebos.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BeforeAfterTest {
    params: BeforeAfterValidParams,
    fit: Baseline,
    peer_medians: Vec<f64>,
    own_max: Option<f64>,
    pooled: Vec<f64>,
    visible: Option<f64>,
    excess: Excess,
    expected: f64,
    observed: f64,
    n_steps: u32,
    decision: Decision,
}

fn latest(steps: &[StepCounts], n: usize) -> &[StepCounts] {
    &steps[steps.len().saturating_sub(n)..]
}

impl BeforeAfterTest {
    /// Fits the history, a day of it at best; all series end at the switch.
    #[must_use]
    pub fn new(params: &BeforeAfterValidParams, own: &[StepCounts], peers: &[PeerHistory]) -> Self {
        let all = std::iter::once(own).chain(peers.iter().take(MAX_PEERS).map(|peer| peer.steps.as_slice()));
        let n = all.clone().map(<[StepCounts]>::len).filter(|&len| len > 0).min().unwrap_or(0).min(MAX_STEPS);
        let series: Vec<&[StepCounts]> = all.map(|steps| latest(steps, n)).collect();
        let mut medians = Vec::with_capacity(series.len());
        let centred: Vec<Vec<f64>> = series
            .iter()
            .map(|steps| {
                let rates: Vec<f64> = steps.iter().copied().map(ln_rate).collect();
                let middle = median(&mut rates.clone());
                medians.push(middle);
                rates.into_iter().map(|rate| rate - middle).collect()
            })
            .collect();
        let values = params.values();
        let (mut pooled, mut own_max, mut fit) = (Vec::new(), None, None);
        for (nth, steps) in series.iter().enumerate() {
            let peers = covariate(&centred, nth);
            let beta = slope(&centred[nth], &peers);
            let tops = placebos(values, steps, &peers, beta);
            if nth == 0 {
                own_max = tops.iter().copied().max_by(f64::total_cmp);
                let from = steps.len().saturating_sub(values.before_steps as usize);
                fit = Some(baseline(&steps[from..], &peers[from.min(peers.len())..], beta));
            }
            pooled.extend(tops);
        }
        pooled.sort_by(f64::total_cmp);
        let fit = fit.unwrap_or_else(|| baseline(&[], &[], 0.0));
        let visible = own_max.map(|goal| smallest_visible(params, &fit, goal));
        Self {
            params: *params,
            fit,
            peer_medians: medians.into_iter().skip(1).collect(),
            own_max,
            pooled,
            visible,
            excess: Excess::default(),
            expected: 0.0,
            observed: 0.0,
            n_steps: 0,
            decision: Decision::Continue,
        }
    }

    /// Takes one step after the switch; `peers` in the order of the history. After the watch nothing changes.
    pub fn observe(&mut self, own: StepCounts, peers: &[StepCounts]) -> BeforeAfterReading {
        let values = self.params.values();
        if self.n_steps >= values.watch_steps {
            return self.reading();
        }
        let present = peers.iter().zip(&self.peer_medians).filter(|(step, _)| step.requests > 0);
        let mut off: Vec<f64> = present.map(|(&step, middle)| ln_rate(step) - middle).collect();
        let due = self.fit.rate * own.requests as f64 * libm::exp(self.fit.beta * median(&mut off));
        let bad = own.bad.min(own.requests) as f64;
        self.excess.step(bad, values.tolerated_factor * due, self.fit.phi);
        self.expected += due;
        self.observed += bad;
        self.n_steps += 1;
        self.decision = self.decide();
        self.reading()
    }

    fn decide(&self) -> Decision {
        let top = self.excess.top;
        let pooled = self.pooled_limit();
        let act =
            pooled.is_some_and(|limit| top > limit) && top >= -libm::log(self.params.values().alpha_act);
        match (self.decision, self.own_max) {
            (Decision::Act, _) => Decision::Act,
            _ if act => Decision::Act,
            (before @ Decision::Pause(_), _) => before,
            (_, Some(limit)) if top > limit && top > 0.0 => Decision::Pause(Some(Reason::NoControlArm)),
            _ if self.n_steps >= self.params.values().watch_steps => {
                Decision::Inconclusive(Reason::NoControlArm)
            }
            _ => Decision::Continue,
        }
    }

    fn pooled_limit(&self) -> Option<f64> {
        let n = self.pooled.len();
        if n < 999 { None } else { self.pooled.get(n - 1 - n / 1000).copied() }
    }

    /// The state after the last step.
    #[must_use]
    pub fn reading(&self) -> BeforeAfterReading {
        let below = self.pooled.partition_point(|&top| top < self.excess.top);
        let n = self.pooled.len();
        BeforeAfterReading {
            decision: self.decision,
            ln_e: self.excess.top,
            own_placebo_max: self.own_max,
            pooled_placebo: self.pooled_limit(),
            placebo_rank: (n - below + 1) as f64 / (n + 1) as f64,
            expected: self.expected,
            observed: self.observed,
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
