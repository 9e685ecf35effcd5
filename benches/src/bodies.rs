//! OTLP requests with the proportions of real ones: 2,000 items, of which 100 share a resource of 12 attributes.
//!
//! Texts have real lengths: a point with 10 attributes takes about 370 bytes. Two requests made alike are alike.

use std::ops::Range;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;

/// Points, spans or log records of a request.
pub const N_ITEMS: u64 = 2_000;
/// Items that share a resource.
const PER_RESOURCE: u64 = 100;
/// Points of a metric.
const PER_METRIC: u64 = 10;
/// Time of the first item, in nanoseconds since 1970.
pub const AT: u64 = 1_700_000_000_000_000_000;

fn any(value: Value) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: any(value), ..KeyValue::default() }
}

fn text(value: impl Into<String>) -> Value {
    Value::StringValue(value.into())
}

/// Attributes with the lengths of real ones, told apart by `item`.
fn attributes(prefix: &str, n: u64, item: u64) -> Vec<KeyValue> {
    let value = |k| text(format!("value-{k}-{}", item % 997));
    (0..n).map(|k| pair(&format!("{prefix}.attribute.{k}"), value(k))).collect()
}

fn scope() -> Option<InstrumentationScope> {
    let (name, version) = ("io.shop.http".to_owned(), "1.4.2".to_owned());
    Some(InstrumentationScope { name, version, ..InstrumentationScope::default() })
}

/// Groups of items, each with its resource: a pod of one of five services.
fn groups() -> impl Iterator<Item = (Option<Resource>, Range<u64>)> {
    (0..N_ITEMS / PER_RESOURCE).map(|group| {
        let mut attributes = attributes("k8s", 8, group);
        attributes.push(pair("service.name", text(format!("service-{}", group % 5))));
        attributes.push(pair("service.namespace", text("shop")));
        attributes.push(pair("service.version", text("1.0.0")));
        attributes.push(pair("k8s.pod.uid", text(format!("7d9f8b6c-{group:04}-4a1c"))));
        let resource = Resource { attributes, ..Resource::default() };
        (Some(resource), group * PER_RESOURCE..(group + 1) * PER_RESOURCE)
    })
}

