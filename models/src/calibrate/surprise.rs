//! How rare something is: a p-value, and the same in decades.

use serde::{Deserialize, Serialize};

/// The largest surprise that is told apart: one in a hundred thousand. Rarer things cannot be calibrated from the
/// days of history that a series has.
pub const SURPRISE_MAX: f64 = 5.0;

/// The chance of something at least as unusual while nothing is wrong; in `(0, 1]`.
///
/// ```
/// use models::calibrate::PValue;
/// assert!(PValue::new(0.0).is_none());
/// assert_eq!(PValue::new(0.001).unwrap().surprise().decades(), 3.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct PValue(f64);

impl PValue {
    pub(crate) const ONE: Self = Self(1.0);

    /// A p-value, unless the number lies outside `(0, 1]`.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value > 0.0 && value <= 1.0).then_some(Self(value))
    }

    /// The number in `(0, 1]`.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }

    /// The same in decades.
    #[must_use]
    pub fn surprise(self) -> Surprise {
        Surprise::clamped(-libm::log10(self.0))
    }
}

/// `-log10` of a p-value: 3 is one in a thousand. In `[0, SURPRISE_MAX]`.
///
/// ```
/// use models::calibrate::{SURPRISE_MAX, Surprise};
/// assert_eq!(Surprise::clamped(40.0).decades(), SURPRISE_MAX);
/// assert_eq!(Surprise::clamped(f64::NAN).decades(), 0.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Surprise(f64);

impl Surprise {
    /// The nearest surprise there is; what is not a number is no surprise.
    #[must_use]
    pub fn clamped(decades: f64) -> Self {
        Self(if decades.is_nan() { 0.0 } else { decades.clamp(0.0, SURPRISE_MAX) })
    }

    /// The number of decades.
    #[must_use]
    pub fn decades(self) -> f64 {
        self.0
    }
}
