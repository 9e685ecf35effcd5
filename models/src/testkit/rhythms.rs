//! Generated series with a rhythm, and labelled breaks of it: days, weeks, jobs with silence or zeros between, bursts, shifts.
//!
//! Every kind is drawn at an interval of its reports with a seed. The noise is half white, half with a memory of ten minutes.
//! About every day and a half after the part that is only learned something is wrong for some time, and labelled. Much of it
//! keeps to usual values: what is wrong is when they come, or for how long. What it does not do: claim to be like anybody's
//! production; a figure on these series compares detectors.

use core::f64::consts::TAU;

use super::Draws;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
/// Intervals, seconds.
pub const RHYTHM_INTERVALS: [i64; 3] = [10, 60, 300];

/// What repeats, and what is wrong with it now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RhythmKind {
    /// A daily wave; some time runs as half a day earlier.
    Day,
    /// Weekends are half as busy; some time runs as on the other kind of day.
    Week,
    /// A job of an hour every five to eleven beside a daily wave; it is left out.
    Job,
    /// A job at intervals that divide a day, zeros between; it is left out, or takes another time.
    JobWithZeros,
    /// The same with no points between; it does half of its work, or goes on for too long.
    JobWithSilence,
    /// Bursts of minutes at any time; one does not end.
    Bursts,
    /// A peak of two minutes every quarter of an hour; there are none, or twice as many.
    Peaks,
    /// A level that moves and stays; the first hour of it.
    Shifts,
    /// Weekends half as busy, and a holiday now and then that is like them; some time runs as on the other kind of day.
    Holidays,
    /// A job by day on the last two days of a month; it is left out, or runs on another day.
    MonthEnds,
    /// A quarter of the days, in no order, half as busy; some time runs as on the other kind of day.
    AnyDays,
}

impl RhythmKind {
    /// All that repeat by the clock or not at all; [`Self::OF_DAYS`] has more.
    pub const ALL: [Self; 8] = [
        Self::Day,
        Self::Week,
        Self::Job,
        Self::JobWithZeros,
        Self::JobWithSilence,
        Self::Bursts,
        Self::Peaks,
        Self::Shifts,
    ];

    /// Those of more than one type of day: a week, known exceptions from it, the end of months, no order at all.
    pub const OF_DAYS: [Self; 4] = [Self::Week, Self::Holidays, Self::MonthEnds, Self::AnyDays];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Job => "job beside a day",
            Self::JobWithZeros => "job, zeros between",
            Self::JobWithSilence => "job, silence between",
            Self::Bursts => "bursts",
            Self::Peaks => "peaks",
            Self::Shifts => "shifts",
            Self::Holidays => "week and holidays",
            Self::MonthEnds => "month ends",
            Self::AnyDays => "days in no order",
        }
    }

    /// Whether the kind shows at this interval: peaks of two minutes do not every five, and weeks take long.
    #[must_use]
    pub fn shows_at(self, interval_secs: i64) -> bool {
        match self {
            Self::Peaks => interval_secs <= 60,
            Self::Week | Self::Holidays | Self::MonthEnds | Self::AnyDays => interval_secs >= 60,
            _ => true,
        }
    }

    /// Days in all, of which the first half is only learned.
    fn days(self, interval_secs: i64) -> i64 {
        match self {
            Self::Week => 56,
            Self::Holidays | Self::MonthEnds | Self::AnyDays => 168,
            _ if interval_secs < 60 => 14,
            _ => 42,
        }
    }
}

/// One series.
#[derive(Debug, Clone, PartialEq)]
pub struct RhythmSeries {
    /// Nanoseconds since 1970, when it begins.
    pub at: Vec<i64>,
    /// Values.
    pub values: Vec<f64>,
    /// Whether a point is wrong.
    pub labels: Vec<bool>,
    /// Points that are only learned.
    pub learned: usize,
    /// Whether a day, since 1970, is of the other kind; empty for kinds with one type of day.
    pub other_days: Vec<bool>,
    /// Days of which a calendar could tell beforehand that they are not like others of their weekday.
    pub marked_days: Vec<i32>,
}

