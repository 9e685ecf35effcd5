//! What a metric series means: requests of a family, a resource or its limit, or a series of its own.
//!
//! Promises: a function of the series alone; the cache only saves work.

use std::fmt::Write as _;
use std::sync::Arc;

use engine::batch::{AttributeValue, Attributes, MetricKind, Series, SeriesId, SeriesTable, Temporality};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::identity::{Identity, IdentityCache, digest, first_of, identity_of, pod_of};
use super::names::{Family, Part, call_family, is_of_runtime, micros_per, resource_name};
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
    /// A distribution that a runtime reports, as two series at workload level: the mean of what was measured, and how
    /// much of it there was in a second (of pauses: the share of time).
    Spread { mean: Arc<str>, per_second: Arc<str> },
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

/// Meanings by series; a full cache starts anew. Never walked, so that its order is of no account.
///
/// # Invariants
/// `by_place` speaks of `table`, and holds no more than it does.
#[derive(Debug, Default)]
pub(crate) struct Meanings {
    by_id: HashMap<SeriesId, Option<Arc<Meaning>>, FixedState>,
    table: Option<Arc<SeriesTable>>,
    by_place: Vec<Place>,
}

/// What is known of a place in a table of series.
#[derive(Debug, Clone, Default)]
enum Place {
    #[default]
    Unknown,
    Meaningless,
    Means(Arc<Meaning>),
}

impl Meanings {
    /// Turns to a batch's table of series. Batches of one decoder share one, so that places keep their meaning.
    pub(crate) fn turn_to(&mut self, table: &Arc<SeriesTable>) {
        if !self.table.as_ref().is_some_and(|known| Arc::ptr_eq(known, table)) {
            self.table = Some(Arc::clone(table));
            self.by_place.clear();
        }
    }

    /// The meaning of the series at a place; `None` if it has none here.
    pub(crate) fn at(
        &mut self,
        place: u32,
        identities: &mut IdentityCache,
        cached_max: usize,
    ) -> Option<(SeriesId, &Arc<Meaning>)> {
        let series = self.table.as_ref()?.get(place)?;
        let place = place as usize;
        if place >= self.by_place.len() {
            self.by_place.resize(place + 1, Place::Unknown);
        }
        if matches!(self.by_place[place], Place::Unknown) {
            let meaning = of_series(&mut self.by_id, series, identities, cached_max);
            self.by_place[place] = meaning.map_or(Place::Meaningless, Place::Means);
        }
        match &self.by_place[place] {
            Place::Means(meaning) => Some((series.id, meaning)),
            Place::Meaningless | Place::Unknown => None,
        }
    }
}

/// Places that say the same (another order of attributes) share one meaning, and so do places of two tables.
fn of_series(
    known: &mut HashMap<SeriesId, Option<Arc<Meaning>>, FixedState>,
    series: &Series,
    identities: &mut IdentityCache,
    cached_max: usize,
) -> Option<Arc<Meaning>> {
    if let Some(meaning) = known.get(&series.id) {
        return meaning.clone();
    }
    if known.len() >= cached_max {
        known.clear();
    }
    let meaning = meaning_of(series, identities, cached_max).map(Arc::new);
    known.insert(series.id, meaning.clone());
    meaning
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

/// Metrics of the spanmetrics connector name the service in the point; everything else does in the resource. What a pod uses
/// may be told by somebody who knows the pod alone.
fn sender_of(
    series: &Series,
    role: &Role,
    identities: &mut IdentityCache,
    cached_max: usize,
) -> Option<Arc<Identity>> {
    let from_point = matches!(role, Role::Calls { family: Family::SpanDuration | Family::SpanCalls, .. });
    if !from_point || series.attributes.get("service.name").is_none() {
        let named = identities.identify(&series.resource, cached_max);
        let is_resource = matches!(role, Role::Resource { .. });
        return named.or_else(|| pod_of(&series.resource).filter(|_| is_resource).map(Arc::new));
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
    match series.kind {
        _ if overflow => None,
        MetricKind::Gauge | MetricKind::Sum { .. } => Some(Role::Other { name: workload_name(series, "") }),
        MetricKind::Histogram(_) | MetricKind::ExponentialHistogram(_) if is_of_runtime(&series.name) => {
            let [mean, per_second] = [".mean", ".per_second"].map(|what| workload_name(series, what));
            Some(Role::Spread { mean, per_second })
        }
        _ => None,
    }
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

/// `metric{attribute=value,…}` without what tells pods apart; `what` of the metric comes right after its name.
fn workload_name(series: &Series, what: &str) -> Arc<str> {
    let mut name = format!("{}{what}", series.name);
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
