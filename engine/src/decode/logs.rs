//! `ExportLogsServiceRequest` to columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanArray, FixedSizeBinaryBuilder, Int64Array, RecordBatch, StringBuilder,
    UInt8Array, UInt32Array,
};

use super::cache::Caches;
use super::drops::Drops;
use super::error::WireFault;
use super::wire::Fields;
use super::{value, walk};
use crate::batch::{AttributeValue, LogBatch, Resource, log_schema};

/// Builds the columns of one request.
#[derive(Debug)]
pub(crate) struct LogColumns {
    dictionary: Vec<Arc<Resource>>,
    resource: Vec<u32>,
    at: Vec<i64>,
    observed: Vec<i64>,
    severity: Vec<u8>,
    logger: StringBuilder,
    body: StringBuilder,
    is_text: Vec<bool>,
    trace_id: FixedSizeBinaryBuilder,
    span_id: FixedSizeBinaryBuilder,
    event_name: StringBuilder,
    attributes: BinaryBuilder,
    depth_max: u32,
}

/// One log record, as its fields are read.
#[derive(Debug, Default)]
struct Line<'a> {
    at: u64,
    observed: u64,
    severity: u8,
    body: Option<AttributeValue>,
    trace_id: &'a [u8],
    span_id: &'a [u8],
    event_name: &'a str,
    attributes: Vec<u8>,
}

impl LogColumns {
    pub(crate) fn new(depth_max: u32) -> Self {
        Self {
            dictionary: vec![],
            resource: vec![],
            at: vec![],
            observed: vec![],
            severity: vec![],
            logger: StringBuilder::new(),
            body: StringBuilder::new(),
            is_text: vec![],
            trace_id: FixedSizeBinaryBuilder::new(16),
            span_id: FixedSizeBinaryBuilder::new(8),
            event_name: StringBuilder::new(),
            attributes: BinaryBuilder::new(),
            depth_max,
        }
    }

    /// Walks a request.
    pub(crate) fn walk(
        &mut self,
        request: &[u8],
        tenant: &Arc<str>,
        caches: &mut Caches,
        drops: &mut Drops,
    ) -> Result<(), WireFault> {
        let mut fields = Fields::of(request);
        while let Some((number, field, _)) = fields.next()? {
            if number != 1 {
                continue;
            }
            let message = field.bytes()?;
            let encoded = walk::resource_attributes(message)?;
            let (_, resource) = caches.resource(tenant, &encoded)?;
            self.dictionary.push(resource);
            let mut scopes = Fields::of(message);
            while let Some((number, field, _)) = scopes.next()? {
                if number == 2 {
                    self.scope_logs(field.bytes()?, drops)?;
                }
            }
        }
        Ok(())
    }

    fn scope_logs(&mut self, message: &[u8], drops: &mut Drops) -> Result<(), WireFault> {
        let logger = walk::scope_name(message)?;
        let mut fields = Fields::of(message);
        while let Some((number, field, _)) = fields.next()? {
            if number == 2 {
                let message = field.bytes()?;
                let line = self.read(message)?;
                self.take(&line, logger, message, drops);
            }
        }
        Ok(())
    }

    fn read<'a>(&self, message: &'a [u8]) -> Result<Line<'a>, WireFault> {
        let mut line = Line::default();
        let mut fields = Fields::of(message);
        while let Some((number, field, raw)) = fields.next()? {
            match number {
                1 => line.at = field.fixed64()?,
                2 => line.severity = u8::try_from(field.varint()?).unwrap_or(0),
                5 => line.body = value::any_value(field.bytes()?, self.depth_max)?,
                6 => {
                    field.bytes()?;
                    line.attributes.extend_from_slice(raw);
                }
                9 => line.trace_id = field.bytes()?,
                10 => line.span_id = field.bytes()?,
                11 => line.observed = field.fixed64()?,
                12 => line.event_name = field.text()?,
                _ => {}
            }
        }
        walk::check_attributes(&line.attributes, self.depth_max)?;
        Ok(line)
    }

    fn take(&mut self, line: &Line<'_>, logger: &str, message: &[u8], drops: &mut Drops) {
        let at = if line.at == 0 { line.observed } else { line.at };
        let (Ok(at), Ok(observed)) = (i64::try_from(at), i64::try_from(line.observed)) else {
            return drops.note("log_time_invalid", message);
        };
        if at == 0 {
            return drops.note("log_without_time", message);
        }
        self.resource.push(self.dictionary.len() as u32 - 1);
        self.at.push(at);
        self.observed.push(if observed == 0 { at } else { observed });
        self.severity.push(if line.severity > 24 { 0 } else { line.severity });
        self.logger.append_value(logger);
        self.is_text.push(matches!(line.body, Some(AttributeValue::Text(_)) | None));
        self.body.append_value(line.body.as_ref().map_or_else(String::new, ToString::to_string));
        match walk::id::<16>(line.trace_id) {
            Some(id) => self.trace_id.append_value(id).expect("sixteen bytes"),
            None => self.trace_id.append_null(),
        }
        match walk::id::<8>(line.span_id) {
            Some(id) => self.span_id.append_value(id).expect("eight bytes"),
            None => self.span_id.append_null(),
        }
        self.event_name.append_value(line.event_name);
        self.attributes.append_value(&line.attributes);
    }

    pub(crate) fn n_items(&self) -> usize {
        self.at.len()
    }

    /// The batch.
    pub(crate) fn finish(mut self) -> LogBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.resource)),
            Arc::new(Int64Array::from(self.at)),
            Arc::new(Int64Array::from(self.observed)),
            Arc::new(UInt8Array::from(self.severity)),
            Arc::new(self.logger.finish()),
            Arc::new(self.body.finish()),
            Arc::new(BooleanArray::from(self.is_text)),
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            Arc::new(self.event_name.finish()),
            Arc::new(self.attributes.finish()),
        ];
        let logs = RecordBatch::try_new(log_schema(), columns)
            .expect("the columns are those of the schema, equally long");
        LogBatch { resources: self.dictionary, logs }
    }
}
