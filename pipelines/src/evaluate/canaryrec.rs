//! Recorded rollouts (1 Hz counters of four pods, JSON log lines) as OTLP requests.
//!
//! The recording counts latencies over all requests and failures apart from them. OTLP wants one histogram per
//! outcome, so each failure is charged to the latency bucket that rose most in its second: the two histograms add up
//! to the recorded one. What this module does not do: invent anything that was not recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::record::{NANOS_PER_SEC, RecordKind, UnixNanos};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde::Deserialize;

use super::files::read_text;

/// Upper bounds of the recorded latency buckets in seconds.
const BOUNDS_SECS: [f64; 13] = [0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0];
const N_BUCKETS: usize = BOUNDS_SECS.len() + 1;

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A line is not what the layout says.
    #[error("{path}:{line}: {why}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

/// One labelled rollout.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Label {
    /// File stem.
    pub id: String,
    /// What was wrong with the new version; `none`, `faster` and `warmup` are benign.
    pub fault: String,
    /// Whether it should have been stopped.
    pub should_rollback: bool,
    /// When what was deployed.
    pub events: Vec<LabelEvent>,
}

/// One step of a rollout.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LabelEvent {
    /// Unix seconds.
    pub ts: f64,
    /// `stable`, `canary_25`, `canary_50`, `promote_100`.
    pub kind: String,
}

impl Label {
    /// When the first pod of the new version was started, Unix seconds.
    #[must_use]
    pub fn canary_at(&self) -> Option<f64> {
        self.events.iter().find(|event| event.kind.starts_with("canary")).map(|event| event.ts)
    }
}

/// One request of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRequest {
    /// When it arrived.
    pub arrived_at: UnixNanos,
    /// Metrics or logs.
    pub kind: RecordKind,
    /// The request.
    pub metrics: Option<ExportMetricsServiceRequest>,
    /// The request.
    pub logs: Option<ExportLogsServiceRequest>,
}

/// A recorded rollout as requests in the order of their arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The requests.
    pub requests: Vec<RecordedRequest>,
}

/// From the export to its arrival.
const TRANSPORT: UnixNanos = NANOS_PER_SEC / 5;

impl Recording {
    /// Reads `<id>.csv.zst` and `<id>.log.zst`.
    ///
    /// # Errors
    /// [`RecordingError`] names file and line.
    pub fn read(folder: &Path, id: &str) -> Result<Self, RecordingError> {
        Self::read_later(folder, id, 0)
    }

    /// The same, with everything in it this much later.
    ///
    /// # Errors
    /// As [`Recording::read`].
    pub fn read_later(folder: &Path, id: &str, by: UnixNanos) -> Result<Self, RecordingError> {
        let mut requests = metric_requests(&folder.join(format!("{id}.csv.zst")), by)?;
        requests.extend(log_requests(&folder.join(format!("{id}.log.zst")), by)?);
        requests.sort_by_key(|request| (request.arrived_at, request.kind));
        Ok(Self { requests })
    }
}

fn nanos(secs: f64) -> UnixNanos {
    (secs * 1e3).round() as i64 * 1_000_000
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn resource(pod: &str, version: &str) -> Resource {
    Resource {
        attributes: vec![
            text("service.name", "web"),
            text("service.namespace", "canaryrec"),
            text("service.version", version),
            text("service.instance.id", pod),
            text("k8s.pod.name", pod),
            text("k8s.node.name", "vm-1"),
            text("deployment.environment.name", "recorded"),
        ],
        ..Resource::default()
    }
}

/// Running sums of one pod, so that failures and successes have histograms of their own.
#[derive(Debug, Default)]
struct PodSums {
    started_at: UnixNanos,
    last: Vec<f64>,
    failed: [u64; N_BUCKETS],
    failed_secs: f64,
}

/// Columns of a row after timestamp, pod and version.
const REQUESTS: usize = 0;
const ERRORS: usize = 1;
const LATENCY_SUM: usize = 2;
const CPU: usize = 4;
const RSS: usize = 5;
const RESTARTS: usize = 6;
const BUCKETS: usize = 7;

impl PodSums {
    fn advance(&mut self, at: UnixNanos, row: &[f64]) {
        let restarted = self.last.is_empty() || row[REQUESTS] < self.last[REQUESTS];
        if restarted {
            *self = Self { started_at: at - NANOS_PER_SEC, last: vec![0.0; row.len()], ..Self::default() };
        }
        let rise = |idx: usize| (row[idx] - self.last[idx]).max(0.0);
        let failures = rise(ERRORS) as u64;
        let fullest =
            (0..N_BUCKETS).max_by(|&a, &b| rise(BUCKETS + a).total_cmp(&rise(BUCKETS + b))).unwrap_or(0);
        let requests = rise(REQUESTS);
        if requests > 0.0 {
            self.failed_secs += failures as f64 * rise(LATENCY_SUM) / requests / 1e3;
        }
        let room = row[BUCKETS + fullest] as u64 - self.failed[fullest].min(row[BUCKETS + fullest] as u64);
        self.failed[fullest] += failures.min(room);
        self.last = row.to_vec();
    }

    fn histograms(&self, at: UnixNanos) -> Vec<HistogramDataPoint> {
        let all: Vec<u64> =
            self.last[BUCKETS..BUCKETS + N_BUCKETS].iter().map(|&count| count as u64).collect();
        let served: Vec<u64> =
            all.iter().zip(self.failed).map(|(all, failed)| all - failed.min(*all)).collect();
        let secs = self.last[LATENCY_SUM] / 1e3;
        let mut points = vec![self.point(at, &served, secs - self.failed_secs, 200)];
        if self.failed.iter().any(|&count| count > 0) {
            points.push(self.point(at, &self.failed, self.failed_secs, 500));
        }
        points
    }

    fn point(&self, at: UnixNanos, buckets: &[u64], sum_secs: f64, status: i64) -> HistogramDataPoint {
        let bucket_counts = buckets.to_vec();
        let mut attributes = vec![text("http.request.method", "GET"), text("http.route", "/api/items/{id}")];
        attributes.push(attribute("http.response.status_code", Value::IntValue(status)));
        HistogramDataPoint {
            attributes,
            start_time_unix_nano: self.started_at as u64,
            time_unix_nano: at as u64,
            count: bucket_counts.iter().sum(),
            sum: Some(sum_secs),
            bucket_counts,
            explicit_bounds: BOUNDS_SECS.to_vec(),
            ..HistogramDataPoint::default()
        }
    }

    fn number(&self, at: UnixNanos, value: f64, cumulative: bool) -> NumberDataPoint {
        NumberDataPoint {
            start_time_unix_nano: if cumulative { self.started_at as u64 } else { 0 },
            time_unix_nano: at as u64,
            value: Some(number_data_point::Value::AsDouble(value)),
            ..NumberDataPoint::default()
        }
    }

    fn metrics(&self, at: UnixNanos) -> Vec<Metric> {
        let cumulative = AggregationTemporality::Cumulative as i32;
        let metric = |name: &str, unit: &str, data: Data| Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        };
        let gauge = |column: usize| {
            Data::Gauge(Gauge { data_points: vec![self.number(at, self.last[column], false)] })
        };
        let durations = Histogram { data_points: self.histograms(at), aggregation_temporality: cumulative };
        let cpu = self.number(at, self.last[CPU], true);
        let cpu = Sum { data_points: vec![cpu], aggregation_temporality: cumulative, is_monotonic: true };
        vec![
            metric("http.server.request.duration", "s", Data::Histogram(durations)),
            metric("process.cpu.time", "s", Data::Sum(cpu)),
            metric("process.memory.usage", "By", gauge(RSS)),
            metric("k8s.container.restarts", "{restart}", gauge(RESTARTS)),
        ]
    }
}

