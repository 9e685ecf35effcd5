//! `evaluate nab`: the Numenta Anomaly Benchmark, strictly causal, beside what others published.
//!
//! The benchmark's own convention picks the threshold that is best on the very files it is scored on; `standard`,
//! `low_fp` and `low_fn` follow it, unless a threshold is given. `cross_fitted` picks it on four fifths of the files and
//! scores the rest, which is what a user gets. Published detectors have one row per file at the threshold that their
//! authors optimised on all 58 files, so their figure is flattered by that; where result files with a score for every
//! row lie under `results/<detector>/`, they are swept and cross-fitted in the same way.

use std::collections::BTreeMap;
use std::path::Path;

use models::RawScore;
use models::accuracy::{NabFile, NabProfile};
use models::univariate::{AlarmParams, AlarmRule};
use serde::Serialize;

use super::canaryrec::RecordingError;
use super::files::read_text;
use super::part::Selection;
use super::published::{Published, published};
use super::resample::{best_threshold, bootstrap, cross_fitted};
use super::series::{
    LabelledSeries, ScoredSeries, SeriesDetector, bad_line, csv_files, name_below, parse_time, rows,
    score_series,
};

/// Folds of the files.
pub(super) const FOLDS: usize = 5;
/// Thresholds that are tried: from 0.6 in steps of 0.02.
const THRESHOLDS: usize = 121;

/// One file of the benchmark.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Labelled {
    pub(super) series: LabelledSeries,
    pub(super) file: NabFile,
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NabFileResult {
    /// `<category>/<file>.csv`.
    pub file: String,
    /// Windows after probation.
    pub windows: usize,
    /// Of them with an alarm.
    pub windows_hit: usize,
    /// Alarms outside the windows.
    pub false_alarms: usize,
    /// Raw score, standard profile.
    pub raw_score: f64,
    /// The alarms, as row numbers.
    pub alarms: Vec<usize>,
}

/// The report, with the keys of the public contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NabReport {
    /// Standard profile at `threshold`.
    pub standard: f64,
    /// Profile that punishes false alarms, at its own best threshold or the given one.
    pub low_fp: f64,
    /// Profile that punishes misses, at its own best threshold or the given one.
    pub low_fn: f64,
    /// Threshold of `standard`.
    pub threshold: f64,
    /// Whether it was chosen on these files.
    pub threshold_optimised: bool,
    /// Standard profile, threshold chosen on the other four fifths of the files, mean over twenty draws of the fifths.
    pub cross_fitted: f64,
    /// Its 95 % bootstrap interval over files.
    pub cross_fitted_interval: (f64, f64),
    /// Files.
    pub files: usize,
    /// Windows after probation.
    pub windows: usize,
    /// Of them with an alarm at `threshold`.
    pub windows_hit: usize,
    /// Alarms outside windows at `threshold`.
    pub false_alarms: usize,
    /// Rows.
    pub points: usize,
    /// Detector time per row.
    pub ns_per_point: f64,
    /// State of one series.
    pub bytes_per_series: usize,
    /// What others got on the same files.
    pub published: Vec<Published>,
    /// By file, worst first.
    pub per_file: Vec<NabFileResult>,
}

