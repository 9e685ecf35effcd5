//! The one input of a lane: records with a position. Whatever can change an output is a record.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Nanoseconds since 1970-01-01T00:00:00Z, in event time or arrival time as the field's name says.
pub type UnixNanos = i64;

/// One second in [`UnixNanos`].
pub const NANOS_PER_SEC: i64 = 1_000_000_000;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum RecordKind {
    /// An `ExportMetricsServiceRequest` (or `MetricsData`, which is wire-compatible).
    Metrics = 1,
    /// An `ExportLogsServiceRequest`.
    Logs = 2,
    /// An `ExportTraceServiceRequest`.
    Spans = 3,
    /// An announced change, as received (JSON).
    Change = 4,
    /// What became of an action (JSON).
    Outcome = 5,
    /// A person's word about something that was published (JSON).
    Label = 6,
    /// A configuration revision that takes effect here (JSON).
    Config = 7,
    /// Nothing but the arrival stamp: time goes on.
    Clock = 8,
}

/// How the body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Encoding {
    /// OTLP protobuf.
    OtlpProto = 1,
    /// OTLP JSON.
    OtlpJson = 2,
    /// Plain JSON.
    Json = 3,
}

/// How the body is packed; bodies are stored as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum Compression {
    /// Not at all.
    #[default]
    None = 0,
    /// RFC 1952.
    Gzip = 1,
    /// RFC 8878.
    Zstd = 2,
}

/// One record of the log, of a Kafka partition or of a recorded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose data it is: from the token or the topic, never from attributes.
    pub tenant: Arc<str>,
    /// Stamped once, when it was appended (Kafka: the record's timestamp). Never earlier than that of the record before.
    pub arrived_at: UnixNanos,
    /// What it holds.
    pub kind: RecordKind,
    /// How the body is written.
    pub encoding: Encoding,
    /// How the body is packed.
    pub compression: Compression,
    /// The body as received. Empty for [`RecordKind::Clock`].
    pub body: Bytes,
}

/// Per input partition (`log`, `otlp_metrics/0`, a file's name) the offset of the next record to read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Positions(pub BTreeMap<String, u64>);

impl Positions {
    /// Notes that everything of `partition` before `next` was read.
    pub fn advance(&mut self, partition: &str, next: u64) {
        match self.0.get_mut(partition) {
            Some(offset) => *offset = next,
            None => {
                self.0.insert(partition.to_owned(), next);
            }
        }
    }

    /// The next offset of `partition`; 0 if nothing of it was read.
    #[must_use]
    pub fn next_of(&self, partition: &str) -> u64 {
        self.0.get(partition).copied().unwrap_or(0)
    }
}
