//! `ExportTraceServiceRequest` to columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, UInt8Array, UInt32Array};
use bytes::Bytes;

use super::cache::Caches;
use super::columns::{Held, IdColumn, ListColumn};
use super::drops::Drops;
use super::error::WireFault;
use super::parts::PartColumn;
use super::value;
use super::walk::{self, Allowance, Joined, Stop};
use super::wire::{Known, Reader, bytes, fixed32, fixed64, varint};
use crate::batch::{Resource, SpanBatch, span_schema};

/// Fields of `Span`.
const TRACE_ID: u32 = bytes(1);
const SPAN_ID: u32 = bytes(2);
const TRACE_STATE: u32 = bytes(3);
const PARENT_ID: u32 = bytes(4);
const NAME: u32 = bytes(5);
const KIND: u32 = varint(6);
const START: u32 = fixed64(7);
const END: u32 = fixed64(8);
const ATTRIBUTES: u32 = bytes(9);
const DROPPED_ATTRIBUTES: u32 = varint(10);
const EVENTS: u32 = bytes(11);
const DROPPED_EVENTS: u32 = varint(12);
const LINKS: u32 = bytes(13);
const DROPPED_LINKS: u32 = varint(14);
const STATUS: u32 = bytes(15);
const FLAGS: u32 = fixed32(16);
const SPAN: Known = Known::of(&[
    TRACE_ID,
    SPAN_ID,
    TRACE_STATE,
    PARENT_ID,
    NAME,
    KIND,
    START,
    END,
    ATTRIBUTES,
    DROPPED_ATTRIBUTES,
    EVENTS,
    DROPPED_EVENTS,
    LINKS,
    DROPPED_LINKS,
    STATUS,
    FLAGS,
]);

/// One span, as its fields are read. Attributes and events are checked; its name is not.
#[derive(Debug, Default)]
struct Span<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_id: &'a [u8],
    trace_state: &'a str,
    name: &'a [u8],
    kind: u8,
    start: u64,
    end: u64,
    status: u8,
    attributes: Joined<'a>,
    events: Joined<'a>,
}

/// Builds the columns of one request.
#[derive(Debug)]
pub(super) struct SpanColumns {
    dictionary: Vec<Arc<Resource>>,
    resource: Vec<u32>,
    trace_id: IdColumn<16>,
    span_id: IdColumn<8>,
    parent: IdColumn<8>,
    name: ListColumn<u8>,
    kind: Vec<u8>,
    start: Vec<i64>,
    end: Vec<i64>,
    status: Vec<u8>,
    weight: Vec<f64>,
    attributes: PartColumn,
    links: ListColumn<u8>,
    events: PartColumn,
    depth_max: u32,
    allowance: Allowance,
}

/// How much the columns of variable width hold.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SpansHeld {
    name: Held,
    links: Held,
}

impl SpansHeld {
    /// No more than can come from so many bytes.
    pub(super) fn at_most(self, bytes: usize) -> Self {
        Self { name: self.name.at_most(bytes), links: self.links.at_most(bytes) }
    }

    /// How many spans.
    pub(super) fn rows(self) -> usize {
        self.name.rows()
    }
}

impl SpanColumns {
    /// Of this request, with room for as much as another batch held.
    pub(super) fn new(request: &[u8], held: SpansHeld, depth_max: u32, allowance: Allowance) -> Self {
        let rows = held.rows();
        Self {
            dictionary: vec![],
            resource: Vec::with_capacity(rows),
            trace_id: IdColumn::new(rows),
            span_id: IdColumn::new(rows),
            parent: IdColumn::new(rows),
            name: ListColumn::like(held.name),
            kind: Vec::with_capacity(rows),
            start: Vec::with_capacity(rows),
            end: Vec::with_capacity(rows),
            status: Vec::with_capacity(rows),
            weight: Vec::with_capacity(rows),
            attributes: PartColumn::of(request, rows),
            links: ListColumn::like(held.links),
            events: PartColumn::of(request, rows),
            depth_max,
            allowance,
        }
    }

    /// Walks the request that the columns are of.
    pub(super) fn walk(
        &mut self,
        request: &[u8],
        tenant: &Arc<str>,
        caches: &mut Caches,
        drops: &mut Drops,
    ) -> Result<(), Stop> {
        walk::each_resource(request, |message| {
            let n_before = self.kind.len();
            let speaker = walk::each_said_by(message, |message| {
                let scope = walk::each_said_by(message, |message| self.span(message, drops))?;
                caches.scope(0, scope.bytes())?;
                Ok(())
            })?;
            let (_, resource) = caches.resource(tenant, speaker.bytes())?;
            if self.kind.len() > n_before {
                self.dictionary.push(resource);
            }
            Ok(())
        })
    }

