//! `evaluate smd|asd|jumpstarter --end-to-end`: labelled machines as services that send OTLP, through all that production
//! runs, and what it would have published.
//!
//! Each machine is a service of one pod, each of its metrics a gauge. What is counted are incidents, by the highest level
//! that they reached: opened within a labelled event or an hour after it, or not. What it does not do: choose a threshold.

use std::collections::BTreeMap;

use contract::{Level, RiskEvent};
use engine::record::{NANOS_PER_SEC, RecordKind, UnixNanos};
use models::accuracy::{Reach, episodes_found};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use serde::Serialize;

use super::canary::EvaluateError;
use super::otlp::{gauge, text};
use super::part::Selection;
use super::rig::Rig;
use super::vectors::{Machine, list_machines};
use crate::config::Plan;

/// When the recordings are taken to begin: a Monday, 00:00 UTC.
const BEGIN: UnixNanos = 1_767_571_200 * NANOS_PER_SEC;
/// An alarm this long after the end of an event still belongs to it.
const LAG_SECS: u32 = 3_600;
const WEEK_SECS: f64 = 604_800.0;
/// Times that a machine's incidents are moved on to see what chance finds.
const SHIFTS: usize = 100;
const LEVELS: [Level; 3] = [Level::Monitor, Level::Alert, Level::Act];

/// What was published.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EndToEndReport {
    /// Machines, each a service.
    pub services: usize,
    /// Weeks of all of them together, unlabelled ones too.
    pub service_weeks: f64,
    /// Labelled events.
    pub events: usize,
    /// Incidents by the highest level that they reached.
    pub levels: Vec<LevelReport>,
}

/// Incidents that reached a level, or a higher one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelReport {
    /// At least this.
    pub level: Level,
    /// How many.
    pub incidents: usize,
    /// By service and week.
    pub per_service_week: f64,
    /// Labelled events with at least one of them.
    pub events_found: usize,
    /// Labelled events that as many incidents in the same rhythm would find at other times: the mean over
    /// a hundred circular shifts of the labelled part.
    pub events_found_by_chance: f64,
    /// The share of those shifts that found as many events, or more.
    pub shifts_as_good: f64,
    /// Of those in the labelled part, how many belong to no event.
    pub outside: usize,
    /// The latter by service and week.
    pub outside_per_service_week: f64,
}

/// When an incident of a service first reached each level.
type Reached = BTreeMap<(String, String), [Option<UnixNanos>; LEVELS.len()]>;

/// Plays the machines of a selection side by side, one row each `interval_secs`.
///
/// # Errors
/// [`EvaluateError`] for files that are not laid out as told, and for what the engine says.
pub fn evaluate_end_to_end(
    selection: Selection<'_>,
    interval_secs: u32,
    plan: &Plan,
) -> Result<EndToEndReport, EvaluateError> {
    let listed = list_machines(selection)?;
    let machines: Result<Vec<Machine>, _> =
        listed.iter().map(|(folder, name)| Machine::read(folder, name)).collect();
    let machines = machines?;
    let rows = machines.iter().map(rows_of).max().unwrap_or(0);
    let step = i64::from(interval_secs) * NANOS_PER_SEC;
    let (mut rig, mut reached) = (Rig::new(plan)?, Reached::new());
    for row in 0..rows {
        let at = BEGIN + row as i64 * step;
        let resource_metrics = machines.iter().filter_map(|machine| service_at(machine, row, at)).collect();
        let body = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
        let output = rig.feed_body(at + NANOS_PER_SEC, RecordKind::Metrics, body)?;
        for event in output.risk_events() {
            note(&mut reached, event, output.log_clock);
        }
    }
    Ok(report(&machines, &reached, interval_secs))
}

fn rows_of(machine: &Machine) -> usize {
    machine.values.len() / machine.width.max(1)
}

/// One export of a machine.
fn service_at(machine: &Machine, row: usize, at: UnixNanos) -> Option<ResourceMetrics> {
    let values = machine.values.chunks_exact(machine.width).nth(row)?;
    let metrics = values.iter().enumerate().filter(|(_, value)| value.is_finite());
    let metrics = metrics
        .map(|(nth, value)| gauge(&format!("metric.{:02}", nth + 1), at as u64, *value, Vec::new()))
        .collect();
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let attributes = vec![
        text("service.name", machine.name.clone()),
        text("service.namespace", "recorded".to_owned()),
        text("service.version", "v1".to_owned()),
        text("service.instance.id", format!("{}-0", machine.name)),
        text("deployment.environment.name", "recorded".to_owned()),
    ];
    let resource = Some(Resource { attributes, ..Resource::default() });
    Some(ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() })
}

fn note(reached: &mut Reached, event: RiskEvent, at: UnixNanos) {
    let levels = reached.entry((event.scope.service, event.incident_id)).or_default();
    for (level, first) in LEVELS.iter().zip(levels) {
        if event.assessment.level >= *level {
            first.get_or_insert(at);
        }
    }
}

