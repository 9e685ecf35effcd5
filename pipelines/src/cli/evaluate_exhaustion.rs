//! `bellwether evaluate exhaustion`: recorded processes that run out of something.

use std::path::Path;

use models::exhaustion::ExhaustionParams;
use serde::Serialize;

use super::Exit;
use super::evaluate::{failed, printed, write_page};
use crate::evaluate::{
    Ablation, ExhaustionReport, Selection, SimulatedReleases, SimulatedRule, ablate_exhaustion,
    evaluate_exhaustion, exhaustion_page, simulate_exhaustion, simulate_releases,
};

/// Also try generated series, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generated {
    /// Recordings only.
    No,
    /// Both.
    Yes,
}

/// What is printed with `--json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    recorded: &'a ExhaustionReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated: Option<std::collections::BTreeMap<&'static str, SimulatedRule>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated_releases: Option<SimulatedReleases>,
}

/// `--ablation`: what each piece is worth. Exit 0 when the figures could be computed, whatever they are.
pub(crate) fn ablation(selection: Selection<'_>, json: bool) -> Exit {
    match ablate_exhaustion(selection) {
        Ok(table) => printed(&table, json, || print_ablation(&table)),
        Err(error) => failed(&error),
    }
}

fn print_ablation(table: &[Ablation]) {
    println!(
        "{:<30} {:>11} {:>11} {:>18} {:>18} {:>11}",
        "without", "recorded", "act", "false/day found early", "act: the same", "releases"
    );
    let counts = |[found, early, falsely]: [usize; 3]| format!("{found}/{early}/{falsely}");
    for it in table {
        let rule = |rule: crate::evaluate::AblatedRule| {
            format!("{:.3} {:.3} {:.3}", rule.false_per_series_day, rule.warned_share, rule.early_share)
        };
        println!(
            "{:<30} {:>11} {:>11} {:>18} {:>18} {:>11}",
            it.without,
            counts(it.recorded),
            counts(it.recorded_act),
            rule(it.warn),
            rule(it.act),
            format!("{}/{}", it.releases[0], it.releases[1])
        );
    }
}

/// Exit 0 when the figures could be computed, whatever they are.
pub(crate) fn exhaustion(
    selection: Selection<'_>,
    json: bool,
    html: Option<&Path>,
    generated: Generated,
) -> Exit {
    let params = ExhaustionParams::default().check().expect("the defaults are checked by a test");
    let report = match evaluate_exhaustion(selection, &params) {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    if let Some(path) = html
        && let Err(exit) = write_page(path, exhaustion_page(&report))
    {
        return exit;
    }
    let simulated = (generated == Generated::Yes).then(|| simulate_exhaustion(&params));
    let simulated_releases = (generated == Generated::Yes).then(|| simulate_releases(&params));
    let document = Document { recorded: &report, simulated, simulated_releases };
    printed(&document, json, || print_table(&document))
}

fn print_table(document: &Document<'_>) {
    let report = document.recorded;
    println!("{:<18} {:<7} {:<22} {:>8} {:>8}", "id", "of", "truth", "warn s", "act s");
    let secs = |lead: Option<f64>, at: Option<usize>| match (lead, at) {
        (Some(lead), _) => format!("{lead:.0}"),
        (None, Some(at)) => format!("@{at}"),
        (None, None) => "-".to_owned(),
    };
    for s in &report.series {
        let (warn, act) = (secs(s.lead_s, s.warned_at), secs(s.act_lead_s, s.acted_at));
        println!("{:<18} {:<7} {:<22} {warn:>8} {act:>8}", s.id, s.resource, s.truth);
    }
    println!(
        "{} of {} warned, median lead {:.0} s, {:.0} % half an hour ahead; {} of {} healthy falsely",
        report.warned,
        report.positives,
        report.median_lead_s,
        100.0 * report.lead_over_half_share,
        report.false_alarms,
        report.negatives
    );
    println!(
        "strict rule: {} of {}, median lead {:.0} s, {:.0} % half an hour ahead; {} falsely",
        report.acted,
        report.positives,
        report.act_median_lead_s,
        100.0 * report.act_lead_over_half_share,
        report.act_false_alarms
    );
    for (name, rule) in document.simulated.iter().flatten() {
        println!(
            "generated, {name}: {:.3} false a series-day, {:.0} % warned, {:.0} % of the slow ones early, lead {:.0}",
            rule.false_per_series_day,
            100.0 * rule.warned_share,
            100.0 * rule.early_share,
            rule.median_lead_samples
        );
    }
    if let Some(releases) = &document.simulated_releases {
        println!(
            "generated releases: {} of {} that leak are blamed, {} of {} that do not",
            releases.found, releases.leaking, releases.blamed, releases.healthy
        );
        for it in &releases.reliability {
            println!(
                "  at least {:.0} % of the room taken: told {:.3}, true {:.3} (at least {:.3}); {} leak, {} do not",
                100.0 * it.room_taken,
                it.confidence,
                it.leaking_share,
                it.leaking_share_at_least,
                it.found,
                it.blamed
            );
        }
    }
}
