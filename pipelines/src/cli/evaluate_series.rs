//! `bellwether evaluate nab|mscloud|kpi2018`: the production detector over labelled single series.

use std::path::PathBuf;

use clap::ValueEnum;
use models::univariate::MeanSurprise;
use serde::Serialize;

use super::Exit;
use super::evaluate::{failed, printed, write_page};
use super::evaluate_ablation::kinds;
use crate::evaluate::{
    DetectorPart, LabelledSeries, MovedReport, NabReport, Plot, PointReport, RHYTHM_SERIES, RecordingError,
    ScoredSeries, Selection, SeriesDetector, evaluate_moved, evaluate_nab, evaluate_rhythms, page,
    point_report, read_kpi2018, read_mscloud, score_series,
};

/// What is printed and where.
#[derive(Debug)]
pub(super) struct Printing<'a> {
    pub(super) selection: Selection<'a>,
    pub(super) json: bool,
    pub(super) html: Option<&'a PathBuf>,
    /// What is left out.
    pub(super) without: &'a [DetectorPart],
    pub(super) tier: SeriesTier,
    pub(super) asks: Asks,
}

/// What is asked about series whose points are labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// How well they are judged.
    Everything,
    /// What is found on the first day in another cluster.
    FirstDays,
}

/// The detector of a single series that is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SeriesTier {
    /// Few series, all views
    Full,
    /// Every series, three views
    Hot,
}

impl Printing<'_> {
    fn detector(&self) -> Result<SeriesDetector, Exit> {
        if self.tier == SeriesTier::Hot {
            return Ok(SeriesDetector::hot());
        }
        SeriesDetector::without(self.without).ok_or_else(|| {
            eprintln!(
                "error: --without takes `rhythm` and views from 0 to {}, of which one must be left",
                MeanSurprise::VIEWS.len() - 1
            );
            Exit::Usage
        })
    }
}

pub(super) fn nab(printing: &Printing<'_>, threshold: Option<f64>) -> Exit {
    let detector = match printing.detector() {
        Ok(detector) => detector,
        Err(exit) => return exit,
    };
    let (report, series) = match evaluate_nab(printing.selection, &detector, threshold) {
        Ok(done) => done,
        Err(error) => return failed(&error),
    };
    let caption = |nth: usize| {
        let r = &report.per_file[nth];
        format!("{}: {} of {} windows, {} false alarms", r.file, r.windows_hit, r.windows, r.false_alarms)
    };
    let of = |nth: usize| (report.per_file[nth].file.as_str(), report.per_file[nth].alarms.as_slice());
    let order = (0..report.per_file.len()).map(|nth| (of(nth), caption(nth))).collect();
    finish(printing, &report, &nab_summary(&report), plots(&series, order))
}

pub(super) fn mscloud(printing: &Printing<'_>) -> Exit {
    points(printing, read_mscloud(printing.selection))
}

pub(super) fn kpi2018(printing: &Printing<'_>) -> Exit {
    points(printing, read_kpi2018(printing.selection))
}

pub(super) fn rhythms(printing: &Printing<'_>, seed: u64) -> Exit {
    let by_kind = match printing.detector() {
        Ok(detector) => evaluate_rhythms((seed, RHYTHM_SERIES), &detector),
        Err(exit) => return exit,
    };
    printed(&by_kind, printing.json, || println!("{}", kinds(&by_kind, seed)))
}

fn points(printing: &Printing<'_>, series: Result<Vec<LabelledSeries>, RecordingError>) -> Exit {
    let series = match series {
        Ok(series) => series,
        Err(error) => return failed(&error),
    };
    let detector = match printing.detector() {
        Ok(detector) => detector,
        Err(exit) => return exit,
    };
    if printing.asks == Asks::FirstDays {
        let reports = evaluate_moved(&series, &detector);
        return printed(&reports, printing.json, || reports.iter().for_each(first_days));
    }
    let scored: Vec<(LabelledSeries, ScoredSeries)> = series
        .into_iter()
        .map(|series| {
            let scored = score_series(&series, &detector);
            (series, scored)
        })
        .collect();
    let report = point_report(&scored, &detector);
    let caption = |nth: usize| {
        let r = &report.per_series[nth];
        let vus = r.vus_pr.map_or_else(|| "no anomaly".to_owned(), |vus| format!("VUS-PR {vus:.3}"));
        format!("{}: {vus}, {} of {} episodes, {} false", r.series, r.found, r.episodes, r.false_episodes)
    };
    let of = |nth: usize| (report.per_series[nth].series.as_str(), report.per_series[nth].alarms.as_slice());
    let order = (0..report.per_series.len()).map(|nth| (of(nth), caption(nth))).collect();
    finish(printing, &report, &point_summary(&report), plots(&scored, order))
}

