//! What every client of Kafka in this crate shares: how it connects, and whether it still knows a broker.
//!
//! librdkafka forgets all brokers when an answer to its question about the cluster names none, as the answer of a
//! broker does that stood still for a while and is not back in its own cluster yet. Most times it then begins again
//! with its bootstrap list; but if another answer comes at the wrong moment it never does (seen with 2.12.1, reported
//! as confluentinc/librdkafka#5301). Such a client gives no error, it is only silent for ever; it has to be replaced.
//! Its own statistics show it: one whose brokers are merely away still lists them.
//!
//! What this module does not do: replace a client; who owns one does.

use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::statistics::Statistics;
use tokio::sync::watch;

/// How often a client tells how it is, in milliseconds.
const TELLS_EVERY_MS: &str = "1000";
/// One look without a broker may fall between forgetting and beginning again.
const LOOKS_WITHOUT_A_BROKER: u32 = 3;

/// What all clients are told.
pub(crate) fn connect_to(brokers: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", brokers)
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("reconnect.backoff.max.ms", "2000");
    client
}

/// Makes a client tell how it is; its context hands that to [`KnownBrokers::look`].
pub(crate) fn tells_how_it_is(client: &mut ClientConfig) {
    client.set("statistics.interval.ms", TELLS_EVERY_MS);
}

/// Counts a client's looks around that found no broker.
#[derive(Debug, Default)]
pub(crate) struct KnownBrokers {
    looks_without: watch::Sender<u32>,
}

impl KnownBrokers {
    /// Takes in what the client tells.
    pub(crate) fn look(&self, statistics: &Statistics) {
        let real = |source: &str| source == "learned" || source == "configured";
        self.seen(statistics.brokers.values().filter(|broker| real(&broker.source)).count());
    }

    fn seen(&self, brokers: usize) {
        self.looks_without
            .send_modify(|looks| *looks = if brokers > 0 { 0 } else { looks.saturating_add(1) });
    }

    /// Whether the client has lost its way to the cluster for good.
    pub(crate) fn are_lost(&self) -> bool {
        *self.looks_without.borrow() >= LOOKS_WITHOUT_A_BROKER
    }

    /// Returns when that has happened.
    pub(crate) async fn lost(&self) {
        let mut looks = self.looks_without.subscribe();
        if looks.wait_for(|looks| *looks >= LOOKS_WITHOUT_A_BROKER).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Follows a producer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Followed(pub(crate) Arc<KnownBrokers>);

impl ClientContext for Followed {
    fn stats(&self, statistics: Statistics) {
        self.0.look(&statistics);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: looks with and without brokers. Guarantees: only an unbroken row of looks without any says that they
    /// are lost, and whoever waits for that is woken.
    #[tokio::test]
    async fn only_a_row_of_empty_looks_counts() {
        let known = KnownBrokers::default();
        for brokers in [1, 0, 0, 1, 0, 0] {
            known.seen(brokers);
            assert!(!known.are_lost());
        }
        known.seen(0);
        assert!(known.are_lost());
        known.lost().await;
    }
}
