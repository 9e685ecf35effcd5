//! `ExportLogsServiceRequest` to columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, UInt8Array, UInt32Array};
use bytes::Bytes;

use super::cache::Caches;
use super::columns::{Held, IdColumn, ListColumn, RepeatedColumn};
use super::drops::Drops;
use super::error::WireFault;
use super::parts::PartColumn;
use super::value;
use super::walk::{self, Allowance, Joined, Stop};
use super::wire::{Known, Reader, bytes, fixed32, fixed64, varint};
use crate::batch::{LogBatch, Resource, log_schema};

/// Fields of `LogRecord`.
const AT: u32 = fixed64(1);
const SEVERITY: u32 = varint(2);
const SEVERITY_TEXT: u32 = bytes(3);
const BODY: u32 = bytes(5);
const ATTRIBUTES: u32 = bytes(6);
const DROPPED: u32 = varint(7);
const FLAGS: u32 = fixed32(8);
const TRACE_ID: u32 = bytes(9);
const SPAN_ID: u32 = bytes(10);
const OBSERVED: u32 = fixed64(11);
const EVENT_NAME: u32 = bytes(12);
const RECORD: Known = Known::of(&[
    AT,
    SEVERITY,
    SEVERITY_TEXT,
    BODY,
    ATTRIBUTES,
    DROPPED,
    FLAGS,
    TRACE_ID,
    SPAN_ID,
    OBSERVED,
    EVENT_NAME,
]);

/// The highest severity number; what lies above says nothing.
const SEVERITY_MAX: u8 = 24;

/// Builds the columns of one request.
#[derive(Debug)]
pub(super) struct LogColumns {
    dictionary: Vec<Arc<Resource>>,
    resource: Vec<u32>,
    at: Vec<i64>,
    observed: Vec<i64>,
    severity: Vec<u8>,
    logger: RepeatedColumn,
    body: ListColumn<u8>,
    is_text: Vec<bool>,
    trace_id: IdColumn<16>,
    span_id: IdColumn<8>,
    event_name: ListColumn<u8>,
    attributes: PartColumn,
    depth_max: u32,
    allowance: Allowance,
}

/// One log record, as its fields are read. Attributes are checked; body and name are not.
#[derive(Debug, Default)]
struct Line<'a> {
    at: u64,
    observed: u64,
    severity: u8,
    body: &'a [u8],
    trace_id: &'a [u8],
    span_id: &'a [u8],
    event_name: &'a [u8],
    attributes: Joined<'a>,
}

/// How much the columns of variable width hold.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogsHeld {
    body: Held,
    event_name: Held,
}

impl LogsHeld {
    /// No more than can come from so many bytes.
    pub(super) fn at_most(self, bytes: usize) -> Self {
        Self { body: self.body.at_most(bytes), event_name: self.event_name.at_most(bytes) }
    }

    /// How many log records.
    pub(super) fn rows(self) -> usize {
        self.body.rows()
    }
}