fn first_days(report: &MovedReport) {
    println!("{} times the load, {} first days:", report.load, report.days);
    for (what, figures) in [
        ("begun with nothing", &report.with_nothing),
        ("begun like the known one", &report.like_sibling),
        ("the known one, had it stayed", &report.stayed),
    ] {
        println!(
            "  {what}: {} of {} labelled events found, {} false alarms ({:.3} a day)",
            figures.found, figures.events, figures.false_alarms, figures.false_alarms_per_day
        );
    }
}

fn plots<'a>(
    series: &'a [(LabelledSeries, ScoredSeries)],
    order: Vec<((&str, &'a [usize]), String)>,
) -> Vec<Plot<'a>> {
    let plot = |((name, alarms), caption): ((&str, &'a [usize]), String)| {
        let (series, scored) = series.iter().find(|(series, _)| series.name == name)?;
        Some(Plot { series, scored, alarms, caption })
    };
    order.into_iter().filter_map(plot).collect()
}

fn nab_summary(report: &NabReport) -> String {
    let chosen = if report.threshold_optimised { "optimised on these files" } else { "given" };
    let (low, high) = report.cross_fitted_interval;
    let mut text = format!(
        "standard {:.2}, low FP {:.2}, low FN {:.2} at threshold {:.2} ({chosen}); threshold from other files: {:.2} \
         [{low:.1}, {high:.1}]; {} of {} windows, {} false alarms, {} files, {} points, {:.0} ns/point, {} bytes/series",
        report.standard,
        report.low_fp,
        report.low_fn,
        report.threshold,
        report.cross_fitted,
        report.windows_hit,
        report.windows,
        report.false_alarms,
        report.files,
        report.points,
        report.ns_per_point,
        report.bytes_per_series,
    );
    for other in &report.published {
        let (low, high) = other.standard_interval;
        let fitted = other
            .cross_fitted
            .map_or_else(String::new, |score| format!(", threshold from other files {score:.2}"));
        text.push_str(&format!(
            "\n  {}: {:.2} [{low:.1}, {high:.1}]{fitted}",
            other.detector, other.standard
        ));
    }
    text
}

fn point_summary(report: &PointReport) -> String {
    let ((low, high), (least, most)) = (report.vus_pr_interval, report.event_recall_per_week_interval);
    format!(
        "VUS-PR {:.3} [{low:.2}, {high:.2}], AUC-PR {:.3} over {} of {} series; event recall {:.3} [{least:.2}, {most:.2}] \
         at {:.2} false episodes a series-week (budget {:.2} alarms a day), {:.3} at one a day; by default {:.3} at {:.2} a \
         series-week; {} points, {:.0} ns/point, {} bytes/series",
        report.vus_pr,
        report.auc_pr,
        report.series_with_anomalies,
        report.series,
        report.event_recall_at_1_false_alarm_per_week,
        report.false_episodes_per_week,
        report.alarms_per_day,
        report.event_recall_at_1_false_alarm_per_day,
        report.event_recall_by_default,
        report.false_episodes_per_week_by_default,
        report.points,
        report.ns_per_point,
        report.bytes_per_series,
    )
}

pub(super) fn finish(
    printing: &Printing<'_>,
    report: &impl Serialize,
    summary: &str,
    plots: Vec<Plot<'_>>,
) -> Exit {
    if let Some(path) = printing.html {
        let title = format!("Scores and alarms in {}", printing.selection.folder.display());
        if let Err(exit) = write_page(path, page(&title, summary, &plots)) {
            return exit;
        }
    }
    printed(report, printing.json, || println!("{summary}"))
}
