//! Metric points, field by field.
//!
//! Lists (bounds, counts, quantiles) go straight to the columns; the rest comes back as a value. What this module does
//! not do: look into attributes.

use super::buckets::{buckets, packed};
use super::error::WireFault;
use super::metric_columns::{HistogramColumns, SummaryColumns};
use super::value;
use super::walk::Joined;
use super::wire::{Known, Reader, bytes, fixed64, varint};
use crate::batch::EXPLICIT_SCALE;

/// What every kind of point has.
#[derive(Debug, Default)]
pub(super) struct PointHead<'a> {
    pub(super) start: u64,
    pub(super) at: u64,
    pub(super) flags: u32,
    /// Encoded attributes.
    pub(super) attributes: Joined<'a>,
}

/// A point of a gauge or sum.
#[derive(Debug, Default)]
pub(super) struct NumberPoint<'a> {
    pub(super) head: PointHead<'a>,
    pub(super) value: Option<f64>,
}

/// A point of a histogram, of either kind.
#[derive(Debug)]
pub(super) struct BucketPoint<'a> {
    pub(super) head: PointHead<'a>,
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) scale: i32,
    pub(super) zero: u64,
    pub(super) positive_offset: i32,
    pub(super) negative_offset: i32,
    pub(super) n_negative: u32,
}

impl BucketPoint<'_> {
    fn new(scale: i32) -> Self {
        Self {
            head: PointHead::default(),
            count: 0,
            sum: f64::NAN,
            min: f64::NAN,
            max: f64::NAN,
            scale,
            zero: 0,
            positive_offset: 0,
            negative_offset: 0,
            n_negative: 0,
        }
    }

    /// Reads the start, whose tag was just read, and with it the time, count and sum that usually stand right behind.
    #[inline(always)]
    fn start<'a>(&mut self, before: &'a [u8], reader: &mut Reader<'a>) -> Result<(), WireFault> {
        match in_a_row(before, FOUR) {
            Some(([start, at, count, sum], rest)) => {
                (self.head.start, self.head.at) = (start, at);
                (self.count, self.sum) = (count, f64::from_bits(sum));
                *reader = Reader::of(rest);
            }
            None => self.head.start = reader.fixed64()?,
        }
        Ok(())
    }
}

/// A point of a summary.
#[derive(Debug, Default)]
pub(super) struct SummaryPoint<'a> {
    pub(super) head: PointHead<'a>,
    pub(super) count: u64,
    /// A summary always has a sum: the field is a plain one, left out where it is zero.
    pub(super) sum: f64,
}

// number, explicit histogram and summary points agree on these two; so do exponential ones
const START: u32 = fixed64(2);
const AT: u32 = fixed64(3);
/// Start, time, count and sum of all kinds but numbers.
const FOUR: [u32; 4] = [START, AT, fixed64(4), fixed64(5)];

/// So many fields of eight bytes with these tags, if they stand one after the other, and what stands behind them:
/// encoders write fields by number.
#[inline(always)]
fn in_a_row<const N: usize>(message: &[u8], tags: [u32; N]) -> Option<([u64; N], &[u8])> {
    let (fields, rest) = message.split_at_checked(N * 9)?;
    let (fields, _) = fields.as_chunks::<9>();
    let mut values = [0; N];
    let mut as_told = true;
    for ((&[tag, ref bytes @ ..], expected), value) in fields.iter().zip(tags).zip(&mut values) {
        as_told &= u32::from(tag) == expected;
        *value = u64::from_le_bytes(*bytes);
    }
    as_told.then_some((values, rest))
}

/// Fields of `NumberDataPoint`.
mod number {
    use super::{AT, Known, START, bytes, fixed64, varint};
    pub(super) const DOUBLE: u32 = fixed64(4);
    pub(super) const EXEMPLAR: u32 = bytes(5);
    pub(super) const INT: u32 = fixed64(6);
    pub(super) const ATTRIBUTES: u32 = bytes(7);
    pub(super) const FLAGS: u32 = varint(8);
    pub(super) const ALL: Known = Known::of(&[START, AT, DOUBLE, EXEMPLAR, INT, ATTRIBUTES, FLAGS]);
}

/// Reads a point of a gauge or sum.
#[inline(always)]
pub(super) fn number(message: &[u8], depth: u32) -> Result<NumberPoint<'_>, WireFault> {
    match usual_number(message) {
        Some(point) => Ok(point),
        None => any_number(message, depth),
    }
}