fn report(machines: &[Machine], reached: &Reached, interval_secs: u32) -> EndToEndReport {
    let weeks = |rows: usize| rows as f64 * f64::from(interval_secs) / WEEK_SECS;
    let service_weeks = weeks(machines.iter().map(rows_of).sum());
    let labelled_weeks = weeks(machines.iter().map(|machine| machine.labels.len()).sum());
    let reach = Reach { lead: 1, lag: (LAG_SECS / interval_secs.max(1)) as usize };
    let level = |nth: usize| {
        let (mut incidents, mut found, mut outside) = (0, 0, 0);
        let mut by_chance = [0; SHIFTS];
        for machine in machines {
            let unlabelled = rows_of(machine) - machine.labels.len();
            let of_machine = reached.iter().filter(|((service, _), _)| *service == machine.name);
            let mut rows: Vec<usize> = of_machine
                .filter_map(|(_, levels)| levels[nth])
                .map(|at| ((at - BEGIN) / (i64::from(interval_secs) * NANOS_PER_SEC)) as usize)
                .collect();
            rows.sort_unstable();
            incidents += rows.len();
            let labelled: Vec<usize> = rows.iter().filter_map(|row| row.checked_sub(unlabelled)).collect();
            let of_labelled = episodes_found(&machine.labels, &labelled, reach);
            found += of_labelled.delays_points.len();
            outside += of_labelled.false_alarms;
            for (nth, found) in by_chance.iter_mut().enumerate() {
                *found += found_when_moved(machine, &labelled, (nth + 1) as f64 / (SHIFTS + 1) as f64, reach);
            }
        }
        let as_good = by_chance.iter().filter(|moved| **moved >= found).count();
        LevelReport {
            level: LEVELS[nth],
            incidents,
            per_service_week: incidents as f64 / service_weeks,
            events_found: found,
            events_found_by_chance: by_chance.iter().sum::<usize>() as f64 / SHIFTS as f64,
            shifts_as_good: as_good as f64 / SHIFTS as f64,
            outside,
            outside_per_service_week: outside as f64 / labelled_weeks,
        }
    };
    let events = machines.iter().map(|machine| models::accuracy::episodes(&machine.labels).len()).sum();
    EndToEndReport {
        services: machines.len(),
        service_weeks,
        events,
        levels: (0..LEVELS.len()).map(level).collect(),
    }
}

/// Events found when all alarms, as rows of the labelled part, come later by this share of it, around its end.
fn found_when_moved(machine: &Machine, alarms: &[usize], share: f64, reach: Reach) -> usize {
    let rows = machine.labels.len();
    let by = (rows as f64 * share) as usize;
    let mut moved: Vec<usize> = alarms.iter().map(|row| (row + by) % rows.max(1)).collect();
    moved.sort_unstable();
    episodes_found(&machine.labels, &moved, reach).delays_points.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: six hours of two gauges, known after two, with half an hour at another level in the last two.
    /// Guarantees: rows, events and weeks are counted as laid out, and every incident of the unusual time belongs to it.
    #[test]
    fn an_unusual_time_is_told_as_one() {
        let rows = 360;
        let (mut values, mut labels) = (Vec::new(), vec![false; 120]);
        labels[60..90].fill(true);
        for row in 0..rows {
            let noise = f64::from((row * 7919 % 101) as u32) / 101.0;
            let is_odd = row >= 240 && labels[row - 240];
            values.extend([noise + if is_odd { 20.0 } else { 0.0 }, 2.0 * noise]);
        }
        let dir = tempfile::tempdir().unwrap();
        let (train, test) = values.split_at(2 * 240);
        let lines =
            |rows: &[f64]| rows.chunks(2).map(|row| format!("{},{}\n", row[0], row[1])).collect::<String>();
        let bits: String = labels.iter().map(|label| format!("{}\n", u8::from(*label))).collect();
        for (name, text) in
            [("a_train.csv", lines(train)), ("a_test.csv", lines(test)), ("a_test_label.txt", bits)]
        {
            let packed = zstd::encode_all(text.as_bytes(), 0).unwrap();
            std::fs::write(dir.path().join(format!("{name}.zst")), packed).unwrap();
        }
        // a short history can only tell what is rare within it: the budget is as large
        let settings = ["learning_secs=7200", "alarms_per_day=20", "service_alarms_per_day=50"];
        let settings = settings.map(|setting| format!("series.{setting}"));
        let plan = crate::config::read_files(&[], &settings).unwrap();
        let report = evaluate_end_to_end(Selection::all(dir.path()), 60, &plan).unwrap();
        assert_eq!((report.services, report.events), (1, 1));
        assert!((report.service_weeks - 0.25 / 7.0).abs() < 1e-12);
        let monitor = &report.levels[0];
        assert_eq!((monitor.level, monitor.events_found), (Level::Monitor, 1), "{report:?}");
        assert!(report.levels[2].incidents == 0 && monitor.outside <= 2, "{report:?}");
        // the event and the hour after it are half of the labelled part
        assert!((0.4..=1.0).contains(&monitor.events_found_by_chance), "{report:?}");
        assert!(report.levels[2].events_found_by_chance == 0.0, "{report:?}");
    }
}
