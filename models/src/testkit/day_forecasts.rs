//! What types of days foretell: the days of a series are sorted at every midnight, and the mean day of today's type is expected.
//!
//! Here to be measured beside [`crate::univariate::MeanSurprise`], not to be shipped: `cargo run --release -p benches --bin day_types`
//! says which foretells better (`docs/univariate.md`). Strictly causal: only days that are over are sorted. Of what type today is,
//! says either the calendar (the most frequent type of this weekday, or of the marked days, among the days kept) or what has
//! passed of today (the type that it is nearest to). As in the detector, a slow offset follows how today runs. What it does not do:
//! keep to a few kilobytes; it shows what types could give at best.

use std::collections::VecDeque;

use super::day_types::day_types;
use super::incremental_days::IncrementalDays;
use super::mixtures::day_types_by_mixture;

const SECS_PER_DAY: i64 = 86_400;
/// Slots of an expected day, of five minutes, and the hours by which days are sorted.
const SLOTS: usize = 288;
const HOURS: usize = 24;
/// Hours that a day must have points in to be kept.
const KNOWN_HOURS: usize = 20;
/// The class of days that the calendar marks; the others are weekdays.
const MARKED: usize = 7;
/// How fast the offset follows today, how much of it an extreme point gets, and from how many usual errors on a point is one, for
/// so many net points: as the detector has it.
const OFFSET_RATE: f64 = 0.05;
const EXTREME_TEACHES: f64 = 0.1;
const EXTREME: f64 = 5.0;
const EXTREMES: f64 = 100.0;

/// How days are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayWay {
    /// Not at all: the mean day.
    OneType,
    /// k-means, [`super::day_types()`].
    Means,
    /// A mixture of normal distributions, [`super::day_types_by_mixture()`].
    Mixture,
    /// Mini-batch k-means, a day a batch.
    Incremental,
}

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayForecastParams {
    /// How days are sorted.
    pub way: DayWay,
    /// Days that are kept.
    pub days: usize,
    /// Weight of a day in the mean day of its type, as a part of that of the next day of the type.
    pub fading: f64,
    /// Hours of today that must be over before they say anything.
    pub hours_min: f64,
    /// Another type than the calendar's is believed once its error is below this part of the calendar's.
    pub margin: f64,
}

impl Default for DayForecastParams {
    fn default() -> Self {
        Self { way: DayWay::Means, days: 56, fading: 0.9, hours_min: 3.0, margin: 0.85 }
    }
}

/// What is expected, by who says of what type today is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Foretold {
    /// By the calendar.
    pub by_calendar: f64,
    /// By the hours of today, once enough have passed; by the calendar before.
    pub by_hours: f64,
}

#[derive(Debug, Clone)]
struct Day {
    day: i64,
    class: usize,
    slots: Vec<f64>,
    hours: Vec<f64>,
}

/// The day that is not over.
#[derive(Debug, Clone)]
struct Today {
    day: i64,
    class: usize,
    slots: Vec<(f64, f64)>,
    /// Type by the calendar.
    by_calendar: usize,
    /// By type: how today runs beside its mean day, as each way to tell the type has followed it.
    offsets: Vec<[Offset; 2]>,
    /// Sum of absolute errors by type, and seconds from the first to the newest point.
    errors: Vec<f64>,
    first_second: i64,
    newest_second: i64,
}

/// Follows how today runs beside what is expected.
#[derive(Debug, Clone, Copy, Default)]
struct Offset {
    offset: f64,
    usual_error: f64,
    points: f64,
    extremes: f64,
}

impl Offset {
    fn follow(&mut self, residual: f64) {
        let is_extreme = self.points >= 200.0 && residual.abs() > EXTREME * self.usual_error;
        self.extremes = (self.extremes + if is_extreme { 1.0 } else { -1.0 }).clamp(0.0, 2.0 * EXTREMES);
        let is_damped = is_extreme && self.extremes <= EXTREMES;
        self.offset += OFFSET_RATE * if is_damped { EXTREME_TEACHES } else { 1.0 } * (residual - self.offset);
        self.points += 1.0;
        let rate = (1.0 / self.points).max(1.0 / 5000.0);
        let clipped =
            if self.points > 50.0 { residual.abs().min(6.0 * self.usual_error) } else { residual.abs() };
        self.usual_error += rate * (clipped - self.usual_error);
    }
}

/// Forecasts of one series.
///
/// ```
/// use models::testkit::{DayForecastParams, DayForecasts};
/// let mut days = DayForecasts::new(DayForecastParams::default());
/// let value = |hour: i64| if hour / 24 % 7 < 5 { 100.0 } else { 50.0 };
/// for hour in 0..28 * 24 {
///     days.learn(hour * 3600, false, value(hour));
/// }
/// days.begin(28 * 86_400, false);
/// assert!((days.foretell(28 * 86_400).unwrap().by_calendar - 100.0).abs() < 5.0);
/// ```
#[derive(Debug)]
pub struct DayForecasts {
    params: DayForecastParams,
    days: VecDeque<Day>,
    today: Option<Today>,
    incremental: IncrementalDays,
    /// Mean days by type, and of all days.
    profiles: Vec<Vec<f64>>,
    of_all: Vec<f64>,
    of_day: Vec<usize>,
}

