//! What is known of one series beside the state of its detector: how rare its scores are, and what stands about it.
//!
//! An episode is opened by the onset of a point, which falls again soon after a change, and lasts while its surprise does,
//! which stays high for as long as the anomaly. Each is weighed among the past ones of its kind; the hot tier has one score
//! for both.

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::absence::Arrivals;
use models::bank::{Basis, Judged, OWN_POINTS};
use models::calibrate::{AlarmState, AlarmStep, Surprise};
use models::univariate::{Lesson, Shape};
use serde::{Deserialize, Serialize};

use super::params::SeriesParams;
use super::rarity::Rarity;
use crate::scoring::absence::params as missing;

/// Share of the usual time of learning after which a series that began like another may speak for itself.
const HEIR_SHARE: f64 = 1.0 / 24.0;
/// Decades from which on a point is worth telling beside another finding.
const UNUSUAL_DECADES: f64 = 2.5;
/// For how long such a point is remembered.
const UNUSUAL_FOR: UnixNanos = 3_600 * NANOS_PER_SEC;
/// Points in a row within the usual after which an episode is over.
const CALM_POINTS: u8 = 3;
/// Time after which a shift or a drift is how the series is now.
const SHIFT: UnixNanos = 1_800 * NANOS_PER_SEC;
/// Time after which any episode ends: longer than that nobody needs to be told, and nothing is withheld.
const STANDS_MAX: UnixNanos = 86_400 * NANOS_PER_SEC;
/// An episode of a series without points for so long, and for longer than is usual for it, is over.
const SILENT: UnixNanos = 600 * NANOS_PER_SEC;
/// Weight of a point in the plain level, once it is known.
const LEVEL_RATE: f64 = 1.0 / 512.0;
/// Time after which an expectation has seen everything that a week holds.
const FULLY_MATURE_SECS: f64 = 7.0 * 86_400.0;

/// One point and what was expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) at: UnixNanos,
    pub(crate) value: f64,
    pub(crate) expected: f64,
    /// A usual deviation from it.
    pub(crate) deviation: f64,
    /// How rare such an onset is in this series: what opens an episode.
    pub(crate) decades: f64,
    /// How rare such a surprise is: what keeps an episode open.
    pub(crate) lasting: f64,
    /// Only the full tier tells it.
    pub(crate) shape: Option<Shape>,
    /// Time for which the series was learned, seconds.
    pub(crate) learned_secs: f64,
    /// Time for which the series that it goes by had been learned, seconds; 0 if it goes by itself.
    pub(crate) inherited_secs: f64,
}

impl Seen {
    /// How much history of its own stands behind it, 0 to 1.
    pub(crate) fn maturity(&self) -> f64 {
        (self.learned_secs / FULLY_MATURE_SECS).clamp(0.0, 1.0)
    }

    pub(crate) fn is_above(&self) -> bool {
        self.value > self.expected
    }
}

/// Since an alarm was given about a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) since_at: UnixNanos,
    /// The rarest point.
    pub(crate) worst: Seen,
    /// The newest point that was still unusual.
    last: Seen,
    calm: u8,
}

/// A series of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its number in the bank.
    pub(crate) number: u32,
    pub(crate) first_at: UnixNanos,
    pub(crate) last_at: UnixNanos,
    /// How far apart its points come.
    pub(crate) arrivals: Arrivals,
    rarity: Rarity,
    level: f64,
    spread: f64,
    points: u32,
    /// The newest point that was rare, whether or not an alarm was due.
    pub(crate) unusual: Option<Seen>,
    pub(crate) episode: Option<Episode>,
    /// Time for which the series that it began like had been learned, seconds; 0 if it began with nothing.
    inherited_secs: f64,
}

impl Record {
    pub(crate) fn new(number: u32, at: UnixNanos, params: &SeriesParams) -> Self {
        Self {
            number,
            first_at: at,
            last_at: at,
            arrivals: Arrivals::new(&missing()),
            rarity: Rarity::new(&params.tail),
            level: 0.0,
            spread: 0.0,
            points: 0,
            unusual: None,
            episode: None,
            inherited_secs: 0.0,
        }
    }

    /// A series that begins with what a known one of the same name has learned.
    pub(crate) fn like(known: &Self, number: u32, at: UnixNanos, params: &SeriesParams) -> Self {
        Self {
            rarity: known.rarity.as_prior(),
            level: known.level,
            spread: known.spread,
            points: known.points.min(OWN_POINTS),
            inherited_secs: known.learned_secs(),
            ..Self::new(number, at, params)
        }
    }