    fn span(&mut self, message: &[u8], drops: &mut Drops) -> Result<(), Stop> {
        self.allowance.take()?;
        let span = read(message, self.depth_max, &mut self.links.values)?;
        let reason = match ids(&span) {
            None => "span_id_invalid",
            Some(_) if !is_timed(&span) => "span_time_invalid",
            Some(ids) => {
                self.take(&span, ids);
                return Ok(());
            }
        };
        std::str::from_utf8(span.name).map_err(|_| WireFault::Utf8)?;
        self.links.abandon();
        drops.note(reason, message);
        Ok(())
    }

    #[inline(always)]
    fn take(&mut self, span: &Span<'_>, (trace_id, span_id): (&[u8; 16], &[u8; 8])) {
        self.resource.push(self.dictionary.len() as u32);
        self.trace_id.push(Some(trace_id));
        self.span_id.push(Some(span_id));
        self.parent.push(walk::id(span.parent_id));
        self.name.push(span.name);
        self.kind.push(span.kind);
        self.start.push(span.start as i64);
        self.end.push(span.end as i64);
        self.status.push(span.status);
        self.weight.push(if span.trace_state.is_empty() { 1.0 } else { sampling_weight(span.trace_state) });
        self.attributes.push(&span.attributes);
        self.links.close();
        self.events.push(&span.events);
    }

    /// How much it holds.
    pub(super) fn held(&self) -> SpansHeld {
        SpansHeld { name: self.name.held(), links: self.links.held() }
    }

    /// Checks what [`SpanColumns::finish`] will ask for; how many spans there are.
    pub(super) fn check(&self) -> Result<usize, WireFault> {
        self.name.check_texts().map(|()| self.held().rows())
    }

    /// The batch; `request` is what was walked.
    ///
    /// # Errors
    /// [`WireFault::Utf8`] for a name that is no text.
    pub(super) fn finish(self, request: &Bytes) -> Result<SpanBatch, WireFault> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.resource)),
            self.trace_id.finish(),
            self.span_id.finish(),
            self.parent.finish(),
            self.name.into_texts()?,
            Arc::new(UInt8Array::from(self.kind)),
            Arc::new(Int64Array::from(self.start)),
            Arc::new(Int64Array::from(self.end)),
            Arc::new(UInt8Array::from(self.status)),
            Arc::new(Float64Array::from(self.weight)),
            self.attributes.finish(request),
            self.links.into_bytes(),
            self.events.finish(request),
        ];
        let spans = RecordBatch::try_new(span_schema(), columns)
            .expect("the columns are those of the schema, equally long");
        Ok(SpanBatch { resources: self.dictionary, spans })
    }
}

fn ids<'a>(span: &Span<'a>) -> Option<(&'a [u8; 16], &'a [u8; 8])> {
    Some((walk::id(span.trace_id)?, walk::id(span.span_id)?))
}

/// Whether it began and ended, in this order, within the times that the columns hold.
fn is_timed(span: &Span<'_>) -> bool {
    span.start > 0 && span.start <= span.end && i64::try_from(span.end).is_ok()
}

/// Reads a span; its links go to the column's open row.
#[inline(always)]
fn read<'a>(message: &'a [u8], depth: u32, links: &mut Vec<u8>) -> Result<Span<'a>, WireFault> {
    let mut span = Span::default();
    let mut reader = Reader::of(message);
    loop {
        let before = reader.rest();
        let Some(tag) = reader.tag()? else { return Ok(span) };
        match tag {
            TRACE_ID => span.trace_id = reader.bytes()?,
            SPAN_ID => span.span_id = reader.bytes()?,
            PARENT_ID => span.parent_id = reader.bytes()?,
            NAME if !span.name.is_empty() => return Err(WireFault::Repeated),
            NAME => span.name = reader.bytes()?,
            KIND => span.kind = reader.enumeration()?,
            START => span.start = reader.fixed64()?,
            END => span.end = reader.fixed64()?,
            ATTRIBUTES => {
                span.attributes.add(reader.run(before, tag, |pair| value::check_pair(pair, depth))?);
            }
            STATUS => span.status = status(reader.bytes()?)?,
            TRACE_STATE => span.trace_state = reader.text()?,
            EVENTS => span.events.add(reader.run(before, tag, |event| check_event(event, depth))?),
            LINKS => link(reader.bytes()?, depth, links)?,
            FLAGS => reader.fixed32().map(|_| ())?,
            DROPPED_ATTRIBUTES | DROPPED_EVENTS | DROPPED_LINKS => reader.varint().map(|_| ())?,
            other => reader.skip(other, SPAN)?,
        }
    }
}

