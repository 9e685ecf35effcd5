//! Settings of the two release tests, unchecked and checked. Defaults are the measured ones.

use serde::{Deserialize, Serialize};

use crate::params::{Faults, ParamFaults};

/// Settings of [`CanaryTest`](super::CanaryTest) as a person writes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CanaryParams {
    /// Odds multiplier that is tolerated; harm is only what exceeds it.
    pub tolerated_odds: f64,
    /// Factor on the service's own time that is tolerated.
    pub tolerated_time: f64,
    /// Error rate that is tolerated on top, absolute.
    pub tolerated_rate: f64,
    /// Odds multiplier that must be excluded before promotion.
    pub excluded_odds: f64,
    /// Error rate added to the control before that exclusion, absolute.
    pub excluded_rate: f64,
    /// False-stop level at which the release is paused.
    pub alpha_pause: f64,
    /// False-stop level at which the release is undone.
    pub alpha_act: f64,
    /// Level of promotion and of the evidence without the worst canary pod.
    pub alpha_pass: f64,
    /// Prior standard deviation between pods (log rate).
    pub prior_pod_sd: f64,
    /// Prior standard deviation between pods of the log of their own time. What [`prior_pod_sd`](Self::prior_pod_sd)
    /// means for the share of requests beyond a p90: log times of standard deviation 0.5 put 10 % more requests beyond
    /// it when they shift by 0.03.
    pub prior_pod_time_sd: f64,
    /// How many pods those priors are worth.
    pub prior_pods: f64,
    /// No promotion before this time.
    pub promote_after_secs: f64,
    /// After this time an open question becomes `inconclusive`.
    pub horizon_secs: f64,
    /// Distance of the restarts.
    pub restart_secs: f64,
    /// Control pods followed one by one.
    pub max_control_pods: u32,
    /// Canary pods followed one by one.
    pub max_canary_pods: u32,
}

impl Default for CanaryParams {
    fn default() -> Self {
        Self {
            tolerated_odds: 1.1,
            tolerated_time: 1.1,
            tolerated_rate: 2e-4,
            excluded_odds: 1.8,
            excluded_rate: 5e-4,
            alpha_pause: 0.01,
            alpha_act: 0.001,
            alpha_pass: 0.05,
            prior_pod_sd: 0.1,
            prior_pod_time_sd: 0.03,
            prior_pods: 4.0,
            promote_after_secs: 120.0,
            horizon_secs: 3600.0,
            restart_secs: 300.0,
            max_control_pods: 256,
            max_canary_pods: 64,
        }
    }
}

/// Checked settings of [`CanaryTest`](super::CanaryTest).
///
/// ```
/// let params = models::sequential::CanaryParams::default().check().unwrap();
/// assert_eq!(params.values().alpha_act, 0.001);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CanaryValidParams(CanaryParams);

impl CanaryValidParams {
    /// The checked values.
    #[must_use]
    pub fn values(&self) -> &CanaryParams {
        &self.0
    }
}

fn within(value: f64, low: f64, high: f64) -> bool {
    low <= value && value <= high
}

impl CanaryParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range, in the order of the fields.
    pub fn check(self) -> Result<CanaryValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut rate = |name, value, low: f64, high: f64, allowed| {
            faults.require(within(value, low, high), name, value, allowed);
        };
        rate("tolerated_odds", self.tolerated_odds, 1.0, 10.0, "1 to 10");
        rate("tolerated_time", self.tolerated_time, 1.0, 10.0, "1 to 10");
        rate("tolerated_rate", self.tolerated_rate, 0.0, 0.1, "0 to 0.1");
        rate("excluded_odds", self.excluded_odds, 1.05, 100.0, "1.05 to 100");
        rate("excluded_rate", self.excluded_rate, 0.0, 0.1, "0 to 0.1");
        rate("alpha_pause", self.alpha_pause, 1e-9, 0.2, "1e-9 to 0.2");
        rate("alpha_act", self.alpha_act, 1e-9, self.alpha_pause, "1e-9 to alpha_pause");
        rate("alpha_pass", self.alpha_pass, 1e-9, 0.2, "1e-9 to 0.2");
        rate("prior_pod_sd", self.prior_pod_sd, 0.0, 2.0, "0 to 2");
        rate("prior_pod_time_sd", self.prior_pod_time_sd, 0.0, 2.0, "0 to 2");
        rate("prior_pods", self.prior_pods, 0.5, 1000.0, "0.5 to 1000");
        rate("promote_after_secs", self.promote_after_secs, 0.0, self.horizon_secs, "0 to horizon_secs");
        rate("horizon_secs", self.horizon_secs, 60.0, 604_800.0, "60 to 604800");
        rate("restart_secs", self.restart_secs, 30.0, 86_400.0, "30 to 86400");
        rate("max_control_pods", f64::from(self.max_control_pods), 1.0, 4096.0, "1 to 4096");
        rate("max_canary_pods", f64::from(self.max_canary_pods), 1.0, 1024.0, "1 to 1024");
        faults.done(CanaryValidParams(self))
    }
}

