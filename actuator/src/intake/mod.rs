//! Risk events from outside, over HTTP or from Kafka.
//!
//! Promises: an event that cannot be verified never reaches the desk; a position is given up only when the ledger holds
//! the event. What it does not do: decide.

mod backoff;
mod http;
#[cfg(feature = "kafka")]
mod kafka;
mod verify;

pub use backoff::Backoff;
pub use http::HttpIntake;
#[cfg(feature = "kafka")]
pub use kafka::KafkaIntake;
pub use verify::{Refusal, verify_binary, verify_structured};

use contract::RiskEvent;

use crate::error::Result;

/// What an intake gives.
#[derive(Debug)]
pub enum Received {
    /// The source is there.
    Connected,
    /// An event that can be believed.
    Event(Box<RiskEvent>),
    /// One that cannot.
    Refused(Refusal),
    /// The connection was lost, and why; the next call tries again.
    Interrupted(String),
}

/// Where events come from.
#[derive(Debug)]
pub enum Intake {
    /// The engine's HTTP API.
    Http(Box<HttpIntake>),
    /// A Kafka topic.
    #[cfg(feature = "kafka")]
    Kafka(Box<KafkaIntake>),
}

impl Intake {
    /// Waits for what comes next.
    ///
    /// # Errors
    /// Only what no later call can heal.
    pub async fn next(&mut self) -> Result<Received> {
        match self {
            Self::Http(intake) => Ok(intake.next().await),
            #[cfg(feature = "kafka")]
            Self::Kafka(intake) => Ok(intake.next().await),
        }
    }

    /// Gives up the position of the event given last; the ledger holds it.
    ///
    /// # Errors
    /// [`crate::error::ActuatorError::Kafka`] if the position cannot be stored.
    pub fn settle(&mut self, event_id: Option<&str>) -> Result<()> {
        match self {
            Self::Http(intake) => {
                intake.settle(event_id);
                Ok(())
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(intake) => intake.settle(),
        }
    }
}