/// Runs the files of a selection laid out as `data/<category>/<file>.csv.zst`, `combined_windows.json` and, for the
/// comparison, `published_standard_scores.csv`. Also gives the series and their scores, for plots.
///
/// # Errors
/// [`RecordingError`] names file and line.
pub fn evaluate_nab(
    selection: Selection<'_>,
    detector: &SeriesDetector,
    threshold: Option<f64>,
) -> Result<(NabReport, Vec<(LabelledSeries, ScoredSeries)>), RecordingError> {
    let files = selection.of(read_files(selection.folder)?, |labelled| labelled.series.name.clone());
    let scored: Vec<ScoredSeries> =
        files.iter().map(|labelled| score_series(&labelled.series, detector)).collect();
    let thresholds: Vec<f64> = threshold.map_or_else(thresholds, |given| vec![given]);
    let alarms = alarms_by_threshold(&files, &scored, (&thresholds, AlarmParams::default()));
    let mut report = report(&files, &alarms, &thresholds);
    report.threshold_optimised = threshold.is_none();
    report.points = files.iter().map(|labelled| labelled.series.values.len()).sum();
    report.ns_per_point =
        scored.iter().map(|scored| scored.nanos).sum::<i64>() as f64 / report.points.max(1) as f64;
    report.bytes_per_series = scored.iter().map(|scored| scored.state_bytes).max().unwrap_or(0);
    report.published = published(selection.folder, &files)?;
    Ok((report, files.into_iter().map(|labelled| labelled.series).zip(scored).collect()))
}

/// The alarms of one threshold for all files, as the benchmark wants it. Those of production come from the alarm budget of each
/// series instead, opened by the calibrated onset: `evaluate kpi2018|mscloud` count them.
fn alarms_at(series: &LabelledSeries, scored: &ScoredSeries, params: AlarmParams) -> Vec<usize> {
    let mut rule = AlarmRule::new(&params.check().expect("the thresholds lie in the allowed range"));
    let mut alarms = |row: usize| {
        let score = RawScore::new(scored.scores[row]);
        score.is_some_and(|score| rule.alarms(series.at[row], score))
    };
    (0..scored.scores.len()).filter(|&row| alarms(row)).collect()
}

/// The thresholds that are tried.
fn thresholds() -> Vec<f64> {
    (0..THRESHOLDS).map(|nth| 0.6 + 0.02 * nth as f64).collect()
}

/// Alarms by file and threshold, otherwise by the rule given.
fn alarms_by_threshold(
    files: &[Labelled],
    scored: &[ScoredSeries],
    (thresholds, rule): (&[f64], AlarmParams),
) -> Vec<Vec<Vec<usize>>> {
    let of_file = |(labelled, scored): (&Labelled, &ScoredSeries)| {
        let at = |&threshold| alarms_at(&labelled.series, scored, AlarmParams { threshold, ..rule });
        thresholds.iter().map(at).collect()
    };
    files.iter().zip(scored).map(of_file).collect()
}

/// Raw scores of the standard profile by file, at thresholds from other files.
pub(super) fn fitted_raw(files: &[Labelled], scored: &[ScoredSeries], rule: AlarmParams) -> Vec<f64> {
    let alarms = alarms_by_threshold(files, scored, (&thresholds(), rule));
    cross_fitted(&curves(files, &alarms, &NabProfile::STANDARD), FOLDS)
}

/// Raw scores by file and threshold.
fn curves(files: &[Labelled], alarms: &[Vec<Vec<usize>>], profile: &NabProfile) -> Vec<Vec<f64>> {
    let of_file = |(labelled, alarms): (&Labelled, &Vec<Vec<usize>>)| {
        alarms.iter().map(|alarms| labelled.file.raw_score(alarms, profile)).collect()
    };
    files.iter().zip(alarms).map(of_file).collect()
}

/// The score of the corpus from raw scores by file, and its interval.
pub(super) fn corpus_score(files: &[Labelled], raw: &[f64], profile: &NabProfile) -> (f64, (f64, f64)) {
    let of = |drawn: &[usize]| {
        let windows = drawn.iter().map(|&nth| files[nth].file.n_windows()).sum();
        profile.normalised(drawn.iter().map(|&nth| raw[nth]).sum(), windows)
    };
    let all: Vec<usize> = (0..files.len()).collect();
    (of(&all), bootstrap(files.len(), of))
}

