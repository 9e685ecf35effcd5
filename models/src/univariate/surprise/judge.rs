//! The arithmetic of the mean-surprise detector on borrowed state, shared by the single and the columnar form.
//!
//! `look` judges a point and changes nothing; `note` takes it into the short memory; `learn` into the model. Both forms
//! call the same three functions, so they give the same bits.

use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::histogram::{Mark, RangeHistogram, log10};
use super::pace::Pace;
use super::params::{Periods, SurpriseParams};
use super::profile::{self, Place, Slot, Teaching, Usual};
use super::rhythm::{Beat, Moment, Rhythm, Taught};
use super::shape::{Course, Shape};
use super::signals::{Averages, OF_THE_POINT, SIGNALS, Signals, Yard, standard};

const SECS_PER_DAY: f32 = 86_400.0;
const SECS_PER_HOUR: f32 = 3_600.0;
const SECS_PER_MINUTE: f32 = 60.0;
/// Largest distance from the first value; beyond it squares would leave the range of `f32`.
const REACH: f64 = 1e18;
/// A residual of so many usual errors is extreme, once this many residuals were seen.
const EXTREME: f32 = 5.0;
const KNOWN_RESIDUALS: f32 = 200.0;
/// Net extreme points in a row that teach little; after them the extreme is the new normal.
const EXTREME_DAMPED: f32 = 100.0;
/// Unclipped points at the start.
const START_POINTS: u32 = 50;
/// How fast `offset` follows today, per step.
const OFFSET_RATE: f32 = 0.05;
/// Weights of visits are rescaled beyond this.
const WEIGHT_MAX: f32 = 256.0;
/// Points between two looks at whether a range has aged.
const AGE_POINTS: u32 = 64;

/// The scalars of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Short {
    last_at: i64,
    points: u32,
    /// The first value; all arithmetic is on the distance to it.
    origin: f64,
    pace: Pace,
    level: f32,
    deviation: f32,
    offset: f32,
    usual_error: f32,
    residuals: f32,
    extremes: f32,
    held: f32,
    weight: f32,
    course: Course,
    averages: Averages,
    beat: Beat,
}

impl Short {
    pub(crate) fn new() -> Self {
        Self {
            last_at: i64::MIN,
            points: 0,
            origin: 0.0,
            pace: Pace::UNKNOWN,
            level: 0.0,
            deviation: 0.0,
            offset: 0.0,
            usual_error: 0.0,
            residuals: 0.0,
            extremes: 0.0,
            held: 0.0,
            weight: 1.0,
            course: Course::default(),
            averages: Averages::default(),
            beat: Beat::new(),
        }
    }

    /// The same, learned from at most so many points, before the first of its own; and what a visit weighed before, which is
    /// one from now on.
    pub(crate) fn as_prior(&self, points: u32) -> (Self, f32) {
        let prior = Self {
            last_at: i64::MIN,
            points: self.points.min(points),
            residuals: self.residuals.min(points as f32),
            extremes: 0.0,
            held: 0.0,
            weight: 1.0,
            course: Course::default(),
            beat: self.beat.as_prior(),
            ..*self
        };
        (prior, self.weight)
    }

    pub(crate) fn points(&self) -> u32 {
        self.points
    }

    pub(crate) fn interval_secs(&self) -> f32 {
        self.pace.interval_secs()
    }

    pub(crate) fn beat(&self) -> &Beat {
        &self.beat
    }

    fn yard(&self) -> Yard {
        // relative to the value itself, not to its distance from the first one
        let size = (self.origin + f64::from(self.level)).abs().min(REACH) as f32;
        let floor = 1e-9 + 0.01 * self.deviation + 1e-7 * size;
        Yard { deviation: self.deviation, floor, offset: self.offset }
    }
}

/// What every point of a series touches, beside two slots of its day: one block of memory that is read as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[repr(C, align(64))]
pub(crate) struct Front {
    pub(crate) short: Short,
    pub(crate) histograms: [RangeHistogram; SIGNALS],
}

impl Front {
    pub(crate) fn new() -> Self {
        Self { short: Short::new(), histograms: [RangeHistogram::EMPTY; SIGNALS] }
    }

