//! `evaluate smd|asd|jumpstarter`: labelled machines of many metrics through the detector that production runs.
//!
//! Every machine starts cold with the same settings; the unlabelled rows are streamed first, then the labelled ones,
//! each scored before it is learned. Ranking figures are not point-adjusted. Events: alarms are rows at or above a
//! threshold, at most one an hour; the machine's threshold is the lowest that gives at most one false alarm a
//! day *on the labelled rows themselves*, so recall is what the ranking can give at that rate, not a forecast.

use models::accuracy::{auc_pr, episodes, vus_pr};
use models::multivariate::{Learning, VectorDetector, VectorValidParams};
use models::testkit::Prototypes;
use serde::Serialize;

use super::canaryrec::RecordingError;
use super::part::Selection;
use super::resample::{bootstrap, mean};
use super::series::{LabelledSeries, ScoredSeries};
use super::vectors::{Cause, Machine, list_machines};

/// Buffer of VUS-PR in rows.
const BUFFER: usize = 100;
/// Rows of a window, and prototypes of windows.
const WINDOW: (usize, usize) = (12, 32);
const DAY_SECS: f64 = 86_400.0;
const HOUR_SECS: f64 = 3_600.0;

/// What a machine's scores found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MachineResult {
    /// Which.
    pub machine: String,
    /// Average precision.
    pub auc_pr: f64,
    /// VUS-PR with buffers up to 100 rows.
    pub vus_pr: f64,
    /// The same with prototypes of windows as one more view, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vus_pr_with_prototypes: Option<f64>,
    /// Labelled events.
    pub events: usize,
    /// Of them found at one false alarm a day.
    pub found: usize,
    /// The threshold of that.
    pub threshold: f64,
    /// From the first labelled row to the first alarm, of the events found.
    pub delays_points: Vec<usize>,
    /// Events whose metrics at fault are known.
    pub attributed: usize,
    /// Of them those whose strongest suspect is at fault.
    pub attribution_hits: usize,
    /// Bytes of the detector's state at the end.
    pub state_bytes: usize,
    /// Its alarms, as labelled rows.
    #[serde(skip)]
    pub alarms: Vec<usize>,
}

/// What one more view of the vectors adds, machine by machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Addition {
    /// VUS-PR with it.
    pub vus_pr: f64,
    /// Mean difference.
    pub gain: f64,
    /// Its 95 % bootstrap interval over machines.
    pub gain_interval: (f64, f64),
    /// Machines that it helps.
    pub better: usize,
}

/// The report, with the keys of the public contract: means over machines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VectorReport {
    /// Average precision.
    pub auc_pr: f64,
    /// VUS-PR with buffers up to 100 rows.
    pub vus_pr: f64,
    /// 95 % bootstrap interval over machines.
    pub vus_pr_interval: (f64, f64),
    /// What prototypes of windows add, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prototypes: Option<Addition>,
    /// Share of labelled events found at one false alarm a day.
    pub event_recall_at_1_false_alarm_per_day: f64,
    /// Median over all events found, from the first labelled row.
    pub median_delay_points: Option<f64>,
    /// How many.
    pub machines: usize,
    /// Share of the events with known metrics at fault whose strongest suspect is one of them.
    pub attribution_hit_rate: Option<f64>,
    /// By machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<MachineResult>,
}

/// Runs every machine of a selection; one row is `interval_secs`. Beside the report, for plots: by machine the metric that
/// most often spoke against it, and the scores. With a weight for them, the rarity of windows among their prototypes is added to the
/// score with that weight, beside the score as it is.
///
/// # Errors
/// [`RecordingError`] for files that are not laid out as this module's reader says.
pub fn evaluate_vectors(
    selection: Selection<'_>,
    interval_secs: u32,
    params: &VectorValidParams,
    prototypes: Option<f64>,
) -> Result<(VectorReport, Vec<PlottedMachine>), RecordingError> {
    let listed = list_machines(selection)?;
    if listed.is_empty() {
        let source = std::io::Error::new(
            std::io::ErrorKind::NotFound,
            "no `<machine>_test.csv.zst` of this part in it",
        );
        return Err(RecordingError::File { path: selection.folder.to_owned(), source });
    }
    let run = |(folder, name): &(std::path::PathBuf, String)| {
        Machine::read(folder, name).map(|machine| run_one(&machine, interval_secs, params, prototypes))
    };
    let results: Result<Vec<(MachineResult, PlottedMachine)>, RecordingError> =
        listed.iter().map(run).collect();
    let (results, plotted) = results?.into_iter().unzip();
    Ok((report(results), plotted))
}

/// What a plot of a machine shows.
pub type PlottedMachine = (LabelledSeries, ScoredSeries);

