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
}

/// Chance that what was found is there, if one in ten is: of those `found` is the share that is found, of the others `falsely`
/// (Bayes).
#[must_use]
pub fn posterior(found: f64, falsely: f64) -> f64 {
    0.1 * found / (0.1 * found + 0.9 * falsely)
}

/// Shares of the room, and the shares of the leaking and of the healthy releases that are blamed and then take so much of it:
/// counted on generated releases (`evaluate exhaustion DIR --simulate` prints how they fare on others); to the healthy ones
/// a standard deviation of their count is added.
const BLAMED: [(f64, f64, f64); 5] =
    [(0.0, 0.92, 0.0294), (0.4, 0.92, 0.022), (0.5, 0.92, 0.0168), (0.6, 0.92, 0.0112), (0.7, 0.92, 0.0062)];

impl Exhaustion {
    /// Shares of the room from which [`confidence_in_release`](Self::confidence_in_release) of the strict rule is another, with it.
    #[must_use]
    pub fn confidences_in_release() -> [(f64, f64); BLAMED.len()] {
        BLAMED.map(|(taken, _, _)| (taken, confidence_at(taken)))
    }

    /// How much of the room above what was held before is taken: 1 at the limit.
    #[must_use]
    pub fn room_taken(&self) -> f64 {
        (self.used - self.held_before) / (1.0 - self.held_before).max(1e-3)
    }

    /// Chance that a version leaks of which this is said on its first day, if its predecessor was watched and did not leak, and
    /// one release in ten leaks. Most releases that are blamed falsely stop rising: the more of the room is taken, the more
    /// certain it is.
    #[must_use]
    pub fn confidence_in_release(&self) -> f64 {
        match self.certainty {
            Certainty::Warn => self.certainty.confidence(),
            Certainty::Act => confidence_at(self.room_taken()),
        }
    }
}

/// The confidence of the strict rule in a release that has taken so much of the room.
fn confidence_at(taken: f64) -> f64 {
    let (_, found, falsely) = BLAMED.into_iter().rev().find(|row| row.0 <= taken).unwrap_or(BLAMED[0]);
    posterior(found, falsely)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: every share of the room. Guarantees: a larger one is never less certain, and none is certain.
    #[test]
    fn confidence_grows_with_the_room_taken() {
        let confidences: Vec<f64> = (-10..100).map(|nth| confidence_at(0.01 * f64::from(nth))).collect();
        assert!(confidences.is_sorted(), "{confidences:?}");
        assert!(confidences.iter().all(|confidence| (0.5..0.99).contains(confidence)), "{confidences:?}");
    }
}