const EVENT_AT: u32 = fixed64(1);
const EVENT_NAME: u32 = bytes(2);
const EVENT_ATTRIBUTES: u32 = bytes(3);
const EVENT_DROPPED: u32 = varint(4);
const EVENT: Known = Known::of(&[EVENT_AT, EVENT_NAME, EVENT_ATTRIBUTES, EVENT_DROPPED]);

fn check_event(message: &[u8], depth: u32) -> Result<(), WireFault> {
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            EVENT_AT => reader.fixed64().map(|_| ())?,
            EVENT_NAME => reader.check_text()?,
            EVENT_ATTRIBUTES => value::check_pair(reader.bytes()?, depth)?,
            EVENT_DROPPED => reader.varint().map(|_| ())?,
            other => reader.skip(other, EVENT)?,
        }
    }
    Ok(())
}

const LINK_TRACE_ID: u32 = bytes(1);
const LINK_SPAN_ID: u32 = bytes(2);
const LINK_TRACE_STATE: u32 = bytes(3);
const LINK_ATTRIBUTES: u32 = bytes(4);
const LINK_DROPPED: u32 = varint(5);
const LINK_FLAGS: u32 = fixed32(6);
const LINK: Known =
    Known::of(&[LINK_TRACE_ID, LINK_SPAN_ID, LINK_TRACE_STATE, LINK_ATTRIBUTES, LINK_DROPPED, LINK_FLAGS]);

fn link(message: &[u8], depth: u32, links: &mut Vec<u8>) -> Result<(), WireFault> {
    let (mut trace, mut span): (&[u8], &[u8]) = (&[], &[]);
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            LINK_TRACE_ID => trace = reader.bytes()?,
            LINK_SPAN_ID => span = reader.bytes()?,
            LINK_TRACE_STATE => reader.check_text()?,
            LINK_ATTRIBUTES => value::check_pair(reader.bytes()?, depth)?,
            LINK_DROPPED => reader.varint().map(|_| ())?,
            LINK_FLAGS => reader.fixed32().map(|_| ())?,
            other => reader.skip(other, LINK)?,
        }
    }
    if let (Some(trace), Some(span)) = (walk::id::<16>(trace), walk::id::<8>(span)) {
        links.extend_from_slice(trace);
        links.extend_from_slice(span);
    }
    Ok(())
}

const STATUS_MESSAGE: u32 = bytes(2);
const STATUS_CODE: u32 = varint(3);

fn status(message: &[u8]) -> Result<u8, WireFault> {
    let mut code = 0;
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            STATUS_CODE => code = reader.enumeration()?,
            STATUS_MESSAGE => reader.check_text()?,
            other => reader.skip(other, Known::of(&[STATUS_MESSAGE, STATUS_CODE]))?,
        }
    }
    Ok(code)
}

/// How many spans one stands for: 1 / (1 - th / 2^56) of the `ot=th:` entry, where `th` is up to 14 hex digits that
/// stand for the leading digits of a 56-bit rejection threshold (W3C trace state, OpenTelemetry probability sampling).
fn sampling_weight(trace_state: &str) -> f64 {
    let vendor = trace_state.split(',').find_map(|entry| entry.trim().strip_prefix("ot="));
    let threshold = vendor.and_then(|entry| entry.split(';').find_map(|pair| pair.strip_prefix("th:")));
    let Some(digits) = threshold.filter(|digits| (1..=14).contains(&digits.len())) else { return 1.0 };
    let Ok(number) = u64::from_str_radix(digits, 16) else { return 1.0 };
    let rejected = (number << (4 * (14 - digits.len()))) as f64 / (1u64 << 56) as f64;
    1.0 / (1.0 - rejected)
}

#[cfg(test)]
mod tests {
    use super::sampling_weight;

    /// Scenario: trace states with and without a threshold. Guarantees: the weight is the inverse of the probability.
    #[test]
    fn the_sampling_threshold_gives_the_weight() {
        for (state, weight) in
            [("", 1.0), ("ot=th:8", 2.0), ("a=b,ot=rv:1;th:c", 4.0), ("ot=th:xyz", 1.0), ("ot=th:0", 1.0)]
        {
            assert!((sampling_weight(state) - weight).abs() < 1e-9, "{state}: {}", sampling_weight(state));
        }
    }
}