/// Streams one machine.
fn run_one(
    machine: &Machine,
    interval_secs: u32,
    params: &VectorValidParams,
    prototypes: Option<f64>,
) -> (MachineResult, PlottedMachine) {
    let mut detector = VectorDetector::new(params, machine.width);
    let rows = machine.values.len() / machine.width;
    let unlabelled = rows - machine.labels.len();
    let mut scores = Vec::with_capacity(machine.labels.len());
    let mut spoken = vec![0.0; machine.width];
    let mut blame: Vec<Vec<f64>> = machine.causes.iter().map(|_| vec![0.0; machine.width]).collect();
    for (row, x) in machine.values.chunks_exact(machine.width).enumerate() {
        let at = row as i64 * i64::from(interval_secs) * 1_000_000_000;
        let score = detector.observe(at, x, Learning::Learn);
        let Some(labelled) = row.checked_sub(unlabelled) else { continue };
        scores.push(score.map_or(0.0, models::RawScore::value));
        detector.suspects(1).iter().for_each(|it| spoken[it.metric] += it.decades);
        for (cause, blame) in machine.causes.iter().zip(&mut blame) {
            if cause.rows.contains(&labelled) {
                detector.suspects(machine.width).iter().for_each(|it| blame[it.metric] += it.decades);
            }
        }
    }
    let hit = |(cause, blame): (&Cause, &Vec<f64>)| cause.metrics.contains(&strongest(blame));
    let events = Events::of(&machine.labels, interval_secs);
    let threshold = events.threshold(&scores);
    let delays_points = events.delays(&scores, threshold);
    let with_prototypes = prototypes.map(|weight| {
        let windows = rarity_of_windows(machine, interval_secs, params.smoothing());
        let both: Vec<f64> =
            scores.iter().zip(windows).map(|(score, windows)| score + weight * windows).collect();
        vus_pr(&machine.labels, &both, BUFFER)
    });
    let state_bytes = postcard::to_allocvec(&detector).map_or(0, |bytes| bytes.len());
    let result = MachineResult {
        machine: machine.name.clone(),
        auc_pr: auc_pr(&machine.labels, &scores),
        vus_pr: vus_pr(&machine.labels, &scores, BUFFER),
        vus_pr_with_prototypes: with_prototypes,
        events: events.segments.len(),
        found: delays_points.len(),
        threshold,
        delays_points,
        attributed: machine.causes.len(),
        attribution_hits: machine.causes.iter().zip(&blame).filter(|pair| hit(*pair)).count(),
        state_bytes,
        alarms: events.alarms(&scores, threshold),
    };
    (result, plotted(machine, strongest(&spoken), scores, state_bytes))
}

/// How far the windows that end with the labelled rows are from all prototypes, in decades, smoothed as the score is.
fn rarity_of_windows(machine: &Machine, interval_secs: u32, smoothing: f64) -> Vec<f64> {
    let mut prototypes = Prototypes::new(machine.width, WINDOW.0, WINDOW.1);
    let mut smoothed = 0.0;
    let step = |(row, x): (usize, &[f64])| {
        let decades = prototypes.observe(row as i64 * i64::from(interval_secs) * 1_000_000_000, x);
        smoothed += smoothing * (decades - smoothed);
        smoothed
    };
    let all: Vec<f64> = machine.values.chunks_exact(machine.width).enumerate().map(step).collect();
    all[all.len() - machine.labels.len()..].to_vec()
}

/// The metric with the most against it.
fn strongest(blame: &[f64]) -> usize {
    (0..blame.len()).max_by(|&a, &b| blame[a].total_cmp(&blame[b])).unwrap_or(0)
}

fn plotted(machine: &Machine, metric: usize, scores: Vec<f64>, state_bytes: usize) -> PlottedMachine {
    let rows = machine.values.chunks_exact(machine.width);
    let unlabelled = rows.len() - machine.labels.len();
    let series = LabelledSeries {
        name: machine.name.clone(),
        at: Vec::new(),
        values: rows.skip(unlabelled).map(|row| row[metric]).collect(),
        labels: machine.labels.clone(),
        scored: 0..scores.len(),
    };
    (series, ScoredSeries { scores, alarms: Vec::new(), nanos: 0, state_bytes })
}

/// Labelled events of a machine and how many false alarms are allowed.
struct Events {
    segments: Vec<std::ops::Range<usize>>,
    labels: Vec<bool>,
    hold_off: usize,
    allowed: usize,
}

impl Events {
    fn of(labels: &[bool], interval_secs: u32) -> Self {
        let interval = f64::from(interval_secs);
        Self {
            segments: episodes(labels),
            labels: labels.to_vec(),
            hold_off: (HOUR_SECS / interval) as usize,
            allowed: (labels.len() as f64 * interval / DAY_SECS) as usize,
        }
    }

