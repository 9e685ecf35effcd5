//! A limit that nobody reports, learned from how processes ended.
//!
//! A kill shows a limit from one side: the last samples before it lie somewhat below, by at most what the use rose in a sample
//! or two. So the limit is taken to be the largest value that was lived with, and what it may be at the most stands beside
//! it. Who kills says why ([`KillSource::Told`]), or it is inferred from a run that rose to its end: one such end is no limit,
//! two at the same height are. A value that was survived lifts the limit. What it does not do: guess before the first kill.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const KILLS_MAX: usize = 4;
/// Ends of runs this close to each other are at the same height.
const SAME: f64 = 0.05;
/// Samples before an end among which the last use is looked for: restarts are told later than they happen.
const RECENT: usize = 8;
/// A run that was killed for want of the resource had so many samples …
const RUN_SAMPLES_MIN: u32 = 60;
/// … and ended so much above its mean.
const RUN_RISE_MIN: f64 = 1.2;

/// How it is known that a process was killed for want of the resource.
///
/// ```
/// use models::exhaustion::KillSource;
/// assert_ne!(KillSource::Told, KillSource::Inferred);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KillSource {
    /// Whoever killed it said so.
    Told,
    /// It ended while its use was at its highest and rising.
    Inferred,
}

/// The end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Kill {
    /// Largest value shortly before.
    last: f64,
    /// What it may have risen by until the end.
    rise: f64,
    source: KillSource,
}

/// What is known of an unreported limit.
///
/// ```
/// use models::exhaustion::{KillSource, LastRun, LearnedLimit};
/// let (mut limit, mut run) = (LearnedLimit::default(), LastRun::default());
/// (0..100).for_each(|nth| run.sample(300.0 + 2.0 * nth as f64));
/// limit.killed(&run, KillSource::Told);
/// let known = limit.estimate().unwrap();
/// assert_eq!((known.limit, known.highest, known.kills), (498.0, 502.0, 1));
/// limit.survived(510.0);
/// assert_eq!(limit.estimate().unwrap().limit, 510.0);
/// ```
///
/// # Invariants
/// At most four ends, oldest first; all numbers are finite and above 0.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LearnedLimit {
    kills: VecDeque<Kill>,
}

/// A limit as far as it is known.
///
/// ```
/// use models::exhaustion::LearnedLimit;
/// assert_eq!(LearnedLimit::default().estimate(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LimitEstimate {
    /// Largest value that was lived with: the limit is not below it.
    pub limit: f64,
    /// What the limit may be at the most.
    pub highest: f64,
    /// Ends at this height.
    pub kills: usize,
}

impl LearnedLimit {
    /// The process whose last run is given was killed for want of the resource, or ended as if it was.
    pub fn killed(&mut self, run: &LastRun, source: KillSource) {
        let (last, rise) = (run.last(), run.rise());
        let is_usable = last.is_finite() && last > 0.0;
        if !is_usable || (source == KillSource::Inferred && !run.rose_to_its_end()) {
            return;
        }
        self.kills.push_back(Kill { last, rise, source });
        if self.kills.len() > KILLS_MAX {
            self.kills.pop_front();
        }
    }

    /// A process lived with this value.
    pub fn survived(&mut self, value: f64) {
        if let Some(known) = self.estimate().filter(|known| value.is_finite() && value > known.limit) {
            let at_limit = self.kills.iter_mut().filter(|kill| kill.last >= known.limit);
            at_limit.for_each(|kill| kill.last = value);
        }
    }

    /// The limit, once a process was killed and it was told why, or two ended at the same height.
    #[must_use]
    pub fn estimate(&self) -> Option<LimitEstimate> {
        let alike = |top: f64| {
            self.kills.iter().filter(move |kill| kill.last >= (1.0 - SAME) * top && kill.last <= top)
        };
        let is_known = |kill: &&Kill| {
            alike(kill.last).count() >= 2 || alike(kill.last).any(|kill| kill.source == KillSource::Told)
        };
        let limit = self.kills.iter().filter(is_known).map(|kill| kill.last).max_by(f64::total_cmp)?;
        let highest = alike(limit).map(|kill| kill.last + kill.rise).fold(f64::INFINITY, f64::min).max(limit);
        Some(LimitEstimate { limit, highest, kills: alike(limit).count() })
    }
}

