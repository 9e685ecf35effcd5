//! A record to a batch.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::cache::Caches;
use super::drops::Drops;
use super::error::DecodeError;
use super::limits::DecodeLimits;
use super::logs::{LogColumns, LogsHeld};
use super::metrics::{MetricColumns, MetricsHeld};
use super::spans::{SpanColumns, SpansHeld};
use super::value::DEPTH_MAX;
use super::walk::{Allowance, Stop};
use super::{json, unpack};
use crate::batch::{Batch, MetricBatch, Payload};
use crate::record::{Compression, Encoding, Record, RecordKind};

/// Turns records into batches; keeps caches of who speaks, which change the speed and never the result.
#[derive(Debug)]
pub struct Decoder {
    limits: DecodeLimits,
    caches: Caches,
    rooms: Rooms,
}

/// How much the newest batch of each kind held: the next one will hold about as much.
#[derive(Debug, Default)]
struct Rooms {
    metrics: MetricsHeld,
    logs: LogsHeld,
    spans: SpansHeld,
}

/// What is in a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspection {
    /// Points, spans or log records that can be used.
    pub n_accepted: u64,
    /// What cannot.
    pub drops: Drops,
}

impl Decoder {
    /// With empty caches.
    #[must_use]
    pub fn new(limits: DecodeLimits) -> Self {
        let caches = Caches::new(limits.cached_max, limits.depth_max.min(DEPTH_MAX));
        Self { limits, caches, rooms: Rooms::default() }
    }

    /// That only looks whether everything can be read.
    fn for_inspection(limits: &DecodeLimits) -> Self {
        let caches = Caches::for_inspection(limits.depth_max.min(DEPTH_MAX));
        Self { limits: limits.clone(), caches, rooms: Rooms::default() }
    }

    /// How often a cache was full and started anew.
    #[must_use]
    pub fn n_cache_resets(&self) -> u64 {
        self.caches.n_resets
    }

    /// The batch of a record, and what was set aside in it. A clock record gives an empty message.
    ///
    /// # Errors
    /// [`DecodeError`] for a body that is not what it claims to be; nothing of it is used then.
    pub fn decode(&mut self, record: &Record) -> Result<(Batch, Drops), DecodeError> {
        let plain = unpack(record.compression, &record.body, &self.limits)?;
        let mut drops = Drops::default();
        let what = (record.kind, record.encoding);
        let payload = self.payload(what, &plain, &record.tenant, &mut drops)?;
        Ok((Batch { tenant: Arc::clone(&record.tenant), arrived_at: record.arrived_at, payload }, drops))
    }

    fn payload(
        &mut self,
        (kind, encoding): (RecordKind, Encoding),
        plain: &[u8],
        tenant: &Arc<str>,
        drops: &mut Drops,
    ) -> Result<Payload, DecodeError> {
        let Some(what) = name_of(kind) else {
            return Ok(Payload::Message { kind, body: Bytes::copy_from_slice(plain) });
        };
        let proto = match encoding {
            Encoding::OtlpProto => Cow::Borrowed(plain),
            Encoding::OtlpJson | Encoding::Json => {
                Cow::Owned(json::to_proto(kind, plain, self.limits.depth_max)?)
            }
        };
        let limit = self.limits.items_max;
        let walked = match kind {
            RecordKind::Metrics => self.metrics(&proto, tenant, drops),
            RecordKind::Spans => self.spans(&proto, tenant, drops),
            _ => self.logs(&proto, tenant, drops),
        };
        walked.map_err(|stop| match stop {
            Stop::Malformed(fault) => DecodeError::Malformed { what, fault },
            Stop::TooMany => DecodeError::TooMany { limit },
        })
    }

    fn metrics(&mut self, proto: &[u8], tenant: &Arc<str>, drops: &mut Drops) -> Result<Payload, Stop> {
        let room = self.rooms.metrics.at_most(proto.len());
        let mut columns = MetricColumns::new(room, Allowance::of(self.limits.items_max));
        self.caches.begin();
        columns.walk(proto, tenant, &mut self.caches, drops)?;
        self.rooms.metrics = columns.held();
        Ok(Payload::Metrics(columns.finish(self.caches.table())))
    }

    fn spans(&mut self, proto: &[u8], tenant: &Arc<str>, drops: &mut Drops) -> Result<Payload, Stop> {
        let room = self.rooms.spans.at_most(proto.len());
        let allowance = Allowance::of(self.limits.items_max);
        let mut columns = SpanColumns::new(room, self.caches.depth_max(), allowance);
        columns.walk(proto, tenant, &mut self.caches, drops)?;
        self.rooms.spans = columns.held();
        Ok(Payload::Spans(columns.finish()?))
    }

    fn logs(&mut self, proto: &[u8], tenant: &Arc<str>, drops: &mut Drops) -> Result<Payload, Stop> {
        let room = self.rooms.logs.at_most(proto.len());
        let allowance = Allowance::of(self.limits.items_max);
        let mut columns = LogColumns::new(room, self.caches.depth_max(), allowance);
        columns.walk(proto, tenant, &mut self.caches, drops)?;
        self.rooms.logs = columns.held();
        Ok(Payload::Logs(columns.finish()?))
    }
}

const fn name_of(kind: RecordKind) -> Option<&'static str> {
    match kind {
        RecordKind::Metrics => Some("metrics request"),
        RecordKind::Logs => Some("logs request"),
        RecordKind::Spans => Some("trace request"),
        _ => None,
    }
}

/// Looks through a body as the lane will later: whether it decodes, how much of it can be used.
///
/// # Errors
/// [`DecodeError`] as [`Decoder::decode`] would give it.
pub fn inspect(
    kind: RecordKind,
    encoding: Encoding,
    compression: Compression,
    body: &[u8],
    limits: &DecodeLimits,
) -> Result<Inspection, DecodeError> {
    let plain = unpack(compression, body, limits)?;
    let mut drops = Drops::default();
    let mut decoder = Decoder::for_inspection(limits);
    let payload = decoder.payload((kind, encoding), &plain, &Arc::from(""), &mut drops)?;
    let n_accepted = match &payload {
        Payload::Metrics(MetricBatch { numbers, histograms, summaries, .. }) => {
            numbers.num_rows() + histograms.num_rows() + summaries.num_rows()
        }
        Payload::Logs(batch) => batch.logs.num_rows(),
        Payload::Spans(batch) => batch.spans.num_rows(),
        Payload::Message { .. } => 0,
    };
    Ok(Inspection { n_accepted: n_accepted as u64, drops })
}
