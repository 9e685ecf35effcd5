//! The log's numbers, bound once.
//!
//! What this module does not do: decide what counts.

use crate::record::RecordKind;
use crate::telemetry::{Counter, Gauge, Metric, Telemetry, Timer};

#[derive(Debug, Clone)]
pub(crate) struct Counters {
    telemetry: Telemetry,
    kinds: [Counter; KINDS.len()],
    pub(crate) appended_bytes: Counter,
    pub(crate) commit: Timer,
    pub(crate) bytes: Gauge,
    pub(crate) segments: Gauge,
    pub(crate) next_offset: Gauge,
    pub(crate) committed: Gauge,
    pub(crate) cut_bytes: Counter,
    pub(crate) clock_behind: Counter,
    pub(crate) lost_to_retention: Counter,
    pub(crate) lost_to_damage: Counter,
}

const KINDS: [(RecordKind, &str); 8] = [
    (RecordKind::Metrics, "metrics"),
    (RecordKind::Logs, "logs"),
    (RecordKind::Spans, "spans"),
    (RecordKind::Change, "change"),
    (RecordKind::Outcome, "outcome"),
    (RecordKind::Label, "label"),
    (RecordKind::Config, "config"),
    (RecordKind::Clock, "clock"),
];

impl Counters {
    pub(crate) fn new(telemetry: &Telemetry) -> Self {
        Self {
            kinds: KINDS.map(|(_, name)| telemetry.counter(Metric::LogAppendedRecords, &[name])),
            appended_bytes: telemetry.counter(Metric::LogAppendedBytes, &[]),
            commit: telemetry.timer(Metric::LogCommitDuration, &[]),
            bytes: telemetry.gauge(Metric::LogBytes, &[]),
            segments: telemetry.gauge(Metric::LogSegments, &[]),
            next_offset: telemetry.gauge(Metric::LogNextOffset, &[]),
            committed: telemetry.gauge(Metric::LogCommittedOffset, &[]),
            cut_bytes: telemetry.counter(Metric::LogCutBytes, &[]),
            clock_behind: telemetry.counter(Metric::LogClockBehind, &[]),
            lost_to_retention: telemetry.counter(Metric::LogLostRecords, &["retention"]),
            lost_to_damage: telemetry.counter(Metric::LogLostRecords, &["damage"]),
            telemetry: telemetry.clone(),
        }
    }

    pub(crate) fn appended(&self, kind: RecordKind) {
        if let Some(at) = KINDS.iter().position(|(it, _)| *it == kind) {
            self.kinds[at].add(1);
        }
    }

    pub(crate) fn refused(&self, reason: &str, n: usize) {
        self.telemetry.counter(Metric::LogRefused, &[reason]).add_len(n);
    }

    pub(crate) fn removed(&self, reason: &str) {
        self.telemetry.counter(Metric::LogRemovedSegments, &[reason]).add(1);
    }
}
