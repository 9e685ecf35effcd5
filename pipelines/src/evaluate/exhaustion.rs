//! `evaluate exhaustion`: recorded processes that run out of something, and others that only look like it.
//!
//! Every resource of a recording that has a limit is forecast, by the model and with the settings that production runs; one
//! sample stands for a minute. A label is looked at once the run is over. A leak that did not reach its limit within the
//! recording is no positive (there is no time to be ahead of) and no negative; it is listed.

use std::collections::BTreeMap;
use std::path::Path;

use models::exhaustion::{Certainty, ExhaustionModel, ExhaustionValidParams};
use serde::{Deserialize, Serialize};

use super::canaryrec::RecordingError;
use super::files::{read_labels, read_text};
use super::part::Selection;

/// What one sample of a recording stands for.
const SAMPLE_SECS: f64 = 60.0;
/// Half an hour.
const EARLY_SECS: f64 = 1800.0;
/// Resource of the label, column of the value, column of the limit.
const RESOURCES: [(&str, &str, &str); 3] = [
    ("memory", "memory_usage_bytes", "memory_limit_bytes"),
    ("fd", "open_fds", "max_fds"),
    ("pool", "pool_in_use", "pool_max"),
];

/// One labelled recording.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ExhaustionLabel {
    /// File stem.
    pub id: String,
    /// `memory`, `fd` or `pool`.
    pub resource: String,
    /// Whether the resource leaks.
    pub exhausting: bool,
    /// When the leak began, Unix seconds.
    pub leak_start_ts: Option<f64>,
    /// When the limit was reached, Unix seconds; none if it was not.
    pub exhausted_ts: Option<f64>,
    /// First sample, Unix seconds.
    pub start: f64,
}

/// One resource of a recording, in samples.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedUsage {
    /// Used and limit.
    pub values: Vec<(f64, f64)>,
    /// Samples before which another version started.
    pub restarts: Vec<usize>,
}

/// What was said about one resource of one recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExhaustionResult {
    /// Which recording.
    pub id: String,
    /// Which resource.
    pub resource: String,
    /// `leak`, `leak that did not fill`, `healthy`.
    pub truth: &'static str,
    /// Sample of the first warning.
    pub warned_at: Option<usize>,
    /// Sample of the first forecast strict enough to act on.
    pub acted_at: Option<usize>,
    /// Seconds from the first warning to the end.
    pub lead_s: Option<f64>,
    /// The same of the strict rule.
    pub act_lead_s: Option<f64>,
    /// Sample at which the limit was reached.
    pub exhausted_at: Option<usize>,
    /// Levels, for the plot.
    #[serde(skip)]
    pub levels: Vec<f64>,
}

/// The report, with the keys of the public contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExhaustionReport {
    /// Recordings whose resource reached its limit.
    pub positives: usize,
    /// Of these, warned of ahead.
    pub warned: usize,
    /// Median seconds from the first warning to the end over all positives; 0 where there was none.
    pub median_lead_s: f64,
    /// Share of the positives warned of at least half an hour (30 samples) ahead.
    pub lead_over_half_share: f64,
    /// Healthy recordings with a warning.
    pub false_alarms: usize,
    /// Healthy recordings.
    pub negatives: usize,
    /// Positives of which the strict rule spoke ahead.
    pub acted: usize,
    /// The same median for the strict rule.
    pub act_median_lead_s: f64,
    /// Share of the positives of which the strict rule spoke at least half an hour ahead.
    pub act_lead_over_half_share: f64,
    /// Healthy recordings of which the strict rule spoke.
    pub act_false_alarms: usize,
    /// Leaks that did not fill within the recording, and how many were warned of.
    pub censored: usize,
    /// Of these, warned of.
    pub censored_warned: usize,
    /// Warnings about another resource than the one that leaks.
    pub beside: usize,
    /// One for each resource of each recording.
    pub series: Vec<ExhaustionResult>,
}

/// Forecasts every recording of a selection.
///
/// # Errors
/// [`RecordingError`] for a folder that is not laid out as `labels.json` and `<id>.csv.zst`.
pub fn evaluate_exhaustion(
    selection: Selection<'_>,
    params: &ExhaustionValidParams,
) -> Result<ExhaustionReport, RecordingError> {
    let mut series = Vec::new();
    let folder = selection.folder;
    for label in &selection.of(read_labels::<ExhaustionLabel>(folder)?, |label| label.id.clone()) {
        for (resource, usage) in read_usage(folder, &label.id)? {
            series.push(forecast(label, resource, &usage, params));
        }
    }
    Ok(report(series))
}

