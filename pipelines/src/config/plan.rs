//! Checked settings. No serde, no defaults: whoever holds a [`Plan`] holds values that work.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Where log, checkpoints and events are kept.
    pub data_dir: PathBuf,
    /// Whose data arrives when nothing else says so.
    pub tenant: String,
    /// The front door.
    pub receive: ReceivePlan,
    /// The query side.
    pub api: ApiPlan,
    /// The embedded log.
    pub log: LogPlan,
    /// What was published, for readers.
    pub events: EventsPlan,
    /// Kafka as source and sink; `None` = embedded.
    pub kafka: Option<KafkaPlan>,
    /// Watermark and windows.
    pub time: TimePlan,
    /// Checkpoints.
    pub checkpoint: CheckpointPlan,
    /// The canary test.
    pub canary: CanaryPlan,
    /// Static thresholds.
    pub slo: SloPlan,
    /// The baselines of single series.
    pub series: SeriesPlan,
    /// Bounds.
    pub limits: LimitsPlan,
}

/// The front door.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivePlan {
    /// Whether it is open.
    pub enabled: bool,
    /// OTLP/gRPC.
    pub grpc_address: SocketAddr,
    /// OTLP/HTTP, changes, outcomes.
    pub http_address: SocketAddr,
    /// Bound of a request after decompression.
    pub request_bytes_max: u64,
}

/// The query side.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiPlan {
    /// Where it listens.
    pub address: SocketAddr,
}

/// The embedded log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogPlan {
    /// Size of a segment.
    pub segment_bytes: u64,
    /// Bytes kept at the most.
    pub retained_bytes: u64,
    /// Seconds kept at the most.
    pub retained_secs: u64,
    /// Whether an acknowledged record survives a power cut.
    pub fsync: bool,
}

/// What was published, as readers of the query side see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventsPlan {
    /// Bytes kept at the most, except for what a checkpoint needs.
    pub retained_bytes: u64,
    /// Seconds before the newest event that are kept at the most.
    pub retained_secs: u64,
}

/// How telemetry on Kafka is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFormat {
    /// Protobuf.
    Proto,
    /// JSON.
    Json,
}

/// How risk events on Kafka are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventMode {
    /// Attributes in headers, the data as the value.
    Binary,
    /// The whole event as the value.
    Structured,
}

/// Kafka as source and sink.
#[derive(Debug, Clone, PartialEq)]
pub struct KafkaPlan {
    /// Bootstrap list.
    pub brokers: Vec<String>,
    /// Consumer group.
    pub group: String,
    /// Static membership id; empty = off.
    pub instance: String,
    /// Topic of metrics.
    pub topic_metrics: String,
    /// Topic of logs.
    pub topic_logs: String,
    /// Topic of spans.
    pub topic_spans: String,
    /// How telemetry is written.
    pub encoding: WireFormat,
    /// Topic of changes.
    pub topic_changes: String,
    /// Topic of outcomes.
    pub topic_outcomes: String,
    /// How risk events are written.
    pub event_mode: EventMode,
    /// Topic of risk events.
    pub topic_risk_events: String,
    /// Topic of what could not be decoded.
    pub topic_dead_letter: String,
}

/// Watermark and windows.
#[derive(Debug, Clone, PartialEq)]
pub struct TimePlan {
    /// Least distance of the watermark.
    pub lateness_secs_min: f64,
    /// Largest distance of the watermark.
    pub lateness_secs_max: f64,
    /// How long the watermark waits at most while all input is interrupted.
    pub interruption_secs_max: f64,
    /// Points further ahead of their arrival are set aside.
    pub skew_secs_max: f64,
    /// Window of edges, resources and baselines.
    pub window_secs: u64,
}

/// Checkpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointPlan {
    /// By the log's clock.
    pub every_secs: u64,
}

/// The canary test.
#[derive(Debug, Clone, PartialEq)]
pub struct CanaryPlan {
    /// Chance of a false pause that is accepted.
    pub pause_alpha: f64,
    /// Chance of a false act that is accepted.
    pub act_alpha: f64,
    /// A comparison ends then.
    pub horizon_secs: f64,
}

/// Static thresholds.
#[derive(Debug, Clone, PartialEq)]
pub struct SloPlan {
    /// Share of failed requests in 60 s.
    pub error_share: f64,
    /// p99 in 60 s; `None` = off.
    pub latency_ms: Option<f64>,
    /// Requests in 60 s below which it says nothing.
    pub requests_min: u64,
}

/// The baselines of single series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesPlan {
    /// Series at the most.
    pub count_max: usize,
    /// Memory of the full detectors.
    pub full_bytes_max: u64,
    /// A younger series says nothing on its own.
    pub learning_secs: u64,
    /// Alarms of one series.
    pub alarms_per_day: f64,
    /// Alarms of all series of a service.
    pub service_alarms_per_day: f64,
    /// Local time of the daily profiles.
    pub time_zone: TimeZone,
    /// Local days that are not like others.
    pub holidays: Vec<Date>,
}

/// Bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitsPlan {
    /// Services judged.
    pub services: usize,
    /// Open incidents.
    pub incidents: usize,
}