    /// For how long it was learned, seconds.
    pub(crate) fn learned_secs(&self) -> f64 {
        (self.last_at - self.first_at) as f64 / 1e9
    }

    /// Weighs a judgement among the past ones of the series, then learns it.
    pub(crate) fn weigh(
        &mut self,
        (at, value): (UnixNanos, f64),
        judged: &Judged,
        lesson: Lesson,
        params: &SeriesParams,
    ) -> Option<Seen> {
        self.last_at = self.last_at.max(at);
        self.arrivals.learn(at);
        let (level, spread) = (self.level, self.spread);
        if lesson == Lesson::Learn && value.is_finite() {
            self.learn_level(value);
        }
        let (decades, lasting) = self.rarity.weigh((at, lesson), judged, &params.tail)?;
        let (expected, deviation, shape) = match judged {
            Judged::Full(reading) => (reading.expected, reading.deviation, Some(reading.shape)),
            Judged::Hot(_) | Judged::Not => (level, spread, None),
        };
        let learned_secs = (at - self.first_at) as f64 / 1e9;
        let is_heir = learned_secs < params.learning_secs;
        let inherited_secs = if is_heir { self.inherited_secs } else { 0.0 };
        let seen =
            Seen { at, value, expected, deviation, decades, lasting, shape, learned_secs, inherited_secs };
        self.unusual = match self.unusual {
            _ if decades >= UNUSUAL_DECADES => Some(seen),
            known => known.filter(|known| at.saturating_sub(known.at) < UNUSUAL_FOR),
        };
        Some(seen)
    }

    /// What its next point is to teach: nothing while an episode stands, or an anomaly would soon be normal.
    pub(crate) fn lesson(&self, asked: Lesson) -> Lesson {
        if self.episode.is_some() { Lesson::Withhold } else { asked }
    }

    /// What the alarm budget may be asked about: the young stay calm, heirs until they stand for themselves.
    pub(crate) fn surprise(&self, seen: &Seen, basis: Basis, params: &SeriesParams) -> Surprise {
        let share = if seen.inherited_secs > 0.0 && basis == Basis::Own { HEIR_SHARE } else { 1.0 };
        let is_old = seen.learned_secs >= share * params.learning_secs;
        Surprise::clamped(if is_old { seen.decades } else { 0.0 })
    }

    /// Follows the episode through one point; whether there is something new to say.
    pub(crate) fn follow(&mut self, seen: Seen, step: &AlarmStep, params: &SeriesParams) -> bool {
        let Some(episode) = &mut self.episode else {
            if step.state.is_alarm() {
                self.episode = Some(Episode { since_at: seen.at, worst: seen, last: seen, calm: 0 });
            }
            return step.state.is_alarm();
        };
        let is_high = seen.lasting >= step.threshold - params.each.values().hysteresis_decades;
        episode.calm = if is_high { 0 } else { episode.calm.saturating_add(1) };
        if is_high {
            episode.last = seen;
        }
        if seen.decades > episode.worst.decades {
            episode.worst = seen;
        }
        step.state == AlarmState::Rose
    }

    /// Ends an episode that is over; why, in words.
    pub(crate) fn end(&mut self, now: UnixNanos) -> Option<&'static str> {
        let episode = self.episode?;
        let lasting = matches!(episode.last.shape, Some(Shape::LevelShift | Shape::Drift));
        let why = if episode.calm >= CALM_POINTS {
            "it is within the usual again"
        } else if self.is_silent(now) {
            "it has no values any more"
        } else if lasting && episode.since_at.saturating_add(SHIFT) <= now {
            "it has stayed at its new level, which is learned from now on"
        } else if episode.since_at.saturating_add(STANDS_MAX) <= now {
            "it has lasted for a day, and is learned from now on"
        } else {
            return None;
        };
        self.episode = None;
        Some(why)
    }

    fn is_silent(&self, now: UnixNanos) -> bool {
        let usual = self.arrivals.due_secs().unwrap_or(0.0);
        self.last_at.saturating_add(SILENT.max((usual * 1e9) as UnixNanos)) < now
    }

    fn learn_level(&mut self, value: f64) {
        self.points = self.points.saturating_add(1);
        if self.points == 1 {
            self.level = value;
        }
        let rate = LEVEL_RATE.max(1.0 / f64::from(self.points));
        let off = value - self.level;
        self.level += rate * off;
        self.spread += rate * (off.abs() - self.spread);
    }
}
