//! Many input partitions as one ordered stream, with clock records between.
//!
//! The order is what was decided before a restart, as far as that was kept; then (effective stamp, partition, offset), where the effective stamp is the largest stamp so far within the
//! partition. Promises: the same partitions give the same order, in whatever pace they arrive, as long as a partition
//! that is not known to hold more is waited for. Before the first record of a second that was not reached yet, a
//! clock record for each full second comes (after a gap of over an hour, only for the last).
//! What this module does not do: read anything, or know what time it is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::record::{Compression, Encoding, NANOS_PER_SEC, Record, RecordKind, UnixNanos};
use crate::source::{Order, Received, ResumeAt, Taken};
use crate::time::window;

/// A longer gap is not filled with clock records.
const FILLED_GAP: UnixNanos = 3_600 * NANOS_PER_SEC;
/// A decision about a partition that is not ours any more is waited with for so long.
const AWAY_WITHIN: UnixNanos = 30 * NANOS_PER_SEC;
/// While nothing comes, time goes on so far behind the clock.
const IDLE_BEHIND: UnixNanos = NANOS_PER_SEC;

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
    order: Order,
    away_since: Option<UnixNanos>,
    last: Option<(Arc<str>, u64)>,
    /// Log clock and time when the last record was given.
    anchor: Option<(UnixNanos, UnixNanos)>,
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
            order: resume.order.clone(),
            away_since: None,
            last: resume.positions.0.iter().next().map(|(name, next)| (name.as_str().into(), *next)),
            anchor: None,
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
        let next = self.decided(now).unwrap_or_else(|| self.decide(now));
        if let Next::Record(received) = &next {
            self.last = Some((Arc::clone(&received.partition), received.next_offset));
            self.anchor = self.clock.map(|clock| (clock, now));
        }
        next
    }

    /// When time may go on although nothing comes; `None` before there was any time.
    pub(crate) fn idle_due(&mut self, now: UnixNanos) -> Option<UnixNanos> {
        let clock = self.clock?;
        let (anchored, at) = *self.anchor.get_or_insert((clock, now));
        let next = window::floor(clock, NANOS_PER_SEC).saturating_add(NANOS_PER_SEC);
        Some(at.saturating_add(next.saturating_sub(anchored)).saturating_add(IDLE_BEHIND))
    }

    /// A clock record, because all partitions are known to be empty at this moment and time goes on.
    pub(crate) fn idle(&mut self, now: UnixNanos) -> Option<Received> {
        let (due, (partition, next_offset)) = (self.idle_due(now)?, self.last.clone()?);
        let next = window::floor(self.clock?, NANOS_PER_SEC).saturating_add(NANOS_PER_SEC);
        (due <= now && self.order.is_empty()).then(|| self.clock_record(partition, next_offset, next))
    }

    /// What was decided before the restart; `None` when there is nothing left of it.
    fn decided(&mut self, now: UnixNanos) -> Option<Next> {
        match self.order.first()?.clone() {
            Taken::Clock { partition, next_offset, at } => {
                self.order.step();
                Some(Next::Record(self.clock_record(partition.as_str().into(), next_offset, at)))
            }
            Taken::Records { partition, .. } => {
                if let Some(received) = self.take(&partition) {
                    self.order.step();
                    self.away_since = None;
                    return Some(Next::Record(received));
                }
                if self.partitions.is_empty() || self.partitions.contains_key(partition.as_str()) {
                    self.away_since = None;
                    return Some(Next::Nothing);
                }
                let until = self.away_since.get_or_insert(now).saturating_add(AWAY_WITHIN);
                if until > now {
                    return Some(Next::NotBefore(until));
                }
                tracing::warn!(
                    partition,
                    "a partition that was read before the restart is read by another process now"
                );
                self.order = Order::default();
                None
            }
        }
    }

    fn decide(&mut self, now: UnixNanos) -> Next {
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
        self.take(&name).map_or(Next::Nothing, Next::Record)
    }

    fn take(&mut self, name: &str) -> Option<Received> {
        let (name, partition) = self
            .partitions
            .get_key_value(name)
            .map(|(name, _)| Arc::clone(name))
            .and_then(|name| Some((Arc::clone(&name), self.partitions.get_mut(&name)?)))?;
        let head = partition.queue.pop_front()?;
        partition.bytes = partition.bytes.saturating_sub(head.record.body.len());
        let stamp = head.record.arrived_at;
        self.clock = Some(self.clock.map_or(stamp, |clock| clock.max(stamp)));
        self.arrived.insert(name.as_ref().to_owned(), stamp);
        Some(Received { partition: name, next_offset: head.offset + 1, record: head.record })
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

    /// Scenario: nothing comes any more. Guarantees: time goes on at the pace of the clock, a second behind it, from
    /// the newest stamp on; and not before there was any time.
    #[test]
    fn time_goes_on_without_records() {
        let mut merge = merge(&ResumeAt::default(), 1);
        assert_eq!((merge.idle_due(SEC), merge.idle(SEC)), (None, None));
        merge.push("p/0", 7, (record(100 * SEC + SEC / 4), 500 * SEC));
        assert!(matches!(merge.pop(500 * SEC), Next::Record(_)));
        assert_eq!(merge.idle(501 * SEC), None);
        for n in 1..4 {
            let due = merge.idle_due(500 * SEC).unwrap();
            assert_eq!(due, (500 + n) * SEC - SEC / 4 + SEC);
            let clock = merge.idle(due).unwrap();
            assert_eq!((clock.record.arrived_at, clock.next_offset), ((100 + n) * SEC, 8));
        }
    }

    /// Scenario: what was decided about a partition that is not assigned any more. Guarantees: it is waited for, not
    /// for ever, and then records go on in the usual order.
    #[test]
    fn a_partition_that_moved_away_does_not_stop_the_others() {
        let mut resume = ResumeAt::default();
        let received =
            |n: u32| Received { partition: format!("p/{n}").into(), next_offset: 1, record: record(SEC) };
        resume.order.note(&received(9));
        resume.order.note(&received(0));
        let mut merge = merge(&resume, 1);
        merge.push("p/0", 0, (record(SEC), 0));
        assert_eq!(merge.pop(SEC), Next::NotBefore(31 * SEC));
        assert!(matches!(merge.pop(31 * SEC), Next::Record(_)));
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

        /// Scenario: records come in any pace, many far later than a record waits for others; seconds without any.
        /// A run is killed somewhere, and what it decided up to a moment before is kept. Guarantees: the next run,
        /// to which the same records come in another pace, gives the same up to there, and each record once.
        #[test]
        fn what_was_decided_is_decided_again(
            stamps in prop::collection::vec((0_usize..3, 0_i64..20_000), 1..80),
            paces in prop::collection::vec((0_usize..3, 1_usize..5, 0_i64..3_000), 60),
            kept in 0_usize..150,
        ) {
            let mut parts = vec![Vec::new(); 3];
            for (n, ms) in stamps {
                parts[n].push(ms * 1_000_000);
            }
            let run = |resume: &ResumeAt, paces: &mut dyn Iterator<Item = &(usize, usize, i64)>| {
                let mut merge = merge(resume, 3);
                let mut next: Vec<usize> =
                    (0..3).map(|n| resume.positions.next_of(&format!("p/{n}")) as usize).collect();
                let (mut given, mut at, mut now) = (Vec::new(), resume.clone(), 0);
                for (n, count, passed) in paces {
                    for _ in 0..*count {
                        if let Some(stamp) = parts[*n].get(next[*n]) {
                            merge.push(&format!("p/{n}"), next[*n] as u64, (record(*stamp), now));
                            next[*n] += 1;
                        }
                    }
                    now += passed * 1_000_000;
                    given.extend(drain(&mut merge, now, &mut at));
                    given.extend(merge.idle(now));
                }
                for (n, part) in parts.iter().enumerate() {
                    for (offset, stamp) in part.iter().enumerate().skip(next[n]) {
                        merge.push(&format!("p/{n}"), offset as u64, (record(*stamp), now));
                    }
                }
                given.extend(drain(&mut merge, now + 60 * SEC, &mut at));
                given
            };
            let first = run(&ResumeAt::default(), &mut paces.iter());
            let mut resume = ResumeAt::default();
            let kept = kept.min(first.len());
            first[..kept].iter().for_each(|received| resume.order.note(received));
            resume.order = postcard::from_bytes(&postcard::to_stdvec(&resume.order).unwrap()).unwrap();
            let again = run(&resume, &mut paces.iter().rev());
            prop_assert_eq!(&again[..kept], &first[..kept]);
            let data = again.iter().filter(|received| received.record.kind != RecordKind::Clock);
            let mut seen: Vec<_> = data.map(|received| (received.partition.as_ref(), received.next_offset)).collect();
            seen.sort();
            seen.dedup();
            prop_assert_eq!(seen.len(), parts.iter().map(Vec::len).sum::<usize>());
        }
    }
}
