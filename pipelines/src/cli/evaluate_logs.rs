//! `bellwether evaluate logs`: the template miner over labelled lines.

use std::path::Path;

use engine::time::clock::Clock;

use super::{Exit, chain_of};
use crate::evaluate::{LogsReport, evaluate_logs};

pub(super) fn logs(folder: &Path, as_json: bool) -> Exit {
    match evaluate_logs(folder, &Clock::system()) {
        Ok(report) if as_json => {
            println!("{}", serde_json::to_string_pretty(&report).expect("plain values always serialise"));
            Exit::Fine
        }
        Ok(report) => {
            print_table(&report);
            Exit::Fine
        }
        Err(error) => {
            eprintln!("error: {}", chain_of(&error));
            Exit::Failed
        }
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
