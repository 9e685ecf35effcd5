//! Random requests: every kind of metric, value and field, empty and extreme ones among them.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Which real numbers occur.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reals {
    /// NaN and the infinities too.
    All,
    /// Only such as JSON can write.
    Finite,
}

fn real(reals: Reals) -> BoxedStrategy<f64> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    let finite = POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO;
    match reals {
        Reals::Finite => finite.boxed(),
        Reals::All => prop_oneof![
            6 => finite,
            1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
        ]
        .boxed(),
    }
}

/// A number that prost does not mistake for an absent one: it leaves out the negative zero of a plain field.
fn plain_real(reals: Reals) -> BoxedStrategy<f64> {
    real(reals).prop_map(|number| number + 0.0).boxed()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![1 => Just(String::new()), 4 => "[a-z][a-z._]{0,10}", 1 => "\\PC{0,6}", 1 => "[\"\\\\\n\t\u{0}]{1,3}"]
        .boxed()
}

fn whole() -> BoxedStrategy<u64> {
    prop_oneof![4 => 0u64..5_000, 1 => any::<u64>(), 1 => Just(u64::MAX)].boxed()
}

fn time() -> BoxedStrategy<u64> {
    prop_oneof![8 => 1_600_000_000_000_000_000u64..1_800_000_000_000_000_000, 1 => Just(0), 1 => any::<u64>()]
        .boxed()
}

pub(crate) fn value(reals: Reals) -> BoxedStrategy<AnyValue> {
    let leaf = prop_oneof![
        4 => text().prop_map(|text| Some(Value::StringValue(text))),
        1 => any::<bool>().prop_map(|truth| Some(Value::BoolValue(truth))),
        2 => prop_oneof![any::<i64>(), 0..20_000i64].prop_map(|number| Some(Value::IntValue(number))),
        2 => real(reals).prop_map(|number| Some(Value::DoubleValue(number))),
        1 => vec(any::<u8>(), 0..6).prop_map(|bytes| Some(Value::BytesValue(bytes))),
        1 => Just(None),
    ]
    .prop_map(|value| AnyValue { value });
    leaf.prop_recursive(3, 10, 3, |inner| {
        let pair = (text(), option::weighted(0.9, inner.clone())).prop_map(|(key, value)| KeyValue {
            key,
            value,
            ..KeyValue::default()
        });
        prop_oneof![
            vec(inner, 0..4).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            vec(pair, 0..4).prop_map(|values| Value::KvlistValue(KeyValueList { values })),
        ]
        .prop_map(|value| AnyValue { value: Some(value) })
    })
    .boxed()
}

pub(crate) fn attributes(reals: Reals) -> BoxedStrategy<Vec<KeyValue>> {
    let key = prop_oneof![3 => "[a-d]{1,2}", 1 => text()];
    let pair = (key, option::weighted(0.9, value(reals))).prop_map(|(key, value)| KeyValue {
        key,
        value,
        ..KeyValue::default()
    });
    vec(pair, 0..5).boxed()
}

fn resource(reals: Reals) -> BoxedStrategy<Option<Resource>> {
    option::weighted(
        0.9,
        (attributes(reals), vec(text(), 0..2)).prop_map(|(attributes, id_keys)| {
            let entity = EntityRef { id_keys, ..EntityRef::default() };
            let entity_refs = if entity.id_keys.is_empty() { vec![] } else { vec![entity] };
            Resource { attributes, entity_refs, ..Resource::default() }
        }),
    )
    .boxed()
}

fn scope(reals: Reals) -> BoxedStrategy<Option<InstrumentationScope>> {
    let scope = (text(), text(), attributes(reals)).prop_map(|(name, version, attributes)| {
        InstrumentationScope { name, version, attributes, ..InstrumentationScope::default() }
    });
    option::of(scope).boxed()
}

fn exemplars(reals: Reals) -> BoxedStrategy<Vec<Exemplar>> {
    let exemplar = (time(), attributes(reals), id(16)).prop_map(|(at, filtered_attributes, trace_id)| {
        Exemplar { time_unix_nano: at, filtered_attributes, trace_id, ..Exemplar::default() }
    });
    prop_oneof![3 => Just(vec![]), 1 => vec(exemplar, 1..3)].boxed()
}

fn number_point(reals: Reals) -> BoxedStrategy<NumberDataPoint> {
    let value = prop_oneof![
        4 => real(reals).prop_map(|number| Some(PointValue::AsDouble(number))),
        4 => any::<i64>().prop_map(|number| Some(PointValue::AsInt(number))),
        1 => Just(None),
    ];
    (attributes(reals), time(), time(), flags(), value, exemplars(reals))
        .prop_map(|(attributes, start, at, flags, value, exemplars)| NumberDataPoint {
            attributes,
            start_time_unix_nano: start,
            time_unix_nano: at,
            exemplars,
            flags,
            value,
        })
        .boxed()
}

