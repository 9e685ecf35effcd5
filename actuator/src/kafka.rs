//! Whether a client of Kafka still knows a broker.
//!
//! After an answer that names no broker at all, librdkafka (2.12.1, confluentinc/librdkafka#5301) sometimes waits for
//! ever and says nothing. A client that shows no broker in several of its own reports in a row has to be replaced; its
//! owner does that.
//!
//! What this module does not do: replace it.

use std::sync::Arc;

use rdkafka::client::ClientContext;
use rdkafka::consumer::ConsumerContext;
use rdkafka::statistics::Statistics;
use tokio::sync::watch;

/// For `statistics.interval.ms`: how often a client reports.
pub(crate) const REPORTS_EVERY_MS: &str = "1000";
const REPORTS_WITHOUT_A_BROKER: u32 = 3;

/// The context of a client, which counts reports without a broker. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sight(Arc<watch::Sender<u32>>);

impl Sight {
    /// Whether no broker is known any more.
    pub(crate) fn is_lost(&self) -> bool {
        *self.0.borrow() >= REPORTS_WITHOUT_A_BROKER
    }

    /// Returns when that is so.
    pub(crate) async fn lost(&self) {
        // an error is impossible while `self` holds the sender
        self.0.subscribe().wait_for(|reports| *reports >= REPORTS_WITHOUT_A_BROKER).await.ok();
    }

    fn report(&self, brokers: usize) {
        self.0.send_modify(|reports| *reports = if brokers == 0 { reports.saturating_add(1) } else { 0 });
    }
}

impl ClientContext for Sight {
    fn stats(&self, statistics: Statistics) {
        let brokers = statistics.brokers.values();
        self.report(
            brokers.filter(|broker| ["learned", "configured"].contains(&broker.source.as_str())).count(),
        );
    }
}

impl ConsumerContext for Sight {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: reports of two brokers, of none twice, of one, then of none. Guarantees: only three in a row without
    /// one count, and a clone sees it too.
    #[tokio::test]
    async fn three_reports_in_a_row_count() {
        let sight = Sight::default();
        for (brokers, lost) in
            [(2, false), (0, false), (0, false), (1, false), (0, false), (0, false), (0, true)]
        {
            sight.report(brokers);
            assert_eq!(sight.clone().is_lost(), lost);
        }
        sight.lost().await;
    }
}
