//! The model of one series: what it holds, and what stands after each sample.

use serde::{Deserialize, Serialize};

use super::cycles::Cycles;
use super::forecast::{Certainty, Exhaustion};
use super::params::{ExhaustionParams, ExhaustionValidParams};
use super::pyramid::{LEVELS, Pyramid};
use super::rise::{Rise, Swings, WINDOWS, before, judge, rise};
use super::sampling::{Arrival, Sampling};
use crate::detector::{Detector, Maturity, RawScore};

/// Values beyond this many limits are taken as this many.
const LEVEL_MAX: f64 = 4.0;
/// Samples before anything is said.
const WARM_UP: u64 = 24;
/// 90 % of the generated leaks that were warned of ended between these multiples of the two estimates (the time until the
/// highs, and the time until the lows reach the limit); checked on other seeds by `evaluate exhaustion --simulate`.
const EARLIEST: f64 = 0.5;
const LATEST: f64 = 1.5;

/// A rise that passed, as it stood when its window was complete.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Evidence {
    certainty: Certainty,
    /// Number of the sample.
    seen: u64,
    left: f64,
    latest: f64,
    per_sample: f64,
    span: f64,
    held: f64,
}

/// Forecasts the exhaustion of one resource of one process.
///
/// Fed in the order of event time. A new pod of the workload goes on with [`successor`](Self::successor), so that its own start is
/// no news; [`restarted`](Self::restarted) ends all trends and keeps the history, [`killed`](Self::killed) only what was
/// before the last run.
///
/// ```
/// use models::exhaustion::{Certainty, ExhaustionModel, ExhaustionParams};
/// let mut model = ExhaustionModel::new(&ExhaustionParams::default().check().unwrap());
/// for minute in 0..240_i64 {
///     // Half full, then a leak of 0.5 % a minute.
///     let used = 50.0 + 0.5 * (minute - 150).max(0) as f64;
///     model.learn(minute * 60_000_000_000, used, Some(100.0));
///     assert!(minute >= 160 || model.exhaustion().is_none());
/// }
/// assert_eq!(model.exhaustion().map(|ahead| ahead.certainty), Some(Certainty::Act));
/// model.restarted();
/// assert!(model.exhaustion().is_none());
/// ```
///
/// # Invariants
/// All numbers are finite; at most `LEVELS` times 32 buckets, 64 turns and one evidence per level are held (about 6 KB).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExhaustionModel {
    params: ExhaustionParams,
    pyramid: Pyramid,
    cycles: Cycles,
    sampling: Sampling,
    samples: u64,
    used: f64,
    by_level: [Option<Evidence>; LEVELS],
    standing: Option<Evidence>,
}

impl ExhaustionModel {
    /// A model that has seen nothing.
    #[must_use]
    pub fn new(params: &ExhaustionValidParams) -> Self {
        Self {
            params: params.0,
            pyramid: Pyramid::new(),
            cycles: Cycles::default(),
            sampling: Sampling::default(),
            samples: 0,
            used: 0.0,
            by_level: [None; LEVELS],
            standing: None,
        }
    }

    /// Takes a sample in: event time in nanoseconds since 1970, what is used, and the limit in the same unit.
    ///
    /// A sample that cannot be used (not finite, negative, no limit above 0, not after the last one) changes nothing.
    pub fn learn(&mut self, at: i64, used: f64, limit: Option<f64>) {
        let Some(level) = limit.and_then(|limit| level_of(used, limit)) else { return };
        match self.sampling.take(at) {
            Arrival::Late => return,
            Arrival::AfterBreak => self.restarted(),
            Arrival::Next => {}
        }
        self.used = level;
        self.cycles.push(self.samples, level as f32);
        self.samples += 1;
        let complete = self.pyramid.push(level as f32);
        for level in 0..complete {
            let evidence = self.evidence(level);
            if let Some(slot) = self.by_level.get_mut(level) {
                *slot = evidence;
            }
        }
        self.settle();
    }

    /// What is ahead, if anything is.
    #[must_use]
    pub fn exhaustion(&self) -> Option<Exhaustion> {
        let (evidence, sample_secs) = (self.standing?, self.sampling.interval_secs()?);
        let passed = (self.samples - evidence.seen) as f64;
        let secs = |samples: f64| (samples - passed).max(0.0) * sample_secs;
        Some(Exhaustion {
            certainty: evidence.certainty,
            left_secs: secs(evidence.left),
            earliest_secs: secs(EARLIEST * evidence.left),
            latest_secs: secs(LATEST * evidence.latest),
            used: self.used,
            held_before: evidence.held,
            rise_per_sec: evidence.per_sample / sample_secs,
            span_secs: evidence.span * sample_secs,
        })
    }