fn metrics(name: &str, data: impl Fn(Range<u64>) -> Data) -> Vec<u8> {
    let resource_metrics = groups()
        .map(|(resource, items)| {
            let metrics = items
                .step_by(PER_METRIC as usize)
                .map(|first| Metric {
                    name: format!("{name}_{}", first % PER_RESOURCE),
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

/// Cumulative sums of so many attributes, `secs` after [`AT`].
#[must_use]
pub fn numbers(n_attributes: u64, secs: u64) -> Vec<u8> {
    metrics("http.server.metric", |items| {
        let data_points = items
            .map(|item| NumberDataPoint {
                attributes: attributes("http", n_attributes, item),
                start_time_unix_nano: AT,
                time_unix_nano: AT + secs * 1_000_000_000 + item,
                value: Some(PointValue::AsDouble((item + secs) as f64)),
                ..NumberDataPoint::default()
            })
            .collect();
        Data::Sum(Sum { data_points, aggregation_temporality: 2, is_monotonic: true })
    })
}

/// Explicit histograms of 15 buckets and 10 attributes, `secs` after [`AT`].
#[must_use]
pub fn histograms(secs: u64) -> Vec<u8> {
    metrics("queue.wait", |items| {
        let data_points = items
            .map(|item| HistogramDataPoint {
                attributes: attributes("http", 10, item),
                start_time_unix_nano: AT,
                time_unix_nano: AT + secs * 1_000_000_000 + item,
                count: 15 * (item + secs),
                sum: Some((item + secs) as f64),
                bucket_counts: vec![item + secs; 15],
                explicit_bounds: (1..15).map(f64::from).collect(),
                ..HistogramDataPoint::default()
            })
            .collect();
        Data::Histogram(Histogram { data_points, aggregation_temporality: 2 })
    })
}

/// Exponential histograms of 40 buckets and 10 attributes.
#[must_use]
pub fn exponentials() -> Vec<u8> {
    metrics("queue.wait", |items| {
        let data_points = items
            .map(|item| ExponentialHistogramDataPoint {
                attributes: attributes("http", 10, item),
                start_time_unix_nano: AT,
                time_unix_nano: AT + item,
                count: 40 * item,
                sum: Some(item as f64),
                scale: 3,
                positive: Some(Buckets {
                    offset: -5,
                    bucket_counts: (0..40).map(|nth| nth * 7 % 300).collect(),
                }),
                ..ExponentialHistogramDataPoint::default()
            })
            .collect();
        Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality: 2 })
    })
}

/// Summaries of three quantiles and 10 attributes.
#[must_use]
pub fn summaries() -> Vec<u8> {
    metrics("queue.wait", |items| {
        let quantile = |quantile| ValueAtQuantile { quantile, value: 3.0 * quantile };
        let data_points = items
            .map(|item| SummaryDataPoint {
                attributes: attributes("http", 10, item),
                start_time_unix_nano: AT,
                time_unix_nano: AT + item,
                count: 40 * item,
                sum: item as f64,
                quantile_values: [0.5, 0.9, 0.99].map(quantile).into(),
                ..SummaryDataPoint::default()
            })
            .collect();
        Data::Summary(Summary { data_points })
    })
}

fn span(item: u64, secs: u64) -> Span {
    let at = AT + secs * 1_000_000_000;
    Span {
        trace_id: u128::from(secs * N_ITEMS + item + 1).to_le_bytes().to_vec(),
        span_id: (item + 1).to_le_bytes().to_vec(),
        parent_span_id: (item + 2).to_le_bytes().to_vec(),
        name: "GET /products/{id}".to_owned(),
        kind: 2,
        start_time_unix_nano: at,
        end_time_unix_nano: at + item * 10_000,
        attributes: attributes("http", 10, item),
        status: Some(Status { code: 1, ..Status::default() }),
        ..Span::default()
    }
}

fn spans_of(one: impl Fn(u64) -> Span) -> Vec<u8> {
    let resource_spans = groups()
        .map(|(resource, items)| {
            let spans = items.map(&one).collect();
            let scoped = ScopeSpans { scope: scope(), spans, ..ScopeSpans::default() };
            ResourceSpans { resource, scope_spans: vec![scoped], ..ResourceSpans::default() }
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// Server spans of ten texts as attributes, in the second `secs` after [`AT`].
#[must_use]
pub fn spans(secs: u64) -> Vec<u8> {
    spans_of(|item| span(item, secs))
}

/// Server spans as an SDK writes them: routes and numbers among ten attributes, and an event in every tenth.
#[must_use]
pub fn http_spans(secs: u64) -> Vec<u8> {
    spans_of(|item| {
        let mut span = span(item, secs);
        span.attributes = attributes("http", 6, item);
        span.attributes.extend([
            pair("http.request.method", text("GET")),
            pair("http.route", text(format!("/products/{}", item % 20))),
            pair("http.response.status_code", Value::IntValue(if item % 50 == 0 { 503 } else { 200 })),
            pair("server.port", Value::IntValue(8_443)),
        ]);
        if item % 10 == 0 {
            let (name, attributes) = ("exception".to_owned(), attributes("exception", 3, item));
            span.events = vec![Event { time_unix_nano: AT, name, attributes, ..Event::default() }];
        }
        span
    })
}

/// Log lines of six attributes, in the second `secs` after [`AT`].
#[must_use]
pub fn logs(secs: u64) -> Vec<u8> {
    let at = AT + secs * 1_000_000_000;
    let line = |item: u64| LogRecord {
        time_unix_nano: at + item * 10_000,
        observed_time_unix_nano: at + item * 10_000,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: any(text(format!("order {item} was placed by user {} in 12 ms", item % 31))),
        attributes: attributes("code", 6, item),
        trace_id: vec![7; 16],
        span_id: vec![7; 8],
        ..LogRecord::default()
    };
    let resource_logs = groups()
        .map(|(resource, items)| {
            let log_records = items.map(line).collect();
            let scoped = ScopeLogs { scope: scope(), log_records, ..ScopeLogs::default() };
            ResourceLogs { resource, scope_logs: vec![scoped], ..ResourceLogs::default() }
        })
        .collect();
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}
