//! Kafka topics as a source: all assigned partitions merged into one ordered stream.
//!
//! Promises: the positions of a checkpoint decide where reading goes on, whatever the group has committed; a broker
//! that is away for a while loses and repeats nothing; what the topics held when a partition was assigned is given in
//! the same order by every reading; so is what comes later, as long as no record takes longer than
//! [`KafkaSourceConfig::wait_ms`] to get here than another one with a later stamp. Memory is bounded by
//! [`KafkaSourceConfig::queue_records`] and `queue_bytes` per partition.
//!
//! Not promised: exactly once across two processes. When a partition moves to another process of the group, what was
//! read after the last checkpoint is read there again, and the state of its keys begins anew.
//!
//! The order that is found is a decision that the lane keeps as long as it matters, and that is repeated after a
//! restart; so is the going on of time while the topics are known to be empty.

mod assignment;
mod config;
mod event;
mod reach;

pub use config::{Begin, KafkaSourceConfig, KafkaTopic};
pub use reach::Reach;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::watch;

use crate::error::{EngineError, Retry};
use crate::record::{Compression, Encoding, NANOS_PER_SEC, Positions, Record, RecordKind, UnixNanos};
use crate::source::kafka::assignment::{Assignment, Change, Partition};
use crate::source::merge::{Emptiness, Merge, Next};
use crate::source::{Received, ResumeAt, Source};
use crate::telemetry::Telemetry;
use crate::telemetry::names::Metric;
use crate::time::clock::Clock;

/// How long a broker may take to say how much a partition holds.
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// A partition that holds more is waited for, but no longer than this after it said something.
const HOLDS_MORE_WITHIN: UnixNanos = 30 * NANOS_PER_SEC;
/// What was seen of the topics holds for so long.
const SEEN_WITHIN: UnixNanos = 3 * NANOS_PER_SEC;
/// How often it is looked whether everything was read, while nothing comes.
const QUIET_POLL: UnixNanos = NANOS_PER_SEC / 5;
/// Pause after an error of the client, which goes on trying by itself.
const ERROR_PAUSE: Duration = Duration::from_millis(200);

/// What a source looks at, and where it shows itself.
#[derive(Debug, Clone)]
pub struct KafkaView {
    /// For waiting.
    pub clock: Clock,
    /// For counting.
    pub telemetry: Telemetry,
    /// Shows once a second what is in reach.
    pub reach: watch::Sender<Reach>,
}

/// Reads Kafka topics.
pub struct KafkaSource {
    config: KafkaSourceConfig,
    tenant: Arc<str>,
    consumer: Arc<StreamConsumer<Assignment>>,
    merge: Merge,
    partitions: Vec<Reading>,
    clock: Clock,
    telemetry: Telemetry,
    reach: watch::Receiver<Reach>,
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KafkaSource").field("config", &self.config).finish_non_exhaustive()
    }
}

fn join(config: &KafkaSourceConfig, context: Assignment) -> Result<StreamConsumer<Assignment>, EngineError> {
    let refused = |error: KafkaError| EngineError::Setting(format!("kafka: {error}"));
    let consumer: StreamConsumer<Assignment> =
        config.client().create_with_context(context).map_err(refused)?;
    let topics: Vec<&str> = config.topics.iter().map(|topic| topic.name.as_str()).collect();
    consumer.subscribe(&topics).map_err(refused)?;
    Ok(consumer)
}

/// One assigned partition.
struct Reading {
    partition: Partition,
    name: Arc<str>,
    topic: KafkaTopic,
    /// The offset that comes next, and the one that was next when it was assigned; once known.
    next: Option<u64>,
    end: Option<u64>,
    is_paused: bool,
}

impl KafkaSource {
    /// Joins the group; reading begins where `resume` says.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for settings that the client refuses.
    pub fn open(config: KafkaSourceConfig, resume: &ResumeAt, view: KafkaView) -> Result<Self, EngineError> {
        let (clock, telemetry, reach) = (view.clock.clone(), view.telemetry.clone(), view.reach.subscribe());
        let consumer = join(&config, Assignment::new(&resume.positions, view))?;
        let tenant: Arc<str> = config.tenant.as_str().into();
        let merge = Merge::new(resume, Arc::clone(&tenant), i64::from(config.wait_ms) * 1_000_000);
        let consumer = Arc::new(consumer);
        Ok(Self { config, tenant, consumer, merge, partitions: Vec::new(), clock, telemetry, reach })
    }