/// Something wrong: from when to when, and which of two ways.
#[derive(Debug, Clone, Copy)]
struct Wrong {
    from: i64,
    until: i64,
    first_way: bool,
}

/// A point of the plan: whether there is one, its value without noise, the size of its noise and whether it is wrong.
#[derive(Debug, Clone, Copy)]
struct Planned {
    value: Option<f64>,
    noise: f64,
    is_wrong: bool,
}

/// Draws a series; the same seed gives the same one everywhere.
///
/// ```
/// use models::testkit::{RhythmKind, rhythm};
/// let series = rhythm(RhythmKind::Day, 300, 1);
/// assert!(series.labels[series.learned..].contains(&true));
/// assert!(!series.labels[..series.learned].contains(&true));
/// ```
#[must_use]
pub fn rhythm(kind: RhythmKind, interval_secs: i64, seed: u64) -> RhythmSeries {
    let mut draws = Draws::new(seed);
    let days = kind.days(interval_secs);
    let plan = Plan::drawn(kind, days, &mut draws);
    let memory = libm::exp(-(interval_secs as f64) / 600.0);
    let fresh = libm::sqrt(1.0 - memory * memory);
    let (mut series, mut slow) = (plan.empty_series(days), 0.0);
    for secs in (0..days * DAY).step_by(interval_secs as usize) {
        slow = memory * slow + fresh * draws.normal();
        let noise = core::f64::consts::FRAC_1_SQRT_2 * (slow + draws.normal());
        let planned = plan.at(secs);
        if let Some(value) = planned.value {
            series.learned += usize::from(secs < days * DAY / 2);
            series.at.push(secs * 1_000_000_000);
            series.values.push(value + planned.noise * noise);
            series.labels.push(planned.is_wrong);
        }
    }
    series
}

/// What is due when.
#[derive(Debug)]
struct Plan {
    kind: RhythmKind,
    /// Of the job, seconds.
    period: i64,
    length: i64,
    wrongs: Vec<Wrong>,
    /// Bursts: from, until, height; shifts: from, zero, level.
    events: Vec<(i64, i64, f64)>,
    /// Holidays, or the days in no order that are half as busy.
    drawn_days: Vec<i64>,
}

impl Plan {
    fn drawn(kind: RhythmKind, days: i64, draws: &mut Draws) -> Self {
        let of = |draws: &mut Draws, list: &[i64]| list[(draws.uniform() * list.len() as f64) as usize];
        let period = match kind {
            RhythmKind::Job => HOUR * of(draws, &[5, 7, 9, 11]),
            _ => HOUR * of(draws, &[2, 3, 4, 6]),
        };
        let length = if kind == RhythmKind::Job { HOUR } else { 60 * of(draws, &[20, 30, 40]) };
        let mut plan =
            Self { kind, period, length, wrongs: Vec::new(), events: Vec::new(), drawn_days: Vec::new() };
        let mut at = days * DAY / 2 + HOUR;
        while at < (days - 1) * DAY {
            let lasts = HOUR * 3 / 4 + (draws.uniform() * 5_400.0) as i64;
            plan.wrongs.push(plan.wrong(at, lasts, draws.uniform() < 0.5));
            at += DAY + (draws.uniform() * DAY as f64) as i64;
        }
        plan.draw_events(days, draws);
        plan.draw_days(days, draws);
        plan
    }

    fn draw_days(&mut self, days: i64, draws: &mut Draws) {
        let share = match self.kind {
            RhythmKind::Holidays => 1.0 / 14.0,
            RhythmKind::AnyDays => 0.25,
            _ => return,
        };
        self.drawn_days = (0..days).filter(|_| draws.uniform() < share).collect();
    }

