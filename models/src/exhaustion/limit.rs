//! A limit that nobody reports, learned from the values at which processes were killed.
//!
//! A kill shows a limit only from one side: the last sample before it lies somewhat below. So the largest of the last few is
//! taken, and a value above it that was survived lifts it. What it does not do: guess before the first kill.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const KILLS_MAX: usize = 4;

/// What is known of an unreported limit.
///
/// ```
/// use models::exhaustion::LearnedLimit;
/// let mut limit = LearnedLimit::default();
/// assert_eq!(limit.value(), None);
/// limit.killed_at(480.0);
/// limit.killed_at(510.0);
/// assert_eq!(limit.value(), Some(510.0));
/// limit.survived(530.0);
/// assert_eq!(limit.value(), Some(530.0));
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LearnedLimit {
    kills: VecDeque<f64>,
}

impl LearnedLimit {
    /// The process was killed for want of the resource; `last` is the largest value seen shortly before.
    pub fn killed_at(&mut self, last: f64) {
        if last.is_finite() && last > 0.0 {
            self.kills.push_back(last);
            if self.kills.len() > KILLS_MAX {
                self.kills.pop_front();
            }
        }
    }

    /// A process lived with this value.
    pub fn survived(&mut self, value: f64) {
        if let Some(limit) = self.value().filter(|&limit| value.is_finite() && value > limit) {
            self.kills.iter_mut().filter(|kill| **kill >= limit).for_each(|kill| *kill = value);
        }
    }

    /// The limit, once a process was killed.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.kills.iter().copied().max_by(f64::total_cmp)
    }
}
