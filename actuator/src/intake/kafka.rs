//! Events from a Kafka topic: binary and structured mode, positions committed after the ledger holds the event.

use brokers::Followed;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::Received;
use super::backoff::Backoff;
use super::verify::{Refusal, verify_binary, verify_structured};
use crate::config::KafkaPlan;
use crate::error::{ActuatorError, Result};

/// A Kafka topic as an intake.
pub struct KafkaIntake {
    consumer: StreamConsumer<Followed>,
    plan: KafkaPlan,
    followed: Followed,
    topic: String,
    event_bytes_max: usize,
    open: Option<(String, i32, i64)>,
    backoff: Backoff,
    greeted: bool,
}

impl std::fmt::Debug for KafkaIntake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaIntake")
            .field("topic", &self.topic)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl KafkaIntake {
    /// Joins the consumer group.
    ///
    /// # Errors
    /// [`ActuatorError::Kafka`] if the client cannot be made.
    pub fn new(plan: &KafkaPlan, event_bytes_max: usize) -> Result<Self> {
        let (plan, followed) = (plan.clone(), Followed::default());
        let consumer = join(&plan, followed.clone())?;
        let (topic, backoff) = (plan.risk_events_topic.clone(), Backoff::default());
        Ok(Self { consumer, plan, followed, topic, event_bytes_max, open: None, backoff, greeted: false })
    }

    /// A new client in the place of one that knows no broker any more; it goes on where the group has committed.
    fn replace_client(&mut self) -> Result<()> {
        self.followed = Followed::default();
        let lost = std::mem::replace(&mut self.consumer, join(&self.plan, self.followed.clone())?);
        tokio::task::spawn_blocking(move || drop(lost));
        // its message comes again, and the ledger knows it
        self.open = None;
        Ok(())
    }

    /// Waits for what comes next.
    pub async fn next(&mut self) -> Received {
        if !self.greeted {
            // librdkafka connects by itself and says so only when it fails.
            self.greeted = true;
            return Received::Connected;
        }
        loop {
            let received = tokio::select! {
                received = self.consumer.recv() => Some(received),
                () = self.followed.lost() => None,
            };
            let Some(received) = received else {
                let why = "the client has lost its way to the cluster and is replaced".to_owned();
                return Received::Interrupted(
                    self.replace_client().err().map_or(why, |error| error.to_string()),
                );
            };
            match received {
                Ok(message) => {
                    self.backoff.succeed();
                    self.open = Some((message.topic().to_owned(), message.partition(), message.offset()));
                    if let Some(received) = read(&message, self.event_bytes_max) {
                        return received;
                    }
                }
                Err(error) => {
                    tokio::time::sleep(self.backoff.fail()).await;
                    return Received::Interrupted(format!("topic {}: {error}", self.topic));
                }
            }
        }
    }

    /// Commits the position of the message given last.
    ///
    /// # Errors
    /// Never fails the handling: a position that could not be committed means that the event comes again, and the
    /// ledger knows it. Only a position that cannot be expressed is an error.
    pub fn settle(&mut self) -> Result<()> {
        let Some((topic, partition, offset)) = self.open.take() else { return Ok(()) };
        let mut positions = TopicPartitionList::new();
        let added = positions.add_partition_offset(&topic, partition, Offset::Offset(offset + 1));
        added.map_err(|error| ActuatorError::Kafka {
            doing: "commit position of",
            topic,
            why: error.to_string(),
        })?;
        if let Err(error) = self.consumer.commit(&positions, CommitMode::Async) {
            tracing::warn!(partition, offset, error = error.to_string(), "position could not be committed");
        }
        Ok(())
    }
}

fn join(plan: &KafkaPlan, followed: Followed) -> Result<StreamConsumer<Followed>> {
    let fault = |doing, error: rdkafka::error::KafkaError| ActuatorError::Kafka {
        doing,
        topic: plan.risk_events_topic.clone(),
        why: error.to_string(),
    };
    let consumer: StreamConsumer<Followed> = brokers::followed(&plan.brokers.join(","))
        .set("group.id", &plan.group_id)
        .set("client.id", "bellwether-actuator")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("isolation.level", "read_committed")
        .set("queued.max.messages.kbytes", "16384")
        .create_with_context(followed)
        .map_err(|error| fault("open a consumer for", error))?;
    consumer.subscribe(&[&plan.risk_events_topic]).map_err(|error| fault("subscribe to", error))?;
    Ok(consumer)
}

/// Reads one message; `None` for a tombstone, which says nothing.
fn read(message: &BorrowedMessage<'_>, event_bytes_max: usize) -> Option<Received> {
    let data = message.payload()?;
    if data.len() > event_bytes_max {
        let text = format!("is longer than limits.event_bytes, which is {event_bytes_max}");
        return Some(Received::Refused(Refusal { code: "too_long", text, event_id: None }));
    }
    let header = |name: &str| {
        let found = message.headers()?.iter().find(|header| header.key.eq_ignore_ascii_case(name))?;
        found.value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let structured = header("content-type").is_some_and(|kind| kind.starts_with("application/cloudevents"));
    let verified = if structured { verify_structured(data) } else { verify_binary(header, data) };
    Some(verified.map_or_else(Received::Refused, |event| Received::Event(Box::new(event))))
}
