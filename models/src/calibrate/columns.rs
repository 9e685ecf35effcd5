//! The alarm budgets of many series in columns: 32 bytes a series, no call through a pointer.

use serde::{Deserialize, Serialize};

use super::allowance::Allowance;
use super::budget::{AlarmStep, Pool, SeriesAlarm};
use super::budget_params::BudgetValidParams;
use super::surprise::Surprise;

/// Budgets of many series under one set of settings; a series is its place.
///
/// ```
/// use models::calibrate::{AlarmState, BudgetColumns, BudgetParams, Surprise};
/// let mut budgets = BudgetColumns::new(&BudgetParams::default().check().unwrap());
/// let place = budgets.push();
/// for n in 0..10 {
///     let step = budgets.step(place, n * 10_000_000_000, Surprise::clamped(1.0)).unwrap();
///     assert_eq!(step.state, AlarmState::Quiet);
/// }
/// assert!(budgets.step(1, 0, Surprise::clamped(1.0)).is_none(), "there is no such series");
/// ```
///
/// # Invariants
/// All columns have the same length. Each series alone keeps what [`super::AlarmBudget`] promises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetColumns {
    params: BudgetValidParams,
    paid_until: Vec<i64>,
    last_at: Vec<i64>,
    above_at: Vec<i64>,
    interval_ms: Vec<u32>,
    peak: Vec<f32>,
}

impl BudgetColumns {
    /// No series yet.
    #[must_use]
    pub fn new(params: &BudgetValidParams) -> Self {
        Self {
            params: *params,
            paid_until: Vec::new(),
            last_at: Vec::new(),
            above_at: Vec::new(),
            interval_ms: Vec::new(),
            peak: Vec::new(),
        }
    }

    /// Adds a series of which nothing is spent; its place.
    pub fn push(&mut self) -> usize {
        let new = SeriesAlarm::NEW;
        self.paid_until.push(new.allowance.paid_until);
        self.last_at.push(new.last_at);
        self.above_at.push(new.above_at);
        self.interval_ms.push(new.interval_ms);
        self.peak.push(new.peak);
        self.paid_until.len() - 1
    }

    /// Gives a place to another series, of which nothing is spent.
    pub fn clear(&mut self, place: usize) {
        if place < self.len() {
            self.put(place, SeriesAlarm::NEW);
        }
    }

    /// Places there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paid_until.len()
    }

    /// Whether there is no place.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paid_until.is_empty()
    }

    /// What [`super::AlarmBudget::step`] does, for the series at `place`; `None` if there is no such place.
    pub fn step(&mut self, place: usize, at: i64, surprise: Surprise) -> Option<AlarmStep> {
        let params = self.params;
        self.step_in(place, at, surprise, &mut Pool { params: &params, shared: None })
    }

    /// One point of each of many series at the same instant, in the order of `places`; `told` gets what came of it.
    pub fn step_all(&mut self, at: i64, points: &[(usize, Surprise)], told: &mut Vec<Option<AlarmStep>>) {
        told.clear();
        told.extend(points.iter().map(|(place, surprise)| self.step(*place, at, *surprise)));
    }

    /// Ends the episode of the series at `place` by time alone; its last instant if one ended.
    pub fn end(&mut self, place: usize, at: i64) -> Option<i64> {
        let mut series = self.get(place)?;
        let ended = series.end(&self.params, at);
        self.put(place, series);
        ended
    }

    /// The threshold of a series, in decades; `None` if there is no such place.
    #[must_use]
    pub fn threshold(&self, place: usize, at: i64) -> Option<f64> {
        self.get(place).map(|series| series.threshold(&self.params, at))
    }

    pub(crate) fn step_in(
        &mut self,
        place: usize,
        at: i64,
        surprise: Surprise,
        pool: &mut Pool<'_>,
    ) -> Option<AlarmStep> {
        let mut series = self.get(place)?;
        let step = series.step(at, surprise, pool);
        self.put(place, series);
        Some(step)
    }

    pub(crate) fn params(&self) -> BudgetValidParams {
        self.params
    }

    fn get(&self, place: usize) -> Option<SeriesAlarm> {
        Some(SeriesAlarm {
            allowance: Allowance { paid_until: *self.paid_until.get(place)? },
            last_at: *self.last_at.get(place)?,
            above_at: *self.above_at.get(place)?,
            interval_ms: *self.interval_ms.get(place)?,
            peak: *self.peak.get(place)?,
        })
    }

    fn put(&mut self, place: usize, series: SeriesAlarm) {
        self.paid_until[place] = series.allowance.paid_until;
        self.last_at[place] = series.last_at;
        self.above_at[place] = series.above_at;
        self.interval_ms[place] = series.interval_ms;
        self.peak[place] = series.peak;
    }
}