impl LogColumns {
    /// Of this request, with room for as much as another batch held.
    pub(super) fn new(request: &[u8], held: LogsHeld, depth_max: u32, allowance: Allowance) -> Self {
        let rows = held.rows();
        Self {
            dictionary: vec![],
            resource: Vec::with_capacity(rows),
            at: Vec::with_capacity(rows),
            observed: Vec::with_capacity(rows),
            severity: Vec::with_capacity(rows),
            logger: RepeatedColumn::new(rows),
            body: ListColumn::like(held.body),
            is_text: Vec::with_capacity(rows),
            trace_id: IdColumn::new(rows),
            span_id: IdColumn::new(rows),
            event_name: ListColumn::like(held.event_name),
            attributes: PartColumn::of(request, rows),
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
            let n_before = self.at.len();
            let speaker = walk::each_said_by(message, |message| {
                let scope = walk::each_said_by(message, |message| self.line(message, drops))?;
                let (_, scope) = caches.scope(0, scope.bytes())?;
                self.logger.name(&scope.name);
                Ok(())
            })?;
            let (_, resource) = caches.resource(tenant, speaker.bytes())?;
            if self.at.len() > n_before {
                self.dictionary.push(resource);
            }
            Ok(())
        })
    }

    fn line(&mut self, message: &[u8], drops: &mut Drops) -> Result<(), Stop> {
        self.allowance.take()?;
        let line = read(message, self.depth_max)?;
        let is_text = value::body(line.body, self.depth_max, &mut self.body.values)?;
        let reason = match times(&line) {
            Some((0, _)) => "log_without_time",
            None => "log_time_invalid",
            Some(times) => {
                self.take(&line, times);
                self.is_text.push(is_text);
                return Ok(());
            }
        };
        for text in [line.event_name, self.body.pending()] {
            std::str::from_utf8(text).map_err(|_| WireFault::Utf8)?;
        }
        self.body.abandon();
        drops.note(reason, message);
        Ok(())
    }

    #[inline(always)]
    fn take(&mut self, line: &Line<'_>, (at, observed): (i64, i64)) {
        self.resource.push(self.dictionary.len() as u32);
        self.at.push(at);
        self.observed.push(observed);
        self.severity.push(if line.severity > SEVERITY_MAX { 0 } else { line.severity });
        self.logger.push();
        self.body.close();
        self.trace_id.push(walk::id(line.trace_id));
        self.span_id.push(walk::id(line.span_id));
        self.event_name.push(line.event_name);
        self.attributes.push(&line.attributes);
    }

    /// How much it holds.
    pub(super) fn held(&self) -> LogsHeld {
        LogsHeld { body: self.body.held(), event_name: self.event_name.held() }
    }

    /// Checks what [`LogColumns::finish`] will ask for; how many log records there are.
    pub(super) fn check(&self) -> Result<usize, WireFault> {
        self.body.check_texts()?;
        self.event_name.check_texts()?;
        Ok(self.held().rows())
    }

    /// The batch; `request` is what was walked.
    ///
    /// # Errors
    /// [`WireFault::Utf8`] for a body or a name that is no text.
    pub(super) fn finish(self, request: &Bytes) -> Result<LogBatch, WireFault> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.resource)),
            Arc::new(Int64Array::from(self.at)),
            Arc::new(Int64Array::from(self.observed)),
            Arc::new(UInt8Array::from(self.severity)),
            self.logger.finish(),
            self.body.into_texts()?,
            Arc::new(BooleanArray::from(self.is_text)),
            self.trace_id.finish(),
            self.span_id.finish(),
            self.event_name.into_texts()?,
            self.attributes.finish(request),
        ];
        let logs = RecordBatch::try_new(log_schema(), columns)
            .expect("the columns are those of the schema, equally long");
        Ok(LogBatch { resources: self.dictionary, logs })
    }
}

/// Event time, in its place the time of observation, and time of observation, in its place the event time; `None` for
/// times that the columns cannot hold.
fn times(line: &Line<'_>) -> Option<(i64, i64)> {
    let first_told = |a: u64, b: u64| if a == 0 { b } else { a };
    let at = i64::try_from(first_told(line.at, line.observed)).ok()?;
    let observed = i64::try_from(first_told(line.observed, line.at)).ok()?;
    Some((at, observed))
}

#[inline(always)]
fn read(message: &[u8], depth: u32) -> Result<Line<'_>, WireFault> {
    let mut line = Line::default();
    let mut reader = Reader::of(message);
    loop {
        let before = reader.rest();
        let Some(tag) = reader.tag()? else { return Ok(line) };
        match tag {
            AT => line.at = reader.fixed64()?,
            OBSERVED => line.observed = reader.fixed64()?,
            SEVERITY => line.severity = reader.enumeration()?,
            SEVERITY_TEXT => reader.check_text()?,
            BODY if !line.body.is_empty() => return Err(WireFault::Repeated),
            BODY => line.body = reader.bytes()?,
            ATTRIBUTES => {
                line.attributes.add(reader.run(before, tag, |pair| value::check_pair(pair, depth))?);
            }
            TRACE_ID => line.trace_id = reader.bytes()?,
            SPAN_ID => line.span_id = reader.bytes()?,
            EVENT_NAME if !line.event_name.is_empty() => return Err(WireFault::Repeated),
            EVENT_NAME => line.event_name = reader.bytes()?,
            DROPPED => reader.varint().map(|_| ())?,
            FLAGS => reader.fixed32().map(|_| ())?,
            other => reader.skip(other, RECORD)?,
        }
    }
}
