//! Outcomes on their way back to the engine. The queue is the ledger: what was recorded and not noted as sent is sent
//! again, also after a crash; the receiver recognises a repetition by its id.

mod http;
#[cfg(feature = "kafka")]
mod kafka;

use contract::{CloudEvent, OUTCOME_TYPE, Outcome, SPEC_VERSION};

pub use http::HttpSender;
#[cfg(feature = "kafka")]
pub use kafka::KafkaSender;

/// Who speaks in the envelope.
pub const SOURCE: &str = "bellwether-actuator";

/// What became of one attempt to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It arrived.
    Accepted,
    /// The receiver will never take it.
    Rejected(String),
    /// It may arrive later.
    Later(String),
}

/// Where outcomes go to.
#[derive(Debug)]
pub enum Sender {
    /// The engine's HTTP API.
    Http(Box<HttpSender>),
    /// A Kafka topic.
    #[cfg(feature = "kafka")]
    Kafka(Box<KafkaSender>),
}

impl Sender {
    /// Sends one outcome.
    pub async fn send(&self, outcome: &Outcome) -> Delivery {
        match self {
            Self::Http(sender) => sender.send(outcome).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(sender) => sender.send(outcome).await,
        }
    }
}

/// Wraps an outcome for the wire.
#[must_use]
pub fn envelope(outcome: &Outcome) -> CloudEvent<Outcome> {
    CloudEvent {
        specversion: SPEC_VERSION.to_owned(),
        id: outcome.id.clone(),
        source: SOURCE.to_owned(),
        kind: OUTCOME_TYPE.to_owned(),
        subject: Some(outcome.scope.key()),
        time: Some(outcome.at),
        datacontenttype: Some("application/json".to_owned()),
        partitionkey: Some(outcome.scope.key()),
        correlationid: Some(outcome.incident_id.clone()),
        data: outcome.clone(),
    }
}
