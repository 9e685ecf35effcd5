//! The hot tier: a detector so small that every series has one, in two cache lines. Three views, eleven nodes each, no
//! daily profile.
//!
//! The views are the value, its mean of 12 steps, and the distance of the value to its last 60 steps in its own
//! deviations; the surprise is the mean of their -log10 masses, the score its highest recent value. What it cannot see:
//! values that are usual, but not at this time of day.
//!
//! The cost of a point is memory first and transcendental functions second. So masses are whole numbers of 16 bits,
//! averages fade by `s / (s + tau)` (the implicit Euler step of `1 - exp(-s/tau)`), the three logarithms are one, and a
//! visit that weighs less than a unit is taken or not by a hash of the number of the point: right on average, and the
//! same on every machine.

use serde::{Deserialize, Serialize};

use super::grid::{self, Masses, NODES};
use crate::detector::{Detector, Maturity, RawScore};
use crate::univariate::Lesson;

const VIEWS: usize = 3;
const REACH: f64 = 1e18;
/// Time constants of the means, steps.
const SHORT_TAU: f32 = 6.0;
const LONG_TAU: f32 = 30.0;
/// Shortest step, in seconds.
const STEP_SECS_MIN: f32 = 10.0;
const STEPS_MAX: f32 = 1e6;
/// The distance to the last 60 steps cannot exceed the root of [`LONG_TAU`] deviations that hold the point itself.
const FAR_MAX: f32 = 5.5;
const MEMORY_POINTS: f32 = 10_000.0;
const MEMORY_SECS: f32 = 14.0 * 86_400.0;
const DEVIATION_RATE: f32 = 1.0 / 5000.0;
/// What a step leaves of the highest recent score is `HOLD / (HOLD + 1)`.
const HOLD: f32 = 9.0;
/// Units in a decade of the held score.
const HELD_UNITS: f32 = 8192.0;
const CHANGE_RATE: f32 = 0.02;
/// Units at which all masses are halved.
const TOTAL_MAX: u16 = 60_000;
/// Units that a visit weighs at first, as a power of two.
const FIRST_POWER: i8 = 4;
/// Points between two looks at whether a range has aged.
const AGE_POINTS: u32 = 64;
const WARM_UP_POINTS: u32 = 20;
const LOG10_2: f32 = core::f32::consts::LOG10_2;

/// How the hot tier judged a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HotReading {
    /// The score: highest recent surprise, in decades of rarity.
    pub score: RawScore,
    /// Surprise of this point alone; what an alarm is raised by.
    pub surprise: f64,
}

/// What the bank knows of a series, kept here because this memory is at hand when a point comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub(super) enum Seat {
    /// Nobody's.
    Vacant,
    /// In the hot tier only.
    Hot,
    /// In the full tier as well.
    Full,
}

/// The hot detector of one series.
///
/// ```
/// use models::{Detector, bank::HotSurprise, univariate::Lesson};
/// assert!(size_of::<HotSurprise>() == 128);
/// let mut hot = HotSurprise::new();
/// for n in 0..500 {
///     hot.observe(n * 60_000_000_000, (n % 7) as f64, Lesson::Learn);
/// }
/// let score = |x: f64| hot.score(500 * 60_000_000_000, &[x]).unwrap().value();
/// assert!(score(3.0) < 1.0 && score(50.0) > 2.0);
/// ```
///
/// # Invariants
/// All numbers are finite but `scale`, which is infinite while a range is one value; no mass exceeds `total` by more than
/// rounding.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[repr(C, align(128))]
pub struct HotSurprise {
    last_at: i64,
    points: u32,
    /// The first value; all arithmetic is on the distance to it.
    origin: f32,
    interval_secs: f32,
    short: f32,
    long: f32,
    variance: f32,
    deviation: f32,
    /// Lower ends of the ranges of value and mean, and cells per unit of value.
    low: [f32; 2],
    scale: [f32; 2],
    /// Units of all visits, the same for every view.
    total: u16,
    held: u16,
    /// Share of the recent points that differ from the one before, in 65535ths.
    changes: u16,
    /// Of the last value.
    last_hash: u16,
    /// A visit weighs two to this many units.
    power: i8,
    pub(super) seat: Seat,
    #[serde(with = "grid::fixed")]
    masses: [Masses; VIEWS],
}

/// A point as seen before it is learned.
#[derive(Debug, Clone, Copy)]
struct Look {
    value: f32,
    origin: f32,
    gap_secs: f32,
    first: f32,
    short: f32,
    long: f32,
    variance: f32,
    places: [f32; VIEWS],
    surprise: f32,
    held: f32,
}

