//! How far a client has read and whether it can read at all, out of its own statistics.
//!
//! What this module does not do: ask the broker anything.

use std::collections::BTreeMap;

use rdkafka::statistics::{Partition, Statistics};

use crate::record::UnixNanos;

/// A broker that answers fetches says something every half second; one that said nothing for so long is away.
const ANSWERS_WITHIN_MICROS: i64 = 5_000_000;

/// What a client can see of its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// When it looked; 0 before the first time.
    pub at: UnixNanos,
    /// Partitions that are assigned.
    pub partitions: usize,
    /// Of them, those whose broker answers.
    pub answered: usize,
    /// Records that could be read now, and were not given to the lane yet.
    pub waiting: u64,
}

impl Reach {
    /// Whether everything that the topics hold was read.
    #[must_use]
    pub fn is_all_read(&self) -> bool {
        self.partitions > 0 && self.answered == self.partitions && self.waiting == 0
    }
}

/// Reads a client's statistics; `next` are the offsets that the lane gets next. Gives what is in reach, and the lag of
/// each partition.
pub(super) fn look(
    statistics: &Statistics,
    next: &BTreeMap<String, u64>,
    at: UnixNanos,
) -> (Reach, Vec<(String, u64)>) {
    // the end of a partition is unknown until its broker has answered the first fetch
    let answers = |partition: &Partition| {
        partition.fetch_state == "active"
            && partition.hi_offset >= 0
            && statistics.brokers.values().any(|broker| {
                let is_near = (0..ANSWERS_WITHIN_MICROS).contains(&broker.rxidle);
                broker.nodeid == partition.broker && broker.state == "UP" && is_near
            })
    };
    let (mut reach, mut lags) = (Reach { at, ..Reach::default() }, Vec::new());
    for (topic, partitions) in &statistics.topics {
        for partition in partitions.partitions.values().filter(|partition| partition.desired) {
            let name = format!("{topic}/{}", partition.partition);
            let begins = u64::try_from(partition.lo_offset).unwrap_or(0);
            let ends = u64::try_from(partition.ls_offset.max(partition.hi_offset)).unwrap_or(0);
            let given = next.get(&name).copied().unwrap_or(begins);
            // the end may be a mark of a transaction, which is never given
            let seen = |offset: i64| u64::try_from(offset).unwrap_or(0);
            let is_at_end = partition.fetchq_cnt == 0
                && seen(partition.next_offset) >= ends
                && given >= seen(partition.app_offset);
            let lag = if is_at_end { 0 } else { ends.saturating_sub(given) };
            reach.partitions += 1;
            if answers(partition) {
                reach.answered += 1;
                reach.waiting += lag;
            }
            lags.push((name, lag));
        }
    }
    (reach, lags)
}
