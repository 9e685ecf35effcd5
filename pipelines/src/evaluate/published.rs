//! What other detectors got on the same files of the Numenta benchmark, from what their authors published.

use std::collections::BTreeMap;
use std::path::Path;

use models::accuracy::NabProfile;
use serde::Serialize;

use super::canaryrec::RecordingError;
use super::files::read_text;
use super::nab::{FOLDS, Labelled, corpus_score};
use super::resample::{best_threshold, cross_fitted};
use super::series::{bad_line, rows};

/// Thresholds that published scores are swept over.
const THRESHOLDS: usize = 1000;

/// Another detector on the same files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Published {
    /// Its name in the benchmark.
    pub detector: String,
    /// Standard profile from its published score of each file, at the threshold that is best on all 58 files.
    pub standard: f64,
    /// 95 % bootstrap interval over files.
    pub standard_interval: (f64, f64),
    /// Standard profile at the threshold that is best on these files; only with its result files.
    pub optimised: Option<f64>,
    /// Standard profile with the threshold chosen on other files; only with its result files.
    pub cross_fitted: Option<f64>,
    /// 95 % bootstrap interval over files of the same.
    pub cross_fitted_interval: Option<(f64, f64)>,
}

/// All detectors that have a published score for every one of the files, best first.
pub(super) fn published(folder: &Path, files: &[Labelled]) -> Result<Vec<Published>, RecordingError> {
    let path = folder.join("published_standard_scores.csv");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (detector, raw) in read_scores(&path)? {
        let raw: Option<Vec<f64>> =
            files.iter().map(|labelled| raw.get(&labelled.series.name).map(|row| row.raw)).collect();
        let Some(raw) = raw else { continue };
        let (standard, standard_interval) = corpus_score(files, &raw, &NabProfile::STANDARD);
        let mut entry = Published {
            detector,
            standard,
            standard_interval,
            optimised: None,
            cross_fitted: None,
            cross_fitted_interval: None,
        };
        rescore(folder, files, &mut entry)?;
        found.push(entry);
    }
    found.sort_by(|a, b| b.standard.total_cmp(&a.standard));
    Ok(found)
}

/// One published line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PublishedRow {
    pub(super) threshold: f64,
    pub(super) raw: f64,
    pub(super) hits: usize,
    pub(super) misses: usize,
    pub(super) rows: usize,
}

/// Published lines by detector and file.
pub(super) fn read_scores(
    path: &Path,
) -> Result<BTreeMap<String, BTreeMap<String, PublishedRow>>, RecordingError> {
    let text = read_text(path)?;
    let mut found: BTreeMap<String, BTreeMap<String, PublishedRow>> = BTreeMap::new();
    for (line, cells) in rows(&text) {
        let [detector, file, threshold, raw, hits, _, misses, rows] = cells.as_slice() else {
            return Err(bad_line(path, line, "not `detector,file,threshold,raw_score,tp,fp,fn,total`"));
        };
        let number = |cell: &str| cell.parse::<f64>().map_err(|e| bad_line(path, line, e.to_string()));
        let row = PublishedRow {
            threshold: number(threshold)?,
            raw: number(raw)?,
            hits: number(hits)? as usize,
            misses: number(misses)? as usize,
            rows: number(rows)? as usize,
        };
        found.entry((*detector).to_owned()).or_default().insert((*file).to_owned(), row);
    }
    Ok(found)
}

/// Scores of every row of a file, as the benchmark's result files hold them.
pub(super) fn read_result(
    folder: &Path,
    detector: &str,
    file: &str,
) -> Result<Option<Vec<f64>>, RecordingError> {
    let (category, name) = file.split_once('/').unwrap_or(("", file));
    let path = folder.join("results").join(detector).join(category).join(format!("{detector}_{name}"));
    if !path.is_file() {
        return Ok(None);
    }
    let text = read_text(&path)?;
    let header = text.lines().next().unwrap_or_default();
    let column = header.split(',').position(|name| name.trim() == "anomaly_score");
    let column = column.ok_or_else(|| bad_line(&path, 1, "no column `anomaly_score`"))?;
    let score = |(line, cells): (usize, Vec<&str>)| {
        let cell = cells.get(column).and_then(|cell| cell.parse::<f64>().ok());
        cell.ok_or_else(|| bad_line(&path, line, "no number in `anomaly_score`"))
    };
    rows(&text).map(score).collect::<Result<_, _>>().map(Some)
}

/// Sweeps the result files of a detector, if they are all there.
fn rescore(folder: &Path, files: &[Labelled], entry: &mut Published) -> Result<(), RecordingError> {
    let mut scores = Vec::new();
    for labelled in files {
        match read_result(folder, &entry.detector, &labelled.series.name)? {
            Some(found) if found.len() == labelled.series.values.len() => scores.push(found),
            _ => return Ok(()),
        }
    }
    let curves = curves_of(files, &scores);
    let best = best_threshold(curves.iter().map(Vec::as_slice));
    let raw: Vec<f64> = curves.iter().map(|curve| curve[best]).collect();
    let fitted = cross_fitted(&curves, FOLDS);
    let (score, interval) = corpus_score(files, &fitted, &NabProfile::STANDARD);
    entry.optimised = Some(corpus_score(files, &raw, &NabProfile::STANDARD).0);
    (entry.cross_fitted, entry.cross_fitted_interval) = (Some(score), Some(interval));
    Ok(())
}

/// Raw scores by file at thresholds that are spread evenly over all distinct scores.
fn curves_of(files: &[Labelled], scores: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let sweeps: Vec<Vec<(f64, f64)>> = files
        .iter()
        .zip(scores)
        .map(|(labelled, scores)| labelled.file.sweep(scores, &NabProfile::STANDARD))
        .collect();
    let mut distinct: Vec<f64> = sweeps.iter().flatten().map(|(threshold, _)| *threshold).collect();
    distinct.sort_by(|a, b| b.total_cmp(a));
    distinct.dedup();
    let every = distinct.len().div_ceil(THRESHOLDS).max(1);
    // the highest scores matter most and are kept one by one
    let kept = distinct.iter().enumerate().filter(|(nth, _)| *nth < THRESHOLDS || nth % every == 0);
    let thresholds: Vec<f64> = kept.map(|(_, threshold)| *threshold).collect();
    let at = |sweep: &Vec<(f64, f64)>, threshold: f64| {
        let passed = sweep.partition_point(|(reached, _)| *reached >= threshold);
        sweep[passed.max(1) - 1].1
    };
    sweeps.iter().map(|sweep| thresholds.iter().map(|&threshold| at(sweep, threshold)).collect()).collect()
}