impl Default for HotSurprise {
    fn default() -> Self {
        Self::new()
    }
}

impl HotSurprise {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            last_at: i64::MIN,
            points: 0,
            origin: 0.0,
            interval_secs: 60.0,
            short: 0.0,
            long: 0.0,
            variance: 0.0,
            deviation: 0.0,
            low: [0.0; 2],
            scale: [f32::INFINITY; 2],
            total: 0,
            held: 0,
            changes: 0,
            last_hash: 0,
            power: FIRST_POWER,
            seat: Seat::Vacant,
            masses: [[0; NODES]; VIEWS],
        }
    }

    /// Judges a point and then takes it in; `None` while warming up or for a point that cannot be used.
    #[inline]
    pub fn observe(&mut self, at: i64, x: f64, lesson: Lesson) -> Option<HotReading> {
        let look = self.look(at, x)?;
        let reading = self.reading(&look);
        self.note(at, &look);
        if lesson == Lesson::Learn {
            self.visit(&look);
        }
        reading
    }

    /// How a point would be judged; nothing changes.
    #[must_use]
    pub fn read(&self, at: i64, x: f64) -> Option<HotReading> {
        self.reading(&self.look(at, x)?)
    }

    /// What another series may begin with: as if learned from [`super::OWN_POINTS`] points, before the first of its own.
    pub(super) fn as_prior(&self) -> Self {
        let visits = f32::from(self.total) / self.visit_units();
        let units = visits.min(super::OWN_POINTS as f32) * libm::exp2f(f32::from(FIRST_POWER));
        let part = units / f32::from(self.total.max(1));
        let scaled = |masses: Masses| masses.map(|mass| (f32::from(mass) * part + 0.5) as u16);
        Self {
            last_at: i64::MIN,
            points: self.points.min(super::OWN_POINTS),
            total: units as u16,
            held: 0,
            power: FIRST_POWER,
            seat: Seat::Hot,
            masses: self.masses.map(scaled),
            ..*self
        }
    }

    /// Reads a number of each cache line, so that they are on their way when they are needed.
    #[inline]
    pub(super) fn touch(&self) -> u32 {
        self.points ^ u32::from(self.masses[VIEWS - 1][NODES - 1])
    }

    /// Whether it is time to ask for a place in the full tier: at the first point, and every so many points.
    #[inline]
    pub(super) fn asks(&self) -> bool {
        self.points == 1 || self.points.is_multiple_of(super::ASK_POINTS)
    }

    /// Points seen.
    #[must_use]
    pub fn points(&self) -> u32 {
        self.points
    }

    /// Share of the recent points that differ from the one before, 0 to 1: a series that never moves needs no model.
    #[must_use]
    pub fn change_share(&self) -> f64 {
        f64::from(self.changes) / 65_535.0
    }

    fn reading(&self, look: &Look) -> Option<HotReading> {
        if self.points < WARM_UP_POINTS {
            return None;
        }
        Some(HotReading { score: RawScore::new(f64::from(look.held))?, surprise: f64::from(look.surprise) })
    }

    #[inline]
    fn look(&self, at: i64, x: f64) -> Option<Look> {
        if !x.is_finite() || at <= self.last_at {
            return None;
        }
        let origin = if self.points == 0 { x.clamp(-REACH, REACH) as f32 } else { self.origin };
        let value = (x - f64::from(origin)).clamp(-REACH, REACH) as f32;
        let gap_secs = (at.saturating_sub(self.last_at) as f64 * 1e-9) as f32;
        let steps = self.steps(gap_secs);
        let first = 1.0 / (self.points as f32 + 1.0);
        let short = self.short + (steps / (steps + SHORT_TAU)).max(first) * (value - self.short);
        let part = (steps / (steps + LONG_TAU)).max(first);
        let off = value - self.long;
        let long = self.long + part * off;
        let variance = (1.0 - part) * (self.variance + part * off * off);
        let floor = 1e-9 + 0.26 * self.deviation + 1e-7 * origin.abs();
        let far = (value - long) / (libm::sqrtf(variance) + floor);
        let places = [
            (value - self.low[0]) * self.scale[0],
            (short - self.low[1]) * self.scale[1],
            ((far + FAR_MAX) * (grid::LAST / (2.0 * FAR_MAX))).clamp(0.0, grid::LAST),
        ];
        let surprise = self.surprise(&places);
        let held = surprise.max(f32::from(self.held) / HELD_UNITS * (HOLD / (HOLD + steps)));
        Some(Look { value, origin, gap_secs, first, short, long, variance, places, surprise, held })
    }

    /// Steps that a gap lasts; jitter of up to half an interval is none ([`crate::univariate`]).
    #[inline]
    fn steps(&self, gap_secs: f32) -> f32 {
        let usual = (gap_secs - self.interval_secs).abs() <= 0.5 * self.interval_secs || self.points < 2;
        if usual && self.interval_secs >= STEP_SECS_MIN {
            return 1.0;
        }
        let secs = if usual { self.interval_secs } else { gap_secs };
        (secs / self.interval_secs.max(STEP_SECS_MIN)).min(STEPS_MAX)
    }

    /// Mean over the views of -log10((mass + 1/2)/(visits + 1/2)), in units of a visit: none where every visit was.
    #[inline]
    fn surprise(&self, places: &[f32; VIEWS]) -> f32 {
        // less than a unit cannot be told from nothing
        let visit = self.visit_units().max(1.0);
        let all = f32::from(self.total) + 0.5 * visit;
        let mass = |view: usize| grid::mass(&self.masses[view], places[view]) + 0.5 * visit;
        // one division and one logarithm for all three; totals are below 2^16, so the products are far from the end of `f32`
        let ratio = all * all * all / (mass(0) * mass(1) * mass(2));
        // halved units are rounded: a node may hold a little more than half of all
        (LOG10_2 / VIEWS as f32 * libm::log2f(ratio)).max(0.0)
    }

    #[inline]
    fn visit_units(&self) -> f32 {
        // two to the power, by its bits
        f32::from_bits(((127 + i32::from(self.power)) as u32) << 23)
    }

    /// Takes the point into the short memory.
    #[inline]
    fn note(&mut self, at: i64, look: &Look) {
        if self.last_at != i64::MIN {
            self.learn_interval(look.gap_secs);
        }
        let hash = (look.value.to_bits().wrapping_mul(0x9e37_79b1) >> 16) as u16;
        let changed = if hash == self.last_hash || self.points == 0 { 0.0 } else { 65_535.0 };
        let changes = f32::from(self.changes);
        self.changes = (changes + CHANGE_RATE.max(look.first) * (changed - changes) + 0.5) as u16;
        (self.last_at, self.origin, self.last_hash) = (at, look.origin, hash);
        (self.short, self.long, self.variance) = (look.short, look.long, look.variance);
        self.held = (look.held * HELD_UNITS + 0.5) as u16;
        self.points = self.points.saturating_add(1);
    }

    /// As [`crate::univariate`] learns it: a running median of the gaps on a logarithmic scale.
    #[inline]
    fn learn_interval(&mut self, gap_secs: f32) {
        let gap_secs = gap_secs.max(1e-3);
        if self.points == 1 {
            self.interval_secs = gap_secs;
        } else if (gap_secs - self.interval_secs).abs() > 0.01 * self.interval_secs {
            let reach = 1.0 + (1.0 / self.points as f32).max(0.03);
            self.interval_secs = gap_secs.clamp(self.interval_secs / reach, self.interval_secs * reach);
        }
    }

    /// Takes the point, already noted, into the model.
    #[inline]
    fn visit(&mut self, look: &Look) {
        let off = (look.value - look.long).abs();
        let off = if self.points > 50 { off.min(6.0 * self.deviation) } else { off };
        self.deviation += DEVIATION_RATE.max(look.first) * (off - self.deviation);
        let draw = grid::draw(self.points);
        let units = grid::whole(self.visit_units(), draw);
        if units > 0 {
            for (view, y) in [look.value, look.short].into_iter().enumerate() {
                let (place, draw) = (look.places[view], draw.rotate_left(9 + 7 * view as u32));
                let place = if grid::is_inside(place) { place } else { self.grow(view, y, place, draw) };
                grid::add(&mut self.masses[view], place, units, draw);
            }
            grid::add(&mut self.masses[2], look.places[2], units, draw.rotate_left(23));
            self.total = self.total.saturating_add(units);
            if self.total >= TOTAL_MAX {
                self.halve(draw);
            }
        }
        if self.points.is_multiple_of(AGE_POINTS) {
            self.age(draw);
        }
    }

    /// Lets the range of a view reach to `y`, at `place` now; where it lies then.
    #[cold] // not so for young series, but old ones are 1.6 ns faster with it and young ones no slower
    fn grow(&mut self, view: usize, y: f32, place: f32, draw: u32) -> f32 {
        let (low, scale) = (self.low[view], self.scale[view]);
        let is_empty = self.total == 0;
        let (low, high) = if is_empty { (y, y) } else { (low.min(y), (low + grid::LAST / scale).max(y)) };
        if !is_empty && grid::is_near(place) {
            grid::widened(&mut self.masses[view], place, draw);
            (self.low[view], self.scale[view]) = (low, grid::LAST / (high - low));
            return place.clamp(0.0, grid::LAST);
        }
        self.regrid(view, (low, high), draw);
        (y - self.low[view]) * self.scale[view]
    }

    fn regrid(&mut self, view: usize, (low, high): (f32, f32), draw: u32) {
        let scale = grid::LAST / (high - low);
        grid::moved(&mut self.masses[view], (self.low[view], self.scale[view]), (low, scale), draw);
        (self.low[view], self.scale[view]) = (low, scale);
    }

    /// Halves what was visited; visits weigh half as much too, until they weigh what the memory asks for.
    #[cold]
    fn halve(&mut self, draw: u32) {
        self.masses.iter_mut().for_each(|masses| grid::halve(masses, draw));
        self.total /= 2;
        let memory = (MEMORY_SECS / self.interval_secs).clamp(MEMORY_POINTS, 1e9);
        // a visit of so many units is halved, on average, as often as one that fades with that memory
        let units = f32::from(TOTAL_MAX) / (2.0 * core::f32::consts::LN_2 * memory);
        if self.visit_units() > units && self.power > -20 {
            self.power -= 1;
        }
    }

    /// Lets a range end where no mass is left: cuts at most one cell on either side.
    #[cold]
    fn age(&mut self, draw: u32) {
        for view in 0..2 {
            let cell = 1.0 / self.scale[view];
            let (from, upto) = grid::faint_ends(&self.masses[view]);
            if cell > 0.0 && from + upto > 0 {
                let low = self.low[view];
                let high = low + cell * (grid::LAST - f32::from(upto));
                self.regrid(view, (low + cell * f32::from(from), high), draw);
            }
        }
    }
}

