//! The shop: services, pods, load and requests, in simulated steps.
//!
//! Promises: pure and seeded; the same seed, fleet and steps give the same spans, lines and counts. It does not know
//! OTLP, git, or the wall clock.

mod behaviour;
mod chance;
mod fleet;
mod graph;
mod load;
mod request;
mod simulate;

pub use behaviour::{BASE_ERROR_SHARE, Behaviour, BrokenBuilds, Disturbance, behaviour_of};
pub use chance::Chance;
pub use fleet::{Fleet, Pod, PodId, Template};
pub use graph::{
    Call, DATABASE, FRONTEND, OPERATIONS, Operation, SERVICES, Service, operation_of, service_named,
};
pub use load::Load;
pub use request::{LineFact, RequestFact, SpanFact, SpanKind, Step};
pub use simulate::Shop;

/// Nanoseconds since 1970, as everywhere in the project.
pub type UnixNanos = i64;
/// One second.
pub const SECOND: UnixNanos = 1_000_000_000;
/// One millisecond.
pub const MILLISECOND: UnixNanos = 1_000_000;

#[cfg(test)]
mod tests;
