//! The report of `evaluate exhaustion` as one page with a plot per resource: misses and false alarms first.

use super::exhaustion::{ExhaustionReport, ExhaustionResult};

const WIDTH: f64 = 840.0;
const HEIGHT: f64 = 120.0;

/// Misses and false alarms before all else.
fn rank(result: &ExhaustionResult) -> u8 {
    match (result.truth, result.warned_at.is_some()) {
        ("leak", false) => 0,
        ("healthy" | "beside a leak", true) => 1,
        ("leak", true) => 2,
        ("leak that did not fill", _) => 3,
        _ => 4,
    }
}

/// The page, HTML with the plots in it.
#[must_use]
pub fn exhaustion_page(report: &ExhaustionReport) -> String {
    let mut page = String::from("<!doctype html><meta charset=utf-8><title>Exhaustion</title>");
    page.push_str(
        "<style>body{font:14px sans-serif;margin:2em}svg{background:#f7f7f7}h2{font-size:15px}</style>",
    );
    page.push_str(&format!(
        "<h1>Exhaustion</h1><p>{} of {} warned, {} of {} healthy recordings with a false alarm. Blue: part of the \
         limit; orange: first warning; red: first forecast that may act; black: the end.</p>",
        report.warned, report.positives, report.false_alarms, report.negatives
    ));
    let mut series: Vec<&ExhaustionResult> = report.series.iter().collect();
    series.sort_by_key(|result| rank(result));
    series.iter().for_each(|result| plot(&mut page, result));
    page
}

fn plot(page: &mut String, result: &ExhaustionResult) {
    let step = WIDTH / result.levels.len().max(1) as f64;
    let lead = result.lead_s.map_or(String::new(), |lead| format!(", {:.0} min ahead", lead / 60.0));
    page.push_str(&format!(
        "<h2>{} · {} · {}{lead}</h2><svg width={WIDTH} height={HEIGHT}><polyline fill=none stroke=steelblue points='",
        result.id, result.resource, result.truth
    ));
    for (nth, level) in result.levels.iter().enumerate().filter(|(_, level)| level.is_finite()) {
        page.push_str(&format!("{:.1},{:.1} ", nth as f64 * step, HEIGHT * (1.0 - level.min(1.0))));
    }
    page.push_str("'/>");
    let marks = [(result.warned_at, "orange"), (result.acted_at, "red"), (result.exhausted_at, "black")];
    for (at, colour) in marks.into_iter().filter_map(|(at, colour)| at.map(|at| (at, colour))) {
        let x = at as f64 * step;
        page.push_str(&format!("<line x1={x:.1} x2={x:.1} y1=0 y2={HEIGHT} stroke={colour} />"));
    }
    page.push_str("</svg>");
}
