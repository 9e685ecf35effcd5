//! Telemetry from Kafka, risk events to Kafka.

use engine::error::EngineError;

use crate::config::{KafkaPlan, Plan};

/// Runs until asked to stop, or a part fails.
pub(crate) async fn run(_plan: &Plan, kafka: &KafkaPlan) -> Result<(), EngineError> {
    Err(EngineError::Setting(format!(
        "kafka.enabled is true for {:?}, but this build reads no Kafka yet",
        kafka.brokers
    )))
}