impl DayForecasts {
    /// Of a series of which nothing is known.
    #[must_use]
    pub fn new(params: DayForecastParams) -> Self {
        Self {
            params,
            days: VecDeque::new(),
            today: None,
            incremental: IncrementalDays::default(),
            profiles: Vec::new(),
            of_all: Vec::new(),
            of_day: Vec::new(),
        }
    }

    /// Bytes of the days kept.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        let values = self.days.iter().map(|day| day.slots.len() + day.hours.len()).sum::<usize>();
        let profiles = self.profiles.iter().map(Vec::len).sum::<usize>();
        size_of::<Self>() + size_of::<f64>() * (values + profiles + self.of_all.len())
    }

    /// What is expected at a local second of the day that was begun; `None` while no day is over.
    #[must_use]
    pub fn foretell(&self, local_secs: i64) -> Option<Foretold> {
        let today = self.today.as_ref()?;
        let expected = |of: usize, way: usize| {
            let level = between(self.profiles.get(of)?, local_secs)?;
            Some(level + today.offsets.get(of)?[way].offset)
        };
        let (by_calendar, by_hours) = (expected(today.by_calendar, 0)?, expected(self.by_hours(today), 1)?);
        Some(Foretold { by_calendar, by_hours })
    }

    /// A point is due: if it is the first of a day, the days that are over are sorted.
    pub fn begin(&mut self, local_secs: i64, is_marked: bool) {
        let day = local_secs.div_euclid(SECS_PER_DAY);
        if self.today.as_ref().is_some_and(|today| today.day == day) {
            return;
        }
        let mut offsets = [Offset::default(); 2];
        if let Some(over) = self.today.take() {
            let last = |of: usize, way: usize| over.offsets.get(of).map_or(offsets[way], |both| both[way]);
            offsets = [last(over.by_calendar, 0), last(self.by_hours(&over), 1)];
            self.keep(&over);
        }
        let class = if is_marked { MARKED } else { day.rem_euclid(7) as usize };
        let second = local_secs.rem_euclid(SECS_PER_DAY);
        self.today = Some(Today {
            day,
            class,
            slots: vec![(0.0, 0.0); SLOTS],
            by_calendar: self.most_frequent(class),
            offsets: vec![offsets; self.profiles.len()],
            errors: vec![0.0; self.profiles.len()],
            first_second: second,
            newest_second: second,
        });
    }

    /// Takes a point in.
    pub fn learn(&mut self, local_secs: i64, is_marked: bool, value: f64) {
        self.begin(local_secs, is_marked);
        let Some(today) = &mut self.today else { return };
        let by_type = self.profiles.iter().zip(&mut today.offsets).zip(&mut today.errors);
        for ((profile, offsets), error) in by_type {
            if let Some(level) = between(profile, local_secs) {
                offsets.iter_mut().for_each(|offset| offset.follow(value - level));
                *error += (value - level).abs();
            }
        }
        let second = local_secs.rem_euclid(SECS_PER_DAY);
        today.newest_second = second;
        let slot = &mut today.slots[second as usize * SLOTS / SECS_PER_DAY as usize];
        *slot = (slot.0 + value, slot.1 + 1.0);
    }

    fn by_hours(&self, today: &Today) -> usize {
        let hours = (today.newest_second - today.first_second) as f64 / 3600.0;
        let nearest = (0..today.errors.len()).min_by(|&a, &b| today.errors[a].total_cmp(&today.errors[b]));
        let is_nearer = |of: &usize| today.errors[*of] < self.params.margin * today.errors[today.by_calendar];
        nearest.filter(|of| hours >= self.params.hours_min && is_nearer(of)).unwrap_or(today.by_calendar)
    }

    /// The most frequent type of the days of a class that are kept; of all if there are none; of equals the latest.
    fn most_frequent(&self, class: usize) -> usize {
        let most = |all: bool| {
            let of = |of: usize| {
                let days = self.days.iter().zip(&self.of_day).enumerate();
                let days = days.filter(|(_, (day, type_of))| **type_of == of && (all || day.class == class));
                days.fold((0, 0), |(count, _), (nth, _)| (count + 1, nth))
            };
            (0..self.profiles.len()).filter(|&nth| of(nth).0 > 0).max_by_key(|&nth| of(nth))
        };
        most(false).or_else(|| most(true)).unwrap_or(0)
    }

    fn keep(&mut self, over: &Today) {
        let mean = |parts: &[(f64, f64)]| {
            let (sum, count) = parts.iter().fold((0.0, 0.0), |(sum, n), part| (sum + part.0, n + part.1));
            if count > 0.0 { sum / count } else { f64::NAN }
        };
        let slots: Vec<f64> = over.slots.chunks(1).map(mean).collect();
        let hours: Vec<f64> = over.slots.chunks(SLOTS / HOURS).map(mean).collect();
        if hours.iter().filter(|hour| hour.is_finite()).count() < KNOWN_HOURS {
            return;
        }
        if self.days.len() == self.params.days {
            self.days.pop_front();
        }
        self.days.push_back(Day { day: over.day, class: over.class, slots, hours });
        self.sort();
    }

    fn sort(&mut self) {
        let hours: Vec<Vec<f64>> = self.days.iter().map(|day| day.hours.clone()).collect();
        let seed = self.days.back().map_or(0, |day| day.day.unsigned_abs());
        self.of_day = match self.params.way {
            DayWay::OneType => vec![0; hours.len()],
            DayWay::Means => day_types(&hours, seed).of_day,
            DayWay::Mixture => day_types_by_mixture(&hours, seed),
            DayWay::Incremental => self.incremental.sorted(&hours, seed),
        };
        let types = self.of_day.iter().max().map_or(0, |last| last + 1);
        self.of_all = self.mean_day(|_| true, &[]);
        self.profiles = (0..types).map(|of| self.mean_day(|its| its == of, &self.of_all)).collect();
    }

    /// Fading mean of the days of some types; what none of them has is taken from another day.
    fn mean_day(&self, of: impl Fn(usize) -> bool, otherwise: &[f64]) -> Vec<f64> {
        let (mut sums, mut weights) = (vec![0.0; SLOTS], vec![0.0; SLOTS]);
        let mut weight = 1.0;
        let newest_first = self.days.iter().zip(&self.of_day).rev();
        for (day, _) in newest_first.filter(|(_, its)| of(**its)) {
            for (nth, value) in day.slots.iter().enumerate().filter(|(_, value)| value.is_finite()) {
                sums[nth] += weight * value;
                weights[nth] += weight;
            }
            weight *= self.params.fading;
        }
        let mean = |nth: usize| {
            let known = weights[nth] > 0.0;
            if known { sums[nth] / weights[nth] } else { otherwise.get(nth).copied().unwrap_or(f64::NAN) }
        };
        (0..SLOTS).map(mean).collect()
    }
}

