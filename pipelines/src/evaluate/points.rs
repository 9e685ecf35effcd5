//! Figures of point-labelled series: how scores rank anomalies, and what an alarm budget finds of them.
//!
//! Ranking: AUC-PR and VUS-PR (buffer of 20 points), means over the series that have an anomaly among their scored
//! points. Events: every series has its own threshold from the alarm budget that production runs; one budget serves all
//! series, the largest of a fixed list that keeps false episodes within the limit *on average over the series*. That
//! choice looks at the labels, as the limit itself does. Nothing is point-adjusted. Not done here: reading files.

use models::RawScore;
use models::accuracy::{Found, Reach, auc_pr, episodes_found, vus_pr};
use models::calibrate::{AlarmBudget, BudgetParams, Surprise, TailCalibrator, TailParams};
use serde::Serialize;

use super::resample::{bootstrap, mean};
use super::series::{LabelledSeries, ScoredSeries};

/// Buffer of VUS-PR, points.
const BUFFER_POINTS: usize = 20;
/// How far around an episode an alarm belongs to it.
const REACH: Reach = Reach { lead: 2, lag: 7 };
/// Budgets that are tried: so many alarms a day, each a tenth more than the one before.
const BUDGETS: usize = 64;
const BUDGET_PER_DAY_MIN: f64 = 0.03;
const BUDGET_RATIO: f64 = 1.1;

/// What became of one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointResult {
    /// Its name.
    pub series: String,
    /// `None` where no scored point is labelled.
    pub auc_pr: Option<f64>,
    /// `None` where no scored point is labelled.
    pub vus_pr: Option<f64>,
    /// Labelled episodes.
    pub episodes: usize,
    /// Of them found at one false episode a series-week.
    pub found: usize,
    /// False episodes there.
    pub false_episodes: usize,
    /// The alarms, as point numbers.
    pub alarms: Vec<usize>,
}

/// The report, with the keys of the public contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointReport {
    /// Mean over series.
    pub auc_pr: f64,
    /// Mean over series.
    pub vus_pr: f64,
    /// 95 % bootstrap interval over series.
    pub vus_pr_interval: (f64, f64),
    /// Share of all labelled episodes found at one false episode a series-day.
    pub event_recall_at_1_false_alarm_per_day: f64,
    /// Share of all labelled episodes found at one false episode a series-week.
    pub event_recall_at_1_false_alarm_per_week: f64,
    /// 95 % bootstrap interval over series of the same.
    pub event_recall_per_week_interval: (f64, f64),
    /// False episodes a series-week there.
    pub false_episodes_per_week: f64,
    /// The alarm budget there, alarms a day.
    pub alarms_per_day: f64,
    /// From the first point of an episode to its first alarm, median over found episodes, there.
    pub median_delay_points: Option<f64>,
    /// Series.
    pub series: usize,
    /// Series with an anomaly among their scored points.
    pub series_with_anomalies: usize,
    /// Points.
    pub points: usize,
    /// Detector time per point.
    pub ns_per_point: f64,
    /// State of one series.
    pub bytes_per_series: usize,
    /// By series, worst first.
    pub per_series: Vec<PointResult>,
}

/// What one budget finds in all series.
#[derive(Debug)]
struct AtBudget {
    alarms_per_day: f64,
    alarms: Vec<Vec<usize>>,
    found: Vec<Found>,
    false_per_day: f64,
}

