//! `ExportMetricsServiceRequest` to columns.

use std::sync::Arc;

use super::cache::{ByteKey, Caches, MetricHead, key_of};
use super::drops::Drops;
use super::error::WireFault;
use super::metric_columns::{HistogramColumns, NumberColumns, SummaryColumns, counts, floats};
use super::wire::{Fields, Value};
use crate::batch::{EXPLICIT_SCALE, MetricBatch, MetricKind, Resource, Series, Temporality};

/// One point of any kind, as its fields are read.
#[derive(Debug, Default)]
pub(super) struct Point {
    pub(super) start: u64,
    pub(super) at: u64,
    pub(super) flags: u32,
    pub(super) value: Option<f64>,
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) scale: i32,
    pub(super) zero: u64,
    pub(super) positive_offset: i32,
    pub(super) negative_offset: i32,
    pub(super) n_negative: usize,
    pub(super) bounds: Vec<f64>,
    pub(super) values: Vec<f64>,
    pub(super) counts: Vec<u64>,
    pub(super) positive: Vec<u64>,
    pub(super) negative: Vec<u64>,
    pub(super) attributes: Vec<u8>,
}

impl Point {
    fn clear(&mut self) {
        let Self { mut bounds, mut values, mut counts, mut positive, mut negative, mut attributes, .. } =
            std::mem::take(self);
        bounds.clear();
        values.clear();
        counts.clear();
        positive.clear();
        negative.clear();
        attributes.clear();
        let nan = f64::NAN;
        *self = Self {
            sum: nan,
            min: nan,
            max: nan,
            bounds,
            values,
            counts,
            positive,
            negative,
            attributes,
            ..Self::default()
        };
    }
}

fn packed_fixed64(value: Value<'_>, mut push: impl FnMut(u64)) -> Result<(), WireFault> {
    match value {
        Value::Bytes(bytes) if bytes.len() % 8 == 0 => {
            bytes
                .chunks_exact(8)
                .for_each(|chunk| push(u64::from_le_bytes(chunk.try_into().expect("chunks of eight"))));
            Ok(())
        }
        Value::Bytes(_) => Err(WireFault::Truncated),
        Value::Fixed64(number) => {
            push(number);
            Ok(())
        }
        _ => Err(WireFault::WireType),
    }
}

/// Builds the columns of one request.
#[derive(Debug)]
pub(crate) struct MetricColumns {
    dictionary: Vec<Arc<Series>>,
    numbers: NumberColumns,
    histograms: HistogramColumns,
    summaries: SummaryColumns,
    point: Point,
    n_items: usize,
}

/// Where the walk stands.
struct Place<'a> {
    caches: &'a mut Caches,
    drops: &'a mut Drops,
    resource: Arc<Resource>,
    resource_key: ByteKey,
    scope: Arc<str>,
    scope_key: ByteKey,
}

impl MetricColumns {
    pub(crate) fn new() -> Self {
        let histograms = HistogramColumns {
            series: vec![],
            start: vec![],
            at: vec![],
            flags: vec![],
            count: vec![],
            sum: vec![],
            min: vec![],
            max: vec![],
            bounds: floats(),
            counts: counts(),
            scale: vec![],
            zero: vec![],
            positive_offset: vec![],
            negative: vec![],
        };
        let summaries = SummaryColumns {
            series: vec![],
            start: vec![],
            at: vec![],
            flags: vec![],
            count: vec![],
            sum: vec![],
            quantiles: floats(),
            values: floats(),
        };
        Self {
            dictionary: vec![],
            numbers: NumberColumns::default(),
            histograms,
            summaries,
            point: Point::default(),
            n_items: 0,
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
            if number == 1 {
                self.resource_metrics(field.bytes()?, tenant, caches, drops)?;
            }
        }
        Ok(())
    }

