//! `bellwether evaluate logs`: the template miner over labelled lines.

use engine::time::clock::Clock;

use super::Exit;
use super::evaluate::{failed, printed};
use crate::evaluate::{LogsReport, Selection, evaluate_logs};

pub(super) fn logs(selection: Selection<'_>, as_json: bool) -> Exit {
    match evaluate_logs(selection, &Clock::system()) {
        Ok(report) => printed(&report, as_json, || print_table(&report)),
        Err(error) => failed(&error),
    }
}

fn print_table(report: &LogsReport) {
    println!(
        "{:<24} {:>8} {:>7} {:>9} {:>9} {:>7} {:>11} {:>11}",
        "system", "lines", "labels", "templates", "accuracy", "f1", "lines/s", "bytes/line"
    );
    for of in &report.systems {
        println!(
            "{:<24} {:>8} {:>7} {:>9} {:>9.4} {:>7.4} {:>11.0} {:>11.0}",
            of.system,
            of.lines,
            of.labels,
            of.templates,
            of.grouping_accuracy,
            of.f1_grouping_accuracy,
            of.lines_per_second,
            of.bytes_per_line
        );
    }
    println!(
        "mean: grouping accuracy {:.4}, F1 {:.4}; {:.0} lines a second",
        report.grouping_accuracy, report.f1_grouping_accuracy, report.lines_per_second
    );
}
