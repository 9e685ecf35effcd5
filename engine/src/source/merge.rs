//! Many input partitions as one ordered stream, with clock records between.
//!
//! The order is (effective stamp, partition, offset), where the effective stamp is the largest stamp so far within the
//! partition. Promises: the same partitions give the same order, in whatever pace they arrive, as long as a partition
//! that is not known to hold more is waited for. Before the first record of a second that was not reached yet, a
//! clock record for each full second comes (after a gap of over an hour, only for the last).
//! What this module does not do: read anything, or know what time it is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::record::{Compression, Encoding, NANOS_PER_SEC, Record, RecordKind, UnixNanos};
use crate::source::{Received, ResumeAt};
use crate::time::window;

/// A longer gap is not filled with clock records.
const FILLED_GAP: UnixNanos = 3_600 * NANOS_PER_SEC;

/// How sure it is that an empty partition has nothing that belongs before a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Emptiness {
    /// It holds more: wait for it, at most until this moment.
    HoldsMore(UnixNanos),
    /// All that it held was read: wait for what may be on its way, `wait` after a record came.
    CaughtUp,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This.
    Record(Received),
    /// Nothing before this moment, unless a record comes.
    NotBefore(UnixNanos),
    /// Nothing, until a record comes.
    Nothing,
}

/// # Invariants
/// Records of one partition leave in the order in which they came. `clock` never falls.
#[derive(Debug)]
pub(crate) struct Merge {
    partitions: BTreeMap<Arc<str>, Partition>,
    arrived: BTreeMap<String, UnixNanos>,
    clock: Option<UnixNanos>,
    tenant: Arc<str>,
    wait: UnixNanos,
}

#[derive(Debug)]
struct Partition {
    newest: UnixNanos,
    bytes: usize,
    emptiness: Emptiness,
    queue: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    offset: u64,
    came_at: UnixNanos,
    record: Record,
}

impl Merge {
    /// Goes on where `resume` says. `wait` is how long a record waits for other partitions.
    pub(crate) fn new(resume: &ResumeAt, tenant: Arc<str>, wait: UnixNanos) -> Self {
        Self {
            partitions: BTreeMap::new(),
            arrived: resume.arrived.clone(),
            clock: resume.log_clock,
            tenant,
            wait,
        }
    }

    /// A partition that takes part from now on.
    pub(crate) fn add(&mut self, name: Arc<str>, emptiness: Emptiness) {
        let newest = self.arrived.get(&*name).copied().unwrap_or(UnixNanos::MIN);
        let partition = Partition { newest, bytes: 0, emptiness, queue: VecDeque::new() };
        self.partitions.insert(name, partition);
    }

    /// A partition that takes part no longer; what of it waits is forgotten.
    pub(crate) fn remove(&mut self, name: &str) {
        self.partitions.remove(name);
    }

    /// What is known about a partition once it is empty.
    pub(crate) fn set_emptiness(&mut self, name: &str, emptiness: Emptiness) {
        if let Some(partition) = self.partitions.get_mut(name) {
            partition.emptiness = emptiness;
        }
    }

    /// Takes in the record of this offset, which came at this moment. Forgets it if the partition takes no part.
    pub(crate) fn push(&mut self, name: &str, offset: u64, (mut record, came_at): (Record, UnixNanos)) {
        let Some(partition) = self.partitions.get_mut(name) else { return };
        partition.newest = partition.newest.max(record.arrived_at);
        record.arrived_at = partition.newest;
        partition.bytes += record.body.len();
        partition.queue.push_back(Waiting { offset, came_at, record });
    }

    /// Records and body bytes of this partition that wait.
    pub(crate) fn waiting(&self, name: &str) -> (usize, usize) {
        self.partitions.get(name).map_or((0, 0), |partition| (partition.queue.len(), partition.bytes))
    }

    /// The record that is next at this moment.
    pub(crate) fn pop(&mut self, now: UnixNanos) -> Next {
        let heads = self.partitions.iter().filter_map(|(name, partition)| {
            let head = partition.queue.front()?;
            Some((head.record.arrived_at, name, head.offset, head.came_at))
        });
        let Some((stamp, name, offset, came_at)) = heads.min() else { return Next::Nothing };
        let name = Arc::clone(name);
        if let Some(until) = self.hold(came_at).filter(|until| *until > now) {
            return Next::NotBefore(until);
        }
        if let Some(second) = self.clock_due(stamp) {
            return Next::Record(self.clock_record(name, offset, second));
        }
        self.clock = Some(self.clock.map_or(stamp, |clock| clock.max(stamp)));
        let Some(head) = self.partitions.get_mut(&name).and_then(|partition| {
            let head = partition.queue.pop_front()?;
            partition.bytes = partition.bytes.saturating_sub(head.record.body.len());
            Some(head)
        }) else {
            return Next::Nothing;
        };
        match self.arrived.get_mut(&*name) {
            Some(newest) => *newest = stamp,
            None => {
                self.arrived.insert(name.as_ref().to_owned(), stamp);
            }
        }
        Next::Record(Received { partition: name, next_offset: head.offset + 1, record: head.record })
    }

    /// Until when the empty partitions hold back a record that came at this moment.
    fn hold(&self, came_at: UnixNanos) -> Option<UnixNanos> {
        let empty = self.partitions.values().filter(|partition| partition.queue.is_empty());
        empty
            .map(|partition| match partition.emptiness {
                Emptiness::HoldsMore(until) => until,
                Emptiness::CaughtUp => came_at.saturating_add(self.wait),
            })
            .max()
    }

