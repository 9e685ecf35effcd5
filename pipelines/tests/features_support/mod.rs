//! Telemetry for the tests of the features stage: real OTLP bytes through the real decoder.

mod order;

use std::sync::Arc;

use bytes::Bytes;
use engine::batch::Batch;
use engine::decode::{DecodeLimits, Decoder};
use engine::operator::Progress;
use engine::record::{Compression, Encoding, NANOS_PER_SEC, Record, RecordKind};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use pipelines::features::{FeatureRows, Features};
use prost::Message;

/// First second of every story: a multiple of 60.
pub(crate) const T0: i64 = 1_800_000_000;
/// Cumulative.
pub(crate) const CUMULATIVE: i32 = 2;

pub(crate) type Pairs<'a> = &'a [(&'a str, &'a str)];

pub(crate) fn nanos(sec: f64) -> u64 {
    u64::try_from(T0 * NANOS_PER_SEC + (sec * 1e9).round() as i64).unwrap_or(0)
}

pub(crate) fn attributes(pairs: Pairs<'_>) -> Vec<KeyValue> {
    let value = |text: &str| match text.parse() {
        Ok(int) => any_value::Value::IntValue(int),
        Err(_) => any_value::Value::StringValue(text.to_owned()),
    };
    pairs
        .iter()
        .map(|(key, text)| KeyValue {
            key: (*key).to_owned(),
            value: Some(AnyValue { value: Some(value(text)) }),
            ..KeyValue::default()
        })
        .collect()
}

fn resource(pairs: Pairs<'_>) -> Option<Resource> {
    Some(Resource { attributes: attributes(pairs), ..Resource::default() })
}

/// A request body and its kind.
#[derive(Debug, Clone)]
pub(crate) struct Request(pub(crate) RecordKind, pub(crate) Vec<u8>);

pub(crate) fn spans(from: Pairs<'_>, spans: Vec<Span>) -> Request {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: resource(from), scope_spans, ..ResourceSpans::default() }];
    Request(RecordKind::Spans, ExportTraceServiceRequest { resource_spans }.encode_to_vec())
}

pub(crate) fn logs(from: Pairs<'_>, log_records: Vec<LogRecord>) -> Request {
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs =
        vec![ResourceLogs { resource: resource(from), scope_logs, ..ResourceLogs::default() }];
    Request(RecordKind::Logs, ExportLogsServiceRequest { resource_logs }.encode_to_vec())
}

pub(crate) fn metrics(from: Pairs<'_>, metrics: Vec<Metric>) -> Request {
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: resource(from), scope_metrics, ..ResourceMetrics::default() }];
    Request(RecordKind::Metrics, ExportMetricsServiceRequest { resource_metrics }.encode_to_vec())
}

/// A span: kind (2 server, 3 client), (trace, span, parent), start and length in seconds.
pub(crate) fn span(kind: i32, ids: (u8, u8, u8), (start, length): (f64, f64), pairs: Pairs<'_>) -> Span {
    let (trace, id, parent) = ids;
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
        name: format!("op-{}", id % 3),
        kind,
        start_time_unix_nano: nanos(start),
        end_time_unix_nano: nanos(start + length),
        attributes: attributes(pairs),
        ..Span::default()
    }
}

pub(crate) fn failed(mut span: Span) -> Span {
    span.status = Some(Status { code: 2, ..Status::default() });
    span
}

pub(crate) fn line(at: f64, severity: i32, text: &str, pairs: Pairs<'_>) -> LogRecord {
    LogRecord {
        time_unix_nano: nanos(at),
        severity_number: severity,
        body: Some(AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) }),
        attributes: attributes(pairs),
        ..LogRecord::default()
    }
}

fn number(start: f64, at: f64, value: f64, pairs: Pairs<'_>) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: nanos(start),
        time_unix_nano: nanos(at),
        value: Some(number_data_point::Value::AsDouble(value)),
        attributes: attributes(pairs),
        ..NumberDataPoint::default()
    }
}

