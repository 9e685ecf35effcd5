//! A record to a batch.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::cache::Caches;
use super::drops::Drops;
use super::error::{DecodeError, WireFault};
use super::limits::DecodeLimits;
use super::logs::LogColumns;
use super::metrics::MetricColumns;
use super::spans::SpanColumns;
use super::{json, unpack};
use crate::batch::{Batch, Payload};
use crate::record::{Compression, Encoding, Record, RecordKind};

/// Turns records into batches; keeps caches of who speaks, which change the speed and never the result.
#[derive(Debug)]
pub struct Decoder {
    limits: DecodeLimits,
    caches: Caches,
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
        let caches = Caches::new(limits.cached_max, limits.depth_max);
        Self { limits, caches }
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
        let malformed = |fault: WireFault| DecodeError::Malformed { what, fault };
        let (caches, depth) = (&mut self.caches, self.limits.depth_max);
        let (payload, n_items) = match kind {
            RecordKind::Metrics => {
                let mut columns = MetricColumns::new();
                columns.walk(&proto, tenant, caches, drops).map_err(malformed)?;
                let n_items = columns.n_items();
                (Payload::Metrics(columns.finish()), n_items)
            }
            RecordKind::Spans => {
                let mut columns = SpanColumns::new(depth);
                columns.walk(&proto, tenant, caches, drops).map_err(malformed)?;
                let n_items = columns.n_items();
                (Payload::Spans(columns.finish()), n_items)
            }
            _ => {
                let mut columns = LogColumns::new(depth);
                columns.walk(&proto, tenant, caches, drops).map_err(malformed)?;
                let n_items = columns.n_items();
                (Payload::Logs(columns.finish()), n_items)
            }
        };
        let limit = self.limits.items_max;
        if n_items > limit { Err(DecodeError::TooMany { limit }) } else { Ok(payload) }
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
    // caches of its own, small: the request's own dictionary is all they hold
    let mut decoder = Decoder::new(limits.clone());
    let payload = decoder.payload((kind, encoding), &plain, &Arc::from(""), &mut drops)?;
    let n_accepted = match &payload {
        Payload::Metrics(batch) => batch.series.len(),
        Payload::Logs(batch) => batch.logs.num_rows(),
        Payload::Spans(batch) => batch.spans.num_rows(),
        Payload::Message { .. } => 0,
    };
    Ok(Inspection { n_accepted: n_accepted as u64, drops })
}
