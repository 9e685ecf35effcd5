//! What the exhaustion forecast says about generated series: false warnings on healthy ones, lead on leaking ones.
//!
//! Also the two rules that most people run, for comparison: a static threshold, and a straight line through the last hour.

use std::collections::VecDeque;

use super::{Growth, Healthy, Leak, Usage, usage};
use crate::exhaustion::{Certainty, ExhaustionModel, ExhaustionValidParams};

/// Samples of a series: two days of minutes.
pub const SERIES_SAMPLES: usize = 2880;
/// Warnings that are not further apart are one.
const SAME_SAMPLES: usize = 60;
/// Samples in a day of minutes.
const DAY_SAMPLES: f64 = 1440.0;

/// The rule that is tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LeakRule {
    /// [`ExhaustionModel`], warning.
    Warn,
    /// [`ExhaustionModel`], strict.
    Act,
    /// Above 90 % for five samples.
    Static,
    /// `predict_linear` over 60 samples reaches the limit within 60 more, five times in a row.
    PredictLinear,
}

/// When a rule spoke about one series, in samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeakTrial {
    /// First samples of its warnings.
    pub warned: Vec<usize>,
    /// Estimate, and 90 % interval, of the samples left at the first warning.
    pub first: Option<[f64; 3]>,
}

/// Runs a rule over a series.
///
/// ```
/// use models::{exhaustion::ExhaustionParams, testkit::{Healthy, LeakRule, SERIES_SAMPLES, try_rule, usage}};
/// let flat = usage(Healthy::Flat, None, 1, SERIES_SAMPLES);
/// let params = ExhaustionParams::default().check().unwrap();
/// assert!(try_rule(LeakRule::Warn, &flat, &params).warned.is_empty());
/// ```
#[must_use]
pub fn try_rule(rule: LeakRule, series: &Usage, params: &ExhaustionValidParams) -> LeakTrial {
    let mut trial = LeakTrial::default();
    let mut model = ExhaustionModel::new(params);
    let (mut recent, mut run, mut last) = (VecDeque::new(), 0, None);
    for (nth, &value) in series.values.iter().enumerate() {
        let ahead = match rule {
            LeakRule::Warn | LeakRule::Act => {
                if series.restarts.contains(&nth) {
                    model.restarted();
                }
                model.learn(nth as i64 * 60_000_000_000, value, Some(1.0));
                let wanted = if rule == LeakRule::Act { Certainty::Act } else { Certainty::Warn };
                let ahead = model.exhaustion().filter(|ahead| ahead.certainty >= wanted);
                ahead.map(|ahead| [ahead.left_secs, ahead.earliest_secs, ahead.latest_secs].map(|s| s / 60.0))
            }
            LeakRule::Static => sustained(&mut run, value > 0.9),
            LeakRule::PredictLinear => {
                recent.push_back(value);
                if recent.len() > 60 {
                    recent.pop_front();
                }
                sustained(&mut run, recent.len() == 60 && line_in_an_hour(&recent) > 1.0)
            }
        };
        let Some(ahead) = ahead else { continue };
        if last.is_none_or(|last| nth - last > SAME_SAMPLES) {
            trial.warned.push(nth);
            trial.first.get_or_insert(ahead);
        }
        last = Some(nth);
    }
    trial
}

fn sustained(run: &mut u32, holds: bool) -> Option<[f64; 3]> {
    *run = if holds { *run + 1 } else { 0 };
    (*run >= 5).then_some([0.0, 0.0, f64::MAX])
}

/// Least squares through the values, read off 60 samples after the last.
fn line_in_an_hour(values: &VecDeque<f64>) -> f64 {
    let n = values.len() as f64;
    let (middle, mean) = ((n - 1.0) / 2.0, values.iter().sum::<f64>() / n);
    let (mut xy, mut xx) = (0.0, 0.0);
    for (nth, value) in values.iter().enumerate() {
        let x = nth as f64 - middle;
        xy += x * (value - mean);
        xx += x * x;
    }
    mean + xy / xx * (n - 1.0 - middle + 60.0)
}