    /// Reads a number of each cache line but what ends the last histogram; the loads do not depend on each other.
    #[inline]
    pub(crate) fn touch(&self) -> u32 {
        let short = &self.short;
        let scalars = short.beat.touch() ^ short.last_at as u32 ^ short.points ^ short.weight.to_bits();
        self.histograms.iter().fold(scalars, |sum, histogram| sum ^ histogram.touch())
    }
}

/// A point as it comes, with its local time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: i64,
    pub(crate) local_secs: i64,
    pub(crate) value: f64,
}

/// A point as the model sees it before it learns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Look {
    at: i64,
    value: f32,
    steps: f32,
    place: Place,
    moment: Moment,
    /// What the rhythm adds to the usual day, and what it would.
    rhythm: (f32, Option<f32>),
    usual: Option<Usual>,
    yard: Yard,
    averages: Averages,
    views: Signals,
    marks: [Mark; SIGNALS],
    course: Course,
    origin: f64,
    ordinary_day: bool,
    /// Mean surprise of all views.
    pub(crate) surprise: f32,
    /// Mean surprise of the views of the point itself.
    pub(crate) of_the_point: f32,
    /// Highest recent mean surprise of all views, fading.
    pub(crate) held: f32,
    /// The view that surprised most.
    pub(crate) strongest: usize,
}

impl Look {
    pub(crate) fn shape(&self) -> Shape {
        let standing = self.usual.map_or(0.0, |usual| self.averages.standing() / standard(usual, &self.yard));
        self.course.shape(standing)
    }

    /// What the usual day (as it runs today) or else the slow level expects, and the usual deviation from it.
    pub(crate) fn expectation(&self, short: &Short) -> (f64, f64) {
        match self.usual {
            Some(usual) => {
                let expected = usual.level + short.offset;
                (self.origin + f64::from(expected), f64::from(2.0 * standard(usual, &self.yard)))
            }
            None => (self.origin + f64::from(short.level), f64::from(self.yard.deviation + self.yard.floor)),
        }
    }
}

/// The state of one series, borrowed from wherever it lives.
#[derive(Debug)]
pub(crate) struct Model<'a> {
    pub(crate) front: &'a mut Front,
    pub(crate) slots: &'a mut [Slot],
    pub(crate) rhythm: &'a mut Rhythm,
}

/// The same to be read only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) front: &'a Front,
    pub(crate) slots: &'a [Slot],
    pub(crate) rhythm: &'a Rhythm,
}

/// Judges a point; `None` for one that cannot be used.
pub(crate) fn look(
    params: &SurpriseParams,
    calendar: &Calendar,
    known: Known<'_>,
    sample: Sample,
) -> Option<Look> {
    let (short, Sample { at, local_secs, value: x }) = (&known.front.short, sample);
    if !x.is_finite() || (short.points > 0 && at <= short.last_at) {
        return None;
    }
    let origin = if short.points == 0 { x.clamp(-REACH, REACH) } else { short.origin };
    let value = (x - origin).clamp(-REACH, REACH) as f32;
    let steps = if short.points == 0 { 1.0 } else { short.pace.steps(at.saturating_sub(short.last_at)) };
    let steps = steps.min(params.gap_steps_max as f32);
    let (place, moment) = (Place::at(local_secs), Moment::of(local_secs));
    let rhythm = match params.periods {
        Periods::None => (0.0, None),
        Periods::Week | Periods::Found => short.beat.beside_the_day(known.rhythm, moment),
    };
    let usual = profile::usual(known.slots, place);
    let usual = usual.map(|usual| Usual { level: usual.level + rhythm.0, ..usual });
    let yard = short.yard();
    let (averages, views) = short.averages.peek(value, steps, usual, &yard);
    let mut marks = [Mark::NOWHERE; SIGNALS];
    let surprise = mean_surprise(params, known.front, &views, &mut marks);
    // the power of one step is the factor itself
    let fading = if steps == 1.0 { params.hold as f32 } else { libm::powf(params.hold as f32, steps) };
    let held = surprise.of_all.max(short.held * fading);
    let off = usual.map_or(0.0, |usual| (value - usual.level) / standard(usual, &yard));
    Some(Look {
        at,
        value,
        steps,
        place,
        moment,
        rhythm,
        usual,
        yard,
        averages,
        views,
        marks,
        course: short.course.next(off, steps),
        origin,
        ordinary_day: !calendar.is_holiday_at(local_secs),
        surprise: surprise.of_all,
        of_the_point: surprise.of_the_point,
        held,
        strongest: surprise.strongest,
    })
}

