//! `ExportTraceServiceRequest` to columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, FixedSizeBinaryBuilder, Float64Array, Int64Array, RecordBatch, StringBuilder,
    UInt8Array, UInt32Array,
};

use super::cache::Caches;
use super::drops::Drops;
use super::error::WireFault;
use super::walk;
use super::wire::Fields;
use crate::batch::{Resource, SpanBatch, span_schema};

/// One span, as its fields are read.
#[derive(Debug, Default)]
struct Span<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_id: &'a [u8],
    trace_state: &'a str,
    name: &'a str,
    kind: u8,
    start: u64,
    end: u64,
    status: u8,
    attributes: Vec<u8>,
    links: Vec<u8>,
    events: Vec<u8>,
}

/// Builds the columns of one request.
#[derive(Debug)]
pub(crate) struct SpanColumns {
    dictionary: Vec<Arc<Resource>>,
    resource: Vec<u32>,
    trace_id: FixedSizeBinaryBuilder,
    span_id: FixedSizeBinaryBuilder,
    parent: FixedSizeBinaryBuilder,
    name: StringBuilder,
    kind: Vec<u8>,
    start: Vec<i64>,
    end: Vec<i64>,
    status: Vec<u8>,
    weight: Vec<f64>,
    attributes: BinaryBuilder,
    links: BinaryBuilder,
    events: BinaryBuilder,
    depth_max: u32,
}

impl SpanColumns {
    pub(crate) fn new(depth_max: u32) -> Self {
        Self {
            dictionary: vec![],
            resource: vec![],
            trace_id: FixedSizeBinaryBuilder::new(16),
            span_id: FixedSizeBinaryBuilder::new(8),
            parent: FixedSizeBinaryBuilder::new(8),
            name: StringBuilder::new(),
            kind: vec![],
            start: vec![],
            end: vec![],
            status: vec![],
            weight: vec![],
            attributes: BinaryBuilder::new(),
            links: BinaryBuilder::new(),
            events: BinaryBuilder::new(),
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
                    self.scope_spans(field.bytes()?, drops)?;
                }
            }
        }
        Ok(())
    }

    fn scope_spans(&mut self, message: &[u8], drops: &mut Drops) -> Result<(), WireFault> {
        let mut fields = Fields::of(message);
        while let Some((number, field, _)) = fields.next()? {
            if number == 2 {
                let message = field.bytes()?;
                let span = read(message)?;
                walk::check_attributes(&span.attributes, self.depth_max)?;
                self.take(&span, message, drops);
            }
        }
        Ok(())
    }

    fn take(&mut self, span: &Span<'_>, message: &[u8], drops: &mut Drops) {
        let (Some(trace_id), Some(span_id)) = (walk::id::<16>(span.trace_id), walk::id::<8>(span.span_id))
        else {
            return drops.note("span_id_invalid", message);
        };
        let (Ok(start), Ok(end)) = (i64::try_from(span.start), i64::try_from(span.end)) else {
            return drops.note("span_time_invalid", message);
        };
        if end == 0 || end < start {
            return drops.note("span_time_invalid", message);
        }
        self.resource.push(self.dictionary.len() as u32 - 1);
        self.trace_id.append_value(trace_id).expect("sixteen bytes");
        self.span_id.append_value(span_id).expect("eight bytes");
        match walk::id::<8>(span.parent_id) {
            Some(parent) => self.parent.append_value(parent).expect("eight bytes"),
            None => self.parent.append_null(),
        }
        self.name.append_value(span.name);
        self.kind.push(span.kind);
        self.start.push(start);
        self.end.push(end);
        self.status.push(span.status);
        self.weight.push(sampling_weight(span.trace_state));
        self.attributes.append_value(&span.attributes);
        self.links.append_value(&span.links);
        self.events.append_value(&span.events);
    }

    pub(crate) fn n_items(&self) -> usize {
        self.kind.len()
    }

    /// The batch.
    pub(crate) fn finish(mut self) -> SpanBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.resource)),
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            Arc::new(self.parent.finish()),
            Arc::new(self.name.finish()),
            Arc::new(UInt8Array::from(self.kind)),
            Arc::new(Int64Array::from(self.start)),
            Arc::new(Int64Array::from(self.end)),
            Arc::new(UInt8Array::from(self.status)),
            Arc::new(Float64Array::from(self.weight)),
            Arc::new(self.attributes.finish()),
            Arc::new(self.links.finish()),
            Arc::new(self.events.finish()),
        ];
        let spans = RecordBatch::try_new(span_schema(), columns)
            .expect("the columns are those of the schema, equally long");
        SpanBatch { resources: self.dictionary, spans }
    }
}

fn read(message: &[u8]) -> Result<Span<'_>, WireFault> {
    let mut span = Span::default();
    let mut fields = Fields::of(message);
    while let Some((number, field, raw)) = fields.next()? {
        match number {
            1 => span.trace_id = field.bytes()?,
            2 => span.span_id = field.bytes()?,
            3 => span.trace_state = field.text()?,
            4 => span.parent_id = field.bytes()?,
            5 => span.name = field.text()?,
            6 => span.kind = u8::try_from(field.varint()?).unwrap_or(0),
            7 => span.start = field.fixed64()?,
            8 => span.end = field.fixed64()?,
            9 => {
                field.bytes()?;
                span.attributes.extend_from_slice(raw);
            }
            11 => {
                Fields::check(field.bytes()?)?;
                span.events.extend_from_slice(raw);
            }
            13 => link(field.bytes()?, &mut span.links)?,
            15 => span.status = status(field.bytes()?)?,
            _ => {}
        }
    }
    Ok(span)
}

fn link(message: &[u8], links: &mut Vec<u8>) -> Result<(), WireFault> {
    let (mut trace, mut span): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::of(message);
    while let Some((number, field, _)) = fields.next()? {
        match number {
            1 => trace = field.bytes()?,
            2 => span = field.bytes()?,
            _ => {}
        }
    }
    if let (Some(trace), Some(span)) = (walk::id::<16>(trace), walk::id::<8>(span)) {
        links.extend_from_slice(&trace);
        links.extend_from_slice(&span);
    }
    Ok(())
}

fn status(message: &[u8]) -> Result<u8, WireFault> {
    let mut code = 0;
    let mut fields = Fields::of(message);
    while let Some((number, field, _)) = fields.next()? {
        if number == 3 {
            code = u8::try_from(field.varint()?).unwrap_or(0);
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