fn metric_requests(path: &Path, by: UnixNanos) -> Result<Vec<RecordedRequest>, RecordingError> {
    let csv = read_text(path)?;
    let mut pods: BTreeMap<String, PodSums> = BTreeMap::new();
    let mut requests = Vec::new();
    for (idx, line) in csv.lines().enumerate().skip(1) {
        let fail =
            |why: &str| RecordingError::Line { path: path.to_owned(), line: idx + 1, why: why.to_owned() };
        let mut cells = line.split(',');
        let secs: f64 = cells
            .next()
            .and_then(|cell| cell.parse().ok())
            .ok_or_else(|| fail("timestamp is not a number"))?;
        let (Some(pod), Some(version)) = (cells.next(), cells.next()) else {
            return Err(fail("pod or version is missing"));
        };
        let row: Result<Vec<f64>, _> = cells.map(str::parse).collect();
        let row = row.map_err(|_| fail("a column is not a number"))?;
        if row.len() != BUCKETS + N_BUCKETS {
            return Err(fail(&format!("{} columns, must be {}", row.len() + 3, BUCKETS + N_BUCKETS + 3)));
        }
        let at = nanos(secs) + by;
        let sums = pods.entry(pod.to_owned()).or_default();
        sums.advance(at, &row);
        let scope = InstrumentationScope { name: "recorder".to_owned(), ..InstrumentationScope::default() };
        let scope_metrics =
            vec![ScopeMetrics { scope: Some(scope), metrics: sums.metrics(at), ..ScopeMetrics::default() }];
        let metrics = ResourceMetrics {
            resource: Some(resource(pod, version)),
            scope_metrics,
            ..ResourceMetrics::default()
        };
        let metrics = Some(ExportMetricsServiceRequest { resource_metrics: vec![metrics] });
        requests.push(RecordedRequest {
            arrived_at: at + TRANSPORT,
            kind: RecordKind::Metrics,
            metrics,
            logs: None,
        });
    }
    Ok(requests)
}

#[derive(Debug, Deserialize)]
struct RecordedLine {
    ts: f64,
    level: String,
    pod: String,
    version: String,
    msg: String,
}

fn severity(level: &str) -> i32 {
    match level {
        "DEBUG" => 5,
        "WARN" | "WARNING" => 13,
        "ERROR" => 17,
        "FATAL" | "CRITICAL" => 21,
        _ => 9,
    }
}

fn log_requests(path: &Path, by: UnixNanos) -> Result<Vec<RecordedRequest>, RecordingError> {
    let lines = read_text(path)?;
    let mut requests = Vec::new();
    for (idx, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line: RecordedLine = serde_json::from_str(line).map_err(|e| RecordingError::Line {
            path: path.to_owned(),
            line: idx + 1,
            why: e.to_string(),
        })?;
        let at = nanos(line.ts) + by;
        let record = LogRecord {
            time_unix_nano: at as u64,
            observed_time_unix_nano: at as u64,
            severity_number: severity(&line.level),
            severity_text: line.level.clone(),
            body: Some(AnyValue { value: Some(Value::StringValue(line.msg)) }),
            ..LogRecord::default()
        };
        let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
        let logs = ResourceLogs {
            resource: Some(resource(&line.pod, &line.version)),
            scope_logs,
            ..ResourceLogs::default()
        };
        let logs = Some(ExportLogsServiceRequest { resource_logs: vec![logs] });
        requests.push(RecordedRequest {
            arrived_at: at + TRANSPORT,
            kind: RecordKind::Logs,
            metrics: None,
            logs,
        });
    }
    Ok(requests)
}
