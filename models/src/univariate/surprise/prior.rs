//! What one series has learned, as the beginning of another: worth a given number of points.

use super::histogram::RangeHistogram;
use super::judge::{Front, Known};
use super::profile::{Slot, as_prior};
use super::rhythm::Rhythm;

/// The state of a series that has learned the same from `points` points and has none of its own yet.
pub(crate) fn prior(known: Known<'_>, points: u32) -> (Front, Vec<Slot>, Rhythm) {
    let (short, weight) = known.front.short.as_prior(points);
    let lighter = |mut histogram: RangeHistogram| {
        let visits = histogram.total() / weight;
        histogram.rescale((points as f32 / visits.max(1.0)).min(1.0) / weight);
        histogram
    };
    let front = Front { short, histograms: known.front.histograms.map(lighter) };
    (front, known.slots.iter().map(as_prior).collect(), *known.rhythm)
}
