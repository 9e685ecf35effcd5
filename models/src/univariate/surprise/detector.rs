//! The mean-surprise detector of a single series: thirteen views of it, each judged by how rarely its region was
//! visited, and averaged.
//!
//! One point in, one score out, in constant time and less than 6 KB. The score of a point is
//! (mean_j e_j^1.5)^(1/1.5), e_j = -log10 of the visited mass around view j ([`super::histogram`]); the score given out
//! is the highest of the recent ones, fading by `hold` per step, so that the points around an anomaly stand out with
//! it. Views are the value, its fading means, and its residual against an interpolated daily profile. All
//! evidence is taken before the point is learned. Many cheap views averaged do better than the few strongest; tuned
//! weights over-fit. Not done here: thresholds, alarms, and deciding whether a point is to be learned.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::judge::{Front, Known, Look, Model, Sample, Short, learn, look, note};
use super::params::{SurpriseParams, SurpriseValidParams};
use super::profile::{SLOTS, Slot, coverage};
use super::rhythm::Rhythm;
use super::shape::Shape;
use super::signals::{NAMES, SIGNALS};
use crate::detector::{Detector, Maturity, RawScore};

/// What is to become of a point after it was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lesson {
    /// It says what is normal.
    Learn,
    /// It is seen, but says nothing about what is normal: an incident is open, or it was real.
    Withhold,
}

/// How a point was judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The score: highest recent mean surprise, in decades of rarity.
    pub score: RawScore,
    /// Mean surprise of this point alone: stays up while an anomaly lasts.
    pub surprise: f64,
    /// Mean surprise of the views of this point itself: its value, its deviations from the day and from what went before. No
    /// mean is in it, so it falls again soon after a change; the better score to open an alarm by.
    pub onset: f64,
    /// What was expected, in the unit of the series.
    pub expected: f64,
    /// A usual deviation from it.
    pub deviation: f64,
    /// What the anomaly, if it is one, looks like so far.
    pub shape: Shape,
    /// The view that surprised most: an index into [`MeanSurprise::VIEWS`].
    pub strongest: usize,
}

impl Reading {
    pub(crate) fn of(look: &Look, short: &Short) -> Option<Self> {
        let (expected, deviation) = look.expectation(short);
        Some(Self {
            score: RawScore::new(f64::from(look.held))?,
            surprise: f64::from(look.surprise),
            onset: f64::from(look.of_the_point),
            expected,
            deviation,
            shape: look.shape(),
            strongest: look.strongest,
        })
    }
}

/// The detector of one series.
///
/// ```
/// use models::{Detector, univariate::{MeanSurprise, SurpriseParams}};
/// let mut detector = MeanSurprise::new(&SurpriseParams::default().check().unwrap());
/// let minute = 60_000_000_000;
/// for n in 0..500 {
///     detector.learn(n * minute, &[100.0 + (n % 7) as f64]);
/// }
/// let score = |x: f64| detector.score(500 * minute, &[x]).unwrap().value();
/// assert!(score(103.0) < 1.0 && score(150.0) > 2.0);
/// ```
///
/// # Invariants
/// All numbers are finite; time only grows; the size is fixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeanSurprise {
    params: SurpriseParams,
    calendar: Arc<Calendar>,
    front: Front,
    slots: Vec<Slot>,
    rhythm: Box<Rhythm>,
}

impl MeanSurprise {
    /// Names of the views.
    pub const VIEWS: [&'static str; SIGNALS] = NAMES;

    /// A detector that has seen nothing, in universal time.
    #[must_use]
    pub fn new(params: &SurpriseValidParams) -> Self {
        Self::with_calendar(params, Arc::new(Calendar::UTC))
    }

    /// A detector that has seen nothing, in local time.
    #[must_use]
    pub fn with_calendar(params: &SurpriseValidParams, calendar: Arc<Calendar>) -> Self {
        Self {
            params: params.0,
            calendar,
            front: Front::new(),
            slots: vec![Slot::default(); SLOTS],
            rhythm: Box::new(Rhythm::new()),
        }
    }

    /// Judges a point and then takes it in, in one pass; `None` while warming up or for a point that cannot be used.
    pub fn observe(&mut self, at: i64, x: f64, lesson: Lesson) -> Option<Reading> {
        let look = self.look(at, x)?;
        let reading = if self.maturity().is_mature() { Reading::of(&look, &self.front.short) } else { None };
        self.take(&look, lesson);
        reading
    }

    /// How a point would be judged; as [`Self::observe`], but nothing changes.
    #[must_use]
    pub fn read(&self, at: i64, x: f64) -> Option<Reading> {
        let look = self.look(at, x)?;
        if self.maturity().is_mature() { Reading::of(&look, &self.front.short) } else { None }
    }

    /// The interval at which the series reports, as learned, in seconds.
    #[must_use]
    pub fn interval_secs(&self) -> f64 {
        f64::from(self.front.short.interval_secs())
    }

    /// Share of the slots of the day that were seen at least once, 0 to 1.
    #[must_use]
    pub fn day_coverage(&self) -> f64 {
        f64::from(coverage(&self.slots))
    }

    /// The period beside the day that helps to expect the series, in hours; 168 for a week. `None` while none does.
    #[must_use]
    pub fn period_hours(&self) -> Option<u8> {
        self.front.short.beat().period_hours()
    }

    /// Bytes of state, without what all series share.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(self.slots.as_slice()) + size_of::<Rhythm>()
    }

    fn look(&self, at: i64, x: f64) -> Option<Look> {
        let known = Known { front: &self.front, slots: &self.slots, rhythm: &self.rhythm };
        let sample = Sample { at, local_secs: self.calendar.local_secs(at), value: x };
        look(&self.params, &self.calendar, known, sample)
    }

    fn take(&mut self, seen: &Look, lesson: Lesson) {
        note(&mut self.front.short, seen);
        if lesson == Lesson::Learn {
            let model =
                &mut Model { front: &mut self.front, slots: &mut self.slots, rhythm: &mut self.rhythm };
            learn(&self.params, model, seen);
        }
    }
}

impl Detector for MeanSurprise {
    fn score(&self, at: i64, x: &[f64]) -> Option<RawScore> {
        let &[x] = x else { return None };
        self.read(at, x).map(|reading| reading.score)
    }

    fn learn(&mut self, at: i64, x: &[f64]) {
        let &[x] = x else { return };
        if let Some(look) = self.look(at, x) {
            self.take(&look, Lesson::Learn);
        }
    }

    fn maturity(&self) -> Maturity {
        match self.params.warm_up_points.saturating_sub(self.front.short.points()) {
            0 => Maturity::Mature,
            needs_points => Maturity::WarmingUp { needs_points },
        }
    }
}
