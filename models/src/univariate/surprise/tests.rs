//! The detector as a whole: the rules of all detectors, and what it says about series of known kinds.

use std::sync::Arc;

use super::*;
use crate::calibrate::{TailCalibrator, TailParams};
use crate::testkit::{Draws, breaches, calibration_breaches};
use crate::{Detector, Maturity};

const SEC: i64 = 1_000_000_000;

fn fresh() -> MeanSurprise {
    MeanSurprise::new(&SurpriseParams::default().check().unwrap())
}

/// A noisy day of a service, sampled every `secs`.
fn day(draws: &mut Draws, at_secs: i64) -> f64 {
    let phase = (at_secs % 86_400) as f64 / 86_400.0 * core::f64::consts::TAU;
    100.0 - 40.0 * libm::cos(phase) + 2.0 * draws.normal()
}

/// Scenario: the inputs every detector must survive.
/// Guarantees: causality, saving, NaN, gaps, duplicates, irregular intervals and size are in order.
#[test]
fn conforms() {
    assert_eq!(breaches(fresh, 1, 400), Vec::new());
}

/// Scenario: a series from its first point on.
/// Guarantees: no score before it is mature, and the count of missing points is right.
#[test]
fn maturity_is_explicit() {
    let mut detector = fresh();
    assert_eq!(detector.maturity(), Maturity::WarmingUp { needs_points: 20 });
    for nth in 0..20 {
        assert!(detector.observe(nth * SEC, 1.0, Lesson::Learn).is_none());
    }
    assert!(detector.observe(20 * SEC, 1.0, Lesson::Learn).is_some());
}

/// Scenario: a week of a daily pattern every five minutes, then a value that is usual by day, at night.
/// Guarantees: it scores higher at night than by day, and the expectation says what was due.
#[test]
fn the_time_of_day_counts() {
    let (mut detector, mut draws) = (fresh(), Draws::new(3));
    (0..7 * 288).for_each(|nth| detector.learn(nth * 300 * SEC, &[day(&mut draws, nth * 300)]));
    let midnight = 7 * 86_400 * SEC;
    let night = detector.read(midnight, 140.0).unwrap();
    let calm = detector.read(midnight, 60.0).unwrap();
    assert!(night.score.value() > calm.score.value() + 0.5, "{night:?} {calm:?}");
    assert!((night.expected - 60.0).abs() < 6.0, "{night:?}");
}

/// Scenario: the same week in local time, with the clock put forward by an hour on the fifth day; once with a calendar
/// that knows it and once without.
/// Guarantees: with the calendar the last day is less surprising.
#[test]
fn a_change_of_the_clock_is_no_anomaly() {
    let change = ClockChange { from: 4 * 86_400 * SEC, offset_secs: 3600 };
    let params = SurpriseParams::default().check().unwrap();
    let local = Arc::new(Calendar::new(0, vec![change]));
    let mean_of = |mut detector: MeanSurprise| {
        let (mut draws, mut sum) = (Draws::new(5), 0.0);
        for nth in 0..5 * 288 {
            let ahead = if nth >= 4 * 288 { 3600 } else { 0 };
            let x = day(&mut draws, nth * 300 + ahead);
            let reading = detector.observe(nth * 300 * SEC, x, Lesson::Learn);
            sum += if nth >= 4 * 288 { reading.unwrap().surprise } else { 0.0 };
        }
        sum / 288.0
    };
    let (knows, guesses) = (mean_of(MeanSurprise::with_calendar(&params, local)), mean_of(fresh()));
    assert!(knows + 0.05 < guesses, "{knows} {guesses}");
}

/// Scenario: two hundred points at a level never seen, learned by one detector and withheld from another; then a
/// shift that stays for a week.
/// Guarantees: withheld points stay surprising (all but what tells a change from its last hour), learned ones do not; the shift becomes the baseline.
#[test]
fn what_is_withheld_does_not_become_normal() {
    let (mut learns, mut draws) = (fresh(), Draws::new(7));
    (0..2000).for_each(|nth| learns.learn(nth * 60 * SEC, &[50.0 + draws.normal()]));
    let mut holds = learns.clone();
    let first = learns.read(2000 * 60 * SEC, 80.0).unwrap().score.value();
    for nth in 2000..2200 {
        let x = 80.0 + draws.normal();
        learns.observe(nth * 60 * SEC, x, Lesson::Learn);
        holds.observe(nth * 60 * SEC, x, Lesson::Withhold);
    }
    let at = 2200 * 60 * SEC;
    let (learned, held) = (learns.read(at, 80.0).unwrap(), holds.read(at, 80.0).unwrap());
    assert!(held.score.value() > 0.75 * first, "{first} {held:?}");
    assert!(learned.score.value() < 0.5 * first && learned.surprise < held.surprise, "{first} {learned:?}");
    assert_eq!(held.shape, Shape::LevelShift);
    for nth in 2200..12_200 {
        learns.observe(nth * 60 * SEC, 80.0 + draws.normal(), Lesson::Learn);
    }
    let later = learns.read(12_200 * 60 * SEC, 80.0).unwrap();
    assert!((later.expected - 80.0).abs() < 2.0 && later.surprise < 1.0, "{later:?}");
    assert_eq!(later.shape, Shape::Pattern);
}

