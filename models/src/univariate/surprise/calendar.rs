//! Local time as data: the offset from UTC between changes of the clock, and the days that are not like others.
//!
//! The rules of time zones live with the caller, who lists the changes that matter. A profile on local time survives a
//! change of the clock, because traffic follows people and people follow the clock. Not done here: zone files.

use serde::{Deserialize, Serialize};

const NANOS_PER_SEC: i64 = 1_000_000_000;
const SECS_PER_DAY: i64 = 86_400;

/// From when on which offset holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockChange {
    /// First nanosecond, since 1970 in UTC.
    pub from: i64,
    /// Local time less UTC, in seconds.
    pub offset_secs: i32,
}

/// The local calendar of a set of series.
///
/// ```
/// use models::univariate::{Calendar, ClockChange};
/// let hour = 3_600_000_000_000;
/// let change = ClockChange { from: 10 * hour, offset_secs: 7200 };
/// let calendar = Calendar::new(3600, vec![change]);
/// assert_eq!(calendar.second_of_day(9 * hour), 10 * 3600);
/// assert_eq!(calendar.second_of_day(10 * hour), 12 * 3600);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Calendar {
    offset_secs: i32,
    changes: Vec<ClockChange>,
    holidays: Vec<i32>,
}

impl Calendar {
    /// Universal time, no holidays.
    pub const UTC: Self = Self { offset_secs: 0, changes: Vec::new(), holidays: Vec::new() };

    /// A calendar with an offset and its changes, in any order.
    #[must_use]
    pub fn new(offset_secs: i32, mut changes: Vec<ClockChange>) -> Self {
        changes.sort_unstable_by_key(|change| change.from);
        Self { offset_secs, changes, holidays: Vec::new() }
    }

    /// The same with local days (since 1970) on which the profile does not learn.
    #[must_use]
    pub fn with_holidays(mut self, mut days: Vec<i32>) -> Self {
        days.sort_unstable();
        days.dedup();
        self.holidays = days;
        self
    }

    /// Second of the local day, 0 to 86399.
    #[must_use]
    pub fn second_of_day(&self, at: i64) -> i64 {
        self.local_secs(at).rem_euclid(SECS_PER_DAY)
    }

    /// Whether the local day is a holiday.
    #[must_use]
    pub fn is_holiday(&self, at: i64) -> bool {
        self.is_holiday_at(self.local_secs(at))
    }

    /// Whether the day of a local second since 1970 is a holiday.
    pub(super) fn is_holiday_at(&self, local_secs: i64) -> bool {
        if self.holidays.is_empty() {
            return false;
        }
        let day = i32::try_from(local_secs.div_euclid(SECS_PER_DAY)).unwrap_or(i32::MAX);
        self.holidays.binary_search(&day).is_ok()
    }

    /// Local seconds since 1970.
    pub(crate) fn local_secs(&self, at: i64) -> i64 {
        let passed = self.changes.partition_point(|change| change.from <= at);
        let offset = passed.checked_sub(1).map_or(self.offset_secs, |nth| self.changes[nth].offset_secs);
        at.div_euclid(NANOS_PER_SEC) + i64::from(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: times before 1970, at both ends of time, and a holiday at both ends of its local day.
    /// Guarantees: seconds of the day stay within a day, a holiday is a local day.
    #[test]
    fn days_are_local() {
        let calendar = Calendar::new(-5 * 3600, Vec::new()).with_holidays(vec![1, 1]);
        for at in [i64::MIN, -1, 0, i64::MAX] {
            assert!((0..SECS_PER_DAY).contains(&calendar.second_of_day(at)));
        }
        let from = (SECS_PER_DAY + 5 * 3600) * NANOS_PER_SEC;
        assert!(!calendar.is_holiday(from - 1) && calendar.is_holiday(from));
        assert!(calendar.is_holiday(from + SECS_PER_DAY * NANOS_PER_SEC - 1));
        assert!(!calendar.is_holiday(from + SECS_PER_DAY * NANOS_PER_SEC));
    }
}