    /// Alarms, at most one an hour: a score that stays high does not count as one alarm for ever.
    fn alarms(&self, scores: &[f64], threshold: f64) -> Vec<usize> {
        let (mut alarms, mut silent_until) = (Vec::new(), 0);
        for (row, &score) in scores.iter().enumerate() {
            if score >= threshold && row >= silent_until {
                alarms.push(row);
                silent_until = row + self.hold_off;
            }
        }
        alarms
    }

    /// Alarms outside of events.
    fn false_alarms(&self, scores: &[f64], threshold: f64) -> usize {
        self.alarms(scores, threshold).iter().filter(|&&row| !self.labels[row]).count()
    }

    /// The lowest score that, as a threshold, keeps within the allowed false alarms.
    fn threshold(&self, scores: &[f64]) -> f64 {
        let mut levels = scores.to_vec();
        levels.sort_unstable_by(f64::total_cmp);
        levels.dedup();
        let of_rank = |rank: usize| self.false_alarms(scores, levels[rank]) <= self.allowed;
        // fewer alarms with a higher threshold, but for merged ones: from above, the last that holds
        let mut rank = levels.len();
        let mut step = (levels.len() / 2).max(1);
        while step > 0 {
            while rank > step && of_rank(rank - step) {
                rank -= step;
            }
            step /= 2;
        }
        levels.get(rank).copied().unwrap_or(f64::INFINITY)
    }

    /// Rows from the start of each event found to its first alarm.
    fn delays(&self, scores: &[f64], threshold: f64) -> Vec<usize> {
        let delay = |event: &std::ops::Range<usize>| {
            scores[event.clone()].iter().position(|&score| score >= threshold)
        };
        self.segments.iter().filter_map(delay).collect()
    }
}

fn addition(details: &[MachineResult]) -> Option<Addition> {
    let with: Option<Vec<f64>> = details.iter().map(|result| result.vus_pr_with_prototypes).collect();
    let with = with.filter(|with| !with.is_empty())?;
    let gains: Vec<f64> = with.iter().zip(details).map(|(with, result)| with - result.vus_pr).collect();
    Some(Addition {
        vus_pr: mean(with.iter().copied()),
        gain: mean(gains.iter().copied()),
        gain_interval: bootstrap(gains.len(), |drawn| mean(drawn.iter().map(|&nth| gains[nth]))),
        better: gains.iter().filter(|gain| **gain > 0.0).count(),
    })
}

fn report(details: Vec<MachineResult>) -> VectorReport {
    let over = |of: fn(&MachineResult) -> f64| mean(details.iter().map(of));
    let vus: Vec<f64> = details.iter().map(|result| result.vus_pr).collect();
    let mut delays: Vec<usize> = details.iter().flat_map(|result| result.delays_points.clone()).collect();
    delays.sort_unstable();
    let known: usize = details.iter().map(|result| result.attributed).sum();
    let hits: usize = details.iter().map(|result| result.attribution_hits).sum();
    VectorReport {
        auc_pr: over(|result| result.auc_pr),
        vus_pr: over(|result| result.vus_pr),
        vus_pr_interval: bootstrap(vus.len(), |drawn| mean(drawn.iter().map(|&nth| vus[nth]))),
        prototypes: addition(&details),
        event_recall_at_1_false_alarm_per_day: over(|result| {
            result.found as f64 / result.events.max(1) as f64
        }),
        median_delay_points: delays.get(delays.len() / 2).map(|&points| points as f64),
        machines: details.len(),
        attribution_hit_rate: (known > 0).then(|| hits as f64 / known as f64),
        details,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: two days of minutes with two events; one stands out, the other is as high as a spike on each of four
    /// days' quarters outside of them, and all else is equal.
    /// Guarantees: with two false alarms allowed, the threshold finds the event that stands out and not the other;
    /// a threshold below everything is an alarm an hour, not one alarm.
    #[test]
    fn one_false_alarm_a_day() {
        let mut labels = vec![false; 2880];
        let mut scores = vec![1.0; 2880];
        labels[500..520].fill(true);
        labels[2000..2010].fill(true);
        scores[503..510].fill(9.0);
        scores[2005] = 4.0;
        [100, 800, 1500, 2500].into_iter().for_each(|row| scores[row] = 4.0);
        let events = Events::of(&labels, 60);
        assert_eq!(events.false_alarms(&scores, 0.0), 48);
        let threshold = events.threshold(&scores);
        assert_eq!((threshold, events.delays(&scores, threshold)), (9.0, vec![3]));
        assert_eq!(Events::of(&[], 60).threshold(&[]), f64::INFINITY);
    }
}
