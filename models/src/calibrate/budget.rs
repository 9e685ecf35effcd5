//! When a surprise is an alarm: a one-sided adaptive threshold with a bound that needs no assumption.
//!
//! One-sided adaptive conformal inference (after Gibbs and Candès, NeurIPS 2021, and Angelopoulos et al., NeurIPS
//! 2023): `theta[t+1] = max(theta_min, theta[t] + eta * (alarm[t] - alpha[t]))` with `alpha[t] = budget per day * dt`.
//! Here `theta - theta_min = eta * owed / price`, where an alarm adds its price to what is owed and time takes it
//! away, in integers. `eta` is `step_decades`, `theta_min` the floor. Proof of the bound: `docs/alarm-budget.md`.
//!
//! An alarm is what is said: the opening of an episode, and its rise. Points of an open episode cost nothing. The
//! threshold moves with every point that is shown, whether or not the model may learn from it.

use serde::{Deserialize, Serialize};

use super::allowance::Allowance;
use super::budget_params::BudgetValidParams;
use super::surprise::{SURPRISE_MAX, Surprise};

/// What one point does to the episode of its series.
///
/// ```
/// use models::calibrate::AlarmState;
/// assert!(AlarmState::Opened.is_alarm() && !AlarmState::Continues.is_alarm());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmState {
    /// Nothing is open.
    Quiet,
    /// An episode opens: an alarm.
    Opened,
    /// The open episode became much more unusual: an alarm.
    Rose,
    /// The episode is open; nothing new to say.
    Continues,
}

impl AlarmState {
    /// Whether somebody is told.
    #[must_use]
    pub fn is_alarm(self) -> bool {
        matches!(self, Self::Opened | Self::Rose)
    }
}

/// What came of one point.
///
/// ```
/// use models::calibrate::{AlarmBudget, AlarmState, BudgetParams, Surprise};
/// let mut budget = AlarmBudget::new(&BudgetParams::default().check().unwrap());
/// let step = budget.step(60_000_000_000, Surprise::clamped(0.3));
/// assert_eq!((step.state, step.ended_at), (AlarmState::Quiet, None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AlarmStep {
    /// What the point does.
    pub state: AlarmState,
    /// The threshold that it was held against, in decades.
    pub threshold: f64,
    /// Last instant of an episode that is over; a new one may open at the same point.
    pub ended_at: Option<i64>,
}

/// The state of one series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct SeriesAlarm {
    pub(crate) allowance: Allowance,
    /// Newest point; `i64::MIN` before the first.
    pub(crate) last_at: i64,
    /// Newest point of the open episode; `i64::MIN` while none is open.
    pub(crate) above_at: i64,
    /// Usual time between points; 0 until there were two.
    pub(crate) interval_ms: u32,
    /// Surprise that was last told of in the open episode.
    pub(crate) peak: f32,
}

impl SeriesAlarm {
    pub(crate) const NEW: Self =
        Self { allowance: Allowance::NEW, last_at: i64::MIN, above_at: i64::MIN, interval_ms: 0, peak: 0.0 };

    pub(crate) fn threshold(&self, params: &BudgetValidParams, at: i64) -> f64 {
        params.floor(f64::from(self.interval_ms) * 1e6) + params.raise(self.allowance.owed(at))
    }

    /// Ends the episode that has been quiet for too long at `at`.
    pub(crate) fn end(&mut self, params: &BudgetValidParams, at: i64) -> Option<i64> {
        let last = self.above_at;
        let over = last != i64::MIN && at.saturating_sub(last) > params.merge_nanos();
        over.then(|| {
            self.above_at = i64::MIN;
            last
        })
    }

    /// One point; `pool` is what all series together may spend, if that is bounded as well.
    pub(crate) fn step(&mut self, at: i64, surprise: Surprise, pool: &mut Pool<'_>) -> AlarmStep {
        let params = pool.params;
        if at <= self.last_at {
            return AlarmStep {
                state: self.standing(),
                threshold: self.threshold(params, at),
                ended_at: None,
            };
        }
        self.learn_interval(at);
        let ended_at = self.end(params, at);
        let threshold = self.threshold(params, at).max(pool.threshold(at));
        let decades = surprise.decades();
        let open = self.above_at != i64::MIN;
        let due =
            decades >= threshold && (!open || decades >= f64::from(self.peak) + params.values().rise_decades);
        let affordable = self.allowance.owed(at) <= params.owed_max() && pool.is_affordable(at);
        let state = match (open, due && affordable) {
            (false, false) => AlarmState::Quiet,
            (false, true) => AlarmState::Opened,
            (true, true) => AlarmState::Rose,
            (true, false) => AlarmState::Continues,
        };
        if state.is_alarm() {
            self.allowance.charge(at, params.price());
            pool.charge(at);
            self.peak = decades as f32;
        }
        if state.is_alarm() || (open && decades >= threshold - params.values().hysteresis_decades) {
            self.above_at = at;
        }
        AlarmStep { state, threshold, ended_at }
    }

