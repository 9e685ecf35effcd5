//! A mergeable sketch of durations with a relative error of 1 %: DDSketch (Masson, Rim, Lee, "DDSketch: a fast and
//! fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019).
//!
//! Their α is [`RELATIVE_ERROR`], their γ = (1 + α)/(1 − α); bucket `i` holds the values in (γ^(i−1), γ^i], and their
//! bound m on the number of buckets is [`BUCKETS_MAX`]: beyond it the lowest buckets collapse into one.
//!
//! Promises: counts are integers, and adding and merging commute and associate, so that any order and any partitioning
//! of the same values gives the same sketch. What it does not do: keep the sum, the smallest or the largest value, or
//! know a unit. By convention the values are microseconds.

use engine::batch::BucketLayout;
use serde::{Deserialize, Serialize};

/// α: a quantile is off by at most this share of its value.
pub const RELATIVE_ERROR: f64 = 0.01;
/// The most buckets a sketch holds: with γ = 1.0202 a range of 1 to 790,000,000 (13 minutes in microseconds).
pub const BUCKETS_MAX: usize = 1024;

/// ln γ.
fn ln_gamma() -> f64 {
    libm::log((1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR))
}

/// Bucket of a positive value.
fn key_of(value: u64) -> i16 {
    // ln(2^64) / ln γ = 2218, so that every key fits
    libm::ceil(libm::log(value as f64) / ln_gamma() - 1e-9) as i16
}

/// The value that is off by at most α from everything in the bucket: 2γ^i / (γ + 1).
fn value_of(key: i16) -> f64 {
    libm::exp(f64::from(key) * ln_gamma()) * (1.0 - RELATIVE_ERROR)
}

/// Durations with their counts.
///
/// # Invariants
/// `buckets` rises by key, holds no zero count and at most [`BUCKETS_MAX`] entries.
///
/// ```
/// let mut sketch = pipelines::features::LatencySketch::default();
/// sketch.add(20_000, 99);
/// sketch.add(1_000_000, 1);
/// assert_eq!(sketch.count(), 100);
/// assert_eq!(sketch.count_above(50_000), 1);
/// let p50 = sketch.quantile(0.5).unwrap();
/// assert!((p50 - 20_000.0).abs() <= 200.0);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LatencySketch {
    zeros: u64,
    buckets: Vec<(i16, u64)>,
}

impl LatencySketch {
    /// Adds `value` `n` times.
    pub fn add(&mut self, value: u64, n: u64) {
        if n == 0 {
            return;
        }
        if value == 0 {
            self.zeros = self.zeros.saturating_add(n);
            return;
        }
        self.add_key(key_of(value), n);
    }

    /// Adds a real value `n` times; what is not above 0 counts as 0.
    pub fn add_f64(&mut self, value: f64, n: u64) {
        // the cast saturates, and NaN becomes 0
        self.add(libm::round(value) as u64, n);
    }

    fn add_key(&mut self, key: i16, n: u64) {
        match self.buckets.binary_search_by_key(&key, |bucket| bucket.0) {
            Ok(at) => {
                if let Some(bucket) = self.buckets.get_mut(at) {
                    bucket.1 = bucket.1.saturating_add(n);
                }
            }
            Err(at) => {
                self.buckets.insert(at, (key, n));
                self.collapse();
            }
        }
    }

    /// Keeps the highest [`BUCKETS_MAX`] keys; what lies below joins the lowest of them. Whatever the order, the kept
    /// keys are the highest of all keys seen, hence merges commute.
    fn collapse(&mut self) {
        let Some(excess) = self.buckets.len().checked_sub(BUCKETS_MAX).filter(|excess| *excess > 0) else {
            return;
        };
        let below: u64 = self.buckets.drain(..excess).map(|bucket| bucket.1).fold(0, u64::saturating_add);
        if let Some(lowest) = self.buckets.first_mut() {
            lowest.1 = lowest.1.saturating_add(below);
        }
    }

