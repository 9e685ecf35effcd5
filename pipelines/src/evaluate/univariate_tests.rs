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
/// Guarantees: VUS-PR (20 points) of at least .30 on average (means over all: see `docs/univariate.md`), and alarms of
/// the budget that find something. The five say .338; with the mean deviation in usual deviations, a view that is gone, they said
/// .293.
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
    assert!(report.vus_pr >= 0.30, "{} {:?}", report.vus_pr, report.vus_pr_interval);
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

/// Eight weeks of a point every five minutes: noise, a daily wave, and `busy` (hour since the beginning to a factor and an
/// addend, and whether this is wrong). The first three weeks are only learned.
fn eight_weeks(seed: u64, busy: impl Fn(i64) -> (f64, f64, bool)) -> LabelledSeries {
    let mut draws = models::testkit::Draws::new(seed);
    let (mut at, mut values, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for point in 0..8 * 7 * 288_i64 {
        let wave = 1.0 + 0.4 * libm::sin(core::f64::consts::TAU * (point % 288) as f64 / 288.0);
        let (factor, more, is_wrong) = busy(point / 12);
        at.push(point * 300_000_000_000);
        values.push(100.0 * factor * wave + more + 4.0 * draws.normal());
        labels.push(is_wrong);
    }
    let scored = 3 * 7 * 288..values.len();
    LabelledSeries { name: format!("seed {seed}"), at, values, labels, scored }
}

/// Scenario: weekends that are half as busy, with an hour on a working day that is as on Sundays and one on a Sunday that is
/// as on working days, each week; a job of an hour every seven hours that is left out now and then. Four seeds each, with
/// the rhythm and without it.
/// Guarantees: mean VUS-PR (20 points) is higher by .2 and more where the rhythm is known: what is usual, but not now, is
/// seen.
#[test]
fn a_known_rhythm_ranks_what_breaks_it() {
    let (knows, lacks) = (SeriesDetector::full(), SeriesDetector::without(&[DetectorPart::Rhythm]).unwrap());
    let week = |hour: i64| {
        let (day, of_week) = (hour / 24 % 7, hour % 168);
        let is_wrong = of_week == 2 * 24 + 11 || of_week == 6 * 24 + 15;
        let is_wrong = is_wrong && hour >= 3 * 168;
        (if (day >= 5) == is_wrong { 1.0 } else { 0.5 }, 0.0, is_wrong)
    };
    let job = |hour: i64| {
        let is_due = hour % 7 == 3;
        let is_wrong = is_due && hour / 7 % 17 == 16 && hour >= 3 * 168;
        (1.0, if is_due && !is_wrong { 25.0 } else { 0.0 }, is_wrong)
    };
    let mean = |detector: &SeriesDetector, busy: &dyn Fn(i64) -> (f64, f64, bool)| {
        let of_seed = |seed| {
            let series = eight_weeks(seed, busy);
            let scored = score_series(&series, detector);
            let range = series.scored.clone();
            models::accuracy::vus_pr(&series.labels[range.clone()], &scored.scores[range], 20)
        };
        (0..4).map(of_seed).sum::<f64>() / 4.0
    };
    for (kind, busy) in [("week", &week as &dyn Fn(i64) -> (f64, f64, bool)), ("job", &job)] {
        let (with, without) = (mean(&knows, busy), mean(&lacks, busy));
        println!("{kind}: {with:.3} with the rhythm, {without:.3} without");
        assert!(with >= without + 0.2, "{kind}: {with} {without}");
    }
}