/// Settings of [`BeforeAfterPast`](super::BeforeAfterPast) as a person writes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BeforeAfterParams {
    /// Length of one step of counts.
    pub step_secs: f64,
    /// Steps before the switch that give the expected rate.
    pub before_steps: u32,
    /// Steps watched after the switch.
    pub watch_steps: u32,
    /// Distance of placebo switches in steps.
    pub placebo_every_steps: u32,
    /// Factor on the expected rate that is tolerated.
    pub tolerated_factor: f64,
    /// Level of the e-process on its own at which the release is paused, needed beside the own placebos.
    pub alpha_pause: f64,
    /// False-stop level of the e-process on its own, needed beside the placebo rank.
    pub alpha_act: f64,
}

impl Default for BeforeAfterParams {
    fn default() -> Self {
        Self {
            step_secs: 10.0,
            before_steps: 180,
            watch_steps: 180,
            placebo_every_steps: 60,
            tolerated_factor: 1.2,
            alpha_pause: 0.01,
            alpha_act: 0.001,
        }
    }
}

/// Checked settings of [`BeforeAfterPast`](super::BeforeAfterPast).
///
/// ```
/// assert!(models::sequential::BeforeAfterParams::default().check().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BeforeAfterValidParams(BeforeAfterParams);

impl BeforeAfterValidParams {
    /// The checked values.
    #[must_use]
    pub fn values(&self) -> &BeforeAfterParams {
        &self.0
    }
}

impl BeforeAfterParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range, in the order of the fields.
    pub fn check(self) -> Result<BeforeAfterValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut rate = |name, value, low: f64, high: f64, allowed| {
            faults.require(within(value, low, high), name, value, allowed);
        };
        rate("step_secs", self.step_secs, 0.5, 3600.0, "0.5 to 3600");
        rate("before_steps", f64::from(self.before_steps), 6.0, 10_000.0, "6 to 10000");
        rate("watch_steps", f64::from(self.watch_steps), 1.0, 10_000.0, "1 to 10000");
        rate("placebo_every_steps", f64::from(self.placebo_every_steps), 1.0, 10_000.0, "1 to 10000");
        rate("tolerated_factor", self.tolerated_factor, 1.0, 10.0, "1 to 10");
        rate("alpha_pause", self.alpha_pause, 1e-9, 0.2, "1e-9 to 0.2");
        rate("alpha_act", self.alpha_act, 1e-9, self.alpha_pause, "1e-9 to alpha_pause");
        faults.done(BeforeAfterValidParams(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: settings with three faults, one of them NaN.
    /// Guarantees: all of them are named at once, with what is allowed.
    #[test]
    fn every_fault_is_named() {
        let wrong = CanaryParams {
            tolerated_odds: f64::NAN,
            alpha_act: 0.05,
            restart_secs: 1.0,
            ..CanaryParams::default()
        };
        let text = wrong.check().unwrap_err().to_string();
        for part in
            ["tolerated_odds is NaN", "alpha_act is 0.05, must be 1e-9 to alpha_pause", "restart_secs is 1"]
        {
            assert!(text.contains(part), "{text}");
        }
        assert!(BeforeAfterParams { watch_steps: 0, ..BeforeAfterParams::default() }.check().is_err());
    }
}
