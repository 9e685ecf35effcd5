//! How far expectations of one series are off: those of the product's detector, and those of types of days, in lockstep.
//!
//! Every expectation is made before the point that it is held against is seen: right before it, and an hour before it on the same
//! day. Points with a label, and those before `counted`, are learned and not counted; what not everybody has an expectation of is
//! not counted either. What it does not do: decide, or say what a smaller error is worth.

use std::collections::VecDeque;
use std::sync::Arc;

use models::testkit::{DayForecastParams, DayForecasts, DayWay, Foretold};
use models::univariate::{Calendar, Lesson, MeanSurprise, Periods, SurpriseParams};

const NANOS_PER_SEC: i64 = 1_000_000_000;
const SECS_PER_DAY: i64 = 86_400;
const SECS_PER_HOUR: i64 = 3_600;
/// Hours that the rule compares over, and the part of the product's error below which types are used, and above which no more: as
/// periods have it (`models::univariate`).
const COMPARED_HOURS: f64 = 168.0;
const HELPS: f64 = 0.85;
const HELPS_NO_MORE: f64 = 0.95;

/// Whose expectations are compared; the first is the product's.
pub const EXPECTATIONS: [&str; N] = [
    "the product",
    "the usual day alone",
    "the mean of 56 days",
    "k-means, by the calendar",
    "k-means, by the hours so far",
    "k-means a day a batch, by the calendar",
    "k-means a day a batch, by the hours so far",
    "mixture, by the calendar",
    "mixture, by the hours so far",
    "k-means of 14 days, by the calendar",
    "k-means of 14 days, by the hours so far",
    "the product, or k-means by the hours where it foretells better",
];
const N: usize = 12;
const FIRST_PAIR: usize = 3;
const BY_HOURS: usize = 4;
const EITHER: usize = 11;

/// A series and what is counted of it.
#[derive(Debug)]
pub struct DaySeries {
    /// Nanoseconds since 1970.
    pub at: Vec<i64>,
    /// Values.
    pub values: Vec<f64>,
    /// Whether a point is an anomaly.
    pub labels: Vec<bool>,
    /// The first point that is counted.
    pub counted: usize,
    /// Local time less UTC, in seconds.
    pub offset_secs: i32,
    /// Days that the calendar marks.
    pub marked_days: Vec<i32>,
}

/// Mean absolute errors by expectation, of the next point and of that an hour later.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Errors {
    /// Sums.
    sums: [[f64; N]; 2],
}

impl Errors {
    /// The error as a part of the product's; `horizon` 0 is the next point, 1 an hour.
    #[must_use]
    pub fn ratio(&self, horizon: usize, expectation: usize) -> f64 {
        let sums = &self.sums[horizon];
        if sums[0] > 0.0 { sums[expectation] / sums[0] } else { 1.0 }
    }
}

/// The ways that are compared, in the order of their expectations from the third on.
#[must_use]
pub fn ways() -> [DayForecastParams; 5] {
    let of = |way| DayForecastParams { way, ..DayForecastParams::default() };
    let two_weeks = DayForecastParams { days: 14, ..of(DayWay::Means) };
    [of(DayWay::OneType), of(DayWay::Means), of(DayWay::Incremental), of(DayWay::Mixture), two_weeks]
}

/// Which of two foretells better, over about a week.
#[derive(Debug, Default)]
struct Rule {
    without: f64,
    with: f64,
    hours: f64,
    helps: bool,
}

impl Rule {
    fn compare(&mut self, (without, with): (f64, f64), hours: f64) {
        self.hours = (self.hours + hours).min(2.0 * COMPARED_HOURS);
        let rate = (hours / self.hours.min(COMPARED_HOURS)).min(1.0);
        self.without += rate * (without - self.without);
        self.with += rate * (with - self.with);
        let limit = if self.helps { HELPS_NO_MORE } else { HELPS };
        self.helps = self.hours >= COMPARED_HOURS && self.with < limit * self.without;
    }
}

