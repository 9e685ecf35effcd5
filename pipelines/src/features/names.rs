//! Metric names and what they mean: one table, semantic-convention names new and old.
//!
//! What it does not do: read a point. A name that is not here belongs to an "other" series.

use super::row::{CallSource, ResourceSignal};

/// A family of metrics that counts requests. Of two families that count the same requests, only the better one is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) enum Family {
    /// `http.server.request.duration`.
    Http,
    /// `http.server.duration`, the older name, in milliseconds.
    HttpOld,
    /// `rpc.server.call.duration`.
    Rpc,
    /// `rpc.server.duration`, the older name, in milliseconds.
    RpcOld,
    /// Duration histogram of the spanmetrics connector.
    SpanDuration,
    /// Call counter of the spanmetrics connector.
    SpanCalls,
    /// Server and consumer spans.
    Spans,
}

impl Family {
    /// Which source of truth it belongs to.
    pub(crate) const fn source(self) -> CallSource {
        match self {
            Self::Http | Self::HttpOld | Self::Rpc | Self::RpcOld => CallSource::ServerMetrics,
            Self::SpanDuration | Self::SpanCalls => CallSource::SpanMetrics,
            Self::Spans => CallSource::Spans,
        }
    }

    /// The family that counts the same requests better.
    pub(crate) const fn better(self) -> Option<Self> {
        match self {
            Self::HttpOld => Some(Self::Http),
            Self::RpcOld => Some(Self::Rpc),
            Self::SpanCalls => Some(Self::SpanDuration),
            _ => None,
        }
    }
}

/// The family of a metric name.
pub(crate) fn call_family(name: &str) -> Option<Family> {
    Some(match name {
        "http.server.request.duration" => Family::Http,
        "http.server.duration" => Family::HttpOld,
        "rpc.server.call.duration" => Family::Rpc,
        "rpc.server.duration" => Family::RpcOld,
        "traces.span.metrics.duration" | "duration" => Family::SpanDuration,
        "traces.span.metrics.calls" | "calls" => Family::SpanCalls,
        _ => return None,
    })
}

/// Microseconds per unit of a duration; the older names came in milliseconds, also where no unit is told.
pub(crate) fn micros_per(unit: &str, family: Family) -> f64 {
    match unit {
        "s" => 1e6,
        "ms" => 1e3,
        "us" => 1.0,
        "ns" => 1e-3,
        _ if matches!(family, Family::Http | Family::Rpc) => 1e6,
        _ => 1e3,
    }
}

/// Whether a language's runtime reports the metric: what its garbage collector, scheduler and event loop do.
pub(crate) fn is_of_runtime(name: &str) -> bool {
    ["jvm.", "go.", "nodejs.", "v8js.", "dotnet.", "cpython.", "process.runtime."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Whether a resource metric is the value, or the limit of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) enum Part {
    /// The value.
    Used,
    /// Its limit.
    Limit,
}

/// What a resource metric says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ResourceName {
    pub(crate) signal: ResourceSignal,
    pub(crate) part: Part,
    /// Of several names for one signal of a pod, the lowest is used.
    pub(crate) rank: u8,
    /// To our unit.
    pub(crate) factor: f64,
    /// The attribute (any of the keys) must have this value.
    pub(crate) only: Option<(&'static [&'static str], &'static str)>,
}

const fn used(signal: ResourceSignal, rank: u8) -> ResourceName {
    ResourceName { signal, part: Part::Used, rank, factor: 1.0, only: None }
}

const fn limit(signal: ResourceSignal, rank: u8) -> ResourceName {
    ResourceName { signal, part: Part::Limit, rank, factor: 1.0, only: None }
}

const HEAP: Option<(&[&str], &str)> = Some((&["jvm.memory.type", "type"], "heap"));
const IN_USE: Option<(&[&str], &str)> =
    Some((&["db.client.connection.state", "state", "db.client.connections.state"], "used"));

