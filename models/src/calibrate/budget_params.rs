//! Settings of an alarm budget.

use serde::{Deserialize, Serialize};

use super::surprise::SURPRISE_MAX;
use crate::params::{Faults, ParamFaults};

const DAY_NANOS: f64 = 86_400e9;

/// Settings of [`super::AlarmBudget`] as a person writes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetParams {
    /// Alarms a day that are acceptable.
    pub alarms_per_day: f64,
    /// Decades by which the threshold rises with an alarm, and falls again over the time that the budget gives to one.
    pub step_decades: f64,
    /// Alarms beyond `alarms_per_day` times the days that may ever be given, in any stretch of time.
    pub burst_alarms: u32,
    /// An episode goes on while the surprise is at most this far below the threshold.
    pub hysteresis_decades: f64,
    /// An open episode speaks again when its surprise rises by this much.
    pub rise_decades: f64,
    /// An episode ends when it was quiet for this long; alarms within it are one episode.
    pub merge_secs: f64,
}

impl Default for BudgetParams {
    fn default() -> Self {
        Self {
            alarms_per_day: 1.0,
            step_decades: 0.4,
            burst_alarms: 19,
            hysteresis_decades: 1.0,
            rise_decades: 1.0,
            merge_secs: 3600.0,
        }
    }
}

/// Checked settings of [`super::AlarmBudget`].
///
/// ```
/// use models::calibrate::BudgetParams;
/// let faults = BudgetParams { alarms_per_day: 0.0, ..BudgetParams::default() }.check().unwrap_err();
/// assert_eq!(faults.to_string(), "alarms_per_day is 0, must be 0.001 to 10000");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BudgetValidParams(BudgetParams);

impl BudgetParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<BudgetValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut within = |name, value: f64, low: f64, high: f64, allowed| {
            faults.require(low <= value && value <= high, name, value, allowed);
        };
        within("alarms_per_day", self.alarms_per_day, 0.001, 10_000.0, "0.001 to 10000");
        within("step_decades", self.step_decades, 0.01, 2.0, "0.01 to 2");
        within("burst_alarms", f64::from(self.burst_alarms), 1.0, 1000.0, "1 to 1000");
        within("rise_decades", self.rise_decades, 0.1, 10.0, "0.1 to 10");
        within("merge_secs", self.merge_secs, 0.0, 604_800.0, "0 to 604800");
        let holds = (self.step_decades..=SURPRISE_MAX).contains(&self.hysteresis_decades);
        faults.require(holds, "hysteresis_decades", self.hysteresis_decades, "step_decades to 5");
        faults.done(BudgetValidParams(self))
    }
}

impl BudgetValidParams {
    /// The settings.
    #[must_use]
    pub fn values(&self) -> BudgetParams {
        self.0
    }

    /// The settings of another budget of so many alarms a day, kept within what is allowed.
    #[must_use]
    pub fn with_alarms_per_day(mut self, alarms_per_day: f64) -> Self {
        if alarms_per_day.is_finite() {
            self.0.alarms_per_day = alarms_per_day.clamp(0.001, 10_000.0);
        }
        self
    }

    /// The most alarms that any stretch of `days` can hold: one that came from nowhere, and what was saved up.
    #[must_use]
    pub fn alarms_max(&self, days: f64) -> f64 {
        self.0.alarms_per_day * days.max(0.0) + f64::from(self.0.burst_alarms)
    }

    /// Nanoseconds that pay for one alarm.
    pub(crate) fn price(&self) -> i64 {
        libm::ceil(DAY_NANOS / self.0.alarms_per_day) as i64
    }

    /// More than this must not be owed when an alarm is given.
    pub(crate) fn owed_max(&self) -> i64 {
        self.price().saturating_mul(i64::from(self.0.burst_alarms) - 1)
    }

    pub(crate) fn merge_nanos(&self) -> i64 {
        (self.0.merge_secs * 1e9) as i64
    }

    /// The lowest threshold of a series that has a point every so many nanoseconds: the surprise that comes as often
    /// as the budget allows if p-values are exact, but never so low that saved alarms exceed `burst_alarms`.
    pub(crate) fn floor(&self, interval_nanos: f64) -> f64 {
        let fair = -libm::log10(interval_nanos * self.0.alarms_per_day / DAY_NANOS);
        if fair.is_nan() { SURPRISE_MAX } else { fair.clamp(self.floor_lowest(), SURPRISE_MAX) }
    }

    pub(crate) fn floor_lowest(&self) -> f64 {
        (SURPRISE_MAX - self.0.step_decades * (f64::from(self.0.burst_alarms) - 1.0)).clamp(0.0, SURPRISE_MAX)
    }

    /// What is owed, in decades on top of the floor.
    pub(crate) fn raise(&self, owed: i64) -> f64 {
        self.0.step_decades * (owed as f64 / self.price() as f64)
    }
}
