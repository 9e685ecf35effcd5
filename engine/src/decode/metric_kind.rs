//! Which kind a metric is: told by the field that its points stand in, and by what stands beside them.

use super::error::WireFault;
use super::wire::{Known, Reader, bytes, varint};
use crate::batch::{MetricKind, Temporality};

/// Fields of `Metric`, one of which holds its points: the content.
pub(super) const GAUGE: u32 = bytes(5);
pub(super) const SUM: u32 = bytes(7);
pub(super) const HISTOGRAM: u32 = bytes(9);
pub(super) const EXPONENTIAL: u32 = bytes(10);
pub(super) const SUMMARY: u32 = bytes(11);

/// Fields of `Gauge`, `Sum`, `Histogram`, `ExponentialHistogram` and `Summary`, as far as they have them.
pub(super) const POINT: u32 = bytes(1);
const TEMPORALITY: u32 = varint(2);
const MONOTONIC: u32 = varint(3);

/// What the content of a metric says besides its points.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traits {
    temporality: u8,
    monotonic: bool,
}

const OF_GAUGE: Known = Known::of(&[POINT]);
const OF_SUM: Known = Known::of(&[POINT, TEMPORALITY, MONOTONIC]);
const OF_HISTOGRAM: Known = Known::of(&[POINT, TEMPORALITY]);

impl Traits {
    /// Reads a field that is no point, of the content with this tag.
    pub(super) fn read(
        &mut self,
        field: u32,
        content: u32,
        reader: &mut Reader<'_>,
    ) -> Result<(), WireFault> {
        match (content, field) {
            (SUM | HISTOGRAM | EXPONENTIAL, TEMPORALITY) => self.temporality = reader.enumeration()?,
            (SUM, MONOTONIC) => self.monotonic = reader.bool()?,
            (SUM, other) => reader.skip(other, OF_SUM)?,
            (HISTOGRAM | EXPONENTIAL, other) => reader.skip(other, OF_HISTOGRAM)?,
            (_, other) => reader.skip(other, OF_GAUGE)?,
        }
        Ok(())
    }

    /// The kind of the metric with this content; `None` if its temporality is not told.
    pub(super) fn kind(self, content: u32) -> Option<MetricKind> {
        let temporality = match self.temporality {
            1 => Some(Temporality::Delta),
            2 => Some(Temporality::Cumulative),
            _ => None,
        };
        let monotonic = self.monotonic;
        match content {
            GAUGE => Some(MetricKind::Gauge),
            SUMMARY => Some(MetricKind::Summary),
            SUM => temporality.map(|temporality| MetricKind::Sum { temporality, monotonic }),
            HISTOGRAM => temporality.map(MetricKind::Histogram),
            _ => temporality.map(MetricKind::ExponentialHistogram),
        }
    }
}

/// The kind of a metric, passing over its points.
#[inline(never)]
pub(super) fn kind_of(tag: u32, content: &[u8]) -> Result<Option<MetricKind>, WireFault> {
    let mut traits = Traits::default();
    let mut reader = Reader::of(content);
    while let Some(field) = reader.tag()? {
        match field {
            POINT => reader.bytes().map(|_| ())?,
            other => traits.read(other, tag, &mut reader)?,
        }
    }
    Ok(traits.kind(tag))
}