/// Scenario: the same noisy day every second, 15 s, minute, five minutes and hour, for the time that makes 3000 points.
/// Guarantees: the interval is learned; a point fifteen deviations off scores higher than 99 of 100 ordinary ones.
#[test]
fn works_at_every_interval() {
    for secs in [1, 15, 60, 300, 3600] {
        let (mut detector, mut draws) = (fresh(), Draws::new(11));
        let mut seen: Vec<f64> = Vec::new();
        for nth in 0..3000 {
            let at = nth * secs;
            let reading = detector.observe(at * SEC, day(&mut draws, at), Lesson::Learn);
            seen.extend(reading.filter(|_| nth > 1000).map(|reading| reading.surprise));
        }
        assert_eq!(detector.interval_secs(), secs as f64);
        seen.sort_by(f64::total_cmp);
        let at = 3000 * secs;
        let odd = detector.read(at * SEC, day(&mut draws, at) + 30.0).unwrap();
        assert!(odd.surprise > seen[seen.len() * 99 / 100], "{secs} s: {odd:?} {:?}", seen.last());
    }
}

/// Noise, a daily wave, and what repeats with another period, at a point every five minutes.
fn rhythmic(draws: &mut Draws, nth: i64, beside: impl Fn(i64) -> f64) -> f64 {
    day(draws, nth * 300) + beside(nth * 300 / 3600)
}

/// A detector after six weeks of it, and its mean surprise in each hour of the last one.
fn after_six_weeks(periods: Periods, seed: u64, beside: impl Fn(i64) -> f64) -> (MeanSurprise, Vec<f64>) {
    let params = SurpriseParams { periods, ..SurpriseParams::default() };
    let (mut detector, mut draws) = (MeanSurprise::new(&params.check().unwrap()), Draws::new(seed));
    let mut hours = vec![0.0; 168];
    for nth in 0..6 * 7 * 288 {
        let x = rhythmic(&mut draws, nth, &beside);
        let reading = detector.observe(nth * 300 * SEC, x, Lesson::Learn);
        if nth >= 5 * 7 * 288 {
            hours[(nth / 12) as usize % 168] += reading.unwrap().surprise / 12.0;
        }
    }
    (detector, hours)
}

/// Scenario: six weeks whose weekends are half as busy; a job of an hour every seven; neither; five seeds, each with and
/// without the rhythm.
/// Guarantees: the period that helps is a week, seven hours, none; with it the first hours of weekends and the hours of the
/// job are less surprising; without a rhythm nothing changes.
#[test]
fn a_rhythm_beside_the_day_is_learned() {
    for seed in 0..5 {
        println!("seed {seed}");
        let check = |period: Option<u8>, beside: &dyn Fn(i64) -> f64, odd: &dyn Fn(usize) -> bool| {
            let (knows, with) = after_six_weeks(Periods::Found, seed, beside);
            let (_, without) = after_six_weeks(Periods::None, seed, beside);
            assert_eq!(knows.period_hours(), period, "seed {seed}");
            let mean = |hours: &[f64]| {
                let odd: Vec<f64> = (0..168).filter(|hour| odd(*hour)).map(|hour| hours[hour]).collect();
                odd.iter().sum::<f64>() / odd.len() as f64
            };
            (mean(&without), mean(&with))
        };
        let weekend = |hour: i64| if hour % 168 >= 120 { -20.0 } else { 0.0 };
        let (without, with) = check(Some(168), &weekend, &|hour| (120..126).contains(&hour));
        assert!(with < 0.9 * without, "seed {seed}: {without} became {with}");
        let job = |hour: i64| if hour % 7 == 3 { 15.0 } else { 0.0 };
        let (without, with) = check(Some(7), &job, &|hour| hour % 7 == 3);
        assert!(with < 0.9 * without, "seed {seed}: {without} became {with}");
        let (without, with) = check(None, &|_| 0.0, &|_| true);
        assert_eq!(without, with, "seed {seed}");
    }
}

/// Scenario: six weeks with a job of an hour every seven; the five minutes before its next run and the first five of it.
/// Guarantees: of the 15 that the job adds, at least 10 are expected as soon as it is due: its edges are not smoothed over the hour.
#[test]
fn a_rhythm_has_edges() {
    for seed in 0..3 {
        let job = |hour: i64| if hour % 7 == 3 { 15.0 } else { 0.0 };
        let (knows, _) = after_six_weeks(Periods::Found, seed, job);
        assert_eq!(knows.period_hours(), Some(7), "seed {seed}");
        let starts = (6 * 168 / 7 * 7 + 3) * 3_600;
        let expected = |at: i64| knows.read(at * SEC, 100.0).unwrap().expected;
        let rises = expected(starts + 150) - expected(starts - 150);
        assert!(rises > 10.0, "seed {seed}: {rises}");
    }
}

/// Scenario: a detector after two weeks.
/// Guarantees: its saved state is at most 6 KB.
#[test]
fn fits_in_six_kilobytes() {
    let (mut detector, mut draws) = (fresh(), Draws::new(1));
    (0..20_160).for_each(|nth| detector.learn(nth * 60 * SEC, &[day(&mut draws, nth * 60)]));
    let size = postcard::to_allocvec(&detector).unwrap().len();
    assert!(size <= 6144, "{size}");
    assert_eq!(detector.day_coverage(), 1.0);
}

/// Scenario: the scores of a month of a noisy day, calibrated by their own tail.
/// Guarantees: at every stage the p-value falls with the score and lies within (0, 1].
#[test]
fn calibration_is_monotone() {
    let (mut detector, mut draws) = (fresh(), Draws::new(21));
    let mut tail = TailCalibrator::new(&TailParams::default().check().unwrap());
    for nth in 0..8640 {
        let at = nth * 300;
        if let Some(reading) = detector.observe(at * SEC, day(&mut draws, at), Lesson::Learn) {
            tail.observe(at * SEC, reading.score);
        }
        if nth % 1000 == 0 {
            assert_eq!(calibration_breaches(|raw| tail.p_value(raw).value()), Vec::new());
        }
    }
}
