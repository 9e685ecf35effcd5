//! The hourly levels of the last two weeks, and the period in them that is not a part of a day.
//!
//! What repeats every day is taken out first, by the mean of each hour of the day. Of the rest the autocorrelation is taken
//! at every lag of whole hours; a period is a lag at which it peaks, high above what chance gives and above what lies
//! before it, and is as high again at twice the lag. Periods that divide a day are none: the daily profile has them; a week
//! need not be found, it is tried anyway. Not done here: periods of other than whole hours, or of more than half a week;
//! deciding whether knowing the period helps ([`super::rhythm`]).

use serde::{Deserialize, Serialize};

use super::profile::{narrow, wide};

const HOURS_A_DAY: usize = 24;
const DAYS: usize = 14;
/// Hours that are kept.
pub(super) const HOURS: usize = DAYS * HOURS_A_DAY;
/// Longest period that is looked for, hours: half a week, of which the ring holds four.
const PERIOD_MAX: usize = HOURS / 4;
/// How often the known hours must hold a period.
const PERIODS_MIN: usize = 3;
/// Least correlation at a period.
const CORRELATION_MIN: f32 = 0.35;
/// Standard errors of a correlation by chance that it must exceed.
const ERRORS_MIN: f32 = 4.0;
/// A shorter period is preferred if its correlation is so much of the highest.
const NEAR_BEST: f32 = 0.75;
/// Multiples of a lag that are looked at together.
const TEETH: usize = 4;
/// Levels count as at most so many mean deviations: a lone peak is no rhythm.
const CLIP: f32 = 4.0;

/// The ring; 688 bytes.
///
/// # Invariants
/// The level of hour `n` since 1970 lies at place `n` modulo the length; hours without points are NaN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Hours {
    levels: [[[u8; 2]; HOURS_A_DAY]; DAYS],
    newest: i64,
    filled: u32,
}

impl Hours {
    pub(super) fn new() -> Self {
        Self { levels: [[narrow(f32::NAN); HOURS_A_DAY]; DAYS], newest: i64::MIN, filled: 0 }
    }

    /// Takes the level of an hour that is later than all before.
    pub(super) fn push(&mut self, hour: i64, level: f32) {
        let skipped = if self.filled == 0 { 0 } else { hour.saturating_sub(self.newest) - 1 };
        let skipped = skipped.clamp(0, HOURS as i64);
        for missing in hour - skipped..hour {
            *self.place(missing) = narrow(f32::NAN);
        }
        *self.place(hour) = narrow(level);
        self.newest = hour;
        self.filled = (self.filled + skipped as u32 + 1).min(HOURS as u32);
    }

    fn place(&mut self, hour: i64) -> &mut [u8; 2] {
        let nth = hour.rem_euclid(HOURS as i64) as usize;
        &mut self.levels[nth / HOURS_A_DAY][nth % HOURS_A_DAY]
    }

    /// The hours that are known, oldest first.
    pub(super) fn known(&self) -> impl Iterator<Item = (i64, f32)> + '_ {
        let from = self.newest.saturating_sub(i64::from(self.filled)) + 1;
        let all = (0..i64::from(self.filled)).map(move |nth| {
            let hour = from + nth;
            let place = hour.rem_euclid(HOURS as i64) as usize;
            (hour, wide(self.levels[place / HOURS_A_DAY][place % HOURS_A_DAY]))
        });
        all.filter(|(_, level)| level.is_finite())
    }

    /// The period of the series in hours, if it has one that is not a part of a day.
    pub(super) fn period(&self) -> Option<usize> {
        let rest = self.without_the_day()?;
        let mut correlations = [0.0_f32; 2 * PERIOD_MAX + 2];
        for (lag, place) in correlations.iter_mut().enumerate().skip(1) {
            *place = correlation(&rest, lag);
        }
        let strong = |lag: &usize| is_period(&correlations, *lag, self.filled as usize);
        let found: Vec<usize> = (2..=PERIOD_MAX).filter(strong).collect();
        let highest = found.iter().fold(0.0_f32, |most, lag| most.max(strength(&correlations, *lag)));
        found.into_iter().find(|lag| strength(&correlations, *lag) >= NEAR_BEST * highest)
    }

    /// Levels less the mean of their hour of the day, oldest first; zero where there is none.
    fn without_the_day(&self) -> Option<[f32; HOURS]> {
        let (mut sums, mut counts) = ([0.0_f32; HOURS_A_DAY], [0.0_f32; HOURS_A_DAY]);
        let of_day = |hour: i64| hour.rem_euclid(HOURS_A_DAY as i64) as usize;
        for (hour, level) in self.known() {
            sums[of_day(hour)] += level;
            counts[of_day(hour)] += 1.0;
        }
        let mut rest = [0.0_f32; HOURS];
        let (mut total, mut n) = (0.0_f32, 0.0_f32);
        for (hour, level) in self.known() {
            let off = level - sums[of_day(hour)] / counts[of_day(hour)];
            rest[(hour - self.newest + HOURS as i64 - 1) as usize] = off;
            (total, n) = (total + off.abs(), n + 1.0);
        }
        let reach = CLIP * total / n;
        rest.iter_mut().for_each(|off| *off = off.clamp(-reach, reach));
        (n >= 2.0 * HOURS_A_DAY as f32 && reach > 0.0).then_some(rest)
    }
}

