//! Every metric of the engine: name, kind, labels and what it says.
//!
//! Names follow the Prometheus conventions (base units, `_total`, `_seconds`, `_bytes`).
//! What this module does not do: name what belongs to the product; other crates hand their own [`MetricSpec`]s to
//! [`crate::telemetry::Telemetry`].

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts durations in seconds into buckets.
    Timer,
}

/// Name, kind, labels and meaning of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricSpec {
    /// Full name, unit last.
    pub name: &'static str,
    /// How it moves.
    pub kind: MetricKind,
    /// Label names, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// What it says, for a person.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($variant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        /// Every metric of the engine.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Metric {
            $(#[doc = $help] $variant,)*
        }

        impl Metric {
            /// All of them, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name, kind, labels and meaning.
            #[must_use]
            pub const fn spec(self) -> MetricSpec {
                match self {
                    $(Self::$variant => MetricSpec {
                        name: $name,
                        kind: MetricKind::$kind,
                        labels: &[$($label),*],
                        help: $help,
                    },)*
                }
            }
        }
    };
}

metrics! {
    BuildVersion = Gauge "bellwether_build_info" ["version"] "Always 1; the label says which version runs.";

    ReceivedRequests = Counter "bellwether_received_requests_total" ["signal", "transport", "outcome"] "Requests answered by the front door, by how they ended.";
    ReceivedBytes = Counter "bellwether_received_bytes_total" ["signal", "transport"] "Body bytes taken in, as they came over the wire.";
    ReceivedItems = Counter "bellwether_received_items_total" ["signal"] "Points, log records, spans and messages accepted by the front door.";
    ReceiveDuration = Timer "bellwether_receive_duration_seconds" ["transport"] "From the whole request to the answer, durable append included.";
    InFlightBytes = Gauge "bellwether_receive_in_flight_bytes" [] "Body bytes that wait in memory to become durable.";
    Connections = Gauge "bellwether_receive_connections" ["transport"] "Open connections.";

    Dropped = Counter "bellwether_dropped_total" ["stage", "reason"] "Items that were set aside instead of used, by where and why.";

    LogBytes = Gauge "bellwether_log_bytes" [] "Size of the embedded log on disk.";
    LogSegments = Gauge "bellwether_log_segments" [] "Segment files of the embedded log.";
    LogNextOffset = Gauge "bellwether_log_next_offset" [] "Offset that the next record of the embedded log gets.";
    LogCommittedOffset = Gauge "bellwether_log_committed_offset" [] "Everything before this offset is part of a durable checkpoint.";
    LogAppendedRecords = Counter "bellwether_log_appended_records_total" ["kind"] "Records made durable by the embedded log.";
    LogAppendedBytes = Counter "bellwether_log_appended_bytes_total" [] "Bytes made durable by the embedded log.";
    LogCommitDuration = Timer "bellwether_log_commit_duration_seconds" [] "One group commit: write and sync.";
    LogRefused = Counter "bellwether_log_refused_total" ["reason"] "Appends that the embedded log refused.";
    LogCutBytes = Counter "bellwether_log_cut_bytes_total" [] "Bytes of a torn tail that were cut when the log was opened; none of them had been acknowledged.";
    LogRemovedSegments = Counter "bellwether_log_removed_segments_total" ["reason"] "Segments removed by retention.";
    LogLostRecords = Counter "bellwether_log_lost_records_total" ["reason"] "Records that a reader can no longer get.";
    LogClockBehind = Counter "bellwether_log_clock_behind_total" [] "Group commits for which the clock lay behind the arrival stamps.";

    Records = Counter "bellwether_records_total" ["kind"] "Records read by a lane.";
    Rows = Counter "bellwether_rows_total" ["signal"] "Points, log lines and spans decoded into batches.";
    KafkaClientsReplaced = Counter "bellwether_kafka_clients_replaced_total" ["role"] "Clients of Kafka that had lost their way to the cluster.";
    ReadLag = Gauge "bellwether_read_lag_records" ["partition"] "Records of a partition that wait to be read.";
    WatermarkLag = Gauge "bellwether_watermark_lag_seconds" ["partition"] "Newest arrival stamp minus watermark.";
    Series = Gauge "bellwether_series" [] "Series in memory.";
    StateBytes = Gauge "bellwether_state_bytes" ["store"] "Estimated size of a bounded state.";
    StateEvicted = Counter "bellwether_state_evicted_total" ["store", "reason"] "Keys that had to leave a bounded state.";
    Checkpoints = Counter "bellwether_checkpoints_total" ["outcome"] "Checkpoints written or failed.";
    CheckpointDuration = Timer "bellwether_checkpoint_duration_seconds" [] "From the pause of the lane to the durable checkpoint.";
    CheckpointBytes = Gauge "bellwether_checkpoint_bytes" [] "Size of the newest checkpoint.";
    RiskEvents = Counter "bellwether_risk_events_total" ["status", "level"] "Risk events published.";
    PublishedMessages = Counter "bellwether_published_messages_total" ["topic"] "Messages handed to a sink and flushed.";
    PublishFailures = Counter "bellwether_publish_failures_total" ["topic"] "Attempts to publish that failed and were tried again.";
}

impl From<Metric> for MetricSpec {
    fn from(metric: Metric) -> Self {
        metric.spec()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Scenario: the whole list. Guarantees: names are unique, carry the product's prefix, and end as the kind asks.
    #[test]
    fn names_follow_the_conventions() {
        let mut seen = BTreeSet::new();
        for metric in Metric::ALL {
            let MetricSpec { name, kind, labels, help } = metric.spec();
            assert!(seen.insert(name), "{name} stands twice");
            assert!(name.starts_with("bellwether_"), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            assert_eq!(kind == MetricKind::Counter, name.ends_with("_total"), "{name}");
            assert_eq!(kind == MetricKind::Timer, name.ends_with("_duration_seconds"), "{name}");
            assert!(labels.iter().all(|label| label.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
            assert!(help.ends_with('.'), "{name}: {help}");
        }
    }
}