    fn standing(&self) -> AlarmState {
        if self.above_at == i64::MIN { AlarmState::Quiet } else { AlarmState::Continues }
    }

    /// Follows the time between points; a gap counts as at most four times the usual.
    fn learn_interval(&mut self, at: i64) {
        if self.last_at != i64::MIN {
            let gap_ms = (at.saturating_sub(self.last_at) / 1_000_000).clamp(1, i64::from(u32::MAX)) as u32;
            self.interval_ms = match self.interval_ms {
                0 => gap_ms,
                usual => {
                    let gap = i64::from(gap_ms.min(usual.saturating_mul(4)));
                    let moved = i64::from(usual) + (gap - i64::from(usual)) / 16;
                    u32::try_from(moved.max(1)).unwrap_or(u32::MAX)
                }
            };
        }
        self.last_at = at;
    }
}

/// What the series of a service spend together; without an account it bounds nothing.
#[derive(Debug)]
pub(crate) struct Pool<'a> {
    pub(crate) params: &'a BudgetValidParams,
    pub(crate) shared: Option<(&'a BudgetValidParams, &'a mut Allowance)>,
}

impl Pool<'_> {
    fn threshold(&self, at: i64) -> f64 {
        let of = |(params, account): &(&BudgetValidParams, &mut Allowance)| {
            params.floor_lowest() + params.raise(account.owed(at))
        };
        self.shared.as_ref().map_or(0.0, of)
    }

    fn is_affordable(&self, at: i64) -> bool {
        self.shared.as_ref().is_none_or(|(params, account)| account.owed(at) <= params.owed_max())
    }

    fn charge(&mut self, at: i64) {
        if let Some((params, account)) = &mut self.shared {
            account.charge(at, params.price());
        }
    }
}

/// The alarm budget of one series.
///
/// ```
/// use models::calibrate::{AlarmBudget, AlarmState, BudgetParams, Surprise};
/// let mut budget = AlarmBudget::new(&BudgetParams::default().check().unwrap());
/// let minute = 60_000_000_000;
/// for n in 0..100 {
///     assert_eq!(budget.step(n * minute, Surprise::clamped(0.5)).state, AlarmState::Quiet);
/// }
/// assert_eq!(budget.step(100 * minute, Surprise::clamped(4.0)).state, AlarmState::Opened);
/// assert_eq!(budget.step(101 * minute, Surprise::clamped(4.0)).state, AlarmState::Continues);
/// ```
///
/// # Invariants
/// In every stretch of time of `d` days at most `alarms_per_day * d + burst_alarms` points are alarms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmBudget {
    params: BudgetValidParams,
    state: SeriesAlarm,
}

impl AlarmBudget {
    /// A budget of which nothing is spent.
    #[must_use]
    pub fn new(params: &BudgetValidParams) -> Self {
        Self { params: *params, state: SeriesAlarm::NEW }
    }

    /// Takes a point at `at` (nanoseconds since 1970) and says whether it is an alarm. A point that is not after the
    /// last one changes nothing and is none.
    pub fn step(&mut self, at: i64, surprise: Surprise) -> AlarmStep {
        self.state.step(at, surprise, &mut Pool { params: &self.params, shared: None })
    }

    /// Ends an episode by time alone, for a series that has no points any more; its last instant if one ended.
    pub fn end(&mut self, at: i64) -> Option<i64> {
        self.state.end(&self.params, at)
    }

    /// The threshold at `at`, in decades of surprise.
    #[must_use]
    pub fn threshold(&self, at: i64) -> f64 {
        self.state.threshold(&self.params, at).min(SURPRISE_MAX + self.params.values().step_decades)
    }

    /// Whether an episode is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.above_at != i64::MIN
    }
}
