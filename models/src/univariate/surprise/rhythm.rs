//! What repeats with another period than a day: by default a week, else the period that [`super::hours`] finds.
//!
//! The mean level of each part of the period is kept, an hour of a week, five minutes of what lasts for up to fourteen hours,
//! and what it says beyond the time of day: the level of the part less the mean over those of the period that fall on the same
//! time of the day. This is added to the usual day only
//! while it helps: both expectations are compared at every point before the point is learned (Dawid's prequential
//! principle, JRSS A 1984), over about one period, and one must be clearly better. A period that does not help is given up
//! for one that is found. Hours are local, so that a week keeps its days when the clock changes. Not done here: finer shapes,
//! holidays.

use serde::{Deserialize, Serialize};

use super::hours::Hours;
use super::params::Periods;
use super::profile::{narrow, wide};

const SECS_PER_HOUR: i64 = 3_600;
const HOURS_A_DAY: usize = 24;
const WEEK: u8 = 168;
const DAYS_A_WEEK: usize = 7;
/// Places of a period at most.
const PLACES: usize = HOURS_A_DAY * DAYS_A_WEEK;
/// Into how many parts an hour may be divided, so that a period keeps within its places.
const PARTS: [u8; 8] = [12, 10, 6, 5, 4, 3, 2, 1];
/// Least weight of a new hour in the level of its place.
const RATE: f32 = 0.15;
/// Errors with the rhythm, as a part of those without it, below which it is used, and above which it is no more.
const HELPS: f32 = 0.85;
const HELPS_NO_MORE: f32 = 0.95;

/// A local moment: its hour since 1970, and the second of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    hour: i64,
    second: u32,
}

impl Moment {
    pub(crate) fn of(local_secs: i64) -> Self {
        let second = local_secs.rem_euclid(SECS_PER_HOUR) as u32;
        Self { hour: local_secs.div_euclid(SECS_PER_HOUR), second }
    }

    /// The part of an hour since 1970, and how much of it has passed.
    fn part(self, parts: u8) -> (i64, f32) {
        let seconds = self.second * u32::from(parts);
        let (nth, rest) = (seconds / SECS_PER_HOUR as u32, seconds % SECS_PER_HOUR as u32);
        (self.hour * i64::from(parts) + i64::from(nth), rest as f32 / SECS_PER_HOUR as f32)
    }
}

/// Into how many parts the hours of a period are divided.
fn parts_of(period_hours: u8) -> u8 {
    let fits = |parts: &u8| usize::from(*parts) * usize::from(period_hours) <= PLACES;
    PARTS.into_iter().find(fits).unwrap_or(1)
}

/// One part of the period.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Place {
    /// Upper half of an `f32`.
    level: [u8; 2],
    visits: u8,
}

/// What is known of the period of one series, and the hours that it is looked for in; 1,192 bytes that are needed once an hour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rhythm {
    hours: Hours,
    places: [[Place; HOURS_A_DAY]; DAYS_A_WEEK],
}

impl Rhythm {
    pub(crate) fn new() -> Self {
        Self { hours: Hours::new(), places: Self::NO_PLACES }
    }

    const NO_PLACES: [[Place; HOURS_A_DAY]; DAYS_A_WEEK] =
        [[Place { level: [0; 2], visits: 0 }; HOURS_A_DAY]; DAYS_A_WEEK];
}

/// What every point needs of a rhythm; 80 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// The part of an hour that is averaged now; `i64::MIN` before the first.
    open: i64,
    sum: f32,
    points: f32,
    /// The same of the whole hour.
    hour_sum: f32,
    hour_points: f32,
    /// What the period says at the centres of the open part and of those beside it, where it says anything.
    near: [Option<f32>; 3],
    /// Mean errors, without the rhythm and with it, and the hours for which they were compared.
    without: f32,
    with: f32,
    compared_hours: f32,
    period_hours: u8,
    /// Parts of an hour.
    parts: u8,
    helps: bool,
}

/// A point beside what the usual day expects of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Taught {
    /// Value less the slow level of the series.
    pub(crate) off_level: f32,
    /// Value less the usual day, where there is one.
    pub(crate) off_day: Option<f32>,
    /// Errors count as at most this.
    pub(crate) error_max: f32,
    /// Time that the point stands for.
    pub(crate) hours: f32,
    /// Which periods may be begun.
    pub(crate) periods: Periods,
}

impl Beat {
    pub(crate) fn new() -> Self {
        Self {
            open: i64::MIN,
            sum: 0.0,
            points: 0.0,
            hour_sum: 0.0,
            hour_points: 0.0,
            near: [None; 3],
            without: 0.0,
            with: 0.0,
            compared_hours: 0.0,
            period_hours: WEEK,
            parts: parts_of(WEEK),
            helps: false,
        }
    }

    /// A number of its memory.
    pub(crate) fn touch(&self) -> u32 {
        self.points.to_bits()
    }

    /// The period in hours, if knowing it helps.
    pub(crate) fn period_hours(&self) -> Option<u8> {
        self.helps.then_some(self.period_hours)
    }

    /// What is to be added to the usual day: the part that helps, or 0; and what the period would say, if it says anything.
    pub(crate) fn beside_the_day(&self, rhythm: &Rhythm, moment: Moment) -> (f32, Option<f32>) {
        let (nth, passed) = moment.part(self.parts);
        let [before, here, after] = if nth == self.open { self.near } else { self.around(rhythm, nth) };
        let Some(here) = here else { return (0.0, None) };
        let (near, part) = if passed < 0.5 { (before, 0.5 - passed) } else { (after, passed - 0.5) };
        let said = near.map_or(here, |near| here * (1.0 - part) + near * part);
        (if self.helps { said } else { 0.0 }, Some(said))
    }

