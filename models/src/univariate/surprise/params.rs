//! Settings of the mean-surprise detector. One set serves every series; the defaults were chosen on public data.

use serde::{Deserialize, Serialize};

use super::signals::SIGNALS;
use crate::params::{Faults, ParamFaults};

/// Which periods beside the day are learned, and used where they help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Periods {
    /// None: the day is all that repeats.
    None,
    /// A week.
    Week,
    /// A week, or the period that is found in the last two weeks.
    Found,
}

/// Settings as a person writes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SurpriseParams {
    /// Points before scores are given.
    pub warm_up_points: u32,
    /// Time constant of the histograms, days; never less than `memory_points` intervals.
    pub memory_days: f64,
    /// Least time constant of the histograms, intervals.
    pub memory_points: f64,
    /// Time constant of the slow level, days; never less than half of `memory_points` intervals.
    pub level_days: f64,
    /// Weight of a new value in a known slot of the daily profile, per minute of the interval, at most once.
    pub profile_rate: f64,
    /// What a step leaves of the highest recent score.
    pub hold: f64,
    /// Steps after which a lasting shift becomes the new baseline.
    pub rebase_steps: f64,
    /// Which periods beside the day are learned, and used where they help.
    pub periods: Periods,
    /// Exponent of the mean over views: 1 is the plain mean, more gives the strongest more weight.
    pub power: f64,
    /// Visits at an outer cell of a range below which the range ends before it; 0 for a range that only grows.
    pub aged_visits: f64,
    /// Decades of surprise that ten times the distance beyond a range adds; 0 where outside is outside.
    pub beyond: f64,
    /// What a value far from the usual day teaches at first, as a part of what any other does.
    pub extreme_teaches: f64,
    /// Deviations that the slow level and the usual error take at most of one point.
    pub clip_deviations: f64,
    /// Steps that a gap counts for at most.
    pub gap_steps_max: f64,
    /// Which views count: bit n for the n-th of [`super::MeanSurprise::VIEWS`]. For ablation; all by default.
    pub views: u32,
}

impl Default for SurpriseParams {
    fn default() -> Self {
        Self {
            warm_up_points: 20,
            memory_days: 14.0,
            memory_points: 10_000.0,
            level_days: 7.0,
            profile_rate: 0.03,
            hold: 0.9,
            rebase_steps: 1440.0,
            periods: Periods::Found,
            power: 1.5,
            aged_visits: 0.005,
            beyond: 0.25,
            extreme_teaches: 0.1,
            clip_deviations: 6.0,
            gap_steps_max: 1e6,
            views: (1 << SIGNALS) - 1,
        }
    }
}

/// Checked settings.
///
/// ```
/// use models::univariate::SurpriseParams;
/// assert!(SurpriseParams::default().check().is_ok());
/// let faults = SurpriseParams { hold: 1.0, ..SurpriseParams::default() }.check().unwrap_err();
/// assert_eq!(faults.to_string(), "hold is 1, must be 0 to 0.999");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SurpriseValidParams(pub(crate) SurpriseParams);

impl SurpriseParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<SurpriseValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut within = |name, value: f64, low: f64, high: f64, allowed| {
            faults.require(low <= value && value <= high, name, value, allowed);
        };
        within("warm_up_points", f64::from(self.warm_up_points), 2.0, 100_000.0, "2 to 100000");
        within("memory_days", self.memory_days, 0.01, 365.0, "0.01 to 365");
        within("memory_points", self.memory_points, 100.0, 1e6, "100 to 1000000");
        within("level_days", self.level_days, 0.01, 365.0, "0.01 to 365");
        within("profile_rate", self.profile_rate, 1e-4, 1.0, "0.0001 to 1");
        within("hold", self.hold, 0.0, 0.999, "0 to 0.999");
        within("rebase_steps", self.rebase_steps, 10.0, 1e6, "10 to 1000000");
        within("power", self.power, 1.0, 100.0, "1 to 100");
        within("aged_visits", self.aged_visits, 0.0, 1.0, "0 to 1");
        within("beyond", self.beyond, 0.0, 1.0, "0 to 1");
        within("extreme_teaches", self.extreme_teaches, 0.001, 1.0, "0.001 to 1");
        within("clip_deviations", self.clip_deviations, 1.0, 1e6, "1 to 1000000");
        within("gap_steps_max", self.gap_steps_max, 1.0, 1e6, "1 to 1000000");
        let views = f64::from(self.views);
        within("views", views, 1.0, f64::from((1_u32 << SIGNALS) - 1), "at least one of the known bits");
        faults.done(SurpriseValidParams(self))
    }
}
