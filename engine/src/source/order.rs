//! The order in which a source took records of several partitions, so that it can take them so again.
//!
//! Where the order follows from the records alone nothing of this is needed. A source that decides by waiting (for a
//! partition that may have something earlier) decides differently next time: its decisions are kept, as far as
//! something was said that depends on them, and repeated after a restart.
//! What this module does not do: write anything down; [`crate::state::Checkpoints`] does.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::record::{RecordKind, UnixNanos};
use crate::source::Received;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Taken {
    /// So many records of a partition.
    Records {
        /// Input partition.
        partition: String,
        /// How many.
        n: u32,
    },
    /// Time went on: a clock record that stands in no partition.
    Clock {
        /// The partition under which it was given.
        partition: String,
        /// The offset that was next there.
        next_offset: u64,
        /// Its stamp.
        at: UnixNanos,
    },
}

/// Decisions, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Order(VecDeque<Taken>);

impl Order {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many records they are about, clock records included.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.0.iter().map(|taken| if let Taken::Records { n, .. } = taken { u64::from(*n) } else { 1 }).sum()
    }

    /// Notes that this record was taken.
    pub fn note(&mut self, received: &Received) {
        let name = received.partition.as_ref();
        if received.record.kind == RecordKind::Clock {
            let (partition, at) = (name.to_owned(), received.record.arrived_at);
            self.0.push_back(Taken::Clock { partition, next_offset: received.next_offset, at });
            return;
        }
        match self.0.back_mut() {
            Some(Taken::Records { partition, n }) if partition == name && *n < u32::MAX => *n += 1,
            _ => self.0.push_back(Taken::Records { partition: name.to_owned(), n: 1 }),
        }
    }

    /// Adds later decisions.
    pub fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }

    /// Leaves out up to so many records at the beginning; gives how many of them there were not.
    pub fn skip(&mut self, records: u64) -> u64 {
        let mut left = records;
        while left > 0 && self.step().is_some() {
            left -= 1;
        }
        left
    }

    /// The oldest decision.
    #[must_use]
    pub fn first(&self) -> Option<&Taken> {
        self.0.front()
    }

    /// Goes on by one record.
    pub fn step(&mut self) -> Option<()> {
        match self.0.front_mut()? {
            Taken::Records { n, .. } if *n > 1 => *n -= 1,
            _ => drop(self.0.pop_front()),
        }
        Some(())
    }
}