    /// Puts a new client in the place of one that has lost its way to the cluster.
    fn replace_client(&mut self) -> Result<(), EngineError> {
        tracing::warn!("the Kafka client has lost its way to the cluster and is replaced");
        self.telemetry.counter(Metric::KafkaClientsReplaced, &["source"]).add(1);
        let successor = Arc::new(join(&self.config, self.consumer.context().successor())?);
        let lost = std::mem::replace(&mut self.consumer, successor);
        tokio::task::spawn_blocking(move || drop(lost));
        for reading in self.partitions.drain(..) {
            self.merge.remove(&reading.name);
        }
        Ok(())
    }

    /// Names of the partitions that are read now.
    #[must_use]
    pub fn assigned(&self) -> Vec<String> {
        self.partitions.iter().map(|reading| reading.name.as_ref().to_owned()).collect()
    }

    fn follow_assignment(&mut self) {
        for change in self.consumer.context().changes() {
            match change {
                Change::Assigned(list) => list.into_iter().for_each(|partition| self.assign(partition)),
                Change::Revoked(list) => {
                    for partition in &list {
                        self.merge.remove(&partition.name());
                    }
                    self.partitions.retain(|reading| !list.contains(&reading.partition));
                }
            }
        }
    }

    fn assign(&mut self, partition: Partition) {
        let Some(topic) = self.config.topics.iter().find(|topic| topic.name == partition.topic) else {
            return;
        };
        let (name, topic): (Arc<str>, _) = (partition.name().into(), topic.clone());
        let holds_more = Emptiness::HoldsMore(self.clock.now().saturating_add(HOLDS_MORE_WITHIN));
        self.merge.add(Arc::clone(&name), holds_more);
        let next = self.consumer.context().next_of(&partition);
        self.partitions.retain(|reading| reading.partition != partition);
        self.partitions.push(Reading { partition, name, topic, next, end: None, is_paused: false });
    }

    /// Whether all partitions are known to hold nothing that was not given.
    fn is_quiet(&self, now: UnixNanos) -> bool {
        let reach = *self.reach.borrow();
        let is_fresh = now.saturating_sub(reach.at) <= SEEN_WITHIN;
        is_fresh && reach.is_all_read() && reach.partitions == self.partitions.len()
    }

    fn is_end_unknown(&self) -> bool {
        self.partitions.iter().any(|reading| reading.end.is_none())
    }

    /// Asks how much the new partitions hold.
    async fn learn_ends(&mut self) {
        let unknown: Vec<Partition> = self
            .partitions
            .iter()
            .filter(|reading| reading.end.is_none())
            .map(|reading| reading.partition.clone())
            .collect();
        let consumer = Arc::clone(&self.consumer);
        let ask = move || {
            let ask = |of: &Partition| consumer.fetch_watermarks(&of.topic, of.number, ASK_WITHIN).ok();
            unknown.iter().map(|of| (of.clone(), ask(of))).collect::<Vec<_>>()
        };
        for (partition, answer) in tokio::task::spawn_blocking(ask).await.unwrap_or_default() {
            let Some(reading) = self.partitions.iter_mut().find(|reading| reading.partition == partition)
            else {
                continue;
            };
            let Some((low, high)) = answer else { continue };
            let [low, high] = [low, high].map(|offset| u64::try_from(offset).unwrap_or(0));
            let lost = reading.next.map_or(0, |next| low.saturating_sub(next));
            if lost > 0 {
                self.telemetry.dropped("kafka_source", "expired").add(lost);
                tracing::warn!(partition = %reading.name, lost, "records were removed from the topic before they were read");
            }
            reading.end = Some(high);
            let nothing = low >= high || reading.next.is_some_and(|next| next >= high);
            let newest = reading.next.is_none() && self.config.begin == Begin::Newest;
            if nothing || newest {
                self.merge.set_emptiness(&reading.name, Emptiness::CaughtUp);
            }
        }
    }

    fn take(&mut self, taken: Option<(Partition, u64, Record)>) {
        let Some((partition, offset, mut record)) = taken else { return };
        let Some(reading) = self.partitions.iter_mut().find(|reading| reading.partition == partition) else {
            return;
        };
        if reading.next.is_some_and(|next| offset < next) {
            return;
        }
        reading.next = Some(offset + 1);
        record.kind = reading.topic.kind;
        record.encoding = reading.topic.encoding;
        let now = self.clock.now();
        self.merge.push(&reading.name, offset, (record, now));
        let emptiness = match reading.end {
            Some(end) if offset + 1 >= end => Emptiness::CaughtUp,
            _ => Emptiness::HoldsMore(now.saturating_add(HOLDS_MORE_WITHIN)),
        };
        self.merge.set_emptiness(&reading.name, emptiness);
        let (records, bytes) = self.merge.waiting(&reading.name);
        let is_full = records >= self.config.queue_records || bytes >= self.config.queue_bytes;
        if is_full && !reading.is_paused {
            reading.is_paused = self.consumer.pause(&reading.partition.list()).is_ok();
        }
    }

