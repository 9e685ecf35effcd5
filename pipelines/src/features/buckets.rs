//! Histogram buckets as a counter keeps them between two points: raw counts, so that a difference is exact.
//!
//! What it does not do: turn them into durations; [`LatencySketch::from_buckets`] does.

use engine::batch::BucketLayout;
use serde::{Deserialize, Serialize};

use super::sketch::LatencySketch;

/// Owned buckets of one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Buckets {
    Explicit { bounds: Vec<f64>, counts: Vec<u64> },
    Exponential { scale: i32, zeros: u64, offset: i32, counts: Vec<u64> },
}

impl Buckets {
    /// Owns the buckets of a point. Negative values have no place among durations and count as zeros.
    pub(crate) fn of(layout: &BucketLayout<'_>) -> Self {
        match *layout {
            BucketLayout::Explicit { bounds, counts } => {
                Self::Explicit { bounds: bounds.to_vec(), counts: counts.to_vec() }
            }
            BucketLayout::Exponential { scale, zero_count, positive_offset, positive, negative, .. } => {
                let zeros = negative.iter().copied().fold(zero_count, u64::saturating_add);
                Self::Exponential { scale, zeros, offset: positive_offset, counts: positive.to_vec() }
            }
        }
    }

    /// What came in after `earlier`; `None` if a count fell or the layout is another one: the counter began anew.
    pub(crate) fn since(&self, earlier: &Self) -> Option<Self> {
        match (self, earlier) {
            (Self::Explicit { bounds, counts }, Self::Explicit { bounds: old_bounds, counts: old }) => {
                if bounds != old_bounds || counts.len() != old.len() {
                    return None;
                }
                let counts = counts.iter().zip(old).map(|(new, old)| new.checked_sub(*old));
                Some(Self::Explicit { bounds: bounds.clone(), counts: counts.collect::<Option<_>>()? })
            }
            (
                Self::Exponential { scale, zeros, offset, counts },
                Self::Exponential { scale: old_scale, zeros: old_zeros, offset: old_offset, counts: old },
            ) => {
                // a sender only ever coarsens the scale; the earlier point is brought to the later one's
                let coarser = u32::try_from(old_scale.checked_sub(*scale)?).ok()?;
                let zeros = zeros.checked_sub(*old_zeros)?;
                let mut counts = counts.clone();
                for (at, n) in old.iter().enumerate().filter(|(_, n)| **n > 0) {
                    let index = (i64::from(*old_offset) + at as i64) >> coarser.min(63);
                    let slot = usize::try_from(index - i64::from(*offset)).ok()?;
                    let count = counts.get_mut(slot)?;
                    *count = count.checked_sub(*n)?;
                }
                Some(Self::Exponential { scale: *scale, zeros, offset: *offset, counts })
            }
            _ => None,
        }
    }

    /// As durations.
    pub(crate) fn sketch(&self, to_micros: f64) -> LatencySketch {
        let layout = match self {
            Self::Explicit { bounds, counts } => BucketLayout::Explicit { bounds, counts },
            Self::Exponential { scale, zeros, offset, counts } => BucketLayout::Exponential {
                scale: *scale,
                zero_count: *zeros,
                positive_offset: *offset,
                positive: counts,
                negative_offset: 0,
                negative: &[],
            },
        };
        LatencySketch::from_buckets(&layout, to_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(scale: i32, offset: i32, counts: &[u64]) -> Buckets {
        Buckets::Exponential { scale, zeros: 0, offset, counts: counts.to_vec() }
    }

    /// Scenario: a sender coarsens its scale between two points. Guarantees: the difference is exact in the new scale.
    #[test]
    fn a_coarser_scale_keeps_the_difference_exact() {
        // scale 1, indices 4..8 become indices 2..4 of scale 0
        let earlier = exponential(1, 4, &[1, 2, 3, 4]);
        let later = exponential(0, 1, &[5, 3, 8]);
        assert_eq!(later.since(&earlier), Some(exponential(0, 1, &[5, 0, 1])));
        assert_eq!(earlier.since(&later), None);
    }

    /// Scenario: counts that fell, other bounds, another kind. Guarantees: none of them is taken for a difference.
    #[test]
    fn what_cannot_be_a_difference_is_none() {
        let explicit = |bounds: &[f64], counts: &[u64]| Buckets::Explicit {
            bounds: bounds.to_vec(),
            counts: counts.to_vec(),
        };
        let earlier = explicit(&[1.0, 2.0], &[1, 1, 1]);
        assert_eq!(
            explicit(&[1.0, 2.0], &[1, 4, 1]).since(&earlier),
            Some(explicit(&[1.0, 2.0], &[0, 3, 0]))
        );
        assert_eq!(explicit(&[1.0, 2.0], &[0, 4, 1]).since(&earlier), None);
        assert_eq!(explicit(&[1.0, 3.0], &[1, 4, 1]).since(&earlier), None);
        assert_eq!(exponential(0, 0, &[9]).since(&earlier), None);
        assert_eq!(exponential(0, 0, &[9]).since(&exponential(0, 1, &[1])), None);
    }
}
