//! Figures of point-labelled series: how scores rank anomalies, and what an alarm budget finds of them.
//!
//! Ranking: AUC-PR and VUS-PR (buffer of 20 points), means over the series that have an anomaly among their scored
//! points. Events: every series has its own threshold from the alarm budget that production runs; one budget serves all
//! series, the largest of a fixed list (found by halving it) that keeps false episodes within the limit *on average over the
//! series*. That choice looks at the labels, as the limit itself does; what the default budget finds is told beside it. A
//! budget is a whole run: what an episode withholds from learning is part of it. Nothing is point-adjusted. Not done here:
//! reading files.

use std::collections::BTreeMap;

use models::accuracy::{Found, Reach, auc_pr, episodes_found, vus_pr};
use serde::Serialize;

use super::resample::{bootstrap, by_two_threads, mean};
use super::series::{LabelledSeries, ScoredSeries, SeriesDetector, score_series};

/// Buffer of VUS-PR, points.
pub(super) const BUFFER_POINTS: usize = 20;
/// How far around an episode an alarm belongs to it.
pub(super) const REACH: Reach = Reach { lead: 2, lag: 7 };
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
    /// Share of all labelled episodes found with the settings as they are, one alarm a day by default.
    pub event_recall_by_default: f64,
    /// False episodes a series-week with them.
    pub false_episodes_per_week_by_default: f64,
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

/// The budgets tried so far.
#[derive(Debug)]
struct Budgets<'a> {
    series: &'a [&'a LabelledSeries],
    detector: &'a SeriesDetector,
    tried: BTreeMap<usize, AtBudget>,
}

impl Budgets<'_> {
    fn at(&mut self, nth: usize) -> &AtBudget {
        let (series, detector) = (self.series, self.detector);
        self.tried.entry(nth).or_insert_with(|| {
            let alarms_per_day = BUDGET_PER_DAY_MIN * BUDGET_RATIO.powi(nth as i32);
            let detector = detector.with_alarms_per_day(alarms_per_day);
            let alarms = by_two_threads(series, |series| score_series(series, &detector).alarms);
            at_budget(series, alarms_per_day, alarms)
        })
    }

    /// The largest budget whose false episodes are within the limit, as halving the list finds it.
    fn within(&mut self, false_per_day_max: f64) -> usize {
        let (mut low, mut high) = (0, BUDGETS - 1);
        while low < high {
            let middle = (low + high).div_ceil(2);
            if self.at(middle).false_per_day <= false_per_day_max {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        self.at(low);
        low
    }
}

/// Computes the report on series that `detector` has scored.
#[must_use]
pub fn point_report(series: &[(LabelledSeries, ScoredSeries)], detector: &SeriesDetector) -> PointReport {
    let labelled: Vec<&LabelledSeries> = series.iter().map(|(series, _)| series).collect();
    let mut budgets = Budgets { series: &labelled, detector, tried: BTreeMap::new() };
    let (daily, weekly) = (budgets.within(1.0), budgets.within(1.0 / 7.0));
    let as_is = series.iter().map(|(_, scored)| scored.alarms.clone()).collect();
    let as_is = at_budget(&labelled, f64::NAN, as_is);
    let (daily, weekly) = (&budgets.tried[&daily], &budgets.tried[&weekly]);
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
        event_recall_by_default: recall(&as_is.found, &all),
        false_episodes_per_week_by_default: 7.0 * as_is.false_per_day,
        series: series.len(),
        series_with_anomalies: vus.len(),
        points,
        ns_per_point: nanos as f64 / points.max(1) as f64,
        bytes_per_series: series.iter().map(|(_, scored)| scored.state_bytes).max().unwrap_or(0),
        per_series,
    }
}

/// What each series shows of its episodes at the largest budget that keeps to one false episode a series-week.
pub(super) fn found_a_week(series: &[LabelledSeries], detector: &SeriesDetector) -> Vec<Found> {
    if series.is_empty() {
        return Vec::new();
    }
    let labelled: Vec<&LabelledSeries> = series.iter().collect();
    let mut budgets = Budgets { series: &labelled, detector, tried: BTreeMap::new() };
    let weekly = budgets.within(1.0 / 7.0);
    budgets.tried.remove(&weekly).map_or_else(Vec::new, |weekly| weekly.found)
}

/// Share of the episodes of the drawn series that were found.
pub(super) fn recall(found: &[Found], drawn: &[usize]) -> f64 {
    let episodes: usize = drawn.iter().map(|&nth| found[nth].episodes).sum();
    let hits: usize = drawn.iter().map(|&nth| found[nth].delays_points.len()).sum();
    if episodes == 0 { 0.0 } else { hits as f64 / episodes as f64 }
}

fn at_budget(series: &[&LabelledSeries], alarms_per_day: f64, mut alarms: Vec<Vec<usize>>) -> AtBudget {
    let (mut found, mut days) = (Vec::new(), 0.0);
    for (series, alarms) in series.iter().zip(&mut alarms) {
        let from = series.scored.start;
        alarms.retain(|nth| *nth >= from);
        let scored: Vec<usize> = alarms.iter().map(|nth| nth - from).collect();
        found.push(episodes_found(&series.labels[series.scored.clone()], &scored, REACH));
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