/// A point of two times, a number and attributes, in this order and nothing else: nearly all are so.
#[inline(always)]
fn usual_number(message: &[u8]) -> Option<NumberPoint<'_>> {
    let ([start, at], rest) = in_a_row(message, [START, AT])?;
    let (&[tag, ref bytes @ ..], attributes) = rest.split_first_chunk::<9>()?;
    let value = match u32::from(tag) {
        number::DOUBLE => f64::from_le_bytes(*bytes),
        number::INT => i64::from_le_bytes(*bytes) as f64,
        _ => return None,
    };
    let mut rest = attributes;
    while let [tag, length @ ..0x80, behind @ ..] = rest {
        if u32::from(*tag) != number::ATTRIBUTES {
            return None;
        }
        rest = behind.get(usize::from(*length)..)?;
    }
    if !rest.is_empty() {
        return None;
    }
    let mut head = PointHead { start, at, ..PointHead::default() };
    head.attributes.add(attributes);
    Some(NumberPoint { head, value: Some(value) })
}

#[inline(never)]
fn any_number(message: &[u8], depth: u32) -> Result<NumberPoint<'_>, WireFault> {
    let mut point = NumberPoint::default();
    let head = &mut point.head;
    let mut reader = Reader::of(message);
    loop {
        let before = reader.rest();
        let Some(tag) = reader.tag()? else { return Ok(point) };
        match tag {
            START => head.start = reader.fixed64()?,
            AT => head.at = reader.fixed64()?,
            number::DOUBLE => point.value = Some(reader.double()?),
            number::INT => point.value = Some(reader.fixed64()? as i64 as f64),
            number::ATTRIBUTES => head.attributes.add(reader.run(before, tag, |_| Ok(()))?),
            number::FLAGS => head.flags = reader.uint32()?,
            number::EXEMPLAR => check_exemplar(reader.bytes()?, depth)?,
            other => reader.skip(other, number::ALL)?,
        }
    }
}

/// Fields of `HistogramDataPoint`.
mod histogram {
    use super::{AT, Known, START, bytes, fixed64, varint};
    pub(super) const COUNT: u32 = fixed64(4);
    pub(super) const SUM: u32 = fixed64(5);
    pub(super) const COUNTS: u32 = bytes(6);
    pub(super) const ONE_COUNT: u32 = fixed64(6);
    pub(super) const BOUNDS: u32 = bytes(7);
    pub(super) const ONE_BOUND: u32 = fixed64(7);
    pub(super) const EXEMPLAR: u32 = bytes(8);
    pub(super) const ATTRIBUTES: u32 = bytes(9);
    pub(super) const FLAGS: u32 = varint(10);
    pub(super) const MIN: u32 = fixed64(11);
    pub(super) const MAX: u32 = fixed64(12);
    pub(super) const ALL: Known =
        Known::of(&[START, AT, COUNT, SUM, COUNTS, BOUNDS, EXEMPLAR, ATTRIBUTES, FLAGS, MIN, MAX]);
}

/// Reads a point of an explicit histogram; its bounds and counts go to the columns' open row.
pub(super) fn histogram<'a>(
    message: &'a [u8],
    depth: u32,
    columns: &mut HistogramColumns,
) -> Result<BucketPoint<'a>, WireFault> {
    let mut point = BucketPoint::new(EXPLICIT_SCALE);
    let (bounds, counts) = (&mut columns.bounds, &mut columns.counts);
    let mut reader = Reader::of(message);
    loop {
        let before = reader.rest();
        let Some(tag) = reader.tag()? else { break };
        match tag {
            START => point.start(before, &mut reader)?,
            AT => point.head.at = reader.fixed64()?,
            histogram::COUNT => point.count = reader.fixed64()?,
            histogram::SUM => point.sum = reader.double()?,
            histogram::COUNTS => packed(reader.bytes()?, &mut counts.values, u64::from_le_bytes)?,
            histogram::ONE_COUNT => counts.values.push(reader.fixed64()?),
            histogram::BOUNDS => packed(reader.bytes()?, &mut bounds.values, f64::from_le_bytes)?,
            histogram::ONE_BOUND => bounds.values.push(reader.double()?),
            histogram::ATTRIBUTES => point.head.attributes.add(reader.run(before, tag, |_| Ok(()))?),
            histogram::FLAGS => point.head.flags = reader.uint32()?,
            histogram::MIN => point.min = reader.double()?,
            histogram::MAX => point.max = reader.double()?,
            histogram::EXEMPLAR => check_exemplar(reader.bytes()?, depth)?,
            other => reader.skip(other, histogram::ALL)?,
        }
    }
    // only count and sum were reported: no bounds without counts, and one bucket tells no more than the count
    let n_counts = counts.pending().len();
    if n_counts == 0 || (n_counts == 1 && bounds.pending().is_empty()) {
        columns.abandon();
    }
    Ok(point)
}

