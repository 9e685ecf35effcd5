//! One metric of a vector: seven ways in which a value can be out of the ordinary, each scored by its rarity.
//!
//! Nonconformities are ratios of a deviation to what is usual for this metric, so no unit and no scale is assumed. They
//! are compared with their own past ([`Tail`]); the largest of the seven is the metric's evidence. Windows are counted
//! in points, the profile in time. All values are differences from the metric's first one (single precision is enough
//! then), everything is computed before anything is learned.

use serde::{Deserialize, Serialize};

use super::profile::{Place, Profile};
use super::tail::{Position, Tail};

/// Ways in which a metric can be out of the ordinary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Far from its slow level.
    Level,
    /// Mean of 6 points far from the level.
    ShortMean,
    /// Mean of 24 points far from the level.
    LongMean,
    /// Far from where it has just been.
    Recent,
    /// Far from what it shows at this time of day.
    TimeOfDay,
    /// A jump from one point to the next.
    Step,
    /// What the other metrics do not explain.
    Partners,
}

/// All kinds, in the order of their tails.
pub(super) const KINDS: [Kind; 7] =
    [Kind::Level, Kind::ShortMean, Kind::LongMean, Kind::Recent, Kind::TimeOfDay, Kind::Step, Kind::Partners];

const SHORT: usize = 6;
const LONG: usize = 24;
/// Weight of a new point in the recent level.
const RECENT: f32 = 1.0 / 6.0;
/// Smallest usual deviation as a part of the range, and of the level.
const RANGE_FLOOR: f32 = 0.0005;
const LEVEL_FLOOR: f64 = 1e-7;
/// Deviations beyond this many usual ones are learned as this many.
const CLIP: f32 = 6.0;
/// A metric's evidence above which it is learned damped, and an evidence above which its tail is.
const EXTREME: f32 = 3.0;
const EXTREME_TAIL: f32 = 2.0;
/// The part of a full weight that is left to the extreme.
const DAMPED: f32 = 0.1;
const DAMPED_TAIL: f32 = 0.02;

/// What is outside the metric but matters to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings {
    pub place: Place,
    /// Of the values so far, the present one included.
    pub range: f64,
    /// What the other metrics do not explain.
    pub partner: f32,
    pub memory: f32,
    /// Whether windows from before a gap are of no use.
    pub interrupted: bool,
    /// A kind that is not looked at.
    pub without: Option<Kind>,
}

/// What a metric says of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// Decades of rarity, by kind.
    pub decades: [f32; KINDS.len()],
    /// The largest of them, and its kind.
    pub largest: (f32, Kind),
    /// Deviations as they are learned.
    offs: [f32; KINDS.len()],
    /// Nonconformities as the tails know them.
    at: [Position; KINDS.len()],
    value: f32,
    floor: f32,
}

/// The largest, and its kind; of equal ones the first.
fn largest(decades: &[f32; KINDS.len()]) -> (f32, Kind) {
    let mut largest = (decades[0], KINDS[0]);
    for (&of_kind, kind) in decades.iter().zip(KINDS) {
        if of_kind > largest.0 {
            largest = (of_kind, kind);
        }
    }
    largest
}

/// How points are learned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lesson {
    /// Part of a full weight that the vector as a whole deserves.
    pub part: f32,
    pub memory: f32,
    /// Time since the last point.
    pub gap_secs: f32,
    /// For how long the extreme is learned damped.
    pub resist_secs: f32,
}

/// State of one metric: about 3.3 KB, 2.1 of them in eight tails.
///
/// # Invariants
/// All numbers are finite; `recent` holds at most 24 values and `residuals` 12, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Metric {
    origin: f64,
    points: u32,
    level: f32,
    recent_level: f32,
    last: f32,
    /// Usual size of each kind's deviation; unused for the time of day (the profile has its own) and for partners.
    usual: [f32; KINDS.len()],
    recent: Vec<f32>,
    profile: Profile,
    tails: Vec<Tail>,
    /// For how long each tail, and the metric (last), has lately been extreme.
    extreme_secs: [f32; KINDS.len() + 1],
}

impl Metric {
    pub(super) fn new() -> Self {
        Self {
            origin: 0.0,
            points: 0,
            level: 0.0,
            recent_level: 0.0,
            last: 0.0,
            usual: [0.0; KINDS.len()],
            recent: Vec::with_capacity(LONG),
            profile: Profile::new(),
            tails: vec![Tail::new(); KINDS.len()],
            extreme_secs: [0.0; KINDS.len() + 1],
        }
    }

