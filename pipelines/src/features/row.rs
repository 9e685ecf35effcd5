//! Feature rows: what the features stage says to the stages on its right. Few, integer where they add up, in event
//! time, and sorted by `(start_at, key)` before they are handed over, so that a merge gives the same rows in any order.

use std::sync::Arc;

use engine::record::UnixNanos;
use serde::{Deserialize, Serialize};

use super::sketch::LatencySketch;

/// The service that a row is about, without version or pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceKey {
    /// Whose data.
    pub tenant: Arc<str>,
    /// `k8s.cluster.name`; empty if not told (as all of these).
    pub cluster: Arc<str>,
    /// `deployment.environment.name` or `deployment.environment`.
    pub environment: Arc<str>,
    /// `service.namespace`, else `k8s.namespace.name`.
    pub namespace: Arc<str>,
    /// `service.name`.
    pub service: Arc<str>,
}

impl ServiceKey {
    /// A service of which only the name is told.
    #[cfg(test)]
    pub(crate) fn named(service: &str) -> Self {
        let none: Arc<str> = "".into();
        let (cluster, environment, namespace) = (Arc::clone(&none), Arc::clone(&none), Arc::clone(&none));
        Self { tenant: none, cluster, environment, namespace, service: service.into() }
    }

    /// The same on the wire, without version.
    #[must_use]
    pub fn scope(&self) -> contract::Scope {
        contract::Scope {
            tenant: self.tenant.to_string(),
            cluster: self.cluster.to_string(),
            environment: self.environment.to_string(),
            namespace: self.namespace.to_string(),
            service: self.service.to_string(),
            ..contract::Scope::default()
        }
    }
}

/// Which version of the workload: two arms differ in version or in pod template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Arm {
    /// `service.version`; empty if not told.
    pub version: Arc<str>,
    /// `k8s.pod.label.rollouts-pod-template-hash`, else `k8s.pod.label.pod-template-hash`, else the hash in
    /// `k8s.replicaset.name`; empty if not told.
    pub template_hash: Arc<str>,
    /// `vcs.ref.head.revision`; empty if not told.
    pub revision: Arc<str>,
}

impl Arm {
    /// Its version, or the template hash where no version is told.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.version.is_empty() { &self.template_hash } else { &self.version }
    }

    /// Whether the other says all that this one says, and more.
    #[must_use]
    pub fn is_part_of(&self, other: &Self) -> bool {
        let said = |arm: &Self| [&arm.version, &arm.template_hash, &arm.revision].map(Arc::clone);
        self != other && said(self).iter().zip(&said(other)).all(|(own, its)| own.is_empty() || own == its)
    }
}

/// One instance of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pod {
    /// `k8s.pod.uid`, else `service.instance.id`, else `k8s.pod.name`, else `host.name`, else the resource id in hex.
    pub id: Arc<str>,
    /// `k8s.pod.name`; empty if not told.
    pub name: Arc<str>,
    /// `k8s.node.name`; empty if not told.
    pub node: Arc<str>,
}

/// Who a row is about: a service, an arm of it, a pod of that arm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// The service.
    pub service: ServiceKey,
    /// The arm.
    pub arm: Arm,
    /// The pod.
    pub pod: Pod,
}

/// Where the numbers of a [`CallRow`] come from: one source of truth per service, never added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CallSource {
    /// The SDK's `http.server.*` / `rpc.server.*` metrics.
    ServerMetrics,
    /// The collector's spanmetrics connector.
    SpanMetrics,
    /// Server and consumer spans.
    Spans,
}

/// Requests that one pod served in one cell of time: a second (spans) or an export interval (metrics).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRow {
    /// Which pod.
    pub subject: Arc<Subject>,
    /// `http.route`, rpc method or span name; bounded per service, the rest is `_other`.
    pub operation: Arc<str>,
    /// First instant of the cell.
    pub start_at: UnixNanos,
    /// First instant after the cell.
    pub end_at: UnixNanos,
    /// Where the numbers come from.
    pub source: CallSource,
    /// Requests that ended in the cell (sampling-weighted, rounded).
    pub requests: u64,
    /// Of these, failed: span status error, HTTP 5xx, non-OK gRPC of the server-fault kind.
    pub errors: u64,
    /// Sum of durations.
    pub duration_us_sum: u64,
    /// Durations.
    pub duration: LatencySketch,
    /// The same less the calls that the service made meanwhile; empty where only metrics speak.
    pub own: LatencySketch,
    /// Calls that the service made meanwhile, as its client spans tell.
    pub calls: u64,
    /// Up to three traces with an error, else the slowest ones; for exemplars.
    pub exemplar_trace_ids: Vec<[u8; 16]>,
}

