//! Messages and dead letters into Kafka topics.
//!
//! Promises: a flush returns when all replicas that must have a message have it; within a partition messages stand in
//! the order in which they were said; a sink that was opened again reads the ends of its topics back and leaves out
//! what stands there already, by the message's id, also when an earlier process was killed between two messages.
//! What this module does not do: transactions; between the writing of a message and the checkpoint that counts it,
//! the id is what makes it one.

mod topics;

pub use topics::create_topics;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use brokers::{Followed, connect_to};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message as _, OwnedHeaders};
use rdkafka::producer::future_producer::{DeliveryFuture, FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::error::{EngineError, Retry};
use crate::operator::Message;
use crate::sink::{DeadLetter, DeadLetters, Sink};

const ID_HEADER: &str = "ce_id";
/// Messages that may be on their way before a write waits for the oldest.
const UNDERWAY_MAX: usize = 10_000;
/// How long reading a topic's end back may take.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// Where to, and how far back is looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSinkConfig {
    /// Bootstrap list.
    pub brokers: String,
    /// Topic on Kafka for each topic of [`Message::topic`]; one that is not named here keeps its name.
    pub topics: BTreeMap<String, String>,
    /// Messages at the end of each partition that are read back when the sink is opened.
    pub tail_records: u32,
    /// Settings of librdkafka that go last, as for TLS and SASL.
    pub client: Vec<(String, String)>,
}

impl KafkaSinkConfig {
    /// For these topics of messages, which have the same name on Kafka.
    #[must_use]
    pub fn new(brokers: &str, topics: &[&str]) -> Self {
        Self {
            brokers: brokers.to_owned(),
            topics: topics.iter().map(|topic| ((*topic).to_owned(), (*topic).to_owned())).collect(),
            tail_records: 10_000,
            client: Vec::new(),
        }
    }

    fn client(&self) -> ClientConfig {
        connect_to(&self.brokers)
    }

    fn producer(&self, context: Followed) -> Result<FutureProducer<Followed>, EngineError> {
        let mut client = brokers::followed(&self.brokers);
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", "300000");
        let made = self.extend(&mut client).create_with_context(context);
        made.map_err(|error| EngineError::Setting(format!("kafka: {error}")))
    }

    fn reader(&self) -> Result<BaseConsumer, KafkaError> {
        let mut client = self.client();
        client
            .set("group.id", "bellwether-tail")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest");
        self.extend(&mut client).create()
    }

    fn extend<'a>(&self, client: &'a mut ClientConfig) -> &'a mut ClientConfig {
        for (key, value) in &self.client {
            client.set(key, value);
        }
        client
    }
}

/// Writes messages to Kafka.
///
/// # Invariants
/// `handled` counts the lane's messages, written or found; those in `underway` are not durable yet.
pub struct KafkaSink {
    config: KafkaSinkConfig,
    producer: FutureProducer<Followed>,
    brokers: Followed,
    found: HashMap<String, u64>,
    underway: VecDeque<(String, DeliveryFuture)>,
    handled: u64,
}

impl std::fmt::Debug for KafkaSink {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KafkaSink").field("config", &self.config).finish_non_exhaustive()
    }
}

fn broker(action: &'static str, topic: &str, error: &KafkaError) -> EngineError {
    let retry = match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::MessageSizeTooLarge,
        ) => Retry::Never,
        _ => Retry::Later,
    };
    EngineError::Broker { action, topic: topic.to_owned(), why: error.to_string(), retry }
}

/// The lane starts again with a new producer, which writes what this one has not.
fn lost(topic: &str) -> EngineError {
    let why = "the client has lost its way to the cluster".to_owned();
    EngineError::Broker { action: "write to", topic: topic.to_owned(), why, retry: Retry::Later }
}

impl KafkaSink {
    /// A sink for these topics; [`Sink::resume`] reads their ends.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for settings that the client refuses.
    pub fn open(config: KafkaSinkConfig) -> Result<Self, EngineError> {
        let brokers = Followed::default();
        let producer = config.producer(brokers.clone())?;
        Ok(Self { config, producer, brokers, found: HashMap::new(), underway: VecDeque::new(), handled: 0 })
    }

    async fn send(&mut self, message: &Message) -> Result<(), EngineError> {
        let topic = self.config.topics.get(&message.topic).unwrap_or(&message.topic).clone();
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in &message.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        loop {
            let record = FutureRecord::to(&topic)
                .key(&message.key)
                .payload(&message.value[..])
                .headers(headers.clone());
            match self.producer.send_result(record) {
                Ok(delivery) => {
                    self.underway.push_back((topic, delivery));
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _))
                    if !self.underway.is_empty() =>
                {
                    self.land_oldest().await?;
                }
                Err((error, _)) => return Err(broker("write to", &topic, &error)),
            }
        }
    }

    async fn land_oldest(&mut self) -> Result<(), EngineError> {
        let Some((topic, delivery)) = self.underway.pop_front() else { return Ok(()) };
        let delivered = tokio::select! {
            biased;
            delivered = delivery => delivered,
            () = self.brokers.lost() => return Err(lost(&topic)),
        };
        match delivered {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(broker("write to", &topic, &error)),
            Err(_) => Err(EngineError::Stopped("the Kafka producer")),
        }
    }
}