    /// The series before its first point.
    fn empty_series(&self, days: i64) -> RhythmSeries {
        let has_types = RhythmKind::OF_DAYS.contains(&self.kind);
        let is_marked = |day: &i64| match self.kind {
            RhythmKind::Holidays => self.drawn_days.contains(day),
            RhythmKind::MonthEnds => ends_a_month(*day),
            _ => false,
        };
        RhythmSeries {
            at: Vec::new(),
            values: Vec::new(),
            labels: Vec::new(),
            learned: 0,
            other_days: (0..days).filter(|_| has_types).map(|day| self.is_other(day)).collect(),
            marked_days: (0..days).filter(is_marked).map(|day| day as i32).collect(),
        }
    }

    /// Whether a day is of the rarer kind.
    fn is_other(&self, day: i64) -> bool {
        match self.kind {
            RhythmKind::MonthEnds => ends_a_month(day),
            RhythmKind::AnyDays => self.drawn_days.contains(&day),
            _ => day % 7 >= 5 || self.drawn_days.contains(&day),
        }
    }

    /// What is wrong with a job belongs to one run of it.
    fn wrong(&self, at: i64, lasts: i64, first_way: bool) -> Wrong {
        let run = (at / self.period + 1) * self.period;
        let (from, until) = match self.kind {
            // when the job would show
            RhythmKind::MonthEnds => {
                let from = at / DAY * DAY + 6 * HOUR + at % (9 * HOUR);
                (from, from + lasts)
            }
            RhythmKind::Job => (run, run + self.length),
            RhythmKind::JobWithZeros if first_way => (run, run + self.length),
            RhythmKind::JobWithZeros => (run + self.period / 2, run + self.period / 2 + self.length),
            RhythmKind::JobWithSilence if first_way => (run, run + self.length),
            RhythmKind::JobWithSilence => (run + self.length, run + 2 * self.length),
            _ => (at, at + lasts),
        };
        Wrong { from, until, first_way }
    }

    fn draw_events(&mut self, days: i64, draws: &mut Draws) {
        let mut at = HOUR;
        while self.kind == RhythmKind::Bursts && at < days * DAY {
            let lasts = 300 + (draws.uniform() * 600.0) as i64;
            self.events.push((at, at + lasts, 50.0 + 150.0 * draws.uniform()));
            at += lasts - (2.0 * HOUR as f64 * libm::log(1.0 - draws.uniform())) as i64;
        }
        if self.kind == RhythmKind::Shifts {
            let level = |draws: &mut Draws| 100.0 + if draws.uniform() < 0.5 { -25.0 } else { 25.0 };
            let starts: Vec<i64> = self.wrongs.iter().map(|wrong| wrong.from).collect();
            let mut last = 100.0;
            for from in starts {
                last = if last == 100.0 { level(draws) } else { 100.0 };
                self.events.push((from, 0, last));
            }
        }
    }

    fn wrong_at(&self, secs: i64) -> Option<Wrong> {
        self.wrongs.iter().find(|wrong| (wrong.from..wrong.until).contains(&secs)).copied()
    }

    fn at(&self, secs: i64) -> Planned {
        let wrong = self.wrong_at(secs);
        let (value, noise) = match self.kind {
            RhythmKind::Day => (Some(wave(secs + if wrong.is_some() { DAY / 2 } else { 0 })), 5.0),
            RhythmKind::Week | RhythmKind::Holidays | RhythmKind::AnyDays => {
                let is_quiet = self.is_other(secs / DAY) != wrong.is_some();
                (Some(wave(secs) * if is_quiet { 0.5 } else { 1.0 }), 5.0)
            }
            RhythmKind::MonthEnds => {
                let is_day = (6..18).contains(&(secs % DAY / HOUR));
                let runs = is_day && self.is_other(secs / DAY) != wrong.is_some();
                (Some(wave(secs) + if runs { 50.0 } else { 0.0 }), 5.0)
            }
            RhythmKind::Job => {
                let runs = self.runs(secs) && wrong.is_none();
                (Some(wave(secs) + if runs { 25.0 } else { 0.0 }), 5.0)
            }
            RhythmKind::JobWithZeros => {
                if self.runs(secs) != wrong.is_some() {
                    (Some(200.0), 15.0)
                } else {
                    (Some(0.0), 0.0)
                }
            }
            RhythmKind::JobWithSilence => match wrong {
                Some(wrong) if wrong.first_way => (Some(100.0), 15.0),
                Some(_) => (Some(200.0), 15.0),
                None => (self.runs(secs).then_some(200.0), 15.0),
            },
            RhythmKind::Bursts => (Some(20.0 + self.burst(secs, wrong)), 4.0),
            RhythmKind::Peaks => {
                let period = match wrong {
                    Some(wrong) if wrong.first_way => HOUR,
                    Some(_) => 450,
                    None => 900,
                };
                let is_peak = secs % period < 120 && !wrong.is_some_and(|wrong| wrong.first_way);
                (Some(wave(secs) + if is_peak { 60.0 } else { 0.0 }), 5.0)
            }
            RhythmKind::Shifts => (Some(self.level(secs)), 5.0),
        };
        Planned { value, noise, is_wrong: self.is_labelled(wrong, secs) }
    }