/// All that foretell one series.
#[derive(Debug)]
struct Foretellers {
    product: MeanSurprise,
    day_alone: MeanSurprise,
    types: [DayForecasts; 5],
    rule: Rule,
}

impl Foretellers {
    fn of(series: &DaySeries) -> Self {
        let calendar =
            Calendar::new(series.offset_secs, Vec::new()).with_holidays(series.marked_days.clone());
        let calendar = Arc::new(calendar);
        let detector = |periods| {
            let params = SurpriseParams { periods, ..SurpriseParams::default() };
            let params = params.check().expect("defaults are within their ranges");
            MeanSurprise::with_calendar(&params, Arc::clone(&calendar))
        };
        Self {
            product: detector(Periods::Found),
            day_alone: detector(Periods::None),
            types: ways().map(DayForecasts::new),
            rule: Rule::default(),
        }
    }

    /// What is expected of a moment; `None` if somebody expects nothing.
    fn foretell(&self, at: i64, local_secs: i64) -> Option<[f64; N]> {
        let by_types: Vec<Foretold> =
            self.types.iter().map(|types| types.foretell(local_secs)).collect::<Option<_>>()?;
        // what is expected does not depend on the value
        let expected = |detector: &MeanSurprise| Some(detector.read(at, 0.0)?.expected);
        let [one, means, incremental, mixture, two_weeks] = by_types.as_slice() else { return None };
        let mut all = [0.0; N];
        all[..FIRST_PAIR].copy_from_slice(&[
            expected(&self.product)?,
            expected(&self.day_alone)?,
            one.by_calendar,
        ]);
        for (pair, of) in all[FIRST_PAIR..].chunks_mut(2).zip([means, incremental, mixture, two_weeks]) {
            pair.copy_from_slice(&[of.by_calendar, of.by_hours]);
        }
        all[EITHER] = if self.rule.helps { all[BY_HOURS] } else { all[0] };
        Some(all)
    }
}

/// Runs everybody over a series.
#[must_use]
pub fn errors_of(series: &DaySeries) -> Errors {
    let (mut all, mut errors) = (Foretellers::of(series), Errors::default());
    let mut an_hour_ago: VecDeque<(i64, [f64; N])> = VecDeque::new();
    let points = series.at.iter().zip(&series.values).zip(&series.labels).enumerate();
    for (nth, ((&at, &value), &label)) in points.filter(|(_, ((_, value), _))| value.is_finite()) {
        let local = at.div_euclid(NANOS_PER_SEC) + i64::from(series.offset_secs);
        let day = local.div_euclid(SECS_PER_DAY);
        let is_marked = series.marked_days.iter().any(|marked| i64::from(*marked) == day);
        all.types.iter_mut().for_each(|types| types.begin(local, is_marked));
        while an_hour_ago.front().is_some_and(|(due, _)| *due < at) {
            an_hour_ago.pop_front();
        }
        let early = an_hour_ago.pop_front_if(|(due, _)| *due == at).map(|(_, expected)| expected);
        let off = |expected: [f64; N]| expected.map(|expected| (value - expected).abs());
        let horizons = [all.foretell(at, local), early];
        for (sums, expected) in errors.sums.iter_mut().zip(horizons) {
            let Some(expected) = expected.filter(|_| nth >= series.counted && !label) else { continue };
            sums.iter_mut().zip(off(expected)).for_each(|(sum, off)| *sum += off);
        }
        if let Some(off) = early.map(off) {
            let hours = all.product.interval_secs() / SECS_PER_HOUR as f64;
            all.rule.compare((off[0], off[BY_HOURS]), hours);
        }
        all.product.observe(at, value, Lesson::Learn);
        all.day_alone.observe(at, value, Lesson::Learn);
        all.types.iter_mut().for_each(|types| types.learn(local, is_marked, value));
        let due = local + SECS_PER_HOUR;
        if due.div_euclid(SECS_PER_DAY) == day {
            let at = at + SECS_PER_HOUR * NANOS_PER_SEC;
            an_hour_ago.extend(all.foretell(at, due).map(|expected| (at, expected)));
        }
    }
    errors
}
