//! What the canary test says after a tick: a decision, its reason, and the numbers behind it.
//!
//! Wording for people is made elsewhere; every reason here has a stable short name for the wire.

use serde::{Deserialize, Serialize};

use super::N_SIGNALS;

/// What the evidence allows so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Decision {
    /// Nothing settled yet, keep going.
    Continue,
    /// Stop shifting traffic: harm is likely, but not sure enough (or on too few pods) to undo the release.
    Pause(Option<Reason>),
    /// Harm is established on more than one pod: undo the release.
    Act,
    /// Harm of the tested size is excluded: go on with the release.
    Promote,
    /// The horizon is reached, or the data cannot answer.
    Inconclusive(Reason),
}

/// Why a decision is less than one would like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Reason {
    /// Fewer than two usable control pods, so nothing tells a release from a moody pod.
    NoPeers,
    /// Only one canary pod carries the evidence; it may be its node.
    SinglePod,
    /// The pods are young and no warm-up curve of earlier deploys is known.
    WarmingUp {
        /// Seconds until warm-up is over by the prior curve.
        needs_secs: u32,
    },
    /// At the present weight the question needs this much longer.
    NeedsSeconds(u32),
    /// Control pods differ from each other by this much (standard deviation of the log rate).
    PodsDiffer(f64),
    /// The canary gets too few requests to decide within the horizon.
    Starved,
    /// No pod of the old version serves any more.
    NoControlArm,
    /// Both arms are worse than before the release; the comparison cancels that.
    BothArmsDegraded,
    /// Requests differ by route, size or caller between the arms (found by the caller of this test).
    MixDiffers,
}

impl Reason {
    /// The reason's name on the wire.
    ///
    /// ```
    /// assert_eq!(models::sequential::Reason::NoPeers.name(), "no_peers");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoPeers => "no_peers",
            Self::SinglePod => "single_pod",
            Self::WarmingUp { .. } => "warming_up",
            Self::NeedsSeconds(_) => "needs_seconds",
            Self::PodsDiffer(_) => "pods_differ",
            Self::Starved => "starved",
            Self::NoControlArm => "no_control_arm",
            Self::BothArmsDegraded => "both_arms_degraded",
            Self::MixDiffers => "mix_differs",
        }
    }
}

/// One signal's part in the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SignalReading {
    /// Log evidence of harm in this signal.
    pub ln_e: f64,
    /// Log evidence that harm of the tested size is absent.
    pub ln_pass: f64,
    /// Rate of the control pods since the release: what the canary should show.
    pub expected: f64,
    /// Rate of the canary pods since the release.
    pub observed: f64,
    /// Lower end of what is normal for an arm of the canary's size (99 %).
    pub lower: f64,
    /// Upper end of what is normal, the tolerance included.
    pub upper: f64,
    /// Share of the whole evidence, the four add up to 1.
    pub contribution: f64,
    /// Dispersion of the control pods, 1 is binomial.
    pub phi: f64,
    /// Standard deviation between control pods over the rollout (log rate).
    pub pod_sd: f64,
    /// Canary requests counted.
    pub canary_requests: u64,
    /// Canary bad events counted.
    pub canary_bad: u64,
    /// Control requests counted.
    pub control_requests: u64,
    /// Control bad events counted.
    pub control_bad: u64,
}

/// The state of the test after a tick.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// What the evidence allows.
    pub decision: Decision,
    /// What stands in the way of a decision; `None` once one stands.
    pub obstacle: Option<Reason>,
    /// Log of the e-value over all signals; `ln 100` pauses, `ln 1000` acts by default.
    pub ln_e: f64,
    /// The same without the canary pod whose absence lowers it most; `None` with fewer than two.
    pub ln_e_without_worst_pod: Option<f64>,
    /// Log evidence for promotion, the weakest of errors, p90 and p99.
    pub ln_pass: f64,
    /// Per signal.
    pub signals: [SignalReading; N_SIGNALS],
    /// Seconds until a decision is likely at the present pace, 0 when one stands; at most the horizon.
    pub needs_secs: u32,
    /// Smallest odds multiplier already excluded for errors, p90 and p99; `None` while none is.
    pub no_harm_above: Option<f64>,
    /// Seconds since the release at the end of the last decided tick.
    pub elapsed_secs: f64,
    /// Usable control pods.
    pub n_control_pods: u32,
    /// Canary pods that served in the last decided tick.
    pub n_canary_pods: u32,
    /// Control pods set aside as sick.
    pub n_sick_pods: u32,
    /// Pods beyond the limit, counted in their arm but not one by one.
    pub n_pods_over_limit: u64,
    /// Ticks thrown away: not after the last one, or empty.
    pub n_ticks_refused: u64,
}

impl Reading {
    /// Nothing seen yet.
    pub(crate) fn empty() -> Self {
        Self {
            decision: Decision::Continue,
            obstacle: None,
            ln_e: 0.0,
            ln_e_without_worst_pod: None,
            ln_pass: 0.0,
            signals: [SignalReading::default(); N_SIGNALS],
            needs_secs: 0,
            no_harm_above: None,
            elapsed_secs: 0.0,
            n_control_pods: 0,
            n_canary_pods: 0,
            n_sick_pods: 0,
            n_pods_over_limit: 0,
            n_ticks_refused: 0,
        }
    }
}

/// Whether the canary should have spoken by now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SilenceReading {
    /// `Continue`, `Pause` or `Act`.
    pub decision: Decision,
    /// Requests that were due, divided by their dispersion: log evidence of silence.
    pub ln_e: f64,
    /// Seconds since the canary's last data.
    pub silent_secs: f64,
}
