//! What one series has learned, as the beginning of another: worth a given number of points.

use super::histogram::RangeHistogram;
use super::judge::Short;
use super::profile::{Slot, as_prior};

/// The state of a series that has learned the same from `points` points and has none of its own yet.
pub(crate) fn prior(
    (short, slots, histograms): (&Short, &[Slot], &[RangeHistogram]),
    points: u32,
) -> (Short, Vec<Slot>, Vec<RangeHistogram>) {
    let (short, weight) = short.as_prior(points);
    let lighter = |histogram: &RangeHistogram| {
        let mut histogram = *histogram;
        let visits = histogram.total() / weight;
        histogram.rescale((points as f32 / visits.max(1.0)).min(1.0) / weight);
        histogram
    };
    (short, slots.iter().map(as_prior).collect(), histograms.iter().map(lighter).collect())
}
