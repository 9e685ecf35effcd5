//! A pod's cumulative metrics, and what the cluster's agent says of its container.
//!
//! Promises: cumulative from the pod's start, one histogram per route and status; at most routes × 3 of them. It does
//! not know when to export.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric::Data, number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::attribute::{number, scope, text};
use super::signal::{error_type, is_failure};
use crate::shop::{Pod, RequestFact, UnixNanos, operation_of};

/// Bucket bounds that the semantic conventions advise for `http.server.request.duration`.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const MIB: f64 = 1024.0 * 1024.0;

/// Counts of one pod.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    durations: BTreeMap<(usize, u16), Durations>,
    cpu_secs: f64,
    n_requests: u64,
}

#[derive(Debug, Default, Clone)]
struct Durations {
    buckets: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Counts {
    /// Takes a served request in.
    pub(crate) fn add(&mut self, fact: &RequestFact) {
        let durations = self.durations.entry((fact.operation, fact.status)).or_default();
        let bucket = BOUNDS.partition_point(|bound| *bound < fact.secs);
        if let Some(count) = durations.buckets.get_mut(bucket) {
            *count += 1;
        }
        durations.sum += fact.secs;
        self.cpu_secs += operation_of(fact.operation).own_ms / 1000.0 * 0.3;
        self.n_requests += 1;
    }

    /// What the pod's SDK says of itself.
    pub(crate) fn encode(
        &self,
        pod: &Pod,
        resource: Resource,
        now: UnixNanos,
    ) -> ExportMetricsServiceRequest {
        let start_at = pod.ready_at;
        let data_points =
            self.durations.iter().map(|(key, durations)| durations.point(*key, start_at, now)).collect();
        let durations = Metric {
            name: "http.server.request.duration".to_owned(),
            unit: "s".to_owned(),
            data: Some(Data::Histogram(Histogram { data_points, aggregation_temporality: cumulative() })),
            ..Metric::default()
        };
        let memory = MIB * pod.memory_mib(now);
        let metrics = vec![
            durations,
            sum("process.cpu.time", "s", point(Value::AsDouble(self.cpu_secs), start_at, now), true),
            sum("process.memory.usage", "By", point(Value::AsInt(memory as i64), start_at, now), false),
        ];
        request(resource, "shop.runtime", metrics)
    }
}

/// What the agent on the cluster says of a container, whether or not its process speaks.
pub(crate) fn encode_container(pod: &Pod, resource: Resource, now: UnixNanos) -> ExportMetricsServiceRequest {
    let gauge = |name: &str, unit: &str, value: i64| Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(Data::Gauge(Gauge { data_points: vec![point(Value::AsInt(value), 0, now)] })),
        ..Metric::default()
    };
    let metrics = vec![
        gauge("k8s.container.restarts", "{restart}", i64::from(pod.restarts)),
        gauge("k8s.container.ready", "", i64::from(pod.takes_traffic(now))),
    ];
    request(resource, "k8sclusterreceiver", metrics)
}

/// What the agent on the node says of a container's memory.
pub(crate) fn encode_memory(pod: &Pod, resource: Resource, now: UnixNanos) -> ExportMetricsServiceRequest {
    let gauge = |name: &str, mib: f64| Metric {
        name: name.to_owned(),
        unit: "By".to_owned(),
        data: Some(Data::Gauge(Gauge { data_points: vec![point(Value::AsInt((MIB * mib) as i64), 0, now)] })),
        ..Metric::default()
    };
    let metrics = vec![
        gauge("container.memory.working_set", pod.memory_mib(now)),
        gauge("k8s.container.memory_limit", pod.memory_limit_mib()),
    ];
    request(resource, "kubeletstatsreceiver", metrics)
}

impl Durations {
    fn point(
        &self,
        (operation, status): (usize, u16),
        start_at: UnixNanos,
        now: UnixNanos,
    ) -> HistogramDataPoint {
        let spec = operation_of(operation);
        let mut attributes = vec![
            text("http.request.method", spec.method),
            text("http.route", spec.route),
            number("http.response.status_code", i64::from(status)),
            text("url.scheme", "http"),
        ];
        if is_failure(status) {
            attributes.push(text("error.type", error_type(status)));
        }
        HistogramDataPoint {
            attributes,
            start_time_unix_nano: start_at.max(0) as u64,
            time_unix_nano: now.max(0) as u64,
            count: self.buckets.iter().sum(),
            sum: Some(self.sum),
            bucket_counts: self.buckets.to_vec(),
            explicit_bounds: BOUNDS.to_vec(),
            ..HistogramDataPoint::default()
        }
    }
}

fn request(resource: Resource, scope_name: &str, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope_metrics =
        vec![ScopeMetrics { scope: Some(scope(scope_name)), metrics, ..ScopeMetrics::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn sum(name: &str, unit: &str, point: NumberDataPoint, is_monotonic: bool) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(Data::Sum(Sum {
            data_points: vec![point],
            aggregation_temporality: cumulative(),
            is_monotonic,
        })),
        ..Metric::default()
    }
}

fn point(value: Value, start_at: UnixNanos, now: UnixNanos) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: start_at.max(0) as u64,
        time_unix_nano: now.max(0) as u64,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

const fn cumulative() -> i32 {
    AggregationTemporality::Cumulative as i32
}