/// Fields of `ExponentialHistogramDataPoint`.
mod exponential {
    use super::{AT, Known, START, bytes, fixed64, varint};
    pub(super) const ATTRIBUTES: u32 = bytes(1);
    pub(super) const COUNT: u32 = fixed64(4);
    pub(super) const SUM: u32 = fixed64(5);
    pub(super) const SCALE: u32 = varint(6);
    pub(super) const ZERO: u32 = fixed64(7);
    pub(super) const POSITIVE: u32 = bytes(8);
    pub(super) const NEGATIVE: u32 = bytes(9);
    pub(super) const FLAGS: u32 = varint(10);
    pub(super) const EXEMPLAR: u32 = bytes(11);
    pub(super) const MIN: u32 = fixed64(12);
    pub(super) const MAX: u32 = fixed64(13);
    pub(super) const ZERO_THRESHOLD: u32 = fixed64(14);
    pub(super) const ALL: Known = Known::of(&[
        ATTRIBUTES,
        START,
        AT,
        COUNT,
        SUM,
        SCALE,
        ZERO,
        POSITIVE,
        NEGATIVE,
        FLAGS,
        EXEMPLAR,
        MIN,
        MAX,
        ZERO_THRESHOLD,
    ]);
}

/// Reads a point of an exponential histogram; its counts, negative before positive, go to the columns' open row.
pub(super) fn exponential<'a>(
    message: &'a [u8],
    depth: u32,
    columns: &mut HistogramColumns,
) -> Result<BucketPoint<'a>, WireFault> {
    let mut point = BucketPoint::new(0);
    let (mut positive, mut negative) = (None, None);
    let mut reader = Reader::of(message);
    loop {
        let before = reader.rest();
        let Some(tag) = reader.tag()? else { break };
        match tag {
            exponential::ATTRIBUTES => point.head.attributes.add(reader.run(before, tag, |_| Ok(()))?),
            START => point.start(before, &mut reader)?,
            AT => point.head.at = reader.fixed64()?,
            exponential::COUNT => point.count = reader.fixed64()?,
            exponential::SUM => point.sum = reader.double()?,
            exponential::SCALE => point.scale = reader.sint32()?,
            exponential::ZERO => point.zero = reader.fixed64()?,
            exponential::POSITIVE => once(&mut positive, reader.bytes()?)?,
            exponential::NEGATIVE => once(&mut negative, reader.bytes()?)?,
            exponential::FLAGS => point.head.flags = reader.uint32()?,
            exponential::MIN => point.min = reader.double()?,
            exponential::MAX => point.max = reader.double()?,
            exponential::EXEMPLAR => check_exemplar(reader.bytes()?, depth)?,
            exponential::ZERO_THRESHOLD => reader.double().map(|_| ())?,
            other => reader.skip(other, exponential::ALL)?,
        }
    }
    let counts = &mut columns.counts;
    point.negative_offset = buckets(negative.unwrap_or_default(), &mut counts.values)?;
    point.n_negative = counts.pending().len() as u32;
    point.positive_offset = buckets(positive.unwrap_or_default(), &mut counts.values)?;
    Ok(point)
}

fn once<'a>(place: &mut Option<&'a [u8]>, found: &'a [u8]) -> Result<(), WireFault> {
    if place.replace(found).is_some() { Err(WireFault::Repeated) } else { Ok(()) }
}

/// Fields of `SummaryDataPoint`.
mod summary {
    use super::{AT, Known, START, bytes, fixed64, varint};
    pub(super) const COUNT: u32 = fixed64(4);
    pub(super) const SUM: u32 = fixed64(5);
    pub(super) const QUANTILE: u32 = bytes(6);
    pub(super) const ATTRIBUTES: u32 = bytes(7);
    pub(super) const FLAGS: u32 = varint(8);
    pub(super) const ALL: Known = Known::of(&[START, AT, COUNT, SUM, QUANTILE, ATTRIBUTES, FLAGS]);
}