    fn resource_metrics(
        &mut self,
        message: &[u8],
        tenant: &Arc<str>,
        caches: &mut Caches,
        drops: &mut Drops,
    ) -> Result<(), WireFault> {
        let encoded = super::walk::resource_attributes(message)?;
        let (resource_key, resource) = caches.resource(tenant, &encoded)?;
        let mut place = Place { caches, drops, resource, resource_key, scope: "".into(), scope_key: 0 };
        let mut fields = Fields::of(message);
        while let Some((number, field, _)) = fields.next()? {
            if number == 2 {
                self.scope_metrics(field.bytes()?, &mut place)?;
            }
        }
        Ok(())
    }

    fn scope_metrics(&mut self, message: &[u8], place: &mut Place<'_>) -> Result<(), WireFault> {
        let scope = super::walk::scope_name(message)?;
        place.scope = scope.into();
        place.scope_key = key_of(place.resource_key, &[scope.as_bytes()]);
        let mut fields = Fields::of(message);
        while let Some((number, field, _)) = fields.next()? {
            if number == 2 {
                self.metric(field.bytes()?, place)?;
            }
        }
        Ok(())
    }

    fn metric(&mut self, message: &[u8], place: &mut Place<'_>) -> Result<(), WireFault> {
        let (mut name, mut unit) = ("", "");
        let mut content: Option<(u32, &[u8])> = None;
        let mut fields = Fields::of(message);
        while let Some((number, field, _)) = fields.next()? {
            match number {
                1 => name = field.text()?,
                3 => unit = field.text()?,
                5 | 7 | 9 | 10 | 11 if content.is_some() => return Err(WireFault::Repeated),
                5 | 7 | 9 | 10 | 11 => content = Some((number, field.bytes()?)),
                _ => {}
            }
        }
        let Some((number, content)) = content else {
            place.drops.note("metric_without_points", message);
            return Ok(());
        };
        let Some(kind) = kind_of(number, content)? else {
            return self.refuse_points("temporality_unspecified", number, content, place);
        };
        if name.is_empty() {
            return self.refuse_points("metric_without_name", number, content, place);
        }
        let head = MetricHead { scope: Arc::clone(&place.scope), name: name.into(), unit: unit.into(), kind };
        let tag = [number as u8, kind_byte(kind)];
        let key = key_of(place.scope_key, &[name.as_bytes(), unit.as_bytes(), &tag]);
        let mut points = Fields::of(content);
        while let Some((field_number, field, _)) = points.next()? {
            if field_number == 1 {
                self.data_point(number, field.bytes()?, (&head, key), place)?;
            }
        }
        Ok(())
    }

    /// Sets every point of a metric aside; each must still be well-formed.
    fn refuse_points(
        &mut self,
        reason: &'static str,
        number: u32,
        content: &[u8],
        place: &mut Place<'_>,
    ) -> Result<(), WireFault> {
        let mut points = Fields::of(content);
        while let Some((field_number, field, _)) = points.next()? {
            if field_number == 1 {
                let message = field.bytes()?;
                self.read(number, message)?;
                place.caches.check(&self.point.attributes)?;
                place.drops.note(reason, message);
            }
        }
        Ok(())
    }

    fn read(&mut self, kind: u32, message: &[u8]) -> Result<(), WireFault> {
        self.point.clear();
        match kind {
            5 | 7 => number_point(&mut self.point, message),
            9 => histogram_point(&mut self.point, message),
            10 => exponential_point(&mut self.point, message),
            _ => summary_point(&mut self.point, message),
        }
    }

    fn data_point(
        &mut self,
        kind: u32,
        message: &[u8],
        (head, key): (&MetricHead, ByteKey),
        place: &mut Place<'_>,
    ) -> Result<(), WireFault> {
        self.read(kind, message)?;
        if let Some(reason) = fault_of(kind, &self.point) {
            place.caches.check(&self.point.attributes)?;
            place.drops.note(reason, message);
            return Ok(());
        }
        let series = place.caches.series(key, &place.resource, head, &self.point.attributes)?;
        let idx = self.dictionary.len() as u32;
        self.dictionary.push(series);
        self.n_items += 1;
        match kind {
            5 | 7 => self.numbers.push(idx, &self.point),
            9 | 10 => self.histograms.push(idx, &self.point, kind == 9),
            // a summary's quantiles are read into `bounds`, their values into `values`
            _ => self.summaries.push(idx, &self.point),
        }
        Ok(())
    }

