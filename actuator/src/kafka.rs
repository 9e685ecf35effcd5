//! Whether a client of Kafka still knows a broker.
//!
//! After an answer that names no broker at all, librdkafka (2.12.1, confluentinc/librdkafka#5301) sometimes waits for
//! ever and says nothing, or goes on talking to its bootstrap address and learns no broker from it. A client that shows
//! one of these in several of its own reports in a row has to be replaced; its owner does that. One whose brokers do not
//! answer is no such client: it waits for them.
//!
//! What this module does not do: replace it.

use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::consumer::ConsumerContext;
use rdkafka::statistics::{Broker, Statistics};
use tokio::sync::watch;

/// For `statistics.interval.ms`: how often a client reports.
pub(crate) const REPORTS_EVERY_MS: &str = "1000";
const ASTRAY_REPORTS: u32 = 3;
/// In µs; an answer that is no older says that the broker is there.
const RECENT_ANSWER: i64 = 10_000_000;
/// In ms; a consumer that looks for its coordinator for so long beside a broker that answers will not find it.
const COORDINATOR_SEARCH_MAX: i64 = 20_000;

/// The context of a client, which counts reports of having lost the way. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight(Arc<watch::Sender<u32>>);

impl Sight {
    /// Whether the cluster is not known any more.
    pub(crate) fn is_lost(&self) -> bool {
        *self.0.borrow() >= ASTRAY_REPORTS
    }

    /// Returns when that is so.
    pub(crate) async fn lost(&self) {
        // an error is impossible while `self` holds the sender
        self.0.subscribe().wait_for(|reports| *reports >= ASTRAY_REPORTS).await.ok();
    }

    fn report(&self, is_astray: bool) {
        self.0.send_modify(|reports| *reports = if is_astray { reports.saturating_add(1) } else { 0 });
    }
}

impl ClientContext for Sight {
    fn stats(&self, statistics: Statistics) {
        self.report(is_astray(&statistics));
    }
}

fn is_astray(statistics: &Statistics) -> bool {
    let brokers = || statistics.brokers.values();
    let count = |source: &str| brokers().filter(|broker| broker.source == source).count();
    let is_real = |broker: &&Broker| broker.source == "learned" || broker.source == "configured";
    let is_near = |broker: &Broker| broker.state == "UP" && (0..RECENT_ANSWER).contains(&broker.rxidle);
    let is_answered = brokers().filter(is_real).any(is_near);
    let searches_long = statistics
        .cgrp
        .as_ref()
        .is_some_and(|group| group.state != "up" && group.stateage >= COORDINATOR_SEARCH_MAX);
    match (count("learned"), count("configured")) {
        (0, 0) => true,
        (0, _) => is_answered,
        _ => is_answered && searches_long,
    }
}

impl ConsumerContext for Sight {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: reports that are astray or not. Guarantees: only three astray ones in a row count, and a clone sees it
    /// too.
    #[tokio::test]
    async fn three_reports_in_a_row_count() {
        let sight = Sight::default();
        for (is_astray, lost) in [
            (false, false),
            (true, false),
            (true, false),
            (false, false),
            (true, false),
            (true, false),
            (true, true),
        ] {
            sight.report(is_astray);
            assert_eq!(sight.clone().is_lost(), lost);
        }
        sight.lost().await;
    }

    /// Scenario: a client with a broker that answers, one whose broker is away, one that only its bootstrap address
    /// answers, one that knows nobody. Guarantees: the last two are astray.
    #[test]
    fn who_waits_for_a_broker_is_not_astray() {
        let report = |source: &str, seconds: i64| {
            let broker = Broker {
                source: source.to_owned(),
                state: "UP".to_owned(),
                rxidle: seconds * 1_000_000,
                ..Broker::default()
            };
            Statistics { brokers: [(source.to_owned(), broker)].into(), ..Statistics::default() }
        };
        let seen =
            [report("learned", 1), report("learned", 40), report("configured", 1), report("logical", 1)];
        assert_eq!(seen.map(|statistics| is_astray(&statistics)), [false, false, true, true]);
    }
}
