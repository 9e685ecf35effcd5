//! What every client of Kafka in this crate shares: how it connects, and whether it still knows a broker.
//!
//! librdkafka forgets all brokers when an answer to its question about the cluster names none, as the answer of a
//! broker does that stood still for a while and is not back in its own cluster yet. Most times it then begins again
//! with its bootstrap list; but if another answer comes at the wrong moment it never does (seen with 2.12.1, reported
//! as confluentinc/librdkafka#5301), or it talks to its bootstrap address for ever and learns nothing from it. Such a
//! client gives no error, it is only silent for ever; it has to be replaced. Its own statistics show it: one whose
//! brokers are merely away still lists them, and none of them answers.
//!
//! What this module does not do: replace a client; who owns one does.

use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::statistics::{Broker, Statistics};
use tokio::sync::watch;

/// How often a client tells how it is, in milliseconds.
const TELLS_EVERY_MS: &str = "1000";
/// One astray look may fall between forgetting and beginning again.
const ASTRAY_LOOKS: u32 = 3;
/// A broker whose last answer is younger is there: every client asks about its topics more often.
const ANSWERED_WITHIN_MICROS: i64 = 10_000_000;
/// A consumer that has no coordinator for so long, although a broker answers, will not find one.
const NO_COORDINATOR_MS: i64 = 20_000;

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

/// Counts a client's looks around that show it astray.
#[derive(Debug, Default)]
pub(crate) struct KnownBrokers {
    astray: watch::Sender<u32>,
}

impl KnownBrokers {
    /// Takes in what the client tells.
    pub(crate) fn look(&self, statistics: &Statistics) {
        self.seen(is_astray(statistics));
    }

    fn seen(&self, is_astray: bool) {
        self.astray.send_modify(|looks| *looks = if is_astray { looks.saturating_add(1) } else { 0 });
    }

    /// Whether the client has lost its way to the cluster for good.
    pub(crate) fn are_lost(&self) -> bool {
        *self.astray.borrow() >= ASTRAY_LOOKS
    }

    /// Returns when that has happened.
    pub(crate) async fn lost(&self) {
        let mut astray = self.astray.subscribe();
        if astray.wait_for(|looks| *looks >= ASTRAY_LOOKS).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Whether a client has no way to its cluster that waiting would open: it lists no broker, or one that answers without
/// having told it about any, or it has had no coordinator for long although a broker answers.
fn is_astray(statistics: &Statistics) -> bool {
    let of = |source: &str| {
        statistics.brokers.values().filter(|broker| broker.source == source).collect::<Vec<&Broker>>()
    };
    let (learned, configured) = (of("learned"), of("configured"));
    let answers =
        |broker: &&Broker| broker.state == "UP" && (0..ANSWERED_WITHIN_MICROS).contains(&broker.rxidle);
    let one_answers = learned.iter().chain(&configured).any(answers);
    let has_no_coordinator = statistics
        .cgrp
        .as_ref()
        .is_some_and(|group| group.state != "up" && group.stateage >= NO_COORDINATOR_MS);
    (learned.is_empty() && configured.is_empty())
        || (learned.is_empty() && one_answers)
        || (has_no_coordinator && one_answers)
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
    use rdkafka::statistics::ConsumerGroup;

    use super::*;

    /// Scenario: looks that show a client astray, and others. Guarantees: only an unbroken row of three counts, and
    /// whoever waits for that is woken.
    #[tokio::test]
    async fn only_a_row_of_astray_looks_counts() {
        let known = KnownBrokers::default();
        for is_astray in [false, true, true, false, true, true] {
            known.seen(is_astray);
            assert!(!known.are_lost());
        }
        known.seen(true);
        assert!(known.are_lost());
        known.lost().await;
    }

    fn told(brokers: &[(&str, &str, i64)], group: Option<(&str, i64)>) -> Statistics {
        let broker = |n: usize, (source, state, idle_s): &(&str, &str, i64)| {
            let (source, state) = ((*source).to_owned(), (*state).to_owned());
            (n.to_string(), Broker { source, state, rxidle: idle_s * 1_000_000, ..Broker::default() })
        };
        let cgrp = group.map(|(state, age_s)| ConsumerGroup {
            state: state.to_owned(),
            stateage: age_s * 1_000,
            ..ConsumerGroup::default()
        });
        let brokers = brokers.iter().enumerate().map(|(n, told)| broker(n, told)).collect();
        Statistics { brokers, cgrp, ..Statistics::default() }
    }

    /// Scenario: clients whose broker is there, is away, was never reached, was forgotten, is only a bootstrap address
    /// that answers, or answers a consumer that finds no coordinator. Guarantees: the last three are astray, and a
    /// client that waits for a broker that is away is not.
    #[test]
    fn a_client_that_waits_is_not_astray() {
        let logical = ("logical", "CONNECT", 50);
        let waits = [
            told(&[("learned", "UP", 1), logical], Some(("up", 90))),
            told(&[("learned", "UP", 25), logical], Some(("wait-coord", 40))),
            told(&[("learned", "DOWN", 25), ("configured", "DOWN", 25)], None),
            told(&[("configured", "CONNECT", -1)], Some(("init", 60))),
            told(&[("learned", "UP", 1)], Some(("query-coord", 5))),
        ];
        assert!(!waits.iter().any(is_astray));
        let lost = [
            told(&[], None),
            told(&[logical], Some(("up", 3))),
            told(&[("configured", "UP", 2), logical], Some(("up", 3))),
            told(&[("configured", "UP", 2), ("learned", "DOWN", 90)], Some(("wait-broker-transport", 30))),
        ];
        assert!(lost.iter().all(is_astray));
    }
}