fn report(files: &[Labelled], alarms: &[Vec<Vec<usize>>], thresholds: &[f64]) -> NabReport {
    let best_of = |profile: &NabProfile| {
        let curves = curves(files, alarms, profile);
        let best = best_threshold(curves.iter().map(Vec::as_slice));
        let raw: Vec<f64> = curves.iter().map(|curve| curve[best]).collect();
        (corpus_score(files, &raw, profile).0, best, curves)
    };
    let (standard, best, standard_curves) = best_of(&NabProfile::STANDARD);
    let fitted = cross_fitted(&standard_curves, FOLDS);
    let (cross_fitted, cross_fitted_interval) = corpus_score(files, &fitted, &NabProfile::STANDARD);
    let mut per_file: Vec<NabFileResult> = files
        .iter()
        .zip(alarms)
        .map(|(labelled, alarms)| {
            let (windows_hit, false_alarms) = labelled.file.counts(&alarms[best]);
            NabFileResult {
                file: labelled.series.name.clone(),
                windows: labelled.file.n_windows(),
                windows_hit,
                false_alarms,
                raw_score: labelled.file.raw_score(&alarms[best], &NabProfile::STANDARD),
                alarms: alarms[best].clone(),
            }
        })
        .collect();
    let lost = |result: &NabFileResult| result.windows as f64 - result.raw_score;
    per_file.sort_by(|a, b| lost(b).total_cmp(&lost(a)));
    NabReport {
        standard,
        low_fp: best_of(&NabProfile::LOW_FALSE_ALARMS).0,
        low_fn: best_of(&NabProfile::LOW_MISSES).0,
        threshold: thresholds[best],
        threshold_optimised: true,
        cross_fitted,
        cross_fitted_interval,
        files: files.len(),
        windows: per_file.iter().map(|result| result.windows).sum(),
        windows_hit: per_file.iter().map(|result| result.windows_hit).sum(),
        false_alarms: per_file.iter().map(|result| result.false_alarms).sum(),
        points: 0,
        ns_per_point: 0.0,
        bytes_per_series: 0,
        published: Vec::new(),
        per_file,
    }
}

/// Reads all files with their windows.
pub(super) fn read_files(folder: &Path) -> Result<Vec<Labelled>, RecordingError> {
    let path = folder.join("combined_windows.json");
    let windows: BTreeMap<String, Vec<(String, String)>> =
        serde_json::from_str(&read_text(&path)?).map_err(|e| bad_line(&path, e.line(), e.to_string()))?;
    let below = folder.join("data");
    let read = |path| read_file(&below, path, &windows);
    csv_files(&below)?.iter().map(|path| read(path.as_path())).collect()
}

fn read_file(
    below: &Path,
    path: &Path,
    windows: &BTreeMap<String, Vec<(String, String)>>,
) -> Result<Labelled, RecordingError> {
    let text = read_text(path)?;
    let (mut at, mut values) = (Vec::new(), Vec::new());
    for (line, cells) in rows(&text) {
        let row = match cells.as_slice() {
            [time, value, ..] => parse_time(time).zip(value.parse().ok()),
            _ => None,
        };
        let (time, value) = row.ok_or_else(|| bad_line(path, line, "not `timestamp,value`"))?;
        at.push(time);
        values.push(value);
    }
    let name = name_below(below, path);
    let row_of = |time: &str| {
        let time = parse_time(time)?;
        at.iter().position(|&row| row == time)
    };
    let found = windows.get(&name).map(Vec::as_slice).unwrap_or_default();
    let rows: Option<Vec<(usize, usize)>> =
        found.iter().map(|(from, last)| row_of(from).zip(row_of(last))).collect();
    let rows = rows.ok_or_else(|| bad_line(path, 0, "a window starts or ends at no row of the file"))?;
    let file = NabFile::new(values.len(), &rows);
    let mut labels = vec![false; values.len()];
    rows.iter().for_each(|&(from, last)| labels[from..=last].fill(true));
    let scored = file.scored();
    Ok(Labelled { series: LabelledSeries { name, at, values, labels, scored }, file })
}