    pub(crate) fn n_items(&self) -> usize {
        self.n_items
    }

    /// The batch.
    pub(crate) fn finish(self) -> MetricBatch {
        MetricBatch {
            series: self.dictionary,
            numbers: self.numbers.finish(),
            histograms: self.histograms.finish(),
            summaries: self.summaries.finish(),
        }
    }
}

fn fault_of(kind: u32, point: &Point) -> Option<&'static str> {
    let in_range = |time: u64| i64::try_from(time).is_ok();
    if point.at == 0 || !in_range(point.at) || !in_range(point.start) {
        return Some("point_without_time");
    }
    match kind {
        5 | 7 if point.value.is_none() && point.flags & 1 == 0 => Some("point_without_value"),
        9 if !point.counts.is_empty() && point.counts.len() != point.bounds.len() + 1 => {
            Some("buckets_do_not_fit_bounds")
        }
        9 if !point.bounds.is_sorted_by(|a, b| a < b) || point.bounds.iter().any(|bound| bound.is_nan()) => {
            Some("bounds_do_not_rise")
        }
        // no real scale, and the mark of explicit buckets in the column
        10 if point.scale == EXPLICIT_SCALE => Some("scale_out_of_range"),
        _ => None,
    }
}

fn kind_byte(kind: MetricKind) -> u8 {
    match kind {
        MetricKind::Sum { temporality: Temporality::Cumulative, monotonic } => 2 + u8::from(monotonic),
        MetricKind::Sum { monotonic, .. } => u8::from(monotonic),
        MetricKind::Histogram(Temporality::Cumulative)
        | MetricKind::ExponentialHistogram(Temporality::Cumulative) => 1,
        _ => 0,
    }
}

/// The kind of a metric; `None` if its temporality is not told.
fn kind_of(number: u32, content: &[u8]) -> Result<Option<MetricKind>, WireFault> {
    let (mut temporality, mut monotonic) = (0, false);
    let mut fields = Fields::of(content);
    while let Some((field_number, field, _)) = fields.next()? {
        match (number, field_number) {
            (7 | 9 | 10, 2) => temporality = field.varint()?,
            (7, 3) => monotonic = field.varint()? != 0,
            _ => {}
        }
    }
    let temporality = match temporality {
        1 => Some(Temporality::Delta),
        2 => Some(Temporality::Cumulative),
        _ => None,
    };
    Ok(match number {
        5 => Some(MetricKind::Gauge),
        7 => temporality.map(|temporality| MetricKind::Sum { temporality, monotonic }),
        9 => temporality.map(MetricKind::Histogram),
        10 => temporality.map(MetricKind::ExponentialHistogram),
        _ => Some(MetricKind::Summary),
    })
}

fn number_point(point: &mut Point, message: &[u8]) -> Result<(), WireFault> {
    let mut fields = Fields::of(message);
    while let Some((number, field, raw)) = fields.next()? {
        match number {
            2 => point.start = field.fixed64()?,
            3 => point.at = field.fixed64()?,
            4 => point.value = Some(field.double()?),
            6 => point.value = Some(field.fixed64()? as i64 as f64),
            7 => point.attributes.extend_from_slice(check_pair(field, raw)?),
            8 => point.flags = field.varint()? as u32,
            _ => {}
        }
    }
    Ok(())
}

fn check_pair<'a>(field: Value<'a>, raw: &'a [u8]) -> Result<&'a [u8], WireFault> {
    field.bytes().map(|_| raw)
}