/// What a metric name says about a pod's resources.
pub(crate) fn resource_name(name: &str) -> Option<ResourceName> {
    use ResourceSignal::{
        Cpu, Disk, FileDescriptors, Heap, Memory, PoolInUse, PoolPending, Restarts, Threads,
    };
    Some(match name {
        "k8s.pod.cpu.usage" => used(Cpu, 0),
        "container.cpu.usage" => used(Cpu, 1),
        "k8s.pod.cpu.time" => used(Cpu, 2),
        "container.cpu.time" => used(Cpu, 3),
        "k8s.pod.cpu.utilization" => used(Cpu, 4),
        "process.cpu.time" | "process_cpu_seconds_total" => used(Cpu, 5),
        "container.cpu.usage.total" => ResourceName { factor: 1e-9, ..used(Cpu, 6) },
        "jvm.cpu.time" => used(Cpu, 7),
        "k8s.container.cpu.limit.current" | "k8s.container.cpu.limit" => limit(Cpu, 0),
        "k8s.container.cpu_limit" => limit(Cpu, 1),
        "k8s.pod.memory.working_set" => used(Memory, 0),
        "container.memory.working_set" => used(Memory, 1),
        "k8s.pod.memory.usage" => used(Memory, 2),
        "container.memory.usage" => used(Memory, 3),
        "k8s.pod.memory.rss" => used(Memory, 4),
        "container.memory.rss" => used(Memory, 5),
        "container.memory.usage.total" => used(Memory, 6),
        "process.memory.usage" => used(Memory, 7),
        "process.memory.physical_usage" | "process_resident_memory_bytes" => used(Memory, 8),
        "process.runtime.cpython.memory" => {
            ResourceName { only: Some((&["type"], "rss")), ..used(Memory, 9) }
        }
        "k8s.container.memory.limit.current" | "k8s.container.memory.limit" => limit(Memory, 0),
        "k8s.container.memory_limit" => limit(Memory, 1),
        "container.memory.usage.limit" => limit(Memory, 2),
        "k8s.container.restart.count" => used(Restarts, 0),
        "k8s.container.restarts" => used(Restarts, 1),
        "container.restarts" => used(Restarts, 2),
        "process.unix.file_descriptor.count" => used(FileDescriptors, 0),
        "process.open_file_descriptor.count" => used(FileDescriptors, 1),
        "process.open_file_descriptors" | "process_open_fds" => used(FileDescriptors, 2),
        "process_max_fds" => limit(FileDescriptors, 0),
        "process.thread.count" => used(Threads, 0),
        "jvm.thread.count" => used(Threads, 1),
        "process.threads" => used(Threads, 2),
        "process.runtime.jvm.threads.count" => used(Threads, 3),
        "go.goroutine.count" => used(Threads, 4),
        "process.runtime.go.goroutines" => used(Threads, 5),
        "db.client.connection.count" => ResourceName { only: IN_USE, ..used(PoolInUse, 0) },
        "db.client.connections.usage" => ResourceName { only: IN_USE, ..used(PoolInUse, 1) },
        "db.client.connection.max" => limit(PoolInUse, 0),
        "db.client.connections.max" => limit(PoolInUse, 1),
        "db.client.connection.pending_requests" => used(PoolPending, 0),
        "db.client.connections.pending_requests" => used(PoolPending, 1),
        "jvm.memory.used" => ResourceName { only: HEAP, ..used(Heap, 0) },
        "process.runtime.jvm.memory.usage" => ResourceName { only: HEAP, ..used(Heap, 1) },
        "go.memory.used" => used(Heap, 2),
        "process.runtime.go.mem.heap_alloc" => used(Heap, 3),
        "dotnet.gc.last_collection.heap.size" => used(Heap, 4),
        "process.runtime.dotnet.gc.heap.size" => used(Heap, 5),
        "v8js.memory.heap.used" => used(Heap, 6),
        "jvm.memory.limit" => ResourceName { only: HEAP, ..limit(Heap, 0) },
        "process.runtime.jvm.memory.limit" => ResourceName { only: HEAP, ..limit(Heap, 1) },
        "go.memory.limit" => limit(Heap, 2),
        "v8js.memory.heap.limit" => limit(Heap, 3),
        "k8s.pod.filesystem.usage" => used(Disk, 0),
        "container.filesystem.usage" => used(Disk, 1),
        "k8s.volume.usage" => used(Disk, 2),
        "k8s.pod.filesystem.capacity" => limit(Disk, 0),
        "container.filesystem.capacity" => limit(Disk, 1),
        _ => return None,
    })
}
