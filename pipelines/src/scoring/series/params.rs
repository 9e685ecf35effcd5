//! What the per-series baseline is set to, as checked values.

use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::ParamFaults;
use models::bank::{AdmissionParams, AdmissionValidParams};
use models::calibrate::{BudgetParams, BudgetValidParams, TailParams, TailValidParams};
use models::univariate::{Calendar, SurpriseParams, SurpriseValidParams};

use crate::config::SeriesPlan;
use crate::scoring::calendar::local_calendar;

/// Changes of the clock are known between these instants: 2000 and 2100.
const CALENDAR: (UnixNanos, UnixNanos) = (946_684_800 * NANOS_PER_SEC, 4_102_444_800 * NANOS_PER_SEC);

/// Checked settings.
#[derive(Debug, Clone)]
pub struct SeriesParams {
    /// Series at the most.
    pub(crate) count_max: usize,
    /// Who gets the full tier.
    pub(crate) admission: AdmissionValidParams,
    /// Time for which a series is learned before it may speak for itself.
    pub(crate) learning_secs: f64,
    /// Alarms of one series.
    pub(crate) each: BudgetValidParams,
    /// Alarms of all series of a service.
    pub(crate) shared: BudgetValidParams,
    /// From scores to surprises.
    pub(crate) tail: TailValidParams,
    /// The full tier.
    pub(crate) surprise: SurpriseValidParams,
    /// Local time of the daily profiles.
    pub(crate) calendar: Arc<Calendar>,
    /// Least length of a point, seconds.
    pub(crate) window_secs: u64,
}

impl SeriesParams {
    /// Out of the plan.
    ///
    /// # Errors
    /// What the models refuse.
    pub fn new(plan: &SeriesPlan, window_secs: u64) -> Result<Self, ParamFaults> {
        let admission = AdmissionParams { budget_bytes: plan.full_bytes_max, ..AdmissionParams::default() };
        let each = BudgetParams { alarms_per_day: plan.alarms_per_day, ..BudgetParams::default() };
        let shared = BudgetParams { alarms_per_day: plan.service_alarms_per_day, ..BudgetParams::default() };
        Ok(Self {
            count_max: plan.count_max,
            admission: admission.check()?,
            learning_secs: plan.learning_secs as f64,
            each: each.check()?,
            shared: shared.check()?,
            tail: TailParams::default().check()?,
            surprise: SurpriseParams::default().check()?,
            calendar: Arc::new(local_calendar(&plan.time_zone, CALENDAR.0, CALENDAR.1, &plan.holidays)),
            window_secs,
        })
    }
}