    fn clock_due(&self, stamp: UnixNanos) -> Option<UnixNanos> {
        let clock = self.clock?;
        let last = window::floor(stamp, NANOS_PER_SEC);
        let next = window::floor(clock, NANOS_PER_SEC).saturating_add(NANOS_PER_SEC);
        let due = if last.saturating_sub(clock) > FILLED_GAP { last } else { next };
        (due <= stamp).then_some(due)
    }

    fn clock_record(&mut self, partition: Arc<str>, next_offset: u64, second: UnixNanos) -> Received {
        self.clock = Some(second);
        let record = clock_record(Arc::clone(&self.tenant), second);
        Received { partition, next_offset, record }
    }
}

/// A record that says only that time goes on.
pub(crate) fn clock_record(tenant: Arc<str>, arrived_at: UnixNanos) -> Record {
    Record {
        tenant,
        arrived_at,
        kind: RecordKind::Clock,
        encoding: Encoding::Json,
        compression: Compression::None,
        body: Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEC: i64 = NANOS_PER_SEC;

    fn record(arrived_at: UnixNanos) -> Record {
        Record { kind: RecordKind::Spans, ..clock_record("t".into(), arrived_at) }
    }

    fn merge(resume: &ResumeAt, partitions: usize) -> Merge {
        let mut merge = Merge::new(resume, "t".into(), SEC / 2);
        for n in 0..partitions {
            merge.add(format!("p/{n}").into(), Emptiness::CaughtUp);
        }
        merge
    }

    fn drain(merge: &mut Merge, now: UnixNanos, resume: &mut ResumeAt) -> Vec<Received> {
        std::iter::from_fn(|| match merge.pop(now) {
            Next::Record(received) => {
                resume.advance(&received);
                Some(received)
            }
            _ => None,
        })
        .collect()
    }

    /// Scenario: two partitions, one empty. Guarantees: a record waits for it exactly as long as it should, longer if
    /// the partition is known to hold more, and not at all once the other has something later.
    #[test]
    fn an_empty_partition_is_waited_for() {
        let mut merge = merge(&ResumeAt::default(), 2);
        assert_eq!(merge.pop(0), Next::Nothing);
        merge.push("p/1", 0, (record(10 * SEC), 1_000));
        assert_eq!(merge.pop(1_000), Next::NotBefore(1_000 + SEC / 2));
        merge.set_emptiness("p/0", Emptiness::HoldsMore(9 * SEC));
        assert_eq!(merge.pop(2 * SEC), Next::NotBefore(9 * SEC));
        merge.push("p/0", 4, (record(11 * SEC), 2 * SEC));
        assert!(matches!(merge.pop(2 * SEC), Next::Record(received) if &*received.partition == "p/1"));
    }

    /// Scenario: a record 2.5 s after the one before. Guarantees: two clock records in between, which do not move the
    /// position past a record that was not given yet.
    #[test]
    fn seconds_are_told() {
        let (mut merge, mut resume) = (merge(&ResumeAt::default(), 1), ResumeAt::default());
        merge.push("p/0", 7, (record(10 * SEC), 0));
        merge.push("p/0", 8, (record(12 * SEC + SEC / 2), 0));
        let given = drain(&mut merge, SEC, &mut resume);
        let seen: Vec<_> =
            given.iter().map(|r| (r.record.kind, r.record.arrived_at, r.next_offset)).collect();
        assert_eq!(
            seen,
            [
                (RecordKind::Spans, 10 * SEC, 8),
                (RecordKind::Clock, 11 * SEC, 8),
                (RecordKind::Clock, 12 * SEC, 8),
                (RecordKind::Spans, 12 * SEC + SEC / 2, 9),
            ]
        );
        merge.push("p/0", 9, (record(12 * SEC + 90 * 24 * 3_600 * SEC), 0));
        assert_eq!(drain(&mut merge, SEC, &mut resume).len(), 2, "a gap of months is not filled");
    }

    proptest! {
        /// Scenario: the same partitions, read in one go, or in another interleaving and stopped and resumed at any
        /// record. Guarantees: the same records in the same order, clock records included.
        #[test]
        fn same_partitions_same_order(
            stamps in prop::collection::vec((0_usize..3, 0_i64..20_000), 1..80),
            cut in 0_usize..120,
        ) {
            let mut parts = vec![Vec::new(); 3];
            for (n, ms) in stamps {
                parts[n].push(ms * 1_000_000);
            }
            let fill = |merge: &mut Merge, resume: &ResumeAt, reverse: bool| {
                let mut order = [0, 1, 2];
                if reverse { order.reverse(); }
                for n in order {
                    let name = format!("p/{n}");
                    for (offset, at) in parts[n].iter().enumerate().skip(resume.positions.next_of(&name) as usize) {
                        merge.push(&name, offset as u64, (record(*at), 0));
                    }
                }
            };
            let mut whole = ResumeAt::default();
            let mut one = merge(&whole, 3);
            fill(&mut one, &whole, false);
            let expected = drain(&mut one, SEC, &mut whole);

            let mut resume = ResumeAt::default();
            let mut first = merge(&resume, 3);
            fill(&mut first, &resume, true);
            let mut given = Vec::new();
            while given.len() < cut && let Next::Record(received) = first.pop(SEC) {
                resume.advance(&received);
                given.push(received);
            }
            let mut second = merge(&resume, 3);
            fill(&mut second, &resume, true);
            given.extend(drain(&mut second, SEC, &mut resume));
            prop_assert_eq!(given, expected);
            prop_assert_eq!(resume, whole);
        }
    }
}
