//! What it costs to turn a request into columns, beside what prost needs to turn it into message structs.
//!
//! The columns carry the identity of every series and resource; prost's structs do not yet. Caches are warm, as they
//! are for every export after a process's first.
#![expect(clippy::unwrap_used, reason = "a bench may stop at any surprise")]

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use engine::decode::{DecodeLimits, Decoder};
use engine::record::{Compression, Encoding, Record, RecordKind};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::{
    Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

/// Points, spans or log records of a request.
const N_ITEMS: u64 = 2_000;
/// Items that share a resource.
const PER_RESOURCE: u64 = 100;
/// Points of a metric.
const PER_METRIC: u64 = 10;
const AT: u64 = 1_700_000_000_000_000_000;

fn any(value: Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn pair(key: String, value: String) -> KeyValue {
    KeyValue { key, value: any(Value::StringValue(value)), ..KeyValue::default() }
}

/// Attributes with the lengths of real ones, told apart by `item`.
fn attributes(prefix: &str, n: u64, item: u64) -> Vec<KeyValue> {
    (0..n).map(|k| pair(format!("{prefix}.attribute.{k}"), format!("value-{k}-{}", item % 997))).collect()
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "io.shop.http".to_owned(), ..InstrumentationScope::default() })
}

/// Groups of `PER_RESOURCE` items, each with its resource.
fn groups() -> impl Iterator<Item = (Option<Resource>, std::ops::Range<u64>)> {
    (0..N_ITEMS / PER_RESOURCE).map(|group| {
        let resource = Resource { attributes: attributes("k8s", 12, group), ..Resource::default() };
        (Some(resource), group * PER_RESOURCE..(group + 1) * PER_RESOURCE)
    })
}

fn metrics(data: impl Fn(std::ops::Range<u64>) -> Data) -> Vec<u8> {
    let resource_metrics = groups()
        .map(|(resource, items)| {
            let metrics = items
                .step_by(PER_METRIC as usize)
                .map(|first| Metric {
                    name: format!("http.server.metric_{}", first % PER_RESOURCE),
                    unit: "s".to_owned(),
                    data: Some(data(first..first + PER_METRIC)),
                    ..Metric::default()
                })
                .collect();
            let scoped = ScopeMetrics { scope: scope(), metrics, ..ScopeMetrics::default() };
            ResourceMetrics { resource, scope_metrics: vec![scoped], ..ResourceMetrics::default() }
        })
        .collect();
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

fn numbers(n_attributes: u64) -> Vec<u8> {
    metrics(|items| {
        let data_points = items
            .map(|item| NumberDataPoint {
                attributes: attributes("http", n_attributes, item),
                start_time_unix_nano: AT,
                time_unix_nano: AT + item,
                value: Some(PointValue::AsDouble(item as f64)),
                ..NumberDataPoint::default()
            })
            .collect();
        Data::Sum(Sum { data_points, aggregation_temporality: 2, is_monotonic: true })
    })
}

fn histograms() -> Vec<u8> {
    metrics(|items| {
        let data_points = items
            .map(|item| HistogramDataPoint {
                attributes: attributes("http", 10, item),
                start_time_unix_nano: AT,
                time_unix_nano: AT + item,
                count: 15 * item,
                sum: Some(item as f64),
                bucket_counts: vec![item; 15],
                explicit_bounds: (1..15).map(f64::from).collect(),
                ..HistogramDataPoint::default()
            })
            .collect();
        Data::Histogram(Histogram { data_points, aggregation_temporality: 2 })
    })
}

fn spans() -> Vec<u8> {
    let span = |item: u64| Span {
        trace_id: u128::from(item + 1).to_le_bytes().to_vec(),
        span_id: (item + 1).to_le_bytes().to_vec(),
        parent_span_id: (item + 2).to_le_bytes().to_vec(),
        name: "GET /products/{id}".to_owned(),
        kind: 2,
        start_time_unix_nano: AT,
        end_time_unix_nano: AT + item,
        attributes: attributes("http", 10, item),
        status: Some(Status { code: 1, ..Status::default() }),
        ..Span::default()
    };
    let resource_spans = groups()
        .map(|(resource, items)| {
            let scoped =
                ScopeSpans { scope: scope(), spans: items.map(span).collect(), ..ScopeSpans::default() };
            ResourceSpans { resource, scope_spans: vec![scoped], ..ResourceSpans::default() }
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn logs() -> Vec<u8> {
    let line = |item: u64| LogRecord {
        time_unix_nano: AT + item,
        observed_time_unix_nano: AT + item,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: any(Value::StringValue(format!("order {item} was placed by user {} in 12 ms", item % 31))),
        attributes: attributes("code", 6, item),
        trace_id: vec![7; 16],
        span_id: vec![7; 8],
        ..LogRecord::default()
    };
    let resource_logs = groups()
        .map(|(resource, items)| {
            let scoped =
                ScopeLogs { scope: scope(), log_records: items.map(line).collect(), ..ScopeLogs::default() };
            ResourceLogs { resource, scope_logs: vec![scoped], ..ResourceLogs::default() }
        })
        .collect();
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

fn compare<M: Message + Default>(c: &mut Criterion, name: &str, kind: RecordKind, body: Vec<u8>) {
    let record = Record {
        tenant: "shop".into(),
        arrived_at: AT as i64,
        kind,
        encoding: Encoding::OtlpProto,
        compression: Compression::None,
        body: body.into(),
    };
    let throughput = Throughput::ElementsAndBytes { elements: N_ITEMS, bytes: record.body.len() as u64 };
    let mut group: BenchmarkGroup<'_, WallTime> = c.benchmark_group(name);
    group.throughput(throughput);
    let mut decoder = Decoder::new(DecodeLimits::default());
    assert_eq!(decoder.decode(&record).unwrap().1.total(), 0);
    group.bench_function("columns", |b| b.iter(|| decoder.decode(&record).unwrap()));
    group.bench_function("prost", |b| b.iter(|| M::decode(&*record.body).unwrap()));
    group.finish();
}

fn decode(c: &mut Criterion) {
    use RecordKind::{Logs, Metrics, Spans};
    compare::<ExportMetricsServiceRequest>(c, "number_10_attributes", Metrics, numbers(10));
    compare::<ExportMetricsServiceRequest>(c, "number_2_attributes", Metrics, numbers(2));
    compare::<ExportMetricsServiceRequest>(c, "histogram_10_attributes", Metrics, histograms());
    compare::<ExportTraceServiceRequest>(c, "span_10_attributes", Spans, spans());
    compare::<ExportLogsServiceRequest>(c, "log_6_attributes", Logs, logs());
}

criterion_group!(benches, decode);
criterion_main!(benches);
