//! When scores become an alarm: a threshold, a hold-off, and fatigue.
//!
//! An alarm is raised when the score reaches the threshold, no alarm was raised within the hold-off, and the score also
//! exceeds the threshold by `fatigue * log10(1 + A)`, where A counts past alarms and fades. So a series that alarmed
//! often must show something more. All in time, not in points. It is the rule for benchmarks that want one threshold for all
//! series; production's alarms come from a budget ([`crate::calibrate::AlarmBudget`]). Not done here: choosing the threshold.

use serde::{Deserialize, Serialize};

use crate::detector::RawScore;
use crate::params::{Faults, ParamFaults};

const NANOS_PER_SEC: f64 = 1e9;

/// Settings as a person writes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlarmParams {
    /// Score from which on a point can be an alarm.
    pub threshold: f64,
    /// Least time between two alarms.
    pub hold_off_secs: f64,
    /// Decades that a tenfold number of past alarms adds to the threshold.
    pub fatigue: f64,
    /// Time constant of the count of past alarms.
    pub fatigue_secs: f64,
}

impl Default for AlarmParams {
    fn default() -> Self {
        Self { threshold: 1.7, hold_off_secs: 30_000.0, fatigue: 1.5, fatigue_secs: 3_000_000.0 }
    }
}

/// Checked settings.
///
/// ```
/// assert!(models::univariate::AlarmParams::default().check().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AlarmValidParams(AlarmParams);

impl AlarmParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<AlarmValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut within = |name, value: f64, low: f64, high: f64, allowed| {
            faults.require(low <= value && value <= high, name, value, allowed);
        };
        within("threshold", self.threshold, 0.0, 100.0, "0 to 100");
        within("hold_off_secs", self.hold_off_secs, 0.0, 31_536_000.0, "0 to 31536000");
        within("fatigue", self.fatigue, 0.0, 100.0, "0 to 100");
        within("fatigue_secs", self.fatigue_secs, 1.0, 315_360_000.0, "1 to 315360000");
        faults.done(AlarmValidParams(self))
    }
}

/// The alarms of one series; 24 bytes of state.
///
/// ```
/// use models::{RawScore, univariate::{AlarmParams, AlarmRule}};
/// let mut rule = AlarmRule::new(&AlarmParams::default().check().unwrap());
/// let high = RawScore::new(2.0).unwrap();
/// assert!(rule.alarms(0, high));
/// assert!(!rule.alarms(1_000_000_000, high));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmRule {
    params: AlarmParams,
    last_at: Option<i64>,
    count: f64,
}

impl AlarmRule {
    /// A rule that never alarmed.
    #[must_use]
    pub fn new(params: &AlarmValidParams) -> Self {
        Self { params: params.0, last_at: None, count: 0.0 }
    }

    /// Whether the point at `at` with this score is an alarm.
    pub fn alarms(&mut self, at: i64, score: RawScore) -> bool {
        let since_secs =
            self.last_at.map_or(f64::INFINITY, |last| at.saturating_sub(last) as f64 / NANOS_PER_SEC);
        if score.value() < self.params.threshold || since_secs <= self.params.hold_off_secs {
            return false;
        }
        let count = if self.last_at.is_none() {
            0.0
        } else {
            self.count * libm::exp(-since_secs / self.params.fatigue_secs)
        };
        if score.value() < self.params.threshold + self.params.fatigue * libm::log10(1.0 + count) {
            return false;
        }
        (self.last_at, self.count) = (Some(at), count + 1.0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a series that is always just above the threshold, and one that goes higher each time.
    /// Guarantees: fatigue silences the first after one alarm until the count has faded; the second is heard again.
    #[test]
    fn fatigue_asks_for_more() {
        let params = AlarmParams { threshold: 1.0, hold_off_secs: 10.0, fatigue: 1.0, fatigue_secs: 1000.0 };
        let mut rule = AlarmRule::new(&params.check().unwrap());
        let mut at = |secs: i64, score: f64| rule.alarms(secs * 1_000_000_000, RawScore::new(score).unwrap());
        assert!(at(0, 1.1));
        assert!(!at(5, 5.0), "within the hold-off");
        assert!(!at(20, 1.2), "1 + log10(2) is 1.3");
        assert!(at(21, 1.31));
        assert!(!at(10_000, 0.99));
        assert!(at(10_001, 1.01), "after ten time constants the count has faded");
    }
}
