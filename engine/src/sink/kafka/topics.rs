//! Topics that are missing are made, so that a first start needs no preparation.
//!
//! What this module does not do: change a topic that is there. One that is made here has one partition and the
//! broker's defaults; whoever wants others makes it before the start.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use super::{KafkaSinkConfig, broker};
use crate::error::{EngineError, Retry};

/// The broker's own default of replicas.
const REPLICAS_BY_DEFAULT: i32 = -1;

/// Makes those of these topics that the broker does not have; gives their names.
///
/// # Errors
/// [`EngineError::Broker`] when the broker does not answer within `within`, or refuses.
pub async fn create_topics(
    config: &KafkaSinkConfig,
    topics: &[String],
    within: Duration,
) -> Result<Vec<String>, EngineError> {
    let mut client = config.client();
    let admin: AdminClient<DefaultClientContext> = config
        .extend(&mut client)
        .create()
        .map_err(|error| EngineError::Setting(format!("kafka: {error}")))?;
    let named = topics.join(", ");
    let (admin, known) = tokio::task::spawn_blocking(move || {
        let known = admin.inner().fetch_metadata(None, within).map(|metadata| {
            metadata.topics().iter().map(|topic| topic.name().to_owned()).collect::<BTreeSet<_>>()
        });
        (admin, known)
    })
    .await
    .map_err(|error| EngineError::Invariant(format!("asking for topics ended badly: {error}")))?;
    let known = known.map_err(|error| broker("ask for", &named, &error))?;
    let missing: Vec<&String> = topics.iter().filter(|topic| !known.contains(*topic)).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|topic| NewTopic::new(topic, 1, TopicReplication::Fixed(REPLICAS_BY_DEFAULT)))
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(within));
    let made = admin.create_topics(&new, &options).await.map_err(|error| broker("make", &named, &error))?;
    for result in made {
        match result {
            Ok(topic) => tracing::info!(topic, "topic was missing and is made, with one partition"),
            // another process was faster
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                let why = format!("{code}; make the topic by hand, or let this client create topics");
                return Err(EngineError::Broker { action: "make", topic, why, retry: Retry::Later });
            }
        }
    }
    Ok(missing.into_iter().cloned().collect())
}
