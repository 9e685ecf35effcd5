//! A canary that should speak and does not: evidence from the requests its peers got meanwhile.
//!
//! With a share `w` of the traffic the canary was due `n w / (1 - w)` requests while the controls got `n`.
//! Divided by the dispersion of requests between control pods that is the log evidence of silence. It only
//! counts while a canary pod is ready or crashed: a pod that is not yet up owes nothing.

use serde::{Deserialize, Serialize};

use super::canary_params::CanaryParams;
use super::{Decision, Mode, SilenceReading};

/// What the cluster (or the rollout) says about the canary's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CanaryPresence {
    /// No pod is ready yet.
    NotReady,
    /// At least one pod is ready and should get traffic.
    Ready,
    /// Pods were ready and crashed.
    Crashed,
}

/// What is known when silence is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quiet {
    pub(crate) mode: Mode,
    pub(crate) control_requests: f64,
    pub(crate) request_phi: f64,
    pub(crate) silent_secs: f64,
    pub(crate) weight: f64,
    pub(crate) presence: CanaryPresence,
}

/// The verdict on silence alone.
pub(crate) fn judge(params: &CanaryParams, quiet: Quiet) -> SilenceReading {
    let w = if quiet.weight.is_finite() { quiet.weight.clamp(0.0, 0.99) } else { 0.0 };
    let ln_e = quiet.control_requests * w / (1.0 - w) / quiet.request_phi.max(1.0);
    let waited = match quiet.mode {
        Mode::Events => true,
        Mode::Metrics { export_interval_secs } => quiet.silent_secs >= 2.5 * export_interval_secs,
    };
    let owes = quiet.presence != CanaryPresence::NotReady && waited;
    let decision = if owes && ln_e >= -libm::log(params.alpha_act) {
        Decision::Act
    } else if owes && ln_e >= -libm::log(params.alpha_pause) {
        Decision::Pause(None)
    } else {
        Decision::Continue
    };
    SilenceReading { decision, ln_e, silent_secs: quiet.silent_secs }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: 47.5 control requests per second, 5 % weight, dispersion 4, second by second.
    /// Guarantees: pause after 8 s and act after 12 s (7.4 and 11.1 s of requests); nothing before a pod is ready, nor
    /// on 15-s exports before 2.5 intervals.
    #[test]
    fn silence_is_found_at_the_computed_times() {
        let params = CanaryParams::default();
        let first = |mode, presence, wanted: fn(Decision) -> bool| {
            (1..200).find(|&secs| {
                let quiet = Quiet {
                    mode,
                    control_requests: 47.5 * f64::from(secs),
                    request_phi: 4.0,
                    silent_secs: f64::from(secs),
                    weight: 0.05,
                    presence,
                };
                wanted(judge(&params, quiet).decision)
            })
        };
        let act: fn(Decision) -> bool = |decision| decision == Decision::Act;
        let some: fn(Decision) -> bool = |decision| decision != Decision::Continue;
        assert_eq!(first(Mode::Events, CanaryPresence::Ready, some), Some(8));
        assert_eq!(first(Mode::Events, CanaryPresence::Ready, act), Some(12));
        assert_eq!(first(Mode::Events, CanaryPresence::NotReady, some), None);
        let metrics = Mode::Metrics { export_interval_secs: 15.0 };
        assert_eq!(first(metrics, CanaryPresence::Crashed, act), Some(38));
    }
}
