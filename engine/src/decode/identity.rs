//! Identities: hashes of canonical content, the same whatever the order in which attributes stood.

use xxhash_rust::xxh3::Xxh3;

use super::cache::Speaker;
use crate::batch::{AttributeValue, Attributes, MetricKind, ResourceId, SeriesId, Temporality};

/// Of a tenant's resource.
pub(super) fn resource_id(tenant: &str, attributes: &Attributes) -> ResourceId {
    let mut hasher = Xxh3::new();
    add_text(&mut hasher, tenant);
    add_attributes(&mut hasher, attributes);
    ResourceId(hasher.digest128())
}

/// Of a metric's series. The scope counts as a whole (name, version, attributes): the OpenTelemetry data model takes
/// two scopes that differ in any of them for two producers, whose counters must not be read as one.
pub(super) fn series_id(
    speaker: &Speaker,
    (name, unit, kind): (&str, &str, MetricKind),
    attributes: &Attributes,
) -> SeriesId {
    let mut hasher = Xxh3::new();
    hasher.update(&speaker.resource.id.0.to_le_bytes());
    for text in [&*speaker.scope.name, &*speaker.scope.version, name, unit] {
        add_text(&mut hasher, text);
    }
    add_attributes(&mut hasher, &speaker.scope.attributes);
    hasher.update(&[kind_number(kind)]);
    add_attributes(&mut hasher, attributes);
    SeriesId(hasher.digest128())
}

fn add_text(hasher: &mut Xxh3, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

fn add_attributes(hasher: &mut Xxh3, attributes: &Attributes) {
    hasher.update(&(attributes.len() as u64).to_le_bytes());
    for (key, value) in attributes.iter() {
        add_text(hasher, key);
        let kind = match value {
            AttributeValue::Text(_) => 0u8,
            AttributeValue::Bool(_) => 1,
            AttributeValue::Int(_) => 2,
            AttributeValue::Float(_) => 3,
            AttributeValue::Json(_) => 4,
        };
        hasher.update(&[kind]);
        match value {
            AttributeValue::Text(text) | AttributeValue::Json(text) => add_text(hasher, text),
            other => add_text(hasher, &other.to_string()),
        }
    }
}

/// A number of its own for every kind.
pub(super) const fn kind_number(kind: MetricKind) -> u8 {
    const fn time(temporality: Temporality) -> u8 {
        match temporality {
            Temporality::Delta => 0,
            Temporality::Cumulative => 1,
        }
    }
    match kind {
        MetricKind::Gauge => 0,
        MetricKind::Sum { temporality, monotonic } => 2 + 2 * time(temporality) + monotonic as u8,
        MetricKind::Histogram(temporality) => 8 + time(temporality),
        MetricKind::ExponentialHistogram(temporality) => 10 + time(temporality),
        MetricKind::Summary => 12,
    }
}
