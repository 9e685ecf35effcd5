//! Who says it: resources and series, each described once and shared.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Attributes;

/// 128-bit hash of tenant and canonical (sorted) resource attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceId(pub u128);

/// 128-bit hash of resource, scope (name, version, attributes), metric name, unit, kind and canonical (sorted) point
/// attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesId(pub u128);

/// An OTLP resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its identity.
    pub id: ResourceId,
    /// Whose data it is.
    pub tenant: Arc<str>,
    /// Its attributes, sorted by key.
    pub attributes: Attributes,
}

/// An OTLP instrumentation scope: the library or logger that speaks within a resource.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// Its name; empty if none.
    pub name: Arc<str>,
    /// Its version; empty if none.
    pub version: Arc<str>,
    /// Its attributes, sorted by key.
    pub attributes: Attributes,
}

/// How a sum or histogram counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Temporality {
    /// Since the point before.
    Delta,
    /// Since `start_at`.
    Cumulative,
}

/// What kind of metric a series belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MetricKind {
    /// A value that is.
    Gauge,
    /// A value that adds up.
    Sum {
        /// Since when it counts.
        temporality: Temporality,
        /// Whether it can only rise.
        monotonic: bool,
    },
    /// Explicit buckets.
    Histogram(Temporality),
    /// Exponential buckets.
    ExponentialHistogram(Temporality),
    /// Quantiles, pre-computed.
    Summary,
}

/// A metric series: everything about a point that is not time or value.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its identity.
    pub id: SeriesId,
    /// Who reports it.
    pub resource: Arc<Resource>,
    /// The instrumentation scope that reports it.
    pub scope: Arc<Scope>,
    /// Metric name.
    pub name: Arc<str>,
    /// UCUM unit as reported; empty if none.
    pub unit: Arc<str>,
    /// What kind.
    pub kind: MetricKind,
    /// Point attributes, sorted by key.
    pub attributes: Attributes,
}