/// What the views say together.
#[derive(Debug, Clone, Copy)]
struct MeanSurprises {
    of_all: f32,
    of_the_point: f32,
    strongest: usize,
}

/// (mean of s^p)^(1/p) over the views that count, over those of them that are of the point itself, and the largest s. An
/// absent view counts as no surprise; a value outside of a range surprises more the farther it lies. Also where each view lies.
fn mean_surprise(
    params: &SurpriseParams,
    front: &Front,
    views: &Signals,
    marks: &mut [Mark; SIGNALS],
) -> MeanSurprises {
    let counted = params.views;
    let (mut rarities, mut outside) = ([1.0_f32; SIGNALS], 0_u32);
    for (nth, ((histogram, view), mark)) in front.histograms.iter().zip(views).zip(&mut *marks).enumerate() {
        if !view.is_nan() && counted >> nth & 1 == 1 {
            *mark = histogram.mark(*view);
            rarities[nth] = histogram.rarity(*mark, front.short.weight);
            outside |= u32::from(mark.is_outside()) << nth;
        }
    }
    // whole arrays at a time, without a branch
    let mut surprises = rarities.map(|rarity| log10(rarity.max(1.0)));
    if outside != 0 {
        add_farness(params.beyond as f32, front, (views, marks, outside), &mut surprises);
    }
    let parts = raised(surprises, params.power as f32);
    let (mut of_all, mut of_the_point) = (0.0_f32, 0.0_f32);
    let (mut strongest, mut most) = (0, 0.0_f32);
    for (nth, (surprise, part)) in surprises.into_iter().zip(parts).enumerate() {
        of_all += part;
        of_the_point += if OF_THE_POINT >> nth & 1 == 1 { part } else { 0.0 };
        if surprise > most {
            (strongest, most) = (nth, surprise);
        }
    }
    let mean = |sum: f32, views: u32| root(sum / views.count_ones().max(1) as f32, params.power as f32);
    MeanSurprises {
        of_all: mean(of_all, counted),
        of_the_point: mean(of_the_point, counted & OF_THE_POINT),
        strongest,
    }
}

/// What the views lose in mass no more, however far outside of their ranges they lie; few points have such a view.
#[cold]
fn add_farness(
    beyond: f32,
    front: &Front,
    (views, marks, outside): (&Signals, &[Mark; SIGNALS], u32),
    surprises: &mut [f32; SIGNALS],
) {
    for nth in (0..SIGNALS).filter(|nth| outside >> nth & 1 == 1) {
        surprises[nth] += beyond * front.histograms[nth].farness((views[nth], marks[nth]));
    }
}

/// Numbers to a power; the usual one costs a square root.
fn raised(numbers: [f32; SIGNALS], power: f32) -> [f32; SIGNALS] {
    if power == 1.5 {
        numbers.map(|number| number * libm::sqrtf(number))
    } else {
        numbers.map(|number| libm::powf(number, power))
    }
}

/// The number of which it is the power.
fn root(raised: f32, power: f32) -> f32 {
    if power == 1.5 { libm::cbrtf(raised * raised) } else { libm::powf(raised, 1.0 / power) }
}

/// Takes the point into the short memory: averages, course and held score, but nothing that says what is normal.
pub(crate) fn note(short: &mut Short, look: &Look) {
    if short.last_at != i64::MIN {
        short.pace.learn(look.at.saturating_sub(short.last_at));
    }
    short.origin = look.origin;
    short.last_at = look.at;
    short.points = short.points.saturating_add(1);
    short.averages = look.averages;
    short.course = look.course;
    short.held = look.held;
}

/// Takes the point, already noted, into the model.
pub(crate) fn learn(params: &SurpriseParams, model: &mut Model<'_>, look: &Look) {
    visit(params, model.front, look);
    let damping = learn_residual(params, &mut model.front.short, look);
    learn_profile(params, model, look, damping);
    learn_rhythm(params, model, look);
    rebase(params, model);
    learn_level(params, &mut model.front.short, look);
}