    /// What the metric says of `value`; nothing for its first one.
    pub(super) fn evidence(&self, value: f64, around: &Surroundings) -> Option<Evidence> {
        if self.points == 0 {
            return None;
        }
        let level_size = libm::fabs(self.origin + f64::from(self.level));
        let floor = RANGE_FLOOR * around.range as f32 + (LEVEL_FLOOR * level_size) as f32 + 1e-9;
        let value = (value - self.origin) as f32;
        let recent: &[f32] = if around.interrupted { &[] } else { &self.recent };
        let expected = self.profile.expected(around.place);
        let residual = expected.map(|(mean, _)| value - mean);
        let offs = [
            (value - self.level).abs(),
            (mean_with(recent, value, SHORT) - self.level).abs(),
            (mean_with(recent, value, LONG) - self.level).abs(),
            (value - self.recent_level).abs(),
            residual.map_or(0.0, f32::abs),
            (value - self.last).abs(),
            around.partner,
        ];
        let usual = self.usual_sizes(floor, expected.map(|(_, deviation)| deviation));
        let at: [Position; KINDS.len()] = std::array::from_fn(|kind| Position::of(offs[kind] / usual[kind]));
        let decades: [f32; KINDS.len()] = std::array::from_fn(|kind| match around.without {
            Some(without) if without == KINDS[kind] => 0.0,
            _ => self.tails[kind].decades(at[kind], around.memory),
        });
        Some(Evidence { largest: largest(&decades), decades, offs, at, value, floor })
    }

    fn usual_sizes(&self, floor: f32, slot_deviation: Option<f32>) -> [f32; KINDS.len()] {
        let [level, short, long, recent, _, step, _] = self.usual;
        let half = 0.5 * floor;
        let of_day = 0.5 * slot_deviation.unwrap_or(0.0) + 0.25 * level + floor;
        [level + floor, short + half, long + half, recent + floor, of_day, step + half, 1.0]
    }

    /// Moves windows on; called for every point, learned or not.
    pub(super) fn pass(&mut self, value: f64, evidence: Option<&Evidence>) {
        let Some(evidence) = evidence else {
            (self.origin, self.points) = (value, 1);
            push(&mut self.recent, 0.0, LONG);
            return;
        };
        self.points = self.points.saturating_add(1);
        let recent = RECENT.max(1.0 / self.points as f32);
        self.recent_level += recent * (evidence.value - self.recent_level);
        self.last = evidence.value;
        push(&mut self.recent, evidence.value, LONG);
    }

    /// Forgets the windows, after a gap.
    pub(super) fn interrupt(&mut self) {
        self.recent.clear();
    }

    /// Takes what was seen into the model.
    pub(super) fn learn(&mut self, evidence: &Evidence, place: Place, lesson: &Lesson) {
        for kind in 0..KINDS.len() {
            let extreme = evidence.decades[kind] > EXTREME_TAIL;
            let part = self.damped(kind, extreme, lesson, DAMPED_TAIL);
            self.tails[kind].learn(evidence.at[kind], part, lesson.memory);
        }
        let lasting = [0, 1, 2, 4, 6].into_iter().map(|kind| evidence.decades[kind]);
        let extreme = lasting.fold(0.0, f32::max) > EXTREME;
        let part = self.damped(KINDS.len(), extreme, lesson, DAMPED);
        let step = part * (1.0 / lesson.memory).max(1.0 / self.points.max(2) as f32);
        let reach = CLIP * (self.usual[0] + evidence.floor);
        let early = self.points < 50;
        let off = evidence.value - self.level;
        let off = if early { off } else { off.clamp(-reach, reach) };
        self.level += step * off;
        self.usual[0] += step * (off.abs() - self.usual[0]);
        for kind in [1, 2, 5] {
            self.usual[kind] += step * (evidence.offs[kind] - self.usual[kind]);
        }
        let recent_step = if early { step } else { part * 0.02_f32.max(1.0 / self.points as f32) };
        let recent_reach = if early { f32::MAX } else { CLIP * (self.usual[3] + evidence.floor) };
        self.usual[3] += recent_step * (evidence.offs[3].min(recent_reach) - self.usual[3]);
        self.profile.learn(place, evidence.value, part);
    }

    /// The part of a full weight, less for what is extreme unless it has been so for too long.
    fn damped(&mut self, slot: usize, extreme: bool, lesson: &Lesson, left: f32) -> f32 {
        let spent = &mut self.extreme_secs[slot];
        let resists = extreme && *spent < lesson.resist_secs && self.points > 200;
        let sign = if extreme { 1.0 } else { -1.0 };
        *spent = (*spent + sign * lesson.gap_secs).clamp(0.0, 1.5 * lesson.resist_secs);
        if resists { left * lesson.part } else { lesson.part }
    }
}

/// Mean of the newest `count` values, `value` being the newest.
fn mean_with(window: &[f32], value: f32, count: usize) -> f32 {
    let newest = &window[window.len().saturating_sub(count - 1)..];
    (newest.iter().sum::<f32>() + value) / (newest.len() + 1) as f32
}

fn push(window: &mut Vec<f32>, value: f32, limit: usize) {
    if window.len() == limit {
        window.copy_within(1.., 0);
        window.pop();
    }
    window.push(value);
}
