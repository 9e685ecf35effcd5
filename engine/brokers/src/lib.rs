//! What all clients of Kafka share, those of the engine and those of the actuator: how they connect, and whether they still
//! know a broker.
//!
//! librdkafka forgets all brokers when an answer to its question about the cluster names none, as the answer of a
//! broker does that stood still for a while and is not back in its own cluster yet. Most times it then begins again
//! with its bootstrap list; but if another answer comes at the wrong moment it never does (seen with 2.12.1, reported
//! as confluentinc/librdkafka#5301), or it talks to its bootstrap address for ever and learns nothing from it, or a
//! consumer never finds its coordinator again. Such a client gives no error, it is only silent for ever; it has to be
//! replaced. Its own statistics show it: one whose brokers are merely away still lists them, and none of them answers.
//!
//! What this crate does not do: replace a client; who owns one does.

use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::ConsumerContext;
use rdkafka::statistics::{Broker, ConsumerGroup, Statistics};
use tokio::sync::watch;

/// How often a client tells how it is, in milliseconds.
const TELLS_EVERY_MS: &str = "1000";
/// So many looks at a client astray are enough; one may fall between forgetting and beginning again.
const ASTRAY_LOOKS: u32 = 3;
/// So many looks at a consumer without a coordinator are enough: one that only waits loses nothing by beginning anew.
const UNLED_LOOKS: u32 = 45;
/// A broker whose last answer is younger is there: every client asks about its topics more often.
const ANSWERED_WITHIN_MICROS: i64 = 10_000_000;

/// What all clients are told; `brokers` is a list with commas.
///
/// ```
/// let client = brokers::connect_to("kafka-0:9092,kafka-1:9092");
/// assert_eq!(client.get("bootstrap.servers"), Some("kafka-0:9092,kafka-1:9092"));
/// ```
#[must_use]
pub fn connect_to(brokers: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", brokers)
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("reconnect.backoff.max.ms", "2000");
    client
}

/// The same for a client that tells how it is; its context, [`Followed`] or another, hands that to [`KnownBrokers::look`].
///
/// ```
/// assert_eq!(brokers::followed("kafka-0:9092").get("statistics.interval.ms"), Some("1000"));
/// ```
#[must_use]
pub fn followed(brokers: &str) -> ClientConfig {
    let mut client = connect_to(brokers);
    client.set("statistics.interval.ms", TELLS_EVERY_MS);
    client
}

/// What a client's own report shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It works, or waits for brokers that do not answer.
    Known,
    /// A consumer that is connected to no coordinator of its group: on its way to one, or stuck.
    Unled,
    /// It lists no broker, or one that answers without having told it about any.
    Astray,
}

/// Counts a client's looks around that show that it has lost its way.
#[derive(Debug, Default)]
pub struct KnownBrokers {
    doubt: watch::Sender<u32>,
}

impl KnownBrokers {
    /// Takes in what the client tells.
    pub fn look(&self, statistics: &Statistics) {
        self.seen(way(statistics));
    }

    fn seen(&self, way: Way) {
        let weight = match way {
            Way::Known => 0,
            Way::Unled => 1,
            Way::Astray => UNLED_LOOKS / ASTRAY_LOOKS,
        };
        self.doubt.send_modify(|doubt| *doubt = if weight > 0 { doubt.saturating_add(weight) } else { 0 });
    }

    /// Whether the client has lost its way to the cluster for good.
    #[must_use]
    pub fn are_lost(&self) -> bool {
        *self.doubt.borrow() >= UNLED_LOOKS
    }