/// Computes the report.
#[must_use]
pub fn point_report(series: &[(LabelledSeries, ScoredSeries)]) -> PointReport {
    let surprises: Vec<Vec<Surprise>> =
        series.iter().map(|(series, scored)| surprises(series, scored)).collect();
    let budgets: Vec<AtBudget> =
        budgets_per_day().map(|budget| at_budget(series, &surprises, budget)).collect();
    let within = |limit_per_day: f64| {
        budgets.iter().rev().find(|at| at.false_per_day <= limit_per_day).unwrap_or(&budgets[0])
    };
    let (daily, weekly) = (within(1.0), within(1.0 / 7.0));
    let mut per_series: Vec<PointResult> = series
        .iter()
        .enumerate()
        .map(|(nth, (series, scored))| result(series, scored, weekly, nth))
        .collect();
    let all: Vec<usize> = (0..series.len()).collect();
    let vus: Vec<f64> = per_series.iter().filter_map(|result| result.vus_pr).collect();
    let mut delays: Vec<usize> = weekly.found.iter().flat_map(|found| found.delays_points.clone()).collect();
    delays.sort_unstable();
    let points = series.iter().map(|(series, _)| series.values.len()).sum::<usize>();
    let nanos: i64 = series.iter().map(|(_, scored)| scored.nanos).sum();
    let recall_of = |drawn: &[usize]| recall(&weekly.found, drawn);
    per_series.sort_by(|a, b| a.vus_pr.unwrap_or(2.0).total_cmp(&b.vus_pr.unwrap_or(2.0)));
    PointReport {
        auc_pr: mean(per_series.iter().filter_map(|result| result.auc_pr)),
        vus_pr: mean(vus.iter().copied()),
        vus_pr_interval: bootstrap(vus.len(), |drawn| mean(drawn.iter().map(|&nth| vus[nth]))),
        event_recall_at_1_false_alarm_per_day: recall(&daily.found, &all),
        event_recall_at_1_false_alarm_per_week: recall_of(&all),
        event_recall_per_week_interval: bootstrap(series.len(), recall_of),
        false_episodes_per_week: 7.0 * weekly.false_per_day,
        alarms_per_day: weekly.alarms_per_day,
        median_delay_points: delays.get(delays.len() / 2).map(|&delay| delay as f64),
        series: series.len(),
        series_with_anomalies: vus.len(),
        points,
        ns_per_point: nanos as f64 / points.max(1) as f64,
        bytes_per_series: series.iter().map(|(_, scored)| scored.state_bytes).max().unwrap_or(0),
        per_series,
    }
}

fn budgets_per_day() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(BUDGET_PER_DAY_MIN), |budget| Some(budget * BUDGET_RATIO)).take(BUDGETS)
}

fn recall(found: &[Found], drawn: &[usize]) -> f64 {
    let episodes: usize = drawn.iter().map(|&nth| found[nth].episodes).sum();
    let hits: usize = drawn.iter().map(|&nth| found[nth].delays_points.len()).sum();
    if episodes == 0 { 0.0 } else { hits as f64 / episodes as f64 }
}

/// Raw scores as decades of rarity among the past scores of the same series.
fn surprises(series: &LabelledSeries, scored: &ScoredSeries) -> Vec<Surprise> {
    let params = TailParams::default().check().expect("defaults are within their ranges");
    let mut tail = TailCalibrator::new(&params);
    let points = series.at.iter().zip(&scored.alarm_scores);
    let surprise = |(&at, score): (&i64, &Option<f64>)| {
        let raw = RawScore::new((*score)?)?;
        let decades = tail.maturity().is_mature().then(|| tail.p_value(raw).surprise());
        tail.observe(at, raw);
        decades
    };
    points.map(surprise).map(|found| found.unwrap_or(Surprise::clamped(0.0))).collect()
}

fn at_budget(
    series: &[(LabelledSeries, ScoredSeries)],
    surprises: &[Vec<Surprise>],
    alarms_per_day: f64,
) -> AtBudget {
    let params = BudgetParams { alarms_per_day, ..BudgetParams::default() };
    let params = params.check().expect("the budgets lie in the allowed range");
    let (mut alarms, mut found, mut days) = (Vec::new(), Vec::new(), 0.0);
    for ((series, _), surprises) in series.iter().zip(surprises) {
        let mut budget = AlarmBudget::new(&params);
        let steps = series.at.iter().zip(surprises).map(|(&at, &surprise)| budget.step(at, surprise));
        let alarm_steps = steps.enumerate().filter(|(_, step)| step.state.is_alarm());
        let from = series.scored.start;
        let scored: Vec<usize> = alarm_steps.filter_map(|(nth, _)| nth.checked_sub(from)).collect();
        found.push(episodes_found(&series.labels[series.scored.clone()], &scored, REACH));
        alarms.push(scored.iter().map(|nth| nth + from).collect());
        days += series.scored_days();
    }
    let false_alarms: usize = found.iter().map(|found| found.false_alarms).sum();
    AtBudget { alarms_per_day, alarms, found, false_per_day: false_alarms as f64 / days.max(1e-9) }
}

fn result(series: &LabelledSeries, scored: &ScoredSeries, weekly: &AtBudget, nth: usize) -> PointResult {
    let labels = &series.labels[series.scored.clone()];
    let scores = &scored.scores[series.scored.clone()];
    let labelled = labels.contains(&true);
    PointResult {
        series: series.name.clone(),
        auc_pr: labelled.then(|| auc_pr(labels, scores)),
        vus_pr: labelled.then(|| vus_pr(labels, scores, BUFFER_POINTS)),
        episodes: weekly.found[nth].episodes,
        found: weekly.found[nth].delays_points.len(),
        false_episodes: weekly.found[nth].false_alarms,
        alarms: weekly.alarms[nth].clone(),
    }
}
