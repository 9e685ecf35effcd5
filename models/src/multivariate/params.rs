//! Settings of the vector detector: as a person writes them, and checked.

use serde::{Deserialize, Serialize};

use super::metric::Kind;
use crate::params::{Faults, ParamFaults};

/// Settings of [`VectorDetector`](super::VectorDetector); the defaults are the ones that every published figure uses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VectorParams {
    /// Vectors before scores are given.
    pub warm_up_points: u32,
    /// Vectors that are remembered about evenly; older ones fade.
    pub memory_points: f64,
    /// For how long what looks extreme is hardly learned; what lasts longer is a new normal.
    pub resist_secs: f64,
    /// The share of a metric's largest evidences that counts: the mean of the `top_metrics` largest is the score.
    pub top_metrics: u32,
    /// Weight of a new vector in the exponential average of the score.
    pub smoothing: f64,
    /// Part of the identity that is mixed into the scatter matrix before it is inverted.
    pub shrinkage: f64,
    /// Added to the days' phase, so that profiles run with the local day.
    pub utc_offset_secs: i32,
    /// A kind of deviation to leave out, to see what it is worth.
    pub without: Option<Kind>,
}

impl Default for VectorParams {
    fn default() -> Self {
        Self {
            warm_up_points: 64,
            memory_points: 20_000.0,
            resist_secs: 129_600.0,
            top_metrics: 3,
            smoothing: 0.3,
            shrinkage: 0.03,
            utc_offset_secs: 0,
            without: None,
        }
    }
}

/// Checked settings of [`VectorDetector`](super::VectorDetector).
///
/// ```
/// assert!(models::multivariate::VectorParams::default().check().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct VectorValidParams(VectorParams);

impl VectorValidParams {
    /// Weight of a new vector in the exponential average of the score.
    #[must_use]
    pub fn smoothing(&self) -> f64 {
        self.0.smoothing
    }

    pub(super) fn get(&self) -> &VectorParams {
        &self.0
    }
}

impl VectorParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<VectorValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut range = |name, value: f64, low: f64, high: f64, allowed| {
            faults.require(low <= value && value <= high, name, value, allowed);
        };
        range("warm_up_points", f64::from(self.warm_up_points), 32.0, 100_000.0, "32 to 100000");
        range("memory_points", self.memory_points, 100.0, 1e7, "100 to 1e7");
        range("resist_secs", self.resist_secs, 0.0, 31_536_000.0, "0 to 31536000");
        range("top_metrics", f64::from(self.top_metrics), 1.0, 64.0, "1 to 64");
        range("smoothing", self.smoothing, 0.01, 1.0, "0.01 to 1");
        range("shrinkage", self.shrinkage, 1e-3, 0.5, "0.001 to 0.5");
        range("utc_offset_secs", f64::from(self.utc_offset_secs), -86_400.0, 86_400.0, "-86400 to 86400");
        faults.done(VectorValidParams(self))
    }
}
