//! A record to a batch.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::cache::Caches;
use super::drops::Drops;
use super::error::{DecodeError, WireFault};
use super::limits::DecodeLimits;
use super::logs::{LogColumns, LogsHeld};
use super::metrics::{MetricColumns, MetricsHeld};
use super::spans::{SpanColumns, SpansHeld};
use super::value::DEPTH_MAX;
use super::walk::{Allowance, Speakers, Stop};
use super::{json, unpack};
use crate::batch::{Batch, Payload};
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
        let plain = match unpack(record.compression, &record.body, &self.limits)? {
            Cow::Borrowed(_) => record.body.clone(),
            Cow::Owned(unpacked) => unpacked.into(),
        };
        let mut drops = Drops::default();
        let payload = match name_of(record.kind) {
            None => Payload::Message { kind: record.kind, body: plain },
            Some(what) => {
                let proto = match record.encoding {
                    Encoding::OtlpProto => plain,
                    Encoding::OtlpJson | Encoding::Json => self.transcode(record.kind, &plain)?.into(),
                };
                let columns = self.columns(record.kind, &proto, &record.tenant, &mut drops);
                columns.map_err(|stop| self.error(what, stop))?
            }
        };
        Ok((Batch { tenant: Arc::clone(&record.tenant), arrived_at: record.arrived_at, payload }, drops))
    }

    fn transcode(&self, kind: RecordKind, plain: &[u8]) -> Result<Vec<u8>, DecodeError> {
        json::to_proto(kind, plain, self.limits.depth_max)
    }

    fn error(&self, what: &'static str, stop: Stop) -> DecodeError {
        match stop {
            Stop::Malformed(fault) => DecodeError::Malformed { what, fault },
            Stop::TooMany => DecodeError::TooMany { limit: self.limits.items_max },
            // none is left: where they may stand anywhere, none is late
            Stop::SpeaksLate => DecodeError::Malformed { what, fault: WireFault::Repeated },
        }
    }

    fn columns(
        &mut self,
        kind: RecordKind,
        proto: &Bytes,
        tenant: &Arc<str>,
        drops: &mut Drops,
    ) -> Result<Payload, Stop> {
        Ok(match kind {
            RecordKind::Metrics => {
                let columns = self.metrics(proto, tenant, drops)?;
                Payload::Metrics(columns.finish(self.caches.table()))
            }
            RecordKind::Spans => Payload::Spans(self.spans(proto, tenant, drops)?.finish(proto)?),
            _ => Payload::Logs(self.logs(proto, tenant, drops)?.finish(proto)?),
        })
    }

    fn metrics<'a>(
        &mut self,
        proto: &'a [u8],
        tenant: &Arc<str>,
        drops: &mut Drops,
    ) -> Result<MetricColumns<'a>, Stop> {
        let room = self.rooms.metrics.at_most(proto.len());
        self.caches.begin();
        let mut walk = |speakers, drops: &mut Drops| {
            let mut columns = MetricColumns::new(room, speakers, Allowance::of(self.limits.items_max));
            columns.walk(proto, tenant, &mut self.caches, drops).map(|()| columns)
        };
        let columns = match walk(Speakers::First, drops) {
            Err(Stop::SpeaksLate) => {
                *drops = Drops::default();
                walk(Speakers::Anywhere, drops)?
            }
            walked => walked?,
        };
        self.rooms.metrics = columns.held();
        Ok(columns)
    }

    fn spans(&mut self, proto: &[u8], tenant: &Arc<str>, drops: &mut Drops) -> Result<SpanColumns, Stop> {
        let room = self.rooms.spans.at_most(proto.len());
        let allowance = Allowance::of(self.limits.items_max);
        let mut columns = SpanColumns::new(proto, room, self.caches.depth_max(), allowance);
        columns.walk(proto, tenant, &mut self.caches, drops)?;
        self.rooms.spans = columns.held();
        Ok(columns)
    }

    fn logs(&mut self, proto: &[u8], tenant: &Arc<str>, drops: &mut Drops) -> Result<LogColumns, Stop> {
        let room = self.rooms.logs.at_most(proto.len());
        let allowance = Allowance::of(self.limits.items_max);
        let mut columns = LogColumns::new(proto, room, self.caches.depth_max(), allowance);
        columns.walk(proto, tenant, &mut self.caches, drops)?;
        self.rooms.logs = columns.held();
        Ok(columns)
    }

    /// How many items can be used, without a batch of them.
    fn count(&mut self, kind: RecordKind, proto: &[u8], drops: &mut Drops) -> Result<usize, Stop> {
        let tenant = Arc::from("");
        match kind {
            RecordKind::Metrics => Ok(self.metrics(proto, &tenant, drops)?.held().rows()),
            RecordKind::Spans => Ok(self.spans(proto, &tenant, drops)?.check()?),
            _ => Ok(self.logs(proto, &tenant, drops)?.check()?),
        }
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
    let Some(what) = name_of(kind) else { return Ok(Inspection::default()) };
    let mut decoder = Decoder::for_inspection(limits);
    let proto = match encoding {
        Encoding::OtlpProto => plain,
        Encoding::OtlpJson | Encoding::Json => decoder.transcode(kind, &plain)?.into(),
    };
    let mut drops = Drops::default();
    let counted = decoder.count(kind, &proto, &mut drops);
    let n_accepted = counted.map_err(|stop| decoder.error(what, stop))? as u64;
    Ok(Inspection { n_accepted, drops })
}
