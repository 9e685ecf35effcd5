//! What a message must become, told from the message alone, and what a batch holds, in the same words.

use std::collections::BTreeMap;

use engine::batch::{
    AttributeValue, Attributes, Histograms, Logs, MetricBatch, MetricKind, Numbers, Payload, Series,
    SpanKind, SpanStatus, Spans, Summaries, Temporality,
};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

const LATEST: u64 = i64::MAX as u64;

/// Rows in words, and how many items were set aside for which reason.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) rows: Vec<String>,
    pub(crate) drops: BTreeMap<&'static str, u64>,
}

impl Told {
    fn drop(&mut self, reason: &'static str, n: usize) {
        if n > 0 {
            *self.drops.entry(reason).or_default() += n as u64;
        }
    }
}

fn nested(value: Option<&AnyValue>) -> String {
    let quote = |text: &str| serde_json::to_string(text).unwrap();
    match canonical(value) {
        None => "null".to_owned(),
        Some(AttributeValue::Text(text)) => quote(&text),
        Some(AttributeValue::Float(number)) if !number.is_finite() => quote(&number.to_string()),
        Some(other) => other.to_string(),
    }
}

/// A value as attributes hold it.
pub(crate) fn canonical(value: Option<&AnyValue>) -> Option<AttributeValue> {
    Some(match value?.value.as_ref()? {
        Value::StringValue(text) => AttributeValue::Text(text.as_str().into()),
        Value::BoolValue(truth) => AttributeValue::Bool(*truth),
        Value::IntValue(number) => AttributeValue::Int(*number),
        Value::DoubleValue(number) => AttributeValue::Float(*number),
        Value::ArrayValue(list) => {
            let items: Vec<String> = list.values.iter().map(|item| nested(Some(item))).collect();
            AttributeValue::Json(format!("[{}]", items.join(",")).into())
        }
        Value::KvlistValue(map) => {
            let mut pairs: Vec<&KeyValue> = map.values.iter().collect();
            pairs.sort_by_key(|pair| &pair.key);
            let quoted = |pair: &KeyValue| {
                format!("{}:{}", serde_json::to_string(&pair.key).unwrap(), nested(pair.value.as_ref()))
            };
            let items: Vec<String> = pairs.into_iter().map(quoted).collect();
            AttributeValue::Json(format!("{{{}}}", items.join(",")).into())
        }
        Value::BytesValue(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            AttributeValue::Json(format!("\"{hex}\"").into())
        }
        Value::StringValueStrindex(_) => return None,
    })
}

/// In the order in which they stand, repeated keys included.
fn raw(pairs: &[KeyValue]) -> Vec<(&str, AttributeValue)> {
    pairs.iter().filter_map(|pair| Some((pair.key.as_str(), canonical(pair.value.as_ref())?))).collect()
}

/// By key, the first of two with the same key.
fn sorted(pairs: &[KeyValue]) -> Vec<(&str, AttributeValue)> {
    let mut by_key = BTreeMap::new();
    for (key, value) in raw(pairs) {
        by_key.entry(key).or_insert(value);
    }
    by_key.into_iter().collect()
}

fn all(attributes: &Attributes) -> Vec<(&str, &AttributeValue)> {
    attributes.iter().collect()
}

fn of_resource(resource: Option<&Resource>) -> Vec<(&str, AttributeValue)> {
    resource.map(|resource| sorted(&resource.attributes)).unwrap_or_default()
}

fn logger(scope: Option<&InstrumentationScope>) -> &str {
    scope.map_or("", |scope| &scope.name)
}

fn of_scope(scope: Option<&InstrumentationScope>) -> String {
    let default = InstrumentationScope::default();
    let scope = scope.unwrap_or(&default);
    format!("{:?} {:?} {:?}", scope.name, scope.version, sorted(&scope.attributes))
}

fn temporality(number: i32) -> Option<Temporality> {
    match number {
        1 => Some(Temporality::Delta),
        2 => Some(Temporality::Cumulative),
        _ => None,
    }
}

/// Words of a point, and its time: or why it is set aside.
type PointWords = Result<String, &'static str>;

fn timed(start: u64, at: u64, words: PointWords) -> PointWords {
    if at == 0 || at > LATEST || start > LATEST { Err("point_without_time") } else { words }
}

fn number(point: &NumberDataPoint) -> PointWords {
    let value = match point.value {
        Some(PointValue::AsDouble(number)) => number,
        Some(PointValue::AsInt(number)) => number as f64,
        None if point.flags & 1 == 1 => f64::NAN,
        None => return timed(point.start_time_unix_nano, point.time_unix_nano, Err("point_without_value")),
    };
    let (start, at) = (point.start_time_unix_nano, point.time_unix_nano);
    let words = format!("{:?} {start} {at} {} {value:?}", sorted(&point.attributes), point.flags);
    timed(start, at, Ok(words))
}

