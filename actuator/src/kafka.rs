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
/// Reports that are not astray, but of a consumer without a connected coordinator, count less.
const UNLED_REPORTS: u32 = 45;

/// The context of a client, which counts reports of having lost the way. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight(Arc<watch::Sender<u32>>);

impl Sight {
    /// Whether the cluster is not known any more.
    pub(crate) fn is_lost(&self) -> bool {
        *self.0.borrow() >= UNLED_REPORTS
    }

    /// Returns when that is so.
    pub(crate) async fn lost(&self) {
        // an error is impossible while `self` holds the sender
        self.0.subscribe().wait_for(|reports| *reports >= UNLED_REPORTS).await.ok();
    }

    /// `weight` 0 is a report of a client that is well.
    fn report(&self, weight: u32) {
        self.0.send_modify(|sum| *sum = if weight > 0 { sum.saturating_add(weight) } else { 0 });
    }
}

impl ClientContext for Sight {
    fn stats(&self, statistics: Statistics) {
        self.report(weight(&statistics));
    }
}

/// How much a report speaks for a client that has lost its way.
fn weight(statistics: &Statistics) -> u32 {
    let of = |source: &'static str| statistics.brokers.values().filter(move |broker| broker.source == source);
    let is_near = |broker: &Broker| broker.state == "UP" && (0..RECENT_ANSWER).contains(&broker.rxidle);
    let is_astray =
        of("learned").count() == 0 && (of("configured").count() == 0 || of("configured").any(is_near));
    if is_astray {
        return UNLED_REPORTS / ASTRAY_REPORTS;
    }
    let is_led = of("logical").any(|coordinator| coordinator.state == "UP");
    statistics.cgrp.as_ref().map_or(0, |group| u32::from(group.state != "up" || !is_led))
}

impl ConsumerContext for Sight {}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::ConsumerGroup;

    use super::*;

    /// Scenario: reports that are astray or not. Guarantees: only three astray ones in a row count, and a clone sees it
    /// too.
    #[tokio::test]
    async fn three_reports_in_a_row_count() {
        let sight = Sight::default();
        for (weight, lost) in
            [(0, false), (15, false), (15, false), (0, false), (15, false), (15, false), (15, true)]
        {
            sight.report(weight);
            assert_eq!(sight.clone().is_lost(), lost);
        }
        sight.lost().await;
    }

    /// Scenario: a client with a broker that answers, one whose broker is away, one that only its bootstrap address
    /// answers, one that knows nobody; a consumer with its coordinator and one without. Guarantees: the third and the fourth
    /// are astray, and the last one counts a little.
    #[test]
    fn who_waits_for_a_broker_is_not_astray() {
        let report = |brokers: &[(&str, i64)], group: Option<&str>| {
            let broker = |(source, seconds): &(&str, i64)| {
                let (source, state) = ((*source).to_owned(), "UP".to_owned());
                (source.clone(), Broker { source, state, rxidle: seconds * 1_000_000, ..Broker::default() })
            };
            let cgrp =
                group.map(|state| ConsumerGroup { state: state.to_owned(), ..ConsumerGroup::default() });
            let brokers = brokers.iter().map(broker).collect();
            weight(&Statistics { brokers, cgrp, ..Statistics::default() })
        };
        let alone = [("learned", 1), ("learned", 40), ("configured", 1), ("logical", 1)];
        assert_eq!(alone.map(|broker| report(&[broker], None)), [0, 0, 15, 15]);
        assert_eq!(report(&[("learned", 1), ("logical", 1)], Some("up")), 0);
        assert_eq!(report(&[("learned", 1)], Some("up")), 1);
    }
}
