//! Who says it, decoded once: encoded bytes are looked up first, the canonical identity is computed only for new ones.
//!
//! A key is the hash of encoded bytes, chained from tenant over resource, scope and metric to the point's attributes.
//! What is found under a key was checked when it was put there, so a hit needs no look into the attributes.
//!
//! # Invariants
//! Two byte keys with the same canonical content share one identity, because identities are hashes of sorted content.
//! When a cache is full it starts anew: the same records give the same ids whatever is cached. The table of series
//! starts anew between batches only, because a batch has one table; so it may hold one batch's series too many.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use xxhash_rust::xxh3::xxh3_128;

use super::error::WireFault;
use super::identity::{resource_id, series_id};
use super::texts::Texts;
use super::{value, walk};
use crate::batch::{Attributes, MetricKind, Resource, Scope, Series, SeriesTable};

/// Hash of encoded bytes, chained from tenant to metric.
pub(super) type ByteKey = u128;

/// The hash of encoded attributes.
#[inline(always)]
pub(super) fn hash_of(run: &[u8]) -> u128 {
    xxh3_128(run)
}

/// The key of `part` within what `outer` is the key of.
#[inline(always)]
pub(super) fn key_within(outer: ByteKey, part: &[u8]) -> ByteKey {
    key_of([outer, xxh3_128(part)])
}

/// The key of a metric within a scope.
#[inline(always)]
pub(super) fn metric_key(scope: ByteKey, name: &[u8], unit: &[u8], kind: u8) -> ByteKey {
    key_of([scope, xxh3_128(name), xxh3_128(unit), u128::from(kind)])
}

#[inline(always)]
fn key_of<const N: usize>(parts: [u128; N]) -> ByteKey {
    xxh3_128(parts.map(u128::to_le_bytes).as_flattened())
}

/// The part of a series that its metric tells.
#[derive(Debug)]
pub(super) struct MetricHead<'a> {
    pub(super) key: ByteKey,
    /// Place among the speakers.
    pub(super) speaker: u32,
    /// Name and unit, which are texts.
    pub(super) name: &'a [u8],
    pub(super) unit: &'a [u8],
    pub(super) kind: MetricKind,
}

/// Who reports a metric.
#[derive(Debug, Clone)]
pub(super) struct Speaker {
    pub(super) resource: Arc<Resource>,
    pub(super) scope: Arc<Scope>,
}

/// By which a series is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeriesKey {
    pub(super) metric: ByteKey,
    /// Hash of the encoded attributes.
    pub(super) attributes: u128,
}

impl SeriesKey {
    #[inline(always)]
    fn hash(self) -> u64 {
        // both are hashes already, and independent of each other
        (self.metric ^ self.attributes) as u64
    }
}

/// The known series.
///
/// # Invariants
/// `by_hash` holds every place of `keys`, which are those of the table.
#[derive(Debug, Default)]
struct KnownSeries {
    keys: Vec<SeriesKey>,
    by_hash: HashTable<u32>,
    table: Arc<SeriesTable>,
    /// The place behind the one that was found last: an exporter says its series in the same order every time.
    expected: usize,
}

impl KnownSeries {
    #[inline(always)]
    fn place(&mut self, key: SeriesKey) -> Option<u32> {
        let place = if self.keys.get(self.expected) == Some(&key) {
            self.expected as u32
        } else {
            *self.by_hash.find(key.hash(), |place| self.keys[*place as usize] == key)?
        };
        self.expected = place as usize + 1;
        Some(place)
    }

    fn add(&mut self, key: SeriesKey, series: Series) -> u32 {
        let place =
            u32::try_from(self.keys.len()).expect("a batch has no more rows than its limit of 32 bits");
        self.table.fill(place, Arc::new(series));
        self.keys.push(key);
        self.by_hash.insert_unique(key.hash(), place, |place| self.keys[*place as usize].hash());
        place
    }
}

/// What the walk is for.
#[derive(Debug, Clone)]
enum Purpose {
    /// Rows with identities.
    Batches,
    /// To see whether everything can be read; identities are all the same.
    Inspection(Arc<Resource>, Arc<Scope>),
}

/// Caches of resources, scopes and series by encoded bytes.
#[derive(Debug)]
pub(super) struct Caches {
    purpose: Purpose,
    resources: HashMap<ByteKey, Arc<Resource>, FixedState>,
    scopes: HashMap<ByteKey, Arc<Scope>, FixedState>,
    series: KnownSeries,
    texts: Texts,
    cached_max: usize,
    depth_max: u32,
    /// Times a cache was full and started anew.
    pub(super) n_resets: u64,
}

impl Caches {
    pub(super) fn new(cached_max: usize, depth_max: u32) -> Self {
        Self {
            purpose: Purpose::Batches,
            resources: HashMap::with_hasher(FixedState::default()),
            scopes: HashMap::with_hasher(FixedState::default()),
            series: KnownSeries::default(),
            texts: Texts::new(cached_max),
            cached_max,
            depth_max,
            n_resets: 0,
        }
    }

