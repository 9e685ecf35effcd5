//! One budget for all series of a service, on top of the budget that each of them has.
//!
//! A series speaks only when its own threshold and the shared one are reached, and both accounts pay. So a service
//! with a thousand series is bounded as one, and no single series can spend more than its own budget. While the
//! service is calm the shared threshold lies at its floor and changes nothing.

use serde::{Deserialize, Serialize};

use super::allowance::Allowance;
use super::budget::{AlarmStep, Pool};
use super::budget_params::BudgetValidParams;
use super::columns::BudgetColumns;
use super::surprise::Surprise;

/// The budgets of the series of one service and the one they share.
///
/// ```
/// use models::calibrate::{BudgetParams, PooledBudget, Surprise};
/// let each = BudgetParams::default().check().unwrap();
/// let mut pool = PooledBudget::new(&each, &each.with_alarms_per_day(4.0));
/// let places: Vec<usize> = (0..100).map(|_| pool.push()).collect();
/// let mut alarms = 0;
/// for minute in 0..1440 {
///     for place in &places {
///         let step = pool.step(*place, minute * 60_000_000_000, Surprise::clamped(5.0)).unwrap();
///         alarms += u32::from(step.state.is_alarm());
///     }
/// }
/// assert!(f64::from(alarms) <= each.with_alarms_per_day(4.0).alarms_max(1.0));
/// ```
///
/// # Invariants
/// All series together keep the bound of `shared`, each series that of `each`. Points come in the order of time
/// within a series; the series may be fed in any order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PooledBudget {
    shared: BudgetValidParams,
    account: Allowance,
    series: BudgetColumns,
}

impl PooledBudget {
    /// No series yet. `each` bounds every series, `shared` all of them together.
    #[must_use]
    pub fn new(each: &BudgetValidParams, shared: &BudgetValidParams) -> Self {
        Self { shared: *shared, account: Allowance::NEW, series: BudgetColumns::new(each) }
    }

    /// Adds a series; its place.
    pub fn push(&mut self) -> usize {
        self.series.push()
    }

    /// Gives a place to another series.
    pub fn clear(&mut self, place: usize) {
        self.series.clear(place);
    }

    /// Places there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no place.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Takes a point of the series at `place`; `None` if there is no such place.
    pub fn step(&mut self, place: usize, at: i64, surprise: Surprise) -> Option<AlarmStep> {
        let params = self.series.params();
        let mut pool = Pool { params: &params, shared: Some((&self.shared, &mut self.account)) };
        self.series.step_in(place, at, surprise, &mut pool)
    }

    /// Ends the episode of the series at `place` by time alone; its last instant if one ended.
    pub fn end(&mut self, place: usize, at: i64) -> Option<i64> {
        self.series.end(place, at)
    }

    /// The shared threshold at `at`, in decades.
    #[must_use]
    pub fn shared_threshold(&self, at: i64) -> f64 {
        self.shared.floor_lowest() + self.shared.raise(self.account.owed(at))
    }
}