/// A day read between the centres of its slots.
fn between(profile: &[f64], local_secs: i64) -> Option<f64> {
    let at = local_secs.rem_euclid(SECS_PER_DAY) as f64 / SECS_PER_DAY as f64 * SLOTS as f64 - 0.5;
    let (before, part) = (at.floor(), at - at.floor());
    let of =
        |nth: i64| profile.get(nth.rem_euclid(SLOTS as i64) as usize).copied().filter(|it| it.is_finite());
    match (of(before as i64), of(before as i64 + 1)) {
        (Some(before), Some(after)) => Some(before * (1.0 - part) + after * part),
        (before, after) => before.or(after),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Draws;
    use super::*;

    /// Mean absolute errors of the last four weeks, by the calendar and by the hours, of a half-hourly series whose day is at
    /// `level(day)` of a wave; nothing is seen before it is foretold.
    fn errors(params: DayForecastParams, seed: u64, level: impl Fn(i64) -> f64) -> (f64, f64) {
        let (mut days, mut draws, mut sums) = (DayForecasts::new(params), Draws::new(seed), (0.0, 0.0));
        for nth in 0..84 * 48_i64 {
            let (local, day) = (nth * 1800, nth / 48);
            let wave = 2.0 + libm::sin(nth as f64 / 48.0 * std::f64::consts::TAU);
            let value = 100.0 * level(day) * wave + 5.0 * draws.normal();
            days.begin(local, false);
            if let Some(foretold) = days.foretell(local).filter(|_| day >= 56) {
                sums.0 += (value - foretold.by_calendar).abs() / (28.0 * 48.0);
                sums.1 += (value - foretold.by_hours).abs() / (28.0 * 48.0);
            }
            days.learn(local, false, value);
        }
        sums
    }

    /// Scenario: twelve weeks with quiet weekends; days that are quiet every fifth day, which no calendar of weeks tells; days that
    /// are all alike.
    /// Guarantees: both k-means foretell weekends much better than the mean day; the hours tell what the calendar
    /// cannot; where there is one type, types cost nothing.
    #[test]
    fn types_foretell_where_there_are_any() {
        let of = |way| DayForecastParams { way, ..DayForecastParams::default() };
        let weekends = |day: i64| if day % 7 >= 5 { 0.4 } else { 1.0 };
        let (mean_day, _) = errors(of(DayWay::OneType), 41, weekends);
        for way in [DayWay::Means, DayWay::Incremental] {
            let (calendar, hours) = errors(of(way), 41, weekends);
            println!("seed 41, {way:?}: {calendar:.1} and {hours:.1} of {mean_day:.1}");
            assert!(calendar < 0.6 * mean_day && hours < 0.6 * mean_day);
        }
        let (calendar, hours) = errors(of(DayWay::Means), 42, |day| if day % 5 == 4 { 0.4 } else { 1.0 });
        println!("seed 42: {calendar:.1} by the calendar, {hours:.1} by the hours");
        assert!(hours < 0.7 * calendar);
        let alike = |way| errors(of(way), 43, |_| 1.0);
        assert_eq!(alike(DayWay::Means), alike(DayWay::OneType));
    }
}