/// What one service saw of another in a window (10 s by default).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeRow {
    /// Who called: the pod's service and arm.
    pub caller: Arc<Subject>,
    /// Who was called.
    pub callee: ServiceKey,
    /// Arm of the callee, where the server's span was seen.
    pub callee_arm: Option<Arm>,
    /// Window.
    pub start_at: UnixNanos,
    /// Window.
    pub end_at: UnixNanos,
    /// Client spans.
    pub calls: u64,
    /// Failed client spans.
    pub failures: u64,
    /// Sum of client durations.
    pub client_us_sum: u64,
    /// Client spans whose server span was found.
    pub matched: u64,
    /// Sum over the matched of client minus server duration.
    pub gap_us_sum: u64,
}

/// Log lines of one pod in a cell of one second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRow {
    /// Which pod.
    pub subject: Arc<Subject>,
    /// First instant of the cell.
    pub start_at: UnixNanos,
    /// First instant after the cell.
    pub end_at: UnixNanos,
    /// Lines by severity: trace, debug, info, warn, error, fatal; unset counts as info.
    pub by_severity: [u64; 6],
    /// Up to three error lines (cut to 200 bytes) with their code location and trace, for evidence.
    pub error_samples: Vec<LineSample>,
    /// Lines by template, by its id.
    pub templates: Vec<TemplateCount>,
}

/// Lines of one template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateCount {
    /// Hash of severity, logger and text; the same in every replica.
    pub id: u64,
    /// The text with `<*>` for values, cut at 200 bytes.
    pub text: Arc<str>,
    /// Class of severity, an index into `by_severity`.
    pub severity: u8,
    /// Lines.
    pub lines: u64,
}

/// Two templates of a service turned out to be one; from now on rows name the new id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TemplateMerge {
    /// Whose.
    pub service: ServiceKey,
    /// An id that rows named before.
    pub former: u64,
    /// What they name instead.
    pub id: u64,
}

/// An error line kept as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSample {
    /// The text, cut at 200 bytes.
    pub text: String,
    /// `logger#code.function:code.lineno`, as far as told.
    pub location: String,
    /// Trace, if told.
    pub trace_id: Option<[u8; 16]>,
    /// Span, if told.
    pub span_id: Option<[u8; 8]>,
}

/// What a gauge is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ResourceSignal {
    /// CPU used, in cores.
    Cpu,
    /// Working set or RSS in bytes.
    Memory,
    /// Container restarts since start.
    Restarts,
    /// File descriptors open.
    FileDescriptors,
    /// Threads.
    Threads,
    /// Connections in use in a pool.
    PoolInUse,
    /// Requests that wait for a connection.
    PoolPending,
    /// Heap used in bytes.
    Heap,
    /// Disk used in bytes.
    Disk,
    /// Container restarts since start, where the last one followed on a kill for want of memory.
    OomKills,
}

/// One value of a resource of one pod: a gauge, or a rate of a counter over (previous, at].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceRow {
    /// Which pod.
    pub subject: Arc<Subject>,
    /// What.
    pub signal: ResourceSignal,
    /// When.
    pub at: UnixNanos,
    /// The value.
    pub value: f64,
    /// Its limit, where reported.
    pub limit: Option<f64>,
}

/// Any other series, for the per-series baseline: one value per point (gauges) or per interval (rates).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesRow {
    /// Series of the service: metric name and attributes without pod identity.
    pub service: ServiceKey,
    /// `metric{attribute=value,…}` at workload level.
    pub name: Arc<str>,
    /// When.
    pub at: UnixNanos,
    /// The value.
    pub value: f64,
}

/// Signs of life of one pod, one row per pod that is known, at every closed second in which something changed and at
/// least every 10 s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceRow {
    /// Which pod.
    pub subject: Arc<Subject>,
    /// First event time seen of it.
    pub first_at: UnixNanos,
    /// Newest event time seen of it in any signal.
    pub last_at: UnixNanos,
    /// Newest event time of a request that it served; `None` before the first.
    pub last_request_at: Option<UnixNanos>,
    /// Learned time between two exports of it; 0 before three exports.
    pub export_interval: UnixNanos,
    /// Reports its resource says it gave as `k8s.container.restart_count`, if told.
    pub restarts: Option<u64>,
}

/// Everything that closed up to a watermark.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FeatureRows {
    /// Event time up to which all cells are closed.
    pub upto: UnixNanos,
    /// The log's clock then.
    pub log_clock: UnixNanos,
    /// Requests.
    pub calls: Vec<CallRow>,
    /// Edges.
    pub edges: Vec<EdgeRow>,
    /// Log lines.
    pub lines: Vec<LineRow>,
    /// Log templates that became one, before the lines that name it.
    pub template_merges: Vec<TemplateMerge>,
    /// Resources.
    pub resources: Vec<ResourceRow>,
    /// Other series.
    pub series: Vec<SeriesRow>,
    /// Signs of life.
    pub presence: Vec<PresenceRow>,
}
