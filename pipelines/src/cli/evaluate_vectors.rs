//! `bellwether evaluate smd|asd|jumpstarter`: machines of many metrics, figures out.

use models::multivariate::{VectorParams, VectorValidParams};

use super::Exit;
use super::evaluate::{failed, printed};
use super::evaluate_series::{Printing, finish};
use crate::config::Plan;
use crate::evaluate::{EndToEndReport, Plot, VectorReport, evaluate_end_to_end, evaluate_vectors};

/// What is run, and how much of it is printed as JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) interval_secs: u32,
    pub(super) extent: Extent,
    /// Settings of the detector other than the defaults, as JSON.
    pub(super) params: Option<&'a str>,
    /// Weight of the rarity of windows among their prototypes.
    pub(super) prototypes: Option<f64>,
}

/// How much is printed as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// The means over machines.
    Means,
    /// Every machine too.
    Details,
}

/// Runs the machines of a folder.
pub(super) fn vectors(printing: &Printing<'_>, run: &Run<'_>) -> Exit {
    let params = match checked(run.params.unwrap_or("{}")) {
        Ok(params) => params,
        Err(why) => {
            eprintln!("error: --params: {why}");
            return Exit::Usage;
        }
    };
    let (mut report, plotted) =
        match evaluate_vectors(printing.selection, run.interval_secs, &params, run.prototypes) {
            Ok(done) => done,
            Err(error) => return failed(&error),
        };
    let summary = summary(&report);
    let details = std::mem::take(&mut report.details);
    let mut plots: Vec<(f64, Plot<'_>)> = Vec::new();
    for ((series, scored), it) in plotted.iter().zip(&details) {
        let caption =
            format!("{}: VUS-PR {:.3}, {} of {} events found", it.machine, it.vus_pr, it.found, it.events);
        plots.push((it.vus_pr, Plot { series, scored, alarms: &it.alarms, caption }));
    }
    plots.sort_by(|a, b| a.0.total_cmp(&b.0));
    if run.extent == Extent::Details {
        report.details.clone_from(&details);
    }
    finish(printing, &report, &summary, plots.into_iter().map(|(_, plot)| plot).collect())
}

/// Plays the machines of a folder through the whole engine.
pub(super) fn end_to_end(printing: &Printing<'_>, interval_secs: u32, plan: &Plan) -> Exit {
    match evaluate_end_to_end(printing.selection, interval_secs, plan) {
        Ok(report) => printed(&report, printing.json, || println!("{}", published(&report))),
        Err(error) => failed(&error),
    }
}

fn published(report: &EndToEndReport) -> String {
    let mut text = format!(
        "{} services, {:.1} service-weeks, {} labelled events\n{:<10} {:>9} {:>9} {:>12} {:>9} {:>8} {:>9}",
        report.services,
        report.service_weeks,
        report.events,
        "at least",
        "incidents",
        "a week",
        "events found",
        "by chance",
        "outside",
        "a week"
    );
    for it in &report.levels {
        let level = format!("{:?}", it.level).to_lowercase();
        text.push_str(&format!(
            "\n{level:<10} {:>9} {:>9.2} {:>12} {:>9.1} {:>8} {:>9.2}",
            it.incidents,
            it.per_service_week,
            it.events_found,
            it.events_found_by_chance,
            it.outside,
            it.outside_per_service_week
        ));
    }
    text
}

fn checked(params: &str) -> Result<VectorValidParams, String> {
    let params: VectorParams = serde_json::from_str(params).map_err(|error| error.to_string())?;
    params.check().map_err(|faults| faults.to_string())
}

fn summary(report: &VectorReport) -> String {
    let mut text = format!(
        "{:<14} {:>7} {:>7} {:>7} {:>6} {:>9}",
        "machine", "auc_pr", "vus_pr", "events", "found", "suspects"
    );
    for it in &report.details {
        let suspects = if it.attributed == 0 {
            "-".to_owned()
        } else {
            format!("{}/{}", it.attribution_hits, it.attributed)
        };
        text.push_str(&format!(
            "\n{:<14} {:>7.3} {:>7.3} {:>7} {:>6} {suspects:>9}",
            it.machine, it.auc_pr, it.vus_pr, it.events, it.found
        ));
    }
    let (low, high) = report.vus_pr_interval;
    text.push_str(&format!(
        "\n{} machines: VUS-PR {:.3} [{low:.2}, {high:.2}], AUC-PR {:.3}, event recall {:.2} at one false alarm a day",
        report.machines, report.vus_pr, report.auc_pr, report.event_recall_at_1_false_alarm_per_day
    ));
    if let Some(added) = &report.prototypes {
        let (low, high) = added.gain_interval;
        text.push_str(&format!(
            "\nwith prototypes of windows: VUS-PR {:.3}, {:+.3} [{low:+.3}, {high:+.3}], {} of {} machines better",
            added.vus_pr, added.gain, added.better, report.machines
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: settings that change one thing, a misspelled one, one out of range.
    /// Guarantees: the first is taken, the others say what is wrong.
    #[test]
    fn settings_are_checked() {
        assert!(checked(r#"{"smoothing": 1.0, "without": "time_of_day"}"#).is_ok());
        assert!(checked(r#"{"smoothin": 1.0}"#).unwrap_err().contains("smoothin"));
        assert_eq!(checked(r#"{"smoothing": 2.0}"#).unwrap_err(), "smoothing is 2, must be 0.01 to 1");
    }
}
