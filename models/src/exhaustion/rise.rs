//! The one rule: the lows of a window rise in every quarter of it, stand above all that was held before, and have gone so
//! much of the way that the forecast reaches no further than the rise allows.
//!
//! Lows are minima of buckets, so that what a collector gives back does not count; the window is tried at every scale. Pure.

use super::forecast::Certainty;
use super::params::{ExhaustionParams, TrendOf};
use super::pyramid::{LEVELS, Pyramid};
use super::trend::{TREND_MAX, Trend, trend};

/// Lengths of windows that are tried at each scale, in buckets.
pub(crate) const WINDOWS: [usize; 4] = [12, 16, 24, 32];
/// From this level on buckets say what was held for eight samples; single samples are spikes.
const HELD_LEVEL: usize = 3;

/// A window of lows that rise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rise {
    /// Trend per bucket.
    pub(crate) trend: Trend,
    /// Samples in a bucket.
    pub(crate) width: f64,
    /// Buckets.
    pub(crate) n: usize,
    /// Least rise from quarter to quarter, in parts of an even share.
    pub(crate) evenness: f64,
    /// Rise into the last quarter, in parts of an even share.
    pub(crate) last: f64,
    /// Largest value of the last quarter.
    pub(crate) top: f64,
    /// Smallest value of the last quarter.
    pub(crate) floor: f64,
}

/// What is known of the time before a rise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Before {
    /// Highest level that was held for eight samples.
    pub(crate) held: f64,
    /// Samples that are known.
    pub(crate) samples: f64,
}

/// How the series swings, see [`super::cycles`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Swings {
    pub(crate) period: f64,
    pub(crate) swing: f64,
}

impl Rise {
    /// Samples in the window.
    pub(crate) fn span(&self) -> f64 {
        self.width * self.n as f64
    }

    /// Rise over the window.
    fn growth(&self) -> f64 {
        self.trend.slope * (self.n - 1) as f64
    }

    /// Samples until what stands at `level` reaches the limit at this slope per bucket.
    pub(crate) fn time_left(&self, level: f64, slope: f64) -> f64 {
        if slope > 0.0 { (1.0 - level).max(0.0) / slope * self.width } else { f64::INFINITY }
    }
}

/// The rise over the newest `n` buckets of a level; `None` if there are fewer or a quarter of them does not rise.
pub(crate) fn rise(pyramid: &Pyramid, level: usize, n: usize, of: TrendOf) -> Option<Rise> {
    let buckets = pyramid.newest(level, n)?;
    let mut lows = [0.0; TREND_MAX];
    let (mut quarters, mut top, mut floor) = ([0.0; 4], 0.0_f64, f64::INFINITY);
    let quarter = n / 4;
    for (nth, bucket) in buckets.enumerate() {
        let low = f64::from(if of == TrendOf::Lows { bucket.min } else { bucket.mean });
        lows[nth] = low;
        quarters[(nth / quarter).min(3)] += low / quarter as f64;
        if nth >= n - quarter {
            top = top.max(f64::from(bucket.max));
            floor = floor.min(low);
        }
    }
    let even = (quarters[3] - quarters[0]) / 3.0;
    let steps = [quarters[1] - quarters[0], quarters[2] - quarters[1], quarters[3] - quarters[2]];
    let least = steps.iter().copied().fold(f64::INFINITY, f64::min);
    if even <= 0.0 || least <= 0.0 {
        return None;
    }
    let trend = trend(&lows[..n])?;
    let width = (1_u64 << level) as f64;
    Some(Rise { trend, width, n, evenness: least / even, last: steps[2] / even, top, floor })
}

/// The strictest rule that the rise passes.
pub(crate) fn judge(
    rise: &Rise,
    before: Before,
    swings: Swings,
    params: &ExhaustionParams,
    horizon: f64,
) -> Option<Certainty> {
    let (span, growth) = (rise.span(), rise.growth());
    let z = if span < params.short_samples { params.z_short.max(params.z) } else { params.z };
    let steady = rise.trend.lower > 0.0
        && rise.trend.z >= z
        && rise.evenness >= params.evenness
        && rise.last >= params.evenness_last
        && growth >= params.growth;
    // A rise that is hardly longer than a swing may be the upward half of one.
    let inside = if span < 1.5 * swings.period { params.record_swings * swings.swing } else { 0.0 };
    let record = params.record.max(inside);
    let left = rise.time_left(rise.top, rise.trend.slope);
    if !steady || rise.top <= before.held + record || left > horizon {
        return None;
    }
    let known = before.samples >= params.known_spans * span;
    let reaches = |reach: f64| left <= if known { reach } else { params.reach_blind } * span;
    if reaches(params.reach_act) {
        Some(Certainty::Act)
    } else if reaches(params.reach_warn) {
        Some(Certainty::Warn)
    } else {
        None
    }
}

/// What lies before the newest `samples`.
pub(crate) fn before(pyramid: &Pyramid, samples: f64) -> Before {
    let (mut held, mut known) = (0.0_f64, [0.0_f64; LEVELS]);
    for (level, bucket) in pyramid.older(samples as usize) {
        if level >= HELD_LEVEL {
            held = held.max(f64::from(bucket.held));
            known[level] += (1_u64 << level) as f64;
        }
    }
    Before { held, samples: known.iter().copied().fold(0.0, f64::max) }
}