fn flags() -> BoxedStrategy<u32> {
    prop_oneof![4 => Just(0u32), 1 => Just(1), 1 => any::<u32>()].boxed()
}

/// Bounds and counts: most fit each other.
fn explicit(reals: Reals) -> BoxedStrategy<(Vec<f64>, Vec<u64>)> {
    let fitting = (vec(-1_000i32..1_000, 0..8), vec(whole(), 9)).prop_map(|(mut bounds, mut counts)| {
        bounds.sort_unstable();
        bounds.dedup();
        counts.truncate(bounds.len() + 1);
        (bounds.into_iter().map(f64::from).collect(), counts)
    });
    prop_oneof![6 => fitting, 1 => (vec(real(reals), 0..4), vec(whole(), 0..5))].boxed()
}

fn histogram_point(reals: Reals) -> BoxedStrategy<HistogramDataPoint> {
    let numbers = (option::of(real(reals)), option::of(real(reals)), option::of(real(reals)));
    (attributes(reals), (time(), time()), whole(), flags(), numbers, (explicit(reals), exemplars(reals)))
        .prop_map(
            |(attributes, (start, at), count, flags, (sum, min, max), ((bounds, counts), exemplars))| {
                HistogramDataPoint {
                    attributes,
                    start_time_unix_nano: start,
                    time_unix_nano: at,
                    count,
                    sum,
                    bucket_counts: counts,
                    explicit_bounds: bounds,
                    exemplars,
                    flags,
                    min,
                    max,
                }
            },
        )
        .boxed()
}

/// Of one byte, of two, or of any number when packed.
fn bucket_count() -> BoxedStrategy<u64> {
    prop_oneof![6 => 0u64..128, 6 => 128u64..16_384, 1 => whole()].boxed()
}

fn buckets() -> BoxedStrategy<Option<Buckets>> {
    let offset = prop_oneof![3 => -50i32..50, 1 => any::<i32>()];
    option::of(
        (offset, vec(bucket_count(), 0..24))
            .prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts }),
    )
    .boxed()
}

fn exponential_point(reals: Reals) -> BoxedStrategy<ExponentialHistogramDataPoint> {
    let numbers = (option::of(real(reals)), option::of(real(reals)), option::of(real(reals)));
    let scale = prop_oneof![4 => -10i32..20, 1 => any::<i32>(), 1 => Just(i32::MIN)];
    (attributes(reals), (time(), time()), (whole(), whole()), flags(), numbers, (scale, buckets(), buckets()))
        .prop_map(
            |(
                attributes,
                (start, at),
                (count, zero_count),
                flags,
                (sum, min, max),
                (scale, positive, negative),
            )| {
                ExponentialHistogramDataPoint {
                    attributes,
                    start_time_unix_nano: start,
                    time_unix_nano: at,
                    count,
                    sum,
                    scale,
                    zero_count,
                    positive,
                    negative,
                    flags,
                    exemplars: vec![],
                    min,
                    max,
                    zero_threshold: 0.0,
                }
            },
        )
        .boxed()
}

fn summary_point(reals: Reals) -> BoxedStrategy<SummaryDataPoint> {
    let quantile = (plain_real(reals), plain_real(reals))
        .prop_map(|(quantile, value)| ValueAtQuantile { quantile, value });
    (attributes(reals), time(), time(), whole(), plain_real(reals), vec(quantile, 0..4), flags())
        .prop_map(|(attributes, start, at, count, sum, quantile_values, flags)| SummaryDataPoint {
            attributes,
            start_time_unix_nano: start,
            time_unix_nano: at,
            count,
            sum,
            quantile_values,
            flags,
        })
        .boxed()
}

fn metric(reals: Reals) -> BoxedStrategy<Metric> {
    let temporality = || prop_oneof![3 => Just(1), 3 => Just(2), 1 => Just(0), 1 => any::<i32>()];
    let data = prop_oneof![
        3 => vec(number_point(reals), 0..4).prop_map(|data_points| Some(Data::Gauge(Gauge { data_points }))),
        3 => (vec(number_point(reals), 0..4), temporality(), any::<bool>()).prop_map(
            |(data_points, aggregation_temporality, is_monotonic)| {
                Some(Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic }))
            }
        ),
        3 => (vec(histogram_point(reals), 0..4), temporality()).prop_map(
            |(data_points, aggregation_temporality)| {
                Some(Data::Histogram(Histogram { data_points, aggregation_temporality }))
            }
        ),
        2 => (vec(exponential_point(reals), 0..4), temporality()).prop_map(
            |(data_points, aggregation_temporality)| {
                Some(Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality }))
            }
        ),
        2 => vec(summary_point(reals), 0..3)
            .prop_map(|data_points| Some(Data::Summary(Summary { data_points }))),
        1 => Just(None),
    ];
    let metadata = prop_oneof![4 => Just(vec![]), 1 => attributes(reals)];
    (text(), text(), text(), metadata, data)
        .prop_map(|(name, description, unit, metadata, data)| Metric {
            name,
            description,
            unit,
            metadata,
            data,
        })
        .boxed()
}