fn visit(params: &SurpriseParams, front: &mut Front, look: &Look) {
    let Front { short, histograms } = front;
    let weight = short.weight;
    for (nth, histogram) in histograms.iter_mut().enumerate() {
        if !look.views[nth].is_nan() && params.views >> nth & 1 == 1 {
            histogram.visit((look.views[nth], look.marks[nth]), weight);
        }
    }
    if short.points.is_multiple_of(AGE_POINTS) {
        histograms.iter_mut().for_each(|histogram| histogram.age(params.aged_visits as f32 * weight));
    }
    let interval_days = short.pace.interval_secs() / SECS_PER_DAY;
    let memory = (params.memory_days as f32 / interval_days).max(params.memory_points as f32);
    // a gap fades no more than a day of points would: absence is not news about values
    let points = (look.steps * short.pace.step_secs() / short.pace.interval_secs())
        .clamp(1.0, 1.0 / interval_days.min(1.0));
    short.weight *= 1.0 + points / memory;
    if short.weight > WEIGHT_MAX {
        let factor = 1.0 / short.weight;
        histograms.iter_mut().for_each(|histogram| histogram.rescale(factor));
        short.weight = 1.0;
    }
}

/// Follows today's offset and the usual error; gives how much the point may teach the profile.
fn learn_residual(params: &SurpriseParams, short: &mut Short, look: &Look) -> f32 {
    let Some(usual) = look.usual else { return 1.0 };
    let residual = look.value - usual.level;
    let extreme = short.residuals >= KNOWN_RESIDUALS && residual.abs() > EXTREME * short.usual_error;
    short.extremes = (short.extremes + if extreme { 1.0 } else { -1.0 }).clamp(0.0, 2.0 * EXTREME_DAMPED);
    let damping =
        if extreme && short.extremes <= EXTREME_DAMPED { params.extreme_teaches as f32 } else { 1.0 };
    short.offset += OFFSET_RATE * damping * (residual - short.offset);
    short.residuals += 1.0;
    let clipped = if short.residuals > START_POINTS as f32 {
        residual.abs().min(params.clip_deviations as f32 * short.usual_error)
    } else {
        residual.abs()
    };
    let rate = (1.0_f32 / 5000.0).max(1.0 / short.residuals);
    short.usual_error += rate * (clipped - short.usual_error);
    damping
}

fn learn_profile(params: &SurpriseParams, model: &mut Model<'_>, look: &Look, damping: f32) {
    let minutes = model.front.short.pace.interval_secs() / SECS_PER_MINUTE;
    let rate = params.profile_rate as f32 * minutes.min(1.0);
    let teaching = Teaching { rate, damping, first_spread: look.yard.deviation };
    if look.ordinary_day {
        profile::teach(model.slots, look.place, look.value - look.rhythm.0, teaching);
    }
}

/// What the usual day without the rhythm would have been off by, and the level, teach the rhythm.
fn learn_rhythm(params: &SurpriseParams, model: &mut Model<'_>, look: &Look) {
    if params.periods == Periods::None || !look.ordinary_day {
        return;
    }
    let short = &mut model.front.short;
    let taught = Taught {
        off_level: look.value - short.level,
        off_day: look.usual.map(|usual| look.value - usual.level + look.rhythm.0),
        error_max: 2.0 * params.clip_deviations as f32 * short.usual_error,
        hours: short.pace.interval_secs() / SECS_PER_HOUR,
        periods: params.periods,
    };
    short.beat.learn(model.rhythm, (look.moment, look.rhythm.1), &taught);
}

/// A shift that lasted is the new baseline: the day moves with it, and the course starts anew.
fn rebase(params: &SurpriseParams, model: &mut Model<'_>) {
    let short = &mut model.front.short;
    if f64::from(short.course.steps()) >= params.rebase_steps {
        profile::shift(model.slots, short.offset);
        (short.offset, short.course) = (0.0, Course::default());
    }
}

fn learn_level(params: &SurpriseParams, short: &mut Short, look: &Look) {
    let interval_days = short.pace.interval_secs() / SECS_PER_DAY;
    let memory = (params.level_days as f32 / interval_days).max(0.5 * params.memory_points as f32);
    let rate = (1.0 / memory).max(1.0 / short.points as f32);
    if short.points == 1 {
        short.level = look.value;
        return;
    }
    let reach = params.clip_deviations as f32 * short.deviation;
    let off = look.value - short.level;
    let off = if short.points > START_POINTS { off.clamp(-reach, reach) } else { off };
    short.level += rate * off;
    short.deviation += rate * (off.abs() - short.deviation);
}