impl Detector for HotSurprise {
    fn score(&self, at: i64, x: &[f64]) -> Option<RawScore> {
        let &[x] = x else { return None };
        self.read(at, x).map(|reading| reading.score)
    }

    fn learn(&mut self, at: i64, x: &[f64]) {
        if let &[x] = x {
            self.observe(at, x, Lesson::Learn);
        }
    }

    fn maturity(&self) -> Maturity {
        match WARM_UP_POINTS.saturating_sub(self.points) {
            0 => Maturity::Mature,
            needs_points => Maturity::WarmingUp { needs_points },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Scenario: up to 60 points that rise, fall or jump, of any size and offset; no range has aged yet.
        /// Guarantees: value and mean lie inside of their range once they were shown; what lies beyond the highest by a
        /// thousandth of the range, or below the lowest by that, is outside.
        #[test]
        fn ranges_are_what_was_shown(
            steps in prop::collection::vec((-1.0..1.0_f64, 0..6_u32), 1..60),
            rise in -1.0..1.0_f64,
            size in -6..7_i32,
            offset in -100.0..100.0_f64,
        ) {
            let (mut hot, mut x) = (HotSurprise::new(), 0.0);
            let mut shown = [const { Vec::new() }; 2];
            for (n, (step, decimals)) in (0..).zip(steps) {
                x += (rise + step) * 0.1_f64.powi(decimals as i32);
                let (at, x) = (n * 60_000_000_000, (x + offset) * 10_f64.powi(size));
                let look = hot.look(at, x).unwrap();
                shown[0].push(look.value);
                shown[1].push(look.short);
                hot.observe(at, x, Lesson::Learn);
            }
            for (view, shown) in shown.iter().enumerate() {
                let is_inside = |y: f32| grid::is_inside((y - hot.low[view]) * hot.scale[view]);
                let (low, high) = shown.iter().fold((f32::MAX, f32::MIN), |(low, high), y| (low.min(*y), high.max(*y)));
                let beyond = (1e-3 * (high - low)).max(1e-6 * high.abs().max(low.abs())).max(1e-30);
                for y in shown {
                    prop_assert!(is_inside(*y), "{y} in {low} to {high}, view {view}: {hot:?}");
                }
                prop_assert!(!is_inside(high + beyond) && !is_inside(low - beyond), "{low} to {high}, view {view}: {hot:?}");
            }
        }
    }
}
