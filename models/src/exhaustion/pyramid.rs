//! What a series showed, in buckets of 1, 2, 4 … samples: recent in detail, old in outline.
//!
//! Promises: at most [`LEVELS`] times [`WIDTH`] buckets, whatever the length of the series. What it does not do: know
//! what a sample lasts.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Levels; a bucket of level `l` holds `2^l` samples.
pub(crate) const LEVELS: usize = 10;
/// Buckets kept of each level.
pub(crate) const WIDTH: usize = 32;
/// From this level on `held` is more than the mean.
const HELD_LEVEL: usize = 3;

/// What some samples in a row showed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Bucket {
    /// Smallest value.
    pub(crate) min: f32,
    /// Largest value.
    pub(crate) max: f32,
    /// Mean.
    pub(crate) mean: f32,
    /// Largest mean of eight samples in a row; shorter buckets give their own mean.
    pub(crate) held: f32,
}

impl Bucket {
    fn one(value: f32) -> Self {
        Self { min: value, max: value, mean: value, held: value }
    }

    fn join(self, other: Self, level: usize) -> Self {
        let mean = 0.5 * (self.mean + other.mean);
        let held = if level <= HELD_LEVEL { mean } else { self.held.max(other.held) };
        Self { min: self.min.min(other.min), max: self.max.max(other.max), mean, held }
    }
}

/// Buckets of one width, the newest last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Level {
    ring: VecDeque<Bucket>,
    /// Of these, how many are newer than the last restart.
    fresh: usize,
    /// The bucket that waits for its second half, if one `waits`; always there, so that the state has one size.
    half: Bucket,
    waits: bool,
}

/// All buckets.
///
/// # Invariants
/// No ring is longer than [`WIDTH`]; `fresh` never exceeds the ring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pyramid {
    levels: Vec<Level>,
}

impl Pyramid {
    pub(crate) fn new() -> Self {
        Self { levels: vec![Level::default(); LEVELS] }
    }

    /// Takes a value in; gives how many levels, from the finest, have a new bucket.
    pub(crate) fn push(&mut self, value: f32) -> usize {
        let mut bucket = Bucket::one(value);
        for (nth, level) in self.levels.iter_mut().enumerate() {
            level.ring.push_back(bucket);
            if level.ring.len() > WIDTH {
                level.ring.pop_front();
            }
            level.fresh = (level.fresh + 1).min(WIDTH);
            level.waits = !level.waits;
            if level.waits {
                level.half = bucket;
                return nth + 1;
            }
            bucket = level.half.join(bucket, nth + 1);
        }
        LEVELS
    }

    /// What came before is history from now on, and no part of a trend.
    pub(crate) fn restart(&mut self) {
        for level in &mut self.levels {
            level.fresh = 0;
            level.waits = false;
        }
    }

    /// What was seen since the last restart is no history either: it ended badly.
    pub(crate) fn forget_run(&mut self) {
        for level in &mut self.levels {
            level.ring.truncate(level.ring.len() - level.fresh);
        }
        self.restart();
    }

    /// The newest `n` buckets of a level since the last restart, oldest first; `None` if there are fewer.
    pub(crate) fn newest(&self, level: usize, n: usize) -> Option<impl Iterator<Item = &Bucket> + Clone> {
        let level = self.levels.get(level).filter(|level| level.fresh >= n)?;
        Some(level.ring.iter().skip(level.ring.len() - n))
    }

    /// How many of so many samples the widest buckets can hold.
    pub(crate) fn reach(&self, samples: u64) -> f64 {
        samples.min((WIDTH << (LEVELS - 1)) as u64) as f64
    }

    /// Buckets that lie wholly before the newest `samples`, of any level, with their level.
    pub(crate) fn older(&self, samples: usize) -> impl Iterator<Item = (usize, &Bucket)> {
        self.levels.iter().enumerate().flat_map(move |(nth, level)| {
            // One bucket more, for the samples that are not yet in a bucket.
            let skipped = samples.div_ceil(1 << nth) + usize::from(nth > 0);
            level.ring.iter().rev().skip(skipped).map(move |bucket| (nth, bucket))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: ten thousand samples that count up.
    /// Guarantees: each level holds its newest buckets with their extremes and means; no ring outgrows its width.
    #[test]
    fn buckets_outline_what_was_seen() {
        let mut pyramid = Pyramid::new();
        (0..10_000).for_each(|nth| {
            pyramid.push(nth as f32);
        });
        let last = |level: usize| *pyramid.newest(level, 1).unwrap().last().unwrap();
        assert_eq!(last(0), Bucket::one(9999.0));
        assert_eq!(last(3), Bucket { min: 9992.0, max: 9999.0, mean: 9995.5, held: 9995.5 });
        assert_eq!(last(4), Bucket { min: 9984.0, max: 9999.0, mean: 9991.5, held: 9995.5 });
        assert!(pyramid.levels.iter().all(|level| level.ring.len() <= WIDTH));
        let oldest = pyramid.older(200).map(|(_, bucket)| bucket.max).fold(0.0, f32::max);
        assert!((9700.0..9800.0).contains(&oldest), "{oldest}");
    }

    /// Scenario: a level for a while, a restart, a higher level that ends in a kill.
    /// Guarantees: of the higher level nothing is left, the lower one stays as history.
    #[test]
    fn what_ended_badly_is_forgotten() {
        let mut pyramid = Pyramid::new();
        (0..20).for_each(|_| {
            pyramid.push(0.4);
        });
        pyramid.restart();
        (0..9).for_each(|_| {
            pyramid.push(0.9);
        });
        pyramid.forget_run();
        pyramid.push(0.1);
        let highest = pyramid.older(0).map(|(_, bucket)| bucket.max).fold(0.0, f32::max);
        assert_eq!(highest, 0.4);
    }

    /// Scenario: a restart in the middle of a bucket.
    /// Guarantees: no bucket joins both sides; the old side stays as history.
    #[test]
    fn restart_separates() {
        let mut pyramid = Pyramid::new();
        (0..33).for_each(|_| {
            pyramid.push(0.9);
        });
        pyramid.restart();
        assert!(pyramid.newest(0, 1).is_none());
        (0..2).for_each(|_| {
            pyramid.push(0.1);
        });
        assert_eq!(pyramid.newest(1, 1).unwrap().next().unwrap().max, 0.1);
        assert!(pyramid.older(2).any(|(_, bucket)| bucket.max == 0.9));
    }
}