/// Correlation of the ring with itself, so many hours later.
fn correlation(rest: &[f32; HOURS], lag: usize) -> f32 {
    let pairs = rest[lag..].iter().zip(&rest[..HOURS - lag]);
    let (mut both, mut later, mut earlier) = (0.0_f32, 0.0_f32, 0.0_f32);
    for (now, before) in pairs {
        both += now * before;
        later += now * now;
        earlier += before * before;
    }
    let size = libm::sqrtf(later * earlier);
    if size > 0.0 { both / size } else { 0.0 }
}

/// Mean correlation at a lag and its multiples: it peaks more sharply than a broad wave's correlation does.
fn strength(correlations: &[f32], lag: usize) -> f32 {
    let teeth = correlations.iter().step_by(lag).skip(1).take(TEETH);
    let (sum, n) = teeth.fold((0.0_f32, 0.0_f32), |(sum, n), one| (sum + one, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}

/// Whether the correlations peak at a lag as those of a period do.
fn is_period(correlations: &[f32], lag: usize, filled: usize) -> bool {
    if HOURS_A_DAY.is_multiple_of(lag) || filled < PERIODS_MIN * lag {
        return false;
    }
    let least = CORRELATION_MIN.max(ERRORS_MIN / libm::sqrtf((filled - lag) as f32));
    let here = correlations[lag];
    let lowest_before = correlations[1..lag].iter().fold(1.0_f32, |least, one| least.min(*one));
    let peaks = strength(correlations, lag) > strength(correlations, lag - 1)
        && strength(correlations, lag) >= strength(correlations, lag + 1);
    peaks && here >= least && correlations[2 * lag] >= least && here - lowest_before >= least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Draws;

    const WEEKS: i64 = 5;

    /// How often each kind of answer is given, day by day from the fourth on.
    fn answers(mut level: impl FnMut(i64) -> f32) -> Vec<Option<usize>> {
        let mut hours = Hours::new();
        let mut answers = Vec::new();
        for hour in 0..WEEKS * 168 {
            hours.push(hour, level(hour));
            if hour % 24 == 23 && hour > 96 {
                answers.push(hours.period());
            }
        }
        answers
    }

    fn noise(seed: u64, memory: f64) -> impl FnMut() -> f64 {
        let (mut draws, mut last) = (Draws::new(seed), 0.0);
        move || {
            last = memory * last + libm::sqrt(1.0 - memory * memory) * draws.normal();
            last
        }
    }

    /// Scenario: five weeks of noise beside a strong daily wave: independent, of a memory of ten hours and of fifty; forty
    /// seeds each, asked once a day.
    /// Guarantees: a period is seen in at most two of a hundred answers: chance and slow wandering are none.
    #[test]
    fn chance_has_no_period() {
        for memory in [0.0, 0.9, 0.98] {
            let (mut found, mut asked) = (0, 0);
            for seed in 0..40 {
                let mut noise = noise(seed, memory);
                let day = |hour: i64| 5.0 * libm::sin(hour as f64 / 24.0 * core::f64::consts::TAU);
                let answers = answers(|hour| (day(hour) + noise()) as f32);
                found += answers.iter().flatten().count();
                asked += answers.len();
            }
            assert!(found * 50 <= asked, "memory {memory}: {found} of {asked}");
        }
    }

    /// Scenario: a wave, and an hour or more of work, of every so many hours, in noise beside a daily wave.
    /// Guarantees: after three weeks at least nine of ten answers are the period itself.
    #[test]
    fn a_period_is_found_in_noise() {
        let check = |period: i64, kind: &str, shape: &dyn Fn(i64) -> f64| {
            let (mut right, mut asked) = (0, 0);
            for seed in 0..5 {
                let mut noise = noise(seed, 0.0);
                let day = |hour: i64| 3.0 * libm::sin(hour as f64 / 24.0 * core::f64::consts::TAU);
                let answers = answers(|hour| (day(hour) + 2.0 * shape(hour) + noise()) as f32);
                let late = &answers[answers.len() - 14..];
                right += late.iter().filter(|answer| **answer == Some(period as usize)).count();
                asked += late.len();
            }
            assert!(right * 10 >= asked * 9, "{kind} of {period} h: {right} of {asked}");
        };
        for period in [5, 7, 9, 10, 11, 13, 36] {
            let wave = move |hour: i64| libm::sin(hour as f64 / period as f64 * core::f64::consts::TAU);
            check(period, "wave", &wave);
            let lasts = 1 + period / 10;
            check(period, "job", &move |hour| if hour % period < lasts { 2.0 } else { 0.0 });
        }
    }

    /// Scenario: hours that are missing, for longer than the ring is, then a few; saved and loaded in between.
    /// Guarantees: what is known is what was pushed within two weeks, by its hour.
    #[test]
    fn gaps_are_empty() {
        let mut hours = Hours::new();
        (0..500).for_each(|hour| hours.push(hour, 1.0));
        hours.push(2_000, 2.0);
        let mut hours: Hours = postcard::from_bytes(&postcard::to_allocvec(&hours).unwrap()).unwrap();
        hours.push(2_010, 3.0);
        assert_eq!(hours.known().collect::<Vec<_>>(), [(2_000, 2.0), (2_010, 3.0)]);
        assert_eq!(hours.period(), None);
        (2_011..2_347).for_each(|hour| hours.push(hour, 4.0));
        assert_eq!((hours.known().count(), hours.period()), (HOURS, None));
    }
}