    fn given(&mut self, received: &Received) {
        let Some(reading) = self.partitions.iter_mut().find(|reading| reading.name == received.partition)
        else {
            return;
        };
        self.consumer.context().advance(&reading.partition, received.next_offset);
        let (records, bytes) = self.merge.waiting(&reading.name);
        let is_low = records <= self.config.queue_records / 2 && bytes <= self.config.queue_bytes / 2;
        if is_low && reading.is_paused {
            reading.is_paused = self.consumer.resume(&reading.partition.list()).is_err();
        }
    }

    fn record(tenant: &Arc<str>, message: &BorrowedMessage<'_>) -> Option<(Partition, u64, Record)> {
        let partition = Partition { topic: message.topic().to_owned(), number: message.partition() };
        let body = event::document(message)?;
        let stamp = message.timestamp().to_millis().unwrap_or(0);
        let record = Record {
            tenant: Arc::clone(tenant),
            arrived_at: stamp.max(0).saturating_mul(1_000_000),
            kind: RecordKind::Logs,
            encoding: Encoding::Json,
            compression: Compression::None,
            body: Bytes::from(body),
        };
        Some((partition, u64::try_from(message.offset()).ok()?, record))
    }

    /// Takes in what the client has, until `until` or until it has something.
    async fn poll(&mut self, until: Option<UnixNanos>) -> Result<(), EngineError> {
        let (consumer, clock) = (Arc::clone(&self.consumer), self.clock.clone());
        let timer = async {
            match until {
                Some(until) => clock.sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = consumer.context().changed() => Ok(()),
            () = consumer.context().brokers.lost() => Ok(()),
            message = consumer.recv() => match message {
                Ok(message) => {
                    self.follow_assignment();
                    self.take(Self::record(&self.tenant, &message));
                    Ok(())
                }
                Err(error) => self.fault(error).await,
            },
            () = timer => Ok(()),
        }
    }

    async fn fault(&self, error: KafkaError) -> Result<(), EngineError> {
        let topics: Vec<&str> = self.config.topics.iter().map(|topic| topic.name.as_str()).collect();
        let fatal = |retry| EngineError::Broker {
            action: "read",
            topic: topics.join(", "),
            why: error.to_string(),
            retry,
        };
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::FencedInstanceId) => Err(fatal(Retry::Later)),
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::SaslAuthenticationFailed,
            ) => Err(fatal(Retry::Never)),
            _ => {
                tracing::warn!(%error, "the Kafka client reports a problem and goes on trying");
                tokio::time::sleep(ERROR_PAUSE).await;
                Ok(())
            }
        }
    }
}

impl Source for KafkaSource {
    async fn next(&mut self) -> Result<Option<Received>, EngineError> {
        loop {
            if self.consumer.context().brokers.are_lost() {
                self.replace_client()?;
            }
            self.follow_assignment();
            if self.is_end_unknown() {
                self.learn_ends().await;
                if self.is_end_unknown() {
                    tokio::time::sleep(ERROR_PAUSE).await;
                }
            }
            let now = self.clock.now();
            match self.merge.pop(now) {
                Next::Record(received) => {
                    self.given(&received);
                    return Ok(Some(received));
                }
                Next::NotBefore(until) => self.poll(Some(until)).await?,
                Next::Nothing => match self.merge.idle_due(now) {
                    Some(due) if due <= now && self.is_quiet(now) => {
                        if let Some(clock) = self.merge.idle(now) {
                            return Ok(Some(clock));
                        }
                        self.poll(Some(now.saturating_add(QUIET_POLL))).await?;
                    }
                    Some(due) => self.poll(Some(due.max(now.saturating_add(QUIET_POLL)))).await?,
                    None => self.poll(None).await?,
                },
            }
        }
    }

    fn decides_order(&self) -> bool {
        true
    }

    async fn commit(&mut self, upto: &Positions) -> Result<(), EngineError> {
        let mut list = TopicPartitionList::new();
        for reading in &self.partitions {
            let Some(next) = upto.0.get(&*reading.name) else { continue };
            let offset = Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX));
            if list.add_partition_offset(&reading.partition.topic, reading.partition.number, offset).is_err()
            {
                tracing::warn!(partition = %reading.name, next, "offset cannot be committed");
            }
        }
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
        {
            tracing::warn!(%error, "the group does not take the offsets; the checkpoint has them");
        }
        Ok(())
    }
}
