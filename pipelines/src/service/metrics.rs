//! The judging side's counts in the engine's telemetry.

use std::collections::BTreeMap;

use engine::telemetry::{Metric, MetricKind, MetricSpec, Telemetry};

use crate::history::FamilyCounts;
use crate::scoring::SeriesCounts;
use crate::wiring::JudgeReport;

const OPEN_INCIDENTS: MetricSpec = MetricSpec {
    name: "bellwether_open_incidents",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "Incidents that are open now.",
};

const INCIDENT_FAMILIES: MetricSpec = MetricSpec {
    name: "bellwether_incident_families",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "Families of incidents that ended, of all tenants.",
};

const INCIDENTS_REMEMBERED: MetricSpec = MetricSpec {
    name: "bellwether_incidents_remembered",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "Incidents that ended and are remembered one by one.",
};

const INCIDENTS_COMPARED: MetricSpec = MetricSpec {
    name: "bellwether_incidents_compared_total",
    kind: MetricKind::Counter,
    labels: &["seen"],
    help: "Incidents opened, by whether one like it had ended before (before) or not (new).",
};

const LOG_TEMPLATES: MetricSpec = MetricSpec {
    name: "bellwether_log_templates_found",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "Log templates found so far, in all services.",
};

const SILENT_REPORTERS: MetricSpec = MetricSpec {
    name: "bellwether_silent_reporters",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "Environments whose services all fell silent at once: whoever reports them did.",
};

const JUDGED_SERIES: MetricSpec = MetricSpec {
    name: "bellwether_judged_series",
    kind: MetricKind::Gauge,
    labels: &["tier"],
    help: "Series that are held against their own past, by the detector that speaks for them: the small or the full one.",
};

const JUDGED_POINTS: MetricSpec = MetricSpec {
    name: "bellwether_judged_points_total",
    kind: MetricKind::Counter,
    labels: &[],
    help: "Points of these series that were judged.",
};

const WITHHELD_POINTS: MetricSpec = MetricSpec {
    name: "bellwether_withheld_points_total",
    kind: MetricKind::Counter,
    labels: &["reason"],
    help: "Of them, those that taught nothing: something was open on the service (held), or its version was failing (discarded).",
};

const SERIES_ALARMS: MetricSpec = MetricSpec {
    name: "bellwether_series_alarms_total",
    kind: MetricKind::Counter,
    labels: &[],
    help: "Alarms of single series that their budgets let pass.",
};

const SERIES_ADMISSIONS: MetricSpec = MetricSpec {
    name: "bellwether_series_admissions_total",
    kind: MetricKind::Counter,
    labels: &["outcome"],
    help: "Times that a series asked for the full detector in vain (refused), or took the place of a less useful one (replaced).",
};

/// Counts of features that are not drops.
const FINE: [&str; 4] = ["spans_taken", "lines_taken", "points_taken", "templates_found"];

/// As [`crate::wiring::JudgeCounts::risk_events`] is ordered.
const STATUSES: [&str; 3] = ["opened", "updated", "resolved"];
const LEVELS: [&str; 3] = ["monitor", "alert", "act"];

/// Adds what the reports count up since the one before.
#[derive(Debug, Default)]
pub(crate) struct JudgeMetrics {
    last: Option<BTreeMap<(&'static str, &'static str), u64>>,
    events: Option<[[u64; 3]; 3]>,
    series: Option<SeriesCounts>,
    families: Option<FamilyCounts>,
}

impl JudgeMetrics {
    /// Takes in a report of a lane that is restored. What the state had counted before this process is not its own; what
    /// happened between the restore and the first look is.
    pub(crate) fn take(&mut self, report: &JudgeReport, telemetry: &Telemetry) {
        let now = counts(report);
        let base = report.base.as_deref();
        let last = self.last.get_or_insert_with(|| base.map(counts).unwrap_or_default());
        for ((stage, reason), count) in &now {
            let before = last.get(&(*stage, *reason)).copied().unwrap_or(0);
            if *count > before {
                telemetry.dropped(stage, reason).add(count - before);
            }
        }
        self.last = Some(now);
        telemetry.gauge(OPEN_INCIDENTS, &[]).set_count(report.open_incidents as u64);
        let templates = report.features.iter().find(|(reason, _)| *reason == "templates_found");
        telemetry.gauge(LOG_TEMPLATES, &[]).set_count(templates.map_or(0, |(_, n)| *n));
        telemetry.gauge(SILENT_REPORTERS, &[]).set_count(report.scoring.silent_reporters);
        let known = base.map_or_else(SeriesCounts::default, |base| base.scoring.series);
        let before = self.series.replace(report.scoring.series).unwrap_or(known);
        series(&report.scoring.series, &before, telemetry);
        let known = base.map_or_else(FamilyCounts::default, |base| base.families);
        let before = self.families.replace(report.families).unwrap_or(known);
        families(&report.families, &before, telemetry);
        let restored = base.map_or_else(Default::default, |base| base.judge.risk_events);
        let before = self.events.replace(report.judge.risk_events).unwrap_or(restored);
        for (status, (now, before)) in STATUSES.iter().zip(report.judge.risk_events.iter().zip(before)) {
            for (level, (now, before)) in LEVELS.iter().zip(now.iter().zip(before)) {
                telemetry.counter(Metric::RiskEvents, &[status, level]).add(now.saturating_sub(before));
            }
        }
    }
}

