//! What every per-series detector offers: a score for a point, and learning from it, kept apart.
//!
//! `score` never changes the model and `learn` never returns a score, so that a caller may score first,
//! decide, and then withhold a point from learning. A raw score is not a probability: the two are types
//! of their own and cannot be compared. Calibration and thresholds live elsewhere.

use serde::{Deserialize, Serialize};

/// How unusual a point is in the detector's own unit; larger is more unusual. Always finite.
///
/// ```
/// use models::RawScore;
/// assert!(RawScore::new(f64::NAN).is_none());
/// assert!(RawScore::new(3.0) < RawScore::new(4.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct RawScore(f64);

impl RawScore {
    /// A score, unless the number is not finite.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(value))
    }

    /// The number, in the detector's own unit.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }
}

/// A calibrated probability in `[0, 1]`.
///
/// ```
/// use models::Probability;
/// assert!(Probability::new(1.5).is_none());
/// assert_eq!(Probability::new(0.25).map(Probability::value), Some(0.25));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Probability(f64);

impl Probability {
    pub(crate) const ZERO: Self = Self(0.0);

    /// A probability, unless the number lies outside `[0, 1]`.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// The number in `[0, 1]`.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }
}

/// Whether a detector has seen enough to be believed.
///
/// ```
/// use models::Maturity;
/// assert!(!Maturity::WarmingUp { needs_points: 3 }.is_mature());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Maturity {
    /// Still collecting; scores are withheld until about this many more points came.
    WarmingUp {
        /// Points still missing.
        needs_points: u32,
    },
    /// Scores mean what they say.
    Mature,
}

impl Maturity {
    /// True once scores are given.
    #[must_use]
    pub fn is_mature(self) -> bool {
        self == Self::Mature
    }
}

/// A model of one series (or one vector of series) that is fed in the order of event time.
///
/// `at` is event time in nanoseconds since 1970 (UTC), `x` the point. A point that cannot be used
/// (wrong length, nothing finite, not after the last one) changes nothing and has no score.
pub trait Detector {
    /// How unusual `x` is, given only what was learned before; `None` while warming up or for a point
    /// that cannot be used.
    fn score(&self, at: i64, x: &[f64]) -> Option<RawScore>;

    /// Takes the point into the model.
    fn learn(&mut self, at: i64, x: &[f64]);

    /// Whether scores are given yet.
    fn maturity(&self) -> Maturity;
}