pub(crate) fn metrics(reals: Reals) -> impl Strategy<Value = ExportMetricsServiceRequest> {
    let scoped = (scope(reals), vec(metric(reals), 0..4), text())
        .prop_map(|(scope, metrics, schema_url)| ScopeMetrics { scope, metrics, schema_url });
    let resourced =
        (resource(reals), vec(scoped, 0..3), text()).prop_map(|(resource, scope_metrics, schema_url)| {
            ResourceMetrics { resource, scope_metrics, schema_url }
        });
    vec(resourced, 0..3).prop_map(|resource_metrics| ExportMetricsServiceRequest { resource_metrics })
}

fn id(length: usize) -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), length),
        1 => Just(vec![0; length]),
        1 => Just(vec![]),
        1 => vec(any::<u8>(), 0..20),
    ]
    .boxed()
}

fn trace_state() -> BoxedStrategy<String> {
    prop_oneof![
        3 => Just(String::new()),
        2 => "ot=th:[0-9a-f]{1,14}",
        1 => Just("rojo=00f067aa,ot=rv:123;th:c".to_owned()),
        1 => text(),
    ]
    .boxed()
}

fn span(reals: Reals) -> BoxedStrategy<Span> {
    let events = vec(
        (time(), text(), attributes(reals)).prop_map(|(at, name, attributes)| Event {
            time_unix_nano: at,
            name,
            attributes,
            dropped_attributes_count: 0,
        }),
        0..3,
    );
    let links = vec(
        (id(16), id(8), text(), attributes(reals), any::<u32>()).prop_map(
            |(trace_id, span_id, trace_state, attributes, flags)| Link {
                trace_id,
                span_id,
                trace_state,
                attributes,
                flags,
                ..Link::default()
            },
        ),
        0..3,
    );
    let code = prop_oneof![4 => 0i32..3, 1 => any::<i32>()];
    let status = option::of((text(), code.clone()).prop_map(|(message, code)| Status { message, code }));
    let times = (time(), prop_oneof![5 => 0u64..10_000_000_000, 1 => any::<u64>()])
        .prop_map(|(start, lasted)| (start, start.wrapping_add(lasted)));
    (
        (id(16), id(8), id(8)),
        (trace_state(), text(), 0i32..7, any::<u32>()),
        times,
        (attributes(reals), events, links, status),
    )
        .prop_map(
            |(
                (trace, id, parent),
                (state, name, kind, flags),
                (start, end),
                (attributes, events, links, status),
            )| {
                Span {
                    trace_id: trace,
                    span_id: id,
                    trace_state: state,
                    parent_span_id: parent,
                    flags,
                    name,
                    kind,
                    start_time_unix_nano: start,
                    end_time_unix_nano: end,
                    attributes,
                    events,
                    links,
                    status,
                    ..Span::default()
                }
            },
        )
        .boxed()
}

pub(crate) fn spans(reals: Reals) -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scoped = (scope(reals), vec(span(reals), 0..4)).prop_map(|(scope, spans)| ScopeSpans {
        scope,
        spans,
        ..ScopeSpans::default()
    });
    let resourced = (resource(reals), vec(scoped, 0..3)).prop_map(|(resource, scope_spans)| ResourceSpans {
        resource,
        scope_spans,
        ..ResourceSpans::default()
    });
    vec(resourced, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

fn log_record(reals: Reals) -> BoxedStrategy<LogRecord> {
    let severity = prop_oneof![6 => 0i32..25, 1 => any::<i32>()];
    let body = option::weighted(0.9, value(reals));
    ((time(), time()), (severity, text()), body, attributes(reals), (id(16), id(8)), (text(), any::<u32>()))
        .prop_map(
            |((at, observed), (severity, word), body, attributes, (trace, span), (event_name, flags))| {
                LogRecord {
                    time_unix_nano: at,
                    observed_time_unix_nano: observed,
                    severity_number: severity,
                    severity_text: word,
                    body,
                    attributes,
                    flags,
                    trace_id: trace,
                    span_id: span,
                    event_name,
                    ..LogRecord::default()
                }
            },
        )
        .boxed()
}

pub(crate) fn logs(reals: Reals) -> impl Strategy<Value = ExportLogsServiceRequest> {
    let scoped = (scope(reals), vec(log_record(reals), 0..4)).prop_map(|(scope, log_records)| ScopeLogs {
        scope,
        log_records,
        ..ScopeLogs::default()
    });
    let resourced = (resource(reals), vec(scoped, 0..3)).prop_map(|(resource, scope_logs)| ResourceLogs {
        resource,
        scope_logs,
        ..ResourceLogs::default()
    });
    vec(resourced, 0..3).prop_map(|resource_logs| ExportLogsServiceRequest { resource_logs })
}