    /// Returns when that has happened.
    pub async fn lost(&self) {
        let mut doubt = self.doubt.subscribe();
        if doubt.wait_for(|doubt| *doubt >= UNLED_LOOKS).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn way(statistics: &Statistics) -> Way {
    let of = |source: &str| {
        statistics.brokers.values().filter(|broker| broker.source == source).collect::<Vec<&Broker>>()
    };
    let (learned, configured) = (of("learned"), of("configured"));
    let answers =
        |broker: &&Broker| broker.state == "UP" && (0..ANSWERED_WITHIN_MICROS).contains(&broker.rxidle);
    if learned.is_empty() && (configured.is_empty() || configured.iter().any(answers)) {
        return Way::Astray;
    }
    let is_led = |group: &ConsumerGroup| {
        group.state == "up" && of("logical").iter().any(|coordinator| coordinator.state == "UP")
    };
    match &statistics.cgrp {
        Some(group) if !is_led(group) => Way::Unled,
        _ => Way::Known,
    }
}

/// The context of a client that needs no other. Clones look together.
#[derive(Debug, Clone, Default)]
pub struct Followed(Arc<KnownBrokers>);

impl Followed {
    /// Whether the client has lost its way to the cluster for good.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.0.are_lost()
    }

    /// Returns when that has happened.
    pub async fn lost(&self) {
        self.0.lost().await;
    }
}

impl ClientContext for Followed {
    fn stats(&self, statistics: Statistics) {
        self.0.look(&statistics);
    }
}

impl ConsumerContext for Followed {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: looks that show a client astray, unled, and well. Guarantees: only an unbroken row counts, three astray or
    /// 45 unled, and whoever waits for that is woken.
    #[tokio::test]
    async fn only_an_unbroken_row_of_looks_counts() {
        let known = KnownBrokers::default();
        for way in [Way::Known, Way::Astray, Way::Astray, Way::Known, Way::Astray, Way::Astray] {
            known.seen(way);
            assert!(!known.are_lost());
        }
        known.seen(Way::Astray);
        assert!(known.are_lost());
        known.lost().await;
        known.seen(Way::Known);
        for looks in 1..=UNLED_LOOKS {
            known.seen(Way::Unled);
            assert_eq!(known.are_lost(), looks == UNLED_LOOKS, "{looks}");
        }
    }

    /// Scenario: a client that is astray, whose context was cloned. Guarantees: a clone sees it too, and so does who waits.
    #[tokio::test]
    async fn clones_look_together() {
        let followed = Followed::default();
        for looks in 1..=ASTRAY_LOOKS {
            followed.stats(Statistics::default());
            assert_eq!(followed.clone().is_lost(), looks == ASTRAY_LOOKS, "{looks}");
        }
        followed.clone().lost().await;
    }

    fn told(brokers: &[(&str, &str, i64)], group: Option<&str>) -> Way {
        let broker = |n: usize, (source, state, idle_s): &(&str, &str, i64)| {
            let (source, state) = ((*source).to_owned(), (*state).to_owned());
            (n.to_string(), Broker { source, state, rxidle: idle_s * 1_000_000, ..Broker::default() })
        };
        let cgrp = group.map(|state| ConsumerGroup { state: state.to_owned(), ..ConsumerGroup::default() });
        let brokers = brokers.iter().enumerate().map(|(n, told)| broker(n, told)).collect();
        way(&Statistics { brokers, cgrp, ..Statistics::default() })
    }

    /// Scenario: producers and consumers whose broker is there, is away, was never reached, was forgotten, is only a
    /// bootstrap address that answers, and consumers whose coordinator is not. Guarantees: a client that waits for a broker
    /// is not astray, and a consumer knows its way only if its coordinator is connected.
    #[test]
    fn a_client_that_waits_is_not_astray() {
        let (away, there) = (("logical", "INIT", 50), ("logical", "UP", 1));
        assert_eq!(told(&[("learned", "UP", 1), there], Some("up")), Way::Known);
        assert_eq!(told(&[("learned", "UP", 1)], None), Way::Known);
        assert_eq!(told(&[("learned", "DOWN", 25), ("configured", "DOWN", 25)], None), Way::Known);
        assert_eq!(told(&[("configured", "CONNECT", -1)], None), Way::Known);
        for unled in [
            told(&[("configured", "CONNECT", -1)], Some("init")),
            told(&[("learned", "UP", 1), away], Some("up")),
            told(&[("learned", "UP", 1)], Some("query-coord")),
            told(&[("configured", "UP", 2), ("learned", "DOWN", 90), there], Some("wait-broker-transport")),
        ] {
            assert_eq!(unled, Way::Unled);
        }
        for astray in
            [told(&[], None), told(&[away], Some("up")), told(&[("configured", "UP", 2), there], Some("up"))]
        {
            assert_eq!(astray, Way::Astray);
        }
    }
}