/// Reads a point of a summary; its quantiles go to the columns' open row.
pub(super) fn summary<'a>(
    message: &'a [u8],
    columns: &mut SummaryColumns,
) -> Result<SummaryPoint<'a>, WireFault> {
    let mut point = SummaryPoint::default();
    let mut reader = Reader::of(message);
    if let Some(([start, at, count, sum], rest)) = in_a_row(message, FOUR) {
        point.head = PointHead { start, at, ..PointHead::default() };
        (point.count, point.sum) = (count, f64::from_bits(sum));
        reader = Reader::of(rest);
    }
    loop {
        let before = reader.rest();
        let Some(tag) = reader.tag()? else { return Ok(point) };
        match tag {
            START => point.head.start = reader.fixed64()?,
            AT => point.head.at = reader.fixed64()?,
            summary::COUNT => point.count = reader.fixed64()?,
            summary::SUM => point.sum = reader.double()?,
            summary::QUANTILE => {
                let (quantile, value) = quantile(reader.bytes()?)?;
                columns.quantiles.values.push(quantile);
                columns.values.values.push(value);
            }
            summary::ATTRIBUTES => point.head.attributes.add(reader.run(before, tag, |_| Ok(()))?),
            summary::FLAGS => point.head.flags = reader.uint32()?,
            other => reader.skip(other, summary::ALL)?,
        }
    }
}

const QUANTILE: u32 = fixed64(1);
const QUANTILE_VALUE: u32 = fixed64(2);

#[inline(always)]
fn quantile(message: &[u8]) -> Result<(f64, f64), WireFault> {
    // both, in the order of their numbers: nearly all are so
    match in_a_row(message, [QUANTILE, QUANTILE_VALUE]) {
        Some(([quantile, value], [])) => Ok((f64::from_bits(quantile), f64::from_bits(value))),
        _ => any_quantile(message),
    }
}

#[inline(never)]
fn any_quantile(message: &[u8]) -> Result<(f64, f64), WireFault> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            QUANTILE => quantile = reader.double()?,
            QUANTILE_VALUE => value = reader.double()?,
            other => reader.skip(other, Known::of(&[QUANTILE, QUANTILE_VALUE]))?,
        }
    }
    Ok((quantile, value))
}

/// Fields of `Exemplar`.
mod exemplar {
    use super::{Known, bytes, fixed64};
    pub(super) const AT: u32 = fixed64(2);
    pub(super) const DOUBLE: u32 = fixed64(3);
    pub(super) const SPAN: u32 = bytes(4);
    pub(super) const TRACE: u32 = bytes(5);
    pub(super) const INT: u32 = fixed64(6);
    pub(super) const ATTRIBUTES: u32 = bytes(7);
    pub(super) const ALL: Known = Known::of(&[AT, DOUBLE, SPAN, TRACE, INT, ATTRIBUTES]);
}

/// Exemplars are not kept, but they must be what they say they are.
#[inline(never)]
fn check_exemplar(message: &[u8], depth: u32) -> Result<(), WireFault> {
    let mut reader = Reader::of(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            exemplar::AT | exemplar::DOUBLE | exemplar::INT => reader.fixed64().map(|_| ())?,
            exemplar::SPAN | exemplar::TRACE => reader.bytes().map(|_| ())?,
            exemplar::ATTRIBUTES => value::check_pair(reader.bytes()?, depth)?,
            other => reader.skip(other, exemplar::ALL)?,
        }
    }
    Ok(())
}

/// Why a point has no usable time.
#[inline(always)]
pub(super) fn time_fault(head: &PointHead<'_>) -> Option<&'static str> {
    let in_range = |time: u64| time <= i64::MAX as u64;
    let is_timed = head.at != 0 && in_range(head.at) && in_range(head.start);
    (!is_timed).then_some("point_without_time")
}

/// Why the point of a gauge or sum cannot be used.
#[inline(always)]
pub(super) fn number_fault(point: &NumberPoint<'_>) -> Option<&'static str> {
    let is_valued = point.value.is_some() || point.head.flags & 1 == 1;
    time_fault(&point.head).or((!is_valued).then_some("point_without_value"))
}