/// What one process used, as far as its end may have to be explained: about 100 bytes.
///
/// ```
/// use models::exhaustion::LastRun;
/// let mut run = LastRun::default();
/// (0..80).for_each(|nth| run.sample(100.0 + nth as f64));
/// assert_eq!((run.last(), run.rise(), run.rose_to_its_end()), (179.0, 2.0, true));
/// run.restarted();
/// assert!(!run.rose_to_its_end());
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LastRun {
    samples: u32,
    mean: f64,
    highest: f64,
    recent: VecDeque<f64>,
}

impl LastRun {
    /// Takes a value in; one that is not finite or below 0 is passed over.
    pub fn sample(&mut self, value: f64) {
        if !value.is_finite() || value < 0.0 {
            return;
        }
        self.samples = self.samples.saturating_add(1);
        self.mean += (value - self.mean) / f64::from(self.samples);
        self.highest = self.highest.max(value);
        self.recent.push_back(value);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// The next value is of a new process.
    pub fn restarted(&mut self) {
        *self = Self::default();
    }

    /// The largest of the last few values; 0 before any.
    #[must_use]
    pub fn last(&self) -> f64 {
        self.recent.iter().copied().fold(0.0, f64::max)
    }

    /// What it rose by in two samples, at the most, of the last few.
    #[must_use]
    pub fn rise(&self) -> f64 {
        let steps = self.recent.iter().zip(self.recent.iter().skip(1)).map(|(a, b)| b - a);
        2.0 * steps.fold(0.0, f64::max)
    }

    /// Whether it looks as if the process ended for want of the resource: it used more than ever at its end, and clearly more
    /// than on the whole.
    #[must_use]
    pub fn rose_to_its_end(&self) -> bool {
        let last = self.last();
        self.samples >= RUN_SAMPLES_MIN
            && last >= self.highest
            && last >= RUN_RISE_MIN * self.mean
            && last > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(values: impl Iterator<Item = f64>) -> LastRun {
        let mut run = LastRun::default();
        values.for_each(|value| run.sample(value));
        run
    }

    fn leak(to: f64) -> LastRun {
        run((0..200).map(|nth| to * (0.4 + 0.6 * f64::from(nth) / 199.0)))
    }

    /// Scenario: a flat process that ends, a leak that ends once, the same leak again, and one told; a value survived.
    /// Guarantees: a flat end is never a limit, one inferred end is none, two at the same height and one told are; the limit lies
    /// between what is given; what was survived lifts it.
    #[test]
    fn ends_become_a_limit() {
        let mut limit = LearnedLimit::default();
        limit.killed(&run((0..300).map(|nth| 500.0 + f64::from(nth % 3))), KillSource::Inferred);
        limit.killed(&run((0..300).map(|nth| 500.0 + f64::from(nth % 3))), KillSource::Inferred);
        limit.killed(&leak(500.0), KillSource::Inferred);
        assert_eq!(limit.estimate(), None);
        limit.killed(&leak(495.0), KillSource::Inferred);
        let known = limit.estimate().unwrap();
        assert_eq!((known.limit, known.kills), (500.0, 2));
        assert!(known.highest >= 500.0 && known.highest <= 505.0, "{known:?}");
        limit.survived(520.0);
        assert_eq!(limit.estimate().unwrap().limit, 520.0);
        let mut told = LearnedLimit::default();
        told.killed(&leak(300.0), KillSource::Told);
        assert_eq!(told.estimate().map(|known| known.kills), Some(1));
        told.killed(&LastRun::default(), KillSource::Told);
        assert_eq!(told.estimate().map(|known| known.kills), Some(1));
    }

    /// Scenario: hundreds of ends of all heights. Guarantees: four are kept.
    #[test]
    fn ends_are_bounded() {
        let mut limit = LearnedLimit::default();
        (1..500).for_each(|nth| limit.killed(&leak(f64::from(nth)), KillSource::Told));
        assert_eq!(limit.kills.len(), KILLS_MAX);
        assert_eq!(limit.estimate().map(|known| known.limit), Some(499.0));
    }
}