impl Sink for KafkaSink {
    async fn resume(&mut self, from: u64) -> Result<Vec<Option<u64>>, EngineError> {
        self.handled = from;
        let config = self.config.clone();
        let read = move || {
            let reader = config.reader().map_err(|error| EngineError::Setting(format!("kafka: {error}")))?;
            let mut found = HashMap::new();
            for (said, topic) in &config.topics {
                read_end(&reader, (said, topic), config.tail_records, &mut found)
                    .map_err(|error| broker("read back", topic, &error))?;
            }
            Ok::<_, EngineError>(found)
        };
        self.found = tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| EngineError::Invariant(format!("reading back ended badly: {error}")))??;
        Ok(Vec::new())
    }

    fn pass_over(&mut self) {
        self.handled += 1;
    }

    async fn write(&mut self, messages: &[Message]) -> Result<(), EngineError> {
        for message in messages {
            match self.found.get(&identity(message)) {
                None => self.send(message).await?,
                Some(digest) if *digest == message.digest() => {}
                Some(_) => {
                    tracing::warn!(
                        topic = message.topic,
                        key = message.key,
                        "the topic holds another message with this id; left as it is"
                    );
                }
            }
            self.handled += 1;
            if self.underway.len() > UNDERWAY_MAX {
                self.land_oldest().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<u64, EngineError> {
        while !self.underway.is_empty() {
            self.land_oldest().await?;
        }
        Ok(self.handled)
    }
}

/// What makes two messages the same: topic, source and id, or everything where there is no id.
fn identity(message: &Message) -> String {
    match message.header(ID_HEADER) {
        Some(id) => format!("{}\n{}\n{id}", message.topic, message.header("ce_source").unwrap_or_default()),
        None => format!("{}\n{:016x}", message.topic, message.digest()),
    }
}

/// Reads the end of every partition of a topic.
fn read_end(
    reader: &BaseConsumer,
    (said, topic): (&str, &str),
    tail_records: u32,
    found: &mut HashMap<String, u64>,
) -> Result<(), KafkaError> {
    let metadata = reader.fetch_metadata(Some(topic), READ_WITHIN)?;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics().iter().filter(|of| of.name() == topic).flat_map(|of| of.partitions()) {
        let (low, high) = reader.fetch_watermarks(topic, partition.id(), READ_WITHIN)?;
        if low < high {
            let from = low.max(high - i64::from(tail_records));
            list.add_partition_offset(topic, partition.id(), Offset::Offset(from))?;
        }
    }
    let mut open = list.count();
    reader.assign(&list)?;
    while open > 0 {
        match reader.poll(READ_WITHIN) {
            Some(Ok(message)) => {
                let message = rebuilt(said, &message);
                found.insert(identity(&message), message.digest());
            }
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => return Err(error),
            None => return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut)),
        }
    }
    reader.unassign()
}

fn rebuilt(said: &str, message: &BorrowedMessage<'_>) -> Message {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    Message {
        topic: said.to_owned(),
        key: text(message.key()),
        headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
        value: message.payload().unwrap_or_default().to_vec().into(),
    }
}

/// Samples of unusable records as JSON to a topic.
pub struct KafkaDeadLetters {
    producer: FutureProducer<Followed>,
    brokers: Followed,
    topic: String,
}

impl std::fmt::Debug for KafkaDeadLetters {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KafkaDeadLetters").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl KafkaDeadLetters {
    /// To this topic.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for settings that the client refuses.
    pub fn open(config: &KafkaSinkConfig, topic: &str) -> Result<Self, EngineError> {
        let brokers = Followed::default();
        Ok(Self { producer: config.producer(brokers.clone())?, brokers, topic: topic.to_owned() })
    }
}

impl DeadLetters for KafkaDeadLetters {
    async fn put(&mut self, letters: &[DeadLetter]) -> Result<(), EngineError> {
        for letter in letters {
            let value = serde_json::to_vec(letter).map_err(|error| {
                EngineError::Invariant(format!("a dead letter cannot be written: {error}"))
            })?;
            let key = format!("{}@{}", letter.partition, letter.offset);
            let record = FutureRecord::to(&self.topic).key(&key).payload(&value);
            let sent = tokio::select! {
                sent = self.producer.send(record, Duration::from_secs(30)) => sent,
                () = self.brokers.lost() => return Err(lost(&self.topic)),
            };
            sent.map_err(|(error, _)| broker("write to", &self.topic, &error))?;
        }
        Ok(())
    }
}
