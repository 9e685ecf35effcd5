//! What a metric series means: requests of a family, a resource or its limit, or a series of its own.
//!
//! Promises: a function of the series alone; the cache only saves work.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use engine::batch::{AttributeValue, Attributes, MetricKind, Series, SeriesId, Temporality};
use serde::{Deserialize, Serialize};

use super::identity::{Identity, IdentityCache, digest, first_of, identity_of};
use super::names::{Family, Part, call_family, micros_per, resource_name};
use super::row::ResourceSignal;

/// Operation of requests that are not told apart.
pub(crate) const OTHER: &str = "_other";

/// How the points of a series count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Counting {
    /// The value is the value.
    Level,
    /// Since `start_at`.
    Cumulative,
    /// Since the point before.
    Delta,
}

/// What the points of a series are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Requests served.
    Calls { family: Family, operation: Arc<str>, is_error: bool, to_micros: f64 },
    /// A pod's resource; `rank` orders several names for one signal.
    Resource { signal: ResourceSignal, part: Part, rank: u8, factor: f64 },
    /// Anything else, by its name at workload level.
    Other { name: Arc<str> },
}

/// A series as the stage needs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Meaning {
    pub(crate) sender: Arc<Identity>,
    /// All series of one metric of one resource: they are exported together.
    pub(crate) stream: u128,
    pub(crate) counting: Counting,
    pub(crate) role: Role,
    /// `otel.metric.overflow`.
    pub(crate) overflow: bool,
}

/// Meanings by series; a full cache starts anew.
#[derive(Debug, Default)]
pub(crate) struct Meanings(BTreeMap<SeriesId, Option<Arc<Meaning>>>);

impl Meanings {
    /// The meaning of a series; `None` if it has none here.
    pub(crate) fn of(
        &mut self,
        series: &Series,
        identities: &mut IdentityCache,
        cached_max: usize,
    ) -> Option<Arc<Meaning>> {
        if let Some(known) = self.0.get(&series.id) {
            return known.clone();
        }
        if self.0.len() >= cached_max {
            self.0.clear();
        }
        let meaning = meaning_of(series, identities, cached_max).map(Arc::new);
        self.0.insert(series.id, meaning.clone());
        meaning
    }
}

fn meaning_of(series: &Series, identities: &mut IdentityCache, cached_max: usize) -> Option<Meaning> {
    let overflow = matches!(series.attributes.get("otel.metric.overflow"), Some(AttributeValue::Bool(true)));
    let role = role_of(series, overflow)?;
    let identity = sender_of(series, &role, identities, cached_max)?;
    let counting = match series.kind {
        MetricKind::Gauge | MetricKind::Summary => Counting::Level,
        MetricKind::Sum { temporality: Temporality::Cumulative, monotonic: false } => Counting::Level,
        MetricKind::Sum { temporality, .. }
        | MetricKind::Histogram(temporality)
        | MetricKind::ExponentialHistogram(temporality) => match temporality {
            Temporality::Cumulative => Counting::Cumulative,
            Temporality::Delta => Counting::Delta,
        },
    };
    let scope = &series.scope;
    let stream =
        digest(&[&format!("{:032x}", series.resource.id.0), &scope.name, &scope.version, &series.name]);
    Some(Meaning { sender: identity, stream, counting, role, overflow })
}

/// Metrics of the spanmetrics connector name the service in the point; everything else does in the resource.
fn sender_of(
    series: &Series,
    role: &Role,
    identities: &mut IdentityCache,
    cached_max: usize,
) -> Option<Arc<Identity>> {
    let from_point = matches!(role, Role::Calls { family: Family::SpanDuration | Family::SpanCalls, .. });
    if !from_point || series.attributes.get("service.name").is_none() {
        return identities.identify(&series.resource, cached_max);
    }
    let of_point = series.attributes.iter().filter(|(key, _)| is_identity(key));
    let pairs = of_point.chain(series.resource.attributes.iter());
    let overlaid = Attributes::new(pairs.map(|(key, value)| (key.into(), value.clone())).collect());
    identity_of(&series.resource, &overlaid).map(Arc::new)
}

fn is_identity(key: &str) -> bool {
    ["service.", "k8s.", "deployment.environment", "vcs.ref."].iter().any(|prefix| key.starts_with(prefix))
}

