//! Which partitions are ours, and where each begins.
//!
//! Promises: a partition whose position is known begins there, not where the group has committed; one that was taken
//! away and came back begins where the group has got in the meantime, if that is further.
//! What this module does not do: read records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brokers::KnownBrokers;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaResult;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Notify;

use crate::record::Positions;
use crate::source::kafka::KafkaView;
use crate::source::kafka::reach::look;
use crate::telemetry::names::Metric;

/// How long the group may take to say what it has committed.
const ASK_WITHIN: Duration = Duration::from_secs(5);

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) number: i32,
}

impl Partition {
    /// As in [`Positions`].
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.topic, self.number)
    }

    pub(super) fn list(&self) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, self.number);
        list
    }
}

/// What happened to the assignment.
#[derive(Debug)]
pub(super) enum Change {
    Assigned(Vec<Partition>),
    Revoked(Vec<Partition>),
}

/// Follows the group's decisions.
#[derive(Debug)]
pub(super) struct Assignment {
    view: KafkaView,
    /// What the client knows of the cluster.
    pub(super) brokers: KnownBrokers,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: BTreeMap<String, u64>,
    was_revoked: BTreeSet<String>,
    changes: Vec<Change>,
}

impl Assignment {
    pub(super) fn new(positions: &Positions, view: KafkaView) -> Self {
        Self::begin(State { next: positions.0.clone(), ..State::default() }, view)
    }

    fn begin(state: State, view: KafkaView) -> Self {
        let brokers = KnownBrokers::default();
        Self { view, brokers, state: Mutex::new(state), news: Notify::new() }
    }

    /// For the client that takes the place of this one: goes on where this one has come to, as after an absence.
    pub(super) fn successor(&self) -> Self {
        let next = self.state().next.clone();
        let was_revoked = next.keys().cloned().collect();
        Self::begin(State { next, was_revoked, changes: Vec::new() }, self.view.clone())
    }

    /// What happened since the last call.
    pub(super) fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.state().changes)
    }

    /// Returns when something happened.
    pub(super) async fn changed(&self) {
        self.news.notified().await;
    }

    pub(super) fn next_of(&self, partition: &Partition) -> Option<u64> {
        self.state().next.get(&partition.name()).copied()
    }

    /// Notes that everything of the partition before this offset was given out.
    pub(super) fn advance(&self, partition: &Partition, next: u64) {
        self.state().next.insert(partition.name(), next);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The positions that the group has, for partitions that were away.
    fn committed(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> BTreeMap<String, u64> {
        let mut away = TopicPartitionList::new();
        for partition in partitions(list) {
            if self.state().was_revoked.contains(&partition.name()) {
                away.add_partition(&partition.topic, partition.number);
            }
        }
        if away.count() == 0 {
            return BTreeMap::new();
        }
        let Ok(answer) = consumer.committed_offsets(away, ASK_WITHIN) else { return BTreeMap::new() };
        let known = answer.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => {
                Some((format!("{}/{}", element.topic(), element.partition()), u64::try_from(offset).ok()?))
            }
            _ => None,
        });
        known.collect()
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) -> KafkaResult<()> {
        let committed = self.committed(consumer, list);
        let assigned = partitions(list);
        {
            let mut state = self.state();
            for (name, offset) in committed {
                let next = state.next.entry(name).or_default();
                *next = offset.max(*next);
            }
            for partition in &assigned {
                let Some(next) = state.next.get(&partition.name()) else { continue };
                let offset = Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX));
                list.set_partition_offset(&partition.topic, partition.number, offset)?;
            }
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(list)?,
            _ => consumer.assign(list)?,
        }
        tracing::info!(partitions = assigned.len(), "partitions assigned");
        self.tell(Change::Assigned(assigned));
        Ok(())
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let revoked = partitions(list);
        self.state().was_revoked.extend(revoked.iter().map(Partition::name));
        tracing::info!(partitions = revoked.len(), "partitions revoked");
        self.tell(Change::Revoked(revoked));
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
            _ => consumer.unassign(),
        }
    }

    fn tell(&self, change: Change) {
        self.state().changes.push(change);
        self.news.notify_one();
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    let elements = list.elements();
    let of = elements
        .iter()
        .map(|element| Partition { topic: element.topic().to_owned(), number: element.partition() });
    of.collect()
}

impl ClientContext for Assignment {
    fn stats(&self, statistics: Statistics) {
        self.brokers.look(&statistics);
        let (reach, lags) = look(&statistics, &self.state().next, self.view.clock.now());
        for (partition, lag) in lags {
            self.view.telemetry.gauge(Metric::ReadLag, &[&partition]).set_count(lag);
        }
        self.view.reach.send_replace(reach);
    }
}

impl ConsumerContext for Assignment {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let done = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, list),
            _ => self.revoke(consumer, list),
        };
        if let Err(error) = done {
            tracing::error!(%error, "the assignment of partitions cannot be followed");
        }
    }
}