/// Figures over many series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeakFigures {
    /// Healthy series, and their days.
    pub healthy: usize,
    /// Days of them.
    pub days: f64,
    /// Warnings on them.
    pub false_warnings: usize,
    /// Healthy series with a warning.
    pub healthy_warned: usize,
    /// False warnings by kind.
    pub by_kind: Vec<(Healthy, usize)>,
    /// Leaks that reached the limit.
    pub leaks: usize,
    /// Of these, warned of before the end and after the leak began.
    pub warned: usize,
    /// Of these, at least 30 samples ahead.
    pub warned_early: usize,
    /// Leaks that took at least 60 samples.
    pub slow_leaks: usize,
    /// Of these, warned of at least 30 samples ahead.
    pub slow_early: usize,
    /// Samples from the first warning to the end, sorted; 0 where there was none.
    pub leads: Vec<f64>,
    /// Warnings whose interval held the end.
    pub covered: usize,
}

impl LeakFigures {
    /// False warnings per series and day.
    #[must_use]
    pub fn false_per_series_day(&self) -> f64 {
        self.false_warnings as f64 / self.days.max(1e-9)
    }

    /// The middle lead, in samples.
    #[must_use]
    pub fn median_lead(&self) -> f64 {
        self.leads.get(self.leads.len() / 2).copied().unwrap_or(0.0)
    }
}

/// `healthy` series of every kind, and every leak `leaks` times on every base, from this seed on.
#[must_use]
pub fn leak_figures(
    rule: LeakRule,
    params: &ExhaustionValidParams,
    seed: u64,
    healthy: u64,
    leaks: u64,
) -> LeakFigures {
    let mut figures = LeakFigures::default();
    for kind in Healthy::ALL {
        let mut of_kind = 0;
        for nth in 0..healthy {
            let series = usage(kind, None, seed + nth * 1000 + kind as u64, SERIES_SAMPLES);
            let found = try_rule(rule, &series, params).warned.len();
            of_kind += found;
            figures.healthy_warned += usize::from(found > 0);
        }
        figures.healthy += healthy as usize;
        figures.days += healthy as f64 * SERIES_SAMPLES as f64 / DAY_SAMPLES;
        figures.false_warnings += of_kind;
        figures.by_kind.push((kind, of_kind));
    }
    let mut seed = seed.wrapping_mul(7919);
    for (base, leak) in all_leaks(leaks) {
        seed = seed.wrapping_add(1);
        add_leak(&mut figures, rule, params, (&usage(base, Some(leak), seed, SERIES_SAMPLES), leak.from));
    }
    figures.leads.sort_by(f64::total_cmp);
    figures
}

/// Every growth, on every base, over 45 to 720 samples, from the first sample on and after a while.
fn all_leaks(times: u64) -> impl Iterator<Item = (Healthy, Leak)> {
    const BASES: [Healthy; 8] = [
        Healthy::Flat,
        Healthy::Collected,
        Healthy::DailyCollected,
        Healthy::Walk,
        Healthy::Churn,
        Healthy::Noisy,
        Healthy::WarmUp,
        Healthy::Daily,
    ];
    (0..times).flat_map(|time| {
        [45, 90, 180, 360, 720].into_iter().flat_map(move |samples| {
            Growth::ALL.into_iter().flat_map(move |growth| {
                BASES.into_iter().flat_map(move |base| {
                    [0, 600 + 97 * (time as usize % 4)]
                        .into_iter()
                        .map(move |from| (base, Leak { growth, from, samples }))
                })
            })
        })
    })
}

fn add_leak(
    figures: &mut LeakFigures,
    rule: LeakRule,
    params: &ExhaustionValidParams,
    (series, from): (&Usage, usize),
) {
    let Some(end) = series.exhausted.filter(|&end| end >= from + 10) else { return };
    let trial = try_rule(rule, series, params);
    let early = trial.warned.iter().filter(|&&at| at < from).count();
    figures.false_warnings += early;
    figures.days += from as f64 / DAY_SAMPLES;
    figures.leaks += 1;
    let slow = end - from >= 60;
    figures.slow_leaks += usize::from(slow);
    let lead = trial.warned.iter().find(|&&at| at >= from).map_or(0, |&at| end - at);
    figures.leads.push(lead as f64);
    figures.warned += usize::from(lead > 0);
    figures.warned_early += usize::from(lead >= 30);
    figures.slow_early += usize::from(slow && lead >= 30);
    if let Some([_, earliest, latest]) = trial.first.filter(|_| early == 0 && lead > 0) {
        figures.covered += usize::from((earliest..=latest).contains(&(lead as f64)));
    }
}
