//! Who says it, decoded once: encoded bytes are looked up first, the canonical identity is computed only for new ones.
//!
//! # Invariants
//! Two byte keys with the same canonical content share one entry's identity, because identities are hashes of sorted
//! content. When a cache is full it starts anew: the same records give the same ids whatever is cached.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::error::WireFault;
use super::value;
use crate::batch::{Attributes, MetricKind, Resource, ResourceId, Series, SeriesId, Temporality};

/// Hash of encoded bytes, chained from tenant to point.
pub(crate) type ByteKey = u128;

/// Caches of resources and series by encoded bytes.
#[derive(Debug)]
pub(crate) struct Caches {
    resources: HashMap<ByteKey, Arc<Resource>, FixedState>,
    // by the metric's key and the hash of the point's attributes: one-shot, as it is computed for every point
    series: HashMap<(ByteKey, ByteKey), Arc<Series>, FixedState>,
    cached_max: usize,
    depth_max: u32,
    /// Times a cache was full and started anew.
    pub(crate) n_resets: u64,
}

/// Hash of parts, each with its length.
pub(crate) fn key_of(seed: ByteKey, parts: &[&[u8]]) -> ByteKey {
    let mut hasher = Xxh3::new();
    hasher.update(&seed.to_le_bytes());
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest128()
}

fn hash_attributes(hasher: &mut Xxh3, attributes: &Attributes) {
    for (key, value) in attributes.iter() {
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key.as_bytes());
        let kind = match value {
            crate::batch::AttributeValue::Text(_) => 0u8,
            crate::batch::AttributeValue::Bool(_) => 1,
            crate::batch::AttributeValue::Int(_) => 2,
            crate::batch::AttributeValue::Float(_) => 3,
            crate::batch::AttributeValue::Json(_) => 4,
        };
        let text = value.to_string();
        hasher.update(&[kind]);
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
}

const fn kind_number(kind: MetricKind) -> u8 {
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

/// The part of a series that its metric tells.
#[derive(Debug, Clone)]
pub(crate) struct MetricHead {
    pub(crate) scope: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) unit: Arc<str>,
    pub(crate) kind: MetricKind,
}

impl Caches {
    pub(crate) fn new(cached_max: usize, depth_max: u32) -> Self {
        Self {
            resources: HashMap::with_hasher(FixedState::default()),
            series: HashMap::with_hasher(FixedState::default()),
            cached_max,
            depth_max,
            n_resets: 0,
        }
    }

    /// Whether encoded attributes can be read.
    pub(crate) fn check(&self, encoded: &[u8]) -> Result<(), WireFault> {
        super::walk::check_attributes(encoded, self.depth_max)
    }

    /// The resource of encoded attributes.
    pub(crate) fn resource(
        &mut self,
        tenant: &Arc<str>,
        encoded: &[u8],
    ) -> Result<(ByteKey, Arc<Resource>), WireFault> {
        let key = key_of(0, &[tenant.as_bytes(), encoded]);
        if let Some(known) = self.resources.get(&key) {
            return Ok((key, Arc::clone(known)));
        }
        let attributes = value::attributes(encoded, self.depth_max)?;
        let mut hasher = Xxh3::new();
        hasher.update(&(tenant.len() as u64).to_le_bytes());
        hasher.update(tenant.as_bytes());
        hash_attributes(&mut hasher, &attributes);
        let id = ResourceId(hasher.digest128());
        let resource = Arc::new(Resource { id, tenant: Arc::clone(tenant), attributes });
        if self.resources.len() >= self.cached_max {
            self.resources.clear();
            self.n_resets += 1;
        }
        self.resources.insert(key, Arc::clone(&resource));
        Ok((key, resource))
    }

    /// The series of encoded point attributes.
    pub(crate) fn series(
        &mut self,
        metric_key: ByteKey,
        resource: &Arc<Resource>,
        head: &MetricHead,
        encoded: &[u8],
    ) -> Result<Arc<Series>, WireFault> {
        let key = (metric_key, xxh3_128(encoded));
        if let Some(known) = self.series.get(&key) {
            return Ok(Arc::clone(known));
        }
        let attributes = value::attributes(encoded, self.depth_max)?;
        let mut hasher = Xxh3::new();
        hasher.update(&resource.id.0.to_le_bytes());
        for text in [&head.scope, &head.name, &head.unit] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&[kind_number(head.kind)]);
        hash_attributes(&mut hasher, &attributes);
        let series = Arc::new(Series {
            id: SeriesId(hasher.digest128()),
            resource: Arc::clone(resource),
            scope: Arc::clone(&head.scope),
            name: Arc::clone(&head.name),
            unit: Arc::clone(&head.unit),
            kind: head.kind,
            attributes,
        });
        if self.series.len() >= self.cached_max {
            self.series.clear();
            self.n_resets += 1;
        }
        self.series.insert(key, Arc::clone(&series));
        Ok(series)
    }
}