    /// Takes a point in, and with the first one of a part of an hour the part before.
    pub(crate) fn learn(
        &mut self,
        rhythm: &mut Rhythm,
        (moment, said): (Moment, Option<f32>),
        taught: &Taught,
    ) {
        if let (Some(said), Some(off_day)) = (said, taught.off_day) {
            self.compare(off_day, said, taught);
        }
        if moment.part(self.parts).0 != self.open {
            self.close(rhythm, moment.hour, taught.periods);
            (self.open, self.sum, self.points) = (moment.part(self.parts).0, 0.0, 0.0);
            self.near = self.around(rhythm, self.open);
        }
        (self.sum, self.points) = (self.sum + taught.off_level, self.points + 1.0);
        (self.hour_sum, self.hour_points) = (self.hour_sum + taught.off_level, self.hour_points + 1.0);
    }

    /// The same with the levels of a period, but nothing of its own yet.
    pub(crate) fn as_prior(&self) -> Self {
        let nothing = Self::new();
        Self {
            without: self.without,
            with: self.with,
            compared_hours: self.compared_hours,
            period_hours: self.period_hours,
            parts: self.parts,
            helps: self.helps,
            ..nothing
        }
    }

    fn compare(&mut self, off_day: f32, said: f32, taught: &Taught) {
        let period = f32::from(self.period_hours);
        self.compared_hours = (self.compared_hours + taught.hours).min(2.0 * period);
        let rate = (taught.hours / self.compared_hours.min(period)).min(1.0);
        self.without += rate * (off_day.abs().min(taught.error_max) - self.without);
        self.with += rate * ((off_day - said).abs().min(taught.error_max) - self.with);
        let limit = if self.helps { HELPS_NO_MORE } else { HELPS };
        self.helps = self.compared_hours >= period && self.with < limit * self.without;
    }

    /// The open part of an hour is over, and with it perhaps the hour.
    fn close(&mut self, rhythm: &mut Rhythm, next_hour: i64, periods: Periods) {
        if self.points == 0.0 {
            return;
        }
        self.visit(rhythm, self.open, self.sum / self.points);
        let hour = self.open.div_euclid(i64::from(self.parts));
        if hour == next_hour {
            return;
        }
        rhythm.hours.push(hour, self.hour_sum / self.hour_points);
        (self.hour_sum, self.hour_points) = (0.0, 0.0);
        let ends_a_day = hour.rem_euclid(HOURS_A_DAY as i64) == HOURS_A_DAY as i64 - 1;
        if ends_a_day && !self.helps && periods == Periods::Found {
            let found = rhythm.hours.period().map_or(WEEK, |hours| hours as u8);
            if found != self.period_hours {
                self.begin(rhythm, found);
            }
        }
    }

    /// Another period, from what is known of the last two weeks.
    fn begin(&mut self, rhythm: &mut Rhythm, period_hours: u8) {
        rhythm.places = Rhythm::NO_PLACES;
        (self.compared_hours, self.without, self.with) = (0.0, 0.0, 0.0);
        (self.period_hours, self.parts) = (period_hours, parts_of(period_hours));
        let (hours, parts) = (rhythm.hours, i64::from(self.parts));
        for (hour, level) in hours.known() {
            (0..parts).for_each(|nth| self.visit(rhythm, hour * parts + nth, level));
        }
    }

    /// Parts of an hour in a period.
    fn period(&self) -> usize {
        usize::from(self.period_hours) * usize::from(self.parts)
    }

    fn visit(&self, rhythm: &mut Rhythm, part: i64, level: f32) {
        let nth = part.rem_euclid(self.period() as i64) as usize;
        let place = &mut rhythm.places[nth / HOURS_A_DAY][nth % HOURS_A_DAY];
        let known = if place.visits == 0 { level } else { wide(place.level) };
        place.visits = place.visits.saturating_add(1);
        let rate = RATE.max(1.0 / f32::from(place.visits));
        place.level = narrow(known + rate * (level - known));
    }

    fn around(&self, rhythm: &Rhythm, part: i64) -> [Option<f32>; 3] {
        [-1, 0, 1].map(|by| self.beyond_the_day(rhythm, part.saturating_add(by)))
    }

    /// Level of a part less the mean of those that fall on the same time of the day; `None` if it, or half of them,
    /// are not known.
    fn beyond_the_day(&self, rhythm: &Rhythm, part: i64) -> Option<f32> {
        let (period, day) = (self.period(), HOURS_A_DAY * usize::from(self.parts));
        let level = |nth: usize| {
            let place = rhythm.places[nth / HOURS_A_DAY][nth % HOURS_A_DAY];
            (place.visits > 0).then(|| wide(place.level))
        };
        let here = part.rem_euclid(period as i64) as usize;
        let own = level(here)?;
        let (mut sum, mut known, mut all) = (own, 1.0_f32, 1.0_f32);
        let mut nth = (here + day) % period;
        while nth != here {
            all += 1.0;
            if let Some(level) = level(nth) {
                (sum, known) = (sum + level, known + 1.0);
            }
            nth = (nth + day) % period;
        }
        (2.0 * known > all).then_some(own - sum / known)
    }
}