/// The resources of a recording that have a limit.
///
/// # Errors
/// [`RecordingError`] names file and line.
pub fn read_usage(folder: &Path, id: &str) -> Result<BTreeMap<&'static str, RecordedUsage>, RecordingError> {
    let path = folder.join(format!("{id}.csv.zst"));
    let text = read_text(&path)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| {
        names.iter().position(|found| *found == name).ok_or_else(|| RecordingError::Line {
            path: path.clone(),
            line: 1,
            why: format!("no column {name}"),
        })
    };
    let version = column("version")?;
    let mut found = BTreeMap::new();
    for (resource, used, limit) in RESOURCES {
        let (used, limit) = (column(used)?, column(limit)?);
        let mut usage = RecordedUsage { values: Vec::new(), restarts: Vec::new() };
        let mut last: Option<&str> = None;
        for (nth, line) in text.lines().skip(1).enumerate() {
            let cells: Vec<&str> = line.split(',').collect();
            let number = |at: usize| cells.get(at).and_then(|cell| cell.parse().ok()).unwrap_or(f64::NAN);
            let now = cells.get(version).copied();
            if last.is_some() && now != last {
                usage.restarts.push(nth);
            }
            last = now;
            usage.values.push((number(used), number(limit)));
        }
        if usage.values.iter().any(|(used, limit)| *used >= 0.0 && *limit > 0.0) {
            found.insert(resource, usage);
        }
    }
    Ok(found)
}

fn forecast(
    label: &ExhaustionLabel,
    resource: &str,
    usage: &RecordedUsage,
    params: &ExhaustionValidParams,
) -> ExhaustionResult {
    let mut model = ExhaustionModel::new(params);
    let leaks = label.exhausting && label.resource == resource;
    let end = label.exhausted_ts.filter(|_| leaks).map(|end| (end - label.start).round() as usize);
    let (mut warned_at, mut acted_at) = (None, None);
    for (nth, &(used, limit)) in usage.values.iter().enumerate() {
        if end.is_some_and(|end| nth >= end) {
            break;
        }
        if usage.restarts.contains(&nth) {
            model.restarted();
        }
        model.learn((nth as f64 * SAMPLE_SECS * 1e9) as i64, used, Some(limit));
        let Some(ahead) = model.exhaustion() else { continue };
        warned_at.get_or_insert(nth);
        if ahead.certainty == Certainty::Act {
            acted_at.get_or_insert(nth);
        }
    }
    let lead = |at: Option<usize>| at.zip(end).map(|(at, end)| (end - at) as f64 * SAMPLE_SECS);
    ExhaustionResult {
        id: label.id.clone(),
        resource: resource.to_owned(),
        truth: match (leaks, end) {
            (true, Some(_)) => "leak",
            (true, None) => "leak that did not fill",
            (false, _) if label.exhausting => "beside a leak",
            (false, _) => "healthy",
        },
        warned_at,
        acted_at,
        lead_s: lead(warned_at),
        act_lead_s: lead(acted_at),
        exhausted_at: end,
        levels: usage.values.iter().map(|(used, limit)| used / limit).collect(),
    }
}

fn report(series: Vec<ExhaustionResult>) -> ExhaustionReport {
    let leaks: Vec<&ExhaustionResult> = series.iter().filter(|s| s.truth == "leak").collect();
    let censored = || series.iter().filter(|s| s.truth == "leak that did not fill");
    let leads = |of: fn(&ExhaustionResult) -> Option<f64>| {
        let mut leads: Vec<f64> = leaks.iter().map(|s| of(s).unwrap_or(0.0)).collect();
        leads.sort_by(f64::total_cmp);
        leads
    };
    let early = |leads: &[f64]| {
        leads.iter().filter(|lead| **lead >= EARLY_SECS).count() as f64 / leads.len().max(1) as f64
    };
    let median = |leads: &[f64]| {
        let (low, high) = (leads.get(leads.len().saturating_sub(1) / 2), leads.get(leads.len() / 2));
        low.zip(high).map_or(0.0, |(low, high)| 0.5 * (low + high))
    };
    let recordings = |of: &dyn Fn(&&ExhaustionResult) -> bool| {
        let ids: std::collections::BTreeSet<&str> =
            series.iter().filter(|s| s.truth == "healthy").filter(of).map(|s| s.id.as_str()).collect();
        ids.len()
    };
    let (warn, act) = (leads(|s| s.lead_s), leads(|s| s.act_lead_s));
    ExhaustionReport {
        positives: leaks.len(),
        warned: leaks.iter().filter(|s| s.warned_at.is_some()).count(),
        median_lead_s: median(&warn),
        lead_over_half_share: early(&warn),
        false_alarms: recordings(&|s| s.warned_at.is_some()),
        negatives: recordings(&|_| true),
        acted: leaks.iter().filter(|s| s.acted_at.is_some()).count(),
        act_median_lead_s: median(&act),
        act_lead_over_half_share: early(&act),
        act_false_alarms: recordings(&|s| s.acted_at.is_some()),
        censored: censored().count(),
        censored_warned: censored().filter(|s| s.warned_at.is_some()).count(),
        beside: series.iter().filter(|s| s.truth == "beside a leak" && s.warned_at.is_some()).count(),
        series,
    }
}