fn histogram(point: &HistogramDataPoint) -> PointWords {
    let (start, at) = (point.start_time_unix_nano, point.time_unix_nano);
    let (mut counts, mut bounds) = (point.bucket_counts.clone(), point.explicit_bounds.clone());
    if counts.is_empty() || (counts.len() == 1 && bounds.is_empty()) {
        counts.clear();
        bounds.clear();
    }
    let words = if !counts.is_empty() && counts.len() != bounds.len() + 1 {
        Err("buckets_do_not_fit_bounds")
    } else if !bounds.is_sorted_by(|a, b| a < b) || bounds.iter().any(|b| b.is_nan()) {
        Err("bounds_do_not_rise")
    } else {
        let [sum, min, max] = [point.sum, point.min, point.max].map(|number| number.unwrap_or(f64::NAN));
        let buckets = format!("explicit {bounds:?} {counts:?}");
        let head = format!("{:?} {start} {at} {}", sorted(&point.attributes), point.flags);
        Ok(format!("{head} {} {sum:?} {min:?} {max:?} {buckets}", point.count))
    };
    timed(start, at, words)
}

fn exponential(point: &ExponentialHistogramDataPoint) -> PointWords {
    let (start, at) = (point.start_time_unix_nano, point.time_unix_nano);
    let [sum, min, max] = [point.sum, point.min, point.max].map(|number| number.unwrap_or(f64::NAN));
    let (positive, negative) =
        (point.positive.clone().unwrap_or_default(), point.negative.clone().unwrap_or_default());
    let buckets = format!(
        "2^2^-{} zero {} +{} {:?} -{} {:?}",
        point.scale,
        point.zero_count,
        positive.offset,
        positive.bucket_counts,
        negative.offset,
        negative.bucket_counts
    );
    let head = format!("{:?} {start} {at} {}", sorted(&point.attributes), point.flags);
    let words = Ok(format!("{head} {} {sum:?} {min:?} {max:?} {buckets}", point.count));
    timed(start, at, if point.scale == i32::MIN { Err("scale_out_of_range") } else { words })
}

fn summary(point: &SummaryDataPoint) -> PointWords {
    let (start, at) = (point.start_time_unix_nano, point.time_unix_nano);
    let quantiles: Vec<f64> = point.quantile_values.iter().map(|pair| pair.quantile).collect();
    let values: Vec<f64> = point.quantile_values.iter().map(|pair| pair.value).collect();
    let head = format!("{:?} {start} {at} {}", sorted(&point.attributes), point.flags);
    timed(start, at, Ok(format!("{head} {} {:?} {quantiles:?} {values:?}", point.count, point.sum)))
}

/// The kind of a metric, if it is told, and its points.
fn content(data: &Data) -> (Option<MetricKind>, Vec<PointWords>) {
    match data {
        Data::Gauge(gauge) => (Some(MetricKind::Gauge), gauge.data_points.iter().map(number).collect()),
        Data::Sum(sum) => {
            let monotonic = sum.is_monotonic;
            let kind = temporality(sum.aggregation_temporality)
                .map(|temporality| MetricKind::Sum { temporality, monotonic });
            (kind, sum.data_points.iter().map(number).collect())
        }
        Data::Histogram(data) => {
            let kind = temporality(data.aggregation_temporality).map(MetricKind::Histogram);
            (kind, data.data_points.iter().map(histogram).collect())
        }
        Data::ExponentialHistogram(data) => {
            let kind = temporality(data.aggregation_temporality).map(MetricKind::ExponentialHistogram);
            (kind, data.data_points.iter().map(exponential).collect())
        }
        Data::Summary(data) => (Some(MetricKind::Summary), data.data_points.iter().map(summary).collect()),
    }
}

fn metric(head: &str, metric: &Metric, told: &mut [Told; 3]) {
    let Some(data) = &metric.data else { return told[0].drop("metric_without_points", 1) };
    let (kind, points) = content(data);
    let Some(kind) = kind else { return told[0].drop("temporality_unspecified", points.len()) };
    if metric.name.is_empty() {
        return told[0].drop("metric_without_name", points.len());
    }
    let table = match kind {
        MetricKind::Gauge | MetricKind::Sum { .. } => 0,
        MetricKind::Histogram(_) | MetricKind::ExponentialHistogram(_) => 1,
        MetricKind::Summary => 2,
    };
    for point in points {
        match point {
            Ok(words) => {
                told[table].rows.push(format!("{head} {:?} {:?} {kind:?} {words}", metric.name, metric.unit))
            }
            Err(reason) => told[0].drop(reason, 1),
        }
    }
}