    /// Logarithms of the durations above 0 with their counts, each off by at most the relative error.
    pub fn ln_counts(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let shift = libm::log(1.0 - RELATIVE_ERROR);
        self.buckets.iter().map(move |&(key, n)| (f64::from(key) * ln_gamma() + shift, n))
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.zeros = self.zeros.saturating_add(other.zeros);
        if other.buckets.is_empty() {
            return;
        }
        let mut merged = Vec::with_capacity(self.buckets.len() + other.buckets.len());
        let (mut left, mut right) = (self.buckets.iter().peekable(), other.buckets.iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) if l.0 == r.0 => {
                    let both = (l.0, l.1.saturating_add(r.1));
                    left.next();
                    right.next();
                    both
                }
                (Some(l), Some(r)) if l.0 > r.0 => {
                    let next = **r;
                    right.next();
                    next
                }
                (Some(l), _) => {
                    let next = **l;
                    left.next();
                    next
                }
                (None, Some(r)) => {
                    let next = **r;
                    right.next();
                    next
                }
                (None, None) => break,
            };
            merged.push(next);
        }
        self.buckets = merged;
        self.collapse();
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.1).fold(self.zeros, u64::saturating_add)
    }

    /// The sum as the buckets tell it, off by at most 1 %; for senders that do not report a sum.
    #[must_use]
    pub fn approximate_sum(&self) -> f64 {
        self.buckets.iter().map(|(key, n)| value_of(*key) * *n as f64).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zeros == 0 && self.buckets.is_empty()
    }

    /// The value below which a share `q` (0 to 1) of the values lies; `None` without values.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = libm::floor(q.clamp(0.0, 1.0) * (count - 1) as f64) as u64;
        let mut below = self.zeros;
        if rank < below {
            return Some(0.0);
        }
        for (key, n) in &self.buckets {
            below = below.saturating_add(*n);
            if rank < below {
                return Some(value_of(*key));
            }
        }
        self.buckets.last().map(|bucket| value_of(bucket.0))
    }

    /// How many values are above `threshold`. The threshold counts as the upper end of its bucket, so that it is off by
    /// at most 2 %, in the same way for every sketch.
    #[must_use]
    pub fn count_above(&self, threshold: u64) -> u64 {
        if threshold == 0 {
            return self.count() - self.zeros;
        }
        let key = key_of(threshold);
        let from = self.buckets.partition_point(|bucket| bucket.0 <= key);
        self.buckets.get(from..).unwrap_or_default().iter().map(|b| b.1).fold(0, u64::saturating_add)
    }

    /// The counts of a histogram point, with every bucket's count at its geometric middle. `to_unit` turns the point's
    /// unit into ours (1e6 for seconds into microseconds).
    ///
    /// The lowest explicit bucket, which begins at 0, is taken at half its bound; the highest, which has no end, just
    /// above its bound. Values that are not above 0 count as 0.
    #[must_use]
    pub fn from_buckets(buckets: &BucketLayout<'_>, to_unit: f64) -> Self {
        let mut sketch = Self::default();
        match *buckets {
            BucketLayout::Explicit { bounds, counts } => {
                for (at, n) in counts.iter().enumerate() {
                    sketch.add_f64(explicit_middle(bounds, at) * to_unit, *n);
                }
            }
            BucketLayout::Exponential { scale, zero_count, positive_offset, positive, negative, .. } => {
                let below = negative.iter().copied().fold(zero_count, u64::saturating_add);
                sketch.add(0, below);
                for (at, n) in positive.iter().enumerate() {
                    let index = f64::from(positive_offset) + at as f64;
                    sketch.add_f64(exponential_middle(scale, index) * to_unit, *n);
                }
            }
        }
        sketch
    }
}

/// Middle of the explicit bucket `at`: buckets are (bound before, bound].
fn explicit_middle(bounds: &[f64], at: usize) -> f64 {
    let low = at.checked_sub(1).and_then(|before| bounds.get(before)).copied();
    match (low, bounds.get(at).copied()) {
        (Some(low), Some(high)) if low > 0.0 => libm::sqrt(low * high),
        (_, Some(high)) => high / 2.0,
        (Some(low), None) => low * (1.0 + 3.0 * RELATIVE_ERROR),
        (None, None) => 0.0,
    }
}

/// Middle of the exponential bucket `index`: (base^index, base^(index + 1)] with base = 2^(2^−scale).
fn exponential_middle(scale: i32, index: f64) -> f64 {
    let exponent = (index + 0.5) * libm::exp2(-f64::from(scale));
    libm::exp2(exponent)
}

#[cfg(test)]
#[path = "sketch_tests.rs"]
mod tests;