fn histogram_point(point: &mut Point, message: &[u8]) -> Result<(), WireFault> {
    point.scale = EXPLICIT_SCALE;
    let mut fields = Fields::of(message);
    while let Some((number, field, raw)) = fields.next()? {
        match number {
            2 => point.start = field.fixed64()?,
            3 => point.at = field.fixed64()?,
            4 => point.count = field.fixed64()?,
            5 => point.sum = field.double()?,
            6 => packed_fixed64(field, |count| point.counts.push(count))?,
            7 => packed_fixed64(field, |bits| point.bounds.push(f64::from_bits(bits)))?,
            9 => point.attributes.extend_from_slice(check_pair(field, raw)?),
            10 => point.flags = field.varint()? as u32,
            11 => point.min = field.double()?,
            12 => point.max = field.double()?,
            _ => {}
        }
    }
    // only count and sum were reported: no bounds without counts, and one bucket tells no more than the count
    if point.counts.is_empty() || (point.counts.len() == 1 && point.bounds.is_empty()) {
        point.counts.clear();
        point.bounds.clear();
    }
    Ok(())
}

fn exponential_point(point: &mut Point, message: &[u8]) -> Result<(), WireFault> {
    let mut fields = Fields::of(message);
    while let Some((number, field, raw)) = fields.next()? {
        match number {
            1 => point.attributes.extend_from_slice(check_pair(field, raw)?),
            2 => point.start = field.fixed64()?,
            3 => point.at = field.fixed64()?,
            4 => point.count = field.fixed64()?,
            5 => point.sum = field.double()?,
            6 => point.scale = field.sint32()?,
            7 => point.zero = field.fixed64()?,
            8 => point.positive_offset = buckets(field.bytes()?, &mut point.positive)?,
            9 => point.negative_offset = buckets(field.bytes()?, &mut point.negative)?,
            10 => point.flags = field.varint()? as u32,
            12 => point.min = field.double()?,
            13 => point.max = field.double()?,
            _ => {}
        }
    }
    point.n_negative = point.negative.len();
    point.counts.extend_from_slice(&point.negative);
    point.counts.extend_from_slice(&point.positive);
    Ok(())
}

fn buckets(message: &[u8], counts: &mut Vec<u64>) -> Result<i32, WireFault> {
    let mut offset = 0;
    let mut fields = Fields::of(message);
    while let Some((number, field, _)) = fields.next()? {
        match (number, field) {
            (1, _) => offset = field.sint32()?,
            (2, Value::Varint(count)) => counts.push(count),
            (2, Value::Bytes(packed)) => {
                let mut rest = Fields::of(packed);
                while let Some(count) = rest.packed_varint()? {
                    counts.push(count);
                }
            }
            (2, _) => return Err(WireFault::WireType),
            _ => {}
        }
    }
    Ok(offset)
}

fn summary_point(point: &mut Point, message: &[u8]) -> Result<(), WireFault> {
    // a summary always has a sum: the field is a plain one, left out where it is zero
    point.sum = 0.0;
    let mut fields = Fields::of(message);
    while let Some((number, field, raw)) = fields.next()? {
        match number {
            2 => point.start = field.fixed64()?,
            3 => point.at = field.fixed64()?,
            4 => point.count = field.fixed64()?,
            5 => point.sum = field.double()?,
            6 => {
                let (mut quantile, mut value) = (0.0, 0.0);
                let mut pair = Fields::of(field.bytes()?);
                while let Some((number, field, _)) = pair.next()? {
                    match number {
                        1 => quantile = field.double()?,
                        2 => value = field.double()?,
                        _ => {}
                    }
                }
                point.bounds.push(quantile);
                point.values.push(value);
            }
            7 => point.attributes.extend_from_slice(check_pair(field, raw)?),
            8 => point.flags = field.varint()? as u32,
            _ => {}
        }
    }
    Ok(())
}