/// What a metrics request must become.
pub(crate) fn metrics(tenant: &str, request: &ExportMetricsServiceRequest) -> Told {
    let mut told = [Told::default(), Told::default(), Told::default()];
    for resourced in &request.resource_metrics {
        let resource = of_resource(resourced.resource.as_ref());
        for scoped in &resourced.scope_metrics {
            let head = format!("{tenant} {resource:?} {}", of_scope(scoped.scope.as_ref()));
            scoped.metrics.iter().for_each(|one| metric(&head, one, &mut told));
        }
    }
    let [mut numbers, histograms, summaries] = told;
    numbers.rows.extend(histograms.rows);
    numbers.rows.extend(summaries.rows);
    numbers
}

fn known<const N: usize>(id: &[u8]) -> Option<[u8; N]> {
    id.try_into().ok().filter(|id| *id != [0; N])
}

fn weight(state: &str) -> f64 {
    let entry = state.split(',').map(str::trim).find(|entry| entry.starts_with("ot=")).unwrap_or("");
    let digits = entry.trim_start_matches("ot=").split(';').find_map(|pair| pair.strip_prefix("th:"));
    let threshold = digits.filter(|digits| digits.len() <= 14).and_then(|digits| {
        u64::from_str_radix(&format!("{digits:0<14}"), 16).ok().filter(|_| !digits.is_empty())
    });
    let whole = (1u64 << 56) as f64;
    threshold.map_or(1.0, |threshold| 1.0 / (1.0 - threshold as f64 / whole))
}

fn span(resource: &str, span: &Span) -> PointWords {
    let ids = (known::<16>(&span.trace_id), known::<8>(&span.span_id));
    let (Some(trace), Some(id)) = ids else { return Err("span_id_invalid") };
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    if start == 0 || start > LATEST || end > LATEST || end < start {
        return Err("span_time_invalid");
    }
    let kind = SpanKind::from_otlp(u8::try_from(span.kind).unwrap_or(0));
    let code = span.status.as_ref().map_or(0, |status| u8::try_from(status.code).unwrap_or(0));
    let links: Vec<u8> = span
        .links
        .iter()
        .filter_map(|link| Some([&known::<16>(&link.trace_id)?[..], &known::<8>(&link.span_id)?].concat()))
        .flatten()
        .collect();
    let head = format!("{resource} {trace:?} {id:?} {:?}", known::<8>(&span.parent_span_id));
    let middle = format!("{:?} {kind:?} {start} {end} {:?}", span.name, SpanStatus::from_otlp(code));
    let (weight, attributes) = (weight(&span.trace_state), raw(&span.attributes));
    Ok(format!("{head} {middle} {weight:?} {attributes:?} {links:?} {:?}", span.events))
}

/// What a trace request must become.
pub(crate) fn spans(tenant: &str, request: &ExportTraceServiceRequest) -> Told {
    let mut told = Told::default();
    for resourced in &request.resource_spans {
        let resource = format!("{tenant} {:?}", of_resource(resourced.resource.as_ref()));
        for one in resourced.scope_spans.iter().flat_map(|scoped| &scoped.spans) {
            match span(&resource, one) {
                Ok(words) => told.rows.push(words),
                Err(reason) => told.drop(reason, 1),
            }
        }
    }
    told
}

fn log(head: &str, line: &LogRecord) -> PointWords {
    let observed = line.observed_time_unix_nano;
    let at = if line.time_unix_nano == 0 { observed } else { line.time_unix_nano };
    if at > LATEST || observed > LATEST {
        return Err("log_time_invalid");
    }
    if at == 0 {
        return Err("log_without_time");
    }
    let observed = if observed == 0 { at } else { observed };
    let severity = if (0..=24).contains(&line.severity_number) { line.severity_number } else { 0 };
    let body = canonical(line.body.as_ref());
    let is_text = matches!(body, None | Some(AttributeValue::Text(_)));
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let ids = (known::<16>(&line.trace_id), known::<8>(&line.span_id));
    let attributes = raw(&line.attributes);
    Ok(format!(
        "{head} {at} {observed} {severity} {body:?} {is_text} {ids:?} {:?} {attributes:?}",
        line.event_name
    ))
}

/// What a logs request must become.
pub(crate) fn logs(tenant: &str, request: &ExportLogsServiceRequest) -> Told {
    let mut told = Told::default();
    for resourced in &request.resource_logs {
        let resource = of_resource(resourced.resource.as_ref());
        for scoped in &resourced.scope_logs {
            let head = format!("{tenant} {resource:?} {:?}", logger(scoped.scope.as_ref()));
            for line in &scoped.log_records {
                match log(&head, line) {
                    Ok(words) => told.rows.push(words),
                    Err(reason) => told.drop(reason, 1),
                }
            }
        }
    }
    told
}

