//! Settings of the forecast, as written and as checked.

use serde::{Deserialize, Serialize};

use crate::params::{Faults, ParamFaults};

/// What of the buckets of a window must rise.
///
/// ```
/// use models::exhaustion::{ExhaustionParams, TrendOf};
/// assert_eq!(ExhaustionParams::default().trend_of, TrendOf::Lows);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrendOf {
    /// Their lows: what is given back does not count.
    Lows,
    /// Their means, to see what the lows are worth.
    Means,
}

/// Settings as a person writes them. Times are counted in samples and levels in parts of the limit.
///
/// ```
/// use models::exhaustion::ExhaustionParams;
/// let faults = ExhaustionParams { horizon_samples: -1.0, ..Default::default() }.check().unwrap_err();
/// assert!(faults.to_string().starts_with("horizon_samples is -1, must be"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExhaustionParams {
    /// What must rise.
    pub trend_of: TrendOf,
    /// No warning for what lies further ahead than this …
    pub horizon_samples: f64,
    /// … or, if that is more, than this share of what is known of the series.
    pub horizon_share: f64,
    /// Shortest rise that is believed.
    pub span_samples_min: f64,
    /// Mann and Kendall's statistic that a rise must reach.
    pub z: f64,
    /// The same for a rise shorter than `short_samples`.
    pub z_short: f64,
    /// What counts as short.
    pub short_samples: f64,
    /// Least rise of each quarter, in parts of an even share.
    pub evenness: f64,
    /// The same of the last quarter.
    pub evenness_last: f64,
    /// Least rise over the window.
    pub growth: f64,
    /// How far ahead a rise forecasts, in its own spans, if nothing is known from before it.
    pub reach_blind: f64,
    /// The same if it stands above a known past, to warn.
    pub reach_warn: f64,
    /// The same to act.
    pub reach_act: f64,
    /// Past that counts as known, in spans of the rise.
    pub known_spans: f64,
    /// How far a rise must stand above what was held before; -1: it need not.
    pub record: f64,
    /// The same in swings, for a rise that may lie inside of one.
    pub record_swings: f64,
    /// A warning ends so many samples after its last evidence.
    pub hold_samples: f64,
}

impl Default for ExhaustionParams {
    fn default() -> Self {
        Self {
            trend_of: TrendOf::Lows,
            horizon_samples: 120.0,
            horizon_share: 1.0 / 32.0,
            span_samples_min: 24.0,
            z: 2.0,
            z_short: 4.0,
            short_samples: 60.0,
            evenness: 0.4,
            evenness_last: 0.7,
            growth: 0.04,
            reach_blind: 0.4,
            reach_warn: 1.0,
            reach_act: 0.5,
            known_spans: 3.0,
            record: 0.02,
            record_swings: 0.5,
            hold_samples: 60.0,
        }
    }
}

/// Checked settings.
///
/// ```
/// assert!(models::exhaustion::ExhaustionParams::default().check().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ExhaustionValidParams(pub(crate) ExhaustionParams);

impl ExhaustionParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<ExhaustionValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let mut range = |name, value: f64, low: f64, high: f64, allowed| {
            faults.require(low <= value && value <= high, name, value, allowed);
        };
        range("horizon_samples", self.horizon_samples, 1.0, 1e6, "1 to 1000000");
        range("horizon_share", self.horizon_share, 0.0, 1.0, "0 to 1");
        range("span_samples_min", self.span_samples_min, 12.0, 16_384.0, "12 to 16384");
        range("z", self.z, 0.0, 20.0, "0 to 20");
        range("z_short", self.z_short, 0.0, 20.0, "0 to 20");
        range("short_samples", self.short_samples, 0.0, 16_384.0, "0 to 16384");
        range("evenness", self.evenness, 0.0, 1.0, "0 to 1");
        range("evenness_last", self.evenness_last, 0.0, 1.0, "0 to 1");
        range("growth", self.growth, 0.0, 1.0, "0 to 1");
        range("reach_blind", self.reach_blind, 0.0, 10.0, "0 to 10");
        range("reach_warn", self.reach_warn, 0.0, 10.0, "0 to 10");
        range("reach_act", self.reach_act, 0.0, self.reach_warn, "0 to reach_warn");
        range("known_spans", self.known_spans, 0.0, 100.0, "0 to 100");
        range("record", self.record, -1.0, 1.0, "-1 to 1");
        range("record_swings", self.record_swings, 0.0, 10.0, "0 to 10");
        range("hold_samples", self.hold_samples, 1.0, 1e6, "1 to 1000000");
        faults.done(ExhaustionValidParams(self))
    }
}
