//! The largest of the values seen lately.
//!
//! What this module does not do: know what the values are.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::record::{NANOS_PER_SEC, UnixNanos};
use crate::time::window;

/// A rolling maximum by whole seconds.
///
/// # Invariants
/// Oldest first; values fall, because a smaller older one can never decide. At most one value per second that is
/// remembered, and the newest peak stays however old it is: what speaks seldom still has one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Peaks(VecDeque<(UnixNanos, UnixNanos)>);

impl Peaks {
    /// Whether nothing was seen so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in a value that was seen at this moment.
    pub(crate) fn see(&mut self, at: UnixNanos, value: UnixNanos) {
        let second = window::floor(at, NANOS_PER_SEC);
        while self.0.back().is_some_and(|(_, smaller)| *smaller <= value) {
            self.0.pop_back();
        }
        if self.0.back().is_none_or(|(newest, _)| *newest < second) {
            self.0.push_back((second, value));
        }
    }

    /// Forgets what was seen before this moment.
    pub(crate) fn forget(&mut self, before: UnixNanos) {
        while self.0.len() > 1 && self.0.front().is_some_and(|(second, _)| *second < before) {
            self.0.pop_front();
        }
    }

    /// The largest value; `None` before the first.
    pub(crate) fn largest(&self) -> Option<UnixNanos> {
        self.0.front().map(|(_, value)| *value)
    }

    /// How many values are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.0.len()
    }
}