    /// The process started anew: what was seen is history, and no part of a trend.
    pub fn restarted(&mut self) {
        self.pyramid.restart();
        self.cycles.restart();
        self.by_level = [None; LEVELS];
        self.standing = None;
    }

    /// The process was killed for want of the resource: as [`restarted`](Self::restarted), but how it came to that is no
    /// history, or the same leak would be nothing new the next time.
    pub fn killed(&mut self) {
        self.pyramid.forget_run();
        self.restarted();
    }

    /// The model for the next pod of the same workload, which takes over the history.
    #[must_use]
    pub fn successor(&self) -> Self {
        let mut next = self.clone();
        next.restarted();
        next.sampling = Sampling::default();
        next
    }

    /// Samples taken in.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The strictest, then nearest exhaustion that the windows of one level show.
    fn evidence(&self, level: usize) -> Option<Evidence> {
        let horizon =
            self.params.horizon_samples.max(self.params.horizon_share * self.pyramid.reach(self.samples));
        let mut best: Option<Evidence> = None;
        for n in WINDOWS {
            if ((n << level) as f64) < self.params.span_samples_min {
                continue;
            }
            let Some(rise) = rise(&self.pyramid, level, n, self.params.trend_of) else { continue };
            let Some(found) = self.judged(&rise, horizon) else { continue };
            let stronger = |best: Evidence| (found.certainty, -found.left) > (best.certainty, -best.left);
            if best.is_none_or(stronger) {
                best = Some(found);
            }
        }
        best
    }

    fn judged(&self, rise: &Rise, horizon: f64) -> Option<Evidence> {
        let swings = Swings { period: self.cycles.period(), swing: self.cycles.swing() };
        let before = before(&self.pyramid, rise.span());
        let certainty = judge(rise, before, swings, &self.params, horizon)?;
        let slope = rise.trend.slope;
        Some(Evidence {
            certainty,
            seen: self.samples,
            left: rise.time_left(rise.top, slope),
            latest: rise.time_left(rise.floor, rise.trend.lower),
            per_sample: slope / rise.width,
            span: rise.span(),
            held: before.held,
        })
    }

    /// What stands now: the strongest evidence of the windows that are not yet followed by another of their level.
    fn settle(&mut self) {
        let samples = self.samples;
        let fresh = self.by_level.iter().enumerate();
        let fresh = fresh.filter_map(|(level, evidence)| evidence.filter(|e| samples - e.seen <= 1 << level));
        let strength = |e: &Evidence| (e.certainty, -(e.left - (samples - e.seen) as f64));
        let best = fresh.fold(None, |best: Option<Evidence>, e| match best {
            Some(best) if strength(&best) >= strength(&e) => Some(best),
            _ => Some(e),
        });
        let held = self.standing.filter(|old| (samples - old.seen) as f64 <= self.params.hold_samples);
        self.standing = best.or(held);
    }
}

/// Parts of the limit; `None` if that means nothing.
fn level_of(used: f64, limit: f64) -> Option<f64> {
    let usable = used.is_finite() && limit.is_finite() && limit > 0.0 && used >= 0.0;
    usable.then(|| (used / limit).min(LEVEL_MAX)).filter(|level| level.is_finite())
}

/// The point is `[used, limit]`; the score is 0 while nothing is ahead and grows as the end comes nearer.
impl Detector for ExhaustionModel {
    fn score(&self, at: i64, x: &[f64]) -> Option<RawScore> {
        let &[used, limit] = x else { return None };
        level_of(used, limit)?;
        if !self.sampling.is_after(at) || !self.maturity().is_mature() {
            return None;
        }
        let urgency = self.exhaustion().map_or(0.0, |ahead| 1.0 / (1.0 + ahead.left_secs));
        RawScore::new(urgency)
    }

    fn learn(&mut self, at: i64, x: &[f64]) {
        if let &[used, limit] = x {
            Self::learn(self, at, used, Some(limit));
        }
    }

    fn maturity(&self) -> Maturity {
        match WARM_UP.saturating_sub(self.samples) {
            0 => Maturity::Mature,
            needs => Maturity::WarmingUp { needs_points: needs as u32 },
        }
    }
}