pub(crate) fn gauge(name: &str, at: f64, value: f64, pairs: Pairs<'_>) -> Metric {
    let data_points = vec![number(0.0, at, value, pairs)];
    Metric {
        name: name.to_owned(),
        data: Some(metric::Data::Gauge(Gauge { data_points })),
        ..Metric::default()
    }
}

/// A cumulative counter.
pub(crate) fn counter(name: &str, (start, at): (f64, f64), value: f64, pairs: Pairs<'_>) -> Metric {
    let data_points = vec![number(start, at, value, pairs)];
    let sum = Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: true };
    Metric { name: name.to_owned(), data: Some(metric::Data::Sum(sum)), ..Metric::default() }
}

/// A cumulative histogram in seconds with bounds 0.1 and 1.
pub(crate) fn histogram(name: &str, (start, at): (f64, f64), counts: [u64; 3], pairs: Pairs<'_>) -> Metric {
    let point = HistogramDataPoint {
        start_time_unix_nano: nanos(start),
        time_unix_nano: nanos(at),
        count: counts.iter().sum(),
        sum: Some(0.05 * counts[0] as f64 + 0.5 * counts[1] as f64 + 2.0 * counts[2] as f64),
        bucket_counts: counts.to_vec(),
        explicit_bounds: vec![0.1, 1.0],
        attributes: attributes(pairs),
        ..HistogramDataPoint::default()
    };
    let histogram = Histogram { data_points: vec![point], aggregation_temporality: CUMULATIVE };
    let data = Some(metric::Data::Histogram(histogram));
    Metric { name: name.to_owned(), unit: "s".to_owned(), data, ..Metric::default() }
}

/// Decodes a request that arrives `sec` seconds into the story.
pub(crate) fn batch(decoder: &mut Decoder, request: &Request, sec: i64) -> Batch {
    let record = Record {
        tenant: Arc::from("default"),
        arrived_at: (T0 + sec) * NANOS_PER_SEC,
        kind: request.0,
        encoding: Encoding::OtlpProto,
        compression: Compression::None,
        body: Bytes::from(request.1.clone()),
    };
    decoder.decode(&record).expect("the tests send valid requests").0
}

/// Feeds requests that arrive at their seconds, and steps the watermark, 5 s behind, every second.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) features: Features,
    pub(crate) decoder: Decoder,
    pub(crate) now: i64,
}

/// How far the watermark stays behind.
pub(crate) const LATENESS: i64 = 5;

impl Story {
    pub(crate) fn new(features: Features) -> Self {
        Self { features, decoder: Decoder::new(DecodeLimits::default()), now: 0 }
    }

    pub(crate) fn take(&mut self, request: &Request) {
        let batch = batch(&mut self.decoder, request, self.now);
        self.features.on_batch(&batch);
    }

    pub(crate) fn step(&mut self) -> FeatureRows {
        let log_clock = (T0 + self.now) * NANOS_PER_SEC;
        let rows = self
            .features
            .on_progress(Progress { watermark: log_clock - LATENESS * NANOS_PER_SEC, log_clock });
        self.now += 1;
        rows
    }

    /// Steps until the second is closed, and gives all rows of it.
    pub(crate) fn run_to(&mut self, sec: i64) -> FeatureRows {
        let mut all = FeatureRows::default();
        while self.now <= sec + LATENESS {
            append(&mut all, self.step());
        }
        all
    }
}

/// Adds the rows of a later step.
pub(crate) fn append(all: &mut FeatureRows, rows: FeatureRows) {
    all.upto = rows.upto;
    all.log_clock = rows.log_clock;
    all.calls.extend(rows.calls);
    all.edges.extend(rows.edges);
    all.lines.extend(rows.lines);
    all.resources.extend(rows.resources);
    all.series.extend(rows.series);
    all.presence.extend(rows.presence);
}
