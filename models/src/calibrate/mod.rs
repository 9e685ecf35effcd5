//! From raw scores to decisions: how rare a score is, what probability that means, and when to speak.
//!
//! [`TailCalibrator`] turns the raw scores of one detector into p-values, [`ProbabilityMap`] turns p-values into
//! probabilities that learn from outcomes, and [`AlarmBudget`] decides when a surprise is an alarm, so that the
//! number of alarms is bounded whatever the series does (`docs/alarm-budget.md`). [`BudgetColumns`] is the same for
//! many series, [`PooledBudget`] for all series of a service under one more budget. All are monotone, bounded and
//! fed in the order of event time. What a score means, and whether a point is learned, is decided elsewhere.

mod allowance;
mod budget;
mod budget_params;
mod columns;
mod pool;
mod probability;
mod surprise;
mod tail;
mod tail_params;

#[cfg(test)]
mod budget_tests;

pub use budget::{AlarmBudget, AlarmState, AlarmStep};
pub use budget_params::{BudgetParams, BudgetValidParams};
pub use columns::BudgetColumns;
pub use pool::PooledBudget;
pub use probability::{ProbabilityMap, Truth};
pub use surprise::{PValue, SURPRISE_MAX, Surprise};
pub use tail::TailCalibrator;
pub use tail_params::{TailParams, TailValidParams};
