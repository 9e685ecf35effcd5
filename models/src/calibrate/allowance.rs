//! The account behind a budget of alarms: every alarm is paid for with time.
//!
//! An alarm costs the time that the budget gives to one alarm; time pays it back. What is owed raises the threshold.
//! All of it is integer nanoseconds, so that the bound on alarms holds exactly, for ever, in any order of points.

use serde::{Deserialize, Serialize};

/// # Invariants
/// `paid_until` never falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allowance {
    /// The instant at which everything charged so far is paid for.
    pub(crate) paid_until: i64,
}

impl Allowance {
    pub(crate) const NEW: Self = Self { paid_until: i64::MIN };

    /// Nanoseconds that are still to be paid for at `at`.
    pub(crate) fn owed(self, at: i64) -> i64 {
        self.paid_until.saturating_sub(at).max(0)
    }

    /// Charges one alarm at `at`.
    pub(crate) fn charge(&mut self, at: i64, price: i64) {
        self.paid_until = self.paid_until.max(at).saturating_add(price);
    }
}