    /// Caches that keep nothing and give everything the same identity.
    pub(super) fn for_inspection(depth_max: u32) -> Self {
        let attributes = Attributes::default();
        let resource = Resource { id: resource_id("", &attributes), tenant: "".into(), attributes };
        let purpose = Purpose::Inspection(Arc::new(resource), Arc::default());
        Self { purpose, ..Self::new(1, depth_max) }
    }

    /// How deeply values may be nested.
    pub(super) fn depth_max(&self) -> u32 {
        self.depth_max
    }

    /// A new batch of metrics begins.
    pub(super) fn begin(&mut self) {
        if self.series.keys.len() >= self.cached_max {
            self.series = KnownSeries::default();
            self.n_resets += 1;
        }
    }

    /// The table that the places of [`Caches::place`] are in.
    pub(super) fn table(&self) -> Arc<SeriesTable> {
        Arc::clone(&self.series.table)
    }

    /// The resource of an encoded `Resource`, and its key.
    pub(super) fn resource(
        &mut self,
        tenant: &Arc<str>,
        encoded: &[u8],
    ) -> Result<(ByteKey, Arc<Resource>), WireFault> {
        let key = key_within(xxh3_128(tenant.as_bytes()), encoded);
        if let Some(known) = self.resources.get(&key) {
            return Ok((key, Arc::clone(known)));
        }
        let run = walk::resource_attributes(encoded)?;
        if let Purpose::Inspection(resource, _) = &self.purpose {
            value::check_run(run.bytes(), self.depth_max)?;
            return Ok((key, Arc::clone(resource)));
        }
        let attributes = value::attributes(run.bytes(), self.depth_max, &mut self.texts)?;
        let id = resource_id(tenant, &attributes);
        let resource = Arc::new(Resource { id, tenant: Arc::clone(tenant), attributes });
        self.n_resets += make_room(self.resources.len(), self.cached_max, || self.resources.clear());
        self.resources.insert(key, Arc::clone(&resource));
        Ok((key, resource))
    }

    /// The scope of an encoded `InstrumentationScope` within a resource, and its key.
    pub(super) fn scope(
        &mut self,
        outer: ByteKey,
        encoded: &[u8],
    ) -> Result<(ByteKey, Arc<Scope>), WireFault> {
        // the content does not depend on the resource
        let own = xxh3_128(encoded);
        let key = key_of([outer, own]);
        if let Some(known) = self.scopes.get(&own) {
            return Ok((key, Arc::clone(known)));
        }
        let parts = walk::scope(encoded)?;
        if let Purpose::Inspection(_, scope) = &self.purpose {
            value::check_run(parts.attributes.bytes(), self.depth_max)?;
            return Ok((key, Arc::clone(scope)));
        }
        let attributes = value::attributes(parts.attributes.bytes(), self.depth_max, &mut self.texts)?;
        let (name, version) = (self.texts.shared(parts.name), self.texts.shared(parts.version));
        let scope = Arc::new(Scope { name, version, attributes });
        self.n_resets += make_room(self.scopes.len(), self.cached_max, || self.scopes.clear());
        self.scopes.insert(own, Arc::clone(&scope));
        Ok((key, scope))
    }

    /// The place of a series; `None` for a new one. One call's loads do not wait for another's.
    #[inline(always)]
    pub(super) fn place(&mut self, key: SeriesKey) -> Option<u32> {
        self.series.place(key)
    }

    /// The place of a series that was new when its row was looked up first.
    #[inline(never)]
    pub(super) fn new_place(
        &mut self,
        speaker: &Speaker,
        head: &MetricHead<'_>,
        (hash, run): (u128, &[u8]),
    ) -> Result<u32, WireFault> {
        if let Purpose::Inspection(..) = &self.purpose {
            return value::check_run(run, self.depth_max).map(|()| 0);
        }
        let key = SeriesKey { metric: head.key, attributes: hash };
        if let Some(place) = self.place(key) {
            return Ok(place);
        }
        let attributes = value::attributes(run, self.depth_max, &mut self.texts)?;
        let [name, unit] =
            [head.name, head.unit].map(|text| std::str::from_utf8(text).map_err(|_| WireFault::Utf8));
        let (name, unit) = (name?, unit?);
        let series = Series {
            id: series_id(speaker, (name, unit, head.kind), &attributes),
            resource: Arc::clone(&speaker.resource),
            scope: Arc::clone(&speaker.scope),
            name: self.texts.shared(name),
            unit: self.texts.shared(unit),
            kind: head.kind,
            attributes,
        };
        Ok(self.series.add(key, series))
    }
}

/// Empties a full cache; how many times it did (1 or 0).
fn make_room(len: usize, max: usize, clear: impl FnOnce()) -> u64 {
    if len < max {
        return 0;
    }
    clear();
    1
}