fn role_of(series: &Series, overflow: bool) -> Option<Role> {
    let attributes = &series.attributes;
    if let Some(family) = call_family(&series.name).filter(|family| is_of(*family, series)) {
        let from_spans = family.source() == super::row::CallSource::SpanMetrics;
        if from_spans && !is_server_kind(attributes) {
            return None;
        }
        let (operation, is_error) =
            if overflow { (OTHER.into(), false) } else { (operation_of(attributes), is_error(attributes)) };
        return Some(Role::Calls {
            family,
            operation,
            is_error,
            to_micros: micros_per(&series.unit, family),
        });
    }
    if let Some(known) = resource_name(&series.name) {
        let applies = known.only.is_none_or(|(keys, value)| {
            keys.iter().find_map(|key| attributes.text(key)).is_some_and(|told| told == value)
        });
        return applies.then_some(Role::Resource {
            signal: known.signal,
            part: known.part,
            rank: known.rank,
            factor: known.factor,
        });
    }
    let is_number = matches!(series.kind, MetricKind::Gauge | MetricKind::Sum { .. });
    (is_number && !overflow).then(|| Role::Other { name: workload_name(series) })
}

/// A call counter must be a counter, a duration must be a histogram.
fn is_of(family: Family, series: &Series) -> bool {
    match family {
        Family::SpanCalls => matches!(series.kind, MetricKind::Sum { monotonic: true, .. }),
        _ => matches!(series.kind, MetricKind::Histogram(_) | MetricKind::ExponentialHistogram(_)),
    }
}

fn is_server_kind(attributes: &Attributes) -> bool {
    matches!(attributes.text("span.kind"), Some("SPAN_KIND_SERVER" | "SPAN_KIND_CONSUMER"))
}

fn operation_of(attributes: &Attributes) -> Arc<str> {
    if let Some(route) = first_of(attributes, &["http.route", "span.name"]) {
        return route;
    }
    let method = first_of(attributes, &["rpc.method"]);
    match (first_of(attributes, &["rpc.service"]), method) {
        (Some(service), Some(method)) => format!("{service}/{method}").into(),
        (_, Some(method)) => method,
        _ => first_of(attributes, &["http.request.method", "http.method"]).unwrap_or_else(|| OTHER.into()),
    }
}

fn is_error(attributes: &Attributes) -> bool {
    let code = ["http.response.status_code", "http.status_code"]
        .iter()
        .find_map(|key| attributes.get(key)?.as_int());
    if let Some(code) = code {
        return code >= 500;
    }
    if let Some(grpc) = first_of(attributes, &["rpc.response.status_code", "rpc.grpc.status_code"]) {
        return is_server_fault(&grpc);
    }
    match first_of(attributes, &["status.code", "otel.status_code"]) {
        Some(status) => matches!(&*status, "STATUS_CODE_ERROR" | "ERROR"),
        None => attributes.get("error.type").is_some(),
    }
}

/// gRPC codes that speak of the server, as a number or a name (semantic conventions for RPC server spans).
pub(crate) fn is_server_fault(code: &str) -> bool {
    matches!(
        code,
        "2" | "4"
            | "12"
            | "13"
            | "14"
            | "15"
            | "UNKNOWN"
            | "DEADLINE_EXCEEDED"
            | "UNIMPLEMENTED"
            | "INTERNAL"
            | "UNAVAILABLE"
            | "DATA_LOSS"
    )
}

/// `metric{attribute=value,…}` without what tells pods apart.
fn workload_name(series: &Series) -> Arc<str> {
    let mut name = String::from(&*series.name);
    let mut separator = '{';
    for (key, value) in series.attributes.iter().filter(|(key, _)| !tells_pods_apart(key)) {
        // writing to a text cannot fail
        if write!(name, "{separator}{key}={value}").is_ok() {
            separator = ',';
        }
    }
    if separator == ',' {
        name.push('}');
    }
    name.into()
}

fn tells_pods_apart(key: &str) -> bool {
    matches!(
        key,
        "service.instance.id" | "instance" | "host.name" | "host.id" | "process.pid" | "container.id" | "pod"
    ) || key.starts_with("k8s.pod.")
        || key.starts_with("k8s.node.")
}
