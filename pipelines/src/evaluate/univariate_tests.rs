//! The floors of the public benchmarks, on the real data, when `BELLWETHER_DATA` says where it is.

use std::path::{Path, PathBuf};

use super::nab::read_files;
use super::published::{read_result, read_scores};
use super::series::csv_files;
use super::*;

fn folder_of(name: &str) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "only tests look for data sets that are not in the repository"
    )]
    let root = std::env::var("BELLWETHER_DATA").ok()?;
    Some(Path::new(&root).join(name)).filter(|path| path.is_dir())
}

/// Scenario: the published result tables of sixteen detectors, and the windows of the same files.
/// Guarantees: probation and windows take the same rows as the benchmark's own scorer did, for every line (older tables
/// count the rows of probation as well).
#[test]
fn windows_cover_the_published_rows() {
    let Some(folder) = folder_of("nab") else { return };
    let files = read_files(&folder).unwrap();
    let published = read_scores(&folder.join("published_standard_scores.csv")).unwrap();
    let mut checked = 0;
    for labelled in &files {
        for row in published.values().filter_map(|rows| rows.get(&labelled.series.name)) {
            let (all, scored) = (labelled.series.values.len(), labelled.file.scored().len());
            assert!(row.rows == all || row.rows == scored, "{} {row:?}", labelled.series.name);
            let (inside, seen) = (labelled.file.n_window_rows(), row.hits + row.misses);
            assert!(seen == inside || row.rows == all, "{} {row:?}: {inside}", labelled.series.name);
            checked += 1;
        }
    }
    assert!(checked > 500, "{checked}");
}

/// Scenario: result files of other detectors (a score for every row), laid under `nab/results`, at their published
/// thresholds.
/// Guarantees: the raw score of every file is the published one, to 0.0001.
#[test]
fn the_scorer_agrees_with_published_results() {
    let Some(folder) = folder_of("nab").filter(|folder| folder.join("results").is_dir()) else { return };
    let published = read_scores(&folder.join("published_standard_scores.csv")).unwrap();
    let mut checked = 0;
    for labelled in &read_files(&folder).unwrap() {
        for (detector, rows) in &published {
            let Some(scores) = read_result(&folder, detector, &labelled.series.name).unwrap() else {
                continue;
            };
            let row = rows[&labelled.series.name];
            let alarms: Vec<usize> = (0..scores.len()).filter(|&nth| scores[nth] >= row.threshold).collect();
            let raw = labelled.file.raw_score(&alarms, &models::accuracy::NabProfile::STANDARD);
            assert!((raw - row.raw).abs() < 1e-4, "{detector} {}: {raw} {row:?}", labelled.series.name);
            checked += 1;
        }
    }
    assert!(checked > 0, "the folder of results is empty");
}

/// Scenario: all files of the Numenta benchmark.
/// Guarantees: with a threshold from other files the score is at least 70, and the table of published detectors gives
/// the known figures of ARTime and Numenta HTM on these files (73.3 and 68.0).
#[test]
fn nab_keeps_its_floor() {
    let Some(folder) = folder_of("nab") else { return };
    let (report, _) = evaluate_nab(Selection::all(&folder), &SeriesDetector::full(), None).unwrap();
    assert!(report.cross_fitted >= 70.0, "{} {:?}", report.cross_fitted, report.cross_fitted_interval);
    let of = |name: &str| report.published.iter().find(|other| other.detector == name).unwrap().standard;
    assert!((of("ARTime") - 73.3).abs() < 0.05 && (of("numenta") - 68.0).abs() < 0.05, "{report:?}");
}

/// Scenario: the five smallest files of the 2018 KPIs, four of them with a point every five minutes.
/// Guarantees: VUS-PR (20 points) of at least .28 on average (means over all: see `docs/univariate.md`), and alarms of
/// the budget that find something.
#[test]
fn kpi2018_keeps_its_floor() {
    let Some(folder) = folder_of("kpi2018") else { return };
    let mut files = csv_files(&folder).unwrap();
    files.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    let detector = SeriesDetector::full();
    let scored = files.iter().take(5).map(|path| {
        let series = kpi2018::read_file(&folder, path).unwrap();
        let scored = score_series(&series, &detector);
        (series, scored)
    });
    let report = point_report(&scored.collect::<Vec<_>>(), &detector);
    assert!(report.vus_pr >= 0.28, "{} {:?}", report.vus_pr, report.vus_pr_interval);
    assert!(report.event_recall_at_1_false_alarm_per_week > 0.0, "{report:?}");
}

/// Scenario: all series of Microsoft's cloud monitoring.
/// Guarantees: VUS-PR (20 points) of at least .68.
#[test]
fn mscloud_keeps_its_floor() {
    let Some(folder) = folder_of("mscloud") else { return };
    let detector = SeriesDetector::full();
    let scored = read_mscloud(Selection::all(&folder)).unwrap().into_iter().map(|series| {
        let scored = score_series(&series, &detector);
        (series, scored)
    });
    let report = point_report(&scored.collect::<Vec<_>>(), &detector);
    assert!(report.vus_pr >= 0.68, "{} {:?}", report.vus_pr, report.vus_pr_interval);
}