fn series_words(series: &Series) -> String {
    let resource = format!("{} {:?}", series.resource.tenant, all(&series.resource.attributes));
    let scope = &series.scope;
    let scope = format!("{:?} {:?} {:?}", scope.name, scope.version, all(&scope.attributes));
    let metric = format!("{:?} {:?} {:?}", series.name, series.unit, series.kind);
    format!("{resource} {scope} {metric} {:?}", all(&series.attributes))
}

fn metric_rows(batch: &MetricBatch) -> Vec<String> {
    use engine::batch::BucketLayout::{Explicit, Exponential};
    let series = |place: u32| series_words(batch.series.get(place).unwrap());
    let mut rows: Vec<String> = Numbers::of(&batch.numbers)
        .iter()
        .map(|row| {
            format!("{} {} {} {} {:?}", series(row.series_idx), row.start_at, row.at, row.flags, row.value)
        })
        .collect();
    rows.extend(Histograms::of(&batch.histograms).iter().map(|row| {
        let head = format!("{} {} {} {}", series(row.series_idx), row.start_at, row.at, row.flags);
        let buckets = match row.buckets {
            Explicit { bounds, counts } => format!("explicit {bounds:?} {counts:?}"),
            Exponential { scale, zero_count, positive_offset, positive, negative_offset, negative } => format!(
                "2^2^-{scale} zero {zero_count} +{positive_offset} {positive:?} -{negative_offset} {negative:?}"
            ),
        };
        format!("{head} {} {:?} {:?} {:?} {buckets}", row.count, row.sum, row.min, row.max)
    }));
    rows.extend(Summaries::of(&batch.summaries).iter().map(|row| {
        let head = format!("{} {} {} {}", series(row.series_idx), row.start_at, row.at, row.flags);
        format!("{head} {} {:?} {:?} {:?}", row.count, row.sum, row.quantiles, row.values)
    }));
    rows
}

/// What a batch holds.
pub(crate) fn rows(payload: &Payload) -> Vec<String> {
    let resource =
        |resource: &engine::batch::Resource| format!("{} {:?}", resource.tenant, all(&resource.attributes));
    match payload {
        Payload::Metrics(batch) => metric_rows(batch),
        Payload::Spans(batch) => Spans::of(&batch.spans)
            .iter()
            .map(|row| {
                let resource = resource(&batch.resources[row.resource_idx as usize]);
                let head =
                    format!("{resource} {:?} {:?} {:?}", row.trace_id, row.span_id, row.parent_span_id);
                let middle =
                    format!("{:?} {:?} {} {} {:?}", row.name, row.kind, row.start_at, row.end_at, row.status);
                let attributes: Vec<_> = row.attributes.iter().collect();
                // events keep their tags, so that the bytes are a span that has nothing but events
                let events = Span::decode(row.events).unwrap().events;
                let weight = row.sampling_weight;
                format!("{head} {middle} {weight:?} {attributes:?} {:?} {events:?}", row.links)
            })
            .collect(),
        Payload::Logs(batch) => Logs::of(&batch.logs)
            .iter()
            .map(|row| {
                let resource = resource(&batch.resources[row.resource_idx as usize]);
                let head = format!("{resource} {:?} {} {}", row.logger, row.at, row.observed_at);
                let body = format!("{} {:?} {}", row.severity, row.body, row.body_is_text);
                let attributes: Vec<_> = row.attributes.iter().collect();
                format!("{head} {body} {:?} {:?} {attributes:?}", (row.trace_id, row.span_id), row.event_name)
            })
            .collect(),
        Payload::Message { .. } => vec![],
    }
}

/// The identities in a batch, row by row: of the series and of the resource, or of the resource twice.
pub(crate) fn ids(payload: &Payload) -> Vec<(u128, u128)> {
    let of_resource = |all: &[std::sync::Arc<engine::batch::Resource>], idx: u32| {
        let id = all[idx as usize].id.0;
        (id, id)
    };
    match payload {
        Payload::Metrics(batch) => {
            let numbers = Numbers::of(&batch.numbers).iter().map(|row| row.series_idx);
            let histograms = Histograms::of(&batch.histograms).iter().map(|row| row.series_idx);
            let summaries = Summaries::of(&batch.summaries).iter().map(|row| row.series_idx);
            numbers
                .chain(histograms)
                .chain(summaries)
                .map(|place| batch.series.get(place).unwrap())
                .map(|series| (series.id.0, series.resource.id.0))
                .collect()
        }
        Payload::Spans(batch) => Spans::of(&batch.spans)
            .iter()
            .map(|row| of_resource(&batch.resources, row.resource_idx))
            .collect(),
        Payload::Logs(batch) => {
            Logs::of(&batch.logs).iter().map(|row| of_resource(&batch.resources, row.resource_idx)).collect()
        }
        Payload::Message { .. } => vec![],
    }
}
