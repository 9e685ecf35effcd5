//! Settings of the tail calibrator.

use serde::{Deserialize, Serialize};

use crate::params::{Faults, ParamFaults};

/// Settings of [`super::TailCalibrator`] as a person writes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TailParams {
    /// Time after which a score has lost half of its weight.
    pub half_life_secs: f64,
    /// Share of the scores that make up the tail.
    pub tail_share: f64,
    /// Tail index (1 / Pareto exponent) that is assumed before scores told another.
    pub tail_index: f64,
    /// How many scores of the tail that assumption counts for.
    pub tail_index_weight: f64,
    /// Scores before p-values are to be believed.
    pub warm_up_points: u32,
}

impl Default for TailParams {
    fn default() -> Self {
        Self {
            half_life_secs: 604_800.0,
            tail_share: 0.03,
            tail_index: 0.2,
            tail_index_weight: 5.0,
            warm_up_points: 100,
        }
    }
}

/// Checked settings of [`super::TailCalibrator`].
///
/// ```
/// assert!(models::calibrate::TailParams::default().check().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TailValidParams(TailParams);

impl TailParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<TailValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut within = |name, value: f64, low: f64, high: f64, allowed| {
            faults.require(low <= value && value <= high, name, value, allowed);
        };
        within("half_life_secs", self.half_life_secs, 60.0, 31_536_000.0, "60 to 31536000");
        within("tail_share", self.tail_share, 0.001, 0.5, "0.001 to 0.5");
        within("tail_index", self.tail_index, 0.01, 2.0, "0.01 to 2");
        within("tail_index_weight", self.tail_index_weight, 0.1, 1000.0, "0.1 to 1000");
        within("warm_up_points", f64::from(self.warm_up_points), 1.0, 1e6, "1 to 1000000");
        faults.done(TailValidParams(self))
    }
}

impl TailValidParams {
    /// The settings.
    #[must_use]
    pub fn values(&self) -> TailParams {
        self.0
    }
}