/// The baselines of single series: what there is now, and what was counted since `before`.
fn series(now: &SeriesCounts, before: &SeriesCounts, telemetry: &Telemetry) {
    telemetry.gauge(JUDGED_SERIES, &["small"]).set_count(now.series.saturating_sub(now.full));
    telemetry.gauge(JUDGED_SERIES, &["full"]).set_count(now.full);
    telemetry.gauge(Metric::StateBytes, &["series"]).set_count(now.bytes);
    let count = |metric: MetricSpec, labels: &[&str], of: fn(&SeriesCounts) -> u64| {
        telemetry.counter(metric, labels).add(of(now).saturating_sub(of(before)));
    };
    count(JUDGED_POINTS, &[], |counts| counts.judged);
    count(WITHHELD_POINTS, &["held"], |counts| counts.held);
    count(WITHHELD_POINTS, &["discarded"], |counts| counts.discarded);
    count(SERIES_ALARMS, &[], |counts| counts.alarms);
    count(SERIES_ADMISSIONS, &["refused"], |counts| counts.admissions_refused);
    count(SERIES_ADMISSIONS, &["replaced"], |counts| counts.admissions_replaced);
    count(Metric::StateEvicted.spec(), &["series", "silent"], |counts| counts.expired);
}

/// Families of incidents: what there is now, and what was counted since `before`.
fn families(now: &FamilyCounts, before: &FamilyCounts, telemetry: &Telemetry) {
    telemetry.gauge(INCIDENT_FAMILIES, &[]).set_count(now.families);
    telemetry.gauge(INCIDENTS_REMEMBERED, &[]).set_count(now.incidents);
    let count = |metric: MetricSpec, labels: &[&str], of: fn(&FamilyCounts) -> u64| {
        telemetry.counter(metric, labels).add(of(now).saturating_sub(of(before)));
    };
    count(INCIDENTS_COMPARED, &["before"], |counts| counts.known);
    count(INCIDENTS_COMPARED, &["new"], |counts| counts.new);
    count(Metric::StateEvicted.spec(), &["incident_families", "full"], |counts| counts.evicted);
}

fn counts(report: &JudgeReport) -> BTreeMap<(&'static str, &'static str), u64> {
    let mut counts: BTreeMap<_, _> = report
        .features
        .iter()
        .filter(|(reason, _)| !FINE.contains(reason))
        .map(|(reason, n)| (("features", *reason), *n))
        .collect();
    counts.insert(("scoring", "services_refused"), report.scoring.services_refused);
    counts.insert(("scoring", "pods_refused"), report.scoring.pods_refused);
    counts.insert(("scoring", "forecasts_refused"), report.scoring.forecasts_refused);
    counts.insert(("scoring", "series_refused"), report.scoring.series.refused);
    counts.insert(("scoring", "cadence_changes"), report.scoring.cadence_changes);
    counts.insert(("incident", "refused"), report.incidents.refused);
    counts.insert(("history", "refused"), report.families.refused);
    counts.insert(("judge", "messages_unreadable"), report.judge.messages_unreadable);
    counts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::wiring::JudgeCounts;

    fn report(opened: u64, base: Option<JudgeReport>) -> JudgeReport {
        let judge = JudgeCounts { risk_events: [[0, opened, 0], [0; 3], [0; 3]], ..JudgeCounts::default() };
        JudgeReport { judge, base: base.map(Arc::new), ..JudgeReport::default() }
    }

    fn told(reports: &[JudgeReport]) -> u64 {
        let telemetry = Telemetry::new().unwrap();
        let mut metrics = JudgeMetrics::default();
        reports.iter().for_each(|report| metrics.take(report, &telemetry));
        telemetry.counter(Metric::RiskEvents, &["opened", "alert"]).get()
    }

    /// Scenario: events are published before anybody has looked at a report; in a fresh process, and in one that was restored.
    /// Guarantees: they are counted; those of before the restore are not.
    #[test]
    fn what_came_before_the_first_look_counts() {
        assert_eq!(told(&[report(2, None), report(3, None)]), 3);
        let restored = || Some(report(5, None));
        assert_eq!(told(&[report(7, restored()), report(8, restored())]), 3);
    }
}
