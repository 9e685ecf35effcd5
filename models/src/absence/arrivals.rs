//! When the next value of a series is due.
//!
//! Values that come in a batch are one arrival: a gap counts only from a tenth of the largest remembered gap on. A series
//! is overdue once it has been silent for a few times the largest of its last gaps: with `n` independent gaps of any
//! continuous law the next one exceeds the largest of them with probability `1 / (n + 1)` (exchangeability), and the
//! factor turns that into far less for every law whose tail is not heavier than exponential (for the exponential law
//! about `n^-factor`).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::params::{Faults, ParamFaults};

/// Gaps that are remembered.
const GAPS_MAX: usize = 64;
/// Part of the largest gap below which values belong to one arrival.
const SAME_ARRIVAL: f64 = 0.1;

/// After so many silences they are how the series is.
const HABIT: u8 = 3;

/// Settings as a person writes them.
///
/// ```
/// use models::absence::AbsenceParams;
/// let faults = AbsenceParams { factor: 0.5, ..Default::default() }.check().unwrap_err();
/// assert!(faults.to_string().starts_with("factor is 0.5, must be"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AbsenceParams {
    /// A series is overdue after so many times its largest gap.
    pub factor: f64,
    /// Gaps before anything is said.
    pub gaps_min: u32,
    /// Least silence that is called one.
    pub silence_secs_min: f64,
}

impl Default for AbsenceParams {
    fn default() -> Self {
        Self { factor: 3.0, gaps_min: 8, silence_secs_min: 10.0 }
    }
}

/// Checked settings.
///
/// ```
/// assert!(models::absence::AbsenceParams::default().check().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AbsenceValidParams(pub(super) AbsenceParams);

impl AbsenceParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<AbsenceValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let gaps_min = f64::from(self.gaps_min);
        faults.require((1.0..=100.0).contains(&self.factor), "factor", self.factor, "1 to 100");
        faults.require((2.0..=64.0).contains(&gaps_min), "gaps_min", gaps_min, "2 to 64");
        let silence = self.silence_secs_min;
        faults.require((0.0..=1e6).contains(&silence), "silence_secs_min", silence, "0 to 1000000");
        faults.done(AbsenceValidParams(self))
    }
}

/// The arrivals of one series.
///
/// ```
/// use models::absence::{AbsenceParams, Arrivals};
/// let mut arrivals = Arrivals::new(&AbsenceParams::default().check().unwrap());
/// (0..20).for_each(|nth| arrivals.learn(nth * 60_000_000_000));
/// assert!(!arrivals.is_overdue(19 * 60_000_000_000 + 170_000_000_000));
/// assert!(arrivals.is_overdue(19 * 60_000_000_000 + 190_000_000_000));
/// ```
///
/// # Order of calls
/// [`Self::is_overdue`] with the clock of the log at any time; [`Self::learn`] for every arrival. Ask before learning to know
/// whether the arrival ended a silence. While [`Self::due_secs`] is `None` nothing is ever overdue.
///
/// # Invariants
/// At most 64 gaps, all of them positive and finite; `last_at` only grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arrivals {
    params: AbsenceParams,
    last_at: Option<i64>,
    gaps_secs: VecDeque<f32>,
    /// Silences since one was last learned.
    silences: u8,
}

impl Arrivals {
    /// Nothing has arrived yet.
    #[must_use]
    pub fn new(params: &AbsenceValidParams) -> Self {
        Self { params: params.0, last_at: None, gaps_secs: VecDeque::new(), silences: 0 }
    }

    /// A value arrived; event time in nanoseconds since 1970. What is not after the last one changes nothing.
    pub fn learn(&mut self, at: i64) {
        let Some(last) = self.last_at else {
            self.last_at = Some(at);
            return;
        };
        if at <= last {
            return;
        }
        let gap_secs = at.saturating_sub(last) as f64 / 1e9;
        self.last_at = Some(at);
        // one silence is no example of how the series behaves; several are
        if self.due_secs().is_some_and(|due| gap_secs > due) {
            self.silences += 1;
            if self.silences < HABIT {
                return;
            }
            self.silences = 0;
        }
        if gap_secs >= SAME_ARRIVAL * self.largest_secs() {
            self.gaps_secs.push_back(gap_secs as f32);
            if self.gaps_secs.len() > GAPS_MAX {
                self.gaps_secs.pop_front();
            }
        }
    }

    /// The largest remembered gap; 0 before the first.
    fn largest_secs(&self) -> f64 {
        f64::from(self.gaps_secs.iter().copied().fold(0.0, f32::max))
    }

    /// Seconds of silence from which on the series is overdue; `None` while that is not known.
    #[must_use]
    pub fn due_secs(&self) -> Option<f64> {
        let is_known = self.gaps_secs.len() >= self.params.gaps_min as usize;
        is_known.then(|| (self.params.factor * self.largest_secs()).max(self.params.silence_secs_min))
    }

    /// Seconds of silence at this time; `None` before the first value.
    #[must_use]
    pub fn silent_secs(&self, now: i64) -> Option<f64> {
        self.last_at.map(|last| now.saturating_sub(last).max(0) as f64 / 1e9)
    }

    /// Whether the series should have spoken by now.
    #[must_use]
    pub fn is_overdue(&self, now: i64) -> bool {
        self.due_secs().zip(self.silent_secs(now)).is_some_and(|(due, silent)| silent > due)
    }

    /// Event time of the newest value.
    #[must_use]
    pub fn last_at(&self) -> Option<i64> {
        self.last_at
    }
}