    /// A burst is wrong once it lasts for longer than any did.
    fn is_labelled(&self, wrong: Option<Wrong>, secs: i64) -> bool {
        let wait = if self.kind == RhythmKind::Bursts { 900 } else { 0 };
        wrong.is_some_and(|wrong| secs >= wrong.from + wait)
    }

    fn runs(&self, secs: i64) -> bool {
        secs % self.period < self.length
    }

    fn burst(&self, secs: i64, wrong: Option<Wrong>) -> f64 {
        let by_chance = self.events.iter().find(|(from, until, _)| (*from..*until).contains(&secs));
        by_chance.map_or(if wrong.is_some() { 110.0 } else { 0.0 }, |(_, _, height)| *height)
    }

    fn level(&self, secs: i64) -> f64 {
        self.events.iter().rev().find(|(from, _, _)| *from <= secs).map_or(100.0, |(_, _, level)| *level)
    }
}

/// Whether a day since 1970 is one of the last two of its month, in a year that is not a leap year.
fn ends_a_month(day: i64) -> bool {
    const FIRSTS: [i64; 12] = [31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    FIRSTS.into_iter().any(|first| (1..=2).contains(&(first - day.rem_euclid(365))))
}

fn wave(secs: i64) -> f64 {
    100.0 * (1.0 + 0.4 * libm::sin(TAU * (secs % DAY) as f64 / DAY as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: every kind at every interval that shows it, two seeds.
    /// Guarantees: times grow; nothing is labelled in what is only learned, 0.5 to 20 % of the rest is; values are finite; the
    /// same seed gives the same series, another seed another.
    #[test]
    fn series_are_what_they_say() {
        for interval in RHYTHM_INTERVALS {
            let kinds = RhythmKind::ALL.into_iter().chain(RhythmKind::OF_DAYS);
            for kind in kinds.filter(|kind| kind.shows_at(interval)) {
                let series = rhythm(kind, interval, 1);
                let what = format!("{} every {interval} s, seed 1", kind.name());
                assert!(series.at.is_sorted_by(|a, b| a < b), "{what}");
                assert!(series.values.iter().all(|value| value.is_finite()), "{what}");
                assert!(!series.labels[..series.learned].contains(&true), "{what}");
                let rest = &series.labels[series.learned..];
                let wrong = rest.iter().filter(|label| **label).count() as f64 / rest.len() as f64;
                assert!((0.005..0.2).contains(&wrong), "{what}: {wrong}");
                let others = series.other_days.iter().filter(|is_other| **is_other).count();
                let has_types = RhythmKind::OF_DAYS.contains(&kind);
                assert!(if has_types {
                    0 < others && 2 * others < series.other_days.len()
                } else {
                    others == 0
                });
                assert_eq!(series, rhythm(kind, interval, 1), "{what}");
                assert_ne!(series, rhythm(kind, interval, 2), "{what}");
            }
        }
    }
}
