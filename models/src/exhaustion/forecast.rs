//! What a forecast says.

use serde::{Deserialize, Serialize};

/// How strict the rule was that a forecast passed.
///
/// ```
/// use models::exhaustion::Certainty;
/// assert!(Certainty::Warn < Certainty::Act);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Certainty {
    /// Worth telling a person.
    Warn,
    /// Strict enough to restart or undo a release for, if something else points at it too.
    Act,
}

impl Certainty {
    /// Chance that such a forecast comes true, if one series in ten leaks: with a share `d` of the leaks and a share `f` of
    /// the healthy series of two days that pass the rule, `0.1 d / (0.1 d + 0.9 f)`. Measured on generated series:
    /// d = 0.96 and f = 0.040 for [`Warn`](Self::Warn), 0.96 and 0.031 for [`Act`](Self::Act).
    #[must_use]
    pub fn confidence(self) -> f64 {
        let (found, falsely) = match self {
            Self::Warn => (0.96, 0.040),
            Self::Act => (0.96, 0.031),
        };
        posterior(found, falsely)
    }

    /// The same of a version on its first day whose predecessor was watched and did not leak, if one release in ten leaks:
    /// healthy ones are blamed less often under these conditions. Measured on generated releases
    /// (`evaluate exhaustion --simulate`): 693 of 750 leaking ones were blamed, and 46 of 1,800 healthy ones.
    #[must_use]
    pub fn confidence_in_release(self) -> f64 {
        match self {
            Self::Warn => self.confidence(),
            Self::Act => posterior(0.924, 0.0256),
        }
    }
}

/// Chance that what was found is there, if one in ten is.
fn posterior(found: f64, falsely: f64) -> f64 {
    0.1 * found / (0.1 * found + 0.9 * falsely)
}

/// A resource that will reach its limit if it goes on like this.
///
/// ```
/// use models::exhaustion::{ExhaustionModel, ExhaustionParams};
/// let mut model = ExhaustionModel::new(&ExhaustionParams::default().check().unwrap());
/// for minute in 0..180_i64 {
///     model.learn(minute * 60_000_000_000, 200.0 + 4.0 * minute as f64, Some(1000.0));
/// }
/// let ahead = model.exhaustion().unwrap();
/// assert!((ahead.left_secs / 60.0 - 21.0).abs() < 4.0, "{ahead:?}");
/// assert!(ahead.earliest_secs < ahead.left_secs && ahead.left_secs < ahead.latest_secs);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Exhaustion {
    /// How strict the rule was.
    pub certainty: Certainty,
    /// Seconds from the newest sample until the limit is reached.
    pub left_secs: f64,
    /// Lower end of the 90 % interval of the same.
    pub earliest_secs: f64,
    /// Its upper end.
    pub latest_secs: f64,
    /// Newest value, in parts of the limit.
    pub used: f64,
    /// Highest level that was held before the rise; 0 if nothing is known from before.
    pub held_before: f64,
    /// Rise per second, in parts of the limit.
    pub rise_per_sec: f64,
    /// Seconds over which the rise was seen.
    pub span_secs: f64,
}
