//! Outcomes to a Kafka topic, CloudEvents in binary mode, key = the scope.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use brokers::Followed;
use contract::Outcome;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::{Delivery, envelope};
use crate::config::KafkaPlan;
use crate::error::{ActuatorError, Result};

/// Produces outcomes.
pub struct KafkaSender {
    producer: Mutex<(FutureProducer<Followed>, Followed)>,
    plan: KafkaPlan,
    topic: String,
}

impl std::fmt::Debug for KafkaSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSender").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl KafkaSender {
    /// Opens the producer.
    ///
    /// # Errors
    /// [`ActuatorError::Kafka`] if the client cannot be made.
    pub fn new(plan: &KafkaPlan) -> Result<Self> {
        Ok(Self { producer: Mutex::new(open(plan)?), plan: plan.clone(), topic: plan.outcomes_topic.clone() })
    }

    /// The producer; a new one if the old one knows no broker any more.
    fn producer(&self) -> Result<FutureProducer<Followed>> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if producer.1.is_lost() {
            *producer = open(&self.plan)?;
        }
        Ok(producer.0.clone())
    }

    /// Sends one outcome and waits until all replicas have it.
    pub async fn send(&self, outcome: &Outcome) -> Delivery {
        let envelope = envelope(outcome);
        let data = match serde_json::to_vec(&envelope.data) {
            Ok(data) => data,
            Err(error) => return Delivery::Rejected(error.to_string()),
        };
        let mut headers =
            OwnedHeaders::new().insert(Header { key: "content-type", value: Some("application/json") });
        for (key, value) in envelope.headers() {
            headers = headers.insert(Header { key, value: Some(value.as_str()) });
        }
        let key = outcome.scope.key();
        let record = FutureRecord::to(&self.topic).key(&key).payload(&data).headers(headers);
        let producer = match self.producer() {
            Ok(producer) => producer,
            Err(error) => return Delivery::Later(error.to_string()),
        };
        match producer.send(record, Duration::from_secs(30)).await {
            Ok(_) => Delivery::Accepted,
            Err((error, _)) => Delivery::Later(format!("topic {}: {error}", self.topic)),
        }
    }
}

fn open(plan: &KafkaPlan) -> Result<(FutureProducer<Followed>, Followed)> {
    let followed = Followed::default();
    let producer = brokers::followed(&plan.brokers.join(","))
        .set("client.id", "bellwether-actuator")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "30000")
        .create_with_context(followed.clone());
    let producer = producer.map_err(|error: rdkafka::error::KafkaError| ActuatorError::Kafka {
        doing: "open a producer for",
        topic: plan.outcomes_topic.clone(),
        why: error.to_string(),
    })?;
    Ok((producer, followed))
}
